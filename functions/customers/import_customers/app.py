"""/v1/customer-imports: upload a list of customers, see what would become of each row, approve or reject it."""

from datetime import datetime
from math import ceil
from typing import Annotated, Any, Final, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import PlainSerializer, SerializationInfo

from tradepost.aws.imports import read_lines, upload_form, upload_key
from tradepost.domain import clock
from tradepost.domain.customer_import import UPLOAD_LIFETIME, CustomerImport, ImportStatus, decided
from tradepost.domain.customer_sheet import MAX_BYTES, CheckedRow, FileMistake, RowStatus
from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_id
from tradepost.domain.outbox import CustomerImportRun
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import CustomerGroup
from tradepost.domain.values import Instant, OptionalText, Reference, Value
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customer_imports import customer_import_key, list_customer_imports, save_customer_import
from tradepost.table.shapes import Key
from tradepost.table.stores import require_entry
from tradepost.table.transaction import KEPT

# More than a hundred rows of the report are, however long what is written in them.
WINDOW: Final = 512 * 1024


class NewCustomerImport(Value):
    """What an import begins with: the group for rows that name none, and what the file is called."""

    group_id: Reference
    file_name: OptionalText | None = None


def _url(url: str, info: SerializationInfo) -> str:
    return "" if info.context == KEPT else url


def _fields(fields: dict[str, str], info: SerializationInfo) -> dict[str, str]:
    return {"key": fields["key"]} if info.context == KEPT else fields


class UploadForm(Answer):
    """Where the file goes: a `multipart/form-data` POST of all `fields`, and last the field `file`. Whoever has it can."""

    url: Annotated[str, PlainSerializer(_url, return_type=str)]
    fields: Annotated[dict[str, str], PlainSerializer(_fields, return_type=dict[str, str])]
    expires_at: Instant


class CustomerImportAnswer(Answer):
    """An import: what checking its file found, and how far it has been carried out.

    `rows` are to `create`, to `skip` (their customers are there already) or `fail`; `mistakes` shows the first that are not
    created, `mistake` why the file could not be read. Of those to create, `created` are, some of them `invited`; `failed` could
    not be any more, of which `failures` shows the first.
    """

    id: str
    status: ImportStatus
    progress: float
    group_id: str
    file_name: str | None
    columns: tuple[str, ...]
    rows: int
    create: int
    skip: int
    fail: int
    created: int
    invited: int
    failed: int
    mistake: FileMistake | None
    mistakes: tuple[CheckedRow, ...]
    failures: tuple[CheckedRow, ...]
    created_at: Instant
    created_by: Party
    upload_until: Instant
    checked_at: Instant | None
    decided_at: Instant | None
    decided_by: Party | None
    finished_at: Instant | None
    etag: str


class BegunCustomerImport(CustomerImportAnswer):
    """A new import, with the form by which its file is uploaded. It is shown this once."""

    upload: UploadForm


def _form(key: str, until: datetime) -> UploadForm:
    seconds = max(1, ceil((until - clock.now()).total_seconds()))
    form = upload_form(key, most_bytes=MAX_BYTES, seconds=seconds)
    return UploadForm(url=form["url"], fields=form["fields"], expires_at=until)


def _form_again(kept: dict[str, Any]) -> dict[str, Any]:
    return _form(kept["fields"]["key"], datetime.fromisoformat(kept["expires_at"])).model_dump(mode="json")


app = make_app(upload=_form_again)


def _named(ask: Ask) -> list[Key]:
    return [customer_import_key(ask.store, ask.path["import_id"])]


@app.post("/v1/customer-imports", allow=Permission.IMPORT_CUSTOMERS, status=201)
def begin_customer_import(new: NewCustomerImport, caller: Caller) -> BegunCustomerImport:
    """Begin an import: the answer holds the form by which its CSV file is uploaded. Nothing is created before you approve.

    Columns: `customer_company_name, customer_full_name, email` must be there; `account_manager, price_list, customer_group,
    kind, send_invitation, address_label, address_company, address_name, street, postal_code, city, region, country` may be.
    UTF-8, parted by commas, semicolons or tabs, 20,000 rows and 20 MiB at most.
    """
    imported = CustomerImport(
        id=new_id(),
        store_id=caller.store.id,
        group_id=new.group_id,
        file_name=new.file_name or None,
        created_at=caller.at,
        created_by=caller.party,
        upload_until=caller.at + UPLOAD_LIFETIME,
    )
    tx = caller.transaction()
    require_entry(tx, caller.store.id, CustomerGroup, new.group_id, field="/group_id")
    imported = save_customer_import(tx, imported)
    tx.audit("customer_import:begun", imported.id)
    form = _form(upload_key(imported.store_id, imported.id), imported.upload_until)
    return tx.commit_answering(BegunCustomerImport.of(imported, **_told(imported, at=caller.at), upload=form))


