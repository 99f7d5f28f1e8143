"""POST /v1/activities: what a portal tells is recorded only as far as the store tracks it and the person allows it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.activities import Scene, allow, in_short, recorded
from tests.support.faults import failing, meanwhile, refusal
from tests.support.ordering import send_event
from tests.support.table import counted_calls, records, stored
from tradepost.domain.activities import ATTESTED, SERVER_TYPES
from tradepost.domain.clock import stamp
from tradepost.table.records import Record

DOWNLOAD = {
    "type": "document_downloaded",
    "reference_type": "document",
    "reference_id": "catalogue-2026.pdf",
    "comment": "the whole of it",
}


def several(count: int) -> list[dict[str, Any]]:
    """Return so many things that a portal may tell."""
    return [{"type": "page_opened", "comment": f"page {number}"} for number in range(count)]


def test_what_a_portal_tells_is_recorded_of_the_person_with_its_customer_and_consent(scene: Scene, time: Clock) -> None:
    scene.begin()
    told_at = stamp(time.at - timedelta(hours=1))
    reply = scene.tell({**DOWNLOAD, "at": told_at})
    assert (reply.status, reply.json) == (202, {"recorded": 1})
    (record,) = recorded()
    party = {"type": "member", "id": scene.ida_id, "name": "Ida Holm"}
    activity = record.document()
    assert activity == {
        "id": activity["id"],
        "store_id": "acme",
        "member_id": scene.ida_id,
        "customer_id": scene.customer_id,
        **DOWNLOAD,
        "at": told_at,
        "recorded_at": stamp(time.at),
        "source": "portal",
        "actor": {**party, "name": None},
        "subject": party,
        "consent": 1,
        "version": 1,
    }
    position = f"{stamp(time.at)}#{activity['id']}"
    assert (record.pk, record.sk) == (f"ACTIVITY#acme#{scene.ida_id}", position)
    assert record.gsi1pk.startswith(f"ACTIVITIES#acme#{stamp(time.at)[:7]}#")
    assert (record.gsi2pk, record.gsi1sk, record.gsi2sk) == (
        f"CUSTOMER-ACTIVITIES#acme#{scene.customer_id}",
        position,
        position,
    )
    assert record.expires_at == int((time.at + timedelta(days=365)).timestamp())


def test_the_payload_tells_of_two_things(scene: Scene) -> None:
    scene.begin()
    reply = send_event("activity/record_activities.two_things", TOKEN=scene.ida.token)
    assert (reply.status, reply.json) == (202, {"recorded": 2})
    assert sorted(record.document()["type"] for record in recorded()) == ["document_downloaded", "product_viewed"]


def test_what_is_told_without_a_time_happened_just_now_and_what_is_blank_was_not_said(scene: Scene, time: Clock) -> None:
    scene.begin()
    assert scene.tell({"type": "page_opened", "comment": "  ", "reference_id": "", "reference_type": " "}).status == 202
    (record,) = recorded()
    activity = record.document()
    assert (activity["at"], activity["recorded_at"]) == (stamp(time.at), stamp(time.at))
    assert (activity["comment"], activity["reference_type"], activity["reference_id"]) == (None, None, None)


def switch_off(scene: Scene) -> None:
    """Let the store track nothing any more."""
    scene.begin()
    scene.track(on=False)


def withdraw(scene: Scene) -> None:
    """Let Ida withdraw her consent."""
    scene.begin()
    allow(scene.ida, allowed=False)


def never_ask(scene: Scene) -> None:
    """Let the store track activity, and nobody have decided on it."""
    scene.track()


@pytest.mark.parametrize("without", [switch_off, withdraw, never_ask])
@pytest.mark.parametrize("acting", [False, True])
def test_without_the_setting_or_the_consent_nothing_at_all_is_written(scene: Scene, without: Any, *, acting: bool) -> None:
    without(scene)
    # The rep's own consent is not the employee's.
    allow(scene.rhea.client)
    by = scene.bargain.acting() if acting else scene.ida
    before = stored()
    with counted_calls() as calls:
        reply = scene.tell(DOWNLOAD, by=by, key="once")
    assert (reply.status, reply.json) == (202, {"recorded": 0})
    assert calls == ["BatchGetItem"]
    assert stored() == before


def test_an_activity_carries_the_number_of_the_consent_that_holds(scene: Scene) -> None:
    scene.begin()
    scene.tell(DOWNLOAD)
    allow(scene.ida, allowed=False)
    allow(scene.ida)
    scene.tell(DOWNLOAD)
    assert sorted(record.document()["consent"] for record in recorded()) == [1, 3]


def test_whoever_acts_is_named_beside_the_person_whose_activity_it_is(scene: Scene) -> None:
    scene.begin()
    # What the employee allows counts, and not what the rep does.
    allow(scene.rhea.client, allowed=False)
    reply = scene.tell(DOWNLOAD, by=scene.bargain.acting())
    assert reply.json == {"recorded": 1}
    assert ("document_downloaded", "Rhea", "Ida Holm", scene.customer_id) in [in_short(record)[:4] for record in recorded()]
    assert {record.pk for record in recorded()} == {f"ACTIVITY#acme#{scene.ida_id}"}


def test_a_sales_rep_at_work_has_no_portal_to_tell_of(scene: Scene) -> None:
    scene.begin()
    reply = scene.tell(DOWNLOAD, by=scene.rhea.client)
    assert (reply.status, reply.code) == (403, "forbidden")


def test_twenty_five_things_are_told_at_once_in_one_transaction_and_not_one_more(scene: Scene) -> None:
    scene.begin()
    with counted_calls() as calls:
        reply = scene.tell(*several(25))
    assert (reply.status, reply.json) == (202, {"recorded": 25})
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    assert len(recorded()) == 25
    before = stored()
    refused = scene.tell(*several(26))
    assert (refused.status, [fault["pointer"] for fault in refused.json["errors"]]) == (422, ["/activities"])
    assert stored() == before


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        *(({"type": kind}, "/activities/1/type") for kind in sorted(ATTESTED)),
        ({"type": ""}, "/activities/1/type"),
        ({"type": "Page opened"}, "/activities/1/type"),
        ({"type": "pageOpened"}, "/activities/1/type"),
        ({"type": "_page"}, "/activities/1/type"),
        ({"type": "9pages"}, "/activities/1/type"),
        ({"type": "page_opened\n"}, "/activities/1/type"),
        ({"type": "seite_geöffnet"}, "/activities/1/type"),
        ({"type": "p" * 41}, "/activities/1/type"),
        ({"type": None}, "/activities/1/type"),
        ({"type": 7}, "/activities/1/type"),
        ({"comment": "c" * 501}, "/activities/1/comment"),
        ({"comment": "bell\a"}, "/activities/1/comment"),
        ({"comment": "turned\u202e"}, "/activities/1/comment"),
        ({"comment": 7}, "/activities/1/comment"),
        ({"reference_type": "r" * 101}, "/activities/1/reference_type"),
        ({"reference_id": "r" * 101}, "/activities/1/reference_id"),
        ({"reference_id": "a\x00b"}, "/activities/1/reference_id"),
        ({"reference_id": ["A-1"]}, "/activities/1/reference_id"),
        ({"at": "yesterday"}, "/activities/1/at"),
        ({"at": "2026-11-27"}, "/activities/1/at"),
        ({"at": "2026-11-27T10:00:00"}, "/activities/1/at"),
        ({"at": 1795773600}, "/activities/1/at"),
        ({"at": "1970-01-01T00:00:00Z"}, "/activities/1/at"),
        ({"source": "server"}, "/activities/1/source"),
        ({"member_id": "somebody"}, "/activities/1/member_id"),
    ],
)
def test_what_cannot_be_understood_is_pointed_at_and_nothing_of_it_is_recorded(
    scene: Scene, wrong: dict[str, Any], pointer: str
) -> None:
    scene.begin()
    before = stored()
    reply = scene.tell(DOWNLOAD, {**DOWNLOAD, **wrong})
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer]), reply.text
    assert stored() == before


@pytest.mark.parametrize("body", [{}, {"activities": []}, {"activities": DOWNLOAD}, [DOWNLOAD], {"activities": [7]}, None])
def test_a_body_that_tells_nothing_is_refused(scene: Scene, body: Any) -> None:
    scene.begin()
    before = stored()
    assert scene.ida.post("/v1/activities", body).status == 422
    assert stored() == before


def test_the_longest_words_are_taken_and_what_a_spreadsheet_would_run_is_kept_as_it_was_said(scene: Scene) -> None:
    scene.begin()
    longest = {"type": "p" * 40, "reference_type": "r" * 100, "reference_id": "=" * 100, "comment": "=" * 500}
    assert scene.tell(longest).status == 202
    (record,) = recorded()
    assert longest.items() <= record.document().items()


@pytest.mark.parametrize("kind", sorted(SERVER_TYPES - ATTESTED))
def test_a_look_may_be_known_to_the_portal_alone(scene: Scene, kind: str) -> None:
    scene.begin()
    assert scene.tell({"type": kind}).json == {"recorded": 1}
    (record,) = recorded()
    assert record.document()["source"] == "portal"


@pytest.mark.parametrize(
    ("by", "taken"),
    [
        ({"hours": -24}, True),
        ({"hours": -24, "milliseconds": -1}, False),
        ({"minutes": 5}, True),
        ({"minutes": 5, "milliseconds": 1}, False),
    ],
)
def test_what_happened_may_be_a_day_ago_and_clocks_five_minutes_ahead(
    scene: Scene, time: Clock, by: dict[str, float], *, taken: bool
) -> None:
    scene.begin()
    reply = scene.tell(DOWNLOAD, {**DOWNLOAD, "at": stamp(time.at + timedelta(**by))})
    assert reply.status == (202 if taken else 422)
    assert len(recorded()) == (2 if taken else 0)
    if not taken:
        assert [fault["pointer"] for fault in reply.json["errors"]] == ["/activities/1/at"]


def test_a_time_is_refused_whether_or_not_anything_is_tracked(scene: Scene, time: Clock) -> None:
    reply = scene.tell({**DOWNLOAD, "at": stamp(time.at + timedelta(days=1))})
    assert reply.status == 422


def test_a_retry_is_answered_the_same_and_recorded_once(scene: Scene) -> None:
    scene.begin()
    first, again = scene.tell(*several(3), key="once"), scene.tell(*several(3), key="once")
    assert (again.status, again.json) == (202, first.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(recorded()) == 3
    other = scene.tell(*several(2), key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len(recorded()) == 3


def test_two_of_the_same_request_at_once_are_recorded_once(scene: Scene) -> None:
    scene.begin()
    scene.tell(*several(3), key="once")
    # The same again, which finds on writing that another one has just been carried out.
    written = [*recorded(), *records("replay")]
    known = [record.sk for record in recorded()]
    for record in written:
        Record(*record.key).delete()
    with meanwhile("TransactWriteItems", lambda: [record.save() for record in written]):
        late = scene.tell(*several(3), key="once")
    assert (late.status, late.json, late.headers["idempotent-replayed"]) == (202, {"recorded": 3}, "true")
    assert [record.sk for record in recorded()] == known


def test_a_retry_after_a_lost_answer_is_recorded_once(scene: Scene) -> None:
    scene.begin()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), when="after"):
        assert scene.tell(*several(3), key="once").status == 500
    assert scene.tell(*several(3), key="once").json == {"recorded": 3}
    assert len(recorded()) == 3


def test_a_write_that_fails_records_nothing_and_its_retry_all(scene: Scene) -> None:
    scene.begin()
    before = stored()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError")):
        assert scene.tell(*several(3), key="once").status == 500
    assert stored() == before
    assert scene.tell(*several(3), key="once").json == {"recorded": 3}
    assert len(recorded()) == 3


def test_a_key_is_demanded_that_tells_a_retry_from_another_request(scene: Scene) -> None:
    scene.begin()
    reply = scene.ida.post("/v1/activities", {"activities": [DOWNLOAD]}, key=None)
    assert (reply.status, reply.code) == (400, "idempotency_key_required")
