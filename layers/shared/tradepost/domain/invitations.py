"""Invitations: the offer to join a store, made to one e-mail address by a link that explains itself when it is dead."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import ClassVar, Final, Literal

from tradepost.domain.customers import Customer, Delivery, InvitationState, InvitationSummary
from tradepost.domain.errors import ConflictError, DomainError, GoneError, NotFoundError, ThrottledError
from tradepost.domain.ids import person_key
from tradepost.domain.limits import RateLimit
from tradepost.domain.outbox import InvitationMail
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.values import Email, Entity, Instant, Text, Value

RENEWAL_PAUSE: Final = timedelta(minutes=5)
MAX_INVITED: Final = 1000
RESENT_TO_ADDRESS: Final = RateLimit(
    "resent-to", 5, timedelta(hours=1), "resent_too_often", "This address was mailed often enough within the hour."
)
RESENT_BY_INVITER: Final = RateLimit(
    "resent-by", 100, timedelta(hours=1), "too_many_resends", "You have resent many invitations within the hour."
)
INVITED_BY_CUSTOMER: Final = RateLimit(
    "invited-by-customer", 100, timedelta(days=1), "too_many_invitations", "Many employees were invited within the day."
)

type InvitationKind = Literal["customer", "employee", "sales_rep"]
type SkipReason = Literal[
    "out_of_scope",
    "no_email",
    "inactive",
    "address_suppressed",
    "already_invited",
    "already_accepted",
    "too_many_companies",
    "conflict",
]


class Edit(Value):
    """What the invited person corrected of what the store had entered."""

    field: str
    before: str | None
    after: str | None


class Invitation(Entity):
    """One offer to join. Raising `generation` kills every link sent so far; sending again does not.

    It has no customer if it is a sales rep's. A `private` one goes to an address of the company directory, which the store
    does not get to see. `active` says whether its customer is, `sendings` how many mails it had, `suppressed` that a mail
    came back for good or was complained of.
    """

    entity: ClassVar = "invitation"
    aside: ClassVar = frozenset({"delivery", "sent_at", "suppressed", "active"})

    id: str
    store_id: str
    kind: InvitationKind = "customer"
    email: Email
    name: Text
    customer_id: str | None = None
    member_id: str | None = None
    private: bool = False
    state: Literal["pending", "accepted", "revoked"] = "pending"
    generation: int = 1
    sendings: int = 1
    delivery: Delivery = "queued"
    active: bool = True
    created_at: Instant
    created_by: Party
    announced_at: Instant
    sent_at: Instant | None = None
    suppressed: bool = False
    expires_at: Instant
    accepted_at: Instant | None = None
    accepted_by: str | None = None
    edits: tuple[Edit, ...] = ()
    revoked_at: Instant | None = None

    def state_at(self, at: datetime) -> InvitationState:
        """Return the state; a pending invitation expires by itself."""
        return self.summary.state_at(at)

    @property
    def summary(self) -> InvitationSummary:
        """What the item of the invited customer, employee or sales rep says of it."""
        return InvitationSummary(id=self.id, state=self.state, delivery=self.delivery, expires_at=self.expires_at)

    @property
    def recipient(self) -> str:
        """Whose mails are counted: the address's, unless the store could tell by the count whose it is."""
        return self.customer_id if self.private and self.customer_id else person_key(self.email)

    @property
    def standing(self) -> frozenset[str]:
        """The labels under which its customer is counted; employees and sales reps are not."""
        if self.kind != "customer" or not self.active:
            return frozenset()
        if self.state == "revoked":
            return frozenset() if self.private else frozenset({"not_invited"})
        return self.summary.standing


def invite(
    customer: Customer,
    *,
    invitation_id: str,
    by: Party,
    at: datetime,
    lifetime: timedelta,
    by_mail: bool = True,
    hidden_email: str | None = None,
) -> Invitation:
    """Make the first invitation of a customer, or a new one after it was revoked. Raises `ConflictError` if none can be.

    A company of the directory without an address of its own is invited at `hidden_email`, which the store does not see.
    """
    reason = reason_to_skip(customer, at=at, by_mail=by_mail)
    if reason:
        raise ConflictError(reason, WHY_SKIPPED[reason])
    return Invitation(
        id=invitation_id,
        store_id=customer.store_id,
        email=customer.email or hidden_email or "",
        name=customer.contact_name or customer.name,
        customer_id=customer.id,
        private=customer.email is None,
        sendings=1 if by_mail else 0,
        delivery="queued" if by_mail else "none",
        suppressed=customer.suppressed,
        created_at=at,
        created_by=by,
        announced_at=at,
        expires_at=at + lifetime,
    )


