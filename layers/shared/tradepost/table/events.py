"""Events in the table, listed by when they begin; their participants, the line of those who wait, and the places taken.

Places are counted beside the event's document: whoever takes one, or leaves, says in the same transaction what it was decided
on, so that no place is taken twice and nobody in line is overtaken.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.events import (
    ANNOUNCED,
    Event,
    EventStatus,
    Participant,
    ParticipantState,
    WaitingPlace,
    participant_of,
    stepped,
)
from tradepost.domain.ids import customer_of
from tradepost.domain.orders import Deed
from tradepost.domain.outbox import EventMail, EventNews
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, find_customer, find_customers
from tradepost.table.listing import SIFTED, Position, Rows, all_of, list_index, sifted
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import EVENT, EVENT_PARTICIPANT, EVENT_WAITING, Key
from tradepost.table.transaction import Transaction

CROWD: Final = 16
"""How often something is decided about an event that others register for at the same moment."""
_AT_ONCE: Final = 20
"""How many move up in one transaction, which writes four items for each."""
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_taken = Path("aside.registered")
_waits = Path("aside.waiting")
_numbered = Path("aside.sequence")
_PAGE = 1000


def event_key(store_id: str, event_id: str) -> Key:
    """Return where an event is kept."""
    return EVENT.key(store=store_id, event=event_id)


def participant_key(store_id: str, event_id: str, participant_id: str) -> Key:
    """Return where a participant of an event is kept."""
    return EVENT_PARTICIPANT.key(store=store_id, event=event_id, participant=participant_id)


def participant_keys(store_id: str, event_id: str, participant_id: str) -> list[Key]:
    """Return where a participant is kept, its event, and its customer, which says whose scope it is in."""
    customer = customer_key(store_id, customer_of(participant_id))
    return [event_key(store_id, event_id), participant_key(store_id, event_id, participant_id), customer]


def overtaken() -> ConflictError:
    """Return the refusal of what was decided on an event that is another one by now: it can be decided anew."""
    return ConflictError("conflict", "The event was being changed at the same moment. Send it again.")


def get_event(reader: Reader, store_id: str, event_id: str, *, customer: Customer | None) -> Event:
    """Return an event as far as it exists for a customer, or for the store's own people. Raises `NotFoundError`."""
    event = reader.find(event_key(store_id, event_id), Event)
    if event is None or not event.is_shown_to(customer):
        raise NotFoundError("event")
    return event


def get_participant(reader: Reader, scope: Scope, event_id: str, participant_id: str) -> Participant:
    """Return a participant of a customer within the scope. Raises `NotFoundError`."""
    key = participant_key(scope.store_id, event_id, participant_id)
    reader.fetch([key, customer_key(scope.store_id, customer_of(participant_id))])
    found = reader.find(key, Participant)
    if found is None or find_customer(reader, scope, found.customer_id) is None:
        raise NotFoundError("participant")
    return found


def save_event(tx: Transaction, event: Event) -> Event:
    """Write an event; returns it with its new version."""
    names = {"store": event.store_id, "event": event.id, "starts_at": stamp(event.starts_at)}
    tx.save(Record.of(EVENT.key(**names), event, index1=EVENT.index1(**names)))
    return event.model_copy(update={"version": event.version + 1})


def remove_event(tx: Transaction, event: Event) -> None:
    """Delete an event that is what it was when it was read."""
    tx.delete(event_key(event.store_id, event.id), condition=Record.version == event.version, otherwise=overtaken())


class WantedEvents(NamedTuple):
    """Which events a list shows: those that begin from `begin` until before `end`."""

    status: EventStatus | None = None
    begin: datetime | None = None
    end: datetime | None = None


def list_events(
    store_id: str, customer: Customer | None, wanted: WantedEvents, *, limit: int, after: Position | None
) -> tuple[list[Event], Position | None]:
    """Return a page of the events that exist for a customer, or for the store's own people, by when they begin. One Query."""
    partition = EVENT.index1(store=store_id, starts_at="", event="").pk
    between: dict[str, Any] = {}
    if wanted.begin or wanted.end:
        between = {"between": (stamp(wanted.begin or _FIRST), stamp(wanted.end or _LAST))}
    in_status = Path("data.status") == wanted.status if wanted.status else None
    where = all_of([in_status, _shown_to(customer) if customer else None])
    rows = list_index(Record.gsi1, partition, limit=limit, after=after, where=where, **between)
    return [row.load(Event) for row in rows.records], rows.next_position


