"""What became of a mail: SES tells it twice, late or in any order, and what is noted is the same whichever it is.

News only ever move a mail further: `queued`, `sent`, `delivered`, `bounced`, `suppressed`, `complained`; or from `queued` to
`none`, if there was no reason to send it any more. What came back for good, or was complained of, suppresses the address.
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parseaddr
from typing import Annotated, ClassVar, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tradepost.domain.customers import Delivery
from tradepost.domain.invitations import Invitation
from tradepost.domain.outbox import InvitationMail
from tradepost.domain.values import Email, Entity, Instant

_RANKS: Final[tuple[Delivery, ...]] = ("queued", "none", "sent", "delivered", "bounced", "suppressed", "complained")
_ON_SES_LIST: Final = frozenset({"Suppressed", "OnAccountSuppressionList"})
"""SES itself knows that the address bounces, and did not even try."""
_EMAIL: Final = TypeAdapter[str](Email)


class Standing(NamedTuple):
    """How far a mail got, and whether its address is out of the question from now on."""

    delivery: Delivery
    suppressed: bool = False

    def after(self, news: Self) -> "Standing":
        """Return where a mail stands once some news of it came, whatever came before."""
        further = max(self.delivery, news.delivery, key=_RANKS.index)
        return Standing(further, self.suppressed or news.suppressed)


class Suppression(Entity):
    """An address that gets no more mail of a store: the last one came back for good, or was complained of."""

    entity: ClassVar = "suppression"

    reason: Delivery
    since: Instant


DROPPED: Final = Standing("none")
SENT: Final = Standing("sent")
GIVEN_UP: Final = Standing("bounced")
SUPPRESSED: Final = Standing("suppressed", suppressed=True)


def noted(invitation: Invitation, message: InvitationMail, news: Standing) -> Standing:
    """Return where an invitation stands once news of one of its mails came.

    Only the latest mail says how far it got. One that was sent before can still prove the address wrong; one to an address
    that the invitation does not have any more says nothing at all.
    """
    known = Standing(invitation.delivery, invitation.suppressed)
    if message.generation != invitation.generation:
        return known
    if message.sending < invitation.sendings and not news.suppressed:
        return known
    return known.after(news)


class _Told(BaseModel):
    """A part of what SES tells; it tells much more, and adds to it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Mail(_Told):
    timestamp: datetime
    destination: Annotated[tuple[str, ...], Field(min_length=1)]
    tags: Mapping[str, tuple[str, ...]]


class _Recipient(_Told):
    email_address: Annotated[str, Field(alias="emailAddress")]


class _Delivery(_Told):
    recipients: tuple[str, ...] = ()


class _Bounce(_Told):
    bounce_type: Annotated[str, Field(alias="bounceType")]
    bounce_sub_type: Annotated[str, Field(alias="bounceSubType")] = ""
    recipients: Annotated[tuple[_Recipient, ...], Field(alias="bouncedRecipients")] = ()


class _Complaint(_Told):
    complaint_feedback_type: Annotated[str | None, Field(alias="complaintFeedbackType")] = None
    complaint_sub_type: Annotated[str | None, Field(alias="complaintSubType")] = None
    recipients: Annotated[tuple[_Recipient, ...], Field(alias="complainedRecipients")] = ()


class MailEvent(_Told):
    """One event of SES about a mail of ours, as it publishes them."""

    event_type: Annotated[str, Field(alias="eventType")]
    mail: _Mail
    delivery: _Delivery | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None

    @property
    def news(self) -> Standing | None:
        """What it means; None if nothing."""
        match self.event_type:
            case "Delivery":
                return Standing("delivered")
            case "Bounce" if self.bounce:
                return _of_bounce(self.bounce)
            case "Complaint" if self.complaint:
                return _of_complaint(self.complaint)
            case "Reject":
                return GIVEN_UP
        return None

    @property
    def sent_at(self) -> datetime | None:
        """When the mail left; None if it never did."""
        return self.mail.timestamp if self.news not in {None, SUPPRESSED} and self.event_type != "Reject" else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Whom it is about, spelled as we do: of a mail to several, those that it names, without what is no address."""
        named: tuple[str, ...] = ()
        match self.event_type:
            case "Delivery" if self.delivery:
                named = self.delivery.recipients
            case "Bounce" if self.bounce:
                named = tuple(recipient.email_address for recipient in self.bounce.recipients)
            case "Complaint" if self.complaint:
                named = tuple(recipient.email_address for recipient in self.complaint.recipients)
        return tuple(filter(None, map(_spelled, named or self.mail.destination)))

    def tag(self, name: str) -> str:
        """Return what the mail was tagged with; empty if it was not."""
        return next(iter(self.mail.tags.get(name, ())), "")


def _spelled(address: str) -> str | None:
    try:
        return _EMAIL.validate_python(parseaddr(address)[1])
    except ValidationError:
        return None


def _of_bounce(bounce: _Bounce) -> Standing:
    if bounce.bounce_sub_type in _ON_SES_LIST:
        return SUPPRESSED
    # What is transient or undetermined may well arrive next time.
    return Standing("bounced", suppressed=bounce.bounce_type == "Permanent")


def _of_complaint(complaint: _Complaint) -> Standing | None:
    if complaint.complaint_feedback_type == "not-spam":
        return None
    return SUPPRESSED if complaint.complaint_sub_type in _ON_SES_LIST else Standing("complained", suppressed=True)
