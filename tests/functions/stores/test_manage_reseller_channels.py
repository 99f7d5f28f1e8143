"""Reseller channels: resellers that are served alike."""

from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.ordering import send_event
from tests.support.table import stored
from tests.support.world import Shop, open_shop
from tradepost.table.records import Record
from tradepost.table.stores import store_key


def test_a_channel_is_created_listed_and_shown(shop: Shop) -> None:
    created = send_event("stores/manage_reseller_channels.created", TOKEN=shop.owner.token, PRICE_TIER=shop.tier_id)
    assert created.status == 201
    assert created.json["description"] == "Sell in their own name."
    assert shop.owner.get(f"/v1/reseller-channels/{created.json['id']}").json == created.json
    assert shop.owner.get("/v1/reseller-channels").json["items"] == [created.json]


def test_a_channel_needs_no_tier_and_null_takes_one_away(shop: Shop) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops"}).json
    assert (channel["price_tier_id"], channel["description"]) == (None, None)
    path = f"/v1/reseller-channels/{channel['id']}"
    change = {"price_tier_id": shop.tier_id, "description": "All of them"}
    assert shop.owner.patch(path, change, etag='"1"').json["price_tier_id"] == shop.tier_id
    assert stored("price_tier")[0]["tally"] == 2
    changed = shop.owner.patch(path, {"price_tier_id": None}, etag='"2"').json
    assert (changed["price_tier_id"], changed["description"]) == (None, "All of them")
    assert stored("price_tier")[0]["tally"] == 1


def test_the_default_channel_is_in_use(shop: Shop) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops"}).json
    shop.owner.patch("/v1/store", {"default_channel_id": channel["id"]}, etag='"1"')
    path, before = f"/v1/reseller-channels/{channel['id']}", stored()
    assert shop.owner.delete(path, etag='"1"').code == "in_use"
    assert stored() == before
    shop.owner.patch("/v1/store", {"default_channel_id": None}, etag='"2"')
    assert shop.owner.delete(path, etag='"1"').status == 204
    assert stored("reseller_channel") == []


def test_deleting_a_channel_lets_go_of_its_tier(shop: Shop) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops", "price_tier_id": shop.tier_id}).json
    assert shop.owner.delete(f"/v1/reseller-channels/{channel['id']}", etag='"1"').status == 204
    assert stored("price_tier")[0]["tally"] == 1


def test_bad_input_changes_nothing(shop: Shop) -> None:
    before = stored()
    for body in (
        {},
        {"name": None},
        {"name": "Shops", "price_tier_id": "unknown"},
        {"name": "Shops", "description": "\u202e"},
    ):
        assert shop.owner.post("/v1/reseller-channels", body).status == 422, body
    assert stored() == before


def test_another_stores_channel_does_not_exist_and_versions_are_minded(shop: Shop, api: Client) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops"}).json
    other = open_shop(api, "other")
    path, before = f"/v1/reseller-channels/{channel['id']}", stored()
    assert other.owner.get(path).status == 404
    assert other.owner.patch(path, {"name": "Mine"}, etag='"1"').status == 404
    assert other.owner.delete(path, etag='"1"').status == 404
    assert shop.owner.patch(path, {"name": None}, etag='"1"').status == 422
    assert shop.owner.patch(path, {"name": "Mine"}).status == 428
    assert shop.owner.patch(path, {"name": "Mine"}, etag='"2"').status == 412
    assert shop.owner.delete(path, etag='"2"').status == 412
    assert stored() == before


def test_a_retry_creates_nothing(shop: Shop) -> None:
    replies = [shop.owner.post("/v1/reseller-channels", {"name": "Shops"}, key="once") for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json
    assert len(stored("reseller_channel")) == 1


def tiers(shop: Shop) -> dict[str, str]:
    """Return what the store itself knows of the tiers of its channels."""
    [store] = [item for item in stored("store") if item["slug"] == shop.slug]
    return dict(store["channel_tiers"])


def test_the_store_knows_the_tiers_of_its_channels_without_a_read(shop: Shop) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops", "price_tier_id": shop.tier_id}).json
    shop.owner.post("/v1/reseller-channels", {"name": "Markets"})
    path = f"/v1/reseller-channels/{channel['id']}"
    assert tiers(shop) == {channel["id"]: shop.tier_id}
    channel = shop.owner.patch(path, {"name": "Shops!"}, etag=channel["etag"]).json
    assert tiers(shop) == {channel["id"]: shop.tier_id}
    channel = shop.owner.patch(path, {"price_tier_id": None}, etag=channel["etag"]).json
    assert tiers(shop) == {}
    channel = shop.owner.patch(path, {"price_tier_id": shop.tier_id}, etag=channel["etag"]).json
    assert shop.owner.delete(path, etag=channel["etag"]).status == 204
    assert tiers(shop) == {}


def test_a_store_that_was_opened_before_there_were_channels_with_prices_gets_to_know_them(shop: Shop) -> None:
    plain = shop.owner.post("/v1/reseller-channels", {"name": "Old"}).json
    Record(*store_key("acme")).update([Path("aside.channel_tiers").remove()])
    path = f"/v1/reseller-channels/{plain['id']}"
    plain = shop.owner.patch(path, {"name": "Older"}, etag=plain["etag"]).json
    channels = [
        shop.owner.post("/v1/reseller-channels", {"name": name, "price_tier_id": shop.tier_id}).json["id"] for name in "AB"
    ]
    assert tiers(shop) == dict.fromkeys(channels, shop.tier_id)


def test_of_two_first_tiers_at_once_none_is_lost(shop: Shop) -> None:
    Record(*store_key("acme")).update([Path("aside.channel_tiers").remove()])
    body = {"name": "A", "price_tier_id": shop.tier_id}
    with meanwhile("TransactWriteItems", lambda: shop.owner.post("/v1/reseller-channels", {**body, "name": "B"})):
        reply = shop.owner.post("/v1/reseller-channels", body, key="once")
    assert (reply.status, reply.code) == (409, "conflict")
    assert shop.owner.post("/v1/reseller-channels", body, key="once").status == 201
    assert len(tiers(shop)) == 2


def test_a_store_has_a_hundred_channels_with_prices_at_most(shop: Shop) -> None:
    many = {f"c{number}": shop.tier_id for number in range(100)}
    Record(*store_key("acme")).update([Path("aside.channel_tiers").set(many)])
    reply = shop.owner.post("/v1/reseller-channels", {"name": "A", "price_tier_id": shop.tier_id})
    assert (reply.status, reply.code) == (409, "too_many_channels")
    assert shop.owner.post("/v1/reseller-channels", {"name": "A"}).status == 201
