"""Exports in the table: listed for the store and for whoever asked for them, newest first, and forgotten after a while.

While one is queued or running, it holds a claim on what was asked for: whoever asks for the very same meanwhile gets it.
"""

from datetime import datetime
from typing import Final

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, DomainError, StaleError
from tradepost.domain.exports import RECORD_LIFETIME, Export, ExportFailure, ExportKind, ExportStatus, failed
from tradepost.domain.outbox import ExportMail
from tradepost.table.forward import Listed
from tradepost.table.listing import Position, Rows, all_of, list_index
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import CLAIM, EXPORT, Key
from tradepost.table.transaction import OvertakenError, Transaction

_CLAIM: Final = "export"


def export_key(store_id: str, export_id: str) -> Key:
    """Return where an export is kept."""
    return EXPORT.key(store=store_id, export=export_id)


def save_export(tx: Transaction, export: Export, *, otherwise: DomainError | None = None) -> Export:
    """Write an export, unless it has changed since it was read; returns it with its new version."""
    names = {
        "store": export.store_id,
        "export": export.id,
        "member": export.member_id,
        "requested_at": stamp(export.requested_at),
    }
    record = Record.of(EXPORT.key(**names), export, index1=EXPORT.index1(**names), index2=EXPORT.index2(**names))
    record.expires_at = int((export.requested_at + RECORD_LIFETIME).timestamp())
    tx.save(record, otherwise=otherwise)
    return export.model_copy(update={"version": export.version + 1})


def note_reviewed(export: Export, withdrawals: int) -> None:
    """Note that the file of an export holds nothing of the withdrawals up to a number. Who is at it goes on as it was."""
    known = Path("aside.withdrawals_reviewed")
    record = Record(*export_key(export.store_id, export.id))
    try:
        record.update([known.set(withdrawals)], condition=known < withdrawals)
    except UpdateError as error:
        # Another review has seen more, or the export is not there any more.
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise


def remove_export(tx: Transaction, export: Export) -> None:
    """Delete an export that is what it was when it was read."""
    tx.delete(export_key(export.store_id, export.id), condition=Record.version == export.version, otherwise=StaleError())


def request_key(store_id: str, fingerprint: str) -> Key:
    """Return where it is kept which export is at work on what was asked for."""
    return CLAIM.key(store=store_id, what=_CLAIM, value=fingerprint)


def holder_of(reader: Reader, store_id: str, fingerprint: str) -> str | None:
    """Return the id of the export that is at work on what was asked for; None if none is."""
    record = reader.record(request_key(store_id, fingerprint))
    return str(record.document()["holder"]) if record else None


def claim_request(tx: Transaction, export: Export, *, instead_of: str | None) -> None:
    """Hold what was asked for, instead of an export of which nothing becomes any more if one holds it all the same.

    Raises `ConflictError` "conflict" on commit if it is another's meanwhile.
    """
    taken = ConflictError("conflict", "The same has been asked for at this moment.")
    if instead_of is None:
        tx.claim(export.store_id, _CLAIM, export.fingerprint, export.id, otherwise=taken)
        return
    holder = Path("data.holder")
    key = request_key(export.store_id, export.fingerprint)
    tx.update(key, [holder.set(export.id)], condition=holder == instead_of, otherwise=taken)


def release_request(tx: Transaction, export: Export) -> None:
    """Let the same be asked for again: with the step by which an export is done, failed or cancelled."""
    tx.release(export.store_id, _CLAIM, export.fingerprint)


def save_failure(tx: Transaction, export: Export, failure: ExportFailure) -> Export:
    """Write that there will be no file, and tell whoever waits. Raises `OvertakenError` on commit if a worker went on."""
    over = save_export(tx, failed(export, failure, at=tx.at), otherwise=OvertakenError())
    release_request(tx, over)
    tx.audit("export:failed", over.id, kind=over.kind, code=failure.code)
    tx.announce(ExportMail(store_id=over.store_id, export_id=over.id, event="failed"))
    return over


def list_exports(
    store_id: str,
    member_id: str | None,
    *,
    kind: ExportKind | None = None,
    status: ExportStatus | None = None,
    limit: int,
    after: Position | None,
) -> tuple[list[Export], Position | None]:
    """Return a page of the exports of a store, or of those that one member asked for, newest first. One Query."""
    names = {"store": store_id, "member": member_id or "", "requested_at": "", "export": ""}
    where = all_of(Path(f"data.{name}") == value for name, value in (("kind", kind), ("status", status)) if value)
    if member_id:
        partition = EXPORT.index2(**names).pk
        rows = list_index(Record.gsi2, partition, limit=limit, after=after, where=where, newest_first=True)
    else:
        partition = EXPORT.index1(**names).pk
        rows = list_index(Record.gsi1, partition, limit=limit, after=after, where=where, newest_first=True)
    return [row.load(Export) for row in rows.records], rows.next_position


def exports_of(store_id: str, member_id: str) -> Listed:
    """Return where the exports are listed that one member asked for."""
    return Listed(EXPORT.index2(store=store_id, member=member_id, requested_at="", export="").pk, gsi=2)


def exports_in(store_id: str) -> Listed:
    """Return where the exports of a store are listed."""
    return Listed(EXPORT.index1(store=store_id, member="", requested_at="", export="").pk, gsi=1)


def list_exports_since(store_id: str, since: datetime, *, limit: int, after: Position | None) -> Rows:
    """Return a page of the exports that were asked for since an instant, newest first. One Query."""
    names = {"store": store_id, "export": ""}
    between = (stamp(since), stamp(datetime.max.replace(tzinfo=since.tzinfo)))
    partition = EXPORT.index1(**names, requested_at="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, newest_first=True, between=between)
