"""/o/{link}: the page behind an offer's link. After log-in it shows the offer, which its customer can order there."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.shared.cookies import Cookie
from pydantic import ValidationError

from tradepost.domain.customers import Customer
from tradepost.domain.errors import (
    DomainError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
)
from tradepost.domain.ids import customer_of
from tradepost.domain.offer_transitions import declined, extension_requested
from tradepost.domain.offers import Offer, OfferAcceptance, WishedExtension
from tradepost.domain.orders import MAX_LINES, Deed
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import Store
from tradepost.http.answers import SignedIn
from tradepost.http.app import ANYONE, Ask, Caller
from tradepost.http.callers import CallerInfo
from tradepost.http.log_in import Credentials, log_in
from tradepost.http.offer_acceptance import accept, acceptance_keys
from tradepost.http.offer_moves import move
from tradepost.http.offers import offer_answer, opened, viewed
from tradepost.http.problems import status_of
from tradepost.pages.app import described, make_page_app, retry_after
from tradepost.pages.forms import FORM, Field, read_form
from tradepost.pages.offers import document_of
from tradepost.pages.rendering import in_words, look_of, render_page
from tradepost.pages.sessions import forgotten, form_token, is_form_of, kept, refuse_other_sites, visitor_of
from tradepost.table.customers import customer_key
from tradepost.table.offers import get_offer
from tradepost.table.people import end_sessions
from tradepost.table.shapes import Key
from tradepost.table.stores import store_key

_LINK: Final = re.compile(r"([a-z0-9-]{3,40})\.([0-9a-z.-]{1,80})")
_OFFER_ID: Final = re.compile(r"[0-9a-z]{26}\.[0-9a-z]{26}")
_FOLDER: Final = "/o/"
_OPTION: Final = "option-"
_SHEETS: Final = ("style.css", "offer.css")
_UNKNOWN: Final = ("We do not know this link", "Perhaps a part of it was lost on the way. Open it from your mail again.")
_WRONG: Final = "The e-mail address or the password is wrong."


class Link(NamedTuple):
    """An offer's link taken apart. There need not be such an offer."""

    store_id: str
    offer_id: str

    def __str__(self) -> str:
        """Spell the link."""
        return f"{self.store_id}.{self.offer_id}"


class Problem(NamedTuple):
    """Why something that was asked for on the page did not happen; `{product_numbers}` are filled in."""

    title: str
    text: str


_PROBLEMS: Final[Mapping[str, Problem]] = {
    "already_accepted": Problem("This offer has been accepted already", "It was ordered once, and not again."),
    "offer_expired": Problem("This offer has expired", "It cannot be ordered any more. Please ask for more time."),
    "version_superseded": Problem(
        "A newer version has replaced what you saw", "This is the newer one. Please look at it, and decide anew."
    ),
    "product_unavailable": Problem(
        "Some of this is not to be had any more: {product_numbers}",
        "Choose without it, or ask for another version of the offer.",
    ),
    "nothing_chosen": Problem("Nothing is chosen", "Tick what you would like to order."),
    "unknown_line": Problem("That is not part of this offer", "Please look at it, and choose anew."),
    "billing_address_required": Problem("Your company's address is missing", "Please tell the store, and order then."),
    "extension_requested_already": Problem("More time has been asked for already", "The store will tell you."),
    "invalid_transition": Problem("That is not possible any more", "Please look at what the offer says now."),
    "reseller_suspended": Problem("You cannot order at present", "Nothing was ordered. Please ask the store about it."),
    "form_unknown": Problem("This page had been open for too long", "Nothing was done. Please try once more."),
}
_BUSY: Final = Problem(
    "That could not be done just now", "Nothing was done. Please look at what the offer says, and try once more."
)


def _explained(error: DomainError, caller: CallerInfo | None) -> Response[str]:
    """Say why a link leads nowhere."""
    link = _parsed(caller.facts.path_parameters.get("link", "")) if caller else None
    look = look_of(caller.reader.find(store_key(link.store_id), Store)) if caller and link else look_of(None)
    title, text = _UNKNOWN
    if error.code == "store_inactive":
        title, text = "{store} is closed at the moment", "Your offer is kept. Please come back to this link in a while."
    shown = in_words(title, look), [in_words(text, look)]
    return render_page("message.html", look, status=status_of(error), title=shown[0], paragraphs=shown[1], tone="bad")


app = make_page_app(_explained)


def _parsed(text: str) -> Link | None:
    match = _LINK.fullmatch(text)
    return Link(match[1], match[2]) if match else None


