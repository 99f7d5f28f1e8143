"""The table's stream: put every new outbox item's key on its queue, so that what was decided is also carried out."""

from typing import Any

from aws_lambda_powertools import Logger

from tradepost.aws.queues import enqueue
from tradepost.domain.outbox import queue_of
from tradepost.table.shapes import Key

logger = Logger(service="tradepost")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Relay a batch of inserted outbox items. Those that the queue refused are reported, and come again."""
    keys = {record["dynamodb"]["SequenceNumber"]: _key(record) for record in event["Records"]}
    refused = enqueue({_key(record): queue_of(_type(record)) for record in event["Records"]})
    failed = [number for number, key in keys.items() if key in refused]
    logger.info("relayed", items=len(keys) - len(failed), refused=len(failed))
    # The stream goes on from the first one that failed; consumers bear to be told twice.
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed[:1]]}


def _key(record: dict[str, Any]) -> Key:
    keys = record["dynamodb"]["Keys"]
    return Key(keys["pk"]["S"], keys["sk"]["S"])


def _type(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["NewImage"]["data"]["M"]["message"]["M"]["type"]["S"])
