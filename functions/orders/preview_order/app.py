"""POST /v1/order-previews: tell what an order comes to, without placing it."""

from tradepost.domain.orders import NewOrder
from tradepost.domain.permissions import Permission
from tradepost.http.app import Caller, make_app
from tradepost.http.orders import OrderPreview, new_order_reads, order_preview, ordering

app = make_app()


@app.post("/v1/order-previews", allow=Permission.PLACE_ORDERS, idempotent=False, reads=new_order_reads)
def preview_order(new: NewOrder, caller: Caller) -> OrderPreview:
    """Show the lines, totals and addresses of an order, and the `price_hash` to place it with. Changes nothing.

    A sales rep is also told which of its prices would have to be approved.
    """
    return order_preview(ordering(new, caller).quoted)


handler = app.handler
