"""Orders: what a buyer is quoted, what is then placed, and how it moves from received to shipped."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, StrictInt

from tradepost.domain.catalog import Product, ProductNumber, number_key
from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.errors import ConflictError, Fault, ForbiddenError, InvalidError
from tradepost.domain.ids import digest
from tradepost.domain.overrides import Approval, Excess, lowest_price
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import CheckoutOptions, OverrideLimits, PaymentMethod, ShippingMethod, Store
from tradepost.domain.values import MAX_SUM, Entity, Instant, Money, Price, Quantity, Text, Value

MAX_LINES: Final = 80
MAX_TOTAL: Final = 10**15
MAX_EDITS: Final = 50

type OrderStatus = Literal["awaiting_approval", "received", "confirmed", "in_progress", "shipped", "cancelled", "rejected"]
type OrderSource = Literal["portal", "fast_order", "offer", "api", "inventory_source"]
type Move = Literal["confirm", "start", "ship", "cancel", "approve", "reject"]
type Id = Annotated[str, Field(max_length=200)]

_EDITED: Final = (
    "billing_address",
    "shipping_address",
    "lines",
    "shipping_method_id",
    "shipping_cost",
    "shipping_override_reason",
    "payment_method_id",
)
"""What a change is noted of in the history."""
OPEN_TO_EDITS: Final[frozenset[OrderStatus]] = frozenset({"awaiting_approval", "received"})


class Deed(NamedTuple):
    """Who did something, for whom, and when."""

    actor: Party
    subject: Party
    at: datetime


class Transition(NamedTuple):
    """Who may make a move, from where, and where it leads.

    `by_buyer` are the states in which a buyer may make it, and the sales rep who placed the order for one.
    """

    needs: Permission
    sources: frozenset[OrderStatus]
    target: OrderStatus
    by_buyer: frozenset[OrderStatus] = frozenset()


TRANSITIONS: Final[Mapping[Move, Transition]] = {
    "approve": Transition(Permission.APPROVE_ORDERS, frozenset({"awaiting_approval"}), "received"),
    "reject": Transition(Permission.APPROVE_ORDERS, frozenset({"awaiting_approval"}), "rejected"),
    "confirm": Transition(Permission.UPDATE_ORDERS, frozenset({"received"}), "confirmed"),
    "start": Transition(Permission.UPDATE_ORDERS, frozenset({"confirmed"}), "in_progress"),
    "ship": Transition(Permission.UPDATE_ORDERS, frozenset({"in_progress"}), "shipped"),
    "cancel": Transition(
        Permission.MOVE_ORDERS,
        frozenset({"received", "confirmed", "in_progress"}),
        "cancelled",
        frozenset({"awaiting_approval", "received"}),
    ),
}


class Total(Money):
    """A sum of prices: larger than any one of them may be. Orders are held to `MAX_TOTAL`; their bills may come to more."""

    amount: Annotated[StrictInt, Field(ge=0, le=MAX_SUM)]


class NewLine(Value):
    """What is wanted of one product. A `unit_price` other than the listed one needs a `reason` and the right to set it."""

    product_number: ProductNumber
    quantity: Quantity
    unit_price: Price | None = None
    reason: Text | None = None


type NewLines = Annotated[tuple[NewLine, ...], Field(min_length=1, max_length=MAX_LINES)]


class Addressed(Value):
    """Where an order is billed and shipped to: addresses of the customer's list, by id, or others.

    Without a billing address the customer's default one is used; without a shipping address, the billing address.
    """

    billing_address_id: Id | None = None
    billing_address: PostalAddress | None = None
    shipping_address_id: Id | None = None
    shipping_address: PostalAddress | None = None


class NewOrder(Addressed):
    """An order as it is sent, to be previewed or placed.

    Sales reps name the customer and the employee they order for; buyers order as themselves. With `price_hash`, from a
    preview, nothing is placed at other prices than those shown. An API key may name the employee, and say in `source`
    whether the order comes from its own system (`api`) or from its inventory (`inventory_source`).
    """

    customer_id: Id | None = None
    employee_id: Id | None = None
    lines: NewLines
    shipping_method_id: Id
    shipping_cost: Price | None = None
    shipping_reason: Text | None = None
    payment_method_id: Id
    price_hash: Id | None = None
    source: OrderSource | None = None


class OrderChange(Addressed):
    """What to change in an order that is not confirmed yet; a field that is not sent stays, addresses too.

    `lines` replaces all lines. A product that was ordered before keeps its price, one that is added gets its listed
    price, and `unit_price` sets another one. A new shipping method brings its cost unless `shipping_cost` is sent too.
    What a sales rep prices below its limits has to be approved, also where it had been before at another price.
    """

    lines: NewLines | None = None
    shipping_method_id: Id | None = None
    shipping_cost: Price | None = None
    shipping_reason: Text | None = None
    payment_method_id: Id | None = None


class OrderLine(Value):
    """One product of an order: as it was called and listed then, and what it was sold for."""

    product_number: str
    name: str
    quantity: Quantity
    list_price: Price
    unit_price: Price
    total: Total
    override_reason: str | None = None


class HistoryEntry(Value):
    """One step of an order, or a change of the fields named in `changed`, after which it may have to wait for approval."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    at: Instant
    actor: Party
    subject: Party
    from_status: Annotated[OrderStatus, Field(alias="from")]
    to: OrderStatus
    note: str | None = None
    changed: tuple[str, ...] = ()


