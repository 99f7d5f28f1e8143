"""The store's settings."""

import json
import os
from typing import Any

import botocore.session

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.reps import hire
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop


def test_settings_that_are_sent_change_and_all_others_stay(shop: Shop) -> None:
    before = shop.owner.get("/v1/store").json
    reply = send_event("stores/manage_store.guests_let_in", TOKEN=shop.owner.token, PRICE_TIER=shop.tier_id)
    assert reply.status == 200
    branding = {**before["branding"], "display_name": "Acme Wholesale", "colour": "#0b5d3b"}
    guests = {"enabled": True, "price_tier_id": shop.tier_id}
    assert reply.json == {**before, "guest_access": guests, "branding": branding, "etag": '"2"'}
    assert shop.owner.get("/v1/store").json == reply.json
    (store,) = stored("store")
    assert (store["branding"], store["version"]) == (branding, 2)


EVERYTHING: dict[str, Any] = {
    "name": "Acme & Søn",
    "time_zone": "America/St_Johns",
    "active": False,
    "auto_approve_resellers": True,
    "track_activity": True,
    "activity_days": 90,
    "activity_erasure_days": 7,
    "branding": {
        "display_name": "Søn",
        "logo_url": "https://acme.test/logo.svg",
        "colour": "#ABCDEF",
        "reply_to": "sales@acme.test",
    },
    "default_landing": "orders",
    "invitation_days": 3,
    "offer_days": 365,
    "override_limits": {"percent": 15, "floor": euros(100)},
    "acting_needs_consent": True,
    "domain": "portal.acme.test",
}


def test_every_setting_of_the_contract_can_be_changed(shop: Shop) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Shops"}).json["id"]
    reply = shop.owner.patch("/v1/store", {**EVERYTHING, "default_channel_id": channel}, etag='"1"')
    assert reply.status == 200, reply.text
    assert {name: reply.json[name] for name in EVERYTHING} == EVERYTHING
    assert reply.json["default_channel_id"] == channel
    assert (reply.json["slug"], reply.json["currency"]) == ("acme", "EUR")


def test_null_empties_what_may_be_empty_within_nested_settings_too(shop: Shop) -> None:
    shop.owner.patch("/v1/store", EVERYTHING, etag='"1"')
    change = {"domain": None, "branding": {"logo_url": None}, "override_limits": {"floor": None}}
    changed = shop.owner.patch("/v1/store", change, etag='"2"').json
    assert changed["domain"] is None
    assert changed["branding"] == {**EVERYTHING["branding"], "logo_url": None}
    assert changed["override_limits"] == {"percent": 15, "floor": None}


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"slug": "new"}, "/slug"),
    ({"currency": "USD"}, "/currency"),
    ({"group_tiers": {}}, "/group_tiers"),
    ({"name": None}, "/name"),
    ({"name": ""}, "/name"),
    ({"active": None}, "/active"),
    ({"active": "yes"}, "/active"),
    ({"time_zone": "Mars/Olympus"}, "/time_zone"),
    ({"time_zone": "../../etc/passwd"}, "/time_zone"),
    ({"guest_access": None}, "/guest_access"),
    ({"guest_access": {"enabled": True}}, "/guest_access/price_tier_id"),
    ({"guest_access": {"price_tier_id": "unknown"}}, "/guest_access/price_tier_id"),
    ({"guest_access": {"price_tier_id": "x" * 2000}}, "/guest_access/price_tier_id"),
    ({"default_channel_id": "unknown"}, "/default_channel_id"),
    ({"branding": {"colour": "red"}}, "/branding/colour"),
    ({"branding": {"colour": None}}, "/branding/colour"),
    ({"branding": {"logo_url": "http://acme.test/logo.svg"}}, "/branding/logo_url"),
    ({"branding": {"logo_url": "javascript:alert(1)"}}, "/branding/logo_url"),
    ({"branding": {"logo_url": "https://acme.test/" + "x" * 500}}, "/branding/logo_url"),
    ({"branding": {"reply_to": "a@b.test\r\nBcc: x@y.test"}}, "/branding/reply_to"),
    ({"branding": {"display_name": "a\nb"}}, "/branding/display_name"),
    ({"invitation_days": 0}, "/invitation_days"),
    ({"invitation_days": "14"}, "/invitation_days"),
    ({"invitation_days": True}, "/invitation_days"),
    ({"offer_days": 366}, "/offer_days"),
    ({"activity_days": 0}, "/activity_days"),
    ({"activity_days": 3651}, "/activity_days"),
    ({"activity_days": None}, "/activity_days"),
    ({"activity_erasure_days": -1}, "/activity_erasure_days"),
    ({"activity_erasure_days": 31}, "/activity_erasure_days"),
    ({"activity_erasure_days": "7"}, "/activity_erasure_days"),
    ({"override_limits": {"percent": 101}}, "/override_limits/percent"),
    ({"override_limits": {"floor": {"amount": 100, "currency": "USD"}}}, "/override_limits/floor/currency"),
    ({"override_limits": {"floor": euros(-1)}}, "/override_limits/floor/amount"),
    ({"acting_needs_consent": None}, "/acting_needs_consent"),
    ({"acting_needs_consent": 1}, "/acting_needs_consent"),
    ({"domain": "not a domain"}, "/domain"),
]


def _name(**named: Any) -> None:
    """Let the operator name accounts in Stripe's secret."""
    secret = {"secret_key": "sk_test_tradepost", "webhook_secret": "whsec_tradepost", **named}
    client: Any = botocore.session.get_session().create_client("secretsmanager")
    client.put_secret_value(SecretId=os.environ["STRIPE_SECRET_ID"], SecretString=json.dumps(secret))


