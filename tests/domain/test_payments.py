"""Payments by their rules: whatever happens in whatever order, nothing is taken beyond what is held, or given back twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradepost.domain.errors import DomainError
from tradepost.domain.orders import Total
from tradepost.domain.payments import (
    MAX_OPERATIONS,
    TRANSITIONS,
    CaptureAction,
    Declined,
    Payment,
    Succeeded,
    Unknown,
    amended,
    asked,
    authorisation_requested,
    begun,
    cancelled,
    capture_requested,
    captured_elsewhere,
    concluded,
    due,
    lapsed,
    next_due_at,
    planned,
    refund_requested,
    refund_reverted,
    refunded_after_all,
    shipped,
    steps_from,
)
from tradepost.domain.people import SYSTEM
from tradepost.domain.permissions import GRANTS, Role
from tradepost.domain.stores import PaymentProviderName
from tradepost.payments.keeping import noted_by_hand

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
ALLOWED = {
    (source, target)
    for each in TRANSITIONS.values()
    for source in (*each.sources, *each.by_hand, each.asked)
    for target in (*each.targets, each.asked, each.declined)
}
OWNER, BUYER = GRANTS[Role.OWNER], GRANTS[Role.BUYER]


def payment_of(
    amount: int = 10_000, action: CaptureAction = "capture_now", *, provider: PaymentProviderName = "stripe", days: int = 0
) -> Payment:
    nothing = Total(amount=0, currency="EUR")
    return Payment(
        id="customer.order",
        store_id="acme",
        order_number="O-1",
        customer_id="customer",
        customer_name="Blue Door",
        provider=provider,
        amount=Total(amount=amount, currency="EUR"),
        authorised=nothing,
        captured=nothing,
        refunded=nothing,
        capture=planned(action, at=AT, days=days),
        created_at=AT,
    )


def held(**more: Any) -> Payment:
    wanted = authorisation_requested(payment_of(**more), "pm_1", grants=BUYER, by=SYSTEM, at=AT)
    return concluded(wanted, Succeeded("pi_1"), at=AT)


def test_every_state_of_a_payment_is_reached_by_the_table_and_left_by_it() -> None:
    reached = {state for each in TRANSITIONS.values() for state in (*each.targets, each.asked, each.declined)} - {None}
    left = {state for each in TRANSITIONS.values() for state in each.sources}
    assert len(reached) == 8
    assert reached - left == {"refund_pending"}  # which the provider's answer alone ends


def test_who_may_do_what_follows_from_the_table() -> None:
    payment = payment_of()
    assert steps_from(payment, BUYER) == ["authorise"]
    assert steps_from(payment, frozenset()) == []
    assert steps_from(payment_of(provider="manual"), BUYER) == []
    assert set(steps_from(payment_of(provider="manual"), OWNER)) == {"authorise", "capture"}
    assert steps_from(held(), OWNER) == ["capture"]


def test_an_unknown_answer_is_neither_a_yes_nor_a_no() -> None:
    wanted = asked(authorisation_requested(payment_of(), "pm_1", grants=BUYER, by=SYSTEM, at=AT), at=AT)
    waiting = concluded(wanted, Unknown("no_answer"), at=AT)
    assert waiting.pending == wanted.pending
    assert (waiting.status, waiting.authorised.amount, waiting.last_error) == ("not_authorised", 0, "no_answer")


def test_a_deferred_payment_is_due_never_and_a_delayed_one_on_its_day() -> None:
    assert next_due_at(payment_of(action="defer", provider="manual").model_copy(update={"status": "deferred"}), at=AT) is None
    delayed = held(action="capture_after", days=3)
    assert due(delayed, at=AT) is None
    assert next_due_at(delayed, at=AT) == AT + timedelta(days=3)
    assert due(delayed, at=AT + timedelta(days=3)) == ("capture", 10_000)
    waiting = held(action="capture_on_shipment")
    assert next_due_at(waiting, at=AT) is None
    assert due(shipped(waiting, at=AT), at=AT) == ("capture", 10_000)


def test_what_failed_is_not_tried_again_by_itself() -> None:
    refused = concluded(begun(cancelled(held(), at=AT), at=AT), Declined("captured_already"), at=AT)
    assert (refused.status, due(refused, at=AT)) == ("authorised", None)
    declined = concluded(begun(held(), at=AT), Declined("expired_card"), at=AT)
    assert (declined.status, declined.authorised.amount, due(declined, at=AT)) == ("declined", 0, None)


@pytest.mark.parametrize("action", ["capture_now", "defer"])
def test_what_is_cancelled_while_a_card_is_asked_for_is_closed_by_its_decline(action: CaptureAction) -> None:
    wanted = authorisation_requested(payment_of(action=action), "pm_1", grants=BUYER, by=SYSTEM, at=AT)
    gone = concluded(cancelled(wanted, at=AT), Declined("expired_card"), at=AT)
    assert (gone.status, gone.last_error, gone.pending) == ("not_authorised", "expired_card", None)
    assert [entry.event for entry in gone.history][-2:] == ["authorise_declined", "closed"]
    assert steps_from(gone, BUYER) == []


def test_a_hold_that_lapsed_shows_until_another_card_is_named() -> None:
    gone = lapsed(held(), reference="pi_1", at=AT)
    assert (gone.status, gone.last_error, gone.history[-1].event) == ("not_authorised", "authorisation_lapsed", "lapsed")
    assert next_due_at(gone, at=AT) is None
    assert authorisation_requested(gone, "pm_2", grants=BUYER, by=SYSTEM, at=AT).last_error is None


def test_so_many_operations_and_no_more_are_ordered_of_one_payment() -> None:
    payment = noted_by_hand(payment_of(provider="manual"), at=AT).model_copy(update={"operations": MAX_OPERATIONS})
    with pytest.raises(DomainError) as refusal:
        refund_requested(payment, 1, reason="Scratched", by=SYSTEM, at=AT)
    assert refusal.value.code == "too_many_operations"


@given(st.lists(st.integers(1, 10_000), max_size=8), st.lists(st.integers(1, 10_000), max_size=8))
def test_parts_that_are_noted_by_hand_never_come_to_more_than_the_whole(parts: list[int], back: list[int]) -> None:
    payment = payment_of(action="defer", provider="manual")
    for part in parts:
        try:
            payment = noted_by_hand(capture_requested(payment, part, by=SYSTEM, at=AT), at=AT)
        except DomainError as refusal:
            assert refusal.code in {"beyond_authorised", "nothing_to_capture"}
    for part in back:
        try:
            payment = noted_by_hand(refund_requested(payment, part, reason="Back", by=SYSTEM, at=AT), at=AT)
        except DomainError as refusal:
            assert refusal.code in {"beyond_captured", "invalid_transition"}
    assert 0 <= payment.refunded.amount <= payment.captured.amount <= 10_000
    assert payment.captured.amount <= payment.authorised.amount


class PaymentMachine(RuleBasedStateMachine):
    """A payment through Stripe, to which anything may happen, beside a purse that counts what really moved."""

    def __init__(self) -> None:
        super().__init__()
        self.payment = payment_of(action="defer")
        self.at = AT
        self.taken = self.given = 0
        self.refunds: list[tuple[str, int]] = []
        self.keys: list[str] = []

    def _tried(self, change: Any) -> None:
        before = self.payment
        try:
            self.payment = change()
        except DomainError:
            assert self.payment == before

    @rule(method=st.sampled_from(["pm_1", "pm_2"]))
    def authorise(self, method: str) -> None:
        self._tried(lambda: authorisation_requested(self.payment, method, grants=OWNER, by=SYSTEM, at=self.at))

    @rule(amount=st.none() | st.integers(1, 12_000))
    def capture(self, amount: int | None) -> None:
        self._tried(lambda: capture_requested(self.payment, amount, by=SYSTEM, at=self.at))

    @rule(amount=st.none() | st.integers(1, 12_000))
    def refund(self, amount: int | None) -> None:
        self._tried(lambda: refund_requested(self.payment, amount, reason="Back", by=SYSTEM, at=self.at))

    @rule(amount=st.integers(0, 12_000))
    def amend(self, amount: int) -> None:
        self.payment = amended(self.payment, self.payment.of(amount), at=self.at)

    @rule()
    def cancel(self) -> None:
        self.payment = cancelled(self.payment, at=self.at)

    @rule()
    def follow(self) -> None:
        self.payment = begun(self.payment, at=self.at)

    @precondition(lambda self: self.payment.pending)
    @rule(answer=st.sampled_from(["yes", "no", "unknown"]))
    def answer(self, answer: str) -> None:
        operation = self.payment.pending
        assert operation is not None
        self.payment = asked(self.payment, at=self.at)
        if answer == "yes":
            number = operation.number
            if operation.kind == "capture":
                self.taken += operation.amount.amount
            if operation.kind == "refund":
                self.given += operation.amount.amount
                self.refunds.append((f"re_{number}", operation.amount.amount))
            reference = f"re_{number}" if operation.kind == "refund" else f"pi_{number}"
            self.keys.append(operation.key)
            self.payment = concluded(self.payment, Succeeded(reference), at=self.at)
        else:
            outcome = Declined("generic_decline") if answer == "no" else Unknown("no_answer")
            self.payment = concluded(self.payment, outcome, at=self.at)

    @rule()
    def lapse(self) -> None:
        self.payment = lapsed(self.payment, reference=self.payment.reference or "pi_0", at=self.at)

    @rule(amount=st.integers(1, 12_000))
    def capture_elsewhere(self, amount: int) -> None:
        before = self.payment
        self.payment = captured_elsewhere(before, amount, reference=before.reference or "pi_0", at=self.at)
        self.taken += self.payment.captured.amount - before.captured.amount

    @rule()
    def tell_all_again(self) -> None:
        for refund, amount in self.refunds:
            self.payment = refunded_after_all(self.payment, amount, refund=refund, at=self.at)

    @precondition(lambda self: self.refunds)
    @rule(chosen=st.integers(0, 9))
    def revert(self, chosen: int) -> None:
        refund, amount = self.refunds[chosen % len(self.refunds)]
        before = self.payment.refunded.amount
        self.payment = refund_reverted(self.payment, refund=refund, reason="sent_back", at=self.at)
        if self.payment.refunded.amount != before:
            assert before - self.payment.refunded.amount == amount
            self.given -= amount

    @invariant()
    def what_is_written_is_what_moved(self) -> None:
        payment = self.payment
        assert (payment.captured.amount, payment.refunded.amount) == (self.taken, self.given)
        assert 0 <= payment.refunded.amount <= payment.captured.amount <= payment.authorised.amount
        assert len(self.keys) == len(set(self.keys))

    @invariant()
    def every_step_is_one_of_the_table(self) -> None:
        states = "not_authorised", *(entry.to for entry in self.payment.history)
        assert [entry.from_status for entry in self.payment.history] == list(states[:-1])
        assert self.payment.status == states[-1]
        assert {(entry.from_status, entry.to) for entry in self.payment.history if entry.from_status != entry.to} <= ALLOWED
        assert (self.payment.status == "refund_pending") == bool(self.payment.pending and self.payment.pending.kind == "refund")


TestPaymentMachine = PaymentMachine.TestCase
TestPaymentMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
