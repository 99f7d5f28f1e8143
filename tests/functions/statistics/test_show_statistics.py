"""What was sold: to each caller in its scope, by day, by customer and by rep; whatever was done, and whatever went wrong."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.conftest import Clock
from tests.functions.statistics.conftest import wait
from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Reply, run
from tests.support.ordering import send_event
from tests.support.queues import create_mail_queue
from tests.support.statistics import all_items
from tests.support.table import counted_calls, records, stored
from tests.support.territory import Territory, Walk
from tests.support.world import euros, open_shop

NOTHING = {"orders": 0, "revenue": euros(0), "average": euros(0), "open_value": euros(0)}
ONE = 1840  # 12.50 and 5.90 for the parcel
STEPS = 50
CHECKED_EVERY = 10
DOWN = refusal("TransactWriteItems", "InternalServerError")


def sold(client: Client, **query: str) -> tuple[int, int, int]:
    """Return orders, revenue and open value."""
    reply = client.get("/v1/statistics", **query)
    assert reply.status == 200, reply.text
    return reply.json["orders"], reply.json["revenue"]["amount"], reply.json["open_value"]["amount"]


def ranking(client: Client, **query: str) -> list[tuple[int, str, int]]:
    """Return rank, name and revenue of the customers that are ranked."""
    items = all_items(client, "/v1/statistics/customers", **query)
    return [(item["rank"], item["customer"]["name"], item["revenue"]["amount"]) for item in items]


def test_the_last_thirty_days_are_shown_by_day_and_days_without_orders_are_left_out(territory: Territory, today: Clock) -> None:
    territory.order("blue")
    wait(territory, today, 10)
    territory.order("blue", quantity=2)
    shipped = territory.order("green")
    wait(territory, today, 8)  # it is four in the morning of the next day in Berlin
    territory.market.move(shipped, "confirm", "start", "ship")
    territory.order("red")
    shown = territory.owner.get("/v1/statistics")
    assert shown.status == 200
    assert shown.json == {
        "from": "2026-10-23",
        "to": "2026-11-21",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "scope": "all customers",
        "orders": 4,
        "revenue": euros(3 * ONE + ONE + 1250),
        "average": euros(2152),  # 2152.5
        "open_value": euros(2 * ONE + ONE + 1250),
        "by_day": [
            {
                "date": "2026-11-20",
                "orders": 3,
                "revenue": euros(2 * ONE + ONE + 1250),
                "average": euros(2257),  # 2256.7
                "open_value": euros(ONE + ONE + 1250),
            },
            {"date": "2026-11-21", "orders": 1, "revenue": euros(ONE), "average": euros(ONE), "open_value": euros(ONE)},
        ],
    }
    territory.check(*territory.callers)


def test_other_days_are_shown_as_asked_and_no_order_is_counted_twice_or_not_at_all(territory: Territory, today: Clock) -> None:
    territory.order("blue")
    wait(territory, today, 11)
    territory.order("blue")
    wait(territory, today, 11)
    territory.order("blue")
    for days, orders in (
        ({"from": "2026-11-20", "to": "2026-11-20"}, 2),
        ({"from": "2026-11-21", "to": "2026-11-21"}, 1),
        ({"from": "2026-11-21"}, 1),
        ({"from": "2026-11-22"}, 0),
        ({"to": "2026-11-20"}, 2),
        ({"to": "2026-11-19"}, 0),
        ({"from": "2016-11-21", "to": "2026-11-21"}, 3),
        ({"from": "0001-01-01", "to": "0001-12-31"}, 0),
        ({"from": "9999-12-31", "to": "9999-12-31"}, 0),
    ):
        assert sold(territory.owner, **days)[0] == orders, days
        assert len(all_items(territory.owner, "/v1/orders", **days)) == orders, days


def test_nobody_is_shown_more_than_its_orders_come_to(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    territory.assign("green", territory.otto, territory.rhea)
    for customer in ("blue", "green", "red"):
        territory.order(customer)
    assert territory.switch("green", active=False).status == 200
    assert sold(territory.owner) == (3, 3 * ONE, 3 * ONE)
    assert sold(territory.alma.client) == sold(territory.sven.client) == (2, 2 * ONE, 2 * ONE)
    assert sold(territory.rhea.client) == (2, 2 * ONE, 2 * ONE)
    assert sold(territory.otto.client) == (1, ONE, ONE)
    assert ranking(territory.owner) == ranking(territory.owner, limit="1")
    assert {name for _, name, _ in ranking(territory.alma.client)} == {"Blue Door", "Red Roof"}
    assert {name for _, name, _ in ranking(territory.rhea.client)} == {"Blue Door", "Green Gate"}
    assert {name for _, name, _ in ranking(territory.otto.client)} == {"Green Gate"}
    assert {name for _, name, _ in ranking(territory.sven.client, sales_rep_id=territory.rhea.id)} == {"Blue Door"}
    territory.check(*territory.callers)


@pytest.mark.parametrize("path", ["/v1/statistics", "/v1/statistics/customers"])
def test_an_unknown_rep_and_one_who_is_none_of_the_callers_business_are_the_same(territory: Territory, path: str) -> None:
    rival = open_shop(territory.owner.as_(None), "rival").owner
    unknown = territory.owner.get(path, sales_rep_id=territory.rhea.id[:-1] + "0")
    assert (unknown.status, unknown.code) == (404, "not_found")
    for caller, named in (
        (territory.rhea.client, territory.otto.id),
        (territory.rhea.client, territory.sven.id),
        (rival, territory.rhea.id),
        (territory.owner, territory.employees["blue"]),
        (territory.owner, territory.owner.get("/v1/me").json["id"]),
        (territory.alma.client, "nobody"),
        (territory.alma.client, ""),
    ):
        refused = caller.get(path, sales_rep_id=named)
        assert (refused.status, refused.text) == (404, unknown.text)
    for caller in (territory.owner, territory.alma.client, territory.sven.client, territory.rhea.client):
        assert caller.get(path, sales_rep_id=territory.rhea.id).status == 200


def test_a_customer_out_of_scope_does_not_exist(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    territory.switch("red", active=False)
    unknown = territory.owner.get("/v1/statistics", customer_id="nobody")
    assert (unknown.status, unknown.code) == (404, "not_found")
    for caller, customer in (
        (territory.otto, "blue"),
        (territory.rhea, "red"),
        (territory.alma, "red"),
        (territory.sven, "red"),
    ):
        refused = caller.client.get("/v1/statistics", customer_id=territory.customers[customer])
        assert (refused.status, refused.text) == (404, unknown.text)
    assert territory.owner.get("/v1/statistics", customer_id=territory.customers["red"]).json["scope"] == "Red Roof"


def test_a_customer_that_is_not_the_reps_comes_to_nothing_with_that_rep(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    territory.order("blue")
    blue = {"customer_id": territory.customers["blue"]}
    for caller in (territory.owner, territory.alma.client):
        with counted_calls() as calls:
            shown = caller.get("/v1/statistics", **blue, sales_rep_id=territory.otto.id).json
        assert calls == ["BatchGetItem"]
        assert {name: shown[name] for name in NOTHING} == NOTHING
        assert shown["by_day"] == caller.get("/v1/orders", **blue, sales_rep_id=territory.otto.id).json["items"] == []
        assert sold(caller, **blue, sales_rep_id=territory.rhea.id) == (1, ONE, ONE)
    assert sold(territory.rhea.client, **blue, sales_rep_id=territory.rhea.id) == (1, ONE, ONE)


def test_whose_orders_are_counted_is_said_in_words(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    blue = {"customer_id": territory.customers["blue"]}
    for caller, query, words in (
        (territory.owner, {}, "all customers"),
        (territory.owner, {"sales_rep_id": territory.rhea.id}, "all customers allocated to Rhea"),
        (territory.alma.client, {}, "all active customers"),
        (territory.sven.client, {"sales_rep_id": territory.otto.id}, "all active customers allocated to Otto"),
        (territory.rhea.client, {}, "all customers allocated to you"),
        (territory.rhea.client, blue, "Blue Door allocated to you"),
        (territory.owner, blue, "Blue Door"),
    ):
        assert caller.get("/v1/statistics", **query).json["scope"] == words


def test_an_order_counts_from_its_approval_on_the_day_of_its_placing(territory: Territory, today: Clock) -> None:
    territory.assign("blue", territory.rhea)
    waiting = territory.order("blue", by=territory.rhea, amount=100)
    assert waiting["status"] == "awaiting_approval"
    assert sold(territory.owner) == (0, 0, 0)
    assert territory.market.step(waiting, "approve", by=territory.rhea.client).status == 403
    wait(territory, today, 20)
    territory.assign("blue", territory.otto)
    assert territory.market.step(waiting, "approve").json["status"] == "received"
    assert sold(territory.otto.client, **{"from": "2026-11-20", "to": "2026-11-20"}) == (1, 690, 690)
    assert sold(territory.otto.client, **{"from": "2026-11-21", "to": "2026-11-21"}) == (0, 0, 0)


@pytest.mark.parametrize("path", ["/v1/statistics", "/v1/statistics/customers", "/v1/statistics/sales-reps"])
def test_days_that_are_none_in_the_wrong_order_or_too_many_are_refused(territory: Territory, today: Clock, path: str) -> None:
    for days in (
        {"from": "2026-11-21", "to": "2026-11-20"},
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"from": "2001-01-01"},
    ):
        refused = territory.owner.get(path, **days)
        assert (refused.status, refused.code) == (422, "invalid_period"), refused.text
        assert refused.json["errors"][0]["pointer"] == "?from"
    for days in ({"from": "2026-11-31"}, {"to": "today"}, {"to": "1763942400"}):
        assert territory.owner.get(path, **days).status == 422
    longest = {"/v1/statistics": "2016-11-14"}.get(path, "2025-11-20")
    assert territory.owner.get(path, **{"from": longest}).status == 200


def test_customers_are_ranked_by_revenue_a_page_at_a_time(territory: Territory) -> None:
    territory.order("green", quantity=3)
    territory.order("red", quantity=3)
    territory.order("blue")
    first, second = sorted(("green", "red"), key=lambda name: territory.customers[name])
    names = {"green": "Green Gate", "red": "Red Roof"}
    expected = [(1, names[first], 4340), (2, names[second], 4340), (3, "Blue Door", ONE)]
    for limit in ("1", "2", "3", "100"):
        assert ranking(territory.owner, limit=limit) == ranking(territory.alma.client, limit=limit) == expected
    page = territory.owner.get("/v1/statistics/customers", limit="1").json
    assert page["items"][0] == {
        "rank": 1,
        "customer": page["items"][0]["customer"],
        "orders": 1,
        "revenue": euros(4340),
        "average": euros(4340),
        "open_value": euros(4340),
    }
    assert set(page["items"][0]["customer"]) == {"id", "number", "name"}
    cursor = {"cursor": page["next_cursor"], "limit": "1"}
    assert territory.owner.get("/v1/statistics/customers", **cursor).status == 200
    for other in (
        {"sales_rep_id": territory.rhea.id},
        {"from": "2026-11-20"},
        {"to": "2026-11-19"},
    ):
        refused = territory.owner.get("/v1/statistics/customers", **cursor, **other)
        assert (refused.status, refused.code) == (400, "invalid_cursor")
    assert territory.alma.client.get("/v1/statistics/customers", **cursor).status == 400
    assert territory.owner.get("/v1/statistics/sales-reps", **cursor).status == 400


def test_a_page_of_the_ranking_looks_for_no_more_than_so_many_customers(territory: Territory) -> None:
    for customer in ("blue", "green", "red"):
        territory.order(customer)
    for customer in ("blue", "green"):
        territory.switch(customer, active=False)
    with counted_calls() as calls:
        page = territory.alma.client.get("/v1/statistics/customers", limit="1").json
    assert calls == ["BatchGetItem", "Query", *["BatchGetItem"] * len(calls[2:])]
    assert len(calls) <= 2 + 5
    assert ranking(territory.alma.client, limit="1") == [(1, "Red Roof", ONE)]
    assert len(page["items"]) <= 1


def test_sales_reps_are_ranked_for_owner_and_supervisors(territory: Territory) -> None:
    territory.assign("blue", territory.rhea, territory.otto)
    territory.assign("green", territory.otto)
    for customer in ("blue", "green", "red"):
        territory.order(customer)
    territory.switch("green", active=False)
    rhea = territory.owner.get(f"/v1/sales-reps/{territory.rhea.id}")
    territory.owner.patch(f"/v1/sales-reps/{territory.rhea.id}", {"active": False}, etag=rhea.headers["etag"])

    def reps(client: Client, **query: str) -> list[tuple[int, str, str, int]]:
        items = all_items(client, "/v1/statistics/sales-reps", **query)
        names = [(item["sales_rep"]["name"], item["sales_rep"]["status"]) for item in items]
        return [(item["rank"], *name, item["revenue"]["amount"]) for item, name in zip(items, names, strict=True)]

    nobody = [(3, "Alma", "active", 0), (4, "Sven", "active", 0)]
    by_owner = [(1, "Otto", "active", 2 * ONE), (2, "Rhea", "inactive", ONE), *nobody]
    for limit in ("1", "3", "4", "100"):
        assert reps(territory.owner, limit=limit) == by_owner
    assert reps(territory.sven.client) == [(1, "Otto", "active", ONE), (2, "Rhea", "inactive", ONE), *nobody]
    assert sum(revenue for *_, revenue in by_owner) == 3 * ONE
    for client in (territory.otto.client, territory.alma.client, territory.market.buyer):
        refused = client.get("/v1/statistics/sales-reps")
        assert (refused.status, refused.code) == (403, "forbidden")
    for path in ("/v1/statistics", "/v1/statistics/customers"):
        assert territory.market.buyer.get(path).status == 403
        assert territory.owner.as_(None).get(path, store="acme").status == 401


def test_figures_cost_the_caller_and_one_more_call_and_rankings_one_for_each_quarter(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    territory.order("blue")
    batch, query = "BatchGetItem", "Query"
    one: dict[str, str] = {}
    all_year = {"from": "2025-12-01", "to": "2026-11-30"}
    expected: list[tuple[Client, str, dict[str, str], list[str]]] = [
        (territory.owner, "", all_year, [batch, query]),
        (territory.owner, "", {"sales_rep_id": territory.rhea.id, "customer_id": territory.customers["blue"]}, [batch, query]),
        (territory.rhea.client, "", {"customer_id": territory.customers["blue"], "from": "2017-01-01"}, [batch, query]),
        (territory.owner, "/customers", one, [batch, query, batch]),
        (territory.owner, "/customers", all_year, [batch, *[query] * 5, batch]),
        (territory.owner, "/customers", {"sales_rep_id": territory.rhea.id}, [batch, query, query, batch]),
        (territory.rhea.client, "/customers", one, [batch, query, query, batch]),
        (territory.rhea.client, "/customers", all_year, [batch, *[query] * 6, batch]),
        (territory.otto.client, "/customers", one, [batch, query, query]),
        (territory.owner, "/sales-reps", one, [batch, query, query]),
        (territory.sven.client, "/sales-reps", all_year, [batch, *[query] * 6]),
    ]
    for caller, path, parameters, wanted in expected:
        with counted_calls() as calls:
            assert caller.get(f"/v1/statistics{path}", **parameters).status == 200
        assert calls == wanted, (path, parameters)


def test_a_ranking_can_be_of_one_customer_in_scope(territory: Territory) -> None:
    territory.order("blue")
    territory.order("green")
    blue = territory.customers["blue"]
    [row] = territory.owner.get("/v1/statistics/customers", customer_id=blue).json["items"]
    assert (row["customer"]["id"], row["orders"]) == (blue, 1)
    unknown = territory.owner.get("/v1/statistics/customers", customer_id="nobody")
    assert (unknown.status, unknown.code) == (404, "not_found")


def test_the_time_zone_stays_once_orders_are_counted_by_its_days(territory: Territory) -> None:
    def change(**settings: Any) -> Any:
        return territory.owner.patch("/v1/store", settings, etag=territory.owner.get("/v1/store").headers["etag"])

    assert change(time_zone="Pacific/Auckland").status == 200
    assert territory.owner.get("/v1/statistics").json["to"] == "2026-11-20"
    assert change(time_zone="Europe/Berlin").status == 200
    territory.order("blue")
    (before,) = stored("store")
    refused = change(time_zone="Pacific/Auckland", name="Elsewhere")
    assert (refused.status, refused.code) == (409, "time_zone_in_use")
    assert stored("store") == [before]
    assert change(time_zone="Europe/Berlin", name="Elsewhere").status == 200


def test_the_example_payload_is_answered(territory: Territory) -> None:
    territory.order("blue")
    reply = send_event("statistics/show_statistics.november", TOKEN=territory.owner.token)
    assert (reply.status, reply.json["orders"], reply.json["from"]) == (200, 1, "2026-11-01")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_of_everybody_are_what_their_orders_come_to(territory: Territory, today: Clock, seed: int) -> None:
    for customer in territory.customers:
        territory.order(customer)
    walk = Walk(territory, seed)
    for number in range(1, STEPS + 1):
        wait(territory, today, walk.draw.choice([0, 0, 0, 1, 7]))
        # Some are not carried out, and of some nobody is told that they are.
        fault = walk.draw.choice([None, None, "before", "after"])
        with failing("TransactWriteItems", DOWN, when=fault or "before", times=1 if fault else 0):
            walk.step()
        if number % CHECKED_EVERY == 0:
            territory.check(walk.draw.choice(territory.callers))
    territory.check(*territory.callers)
    assert walk.done.keys() >= {"order 201", "move 200", "edit 200", "assign 200", "switch 200"}, walk.done


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_dies_leaves_orders_and_figures_equal(territory: Territory, when: Any) -> None:
    territory.assign("blue", territory.rhea)
    order = territory.order("blue")
    etag = {"If-Match": order["etag"]}
    steps: list[Callable[[], Reply]] = [
        partial(territory.sven.client.post, "/v1/orders", territory.body("blue"), key="again"),
        partial(territory.owner.post, f"/v1/orders/{order['id']}/cancel", key="again", headers=etag),
    ]
    for step in steps:
        with failing("TransactWriteItems", DOWN, when=when):
            assert step().status == 500
        territory.check()
        assert step().status in {200, 201}
        territory.check()
    with failing("TransactWriteItems", DOWN, when=when):
        assert territory.assign("blue", territory.otto).status == 500
    territory.check()
    with failing("TransactWriteItems", DOWN, when=when):
        assert territory.switch("blue", active=False).status == 500
    territory.check()
    assert territory.assign("blue", territory.otto, territory.sven).status == 200
    territory.check(*territory.callers)


def test_an_order_while_its_customer_is_reassigned_counts_for_the_new_rep(territory: Territory) -> None:
    territory.assign("blue", territory.rhea)
    body = territory.body("blue")
    with meanwhile("TransactWriteItems", partial(territory.assign, "blue", territory.otto)):
        placed = territory.sven.client.post("/v1/orders", body)
    assert placed.status in {201, 409}
    territory.check()
    with meanwhile("TransactWriteItems", partial(territory.order, "blue")):
        assigned = territory.assign("blue", territory.rhea)
    assert assigned.status in {200, 409, 412}
    territory.check()
    order = territory.order("blue")
    with meanwhile("TransactWriteItems", partial(territory.assign, "blue", territory.otto, territory.rhea)):
        moved = territory.market.step(order, "cancel")
    assert moved.status in {200, 409, 412}
    territory.check()
    with meanwhile("TransactWriteItems", partial(territory.market.step, territory.order("blue"), "cancel")):
        switched = territory.switch("blue", active=False)
    assert switched.status in {200, 409, 412}
    territory.check(*territory.callers)


def test_what_the_stream_tells_twice_is_counted_once(territory: Territory) -> None:
    create_mail_queue()
    territory.assign("blue", territory.rhea)
    territory.order("blue")
    before = stored("statistics")
    images = [record.to_dynamodb_dict() for record in records("outbox")]
    told = [{"NewImage": each, "Keys": {"pk": each["pk"], "sk": each["sk"]}, "SequenceNumber": "1"} for each in images]
    events = [{"eventName": "INSERT", "dynamodb": each} for each in told]
    assert events
    for _ in range(2):
        assert run("notifications/relay_outbox", {"Records": events}) == {"batchItemFailures": []}
    assert stored("statistics") == before
    territory.check()