@app.get("/v1/customer-imports", allow=Permission.IMPORT_CUSTOMERS)
def list_imports(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[CustomerImportAnswer]:
    """List the imports, newest first."""
    bound = ("customer_imports", caller.store.id)
    rows = list_customer_imports(caller.store.id, limit=limit, after=read_cursor(cursor, *bound))
    items = [_answer(row.load(CustomerImport), at=caller.at) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/customer-imports/<import_id>", allow=Permission.IMPORT_CUSTOMERS, reads=_named)
def show_customer_import(import_id: str, caller: Caller) -> CustomerImportAnswer:
    """Show one import: where it stands, what is wrong with its file, how far it has been carried out."""
    return _answer(_found(import_id, caller), at=caller.at)


@app.get("/v1/customer-imports/<import_id>/rows", allow=Permission.IMPORT_CUSTOMERS, reads=_named)
def list_rows(
    import_id: str,
    caller: Caller,
    status: Annotated[RowStatus | None, Query(description="Only rows of which this becomes.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CheckedRow]:
    """List what would become of each row; the header is row 1.

    A filtered page may hold fewer than `limit` and still have a next one.
    """
    report = _found(import_id, caller).report_at(caller.at)
    bound = ("customer_import_rows", caller.store.id, report.files, status)
    position = read_cursor(cursor, *bound)
    offset = int(position["offset"]) if position else 0
    items: list[CheckedRow] = []
    for line, end in read_lines(f"{report.files}/report.jsonl", offset, most_bytes=WINDOW):
        row = CheckedRow.model_validate_json(line)
        if status in {None, row.status}:
            items.append(row)
        offset = end
        if len(items) == limit:
            break
    following = {"offset": str(offset)} if offset < report.report_bytes else None
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.post("/v1/customer-imports/<import_id>/approve", allow=Permission.IMPORT_CUSTOMERS, reads=_named)
def approve_customer_import(import_id: str, caller: Caller) -> CustomerImportAnswer:
    """Create the customers that the report lists, in the background, and invite those whose row says so."""
    return _decide("running", import_id, caller)


@app.post("/v1/customer-imports/<import_id>/reject", allow=Permission.IMPORT_CUSTOMERS, reads=_named)
def reject_customer_import(import_id: str, caller: Caller) -> CustomerImportAnswer:
    """Drop an import: nothing of it is created."""
    return _decide("rejected", import_id, caller)


def _found(import_id: str, caller: Caller) -> CustomerImport:
    return caller.reader.get(customer_import_key(caller.store.id, import_id), CustomerImport)


def _decide(decision: Literal["running", "rejected"], import_id: str, caller: Caller) -> CustomerImportAnswer:
    before = caller.match(_found(import_id, caller))
    tx = caller.transaction()
    meanwhile = ConflictError("not_awaiting_approval", "Somebody else has just decided on this import.")
    imported = save_customer_import(tx, decided(before, decision, by=caller.party, at=caller.at), otherwise=meanwhile)
    if decision == "running":
        tx.announce(CustomerImportRun(store_id=imported.store_id, import_id=imported.id))
    tx.audit("customer_import:approved" if decision == "running" else "customer_import:rejected", imported.id)
    return tx.commit_answering(_answer(imported, at=caller.at))


def _answer(imported: CustomerImport, *, at: datetime) -> CustomerImportAnswer:
    return CustomerImportAnswer.of(imported, **_told(imported, at=at))


def _told(imported: CustomerImport, *, at: datetime) -> dict[str, Any]:
    report = imported.report
    counts = {name: getattr(report, name) if report else 0 for name in ("rows", "create", "skip", "fail")}
    found = {"columns": report.columns if report else (), "mistakes": report.mistakes if report else (), **counts}
    return {"status": imported.status_at(at), "progress": imported.progress, **found}


handler = app.handler
