"""Activities in the table, and people who allow them to be kept there."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.ordering import open_market
from tests.support.reps import allocate
from tests.support.table import put_back, records
from tests.support.territory import Territory, open_territory
from tests.support.world import Shop, open_shop
from tradepost.domain.activities import Activity
from tradepost.domain.clock import stamp
from tradepost.domain.ids import new_id, split_member_id
from tradepost.domain.people import CONSENT_TEXT_VERSION, Party
from tradepost.domain.stores import Store
from tradepost.table.activities import activity_record
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.stores import store_key

AT: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPENED: Final = datetime(2026, 10, 1, tzinfo=UTC)


def open_town(api: Client) -> Territory:
    """Open a store that tracks activity, as if that had been a while ago; it is built once and copied for every test.

    Its buyers allow that: of Blue Door, whom Rhea looks after, and of Green Gate, whom Otto does.
    """
    town, built = _opened(api)
    put_back(built)
    return town


@cache
def _opened(api: Client) -> tuple[Territory, list[Record]]:
    town = open_territory(open_market(open_shop(api)))
    track(town.market.shop, opened_at=OPENED)
    for employee_id in town.employees.values():
        allow(employee_id, at=OPENED)
    allocate(town.market.shop, town.market.customer, town.rhea)
    allocate(town.market.shop, town.market.other_customer, town.otto)
    return town, records()


def track(shop: Shop, *, opened_at: datetime | None = None, **settings: Any) -> None:
    """Let a store track activity, as if it had been opened long ago; `settings` are others that it has."""
    changed = {"track_activity": True, **settings, **({"opened_at": stamp(opened_at)} if opened_at else {})}
    Record(*store_key(shop.slug)).update([Path(f"data.{name}").set(value) for name, value in changed.items()])


def allow(member_id: str, *, at: datetime, decisions: Iterable[bool] = (True,)) -> None:
    """Let a person have decided about its activity, one decision a minute, the last one at an instant."""
    allowed = list(decisions)
    consents = [
        {"at": stamp(at - timedelta(minutes=len(allowed) - 1 - index)), "allowed": each, "text_version": CONSENT_TEXT_VERSION}
        for index, each in enumerate(allowed)
    ]
    store_id = member_id.partition(".")[0]
    Record(*member_key(member_id, store_id)).update([Path("data.consents").set(consents)])


def activity_of(member_id: str, at: datetime, **fields: Any) -> Activity:
    """Return what somebody did at an instant, for the customer it buys for, by the first consent unless told otherwise."""
    place = split_member_id(member_id)
    assert place is not None
    whoever = Party(type="member", id=member_id, name="Whoever it was then")
    return Activity(
        **{
            "version": 1,
            "id": new_id(),
            "store_id": place.store_id,
            "member_id": member_id,
            "customer_id": place.customer_id,
            "type": "searched",
            "at": at,
            "recorded_at": at,
            "source": "server",
            "actor": whoever,
            "subject": whoever,
            "consent": 1,
            **fields,
        }
    )


def put_activities(shop: Shop, activities: Iterable[Activity]) -> list[Activity]:
    """Put activities into the table, as they are written; returns them."""
    listed = list(activities)
    store = Record.get(*store_key(shop.slug)).load(Store)
    put_back(activity_record(each, store) for each in listed)
    return listed


def kept(member_id: str | None = None) -> list[Activity]:
    """Return the activities in the table, or one person's, oldest first."""
    found = [record.load(Activity) for record in records(Activity.entity)]
    return sorted((each for each in found if member_id in {None, each.member_id}), key=lambda each: (each.recorded_at, each.id))


def tracked_for_casting(shop: Shop, employee_id: str, at: datetime) -> None:
    """Let a store track activity, and one person who is no caller have searched."""
    track(shop)
    allow(employee_id, at=at)
    put_activities(shop, [activity_of(employee_id, at, comment="Nordlicht")])
