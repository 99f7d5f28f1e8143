"""/e/{token}: the page behind an enrolment's link, where a company confirms it, or reads how far it is."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.customers import ResellerStatus
from tradepost.domain.display import address_lines, display_time
from tradepost.domain.errors import ConflictError, DomainError, StaleError
from tradepost.domain.resellers import Application
from tradepost.http.app import ANYONE, Caller
from tradepost.http.callers import CallerInfo
from tradepost.http.enrolment_links import (
    Confirmation,
    confirm_enrolment,
    confirmation_of,
    confirmation_reads,
    store_behind_enrolment,
)
from tradepost.http.problems import status_of
from tradepost.pages.app import described, make_page_app
from tradepost.pages.forms import FORM
from tradepost.pages.rendering import in_words, look_of, render_page


class State(NamedTuple):
    """How far an enrolment is, or why its link leads nowhere. `{store}` stands for the store's name."""

    title: str
    text: str
    tone: str = "good"
    log_in: bool = False
    enrol: bool = False


_WAITING: Final = State(
    "Your enrolment is confirmed",
    "There is nothing left to do here. {store} looks at it, and you get a mail as soon as it is decided.",
)
_APPROVED: Final = State(
    "Your enrolment is approved",
    "There is nothing left to do here. Log in to the portal of {store} with your e-mail address and your password.",
    log_in=True,
)
_DENIED: Final = State(
    "Your enrolment was not approved",
    "{store} has looked at it and could not approve it. If something was missing, you can enrol again.",
    tone="bad",
    enrol=True,
)
_SUSPENDED: Final = State(
    "You are a reseller already",
    "{store} has suspended your orders at present. Please get in touch with {store}.",
    tone="bad",
)
STATES: Final[Mapping[ResellerStatus, State]] = {
    "pending": _WAITING,
    "approved": _APPROVED,
    "active": _APPROVED,
    "denied": _DENIED,
    "suspended": _SUSPENDED,
}
_UNKNOWN: Final = State(
    "We do not know this link",
    "Perhaps a part of it was lost on the way. Open it from your mail again, or copy it whole, to its last letter.",
    tone="bad",
)
DEAD_LINKS: Final[Mapping[str, State]] = {
    "enrolment_expired": State(
        "This link has expired",
        "An enrolment has to be confirmed within a week. That is soon mended: enrol again with {store}.",
        tone="bad",
        enrol=True,
    ),
    "store_inactive": State(
        "{store} is closed at the moment", "Your enrolment is kept. Please come back to this link in a while.", tone="bad"
    ),
}


def _dead_link(error: DomainError, caller: CallerInfo | None) -> Response[str]:
    """Say why a link leads nowhere, and what to do about it."""
    token = caller.facts.path_parameters.get("token", "") if caller else ""
    store = store_behind_enrolment(token, caller) if caller else None
    words = DEAD_LINKS.get(error.code, _UNKNOWN)
    look = look_of(store)
    return render_page(
        "message.html",
        look,
        status=status_of(error),
        title=in_words(words.title, look),
        paragraphs=[in_words(words.text, look)],
        tone=words.tone,
        enrol=f"../enrol/{store.slug}" if store and words.enrol else None,
    )


app = make_page_app(_dead_link)


@app.get(
    "/e/<token>",
    allow=ANYONE,
    reads=confirmation_reads,
    **described(_200="What was entered, or how far it is", _404="An unknown link", _410="It has expired", _503="It is closed"),
)
def show_confirmation_page(token: str, caller: Caller) -> Response[str]:
    """Show what was entered, with a button to confirm it. Opening it changes nothing, however often."""
    found = confirmation_of(token, caller)
    return _state_page(found) if found.enrolment.confirmed_at else _button_page(found)


@app.post(
    "/e/<token>",
    allow=ANYONE,
    idempotent=False,
    accepts=FORM,
    reads=confirmation_reads,
    **described(_200="How far it is", _404="An unknown link", _410="It has expired", _503="The store is closed"),
)
def confirm_enrolment_by_form(token: str, caller: Caller) -> Response[str]:
    """Confirm an enrolment, once. A repetition changes nothing and says how far it is."""
    try:
        return _state_page(confirm_enrolment(token, caller))
    except (ConflictError, StaleError) as error:
        return _button_page(confirmation_of(token, caller), error)


def _button_page(found: Confirmation, error: DomainError | None = None) -> Response[str]:
    return render_page(
        "confirm_enrolment.html",
        look_of(found.store),
        status=status_of(error) if error else 200,
        facts=_facts(found.enrolment.application),
        account_exists=found.account is not None,
        expires_at=display_time(found.enrolment.expires_at, found.store.time_zone),
        general="Something was being changed at the same moment. Please confirm once more." if error else "",
    )


def _facts(application: Application) -> list[tuple[str, list[str]]]:
    """Return what a company said of itself, by what each is called, line by line."""
    contact = application.contact
    facts = {
        "Company": [application.company],
        "Address": address_lines(application.address),
        "Tax number": [application.tax_id or ""],
        "Name": [contact.name],
        "E-mail address": [contact.email],
        **{question: answer.splitlines() for question, answer in application.answers.items()},
    }
    return [(name, lines) for name, lines in facts.items() if any(lines)]


def _state_page(found: Confirmation) -> Response[str]:
    look = look_of(found.store)
    words = STATES.get(found.reseller.status, _WAITING) if found.reseller else _WAITING
    return render_page(
        "message.html",
        look,
        title=in_words(words.title, look),
        paragraphs=[in_words(words.text, look)],
        tone=words.tone,
        log_in=words.log_in,
        enrol=f"../enrol/{found.store.slug}" if words.enrol else None,
    )


handler = app.handler
