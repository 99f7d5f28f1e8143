"""Figures in the table: added up in the transactions that change an order, or to whom a customer's orders count.

An item holds a month of days, for the store, for each sales rep and for each customer: `orders_05`, `revenue_05` and
`open_value_05` are those of the fifth; those of customers that are not active stand beside them as `inactive_orders_05` and so
on. The store's and the reps' are spread over a few items. All orders of a customer count for whomever it is allocated to now.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, Literal, NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError
from tradepost.domain.orders import Order
from tradepost.domain.statistics import ByDay, Figures, Standing, day_of, figures_of, standing_of
from tradepost.table.counts import part_of
from tradepost.table.records import Record
from tradepost.table.shapes import CUSTOMER, STATISTICS
from tradepost.table.transaction import Transaction

STORE: Final = "STORE"
MAX_MOVED: Final = 80
"""How many months of figures one transaction moves at most, each rep's counted; see the decision log."""

_NUMBER: Final = re.compile(r"(inactive_)?(orders|revenue|open_value)_(\d\d)")

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

    Demands that the customer is what it was when it was read: otherwise it could be counted for others meanwhile.
    """
    moved = figures_of(after).minus(figures_of(before))
    if moved == Figures():
        return
    day = day_of(after, time_zone)
    month = f"{day:%Y-%m}"
    added = {f"{name}_{day:%d}": number for name, number in moved._asdict().items()}
    _add_up(tx, customer.store_id, _Whose("customer", of_customer(customer.id)), month, added)
    for whose in _counted_for(customer):
        _add_up(tx, customer.store_id, whose, month, _under(standing_of(customer), added))
    changed = ConflictError("conflict", "The customer was being changed at the same moment. Send it again.")
    noted = Path(["aside", "order_months", month]).add(1)
    key = CUSTOMER.key(store=customer.store_id, customer=customer.id)
    tx.update(key, [noted], condition=Record.version == customer.version, otherwise=changed)


def count_anew(tx: Transaction, before: Customer, after: Customer) -> None:
    """Count a customer's orders, past ones included, for whom it is allocated to now, and as what it is now.

    Calls: one Query where there is anything to move. Raises `ConflictError` for more than one transaction can move; the
    transaction fails if one of the orders changes meanwhile.
    """
    left, joined = _counted_for(before), _counted_for(after)
    was, is_now = standing_of(before), standing_of(after)
    moved = set(left) ^ set(joined) if was == is_now else set(left) | set(joined)
    if not moved or not before.order_months:
        return
    if len(before.order_months) * len(moved) > MAX_MOVED:
        raise ConflictError("history_too_long", "This customer has too long a history: change one sales rep at a time.")
    for month, numbers in _months_of_customer(before.store_id, before.id).items():
        taken = _under(was, {name: -number for name, number in numbers.items()})
        given = _under(is_now, numbers)
        for whose in sorted(moved):
            for counted, change in ((whose in left, taken), (whose in joined, given)):
                if counted:
                    _add_up(tx, before.store_id, whose, month, change)
    changed = ConflictError("conflict", "The customer's orders were being changed at the same moment. Send it again.")
    same = Path("aside.order_months") == dict(before.order_months)
    tx.update(CUSTOMER.key(store=before.store_id, customer=before.id), [], condition=same, otherwise=changed)


def figures_by_day(store_id: str, whose: str, begin: date, end: date, *, only: Standing | None = None) -> ByDay:
    """Return the figures of the days from `begin` to `end`, both included, that have any; `only` those of some customers.

    One Query, which reads months and no orders.
    """
    days: defaultdict[date, Figures] = defaultdict(Figures)
    between = Record.sk.between(f"{begin:%Y-%m}#", f"{end:%Y-%m}#~")
    partition = STATISTICS.partition(store=store_id, whose=whose)
    for page in Record.query(partition, range_key_condition=between, consistent_read=True).page_iter:
        for item in page["Items"]:
            for day, figures in _days(item["sk"]["S"].partition("#")[0], item, only):
                days[day] = days[day].plus(figures)
    return {day: figures for day, figures in sorted(days.items()) if begin <= day <= end and figures != Figures()}


def figures_of_each(
    store_id: str, kind: Kind, begin: date, end: date, *, only: Standing | None = None
) -> Mapping[str, Figures]:
    """Return the figures of every sales rep or customer that has any in a period, by its id. One Query for each month."""
    totals: defaultdict[str, Figures] = defaultdict(Figures)
    for month in _months(begin, end):
        partition = STATISTICS.index1(store=store_id, kind=kind, month=month, whose="", part="").pk
        for page in Record.gsi1.query(partition).page_iter:
            for item in page["Items"]:
                name = item["gsi1sk"]["S"].partition("#")[2].rpartition("#")[0]
                for day, figures in _days(month, item, only):
                    if begin <= day <= end:
                        totals[name] = totals[name].plus(figures)
    return {name: figures for name, figures in totals.items() if figures != Figures()}


def _counted_for(customer: Customer) -> list[_Whose]:
    """Return whom, besides itself, a customer's orders count for: the store and each of its reps."""
    return [_Whose("store", STORE), *(_Whose("rep", of_rep(rep)) for rep in sorted(customer.sales_rep_ids))]


def _under(standing: Standing, numbers: Mapping[str, int]) -> Mapping[str, int]:
    return numbers if standing == "active" else {f"inactive_{name}": number for name, number in numbers.items()}


def _add_up(tx: Transaction, store_id: str, whose: _Whose, month: str, numbers: Mapping[str, int]) -> None:
    part = "0" if whose.kind == "customer" else part_of(tx)
    names = {"store": store_id, "whose": whose.name, "month": month, "part": part}
    counter = Record(*STATISTICS.key(**names), entity=STATISTICS.entity)
    counter.gsi1pk, counter.gsi1sk = STATISTICS.index1(**names, kind=whose.kind)
    tx.add_up(counter, numbers)


def _months_of_customer(store_id: str, customer_id: str) -> Mapping[str, Mapping[str, int]]:
    partition = STATISTICS.partition(store=store_id, whose=of_customer(customer_id))
    pages = Record.query(partition, consistent_read=True).page_iter
    items = [item for page in pages for item in page["Items"]]
    return {item["sk"]["S"].partition("#")[0]: _stored_numbers(item) for item in items}


def _stored_numbers(item: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(value["N"]) for name, value in item.items() if _NUMBER.fullmatch(name)}


def _days(month: str, item: Mapping[str, Any], only: Standing | None) -> list[tuple[date, Figures]]:
    days = []
    for name, number in _stored_numbers(item).items():
        inactive, figure, day = _NUMBER.fullmatch(name).groups()  # type: ignore[union-attr]  # they are chosen by it
        if only in {None, "inactive" if inactive else "active"}:
            days.append((date.fromisoformat(f"{month}-{day}"), Figures(**{figure: number})))
    return days


def _months(begin: date, end: date) -> Iterable[str]:
    first, last = begin.year * 12 + begin.month - 1, end.year * 12 + end.month - 1
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1)]
