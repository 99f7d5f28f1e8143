"""Changing an order: by the store, until it is confirmed, on the version that was read."""

from typing import Any

import pytest

from tests.support.ordering import Market, send_event, stock
from tests.support.table import counted_calls, stored
from tests.support.world import euros

QUAY = {"street": "Quay 9", "postal_code": "0150", "city": "Oslo", "country": "NO"}


def test_quantities_change_at_the_price_they_were_ordered_at_and_totals_follow(market: Market) -> None:
    # Given an order, and prices that rise afterwards
    order = market.place()
    market.reprice("A-1", 9999)
    # When the store changes a quantity and drops a line
    reply = send_event("orders/update_order.more_of_one", TOKEN=market.owner.token, ORDER_ID=order["id"])
    # Then the line keeps its price and the totals follow
    assert reply.status == 200
    changed = reply.json
    assert [(line["quantity"], line["unit_price"], line["total"]) for line in changed["lines"]] == [
        (5, euros(1250), euros(6250))
    ]
    assert (changed["subtotal"], changed["total"]) == (euros(6250), euros(6840))
    assert changed["etag"] != order["etag"]
    # And the history names who changed what
    (entry,) = changed["history"]
    assert (entry["from"], entry["to"], entry["changed"], entry["actor"]["name"]) == (
        "received",
        "received",
        ["lines"],
        "Ola Nordmann",
    )
    assert entry["actor"] == entry["subject"]
    assert [line["details"]["fields"] for line in stored("audit") if line["action"] == "order:updated"] == [["lines"]]
    (kept,) = stored("order")
    assert (kept["total"], kept["lines"][0]["quantity"]) == (euros(6840), 5)
    assert market.buyer.get(f"/v1/orders/{order['id']}").json["total"] == euros(6840)


def test_a_changed_order_stays_in_every_list(market: Market) -> None:
    order = market.place()
    market.owner.patch(f"/v1/orders/{order['id']}", {"shipping_cost": euros(0)}, etag=order["etag"])
    for client, query in (
        (market.owner, {}),
        (market.buyer, {}),
        (market.owner, {"q": order["number"]}),
        (market.buyer, {"q": "blue"}),
    ):
        (listed,) = client.get("/v1/orders", **query).json["items"]
        assert listed["total"] == euros(2797)


def test_the_store_sets_a_price_with_a_reason_and_both_are_kept(market: Market) -> None:
    order = market.place()
    path = f"/v1/orders/{order['id']}"
    line = {"product_number": "A-1", "quantity": 1, "unit_price": euros(1000)}
    silent = market.owner.patch(path, {"lines": [line]}, etag=order["etag"])
    assert (silent.status, silent.code) == (422, "reason_required")
    reply = market.owner.patch(path, {"lines": [{**line, "reason": "Scratched"}]}, etag=order["etag"])
    (sold,) = reply.json["lines"]
    assert (sold["list_price"], sold["unit_price"], sold["override_reason"]) == (euros(1250), euros(1000), "Scratched")
    # The agreed price outlives the next change of the quantity.
    again = market.owner.patch(path, {"lines": [{"product_number": "a-1", "quantity": 3}]}, etag=reply.json["etag"])
    assert again.json["lines"][0] == {**sold, "quantity": 3, "total": euros(3000)}


def test_addresses_methods_and_shipping_cost_change_too(market: Market) -> None:
    order = market.place()
    etag = market.owner.get("/v1/checkout-options").json["etag"]
    options = market.owner.put(
        "/v1/checkout-options",
        {
            "shipping_methods": [*market.options["shipping_methods"], {"name": "Freight", "cost": euros(4900)}],
            "payment_methods": [*market.options["payment_methods"], {"name": "Card", "kind": "instant"}],
        },
        etag=etag,
    ).json
    change = {
        "shipping_address": QUAY,
        "shipping_method_id": options["shipping_methods"][1]["id"],
        "payment_method_id": options["payment_methods"][1]["id"],
    }
    reply = market.owner.patch(f"/v1/orders/{order['id']}", change, etag=order["etag"])
    changed = reply.json
    assert (changed["shipping_address"]["city"], changed["billing_address"]) == ("Oslo", order["billing_address"])
    assert (changed["shipping_cost"], changed["total"]) == (euros(4900), euros(2797 + 4900))
    assert (changed["shipping_method_name"], changed["payment_kind"]) == ("Freight", "instant")
    picked = {"shipping_address_id": market.customer["addresses"][0]["id"], "shipping_cost": euros(1)}
    back = market.owner.patch(f"/v1/orders/{order['id']}", picked, etag=changed["etag"]).json
    assert (back["shipping_address"]["city"], back["total"]) == ("Hamburg", euros(2798))


