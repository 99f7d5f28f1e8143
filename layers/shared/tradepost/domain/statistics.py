"""Figures of what was sold: how an order counts, and what a change of it adds or takes away."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tradepost.domain.customers import Customer
from tradepost.domain.orders import Order, OrderStatus

STANDING: Final[frozenset[OrderStatus]] = frozenset({"received", "confirmed", "in_progress", "shipped"})
"""What counts as an order: neither one that still waits for approval, nor one that came to nothing."""
OPEN: Final[frozenset[OrderStatus]] = STANDING - {"shipped"}

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


def figures_of(order: Order | None) -> Figures:
    """Return what one order counts for."""
    if order is None or order.status not in STANDING:
        return Figures()
    amount = order.total.amount
    return Figures(1, amount, amount if order.status in OPEN else 0)


def day_of(order: Order, time_zone: str) -> date:
    """Return the day on which an order counts, whatever becomes of it later: that of its placing, in the store's time zone."""
    return order.placed_at.astimezone(ZoneInfo(time_zone)).date()


def total_of(figures: Iterable[Figures]) -> Figures:
    """Add figures up."""
    total = Figures()
    for each in figures:
        total = total.plus(each)
    return total


def standing_of(customer: Customer) -> Standing:
    """Return what a customer's orders are counted under."""
    return "active" if customer.active else "inactive"


def round_half_even(amount: int, parts: int) -> int:
    """Divide an amount into equal parts in minor units, rounded half to even; by none it is nothing."""
    if not parts:
        return 0
    whole, rest = divmod(amount, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))
