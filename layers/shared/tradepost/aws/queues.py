"""The queues that outbox items are relayed to. A message is the item's key and nothing else: no address, no link."""

import json
from collections.abc import Iterable
from functools import cache
from itertools import batched
from typing import Any, Final

import botocore.session

from tradepost.settings import settings
from tradepost.table.shapes import Key

MOST_A_CALL: Final = 10


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sqs")


def enqueue(keys: Iterable[Key]) -> set[Key]:
    """Put outbox items on the mail queue, as many a call as SQS takes. Returns those that the queue refused."""
    refused = set[Key]()
    for batch in batched(keys, MOST_A_CALL, strict=False):
        entries = [{"Id": str(index), "MessageBody": json.dumps(key._asdict())} for index, key in enumerate(batch)]
        answer = _client().send_message_batch(QueueUrl=settings().mail_queue_url, Entries=entries)
        refused.update(batch[int(failure["Id"])] for failure in answer.get("Failed", ()))
    return refused


def dequeued(record: dict[str, Any]) -> Key:
    """Return the outbox key in a message as Lambda received it."""
    return Key(**json.loads(record["body"]))
