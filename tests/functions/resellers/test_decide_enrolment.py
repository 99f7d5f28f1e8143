"""The rules decide about each reseller once: whatever is delivered again, late or beside a decision by hand changes nothing."""

import json
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import ROOT, Context, run
from tests.support.mail import announced, waiting_on
from tests.support.resellers import EMAIL, Resale, announce, consume, decide, enrolled, write_rule
from tests.support.table import counted_calls, stored
from tradepost.domain.ids import person_key
from tradepost.domain.rules import RuleScope
from tradepost.table.shapes import Key

GERMAN = {"field": "country", "op": "eq", "value": "DE"}
DANISH = {"field": "country", "op": "eq", "value": "DK"}


@pytest.fixture(autouse=True)
def _automatic(resale: Resale) -> None:
    resale.set_store(auto_approve_resellers=True)


def told() -> list[str]:
    """Return what is mailed about resellers."""
    return [each["event"] for each in announced() if each["type"] == "reseller"]


def enrolment(email: str = EMAIL, **fields: Any) -> tuple[str, Key]:
    """Return a reseller that has just confirmed its address, and the message that says so."""
    reseller_id = enrolled("acme", email, **fields)
    return reseller_id, announce("acme", reseller_id)


def test_where_no_rule_matches_whoever_enrolled_is_approved(resale: Resale) -> None:
    write_rule("acme", "deny", DANISH)
    reseller_id, key = enrolment()
    event = (ROOT / "events" / "resellers" / "decide_enrolment.confirmed.json").read_text().replace("OUTBOX_PK", key.pk)
    assert run("resellers/decide_enrolment", json.loads(event)) == {"batchItemFailures": []}
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["channel_id"], shown["trace"]) == ("approved", resale.channel_id, [])
    assert shown["decided_by"]["type"] == "system"
    assert shown["history"][-1]["actor"]["type"] == "system"
    assert resale.login().get("/v1/me").json["customer_id"] == shown["customer_id"]
    assert told() == ["approved"]
    assert waiting_on("enrolment") == []


def test_what_there_is_no_time_left_for_is_given_back_undecided(resale: Resale, monkeypatch: pytest.MonkeyPatch) -> None:
    reseller_id, key = enrolment()
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", staticmethod(lambda: 3_000))
    assert len(decide(key)) == 1
    assert resale.show(reseller_id)["status"] == "pending"
    monkeypatch.undo()
    assert decide(key) == []


def test_a_rule_that_approves_is_named_with_its_version_and_what_it_found(resale: Resale) -> None:
    rule = write_rule("acme", "approve", GERMAN, reason="From here")
    reseller_id, key = enrolment()
    assert decide(key) == []
    shown = resale.show(reseller_id)
    step = shown["history"][-1]
    assert (shown["status"], shown["reason"]) == ("approved", "From here")
    assert (step["rule_id"], step["rule_version"], step["reason"]) == (rule.id, rule.version, "From here")
    assert [(line["field"], line["actual"], line["result"]) for line in shown["trace"]] == [("country", "DE", True)]
    [line] = [line for line in stored("audit") if line["action"] == "reseller:decided"]
    assert (line["details"]["rule"], line["details"]["rule_version"]) == (rule.id, rule.version)
    assert line["actor"]["type"] == "system"


def test_a_rule_that_denies_makes_no_customer_and_tells_the_reseller(resale: Resale) -> None:
    write_rule("acme", "deny", GERMAN, reason="Not in this country")
    reseller_id, key = enrolment()
    assert decide(key) == []
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["reason"], shown["customer_id"]) == ("denied", "Not in this country", None)
    assert (stored("customer"), told()) == ([], ["denied"])


def test_a_rule_that_wants_a_review_leaves_it_pending_with_the_reason_and_tells_the_store(resale: Resale) -> None:
    rule = write_rule("acme", "review", {"always": True}, reason="Ring them up")
    reseller_id, key = enrolment()
    assert decide(key) == []
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["reason"], shown["decided_by"]) == ("pending", "Ring them up", None)
    step = shown["history"][-1]
    assert (step["from"], step["to"], step["rule_id"]) == ("pending", "pending", rule.id)
    assert (stored("customer"), told()) == ([], ["enrolled"])
    by_hand = resale.decide(reseller_id, "approve")
    assert (by_hand["status"], by_hand["reason"], by_hand["trace"]) == ("approved", None, shown["trace"])


def test_the_first_rule_that_matches_decides_and_a_resellers_own_comes_first(resale: Resale) -> None:
    write_rule("acme", "deny", GERMAN, priority=5)
    write_rule("acme", "approve", GERMAN, priority=6)
    own = RuleScope(type="reseller", id=person_key("own@resell.test"))
    _, first = enrolment()
    own_id, second = enrolment("own@resell.test")
    write_rule("acme", "approve", {"always": True}, priority=9, scope=own)
    assert decide(first, second) == []
    assert [item["status"] for item in stored("reseller") if item["id"] == own_id] == ["approved"]
    assert sorted(item["status"] for item in stored("reseller")) == ["approved", "denied"]


def test_a_rule_that_is_switched_off_decides_nothing(resale: Resale) -> None:
    write_rule("acme", "deny", GERMAN, enabled=False)
    reseller_id, key = enrolment()
    decide(key)
    assert resale.show(reseller_id)["status"] == "approved"


def test_once_automatic_approval_is_switched_off_it_waits_for_somebody(resale: Resale) -> None:
    write_rule("acme", "approve", {"always": True})
    reseller_id, key = enrolment()
    resale.set_store(auto_approve_resellers=False)
    assert decide(key) == []
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["reason"]) == ("pending", "auto_approval_off")
    assert (stored("customer"), told(), waiting_on("enrolment")) == ([], ["enrolled"], [])


