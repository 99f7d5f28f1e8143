"""A reseller's first order in its portal makes it active, once; while it is suspended, it orders in no way at all."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import Market, Team, line
from tests.support.reps import allocate
from tests.support.resellers import Resale, enrolled, open_resale
from tests.support.table import counted_calls, stored


def resell(market: Market) -> tuple[Resale, dict[str, Any], Client]:
    """Approve a reseller in a channel at wholesale prices; returns it and its contact's client."""
    resale = open_resale(market.shop)
    path = f"/v1/reseller-channels/{resale.channel_id}"
    body = {"price_tier_id": market.shop.tier_id}
    assert market.owner.patch(path, body, etag=market.owner.get(path).json["etag"]).status == 200
    return resale, resale.approved(), resale.login()


def activations() -> list[str]:
    """Return which orders made resellers active."""
    return [line["details"]["order_id"] for line in stored("audit") if line["action"] == "reseller:activated"]


def fast_order(team: Team, reseller: dict[str, Any], buyer: Client, *lines: dict[str, Any]) -> dict[str, Any]:
    """Return an order for the reseller as a sales rep sends it."""
    about = {"customer_id": reseller["customer_id"], "employee_id": buyer.get("/v1/me").json["id"]}
    return team.body(*lines, **about)


def entrust(team: Team, reseller: dict[str, Any]) -> None:
    """Let the rep look after the reseller."""
    allocate(team.market.shop, team.market.owner.get(f"/v1/customers/{reseller['customer_id']}").json, team.rep)


def test_the_first_order_makes_a_reseller_active_and_the_second_changes_nothing(market: Market) -> None:
    resale, reseller, buyer = resell(market)
    with counted_calls() as calls:
        first = buyer.post("/v1/orders", market.body())
    assert (first.status, calls) == (201, ["BatchGetItem", "TransactWriteItems"]), first.text
    active = resale.show(reseller["id"])
    assert (active["status"], active["activated_at"]) == ("active", first.json["placed_at"])
    assert [(step["from"], step["to"], step["actor"]["name"]) for step in active["history"][-1:]] == [
        ("approved", "active", "Rea Sell")
    ]
    assert active["etag"] != reseller["etag"]
    assert active["allowed_transitions"] == ["suspend"]
    customer = market.owner.get(f"/v1/customers/{reseller['customer_id']}").json
    assert customer["reseller"] == {"id": reseller["id"], "status": "active", "channel_id": resale.channel_id}
    assert [each["id"] for each in market.owner.get("/v1/resellers", status="active").json["items"]] == [reseller["id"]]
    assert market.owner.get("/v1/resellers", status="approved").json["items"] == []
    assert buyer.post("/v1/orders", market.body()).status == 201
    assert resale.show(reseller["id"]) == active
    assert activations() == [first.json["id"]]


def test_two_first_orders_at_once_are_both_placed_and_activate_once(market: Market) -> None:
    resale, reseller, buyer = resell(market)
    replies: list[Reply] = []
    with meanwhile("TransactWriteItems", lambda: replies.append(buyer.post("/v1/orders", market.body()))):
        replies.append(buyer.post("/v1/orders", market.body()))
    # One process answers one request inside the other here, and forgets what status the outer one was to have.
    assert all(reply.status in {200, 201} for reply in replies), replies
    assert activations() == [replies[0].json["id"]]
    assert [step["to"] for step in resale.show(reseller["id"])["history"]].count("active") == 1
    assert len(stored("order")) == 2


def test_a_retried_first_order_activates_once(market: Market) -> None:
    _, _, buyer = resell(market)
    replies = [buyer.post("/v1/orders", market.body(), key="once") for _ in range(2)]
    assert replies[0].json == replies[1].json
    assert (len(activations()), len(stored("order"))) == (1, 1)


def test_an_order_for_which_the_reseller_acts_through_a_rep_is_one_in_its_portal(team: Team) -> None:
    resale, reseller, buyer = resell(team.market)
    entrust(team, reseller)
    about = {"customer_id": reseller["customer_id"], "employee_id": buyer.get("/v1/me").json["id"]}
    started = team.rep.client.post("/v1/acting-sessions", {**about, "reason": "By telephone", "minutes": 30})
    acting = team.rep.client.as_(started.json["token"])
    assert acting.post("/v1/orders", team.market.body()).json["source"] == "portal"
    active = resale.show(reseller["id"])
    assert (active["status"], active["history"][-1]["actor"]["name"]) == ("active", "Rhea")


@pytest.mark.parametrize("source", ["api", "inventory_source"])
def test_a_first_order_by_key_makes_a_reseller_active_once(market: Market, source: str) -> None:
    resale, reseller, _ = resell(market)
    made = market.owner.post(f"/v1/resellers/{reseller['id']}/api-keys", {"name": "Web shop", "scopes": ["orders:write"]})
    assert made.status == 201, made.text
    key = market.owner.as_(made.json["key"])
    placed = [key.post("/v1/orders", market.body(source=source)) for _ in range(2)]
    assert [(reply.status, reply.json["source"]) for reply in placed] == [(201, source)] * 2, placed[0].text
    assert (resale.show(reseller["id"])["status"], activations()) == ("active", [placed[0].json["id"]])
    resale.decide(reseller["id"], "suspend")
    assert key.post("/v1/orders", market.body()).status >= 400
    assert len(stored("order")) == 2


