"""Erasing a person in the table, page by page: whatever names it and need not be kept is deleted, or made nobody's.

Each page may be gone through any number of times, by any number of workers at once: what is nobody's stays nobody's.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from tradepost.domain.acting import ActingSession
from tradepost.domain.companies import Company
from tradepost.domain.customers import Customer
from tradepost.domain.erasures import Traces
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.events import Event, Participant, participant_of, stepped, steps_from
from tradepost.domain.ids import MemberKey, split_member_id
from tradepost.domain.orders import Deed
from tradepost.domain.people import SYSTEM
from tradepost.domain.permissions import Permission
from tradepost.table.acting import ties_of
from tradepost.table.companies import company_key, remove_company
from tradepost.table.customers import customer_key
from tradepost.table.events import CROWD, event_key, leave, next_up, participant_key, participants_of
from tradepost.table.forward import Listed
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.people import close_account, end_sessions, find_person, list_sessions_of_member, remove_person
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import EVENT_MAILING, Key, store_owner
from tradepost.table.traces import acting_near, api_keys_near, events_near, invitations_near, offers_near
from tradepost.table.transaction import MAX_ACTIONS, Transaction, pause

_PAGE: Final = 100
_EVENTS: Final = 20
_TRIES: Final = 8
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NOT_ACCEPTED: Final[Condition] = Path("data.status") != "accepted"


class _AcceptedError(ConflictError):
    """An order has become of an offer meanwhile: it is kept as it is."""

    def __init__(self) -> None:
        """Take no arguments: it is never shown."""
        super().__init__("accepted", "This offer has been accepted meanwhile.")


class Whose(NamedTuple):
    """Whose traces are removed: a place in a store, of a person, with one customer unless it is a sales rep's."""

    store_id: str
    member_id: str
    person: str
    customer_id: str | None
    at: datetime

    @classmethod
    def of(cls, member_id: str, *, at: datetime) -> Self:
        """Take a member's id apart. Raises `ValueError` for what is none."""
        place = split_member_id(member_id)
        if place is None:
            raise ValueError("not a member's id")
        return cls(place.store_id, member_id, place.person, place.customer_id, at)

    @property
    def place(self) -> MemberKey:
        """The place, as its id says it."""
        return MemberKey(self.store_id, self.person, self.customer_id)

    @property
    def traces(self) -> Traces:
        """By what the person is recognised where it is named as itself."""
        return Traces(self.member_id, self.person)

    @property
    def deeds(self) -> Traces:
        """By what it is recognised where it did something, and the address may be that of another place of its."""
        return Traces(self.member_id, "")

    def begin(self) -> Transaction:
        """Begin a write, which nobody asked for at this moment."""
        return Transaction(store_owner(self.store_id), SYSTEM, SYSTEM, self.at)


def forget_sessions(whose: Whose, _: Position | None) -> Position | None:
    """Delete the sessions, which let nobody in since the place is revoked."""
    sessions = list_sessions_of_member(whose.store_id, whose.member_id)
    for first in range(0, len(sessions), MAX_ACTIONS):
        tx = whose.begin()
        end_sessions(tx, whose.store_id, [(whose.member_id, each.id) for each in sessions[first : first + MAX_ACTIONS]])
        tx.commit()
    return None


def forget_acting(whose: Whose, after: Position | None) -> Position | None:
    """Leave in the log that somebody acted for somebody, without who that was, and from where."""
    part = Path("data.subject.id" if whose.customer_id else "data.actor.id") == whose.member_id
    rows = _page(acting_near(whose.place), after, where=part)
    if whose.customer_id is None:
        # Device and address are those of whoever acted.
        return _gone_through(rows, whose.traces, {"device": "", "address": ""})
    read = Reader()
    sessions = {ties_of(record.load(ActingSession)).session for record in rows.records}
    read.fetch(sessions)
    for session in filter(None, map(read.record, sorted(sessions))):
        # Where somebody acts for it just now, or did last.
        _forget(session, whose.traces)
    return _gone_through(rows, whose.traces)


