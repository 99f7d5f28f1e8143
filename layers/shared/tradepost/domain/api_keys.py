"""API keys: with which a reseller's own system asks and orders in its name, within the scopes that each key was made for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import Token
from tradepost.domain.limits import RateLimit
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Entity, Instant, Text

MAX_LIVE_KEYS: Final = 20
KEY_TOUCH: Final = timedelta(minutes=5)
"""How exactly it is known when a key was used last."""
MAX_OVERLAP_DAYS: Final = 7
KEY_REQUESTS: Final = RateLimit(
    "api-key", 600, timedelta(minutes=1), "too_many_requests", "This API key has asked too often within a minute. Wait a while."
)

type KeyScope = Literal["catalog:read", "invoices:read", "orders:read", "orders:write", "payments:read"]
type KeyStatus = Literal["active", "replaced", "expired", "revoked"]

SCOPES: Final[Mapping[KeyScope, frozenset[Permission]]] = {
    "catalog:read": frozenset({Permission.BROWSE_CATALOG, Permission.READ_CHECKOUT_OPTIONS}),
    "invoices:read": frozenset({Permission.BROWSE_BILLING}),
    "orders:read": frozenset({Permission.BROWSE_ORDERS}),
    "orders:write": frozenset({Permission.PLACE_ORDERS, Permission.MOVE_ORDERS}),
    "payments:read": frozenset({Permission.BROWSE_PAYMENTS}),
}
"""What each scope lets a key do, as far as the person may for whom it acts. No two scopes let it do the same."""
EVERY_KEY: Final = frozenset({Permission.READ_PROFILE})
"""What a key may do without any scope: ask who it is."""


def _sorted(scopes: tuple[KeyScope, ...]) -> tuple[KeyScope, ...]:
    return tuple(sorted(set(scopes)))


type KeyScopes = Annotated[tuple[KeyScope, ...], AfterValidator(_sorted), Field(max_length=20)]


def scope_for(permission: str) -> KeyScope | None:
    """Return the scope that lets a key do something; None where no key may at all, or every key may."""
    return next((scope for scope, permissions in SCOPES.items() if permission in permissions), None)


class ApiKey(Entity):
    """A key of a reseller. Only a digest of its secret is stored, and that is its id; `prefix` is enough to recognise it by.

    It acts for `member_id`, the reseller's contact. `expires_at` is when a key ends that was replaced by another one.
    """

    entity: ClassVar = "api_key"
    aside: ClassVar = frozenset({"last_used_at"})

    id: str
    store_id: str
    customer_id: str
    member_id: str
    name: Text
    prefix: str
    scopes: tuple[KeyScope, ...]
    created_at: Instant
    created_by: Party
    last_used_at: Instant | None = None
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def party(self) -> Party:
        """The key as an actor."""
        return Party(type="api_key", id=self.id, name=self.name)

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the key was made for."""
        return EVERY_KEY.union(*(SCOPES[scope] for scope in self.scopes))

    def status_at(self, at: datetime) -> KeyStatus:
        """Return where the key stands. One that is replaced still works until it expires."""
        if self.revoked_at:
            return "revoked"
        if self.expires_at and at >= self.expires_at:
            return "expired"
        return "replaced" if self.replaced_by else "active"

    def is_live(self, member: Member, *, at: datetime) -> bool:
        """Tell whether it still acts for its person: a place that was lost and given again takes new keys."""
        works = self.status_at(at) in {"active", "replaced"}
        return works and member.status == "active" and member.joined_at is not None and member.admitted_at <= self.created_at

    def must_work(self, at: datetime) -> None:
        """Refuse what is only for a key that works. Raises `ConflictError`."""
        if self.status_at(at) in {"revoked", "expired"}:
            raise ConflictError("api_key_ended", "This API key does not work any more.", key_status=self.status_at(at))

    def replaced(self, by: str, *, overlap: timedelta, at: datetime) -> "ApiKey":
        """Return the key as another one takes its place: it ends after the overlap.

        Raises `ConflictError` for one that has ended, or was replaced before.
        """
        self.must_work(at)
        if self.replaced_by:
            raise ConflictError("api_key_replaced", "This API key was replaced by another one. Rotate that one.")
        return self.model_copy(update={"replaced_by": by, "expires_at": at + overlap})

    def revoked(self, at: datetime) -> "ApiKey":
        """Return the key as it ends at once, whatever it was."""
        return self if self.revoked_at else self.model_copy(update={"revoked_at": at})


def recognisable(token: Token) -> str:
    """Return what is kept of a key's text: how it begins, and the end of its checksum. Nothing of its secret is in it."""
    store_id, text = token.owner.partition(".")[0], str(token)
    return f"tp_key_{store_id}…{text[-4:]}"


class KeyRing(Entity):
    """Which keys of a reseller work, and until when; None is for good. Two who add keys at once cannot add too many by it."""

    entity: ClassVar = "key_ring"

    store_id: str
    customer_id: str
    ends: Mapping[str, Instant | None] = Field(default_factory=dict)

    def working(self, at: datetime) -> dict[str, datetime | None]:
        """Return those that have not ended."""
        return {key: end for key, end in self.ends.items() if end is None or at < end}

    def with_key(self, key_id: str, *, at: datetime) -> "KeyRing":
        """Add a key. Raises `ConflictError` if there are as many as may be."""
        working = self.working(at)
        if len(working) >= MAX_LIVE_KEYS:
            detail = f"A reseller may have {MAX_LIVE_KEYS} API keys. Revoke one that is not needed any more."
            raise ConflictError("too_many_api_keys", detail)
        return self.model_copy(update={"ends": {**working, key_id: None}})

    def ending(self, key_id: str, end: datetime, *, at: datetime) -> "KeyRing":
        """Note when a key ends, which may be now."""
        ends = self.model_copy(update={"ends": {**self.ends, key_id: end}})
        return self.model_copy(update={"ends": ends.working(at)})
