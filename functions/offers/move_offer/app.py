"""POST /v1/offers/{id}/{take|send|approve|reject|decline|withdraw|extend|request-extension}: move an offer on."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field

from tradepost.domain.offer_contents import relisted, too_low
from tradepost.domain.offer_transitions import extended, extension_requested, refuse_unavailable, sent, stepped, taken
from tradepost.domain.offers import Extension, Offer, WishedExtension
from tradepost.domain.orders import Deed
from tradepost.domain.overrides import limits_of
from tradepost.domain.permissions import Permission
from tradepost.domain.values import LongText, Value
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.offer_moves import Decide, move
from tradepost.http.offers import OfferAnswer, terms_of
from tradepost.table.customers import get_customer
from tradepost.table.offers import offer_keys
from tradepost.table.shapes import Key

app = make_app()


class OfferNote(Value):
    """What to note in the offer's history."""

    note: Annotated[LongText, Field(max_length=1000)] | None = None


Note = Annotated[OfferNote | None, Body()]


def _named(ask: Ask) -> list[Key]:
    return offer_keys(ask.store, ask.path["offer_id"])


@app.post("/v1/offers/<offer_id>/take", allow=Permission.PROCESS_OFFERS, reads=_named)
def take_offer(offer_id: str, caller: Caller) -> OfferAnswer:
    """Take a customer's request on, which makes it a draft of yours. Of several who do so at once, one does.

    The others are told who it was (409 `already_taken`, with `owner`), although it is no business of theirs from then on.
    """
    return move(offer_id, caller, _decided(caller, taken), known_to_all=True)


@app.post("/v1/offers/<offer_id>/send", allow=Permission.PROCESS_OFFERS, precondition=True, reads=_named)
def send_offer(offer_id: str, caller: Caller, note: Note = None) -> OfferAnswer:
    """Send a draft to the customer: it becomes a version that never changes. Prices beyond your limits wait for approval.

    What is not to be had any more is not offered (409 `product_unavailable`, with `product_numbers`).
    """

    def decide(offer: Offer, by: Deed) -> Offer:
        draft = _to_be_had(offer, caller)
        agreed = offer.sent.content if offer.sent else None
        excess = too_low(draft.content, limits_of(caller.member, caller.store), agreed)
        return sent(draft, "send", excess=excess, store=caller.store, grants=caller.grants, by=by, note=_words(note))

    return move(offer_id, caller, decide)


def _to_be_had(offer: Offer, caller: CallerInfo) -> Offer:
    """Return a draft beside today's list prices, which its own are held against. Raises `ConflictError` if some is gone."""
    if offer.draft is None:
        return offer
    customer = get_customer(caller.reader, caller.scope, offer.customer_id)
    terms = terms_of(caller, customer, offer.draft.lines)
    refuse_unavailable(offer.draft, offer.draft.optional, terms.products)
    return offer.model_copy(update={"draft": relisted(offer.draft, terms)})


@app.post("/v1/offers/<offer_id>/approve", allow=Permission.APPROVE_OFFERS, precondition=True, reads=_named)
def approve_offer(offer_id: str, caller: Caller, note: Note = None) -> OfferAnswer:
    """Let an offer through, and send it. Supervisors let through what others priced."""

    def decide(offer: Offer, by: Deed) -> Offer:
        draft = _to_be_had(offer, caller)
        return sent(draft, "approve", store=caller.store, grants=caller.grants, by=by, note=_words(note))

    return move(offer_id, caller, decide)


@app.post("/v1/offers/<offer_id>/reject", allow=Permission.APPROVE_OFFERS, precondition=True, reads=_named)
def reject_offer(offer_id: str, caller: Caller, note: Note = None) -> OfferAnswer:
    """Give an offer back that waits for approval, as a draft."""
    return move(offer_id, caller, _stepping(caller, "reject", note))


@app.post("/v1/offers/<offer_id>/decline", allow=Permission.ANSWER_OFFERS, precondition=True, reads=_named)
def decline_offer(offer_id: str, caller: Caller, note: Note = None) -> OfferAnswer:
    """Say no to an offer."""
    return move(offer_id, caller, _stepping(caller, "decline", note))


@app.post("/v1/offers/<offer_id>/withdraw", allow=Permission.WITHDRAW_OFFERS, precondition=True, reads=_named)
def withdraw_offer(offer_id: str, caller: Caller, note: Note = None) -> OfferAnswer:
    """Take an offer back that nobody has accepted; or, as the customer, a request that nobody has taken."""
    return move(offer_id, caller, _stepping(caller, "withdraw", note))


@app.post("/v1/offers/<offer_id>/extend", allow=Permission.PROCESS_OFFERS, precondition=True, reads=_named)
def extend_offer(offer_id: str, caller: Caller, wanted: Annotated[Extension | None, Body()] = None) -> OfferAnswer:
    """Let an offer be valid for longer, also one that has expired.

    Without `valid_until` it is the day that the customer asked for, or as many days from today as the store's offers have.
    """
    return move(offer_id, caller, _decided(caller, partial(extended, wanted=wanted or Extension())))


@app.post("/v1/offers/<offer_id>/request-extension", allow=Permission.ANSWER_OFFERS, precondition=True, reads=_named)
def request_extension(offer_id: str, caller: Caller, wished: Annotated[WishedExtension | None, Body()] = None) -> OfferAnswer:
    """Ask whoever made an offer to let it be valid for longer."""
    return move(offer_id, caller, _decided(caller, partial(extension_requested, wished=wished or WishedExtension())))


def _decided(caller: Caller, decision: Callable[..., Offer]) -> Decide:
    return lambda offer, by: decision(offer, store=caller.store, grants=caller.grants, by=by)


def _stepping(caller: Caller, step: Literal["reject", "decline", "withdraw"], note: OfferNote | None) -> Decide:
    return lambda offer, by: stepped(offer, step, grants=caller.grants, by=by, note=_words(note), approval=None)


def _words(note: OfferNote | None) -> str | None:
    return note.note or None if note else None


handler = app.handler
