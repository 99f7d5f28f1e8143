"""/i/{token}: the page behind an invitation's link, where the invited person joins the store, or reads why it cannot."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.display import countries, display_time
from tradepost.domain.errors import (
    ConflictError,
    DomainError,
    Fault,
    InvalidError,
    StaleError,
    ThrottledError,
    UnauthenticatedError,
)
from tradepost.http.app import ANYONE, Caller
from tradepost.http.callers import CallerInfo
from tradepost.http.invitation_links import (
    Offer,
    accept_offer_signed_out,
    offer_of,
    offer_reads,
    offer_to_accept,
    renew_offer,
    store_behind,
)
from tradepost.http.problems import status_of
from tradepost.pages.acceptance import acceptance_of, company_fields, person_fields
from tradepost.pages.app import described, make_page_app, retry_after
from tradepost.pages.forms import FORM, read_form, with_errors, words_by_field
from tradepost.pages.rendering import in_words, look_of, render_page


class DeadLink(NamedTuple):
    """What a dead link says. `{store}` stands for the store's name."""

    title: str
    text: str
    renewable: bool = False
    tone: str = "bad"


_ACCEPTED: Final = DeadLink(
    "This invitation has been accepted",
    "There is nothing left to do here. Log in to the portal of {store} with your e-mail address and your password.",
    tone="good",
)
_UNKNOWN: Final = DeadLink(
    "We do not know this link",
    "Perhaps a part of it was lost on the way. Open it from your mail again, or copy it whole, to its last letter.",
)
DEAD_LINKS: Final[Mapping[str, DeadLink]] = {
    "invitation_expired": DeadLink(
        "This invitation has expired",
        "That is soon mended: ask for a new link, and it goes to the address that {store} invited.",
        renewable=True,
    ),
    "invitation_replaced": DeadLink(
        "A newer link has replaced this one",
        "Please use the one in the latest mail from {store}. If you cannot find it, ask for it here: it is mailed once more.",
        renewable=True,
    ),
    "invitation_revoked": DeadLink(
        "This invitation was withdrawn",
        "{store} has withdrawn it, so the link leads nowhere any more. If you think that is a mistake, please tell {store}.",
    ),
    "invitation_used": _ACCEPTED,
    "already_accepted": _ACCEPTED,
    "store_inactive": DeadLink(
        "{store} is closed at the moment", "Your invitation is kept. Please come back to this link in a while."
    ),
}
BUYERS_STEPS: Final = ("the products, at your own prices", "your orders, and how far they are", "your company's addresses")
REPS_STEPS: Final = ("the customers that are entrusted to you", "their orders, and how far they are", "the products and prices")


def _dead_link(error: DomainError, caller: CallerInfo | None) -> Response[str]:
    """Say why a link leads nowhere, and what to do about it."""
    token = caller.facts.path_parameters.get("token", "") if caller else ""
    look = look_of(store_behind(token, caller)) if caller else look_of(None)
    words = DEAD_LINKS.get(error.code, _UNKNOWN)
    return render_page(
        "message.html",
        look,
        status=status_of(error),
        title=in_words(words.title, look),
        paragraphs=[in_words(words.text, look)],
        tone=words.tone,
        renewal=f"./{token}/renewal" if words.renewable else None,
        log_in=words is _ACCEPTED,
    )


app = make_page_app(_dead_link)


@app.get(
    "/i/<token>",
    allow=ANYONE,
    reads=offer_reads,
    **described(_200="The form", _404="An unknown link", _410="Why the link is dead", _503="The store is closed"),
)
def show_invitation_page(token: str, caller: Caller) -> Response[str]:
    """Show what an invitation offers, with a form to accept it. Opening it changes nothing, however often."""
    return _form_page(offer_of(token, caller), {})


@app.post(
    "/i/<token>",
    allow=ANYONE,
    status=201,
    idempotent=False,
    accepts=FORM,
    reads=offer_reads,
    **described(_201="Accepted", _409="Accepted already", _410="Why the link is dead", _422="The form, with what is wrong"),
)
def accept_invitation_by_form(token: str, caller: Caller) -> Response[str]:
    """Accept an invitation, once. What is wrong is said beside its field, and all that was typed is kept."""
    typed = read_form(caller.facts.body)
    offer = offer_to_accept(token, caller)
    try:
        accept_offer_signed_out(token, acceptance_of(offer, typed), caller)
    except InvalidError as error:
        return _form_page(offer, typed, error)
    except UnauthenticatedError:
        return _form_page(offer_of(token, caller), typed, InvalidError(Fault("/password", "is not the one of your account")))
    except ThrottledError as error:
        minutes = -(-error.retry_after // 60)
        wait = f"Too many tries with a wrong password. Wait {minutes} min, or replace the password where you log in."
        return _form_page(offer, typed, error, wait)
    except (ConflictError, StaleError) as error:
        if error.code == "already_accepted":
            raise
        changed = "Something was being changed at the same moment. Please check what it says now, and accept again."
        return _form_page(offer_of(token, caller), {}, error, changed)
    return _welcome_page(offer)


@app.post(
    "/i/<token>/renewal",
    allow=ANYONE,
    idempotent=False,
    accepts=FORM,
    reads=offer_reads,
    **described(_200="The same page, whatever becomes of it"),
)
def ask_for_new_link(token: str, caller: Caller) -> Response[str]:
    """Ask for a new link. It goes to the invited address and to no other."""
    renew_offer(token, caller)
    return render_page(
        "message.html",
        look_of(store_behind(token, caller)),
        title="Look into your mailbox",
        tone="good",
        paragraphs=[
            "If this invitation can be renewed, a new link is on its way to the invited address.",
            "It may take a few minutes. If you cannot find it, look among the unwanted mail too.",
        ],
    )


def _form_page(offer: Offer, typed: Mapping[str, str], error: DomainError | None = None, general: str = "") -> Response[str]:
    words = words_by_field(error) if isinstance(error, InvalidError) else {}
    return render_page(
        "accept.html",
        look_of(offer.store),
        status=status_of(error) if error else 200,
        headers=retry_after(error) if error else None,
        company=offer.buys_for,
        business=with_errors(company_fields(offer, typed), words),
        person=with_errors(person_fields(offer, typed), words),
        address_given=offer.address is not None,
        email=offer.invitation.email,
        account_exists=offer.account is not None,
        countries=countries(),
        expires_at=display_time(offer.invitation.expires_at, offer.store.time_zone),
        failed=error is not None,
        general=general,
    )


def _welcome_page(offer: Offer) -> Response[str]:
    look = look_of(offer.store)
    log_in = "You can now log in to the portal of {store} with {email} and your password."
    return render_page(
        "message.html",
        look,
        status=201,
        title=in_words("Welcome to {store}", look),
        tone="good",
        paragraphs=[in_words(log_in, look, email=offer.invitation.email), "What awaits you there:"],
        steps=BUYERS_STEPS if offer.buys_for else REPS_STEPS,
        log_in=True,
    )


handler = app.handler
