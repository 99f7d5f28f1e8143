"""Invoices, put where the rules' consumer keeps them."""

from datetime import datetime
from typing import Any

from tradepost.domain import clock
from tradepost.domain.billing import Invoice, Issued, invoiced, numbered
from tradepost.domain.invoicing import invoice_lines
from tradepost.domain.orders import Order
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import Store
from tradepost.table.invoices import save_invoice
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction


def put_invoice(order: Order, store: Store, *, count: int = 1, at: datetime | None = None, **fields: Any) -> Invoice:
    """Put the invoice of an order into the table."""
    at = at or clock.now()
    computed = invoice_lines(order, [], credit_balance=0, weight=0)
    issued = Issued(numbered("INV", count), at)
    invoice = invoiced(order, computed, "placed", issued, store=store, reseller_id="reseller", due_on=None)
    tx = Transaction(store_owner(store.id), SYSTEM, SYSTEM, at)
    saved = save_invoice(tx, invoice.model_copy(update=fields))
    tx.commit()
    return saved
