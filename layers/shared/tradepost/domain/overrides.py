"""Prices below the listed ones: how far a sales rep may go by itself, and what somebody else has to approve."""

from typing import Final

from tradepost.domain.people import Member
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import OverrideLimits, Store
from tradepost.domain.values import Price, Value

WHOLE: Final = 100


class Excess(Value):
    """A price further below the listed one than whoever gave it may go: `lowest` is how far that is."""

    pointer: str
    listed: Price
    given: Price
    lowest: Price


class Approval(Value):
    """What has to be approved: every price that is too low."""

    required_by: tuple[Excess, ...]


def limits_of(member: Member, store: Store) -> OverrideLimits | None:
    """Return how far a member may lower prices: a sales rep's own limits or else the store's; None for as far as it likes."""
    if Permission.SET_ANY_PRICE in member.grants:
        return None
    return member.override_limits or store.override_limits


def lowest_price(listed: Price, limits: OverrideLimits, *, floored: bool) -> Price:
    """Return the lowest price that needs no approval: so many percent off, and not below the floor where that is `floored`.

    It is never more than the listed price, which may lie below the floor.
    """
    by_percent = -(-listed.amount * (WHOLE - limits.percent) // WHOLE)
    floor = limits.floor.amount if limits.floor and floored else 0
    return listed.model_copy(update={"amount": min(listed.amount, max(by_percent, floor))})
