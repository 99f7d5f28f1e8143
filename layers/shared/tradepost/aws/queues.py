"""The queues that outbox items are relayed to. A message is the item's key and nothing else: no address, no link."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from itertools import batched
from typing import Any, Final

import botocore.session

from tradepost.domain.outbox import Queue
from tradepost.settings import settings
from tradepost.table.shapes import Key

MOST_A_CALL: Final = 10


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sqs")


def enqueue(waiting: Mapping[Key, Queue]) -> set[Key]:
    """Put outbox items on their queues, as many a call as SQS takes. Returns those that were refused."""
    refused = set[Key]()
    for queue in sorted(set(waiting.values())):
        keys = [key for key, wanted in waiting.items() if wanted == queue]
        for batch in batched(keys, MOST_A_CALL, strict=False):
            entries = [{"Id": str(index), "MessageBody": json.dumps(key._asdict())} for index, key in enumerate(batch)]
            answer = _client().send_message_batch(QueueUrl=_address(queue), Entries=entries)
            refused.update(batch[int(failure["Id"])] for failure in answer.get("Failed", ()))
    return refused


def enqueue_later(key: Key, queue: Queue, *, after: timedelta) -> None:
    """Put an outbox item on its queue so that it arrives after a while, a quarter of an hour at most."""
    seconds = math.ceil(after.total_seconds())
    _client().send_message(QueueUrl=_address(queue), MessageBody=json.dumps(key._asdict()), DelaySeconds=seconds)


def dequeued(record: dict[str, Any]) -> Key:
    """Return the outbox key in a message as Lambda received it."""
    return Key(**json.loads(record["body"]))


def worked_off(event: Mapping[str, Any], carry_out: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Work on a batch of received messages, and answer as Lambda expects it: those that are not carried out come again."""
    failed = [record["messageId"] for record in event["Records"] if not carry_out(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def hide(record: Mapping[str, Any], queue: Queue, *, seconds: int) -> None:
    """Let a received message come again after so many seconds, should nobody get through with it until then."""
    _client().change_message_visibility(
        QueueUrl=_address(queue), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
    )


def _address(queue: Queue) -> str:
    return {
        "mail": settings().mail_queue_url,
        "customer_imports": settings().customer_import_queue_url,
        "event_mailings": settings().event_mailing_queue_url,
        "enrolment": settings().enrolment_queue_url,
        "rules": settings().rules_queue_url,
        "exports": settings().exports_queue_url,
        "erasures": settings().erasures_queue_url,
    }[queue]
