"""Fast order: a sales rep orders for a customer's employee, at prices of its own as far as it may go."""

from functools import partial
from typing import Any

import pytest

from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import Team, line, send_event, stock
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, stored
from tests.support.world import euros

QUAY = {"street": "Quay 9", "postal_code": "0150", "city": "Oslo", "country": "NO"}


def mailed() -> list[str]:
    """Return what the outbox tells about orders."""
    return [item["message"]["event"] for item in stored("outbox") if item["message"]["type"] == "order"]


def counted(team: Team) -> tuple[int, int]:
    """Return how many orders the store has, and what they come to."""
    figures = team.market.owner.get("/v1/statistics").json
    return figures["orders"], figures["revenue"]["amount"]


def step(team: Team, order: dict[str, Any], name: str, by: Any) -> Reply:
    """Let a rep move an order."""
    return team.market.step(order, name, by=by.client)


def test_a_rep_orders_for_an_employee_who_is_told(team: Team) -> None:
    team.limit(100)
    shipping, payment = (team.market.options[name][0]["id"] for name in ("shipping_methods", "payment_methods"))
    reply = send_event(
        "orders/place_order.fast_order",
        TOKEN=team.rep.client.token,
        CUSTOMER=team.market.customer["id"],
        EMPLOYEE=team.employee_id,
        SHIPPING_METHOD=shipping,
        PAYMENT_METHOD=payment,
    )
    # The rep is who did it, for itself; the employee is whose order it is.
    assert reply.status == 201, reply.text
    order = reply.json
    rep = {"type": "member", "id": team.rep.id, "name": "Rhea"}
    assert order["actor"] == order["subject"] == rep
    assert (order["source"], order["customer_id"], order["employee_id"], order["status"]) == (
        "fast_order",
        team.market.customer["id"],
        team.employee_id,
        "received",
    )
    # Both prices of everything are kept, with the reasons.
    (sold,) = order["lines"]
    assert (sold["list_price"], sold["unit_price"], sold["override_reason"]) == (
        euros(1250),
        euros(1200),
        "Agreed by telephone",
    )
    assert (order["list_shipping_cost"], order["shipping_cost"], order["shipping_override_reason"]) == (
        euros(590),
        euros(0),
        "First order",
    )
    assert order["total"] == euros(2400)
    assert order["billing_address"] == order["shipping_address"]
    assert order["billing_address"]["city"] == "Hamburg"
    # It is stored, noted and told to the employee, who sees it as well.
    (kept,) = stored("order")
    assert (kept["total"], kept["employee_id"], kept["list_shipping_cost"]) == (euros(2400), team.employee_id, euros(590))
    (noted,) = [entry for entry in stored("audit") if entry["action"] == "order:placed"]
    assert noted["actor"] == noted["subject"] == rep
    assert mailed() == ["placed"]
    assert team.market.buyer.get(f"/v1/orders/{order['id']}").json["lines"] == order["lines"]
    assert counted(team) == (1, 2400)


def test_a_fast_order_takes_one_read_and_one_write_and_its_preview_one_read(team: Team) -> None:
    lines = [line(number) for number in stock("acme", team.market.shop.tier_id, 80)]
    with counted_calls() as calls:
        preview = team.rep.client.post("/v1/order-previews", team.body(*lines), key=None)
    assert (preview.status, calls) == (200, ["BatchGetItem"])
    with counted_calls() as calls:
        team.place(*lines)
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        step(team, team.place(line("A-1", 1, 1)), "approve", team.supervisor)
    assert calls.count("TransactWriteItems") == 2
    assert len(calls) == 4


def test_addresses_are_the_customers_or_custom_and_prices_those_of_its_tier(team: Team) -> None:
    owner, customer = team.market.owner, team.market.customer
    tier = owner.post("/v1/price-tiers", {"name": "Friends"}).json["id"]
    etag = owner.get("/v1/products/A-1").json["etag"]
    prices = {team.market.shop.tier_id: euros(1250), tier: euros(1000)}
    owner.put("/v1/products/A-1", {"name": "Lamp", "prices": prices}, etag=etag)
    team.set_customer(price_tier_id=tier)
    order = team.place(billing_address=QUAY, shipping_address_id=customer["addresses"][0]["id"])
    assert order["lines"][0]["unit_price"] == euros(1000)
    assert (order["billing_address"]["city"], order["shipping_address"]["city"]) == ("Oslo", "Hamburg")
    assert team.place(billing_address=QUAY)["shipping_address"]["city"] == "Oslo"
    theirs = team.market.other_customer["addresses"][0]["id"]
    reply = team.rep.client.post("/v1/orders", team.body(billing_address_id=theirs))
    assert (reply.status, reply.code) == (422, "unknown_address")


