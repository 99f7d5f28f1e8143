"""How an offer moves from one state to the next, who may move it, and what becomes of it by that.

No state is reached but through `TRANSITIONS`. What was sent is a version and never changes; an edit begins the next one.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from tradepost.domain.catalog import Product, number_key
from tradepost.domain.clock import day_of, end_of_day
from tradepost.domain.errors import ConflictError, Fault, ForbiddenError, InvalidError
from tradepost.domain.offer_contents import OfferContent
from tradepost.domain.offers import (
    Deeds,
    Extension,
    ExtensionRequest,
    Offer,
    OfferAcceptance,
    OfferMove,
    OfferStatus,
    OfferStep,
    Recipients,
    SentVersion,
    WishedExtension,
    told_to_customers,
    validity,
)
from tradepost.domain.orders import Deed
from tradepost.domain.outbox import OfferNews
from tradepost.domain.overrides import Approval, Excess
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import Store

MAX_STEPS: Final = 200
LARGEST_REVISED: Final = 190_000
"""In bytes, far below the 400 KB of an item: what is not revised any more can still be looked at, answered and withdrawn."""

type Step = OfferMove | Literal["edit", "expire"]


class Transition(NamedTuple):
    """Who may make a step, from which states, and to which it leads; without a target, it stays what it is.

    `by_buyer` are the states in which a buyer may make it; nobody makes what `needs` no permission: time does.
    """

    needs: Permission | None
    sources: frozenset[OfferStatus]
    targets: tuple[OfferStatus, ...]
    deed: Deeds
    by_buyer: frozenset[OfferStatus] = frozenset()


_MADE: Final[frozenset[OfferStatus]] = frozenset({"draft", "awaiting_approval", "open"})
_SENT: Final[frozenset[OfferStatus]] = frozenset({"open", "expired"})
_PROCESS, _APPROVE, _ANSWER = Permission.PROCESS_OFFERS, Permission.APPROVE_OFFERS, Permission.ANSWER_OFFERS

TRANSITIONS: Final[Mapping[Step, Transition]] = {
    "take": Transition(_PROCESS, frozenset({"requested"}), ("draft",), "taken"),
    "edit": Transition(_PROCESS, _MADE, ("draft",), "edited"),
    "send": Transition(_PROCESS, frozenset({"draft"}), ("open", "awaiting_approval"), "sent"),
    "approve": Transition(_APPROVE, frozenset({"awaiting_approval"}), ("open",), "approved"),
    "reject": Transition(_APPROVE, frozenset({"awaiting_approval"}), ("draft",), "rejected"),
    "accept": Transition(_ANSWER, frozenset(), ("accepted",), "accepted", frozenset({"open"})),
    "decline": Transition(_ANSWER, frozenset(), ("declined",), "declined", frozenset({"open"})),
    "withdraw": Transition(_PROCESS, _MADE, ("withdrawn",), "withdrawn", frozenset({"requested"})),
    "extend": Transition(_PROCESS, _SENT, ("open",), "extended"),
    "request-extension": Transition(_ANSWER, frozenset(), (), "extension_requested", _SENT),
    "expire": Transition(None, frozenset({"open"}), ("expired",), "expired"),
}
_NEWS: Final[Mapping[Deeds, OfferNews]] = {
    "accepted": "accepted",
    "declined": "declined",
    "extended": "extended",
    "extension_requested": "extension_requested",
}
_BY_TIME_OR_PATCH: Final = frozenset({"edit", "expire"})
_REPEATED: Final = frozenset({"edit", "send", "extend", "request-extension"})
"""What may be done over and over, and so has to end some time."""


def moves_from(offer: Offer, who: Party, grants: frozenset[Permission], *, at: datetime) -> list[OfferMove]:
    """Return the moves of an offer that are open to somebody now."""
    steps = (step for step in TRANSITIONS if step not in _BY_TIME_OR_PATCH)
    found = [step for step in steps if _is_open(step, offer, grants, at) and not _is_own(step, offer, who, grants)]
    return [step for step in found if step != "request-extension" or offer.extension is None]  # type: ignore[misc]  # edit and expire are left out


def may_edit(offer: Offer, grants: frozenset[Permission], *, at: datetime) -> bool:
    """Tell whether somebody may change what an offer says."""
    return _is_open("edit", offer, grants, at)


def stepped(
    offer: Offer,
    step: Step,
    *,
    grants: frozenset[Permission],
    by: Deed,
    to: OfferStatus | None = None,
    note: str | None = None,
    **change: Any,
) -> Offer:
    """Make a step, by which more may `change` of the offer; `to` says where it leads if there are several ways.

    Raises `ConflictError` if there is no such step from where it is, `ForbiddenError` for approving one's own prices.
    """
    status = offer.status_at(by.at)
    if not _is_open(step, offer, grants, by.at):
        raise _refused(offer, step, status, grants)
    if _is_own(step, offer, by.actor, grants):
        raise ForbiddenError("own_offer", "You priced this offer yourself: somebody else has to approve it.")
    transition = TRANSITIONS[step]
    target = to or next(iter(transition.targets), None)
    if target is not None and target not in transition.targets:
        raise LookupError(f"“{step}” does not lead to {target}")
    # What stays in its state stays as it is stored: whether it has expired follows from its last day alone.
    moved = offer.model_copy(update={**({"status": target} if target else {}), **change})
    number = moved.number_of_version
    target = target or status
    entry = OfferStep(**by._asdict(), event=transition.deed, from_status=status, to=target, number=number, note=note)
    moved = moved.model_copy(update={"history": (*offer.history, entry)})
    if step in _REPEATED and (len(offer.history) >= MAX_STEPS or len(moved.model_dump_json().encode()) > LARGEST_REVISED):
        raise ConflictError("too_many_changes", "This offer has been changed very often. Clone it to go on.")
    return moved


def _refused(offer: Offer, step: Step, status: OfferStatus, grants: frozenset[Permission]) -> ConflictError:
    status = told_to_customers(status) if Permission.ANSWER_OFFERS in grants else status
    if status == "accepted" and step == "accept":
        return ConflictError("already_accepted", "This offer has been accepted already.", order_id=offer.order_id)
    if status == "expired" and step == "accept":
        said = "This offer has expired. Ask for an extension."
        return ConflictError("offer_expired", said, offer_status=status)
    said = f"An offer that is {status.replace('_', ' ')} cannot be moved by “{step}”."
    return ConflictError("invalid_transition", said, offer_status=status)


def _is_open(step: Step, offer: Offer, grants: frozenset[Permission], at: datetime) -> bool:
    transition, status = TRANSITIONS[step], offer.status_at(at)
    if Permission.ANSWER_OFFERS in grants:
        return status in transition.by_buyer
    return transition.needs in grants and status in transition.sources


def _is_own(step: Step, offer: Offer, who: Party, grants: frozenset[Permission]) -> bool:
    """Tell whether somebody would approve its own prices, whom the limits hold for."""
    return step == "approve" and Permission.SET_ANY_PRICE not in grants and offer.was_priced_by(who)


def taken(offer: Offer, *, store: Store, grants: frozenset[Permission], by: Deed) -> Offer:
    """Let somebody take a customer's request on. Raises `ConflictError`, which says whose it is, if it is somebody's."""
    if offer.owner is not None:
        said = f"{offer.owner.name} has taken this request already."
        raise ConflictError("already_taken", said, owner_id=offer.owner.id, owner=offer.owner.model_dump())
    last = validity(None, None, store, by.at)
    return stepped(offer, "take", grants=grants, by=by, owner=by.actor, draft=offer.content, valid_until=last)


def edited(
    offer: Offer,
    content: OfferContent,
    *,
    valid_until: date | None,
    recipients: Recipients,
    grants: frozenset[Permission],
    by: Deed,
) -> Offer:
    """Change what an offer says. One that was sent becomes the draft of the next version; nothing changed is the same offer."""
    if not _is_open("edit", offer, grants, by.at):
        raise _refused(offer, "edit", offer.status_at(by.at), grants)
    if (content, valid_until, recipients) == (offer.content, offer.valid_until, offer.recipients):
        return offer
    was_sent = offer.sent is not None and offer.sent.number == offer.number_of_version
    return stepped(
        offer,
        "edit",
        grants=grants,
        by=by,
        draft=content,
        valid_until=valid_until,
        recipients=recipients,
        number_of_version=offer.number_of_version + was_sent,
        approval=None,
        extension=None,
    )


def sent(
    offer: Offer,
    step: Literal["send", "approve"],
    *,
    excess: tuple[Excess, ...] = (),
    store: Store,
    grants: frozenset[Permission],
    by: Deed,
    note: str | None = None,
) -> Offer:
    """Send an offer, or let it through; with prices that are too low it waits for approval instead.

    Raises `ConflictError` if its last day is over meanwhile, `InvalidError` if nobody could order it.
    """
    if not _is_open(step, offer, grants, by.at):
        raise _refused(offer, step, offer.status_at(by.at), grants)
    content, last = offer.content, offer.valid_until
    _must_be_orderable(content)
    if last is None or last < day_of(by.at, store.time_zone):
        raise ConflictError("validity_over", "The last day of this offer is over. Set another one.")
    if excess:
        return stepped(
            offer, step, to="awaiting_approval", grants=grants, by=by, note=note, approval=Approval(required_by=excess)
        )
    version = SentVersion(
        number=offer.number_of_version,
        content=content,
        valid_until=last,
        expires_at=end_of_day(last, store.time_zone),
        sent_at=by.at,
        sent_by=by.actor,
    )
    return stepped(
        offer,
        step,
        to="open",
        grants=grants,
        by=by,
        note=note,
        sent=version,
        draft=None,
        approval=None,
        first_sent_on=offer.first_sent_on or day_of(by.at, store.time_zone),
    )


def accepted(offer: Offer, wanted: OfferAcceptance, *, order_id: str, grants: frozenset[Permission], by: Deed) -> Offer:
    """Accept the version that was sent last, with a choice of its optional lines.

    Raises `ConflictError` for another version, or an offer that cannot be accepted any more, `InvalidError` for lines that
    cannot be chosen.
    """
    latest = offer.sent
    if not _is_open("accept", offer, grants, by.at) or latest is None:
        raise _refused(offer, "accept", offer.status_at(by.at), grants)
    _must_be_latest(wanted.version, latest)
    chosen = tuple(sorted(latest.content.chosen(wanted.optional_lines)))
    return stepped(offer, "accept", grants=grants, by=by, chosen=chosen, order_id=order_id)


def declined(offer: Offer, number: int, *, grants: frozenset[Permission], by: Deed, note: str | None = None) -> Offer:
    """Say no to the version that was sent last. Raises `ConflictError` for another one, or if that is not possible any more."""
    offer = stepped(offer, "decline", grants=grants, by=by, note=note)
    if offer.sent:
        _must_be_latest(number, offer.sent)
    return offer


def _must_be_latest(number: int, latest: SentVersion) -> None:
    if number > latest.number:
        raise InvalidError(Fault("/version", "is no version of this offer"), code="unknown_version")
    if number < latest.number:
        said = f"Version {latest.number} of this offer has replaced version {number}. Look at it, and decide anew."
        raise ConflictError("version_superseded", said, version=latest.number)


def refuse_unavailable(content: OfferContent, chosen: frozenset[str], products: Mapping[str, Product]) -> None:
    """Refuse to offer or order what the store does not sell any more. Raises `ConflictError`, which names it."""
    sold = (line.product_number or "" for line in content.sold_with(chosen))
    gone = [number for number in sold if not (found := products.get(number_key(number))) or not found.active]
    if gone:
        said = "Some of this is not to be had any more: it takes a choice, or another version of the offer, without it."
        raise ConflictError("product_unavailable", said, product_numbers=gone)


def extended(offer: Offer, wanted: Extension, *, store: Store, grants: frozenset[Permission], by: Deed) -> Offer:
    """Let an offer be valid for longer: as wanted, as it was asked for, or for as many days from today as the store says."""
    latest = offer.sent
    if not _is_open("extend", offer, grants, by.at) or latest is None:
        raise _refused(offer, "extend", offer.status_at(by.at), grants)
    wished = offer.extension.until if offer.extension else None
    still_to_come = wished if wished and wished >= day_of(by.at, store.time_zone) else None
    last = validity(wanted.valid_until or still_to_come, None, store, by.at)
    if last <= latest.valid_until:
        raise InvalidError(Fault("/valid_until", "is no later than the last day so far"), code="not_an_extension")
    longer = latest.model_copy(update={"valid_until": last, "expires_at": end_of_day(last, store.time_zone)})
    note = wanted.note or None
    return stepped(offer, "extend", grants=grants, by=by, note=note, sent=longer, valid_until=last, extension=None)


def extension_requested(
    offer: Offer, wished: WishedExtension, *, store: Store, grants: frozenset[Permission], by: Deed
) -> Offer:
    """Ask for an offer to be valid for longer. Raises `ConflictError` if that has been asked for already."""
    if offer.extension is not None and _is_open("request-extension", offer, grants, by.at):
        raise ConflictError("extension_requested_already", "An extension has been asked for already.")
    if wished.until is not None:
        validity(wished.until, None, store, by.at, pointer="/until")
        if offer.sent and wished.until <= offer.sent.valid_until:
            raise InvalidError(Fault("/until", "is no later than the last day so far"), code="not_an_extension")
    message = wished.message or None
    asked = ExtensionRequest(**by._asdict(), until=wished.until, message=message)
    return stepped(offer, "request-extension", grants=grants, by=by, note=message, extension=asked)


def news_of(before: Offer, after: Offer) -> OfferNews | None:
    """Return what a step of an offer is to be told by mail, if anything."""
    step = after.history[-1]
    if step.event in {"sent", "approved"}:
        return "sent" if after.status == "open" else None
    if step.event == "withdrawn":
        return "withdrawn" if before.sent else None
    return _NEWS.get(step.event)


def is_still_news(news: OfferNews, offer: Offer, number: int, *, at: datetime) -> bool:
    """Tell whether what is to be mailed of a version of an offer still concerns anybody."""
    match news:
        case "sent" | "extended":
            return offer.status_at(at) == "open" and offer.sent is not None and offer.sent.number == number
        case "requested":
            return offer.status == "requested"
        case "extension_requested":
            return offer.extension is not None
    return offer.status == news


def _must_be_orderable(content: OfferContent) -> None:
    """Refuse to send what nobody could order. Raises `InvalidError`."""
    faults = []
    if not content.products:
        faults.append(Fault("/lines", "offers no product"))
    if content.shipping_method_id is None:
        faults.append(Fault("/shipping_method_id", "is required: the store offered no way to ship when this was written"))
    if content.payment_method_id is None:
        faults.append(Fault("/payment_method_id", "is required: the store offered no way to pay when this was written"))
    if faults:
        raise InvalidError(*faults, code="offer_incomplete")
