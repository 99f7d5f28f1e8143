"""/v1/events and POST /v1/events/{id}/{publish|close|cancel}: draft an event, publish it, change it, call it off."""

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from tradepost.domain.catalog import number_key
from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.events import (
    Event,
    EventChange,
    EventHistoryEntry,
    EventMove,
    EventStatus,
    NewEvent,
    drafted,
    edited,
    moved,
    moves_from,
    must_be_deletable,
)
from tradepost.domain.ids import new_id
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import CustomerGroup, Store
from tradepost.domain.values import Day, Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.orders import deed
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import customer_key, find_customers
from tradepost.table.event_mailings import start_cancellation
from tradepost.table.events import (
    CROWD,
    WantedEvents,
    event_key,
    get_event,
    list_events,
    move_up,
    next_up,
    remove_event,
    save_event,
)
from tradepost.table.products import find_products, product_keys
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.stores import list_key

app = make_app()

DONE: Final[dict[EventMove, str]] = {"publish": "published", "close": "closed", "cancel": "cancelled"}
CALENDAR: Final = "text/calendar; charset=utf-8"


class EventAnswer(Answer):
    """An event. Whom it is for, and what was done about it, is shown to the store's own people."""

    id: str
    title: str
    text: str
    place: str | None
    url: str | None
    starts_at: Instant
    ends_at: Instant
    participant_limit: int | None
    waiting_list: Annotated[bool | int, Field(description="How many may wait for a place; true for any number.")]
    deadline: Annotated[Instant, Field(description="Until when places are taken: until it begins, unless set otherwise.")]
    product_numbers: tuple[str, ...]
    group_ids: tuple[str, ...]
    customer_ids: Annotated[tuple[str, ...] | None, Field(description="Shown to whoever may change the event.")]
    status: EventStatus
    registration_open: bool
    registered: int
    waiting: int
    free: Annotated[int | None, Field(description="Places that nobody has taken; null where there is no limit.")]
    created_by: Party
    created_at: Instant
    history: tuple[EventHistoryEntry, ...] | None
    allowed_transitions: Annotated[list[EventMove], Field(description="The moves that are open to you now.")]
    etag: str


def _answer(event: Event, caller: CallerInfo) -> EventAnswer:
    is_changed = event.is_changed_by(caller.member)
    return EventAnswer.of(
        event,
        deadline=event.registration_ends_at,
        customer_ids=event.customer_ids if is_changed else None,
        registration_open=event.is_open_at(caller.at),
        free=event.free,
        history=event.history if Permission.MANAGE_EVENTS in caller.grants else None,
        allowed_transitions=moves_from(event, at=caller.at) if is_changed else [],
    )


def _named(ask: Ask) -> list[Key]:
    return [event_key(ask.store, ask.path["event_id"])]


def _pointed_at(store_id: str, wanted: NewEvent | EventChange) -> list[Key]:
    return [
        *product_keys(store_id, wanted.product_numbers or ()),
        *(list_key(CustomerGroup, store_id, group_id) for group_id in wanted.group_ids or ()),
        *(customer_key(store_id, customer_id) for customer_id in wanted.customer_ids or ()),
    ]


def _new(ask: Ask) -> list[Key]:
    try:
        return _pointed_at(ask.store, NewEvent.model_validate_json(ask.body))
    except ValueError:
        return []


def _changed(ask: Ask) -> list[Key]:
    try:
        return [*_named(ask), *_pointed_at(ask.store, EventChange.model_validate_json(ask.body))]
    except ValueError:
        return _named(ask)


@app.get("/v1/events", allow=Permission.BROWSE_EVENTS)
def list_all_events(
    caller: Caller,
    status: Annotated[EventStatus | None, Query()] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventAnswer]:
    """List events by when they begin. Buyers see those they are invited to, once published."""
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store, customer = caller.store, caller.customer
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = WantedEvents(status, begin, end)
    bound = ("events", store.id, caller.customer_id, *(None if each is None else str(each) for each in wanted))
    found, following = list_events(store.id, customer, wanted, limit=limit, after=read_cursor(cursor, *bound))
    return Page(items=[_answer(event, caller) for event in found], next_cursor=make_cursor(following, *bound))


