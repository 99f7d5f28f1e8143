"""Numbers of days in the table: an item holds a quarter of them, `orders_11-05` being that of the fifth of November."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from pynamodb.expressions.condition import Condition

from tradepost.domain.statistics import Period
from tradepost.table.records import Record

type Numbers = Mapping[str, int]

_NUMBER: Final = re.compile(r"([a-z_]+)_(\d\d-\d\d)")


class Counted(NamedTuple):
    """A number of an item: of which day, what it counts, and how many."""

    day: date
    name: str
    number: int


def quarter_of(day: date) -> str:
    """Return the quarter of a year that a day is in."""
    return f"{day.year:04}-Q{(day.month + 2) // 3}"


def quarters_of(period: Period) -> Sequence[str]:
    """Return the quarters that the days of a period are in."""
    first, last = (day.year * 4 + (day.month - 1) // 3 for day in period)
    return [f"{quarter // 4:04}-Q{quarter % 4 + 1}" for quarter in range(first, last + 1)]


def within_quarters_of(period: Period) -> Condition:
    """Return the range of sort keys, each of which begins with its quarter, that the days of a period are in."""
    between: Condition = Record.sk.between(f"{quarter_of(period.begin)}#", f"{quarter_of(period.end)}#~")
    return between


def of_day(day: date, numbers: Numbers) -> Numbers:
    """Return numbers under the names by which an item holds those of a day."""
    return {f"{name}_{day:%m-%d}": number for name, number in numbers.items()}


def numbers_in(item: Mapping[str, Any]) -> Numbers:
    """Return the numbers of all days that an item holds, under the names by which it does."""
    return {name: int(value["N"]) for name, value in item.items() if _NUMBER.fullmatch(name)}


def counted_in(item: Mapping[str, Any], quarter: str, period: Period) -> Iterator[Counted]:
    """Return the numbers of an item of a quarter that are of the days of a period."""
    for name, number in numbers_in(item).items():
        what, _, month_and_day = name.rpartition("_")
        day = date.fromisoformat(f"{quarter[:4]}-{month_and_day}")
        if period.begin <= day <= period.end:
            yield Counted(day, what, number)
