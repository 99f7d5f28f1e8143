"""POST /v1/offers and its clone: a draft of a sales rep, or a customer's request that everybody concerned is told of."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.offering import Bargain, announced, product
from tests.support.ordering import send_event, stock
from tests.support.reps import allocate
from tests.support.table import counted_calls, stored
from tests.support.world import euros

HEADING = {"kind": "heading", "text": "Lamps"}
DOLLARS = {"amount": 100, "currency": "USD"}


def as_rep(bargain: Bargain, **fields: Any) -> Any:
    """Let the rep try to make an offer."""
    return bargain.rep.client.post("/v1/offers", {**bargain.body(product("A-1", 2)), **fields})


def priced(offer: dict[str, Any]) -> list[tuple[int, int, int, int, int]]:
    """Return what each product is listed and offered at, its discount, the net price and the total."""
    lines = [line for line in offer["lines"] if line["kind"] == "product"]
    names = ("list_price", "unit_price", "net_price", "total")
    prices = [[line[name]["amount"] for name in names] for line in lines]
    return [
        (listed, given, line["discount_percent"], net, total)
        for line, (listed, given, net, total) in zip(lines, prices, strict=True)
    ]


def test_a_rep_makes_a_draft_that_only_it_and_those_above_it_know_of(bargain: Bargain) -> None:
    customer = bargain.market.customer
    reply = send_event("offers/create_offer.by_sales_rep", TOKEN=bargain.rep.client.token, CUSTOMER=customer["id"])
    assert reply.status == 201, reply.text
    offer = reply.json
    rep = {"type": "member", "id": bargain.rep.id, "name": "Rhea"}
    assert (offer["status"], offer["version"], offer["owner"], offer["customer_name"]) == ("draft", 1, rep, "Blue Door")
    assert [line["kind"] for line in offer["lines"]] == ["heading", "product", "product", "subtotal", "text"]
    assert len({line["id"] for line in offer["lines"]}) == 5
    assert priced(offer) == [(1250, 1250, 4, 1200, 2400), (99, 99, 0, 99, 297)]
    assert offer["lines"][3]["total"] == euros(2697)
    assert (offer["totals"]["subtotal"], offer["totals"]["total"]) == (euros(2697), euros(2697 + 590))
    assert offer["header_text"] == "Dear Ida,\nas we said."
    assert (offer["mail_to"], offer["mail_cc"]) == ([customer["email"]], [])
    assert (offer["shipping_method_name"], offer["payment_method_name"]) == ("Parcel", "Invoice, 30 days")
    assert offer["allowed_transitions"] == ["send", "withdraw"]
    assert reply.headers["etag"] == offer["etag"]
    # It is stored and noted, and nobody is told.
    (kept,) = stored("offer")
    assert (kept["status"], kept["owner"], kept["valid_until"]) == ("draft", rep, offer["valid_until"])
    (noted,) = [entry for entry in stored("audit") if entry["target"] == offer["id"]]
    assert (noted["action"], noted["actor"]) == ("offer:created", rep)
    assert announced() == []
    for client, status in (
        (bargain.market.owner, 200),
        (bargain.team.supervisor.client, 200),
        (bargain.team.everywhere.client, 404),
        (bargain.team.outsider.client, 404),
        (bargain.buyer, 404),
        (bargain.market.other_buyer, 404),
    ):
        assert client.get(f"/v1/offers/{offer['id']}").status == status


def test_making_an_offer_takes_one_read_and_one_write_however_many_lines_it_has(bargain: Bargain) -> None:
    lines = [product(number, 2) for number in stock("acme", bargain.market.shop.tier_id, 80)]
    with counted_calls() as calls:
        offer = bargain.make(*lines)
    assert (len(offer["lines"]), calls) == (80, ["BatchGetItem", "TransactWriteItems"])
    reply = as_rep(bargain, lines=[*lines, HEADING])
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/lines")
    assert len(stored("offer")) == 1


def test_a_retry_makes_no_second_offer(bargain: Bargain) -> None:
    first = bargain.rep.client.post("/v1/offers", bargain.body(), key="once")
    again = bargain.rep.client.post("/v1/offers", bargain.body(), key="once")
    assert (first.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert len(stored("offer")) == 1
    assert bargain.rep.client.post("/v1/offers", bargain.body(), key=None).code == "idempotency_key_required"
    assert bargain.rep.client.post("/v1/offers", bargain.body(product("B-2")), key="once").code == "idempotency_key_reused"
    assert len(stored("offer")) == 1


# Lines


WRONG_LINES: list[tuple[Any, str, list[str]]] = [
    ({"kind": "product", "quantity": 1}, "invalid", ["/lines/1/product_number"]),
    ({"product_number": "A-1"}, "invalid", ["/lines/1/quantity"]),
    ({"kind": "product"}, "invalid", ["/lines/1/product_number", "/lines/1/quantity"]),
    (product("A-1", 0), "invalid", ["/lines/1/quantity"]),
    (product("A-1", -1), "invalid", ["/lines/1/quantity"]),
    (product("A-1", 1_000_001), "invalid", ["/lines/1/quantity"]),
    ({**product("A-1"), "quantity": 1.5}, "invalid", ["/lines/1/quantity"]),
    ({**product("A-1"), "quantity": "1"}, "invalid", ["/lines/1/quantity"]),
    (product("NOPE"), "unknown_product", ["/lines/1/product_number"]),
    (product("#"), "invalid", ["/lines/1/product_number"]),
    (product("x" * 101), "invalid", ["/lines/1/product_number"]),
    (product("A-1", discount_percent=101), "invalid", ["/lines/1/discount_percent"]),
    (product("A-1", discount_percent=-1), "invalid", ["/lines/1/discount_percent"]),
    (product("A-1", discount_percent=2.5), "invalid", ["/lines/1/discount_percent"]),
    (product("A-1", unit_price=euros(-1)), "invalid", ["/lines/1/unit_price/amount"]),
    (product("A-1", unit_price=DOLLARS), "wrong_currency", ["/lines/1/unit_price/currency"]),
    (product("A-1", unit_price={"amount": 1.5, "currency": "EUR"}), "invalid", ["/lines/1/unit_price/amount"]),
    (product("A-1", unit_price=1), "invalid", ["/lines/1/unit_price"]),
    (product("A-1", reason="x" * 201), "invalid", ["/lines/1/reason"]),
    (product("A-1", text="x" * 4001), "invalid", ["/lines/1/text"]),
    (product("A-1", selected=False), "invalid", ["/lines/1/selected"]),
    (product("A-1", optional="yes"), "invalid", ["/lines/1/optional"]),
    (product("A-1", optional=1), "invalid", ["/lines/1/optional"]),
    (product("A-1", 1_000_000, unit_price=euros(10**12)), "total_too_large", ["/lines/1/quantity"]),
    (product("A-1", id="L1"), "unknown_line", ["/lines/1/id"]),
    (product("A-1", id="x" * 21), "invalid", ["/lines/1/id"]),
    (product("A-1", total=euros(1)), "invalid", ["/lines/1/total"]),
    ({"kind": "text"}, "invalid", ["/lines/1/text"]),
    ({"kind": "text", "text": " "}, "invalid", ["/lines/1/text"]),
    ({"kind": "text", "text": "bell\x07"}, "invalid", ["/lines/1/text"]),
    ({"kind": "heading"}, "invalid", ["/lines/1/text"]),
    ({"kind": "heading", "text": "x" * 4001}, "invalid", ["/lines/1/text"]),
    ({"kind": "discount"}, "invalid", ["/lines/1/kind"]),
    ({**HEADING, "optional": True}, "invalid", ["/lines/1/optional"]),
    ({**HEADING, "selected": True}, "invalid", ["/lines/1/selected"]),
    ({**HEADING, "product_number": "A-1"}, "invalid", ["/lines/1/product_number"]),
    ({"kind": "subtotal", "quantity": 1}, "invalid", ["/lines/1/quantity"]),
    ({"kind": "text", "text": "x", "unit_price": euros(1)}, "invalid", ["/lines/1/unit_price"]),
    ({"kind": "text", "text": "x", "discount_percent": 0}, "invalid", ["/lines/1/discount_percent"]),
    ({"kind": "text", "text": "x", "reason": "x"}, "invalid", ["/lines/1/reason"]),
    ("A-1", "invalid", ["/lines/1"]),
    (None, "invalid", ["/lines/1"]),
]


def test_a_line_that_is_none_is_named_and_makes_no_offer(bargain: Bargain) -> None:
    before = stored()
    for line, code, pointers in WRONG_LINES:
        reply = as_rep(bargain, lines=[product("B-2", 1), line])
        named = [error["pointer"] for error in reply.json["errors"]]
        assert (line, reply.status, reply.code, named) == (line, 422, code, pointers)
    assert stored() == before


def test_every_line_that_is_wrong_is_named_at_once(bargain: Bargain) -> None:
    lines = [product("a-1"), product("A-1"), product("NOPE"), {"kind": "text"}, product("B-2", unit_price=DOLLARS)]
    reply = as_rep(bargain, lines=lines)
    assert (reply.status, reply.code) == (422, "duplicate_product")
    assert [error["pointer"] for error in reply.json["errors"]] == [
        "/lines/1/product_number",
        "/lines/2/product_number",
        "/lines/3/text",
        "/lines/4/unit_price/currency",
    ]


def test_an_offer_of_nothing_is_none(bargain: Bargain) -> None:
    nothing: list[Any] = [[], None, "A-1", {}, [[]]]
    for lines in nothing:
        assert as_rep(bargain, lines=lines).status == 422
    body = bargain.body()
    del body["lines"]
    assert bargain.rep.client.post("/v1/offers", body).json["errors"][0]["pointer"] == "/lines"
    assert stored("offer") == []


def test_words_that_fill_an_offer_beyond_what_can_be_kept_are_refused(bargain: Bargain) -> None:
    pages = [{"kind": "text", "text": "x" * 4000}] * 15
    reply = as_rep(bargain, lines=[product("A-1"), *pages])
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "offer_too_large", "/lines")
    assert stored("offer") == []


def test_products_that_are_inactive_or_of_another_store_are_not_offered(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", active=False)
    bargain.market.rival()
    for number in ("C-3", "Z-1"):
        reply = as_rep(bargain, lines=[product(number)])
        assert (reply.status, reply.code) == (422, "unknown_product")


PRICES: list[tuple[dict[str, Any], tuple[int, int, int, int, int]]] = [
    ({}, (1250, 1250, 0, 1250, 3750)),
    ({"discount_percent": 0}, (1250, 1250, 0, 1250, 3750)),
    ({"discount_percent": 3}, (1250, 1250, 3, 1213, 3639)),
    ({"discount_percent": 33}, (1250, 1250, 33, 838, 2514)),
    ({"discount_percent": 100}, (1250, 1250, 100, 0, 0)),
    ({"unit_price": euros(999), "discount_percent": 50}, (1250, 999, 50, 500, 1500)),
    ({"unit_price": euros(1)}, (1250, 1, 0, 1, 3)),
    ({"unit_price": euros(1), "discount_percent": 50}, (1250, 1, 50, 1, 3)),
    ({"unit_price": euros(1), "discount_percent": 51}, (1250, 1, 51, 0, 0)),
    ({"unit_price": euros(0)}, (1250, 0, 0, 0, 0)),
    ({"unit_price": euros(5000)}, (1250, 5000, 0, 5000, 15000)),
]


def test_a_line_is_its_net_price_times_its_quantity(bargain: Bargain) -> None:
    for fields, figures in PRICES:
        offer = bargain.make(product("A-1", 3, **fields))
        assert priced(offer) == [figures]
        assert offer["totals"]["total"] == euros(figures[-1] + 590)


def test_subtotals_add_up_the_chosen_lines_since_the_one_before(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", 7)
    offer = bargain.make(
        product("A-1", 1),
        {"kind": "subtotal"},
        product("B-2", 2, optional=True),
        product("C-3", 3, optional=True, selected=True),
        {"kind": "subtotal"},
        {"kind": "subtotal"},
    )
    assert [line["total"]["amount"] for line in offer["lines"] if line["kind"] == "subtotal"] == [1250, 21, 0]
    assert [line["selected"] for line in offer["lines"] if line["kind"] == "product"] == [True, False, True]
    assert offer["totals"]["subtotal"] == euros(1271)


def test_prices_are_those_of_the_customers_tier_and_what_has_none_is_not_offered(bargain: Bargain) -> None:
    owner, tier_id = bargain.market.owner, bargain.market.shop.tier_id
    friends = owner.post("/v1/price-tiers", {"name": "Friends"}).json["id"]
    etag = owner.get("/v1/products/A-1").json["etag"]
    prices = {tier_id: euros(1250), friends: euros(1000)}
    assert owner.put("/v1/products/A-1", {"name": "Lamp", "prices": prices}, etag=etag).status == 200
    assert priced(bargain.make(product("A-1"))) == [(1250, 1250, 0, 1250, 1250)]
    bargain.team.set_customer(price_tier_id=friends)
    assert priced(bargain.make(product("A-1"))) == [(1000, 1000, 0, 1000, 1000)]
    # A price of one's own makes no list price of what has none.
    for fields in ({}, {"unit_price": euros(50)}):
        reply = as_rep(bargain, lines=[product("A-1"), product("B-2", **fields)])
        assert (reply.status, reply.code) == (422, "not_priced")
        assert [error["pointer"] for error in reply.json["errors"]] == ["/lines/1/product_number"]
    assert bargain.buyer.post("/v1/offers", {"lines": [product("B-2")]}).code == "not_priced"


# What else an offer says


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"header_text": "x" * 4001}, "invalid", "/header_text"),
    ({"footer_text": 5}, "invalid", "/footer_text"),
    ({"message": "bell\x07"}, "invalid", "/message"),
    ({"shipping_method_id": "nothing"}, "unknown_shipping_method", "/shipping_method_id"),
    ({"shipping_method_id": "#"}, "invalid", "/shipping_method_id"),
    ({"payment_method_id": "nothing"}, "unknown_payment_method", "/payment_method_id"),
    ({"shipping_cost": DOLLARS}, "wrong_currency", "/shipping_cost/currency"),
    ({"shipping_cost": euros(-1)}, "invalid", "/shipping_cost/amount"),
    ({"shipping_reason": "Nice"}, "invalid", "/shipping_reason"),
    ({"shipping_cost": euros(1), "shipping_reason": "x" * 201}, "invalid", "/shipping_reason"),
    ({"valid_until": "2020-01-01"}, "validity_over", "/valid_until"),
    ({"valid_until": "9999-12-31"}, "invalid", "/valid_until"),
    ({"valid_until": "tomorrow"}, "invalid", "/valid_until"),
    ({"valid_until": 1}, "invalid", "/valid_until"),
    ({"valid_until": "2026-02-30"}, "invalid", "/valid_until"),
    ({"valid_days": 0}, "invalid", "/valid_days"),
    ({"valid_days": 3661}, "invalid", "/valid_days"),
    ({"valid_days": "3"}, "invalid", "/valid_days"),
    ({"valid_days": 3, "valid_until": "2030-01-01"}, "invalid", "/valid_days"),
    ({"mail_to": "nobody"}, "invalid", "/mail_to/0"),
    ({"mail_cc": ["ida@bluedoor.test", "@"]}, "invalid", "/mail_cc/1"),
    ({"mail_to": [f"p{number}@bluedoor.test" for number in range(11)]}, "invalid", "/mail_to"),
    ({"status": "open"}, "invalid", "/status"),
    ({"owner_id": "acme.x"}, "invalid", "/owner_id"),
    ({"customer_id": 5}, "invalid", "/customer_id"),
    ({"customer_id": "x" * 61}, "invalid", "/customer_id"),
    ({"customer_id": None}, "invalid", "/customer_id"),
]


def test_a_field_that_is_none_is_named_and_makes_no_offer(bargain: Bargain) -> None:
    before = stored()
    for fields, code, pointer in WRONG_FIELDS:
        reply = as_rep(bargain, **fields)
        named = [error["pointer"] for error in reply.json["errors"]]
        assert (fields, reply.status, reply.code, named) == (fields, 422, code, [pointer])
    assert stored() == before


@pytest.mark.parametrize(
    ("time_zone", "now", "fields", "last"),
    [
        ("Pacific/Auckland", datetime(2036, 11, 23, 10, 59, tzinfo=UTC), {}, "2036-12-23"),
        ("Pacific/Auckland", datetime(2036, 11, 23, 11, 0, tzinfo=UTC), {}, "2036-12-24"),
        ("Pacific/Honolulu", datetime(2036, 11, 23, 9, 59, tzinfo=UTC), {"valid_days": 1}, "2036-11-23"),
        ("Pacific/Honolulu", datetime(2036, 11, 23, 10, 0, tzinfo=UTC), {"valid_days": 1}, "2036-11-24"),
        ("Europe/Berlin", datetime(2036, 11, 23, 10, 0, tzinfo=UTC), {"valid_until": "2036-11-23"}, "2036-11-23"),
    ],
)
def test_the_last_day_is_counted_from_today_where_the_store_is(
    bargain: Bargain, time: Clock, time_zone: str, now: datetime, fields: dict[str, Any], last: str
) -> None:
    bargain.team.set_store(time_zone=time_zone, offer_days=30)
    time.at = now
    seller = bargain.login(bargain.rep)
    offer = bargain.make(by=seller, **fields)
    assert (offer["valid_until"], offer["expires_at"]) == (last, None)
    yesterday = date.fromordinal(date.fromisoformat(last).toordinal() - 1)
    if fields.get("valid_until"):
        late = seller.post("/v1/offers", bargain.body(valid_until=str(yesterday)))
        assert (late.status, late.code) == (422, "validity_over")


def test_an_offer_is_mailed_to_whom_its_maker_says_each_address_once(bargain: Bargain) -> None:
    several = ["Ida@BlueDoor.test", "ida@bluedoor.test", "uma@bluedoor.test"]
    offer = bargain.make(mail_to=several, mail_cc=["UMA@bluedoor.test", "boss@bluedoor.test"])
    assert (offer["mail_to"], offer["mail_cc"]) == (["Ida@bluedoor.test", "uma@bluedoor.test"], ["boss@bluedoor.test"])
    offer = bargain.make(mail_to="one@bluedoor.test")
    assert (offer["mail_to"], offer["mail_cc"]) == (["one@bluedoor.test"], [])
    assert bargain.make(mail_to=[])["mail_to"] == []
    nameless = bargain.market.shop.add_customer("No Mail", None)
    offer = bargain.make(by=bargain.market.owner, customer_id=nameless["id"])
    assert (offer["mail_to"], offer["mail_cc"]) == ([], [])


def test_shipping_costs_what_is_listed_or_what_the_maker_says_with_both_kept(bargain: Bargain) -> None:
    offer = bargain.make(shipping_cost=euros(100), shipping_reason="Same tour")
    costs = (offer["list_shipping_cost"], offer["shipping_cost"], offer["shipping_override_reason"])
    assert costs == (euros(590), euros(100), "Same tour")
    assert offer["totals"]["shipping_cost"] == euros(100)
    listed = bargain.make(shipping_cost=euros(590), shipping_reason="As listed")
    assert (listed["shipping_cost"], listed["shipping_override_reason"]) == (euros(590), None)


def test_a_store_without_a_way_to_ship_or_pay_drafts_offers_and_sends_none(bargain: Bargain) -> None:
    owner = bargain.market.owner
    etag = owner.get("/v1/checkout-options").json["etag"]
    assert owner.put("/v1/checkout-options", {"shipping_methods": [], "payment_methods": []}, etag=etag).status == 200
    offer = bargain.make()
    assert (offer["shipping_method_id"], offer["payment_method_id"], offer["shipping_cost"]) == (None, None, euros(0))
    reply = bargain.step(offer, "send")
    assert (reply.status, reply.code) == (422, "offer_incomplete")
    assert [error["pointer"] for error in reply.json["errors"]] == ["/shipping_method_id", "/payment_method_id"]


# For whom


def test_a_customer_out_of_scope_is_like_none_at_all(bargain: Bargain) -> None:
    team = bargain.team
    rival = bargain.market.rival()
    group_id = rival.get("/v1/customer-groups").json["items"][0]["id"]
    foreign = rival.post("/v1/customers", {"name": "Theirs", "group_id": group_id}).json["id"]
    before = stored("offer")
    nothing = as_rep(bargain, customer_id="01nothing")
    assert (nothing.status, nothing.code) == (404, "not_found")
    others = bargain.market.other_customer["id"]
    for client, customer_id in (
        (bargain.rep.client, others),
        (bargain.rep.client, foreign),
        (bargain.rep.client, "#"),
        (team.everywhere.client, foreign),
        (team.outsider.client, bargain.market.customer["id"]),
        (bargain.buyer, others),
        (bargain.buyer, foreign),
        (bargain.buyer, "01nothing"),
    ):
        reply = client.post("/v1/offers", {"lines": [product("A-1")], "customer_id": customer_id})
        assert (reply.status, reply.text) == (404, nothing.text)
    assert stored("offer") == before


def test_a_customer_that_is_not_active_is_offered_nothing(bargain: Bargain) -> None:
    offer = bargain.make()
    bargain.team.set_customer(active=False)
    for reply in (as_rep(bargain), bargain.rep.client.post(f"/v1/offers/{offer['id']}/clone")):
        assert (reply.status, reply.code) == (409, "customer_inactive")
    assert len(stored("offer")) == 1


def test_nobody_makes_offers_without_a_place_in_the_store(bargain: Bargain) -> None:
    body = {"lines": [product("A-1")]}
    anonymous = bargain.buyer.as_(None)
    assert (anonymous.post("/v1/offers", body).status, anonymous.post("/v1/offers", body, store="acme").status) == (401, 401)
    bargain.team.set_store(active=False)
    closed = bargain.buyer.post("/v1/offers", body)
    assert (closed.status, closed.code) == (503, "store_inactive")
    assert stored("offer") == []


# Requests


def test_a_request_is_told_to_everybody_who_looks_after_the_customer(bargain: Bargain) -> None:
    allocate(bargain.market.shop, bargain.market.customer, bargain.rep, bargain.team.everywhere)
    reply = send_event("offers/create_offer.requested_by_buyer", TOKEN=bargain.buyer.token)
    assert reply.status == 201, reply.text
    request = reply.json
    assert (request["status"], request["owner_id"], request["valid_until"]) == ("requested", None, None)
    assert request["request"]["message"] == "What would forty of them cost?"
    assert [(line["product_number"], line["quantity"]) for line in request["request"]["lines"]] == [("A-1", 40)]
    assert (request["request"]["actor"]["id"], request["message"]) == (bargain.team.employee_id, None)
    assert request["allowed_transitions"] == ["withdraw"]
    reps = sorted([bargain.rep.id, bargain.team.everywhere.id])
    assert sorted(announced(), key=str) == [("requested", member_id) for member_id in reps]
    # Whom the customer is allocated to finds it, and so do those who see all; nobody else does.
    for rep in (bargain.rep, bargain.team.everywhere, bargain.team.supervisor):
        (found,) = rep.client.get("/v1/offers").json["items"]
        assert (found["id"], found["allowed_transitions"]) == (request["id"], ["take"])
    assert bargain.team.outsider.client.get("/v1/offers").json["items"] == []


def test_a_request_of_a_customer_nobody_looks_after_is_told_to_the_store(bargain: Bargain) -> None:
    bargain.team.assign(None)
    bargain.ask()
    assert announced() == [("requested", None)]


NOT_A_BUYERS_PRICES: list[tuple[dict[str, Any], list[str]]] = [
    ({"lines": [product("A-1", unit_price=euros(1))]}, ["/lines/0/unit_price"]),
    ({"lines": [product("A-1"), product("B-2", discount_percent=5)]}, ["/lines/1/discount_percent"]),
    ({"lines": [product("A-1", reason="Please")]}, ["/lines/0/reason"]),
    ({"shipping_cost": euros(0), "shipping_reason": "Please"}, ["/shipping_cost", "/shipping_reason"]),
]


def test_a_buyer_sets_no_prices(bargain: Bargain) -> None:
    for fields, pointers in NOT_A_BUYERS_PRICES:
        reply = bargain.buyer.post("/v1/offers", {"lines": [product("A-1")], **fields})
        assert (reply.status, reply.code, reply.json["pointers"]) == (403, "price_locked", pointers)
    assert stored("offer") == []


NOT_A_BUYERS: list[tuple[dict[str, Any], str]] = [
    ({"lines": [product("A-1", optional=True)]}, "/lines/0/optional"),
    ({"lines": [product("A-1", optional=True, selected=True)]}, "/lines/0/optional"),
    ({"lines": [product("A-1"), HEADING]}, "/lines/1/kind"),
    ({"lines": [product("A-1"), {"kind": "subtotal"}]}, "/lines/1/kind"),
    ({"header_text": "Dear me"}, "/header_text"),
    ({"footer_text": "Bye"}, "/footer_text"),
    ({"valid_until": "2030-01-01"}, "/valid_until"),
    ({"valid_days": 5}, "/valid_days"),
    ({"mail_to": ["x@bluedoor.test"]}, "/mail_to"),
    ({"mail_cc": []}, "/mail_cc"),
    ({"shipping_method_id": "x"}, "/shipping_method_id"),
    ({"payment_method_id": "x"}, "/payment_method_id"),
    ({"lines": [{"kind": "text", "text": "Something blue"}]}, "/lines"),
    ({"lines": []}, "/lines"),
    ({"lines": [product("NOPE")]}, "/lines/0/product_number"),
    ({"message": "x" * 4001}, "/message"),
]


def test_a_buyer_says_products_quantities_and_a_message_alone(bargain: Bargain) -> None:
    before = stored()
    for fields, pointer in NOT_A_BUYERS:
        reply = bargain.buyer.post("/v1/offers", {"lines": [product("A-1")], **fields})
        assert (fields, reply.status, reply.json["errors"][0]["pointer"]) == (fields, 422, pointer)
    assert stored() == before


def test_whoever_acts_asks_as_the_buyer_and_is_named_with_it(bargain: Bargain) -> None:
    request = bargain.ask(by=bargain.acting())
    asked = request["request"]
    assert (asked["actor"]["id"], asked["subject"]["id"]) == (bargain.rep.id, bargain.team.employee_id)
    assert request["status"] == "requested"
    (noted,) = [entry for entry in stored("audit") if entry["action"] == "offer:requested"]
    assert (noted["actor"]["id"], noted["subject"]["id"]) == (bargain.rep.id, bargain.team.employee_id)


# Clones


def test_a_clone_is_a_new_draft_at_todays_prices_unless_others_were_given(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.open(
        HEADING,
        product("A-1", 2),
        product("B-2", 3, unit_price=euros(200), reason="Rare"),
        product("C-3", 1, discount_percent=10, optional=True, selected=True, text="In blue"),
        {"kind": "subtotal"},
        by=bargain.market.owner,
        header_text="Hello",
        shipping_cost=euros(100),
        shipping_reason="Near",
        mail_cc="boss@bluedoor.test",
    )
    for number, amount in (("A-1", 2000), ("B-2", 150), ("C-3", 700)):
        bargain.market.reprice(number, amount)
    reply = bargain.rep.client.post(f"/v1/offers/{offer['id']}/clone")
    assert (reply.status, reply.code) == (404, "not_found")
    reply = bargain.market.owner.post(f"/v1/offers/{offer['id']}/clone")
    assert reply.status == 201, reply.text
    clone = reply.json
    assert clone["id"] != offer["id"]
    assert clone["number"] != offer["number"]
    assert (clone["status"], clone["version"], clone["order_id"]) == ("draft", 1, None)
    assert [line["kind"] for line in clone["lines"]] == ["heading", "product", "product", "product", "subtotal"]
    assert priced(clone) == [(2000, 2000, 0, 2000, 4000), (150, 200, 0, 200, 600), (700, 700, 10, 630, 630)]
    assert [line["reason"] for line in clone["lines"]] == [None, None, "Rare", None, None]
    option = clone["lines"][3]
    assert (option["optional"], option["selected"], option["text"]) == (True, True, "In blue")
    costs = (clone["list_shipping_cost"], clone["shipping_cost"], clone["shipping_override_reason"])
    assert costs == (euros(590), euros(100), "Near")
    assert (clone["header_text"], clone["mail_cc"]) == ("Hello", ["boss@bluedoor.test"])
    # The first one is as it was.
    assert bargain.seen(offer, by=bargain.market.owner) == offer
    (step,) = clone["history"]
    assert (step["event"], step["to"]) == ("created", "draft")


def test_a_clone_keeps_what_is_gone_as_a_line_of_text(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.open(product("A-1"), product("B-2"), product("C-3"))
    owner = bargain.market.owner
    assert owner.delete("/v1/products/B-2", etag=owner.get("/v1/products/B-2").json["etag"]).status == 204
    etag = owner.get("/v1/products/C-3").json["etag"]
    inactive = {"name": "Product C-3", "active": False, "prices": {bargain.market.shop.tier_id: euros(500)}}
    assert owner.put("/v1/products/C-3", inactive, etag=etag).status == 200
    clone = bargain.cloned(offer)
    assert [(line["kind"], line["text"]) for line in clone["lines"]] == [
        ("product", None),
        ("text", "Not to be had any more: Product B-2 (B-2)"),
        ("text", "Not to be had any more: Product C-3 (C-3)"),
    ]
    assert clone["totals"]["subtotal"] == euros(1250)


def test_a_clone_for_another_customer_goes_to_it_at_its_prices(bargain: Bargain) -> None:
    owner, tier_id = bargain.market.owner, bargain.market.shop.tier_id
    friends = owner.post("/v1/price-tiers", {"name": "Friends"}).json["id"]
    prices = {tier_id: euros(1250), friends: euros(1000)}
    etag = owner.get("/v1/products/A-1").json["etag"]
    assert owner.put("/v1/products/A-1", {"name": "Lamp", "prices": prices}, etag=etag).status == 200
    other = bargain.market.other_customer
    bargain.team.set_customer(other["id"], price_tier_id=friends)
    offer = bargain.open(product("A-1"), product("B-2"), mail_cc="boss@bluedoor.test")
    path = f"/v1/offers/{offer['id']}/clone"
    for client, customer_id in ((bargain.rep.client, other["id"]), (owner, "01nothing"), (bargain.rep.client, "#")):
        assert client.post(path, {"customer_id": customer_id}).status == 404
    allocate(bargain.market.shop, other, bargain.rep)
    reply = send_event("offers/create_offer.cloned", TOKEN=bargain.rep.client.token, OFFER_ID=offer["id"], CUSTOMER=other["id"])
    assert reply.status == 201, reply.text
    clone = reply.json
    assert (clone["customer_id"], clone["customer_name"], clone["owner_id"]) == (other["id"], "Green Gate", bargain.rep.id)
    assert (clone["mail_to"], clone["mail_cc"]) == ([other["email"]], [])
    assert priced(clone) == [(1000, 1000, 0, 1000, 1000)]
    assert clone["lines"][1]["text"] == "Not to be had any more: Product B-2 (B-2)"
    # Nobody of the first customer sees it, also once it is sent.
    bargain.moved(clone, "send")
    assert bargain.buyer.get(f"/v1/offers/{clone['id']}").status == 404
    assert bargain.market.other_buyer.get(f"/v1/offers/{clone['id']}").status == 200


def test_whatever_became_of_an_offer_it_can_be_cloned_by_whoever_may_see_it(bargain: Bargain) -> None:
    request = bargain.ask()
    assert bargain.cloned(request)["status"] == "draft"
    withdrawn = bargain.moved(bargain.make(), "withdraw")
    assert bargain.cloned(withdrawn)["status"] == "draft"
    accepted = bargain.open()
    assert bargain.accept(accepted).status == 200
    assert bargain.cloned(accepted)["order_id"] is None
    before = stored("offer")
    for client in (bargain.team.outsider.client, bargain.team.everywhere.client, bargain.market.rival()):
        assert client.post(f"/v1/offers/{accepted['id']}/clone").status == 404
    for client in (bargain.buyer, bargain.acting()):
        assert client.post(f"/v1/offers/{accepted['id']}/clone").status == 403
    bodies: list[Any] = [{"customer_id": 5}, {"customer_id": "x" * 61}, {"lines": []}, []]
    for body in bodies:
        assert bargain.rep.client.post(f"/v1/offers/{accepted['id']}/clone", body).status in {400, 422}
    assert stored("offer") == before


def test_a_clone_of_which_nothing_changed_is_made_once_for_each_key(bargain: Bargain) -> None:
    offer = bargain.make()
    path = f"/v1/offers/{offer['id']}/clone"
    first = bargain.rep.client.post(path, key="once")
    again = bargain.rep.client.post(path, key="once")
    assert (again.status, again.json) == (201, first.json)
    assert len(stored("offer")) == 2
