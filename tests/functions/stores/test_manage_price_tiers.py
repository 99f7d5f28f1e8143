"""Price tiers: create, rename, list, delete."""

from typing import Any

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop


def test_a_new_tier_is_there_for_the_owner(shop: Shop) -> None:
    created = send_event("stores/manage_price_tiers.created", TOKEN=shop.owner.token)
    assert (created.status, created.json["name"], created.headers["etag"]) == (201, "Export", '"1"')
    assert shop.owner.get(f"/v1/price-tiers/{created.json['id']}").json == created.json
    assert [tier["name"] for tier in shop.owner.get("/v1/price-tiers").json["items"]] == ["Wholesale", "Export"]


def test_a_tier_in_use_cannot_be_deleted_and_stays_as_it_was(shop: Shop) -> None:
    # Given a tier that a customer group points at
    tier = shop.owner.get(f"/v1/price-tiers/{shop.tier_id}").json
    before = stored()
    # When the owner deletes it
    reply = shop.owner.delete(f"/v1/price-tiers/{shop.tier_id}", etag=tier["etag"])
    # Then the answer says why, and nothing has changed
    assert (reply.status, reply.code) == (409, "in_use")
    assert stored() == before


def test_a_tier_is_in_use_by_products_channels_and_guests_until_each_lets_go(shop: Shop) -> None:
    owner = shop.owner
    tier = owner.post("/v1/price-tiers", {"name": "Export"}).json
    path = f"/v1/price-tiers/{tier['id']}"

    def can_be_deleted() -> bool:
        reply = owner.delete(path, etag='"1"')
        assert reply.code in {None, "in_use"}
        return reply.status == 204

    product = owner.put("/v1/products/A-1", {"name": "A", "prices": {tier["id"]: euros(1)}}).json
    assert not can_be_deleted()
    owner.put("/v1/products/A-1", {"name": "A"}, etag=product["etag"])
    channel = owner.post("/v1/reseller-channels", {"name": "Shops", "price_tier_id": tier["id"]}).json
    assert not can_be_deleted()
    owner.patch(f"/v1/reseller-channels/{channel['id']}", {"price_tier_id": None}, etag=channel["etag"])
    owner.patch("/v1/store", {"guest_access": {"price_tier_id": tier["id"]}}, etag='"1"')
    assert not can_be_deleted()
    owner.patch("/v1/store", {"guest_access": {"price_tier_id": None}}, etag='"2"')
    assert can_be_deleted()
    assert owner.get(path).status == 404


def test_a_retry_with_the_same_key_gets_the_same_answer_and_creates_nothing(shop: Shop) -> None:
    first = shop.owner.post("/v1/price-tiers", {"name": "Export"}, key="once")
    again = shop.owner.post("/v1/price-tiers", {"name": "Export"}, key="once")
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert len([tier for tier in stored("price_tier") if tier["name"] == "Export"]) == 1


def test_a_key_that_was_used_for_another_request_is_refused(shop: Shop) -> None:
    shop.owner.post("/v1/price-tiers", {"name": "Export"}, key="once")
    other_body = shop.owner.post("/v1/price-tiers", {"name": "Import"}, key="once")
    other_query = shop.owner.post("/v1/price-tiers", {"name": "Export"}, key="once", trace="1")
    assert (other_body.status, other_body.code) == (422, "idempotency_key_reused")
    assert (other_query.status, other_query.code) == (422, "idempotency_key_reused")


def test_two_tiers_cannot_have_one_name_in_whatever_letter_case(shop: Shop) -> None:
    before = stored()
    reply = shop.owner.post("/v1/price-tiers", {"name": " WHOLESALE"})
    assert (reply.status, reply.code) == (409, "name_taken")
    assert stored() == before


def test_a_tier_may_change_its_letter_case_and_a_name_that_was_given_up_is_free(shop: Shop) -> None:
    path = f"/v1/price-tiers/{shop.tier_id}"
    assert shop.owner.patch(path, {"name": "WholeSale"}, etag='"1"').status == 200
    assert shop.owner.patch(path, {"name": "Trade"}, etag='"2"').json["etag"] == '"3"'
    assert shop.owner.post("/v1/price-tiers", {"name": "wholesale"}).status == 201


