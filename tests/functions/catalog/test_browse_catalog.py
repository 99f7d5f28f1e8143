"""The catalogue as its owner, customers and guests see it."""

import json
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop


@pytest.fixture
def export_tier(shop: Shop) -> str:
    """A second price tier, in which the products cost half."""
    return str(shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"])


@pytest.fixture
def catalog(shop: Shop, export_tier: str) -> Shop:
    """A store with an oak table, an oak chair and a lamp that is not on sale any more."""
    for number, name, active in [
        ("TABLE-1", "Oak table", True),
        ("CHAIR-1", "Oak chair", True),
        ("LAMP-1", "Lamp", False),
    ]:
        prices = {shop.tier_id: euros(1000), export_tier: euros(500)}
        shop.add_product(number, name=name, active=active, prices=prices)
    return shop


def let_guests_in(shop: Shop, tier_id: str) -> Client:
    """Open a store for guests, and return one's client."""
    change = {"guest_access": {"enabled": True, "price_tier_id": tier_id}}
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", change, etag=etag).status == 200
    return shop.owner.as_(None)


def numbers(page: Any) -> list[str]:
    """Return the numbers of a page's products."""
    return [product["number"] for product in page["items"]]


def test_the_owner_sees_everything_with_all_prices(catalog: Shop, export_tier: str) -> None:
    page = catalog.owner.get("/v1/products").json
    assert numbers(page) == ["CHAIR-1", "LAMP-1", "TABLE-1"]
    assert page["items"][0]["prices"] == {catalog.tier_id: euros(1000), export_tier: euros(500)}
    assert "price" not in page["items"][0]
    lamp = catalog.owner.get("/v1/products/lamp-1")
    assert (lamp.json, lamp.headers["etag"]) == (page["items"][1], '"1"')


def test_the_owner_can_ask_for_what_is_on_sale_or_not(catalog: Shop) -> None:
    assert numbers(catalog.owner.get("/v1/products", active="true").json) == ["CHAIR-1", "TABLE-1"]
    assert numbers(catalog.owner.get("/v1/products", active="false").json) == ["LAMP-1"]
    assert numbers(catalog.owner.get("/v1/products", q="lamp", active="true").json) == []
    assert catalog.owner.get("/v1/products", active="maybe").status == 422


def test_a_buyer_sees_what_is_on_sale_at_its_own_price_and_no_other(catalog: Shop, export_tier: str) -> None:
    buyer = catalog.join(catalog.add_customer())
    replies = [buyer.get("/v1/products"), buyer.get("/v1/products", q="oak"), buyer.get("/v1/products/CHAIR-1")]
    assert numbers(replies[0].json) == ["CHAIR-1", "TABLE-1"]
    assert replies[2].json["price"] == euros(1000)
    assert set(replies[2].json) == {"number", "name", "description", "price", "weight_grams", "active", "etag"}
    for reply in replies:
        assert "500" not in reply.text
        assert catalog.tier_id not in reply.text
        assert export_tier not in reply.text


def test_to_a_buyer_what_is_not_on_sale_does_not_exist(catalog: Shop) -> None:
    buyer = catalog.join(catalog.add_customer())
    gone = buyer.get("/v1/products/LAMP-1")
    assert (gone.status, gone.json) == (404, buyer.get("/v1/products/NO-SUCH").json)
    assert numbers(buyer.get("/v1/products", q="lamp").json) == []
    refused = buyer.get("/v1/products", active="false")
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "?active")


def test_a_sales_rep_sees_what_is_on_sale_with_all_prices(catalog: Shop, export_tier: str) -> None:
    rep = hire(catalog).client
    page = rep.get("/v1/products").json
    assert numbers(page) == ["CHAIR-1", "TABLE-1"]
    assert page["items"][0] == catalog.owner.get("/v1/products/chair-1").json
    assert page["items"][0]["prices"] == {catalog.tier_id: euros(1000), export_tier: euros(500)}
    assert rep.get("/v1/products/table-1").json["prices"][export_tier] == euros(500)
    assert numbers(rep.get("/v1/products", q="lamp").json) == []
    assert rep.get("/v1/products/lamp-1").status == 404
    assert rep.get("/v1/products", active="false").status == 422


