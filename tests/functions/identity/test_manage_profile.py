"""One's own profile: who one is in this store, and what one may do there."""

from typing import Any

import pytest

from tests.support.ordering import send_event
from tests.support.reps import hire
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop, open_shop


def test_an_owner_and_a_buyer_see_who_they_are_and_what_they_may(shop: Shop) -> None:
    customer = shop.add_customer()
    owner, buyer = shop.owner.get("/v1/me").json, shop.join(customer).get("/v1/me").json
    assert (owner["role"], owner["customer_id"], owner["store"]["slug"], owner["acting"]) == ("owner", None, "acme", None)
    assert (buyer["role"], buyer["customer_id"], buyer["employee_role"]) == ("buyer", customer["id"], "admin")
    assert "store:manage" in owner["permissions"]
    assert "store:manage" not in buyer["permissions"]
    assert {"orders:place", "employees:manage"} <= set(buyer["permissions"])
    assert buyer["activity_consent"] is False


def test_details_are_changed_here_and_in_no_other_store(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival", email="ola@acme.test")
    reply = send_event("identity/manage_profile.renamed", TOKEN=shop.owner.token, ETAG='\\"1\\"')
    assert reply.status == 200
    assert (reply.json["name"], reply.json["phone"], reply.json["landing"]) == ("Ola Hansen", "+47 22 00 00 00", "orders")
    assert (reply.json["etag"], reply.headers["etag"]) == ('"2"', '"2"')
    assert shop.owner.get("/v1/me").json == reply.json
    assert rival.owner.get("/v1/me").json["name"] == "Ola Nordmann"
    assert [account["name"] for account in stored("account")] == ["Ola Nordmann"]
    assert [line["details"] for line in stored("audit") if line["action"] == "member:updated"] == [
        {"fields": ["landing", "name", "phone"]}
    ]


def test_null_takes_back_a_telephone_number_and_a_landing_page(shop: Shop) -> None:
    shop.owner.patch("/v1/me", {"phone": "1", "landing": "orders"}, etag='"1"')
    reply = shop.owner.patch("/v1/me", {"phone": None, "landing": None}, etag='"2"')
    assert (reply.json["phone"], reply.json["landing_override"], reply.json["landing"]) == (None, None, "dashboard")


def test_a_rep_lands_where_the_store_says_unless_it_says_otherwise(shop: Shop) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"default_landing": "customers"}, etag=etag).status == 200
    rhea = hire(shop)
    assert rhea.client.get("/v1/me").json["landing"] == "customers"
    body = {"email": rhea.email, "password": PASSWORD, "store": "acme"}
    assert shop.owner.as_(None).post("/v1/sessions", body).json["landing"] == "customers"
    etag = rhea.client.get("/v1/me").json["etag"]
    changed = rhea.client.patch("/v1/me", {"landing": "statistics", "phone": "+49 40 99", "name": "Rhea Roth"}, etag=etag)
    assert (changed.status, changed.json["landing"], changed.json["name"]) == (200, "statistics", "Rhea Roth")
    assert shop.owner.as_(None).post("/v1/sessions", body).json["landing"] == "statistics"
    assert shop.owner.get("/v1/me").json["landing"] == "customers"
    (listed,) = shop.owner.get("/v1/sales-reps").json["items"]
    assert (listed["name"], listed["phone"], listed["access"]) == ("Rhea Roth", "+49 40 99", "allocated")


@pytest.mark.parametrize("change", [{"access": "all"}, {"supervisor": True}, {"override_limits": {"percent": 100}}])
def test_a_rep_gives_itself_no_rights(shop: Shop, change: dict[str, Any]) -> None:
    rhea = hire(shop)
    before = stored()
    reply = rhea.client.patch("/v1/me", change, etag=rhea.client.get("/v1/me").json["etag"])
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [f"/{next(iter(change))}"])
    assert stored() == before


def test_a_change_needs_the_version_that_is_there(shop: Shop) -> None:
    before = stored()
    absent = shop.owner.patch("/v1/me", {"name": "New"})
    stale = shop.owner.patch("/v1/me", {"name": "New"}, etag='"7"')
    nonsense = shop.owner.patch("/v1/me", {"name": "New"}, etag="yesterday's")
    assert [(reply.status, reply.code) for reply in (absent, stale, nonsense)] == [
        (428, "precondition_required"),
        (412, "stale"),
        (412, "stale"),
    ]
    assert stored() == before


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": " "}, "/name"),
        ({"phone": "1\x00"}, "/phone"),
        ({"email": "other@acme.test"}, "/email"),
        ({"role": "owner"}, "/role"),
        ({"customer_id": "x"}, "/customer_id"),
    ],
)
def test_what_nobody_may_change_of_itself_is_refused(shop: Shop, change: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = shop.owner.patch("/v1/me", change, etag='"1"')
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored() == before


def test_an_unchanged_profile_need_not_be_sent_again(shop: Shop) -> None:
    reply = shop.owner.get("/v1/me", headers={"If-None-Match": '"1"'})
    assert (reply.status, reply.text) == (304, "")


def test_without_a_credential_there_is_no_profile(shop: Shop) -> None:
    reply = shop.owner.as_(None).get("/v1/me")
    assert (reply.status, reply.code, reply.headers["content-type"]) == (
        401,
        "credentials_required",
        "application/problem+json",
    )
