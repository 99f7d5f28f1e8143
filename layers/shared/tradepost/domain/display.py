"""Money, dates and addresses as people read them, in mails and on pages; the same whatever the machine's locale is."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from iso3166 import countries_by_alpha2

from tradepost.domain.customers import PostalAddress
from tradepost.domain.standards import decimals_of
from tradepost.domain.values import Money

_NO_BREAK: Final = "\u00a0"
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def display_money(money: Money) -> str:
    """Write an amount with its currency's decimals: `EUR 1,250.00`, `JPY 1,250`."""
    decimals = decimals_of(money.currency)
    units, rest = divmod(abs(money.amount), 10**decimals)
    fraction = f".{rest:0{decimals}d}" if decimals else ""
    return f"{money.currency}{_NO_BREAK}{'-' if money.amount < 0 else ''}{units:,}{fraction}"


def in_units(money: Money) -> Decimal:
    """Return an amount in units of its currency, exactly: 12.50 for 1250 cents, 1250 for as many yen."""
    return Decimal(f"{money.amount}e-{decimals_of(money.currency)}")


def display_date(instant: datetime, time_zone: str) -> str:
    """Write the day that an instant falls on in a time zone: `6 December 2026`."""
    return display_day(instant.astimezone(ZoneInfo(time_zone)))


def display_day(day: date) -> str:
    """Write a day: `6 December 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def display_time(instant: datetime, time_zone: str) -> str:
    """Write an instant in a time zone, to the minute: `6 December 2026, 14:30 CET`."""
    local = instant.astimezone(ZoneInfo(time_zone))
    zone = local.tzname() or ""
    # Zones without letters of their own go by their offset.
    named = zone if zone.isalpha() else f"UTC{zone}"
    return f"{display_date(instant, time_zone)}, {local:%H:%M}{_NO_BREAK}{named}"


def address_lines(address: PostalAddress) -> list[str]:
    """Write an address line by line, as on a label."""
    town = f"{address.postal_code} {address.city}"
    lines = [address.company, address.name, address.street, town, address.region, country_name(address.country)]
    return [line for line in lines if line]


def masked(email: str) -> str:
    """Write an address so that whoever has it knows it and nobody else learns it: `b•••@bluedoor.test`."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def country_name(code: str) -> str:
    """Return a country's name in English; the code itself if it is none."""
    country = countries_by_alpha2.get(code)
    return country.apolitical_name if country else code


def countries() -> Iterable[tuple[str, str]]:
    """Return every country's code and name, by name."""
    return sorted(((code, country.apolitical_name) for code, country in countries_by_alpha2.items()), key=lambda pair: pair[1])
