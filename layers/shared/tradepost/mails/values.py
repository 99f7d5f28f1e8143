"""What each mail knows, as a typed description of its template's variables, and how that is taken from the domain.

A template sees these values and nothing else; all of them are shown as they are, so money and times arrive in words. What
may be missing is None then, which a template asks for with `{% if %}`. The examples are what previews are filled with.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args

from pydantic import BaseModel, Field

from tradepost.domain.colours import DEFAULT_COLOUR
from tradepost.domain.display import address_lines, display_date, display_day, display_money, display_time
from tradepost.domain.people import RESET_LIFETIME
from tradepost.domain.values import HexColour, Value

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from tradepost.domain.billing import Invoice
    from tradepost.domain.customers import Customer
    from tradepost.domain.events import Event
    from tradepost.domain.exports import Export
    from tradepost.domain.invitations import Invitation
    from tradepost.domain.offer_contents import OfferContent, OfferLine
    from tradepost.domain.offers import Offer, OfferStep
    from tradepost.domain.orders import Order
    from tradepost.domain.people import Account, Member
    from tradepost.domain.resellers import Enrolment, Reseller
    from tradepost.domain.stores import Store

PRODUCT: Final = "Tradepost"
CIRCULAR: Final = "event_mailing"
"""The mail whose `message` is in its organiser's words, and whose template is what stands around them."""

type Values = dict[str, Any]


def _told(description: str, *examples: object) -> Any:
    """Describe a variable and give an example of it; of what comes in several, one for each."""
    return Field(description=description, examples=list(examples))


class StoreLook(Value):
    """The store as a mail shows it."""

    name: Annotated[str, _told("The store's name as customers read it.", "Lumen Trading")]
    colour: Annotated[HexColour, _told("The store's colour.", DEFAULT_COLOUR)] = DEFAULT_COLOUR
    logo_url: Annotated[str | None, _told("Where the store's logo is.", "https://cdn.example.com/logo.png")] = None
    reply_to: Annotated[str | None, _told("The address that answers go to.", "sales@lumen.example")] = None


PersonsName = Annotated[str, _told("The person who is written to.", "Ida Holm")]
Company = Annotated[str, _told("The customer's company.", "Corner Café Ltd")]
Address = Annotated[str, _told("The address that the mail goes to.", "ida@corner-cafe.example")]
LogInUrl = Annotated[str | None, _told("Where to log in, if the store has its own address.", "https://order.lumen.example/")]
LastDay = Annotated[str, _told("The last day of the link.", "6 December 2026")]
EndOfLink = Annotated[str, _told("The end of the link, to the minute.", "6 December 2026, 14:30\u00a0CET")]


class RenewedInvitationValues(Value):
    """An invitation whose link was asked for again. A sales rep's is for no company."""

    store: StoreLook
    name: Annotated[str | None, _told("The person who is written to.", "Ida Holm")] = None
    company: Annotated[str | None, _told("The customer's company; missing for a sales rep.", "Corner Café Ltd")] = None
    email: Address
    link: Annotated[str, _told("The link that accepts the invitation.", "https://portal.example.com/i/a-sample")]
    expires_on: LastDay
    expires_at: EndOfLink


class InvitationValues(RenewedInvitationValues):
    """A customer's invitation."""

    company: Company


class EmployeeInvitationValues(InvitationValues):
    """The invitation of somebody who is to buy for a customer."""

    name: PersonsName
    invited_by: Annotated[str | None, _told("Who invites, by name.", "Ola Nordmann")] = None


class SalesRepInvitationValues(Value):
    """The invitation of somebody who is to sell for the store."""

    store: StoreLook
    name: PersonsName
    email: Address
    link: Annotated[str, _told("The link that accepts the invitation.", "https://portal.example.com/i/a-sample")]
    expires_on: LastDay
    expires_at: EndOfLink


class WelcomeValues(Value):
    """A new member of a store: somebody who buys for a customer, or a sales rep."""

    store: StoreLook
    name: PersonsName
    company: Annotated[str | None, _told("The customer's company; missing for a sales rep.", "Corner Café Ltd")] = None
    email: Address
    login_url: LogInUrl = None


