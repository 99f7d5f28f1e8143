"""Registering for events: one place for one person, a line for those who wait, and each company by itself."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.functions.events.test_manage_events import event_mails
from tests.support.client import Client
from tests.support.gathering import Gathering
from tests.support.ordering import send_event
from tests.support.reps import allocate
from tests.support.table import counted_calls, stored
from tradepost.domain.clock import stamp
from tradepost.domain.ids import person_key
from tradepost.table.events import event_key
from tradepost.table.records import Record


def path_of(participant: dict[str, Any]) -> str:
    """Return where a participant is."""
    return f"/v1/events/{participant['event_id']}/participants/{participant['id']}"


def names(reply: Any) -> list[str]:
    """Return the names of a page's participants."""
    return [participant["name"] for participant in reply.json["items"]]


def test_a_buyer_registers_a_colleague_who_is_told(gathering: Gathering) -> None:
    event, customer = gathering.publish(participant_limit=2), gathering.team.market.customer
    reply = send_event("events/register_participants.colleague", TOKEN=gathering.buyer.token, EVENT_ID=event["id"])
    assert (reply.status, reply.json["state"], reply.json["place_in_line"]) == (201, "registered", None)
    participant = reply.json
    assert participant["id"] == f"{customer['id']}.{person_key('uma@bluedoor.test')}"
    assert (participant["customer_id"], participant["customer_name"]) == (customer["id"], customer["name"])
    assert participant["allowed_transitions"] == ["cancel"]
    assert gathering.buyer.get(path_of(participant)).json == participant
    assert gathering.show(event)["free"] == 1
    assert event_mails() == [("registered", participant["id"])]
    assert [line["action"] for line in stored("audit") if line["target"] == participant["id"]] == [
        "event_participant:registered"
    ]


def test_one_person_of_a_company_takes_one_place_in_any_letter_case(gathering: Gathering) -> None:
    event = gathering.publish()
    gathering.register(event, "Ada")
    again = gathering.try_registering(event, "Ada Lovelace", email="ADA@bluedoor.test")
    assert (again.status, again.code) == (409, "already_registered")
    other = gathering.try_registering(event, "Ada", by=gathering.team.market.other_buyer)
    assert other.status == 201, "somebody may come for two companies"
    assert gathering.show(event)["registered"] == 2


def test_when_the_places_are_taken_others_wait_and_then_it_is_full(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=2)
    participants = gathering.register(event, "Ada", "Bo", "Cy")
    assert [(each["state"], each["place_in_line"]) for each in participants] == [
        ("registered", None),
        ("waiting", 1),
        ("waiting", 2),
    ]
    before = stored()
    full = gathering.try_registering(event, "Di")
    assert (full.status, full.code) == (409, "event_full")
    assert stored() == before
    shown = gathering.show(event)
    assert (shown["registered"], shown["waiting"], shown["free"]) == (1, 2, 0)


