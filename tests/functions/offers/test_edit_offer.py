"""PATCH /v1/offers/{id}: what an offer says is changed; what was sent of it never is."""

from typing import Any

from pynamodb.expressions.operand import Path

from tests.support.faults import meanwhile
from tests.support.offering import Bargain, announced, product
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import euros
from tradepost.domain.offer_transitions import MAX_STEPS
from tradepost.table.offers import offer_key
from tradepost.table.records import Record

DOLLARS = {"amount": 100, "currency": "USD"}


def versions(bargain: Bargain, offer: dict[str, Any], number: int) -> Any:
    """Return a version as the buyer sees it."""
    return bargain.buyer.get(f"/v1/offers/{offer['id']}/versions/{number}")


def test_an_edit_of_an_open_offer_begins_the_next_version_at_once(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2), product("B-2", 3, optional=True))
    assert (offer["version"], offer["status"]) == (1, "open")
    reply = send_event("offers/edit_offer.second_version", TOKEN=bargain.rep.client.token, OFFER_ID=offer["id"])
    assert reply.status == 200, reply.text
    edited = reply.json
    assert (edited["version"], edited["status"], edited["expires_at"]) == (2, "draft", None)
    assert [(line["id"], line["quantity"]) for line in edited["lines"]] == [("L1", 5)]
    assert (reply.headers["etag"], edited["allowed_transitions"]) == (edited["etag"], ["send", "withdraw"])
    # The customer goes on seeing what was sent, and can neither accept it nor the one that is not sent yet.
    seen = bargain.seen(offer, by=bargain.buyer)
    assert (seen["version"], seen["status"], seen["allowed_transitions"]) == (1, "draft", [])
    assert [line["quantity"] for line in seen["lines"]] == [2, 3]
    assert seen["footer_text"] is None
    for number in (1, 2):
        refused = bargain.accept({**offer, "version": number})
        assert (refused.status, refused.code, refused.json["offer_status"]) == (409, "invalid_transition", "draft")
    assert stored("order") == []
    assert announced() == [("sent", None)]
    # Once it is sent it is the one that counts.
    sent = bargain.moved(edited, "send")
    assert (sent["version"], sent["status"]) == (2, "open")
    assert bargain.accept(offer).code == "version_superseded"
    seen = bargain.seen(offer, by=bargain.buyer)
    assert (seen["version"], seen["lines"][0]["quantity"], seen["footer_text"]) == (2, 5, "Five, as you wished.")
    assert [step["event"] for step in seen["history"]] == ["sent", "viewed", "sent", "viewed"]
    assert [step["event"] for step in sent["history"]] == ["created", "sent", "edited", "viewed", "sent"]
    actions = [entry["action"] for entry in stored("audit") if entry["target"] == offer["id"]]
    assert actions == ["offer:created", "offer:sent", "offer:edited", "offer:sent"]


def test_what_was_sent_is_kept_as_it_was_whatever_becomes_of_the_offer(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2), header_text="First", valid_days=5)
    first = versions(bargain, offer, 1)
    assert (first.status, first.json["version"], first.json["totals"]["total"]) == (200, 1, euros(2500 + 590))
    kept = stored("offer_version")
    later = bargain.edited(offer, lines=[product("B-2", 1)], header_text="Second", valid_days=9, message="Anew")
    assert versions(bargain, offer, 2).status == 404
    bargain.market.reprice("A-1", 1)
    later = bargain.moved(later, "send")
    bargain.moved(later, "extend", body={"valid_until": "2027-06-30"})
    assert versions(bargain, offer, 1).json == first.json
    assert versions(bargain, offer, 2).json["header_text"] == "Second"
    assert [item for item in stored("offer_version") if item["number"] == 1] == kept
    assert [item["number"] for item in stored("offer_version")] == [1, 2]
    for number in ("0", "3", "x", "-1", "1.0", "9" * 5000, "²"):
        gone = bargain.buyer.get(f"/v1/offers/{offer['id']}/versions/{number}")
        assert (gone.status, gone.code) == (404, "not_found")


