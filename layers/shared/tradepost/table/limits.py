"""Counting against a limit, in the transaction that does what is limited, or each time by itself."""

from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tradepost.domain.limits import RateLimit
from tradepost.table.records import Record
from tradepost.table.shapes import LIMIT, Key
from tradepost.table.transaction import Transaction


def require_room(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> None:
    """Demand that there is room for more, without counting; otherwise nothing is written and `ThrottledError` raised."""
    key = _key(store_id, limit, whose, tx.at)
    tx.require(key, _room(limit), otherwise=limit.refusal(tx.at))


def count_against(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> None:
    """Count one more; should there have been as many as may be already, nothing is written and `ThrottledError` raised."""
    key, counted = _key(store_id, limit, whose, tx.at), _counted(limit, tx.at)
    tx.update(key, counted, condition=_room(limit), otherwise=limit.refusal(tx.at))


def count_at_once(store_id: str, limit: RateLimit, whose: str, *, at: datetime) -> int:
    """Count one more, and return how many there have been in this window by now. One UpdateItem, which no other is lost to."""
    record = Record(*_key(store_id, limit, whose, at))
    record.update(_counted(limit, at))
    return int(record.tally)


def _counted(limit: RateLimit, at: datetime) -> list[Action]:
    return [Record.tally.add(1), Record.entity.set(LIMIT.entity), Record.expires_at.set(limit.ends_at(at))]


def _key(store_id: str, limit: RateLimit, whose: str, at: datetime) -> Key:
    return LIMIT.key(store=store_id, what=limit.what, whose=whose, window=str(limit.window_at(at)))


def _room(limit: RateLimit) -> Condition:
    room: Condition = Record.tally.does_not_exist() | (Record.tally < limit.most)
    return room
