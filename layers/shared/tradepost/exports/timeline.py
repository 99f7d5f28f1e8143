"""What an export reads of lists that go by time: what was placed or issued in its period, oldest first.

Nothing of them is read that was placed or issued after the export was asked for, however long it takes to write it.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tradepost.domain.clock import stamp
from tradepost.domain.exports import Export
from tradepost.domain.stores import Store
from tradepost.table.forward import Listed, Read, holds_any, read_on


class Timeline:
    """A list by time, as far as the period of an export goes.

    `widest` is the list that holds everything its requester might ask for. `chosen` is the part of it that the filter named
    `chooser` picks, which is the whole if there is no such filter, and nothing at all if it is None.
    """

    def __init__(self, export: Export, store: Store, *, widest: Listed, chosen: Listed | None, chooser: str | None) -> None:
        """Prepare to read: nothing is read yet."""
        self._end = export.until
        self._begin = min(max(export.begin, store.opened_at), self._end)
        self._between = (stamp(export.begin), stamp(self._end))
        self._widest = widest
        self._chosen = replace(chosen, between=self._between) if chosen else None
        self._chooser = chooser

    def read(self, position: str | None) -> Iterator[Read]:
        """Read on behind a position, from the beginning if there is none."""
        return read_on(self._chosen, position) if self._chosen else iter(())

    def share(self, at: datetime) -> float:
        """Tell how much of the period lies before an instant."""
        length = self._end - self._begin
        return min(1.0, max(0.0, (at - self._begin) / length)) if length else 1.0

    def left_nothing(self) -> str | None:
        """Tell, where nothing was read, which filter is to blame, the widest first; None if there is nothing at all."""
        if not holds_any(self._widest):
            return None
        return self._chooser if holds_any(replace(self._widest, between=self._between)) else "period"
