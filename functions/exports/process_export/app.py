"""The queue of exports: write the file of each in as many runs as it takes, and say why where there will be none."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import dequeued, enqueue, hide, worked_off
from tradepost.domain import clock
from tradepost.domain.errors import GoneError
from tradepost.domain.exports import (
    LEASE,
    LONG,
    PERSON_ERASED,
    REQUESTER_GONE,
    TOO_LARGE,
    Export,
    ExportFailure,
    finished,
    is_outdated,
    let_go,
    restarted,
    taken_on,
)
from tradepost.domain.outbox import ExportMail, ExportRun, OutboxItem
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.exports.archiving import BeingErasedError, write_whole
from tradepost.exports.reviewing import withdrawal_in
from tradepost.exports.sources import source_of
from tradepost.exports.writing import TooLargeError, begin, discard, put_together, why_empty, write_on
from tradepost.table.exports import export_key, release_request, save_export, save_failure
from tradepost.table.outbox import concluding
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key, store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import OvertakenError, Transaction

logger = Logger(service="tradepost")

# Should the function die, its message comes again after so long.
HIDDEN: Final = int(LEASE.total_seconds())
LONGEST_HIDDEN: Final = 15 * 60
# Whatever became of it is there already.
SOON: Final = 2
# A run ends while so much of the function's time is left: enough for S3 to take a part, and to put all parts together.
RESERVE_MILLISECONDS: Final = 60_000


@dataclass
class Work:
    """An export as it was saved last, and the message by which this worker is at it."""

    record: dict[str, Any]
    key: Key
    item: OutboxItem
    export: Export

    def save(self, export: Export) -> Export:
        """Save the export unless somebody else has meanwhile, and stay at it. Raises `OvertakenError`."""
        tx = Transaction(store_owner(export.store_id), SYSTEM, SYSTEM, clock.now())
        self.export = save_export(tx, export, otherwise=OvertakenError())
        tx.commit()
        hide(self.record, "exports", seconds=HIDDEN)
        return self.export

    def leave(self, export: Export) -> bool:
        """Leave the export to a new message; whether that is on its way."""
        self.save(let_go(export))
        return not enqueue({self.key: "exports"})


class _OutdatedError(Exception):
    """What was written must not be in the file any more."""


class _RequesterGoneError(Exception):
    """Whoever asked for the file is not active in the store any more."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on an export that was asked for. One that fails comes again."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    try:
        return _carry_on(record, context)
    except OvertakenError:
        logger.info("cancelled, begun anew, or another worker was faster", delivery=record["messageId"])
        hide(record, "exports", seconds=SOON)
    except Exception:  # whatever it is, the message comes again, and the export has failed if nothing ever comes of it
        logger.exception("export not carried out", delivery=record["messageId"])
        # What S3 or DynamoDB has trouble with may last an hour: it is tried less and less often.
        before = int(record["attributes"]["ApproximateReceiveCount"]) - 1
        hide(record, "exports", seconds=min(LONGEST_HIDDEN, HIDDEN * 2**before))
    return False


def _carry_on(record: dict[str, Any], context: Any) -> bool:
    """Write some of an export's file, and leave the rest to the next message."""
    key, reader = dequeued(record), Reader()
    item = reader.find(key, OutboxItem)
    if item is None or item.status != "queued" or not isinstance(item.message, ExportRun):
        return True
    found = reader.find(export_key(item.message.store_id, item.message.export_id), Export)
    if found is None or found.is_over:
        return _wind_up(key, item, found)
    export = taken_on(found, record["messageId"], at=clock.now())
    # Whoever else is at it has a message of its own.
    return export is None or _work(Work(record, key, item, found), export, context)


def _work(work: Work, export: Export, context: Any) -> bool:
    if export.failure:
        return _fail(work, export.failure)
    work.save(export)
    try:
        return _write(work, context)
    except (GoneError, _OutdatedError):
        # The upload has ended, as it was left alone for a day, or somebody ended it by hand; or the file holds too much.
        return _begin_anew(work)
    except _RequesterGoneError:
        return _fail(work, REQUESTER_GONE)
    except TooLargeError:
        return _fail(work, TOO_LARGE)
    except BeingErasedError:
        return _fail(work, PERSON_ERASED)


def _write(work: Work, context: Any) -> bool:
    store, requester = _present(work.export)
    if work.export.checkpoint is None:
        work.save(begin(work.export, store, requester))
    # An archive about a person goes by no filters: there always is something in it.
    source = None if work.export.kind == "person" else source_of(work.export, store, Scope.of(requester))
    if source is None:
        export = write_whole(work.export, store, save=work.save)
    else:
        export = write_on(
            work.export,
            source,
            save=work.save,
            is_time_up=lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS,
        )
    if not (export.checkpoint and export.checkpoint.whole):
        return work.leave(export)
    _present(export)
    put_together(export)
    at, because = clock.now(), why_empty(export, source) if source else None
    tx, done = concluding(work.key, work.item, at=at), finished(export, empty_because=because, at=at)
    save_export(tx, done, otherwise=OvertakenError())
    release_request(tx, done)
    tx.audit("export:finished", done.id, kind=done.kind, rows=done.rows)
    if at - done.requested_at > LONG:
        tx.announce(ExportMail(store_id=done.store_id, export_id=done.id, event="done"))
    tx.commit()
    logger.info("export finished", export=done.id, kind=done.kind, rows=done.rows, size=done.size)
    return True


def _begin_anew(work: Work) -> bool:
    """Drop what was written, which nobody may get any more, and leave the export to a new message."""
    # Whoever was overtaken learns it by this: what there is may be another's.
    work.save(work.export)
    discard(work.export)
    logger.info("export begun anew", export=work.export.id, restarts=work.export.restarts + 1)
    return work.leave(restarted(work.export))


def _fail(work: Work, failure: ExportFailure) -> bool:
    """Note that there will be no file, and tell whoever waits for it."""
    tx = Transaction(store_owner(work.export.store_id), SYSTEM, SYSTEM, clock.now())
    over = save_failure(tx, work.export, failure)
    tx.commit()
    logger.warning("export failed", export=over.id, kind=over.kind, code=failure.code)
    return _wind_up(work.key, work.item, over)


def _wind_up(key: Key, item: OutboxItem, export: Export | None) -> bool:
    """Clear away what is left of an export of which nothing becomes, and note that there is nothing more to do."""
    if export and export.status != "done":
        discard(export)
    concluding(key, item, at=clock.now()).commit()
    return True


def _present(export: Export) -> tuple[Store, Member]:
    """Read the store, and whoever asked for an export, as they are now.

    Raises `_RequesterGoneError`, and `_OutdatedError` if something was written that must not be in the file any more.
    """
    reader = Reader()
    keys = (
        store_key(export.store_id),
        member_key(export.member_id, export.store_id),
        export_key(export.store_id, export.id),
    )
    reader.fetch(keys)
    store, requester, now = reader.get(keys[0], Store), reader.find(keys[1], Member), reader.get(keys[2], Export)
    if requester is None or requester.status != "active":
        raise _RequesterGoneError
    if export.checkpoint and (is_outdated(export, store, requester) or withdrawal_in(now, store, at=clock.now())):
        raise _OutdatedError
    return store, requester