@app.post("/v1/events", allow=Permission.MANAGE_EVENTS, status=201, reads=_new)
def draft_event(new: NewEvent, caller: Caller) -> EventAnswer:
    """Draft an event. Nobody else than the store's own people sees it before it is published."""
    tx = caller.transaction()
    event = drafted(new, event_id=new_id(), store_id=caller.store.id, by=deed(tx))
    _must_exist(event, None, caller)
    event = save_event(tx, event)
    tx.audit("event:drafted", event.id, title=event.title)
    return tx.commit_answering(_answer(event, caller))


@app.get("/v1/events/<event_id>", allow=Permission.BROWSE_EVENTS, reads=_named)
def show_event(event_id: str, caller: Caller) -> EventAnswer:
    """Show one event, with how many places are taken."""
    return _answer(get_event(caller.reader, caller.store.id, event_id, customer=caller.customer), caller)


@app.patch("/v1/events/<event_id>", allow=Permission.MANAGE_EVENTS, reads=_changed)
def update_event(event_id: str, change: EventChange, caller: Caller) -> EventAnswer:
    """Change an event. Where there is more room than before, those who wait move up in their order."""
    event = caller.decided(partial(_updated, event_id, change, caller), tries=CROWD)
    try:
        while event.promotable_at(caller.at):
            event = caller.decided(partial(_promoted, event_id, caller), tries=CROWD)
    except ConflictError:
        # The change is written. Whoever registers or leaves next lets those move up who still wait.
        event = _as_it_is(event_id, caller)
    return _answer(event, caller)


@app.delete("/v1/events/<event_id>", allow=Permission.MANAGE_EVENTS, reads=_named)
def delete_event(event_id: str, caller: Caller) -> None:
    """Delete a draft. What was published can be cancelled."""
    event = _decided_on(event_id, caller)
    must_be_deletable(event, at=caller.at)
    tx = caller.transaction()
    remove_event(tx, event)
    tx.audit("event:deleted", event.id, title=event.title)
    tx.commit()


@app.post("/v1/events/<event_id>/publish", allow=Permission.MANAGE_EVENTS, precondition=True, reads=_named)
def publish_event(event_id: str, caller: Caller) -> EventAnswer:
    """Show a draft to those who are invited, who can register from now on. Nobody is mailed by that."""
    return _move("publish", event_id, caller)


@app.post("/v1/events/<event_id>/close", allow=Permission.MANAGE_EVENTS, precondition=True, reads=_named)
def close_event(event_id: str, caller: Caller) -> EventAnswer:
    """End the registration for an event. Who cancels still makes room for the first in line."""
    return _move("close", event_id, caller)


@app.post("/v1/events/<event_id>/cancel", allow=Permission.MANAGE_EVENTS, precondition=True, reads=_named)
def cancel_event(event_id: str, caller: Caller) -> EventAnswer:
    """Call an event off. Everybody who has a place or waits for one is told; other circular mails about it stop."""
    return _move("cancel", event_id, caller)


@app.get(
    "/v1/events/<event_id>/calendar.ics",
    allow=Permission.BROWSE_EVENTS,
    reads=_named,
    responses={200: {"description": "An iCalendar file", "content": {"text/calendar": {"schema": {"type": "string"}}}}},
)
def show_calendar_file(event_id: str, caller: Caller) -> Response[str]:
    """Show an event as a calendar file (RFC 5545), which calendars update when they read it again."""
    event = get_event(caller.reader, caller.store.id, event_id, customer=caller.customer)
    disposition = f'attachment; filename="event-{event.id}.ics"'
    return Response(HTTPStatus.OK, CALENDAR, _calendar(event, caller.store), {"Content-Disposition": disposition})


def _decided_on(event_id: str, caller: CallerInfo) -> Event:
    event = get_event(caller.reader, caller.store.id, event_id, customer=None)
    event.must_be_changed_by(caller.member)
    return caller.match(event)


