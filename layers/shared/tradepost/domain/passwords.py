"""Passwords: 15 to 128 characters, no rules of composition, none that is guessed at once; kept as argon2id only."""

import re
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from tradepost.domain.errors import Fault, InvalidError

MIN_LENGTH: Final = 15
MAX_LENGTH: Final = 128
# zxcvbn's estimate of the tries it takes: below 10^5 a password falls within the log-in limits of a few months.
MIN_GUESSES_LOG10: Final = 5.0
_MEASURED: Final = 64
_SEPARATORS: Final = re.compile(r"[\s@._-]+")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobodys_hash() -> str:
    """Return a hash that no password has, to spend the same time on an address that has no account."""
    return _hasher().hash("nobody's password, " * 2)


def hash_password(password: str, *, pointer: str = "/password", personal: tuple[str, ...] = ()) -> str:
    """Return what is stored of a new password. Raises `InvalidError` as `check_password` does."""
    check_password(password, pointer=pointer, personal=personal)
    return _hasher().hash(_normal(password))


def check_password(password: str, *, pointer: str = "/password", personal: tuple[str, ...] = ()) -> None:
    """Refuse a new password that is too short, too long or too common, with `InvalidError`.

    `personal` are words that an attacker would try first: the person's name and address, the store's name.
    """
    text = _normal(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise InvalidError(Fault(pointer, f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"), code="password_length")
    from zxcvbn import zxcvbn  # 70 ms of dictionaries that only a new password needs

    # Whole and in parts: both `ida holm` and `holm`.
    words = [word for words in personal for word in (words, *_SEPARATORS.split(words)) if word]
    estimate = float(zxcvbn(text[:_MEASURED], user_inputs=words)["guesses_log10"])
    if estimate < MIN_GUESSES_LOG10:
        raise InvalidError(Fault(pointer, "is among the first that anybody would try"), code="password_common")


def password_matches(password: str, password_hash: str | None) -> bool:
    """Tell whether a password is the one; without a hash it takes as long and says no."""
    try:
        _hasher().verify(password_hash or _nobodys_hash(), _normal(password))
    except VerificationError:
        return False
    return password_hash is not None


def _normal(password: str) -> str:
    # Keyboards spell the same letter in different ways.
    return unicodedata.normalize("NFC", password)