class Quote(Value):
    """What an order would be if it were placed now, and what of it would have to be approved."""

    customer_id: str
    price_tier_id: str | None
    billing_address: PostalAddress
    shipping_address: PostalAddress
    lines: tuple[OrderLine, ...]
    subtotal: Total
    list_shipping_cost: Price
    shipping_cost: Price
    shipping_override_reason: str | None = None
    tax: Price
    total: Total
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: Literal["instant", "net_terms"]
    approval: Approval | None = None

    @property
    def status(self) -> OrderStatus:
        """The state that the order would begin in."""
        return "awaiting_approval" if self.approval else "received"

    @property
    def price_hash(self) -> str:
        """What stands for everything that was said about prices: those to be paid, and the listed ones beside them."""
        lines = [
            [number_key(line.product_number), line.quantity, line.list_price.amount, line.unit_price.amount]
            for line in self.lines
        ]
        shipping = [self.list_shipping_cost.amount, self.shipping_cost.amount]
        return digest(json.dumps([lines, shipping, self.tax.amount, self.total.amount, self.total.currency]))


class Order(Entity):
    """An order. Prices, names and addresses stay as they were placed when they change elsewhere.

    `approval` is what has to be approved while it waits for that, `offer_id` the offer that it was accepted from.
    """

    entity: ClassVar = "order"

    id: str
    store_id: str
    number: str
    status: OrderStatus
    source: OrderSource
    customer_id: str
    customer_number: str
    customer_name: str
    employee_id: str
    actor: Party
    subject: Party
    price_tier_id: str | None
    billing_address: PostalAddress
    shipping_address: PostalAddress
    lines: tuple[OrderLine, ...]
    subtotal: Total
    list_shipping_cost: Price
    shipping_cost: Price
    shipping_override_reason: str | None = None
    tax: Price
    total: Total
    shipping_method_id: str
    shipping_method_name: str
    payment_method_id: str
    payment_method_name: str
    payment_kind: Literal["instant", "net_terms"]
    approval: Approval | None = None
    offer_id: str | None = None
    placed_at: Instant
    history: tuple[HistoryEntry, ...] = ()

    def line(self, number: str) -> OrderLine | None:
        """Return the line of a product; None if it is not ordered."""
        return next((line for line in self.lines if number_key(line.product_number) == number_key(number)), None)

    @property
    def is_known_to_buyer(self) -> bool:
        """Whether the buyer was told of it, as it is as soon as nothing of it waits for approval."""
        return "received" in {self.status, *(entry.from_status for entry in self.history)}

    def was_priced_by(self, who: Party) -> bool:
        """Tell whether somebody placed or changed it."""
        return who.id in {self.actor.id, *(entry.actor.id for entry in self.history if entry.changed)}