class PasswordResetValues(Value):
    """A request to replace a password that was forgotten. A person may belong to no store, or to several."""

    store: StoreLook | None = None
    name: PersonsName
    email: Address
    link: Annotated[str, _told("The link that leads to a new password.", "https://portal.example.com/r/a-sample")]
    expires_at: EndOfLink


class PasswordChangedValues(Value):
    """A password that was changed."""

    store: StoreLook | None = None
    name: PersonsName
    email: Address
    changed_at: Annotated[str, _told("When it was changed, to the minute.", "6 December 2026, 14:30\u00a0CET")]


class OrderLineValues(Value):
    """One line of an order."""

    product_number: Annotated[str, _told("The product's number.", "LMP-001", "LMP-014")]
    name: Annotated[str, _told("The product's name.", "Lamp Fjord", "Lamp Skerry")]
    quantity: Annotated[int, _told("How many of it.", 12, 3)]
    unit_price: Annotated[str, _told("The price of one.", "EUR\u00a018.50", "EUR\u00a025.00")]
    total: Annotated[str, _told("The price of all of them.", "EUR\u00a0222.00", "EUR\u00a075.00")]


AddressLines = Annotated[
    tuple[str, ...], _told("The lines of the address.", ("Corner Café Ltd", "Ida Holm", "Harbour Street 5", "20457 Hamburg"))
]


class OrderContents(Value):
    """An order as the buyer reads it."""

    number: Annotated[str, _told("The order's number.", "O-7Q4K9D")]
    placed_at: Annotated[str, _told("When it was placed, to the minute.", "6 December 2026, 14:30\u00a0CET")]
    lines: tuple[OrderLineValues, ...]
    subtotal: Annotated[str, _told("The price of all lines.", "EUR\u00a0297.00")]
    shipping_cost: Annotated[str, _told("What shipping costs.", "EUR\u00a05.90")]
    tax: Annotated[str | None, _told("The tax; missing where none is charged.", "EUR\u00a057.55")] = None
    total: Annotated[str, _told("What is to be paid.", "EUR\u00a0360.45")]
    shipping_method: Annotated[str | None, _told("How it is shipped.", "Parcel")] = None
    payment_method: Annotated[str | None, _told("How it is paid.", "Invoice, 30 days")] = None
    billing_address: AddressLines
    shipping_address: AddressLines
    note: Annotated[str | None, _told("What was noted with the last step.", "The second parcel follows on Monday.")] = None


class OrderValues(Value):
    """An order, and what became of it."""

    store: StoreLook
    name: PersonsName
    company: Company
    login_url: LogInUrl = None
    order: OrderContents


class OfferLineValues(Value):
    """One line of an offer: a `product`, a free `text`, a `heading` or a `subtotal` of what stands above it."""

    kind: Annotated[str, _told("What it is: product, text, heading or subtotal.", "product", "product")]
    text: Annotated[str | None, _told("What a text or heading says, or there is to say of a product.", "In oak", "In ash")] = (
        None
    )
    product_number: Annotated[str | None, _told("The product's number.", "LMP-001", "LMP-014")] = None
    name: Annotated[str | None, _told("The product's name.", "Lamp Fjord", "Lamp Skerry")] = None
    quantity: Annotated[int | None, _told("How many of it.", 12, 3)] = None
    unit_price: Annotated[str | None, _told("The price of one.", "EUR\u00a018.50", "EUR\u00a025.00")] = None
    discount: Annotated[str | None, _told("The discount in that price.", "10\u00a0%", "5\u00a0%")] = None
    total: Annotated[str | None, _told("The price of all of them.", "EUR\u00a0222.00", "EUR\u00a075.00")] = None
    optional: Annotated[
        str | None, _told("“chosen” or “not chosen” for an optional line; missing otherwise.", "chosen", "not chosen")
    ] = None


