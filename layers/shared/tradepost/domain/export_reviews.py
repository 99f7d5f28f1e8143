"""What a withdrawal of consent means for files that were exported before: whether they may hold what was withdrawn.

A file is known to hold nothing of the withdrawals up to a number, that of its basis or of its last review. What it may hold of
those since then is told by its filters, and by what there is of the person's activity; where that does not tell, it counts as
if it held some.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tradepost.domain.activities import Withdrawal
from tradepost.domain.exports import EXPORT_LIFETIME, ActivityFilters, Export, PersonFilters, restarted
from tradepost.domain.outbox import PATIENCE
from tradepost.domain.stores import Store

LOOKED_BACK: Final = EXPORT_LIFETIME + PATIENCE
"""How long ago a file may have been asked for that is still there: it may have taken as long as a message is tried."""
# DynamoDB deletes what has expired within two days.
_DELETED_WITHIN: Final = timedelta(days=2)


class Trace(NamedTuple):
    """What activity of a person a file may hold: that recorded from `begin` until before `end`, of one consent."""

    store_id: str
    member_id: str
    consent: int
    begin: datetime
    end: datetime
    customer_id: str | None = None
    type: str | None = None


def known_up_to(export: Export) -> int:
    """Return the number of the last withdrawal of which a file is known to hold nothing. Raises `LookupError` if not begun."""
    if export.basis is None:
        raise LookupError("not begun")
    return max(export.basis.withdrawals, export.withdrawals_reviewed)


def is_to_be_reviewed(export: Export, withdrawals: int) -> bool:
    """Tell whether a file is there, or is being written, that may hold something of as many withdrawals.

    One that was not begun will be begun by what holds then.
    """
    return _is_at_stake(export) and known_up_to(export) < withdrawals


def was_being_written(export: Export, withdrawal: Withdrawal) -> bool:
    """Tell whether somebody was at work on a file when consent was withdrawn, and may have known the consent of before."""
    begun_before = export.basis is not None and export.basis.withdrawals < withdrawal.number
    at_work_then = export.ended_at is None or export.ended_at >= withdrawal.at
    return _is_at_stake(export) and begun_before and at_work_then


def trace_of(export: Export, withdrawal: Withdrawal) -> Trace | None:
    """Return which activity of whoever withdrew a file may hold; None if its filters let through none."""
    if withdrawal.since is None or not _lets_through(export, withdrawal):
        return None
    begin, end = max(export.begin, withdrawal.since), export.until
    if begin >= end:
        return None
    filters = export.filters if isinstance(export.filters, ActivityFilters) else ActivityFilters()
    return Trace(export.store_id, withdrawal.member_id, withdrawal.consent, begin, end, filters.customer_id, filters.type)


def _is_at_stake(export: Export) -> bool:
    about_people = isinstance(export.filters, (ActivityFilters, PersonFilters))
    there = export.status in {"queued", "running", "done"} and export.gone is None and export.basis is not None
    return about_people and there


def _lets_through(export: Export, withdrawal: Withdrawal) -> bool:
    match export.filters:
        case PersonFilters(member_id=member_id):
            return member_id == withdrawal.member_id
        case ActivityFilters(employee_id=employee_id, customer_id=customer_id):
            of_person = employee_id in {None, withdrawal.member_id}
            # An employee does everything for its own customer, a sales rep for whichever.
            return of_person and (withdrawal.customer_id is None or customer_id in {None, withdrawal.customer_id})
        case _:
            return False


def is_blurred(trace: Trace, export: Export, withdrawal: Withdrawal, store: Store, *, at: datetime) -> bool:
    """Tell whether there may have been activity that is not there any more: erased, or deleted as it had become too old."""
    if withdrawal.erasing_since is not None:
        return True
    kept = timedelta(days=store.activity_days)
    oldest_then = (export.started_at or export.requested_at) - kept - _DELETED_WITHIN
    return max(trace.begin, oldest_then) < min(trace.end, at - kept)


def takes_whole(export: Export, withdrawal: Withdrawal) -> bool:
    """Tell whether a file is about nobody but a person who is erased."""
    of_person = isinstance(export.filters, PersonFilters) and export.filters.member_id == withdrawal.member_id
    return withdrawal.person and of_person


def taken_away(export: Export, withdrawal: Withdrawal) -> Export:
    """Note that a file is gone for a withdrawal; one that was still being written is begun anew."""
    if export.status != "done":
        return restarted(export)
    because = "person_erased" if takes_whole(export, withdrawal) else "consent_withdrawn"
    return export.model_copy(update={"gone": because})
