"""Bills: the invoices and credit notes that follow from a reseller's order, and its credit balance.

What follows is decided by the order as it is now and by what has been billed of it, never by which message came first: told
twice, late or in any order, an order is billed once for everything that became of it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar, Final, Literal, NamedTuple

from tradepost.domain.billed import billed_of
from tradepost.domain.customers import PostalAddress
from tradepost.domain.errors import ConflictError
from tradepost.domain.invoicing import Amount, Computed, InvoiceLine, InvoiceLineKind
from tradepost.domain.orders import Order, OrderLine, OrderStatus
from tradepost.domain.people import Party
from tradepost.domain.stores import Store
from tradepost.domain.values import MAX_SUM, Entity, Instant

type Series = Literal["INV", "CN"]
type InvoiceKind = Literal["invoice", "credit_note"]
type BillingEvent = Literal["placed", "updated", "cancelled"]

SERIES: Final[Mapping[InvoiceKind, Series]] = {"invoice": "INV", "credit_note": "CN"}
"""The kinds of bills are numbered apart, each without gaps."""
BILLABLE: Final[frozenset[OrderStatus]] = frozenset({"received", "confirmed", "in_progress", "shipped"})
OVER: Final[frozenset[OrderStatus]] = frozenset({"cancelled", "rejected"})


def numbered(series: Series, count: int) -> str:
    """Spell the number of a bill: `INV-000042`."""
    return f"{series}-{count:06}"


class InvoiceNumbers(Entity):
    """How many bills of a series a store has issued. It is counted in the transaction that issues one, and nowhere else."""

    entity: ClassVar = "invoice_numbers"

    tally: int = 0


class Invoice(Entity):
    """An invoice, or the credit note that takes one back (`credits`): what was billed stays as it was.

    `lines` add up to `total`; those of a credit note are negative. `credit_used` is what was paid from the credit balance,
    `products` are the order's lines as they were. `credited_by` is the credit note that took it back later.
    """

    entity: ClassVar = "invoice"

    id: str
    store_id: str
    number: str
    kind: InvoiceKind
    event: BillingEvent
    order_id: str
    order_number: str
    order_version: int
    customer_id: str
    customer_number: str
    customer_name: str
    reseller_id: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    products: tuple[OrderLine, ...]
    subtotal: Amount
    total: Amount
    credit_used: Amount
    payment_method_name: str
    billing_address: PostalAddress
    shipping_address: PostalAddress
    seller: str
    issued_at: Instant
    due_on: date | None = None
    credits: str | None = None
    credits_number: str | None = None
    credited_by: str | None = None
    cc: tuple[str, ...] = ()

    def sum_of(self, kind: InvoiceLineKind) -> Amount:
        """What all lines of a kind come to."""
        return Amount(amount=sum(line.amount.amount for line in self.lines if line.kind == kind), currency=self.currency)

    @property
    def billed_to(self) -> PostalAddress:
        """The address that it is billed to, which names the customer whatever was entered."""
        address = self.billing_address
        return address if address.company else address.model_copy(update={"company": self.customer_name})


class BillingState(Entity):
    """What has been billed of an order: its open invoice, none if that was taken back, and a digest of what it was made of."""

    entity: ClassVar = "billing_state"

    order_id: str
    store_id: str
    order_version: int
    order_status: OrderStatus
    invoice_id: str | None = None
    billed: str | None = None


class Following(NamedTuple):
    """What follows for an order: which event takes its open invoice back, and which one makes a new invoice."""

    takes_back: BillingEvent | None = None
    bills: BillingEvent | None = None


def following(order: Order, state: BillingState | None) -> Following:
    """Return what an order, as it is now, still means for its bills. One that waits for approval means nothing until then."""
    is_open = state is not None and state.invoice_id is not None
    if order.status in OVER:
        return Following(takes_back="cancelled" if is_open else None)
    if order.status not in BILLABLE:
        return Following()
    if state is None or not is_open:
        return Following(bills="placed")
    if state.billed != billed_of(order):
        return Following(takes_back="updated", bills="updated")
    return Following()


def invoice_id_of(order: Order, event: BillingEvent) -> str:
    """Return the id of the invoice that an event makes of an order: the same, however often that is tried."""
    return f"{order.id}.{event}" if event == "placed" else f"{order.id}.{event}-{order.version}"


def credit_note_id_of(order: Order, event: BillingEvent) -> str:
    """Return the id of the credit note that an event makes of an order's open invoice."""
    return f"{order.id}.{event}" if event == "cancelled" else f"{order.id}.credited-{order.version}"


