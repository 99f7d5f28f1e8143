"""Figures in the table: added up in the transactions that change an order, or to whom a customer's orders count.

An item holds a quarter of days, for the store, for each sales rep and for each customer: `orders_11-05`, `revenue_11-05` and
`open_value_11-05` are those of the fifth of November. In the store's and the reps', those of customers that are not active
stand beside them as `inactive_orders_11-05` and so on; and they are spread over a few items.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import day_of
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError
from tradepost.domain.orders import Order
from tradepost.domain.scoping import Scope
from tradepost.domain.statistics import ByDay, Figures, Period, Standing, figures_of, standing_of
from tradepost.table.counts import PARTS, part_of
from tradepost.table.quarters import (
    Counted,
    Numbers,
    counted_in,
    numbers_in,
    of_day,
    quarter_of,
    quarters_of,
    within_quarters_of,
)
from tradepost.table.records import Record
from tradepost.table.shapes import CUSTOMER, STATISTICS
from tradepost.table.transaction import MAX_ACTIONS, Transaction

STORE: Final = "STORE"
MAX_MOVED: Final = MAX_ACTIONS - 10
"""How many actions a transaction holds at most once it moves figures: its audit line, answer and messages are still to come."""
MAX_NUMBERS: Final = 300
"""How many numbers one update changes at most: an expression may have 4 KB."""

_INACTIVE: Final = "inactive_"

type Kind = Literal["store", "rep", "customer"]


class _Whose(NamedTuple):
    """Something that orders count for."""

    kind: Kind
    name: str


def of_rep(sales_rep_id: str) -> str:
    """Return how a sales rep is called where figures are kept."""
    return f"REP#{sales_rep_id}"


def of_customer(customer_id: str) -> str:
    """Return how a customer is called where figures are kept."""
    return f"CUSTOMER#{customer_id}"


def count_order(tx: Transaction, customer: Customer, *, before: Order | None, after: Order, time_zone: str) -> None:
    """Count what a new or changed order comes to for its customer, the customer's reps and the store.

    It counts on the day of its placing, whatever becomes of it later. Demands that the customer is what it was when it was
    read: otherwise it could be counted for others meanwhile.
    """
    moved = figures_of(after).minus(figures_of(before))
    if moved == Figures():
        return
    day = day_of(after.placed_at, time_zone)
    quarter = quarter_of(day)
    added = of_day(day, moved._asdict())
    _add_up(tx, customer.store_id, _Whose("customer", of_customer(customer.id)), quarter, added)
    for whose in _counted_for(customer):
        _add_up(tx, customer.store_id, whose, quarter, _under(standing_of(customer), added))
    changed = ConflictError("conflict", "The customer was being changed at the same moment. Send it again.")
    noted = Path("aside.order_changes").add(1)
    key = CUSTOMER.key(store=customer.store_id, customer=customer.id)
    tx.update(key, [noted], condition=Record.version == customer.version, otherwise=changed)


def count_anew(tx: Transaction, before: Customer, after: Customer) -> None:
    """Count a customer's orders, past ones included, for whom it is allocated to now, and as what it is now.

    Comes after whatever else is saved with the customer. Calls: one Query where there is anything to move. Raises
    `ConflictError` for more than one transaction can move; the transaction fails if one of the orders changes meanwhile.
    """
    moved = _moved(before, after)
    if not moved:
        return
    known = before.order_changes
    tx.update(CUSTOMER.key(store=before.store_id, customer=before.id), [], condition=_unmoved(known), otherwise=overtaken())
    if not known:
        return
    left, joined = set(_counted_for(before)), set(_counted_for(after))
    was, is_now = standing_of(before), standing_of(after)
    for quarter, numbers in _quarters_of_customer(before.store_id, before.id):
        taken = _under(was, {name: -number for name, number in numbers.items()})
        given = _under(is_now, numbers)
        for whose in sorted(moved):
            for counted, change in ((whose in left, taken), (whose in joined, given)):
                if counted:
                    _add_up(tx, before.store_id, whose, quarter, change)
    if tx.size > MAX_MOVED:
        raise ConflictError("history_too_long", "This customer has too long a history: change one sales rep at a time.")


def is_counted_anew(before: Customer, after: Customer) -> bool:
    """Tell whether a customer's orders come to count for others, or as something else."""
    return bool(_moved(before, after))


def overtaken() -> ConflictError:
    """Return the refusal to move figures of which some came or went meanwhile: read the customer again and decide anew."""
    return ConflictError("conflict", "The customer's orders were being changed at the same moment. Send it again.")


