"""A list of customers as CSV: what the file must be like, and what becomes of each of its rows.

`customer_company_name, customer_full_name, email` must be there, as columns and in every row. The other columns may be
there, and may be empty: `price_list` and `customer_group` by name, `account_manager` (a sales rep's e-mail address, or its
name if no other has the same) in any letter case, `kind` (b2b or b2c), one address
(`address_label, address_company, address_name, street, postal_code, city, region, country`), and `send_invitation`
(yes or no, true or false, 1 or 0). Columns are recognised in any letter case, with spaces or underscores, and are parted
by commas, semicolons or tabs. A file that cannot be read as a whole is refused as a whole; a row at fault fails alone.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BeforeValidator, ValidationError

from tradepost.domain.csv_reading import YES_OR_NO, Refusal, SheetRow, fitted, misshapen, plain_words, read_header, read_rows
from tradepost.domain.customers import CustomerKind, NewAddress
from tradepost.domain.ids import person_key
from tradepost.domain.people import Member
from tradepost.domain.values import MAX_EMAIL, Email, Text, Value, folded

MAX_ROWS: Final = 20_000
MAX_BYTES: Final = 20 * 2**20
REQUIRED: Final = ("customer_company_name", "customer_full_name", "email")
ADDRESS: Final[Mapping[str, str]] = {
    "address_label": "label",
    "address_company": "company",
    "address_name": "name",
    "street": "street",
    "postal_code": "postal_code",
    "city": "city",
    "region": "region",
    "country": "country",
}
COLUMNS: Final = frozenset(
    {*REQUIRED, "account_manager", "price_list", "customer_group", "kind", "send_invitation", *ADDRESS},
)
_SHOWN: Final = 200
_ADDRESS_COLUMNS: Final = {field: column for column, field in ADDRESS.items()}
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")

type RowStatus = Literal["create", "skip", "fail"]


class FileMistake(Value):
    """Why a file cannot be read at all. `code` is stable, `line` is where its fault is."""

    code: str
    message: str
    line: int | None = None


class UnreadableFileError(Exception):
    """The file as a whole is no list of customers."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        """Say what is wrong with it, and where."""
        super().__init__(message)
        self.mistake = FileMistake(code=code, message=message, line=line)


class CheckedRow(Value):
    """What becomes of a row, for the report. `field` is the column at fault; the name and address are as they were written."""

    row: int
    status: RowStatus
    name: str
    email: str
    reason: str | None = None
    message: str | None = None
    field: str | None = None
    customer_id: str | None = None


class PlannedCustomer(Value):
    """A customer that an approved import creates, with everything that was looked up for it."""

    row: int
    id: str
    name: str
    contact_name: str
    email: str
    kind: CustomerKind
    group_id: str
    price_tier_id: str | None
    account_manager_id: str | None = None
    address: NewAddress | None
    send_invitation: bool


class Sheet(NamedTuple):
    """The columns of a file, as they are named here, and its rows that are not blank."""

    columns: tuple[str, ...]
    rows: list[SheetRow]


class Known(NamedTuple):
    """What the store has: groups and price tiers by the names that the sheet uses, and the addresses that are taken.

    `sales_reps` are found as `called` says; `taken` holds persons, not addresses; `default_group` is where rows go that name
    no group, unless it is gone.
    """

    groups: Mapping[str, str]
    tiers: Mapping[str, str]
    sales_reps: Mapping[str, Member]
    taken: Container[str]
    default_group: str | None


class Outcome(NamedTuple):
    """What becomes of a row, and the customer that it creates, if it does."""

    checked: CheckedRow
    planned: PlannedCustomer | None


class Line(NamedTuple):
    """A row whose values were read, or why they could not be. `names` are of what the store must have."""

    row: int
    shown: tuple[str, str]
    values: "_Values | None"
    names: Mapping[str, str]
    refusal: Refusal | None = None

    @property
    def person(self) -> str | None:
        """The person behind the row's address."""
        return person_key(self.values.email) if self.values else None


def _kind(value: object) -> object:
    return folded(str(value)) or "b2b"


def _yes(value: object) -> object:
    text = folded(str(value))
    if text and text not in YES_OR_NO:
        raise ValueError("is neither yes nor no")
    return YES_OR_NO[text] if text else False