class OfferContents(Value):
    """An offer as its customer reads it."""

    number: Annotated[str, _told("The offer's number.", "Q-7Q4K9D")]
    version: Annotated[int, _told("Which version of it this is.", 2)]
    lines: tuple[OfferLineValues, ...]
    subtotal: Annotated[str, _told("The price of all lines that are chosen.", "EUR\u00a0222.00")]
    shipping_cost: Annotated[str, _told("What shipping costs.", "EUR\u00a05.90")]
    tax: Annotated[str, _told("The tax.", "EUR\u00a00.00")]
    total: Annotated[str, _told("What is to be paid.", "EUR\u00a0227.90")]
    shipping_method: Annotated[str | None, _told("How it is shipped.", "Parcel")] = None
    payment_method: Annotated[str | None, _told("How it is paid.", "Invoice, 30 days")] = None
    valid_until: Annotated[str | None, _told("The last day of the offer.", "6 December 2026")] = None
    time_zone: Annotated[str, _told("The time zone in which that day ends.", "Europe/Berlin")]
    message: Annotated[str | None, _told("What is said to the customer.", "As discussed on the phone.")] = None
    header_text: Annotated[str | None, _told("The text above the lines.", "Thank you for asking us.")] = None
    footer_text: Annotated[str | None, _told("The text below the lines.", "Delivery takes about two weeks.")] = None


OfferLink = Annotated[str, _told("The link to the offer, behind a log-in.", "https://portal.example.com/o/a-sample")]
OfferWords = Annotated[str | None, _told("What was noted with it.", "The lamps are out of stock.")]


class OfferValues(Value):
    """An offer, to whom it is made."""

    store: StoreLook
    name: Annotated[str | None, _told("The person who is written to.", "Ida Holm")] = None
    company: Company
    seller: Annotated[str | None, _told("Who makes the offer.", "Rhea Lund")] = None
    link: OfferLink
    offer: OfferContents
    note: OfferWords = None


class OfferNewsValues(Value):
    """What a customer did about an offer, to who looks after it."""

    store: StoreLook
    name: Annotated[str | None, _told("The person who is written to.", "Rhea Lund")] = None
    company: Company
    customer_number: Annotated[str, _told("The customer's number.", "C-7Q4K9D")]
    who: Annotated[str, _told("Who did it.", "Ida Holm")]
    on_behalf: Annotated[str | None, _told("Who acted for that person.", "Rhea Lund")] = None
    link: OfferLink
    offer: OfferContents
    note: OfferWords = None


class OfferAcceptedValues(OfferNewsValues):
    """The acceptance of an offer."""

    order_number: Annotated[str | None, _told("The number of the order that was made.", "O-7Q4K9D")] = None


class OfferExtensionValues(OfferNewsValues):
    """The wish that an offer is valid for longer."""

    until: Annotated[str | None, _told("Until when it is wished to be.", "20 December 2026")] = None


class EventContents(Value):
    """An event as its participants read it."""

    title: Annotated[str, _told("What the event is called.", "Spring tasting")]
    text: Annotated[str | None, _told("What the event is about.", "Twelve new lamps, and who makes them.")] = None
    starts_at: Annotated[str, _told("When it begins, to the minute.", "6 December 2026, 14:30\u00a0CET")]
    ends_at: Annotated[str, _told("When it ends, to the minute.", "6 December 2026, 17:00\u00a0CET")]
    place: Annotated[str | None, _told("Where it takes place.", "Harbour Street 5, Hamburg")] = None
    url: Annotated[str | None, _told("The link by which one takes part.", "https://meet.lumen.example/spring")] = None


class EventValues(Value):
    """An event, to somebody who is or was registered for it."""

    store: StoreLook
    name: PersonsName
    company: Company
    login_url: LogInUrl = None
    event: EventContents


class EventRegisteredValues(EventValues):
    """A registration: it has a place, or waits for one."""

    waiting: Annotated[str | None, _told("“waiting” for who is on the waiting list; missing with a place.", "waiting")] = None


class CircularWords(Value):
    """What a circular mail says, in its organiser's words."""

    subject: Annotated[str, _told("The subject.", "Bring a coat")]
    paragraphs: Annotated[
        tuple[str, ...], _told("The paragraphs of the text.", ("It will be cold in the hall.", "See you on Sunday!"))
    ]


class EventMailingValues(EventValues):
    """A circular mail to participants of an event."""

    message: CircularWords


class ResellerConfirmationValues(Value):
    """An enrolment as a reseller, which its address has yet to confirm."""

    store: StoreLook
    name: PersonsName
    company: Company
    email: Address
    link: Annotated[str, _told("The link that confirms the enrolment.", "https://portal.example.com/e/a-sample")]
    expires_on: LastDay
    expires_at: EndOfLink