def test_what_is_not_sent_stays_and_what_can_be_emptied_is(bargain: Bargain) -> None:
    offer = bargain.make(
        product("A-1", 2, unit_price=euros(1300)),
        header_text="Hello",
        footer_text="Bye",
        message="Yours",
        shipping_cost=euros(700),
        shipping_reason="Heavy",
        mail_cc="boss@bluedoor.test",
    )
    edited = bargain.edited(offer, footer_text=None, message="")
    changed = {name for name in offer if offer[name] != edited[name]}
    assert changed == {"footer_text", "message", "history", "etag"}
    assert (edited["footer_text"], edited["message"]) == (None, None)
    edited = bargain.edited(edited, header_text=None, mail_to=[], mail_cc=[], valid_until="2027-01-31")
    assert (edited["header_text"], edited["mail_to"], edited["mail_cc"]) == (None, [], [])
    assert (edited["valid_until"], edited["version"]) == ("2027-01-31", 1)
    assert edited["lines"] == offer["lines"]


def test_a_change_that_changes_nothing_is_no_change(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2), header_text="Hello", valid_until="2027-01-31", mail_to="ida@bluedoor.test")
    before = stored()
    same = [{"id": "L1", **product("A-1", 2)}]
    for change in (
        {},
        {"header_text": "Hello"},
        {"lines": same},
        {"valid_until": "2027-01-31", "mail_to": "ida@bluedoor.test"},
    ):
        with counted_calls() as calls:
            edited = bargain.edited(offer, **change)
        assert (edited, calls) == (offer, ["BatchGetItem"])
    assert stored() == before
    assert bargain.accept(offer).status == 200


