"""What a payment provider has to offer, and which one carries a payment out."""

from typing import Protocol

from tradepost.domain.payments import Outcome, Payment, PendingOperation


class PaymentProvider(Protocol):
    """Whoever moves the money. It is asked for the operation that is pending, under the key that the operation has.

    Asked twice under one key, it does it once and answers alike: so it may be asked until it answers. What is not answered
    for sure is `Unknown`, and nobody guesses.
    """

    def authorise(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Hold the amount on the payer's side."""

    def capture(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Take so much of what is held, and let go of the rest."""

    def refund(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Give so much of what was taken back."""

    def void(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Let go of what is held."""

    def look_up(self, payment: Payment, operation: PendingOperation) -> Outcome | None:
        """Tell what became of an operation that was asked for before; None if it never heard of it."""


def asked_of(provider: PaymentProvider, payment: Payment, operation: PendingOperation) -> Outcome:
    """Ask a provider for an operation."""
    ask = {
        "authorise": provider.authorise,
        "capture": provider.capture,
        "refund": provider.refund,
        "void": provider.void,
    }[operation.kind]
    return ask(payment, operation)


def provider_of(payment: Payment) -> PaymentProvider:
    """Return who carries a payment out. Stripe's library is loaded only by whoever asks Stripe."""
    if payment.is_by_hand:
        from tradepost.payments.manual import ByHand

        return ByHand()
    from tradepost.payments.stripe_provider import stripe_provider

    return stripe_provider()
