"""Placing an order: at the listed prices, once, whole or not at all."""

import secrets
from typing import Any

import pytest

from tests.support.ordering import Market, send_event
from tests.support.table import counted_calls, stored
from tests.support.world import ADDRESS, euros

QUAY = {"street": "Quay 9", "postal_code": "0150", "city": "Oslo", "country": "NO"}


def test_a_buyer_places_an_order_and_the_customer_is_told(market: Market) -> None:
    # When a buyer sends an order
    shipping, payment = (market.options[name][0]["id"] for name in ("shipping_methods", "payment_methods"))
    reply = send_event(
        "orders/place_order.two_lines",
        TOKEN=market.buyer.token,
        SHIPPING_METHOD=shipping,
        PAYMENT_METHOD=payment,
    )
    # Then it is received as sent, at the listed prices
    assert reply.status == 201
    order = reply.json
    me = market.buyer.get("/v1/orders/" + order["id"]).json["actor"]["id"]
    assert (order["status"], order["source"], order["customer_id"], order["employee_id"]) == (
        "received",
        "portal",
        market.customer["id"],
        me,
    )
    assert order["actor"] == order["subject"] == {"type": "member", "id": me, "name": "Ida Holm"}
    assert order["lines"][0] == {
        "product_number": "A-1",
        "name": "Product A-1",
        "quantity": 2,
        "list_price": euros(1250),
        "unit_price": euros(1250),
        "total": euros(2500),
        "override_reason": None,
    }
    assert order["total"] == euros(2 * 1250 + 3 * 99 + 590)
    assert reply.headers["etag"] == order["etag"]
    # And it is stored with its audit line and one message
    (kept,) = stored("order")
    assert (kept["id"], kept["number"], kept["total"]) == (order["id"], order["number"], order["total"])
    assert [message["message"] for message in stored("outbox") if message["message"]["type"] == "order"] == [
        {"type": "order", "store_id": "acme", "order_id": order["id"], "event": "placed"}
    ]
    assert [(line["action"], line["actor"]["id"]) for line in stored("audit") if line["target"] == order["id"]] == [
        ("order:placed", me)
    ]


def test_an_order_takes_one_read_and_one_write(market: Market) -> None:
    with counted_calls() as calls:
        market.place()
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_a_retry_gets_the_same_order_and_places_no_second_one(market: Market) -> None:
    first = market.buyer.post("/v1/orders", market.body(), key="once")
    market.reprice("A-1", 1)
    again = market.buyer.post("/v1/orders", market.body(), key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert len(stored("order")) == 1
    other = market.buyer.post("/v1/orders", market.body(("A-1", 9)), key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    missing = market.buyer.post("/v1/orders", market.body(), key=None)
    assert (missing.status, missing.code) == (400, "idempotency_key_required")
    assert len(stored("order")) == 1


def test_prices_that_moved_since_the_preview_are_shown_instead_of_charged(market: Market) -> None:
    seen = market.buyer.post("/v1/order-previews", market.body(), key=None).json
    market.reprice("A-1", 1300)
    reply = market.buyer.post("/v1/orders", market.body(price_hash=seen["price_hash"]))
    assert (reply.status, reply.code) == (409, "price_changed")
    assert reply.json["preview"]["total"] == euros(2 * 1300 + 3 * 99 + 590)
    assert stored("order") == []
    assert market.place(price_hash=reply.json["preview"]["price_hash"])["total"] == reply.json["preview"]["total"]


def test_an_order_keeps_what_it_was_placed_at(market: Market) -> None:
    order = market.place()
    market.reprice("A-1", 1)
    assert market.buyer.get(f"/v1/orders/{order['id']}").json == order


@pytest.mark.parametrize(
    ("override", "pointer"),
    [
        ({"shipping_cost": euros(0)}, "/shipping_cost"),
        (
            {"lines": [{"product_number": "A-1", "quantity": 1, "unit_price": euros(1), "reason": "x"}]},
            "/lines/0/unit_price",
        ),
        ({"lines": [{"product_number": "A-1", "quantity": 1, "reason": "x"}]}, "/lines/0/reason"),
    ],
)
def test_a_buyer_cannot_set_prices(market: Market, override: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = market.buyer.post("/v1/orders", market.body(**override))
    assert (reply.status, reply.code) == (403, "price_locked")
    assert pointer in reply.json["pointers"]
    assert stored() == before


def test_a_mistake_in_the_only_line_is_the_only_one_that_is_told(market: Market) -> None:
    reply = market.buyer.post("/v1/orders", market.body(("A-1", 0)))
    assert [fault["pointer"] for fault in reply.json["errors"]] == ["/lines/0/quantity"]
    reply = market.buyer.post("/v1/orders", {**market.body(), "lines": []})
    assert [fault["pointer"] for fault in reply.json["errors"]] == ["/lines"]


@pytest.mark.parametrize("quantity", [0, -1, 10**6 + 1, 10**12, True, "3", 1.5, None])
def test_a_wrong_quantity_is_named_and_orders_nothing(market: Market, quantity: Any) -> None:
    before = stored()
    with counted_calls() as calls:
        reply = market.buyer.post("/v1/orders", market.body(("B-2", 1), ("A-1", quantity)))
    assert reply.status == 422
    assert reply.json["errors"][0]["pointer"] == "/lines/1/quantity"
    assert (stored(), calls) == (before, ["BatchGetItem"])


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"lines": [{"product_number": "NONE", "quantity": 1}]}, "unknown_product", "/lines/0/product_number"),
        ({"lines": [{"product_number": "OFF", "quantity": 1}]}, "unknown_product", "/lines/0/product_number"),
        ({"lines": [{"product_number": "FREE", "quantity": 1}]}, "not_priced", "/lines/0/product_number"),
        ({"lines": [{"product_number": "no such/number", "quantity": 1}]}, "invalid", "/lines/0/product_number"),
        (
            {"lines": [{"product_number": "A-1", "quantity": 1}, {"product_number": "a-1", "quantity": 1}]},
            "duplicate_product",
            "/lines/1/product_number",
        ),
        ({"lines": []}, "invalid", "/lines"),
        ({"lines": [{"product_number": f"P-{index}", "quantity": 1} for index in range(81)]}, "invalid", "/lines"),
        ({"lines": [{"product_number": "GOLD", "quantity": 10**6}]}, "total_too_large", "/lines/0/quantity"),
        ({"shipping_method_id": "nope"}, "unknown_shipping_method", "/shipping_method_id"),
        ({"payment_method_id": "nope"}, "unknown_payment_method", "/payment_method_id"),
        ({"billing_address_id": "nope"}, "unknown_address", "/billing_address_id"),
        ({"shipping_address_id": "nope"}, "unknown_address", "/shipping_address_id"),
        ({"billing_address": {**QUAY, "country": "XX"}}, "invalid", "/billing_address/country"),
        ({"billing_address_id": "one", "billing_address": QUAY}, "invalid", "/billing_address"),
        ({"source": "fast_order"}, "source_not_allowed", "/source"),
        ({"source": "nowhere"}, "invalid", "/source"),
        ({"surprise": True}, "invalid", "/surprise"),
        ({"price_hash": 5}, "invalid", "/price_hash"),
    ],
)
def test_what_cannot_be_ordered_is_named_and_changes_nothing(
    market: Market, fields: dict[str, Any], code: str, pointer: str
) -> None:
    market.shop.add_product("OFF", active=False)
    market.shop.add_product("FREE", prices={})
    market.shop.add_product("GOLD", 10**12)
    before = stored()
    reply = market.buyer.post("/v1/orders", market.body(**fields))
    assert (reply.status, reply.code) == (422, code)
    assert reply.json["errors"][0]["pointer"] == pointer
    assert stored() == before