def test_only_the_account_that_the_operator_named_for_the_store_is_taken(shop: Shop, api: Client) -> None:
    def choose(by: Shop, **change: Any) -> Any:
        return by.owner.patch("/v1/store", change, etag=by.owner.get("/v1/store").json["etag"])

    other = open_shop(api, "other")
    _name(accounts={"acme": "acct_1Acme", "rival": "acct_1Rival"})
    before = stored("store")
    for by, account in ((shop, "acct_1Rival"), (shop, None), (other, "acct_1Acme"), (other, None)):
        reply = choose(by, payment_provider="stripe", stripe_account=account)
        assert (reply.status, reply.code) == (409, "stripe_account_not_allowed"), account
        assert reply.json["pointer"] == "/stripe_account"
    assert stored("store") == before
    assert choose(shop, payment_provider="stripe", stripe_account="acct_1Acme").status == 200
    # Neither is it exchanged afterwards, nor chosen before.
    assert choose(shop, stripe_account="acct_1Rival").code == "stripe_account_not_allowed"
    assert choose(shop, stripe_account=None).code == "stripe_account_not_allowed"
    assert choose(other, stripe_account="acct_1Acme").status == 200
    assert choose(other, payment_provider="stripe").code == "stripe_account_not_allowed"
    # What the operator says counts at once, and for what is chosen alone.
    _name(platform_account_stores=["other"])
    assert choose(other, payment_provider="stripe", stripe_account=None).status == 200
    assert choose(shop, payment_provider="stripe").code == "stripe_account_not_allowed"
    assert choose(shop, name="New").status == 200


def test_a_bad_setting_is_named_and_changes_nothing(shop: Shop) -> None:
    before = stored()
    for change, pointer in BAD_SETTINGS:
        reply = shop.owner.patch("/v1/store", change, etag='"1"')
        assert (reply.status, [error["pointer"] for error in reply.json["errors"]]) == (422, [pointer]), change
    assert stored() == before


def test_guests_cannot_be_left_without_a_tier(shop: Shop) -> None:
    shop.owner.patch("/v1/store", {"guest_access": {"enabled": True, "price_tier_id": shop.tier_id}}, etag='"1"')
    before = stored()
    reply = shop.owner.patch("/v1/store", {"guest_access": {"price_tier_id": None}}, etag='"2"')
    assert (reply.status, reply.code) == (422, "price_tier_required")
    assert stored() == before


def test_the_tier_of_guests_is_counted_as_used_once(shop: Shop) -> None:
    for version in (1, 2):
        change = {"guest_access": {"enabled": True, "price_tier_id": shop.tier_id}}
        assert shop.owner.patch("/v1/store", change, etag=f'"{version}"').status == 200
    assert stored("price_tier")[0]["tally"] == 2


def test_changing_settings_leaves_the_prices_of_groups_alone(shop: Shop) -> None:
    assert shop.owner.patch("/v1/store", {"name": "New"}, etag='"1"').status == 200
    assert stored("store")[0]["group_tiers"] == {shop.group_id: shop.tier_id}


def test_a_change_needs_the_present_version(shop: Shop) -> None:
    before = stored()
    assert shop.owner.patch("/v1/store", {"name": "New"}).status == 428
    assert shop.owner.patch("/v1/store", {"name": "New"}, etag='"2"').status == 412
    assert stored() == before


def test_a_tier_of_another_store_cannot_be_pointed_at(shop: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    before = stored()
    reply = other.owner.patch("/v1/store", {"guest_access": {"price_tier_id": shop.tier_id}}, etag='"1"')
    assert (reply.status, reply.code) == (422, "unknown_price_tier")
    assert stored() == before


def test_a_buyer_neither_sees_nor_changes_settings(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    before = stored()
    assert buyer.get("/v1/store").status == 403
    assert buyer.patch("/v1/store", {"name": "Mine"}, etag='"1"').status == 403
    assert stored() == before


def test_a_sales_rep_sees_the_public_part_and_changes_nothing(shop: Shop) -> None:
    rep = hire(shop, access="all", supervisor=True)
    shown = rep.client.get("/v1/store")
    assert shown.status == 200
    assert set(shown.json) == {"id", "slug", "name", "currency", "time_zone", "branding"}
    assert shown.json.items() <= shop.owner.get("/v1/store").json.items()
    before = stored()
    assert rep.client.patch("/v1/store", {"name": "Mine"}, etag='"1"').code == "forbidden"
    assert stored() == before


def test_a_store_that_is_switched_off_is_closed_to_all_but_its_staff(shop: Shop) -> None:
    buyer, rep = shop.join(shop.add_customer()), hire(shop)
    shop.owner.patch("/v1/store", {"active": False}, etag='"1"')
    assert buyer.get("/v1/products").code == "store_inactive"
    assert rep.client.get("/v1/products").status == 200
    assert shop.owner.patch("/v1/store", {"active": True}, etag='"2"').status == 200
    assert buyer.get("/v1/products").status == 200


def test_what_was_changed_is_on_record_and_costs_one_read_and_one_transaction(shop: Shop) -> None:
    with counted_calls() as calls:
        shop.owner.patch("/v1/store", {"name": "New", "offer_days": 9}, etag='"1"')
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    (line,) = [line for line in stored("audit") if line["action"] == "store:updated"]
    assert (line["target"], line["details"]) == ("acme", {"fields": ["name", "offer_days"]})
