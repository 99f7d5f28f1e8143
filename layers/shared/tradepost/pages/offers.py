"""An offer as people read it: on the page behind its link, and on paper."""

from typing import Final, NamedTuple

from tradepost.domain.customers import Customer
from tradepost.domain.display import address_lines, display_date, display_day, display_money, display_time
from tradepost.domain.offer_contents import OfferLine, Totals
from tradepost.domain.stores import Store
from tradepost.http.offers import OfferAnswer


class Notice(NamedTuple):
    """What has to be known before anything of an offer is read: that it does not hold, or has been accepted."""

    title: str
    text: str
    tone: str = "over"


class Line(NamedTuple):
    """A line in words. `place` counts the lines about products."""

    id: str
    kind: str
    text: str | None
    place: int
    name: str | None
    number: str | None
    quantity: int | None
    list_price: str | None
    unit_price: str | None
    discount: str | None
    total: str | None
    optional: bool
    selected: bool


class Document(NamedTuple):
    """An offer in words."""

    title: str
    number: str
    version: int
    written_on: str
    valid_until: str | None
    time_zone: str
    customer: str
    customer_number: str
    address: list[str]
    seller: str | None
    notice: Notice | None
    message: str | None
    header_text: str | None
    footer_text: str | None
    lines: list[Line]
    options: int
    totals: list[tuple[str, str]]
    total: str
    shipping: str | None
    payment: str | None


_NOTICES: Final = {
    "requested": Notice("Request", "This is what was asked for. It is not an offer yet.", "draft"),
    "draft": Notice("Draft", "This has not been sent: nobody can order it.", "draft"),
    "awaiting_approval": Notice("Draft", "This waits for approval: nobody can order it.", "draft"),
    "withdrawn": Notice("Withdrawn", "This offer was withdrawn: it cannot be ordered any more."),
}
_REVISED: Final = Notice(
    "Being revised", "Another version of this offer is being written. This one cannot be ordered.", "draft"
)


def document_of(offer: OfferAnswer, store: Store, customer: Customer, *, for_customer: bool) -> Document:
    """Put an offer into words, as its reader may see it."""
    address = customer.main_address
    return Document(
        title="Request" if offer.status == "requested" else "Offer",
        number=offer.number,
        version=offer.version,
        written_on=display_date(offer.sent_at or offer.created_at, store.time_zone),
        valid_until=display_day(offer.valid_until) if offer.valid_until else None,
        time_zone=store.time_zone,
        customer=offer.customer_name,
        customer_number=offer.customer_number,
        address=address_lines(address) if address else [offer.customer_name],
        seller=offer.owner.name if offer.owner else None,
        notice=_notice(offer, store, for_customer=for_customer),
        message=offer.message,
        header_text=offer.header_text,
        footer_text=offer.footer_text,
        lines=_lines(offer.lines or ()),
        options=sum(line.optional for line in offer.lines or ()),
        totals=_totals(offer.totals, offer.shipping_method_name),
        total=display_money(offer.totals.total),
        shipping=offer.shipping_method_name,
        payment=offer.payment_method_name,
    )


def _notice(offer: OfferAnswer, store: Store, *, for_customer: bool) -> Notice | None:
    if offer.status == "draft" and for_customer:
        return _REVISED
    if offer.status == "expired" and offer.expires_at and offer.valid_until:
        day = display_day(offer.valid_until)
        return Notice(
            "Expired", f"This offer was valid until the end of {day} ({store.time_zone}). It cannot be ordered any more."
        )
    done = next((step for step in reversed(offer.history) if step.event == offer.status), None)
    if offer.status in {"accepted", "declined"} and done:
        said = f"{display_time(done.at, store.time_zone)}, by {done.subject.name}."
        if offer.status == "declined":
            return Notice("Declined", f"This offer was declined on {said}")
        return Notice("Accepted", f"This offer was accepted on {said}", "good")
    return _NOTICES.get(offer.status)


def _lines(lines: tuple[OfferLine, ...]) -> list[Line]:
    found, place = [], 0
    for line in lines:
        place += line.kind == "product"
        is_cheaper = (
            line.list_price is not None and line.net_price is not None and line.net_price.amount < line.list_price.amount
        )
        found.append(
            Line(
                id=line.id,
                kind=line.kind,
                text=line.text,
                place=place,
                name=line.name,
                number=line.product_number,
                quantity=line.quantity,
                list_price=display_money(line.list_price) if line.list_price and is_cheaper else None,
                unit_price=display_money(line.net_price) if line.net_price else None,
                discount=f"{line.discount_percent}\u00a0%" if line.discount_percent else None,
                total=display_money(line.total) if line.total else None,
                optional=line.optional,
                selected=line.selected,
            )
        )
    return found


def _totals(totals: Totals, shipping: str | None) -> list[tuple[str, str]]:
    return [
        ("Sum of the lines", display_money(totals.subtotal)),
        (f"Shipping: {shipping}" if shipping else "Shipping", display_money(totals.shipping_cost)),
        ("Tax", display_money(totals.tax)),
    ]