def take_place(tx: Transaction, event: Event, participant: Participant, promoted: Sequence[Participant]) -> Participant:
    """Write a participant with the place it takes, or the end of the line; returns it with its new version.

    `promoted` are those in line before it who got places that were free. `event` is what all that was decided on. Should it be
    another one by now, nothing is written and `ConflictError` raised.
    """
    ahead = len(promoted)
    if participant.state == "waiting":
        # What was said of the place in line holds when it is written.
        as_decided = (_taken == event.registered) & (_waits == event.waiting) & (_numbered == event.sequence)
        counted = [_taken.set(_taken + ahead), _waits.set(_waits + (1 - ahead)), _numbered.set(_numbered + 1)]
        _stand_in_line(tx, participant)
    else:
        counted = [_taken.set(_taken + (1 + ahead)), _waits.set(_waits - ahead)]
        as_decided = _waits == ahead if event.participant_limit else _waits >= ahead
        if event.participant_limit:
            as_decided &= _taken < event.participant_limit - ahead
    _count(tx, event, counted, as_decided)
    _seat(tx, promoted)
    return save_participant(tx, participant)


def leave(
    tx: Transaction, event: Event, before: Participant, after: Participant, promoted: Sequence[Participant]
) -> Participant:
    """Write that a participant gave up its place, which the first in line takes, or its place in line.

    `promoted` are the first ones in line who there is room for then, with their places. Should others be the first by now, or
    somebody have come to wait for a place that is free, nothing is written and `ConflictError` raised.
    """
    ahead = len(promoted)
    from_place, from_line = (1, 0) if before.state == "registered" else (0, 1)
    counted = [_taken.set(_taken + (ahead - from_place)), _waits.set(_waits - (ahead + from_line))]
    as_decided = _waits >= ahead + from_line
    if ahead and event.participant_limit:
        as_decided &= _taken <= event.participant_limit - ahead + from_place
    if from_place and not ahead:
        as_decided &= _none_moves_up(event)
    _count(tx, event, counted, as_decided)
    if from_line:
        _leave_line(tx, before)
    _seat(tx, promoted)
    return save_participant(tx, after)


def next_up(tx: Transaction, reader: Reader, event: Event, *, leaving: Participant | None = None) -> list[Participant]:
    """Return the first ones in line with places, as many as there is room for and as fit into one transaction, and tell them.

    `event` is as it is without whoever is `leaving`. Calls: none if nobody moves up, otherwise a Query and a BatchGetItem.
    """
    room = min(event.promotable_at(tx.at), _AT_ONCE)
    if not room:
        return []
    line = first_in_line(reader, event.store_id, event.id, most=room + 1 if leaving else room)
    waiting = [participant for participant in line if leaving is None or participant.id != leaving.id]
    if not waiting:
        raise overtaken()
    by = Deed(tx.actor, tx.subject, tx.at)
    promoted = [stepped(participant, "move_up", event, by=by) for participant in waiting[:room]]
    for participant in promoted:
        tx.audit("event_participant:moved_up", participant.id, event=event.id)
        tell(tx, participant, "moved_up")
    return promoted


def move_up(tx: Transaction, event: Event, promoted: Sequence[Participant]) -> Event:
    """Write that the first ones in line got places; returns the event as it is then.

    Others may take free places or join the end of the line meanwhile. Should there not be room for all of them by now, or one
    of them not wait any more, nothing is written and `ConflictError` raised.
    """
    if not promoted:
        return event
    ahead = len(promoted)
    as_decided = _waits >= ahead
    if event.participant_limit:
        as_decided &= _taken <= event.participant_limit - ahead
    _count(tx, event, [_taken.set(_taken + ahead), _waits.set(_waits - ahead)], as_decided)
    _seat(tx, promoted)
    return event.with_more(registered=ahead, waiting=-ahead)


def save_participant(tx: Transaction, participant: Participant) -> Participant:
    """Write a participant; returns it with its new version."""
    names = {
        "store": participant.store_id,
        "event": participant.event_id,
        "participant": participant.id,
        "registered_at": stamp(participant.registered_at),
    }
    index1 = EVENT_PARTICIPANT.index1(**names)
    # Two who register one person at once are two who decided on the same state.
    tx.save(Record.of(EVENT_PARTICIPANT.key(**names), participant, index1=index1), otherwise=overtaken())
    return participant.model_copy(update={"version": participant.version + 1})


def require_unchanged(tx: Transaction, event: Event) -> None:
    """Demand that an event is what it was when it was read, but for the places."""
    tx.require(event_key(event.store_id, event.id), Record.version == event.version, otherwise=overtaken())


def tell(tx: Transaction, participant: Participant, news: EventNews) -> None:
    """Mail a participant what became of its place."""
    store_id, event_id = participant.store_id, participant.event_id
    tx.announce(EventMail(store_id=store_id, event_id=event_id, participant_id=participant.id, news=news))


class WantedParticipants(NamedTuple):
    """Which participants of an event a list shows."""

    customer_id: str | None = None
    state: ParticipantState | None = None


