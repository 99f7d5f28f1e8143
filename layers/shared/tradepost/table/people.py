"""People in the table: accounts, places in stores, sessions, failed log-ins and password resets."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, DomainError, StaleError
from tradepost.domain.ids import digest, split_member_id
from tradepost.domain.people import (
    FAILED_LOG_INS,
    RESET_LIFETIME,
    Account,
    Member,
    Membership,
    PasswordReset,
    Session,
    Throttle,
)
from tradepost.domain.permissions import Role
from tradepost.domain.values import Entity, folded
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.records import Record
from tradepost.table.shapes import ACCOUNT, CUSTOMER, MEMBER, MEMBERSHIP, PASSWORD_RESET, SESSION, THROTTLE, Key
from tradepost.table.transaction import Transaction


class Person(NamedTuple):
    """Everything kept under one address."""

    account: Account | None
    memberships: list[Membership]
    throttles: list[Throttle]
    reset: PasswordReset | None


def find_person(person: str) -> Person:
    """Read a person whole, with one consistent Query: the account, its places, its failures, its reset."""
    records = list(Record.query(ACCOUNT.partition(person=person), consistent_read=True))

    def all_of[E: Entity](entity: type[E]) -> list[E]:
        return [record.load(entity) for record in records if record.entity == entity.entity]

    def one[E: Entity](entity: type[E]) -> E | None:
        return next(iter(all_of(entity)), None)

    return Person(one(Account), all_of(Membership), all_of(Throttle), one(PasswordReset))


def account_key(person: str) -> Key:
    """Return where a person's account is kept."""
    return ACCOUNT.key(person=person)


def save_account(tx: Transaction, account: Account, *, otherwise: DomainError | None = None) -> None:
    """Write an account."""
    tx.save(Record.of(account_key(account.person), account), otherwise=otherwise)


def keep_account(tx: Transaction, account: Account) -> None:
    """Demand that an account which is there already, and by which somebody gets a place, is not being deleted."""
    if account.version:
        deleted = ConflictError("conflict", "This account was being changed at the same moment. Send it again.")
        tx.require(account_key(account.person), Record.version == account.version, otherwise=deleted)


def close_account(account: Account, *, closing: bool) -> None:
    """Let nobody get a place by an account that is about to be deleted, or let them again. One UpdateItem."""
    changed: list[Action] = [Path("data.closing").set(closing), Record.version.add(1)]
    Record(*account_key(account.person)).update(changed, condition=Record.version == account.version)


def remove_person(tx: Transaction, person: Person, address: str) -> None:
    """Delete what is kept of a person under the digest of its address, who has no place anywhere any more.

    Should somebody have changed the account since, nothing is written.
    """
    if person.account:
        tx.delete(account_key(address), condition=Record.version == person.account.version)
    if person.reset:
        remove_reset(tx, address)
    for throttle in person.throttles:
        tx.delete(THROTTLE.key(person=address, window=str(throttle.window)))


def member_key(member_id: str, store_id: str) -> Key:
    """Return where a member is kept."""
    return MEMBER.key(store=store_id, member=member_id)


def save_member(tx: Transaction, member: Member, *, otherwise: DomainError | None = None) -> Member:
    """Write a place in a store, in the list of its customer's employees or of the store's sales reps.

    One that was erased is in neither. Returns it with its new version.
    """
    names = {"store": member.store_id, "name": folded(member.name)[:100], "member": member.id}
    listed = member.erased_at is None
    employees = MEMBER.index1(**names, customer=member.customer_id) if listed and member.customer_id else None
    reps = MEMBER.index2(**names) if listed and member.role is Role.REP else None
    record = Record.of(member_key(member.id, member.store_id), member, index1=employees, index2=reps)
    tx.save(record, otherwise=otherwise)
    return member.model_copy(update={"version": member.version + 1})


def require_employee(tx: Transaction, store_id: str, member_id: str) -> None:
    """Demand that an employee, whom the transaction does not change, is active."""
    left = ConflictError("employee_not_active", "This employee does not buy for the customer at present.")
    tx.require(member_key(member_id, store_id), Path("data.status") == "active", otherwise=left)


def note_administrator(tx: Transaction, member: Member) -> None:
    """Note with the customer whether this employee looks after the others at present."""
    path = Path(["aside", "administrators", member.person])
    noted = path.set(True) if member.is_administrator else path.remove()
    tx.update(CUSTOMER.key(store=member.store_id, customer=member.customer_id or ""), [noted])


def keep_an_administrator(tx: Transaction, member: Member) -> None:
    """Demand that the customer has another administrator besides this one, who is about to be none any more."""
    refusal = ConflictError("last_administrator", "The customer needs an administrator: make somebody else one first.")
    another = size(Path(["aside", "administrators"])) > 1
    key = CUSTOMER.key(store=member.store_id, customer=member.customer_id or "")
    tx.update(key, [], condition=another, otherwise=refusal)


def note_invitation(tx: Transaction, member: Member) -> None:
    """Note the latest invitation, or that there is none, with a member who is saved once more: saving leaves it alone."""
    told, path = member.invitation, Path("aside.invitation")
    noted = path.set(told.model_dump(mode="json")) if told else path.remove()
    tx.update(member_key(member.id, member.store_id), [noted])


