"""Figures of what was sold: how an order counts, and what a change of it adds or takes away."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from tradepost.domain.customers import Customer
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.orders import Order, OrderStatus

STANDING: Final[frozenset[OrderStatus]] = frozenset({"received", "confirmed", "in_progress", "shipped"})
"""What counts as an order: neither one that still waits for approval, nor one that came to nothing."""
OPEN: Final[frozenset[OrderStatus]] = STANDING - {"shipped"}

DEFAULT_DAYS: Final = 30

type Standing = Literal["active", "inactive"]
"""Whether the customer of what is counted is active: reps with access All see the orders of active ones only."""


class Figures(NamedTuple):
    """How many orders there are, what they come to, and what of it has not been shipped yet; in minor units."""

    orders: int = 0
    revenue: int = 0
    open_value: int = 0

    def plus(self, other: "Figures") -> "Figures":
        """Add two figures up."""
        return Figures(*(one + another for one, another in zip(self, other, strict=True)))

    def minus(self, other: "Figures") -> "Figures":
        """Take figures off."""
        return Figures(*(one - another for one, another in zip(self, other, strict=True)))

    @property
    def average(self) -> int:
        """What an order comes to on average, rounded half to even; nothing where there is none."""
        return round_half_even(self.revenue, self.orders)


type ByDay = Mapping[date, Figures]


class Period(NamedTuple):
    """The days from `begin` to `end`, both included."""

    begin: date
    end: date


def period_of(first: date | None, last: date | None, *, today: date, longest: timedelta) -> Period:
    """Return the days that are asked for: by default the thirty that end with `last`, or with today.

    Raises `InvalidError` for days in the wrong order, and for more of them than fit into `longest`.
    """
    end = last or max(today, first or today)
    begin = first or date.fromordinal(max(1, end.toordinal() - DEFAULT_DAYS + 1))
    if begin > end:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    if end - begin >= longest:
        raise InvalidError(Fault("?from", f"is more than {longest.days} days before “to”"), code="invalid_period")
    return Period(begin, end)


def figures_of(order: Order | None) -> Figures:
    """Return what one order counts for."""
    if order is None or order.status not in STANDING:
        return Figures()
    amount = order.total.amount
    return Figures(1, amount, amount if order.status in OPEN else 0)


def total_of(figures: Iterable[Figures]) -> Figures:
    """Add figures up."""
    total = Figures()
    for each in figures:
        total = total.plus(each)
    return total


class Ranked(NamedTuple):
    """Something that orders count for, and what they come to."""

    name: str
    figures: Figures

    @property
    def place(self) -> tuple[int, str]:
        """What it is ranked by: revenue, the highest first, then its name."""
        return -self.figures.revenue, self.name


def ranked(figures: Mapping[str, Figures]) -> list[Ranked]:
    """Return what comes to most first."""
    return sorted((Ranked(*each) for each in figures.items()), key=lambda each: each.place)


def standing_of(customer: Customer) -> Standing:
    """Return what a customer's orders are counted under."""
    return "active" if customer.active else "inactive"


def round_half_even(amount: int, parts: int) -> int:
    """Divide an amount into equal parts in minor units, rounded half to even; by none it is nothing."""
    if not parts:
        return 0
    whole, rest = divmod(amount, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))
