"""Consent to activity tracking: each decision is dated, and the last one holds."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.ordering import send_event
from tests.support.table import stored
from tests.support.world import Shop


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