def forget_invitations(whose: Whose, after: Position | None) -> Position | None:
    """Forget whom the invitations of the place went to, and that it invited others."""
    own = (Path("data.member_id") == whose.member_id) | (Path("data.accepted_by") == whose.member_id)
    named: Condition = own | (Path("data.created_by.id") == whose.member_id)
    rows = _page(invitations_near(whose.place), after, where=named)
    for record in rows.records:
        data = record.data.as_dict()
        is_own = whose.member_id in {data.get("member_id"), data.get("accepted_by")}
        # One that it sent to others, at an address of which it has another place, is that place's.
        _forget(record, whose.traces if is_own else whose.deeds)
    return rows.next_position


def forget_offers(whose: Whose, after: Position | None) -> Position | None:
    """Forget who made, asked for, saw and answered offers of which no order became. Those that did are business records.

    One that is accepted at this very moment, which the list does not tell yet, stays as it was accepted.
    """
    rows = _page(offers_near(whose.place), after, where=_NOT_ACCEPTED)
    for record in rows.records:
        _forget(record, whose.traces, unless=_is_accepted)
        for version in Record.query(record.pk, Record.sk.startswith("VERSION#")):
            _forget_version(version, record.key, whose)
    return rows.next_position


def forget_events(whose: Whose, after: Position | None) -> Position | None:
    """Call off the places at events to come, and forget who came to those that were, and who registered or invited others."""
    rows = _page(events_near(whose.place), after, limit=_EVENTS)
    for record in rows.records:
        event = record.load(Event)
        _forget(record, whose.deeds)
        _forget_participants(whose, event)
        if whose.customer_id is None:
            for mailing in Record.query(EVENT_MAILING.partition(store=whose.store_id, event=event.id)):
                _forget(mailing, whose.deeds)
    return rows.next_position


def forget_api_keys(whose: Whose, after: Position | None) -> Position | None:
    """Forget who made the keys of its company's systems. Those that act for the person do not work any more."""
    keys = api_keys_near(whose.place)
    return _gone_through(_page(keys, after), whose.deeds) if keys else None


def forget_account(whose: Whose, _: Position | None) -> Position | None:
    """Delete the account of a person who has no place left anywhere, and its company's entry in the directory.

    While it is closing, nobody gets a place by it: what is found to be nobody's stays so until it is deleted.
    """
    person = find_person(whose.person)
    if not person.memberships and person.account and not person.account.closing:
        close_account(person.account, closing=True)
        person = find_person(whose.person)
    if person.memberships:
        if person.account and person.account.closing:
            close_account(person.account, closing=False)
        return None
    tx = whose.begin()
    remove_person(tx, person, whose.person)
    if person.account:
        tx.audit("account:deleted", whose.person)
    _leave_directory(tx, whose)
    if tx.size:
        tx.commit()
    return None


def _leave_directory(tx: Transaction, whose: Whose) -> None:
    """Take the company out of the directory if it was this person who confirmed it, whose address is kept there."""
    if whose.customer_id is None:
        return
    read = Reader()
    customer = read.find(customer_key(whose.store_id, whose.customer_id), Customer)
    company = read.find(company_key(customer.company_id), Company) if customer and customer.company_id else None
    if company and company.person == whose.person:
        remove_company(tx, company)


def _is_accepted(offer: Record) -> bool:
    return bool(offer.document()["status"] == "accepted")


def _forget_version(version: Record, offer: Key, whose: Whose) -> None:
    """Remove a person's traces from a version of an offer, unless an order has become of the offer, if only just now.

    Accepting an offer does not change its versions, so that the offer is held while they are changed. Raises `StaleError` if
    others keep changing one.
    """
    for attempt in range(_TRIES):
        told = whose.traces.removed_from(version.data.as_dict())
        if told == version.data.as_dict():
            return
        tx = whose.begin()
        tx.require(offer, _NOT_ACCEPTED, otherwise=_AcceptedError())
        as_read = Record.version == int(version.version)
        tx.update(version.key, [Record.data.set(told), Record.version.add(1)], condition=as_read, otherwise=StaleError())
        try:
            tx.commit()
        except _AcceptedError:
            return
        except StaleError:
            if attempt == _TRIES - 1:
                raise
            version.refresh(consistent_read=True)
        else:
            return


