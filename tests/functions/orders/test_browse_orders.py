"""Orders as store and buyers see them: newest first, in scope, filtered, a page at a time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import Market, Team, line, send_event
from tests.support.reps import allocate
from tests.support.table import counted_calls


def numbers(client: Client, **query: Any) -> list[str]:
    """Return the order numbers of all pages, in order."""
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        reply = client.get("/v1/orders", **query, **cursor)
        assert reply.status == 200, reply.text
        found += [order["number"] for order in reply.json["items"]]
        if reply.json["next_cursor"] is None:
            return found
        cursor = {"cursor": reply.json["next_cursor"]}


def test_the_store_sees_all_orders_and_a_buyer_its_companys_newest_first(market: Market, time: Clock) -> None:
    placed = []
    for buyer in (market.buyer, market.other_buyer, market.buyer):
        time.advance(minutes=1)
        placed.append(market.place(buyer=buyer)["number"])
    assert numbers(market.owner) == placed[::-1]
    assert numbers(market.buyer) == [placed[2], placed[0]]
    assert numbers(market.other_buyer) == [placed[1]]
    assert numbers(market.rival()) == []


def test_an_order_shows_to_store_and_customer_alone(market: Market) -> None:
    order = market.place()
    path = f"/v1/orders/{order['id']}"
    assert market.buyer.get(path).json == order
    assert market.owner.get(path).json == {**order, "allowed_transitions": ["confirm", "cancel"]}
    assert market.buyer.get(path, headers={"If-None-Match": order["etag"]}).status == 304
    missing = market.buyer.get("/v1/orders/nothing")
    for stranger in (market.other_buyer, market.rival()):
        reply = stranger.get(path)
        assert (reply.status, reply.text) == (404, missing.text)
    assert market.owner.as_(None).get(path).status == 401


def test_reading_costs_the_caller_and_one_more_call_at_most(market: Market) -> None:
    order = market.place()
    with counted_calls() as calls:
        market.buyer.get(f"/v1/orders/{order['id']}")
    assert calls == ["BatchGetItem"]
    for query in ({}, {"status": "received", "q": order["number"]}, {"from": "2026-01-01", "expand": "lines"}):
        with counted_calls() as calls:
            market.buyer.get("/v1/orders", **query)
        assert calls == ["BatchGetItem", "Query"]
    # Searching the whole store goes through the word index first.
    with counted_calls() as calls:
        market.owner.get("/v1/orders", q=order["number"])
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_lines_are_listed_only_when_asked_for(market: Market) -> None:
    order = market.place()
    (brief,) = market.owner.get("/v1/orders").json["items"]
    assert (brief["lines"], brief["line_count"], brief["etag"]) == (None, 2, order["etag"])
    (full,) = market.owner.get("/v1/orders", expand="lines").json["items"]
    assert full["lines"] == order["lines"]
    assert market.owner.get("/v1/orders", expand="history").status == 422


def test_pages_follow_each_other_without_gap_or_repeat(market: Market, time: Clock) -> None:
    placed = []
    for _ in range(7):
        time.advance(seconds=1)
        placed.append(market.place()["number"])
    for limit in ("1", "3", "7"):
        assert numbers(market.owner, limit=limit) == placed[::-1]
        assert numbers(market.buyer, limit=limit, status="received") == placed[::-1]
        assert sorted(numbers(market.owner, limit=limit, q="o")) == sorted(placed)
        assert sorted(numbers(market.owner, limit=limit, q="blue door")) == sorted(placed)


def test_a_cursor_serves_its_own_list_only(market: Market) -> None:
    market.place()
    market.place()
    cursor = market.owner.get("/v1/orders", limit="1").json["next_cursor"]
    for client, query in (
        (market.owner, {"status": "received"}),
        (market.owner, {"customer_id": market.customer["id"]}),
        (market.owner, {"from": "2026-01-01"}),
        (market.owner, {"q": "blue"}),
        (market.buyer, {}),
        (market.rival(), {}),
    ):
        reply = client.get("/v1/orders", cursor=cursor, **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor")
    assert market.owner.get("/v1/orders", cursor=cursor[:-1] + ("y" if cursor[-1] == "x" else "x")).code == "invalid_cursor"


def test_orders_are_filtered_by_state(market: Market) -> None:
    kept, moved = market.place(), market.place()
    market.move(moved, "confirm")
    assert numbers(market.owner, status="received") == [kept["number"]]
    assert numbers(market.buyer, status="confirmed") == [moved["number"]]
    assert numbers(market.owner, status="confirmed", q="blue") == [moved["number"]]
    assert numbers(market.owner, status="shipped") == []


def test_orders_are_found_by_number_and_customer_within_the_scope(market: Market) -> None:
    mine, theirs = market.place(), market.place(buyer=market.other_buyer)
    assert numbers(market.owner, q=mine["number"].lower()) == [mine["number"]]
    assert numbers(market.owner, q=mine["number"][2:5]) == [mine["number"]]
    assert numbers(market.owner, q="GREEN gat") == [theirs["number"]]
    assert numbers(market.owner, q=market.customer["number"]) == [mine["number"]]
    assert numbers(market.owner, q="green door") == []
    assert numbers(market.buyer, q=mine["number"]) == [mine["number"]]
    assert numbers(market.buyer, q=theirs["number"]) == []
    assert numbers(market.owner, q="!!!") == numbers(market.buyer, q="!!!") == []


def test_the_store_picks_one_customers_orders_and_a_buyer_only_its_own(market: Market) -> None:
    mine, theirs = market.place(), market.place(buyer=market.other_buyer)
    assert numbers(market.owner, customer_id=market.customer["id"]) == [mine["number"]]
    assert numbers(market.owner, customer_id=market.other_customer["id"], q="green") == [theirs["number"]]
    assert numbers(market.owner, customer_id="nobody") == []
    assert numbers(market.buyer, customer_id=market.customer["id"]) == [mine["number"]]
    assert numbers(market.buyer, customer_id=market.other_customer["id"]) == []
    assert numbers(market.rival(), customer_id=market.customer["id"]) == []


def test_days_are_the_stores_and_both_included(market: Market, time: Clock) -> None:
    # Given orders around midnight in Berlin, which is 23:00 UTC
    placed = {}
    for name, minute in {"late": 59, "early": 0}.items():
        time.at = datetime(2027, 1, 9, 22 if name == "late" else 23, minute, tzinfo=UTC)
        placed[name] = market.place(buyer=market.login())["number"]
    # Then each belongs to the day that it was there
    assert numbers(market.login(owner=True), **{"from": "2027-01-09", "to": "2027-01-09"}) == [placed["late"]]
    assert numbers(market.login(owner=True), **{"from": "2027-01-10"}) == [placed["early"]]
    assert numbers(market.login(owner=True), to="2027-01-09") == [placed["late"]]
    assert numbers(market.login(owner=True), **{"from": "2027-01-09", "to": "2027-01-10"}) == [
        placed["early"],
        placed["late"],
    ]
    assert numbers(market.login(owner=True), **{"from": "2027-01-10", "q": "blue"}) == [placed["early"]]
    assert numbers(market.login(owner=True), **{"from": "0001-01-01", "to": "9999-12-31"}) == [
        placed["early"],
        placed["late"],
    ]


def test_the_event_for_sam_lists_one_month(market: Market, time: Clock) -> None:
    reply = send_event("orders/browse_orders.received_in_november", TOKEN=market.owner.token)
    assert (reply.status, reply.json) == (200, {"items": [], "next_cursor": None})


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "?from"),
        ({"from": "2026-02-30"}, "?from"),
        ({"from": "yesterday"}, "?from"),
        ({"to": "1700000000"}, "?to"),
        ({"to": "2026-11-01T00:00:00"}, "?to"),
        ({"to": ""}, "?to"),
        ({"status": "lost"}, "?status"),
        ({"limit": "0"}, "?limit"),
        ({"limit": "101"}, "?limit"),
        ({"limit": "many"}, "?limit"),
        ({"customer_id": "x" * 61}, "?customer_id"),
        ({"q": "x" * 201}, "?q"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(market: Market, query: dict[str, Any], pointer: str) -> None:
    reply = market.owner.get("/v1/orders", **query)
    assert reply.status == 422
    assert reply.json["errors"][0]["pointer"] == pointer


# Sales reps


def test_a_rep_sees_the_orders_of_its_customers_and_with_access_to_all_those_of_active_ones(team: Team) -> None:
    market = team.market
    mine, theirs = market.place()["number"], market.place(buyer=market.other_buyer)["number"]
    fast = team.place(line("B-2"))["number"]
    assert numbers(team.rep.client) == [fast, mine]
    assert numbers(team.outsider.client) == [theirs]
    for rep in (team.everywhere, team.supervisor):
        assert numbers(rep.client) == [fast, theirs, mine]
    team.set_customer(active=False)
    assert numbers(team.rep.client) == [fast, mine]
    for rep in (team.everywhere, team.supervisor):
        assert numbers(rep.client) == numbers(rep.client, q="o") == [theirs]
        assert numbers(rep.client, customer_id=market.customer["id"]) == []
    assert len(numbers(market.owner)) == 3


def test_a_rep_finds_orders_by_number_customer_and_product_among_its_own(team: Team) -> None:
    market = team.market
    mine, theirs = market.place(), market.place(("B-2", 1), buyer=market.other_buyer)
    for query, order in (
        (mine["number"], mine),
        (mine["number"][2:].lower(), mine),
        ("blue", mine),
        (mine["customer_number"], mine),
        ("a-1", mine),
        ("product a-1", mine),
    ):
        assert numbers(team.rep.client, q=query) == [order["number"]]
        assert numbers(team.outsider.client, q=query) == []
        assert numbers(team.everywhere.client, q=query) == [order["number"]]
    assert numbers(team.outsider.client, q="b-2") == [theirs["number"]]
    assert numbers(team.rep.client, q="green") == []
    assert numbers(team.rep.client, q="b-2", customer_id=market.customer["id"]) == [mine["number"]]
    assert numbers(team.rep.client, q="b-2", customer_id=market.other_customer["id"]) == []
    (full,) = team.rep.client.get("/v1/orders", q="a-1", expand="lines").json["items"]
    assert full["lines"] == mine["lines"]


def test_filters_hold_within_the_scope(team: Team) -> None:
    market = team.market
    mine, theirs = market.place(), market.place(buyer=market.other_buyer)
    market.move(mine, "confirm")
    assert numbers(team.rep.client, status="confirmed") == [mine["number"]]
    assert numbers(team.rep.client, status="received") == []
    assert numbers(team.rep.client, **{"from": "2000-01-01", "to": "2000-01-02"}) == []
    assert numbers(team.rep.client, **{"from": "2000-01-01"}) == [mine["number"]]
    for query in ({}, {"q": "product"}):
        assert numbers(market.owner, sales_rep_id=team.rep.id, **query) == [mine["number"]]
        assert numbers(team.supervisor.client, sales_rep_id=team.outsider.id, **query) == [theirs["number"]]
        # Whoever sees its own customers alone can name nobody else.
        for another in (team.outsider.id, "nobody"):
            assert team.rep.client.get("/v1/orders", sales_rep_id=another, **query).status == 404
        assert numbers(team.rep.client, sales_rep_id=team.rep.id, **query) == [mine["number"]]
        assert numbers(market.owner, sales_rep_id="nobody", **query) == []


def test_a_reps_pages_follow_each_other_without_gap_or_repeat(team: Team, time: Clock) -> None:
    market, placed = team.market, []
    for index in range(9):
        time.advance(seconds=1)
        buyer = market.buyer if index % 3 else market.other_buyer
        order = market.place(("B-2", 1), buyer=buyer)
        placed += [order["number"]] if buyer is market.buyer else []
    for limit in ("1", "2", "6", "100"):
        for query in ({}, {"status": "received"}, {"customer_id": market.customer["id"]}):
            assert numbers(team.rep.client, limit=limit, **query) == placed[::-1]
        assert sorted(numbers(team.rep.client, limit=limit, q="product")) == sorted(placed)
        page = team.rep.client.get("/v1/orders", limit=limit).json
        assert len(page["items"]) <= int(limit)


def test_who_loses_or_gains_a_customer_while_paging_goes_on_with_what_it_may_see(team: Team, time: Clock) -> None:
    market = team.market
    for index in range(6):
        time.advance(seconds=1)
        market.place(("B-2", 1), buyer=market.other_buyer if index % 2 else market.buyer)
    allocate(market.shop, market.other_customer, team.outsider, team.rep)
    first = team.rep.client.get("/v1/orders", limit="2").json
    assert len(first["items"]) == 2
    allocate(market.shop, market.other_customer, team.outsider)
    rest = team.rep.client.get("/v1/orders", limit="100", cursor=first["next_cursor"]).json
    assert [order["customer_id"] for order in rest["items"]] == [market.customer["id"]] * 2
    assert rest["next_cursor"] is None
    # A cursor is of whoever got it.
    for client, query in (
        (team.outsider.client, {}),
        (team.everywhere.client, {}),
        (market.owner, {}),
        (team.rep.client, {"sales_rep_id": team.rep.id}),
    ):
        reply = client.get("/v1/orders", cursor=first["next_cursor"], **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor")


def test_a_list_of_a_rep_takes_one_more_call_for_the_customers(team: Team) -> None:
    order = team.place()
    with counted_calls() as calls:
        team.rep.client.get(f"/v1/orders/{order['id']}")
    assert calls == ["BatchGetItem"]
    for client, query in (
        (team.rep.client, {}),
        (team.everywhere.client, {"limit": "100"}),
        (team.rep.client, {"q": "blue", "limit": "100"}),
        (team.rep.client, {"customer_id": team.market.customer["id"], "expand": "lines"}),
        (team.market.owner, {"sales_rep_id": team.rep.id}),
    ):
        with counted_calls() as calls:
            assert len(client.get("/v1/orders", **query).json["items"]) == 1
        assert calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_an_order_out_of_scope_is_like_none_at_all(team: Team) -> None:
    order = team.market.place()
    missing = team.rep.client.get("/v1/orders/nothing")
    assert missing.status == 404
    path = f"/v1/orders/{order['id']}"
    assert team.rep.client.get(path).json["lines"] == order["lines"]
    assert team.outsider.client.get(path).text == missing.text
    team.set_customer(active=False)
    assert team.supervisor.client.get(path).text == missing.text
    assert team.rep.client.get(path).status == 200
    allocate(team.market.shop, team.market.customer)
    assert team.rep.client.get(path).text == missing.text
