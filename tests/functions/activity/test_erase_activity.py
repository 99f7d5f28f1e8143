"""Whoever withdraws consent is erased, and the files that tell of it, whatever is written, delivered or dies meanwhile."""

import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support import withdrawing
from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import ROOT, Context, run
from tests.support.mail import waiting_on
from tests.support.table import counted_calls, stored
from tests.support.territory import Territory
from tests.support.tracking import AT, OPENED, activity_of, allow, kept, open_town, put_activities, track
from tests.support.withdrawing import (
    basis,
    change_export,
    come_again,
    consume,
    export_now,
    files,
    handed,
    put_export,
    put_running_export,
    received,
    relay,
    told,
    uploads,
    waits,
    withdraw,
    work,
)
from tradepost.aws.exports import file_key
from tradepost.domain import clock
from tradepost.domain.activities import Activity
from tradepost.domain.clock import stamp
from tradepost.domain.exports import ActivityFilters, CustomerFilters, Export, PersonFilters
from tradepost.table.withdrawals import withdrawals_after

SETTLED = 30
HOUR = timedelta(hours=1)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the functions see."""
    stopped = Clock(AT)
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def town(api: Client, today: Clock) -> Territory:
    """A store that tracks activity, which its buyers allow."""
    town = open_town(api)
    withdrawing.prepare()
    return town


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give functions as much time as they have at their beginning."""
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", staticmethod(lambda: 60_000))


def put(town: Territory, whose: str, count: int, **fields: Any) -> list[Activity]:
    """Put some activities of a buyer into the table, a minute apart."""
    instants = [AT - timedelta(minutes=index + 1) for index in range(count)]
    return put_activities(town.market.shop, [activity_of(town.employees[whose], at, **fields) for at in instants])


def settle(today: Clock) -> int:
    """Let time pass until nobody can be writing any more, and carry out what waited; returns how many messages that were."""
    today.advance(seconds=SETTLED)
    relay()
    return work()


def expect_over() -> None:
    """Expect that nothing is left to do, and that it is noted once."""
    assert waiting_on("erasures") == []
    lines = [line for line in stored("audit") if line["action"] == "activity:erased"]
    assert len(lines) == len(stored("withdrawal"))


def test_whoever_withdraws_is_erased_and_nobody_else(town: Territory, today: Clock) -> None:
    put(town, "blue", 5)
    others = put(town, "green", 5)
    withdraw(town.market.buyer)
    assert work() == 2, "the tests' functions have little time, so that a message deletes one batch"
    assert {each.id for each in kept()} == {each.id for each in others}
    assert waits() == [SETTLED]
    assert len(waiting_on("erasures")) == 1
    settle(today)
    expect_over()
    assert kept(town.employees["blue"]) == []
    [line] = [line for line in stored("audit") if line["action"] == "activity:erased"]
    assert (line["target"], line["details"]) == (town.employees["blue"], {"consent": 1, "withdrawal": 1})


def test_what_is_written_late_goes_too_and_what_is_written_under_a_new_consent_stays(town: Territory, today: Clock) -> None:
    put(town, "blue", 3)
    withdraw(town.market.buyer)
    work()
    # One who had read the consent before, and one who reads that which is given anew.
    assert town.market.buyer.put("/v1/me/activity-consent", {"allowed": True}).status == 200
    today.advance(seconds=9)
    late = [activity_of(town.employees["blue"], today.at, consent=1), activity_of(town.employees["blue"], today.at, consent=3)]
    put_activities(town.market.shop, late)
    today.advance(seconds=SETTLED)
    relay()
    work()
    expect_over()
    assert [each.consent for each in kept(town.employees["blue"])] == [3]
    assert len(town.owner.get("/v1/activities").json["items"]) == 1


def test_what_earlier_consents_left_goes_as_well(town: Territory, today: Clock) -> None:
    ida = town.employees["blue"]
    allow(ida, at=OPENED, decisions=[True, False, True])
    for consent in (1, 3):
        put(town, "blue", 2, consent=consent)
    withdraw(town.market.buyer)
    work()
    settle(today)
    assert kept(ida) == []
    expect_over()