def _forget_participants(whose: Whose, event: Event) -> None:
    # As a participant, a sales rep would be a customer's: what it did for others is all.
    own = participant_of(whose.customer_id, whose.person) if whose.customer_id else None
    for record in participants_of(whose.store_id, event.id, whose.customer_id):
        if record.sk == own:
            _call_off(whose, event.id, record.sk)
            record.refresh(consistent_read=True)
        _forget(record, whose.traces if record.sk == own else whose.deeds)


def _call_off(whose: Whose, event_id: str, participant_id: str) -> None:
    """Give up a place at an event that is yet to come, or in the line for one. Nobody is told: there is nobody to tell."""
    for attempt in range(CROWD):
        read, tx = Reader(), whose.begin()
        read.fetch([event_key(whose.store_id, event_id), participant_key(whose.store_id, event_id, participant_id)])
        event = read.get(event_key(whose.store_id, event_id), Event)
        before = read.get(participant_key(whose.store_id, event_id, participant_id), Participant)
        if "cancel" not in steps_from(before, event, [Permission.REGISTER_PARTICIPANTS], at=whose.at):
            return
        left = event.with_more(registered=-1) if before.state == "registered" else event.with_more(waiting=-1)
        cancelled = stepped(before, "cancel", event, by=Deed(SYSTEM, SYSTEM, whose.at))
        try:
            leave(tx, event, before, cancelled, next_up(tx, read, left, leaving=before))
            tx.audit("event_participant:cancelled", before.id, event=event.id, before=before.state)
            tx.commit()
        except ConflictError:
            # Others come and go at this moment: decided anew, and if they go on for long, by the next message.
            if attempt == CROWD - 1:
                raise
            time.sleep(pause(attempt))
        else:
            return


def _page(listed: Listed, after: Position | None, *, where: Condition | None = None, limit: int = _PAGE) -> Rows:
    return list_index(listed.index, listed.partition, limit=limit, after=after, where=where)


def _gone_through(rows: Rows, traces: Traces, unknown: Mapping[str, str] = _NOTHING) -> Position | None:
    for record in rows.records:
        _forget(record, traces, unknown=unknown)
    return rows.next_position


def _forget(
    record: Record,
    traces: Traces,
    *,
    unless: Callable[[Record], bool] | None = None,
    unknown: Mapping[str, str] = _NOTHING,
) -> None:
    """Remove a person's traces from an item, with a new version for whoever decides on it just now.

    `unless` tells of the item as it is written over, not merely as it was listed, whether it stays. `unknown` are fields of
    the document that are to be so from now on. Raises what DynamoDB does if others keep changing it.
    """
    for attempt in range(_TRIES):
        if unless and unless(record):
            return
        told = {**traces.removed_from(record.data.as_dict()), **unknown}
        named = list(_named_aside(record, traces))
        # What is kept aside may be growing at this moment: of it, what names the person is changed alone.
        actions: list[Action] = [path.set(value) for path, value in named]
        if told != record.data.as_dict():
            actions += [Record.data.set(told), Record.version.add(1)]
        if not actions:
            return
        as_read: Condition = Record.version == int(record.version)
        for path, _ in named:
            as_read &= path.exists()
        try:
            record.update(actions, condition=as_read)
        except UpdateError as error:
            if error.cause_response_code != "ConditionalCheckFailedException" or attempt == _TRIES - 1:
                raise
            record.refresh(consistent_read=True)
        else:
            return


def _named_aside(record: Record, traces: Traces) -> Iterable[tuple[Path, object]]:
    aside = record.aside.as_dict() if record.attribute_values.get("aside") else {}
    for name, kept in aside.items():
        for part, value in kept.items() if isinstance(kept, dict) else ():
            told = traces.removed_from(value)
            if told != value:
                yield Path(["aside", name, part]), told
