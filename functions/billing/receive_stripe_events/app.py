"""POST /v1/stripe-webhooks: what Stripe tells by itself of payments, signed by it."""

from functools import partial
from typing import Final, Literal

from pydantic import ValidationError

from tradepost.aws.secrets import stripe_secrets
from tradepost.domain.errors import BadRequestError, UnavailableError
from tradepost.domain.payments import Payment
from tradepost.domain.people import Party
from tradepost.http.app import ANYONE, Answer, Caller, make_app
from tradepost.payments.keeping import keep
from tradepost.payments.stripe_events import PAYMENT, STORE, StripeEvent, heard, is_signed
from tradepost.table.payments import payment_key
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction

app = make_app()

STRIPE: Final = Party(type="system", name="Stripe")


class EventReceipt(Answer):
    """What came of an event."""

    outcome: Literal["noted", "ignored"]


@app.post("/v1/stripe-webhooks", allow=ANYONE, idempotent=False)
def receive_event(caller: Caller) -> EventReceipt:
    """Take an event of Stripe's, whose signature is proven by the header `Stripe-Signature`.

    It is for Stripe alone. What says nothing new, or is about no payment of ours, is ignored: Stripe tells things twice, and
    in any order.
    """
    secrets = stripe_secrets()
    if secrets is None:
        raise UnavailableError("stripe_not_set_up", "This deployment does not talk to Stripe.")
    header = caller.facts.headers.get("stripe-signature", "")
    if not is_signed(caller.facts.body, header, secrets.webhook_secret, at=caller.at):
        raise BadRequestError("invalid_signature", "This is not signed by Stripe, or too long ago.")
    try:
        event = StripeEvent.model_validate_json(caller.facts.body)
    except ValidationError:
        raise BadRequestError("malformed_event", "This is no event.") from None
    return caller.decided(partial(_noted, event, caller))


def _noted(event: StripeEvent, caller: Caller) -> EventReceipt:
    store_id, payment_id = (event.metadata.get(name, "") for name in (STORE, PAYMENT))
    before = caller.reader.find(payment_key(store_id, payment_id), Payment) if store_id and payment_id else None
    if before is None or before.is_by_hand or before.account != event.account:
        return EventReceipt(outcome="ignored")
    payment = heard(before, event, at=caller.at)
    if payment is before:
        return EventReceipt(outcome="ignored")
    tx = Transaction(store_owner(before.store_id), STRIPE, STRIPE, caller.at)
    payment = keep(tx, payment)
    tx.audit("payment:reported", payment.id, event=event.type, before=before.status, after=payment.status)
    tx.commit()
    return EventReceipt(outcome="noted")


handler = app.handler
