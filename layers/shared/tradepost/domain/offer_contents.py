"""What an offer says: lines of several kinds, some of them optional, shipping and payment, and what a choice comes to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, StrictBool, StrictInt

from tradepost.domain.catalog import Product, ProductNumber, number_key
from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.orders import MAX_LINES, MAX_TOTAL, OrderLine, Quote, Total
from tradepost.domain.overrides import WHOLE, Excess, lowest_price
from tradepost.domain.stores import CheckoutOptions, OverrideLimits, PaymentMethod, ShippingMethod, Store
from tradepost.domain.values import LongText, Price, Quantity, Reference, Text, Value

type LineKind = Literal["product", "text", "heading", "subtotal"]
type LineId = Annotated[str, Field(max_length=20)]
type Discount = Annotated[StrictInt, Field(ge=0, le=WHOLE)]

LARGEST_CONTENT: Final = 60_000
"""In bytes. An item holds 400 KB: what was asked for, what was sent, the draft of the next version, and the history."""
_OF_PRODUCTS: Final = ("product_number", "quantity", "unit_price", "discount_percent", "reason")
"""What only a line about a product may say."""


class NewOfferLine(Value):
    """A line of an offer as it is sent; one that was there before is named by its `id`.

    A `product` line needs `product_number` and `quantity`; its price is the listed one or `unit_price`, less
    `discount_percent`. `text` and `heading` lines need `text`, a `subtotal` adds up what stands above it since the one before.
    Only product lines are `optional`; `selected` is whether the customer begins with such a line chosen.
    """

    id: LineId | None = None
    kind: LineKind = "product"
    product_number: ProductNumber | None = None
    quantity: Quantity | None = None
    unit_price: Price | None = None
    discount_percent: Discount | None = None
    reason: Text | None = None
    text: LongText | None = None
    optional: StrictBool = False
    selected: StrictBool | None = None


type NewOfferLines = Annotated[tuple[NewOfferLine, ...], Field(min_length=1, max_length=MAX_LINES)]


class OfferLine(Value):
    """A line of an offer. Prices are of one; `net_price` is `unit_price` less the discount, `total` that times the quantity.

    The `total` of a subtotal is that of the chosen lines above it since the one before.
    """

    id: str
    kind: LineKind
    optional: bool = False
    selected: bool = True
    text: str | None = None
    product_number: str | None = None
    name: str | None = None
    quantity: Quantity | None = None
    list_price: Price | None = None
    unit_price: Price | None = None
    discount_percent: int = 0
    net_price: Price | None = None
    total: Total | None = None
    reason: str | None = None


class Totals(Value):
    """What a choice of lines comes to."""

    subtotal: Total
    shipping_cost: Price
    tax: Price
    total: Total


class OfferContent(Value):
    """What one version of an offer says, at the prices of `price_tier_id` and those that were given."""

    lines: tuple[OfferLine, ...]
    header_text: str | None = None
    footer_text: str | None = None
    message: str | None = None
    price_tier_id: str | None = None
    shipping_method_id: str | None = None
    shipping_method_name: str | None = None
    list_shipping_cost: Price
    shipping_cost: Price
    shipping_override_reason: str | None = None
    payment_method_id: str | None = None
    payment_method_name: str | None = None
    payment_kind: Literal["instant", "net_terms"] | None = None

    @property
    def products(self) -> list[OfferLine]:
        """The lines about products."""
        return [line for line in self.lines if line.kind == "product"]

    @property
    def optional(self) -> frozenset[str]:
        """The optional lines."""
        return frozenset(line.id for line in self.lines if line.optional)

    @property
    def preselected(self) -> frozenset[str]:
        """The optional lines that the customer begins with."""
        return frozenset(line.id for line in self.lines if line.optional and line.selected)

    def chosen(self, optional_lines: Sequence[str] | None, pointer: str = "/optional_lines") -> frozenset[str]:
        """Return a choice of optional lines; None is what is preselected. Raises `InvalidError` for what cannot be chosen."""
        if optional_lines is None:
            return self.preselected
        lines, seen = {line.id: line for line in self.lines}, set[str]()
        faults = []
        for index, line_id in enumerate(optional_lines):
            where = f"{pointer}/{index}" if pointer.startswith("/") else pointer
            if line_id not in lines:
                faults.append(("unknown_line", Fault(where, "is not a line of this version of the offer")))
            elif not lines[line_id].optional:
                faults.append(("line_not_optional", Fault(where, "is not optional: it is part of the offer anyway")))
            elif line_id in seen:
                faults.append(("duplicate_line", Fault(where, "is named twice")))
            seen.add(line_id)
        _raise(faults)
        return frozenset(seen)

    def lines_with(self, chosen: frozenset[str]) -> tuple[OfferLine, ...]:
        """Return the lines as they are with a choice, subtotals worked out."""
        return tuple(_worked_out(self.lines, chosen, self.shipping_cost.currency))

    def sold_with(self, chosen: frozenset[str]) -> list[OfferLine]:
        """Return the lines about products that a choice leaves."""
        return [line for line in self.products if not line.optional or line.id in chosen]

    def totals_with(self, chosen: frozenset[str]) -> Totals:
        """Return what a choice comes to."""
        currency = self.shipping_cost.currency
        subtotal = sum(_amount(line) for line in self.sold_with(chosen))
        return Totals(
            subtotal=Total(amount=subtotal, currency=currency),
            shipping_cost=self.shipping_cost,
            tax=Price(amount=0, currency=currency),
            total=Total(amount=subtotal + self.shipping_cost.amount, currency=currency),
        )


class ContentFields(Value):
    """What whoever makes an offer decides about its content; a field that is not sent stays, or is the store's default."""

    lines: NewOfferLines | None = None
    header_text: LongText | None = None
    footer_text: LongText | None = None
    message: LongText | None = None
    shipping_method_id: Reference | None = None
    shipping_cost: Price | None = None
    shipping_reason: Text | None = None
    payment_method_id: Reference | None = None


