"""/v1/exports: files of activities, orders, customers and bills, written in the background and got by a link that ends."""

from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.export_requests import NewExport, refuse_kind, refuse_unless_reseller
from tradepost.domain.exports import Export, ExportKind, ExportStatus
from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.exports import ExportAnswer, ask_for, export_answer, new_export_keys
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.exports import export_key, list_exports, release_request, save_export
from tradepost.table.shapes import Key

app = make_app()


def _new(ask: Ask) -> list[Key]:
    try:
        new = NewExport.model_validate_json(ask.body)
    except ValueError:
        return []
    return new_export_keys(new, ask.store, ask.member)


def _named(ask: Ask) -> list[Key]:
    return [export_key(ask.store, ask.path["export_id"])]


@app.post("/v1/exports", allow=Permission.EXPORT_DATA, status=202, reads=_new)
def request_export(new: NewExport, caller: Caller) -> ExportAnswer:
    """Ask for a CSV file of what you see in a list, by the list's own filters. It is written in the background.

    It holds what there is when you ask, oldest first. Look at the export for how far it is, and when it is done for the link.
    The same asked for again before that is the same export. Sales reps export activities, customers and orders, resellers
    their own orders and bills, the owner everything, also whatever is held about a `person` as one archive.
    """
    refuse_unless_reseller(caller.customer)
    refuse_kind(new.kind, caller.member.role)
    return ask_for(new, caller)


@app.get("/v1/exports", allow=Permission.EXPORT_DATA)
def list_exports_in_scope(
    caller: Caller,
    kind: Annotated[ExportKind | None, Query()] = None,
    status: Annotated[ExportStatus | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExportAnswer]:
    """List your exports, as the owner everybody's, newest first. A filtered page may hold fewer than `limit`."""
    refuse_unless_reseller(caller.customer)
    store, whose = caller.store, None if caller.is_owner else caller.member.id
    bound = ("exports", store.id, whose, kind, status)
    after = read_cursor(cursor, *bound)
    found, following = list_exports(store.id, whose, kind=kind, status=status, limit=limit, after=after)
    items = [export_answer(export, caller) for export in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/exports/<export_id>", allow=Permission.EXPORT_DATA, reads=_named)
def show_export(export_id: str, caller: Caller) -> ExportAnswer:
    """Show how far an export is, and when it is done a link to its file, for 15 minutes. Look again for another one.

    A file is handed out as long as you see the customers that you saw when it was written, and nobody whose activity is in it
    has withdrawn consent; `gone` says why it is not.
    """
    return export_answer(_found(export_id, caller), caller, with_link=True)


@app.post("/v1/exports/<export_id>/cancel", allow=Permission.EXPORT_DATA, reads=_named)
def cancel_export(export_id: str, caller: Caller) -> ExportAnswer:
    """Cancel an export that is not done: there will be no file. What is over already stays (409 `export_over`)."""
    return caller.decided(partial(_cancelled, export_id, caller))


def _cancelled(export_id: str, caller: CallerInfo) -> ExportAnswer:
    export, tx = caller.match(_found(export_id, caller)), caller.transaction()
    if export.status in {"done", "failed"}:
        raise ConflictError("export_over", f"This export is over: it is {export.status}.", export_status=export.status)
    if export.status != "cancelled":
        # Whoever is at it finds that it has changed.
        export = save_export(tx, export.model_copy(update={"status": "cancelled", "ended_at": tx.at}))
        release_request(tx, export)
        tx.audit("export:cancelled", export.id)
    return tx.commit_answering(export_answer(export, caller))


def _found(export_id: str, caller: CallerInfo) -> Export:
    """Return an export that the caller asked for, or anybody did if it runs the store. Raises `NotFoundError`."""
    refuse_unless_reseller(caller.customer)
    export = caller.reader.get(export_key(caller.store.id, export_id), Export)
    if not caller.is_owner and export.member_id != caller.member.id:
        raise NotFoundError("export")
    return export


handler = app.handler
