"""What was sold: to each caller in its scope, by day, by customer and by sales rep."""

from typing import Any

import pytest

from tests.functions.statistics.conftest import Field
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.statistics import all_items, check_statistics
from tests.support.table import counted_calls, stored
from tests.support.world import euros, open_shop

NOTHING = {"orders": 0, "revenue": euros(0), "average": euros(0), "open_value": euros(0)}
ONE = 1840  # 12.50 and 5.90 for the parcel


def sold(client: Client, **query: str) -> tuple[int, int, int]:
    """Return orders, revenue and open value."""
    reply = client.get("/v1/statistics", **query)
    assert reply.status == 200, reply.text
    return reply.json["orders"], reply.json["revenue"]["amount"], reply.json["open_value"]["amount"]


def ranking(client: Client, **query: str) -> list[tuple[int, str, int]]:
    """Return rank, name and revenue of the customers that are ranked."""
    items = all_items(client, "/v1/statistics/customers", **query)
    return [(item["rank"], item["customer"]["name"], item["revenue"]["amount"]) for item in items]


def test_the_last_thirty_days_are_shown_by_day_and_days_without_orders_are_left_out(field: Field) -> None:
    field.order("blue")
    field.wait(hours=10)
    field.order("blue", quantity=2)
    shipped = field.order("green")
    field.wait(hours=8)  # it is four in the morning of the next day in Berlin
    field.market.move(shipped, "confirm", "start", "ship")
    field.order("red")
    shown = field.owner.get("/v1/statistics")
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
    for caller in field.callers:
        check_statistics(caller, field.customers.values(), field.reps)


def test_other_days_are_shown_as_asked_and_no_order_is_counted_twice_or_not_at_all(field: Field) -> None:
    field.order("blue")
    field.wait(hours=11)
    field.order("blue")
    field.wait(hours=11)
    field.order("blue")
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
        assert sold(field.owner, **days)[0] == orders, days
        assert len(all_items(field.owner, "/v1/orders", **days)) == orders, days


def test_nobody_is_shown_more_than_its_orders_come_to(field: Field) -> None:
    field.assign("blue", field.rhea)
    field.assign("green", field.otto, field.rhea)
    for customer in ("blue", "green", "red"):
        field.order(customer)
    assert field.switch("green", active=False).status == 200
    assert sold(field.owner) == (3, 3 * ONE, 3 * ONE)
    assert sold(field.alma.client) == sold(field.sven.client) == (2, 2 * ONE, 2 * ONE)
    assert sold(field.rhea.client) == (2, 2 * ONE, 2 * ONE)
    assert sold(field.otto.client) == (1, ONE, ONE)
    assert ranking(field.owner) == ranking(field.owner, limit="1")
    assert {name for _, name, _ in ranking(field.alma.client)} == {"Blue Door", "Red Roof"}
    assert {name for _, name, _ in ranking(field.rhea.client)} == {"Blue Door", "Green Gate"}
    assert {name for _, name, _ in ranking(field.otto.client)} == {"Green Gate"}
    assert {name for _, name, _ in ranking(field.sven.client, sales_rep_id=field.rhea.id)} == {"Blue Door"}
    for caller in field.callers:
        check_statistics(caller, field.customers.values(), field.reps)


@pytest.mark.parametrize("path", ["/v1/statistics", "/v1/statistics/customers"])
def test_an_unknown_rep_and_one_who_is_none_of_the_callers_business_are_the_same(field: Field, path: str) -> None:
    rival = open_shop(field.owner.as_(None), "rival").owner
    unknown = field.owner.get(path, sales_rep_id=field.rhea.id[:-1] + "0")
    assert (unknown.status, unknown.code) == (404, "not_found")
    for caller, named in (
        (field.rhea.client, field.otto.id),
        (field.rhea.client, field.sven.id),
        (rival, field.rhea.id),
        (field.owner, field.employees["blue"]),
        (field.owner, field.owner.get("/v1/me").json["id"]),
        (field.alma.client, "nobody"),
        (field.alma.client, ""),
    ):
        refused = caller.get(path, sales_rep_id=named)
        assert (refused.status, refused.text) == (404, unknown.text)
    for caller in (field.owner, field.alma.client, field.sven.client, field.rhea.client):
        assert caller.get(path, sales_rep_id=field.rhea.id).status == 200


def test_a_customer_out_of_scope_does_not_exist(field: Field) -> None:
    field.assign("blue", field.rhea)
    field.switch("red", active=False)
    unknown = field.owner.get("/v1/statistics", customer_id="nobody")
    assert (unknown.status, unknown.code) == (404, "not_found")
    for caller, customer in ((field.otto, "blue"), (field.rhea, "red"), (field.alma, "red"), (field.sven, "red")):
        refused = caller.client.get("/v1/statistics", customer_id=field.customers[customer])
        assert (refused.status, refused.text) == (404, unknown.text)
    assert field.owner.get("/v1/statistics", customer_id=field.customers["red"]).json["scope"] == "Red Roof"


