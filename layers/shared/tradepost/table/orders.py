"""Orders in the table: unique by number in their store, listed for the store and for each customer, newest first."""

from datetime import UTC, datetime
from typing import Any

from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.orders import Order, OrderStatus
from tradepost.table.listing import Position, Rows, all_of, index_words, list_index, search, words_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import ORDER, Key
from tradepost.table.transaction import Transaction

COLLECTION = "ORDERS"
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def order_key(store_id: str, order_id: str) -> Key:
    """Return where an order is kept."""
    return ORDER.key(store=store_id, order=order_id)


def get_order(reader: Reader, store_id: str, order_id: str, *, of_customer: str | None = None) -> Order:
    """Return an order of a store; with `of_customer`, none but that customer's exist. Raises `NotFoundError`."""
    order = reader.get(order_key(store_id, order_id), Order)
    if of_customer not in {None, order.customer_id}:
        raise NotFoundError("order")
    return order


def add_order(tx: Transaction, order: Order, *, taken: ConflictError) -> Order:
    """Write a new order; returns it with its version. `taken` says that another order has its number."""
    words = words_of(order.number, order.customer_number, order.customer_name)
    record = _record(order)
    record.words = f" {' '.join(sorted(words))} "
    tx.save(record)
    tx.claim(order.store_id, "order-number", order.number, order.id, otherwise=taken)
    index_words(tx, order.store_id, COLLECTION, order.id, before=(), after=words)
    return order.model_copy(update={"version": 1})


def save_order(tx: Transaction, order: Order) -> Order:
    """Write a changed order; returns it with its new version."""
    tx.save(_record(order))
    return order.model_copy(update={"version": order.version + 1})


def list_orders(
    store_id: str,
    *,
    customer_id: str | None = None,
    text: str | None = None,
    status: OrderStatus | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    limit: int,
    after: Position | None,
) -> Rows:
    """Return a page of a store's or a customer's orders from `begin` until before `end`, newest first. One Query."""
    words = words_of(text)
    if text is not None and not words:
        return Rows([], None)
    in_status = Path("data.status") == status if status else None
    where = all_of([in_status, *(Record.words.contains(f" {word}") for word in sorted(words))])
    names = {"store": store_id, "customer": customer_id or "", "placed_at": "", "order": ""}
    listed: dict[str, Any] = {"limit": limit, "after": after, "where": where, "newest_first": True}
    if begin or end:
        listed["between"] = (stamp(begin or _FIRST), stamp(end or _LAST))
    if customer_id is None:
        return list_index(Record.gsi1, ORDER.index1(**names).pk, **listed)
    return list_index(Record.gsi2, ORDER.index2(**names).pk, **listed)


def search_orders(
    reader: Reader,
    store_id: str,
    text: str,
    *,
    status: OrderStatus | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    limit: int,
    after: Position | None,
) -> tuple[list[Order], Position | None]:
    """Return a page of the store's orders found by words of number and customer. One Query and one BatchGetItem.

    Pages follow the words; within a page the newest comes first.
    """
    ids, following = search(store_id, COLLECTION, text, limit=limit, after=after)
    reader.fetch(order_key(store_id, order_id) for order_id in ids)
    hits = (reader.find(order_key(store_id, order_id), Order) for order_id in ids)
    found = [
        order
        for order in hits
        if order and status in {None, order.status} and (begin or _FIRST) <= order.placed_at < (end or _LAST)
    ]
    return sorted(found, key=lambda order: (order.placed_at, order.id), reverse=True), following


def _record(order: Order) -> Record:
    names = {
        "store": order.store_id,
        "customer": order.customer_id,
        "order": order.id,
        "placed_at": stamp(order.placed_at),
    }
    return Record.of(ORDER.key(**names), order, index1=ORDER.index1(**names), index2=ORDER.index2(**names))
