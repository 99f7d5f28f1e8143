"""The directory of companies: who gets into it, how one is found, and what never leaves it."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.table import stored
from tests.support.world import ADDRESS, PASSWORD, Shop, open_shop
from tradepost.domain.ids import person_key


def joined(shop: Shop, name: str = "Blue Door", email: str = "buyer@bluedoor.test", **fields: Any) -> dict[str, Any]:
    """Let a customer join a store, and return it as it is then."""
    customer = shop.add_customer(name, email, **fields)
    shop.join(customer)
    return dict(shop.owner.get(f"/v1/customers/{customer['id']}").json)


def suggested(shop: Shop, q: str, **query: str) -> list[tuple[str, str | None]]:
    """Return what is suggested, as name and city."""
    reply = shop.owner.get("/v1/companies", q=q, **query)
    assert reply.status == 200, reply.text
    return [(item["name"], item["city"]) for item in reply.json["items"]]


@pytest.fixture
def rival(shop: Shop) -> Shop:
    """Another store."""
    return open_shop(shop.owner.as_(None), "rival")


def test_a_company_that_joined_one_store_is_suggested_to_another_by_name_and_city_and_nothing_else(
    shop: Shop, rival: Shop
) -> None:
    customer = joined(shop)
    reply = send_event("customers/suggest_companies.by_name", TOKEN=rival.owner.token)
    assert reply.json == {
        "items": [{"id": customer["company_id"], "name": "Blue Door", "city": "Hamburg"}],
        "next_cursor": None,
    }


@pytest.mark.parametrize("q", ["bl", "blue", "DOOR", "door blu", "hamb", "blue hamburg", "Blué  Döor", "ＢＬＵＥ"])
def test_words_are_found_by_their_beginnings_in_any_order_and_spelling(shop: Shop, q: str) -> None:
    joined(shop)
    assert suggested(shop, q) == [("Blue Door", "Hamburg")]


@pytest.mark.parametrize("q", ["oor", "blue gate", "kiel", "bluedoor.test", "buyer", "ida", "acme"])
def test_every_word_must_fit_and_neither_people_nor_stores_are_found(shop: Shop, q: str) -> None:
    joined(shop)
    assert suggested(shop, q) == []


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "b"}, {"q": " b "}, {"q": "--"}, {"q": "b d"}, {"q": "x" * 201}])
def test_less_than_two_letters_suggest_nothing(shop: Shop, query: dict[str, str]) -> None:
    reply = shop.owner.get("/v1/companies", **query)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, ["?q"])


def test_a_few_are_suggested_at_a_time(shop: Shop) -> None:
    for number in range(12):
        joined(shop, f"Door {number:02}", f"d{number}@doors.test")
    assert len(suggested(shop, "door")) == 10
    assert suggested(shop, "door", limit="2") == [("Door 00", "Hamburg"), ("Door 01", "Hamburg")]
    assert len(suggested(shop, "door", limit="20")) == 12
    assert [shop.owner.get("/v1/companies", q="door", limit=limit).status for limit in ("0", "21", "x")] == [422] * 3


def test_only_who_joined_is_in_the_directory_and_no_private_person(shop: Shop) -> None:
    shop.add_customer()
    shop.invite(shop.add_customer("Waiting Room", "w@waiting.test")["id"])
    assert joined(shop, "Private Person", "p@private.test", kind="b2c")["company_id"] is None
    assert stored("company") == stored("company_word") == []
    assert [suggested(shop, q) for q in ("blue", "waiting", "private")] == [[], [], []]


def test_what_the_person_confirms_is_registered_and_not_what_the_store_had_entered(shop: Shop) -> None:
    link = shop.invite(shop.add_customer("Bule Dor", addresses=[])["id"])
    address = {**ADDRESS, "city": "Kiel"}
    body = {"name": "Ida Holm", "password": PASSWORD, "company": "Blue Door", "address": address}
    assert Client().post(f"/v1/invitation-links/{link}/acceptance", body).status == 201
    assert (suggested(shop, "bule"), suggested(shop, "blue")) == ([], [("Blue Door", "Kiel")])
    (company,) = stored("company")
    assert (company["person"], company["email"]) == (person_key("buyer@bluedoor.test"), "buyer@bluedoor.test")


def test_the_same_person_and_company_in_several_stores_are_one_entry_which_keeps_up(shop: Shop, rival: Shop) -> None:
    first = joined(shop)
    link = rival.invite(rival.add_customer("BLUE door", "Buyer@bluedoor.test", addresses=[{**ADDRESS, "city": "Kiel"}])["id"])
    assert Client().post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD}).status == 201
    (second,) = rival.owner.get("/v1/customers").json["items"]
    assert (second["company_id"], len(stored("company"))) == (first["company_id"], 1)
    assert (suggested(shop, "hamburg"), suggested(shop, "kiel")) == ([], [("BLUE door", "Kiel")])
    assert suggested(shop, "blue") == [("BLUE door", "Kiel")]


def test_a_city_that_is_not_told_in_another_store_stays(shop: Shop, rival: Shop) -> None:
    joined(shop)
    joined(rival, addresses=[])
    assert suggested(shop, "hamburg") == [("Blue Door", "Hamburg")]


def test_of_two_companies_that_look_alike_the_one_that_was_there_first_is_suggested(shop: Shop, rival: Shop) -> None:
    first = joined(shop)
    other = joined(rival, "blue door", "eve@evil.test")
    assert first["company_id"] != other["company_id"]
    (item,) = rival.owner.get("/v1/companies", q="blue").json["items"]
    assert item["id"] == first["company_id"]


def test_a_person_joins_for_the_same_company_in_one_store_twice_and_it_counts_once(shop: Shop) -> None:
    first = joined(shop)
    etag = shop.owner.get(f"/v1/customers/{first['id']}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{first['id']}", {"email": "office@bluedoor.test"}, etag=etag).status == 200
    shop.join(shop.add_customer())
    known = {customer["company_id"] for customer in shop.owner.get("/v1/customers").json["items"]}
    assert (known, len(stored("company"))) == ({first["company_id"], None}, 1)


def test_buyers_and_strangers_look_nobody_up(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    assert buyer.get("/v1/companies", q="blue").status == 403
    assert shop.owner.as_(None).get("/v1/companies", q="blue").status == 401
