"""What the local engine is taught reads conditions as the table's library writes them."""

from typing import Any

import pytest
from pynamodb.expressions.condition import Condition

from local_stack.engine_main import Between
from tradepost.table.records import FirstIndex, Record


def read(condition: Condition, **asked: Any) -> Between | None:
    """Read a query as it comes over the wire."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    written = condition.serialize(names, values)
    spelled = {placeholder: name for name, placeholder in names.items()}
    query = {"KeyConditionExpression": written, "ExpressionAttributeValues": values, "ExpressionAttributeNames": spelled}
    return Between.of({**query, **asked})


@pytest.mark.parametrize(
    ("partition", "sort_key", "holds"),
    [
        ("store", "b", True),
        ("store", "b#1", True),
        ("store", "d", True),
        ("store", "a~", False),
        ("store", "d ", False),
        ("stores", "c", False),
    ],
)
def test_what_lies_between_two_keys_of_a_partition_is_found_and_both_are_included(
    partition: str, sort_key: str, *, holds: bool
) -> None:
    between = read((FirstIndex.gsi1pk == "store") & FirstIndex.gsi1sk.between("b", "d"))
    assert between is not None
    assert between.holds({"gsi1pk": {"S": partition}, "gsi1sk": {"S": sort_key}}) is holds


@pytest.mark.parametrize(("forward", "expected"), [(True, ["b", "c1", "c2"]), (False, ["d", "c2", "c1"])])
def test_of_a_long_partition_only_what_comes_first_is_looked_at(*, forward: bool, expected: list[str]) -> None:
    condition = (FirstIndex.gsi1pk == "store") & FirstIndex.gsi1sk.between("b", "d")
    between = read(condition, IndexName="gsi1", ScanIndexForward=forward)
    assert between is not None
    # Whose sort keys are the same are in the order of their own keys.
    sort_keys = {"a": "a", "c2": "c", "d": "d", "b": "b", "c1": "c", "e": "e"}
    items = {"pk": {sk: {"gsi1sk": {"S": sort_key}} for sk, sort_key in sort_keys.items()}}
    assert between.next_of([("pk", sk) for sk in sort_keys], items, 3) == [("pk", sk) for sk in expected]


@pytest.mark.parametrize(
    "condition",
    [
        Record.pk == "store",
        (Record.pk == "store") & Record.sk.startswith("b"),
        (Record.pk == "store") & (Record.sk >= "b"),
        (Record.pk == "store") & Record.version.between(1, 2),
    ],
    ids=["partition", "beginning", "from", "numbers"],
)
def test_any_other_condition_is_left_to_the_engine(condition: Condition) -> None:
    assert read(condition) is None
