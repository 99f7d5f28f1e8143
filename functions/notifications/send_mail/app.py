"""The `mail` queue: write each announced mail and hand it to SES, at most once except for one crash window."""

from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from tradepost.aws.mails import Mail, MailRefusedError, send
from tradepost.aws.queues import dequeued
from tradepost.domain import clock
from tradepost.domain.customers import Delivery
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.outbox import InvitationMail, OutboxItem
from tradepost.mails.writing import written
from tradepost.table.invitations import note_delivery
from tradepost.table.outbox import claim, concluding, release
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send a batch of mails. One that cannot be sent now is reported by itself, and comes again later."""
    failed = [record["messageId"] for record in event["Records"] if not _carried_out(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _carried_out(record: dict[str, Any]) -> bool:
    """Send one mail; False if it must be tried again. Told twice, it is sent once: the claim is taken before SES is called."""
    try:
        key = dequeued(record)
        item = claim(key, at=clock.now())
        return item is None or _sent(key, item)
    except Exception:  # one mail that nobody foresaw must not hold up the others: it goes to the dead-letter queue alone
        logger.exception("mail not carried out", delivery=record["messageId"])
        return False


def _sent(key: Key, item: OutboxItem) -> bool:
    """Write a mail and hand it to SES; False if SES may take it later."""
    mail = _written(item)
    if mail is None:
        concluding(key, item, at=clock.now(), failure="obsolete").commit()
        return True
    try:
        send(mail, tag=item.id)
    except (ClientError, BotoCoreError) as error:
        logger.warning("mail not sent, will be tried again", outbox=item.id, error=type(error).__name__)
        release(key)
        return False
    except MailRefusedError as refusal:
        logger.warning("mail refused", outbox=item.id, reason=str(refusal))
        _note(key, item, "bounced", failure=str(refusal))
        return True
    _note(key, item, "sent")
    logger.info("mail sent", outbox=item.id, type=item.message.type)
    return True


def _written(item: OutboxItem) -> Mail | None:
    try:
        return written(item)
    except NotFoundError:
        return None


def _note(key: Key, item: OutboxItem, delivery: Delivery, *, failure: str | None = None) -> None:
    """Conclude a message, and note how far its invitation got."""
    at = clock.now()
    if isinstance(item.message, InvitationMail):
        tx = concluding(key, item, at=at, failure=failure)
        note_delivery(tx, item.message, delivery)
        try:
            tx.commit()
        except ConflictError:
            logger.info("invited anew meanwhile", outbox=item.id)
        else:
            return
    concluding(key, item, at=at, failure=failure).commit()
