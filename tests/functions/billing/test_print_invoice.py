"""An invoice is printed in the store's brand, and nothing in it is run."""

from tests.support.billing import Office, work
from tests.support.html import HtmlPage


def test_an_invoice_and_what_takes_it_back_are_printed(office: Office) -> None:
    office.rule("invoicing", {"action": "dropship_fee", "amount": {"amount": 30, "currency": "EUR"}, "per": "item"})
    order = office.place()
    work()
    office.step(order, "cancel")
    work()
    for invoice in office.invoices():
        reply = office.buyer.get(f"/v1/invoices/{invoice['id']}/document")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        text = HtmlPage(reply.text).text
        title = "Invoice" if invoice["kind"] == "invoice" else "Credit note"
        sign = "" if invoice["kind"] == "invoice" else "-"
        assert f"{title} {invoice['number']}" in text
        assert f"EUR {sign}31.50" in text
        assert "Dropship fee per item" in text
        assert "2 items, EUR 0.30 each" in text
        assert "Product A-1" in text
        assert "Invoice INV-000001" in text, "a credit note names what it takes back"
        assert order["number"] in text
        assert invoice["customer_name"] in text


def test_names_are_shown_and_never_run(office: Office) -> None:
    hostile = "<script>alert(1)</script>"
    etag = office.owner.get("/v1/products/A-1").json["etag"]
    body = {"name": hostile, "prices": {office.resale.shop.tier_id: {"amount": 1250, "currency": "EUR"}}}
    assert office.owner.put("/v1/products/A-1", body, etag=etag).status == 200
    office.place()
    work()
    [invoice] = office.invoices()
    reply = office.owner.get(f"/v1/invoices/{invoice['id']}/document")
    assert hostile not in reply.text
    assert "&lt;script&gt;" in reply.text
