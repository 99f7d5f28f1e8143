"""Activities as owners and sales reps see them: what the store tracks and the person allows, by scope and filters."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, records
from tests.support.territory import Territory
from tests.support.tracking import AT, OPENED, activity_of, allow, open_town, put_activities, track
from tests.support.world import open_shop
from tradepost.domain import clock
from tradepost.domain.activities import Activity
from tradepost.domain.clock import stamp
from tradepost.table.activities import SHARDS, shard_of
from tradepost.table.activity_lists import MONTHS, WINDOW_OF_SHARD
from tradepost.table.records import Record
from tradepost.table.stores import store_key


@pytest.fixture
def town(api: Client, monkeypatch: pytest.MonkeyPatch) -> Territory:
    """A store that tracks activity, at an instant of a month that is not over."""
    monkeypatch.setattr(clock, "now", Clock(AT))
    return open_town(api)


def pages(client: Client, **query: str) -> list[list[str]]:
    """Return the ids of each page, to the last one."""
    found, cursor = list[list[str]](), dict[str, str]()
    while True:
        reply = client.get("/v1/activities", **query, **cursor)
        assert reply.status == 200, reply.text
        found.append([item["id"] for item in reply.json["items"]])
        if reply.json["next_cursor"] is None:
            return found
        cursor = {"cursor": reply.json["next_cursor"]}


def ids(client: Client, **query: str) -> list[str]:
    """Return the ids of all pages."""
    return [each for page in pages(client, **query) for each in page]


def newest_first(activities: Iterable[Activity]) -> list[str]:
    """Return ids as lists have them."""
    return [each.id for each in sorted(activities, key=lambda each: (each.recorded_at, each.id), reverse=True)]


def put(town: Territory, whose: str, *instants: datetime, told: datetime | None = None, **fields: Any) -> list[Activity]:
    """Put activities of a buyer into the table; `told` is when they were done, by what the portal said."""
    made = [activity_of(town.employees[whose], at, **fields) for at in instants]
    return put_activities(town.market.shop, [each.model_copy(update={"at": told or each.at}) for each in made])


def hours(count: int, *, until: datetime = AT, step: float = 1) -> list[datetime]:
    """Return so many instants before another, some hours apart."""
    return [until - timedelta(hours=step * (index + 1)) for index in range(count)]


def test_the_owner_sees_who_did_what_when_and_for_whom(town: Territory) -> None:
    ida = town.employees["blue"]
    party = {"type": "member", "id": ida, "name": "Ida Holm"}
    rep = {"type": "member", "id": town.rhea.id, "name": "Rhea"}
    told = AT - timedelta(hours=2)
    [viewed] = put(
        town,
        "blue",
        AT - timedelta(hours=1),
        type="product_viewed",
        reference_type="product",
        reference_id="A-1",
        comment="from the front page",
        source="portal",
        actor=rep,
        subject=party,
        told=told,
    )
    reply = town.owner.get("/v1/activities")
    assert (reply.status, reply.json["next_cursor"]) == (200, None)
    assert reply.json["items"] == [
        {
            "id": viewed.id,
            "type": "product_viewed",
            "at": stamp(told),
            "recorded_at": stamp(viewed.recorded_at),
            "customer": {
                "id": town.customers["blue"],
                "number": town.market.customer["number"],
                "name": "Blue Door",
            },
            "employee": {"id": ida, "name": "Ida Holm", "email": "buyer@bluedoor.test"},
            "reference_type": "product",
            "reference_id": "A-1",
            "comment": "from the front page",
            "source": "portal",
            "actor": rep,
            "subject": party,
        }
    ]


def test_who_did_something_for_somebody_is_named_as_it_is_now_and_not_once_it_was_erased(town: Territory) -> None:
    rolf = hire(town.market.shop, "Rolf")
    put(town, "blue", AT - timedelta(hours=1), actor={"type": "member", "id": rolf.id, "name": "Rolf of before"})
    put(town, "blue", AT - timedelta(hours=2), actor={"type": "api_key", "id": rolf.id, "name": "Web shop"})

    def named() -> list[str]:
        return [item["actor"]["name"] for item in town.owner.get("/v1/activities").json["items"]]

    town.owner.get("/v1/activities")
    with counted_calls() as calls:
        assert named() == ["Rolf", "Web shop"]
    assert calls.count("BatchGetItem") == 2, "the caller, and whoever is named"
    assert town.owner.post(f"/v1/members/{rolf.id}/erasure", {"reason": "Asked by letter"}).status == 202
    assert named() == ["Erased person", "Web shop"]


def test_the_event_of_the_local_run_lists_what_was_searched_in_november(town: Territory) -> None:
    [searched] = put(town, "blue", AT - timedelta(days=1))
    put(town, "blue", AT - timedelta(days=2), type="log_in")
    put(town, "blue", AT - timedelta(days=30))
    reply = send_event("activity/browse_activities.searched_in_november", TOKEN=town.owner.token)
    assert (reply.status, [item["id"] for item in reply.json["items"]]) == (200, [searched.id])


def test_all_shards_and_months_come_newest_first_without_gap_or_repeat(town: Territory) -> None:
    track(town.market.shop, opened_at=datetime(2026, 8, 1, tzinfo=UTC))
    # Several at the same instant, and as many in whatever shards as it takes.
    known = put(town, "blue", *hours(20, step=96)) + put(town, "green", *[AT - timedelta(days=40)] * 12)
    while len({shard_of(each.id) for each in known}) < SHARDS:
        known += put(town, "green", AT - timedelta(days=20))
    assert len({each.recorded_at.month for each in known}) > MONTHS
    for limit in ("3", "100"):
        assert ids(town.owner, limit=limit) == newest_first(known), limit
    for whose in ("blue", "green"):
        theirs = [each for each in known if each.member_id == town.employees[whose]]
        for limit in ("4", "100"):
            assert ids(town.owner, limit=limit, employee_id=town.employees[whose]) == newest_first(theirs)
            assert ids(town.owner, limit=limit, customer_id=town.customers[whose]) == newest_first(theirs)
    assert [len(page) for page in pages(town.owner, limit="7", employee_id=town.employees["blue"])] == [7, 7, 6]


def test_a_page_is_full_where_one_month_has_enough(town: Territory) -> None:
    known = put(town, "blue", *hours(25))
    found = pages(town.owner, limit="10")
    assert [len(page) for page in found] == [10, 10, 5]
    assert [each for page in found for each in page] == newest_first(known)


def test_filters_pick_by_customer_person_type_and_days_and_go_together(town: Territory) -> None:
    blue = put(town, "blue", *hours(5, step=24), type="searched") + put(town, "blue", *hours(5, step=24), type="log_in")
    green = put(town, "green", *hours(5, step=24), type="searched")
    searched = [each for each in blue if each.type == "searched"]
    ida, door = town.employees["blue"], town.customers["blue"]
    for limit in ("2", "100"):
        assert ids(town.owner, limit=limit, type="searched") == newest_first(searched + green)
        assert ids(town.owner, limit=limit, type="searched", customer_id=door) == newest_first(searched)
        assert ids(town.owner, limit=limit, type="searched", employee_id=ida) == newest_first(searched)
        assert ids(town.owner, limit=limit, employee_id=ida, customer_id=door) == newest_first(blue)
        assert ids(town.owner, limit=limit, employee_id=ida, customer_id=town.customers["green"]) == []
        assert ids(town.owner, limit=limit, type="order_placed") == []
        days = {"from": "2026-11-16", "to": "2026-11-17"}
        within = [each for each in searched if each.recorded_at.day in {16, 17}]
        assert len(within) == 2
        assert ids(town.owner, limit=limit, type="searched", customer_id=door, **days) == newest_first(within)
        assert len(ids(town.owner, limit=limit, **days)) == 6


def test_days_are_the_stores_and_both_are_included_also_when_clocks_change(town: Territory) -> None:
    # In Berlin, 2026-10-25 has 25 hours: from 22:00 to 23:00 the next day, in UTC.
    first, last = datetime(2026, 10, 24, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, 999000, tzinfo=UTC)
    [_, begin, end, _] = put(town, "blue", first - timedelta(milliseconds=1), first, last, last + timedelta(milliseconds=1))
    for query in ({}, {"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        assert ids(town.owner, **{"from": "2026-10-25", "to": "2026-10-25"}, **query) == [end.id, begin.id]
        assert len(ids(town.owner, **{"from": "2026-10-25"}, **query)) == 3
        assert len(ids(town.owner, to="2026-10-25", **query)) == 3


def test_what_is_no_filter_is_refused_by_name(town: Territory) -> None:
    for query, pointer in (
        ({"from": "2026-11-02", "to": "2026-11-01"}, "?from"),
        ({"from": "yesterday"}, "?from"),
        ({"to": "1700000000"}, "?to"),
        ({"type": "Log In"}, "?type"),
        ({"type": "x" * 41}, "?type"),
        ({"customer_id": "x" * 61}, "?customer_id"),
        ({"employee_id": "x" * 121}, "?employee_id"),
        ({"limit": "101"}, "?limit"),
    ):
        reply = town.owner.get("/v1/activities", **query)
        assert (reply.status, [error["pointer"] for error in reply.json["errors"]]) == (422, [pointer]), query
    assert town.owner.get("/v1/activities", **{"from": "2026-11-02", "to": "2026-11-01"}).code == "invalid_period"


@pytest.mark.parametrize(
    "query",
    [
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"from": "9999-12-31"},
        {"to": "0001-01-01"},
        {"from": "2030-01-01", "to": "2030-01-01"},
        {"customer_id": "nothing"},
        {"customer_id": "#"},
        {"employee_id": "nobody"},
        {"employee_id": "acme.."},
        {"employee_id": "acme.x.y"},
        {"employee_id": "rival.x"},
    ],
)
def test_what_can_hold_nothing_is_an_empty_list(town: Territory, query: dict[str, str]) -> None:
    expected = newest_first(put(town, "blue", AT - timedelta(days=1))) if len(query) == 2 and query["to"] > "9" else []
    assert ids(town.owner, **query) == expected


def test_a_cursor_serves_its_own_list_only(town: Territory) -> None:
    put(town, "blue", *hours(3))
    cursor = town.owner.get("/v1/activities", limit="1").json["next_cursor"]
    rival = open_shop(town.owner.as_(None), "rival").owner
    for client, query in (
        (town.owner, {"type": "searched"}),
        (town.owner, {"customer_id": town.customers["blue"]}),
        (town.owner, {"employee_id": town.employees["blue"]}),
        (town.owner, {"from": "2026-01-01"}),
        (town.owner, {"to": "2026-12-01"}),
        (town.rhea.client, {}),
        (town.sven.client, {}),
        (rival, {}),
    ):
        reply = client.get("/v1/activities", cursor=cursor, **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor"), query
    assert town.owner.get("/v1/activities", cursor=cursor[:-1] + ("y" if cursor[-1] == "x" else "x")).code == "invalid_cursor"


def test_a_sales_rep_sees_what_is_done_for_the_customers_in_its_scope(town: Territory) -> None:
    blue, green = put(town, "blue", *hours(5)), put(town, "green", *hours(5))
    assert ids(town.owner) == ids(town.alma.client) == ids(town.sven.client) == newest_first(blue + green)
    assert ids(town.rhea.client) == newest_first(blue)
    assert ids(town.otto.client, limit="2") == newest_first(green)
    # What is out of scope does not exist, and there is no further page of it either.
    for query in ({"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        assert pages(town.otto.client, limit="1", **query) == [[]]
        assert ids(town.rhea.client, limit="1", **query) == newest_first(blue)
    assert open_shop(town.owner.as_(None), "rival").owner.get("/v1/activities").json["items"] == []
    assert town.market.buyer.get("/v1/activities").code == "forbidden"


def test_a_page_of_a_rep_looks_further_than_it_is_long(town: Territory) -> None:
    put(town, "green", *hours(40, step=0.1))
    [mine] = put(town, "blue", AT - timedelta(hours=10))
    assert town.rhea.client.get("/v1/activities", limit="1").json["items"][0]["id"] == mine.id


def test_a_customer_that_a_rep_no_longer_looks_after_is_gone_from_its_list(town: Territory) -> None:
    blue = put(town, "blue", *hours(3))
    cursor = town.rhea.client.get("/v1/activities", limit="1").json["next_cursor"]
    allocate(town.market.shop, town.market.customer, town.otto)
    assert town.rhea.client.get("/v1/activities", limit="1", cursor=cursor).json["items"] == []
    assert ids(town.rhea.client) == []
    assert ids(town.otto.client) == newest_first(blue)


def test_customers_that_are_switched_off_show_to_the_owner_and_whoever_looks_after_them(town: Territory) -> None:
    blue, green = put(town, "blue", *hours(3)), put(town, "green", *hours(3))
    assert town.switch("blue", active=False).status == 200
    for query in ({}, {"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        expected = newest_first(blue) if query else newest_first(blue + green)
        assert ids(town.owner, **query) == expected
        assert ids(town.alma.client, **query) == ids(town.sven.client, **query) == ([] if query else newest_first(green))
        assert ids(town.rhea.client, **query) == newest_first(blue)


def test_what_was_done_for_no_customer_is_the_owners_and_ones_own(town: Territory) -> None:
    reps = (town.rhea, town.otto, town.alma, town.sven)
    for rep in reps:
        allow(rep.id, at=OPENED)
    done = put_activities(town.market.shop, [activity_of(rep.id, AT, type="log_in") for rep in reps])
    own = done[0]
    assert ids(town.owner) == newest_first(done)
    for rep, its in zip(reps, done, strict=True):
        assert ids(rep.client) == ids(rep.client, employee_id=rep.id) == [its.id]
    assert ids(town.rhea.client, employee_id=town.otto.id) == []
    [item] = town.owner.get("/v1/activities", employee_id=town.rhea.id).json["items"]
    assert (item["id"], item["customer"], item["employee"]["name"]) == (own.id, None, "Rhea")


def test_what_a_sales_rep_did_for_customers_is_asked_for_by_its_name_only_by_the_owner_and_the_rep(town: Territory) -> None:
    allow(town.rhea.id, at=OPENED)
    done = activity_of(town.rhea.id, AT, type="order_placed", customer_id=town.customers["blue"])
    [own] = put_activities(town.market.shop, [done])
    # Whoever sees the customer sees what was done for it, by whomever.
    assert ids(town.alma.client) == ids(town.alma.client, customer_id=town.customers["blue"]) == [own.id]
    # But as in an export, nobody else's doings are asked for.
    for stranger in (town.alma, town.sven, town.otto):
        assert ids(stranger.client, employee_id=town.rhea.id) == []
    assert ids(town.owner, employee_id=town.rhea.id) == ids(town.rhea.client, employee_id=town.rhea.id) == [own.id]


def test_withdrawing_consent_hides_at_once_and_giving_it_anew_brings_nothing_back(town: Territory) -> None:
    put(town, "blue", *hours(3))
    green = put(town, "green", *hours(3))
    buyer, ida = town.market.buyer, town.employees["blue"]
    lists: tuple[dict[str, str], ...] = ({}, {"customer_id": town.customers["blue"]}, {"employee_id": ida})
    assert [len(ids(town.owner, **query)) for query in lists] == [6, 3, 3]
    assert buyer.put("/v1/me/activity-consent", {"allowed": False}).status == 200
    assert [ids(town.owner, **query) for query in lists] == [newest_first(green), [], []]
    assert len(records(Activity.entity)) == 6, "nothing has been erased yet"
    assert buyer.put("/v1/me/activity-consent", {"allowed": True}).status == 200
    assert [ids(town.owner, **query) for query in lists] == [newest_first(green), [], []]
    [new] = put(town, "blue", AT, consent=3)
    assert [ids(town.owner, **query) for query in lists] == [newest_first([new, *green]), [new.id], [new.id]]


def test_consent_that_is_withdrawn_while_a_page_is_read_counts(town: Territory) -> None:
    put(town, "blue", *hours(3))
    buyer = town.market.buyer
    [first, *_] = pages(town.owner, limit="1")
    assert first
    cursor = town.owner.get("/v1/activities", limit="1").json["next_cursor"]
    buyer.put("/v1/me/activity-consent", {"allowed": False})
    assert town.owner.get("/v1/activities", limit="1", cursor=cursor).json["items"] == []


def test_switching_tracking_off_hides_everything_at_once_and_on_again_shows_what_is_still_kept(town: Territory) -> None:
    known = put(town, "blue", *hours(3)) + put(town, "green", *hours(3))

    def switch(*, track_activity: bool) -> None:
        etag = town.owner.get("/v1/store").json["etag"]
        assert town.owner.patch("/v1/store", {"track_activity": track_activity}, etag=etag).status == 200

    switch(track_activity=False)
    for query in ({}, {"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        with counted_calls() as calls:
            assert ids(town.owner, **query) == []
        assert calls == ["BatchGetItem"]
    switch(track_activity=True)
    assert ids(town.owner) == newest_first(known)


def test_nothing_older_than_the_store_keeps_is_shown_although_it_may_not_be_deleted_yet(town: Territory) -> None:
    track(town.market.shop, opened_at=datetime(2024, 1, 1, tzinfo=UTC), activity_days=90)
    [young, _] = put(town, "blue", AT - timedelta(days=90), AT - timedelta(days=90, milliseconds=1))
    for query in ({}, {"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        assert ids(town.owner, **query) == [young.id]
        assert ids(town.owner, **{"from": "2026-01-01"}, **query) == [young.id]


def test_a_page_looks_at_two_months_however_long_ago_the_last_thing_was_done(town: Territory) -> None:
    track(town.market.shop, opened_at=datetime(2024, 1, 1, tzinfo=UTC), activity_days=300)
    [old] = put(town, "blue", AT - timedelta(days=200))
    with counted_calls() as calls:
        reply = town.owner.get("/v1/activities")
    assert (reply.json["items"], calls) == ([], ["BatchGetItem", *["Query"] * SHARDS * MONTHS])
    # November and October, September and August, July and June, May and April, March and February, and January at last.
    assert pages(town.owner) == [[], [], [], [old.id], [], []]


def test_what_a_page_costs_does_not_depend_on_how_much_there_is(town: Territory) -> None:
    track(town.market.shop, opened_at=datetime(2026, 11, 1, tzinfo=UTC))
    put(town, "blue", AT)

    def costs(**query: str) -> list[str]:
        with counted_calls() as calls:
            assert town.owner.get("/v1/activities", limit="5", **query).json["items"]
        return calls

    queries: tuple[dict[str, str], ...] = (
        {},
        {"type": "searched"},
        {"customer_id": town.customers["blue"]},
        {"employee_id": town.employees["blue"]},
    )
    few = [costs(**query) for query in queries]
    assert few == [
        ["BatchGetItem", *["Query"] * SHARDS, "BatchGetItem"],
        ["BatchGetItem", *["Query"] * SHARDS, "BatchGetItem"],
        ["BatchGetItem", "Query", "BatchGetItem"],
        ["BatchGetItem", "Query"],
    ]
    put(town, "blue", *hours(60, step=0.1))
    assert [costs(**query) for query in queries] == few


def test_what_is_rare_is_found_behind_whatever_a_page_looks_at(town: Territory) -> None:
    track(town.market.shop, opened_at=datetime(2026, 11, 1, tzinfo=UTC))
    known = put(town, "blue", *hours(WINDOW_OF_SHARD + 50, step=0.01))
    # All in one shard, so that a page's look at it ends long before its end.
    for each in records(Activity.entity):
        shard = f"ACTIVITIES#acme#2026-11#{shard_of(known[0].id)}"
        each.update([Record.gsi1pk.set(shard), Path("data.type").set("log_in")])
    [first, last] = put(town, "green", AT, AT - timedelta(days=3), type="order_placed")
    found = pages(town.owner, type="order_placed")
    assert [each for page in found for each in page] == [first.id, last.id]
    assert len(found) > 1


def test_stores_do_not_see_each_others(town: Territory) -> None:
    put(town, "blue", *hours(3))
    rival = open_shop(town.owner.as_(None), "rival")
    track(rival, opened_at=OPENED)
    for query in ({}, {"customer_id": town.customers["blue"]}, {"employee_id": town.employees["blue"]}):
        assert ids(rival.owner, **query) == []
    assert Record.get(*store_key("rival")).data["track_activity"] is True


def test_a_person_whose_place_is_gone_is_not_shown(town: Territory) -> None:
    gone = activity_of("acme.nobody.nothing", AT)
    put_activities(town.market.shop, [gone])
    assert ids(town.owner) == []


def test_a_rep_hired_for_everything_sees_all_that_is_active(town: Territory) -> None:
    blue = put(town, "blue", *hours(2))
    assert ids(hire(town.market.shop, "Nora", access="all").client) == newest_first(blue)
