"""CSV that people open in a spreadsheet: what others typed is shown there and never run as a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_of(rows: Iterable[Sequence[str]]) -> str:
    """Write rows as RFC 4180 says. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return written.getvalue()