def test_a_great_many_are_deleted_in_as_many_messages_as_it_takes(town: Territory, today: Clock) -> None:
    put(town, "blue", 60)
    withdraw(town.market.buyer)
    left = []
    while event := received():
        assert consume(event)
        left.append(len(kept()))
    assert left == [35, 10, 0, 0]
    assert settle(today) == 1
    expect_over()


def test_with_time_left_one_message_does_it_all(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 60)
    withdraw(town.market.buyer)
    with counted_calls() as calls:
        assert work() == 1
    assert calls.count("BatchWriteItem") == 3
    assert kept() == []
    assert settle(today) == 1
    expect_over()


def test_it_does_not_go_before_the_store_says_so(town: Territory, today: Clock) -> None:
    track(town.market.shop, activity_erasure_days=7)
    put(town, "blue", 3)
    withdraw(town.market.buyer)
    work()
    assert waits() == [SETTLED], "files are reviewed once more"
    today.advance(seconds=SETTLED)
    relay()
    work()
    assert waits() == [SETTLED], "what is to come in days is left to the sweeper"
    assert len(kept()) == 3
    assert town.owner.get("/v1/activities").json["items"] == []
    today.advance(days=6, hours=23, minutes=50)
    relay()
    work()
    assert (waits(), len(kept())) == ([SETTLED, 600 - SETTLED], 3), "what is to come soon waits on the queue"
    today.advance(minutes=10)
    relay()
    work()
    assert kept() == []
    expect_over()


def test_told_twice_at_once_or_again_afterwards_it_comes_to_the_same(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 30)
    withdraw(town.market.buyer)
    event = received()
    assert event is not None
    with meanwhile("BatchWriteItem", partial(handed, event)):
        assert handed(event)
    assert kept() == []
    today.advance(seconds=SETTLED)
    with meanwhile("TransactWriteItems", partial(handed, event)):
        assert consume(event)
    expect_over()
    before = stored()
    assert handed(event)
    assert stored() == before


CALLS = ("BatchGetItem", "Query", "UpdateItem", "BatchWriteItem", "SendMessage", "TransactWriteItems", "DeleteObject")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_killed_anywhere_it_goes_on_to_the_same_end(town: Territory, today: Clock, plenty: None, call: str, when: Any) -> None:
    put(town, "blue", 3)
    export, unaffected = put_export("acme", AT), put_export("acme", AT, filters=ActivityFilters(type="order_placed"))
    withdraw(town.market.buyer)
    today.advance(seconds=0 if call == "SendMessage" else SETTLED)
    deaths, skipping = 0, 0
    while deaths == skipping:
        # Each time, it dies one such call later; those of the table's own retries are none.
        with failing(call, refusal(call, "ValidationException"), skipping=skipping, when=when):
            while event := received():
                if not consume(event):
                    deaths += 1
                    come_again(event)
        skipping += 1
        if waiting_on("erasures"):
            today.advance(seconds=SETTLED)
            relay()
    assert deaths >= 1
    work()
    expect_over()
    assert kept() == []
    assert (export_now(export).gone, export_now(unaffected).withdrawals_reviewed) == ("consent_withdrawn", 1)
    assert files() == {file_key("acme", unaffected.id)}


def test_a_message_that_is_none_of_its_own_or_unknown_is_done_with(town: Territory) -> None:
    put(town, "blue", 1)
    told({"pk": "OUTBOX#STORE#acme#nothing", "sk": "OUTBOX"})
    for item in stored("outbox"):
        told({"pk": item["pk"], "sk": item["sk"]})
    before = stored()
    work()
    assert stored() == before


def test_a_message_that_cannot_be_understood_fails_and_changes_nothing(town: Territory) -> None:
    record = {"messageId": "1", "receiptHandle": "x", "body": "{}"}
    before = stored()
    failed = run("activity/erase_activity", {"Records": [record]})
    assert failed == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert stored() == before


def test_the_event_of_the_local_run_is_an_erasure(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 1)
    withdraw(town.market.buyer)
    [key] = waiting_on("erasures")
    text = (ROOT / "events/activity/erase_activity.withdrawn.json").read_text().replace("OUTBOX_PK", key.pk)
    assert run("activity/erase_activity", json.loads(text)) == {"batchItemFailures": []}
    assert kept() == []