def test_a_customer_that_is_not_the_reps_comes_to_nothing_with_that_rep(field: Field) -> None:
    field.assign("blue", field.rhea)
    field.order("blue")
    blue = {"customer_id": field.customers["blue"]}
    for caller in (field.owner, field.alma.client):
        with counted_calls() as calls:
            shown = caller.get("/v1/statistics", **blue, sales_rep_id=field.otto.id).json
        assert calls == ["BatchGetItem"]
        assert {name: shown[name] for name in NOTHING} == NOTHING
        assert shown["by_day"] == caller.get("/v1/orders", **blue, sales_rep_id=field.otto.id).json["items"] == []
        assert sold(caller, **blue, sales_rep_id=field.rhea.id) == (1, ONE, ONE)
    assert sold(field.rhea.client, **blue, sales_rep_id=field.rhea.id) == (1, ONE, ONE)


def test_whose_orders_are_counted_is_said_in_words(field: Field) -> None:
    field.assign("blue", field.rhea)
    blue = {"customer_id": field.customers["blue"]}
    for caller, query, words in (
        (field.owner, {}, "all customers"),
        (field.owner, {"sales_rep_id": field.rhea.id}, "all customers allocated to Rhea"),
        (field.alma.client, {}, "all active customers"),
        (field.sven.client, {"sales_rep_id": field.otto.id}, "all active customers allocated to Otto"),
        (field.rhea.client, {}, "all customers allocated to you"),
        (field.rhea.client, blue, "Blue Door allocated to you"),
        (field.owner, blue, "Blue Door"),
    ):
        assert caller.get("/v1/statistics", **query).json["scope"] == words


def test_an_order_counts_from_its_approval_on_the_day_of_its_placing(field: Field) -> None:
    field.assign("blue", field.rhea)
    waiting = field.order("blue", by=field.rhea, amount=100)
    assert waiting["status"] == "awaiting_approval"
    assert sold(field.owner) == (0, 0, 0)
    assert field.market.step(waiting, "approve", by=field.rhea.client).status == 403
    field.wait(hours=20)
    field.assign("blue", field.otto)
    assert field.market.step(waiting, "approve").json["status"] == "received"
    assert sold(field.otto.client, **{"from": "2026-11-20", "to": "2026-11-20"}) == (1, 690, 690)
    assert sold(field.otto.client, **{"from": "2026-11-21", "to": "2026-11-21"}) == (0, 0, 0)


@pytest.mark.parametrize("path", ["/v1/statistics", "/v1/statistics/customers", "/v1/statistics/sales-reps"])
def test_days_that_are_none_in_the_wrong_order_or_too_many_are_refused(field: Field, path: str) -> None:
    for days in (
        {"from": "2026-11-21", "to": "2026-11-20"},
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"from": "2001-01-01"},
    ):
        refused = field.owner.get(path, **days)
        assert (refused.status, refused.code) == (422, "invalid_period"), refused.text
        assert refused.json["errors"][0]["pointer"] == "?from"
    for days in ({"from": "2026-11-31"}, {"to": "today"}, {"to": "1763942400"}):
        assert field.owner.get(path, **days).status == 422
    longest = {"/v1/statistics": "2016-11-14"}.get(path, "2025-11-20")
    assert field.owner.get(path, **{"from": longest}).status == 200


def test_customers_are_ranked_by_revenue_a_page_at_a_time(field: Field) -> None:
    field.order("green", quantity=3)
    field.order("red", quantity=3)
    field.order("blue")
    first, second = sorted(("green", "red"), key=lambda name: field.customers[name])
    names = {"green": "Green Gate", "red": "Red Roof"}
    expected = [(1, names[first], 4340), (2, names[second], 4340), (3, "Blue Door", ONE)]
    for limit in ("1", "2", "3", "100"):
        assert ranking(field.owner, limit=limit) == ranking(field.alma.client, limit=limit) == expected
    page = field.owner.get("/v1/statistics/customers", limit="1").json
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
    assert field.owner.get("/v1/statistics/customers", **cursor).status == 200
    for other in (
        {"sales_rep_id": field.rhea.id},
        {"from": "2026-11-20"},
        {"to": "2026-11-19"},
    ):
        refused = field.owner.get("/v1/statistics/customers", **cursor, **other)
        assert (refused.status, refused.code) == (400, "invalid_cursor")
    assert field.alma.client.get("/v1/statistics/customers", **cursor).status == 400
    assert field.owner.get("/v1/statistics/sales-reps", **cursor).status == 400


