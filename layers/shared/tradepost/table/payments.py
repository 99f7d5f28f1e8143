"""Payments in the table: one for each order, listed for the store and for each customer, newest first."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, DomainError, NotFoundError
from tradepost.domain.ids import customer_of
from tradepost.domain.payments import Payment, PaymentStatus
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, find_customer
from tradepost.table.listing import Position, list_index
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import PAYMENT, Key
from tradepost.table.transaction import Transaction

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def payment_key(store_id: str, payment_id: str) -> Key:
    """Return where a payment is kept. Its id is the order's."""
    return PAYMENT.key(store=store_id, payment=payment_id)


def payment_keys(store_id: str, payment_id: str) -> list[Key]:
    """Return where a payment is kept, and its customer, which says whose scope it is in."""
    return [payment_key(store_id, payment_id), customer_key(store_id, customer_of(payment_id))]


def get_payment(reader: Reader, scope: Scope, payment_id: str) -> Payment:
    """Return a payment of a customer within the scope. Raises `NotFoundError`."""
    if find_customer(reader, scope, customer_of(payment_id)) is None:
        raise NotFoundError("payment")
    return reader.get(payment_key(scope.store_id, payment_id), Payment)


def save_payment(tx: Transaction, payment: Payment, *, otherwise: DomainError | None = None) -> Payment:
    """Write a payment; returns it with its new version.

    A new one must not exist, a changed one must not have changed since: so none is captured beyond what is authorised,
    whoever else captures at the same moment.
    """
    names = {
        "store": payment.store_id,
        "payment": payment.id,
        "customer": payment.customer_id,
        "created_at": stamp(payment.created_at),
    }
    record = Record.of(PAYMENT.key(**names), payment, index1=PAYMENT.index1(**names), index2=PAYMENT.index2(**names))
    if payment.version == 0:
        otherwise = otherwise or ConflictError("payment_exists", "This order has a payment already.")
    tx.save(record, otherwise=otherwise)
    return payment.model_copy(update={"version": payment.version + 1})


class Wanted(NamedTuple):
    """Which payments a list shows: those opened from `begin` until before `end`."""

    customer_id: str | None = None
    order_id: str | None = None
    status: PaymentStatus | None = None
    begin: datetime | None = None
    end: datetime | None = None

    def takes(self, payment: Payment) -> bool:
        """Tell whether the payment of the one order that is asked for is shown."""
        begin, end = self.begin or _FIRST, self.end or _LAST
        same_customer = self.customer_id in {None, payment.customer_id}
        return same_customer and self.status in {None, payment.status} and begin <= payment.created_at < end


def list_payments(
    reader: Reader, scope: Scope, wanted: Wanted, *, limit: int, after: Position | None
) -> tuple[list[Payment], Position | None]:
    """Return a page of the payments of a scope that is the whole store or one's own company, newest first.

    Calls: one Query; for the payment of one order, one BatchGetItem instead.
    """
    own = scope.own_customer_id
    if scope.reach not in {"store", "own"}:
        raise ValueError("bills are for owners and for customers themselves")
    if own and wanted.customer_id not in {None, own}:
        return [], None
    if wanted.order_id is not None:
        reader.fetch(payment_keys(scope.store_id, wanted.order_id))
        customer = find_customer(reader, scope, customer_of(wanted.order_id))
        found = reader.find(payment_key(scope.store_id, wanted.order_id), Payment) if customer else None
        return [found] if found and wanted.takes(found) else [], None
    chosen = own or wanted.customer_id
    names = {"store": scope.store_id, "customer": chosen or "", "created_at": "", "payment": ""}
    where = Path("data.status") == wanted.status if wanted.status else None
    listed: dict[str, Any] = {"limit": limit, "after": after, "where": where, "newest_first": True}
    if wanted.begin or wanted.end:
        listed["between"] = (stamp(wanted.begin or _FIRST), stamp(wanted.end or _LAST))
    index, partition = (Record.gsi2, PAYMENT.index2(**names).pk) if chosen else (Record.gsi1, PAYMENT.index1(**names).pk)
    rows = list_index(index, partition, **listed)
    return [row.load(Payment) for row in rows.records], rows.next_position