def refuse_overrides(new: NewOrder) -> None:
    """Keep prices locked: buyers pay what is listed. Raises `ForbiddenError`."""
    pointers = [f"/{name}" for name in ("shipping_cost", "shipping_reason") if getattr(new, name) is not None]
    for index, line in enumerate(new.lines):
        pointers += [f"/lines/{index}/{name}" for name in ("unit_price", "reason") if getattr(line, name) is not None]
    if pointers:
        raise ForbiddenError(
            "price_locked", "Prices and shipping costs are the store's to set. Leave them out.", pointers=pointers
        )


def quote(
    new: NewOrder,
    *,
    store: Store,
    customer: Customer,
    products: Mapping[str, Product],
    options: CheckoutOptions,
    limits: OverrideLimits | None,
) -> Quote:
    """Tell what an order comes to, and whether it is within the `limits` of whoever prices it.

    `products` are those that exist, by `number_key`. Raises `InvalidError`.
    """
    tier_id = store.tier_of(customer)
    lines = _lines(new.lines, store, lambda number: _listed(products.get(number_key(number)), tier_id))
    billing, shipping = addresses(new, customer)
    shipping_method = _shipping_method(options, new.shipping_method_id)
    payment_method = _payment_method(options, new.payment_method_id)
    shipping_cost = _shipping_cost(new, _cost_of(shipping_method), store)
    quoted = Quote(
        customer_id=customer.id,
        price_tier_id=tier_id,
        billing_address=billing,
        shipping_address=shipping,
        lines=lines,
        **shipping_cost._asdict(),
        **_sums(lines, shipping_cost.shipping_cost),
        **_shipped_by(shipping_method),
        **_paid_by(payment_method),
    )
    too_low = _too_low(quoted, limits)
    return quoted.model_copy(update={"approval": Approval(required_by=too_low)}) if too_low else quoted


def place(
    quoted: Quote,
    *,
    order_id: str,
    number: str,
    customer: Customer,
    employee_id: str,
    source: OrderSource,
    by: Deed,
    offer_id: str | None = None,
) -> Order:
    """Turn a quote into an order, which waits if something of it has to be approved."""
    return Order(
        **dict(quoted),
        id=order_id,
        store_id=customer.store_id,
        number=number,
        status=quoted.status,
        source=source,
        customer_number=customer.number,
        customer_name=customer.name,
        employee_id=employee_id,
        actor=by.actor,
        subject=by.subject,
        offer_id=offer_id,
        placed_at=by.at,
    )


def edit(
    order: Order,
    change: OrderChange,
    *,
    store: Store,
    customer: Customer | None,
    products: Mapping[str, Product],
    options: CheckoutOptions,
    limits: OverrideLimits | None,
    by: Deed,
) -> Order:
    """Change an order, and its totals with it; beyond the `limits` it waits for approval. Nothing changed is the same order.

    `customer` is needed only where an address is picked from its list. Raises `ConflictError` once it is confirmed.
    """
    _must_be_open_to_edits(order)

    def find(number: str) -> _Found:
        kept = order.line(number)
        return _kept(kept) if kept else _listed(products.get(number_key(number)), order.price_tier_id)

    fields: dict[str, Any] = {}
    if change.lines is not None:
        fields["lines"] = _lines(change.lines, store, find)
    for name in ("billing_address", "shipping_address"):
        address = _address(customer, getattr(change, f"{name}_id"), getattr(change, name), name)
        fields |= {name: address} if address else {}
    cost = _ShippingCost(order.list_shipping_cost, order.shipping_cost, order.shipping_override_reason)
    if change.shipping_method_id not in {None, order.shipping_method_id}:
        method = _shipping_method(options, change.shipping_method_id or "")
        fields |= _shipped_by(method)
        cost = _cost_of(method)
    if change.payment_method_id not in {None, order.payment_method_id}:
        fields |= _paid_by(_payment_method(options, change.payment_method_id or ""))
    edited = order.model_copy(update={**fields, **_shipping_cost(change, cost, store)._asdict()})
    edited = edited.model_copy(update=_sums(edited.lines, edited.shipping_cost))
    changed = tuple(name for name in _EDITED if getattr(edited, name) != getattr(order, name))
    if not changed:
        return order
    too_low = _too_low(edited, limits, before=order)
    waits = bool(too_low) or order.status == "awaiting_approval"
    status: OrderStatus = "awaiting_approval" if waits else order.status
    entry = HistoryEntry(**by._asdict(), from_status=order.status, to=status, changed=changed)
    approval = Approval(required_by=too_low) if waits else None
    return edited.model_copy(update={"status": status, "approval": approval, "history": (*order.history, entry)})


