"""Offers: what is kept of one, and what people send to make, change and answer it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt

from tradepost.domain.clock import day_of
from tradepost.domain.customers import Customer
from tradepost.domain.errors import Fault, ForbiddenError, InvalidError, NotFoundError
from tradepost.domain.limits import RateLimit
from tradepost.domain.offer_contents import ContentFields, LineId, NewOfferLines, OfferContent, Totals
from tradepost.domain.orders import MAX_LINES, Addressed, Deed
from tradepost.domain.overrides import Approval
from tradepost.domain.people import SYSTEM, Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store
from tradepost.domain.values import Change, Day, Email, Entity, Instant, LongText, Reference, Value, folded

MAX_RECIPIENTS: Final = 10
LONGEST_VALIDITY: Final = timedelta(days=3660)
SENDINGS: Final = RateLimit(
    "offers-sent", 100, timedelta(hours=1), "too_many_offers_sent", "You have sent many offers within the hour."
)

type OfferStatus = Literal["requested", "draft", "awaiting_approval", "open", "accepted", "declined", "withdrawn", "expired"]
type OfferMove = Literal["take", "send", "approve", "reject", "accept", "decline", "withdraw", "extend", "request-extension"]
type Deeds = Literal[
    "requested",
    "created",
    "taken",
    "edited",
    "sent",
    "approved",
    "rejected",
    "accepted",
    "declined",
    "withdrawn",
    "extended",
    "extension_requested",
    "viewed",
    "expired",
]


def told_to_customers(status: OfferStatus) -> OfferStatus:
    """Return a state as customers are told of it: that something has to be approved is the store's business."""
    return "draft" if status == "awaiting_approval" else status


class Recipients(Value):
    """Whom an offer is mailed to."""

    to: tuple[Email, ...] = ()
    cc: tuple[Email, ...] = ()

    @classmethod
    def of(cls, customer: Customer) -> "Recipients":
        """Return whom an offer to a customer is mailed to unless somebody says otherwise."""
        return cls(to=(customer.email,) if customer.email else ())


class Request(Value):
    """What a customer asked for, and who did."""

    content: OfferContent
    message: str | None
    actor: Party
    subject: Party
    at: Instant


class SentVersion(Value):
    """A version as it was sent. It holds until `expires_at`, the end of `valid_until` in the store's time zone then."""

    number: int
    content: OfferContent
    valid_until: date
    expires_at: Instant
    sent_at: Instant
    sent_by: Party


class ExtensionRequest(Value):
    """What a customer asked for whose offer is about to expire, or has."""

    at: Instant
    actor: Party
    subject: Party
    until: date | None = None
    message: str | None = None


class View(Value):
    """That somebody on the customer's side saw a version for the first time."""

    at: Instant
    actor: Party
    subject: Party
    number: int


