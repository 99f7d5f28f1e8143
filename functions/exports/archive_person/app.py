"""/v1/me/archives: everything that a store holds about oneself, as one file that people can read."""

from tradepost.domain.errors import NotFoundError
from tradepost.domain.export_requests import NewExport
from tradepost.domain.exports import Export
from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.exports import ExportAnswer, ask_for, export_answer, new_export_keys
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.exports import export_key, list_exports
from tradepost.table.shapes import Key

app = make_app()


def _about(member_id: str) -> NewExport:
    return NewExport(kind="person", filters={"member_id": member_id})


def _new(ask: Ask) -> list[Key]:
    return new_export_keys(_about(ask.member), ask.store, ask.member)


def _named(ask: Ask) -> list[Key]:
    return [export_key(ask.store, ask.path["archive_id"])]


@app.post("/v1/me/archives", allow=Permission.OWN_PROFILE, status=202, reads=_new)
def request_archive(caller: Caller) -> ExportAnswer:
    """Ask for everything that this store holds about you, as a ZIP file of tables and texts. It is written in the background.

    Look at the archive for how far it is, and when it is done for the link. Asked for again before that, it is the same.
    """
    return ask_for(_about(caller.member.id), caller)


@app.get("/v1/me/archives", allow=Permission.OWN_PROFILE)
def list_archives(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[ExportAnswer]:
    """List the archives that you asked for, newest first. A page may hold fewer than `limit` and still have a next one."""
    store_id, own = caller.store.id, caller.member.id
    bound = ("archives", store_id, own)
    after = read_cursor(cursor, *bound)
    found, following = list_exports(store_id, own, kind="person", limit=limit, after=after)
    items = [export_answer(archive, caller) for archive in found if _is_own(archive, caller)]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/me/archives/<archive_id>", allow=Permission.OWN_PROFILE, reads=_named)
def show_archive(archive_id: str, caller: Caller) -> ExportAnswer:
    """Show how far an archive is, and when it is done a link to it, for 15 minutes. Look again for another one.

    One with activity in it is not handed out any more once consent to that is withdrawn, as `gone` says: ask for another one.
    """
    archive = caller.reader.find(export_key(caller.store.id, archive_id), Export)
    if archive is None or not _is_own(archive, caller):
        raise NotFoundError("archive")
    return export_answer(archive, caller, with_link=True)


def _is_own(archive: Export, caller: CallerInfo) -> bool:
    """Tell whether the caller asked for it, about itself: what an owner asks for about others is an export."""
    return archive.is_own_archive and archive.member_id == caller.member.id


handler = app.handler
