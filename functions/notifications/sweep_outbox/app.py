"""Every few minutes: put what is still waiting in the outbox on its queue again, in case its relay was lost."""

from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import enqueue
from tradepost.domain import clock
from tradepost.domain.delivery import GIVEN_UP
from tradepost.domain.outbox import SHARDS, OutboxItem, queue_of
from tradepost.table.deliveries import conclude
from tradepost.table.outbox import list_due, postpone
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")

# A message that is merely being worked on is left alone for as long as its queue hides it.
GRACE: Final = timedelta(minutes=5)
MOST_A_SHARD: Final = 200


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send again what has been due for longer than the grace period, and look at it again only after a longer one.

    What nobody got through with in four days is given up.
    """
    at = clock.now()
    overdue = [item for shard in range(SHARDS) for item in list_due(str(shard), before=at - GRACE, limit=MOST_A_SHARD)]
    over = {key: item for key, item in overdue if item.is_over(at) and not item.is_claimed(at)}
    waiting = {key: item for key, item in overdue if key not in over}
    refused = enqueue({key: queue_of(item.message.type) for key, item in waiting.items()})
    for key in waiting.keys() - refused:
        postpone(key, waiting[key], until=waiting[key].next_look(at))
    given_up = sum(_given_up(key, item, at) for key, item in over.items())
    logger.info("swept", overdue=len(overdue), refused=len(refused), given_up=given_up)
    return {"overdue": len(overdue), "refused": len(refused), "given_up": given_up}


def _given_up(key: Key, item: OutboxItem, at: datetime) -> bool:
    try:
        conclude(key, item, GIVEN_UP, at=at, failure=item.last_error or "expired")
    except Exception:  # one message that nobody foresaw must not hold up the others: it is looked at again much later
        logger.exception("message not given up", outbox=item.id)
        postpone(key, item, until=item.next_look(at))
        return False
    logger.error("message given up", outbox=item.id, type=item.message.type, reason=item.last_error)
    return True
