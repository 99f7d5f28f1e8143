"""The `mail` queue: write each announced mail and hand it to SES, at most once except for one crash window."""

import random
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from tradepost.aws.mails import Mail, MailDeferredError, MailRefusedError, send
from tradepost.aws.queues import dequeued, enqueue_later, worked_off
from tradepost.domain import clock
from tradepost.domain.delivery import DROPPED, GIVEN_UP, SENT, SUPPRESSED
from tradepost.domain.errors import NotFoundError
from tradepost.domain.outbox import OutboxItem, mailing_store, pause_after
from tradepost.mails.writing import written
from tradepost.table.deliveries import conclude
from tradepost.table.outbox import claim, put_off, release
from tradepost.table.shapes import Key
from tradepost.table.suppressions import suppressed_among

logger = Logger(service="tradepost")

# What one mail may take while SES does not answer. With less time left, the rest of a batch is put off untried.
ENOUGH_MS: Final = 9_000
SOON: Final = timedelta(seconds=30)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send a batch of mails. What SES does not take now comes back by itself; what nobody foresaw is reported alone."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    """Send one mail; False if the queue must bring it again. Told twice, it is sent once: the claim comes before SES."""
    try:
        key = dequeued(record)
        if context.get_remaining_time_in_millis() < ENOUGH_MS:
            enqueue_later(key, "mail", after=SOON)
            return True
        item = claim(key, at=clock.now())
        return item is None or _sent(key, item)
    except Exception:  # one mail that nobody foresaw must not hold up the others: it goes to the dead-letter queue alone
        logger.exception("mail not carried out", delivery=record["messageId"])
        return False


def _sent(key: Key, item: OutboxItem) -> bool:
    """Write a mail and hand it to SES; False if SES may take it later, and it could not be put off."""
    mail, store_id = _written(item), mailing_store(item.message)
    if mail is None:
        conclude(key, item, DROPPED, at=clock.now(), failure="obsolete")
        return True
    wanted = mail.without(suppressed_among(store_id, mail.addresses)) if store_id else mail
    if wanted is None:
        logger.info("mail suppressed", outbox=item.id)
        conclude(key, item, SUPPRESSED, at=clock.now(), failure="suppressed", addresses=mail.addresses)
        return True
    try:
        send(wanted, tags=_tags(item, store_id))
    except MailDeferredError as refusal:
        return _tried_later(key, item, refusal)
    except MailRefusedError as refusal:
        logger.warning("mail refused", outbox=item.id, reason=str(refusal))
        conclude(key, item, GIVEN_UP, at=clock.now(), failure=str(refusal))
        return True
    conclude(key, item, SENT, at=clock.now())
    logger.info("mail sent", outbox=item.id, type=item.message.type)
    return True


def _written(item: OutboxItem) -> Mail | None:
    try:
        return written(item)
    except NotFoundError:
        return None


def _tags(item: OutboxItem, store_id: str | None) -> Mapping[str, str]:
    """Return by what news of a mail is told to be of it; what goes to a person for no store is of no store's business."""
    return {"outbox": item.id, "store": store_id} if store_id else {"outbox": item.id}


def _tried_later(key: Key, item: OutboxItem, refusal: MailDeferredError) -> bool:
    """Let a message come back after a while, or give it up after days."""
    at, reason = clock.now(), str(refusal)
    if item.is_over(at):
        logger.error("mail given up", outbox=item.id, reason=reason)
        conclude(key, item, GIVEN_UP, at=at, failure=reason)
        return True
    pause = pause_after(item.attempts + 1, crowded=refusal.crowded, chance=random.random())  # noqa: S311  # jitter, not a secret
    try:
        enqueue_later(key, "mail", after=pause)
    except (ClientError, BotoCoreError):
        logger.exception("mail not put off", outbox=item.id, reason=reason)
        release(key, item)
        return False
    put_off(key, item, until=at + pause, error=reason)
    logger.warning(
        "mail put off", outbox=item.id, reason=reason, attempts=item.attempts + 1, seconds=int(pause.total_seconds())
    )
    return True
