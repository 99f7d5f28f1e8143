"""Managing events: from draft to published and over, shown to whom they are for, changed by whoever may."""

from datetime import timedelta
from typing import Any

import icalendar
import pytest

from tests.conftest import Clock
from tests.support.faults import failing, meanwhile, refusal
from tests.support.gathering import Gathering
from tests.support.ordering import send_event
from tests.support.resellers import open_resale
from tests.support.table import stored
from tests.support.world import Shop
from tradepost.domain.clock import stamp

CONDITION_FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}


def event_mails() -> list[tuple[str, str]]:
    """Return what the outbox tells about events, and whom."""
    messages = [item["message"] for item in stored("outbox")]
    return sorted((message["news"], message["participant_id"]) for message in messages if message["type"] == "event")


def audited(event: dict[str, Any]) -> list[str]:
    """Return what was done about an event, in order."""
    return [line["action"] for line in stored("audit") if line["target"] == event["id"]]


def ids(reply: Any) -> list[str]:
    """Return the ids of a page's items."""
    return [item["id"] for item in reply.json["items"]]


def test_an_event_is_drafted_published_closed_and_called_off(gathering: Gathering, shop: Shop) -> None:
    drafted = send_event("events/manage_events.drafted", TOKEN=shop.owner.token)
    assert (drafted.status, drafted.json["status"], drafted.headers["etag"]) == (201, "draft", drafted.json["etag"])
    event = drafted.json
    assert (event["starts_at"], event["ends_at"]) == ("2027-04-08T14:00:00.000Z", "2027-04-08T16:30:00.000Z")
    assert event["deadline"] == event["starts_at"]
    assert (event["registered"], event["waiting"], event["free"], event["waiting_list"]) == (0, 0, 40, 10)
    assert (event["registration_open"], event["allowed_transitions"]) == (False, ["publish"])
    published = gathering.step(event, "publish").json
    assert (published["registration_open"], published["allowed_transitions"]) == (True, ["close", "cancel"])
    closed = gathering.step(published, "close").json
    assert (closed["registration_open"], closed["allowed_transitions"]) == (False, ["cancel"])
    cancelled = gathering.step(closed, "cancel").json
    assert (cancelled["status"], cancelled["allowed_transitions"]) == ("cancelled", [])
    assert [(entry["from"], entry["to"]) for entry in cancelled["history"]] == [
        ("draft", "published"),
        ("published", "closed"),
        ("closed", "cancelled"),
    ]
    assert audited(event) == ["event:drafted", "event:published", "event:closed", "event:cancelled"]
    assert gathering.show(event) == cancelled
    (mailing,) = stored("event_mailing")
    assert (mailing["kind"], mailing["event_id"]) == ("cancellation", event["id"])


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ([], ["close", "cancel"]),
        (["publish"], ["publish"]),
        (["publish", "close"], ["publish", "close"]),
        (["publish", "cancel"], ["publish", "close", "cancel"]),
    ],
    ids=["draft", "published", "closed", "cancelled"],
)
def test_no_other_move_is_possible_and_none_changes_anything(
    gathering: Gathering, steps: list[str], refused: list[str]
) -> None:
    event = gathering.draft()
    for step in steps:
        event = gathering.step(event, step).json
    before = stored()
    for step in refused:
        reply = gathering.step(event, step)
        assert (reply.status, reply.code) == (409, "invalid_transition")
        assert reply.json["allowed_transitions"] == event["allowed_transitions"]
    assert stored() == before


def test_a_draft_is_deleted_and_what_was_published_is_not(gathering: Gathering) -> None:
    draft, published = gathering.draft(), gathering.publish()
    assert gathering.owner.delete(f"/v1/events/{draft['id']}", etag='"7"').status == 412
    assert gathering.owner.delete(f"/v1/events/{draft['id']}", etag=draft["etag"]).status == 204
    refused = gathering.owner.delete(f"/v1/events/{published['id']}", etag=published["etag"])
    assert (refused.status, refused.code) == (409, "invalid_transition")
    assert [event["id"] for event in stored("event")] == [published["id"]]


