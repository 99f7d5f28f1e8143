"""Pairing codes: spelled for people, read however people type them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.ids import PairingCode, derived_pairing_code, parse_pairing_code
from tradepost.domain.pairing import Pairing

KEY = b"k" * 64
SLUGS = st.from_regex(re.compile(r"[a-z0-9](?:[a-z0-9-]{1,38}[a-z0-9])", re.ASCII), fullmatch=True)


@given(SLUGS, st.text())
def test_what_is_spelled_is_read_in_any_letter_case_and_spacing(slug: str, nonce: str) -> None:
    code = derived_pairing_code(KEY, slug, nonce)
    spelled = str(code)
    for typed in (
        spelled,
        spelled.lower(),
        spelled.upper(),
        f" {spelled}\t",
        spelled[: len(slug)] + spelled[len(slug) :].replace("-", " "),
    ):
        assert parse_pairing_code(typed) == code


@given(st.text(max_size=250))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    code = parse_pairing_code(text)
    assert code is None or parse_pairing_code(str(code)) == code


def test_a_code_comes_from_the_key_its_store_and_its_nonce() -> None:
    codes = {
        str(derived_pairing_code(key, *seed))
        for key in (KEY, b"other")
        for seed in (("acme", "1"), ("acme", "2"), ("rival", "1"))
    }
    assert len(codes) == 6
    assert derived_pairing_code(KEY, "acme", "1") == derived_pairing_code(KEY, "acme", "1")
    assert str(PairingCode("acme", "7Q4K9DMWX2PT")) == "acme-7Q4K-9DMW-X2PT"


@pytest.mark.parametrize(
    "text", ["", "acme", "7Q4K-9DMW-X2PT", "acme-7Q4K-9DMW-X2P0", "acme-7Q4K-9DMW-X2PI", "-acme-7Q4K-9DMW-X2PT", "a" * 500]
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert parse_pairing_code(text) is None


def test_an_offer_is_good_for_two_minutes() -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    pairing = Pairing(id="d", store_id="acme", member_id="acme.rep", session_id="s", offered_at=at)
    assert pairing.is_live(at + timedelta(seconds=119))
    assert not pairing.is_live(at + timedelta(seconds=120))
