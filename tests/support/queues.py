"""The mail queue in moto, and what is on it."""

import json
import os
from typing import Any

import botocore.session

from tradepost.aws import queues


def create_mail_queue() -> None:
    """Create the queue that the settings name."""
    queues._client.cache_clear()
    _client().create_queue(QueueName=os.environ["MAIL_QUEUE_URL"].rpartition("/")[2])


def received() -> list[dict[str, str]]:
    """Take everything off the queue; returns the messages' bodies."""
    bodies: list[dict[str, str]] = []
    while messages := _client().receive_message(QueueUrl=os.environ["MAIL_QUEUE_URL"], MaxNumberOfMessages=10).get("Messages"):
        bodies.extend(json.loads(message["Body"]) for message in messages)
    return bodies


def _client() -> Any:
    return botocore.session.get_session().create_client("sqs")
