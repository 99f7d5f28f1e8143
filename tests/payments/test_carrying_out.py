"""What is due of a payment is asked of Stripe until it answers, done once, and never guessed, whoever dies meanwhile."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.conftest import Clock
from tests.support.faults import failing, meanwhile
from tests.support.ordering import Market
from tests.support.paying import carry_out_all, open_payment, runs, saved, stored, tell
from tests.support.queues import RULES, delayed
from tests.support.stripe_server import FakeStripe, Fault
from tradepost.domain import clock
from tradepost.domain.orders import Total
from tradepost.domain.outbox import PaymentRun
from tradepost.domain.payments import (
    Declined,
    OperationKind,
    Payment,
    PendingOperation,
    Succeeded,
    amended,
    cancelled,
    planned,
    shipped,
)
from tradepost.domain.people import SYSTEM
from tradepost.payments import stripe_provider
from tradepost.payments.carrying_out import carry_out
from tradepost.payments.port import asked_of

CARD = {"payment_method": "pm_card_visa"}


def _authorised(market: Market, action: Any = "capture_now", *, method: str = "pm_card_visa", **more: Any) -> Payment:
    """Open the payment of a new order, and name its card; nothing has been asked of Stripe then."""
    order = market.place()
    open_payment(order["id"], action, provider="stripe", **more)
    reply = market.buyer.post(f"/v1/payments/{order['id']}/authorise", {"payment_method": method})
    assert reply.status == 200, reply.text
    return stored(order["id"])


def _deliver_again(time: Clock) -> None:
    """Let what was put off come back."""
    time.advance(minutes=20)
    carry_out_all()


def test_what_is_due_at_once_is_authorised_and_captured_by_one_message(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, account="acct_1Acme")
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.captured, payment.authorised, payment.pending) == (
        "paid",
        payment.amount,
        payment.amount,
        None,
    )
    assert [each.path for each in stripe.changes] == ["/v1/payment_intents", "/v1/payment_intents/pi_1/capture"]
    assert [each.key for each in stripe.changes] == [f"tradepost.acme.{payment.id}.{number}" for number in (1, 2)]
    assert {each.account for each in stripe.asked} == {"acct_1Acme"}
    sent = stripe.changes[0].params
    assert (sent["amount"], sent["currency"]) == (str(payment.amount.amount), "eur")
    assert sent["metadata[tradepost_payment]"] == payment.id
    assert (runs(), len(runs(status="done"))) == ([], 1)


def test_a_message_that_comes_again_asks_for_nothing(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    ((key, item),) = runs()
    run = PaymentRun(store_id="acme", payment_id=payment.id)
    assert carry_out(run, item, key)
    asked = len(stripe.asked)
    assert [carry_out(run, item, key) for _ in range(2)] == [True, True]
    assert len(stripe.asked) == asked
    assert stored(payment.id).operations == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("lost_before", "no_answer"),
        ("lost_after", "no_answer"),
        ("busy", "rate_limited"),
        ("in_use", "http_409"),
        ("broken_after", "http_500"),
    ],
)
@pytest.mark.parametrize("operation", ["authorise", "capture", "refund", "void"])
def test_whatever_is_not_answered_stays_pending_and_is_done_once(
    market: Market, stripe: FakeStripe, time: Clock, operation: str, fault: Fault, reason: str
) -> None:
    payment = _authorised(market, "defer" if operation == "void" else "capture_now")
    if operation in {"refund", "void"}:
        carry_out_all()
        stripe.asked.clear()
        saved(cancelled(stored(payment.id), at=time.at))
    stripe.faults += [fault] if operation != "capture" else []
    if operation == "capture":
        with meanwhile("TransactWriteItems", lambda: stripe.faults.append(fault) if stripe.changes else None, times=9):
            carry_out_all()
    else:
        carry_out_all()
    waiting = stored(payment.id)
    assert waiting.pending is not None
    assert (waiting.pending.kind, waiting.last_error) == (operation, reason)
    assert waiting.captured.amount in {0, payment.amount.amount}
    ((_, item),) = runs()
    assert (item.attempts, item.last_error) == (1, reason)
    assert len(delayed(RULES)) == 1
    stripe.faults.clear()
    _deliver_again(time)
    payment = stored(payment.id)
    assert payment.pending is None
    assert payment.status == {"authorise": "paid", "capture": "paid", "refund": "refunded", "void": "not_authorised"}[operation]
    assert len(stripe.intents) == 1
    assert len(stripe.refunds) == (1 if operation == "refund" else 0)
    assert runs() == []


def test_an_answer_that_takes_too_long_is_unknown(
    market: Market, stripe: FakeStripe, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_provider, "ANSWER_SECONDS", 0.2)
    payment = _authorised(market, "defer")
    stripe.faults.append("slow")
    carry_out_all()
    assert stored(payment.id).last_error == "no_answer"
    _deliver_again(time)
    assert (stored(payment.id).status, len(stripe.intents)) == ("authorised", 1)


@pytest.mark.parametrize("skipping", range(5))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_dies_between_any_two_calls_leaves_nothing_open_and_takes_nothing_twice(
    market: Market, stripe: FakeStripe, time: Clock, skipping: int, when: Any
) -> None:
    payment = _authorised(market)
    ((key, item),) = runs()
    run = PaymentRun(store_id="acme", payment_id=payment.id)
    dead = EndpointConnectionError(endpoint_url="https://dynamodb")
    with failing("TransactWriteItems", dead, skipping=skipping, when=when, times=99), contextlib.suppress(Exception):
        carry_out(run, item, key)
    _deliver_again(time)
    payment = stored(payment.id)
    assert (payment.status, payment.captured, payment.pending) == ("paid", payment.amount, None)
    assert [intent["amount_received"] for intent in stripe.intents.values()] == [payment.amount.amount]
    assert runs() == []


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ],
)
def test_a_declined_card_is_declined_and_another_one_can_be_named(
    market: Market, stripe: FakeStripe, time: Clock, method: str, reason: str
) -> None:
    payment = _authorised(market, method=method)
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.last_error, payment.pending, payment.authorised.amount) == ("declined", reason, None, 0)
    assert runs() == []
    assert market.buyer.post(f"/v1/payments/{payment.id}/authorise", CARD).status == 200
    carry_out_all()
    assert stored(payment.id).status == "paid"
    assert len({each.key for each in stripe.changes}) == 3


def test_a_decline_whose_answer_was_lost_is_found_again(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, method="pm_card_chargeDeclined")
    stripe.faults.append("lost_after")
    carry_out_all()
    assert stored(payment.id).status == "not_authorised"
    _deliver_again(time)
    assert (stored(payment.id).status, len(stripe.intents)) == ("declined", 1)


def test_a_search_that_lags_is_made_up_for_by_the_key(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    stripe.faults.append("lost_after")
    stripe.search_lags = True
    carry_out_all()
    _deliver_again(time)
    assert (stored(payment.id).status, len(stripe.intents)) == ("paid", 1)


def test_under_a_key_that_is_forgotten_nothing_is_asked_any_more(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    stripe.faults.append("lost_after")
    stripe.search_lags = True
    carry_out_all()
    stripe.forget_keys()
    time.advance(hours=24)
    carry_out_all()
    assert stored(payment.id).last_error == "not_found_yet"
    assert len(stripe.intents) == 1
    stripe.search_lags = False
    _deliver_again(time)
    assert (stored(payment.id).status, len(stripe.intents)) == ("paid", 1)


def test_what_never_came_about_ends_after_two_days(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    stripe.faults.append("lost_before")
    carry_out_all()
    time.advance(hours=49)
    carry_out_all()
    assert (stored(payment.id).status, stored(payment.id).last_error) == ("declined", "never_carried_out")
    assert stripe.intents == {}


def test_while_stripe_cannot_be_looked_into_nothing_is_concluded(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    stripe.faults.append("lost_after")
    carry_out_all()
    stripe.look_ups += ["broken", "busy", "lost_before"]
    for _ in range(3):
        _deliver_again(time)
        waiting = stored(payment.id)
        assert waiting.pending is not None
    _deliver_again(time)
    assert stored(payment.id).status == "paid"


def test_a_key_that_stripe_does_not_take_declines_nothing(market: Market, stripe: FakeStripe, time: Clock) -> None:
    stripe.secret_key = "sk_test_exchanged"
    payment = _authorised(market)
    carry_out_all()
    waiting = stored(payment.id)
    assert (waiting.status, waiting.last_error) == ("not_authorised", "stripe_refused_credentials")
    stripe.secret_key = "sk_test_tradepost"
    _deliver_again(time)
    assert stored(payment.id).status == "paid"


def test_what_stays_unanswered_for_days_is_left_to_a_person_who_has_it_asked_again(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    stripe.secret_key = "sk_test_exchanged"
    payment = _authorised(market)
    carry_out_all()
    time.advance(days=5)
    carry_out_all()
    assert (runs(), len(runs(status="failed"))) == ([], 1)
    waiting = stored(payment.id)
    assert waiting.pending is not None
    stripe.secret_key = "sk_test_tradepost"
    assert market.login(owner=True).post(f"/v1/payments/{payment.id}/authorise", CARD).status == 200
    carry_out_all()
    # After so long it is looked up alone: it never came about, and is declined rather than asked for again.
    assert (stored(payment.id).status, stripe.changes[-1].path) == ("declined", "/v1/payment_intents")


def test_what_is_due_later_is_left_to_the_sweeper_until_then(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, "capture_after", days=30)
    carry_out_all()
    assert (stored(payment.id).status, stored(payment.id).captured.amount) == ("authorised", 0)
    ((key, item),) = runs()
    assert item.due_at == payment.created_at + timedelta(days=30)
    # Relayed at once, it comes too early; in the end it is not taken for given up.
    assert carry_out(PaymentRun(store_id="acme", payment_id=payment.id), item, key)
    assert (len(runs()), len(stripe.changes)) == (1, 1)
    time.advance(days=30, minutes=1)
    assert not item.is_over(time.at)
    carry_out_all()
    assert (stored(payment.id).status, runs()) == ("paid", [])


def test_what_waits_for_the_shipment_is_captured_then(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, "capture_on_shipment")
    carry_out_all()
    assert (stored(payment.id).status, runs()) == ("authorised", [])
    saved(shipped(stored(payment.id), at=time.at))
    carry_out_all()
    assert stored(payment.id).status == "paid"
    assert shipped(stored(payment.id), at=time.at) == stored(payment.id)


def test_a_part_is_captured_and_stripe_releases_the_rest(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, "defer")
    carry_out_all()
    reply = market.owner.post(f"/v1/payments/{payment.id}/capture", {"amount": {"amount": 1000, "currency": "EUR"}})
    assert (reply.status, reply.json["status"], reply.json["pending"]["amount"]["amount"]) == (200, "authorised", 1000)
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.captured.amount, payment.authorised.amount) == ("paid", 1000, 1000)
    more = market.owner.post(f"/v1/payments/{payment.id}/capture", {"amount": {"amount": 1, "currency": "EUR"}})
    assert (more.status, more.code) == (409, "invalid_transition")


def test_an_order_that_comes_to_less_gives_back_what_was_captured_beyond(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    payment = _authorised(market)
    carry_out_all()
    saved(amended(stored(payment.id), payment.of(payment.amount.amount - 700), at=time.at))
    assert stored(payment.id).status == "refund_pending"
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.refunded.amount) == ("paid", 700)
    assert [each["amount"] for each in stripe.refunds.values()] == [700]


def test_an_order_that_is_cancelled_while_stripe_is_asked_gives_everything_back(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    payment = _authorised(market)

    def cancel() -> None:
        now = stored(payment.id)
        if now.pending and now.pending.kind == "capture" and now.pending.asked and now.amount.amount:
            saved(cancelled(now, at=time.at))

    with meanwhile("TransactWriteItems", cancel, times=9):
        carry_out_all()
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.refunded, payment.pending) == ("refunded", payment.captured, None)
    assert payment.captured.amount > 0
    assert len(stripe.refunds) == 1


def test_a_refund_that_the_bank_takes_days_for_is_pending_until_stripe_tells(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    payment = _authorised(market)
    carry_out_all()
    stripe.refund_status = "pending"
    reply = market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Returned"})
    assert reply.json["status"] == "refund_pending"
    carry_out_all()
    assert (stored(payment.id).status, stored(payment.id).last_error) == ("refund_pending", "refund_pending")
    refund = stripe.refunds["re_1"]
    refund |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    event = {"id": "evt_1", "type": "refund.failed", "data": {"object": refund}}
    assert tell(market.owner, event, at=time.at).json == {"outcome": "noted"}
    payment = stored(payment.id)
    assert (payment.status, payment.last_error, payment.refunded.amount) == ("refund_failed", "lost_or_stolen_card", 0)
    _deliver_again(time)
    assert runs() == []
    stripe.refund_status = "succeeded"
    assert market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Once more"}).status == 200
    carry_out_all()
    assert stored(payment.id).status == "refunded"


def test_a_refund_that_fails_at_once_has_failed(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    carry_out_all()
    stripe.refund_status = "failed"
    market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Returned"})
    carry_out_all()
    assert (stored(payment.id).status, stored(payment.id).refunded.amount) == ("refund_failed", 0)


def test_what_somebody_captured_at_stripe_itself_is_found_and_not_declined(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    payment = _authorised(market, "defer")
    carry_out_all()
    stripe.intents["pi_1"] |= {"status": "succeeded", "amount_received": 900}
    market.owner.post(f"/v1/payments/{payment.id}/capture")
    carry_out_all()
    assert (stored(payment.id).status, stored(payment.id).captured.amount) == ("paid", 900)


def test_a_hold_that_somebody_captured_before_its_answer_came_is_found_held_and_captured(
    market: Market, stripe: FakeStripe, time: Clock
) -> None:
    payment = _authorised(market, "defer")
    stripe.faults.append("lost_after")
    carry_out_all()
    stripe.intents["pi_1"] |= {"status": "succeeded", "amount_received": 900}
    _deliver_again(time)
    payment = stored(payment.id)
    assert (payment.status, payment.captured.amount, payment.reference, payment.pending) == ("paid", 900, "pi_1", None)
    assert runs() == []


def test_a_hold_that_stripe_let_go_of_is_declined_at_the_capture(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market, "defer")
    carry_out_all()
    stripe.intents["pi_1"]["status"] = "canceled"
    market.owner.post(f"/v1/payments/{payment.id}/capture")
    carry_out_all()
    payment = stored(payment.id)
    assert (payment.status, payment.last_error, payment.authorised.amount) == ("declined", "authorisation_released", 0)


def test_two_workers_at_one_payment_take_the_money_once(market: Market, stripe: FakeStripe, time: Clock) -> None:
    payment = _authorised(market)
    ((key, item),) = runs()
    run = PaymentRun(store_id="acme", payment_id=payment.id)
    with meanwhile("TransactWriteItems", lambda: carry_out(run, item, key)):
        assert carry_out(run, item, key)
    payment = stored(payment.id)
    assert (payment.status, payment.pending, len(stripe.intents)) == ("paid", None, 1)
    assert [entry.event for entry in payment.history] == ["authorised", "captured"]


def test_by_hand_what_is_due_later_is_noted_then(market: Market, time: Clock) -> None:
    order = market.place()
    payment = open_payment(order["id"], "capture_after", days=3)
    assert payment.status == "authorised"
    carry_out_all()
    assert len(runs()) == 1
    time.advance(days=3)
    carry_out_all()
    assert (stored(payment.id).status, runs()) == ("paid", [])


def test_a_message_about_no_payment_is_concluded(market: Market, time: Clock) -> None:
    order = market.place()
    open_payment(order["id"], "capture_after", days=3)
    ((key, item),) = runs()
    assert carry_out(PaymentRun(store_id="acme", payment_id="nothing.there"), item, key)
    assert len(runs(status="failed")) == 1


@pytest.mark.parametrize("currency", ["KWD", "BHD", "JOD", "OMR", "TND"])
@pytest.mark.parametrize("operation", ["authorise", "capture", "refund"])
def test_an_amount_that_stripe_cannot_move_to_the_last_unit_is_refused_before_it_is_asked(
    stripe: FakeStripe, currency: str, operation: OperationKind
) -> None:
    payment = _of(currency)
    asked_for = [_operation(operation, amount, currency) for amount in (1001, 1000)]
    provider = stripe_provider.StripeProvider()
    assert asked_of(provider, payment, asked_for[0]) == Declined("amount_not_supported")
    assert stripe.asked == []
    stripe.intents["pi_0"] = _intent(currency, status="succeeded" if operation == "refund" else "requires_capture")
    assert isinstance(asked_of(provider, payment, asked_for[1]), Succeeded)
    sent = stripe.changes[0].params
    assert sent.get("amount", sent.get("amount_to_capture")) == "1000"


def _of(currency: str) -> Payment:
    sum_ = Total(amount=2000, currency=currency)
    sums = {"amount": sum_, "authorised": sum_, "captured": sum_, "refunded": Total(amount=0, currency=currency)}
    named = {"id": "a.b", "store_id": "acme", "order_number": "O-1", "customer_id": "a", "customer_name": "Blue Door"}
    more = {"provider": "stripe", "capture": planned("defer", at=clock.now()), "created_at": clock.now()}
    return Payment.model_validate({**named, **sums, **more, "method": "pm_card_visa", "reference": "pi_0"})


def _operation(kind: OperationKind, amount: int, currency: str) -> PendingOperation:
    about = Total(amount=amount, currency=currency)
    return PendingOperation(kind=kind, number=1, key="key", amount=about, by=SYSTEM, requested_at=clock.now())


def _intent(currency: str, *, status: str) -> dict[str, Any]:
    sums = {"amount": 2000, "amount_received": 2000 if status == "succeeded" else 0}
    return {"id": "pi_0", "object": "payment_intent", "currency": currency.lower(), "status": status, "metadata": {}, **sums}
