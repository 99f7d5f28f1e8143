"""The entity chart and the access patterns in the README are those of the code."""

import re

from tests.support.functions import ROOT
from tradepost.table.shapes import SHAPES, Key, Shape

COLUMNS = ["entity", "pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"]
NONE = Key("—", "—")


def _table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, the header first."""
    section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set("-: ")]


def _row(shape: Shape) -> list[str]:
    keys = [Key(shape.pk, shape.sk), shape.gsi1 or NONE, shape.gsi2 or NONE]
    return [shape.entity, *(part if part == "—" else f"`{part}`" for key in keys for part in key)]


def test_the_entity_chart_is_that_of_the_code() -> None:
    header, *rows = _table("Entity chart")
    assert header == COLUMNS
    assert rows == [_row(shape) for shape in SHAPES]


def test_every_entity_has_a_name_and_a_key_of_its_own() -> None:
    assert len({shape.entity for shape in SHAPES}) == len(SHAPES)
    assert len({(shape.pk, shape.sk) for shape in SHAPES}) == len(SHAPES)


def test_every_key_names_its_kind_first_and_then_whose_it_is() -> None:
    partitions = [key for shape in SHAPES for key in (shape.pk, *(index.pk for index in (shape.gsi1, shape.gsi2) if index))]
    assert [key for key in partitions if not re.match(r"[A-Z-]+#\{(?:store|owner|person|company|prefix|shard)\}", key)] == []


def test_the_access_patterns_are_numbered_and_query_what_there_is() -> None:
    header, *rows = _table("Access patterns")
    assert header[0] == "#"
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    queried = {(index, key) for row in rows for index, key in re.findall(r"(gsi[12] )?`([A-Z-]+#\{[^`]+)`", row[-1])}
    tables = {("", shape.pk) for shape in SHAPES}
    indexes = {(f"gsi{number} ", key.pk) for shape in SHAPES for number, key in ((1, shape.gsi1), (2, shape.gsi2)) if key}
    assert queried <= tables | indexes
    assert indexes <= queried, "an index that nothing queries"
