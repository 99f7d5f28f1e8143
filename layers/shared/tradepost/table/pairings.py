"""Pairing codes in the table: found by a digest of the code, and used up by the transaction that starts the session."""

from tradepost.domain.errors import DomainError
from tradepost.domain.pairing import Pairing
from tradepost.table.records import Record
from tradepost.table.shapes import PAIRING, Key
from tradepost.table.transaction import Transaction


def pairing_key(store_id: str, digest: str) -> Key:
    """Return where the offer is kept that a code stands for."""
    return PAIRING.key(store=store_id, digest=digest)


def save_pairing(tx: Transaction, pairing: Pairing) -> None:
    """Write a new offer, which the table forgets by itself."""
    record = Record.of(pairing_key(pairing.store_id, pairing.id), pairing)
    record.expires_at = int(pairing.valid_until.timestamp())
    tx.save(record)


def use_up(tx: Transaction, pairing: Pairing, *, otherwise: DomainError) -> None:
    """Use an offer up. Whoever comes second gets `otherwise`."""
    tx.delete(pairing_key(pairing.store_id, pairing.id), condition=Record.pk.exists(), otherwise=otherwise)