def test_who_cancels_makes_room_for_the_first_in_line(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    ada, bo, cy, di = gathering.register(event, "Ada", "Bo", "Cy", "Di")
    assert gathering.cancel(cy).status == 204
    assert gathering.line(event) == ["Bo", "Di"]
    assert gathering.cancel(ada, etag=ada["etag"]).status == 204
    assert gathering.states(event) == {"Ada": "cancelled", "Bo": "registered", "Cy": "cancelled", "Di": "waiting"}
    assert event_mails()[:3] == sorted(
        [("moved_up", bo["id"]), ("participant_cancelled", ada["id"]), ("participant_cancelled", cy["id"])]
    )
    moved = gathering.buyer.get(path_of(bo)).json
    assert [(entry["from"], entry["to"]) for entry in moved["history"]] == [("waiting", "registered")]
    assert gathering.buyer.get(path_of(di)).json["place_in_line"] == 1
    assert gathering.cancel(bo, etag=bo["etag"]).status == 412, "it was about a place in line"
    again = gathering.register(event, "Ada")[0]
    assert (again["id"], again["state"], again["place_in_line"]) == (ada["id"], "waiting", 2)
    assert gathering.cancel(bo).status == gathering.cancel(di).status == 204
    assert gathering.cancel(di).code == "invalid_transition"
    assert gathering.states(event)["Ada"] == "registered"


def _break_off(event: dict[str, Any], limit: int) -> None:
    """Leave an event as if raising its limit had broken off before anybody moved up."""
    Record.get(*event_key("acme", event["id"])).update([Path("data.participant_limit").set(limit)])


def test_places_that_are_free_while_somebody_waits_are_the_lines_when_the_next_one_comes(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=2)
    _, bo, _ = gathering.register(event, "Ada", "Bo", "Cy")
    _break_off(event, 2)
    (di,) = gathering.register(event, "Di")
    assert (di["state"], di["place_in_line"]) == ("waiting", 2)
    assert gathering.line(event) == ["Cy", "Di"]
    assert ("moved_up", bo["id"]) in event_mails()
    _break_off(event, 5)
    (ed,) = gathering.register(event, "Ed")
    assert ed["state"] == "registered"
    assert gathering.line(event) == []
    assert gathering.show(event)["registered"] == 5


@pytest.mark.parametrize(
    ("name", "limit", "line"), [("Ada", 2, ["Di"]), ("Ada", 1, ["Cy", "Di"]), ("Bo", 2, ["Di"]), ("Di", 3, [])]
)
def test_places_that_are_free_while_somebody_waits_are_the_lines_when_somebody_leaves(
    gathering: Gathering, name: str, limit: int, line: list[str]
) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    people = {each["name"]: each for each in gathering.register(event, "Ada", "Bo", "Cy", "Di")}
    _break_off(event, limit)
    assert gathering.cancel(people[name]).status == 204
    assert gathering.line(event) == line
    shown = gathering.show(event)
    assert (shown["registered"], shown["waiting"]) == (3 - len(line), len(line))
    assert len(stored("event_waiting")) == len(line)


def test_a_company_that_is_not_invited_any_more_still_sees_and_cancels_who_it_registered(gathering: Gathering) -> None:
    market = gathering.team.market
    event = gathering.publish()
    (ada,) = gathering.register(event, "Ada")
    gathering.change(event, customer_ids=[market.other_customer["id"]])
    assert gathering.buyer.get(f"/v1/events/{event['id']}").status == 404
    assert gathering.try_registering(event, "Bo").status == 404
    assert gathering.buyer.get(path_of(ada)).json["allowed_transitions"] == ["cancel"]
    unknown = gathering.buyer.get(f"/v1/events/{event['id']}/participants/{ada['customer_id']}.{'a' * 26}")
    assert (unknown.status, market.other_buyer.get(path_of(ada)).json) == (404, unknown.json)
    assert gathering.cancel(ada).status == 204
    assert gathering.states(event) == {"Ada": "cancelled"}


def test_nobody_moves_up_while_more_places_are_taken_than_there_are(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=3, waiting_list=True)
    ada, bo, _, di = gathering.register(event, "Ada", "Bo", "Cy", "Di")
    gathering.change(event, participant_limit=2)
    assert gathering.cancel(ada).status == 204
    assert gathering.line(event) == ["Di"]
    assert gathering.cancel(bo).status == 204
    assert gathering.states(event)[di["name"]] == "registered"


def test_registration_ends_at_the_deadline_by_itself(gathering: Gathering, time: Clock) -> None:
    deadline = time.at + timedelta(hours=1)
    event = gathering.publish(deadline=stamp(deadline), participant_limit=1, waiting_list=True)
    ada, _ = gathering.register(event, "Ada", "Bo")
    time.at = deadline - timedelta(milliseconds=1)
    assert gathering.try_registering(event, "Cy").status == 201
    time.at = deadline
    refused = gathering.try_registering(event, "Di")
    assert (refused.status, refused.code, refused.json["event_status"]) == (409, "registration_closed", "published")
    assert gathering.show(event)["registration_open"] is False
    assert gathering.cancel(ada).status == 204
    assert gathering.states(event)["Bo"] == "registered", "who waits moves up until the event begins"


@pytest.mark.parametrize("step", ["close", "cancel"])
def test_nobody_registers_for_what_is_closed_or_called_off(gathering: Gathering, step: str) -> None:
    event = gathering.publish()
    (ada,) = gathering.register(event, "Ada")
    assert gathering.step({**event, "etag": "*"}, step).status == 200
    assert gathering.try_registering(event, "Bo").code == "registration_closed"
    draft = gathering.draft()
    about = {"customer_id": gathering.team.market.customer["id"]}
    assert gathering.try_registering(draft, "Bo", by=gathering.owner, **about).code == "registration_closed"
    assert gathering.cancel(ada).status == (204 if step == "close" else 409)


def test_who_came_is_noted_once_the_event_has_begun_by_staff_alone(gathering: Gathering, time: Clock) -> None:
    times = {"starts_at": stamp(time.at + timedelta(hours=1)), "ends_at": stamp(time.at + timedelta(hours=2))}
    event = gathering.publish(participant_limit=1, waiting_list=True, **times)
    ada, bo = gathering.register(event, "Ada", "Bo")
    rep = gathering.team.rep.client

    def note(step: str, participant: dict[str, Any] = ada, by: Client = rep) -> Any:
        return by.post(f"{path_of(participant)}/{step}", headers={"If-Match": "*"})

    assert (note("attend").status, note("attend").code) == (409, "invalid_transition")
    time.advance(hours=1)
    assert gathering.cancel(ada).code == "invalid_transition"
    assert note("attend", by=gathering.buyer).code == "forbidden"
    assert note("attend", by=gathering.team.outsider.client).status == 404
    assert note("attend", bo).code == "invalid_transition", "who waits has no place to take"
    came = note("attend")
    assert (came.status, came.json["state"], came.json["allowed_transitions"]) == (200, "attended", ["miss"])
    assert note("attend").code == "invalid_transition"
    missed = note("miss").json
    assert (missed["state"], missed["allowed_transitions"]) == ("no_show", ["attend"])
    assert gathering.show(event)["registered"] == 1
    assert rep.post(f"{path_of(ada)}/attend").status == 428


def test_everybody_sees_and_cancels_for_the_own_customers_alone(gathering: Gathering) -> None:
    team, market = gathering.team, gathering.team.market
    event = gathering.publish()
    (ada,) = gathering.register(event, "Ada")
    (gil,) = gathering.register(event, "Gil", by=market.other_buyer)
    listing = f"/v1/events/{event['id']}/participants"
    seen = {
        "owner": (gathering.owner, ["Ada", "Gil"]),
        "buyer": (gathering.buyer, ["Ada"]),
        "other": (market.other_buyer, ["Gil"]),
        "rep": (team.rep.client, ["Ada"]),
        "outsider": (team.outsider.client, ["Gil"]),
        "everywhere": (team.everywhere.client, ["Ada", "Gil"]),
    }
    for client, expected in seen.values():
        assert names(client.get(listing)) == expected
        exported = list(csv.DictReader(io.StringIO(client.get(f"{listing}.csv").text)))
        assert [row["name"] for row in exported] == expected
    unknown = gathering.buyer.get(f"{listing}/{ada['customer_id']}.{'a' * 26}").json
    before = stored()
    for client, theirs in ((gathering.buyer, gil), (team.rep.client, gil), (market.other_buyer, ada)):
        for reply in (
            client.get(path_of(theirs)),
            client.delete(path_of(theirs), etag="*"),
            client.patch(path_of(theirs), {"name": "Mine"}, etag="*"),
        ):
            assert (reply.status, reply.json) == (404, unknown)
    assert names(gathering.buyer.get(listing, customer_id=gil["customer_id"])) == []
    assert stored() == before
    assert gathering.show(event)["registered"] == 2


def test_staff_register_for_a_customer_in_their_scope_which_they_name(gathering: Gathering) -> None:
    team, market = gathering.team, gathering.team.market
    event = gathering.publish()
    rep = team.rep.client
    nameless = gathering.try_registering(event, "Ada", by=rep)
    assert (nameless.status, nameless.json["errors"][0]["pointer"]) == (422, "/customer_id")
    registered = gathering.register(event, "Ada", by=rep, customer_id=market.customer["id"])[0]
    assert (registered["actor"]["name"], registered["subject"]["name"]) == ("Rhea", "Rhea")
    unknown = gathering.try_registering(event, "Bo", by=rep, customer_id="01kb0000000000000000000000")
    for by, customer in ((rep, market.other_customer), (gathering.buyer, market.other_customer)):
        reply = gathering.try_registering(event, "Bo", by=by, customer_id=customer["id"])
        assert (reply.status, reply.json) == (404, unknown.json)
    team.set_customer(active=False)
    inactive = gathering.try_registering(event, "Bo", by=gathering.owner, customer_id=market.customer["id"])
    assert (inactive.status, inactive.code) == (409, "customer_inactive")
    invited = gathering.publish(customer_ids=[market.other_customer["id"]])
    team.set_customer(active=True)
    refused = gathering.try_registering(invited, "Bo", by=rep, customer_id=market.customer["id"])
    assert (refused.status, refused.code) == (409, "not_invited")


def test_whoever_acts_registers_as_the_employee_and_says_who_it_is(gathering: Gathering) -> None:
    team, event = gathering.team, gathering.publish()
    about = {"customer_id": team.market.customer["id"], "employee_id": team.employee_id, "reason": "Asked", "minutes": 30}
    started = team.rep.client.post("/v1/acting-sessions", about)
    acting = gathering.owner.as_(started.json["token"])
    (ada,) = gathering.register(event, "Ada", by=acting)
    assert (ada["actor"]["name"], ada["subject"]["id"]) == ("Rhea", team.employee_id)
    assert acting.post("/v1/events", gathering.body()).code == "not_while_acting"


def test_a_participant_is_renamed_and_keeps_the_address(gathering: Gathering) -> None:
    event = gathering.publish()
    (ada,) = gathering.register(event, "Ada", phone="+49 40 1")
    changed = gathering.buyer.patch(path_of(ada), {"name": "Ada L.", "phone": None}, etag=ada["etag"])
    assert (changed.status, changed.json["name"], changed.json["phone"]) == (200, "Ada L.", None)
    assert changed.json["history"][-1]["changed"] == ["name", "phone"]
    assert gathering.buyer.patch(path_of(ada), {"name": "Late"}, etag=ada["etag"]).status == 412
    assert gathering.buyer.patch(path_of(ada), {"email": "x@y.test"}, etag="*").json["errors"][0]["pointer"] == "/email"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"email": "ada"}, "/email"),
        ({"email": "ada@bluedoor.test\r\nBcc: x@y.test"}, "/email"),
        ({"name": "Ada\nBcc: x"}, "/name"),
        ({"state": "registered"}, "/state"),
        ({"customer_id": "a b"}, "/customer_id"),
    ],
)
def test_who_is_nobody_is_refused(gathering: Gathering, fields: dict[str, str], pointer: str) -> None:
    event, person = gathering.publish(), {"name": "Ada", "email": "ada@bluedoor.test"}
    before = stored()
    refused = gathering.buyer.post(f"/v1/events/{event['id']}/participants", {**person, **fields})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
    assert stored() == before