def test_of_several_channels_the_default_one_serves(resale: Resale) -> None:
    other = resale.add_channel("Marketplaces")
    resale.set_store(default_channel_id=other)
    reseller_id, key = enrolment()
    with counted_calls() as calls:
        assert decide(key) == []
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    assert resale.show(reseller_id)["channel_id"] == other


@pytest.mark.parametrize("channels", [0, 2])
def test_without_a_channel_to_come_into_it_waits_for_somebody(resale: Resale, channels: int) -> None:
    rule = write_rule("acme", "approve", {"always": True})
    path = f"/v1/reseller-channels/{resale.channel_id}"
    if channels:
        resale.add_channel("Marketplaces")
    else:
        assert resale.owner.delete(path, etag=resale.owner.get(path).json["etag"]).status == 204
    reseller_id, key = enrolment()
    assert decide(key) == []
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["reason"], shown["history"][-1]["rule_id"]) == ("pending", "channel_required", rule.id)
    assert told() == ["enrolled"]


def test_whose_address_another_customer_has_waits_for_somebody(resale: Resale) -> None:
    resale.shop.add_customer("Other", EMAIL)
    reseller_id, key = enrolment()
    assert decide(key) == []
    shown = resale.show(reseller_id)
    assert (shown["status"], shown["reason"]) == ("pending", "email_taken")
    assert (len(stored("customer")), waiting_on("enrolment")) == (1, [])


def test_three_deliveries_of_one_message_decide_once(resale: Resale) -> None:
    reseller_id, key = enrolment()
    assert decide(key, key, key) == []
    after = stored()
    assert decide(key) == []
    assert stored() == after
    assert len(resale.show(reseller_id)["history"]) == 2


def test_two_workers_at_one_message_decide_once(resale: Resale) -> None:
    reseller_id, key = enrolment()
    with meanwhile("TransactWriteItems", lambda: decide(key)):
        assert decide(key) == []
    assert (len(stored("customer")), told()) == (1, ["approved"])
    assert len(resale.show(reseller_id)["history"]) == 2


@pytest.mark.parametrize("moves", [["approve"], ["deny"], ["approve", "suspend"], ["deny", "approve"]])
def test_after_a_decision_by_hand_nothing_more_happens_and_the_message_is_done(resale: Resale, moves: list[str]) -> None:
    reseller_id, key = enrolment()
    for move in moves:
        resale.decide(reseller_id, move)
    before, mails = resale.show(reseller_id), told()
    assert decide(key) == []
    assert (resale.show(reseller_id), told(), waiting_on("enrolment")) == (before, mails, [])


def test_a_decision_by_hand_at_the_same_moment_wins(resale: Resale) -> None:
    for move, status in (("deny", "denied"), ("approve", "approved")):
        reseller_id, key = enrolment(f"{move}@resell.test")
        with meanwhile("TransactWriteItems", lambda reseller_id=reseller_id, move=move: resale.decide(reseller_id, move)):  # type: ignore[misc]  # its parameters are bound
            assert decide(key) == []
        shown = resale.show(reseller_id)
        assert (shown["status"], shown["decided_by"]["name"]) == (status, "Ola Nordmann")
    assert waiting_on("enrolment") == []
    assert told() == ["denied", "approved"]


def test_the_rules_win_over_a_decision_by_hand_that_comes_later(resale: Resale) -> None:
    reseller_id, key = enrolment()
    with meanwhile("TransactWriteItems", lambda: decide(key)):
        reply = resale.owner.post(f"/v1/resellers/{reseller_id}/approve")
    assert (reply.status, reply.code) == (409, "invalid_transition")
    assert len(stored("customer")) == 1
    assert resale.show(reseller_id)["decided_by"]["type"] == "system"


def test_a_reseller_that_is_gone_or_back_at_the_start_ends_the_message(resale: Resale) -> None:
    keys = [announce("acme", person_key("nobody@resell.test"))]
    _, key = enrolment("late@resell.test", status="unconfirmed")
    assert decide(*keys, key) == []
    assert (waiting_on("enrolment"), stored("customer")) == ([], [])


@pytest.mark.parametrize("body", ["nonsense", "5", "{}", '{"pk": "STORE#acme", "sk": "STORE"}', '{"pk": 5, "sk": "OUTBOX"}'])
def test_a_message_that_cannot_be_understood_fails_alone(resale: Resale, body: str) -> None:
    first, second = enrolment("a@resell.test"), enrolment("b@resell.test")
    assert consume([json.dumps(first[1]._asdict()), body, json.dumps(second[1]._asdict())]) == ["1"]
    assert [item["status"] for item in stored("reseller")] == ["approved", "approved"]


def test_a_message_of_another_kind_is_left_alone(resale: Resale) -> None:
    resale.decide(enrolled("acme"), "deny")
    [mail] = waiting_on("mail")
    assert decide(mail) == []
    assert waiting_on("mail") == [mail]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_leaves_it_to_the_next_delivery(resale: Resale, time: Clock, when: Any) -> None:
    reseller_id, key = enrolment()
    before = stored()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), when=when, times=9):
        assert decide(key) == ["0"]
    if when == "before":
        assert stored() == before
    time.advance(minutes=1)
    assert decide(key) == []
    assert resale.login().get("/v1/me").status == 200
    assert (resale.show(reseller_id)["status"], len(stored("customer")), told()) == ("approved", 1, ["approved"])
