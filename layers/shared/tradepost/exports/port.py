"""What an export reads from has to offer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tradepost.domain import spreadsheets

type Cell = spreadsheets.Cell


class Stretch(NamedTuple):
    """Some entries that were read, in the order of the file.

    `rows` are those that passed all filters. `position` leads to what comes behind them; `share` is how much of everything
    lies before that, from 0 to 1. `reached` counts the entries that got past each filter, by its name.
    """

    rows: Sequence[Sequence[Cell]]
    position: str
    share: float
    reached: Mapping[str, int]


class Source(Protocol):
    """Something to be exported: it is read forward in stretches of some hundred entries, and read again from any position.

    Read again from the same position it gives the same, as long as nothing of it changes meanwhile.
    """

    columns: Sequence[str]
    """The header of the file."""
    filters: Mapping[str, str]
    """The names of the filters in the order in which they are applied, each with what it stands for in words."""

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a position, from the beginning if there is none."""

    def left_nothing(self) -> str | None:
        """Tell, where no entry was even read, which of the filters that choose what is read left nothing; None if none did."""