class Terms(NamedTuple):
    """What an offer is composed from: the store, the customer, the products by `number_key`, the ways to ship and to pay."""

    store: Store
    customer: Customer
    products: Mapping[str, Product]
    options: CheckoutOptions

    @property
    def price_tier_id(self) -> str | None:
        """The tier whose prices are listed for the customer."""
        return self.store.tier_of(self.customer)


def composed(fields: ContentFields, before: OfferContent | None, terms: Terms) -> OfferContent:
    """Return what an offer says with some fields changed. Raises `InvalidError`, naming every fault of the lines.

    Products are listed at what they cost now; one that was offered before and is not to be had any more stays as it was.
    """
    content = before or _begun(terms)
    change: dict[str, Any] = {
        name: getattr(fields, name) or None
        for name in ("header_text", "footer_text", "message")
        if name in fields.model_fields_set
    }
    if fields.lines is not None:
        change |= {"lines": _lines(fields.lines, content, terms), "price_tier_id": terms.price_tier_id}
    change |= _shipping(fields, content, terms) | _payment(fields, terms)
    composed = content.model_copy(update=change)
    _must_be_payable(composed)
    if len(composed.model_dump_json().encode()) > LARGEST_CONTENT:
        raise InvalidError(Fault("/lines", "is more text than an offer can hold"), code="offer_too_large")
    return composed


def cloned(content: OfferContent, terms: Terms) -> OfferContent:
    """Return what a copy of an offer says, at today's list prices where none was given.

    What is not to be had any more is left as a line of text, and a way to ship or to pay that is not gives way to the first.
    """
    shipping_ids = {method.id for method in terms.options.shipping_methods}
    payment_ids = {method.id for method in terms.options.payment_methods}
    is_shipped = content.shipping_method_id in shipping_ids
    overridden = content.shipping_cost != content.list_shipping_cost
    fields: dict[str, Any] = {
        "lines": tuple(_copied(line, terms) for line in content.lines),
        "header_text": content.header_text,
        "footer_text": content.footer_text,
        "message": content.message,
        "shipping_method_id": content.shipping_method_id if is_shipped else None,
        "shipping_cost": content.shipping_cost if overridden else None,
        "shipping_reason": content.shipping_override_reason if overridden else None,
        "payment_method_id": content.payment_method_id if content.payment_method_id in payment_ids else None,
    }
    return composed(ContentFields(**{name: value for name, value in fields.items() if value is not None}), None, terms)


