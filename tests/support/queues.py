"""The queues in moto, and what is on them."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from tests.support.functions import run

MAILS: Final = "MAIL_QUEUE_URL"
IMPORTS: Final = "CUSTOMER_IMPORT_QUEUE_URL"
EVENT_MAILINGS: Final = "EVENT_MAILING_QUEUE_URL"
ENROLMENTS: Final = "ENROLMENT_QUEUE_URL"
RULES: Final = "RULES_QUEUE_URL"
EXPORTS: Final = "EXPORTS_QUEUE_URL"
ERASURES: Final = "ERASURES_QUEUE_URL"


def create_mail_queue() -> None:
    """Create the queue that the settings name."""
    _create(MAILS)


def create_import_queue() -> None:
    """Create the queue of customer imports that the settings name."""
    _create(IMPORTS)


def create_event_mailing_queue() -> None:
    """Create the queue of circular mails that the settings name."""
    _create(EVENT_MAILINGS)


def create_enrolment_queue() -> None:
    """Create the queue of enrolments that the settings name."""
    _create(ENROLMENTS)


def create_rules_queue() -> None:
    """Create the queue of what the rules decide about that the settings name."""
    _create(RULES)


def create_exports_queue() -> None:
    """Create the queue of exports that the settings name."""
    _create(EXPORTS)


def create_erasures_queue() -> None:
    """Create the queue of erasures that the settings name."""
    _create(ERASURES)


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


def as_lambda_gets(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a received message as it is in the event of a consumer."""
    names = {"messageId": "MessageId", "receiptHandle": "ReceiptHandle", "body": "Body", "attributes": "Attributes"}
    return {name: message[given] for name, given in names.items()}


@dataclass(frozen=True)
class Worker:
    """A queue of background work, and the function that does it."""

    queue: str
    function: str

    def told(self, body: dict[str, Any]) -> None:
        """Put a message on the queue."""
        _client().send_message(QueueUrl=os.environ[self.queue], MessageBody=json.dumps(body))

    def received(self) -> dict[str, Any] | None:
        """Take a message off the queue, as an event for its consumer; None if there is none."""
        queue = os.environ[self.queue]
        answer = _client().receive_message(QueueUrl=queue, MaxNumberOfMessages=1, AttributeNames=["All"])
        for message in answer.get("Messages", ()):
            return {"Records": [as_lambda_gets(message)]}
        return None

    def handed(self, event: dict[str, Any]) -> bool:
        """Hand a message to the consumer; whether it was carried out."""
        return not run(self.function, event)["batchItemFailures"]

    def consume(self, event: dict[str, Any]) -> bool:
        """Hand a message to the consumer, and take it off the queue if it was carried out."""
        done = self.handed(event)
        if done:
            handle = event["Records"][0]["receiptHandle"]
            _client().delete_message(QueueUrl=os.environ[self.queue], ReceiptHandle=handle)
        return done

    def come_again(self, event: dict[str, Any]) -> None:
        """Let a message whose consumer died be visible again."""
        handle = event["Records"][0]["receiptHandle"]
        _client().change_message_visibility(QueueUrl=os.environ[self.queue], ReceiptHandle=handle, VisibilityTimeout=0)

    def hidden(self) -> list[int]:
        """Return for how many seconds more each message is hidden that was received."""
        queues = sqs_backends[DEFAULT_ACCOUNT_ID][os.environ["AWS_DEFAULT_REGION"]].queues
        messages = queues[os.environ[self.queue].rpartition("/")[2]]._messages
        return [round(message.visible_at / 1000 - time.time()) for message in messages]

    def work(self) -> int:
        """Carry out what is on the queue, and whatever that puts there; returns how many messages that were."""
        count = 0
        while event := self.received():
            count += 1
            assert self.consume(event)
        return count


def _create(queue: str) -> None:
    _client().create_queue(QueueName=os.environ[queue].rpartition("/")[2])


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sqs")
