"""Counting against a limit, in the transaction that does what is limited."""

from pynamodb.expressions.condition import Condition

from tradepost.domain.limits import RateLimit
from tradepost.table.records import Record
from tradepost.table.shapes import LIMIT, Key
from tradepost.table.transaction import Transaction


def require_room(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> None:
    """Demand that there is room for more, without counting; otherwise nothing is written and `ThrottledError` raised."""
    key = _key(tx, store_id, limit, whose)
    tx.require(key, _room(limit), otherwise=limit.refusal(tx.at))


def count_against(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> None:
    """Count one more; should there have been as many as may be already, nothing is written and `ThrottledError` raised."""
    counted = [Record.tally.add(1), Record.entity.set(LIMIT.entity), Record.expires_at.set(limit.ends_at(tx.at))]
    tx.update(_key(tx, store_id, limit, whose), counted, condition=_room(limit), otherwise=limit.refusal(tx.at))


def _key(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> Key:
    return LIMIT.key(store=store_id, what=limit.what, whose=whose, window=str(limit.window_at(tx.at)))


def _room(limit: RateLimit) -> Condition:
    room: Condition = Record.tally.does_not_exist() | (Record.tally < limit.most)
    return room