def list_employees(
    store_id: str, customer_id: str, *, limit: int, after: Position | None, where: Condition | None = None
) -> Rows:
    """Return a page of a customer's employees by name, with one Query."""
    partition = MEMBER.index1(store=store_id, customer=customer_id, name="", member="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=where)


def list_sales_reps(store_id: str, *, limit: int, after: Position | None, where: Condition | None = None) -> Rows:
    """Return a page of a store's sales reps by name, with one Query."""
    partition = MEMBER.index2(store=store_id, name="", member="").pk
    return list_index(Record.gsi2, partition, limit=limit, after=after, where=where)


def all_sales_reps(store_id: str) -> list[Member]:
    """Return a store's sales reps, one and all, by name. One Query for every few hundred."""
    partition = MEMBER.index2(store=store_id, name="", member="").pk
    return [record.load(Member) for record in Record.gsi2.query(partition)]


def remove_membership(tx: Transaction, member: Member) -> None:
    """Let log-in find a place no more, which is kept."""
    tx.delete(MEMBERSHIP.key(person=member.person, member=member.id))


def save_membership(tx: Transaction, member: Member, *, customer_name: str | None = None) -> None:
    """Write the person's side of a place, by which log-in finds it."""
    membership = Membership(
        member_id=member.id,
        store_id=member.store_id,
        role=member.role,
        customer_id=member.customer_id,
        customer_name=customer_name,
    )
    tx.put(Record.of(MEMBERSHIP.key(person=member.person, member=member.id), membership))


def take_place_away(tx: Transaction, member_id: str, *, version: int | None = None) -> None:
    """End a member's access at once: its sessions are refused, and neither log-in nor the customer's list finds the place.

    The list of sales reps still does, as long as customers may be allocated to one.
    Raises `StaleError` if this was decided on a `version` that is not the present one any more.
    """
    place = split_member_id(member_id)
    if place is None:
        raise ValueError("not a member's id")
    revoked = [Path("data.status").set("revoked"), Record.version.add(1), Record.gsi1pk.remove(), Record.gsi1sk.remove()]
    known, otherwise = (Record.version == version, StaleError()) if version else (Record.pk.exists(), None)
    tx.update(member_key(member_id, place.store_id), revoked, condition=known, otherwise=otherwise)
    if place.customer_id:
        administrator = Path(["aside", "administrators", place.person])
        tx.update(CUSTOMER.key(store=place.store_id, customer=place.customer_id), [administrator.remove()])
    tx.delete(MEMBERSHIP.key(person=place.person, member=member_id))


def session_key(store_id: str, member_id: str, session_id: str) -> Key:
    """Return where a session is kept."""
    return SESSION.key(store=store_id, member=member_id, session=session_id)


def start_session(tx: Transaction, member: Member, secret: str, *, at: datetime, device: str, address: str) -> Session:
    """Write a new session, of which only the digest of its secret is kept."""
    session = Session(
        id=digest(secret),
        member_id=member.id,
        member_name=member.name,
        started_at=at,
        last_seen_at=at,
        device=device,
        address=address,
    )
    listed = SESSION.index1(store=member.store_id, started_at=stamp(at), session=session.id)
    record = Record.of(session_key(member.store_id, member.id, session.id), session, index1=listed)
    record.expires_at = int(session.expires_at.timestamp())
    tx.save(record)
    return session


def list_sessions_of_member(store_id: str, member_id: str) -> list[Session]:
    """Return a member's sessions, with one Query."""
    partition = SESSION.partition(store=store_id, member=member_id)
    rows = Record.query(partition, Record.sk.startswith("SESSION#"), consistent_read=True)
    return [row.load(Session) for row in rows]


def list_sessions_of_store(store_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of a store's sessions, newest first."""
    partition = SESSION.index1(store=store_id, started_at="", session="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, newest_first=True)


def end_sessions(tx: Transaction, store_id: str, sessions: Iterable[tuple[str, str]]) -> None:
    """Delete sessions, each named by its member's id and its own."""
    for member_id, session_id in sessions:
        tx.delete(session_key(store_id, member_id, session_id))


def note_failure(person: str, *, at: datetime) -> None:
    """Count a failed log-in, with one atomic write: simultaneous ones are all counted."""
    window = FAILED_LOG_INS.window_at(at)
    key = THROTTLE.key(person=person, window=str(window))
    Record(*key).update(
        [
            Record.tally.add(1),
            Record.entity.set(Throttle.entity),
            Record.data.set({"window": window}),
            Record.version.set(1),
            Record.expires_at.set(int((at + FAILED_LOG_INS.window).timestamp())),
        ]
    )


def forget_failures(tx: Transaction, person: str) -> None:
    """Begin counting anew after a success."""
    tx.delete(THROTTLE.key(person=person, window=str(FAILED_LOG_INS.window_at(tx.at))))


def save_reset(tx: Transaction, person: str, reset: PasswordReset) -> None:
    """Write the latest request to replace a password; it takes the place of the one before."""
    record = Record.of(PASSWORD_RESET.key(person=person), reset)
    record.expires_at = int((reset.requested_at + RESET_LIFETIME).timestamp())
    tx.put(record)


def remove_reset(tx: Transaction, person: str) -> None:
    """Use a request up."""
    tx.delete(PASSWORD_RESET.key(person=person))
