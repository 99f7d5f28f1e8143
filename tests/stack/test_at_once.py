"""Many people want the same thing at the same moment: one of them gets it, and nothing is half done."""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.deployed import Deployed, at_once
from tests.support.functions import Reply
from tests.support.reps import hire
from tests.support.world import ADDRESS, PASSWORD, Shop, euros

pytestmark = pytest.mark.stack

ROUNDS = 8


def test_of_fifty_acceptances_one_wins(shop: Shop, deployed: Deployed) -> None:
    customer = shop.add_customer(email="fifty@bluedoor.test")
    link = f"/v1/invitation-links/{shop.invite(customer['id'])}"
    before = [deployed.stored(entity, shop.slug) for entity in ("invitation", "customer", "audit")]

    looks = at_once([partial(deployed.api.get, link)] * 50 + [partial(deployed.api.get, f"/i/{link.rpartition('/')[2]}")] * 50)

    assert {reply.status for reply in looks} == {200}
    deployed.settle(shop.slug)
    after = [deployed.stored(entity, shop.slug) for entity in ("invitation", "customer", "audit")]
    assert [len(items) for items in after] == [len(items) for items in before]
    assert after[0][0]["state"] == "pending"

    replies = at_once(
        [
            partial(deployed.api.post, f"{link}/acceptance", {"name": f"Ida {index}", "password": PASSWORD})
            for index in range(50)
        ]
    )

    assert Counter((reply.status, reply.code) for reply in replies) == {(201, None): 1, (409, "already_accepted"): 49}
    (winner,) = [reply for reply in replies if reply.status == 201]
    members = [member for member in deployed.stored("member", shop.slug) if member["role"] == "buyer"]
    assert [member["name"] for member in members] == [winner.json["member"]["name"]]
    log_in = deployed.api.post("/v1/sessions", {"email": "fifty@bluedoor.test", "password": PASSWORD})
    assert (log_in.status, log_in.json["member"]) == (201, winner.json["member"])
    deployed.settle(shop.slug)
    assert len(deployed.mails("fifty@bluedoor.test", expecting=2)) == 2, "the invitation and one welcome"


def test_a_request_sent_five_times_is_carried_out_once(deployed: Deployed) -> None:
    api, slug = deployed.api, "five-times"
    new_store = {
        "name": "Five Times",
        "slug": slug,
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "owner": {"name": "Ola Nordmann", "email": "ola@five-times.test", "password": PASSWORD},
    }

    opened = _one_effect(_five(api, "/v1/stores", new_store))

    owner = api.as_(opened["session"]["token"])
    assert owner.get("/v1/store").json == opened["store"]
    assert len(deployed.stored("store", slug)) == len(deployed.stored("member", slug)) == 1
    assert len(deployed.stored("session", slug)) == 1

    tier = owner.post("/v1/price-tiers", {"name": "Wholesale"}).json["id"]
    group = owner.post("/v1/customer-groups", {"name": "Retailers", "price_tier_id": tier}).json["id"]
    shop = Shop(slug, owner, tier, group)
    new_customer = {
        "name": "Blue Door",
        "email": "five@bluedoor.test",
        "group_id": group,
        "addresses": [ADDRESS],
        "send_invitation": True,
    }

    customer = _one_effect(_five(owner, "/v1/customers", new_customer))

    assert [item["id"] for item in deployed.stored("customer", slug)] == [customer["id"]]
    assert len(deployed.stored("invitation", slug)) == 1
    deployed.settle(slug)
    assert len(deployed.mails("five@bluedoor.test", expecting=1)) == 1

    shop.add_product("LMP-001", 3900)
    options = shop.set_checkout_options()
    link = owner.get(f"/v1/invitations/{customer['invitation']['id']}").json["link"].rpartition("/i/")[2]
    acceptance = {"name": "Ida Holm", "password": PASSWORD}
    signed_in = _one_effect(_five(api, f"/v1/invitation-links/{link}/acceptance", acceptance))
    new_order = {
        "billing_address_id": customer["addresses"][0]["id"],
        "lines": [{"product_number": "LMP-001", "quantity": 2}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][0]["id"],
    }

    order = _one_effect(_five(api.as_(signed_in["token"]), "/v1/orders", new_order))

    assert [item["id"] for item in deployed.stored("order", slug)] == [order["id"]]
    deployed.settle(slug)
    assert len(deployed.mails("five@bluedoor.test", expecting=3)) == 3, "invitation, welcome and order"


