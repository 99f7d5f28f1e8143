"""A product list as CSV: what each row asks for, and why a row that cannot be carried out is refused.

The columns are `number, name, description, weight_grams, active` and `price:<name of a price tier>` for each tier.
Only `number` must be there. A column that is not there leaves what it is about as it is. An empty cell empties it: no
description, no weight, no price in that tier; an empty `active` leaves that as it is. Prices are decimals of the
store's currency; a comma stands for the point only where semicolons part the columns.
"""

import csv
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from tradepost.domain.catalog import MAX_PRICES, Product, ProductFields, ProductNumber, described, number_key
from tradepost.domain.csv_reading import YES_OR_NO, Refusal, SheetRow, plain_words, read_rows
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.standards import decimals_of
from tradepost.domain.values import MAX_AMOUNT, Price, folded

MAX_ROWS: Final = 500
PRICE: Final = "price:"
_COLUMNS: Final = frozenset({"number", "name", "description", "weight_grams", "active"})
_NUMBER: Final[TypeAdapter[str]] = TypeAdapter(ProductNumber)
_AMOUNT = re.compile(r"([0-9]{1,13})(?:([.,])([0-9]{1,6}))?")
_GRAMS = re.compile(r"[0-9]{1,9}")

type Status = Literal["created", "updated", "unchanged", "failed"]


class Line(NamedTuple):
    """A row as it was read, counted as spreadsheets do: the header is row 1."""

    row: int
    number: str
    cells: Mapping[str, str]
    refusal: Refusal | None = None


class Planned(NamedTuple):
    """What will become of a row: the product before, and as the row wants it; or why it is refused."""

    line: Line
    before: Product | None = None
    after: Product | None = None
    refusal: Refusal | None = None

    @property
    def status(self) -> Status:
        """What the row does. One that asks for what there is already does nothing."""
        if self.refusal or self.after is None:
            return "failed"
        if self.before is None:
            return "created"
        return "unchanged" if self.before.fields == self.after.fields else "updated"


class Header(NamedTuple):
    """The columns of a sheet, folded, but for the names of price tiers; and what parts them."""

    columns: tuple[str, ...]
    delimiter: str

    @property
    def tier_names(self) -> list[str]:
        """The price tiers that the sheet has prices for."""
        return [column.removeprefix(PRICE) for column in self.columns if column.startswith(PRICE)]


class Legend(NamedTuple):
    """How cells are read: the ids of price tiers by their names, and what a price is written in."""

    tiers: Mapping[str, str]
    currency: str
    decimal_comma: bool


def read_header(text: str) -> Header:
    """Return the columns. Raises `InvalidError` if there are none, or some that no product has."""
    first = _content(text).partition("\n")[0].rstrip("\r")
    delimiter = max(",;", key=lambda candidate: sum(map(_is_known, _columns(first, candidate))))
    columns = _columns(first, delimiter)
    if len(columns) > len(_COLUMNS) + MAX_PRICES:
        raise _invalid_header(f"has more than {len(_COLUMNS) + MAX_PRICES} columns")
    if "number" not in columns:
        raise _invalid_header("has no column “number”")
    seen: set[str] = set()
    for column in columns:
        if not _is_known(column):
            raise _invalid_header(f"has a column “{column[:100]}”, which no product has")
        if folded(column) in seen:
            raise _invalid_header(f"has two columns “{column[:100]}”")
        seen.add(folded(column))
    return Header(columns, delimiter)


def read_lines(text: str, header: Header) -> list[Line]:
    """Return the rows, blank ones left out; those that repeat a product or do not fit the columns are refused.

    Raises `InvalidError` for more rows than one import takes.
    """
    lines: list[Line] = []
    seen: set[str] = set()
    for read in read_rows(_content(text), header.delimiter):
        if read.row == 1 or not (read.error or any(cell.strip() for cell in read.cells)):
            continue
        line = _line(read, header)
        key = number_key(line.number)
        if line.refusal is None and key in seen:
            line = line._replace(refusal=Refusal("duplicate_number", "is in an earlier row already", "number"))
        seen.add(key)
        lines.append(line)
    if len(lines) > MAX_ROWS:
        raise InvalidError(Fault("", f"has more than {MAX_ROWS} rows"), code="too_many_rows")
    return lines


