"""Every few minutes: put what is still waiting in the outbox on its queue again, in case its relay was lost."""

from datetime import timedelta
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import enqueue
from tradepost.domain import clock
from tradepost.domain.outbox import SHARDS
from tradepost.table.outbox import list_due, postpone

logger = Logger(service="tradepost")

# A message that is merely being worked on is left alone for as long as its queue hides it.
GRACE: Final = timedelta(minutes=5)
MOST_A_SHARD: Final = 200


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send again what has been due for longer than the grace period, and look at it again only after a longer one."""
    at = clock.now()
    overdue = [item for shard in range(SHARDS) for item in list_due(str(shard), before=at - GRACE, limit=MOST_A_SHARD)]
    refused = enqueue(key for key, _ in overdue)
    for key, item in overdue:
        if key not in refused:
            postpone(key, item, at=at)
    logger.info("swept", overdue=len(overdue), refused=len(refused))
    return {"overdue": len(overdue), "refused": len(refused)}