def test_lines_that_are_named_keep_their_ids_and_new_ones_get_others(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.make({"kind": "heading", "text": "Lamps"}, product("A-1"), product("B-2"))
    lines = [
        product("C-3"),
        {**product("A-1", 4), "id": "L2"},
        {"kind": "subtotal"},
        {"kind": "text", "text": "So", "id": "L1"},
    ]
    edited = bargain.edited(offer, lines=lines)
    assert [(line["id"], line["kind"]) for line in edited["lines"]] == [
        ("L4", "product"),
        ("L2", "product"),
        ("L5", "subtotal"),
        ("L1", "text"),
    ]
    for wrong in ([{**product("A-1"), "id": "L9"}], [{**product("A-1"), "id": "L2"}, {**product("B-2"), "id": "L2"}]):
        reply = bargain.edit(edited, lines=wrong)
        assert (reply.status, reply.code) == (422, "unknown_line")
        assert reply.json["errors"][0]["pointer"] == f"/lines/{len(wrong) - 1}/id"


def test_list_prices_are_looked_up_whenever_lines_are_sent(bargain: Bargain) -> None:
    offer = bargain.make(product("A-1", 2), product("B-2", 1))
    bargain.market.reprice("A-1", 2000)
    assert bargain.edited(offer, header_text="Hello")["lines"] == offer["lines"]
    offer = bargain.seen(offer)
    lines = [product("A-1", 2, unit_price=euros(1900)), product("B-2", 1)]
    edited = bargain.edited(offer, lines=lines)
    prices = [(line["list_price"]["amount"], line["net_price"]["amount"]) for line in edited["lines"]]
    assert prices == [(2000, 1900), (99, 99)]


def test_a_product_that_is_gone_stays_in_an_offer_as_it_was_and_is_not_added_anew(bargain: Bargain) -> None:
    offer = bargain.make(product("A-1", 2), product("B-2", 1))
    owner = bargain.market.owner
    assert owner.delete("/v1/products/B-2", etag=owner.get("/v1/products/B-2").json["etag"]).status == 204
    edited = bargain.edited(offer, lines=[product("b-2", 4)])
    (line,) = edited["lines"]
    assert (line["product_number"], line["name"], line["list_price"], line["total"]) == (
        "B-2",
        "Product B-2",
        euros(99),
        euros(396),
    )
    without = bargain.edited(edited, lines=[product("A-1")])
    assert bargain.edit(without, lines=[product("B-2")]).code == "unknown_product"


WRONG_CHANGES: list[tuple[Any, str, str]] = [
    ({"lines": None}, "invalid", "/lines"),
    ({"lines": []}, "invalid", "/lines"),
    ({"lines": [product("A-1")] * 81}, "invalid", "/lines"),
    ({"lines": [product("NOPE")]}, "unknown_product", "/lines/0/product_number"),
    ({"lines": [product("A-1"), product("a-1")]}, "duplicate_product", "/lines/1/product_number"),
    ({"lines": [product("A-1", unit_price=DOLLARS)]}, "wrong_currency", "/lines/0/unit_price/currency"),
    ({"lines": [{"kind": "heading"}]}, "invalid", "/lines/0/text"),
    ({"lines": [product("A-1", 10**6, unit_price=euros(10**12))]}, "total_too_large", "/lines/0/quantity"),
    ({"shipping_method_id": None}, "invalid", "/shipping_method_id"),
    ({"shipping_method_id": "nothing"}, "unknown_shipping_method", "/shipping_method_id"),
    ({"shipping_cost": None}, "invalid", "/shipping_cost"),
    ({"shipping_cost": DOLLARS}, "wrong_currency", "/shipping_cost/currency"),
    ({"shipping_reason": "Why"}, "invalid", "/shipping_reason"),
    ({"shipping_reason": None}, "invalid", "/shipping_reason"),
    ({"payment_method_id": None}, "invalid", "/payment_method_id"),
    ({"payment_method_id": "nothing"}, "unknown_payment_method", "/payment_method_id"),
    ({"valid_until": None}, "invalid", "/valid_until"),
    ({"valid_until": "2020-01-01"}, "validity_over", "/valid_until"),
    ({"valid_until": "2027-01-01", "valid_days": 3}, "invalid", "/valid_days"),
    ({"valid_days": None}, "invalid", "/valid_days"),
    ({"valid_days": 0}, "invalid", "/valid_days"),
    ({"mail_to": None}, "invalid", "/mail_to"),
    ({"mail_cc": None}, "invalid", "/mail_cc"),
    ({"mail_to": ["x"]}, "invalid", "/mail_to/0"),
    ({"header_text": "x" * 4001}, "invalid", "/header_text"),
    ({"customer_id": "x"}, "invalid", "/customer_id"),
    ({"status": "open"}, "invalid", "/status"),
    ({"version": 5}, "invalid", "/version"),
]


def test_a_change_that_is_none_is_named_and_changes_nothing(bargain: Bargain) -> None:
    offer = bargain.open()
    before = stored()
    for change, code, pointer in WRONG_CHANGES:
        reply = bargain.edit(offer, **change)
        assert (change, reply.status, reply.code) == (change, 422, code)
        assert pointer in [error["pointer"] for error in reply.json["errors"]]
    for body in ("[]", "{", "5", '"x"', "null"):
        assert bargain.rep.client.patch(f"/v1/offers/{offer['id']}", body, etag=offer["etag"]).status in {400, 422}
    assert stored() == before


def test_no_choice_of_an_offer_may_come_to_more_than_an_order_can(bargain: Bargain) -> None:
    offer = bargain.make()
    huge = {"unit_price": euros(10**12)}
    lines = [product("A-1", 999, **huge), product("B-2", 2, optional=True, **huge)]
    reply = bargain.edit(offer, lines=lines)
    assert (reply.status, reply.code) == (422, "total_too_large")
    assert [error["pointer"] for error in reply.json["errors"]] == ["/lines"]


def test_a_change_needs_the_version_that_was_read(bargain: Bargain) -> None:
    offer = bargain.make()
    path = f"/v1/offers/{offer['id']}"
    without = bargain.rep.client.patch(path, {"header_text": "x"})
    assert (without.status, without.code) == (428, "precondition_required")
    bargain.edited(offer, header_text="First")
    before = stored()
    stale = bargain.edit(offer, header_text="Second")
    assert (stale.status, stale.code) == (412, "stale")
    assert stored() == before


def test_of_two_changes_at_once_the_second_is_told_that_it_is_stale(bargain: Bargain) -> None:
    offer = bargain.make()
    supervisor = bargain.team.supervisor.client
    with meanwhile("TransactWriteItems", lambda: bargain.edited(offer, by=supervisor, header_text="First")):
        late = bargain.edit(offer, header_text="Second")
    assert (late.status, late.code) == (412, "stale")
    (kept,) = stored("offer")
    assert kept["draft"]["header_text"] == "First"


def test_an_edit_takes_one_read_and_one_write(bargain: Bargain) -> None:
    offer = bargain.open()
    with counted_calls() as calls:
        bargain.edited(offer, lines=[product("A-1", 7), product("B-2", 1)])
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_whoever_may_not_know_of_an_offer_changes_nothing(bargain: Bargain) -> None:
    offer, request = bargain.make(), bargain.ask()
    before = stored("offer")
    missing = bargain.edit({**offer, "id": "nothing"}, header_text="x")
    assert (missing.status, missing.code) == (404, "not_found")
    for stranger in (bargain.team.outsider.client, bargain.team.everywhere.client, bargain.market.rival()):
        reply = bargain.edit(offer, by=stranger, header_text="x")
        assert (reply.status, reply.text) == (404, missing.text)
    for customer in (bargain.buyer, bargain.acting(), bargain.market.other_buyer):
        assert bargain.edit(offer, by=customer, header_text="x").status == 403
    # What nobody has taken yet is nobody's to change.
    for by in (bargain.rep.client, bargain.market.owner):
        reply = bargain.edit(request, by=by, header_text="x")
        assert (reply.status, reply.code, reply.json["offer_status"]) == (409, "invalid_transition", "requested")
    assert stored("offer") == before


def test_an_offer_that_is_over_is_not_changed_any_more(bargain: Bargain) -> None:
    accepted, declined, withdrawn = bargain.open(), bargain.open(), bargain.moved(bargain.make(), "withdraw")
    assert bargain.accept(accepted).status == 200
    bargain.moved(declined, "decline", by=bargain.buyer)
    before = stored()
    for offer in (accepted, declined, withdrawn):
        current = bargain.seen(offer)
        assert current["editable"] is False
        reply = bargain.edit(current, header_text="x")
        assert (reply.status, reply.code) == (409, "invalid_transition")
    assert stored() == before


def test_an_offer_takes_a_lot_of_words_and_changes_and_still_can_be_answered(bargain: Bargain) -> None:
    pages = [{"kind": "text", "text": "é" * 3900}] * 6
    offer = bargain.edited(bargain.open(product("A-1"), *pages), header_text="Second")
    record = Record.get(*offer_key("acme", offer["id"]))
    (kept,) = stored("offer")
    step = {**kept["history"][-1], "note": "x" * 1000}
    # Near what an item can hold, offers are not changed any more, but they are sent back and forth to their end.
    for count, refused in ((20, None), (MAX_STEPS, "too_many_changes"), (76, "too_many_changes")):
        history = [step] * count if count != MAX_STEPS else [{**step, "note": None}] * count
        record.update([Path("data.history").set(history)])
        reply = bargain.edit(bargain.seen(offer), valid_days=count)
        assert (count, reply.status, reply.code) == (count, 409 if refused else 200, refused)
    assert bargain.moved(bargain.seen(offer), "withdraw")["status"] == "withdrawn"


def test_an_edit_takes_back_what_waits_for_approval_and_what_the_customer_asked_for(bargain: Bargain) -> None:
    waiting = bargain.moved(bargain.make(product("A-1", 1, unit_price=euros(1))), "send")
    assert waiting["status"] == "awaiting_approval"
    edited = bargain.edited(waiting, lines=[product("A-1", 1)])
    assert (edited["status"], edited["approval"], edited["version"]) == ("draft", None, 1)
    assert bargain.moved(edited, "send")["status"] == "open"
    offer = bargain.open()
    asked = bargain.moved(offer, "request-extension", by=bargain.buyer, body={"message": "Friday"})
    assert bargain.seen(asked)["extension"]["message"] == "Friday"
    assert bargain.edited(bargain.seen(asked), valid_days=60)["extension"] is None