def test_a_page_of_the_ranking_looks_for_no_more_than_so_many_customers(field: Field) -> None:
    for customer in ("blue", "green", "red"):
        field.order(customer)
    for customer in ("blue", "green"):
        field.switch(customer, active=False)
    with counted_calls() as calls:
        page = field.alma.client.get("/v1/statistics/customers", limit="1").json
    assert calls == ["BatchGetItem", "Query", *["BatchGetItem"] * len(calls[2:])]
    assert len(calls) <= 2 + 5
    assert ranking(field.alma.client, limit="1") == [(1, "Red Roof", ONE)]
    assert len(page["items"]) <= 1


def test_sales_reps_are_ranked_for_owner_and_supervisors(field: Field) -> None:
    field.assign("blue", field.rhea, field.otto)
    field.assign("green", field.otto)
    for customer in ("blue", "green", "red"):
        field.order(customer)
    field.switch("green", active=False)
    rhea = field.owner.get(f"/v1/sales-reps/{field.rhea.id}")
    field.owner.patch(f"/v1/sales-reps/{field.rhea.id}", {"active": False}, etag=rhea.headers["etag"])

    def reps(client: Client, **query: str) -> list[tuple[int, str, str, int]]:
        items = all_items(client, "/v1/statistics/sales-reps", **query)
        names = [(item["sales_rep"]["name"], item["sales_rep"]["status"]) for item in items]
        return [(item["rank"], *name, item["revenue"]["amount"]) for item, name in zip(items, names, strict=True)]

    nobody = [(3, "Alma", "active", 0), (4, "Sven", "active", 0)]
    by_owner = [(1, "Otto", "active", 2 * ONE), (2, "Rhea", "inactive", ONE), *nobody]
    for limit in ("1", "3", "4", "100"):
        assert reps(field.owner, limit=limit) == by_owner
    assert reps(field.sven.client) == [(1, "Otto", "active", ONE), (2, "Rhea", "inactive", ONE), *nobody]
    assert sum(revenue for *_, revenue in by_owner) == 3 * ONE
    for client in (field.otto.client, field.alma.client, field.market.buyer):
        refused = client.get("/v1/statistics/sales-reps")
        assert (refused.status, refused.code) == (403, "forbidden")
    for path in ("/v1/statistics", "/v1/statistics/customers"):
        assert field.market.buyer.get(path).status == 403
        assert field.owner.as_(None).get(path, store="acme").status == 401


def test_figures_cost_the_caller_and_one_more_call_and_rankings_one_for_each_quarter(field: Field) -> None:
    field.assign("blue", field.rhea)
    field.order("blue")
    batch, query = "BatchGetItem", "Query"
    one, all_year = {}, {"from": "2025-12-01", "to": "2026-11-30"}
    expected: list[tuple[Client, str, dict[str, str], list[str]]] = [
        (field.owner, "", all_year, [batch, query]),
        (field.owner, "", {"sales_rep_id": field.rhea.id, "customer_id": field.customers["blue"]}, [batch, query]),
        (field.rhea.client, "", {"customer_id": field.customers["blue"], "from": "2017-01-01"}, [batch, query]),
        (field.owner, "/customers", one, [batch, query, batch]),
        (field.owner, "/customers", all_year, [batch, *[query] * 5, batch]),
        (field.owner, "/customers", {"sales_rep_id": field.rhea.id}, [batch, query, query, batch]),
        (field.rhea.client, "/customers", one, [batch, query, query, batch]),
        (field.rhea.client, "/customers", all_year, [batch, *[query] * 6, batch]),
        (field.otto.client, "/customers", one, [batch, query, query]),
        (field.owner, "/sales-reps", one, [batch, query, query]),
        (field.sven.client, "/sales-reps", all_year, [batch, *[query] * 6]),
    ]
    for caller, path, parameters, wanted in expected:
        with counted_calls() as calls:
            assert caller.get(f"/v1/statistics{path}", **parameters).status == 200
        assert calls == wanted, (path, parameters)


def test_the_time_zone_stays_once_orders_are_counted_by_its_days(field: Field) -> None:
    def change(**settings: Any) -> Any:
        return field.owner.patch("/v1/store", settings, etag=field.owner.get("/v1/store").headers["etag"])

    assert change(time_zone="Pacific/Auckland").status == 200
    assert field.owner.get("/v1/statistics").json["to"] == "2026-11-20"
    assert change(time_zone="Europe/Berlin").status == 200
    field.order("blue")
    (before,) = stored("store")
    refused = change(time_zone="Pacific/Auckland", name="Elsewhere")
    assert (refused.status, refused.code) == (409, "time_zone_in_use")
    assert stored("store") == [before]
    assert change(time_zone="Europe/Berlin", name="Elsewhere").status == 200


def test_the_example_payload_is_answered(field: Field) -> None:
    field.order("blue")
    reply = send_event("statistics/show_statistics.november", TOKEN=field.owner.token)
    assert (reply.status, reply.json["orders"], reply.json["from"]) == (200, 1, "2026-11-01")
