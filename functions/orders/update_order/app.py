"""PATCH /v1/orders/{id}: change an order's lines, addresses and methods until it is confirmed."""

from functools import partial

from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.orders import OrderChange, edit
from tradepost.domain.overrides import limits_of
from tradepost.domain.permissions import Permission
from tradepost.http.activities import Doing, note_activity
from tradepost.http.app import Ask, Caller, make_app
from tradepost.http.orders import OrderAnswer, deed, order_answer
from tradepost.table.customers import get_customer
from tradepost.table.order_runs import announce_change
from tradepost.table.orders import get_order, order_keys, save_order
from tradepost.table.products import find_products, numbers_of, product_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options

app = make_app()


def _reads(ask: Ask) -> list[Key]:
    order_id = ask.path["order_id"]
    try:
        change = OrderChange.model_validate_json(ask.body)
    except ValueError:
        return order_keys(ask.store, order_id)
    return _keys(ask.store, order_id, change)


def _keys(store_id: str, order_id: str, change: OrderChange) -> list[Key]:
    products = product_keys(store_id, numbers_of(change.lines or ()))
    return [*order_keys(store_id, order_id), checkout_options_key(store_id), *products]


@app.patch("/v1/orders/<order_id>", allow=Permission.UPDATE_ORDERS, reads=_reads)
def update_order(order_id: str, change: OrderChange, caller: Caller) -> OrderAnswer:
    """Change an order that is not confirmed yet; its totals follow. What is not sent stays as it is.

    Where a sales rep goes beyond its limits with a price that the order did not have before, the order waits for approval.
    """
    return caller.decided(partial(_updated, order_id, change, caller))


def _updated(order_id: str, change: OrderChange, caller: Caller) -> OrderAnswer:
    caller.reader.fetch(_keys(caller.store.id, order_id, change))
    before = caller.match(get_order(caller.reader, caller.scope, order_id))
    customer = get_customer(caller.reader, caller.scope, before.customer_id)
    nulls = [Fault(f"/{name}", "must not be null") for name in sorted(change.model_fields_set) if getattr(change, name) is None]
    if nulls:
        raise InvalidError(*nulls)
    tx = caller.transaction()
    order = edit(
        before,
        change,
        store=caller.store,
        customer=customer,
        products=find_products(caller.reader, caller.store.id, numbers_of(change.lines or ())),
        options=find_checkout_options(caller.reader, caller.store.id),
        limits=limits_of(caller.member, caller.store),
        by=deed(tx),
    )
    if order == before:
        return order_answer(before, caller)
    order = save_order(tx, order, customer, before=before, time_zone=caller.store.time_zone)
    tx.audit("order:updated", order.id, fields=list(order.history[-1].changed), status=order.status, total=order.total.amount)
    doing = Doing("order_changed", customer.id, "order", order.id, f"{order.number} updated")
    note_activity(tx, doing, caller.store, caller.member)
    announce_change(tx, order, customer, before=before)
    return tx.commit_answering(order_answer(order, caller))


handler = app.handler
