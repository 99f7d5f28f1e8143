"""GET /v1/invoices and /v1/invoices/{id}: the store's invoices and credit notes, or those of a reseller itself."""

from datetime import date
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.billing import BillingEvent, Invoice, InvoiceKind
from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.customers import PostalAddress
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.invoicing import Amount, InvoiceLine
from tradepost.domain.orders import OrderLine
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Day, Email, Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.invoices import Wanted, get_invoice, invoice_keys, list_invoices
from tradepost.table.shapes import Key

app = make_app()


class InvoiceAnswer(Answer):
    """An invoice, or a credit note, whose amounts are negative: `credits` is the invoice that it takes back.

    `lines` add up to `total`, exactly; those that a rule made name it in the version it had then. `credit_used` of what is
    owed was paid from the credit balance, and is among the lines. `products` are the lines of the order.
    """

    id: str
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
    due_on: date | None
    credits: str | None
    credits_number: str | None
    credited_by: str | None
    cc: tuple[Email, ...]
    etag: str


def _named(ask: Ask) -> list[Key]:
    return invoice_keys(ask.store, ask.path["invoice_id"])


@app.get("/v1/invoices", allow=Permission.BROWSE_BILLING)
def list_invoices_in_scope(
    caller: Caller,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    order_id: Annotated[str | None, Query(max_length=120)] = None,
    kind: Annotated[InvoiceKind | None, Query()] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InvoiceAnswer]:
    """List invoices and credit notes, newest first: a reseller's own to itself. A filtered page may hold fewer than `limit`."""
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store, scope = caller.store, caller.scope
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = Wanted(customer_id, order_id, kind, begin, end)
    bound = ("invoices", store.id, scope.own_customer_id, *(None if each is None else str(each) for each in wanted))
    found, following = list_invoices(scope, wanted, limit=limit, after=read_cursor(cursor, *bound))
    return Page(items=[_answer(invoice) for invoice in found], next_cursor=make_cursor(following, *bound))


@app.get("/v1/invoices/<invoice_id>", allow=Permission.BROWSE_BILLING, reads=_named)
def show_invoice(invoice_id: str, caller: Caller) -> InvoiceAnswer:
    """Show one invoice or credit note, line by line."""
    return _answer(get_invoice(caller.reader, caller.scope, invoice_id))


def _answer(invoice: Invoice) -> InvoiceAnswer:
    return InvoiceAnswer.of(invoice)


handler = app.handler
