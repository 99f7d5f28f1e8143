"""Counting against a limit, in the transaction that does what is limited."""

from tradepost.domain.limits import RateLimit
from tradepost.table.records import Record
from tradepost.table.shapes import LIMIT
from tradepost.table.transaction import Transaction


def count_against(tx: Transaction, store_id: str, limit: RateLimit, whose: str) -> None:
    """Count one more; should there have been as many as may be already, nothing is written and `ThrottledError` raised."""
    key = LIMIT.key(store=store_id, what=limit.what, whose=whose, window=str(limit.window_at(tx.at)))
    room = Record.tally.does_not_exist() | (Record.tally < limit.most)
    counted = [Record.tally.add(1), Record.entity.set(LIMIT.entity), Record.expires_at.set(limit.ends_at(tx.at))]
    tx.update(key, counted, condition=room, otherwise=limit.refusal(tx.at))
