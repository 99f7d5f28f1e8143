"""Activities in the table: a person's, a customer's and a store's, by the time at which they were recorded.

A person's own partition, and its customer's, take whatever one person or company can do. The store's list would not: all of
its writes go to the end of one partition, which takes 1,000 a second. It is therefore spread over `SHARDS` partitions for
each month, so that a store may record 16,000 activities a second, and whoever reads it merges the shards of a month by time.
How many activities there are makes no difference to that: a page reads a page of each shard.
"""

import zlib
from datetime import UTC, date, datetime
from typing import Final

from tradepost.domain.activities import Activity, kept_until
from tradepost.domain.clock import stamp
from tradepost.domain.stores import Store
from tradepost.table.records import Record
from tradepost.table.shapes import ACTIVITY

SHARDS: Final = 16


def activity_record(activity: Activity, store: Store) -> Record:
    """Return the item of a new activity, which deletes itself when the store's time for activities is over."""
    names = {
        "store": activity.store_id,
        "member": activity.member_id,
        "customer": activity.customer_id or "",
        "activity": activity.id,
        "recorded_at": stamp(activity.recorded_at),
        "month": month_of(activity.recorded_at),
        "shard": shard_of(activity.id),
    }
    of_customer = ACTIVITY.index2(**names) if activity.customer_id else None
    record = Record.of(ACTIVITY.key(**names), activity, index1=ACTIVITY.index1(**names), index2=of_customer)
    record.version = 1
    record.expires_at = int(kept_until(activity, store).timestamp())
    return record


def shard_of(activity_id: str) -> str:
    """Return the part of a month's list that an activity is in."""
    return f"{zlib.crc32(activity_id.encode()) % SHARDS:02}"


def month_of(instant: datetime) -> str:
    """Return the month of an instant as the lists are named: in UTC, `2026-11`."""
    return stamp(instant)[:7]


def months_between(begin: datetime, end: datetime) -> list[str]:
    """Return the months from one instant until another, oldest first."""
    first, last = begin.astimezone(UTC), end.astimezone(UTC)
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1).strftime("%Y-%m") for number in numbers]


def partitions_of_month(store_id: str, month: str) -> list[str]:
    """Return the partitions of the first index that hold a month of a store's activities."""
    shards = [f"{number:02}" for number in range(SHARDS)]
    names = {"recorded_at": "", "activity": ""}
    return [ACTIVITY.index1(store=store_id, month=month, shard=shard, **names).pk for shard in shards]


def partition_of_customer(store_id: str, customer_id: str) -> str:
    """Return the partition of the second index that holds a customer's activities."""
    return ACTIVITY.index2(store=store_id, customer=customer_id, recorded_at="", activity="").pk


def partition_of_member(store_id: str, member_id: str) -> str:
    """Return the partition of the table that holds a person's activities."""
    return ACTIVITY.partition(store=store_id, member=member_id)
