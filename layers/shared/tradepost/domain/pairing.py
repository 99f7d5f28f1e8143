"""Pairing: a signed-in person lets a device in by a code that lives for two minutes and serves once."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from tradepost.domain.limits import RateLimit
from tradepost.domain.values import Entity, Instant

PAIRING_LIFETIME: Final = timedelta(minutes=2)
WRONG_CODES: Final = RateLimit(
    "wrong-pairing-codes", 20, timedelta(minutes=5), "too_many_attempts", "Too many codes were wrong. Wait a moment."
)


class Pairing(Entity):
    """An offer to let a device in. Only a digest of its code is stored, and that is its id.

    It is made in a session, and worth nothing any more once that is over.
    """

    entity: ClassVar = "pairing"

    id: str
    store_id: str
    member_id: str
    session_id: str
    offered_at: Instant

    @property
    def valid_until(self) -> datetime:
        """When the code is of no use any more."""
        return self.offered_at + PAIRING_LIFETIME

    def is_live(self, at: datetime) -> bool:
        """Tell whether the code may still be exchanged."""
        return at < self.valid_until
