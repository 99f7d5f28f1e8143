"""Numbers that people read out: drawn at random, and drawn again where somebody has the same."""

import secrets
from collections.abc import Callable
from typing import Final

from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import readable_number

ATTEMPTS: Final = 5


def under_free_number[A](prefix: str, write: Callable[[str, ConflictError], A]) -> A:
    """Write something under a number that is drawn at random; `write` raises the error it is given if that is taken."""
    taken = ConflictError("busy", "No free number was found. Try again.")
    for _ in range(ATTEMPTS):
        try:
            return write(readable_number(prefix, secrets.token_bytes(8)), taken)
        except ConflictError as refusal:
            if refusal is not taken:
                raise
    raise taken
