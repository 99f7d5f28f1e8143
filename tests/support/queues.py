"""The queues in moto, and what is on them."""

import json
import os
from functools import cache
from typing import Any, Final

import botocore.session
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

MAILS: Final = "MAIL_QUEUE_URL"
IMPORTS: Final = "CUSTOMER_IMPORT_QUEUE_URL"


def create_mail_queue() -> None:
    """Create the queue that the settings name."""
    _create(MAILS)


def create_import_queue() -> None:
    """Create the queue of customer imports that the settings name."""
    _create(IMPORTS)


def received(queue: str = MAILS) -> list[dict[str, Any]]:
    """Take everything off a queue; returns the messages' bodies."""
    bodies: list[dict[str, Any]] = []
    while messages := _client().receive_message(QueueUrl=os.environ[queue], MaxNumberOfMessages=10).get("Messages"):
        bodies.extend(json.loads(message["Body"]) for message in messages)
    return bodies


def delayed(queue: str = MAILS) -> list[tuple[dict[str, Any], int]]:
    """Return the messages that come after a while, each with the seconds that it waits."""
    messages = sqs_backends[DEFAULT_ACCOUNT_ID][os.environ["AWS_DEFAULT_REGION"]].queues[os.environ[queue].rpartition("/")[2]]
    waiting = [message for message in messages._messages if message.delayed_until]
    return [(json.loads(each.body), round((each.delayed_until - float(str(each.sent_timestamp))) / 1000)) for each in waiting]


def _create(queue: str) -> None:
    _client().create_queue(QueueName=os.environ[queue].rpartition("/")[2])


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sqs")
