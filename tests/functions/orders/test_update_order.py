"""Changing an order: by the store, until it is confirmed, on the version that was read."""

from typing import Any

import pytest

from tests.support.faults import meanwhile
from tests.support.ordering import Market, Team, line, send_event, stock
from tests.support.reps import allocate, hire
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


# Sales reps


def order_mails() -> list[str]:
    return [item["message"]["event"] for item in stored("outbox") if item["message"]["type"] == "order"]


def change(team: Team, order: dict[str, Any], *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Let the rep change an order, and return it."""
    body = {**({"lines": list(lines)} if lines else {}), **fields}
    reply = team.rep.client.patch(f"/v1/orders/{order['id']}", body, etag=order["etag"])
    assert reply.status == 200, reply.text
    return dict(reply.json)


def test_a_rep_changes_the_orders_of_its_customers_and_no_others(team: Team) -> None:
    order = team.market.place(("A-1", 2))
    changed = change(team, order, line("A-1", 3), line("B-2"), shipping_address=QUAY)
    entry = changed["history"][-1]
    assert (entry["actor"]["id"], entry["subject"]["id"], entry["changed"]) == (
        team.rep.id,
        team.rep.id,
        ["shipping_address", "lines"],
    )
    assert (changed["status"], changed["total"]) == ("received", euros(3 * 1250 + 99 + 590))
    before = stored()
    missing = team.rep.client.patch("/v1/orders/nothing", {"shipping_cost": euros(1)}, etag=changed["etag"])
    for reply in (
        team.outsider.client.patch(f"/v1/orders/{order['id']}", {"shipping_cost": euros(1)}, etag=changed["etag"]),
        team.market.step(changed, "confirm", by=team.outsider.client),
    ):
        assert (reply.status, reply.text) == (404, missing.text)
    assert stored() == before
    assert team.market.step(changed, "confirm", by=team.rep.client).json["status"] == "confirmed"


def test_a_price_beyond_the_limits_makes_an_order_wait_again_and_stop_counting(team: Team) -> None:
    team.limit(10)
    order = team.market.place(("A-1", 2), ("B-2", 1))
    within = change(team, order, line("A-1", 2, 1125), line("B-2"), shipping_cost=euros(531))
    assert (within["status"], within["approval"]) == ("received", None)
    beyond = change(
        team, within, line("B-2"), line("A-1", 2, 1000, "To keep them"), shipping_cost=euros(0), shipping_reason="x"
    )
    assert (beyond["status"], beyond["allowed_transitions"]) == ("awaiting_approval", [])
    assert beyond["approval"] == {
        "required_by": [
            {"pointer": "/lines/1/unit_price", "listed": euros(1250), "given": euros(1000), "lowest": euros(1125)},
            {"pointer": "/shipping_cost", "listed": euros(590), "given": euros(0), "lowest": euros(531)},
        ]
    }
    entry = beyond["history"][-1]
    assert (entry["from"], entry["to"], entry["changed"]) == (
        "received",
        "awaiting_approval",
        ["lines", "shipping_cost", "shipping_override_reason"],
    )
    assert team.market.owner.get("/v1/statistics").json["orders"] == 0
    approved = team.market.move(beyond, "approve")
    assert team.market.owner.get("/v1/statistics").json["revenue"] == euros(2000 + 99)
    # What was approved once is not asked about again; the buyer knew of the order from the beginning.
    more = change(team, approved, line("A-1", 9), line("B-2", 2), payment_method_id=approved["payment_method_id"])
    assert (more["status"], more["total"]) == ("received", euros(9 * 1000 + 2 * 99))
    assert order_mails() == ["placed"]


def test_a_waiting_order_that_is_changed_within_the_limits_still_waits(team: Team) -> None:
    team.limit(10)
    order = team.place(line("A-1", 1, 1))
    raised = change(team, order, line("A-1", 1, 1200))
    assert (raised["status"], raised["approval"]) == ("awaiting_approval", {"required_by": []})
    kept = change(team, team.place(line("A-1", 1, 1)), line("B-2"), line("A-1", 5))
    assert [excess["pointer"] for excess in kept["approval"]["required_by"]] == ["/lines/1/unit_price"]
    assert order_mails() == []


def test_the_owner_prices_as_it_likes(team: Team) -> None:
    order = team.market.place()
    path = f"/v1/orders/{order['id']}"
    given = {"lines": [line("A-1", 1, 0)], "shipping_cost": euros(0)}
    reply = team.market.owner.patch(path, given, etag=order["etag"])
    assert (reply.status, reply.json["status"], reply.json["total"]) == (200, "received", euros(0))
    # What the owner agreed to is agreed.
    assert change(team, reply.json, line("A-1", 7, 0))["status"] == "received"


def test_a_buyer_is_told_when_an_order_that_it_knew_of_is_rejected(team: Team) -> None:
    order = change(team, team.market.place(), line("A-1", 1, 1))
    reply = team.market.step(order, "reject", by=team.supervisor.client, body={"note": "Not at that price."})
    assert (reply.status, reply.json["status"]) == (200, "rejected")
    assert sorted(order_mails()) == ["cancelled", "placed"]


def test_the_largest_change_fits_into_one_transaction_and_keeps_the_index_exact(team: Team) -> None:
    # Given an order of eighty lines, for a customer with as many sales reps as it may have
    shop, customer = team.market.shop, team.market.customer
    allocate(shop, customer, team.rep, team.outsider, team.everywhere, team.supervisor, hire(shop, "Una"), hire(shop, "Vic"))
    numbers = stock("acme", shop.tier_id, 160)
    order = team.place(*(line(number) for number in numbers[:80]))
    # When all of its lines are replaced
    with counted_calls() as calls:
        changed = change(team, order, *(line(number, 2) for number in numbers[80:]), shipping_cost=euros(600))
    # Then that is one write, and the order is found by its words of now
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    assert changed["line_count"] == 80
    words = {row["sk"].partition("#")[0] for row in stored("word") if row["pk"].endswith("#ORDERS")}
    assert {"p-80", order["number"].lower(), "blue", "door"} <= words
    assert "p-0" not in words
    assert len(words) <= 40
    for query, found in (("p-80", 1), ("p-0", 0), ("blue door", 1)):
        for client in (team.market.owner, team.rep.client, team.everywhere.client):
            assert len(client.get("/v1/orders", q=query).json["items"]) == found


def test_two_who_change_an_order_at_once_do_not_overwrite_each_other(team: Team) -> None:
    order = team.market.place()
    with meanwhile("TransactWriteItems", lambda: change(team, order, shipping_cost=euros(600))):
        late = team.market.owner.patch(f"/v1/orders/{order['id']}", {"shipping_cost": euros(700)}, etag=order["etag"])
    assert (late.status, late.code) == (412, "stale")
    (kept,) = stored("order")
    assert (kept["shipping_cost"], len(kept["history"])) == (euros(600), 1)