def moves_from(order: Order, who: Party, grants: frozenset[Permission]) -> list[Move]:
    """Return the moves of an order that are open to somebody who is granted certain permissions."""
    return [step for step in TRANSITIONS if _is_open(step, order, who, grants) and not _is_own(step, order, who, grants)]


def move(order: Order, step: Move, *, grants: frozenset[Permission], by: Deed, note: str | None = None) -> Order:
    """Move an order to its next state.

    Raises `ConflictError` if there is no such move from where it is, `ForbiddenError` for approving one's own prices.
    """
    if not _is_open(step, order, by.actor, grants):
        possible = moves_from(order, by.actor, grants)
        said = f"An order that is {order.status.replace('_', ' ')} cannot be moved by “{step}”."
        raise ConflictError("invalid_transition", said, order_status=order.status, allowed_transitions=possible)
    if _is_own(step, order, by.actor, grants):
        raise ForbiddenError("own_order", "You placed or changed this order yourself: somebody else has to approve it.")
    target = TRANSITIONS[step].target
    entry = HistoryEntry(**by._asdict(), from_status=order.status, to=target, note=note)
    update = {"status": target, "history": (*order.history, entry), **({"approval": None} if step == "approve" else {})}
    return order.model_copy(update=update)


def _is_open(step: Move, order: Order, who: Party, grants: frozenset[Permission]) -> bool:
    transition = TRANSITIONS[step]
    if transition.needs not in grants:
        return False
    by_store = Permission.UPDATE_ORDERS in grants and order.status in transition.sources
    by_buyer = Permission.UPDATE_ORDERS not in grants or order.actor.id == who.id
    return by_store or (by_buyer and order.status in transition.by_buyer)


def _is_own(step: Move, order: Order, who: Party, grants: frozenset[Permission]) -> bool:
    """Tell whether somebody would approve its own prices, whom the limits hold for."""
    return step == "approve" and Permission.SET_ANY_PRICE not in grants and order.was_priced_by(who)


def _must_be_open_to_edits(order: Order) -> None:
    """Refuse changes once the order is confirmed. Raises `ConflictError`."""
    if order.status not in OPEN_TO_EDITS:
        raise ConflictError("order_locked", "An order can be changed until it is confirmed.", order_status=order.status)
    if sum(1 for entry in order.history if entry.changed) >= MAX_EDITS:
        raise ConflictError("too_many_changes", f"An order can be changed {MAX_EDITS} times. Cancel it and place a new one.")


class _Offered(NamedTuple):
    """A product at the prices that a line of it begins with."""

    number: str
    name: str
    list_price: Price
    unit_price: Price
    reason: str | None = None


type _Found = _Offered | Literal["unknown_product", "not_priced"]

_REFUSALS: Final = {
    "unknown_product": "is not a product of this store",
    "not_priced": "has no price for this customer",
}


