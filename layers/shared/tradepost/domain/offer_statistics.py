"""Figures of offers: what one counts for from its first sending on, and what of it was won."""

from collections.abc import Iterable
from typing import NamedTuple

from tradepost.domain.offers import Offer, totals_of


class OfferFigures(NamedTuple):
    """How many offers were sent, how many of them accepted, and what they and those come to; in minor units."""

    made: int = 0
    won: int = 0
    value: int = 0
    won_value: int = 0

    @property
    def win_rate(self) -> float | None:
        """Which part of them was won, to four places; None where there is none."""
        return round(self.won / self.made, 4) if self.made else None


def offer_figures(offer: Offer) -> OfferFigures:
    """Return what one offer counts for: as it was sent last, whatever became of it; once it was accepted, as it was."""
    totals = totals_of(offer)
    if totals is None:
        return OfferFigures()
    is_won, amount = offer.status == "accepted", totals.total.amount
    return OfferFigures(1, int(is_won), amount, amount if is_won else 0)


def sum_of(figures: Iterable[OfferFigures]) -> OfferFigures:
    """Add figures up."""
    return OfferFigures(*(sum(numbers) for numbers in zip(OfferFigures(), *figures, strict=True)))
