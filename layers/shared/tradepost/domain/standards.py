"""Codes that standards define: currencies with their decimals (ISO 4217), and time zones (IANA)."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field


def _known_currency(code: str) -> str:
    from iso4217 import Currency  # it parses the standard's table: a cold start that only new stores and price lists need

    if code not in Currency or Currency(code).exponent is None:
        raise ValueError("is not an ISO 4217 currency that prices can be in, such as EUR")
    return code


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not an IANA time zone, such as Europe/Berlin")
    return name


type KnownCurrency = Annotated[str, Field(max_length=3), AfterValidator(_known_currency)]
type TimeZone = Annotated[str, Field(max_length=100), AfterValidator(_known_time_zone)]


def decimals_of(currency: str) -> int:
    """Return how many decimals a currency has: 2 for EUR, 0 for JPY."""
    from iso4217 import Currency  # as above

    return Currency(currency).exponent or 0