def legend(header: Header, tiers: Mapping[str, str], currency: str) -> Legend:
    """Return how cells are read. Raises `InvalidError` for a price tier that is not among `tiers`, the ids by name."""
    for name in header.tier_names:
        if name not in tiers:
            raise _invalid_header(f"has prices for “{name[:100]}”, which is not a price tier", "unknown_price_tier")
    return Legend(tiers, currency, decimal_comma=header.delimiter == ";")


def plan(line: Line, before: Product | None, means: Legend, *, at: datetime) -> Planned:
    """Decide what becomes of a row, given the product that it is about as it is now."""
    if line.refusal:
        return Planned(line, refusal=line.refusal)
    fields: dict[str, Any] = dict(before.fields) if before else {}
    fields["prices"] = dict(fields.get("prices", {}))
    for column, cell in line.cells.items():
        refusal = _put(fields, column, cell, means)
        if refusal:
            return Planned(line, refusal=refusal)
    try:
        return Planned(line, before, described(line.number, ProductFields.model_validate(fields), before, at=at))
    except ValidationError as error:
        finding = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Planned(line, refusal=Refusal("invalid", plain_words(finding["msg"]), str(finding["loc"][0])))


def _put(fields: dict[str, Any], column: str, cell: str, means: Legend) -> Refusal | None:
    text = cell.strip()
    if column in {"name", "description"}:
        fields[column] = cell
    elif column == "weight_grams":
        if text and not _GRAMS.fullmatch(text):
            return Refusal("invalid", "is not a whole number of grams", column)
        fields[column] = int(text) if text else None
    elif column == "active" and text:
        if folded(text) not in YES_OR_NO:
            return Refusal("invalid", "is neither true nor false", column)
        fields[column] = YES_OR_NO[folded(text)]
    elif column.startswith(PRICE):
        tier = means.tiers[column.removeprefix(PRICE)]
        fields["prices"].pop(tier, None)
        if text:
            amount = _minor_units(text, means)
            if isinstance(amount, Refusal):
                return amount._replace(field=column[:100])
            fields["prices"][tier] = Price(amount=amount, currency=means.currency)
    return None


def _minor_units(text: str, means: Legend) -> int | Refusal:
    match = _AMOUNT.fullmatch(text)
    if match is None or (match[2] == "," and not means.decimal_comma):
        return Refusal("invalid", "is not a price, such as 12.50")
    units, decimals, most = match[1], match[3] or "", decimals_of(means.currency)
    if len(decimals) > most:
        return Refusal("invalid", f"has more decimals than {means.currency}, which has {most}")
    amount = int(units + decimals.ljust(most, "0"))
    if amount > MAX_AMOUNT:
        return Refusal("invalid", "is too much")
    return amount


def _line(read: SheetRow, header: Header) -> Line:
    row, cells = read.row, read.cells
    if read.error:
        return Line(row, "", {}, Refusal("malformed_row", f"is not CSV: {read.error}"))
    named = dict(zip(header.columns, cells, strict=False))
    number = named.pop("number", "").strip()
    if len(cells) != len(header.columns):
        message = f"has {len(cells)} columns instead of {len(header.columns)}"
        return Line(row, number[:64], {}, Refusal("malformed_row", message))
    try:
        return Line(row, _NUMBER.validate_python(number), named)
    except ValidationError as error:
        message = plain_words(error.errors(include_url=False, include_input=False)[0]["msg"]) if number else "is required"
        return Line(row, number[:64], {}, Refusal("invalid", message, "number"))


def _columns(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return ()
    return tuple(_column(cell) for cell in cells)


def _is_known(column: str) -> bool:
    return column in _COLUMNS or column.startswith(PRICE)


def _invalid_header(message: str, code: str = "invalid_header") -> InvalidError:
    return InvalidError(Fault("/header", message), code=code)


def _content(text: str) -> str:
    return text.removeprefix("\ufeff")


def _column(cell: str) -> str:
    name = cell.strip()
    kind, colon, tier = name.partition(":")
    return f"{PRICE}{tier.strip()}" if colon and folded(kind) == "price" else folded(name)
