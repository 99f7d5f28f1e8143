"""Orders in the table: unique by number in their store, listed for the store and each customer, newest first, and counted."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.ids import customer_of
from tradepost.domain.orders import Order, OrderStatus
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, find_customer, find_customers
from tradepost.table.forward import Listed
from tradepost.table.listing import SIFTED, Position, Rows, all_of, carried, index_words, list_index, search, sifted, words_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.resellers import note_order
from tradepost.table.shapes import ORDER, Key
from tradepost.table.statistics import count_order
from tradepost.table.transaction import Transaction

COLLECTION = "ORDERS"
MAX_WORDS = 40
"""By how many words an order is found at most: whatever is changed of it, old and new ones fit into one transaction."""
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def order_key(store_id: str, order_id: str) -> Key:
    """Return where an order is kept."""
    return ORDER.key(store=store_id, order=order_id)


def order_keys(store_id: str, order_id: str) -> list[Key]:
    """Return where an order is kept, and its customer, which says whose scope it is in."""
    return [order_key(store_id, order_id), customer_key(store_id, customer_of(order_id))]


def get_order(reader: Reader, scope: Scope, order_id: str) -> Order:
    """Return an order of a customer within the scope. Raises `NotFoundError`."""
    if find_customer(reader, scope, customer_of(order_id)) is None:
        raise NotFoundError("order")
    return reader.get(order_key(scope.store_id, order_id), Order)


def add_order(tx: Transaction, order: Order, customer: Customer, *, time_zone: str, taken: ConflictError) -> Order:
    """Write a new order and count it; returns it with its version. `taken` says that another order has its number.

    Raises `ConflictError` on commit if the customer is a reseller that may not order any more; its first order makes it active.
    """
    record = _record(order)
    tx.save(record)
    tx.claim(order.store_id, "order-number", order.number, order.id, otherwise=taken)
    index_words(tx, order.store_id, COLLECTION, order.id, before=(), after=_words(order))
    count_order(tx, customer, before=None, after=order, time_zone=time_zone)
    note_order(tx, customer, source=order.source, order_id=order.id)
    return order.model_copy(update={"version": 1})


def save_order(tx: Transaction, order: Order, customer: Customer, *, before: Order, time_zone: str) -> Order:
    """Write a changed order, and count what changed of it; returns it with its new version."""
    tx.save(_record(order))
    index_words(tx, order.store_id, COLLECTION, order.id, before=_words(before), after=_words(order))
    count_order(tx, customer, before=before, after=order, time_zone=time_zone)
    return order.model_copy(update={"version": order.version + 1})


class Wanted(NamedTuple):
    """Which orders a list shows: those placed from `begin` until before `end`."""

    customer_id: str | None = None
    sales_rep_id: str | None = None
    text: str | None = None
    status: OrderStatus | None = None
    begin: datetime | None = None
    end: datetime | None = None

    def takes(self, order: Order) -> bool:
        """Tell whether an order that was found by its words is shown."""
        begin, end = self.begin or _FIRST, self.end or _LAST
        return self.status in {None, order.status} and begin <= order.placed_at < end


def orders_by_time(store_id: str, customer_id: str | None) -> Listed:
    """Return where the orders of a store, or of one of its customers, are listed by when they were placed."""
    names = {"store": store_id, "customer": customer_id or "", "placed_at": "", "order": ""}
    return Listed(ORDER.index2(**names).pk, gsi=2) if customer_id else Listed(ORDER.index1(**names).pk, gsi=1)


def list_orders(
    reader: Reader, scope: Scope, wanted: Wanted, *, limit: int, after: Position | None
) -> tuple[list[Order], Position | None]:
    """Return a page of the orders of a scope, newest first; found by words store-wide, pages follow the words.

    Calls: one Query; a BatchGetItem where it searches the store, or has to see whose the customers are.
    """
    own = scope.own_customer_id
    if (wanted.text is not None and not words_of(wanted.text)) or (own and wanted.customer_id not in {None, own}):
        return [], None
    chosen = own or wanted.customer_id
    unsifted = scope.reach in {"store", "own"} and wanted.sales_rep_id is None
    if wanted.text is not None and chosen is None:
        # Orders and customers of so many come in one batch.
        most = limit if unsifted else min(limit, SIFTED // 2)
        ids, following = search(scope.store_id, COLLECTION, wanted.text, limit=most, after=after)
        keys = [order_key(scope.store_id, order_id) for order_id in ids]
        customers = [] if unsifted else [customer_key(scope.store_id, customer_of(order_id)) for order_id in ids]
        reader.fetch([*keys, *customers])
        hits = [reader.find(key, Order) for key in keys]
        found = sorted((hit for hit in hits if hit and wanted.takes(hit)), key=_placed, reverse=True)
        return found if unsifted else _visible(reader, scope, wanted, found), following
    rows = _rows(scope.store_id, chosen, wanted, limit=limit if unsifted else SIFTED, after=after)
    found = [row.load(Order) for row in rows.records]
    if unsifted:
        return found, rows.next_position
    visible = _visible(reader, scope, wanted, found)
    return sifted(rows, found, visible, limit=limit, gsi=1 if chosen is None else 2)


def _visible(reader: Reader, scope: Scope, wanted: Wanted, found: list[Order]) -> list[Order]:
    """Keep the orders of customers that are within the scope, and allocated to the wanted rep."""
    customers = find_customers(reader, scope, (order.customer_id for order in found))
    rep = wanted.sales_rep_id
    seen = {customer.id for customer in customers.values() if rep is None or rep in customer.sales_rep_ids}
    return [order for order in found if order.customer_id in seen]


def _rows(store_id: str, customer_id: str | None, wanted: Wanted, *, limit: int, after: Position | None) -> Rows:
    in_status = Path("data.status") == wanted.status if wanted.status else None
    where = all_of([in_status, *(Record.words.contains(f" {word}") for word in sorted(words_of(wanted.text)))])
    by_time = orders_by_time(store_id, customer_id)
    listed: dict[str, Any] = {"limit": limit, "after": after, "where": where, "newest_first": True}
    if wanted.begin or wanted.end:
        listed["between"] = (stamp(wanted.begin or _FIRST), stamp(wanted.end or _LAST))
    return list_index(by_time.index, by_time.partition, **listed)


def _placed(order: Order) -> tuple[datetime, str]:
    return order.placed_at, order.id


def _words(order: Order) -> frozenset[str]:
    """Return the words that an order is found by: of its number and customer, and of its products as far as there is room."""
    products = [line.product_number for line in order.lines], [line.name for line in order.lines]
    return words_of(order.number, order.customer_number, order.customer_name, *products[0], *products[1], most=MAX_WORDS)


def _record(order: Order) -> Record:
    names = {
        "store": order.store_id,
        "customer": order.customer_id,
        "order": order.id,
        "placed_at": stamp(order.placed_at),
    }
    record = Record.of(ORDER.key(**names), order, index1=ORDER.index1(**names), index2=ORDER.index2(**names))
    record.words = carried(_words(order))
    return record
