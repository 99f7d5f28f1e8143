"""/v1/sessions: where one is signed in, or who is in the store, and ending that: one session, or all."""

from collections.abc import Iterable
from itertools import batched
from typing import Annotated, Final, Literal, NamedTuple

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ForbiddenError, NotFoundError
from tradepost.domain.ids import split_member_id
from tradepost.domain.people import Account, Member, Party, Session, shortened_address
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.values import Instant
from tradepost.http.activities import note_ends_of_acting
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.acting import end_acting
from tradepost.table.customers import customer_key
from tradepost.table.listing import Position
from tradepost.table.people import end_sessions, list_sessions_of_member, list_sessions_of_store, member_key, session_key
from tradepost.table.shapes import ACCOUNT, Key

app = make_app()

ENDED_AT_ONCE: Final = 24
"""How many sessions one transaction ends, with what is acted in each."""

type MemberId = Annotated[str | None, Query(max_length=120, description="Of one member, for the owner and supervisors.")]


class SessionAnswer(Answer):
    """A signed-in device. `address` lacks its last part; `acting_as` is for whom somebody acts in it at present."""

    id: str
    member_id: str
    member_name: str
    current: bool
    acting: bool
    acting_as: Party | None
    device: str
    address: str
    started_at: Instant
    last_seen_at: Instant
    expires_at: Instant
    etag: str


class SessionId(NamedTuple):
    """A session's id as clients see it: it says whose session it is, so that it is found by its id alone."""

    member_id: str
    session: str

    @classmethod
    def parse(cls, text: str) -> "SessionId":
        """Take an id apart; one that is none of ours leads to no session."""
        member_id, _, session = text.rpartition(".")
        return cls(member_id, session)

    def __str__(self) -> str:
        """Spell the id."""
        return f"{self.member_id}.{self.session}"


def _named(ask: Ask) -> list[Key]:
    ended = ask.path["session_id"]
    if ended == "current":
        return []
    session = SessionId.parse(ended)
    return [session_key(ask.store, *session), member_key(session.member_id, ask.store)]


def _whose(ask: Ask) -> list[Key]:
    return [member_key(ask.query["member_id"], ask.store)] if "member_id" in ask.query else []


@app.get("/v1/sessions", allow=Permission.OWN_PROFILE)
def list_sessions(
    caller: Caller,
    of: Annotated[Literal["me", "store"], Query(description="The owner and supervisors may see the whole store's.")] = "me",
    member_id: MemberId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SessionAnswer]:
    """List live sessions, newest first: one's own, or for the owner and supervisors the store's or another member's."""
    whose = member_id or (None if of == "store" else caller.member.id)
    if whose != caller.member.id and Permission.LIST_STORES_SESSIONS not in caller.grants:
        raise ForbiddenError("forbidden", "Only the owner and supervisors see the sessions of the store.")
    bound = ("sessions", caller.store.id, whose, caller.member.id)
    after = read_cursor(cursor, *bound)
    if whose is None:
        rows = list_sessions_of_store(caller.store.id, limit=limit, after=after)
        shown, following = _live([row.load(Session) for row in rows.records], caller), rows.next_position
    else:
        shown, following = _page(_live(list_sessions_of_member(caller.store.id, whose), caller), limit, after)
    return Page(items=[_answer(session, caller) for session in shown], next_cursor=make_cursor(following, *bound))


@app.delete("/v1/sessions/<session_id>", allow=Permission.OWN_PROFILE, precondition=False, reads=_named)
def end_session(session_id: str, caller: Caller) -> None:
    """End a session; `current` is the one of this request. The owner may end anybody's, supervisors all but the owner's."""
    current = SessionId(caller.member.id, caller.session.id)
    ended = current if session_id == "current" else SessionId.parse(session_id)
    if not _may_end(ended.member_id, caller):
        raise NotFoundError("session")
    session = caller.match(caller.reader.get(session_key(caller.store.id, *ended), Session))
    _end([session], session.member_id, caller)


@app.delete("/v1/sessions", allow=Permission.OWN_PROFILE, precondition=False, reads=_whose)
def end_all_sessions(caller: Caller, member_id: MemberId = None) -> None:
    """End all sessions of oneself but the present one; with `member_id` those of another member, as one may end each."""
    whose = member_id or caller.member.id
    if not _may_end(whose, caller):
        raise NotFoundError("member")
    sessions = list_sessions_of_member(caller.store.id, whose)
    for part in batched((each for each in sessions if each.id != caller.session.id), ENDED_AT_ONCE, strict=False):
        _end(part, whose, caller)


def _may_end(member_id: str, caller: Caller) -> bool:
    if member_id == caller.member.id:
        return True
    member = caller.reader.find(member_key(member_id, caller.store.id), Member)
    if member is None or Permission.LIST_STORES_SESSIONS not in caller.grants:
        return False
    return caller.is_owner or member.role is not Role.OWNER


def _end(sessions: Iterable[Session], member_id: str, caller: Caller) -> None:
    """End sessions of one member, and with them what is acted there."""
    ended, tx = list(sessions), caller.transaction()
    end_sessions(tx, caller.store.id, [(session.member_id, session.id) for session in ended])
    ended_with_them = [acting for session in ended if (acting := session.acting_at(caller.at))]
    for acting in ended_with_them:
        end_acting(tx, caller.store.id, acting)
    note_ends_of_acting(tx, ended_with_them, caller)
    tx.audit("session:ended", member_id, sessions=len(ended))
    tx.commit()


def _live(sessions: list[Session], caller: Caller) -> list[Session]:
    """Return those that still stand for somebody: a new password or a lost place ends them without touching them.

    What has run out stays stored until the table's clean-up comes by. Other people's sessions take one more batch.
    """
    places = {session.member_id: _place(session.member_id, caller.store.id) for session in sessions}
    caller.reader.fetch(key for place in places.values() for key in place if key)
    return [session for session in sessions if _stands(session, places[session.member_id], caller)]


class _Place(NamedTuple):
    """Where it is kept what a member's sessions hang on."""

    member: Key
    account: Key
    customer: Key | None


def _place(member_id: str, store_id: str) -> _Place:
    place = split_member_id(member_id)
    if place is None:
        raise ValueError("not a member's id")
    customer = customer_key(store_id, place.customer_id) if place.customer_id else None
    return _Place(member_key(member_id, store_id), ACCOUNT.key(person=place.person), customer)


def _stands(session: Session, place: _Place, caller: Caller) -> bool:
    read = caller.reader
    member, account = read.find(place.member, Member), read.find(place.account, Account)
    customer = read.find(place.customer, Customer) if place.customer else None
    if member is None or account is None or (place.customer and (customer is None or not customer.active)):
        return False
    return session.is_live(account, member, at=caller.at)


def _page(sessions: list[Session], limit: int, after: Position | None) -> tuple[list[Session], Position | None]:
    """Return a page of one member's sessions, which are kept in no order."""
    newest = sorted(sessions, key=_started, reverse=True)
    rest = [session for session in newest if after is None or _started(session) < after["started"]]
    return rest[:limit], ({"started": _started(rest[limit - 1])} if len(rest) > limit else None)


def _started(session: Session) -> str:
    return f"{stamp(session.started_at)}#{session.id}"


def _answer(session: Session, caller: Caller) -> SessionAnswer:
    acting = session.acting_at(caller.at)
    return SessionAnswer.of(
        session,
        id=str(SessionId(session.member_id, session.id)),
        address=shortened_address(session.address),
        expires_at=session.expires_at,
        current=session.id == caller.session.id,
        acting=acting is not None,
        acting_as=acting.subject if acting else None,
    )


handler = app.handler