def _copied(line: OfferLine, terms: Terms) -> NewOfferLine:
    if line.kind != "product":
        return NewOfferLine(kind=line.kind, text=line.text)
    product = terms.products.get(number_key(line.product_number or ""))
    if product is None or not product.active or product.price_in(terms.price_tier_id) is None:
        return NewOfferLine(kind="text", text=f"Not to be had any more: {line.name} ({line.product_number})")
    return NewOfferLine(
        kind="product",
        product_number=line.product_number,
        quantity=line.quantity,
        unit_price=None if line.unit_price == line.list_price else line.unit_price,
        discount_percent=line.discount_percent or None,
        reason=line.reason,
        text=line.text,
        optional=line.optional,
        selected=line.selected if line.optional else None,
    )


def relisted(content: OfferContent, terms: Terms) -> OfferContent:
    """Return what an offer says beside today's list prices. What it offers its lines at stays as it was written."""
    lines = []
    for line in content.lines:
        product = terms.products.get(number_key(line.product_number or ""))
        listed = product.price_in(terms.price_tier_id) if product else None
        lines.append(line.model_copy(update={"list_price": listed}) if listed else line)
    return content.model_copy(update={"lines": tuple(lines), "price_tier_id": terms.price_tier_id})


def too_low(content: OfferContent, limits: OverrideLimits | None, agreed: OfferContent | None) -> tuple[Excess, ...]:
    """Return the prices that are further below the list than the limits allow, but for those that were `agreed` already."""
    if limits is None:
        return ()
    before = {priced.what: priced.given for priced in _priced(agreed)} if agreed else {}
    found = []
    for what, pointer, listed, given in _priced(content):
        lowest = lowest_price(listed, limits, floored=what[0] == "product")
        if given.amount < lowest.amount and before.get(what) != given:
            found.append(Excess(pointer=pointer, listed=listed, given=given, lowest=lowest))
    return tuple(found)


class Billing(NamedTuple):
    """Where an accepted offer is billed and shipped to, and how it is paid; None is what the offer says."""

    billing_address: PostalAddress
    shipping_address: PostalAddress
    payment_method: PaymentMethod | None = None


def quoted(content: OfferContent, chosen: frozenset[str], *, customer_id: str, number: str, billing: Billing) -> Quote:
    """Return what an accepted offer is ordered as: the chosen lines at the offer's prices.

    Raises `InvalidError` if no product is chosen, or the offer does not say how it is shipped and paid.
    """
    lines = content.sold_with(chosen)
    if not lines:
        raise InvalidError(Fault("/optional_lines", "leaves no product to order"), code="nothing_chosen")
    payment = billing.payment_method
    payment_fields = _paid_by(payment) if payment else {name: getattr(content, name) for name in _PAYMENT}
    missing = [
        Fault(f"/{name}", "is not known: the offer does not say it")
        for name in ("shipping_method_id", "payment_method_id")
        if {**content.model_dump(include={"shipping_method_id"}), **payment_fields}[name] is None
    ]
    if missing:
        raise InvalidError(*missing, code="offer_incomplete")
    totals = content.totals_with(chosen)
    return Quote.model_validate(
        {
            "customer_id": customer_id,
            "price_tier_id": content.price_tier_id,
            "billing_address": billing.billing_address,
            "shipping_address": billing.shipping_address,
            "lines": [_order_line(line, number) for line in lines],
            "shipping_method_id": content.shipping_method_id,
            "shipping_method_name": content.shipping_method_name,
            "list_shipping_cost": content.list_shipping_cost,
            "shipping_override_reason": content.shipping_override_reason,
            **payment_fields,
            **dict(totals),
        }
    )


_PAYMENT: Final = ("payment_method_id", "payment_method_name", "payment_kind")


def _begun(terms: Terms) -> OfferContent:
    """Return an offer that says nothing yet, shipped and paid in the first way that the store offers."""
    free = Price(amount=0, currency=terms.store.currency)
    shipping = next(iter(terms.options.shipping_methods), None)
    payment = next(iter(terms.options.payment_methods), None)
    return OfferContent(
        lines=(),
        price_tier_id=terms.price_tier_id,
        **(_shipped_by(shipping) if shipping else {"list_shipping_cost": free, "shipping_cost": free}),
        **(_paid_by(payment) if payment else {}),
    )


