"""Messages that a change causes: written with it, relayed to a queue, carried out at least once and noted when done."""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tradepost.domain.customers import Delivery
from tradepost.domain.values import Entity, Instant, Value

SHARDS = 4
PATIENCE: Final = timedelta(days=4)
"""For how long a message is tried before it is given up, or, if it is owed, complained about."""
FIRST_PAUSE: Final = timedelta(seconds=30)
FIRST_PAUSE_IN_A_CROWD: Final = timedelta(seconds=4)
LONGEST_PAUSE: Final = timedelta(minutes=15)
LONGEST_UNSEEN: Final = timedelta(hours=12)


class InvitationMail(Value):
    """Mail the link to the invited person. The link is derived when the mail is written: it travels in no queue.

    A sales rep's has no customer. `sending` numbers the mails of one invitation, so that news of an older one is told from
    news of the latest.
    """

    type: Literal["invitation"] = "invitation"
    store_id: str
    invitation_id: str
    customer_id: str | None = None
    member_id: str | None = None
    generation: int
    sending: int = 1
    renewed: bool = False


class WelcomeMail(Value):
    """Tell a new member where to log in."""

    type: Literal["welcome"] = "welcome"
    store_id: str
    member_id: str


class PasswordResetMail(Value):
    """Mail the link with which a forgotten password is replaced."""

    type: Literal["password_reset"] = "password_reset"  # a kind of mail, not a password
    person: str
    nonce: str
    store_id: str | None = None


class PasswordChangedMail(Value):
    """Tell a person that the password was changed, in case somebody else did it."""

    type: Literal["password_changed"] = "password_changed"  # a kind of mail, not a password
    person: str
    store_id: str | None = None


class OrderMail(Value):
    """Confirm an order, or what became of it, to the buyer."""

    type: Literal["order"] = "order"
    store_id: str
    order_id: str
    event: Literal["placed", "confirmed", "shipped", "cancelled"]


type EventNews = Literal["registered", "moved_up", "participant_cancelled", "cancelled", "mailing"]


class EventMail(Value):
    """Tell a participant of an event what became of its place, that the event is cancelled, or what a circular mail says."""

    type: Literal["event"] = "event"
    store_id: str
    event_id: str
    participant_id: str
    news: EventNews
    mailing_id: str | None = None


type OfferNews = Literal["sent", "extended", "withdrawn", "requested", "accepted", "declined", "extension_requested"]
TOLD_TO_CUSTOMERS: Final[frozenset[OfferNews]] = frozenset({"sent", "extended", "withdrawn"})


class OfferMail(Value):
    """Tell the customer of an offer, or a member of the store of what the customer did; without one, the store itself.

    `number` is the version it is about.
    """

    type: Literal["offer"] = "offer"
    store_id: str
    offer_id: str
    event: OfferNews
    number: int
    member_id: str | None = None


class ResellerConfirmationMail(Value):
    """Mail the link that confirms an enrolment. It is derived when the mail is written: it travels in no queue."""

    type: Literal["reseller_confirmation"] = "reseller_confirmation"
    store_id: str
    enrolment_id: str


type ResellerNews = Literal["enrolled", "approved", "denied"]


class ResellerMail(Value):
    """Tell a reseller what was decided about it, or the store that one has enrolled and waits."""

    type: Literal["reseller"] = "reseller"
    store_id: str
    reseller_id: str
    event: ResellerNews


class InvoiceMail(Value):
    """Mail an invoice, or a credit note, to whom it is for."""

    type: Literal["invoice"] = "invoice"
    store_id: str
    invoice_id: str


class TemplateTestMail(Value):
    """Mail a template to the owner who is editing it, filled with sample values."""

    type: Literal["template_test"] = "template_test"
    store_id: str
    member_id: str
    name: str
    subject: str
    html: str
    text: str


class CustomerImportRun(Value):
    """Create the customers of an import that was approved. Not a mail: it has a queue of its own."""

    type: Literal["customer_import"] = "customer_import"
    store_id: str
    import_id: str


class EventMailingRun(Value):
    """Announce the mails of a circular mail to the participants of an event. Not a mail: it has a queue of its own."""

    type: Literal["event_mailing"] = "event_mailing"
    store_id: str
    event_id: str
    mailing_id: str


class EnrolmentRun(Value):
    """Let the approval rules decide about a reseller that is pending. Not a mail: it travels on the queue `enrolment`."""

    type: Literal["enrolment"] = "enrolment"
    store_id: str
    reseller_id: str


class OrderRun(Value):
    """Let the rules decide what an order means for payment and invoice. Not a mail: it travels on the queue `rules`.

    `version` is that of the order when it happened.
    """

    type: Literal["order_rules"] = "order_rules"
    store_id: str
    order_id: str
    event: Literal["placed", "updated", "shipped", "cancelled"]
    version: int


