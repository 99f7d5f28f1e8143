"""/v1/events/{id}/participants: register people for an event, see who comes or waits for a place, and cancel for them."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from tradepost.domain.clock import day_of, local_time
from tradepost.domain.errors import ConflictError, Fault, InvalidError, NotFoundError
from tradepost.domain.events import (
    Event,
    EventHistoryEntry,
    NewParticipant,
    Participant,
    ParticipantChange,
    ParticipantMove,
    ParticipantState,
    participant_id,
    registered,
    renamed,
    stepped,
    steps_from,
)
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.spreadsheets import Cell, csv_of
from tradepost.domain.values import Instant
from tradepost.http.activities import Doing, note_activity
from tradepost.http.app import CSV, Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.orders import deed
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import get_customer
from tradepost.table.events import (
    CROWD,
    WantedParticipants,
    all_participants,
    event_key,
    get_event,
    get_participant,
    leave,
    list_participants,
    next_up,
    participant_key,
    participant_keys,
    places_in_line,
    require_unchanged,
    save_participant,
    take_place,
    tell,
)
from tradepost.table.shapes import Key

app = make_app()

MAX_ROWS: Final = 5000
COLUMNS: Final = (
    "name",
    "email",
    "phone",
    "customer_number",
    "customer",
    "state",
    "place_in_line",
    "registered_at",
    "registered_by",
)
DONE: Final[Mapping[ParticipantMove, str]] = {"cancel": "cancelled", "attend": "attended", "miss": "missed"}
ALLOW: Final = Permission.REGISTER_PARTICIPANTS

CustomerId = Annotated[str | None, Query(max_length=60)]
State = Annotated[ParticipantState | None, Query()]


class ParticipantAnswer(Answer):
    """Somebody who was registered for an event. The move `cancel` is to delete it, which frees the place."""

    id: str
    event_id: str
    customer_id: str
    customer_name: str
    name: str
    email: str
    phone: str | None
    state: ParticipantState
    place_in_line: Annotated[int | None, Field(description="1 for who gets the next place; null for who does not wait.")]
    registered_at: Instant
    actor: Party
    subject: Party
    history: tuple[EventHistoryEntry, ...]
    allowed_transitions: Annotated[list[ParticipantMove], Field(description="The moves that are open to you now.")]
    etag: str


def _answer(participant: Participant, event: Event, caller: CallerInfo, place: int | None) -> ParticipantAnswer:
    moves = steps_from(participant, event, caller.grants, at=caller.at)
    return ParticipantAnswer.of(participant, place_in_line=place, allowed_transitions=moves)


def _of_event(ask: Ask) -> list[Key]:
    return [event_key(ask.store, ask.path["event_id"])]


def _named(ask: Ask) -> list[Key]:
    return participant_keys(ask.store, ask.path["event_id"], ask.path["participant_id"])


def _new(ask: Ask) -> list[Key]:
    try:
        new = NewParticipant.model_validate_json(ask.body)
    except ValueError:
        return _of_event(ask)
    customer_id = ask.customer or new.customer_id
    return _keys_of(new, ask.store, ask.path["event_id"], customer_id) if customer_id else _of_event(ask)


def _keys_of(new: NewParticipant, store_id: str, event_id: str, customer_id: str) -> list[Key]:
    return participant_keys(store_id, event_id, participant_id(customer_id, new.email))


@app.post("/v1/events/<event_id>/participants", allow=ALLOW, status=201, reads=_new)
def register_participant(event_id: str, new: NewParticipant, caller: Caller) -> ParticipantAnswer:
    """Register somebody: buyers a person of their own company, sales reps and owners one of a customer they name.

    While there are free places, the participant gets one; after that it waits for one, as far as the waiting list goes.
    """
    return caller.decided(partial(_registered, event_id, new, caller), tries=CROWD)


@app.get("/v1/events/<event_id>/participants", allow=ALLOW, reads=_of_event)
def list_all_participants(
    event_id: str, caller: Caller, state: State = None, customer_id: CustomerId = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ParticipantAnswer]:
    """List who was registered, in that order: of your own company, or of the customers you may see."""
    event = _event(event_id, caller)
    wanted = WantedParticipants(customer_id, state)
    bound = ("participants", event.store_id, event.id, str(caller.scope), *wanted)
    after = read_cursor(cursor, *bound)
    found, following = list_participants(caller.reader, caller.scope, event.id, wanted, limit=limit, after=after)
    places = places_in_line(event, found)
    items = [_answer(participant, event, caller, places.get(participant.id)) for participant in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get(
    "/v1/events/<event_id>/participants.csv",
    allow=ALLOW,
    reads=_of_event,
    responses={200: {"description": "A CSV file", "content": {CSV: {"schema": {"type": "string"}}}}},
)
def export_participants(event_id: str, caller: Caller, state: State = None, customer_id: CustomerId = None) -> Response[str]:
    """Export who was registered, as the list shows it: 5,000 people at most, and nothing of a longer list.

    Times are as clocks in the store's time zone show them.
    """
    event = _event(event_id, caller)
    wanted = WantedParticipants(customer_id, state)
    found = list(islice(all_participants(caller.reader, caller.scope, event.id, wanted), MAX_ROWS + 1))
    if len(found) > MAX_ROWS:
        raise ConflictError("too_many_rows", f"These are more than {MAX_ROWS} people. Choose a state, or a customer.")
    places = places_in_line(event, found)
    time_zone = caller.store.time_zone
    rows = [_row(participant, places.get(participant.id), time_zone) for participant in found]
    name = f"{caller.store.slug}-participants-{event.id}-{day_of(caller.at, time_zone)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(HTTPStatus.OK, f"{CSV}; charset=utf-8; header=present", csv_of(COLUMNS, rows), headers)


@app.get("/v1/events/<event_id>/participants/<participant_id>", allow=ALLOW, reads=_named)
def show_participant(event_id: str, participant_id: str, caller: Caller) -> ParticipantAnswer:
    """Show one participant, and if it waits, its place in line."""
    participant, event = _participant(event_id, participant_id, caller)
    return _shown(participant, event, caller)


@app.patch("/v1/events/<event_id>/participants/<participant_id>", allow=ALLOW, reads=_named)
def update_participant(event_id: str, participant_id: str, change: ParticipantChange, caller: Caller) -> ParticipantAnswer:
    """Change what a participant is called. To register somebody else, cancel and register anew."""
    found, event = _participant(event_id, participant_id, caller)
    before = caller.match(found)
    tx = caller.transaction()
    after = renamed(before, change, by=deed(tx))
    if after != before:
        after = save_participant(tx, after)
        tx.audit("event_participant:updated", after.id, event=event.id, fields=sorted(change.given))
        tx.commit()
    return _shown(after, event, caller)


@app.delete("/v1/events/<event_id>/participants/<participant_id>", allow=ALLOW, reads=_named)
def cancel_participant(event_id: str, participant_id: str, caller: Caller) -> None:
    """Give up a place, which the first in line gets at once, or a place in line. Possible until the event begins."""
    caller.decided(partial(_cancelled, event_id, participant_id, caller), tries=CROWD)


@app.post(
    "/v1/events/<event_id>/participants/<participant_id>/attend",
    allow=Permission.MANAGE_EVENTS,
    precondition=True,
    reads=_named,
)
def note_attendance(event_id: str, participant_id: str, caller: Caller) -> ParticipantAnswer:
    """Note that a participant came, once the event has begun."""
    return _noted("attend", event_id, participant_id, caller)


@app.post(
    "/v1/events/<event_id>/participants/<participant_id>/miss",
    allow=Permission.MANAGE_EVENTS,
    precondition=True,
    reads=_named,
)
def note_absence(event_id: str, participant_id: str, caller: Caller) -> ParticipantAnswer:
    """Note that a participant did not come, once the event has begun."""
    return _noted("miss", event_id, participant_id, caller)


def _event(event_id: str, caller: CallerInfo) -> Event:
    return get_event(caller.reader, caller.store.id, event_id, customer=caller.customer)


def _participant(event_id: str, participant_id: str, caller: CallerInfo) -> tuple[Participant, Event]:
    # The participant first: whether the event or the participant is unknown is not told apart.
    participant = get_participant(caller.reader, caller.scope, event_id, participant_id)
    # Whoever is registered can be seen and cancelled by its company, even if that is not invited any more.
    return participant, get_event(caller.reader, caller.store.id, event_id, customer=None)


def _shown(participant: Participant, event: Event, caller: CallerInfo) -> ParticipantAnswer:
    place = places_in_line(event, [participant]).get(participant.id)
    return _answer(participant, event, caller, place)


def _for_whom(new: NewParticipant, caller: CallerInfo) -> str:
    if caller.customer_id is None:
        if new.customer_id is None:
            raise InvalidError(Fault("/customer_id", "is required: say for whom this person is registered"))
        return new.customer_id
    if new.customer_id not in {None, caller.customer_id}:
        raise NotFoundError("customer")
    return caller.customer_id


def _registered(event_id: str, new: NewParticipant, caller: CallerInfo) -> ParticipantAnswer:
    customer_id = _for_whom(new, caller)
    caller.reader.fetch(_keys_of(new, caller.store.id, event_id, customer_id))
    customer = get_customer(caller.reader, caller.scope, customer_id)
    event = _event(event_id, caller)
    customer.must_be_active()
    key = participant_key(event.store_id, event.id, participant_id(customer.id, new.email))
    tx = caller.transaction()
    before = caller.reader.find(key, Participant)
    promoted = next_up(tx, caller.reader, event)
    seated = event.with_more(registered=len(promoted), waiting=-len(promoted))
    participant = take_place(tx, event, registered(seated, new, customer, before=before, by=deed(tx)), promoted)
    tx.audit("event_participant:registered", participant.id, event=event.id, state=participant.state)
    note_activity(tx, Doing("event_registered", customer.id, "event", event.id, event.title), caller.store, caller.member)
    tell(tx, participant, "registered")
    place = seated.waiting + 1 if participant.state == "waiting" else None
    return tx.commit_answering(_answer(participant, event, caller, place))


def _cancelled(event_id: str, participant_id: str, caller: CallerInfo) -> None:
    caller.reader.fetch(participant_keys(caller.store.id, event_id, participant_id))
    found, event = _participant(event_id, participant_id, caller)
    before = caller.match(found)
    tx = caller.transaction()
    after = stepped(before, "cancel", event, by=deed(tx))
    left = event.with_more(registered=-1) if before.state == "registered" else event.with_more(waiting=-1)
    leave(tx, event, before, after, next_up(tx, caller.reader, left, leaving=before))
    tx.audit("event_participant:cancelled", after.id, event=event.id, before=before.state)
    tell(tx, after, "participant_cancelled")
    tx.commit()


def _noted(step: ParticipantMove, event_id: str, participant_id: str, caller: CallerInfo) -> ParticipantAnswer:
    found, event = _participant(event_id, participant_id, caller)
    before = caller.match(found)
    tx = caller.transaction()
    after = save_participant(tx, stepped(before, step, event, by=deed(tx)))
    require_unchanged(tx, event)
    tx.audit(f"event_participant:{DONE[step]}", after.id, event=event.id, before=before.state)
    return tx.commit_answering(_answer(after, event, caller, None))


def _row(participant: Participant, place: int | None, time_zone: str) -> tuple[Cell, ...]:
    return (
        participant.name,
        participant.email,
        participant.phone,
        participant.customer_number,
        participant.customer_name,
        participant.state,
        place,
        local_time(participant.registered_at, time_zone),
        participant.actor.name,
    )


handler = app.handler
