"""Circular mails to the participants of events, and the transactions that announce one: each says how far it got."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, DomainError
from tradepost.domain.event_mailings import (
    ANNOUNCED_AT_ONCE,
    MAILINGS_AN_HOUR,
    EventMailing,
    advanced,
    counted,
    finished,
    not_mailable,
    stopped,
)
from tradepost.domain.events import TAKING_PLACE, Event, Participant
from tradepost.domain.ids import new_id
from tradepost.domain.outbox import EventMail, EventMailingRun
from tradepost.table.events import event_key
from tradepost.table.limits import count_against
from tradepost.table.listing import Position, Rows, list_partition
from tradepost.table.records import Record
from tradepost.table.shapes import EVENT_MAILING, EVENT_PARTICIPANT, Key, store_owner
from tradepost.table.transaction import OvertakenError, Transaction

_STATUS: Final = Path("data.status")
_GOING_ON: Final = _STATUS.is_in("queued", "running")


def event_mailing_key(store_id: str, event_id: str, mailing_id: str) -> Key:
    """Return where a circular mail is kept."""
    return EVENT_MAILING.key(store=store_id, event=event_id, mailing=mailing_id)


def list_event_mailings(store_id: str, event_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of an event's circular mails, newest first, with one Query."""
    partition = EVENT_MAILING.partition(store=store_id, event=event_id)
    return list_partition(partition, limit=limit, after=after, newest_first=True)


def start_mailing(tx: Transaction, mailing: EventMailing) -> EventMailing:
    """Order a circular mail, so many an hour at most, provided that the event is neither a draft nor cancelled."""
    mailable = _STATUS.is_in(*sorted(TAKING_PLACE))
    tx.require(event_key(mailing.store_id, mailing.event_id), mailable, otherwise=not_mailable("not published any more"))
    count_against(tx, mailing.store_id, MAILINGS_AN_HOUR, mailing.event_id)
    tx.audit("event_mailing:ordered", mailing.id, event=mailing.event_id)
    return _started(tx, mailing)


def start_cancellation(tx: Transaction, event: Event) -> EventMailing:
    """Tell everybody who was to come that an event is cancelled, in the transaction that cancels it.

    What else is being mailed to them stops by itself: every step of a circular mail demands that its event is not cancelled.
    """
    return _started(tx, EventMailing.about_cancellation(event, new_id(), by=tx.actor, at=tx.at))


def _started(tx: Transaction, mailing: EventMailing) -> EventMailing:
    tx.announce(EventMailingRun(store_id=mailing.store_id, event_id=mailing.event_id, mailing_id=mailing.id))
    return _save(tx, mailing)


def stop_mailing(tx: Transaction, mailing: EventMailing) -> EventMailing:
    """Stop a circular mail wherever its worker is by now, unless it is over."""
    after = stopped(mailing, at=tx.at)
    actions = [_STATUS.set(after.status), Path("data.finished_at").set(stamp(tx.at)), Record.version.set(Record.version + 1)]
    over = ConflictError("mailing_not_stoppable", "The mailing is over.")
    tx.update(_key_of(mailing), actions, condition=_GOING_ON, otherwise=over)
    tx.audit("event_mailing:stopped", mailing.id, event=mailing.event_id)
    return after.model_copy(update={"version": mailing.version + 1})


def announce_some(mailing: EventMailing, *, at: datetime) -> EventMailing:
    """Announce the mails to the next participants; returns the mailing as it stands then.

    The transaction that announces them also moves the mailing on, provided that it stands where we think it does. So nobody is
    mailed twice or left out, whenever this breaks off and however often it is begun. Raises `OvertakenError` if somebody else
    has moved it on, or stopped it.
    """
    if mailing.total is None:
        mailing = counted(mailing, sum(mailing.is_for(each) for each in _participants(mailing)))
    following = _participants(mailing, most=ANNOUNCED_AT_ONCE + 1)
    looked_at = list(islice(following, ANNOUNCED_AT_ONCE))
    mailed = [each for each in looked_at if mailing.is_for(each)]
    after = advanced(mailing, looked_at, mailed) if looked_at else mailing
    if next(following, None) is None:
        after = finished(after, at=at)
    try:
        return _announced(mailing, after, mailed, at=at)
    except _EventCancelledError:
        tx = _begin(mailing, at)
        after = _save(tx, stopped(mailing, at=at))
        tx.audit("event_mailing:stopped", mailing.id, event=mailing.event_id)
        tx.commit()
        return after


class _EventCancelledError(DomainError):
    """The event has been cancelled: nobody takes an interest in anything else about it."""

    def __init__(self) -> None:
        super().__init__("event_cancelled", "The event is cancelled.")


def _announced(before: EventMailing, after: EventMailing, mailed: list[Participant], *, at: datetime) -> EventMailing:
    tx = _begin(before, at)
    if before.kind == "circular":
        key = event_key(before.store_id, before.event_id)
        tx.require(key, _STATUS != "cancelled", otherwise=_EventCancelledError())
    for participant in mailed:
        tx.announce(_mail_of(before, participant))
    after = _save(tx, after)
    if after.status == "done":
        tx.audit("event_mailing:finished", after.id, event=after.event_id, mails=after.queued)
    tx.commit()
    return after


def _mail_of(mailing: EventMailing, participant: Participant) -> EventMail:
    return EventMail(
        store_id=mailing.store_id,
        event_id=mailing.event_id,
        participant_id=participant.id,
        news="cancelled" if mailing.kind == "cancellation" else "mailing",
        mailing_id=mailing.id,
    )


def _participants(mailing: EventMailing, *, most: int | None = None) -> Iterator[Participant]:
    """Go through the participants that a mailing has yet to look at, as they are now, by id."""
    partition = EVENT_PARTICIPANT.partition(store=mailing.store_id, event=mailing.event_id)
    behind = Record.sk > mailing.looked_at if mailing.looked_at else None
    found = Record.query(partition, behind, consistent_read=True, limit=most)
    return (record.load(Participant) for record in found)


def _begin(mailing: EventMailing, at: datetime) -> Transaction:
    return Transaction(store_owner(mailing.store_id), mailing.created_by, mailing.created_by, at)


def _save(tx: Transaction, mailing: EventMailing) -> EventMailing:
    tx.save(Record.of(_key_of(mailing), mailing), otherwise=OvertakenError())
    return mailing.model_copy(update={"version": mailing.version + 1})


def _key_of(mailing: EventMailing) -> Key:
    return event_mailing_key(mailing.store_id, mailing.event_id, mailing.id)
