"""Passwords: long, not guessed at once, kept as argon2id, and the same however a keyboard spells them."""

import unicodedata

import pytest

from tradepost.domain.errors import InvalidError
from tradepost.domain.passwords import MAX_LENGTH, MIN_LENGTH, check_password, hash_password, password_matches

GOOD = "five tall ships at noon"


def code(password: str, *personal: str) -> str | None:
    """Return why a password is refused; None if it is not."""
    try:
        check_password(password, personal=personal)
    except InvalidError as refused:
        assert [fault.pointer for fault in refused.faults] == ["/password"]
        assert password not in str(refused)
        return refused.code
    return None


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "żółta łódź na Wiśle",
        "пять высоких кораблей",
        "五隻高大的船在中午時分停泊於港口",
        "🚪🔑🏠🌊⛵🌞🌲🪨🐟🐚🌧🌈🔥🌙⭐",
        "x%9Kf2#qLw8!zRt",
    ],
)
def test_there_are_no_rules_of_composition(password: str) -> None:
    assert code(password) is None


@pytest.mark.parametrize("length", [1, MIN_LENGTH - 1, MAX_LENGTH + 1, 1000])
def test_length_is_the_rule(length: int) -> None:
    assert code(("five tall ships at noon " * 50)[:length]) == "password_length"


def test_length_counts_what_a_person_sees_typed_as_one() -> None:
    decomposed = unicodedata.normalize("NFD", "ééééééééééééé")  # 13 letters, 26 code points
    assert code(decomposed) == "password_length"


@pytest.mark.parametrize(
    "password", ["password1234567", "aaaaaaaaaaaaaaaaaaaa", "123456789012345", "qwertyuiopasdfgh", "abcabcabcabcabcabc"]
)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    assert code(password) == "password_common"


@pytest.mark.parametrize("password", ["ida.holm@doors.test", "holmholmholmholm", "IdaHolmIdaHolmIdaHolm"])
def test_what_an_acquaintance_would_try_first_is_refused(password: str) -> None:
    assert code(password, "ida.holm@doors.test", "Ida Holm") == "password_common"


def test_a_hash_is_argon2id_and_never_the_same_twice() -> None:
    one, other = hash_password(GOOD), hash_password(GOOD)
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert password_matches(GOOD, one)
    assert password_matches(GOOD, other)
    assert not password_matches(GOOD + " ", one)


def test_a_letter_is_the_same_however_it_is_composed() -> None:
    kept = hash_password("crème brûlée à midi")
    assert password_matches(unicodedata.normalize("NFD", "crème brûlée à midi"), kept)


def test_nobody_has_a_password() -> None:
    assert not password_matches(GOOD, None)
    assert not password_matches("nobody's password, " * 2, None)


def test_a_weak_password_is_never_hashed() -> None:
    with pytest.raises(InvalidError) as refused:
        hash_password("short", pointer="/owner/password")
    assert refused.value.faults[0].pointer == "/owner/password"
