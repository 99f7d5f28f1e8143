"""The queue of erasures: take away the files that hold what somebody does not allow any more, then the activity itself.

Where a person is to be forgotten, whatever else is held about it and need not be kept goes after that.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import dequeued, enqueue, enqueue_later, worked_off
from tradepost.domain import clock
from tradepost.domain.activities import LATE_WRITERS
from tradepost.domain.outbox import Erasure, OutboxItem
from tradepost.domain.people import Member
from tradepost.exports.erasing import erase_person
from tradepost.exports.reviewing import review_exports, review_late_writing
from tradepost.table.activity_erasures import erase_activities, note_erasing
from tradepost.table.erasures import Whose
from tradepost.table.outbox import ConcludedError, concluding, note_reached
from tradepost.table.people import member_key, save_member
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")

# What is not done while so much of the function's time is left is done by the next message.
RESERVE_MILLISECONDS: Final = 20_000
# Both the withdrawal, and whoever had read the consent before, may have taken as long as a request lives.
SETTLED_AFTER: Final = 2 * LATE_WRITERS
LONGEST_DELAY: Final = timedelta(minutes=15)
# Whoever writes under a consent of before notes a time of before, by its own clock; what is recorded later need not be read.
CLOCKS_DIFFER_BY: Final = timedelta(hours=1)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on an erasure that was announced. One that fails comes again."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    try:
        return _carry_on(record, context)
    except ConcludedError:
        return True
    except Exception:  # whatever it is, the message comes again, and ends in the dead-letter queue if it always fails
        logger.exception("erasure not carried out", delivery=record["messageId"])
    return False


def _carry_on(record: dict[str, Any], context: Any) -> bool:
    """Do as much as there is time for, and leave the others to the next message. Done twice, or by two at once, it is the same.

    Files are reviewed at once, since nobody gets one before; whoever still wrote when consent was withdrawn is waited for,
    and whatever it wrote goes with the rest.
    """
    key = dequeued(record)
    item = Reader().find(key, OutboxItem)
    if item is None or item.status != "queued" or not isinstance(item.message, Erasure):
        return True
    erasure, at = item.message, clock.now()

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() >= RESERVE_MILLISECONDS)

    # Whether somebody's activity is in a file is told by that activity: it goes last.
    if not review_exports(erasure.store_id, at=at, has_time=has_time):
        return not enqueue({key: "erasures"})
    if at >= item.created_at + SETTLED_AFTER:
        review_late_writing(erasure.store_id, erasure.withdrawal, at=at)
    if item.due_at is None or at >= item.due_at:
        note_erasing(erasure.store_id, erasure.withdrawal, at=at)
        before = item.created_at + CLOCKS_DIFFER_BY
        if not erase_activities(erasure.store_id, erasure.member_id, consent=erasure.consent, before=before, has_time=has_time):
            return not enqueue({key: "erasures"})
    again = _comes_again(item, at)
    if again:
        return _leave(key, again - at)
    gone = _gone(erasure)
    reached = erase_person(erasure, Whose.of(erasure.member_id, at=at), has_time=has_time) if gone else None
    if reached is not None:
        note_reached(key, reached)
        return not enqueue({key: "erasures"})
    tx = concluding(key, item, at=at)
    if gone:
        save_member(tx, gone.model_copy(update={"erasing": False}))
    tx.audit("activity:erased", erasure.member_id, consent=erasure.consent, withdrawal=erasure.withdrawal)
    tx.commit()
    logger.info("activity erased", member=erasure.member_id, withdrawal=erasure.withdrawal)
    return True


def _gone(erasure: Erasure) -> Member | None:
    """Return the place of the person that is to be forgotten; None if none is, or if it is somebody's again."""
    member = Reader().find(member_key(erasure.member_id, erasure.store_id), Member) if erasure.person else None
    return member if member and member.erased_at else None


def _comes_again(item: OutboxItem, at: datetime) -> datetime | None:
    """Return when there is more to do: once nobody can be writing any more, and when it is due; None if both is over."""
    settled = item.created_at + SETTLED_AFTER
    if at < settled:
        return settled
    return item.due_at if item.due_at and at < item.due_at else None


def _leave(key: Key, wait: timedelta) -> bool:
    """Let a message come again after a while; what is longer than a queue waits is left to the sweeper."""
    if wait <= LONGEST_DELAY:
        enqueue_later(key, "erasures", after=wait)
    return True
