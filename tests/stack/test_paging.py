"""Five hundred customers, page by page: each is seen once, in order, and found by its words."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.deployed import at_once
from tests.support.world import Shop, open_shop

pytestmark = pytest.mark.stack

MANY = 500
CITIES = ("Aarhus", "Bergen", "Cádiz")


def test_five_hundred_customers_are_each_seen_once(shop: Shop, api: Client) -> None:
    def new_customer(number: int) -> dict[str, Any]:
        address = {"street": "Quay 1", "postal_code": "1000", "city": CITIES[number % len(CITIES)], "country": "DK"}
        return {
            "name": f"Customer {number * 7 % MANY:03}",
            "email": f"Buyer.{number}@many.test",
            "group_id": shop.group_id,
            "addresses": [address | {"company": "Many", "name": "Ida Holm"}],
        }

    added = at_once((partial(shop.owner.post, "/v1/customers", new_customer(number)) for number in range(MANY)), width=8)
    assert {reply.status for reply in added} == {201}
    ids = {reply.json["name"]: reply.json["id"] for reply in added}
    assert len(set(ids.values())) == MANY

    pages = list(_pages(shop.owner, limit="37"))

    seen = [customer for page in pages for customer in page]
    assert [customer["name"] for customer in seen] == sorted(ids)
    assert {customer["name"]: customer["id"] for customer in seen} == ids
    assert [len(page) for page in pages[:-1]] == [37] * (MANY // 37)

    found = [customer for page in _pages(shop.owner, limit="37", q="cadiz many") for customer in page]
    expected = {reply.json["id"] for number, reply in enumerate(added) if number % len(CITIES) == CITIES.index("Cádiz")}
    assert len(found) == len(expected)
    assert {customer["id"] for customer in found} == expected
    (one,) = shop.owner.get("/v1/customers", q="BUYER.77@many.test").json["items"]
    assert one["email"].casefold() == "buyer.77@many.test"

    cursor = shop.owner.get("/v1/customers", limit="37").json["next_cursor"]
    stranger = open_shop(api, "a-smaller-store")
    assert stranger.owner.get("/v1/customers", limit="37").json["items"] == []
    assert stranger.owner.get("/v1/customers", limit="37", cursor=cursor).status == 400
    assert shop.owner.get("/v1/customers", limit="37", q="cadiz", cursor=cursor).status == 400


def _pages(client: Client, **query: str) -> Iterator[list[dict[str, Any]]]:
    cursor: str | None = ""
    while cursor is not None:
        reply = client.send("GET", "/v1/customers", query={**query, **({"cursor": cursor} if cursor else {})})
        assert reply.status == 200, reply.text
        yield reply.json["items"]
        cursor = reply.json["next_cursor"]
