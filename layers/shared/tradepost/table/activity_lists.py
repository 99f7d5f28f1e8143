"""Lists of activities: a page of a store's, a customer's or a person's, newest first, of what may still be seen.

All three are in one order, by the time of recording and the id, so that a position in any of them is where an activity stands
there. What a page looks at does not depend on how much there is: one Query where a customer or a person is named, otherwise
one for each shard of a month, and of two months at most.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.activities import Activity, is_shown, is_visible, may_be_kept
from tradepost.domain.clock import MOMENT, stamp
from tradepost.domain.customers import Customer
from tradepost.domain.ids import split_member_id
from tradepost.domain.people import Member
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.table.activities import (
    months_between,
    partition_of_customer,
    partition_of_member,
    partitions_of_month,
)
from tradepost.table.customers import customer_key, find_customer
from tradepost.table.listing import SIFTED, Position, Rows, all_of, list_index, list_partition
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import Key

MONTHS: Final = 2
"""How many months a page looks at."""
WINDOW_OF_SHARD: Final = 100
"""How many rows of a shard a page looks at for those of one type."""
# What another function has just recorded, whose clock is ahead of this one's, is not of the future.
_AHEAD: Final = timedelta(minutes=1)


class Wanted(NamedTuple):
    """Which activities a list shows: those recorded from `begin` until before `end`."""

    customer_id: str | None = None
    employee_id: str | None = None
    type: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


class Seen(NamedTuple):
    """An activity with whose it is, and for which customer it was done."""

    activity: Activity
    member: Member
    customer: Customer | None


class _Looked(NamedTuple):
    """What was found, newest first; before `reached`, there is more to look at. None if there is nothing more."""

    records: Sequence[Record]
    reached: str | None


def named_keys(store_id: str, customer_id: str | None, employee_id: str | None) -> list[Key]:
    """Return where the customer and the person are kept that a list names, and the person's customer."""
    place = split_member_id(employee_id) if employee_id else None
    customers = [customer_id, place.customer_id if place else None]
    people = [member_key(employee_id, store_id)] if employee_id else []
    return [*(customer_key(store_id, each) for each in customers if each), *people]


def list_activities(
    reader: Reader,
    scope: Scope,
    store: Store,
    wanted: Wanted,
    *,
    limit: int,
    after: Position | None,
    at: datetime,
) -> tuple[list[Seen], Position | None]:
    """Return a page of the activities in a scope that the store and their people allow to be seen now, newest first.

    It may hold fewer than `limit` and still have a next one. Calls: one Query where a customer or a person is named, otherwise
    16 for each of two months at most; then BatchGetItem (100 keys each) for people and customers.
    """
    if not _may_show_some(reader, scope, store, wanted):
        return [], None
    oldest = max(wanted.begin or store.opened_at, store.opened_at, at - timedelta(days=store.activity_days))
    newest = min(wanted.end or at + _AHEAD, at + _AHEAD)
    low, high = stamp(oldest), after["sk"] if after else stamp(newest)
    if low >= high:
        return [], None
    most = limit if scope.reach == "store" else max(limit, SIFTED)
    if wanted.customer_id or wanted.employee_id:
        looked = _look_at_one(store.id, wanted, low, high, most)
    else:
        # What ends with a month has nothing to do with the next one.
        months = months_between(oldest, newest - MOMENT)
        looked = _look_at_all(store.id, wanted, [month for month in months if month <= high[: len(month)]], low, high, most)
    rows, reached = looked.records[:most], looked.reached
    if len(looked.records) > most:
        reached = rows[-1].sk
    found = [row.load(Activity) for row in rows]
    seen = list(_seen(reader, scope, store, found))
    if len(seen) > limit:
        last = seen[limit - 1].activity.id
        reached = next(row.sk for row, activity in zip(rows, found, strict=True) if activity.id == last)
    return seen[:limit], {"sk": reached} if reached else None