class ResellerDecisionValues(Value):
    """What the store decided about an enrolment as a reseller."""

    store: StoreLook
    name: PersonsName
    company: Company
    email: Address
    login_url: LogInUrl = None
    note: Annotated[str | None, _told("What the store has to say about it.", "We look forward to working with you.")] = None


class AnswerValues(Value):
    """What a company answered to a question of the store's."""

    question: Annotated[str, _told("The question.", "How did you hear of us?", "Where do you sell?")]
    answer: Annotated[str, _told("The answer.", "At the fair.", "In our own shops.")]


class ResellerEnrolledValues(Value):
    """A company that enrolled as a reseller, to the store that has to decide about it."""

    store: StoreLook
    name: PersonsName
    company: Company
    email: Annotated[str, _told("The address that it enrolled with, which is confirmed.", "ida@corner-cafe.example")]
    address: AddressLines
    tax_id: Annotated[str | None, _told("Its tax number.", "DE123456789")] = None
    answers: tuple[AnswerValues, ...] = ()
    login_url: LogInUrl = None


class InvoiceLineValues(Value):
    """One line of an invoice or a credit note."""

    text: Annotated[str, _told("What it is for.", "Subtotal", "Dropship fee")]
    amount: Annotated[str, _told("What it comes to.", "EUR\u00a0297.00", "EUR\u00a02.50")]


class InvoiceContents(Value):
    """An invoice or a credit note as it is read."""

    number: Annotated[str, _told("Its number.", "INV-000042")]
    credits: Annotated[str | None, _told("The number of the invoice that a credit note takes back.", "INV-000041")] = None
    order_number: Annotated[str, _told("The order's number.", "O-7Q4K9D")]
    issued_on: Annotated[str, _told("The day on which it was issued.", "6 December 2026")]
    due_on: Annotated[str | None, _told("The day on which it is due, if one was agreed on.", "20 December 2026")] = None
    lines: tuple[InvoiceLineValues, ...]
    total: Annotated[str, _told("What it comes to.", "EUR\u00a0299.50")]
    payment_method: Annotated[str, _told("How it is paid.", "Invoice, 30 days")]
    billing_address: AddressLines


class InvoiceValues(Value):
    """An invoice, or a credit note, to whom it is for."""

    store: StoreLook
    name: Annotated[str | None, _told("The person who is written to.", "Ida Holm")] = None
    company: Company
    login_url: LogInUrl = None
    invoice: InvoiceContents


class ExportContents(Value):
    """An export as whoever asked for it reads of it."""

    kind: Annotated[str, _told("What is exported.", "orders")]
    file_name: Annotated[str, _told("What the file is called.", "lumen-orders-2026-01-01-to-2026-03-31.csv")]
    filters: Annotated[
        tuple[str, ...],
        _told("By what it is filtered.", ("status shipped", "from 2026-01-01 to 2026-03-31, days in Europe/Berlin")),
    ]
    requested_at: Annotated[str, _told("When it was asked for, to the minute.", "6 December 2026, 14:30\u00a0CET")]


class ExportReadyContents(ExportContents):
    """An export that is done."""

    rows: Annotated[str, _told("How many rows it has.", "12,345")]
    empty_because: Annotated[str | None, _told("Why it has no rows, if it has none.", "No order is in the period.")] = None
    kept_until: Annotated[str, _told("Until when the file is kept, to the minute.", "13 December 2026, 14:30\u00a0CET")]


class ExportFailedContents(ExportContents):
    """An export that failed."""

    reason: Annotated[str | None, _told("Why there is no file.", "The file could not be written.")] = None


class ExportReadyValues(Value):
    """The file of an export, to whoever asked for it."""

    store: StoreLook
    name: PersonsName
    login_url: LogInUrl = None
    export: ExportReadyContents


class ExportFailedValues(Value):
    """An export that came to nothing, to whoever asked for it."""

    store: StoreLook
    name: PersonsName
    login_url: LogInUrl = None
    export: ExportFailedContents


class MailTemplate(NamedTuple):
    """One kind of mail: what it knows, and when it is sent.

    What is `withheld` is for the person alone: we say it ourselves below a store's own words, which are then plain, so that
    they cannot carry it anywhere.
    """

    values: type[Value]
    purpose: str
    withheld: frozenset[str] = frozenset()


