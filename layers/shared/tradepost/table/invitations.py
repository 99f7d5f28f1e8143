"""Invitations in the table, each in step with what its customer's item says of it."""

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Delivery
from tradepost.domain.errors import ConflictError
from tradepost.domain.invitations import Invitation
from tradepost.domain.outbox import InvitationMail
from tradepost.table.customers import customer_key
from tradepost.table.listing import Position, Rows, list_index
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
    """Write an invitation alone: for a customer that is written with it in one transaction."""
    at = stamp(invitation.created_at)
    listed = INVITATION.index1(store=invitation.store_id, created_at=at, invitation=invitation.id)
    tx.save(Record.of(invitation_key(invitation.store_id, invitation.id), invitation, index1=listed))


def save_invitation(tx: Transaction, invitation: Invitation, *, replacing: str | None = None) -> Invitation:
    """Write an invitation and its summary with the customer; returns it with its new version.

    A new one takes the place of the revoked one that it is `replacing`, if there was one; should the customer have changed
    meanwhile, nothing is written and `ConflictError` raised.
    """
    put_invitation(tx, invitation)
    told = Path("aside.invitation.id")
    if invitation.version:
        sent_at = invitation.sent_at and stamp(invitation.sent_at)
        known = [Path("aside.delivery").set(invitation.delivery), Path("aside.sent_at").set(sent_at)]
        tx.update(invitation_key(invitation.store_id, invitation.id), known)
        as_we_know_it = told == invitation.id
    else:
        latest = (told == replacing) if replacing else told.does_not_exist()
        as_we_know_it = latest & (Path("data.email") == invitation.email) & (Path("data.active") == True)  # noqa: E712  # an expression
    tx.update(
        customer_key(invitation.store_id, invitation.customer_id),
        [Path("aside.invitation").set(invitation.summary.model_dump(mode="json"))],
        condition=as_we_know_it,
        otherwise=ConflictError("conflict", "The customer was being changed at the same moment."),
    )
    return invitation.model_copy(update={"version": invitation.version + 1})


def note_delivery(tx: Transaction, mail: InvitationMail, delivery: Delivery) -> None:
    """Note how far an invitation's mail got, which is no change of the invitation itself.

    Should the customer have been invited anew meanwhile, `ConflictError` is raised: this mail says nothing of that.
    """
    noted = [Path("aside.delivery").set(delivery)]
    if delivery == "sent":
        noted.append(Path("aside.sent_at").set(stamp(tx.at)))
    tx.update(invitation_key(mail.store_id, mail.invitation_id), noted, condition=Record.pk.exists())
    still_this_one: Condition = Path("aside.invitation.id") == mail.invitation_id
    told = Path("aside.invitation.delivery").set(delivery)
    tx.update(customer_key(mail.store_id, mail.customer_id), [told], condition=still_this_one)


def list_invitations(store_id: str, *, limit: int, after: Position | None, where: Condition | None) -> Rows:
    """Return a page of a store's invitations, newest first, with one Query."""
    partition = INVITATION.index1(store=store_id, created_at="", invitation="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=where, newest_first=True)
