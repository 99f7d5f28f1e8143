"""Orders: sums that add up, prices that stay locked, and moves against a model of their own."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from tradepost.domain.catalog import Product, number_key
from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.customers import Address, Customer
from tradepost.domain.errors import ConflictError, ForbiddenError, InvalidError
from tradepost.domain.orders import (
    MAX_EDITS,
    MAX_LINES,
    MAX_TOTAL,
    Deed,
    Move,
    NewOrder,
    Order,
    OrderChange,
    OrderStatus,
    Quote,
    edit,
    move,
    moves_from,
    place,
    quote,
    refuse_overrides,
)
from tradepost.domain.overrides import lowest_price
from tradepost.domain.people import Party
from tradepost.domain.permissions import GRANTS, SUPERVISORS_GRANTS, Permission, Role
from tradepost.domain.stores import CheckoutOptions, OverrideLimits, PaymentMethod, ShippingMethod, Store
from tradepost.domain.values import MAX_AMOUNT, MAX_QUANTITY, Price

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OWNER = Party(type="member", id="acme.owner", name="Ola")
BUYER = Party(type="member", id="acme.buyer.c1", name="Ida")
BY_STORE, BY_BUYER = Deed(OWNER, OWNER, AT), Deed(BUYER, BUYER, AT)
MOVES: tuple[Move, ...] = get_args(Move.__value__)
STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus.__value__)
STORE = Store(
    slug="acme",
    name="Acme",
    currency="EUR",
    time_zone="Europe/Berlin",
    opened_at=AT,
    group_tiers={"g1": "t1", "g2": "t2"},
)
HARBOUR = Address(id="a1", street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE", default_billing=True)
MARKET = Address(
    id="a2", label="Shop", street="Market 1", postal_code="10115", city="Berlin", country="DE", default_shipping=True
)
CUSTOMER = Customer(
    id="c1", store_id="acme", number="C-1", name="Blue Door", group_id="g1", addresses=(HARBOUR, MARKET), created_at=AT
)


def euro(amount: int) -> Price:
    return Price(amount=amount, currency="EUR")


OPTIONS = CheckoutOptions(
    shipping_methods=(
        ShippingMethod(id="parcel", name="Parcel", cost=euro(590)),
        ShippingMethod(id="freight", name="Freight", cost=euro(4900)),
    ),
    payment_methods=(
        PaymentMethod(id="net30", name="Invoice", kind="net_terms"),
        PaymentMethod(id="card", name="Card", kind="instant"),
    ),
)


def product(number: str, amount: int = 1000, **fields: Any) -> Product:
    fields = {"prices": {"t1": euro(amount)}, **fields}
    return Product(number=number, name=f"Product {number}", created_at=AT, updated_at=AT, **fields)


def catalogue(*products: Product) -> dict[str, Product]:
    return {number_key(each.number): each for each in products}


def new_order(*lines: dict[str, Any], **fields: Any) -> NewOrder:
    body = {
        "lines": lines or [{"product_number": "A-1", "quantity": 2}],
        "shipping_method_id": "parcel",
        "payment_method_id": "net30",
    }
    return NewOrder.model_validate({**body, **fields})


def quoted(new: NewOrder, *products: Product, customer: Customer = CUSTOMER, limits: OverrideLimits | None = None) -> Quote:
    found = catalogue(*(products or [product("A-1")]))
    return quote(new, store=STORE, customer=customer, products=found, options=OPTIONS, limits=limits)


def an_order(
    *lines: dict[str, Any],
    status: OrderStatus | None = None,
    products: tuple[Product, ...] = (),
    limits: OverrideLimits | None = None,
    by: Deed = BY_BUYER,
    **fields: Any,
) -> Order:
    order = place(
        quoted(new_order(*lines, **fields), *products, limits=limits),
        order_id="o1",
        number="O-1",
        customer=CUSTOMER,
        employee_id="acme.buyer.c1",
        source="portal",
        by=by,
    )
    return order.model_copy(update={"status": status or order.status})


def edited(
    order: Order,
    *products: Product,
    customer: Customer | None = CUSTOMER,
    limits: OverrideLimits | None = None,
    by: Deed = BY_STORE,
    **change: Any,
) -> Order:
    return edit(
        order,
        OrderChange.model_validate(change),
        store=STORE,
        customer=customer,
        products=catalogue(*(products or [product("A-1")])),
        options=OPTIONS,
        limits=limits,
        by=by,
    )


def adds_up(order: Any) -> bool:
    each = all(line.total.amount == line.unit_price.amount * line.quantity for line in order.lines)
    lines = sum(line.total.amount for line in order.lines) == order.subtotal.amount
    whole = order.subtotal.amount + order.shipping_cost.amount + order.tax.amount == order.total.amount
    currencies = {money.currency for money in (order.subtotal, order.shipping_cost, order.tax, order.total)}
    return each and lines and whole and currencies == {"EUR"}


# Money

quantities = st.integers(1, MAX_QUANTITY)
amounts = st.integers(0, MAX_AMOUNT)


@given(st.lists(st.tuples(quantities, amounts), min_size=1, max_size=MAX_LINES), amounts)
def test_lines_sum_to_the_subtotal_and_with_shipping_and_tax_to_the_total(priced: list[tuple[int, int]], shipping: int) -> None:
    products = [product(f"P-{index}", amount) for index, (_, amount) in enumerate(priced)]
    lines = [{"product_number": f"P-{index}", "quantity": quantity} for index, (quantity, _) in enumerate(priced)]
    new = new_order(*lines, shipping_cost={"amount": shipping, "currency": "EUR"})
    expected = sum(quantity * amount for quantity, amount in priced) + shipping
    if expected > MAX_TOTAL:
        with pytest.raises(InvalidError) as refusal:
            quoted(new, *products)
        assert refusal.value.code == "total_too_large"
    else:
        result = quoted(new, *products)
        assert adds_up(result)
        assert result.total.amount == expected


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 10**6)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 1000), st.none() | st.integers(0, 10**6)), min_size=1, max_size=8),
    st.none() | st.integers(0, 10**6),
)
def test_totals_follow_every_change(
    before: list[tuple[int, int]], after: list[tuple[int, int, int | None]], shipping: int | None
) -> None:
    products = tuple(product(f"P-{index}", 100 + index) for index in range(13))
    ordered = [{"product_number": f"P-{index}", "quantity": quantity} for index, (quantity, _) in enumerate(before)]
    wanted = {
        index: {"product_number": f"p-{index}", "quantity": quantity}
        | ({} if price is None else {"unit_price": {"amount": price, "currency": "EUR"}, "reason": "agreed"})
        for index, quantity, price in after
    }
    cost: dict[str, Any] = {} if shipping is None else {"shipping_cost": {"amount": shipping, "currency": "EUR"}}
    order = an_order(*ordered, products=products)
    changed = edited(order, *products, lines=list(wanted.values()), **cost)
    assert adds_up(changed)
    assert [line.quantity for line in changed.lines] == [line["quantity"] for line in wanted.values()]
    assert [line.list_price.amount for line in changed.lines] == [100 + index for index in wanted]
    assert changed.shipping_cost.amount == (590 if shipping is None else shipping)


@pytest.mark.parametrize("quantity", [0, -1, 10**6 + 1, 10**12, True, "3", 1.5, 3.0, None])
def test_a_quantity_is_a_whole_number_from_one_to_a_million(quantity: Any) -> None:
    with pytest.raises(ValidationError):
        new_order({"product_number": "A-1", "quantity": quantity})


def test_an_order_has_one_to_eighty_lines() -> None:
    lines = [{"product_number": f"P-{index}", "quantity": 1} for index in range(MAX_LINES + 1)]
    assert len(new_order(*lines[:-1]).lines) == MAX_LINES
    for wrong in ([], lines):
        with pytest.raises(ValidationError):
            new_order(lines=wrong)


def test_the_total_cap_is_checked_per_line_and_for_the_sum() -> None:
    dear = [product(f"P-{index}", MAX_AMOUNT) for index in range(3)]
    with pytest.raises(InvalidError) as one_line:
        quoted(new_order({"product_number": "P-0", "quantity": 1001}), *dear)
    assert (one_line.value.code, one_line.value.faults[0].pointer) == ("total_too_large", "/lines/0/quantity")
    with pytest.raises(InvalidError) as together:
        quoted(new_order(*({"product_number": f"P-{index}", "quantity": 400} for index in range(3))), *dear)
    assert (together.value.code, together.value.faults[0].pointer) == ("total_too_large", "/lines")
    largest = quoted(new_order({"product_number": "P-0", "quantity": 999}), *dear)
    assert largest.total.amount == 999 * MAX_AMOUNT + 590


def test_the_price_hash_follows_what_was_said_of_prices_and_nothing_else() -> None:
    def hashed(*lines: dict[str, Any], amount: int = 1000, **fields: Any) -> str:
        return str(quoted(new_order(*lines, **fields), product("A-1", amount), product("B-2")).price_hash)

    same = hashed()
    assert hashed({"product_number": "a-1", "quantity": 2}, billing_address_id="a2", payment_method_id="card") == same
    given = {"product_number": "A-1", "quantity": 2, "unit_price": {"amount": 900, "currency": "EUR"}, "reason": "Last"}
    free = {"shipping_cost": {"amount": 0, "currency": "EUR"}}
    others = [
        hashed({"product_number": "A-1", "quantity": 3}),
        hashed({"product_number": "B-2", "quantity": 2}),
        hashed(amount=1001),
        hashed(shipping_method_id="freight"),
        # What is paid is the same, but not what it was compared with.
        hashed(given),
        hashed(given, amount=1001),
        hashed(**free),
        hashed(shipping_method_id="freight", **free),
    ]
    assert len({same, *others}) == 9
    assert hashed({**given, "reason": "Scratched"}) == hashed(given)


# Prices and products


def test_the_price_is_the_one_of_the_customers_own_tier_or_else_of_its_group() -> None:
    two_tiers = product("A-1", prices={"t1": euro(1000), "t2": euro(700)})
    favoured = CUSTOMER.model_copy(update={"price_tier_id": "t2"})
    assert quoted(new_order(), two_tiers).lines[0].unit_price == euro(1000)
    assert quoted(new_order(), two_tiers, customer=favoured).lines[0].unit_price == euro(700)


def test_every_line_that_cannot_be_sold_is_named() -> None:
    lines = [{"product_number": number, "quantity": 1} for number in ("A-1", "NONE", "OFF", "DEAR", "a-1")]
    unpriced, off = product("DEAR", prices={"t2": euro(1)}), product("OFF", active=False)
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(*lines), product("A-1"), off, unpriced)
    assert refusal.value.code == "unknown_product"
    assert [fault.pointer for fault in refusal.value.faults] == [f"/lines/{index}/product_number" for index in range(1, 5)]


@pytest.mark.parametrize(
    ("numbers", "code"),
    [(["A-1", "DEAR"], "not_priced"), (["A-1", "a-1"], "duplicate_product"), (["OFF"], "unknown_product")],
)
def test_the_code_says_what_is_wrong_with_a_line(numbers: list[str], code: str) -> None:
    unpriced, off = product("DEAR", prices={"t2": euro(1)}), product("OFF", active=False)
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(*({"product_number": number, "quantity": 1} for number in numbers)), product("A-1"), off, unpriced)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "override",
    [
        {"shipping_cost": {"amount": 590, "currency": "EUR"}},
        {"lines": [{"product_number": "A-1", "quantity": 1, "unit_price": {"amount": 1000, "currency": "EUR"}}]},
        {"lines": [{"product_number": "A-1", "quantity": 1, "reason": "please"}]},
    ],
)
def test_overrides_are_refused_whatever_they_say(override: dict[str, Any]) -> None:
    with pytest.raises(ForbiddenError) as refusal:
        refuse_overrides(new_order(**override))
    assert refusal.value.code == "price_locked"
    refuse_overrides(new_order())


def test_another_price_needs_a_reason_and_both_prices_are_kept() -> None:
    line = {"product_number": "A-1", "quantity": 2, "unit_price": {"amount": 900, "currency": "EUR"}}
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(line))
    assert (refusal.value.code, refusal.value.faults[0].pointer) == ("reason_required", "/lines/0/reason")
    sold = quoted(new_order({**line, "reason": "Last one"})).lines[0]
    assert (sold.list_price, sold.unit_price, sold.total.amount, sold.override_reason) == (
        euro(1000),
        euro(900),
        1800,
        "Last one",
    )
    listed = quoted(new_order({**line, "unit_price": {"amount": 1000, "currency": "EUR"}, "reason": "As listed"})).lines[0]
    assert listed.override_reason is None


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"shipping_cost": {"amount": 1, "currency": "USD"}}, "/shipping_cost/currency"),
        (
            {
                "lines": [
                    {
                        "product_number": "A-1",
                        "quantity": 1,
                        "unit_price": {"amount": 1, "currency": "USD"},
                        "reason": "x",
                    }
                ]
            },
            "/lines/0/unit_price/currency",
        ),
    ],
)
def test_money_of_another_currency_is_refused(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(**fields))
    assert (refusal.value.code, refusal.value.faults[0].pointer) == ("wrong_currency", pointer)


# Limits

REP = Party(type="member", id="acme.rep", name="Rhea")
BY_REP = Deed(REP, REP, AT)
REPS, SUPERVISORS = GRANTS[Role.REP], GRANTS[Role.REP] | SUPERVISORS_GRANTS
TEN_PERCENT = OverrideLimits(percent=10)
limits_set = st.builds(OverrideLimits, percent=st.integers(0, 100), floor=st.none() | st.builds(euro, st.integers(0, 3000)))
some_prices = st.lists(st.tuples(st.integers(0, 2000), st.none() | st.integers(0, 3000)), min_size=1, max_size=6)


def at(number: str, amount: int | None, *, quantity: int = 1) -> dict[str, Any]:
    given = {} if amount is None else {"unit_price": {"amount": amount, "currency": "EUR"}, "reason": "agreed"}
    return {"product_number": number, "quantity": quantity, **given}


def may_go(listed: int, given: int, limits: OverrideLimits, *, floored: bool = True) -> bool:
    """Say it as the rule is told: so many percent off at most, nothing below the floor, and never anything about raising."""
    if given >= listed:
        return True
    floor = limits.floor.amount if limits.floor and floored else 0
    return given * 100 >= listed * (100 - limits.percent) and given >= floor


def pointers(order: Quote | Order) -> list[str]:
    return [excess.pointer for excess in order.approval.required_by] if order.approval else []


@given(listed=st.integers(0, MAX_AMOUNT), given=st.integers(0, MAX_AMOUNT), limits=limits_set, floored=st.booleans())
def test_the_lowest_price_is_where_the_limits_end(listed: int, given: int, limits: OverrideLimits, *, floored: bool) -> None:
    lowest = lowest_price(euro(listed), limits, floored=floored)
    assert 0 <= lowest.amount <= listed
    assert may_go(listed, given, limits, floored=floored) == (given >= lowest.amount)
    assert may_go(listed, lowest.amount, limits, floored=floored)
    assert lowest.amount == 0 or not may_go(listed, lowest.amount - 1, limits, floored=floored)


@given(some_prices, st.none() | st.integers(0, 1000), limits_set)
def test_an_order_waits_if_and_only_if_a_price_is_beyond_the_limits(
    priced: list[tuple[int, int | None]], shipping: int | None, limits: OverrideLimits
) -> None:
    products = tuple(product(f"P-{index}", listed) for index, (listed, _) in enumerate(priced))
    lines = [at(f"P-{index}", given) for index, (_, given) in enumerate(priced)]
    cost: dict[str, Any] = {} if shipping is None else {"shipping_cost": {"amount": shipping, "currency": "EUR"}}
    order = an_order(*lines, products=products, limits=limits, **cost)
    beyond = [
        f"/lines/{index}/unit_price"
        for index, (listed, given) in enumerate(priced)
        if given is not None and not may_go(listed, given, limits)
    ]
    if shipping is not None and not may_go(590, shipping, limits, floored=False):
        beyond.append("/shipping_cost")
    assert pointers(order) == beyond
    assert order.status == ("awaiting_approval" if beyond else "received")
    assert adds_up(order)
    # Both prices are kept, whatever was given.
    assert [line.list_price.amount for line in order.lines] == [listed for listed, _ in priced]
    assert order.list_shipping_cost == euro(590)
    for excess in order.approval.required_by if order.approval else ():
        assert excess.given.amount < excess.lowest.amount <= excess.listed.amount


@given(some_prices, some_prices, st.sampled_from([None, 0, 500, 590]), limits_set, limits_set)
def test_a_change_waits_for_the_prices_that_it_lowers_too_far_and_for_none_that_were_agreed(
    before: list[tuple[int, int | None]],
    after: list[tuple[int, int | None]],
    shipping: int | None,
    first: OverrideLimits,
    second: OverrideLimits,
) -> None:
    products = tuple(product(f"P-{index}", listed) for index, (listed, _) in enumerate([*before, *after[len(before) :]]))
    listed = {index: each.prices["t1"].amount for index, each in enumerate(products)}
    order = an_order(*(at(f"P-{i}", given) for i, (_, given) in enumerate(before)), products=products, limits=first)
    had = {index: listed[index] if given is None else given for index, (_, given) in enumerate(before)}
    waited = {index for index in had if not may_go(listed[index], had[index], first)}
    cost: dict[str, Any] = {} if shipping is None else {"shipping_cost": {"amount": shipping, "currency": "EUR"}}
    wanted = [at(f"P-{index}", given) for index, (_, given) in reversed(list(enumerate(after)))]
    changed = edited(order, *products, limits=second, lines=wanted, **cost)
    expected = []
    for position, line in enumerate(changed.lines):
        index, given = int(line.product_number[2:]), line.unit_price.amount
        agreed = index in had and had[index] == given
        if index in waited if agreed else not may_go(listed[index], given, second):
            expected.append(f"/lines/{position}/unit_price")
    if shipping is not None and shipping != 590 and not may_go(590, shipping, second, floored=False):
        expected.append("/shipping_cost")
    assert pointers(changed) == expected
    assert (changed.status == "awaiting_approval") == bool(expected or waited)
    assert adds_up(changed)
    # The owner has no limits: only what waited already still does.
    by_owner = edited(order, *products, lines=wanted, **cost)
    assert set(pointers(by_owner)) <= set(pointers(changed))
    assert (by_owner.status == "awaiting_approval") == bool(waited)


@pytest.mark.parametrize(
    ("given", "limits", "waits"),
    [
        (1001, OverrideLimits(), False),
        (1000, OverrideLimits(), False),
        (999, OverrideLimits(), True),
        (900, TEN_PERCENT, False),
        (899, TEN_PERCENT, True),
        (900, OverrideLimits(percent=10, floor=euro(901)), True),
        (950, OverrideLimits(percent=0, floor=euro(1)), True),
        (0, OverrideLimits(percent=99), True),
        (0, OverrideLimits(percent=100), False),
        (0, OverrideLimits(percent=100, floor=euro(1)), True),
        # What is listed below the floor is sold as listed, but no lower.
        (1000, OverrideLimits(percent=50, floor=euro(5000)), False),
        (999, OverrideLimits(percent=50, floor=euro(5000)), True),
        (2000, OverrideLimits(percent=50, floor=euro(5000)), False),
    ],
)
def test_how_low_a_price_may_go(given: int, limits: OverrideLimits, *, waits: bool) -> None:
    assert bool(an_order(at("A-1", given), limits=limits).approval) is waits


def test_the_floor_says_nothing_about_shipping() -> None:
    limits = OverrideLimits(percent=50, floor=euro(5000))
    half, less = ({"shipping_cost": {"amount": amount, "currency": "EUR"}} for amount in (295, 294))
    assert an_order(limits=limits, **half).status == "received"
    assert pointers(an_order(limits=limits, **less)) == ["/shipping_cost"]
    odd = OverrideLimits(percent=33)
    assert lowest_price(euro(100), odd, floored=True) == euro(67)
    assert lowest_price(euro(101), odd, floored=True) == euro(68)  # 67.67 and not a cent less


def test_shipping_keeps_both_costs_and_why() -> None:
    free = {"shipping_cost": {"amount": 0, "currency": "EUR"}}
    order = an_order(**free, shipping_reason="First order")
    assert (order.list_shipping_cost, order.shipping_cost, order.shipping_override_reason) == (
        euro(590),
        euro(0),
        "First order",
    )
    listed = an_order(shipping_cost={"amount": 590, "currency": "EUR"}, shipping_reason="As listed")
    assert (listed.shipping_cost, listed.shipping_override_reason) == (euro(590), None)
    # The reason stays with the cost, and goes with it.
    assert edited(order, **free) == order
    assert edited(order, **free, shipping_reason="Fair").history[-1].changed == ("shipping_override_reason",)
    dearer = edited(order, shipping_method_id="freight")
    assert (dearer.list_shipping_cost, dearer.shipping_cost, dearer.shipping_override_reason) == (euro(4900), euro(4900), None)
    with pytest.raises(InvalidError) as refusal:
        an_order(shipping_reason="Nothing to explain")
    assert refusal.value.faults[0].pointer == "/shipping_reason"


def test_a_price_that_was_approved_is_not_asked_about_again() -> None:
    order = an_order(at("A-1", 500), limits=TEN_PERCENT, by=BY_REP)
    approved = move(order, "approve", grants=GRANTS[Role.OWNER], by=BY_STORE)
    assert (approved.status, approved.approval) == ("received", None)
    more = edited(approved, limits=TEN_PERCENT, by=BY_REP, lines=[at("a-1", None, quantity=7)])
    again = edited(more, limits=TEN_PERCENT, by=BY_REP, lines=[at("A-1", 500, quantity=8)])
    assert (more.status, again.status) == ("received", "received")
    assert [line.override_reason for line in again.lines] == ["agreed"]
    lower = edited(again, limits=TEN_PERCENT, by=BY_REP, lines=[at("A-1", 499)])
    assert (lower.status, pointers(lower)) == ("awaiting_approval", ["/lines/0/unit_price"])
    assert (lower.history[-1].from_status, lower.history[-1].to) == ("received", "awaiting_approval")
    # It was known to be a better price: shipping was not.
    elsewhere = {"shipping_cost": {"amount": 0, "currency": "EUR"}}
    assert pointers(edited(again, limits=TEN_PERCENT, by=BY_REP, **elsewhere)) == ["/shipping_cost"]


def test_a_waiting_order_that_is_changed_within_the_limits_still_waits() -> None:
    order = an_order(at("A-1", 500), limits=TEN_PERCENT, by=BY_REP)
    touched = edited(order, limits=TEN_PERCENT, by=BY_REP, payment_method_id="card")
    assert (touched.status, touched.approval) == ("awaiting_approval", order.approval)
    raised = edited(order, limits=TEN_PERCENT, by=BY_REP, lines=[at("A-1", 950)])
    assert (raised.status, pointers(raised)) == ("awaiting_approval", [])
    priced = edited(order, lines=[at("A-1", 400)])
    assert (priced.status, pointers(priced)) == ("awaiting_approval", [])


def test_nobody_whom_limits_hold_for_approves_its_own_prices() -> None:
    order = an_order(at("A-1", 500), limits=TEN_PERCENT, by=BY_REP)
    boss = Deed(Party(type="member", id="acme.boss", name="Bo"), Party(type="member", id="acme.boss", name="Bo"), AT)
    for by, grants, may in (
        (BY_REP, REPS, ["cancel"]),
        (BY_REP, SUPERVISORS, ["reject", "cancel"]),
        (boss, REPS, []),
        (boss, SUPERVISORS, ["approve", "reject"]),
        (BY_STORE, GRANTS[Role.OWNER], ["approve", "reject"]),
        (BY_BUYER, GRANTS[Role.BUYER], ["cancel"]),
    ):
        assert moves_from(order, by.actor, grants) == may
    with pytest.raises(ForbiddenError) as refusal:
        move(order, "approve", grants=SUPERVISORS, by=BY_REP)
    assert refusal.value.code == "own_order"
    with pytest.raises(ConflictError):
        move(order, "approve", grants=REPS, by=boss)
    changed = edited(order, limits=TEN_PERCENT, by=boss, payment_method_id="card")
    assert moves_from(changed, boss.actor, SUPERVISORS) == ["reject"]
    # Having moved an order is no change of its prices.
    assert move(order, "approve", grants=SUPERVISORS, by=boss).was_priced_by(boss.actor) is False


# Addresses and methods


def test_shipping_goes_to_the_billing_address_unless_another_is_named() -> None:
    plain = quoted(new_order())
    assert plain.billing_address == plain.shipping_address
    assert plain.billing_address.street == "Harbour Street 5"
    assert set(type(plain.billing_address).model_fields).isdisjoint({"id", "label", "default_billing"})
    picked = quoted(new_order(billing_address_id="a2"))
    assert (picked.billing_address.city, picked.shipping_address.city) == ("Berlin", "Berlin")
    custom = {"street": "Quay 9", "postal_code": "1000", "city": "Oslo", "country": "NO"}
    apart = quoted(new_order(billing_address=custom, shipping_address_id="a2"))
    assert (apart.billing_address.city, apart.shipping_address.city) == ("Oslo", "Berlin")
    assert quoted(new_order(shipping_address=custom)).shipping_address.city == "Oslo"


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"billing_address_id": "zz"}, "unknown_address", "/billing_address_id"),
        ({"shipping_address_id": "zz"}, "unknown_address", "/shipping_address_id"),
        ({"shipping_method_id": "zz"}, "unknown_shipping_method", "/shipping_method_id"),
        ({"payment_method_id": "zz"}, "unknown_payment_method", "/payment_method_id"),
        (
            {
                "billing_address_id": "a1",
                "billing_address": {"street": "S", "postal_code": "1", "city": "C", "country": "DE"},
            },
            "invalid",
            "/billing_address",
        ),
    ],
)
def test_a_wrong_choice_is_named(fields: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(**fields))
    assert (refusal.value.code, refusal.value.faults[0].pointer) == (code, pointer)


def test_without_any_address_one_must_be_sent() -> None:
    with pytest.raises(InvalidError) as refusal:
        quoted(new_order(), customer=CUSTOMER.model_copy(update={"addresses": ()}))
    assert refusal.value.code == "billing_address_required"


# Changes


def test_a_product_that_was_ordered_keeps_its_price_and_a_new_one_gets_the_listed_one() -> None:
    order = an_order({"product_number": "A-1", "quantity": 1})
    lines = [{"product_number": "a-1", "quantity": 5}, {"product_number": "B-2", "quantity": 1}]
    changed = edited(order, product("A-1", 9999, active=False), product("B-2", 70), lines=lines)
    assert [(line.unit_price.amount, line.total.amount) for line in changed.lines] == [(1000, 5000), (70, 70)]
    assert changed.total.amount == 5070 + 590


def test_a_new_shipping_method_brings_its_cost_unless_another_is_set() -> None:
    order = an_order()
    assert edited(order, shipping_method_id="freight").total.amount == 2000 + 4900
    assert edited(order, shipping_method_id="freight", shipping_cost={"amount": 1, "currency": "EUR"}).total.amount == 2001
    cheaper = edited(order, shipping_cost={"amount": 1, "currency": "EUR"})
    assert edited(cheaper, shipping_method_id="parcel").shipping_cost == euro(1)


def test_a_change_is_noted_with_its_fields_and_no_change_is_not() -> None:
    order = an_order()
    changed = edited(order, lines=[{"product_number": "A-1", "quantity": 3}], payment_method_id="card", billing_address_id="a2")
    entry = changed.history[-1]
    assert (entry.from_status, entry.to, entry.actor) == ("received", "received", OWNER)
    assert set(entry.changed) == {"lines", "payment_method_id", "billing_address"}
    assert changed.payment_kind == "instant"
    assert edited(order, lines=[{"product_number": "A-1", "quantity": 2}], shipping_method_id="parcel") == order


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_unconfirmed_order_can_be_changed(status: OrderStatus) -> None:
    order = an_order(status=status)
    if status in {"received", "awaiting_approval"}:
        assert edited(order, payment_method_id="card").payment_method_id == "card"
    else:
        with pytest.raises(ConflictError) as refusal:
            edited(order, payment_method_id="card")
        assert refusal.value.code == "order_locked"


def test_an_order_cannot_be_changed_without_end() -> None:
    order = an_order()
    for index in range(MAX_EDITS):
        order = edited(order, payment_method_id="card" if index % 2 == 0 else "net30")
    with pytest.raises(ConflictError) as refusal:
        edited(order, lines=[{"product_number": "A-1", "quantity": 3}])
    assert refusal.value.code == "too_many_changes"


# Moves, against tables written independently of the code's

LEGAL_FOR_STORE = {
    ("received", "confirm"): "confirmed",
    ("confirmed", "start"): "in_progress",
    ("in_progress", "ship"): "shipped",
    ("received", "cancel"): "cancelled",
    ("confirmed", "cancel"): "cancelled",
    ("in_progress", "cancel"): "cancelled",
    ("awaiting_approval", "approve"): "received",
    ("awaiting_approval", "reject"): "rejected",
}
LEGAL_FOR_BUYER = {("received", "cancel"): "cancelled", ("awaiting_approval", "cancel"): "cancelled"}


def granted(*, as_buyer: bool) -> frozenset[Permission]:
    return GRANTS[Role.BUYER if as_buyer else Role.OWNER]


@pytest.mark.parametrize("as_buyer", [False, True])
@pytest.mark.parametrize("step", MOVES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_move_leads_where_the_model_says_or_is_refused(status: OrderStatus, step: Move, *, as_buyer: bool) -> None:
    order, legal = an_order(status=status), LEGAL_FOR_BUYER if as_buyer else LEGAL_FOR_STORE
    target = legal.get((status, step))
    if target is None:
        with pytest.raises(ConflictError) as refusal:
            move(order, step, grants=granted(as_buyer=as_buyer), by=BY_STORE)
        assert refusal.value.code == "invalid_transition"
        assert set(refusal.value.extra["allowed_transitions"]) == {each for (at, each) in legal if at == status}  # type: ignore[call-overload]  # a list
    else:
        moved = move(order, step, grants=granted(as_buyer=as_buyer), by=Deed(OWNER, BUYER, AT), note="why")
        assert moved.status == target
        entry = moved.history[-1]
        assert (entry.from_status, entry.to, entry.actor, entry.subject, entry.note) == (
            status,
            target,
            OWNER,
            BUYER,
            "why",
        )


class OrderMachine(RuleBasedStateMachine):
    """Random moves and changes by store and buyer: an order only ever goes forward, and its history retells its way."""

    RANK = ("awaiting_approval", "received", "confirmed", "in_progress", "shipped", "cancelled", "rejected")

    def __init__(self) -> None:
        super().__init__()
        self.order = an_order(status="awaiting_approval")
        self.way = ["awaiting_approval"]

    @rule(step=st.sampled_from(MOVES), as_buyer=st.booleans())
    def try_move(self, step: Move, *, as_buyer: bool) -> None:
        target = (LEGAL_FOR_BUYER if as_buyer else LEGAL_FOR_STORE).get((self.order.status, step))
        try:
            by = BY_BUYER if as_buyer else BY_STORE
            self.order = move(self.order, step, grants=granted(as_buyer=as_buyer), by=by)
        except ConflictError:
            assert target is None
        else:
            assert self.order.status == target
            self.way.append(self.order.status)

    @precondition(lambda self: self.order.status in {"awaiting_approval", "received"})
    @rule(quantity=quantities)
    def change(self, quantity: int) -> None:
        self.order = edited(self.order, lines=[{"product_number": "A-1", "quantity": quantity}])

    @invariant()
    def its_history_retells_its_way(self) -> None:
        steps = [entry for entry in self.order.history if not entry.changed]
        assert ["awaiting_approval", *(entry.to for entry in steps)] == self.way
        ranks = [self.RANK.index(status) for status in self.way]
        assert ranks == sorted(set(ranks))
        assert adds_up(self.order)


TestOrderMachine = OrderMachine.TestCase


@pytest.mark.parametrize("as_buyer", [False, True])
def test_nothing_is_open_after_the_end(*, as_buyer: bool) -> None:
    ends: tuple[OrderStatus, ...] = ("shipped", "cancelled", "rejected")
    assert not any(moves_from(an_order(status=status), BUYER, granted(as_buyer=as_buyer)) for status in ends)


# Days


@given(
    st.dates(),
    st.sampled_from(["Europe/Berlin", "Africa/Cairo", "America/Havana", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"]),
)
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: str) -> None:
    assert start_of_day(day, zone) <= end_of_day(day, zone)
    if day < date.max:
        assert end_of_day(day, zone) == start_of_day(day + timedelta(days=1), zone)


def test_a_day_is_as_long_as_the_clocks_say() -> None:
    assert start_of_day(date(2026, 3, 29), "Europe/Berlin") == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert end_of_day(date(2026, 3, 29), "Europe/Berlin") == datetime(2026, 3, 29, 22, tzinfo=UTC)
