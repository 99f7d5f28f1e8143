"""Changing a customer, by the store or by its own buyer; a new address kills the links sent to the old one."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.mail import deliver
from tests.support.ordering import open_market, send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, stored
from tests.support.world import ADDRESS, PASSWORD, Shop, open_shop


def change(client: Client, customer: dict[str, Any], **fields: Any) -> Reply:
    """Change a customer as it is now."""
    etag = client.get(f"/v1/customers/{customer['id']}").json["etag"]
    return client.patch(f"/v1/customers/{customer['id']}", fields, etag=etag)


def link_code(shop: Shop, link: str) -> tuple[int, str | None]:
    """Return what a link answers."""
    reply = shop.owner.as_(None).get(f"/v1/invitation-links/{link}")
    return reply.status, reply.code


def test_only_what_is_sent_changes(shop: Shop) -> None:
    customer = shop.add_customer()
    reply = change(shop.owner, customer, name="Blue Door & Co", kind="b2c")
    assert reply.status == 200
    assert reply.json == {**customer, "name": "Blue Door & Co", "kind": "b2c", "etag": '"2"'}
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json == reply.json
    assert [each["name"] for each in shop.owner.get("/v1/customers", q="co").json["items"]] == ["Blue Door & Co"]


def test_a_new_address_kills_the_link_and_resending_brings_a_new_one(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"].replace('"', '\\"')
    reply = send_event("customers/update_customer.new_address", TOKEN=shop.owner.token, CUSTOMER_ID=customer["id"], ETAG=etag)
    assert (reply.status, reply.json["email"]) == (200, "office@bluedoor.test")
    assert (reply.json["invitation"]["state"], reply.json["invitation"]["delivery"]) == ("pending", "none")
    assert link_code(shop, link) == (410, "invitation_replaced")
    accepted = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"name": "Eve", "password": PASSWORD})
    assert (accepted.status, accepted.code) == (410, "invitation_replaced")
    # Then the mail that was still waiting goes to nobody, and the new one to the new address
    assert deliver() == []
    invitation_id = reply.json["invitation"]["id"]
    late = shop.owner.get(f"/v1/invitations/{invitation_id}").json
    assert (late["email"], late["link"].rpartition("/")[2] == link) == ("office@bluedoor.test", False)
    assert link_code(shop, late["link"].rpartition("/")[2]) == (200, None)


def test_the_same_address_in_another_letter_case_keeps_the_link(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    assert change(shop.owner, customer, email="BUYER@BlueDoor.test").status == 200
    assert link_code(shop, link) == (200, None)


def test_an_address_cannot_be_taken_away_while_somebody_is_invited_by_it(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.invite(customer["id"])
    before = stored()
    reply = change(shop.owner, customer, email=None)
    assert (reply.status, reply.code) == (409, "invitation_pending")
    assert stored() == before
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    assert change(shop.owner, customer, email=None).json["email"] is None


def test_an_address_that_was_given_up_is_free_and_one_in_use_is_not(shop: Shop) -> None:
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", "buyer@greengate.test")
    before = stored()
    reply = change(shop.owner, green, email="Buyer@BlueDoor.test")
    assert (reply.status, reply.code) == (409, "email_taken")
    assert stored() == before
    assert change(shop.owner, blue, email="office@bluedoor.test").status == 200
    assert change(shop.owner, green, email="Buyer@BlueDoor.test").status == 200


def test_a_change_needs_the_version_that_is_there(shop: Shop) -> None:
    path, before = f"/v1/customers/{shop.add_customer()['id']}", stored()
    absent, stale = shop.owner.patch(path, {"name": "New"}), shop.owner.patch(path, {"name": "New"}, etag='"7"')
    assert [(absent.status, absent.code), (stale.status, stale.code)] == [(428, "precondition_required"), (412, "stale")]
    assert stored() == before


def test_of_two_changes_at_once_one_is_told_to_read_again(shop: Shop) -> None:
    customer = shop.add_customer()
    path = f"/v1/customers/{customer['id']}"
    with meanwhile("TransactWriteItems", lambda: shop.owner.patch(path, {"name": "First"}, etag='"1"')):
        second = shop.owner.patch(path, {"name": "Second"}, etag='"1"')
    assert (second.status, second.code) == (412, "stale")
    assert shop.owner.get(path).json["name"] == "First"


def test_addresses_sent_with_their_id_keep_it_and_the_others_get_one(shop: Shop) -> None:
    customer = shop.add_customer()
    (first,) = customer["addresses"]
    second = {**ADDRESS, "street": "Mill Lane 1", "default_shipping": True}
    reply = change(shop.owner, customer, addresses=[{**first, "default_shipping": False}, second])
    assert reply.status == 200, reply.text
    billing, shipping = reply.json["addresses"]
    assert (billing["id"], billing["default_billing"], billing["default_shipping"]) == (first["id"], True, False)
    assert (shipping["id"] != first["id"], shipping["default_shipping"]) == (True, True)
    foreign = change(shop.owner, customer, addresses=[{**ADDRESS, "id": "nothing"}])
    assert (foreign.status, foreign.json["errors"][0]["pointer"]) == (422, "/addresses/0/id")


def test_a_customer_that_moves_to_another_group_is_counted_there(shop: Shop) -> None:
    customer = shop.add_customer()
    other = shop.owner.post("/v1/customer-groups", {"name": "Importers", "price_tier_id": shop.tier_id}).json["id"]
    assert change(shop.owner, customer, group_id=other, price_tier_id=shop.tier_id).status == 200
    assert {group["id"]: group["tally"] for group in stored("customer_group")} == {shop.group_id: 0, other: 1}
    assert change(shop.owner, customer, price_tier_id=None).json["price_tier_id"] is None
    assert [tier["tally"] for tier in stored("price_tier")] == [2]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"group_id": None}, "/group_id"),
        ({"group_id": "nothing"}, "/group_id"),
        ({"group_id": ""}, "/group_id"),
        ({"addresses": None}, "/addresses"),
        ({"kind": None}, "/kind"),
        ({"active": None}, "/active"),
        ({"active": "no"}, "/active"),
        ({"email": "x@y.test\nCc: z@y.test"}, "/email"),
        ({"number": "C-1"}, "/number"),
        ({"invitation": None}, "/invitation"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_nothing_changes(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    customer = shop.add_customer()
    before = stored()
    reply = change(shop.owner, customer, **fields)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored() == before


def test_a_buyer_changes_its_companys_name_and_addresses_and_nothing_else(shop: Shop) -> None:
    own = shop.add_customer()
    other = shop.add_customer("Green Gate", "buyer@greengate.test")
    buyer = shop.join(own)
    assert change(buyer, own, name="Blue Door Ltd", addresses=[{**ADDRESS, "city": "Kiel"}]).status == 200
    rival = open_shop(shop.owner.as_(None), "rival").owner
    before = stored()
    for field, value in {"kind": "b2c", "active": False, "email": "new@bluedoor.test", "group_id": shop.group_id}.items():
        reply = change(buyer, own, **{field: value})
        assert (reply.status, reply.code) == (403, "field_not_yours"), field
    missing = buyer.patch("/v1/customers/nothing", {"name": "Mine"}, etag='"1"')
    for client in (buyer, rival):
        reply = client.patch(f"/v1/customers/{other['id']}", {"name": "Mine"}, etag='"1"')
        assert (reply.status, reply.text) == (404, missing.text)
    assert stored() == before


def test_the_address_of_one_who_accepted_is_not_removed_before_access_is_revoked(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    path = f"/v1/customers/{customer['id']}"
    before = stored()
    refused = shop.owner.patch(path, {"email": None}, etag=shop.owner.get(path).json["etag"])
    assert (refused.status, refused.code) == (409, "invitation_accepted")
    assert stored() == before
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    assert shop.owner.patch(path, {"email": None}, etag=shop.owner.get(path).json["etag"]).json["email"] is None


OWNERS = {"kind": "b2c", "active": False, "price_tier_id": None, "allows_acting": True, "tags": ["VIP"]}


def test_a_sales_rep_changes_what_is_its_to_change_and_nothing_else(shop: Shop) -> None:
    own, other = shop.add_customer(), shop.add_customer("Green Gate", None)
    rhea, sven = hire(shop, "Rhea"), hire(shop, "Sven", access="all", supervisor=True)
    allocate(shop, own, rhea)
    group = shop.owner.post("/v1/customer-groups", {"name": "Importers", "price_tier_id": shop.tier_id}).json["id"]
    for fields in (
        {"name": "Blue Door Ltd"},
        {"contact_name": "Ida"},
        {"email": "office@bluedoor.test"},
        {"addresses": [{**ADDRESS, "city": "Kiel"}]},
        {"group_id": group},
    ):
        assert change(rhea.client, own, **fields).status == 200, fields
    before = stored()
    for name, value in OWNERS.items():
        for client in (rhea.client, sven.client):
            reply = change(client, own, **{name: value}, contact_name="Eve")
            assert (reply.status, reply.code, name in reply.json["detail"]) == (403, "field_not_yours", True), name
    reply = change(rhea.client, own, account_manager_id=None)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/account_manager_id")
    hidden = rhea.client.patch(f"/v1/customers/{other['id']}", {"name": "Mine"}, etag='"1"')
    assert (hidden.status, hidden.text) == (404, rhea.client.patch("/v1/customers/nothing", {"name": "Mine"}, etag='"1"').text)
    assert stored() == before
    assert [each["name"] for each in rhea.client.get("/v1/customers", q="kiel ltd").json["items"]] == ["Blue Door Ltd"]


def test_the_owner_tags_a_customer_which_never_sees_it(shop: Shop) -> None:
    own = shop.add_customer()
    buyer, rhea = shop.join(own), hire(shop)
    allocate(shop, own, rhea)
    path = f"/v1/customers/{own['id']}"
    assert change(shop.owner, own, tags=["VIP", " pays late "]).json["tags"] == ["VIP", "pays late"]
    assert (
        rhea.client.get(path).json["tags"] == shop.owner.get("/v1/customers").json["items"][0]["tags"] == ["VIP", "pays late"]
    )
    seen = [buyer.get(path), buyer.get("/v1/me"), change(buyer, own, contact_name="Ida")]
    assert [reply.status for reply in seen] == [200, 200, 200]
    assert not any("VIP" in reply.text for reply in seen)
    before = stored()
    assert change(buyer, own, tags=[]).status == 403
    for tags, place in ((None, "/tags"), (["VIP", "vip"], "/tags"), (["x" * 41], "/tags/0"), ([""], "/tags/0")):
        reply = change(shop.owner, own, tags=tags)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, place)
    assert change(shop.owner, own, tags=[f"tag {number}" for number in range(21)]).status == 422
    assert stored() == before
    assert change(shop.owner, own, tags=[]).json["tags"] == []


def test_only_the_customers_administrators_consent_to_being_acted_for(shop: Shop) -> None:
    own = shop.add_customer()
    administrator, rhea = shop.join(own), hire(shop)
    allocate(shop, own, rhea)
    assert administrator.get(f"/v1/customers/{own['id']}").json["allows_acting"] is False
    agreed = change(administrator, own, allows_acting=True)
    assert (agreed.status, agreed.json["allows_acting"]) == (200, True)
    assert change(administrator, own, allows_acting=None).json["errors"][0]["pointer"] == "/allows_acting"
    me = administrator.get("/v1/me").json["id"]
    act = {"customer_id": own["id"], "employee_id": me, "reason": "Asked by telephone", "minutes": 30}
    acting = shop.owner.as_(rhea.client.post("/v1/acting-sessions", act).json["token"])
    colleague = joined(shop, own, role="buyer")
    for client in (shop.owner, rhea.client, acting, colleague):
        reply = change(client, own, allows_acting=False)
        assert (reply.status, reply.code) == (403, "field_not_yours")
    assert change(acting, own, contact_name="Ida").status == 200
    assert change(administrator, own, allows_acting=False).json["allows_acting"] is False


def joined(shop: Shop, customer: dict[str, Any], *, role: str) -> Client:
    """Let a colleague join a customer."""
    body = {"name": "Uma", "email": "uma@bluedoor.test", "role": role, "send_invitation": True}
    employee = shop.owner.post(f"/v1/customers/{customer['id']}/employees", body).json
    link = shop.owner.get(f"/v1/invitations/{employee['invitation']['id']}").json["link"].rpartition("/i/")[2]
    reply = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"name": "Uma", "password": PASSWORD})
    return shop.owner.as_(reply.json["token"])


def test_the_figures_follow_a_customer_that_is_made_inactive_even_if_it_orders_just_then(shop: Shop) -> None:
    market, sven = open_market(shop), hire(shop, "Sven", access="all")
    market.place()

    def seen(client: Client) -> int:
        return int(client.get("/v1/statistics").json["revenue"]["amount"])

    assert seen(sven.client) == seen(shop.owner) > 0
    with meanwhile("TransactWriteItems", market.place), counted_calls() as calls:
        assert change(shop.owner, market.customer, active=False).status == 200
    assert calls.count("Query") == 2
    assert (seen(sven.client), seen(shop.owner)) == (0, sum(each["total"]["amount"] for each in stored("order")))
    assert change(shop.owner, market.customer, active=True).status == 200
    assert seen(sven.client) == seen(shop.owner)


def test_customers_that_are_switched_off_are_counted_and_others_are_not(shop: Shop) -> None:
    customer = shop.add_customer()

    def switched_off() -> int:
        (store,) = stored("store")
        return int(store["deactivations"])

    for fields, count in (({"active": False}, 1), ({"active": False}, 1), ({"name": "Red Door"}, 1), ({"active": True}, 1)):
        assert change(shop.owner, customer, **fields).status == 200
        assert switched_off() == count
    assert change(shop.owner, customer, active=False).status == 200
    assert switched_off() == 2


def test_a_renamed_customer_has_left_nobodys_scope(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    allocate(shop, customer, rhea)
    assert change(shop.owner, customer, name="Red Door").status == 200
    assert {each["departures"] for each in stored("member")} == {0}
    allocate(shop, customer, None)
    assert {each["id"]: each["departures"] for each in stored("member")}[rhea.id] == 1
