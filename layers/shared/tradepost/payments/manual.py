"""Money that comes and goes without a provider: the store notes it, and that is all there is to do."""

from tradepost.domain.payments import Outcome, Payment, PendingOperation, Succeeded


class ByHand:
    """The provider of stores that have none: whatever is noted has happened."""

    def authorise(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Count on the money."""
        return Succeeded()

    def capture(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Note that it came."""
        return Succeeded()

    def refund(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Note that it went back."""
        return Succeeded()

    def void(self, payment: Payment, operation: PendingOperation) -> Outcome:
        """Count on it no longer."""
        return Succeeded()

    def look_up(self, payment: Payment, operation: PendingOperation) -> Outcome | None:
        """Say yes: it is noted together with what was asked for, so that nothing is ever left open."""
        return Succeeded()
