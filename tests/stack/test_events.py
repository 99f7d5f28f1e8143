"""A crowd wants the places of an event: each is taken once, the line is in order, and nobody is overtaken."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.deployed import Deployed, at_once
from tests.support.functions import Reply
from tests.support.world import Shop
from tradepost.domain.clock import stamp

pytestmark = pytest.mark.stack


def _published(shop: Shop, **fields: Any) -> dict[str, Any]:
    starts_at = datetime.now(UTC) + timedelta(days=30)
    times = {"starts_at": stamp(starts_at), "ends_at": stamp(starts_at + timedelta(hours=2))}
    drafted = shop.owner.post("/v1/events", {"title": "Spring tasting", "place": "Pier 3", **times, **fields})
    published = shop.owner.post(f"/v1/events/{drafted.json['id']}/publish", headers={"If-Match": drafted.headers["etag"]})
    assert published.status == 200, published.text
    return dict(published.json)


def _registered(shop: Shop, event: dict[str, Any], customer_id: str, name: str) -> Reply:
    body = {"name": name, "email": f"{name.lower()}@bluedoor.test", "customer_id": customer_id}
    return shop.owner.post(f"/v1/events/{event['id']}/participants", body)


def _line(shop: Shop, event: dict[str, Any]) -> list[dict[str, Any]]:
    listed = shop.owner.get(f"/v1/events/{event['id']}/participants", state="waiting", limit="100").json["items"]
    return sorted(listed, key=lambda waiting: waiting["place_in_line"])


def test_of_fifty_who_want_the_last_place_one_gets_it_and_ten_wait(shop: Shop, deployed: Deployed) -> None:
    customer_id = shop.add_customer()["id"]
    event = _published(shop, participant_limit=2, waiting_list=10)
    assert _registered(shop, event, customer_id, "First").status == 201

    replies = at_once([partial(_registered, shop, event, customer_id, f"P{index}") for index in range(50)])

    outcome = Counter((reply.status, reply.json.get("state"), reply.code) for reply in replies)
    assert outcome == {(201, "registered", None): 1, (201, "waiting", None): 10, (409, None, "event_full"): 39}
    told = {reply.json["id"]: reply.json["place_in_line"] for reply in replies if reply.json.get("state") == "waiting"}
    assert sorted(told.values()) == list(range(1, 11))
    deployed.settle(shop.slug)
    assert {waiting["id"]: waiting["place_in_line"] for waiting in _line(shop, event)} == told
    shown = shop.owner.get(f"/v1/events/{event['id']}").json
    assert (shown["registered"], shown["waiting"], shown["free"]) == (2, 10, 0)


def test_of_many_who_cancel_at_once_each_hands_its_place_to_the_next_in_line(shop: Shop, deployed: Deployed) -> None:
    customer_id = shop.add_customer()["id"]
    event = _published(shop, participant_limit=8, waiting_list=True)
    people = [_registered(shop, event, customer_id, f"P{index}").json for index in range(14)]
    path = f"/v1/events/{event['id']}/participants"

    replies = at_once([partial(shop.owner.delete, f"{path}/{each['id']}", etag="*") for each in people[:4]])

    assert {reply.status for reply in replies} == {204}
    deployed.settle(shop.slug)
    shown = shop.owner.get(f"/v1/events/{event['id']}").json
    assert (shown["registered"], shown["waiting"], shown["free"]) == (8, 2, 0)
    assert [waiting["name"] for waiting in _line(shop, event)] == ["P12", "P13"]
