"""Ways to ship and to pay."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop

PARCEL = {"name": "Parcel", "cost": euros(590)}
INVOICE = {"name": "Invoice", "kind": "net_terms"}
OPTIONS = {"shipping_methods": [PARCEL], "payment_methods": [INVOICE]}
PATH = "/v1/checkout-options"


def test_a_new_store_offers_nothing_at_version_zero(shop: Shop) -> None:
    reply = shop.owner.get(PATH)
    assert reply.json == {"shipping_methods": [], "payment_methods": [], "etag": '"0"'}
    assert reply.headers["etag"] == '"0"'


def test_the_first_options_need_no_version_and_get_ids(shop: Shop) -> None:
    reply = send_event("stores/manage_checkout_options.first_set", TOKEN=shop.owner.token)
    assert (reply.status, reply.headers["etag"]) == (200, '"1"')
    methods = reply.json["shipping_methods"] + reply.json["payment_methods"]
    assert [method["name"] for method in methods] == ["Parcel", "Pick up", "Card", "Invoice, 30 days"]
    assert len({method["id"] for method in methods}) == 4
    assert shop.owner.get(PATH).json == reply.json
    assert stored("checkout_options")[0]["shipping_methods"] == reply.json["shipping_methods"]


@pytest.mark.parametrize("headers", [{"If-Match": '"0"'}, {"If-None-Match": "*"}, {"If-Match": "*"}])
def test_the_first_options_may_say_that_there_are_none(shop: Shop, headers: dict[str, str]) -> None:
    assert shop.owner.put(PATH, OPTIONS, headers=headers).status == 200


def test_later_options_need_the_present_version(shop: Shop) -> None:
    shop.owner.put(PATH, OPTIONS)
    before = stored()
    assert shop.owner.put(PATH, OPTIONS).code == "precondition_required"
    for headers in (
        {"If-Match": '"0"'},
        {"If-None-Match": "*"},
        {"If-Match": "x"},
        {"If-Match": '"1"', "If-None-Match": "*"},
    ):
        assert shop.owner.put(PATH, OPTIONS, headers=headers).code == "stale", headers
    assert stored() == before


def test_a_first_put_that_expects_some_options_is_stale(shop: Shop) -> None:
    assert shop.owner.put(PATH, OPTIONS, etag='"1"').status == 412
    assert stored("checkout_options") == []


def test_methods_sent_with_their_id_keep_it_and_those_left_out_are_gone(shop: Shop) -> None:
    first = shop.owner.put(PATH, OPTIONS).json
    parcel = {**first["shipping_methods"][0], "name": "Parcel post", "cost": euros(690)}
    body = {"shipping_methods": [{"name": "Pallet", "cost": euros(0)}, parcel], "payment_methods": []}
    second = shop.owner.put(PATH, body, etag='"1"').json
    assert second["shipping_methods"][1] == parcel
    assert second["shipping_methods"][0]["id"] not in {parcel["id"], None}
    assert second["payment_methods"] == []
    gone = {"shipping_methods": [], "payment_methods": first["payment_methods"]}
    assert shop.owner.put(PATH, gone, etag='"2"').code == "unknown_method"


def shipping(*methods: Any) -> dict[str, Any]:
    """Return options with these ways to ship."""
    return {"shipping_methods": list(methods), "payment_methods": []}


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "/shipping_methods"),
    ({"shipping_methods": []}, "/payment_methods"),
    (shipping({**PARCEL, "id": "made-up"}), "/shipping_methods/0/id"),
    (shipping(PARCEL, {"name": "PARCEL", "cost": euros(1)}), "/shipping_methods/1/name"),
    (shipping({"name": "Parcel"}), "/shipping_methods/0/cost"),
    (shipping({**PARCEL, "cost": euros(-1)}), "/shipping_methods/0/cost/amount"),
    (shipping({**PARCEL, "cost": {"amount": 5.9, "currency": "EUR"}}), "/shipping_methods/0/cost/amount"),
    (shipping({**PARCEL, "cost": {"amount": 590, "currency": "USD"}}), "/shipping_methods/0/cost/currency"),
    (shipping({**PARCEL, "kind": "instant"}), "/shipping_methods/0/kind"),
    (shipping(*({"name": f"Way {index}", "cost": euros(1)} for index in range(21))), "/shipping_methods"),
    ({**shipping(), "payment_methods": [{"name": "Card", "kind": "credit"}]}, "/payment_methods/0/kind"),
    ({**shipping(), "payment_methods": [INVOICE, INVOICE]}, "/payment_methods/1/name"),
]


def test_bad_options_are_named_and_change_nothing(shop: Shop) -> None:
    before = stored()
    for body, pointer in BAD_OPTIONS:
        reply = shop.owner.put(PATH, body)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer), body
    assert stored() == before


def test_one_method_cannot_be_listed_twice_by_id(shop: Shop) -> None:
    method = shop.owner.put(PATH, OPTIONS).json["shipping_methods"][0]
    reply = shop.owner.put(PATH, shipping(method, {**method, "name": "Other"}), etag='"1"')
    assert (reply.code, reply.json["errors"][0]["pointer"]) == ("duplicate_method", "/shipping_methods/1/id")


def test_twenty_of_each_are_taken(shop: Shop) -> None:
    ways = [{"name": f"Way {index}", "cost": euros(1)} for index in range(20)]
    assert shop.owner.put(PATH, shipping(*ways)).status == 200


def test_a_buyer_reads_and_does_not_write(shop: Shop) -> None:
    options = shop.set_checkout_options()
    buyer = shop.join(shop.add_customer())
    before = stored()
    assert buyer.get(PATH).json == options
    assert buyer.put(PATH, OPTIONS, etag='"1"').status == 403
    assert shop.owner.as_(None).get(PATH).status == 401
    assert stored() == before


def test_each_store_has_its_own(shop: Shop, api: Client) -> None:
    shop.set_checkout_options()
    other = open_shop(api, "other")
    assert other.owner.get(PATH).json["etag"] == '"0"'


def test_reading_is_one_call_and_writing_two(shop: Shop) -> None:
    with counted_calls() as calls:
        shop.owner.get(PATH)
        shop.owner.put(PATH, OPTIONS)
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    assert [line["target"] for line in stored("audit") if line["action"] == "checkout_options:replaced"] == ["acme"]