def test_a_file_that_tells_of_whoever_withdrew_is_deleted_and_the_others_stay(
    town: Territory, today: Clock, plenty: None
) -> None:
    put(town, "blue", 3)
    put(town, "green", 3)
    ida, gil = town.employees["blue"], town.employees["green"]
    door, gate = town.customers["blue"], town.customers["green"]
    affected = [
        put_export("acme", AT, filters=filters, **fields)
        for filters, fields in (
            (ActivityFilters(), {}),
            (ActivityFilters(customer_id=door), {}),
            (ActivityFilters(employee_id=ida), {}),
            (ActivityFilters(employee_id=ida, customer_id=door, type="searched"), {}),
            (ActivityFilters(), {"begin": AT - timedelta(minutes=3), "end": AT - timedelta(minutes=2)}),
            (PersonFilters(member_id=ida), {"kind": "person"}),
        )
    ]
    unaffected = [
        put_export("acme", AT, filters=filters, **fields)
        for filters, fields in (
            (ActivityFilters(customer_id=gate), {}),
            (ActivityFilters(employee_id=gil), {}),
            (ActivityFilters(type="order_placed"), {}),
            (ActivityFilters(), {"end": AT - timedelta(minutes=3)}),
            (ActivityFilters(), {"requested_at": AT - timedelta(minutes=4)}),
            (PersonFilters(member_id=gil), {"kind": "person"}),
        )
    ]
    untouched = [
        put_export("acme", AT, kind="customers", filters=CustomerFilters()),
        put_export("acme", AT, basis=basis(1)),
        put_export("acme", AT, withdrawals_reviewed=1),
        put_export("acme", AT, status="failed"),
        put_export("acme", AT, status="cancelled"),
        put_export("acme", AT, status="queued", basis=None),
        put_export("acme", AT, gone="scope_changed"),
        put_export("acme", AT - timedelta(days=12)),
    ]
    withdraw(town.market.buyer)
    work()
    for export in affected:
        assert export_now(export) == export.model_copy(update={"gone": "consent_withdrawn", "version": 2}), export.filters
    for export in unaffected:
        assert export_now(export) == export.model_copy(update={"withdrawals_reviewed": 1}), export.filters
    assert [export_now(export) for export in untouched] == untouched
    there = [export for export in (*unaffected, *untouched) if export.status == "done"]
    assert files() == {file_key("acme", export.id) for export in there}
    lines = [line for line in stored("audit") if line["action"] == "export:taken_away"]
    assert {line["target"] for line in lines} == {export.id for export in affected}


def test_files_are_reviewed_at_once_although_the_erasure_waits(town: Territory, today: Clock, plenty: None) -> None:
    track(town.market.shop, activity_erasure_days=30)
    put(town, "blue", 3)
    affected = put_export("acme", AT)
    unaffected = put_export("acme", AT, filters=ActivityFilters(type="order_placed"))
    withdraw(town.market.buyer)
    work()
    assert (export_now(affected).gone, export_now(unaffected).withdrawals_reviewed) == ("consent_withdrawn", 1)
    assert len(kept()) == 3


def test_a_file_that_is_being_written_is_begun_anew(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 3)
    affected = put_running_export("acme", AT)
    unaffected = put_running_export("acme", AT, filters=ActivityFilters(type="order_placed"))
    withdraw(town.market.buyer)
    work()
    begun_anew = export_now(affected)
    assert (begun_anew.status, begun_anew.basis, begun_anew.checkpoint, begun_anew.restarts) == ("running", None, None, 1)
    assert (begun_anew.worker, begun_anew.rows, begun_anew.progress) == (None, 0, 0)
    assert export_now(unaffected) == unaffected.model_copy(update={"withdrawals_reviewed": 1})
    assert uploads() == {file_key("acme", unaffected.id)}
    assert unaffected.checkpoint is not None
    assert unaffected.checkpoint.rest is not None
    assert files() == {unaffected.checkpoint.rest.name}


def test_a_worker_that_is_faster_has_the_review_decide_anew(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 3)
    export = put_running_export("acme", AT)
    withdraw(town.market.buyer)
    finish = partial(change_export, export, status="done", checkpoint=None)
    with meanwhile("TransactWriteItems", finish):
        work()
    assert (export_now(export).status, export_now(export).gone) == ("done", "consent_withdrawn")


