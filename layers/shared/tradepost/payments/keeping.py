"""Writing a payment together with what is due of it: noted at once where there is no provider, otherwise announced."""

from datetime import datetime, timedelta

from tradepost.domain.outbox import PaymentRun
from tradepost.domain.payments import Payment, begun, concluded, next_due_at
from tradepost.payments.manual import ByHand
from tradepost.payments.port import asked_of
from tradepost.table.payments import save_payment
from tradepost.table.transaction import Transaction


def keep(tx: Transaction, payment: Payment) -> Payment:
    """Write a new or changed payment, and see to it that what is due of it is done; returns it with its new version.

    Whoever places, changes, ships or cancels an order calls this with what `domain/payments.py` made of the payment by that.
    By hand everything due is noted in the same transaction. Otherwise a provider will be asked for it: the intent is written
    here, and a `PaymentRun` is announced, as it is for what is due by the clock later on.
    """
    payment = noted_by_hand(payment, at=tx.at) if payment.is_by_hand else begun(payment, at=tx.at)
    next_at = next_due_at(payment, at=tx.at)
    if next_at is not None:
        run = PaymentRun(store_id=payment.store_id, payment_id=payment.id)
        tx.announce(run, after=max(next_at - tx.at, timedelta()))
    return save_payment(tx, payment)


def noted_by_hand(payment: Payment, *, at: datetime) -> Payment:
    """Carry out all that is pending or due of a payment without a provider."""
    provider, payment = ByHand(), begun(payment, at=at)
    while payment.pending is not None:
        outcome = asked_of(provider, payment, payment.pending)
        payment = begun(concluded(payment, outcome, at=at), at=at)
    return payment
