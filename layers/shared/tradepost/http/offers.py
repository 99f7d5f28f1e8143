"""Making offers: what creating and editing one have in common, and how offers are shown."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from tradepost.domain.customers import Customer
from tradepost.domain.offer_contents import NewOfferLine, OfferContent, OfferLine, Terms, Totals
from tradepost.domain.offer_transitions import may_edit, moves_from
from tradepost.domain.offers import (
    Deeds,
    ExtensionRequest,
    NewOffer,
    Offer,
    OfferMove,
    OfferStatus,
    OfferStep,
    View,
    expiry_step,
    told_to_customers,
)
from tradepost.domain.outbox import TOLD_TO_CUSTOMERS, OfferMail, OfferNews
from tradepost.domain.overrides import Approval
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Email, Instant, Money
from tradepost.http.activities import Doing, note_look
from tradepost.http.app import Answer, Ask
from tradepost.http.callers import CallerInfo
from tradepost.table.customers import customer_key
from tradepost.table.offers import note_view
from tradepost.table.products import find_products, numbers_of, product_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options
from tradepost.table.transaction import Transaction

_TOLD_TO_BUYERS: dict[Deeds, Deeds] = {
    "requested": "requested",
    "sent": "sent",
    "approved": "sent",
    "accepted": "accepted",
    "declined": "declined",
    "withdrawn": "withdrawn",
    "extended": "extended",
    "extension_requested": "extension_requested",
    "viewed": "viewed",
    "expired": "expired",
}
"""What of an offer's steps the customer is told, and as what: how its prices came about is the store's business."""


Choice = Annotated[
    str | None, Query(max_length=2000, description="Ids of optional lines, with commas between them: what would they come to?")
]


class RequestAnswer(Answer):
    """What a customer asked for."""

    message: str | None
    lines: tuple[OfferLine, ...]
    actor: Party
    subject: Party
    at: Instant


class OfferAnswer(Answer):
    """An offer: to whoever works on it as it is, to the customer as it was sent last, or asked for.

    `totals` are those of the choice in `lines`, where `selected` says what is in it. Lists leave `lines` out (null) unless
    they are asked for. Customers are not told of `approval` and `mail_to`.
    """

    id: str
    number: str
    version: Annotated[int, Field(description="The number to accept it with.")]
    status: OfferStatus
    owner_id: str | None
    owner: Party | None
    customer_id: str
    customer_number: str
    customer_name: str
    request: RequestAnswer | None
    valid_until: date | None
    expires_at: Annotated[Instant | None, Field(description="The end of the last day; known once it was sent.")]
    lines: tuple[OfferLine, ...] | None
    line_count: int
    header_text: str | None
    footer_text: str | None
    message: str | None
    shipping_method_id: str | None
    shipping_method_name: str | None
    list_shipping_cost: Money
    shipping_cost: Money
    shipping_override_reason: str | None
    payment_method_id: str | None
    payment_method_name: str | None
    payment_kind: Literal["instant", "net_terms"] | None
    totals: Totals
    mail_to: tuple[Email, ...] | None
    mail_cc: tuple[Email, ...] | None
    approval: Approval | None
    extension: ExtensionRequest | None
    order_id: str | None
    sent_at: Instant | None
    created_at: Instant
    history: tuple[OfferStep, ...]
    allowed_transitions: Annotated[list[OfferMove], Field(description="The moves that are open to you now.")]
    editable: bool
    etag: str


def offer_answer(
    offer: Offer, caller: CallerInfo, *, optional_lines: list[str] | None = None, with_lines: bool = True
) -> OfferAnswer:
    """Show an offer to its caller, with a choice of its optional lines. Raises `InvalidError` for what cannot be chosen."""
    staff = Permission.PROCESS_OFFERS in caller.grants
    shown = offer.content if staff or offer.shown_content is None else offer.shown_content
    if offer.choice is None or optional_lines is not None:
        chosen = shown.chosen(optional_lines, "?optional_lines")
    else:
        chosen = offer.choice
    sent, status = offer.sent, offer.status_at(caller.at)
    is_as_sent = sent is not None and (not staff or sent.number == offer.number_of_version)
    lines = shown.lines_with(chosen)
    return OfferAnswer.model_validate(
        {
            **offer.model_dump(include={"id", "number", "customer_id", "customer_number", "customer_name", "order_id"}),
            **_said(shown),
            "version": sent.number if sent and not staff else offer.number_of_version,
            "status": status if staff else told_to_customers(status),
            "owner_id": offer.owner.id if offer.owner else None,
            "owner": offer.owner,
            "request": _request(offer),
            "valid_until": sent.valid_until if sent and is_as_sent else offer.valid_until if staff else None,
            "expires_at": sent.expires_at if sent and is_as_sent else None,
            "lines": lines if with_lines else None,
            "line_count": len(lines),
            "totals": shown.totals_with(chosen),
            "mail_to": offer.recipients.to if staff else None,
            "mail_cc": offer.recipients.cc if staff else None,
            "approval": offer.approval if staff else None,
            "extension": offer.extension,
            "sent_at": sent.sent_at if sent else None,
            "created_at": offer.created_at,
            "history": _history(offer, caller, staff=staff),
            "allowed_transitions": moves_from(offer, caller.actor, caller.grants, at=caller.at),
            "editable": may_edit(offer, caller.grants, at=caller.at),
            "etag": offer.etag,
        }
    )


def choice_in(optional_lines: str | None) -> list[str] | None:
    """Return the optional lines that a query names; None if it does not say."""
    return None if optional_lines is None else [line_id for line_id in optional_lines.split(",") if line_id]


def viewed(offer: Offer, caller: CallerInfo) -> Offer:
    """Note that somebody on the customer's side sees what was sent; returns the offer with the note."""
    if caller.customer is None or offer.sent is None:
        return offer
    view = View(at=caller.at, actor=caller.actor, subject=caller.party, number=offer.sent.number)
    return note_view(offer, view)


