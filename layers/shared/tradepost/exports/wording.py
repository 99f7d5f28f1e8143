"""The filters of an export in words, for whoever wonders why it holds nothing."""

from collections.abc import Mapping
from typing import Final

from tradepost.domain.display import display_day, display_time
from tradepost.domain.exports import Export
from tradepost.domain.people import Member
from tradepost.domain.scoping import Reach, Scope
from tradepost.table.customers import find_customers
from tradepost.table.people import member_key
from tradepost.table.reading import Reader

WITHIN: Final[Mapping[Reach, str]] = {
    "store": "all customers",
    "active": "customers that are active",
    "allocated": "customers allocated to you",
    "own": "your company",
}
"""Whose entries an export may hold."""


def period_in_words(done: str, export: Export) -> str:
    """Say on which days it was done what an export is about: `placed from 1 November 2026, Europe/Berlin`."""
    first = f"from {display_day(export.first_day)}" if export.first_day else None
    last = f"to {display_day(export.last_day)}" if export.last_day else None
    days = " ".join(filter(None, (first, last)))
    asked = display_time(export.requested_at, export.time_zone)
    return f"{done} {days}, {export.time_zone}" if days else f"{done} before {asked}"


def customer_in_words(scope: Scope, customer_id: str | None) -> str:
    """Call a customer by its name, if it is within the scope."""
    found = find_customers(Reader(), scope, [customer_id] if customer_id else [])
    return next((f"the customer “{customer.name}”" for customer in found.values()), "the customer that was chosen")


def sales_rep_in_words(scope: Scope, member_id: str | None) -> str:
    """Call a sales rep by its name; whoever sees what is allocated to it alone knows of no other rep."""
    known = member_id if scope.sales_rep_id in {None, member_id} else None
    rep = Reader().find(member_key(known, scope.store_id), Member) if known else None
    return f"the sales rep “{rep.name}”" if rep else "the sales rep that was chosen"
