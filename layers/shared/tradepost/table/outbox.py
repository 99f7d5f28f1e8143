"""The outbox in the table: what is due, who is at it, and what became of it."""

from datetime import datetime, timedelta
from typing import Final

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.outbox import OutboxItem
from tradepost.domain.people import SYSTEM
from tradepost.table.records import Record
from tradepost.table.shapes import OUTBOX, Key
from tradepost.table.transaction import Transaction

# Longer than the consumer may run, shorter than its queue hides a message: after a crash the next delivery finds it over.
LEASE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(days=30)
NEXT_SWEEP: Final = timedelta(minutes=15)


def claim(key: Key, *, at: datetime) -> OutboxItem | None:
    """Take a message on for half a minute. None if it is done, or another consumer is at it."""
    free = Path("data.claimed_until") < stamp(at)
    nobody_at_it = free | (Path("data.claimed_until").is_type("NULL"))
    record = Record(*key)
    try:
        record.update(
            [Path("data.claimed_until").set(stamp(at + LEASE))],
            condition=(Path("data.status") == "queued") & nobody_at_it,
        )
    except UpdateError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            return None
        raise
    return record.load(OutboxItem)


def release(key: Key) -> None:
    """Give a message back that could not be carried out now, so that the next delivery need not wait for the lease."""
    Record(*key).update([Path("data.claimed_until").set(None)], condition=Path("data.status") == "queued")


def concluding(key: Key, item: OutboxItem, *, at: datetime, failure: str | None = None) -> Transaction:
    """Return a transaction that notes a message as carried out, or as failed for good; it then leaves the work list."""
    tx = Transaction("", SYSTEM, SYSTEM, at)
    ended = item.model_copy(
        update={"status": "failed" if failure else "done", "done_at": at, "failure": failure, "claimed_until": None}
    )
    record = Record.of(key, ended)
    record.expires_at = int((at + KEPT).timestamp())
    tx.save(record)
    return tx


def list_due(shard: str, *, before: datetime, limit: int) -> list[tuple[Key, OutboxItem]]:
    """Return messages of one part of the work list that were due before an instant, oldest first, with one Query."""
    partition = OUTBOX.index1(shard=shard, due_at="", id="").pk
    rows = Record.gsi1.query(partition, Record.gsi1sk < stamp(before), limit=limit)
    return [(row.key, row.load(OutboxItem)) for row in rows]


def postpone(key: Key, item: OutboxItem, *, at: datetime) -> None:
    """Look at a message again only after a while, unless it has been carried out meanwhile."""
    due = OUTBOX.index1(shard="", due_at=stamp(at + NEXT_SWEEP), id=item.id).sk
    try:
        Record(*key).update([Record.gsi1sk.set(due)], condition=Path("data.status") == "queued")
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
