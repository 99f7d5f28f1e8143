"""POST /v1/offers/{id}/accept: order what an offer says, at its prices, once."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tests.conftest import Clock
from tests.support.faults import failing, meanwhile
from tests.support.functions import Reply
from tests.support.offering import Bargain, announced, product
from tests.support.ordering import send_event, stock
from tests.support.table import counted_calls, stored
from tests.support.world import euros
from tradepost.domain.clock import stamp

QUAY = {"street": "Quay 9", "postal_code": "0150", "city": "Oslo", "country": "NO"}
HEADING = {"kind": "heading", "text": "Lamps"}


def test_accepting_an_offer_makes_one_order_at_the_offers_prices(bargain: Bargain) -> None:
    lines = [
        {"kind": "heading", "text": "Lamps"},
        product("A-1", 2, unit_price=euros(1000), discount_percent=10),
        product("B-2", 3, optional=True),
        {"kind": "subtotal"},
        {"kind": "text", "text": "Delivered in one parcel"},
    ]
    offer = bargain.open(*lines, by=bargain.market.owner)
    seen = bargain.buyer.get(f"/v1/offers/{offer['id']}").json
    assert seen["totals"]["total"] == euros(1800 + 590)
    optional = seen["lines"][2]["id"]
    toggled = bargain.buyer.get(f"/v1/offers/{offer['id']}", optional_lines=optional).json
    assert toggled["totals"]["total"] == euros(1800 + 297 + 590)
    reply = bargain.accept(seen, optional)
    assert reply.status == 200, reply.text
    order = bargain.buyer.get(f"/v1/orders/{reply.json['order_id']}").json
    assert (order["source"], order["offer_id"], order["total"]) == ("offer", offer["id"], euros(1800 + 297 + 590))
    again = bargain.accept(seen, optional)
    assert (again.status, again.code, again.json["order_id"]) == (409, "already_accepted", order["id"])
    done = bargain.seen(offer, by=bargain.market.owner)
    assert [step["event"] for step in done["history"]] == ["created", "sent", "viewed", "accepted"]
    assert [step["event"] for step in bargain.seen(offer, by=bargain.buyer)["history"]] == ["sent", "viewed", "accepted"]


def test_a_request_is_taken_worked_out_sent_and_accepted(bargain: Bargain) -> None:
    request = bargain.ask()
    assert request["status"] == "requested"
    taken = bargain.step(request, "take").json
    assert (taken["status"], taken["owner_id"]) == ("draft", bargain.rep.id)
    late = bargain.step(request, "take", by=bargain.team.supervisor.client)
    assert (late.status, late.code, late.json["owner"]["id"]) == (409, "already_taken", bargain.rep.id)
    sent = bargain.moved(taken, "send")
    edit = bargain.rep.client.patch(f"/v1/offers/{sent['id']}", {"header_text": "Better"}, etag=sent["etag"])
    assert (edit.status, edit.json["version"], edit.json["status"]) == (200, 2, "draft")
    resent = bargain.moved(edit.json, "send")
    assert bargain.accept(sent).code == "version_superseded"
    assert bargain.accept(resent).status == 200


def ordered(bargain: Bargain, reply: Reply) -> dict[str, Any]:
    """Return the order that an acceptance made."""
    assert reply.status == 200, reply.text
    order = bargain.market.owner.get(f"/v1/orders/{reply.json['order_id']}")
    assert order.status == 200, order.text
    return dict(order.json)


def refused(reply: Reply) -> tuple[int, str | None, list[str]]:
    """Return what is wrong with a request, and where."""
    return reply.status, reply.code, [error["pointer"] for error in reply.json.get("errors", [])]


def test_what_was_accepted_is_ordered_stored_counted_and_told(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2, unit_price=euros(1300), reason="In brass"), product("B-2", 3, optional=True))
    reply = send_event("offers/accept_offer.with_one_option", TOKEN=bargain.buyer.token, OFFER_ID=offer["id"])
    order = ordered(bargain, reply)
    accepted = reply.json
    assert (accepted["status"], accepted["order_id"], accepted["allowed_transitions"]) == ("accepted", order["id"], [])
    assert [line["selected"] for line in accepted["lines"]] == [True, True]
    assert (order["status"], order["source"], order["offer_id"]) == ("received", "offer", offer["id"])
    assert (order["customer_id"], order["employee_id"]) == (bargain.market.customer["id"], bargain.team.employee_id)
    assert order["actor"] == order["subject"] == accepted["history"][-1]["actor"]
    assert order["actor"]["id"] == bargain.team.employee_id
    assert [
        (line["product_number"], line["quantity"], line["unit_price"], line["override_reason"]) for line in order["lines"]
    ] == [
        ("A-1", 2, euros(1300), "In brass"),
        ("B-2", 3, euros(99), None),
    ]
    assert order["lines"][0]["list_price"] == euros(1250)
    assert accepted["totals"]["total"] == order["total"] == euros(2600 + 297 + 590)
    assert (order["history"], order["approval"], order["allowed_transitions"]) == ([], None, ["confirm", "cancel"])
    # Both are stored together, with what is noted and told of them.
    (kept,) = stored("offer")
    assert (kept["status"], kept["order_id"], kept["chosen"]) == ("accepted", order["id"], ["L2"])
    assert len(stored("order")) == 1
    actions = [entry["action"] for entry in stored("audit") if entry["target"] in {offer["id"], order["id"]}]
    assert sorted(actions) == ["offer:accepted", "offer:created", "offer:sent", "order:placed"]
    messages = [item["message"] for item in stored("outbox")]
    assert [message["event"] for message in messages if message["type"] == "order"] == ["placed"]
    assert sorted(announced(), key=str) == [("accepted", bargain.rep.id), ("sent", None)]
    # It counts for the store, the customer and whoever looks after it.
    for client in (bargain.market.owner, bargain.rep.client):
        figures = client.get("/v1/statistics", customer_id=bargain.market.customer["id"]).json
        assert (figures["orders"], figures["revenue"]) == (1, order["total"])
    # It goes on as any other order.
    moved = bargain.market.move(order, "confirm", "start", "ship")
    assert moved["status"] == "shipped"


def test_an_acceptance_takes_two_reads_and_one_write(bargain: Bargain) -> None:
    lines = [product(number) for number in stock("acme", bargain.market.shop.tier_id, 80)]
    offer = bargain.open(*lines)
    with counted_calls() as calls:
        order = ordered(bargain, bargain.accept(offer))
    assert calls[:3] == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    assert len(order["lines"]) == 80


@pytest.mark.parametrize(
    ("options", "total"), [([], 1250), (["L2"], 1349), (["L3"], 2250), (["L2", "L3"], 2349), (["L3", "L2"], 2349), (None, 1349)]
)
def test_what_is_chosen_is_ordered_and_nothing_else(bargain: Bargain, options: list[str] | None, total: int) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.open(
        product("A-1"),
        product("B-2", optional=True, selected=True),
        product("C-3", 2, optional=True),
        HEADING,
    )
    wanted = {"version": 1} if options is None else {"version": 1, "optional_lines": options}
    order = ordered(bargain, bargain.buyer.post(f"/v1/offers/{offer['id']}/accept", wanted))
    assert (order["subtotal"], order["total"]) == (euros(total), euros(total + 590))
    chosen = {"L2"} if options is None else set(options)
    assert {line["product_number"] for line in order["lines"]} == {"A-1"} | {
        {"L2": "B-2", "L3": "C-3"}[each] for each in chosen
    }
    # It is shown with that choice from then on, in lists too.
    for seen in (bargain.seen(offer), bargain.buyer.get("/v1/offers", expand="lines").json["items"][0]):
        assert {line["id"] for line in seen["lines"] if line["optional"] and line["selected"]} == chosen
        assert seen["totals"]["total"] == order["total"]


WRONG_ACCEPTANCES: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"optional_lines": ["L9"]}, "unknown_line", ["/optional_lines/0"]),
    ({"optional_lines": ["L2", "L9"]}, "unknown_line", ["/optional_lines/1"]),
    ({"optional_lines": [""]}, "unknown_line", ["/optional_lines/0"]),
    ({"optional_lines": ["L1"]}, "line_not_optional", ["/optional_lines/0"]),
    ({"optional_lines": ["L3"]}, "line_not_optional", ["/optional_lines/0"]),
    ({"optional_lines": ["L2", "L2"]}, "duplicate_line", ["/optional_lines/1"]),
    ({"optional_lines": ["L9", "L1"]}, "unknown_line", ["/optional_lines/0", "/optional_lines/1"]),
    ({"optional_lines": ["x" * 21]}, "invalid", ["/optional_lines/0"]),
    ({"optional_lines": ["L2"] * 81}, "invalid", ["/optional_lines"]),
    ({"optional_lines": "L2"}, "invalid", ["/optional_lines"]),
    ({"optional_lines": [2]}, "invalid", ["/optional_lines/0"]),
    ({"version": 2}, "unknown_version", ["/version"]),
    ({"version": 10**9}, "unknown_version", ["/version"]),
    ({"version": 0}, "invalid", ["/version"]),
    ({"version": -1}, "invalid", ["/version"]),
    ({"version": "1"}, "invalid", ["/version"]),
    ({"version": 1.0}, "invalid", ["/version"]),
    ({"version": True}, "invalid", ["/version"]),
    ({"version": None}, "invalid", ["/version"]),
    ({"payment_method_id": "nothing"}, "unknown_payment_method", ["/payment_method_id"]),
    ({"payment_method_id": "#"}, "invalid", ["/payment_method_id"]),
    ({"billing_address_id": "nothing"}, "unknown_address", ["/billing_address_id"]),
    ({"shipping_address_id": "nothing"}, "unknown_address", ["/shipping_address_id"]),
    (
        {"billing_address": {"street": "Quay 9"}},
        "invalid",
        ["/billing_address/postal_code", "/billing_address/city", "/billing_address/country"],
    ),
    ({"total": euros(1)}, "invalid", ["/total"]),
    ({"lines": []}, "invalid", ["/lines"]),
    ({"shipping_method_id": "x"}, "invalid", ["/shipping_method_id"]),
]


def test_an_acceptance_that_is_none_is_named_and_orders_nothing(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1"), product("B-2", optional=True), HEADING)
    path = f"/v1/offers/{offer['id']}/accept"
    before = stored()
    for fields, code, pointers in WRONG_ACCEPTANCES:
        reply = bargain.buyer.post(path, {"version": 1, **fields})
        assert (fields, refused(reply)) == (fields, (422, code, pointers))
    assert refused(bargain.buyer.post(path, {})) == (422, "invalid", ["/version"])
    for body in (None, "[]", "{", "null"):
        assert bargain.buyer.post(path, body).status in {400, 422}
    assert bargain.buyer.post(path, {"version": 1}, key=None).code == "idempotency_key_required"
    assert stored() == before


def test_a_choice_that_leaves_no_product_orders_nothing(bargain: Bargain) -> None:
    offer = bargain.open(HEADING, product("A-1", optional=True), product("B-2", optional=True, selected=True))
    before = stored()
    assert refused(bargain.accept(offer)) == (422, "nothing_chosen", ["/optional_lines"])
    assert stored() == before
    assert ordered(bargain, bargain.accept(offer, "L2"))["subtotal"] == euros(1250)


# Where to, and how it is paid


def test_it_is_billed_and_shipped_to_the_default_addresses_others_or_custom_ones(bargain: Bargain) -> None:
    (address,) = bargain.market.customer["addresses"]
    for fields, cities in (
        ({}, ("Hamburg", "Hamburg")),
        ({"billing_address": QUAY}, ("Oslo", "Oslo")),
        ({"shipping_address": QUAY}, ("Hamburg", "Oslo")),
        ({"billing_address": QUAY, "shipping_address_id": address["id"]}, ("Oslo", "Hamburg")),
        ({"billing_address_id": address["id"]}, ("Hamburg", "Hamburg")),
    ):
        order = ordered(bargain, bargain.accept(bargain.open(), **fields))
        assert (order["billing_address"]["city"], order["shipping_address"]["city"]) == cities
    theirs = bargain.market.other_customer["addresses"][0]["id"]
    both = {"billing_address": QUAY, "billing_address_id": address["id"]}
    offer = bargain.open()
    assert bargain.accept(offer, billing_address_id=theirs).code == "unknown_address"
    assert bargain.accept(offer, **both).status == 422


def test_a_customer_without_an_address_has_to_say_one(bargain: Bargain) -> None:
    bargain.team.set_customer(addresses=[])
    offer = bargain.open()
    before = stored("offer")
    reply = bargain.accept(offer)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/billing_address")
    assert stored("offer") == before
    assert ordered(bargain, bargain.accept(offer, billing_address=QUAY))["shipping_address"]["city"] == "Oslo"


def test_it_is_paid_as_the_offer_says_or_as_the_customer_chooses(bargain: Bargain) -> None:
    owner = bargain.market.owner
    options = owner.get("/v1/checkout-options").json
    methods = [*options["payment_methods"], {"name": "Card", "kind": "instant"}]
    body = {"shipping_methods": options["shipping_methods"], "payment_methods": methods}
    invoice, card = owner.put("/v1/checkout-options", body, etag=options["etag"]).json["payment_methods"]
    order = ordered(bargain, bargain.accept(bargain.open()))
    assert (order["payment_method_id"], order["payment_kind"]) == (invoice["id"], "net_terms")
    order = ordered(bargain, bargain.accept(bargain.open(), payment_method_id=card["id"]))
    assert (order["payment_method_name"], order["payment_kind"]) == ("Card", "instant")
    order = ordered(bargain, bargain.accept(bargain.open(payment_method_id=card["id"])))
    assert order["payment_method_id"] == card["id"]


def test_prices_stay_as_they_were_offered(bargain: Bargain) -> None:
    bargain.team.limit(100)
    offer = bargain.open(product("A-1", 3, discount_percent=33), shipping_cost=euros(100), shipping_reason="Near")
    bargain.market.reprice("A-1", 5000)
    owner = bargain.market.owner
    etag = owner.get("/v1/checkout-options").json["etag"]
    dear = {
        "shipping_methods": [{"name": "Ship", "cost": euros(9999)}],
        "payment_methods": [{"name": "Cash", "kind": "instant"}],
    }
    assert owner.put("/v1/checkout-options", dear, etag=etag).status == 200
    order = ordered(bargain, bargain.accept(offer))
    (line,) = order["lines"]
    assert (line["list_price"], line["unit_price"], line["total"]) == (euros(1250), euros(838), euros(2514))
    assert line["override_reason"] == f"Offer {offer['number']}"
    assert (order["shipping_cost"], order["list_shipping_cost"], order["shipping_override_reason"]) == (
        euros(100),
        euros(590),
        "Near",
    )
    assert (order["shipping_method_name"], order["payment_method_name"]) == ("Parcel", "Invoice, 30 days")
    assert order["total"] == euros(2614)


# Once, whatever happens


def test_a_retry_gets_the_same_answer_and_no_second_order(bargain: Bargain) -> None:
    offer = bargain.open()
    path, body = f"/v1/offers/{offer['id']}/accept", {"version": 1, "optional_lines": ["L2"]}
    first = bargain.buyer.post(path, body, key="once")
    again = bargain.buyer.post(path, body, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (200, first.json, "true")
    assert bargain.buyer.post(path, {"version": 1}, key="once").code == "idempotency_key_reused"
    anew = bargain.buyer.post(path, body)
    assert (anew.status, anew.code, anew.json["order_id"]) == (409, "already_accepted", first.json["order_id"])
    assert len(stored("order")) == 1


def test_of_two_acceptances_at_once_one_makes_the_order_and_the_other_is_told_which(bargain: Bargain) -> None:
    offer = bargain.open()
    with meanwhile("TransactWriteItems", lambda: bargain.accept(offer, "L2", by=bargain.acting())):
        late = bargain.accept(offer)
    (order,) = stored("order")
    assert (late.status, late.code, late.json["order_id"]) == (409, "already_accepted", order["id"])
    (kept,) = stored("offer")
    assert (kept["order_id"], kept["chosen"], len(kept["history"])) == (order["id"], ["L2"], 3)
    assert bargain.market.owner.get("/v1/statistics").json["orders"] == 1


def test_a_version_that_is_replaced_at_that_moment_is_not_ordered(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2))

    def replace() -> None:
        edited = bargain.edited(offer, lines=[product("A-1", 9)])
        bargain.moved(edited, "send")

    with meanwhile("TransactWriteItems", replace):
        late = bargain.accept(offer)
    assert (late.status, late.code, late.json["version"]) == (409, "version_superseded", 2)
    assert stored("order") == []
    assert ordered(bargain, bargain.accept({**offer, "version": 2}))["lines"][0]["quantity"] == 9


@pytest.mark.parametrize("move", ["withdraw", "decline", "edit"])
def test_what_is_taken_away_at_that_moment_is_not_ordered(bargain: Bargain, move: str) -> None:
    offer = bargain.open()

    def take_away() -> None:
        if move == "edit":
            bargain.edited(offer, header_text="Wait")
        else:
            bargain.moved(offer, move, by=bargain.buyer if move == "decline" else bargain.rep.client)

    with meanwhile("TransactWriteItems", take_away):
        late = bargain.accept(offer)
    assert (late.status, late.code) == (409, "invalid_transition")
    assert stored("order") == []
    assert [step["event"] for step in bargain.seen(offer)["history"]].count("accepted") == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_while_it_is_written_leaves_all_or_nothing(bargain: Bargain, when: Literal["before", "after"]) -> None:
    offer = bargain.open()
    path, body = f"/v1/offers/{offer['id']}/accept", {"version": 1}
    before = stored()
    with failing("TransactWriteItems", ConnectionResetError("gone"), when=when):
        crashed = bargain.buyer.post(path, body, key="once")
    assert crashed.status == 500
    if when == "before":
        assert stored() == before
    else:
        assert [kept["status"] for kept in stored("offer")] == ["accepted"]
    again = bargain.buyer.post(path, body, key="once")
    assert again.status == 200, again.text
    (order,) = stored("order")
    assert again.json["order_id"] == order["id"]
    assert bargain.market.owner.get("/v1/statistics").json["orders"] == 1


def test_whoever_acts_accepts_for_the_employee_and_both_are_named(bargain: Bargain) -> None:
    offer = bargain.open()
    reply = bargain.accept(offer, by=bargain.acting())
    order = ordered(bargain, reply)
    for step in (order, reply.json["history"][-1]):
        assert (step["actor"]["id"], step["subject"]["id"]) == (bargain.rep.id, bargain.team.employee_id)
    assert order["employee_id"] == bargain.team.employee_id
    (noted,) = [entry for entry in stored("audit") if entry["action"] == "offer:accepted"]
    assert (noted["actor"]["id"], noted["subject"]["id"]) == (bargain.rep.id, bargain.team.employee_id)


def test_if_match_is_honoured_but_not_demanded(bargain: Bargain) -> None:
    offer = bargain.open()
    bargain.moved(offer, "request-extension", by=bargain.buyer)
    path = f"/v1/offers/{offer['id']}/accept"
    stale = bargain.buyer.post(path, {"version": 1}, headers={"If-Match": offer["etag"]})
    assert (stale.status, stale.code) == (412, "stale")
    assert bargain.buyer.post(path, {"version": 9}, headers={"If-Match": offer["etag"]}).code == "unknown_version"
    assert stored("order") == []
    assert bargain.buyer.post(path, {"version": 1}).status == 200


def test_only_the_customer_accepts_what_it_was_sent(bargain: Bargain) -> None:
    offer, draft = bargain.open(), bargain.make()
    before = stored("offer")
    for client in (bargain.rep.client, bargain.market.owner, bargain.team.supervisor.client, bargain.market.rival()):
        assert (bargain.accept(offer, by=client).status, bargain.accept(offer, by=client).code) == (403, "forbidden")
    missing = bargain.accept({**offer, "id": "nothing"})
    assert (missing.status, missing.code) == (404, "not_found")
    for reply in (bargain.accept(offer, by=bargain.market.other_buyer), bargain.accept(draft)):
        assert (reply.status, reply.text) == (404, missing.text)
    assert bargain.accept(offer, by=bargain.buyer.as_(None)).status == 401
    body, path = {"version": 1}, f"/v1/offers/{offer['id']}/accept"
    assert bargain.buyer.as_(None).post(path, body, store="acme").status == 401
    bargain.team.set_store(active=False)
    assert bargain.accept(offer).code == "store_inactive"
    assert stored("offer") == before
    assert stored("order") == []


def test_a_customer_that_was_sent_away_orders_nothing(bargain: Bargain) -> None:
    offer = bargain.open()
    bargain.team.set_customer(active=False)
    assert bargain.accept(offer).status in {401, 403, 409}
    assert stored("order") == []


# What is not to be had any more


@pytest.mark.parametrize("how", ["deleted", "inactive"])
def test_what_is_not_to_be_had_any_more_is_named_and_the_offer_stays_open(bargain: Bargain, how: str) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.open(product("A-1"), product("B-2", optional=True, selected=True), product("C-3", optional=True))
    owner = bargain.market.owner
    for number in ("B-2", "C-3"):
        etag = owner.get(f"/v1/products/{number}").json["etag"]
        if how == "deleted":
            assert owner.delete(f"/v1/products/{number}", etag=etag).status == 204
        else:
            body = {"name": "Lamp", "active": False, "prices": {bargain.market.shop.tier_id: euros(99)}}
            assert owner.put(f"/v1/products/{number}", body, etag=etag).status == 200
    before = stored()
    for options, numbers in ((["L2"], ["B-2"]), (["L2", "L3"], ["B-2", "C-3"])):
        reply = bargain.accept(offer, *options)
        assert (reply.status, reply.code, reply.json["product_numbers"]) == (409, "product_unavailable", numbers)
    assert stored() == before
    assert bargain.seen(offer)["status"] == "open"
    # Without it, the rest is there to be ordered.
    assert [line["product_number"] for line in ordered(bargain, bargain.accept(offer))["lines"]] == ["A-1"]


# The last day

DAYS_END = [
    ("Pacific/Auckland", "2036-11-24", datetime(2036, 11, 24, 11, 0, tzinfo=UTC)),
    ("Pacific/Honolulu", "2036-11-24", datetime(2036, 11, 25, 10, 0, tzinfo=UTC)),
    # The clocks go back, and forward, on the last day itself.
    ("Europe/Berlin", "2027-10-31", datetime(2027, 10, 31, 23, 0, tzinfo=UTC)),
    ("Europe/Berlin", "2027-03-28", datetime(2027, 3, 28, 22, 0, tzinfo=UTC)),
    ("Europe/Berlin", "2027-03-27", datetime(2027, 3, 27, 23, 0, tzinfo=UTC)),
    # The day after begins at one in the morning.
    ("America/Santiago", "2027-09-04", datetime(2027, 9, 5, 4, 0, tzinfo=UTC)),
]


@pytest.mark.parametrize(("time_zone", "last", "end"), DAYS_END)
def test_an_offer_holds_until_the_last_instant_of_its_last_day_where_the_store_is(
    bargain: Bargain, time: Clock, time_zone: str, last: str, end: datetime
) -> None:
    bargain.team.set_store(time_zone=time_zone)
    time.at = end - timedelta(hours=10)
    rep, buyer = bargain.login(bargain.rep), bargain.login()
    first, second = (bargain.open(by=rep, valid_until=last) for _ in range(2))
    assert first["expires_at"] == stamp(end)
    time.at = end - timedelta(seconds=1)
    assert bargain.seen(first, by=buyer)["status"] == "open"
    assert bargain.accept(first, by=buyer).json["status"] == "accepted"
    time.at = end
    before = stored()
    late = bargain.accept(second, by=buyer)
    assert (late.status, late.code, late.json["offer_status"]) == (409, "offer_expired", "expired")
    assert stored() == before
    assert bargain.seen(second, by=buyer)["status"] == "expired"


def test_a_retry_after_the_last_day_still_gets_its_answer(bargain: Bargain, time: Clock) -> None:
    time.at = datetime(2036, 11, 24, 22, 59, 59, tzinfo=UTC)
    rep, buyer = bargain.login(bargain.rep), bargain.login()
    offer = bargain.open(by=rep, valid_until="2036-11-24")
    path, body = f"/v1/offers/{offer['id']}/accept", {"version": 1}
    first = buyer.post(path, body, key="once")
    time.advance(hours=1)
    again = buyer.post(path, body, key="once")
    assert (first.status, again.status, again.json) == (200, 200, first.json)


def test_the_end_of_an_offer_stays_when_the_store_moves_to_another_time_zone(bargain: Bargain) -> None:
    offer = bargain.open(valid_until="2027-01-10")
    bargain.team.set_store(time_zone="Pacific/Honolulu")
    assert bargain.seen(offer)["expires_at"] == offer["expires_at"] == "2027-01-10T23:00:00.000Z"
    assert bargain.moved(offer, "extend", body={"valid_until": "2027-01-11"})["expires_at"] == "2027-01-12T10:00:00.000Z"