# One password opens all of a person's stores: none of them may get hold of the link that replaces it.
TEMPLATES: Final[Mapping[str, MailTemplate]] = {
    "invitation": MailTemplate(InvitationValues, "Invites a customer, with the link to accept."),
    "employee_invitation": MailTemplate(EmployeeInvitationValues, "Invites a customer's employee, with the link to accept."),
    "sales_rep_invitation": MailTemplate(SalesRepInvitationValues, "Invites a sales rep, with the link to accept."),
    "invitation_renewed": MailTemplate(RenewedInvitationValues, "Brings a new link to somebody who asked for one."),
    "welcome": MailTemplate(WelcomeValues, "Tells a new member where to log in."),
    "password_reset": MailTemplate(
        PasswordResetValues, "Brings the link that replaces a forgotten password.", withheld=frozenset({"link"})
    ),
    "password_changed": MailTemplate(PasswordChangedValues, "Tells a person that the password was changed."),
    "order_placed": MailTemplate(OrderValues, "Says that an order has arrived."),
    "order_confirmed": MailTemplate(OrderValues, "Says that an order is confirmed."),
    "order_shipped": MailTemplate(OrderValues, "Says that an order has been shipped."),
    "order_cancelled": MailTemplate(OrderValues, "Says that an order was cancelled."),
    "offer_sent": MailTemplate(OfferValues, "Brings an offer to its customer, with the link to it."),
    "offer_extended": MailTemplate(OfferValues, "Says that an offer is valid for longer."),
    "offer_withdrawn": MailTemplate(OfferValues, "Says that an offer does not hold any more."),
    "offer_requested": MailTemplate(OfferNewsValues, "Tells the store that a customer asks for an offer."),
    "offer_accepted": MailTemplate(OfferAcceptedValues, "Tells the store that a customer accepted an offer."),
    "offer_declined": MailTemplate(OfferNewsValues, "Tells the store that a customer declined an offer."),
    "offer_extension_requested": MailTemplate(
        OfferExtensionValues, "Tells the store that a customer wants an offer to be valid for longer."
    ),
    "event_registered": MailTemplate(EventRegisteredValues, "Says that somebody takes part in an event, or waits for a place."),
    "event_moved_up": MailTemplate(EventValues, "Tells somebody on an event's waiting list of a place."),
    "event_participant_cancelled": MailTemplate(EventValues, "Says that a registration for an event was cancelled."),
    "event_cancelled": MailTemplate(EventValues, "Tells the participants that an event is cancelled."),
    "event_mailing": MailTemplate(EventMailingValues, "Frames a circular mail to the participants of an event."),
    "invoice_issued": MailTemplate(InvoiceValues, "Brings an invoice."),
    "credit_note": MailTemplate(InvoiceValues, "Says that an invoice is taken back."),
    "export_ready": MailTemplate(ExportReadyValues, "Tells whoever asked for an export that its file is there."),
    "export_failed": MailTemplate(ExportFailedValues, "Tells whoever asked for an export that there will be no file."),
    "reseller_confirmation": MailTemplate(ResellerConfirmationValues, "Asks a new reseller to confirm its address."),
    "reseller_enrolled": MailTemplate(ResellerEnrolledValues, "Tells the store that a company has enrolled and waits."),
    "reseller_approved": MailTemplate(ResellerDecisionValues, "Tells a reseller that it was approved."),
    "reseller_denied": MailTemplate(ResellerDecisionValues, "Tells a reseller that it was not approved."),
}


class Variable(NamedTuple):
    """A variable that a store's own template may use: its path, such as `order.lines[].name`, and what it means."""

    path: str
    optional: bool
    meaning: str
    example: object


def variables_of(template: str) -> list[Variable]:
    """Describe every variable that a store's own template may use. Raises `KeyError` for an unknown template."""
    mail = TEMPLATES[template]
    return [variable for variable in _described(mail.values, "") if variable.path not in mail.withheld]


def sample_values(template: str, *, store: StoreLook | None = None, minimal: bool = False) -> Values:
    """Return values to try a template with, for a certain store if one is given. `minimal` ones lack what may be missing."""
    values = _sample(TEMPLATES[template].values, minimal=minimal)
    return {**values, "store": store.model_dump()} if store else values


