"""The queue of circular mails: announce each to the participants of its event in parts, each participant once."""

from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import dequeued, enqueue, hide, worked_off
from tradepost.domain import clock
from tradepost.domain.event_mailings import EventMailing
from tradepost.domain.outbox import EventMailingRun, OutboxItem
from tradepost.table.event_mailings import announce_some, event_mailing_key
from tradepost.table.outbox import concluding
from tradepost.table.reading import Reader
from tradepost.table.transaction import OvertakenError

logger = Logger(service="tradepost")

# Should the function die, its message comes again after so long.
PART_HIDDEN: Final = 12
# A part ends while so much of the function's time is left: it has worked for eight seconds then.
RESERVE_MILLISECONDS: Final = 52_000


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on a circular mail that was ordered. One that fails comes again."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    try:
        return _carry_on(record, context)
    except OvertakenError:
        logger.info("stopped, or another worker was faster", delivery=record["messageId"])
    except Exception:  # whatever it is, the message comes again, and ends in the dead-letter queue if it always fails
        logger.exception("circular mail not carried out", delivery=record["messageId"])
    return False


def _carry_on(record: dict[str, Any], context: Any) -> bool:
    """Announce some of a mailing's mails, and leave the others to the next message."""
    key, reader = dequeued(record), Reader()
    item = reader.find(key, OutboxItem)
    if item is None or item.status != "queued" or not isinstance(item.message, EventMailingRun):
        return True
    run = item.message
    mailing = reader.get(event_mailing_key(run.store_id, run.event_id, run.mailing_id), EventMailing)
    hide(record, "event_mailings", seconds=PART_HIDDEN)
    while mailing.is_going_on:
        mailing = announce_some(mailing, at=clock.now())
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
            break
    if mailing.is_going_on:
        return not enqueue({key: "event_mailings"})
    concluding(key, item, at=clock.now()).commit()
    logger.info("circular mail over", event_mailing=mailing.id, status=mailing.status, mails=mailing.queued)
    return True