def _listed(product: Product | None, tier_id: str | None) -> _Found:
    if product is None or not product.active:
        return "unknown_product"
    price = product.price_in(tier_id)
    return _Offered(product.number, product.name, price, price) if price else "not_priced"


def _kept(line: OrderLine) -> _Offered:
    return _Offered(line.product_number, line.name, line.list_price, line.unit_price, line.override_reason)


def _lines(wanted: Sequence[NewLine], store: Store, find: Callable[[str], _Found]) -> tuple[OrderLine, ...]:
    """Price every line, or refuse all: every fault is named, and the first one gives the code."""
    lines: list[OrderLine] = []
    faults: list[tuple[str, Fault]] = []
    seen: set[str] = set()
    for index, line in enumerate(wanted):
        pointer = f"/lines/{index}"
        number = number_key(line.product_number)
        found = find(line.product_number)
        if number in seen:
            faults.append(("duplicate_product", Fault(f"{pointer}/product_number", "is ordered on another line already")))
        elif isinstance(found, str):
            faults.append((found, Fault(f"{pointer}/product_number", _REFUSALS[found])))
        else:
            try:
                lines.append(_line(line, found, pointer, store))
            except InvalidError as error:
                faults += [(error.code, fault) for fault in error.faults]
        seen.add(number)
    if faults:
        raise InvalidError(*(fault for _, fault in faults), code=faults[0][0])
    return tuple(lines)


def _line(wanted: NewLine, offered: _Offered, pointer: str, store: Store) -> OrderLine:
    price, reason = offered.unit_price, offered.reason
    if wanted.unit_price is not None:
        store.must_trade_in(wanted.unit_price.currency, f"{pointer}/unit_price/currency")
        price, reason = wanted.unit_price, wanted.reason
        if price == offered.list_price:
            reason = None
        elif price == offered.unit_price:
            reason = reason or offered.reason
        elif reason is None:
            raise InvalidError(
                Fault(f"{pointer}/reason", "is needed for a price other than the listed one"), code="reason_required"
            )
    elif wanted.reason is not None:
        raise InvalidError(Fault(f"{pointer}/reason", "explains a unit_price, and there is none"))
    return OrderLine(
        product_number=offered.number,
        name=offered.name,
        quantity=wanted.quantity,
        list_price=offered.list_price,
        unit_price=price,
        total=_total([price.amount * wanted.quantity], store.currency, f"{pointer}/quantity"),
        override_reason=reason,
    )


def _sums(lines: Sequence[OrderLine], shipping_cost: Price) -> dict[str, Any]:
    currency = shipping_cost.currency
    subtotal = _total((line.total.amount for line in lines), currency, "/lines")
    tax = Price(amount=0, currency=currency)
    total = _total([subtotal.amount, shipping_cost.amount, tax.amount], currency, "/lines")
    return {"subtotal": subtotal, "tax": tax, "total": total}


def _total(amounts: Iterable[int], currency: str, pointer: str) -> Total:
    amount = sum(amounts)
    if amount > MAX_TOTAL:
        raise InvalidError(Fault(pointer, "makes the total larger than an order can be"), code="total_too_large")
    return Total(amount=amount, currency=currency)


def addresses(wanted: Addressed, customer: Customer) -> tuple[PostalAddress, PostalAddress]:
    """Return where an order is billed and shipped to. Raises `InvalidError` for addresses the customer does not have."""
    billing = _address(customer, wanted.billing_address_id, wanted.billing_address, "billing_address")
    billing = billing or _default_billing(customer)
    return billing, _address(customer, wanted.shipping_address_id, wanted.shipping_address, "shipping_address") or billing


def _address(
    customer: Customer | None, address_id: str | None, custom: PostalAddress | None, name: str
) -> PostalAddress | None:
    if address_id is not None and custom is not None:
        raise InvalidError(Fault(f"/{name}", f"is given twice: send {name} or {name}_id"))
    if address_id is None or customer is None:
        return custom
    return _postal(customer.address(address_id, f"/{name}_id"))