def list_participants(
    reader: Reader, scope: Scope, event_id: str, wanted: WantedParticipants, *, limit: int, after: Position | None
) -> tuple[list[Participant], Position | None]:
    """Return a page of the participants of an event who are customers' of a scope, in the order of their registration.

    Calls: one Query, and a BatchGetItem where it has to be seen whose the customers are.
    """
    own = scope.own_customer_id
    if own and wanted.customer_id not in {None, own}:
        return [], None
    unsifted = scope.reach in {"store", "own"}
    rows = _participants(
        scope.store_id, event_id, wanted._replace(customer_id=own or wanted.customer_id), limit if unsifted else SIFTED, after
    )
    found = [row.load(Participant) for row in rows.records]
    if unsifted:
        return found, rows.next_position
    customers = find_customers(reader, scope, (participant.customer_id for participant in found))
    seen = [participant for participant in found if participant.customer_id in customers]
    return sifted(rows, found, seen, limit=limit, gsi=1)


def all_participants(reader: Reader, scope: Scope, event_id: str, wanted: WantedParticipants) -> Iterator[Participant]:
    """Return the participants of an event who are customers' of a scope, in the order of their registration.

    Calls: for every page of a thousand at most what `list_participants` does.
    """
    page, position = list_participants(reader, scope, event_id, wanted, limit=_PAGE, after=None)
    yield from page
    while position is not None:
        page, position = list_participants(reader, scope, event_id, wanted, limit=_PAGE, after=position)
        yield from page


def participants_of(store_id: str, event_id: str, customer_id: str | None) -> Iterator[Record]:
    """Return the participants of an event that a customer registered, or all of them, by id. One Query for every megabyte."""
    partition = EVENT_PARTICIPANT.partition(store=store_id, event=event_id)
    of_customer = Record.sk.startswith(participant_of(customer_id, "")) if customer_id else None
    return iter(Record.query(partition, of_customer, consistent_read=True))


def line_of(store_id: str, event_id: str, *, most: int | None = None) -> list[str]:
    """Return the ids of those who wait, the first in line first, `most` at most. One consistent Query for every megabyte."""
    rows = Record.query(
        EVENT_WAITING.partition(store=store_id, event=event_id), consistent_read=True, page_size=most, limit=most
    )
    return [row.load(WaitingPlace).participant_id for row in rows]


def first_in_line(reader: Reader, store_id: str, event_id: str, *, most: int) -> list[Participant]:
    """Return the first ones of those who wait. One consistent Query, and a BatchGetItem."""
    keys = [participant_key(store_id, event_id, waiting) for waiting in line_of(store_id, event_id, most=most)]
    reader.fetch(keys)
    found = (reader.find(key, Participant) for key in keys)
    return [participant for participant in found if participant and participant.state == "waiting"]


def places_in_line(event: Event, participants: Iterable[Participant]) -> dict[str, int]:
    """Return the places in line, from 1, of those of some participants who wait. One Query if there are any."""
    if not any(participant.state == "waiting" for participant in participants):
        return {}
    line = line_of(event.store_id, event.id)
    return {waiting: place for place, waiting in enumerate(line, start=1)}


def _participants(store_id: str, event_id: str, wanted: WantedParticipants, limit: int, after: Position | None) -> Rows:
    partition = EVENT_PARTICIPANT.index1(store=store_id, event=event_id, registered_at="", participant="").pk
    of_customer = Path("data.customer_id") == wanted.customer_id if wanted.customer_id else None
    in_state = Path("data.state") == wanted.state if wanted.state else None
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=all_of([of_customer, in_state]))


def _shown_to(customer: Customer) -> Condition:
    """Return the filter that picks what `Event.is_shown_to` a customer."""
    groups, customers = Path("data.group_ids"), Path("data.customer_ids")
    everybody = (size(groups) == 0) & (size(customers) == 0)
    invited: Condition = everybody | customers.contains(customer.id)
    if customer.group_id is not None:
        invited |= groups.contains(customer.group_id)
    shown: Condition = Path("data.status").is_in(*sorted(ANNOUNCED)) & invited
    return shown


def _none_moves_up(event: Event) -> Condition:
    """Return the condition that a place which somebody leaves is nobody's next: also while more are taken than there are."""
    nobody_waits: Condition = _waits == 0
    return nobody_waits | (_taken > event.participant_limit) if event.participant_limit else nobody_waits


def _count(tx: Transaction, event: Event, counted: Sequence[Action], as_decided: Condition) -> None:
    key = event_key(event.store_id, event.id)
    tx.update(key, counted, condition=(Record.version == event.version) & as_decided, otherwise=overtaken())


def _seat(tx: Transaction, promoted: Iterable[Participant]) -> None:
    for participant in promoted:
        _leave_line(tx, participant)
        save_participant(tx, participant)


def _stand_in_line(tx: Transaction, participant: Participant) -> None:
    place = WaitingPlace(participant_id=participant.id)
    tx.save(Record.of(_waiting_key(participant), place), otherwise=overtaken())


def _leave_line(tx: Transaction, participant: Participant) -> None:
    tx.delete(_waiting_key(participant), condition=Record.pk.exists(), otherwise=overtaken())


def _waiting_key(participant: Participant) -> Key:
    # Ten digits: the keys sort as the numbers do.
    sequence = f"{participant.sequence or 0:010}"
    return EVENT_WAITING.key(store=participant.store_id, event=participant.event_id, sequence=sequence)
