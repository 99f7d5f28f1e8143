"""/v1/resellers/{id}/api-keys: the keys of a reseller's own systems, made, renamed, rotated and revoked."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import Field, StrictInt

from tradepost.aws.secrets import signing_key
from tradepost.domain.api_keys import MAX_OVERLAP_DAYS, ApiKey, KeyRing, KeyScope, KeyScopes, KeyStatus, recognisable
from tradepost.domain.errors import ConflictError, ForbiddenError, NotFoundError
from tradepost.domain.ids import derived_token, digest, member_id, new_id
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.resellers import Reseller
from tradepost.domain.values import Change, Instant, Text, Value
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.api_keys import api_key_key, find_key_ring, key_ring_key, list_api_keys, save_api_key, save_key_ring
from tradepost.table.people import require_employee
from tradepost.table.records import Record
from tradepost.table.resellers import reseller_key
from tradepost.table.shapes import Key
from tradepost.table.transaction import TokenSeed, Transaction

app = make_app()


class NewApiKey(Value):
    """What to call a key, and what to make it for. Without a scope it can only be asked whose it is."""

    name: Text
    scopes: KeyScopes


class ApiKeyChange(Change):
    """What to change of a key."""

    name: Text | None = None
    scopes: KeyScopes | None = None


class Rotation(Value):
    """For how many days the old key still works beside the new one; 0 ends it at once."""

    overlap_days: Annotated[StrictInt, Field(ge=0, le=MAX_OVERLAP_DAYS)]


class ApiKeyAnswer(Answer):
    """An API key, recognised by its `prefix`: how its text begins and ends. `member_id` is the person it acts for.

    A key that was `replaced` works until it expires.
    """

    id: str
    reseller_id: str
    name: str
    prefix: Annotated[str, Field(examples=["tp_key_acme…3f0c"])]
    scopes: list[KeyScope]
    status: KeyStatus
    member_id: str
    created_at: Instant
    created_by: Party
    last_used_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None
    replaces: str | None
    replaced_by: str | None
    etag: str


class MadeApiKey(ApiKeyAnswer):
    """A new API key, with its whole text, which is shown this once."""

    key: str


class _Held(NamedTuple):
    """A reseller that has been a customer, as it was read."""

    reseller: Reseller
    customer_id: str


def _reseller(ask: Ask) -> list[Key]:
    return [reseller_key(ask.store, ask.path["reseller_id"])]


def _ring(ask: Ask) -> list[Key]:
    # A buyer's customer is known by its credential, which saves the batch that the owner needs.
    return [*_reseller(ask), *([key_ring_key(ask.store, ask.customer)] if ask.customer else [])]


def _named(ask: Ask) -> list[Key]:
    return [*_ring(ask), *([api_key_key(ask.store, ask.customer, ask.path["key_id"])] if ask.customer else [])]


@app.get("/v1/resellers/<reseller_id>/api-keys", allow=Permission.MANAGE_API_KEYS, reads=_reseller)
def list_keys(reseller_id: str, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[ApiKeyAnswer]:
    """List a reseller's API keys, newest first, with those that have ended."""
    reseller = _found(reseller_id, caller)
    if reseller.customer_id is None:
        return Page(items=[])
    bound = ("api-keys", caller.store.id, reseller.id)
    rows = list_api_keys(caller.store.id, reseller.customer_id, limit=limit, after=read_cursor(cursor, *bound))
    items = [_answer(row.load(ApiKey), reseller.id, caller) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/resellers/<reseller_id>/api-keys/<key_id>", allow=Permission.MANAGE_API_KEYS, reads=_named)
def show_key(reseller_id: str, key_id: str, caller: Caller) -> ApiKeyAnswer:
    """Show one API key, without its text."""
    return _answer(_key(_found(reseller_id, caller), key_id, caller), reseller_id, caller)


@app.post("/v1/resellers/<reseller_id>/api-keys", allow=Permission.MANAGE_API_KEYS, status=201, reads=_ring)
def create_key(reseller_id: str, new: NewApiKey, caller: Caller) -> MadeApiKey:
    """Make an API key. Its text is in this answer, and nowhere else: only a digest of it is kept."""
    return caller.decided(partial(_created, reseller_id, new, caller))


@app.patch("/v1/resellers/<reseller_id>/api-keys/<key_id>", allow=Permission.MANAGE_API_KEYS, reads=_named)
def change_key(reseller_id: str, key_id: str, change: ApiKeyChange, caller: Caller) -> ApiKeyAnswer:
    """Rename an API key, or change what it may do from now on."""
    reseller = _found(reseller_id, caller)
    before = caller.match(_managed(reseller, key_id, caller))
    before.must_work(caller.at)
    tx = caller.transaction()
    key = save_api_key(tx, before.model_copy(update=change.given))
    tx.audit("api_key:updated", key.id, fields=sorted(change.given), scopes=list(key.scopes))
    return tx.commit_answering(_answer(key, reseller.id, caller))


@app.delete("/v1/resellers/<reseller_id>/api-keys/<key_id>", allow=Permission.MANAGE_API_KEYS, reads=_named)
def revoke_key(reseller_id: str, key_id: str, caller: Caller) -> None:
    """Revoke an API key, which ends at once, also one that still works beside its successor. It stays in the list."""
    caller.decided(partial(_revoke, reseller_id, key_id, caller))


@app.post(
    "/v1/resellers/<reseller_id>/api-keys/<key_id>/rotate",
    allow=Permission.MANAGE_API_KEYS,
    status=201,
    precondition=True,
    reads=_named,
)
def rotate_key(reseller_id: str, key_id: str, rotation: Rotation, caller: Caller) -> MadeApiKey:
    """Make a new API key in the place of another one, which still works for the days of the overlap."""
    return caller.decided(partial(_rotated, reseller_id, key_id, rotation, caller))


def _created(reseller_id: str, new: NewApiKey, caller: Caller) -> MadeApiKey:
    held = _taking_keys(_found(reseller_id, caller), caller)
    tx = _begin(held, caller)
    made = _Made.of(held, new.name, new.scopes, caller)
    save_key_ring(tx, _ring_of(held, caller).with_key(made.key.id, at=caller.at))
    tx.audit("api_key:created", made.key.id, reseller_id=reseller_id, name=new.name, scopes=list(new.scopes))
    return made.commit(tx, reseller_id, caller)


def _rotated(reseller_id: str, key_id: str, rotation: Rotation, caller: Caller) -> MadeApiKey:
    reseller = _found(reseller_id, caller)
    before = _managed(reseller, key_id, caller)
    held = _taking_keys(reseller, caller)
    # One that was rotated before is told so, whatever version was read of it.
    before.replaced(before.id, overlap=timedelta(), at=caller.at)
    caller.match(before)
    tx = _begin(held, caller)
    made = _Made.of(held, before.name, before.scopes, caller, replaces=before.id)
    old = save_api_key(tx, before.replaced(made.key.id, overlap=timedelta(days=rotation.overlap_days), at=caller.at))
    ring = _ring_of(held, caller).ending(old.id, old.expires_at or caller.at, at=caller.at)
    save_key_ring(tx, ring.with_key(made.key.id, at=caller.at))
    tx.audit("api_key:rotated", old.id, reseller_id=reseller_id, replaced_by=made.key.id, overlap_days=rotation.overlap_days)
    return made.commit(tx, reseller_id, caller)


def _revoke(reseller_id: str, key_id: str, caller: Caller) -> None:
    reseller = _found(reseller_id, caller)
    before = caller.match(_managed(reseller, key_id, caller))
    after = before.revoked(caller.at)
    if after == before:
        return
    tx = caller.transaction()
    save_api_key(tx, after)
    ring = find_key_ring(caller.reader, before.store_id, before.customer_id)
    save_key_ring(tx, ring.ending(before.id, caller.at, at=caller.at))
    tx.audit("api_key:revoked", before.id, reseller_id=reseller_id)
    tx.commit()


class _Made(NamedTuple):
    """A key that a transaction is about to add, its text, and what the text is derived from once more for a retry."""

    key: ApiKey
    text: str
    seed: TokenSeed

    @classmethod
    def of(cls, held: _Held, name: str, scopes: Iterable[KeyScope], caller: Caller, *, replaces: str | None = None) -> "_Made":
        """Make a key for a reseller, which acts for its contact."""
        contact = member_id(held.reseller.store_id, held.reseller.id, held.customer_id)
        seed = TokenSeed(kind="key", owner=contact, session=new_id(), field="key")
        token = derived_token(signing_key(), "key", contact, seed.session, caller.facts.headers["idempotency-key"])
        key = ApiKey(
            id=digest(token.secret),
            store_id=held.reseller.store_id,
            customer_id=held.customer_id,
            member_id=contact,
            name=name,
            prefix=recognisable(token),
            scopes=tuple(scopes),
            created_at=caller.at,
            created_by=caller.actor,
            replaces=replaces,
        )
        return cls(key, str(token), seed)

    def commit(self, tx: Transaction, reseller_id: str, caller: Caller) -> MadeApiKey:
        """Write the key. The answer is kept for retries without its text."""
        shown = _answer(save_api_key(tx, self.key), reseller_id, caller)
        tx.answer(shown.model_dump(mode="json"), token_seed=self.seed)
        tx.commit()
        return MadeApiKey(**shown.model_dump(), key=self.text)


def _begin(held: _Held, caller: Caller) -> Transaction:
    """Begin to add a key for a reseller that stays what it is, and whose contact buys for it."""
    tx = caller.transaction()
    changed = ConflictError("conflict", "The reseller changed at the same moment. Read it again and decide anew.")
    key = reseller_key(held.reseller.store_id, held.reseller.id)
    tx.require(key, Record.version == held.reseller.version, otherwise=changed)
    require_employee(tx, held.reseller.store_id, member_id(held.reseller.store_id, held.reseller.id, held.customer_id))
    return tx


def _found(reseller_id: str, caller: Caller) -> Reseller:
    """Return a reseller: the owner any of the store, a buyer its own."""
    reseller = caller.reader.find(reseller_key(caller.store.id, reseller_id), Reseller)
    if reseller is None or (not caller.is_owner and reseller.customer_id != caller.customer_id):
        raise NotFoundError("reseller")
    return reseller


def _key(reseller: Reseller, key_id: str, caller: Caller) -> ApiKey:
    if reseller.customer_id is None:
        raise NotFoundError("api key")
    key, ring = api_key_key(caller.store.id, reseller.customer_id, key_id), key_ring_key(caller.store.id, reseller.customer_id)
    caller.reader.fetch([key, ring])
    return caller.reader.get(key, ApiKey)


def _managed(reseller: Reseller, key_id: str, caller: Caller) -> ApiKey:
    """Return a key to somebody who may change it."""
    _must_administer(caller)
    return _key(reseller, key_id, caller)


def _must_administer(caller: Caller) -> None:
    if not (caller.is_owner or caller.member.is_administrator):
        raise ForbiddenError("forbidden", "Only the store's owner and the administrators of the reseller change its API keys.")


def _taking_keys(reseller: Reseller, caller: Caller) -> _Held:
    """Return a reseller that may have new keys, to somebody who may make them."""
    _must_administer(caller)
    if reseller.status == "suspended":
        raise ConflictError("reseller_suspended", "This reseller is suspended: it gets no new API keys.")
    if reseller.status not in {"approved", "active"} or reseller.customer_id is None:
        raise ConflictError("reseller_not_approved", "This reseller has not been approved.")
    return _Held(reseller, reseller.customer_id)


def _ring_of(held: _Held, caller: Caller) -> KeyRing:
    return find_key_ring(caller.reader, held.reseller.store_id, held.customer_id)


def _answer(key: ApiKey, reseller_id: str, caller: Caller) -> ApiKeyAnswer:
    return ApiKeyAnswer.of(key, reseller_id=reseller_id, status=key.status_at(caller.at))


handler = app.handler