type _Kind = Annotated[CustomerKind, BeforeValidator(_kind)]
type _Yes = Annotated[bool, BeforeValidator(_yes)]


class _Values(Value):
    """A row's own values, held against the same rules as those of a single new customer."""

    customer_company_name: Text
    customer_full_name: Text
    email: Email
    kind: _Kind = "b2b"
    send_invitation: _Yes = False
    address: NewAddress | None = None


def read_sheet(data: bytes) -> Sheet:
    """Return the columns and rows of a file. Raises `UnreadableFileError`."""
    text = _text(data)
    columns, delimiter = _header(text)
    rows: list[SheetRow] = []
    for read in read_rows(text, delimiter):
        if read.row == 1:
            continue
        if read.error is not None:
            _must_be_closed(read)
        elif not any(cell.strip() for cell in read.cells):
            continue
        if len(rows) == MAX_ROWS:
            raise UnreadableFileError("too_many_rows", f"The file has more than {MAX_ROWS} rows.", read.line)
        rows.append(read)
    if not rows:
        raise UnreadableFileError("no_rows", "The file has a header and no rows.", 1)
    last = rows[-1]
    if not last.error and len(last.cells) < len(columns) and not text.endswith(("\n", "\r")):
        raise UnreadableFileError("truncated", "The file ends in the middle of its last row.", last.line)
    return Sheet(columns, rows)


def called(sales_reps: Sequence[Member]) -> dict[str, Member]:
    """Return sales reps by what a sheet may call them: their e-mail addresses, and their names as far as no other has it."""
    names = Counter(folded(rep.name) for rep in sales_reps)
    named = {folded(rep.name): rep for rep in sales_reps if names[folded(rep.name)] == 1}
    return named | {folded(rep.email): rep for rep in sales_reps}


def read_lines(sheet: Sheet) -> list[Line]:
    """Read the values of every row, each by itself."""
    return [_line(read, sheet.columns) for read in sheet.rows]


