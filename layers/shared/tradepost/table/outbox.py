"""The outbox in the table: what is due, who is at it, and what became of it."""

from datetime import datetime, timedelta
from typing import Final

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.clock import stamp
from tradepost.domain.errors import DomainError
from tradepost.domain.outbox import OutboxItem, mailing_store
from tradepost.domain.people import SYSTEM
from tradepost.table.records import Record
from tradepost.table.shapes import OUTBOX, Key, store_owner
from tradepost.table.transaction import Transaction

# Longer than the consumer may run, shorter than its queue hides a message: after a crash the next delivery finds it over.
LEASE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(days=30)
# A message that comes back on time must not be taken for one that comes early, whatever the clocks say.
_EARLY: Final = timedelta(seconds=2)


class ConcludedError(DomainError):
    """Another consumer has concluded the message meanwhile."""

    def __init__(self) -> None:
        """Take no arguments: there is nothing left to do."""
        super().__init__("concluded", "This message has been concluded already.")


def claim(key: Key, *, at: datetime) -> OutboxItem | None:
    """Take a message on for half a minute. None if it is done, another consumer is at it, or its next try is yet to come."""
    claimed_until, next_try = Path("data.claimed_until"), Path("data.next_try")
    nobody_at_it = (claimed_until < stamp(at)) | claimed_until.is_type("NULL")
    due = (next_try < stamp(at + _EARLY)) | next_try.is_type("NULL") | next_try.does_not_exist()
    record = Record(*key)
    claimed = _change(record, [claimed_until.set(stamp(at + LEASE))], nobody_at_it & due)
    return record.load(OutboxItem) if claimed else None


def release(key: Key, item: OutboxItem) -> None:
    """Give a message back that could not be carried out now, so that the next delivery need not wait for the lease."""
    _change(Record(*key), [Path("data.claimed_until").set(None)], _claimed_for(item))


def put_off(key: Key, item: OutboxItem, *, until: datetime, error: str) -> None:
    """Note a failed attempt, and when the next one is due; the sweeper looks at the message only when that has been lost."""
    noted = {
        "attempts": item.attempts + 1,
        "last_error": error,
        "next_try": stamp(until),
        "claimed_until": None,
    }
    actions = [Path(f"data.{name}").set(value) for name, value in noted.items()]
    _change(Record(*key), [*actions, _due(item, until)], _claimed_for(item))


def note_reached(key: Key, reached: str) -> None:
    """Note how far an erasure has got, from where the next delivery goes on."""
    _change(Record(*key), [Path("data.message.reached").set(reached)], Record.pk.exists())


def concluding(key: Key, item: OutboxItem, *, at: datetime, failure: str | None = None) -> Transaction:
    """Return a transaction that notes a message as carried out, or as failed for good; it then leaves the work list.

    Raises `ConcludedError` on commit if another consumer was faster.
    """
    store_id = mailing_store(item.message)
    tx = Transaction(store_owner(store_id) if store_id else "", SYSTEM, SYSTEM, at)
    ended = item.model_copy(
        update={"status": "failed" if failure else "done", "done_at": at, "failure": failure, "claimed_until": None}
    )
    record = Record.of(key, ended)
    record.expires_at = int((at + KEPT).timestamp())
    tx.save(record, otherwise=ConcludedError())
    return tx


def list_due(shard: str, *, before: datetime, limit: int) -> list[tuple[Key, OutboxItem]]:
    """Return messages of one part of the work list that were due before an instant, oldest first, with one Query."""
    partition = OUTBOX.index1(shard=shard, due_at="", id="").pk
    rows = Record.gsi1.query(partition, Record.gsi1sk < stamp(before), limit=limit)
    return [(row.key, row.load(OutboxItem)) for row in rows]


def postpone(key: Key, item: OutboxItem, *, until: datetime) -> None:
    """Look at a message again only after a while, unless it has been carried out meanwhile."""
    _change(Record(*key), [_due(item, until)], Path("data.status") == "queued")


def _due(item: OutboxItem, at: datetime) -> Action:
    return Record.gsi1sk.set(OUTBOX.index1(shard="", due_at=stamp(at), id=item.id).sk)


def _claimed_for(item: OutboxItem) -> Condition:
    """What holds as long as nobody else has taken the message on since."""
    until = item.claimed_until
    return Path("data.claimed_until") == (until and stamp(until))


def _change(record: Record, actions: list[Action], condition: Condition) -> bool:
    """Change a message that still waits; False if it does not, or another condition does not hold."""
    try:
        record.update(actions, condition=(Path("data.status") == "queued") & condition)
    except UpdateError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            return False
        raise
    return True