def test_a_sales_rep_sees_the_price_of_a_customer_of_its_own_and_of_no_other(catalog: Shop, export_tier: str) -> None:
    rep, own = hire(catalog), catalog.add_customer(price_tier_id=export_tier)
    other = catalog.add_customer("Green Gate", "gil@greengate.test")
    allocate(catalog, own, rep)
    page = rep.client.get("/v1/products", customer_id=own["id"]).json
    assert [(each["number"], each["price"], "prices" in each) for each in page["items"]] == [
        ("CHAIR-1", euros(500), False),
        ("TABLE-1", euros(500), False),
    ]
    assert numbers(rep.client.get("/v1/products", customer_id=own["id"], q="table").json) == ["TABLE-1"]
    chair = rep.client.get("/v1/products/chair-1", customer_id=own["id"])
    assert (chair.json, chair.headers["etag"]) == (page["items"][0], '"1-500"')
    for path in ("/v1/products", "/v1/products/chair-1"):
        refused = rep.client.get(path, customer_id=other["id"])
        missing = rep.client.get(path, customer_id="nobody")
        assert (refused.status, refused.text) == (404, missing.text)
    first = rep.client.get("/v1/products", customer_id=own["id"], limit="1").json["next_cursor"]
    assert rep.client.get("/v1/products", cursor=first).code == "invalid_cursor"
    with counted_calls() as calls:
        rep.client.get("/v1/products", customer_id=own["id"])
        rep.client.get("/v1/products/chair-1", customer_id=own["id"])
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_the_price_of_a_customer_is_for_the_owner_too_and_not_for_other_buyers_or_guests(catalog: Shop) -> None:
    customer = catalog.add_customer()
    buyer = catalog.join(customer)
    other = catalog.join(catalog.add_customer("Green Gate", "gil@greengate.test"))
    guest = let_guests_in(catalog, catalog.tier_id)
    path, asked = "/v1/products/chair-1", {"customer_id": customer["id"]}
    for client in (catalog.owner, buyer):
        assert client.get(path, **asked).json["price"] == euros(1000)
        assert client.get("/v1/products", **asked).status == 200
    for client, store in ((other, {}), (guest, {"store": "acme"})):
        for each in (path, "/v1/products"):
            assert (client.get(each, **asked, **store).status, client.get(each, **asked, **store).code) == (404, "not_found")
    assert numbers(catalog.owner.get("/v1/products", **asked).json) == ["CHAIR-1", "LAMP-1", "TABLE-1"]


def test_a_customers_own_tier_goes_before_its_groups(catalog: Shop, export_tier: str) -> None:
    buyer = catalog.join(catalog.add_customer(price_tier_id=export_tier))
    assert buyer.get("/v1/products/CHAIR-1").json["price"] == euros(500)


def test_without_a_price_in_the_tier_the_price_is_null(catalog: Shop) -> None:
    catalog.add_product("SOFA-1", prices={})
    buyer = catalog.join(catalog.add_customer())
    assert buyer.get("/v1/products/SOFA-1").json["price"] is None


def test_a_cached_price_is_not_confirmed_once_the_customer_has_another(catalog: Shop, export_tier: str) -> None:
    customer = catalog.add_customer()
    buyer = catalog.join(customer)
    seen = buyer.get("/v1/products/CHAIR-1").headers["etag"]
    assert buyer.get("/v1/products/CHAIR-1", headers={"If-None-Match": seen}).status == 304
    path = f"/v1/customers/{customer['id']}"
    etag = catalog.owner.get(path).json["etag"]
    assert catalog.owner.patch(path, {"price_tier_id": export_tier}, etag=etag).status == 200
    assert buyer.get("/v1/products/CHAIR-1", headers={"If-None-Match": seen}).json["price"] == euros(500)


def test_guests_see_the_price_that_the_store_sets_for_them(catalog: Shop, export_tier: str) -> None:
    guest = let_guests_in(catalog, export_tier)
    page = guest.get("/v1/products", store="acme")
    assert [(item["number"], item["price"]) for item in page.json["items"]] == [
        ("CHAIR-1", euros(500)),
        ("TABLE-1", euros(500)),
    ]
    assert "1000" not in page.text
    assert guest.get("/v1/products/LAMP-1", store="acme").status == 404
    assert guest.get("/v1/products/CHAIR-1", store="acme").json == page.json["items"][0]