def offered(template: str, values: Values) -> Values:
    """Return what a store's own template gets of a mail's values."""
    withheld = TEMPLATES[template].withheld
    return {name: value for name, value in values.items() if name not in withheld}


def invitation_values(
    template: str, store: "Store", invitation: "Invitation", *, customer: "Customer | None", member: "Member | None", link: str
) -> Values:
    """Return what the mail of an invitation knows, of whichever kind it is.

    `member` is the employee or sales rep who is invited by name; only a sales rep has no `customer`.
    """
    told = {
        "store": look_of(store),
        "name": member.name if member else (customer.contact_name or None) if customer else None,
        "company": customer.name if customer else None,
        "invited_by": invitation.created_by.name,
        "email": invitation.email,
        "link": link,
        "expires_on": display_date(invitation.expires_at, store.time_zone),
        "expires_at": display_time(invitation.expires_at, store.time_zone),
    }
    known = TEMPLATES[template].values
    return known(**{variable: told[variable] for variable in known.model_fields}).model_dump()


def welcome_values(store: "Store", member: "Member", *, company: str | None) -> Values:
    """Return what a new member's mail knows; a sales rep joins for no company."""
    values = WelcomeValues(
        store=look_of(store), name=member.name, company=company, email=member.email, login_url=login_url(store)
    )
    return values.model_dump()


def password_reset_values(account: "Account", store: "Store | None", *, link: str, requested_at: datetime) -> Values:
    """Return what the mail with a reset link knows; its times are UTC unless a store says otherwise."""
    values = PasswordResetValues(
        store=look_of(store) if store else None,
        name=account.name,
        email=account.email,
        link=link,
        expires_at=display_time(requested_at + RESET_LIFETIME, store.time_zone if store else "UTC"),
    )
    return values.model_dump()


def password_changed_values(account: "Account", store: "Store | None", *, changed_at: datetime) -> Values:
    """Return what the mail about a changed password knows; its times are UTC unless a store says otherwise."""
    values = PasswordChangedValues(
        store=look_of(store) if store else None,
        name=account.name,
        email=account.email,
        changed_at=display_time(changed_at, store.time_zone if store else "UTC"),
    )
    return values.model_dump()


def order_values(store: "Store", order: "Order", *, event: str, name: str, company: str) -> Values:
    """Return what the mail about one step of an order knows; `name` is the buyer's.

    The order may have moved on since: what was noted is told with the step it was noted with.
    """
    steps = {"cancelled", "rejected"} if event == "cancelled" else {event}
    notes = [step.note for step in order.history if step.to in steps and not step.changed]
    lines = tuple(
        OrderLineValues(
            product_number=line.product_number,
            name=line.name,
            quantity=line.quantity,
            unit_price=display_money(line.unit_price),
            total=display_money(line.total),
        )
        for line in order.lines
    )
    contents = OrderContents(
        number=order.number,
        placed_at=display_time(order.placed_at, store.time_zone),
        lines=lines,
        subtotal=display_money(order.subtotal),
        shipping_cost=display_money(order.shipping_cost),
        tax=display_money(order.tax) if order.tax.amount else None,
        total=display_money(order.total),
        shipping_method=order.shipping_method_name,
        payment_method=order.payment_method_name,
        billing_address=tuple(address_lines(order.billing_address)),
        shipping_address=tuple(address_lines(order.shipping_address)),
        note=notes[-1] if notes else None,
    )
    values = OrderValues(store=look_of(store), name=name, company=company, login_url=login_url(store), order=contents)
    return values.model_dump()


class OfferSaid(NamedTuple):
    """What a mail says of an offer: which version, with which choice of its optional lines, until when."""

    number: int
    content: "OfferContent"
    chosen: frozenset[str]
    valid_until: date | None

    @classmethod
    def of(cls, offer: "Offer") -> "OfferSaid":
        """Return what the customer was told last: what was sent, or else what it asked for."""
        content = offer.shown_content or offer.content
        chosen = content.preselected if offer.choice is None else offer.choice
        sent = offer.sent
        return cls(sent.number if sent else 1, content, chosen, sent.valid_until if sent else None)

    @classmethod
    def drafted(cls, offer: "Offer") -> "OfferSaid":
        """Return what the customer would be told if the offer were sent now."""
        return cls(offer.number_of_version, offer.content, offer.content.preselected, offer.valid_until)


