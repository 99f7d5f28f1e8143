"""The small values: text that can be printed, addresses that exist in form, money that is never rounded."""

import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tradepost.domain.standards import KnownCurrency, TimeZone, decimals_of
from tradepost.domain.values import (
    MAX_AMOUNT,
    Country,
    Day,
    Email,
    LongText,
    Money,
    Price,
    Quantity,
    Slug,
    Text,
    clean_text,
    folded,
    mailable,
    printable,
)

TEXT: TypeAdapter[str] = TypeAdapter(Text)
EMAIL: TypeAdapter[str] = TypeAdapter(Email)
AMOUNTS = st.integers(-MAX_AMOUNT // 1000, MAX_AMOUNT // 1000)


def accepted(kind: Any, value: object) -> bool:
    """Tell whether a value is one of a kind."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@given(st.text(max_size=200))
def test_text_is_kept_as_it_is_or_refused(value: str) -> None:
    try:
        kept = TEXT.validate_python(value)
    except ValidationError:
        return
    assert kept == unicodedata.normalize("NFC", value).strip()
    assert kept
    assert TEXT.validate_python(kept) == kept
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in kept)


@pytest.mark.parametrize(
    "value",
    [
        "متجر النور",
        "חנות האור",
        "青いドア",
        "👩‍👩‍👧‍👦",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\U0001fae9",
        "नमस्ते",
        "O'Hara & <b>",
        "Zoë",
        "-",
    ],
)
def test_text_of_every_script_is_text(value: str) -> None:
    assert TEXT.validate_python(value) == unicodedata.normalize("NFC", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\u00a0",
        "\u200b",
        "\u200d\u2060",
        "a\x00",
        "a\nb",
        "a\rb",
        "\x1b[31m",
        "a\ud83d",
        "a\u202eb",
        "a\u2066b",
        "a\u2028b",
        "\ufeffa",
        "\uffff",
        "a\ufdd0",
        "a\U0001ffff",
        "\ue000",
        "x" * 201,
        None,
        5,
    ],
)
def test_what_cannot_be_printed_is_no_text(value: object) -> None:
    assert not accepted(Text, value)


def test_longer_text_may_have_lines() -> None:
    assert TypeAdapter(LongText).validate_python("one\r\ntwo\n") == "one\ntwo"
    assert not accepted(LongText, "one\x0btwo")


@given(st.emails())
def test_an_address_is_kept_with_its_local_part_as_it_was_written(email: str) -> None:
    assume(accepted(Email, email))  # hypothesis knows addresses that the mail of today does not
    kept = EMAIL.validate_python(email)
    assert kept.rpartition("@")[0] == email.rpartition("@")[0]
    assert EMAIL.validate_python(kept) == kept
    assert mailable(kept).rpartition("@")[2].isascii()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ida",
        "@doors.test",
        "ida@",
        "ida@doors",
        "a b@doors.test",
        "ida@doors.test\r\nBcc: x@y.test",
        "ida@doors.test\n",
        "Ida <ida@doors.test>",
        "ida@doors.test,eve@doors.test",
        "ida@[127.0.0.1]",
        "ida@-doors.test",
        "ida\x00@doors.test",
        "ida\ud83d@doors.test",
        f"{'i' * 65}@doors.test",
        f"i@{'d' * 250}.test",
        None,
        5,
    ],
)
def test_what_is_no_address_is_refused(value: object) -> None:
    assert not accepted(Email, value)


def test_a_domain_in_any_script_is_mailed_to_in_ascii() -> None:
    kept = EMAIL.validate_python("Ida@Blaue-Tür.test")
    assert (kept, mailable(kept)) == ("Ida@blaue-tür.test", "Ida@xn--blaue-tr-d6a.test")
    assert EMAIL.validate_python(mailable(kept)) == kept


def test_an_address_that_was_sent_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValidationError) as refused:
        EMAIL.validate_python("ida@doors.test\r\nBcc: x@y.test")
    assert "Bcc" not in str(refused.value.errors()[0]["msg"])


@given(AMOUNTS, AMOUNTS, st.integers(0, 1000))
def test_money_adds_up_exactly(one: int, other: int, times: int) -> None:
    first, second = Money(amount=one, currency="EUR"), Money(amount=other, currency="EUR")
    assert (first + second).amount == one + other
    assert (first * times).amount == one * times
    assert (first + second) * times == first * times + second * times


def test_money_of_two_currencies_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="EUR and USD"):
        Money(amount=1, currency="EUR") + Money(amount=1, currency="USD")


@pytest.mark.parametrize("amount", [1.0, 1.5, "1", True, None, MAX_AMOUNT + 1, -1, float("nan")])
def test_a_price_is_a_whole_number_of_cents_from_nothing_up(amount: object) -> None:
    assert not accepted(Price, {"amount": amount, "currency": "EUR"})


@pytest.mark.parametrize("quantity", [0, -1, 10**12, 1.0, "1", True, None])
def test_a_quantity_is_a_whole_number_that_somebody_can_want(quantity: object) -> None:
    assert not accepted(Quantity, quantity)


@pytest.mark.parametrize(("code", "decimals"), [("EUR", 2), ("JPY", 0), ("BHD", 3)])
def test_a_currency_has_its_own_decimals(code: str, decimals: int) -> None:
    assert TypeAdapter(KnownCurrency).validate_python(code) == code
    assert decimals_of(code) == decimals


@pytest.mark.parametrize("code", ["XXX", "XAU", "eur", "EURO", "", "€", "BTC", None])
def test_a_currency_that_no_price_can_be_in_is_refused(code: object) -> None:
    assert not accepted(KnownCurrency, code)


@pytest.mark.parametrize("zone", ["", "Berlin", "europe/berlin", "../etc/passwd", "UTC+1", None])
def test_a_time_zone_that_there_is_not_is_refused(zone: object) -> None:
    assert not accepted(TimeZone, zone)
    assert accepted(TimeZone, "Europe/Berlin")


@pytest.mark.parametrize("country", ["de", "XX", "DEU", "", "D", None])
def test_a_country_that_there_is_not_is_refused(country: object) -> None:
    assert not accepted(Country, country)
    assert accepted(Country, "DE")


@pytest.mark.parametrize("slug", ["a", "A-b", "-ab", "ab-", "a b", "a.b", "a_b", "ab\n", "ä-b", "a" * 41])
def test_what_cannot_stand_in_an_address_is_no_slug(slug: str) -> None:
    assert not accepted(Slug, slug)
    assert accepted(Slug, "a" * 40)


@pytest.mark.parametrize(
    "day", ["2026-02-30", "22.11.2026", "2026-11-22T10:00", 1795341600, "1795341600", "２０２６-11-22", ""]
)
def test_a_day_is_a_date_alone(day: object) -> None:
    assert not accepted(Day, day)
    assert accepted(Day, "2026-11-22")


@given(st.text())
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert folded(folded(text)) == folded(text) or "\u0345" in unicodedata.normalize("NFD", text)
    assert folded(f" {text} ") == folded(text)


@given(st.text())
def test_any_text_can_be_made_printable_and_a_printable_one_stays_what_it_is(text: str) -> None:
    shown = printable(text)
    assert clean_text(shown) == shown
    try:
        assert shown == clean_text(text)
    except ValueError:
        assert shown != text


def test_what_cannot_be_printed_leaves_a_space() -> None:
    assert printable(" blue\x00lamp\u202e\ud800 ") == "blue lamp"
