"""What Stripe tells: believed only with its signature, and once, however often, late or out of order it comes."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.ordering import Market, open_market
from tests.support.paying import open_payment, runs, saved, stored, tell, written
from tests.support.stripe_server import signature
from tests.support.table import counted_calls
from tests.support.world import Shop
from tradepost.domain.payments import Declined, Outcome, Payment, Succeeded, asked, cancelled, concluded
from tradepost.settings import settings
from tradepost.table.payments import save_payment


@pytest.fixture
def market(shop: Shop) -> Market:
    return open_market(shop)


def _asked(market: Market, action: Any = "defer", *, account: str | None = None) -> Payment:
    """Return a payment whose card Stripe is being asked for."""
    order = market.place()
    open_payment(order["id"], action, provider="stripe", account=account)
    market.buyer.post(f"/v1/payments/{order['id']}/authorise", {"payment_method": "pm_card_visa"})
    return _put(asked(stored(order["id"]), at=stored(order["id"]).created_at))


def _put(payment: Payment) -> Payment:
    tx = written()
    payment = save_payment(tx, payment)
    tx.commit()
    return payment


def _authorised(market: Market, **more: Any) -> Payment:
    payment = _asked(market, **more)
    return _put(concluded(payment, Succeeded("pi_1"), at=payment.created_at))


def _paid(market: Market) -> Payment:
    payment = _authorised(market)
    market.owner.post(f"/v1/payments/{payment.id}/capture")
    return _put(concluded(stored(payment.id), Succeeded("pi_1"), at=payment.created_at))


def _event(payment: Payment, type_: str, *, operation: str | None = None, account: str | None = None, **told: Any) -> Any:
    key = operation or (payment.pending.key if payment.pending else "earlier")
    named = {"tradepost_store": payment.store_id, "tradepost_payment": payment.id, "tradepost_operation": key}
    about = {"id": "pi_1", "currency": "eur", "metadata": named, **told}
    return {"id": "evt_1", "type": type_, "data": {"object": about}, **({"account": account} if account else {})}


@pytest.mark.parametrize("flaw", ["none", "wrong secret", "too old", "too new", "other body", "nonsense", "two times", "no v1"])
def test_what_stripe_did_not_sign_just_now_is_refused_and_changes_nothing(market: Market, time: Clock, flaw: str) -> None:
    payment = _asked(market)
    event = _event(payment, "payment_intent.amount_capturable_updated")
    now = int(time.at.timestamp())
    header = {
        "none": "",
        "wrong secret": signature("{}", now, secret="whsec_other"),
        "too old": None,
        "too new": None,
        "other body": signature("{}", now),
        "nonsense": "t=x,v1=y",
        "two times": f"t={now},t={now},v1=00",
        "no v1": f"t={now},v0=00",
    }[flaw]
    at = time.at
    if flaw in {"too old", "too new"}:
        at = time.at + timedelta(seconds=-301 if flaw == "too old" else 302)
    reply = tell(market.owner, event, at=at, header=header)
    assert (reply.status, reply.code) == (400, "invalid_signature")
    assert stored(payment.id) == payment


def test_one_of_several_signatures_is_enough(market: Market, time: Clock) -> None:
    event = _event(_asked(market), "payment_intent.amount_capturable_updated")
    genuine = signature(json.dumps(event), int(time.at.timestamp()))
    assert tell(market.owner, event, at=time.at, header=f"{genuine.replace(',v1=', ',v1=00,v1=')},v0=old").status == 200


def test_a_hold_that_stripe_tells_of_is_noted_once(market: Market, time: Clock) -> None:
    payment = _asked(market)
    event = _event(payment, "payment_intent.amount_capturable_updated")
    with counted_calls() as calls:
        assert tell(market.owner, event, at=time.at).json == {"outcome": "noted"}
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    noted = stored(payment.id)
    assert (noted.status, noted.reference, noted.pending, noted.authorised) == ("authorised", "pi_1", None, noted.amount)
    for _ in range(2):
        assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}
    late = _event(payment, "payment_intent.payment_failed", operation=payment.pending and payment.pending.key)
    assert tell(market.owner, late, at=time.at).json == {"outcome": "ignored"}
    assert stored(payment.id) == noted


def test_what_is_due_after_it_is_announced(market: Market, time: Clock) -> None:
    payment = _asked(market, "capture_now")
    before = len(runs())
    tell(market.owner, _event(payment, "payment_intent.amount_capturable_updated"), at=time.at)
    pending = stored(payment.id).pending
    assert pending is not None
    assert (pending.kind, pending.asked, len(runs())) == ("capture", 0, before + 1)


def test_a_decline_is_noted_with_its_reason(market: Market, time: Clock) -> None:
    payment = _asked(market)
    error = {"code": "card_declined", "decline_code": "lost_card"}
    tell(market.owner, _event(payment, "payment_intent.payment_failed", last_payment_error=error), at=time.at)
    assert (stored(payment.id).status, stored(payment.id).last_error) == ("declined", "lost_card")


def test_news_of_another_try_says_nothing_of_this_one(market: Market, time: Clock) -> None:
    payment = _asked(market)
    for type_ in ("payment_intent.payment_failed", "payment_intent.amount_capturable_updated", "payment_intent.canceled"):
        event = _event(payment, type_, operation="tradepost.acme.other.9", id="pi_9")
        assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}
    assert stored(payment.id) == payment


@pytest.mark.parametrize("change", ["store", "payment", "account", "none"])
def test_what_is_about_no_payment_of_ours_is_ignored(market: Market, time: Clock, change: str) -> None:
    payment = _asked(market, account="acct_1Acme")
    event = _event(payment, "payment_intent.amount_capturable_updated", account="acct_1Acme")
    metadata = event["data"]["object"]["metadata"]
    match change:
        case "store":
            metadata["tradepost_store"] = "rival"
        case "payment":
            metadata["tradepost_payment"] = "nothing.there"
        case "account":
            event["account"] = "acct_1Rival"
        case "none":
            event["data"]["object"]["metadata"] = None
    reply = tell(market.owner, event, at=time.at)
    assert (reply.status, reply.json) == (200, {"outcome": "ignored"})
    assert stored(payment.id) == payment


def test_a_hold_that_lapsed_is_gone_and_takes_a_card_anew(market: Market, time: Clock) -> None:
    payment = _authorised(market)
    event = _event(payment, "payment_intent.canceled")
    assert tell(market.owner, event, at=time.at).json == {"outcome": "noted"}
    gone = stored(payment.id)
    assert (gone.status, gone.authorised.amount, gone.method, gone.reference) == ("not_authorised", 0, None, None)
    assert (gone.last_error, gone.history[-1].event) == ("authorisation_lapsed", "lapsed")
    assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}


def test_what_was_captured_at_stripe_itself_is_noted_once(market: Market, time: Clock) -> None:
    payment = _authorised(market)
    event = _event(payment, "payment_intent.succeeded", amount_received=900)
    assert tell(market.owner, event, at=time.at).json == {"outcome": "noted"}
    assert (stored(payment.id).status, stored(payment.id).captured.amount) == ("paid", 900)
    assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}
    # A capture that comes before a cancellation, and is told after it, stays one.
    assert tell(market.owner, _event(payment, "payment_intent.canceled"), at=time.at).json == {"outcome": "ignored"}


def test_the_answer_to_a_void_may_come_by_news(market: Market, time: Clock) -> None:
    payment = saved(cancelled(_authorised(market), at=time.at))
    assert payment.pending is not None
    assert payment.pending.kind == "void"
    tell(market.owner, _event(payment, "payment_intent.canceled"), at=time.at)
    assert (stored(payment.id).status, stored(payment.id).pending) == ("not_authorised", None)


def test_a_refund_that_the_bank_sent_back_has_failed_once(market: Market, time: Clock) -> None:
    payment = _paid(market)
    market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Returned"})
    asked_for = stored(payment.id)
    assert asked_for.pending is not None
    key = asked_for.pending.key
    done = _event(asked_for, "refund.updated", id="re_1", status="succeeded", amount=payment.amount.amount)
    assert tell(market.owner, done, at=time.at).json == {"outcome": "noted"}
    assert stored(payment.id).status == "refunded"
    failed = _event(payment, "refund.failed", operation=key, id="re_1", status="failed", failure_reason="declined")
    assert tell(market.owner, failed, at=time.at).json == {"outcome": "noted"}
    back = stored(payment.id)
    assert (back.status, back.refunded.amount, back.last_error) == ("refund_failed", 0, "declined")
    # Whatever of it is told again, in whatever order: it failed.
    for event in (failed, done, failed, done):
        assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}
    assert stored(payment.id) == back


def test_a_failure_that_is_told_before_the_success_it_followed_stays_a_failure(market: Market, time: Clock) -> None:
    payment = _paid(market)
    market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Returned"})
    waiting = stored(payment.id)
    about = {"id": "re_1", "amount": payment.amount.amount}
    tell(market.owner, _event(waiting, "refund.failed", status="failed", **about), at=time.at)
    tell(market.owner, _event(waiting, "refund.updated", status="succeeded", **about), at=time.at)
    assert (stored(payment.id).status, stored(payment.id).refunded.amount) == ("refund_failed", 0)


@pytest.mark.parametrize("answer", [Succeeded("re_2"), Declined("expired_card")])
def test_a_refund_that_fails_while_another_is_asked_for_is_told_again_and_not_lost(
    market: Market, time: Clock, answer: Outcome
) -> None:
    payment = _paid(market)
    part = {"reason": "Scratched", "amount": {"amount": 500, "currency": "EUR"}}
    market.owner.post(f"/v1/payments/{payment.id}/refund", part)
    first = stored(payment.id)
    _put(concluded(first, Succeeded("re_1"), at=time.at))
    market.owner.post(f"/v1/payments/{payment.id}/refund", part)
    waiting = stored(payment.id)
    assert first.pending is not None
    about: Any = {"operation": first.pending.key, "id": "re_1", "amount": 500}
    failed = _event(payment, "refund.failed", status="failed", failure_reason="declined", **about)
    reply = tell(market.owner, failed, at=time.at)
    assert (reply.status, reply.code) == (409, "operation_pending")
    # What says nothing new need not be told again.
    known = _event(payment, "refund.updated", status="succeeded", **about)
    assert tell(market.owner, known, at=time.at).json == {"outcome": "ignored"}
    assert stored(payment.id) == waiting
    _put(concluded(waiting, answer, at=time.at))
    assert tell(market.owner, failed, at=time.at).json == {"outcome": "noted"}
    refunded = 500 if isinstance(answer, Succeeded) else 0
    assert (stored(payment.id).status, stored(payment.id).refunded.amount) == ("refund_failed", refunded)
    assert tell(market.owner, failed, at=time.at).json == {"outcome": "ignored"}


def test_a_refund_that_nobody_waited_for_any_more_is_told_again_while_another_is_asked_for(market: Market, time: Clock) -> None:
    payment = _paid(market)
    market.owner.post(f"/v1/payments/{payment.id}/refund", {"reason": "Returned", "amount": {"amount": 1, "currency": "EUR"}})
    waiting = stored(payment.id)
    done = _event(payment, "refund.updated", operation="given up", id="re_1", status="succeeded", amount=500)
    reply = tell(market.owner, done, at=time.at)
    assert (reply.status, reply.code, stored(payment.id)) == (409, "operation_pending", waiting)
    _put(concluded(waiting, Succeeded("re_2"), at=time.at))
    assert tell(market.owner, done, at=time.at).json == {"outcome": "noted"}
    assert stored(payment.id).refunded.amount == 501


def test_a_hold_that_is_captured_before_anybody_heard_of_it_is_held_and_captured(market: Market, time: Clock) -> None:
    payment = _asked(market)
    event = _event(payment, "payment_intent.succeeded", amount_received=900)
    assert tell(market.owner, event, at=time.at).json == {"outcome": "noted"}
    paid = stored(payment.id)
    assert (paid.status, paid.captured.amount, paid.reference, paid.pending) == ("paid", 900, "pi_1", None)
    assert [entry.event for entry in paid.history][-2:] == ["authorised", "captured"]
    assert tell(market.owner, event, at=time.at).json == {"outcome": "ignored"}


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"id": 5}', '{"id": "evt_1", "type": "x", "data": {"object": null}}'])
def test_a_signed_body_that_is_no_event_is_refused(market: Market, time: Clock, body: str) -> None:
    headers = {"Stripe-Signature": signature(body, int(time.at.timestamp()))}
    reply = market.owner.as_(None).post("/v1/stripe-webhooks", body, key=None, headers=headers)
    assert (reply.status, reply.code) == (400, "malformed_event")


def test_without_a_secret_nothing_is_taken(market: Market, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_ID", "")
    settings.cache_clear()
    reply = tell(market.owner, {"id": "evt_1"}, at=time.at)
    assert (reply.status, reply.code) == (503, "stripe_not_set_up")
    settings.cache_clear()
