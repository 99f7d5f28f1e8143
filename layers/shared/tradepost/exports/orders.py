"""Orders to be exported: oldest first, one row for each order, or one for each of its lines.

| columns | |
|---|---|
| `order_number, placed_at, status, source, customer_number, company, employee_name, placed_by` | which order it is: the first columns of both layouts. `employee_name` is for whom it was placed, `placed_by` who did it |
| `lines, items, quantity` | one row per order: how many lines it has, `2 × A-1; 3 × B-2`, and the sum of their quantities |
| `line_number, product_number, product_name, quantity` | one row per line: which line, of what, and how many |
| `currency` | of all amounts of the row |
| `list_price, unit_price, line_total, override_reason` | one row per line: its prices, and why one differs from the list |
| `subtotal, shipping_cost, tax, total` | the order's. With one row per line they are on its first row alone, empty on the others |
| `payment_method, shipping_method` | by name |
| `billing_…, shipping_…` | company, name, street, postal_code, city, region, country of both addresses |
| `offer_id, order_id` | ids, for programs |

So every column of amounts adds up in a spreadsheet, in both layouts: that of `total` to what was ordered, and with one row per
line that of `line_total` to that of `subtotal`. An order's rows are never torn apart. Names, prices and addresses are those of
the time when the order was placed; its state is that of the time when it is read.
"""  # noqa: E501, RUF002  # a table, and what rows say

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tradepost.domain.clock import local_time
from tradepost.domain.customers import Customer
from tradepost.domain.display import in_units
from tradepost.domain.exports import Export, LinesPer, OrderFilters
from tradepost.domain.orders import Order
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.exports.cells import address_cells, address_columns
from tradepost.exports.known import Known, names
from tradepost.exports.port import Cell, Stretch
from tradepost.exports.sieve import Sieve
from tradepost.exports.timeline import Timeline
from tradepost.exports.wording import WITHIN, customer_in_words, period_in_words, sales_rep_in_words
from tradepost.table.customers import customer_key
from tradepost.table.listing import carries, words_of
from tradepost.table.orders import orders_by_time
from tradepost.table.people import member_key
from tradepost.table.records import Record

_ORDER: Final = (
    *("order_number", "placed_at", "status", "source"),
    *("customer_number", "company", "employee_name", "placed_by"),
)
_SUMS: Final = ("subtotal", "shipping_cost", "tax", "total")
_DELIVERY: Final = (
    *("payment_method", "shipping_method"),
    *address_columns("billing"),
    *address_columns("shipping"),
    *("offer_id", "order_id"),
)
PER_ORDER: Final = (*_ORDER, "lines", "items", "quantity", "currency", *_SUMS, *_DELIVERY)
PER_LINE: Final = (
    *_ORDER,
    *("line_number", "product_number", "product_name", "quantity", "currency"),
    *("list_price", "unit_price", "line_total", "override_reason"),
    *_SUMS,
    *_DELIVERY,
)


class _Whose(NamedTuple):
    """What counts of an order's customer."""

    visible: bool
    sales_rep_ids: frozenset[str]


class _Entry(NamedTuple):
    """An order, the item that stores it, which carries its words, and whose it is where that counts."""

    order: Order
    record: Record
    whose: _Whose | None