@pytest.mark.parametrize(
    ("left_out", "pointers"),
    [
        (["customer_id"], ["/customer_id"]),
        (["employee_id"], ["/employee_id"]),
        (["customer_id", "employee_id"], ["/customer_id", "/employee_id"]),
    ],
)
def test_a_rep_says_for_whom_it_orders(team: Team, left_out: list[str], pointers: list[str]) -> None:
    body = {name: value for name, value in team.body().items() if name not in left_out}
    before = stored()
    for path in ("/v1/order-previews", "/v1/orders"):
        reply = team.rep.client.post(path, body)
        assert reply.status == 422
        assert [error["pointer"] for error in reply.json["errors"]] == pointers
    assert stored() == before


def test_a_customer_out_of_scope_is_like_none_at_all(team: Team) -> None:
    rival = team.market.rival()
    foreign = rival.post(
        "/v1/customers", {"name": "Theirs", "group_id": rival.get("/v1/customer-groups").json["items"][0]["id"]}
    )
    assert foreign.status == 201, foreign.text
    team.set_customer(team.market.other_customer["id"], active=False)
    before = stored("order")
    for path in ("/v1/orders", "/v1/order-previews"):
        nothing = team.rep.client.post(path, team.body(customer_id="01nothing"))
        assert nothing.status == 404
        for rep, customer_id in (
            (team.rep, team.market.other_customer["id"]),
            (team.rep, foreign.json["id"]),
            (team.outsider, team.market.customer["id"]),
            (team.everywhere, foreign.json["id"]),
            (team.everywhere, team.market.other_customer["id"]),
            (team.supervisor, team.market.other_customer["id"]),
            (team.rep, "#"),
            (team.rep, "x" * 200),
        ):
            reply = rep.client.post(path, team.body(customer_id=customer_id))
            assert (reply.status, reply.text) == (404, nothing.text)
    assert stored("order") == before
    # To whom it is allocated, an inactive customer is still there.
    inactive = team.outsider.client.post("/v1/orders", _for_other(team))
    assert (inactive.status, inactive.code) == (409, "customer_inactive")
    assert stored("order") == before


def _for_other(team: Team) -> dict[str, Any]:
    customer = team.market.other_customer
    (gil,) = team.market.owner.get(f"/v1/customers/{customer['id']}/employees").json["items"]
    return team.body(customer_id=customer["id"], employee_id=gil["id"])


def test_the_employee_is_one_of_the_customer_who_has_joined(team: Team) -> None:
    owner, customer_id = team.market.owner, team.market.customer["id"]
    path = f"/v1/customers/{customer_id}/employees"
    pending = owner.post(path, {"name": "Uma", "email": "uma@bluedoor.test", "role": "buyer"}).json
    gone = owner.post(path, {"name": "Gus", "email": "gus@bluedoor.test", "role": "buyer"}).json
    assert owner.delete(f"{path}/{gone['id']}", etag=gone["etag"]).status == 204
    before = stored()
    nobody = team.rep.client.post("/v1/orders", team.body(employee_id="acme.nobody"))
    assert (nobody.status, nobody.json["detail"]) == (404, "There is no such employee.")
    for stranger in (gone["id"], _for_other(team)["employee_id"], team.rep.id, owner.get("/v1/me").json["id"], "rival.x.y"):
        reply = team.rep.client.post("/v1/orders", team.body(employee_id=stranger))
        assert (reply.status, reply.text) == (404, nobody.text)
    early = team.rep.client.post("/v1/orders", team.body(employee_id=pending["id"]))
    assert (early.status, early.code) == (409, "employee_not_active")
    assert stored() == before


def test_everybody_orders_the_one_way_that_is_its_own(team: Team) -> None:
    assert team.place(source="fast_order")["source"] == "fast_order"
    before = stored("order")
    for source in ("portal", "api", "offer", "inventory_source"):
        reply = team.rep.client.post("/v1/orders", team.body(source=source))
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "source_not_allowed", "/source")
    acting = _acting(team)
    for client, own in ((team.market.buyer, "portal"), (acting, "portal")):
        assert client.post("/v1/order-previews", team.market.body(source=own), key=None).status == 200
        reply = client.post("/v1/orders", team.market.body(source="fast_order"))
        assert (reply.status, reply.code) == (422, "source_not_allowed")
    assert stored("order") == before


