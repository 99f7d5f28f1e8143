"""Everything that is held about a member of a store, as one archive of files that people can read.

It is written in one run, from lists that are read in stretches: however much there is, little of it is held at once. Entries
have a fixed order and no time of their own, so that the same state gives the same bytes.

| file | columns |
|---|---|
| `activities.csv` | those of exports of activities, `shown` |
| `orders.csv` | `order_number, placed_at, status, source, customer_number, company, part, total, currency, items`, \
the columns of both addresses as in exports of orders, `your_notes, order_id` |
| `offers.csv` | `offer_number, created_at, status, customer_number, company, part, total, currency, your_words, offer_id` |
| `event_registrations.csv` | `event, starts_at, whose, name, email, phone, state, registered_at` |
| `events.csv` | `event, starts_at, status, created_at` |
| `acting_sessions.csv` | `started_at, ended_at, part, company, reason, device, address` |
| `invitations.csv` | `created_at, part, kind, name, email, state, accepted_at, revoked_at` |
| `api_keys.csv` | `created_at, part, name, begins_with, scopes, status` |
| `exports.csv` | `requested_at, part, kind, status, rows` |
| `customers.csv` | `customer_id`: whom a sales rep looks after |

Only whoever asks about itself gets its account, which it has in other stores too, and activity that is hidden from the store;
`shown` tells that from the rest.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import IO, Any, Final

from tradepost.domain.acting import ActingSession
from tradepost.domain.activities import may_be_kept
from tradepost.domain.api_keys import ApiKey
from tradepost.domain.clock import local_time, stamp
from tradepost.domain.display import in_units
from tradepost.domain.erasures import Traces
from tradepost.domain.events import Event, Participant, participant_of
from tradepost.domain.exports import ActivityFilters, Export, PersonFilters
from tradepost.domain.ids import MemberKey, split_member_id
from tradepost.domain.invitations import Invitation
from tradepost.domain.offers import Offer, told_to_customers, totals_of
from tradepost.domain.orders import Order
from tradepost.domain.people import Account, Member, Party
from tradepost.domain.scoping import Scope
from tradepost.domain.spreadsheets import Cell, header_of, lines_of
from tradepost.domain.stores import Store
from tradepost.domain.values import Instant
from tradepost.exports.activities import ActivitySource
from tradepost.exports.cells import address_cells, address_columns
from tradepost.exports.orders import items_in_words
from tradepost.table.activities import partition_of_member
from tradepost.table.activity_reading import read_between
from tradepost.table.customers import allocated_ids
from tradepost.table.events import participants_of
from tradepost.table.exports import exports_in, exports_of
from tradepost.table.forward import Listed, read_on
from tradepost.table.orders import orders_by_time
from tradepost.table.people import account_key, list_sessions_of_member
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.traces import acting_near, api_keys_near, events_near, invitations_near, offers_near

type Rows = Iterable[Sequence[Cell]]

_AT_ONCE: Final = 500
_EVER: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the first one that a ZIP file can tell."""
_READABLE: Final = 0o600 << 16
_README: Final = """What {store} holds about {name}
{line}

As of {at} (UTC). Times in files that end with .csv are those of clocks in {zone}.

profile.json             The account, by which you log in to every store where you have a place. {account}
membership.json          Your place in this store: your name, address and telephone number here, and what you may do.
consents.json            Each decision of yours about activity tracking, and the version of the text that you were shown.
sessions.json            Where you are logged in, from which device and address of the network. The secrets of sessions are not
                         kept, but for digests, which are not in here.
activities.csv           What you did in the store. {activities}
orders.csv               Orders that you placed, that were placed for you, or that you worked on, and what you noted with them.
offers.csv               Offers that you made, asked for, saw or answered, and what you wrote with them.
event_registrations.csv  Events that you were registered for, and those that you registered others for.
events.csv               Events that you created.
acting_sessions.csv      When sales reps acted for you, or you acted for others.
invitations.csv          Invitations that you were sent, and those that you sent.
api_keys.csv             API keys that you made, or that act for you: what they are called, and never their text.
exports.csv              Files that you asked for, and archives about you that others asked for.
customers.csv            Customers that are allocated to you, if you are a sales rep.

Not in here: the audit, in which the store keeps for good who did what and when. It is kept by time and cannot be searched by
person. Payments and the history of a reseller's standing name who acted; they are the store's books. What is answered to a
request is kept for a day, so that a repetition is answered alike, and is not searched either. Lists of customers that the
store imported are kept for a week. The names, addresses and contacts of companies are what the store keeps about those
companies. Files are in UTF-8. An apostrophe before a cell keeps spreadsheets from running it.
"""
_ACCOUNT: Final = """Your password is kept as a
                         hash alone, from which nobody can tell it, and which is not in here."""