class OrderSource:
    """The orders of a store that were placed within a time, by the filters of their list.

    The scope is looked at before the filters that look into orders: what an export says of its emptiness tells nobody what is
    in the orders of others.
    """

    def __init__(self, export: Export, store: Store, scope: Scope) -> None:
        """Read what an export asks for, in the scope of whoever asked. Raises `TypeError` for an export of something else."""
        if not isinstance(export.filters, OrderFilters):
            raise TypeError(export.kind)
        self._wanted = export.filters
        self._words = words_of(export.filters.q)
        self._scope, self._time_zone = scope, export.time_zone
        self._names = names()
        self._customers = Known(lambda record: _whose(record.load(Customer), scope))
        own, customer_id = scope.own_customer_id, export.filters.customer_id
        self._timeline = Timeline(
            export,
            store,
            widest=orders_by_time(store.id, own),
            chosen=orders_by_time(store.id, customer_id or own) if own is None or customer_id in {None, own} else None,
            chooser="customer_id" if customer_id else None,
        )
        self._lines_per = export.layout.lines_per
        self.columns: Sequence[str] = PER_LINE if self._lines_per == "line" else PER_ORDER
        self.filters: Mapping[str, str] = self._in_words(export)
        checks = self._checks()
        self._sieve = Sieve({name: checks.get(name) for name in self.filters})
        self._asks_whose = bool({"scope", "sales_rep_id"} & self.filters.keys() & checks.keys())

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a position, from the beginning if there is none."""
        for records, behind in self._timeline.read(position):
            orders = [record.load(Order) for record in records]
            keys = [customer_key(order.store_id, order.customer_id) for order in orders]
            whose = self._customers.of(keys) if self._asks_whose else {}
            entries = [_Entry(*entry) for entry in zip(orders, records, map(whose.get, keys), strict=True)]
            left, reached = self._sieve.sift(entries)
            share = self._timeline.share(orders[-1].placed_at)
            yield Stretch(self._rows([entry.order for entry in left]), behind, share, reached)

    def left_nothing(self) -> str | None:
        """Tell which of the filters that choose what is read left nothing."""
        return self._timeline.left_nothing()

    def _checks(self) -> Mapping[str, Callable[[_Entry], bool]]:
        """What is asked of an order that was read; not of its period and its customer, by which it was."""
        wanted = self._wanted
        checks: dict[str, Callable[[_Entry], bool]] = {
            "sales_rep_id": lambda entry: entry.whose is not None and wanted.sales_rep_id in entry.whose.sales_rep_ids,
            "status": lambda entry: entry.order.status == wanted.status,
            "q": lambda entry: bool(self._words) and carries(entry.record, self._words),
        }
        if self._scope.reach in {"active", "allocated"}:
            checks["scope"] = lambda entry: entry.whose is not None and entry.whose.visible
        return checks

    def _in_words(self, export: Export) -> Mapping[str, str]:
        """Return the filters in the order in which they are applied, with what they stand for."""
        wanted, scope = self._wanted, self._scope
        words = {
            "period": period_in_words("placed", export),
            "customer_id": customer_in_words(scope, wanted.customer_id),
            "scope": WITHIN[scope.reach],
            "sales_rep_id": f"customers allocated to {sales_rep_in_words(scope, wanted.sales_rep_id)}",
            "status": f"the state “{(wanted.status or '').replace('_', ' ')}”",
            "q": f"the words “{wanted.q}”",
        }
        return {name: said for name, said in words.items() if getattr(wanted, name, ...) is not None}

    def _rows(self, orders: Sequence[Order]) -> Sequence[Sequence[Cell]]:
        unnamed = {order.id: member_key(order.employee_id, order.store_id) for order in orders if not _is_named(order)}
        known = self._names.of(unnamed.values())
        rows: list[Sequence[Cell]] = []
        for order in orders:
            employee = order.subject.name if _is_named(order) else known[unnamed[order.id]]
            rows += rows_of(order, employee, time_zone=self._time_zone, lines_per=self._lines_per)
        return rows


def rows_of(order: Order, employee: str | None, *, time_zone: str, lines_per: LinesPer) -> Iterator[Sequence[Cell]]:
    """Return the rows of an order, with the name of the employee that it was placed for."""
    which = (
        *(order.number, local_time(order.placed_at, time_zone), order.status, order.source),
        *(order.customer_number, order.customer_name, employee, order.actor.name),
    )
    currency = order.total.currency
    sums = [in_units(each) for each in (order.subtotal, order.shipping_cost, order.tax, order.total)]
    delivery = (
        *(order.payment_method_name, order.shipping_method_name),
        *address_cells(order.billing_address),
        *address_cells(order.shipping_address),
        *(order.offer_id, order.id),
    )
    if lines_per == "order":
        quantity = sum(line.quantity for line in order.lines)
        yield *which, len(order.lines), items_in_words(order), quantity, currency, *sums, *delivery
        return
    for number, line in enumerate(order.lines, start=1):
        what = (number, line.product_number, line.name, line.quantity, currency)
        prices = (in_units(line.list_price), in_units(line.unit_price), in_units(line.total), line.override_reason)
        yield *which, *what, *prices, *(sums if number == 1 else [None] * len(sums)), *delivery


def items_in_words(order: Order) -> str:
    """Say what was ordered in one cell: `2 \u00d7 A-100; 1 \u00d7 A-200`."""
    return "; ".join(f"{line.quantity} \u00d7 {line.product_number}" for line in order.lines)


def _whose(customer: Customer, scope: Scope) -> _Whose:
    return _Whose(scope.covers(customer), customer.sales_rep_ids)


def _is_named(order: Order) -> bool:
    """Tell whether an order says how its employee was called: not one that a sales rep placed without acting for it."""
    return order.subject.id == order.employee_id
