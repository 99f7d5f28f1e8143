"""What a withdrawal means for a file: never too little, whatever was recorded, exported, erased or became too old, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.activities import Withdrawal
from tradepost.domain.export_reviews import (
    Trace,
    is_blurred,
    is_to_be_reviewed,
    known_up_to,
    taken_away,
    takes_whole,
    trace_of,
)
from tradepost.domain.exports import ActivityFilters, Basis, Checkpoint, CustomerFilters, Export, PersonFilters
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import Store

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = timedelta(days=1)
IDA, GIL, REP = "acme.ida.c1", "acme.gil.c2", "acme.rhea"
BASIS = Basis(withdrawals=3, deactivations=0, departures=0, reach="store", whose=None)
STORE = Store(slug="acme", name="Acme", currency="EUR", time_zone="Europe/Berlin", opened_at=AT - 900 * DAY, withdrawals=4)


def export_of(**fields: Any) -> Export:
    """Return a finished export of a store's activities of thirty days."""
    return Export(
        **{
            "id": "e1",
            "store_id": "acme",
            "kind": "activities",
            "filters": ActivityFilters(),
            "begin": AT - 30 * DAY,
            "end": AT,
            "time_zone": "Europe/Berlin",
            "file_name": "acme.csv",
            "fingerprint": "f",
            "requested_by": SYSTEM,
            "member_id": "acme.ola",
            "requested_at": AT,
            "started_at": AT,
            "status": "done",
            "basis": BASIS,
            **fields,
        }
    )


def withdrawal_of(**fields: Any) -> Withdrawal:
    """Return Ida's withdrawal of a consent that she had given a hundred days before."""
    about = {"number": 4, "store_id": "acme", "member_id": IDA, "customer_id": "c1", "consent": 1, "at": AT}
    return Withdrawal(**{**about, "since": AT - 100 * DAY, **fields})


def test_only_files_about_people_that_are_there_or_on_their_way_are_reviewed_and_only_once() -> None:
    for fields, expected in (
        ({}, True),
        ({"status": "running"}, True),
        ({"status": "queued"}, True),
        ({"kind": "person", "filters": PersonFilters(member_id=IDA)}, True),
        ({"kind": "customers", "filters": CustomerFilters()}, False),
        ({"status": "queued", "basis": None}, False),
        ({"status": "failed"}, False),
        ({"status": "cancelled"}, False),
        ({"gone": "expired"}, False),
        ({"withdrawals_reviewed": 4}, False),
        ({"basis": BASIS.model_copy(update={"withdrawals": 4})}, False),
    ):
        assert is_to_be_reviewed(export_of(**fields), 4) is expected, fields
    assert is_to_be_reviewed(export_of(withdrawals_reviewed=4), 5)
    with pytest.raises(LookupError):
        known_up_to(export_of(basis=None))


def test_a_trace_is_what_the_filters_let_through_of_one_consent() -> None:
    everything = Trace("acme", IDA, 1, AT - 30 * DAY, AT)
    for filters, expected in (
        (ActivityFilters(), everything),
        (ActivityFilters(employee_id=IDA), everything),
        (ActivityFilters(employee_id=GIL), None),
        (ActivityFilters(customer_id="c1", type="searched"), everything._replace(customer_id="c1", type="searched")),
        (ActivityFilters(customer_id="c2"), None),
        (PersonFilters(member_id=IDA), everything),
        (PersonFilters(member_id=GIL), None),
        (CustomerFilters(), None),
    ):
        assert trace_of(export_of(filters=filters), withdrawal_of()) == expected, filters


def test_a_sales_rep_does_things_for_whichever_customer() -> None:
    trace = trace_of(export_of(filters=ActivityFilters(customer_id="c2")), withdrawal_of(member_id=REP, customer_id=None))
    assert trace is not None
    assert trace.customer_id == "c2"


def test_what_was_no_consent_leaves_no_trace_and_neither_does_what_was_not_asked_for() -> None:
    assert trace_of(export_of(), withdrawal_of(since=None)) is None
    assert trace_of(export_of(end=AT - 101 * DAY, begin=AT - 120 * DAY), withdrawal_of()) is None
    assert trace_of(export_of(requested_at=AT - 31 * DAY), withdrawal_of()) is None


