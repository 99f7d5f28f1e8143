"""Invitations in the table, each in step with what its customer's or employee's item says of it, and counted."""

from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Delivery
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.invitations import Invitation
from tradepost.table.counts import count_moves
from tradepost.table.customers import COUNTED, customer_key
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.shapes import INVITATION, Key
from tradepost.table.transaction import Transaction


def invitation_key(store_id: str, invitation_id: str) -> Key:
    """Return where an invitation is kept."""
    return INVITATION.key(store=store_id, invitation=invitation_id)


def store_of(invitation_id: str) -> str:
    """Return the store that an invitation's id leads to."""
    return invitation_id.partition(".")[0]


def put_invitation(tx: Transaction, invitation: Invitation) -> None:
    """Write an invitation alone: for a customer or an employee that is written with it in one transaction."""
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
        told.append(Path("aside.suppressed").set(True))  # an employee's address never changes; a customer's may have
    _tell(tx, invitation, told, Path("aside.invitation.id") == invitation.id)
    after = invitation.model_copy(update={"delivery": delivery})
    count_moves(tx, invitation.store_id, COUNTED, before=invitation.standing, after=after.standing)


def list_invitations(store_id: str, *, limit: int, after: Position | None, where: Condition | None) -> Rows:
    """Return a page of a store's invitations, newest first, with one Query."""
    partition = INVITATION.index1(store=store_id, created_at="", invitation="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=where, newest_first=True)


def invited_key(invitation: Invitation) -> Key:
    """Return where the invited customer or employee is kept."""
    if invitation.member_id:
        return member_key(invitation.member_id, invitation.store_id)
    return customer_key(invitation.store_id, invitation.customer_id)


def _tell(tx: Transaction, invitation: Invitation, told: list[Action], condition: Condition) -> None:
    changed = ConflictError("conflict", f"The {invitation.kind} was being changed at the same moment.")
    tx.update(invited_key(invitation), told, condition=condition, otherwise=changed)