class Issued(NamedTuple):
    """Under what a bill is issued, and when."""

    number: str
    at: datetime


def invoiced(
    order: Order,
    computed: Computed,
    event: BillingEvent,
    issued: Issued,
    *,
    store: Store,
    reseller_id: str,
    due_on: date | None,
) -> Invoice:
    """Return the invoice of an order."""
    return Invoice(
        id=invoice_id_of(order, event),
        store_id=order.store_id,
        number=issued.number,
        kind="invoice",
        event=event,
        order_id=order.id,
        order_number=order.number,
        order_version=order.version,
        customer_id=order.customer_id,
        customer_number=order.customer_number,
        customer_name=order.customer_name,
        reseller_id=reseller_id,
        currency=order.total.currency,
        lines=computed.lines,
        products=order.lines,
        subtotal=computed.subtotal,
        total=computed.total,
        credit_used=computed.credit_used,
        payment_method_name=order.payment_method_name,
        billing_address=order.billing_address,
        shipping_address=order.shipping_address,
        seller=store.display_name,
        issued_at=issued.at,
        due_on=due_on,
        cc=store.billing_cc,
    )


def taken_back(invoice: Invoice, order: Order, event: BillingEvent, issued: Issued, *, store: Store) -> Invoice:
    """Return the credit note that takes a whole invoice back, line by line."""
    lines = tuple(line.model_copy(update={"amount": negated(line.amount)}) for line in invoice.lines)
    return invoice.model_copy(
        update={
            "version": 0,
            "id": credit_note_id_of(order, event),
            "number": issued.number,
            "kind": "credit_note",
            "event": event,
            "order_version": order.version,
            "lines": lines,
            "subtotal": negated(invoice.subtotal),
            "total": negated(invoice.total),
            "credit_used": negated(invoice.credit_used),
            "issued_at": issued.at,
            "due_on": None,
            "credits": invoice.id,
            "credits_number": invoice.number,
            "cc": store.billing_cc,
        }
    )


def negated(amount: Amount) -> Amount:
    """Return an amount the other way round."""
    return Amount(amount=-amount.amount, currency=amount.currency)


class CreditBalance(Entity):
    """What a reseller has been credited and has not used yet, in minor units of the store's currency. Never below zero.

    `entries` counts its changes, so that they are told in the order in which they were made, whatever the clocks say.
    """

    entity: ClassVar = "credit_balance"

    amount: int = 0
    entries: int = 0


class CreditEntry(Entity):
    """One change of a credit balance, and what it came to by that. `invoice_id` is the bill that used it or gave it back."""

    entity: ClassVar = "credit_entry"

    id: str
    store_id: str
    reseller_id: str
    at: Instant
    amount: Amount
    balance: Amount
    reason: str
    actor: Party
    invoice_id: str | None = None


def credited(balance: int, change: int) -> int:
    """Return what a balance comes to. Raises `ConflictError` below zero."""
    after = balance + change
    if after < 0:
        raise ConflictError("credit_too_low", "There is less on the credit balance than that.", balance=balance)
    if after > MAX_SUM:
        raise ConflictError("credit_too_high", "A credit balance cannot hold that much.", balance=balance)
    return after
