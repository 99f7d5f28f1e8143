"""GET /v1/sessions and DELETE /v1/sessions/{id}: where one is signed in, and signing out there."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.errors import ForbiddenError, NotFoundError
from tradepost.domain.people import Permission, Session, shortened_address
from tradepost.domain.values import Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.people import end_sessions, list_sessions_of_member, list_sessions_of_store, session_key
from tradepost.table.shapes import Key

app = make_app()


class SessionAnswer(Answer):
    """A signed-in device. `address` lacks its last part; `id` ends the session, `of` names whose it is."""

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


def _named(ask: Ask) -> list[Key]:
    session = ask.path["session_id"]
    return [] if session == "current" else [session_key(ask.store, ask.query.get("member_id") or ask.member, session)]


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
        if not caller.is_owner:
            raise ForbiddenError("forbidden", "Only the owner sees the sessions of the store.")
        rows = list_sessions_of_store(caller.store.id, limit=limit, after=after)
        sessions, following = [row.load(Session) for row in rows.records], make_cursor(rows.next_position, *bound)
    else:
        sessions, following = list_sessions_of_member(caller.store.id, caller.member.id), None
    # What has run out stays stored until the table's clean-up comes by.
    live = [session for session in sessions if caller.at < session.expires_at]
    return Page(items=[_answer(session, caller) for session in live], next_cursor=following)


@app.delete("/v1/sessions/<session_id>", allow=Permission.OWN_PROFILE, precondition=False, reads=_named)
def end_session(
    session_id: str,
    caller: Caller,
    member_id: Annotated[str | None, Query(max_length=140, description="Whose session it is, if not one's own.")] = None,
) -> None:
    """End a session; `current` is the one of this request. The owner may end anybody's, naming the member."""
    if member_id not in {None, caller.member.id} and not caller.is_owner:
        raise NotFoundError("session")
    owner = member_id or caller.member.id
    ended = caller.session.id if session_id == "current" else session_id
    session = caller.match(caller.reader.get(session_key(caller.store.id, owner, ended), Session))
    tx = caller.transaction()
    end_sessions(tx, caller.store.id, [(session.member_id, session.id)])
    tx.audit("session:ended", session.member_id)
    tx.commit()


def _answer(session: Session, caller: Caller) -> SessionAnswer:
    shown = {**session.model_dump(), "address": shortened_address(session.address), "expires_at": session.expires_at}
    return SessionAnswer.model_validate(
        {**shown, "current": session.id == caller.session.id, "acting": False, "etag": session.etag}
    )


handler = app.handler
