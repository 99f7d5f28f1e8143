"""Invitations in the table, each in step with what the item of whoever is invited says of it, and counted."""

from collections.abc import Iterable
from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Delivery
from tradepost.domain.errors import ConflictError, NotFoundError, StaleError
from tradepost.domain.invitations import Invitation
from tradepost.domain.scoping import Scope
from tradepost.table.counts import count_moves
from tradepost.table.customers import COUNTED, customer_key, find_customers
from tradepost.table.listing import SIFTED, Position, list_index, sifted
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import INVITATION, Key
from tradepost.table.transaction import Transaction


def invitation_key(store_id: str, invitation_id: str) -> Key:
    """Return where an invitation is kept."""
    return INVITATION.key(store=store_id, invitation=invitation_id)


def store_of(invitation_id: str) -> str:
    """Return the store that an invitation's id leads to."""
    return invitation_id.partition(".")[0]


def find_invitations(reader: Reader, scope: Scope, invitation_ids: Iterable[str]) -> dict[str, Invitation]:
    """Return those of some invitations that were made to customers within the scope, or their employees, by id.

    Calls: one BatchGetItem for those not read yet (100 each); for whoever does not see the whole store, whom no sales reps'
    ones are shown, another one for the customers.
    """
    ids = list(dict.fromkeys(invitation_ids))
    reader.fetch(invitation_key(scope.store_id, invitation_id) for invitation_id in ids)
    read = {invitation_id: reader.find(invitation_key(scope.store_id, invitation_id), Invitation) for invitation_id in ids}
    found = {invitation_id: invitation for invitation_id, invitation in read.items() if invitation}
    visible = _visible(reader, scope, found.values())
    return {invitation.id: invitation for invitation in visible}


def get_invitation(reader: Reader, scope: Scope, invitation_id: str) -> Invitation:
    """Return an invitation within the scope. Raises `NotFoundError`. Calls: see `find_invitations`."""
    found = find_invitations(reader, scope, [invitation_id])
    if invitation_id not in found:
        raise NotFoundError("invitation")
    return found[invitation_id]


def put_invitation(tx: Transaction, invitation: Invitation) -> None:
    """Write an invitation alone: for a customer, an employee or a sales rep written with it in one transaction."""
    at = stamp(invitation.created_at)
    listed = INVITATION.index1(store=invitation.store_id, created_at=at, invitation=invitation.id)
    tx.save(Record.of(invitation_key(invitation.store_id, invitation.id), invitation, index1=listed))


def add_invitation(tx: Transaction, invitation: Invitation, *, replacing: str | None = None) -> Invitation:
    """Write the first invitation of a customer or an employee, or the one after the revoked one that it is `replacing`.

    Should the invited one have changed meanwhile, nothing is written and `ConflictError` raised. Returns it as stored.
    """
    put_invitation(tx, invitation)
    told = Path("aside.invitation.id")
    latest = (told == replacing) if replacing else told.does_not_exist()
    if invitation.kind == "customer":
        latest = latest & (Path("data.active") == True)  # noqa: E712  # an expression
    if invitation.kind == "customer" and not invitation.private:
        latest = latest & (Path("data.email") == invitation.email)
    if invitation.kind == "employee":
        latest = latest & (Path("data.status") == "pending")
    _tell(tx, invitation, [Path("aside.invitation").set(invitation.summary.model_dump(mode="json"))], latest)
    before = {"not_invited"} if invitation.kind == "customer" and not invitation.private else set[str]()
    count_moves(tx, invitation.store_id, COUNTED, before=before, after=invitation.standing)
    return invitation.model_copy(update={"version": 1})


