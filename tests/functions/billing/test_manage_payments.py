"""Payments over HTTP: who sees them, what the owner notes or orders, and what becomes of a second try."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.ordering import Market, open_market, send_event
from tests.support.paying import open_payment, runs, stored
from tests.support.table import counted_calls, records
from tests.support.world import Shop, euros
from tradepost.domain.clock import stamp
from tradepost.settings import settings


@pytest.fixture
def market(shop: Shop) -> Market:
    return open_market(shop)


def _path(order: dict[str, Any], step: str = "") -> str:
    return f"/v1/payments/{order['id']}" + (f"/{step}" if step else "")


def test_the_states_are_served_as_a_table(market: Market) -> None:
    steps = {each["step"]: each for each in market.buyer.get("/v1/payment-transitions").json["items"]}
    assert steps["refund"]["asked"] == "refund_pending"
    assert steps["refund"]["declined"] == "refund_failed"
    states = {
        state for each in steps.values() for state in [*each["sources"], *each["targets"], each["asked"], each["declined"]]
    }
    assert states - {None} == {
        "not_authorised",
        "authorised",
        "paid",
        "deferred",
        "refunded",
        "declined",
        "refund_pending",
        "refund_failed",
    }


def test_money_that_is_noted_by_hand_is_paid_in_parts_and_given_back_in_parts(market: Market) -> None:
    order = market.place()
    open_payment(order["id"], "defer")
    shown = market.owner.get(_path(order)).json
    total = order["total"]["amount"]
    assert (shown["status"], shown["amount"]["amount"], shown["captured"]["amount"]) == ("deferred", total, 0)
    assert "capture" in shown["allowed_transitions"]
    part = market.owner.post(_path(order, "capture"), {"amount": euros(1000)})
    assert part.status == 200, part.text
    assert (part.json["status"], part.json["captured"]["amount"]) == ("paid", 1000)
    rest = market.owner.post(_path(order, "capture")).json
    assert (rest["status"], rest["captured"]["amount"], rest["authorised"]["amount"]) == ("paid", total, total)
    back = market.owner.post(_path(order, "refund"), {"amount": euros(300), "reason": "Scratched"}).json
    assert (back["status"], back["refunded"]["amount"], back["history"][-1]["note"]) == ("paid", 300, "Scratched")
    all_back = market.owner.post(_path(order, "refund"), {"reason": "Returned"}).json
    assert (all_back["status"], all_back["refunded"]["amount"]) == ("refunded", total)
    assert [entry["from"] for entry in all_back["history"]][:2] == ["not_authorised", "deferred"]
    assert all_back["allowed_transitions"] == []
    assert stored(order["id"]).pending is None
    assert runs() == []


@pytest.mark.parametrize(
    ("step", "body", "status", "code"),
    [
        ("capture", {"amount": euros(10**9)}, 422, "beyond_authorised"),
        ("capture", {"amount": {"amount": 1, "currency": "USD"}}, 422, "wrong_currency"),
        ("capture", {"amount": euros(0)}, 422, "invalid"),
        ("capture", {"amount": euros(-5)}, 422, "invalid"),
        ("capture", {"amount": {"amount": 1.5, "currency": "EUR"}}, 422, "invalid"),
        ("refund", {"reason": "Nothing came"}, 409, "invalid_transition"),
        ("refund", {}, 422, "invalid"),
        ("authorise", {"payment_method": "4242424242424242"}, 422, "invalid"),
    ],
)
def test_what_cannot_be_ordered_is_refused_and_changes_nothing(
    market: Market, step: str, body: dict[str, Any], status: int, code: str
) -> None:
    order = market.place()
    before = open_payment(order["id"], "defer")
    reply = market.owner.post(_path(order, step), body)
    assert (reply.status, reply.code) == (status, code), reply.text
    assert stored(order["id"]) == before


def test_more_than_was_captured_is_never_given_back(market: Market) -> None:
    order = market.place()
    open_payment(order["id"], "capture_now")
    total = order["total"]["amount"]
    beyond = market.owner.post(_path(order, "refund"), {"amount": euros(total + 1), "reason": "Too much"})
    assert (beyond.status, beyond.code, beyond.json["errors"][0]["pointer"]) == (422, "beyond_captured", "/amount/amount")
    again = market.owner.post(_path(order, "capture"))
    assert (again.status, again.code) == (409, "nothing_to_capture")


def test_a_retry_gets_the_answer_of_the_first_and_gives_nothing_back_twice(market: Market) -> None:
    order = market.place()
    open_payment(order["id"])
    body = {"amount": euros(100), "reason": "Once"}
    first = market.owner.post(_path(order, "refund"), body, key="once")
    second = market.owner.post(_path(order, "refund"), body, key="once")
    assert (first.status, second.status, second.json) == (200, 200, first.json)
    assert stored(order["id"]).refunded.amount == 100


def test_an_etag_is_honoured_and_not_demanded(market: Market) -> None:
    order = market.place()
    open_payment(order["id"])
    etag = market.owner.get(_path(order)).headers["etag"]
    body = {"amount": euros(100), "reason": "Seen"}
    assert market.owner.post(_path(order, "refund"), body, headers={"If-Match": etag}).status == 200
    stale = market.owner.post(_path(order, "refund"), body, headers={"If-Match": etag})
    assert (stale.status, stale.code) == (412, "stale")
    assert stored(order["id"]).refunded.amount == 100


def test_a_card_is_asked_for_once_it_is_named_and_nobody_waits_for_that(market: Market) -> None:
    order = market.place()
    opened = open_payment(order["id"], provider="stripe")
    assert (opened.status, opened.pending, runs()) == ("not_authorised", None, [])
    reply = market.buyer.post(_path(order, "authorise"), {"payment_method": "pm_card_visa"})
    assert reply.status == 200, reply.text
    assert (reply.json["status"], reply.json["pending"]["kind"]) == ("not_authorised", "authorise")
    assert "key" not in reply.json["pending"]
    assert "pm_card_visa" not in reply.text
    payment = stored(order["id"])
    assert payment.pending is not None
    assert (payment.method, payment.pending.asked, payment.pending.key) == ("pm_card_visa", 0, f"tradepost.acme.{payment.id}.1")
    assert len(runs()) == 1
    other = market.buyer.post(_path(order, "authorise"), {"payment_method": "pm_card_other"})
    assert (other.status, other.code) == (409, "operation_pending")
    # Whoever orders the same once more has it asked for again, as the same operation.
    same = market.buyer.post(_path(order, "authorise"), {"payment_method": "pm_card_visa"})
    assert (same.status, same.json["pending"]["kind"]) == (200, "authorise")
    assert (stored(order["id"]).operations, len(runs())) == (1, 2)


def test_a_card_has_to_be_named_and_money_by_hand_is_the_stores_to_note(market: Market) -> None:
    order, by_hand = market.place(), market.place()
    open_payment(order["id"], provider="stripe")
    open_payment(by_hand["id"], "defer")
    missing = market.owner.post(_path(order, "authorise"))
    assert (missing.status, missing.code) == (422, "payment_method_required")
    buyer = market.buyer.post(_path(by_hand, "authorise"), {"payment_method": "pm_card_visa"})
    assert (buyer.status, buyer.code) == (409, "paid_by_hand")
    assert market.owner.post(_path(by_hand, "authorise")).json["status"] == "authorised"


def test_lists_are_the_stores_or_ones_own_and_filtered(market: Market, time: Clock) -> None:
    orders = [market.place(), market.place(), market.place(buyer=market.other_buyer)]
    for order, action in zip(orders, ("capture_now", "defer", "defer"), strict=True):
        time.advance(seconds=1)
        open_payment(order["id"], action)
    ids = [order["id"] for order in orders]

    def listed(client: Any, **query: str) -> list[str]:
        reply = client.get("/v1/payments", **query)
        assert reply.status == 200, reply.text
        return [each["id"] for each in reply.json["items"]]

    assert listed(market.owner) == ids[::-1]
    assert listed(market.buyer) == [ids[1], ids[0]]
    assert listed(market.buyer, customer_id=market.other_customer["id"]) == []
    assert listed(market.buyer, order_id=ids[2]) == []
    assert listed(market.owner, order_id=ids[2]) == [ids[2]]
    assert listed(market.owner, order_id=ids[2], status="paid") == []
    assert listed(market.owner, order_id="nothing.at-all") == []
    assert listed(market.owner, customer_id=market.other_customer["id"]) == [ids[2]]
    assert listed(market.owner, status="paid") == [ids[0]]
    today = stamp(time.at)[:10]
    assert listed(market.owner, **{"from": today, "to": today}) == ids[::-1]
    assert listed(market.owner, to="2020-01-01") == []
    first = market.owner.get("/v1/payments", limit="2").json
    assert listed(market.owner, limit="2", cursor=first["next_cursor"]) == [ids[0]]
    assert market.buyer.get("/v1/payments", limit="2", cursor=first["next_cursor"]).status == 400


def test_two_who_capture_at_once_capture_once(market: Market) -> None:
    order = market.place()
    open_payment(order["id"], "defer")
    total = order["total"]["amount"]
    body = {"amount": euros(total)}
    with meanwhile("TransactWriteItems", lambda: market.owner.post(_path(order, "capture"), body)):
        late = market.owner.post(_path(order, "capture"), body)
    assert (late.status, late.code) == (409, "nothing_to_capture")
    assert stored(order["id"]).captured.amount == total


def test_a_refund_costs_one_read_and_one_write_and_is_noted_for_good(market: Market) -> None:
    order = market.place()
    open_payment(order["id"])
    with counted_calls() as calls:
        market.owner.post(_path(order, "refund"), {"reason": "Returned"})
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    lines = [record.data.as_dict() for record in records("audit")]
    (line,) = [line for line in lines if line["action"] == "payment:refund_ordered"]
    assert (line["target"], line["details"]["after"]) == (order["id"], "refunded")


def test_stripe_is_chosen_only_where_it_is_set_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(**change: Any) -> Any:
        return shop.owner.patch("/v1/store", change, etag=shop.owner.get("/v1/store").json["etag"])

    chosen = choose(payment_provider="stripe", stripe_account="acct_1Acme")
    assert (chosen.status, chosen.json["payment_provider"], chosen.json["stripe_account"]) == (200, "stripe", "acct_1Acme")
    assert choose(stripe_account="someone").status == 422
    assert choose(payment_provider="cash").status == 422
    assert choose(payment_provider="manual", stripe_account=None).status == 200
    monkeypatch.setenv("STRIPE_SECRET_ID", "")
    settings.cache_clear()
    refused = choose(payment_provider="stripe", stripe_account="acct_1Acme")
    assert (refused.status, refused.code) == (409, "stripe_not_set_up")
    settings.cache_clear()


def test_the_example_payloads_are_taken(market: Market) -> None:
    order = market.place()
    open_payment(order["id"])
    reply = send_event("billing/manage_payments.refunded_in_part", TOKEN=market.owner.token, PAYMENT_ID=order["id"])
    assert (reply.status, reply.json["refunded"]["amount"]) == (200, 500)