def test_a_fast_order_and_an_accepted_offer_activate_nobody(team: Team) -> None:
    resale, reseller, buyer = resell(team.market)
    entrust(team, reseller)
    for price, status in ((None, "received"), (1, "awaiting_approval")):
        placed = team.rep.client.post("/v1/orders", fast_order(team, reseller, buyer, line("A-1", 1, price=price)))
        assert (placed.status, placed.json["status"]) == (201, status), placed.text
    assert offered(team, reseller, buyer)().json["order_id"]
    assert resale.show(reseller["id"])["status"] == "approved"
    assert activations() == []


def offered(team: Team, reseller: dict[str, Any], buyer: Client) -> Any:
    """Return what accepts an offer that the rep has sent to a reseller."""
    offer = team.rep.client.post(
        "/v1/offers", {"customer_id": reseller["customer_id"], "lines": [{"product_number": "A-1", "quantity": 1}]}
    )
    assert offer.status == 201, offer.text
    etag = {"If-Match": offer.headers["etag"]}
    sent = team.rep.client.post(f"/v1/offers/{offer.json['id']}/send", headers=etag)
    assert sent.status == 200, sent.text
    return lambda: buyer.post(f"/v1/offers/{offer.json['id']}/accept", {"version": sent.json["version"]})


def ways(team: Team, reseller: dict[str, Any], buyer: Client) -> dict[str, Any]:
    """Return every way in which an order for a reseller can come."""
    body, rep = team.market.body(), team.rep.client
    fast = fast_order(team, reseller, buyer, line("A-1", 1))
    about = {"customer_id": reseller["customer_id"], "employee_id": fast["employee_id"]}
    started = rep.post("/v1/acting-sessions", {**about, "reason": "By telephone", "minutes": 30})
    acting = rep.as_(started.json["token"])
    return {
        "portal": lambda: buyer.post("/v1/orders", body),
        "preview": lambda: buyer.post("/v1/order-previews", body),
        "fast order": lambda: rep.post("/v1/orders", fast),
        "fast order that waits": lambda: rep.post("/v1/orders", fast_order(team, reseller, buyer, line("A-1", 1, price=1))),
        "preview of a fast order": lambda: rep.post("/v1/order-previews", fast),
        "acting": lambda: acting.post("/v1/orders", body),
        "offer": offered(team, reseller, buyer),
    }


def test_a_suspended_reseller_orders_in_no_way_and_in_every_way_once_it_is_reinstated(team: Team) -> None:
    resale, reseller, buyer = resell(team.market)
    entrust(team, reseller)
    every = ways(team, reseller, buyer)
    resale.decide(reseller["id"], "suspend", reason="A look at the books")
    for way, order in every.items():
        reply = order()
        assert (reply.status, reply.code) == (409, "reseller_suspended"), (way, reply.text)
    assert stored("order") == []
    assert buyer.get("/v1/me").status == buyer.get("/v1/products").status == 200, "it may still look around"
    resale.decide(reseller["id"], "reinstate")
    for way, order in every.items():
        reply = order()
        assert reply.status in {200, 201}, (way, reply.text)


@pytest.mark.parametrize("way", ["portal", "fast order", "fast order that waits", "acting", "offer"])
def test_an_order_that_is_on_its_way_while_the_reseller_is_suspended_is_refused(team: Team, way: str) -> None:
    resale, reseller, buyer = resell(team.market)
    entrust(team, reseller)
    order = ways(team, reseller, buyer)[way]
    with meanwhile("TransactWriteItems", lambda: resale.decide(reseller["id"], "suspend")):
        reply = order()
    assert (reply.status, reply.code) == (409, "reseller_suspended"), reply.text
    assert stored("order") == []
    assert resale.show(reseller["id"])["status"] == "suspended"


def test_a_reseller_that_was_active_is_active_again_and_one_that_was_not_becomes_so_by_its_first_order(market: Market) -> None:
    resale, reseller, buyer = resell(market)
    resale.decide(reseller["id"], "suspend")
    assert resale.decide(reseller["id"], "reinstate")["status"] == "approved"
    assert buyer.post("/v1/orders", market.body()).status == 201
    resale.decide(reseller["id"], "suspend")
    assert resale.decide(reseller["id"], "reinstate")["status"] == "active"
    assert buyer.post("/v1/orders", market.body()).status == 201
    assert len(activations()) == 1


def test_customers_that_are_no_resellers_order_as_ever(market: Market) -> None:
    enrolled("acme", market.customer["email"])
    assert market.place()["status"] == "received"
    assert activations() == []
