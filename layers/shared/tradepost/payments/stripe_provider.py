"""Stripe as the provider: a PaymentIntent for each authorisation, captured by us, asked for by Stripe's own library.

Whatever Stripe does not answer for sure (a timeout, too many requests, a fault on its side, a key in use) stays unknown. Its
library is loaded by the first call alone, and tries nothing again by itself: that is done by the outbox, under the same key.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tradepost.aws.secrets import forget_stripe, stripe_secrets
from tradepost.domain.payments import Declined, Outcome, Payment, PendingOperation, Succeeded, Unknown
from tradepost.payments.stripe_events import OPERATION, PAYMENT, STORE
from tradepost.payments.stripe_units import NOT_TAKEN, is_taken, minor_units, stripe_units
from tradepost.settings import settings

if TYPE_CHECKING:
    from stripe import StripeError
    from stripe._v1_services import V1Services

CONNECT_SECONDS: Final = 2
ANSWER_SECONDS: Final = 4


class StripeProvider:
    """The port, spoken to Stripe."""

    def authorise(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Hold the amount on the card. One that wants to be asked by its bank is declined: nobody is there to answer."""
        refusal = _refusal(operation)
        if refusal is not None:
            return refusal
        asked_for: Any = {
            "amount": _units(operation),
            "currency": operation.amount.currency.lower(),
            "payment_method": payment.method,
            "payment_method_types": ["card"],
            "capture_method": "manual",
            "confirm": True,
            "error_on_requires_action": True,
            "description": f"Order {payment.order_number}",
            "metadata": _metadata(payment, operation),
        }
        return _asked(lambda stripe: _held(stripe.payment_intents.create(asked_for, _under(payment, operation))))

    def capture(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Take so much of what is held; Stripe releases the rest."""
        refusal = _refusal(operation)
        if refusal is not None:
            return refusal
        asked_for: Any = {"amount_to_capture": _units(operation)}
        intent, options = _intent(payment), _under(payment, operation)
        found = _asked(lambda stripe: _taken(stripe.payment_intents.capture(intent, asked_for, options)))
        return self._unless_it_was_done(found, payment, operation)

    def refund(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Give so much back."""
        refusal = _refusal(operation)
        if refusal is not None:
            return refusal
        asked_for: Any = {
            "payment_intent": _intent(payment),
            "amount": _units(operation),
            "metadata": _metadata(payment, operation),
        }
        return _asked(lambda stripe: _given(stripe.refunds.create(asked_for, _under(payment, operation))))

    def void(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Let go of what is held."""
        intent, options = _intent(payment), _under(payment, operation)
        found = _asked(lambda stripe: _let_go(stripe.payment_intents.cancel(intent, {}, options)))
        return self._unless_it_was_done(found, payment, operation)

    def look_up(self, payment: Payment, operation: PendingOperation) -> Outcome | None:
        """Tell from Stripe's own books what became of an operation."""
        match operation.kind:
            case "authorise":
                return _read(lambda stripe: _first_held(stripe, payment, operation))
            case "refund":
                return _read(lambda stripe: _found_refund(stripe, payment, operation))
            case "capture":
                return _read(lambda stripe: _taken(_retrieved(stripe, payment)))
            case "void":
                return _read(lambda stripe: _let_go(_retrieved(stripe, payment)))

    def _unless_it_was_done(self, found: Outcome, payment: Payment, operation: PendingOperation) -> Outcome:
        """Look a refusal up that is about the state of things: what Stripe refuses may just have been done already."""
        if not isinstance(found, Declined) or found.reason != "payment_intent_unexpected_state":
            return found
        return self.look_up(payment, operation) or Unknown(found.reason)


def _asked(ask: Callable[["V1Services"], Outcome | None]) -> Outcome:
    """Ask Stripe to do something, and tell a refusal from what nobody knows."""
    import stripe

    secrets = stripe_secrets()
    if secrets is None:
        return Unknown("stripe_not_set_up")
    try:
        return ask(_client(secrets.secret_key)) or Unknown("not_done_yet")
    except stripe.CardError as error:
        decline_code = error.error.decline_code if error.error else None
        return Declined(decline_code or error.code or "card_declined")
    except stripe.InvalidRequestError as error:
        return Declined(error.code or "invalid_request")
    except stripe.StripeError as error:
        return _unknown(error)


def _read(look: Callable[["V1Services"], Outcome | None]) -> Outcome | None:
    """Look something up at Stripe: whatever keeps it from answering says nothing of what is asked about."""
    import stripe

    secrets = stripe_secrets()
    if secrets is None:
        return Unknown("stripe_not_set_up")
    try:
        return look(_client(secrets.secret_key))
    except stripe.StripeError as error:
        return _unknown(error)


def _unknown(error: "StripeError") -> Unknown:
    import stripe

    if isinstance(error, stripe.RateLimitError):
        return Unknown("rate_limited", crowded=True)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # The key was exchanged, or the account has left us: what was asked is not refused by that.
        forget_stripe()
        return Unknown("stripe_refused_credentials")
    if isinstance(error, stripe.APIConnectionError):
        return Unknown("no_answer")
    return Unknown(error.code or f"http_{error.http_status}")


@cache
def stripe_provider() -> StripeProvider:
    """Return Stripe."""
    return StripeProvider()


@cache
def _client(secret_key: str) -> "V1Services":
    import stripe

    client = stripe.StripeClient(
        secret_key,
        max_network_retries=0,
        base_addresses={"api": settings().stripe_address},
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
    )
    return client.v1


def _held(intent: Any) -> Outcome:
    match intent.status:
        case "requires_capture":
            return Succeeded(intent.id)
        case "succeeded":
            # Somebody captured it in Stripe's own pages before we heard that it was held.
            return Succeeded(intent.id, minor_units(intent.amount_received, intent.currency))
        case "requires_payment_method" | "canceled":
            error = intent.last_payment_error
            return Declined(getattr(error, "decline_code", None) or getattr(error, "code", None) or "card_declined")
    return Unknown(f"payment_intent_{intent.status}")


def _taken(intent: Any) -> Outcome | None:
    match intent.status:
        case "succeeded":
            return Succeeded(intent.id, minor_units(intent.amount_received, intent.currency))
        case "canceled":
            return Declined("authorisation_released")
        case "requires_capture":
            return None
    return Unknown(f"payment_intent_{intent.status}")


def _let_go(intent: Any) -> Outcome | None:
    match intent.status:
        case "canceled":
            return Succeeded(intent.id)
        case "succeeded":
            return Declined("captured_already")
        case "requires_capture":
            return None
    return Unknown(f"payment_intent_{intent.status}")


def _given(refund: Any) -> Outcome:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id)
        case "failed" | "canceled":
            return Declined(getattr(refund, "failure_reason", None) or f"refund_{refund.status}", refund.id)
    # The payer's bank takes its time, days even; Stripe tells when it is through.
    return Unknown(f"refund_{refund.status}")


def _retrieved(stripe: "V1Services", payment: Payment) -> Any:
    return stripe.payment_intents.retrieve(_intent(payment), {}, _of(payment))


def _first_held(stripe: "V1Services", payment: Payment, operation: PendingOperation) -> Outcome | None:
    query = f"metadata['{OPERATION}']:'{operation.key}'"
    found = stripe.payment_intents.search({"query": query, "limit": 1}, _of(payment)).data
    return _held(found[0]) if found else None


def _found_refund(stripe: "V1Services", payment: Payment, operation: PendingOperation) -> Outcome | None:
    listed: Any = stripe.refunds.list({"payment_intent": _intent(payment), "limit": 100}, _of(payment)).data
    found = [refund for refund in listed if getattr(refund.metadata, OPERATION, None) == operation.key]
    return _given(found[0]) if found else None


def _refusal(operation: PendingOperation) -> Declined | None:
    """Return why Stripe need not be asked for an amount: it takes none like it."""
    amount, currency = operation.amount.amount, operation.amount.currency
    if currency in NOT_TAKEN:
        return Declined("currency_not_supported")
    return None if is_taken(amount, currency) else Declined("amount_not_supported")


def _units(operation: PendingOperation) -> int:
    return stripe_units(operation.amount.amount, operation.amount.currency)


def _metadata(payment: Payment, operation: PendingOperation) -> dict[str, str]:
    return {STORE: payment.store_id, PAYMENT: payment.id, OPERATION: operation.key}


def _intent(payment: Payment) -> str:
    if payment.reference is None:
        raise LookupError("nothing is authorised at Stripe")
    return payment.reference


def _of(payment: Payment) -> Any:
    return {"stripe_account": payment.account} if payment.account else {}


def _under(payment: Payment, operation: PendingOperation) -> Any:
    return {**_of(payment), "idempotency_key": operation.key}
