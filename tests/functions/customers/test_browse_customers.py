"""Customers: the list by name, the search, and a buyer's view of its own company."""

import random
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.reps import Rep, allocate, hire
from tests.support.table import counted_calls
from tests.support.world import ADDRESS, Shop, open_shop
from tradepost.domain.clock import now
from tradepost.domain.customers import Customer
from tradepost.domain.people import SYSTEM
from tradepost.table.customers import customer_key, save_customer
from tradepost.table.listing import words_of
from tradepost.table.records import Record
from tradepost.table.shapes import ALLOCATION, CUSTOMER
from tradepost.table.transaction import Transaction


def fill(shop: Shop, count: int) -> list[str]:
    """Add many customers, as fast as the table takes them; returns their names."""
    names = [f"Customer {index:03}" for index in range(count)]
    for index, name in enumerate(names):
        tx = Transaction("STORE#acme", SYSTEM, SYSTEM, now())
        fields = {"id": f"c{index}", "number": f"C-{index}", "group_id": shop.group_id, "active": index % 10 != 0}
        save_customer(tx, Customer(**fields, store_id=shop.slug, name=name, created_at=now()))
        tx.commit()
    return names


def names(client: Client, **query: str) -> list[str]:
    """Return every name that a list brings, page after page; no page may hold more than asked for."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get("/v1/customers", **query, **({"cursor": cursor} if cursor else {}))
        assert page.status == 200, page.text
        assert len(page.json["items"]) <= int(query.get("limit", 50))
        found += [each["name"] for each in page.json["items"]]
        cursor = page.json["next_cursor"]
        if cursor is None:
            return found


def test_pages_bring_every_customer_once_by_name(shop: Shop) -> None:
    everybody = fill(shop, 120)
    assert names(shop.owner, limit="37", status="all") == everybody
    assert names(shop.owner, limit="37") == [name for index, name in enumerate(everybody) if index % 10]
    assert names(shop.owner, limit="7", status="inactive") == everybody[::10]
    assert names(shop.owner, limit="50", q="cust", status="all") != []
    assert sorted(names(shop.owner, limit="50", q="cust", status="all")) == everybody


def test_a_cursor_serves_the_list_it_was_made_for_and_no_other(shop: Shop) -> None:
    fill(shop, 12)
    cursor = shop.owner.get("/v1/customers", limit="5").json["next_cursor"]
    rival = open_shop(shop.owner.as_(None), "rival").owner
    payload, _, signature = cursor.partition(".")
    attempts = [
        shop.owner.get("/v1/customers", limit="5", cursor=cursor, status="all"),
        shop.owner.get("/v1/customers", limit="5", cursor=cursor, q="customer"),
        shop.owner.get("/v1/invitations", limit="5", cursor=cursor),
        rival.get("/v1/customers", limit="5", cursor=cursor),
        shop.owner.get("/v1/customers", cursor=f"{payload}A.{signature}"),
        shop.owner.get("/v1/customers", cursor=f"{payload}.{signature[:-1]}"),
        shop.owner.get("/v1/customers", cursor="nönsense"),
        shop.owner.get("/v1/customers", cursor=""),
    ]
    assert {(reply.status, reply.code) for reply in attempts} == {(400, "invalid_cursor")}


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "many"}, {"status": "asleep"}, {"kind": "b3b"}, {"q": "x" * 201}]
)
def test_a_query_that_is_wrong_is_pointed_at(shop: Shop, query: dict[str, str]) -> None:
    reply = shop.owner.get("/v1/customers", **query)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, f"?{next(iter(query))}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("muller", ["Müller & Söhne"]),
        ("MÜLL", ["Müller & Söhne"]),
        ("sohne mul", ["Müller & Söhne"]),
        ("gdansk", ["Łódź Trade"]),
        ("office@", ["Blue Door"]),
        ("bluedoor.test", ["Blue Door"]),
        ("blue doo", ["Blue Door", "Blue Doors of Kiel"]),
        ("doors", ["Blue Doors of Kiel"]),
        ("kiel blue", ["Blue Doors of Kiel"]),
        ("lue", []),
        ("!!!", []),
        ("  ", ["Blue Door", "Blue Doors of Kiel", "Müller & Söhne", "Łódź Trade"]),
        ("", ["Blue Door", "Blue Doors of Kiel", "Müller & Söhne", "Łódź Trade"]),
    ],
)
def test_customers_are_found_by_the_beginnings_of_words_without_accents(shop: Shop, words: str, expected: list[str]) -> None:
    shop.add_customer("Müller & Söhne", None)
    shop.add_customer("Łódź Trade", None, addresses=[{**ADDRESS, "city": "Gdańsk"}])
    shop.add_customer("Blue Door", "office@bluedoor.test")
    shop.add_customer("Blue Doors of Kiel", None)
    assert sorted(names(shop.owner, q=words)) == expected


def test_a_search_with_an_event_finds_name_and_city(shop: Shop) -> None:
    customer = shop.add_customer()
    reply = send_event("customers/browse_customers.searched", TOKEN=shop.owner.token)
    assert [each["id"] for each in reply.json["items"]] == [customer["id"]]
    number = customer["number"].lower()
    assert [each["id"] for each in shop.owner.get("/v1/customers", q=number).json["items"]] == [customer["id"]]


def test_filters_narrow_the_list_and_the_search(shop: Shop, time: Clock) -> None:
    other = shop.owner.post("/v1/customer-groups", {"name": "Importers", "price_tier_id": shop.tier_id}).json["id"]
    shop.add_customer("Never Invited", None)
    shop.invite(shop.add_customer("Invited Only", "invited@only.test")["id"])
    shop.join(shop.add_customer("Long Joined", "long@joined.test"))
    revoked = shop.add_customer("Once Revoked", "once@revoked.test", group_id=other, kind="b2c")
    shop.invite(revoked["id"])
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [revoked["id"]]})

    def both(**query: str) -> list[str]:
        listed = names(shop.owner, **query)
        for word in ("never", "invited", "long", "once"):
            found = names(shop.owner, q=word, **query)
            assert set(found) == {name for name in listed if word in name.lower()}, (word, query)
        return listed

    assert both(invitation="not_invited") == ["Once Revoked"]
    assert both(has_email="false") == ["Never Invited"]
    assert both(has_email="true") == ["Invited Only", "Long Joined", "Once Revoked"]
    assert both(delivery="queued") == ["Invited Only", "Long Joined"]
    assert both(delivery="queued", invitation="invited") == ["Invited Only"]
    assert both(delivery="bounced") == []
    assert both(invitation="invited") == ["Invited Only"]
    assert both(invitation="accepted") == ["Long Joined"]
    assert both(group_id=other) == ["Once Revoked"]
    assert both(kind="b2c") == ["Once Revoked"]
    assert both(kind="b2b", has_email="false") == ["Never Invited"]


def test_an_invitation_that_ran_out_is_shown_as_expired(shop: Shop, time: Clock) -> None:
    customer = shop.add_customer()
    shop.invite(customer["id"])
    time.advance(days=14)
    owner = shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": "five tall ships at noon"})
    shown = shop.owner.as_(owner.json["token"]).get(f"/v1/customers/{customer['id']}").json
    assert shown["invitation"]["state"] == "expired"


def test_a_buyer_sees_its_own_company_and_no_other(shop: Shop) -> None:
    own, other = shop.add_customer(), shop.add_customer("Green Gate", "buyer@greengate.test")
    buyer = shop.join(own)
    assert buyer.get(f"/v1/customers/{own['id']}").json["name"] == "Blue Door"
    missing = buyer.get("/v1/customers/nothing")
    for client in (buyer, open_shop(shop.owner.as_(None), "rival").owner):
        reply = client.get(f"/v1/customers/{other['id']}")
        assert (reply.status, reply.text) == (404, missing.text)
    listed: Any = buyer.get("/v1/customers")
    assert (listed.status, listed.code) == (403, "forbidden")


def test_another_stores_customers_are_in_no_list_and_no_search(shop: Shop) -> None:
    shop.add_customer()
    rival = open_shop(shop.owner.as_(None), "rival").owner
    assert names(rival, status="all") == []
    assert names(rival, q="blue") == []


def stock(shop: Shop, count: int, *reps: Rep, first: int = 0, **fields: Any) -> None:
    """Put many customers straight into the table, allocated to sales reps; half of them named Blue, half of them Green."""
    with Record.batch_write() as batch:
        for index in range(first, first + count):
            customer = Customer(
                id=f"s{index}",
                store_id=shop.slug,
                number=f"S-{index}",
                name=f"{('Blue', 'Green')[index % 2]} {index:04}",
                group_id=shop.group_id,
                account_manager_id=reps[0].id if reps else None,
                further_sales_rep_ids=tuple(rep.id for rep in reps[1:]),
                created_at=now(),
                version=1,
                **fields,
            )
            names = {"store": shop.slug, "customer": customer.id, "name": customer.sort_name}
            batch.save(Record.of(customer_key(shop.slug, customer.id), customer, index1=CUSTOMER.index1(**names)))
            for rep in reps:
                words = f" {' '.join(sorted(words_of(customer.number, customer.name)))} "
                batch.save(Record(*ALLOCATION.key(rep=rep.id, **names), entity=ALLOCATION.entity, words=words))


def test_a_sales_rep_lists_and_finds_the_customers_it_looks_after_by_name(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    for index, (name, city) in enumerate((("Zoe's Zoo", "Kiel"), ("Blue Door", "Kiel"), ("Green Gate", "Bonn"))):
        customer = shop.add_customer(name, f"buyer{index}@doors.test", addresses=[{**ADDRESS, "city": city}])
        allocate(shop, customer, rhea if index < 2 else otto)
    shop.add_customer("Blue Lagoon", "kiel@lagoon.test")
    assert names(rhea.client) == ["Blue Door", "Zoe's Zoo"]
    assert names(rhea.client, limit="1") == ["Blue Door", "Zoe's Zoo"]
    number = rhea.client.get("/v1/customers").json["items"][0]["number"]
    for words, expected in {
        "kiel": ["Blue Door", "Zoe's Zoo"],
        "blu": ["Blue Door"],
        "zoo kie": ["Zoe's Zoo"],
        "BUYER1@doors.test": ["Blue Door"],
        "doors": ["Blue Door", "Zoe's Zoo"],
        number.lower(): ["Blue Door"],
        "green": [],
        "lagoon": [],
        "blue bonn": [],
        "!": [],
    }.items():
        assert names(rhea.client, q=words) == expected, words
    assert names(otto.client, q="bonn") == ["Green Gate"]


def test_a_sales_reps_list_takes_the_filters_of_the_owners(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    active, inactive, private = (shop.add_customer(name, None) for name in ("Active", "Inactive", "Private"))
    invited = shop.add_customer("Invited", "inv@doors.test", send_invitation=True)
    for customer in (active, inactive, private, invited):
        allocate(shop, customer, rhea, *([otto] if customer is active else []))
    for customer, fields in ((inactive, {"active": False}), (private, {"kind": "b2c"})):
        etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"]
        assert shop.owner.patch(f"/v1/customers/{customer['id']}", fields, etag=etag).status == 200
    for query, expected in (
        ({}, ["Active", "Invited", "Private"]),
        ({"status": "inactive"}, ["Inactive"]),
        ({"status": "all"}, ["Active", "Inactive", "Invited", "Private"]),
        ({"kind": "b2c"}, ["Private"]),
        ({"group_id": "nothing"}, []),
        ({"invitation": "invited"}, ["Invited"]),
        ({"has_email": "false", "q": "pri"}, ["Private"]),
        ({"sales_rep_id": otto.id}, ["Active"]),
        ({"sales_rep_id": "none"}, []),
    ):
        assert names(rhea.client, **query) == expected, query


def test_whoever_sees_the_store_asks_for_the_customers_of_one_sales_rep_or_of_none(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    everywhere = (hire(shop, "Sven", access="all"), hire(shop, "Vera", supervisor=True))
    blue, green, red = (shop.add_customer(name, None) for name in ("Blue", "Green", "Red"))
    shop.add_customer("Yellow", None)
    allocate(shop, blue, rhea)
    allocate(shop, green, otto, rhea)
    allocate(shop, red, None, otto)
    for client in (shop.owner, *(rep.client for rep in everywhere)):
        assert names(client, sales_rep_id=rhea.id) == ["Blue", "Green"]
        assert names(client, sales_rep_id=rhea.id, q="gre") == ["Green"]
        assert names(client, sales_rep_id=otto.id) == ["Green", "Red"]
        assert names(client, sales_rep_id="none") == ["Yellow"]
        assert names(client, sales_rep_id="none", q="yel") == ["Yellow"]
        assert names(client, sales_rep_id="none", q="red") == []
        assert names(client, sales_rep_id="nothing") == []
    etag = shop.owner.get(f"/v1/customers/{blue['id']}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{blue['id']}", {"active": False}, etag=etag).status == 200
    for status in ("all", "inactive"):
        assert "Blue" in names(shop.owner, status=status, sales_rep_id=rhea.id)
        assert "Blue" in names(rhea.client, status=status)
        for rep in everywhere:
            assert "Blue" not in names(rep.client, status=status) + names(rep.client, status=status, sales_rep_id=rhea.id)
            assert "Blue" not in names(rep.client, status=status, q="blue")


def test_pages_stay_whole_while_customers_come_and_go(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    stock(shop, 40, rhea)
    stock(shop, 10, otto, first=40)
    draw = random.Random(7)
    stayed, left, others = {f"s{index}" for index in range(40)}, set[str](), {f"s{index}" for index in range(40, 50)}
    found: list[str] = []
    page = rhea.client.get("/v1/customers", limit="7").json
    while True:
        ids = [each["id"] for each in page["items"]]
        assert not left & set(ids)
        found += ids
        if page["next_cursor"] is None:
            break
        going, coming = draw.choice(sorted(stayed)), draw.choice(sorted(others))
        rows = [{"customer_id": going, "sales_rep_id": otto.id}, {"customer_id": coming, "sales_rep_id": rhea.id}]
        assert shop.owner.post("/v1/allocations", {"assignments": rows}).json["allocated"] == 2
        stayed.remove(going)
        others.remove(coming)
        left |= {going}
        page = rhea.client.get("/v1/customers", limit="7", cursor=page["next_cursor"]).json
    assert len(found) == len(set(found))
    assert stayed <= set(found)


def test_a_cursor_of_one_sales_rep_serves_no_other(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    stock(shop, 5, rhea, otto)
    cursor = rhea.client.get("/v1/customers", limit="2").json["next_cursor"]
    for client, query in ((otto.client, {}), (shop.owner, {}), (shop.owner, {"sales_rep_id": rhea.id})):
        reply = client.get("/v1/customers", limit="2", cursor=cursor, **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor")


def test_a_page_costs_the_same_for_ten_customers_and_for_a_thousand(shop: Shop) -> None:
    few, many = hire(shop, "Rhea"), hire(shop, "Otto")
    stock(shop, 10, few)
    stock(shop, 1000, many, first=10)
    for query in ({"limit": "5"}, {"limit": "50"}, {"q": "blue"}, {"status": "inactive"}, {"q": "nothing"}):
        for rep in (few, many):
            with counted_calls() as calls:
                assert rep.client.get("/v1/customers", **query).status == 200
            most = ["BatchGetItem", "Query"] if "nothing" in query.values() else ["BatchGetItem", "Query", "BatchGetItem"]
            assert calls == most, query
    assert len(names(many.client, limit="100")) == 1000
    assert names(many.client, limit="100", q="green 0999") == ["Green 0999"]
