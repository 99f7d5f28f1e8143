"""API keys in the table: found by a digest of their secret, listed for each reseller, and no more of them than may be."""

from datetime import datetime

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path

from tradepost.domain.api_keys import KEY_TOUCH, ApiKey, KeyRing
from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import API_KEY, KEY_RING, Key
from tradepost.table.transaction import Transaction


def api_key_key(store_id: str, customer_id: str, key_id: str) -> Key:
    """Return where an API key is kept."""
    return API_KEY.key(store=store_id, customer=customer_id, key=key_id)


def key_ring_key(store_id: str, customer_id: str) -> Key:
    """Return where it is kept which of a reseller's keys work."""
    return KEY_RING.key(store=store_id, customer=customer_id)


def save_api_key(tx: Transaction, key: ApiKey) -> ApiKey:
    """Write an API key; returns it with its new version."""
    names = {"store": key.store_id, "customer": key.customer_id, "key": key.id, "created_at": stamp(key.created_at)}
    tx.save(Record.of(API_KEY.key(**names), key, index1=API_KEY.index1(**names)))
    return key.model_copy(update={"version": key.version + 1})


def list_api_keys(store_id: str, customer_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of a reseller's API keys, newest first, with one Query."""
    partition = API_KEY.index1(store=store_id, customer=customer_id, created_at="", key="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, newest_first=True)


def find_key_ring(reader: Reader, store_id: str, customer_id: str) -> KeyRing:
    """Return which of a reseller's keys work: none before the first one."""
    ring = reader.find(key_ring_key(store_id, customer_id), KeyRing)
    return ring or KeyRing(store_id=store_id, customer_id=customer_id)


def save_key_ring(tx: Transaction, ring: KeyRing) -> None:
    """Write which of a reseller's keys work. Of two who decide on it at once, one decides anew."""
    changed = ConflictError("conflict", "The API keys of this reseller changed at the same moment. Read them and decide anew.")
    tx.save(Record.of(key_ring_key(ring.store_id, ring.customer_id), ring), otherwise=changed)


def note_use(key: ApiKey, *, at: datetime) -> None:
    """Note that a key is in use, at most every five minutes, with one UpdateItem that leaves its version alone."""
    if key.last_used_at and at - key.last_used_at < KEY_TOUCH:
        return
    used = Path("aside.last_used_at")
    # Of many requests at once, one notes it.
    stale = used.is_type("NULL") | used.does_not_exist() | (used <= stamp(at - KEY_TOUCH))
    try:
        Record(*api_key_key(key.store_id, key.customer_id, key.id)).update(
            [used.set(stamp(at))], condition=Record.pk.exists() & stale
        )
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
