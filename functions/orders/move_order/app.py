"""POST /v1/orders/{id}/{confirm|start|ship|cancel|approve|reject}: move an order to its next state."""

from functools import partial
from typing import Annotated, Final, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field

from tradepost.domain.orders import Move, move
from tradepost.domain.outbox import OrderMail
from tradepost.domain.permissions import Permission
from tradepost.domain.values import LongText, Value
from tradepost.http.activities import Doing, note_activity
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.orders import OrderAnswer, deed, order_answer
from tradepost.table.customers import get_customer
from tradepost.table.order_runs import announce_move
from tradepost.table.orders import get_order, order_keys, save_order
from tradepost.table.people import require_employee
from tradepost.table.shapes import Key

app = make_app()

type MailedEvent = Literal["placed", "confirmed", "shipped", "cancelled"]

MAILED: Final[dict[Move, MailedEvent]] = {
    "approve": "placed",
    "reject": "cancelled",
    "confirm": "confirmed",
    "ship": "shipped",
    "cancel": "cancelled",
}
DONE: Final[dict[Move, str]] = {
    "confirm": "confirmed",
    "start": "started",
    "ship": "shipped",
    "cancel": "cancelled",
    "approve": "approved",
    "reject": "rejected",
}


class MoveNote(Value):
    """What to note in the order's history, for the store and the customer to read."""

    note: Annotated[LongText, Field(max_length=1000)] | None = None


Note = Annotated[MoveNote | None, Body()]


def _named(ask: Ask) -> list[Key]:
    return order_keys(ask.store, ask.path["order_id"])


def _move(step: Move, order_id: str, note: MoveNote | None, caller: Caller) -> OrderAnswer:
    return caller.decided(partial(_moved, step, order_id, note, caller))


def _moved(step: Move, order_id: str, note: MoveNote | None, caller: Caller) -> OrderAnswer:
    caller.reader.fetch(order_keys(caller.store.id, order_id))
    before = caller.match(get_order(caller.reader, caller.scope, order_id))
    customer = get_customer(caller.reader, caller.scope, before.customer_id)
    tx = caller.transaction()
    words = note.note or None if note else None
    order = move(before, step, grants=caller.grants, by=deed(tx), note=words)
    if step == "approve":
        customer.must_be_active()
        require_employee(tx, before.store_id, before.employee_id)
    order = save_order(tx, order, customer, before=before, time_zone=caller.store.time_zone)
    tx.audit(f"order:{DONE[step]}", order.id, before=before.status, after=order.status)
    doing = Doing("order_changed", customer.id, "order", order.id, f"{order.number} {DONE[step]}")
    note_activity(tx, doing, caller.store, caller.member)
    # A buyer hears of an order that waits for approval when it has been approved, and not before.
    is_news = before.is_known_to_buyer != (step == "approve")
    if step in MAILED and is_news:
        tx.announce(OrderMail(store_id=order.store_id, order_id=order.id, event=MAILED[step]))
    announce_move(tx, step, order, customer, before=before)
    return tx.commit_answering(order_answer(order, caller))


@app.post("/v1/orders/<order_id>/confirm", allow=Permission.UPDATE_ORDERS, precondition=True, reads=_named)
def confirm_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Accept a received order. Its lines and addresses are settled from here on."""
    return _move("confirm", order_id, note, caller)


@app.post("/v1/orders/<order_id>/start", allow=Permission.UPDATE_ORDERS, precondition=True, reads=_named)
def start_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Begin to work on a confirmed order."""
    return _move("start", order_id, note, caller)


@app.post("/v1/orders/<order_id>/ship", allow=Permission.UPDATE_ORDERS, precondition=True, reads=_named)
def ship_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Note that an order in progress has left."""
    return _move("ship", order_id, note, caller)


@app.post("/v1/orders/<order_id>/cancel", allow=Permission.MOVE_ORDERS, precondition=True, reads=_named)
def cancel_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Cancel an order: the store until it is shipped, a buyer until it is confirmed; one that waits, the rep who placed it."""
    return _move("cancel", order_id, note, caller)


@app.post("/v1/orders/<order_id>/approve", allow=Permission.APPROVE_ORDERS, precondition=True, reads=_named)
def approve_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Let an order through that waited for approval; supervisors let through those that others placed and changed."""
    return _move("approve", order_id, note, caller)


@app.post("/v1/orders/<order_id>/reject", allow=Permission.APPROVE_ORDERS, precondition=True, reads=_named)
def reject_order(order_id: str, caller: Caller, note: Note = None) -> OrderAnswer:
    """Turn an order down that waited for approval."""
    return _move("reject", order_id, note, caller)


handler = app.handler
