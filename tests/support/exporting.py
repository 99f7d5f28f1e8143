"""Exports as the worker leaves them, whichever function runs at this moment."""

from contextvars import Context
from datetime import timedelta
from typing import Any

from tradepost.domain import clock
from tradepost.domain.exports import Basis, Export
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.stores import Store
from tradepost.table.exports import export_key, note_reviewed, release_request, save_export
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

STORE = "acme"


def finish(export_id: str, *, rows: int = 3, **fields: Any) -> Export:
    """Let an export be done, on the basis of what holds now."""
    return Context().run(_finish, export_id, {"rows": rows, **fields})


def change(export_id: str, **fields: Any) -> Export:
    """Change an export, as a worker that is at it."""
    return Context().run(_change, export_id, fields)


def review(export_id: str, withdrawals: int) -> None:
    """Find nothing in an export of the withdrawals up to a number, as whoever erases does."""
    Context().run(lambda: note_reviewed(Reader().get(export_key(STORE, export_id), Export), withdrawals))


def _finish(export_id: str, fields: dict[str, Any]) -> Export:
    read, at = Reader(), clock.now()
    export = read.get(export_key(STORE, export_id), Export)
    member, store = read.get(member_key(export.member_id, STORE), Member), read.get(store_key(STORE), Store)
    ended = {"started_at": at, "generated_at": at, "ended_at": at + timedelta(milliseconds=1)}
    done = {"status": "done", "progress": 100, "size": 900, "basis": Basis.of(store, member), **ended}
    return _change(export_id, {**done, **fields}, over=True)


def _change(export_id: str, fields: dict[str, Any], *, over: bool = False) -> Export:
    export = Reader().get(export_key(STORE, export_id), Export)
    tx = Transaction(store_owner(STORE), SYSTEM, SYSTEM, clock.now())
    export = save_export(tx, export.model_copy(update=fields))
    if over:
        release_request(tx, export)
    tx.commit()
    return export