def test_a_file_is_gone_and_one_that_is_being_written_is_begun_anew() -> None:
    gone = taken_away(export_of(), withdrawal_of())
    assert gone == export_of(gone="consent_withdrawn")
    running = export_of(status="running", checkpoint=Checkpoint(upload_id="u"), rows=5, worker="w", withdrawals_reviewed=2)
    anew = taken_away(running, withdrawal_of())
    assert (anew.status, anew.basis, anew.checkpoint, anew.worker, anew.restarts) == ("running", None, None, None, 1)


def test_an_archive_of_a_person_who_is_erased_is_gone_whatever_is_left_of_the_activity() -> None:
    archive = export_of(kind="person", filters=PersonFilters(member_id=IDA))
    erased = withdrawal_of(person=True, since=None, consent=0)
    assert takes_whole(archive, erased)
    assert taken_away(archive, erased).gone == "person_erased"
    assert not takes_whole(archive, withdrawal_of())
    assert not takes_whole(export_of(kind="person", filters=PersonFilters(member_id=GIL)), erased)
    assert not takes_whole(export_of(), erased)


class Row(NamedTuple):
    """An activity of Ida's, as many hours ago."""

    hours: int
    type: str


HOURS = st.integers(0, 24 * 40)
ROWS = st.lists(st.builds(Row, HOURS, st.sampled_from(["searched", "log_in"])), max_size=6)


@given(
    rows=ROWS,
    begin=HOURS,
    length=HOURS,
    started=st.integers(0, 24 * 7),
    since=HOURS,
    days=st.integers(1, 20),
    filters=st.builds(
        ActivityFilters,
        customer_id=st.sampled_from([None, "c1", "c2"]),
        employee_id=st.sampled_from([None, IDA, GIL]),
        type=st.sampled_from([None, "searched", "log_in", "order_placed"]),
    ),
    erased=st.one_of(st.none(), st.integers(0, 6)),
)
def test_a_file_that_holds_something_is_never_taken_for_one_that_holds_nothing(
    rows: list[Row],
    begin: int,
    length: int,
    started: int,
    since: int,
    days: int,
    filters: ActivityFilters,
    erased: int | None,
) -> None:
    def ago(hours: int) -> datetime:
        return AT - timedelta(hours=hours)

    store = STORE.model_copy(update={"activity_days": days})
    export = export_of(
        filters=filters, begin=ago(begin + length), end=ago(begin), requested_at=ago(started), started_at=ago(started)
    )
    withdrawal = withdrawal_of(since=ago(since), erasing_since=None if erased is None else AT)
    # What consent and time allowed, and DynamoDB had not deleted yet when the file was written.
    written = [row for row in rows if row.hours <= since and row.hours >= started and row.hours < started + (days + 2) * 24]
    within = [row for row in written if export.begin <= ago(row.hours) < export.end]
    in_file = [
        row
        for row in within
        if filters.employee_id in {None, IDA} and filters.customer_id in {None, "c1"} and filters.type in {None, row.type}
    ]
    # What is there when it is reviewed: no erased row, and perhaps nothing that has become too old.
    left = [row for row in rows[erased or 0 :] if row.hours <= since and row.hours < days * 24]
    trace = trace_of(export, withdrawal)
    told = trace is not None and (
        is_blurred(trace, export, withdrawal, store, at=AT)
        or any(trace.begin <= ago(row.hours) < trace.end and trace.type in {None, row.type} for row in left)
    )
    assert told or not in_file


def test_where_nothing_can_be_missing_nothing_is_blurred() -> None:
    trace = trace_of(export_of(), withdrawal_of())
    assert trace is not None
    assert not is_blurred(trace, export_of(), withdrawal_of(), STORE, at=AT + DAY)
    assert is_blurred(trace, export_of(), withdrawal_of(erasing_since=AT), STORE, at=AT + DAY)
    young = STORE.model_copy(update={"activity_days": 20})
    assert is_blurred(trace, export_of(), withdrawal_of(), young, at=AT + DAY)
