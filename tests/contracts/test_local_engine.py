"""What the local engine is taught reads conditions as the table's library writes them."""

from typing import Any

import pytest
from pynamodb.expressions.condition import Condition

from local_stack.engine_main import Between
from tradepost.table.records import FirstIndex, Record


def read(condition: Condition) -> Between | None:
    """Read a key condition as it comes over the wire."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    written = condition.serialize(names, values)
    return Between.read(written, values, {placeholder: name for name, placeholder in names.items()})


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
