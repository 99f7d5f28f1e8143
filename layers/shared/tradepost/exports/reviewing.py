"""Reviewing the files of a store's exports after somebody withdrew consent: those that may hold too much are deleted."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tradepost.domain.activities import Withdrawal
from tradepost.domain.export_reviews import (
    LOOKED_BACK,
    is_blurred,
    is_to_be_reviewed,
    known_up_to,
    reviewed,
    taken_away,
    takes_whole,
    trace_of,
)
from tradepost.domain.exports import Export
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import Store
from tradepost.exports.writing import discard
from tradepost.table.activity_erasures import may_have_left
from tradepost.table.exports import export_key, list_exports_since, save_export
from tradepost.table.listing import Position
from tradepost.table.reading import Reader
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import OvertakenError, Transaction
from tradepost.table.withdrawals import withdrawals_after

_PAGE: Final = 100
_TRIES: Final = 8


def review_exports(store_id: str, *, at: datetime, has_time: Callable[[], bool]) -> bool:
    """Review what may hold something of the withdrawals so far; returns whether all has been. Done again, it goes on.

    Some are reviewed in any case. Raises `OvertakenError` where somebody else kept changing an export.
    """
    store = Reader().get(store_key(store_id), Store)
    after: Position | None = None
    while True:
        rows = list_exports_since(store_id, at - LOOKED_BACK, limit=_PAGE, after=after)
        found = [row.load(Export) for row in rows.records]
        concerned = [export for export in found if is_to_be_reviewed(export, store.withdrawals)]
        known = min((known_up_to(export) for export in concerned), default=store.withdrawals)
        withdrawals = withdrawals_after(store_id, known) if concerned else []
        for export in concerned:
            _review(export.id, store, withdrawals, at=at)
            if not has_time():
                return False
        after = rows.next_position
        if after is None:
            return True


def _review(export_id: str, store: Store, withdrawals: list[Withdrawal], *, at: datetime) -> None:
    """Review an export as it is now, and anew if its worker, or whoever cancels it, is faster."""
    for attempt in range(1, _TRIES + 1):
        export = Reader().find(export_key(store.id, export_id), Export)
        if export is None or not is_to_be_reviewed(export, store.withdrawals):
            return
        try:
            _decide(export, store, withdrawals, at=at)
        except OvertakenError:
            if attempt == _TRIES:
                raise
        else:
            return


def _decide(export: Export, store: Store, withdrawals: list[Withdrawal], *, at: datetime) -> None:
    tx = Transaction(store_owner(store.id), SYSTEM, SYSTEM, at)
    since = [each for each in withdrawals if each.number > known_up_to(export)]
    cause = next((each for each in since if _may_hold(export, each, store, at=at)), None)
    if cause:
        # The file goes first. Nobody gets it meanwhile: it has not been reviewed.
        discard(export)
        changed = taken_away(export, cause)
        tx.audit("export:taken_away", export.id, status=export.status, withdrawal=cause.number)
    else:
        changed = reviewed(export, store.withdrawals)
    save_export(tx, changed, otherwise=OvertakenError())
    tx.commit()


def _may_hold(export: Export, withdrawal: Withdrawal, store: Store, *, at: datetime) -> bool:
    if takes_whole(export, withdrawal):
        return True
    trace = trace_of(export, withdrawal)
    return trace is not None and (is_blurred(trace, export, withdrawal, store, at=at) or may_have_left(trace))
