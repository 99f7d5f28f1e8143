"""POST /v1/orders: place an order at the listed prices."""

import secrets

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_order_id, readable_number
from tradepost.domain.orders import NewOrder, Quote, place
from tradepost.domain.outbox import OrderMail
from tradepost.domain.people import Permission
from tradepost.http.app import Caller, make_app
from tradepost.http.orders import OrderAnswer, deed, new_order_reads, order_answer, order_preview, quoted_for
from tradepost.table.orders import add_order

app = make_app()

NUMBER_ATTEMPTS = 5


@app.post("/v1/orders", allow=Permission.PLACE_ORDERS, status=201, reads=new_order_reads)
def place_order(new: NewOrder, caller: Caller) -> OrderAnswer:
    """Place an order. With the `price_hash` of a preview, prices that moved since are shown instead of charged."""
    quoted, customer = quoted_for(new, caller)
    if new.price_hash not in {None, quoted.price_hash}:
        preview = order_preview(quoted).model_dump(mode="json")
        raise ConflictError("price_changed", "Prices have changed since the preview. Look again.", preview=preview)
    taken = ConflictError("busy", "No free order number was found. Try again.")
    for _ in range(NUMBER_ATTEMPTS):
        try:
            return _place(new, quoted, customer, caller, taken)
        except ConflictError as refusal:
            if refusal is not taken:
                raise
    raise taken


def _place(new: NewOrder, quoted: Quote, customer: Customer, caller: Caller, taken: ConflictError) -> OrderAnswer:
    """Write the order under a number drawn at random. Raises `taken` if another order has it."""
    tx = caller.transaction()
    order = place(
        quoted,
        order_id=new_order_id(customer.id),
        number=readable_number("O", secrets.token_bytes(8)),
        customer=customer,
        employee_id=caller.member.id,
        source=new.source,
        by=deed(tx),
    )
    order = add_order(tx, order, customer, time_zone=caller.store.time_zone, taken=taken)
    tx.audit("order:placed", order.id, number=order.number, customer_id=order.customer_id, total=order.total.amount)
    tx.announce(OrderMail(store_id=order.store_id, order_id=order.id, event="placed"))
    return tx.commit_answering(order_answer(order, caller))


handler = app.handler
