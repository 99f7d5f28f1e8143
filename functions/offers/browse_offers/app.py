"""GET /v1/offers, /v1/offers/{id} and its versions, /v1/offer-transitions: offers, as far as one may know of them."""

import re
from dataclasses import astuple
from datetime import date
from typing import Annotated, Final, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.offer_contents import OfferLine, Totals
from tradepost.domain.offer_transitions import TRANSITIONS, Step
from tradepost.domain.offers import OfferStatus
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Day, Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.offers import Choice, OfferAnswer, choice_in, offer_answer, opened, viewed
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.offers import KeptVersion, Wanted, get_offer, list_offers, offer_keys, version_key
from tradepost.table.shapes import Key

app = make_app()

_NUMBER: Final = re.compile(r"[0-9]{1,6}")


class VersionAnswer(Answer):
    """A version of an offer as it was sent."""

    offer_id: str
    version: int
    lines: tuple[OfferLine, ...]
    header_text: str | None
    footer_text: str | None
    message: str | None
    totals: Annotated[Totals, Field(description="With the optional lines that are preselected.")]
    valid_until: date
    sent_at: Instant
    sent_by: Party


class TransitionAnswer(Answer):
    """A step that an offer can make: from which states, to which, and who makes it."""

    step: Step
    sources: Annotated[list[OfferStatus], Field(description="From which the store makes it.")]
    by_buyer: Annotated[list[OfferStatus], Field(description="From which the customer makes it.")]
    targets: Annotated[list[OfferStatus], Field(description="Without any, it stays in its state.")]
    needs: Annotated[str | None, Field(description="The permission it needs; null is made by time.")]


class Transitions(Answer):
    """All steps that offers can make."""

    items: list[TransitionAnswer]


def _named(ask: Ask) -> list[Key]:
    return offer_keys(ask.store, ask.path["offer_id"])


def _version(ask: Ask) -> list[Key]:
    number = _number(ask.path["number"])
    return [*_named(ask), *([] if number is None else [version_key(ask.store, ask.path["offer_id"], number)])]


def _number(text: str) -> int | None:
    """Return the number of a version, if it can be one."""
    return int(text) if _NUMBER.fullmatch(text) else None


@app.get("/v1/offer-transitions", allow=Permission.BROWSE_OFFERS)
def list_transitions(caller: Caller) -> Transitions:
    """List the steps that offers can make. What may be done with one at present is with it, as `allowed_transitions`."""
    items = [
        TransitionAnswer(
            step=step,
            sources=sorted(transition.sources),
            by_buyer=sorted(transition.by_buyer),
            targets=list(transition.targets),
            needs=transition.needs,
        )
        for step, transition in TRANSITIONS.items()
    ]
    return Transitions(items=items)


@app.get("/v1/offers", allow=Permission.BROWSE_OFFERS)
def list_offers_in_scope(  # one argument for each parameter of the query
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="Words of number, customer or products.")] = None,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    owner_id: Annotated[str | None, Query(max_length=120, description="Of whoever made or took them.")] = None,
    status: Annotated[OfferStatus | None, Query()] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    expand: Annotated[Literal["lines"] | None, Query(description="Show the lines of every offer too.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OfferAnswer]:
    """List offers, the newest first. A filtered page may hold fewer than `limit` and still have a next one.

    The owner and supervisors see all of them, other sales reps their own and requests that nobody has taken, buyers those
    that were sent to their company or that it asked for.
    """
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store, member = caller.store, caller.member
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = Wanted(caller.at, customer_id, owner_id, q, status, begin, end)
    who = (member.id, member.role, member.supervisor)
    bound = ("offers", store.id, *(None if each is None else str(each) for each in (*astuple(caller.scope), *who, *wanted[1:])))
    position = read_cursor(cursor, *bound)
    found, following = list_offers(caller.reader, caller.scope, member, wanted, limit=limit, after=position)
    items = [offer_answer(offer, caller, with_lines=expand == "lines") for offer in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/offers/<offer_id>", allow=Permission.BROWSE_OFFERS, reads=_named)
def show_offer(offer_id: str, caller: Caller, optional_lines: Choice = None) -> OfferAnswer:
    """Show an offer with its lines and its history; with `optional_lines`, what that choice would come to.

    That the customer has seen a version is noted with the offer, once for each person.
    """
    offer = get_offer(caller.reader, caller.scope, caller.member, offer_id)
    look = opened if optional_lines is None else viewed
    return offer_answer(look(offer, caller), caller, optional_lines=choice_in(optional_lines))


@app.get("/v1/offers/<offer_id>/versions/<number>", allow=Permission.BROWSE_OFFERS, reads=_version)
def show_version(offer_id: str, number: str, caller: Caller) -> VersionAnswer:
    """Show a version of an offer as it was sent."""
    offer = get_offer(caller.reader, caller.scope, caller.member, offer_id)
    wanted = _number(number)
    if wanted is None:
        raise NotFoundError("offer version")
    kept = caller.reader.get(version_key(caller.store.id, offer_id, wanted), KeptVersion)
    content = kept.content
    said = {name: getattr(content, name) for name in ("header_text", "footer_text", "message")}
    return VersionAnswer(
        offer_id=offer.id,
        version=kept.number,
        lines=content.lines_with(content.preselected),
        totals=content.totals_with(content.preselected),
        valid_until=kept.valid_until,
        sent_at=kept.sent_at,
        sent_by=kept.sent_by,
        **said,
    )


handler = app.handler