def save_invitation(tx: Transaction, invitation: Invitation, *, before: Invitation) -> Invitation:
    """Write a changed invitation; returns it with its new version. Mail that is under way meanwhile loses no news of itself."""
    key = invitation_key(invitation.store_id, invitation.id)
    put_invitation(tx, invitation)
    told: list[Action] = [
        Path("aside.invitation.state").set(invitation.state),
        Path("aside.invitation.expires_at").set(stamp(invitation.expires_at)),
    ]
    mailed = invitation.delivery != before.delivery or invitation.sendings != before.sendings
    as_read: Condition = Path("aside.active") == before.active
    if mailed or invitation.state == "revoked":
        as_read &= Path("aside.delivery") == before.delivery
    tx.update(key, [], condition=as_read)
    if mailed:
        sent_at = invitation.sent_at and stamp(invitation.sent_at)
        noted = {"delivery": invitation.delivery, "sent_at": sent_at, "suppressed": invitation.suppressed}
        tx.update(key, [Path(f"aside.{name}").set(value) for name, value in noted.items()])
        told.append(Path("aside.invitation.delivery").set(invitation.delivery))
    count_moves(tx, invitation.store_id, COUNTED, before=before.standing, after=invitation.standing)
    _tell(tx, invitation, told, Path("aside.invitation.id") == invitation.id)
    return invitation.model_copy(update={"version": invitation.version + 1})


def note_delivery(
    tx: Transaction, invitation: Invitation, delivery: Delivery, *, sent_at: datetime | None = None, suppressed: bool = False
) -> None:
    """Note how far an invitation's mail got, which is no change of the invitation itself.

    Raises `StaleError` if it is not what was read any more: then read it again and decide anew.
    """
    key = invitation_key(invitation.store_id, invitation.id)
    noted = [Path("aside.delivery").set(delivery)]
    if sent_at:
        noted.append(Path("aside.sent_at").set(stamp(sent_at)))
    if suppressed:
        noted.append(Path("aside.suppressed").set(True))  # what is stored
    known = (Record.version == invitation.version) & (Path("aside.delivery") == invitation.delivery)
    tx.update(key, noted, condition=known & (Path("aside.active") == invitation.active), otherwise=StaleError())
    if invitation.state == "revoked":
        return
    told: list[Action] = [Path("aside.invitation.delivery").set(delivery)]
    if suppressed and invitation.member_id:
        told.append(Path("aside.suppressed").set(True))  # a person's address never changes; a customer's may have
    _tell(tx, invitation, told, Path("aside.invitation.id") == invitation.id)
    after = invitation.model_copy(update={"delivery": delivery})
    count_moves(tx, invitation.store_id, COUNTED, before=invitation.standing, after=after.standing)


def list_invitations(
    reader: Reader, scope: Scope, *, limit: int, after: Position | None, where: Condition | None
) -> tuple[list[Invitation], Position | None]:
    """Return a page of the invitations of a scope, newest first.

    Calls: one Query; for whoever does not see the whole store one BatchGetItem more, for the customers of those looked at.
    """
    unsifted = scope.reach == "store"
    partition = INVITATION.index1(store=scope.store_id, created_at="", invitation="").pk
    most = limit if unsifted else SIFTED
    rows = list_index(Record.gsi1, partition, limit=most, after=after, where=where, newest_first=True)
    found = [row.load(Invitation) for row in rows.records]
    return sifted(rows, found, _visible(reader, scope, found), limit=limit, gsi=1)


def invited_key(invitation: Invitation) -> Key:
    """Return where the invited customer, employee or sales rep is kept."""
    if invitation.member_id:
        return member_key(invitation.member_id, invitation.store_id)
    return customer_key(invitation.store_id, invitation.customer_id or "")


def _tell(tx: Transaction, invitation: Invitation, told: list[Action], condition: Condition) -> None:
    changed = ConflictError("conflict", f"The {invitation.kind.replace('_', ' ')} was being changed at the same moment.")
    tx.update(invited_key(invitation), told, condition=condition, otherwise=changed)


def _visible(reader: Reader, scope: Scope, invitations: Iterable[Invitation]) -> list[Invitation]:
    """Keep the invitations of customers that are within the scope, and of their employees."""
    found = list(invitations)
    if scope.reach == "store":
        return found
    customers = find_customers(reader, scope, (invitation.customer_id for invitation in found if invitation.customer_id))
    return [invitation for invitation in found if invitation.customer_id in customers]
