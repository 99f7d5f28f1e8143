"""Ordering: what previewing and placing an order have in common, and how orders are shown."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from tradepost.domain.catalog import Product, number_key
from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.orders import (
    Deed,
    HistoryEntry,
    Move,
    NewLine,
    NewOrder,
    Order,
    OrderLine,
    OrderSource,
    OrderStatus,
    Quote,
    moves_from,
    quote,
    refuse_overrides,
)
from tradepost.domain.people import Party
from tradepost.domain.values import Instant, Money
from tradepost.http.app import Answer
from tradepost.http.callers import Ask, CallerInfo
from tradepost.table.products import product_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options
from tradepost.table.transaction import Transaction


class OrderPreview(Answer):
    """What an order would come to. Sent with the order, `price_hash` makes sure that it does."""

    customer_id: str
    billing_address: PostalAddress
    shipping_address: PostalAddress
    lines: tuple[OrderLine, ...]
    subtotal: Money
    shipping_cost: Money
    tax: Money
    total: Money
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: str
    price_hash: str


class OrderAnswer(Answer):
    """An order. Lists leave `lines` out (null) unless they are asked for; `line_count` is always there."""

    id: str
    number: str
    status: OrderStatus
    source: OrderSource
    customer_id: str
    customer_number: str
    customer_name: str
    employee_id: str
    actor: Party
    subject: Party
    billing_address: PostalAddress
    shipping_address: PostalAddress
    lines: tuple[OrderLine, ...] | None
    line_count: int
    subtotal: Money
    shipping_cost: Money
    tax: Money
    total: Money
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: str
    placed_at: Instant
    history: tuple[HistoryEntry, ...]
    allowed_transitions: Annotated[list[Move], Field(description="The moves that are open to you now.")]
    etag: str


def order_answer(order: Order, caller: CallerInfo, *, with_lines: bool = True) -> OrderAnswer:
    """Show an order to its caller."""
    shown = {name: getattr(order, name) for name in OrderAnswer.model_fields if hasattr(order, name)}
    return OrderAnswer.model_validate(
        {
            **shown,
            "lines": order.lines if with_lines else None,
            "line_count": len(order.lines),
            "allowed_transitions": moves_from(order.status, as_buyer=caller.customer_id is not None),
        }
    )


def deed(tx: Transaction) -> Deed:
    """Return who a transaction writes for: what orders keep of it."""
    return Deed(tx.actor, tx.subject, tx.at)


def order_preview(quoted: Quote) -> OrderPreview:
    """Show what an order would come to."""
    return OrderPreview.model_validate({**dict(quoted), "price_hash": quoted.price_hash})


def new_order_reads(ask: Ask) -> list[Key]:
    """Name what an order is quoted from; a body that is no order needs nothing."""
    try:
        new = NewOrder.model_validate_json(ask.body)
    except ValueError:
        return []
    return [checkout_options_key(ask.store), *product_keys(ask.store, new.lines)]


def quoted_for(new: NewOrder, caller: CallerInfo) -> tuple[Quote, Customer]:
    """Quote an order for the buyer that sends it. Raises `NotFoundError` for another's customer or employee."""
    customer = caller.customer
    if customer is None or new.customer_id not in {None, customer.id}:
        raise NotFoundError("customer")
    if new.employee_id not in {None, caller.member.id}:
        raise NotFoundError("employee")
    if new.source != "portal":
        raise InvalidError(Fault("/source", "is “portal” for orders of buyers"), code="source_not_allowed")
    refuse_overrides(new)
    products = find_products(caller.reader, caller.store.id, new.lines)
    options = find_checkout_options(caller.reader, caller.store.id)
    return quote(new, store=caller.store, customer=customer, products=products, options=options), customer


def product_keys(store_id: str, lines: Iterable[NewLine]) -> list[Key]:
    """Return where the products of some lines are kept."""
    return [product_key(store_id, line.product_number) for line in lines]


def find_products(reader: Reader, store_id: str, lines: Sequence[NewLine]) -> dict[str, Product]:
    """Return the products of some lines that exist, by `number_key`."""
    found = (reader.find(key, Product) for key in product_keys(store_id, lines))
    return {number_key(product.number): product for product in found if product is not None}
