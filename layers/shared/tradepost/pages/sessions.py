"""Being logged in on a page: the session is in a cookie, and forms show that they are of the page and the session."""

import hmac
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from tradepost.aws.links import public_url
from tradepost.aws.secrets import signing_key
from tradepost.domain.errors import BadRequestError, UnauthenticatedError
from tradepost.domain.ids import fingerprint
from tradepost.domain.people import Session
from tradepost.domain.permissions import Permission
from tradepost.http.answers import SignedIn
from tradepost.http.callers import Ask, CallerInfo, Rule, identify
from tradepost.table.shapes import Key

_OWN_SITE = frozenset({"same-origin", "none"})


def visitor_of(
    caller: CallerInfo, store_id: str, allow: Permission, *, reads: Callable[[Ask], Iterable[Key]]
) -> CallerInfo | None:
    """Return who is logged in to a store, known as the API knows whoever sends the token; None if nobody is.

    Calls: one BatchGetItem.
    """
    pairs = (part.strip().partition("=") for part in caller.facts.headers.get("cookie", "").split(";"))
    token = {name: value for name, _, value in pairs}.get(_name(store_id))
    if not token:
        return None
    headers = {name: value for name, value in caller.facts.headers.items() if name == "user-agent"}
    facts = caller.facts._replace(headers={**headers, "authorization": f"Bearer {token}"})
    visitor = CallerInfo(facts, Rule(allow, reads=lambda ask: reads(ask) if ask.store == store_id else ()), caller.at)
    try:
        identify(visitor)
    except UnauthenticatedError:
        return None
    return visitor if visitor.store.id == store_id else None


def kept(signed_in: SignedIn, folder: str, caller: CallerInfo) -> Cookie:
    """Return the cookie that holds a session for the pages of one folder and for nothing else: the API knows no cookies."""
    lives = int((signed_in.expires_at - caller.at).total_seconds())
    return _cookie(signed_in.store.id, signed_in.token, folder, lives=lives)


def forgotten(store_id: str, folder: str) -> Cookie:
    """Return the cookie that ends the one of a session."""
    return _cookie(store_id, "", folder, lives=0)


def form_token(session: Session, page: str) -> str:
    """Return what a form on a page shows that we wrote it for this session, so that no other site can send it."""
    return fingerprint(signing_key(), "form", session.member_id, session.id, page)


def is_form_of(session: Session, page: str, token: str) -> bool:
    """Tell whether a form is one of ours, for this session and page."""
    return hmac.compare_digest(form_token(session, page).encode(), token.encode())


def refuse_other_sites(caller: CallerInfo) -> None:
    """Refuse what another site lets a browser send. Raises `BadRequestError`."""
    headers = caller.facts.headers
    site = headers.get("sec-fetch-site")
    if site not in _OWN_SITE if site else not _is_own_origin(headers.get("origin", ""), headers.get("host", "")):
        raise BadRequestError("foreign_form", "This form was sent from another site.")


def _is_own_origin(origin: str, host: str) -> bool:
    """Tell whether a form may be ours by what browsers say that are too old to say from which kind of site it comes."""
    # Under our own policy, which tells no referrer, our own forms are sent from "null" as well.
    return origin in {"", "null"} or origin.removeprefix("http://").removeprefix("https://") in {
        host,
        urlsplit(public_url()).netloc,
    }


def _name(store_id: str) -> str:
    return f"tradepost_{store_id}"


def _cookie(store_id: str, token: str, folder: str, *, lives: int) -> Cookie:
    address = urlsplit(public_url())
    secure, path = address.scheme != "http", f"{address.path}{folder}"
    return Cookie(_name(store_id), token, path=path, secure=secure, http_only=True, max_age=lives, same_site=SameSite.LAX_MODE)
