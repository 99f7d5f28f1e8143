"""Placing an order by API key: from a reseller's own system, as its contact or another of its employees."""

import pytest

from tests.support.api_keys import Keyed, colleague, open_keyed
from tests.support.client import Client
from tests.support.ordering import Market
from tests.support.table import stored
from tests.support.world import euros


@pytest.fixture
def keyed(market: Market) -> Keyed:
    """The market, whose buyer's customer is a reseller."""
    return open_keyed(market)


@pytest.fixture
def key(keyed: Keyed) -> Client:
    """A client with a key that may order and read."""
    return keyed.client("orders:read", "orders:write")


def test_a_key_orders_as_the_contact_and_both_are_noted(keyed: Keyed) -> None:
    # Given a key
    made = keyed.make("orders:write", name="Web shop")
    # When it sends an order
    reply = keyed.of(made).post("/v1/orders", keyed.market.body())
    # Then the order is the contact's, at its prices, from the reseller's own system
    assert reply.status == 201, reply.text
    order = reply.json
    contact = {"type": "member", "id": made["member_id"], "name": "Ida Holm"}
    itself = {"type": "api_key", "id": made["id"], "name": "Web shop"}
    assert (order["source"], order["customer_id"], order["employee_id"]) == (
        "api",
        keyed.market.customer["id"],
        made["member_id"],
    )
    assert (order["actor"], order["subject"]) == (itself, contact)
    assert order["total"] == euros(2 * 1250 + 3 * 99 + 590)
    # And so says its audit line, and the customer is told
    (line,) = [line for line in stored("audit") if line["action"] == "order:placed"]
    assert (line["target"], line["actor"], line["subject"]) == (order["id"], itself, contact)
    assert [item["message"]["order_id"] for item in stored("outbox") if item["message"]["type"] == "order"] == [order["id"]]
    # And the contact finds it among its own
    assert keyed.market.buyer.get(f"/v1/orders/{order['id']}").json["source"] == "api"


def test_a_key_may_say_that_an_order_comes_from_the_inventory(keyed: Keyed, key: Client) -> None:
    for source in ("api", "inventory_source"):
        assert key.post("/v1/orders", keyed.market.body(source=source)).json["source"] == source
        assert key.post("/v1/order-previews", keyed.market.body(source=source), key=None).status == 200
    before = len(stored("order"))
    for source in ("portal", "fast_order", "offer"):
        reply = key.post("/v1/orders", keyed.market.body(source=source))
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "source_not_allowed", "/source")
    for source in ("api", "inventory_source"):
        reply = keyed.market.buyer.post("/v1/orders", keyed.market.body(source=source))
        assert (reply.status, reply.code) == (422, "source_not_allowed")
    assert len(stored("order")) == before


def test_a_key_may_order_for_another_employee_of_its_customer_alone(keyed: Keyed, key: Client) -> None:
    market = keyed.market
    uma = colleague(market.shop, market.customer["id"]).get("/v1/me").json["id"]
    theirs = market.other_buyer.get("/v1/me").json["id"]
    order = key.post("/v1/orders", market.body(employee_id=uma, customer_id=market.customer["id"])).json
    assert (order["employee_id"], order["actor"]["type"]) == (uma, "api_key")
    for wrong in ({"employee_id": theirs}, {"employee_id": "acme.nobody"}, {"customer_id": market.other_customer["id"]}):
        reply = key.post("/v1/orders", market.body(**wrong))
        assert (reply.status, reply.code) == (404, "not_found")
    assert len(stored("order")) == 1


def test_prices_are_locked_for_a_key_as_for_a_buyer(keyed: Keyed, key: Client) -> None:
    lines = [{"product_number": "A-1", "quantity": 1, "unit_price": euros(1), "reason": "Scratched"}]
    for body in (keyed.market.body(lines=lines), keyed.market.body(shipping_cost=euros(0), shipping_reason="Free")):
        ours, buyers = (client.post("/v1/orders", body) for client in (key, keyed.market.buyer))
        assert (ours.status, ours.json) == (buyers.status, buyers.json)
        assert ours.status in {403, 422}
    assert stored("order") == []


def test_a_key_holds_an_order_against_its_preview(keyed: Keyed, key: Client) -> None:
    seen = key.post("/v1/order-previews", keyed.market.body(), key=None).json
    assert key.post("/v1/orders", keyed.market.body(price_hash=seen["price_hash"])).status == 201
    keyed.market.reprice("A-1", 1300)
    reply = key.post("/v1/orders", keyed.market.body(price_hash=seen["price_hash"]))
    assert (reply.status, reply.code) == (409, "price_changed")


def test_a_retry_by_the_same_key_gets_the_same_order_and_another_key_places_its_own(keyed: Keyed, key: Client) -> None:
    first, again = (key.post("/v1/orders", keyed.market.body(), key="once") for _ in range(2))
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert "ratelimit" in again.headers
    other = keyed.client("orders:write").post("/v1/orders", keyed.market.body(), key="once")
    person = keyed.market.buyer.post("/v1/orders", keyed.market.body(), key="once")
    assert len({first.json["id"], other.json["id"], person.json["id"]}) == len(stored("order")) == 3


def test_a_key_cancels_an_order_of_its_customer_until_it_is_confirmed(keyed: Keyed, key: Client) -> None:
    order, confirmed = keyed.market.place(), keyed.market.move(keyed.market.place(), "confirm")
    assert keyed.market.step(order, "cancel", by=key).json["status"] == "cancelled"
    reply = keyed.market.step(confirmed, "cancel", by=key)
    assert (reply.status, reply.code) == (409, "invalid_transition")
    theirs = keyed.market.place(buyer=keyed.market.other_buyer)
    assert keyed.market.step(theirs, "cancel", by=key).status == 404
