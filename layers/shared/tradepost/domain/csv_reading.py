"""What the lists that are sent as CSV have in common: how rows are told apart and counted, and how a refusal is worded."""

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple

YES_OR_NO: Final[Mapping[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""How a cell says yes or no, folded."""


class Refusal(NamedTuple):
    """Why a row is not carried out. `reason` is stable, `message` for people, `field` the column at fault."""

    reason: str
    message: str
    field: str | None = None


class SheetRow(NamedTuple):
    """A row as it was read: its number as spreadsheets count (the header is row 1), and the line where it begins."""

    row: int
    line: int
    cells: list[str]
    error: csv.Error | None = None


def read_rows(text: str, delimiter: str) -> Iterator[SheetRow]:
    """Read the rows of a sheet one after the other, blank ones included. One that is not CSV carries the error."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for row in count(1):
        line = reader.line_num + 1
        try:
            yield SheetRow(row, line, next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield SheetRow(row, line, [], error)


def plain_words(message: str) -> str:
    """Return what a validator says, worded as what follows the name of a column."""
    words = message.removeprefix("Value error, ")
    return "is required" if words == "Field required" else words[:1].lower() + words[1:]
