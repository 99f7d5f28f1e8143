"""PATCH /v1/offers/{id}: change what an offer says. One that was sent becomes the draft of its next version."""

from functools import partial

from tradepost.domain.offer_contents import composed
from tradepost.domain.offer_transitions import edited
from tradepost.domain.offers import OfferChange, validity
from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.offers import OfferAnswer, content_keys, offer_answer, terms_of
from tradepost.http.orders import deed
from tradepost.table.customers import get_customer
from tradepost.table.offers import get_offer, offer_keys, save_offer
from tradepost.table.shapes import Key

app = make_app()


def _reads(ask: Ask) -> list[Key]:
    offer_id = ask.path["offer_id"]
    try:
        change = OfferChange.model_validate_json(ask.body)
    except ValueError:
        return offer_keys(ask.store, offer_id)
    return _keys(ask.store, offer_id, change)


def _keys(store_id: str, offer_id: str, change: OfferChange) -> list[Key]:
    return [*offer_keys(store_id, offer_id), *content_keys(store_id, change.lines or ())]


@app.patch("/v1/offers/<offer_id>", allow=Permission.PROCESS_OFFERS, reads=_reads)
def edit_offer(offer_id: str, change: OfferChange, caller: Caller) -> OfferAnswer:
    """Change what an offer says; what is not sent stays as it is. Once it was sent, this begins its next version.

    From then on the version that was sent cannot be accepted any more; the customer goes on seeing it until the next one is
    sent. Products that are named in `lines` cost what they are listed at now, unless `unit_price` says otherwise.
    """
    return caller.decided(partial(_edited, offer_id, change, caller))


def _edited(offer_id: str, change: OfferChange, caller: Caller) -> OfferAnswer:
    caller.reader.fetch(_keys(caller.store.id, offer_id, change))
    before = caller.match(get_offer(caller.reader, caller.scope, caller.member, offer_id))
    customer = get_customer(caller.reader, caller.scope, before.customer_id)
    tx = caller.transaction()
    last = before.valid_until
    if change.valid_until or change.valid_days:
        last = validity(change.valid_until, change.valid_days, caller.store, tx.at)
    offer = edited(
        before,
        composed(change, before.content, terms_of(caller, customer, change.lines or ())),
        valid_until=last,
        recipients=change.recipients(before.recipients),
        grants=caller.grants,
        by=deed(tx),
    )
    if offer == before:
        return offer_answer(before, caller)
    offer = save_offer(tx, offer, before=before)
    tx.audit("offer:edited", offer.id, number=offer.number_of_version, before=before.status, after=offer.status)
    return tx.commit_answering(offer_answer(offer, caller))


handler = app.handler
