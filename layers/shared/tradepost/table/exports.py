"""Exports in the table: listed for the store and for whoever asked for them, newest first, and forgotten after a while."""

from datetime import datetime

from tradepost.domain.clock import stamp
from tradepost.domain.errors import DomainError
from tradepost.domain.exports import RECORD_LIFETIME, Export
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.records import Record
from tradepost.table.shapes import EXPORT, Key
from tradepost.table.transaction import Transaction


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


def list_exports(
    store_id: str, member_id: str | None, *, limit: int, after: Position | None
) -> tuple[list[Export], Position | None]:
    """Return a page of the exports of a store, or of those that one member asked for, newest first. One Query."""
    names = {"store": store_id, "member": member_id or "", "requested_at": "", "export": ""}
    if member_id:
        rows = list_index(Record.gsi2, EXPORT.index2(**names).pk, limit=limit, after=after, newest_first=True)
    else:
        rows = list_index(Record.gsi1, EXPORT.index1(**names).pk, limit=limit, after=after, newest_first=True)
    return [row.load(Export) for row in rows.records], rows.next_position


def list_exports_since(store_id: str, since: datetime, *, limit: int, after: Position | None) -> Rows:
    """Return a page of the exports that were asked for since an instant, newest first. One Query."""
    names = {"store": store_id, "export": ""}
    between = (stamp(since), stamp(datetime.max.replace(tzinfo=since.tzinfo)))
    partition = EXPORT.index1(**names, requested_at="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, newest_first=True, between=between)
