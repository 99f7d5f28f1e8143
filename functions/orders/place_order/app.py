"""POST /v1/orders: place an order, at the listed prices or, as a sales rep, at others."""

from functools import partial

from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_id_for
from tradepost.domain.orders import NewOrder, place
from tradepost.domain.outbox import OrderMail
from tradepost.domain.permissions import Permission
from tradepost.http.activities import Doing, note_activity
from tradepost.http.app import Caller, make_app
from tradepost.http.numbers import under_free_number
from tradepost.http.orders import OrderAnswer, Ordering, deed, new_order_reads, order_answer, order_preview, ordering
from tradepost.table.order_runs import announce_run
from tradepost.table.orders import add_order
from tradepost.table.people import require_employee

app = make_app()


@app.post("/v1/orders", allow=Permission.PLACE_ORDERS, status=201, reads=new_order_reads)
def place_order(new: NewOrder, caller: Caller) -> OrderAnswer:
    """Place an order. With the `price_hash` of a preview, prices that moved since are shown instead of charged.

    A sales rep orders for an employee of a customer in its scope. Beyond the limits of its prices, the order waits for the
    owner or a supervisor to approve it.
    """
    return caller.decided(partial(_placed, new, caller))


def _placed(new: NewOrder, caller: Caller) -> OrderAnswer:
    wanted = ordering(new, caller)
    if new.price_hash not in {None, wanted.quoted.price_hash}:
        preview = order_preview(wanted.quoted).model_dump(mode="json")
        raise ConflictError("price_changed", "Prices have changed since the preview. Look again.", preview=preview)
    return under_free_number("O", partial(_write, wanted, caller))


def _write(wanted: Ordering, caller: Caller, number: str, taken: ConflictError) -> OrderAnswer:
    tx = caller.transaction()
    order = place(
        wanted.quoted,
        order_id=new_id_for(wanted.customer.id),
        number=number,
        customer=wanted.customer,
        employee_id=wanted.employee_id,
        source=wanted.source,
        by=deed(tx),
    )
    order = add_order(tx, order, wanted.customer, time_zone=caller.store.time_zone, taken=taken)
    require_employee(tx, order.store_id, order.employee_id)
    total = order.total.amount
    tx.audit("order:placed", order.id, number=order.number, customer_id=order.customer_id, status=order.status, total=total)
    note_activity(tx, Doing("order_placed", order.customer_id, "order", order.id, order.number), caller.store, caller.member)
    if order.status == "received":
        tx.announce(OrderMail(store_id=order.store_id, order_id=order.id, event="placed"))
        announce_run(tx, order, wanted.customer, "placed")
    return tx.commit_answering(order_answer(order, caller))


handler = app.handler