def decide(lines: Iterable[Line], known: Known, ids: Iterator[str]) -> Iterator[Outcome]:
    """Decide what becomes of each row; `ids` names the customers that will be.

    Of rows with one address the first good one is created.
    """
    created: dict[str, int] = {}
    for line in lines:
        refusal = line.refusal or _unknown(line, known)
        name, email = line.shown
        if refusal is None and line.person:
            earlier = created.setdefault(line.person, line.row)
            if earlier != line.row:
                refusal = Refusal("duplicate_in_file", f"is in row {earlier} already", "email")
        if refusal is None and line.values is not None:
            planned = _planned(line, line.values, known, next(ids))
            checked = CheckedRow(row=line.row, status="create", name=name, email=email, customer_id=planned.id)
            yield Outcome(checked, planned)
        else:
            told = refusal._asdict() if refusal else {}
            status: RowStatus = "skip" if told.get("reason") in {"duplicate_in_file", "email_taken"} else "fail"
            yield Outcome(CheckedRow(row=line.row, status=status, name=name, email=email, **told), None)


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableFileError("too_large", f"The file is larger than {MAX_BYTES // 2**20} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"The file is not UTF-8 throughout: byte 0x{data[error.start]:02x} is not. Save it as UTF-8."
        raise UnreadableFileError("encoding", message, _line_at(data, error.start)) from None
    if b"\0" in data:
        raise UnreadableFileError("nul_byte", "The file holds a NUL byte: it is no text.", _line_at(data, data.index(0)))
    if not text.strip():
        raise UnreadableFileError("empty_file", "The file is empty.")
    return text


def _line_at(data: bytes, position: int) -> int:
    return len(_LINE_ENDS.findall(data, 0, position)) + 1


def _header(text: str) -> tuple[tuple[str, ...], str]:
    """Return the columns, and what parts them."""
    header = read_header(text, COLUMNS)
    if header.read.error is not None:
        _must_be_closed(header.read)
    columns = header.columns
    for place, name in enumerate(columns):
        if name not in COLUMNS:
            raise UnreadableFileError("unknown_column", f"“{name[:100]}” is not a column of a customer list.", 1)
        if name in columns[:place]:
            raise UnreadableFileError("duplicate_column", f"The column “{name}” is there twice.", 1)
    for name in REQUIRED:
        if name not in columns:
            raise UnreadableFileError("missing_column", f"The column “{name}” is missing.", 1)
    return columns, header.delimiter


def _must_be_closed(read: SheetRow) -> None:
    """Refuse a file in which a quotation mark is open to its end, or swallows row after row."""
    words = str(read.error)
    if "unexpected end" in words or "field limit" in words:
        raise UnreadableFileError(
            "unterminated_quote",
            "A cell begins here that does not end, or is far too long: is a quotation mark missing?",
            read.line,
        )


def _line(read: SheetRow, columns: tuple[str, ...]) -> Line:
    cells = fitted(read.cells, len(columns))
    given = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    shown = (given.get("customer_company_name", "")[:_SHOWN], given.get("email", "")[:_SHOWN])
    names = {column: given.get(column, "") for column in ("account_manager", "price_list", "customer_group")}
    refusal = misshapen(read.error, len(cells), len(columns)) or _missing(given)
    if refusal:
        return Line(read.row, shown, None, names, refusal)
    try:
        return Line(read.row, shown, _Values.model_validate(_document(given)), names)
    except ValidationError as error:
        return Line(read.row, shown, None, names, _refusal(error))


def _missing(given: Mapping[str, str]) -> Refusal | None:
    for column in REQUIRED:
        if not given[column]:
            return Refusal("required", "is required", column)
    if len(given["email"]) > MAX_EMAIL:
        return Refusal("too_long", f"is longer than {MAX_EMAIL} characters", "email")
    if any(given.get(column) for column in ADDRESS):
        for column in ("street", "postal_code", "city", "country"):
            if not given.get(column):
                return Refusal("required", "is required in an address", column)
    return None


def _document(given: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {name: given[name] for name in _Values.model_fields if name in given}
    address = {field: given[column] for column, field in ADDRESS.items() if given.get(column)}
    if address:
        document["address"] = {**address, "country": address["country"].upper()}
    return document


def _refusal(error: ValidationError) -> Refusal:
    finding = error.errors(include_url=False, include_input=False)[0]
    place = str(finding["loc"][-1])
    column = _ADDRESS_COLUMNS[place] if finding["loc"][0] == "address" else str(finding["loc"][0])
    if finding["type"] in {"string_too_long", "too_long"}:
        return Refusal("too_long", f"is longer than {finding['ctx']['max_length']} characters", column)
    return Refusal("invalid", plain_words(finding["msg"]), column)


def _unknown(line: Line, known: Known) -> Refusal | None:
    """Return what the row names that the store does not have, or that another customer has."""
    manager, price_list, group = (line.names[name] for name in ("account_manager", "price_list", "customer_group"))
    if line.person in known.taken:
        return Refusal("email_taken", "belongs to a customer of this store already", "email")
    if manager and (refusal := _unfit(known.sales_reps.get(folded(manager)))):
        return refusal
    if price_list and price_list not in known.tiers:
        return Refusal("unknown_price_list", "is not a price tier of this store", "price_list")
    if group and group not in known.groups:
        return Refusal("unknown_group", "is not a customer group of this store", "customer_group")
    if not group and known.default_group is None:
        return Refusal("unknown_group", "is empty, and the group that the import names does not exist", "customer_group")
    return None


def _unfit(manager: Member | None) -> Refusal | None:
    if manager is None:
        message = "is neither the e-mail address of a sales rep of this store nor the name of just one"
        return Refusal("unknown_account_manager", message, "account_manager")
    if manager.rep_status == "active":
        return None
    return Refusal("account_manager_not_active", "is not active, or has not accepted yet", "account_manager")


def _planned(line: Line, values: _Values, known: Known, customer_id: str) -> PlannedCustomer:
    group, tier, manager = (line.names[name] for name in ("customer_group", "price_list", "account_manager"))
    return PlannedCustomer(
        row=line.row,
        id=customer_id,
        name=values.customer_company_name,
        contact_name=values.customer_full_name,
        email=values.email,
        kind=values.kind,
        group_id=known.groups[group] if group else str(known.default_group),
        price_tier_id=known.tiers[tier] if tier else None,
        account_manager_id=known.sales_reps[folded(manager)].id if manager else None,
        address=values.address,
        send_invitation=values.send_invitation,
    )
