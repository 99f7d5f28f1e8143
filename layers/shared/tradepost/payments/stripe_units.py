"""In which units Stripe counts money: those of ISO 4217, but for a few currencies."""

from typing import Final

NOT_TAKEN: Final = frozenset({"MGA"})
"""The ariary has fifths, of which Stripe takes none."""
_FACTORS: Final = {"ISK": 100, "UGX": 100}
_LAST_DIGIT_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Of the currencies with three decimals Stripe takes two: the last digit must be 0."""


def is_taken(amount: int, currency: str) -> bool:
    """Tell whether Stripe can move an amount to the last unit. What it cannot is never rounded."""
    return currency.upper() not in _LAST_DIGIT_ZERO or amount % 10 == 0


def stripe_units(amount: int, currency: str) -> int:
    """Return an amount as Stripe counts it."""
    return amount * _FACTORS.get(currency.upper(), 1)


def minor_units(units: int, currency: str) -> int:
    """Return what Stripe counted in minor units."""
    return units // _FACTORS.get(currency.upper(), 1)
