"""Money, times and addresses in words."""

from datetime import UTC, datetime

import pytest

from tradepost.domain.customers import PostalAddress
from tradepost.domain.display import address_lines, countries, display_date, display_money, display_time, masked
from tradepost.domain.values import Money


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (0, "EUR", "EUR 0.00"),
        (5, "EUR", "EUR 0.05"),
        (123456789, "EUR", "EUR 1,234,567.89"),
        (-1250, "EUR", "EUR -12.50"),
        (1250, "JPY", "JPY 1,250"),
        (1250, "BHD", "BHD 1.250"),
    ],
)
def test_money_shows_the_decimals_of_its_currency(amount: int, currency: str, shown: str) -> None:
    assert display_money(Money(amount=amount, currency=currency)) == shown.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("zone", "date", "time"),
    [
        ("Europe/Berlin", "6 December 2026", "6 December 2026, 00:30 CET"),
        ("America/Los_Angeles", "5 December 2026", "5 December 2026, 15:30 PST"),
        ("Asia/Kathmandu", "6 December 2026", "6 December 2026, 05:15 UTC+0545"),
        ("UTC", "5 December 2026", "5 December 2026, 23:30 UTC"),
    ],
)
def test_times_are_those_of_the_time_zone(zone: str, date: str, time: str) -> None:
    instant = datetime(2026, 12, 5, 23, 30, 59, tzinfo=UTC)
    assert display_date(instant, zone) == date
    assert display_time(instant, zone) == time.replace(":30 ", ":30\u00a0").replace(":15 ", ":15\u00a0")


def test_an_address_leaves_out_what_it_lacks() -> None:
    address = PostalAddress(company="Blue Door", street="Quay 7", postal_code="20457", city="Hamburg", country="DE")
    assert address_lines(address) == ["Blue Door", "Quay 7", "20457 Hamburg", "Germany"]


def test_countries_are_sorted_by_name_and_complete() -> None:
    listed = list(countries())
    assert dict(listed)["TW"] == "Taiwan"
    assert [name for _, name in listed] == sorted(name for _, name in listed)
    assert len(listed) >= 249


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("buyer@bluedoor.test", "b•••@bluedoor.test"),
        ("b@bluedoor.test", "b•••@bluedoor.test"),
        ('"a@b"@bluedoor.test', '"•••@bluedoor.test'),
        ("ægir@døren.test", "æ•••@døren.test"),
    ],
)
def test_a_masked_address_is_known_to_whoever_has_it_and_tells_nobody_else_how_long_it_is(address: str, shown: str) -> None:
    assert masked(address) == shown