def offer_values(
    store: "Store", offer: "Offer", said: OfferSaid, *, name: str | None, seller: str | None, note: str | None, link: str
) -> Values:
    """Return what a mail to an offer's customer knows; `name` is the customer's contact."""
    values = OfferValues(
        store=look_of(store),
        name=name,
        company=offer.customer_name,
        seller=seller,
        link=link,
        offer=_offer_contents(store, offer, said),
        note=note,
    )
    return values.model_dump()


def offer_news_values(
    store: "Store", offer: "Offer", step: "OfferStep", *, name: str | None, note: str | None, link: str
) -> Values:
    """Return what every mail about what a customer did with an offer knows; `name` is who looks after it."""
    values = OfferNewsValues(
        store=look_of(store),
        name=name,
        company=offer.customer_name,
        customer_number=offer.customer_number,
        who=step.subject.name or offer.customer_name,
        on_behalf=step.actor.name if step.actor.id != step.subject.id else None,
        link=link,
        offer=_offer_contents(store, offer, OfferSaid.of(offer)),
        note=note,
    )
    return values.model_dump()


def _offer_contents(store: "Store", offer: "Offer", said: OfferSaid) -> OfferContents:
    content = said.content
    totals = content.totals_with(said.chosen)
    return OfferContents(
        number=offer.number,
        version=said.number,
        lines=tuple(_offer_line(line) for line in content.lines_with(said.chosen)),
        subtotal=display_money(totals.subtotal),
        shipping_cost=display_money(totals.shipping_cost),
        tax=display_money(totals.tax),
        total=display_money(totals.total),
        shipping_method=content.shipping_method_name,
        payment_method=content.payment_method_name,
        valid_until=display_day(said.valid_until) if said.valid_until else None,
        time_zone=store.time_zone,
        message=content.message,
        header_text=content.header_text,
        footer_text=content.footer_text,
    )


def _offer_line(line: "OfferLine") -> OfferLineValues:
    return OfferLineValues(
        kind=line.kind,
        text=line.text,
        product_number=line.product_number,
        name=line.name,
        quantity=line.quantity,
        unit_price=display_money(line.net_price) if line.net_price else None,
        discount=f"{line.discount_percent}\u00a0%" if line.discount_percent else None,
        total=display_money(line.total) if line.total else None,
        optional=("chosen" if line.selected else "not chosen") if line.optional else None,
    )


def event_values(store: "Store", event: "Event", *, name: str, company: str) -> Values:
    """Return what every mail about an event knows; `name` is the participant's, `company` its customer's."""
    contents = EventContents(
        title=event.title,
        text=event.text or None,
        starts_at=display_time(event.starts_at, store.time_zone),
        ends_at=display_time(event.ends_at, store.time_zone),
        place=event.place,
        url=str(event.url) if event.url else None,
    )
    values = EventValues(store=look_of(store), name=name, company=company, login_url=login_url(store), event=contents)
    return values.model_dump()


def reseller_confirmation_values(store: "Store", enrolment: "Enrolment", *, link: str) -> Values:
    """Return what the mail knows by which a company confirms its enrolment."""
    application = enrolment.application
    values = ResellerConfirmationValues(
        store=look_of(store),
        name=application.contact.name,
        company=application.company,
        email=application.contact.email,
        link=link,
        expires_on=display_date(enrolment.expires_at, store.time_zone),
        expires_at=display_time(enrolment.expires_at, store.time_zone),
    )
    return values.model_dump()


def reseller_enrolled_values(store: "Store", reseller: "Reseller") -> Values:
    """Return what the mail knows by which a store learns of a reseller that waits."""
    application = reseller.application
    values = ResellerEnrolledValues(
        store=look_of(store),
        name=application.contact.name,
        company=application.company,
        email=application.contact.email,
        address=tuple(address_lines(application.address)),
        tax_id=application.tax_id,
        answers=tuple(AnswerValues(question=asked, answer=said) for asked, said in application.answers.items()),
        login_url=login_url(store),
    )
    return values.model_dump()