def test_a_list_turns_page_after_page_and_tells_the_states_apart(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=2, waiting_list=True)
    everybody = gathering.register(event, *(f"P{index}" for index in range(5)))
    gathering.cancel(everybody[4])
    listing = f"/v1/events/{event['id']}/participants"
    for client in (gathering.owner, gathering.buyer, gathering.team.rep.client):
        page = client.get(listing, limit="3")
        rest = client.get(listing, limit="3", cursor=page.json["next_cursor"])
        assert sorted(names(page) + names(rest)) == [f"P{index}" for index in range(5)]
        assert rest.json["next_cursor"] is None
        assert sorted(names(client.get(listing, state="waiting"))) == ["P2", "P3"]
    other = f"/v1/events/{gathering.publish()['id']}/participants"
    wrong = gathering.owner.get(other, cursor=gathering.owner.get(listing, limit="3").json["next_cursor"])
    assert wrong.code == "invalid_cursor"


def test_an_export_neutralises_formulas_and_always_has_a_header(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=1, waiting_list=True)
    path = f"/v1/events/{event['id']}/participants.csv"
    empty = gathering.owner.get(path)
    assert empty.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    columns = "name,email,phone,customer_number,customer,state,place_in_line,registered_at,registered_by"
    assert empty.text == f"{columns}\r\n"
    assert gathering.try_registering(event, "=1+1", email="ada@bluedoor.test", phone="+49 40").status == 201
    gathering.register(event, "Bo")
    rows = list(csv.DictReader(io.StringIO(gathering.buyer.get(path).text)))
    found = {row["name"]: row for row in rows}
    assert set(found) == {"'=1+1", "Bo"}
    assert found["'=1+1"]["phone"] == "'+49 40"
    assert (found["Bo"]["state"], found["Bo"]["place_in_line"]) == ("waiting", "1")
    assert found["Bo"]["customer_number"] == gathering.team.market.customer["number"]
    assert found["Bo"]["registered_by"] == "Ida Holm"
    assert len(list(csv.DictReader(io.StringIO(gathering.owner.get(path, state="waiting").text)))) == 1


