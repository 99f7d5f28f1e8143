"""Reading a whole list forward, in stretches, for whoever has to go through all of it: from its beginning, or from a position.

Each stretch is one Query, and begins where the one before ended, so that nothing of a list is held but a stretch.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from pynamodb.indexes import GlobalSecondaryIndex

from tradepost.table.listing import Position, Rows, list_index, list_partition, position_of
from tradepost.table.records import Record

STRETCH: Final = 250
"""How many items a Query reads at most."""


@dataclass(frozen=True)
class Listed:
    """A list: a partition of an index, or of the table itself, between two sort keys if there are any."""

    partition: str
    gsi: Literal[1, 2] | None = None
    between: tuple[str, str] | None = None

    @property
    def index(self) -> GlobalSecondaryIndex[Record]:
        """The index that it is in."""
        return Record.gsi2 if self.gsi == 2 else Record.gsi1  # noqa: PLR2004  # as it is called


class Read(NamedTuple):
    """Some items of a list, at least one, and the position that leads to what comes behind them."""

    records: list[Record]
    position: str


def read_on(listed: Listed, position: str | None) -> Iterator[Read]:
    """Read a list on behind a position, from the beginning if there is none."""
    after: Position | None = json.loads(position) if position else None
    while True:
        rows = _rows(listed, limit=STRETCH, after=after)
        if rows.records:
            yield Read(rows.records, json.dumps(position_of(rows.records[-1], listed.gsi)))
        after = rows.next_position
        if after is None:
            return


def holds_any(listed: Listed) -> bool:
    """Tell whether there is anything in a list."""
    return bool(_rows(listed, limit=1, after=None).records)


def _rows(listed: Listed, *, limit: int, after: Position | None) -> Rows:
    if listed.gsi is None:
        return list_partition(listed.partition, limit=limit, after=after)
    if listed.between and listed.between[0] > listed.between[1]:
        # Nothing is between them, and DynamoDB refuses to look.
        return Rows([], None)
    return list_index(listed.index, listed.partition, limit=limit, after=after, between=listed.between)
