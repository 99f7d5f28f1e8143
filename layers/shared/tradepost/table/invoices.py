"""Invoices and credit notes in the table: numbered without gaps, listed for the store and for each customer, newest first."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from tradepost.domain.billing import SERIES, BillingState, Invoice, InvoiceKind, InvoiceNumbers, Series, numbered
from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.ids import customer_of
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, find_customer
from tradepost.table.forward import Listed
from tradepost.table.listing import Position, all_of, list_index
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import BILLING_STATE, INVOICE, INVOICE_NUMBERS, Key
from tradepost.table.transaction import Transaction

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def invoice_key(store_id: str, invoice_id: str) -> Key:
    """Return where an invoice is kept."""
    return INVOICE.key(store=store_id, invoice=invoice_id)


def invoice_keys(store_id: str, invoice_id: str) -> list[Key]:
    """Return where an invoice is kept, and its customer, which says whose scope it is in."""
    return [invoice_key(store_id, invoice_id), customer_key(store_id, customer_of(invoice_id))]


def billing_state_key(store_id: str, order_id: str) -> Key:
    """Return where it is kept what has been billed of an order."""
    return BILLING_STATE.key(store=store_id, order=order_id)


def numbers_key(store_id: str, series: Series) -> Key:
    """Return where the bills of a series are counted."""
    return INVOICE_NUMBERS.key(store=store_id, series=series)


def numbers_keys(store_id: str) -> list[Key]:
    """Return where a store's bills are counted."""
    return [numbers_key(store_id, series) for series in SERIES.values()]


def get_invoice(reader: Reader, scope: Scope, invoice_id: str) -> Invoice:
    """Return an invoice of a customer within the scope. Raises `NotFoundError`."""
    if find_customer(reader, scope, customer_of(invoice_id)) is None:
        raise NotFoundError("invoice")
    return reader.get(invoice_key(scope.store_id, invoice_id), Invoice)


def take_number(tx: Transaction, reader: Reader, store_id: str, kind: InvoiceKind) -> str:
    """Take the next number of a series, once this transaction has written what has it.

    Two who were about to take the same one: the second is refused whole and decides anew, so that there is neither a gap nor
    a number twice, whoever dies in between.
    """
    series = SERIES[kind]
    key = numbers_key(store_id, series)
    known = reader.find(key, InvoiceNumbers)
    unchanged: Condition = Record.tally == known.tally if known else Record.pk.does_not_exist()
    taken = ConflictError("conflict", "Another bill has got this number meanwhile.")
    tx.add_up(Record(*key, entity=INVOICE_NUMBERS.entity), {"tally": 1})
    tx.update(key, [], condition=unchanged, otherwise=taken)
    return numbered(series, (known.tally if known else 0) + 1)


def save_invoice(tx: Transaction, invoice: Invoice) -> Invoice:
    """Write an invoice; returns it with its new version. A new one must not exist: there is one for each order and event."""
    names = {
        "store": invoice.store_id,
        "invoice": invoice.id,
        "customer": invoice.customer_id,
        "issued_at": stamp(invoice.issued_at),
    }
    tx.save(Record.of(INVOICE.key(**names), invoice, index1=INVOICE.index1(**names), index2=INVOICE.index2(**names)))
    return invoice.model_copy(update={"version": invoice.version + 1})


def save_billing_state(tx: Transaction, state: BillingState) -> None:
    """Note what has been billed of an order, unless another consumer has done so since it was read."""
    tx.save(Record.of(billing_state_key(state.store_id, state.order_id), state))


class Wanted(NamedTuple):
    """Which invoices a list shows: those issued from `begin` until before `end`."""

    customer_id: str | None = None
    order_id: str | None = None
    kind: InvoiceKind | None = None
    begin: datetime | None = None
    end: datetime | None = None


def invoices_by_time(store_id: str, customer_id: str | None) -> Listed:
    """Return where the bills of a store, or of one of its customers, are listed by when they were issued."""
    names = {"store": store_id, "customer": customer_id or "", "issued_at": "", "invoice": ""}
    return Listed(INVOICE.index2(**names).pk, gsi=2) if customer_id else Listed(INVOICE.index1(**names).pk, gsi=1)


def list_invoices(scope: Scope, wanted: Wanted, *, limit: int, after: Position | None) -> tuple[list[Invoice], Position | None]:
    """Return a page of the invoices of a scope that is the whole store or one's own company, newest first. One Query."""
    if scope.reach not in {"store", "own"}:
        raise ValueError("bills are for owners and for customers themselves")
    named = [scope.own_customer_id, wanted.customer_id, customer_of(wanted.order_id) if wanted.order_id else None]
    customers = {each for each in named if each is not None}
    if len(customers) > 1:
        return [], None
    chosen = next(iter(customers), None)
    by_time = invoices_by_time(scope.store_id, chosen)
    kind = Path("data.kind") == wanted.kind if wanted.kind else None
    order = Path("data.order_id") == wanted.order_id if wanted.order_id else None
    listed: dict[str, Any] = {"limit": limit, "after": after, "where": all_of([kind, order]), "newest_first": True}
    if wanted.begin or wanted.end:
        listed["between"] = (stamp(wanted.begin or _FIRST), stamp(wanted.end or _LAST))
    rows = list_index(by_time.index, by_time.partition, **listed)
    return [row.load(Invoice) for row in rows.records], rows.next_position
