"""/v1/events/{id}/mailings: mail the participants of an event in your own words, see how far that got, and stop it."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from tradepost.domain.email_templates import EmailTemplate
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.event_mailings import (
    CircularDraft,
    EventMailing,
    MailingKind,
    MailingStatus,
    NewEventMailing,
    must_be_mailable,
)
from tradepost.domain.events import Event, ParticipantState
from tradepost.domain.ids import new_id
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.mails.checking import check_circular
from tradepost.mails.rendering import BrokenTemplateError, MailText, circular_message, render_mail
from tradepost.mails.values import CIRCULAR, event_values, sample_values
from tradepost.table.customers import customer_key, find_customers
from tradepost.table.email_templates import template_key
from tradepost.table.event_mailings import event_mailing_key, list_event_mailings, start_mailing, stop_mailing
from tradepost.table.events import event_key, get_event
from tradepost.table.shapes import Key

app = make_app()

ALLOW: Final = Permission.MANAGE_EVENTS


class EventMailingAnswer(Answer):
    """A circular mail: to whom of the participants it goes, and how far it got.

    `total` are to be mailed, once they have been counted. One of the kind `cancellation` tells that the event is cancelled, in
    the words of the store's template.
    """

    id: str
    event_id: str
    kind: MailingKind
    subject: str
    text: str
    states: tuple[ParticipantState, ...]
    customer_ids: Annotated[
        tuple[str, ...] | None,
        Field(description="Only people of these customers; null for all. Shown to whoever may change the event."),
    ]
    status: MailingStatus
    progress: float
    total: int | None
    queued: Annotated[
        int, Field(description="Mails that were announced; those that are not written before a cancellation are dropped.")
    ]
    created_at: Instant
    created_by: Party
    finished_at: Instant | None
    allowed_transitions: Annotated[list[Literal["cancel"]], Field(description="The moves that are open to you now.")]
    etag: str


class MailingPreview(Answer):
    """A circular mail as it would be for somebody."""

    subject: str
    html: str
    text: str


def _event(ask: Ask) -> list[Key]:
    return [event_key(ask.store, ask.path["event_id"])]


def _event_and_mailing(ask: Ask) -> list[Key]:
    return [*_event(ask), event_mailing_key(ask.store, ask.path["event_id"], ask.path["mailing_id"])]


def _event_and_template(ask: Ask) -> list[Key]:
    return [*_event(ask), template_key(ask.store, CIRCULAR)]


def _event_and_customers(ask: Ask) -> list[Key]:
    try:
        new = NewEventMailing.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [*_event_and_template(ask), *(customer_key(ask.store, customer_id) for customer_id in new.customer_ids or ())]


@app.post("/v1/events/<event_id>/mailings", allow=ALLOW, status=202, reads=_event_and_customers)
def order_mailing(event_id: str, new: NewEventMailing, caller: Caller) -> EventMailingAnswer:
    """Mail the participants of an event, in the background; those who are registered, unless `states` says whom.

    `subject` and `text` are Liquid in plain text, a blank line begins a paragraph; a mistake is a fault that names its line.
    They stand in the store's template `event_mailing`. Ten an hour for an event.
    """
    event = _to_change(event_id, caller)
    must_be_mailable(event)
    _must_be_known(new.customer_ids or (), caller)
    _rendered(new, event, caller)
    tx = caller.transaction()
    mailing = start_mailing(tx, EventMailing.ordered(new, event, new_id(), by=caller.party, at=caller.at))
    return tx.commit_answering(_answer(mailing, event, caller))


@app.get("/v1/events/<event_id>/mailings", allow=ALLOW, reads=_event)
def list_mailings(event_id: str, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[EventMailingAnswer]:
    """List the circular mails of an event, newest first."""
    event, bound = _found(event_id, caller), ("event_mailings", caller.store.id, event_id)
    rows = list_event_mailings(caller.store.id, event.id, limit=limit, after=read_cursor(cursor, *bound))
    items = [_answer(row.load(EventMailing), event, caller) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/events/<event_id>/mailings/<mailing_id>", allow=ALLOW, reads=_event_and_mailing)
def show_mailing(event_id: str, mailing_id: str, caller: Caller) -> EventMailingAnswer:
    """Show a circular mail, and how far it got."""
    event = _found(event_id, caller)
    return _answer(caller.reader.get(event_mailing_key(event.store_id, event.id, mailing_id), EventMailing), event, caller)


@app.post("/v1/events/<event_id>/mailings/<mailing_id>/cancel", allow=ALLOW, reads=_event_and_mailing)
def cancel_mailing(event_id: str, mailing_id: str, caller: Caller) -> EventMailingAnswer:
    """Stop a circular mail: who has not been mailed is not mailed."""
    event = _to_change(event_id, caller)
    mailing = caller.reader.get(event_mailing_key(event.store_id, event.id, mailing_id), EventMailing)
    tx = caller.transaction()
    stopped = stop_mailing(tx, caller.match(mailing))
    return tx.commit_answering(_answer(stopped, event, caller))


@app.post("/v1/events/<event_id>/mailing-previews", allow=ALLOW, idempotent=False, reads=_event_and_template)
def preview_mailing(event_id: str, draft: CircularDraft, caller: Caller) -> MailingPreview:
    """Show a circular mail as it would be for somebody who takes part. Nothing is changed or sent."""
    return MailingPreview.model_validate(_rendered(draft, _found(event_id, caller), caller)._asdict())


def _found(event_id: str, caller: CallerInfo) -> Event:
    return get_event(caller.reader, caller.store.id, event_id, customer=None)


def _to_change(event_id: str, caller: CallerInfo) -> Event:
    event = _found(event_id, caller)
    event.must_be_changed_by(caller.member)
    return event


def _must_be_known(customer_ids: Iterable[str], caller: CallerInfo) -> None:
    known = find_customers(caller.reader, caller.scope, customer_ids)
    faults = [
        Fault(f"/customer_ids/{index}", "is not a customer of this store")
        for index, customer_id in enumerate(customer_ids)
        if customer_id not in known
    ]
    if faults:
        raise InvalidError(*faults, code="unknown_customer")


def _rendered(draft: CircularDraft, event: Event, caller: CallerInfo) -> MailText:
    """Return a circular mail to somebody of the samples. Raises `InvalidError` for mistakes in its words."""
    somebody = sample_values(CIRCULAR)
    told = event_values(caller.store, event, name=somebody["name"], company=somebody["company"])
    check_circular(draft.subject, draft.text, told)
    told["message"] = circular_message(draft.subject, draft.text, told)
    own = caller.reader.find(template_key(caller.store.id, CIRCULAR), EmailTemplate)
    try:
        return render_mail(CIRCULAR, told, own.content if own else None)
    except BrokenTemplateError:
        return render_mail(CIRCULAR, told)


def _answer(mailing: EventMailing, event: Event, caller: CallerInfo) -> EventMailingAnswer:
    is_changed = event.is_changed_by(caller.member)
    return EventMailingAnswer.of(
        mailing,
        customer_ids=mailing.customer_ids if is_changed else None,
        status=mailing.status_with(event),
        progress=mailing.progress,
        allowed_transitions=["cancel"] if is_changed and mailing.is_stoppable_with(event) else [],
    )


handler = app.handler