def _acting(team: Team) -> Any:
    about = {"customer_id": team.market.customer["id"], "employee_id": team.employee_id, "reason": "Asked to", "minutes": 5}
    started = team.rep.client.post("/v1/acting-sessions", about)
    assert started.status == 201, started.text
    return team.rep.client.as_(started.json["token"])


def test_whoever_acts_pays_what_is_listed_and_is_named_with_whom_it_acts_for(team: Team) -> None:
    team.limit(100)
    acting = _acting(team)
    for locked in ({"shipping_cost": euros(0)}, {"shipping_reason": "Nice"}, {"lines": [line("A-1", 1, 1)]}):
        reply = acting.post("/v1/orders", team.market.body(**locked))
        assert (reply.status, reply.code) == (403, "price_locked")
    order = team.market.place(buyer=acting)
    assert (order["actor"]["id"], order["subject"]["id"], order["employee_id"], order["source"]) == (
        team.rep.id,
        team.employee_id,
        team.employee_id,
        "portal",
    )
    assert order["allowed_transitions"] == ["cancel"]


def test_a_retry_places_no_second_order(team: Team) -> None:
    first = team.rep.client.post("/v1/orders", team.body(), key="once")
    again = team.rep.client.post("/v1/orders", team.body(), key="once")
    assert (first.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert len(stored("order")) == 1


# Limits


@pytest.mark.parametrize(
    ("percent", "floor", "lines", "shipping", "beyond"),
    [
        (10, None, [line("A-1", 1, 1125)], None, {}),
        (10, None, [line("A-1", 1, 1124)], None, {"/lines/0/unit_price": (1250, 1124, 1125)}),
        (10, None, [line("B-2", 1, 89)], None, {"/lines/0/unit_price": (99, 89, 90)}),
        (10, 1200, [line("A-1", 1, 1199), line("B-2")], None, {"/lines/0/unit_price": (1250, 1199, 1200)}),
        (50, 200, [line("B-2", 1, 98)], None, {"/lines/0/unit_price": (99, 98, 99)}),
        (0, None, [line("A-1", 1, 99999)], 99999, {}),
        (0, None, [line("A-1", 1, 1250, None)], 590, {}),
        (99, None, [line("A-1", 1, 0)], 5, {"/lines/0/unit_price": (1250, 0, 13), "/shipping_cost": (590, 5, 6)}),
        (100, None, [line("A-1", 1, 0)], 0, {}),
        (100, 5000, [line("A-1")], 0, {}),
    ],
)
def test_within_the_limits_an_order_is_placed_and_beyond_them_it_waits(
    team: Team,
    percent: int,
    floor: int | None,
    lines: list[Any],
    shipping: int | None,
    beyond: dict[str, tuple[int, int, int]],
) -> None:
    team.limit(percent, floor)
    fields = {} if shipping is None else {"shipping_cost": euros(shipping)}
    preview = team.rep.client.post("/v1/order-previews", team.body(*lines, **fields), key=None).json
    order = team.place(*lines, **fields, price_hash=preview["price_hash"])
    told = [
        {"pointer": pointer, **dict(zip(("listed", "given", "lowest"), map(euros, amounts), strict=True))}
        for pointer, amounts in beyond.items()
    ]
    assert preview["approval"] == order["approval"] == ({"required_by": told} if beyond else None)
    assert preview["status"] == order["status"] == ("awaiting_approval" if beyond else "received")
    assert mailed() == ([] if beyond else ["placed"])
    assert counted(team) == ((0, 0) if beyond else (1, order["total"]["amount"]))
    # Buyers see that it waits, and not how low it might have gone.
    seen = team.market.buyer.get(f"/v1/orders/{order['id']}").json
    assert (seen["status"], seen["approval"], seen["allowed_transitions"]) == (order["status"], None, ["cancel"])


def test_a_reps_own_limits_hold_instead_of_the_stores(team: Team) -> None:
    team.limit(5, 1000)
    generous = hire(team.market.shop, "Gus", access="all", override_limits={"percent": 20})
    strict = hire(team.market.shop, "Stu", access="all", override_limits={"percent": 0})
    assert team.place(line("A-1", 1, 1000), by=generous)["status"] == "received"
    assert team.place(line("B-2", 1, 80), by=generous)["status"] == "received"
    assert team.place(line("A-1", 1, 1200), by=team.rep)["status"] == "received"
    assert team.place(line("A-1", 1, 1200), by=strict)["status"] == "awaiting_approval"


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"lines": [line("A-1", 1, 1, None)]}, "reason_required", "/lines/0/reason"),
        ({"lines": [{"product_number": "A-1", "quantity": 1, "reason": "x"}]}, "invalid", "/lines/0/reason"),
        ({"lines": [line("A-1", 1, -1)]}, "invalid", "/lines/0/unit_price/amount"),
        (
            {"lines": [{**line("A-1", 1, 1), "unit_price": {"amount": 1, "currency": "USD"}}]},
            "wrong_currency",
            "/lines/0/unit_price/currency",
        ),
        ({"shipping_cost": {"amount": 0, "currency": "CHF"}}, "wrong_currency", "/shipping_cost/currency"),
        ({"shipping_cost": {"amount": 0.5, "currency": "EUR"}}, "invalid", "/shipping_cost/amount"),
        ({"shipping_reason": "why"}, "invalid", "/shipping_reason"),
        ({"shipping_cost": euros(1), "shipping_reason": "x" * 201}, "invalid", "/shipping_reason"),
    ],
)
def test_a_price_that_is_none_is_named_and_orders_nothing(team: Team, fields: dict[str, Any], code: str, pointer: str) -> None:
    before = stored()
    reply = team.rep.client.post("/v1/orders", team.body(**{"lines": [line("A-1")], **fields}))
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, code, pointer)
    assert stored() == before