@pytest.mark.parametrize("body", ["{", "", "null", "[]", '"text"', '{"lines": NaN}'])
def test_a_body_that_is_no_order_is_refused(market: Market, body: str) -> None:
    before = stored()
    reply = market.buyer.post("/v1/orders", body)
    assert reply.status in {400, 422}
    assert stored() == before


def test_an_address_of_another_customer_is_unknown(market: Market) -> None:
    theirs = market.other_customer["addresses"][0]["id"]
    reply = market.buyer.post("/v1/orders", market.body(billing_address_id=theirs))
    assert (reply.status, reply.code) == (422, "unknown_address")


def test_addresses_are_copied_from_the_list_or_taken_as_sent(market: Market) -> None:
    (mine,) = market.customer["addresses"]
    plain = {"region": None, **ADDRESS}
    default = market.place()
    picked = market.place(billing_address_id=mine["id"], shipping_address=QUAY)
    assert default["billing_address"] == default["shipping_address"] == picked["billing_address"] == plain
    assert picked["shipping_address"] == {"company": None, "name": None, "region": None, **QUAY}


def test_a_buyer_orders_as_itself_only(market: Market) -> None:
    order = market.place()
    own = {"customer_id": market.customer["id"], "employee_id": order["employee_id"]}
    assert market.place(**own)["customer_id"] == market.customer["id"]
    theirs = market.place(buyer=market.other_buyer)
    count = len(stored("order"))
    for foreign in (
        {"customer_id": market.other_customer["id"]},
        {"customer_id": "nobody"},
        {"employee_id": theirs["employee_id"]},
        {"employee_id": "nobody"},
    ):
        reply = market.buyer.post("/v1/orders", market.body(**foreign))
        assert (reply.status, reply.code) == (404, "not_found")
    assert len(stored("order")) == count


def test_only_buyers_order(market: Market) -> None:
    before = stored()
    assert market.owner.post("/v1/orders", market.body()).status == 403
    assert market.owner.as_(None).post("/v1/orders", market.body()).status == 401
    assert market.owner.as_(None).post("/v1/orders", market.body(), store="acme").code == "guest_cannot_order"
    assert stored() == before


def test_a_product_of_another_store_is_unknown(market: Market) -> None:
    rival = market.rival()
    rival.put("/v1/products/ONLY-THERE", {"name": "Theirs", "prices": {}})
    reply = market.buyer.post("/v1/orders", market.body(("ONLY-THERE", 1)))
    assert reply.code == "unknown_product"


def test_a_number_that_is_taken_is_drawn_again(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([b"same num", b"same num", b"another!"])
    monkeypatch.setattr(secrets, "token_bytes", lambda _: next(draws))
    first, second = market.place(), market.place()
    assert first["number"] != second["number"]
    assert len(stored("order")) == 2
    monkeypatch.setattr(secrets, "token_bytes", lambda _: b"same num")
    before = stored()
    stuck = market.buyer.post("/v1/orders", market.body())
    assert (stuck.status, stuck.code) == (409, "busy")
    assert stored() == before