def test_a_change_takes_one_read_and_one_write_even_of_eighty_lines(market: Market) -> None:
    order = market.place()
    lines = [{"product_number": number, "quantity": 1} for number in stock("acme", market.shop.tier_id, 80)]
    with counted_calls() as calls:
        reply = market.owner.patch(f"/v1/orders/{order['id']}", {"lines": lines}, etag=order["etag"])
    assert (reply.status, reply.json["line_count"], calls) == (200, 80, ["BatchGetItem", "TransactWriteItems"])


def test_no_change_writes_nothing(market: Market) -> None:
    order = market.place()
    before = stored()
    same = {"payment_method_id": order["payment_method_id"], "shipping_cost": order["shipping_cost"]}
    for change in ({}, same):
        reply = market.owner.patch(f"/v1/orders/{order['id']}", change, etag=order["etag"])
        assert (reply.status, reply.json["etag"]) == (200, order["etag"])
    assert stored() == before


@pytest.mark.parametrize("steps", [["confirm"], ["confirm", "start"], ["confirm", "start", "ship"], ["cancel"]])
def test_a_confirmed_order_is_locked_and_stays_as_it_was(market: Market, steps: list[str]) -> None:
    order = market.move(market.place(), *steps)
    before = stored()
    reply = market.owner.patch(f"/v1/orders/{order['id']}", {"shipping_cost": euros(1)}, etag=order["etag"])
    assert (reply.status, reply.code) == (409, "order_locked")
    assert stored() == before


def test_a_change_of_an_older_version_is_refused(market: Market) -> None:
    order = market.place()
    path = f"/v1/orders/{order['id']}"
    market.owner.patch(path, {"shipping_cost": euros(1)}, etag=order["etag"])
    before = stored()
    stale = market.owner.patch(path, {"shipping_cost": euros(2)}, etag=order["etag"])
    assert (stale.status, stale.code) == (412, "stale")
    blind = market.owner.patch(path, {"shipping_cost": euros(2)})
    assert (blind.status, blind.code) == (428, "precondition_required")
    assert stored() == before


def test_only_the_store_changes_orders(market: Market) -> None:
    order = market.place()
    before = stored("order")
    path, change = f"/v1/orders/{order['id']}", {"shipping_cost": euros(1)}
    assert market.buyer.patch(path, change, etag=order["etag"]).status == 403
    foreign = market.rival().patch(path, change, etag=order["etag"])
    missing = market.owner.patch("/v1/orders/nothing", change, etag=order["etag"])
    assert (foreign.status, foreign.text) == (404, missing.text)
    assert stored("order") == before


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"lines": []}, "invalid", "/lines"),
        ({"lines": None}, "invalid", "/lines"),
        ({"shipping_cost": None}, "invalid", "/shipping_cost"),
        ({"shipping_cost": {"amount": -1, "currency": "EUR"}}, "invalid", "/shipping_cost/amount"),
        ({"shipping_cost": {"amount": 1, "currency": "USD"}}, "wrong_currency", "/shipping_cost/currency"),
        ({"lines": [{"product_number": "A-1", "quantity": 0}]}, "invalid", "/lines/0/quantity"),
        ({"lines": [{"product_number": "NONE", "quantity": 1}]}, "unknown_product", "/lines/0/product_number"),
        (
            {"lines": [{"product_number": "A-1", "quantity": 1}, {"product_number": "a-1", "quantity": 1}]},
            "duplicate_product",
            "/lines/1/product_number",
        ),
        ({"lines": [{"product_number": "A-1", "quantity": 1, "reason": "why"}]}, "invalid", "/lines/0/reason"),
        ({"shipping_method_id": "nope"}, "unknown_shipping_method", "/shipping_method_id"),
        ({"payment_method_id": "nope"}, "unknown_payment_method", "/payment_method_id"),
        ({"billing_address_id": "nope"}, "unknown_address", "/billing_address_id"),
        ({"status": "shipped"}, "invalid", "/status"),
    ],
)
def test_a_wrong_change_is_named_and_changes_nothing(market: Market, change: dict[str, Any], code: str, pointer: str) -> None:
    order = market.place()
    before = stored()
    reply = market.owner.patch(f"/v1/orders/{order['id']}", change, etag=order["etag"])
    assert (reply.status, reply.code) == (422, code)
    assert reply.json["errors"][0]["pointer"] == pointer
    assert stored() == before