def _lines(wanted: Sequence[NewOfferLine], before: OfferContent, terms: Terms) -> tuple[OfferLine, ...]:
    """Price every line, or refuse all: every fault is named, and the first one gives the code."""
    known, numbered = {line.id for line in before.lines}, _new_ids(before.lines)
    lines: list[OfferLine] = []
    faults: list[tuple[str, Fault]] = []
    seen, ids = set[str](), set[str]()
    for index, line in enumerate(wanted):
        pointer = f"/lines/{index}"
        found = list(_misfits(line, pointer))
        if line.id is not None and (line.id not in known or line.id in ids):
            found.append(("unknown_line", Fault(f"{pointer}/id", "is not a line of this offer, or named twice")))
        number = number_key(line.product_number or "")
        if line.product_number and number in seen:
            found.append(("duplicate_product", Fault(f"{pointer}/product_number", "is offered on another line already")))
        ids.update(filter(None, [line.id]))
        seen.update(filter(None, [number]))
        faults += found
        if found:
            continue
        line_id = line.id or next(numbered)
        if line.kind != "product":
            lines.append(OfferLine(id=line_id, kind=line.kind, text=line.text))
            continue
        try:
            lines.append(_product_line(line, line_id, pointer, before, terms))
        except InvalidError as error:
            faults += [(error.code, fault) for fault in error.faults]
    _raise(faults)
    return tuple(lines)


def _misfits(line: NewOfferLine, pointer: str) -> Iterator[tuple[str, Fault]]:
    """Return what a line of its kind lacks, and what does not belong to it."""
    needed = {"product": ("product_number", "quantity"), "text": ("text",), "heading": ("text",), "subtotal": ()}[line.kind]
    for name in needed:
        if not getattr(line, name):
            yield "invalid", Fault(f"{pointer}/{name}", f"is required for a {line.kind} line")
    if line.kind != "product":
        strangers = [name for name in _OF_PRODUCTS if getattr(line, name) is not None]
        strangers += ["optional"] * line.optional + ["selected"] * (line.selected is not None)
        for name in strangers:
            yield "invalid", Fault(f"{pointer}/{name}", f"does not belong to a {line.kind} line")
    elif line.selected is False and not line.optional:
        yield "invalid", Fault(f"{pointer}/selected", "can be false for an optional line only")