def test_a_listed_price_that_moved_is_shown_even_where_another_was_given(team: Team) -> None:
    team.limit(50)
    wanted = {"lines": [line("A-1", 1, 1000)]}
    seen = team.rep.client.post("/v1/order-previews", team.body(**wanted), key=None).json
    team.market.reprice("A-1", 5000)
    reply = team.rep.client.post("/v1/orders", team.body(**wanted, price_hash=seen["price_hash"]))
    assert (reply.status, reply.code) == (409, "price_changed")
    assert reply.json["preview"]["approval"]["required_by"][0]["lowest"] == euros(2500)
    assert stored("order") == []
    assert team.place(**wanted, price_hash=reply.json["preview"]["price_hash"])["status"] == "awaiting_approval"


# Approval


def test_an_order_that_waits_is_approved_by_a_supervisor_and_only_then_told_and_counted(team: Team) -> None:
    allocate(team.market.shop, team.market.customer, team.rep, team.everywhere)
    order = team.place(line("A-1", 2, 1))
    assert (order["status"], order["allowed_transitions"]) == ("awaiting_approval", ["cancel"])
    for rep in (team.rep, team.everywhere):
        seen = rep.client.get(f"/v1/orders/{order['id']}").json
        assert seen["allowed_transitions"] == (["cancel"] if rep is team.rep else [])
        for name in ("approve", "reject"):
            assert step(team, order, name, rep).status == 403
    assert step(team, order, "cancel", team.everywhere).code == "invalid_transition"
    assert step(team, order, "approve", team.outsider).status == 403
    assert team.supervisor.client.get(f"/v1/orders/{order['id']}").json["allowed_transitions"] == ["approve", "reject"]
    assert team.market.owner.get(f"/v1/orders/{order['id']}").json["allowed_transitions"] == ["approve", "reject"]
    assert mailed() == []
    reply = send_event("orders/move_order.approved_by_supervisor", TOKEN=team.supervisor.client.token, ORDER_ID=order["id"])
    assert (reply.status, reply.json["status"], reply.json["approval"]) == (200, "received", None)
    (entry,) = reply.json["history"]
    assert (entry["from"], entry["to"], entry["actor"]["id"], entry["note"]) == (
        "awaiting_approval",
        "received",
        team.supervisor.id,
        "Agreed with the customer.",
    )
    assert mailed() == ["placed"]
    assert counted(team) == (1, order["total"]["amount"])
    (sold,) = reply.json["lines"]
    assert (sold["list_price"], sold["unit_price"]) == (euros(1250), euros(1))


def test_nobody_approves_an_order_that_it_placed_or_changed_itself(team: Team) -> None:
    own = team.place(line("A-1", 1, 1), by=team.supervisor)
    assert own["allowed_transitions"] == ["reject", "cancel"]
    before = stored()
    refused = step(team, own, "approve", team.supervisor)
    assert (refused.status, refused.code) == (403, "own_order")
    assert stored() == before
    other = hire(team.market.shop, "Sue", supervisor=True)
    assert step(team, own, "approve", other).json["status"] == "received"
    theirs = team.place(line("A-1", 1, 1))
    changed = team.supervisor.client.patch(
        f"/v1/orders/{theirs['id']}", {"shipping_cost": euros(700)}, etag=theirs["etag"]
    ).json
    assert step(team, changed, "approve", team.supervisor).code == "own_order"
    assert team.market.move(changed, "approve")["status"] == "received"