def _may_show_some(reader: Reader, scope: Scope, store: Store, wanted: Wanted) -> bool:
    """Tell whether the customer and the person that a list names are within the scope, and whether either allows a look.

    What a sales rep did is listed by its name for the owner and itself alone, as in an export.
    """
    if not store.track_activity:
        return False
    if wanted.customer_id and find_customer(reader, scope, wanted.customer_id) is None:
        return False
    if wanted.employee_id is None:
        return True
    member = reader.find(member_key(wanted.employee_id, store.id), Member)
    if member is None or not may_be_kept(store, member):
        return False
    if member.customer_id is None:
        return scope.reach == "store" or member.id == scope.member_id
    return find_customer(reader, scope, member.customer_id) is not None


def _look_at_one(store_id: str, wanted: Wanted, low: str, high: str, most: int) -> _Looked:
    """Look at a person's activities, or else at a customer's, with one Query."""
    is_type = Path("data.type") == wanted.type if wanted.type else None
    if wanted.employee_id is None:
        partition = partition_of_customer(store_id, wanted.customer_id or "")
        found = list_index(Record.gsi2, partition, limit=most + 1, where=is_type, newest_first=True, between=(low, high))
        return _looked(found, high)
    for_customer = Path("data.customer_id") == wanted.customer_id if wanted.customer_id else None
    partition = partition_of_member(store_id, wanted.employee_id)
    where = all_of([is_type, for_customer])
    return _looked(list_partition(partition, limit=most + 1, where=where, newest_first=True, between=(low, high)), high)


def _look_at_all(store_id: str, wanted: Wanted, months: Sequence[str], low: str, high: str, most: int) -> _Looked:
    """Look at a store's activities, beginning with the last of some months, until there are enough."""
    records, earlier = list[Record](), list(months)
    for _ in range(MONTHS):
        looked = _look_at_month(store_id, earlier.pop(), wanted, low, high, most)
        records += looked.records
        if looked.reached or not earlier:
            return _Looked(records, looked.reached)
        if len(records) >= most:
            break
    # Behind all that is of that month, and before all that is of the next one.
    return _Looked(records, f"{earlier[-1]}~")


def _look_at_month(store_id: str, month: str, wanted: Wanted, low: str, high: str, most: int) -> _Looked:
    """Look at a month, and merge its shards as far as all of them were looked at."""
    where = Path("data.type") == wanted.type if wanted.type else None
    shards = [
        _looked(
            list_index(
                Record.gsi1,
                partition,
                limit=most + 1,
                where=where,
                newest_first=True,
                between=(low, high),
                window=WINDOW_OF_SHARD,
            ),
            high,
        )
        for partition in partitions_of_month(store_id, month)
    ]
    reached = max((shard.reached for shard in shards if shard.reached), default=None)
    merged = heapq.merge(*(shard.records for shard in shards), key=lambda row: row.sk, reverse=True)
    return _Looked([row for row in merged if reached is None or row.sk >= reached], reached)


def _looked(rows: Rows, high: str) -> _Looked:
    # Where the page before ended belongs to it, and is met again: what is between two keys holds both of them.
    further = rows.next_position["sk"] if rows.next_position else None
    return _Looked([row for row in rows.records if row.sk != high], further)


def _seen(reader: Reader, scope: Scope, store: Store, found: Sequence[Activity]) -> Iterator[Seen]:
    """Keep the activities that may be read by consent, and seen by scope, as both are now.

    Who performed one is named as it is now as well: whoever was erased is named in nobody's activity any more.
    """
    people = [member_key(activity.member_id, store.id) for activity in found]
    customers = [customer_key(store.id, activity.customer_id) for activity in found if activity.customer_id]
    performers = [_performer(activity) for activity in found]
    reader.fetch([*people, *customers, *filter(None, performers)])
    for activity, key, performer in zip(found, people, performers, strict=True):
        member = reader.find(key, Member)
        whose = activity.customer_id
        customer = reader.find(customer_key(store.id, whose), Customer) if whose else None
        if member and is_shown(activity, store, member) and is_visible(activity, scope, customer):
            actor = reader.find(performer, Member) if performer else None
            yield Seen(activity.model_copy(update={"actor": actor.party}) if actor else activity, member, customer)


def _performer(activity: Activity) -> Key | None:
    actor = activity.actor
    return member_key(actor.id, activity.store_id) if actor.type == "member" and actor.id else None
