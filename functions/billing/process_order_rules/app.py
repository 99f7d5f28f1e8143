"""The `rules` queue: let the rules decide what orders mean for payment and invoice, and do what is due of payments."""

import time
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.queues import dequeued, worked_off
from tradepost.domain import clock
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.outbox import OrderRun, OutboxItem, PaymentRun
from tradepost.payments.billing import settle
from tradepost.payments.carrying_out import carry_out
from tradepost.table.outbox import ConcludedError
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.transaction import pause

logger = Logger(service="tradepost")

# With less time left, a message is given back to the queue: a decision may have to be made anew, and a provider be waited for.
ENOUGH_MS: Final = 9_000
# Where bills of one store are issued all at once, each waits for its number.
RESERVE_MS: Final = 4_000
TRIES: Final = 50
OVERTAKEN: Final = frozenset({"conflict", "stale", "busy", "exists", "payment_exists"})
"""What it says where others have written meanwhile what this was decided on."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on a batch of messages. One that fails comes again alone, and ends in the dead-letter queue if it always does."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    try:
        if context.get_remaining_time_in_millis() < ENOUGH_MS:
            return False
        key = dequeued(record)
        item = Reader().find(key, OutboxItem)
        if item is None or item.status != "queued":
            return True
        match item.message:
            case OrderRun() as run:
                return _settled(run, item, key, context)
            case PaymentRun() as run:
                return carry_out(run, item, key)
        logger.error("message of another queue", outbox=item.id, type=item.message.type)
    except Exception:  # one that nobody foresaw must not hold up the others: it goes to the dead-letter queue alone
        logger.exception("rules not carried out", delivery=record["messageId"])
        return False
    return True


def _settled(run: OrderRun, item: OutboxItem, key: Key, context: Any) -> bool:
    """Decide about an order, and anew as long as what it was decided on changes at that moment; False if it always does."""
    for attempt in range(TRIES):
        try:
            settle(run, item, key, at=clock.now())
        except ConcludedError:
            return True
        except (ConflictError, StaleError) as overtaken:
            if overtaken.code not in OVERTAKEN:
                raise
            if context.get_remaining_time_in_millis() < RESERVE_MS:
                break
            time.sleep(pause(attempt))
        else:
            logger.info("order settled", order=run.order_id, event=run.event)
            return True
    logger.warning("order given back", order=run.order_id)
    return False
