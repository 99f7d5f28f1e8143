"""Customers: the list by name, the search, and a buyer's view of its own company."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.world import ADDRESS, Shop, open_shop
from tradepost.domain.clock import now
from tradepost.domain.customers import Customer
from tradepost.domain.people import SYSTEM
from tradepost.table.customers import save_customer
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
