"""Payments of orders, as the consumer of `rules` opens them, and what is told of them."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.support.functions import Reply
from tests.support.stripe_server import signature
from tests.support.table import records
from tradepost.domain import clock
from tradepost.domain.orders import Order
from tradepost.domain.outbox import OutboxItem, PaymentRun
from tradepost.domain.payments import CaptureAction, Payment, opened, planned
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import PaymentProviderName, Store
from tradepost.payments.carrying_out import carry_out
from tradepost.payments.keeping import keep
from tradepost.table.orders import order_key
from tradepost.table.payments import payment_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import STORE, Key, store_owner
from tradepost.table.transaction import Transaction


def written(store_id: str = "acme") -> Transaction:
    """Begin a write of the system."""
    return Transaction(store_owner(store_id), SYSTEM, SYSTEM, clock.now())


def open_payment(
    order_id: str,
    action: CaptureAction = "capture_now",
    *,
    provider: PaymentProviderName = "manual",
    account: str | None = None,
    days: int = 0,
    store_id: str = "acme",
) -> Payment:
    """Open the payment of an order, and do or announce what is due of it."""
    reader = Reader()
    store = reader.get(STORE.key(store=store_id), Store)
    store = store.model_copy(update={"payment_provider": provider, "stripe_account": account})
    order = reader.get(order_key(store_id, order_id), Order)
    tx = written(store_id)
    payment = keep(tx, opened(order, store=store, capture=planned(action, at=tx.at, days=days), at=tx.at))
    tx.commit()
    return payment


def stored(payment_id: str, store_id: str = "acme") -> Payment:
    """Return a payment as it is stored."""
    return Reader().get(payment_key(store_id, payment_id), Payment)


def saved(payment: Payment) -> Payment:
    """Write a payment and what is due of it."""
    tx = written(payment.store_id)
    payment = keep(tx, payment)
    tx.commit()
    return payment


def runs(*, status: str = "queued") -> list[tuple[Key, OutboxItem]]:
    """Return the announced runs of payments, in the order in which they were announced."""
    found = [(record.key, record.load(OutboxItem)) for record in records(OutboxItem.entity)]
    wanted = [(key, item) for key, item in found if isinstance(item.message, PaymentRun) and item.status == status]
    return sorted(wanted, key=lambda each: each[1].id)


def carry_out_all() -> None:
    """Hand every run that is due to its consumer, once."""
    for key, item in runs():
        if item.due_at is None or item.due_at <= clock.now():
            assert isinstance(item.message, PaymentRun)
            assert carry_out(item.message, item, key)


def tell(client: Any, event: dict[str, Any], *, at: datetime, header: str | None = None) -> Reply:
    """Send an event as Stripe does."""
    body = json.dumps(event)
    signed = signature(body, int(at.timestamp())) if header is None else header
    reply: Reply = client.as_(None).post("/v1/stripe-webhooks", body, key=None, headers={"Stripe-Signature": signed})
    return reply


def payments_for_casting(order_ids: Iterable[str]) -> dict[str, str]:
    """Return payments of three orders: one that is owed, one that is paid, and one that waits for a card."""
    owed, paid, card = order_ids
    open_payment(owed, "defer")
    open_payment(paid, "capture_now")
    open_payment(card, "capture_now", provider="stripe")
    return {"owed_payment_id": owed, "paid_payment_id": paid, "card_payment_id": card}
