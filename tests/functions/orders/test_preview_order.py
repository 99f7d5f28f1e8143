"""Previews: what an order comes to, with nothing written."""

from typing import Any

import pytest

from tests.support.ordering import Market, send_event, stock
from tests.support.table import counted_calls, stored
from tests.support.world import euros


def test_a_preview_shows_what_the_order_comes_to_and_writes_nothing(market: Market) -> None:
    before = stored()
    shipping, payment = (market.options[name][0]["id"] for name in ("shipping_methods", "payment_methods"))
    reply = send_event(
        "orders/preview_order.two_lines",
        TOKEN=market.buyer.token,
        SHIPPING_METHOD=shipping,
        PAYMENT_METHOD=payment,
    )
    assert reply.status == 200
    preview = reply.json
    assert [(line["product_number"], line["total"]) for line in preview["lines"]] == [
        ("A-1", euros(2500)),
        ("B-2", euros(297)),
    ]
    assert [preview[name] for name in ("subtotal", "shipping_cost", "tax", "total")] == [
        euros(2797),
        euros(590),
        euros(0),
        euros(3387),
    ]
    assert preview["billing_address"] == preview["shipping_address"]
    assert preview["price_hash"]
    assert stored() == before


def test_a_preview_of_the_largest_order_is_one_read(market: Market) -> None:
    lines = [(number, 1) for number in stock("acme", market.shop.tier_id, 80)]
    with counted_calls() as calls:
        reply = market.buyer.post("/v1/order-previews", market.body(*lines), key=None)
    assert (reply.status, calls) == (200, ["BatchGetItem"])


def test_the_preview_hash_is_the_one_the_order_is_placed_with(market: Market) -> None:
    preview = market.buyer.post("/v1/order-previews", market.body(), key=None).json
    order = market.place(price_hash=preview["price_hash"])
    same = ("lines", "subtotal", "shipping_cost", "tax", "total", "billing_address", "shipping_address")
    assert {name: order[name] for name in same} == {name: preview[name] for name in same}


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"lines": [{"product_number": "A-1", "quantity": 1, "unit_price": euros(1)}]}, 403, "price_locked"),
        ({"lines": [{"product_number": "NONE", "quantity": 1}]}, 422, "unknown_product"),
        ({"lines": []}, 422, "invalid"),
        ({"surprise": 1}, 422, "invalid"),
    ],
)
def test_a_preview_is_refused_as_the_order_would_be(market: Market, fields: dict[str, Any], status: int, code: str) -> None:
    preview = market.buyer.post("/v1/order-previews", market.body(**fields), key=None)
    placed = market.buyer.post("/v1/orders", market.body(**fields))
    assert (preview.status, preview.code) == (placed.status, placed.code) == (status, code)


def test_owners_and_strangers_preview_nothing(market: Market) -> None:
    assert market.owner.post("/v1/order-previews", market.body(), key=None).status == 403
    assert market.owner.as_(None).post("/v1/order-previews", market.body(), key=None).status == 401
    guest = market.owner.as_(None).post("/v1/order-previews", market.body(), key=None, store="acme")
    assert (guest.status, guest.code) == (403, "guest_cannot_order")
