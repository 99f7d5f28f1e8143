"""GET /v1/offers/{id}/document: an offer as a document to print, in the store's brand."""

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.customers import Customer
from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.offers import Choice, choice_in, offer_answer, opened
from tradepost.pages.app import described
from tradepost.pages.offers import document_of
from tradepost.pages.rendering import look_of, render_page
from tradepost.table.customers import customer_key
from tradepost.table.offers import get_offer, offer_keys
from tradepost.table.shapes import Key

app = make_app()


def _named(ask: Ask) -> list[Key]:
    return offer_keys(ask.store, ask.path["offer_id"])


@app.get(
    "/v1/offers/<offer_id>/document",
    allow=Permission.BROWSE_OFFERS,
    reads=_named,
    **described(_200="The document: HTML with print styles for A4"),
)
def print_offer(offer_id: str, caller: Caller, optional_lines: Choice = None) -> Response[str]:
    """Show an offer as a document to print; with `optional_lines`, with that choice. Customers see what was sent to them."""
    offer = get_offer(caller.reader, caller.scope, caller.member, offer_id)
    answer = offer_answer(opened(offer, caller), caller, optional_lines=choice_in(optional_lines))
    customer = caller.reader.get(customer_key(caller.store.id, offer.customer_id), Customer)
    return render_page(
        "offer_document.html",
        look_of(caller.store),
        sheets=("offer_document.css",),
        doc=document_of(answer, caller.store, customer, for_customer=caller.customer is not None),
    )


handler = app.handler
