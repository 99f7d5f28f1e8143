"""The table in moto, made from `template.yaml`, and a look into it."""

import copy
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import botocore.client
import botocore.session
from moto.dynamodb import models
from moto.dynamodb.models.table import Table

from tests.support.template import resource
from tradepost.aws.secrets import signing_key
from tradepost.domain.clock import now, stamp
from tradepost.table.records import Record
from tradepost.table.shapes import SESSION

TABLE_NAME = "tradepost-test"
ACCOUNT = "123456789012"  # moto's


def create_table() -> None:
    """Create the table with the keys and indexes that are deployed."""
    properties = resource("Table")["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "StreamSpecification")
    definition = {name: properties[name] for name in wanted}
    definition["StreamSpecification"] = {"StreamEnabled": True, **definition["StreamSpecification"]}
    client = botocore.session.get_session().create_client("dynamodb")
    client.create_table(TableName=TABLE_NAME, **definition)


def _copying_once(transact: Any) -> Any:
    """Wrap moto's transaction, which copies the whole table for each of its items: one copy is as good to fall back to."""

    def transact_write_items(backend: models.DynamoDBBackend, items: list[dict[str, Any]]) -> None:
        backups: dict[int, Any] = {}

        def deepcopy(value: Any) -> Any:
            if not isinstance(value, Table):
                return copy.deepcopy(value)
            if id(value) not in backups:
                backups[id(value)] = copy.deepcopy(value)
            return backups[id(value)]

        with patch.object(models, "copy", SimpleNamespace(deepcopy=deepcopy, copy=copy.copy)):
            transact(backend, items)

    return transact_write_items


models.DynamoDBBackend.transact_write_items = _copying_once(models.DynamoDBBackend.transact_write_items)  # type: ignore[method-assign]  # see there


def in_memory() -> Table:
    """Return the table as moto holds it: its Scan takes half a second for a hundred items."""
    table: Table = models.dynamodb_backends[ACCOUNT][os.environ["AWS_DEFAULT_REGION"]].tables[TABLE_NAME]
    return table


def records(entity: str | None = None) -> list[Record]:
    """Return everything in the table, or the items of one entity, as the functions read them."""
    items = [{name: value.to_regular_json() for name, value in item.attrs.items()} for item in in_memory().all_items()]
    return [Record.from_raw_data(item) for item in items if entity in {None, item["entity"]["S"]}]


def put_back(before: Iterable[Record]) -> None:
    """Fill an empty table with what was in another one: a world that takes a while to build is built once and copied.

    Its sessions are in use now, however long ago that was: noting it would be a call that no request is to blame for.
    """
    signing_key()  # read once per process: not what a request costs
    with Record.batch_write() as batch:
        for record in before:
            if record.entity == SESSION.entity:
                record.data["last_seen_at"] = stamp(now())
            batch.save(record)


def stored(entity: str | None = None) -> list[dict[str, Any]]:
    """Return everything in the table, or the items of one entity, as plain values sorted by key."""
    found = records(entity)
    items = [{**record.document(), "pk": record.pk, "sk": record.sk, "entity": record.entity} for record in found]
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


def everything() -> str:
    """Return the whole table as one text, to look for what must not be in it."""
    return "\n".join(str(record.to_dynamodb_dict()) for record in records())


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Collect the names of the AWS operations that happen meanwhile."""
    calls: list[str] = []
    original = botocore.client.BaseClient._make_api_call

    def counting(self: Any, operation: str, parameters: Any) -> Any:
        calls.append(operation)
        return original(self, operation, parameters)

    botocore.client.BaseClient._make_api_call = counting
    try:
        yield calls
    finally:
        botocore.client.BaseClient._make_api_call = original
