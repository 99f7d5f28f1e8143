"""Activity as it is written down: together with whatever changes something, or after a look at something.

Whether it may be, is decided here alone, by the store's setting and the consent of the person whose activity it is. Both were
read with the caller, consistently, a moment ago: whoever withdraws meanwhile is erased by whom its withdrawal calls.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pynamodb.exceptions import PutError

from tradepost.domain.activities import Activity, may_be_kept
from tradepost.domain.ids import new_id
from tradepost.domain.people import ActingNote, Member, Party
from tradepost.domain.stores import Store
from tradepost.http.app import logger
from tradepost.http.callers import CallerInfo
from tradepost.table.activities import activity_record
from tradepost.table.people import member_key
from tradepost.table.transaction import Transaction


class Doing(NamedTuple):
    """What somebody did, for which customer, with what, and what else there is to say of it; `at` is when, if not just now."""

    type: str
    customer_id: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    comment: str | None = None
    at: datetime | None = None
    source: Literal["server", "portal"] = "server"


def note_activity(tx: Transaction, doing: Doing, store: Store, member: Member) -> None:
    """Write down with a transaction what a member did by it, or somebody else for the member, if that may be kept."""
    activity = _kept(doing, store, member, actor=tx.actor, at=tx.at)
    if activity:
        tx.put(activity_record(activity, store))


def note_look(doing: Doing, caller: CallerInfo) -> None:
    """Write down what a caller has looked at, if that may be kept. Calls: one PutItem, if so.

    A look that cannot be written down is lost, and its answer is given all the same: nobody is to be kept from the catalogue or
    an offer for the sake of a line about it, and no such line is worth a retry that would have to be kept somewhere as well.
    """
    if caller.is_guest:
        return
    activity = _kept(doing, caller.store, caller.member, actor=caller.actor, at=caller.at)
    if activity is None:
        return
    try:
        activity_record(activity, caller.store).save()
    except PutError as error:
        logger.warning("activity lost", activity=doing.type, reason=error.cause_response_code)


def note_ends_of_acting(tx: Transaction, ended: Sequence[ActingNote], caller: CallerInfo) -> None:
    """Write down with a transaction, as activity of those who were acted for, that acting for them ends by it.

    Calls: one BatchGetItem where the store tracks activity, unless their consents have been read.
    """
    if not caller.store.track_activity:
        return
    places = {acting.id: member_key(acting.subject.id or "", caller.store.id) for acting in ended}
    caller.reader.fetch(places.values())
    for acting in ended:
        employee = caller.reader.find(places[acting.id], Member)
        if employee:
            note_activity(tx, Doing("acting_ended", employee.customer_id, "acting_session", acting.id), caller.store, employee)


def _kept(doing: Doing, store: Store, member: Member, *, actor: Party, at: datetime) -> Activity | None:
    """Return the activity that something is, or None if it may not be kept.

    What a system does with an API key is not what the person did for whom the key stands.
    """
    if actor.type != "member" or not may_be_kept(store, member):
        return None
    return Activity(
        id=new_id(),
        store_id=store.id,
        member_id=member.id,
        customer_id=doing.customer_id,
        type=doing.type,
        reference_type=doing.reference_type,
        reference_id=doing.reference_id,
        comment=doing.comment,
        at=doing.at or at,
        recorded_at=at,
        source=doing.source,
        # Whoever reads it looks up who that is: once erased, it is named in no row of those it acted for.
        actor=actor.model_copy(update={"name": None}),
        subject=member.party,
        consent=member.consent,
    )