def test_a_rep_of_many_customers_exports_them_batch_by_batch(gathering: Gathering) -> None:
    event = gathering.publish()
    gathering.register(event, *(f"P{index}" for index in range(30)))
    with counted_calls() as calls:
        reply = gathering.team.rep.client.get(f"/v1/events/{event['id']}/participants.csv")
    assert len(reply.text.splitlines()) == 31
    assert len(calls) <= 3, calls


def test_a_registration_sent_twice_takes_one_place(gathering: Gathering) -> None:
    event = gathering.publish(participant_limit=5)
    body = {"name": "Ada", "email": "ada@bluedoor.test"}
    path = f"/v1/events/{event['id']}/participants"
    first, again = (gathering.buyer.post(path, body, key="once") for _ in range(2))
    assert (first.status, first.json) == (again.status, again.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert gathering.show(event)["registered"] == 1
    assert len(event_mails()) == 1


def test_a_rep_sees_a_participant_no_longer_once_the_customer_is_anothers(gathering: Gathering) -> None:
    team, event = gathering.team, gathering.publish()
    (ada,) = gathering.register(event, "Ada")
    assert team.rep.client.get(path_of(ada)).status == 200
    allocate(team.market.shop, team.market.customer, team.outsider)
    assert team.rep.client.get(path_of(ada)).status == 404
    assert team.outsider.client.get(path_of(ada)).status == 200


def test_whoever_comes_and_goes_all_the_time_is_told_to_stop(gathering: Gathering) -> None:
    event = gathering.publish()
    for _ in range(10):
        (ada,) = gathering.register(event, "Ada")
        assert gathering.cancel(ada).status == 204
    last = gathering.try_registering(event, "Ada")
    while last.status == 201:
        assert gathering.cancel(last.json).status == 204
        last = gathering.try_registering(event, "Ada")
    assert (last.status, last.code) == (409, "too_many_changes")
    assert len(event_mails()) <= 24
