"""An export goes through its states one worker at a time, and ends in one of them whatever happens."""

from datetime import UTC, datetime, timedelta

import pytest

from tradepost.domain.exports import (
    LEASE,
    MOST_ATTEMPTS,
    MOST_RESTARTS,
    NO_ARCHIVE,
    NO_PROGRESS,
    UNSETTLED,
    ActivityFilters,
    Basis,
    Checkpoint,
    EmptyBecause,
    Export,
    ExportFailure,
    ExportKind,
    Part,
    advanced,
    begun,
    failed,
    finished,
    is_outdated,
    let_go,
    restarted,
    taken_on,
)
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store

AT = datetime(2026, 11, 27, 10, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
REP = Member(id="rhea", store_id="acme", person="r", role=Role.REP, access="allocated", name="Rhea", email="r@acme.test")
STORE = Store(slug="acme", name="Acme", currency="EUR", time_zone="UTC", track_activity=True, opened_at=AT)
BASIS = Basis.of(STORE, REP)


def queued(kind: ExportKind = "activities") -> Export:
    """Return an export that was asked for."""
    return Export(
        id="1",
        store_id="acme",
        kind=kind,
        filters=ActivityFilters(),
        begin=AT - timedelta(days=1),
        end=AT,
        time_zone="UTC",
        file_name="a.csv",
        fingerprint="f",
        requested_by=SYSTEM,
        member_id=REP.id,
        requested_at=AT,
    )


def taken(export: Export, worker: str = "a", at: datetime = AT) -> Export:
    """Let a worker take an export on."""
    running = taken_on(export, worker, at=at)
    assert running is not None
    return running


def test_a_worker_has_an_export_for_itself_until_its_lease_is_over() -> None:
    running = taken(queued())
    assert (running.status, running.started_at, running.worker_until) == ("running", AT, AT + LEASE)
    assert taken_on(running, "b", at=AT + LEASE - TICK) is None
    assert taken(running, "b", AT + LEASE).worker == "b"
    assert taken(running, "a").started_at == AT, "its own message came again: it has died"
    assert taken(let_go(running), "b").worker == "b"


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_what_is_over_is_taken_on_by_nobody(status: str) -> None:
    assert taken_on(queued().model_copy(update={"status": status}), "a", at=AT) is None


@pytest.mark.parametrize(("kind", "failure"), [("activities", NO_PROGRESS), ("orders", NO_PROGRESS), ("person", NO_ARCHIVE)])
def test_workers_that_come_to_nothing_too_often_in_a_row_end_it(kind: ExportKind, failure: ExportFailure) -> None:
    export = begun(queued(kind), BASIS, "upload")
    for _ in range(MOST_ATTEMPTS):
        export = taken(export)
        assert export.status == "running"
    over = taken(export)
    assert (over.status, over.failure, over.ended_at, over.worker) == ("failed", failure, AT, None)
    anew = advanced(export, Checkpoint(upload_id="upload", rows=5), 0.5, at=AT + LEASE)
    assert (anew.attempts, anew.rows, anew.progress, anew.worker_until) == (0, 5, 50, AT + 2 * LEASE)
    assert taken(anew).status == "running"


def test_progress_never_goes_back_and_is_whole_only_at_the_end() -> None:
    point = Checkpoint(upload_id="upload", parts=(Part(etag="a", size=7), Part(etag="b", size=4)), rows=3, whole=True)
    export = advanced(begun(taken(queued()), BASIS, "upload"), point, 1, at=AT)
    assert export.progress == 99
    assert advanced(export, point, 0.2, at=AT).progress == 99
    done = finished(export, empty_because=None, at=AT + LEASE)
    assert (done.status, done.progress, done.rows, done.size, done.generated_at) == ("done", 100, 3, 11, AT + LEASE)
    assert (done.checkpoint, done.worker, done.basis) == (None, None, BASIS)
    because = EmptyBecause(filter="type", detail="none")
    assert finished(export, empty_because=because, at=AT).empty_because == because
    with pytest.raises(LookupError):
        finished(queued(), empty_because=None, at=AT)


def test_what_is_begun_anew_too_often_has_failed() -> None:
    export = queued()
    for _ in range(MOST_RESTARTS):
        export = restarted(begun(taken(export), BASIS, "upload"))
        assert (export.checkpoint, export.basis, export.progress, export.worker) == (None, None, 0, None)
        assert taken(export).status == "running"
    assert taken(restarted(export)).failure == UNSETTLED


def test_what_failed_still_knows_its_upload() -> None:
    over = failed(begun(taken(queued()), BASIS, "upload"), NO_PROGRESS, at=AT)
    assert over.checkpoint == Checkpoint(upload_id="upload")


def test_another_scope_makes_any_file_another_but_that_about_a_person() -> None:
    left = REP.model_copy(update={"departures": 1})
    everywhere = REP.model_copy(update={"access": "all"})
    for now in (left, everywhere):
        assert is_outdated(begun(queued("orders"), BASIS, "upload"), STORE, now)
        assert not is_outdated(begun(queued("person"), BASIS, "upload"), STORE, now)
    assert is_outdated(queued(), STORE, REP), "nothing is known of what it goes by"


def test_a_store_that_does_not_track_any_more_has_no_activities_to_tell_of() -> None:
    export = begun(queued(), BASIS, "upload")
    off = STORE.model_copy(update={"track_activity": False})
    assert not is_outdated(export, off, REP)
    assert is_outdated(export.model_copy(update={"rows": 1}), off, REP)