_NO_ACCOUNT: Final = """It is the same in all
                         of them: it is told to you alone, and this file was asked for by somebody else."""
_ALLOWED: Final = "You allow the store to keep it."
_NOT_ALLOWED: Final = "Nothing is added: the store does not track it, or you do not allow it (any more)."
_OWN: Final = """{allowed}
                         All that is still there is told to you. Where "shown" is "no", it is hidden from the store. By the
                         store's settings of today, what you did under a consent that you withdrew is erased {erased_after}
                         days after that, and whatever you did is deleted {kept_for} days after it was recorded. What was
                         withdrawn or recorded before the settings were changed goes by what they were then."""
_OTHERS_ALLOWED: Final = """You allow the store to keep it. What you did under
                         a consent that you withdrew is told to you alone, until it is erased."""
_OTHERS_NOT_ALLOWED: Final = """There is nothing that may be shown: the store
                         does not track it, or you do not allow it (any more). What is not erased yet is told to you alone."""


def write_archive(
    export: Export, store: Store, member: Member, file: IO[bytes], *, heartbeat: Callable[[], None] = lambda: None
) -> int:
    """Write everything that is held about a member into a file, as a ZIP archive; returns how many rows that are.

    `heartbeat` is called with every stretch that is read, also where nothing in it is about the member.
    """
    place = split_member_id(member.id)
    if place is None:
        raise ValueError("not a member's id")
    return _Archive(export, store, member, place, heartbeat).written_to(file)