def test_an_event_is_published_before_it_begins_and_with_a_place(gathering: Gathering, time: Clock) -> None:
    nowhere = gathering.draft(place=None)
    assert nowhere["allowed_transitions"] == []
    refused = gathering.step(nowhere, "publish")
    assert (refused.status, refused.code, refused.json["errors"][0]["pointer"]) == (422, "place_required", "/place")
    online = gathering.change(nowhere, url="https://meet.example/spring").json
    assert gathering.step(online, "publish").status == 200
    assert gathering.change(online, url=None).code == "place_required"
    soon = gathering.draft(starts_at=stamp(time.at + timedelta(hours=1)))
    time.advance(hours=1)
    late = gathering.step(soon, "publish")
    assert (late.status, late.code) == (409, "event_begun")


def test_an_event_is_published_before_its_deadline(gathering: Gathering, time: Clock) -> None:
    event = gathering.draft(deadline=stamp(time.at + timedelta(hours=1)))
    time.advance(hours=1)
    assert gathering.show(event)["allowed_transitions"] == []
    late = gathering.step(event, "publish")
    assert (late.status, late.code) == (409, "deadline_passed")
    changed = gathering.change(event, deadline=None).json
    assert changed["allowed_transitions"] == ["publish"]
    assert gathering.step(changed, "publish").status == 200