def _default_billing(customer: Customer) -> PostalAddress:
    for address in customer.addresses:
        if address.default_billing:
            return _postal(address)
    raise InvalidError(
        Fault("/billing_address", "is required: this customer has no address yet"), code="billing_address_required"
    )


def _postal(address: PostalAddress) -> PostalAddress:
    return PostalAddress.model_validate({name: getattr(address, name) for name in PostalAddress.model_fields})


def _shipping_method(options: CheckoutOptions, method_id: str) -> ShippingMethod:
    for method in options.shipping_methods:
        if method.id == method_id:
            return method
    raise InvalidError(Fault("/shipping_method_id", "is not a shipping method of this store"), code="unknown_shipping_method")


def _payment_method(options: CheckoutOptions, method_id: str) -> PaymentMethod:
    for method in options.payment_methods:
        if method.id == method_id:
            return method
    raise InvalidError(Fault("/payment_method_id", "is not a payment method of this store"), code="unknown_payment_method")


class _ShippingCost(NamedTuple):
    """What shipping costs: as it is listed, as it is charged, and why if that is not the same."""

    list_shipping_cost: Price
    shipping_cost: Price
    shipping_override_reason: str | None = None


def _cost_of(method: ShippingMethod) -> _ShippingCost:
    return _ShippingCost(method.cost, method.cost)


def _shipping_cost(wanted: NewOrder | OrderChange, offered: _ShippingCost, store: Store) -> _ShippingCost:
    cost, reason = wanted.shipping_cost, wanted.shipping_reason
    if cost is None:
        if reason is not None:
            raise InvalidError(Fault("/shipping_reason", "explains a shipping_cost, and there is none"))
        return offered
    store.must_trade_in(cost.currency, "/shipping_cost/currency")
    if cost == offered.list_shipping_cost:
        return offered._replace(shipping_cost=cost, shipping_override_reason=None)
    if cost == offered.shipping_cost:
        reason = reason or offered.shipping_override_reason
    return offered._replace(shipping_cost=cost, shipping_override_reason=reason)


class _Priced(NamedTuple):
    """Something that has a price in an order: what it is, and where its price stands. The floor holds for products alone."""

    what: tuple[str, str]
    pointer: str
    listed: Price
    given: Price


def _priced(order: Quote | Order) -> Iterator[_Priced]:
    for index, line in enumerate(order.lines):
        product = ("product", number_key(line.product_number))
        yield _Priced(product, f"/lines/{index}/unit_price", line.list_price, line.unit_price)
    yield _Priced(("shipping", order.shipping_method_id), "/shipping_cost", order.list_shipping_cost, order.shipping_cost)


def _too_low(order: Quote | Order, limits: OverrideLimits | None, before: Order | None = None) -> tuple[Excess, ...]:
    """Return the prices that are further below the list than the limits allow.

    One that the order had `before` is not looked at again: it is agreed upon, unless it was still waiting for approval.
    """
    had = {priced.what: priced for priced in _priced(before)} if before else {}
    waiting = {excess.pointer: excess for excess in before.approval.required_by} if before and before.approval else {}
    found: list[Excess] = []
    for what, pointer, listed, given in _priced(order):
        if what in had and had[what].given == given:
            if had[what].pointer in waiting:
                found.append(waiting[had[what].pointer].model_copy(update={"pointer": pointer}))
        elif limits:
            lowest = lowest_price(listed, limits, floored=what[0] == "product")
            if given.amount < lowest.amount:
                found.append(Excess(pointer=pointer, listed=listed, given=given, lowest=lowest))
    return tuple(found)


def _shipped_by(method: ShippingMethod) -> dict[str, Any]:
    return {"shipping_method_id": method.id, "shipping_method_name": method.name}


def _paid_by(method: PaymentMethod) -> dict[str, Any]:
    return {"payment_method_id": method.id, "payment_method_name": method.name, "payment_kind": method.kind}