def reseller_decision_values(store: "Store", reseller: "Reseller") -> Values:
    """Return what the mail knows by which a reseller learns what was decided about it."""
    application = reseller.application
    values = ResellerDecisionValues(
        store=look_of(store),
        name=application.contact.name,
        company=application.company,
        email=application.contact.email,
        login_url=login_url(store),
        note=reseller.reason,
    )
    return values.model_dump()


def invoice_values(store: "Store", invoice: "Invoice", *, name: str | None) -> Values:
    """Return what the mail of an invoice or a credit note knows; `name` is the customer's contact."""
    contents = InvoiceContents(
        number=invoice.number,
        credits=invoice.credits_number,
        order_number=invoice.order_number,
        issued_on=display_date(invoice.issued_at, store.time_zone),
        due_on=display_day(invoice.due_on) if invoice.due_on else None,
        lines=tuple(InvoiceLineValues(text=line.text, amount=display_money(line.amount)) for line in invoice.lines),
        total=display_money(invoice.total),
        payment_method=invoice.payment_method_name,
        billing_address=tuple(address_lines(invoice.billed_to)),
    )
    values = InvoiceValues(
        store=look_of(store), name=name, company=invoice.customer_name, login_url=login_url(store), invoice=contents
    )
    return values.model_dump()


def export_ready_values(store: "Store", export: "Export", *, name: str, expires_at: datetime) -> Values:
    """Return what the mail about the file of an export knows; `name` is whose it is, `expires_at` when it is deleted."""
    empty = export.empty_because
    contents = ExportReadyContents(
        **_export_contents(store, export),
        rows=f"{export.rows:,}",
        empty_because=empty.detail if empty else None,
        kept_until=display_time(expires_at, store.time_zone),
    )
    return ExportReadyValues(store=look_of(store), name=name, login_url=login_url(store), export=contents).model_dump()


def export_failed_values(store: "Store", export: "Export", *, name: str) -> Values:
    """Return what the mail about an export knows that came to nothing; `name` is whose it is."""
    reason = export.failure.detail if export.failure else None
    contents = ExportFailedContents(**_export_contents(store, export), reason=reason)
    return ExportFailedValues(store=look_of(store), name=name, login_url=login_url(store), export=contents).model_dump()


def _export_contents(store: "Store", export: "Export") -> Values:
    return {
        "kind": export.kind,
        "file_name": export.file_name,
        "filters": export.filters_in_words,
        "requested_at": display_time(export.requested_at, store.time_zone),
    }


def login_url(store: "Store") -> str | None:
    """Return where a store's customers log in; None unless the store has its own address."""
    return f"https://{store.domain}/" if store.domain else None


def look_of(store: "Store") -> StoreLook:
    """Return a store as its mails show it."""
    branding = store.branding
    return StoreLook(
        name=store.display_name,
        colour=branding.colour,
        logo_url=str(branding.logo_url) if branding.logo_url else None,
        reply_to=branding.reply_to,
    )


class _Part(NamedTuple):
    """A variable that holds others, or several of the kind."""

    model: type[BaseModel]
    several: bool


def _part(field: "FieldInfo") -> _Part | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return _Part(kind, several=str(field.annotation).startswith("tuple"))
    return None


def _may_be_missing(field: "FieldInfo") -> bool:
    return not field.is_required() and field.default is None


def _described(model: type[BaseModel], prefix: str) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        part = _part(field)
        if part:
            yield from _described(part.model, f"{prefix}{name}{'[]' if part.several else ''}.")
        else:
            example = (field.examples or [""])[0]
            several = "[]" if isinstance(example, tuple) else ""
            shown = example[0] if isinstance(example, tuple) else example
            yield Variable(f"{prefix}{name}{several}", _may_be_missing(field), field.description or "", shown)


def _sample(model: type[BaseModel], *, minimal: bool, number: int = 0) -> Values:
    values: Values = {}
    for name, field in model.model_fields.items():
        part = _part(field)
        if part:
            each = [_sample(part.model, minimal=minimal, number=index) for index in range(2 if part.several else 1)]
            values[name] = tuple(each) if part.several else each[0]
        elif minimal and _may_be_missing(field):
            values[name] = None
        else:
            values[name] = (field.examples or [""])[number]
    return values
