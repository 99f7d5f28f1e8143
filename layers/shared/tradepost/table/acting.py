"""Acting sessions in the table: for good, as a log of the store and of each customer, newest first."""

from datetime import datetime
from typing import NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.acting import ActingSession
from tradepost.domain.clock import stamp
from tradepost.domain.ids import split_person
from tradepost.domain.people import ActingNote, Session
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, find_customer
from tradepost.table.listing import SIFTED, Position, list_index, sifted
from tradepost.table.people import member_key, session_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import ACCOUNT, ACTING_SESSION, Key
from tradepost.table.transaction import Transaction


def acting_key(store_id: str, acting_id: str) -> Key:
    """Return where an acting session is kept."""
    return ACTING_SESSION.key(store=store_id, id=acting_id)


def start_acting(tx: Transaction, acting: ActingSession, session: Session) -> None:
    """Write a new acting session, and note it with the session it is started in, provided that none was meanwhile."""
    names = {
        "store": acting.store_id,
        "customer": acting.customer_id,
        "started_at": stamp(acting.started_at),
        "id": acting.id,
    }
    index1, index2 = ACTING_SESSION.index1(**names), ACTING_SESSION.index2(**names)
    tx.save(Record.of(ACTING_SESSION.key(**names), acting, index1=index1, index2=index2))
    noted = Path("aside.acting.id")
    as_read = noted == session.acting.id if session.acting else noted.does_not_exist()
    note = Record.aside.set({"acting": acting.note.model_dump(mode="json")})
    key = session_key(acting.store_id, session.member_id, session.id)
    tx.update(key, [note], condition=Record.pk.exists() & as_read)


def end_acting(tx: Transaction, store_id: str, noted: ActingNote) -> None:
    """End an acting session that goes on. Whoever comes second gets a conflict."""
    ended = [Path("data.ended_at").set(stamp(tx.at)), Record.version.add(1)]
    tx.update(acting_key(store_id, noted.id), ended, condition=Path("data.ended_at").is_type("NULL"))
    tx.audit("acting_session:ended", noted.id, subject=noted.subject)


def forget_acting(tx: Transaction, acting: ActingSession) -> None:
    """Note with the session in which an acting session was started that it is over."""
    key = session_key(acting.store_id, acting.actor.id or "", acting.session_id)
    tx.update(key, [Record.aside.remove()], condition=Path("aside.acting.id") == acting.id)


class Ties(NamedTuple):
    """Where it is kept what an acting session hangs on."""

    session: Key
    account: Key
    actor: Key
    employee: Key
    customer: Key


def ties_of(acting: ActingSession) -> Ties:
    """Return where it is kept what an acting session hangs on."""
    store_id, actor = acting.store_id, acting.actor.id or ""
    return Ties(
        session_key(store_id, actor, acting.session_id),
        ACCOUNT.key(person=split_person(actor)),
        member_key(actor, store_id),
        member_key(acting.employee_id, store_id),
        customer_key(store_id, acting.customer_id),
    )


class Log(NamedTuple):
    """Which acting sessions a page of the log shows, as of when."""

    customer_id: str | None
    actor_id: str | None
    at: datetime


def list_acting_sessions(
    reader: Reader, scope: Scope, log: Log, *, limit: int, after: Position | None
) -> tuple[list[ActingSession], Position | None]:
    """Return a page of the acting sessions for the customers of a scope, newest first.

    Calls: one Query, and a BatchGetItem where some go on, for what they hang on, or the customers may be out of scope.
    """
    own = scope.own_customer_id
    if own and log.customer_id not in {None, own}:
        return [], None
    chosen = own or log.customer_id
    names = {"store": scope.store_id, "customer": chosen or "", "started_at": "", "id": ""}
    unsifted = scope.reach in {"store", "own"}
    rows = list_index(
        Record.gsi2 if chosen else Record.gsi1,
        (ACTING_SESSION.index2(**names) if chosen else ACTING_SESSION.index1(**names)).pk,
        limit=limit if unsifted else SIFTED,
        after=after,
        where=Path("data.actor.id") == log.actor_id if log.actor_id else None,
        newest_first=True,
    )
    found = [row.load(ActingSession) for row in rows.records]
    whose = [] if unsifted else [customer_key(scope.store_id, acting.customer_id) for acting in found]
    reader.fetch([*whose, *(key for acting in found if acting.is_live(log.at) for key in ties_of(acting))])
    if unsifted:
        return found, rows.next_position
    seen = [acting for acting in found if find_customer(reader, scope, acting.customer_id)]
    return sifted(rows, found, seen, limit=limit, gsi=2 if chosen else 1)
