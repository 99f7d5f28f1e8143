"""POST /v1/offers/{id}/accept: order what an offer says, at its prices, once."""

from tradepost.domain.offers import OfferAcceptance
from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.offer_acceptance import accept, acceptance_keys
from tradepost.http.offers import OfferAnswer
from tradepost.table.shapes import Key

app = make_app()


def _named(ask: Ask) -> list[Key]:
    return acceptance_keys(ask.store, ask.path["offer_id"])


@app.post("/v1/offers/<offer_id>/accept", allow=Permission.ANSWER_OFFERS, reads=_named)
def accept_offer(offer_id: str, wanted: OfferAcceptance, caller: Caller) -> OfferAnswer:
    """Accept a version of an offer with the optional lines that are wanted, which makes one order: its id is `order_id`.

    Without `optional_lines` they are those that are preselected. What the store does not sell any more cannot be ordered
    (409 `product_unavailable`, with `product_numbers`).
    """
    return accept(offer_id, wanted, caller)


handler = app.handler
