"""The `mail` queue: write each announced mail and hand it to SES, at most once except for one crash window."""

from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from tradepost.aws.mails import MailRefusedError, send
from tradepost.aws.queues import dequeued
from tradepost.domain import clock
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.outbox import InvitationMail, OutboxItem
from tradepost.mails.writing import written
from tradepost.table.invitations import note_delivery
from tradepost.table.outbox import claim, concluding, release
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send a batch of mails. One that cannot be sent now is reported by itself, and comes again later."""
    failed = [record["messageId"] for record in event["Records"] if not _carried_out(dequeued(record))]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _carried_out(key: Key) -> bool:
    """Send one mail; False if it must be tried again. Told twice, it is sent once: the claim is taken before SES is called."""
    item = claim(key, at=clock.now())
    if item is None:
        return True
    try:
        _send(key, item)
    except (ClientError, BotoCoreError) as error:
        logger.warning("mail not sent, will be tried again", outbox=item.id, error=type(error).__name__)
        release(key)
        return False
    except MailRefusedError as refusal:
        logger.error("mail refused", outbox=item.id, reason=str(refusal))
        concluding(key, item, at=clock.now(), failure=str(refusal)).commit()
    return True


def _send(key: Key, item: OutboxItem) -> None:
    try:
        mail = written(item)
    except NotFoundError:
        mail = None
    if mail is None:
        concluding(key, item, at=clock.now(), failure="obsolete").commit()
        return
    send(mail, tag=item.id)
    _note_sent(key, item)
    logger.info("mail sent", outbox=item.id, type=item.message.type)


def _note_sent(key: Key, item: OutboxItem) -> None:
    at = clock.now()
    if isinstance(item.message, InvitationMail):
        tx = concluding(key, item, at=at)
        note_delivery(tx, item.message, "sent")
        try:
            tx.commit()
        except ConflictError:
            logger.info("invited anew meanwhile", outbox=item.id)
        else:
            return
    concluding(key, item, at=at).commit()