class PaymentRun(Value):
    """Carry out what is due of a payment: an authorisation, a capture or a refund. Travels on the queue `rules`."""

    type: Literal["payment"] = "payment"
    store_id: str
    payment_id: str


class ExportRun(Value):
    """Write the file of an export, or go on with it. Travels on the queue `exports`."""

    type: Literal["export"] = "export"
    store_id: str
    export_id: str


class Erasure(Value):
    """Erase a person's activity of before a decision, `consent` being the number of the last one of those whose activity goes.

    `withdrawal` is the number under which the decision is kept. `person` asks for whatever else is held about the person and
    need not be kept, and `reached` is how far that got before. Travels on the queue `erasures`.
    """

    type: Literal["erasure"] = "erasure"
    store_id: str
    member_id: str
    consent: int
    withdrawal: int
    person: bool = False
    reached: str | None = None


type ExportNews = Literal["done", "failed"]


class ExportMail(Value):
    """Tell whoever asked for an export that its file is there, or that there will be none."""

    type: Literal["export_news"] = "export_news"
    store_id: str
    export_id: str
    event: ExportNews


type Mailing = (
    InvitationMail
    | WelcomeMail
    | PasswordResetMail
    | PasswordChangedMail
    | OrderMail
    | OfferMail
    | EventMail
    | ResellerConfirmationMail
    | ResellerMail
    | InvoiceMail
    | ExportMail
    | TemplateTestMail
)
type Background = CustomerImportRun | EventMailingRun | EnrolmentRun | OrderRun | PaymentRun | ExportRun | Erasure
type Message = Annotated[Mailing | Background, Field(discriminator="type")]
type Queue = Literal["mail", "customer_imports", "event_mailings", "enrolment", "rules", "exports", "erasures"]

_BACKGROUND: Final[Mapping[str, Queue]] = {
    "customer_import": "customer_imports",
    "event_mailing": "event_mailings",
    "enrolment": "enrolment",
    "order_rules": "rules",
    "payment": "rules",
    "export": "exports",
    "erasure": "erasures",
}


def queue_of(message_type: str) -> Queue:
    """Return the queue that messages of a type travel on."""
    return _BACKGROUND.get(message_type, "mail")


def mailing_store(message: Message) -> str | None:
    """Return the store on whose behalf a message is mailed; None for what a person is told about the one password."""
    return None if isinstance(message, (PasswordResetMail, PasswordChangedMail)) else message.store_id


class AddressReport(Value):
    """What SES told so far of a mail to one address, and whether that put the address out of the question."""

    delivery: Delivery
    suppresses: bool


class OutboxItem(Entity):
    """A message and what became of it. `claimed_until` is the lease of the consumer that is at it.

    `attempts` failed for the present, the last one with `last_error`; before `next_try` it is of no use to try again.
    `reported` is what SES told of the mail so far, by the person that it went to. `due_at` is when it is to be carried out at
    the earliest, where that is later than when it was announced.
    """

    entity: ClassVar = "outbox"
    aside: ClassVar = frozenset({"reported"})

    id: str
    message: Message
    created_at: Instant
    due_at: Instant | None = None
    status: Literal["queued", "done", "failed"] = "queued"
    claimed_until: Instant | None = None
    done_at: Instant | None = None
    failure: str | None = None
    attempts: int = 0
    last_error: str | None = None
    next_try: Instant | None = None
    reported: Mapping[str, AddressReport] = Field(default_factory=dict)

    @property
    def is_owed(self) -> bool:
        """Whether the law demands it, so that it is tried until it is carried out, however long that takes."""
        return isinstance(self.message, Erasure)

    def is_over(self, at: datetime) -> bool:
        """Whether it has been tried for long enough; what is owed is tried on all the same."""
        return at >= self._begins_at + PATIENCE

    def is_claimed(self, at: datetime) -> bool:
        """Whether a consumer is at it."""
        return self.claimed_until is not None and at <= self.claimed_until

    def next_look(self, at: datetime) -> datetime:
        """When the sweeper looks at it again: the longer it has been waiting, the later."""
        return at + min(max(at - self._begins_at, LONGEST_PAUSE), LONGEST_UNSEEN)

    @property
    def _begins_at(self) -> datetime:
        return self.due_at or self.created_at


def pause_after(attempts: int, *, crowded: bool, chance: float) -> timedelta:
    """Return how long to wait after so many failed attempts: twice as long each time, and by `chance` (0 to 1) less.

    Where there merely was a crowd (SES takes so many mails a second), the wait begins with seconds.
    """
    first = FIRST_PAUSE_IN_A_CROWD if crowded else FIRST_PAUSE
    doublings: int = 1 << min(attempts - 1, 10)
    return min(first * doublings, LONGEST_PAUSE) * (1 - chance / 4)


def shard_of(item_id: str) -> str:
    """Spread the work list, so that no index partition takes all of it."""
    return str(zlib.crc32(item_id.encode()) % SHARDS)
