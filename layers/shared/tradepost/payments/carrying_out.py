"""What is due of a payment: the provider is asked for it, and what it says is written down. Whoever dies leaves nothing open.

The intent is stored before the provider is asked, and it is asked under the same key until there is an answer.
"""

import random
import time
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aws_lambda_powertools import Logger

from tradepost.aws.queues import enqueue, enqueue_later
from tradepost.domain import clock
from tradepost.domain.errors import StaleError
from tradepost.domain.outbox import OutboxItem, PaymentRun, pause_after
from tradepost.domain.payments import (
    Declined,
    Outcome,
    Payment,
    PendingOperation,
    Unknown,
    asked,
    begun,
    concluded,
    next_due_at,
)
from tradepost.domain.people import SYSTEM
from tradepost.payments.keeping import keep, noted_by_hand
from tradepost.payments.port import PaymentProvider, asked_of, provider_of
from tradepost.table.outbox import ConcludedError, concluding, put_off
from tradepost.table.payments import payment_key, save_payment
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key, store_owner
from tradepost.table.transaction import Transaction

logger = Logger(service="tradepost")

# Stripe remembers a key for 24 hours at least. Asked under one that it has forgotten, it would do the same a second time.
KEY_IS_KNOWN: Final = timedelta(hours=23)
# What was asked for before that has been carried out by then, or never will be.
SETTLED: Final = timedelta(hours=48)
ENOUGH_SECONDS: Final = 9
"""For how long one message may go on to a next operation: each may take two calls of six seconds."""
_MOST_ROUNDS: Final = 10


class _Message(NamedTuple):
    """The message that is being carried out: it ends with the last that is due of the payment."""

    run: PaymentRun
    item: OutboxItem
    key: Key


def carry_out(message: PaymentRun, item: OutboxItem, key: Key) -> bool:
    """Do what is due of a payment, and conclude the message with the last of it; False if the queue must bring it again.

    What is not due yet is left to the sweeper. What nobody knows the outcome of is asked for again later, by this message.
    """
    told, started = _Message(message, item, key), time.monotonic()
    for _ in range(_MOST_ROUNDS):
        payment = _read(message)
        try:
            if payment is None:
                concluding(key, item, at=clock.now(), failure="obsolete").commit()
                return True
            if payment.is_by_hand or begun(payment, at=clock.now()).pending is None:
                return _at_rest(payment, told)
            if time.monotonic() - started > ENOUGH_SECONDS:
                break
            about, operation = _intended(payment)
        except ConcludedError:
            return True
        except StaleError:
            # The order, a person, the provider's own news or another worker changed it meanwhile: look again.
            continue
        outcome = _answer(provider_of(about), about, operation)
        if isinstance(outcome, Unknown):
            _note(about, outcome)
            return _tried_later(told, outcome)
        if _written(about, operation, outcome, told):
            return True
    return not enqueue({key: "rules"})


def _read(run: PaymentRun) -> Payment | None:
    return Reader().find(payment_key(run.store_id, run.payment_id), Payment)


def _at_rest(payment: Payment, message: _Message) -> bool:
    """Conclude a message after which no provider need be asked; one that came before its time waits for it."""
    at, item = clock.now(), message.item
    noted = noted_by_hand(payment, at=at) if payment.is_by_hand else payment
    if noted is payment and item.due_at is not None and item.due_at > at and next_due_at(payment, at=at) is not None:
        return True
    tx = concluding(message.key, item, at=at)
    if noted is not payment:
        keep(tx, noted)
    tx.commit()
    return True


def _intended(payment: Payment) -> tuple[Payment, PendingOperation]:
    """Write down what the provider is about to be asked for: from here on it may have been done. Raises `StaleError`."""
    at = clock.now()
    tx = _transaction(payment, at)
    about = save_payment(tx, asked(begun(payment, at=at), at=at))
    tx.commit()
    if about.pending is None:
        raise LookupError("nothing is pending")
    return about, about.pending


def _answer(provider: PaymentProvider, payment: Payment, operation: PendingOperation) -> Outcome:
    """Ask for an operation. One that was asked for before is looked up first, and never asked under a key that is forgotten."""
    age = clock.now() - (operation.first_asked_at or operation.requested_at)
    if operation.asked > 1:
        known = provider.look_up(payment, operation)
        if known is not None:
            return known
        if age >= SETTLED:
            return Declined("never_carried_out")
        if age >= KEY_IS_KNOWN:
            return Unknown("not_found_yet")
    return asked_of(provider, payment, operation)


def _written(payment: Payment, operation: PendingOperation, outcome: Outcome, message: _Message) -> bool:
    """Write down what the provider said, however the payment changed meanwhile; True if the message is over with that."""
    is_over = False
    for _ in range(_MOST_ROUNDS):
        at = clock.now()
        following = begun(concluded(payment, outcome, at=at), at=at)
        try:
            if following.pending is not None:
                tx = _transaction(payment, at)
                save_payment(tx, following)
            else:
                tx = _transaction(payment, at) if is_over else concluding(message.key, message.item, at=at)
                keep(tx, following)
            _audit(tx, operation, outcome, following)
            tx.commit()
        except ConcludedError:
            # The message was given up, or another worker was through with it. What the provider said still counts.
            is_over = True
        except StaleError:
            pass
        else:
            return following.pending is None
        fresh = _read(message.run)
        if fresh is None or fresh.pending is None or fresh.pending.key != operation.key:
            return is_over
        payment = fresh
    return False


def _audit(tx: Transaction, operation: PendingOperation, outcome: Outcome, payment: Payment) -> None:
    said = "declined" if isinstance(outcome, Declined) else "carried_out"
    amount = operation.amount.amount
    tx.audit(f"payment:{said}", payment.id, operation=operation.kind, amount=amount, status=payment.status)


def _note(payment: Payment, outcome: Unknown) -> None:
    """Show with the payment why its operation is still pending."""
    at = clock.now()
    tx = _transaction(payment, at)
    save_payment(tx, concluded(payment, outcome, at=at))
    try:
        tx.commit()
    except StaleError:
        logger.info("payment changed meanwhile", payment=payment.id)


def _tried_later(message: _Message, outcome: Unknown) -> bool:
    """Let the message come back after a while. After days it is left to a person to have it asked for again."""
    at, item = clock.now(), message.item
    if item.is_over(at):
        logger.error("payment left open", payment=message.run.payment_id, reason=outcome.reason)
        concluding(message.key, item, at=at, failure=outcome.reason).commit()
        return True
    pause = pause_after(item.attempts + 1, crowded=outcome.crowded, chance=random.random())  # noqa: S311  # jitter, not a secret
    enqueue_later(message.key, "rules", after=pause)
    put_off(message.key, item, until=at + pause, error=outcome.reason)
    logger.warning("payment asked for again", payment=message.run.payment_id, reason=outcome.reason)
    return True


def _transaction(payment: Payment, at: datetime) -> Transaction:
    return Transaction(store_owner(payment.store_id), SYSTEM, SYSTEM, at)
