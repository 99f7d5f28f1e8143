"""The file of an export is written whole or not at all, the same bytes whatever dies on the way, and nobody waits in vain."""

import contextvars
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from moto.s3 import models
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support import export_files as exporting
from tests.support.export_files import (
    BEGIN,
    END,
    Noise,
    asked,
    consume,
    customer,
    did,
    employee,
    every,
    files,
    hidden,
    one,
    received,
    rows_of,
    work,
    written,
)
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Context, load_function
from tests.support.mail import waiting_on
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, put_back, stored
from tests.support.world import Shop
from tradepost.domain.activities import Withdrawal
from tradepost.domain.clock import now
from tradepost.domain.customers import Customer
from tradepost.domain.exports import LEASE, MOST_ATTEMPTS, MOST_RESTARTS
from tradepost.domain.people import ConsentChange, Member, Party
from tradepost.exports import files as growing
from tradepost.exports.activities import STRETCH
from tradepost.exports.port import Stretch
from tradepost.table.customers import customer_key
from tradepost.table.exports import note_reviewed
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.stores import store_key
from tradepost.table.withdrawals import withdrawal_key

WORKER: Final = "exports/process_export"
# In small, what is written in megabytes: two parts, and a rest.
NOISE: Final = Noise(5, 1024)
PIECE: Final = 2 * 1024
CALLS: Final = (
    "BatchGetItem",
    "TransactWriteItems",
    "CreateMultipartUpload",
    "UploadPart",
    "PutObject",
    "GetObject",
    "ListObjectsV2",
    "DeleteObject",
    "CompleteMultipartUpload",
    "ChangeMessageVisibility",
    "SendMessageBatch",
)


@pytest.fixture(autouse=True)
def _prepared(shop: Shop) -> None:
    exporting.prepare()
    exporting.track(shop)


