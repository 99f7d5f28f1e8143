"""What SES tells of our mails: note how far each got, and mail no more to an address that bounces or complains."""

from typing import Any

from aws_lambda_powertools import Logger
from pydantic import ValidationError

from tradepost.domain import clock
from tradepost.domain.delivery import MailEvent
from tradepost.table.deliveries import note_event

logger = Logger(service="tradepost")


def handler(event: dict[str, Any], context: Any) -> dict[str, bool]:
    """Note one event. Told twice or in any order, it is noted once; what is not about a mail of a store is dropped."""
    try:
        told = MailEvent.model_validate(event.get("detail"))
    except ValidationError as error:
        logger.warning("not an event of SES", faults=error.error_count())
        return {"noted": False}
    store_id, outbox, addresses, news = told.tag("store"), told.tag("outbox"), told.addresses, told.news
    if not (store_id and outbox and addresses and news):
        logger.info("event of no consequence", outbox=outbox, type=told.event_type)
        return {"noted": False}
    at = clock.now()
    each = [note_event(store_id, outbox, news, address=address, at=at, sent_at=told.sent_at) for address in addresses]
    noted = any(each)
    logger.info("event noted" if noted else "event known already", outbox=outbox, delivery=news.delivery)
    return {"noted": noted}
