"""GET /v1/offers/{id}/mail-preview: the mail that an offer would be sent with now, in the store's own words."""

from tradepost.domain.customers import Customer
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Email
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.mails.writing import offer_as_sent, offer_template_key
from tradepost.table.customers import customer_key
from tradepost.table.offers import get_offer, offer_keys
from tradepost.table.shapes import Key
from tradepost.table.suppressions import suppressed_among

app = make_app()


class OfferMailPreview(Answer):
    """The mail of an offer as it would be sent. Addresses to which the store mails nothing any more are left out."""

    to: tuple[Email, ...]
    cc: tuple[Email, ...]
    subject: str
    html: str
    text: str


def _named(ask: Ask) -> list[Key]:
    return [*offer_keys(ask.store, ask.path["offer_id"]), offer_template_key(ask.store)]


@app.get("/v1/offers/<offer_id>/mail-preview", allow=Permission.PROCESS_OFFERS, reads=_named)
def preview_offer_mail(offer_id: str, caller: Caller) -> OfferMailPreview:
    """Show the mail that an offer would be sent with as it is now, or was sent with. Nobody left in `to` and `cc` gets none."""
    read, store = caller.reader, caller.store
    offer = get_offer(read, caller.scope, caller.member, offer_id)
    customer = read.get(customer_key(store.id, offer.customer_id), Customer)
    is_as_sent = offer.sent is not None and offer.draft is None
    seller = offer.sent.sent_by if offer.sent and is_as_sent else caller.actor
    mail = offer_as_sent(read, store, offer, customer, seller=seller.name)
    left = mail.without(suppressed_among(store.id, mail.addresses))
    to, cc = (left.to, left.cc) if left else ((), ())
    return OfferMailPreview(to=to, cc=cc, subject=mail.subject, html=mail.html, text=mail.text)


handler = app.handler