def test_of_two_who_approve_at_once_one_does(team: Team) -> None:
    order = team.place(line("A-1", 1, 1))
    with meanwhile("TransactWriteItems", lambda: team.market.move(order, "approve")):
        late = step(team, order, "approve", team.supervisor)
    assert (late.status, late.code) == (412, "stale")
    other = team.place(line("A-1", 1, 1))
    path = f"/v1/orders/{other['id']}/approve"
    with meanwhile("TransactWriteItems", lambda: team.market.move(other, "reject")):
        careless = team.supervisor.client.post(path, headers={"If-Match": "*"})
    assert (careless.status, careless.code, careless.json["allowed_transitions"]) == (409, "invalid_transition", [])
    assert mailed() == ["placed"]
    assert counted(team)[0] == 1
    assert [len(kept["history"]) for kept in stored("order")] == [1, 1]


def test_an_order_is_not_approved_for_somebody_who_cannot_buy_any_more(team: Team) -> None:
    order = team.place(line("A-1", 1, 1))
    before = stored("order")
    team.set_customer(active=False)
    inactive = team.market.step(order, "approve")
    assert (inactive.status, inactive.code) == (409, "customer_inactive")
    team.set_customer(active=True)
    revoked = team.market.owner.post("/v1/invitations/revoke", {"customer_ids": [team.market.customer["id"]]})
    assert revoked.json["revoked"] == 1
    for by in (team.supervisor.client, team.market.owner):
        gone = team.market.step(order, "approve", by=by)
        assert (gone.status, gone.code) == (409, "employee_not_active")
    assert (stored("order"), mailed()) == (before, [])


def test_a_waiting_order_is_withdrawn_by_whoever_placed_it_or_buys_and_nobody_hears_of_it(team: Team) -> None:
    for client in (team.rep.client, team.market.buyer, _acting(team)):
        order = team.place(line("A-1", 1, 1))
        reply = team.market.step(order, "cancel", by=client)
        assert (reply.status, reply.json["status"]) == (200, "cancelled")
    rejected = step(team, team.place(line("A-1", 1, 1)), "reject", team.supervisor)
    assert (rejected.json["status"], rejected.json["allowed_transitions"]) == ("rejected", [])
    assert mailed() == []
    assert counted(team) == (0, 0)


# What changes at the same moment


def test_a_customer_who_is_changed_at_that_moment_is_read_again(team: Team) -> None:
    team.place(line("A-1"))
    buyers = team.market.body(("A-1", 1))
    for client, body in ((team.market.buyer, buyers), (team.rep.client, team.body(line("A-1"))), (_acting(team), buyers)):
        name = f"Blue Door {client.token}"[:30]
        with meanwhile("TransactWriteItems", partial(team.set_customer, name=name)), counted_calls() as calls:
            reply = client.post("/v1/orders", body)
        assert (reply.status, reply.json["customer_name"]) == (201, name)
        assert calls[-2:] == ["BatchGetItem", "TransactWriteItems"]
        path, etag = f"/v1/orders/{reply.json['id']}", reply.json["etag"]
        with meanwhile("TransactWriteItems", partial(team.set_customer, name=f"{name}!")):
            changed = team.rep.client.patch(path, {"lines": [line("A-1", 3)]}, etag=etag)
        assert changed.status == 200, changed.text
        with meanwhile("TransactWriteItems", partial(team.set_customer, name=f"{name}?")):
            cancelled = client.post(f"{path}/cancel", headers={"If-Match": changed.json["etag"]})
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert counted(team)[0] == 1


def test_an_order_counts_for_whomever_the_customer_is_allocated_to_when_it_is_written(team: Team) -> None:
    with meanwhile("TransactWriteItems", partial(team.assign, team.outsider)):
        order = team.market.place()
    figures = [rep.client.get("/v1/statistics").json["revenue"]["amount"] for rep in (team.rep, team.outsider)]
    assert figures == [0, order["total"]["amount"]]


def test_whoever_loses_the_customer_at_that_moment_orders_nothing(team: Team) -> None:
    acting = _acting(team)
    for client, body in ((team.rep.client, team.body()), (acting, team.market.body())):
        with meanwhile("TransactWriteItems", partial(team.assign, team.outsider)):
            reply = client.post("/v1/orders", body)
        assert reply.status == 404
        assert stored("order") == []
        team.assign(team.rep)