def test_without_guest_access_nobody_gets_in_without_an_account(catalog: Shop) -> None:
    stranger = catalog.owner.as_(None)
    for name in ("acme", "no-such-store", ""):
        assert stranger.get("/v1/products", store=name).status == 401
        assert stranger.get("/v1/products/CHAIR-1", store=name).status == 401
    let_guests_in(catalog, catalog.tier_id)
    assert stranger.get("/v1/products").status == 401
    catalog.owner.patch("/v1/store", {"guest_access": {"enabled": False}}, etag='"2"')
    assert stranger.get("/v1/products", store="acme").status == 401


def test_a_guest_finds_a_closed_store_closed(catalog: Shop) -> None:
    guest = let_guests_in(catalog, catalog.tier_id)
    catalog.owner.patch("/v1/store", {"active": False}, etag='"2"')
    assert guest.get("/v1/products", store="acme").code == "store_inactive"


def test_a_search_finds_the_beginning_of_numbers_and_of_words_without_accents(catalog: Shop) -> None:
    catalog.add_product("BÜRO".replace("Ü", "UE") + "-7", name="Bürostuhl aus Eiche, höhenverstellbar")
    found = {
        "tab": ["TABLE-1"],
        "TABLE-1": ["TABLE-1"],
        "chair-": ["CHAIR-1"],
        "oak": ["CHAIR-1", "TABLE-1"],
        "oak ch": ["CHAIR-1"],
        "ch oak": ["CHAIR-1"],
        "buro eic": ["BUERO-7"],
        "HÖHEN": ["BUERO-7"],
        "ak": [],
        "oak nothing": [],
        "%": [],
        " ": ["BUERO-7", "CHAIR-1", "LAMP-1", "TABLE-1"],
    }
    for text, expected in found.items():
        assert sorted(numbers(catalog.owner.get("/v1/products", q=text).json)) == expected, text


def test_a_buyer_searches_by_the_event_of_the_documentation(catalog: Shop) -> None:
    buyer = catalog.join(catalog.add_customer())
    reply = send_event("catalog/browse_catalog.searched_by_buyer", TOKEN=buyer.token)
    assert (reply.status, sorted(numbers(reply.json))) == (200, ["CHAIR-1", "TABLE-1"])


def test_pages_bring_every_product_once_in_a_list_and_in_a_search(shop: Shop) -> None:
    for index in range(7):
        # Number and name begin alike, so that a search meets each product more than once.
        shop.add_product(f"OAK-{index}", name=f"Oak oakwood {index}")
    queries: list[dict[str, str]] = [{}, {"q": "oak"}, {"q": "oak o"}, {"active": "true"}]
    for query in queries:
        seen: list[str] = []
        for _ in range(40):
            page = shop.owner.send("GET", "/v1/products", query={"limit": "2", **query}).json
            assert len(page["items"]) <= 2
            seen += numbers(page)
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert sorted(seen) == [f"OAK-{index}" for index in range(7)], query


def test_a_cursor_serves_only_the_list_it_was_made_for(catalog: Shop, api: Client) -> None:
    cursor = catalog.owner.get("/v1/products", limit="1").json["next_cursor"]
    other = open_shop(api, "other")
    buyer = catalog.join(catalog.add_customer())
    assert catalog.owner.get("/v1/products", limit="1", cursor=cursor).status == 200
    assert catalog.owner.get("/v1/products", cursor=cursor, q="oak").code == "invalid_cursor"
    assert other.owner.get("/v1/products", cursor=cursor).code == "invalid_cursor"
    assert buyer.get("/v1/products", cursor=cursor).code == "invalid_cursor"
    assert catalog.owner.get("/v1/products", limit="0").status == 422


def test_another_stores_products_do_not_exist(catalog: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    assert other.owner.get("/v1/products").json["items"] == []
    assert other.owner.get("/v1/products", q="oak").json["items"] == []
    assert other.owner.get("/v1/products/CHAIR-1").status == 404
    # A signed-in caller stays in its own store whatever it names.
    assert other.owner.get("/v1/products", store="acme").json["items"] == []


def test_browsing_writes_nothing_and_calls_what_it_says(catalog: Shop) -> None:
    before = stored()
    with counted_calls() as calls:
        catalog.owner.get("/v1/products")
    assert calls == ["BatchGetItem", "Query"]
    with counted_calls() as calls:
        catalog.owner.get("/v1/products/CHAIR-1")
    assert calls == ["BatchGetItem"]
    with counted_calls() as calls:
        catalog.owner.get("/v1/products", q="oak")
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]
    assert json.dumps(stored()) == json.dumps(before)
