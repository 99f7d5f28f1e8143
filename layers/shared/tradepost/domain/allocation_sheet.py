"""A list, as CSV, of who is to look after which customer.

`customer_number` and `account_manager` must be there, as columns: the e-mail address of a sales rep, or an empty cell for
nobody. Where `further_sales_reps` is there, a cell names those, parted by spaces or vertical bars, and an empty one nobody;
where it is not, they stay. Columns are recognised in any letter case, and are parted by commas, semicolons or tabs.
"""

import re
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from tradepost.domain.allocation import MAX_ALLOCATED
from tradepost.domain.csv_reading import Refusal, SheetRow, fitted, misshapen, read_header, read_rows
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.ids import person_key
from tradepost.domain.values import Email

REQUIRED: Final = ("customer_number", "account_manager")
COLUMNS: Final = frozenset({*REQUIRED, "further_sales_reps"})
_GAPS = re.compile(r"[\s|]+")
_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)


class AllocationRow(NamedTuple):
    """A row as it was read: people by their keys, and `further` only where the list has that column."""

    read: SheetRow
    number: str
    account_manager: str | None = None
    further: tuple[str, ...] | None = None
    refusal: Refusal | None = None


def read_sheet(text: str) -> list[AllocationRow]:
    """Return the rows of a list, blank ones left out.

    Raises `InvalidError` for columns that it cannot have or lacks, and for more rows than one request takes.
    """
    content = text.removeprefix("\ufeff")
    columns, delimiter, header = read_header(content, COLUMNS)
    strange = next((name for place, name in enumerate(columns) if name not in COLUMNS or name in columns[:place]), None)
    missing = next((name for name in REQUIRED if name not in columns), None)
    if header.error or strange is not None:
        message = f"has a column “{(strange or '')[:100]}” too many" if header.error is None else "is not CSV"
        raise InvalidError(Fault("/header", message), code="invalid_header")
    if missing:
        raise InvalidError(Fault("/header", f"has no column “{missing}”"), code="invalid_header")
    filled = (read for read in read_rows(content, delimiter) if read.error or any(cell.strip() for cell in read.cells))
    rows = [read for read in filled if read.row > 1]
    if len(rows) > MAX_ALLOCATED:
        raise InvalidError(Fault("", f"has more than {MAX_ALLOCATED} rows"), code="too_many_rows")
    return [_row(read, columns) for read in rows]


def _row(read: SheetRow, columns: tuple[str, ...]) -> AllocationRow:
    cells = fitted(read.cells, len(columns))
    given = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
    number = given.get("customer_number", "").upper()[:60]
    refusal = misshapen(read.error, len(cells), len(columns))
    if refusal:
        return AllocationRow(read, number, refusal=refusal)
    manager = given["account_manager"]
    further = given.get("further_sales_reps")
    named = None if further is None else tuple(_person(address) for address in _GAPS.split(further) if address)
    return AllocationRow(read, number, _person(manager) if manager else None, named)


def _person(address: str) -> str:
    """Return the key of the person behind an address; what is no address leads to nobody."""
    try:
        return person_key(_EMAIL.validate_python(address))
    except ValidationError:
        return person_key(address)
