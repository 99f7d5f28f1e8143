"""What the list of orders comes to, counted anew by whoever sees it: what the figures must be."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.client import Client
from tests.support.reps import Rep
from tests.support.world import euros

STANDING = {"received", "confirmed", "in_progress", "shipped"}


def all_items(client: Client, path: str, **query: str) -> list[dict[str, Any]]:
    """Return the items of all pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = client.get(path, **query, **cursor)
        assert reply.status == 200, reply.text
        found += reply.json["items"]
        if reply.json["next_cursor"] is None:
            return found
        cursor = {"cursor": reply.json["next_cursor"]}


def recounted(orders: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what some orders come to, as the API says it."""
    standing = [order for order in orders if order["status"] in STANDING]
    revenue = sum(order["total"]["amount"] for order in standing)
    unshipped = sum(order["total"]["amount"] for order in standing if order["status"] != "shipped")
    average = round(Fraction(revenue, len(standing))) if standing else 0
    amounts = {"revenue": euros(revenue), "average": euros(average), "open_value": euros(unshipped)}
    return {"orders": len(standing), **amounts}


def check_statistics(
    caller: Client, customers: Iterable[str], reps: Iterable[Rep], *, time_zone: str = "Europe/Berlin", **days: str
) -> dict[str, Any]:
    """Hold every figure that a caller may see against what it finds among the orders; returns its own totals."""
    orders = all_items(caller, "/v1/orders", limit="100", **days)
    total = _check(caller, orders, time_zone, **days)
    by_customer = defaultdict(list)
    for order in orders:
        by_customer[order["customer_id"]].append(order)
    for customer in customers:
        if caller.get(f"/v1/customers/{customer}").status == 200:
            found = all_items(caller, "/v1/orders", customer_id=customer, limit="100", **days)
            assert sorted(each["id"] for each in found) == sorted(each["id"] for each in by_customer[customer])
            _check(caller, found, time_zone, customer_id=customer, **days)
        else:
            assert caller.get("/v1/statistics", customer_id=customer).status == 404
            assert by_customer[customer] == []
    _check_ranking(caller, by_customer, **days)
    me = caller.get("/v1/me").json
    sees_all = me["role"] == "owner" or me["access"] == "all" or me["supervisor"]
    expected = {}
    for rep in reps:
        if sees_all or rep.id == me["id"]:
            expected[rep.id] = _check_rep(caller, rep, time_zone, **days)
        else:
            assert caller.get("/v1/statistics", sales_rep_id=rep.id).status == 404
    ranked = caller.get("/v1/statistics/sales-reps", **days)
    if me["role"] == "owner" or me["supervisor"]:
        sold = {item["sales_rep"]["id"]: _figures(item) for item in ranked.json["items"]}
        assert sold == {**dict.fromkeys(sold, recounted([])), **expected}
    else:
        assert (ranked.status, ranked.code) == (403, "forbidden")
    return total


def _check(caller: Client, orders: list[dict[str, Any]], time_zone: str, **query: str) -> dict[str, Any]:
    """Hold one set of figures against the orders, in all and by day; returns the totals."""
    reply = caller.get("/v1/statistics", **query)
    assert reply.status == 200, reply.text
    days = defaultdict(list)
    for order in orders:
        placed = datetime.fromisoformat(order["placed_at"]).astimezone(ZoneInfo(time_zone))
        days[placed.date().isoformat()].append(order)
    by_day = [{"date": day, **recounted(few)} for day, few in sorted(days.items()) if recounted(few)["orders"]]
    total = recounted(orders)
    assert _figures(reply.json) == total
    assert reply.json["by_day"] == by_day
    return total


def _check_rep(caller: Client, rep: Rep, time_zone: str, **days: str) -> dict[str, Any]:
    orders = all_items(caller, "/v1/orders", sales_rep_id=rep.id, limit="100", **days)
    total = _check(caller, orders, time_zone, sales_rep_id=rep.id, **days)
    by_customer = defaultdict(list)
    for order in orders:
        by_customer[order["customer_id"]].append(order)
    _check_ranking(caller, by_customer, sales_rep_id=rep.id, **days)
    return total


def _check_ranking(caller: Client, by_customer: Mapping[str, list[dict[str, Any]]], **query: str) -> None:
    ranking = all_items(caller, "/v1/statistics/customers", limit="3", **query)
    sold = {customer: recounted(orders) for customer, orders in by_customer.items()}
    expected = sorted((-each["revenue"]["amount"], customer) for customer, each in sold.items() if each["orders"])
    assert [(-item["revenue"]["amount"], item["customer"]["id"]) for item in ranking] == expected
    assert [item["rank"] for item in ranking] == list(range(1, len(ranking) + 1))
    assert {item["customer"]["id"]: _figures(item) for item in ranking} == {name: sold[name] for _, name in expected}


def _figures(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("orders", "revenue", "average", "open_value")}
