"""Every few minutes: put what is still waiting in the outbox on its queue again, in case its relay was lost."""

import contextlib
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import enqueue
from tradepost.domain import clock
from tradepost.domain.clock import stamp
from tradepost.domain.delivery import GIVEN_UP
from tradepost.domain.exports import Export, no_progress
from tradepost.domain.outbox import SHARDS, ExportRun, OutboxItem, queue_of
from tradepost.table.deliveries import conclude
from tradepost.table.exports import export_key, save_failure
from tradepost.table.outbox import ConcludedError, concluding, list_due, postpone
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")

# A message that is merely being worked on is left alone for as long as its queue hides it.
GRACE: Final = timedelta(minutes=5)
MOST_A_SHARD: Final = 200


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send again what has been due for longer than the grace period, and look at it again only after a longer one.

    What nobody got through with in four days is given up, but for what the law demands: that is sent on, and complained about.
    """
    at = clock.now()
    overdue = [item for shard in range(SHARDS) for item in list_due(str(shard), before=at - GRACE, limit=MOST_A_SHARD)]
    late = {key: item for key, item in overdue if item.is_over(at) and not item.is_claimed(at)}
    over = {key: item for key, item in late.items() if not item.is_owed}
    waiting = {key: item for key, item in overdue if key not in over}
    refused = enqueue({key: queue_of(item.message.type) for key, item in waiting.items()})
    for key in waiting.keys() - refused:
        postpone(key, waiting[key], until=waiting[key].next_look(at))
    for item in late.values():
        if item.is_owed:
            logger.error("message still owed", outbox=item.id, type=item.message.type, since=stamp(item.created_at))
    given_up = sum(_given_up(key, item, at) for key, item in over.items())
    logger.info("swept", overdue=len(overdue), refused=len(refused), given_up=given_up)
    return {"overdue": len(overdue), "refused": len(refused), "given_up": given_up}


def _given_up(key: Key, item: OutboxItem, at: datetime) -> bool:
    try:
        _conclude(key, item, at)
    except Exception:  # one message that nobody foresaw must not hold up the others: it is looked at again much later
        logger.exception("message not given up", outbox=item.id)
        postpone(key, item, until=item.next_look(at))
        return False
    logger.error("message given up", outbox=item.id, type=item.message.type, reason=item.last_error)
    return True


def _conclude(key: Key, item: OutboxItem, at: datetime) -> None:
    """Note a message as failed for good, and what that means for whoever waits for what it was to bring."""
    failure = item.last_error or "expired"
    if isinstance(item.message, ExportRun):
        _conclude_export(key, item, item.message, at=at, failure=failure)
    else:
        conclude(key, item, GIVEN_UP, at=at, failure=failure)


def _conclude_export(key: Key, item: OutboxItem, message: ExportRun, *, at: datetime, failure: str) -> None:
    """Let an export fail together with its message. If a worker goes on with it just now, neither is given up yet."""
    tx = concluding(key, item, at=at, failure=failure)
    export = Reader().find(export_key(message.store_id, message.export_id), Export)
    if export and not export.is_over:
        save_failure(tx, export, no_progress(export))
    with contextlib.suppress(ConcludedError):
        tx.commit()
