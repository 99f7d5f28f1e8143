"""/v1/checkout-options: how a buyer can have an order shipped, and how it can be paid."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.ids import new_id
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import MAX_METHODS, NewPaymentMethod, NewShippingMethod, PaymentMethod, ShippingMethod
from tradepost.domain.values import Value
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options, save_checkout_options

app = make_app()


class CheckoutOptionsFields(Value):
    """The ways to ship and to pay. Those that stay are sent with their id; those that are left out are gone."""

    shipping_methods: Annotated[list[NewShippingMethod], Field(max_length=MAX_METHODS)]
    payment_methods: Annotated[list[NewPaymentMethod], Field(max_length=MAX_METHODS)]


class CheckoutOptionsAnswer(Answer):
    """The ways to ship and to pay."""

    shipping_methods: list[ShippingMethod]
    payment_methods: list[PaymentMethod]
    etag: str


def _options(ask: Ask) -> list[Key]:
    return [checkout_options_key(ask.store)]


@app.get("/v1/checkout-options", allow=Permission.READ_CHECKOUT_OPTIONS, reads=_options)
def show_checkout_options(caller: Caller) -> CheckoutOptionsAnswer:
    """Show the ways to ship and to pay. Before the owner sets some there are none, at version 0."""
    return CheckoutOptionsAnswer.of(find_checkout_options(caller.reader, caller.store.id))


@app.put("/v1/checkout-options", allow=Permission.MANAGE_STORE, reads=_options)
def replace_checkout_options(fields: CheckoutOptionsFields, caller: Caller) -> CheckoutOptionsAnswer:
    """Set the ways to ship and to pay. The first time needs no `If-Match`."""
    before = find_checkout_options(caller.reader, caller.store.id)
    caller.replaces(before)
    for index, method in enumerate(fields.shipping_methods):
        caller.store.must_trade_in(method.cost.currency, f"/shipping_methods/{index}/cost/currency")
    options = before.replaced(fields.shipping_methods, fields.payment_methods, iter(new_id, None))
    tx = caller.transaction()
    options = save_checkout_options(tx, caller.store.id, options)
    tx.audit("checkout_options:replaced", caller.store.id)
    return tx.commit_answering(CheckoutOptionsAnswer.of(options))


handler = app.handler
