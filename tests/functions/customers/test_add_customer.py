"""Adding a customer, with an invitation if wanted."""

from typing import Any

import pytest

from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.table import stored
from tests.support.world import ADDRESS, Shop, open_shop


def tally(shop: Shop, *, group: bool = True) -> int:
    """Return how many things point at the shop's group, or at its price tier."""
    (entry,) = stored("customer_group" if group else "price_tier")
    return int(entry["tally"])


def test_a_customer_is_added_and_invited_in_one_breath(shop: Shop) -> None:
    reply = send_event("customers/add_customer.with_invitation", TOKEN=shop.owner.token, GROUP_ID=shop.group_id)
    assert reply.status == 201
    customer = reply.json
    assert (customer["name"], customer["email"], customer["kind"], customer["active"]) == (
        "Blue Door",
        "Buyer@bluedoor.test",
        "b2b",
        True,
    )
    assert (customer["invitation"]["state"], customer["invitation"]["delivery"]) == ("pending", "queued")
    (address,) = customer["addresses"]
    assert (address["default_billing"], address["default_shipping"], bool(address["id"])) == (True, True, True)
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json == customer
    assert (tally(shop), reply.headers["etag"]) == (1, '"1"')
    (message,) = announced()
    assert (message["type"], message["customer_id"]) == ("invitation", customer["id"])
    (mail,) = deliver()
    assert mail.to == "Buyer@bluedoor.test"
    assert [line["details"] for line in stored("audit") if line["action"] == "customer:added"] == [
        {"name": "Blue Door", "invited": True}
    ]


def test_without_a_wish_nobody_is_invited(shop: Shop) -> None:
    customer = shop.add_customer()
    assert customer["invitation"] is None
    assert (stored("invitation"), stored("outbox")) == ([], [])


def test_the_number_can_be_read_out_and_is_a_customers_own(shop: Shop) -> None:
    numbers = {shop.add_customer(f"Customer {index}", None)["number"] for index in range(5)}
    assert len(numbers) == 5
    assert all(set(number[2:]) <= set("23456789ABCDEFGHJKMNPQRSTVWXYZ") for number in numbers)


def test_an_address_belongs_to_one_customer_of_a_store_in_any_letter_case(shop: Shop) -> None:
    shop.add_customer()
    before = stored()
    body = {"name": "Other", "group_id": shop.group_id, "email": "BUYER@bluedoor.test"}
    reply = shop.owner.post("/v1/customers", body)
    assert (reply.status, reply.code, reply.json["pointer"]) == (409, "email_taken", "/email")
    assert stored() == before
    rival = open_shop(shop.owner.as_(None), "rival")
    assert rival.add_customer()["email"] == "buyer@bluedoor.test"


def test_a_retry_adds_nothing(shop: Shop) -> None:
    body = {"name": "Blue Door", "group_id": shop.group_id, "email": "b@bluedoor.test", "send_invitation": True}
    first, again = (shop.owner.post("/v1/customers", body, key="once") for _ in range(2))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert (len(stored("customer")), len(stored("outbox")), tally(shop)) == (1, 1, 1)
    other = shop.owner.post("/v1/customers", {**body, "name": "Green"}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "tab\tbed"}, "/name"),
        ({"name": 5}, "/name"),
        ({"email": "buyer@bluedoor.test\r\nBcc: all@bluedoor.test"}, "/email"),
        ({"email": "buyer"}, "/email"),
        ({"email": ["buyer@bluedoor.test"]}, "/email"),
        ({"group_id": "nothing"}, "/group_id"),
        ({"group_id": ""}, "/group_id"),
        ({"group_id": "x\x00"}, "/group_id"),
        ({"group_id": None}, "/group_id"),
        ({"price_tier_id": "nothing"}, "/price_tier_id"),
        ({"kind": "b3b"}, "/kind"),
        ({"send_invitation": "yes"}, "/send_invitation"),
        ({"send_invitation": True}, "/email"),
        ({"number": "C-1"}, "/number"),
        ({"addresses": [{**ADDRESS, "country": "XX"}]}, "/addresses/0/country"),
        ({"addresses": [{**ADDRESS, "country": "de"}]}, "/addresses/0/country"),
        ({"addresses": [ADDRESS, {**ADDRESS, "street": ""}]}, "/addresses/1/street"),
        ({"addresses": [{**ADDRESS, "id": "of another"}]}, "/addresses/0/id"),
        ({"addresses": [{**ADDRESS, "default_billing": True}] * 2}, "/addresses/1/default_billing"),
        ({"addresses": [ADDRESS] * 21}, "/addresses"),
        ({"addresses": [{**ADDRESS, "planet": "Mars"}]}, "/addresses/0/planet"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_nothing_is_added(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = shop.owner.post("/v1/customers", {"name": "Blue Door", "group_id": shop.group_id, **fields})
    assert reply.status == 422, reply.text
    assert [fault["pointer"] for fault in reply.json["errors"]] == [pointer]
    assert stored() == before


@pytest.mark.parametrize("name", ["شركة الباب الأزرق", "青いドア 🚪", "Łódź & Söhne", "ᾷ" * 200, "\U00010348" * 200])
def test_names_in_every_script_can_be_added_and_found(shop: Shop, name: str) -> None:
    customer = shop.add_customer(name, None)
    assert customer["name"] == name
    assert [each["id"] for each in shop.owner.get("/v1/customers").json["items"]] == [customer["id"]]
    found = shop.owner.get("/v1/customers", q=name.split(maxsplit=1)[0][:60]).json["items"]
    assert [each["name"] for each in found] == [name]


def test_groups_and_tiers_of_another_store_are_unknown(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    before = stored()
    group = rival.owner.post("/v1/customers", {"name": "Spy", "group_id": shop.group_id})
    tier = rival.owner.post("/v1/customers", {"name": "Spy", "group_id": rival.group_id, "price_tier_id": shop.tier_id})
    assert (group.status, group.code) == (422, "unknown_customer_group")
    assert (tier.status, tier.code) == (422, "unknown_price_tier")
    assert stored() == before


def test_a_buyer_adds_nobody(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    before = stored()
    reply = buyer.post("/v1/customers", {"name": "Friend", "group_id": shop.group_id})
    assert (reply.status, reply.code) == (403, "forbidden")
    assert stored() == before
