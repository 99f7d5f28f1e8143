"""Invitations: the offer to join a store, made to one e-mail address by a link that explains itself when it is dead."""

from datetime import datetime, timedelta
from math import ceil
from typing import ClassVar, Final, Literal

from tradepost.domain.customers import Customer, Delivery, InvitationState, InvitationSummary
from tradepost.domain.errors import ConflictError, DomainError, GoneError, NotFoundError, ThrottledError
from tradepost.domain.outbox import InvitationMail
from tradepost.domain.people import Party
from tradepost.domain.values import Email, Entity, Instant, Text

RESEND_PAUSE: Final = timedelta(seconds=30)
RENEWAL_PAUSE: Final = timedelta(minutes=5)
MAX_INVITED: Final = 1000

type SkipReason = Literal["not_found", "no_email", "inactive", "already_invited", "already_accepted", "conflict"]


class Invitation(Entity):
    """One offer to join. Raising `generation` kills every link sent so far; sending again does not."""

    entity: ClassVar = "invitation"
    aside: ClassVar = frozenset({"delivery", "sent_at"})

    id: str
    store_id: str
    kind: Literal["customer"] = "customer"
    email: Email
    name: Text
    customer_id: str
    state: Literal["pending", "accepted", "revoked"] = "pending"
    generation: int = 1
    delivery: Delivery = "queued"
    created_at: Instant
    created_by: Party
    announced_at: Instant
    sent_at: Instant | None = None
    expires_at: Instant
    accepted_at: Instant | None = None
    accepted_by: str | None = None
    revoked_at: Instant | None = None

    def state_at(self, at: datetime) -> InvitationState:
        """Return the state; a pending invitation expires by itself."""
        return "expired" if self.state == "pending" and at >= self.expires_at else self.state

    @property
    def summary(self) -> InvitationSummary:
        """What the customer's own item says of it."""
        return InvitationSummary(id=self.id, state=self.state, delivery=self.delivery, expires_at=self.expires_at)


def invite(customer: Customer, *, invitation_id: str, by: Party, at: datetime, lifetime: timedelta) -> Invitation:
    """Make the first invitation of a customer, or a new one after it was revoked. Raises `ConflictError` if none can be."""
    reason = reason_to_skip(customer, at=at)
    if reason:
        raise ConflictError(reason, WHY_SKIPPED[reason])
    return Invitation(
        id=invitation_id,
        store_id=customer.store_id,
        email=customer.email or "",
        name=customer.name,
        customer_id=customer.id,
        created_at=at,
        created_by=by,
        announced_at=at,
        expires_at=at + lifetime,
    )


def reason_to_skip(customer: Customer | None, *, at: datetime) -> SkipReason | None:
    """Return why a customer cannot be invited now; None if it can."""
    if customer is None:
        return "not_found"
    if not customer.email:
        return "no_email"
    if not customer.active:
        return "inactive"
    state = customer.invitation.state_at(at) if customer.invitation else None
    if state == "accepted":
        return "already_accepted"
    return "already_invited" if state == "pending" else None


WHY_SKIPPED: Final[dict[SkipReason, str]] = {
    "not_found": "There is no such customer.",
    "no_email": "The customer has no e-mail address.",
    "inactive": "The customer is not active.",
    "already_invited": "The customer is invited already; resend the invitation instead.",
    "already_accepted": "The customer has accepted an invitation already.",
    "conflict": "The customer was being changed at the same moment. Send it again.",
}


def resend(invitation: Invitation, *, at: datetime, lifetime: timedelta, pause: timedelta = RESEND_PAUSE) -> Invitation:
    """Send the same link once more, for a full lifetime; links sent before live on with it.

    Raises `ConflictError` once it is accepted or revoked, `ThrottledError` so soon after the last mail.
    """
    if invitation.state == "accepted":
        raise ConflictError("already_accepted", WHY_SKIPPED["already_accepted"])
    if invitation.state == "revoked":
        raise ConflictError("invitation_revoked", "This invitation was revoked. Invite the customer anew.")
    wait = ceil((invitation.announced_at + pause - at).total_seconds())
    if wait > 0:
        raise ThrottledError("resent_too_soon", "This invitation was sent a moment ago.", retry_after=wait)
    return invitation.model_copy(update={"announced_at": at, "expires_at": at + lifetime, "delivery": "queued"})


def revoke(invitation: Invitation, *, at: datetime) -> Invitation:
    """End an invitation and every link of it; if it was accepted, the access it gave ends too. Twice is once."""
    if invitation.state == "revoked":
        return invitation
    change = {"state": "revoked", "revoked_at": at, "generation": invitation.generation + 1}
    return invitation.model_copy(update=change)


def readdress(invitation: Invitation, email: str | None) -> Invitation:
    """Follow a customer's changed address: links sent to the old one die. It must be resent to reach the new one."""
    if invitation.state != "pending":
        return invitation
    if email is None:
        raise ConflictError("invitation_pending", "Revoke the invitation before you remove the address.")
    change = {"email": email, "generation": invitation.generation + 1, "delivery": "none", "sent_at": None}
    return invitation.model_copy(update=change)


def accept(invitation: Invitation, *, by: str, at: datetime) -> Invitation:
    """Take the offer up, once. Call `why_dead` first: this trusts that the link lives."""
    return invitation.model_copy(update={"state": "accepted", "accepted_at": at, "accepted_by": by})


def mail_of(invitation: Invitation, *, renewed: bool = False) -> InvitationMail:
    """Return the message that mails an invitation's present link."""
    return InvitationMail(
        store_id=invitation.store_id,
        invitation_id=invitation.id,
        customer_id=invitation.customer_id,
        generation=invitation.generation,
        renewed=renewed,
    )


def why_dead(invitation: Invitation | None, generation: int, *, at: datetime) -> DomainError | None:
    """Return why a link does not lead anywhere any more; None if it lives."""
    if invitation is None or generation > invitation.generation:
        return NotFoundError("invitation link")
    if invitation.state == "revoked":
        return GoneError("invitation_revoked", "This invitation was withdrawn.")
    if generation < invitation.generation:
        return GoneError("invitation_replaced", "A newer link has replaced this one.")
    if invitation.state == "accepted":
        return GoneError("invitation_used", "This invitation was accepted already. You can log in.")
    if at >= invitation.expires_at:
        return GoneError("invitation_expired", "This invitation has expired.")
    return None
