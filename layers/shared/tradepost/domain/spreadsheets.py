"""CSV that people open in a spreadsheet: what others typed is shown there and never run as a formula.

It is written as RFC 4180 says, with a header always. Every text is quoted and nothing else is, so that a program which is told
so takes texts for texts, and numbers and times for what they are.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

type Cell = str | int | Decimal | datetime | date | None
"""What a cell holds. Texts are quoted and never run as a formula; numbers, days and times without a zone stay what they are."""

EXCEL_MARK: Final = "\ufeff".encode()
"""How a file begins from which Excel is to learn that it is UTF-8."""

# What begins a formula, also in the widths of East Asian scripts and small, and the minus of typesetters.
_SIGNS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
# What a spreadsheet does not see in front of one: spaces of any width, and characters without a look.
_UNSEEN: Final = (
    "\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"
)
# A cell that begins with a break may begin a row, or the next cell, where it is pasted.
_FORMULA: Final = re.compile(f"[{_UNSEEN}]*[{_SIGNS}\\t\\r\\n]")
# Where commas are for decimals, spreadsheets take semicolons for the ends of cells, and quotes within a cell for what they are:
# there, what follows a semicolon, a tab or a break is a cell of its own.
_CELL_WITHIN: Final = re.compile(f'(?<=[;\\t\\r\\n])(?!\\n)(?=["{_UNSEEN}]*[{_SIGNS}])')


class _Bare:
    """A value that is written as it is spelled, and without quotes."""

    def __init__(self, spelling: str) -> None:
        self._spelling = spelling

    def __str__(self) -> str:
        return self._spelling


def guarded(text: str) -> str:
    """Return a text with an apostrophe in front of whatever a spreadsheet would run of it, as it is otherwise."""
    within = _CELL_WITHIN.sub("'", text)
    return f"'{within}" if _FORMULA.match(text) else within


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Write a small file as a whole."""
    return (header_of(columns) + lines_of(rows)).decode()


def header_of(columns: Sequence[str], *, excel: bool = False) -> bytes:
    """Write the first row of a file, whose names are not quoted, behind Excel's mark if that is wanted."""
    return (EXCEL_MARK if excel else b"") + f"{','.join(columns)}\r\n".encode()


def lines_of(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write rows of a file."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_STRINGS)
    writer.writerows([cell if _is_harmless(cell) else _spelled(cell) for cell in row] for row in rows)
    return written.getvalue().encode()


def _is_harmless(cell: Cell) -> bool:
    # Millions of cells go through here, and nearly all of them are one line that begins with a letter or a digit.
    return cell.__class__ is str and cell[:1].isalnum() and ";" not in cell and cell.isprintable()


def _spelled(cell: Cell) -> object:
    if isinstance(cell, str):
        return guarded(cell)
    if isinstance(cell, Decimal):
        # Never as 1E+3: not every program knows that for a number.
        return _Bare(f"{cell:f}")
    # `str` writes a time as spreadsheets know it, as long as there are no fractions of a second.
    return cell.replace(microsecond=0, tzinfo=None) if isinstance(cell, datetime) else cell