def invite_member(member: Member, *, invitation_id: str, by: Party, at: datetime, lifetime: timedelta) -> Invitation:
    """Make the invitation of a customer's employee, or of a sales rep, who has not joined yet.

    Raises `ConflictError` for one who has, and for an address from which mail came back.
    """
    if member.status == "active":
        raise ConflictError("already_accepted", "This person has joined already.")
    if member.suppressed:
        raise ConflictError("address_suppressed", WHY_SKIPPED["address_suppressed"])
    return Invitation(
        id=invitation_id,
        store_id=member.store_id,
        kind="sales_rep" if member.role is Role.REP else "employee",
        email=member.email,
        name=member.name,
        customer_id=member.customer_id,
        member_id=member.id,
        created_at=at,
        created_by=by,
        announced_at=at,
        expires_at=at + lifetime,
    )


def reason_to_skip(customer: Customer | None, *, at: datetime, by_mail: bool = True) -> SkipReason | None:
    """Return why a customer cannot be invited now; None if it can. What does not exist is told like what is out of scope."""
    if customer is None:
        return "out_of_scope"
    state = customer.invitation.state_at(at) if customer.invitation else None
    if state == "accepted":
        return "already_accepted"
    # A company of the directory has an address that only the directory knows, and so no link to hand out.
    if not customer.email and state in {None, "revoked"} and not (customer.company_id and by_mail):
        return "no_email"
    if not customer.active:
        return "inactive"
    # One whose link was only handed out, or whose address has changed since, has not been mailed yet.
    mailed = customer.invitation is not None and customer.invitation.delivery != "none"
    if state == "pending" and (mailed or not by_mail):
        return "already_invited"
    return "address_suppressed" if customer.suppressed and by_mail else None


WHY_SKIPPED: Final[dict[SkipReason, str]] = {
    "out_of_scope": "There is no such customer.",
    "no_email": "The customer has no e-mail address.",
    "inactive": "The customer is not active.",
    "address_suppressed": "Mail to this address came back or was complained of. Change the address, or hand out a link.",
    "already_invited": "The customer is invited already; resend the invitation instead.",
    "already_accepted": "The customer has accepted an invitation already.",
    "too_many_companies": "Many companies of the directory were invited today.",
    "conflict": "The customer was being changed at the same moment. Send it again.",
}


def resend(invitation: Invitation, *, at: datetime, lifetime: timedelta, by_mail: bool = True) -> Invitation:
    """Send the same link once more, for a full lifetime; links sent before live on with it.

    Raises `ConflictError` once it is accepted or revoked, while its customer is not active, and for an address from which
    mail came back.
    """
    if invitation.state == "accepted":
        raise ConflictError("already_accepted", WHY_SKIPPED["already_accepted"])
    if invitation.state == "revoked":
        raise ConflictError("invitation_revoked", "This invitation was revoked. Invite anew.")
    if not invitation.active:
        raise ConflictError("inactive", WHY_SKIPPED["inactive"])
    change: dict[str, object] = {"announced_at": at, "expires_at": at + lifetime}
    if by_mail:
        if invitation.suppressed:
            raise ConflictError("address_suppressed", WHY_SKIPPED["address_suppressed"])
        change |= {"delivery": "queued", "sendings": invitation.sendings + 1}
    return invitation.model_copy(update=change)


def renew(invitation: Invitation, *, at: datetime, lifetime: timedelta) -> Invitation:
    """Send the link again because its recipient asks for it. Raises what `resend` does, and `ThrottledError` so soon after."""
    wait = ceil((invitation.announced_at + RENEWAL_PAUSE - at).total_seconds())
    if wait > 0:
        raise ThrottledError("renewed_too_soon", "This invitation was sent a moment ago.", retry_after=wait)
    return resend(invitation, at=at, lifetime=lifetime)


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
    fresh = {"delivery": "none", "sent_at": None, "suppressed": False, "private": False}
    change = {"email": email, "generation": invitation.generation + 1, **fresh}
    return invitation.model_copy(update=change)


def edits_of(entered: Mapping[str, str | None], said: Mapping[str, str | None]) -> tuple[Edit, ...]:
    """Return what a person said otherwise than it had been entered; what nobody had a say in before is no correction."""
    return tuple(
        Edit(field=field, before=entered[field], after=after)
        for field, after in said.items()
        if field in entered and after != entered[field]
    )


def accept(invitation: Invitation, *, by: str, at: datetime, edits: tuple[Edit, ...] = ()) -> Invitation:
    """Take the offer up, once. Call `why_dead` first: this trusts that the link lives."""
    return invitation.model_copy(update={"state": "accepted", "accepted_at": at, "accepted_by": by, "edits": edits})


def mail_of(invitation: Invitation, *, renewed: bool = False) -> InvitationMail:
    """Return the message that mails an invitation's present link."""
    return InvitationMail(
        store_id=invitation.store_id,
        invitation_id=invitation.id,
        customer_id=invitation.customer_id,
        member_id=invitation.member_id,
        generation=invitation.generation,
        sending=invitation.sendings,
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
