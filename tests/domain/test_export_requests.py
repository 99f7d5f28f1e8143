"""Which days an export covers, and what its file is called, whatever the clocks of its time zone do."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tradepost.domain.export_requests import NewExport, requested
from tradepost.domain.exports import Export, OrderFilters
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store

OPENED = datetime(2025, 2, 3, 15, 30, tzinfo=UTC)
AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
# What came at the very instant of the request is in the file.
NOW = AT + timedelta(milliseconds=1)
FIRST = datetime(2025, 2, 2, 23, 0, tzinfo=UTC)
STORE = Store(slug="acme", name="Acme", currency="EUR", time_zone="Europe/Berlin", opened_at=OPENED, activity_days=30)
OWNER = Member(id="acme.p", store_id="acme", person="p", role=Role.OWNER, name="Ola", email="ola@acme.test")


def export(store: Store = STORE, *, at: datetime = AT, **fields: Any) -> Export:
    """Return an export of orders as it begins."""
    new = NewExport.model_validate({"kind": "orders", **fields})
    told: dict[str, Any] = {"export_id": "x", "store": store, "member": OWNER, "by": SYSTEM, "fingerprint": "f", "at": at}
    return requested(new, OrderFilters(), ("status shipped",), **told)


@pytest.mark.parametrize(
    ("days", "begin", "end"),
    [
        # Both changes of the clocks lie within: a day of 23 hours, and one of 25.
        (
            {"from": "2026-03-29", "to": "2026-10-25"},
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            datetime(2026, 10, 25, 23, tzinfo=UTC),
        ),
        (
            {"from": "2026-03-29", "to": "2026-03-29"},
            datetime(2026, 3, 28, 23, tzinfo=UTC),
            datetime(2026, 3, 29, 22, tzinfo=UTC),
        ),
        (
            {"from": "2026-10-25", "to": "2026-10-25"},
            datetime(2026, 10, 24, 22, tzinfo=UTC),
            datetime(2026, 10, 25, 23, tzinfo=UTC),
        ),
        (
            {"from": "2026-11-01", "to": "2026-11-01", "time_zone": "America/New_York"},
            datetime(2026, 11, 1, 4, tzinfo=UTC),
            datetime(2026, 11, 2, 5, tzinfo=UTC),
        ),
        # No longer than there can be anything: since the store was opened, until now.
        ({}, FIRST, NOW),
        ({"from": "2016-01-01", "to": "2026-12-31"}, FIRST, NOW),
        ({"from": "0001-01-01", "to": "9999-12-31"}, FIRST, NOW),
        ({"to": "2025-12-31"}, FIRST, datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ({"from": "2026-11-27"}, datetime(2026, 11, 26, 23, tzinfo=UTC), NOW),
        ({"time_zone": "Pacific/Kiritimati"}, datetime(2025, 2, 3, 10, tzinfo=UTC), NOW),
        # Nothing can be in days that are yet to come, or in those before.
        ({"from": "2031-01-01", "to": "2031-01-02"}, NOW, NOW),
        ({"to": "2020-01-01"}, datetime(2020, 1, 1, 23, tzinfo=UTC), datetime(2020, 1, 1, 23, tzinfo=UTC)),
    ],
)
def test_days_are_those_of_the_time_zone(days: dict[str, str], begin: datetime, end: datetime) -> None:
    asked = export(**days)
    assert (asked.begin, asked.end) == (begin, end)


def test_activities_of_before_the_store_was_opened_here_are_covered_as_long_as_they_are_kept() -> None:
    young = STORE.model_copy(update={"opened_at": AT})
    assert export(young).begin == AT - timedelta(days=30)


@given(some.dates(), some.dates(), some.sampled_from(["Europe/Berlin", "Pacific/Apia", "America/St_Johns", "UTC"]))
def test_whatever_the_days_they_lie_between_the_first_and_now(first: date, last: date, time_zone: str) -> None:
    first, last = sorted((first, last))
    asked = export(**{"from": str(first), "to": str(last)}, time_zone=time_zone)
    assert asked.begin <= asked.end <= NOW
    assert (asked.first_day, asked.last_day) == (first, last)


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({}, "acme-orders-until-2026-11-27.csv", ()),
        ({"from": "2026-01-01"}, "acme-orders-2026-01-01-to-2026-11-27.csv", ("from 2026-01-01, days in Europe/Berlin",)),
        ({"to": "2026-03-31", "gzip": True}, "acme-orders-until-2026-03-31.csv.gz", ("to 2026-03-31, days in Europe/Berlin",)),
        (
            {"from": "2026-01-01", "to": "2030-01-01", "time_zone": "UTC"},
            "acme-orders-2026-01-01-to-2026-11-27.csv",
            ("from 2026-01-01 to 2030-01-01, days in UTC",),
        ),
        # There it is the day after already.
        ({"time_zone": "Pacific/Kiritimati"}, "acme-orders-until-2026-11-28.csv", ()),
        (
            {"from": "2031-01-01"},
            "acme-orders-2031-01-01-to-2031-01-01.csv",
            ("from 2031-01-01, days in Europe/Berlin",),
        ),
    ],
)
def test_a_file_is_called_after_store_kind_and_days(fields: dict[str, Any], name: str, words: tuple[str, ...]) -> None:
    asked = export(**fields)
    assert (asked.file_name, asked.filters_in_words) == (name, ("status shipped", *words))


def test_an_archive_of_a_person_is_called_after_the_day_alone() -> None:
    assert export(kind="person", filters={"member_id": "acme.p"}).file_name == "acme-person-2026-11-27.zip"