def _product_line(line: NewOfferLine, line_id: str, pointer: str, before: OfferContent, terms: Terms) -> OfferLine:
    number, currency = line.product_number or "", terms.store.currency
    product = terms.products.get(number_key(number))
    kept = next((each for each in before.products if number_key(each.product_number or "") == number_key(number)), None)
    if product is not None and product.active:
        listed, name, number = product.price_in(terms.price_tier_id), product.name, product.number
    elif kept:
        listed, name, number = kept.list_price, kept.name or "", kept.product_number or ""
    else:
        raise InvalidError(Fault(f"{pointer}/product_number", "is not a product of this store"), code="unknown_product")
    if line.unit_price:
        terms.store.must_trade_in(line.unit_price.currency, f"{pointer}/unit_price/currency")
    if listed is None:
        raise InvalidError(Fault(f"{pointer}/product_number", "has no price for this customer"), code="not_priced")
    unit_price, discount, quantity = line.unit_price or listed, line.discount_percent or 0, line.quantity or 0
    net_price = unit_price.model_copy(update={"amount": (unit_price.amount * (WHOLE - discount) + WHOLE // 2) // WHOLE})
    total = net_price.amount * quantity
    if total > MAX_TOTAL:
        raise InvalidError(Fault(f"{pointer}/quantity", "makes the total larger than an offer can be"), code="total_too_large")
    return OfferLine(
        id=line_id,
        kind="product",
        optional=line.optional,
        selected=bool(line.selected) if line.optional else True,
        text=line.text or None,
        product_number=number,
        name=name,
        quantity=quantity,
        list_price=listed,
        unit_price=unit_price,
        discount_percent=discount,
        net_price=net_price,
        total=Total(amount=total, currency=currency),
        reason=line.reason,
    )


def _new_ids(lines: Iterable[OfferLine]) -> Iterator[str]:
    """Return ids for new lines: they go on counting from those that are there."""
    number = max((int(line.id[1:]) for line in lines), default=0)
    while True:
        number += 1
        yield f"L{number}"


def _shipping(fields: ContentFields, content: OfferContent, terms: Terms) -> dict[str, Any]:
    change: dict[str, Any] = {}
    if fields.shipping_method_id is not None and fields.shipping_method_id != content.shipping_method_id:
        method = next((each for each in terms.options.shipping_methods if each.id == fields.shipping_method_id), None)
        if method is None:
            fault = Fault("/shipping_method_id", "is not a shipping method of this store")
            raise InvalidError(fault, code="unknown_shipping_method")
        change |= _shipped_by(method)
    if fields.shipping_cost is None:
        if fields.shipping_reason is not None:
            raise InvalidError(Fault("/shipping_reason", "explains a shipping_cost, and there is none"))
        return change
    terms.store.must_trade_in(fields.shipping_cost.currency, "/shipping_cost/currency")
    listed = change.get("list_shipping_cost", content.list_shipping_cost)
    reason = None if fields.shipping_cost == listed else fields.shipping_reason
    return {**change, "shipping_cost": fields.shipping_cost, "shipping_override_reason": reason}


def _payment(fields: ContentFields, terms: Terms) -> dict[str, Any]:
    if fields.payment_method_id is None:
        return {}
    return _paid_by(payment_method(terms.options, fields.payment_method_id))


def payment_method(options: CheckoutOptions, method_id: str) -> PaymentMethod:
    """Return a way to pay that the store offers. Raises `InvalidError`."""
    for method in options.payment_methods:
        if method.id == method_id:
            return method
    raise InvalidError(Fault("/payment_method_id", "is not a payment method of this store"), code="unknown_payment_method")


def _shipped_by(method: ShippingMethod) -> dict[str, Any]:
    cost = {"list_shipping_cost": method.cost, "shipping_cost": method.cost, "shipping_override_reason": None}
    return {"shipping_method_id": method.id, "shipping_method_name": method.name, **cost}


def _paid_by(method: PaymentMethod) -> dict[str, Any]:
    return dict(zip(_PAYMENT, (method.id, method.name, method.kind), strict=True))


def _must_be_payable(content: OfferContent) -> None:
    """Refuse an offer of which some choice comes to more than an order can."""
    everything = sum(_amount(line) for line in content.products) + content.shipping_cost.amount
    if everything > MAX_TOTAL:
        raise InvalidError(Fault("/lines", "makes the total larger than an offer can be"), code="total_too_large")


def _worked_out(lines: Iterable[OfferLine], chosen: frozenset[str], currency: str) -> Iterator[OfferLine]:
    so_far = 0
    for line in lines:
        selected = not line.optional or line.id in chosen
        if line.kind == "subtotal":
            yield line.model_copy(update={"total": Total(amount=so_far, currency=currency)})
            so_far = 0
        else:
            so_far += _amount(line) if selected else 0
            yield line.model_copy(update={"selected": selected})


def _amount(line: OfferLine) -> int:
    return line.total.amount if line.total else 0


def _order_line(line: OfferLine, number: str) -> OrderLine:
    reason = None if line.net_price == line.list_price else line.reason or f"Offer {number}"
    fields = {"product_number": line.product_number, "name": line.name, "quantity": line.quantity}
    prices = {"list_price": line.list_price, "unit_price": line.net_price, "total": line.total}
    return OrderLine.model_validate({**fields, **prices, "override_reason": reason})


class _Priced(NamedTuple):
    """Something that has a price in an offer: what it is, where its price stands, and what it is listed and offered at."""

    what: tuple[str, str]
    pointer: str
    listed: Price
    given: Price


def _priced(content: OfferContent) -> Iterator[_Priced]:
    for index, line in enumerate(content.lines):
        if line.product_number and line.list_price and line.net_price:
            what = ("product", number_key(line.product_number))
            yield _Priced(what, f"/lines/{index}/unit_price", line.list_price, line.net_price)
    shipping = ("shipping", content.shipping_method_id or "")
    yield _Priced(shipping, "/shipping_cost", content.list_shipping_cost, content.shipping_cost)


def _raise(faults: Sequence[tuple[str, Fault]]) -> None:
    if faults:
        raise InvalidError(*(fault for _, fault in faults), code=faults[0][0])
