"""Ordering: what previewing and placing an order have in common, and how orders are shown."""

from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.errors import ConflictError, Fault, InvalidError, NotFoundError
from tradepost.domain.orders import (
    Deed,
    HistoryEntry,
    Move,
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
from tradepost.domain.overrides import Approval, limits_of
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Instant, Money
from tradepost.http.app import Answer
from tradepost.http.callers import Ask, CallerInfo
from tradepost.table.customers import customer_key, get_customer
from tradepost.table.people import member_key
from tradepost.table.products import find_products, numbers_of, product_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options
from tradepost.table.transaction import Transaction

_SOURCES: Final[Mapping[str, tuple[OrderSource, ...]]] = {
    "buyer": ("portal",),
    "rep": ("fast_order",),
    "key": ("api", "inventory_source"),
}
"""The ways in which orders come from each kind of caller. The first one is meant where the order does not say."""


class OrderPreview(Answer):
    """What an order would come to. Sent with the order, `price_hash` makes sure that it does.

    `status` is how it would begin: waiting for approval if there is an `approval`, which names the prices that need it.
    """

    status: OrderStatus
    customer_id: str
    billing_address: PostalAddress
    shipping_address: PostalAddress
    lines: tuple[OrderLine, ...]
    subtotal: Money
    list_shipping_cost: Money
    shipping_cost: Money
    shipping_override_reason: str | None
    tax: Money
    total: Money
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: str
    approval: Approval | None
    price_hash: str


class OrderAnswer(Answer):
    """An order. Lists leave `lines` out (null) unless they are asked for; `line_count` is always there.

    `approval` says which prices have to be approved while the order waits for that; buyers are not told how low they might be.
    """

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
    list_shipping_cost: Money
    shipping_cost: Money
    shipping_override_reason: str | None
    tax: Money
    total: Money
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: str
    approval: Approval | None
    offer_id: str | None
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
            "approval": order.approval if Permission.UPDATE_ORDERS in caller.grants else None,
            "allowed_transitions": moves_from(order, caller.actor, caller.grants),
        }
    )


def deed(tx: Transaction) -> Deed:
    """Return who a transaction writes for: what orders keep of it."""
    return Deed(tx.actor, tx.subject, tx.at)


def order_preview(quoted: Quote) -> OrderPreview:
    """Show what an order would come to."""
    return OrderPreview.model_validate({**dict(quoted), "status": quoted.status, "price_hash": quoted.price_hash})


def new_order_reads(ask: Ask) -> list[Key]:
    """Name what an order is quoted from; a body that is no order needs nothing."""
    try:
        new = NewOrder.model_validate_json(ask.body)
    except ValueError:
        return []
    return _new_order_keys(new, ask.store, ask.customer or new.customer_id, new.employee_id)


class Ordering(NamedTuple):
    """An order about to be placed: what it comes to, for whom it is, and the way it came."""

    quoted: Quote
    customer: Customer
    employee_id: str
    source: OrderSource


def ordering(new: NewOrder, caller: CallerInfo) -> Ordering:
    """Quote an order for whoever sends it: a buyer orders for itself, a sales rep for an employee of a customer in its scope.

    An API key orders for the person it acts for, or for another employee of its customer.

    Raises `NotFoundError` for another's customer or employee, `ConflictError` for one that is not active.
    """
    store = caller.store
    customer_id, employee_id = _for_whom(new, caller)
    caller.reader.fetch(_new_order_keys(new, store.id, customer_id, employee_id))
    customer = get_customer(caller.reader, caller.actors_scope, customer_id)
    employee = caller.reader.find(member_key(employee_id, store.id), Member)
    if employee is None or employee.customer_id != customer.id or employee.status == "revoked":
        raise NotFoundError("employee")
    source = _source(new, caller)
    if not caller.is_rep:
        refuse_overrides(new)
    customer.must_be_active()
    customer.may_order()
    if employee.status != "active":
        raise ConflictError("employee_not_active", "This employee has not joined yet.")
    quoted = quote(
        new,
        store=store,
        customer=customer,
        products=find_products(caller.reader, store.id, numbers_of(new.lines)),
        options=find_checkout_options(caller.reader, store.id),
        limits=limits_of(caller.member, store),
    )
    return Ordering(quoted, customer, employee.id, source)


def _source(new: NewOrder, caller: CallerInfo) -> OrderSource:
    """Return the way in which an order comes. Raises `InvalidError` for one that says it came in another way."""
    possible = _SOURCES["key" if caller.key else "rep" if caller.is_rep else "buyer"]
    if new.source not in {None, *possible}:
        named = " or ".join(f"“{source}”" for source in possible)
        raise InvalidError(Fault("/source", f"is {named} for your orders"), code="source_not_allowed")
    return new.source or possible[0]


def _for_whom(new: NewOrder, caller: CallerInfo) -> tuple[str, str]:
    """Return the customer and the employee of an order. Raises `InvalidError` for a sales rep that does not name them."""
    if caller.is_rep:
        if new.customer_id is None or new.employee_id is None:
            missing = [name for name in ("customer_id", "employee_id") if getattr(new, name) is None]
            raise InvalidError(*(Fault(f"/{name}", "is required: say for whom this is ordered") for name in missing))
        return new.customer_id, new.employee_id
    own = caller.customer_id
    if own is None or new.customer_id not in {None, own}:
        raise NotFoundError("customer")
    if caller.key and new.employee_id:
        return own, new.employee_id
    if new.employee_id not in {None, caller.member.id}:
        raise NotFoundError("employee")
    return own, caller.member.id


def _new_order_keys(new: NewOrder, store_id: str, customer_id: str | None, employee_id: str | None) -> list[Key]:
    keys = [checkout_options_key(store_id), *product_keys(store_id, numbers_of(new.lines))]
    if customer_id is not None:
        keys.append(customer_key(store_id, customer_id))
    if employee_id is not None:
        keys.append(member_key(employee_id, store_id))
    return keys