def opened(offer: Offer, caller: CallerInfo) -> Offer:
    """Note that somebody opens an offer, which is more than trying what a choice comes to; returns it with the note.

    It is activity on the customer's side alone: for the store's own people, offers are their work. Calls: one PutItem if
    that may be kept.
    """
    seen = viewed(offer, caller)
    if caller.customer:
        note_look(Doing("offer_viewed", offer.customer_id, "offer", offer.id, offer.number), caller)
    return seen


def new_offer_reads(ask: Ask) -> list[Key]:
    """Name what a new offer is made from; a body that is no offer needs nothing."""
    try:
        new = NewOffer.model_validate_json(ask.body)
    except ValueError:
        return []
    whom = [customer_key(ask.store, new.customer_id)] if new.customer_id and ask.customer is None else []
    return [*whom, *content_keys(ask.store, new.lines)]


def content_keys(store_id: str, lines: Iterable[NewOfferLine | OfferLine]) -> list[Key]:
    """Return where it is kept what an offer with some lines is composed from."""
    return [checkout_options_key(store_id), *product_keys(store_id, numbers_of(lines))]


def terms_of(caller: CallerInfo, customer: Customer, lines: Sequence[NewOfferLine | OfferLine]) -> Terms:
    """Return what an offer with some lines to a customer is composed from."""
    reader, store, numbers = caller.reader, caller.store, numbers_of(lines)
    reader.fetch(content_keys(store.id, lines))
    products, options = find_products(reader, store.id, numbers), find_checkout_options(reader, store.id)
    return Terms(store, customer, products, options)


def announce(tx: Transaction, offer: Offer, event: OfferNews) -> None:
    """Tell an offer's news by mail to whom they concern: the customer what the store did, its owner what the customer did."""
    about = OfferMail(store_id=offer.store_id, offer_id=offer.id, event=event, number=offer.number_of_version)
    if event in TOLD_TO_CUSTOMERS:
        if offer.recipients.to or offer.recipients.cc:
            tx.announce(about)
    else:
        tx.announce(about.model_copy(update={"member_id": offer.owner.id if offer.owner else None}))


def _said(content: OfferContent) -> dict[str, Any]:
    return content.model_dump(exclude={"lines", "price_tier_id"})


def _request(offer: Offer) -> dict[str, Any] | None:
    if offer.request is None:
        return None
    asked = offer.request
    return {**asked.model_dump(exclude={"content"}), "lines": asked.content.lines}


def _history(offer: Offer, caller: CallerInfo, *, staff: bool) -> list[OfferStep]:
    """Return what was done, seen and overtaken by time, in this order."""
    seen = [OfferStep(**view.model_dump(), event="viewed", from_status="open", to="open") for view in offer.views.values()]
    expiry = expiry_step(offer, caller.at)
    steps: list[OfferStep] = []
    for step in sorted([*offer.history, *([expiry] if expiry else []), *seen], key=lambda step: step.at):
        # A look leaves an offer in whatever state it is.
        there = {"from_status": steps[-1].to, "to": steps[-1].to} if step.event == "viewed" else {}
        steps.append(step.model_copy(update=there))
    if staff:
        return steps
    latest = offer.sent.number if offer.sent else 1
    return [_as_told(step, latest) for step in steps if _is_told(step)]


def _as_told(step: OfferStep, latest: int) -> OfferStep:
    """Return a step as customers are told of it, of no later version than the latest that they know.

    What was said when it was approved was not said to them.
    """
    told = {"event": _TOLD_TO_BUYERS[step.event], "to": told_to_customers(step.to), "number": min(step.number, latest)}
    before = step.from_status and told_to_customers(step.from_status)
    note = None if step.event == "approved" else step.note
    return step.model_copy(update={**told, "from_status": before, "note": note})


def _is_told(step: OfferStep) -> bool:
    # Sending what has to be approved first is not sending yet.
    in_work = step.to in {"draft", "awaiting_approval"} and step.event != "viewed"
    return step.event in _TOLD_TO_BUYERS and not in_work
