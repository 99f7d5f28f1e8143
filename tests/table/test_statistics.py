"""Figures are moved with the orders and the customers, whatever quarter, part or age they are of."""

import random
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient
from pynamodb.expressions.operand import Path

from tests.support.table import counted_calls, stored
from tradepost.domain.clock import day_of
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.orders import Order, OrderStatus, Total
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.permissions import Role
from tradepost.domain.scoping import Reach, Scope
from tradepost.domain.statistics import ByDay, Figures, Period, Standing, figures_of, total_of
from tradepost.domain.stores import Store
from tradepost.table.customers import customer_key, get_customer, save_customer
from tradepost.table.people import save_member
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import STATISTICS
from tradepost.table.statistics import (
    STORE,
    Kind,
    count_order,
    figures_by_day,
    figures_of_each,
    has_figures,
    of_customer,
    of_rep,
)
from tradepost.table.stores import save_store
from tradepost.table.transaction import Transaction

ZONE = "Europe/Berlin"
ALWAYS = Period(date(2000, 1, 1), date(2049, 12, 31))
MOST_CHARACTERS = 4096  # of an expression, to DynamoDB


@pytest.fixture
def _long_expressions() -> Iterator[None]:
    """Let moto read them: it calls itself for every term."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * MOST_CHARACTERS)
    yield
    sys.setrecursionlimit(before)


@pytest.fixture(autouse=True)
def _store_and_reps(aws: None) -> None:
    tx = begin()
    save_store(tx, Store(slug="acme", name="Acme", currency="EUR", time_zone=ZONE, opened_at=tx.at))
    for name in ("r1", "r2", "r3"):
        member = Member(id=name, store_id="acme", person=name, role=Role.REP, name=name, email=f"{name}@reps.test")
        save_member(tx, member)
    tx.commit()


def begin(chance: float | None = None) -> Transaction:
    tx = Transaction("STORE#acme", SYSTEM, SYSTEM, datetime(2026, 11, 23, tzinfo=UTC))
    return tx if chance is None else Transaction("STORE#acme", SYSTEM, SYSTEM, tx.at, chance=chance)


def add(id_: str = "c1", *reps: str, **fields: Any) -> Customer:
    """Add a customer, allocated to some reps."""
    tx = begin()
    manager, further = (reps[0], reps[1:]) if reps else (None, ())
    customer = Customer(
        id=id_,
        store_id="acme",
        number=f"C-{id_}",
        name="Blue Door",
        group_id="g1",
        account_manager_id=manager,
        further_sales_rep_ids=further,
        created_at=tx.at,
        **fields,
    )
    tx.save(Record.of(customer_key("acme", id_), customer))
    tx.commit()
    return read(id_)


def read(id_: str = "c1") -> Customer:
    return get_customer(Reader(), Scope("acme", "store"), id_)


def order(at: datetime, amount: int = 1000, status: OrderStatus = "received") -> Order:
    known: dict[str, Any] = {"status": status, "total": Total(amount=amount, currency="EUR"), "placed_at": at}
    return Order.model_construct(**known)


def count(after: Order, before: Order | None = None, *, id_: str = "c1", chance: float | None = None) -> None:
    tx = begin(chance)
    count_order(tx, read(id_), before=before, after=after, time_zone=ZONE)
    tx.commit()


def change(before: Customer, **fields: Any) -> None:
    tx = begin()
    save_customer(tx, before.model_copy(update=fields), before=before)
    tx.commit()


def by_day(whose: str = STORE, *, only: Standing | None = None, period: Period = ALWAYS) -> ByDay:
    """Return the figures that the owner sees, those that whoever sees active customers does, or what only the owner sees."""
    everything = figures_by_day(Scope("acme", "store"), period, whose=whose)
    active = figures_by_day(Scope("acme", "active"), period, whose=whose)
    inactive = {day: figures.minus(active.get(day, Figures())) for day, figures in everything.items()}
    inactive = {day: figures for day, figures in inactive.items() if figures != Figures()}
    return everything if only is None else active if only == "active" else inactive


def of_each(kind: Kind, period: Period = ALWAYS, *, reach: Reach = "store") -> Mapping[str, Figures]:
    return figures_of_each(Scope("acme", reach), kind, period)


def total(whose: str = STORE, *, only: Standing | None = None, period: Period = ALWAYS) -> Figures:
    return total_of(by_day(whose, only=only, period=period).values())


def expected(orders: list[Order], zone: str = ZONE) -> ByDay:
    days: dict[date, Figures] = {}
    for each in orders:
        day = day_of(each.placed_at, zone)
        days[day] = days.get(day, Figures()).plus(figures_of(each))
    return {day: figures for day, figures in sorted(days.items()) if figures != Figures()}


def collecting(expressions: list[str]) -> Any:
    """Return what collects the expressions by which a transaction updates items."""
    original = BaseClient._make_api_call

    def call(self: BaseClient, operation: str, parameters: Any) -> Any:
        updates = [item["Update"] for item in parameters.get("TransactItems", ()) if "Update" in item]
        expressions.extend(update["UpdateExpression"] for update in updates)
        return original(self, operation, parameters)

    return call


def test_the_figures_of_any_days_are_those_of_their_orders() -> None:
    draw = random.Random(1)
    add("c1", "r1")
    orders = [
        order(
            datetime(2025, 12, 20, tzinfo=UTC) + timedelta(minutes=draw.randrange(60 * 24 * 200)),
            draw.randrange(10**6),
            draw.choice(["received", "shipped", "cancelled", "awaiting_approval"]),
        )
        for _ in range(60)
    ]
    for each in orders:
        count(each)
    for whose in (STORE, of_rep("r1"), of_customer("c1")):
        assert by_day(whose) == expected(orders)
    for _ in range(40):
        first, last = sorted(date(2025, 12, 15) + timedelta(days=draw.randrange(210)) for _ in range(2))
        some = [each for each in orders if first <= day_of(each.placed_at, ZONE) <= last]
        period = Period(first, last)
        assert by_day(STORE, period=period) == expected(some)
        sold = total_of(expected(some).values())
        assert of_each("rep", period) == ({"r1": sold} if sold != Figures() else {})
        assert of_each("customer", period) == ({"c1": sold} if sold != Figures() else {})


def test_an_order_counts_on_the_day_of_its_placing_however_late_it_is_cancelled() -> None:
    add("c1", "r1")
    placed = order(datetime(2026, 9, 30, 21, 59, 59, tzinfo=UTC))
    count(placed)
    assert total(period=Period(date(2026, 9, 30), date(2026, 9, 30))) == Figures(1, 1000, 1000)
    count(order(placed.placed_at, 1000, "cancelled"), placed)
    assert by_day(STORE) == {}
    assert of_each("rep") == of_each("customer") == {}
    assert has_figures("acme")
    assert not has_figures("rival")


def test_a_change_that_moves_no_figure_writes_none() -> None:
    add()
    waiting = order(datetime(2026, 11, 1, tzinfo=UTC), status="awaiting_approval")
    tx = begin()
    count_order(tx, read(), before=None, after=waiting, time_zone=ZONE)
    count_order(tx, read(), before=waiting, after=order(waiting.placed_at, 5, "rejected"), time_zone=ZONE)
    assert tx.size == 0
    count(order(waiting.placed_at, 0), waiting)
    assert total() == Figures(1, 0, 0)


def test_parts_of_which_one_is_negative_still_add_up() -> None:
    add("c1", "r1")
    placed = order(datetime(2026, 11, 1, tzinfo=UTC))
    count(placed, chance=0.1)
    count(order(placed.placed_at, 1000, "shipped"), placed, chance=0.9)
    assert len([item for item in stored("statistics") if "#STORE" in item["pk"]]) == 2
    assert total() == Figures(1, 1000, 0)


def test_a_reassigned_customers_orders_of_any_time_count_for_the_new_rep() -> None:
    add("c1", "r1", "r2")
    add("c2", "r1")
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=70 * number) for number in range(15)]
    for day in days:
        count(order(day, 100))
        count(order(day, 7), id_="c2")
    change(read(), account_manager_id="r3")
    assert total(of_rep("r1")) == Figures(15, 105, 105)
    assert total(of_rep("r2")) == total(of_rep("r3")) == Figures(15, 1500, 1500)
    assert total() == Figures(30, 1605, 1605)
    change(read(), account_manager_id=None, further_sales_rep_ids=())
    assert total(of_rep("r2")) == total(of_rep("r3")) == Figures()
    assert total() == Figures(30, 1605, 1605)


def test_an_inactive_customers_orders_are_kept_apart_and_come_back() -> None:
    add("c1", "r1")
    add("c2", "r1")
    count(order(datetime(2026, 11, 1, tzinfo=UTC), 100))
    count(order(datetime(2026, 11, 2, tzinfo=UTC), 7), id_="c2")
    change(read(), active=False)
    for whose in (STORE, of_rep("r1")):
        assert total(whose) == Figures(2, 107, 107)
        assert total(whose, only="active") == Figures(1, 7, 7)
        assert total(whose, only="inactive") == Figures(1, 100, 100)
    assert of_each("rep", reach="active") == {"r1": Figures(1, 7, 7)}
    placed = order(datetime(2026, 11, 1, tzinfo=UTC), 100)
    count(order(placed.placed_at, 30), placed)
    change(read(), active=True, account_manager_id="r2")
    assert (total(of_rep("r1"), only="active"), total(of_rep("r2"), only="active")) == (Figures(1, 7, 7), Figures(1, 30, 30))
    assert total(only="inactive") == Figures()


@pytest.mark.parametrize("orders", [0, 1, 2])
def test_an_order_and_a_reassignment_at_the_same_moment_never_count_for_the_wrong_rep(orders: int) -> None:
    add("c1", "r1")
    placed = [order(datetime(2026, 11, 1, tzinfo=UTC), 100) for _ in range(orders)]
    for each in placed:
        count(each)
    before = read()
    reassigning, placing = begin(), begin()
    save_customer(reassigning, before.model_copy(update={"account_manager_id": "r2"}), before=before)
    count_order(placing, before, before=None, after=order(datetime(2026, 11, 2, tzinfo=UTC), 7), time_zone=ZONE)
    placing.commit()
    with pytest.raises((ConflictError, StaleError)) as refused:
        reassigning.commit()
    assert refused.value.code in {"conflict", "stale"}
    assert (total(of_rep("r1")), total(of_rep("r2"))) == (total(), Figures())

    before = read()
    reassigning, placing = begin(), begin()
    save_customer(reassigning, before.model_copy(update={"account_manager_id": "r2"}), before=before)
    count_order(placing, before, before=None, after=order(datetime(2026, 11, 3, tzinfo=UTC), 9), time_zone=ZONE)
    reassigning.commit()
    with pytest.raises(ConflictError) as refused:
        placing.commit()
    assert refused.value.code == "conflict"
    assert (total(of_rep("r1")), total(of_rep("r2"))) == (Figures(), total())


def test_a_customer_of_before_there_were_figures_is_counted_and_moved_like_any_other() -> None:
    add("c1", "r1")
    Record(*customer_key("acme", "c1")).update([Path("aside.order_changes").remove()])
    change(read(), account_manager_id="r2")
    count(order(datetime(2026, 11, 1, tzinfo=UTC), 100))
    change(read(), account_manager_id="r3")
    assert (total(of_rep("r2")), total(of_rep("r3"))) == (Figures(), Figures(1, 100, 100))


def test_reassigning_costs_one_query_and_only_where_there_are_orders() -> None:
    add("c1", "r1")
    for calls_made in (["TransactWriteItems"], ["Query", "TransactWriteItems"]):
        before = read()
        with counted_calls() as calls:
            change(before, account_manager_id=f"r{len(calls_made) + 1}")
        assert calls == calls_made
        count(order(datetime(2026, 11, 1, tzinfo=UTC)))
    with counted_calls() as calls:
        change(read(), name="Blue Door and Sons")
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_ten_years_of_orders_are_moved_at_once_and_more_of_them_step_by_step() -> None:
    add("c1", "r1")
    quarters = [datetime(2000 + number // 4, 1 + 3 * (number % 4), 15, tzinfo=UTC) for number in range(60)]
    for at in quarters[:40]:
        count(order(at, 1))
    change(read(), account_manager_id="r2")
    change(read(), active=False)
    change(read(), active=True)
    assert (total(of_rep("r1")), total(of_rep("r2"), only="active")) == (Figures(), Figures(40, 40, 40))
    for at in quarters[40:]:
        count(order(at, 1))
    before, items = read(), stored()
    with pytest.raises(ConflictError) as refused:
        change(before, account_manager_id="r3")
    assert refused.value.code == "history_too_long"
    assert stored() == items
    change(before, account_manager_id=None)
    change(read(), account_manager_id="r3")
    assert (total(of_rep("r2")), total(of_rep("r3"))) == (Figures(), Figures(60, 60, 60))


def fill(id_: str, days: list[date], figures: Figures) -> None:
    """Let a customer have ordered the same on each of some days of one quarter."""
    names = {f"{name}_{day:%m-%d}": number for day in days for name, number in figures._asdict().items()}
    key = STATISTICS.key(store="acme", whose=of_customer(id_), quarter="2026-Q3", part="0")
    Record(*key).update([Record.entity.set("statistics"), *(Path(name).add(number) for name, number in names.items())])
    Record(*customer_key("acme", id_)).update([Path("aside.order_changes").set(len(days))])


@pytest.mark.usefixtures("_long_expressions")
def test_quarters_with_orders_on_every_day_are_moved_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    days, one = [date(2026, 7, 1) + timedelta(days=number) for number in range(92)], Figures(1, 10**9, 10**9)
    customers = [add("c1"), add("c2", active=False)]
    for each in customers:
        fill(each.id, days, one)
    expressions: list[str] = []
    monkeypatch.setattr(BaseClient, "_make_api_call", collecting(expressions))
    tx = begin()
    for customer in (read(each.id) for each in customers):
        save_customer(tx, customer.model_copy(update={"account_manager_id": "r2"}), before=customer)
    tx.commit()
    every_day = dict.fromkeys(days, one)
    assert by_day(of_rep("r2"), only="active") == every_day
    assert by_day(of_rep("r2"), only="inactive") == every_day
    change(read(), active=False, account_manager_id="r3")
    assert by_day(of_rep("r3"), only="inactive") == every_day
    assert total(of_rep("r2"), only="active") == total(of_rep("r3"), only="active") == Figures()
    assert max(map(len, expressions)) <= MOST_CHARACTERS
