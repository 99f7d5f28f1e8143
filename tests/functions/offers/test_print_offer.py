"""GET /v1/offers/{id}/document: an offer as a document to print."""

import pytest

from tests.conftest import Clock
from tests.support.html import HtmlPage, page_of
from tests.support.offering import Bargain, product
from tests.support.world import euros

LINES = [
    {"kind": "heading", "text": "Lamps"},
    product("A-1", 2, unit_price=euros(1000), discount_percent=10, text="In oak"),
    product("B-2", 3, optional=True),
    {"kind": "subtotal"},
    {"kind": "text", "text": "In one parcel"},
]


def says(page: HtmlPage, *words: str) -> bool:
    """Tell whether a page says all of that, however it is spaced: cells of a table have no spaces between them."""
    said = "".join(page.text.split())
    return all("".join(each.split()) in said for each in words)


def test_a_document_says_all_there_is_to_know_on_paper(bargain: Bargain) -> None:
    said = {"header_text": "Above <b>", "footer_text": "Below", "valid_until": "2027-01-31"}
    offer = bargain.open(*LINES, by=bargain.market.owner, **said)
    reply = bargain.buyer.get(f"/v1/offers/{offer['id']}/document")
    page = page_of(reply)
    assert page.heading == f"Offer {offer['number']}"
    assert says(page, "Acme", "Blue Door Ltd", "Harbour Street 5", "Germany", "Above <b>", "Below", "In one parcel", "In oak")
    assert says(page, "EUR 9.00", "instead of EUR 12.50 (10 % off)", "Optional, not chosen", "(EUR 2.97)", "Subtotal EUR 18.00")
    assert says(page, "Shipping: Parcel EUR 5.90", "Tax EUR 0.00", "Total EUR 23.90", "Invoice, 30 days")
    assert says(page, "until the end of 31 January 2027 (time zone: Europe/Berlin)")
    (style,) = page.all("style")
    for rule in ("@page{size:A4", "counter(page)", "table-header-group", "break-inside:avoid"):
        assert rule in style.text
    assert page.all("script") == []
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (reply.headers["referrer-policy"], reply.headers["x-frame-options"]) == ("no-referrer", "DENY")
    assert reply.headers["cache-control"] == "no-store"


def test_a_document_shows_another_choice_and_refuses_what_cannot_be_chosen(bargain: Bargain) -> None:
    offer = bargain.open(*LINES, by=bargain.market.owner)
    path = f"/v1/offers/{offer['id']}/document"
    optional = offer["lines"][2]["id"]
    page = page_of(bargain.buyer.get(path, optional_lines=optional))
    assert says(page, "Optional, chosen", "Total EUR 26.87")
    refused = bargain.buyer.get(path, optional_lines="L99")
    assert (refused.status, refused.code) == (422, "unknown_line")


def test_customers_see_what_was_sent_to_them_and_staff_what_is_worked_on(bargain: Bargain) -> None:
    draft = bargain.make(header_text="First")
    path = f"/v1/offers/{draft['id']}/document"
    assert says(page_of(bargain.rep.client.get(path)), "Draft")
    nowhere = bargain.buyer.get(path)
    unknown = bargain.buyer.get(f"/v1/offers/{bargain.market.customer['id']}.01m829gb9000000000000000xx/document")
    assert (nowhere.status, nowhere.text) == (404, unknown.text)
    sent = bargain.moved(draft, "send")
    bargain.rep.client.patch(f"/v1/offers/{sent['id']}", {"header_text": "Second"}, etag=sent["etag"])
    theirs, ours = (page_of(who.get(path)) for who in (bargain.buyer, bargain.rep.client))
    assert says(theirs, "First", "Being revised", "Version 1")
    assert says(ours, "Second", "Draft", "Version 2")
    assert not says(theirs, "Second")
    assert not says(ours, "First")
    for other in (bargain.market.other_buyer, bargain.team.outsider.client, bargain.market.rival()):
        assert other.get(path).status == 404
    assert [step["event"] for step in bargain.seen(sent)["history"]].count("viewed") == 1


@pytest.mark.parametrize("end", ["withdrawn", "declined", "expired", "accepted", "requested"])
def test_what_does_not_hold_is_unmistakable(bargain: Bargain, time: Clock, end: str) -> None:
    offer = bargain.ask() if end == "requested" else bargain.open(valid_days=1)
    if end == "withdrawn":
        bargain.moved(offer, "withdraw")
    elif end == "declined":
        bargain.moved(bargain.seen(offer, by=bargain.buyer), "decline", by=bargain.buyer)
    elif end == "accepted":
        assert bargain.accept(offer).status == 200
    elif end == "expired":
        time.advance(days=2)
    client = bargain.market.login() if end == "expired" else bargain.buyer
    page = page_of(client.get(f"/v1/offers/{offer['id']}/document"))
    title = "Request" if end == "requested" else end.title()
    (notice,) = [each for each in page.all("div") if each["class"].startswith("notice")]
    assert notice.text.split()[0] == title
    stamps = [each.text for each in page.all("div") if each["class"] == "stamp"]
    assert stamps == ([] if end == "accepted" else [title])