def _move(step: EventMove, event_id: str, caller: CallerInfo) -> EventAnswer:
    before = _decided_on(event_id, caller)
    tx = caller.transaction()
    event = save_event(tx, moved(before, step, by=deed(tx)))
    tx.audit(f"event:{DONE[step]}", event.id, before=before.status, after=event.status)
    if step == "cancel":
        start_cancellation(tx, event)
    return tx.commit_answering(_answer(event, caller))


def _updated(event_id: str, change: EventChange, caller: CallerInfo) -> Event:
    before = _decided_on(event_id, caller)
    tx = caller.transaction()
    event = edited(before, change, by=deed(tx))
    if event == before:
        return event
    _must_exist(event, before, caller)
    after = move_up(tx, event, next_up(tx, caller.reader, event))
    tx.audit("event:updated", event.id, fields=sorted(change.given))
    save_event(tx, event)
    tx.commit()
    if event.participant_limit != before.participant_limit:
        # Whoever came to wait while it was being changed is seen now; from here on they decide on the new limit.
        return _as_it_is(event_id, caller)
    return after.model_copy(update={"version": before.version + 1})


def _as_it_is(event_id: str, caller: CallerInfo) -> Event:
    caller.reader = Reader()
    return get_event(caller.reader, caller.store.id, event_id, customer=None)


def _promoted(event_id: str, caller: CallerInfo) -> Event:
    event = _as_it_is(event_id, caller)
    tx = caller.transaction()
    after = move_up(tx, event, next_up(tx, caller.reader, event))
    tx.commit()
    return after


def _must_exist(event: Event, before: Event | None, caller: CallerInfo) -> None:
    """Refuse what an event newly points at and there is not, or not for the caller. Raises `InvalidError`."""
    reader, store_id = caller.reader, event.store_id
    products = find_products(reader, store_id, _added("product_numbers", event, before))
    groups = {
        group_id
        for group_id in _added("group_ids", event, before)
        if reader.record(list_key(CustomerGroup, store_id, group_id))
    }
    customers = find_customers(reader, caller.scope, _added("customer_ids", event, before))
    found: dict[str, tuple[str, Iterable[str]]] = {
        "product_numbers": ("product", products),
        "group_ids": ("customer_group", groups),
        "customer_ids": ("customer", customers),
    }
    for field, (kind, known) in found.items():
        added = _added(field, event, before)
        for index, name in enumerate(getattr(event, field)):
            sought = number_key(name) if kind == "product" else name
            if name in added and sought not in known:
                said = f"is not a {kind.replace('_', ' ')} of this store"
                raise InvalidError(Fault(f"/{field}/{index}", said), code=f"unknown_{kind}")


def _added(field: str, event: Event, before: Event | None) -> list[str]:
    kept = frozenset[str](getattr(before, field)) if before else frozenset[str]()
    return [name for name in getattr(event, field) if name not in kept]


def _calendar(event: Event, store: Store) -> str:
    import icalendar  # a third of a second: loaded when a calendar file is asked for

    entry = icalendar.Event()
    fields: dict[str, Any] = {
        "uid": f"{event.id}@{event.store_id}.tradepost",
        "sequence": event.version,
        "dtstamp": event.history[-1].at if event.history else event.created_at,
        "dtstart": event.starts_at,
        "dtend": event.ends_at,
        "summary": event.title,
        "status": {"draft": "TENTATIVE", "cancelled": "CANCELLED"}.get(event.status, "CONFIRMED"),
    }
    fields |= {"description": event.text} if event.text else {}
    fields |= {"location": event.place} if event.place else {}
    fields |= {"url": str(event.url)} if event.url else {}
    reply_to = store.branding.reply_to
    if reply_to:
        fields["organizer"] = icalendar.vCalAddress(f"mailto:{reply_to}")
        fields["organizer"].params["cn"] = icalendar.vText(store.name)
    for name, value in fields.items():
        entry.add(name, value)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Tradepost//Events//EN")
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    return str(calendar.to_ical().decode())


handler = app.handler
