"""What Stripe tells by itself: that an authorisation lapsed, that a bank sent a refund back, how an open question ended.

Told twice, late or in any order, it comes to the same: news of what is over already changes nothing. News that would change
something, but comes while something else is being asked for, is refused: Stripe tells it again, for days.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from tradepost.domain.errors import ConflictError
from tradepost.domain.payments import (
    Declined,
    Outcome,
    Payment,
    PendingOperation,
    Succeeded,
    captured_elsewhere,
    concluded,
    lapsed,
    refund_reverted,
    refunded_after_all,
)
from tradepost.payments.stripe_units import minor_units

TOLERANCE: Final = 300
"""How many seconds old a signature may be: whoever overheard one cannot use it for longer."""
STORE, PAYMENT, OPERATION = "tradepost_store", "tradepost_payment", "tradepost_operation"
"""The metadata by which what Stripe tells leads back to a payment."""


class EventData(BaseModel):
    """What an event is about, as it was then."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    object: Mapping[str, Any]


class StripeEvent(BaseModel):
    """An event, as far as it matters here. `account` is the connected account that it happened in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str = Field(max_length=255)
    type: str = Field(max_length=255)
    account: str | None = None
    data: EventData

    @property
    def metadata(self) -> Mapping[str, str]:
        """What we wrote on the object when we asked for it."""
        found = self.data.object.get("metadata")
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def is_signed(body: str, header: str, secret: str, *, at: datetime) -> bool:
    """Tell whether Stripe sent a body: `t=<seconds>,v1=<HMAC of seconds.body>`, with one `v1` for each secret in use."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or len(times[0]) > 12:  # noqa: PLR2004  # seconds
        return False
    expected = hmac.new(secret.encode(), f"{times[0]}.{body}".encode(), "sha256").hexdigest()
    genuine = [hmac.compare_digest(expected.encode(), value.encode()) for name, _, value in parts if name == "v1"]
    return any(genuine) and abs(at.timestamp() - int(times[0])) <= TOLERANCE


def heard(payment: Payment, event: StripeEvent, *, at: datetime) -> Payment:
    """Return a payment after some news; the very same one if it says nothing new. Raises `ConflictError` for news too early."""
    told = event.data.object
    kind, _, what = event.type.partition(".")
    if kind == "payment_intent":
        return _of_intent(payment, what, told, at=at)
    if kind == "refund" or event.type == "charge.refund.updated":
        return _of_refund(payment, told, event.metadata.get(OPERATION), at=at)
    return payment


def _of_intent(payment: Payment, what: str, told: Mapping[str, Any], *, at: datetime) -> Payment:
    intent, pending = str(told.get("id")), payment.pending
    metadata = told.get("metadata") or {}
    is_asked_for = pending is not None and pending.kind == "authorise" and metadata.get(OPERATION) == pending.key
    if is_asked_for:
        outcome = _authorisation(what, told, intent)
        return concluded(payment, outcome, at=at) if outcome else payment
    if payment.reference != intent:
        return payment
    if pending is not None:
        outcome = _of_present(pending, what, told, intent)
        return concluded(payment, outcome, at=at) if outcome else payment
    match what:
        case "canceled":
            return lapsed(payment, reference=intent, at=at)
        case "succeeded":
            return captured_elsewhere(payment, _amount(told, "amount_received"), reference=intent, at=at)
    return payment


def _authorisation(what: str, told: Mapping[str, Any], intent: str) -> Outcome | None:
    match what:
        case "amount_capturable_updated":
            return Succeeded(intent)
        case "succeeded":
            # Somebody captured it in Stripe's own pages before we heard that it was held.
            return Succeeded(intent, _amount(told, "amount_received"))
        case "payment_failed" | "canceled":
            error = told.get("last_payment_error") or {}
            return Declined(str(error.get("decline_code") or error.get("code") or "card_declined"))
    return None


def _of_present(pending: PendingOperation, what: str, told: Mapping[str, Any], intent: str) -> Outcome | None:
    match pending.kind, what:
        case "capture", "succeeded":
            return Succeeded(intent, _amount(told, "amount_received"))
        case "capture", "canceled":
            return Declined("authorisation_released")
        case "void", "canceled":
            return Succeeded(intent)
        case "void", "succeeded":
            return Declined("captured_already")
    return None


def _of_refund(payment: Payment, told: Mapping[str, Any], operation: str | None, *, at: datetime) -> Payment:
    refund, status, pending = str(told.get("id")), told.get("status"), payment.pending
    reason = str(told.get("failure_reason") or f"refund_{status}")
    if pending is not None:
        if pending.kind != "refund" or operation != pending.key:
            _must_be_no_news(payment, pending, told, at=at)
            return payment
        refused = Declined(reason, refund)
        ended: Mapping[str, Outcome] = {"succeeded": Succeeded(refund), "failed": refused, "canceled": refused}
        outcome = ended.get(str(status))
        return concluded(payment, outcome, at=at) if outcome else payment
    match status:
        case "succeeded":
            return refunded_after_all(payment, _amount(told, "amount"), refund=refund, at=at)
        case "failed" | "canceled":
            return refund_reverted(payment, refund=refund, reason=reason, at=at)
    return payment


def _must_be_no_news(payment: Payment, pending: PendingOperation, told: Mapping[str, Any], *, at: datetime) -> None:
    """Refuse news of another refund than the one that is asked for, if the books would differ by it once that has ended."""
    status = "paid" if pending.kind == "refund" else payment.status
    at_rest = payment.model_copy(update={"pending": None, "status": status})
    if _of_refund(at_rest, told, None, at=at) is not at_rest:
        said = f"Stripe has yet to answer to “{pending.kind}”. Tell this again when it has."
        raise ConflictError("operation_pending", said, pending=pending.kind)


def _amount(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    return minor_units(found, str(told.get("currency"))) if isinstance(found, int) else 0