def test_a_file_begun_before_and_noted_only_after_the_rows_went_counts_as_if_it_held_some(
    town: Territory, today: Clock, plenty: None
) -> None:
    put(town, "blue", 3)
    withdraw(town.market.buyer)
    work()
    assert kept() == []
    late = put_export("acme", AT, filters=ActivityFilters(employee_id=town.employees["blue"]))
    others = put_export("acme", AT, filters=ActivityFilters(employee_id=town.employees["green"]))
    settle(today)
    assert (export_now(late).gone, export_now(others).gone) == ("consent_withdrawn", None)


def test_what_is_recorded_late_may_be_in_a_file_that_was_being_written_and_reviewed_before(
    town: Territory, today: Clock, plenty: None
) -> None:
    running = put_running_export("acme", AT)
    done, done_before = put_export("acme", AT, ended_at=AT), put_export("acme", AT, ended_at=AT - HOUR)
    put(town, "blue", 1, consent=0)
    withdraw(town.market.buyer)
    work()
    reviewed = [export_now(export) for export in (running, done, done_before)]
    assert {export.withdrawals_reviewed for export in reviewed} == {1}
    # Whoever asked to record it had done so before the withdrawal.
    put(town, "blue", 1)
    change_export(running, status="done", checkpoint=None, ended_at=AT + timedelta(seconds=5))
    settle(today)
    assert kept() == []
    assert [export_now(export).gone for export in (running, done, done_before)] == [*["consent_withdrawn"] * 2, None]
    expect_over()


def test_what_had_become_too_old_meanwhile_may_be_in_a_file_all_the_same(town: Territory, today: Clock, plenty: None) -> None:
    track(town.market.shop, activity_days=2, opened_at=AT - timedelta(days=90))
    today.advance(days=5)
    whole, young = put_export("acme", AT), put_export("acme", today.at, begin=today.at - timedelta(days=1))
    old = put_export("acme", AT, end=AT - timedelta(days=5))
    withdraw(town.market.buyer)
    work()
    assert [export_now(export).gone for export in (whole, young, old)] == ["consent_withdrawn", None, None]


def test_each_withdrawal_since_a_file_was_begun_counts(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 1)
    put(town, "green", 1)
    of_gil = put_export("acme", AT, filters=ActivityFilters(employee_id=town.employees["green"]))
    of_all = put_export("acme", AT)
    of_no_one = put_export("acme", AT, filters=ActivityFilters(type="order_placed"))
    for buyer in (town.market.buyer, town.market.other_buyer):
        assert buyer.put("/v1/me/activity-consent", {"allowed": False}).status == 200
    [first, _] = waiting_on("erasures")
    told(first._asdict())
    work()
    assert (export_now(of_gil).gone, export_now(of_all).gone) == ("consent_withdrawn", "consent_withdrawn")
    assert export_now(of_no_one).withdrawals_reviewed == 2
    assert [each.member_id for each in kept()] == [town.employees["green"]]
    relay()
    work()
    assert kept() == []
    assert [each.number for each in withdrawals_after("acme", 0)] == [1, 2]


def test_a_great_many_files_are_reviewed_in_as_many_messages_as_it_takes(town: Territory, today: Clock) -> None:
    put(town, "blue", 1)
    exports = [put_export("acme", AT, requested_at=AT - HOUR * index) for index in range(5)]
    withdraw(town.market.buyer)
    event = received()
    assert event is not None
    assert consume(event)
    assert sum(_is_open(export) for export in exports) == 4
    assert len(kept()) == 1, "the rows go last"
    work()
    assert not any(_is_open(export) for export in exports)
    assert kept() == []


def _is_open(export: Export) -> bool:
    now = export_now(export)
    return now.gone is None and now.withdrawals_reviewed == 0


def test_erasing_is_noted_with_the_withdrawal_once(town: Territory, today: Clock, plenty: None) -> None:
    put(town, "blue", 1)
    withdraw(town.market.buyer)
    work()
    begun: datetime = today.at
    settle(today)
    assert [each["erasing_since"] for each in stored("withdrawal")] == [stamp(begun)]
