"""Consent to activity tracking: each decision is dated, and the last one holds."""

from functools import partial
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.ordering import send_event
from tests.support.reps import hire
from tests.support.table import stored
from tests.support.world import Shop
from tradepost.domain.clock import stamp


def test_every_decision_is_dated_and_names_the_text(shop: Shop, time: Clock) -> None:
    buyer = shop.join(shop.add_customer())
    first = send_event("identity/set_activity_consent.allowed", TOKEN=buyer.token)
    assert (first.status, first.json["allowed"], len(first.json["history"])) == (200, True, 1)
    time.advance(minutes=1)
    second = buyer.put("/v1/me/activity-consent", {"allowed": False})
    decisions = second.json["history"]
    assert [decision["allowed"] for decision in decisions] == [True, False]
    assert decisions[0]["at"] < decisions[1]["at"]
    assert {decision["text_version"] for decision in decisions} == {"2026-11"}
    assert buyer.get("/v1/me").json["activity_consent"] is False
    lines = [line for line in stored("audit") if line["action"] == "activity_consent:set"]
    assert [line["details"] for line in lines] == [{"allowed": True}, {"allowed": False}]


def test_the_same_decision_again_changes_nothing(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    first = buyer.put("/v1/me/activity-consent", {"allowed": True})
    before = stored()
    again = buyer.put("/v1/me/activity-consent", {"allowed": True})
    assert (again.status, again.json) == (200, first.json)
    assert stored() == before


def test_an_owner_has_nothing_to_consent_to(shop: Shop) -> None:
    reply = shop.owner.put("/v1/me/activity-consent", {"allowed": True})
    assert (reply.status, reply.code) == (403, "forbidden")


@pytest.mark.parametrize(
    "body", [{}, {"allowed": "yes"}, {"allowed": 1}, {"allowed": None}, {"allowed": True, "until": "2027"}]
)
def test_a_decision_that_is_none_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    buyer = shop.join(shop.add_customer())
    before = stored()
    assert buyer.put("/v1/me/activity-consent", body).status == 422
    assert stored() == before


def test_a_decision_about_an_older_state_is_refused_if_the_caller_names_it(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    etag = buyer.get("/v1/me").json["etag"]
    assert buyer.put("/v1/me/activity-consent", {"allowed": True}, etag=etag).status == 200
    assert buyer.put("/v1/me/activity-consent", {"allowed": False}, etag=etag).code == "stale"


def decide(client: Client, *, allowed: bool) -> Any:
    """Decide, and return the answer."""
    reply = client.put("/v1/me/activity-consent", {"allowed": allowed})
    assert reply.status == 200, reply.text
    return reply.json


def announced() -> list[dict[str, Any]]:
    """Return the erasures that were announced, in the order of the withdrawals."""
    items = [item for item in stored("outbox") if item["message"]["type"] == "erasure"]
    return sorted(items, key=lambda item: int(item["message"]["withdrawal"]))


def test_one_sees_ones_own_decisions_and_the_version_of_the_text_that_is_shown_now(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    assert buyer.get("/v1/me/activity-consent").json == {
        "allowed": False,
        "text_version": "2026-11",
        "history": [],
        "etag": '"1"',
    }
    answer = decide(buyer, allowed=True)
    shown = buyer.get("/v1/me/activity-consent")
    assert (shown.status, shown.json, shown.headers["etag"]) == (200, answer, answer["etag"])
    assert shop.owner.get("/v1/me/activity-consent").code == "forbidden"
    rep = hire(shop, access="all")
    assert rep.client.get("/v1/me/activity-consent").json["history"] == []
    body = {"customer_id": customer["id"], "employee_id": buyer.get("/v1/me").json["id"], "reason": "Asked", "minutes": 5}
    acting = rep.client.as_(rep.client.post("/v1/acting-sessions", body).json["token"])
    assert acting.get("/v1/me/activity-consent").code == "not_while_acting"


def test_nobody_agrees_to_another_text_than_the_present_one_but_everybody_may_withdraw(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    before = stored()
    refused = buyer.put("/v1/me/activity-consent", {"allowed": True, "text_version": "2025-01"})
    assert (refused.status, refused.code, refused.json["pointer"]) == (409, "consent_text_changed", "/text_version")
    assert buyer.put("/v1/me/activity-consent", {"allowed": True, "text_version": ""}).code == "consent_text_changed"
    assert buyer.put("/v1/me/activity-consent", {"allowed": True, "text_version": 2026}).status == 422
    assert buyer.put("/v1/me/activity-consent", {"allowed": True, "text_version": "x" * 201}).status == 422
    assert stored() == before
    assert buyer.put("/v1/me/activity-consent", {"allowed": True, "text_version": "2026-11"}).json["allowed"] is True
    assert buyer.put("/v1/me/activity-consent", {"allowed": False, "text_version": "2025-01"}).json["allowed"] is False


def test_a_withdrawal_is_numbered_kept_and_announced_in_one(shop: Shop, time: Clock) -> None:
    customer = shop.add_customer()
    buyer, rep = shop.join(customer), hire(shop).client
    given = time.at
    for client in (buyer, rep):
        decide(client, allowed=True)
    assert (stored("withdrawal"), announced()) == ([], [])
    time.advance(hours=1)
    decide(buyer, allowed=False)
    decide(rep, allowed=False)
    decide(buyer, allowed=True)
    decide(buyer, allowed=False)
    ids = [client.get("/v1/me").json["id"] for client in (buyer, rep, buyer)]
    kept = stored("withdrawal")
    assert [(each["number"], each["member_id"], each["consent"]) for each in kept] == [
        *zip((1, 2, 3), ids, (1, 1, 3), strict=True)
    ]
    assert [each["customer_id"] for each in kept] == [customer["id"], None, customer["id"]]
    assert [each["since"] for each in kept] == [stamp(given), stamp(given), stamp(time.at)]
    assert {(each["at"], each["person"], each["erasing_since"]) for each in kept} == {(stamp(time.at), False, None)}
    [store] = stored("store")
    assert store["withdrawals"] == 3
    messages = [item["message"] for item in announced()]
    assert [(each["member_id"], each["consent"], each["withdrawal"]) for each in messages] == [
        (ids[0], 1, 1),
        (ids[1], 1, 2),
        (ids[0], 3, 3),
    ]
    assert {(item["due_at"], item["message"]["person"]) for item in announced()} == {(None, False)}


def test_erasing_waits_for_as_long_as_the_store_says(shop: Shop, time: Clock) -> None:
    assert shop.owner.patch("/v1/store", {"activity_erasure_days": 7}, etag="*").status == 200
    buyer = shop.join(shop.add_customer())
    decide(buyer, allowed=True)
    decide(buyer, allowed=False)
    begun = time.at
    time.advance(days=7)
    assert [item["due_at"] for item in announced()] == [stamp(time.at)]
    assert stored("withdrawal")[0]["at"] == stamp(begun)


def test_who_had_not_allowed_it_withdraws_nothing(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    decide(buyer, allowed=False)
    decide(buyer, allowed=False)
    assert (stored("withdrawal"), announced()) == ([], [])


def test_two_people_withdraw_at_once_and_are_numbered_without_a_gap(shop: Shop) -> None:
    buyer, rep = shop.join(shop.add_customer()), hire(shop).client
    for client in (buyer, rep):
        decide(client, allowed=True)
    with meanwhile("TransactWriteItems", partial(decide, rep, allowed=False)):
        assert decide(buyer, allowed=False)["allowed"] is False
    ids = [client.get("/v1/me").json["id"] for client in (rep, buyer)]
    assert [(each["number"], each["member_id"]) for each in stored("withdrawal")] == [(1, ids[0]), (2, ids[1])]
    assert [item["message"]["member_id"] for item in announced()] == ids
    assert stored("store")[0]["withdrawals"] == 2


def test_a_withdrawal_sent_twice_at_once_counts_once(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    decide(buyer, allowed=True)
    with meanwhile("TransactWriteItems", partial(decide, buyer, allowed=False)):
        assert len(decide(buyer, allowed=False)["history"]) == 2
    assert len(stored("withdrawal")) == len(announced()) == 1


def test_who_loses_the_place_while_deciding_is_not_brought_back(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    decide(buyer, allowed=True)
    revoke = partial(shop.owner.post, "/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    with meanwhile("TransactWriteItems", revoke):
        reply = buyer.put("/v1/me/activity-consent", {"allowed": False})
    assert (reply.status, reply.code) == (404, "not_found")
    [place] = [each for each in stored("member") if each["customer_id"] == customer["id"]]
    assert (place["status"], len(place["consents"])) == ("revoked", 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_leaves_the_withdrawal_whole_or_undone(shop: Shop, when: Any) -> None:
    buyer = shop.join(shop.add_customer())
    decide(buyer, allowed=True)
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), when=when):
        assert buyer.put("/v1/me/activity-consent", {"allowed": False}).status == 500
    assert len(stored("withdrawal")) == len(announced()) == stored("store")[0]["withdrawals"] == (when == "after")
    decide(buyer, allowed=False)
    assert len(stored("withdrawal")) == len(announced()) == stored("store")[0]["withdrawals"] == 1