class OfferStep(Value):
    """One step of an offer: what was done, by whom and for whom, with which version, and where that led."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    at: Instant
    actor: Party
    subject: Party
    event: Deeds
    from_status: Annotated[OfferStatus | None, Field(alias="from")]
    to: OfferStatus
    number: Annotated[int, Field(alias="version")]
    note: str | None = None


class Offer(Entity):
    """An offer to one customer. It is `owner`'s, who made it, or took the customer's request on.

    `number_of_version` is the version that is worked on, or was sent last: its content is `draft` until it is `sent`.
    A draft follows from `sent` while an offer is revised. `chosen` are the optional lines it was accepted with.
    It counts on `first_sent_on`, the day in the store's time zone then.
    """

    entity: ClassVar = "offer"
    aside: ClassVar = frozenset({"views"})

    id: str
    store_id: str
    number: str
    status: OfferStatus
    owner: Party | None = None
    customer_id: str
    customer_number: str
    customer_name: str
    request: Request | None = None
    number_of_version: int = 1
    draft: OfferContent | None = None
    sent: SentVersion | None = None
    valid_until: date | None = None
    recipients: Recipients = Recipients()
    approval: Approval | None = None
    extension: ExtensionRequest | None = None
    chosen: tuple[str, ...] | None = None
    order_id: str | None = None
    first_sent_on: date | None = None
    created_at: Instant
    history: tuple[OfferStep, ...] = ()
    views: Mapping[str, View] = Field(default_factory=dict)

    @property
    def content(self) -> OfferContent:
        """What it says now to whoever works on it. Raises `LookupError` for an offer that says nothing, which there is none."""
        content = self.draft or (self.sent.content if self.sent else None) or (self.request.content if self.request else None)
        if content is None:
            raise LookupError("an offer without content")
        return content

    @property
    def shown_content(self) -> OfferContent | None:
        """What it says to the customer: the last version that was sent, or what was asked for; None is nothing yet."""
        return self.sent.content if self.sent else self.request.content if self.request else None

    @property
    def choice(self) -> frozenset[str] | None:
        """The optional lines that it was accepted with, if it was."""
        return None if self.chosen is None else frozenset(self.chosen)

    def status_at(self, at: datetime) -> OfferStatus:
        """Return the state; what is open expires by itself."""
        return "expired" if self.status == "open" and self.sent and at >= self.sent.expires_at else self.status

    def is_of(self, member: Member) -> bool:
        """Tell whether it is that of a member, or still nobody's and its to take."""
        return self.status == "requested" if self.owner is None else self.owner.id == member.id

    def latest(self, event: Deeds) -> OfferStep | None:
        """Return the last step of a kind."""
        return next((step for step in reversed(self.history) if step.event == event), None)

    def was_priced_by(self, who: Party) -> bool:
        """Tell whether somebody made, edited or sent it."""
        return who.id in {step.actor.id for step in self.history if step.event in {"created", "taken", "edited", "sent"}}


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


type Mailboxes = Annotated[tuple[Email, ...], BeforeValidator(_listed), Field(max_length=MAX_RECIPIENTS)]
"""Several addresses; one may be sent by itself."""


class OfferFields(ContentFields):
    """What whoever makes an offer decides about it.

    It is valid until the end of `valid_until` in the store's time zone, or for so many days; without either, for as many as
    the store says. It is mailed to the customer's address unless `mail_to` says otherwise.
    """

    valid_until: Day | None = None
    valid_days: Annotated[StrictInt, Field(ge=1, le=LONGEST_VALIDITY.days)] | None = None
    mail_to: Mailboxes | None = None
    mail_cc: Mailboxes | None = None

    def recipients(self, before: Recipients) -> Recipients:
        """Return whom an offer is mailed to with these fields, each address once."""
        to = before.to if self.mail_to is None else self.mail_to
        cc = before.cc if self.mail_cc is None else self.mail_cc
        by_person = {folded(address): address for address in reversed(to)}
        also = {folded(address): address for address in reversed(cc) if folded(address) not in by_person}
        return Recipients(to=tuple(reversed(by_person.values())), cc=tuple(reversed(also.values())))


class OfferChange(OfferFields, Change):
    """What to change of an offer. `lines` replaces all of them: those that are named by their `id` keep it."""

    nullable: ClassVar = frozenset({"header_text", "footer_text", "message"})


class NewOffer(OfferFields):
    """An offer as a sales rep makes it, or as a buyer asks for it, who names products, quantities and a message alone."""

    lines: NewOfferLines
    customer_id: Annotated[str, Field(max_length=60)] | None = None


class Extension(Value):
    """Until when an offer is to be valid."""

    valid_until: Day | None = None
    note: LongText | None = None


class WishedExtension(Value):
    """Until when a customer would like an offer to be valid, and why."""

    until: Day | None = None
    message: LongText | None = None


_A_BUYER_SAYS: Final = frozenset({"customer_id", "lines", "message"})
_A_BUYERS_LINE_SAYS: Final = frozenset({"kind", "product_number", "quantity", "text"})
_PRICES: Final = frozenset({"unit_price", "discount_percent", "reason", "shipping_cost", "shipping_reason"})


def refuse_sellers_fields(new: NewOffer) -> None:
    """Keep to the store what it decides about an offer. Raises `ForbiddenError` for prices, `InvalidError` for the rest."""
    pointers = [f"/{name}" for name in _said(new) if name not in _A_BUYER_SAYS]
    for index, line in enumerate(new.lines):
        pointers += [f"/lines/{index}/{name}" for name in _said(line) if name not in _A_BUYERS_LINE_SAYS]
        if line.kind not in {"product", "text"}:
            pointers.append(f"/lines/{index}/kind")
    prices = [pointer for pointer in pointers if pointer.rpartition("/")[2] in _PRICES]
    if prices:
        raise ForbiddenError("price_locked", "Prices are the store's to set. Leave them out.", pointers=prices)
    if pointers:
        raise InvalidError(*(Fault(pointer, "is the store's to say") for pointer in pointers))