def _store_of(ask: Ask) -> list[Key]:
    link = _parsed(ask.path["link"])
    return [store_key(link.store_id)] if link else []


@app.get(
    "/o/<link>",
    allow=ANYONE,
    reads=_store_of,
    **described(_200="The log-in, or the offer", _404="An unknown store, or no such offer", _503="The store is closed"),
)
def show_offer_page(link: str, caller: Caller) -> Response[str]:
    """Show an offer to whoever is logged in and may see it; to everybody else a log-in, whichever offer it is."""
    found, store = _followed(link, caller)
    visitor = _visitor(found, caller)
    return _page(found, store, visitor) if visitor else _log_in_page(store)


@app.post(
    "/o/<link>",
    allow=ANYONE,
    idempotent=False,
    accepts=FORM,
    reads=_store_of,
    **described(
        _200="What a choice comes to",
        _303="Done: see the page",
        _401="Wrong password",
        _404="An unknown store, or no such offer",
    ),
)
def answer_on_offer_page(link: str, caller: Caller) -> Response[str]:
    """Log in or out; try a choice of the optional lines, order it, decline the offer, or ask for more time."""
    found, store = _followed(link, caller)
    refuse_other_sites(caller)
    typed = read_form(caller.facts.body, most=MAX_LINES + 10)
    if typed.get("do") == "log-in":
        return _logged_in(found, store, typed, caller)
    visitor = _visitor(found, caller)
    if visitor is None:
        return _log_in_page(store)
    try:
        if not is_form_of(visitor.session, str(found), typed.get("form", "")):
            raise ForbiddenError("form_unknown", "This form is not of this session.")
        return _DEEDS.get(typed.get("do", ""), _page)(found, store, visitor, typed)
    except DomainError as error:
        return _told(found, store, caller, typed, error)


def _followed(text: str, caller: CallerInfo) -> tuple[Link, Store]:
    link = _parsed(text)
    if link is None:
        raise NotFoundError("page")
    store = caller.reader.get(store_key(link.store_id), Store)
    store.must_be_open()
    return link, store


def _visitor(link: Link, caller: CallerInfo) -> CallerInfo | None:
    keys = acceptance_keys(link.store_id, link.offer_id) if _OFFER_ID.fullmatch(link.offer_id) else []
    return visitor_of(caller, link.store_id, Permission.BROWSE_OFFERS, reads=lambda _: keys)


def _back(link: Link, *cookies: Cookie) -> Response[str]:
    """Lead to the page itself, so that loading it again sends nothing again."""
    headers: dict[str, str | list[str]] = {"Location": f"./{link}", "Referrer-Policy": "no-referrer"}
    return Response(HTTPStatus.SEE_OTHER, headers=headers, body="", cookies=list(cookies))


