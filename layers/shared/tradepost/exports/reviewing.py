"""Reviewing the files of a store's exports after somebody withdrew consent: those that may hold too much are deleted."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Final

from tradepost.domain.activities import Withdrawal
from tradepost.domain.export_reviews import (
    LOOKED_BACK,
    is_blurred,
    is_to_be_reviewed,
    known_up_to,
    taken_away,
    takes_whole,
    trace_of,
    was_being_written,
)
from tradepost.domain.exports import Export
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import Store
from tradepost.exports.writing import discard
from tradepost.table.activity_erasures import may_have_left
from tradepost.table.exports import export_key, list_exports_since, note_reviewed, save_export
from tradepost.table.listing import Position
from tradepost.table.reading import Reader
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import OvertakenError, Transaction
from tradepost.table.withdrawals import withdrawals_after

_PAGE: Final = 100
_TRIES: Final = 8


type Decide = Callable[[Export], Withdrawal | None]
"""Tells for which withdrawal the file of an export is taken away, if it is."""


def review_exports(store_id: str, *, at: datetime, has_time: Callable[[], bool]) -> bool:
    """Review what may hold something of the withdrawals so far; returns whether all has been. Done again, it goes on.

    Some are reviewed in any case. Raises `OvertakenError` where somebody else kept changing an export.
    """
    store = Reader().get(store_key(store_id), Store)
    for found in _pages(store_id, at):
        for export in found:
            if not is_to_be_reviewed(export, store.withdrawals):
                continue
            if _carry_out(export, partial(withdrawal_in, store=store, at=at), at=at):
                note_reviewed(export, store.withdrawals)
            if not has_time():
                return False
    return True


def withdrawal_in(export: Export, store: Store, *, at: datetime) -> Withdrawal | None:
    """Return the first withdrawal, of those not looked into yet, of which a file may hold something; None if there is none."""
    if not is_to_be_reviewed(export, store.withdrawals):
        return None
    since = withdrawals_after(store.id, known_up_to(export))
    return next((withdrawal for withdrawal in since if _may_hold(export, withdrawal, store, at=at)), None)


def review_late_writing(store_id: str, number: int, *, at: datetime) -> None:
    """Take away files of which somebody wrote when consent was withdrawn, if they may hold what was recorded late.

    Whoever writes a file remembers whose consent it read: what was recorded only after the review may have passed by that.
    """
    for withdrawal in withdrawals_after(store_id, number - 1)[:1]:
        for found in _pages(store_id, at):
            for export in found:
                if was_being_written(export, withdrawal):
                    _carry_out(export, partial(_late_cause, withdrawal), at=at)


def _pages(store_id: str, at: datetime) -> Iterator[list[Export]]:
    """Return the exports whose files may still be there, as they are listed, by the page."""
    after: Position | None = None
    while True:
        rows = list_exports_since(store_id, at - LOOKED_BACK, limit=_PAGE, after=after)
        yield [row.load(Export) for row in rows.records]
        after = rows.next_position
        if after is None:
            return


def _carry_out(listed: Export, decide: Decide, *, at: datetime) -> bool:
    """Take a file away if that is decided, about the export as it is now; anew if its worker, or whoever cancels, is faster.

    Returns whether it was left as it is.
    """
    for attempt in range(1, _TRIES + 1):
        export = Reader().find(export_key(listed.store_id, listed.id), Export)
        cause = decide(export) if export else None
        if export is None or cause is None:
            return export is not None
        # The file goes first: what dies behind that is decided again, and comes to the same.
        discard(export)
        tx = Transaction(store_owner(export.store_id), SYSTEM, SYSTEM, at)
        tx.audit("export:taken_away", export.id, status=export.status, withdrawal=cause.number)
        save_export(tx, taken_away(export, cause), otherwise=OvertakenError())
        try:
            tx.commit()
        except OvertakenError:
            if attempt == _TRIES:
                raise
        else:
            break
    return False


def _late_cause(withdrawal: Withdrawal, export: Export) -> Withdrawal | None:
    trace = trace_of(export, withdrawal) if was_being_written(export, withdrawal) else None
    return withdrawal if trace and may_have_left(trace) else None


def _may_hold(export: Export, withdrawal: Withdrawal, store: Store, *, at: datetime) -> bool:
    if takes_whole(export, withdrawal):
        return True
    trace = trace_of(export, withdrawal)
    return trace is not None and (is_blurred(trace, export, withdrawal, store, at=at) or may_have_left(trace))
