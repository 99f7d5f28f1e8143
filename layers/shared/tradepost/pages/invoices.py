"""An invoice, or a credit note, as people read it on paper."""

from typing import NamedTuple

from tradepost.domain.billing import Invoice
from tradepost.domain.display import address_lines, display_date, display_day, display_money
from tradepost.domain.stores import Store


class Ordered(NamedTuple):
    """A product of the order, in words."""

    number: str
    name: str
    quantity: int
    unit_price: str
    total: str


class BillLine(NamedTuple):
    """A line of the bill, in words. `more` says how it was reckoned."""

    text: str
    more: str | None
    amount: str


class Bill(NamedTuple):
    """An invoice or a credit note, in words."""

    title: str
    number: str
    seller: str
    credits: str | None
    order_number: str
    issued_on: str
    due_on: str | None
    customer_number: str
    address: list[str]
    delivered_to: list[str]
    products: list[Ordered]
    lines: list[BillLine]
    total: str
    payment: str
    currency: str


def bill_of(invoice: Invoice, store: Store) -> Bill:
    """Put an invoice or a credit note into words."""
    return Bill(
        title="Invoice" if invoice.kind == "invoice" else "Credit note",
        number=invoice.number,
        seller=invoice.seller,
        credits=invoice.credits_number,
        order_number=invoice.order_number,
        issued_on=display_date(invoice.issued_at, store.time_zone),
        due_on=display_day(invoice.due_on) if invoice.due_on else None,
        customer_number=invoice.customer_number,
        address=address_lines(invoice.billed_to),
        delivered_to=address_lines(invoice.shipping_address),
        products=[
            Ordered(line.product_number, line.name, line.quantity, display_money(line.unit_price), display_money(line.total))
            for line in invoice.products
        ],
        lines=[
            BillLine(
                line.text,
                f"{line.quantity} items, {display_money(line.unit)} each" if line.quantity and line.unit else None,
                display_money(line.amount),
            )
            for line in invoice.lines
        ],
        total=display_money(invoice.total),
        payment=invoice.payment_method_name,
        currency=invoice.currency,
    )