def moves_at_most(before: Customer, after: Customer, *, at: datetime) -> int:
    """Return how many items `count_anew` changes at most: a quarter since the customer was added for each rep, if it orders."""
    moved = len(before.sales_rep_ids ^ after.sales_rep_ids)
    # Its first day and the present one may be in other quarters in the store's time zone.
    first, last = ((day.year * 4 + (day.month - 1) // 3) for day in (before.created_at, at))
    return moved * min(last - first + 3, before.order_changes)


def has_figures(store_id: str) -> bool:
    """Tell whether a store has ever counted an order. One Query."""
    partition = STATISTICS.partition(store=store_id, whose=STORE)
    return any(True for _ in Record.query(partition, consistent_read=True, limit=1))


def figures_by_day(scope: Scope, period: Period, *, whose: str | None = None) -> ByDay:
    """Return the figures of the days of a period that have any: of all customers in scope, or of one rep's or one customer.

    `whose` must be in scope itself. One Query, which reads quarters and no orders.
    """
    everybody = of_rep(scope.sales_rep_id) if scope.sales_rep_id else STORE
    days: defaultdict[date, Counter[str]] = defaultdict(Counter)
    partition = STATISTICS.partition(store=scope.store_id, whose=whose or everybody)
    for page in Record.query(partition, range_key_condition=within_quarters_of(period), consistent_read=True).page_iter:
        for item in page["Items"]:
            for day, figure, number in _counted(item, period, scope):
                days[day][figure] += number
    return dict(sorted(_figures(days).items()))


def figures_of_each(scope: Scope, kind: Kind, period: Period) -> Mapping[str, Figures]:
    """Return the figures of every sales rep or customer that has any in a period, by its id. One Query for each quarter.

    Reps have those of their customers in scope. Which customers are in scope has to be seen from themselves.
    """
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for quarter in quarters_of(period):
        partition = STATISTICS.index1(store=scope.store_id, kind=kind, quarter=quarter, whose="", part="").pk
        for page in Record.gsi1.query(partition).page_iter:
            for item in page["Items"]:
                name = item["gsi1sk"]["S"].partition("#")[2].rpartition("#")[0]
                for _, figure, number in _counted(item, period, scope):
                    totals[name][figure] += number
    return _figures(totals)


def _moved(before: Customer, after: Customer) -> set[_Whose]:
    left, joined = set(_counted_for(before)), set(_counted_for(after))
    return left ^ joined if standing_of(before) == standing_of(after) else left | joined


def _unmoved(order_changes: int) -> Condition:
    path = Path("aside.order_changes")
    same: Condition = path == order_changes
    return same if order_changes else same | path.does_not_exist()


def _counted_for(customer: Customer) -> list[_Whose]:
    """Return whom, besides itself, a customer's orders count for: the store and each of its reps."""
    return [_Whose("store", STORE), *(_Whose("rep", of_rep(rep)) for rep in sorted(customer.sales_rep_ids))]


def _under(standing: Standing, numbers: Numbers) -> Numbers:
    return numbers if standing == "active" else {f"{_INACTIVE}{name}": number for name, number in numbers.items()}


def _add_up(tx: Transaction, store_id: str, whose: _Whose, quarter: str, numbers: Numbers) -> None:
    added = {name: number for name, number in numbers.items() if number}
    counter = _counter(store_id, whose, quarter, 0 if whose.kind == "customer" else int(part_of(tx)))
    # What one transaction moves for many customers may be too much for one update: then it is counted on the next part.
    while len(tx.summed(counter.key) | added.keys()) > MAX_NUMBERS:
        counter = _counter(store_id, whose, quarter, (int(counter.sk.rpartition("#")[2]) + 1) % PARTS)
    tx.add_up(counter, added)


def _counter(store_id: str, whose: _Whose, quarter: str, part: int) -> Record:
    names = {"store": store_id, "whose": whose.name, "quarter": quarter, "part": str(part)}
    counter = Record(*STATISTICS.key(**names), entity=STATISTICS.entity)
    if whose.kind != "store":
        counter.gsi1pk, counter.gsi1sk = STATISTICS.index1(**names, kind=whose.kind)
    return counter


def _quarters_of_customer(store_id: str, customer_id: str) -> Iterator[tuple[str, Numbers]]:
    partition = STATISTICS.partition(store=store_id, whose=of_customer(customer_id))
    for page in Record.query(partition, consistent_read=True).page_iter:
        for item in page["Items"]:
            yield item["sk"]["S"].partition("#")[0], numbers_in(item)


def _counted(item: Mapping[str, Any], period: Period, scope: Scope) -> Iterator[Counted]:
    """Return the numbers of an item that are of the period and of customers in scope, each with its day and what it is."""
    for day, name, number in counted_in(item, item["sk"]["S"].partition("#")[0], period):
        if not (name.startswith(_INACTIVE) and scope.reach == "active"):
            yield Counted(day, name.removeprefix(_INACTIVE), number)


def _figures[K](numbers: Mapping[K, Mapping[str, int]]) -> dict[K, Figures]:
    """Return what is left where everything that was counted is added up."""
    figures = {name: Figures(**each) for name, each in numbers.items()}
    return {name: each for name, each in figures.items() if each != Figures()}