def test_a_slug_is_given_to_one_of_two(deployed: Deployed) -> None:
    for number in range(ROUNDS):
        slug = f"wanted-{number}"
        new_stores: list[dict[str, Any]] = [
            {
                "name": "Wanted",
                "slug": slug,
                "currency": "EUR",
                "time_zone": "Europe/Berlin",
                "owner": {"name": who, "email": f"{who}-{number}@wanted.test", "password": PASSWORD},
            }
            for who in ("ann", "ben")
        ]

        replies = at_once(partial(deployed.api.post, "/v1/stores", new) for new in new_stores)

        assert sorted((reply.status, reply.code or "") for reply in replies) == [(201, ""), (409, "slug_taken")]
        (won,) = [new for new, reply in zip(new_stores, replies, strict=True) if reply.status == 201]
        (lost,) = [new for new in new_stores if new != won]
        assert [member["email"] for member in deployed.stored("member", slug)] == [won["owner"]["email"]]
        nobody = deployed.api.post("/v1/sessions", {"email": lost["owner"]["email"], "password": PASSWORD})
        assert (nobody.status, nobody.code) == (401, "invalid_credentials")


def test_what_points_at_a_price_tier_never_points_at_nothing(shop: Shop, deployed: Deployed) -> None:
    outcomes = Counter[tuple[int, str]]()
    for number in range(ROUNDS):
        tier = shop.owner.post("/v1/price-tiers", {"name": f"Tier {number}"}).json
        group = shop.owner.get(f"/v1/customer-groups/{shop.group_id}").json

        deleted, changed = at_once(
            [
                partial(shop.owner.delete, f"/v1/price-tiers/{tier['id']}", etag=tier["etag"]),
                partial(_point, shop.owner, group, tier["id"]),
            ]
        )

        outcome = deleted.status, changed.code or ""
        assert outcome in {(204, "unknown_price_tier"), (409, "")}, (deleted, changed)
        assert deleted.code in {None, "in_use"}
        outcomes[outcome] += 1
        points_at = shop.owner.get(f"/v1/customer-groups/{shop.group_id}").json["price_tier_id"]
        assert shop.owner.get(f"/v1/price-tiers/{points_at}").status == 200
    _check_tallies(shop, deployed)
    assert outcomes.total() == ROUNDS


def test_groups_and_tiers_changed_at_once_are_all_counted(shop: Shop, deployed: Deployed) -> None:
    tiers = [shop.owner.post("/v1/price-tiers", {"name": f"Tier {number}"}).json["id"] for number in range(2)]
    groups = [
        shop.owner.post("/v1/customer-groups", {"name": f"Group {number}", "price_tier_id": shop.tier_id}).json
        for number in range(6)
    ]
    for target in (*tiers, shop.tier_id, tiers[0]):
        replies = at_once(partial(_point, shop.owner, group, target) for group in groups)

        assert {reply.status for reply in replies} == {200}, replies
        groups = [reply.json for reply in replies]
        _check_tallies(shop, deployed)

    # Two change the same group: whoever comes second must read again.
    replies = at_once(partial(_point, shop.owner, groups[0], tier) for tier in (tiers[1], shop.tier_id))
    assert sorted((reply.status, reply.code or "") for reply in replies) == [(200, ""), (412, "stale")]
    _check_tallies(shop, deployed)


def test_of_two_administrators_who_unlink_each_other_one_stays(shop: Shop, deployed: Deployed) -> None:
    for number in range(ROUNDS):
        customer = shop.add_customer(email=f"ida-{number}@bluedoor.test")
        path = f"/v1/customers/{customer['id']}/employees"
        new = {"name": "Uma", "email": f"uma-{number}@bluedoor.test", "role": "admin", "send_invitation": True}
        added = shop.owner.post(path, new).json
        link = shop.owner.get(f"/v1/invitations/{added['invitation']['id']}").json["link"].rpartition("/i/")[2]
        acceptance = {"name": "Uma", "password": PASSWORD}
        joined = deployed.api.post(f"/v1/invitation-links/{link}/acceptance", acceptance).json
        ida, uma = shop.join(customer), deployed.api.as_(joined["token"])
        etags = {each["id"]: each["etag"] for each in shop.owner.get(path).json["items"]}
        ids = {client: client.get("/v1/me").json["id"] for client in (ida, uma)}

        replies = at_once(
            partial(client.delete, f"{path}/{ids[other]}", etag=etags[ids[other]]) for client, other in ((ida, uma), (uma, ida))
        )

        outcomes = sorted((reply.status, reply.code or "") for reply in replies)
        assert outcomes in ([(204, ""), (401, "invalid_token")], [(204, ""), (409, "last_administrator")]), replies
        (left,) = shop.owner.get(path).json["items"]
        assert (left["role"], left["status"]) == ("admin", "active")
        (item,) = [item for item in deployed.stored("customer", shop.slug) if item["id"] == customer["id"]]
        assert [person in left["id"] for person in item["administrators"]] == [True]