@dataclass
class _Archive:
    """An archive that is being written, and how many rows there are so far."""

    export: Export
    store: Store
    member: Member
    place: MemberKey
    heartbeat: Callable[[], None]
    rows: int = field(default=0)

    def written_to(self, file: IO[bytes]) -> int:
        with zipfile.ZipFile(file, "w") as archive:
            self._put(archive, "README.txt", [self._readme().encode()])
            self._put_json(archive, "profile.json", self._profile())
            self._put_json(archive, "membership.json", self._membership())
            self._put_json(archive, "consents.json", [each.model_dump(mode="json") for each in self.member.consents])
            self._put_json(archive, "sessions.json", self._sessions())
            activities = self._activity_source()
            self._put_table(archive, "activities.csv", (*activities.columns, "shown"), self._activities(activities))
            for name, (columns, rows) in self._tables().items():
                self._put_table(archive, f"{name}.csv", columns, rows())
        return self.rows

    def _tables(self) -> dict[str, tuple[Sequence[str], Callable[[], Rows]]]:
        about = ("customer_number", "company", "part", "total", "currency")
        return {
            "orders": (
                (
                    *("order_number", "placed_at", "status", "source", *about, "items"),
                    *(*address_columns("billing"), *address_columns("shipping"), "your_notes", "order_id"),
                ),
                self._orders,
            ),
            "offers": (("offer_number", "created_at", "status", *about, "your_words", "offer_id"), self._offers),
            "event_registrations": (
                ("event", "starts_at", "whose", "name", "email", "phone", "state", "registered_at"),
                self._registrations,
            ),
            "events": (("event", "starts_at", "status", "created_at"), self._events),
            "acting_sessions": (
                ("started_at", "ended_at", "part", "company", "reason", "device", "address"),
                self._acting_sessions,
            ),
            "invitations": (
                ("created_at", "part", "kind", "name", "email", "state", "accepted_at", "revoked_at"),
                self._invitations,
            ),
            "api_keys": (("created_at", "part", "name", "begins_with", "scopes", "status"), self._api_keys),
            "exports": (("requested_at", "part", "kind", "status", "rows"), self._exports),
            "customers": (("customer_id",), self._customers),
        }

    def _put(self, archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> None:
        entry = zipfile.ZipInfo(name, date_time=_EVER)
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _READABLE
        # Whichever system it is written on.
        entry.create_system = 3
        with archive.open(entry, "w", force_zip64=True) as written:
            for piece in pieces:
                written.write(piece)

    def _put_json(self, archive: zipfile.ZipFile, name: str, told: Any) -> None:
        self.rows += len(told) if isinstance(told, list) else 1
        self._put(archive, name, [f"{json.dumps(told, indent=2, ensure_ascii=False)}\n".encode()])

    def _put_table(self, archive: zipfile.ZipFile, name: str, columns: Sequence[str], rows: Rows) -> None:
        self._put(archive, name, self._lines(columns, rows))

    def _lines(self, columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
        yield header_of(columns)
        for some in batched(rows, _AT_ONCE, strict=False):
            self.rows += len(some)
            yield lines_of(some)

    def _readme(self) -> str:
        title = f"What {self.store.display_name} holds about {self.member.name}"
        return _README.format(
            store=self.store.display_name,
            name=self.member.name,
            line="=" * len(title),
            at=stamp(self.export.requested_at),
            zone=self.export.time_zone,
            account=_ACCOUNT if self.export.is_own_archive else _NO_ACCOUNT,
            activities=self._about_activities(),
        )

    def _about_activities(self) -> str:
        kept = may_be_kept(self.store, self.member)
        if not self.export.is_own_archive:
            return _OTHERS_ALLOWED if kept else _OTHERS_NOT_ALLOWED
        return _OWN.format(
            allowed=_ALLOWED if kept else _NOT_ALLOWED,
            erased_after=self.store.activity_erasure_days,
            kept_for=self.store.activity_days,
        )

    def _profile(self) -> dict[str, Any]:
        # The account may come from another store, of which this one's owner need not know.
        own = self.export.is_own_archive
        account = Reader().find(account_key(self.place.person), Account) if own else None
        if account is None:
            return {"account": None}
        told = {"name": account.name, "email": account.email, "created_at": stamp(account.created_at)}
        return {"account": {**told, "password_changed_at": stamp(account.sessions_valid_from)}}

    def _membership(self) -> dict[str, Any]:
        shown = (
            *("id", "role", "name", "email", "phone", "customer_id", "employee_role", "access", "supervisor"),
            *("override_limits", "status", "landing", "joined_at", "readmitted_at", "erased_at", "suppressed"),
        )
        return self.member.model_dump(mode="json", include=set(shown))

    def _sessions(self) -> list[dict[str, Any]]:
        sessions = sorted(
            list_sessions_of_member(self.store.id, self.member.id), key=lambda each: (each.started_at, each.id), reverse=True
        )
        shown = {"device", "address", "started_at", "last_seen_at"}
        return [session.model_dump(mode="json", include=shown) for session in sessions]

    def _activity_source(self) -> ActivitySource:
        asked = {"kind": "activities", "filters": ActivityFilters(employee_id=self.member.id)}
        return ActivitySource(self.export.model_copy(update=asked), self.store, Scope(self.store.id, "store"))

    def _activities(self, source: ActivitySource) -> Rows:
        begin, end = stamp(self.export.begin), stamp(self.export.until)
        own = self.export.is_own_archive
        # All that is still there, also what is hidden by now: that is hidden from others.
        kept = read_between([partition_of_member(self.store.id, self.member.id)], None, begin, end)
        for some in batched(kept, _AT_ONCE, strict=False):
            self.heartbeat()
            yield from ((*row, "yes" if shown else "no") for row, shown in source.judged(some) if shown or own)

    def _orders(self) -> Rows:
        for record in self._read(orders_by_time(self.store.id, self.place.customer_id)):
            order = record.load(Order)
            part = self._part_in(order)
            if part is None and not self._names(record):
                continue
            about = order.customer_number, order.customer_name, part or "worked on by you"
            sums = in_units(order.total), order.total.currency, items_in_words(order)
            # Where others had it sent is theirs.
            own = part is not None and self.place.customer_id is not None
            addresses = [order.billing_address, order.shipping_address] if own else [None, None]
            places = [cell for address in addresses for cell in address_cells(address)]
            notes = self._own_words((step.actor, step.note) for step in order.history)
            placed = order.number, self._time(order.placed_at), order.status, order.source
            yield *placed, *about, *sums, *places, notes, order.id

    def _part_in(self, order: Order) -> str | None:
        """Tell what the member had to do with the placing of an order; None if nothing."""
        me = self.member.id
        if order.actor.id == me:
            return "ordered by you" if order.subject.id == me else "ordered by you for somebody else"
        return "ordered for you" if me in {order.subject.id, order.employee_id} else None

    def _own_words(self, said: Iterable[tuple[Party, str | None]]) -> str | None:
        """Return what the member itself wrote, of what was said by several."""
        return "; ".join(words for by, words in said if words and by.id == self.member.id) or None

    def _offers(self) -> Rows:
        for record in self._read(offers_near(self.place)):
            offer = record.load(Offer)
            # What is in the making is the store's alone, also where it names an employee as who asked for it.
            if not self._names(record) or (self.place.customer_id and offer.shown_content is None):
                continue
            status = told_to_customers(offer.status_at(self.export.requested_at))
            totals = totals_of(offer)
            total = (in_units(totals.total), totals.total.currency) if totals else (None, None)
            about = offer.customer_number, offer.customer_name, self._part_in_offer(offer), *total
            asked = [(each.actor, each.message) for each in (offer.request, offer.extension) if each]
            words = self._own_words([*asked, *((step.actor, step.note) for step in offer.history)])
            yield offer.number, self._time(offer.created_at), status, *about, words, offer.id

    def _part_in_offer(self, offer: Offer) -> str:
        if offer.owner and offer.owner.id == self.member.id:
            return "yours"
        asked = offer.request is not None and self.member.id in {offer.request.actor.id, offer.request.subject.id}
        return "asked for by you" if asked else "took part"

    def _registrations(self) -> Rows:
        own = participant_of(self.place.customer_id, self.place.person) if self.place.customer_id else None
        for event in self._all_events():
            for participant in self._participants(event):
                if participant.id != own and self.member.id not in {participant.actor.id, participant.subject.id}:
                    continue
                is_own = participant.id == own
                # What others are called is theirs.
                who = (participant.name, participant.email, participant.phone) if is_own else (None, None, None)
                times = self._time(event.starts_at), self._time(participant.registered_at)
                yield event.title, times[0], "yours" if is_own else "somebody else's", *who, participant.state, times[1]

    def _participants(self, event: Event) -> Iterator[Participant]:
        for some in batched(participants_of(self.store.id, event.id, self.place.customer_id), _AT_ONCE, strict=False):
            self.heartbeat()
            yield from (record.load(Participant) for record in some)

    def _events(self) -> Rows:
        for event in self._all_events():
            if event.created_by.id == self.member.id:
                yield event.title, self._time(event.starts_at), event.status, self._time(event.created_at)

    def _acting_sessions(self) -> Rows:
        for record in self._read(acting_near(self.place)):
            log = record.load(ActingSession)
            if self.member.id not in {log.actor.id, log.subject.id}:
                continue
            acted = log.actor.id == self.member.id
            # Where somebody else acted from is theirs.
            place = (log.device, log.address) if acted else (None, None)
            part = f"you acted for {log.subject.name}" if acted else f"{log.actor.name} acted for you"
            ended = log.ended_at or log.expires_at
            yield self._time(log.started_at), self._time(ended), part, log.customer_name, log.reason, *place

    def _invitations(self) -> Rows:
        for record in self._read(invitations_near(self.place)):
            invitation = record.load(Invitation)
            is_own = self.member.id in {invitation.member_id, invitation.accepted_by}
            if not is_own and invitation.created_by.id != self.member.id:
                continue
            who = (invitation.name, invitation.email) if is_own else (None, None)
            state = invitation.state_at(self.export.requested_at)
            ends = self._time(invitation.accepted_at), self._time(invitation.revoked_at)
            part = "sent to you" if is_own else "sent by you"
            yield self._time(invitation.created_at), part, invitation.kind, *who, state, *ends

    def _api_keys(self) -> Rows:
        keys = api_keys_near(self.place)
        for record in self._read(keys) if keys else ():
            key = record.load(ApiKey)
            if self.member.id not in {key.member_id, key.created_by.id}:
                continue
            part = "acts for you" if key.member_id == self.member.id else "made by you"
            status = key.status_at(self.export.requested_at)
            yield self._time(key.created_at), part, key.name, key.prefix, " ".join(key.scopes), status

    def _exports(self) -> Rows:
        for record in self._read(exports_of(self.store.id, self.member.id)):
            export = record.load(Export)
            yield self._time(export.requested_at), "asked for by you", export.kind, export.status, export.rows
        for record in self._read(exports_in(self.store.id)):
            export = record.load(Export)
            about = isinstance(export.filters, PersonFilters) and export.filters.member_id == self.member.id
            if about and export.member_id != self.member.id:
                yield self._time(export.requested_at), "about you", export.kind, export.status, export.rows

    def _customers(self) -> Rows:
        if self.place.customer_id is None:
            yield from ((customer_id,) for customer_id in sorted(allocated_ids(self.store.id, self.member.id)))

    def _all_events(self) -> Iterator[Event]:
        return (record.load(Event) for record in self._read(events_near(self.place)))

    def _read(self, listed: Listed) -> Iterator[Record]:
        for read in read_on(listed, None):
            self.heartbeat()
            yield from read.records

    def _names(self, record: Record) -> bool:
        return Traces.of(self.member.id).are_in(record.document())

    def _time(self, instant: Instant | None) -> Cell:
        return local_time(instant, self.export.time_zone) if instant else None
