"""GET /v1/invoices/{id}/document: an invoice or a credit note as a document to print, in the store's brand."""

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.permissions import Permission
from tradepost.http.app import Ask, Caller, make_app
from tradepost.pages.app import described
from tradepost.pages.invoices import bill_of
from tradepost.pages.rendering import look_of, render_page
from tradepost.table.invoices import get_invoice, invoice_keys
from tradepost.table.shapes import Key

app = make_app()


def _named(ask: Ask) -> list[Key]:
    return invoice_keys(ask.store, ask.path["invoice_id"])


@app.get(
    "/v1/invoices/<invoice_id>/document",
    allow=Permission.BROWSE_BILLING,
    reads=_named,
    **described(_200="The document: HTML with print styles for A4"),
)
def print_invoice(invoice_id: str, caller: Caller) -> Response[str]:
    """Show an invoice or a credit note as a document to print."""
    invoice = get_invoice(caller.reader, caller.scope, invoice_id)
    return render_page(
        "invoice_document.html",
        look_of(caller.store),
        sheets=("offer_document.css",),
        doc=bill_of(invoice, caller.store),
    )


handler = app.handler
