"""Counting against a limit, in the transaction that does what is limited, or before where a crowd is to be expected."""

from datetime import datetime

from pynamodb.exceptions import UpdateError
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
    key = _key(store_id, limit, whose, tx.at)
    tx.update(key, _counted(limit, tx.at), condition=_room(limit), otherwise=limit.refusal(tx.at))


def count_at_once(store_id: str, limit: RateLimit, whose: str, *, at: datetime) -> None:
    """Count one more, with one atomic write of its own. Raises `ThrottledError` if there have been as many as may be.

    Any number may do so at once: transactions would have to wait for each other.
    """
    try:
        Record(*_key(store_id, limit, whose, at)).update(_counted(limit, at), condition=_room(limit))
    except UpdateError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            raise limit.refusal(at) from error
        raise


def _counted(limit: RateLimit, at: datetime) -> list[Action]:
    return [Record.tally.add(1), Record.entity.set(LIMIT.entity), Record.expires_at.set(limit.ends_at(at))]


def _key(store_id: str, limit: RateLimit, whose: str, at: datetime) -> Key:
    return LIMIT.key(store=store_id, what=limit.what, whose=whose, window=str(limit.window_at(at)))


def _room(limit: RateLimit) -> Condition:
    room: Condition = Record.tally.does_not_exist() | (Record.tally < limit.most)
    return room