def _logged_in(link: Link, store: Store, typed: Mapping[str, str], caller: CallerInfo) -> Response[str]:
    try:
        signed_in = _session(link, typed, caller)
    except (ValidationError, UnauthenticatedError):
        return _log_in_page(store, typed.get("email", ""), _WRONG, HTTPStatus.UNAUTHORIZED)
    except ThrottledError as error:
        minutes = -(-error.retry_after // 60)
        wait = f"Too many tries with a wrong password. Wait {minutes} min, or replace the password where you log in."
        return _log_in_page(store, typed.get("email", ""), wait, HTTPStatus(status_of(error)), retry_after(error))
    return _back(link, kept(signed_in, _FOLDER, caller))


def _session(link: Link, typed: Mapping[str, str], caller: CallerInfo) -> SignedIn:
    credentials = Credentials(email=typed.get("email", ""), password=typed.get("password", ""), store=link.store_id)
    return log_in(credentials, caller, likely=customer_of(link.offer_id))


def _log_in_page(
    store: Store,
    email: str = "",
    general: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response[str]:
    fields = [
        Field("email", "E-mail address", email[:254], "email", autocomplete="username", max_length=254),
        Field("password", "Password", "", "password", autocomplete="current-password", max_length=1000),
    ]
    return render_page("log_in.html", look_of(store), status=status, headers=headers, fields=fields, general=general)


def _page(
    link: Link,
    store: Store,
    visitor: CallerInfo,
    typed: Mapping[str, str] = MappingProxyType({}),
    *,
    problem: Problem | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response[str]:
    """Show the offer as its reader may see it: to its customer with what can be done with it, and as it was ticked."""
    form = form_token(visitor.session, str(link))
    try:
        # Whoever sends the page's form has opened it before.
        offer = (viewed if typed else opened)(_offer(link, visitor), visitor)
    except NotFoundError as error:
        return render_page("no_offer.html", look_of(store), status=status_of(error), form=form)
    answer = offer_answer(offer, visitor)
    # Ticks are of the version in which they were made, and of no other.
    if "accept" in answer.allowed_transitions and _version(typed) == answer.version:
        known = {line.id for line in answer.lines or () if line.optional}
        answer = offer_answer(offer, visitor, optional_lines=[line_id for line_id in _ticked(typed) if line_id in known])
    customer = visitor.reader.get(customer_key(store.id, offer.customer_id), Customer)
    return render_page(
        "offer.html",
        look_of(store),
        status=status,
        sheets=_SHEETS,
        doc=document_of(answer, store, customer, for_customer=visitor.customer is not None),
        answering="accept" in answer.allowed_transitions,
        may_ask="request-extension" in answer.allowed_transitions,
        has_asked=answer.extension is not None and answer.status in {"open", "expired"},
        problem=problem,
        form=form,
    )


def _offer(link: Link, visitor: CallerInfo) -> Offer:
    if not _OFFER_ID.fullmatch(link.offer_id):
        raise NotFoundError("offer")
    return get_offer(visitor.reader, visitor.scope, visitor.member, link.offer_id)


def _told(link: Link, store: Store, caller: CallerInfo, typed: Mapping[str, str], error: DomainError) -> Response[str]:
    """Say why something was not done, above the offer as it is now."""
    visitor = _visitor(link, caller)
    if visitor is None:
        return _log_in_page(store)
    problem = _PROBLEMS.get(error.code, _BUSY)
    numbers = error.extra.get("product_numbers", ())
    title = problem.title.format(product_numbers=", ".join(map(str, numbers if isinstance(numbers, list) else ())))
    return _page(link, store, visitor, typed, problem=problem._replace(title=title), status=HTTPStatus(status_of(error)))


def _ticked(typed: Mapping[str, str]) -> list[str]:
    return [name.removeprefix(_OPTION) for name in typed if name.startswith(_OPTION)]


def _ordered(link: Link, store: Store, visitor: CallerInfo, typed: Mapping[str, str]) -> Response[str]:
    del store
    _may_answer(link, visitor)
    try:
        wanted = OfferAcceptance(version=_version(typed), optional_lines=tuple(_ticked(typed)))
    except ValidationError:
        raise InvalidError(code="unknown_line") from None
    accept(link.offer_id, wanted, visitor)
    return _back(link)


def _declined(link: Link, store: Store, visitor: CallerInfo, typed: Mapping[str, str]) -> Response[str]:
    del store
    _may_answer(link, visitor)
    version = _version(typed)

    def decide(offer: Offer, by: Deed) -> Offer:
        return declined(offer, version, grants=visitor.grants, by=by)

    move(link.offer_id, visitor, decide)
    return _back(link)


def _asked_for_more_time(link: Link, store: Store, visitor: CallerInfo, typed: Mapping[str, str]) -> Response[str]:
    del typed
    _may_answer(link, visitor)

    def decide(offer: Offer, by: Deed) -> Offer:
        return extension_requested(offer, WishedExtension(), store=store, grants=visitor.grants, by=by)

    move(link.offer_id, visitor, decide)
    return _back(link)


def _logged_out(link: Link, store: Store, visitor: CallerInfo, typed: Mapping[str, str]) -> Response[str]:
    del typed
    tx = visitor.transaction()
    end_sessions(tx, store.id, [(visitor.session.member_id, visitor.session.id)])
    tx.audit("session:ended", visitor.member.id, sessions=1)
    tx.commit()
    return _back(link, forgotten(link.store_id, _FOLDER))


def _may_answer(link: Link, visitor: CallerInfo) -> None:
    """Refuse who only looks: what the API asks of its callers before it decides."""
    _offer(link, visitor)
    if Permission.ANSWER_OFFERS not in visitor.grants:
        raise ForbiddenError("forbidden", "Your role does not include this.")


def _version(typed: Mapping[str, str]) -> int:
    version = typed.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 10 else 0  # noqa: PLR2004  # no offer has that many


_DEEDS: Final[Mapping[str, Callable[[Link, Store, CallerInfo, Mapping[str, str]], Response[str]]]] = {
    "order": _ordered,
    "decline": _declined,
    "more-time": _asked_for_more_time,
    "log-out": _logged_out,
}

handler = app.handler