def test_a_rename_needs_the_present_version(shop: Shop) -> None:
    path, before = f"/v1/price-tiers/{shop.tier_id}", stored()
    assert shop.owner.patch(path, {"name": "New"}).code == "precondition_required"
    assert shop.owner.patch(path, {"name": "New"}, etag='"7"').code == "stale"
    assert shop.owner.delete(path).code == "precondition_required"
    assert shop.owner.delete(path, etag='"7"').code == "stale"
    assert stored() == before


def test_a_use_that_is_counted_does_not_make_the_version_of_a_tier_stale(shop: Shop) -> None:
    etag = shop.owner.get(f"/v1/price-tiers/{shop.tier_id}").json["etag"]
    shop.add_product("A-1")
    assert shop.owner.patch(f"/v1/price-tiers/{shop.tier_id}", {"name": "Trade"}, etag=etag).status == 200
    assert {tier["name"]: tier["tally"] for tier in stored("price_tier")} == {"Trade": 2}


def test_a_name_that_is_none_is_refused(shop: Shop) -> None:
    before = stored()
    for name in ("", "  ", None, 5, "a\x00b", "x" * 201):
        reply = shop.owner.post("/v1/price-tiers", {"name": name})
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/name"), name
    bodies: list[Any] = [{}, [], "null"]
    for body in bodies:
        assert shop.owner.post("/v1/price-tiers", body).status == 422, body
    assert stored() == before


def test_an_unknown_field_is_named(shop: Shop) -> None:
    reply = shop.owner.post("/v1/price-tiers", {"name": "Export", "nmae": "x"})
    assert reply.json["errors"] == [{"pointer": "/nmae", "message": "is not a field of this request"}]


def test_another_stores_tier_does_not_exist(shop: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    path, before = f"/v1/price-tiers/{shop.tier_id}", stored()
    replies = [
        other.owner.get(path),
        other.owner.patch(path, {"name": "Mine"}, etag='"1"'),
        other.owner.delete(path, etag='"1"'),
    ]
    assert {reply.status for reply in replies} == {404}
    assert other.owner.get("/v1/price-tiers/nonsense").json == replies[0].json
    assert stored() == before


def test_an_id_that_no_key_can_hold_does_not_exist(shop: Shop) -> None:
    assert shop.owner.get(f"/v1/price-tiers/{'x' * 3000}").status == 404


def test_pages_bring_every_tier_once_and_a_cursor_serves_its_own_list_only(shop: Shop) -> None:
    for number in range(5):
        shop.owner.post("/v1/price-tiers", {"name": f"Tier {number}"})
    names, cursors = list[str](), [""]
    while cursors[-1] is not None:
        query = {"limit": "2", **({"cursor": cursors[-1]} if cursors[-1] else {})}
        page = shop.owner.send("GET", "/v1/price-tiers", query=query).json
        names += [tier["name"] for tier in page["items"]]
        cursors.append(page["next_cursor"])
    last = cursors[-2]
    assert names == ["Wholesale", *(f"Tier {number}" for number in range(5))]
    assert shop.owner.get("/v1/customer-groups", cursor=last).code == "invalid_cursor"
    assert shop.owner.get("/v1/price-tiers", cursor=f"x{last}").status == 400
    assert shop.owner.get("/v1/price-tiers", limit="101").status == 422


def test_reading_and_writing_cost_no_more_calls_than_they_must(shop: Shop) -> None:
    with counted_calls() as calls:
        shop.owner.get("/v1/price-tiers")
    assert calls == ["BatchGetItem", "Query"]
    with counted_calls() as calls:
        shop.owner.get(f"/v1/price-tiers/{shop.tier_id}")
    assert calls == ["BatchGetItem"]
    with counted_calls() as calls:
        shop.owner.patch(f"/v1/price-tiers/{shop.tier_id}", {"name": "Trade"}, etag='"1"')
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_what_happened_to_a_tier_is_on_record(shop: Shop) -> None:
    tier = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json
    shop.owner.patch(f"/v1/price-tiers/{tier['id']}", {"name": "Abroad"}, etag='"1"')
    assert shop.owner.delete(f"/v1/price-tiers/{tier['id']}", etag='"2"').status == 204
    lines = [line for line in stored("audit") if line["target"] == tier["id"]]
    assert {line["action"] for line in lines} == {"price_tier:created", "price_tier:renamed", "price_tier:deleted"}
    assert {line["actor"]["name"] for line in lines} == {"Ola Nordmann"}
