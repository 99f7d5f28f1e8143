"""GET /v1/sessions and DELETE /v1/sessions/{id}: where one is signed in, and signing out there."""

from typing import Annotated, Literal, NamedTuple

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.errors import ForbiddenError, NotFoundError
from tradepost.domain.ids import split_member_id
from tradepost.domain.people import Account, Member, Permission, Session, shortened_address
from tradepost.domain.values import Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.people import end_sessions, list_sessions_of_member, list_sessions_of_store, member_key, session_key
from tradepost.table.shapes import ACCOUNT, Key

app = make_app()


class SessionAnswer(Answer):
    """A signed-in device. `address` lacks its last part."""

    id: str
    member_id: str
    member_name: str
    current: bool
    acting: bool
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
    return [] if ended == "current" else [session_key(ask.store, *SessionId.parse(ended))]


@app.get("/v1/sessions", allow=Permission.OWN_PROFILE)
def list_sessions(
    caller: Caller,
    of: Annotated[Literal["me", "store"], Query(description="The owner may see the whole store's.")] = "me",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SessionAnswer]:
    """List live sessions: one's own, or for the owner the store's, newest first."""
    bound = ("sessions", caller.store.id, of, caller.member.id)
    after = read_cursor(cursor, *bound)
    if of == "store":
        if Permission.LIST_STORES_SESSIONS not in caller.grants:
            raise ForbiddenError("forbidden", "Only the owner and supervisors see the sessions of the store.")
        rows = list_sessions_of_store(caller.store.id, limit=limit, after=after)
        sessions = _live([row.load(Session) for row in rows.records], caller)
        return Page(items=sessions, next_cursor=make_cursor(rows.next_position, *bound))
    own = list_sessions_of_member(caller.store.id, caller.member.id)
    return Page(items=_live(sorted(own, key=lambda session: session.started_at, reverse=True), caller))


@app.delete("/v1/sessions/<session_id>", allow=Permission.OWN_PROFILE, precondition=False, reads=_named)
def end_session(session_id: str, caller: Caller) -> None:
    """End a session; `current` is the one of this request. The owner may end anybody's."""
    current = SessionId(caller.member.id, caller.session.id)
    ended = current if session_id == "current" else SessionId.parse(session_id)
    if ended.member_id != caller.member.id and Permission.LIST_STORES_SESSIONS not in caller.grants:
        raise NotFoundError("session")
    session = caller.match(caller.reader.get(session_key(caller.store.id, *ended), Session))
    tx = caller.transaction()
    end_sessions(tx, caller.store.id, [(session.member_id, session.id)])
    tx.audit("session:ended", session.member_id)
    tx.commit()


def _live(sessions: list[Session], caller: Caller) -> list[SessionAnswer]:
    """Show those that still stand for somebody: a new password or a lost place ends them without touching them.

    What has run out stays stored until the table's clean-up comes by. Other people's sessions take one more batch.
    """
    read, store_id = caller.reader, caller.store.id
    people = {session.member_id: split_member_id(session.member_id) for session in sessions}
    members = {member: member_key(member, store_id) for member in people}
    accounts = {member: ACCOUNT.key(person=place.person) for member, place in people.items() if place}
    read.fetch([*members.values(), *accounts.values()])
    shown = []
    for session in sessions:
        member = read.find(members[session.member_id], Member)
        account = read.find(accounts[session.member_id], Account)
        if member and account and session.is_live(account, member, at=caller.at):
            shown.append(_answer(session, caller))
    return shown


def _answer(session: Session, caller: Caller) -> SessionAnswer:
    return SessionAnswer.of(
        session,
        id=str(SessionId(session.member_id, session.id)),
        address=shortened_address(session.address),
        expires_at=session.expires_at,
        current=session.id == caller.session.id,
        acting=False,
    )


handler = app.handler
