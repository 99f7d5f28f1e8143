"""The way of a mail in the tests: what waits in the outbox goes to the consumer, as relay and queue would bring it."""

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import botocore.session
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from tests.support.functions import run
from tests.support.table import stored
from tradepost.domain.outbox import Queue, queue_of
from tradepost.table.shapes import Key


class Sent(NamedTuple):
    """A mail that SES took."""

    to: str
    sender: str
    subject: str
    html: str
    all_to: tuple[str, ...]
    cc: tuple[str, ...]


def queued() -> list[Key]:
    """Return the keys of the mails that still wait, in the order in which they were announced."""
    return waiting_on("mail")


def waiting_on(queue: Queue) -> list[Key]:
    """Return the keys of the messages that still wait for one queue, in the order in which they were announced."""
    queued_items = [item for item in stored("outbox") if item["status"] == "queued"]
    waiting = [item for item in queued_items if queue_of(item["message"]["type"]) == queue]
    return [Key(item["pk"], item["sk"]) for item in sorted(waiting, key=lambda item: item["id"])]


def mail_event(keys: Iterable[Key]) -> dict[str, Any]:
    """Return the event that the `mail` queue makes of messages."""
    records = [{"messageId": str(index), "body": json.dumps(key._asdict())} for index, key in enumerate(keys)]
    return {"Records": records}


def consume(keys: Iterable[Key]) -> list[str]:
    """Hand messages to the consumer, in one batch; returns which of them it wants to see again."""
    answer = run("notifications/send_mail", mail_event(keys))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def verify_sender() -> None:
    """Let SES know the sender, as an operator does once."""
    client: Any = botocore.session.get_session().create_client("sesv2")
    try:
        client.create_email_identity(EmailIdentity=os.environ["SENDER_ADDRESS"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise


def deliver() -> list[Sent]:
    """Send everything that waits, and return every mail so far."""
    verify_sender()
    assert consume(queued()) == []
    return sent()


def sent() -> list[Sent]:
    """Return the mails that SES took, oldest first."""
    messages = ses_backends[DEFAULT_ACCOUNT_ID][os.environ["AWS_DEFAULT_REGION"]].sent_messages
    return [_sent(each) for each in messages]


def _sent(message: Any) -> Sent:
    to, cc = (tuple(message.destinations.get(kind, ())) for kind in ("ToAddresses", "CcAddresses"))
    return Sent(str(to[0]), message.source, message.subject, message.body, to, cc)


def announced() -> list[dict[str, Any]]:
    """Return what was announced, oldest first."""
    return [item["message"] for item in sorted(stored("outbox"), key=lambda item: item["id"])]


def ses_event(item: dict[str, Any], kind: str, *, address: str = "buyer@bluedoor.test", **details: Any) -> dict[str, Any]:
    """Return the event by which SES tells what became of an outbox item's mail, as the event bus brings it."""
    message = item["message"]
    store = {"store": [message["store_id"]]} if message.get("store_id") else {}
    tags = {"ses:configuration-set": [os.environ["CONFIGURATION_SET"]], "outbox": [item["id"]], **store}
    told = {"timestamp": "2026-11-22T10:04:57.000Z", "messageId": "m1", "destination": [address], "tags": tags}
    return {"source": "aws.ses", "detail": {"eventType": kind, "mail": told, kind.lower(): details}}