def test_fifty_orders_of_one_customer_at_once_are_all_placed_and_counted(shop: Shop, deployed: Deployed) -> None:
    shop.add_product("LMP-001", 3900)
    options = shop.set_checkout_options()
    customer = shop.add_customer(email="many@bluedoor.test")
    buyer = shop.join(customer)
    path = f"/v1/customers/{customer['id']}"
    etag = shop.owner.get(path).json["etag"]
    new_order = {
        "lines": [{"product_number": "LMP-001", "quantity": 2}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][0]["id"],
    }

    renaming = partial(shop.owner.patch, path, {"name": "Red Door"}, etag=etag)
    renamed, *placed = at_once([renaming, *[partial(buyer.post, "/v1/orders", new_order)] * 50])

    assert renamed.status == 200, renamed
    assert Counter(reply.status for reply in placed) == {201: 50}, [reply for reply in placed if reply.status != 201][:3]
    figures = shop.owner.get("/v1/statistics").json
    assert (figures["orders"], figures["revenue"]["amount"]) == (50, sum(reply.json["total"]["amount"] for reply in placed))
    assert len(deployed.stored("order", shop.slug)) == 50


def test_of_those_who_approve_an_order_at_once_one_does(shop: Shop, deployed: Deployed) -> None:
    shop.add_product("LMP-001", 3900)
    options = shop.set_checkout_options()
    customer = shop.add_customer(email="waiting@bluedoor.test")
    buyer, rep = shop.join(customer), hire(shop, access="all")
    new_order = {
        "customer_id": customer["id"],
        "employee_id": buyer.get("/v1/me").json["id"],
        "lines": [{"product_number": "LMP-001", "quantity": 2, "unit_price": euros(1), "reason": "Scratched"}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][0]["id"],
    }
    order = rep.client.post("/v1/orders", new_order).json
    assert order["status"] == "awaiting_approval"

    headers = {"If-Match": order["etag"]}
    steps = ["approve", "reject"] * 4
    replies = at_once(partial(shop.owner.post, f"/v1/orders/{order['id']}/{step}", headers=headers) for step in steps)

    assert Counter(reply.status for reply in replies) == {200: 1, 412: 7}, replies
    (won,) = [reply.json for reply in replies if reply.status == 200]
    (kept,) = deployed.stored("order", shop.slug)
    assert (kept["status"], len(kept["history"])) == (won["status"], 1)
    assert shop.owner.get("/v1/statistics").json["orders"] == (1 if won["status"] == "received" else 0)


def _five(client: Client, path: str, body: Any) -> list[Reply]:
    return at_once([partial(client.post, path, body, key=f"the-same:{path}")] * 5)


def _one_effect(replies: list[Reply]) -> Any:
    """Return the answer that all five got."""
    assert {reply.status for reply in replies} == {201}
    assert all(reply.json == replies[0].json for reply in replies)
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1
    return replies[0].json


def _point(owner: Client, group: dict[str, Any], tier_id: str) -> Reply:
    return owner.patch(f"/v1/customer-groups/{group['id']}", {"price_tier_id": tier_id}, etag=group["etag"])


def _check_tallies(shop: Shop, deployed: Deployed) -> None:
    """Every price tier knows how many groups point at it, and the store knows where each of them points."""
    groups = {group["id"]: group["price_tier_id"] for group in deployed.stored("customer_group", shop.slug)}
    uses = Counter(groups.values())
    assert {tier["id"]: tier["tally"] for tier in deployed.stored("price_tier", shop.slug)} == {
        tier["id"]: uses[tier["id"]] for tier in deployed.stored("price_tier", shop.slug)
    }
    (store,) = deployed.stored("store", shop.slug)
    assert store["group_tiers"] == groups