@pytest.fixture
def ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let functions have all the time that they may have."""
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: 290_000)


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every export be of a file of several parts, which S3 takes small here."""
    monkeypatch.setattr(load_function(WORKER), "source_of", lambda *_: NOISE)
    monkeypatch.setattr(growing, "PIECE", PIECE)
    monkeypatch.setattr(growing, "LEAST_PART", PIECE * 3 // 4)
    monkeypatch.setattr(models, "S3_UPLOAD_PART_MIN_SIZE", PIECE // 2)


def digest(content: bytes) -> str:
    """Return by what contents are told apart, without showing megabytes of them."""
    return hashlib.sha256(content).hexdigest()


def expected(source: Noise) -> bytes:
    """Return a file of noise."""
    lines = [f'{number},"{text}"\r\n' for stretch in source.read(None) for number, text in stretch.rows]
    return "".join(["number,text\r\n", *lines]).encode()


def work_off_all() -> None:
    """Work until nothing is on the queue any more, whatever fails on the way."""
    while event := received():
        if not consume(event):
            exporting.come_again(event)


def expect_nothing_left(shop: Shop, *others: str) -> None:
    """Expect that nothing is left behind beside some files: no rest, no upload, no message and no claim."""
    assert set(files()) == {f"exports/{shop.slug}/{export_id}" for export_id in others}
    assert exporting.uploads() == []
    assert waiting_on("exports") == []
    assert [item for item in stored("claim") if "#export#" in item["pk"]] == []


def told(export_id: str) -> list[str]:
    """Return what is to be mailed about an export."""
    news = [item["message"] for item in stored("outbox") if item["message"]["type"] == "export_news"]
    return [message["event"] for message in news if message["export_id"] == export_id]


def reasons(shop: Shop, **filters: str) -> tuple[str, str]:
    """Export nothing; returns why that is."""
    export_id = asked(shop, filters)
    work()
    export = one(export_id, shop)
    assert (export.status, export.rows, export.progress) == ("done", 0, 100)
    assert rows_of(written(export_id, shop)) == []
    assert export.empty_because is not None
    return export.empty_because.filter, export.empty_because.detail


# What is in a file


def test_a_file_of_activities_tells_who_did_what_and_when(shop: Shop) -> None:
    door = customer(shop, "C-7", name="Blue Door")
    ida, rhea = employee(shop, door, "Ida"), employee(shop, None, "Rhea")
    did(shop, ida, [datetime(2026, 4, 1, 12, 0, 5, 999_000, tzinfo=UTC)], comment='Said "hi",\nleft', actor=rhea.party)
    did(shop, rhea, [datetime(2026, 4, 1, 11, tzinfo=UTC)], type="log_in", reference_type=None, reference_id=None)
    export_id = asked(shop)
    work()
    assert written(export_id, shop).decode() == (
        "timestamp,customer_number,company,employee_name,employee_email,activity_type,"
        "reference_type,reference_id,comment,performed_by\r\n"
        '2026-04-01 13:00:00,,,"Rhea","Rhea@door.test","log_in",,,,"Rhea"\r\n'
        '2026-04-01 14:00:05,"C-7","Blue Door","Ida","Ida@door.test","product_viewed","product","A-1",'
        '"Said ""hi"",\nleft","Rhea"\r\n'
    )
    export = one(export_id, shop)
    assert (export.rows, export.empty_because, export.attempts, export.worker) == (2, None, 0, None)
    assert export.generated_at == export.ended_at
    assert export.generated_at is not None
    expect_nothing_left(shop, export_id)
    [line] = [line for line in stored("audit") if line["action"] == "export:finished"]
    assert (line["target"], line["details"]["rows"], line["actor"]["type"]) == (export_id, 2, "system")
    assert told(export_id) == []


def test_who_was_erased_is_not_named_in_what_it_did_for_others(shop: Shop) -> None:
    ida, rhea = employee(shop, customer(shop, "C-7", name="Blue Door"), "Ida"), employee(shop, None, "Rhea")
    key = Party(type="api_key", id=rhea.id, name="Web shop")
    for day, actor in ((1, rhea.party), (2, key)):
        did(shop, ida, [datetime(2026, 4, day, 12, tzinfo=UTC)], actor=actor)
    Record(*member_key(rhea.id, shop.slug)).update([Path("data.name").set("Erased person")])
    export_id = asked(shop)
    work()
    assert [row["performed_by"] for row in rows_of(written(export_id, shop))] == ["Erased person", "Web shop"]


def test_no_text_is_run_by_a_spreadsheet(shop: Shop) -> None:
    evil = "=cmd|' /C calc'!A0"
    door = customer(shop, evil, id="evil", name=f" {evil}")
    ida = employee(shop, door, "ida", name=f"+{evil}", email="-x@door.test")
    did(shop, ida, [BEGIN], reference_type="@x", reference_id="＝1+1", comment=f"lamp;{evil}")
    export_id = asked(shop)
    work()
    [row] = rows_of(written(export_id, shop))
    assert [row.pop(name) for name in ("timestamp", "activity_type")] == ["2026-03-01 01:00:00", "product_viewed"]
    assert row == {
        "customer_number": f"'{evil}",
        "company": f"'{evil}",
        "employee_name": f"'+{evil}",
        "employee_email": "'-x@door.test",
        "reference_type": "'@x",
        "reference_id": "'＝1+1",
        "comment": f"lamp;'{evil}",
        "performed_by": f"'+{evil}",
    }


@pytest.mark.usefixtures("ample")
@pytest.mark.parametrize("filters", [{}, {"employee_id": "member-ida"}])
def test_rows_are_in_the_order_of_time_across_shards_and_months(shop: Shop, filters: Mapping[str, str]) -> None:
    ida = employee(shop, customer(shop))
    # More than a stretch, in several months.
    made = did(shop, ida, every(STRETCH + 20, minutes=80) + every(9, begin=BEGIN + timedelta(days=30), hours=20))
    export_id = asked(shop, filters, time_zone="UTC")
    work()
    found = rows_of(written(export_id, shop))
    assert [row["timestamp"] for row in found] == [f"{each.recorded_at:%Y-%m-%d %H:%M:%S}" for each in made]


def test_both_changes_of_the_clocks_are_told_by_the_zone_of_the_file(shop: Shop) -> None:
    ida = employee(shop, customer(shop))
    spring, autumn = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    did(shop, ida, [*every(2, begin=spring, hours=1), *every(4, begin=autumn, hours=1)])
    export_id = asked(shop, end=datetime(2026, 11, 1, tzinfo=UTC))
    work()
    assert [row["timestamp"][5:16] for row in rows_of(written(export_id, shop))] == [
        "03-29 01:30",
        "03-29 03:30",
        "10-25 01:30",
        "10-25 02:30",
        "10-25 02:30",
        "10-25 03:30",
    ]


def test_a_period_ends_before_its_end_and_nothing_later_than_the_request_is_in_it(shop: Shop, time: Clock) -> None:
    ida = employee(shop, customer(shop))
    tick = timedelta(milliseconds=1)
    did(shop, ida, [BEGIN - tick, BEGIN, END - tick, END])
    export_id = asked(shop, time_zone="UTC")
    work()
    assert [row["timestamp"] for row in rows_of(written(export_id, shop))] == ["2026-03-01 00:00:00", "2026-04-14 23:59:59"]
    did(shop, ida, [time.at - tick, time.at, time.at + tick])
    export_id = asked(shop, begin=time.at - 2 * tick, end=time.at + timedelta(days=9))
    work()
    assert len(rows_of(written(export_id, shop))) == 2


@pytest.mark.parametrize("begin", [BEGIN, END])
def test_a_time_that_has_yet_to_come_is_an_empty_file(shop: Shop, time: Clock, begin: datetime) -> None:
    did(shop, employee(shop, customer(shop)), [BEGIN])
    export_id = asked(shop, begin=time.at + (begin - BEGIN) + timedelta(days=1), end=time.at + timedelta(days=900))
    work()
    assert rows_of(written(export_id, shop)) == []


@pytest.mark.parametrize("excel", [True, False])
def test_a_mark_for_excel_is_written_if_it_is_wanted(shop: Shop, *, excel: bool) -> None:
    export_id = asked(shop, excel=excel)
    work()
    assert written(export_id, shop).startswith(b"\xef\xbb\xbftimestamp" if excel else b"timestamp")


@pytest.mark.parametrize("filters", [{}, {"customer_id": "customer-C-1"}, {"employee_id": "member-ida"}, {"type": "log_in"}])
def test_filters_and_places_to_read_come_to_the_same(shop: Shop, filters: Mapping[str, str]) -> None:
    first, second = customer(shop), customer(shop, "C-2")
    ida, bo, cy = employee(shop, first, "Ida"), employee(shop, first, "Bo"), employee(shop, second, "Cy")
    for number, (member, of_type) in enumerate((each, name) for each in (ida, bo, cy) for name in ("log_in", "searched")):
        did(shop, member, every(3, begin=BEGIN + timedelta(days=number * 7)), type=of_type)
    export_id = asked(shop, filters)
    work()
    found = {(row["employee_name"], row["activity_type"]) for row in rows_of(written(export_id, shop))}
    assert found == {
        (name, of_type)
        for name in ("Ida", "Bo", "Cy")
        for of_type in ("log_in", "searched")
        if filters in ({}, {"type": of_type}, {"employee_id": f"member-{name.lower()}"})
        or (filters == {"customer_id": "customer-C-1"} and name != "Cy")
    }
    assert one(export_id, shop).rows == 3 * len(found)


def test_a_sales_rep_gets_what_its_customers_did_and_what_it_did_itself(shop: Shop) -> None:
    rhea, otto = employee(shop, None, "Rhea"), employee(shop, None, "Otto")
    mine = employee(shop, customer(shop, "C-1", account_manager_id=rhea.id), "Ida")
    other = employee(shop, customer(shop, "C-2", account_manager_id=otto.id), "Bo")
    for member in (rhea, otto, mine, other):
        did(shop, member, [BEGIN])
    export_id = asked(shop, member_id=rhea.id)
    work()
    assert sorted(row["employee_name"] for row in rows_of(written(export_id, shop))) == ["Ida", "Rhea"]


def test_whoever_sees_all_customers_gets_what_it_did_for_none_and_not_what_other_reps_did(shop: Shop) -> None:
    alma, otto = employee(shop, None, "Alma", access="all"), employee(shop, None, "Otto")
    mine = employee(shop, customer(shop, "C-1", account_manager_id=otto.id), "Ida")
    for member in (alma, otto, mine):
        did(shop, member, [BEGIN])
    export_id = asked(shop, member_id=alma.id)
    work()
    assert sorted(row["employee_name"] for row in rows_of(written(export_id, shop))) == ["Alma", "Ida"]


def test_what_was_done_under_an_earlier_consent_stays_hidden(shop: Shop) -> None:
    door = customer(shop)
    gone, back = employee(shop, door, "Gone", allows=(True, False)), employee(shop, door, "Back", allows=(True, False, True))
    did(shop, gone, [BEGIN], consent=1)
    did(shop, back, [BEGIN], consent=1, comment="before")
    did(shop, back, [BEGIN], consent=3, comment="after")
    export_id = asked(shop)
    work()
    assert [row["comment"] for row in rows_of(written(export_id, shop))] == ["after"]


# Why there is nothing in it


def test_an_empty_file_says_that_nothing_happened_in_the_period(shop: Shop) -> None:
    did(shop, employee(shop, customer(shop)), [BEGIN - timedelta(days=1), END])
    name, detail = reasons(shop)
    assert name == "period"
    assert detail.startswith("There is nothing to begin with: recorded before ")


def test_a_file_holds_nothing_that_the_store_keeps_no_longer(shop: Shop) -> None:
    at = now()
    did(shop, employee(shop, customer(shop)), [at - timedelta(days=40), at - timedelta(days=10)])
    exporting.track(shop, days=30)
    export_id = asked(shop, begin=at - timedelta(days=60), end=at)
    work()
    assert len(rows_of(written(export_id, shop))) == 1


@pytest.mark.parametrize("name", ["customer_id", "employee_id"])
def test_an_empty_file_says_whose_activity_there_is_none_of(shop: Shop, name: str) -> None:
    did(shop, employee(shop, customer(shop)), [BEGIN])
    assert reasons(shop, **{name: "nobody"})[0] == name


def test_an_empty_file_says_which_filter_removed_the_last_row(shop: Shop) -> None:
    first, second = customer(shop), customer(shop, "C-2")
    employee(shop, second, "Bo")
    did(shop, employee(shop, first, allows=(True, False)), every(3))
    removed = "This filter removed the last 3 that were left: {}."
    assert reasons(shop) == ("consent", "This filter left nothing: people who allow it.")
    assert reasons(shop, type="log_in")[0] == "consent", "what there is of whoever withdrew is told by no filter"
    did(shop, employee(shop, first, "Cy"), every(3))
    assert reasons(shop, type="log_in") == ("type", removed.format("the type log_in"))
    assert reasons(shop, customer_id=first.id, employee_id="member-bo")[0] == "employee_id"
    rhea = employee(shop, None, "Rhea")
    export_id = asked(shop, member_id=rhea.id)
    work()
    because = one(export_id, shop).empty_because
    assert because is not None
    assert (because.filter, because.detail) == ("scope", "This filter left nothing: customers that you may see.")


@pytest.mark.parametrize("count", [0, 2])
def test_an_empty_file_says_plainly_that_the_store_tracks_nothing(shop: Shop, count: int) -> None:
    did(shop, employee(shop, customer(shop)), every(count))
    exporting.track(shop, on=False)
    name, detail = reasons(shop)
    assert name == "consent"
    assert detail.endswith("the store's setting, which is not to track activity.")


# In as many runs as it takes


@pytest.mark.usefixtures("ample")
@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_is_put_together_of_parts_as_large_as_s3_wants_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    megabytes = Noise(18, 1024 * 1024)
    monkeypatch.setattr(load_function(WORKER), "source_of", lambda *_: megabytes)
    export_id = asked(shop, gzip=packed)
    with counted_calls() as calls:
        assert work() == 1
    content = written(export_id, shop)
    assert digest(gzip.decompress(content) if packed else content) == digest(expected(megabytes))
    # Packed, sixteen of them are a part.
    assert calls.count("UploadPart") == (2 if packed else 3)
    expect_nothing_left(shop, export_id)


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_bytes_are_written_in_one_run_and_in_many(shop: Shop, *, packed: bool) -> None:
    by_and_by = asked(shop, gzip=packed)
    assert work() >= NOISE.count, "the tests' functions have little time, so that each run is one stretch"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: 290_000)
        at_once = asked(shop, gzip=packed)
        assert work() == 1
    content = written(at_once, shop)
    assert digest(written(by_and_by, shop)) == digest(content)
    assert digest(gzip.decompress(content) if packed else content) == digest(expected(NOISE))
    assert len(content.split(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")) > 2 or not packed
    expect_nothing_left(shop, at_once, by_and_by)


@pytest.mark.usefixtures("noise")
def test_progress_is_seen_on_the_way(shop: Shop) -> None:
    export_id = asked(shop)
    seen = []
    while event := received():
        assert consume(event)
        export = one(export_id, shop)
        seen.append((export.progress, export.rows, export.status))
    assert seen == sorted(seen, key=lambda each: each[:2])
    assert seen[0] == (int(100 / NOISE.count), 8, "running")
    assert seen[-1] == (100, NOISE.count * 8, "done")


@pytest.mark.usefixtures("noise", "ample")
def test_what_is_not_enough_for_a_part_is_noted_every_half_minute(
    shop: Shop, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Noise):
        def read(self, position: str | None) -> Iterator[Stretch]:
            for stretch in super().read(position):
                time.advance(seconds=31)
                yield stretch

    monkeypatch.setattr(load_function(WORKER), "source_of", lambda *_: Slow(NOISE.count, NOISE.size))
    export_id = asked(shop)
    event = received()
    assert event
    with failing("UploadPart", refusal("UploadPart", "InternalServerError"), skipping=1):
        assert consume(event) is False
    point = one(export_id, shop).checkpoint
    assert point is not None
    assert (len(point.parts), point.rest is not None, point.position) == (1, True, "2")
    exporting.come_again(event)
    work()
    assert digest(written(export_id, shop)) == digest(expected(NOISE))
    expect_nothing_left(shop, export_id)


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_killed_before_or_after_any_call_it_goes_on_to_the_same_bytes(shop: Shop, call: str, when: Any) -> None:
    deaths, done = 0, set()
    for skipping in (0, 1, 3):
        export_id = asked(shop, gzip=skipping == 1)
        done.add(f"exports/{shop.slug}/{export_id}")
        with failing(call, refusal(call, "InternalServerError"), skipping=skipping, when=when):
            while event := received():
                if not consume(event):
                    deaths += 1
                    exporting.come_again(event)
        content = written(export_id, shop)
        assert digest(gzip.decompress(content) if skipping == 1 else content) == digest(expected(NOISE))
        assert one(export_id, shop).rows == NOISE.count * 8
        assert waiting_on("exports") == []
        assert set(files()) == done, "what nobody noted is cleared away too"
    assert deaths > 0
    assert len([line for line in stored("audit") if line["action"] == "export:finished"]) == 3


@pytest.mark.usefixtures("noise")
def test_two_workers_of_one_export_leave_one_file(shop: Shop) -> None:
    export_id = asked(shop)
    exporting.relay()
    first, second = received(), received()
    assert first
    assert second
    with meanwhile("PutObject", lambda: exporting.handed(second)):
        assert consume(first)
    work()
    assert digest(written(export_id, shop)) == digest(expected(NOISE))
    expect_nothing_left(shop, export_id)


@pytest.mark.usefixtures("noise", "ample")
def test_a_worker_that_was_too_slow_finds_that_another_has_gone_on(shop: Shop, time: Clock) -> None:
    export_id = asked(shop)
    exporting.relay()
    first, second = received(), received()
    assert first
    assert second

    def overtake() -> None:
        time.advance(seconds=LEASE.total_seconds())
        assert consume(second)

    with meanwhile("UploadPart", overtake):
        assert consume(first) is False
    content = written(export_id, shop)
    exporting.come_again(first)
    work()
    assert digest(written(export_id, shop)) == digest(content) == digest(expected(NOISE))
    assert told(export_id) == ["done"], "it took longer than a minute"


@pytest.mark.usefixtures("noise")
def test_told_again_when_it_is_done_nothing_happens(shop: Shop) -> None:
    export_id = asked(shop)
    [key] = waiting_on("exports")
    work()
    before = stored("export")
    exporting.told(key._asdict())
    assert work() == 1
    assert stored("export") == before
    assert digest(written(export_id, shop)) == digest(expected(NOISE))


def test_whoever_waited_for_long_is_told_by_mail(shop: Shop, time: Clock) -> None:
    export_id = asked(shop)
    time.advance(seconds=61)
    work()
    assert told(export_id) == ["done"]
    written(export_id, shop)


# Cancelled, and failed


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("call", ["CreateMultipartUpload", "UploadPart", "PutObject", "CompleteMultipartUpload"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_cancelled_at_any_time_nothing_is_left_of_it(shop: Shop, call: str, when: Any) -> None:
    export_id = asked(shop)

    def cancel() -> None:
        assert shop.owner.post(f"/v1/exports/{export_id}/cancel", etag="*").status == 200

    with meanwhile(call, cancel, when=when):
        while event := received():
            if not consume(event):
                exporting.come_again(event)
    assert one(export_id, shop).status == "cancelled"
    assert waiting_on("exports") == []
    assert [name for name in files() if name == f"exports/{shop.slug}/{export_id}"] == []
    # What is begun at the very moment ends by itself.
    assert exporting.uploads() == [] or call == "CreateMultipartUpload"
    assert told(export_id) == []


def test_cancelled_before_it_began_it_is_over(shop: Shop) -> None:
    export_id = asked(shop)
    assert shop.owner.post(f"/v1/exports/{export_id}/cancel", etag="*").status == 200
    assert work() == 1
    expect_nothing_left(shop)


@pytest.mark.usefixtures("noise")
def test_an_export_that_breaks_off_time_and_again_has_failed_and_says_so(shop: Shop) -> None:
    export_id = asked(shop)
    with failing("UploadPart", refusal("UploadPart", "InternalServerError"), times=99):
        work_off_all()
    export = one(export_id, shop)
    assert (export.status, export.attempts) == ("failed", MOST_ATTEMPTS)
    assert export.failure is not None
    assert export.failure.code == "no_progress"
    assert told(export_id) == ["failed"]
    assert [line["details"]["code"] for line in stored("audit") if line["action"] == "export:failed"] == ["no_progress"]
    expect_nothing_left(shop)


@pytest.mark.usefixtures("noise", "ample")
def test_what_breaks_off_is_tried_less_and_less_often(shop: Shop) -> None:
    asked(shop)
    waits = []
    with failing("UploadPart", refusal("UploadPart", "SlowDown"), times=99):
        while event := received():
            if not consume(event):
                waits += hidden()
                exporting.come_again(event)
    longest = 15 * 60
    assert waits == pytest.approx([90, 180, 360, 720, longest, longest], abs=20)


@pytest.mark.usefixtures("noise")
def test_attempts_are_counted_anew_with_everything_that_is_noted(shop: Shop) -> None:
    export_id = asked(shop)
    event = received()
    assert event
    with failing("CreateMultipartUpload", refusal("CreateMultipartUpload", "InternalServerError"), times=99):
        for _ in range(MOST_ATTEMPTS - 1):
            assert consume(event) is False
    exporting.come_again(event)
    work()
    assert one(export_id, shop).attempts == 0
    assert digest(written(export_id, shop)) == digest(expected(NOISE))


@pytest.mark.usefixtures("noise")
def test_an_upload_that_was_ended_by_hand_is_begun_anew(shop: Shop) -> None:
    export_id = asked(shop)
    event = received()
    assert event
    assert consume(event)
    exporting.end_uploads()
    # moto has no such answer.
    with failing("UploadPart", refusal("UploadPart", "NoSuchUpload")):
        work()
    assert one(export_id, shop).restarts == 1
    assert digest(written(export_id, shop)) == digest(expected(NOISE))


@pytest.mark.usefixtures("noise")
def test_a_file_of_too_many_parts_has_failed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradepost.exports.writing.MOST_PARTS", 2)
    export_id = asked(shop)
    work()
    failure = one(export_id, shop).failure
    assert failure is not None
    assert failure.code == "too_large"
    expect_nothing_left(shop)


def test_nobody_gets_a_file_who_has_left_the_store(shop: Shop) -> None:
    rhea = employee(shop, None, "Rhea", status="inactive")
    export_id = asked(shop, member_id=rhea.id)
    work()
    failure = one(export_id, shop).failure
    assert failure is not None
    assert failure.code == "requester_gone"
    assert told(export_id) == ["failed"]
    expect_nothing_left(shop)


# What it may hold changes while it is written, by somebody else, who has another role: in a context of its own


def withdraw(shop: Shop, member: Member, number: int = 1) -> None:
    """Withdraw a consent, as far as an export sees it."""
    change = ConsentChange(at=now(), allowed=False, text_version="1")
    withdrawal = Withdrawal(
        version=1,
        number=number,
        store_id=shop.slug,
        member_id=member.id,
        customer_id=member.customer_id,
        consent=len(member.consents),
        since=member.consents[-1].at,
        at=now(),
    )
    changed = member.model_copy(update={"consents": (*member.consents, change)})
    records = [(member_key(member.id, shop.slug), changed), (withdrawal_key(shop.slug, number), withdrawal)]
    put_back([Record.of(*each) for each in records])
    Record(*store_key(shop.slug)).update([Path("aside.withdrawals").set(number)])


@pytest.mark.parametrize("call", ["CreateMultipartUpload", "PutObject", "UploadPart"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_consent_that_is_withdrawn_meanwhile_is_respected(shop: Shop, call: str, when: Any) -> None:
    door = customer(shop)
    ida, bo = employee(shop, door, "Ida"), employee(shop, door, "Bo")
    did(shop, ida, every(2))
    did(shop, bo, every(2))
    export_id = asked(shop)
    with meanwhile(call, lambda: contextvars.Context().run(withdraw, shop, ida), when=when):
        work()
    export = one(export_id, shop)
    assert {row["employee_name"] for row in rows_of(written(export_id, shop))} == {"Bo"}
    assert (export.restarts, export.rows) == (1, 2)
    expect_nothing_left(shop, export_id)


def test_withdrawals_of_those_who_are_not_in_a_file_do_not_disturb_whoever_writes_it(shop: Shop) -> None:
    door = customer(shop)
    ida, others = employee(shop, door, "Ida"), [employee(shop, door, f"Other-{number}") for number in range(30)]
    did(shop, ida, every(30))
    export_id = asked(shop)
    numbers = iter(range(1, 31))

    def withdraw_and_review() -> None:
        number = next(numbers)
        withdraw(shop, others[number - 1], number)
        if number % 2:
            note_reviewed(one(export_id, shop), number)

    with meanwhile("PutObject", lambda: contextvars.Context().run(withdraw_and_review), times=30):
        work()
    export = one(export_id, shop)
    assert (export.status, export.restarts, export.rows) == ("done", 0, 30)


def test_a_customer_that_leaves_its_rep_meanwhile_is_not_in_the_file(shop: Shop) -> None:
    rhea = hire(shop, "Rhea")
    doors = [shop.add_customer(f"Door-{number}", None) for number in range(2)]
    for door in doors:
        allocate(shop, door, rhea)
        did(shop, employee(shop, Reader().get(customer_key(shop.slug, door["id"]), Customer), door["name"]), [BEGIN])
    export_id = asked(shop, member_id=rhea.id)
    with meanwhile("UploadPart", lambda: allocate(shop, doors[0])):
        work()
    assert [row["company"] for row in rows_of(written(export_id, shop))] == ["Door-1"]
    assert one(export_id, shop).restarts == 1


def test_a_store_that_stops_tracking_meanwhile_gives_no_activity(shop: Shop) -> None:
    did(shop, employee(shop, customer(shop)), every(2))
    export_id = asked(shop)
    with meanwhile("UploadPart", lambda: exporting.track(shop, on=False)):
        work()
    assert rows_of(written(export_id, shop)) == []
    assert one(export_id, shop).restarts == 1


@pytest.mark.usefixtures("noise")
def test_a_file_whose_content_never_settles_has_failed(shop: Shop) -> None:
    rhea = employee(shop, None, "Rhea")
    export_id = asked(shop, member_id=rhea.id)
    counts = iter(range(1, 999))

    def unsettle() -> None:
        Record(*member_key(rhea.id, shop.slug)).update([Path("aside.departures").set(next(counts))])

    with meanwhile("PutObject", lambda: contextvars.Context().run(unsettle), times=999):
        work()
    export = one(export_id, shop)
    assert (export.status, export.restarts) == ("failed", MOST_RESTARTS + 1)
    assert export.failure is not None
    assert export.failure.code == "unsettled"
    expect_nothing_left(shop)
