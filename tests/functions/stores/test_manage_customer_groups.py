"""Customer groups: each gives its customers the prices of one tier."""

from typing import Any

from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop
from tradepost.table.records import Record
from tradepost.table.stores import store_key


def tiers_of_groups() -> dict[str, str]:
    """Return the store's map from groups to tiers."""
    (store,) = stored("store")
    return dict(store["group_tiers"])


def test_a_group_points_at_its_tier_in_the_stores_own_map_too(shop: Shop) -> None:
    created = send_event("stores/manage_customer_groups.created", TOKEN=shop.owner.token, PRICE_TIER=shop.tier_id)
    assert (created.status, created.json["price_tier_id"]) == (201, shop.tier_id)
    assert tiers_of_groups() == {shop.group_id: shop.tier_id, created.json["id"]: shop.tier_id}
    assert stored("price_tier")[0]["tally"] == 2
    assert [group["name"] for group in shop.owner.get("/v1/customer-groups").json["items"]] == [
        "Retailers",
        "Importers",
    ]


def test_a_group_moves_to_another_tier_and_lets_go_of_the_one_before(shop: Shop) -> None:
    export = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"]
    path = f"/v1/customer-groups/{shop.group_id}"
    assert shop.owner.patch(path, {"price_tier_id": export}, etag='"1"').json["name"] == "Retailers"
    assert tiers_of_groups() == {shop.group_id: export}
    assert {tier["id"]: tier["tally"] for tier in stored("price_tier")} == {shop.tier_id: 0, export: 1}
    assert shop.owner.get("/v1/store").json["etag"] == '"1"'


def test_the_buyers_of_a_group_see_the_new_prices_at_once(shop: Shop) -> None:
    shop.add_product("A-1", 1000)
    buyer = shop.join(shop.add_customer())
    export = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"]
    assert buyer.get("/v1/products/A-1").json["price"] == euros(1000)
    shop.owner.patch(f"/v1/customer-groups/{shop.group_id}", {"price_tier_id": export}, etag='"1"')
    assert buyer.get("/v1/products/A-1").json["price"] is None


def test_a_group_that_is_deleted_leaves_the_map_and_its_tier(shop: Shop) -> None:
    assert shop.owner.delete(f"/v1/customer-groups/{shop.group_id}", etag='"1"').status == 204
    assert stored("customer_group") == []
    assert tiers_of_groups() == {}
    assert stored("price_tier")[0]["tally"] == 0
    assert shop.owner.post("/v1/customer-groups", {"name": "Retailers", "price_tier_id": shop.tier_id}).status == 201


def test_a_group_with_customers_cannot_be_deleted(shop: Shop) -> None:
    shop.add_customer()
    before = stored()
    reply = shop.owner.delete(f"/v1/customer-groups/{shop.group_id}", etag='"1"')
    assert (reply.status, reply.code) == (409, "in_use")
    assert stored() == before


def test_the_hundredth_group_is_the_last(shop: Shop) -> None:
    # Given a store with 98 more groups
    others = {f"group-{number}": shop.tier_id for number in range(98)}
    groups = Path(["aside", "group_tiers"])
    Record(*store_key(shop.slug)).update([groups.set({shop.group_id: shop.tier_id, **others})])
    # When two more are created, then the first one fits
    last = shop.owner.post("/v1/customer-groups", {"name": "Last", "price_tier_id": shop.tier_id})
    assert last.status == 201
    before = stored()
    reply = shop.owner.post("/v1/customer-groups", {"name": "One more", "price_tier_id": shop.tier_id})
    assert (reply.status, reply.code) == (409, "too_many_groups")
    assert stored() == before
    # And a full store can still move a group to another tier
    export = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"]
    moved = shop.owner.patch(f"/v1/customer-groups/{shop.group_id}", {"price_tier_id": export}, etag='"1"')
    assert moved.status == 200
    assert tiers_of_groups()[shop.group_id] == export


BAD_GROUPS: list[tuple[dict[str, Any], str]] = [
    ({"name": "New"}, "/price_tier_id"),
    ({"name": "New", "price_tier_id": None}, "/price_tier_id"),
    ({"name": "New", "price_tier_id": ""}, "/price_tier_id"),
    ({"name": "New", "price_tier_id": "a/b"}, "/price_tier_id"),
    ({"name": "New", "price_tier_id": "unknown"}, "/price_tier_id"),
    ({"name": "New", "price_tier_id": "x" * 2000}, "/price_tier_id"),
    ({"price_tier_id": "unknown"}, "/name"),
]


def test_a_group_needs_a_name_and_a_tier_of_the_store(shop: Shop) -> None:
    before = stored()
    for body, pointer in BAD_GROUPS:
        reply = shop.owner.post("/v1/customer-groups", body)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer), body
    assert stored() == before


def test_a_bad_change_changes_nothing(shop: Shop) -> None:
    before = stored()
    for change in ({"name": None}, {"price_tier_id": None}, {"price_tier_id": "unknown"}, {"id": "x"}):
        assert shop.owner.patch(f"/v1/customer-groups/{shop.group_id}", change, etag='"1"').status == 422, change
    assert stored() == before


def test_another_stores_tiers_and_groups_do_not_exist(shop: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    path, before = f"/v1/customer-groups/{shop.group_id}", stored()
    borrowed = other.owner.post("/v1/customer-groups", {"name": "New", "price_tier_id": shop.tier_id})
    assert (borrowed.status, borrowed.code) == (422, "unknown_price_tier")
    replies = [
        other.owner.get(path),
        other.owner.patch(path, {"name": "Mine"}, etag='"1"'),
        other.owner.delete(path, etag='"1"'),
    ]
    assert {reply.status for reply in replies} == {404}
    assert stored() == before


def test_a_change_needs_the_present_version_and_a_retry_creates_nothing(shop: Shop) -> None:
    path = f"/v1/customer-groups/{shop.group_id}"
    assert shop.owner.patch(path, {"name": "New"}).status == 428
    assert shop.owner.patch(path, {"name": "New"}, etag='"3"').status == 412
    assert shop.owner.delete(path, etag='"3"').status == 412
    body = {"name": "New", "price_tier_id": shop.tier_id}
    replies = [shop.owner.post("/v1/customer-groups", body, key="once") for _ in range(2)]
    assert replies[0].json == replies[1].json
    assert len(stored("customer_group")) == 2


def test_a_buyer_reads_no_groups(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    assert buyer.get("/v1/customer-groups").status == 403
    assert buyer.delete(f"/v1/customer-groups/{shop.group_id}", etag='"1"').status == 403


def test_creating_a_group_is_one_read_and_one_transaction(shop: Shop) -> None:
    with counted_calls() as calls:
        shop.owner.post("/v1/customer-groups", {"name": "New", "price_tier_id": shop.tier_id})
    assert calls == ["BatchGetItem", "TransactWriteItems"]
