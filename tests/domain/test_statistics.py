"""Figures: what an order counts for, on which day, and what changes of it add up to."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradepost.domain.clock import day_of, end_of_day, start_of_day
from tradepost.domain.errors import InvalidError
from tradepost.domain.orders import Order, OrderStatus, Total
from tradepost.domain.statistics import (
    Figures,
    Period,
    figures_of,
    period_of,
    ranked,
    round_half_even,
    total_of,
)

STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus.__value__)
TODAY = date(2026, 11, 23)
YEAR = timedelta(days=366)
ZONES = sorted(available_timezones() - {"localtime"})
AMOUNTS = st.integers(0, 10**15)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds it


def order(status: OrderStatus, amount: int) -> Order:
    known: dict[str, Any] = {"status": status, "total": Total(amount=amount, currency="EUR")}
    return Order.model_construct(**known)


ORDERS = st.builds(order, st.sampled_from(STATUSES), AMOUNTS)
FIGURES = st.builds(Figures, st.integers(0, 10**6), AMOUNTS, AMOUNTS)


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("awaiting_approval", Figures()),
        ("received", Figures(1, 990, 990)),
        ("confirmed", Figures(1, 990, 990)),
        ("in_progress", Figures(1, 990, 990)),
        ("shipped", Figures(1, 990, 0)),
        ("cancelled", Figures()),
        ("rejected", Figures()),
    ],
)
def test_an_order_counts_while_it_stands_and_is_open_until_it_is_shipped(status: OrderStatus, counted: Figures) -> None:
    assert figures_of(order(status, 990)) == counted
    assert figures_of(None) == Figures()


@given(st.lists(ORDERS, min_size=1))
def test_the_changes_of_an_order_add_up_to_what_it_is_now(states: list[Order]) -> None:
    changes = [figures_of(after).minus(figures_of(before)) for before, after in zip([None, *states[:-1]], states, strict=True)]
    assert total_of(changes) == figures_of(states[-1])


@given(st.lists(FIGURES).flatmap(lambda figures: st.tuples(st.just(figures), st.permutations(figures))))
def test_a_sum_is_the_same_in_any_order_and_in_parts(drawn: tuple[list[Figures], list[Figures]]) -> None:
    figures, shuffled = drawn
    half = len(figures) // 2
    assert total_of(figures) == total_of(shuffled) == total_of([total_of(shuffled[:half]), total_of(shuffled[half:])])


@given(AMOUNTS, st.integers(0, 10**6))
@example(5, 2)
@example(7, 2)
@example(0, 0)
def test_an_average_is_rounded_half_to_even(amount: int, orders: int) -> None:
    assert round_half_even(amount, orders) == (round(Fraction(amount, orders)) if orders else 0)
    assert Figures(orders, amount).average == round_half_even(amount, orders)


@given(INSTANTS, st.sampled_from(ZONES))
@example(datetime(2026, 4, 4, 13, 59, 59, 999000, tzinfo=UTC), "Pacific/Auckland")  # the last before clocks go back
@example(datetime(2026, 9, 26, 12, tzinfo=UTC), "Pacific/Auckland")
@example(datetime(2026, 11, 23, 9, 59, 59, 999000, tzinfo=UTC), "Pacific/Honolulu")
@example(datetime(2026, 9, 6, 4, tzinfo=UTC), "America/Santiago")  # midnight does not exist
@example(datetime(2026, 4, 5, 3, 30, tzinfo=UTC), "America/Santiago")  # the hour before midnight comes twice
@example(datetime(2026, 10, 4, 15, tzinfo=UTC), "Australia/Lord_Howe")
def test_an_instant_lies_within_the_day_it_counts_on(at: datetime, zone: str) -> None:
    day = day_of(at, zone)
    assert start_of_day(day, zone) <= at < end_of_day(day, zone)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu", "America/Santiago", "Africa/Cairo", "Europe/Berlin"])
def test_every_day_of_a_year_begins_where_the_one_before_ends(zone: str) -> None:
    day = date(2026, 1, 1)
    while day < date(2027, 1, 1):
        begin = start_of_day(day, zone)
        assert day_of(begin, zone) == day
        assert day_of(begin - timedelta(milliseconds=1), zone) == day - timedelta(days=1)
        assert end_of_day(day, zone) == start_of_day(day + timedelta(days=1), zone)
        day += timedelta(days=1)


def test_thirty_days_are_shown_unless_others_are_asked_for() -> None:
    assert period_of(None, None, today=TODAY, longest=YEAR) == Period(date(2026, 10, 25), TODAY)
    assert period_of(None, date(2026, 3, 1), today=TODAY, longest=YEAR) == Period(date(2026, 1, 31), date(2026, 3, 1))
    assert period_of(date(2026, 1, 2), None, today=TODAY, longest=YEAR) == Period(date(2026, 1, 2), TODAY)
    assert period_of(date(2027, 1, 2), None, today=TODAY, longest=YEAR) == Period(date(2027, 1, 2), date(2027, 1, 2))
    assert period_of(TODAY, TODAY, today=TODAY, longest=YEAR) == Period(TODAY, TODAY)
    assert period_of(None, date.min, today=TODAY, longest=YEAR) == Period(date.min, date.min)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 11, 24), TODAY),
        (date(2025, 11, 22), TODAY),
        (date.min, date.max),
        (date.min, None),
    ],
)
def test_days_in_the_wrong_order_and_too_many_are_refused(first: date, last: date | None) -> None:
    with pytest.raises(InvalidError) as refused:
        period_of(first, last, today=TODAY, longest=YEAR)
    assert (refused.value.code, refused.value.faults[0].pointer) == ("invalid_period", "?from")
    assert period_of(date(2025, 11, 23), TODAY, today=TODAY, longest=YEAR)


@given(st.dictionaries(st.text(), FIGURES))
def test_a_ranking_goes_by_revenue_and_is_the_same_every_time(figures: dict[str, Figures]) -> None:
    ranking = ranked(figures)
    assert {each.name: each.figures for each in ranking} == figures
    assert ranking == ranked(dict(reversed(figures.items())))
    for one, another in pairwise(ranking):
        assert (one.figures.revenue, another.name) > (another.figures.revenue, one.name)