def test_an_event_that_has_begun_begins_no_other_time_and_one_that_is_over_is_not_called_off(
    gathering: Gathering, time: Clock
) -> None:
    begins, ends = time.at + timedelta(hours=1), time.at + timedelta(hours=3)
    event = gathering.publish(starts_at=stamp(begins), ends_at=stamp(ends))
    time.at = begins
    later = {"starts_at": stamp(begins + timedelta(days=1)), "ends_at": stamp(ends + timedelta(days=1))}
    refused = gathering.change(event, **later)
    assert (refused.status, refused.code, refused.json["errors"][0]["pointer"]) == (422, "event_begun", "/starts_at")
    ends += timedelta(hours=1)
    longer = gathering.change(event, ends_at=stamp(ends))
    assert (longer.status, longer.json["allowed_transitions"]) == (200, ["close", "cancel"])
    time.at = ends
    assert gathering.show(event)["allowed_transitions"] == ["close"]
    late = gathering.step(longer.json, "cancel")
    assert (late.status, late.code) == (409, "event_over")
    again = gathering.change(event, ends_at=later["ends_at"])
    assert (again.status, again.code) == (422, "event_over")
    assert gathering.show(event)["status"] == "published"
    assert stored("event_mailing") == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": "  "}, "/title"),
        ({"title": "Tea\r\nBcc: all@x.test"}, "/title"),
        ({"text": "x" * 4001}, "/text"),
        ({"url": "http://meet.example"}, "/url"),
        ({"url": "javascript:alert(1)"}, "/url"),
        ({"starts_at": "2027-04-08T16:00:00"}, "/starts_at"),
        ({"starts_at": "2027-04-08"}, "/starts_at"),
        ({"starts_at": 1800000000}, "/starts_at"),
        ({"starts_at": "1800000000"}, "/starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "/starts_at"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, "/ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"deadline": "2999-01-01T00:00:00Z"}, "/deadline"),
        ({"participant_limit": 0}, "/participant_limit"),
        ({"participant_limit": 5001}, "/participant_limit"),
        ({"participant_limit": "5"}, "/participant_limit"),
        ({"participant_limit": True}, "/participant_limit"),
        ({"waiting_list": -1}, "/waiting_list"),
        ({"waiting_list": None}, "/waiting_list"),
        ({"waiting_list": 1.5}, "/waiting_list"),
        ({"waiting_list": "true"}, "/waiting_list"),
        ({"product_numbers": [f"P-{index}" for index in range(21)]}, "/product_numbers"),
        ({"product_numbers": ["A-1", "no such"]}, "/product_numbers/1"),
        ({"group_ids": ["01kb0000000000000000000000"]}, "/group_ids/0"),
        ({"customer_ids": ["01kb0000000000000000000000"]}, "/customer_ids/0"),
        ({"status": "published"}, "/status"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_event_is_refused_field_by_field(gathering: Gathering, fields: dict[str, Any], pointer: str) -> None:
    event, before = gathering.draft(), stored()
    sent = {**gathering.body(), **fields}
    for reply in (gathering.owner.post("/v1/events", sent), gathering.change(event, **fields)):
        assert reply.status == 422, reply.text
        (fault,) = reply.json["errors"]
        assert fault["pointer"] == pointer, reply.text
        assert not fault["message"].startswith("uRL")
    assert [item for item in stored() if item["entity"] == "event"] == [item for item in before if item["entity"] == "event"]


def test_an_event_names_what_there_is_each_thing_once(gathering: Gathering, shop: Shop) -> None:
    customer = gathering.team.market.customer["id"]
    event = gathering.draft(product_numbers=["B-2", "a-1", "A-1"], group_ids=[shop.group_id] * 2, customer_ids=[customer])
    assert (event["product_numbers"], event["group_ids"]) == (["B-2", "a-1"], [shop.group_id])
    assert event["customer_ids"] == [customer]


def test_a_sales_rep_invites_customers_of_its_own_alone(gathering: Gathering) -> None:
    rep, others = gathering.team.rep.client, gathering.team.market.other_customer["id"]
    refused = rep.post("/v1/events", gathering.body(customer_ids=[others]))
    unknown = rep.post("/v1/events", gathering.body(customer_ids=["01kb0000000000000000000000"]))
    assert (refused.status, refused.code) == (422, "unknown_customer")
    assert refused.json == unknown.json


def test_buyers_see_what_was_published_and_they_are_invited_to(gathering: Gathering, shop: Shop) -> None:
    market = gathering.team.market
    spare = shop.owner.post("/v1/customer-groups", {"name": "Importers", "price_tier_id": shop.tier_id}).json["id"]
    for_all, for_group = gathering.publish(), gathering.publish(group_ids=[shop.group_id])
    for_one = gathering.publish(customer_ids=[market.customer["id"]])
    for_others = gathering.publish(group_ids=[spare])
    draft, over = gathering.draft(), gathering.step(gathering.publish(), "cancel").json
    seen = [for_all["id"], for_group["id"], for_one["id"], over["id"]]
    assert sorted(ids(market.buyer.get("/v1/events"))) == sorted(seen)
    assert for_one["id"] not in ids(market.other_buyer.get("/v1/events"))
    assert len(ids(gathering.team.rep.client.get("/v1/events"))) == len(ids(shop.owner.get("/v1/events"))) == 6
    unknown = market.buyer.get("/v1/events/01kb0000000000000000000000")
    for hidden in (for_others, draft):
        reply = market.buyer.get(f"/v1/events/{hidden['id']}")
        assert (reply.status, reply.json) == (404, unknown.json)
        assert market.buyer.get(f"/v1/events/{hidden['id']}/calendar.ics").json == unknown.json
        assert gathering.try_registering(hidden, "Ada").json == unknown.json
    shown = market.buyer.get(f"/v1/events/{for_one['id']}").json
    assert (shown["customer_ids"], shown["history"], shown["allowed_transitions"]) == (None, None, [])
    assert market.rival().get(f"/v1/events/{for_all['id']}").json == unknown.json


def test_events_are_listed_by_when_they_begin_page_by_page(gathering: Gathering) -> None:
    def at(day: int) -> dict[str, str]:
        return {"starts_at": f"2027-05-{day:02}T10:00:00Z", "ends_at": f"2027-05-{day:02}T11:00:00Z"}

    third, first, second = (gathering.draft(title=f"On the {day}th", **at(day))["id"] for day in (9, 5, 7))
    gathering.publish(**at(6))
    page = gathering.owner.get("/v1/events", status="draft", limit="2")
    assert ids(page) == [first, second]
    rest = gathering.owner.get("/v1/events", status="draft", limit="2", cursor=page.json["next_cursor"])
    assert (ids(rest), rest.json["next_cursor"]) == ([third], None)
    assert gathering.owner.get("/v1/events", limit="2", cursor=page.json["next_cursor"]).code == "invalid_cursor"
    assert ids(gathering.owner.get("/v1/events", status="draft", **{"from": "2027-05-06", "to": "2027-05-07"})) == [second]
    assert gathering.owner.get("/v1/events", **{"from": "2027-05-08", "to": "2027-05-07"}).code == "invalid_period"


def test_owner_and_supervisors_change_every_event_and_other_reps_their_own(gathering: Gathering) -> None:
    team = gathering.team
    event = gathering.publish(team.rep.client)
    assert event["created_by"]["name"] == "Rhea"
    before = stored("event")
    for reply in (
        gathering.change(event, by=team.outsider.client, title="Mine now"),
        gathering.step(event, "cancel", by=team.outsider.client),
        team.everywhere.client.delete(f"/v1/events/{event['id']}", etag="*"),
    ):
        assert (reply.status, reply.code) == (403, "not_your_event")
    assert stored("event") == before
    assert team.outsider.client.get(f"/v1/events/{event['id']}").json["allowed_transitions"] == []
    for name, client in {"Owner's": gathering.owner, "Supervisor's": team.supervisor.client, "Own": team.rep.client}.items():
        assert gathering.change(event, by=client, title=name).json["title"] == name
    assert gathering.change(event, by=gathering.buyer, title="Mine now").code == "forbidden"


def test_a_change_is_noted_and_an_older_one_is_refused(gathering: Gathering) -> None:
    event = gathering.publish()
    assert gathering.owner.patch(f"/v1/events/{event['id']}", {"title": "X"}).status == 428
    changed = gathering.change(event, etag=event["etag"], title="Summer tasting", place="Pier 3").json
    assert changed["history"][-1]["changed"] == ["title", "place"]
    assert gathering.change(event, etag=event["etag"], title="Late").status == 412
    same = gathering.change(changed, etag=changed["etag"], title="Summer tasting").json
    assert same == changed
    assert gathering.change(changed, title=None).json["errors"][0]["pointer"] == "/title"
    one = gathering.change(changed, waiting_list=True).json
    assert gathering.change(one, waiting_list=1).json["waiting_list"] == 1


def test_an_event_that_was_published_is_not_moved_into_the_past(gathering: Gathering, time: Clock) -> None:
    event = gathering.publish()
    gone = {"starts_at": stamp(time.at - timedelta(days=2)), "ends_at": stamp(time.at - timedelta(days=1))}
    refused = gathering.change(event, **gone)
    assert (refused.status, refused.code) == (422, "event_begun")
    assert gathering.change(gathering.draft(), **gone).status == 200


def test_a_higher_limit_lets_many_move_up_in_their_order_over_several_transactions(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    names = [f"P{index:02}" for index in range(48)]
    gathering.register(event, *names)
    assert gathering.line(event) == names[1:]
    raised = gathering.change(event, etag=event["etag"], participant_limit=46)
    assert raised.status == 200, raised.text
    assert (raised.json["registered"], raised.json["waiting"], raised.json["free"]) == (46, 2, 0)
    assert gathering.line(event) == names[46:]
    assert [news for news, _ in event_mails()].count("moved_up") == 45
    assert len(stored("event_waiting")) == 2
    lowered = gathering.change(event, participant_limit=3).json
    assert (lowered["registered"], lowered["waiting"], lowered["free"]) == (46, 2, 0)
    without = gathering.change(event, participant_limit=None).json
    assert (without["registered"], without["waiting"], without["free"]) == (48, 0, None)
    assert stored("event_waiting") == []


def test_the_limit_is_raised_and_lowered_while_others_come_to_wait(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    gathering.register(event, "Ada", "Bo")
    crowd = (f"P{index}" for index in range(12))
    with meanwhile("TransactWriteItems", lambda: gathering.register(event, next(crowd)), times=4):
        raised = gathering.change(event, etag=event["etag"], participant_limit=3)
    assert (raised.status, raised.json["registered"], raised.json["free"]) == (200, 3, 0)
    line = gathering.line(event)
    assert line == [f"P{index}" for index in range(1, len(line) + 1)]
    with meanwhile("TransactWriteItems", lambda: gathering.register(event, next(crowd)), times=4):
        lowered = gathering.change(event, participant_limit=2)
    assert (lowered.status, lowered.json["registered"], lowered.json["waiting"]) == (200, 3, len(line) + 1)


def test_who_comes_to_wait_while_the_limit_goes_gets_a_place_as_well(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    gathering.register(event, "Ada")
    with meanwhile("TransactWriteItems", lambda: gathering.register(event, "Bo")):
        without = gathering.change(event, participant_limit=None)
    assert (without.status, without.json["registered"], without.json["waiting"]) == (200, 2, 0)


def test_a_higher_limit_is_no_conflict_once_it_is_written_though_moving_up_is(
    gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    names = [f"P{index:02}" for index in range(25)]
    gathering.register(event, *names)
    monkeypatch.setattr("time.sleep", lambda _: None)
    overtaken = refusal("TransactWriteItems", "TransactionCanceledException", CancellationReasons=[CONDITION_FAILED])
    with failing("TransactWriteItems", overtaken, skipping=1, times=100):
        raised = gathering.change(event, participant_limit=25)
    assert (raised.status, raised.json["registered"], raised.json["waiting"]) == (200, 21, 4)
    assert raised.json["etag"] == gathering.show(event)["etag"]
    assert gathering.register(event, "Zoe")[0]["place_in_line"] == 1
    assert (gathering.show(event)["registered"], gathering.line(event)) == (25, ["Zoe"])


def test_a_calendar_file_says_what_the_event_is_whatever_stands_in_it(gathering: Gathering) -> None:
    text = "Tea; coffee, cake\nBEGIN:VALARM\nDESCRIPTION:x"
    title = "Tasting; all, of\\it: BEGIN:VEVENT Ü " + "long " * 20
    event = gathering.publish(title=title, text=text, url="https://meet.example/a?b=c,d;e", place="Pier 3, Hamburg")
    reply = gathering.buyer.get(f"/v1/events/{event['id']}/calendar.ics")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert reply.headers["content-disposition"] == f'attachment; filename="event-{event["id"]}.ics"'
    assert all(len(line.encode()) <= 75 for line in reply.text.split("\r\n"))
    calendar = icalendar.Calendar.from_ical(reply.text)
    assert calendar["version"] == "2.0"
    (entry,) = calendar.subcomponents
    assert (str(entry["summary"]), str(entry["description"])) == (title.strip(), text)
    assert (str(entry["location"]), str(entry["url"])) == ("Pier 3, Hamburg", "https://meet.example/a?b=c,d;e")
    assert [stamp(at)[:19] for at in (entry.start, entry.end)] == [event[name][:19] for name in ("starts_at", "ends_at")]
    assert (str(entry["status"]), entry["sequence"]) == ("CONFIRMED", 2)
    assert entry.DTSTAMP is not None
    assert entry.DTSTAMP.utcoffset() == timedelta()
    cancelled = gathering.step(event, "cancel").json
    again = gathering.buyer.get(f"/v1/events/{cancelled['id']}/calendar.ics")
    (later,) = icalendar.Calendar.from_ical(again.text).subcomponents
    assert (later["uid"], str(later["status"]), later["sequence"]) == (entry["uid"], "CANCELLED", 3)


def test_a_calendar_file_names_an_organizer_where_the_store_is_written_to(gathering: Gathering) -> None:
    event = gathering.publish()
    assert "ORGANIZER" not in gathering.owner.get(f"/v1/events/{event['id']}/calendar.ics").text
    gathering.team.set_store(name='Acme "Tea"; Ltd', branding={"reply_to": "hello@acme.test"})
    reply = gathering.owner.get(f"/v1/events/{event['id']}/calendar.ics")
    (entry,) = icalendar.Calendar.from_ical(reply.text).subcomponents
    assert str(entry["organizer"]) == "mailto:hello@acme.test"


def test_a_request_sent_twice_drafts_and_cancels_once(gathering: Gathering) -> None:
    body = gathering.body()
    first, again = (gathering.owner.post("/v1/events", body, key="once") for _ in range(2))
    assert (first.status, first.json) == (again.status, again.json)
    assert len(stored("event")) == 1
    published = gathering.step(first.json, "publish").json
    path, headers = f"/v1/events/{published['id']}/cancel", {"If-Match": published["etag"]}
    told = [gathering.owner.post(path, key="off", headers=headers) for _ in range(2)]
    assert told[0].json == told[1].json
    assert len(stored("event_mailing")) == 1


def test_a_reseller_in_no_group_sees_what_is_for_everybody_or_for_itself(gathering: Gathering) -> None:
    reseller, buyer = open_resale(gathering.team.market.shop).join()
    for_all, for_it = gathering.publish(), gathering.publish(customer_ids=[reseller["customer_id"]])
    for_group = gathering.publish(group_ids=[gathering.team.market.shop.group_id])
    assert {event["id"] for event in buyer.get("/v1/events").json["items"]} == {for_all["id"], for_it["id"]}
    assert buyer.get(f"/v1/events/{for_it['id']}").status == 200
    assert buyer.get(f"/v1/events/{for_group['id']}").status == 404