def _said(sent: Value) -> list[str]:
    """Return the fields that were sent with anything else than what they are without."""
    fields = type(sent).model_fields
    return sorted(name for name in sent.model_fields_set if getattr(sent, name) != fields[name].default)


def validity(wanted: date | None, days: int | None, store: Store, at: datetime, *, pointer: str = "/valid_until") -> date:
    """Return the last day of an offer: as wanted, or so many days from today. Raises `InvalidError` for one that is over."""
    today = day_of(at, store.time_zone)
    if wanted and days:
        raise InvalidError(Fault("/valid_days", "says the same as valid_until: send one of them"))
    last = wanted or today + timedelta(days=days or store.offer_days)
    if last < today:
        raise InvalidError(Fault(pointer, "is over already"), code="validity_over")
    if last - today > LONGEST_VALIDITY:
        raise InvalidError(Fault(pointer, f"is more than {LONGEST_VALIDITY.days} days ahead"))
    return last


class OfferAcceptance(Addressed):
    """The acceptance of one version of an offer, with the optional lines that are wanted: by default, those preselected."""

    version: Annotated[StrictInt, Field(ge=1)]
    optional_lines: Annotated[tuple[LineId, ...], Field(max_length=MAX_LINES)] | None = None
    payment_method_id: Reference | None = None


class Place(NamedTuple):
    """Where a new offer belongs: its id and number, its customer and store."""

    offer_id: str
    number: str
    customer: Customer
    store: Store


def made(content: OfferContent, place: Place, *, valid_until: date, recipients: Recipients, by: Deed) -> Offer:
    """Return a new offer, which is a draft of whoever makes it."""
    fields = {"owner": by.actor, "draft": content, "valid_until": valid_until, "recipients": recipients}
    return _begun(place, "draft", "created", by, **fields)


def asked_for(content: OfferContent, place: Place, *, asker: Member, by: Deed) -> Offer:
    """Return what a customer asks for, to be taken on by whoever looks after it; the offer then goes to whoever asked."""
    request = Request(content=content.model_copy(update={"message": None}), message=content.message, **by._asdict())
    return _begun(place, "requested", "requested", by, request=request, recipients=Recipients(to=(asker.email,)))


def _begun(place: Place, status: OfferStatus, event: Deeds, by: Deed, **fields: Any) -> Offer:
    return Offer(
        id=place.offer_id,
        store_id=place.store.id,
        number=place.number,
        status=status,
        customer_id=place.customer.id,
        customer_number=place.customer.number,
        customer_name=place.customer.name,
        created_at=by.at,
        history=(OfferStep(**by._asdict(), event=event, from_status=None, to=status, number=1),),
        **fields,
    )


def must_be_seen_by(offer: Offer, member: Member) -> Offer:
    """Return an offer if a member may know of it, whose customers it is in the scope of. Raises `NotFoundError`.

    Supervisors and the owner know all of them, other reps theirs and what nobody has taken yet, buyers what was sent to
    them or what they asked for.
    """
    if member.role is Role.BUYER:
        seen = offer.shown_content is not None
    else:
        seen = member.role is Role.OWNER or member.supervisor or offer.is_of(member)
    if not seen:
        raise NotFoundError("offer")
    return offer


def totals_of(offer: Offer) -> Totals | None:
    """Return what an offer comes to as it was sent, with the choice it was accepted with; None if it was never sent."""
    if offer.sent is None:
        return None
    content, choice = offer.sent.content, offer.choice
    return content.totals_with(content.preselected if choice is None else choice)


def expiry_step(offer: Offer, at: datetime) -> OfferStep | None:
    """Return the step that time made, if it did: nobody writes it down."""
    if offer.sent is None or offer.status_at(at) != "expired":
        return None
    ended, number = offer.sent.expires_at, offer.sent.number
    return OfferStep(at=ended, actor=SYSTEM, subject=SYSTEM, event="expired", from_status="open", to="expired", number=number)
