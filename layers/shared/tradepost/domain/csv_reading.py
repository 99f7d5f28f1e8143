"""What the lists that are sent as CSV have in common: how rows are told apart and counted, and how a refusal is worded."""

import csv
import io
import re
from collections.abc import Container, Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple

from tradepost.domain.values import folded

YES_OR_NO: Final[Mapping[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""How a cell says yes or no, folded."""

_GAPS = re.compile(r"[\s_-]+")


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


class SheetHeader(NamedTuple):
    """The columns of a sheet in lower case, with underscores for gaps; what parts them; and the row as it was read."""

    columns: tuple[str, ...]
    delimiter: str
    read: SheetRow


def read_header(text: str, known: Container[str]) -> SheetHeader:
    """Read the first row, parted by whichever of comma, semicolon and tab makes most columns that are known."""
    headers = [_header(text, delimiter) for delimiter in ",;\t"]
    return max(headers, key=lambda header: sum(name in known for name in header.columns))


def fitted(cells: list[str], columns: int) -> list[str]:
    """Return a row without the empty cells that spreadsheets leave behind the last column."""
    while len(cells) > columns and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def misshapen(error: csv.Error | None, cells: int, columns: int) -> Refusal | None:
    """Return why a row cannot be read; None if it has a cell for each column."""
    if error is not None:
        return Refusal("malformed_row", f"is not CSV: {error}")
    return None if cells == columns else Refusal("malformed_row", f"has {cells} cells instead of {columns}")


def _header(text: str, delimiter: str) -> SheetHeader:
    read = next(read_rows(text, delimiter), SheetRow(1, 1, []))
    names = [_GAPS.sub("_", folded(cell)) for cell in read.cells]
    while names and not names[-1]:
        names.pop()
    return SheetHeader(tuple(names), delimiter, read)


def plain_words(message: str) -> str:
    """Return what a validator says, worded as what follows the name of a column."""
    words = message.removeprefix("Value error, ")
    return "is required" if words == "Field required" else words[:1].lower() + words[1:]
