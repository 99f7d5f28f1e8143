"""The table in moto, made from `template.yaml`, and a look into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.client
import botocore.session

from tests.support.template import resource
from tradepost.table.records import Record

TABLE_NAME = "tradepost-test"


def create_table() -> None:
    """Create the table with the keys and indexes that are deployed."""
    properties = resource("Table")["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "StreamSpecification")
    definition = {name: properties[name] for name in wanted}
    definition["StreamSpecification"] = {"StreamEnabled": True, **definition["StreamSpecification"]}
    client = botocore.session.get_session().create_client("dynamodb")
    client.create_table(TableName=TABLE_NAME, **definition)


def stored(entity: str | None = None) -> list[dict[str, Any]]:
    """Return everything in the table, or the items of one entity, as plain values sorted by key."""
    items = [{**record.document(), "pk": record.pk, "sk": record.sk, "entity": record.entity} for record in Record.scan()]
    chosen = [item for item in items if entity in {None, item["entity"]}]
    return sorted(chosen, key=lambda item: (item["pk"], item["sk"]))


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
