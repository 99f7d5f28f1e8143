"""POST /v1/offers and /v1/offers/{id}/clone: make an offer to a customer, or ask for one as a customer."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, Fault, InvalidError, NotFoundError
from tradepost.domain.ids import new_id_for
from tradepost.domain.offer_contents import cloned, composed
from tradepost.domain.offers import NewOffer, Offer, Place, Recipients, asked_for, made, refuse_sellers_fields, validity
from tradepost.domain.outbox import OfferMail
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Value
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.numbers import under_free_number
from tradepost.http.offers import OfferAnswer, content_keys, new_offer_reads, offer_answer, terms_of
from tradepost.http.orders import deed
from tradepost.table.customers import customer_key, get_customer
from tradepost.table.offers import add_offer, get_offer, offer_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key

app = make_app()

type Build = Callable[..., Offer]
"""Makes an offer of where it belongs, `by` whoever does so."""


class CloneWish(Value):
    """Whom a copy of an offer is for; by default, the same customer."""

    customer_id: Annotated[str, Field(max_length=60)] | None = None


def _named(ask: Ask) -> list[Key]:
    return [*offer_keys(ask.store, ask.path["offer_id"]), checkout_options_key(ask.store)]


@app.post("/v1/offers", allow=Permission.CREATE_OFFERS, status=201, reads=new_offer_reads)
def create_offer(new: NewOffer, caller: Caller) -> OfferAnswer:
    """Make an offer to a customer, as a draft; or ask for one, as a customer.

    A buyer says which products, how many, and what else there is to say. Everybody its company is allocated to is told,
    and whoever takes the request first goes on with it.
    """
    if caller.customer is not None:
        return _asked_for(new, caller, caller.customer)
    if new.customer_id is None:
        raise InvalidError(Fault("/customer_id", "is required: say whom the offer is for"))
    customer = get_customer(caller.reader, caller.scope, new.customer_id)
    customer.must_be_active()
    content = composed(new, None, terms_of(caller, customer, new.lines))
    last = validity(new.valid_until, new.valid_days, caller.store, caller.at)
    recipients = new.recipients(Recipients.of(customer))
    return _written(caller, customer, partial(made, content, valid_until=last, recipients=recipients))


def _asked_for(new: NewOffer, caller: Caller, customer: Customer) -> OfferAnswer:
    if new.customer_id not in {None, customer.id}:
        raise NotFoundError("customer")
    refuse_sellers_fields(new)
    content = composed(new, None, terms_of(caller, customer, new.lines))
    if not content.products:
        raise InvalidError(Fault("/lines", "names no product"), code="no_product")
    return _written(caller, customer, partial(asked_for, content, asker=caller.member))


@app.post("/v1/offers/<offer_id>/clone", allow=Permission.PROCESS_OFFERS, status=201, reads=_named)
def clone_offer(offer_id: str, caller: Caller, wish: Annotated[CloneWish | None, Body()] = None) -> OfferAnswer:
    """Make a new draft of what an offer says, whatever became of it, for the same customer or another.

    Products cost what they are listed at today unless another price was given. What is not to be had any more is left as a
    line of text.
    """
    offer = get_offer(caller.reader, caller.scope, caller.member, offer_id)
    customer_id = (wish and wish.customer_id) or offer.customer_id
    caller.reader.fetch([customer_key(caller.store.id, customer_id), *content_keys(caller.store.id, offer.content.lines)])
    customer = get_customer(caller.reader, caller.scope, customer_id)
    customer.must_be_active()
    content = cloned(offer.content, terms_of(caller, customer, offer.content.lines))
    recipients = offer.recipients if customer.id == offer.customer_id else Recipients.of(customer)
    last = validity(None, None, caller.store, caller.at)
    return _written(caller, customer, partial(made, content, valid_until=last, recipients=recipients))


def _written(caller: Caller, customer: Customer, build: Build) -> OfferAnswer:
    return under_free_number("Q", partial(_write, caller, customer, build))


def _write(caller: Caller, customer: Customer, build: Build, number: str, taken: ConflictError) -> OfferAnswer:
    tx = caller.transaction()
    offer = build(Place(new_id_for(customer.id), number, customer, caller.store), by=deed(tx))
    offer = add_offer(tx, offer, taken=taken)
    tx.audit(f"offer:{offer.history[0].event}", offer.id, number=offer.number, customer_id=customer.id)
    if offer.status == "requested":
        request = OfferMail(store_id=offer.store_id, offer_id=offer.id, event="requested", number=1)
        told: list[str | None] = [*sorted(customer.sales_rep_ids)] or [None]
        for member_id in told:
            tx.announce(request.model_copy(update={"member_id": member_id}))
    return tx.commit_answering(offer_answer(offer, caller))


handler = app.handler
