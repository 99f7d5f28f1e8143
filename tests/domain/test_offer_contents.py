"""What an offer says: whatever is in it and whatever is chosen of it, the sums are those of the lines."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.catalog import Product, number_key
from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.errors import InvalidError
from tradepost.domain.offer_contents import Billing, ContentFields, OfferContent, Terms, cloned, composed, quoted, too_low
from tradepost.domain.orders import MAX_TOTAL
from tradepost.domain.stores import CheckoutOptions, OverrideLimits, PaymentMethod, ShippingMethod, Store
from tradepost.domain.values import MAX_AMOUNT, MAX_QUANTITY, Price

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
NUMBERS: Final = [f"P-{index}" for index in range(5)]
BILLING: Final = Billing(
    *[PostalAddress(name="Ida", street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE")] * 2
)


def eur(amount: int) -> Price:
    return Price(amount=amount, currency="EUR")


def terms(listed: Sequence[int] = (1250, 99, 0, 1, 3333, 100), *, shipping: int = 590, gone: Sequence[str] = ()) -> Terms:
    products = {
        number_key(number): Product(
            number=number,
            name=f"Product {number}",
            prices={"tier": eur(amount)},
            active=number not in gone,
            created_at=AT,
            updated_at=AT,
        )
        for number, amount in zip(NUMBERS, listed, strict=False)
    }
    store = Store(
        name="Acme",
        slug="acme",
        currency="EUR",
        time_zone="Europe/Berlin",
        group_tiers={"group": "tier"},
        opened_at=AT,
    )
    customer = Customer(id="c", store_id="acme", number="C-1", name="Blue Door", group_id="group", kind="b2b", created_at=AT)
    options = CheckoutOptions(
        shipping_methods=(ShippingMethod(id="parcel", name="Parcel", cost=eur(shipping)),),
        payment_methods=(PaymentMethod(id="net30", name="Invoice", kind="net_terms"),),
    )
    return Terms(store, customer, products, options)


def content(
    *lines: Mapping[str, Any], at: Terms | None = None, before: OfferContent | None = None, **fields: Any
) -> OfferContent:
    return composed(ContentFields.model_validate({"lines": lines, **fields}), before, at or terms())


prices = st.integers(0, 5000) | st.sampled_from([0, 1, 2, 49, 50, 51, 99, 1005, 10**6])
quantities = st.integers(1, 500) | st.sampled_from([1, 2, 999])


@st.composite
def drawn_lines(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw lines of all kinds, each product at most once."""
    lines: list[dict[str, Any]] = []
    for number in draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=len(NUMBERS), unique=True)):
        for kind in draw(st.lists(st.sampled_from(["text", "heading", "subtotal"]), max_size=2)):
            lines += [{"kind": kind, **({} if kind == "subtotal" else {"text": "Words"})}]
        line: dict[str, Any] = {"kind": "product", "product_number": number, "quantity": draw(quantities)}
        if draw(st.booleans()):
            line["unit_price"] = eur(draw(prices)).model_dump()
        if draw(st.booleans()):
            line["discount_percent"] = draw(st.integers(0, 100))
        if draw(st.booleans()):
            line |= {"optional": True, "selected": draw(st.booleans())}
        lines.append(line)
    return lines + [{"kind": "subtotal"}] * draw(st.integers(0, 2))


def choices(offered: OfferContent) -> list[frozenset[str]]:
    """Return every choice of the optional lines."""
    optional = [line.id for line in offered.lines if line.optional]
    return [frozenset(few) for count in range(len(optional) + 1) for few in combinations(optional, count)]


@given(drawn_lines(), st.integers(0, 2000), st.none() | st.integers(0, 2000))
def test_the_chosen_lines_shipping_and_tax_are_the_total_whatever_is_chosen(
    lines: list[dict[str, Any]], listed: int, given_cost: int | None
) -> None:
    fields = {} if given_cost is None else {"shipping_cost": eur(given_cost).model_dump()}
    offered = content(*lines, at=terms(shipping=listed), **fields)
    for chosen in choices(offered):
        shown, totals = offered.lines_with(chosen), offered.totals_with(chosen)
        sold = [line for line in shown if line.kind == "product" and line.selected]
        amounts = [line.net_price.amount * (line.quantity or 0) for line in sold if line.net_price]
        assert [line.total.amount for line in sold if line.total] == amounts
        assert totals.subtotal.amount == sum(amounts)
        assert totals.shipping_cost.amount == (listed if given_cost is None else given_cost)
        assert sum(amounts) + totals.shipping_cost.amount + totals.tax.amount == totals.total.amount
        assert {line.id for line in sold if line.optional} == chosen
        assert [line.id for line in offered.sold_with(chosen)] == [line.id for line in sold]


@given(drawn_lines())
def test_a_subtotal_is_what_stands_above_it_since_the_one_before(lines: list[dict[str, Any]]) -> None:
    offered = content(*lines, {"kind": "subtotal"})
    for chosen in choices(offered):
        shown = offered.lines_with(chosen)
        ends = [index for index, line in enumerate(shown) if line.kind == "subtotal"]
        for begin, end in zip([-1, *ends], ends, strict=False):
            above = [line for line in shown[begin + 1 : end] if line.kind == "product" and line.selected]
            subtotal = shown[end].total
            assert subtotal
            assert subtotal.amount == sum(line.total.amount for line in above if line.total)
        subtotals = [line.total.amount for line in shown if line.kind == "subtotal" and line.total]
        assert sum(subtotals) == offered.totals_with(chosen).subtotal.amount


@given(drawn_lines())
def test_what_is_ordered_is_what_was_chosen_at_the_prices_of_the_offer(lines: list[dict[str, Any]]) -> None:
    offered = content(*lines)
    for chosen in choices(offered):
        sold = offered.sold_with(chosen)
        if not sold:
            with pytest.raises(InvalidError) as refusal:
                quoted(offered, chosen, customer_id="c", number="Q-1", billing=BILLING)
            assert refusal.value.code == "nothing_chosen"
            continue
        order = quoted(offered, chosen, customer_id="c", number="Q-1", billing=BILLING)
        totals = offered.totals_with(chosen)
        assert (order.subtotal, order.shipping_cost, order.tax, order.total) == (
            totals.subtotal,
            totals.shipping_cost,
            totals.tax,
            totals.total,
        )
        assert (
            sum(line.total.amount for line in order.lines) + order.shipping_cost.amount + order.tax.amount == order.total.amount
        )
        ordered = [(line.product_number, line.quantity, line.list_price, line.unit_price, line.total) for line in order.lines]
        assert ordered == [(line.product_number, line.quantity, line.list_price, line.net_price, line.total) for line in sold]
        for line in order.lines:
            assert (line.override_reason is None) == (line.unit_price == line.list_price)


@given(prices, st.integers(0, 100))
def test_a_discount_is_rounded_to_the_nearest_minor_unit_and_a_half_up(amount: int, percent: int) -> None:
    offered = content(
        {"product_number": "P-0", "quantity": 7, "unit_price": eur(amount).model_dump(), "discount_percent": percent}
    )
    [line] = offered.lines
    exact = Fraction(amount * (100 - percent), 100)
    assert line.net_price
    assert line.total
    assert line.net_price.amount == exact + Fraction(1, 2) - (exact + Fraction(1, 2)) % 1
    assert abs(line.net_price.amount - exact) <= Fraction(1, 2)
    assert line.net_price.amount <= amount
    assert line.total.amount == 7 * line.net_price.amount


@given(drawn_lines(), st.integers(0, 100), st.none() | st.integers(0, 3000), st.integers(0, 1200))
def test_no_price_below_the_lowest_goes_without_approval(
    lines: list[dict[str, Any]], percent: int, floor: int | None, cost: int
) -> None:
    offered = content(*lines, shipping_cost=eur(cost).model_dump())
    limits = OverrideLimits(percent=percent, floor=None if floor is None else eur(floor))
    excess = {each.pointer: each.given for each in too_low(offered, limits, None)}
    expected = {}
    for index, line in enumerate(offered.lines):
        if line.list_price and line.net_price:
            listed = line.list_price.amount
            lowest = min(Fraction(listed), max(Fraction(listed * (100 - percent), 100), Fraction(floor or 0)))
            if line.net_price.amount < lowest:
                expected[f"/lines/{index}/unit_price"] = line.net_price
    if cost < Fraction(590 * (100 - percent), 100):
        expected["/shipping_cost"] = eur(cost)
    assert excess == expected
    assert too_low(offered, None, None) == ()
    # What the customer was offered with approval, or by somebody without limits, may be offered again, but nothing else.
    assert too_low(offered, limits, offered) == ()


def test_a_price_that_was_agreed_is_agreed_for_its_product_alone_and_no_other_price() -> None:
    limits = OverrideLimits(percent=10, floor=None)
    cheap = {"product_number": "P-0", "quantity": 1, "unit_price": eur(1000).model_dump()}
    agreed = content(cheap)
    assert too_low(agreed, limits, agreed) == ()
    for other in (
        {**cheap, "unit_price": eur(999).model_dump()},
        {**cheap, "unit_price": eur(1001).model_dump()},
        {**cheap, "discount_percent": 1},
        {**cheap, "product_number": "P-4"},
    ):
        assert [each.pointer for each in too_low(content(other), limits, agreed)] == ["/lines/0/unit_price"]
    assert too_low(content({**cheap, "quantity": 50}), limits, agreed) == ()


@given(drawn_lines(), st.data())
def test_lines_that_stay_keep_their_ids_and_new_ones_get_others(lines: list[dict[str, Any]], data: st.DataObject) -> None:
    offered = content(*lines)
    ids = [line.id for line in offered.lines]
    assert len(set(ids)) == len(ids)
    named = [{**line, "id": line_id} for line, line_id in zip(lines, ids, strict=True)]
    assert content(*named, before=offered) == offered
    some = data.draw(st.lists(st.sampled_from(named), min_size=1, unique_by=lambda line: line["id"]))
    again = content(*some, {"kind": "text", "text": "New"}, before=offered)
    assert [line.id for line in again.lines[:-1]] == [line["id"] for line in some]
    assert again.lines[-1].id not in {line["id"] for line in some}
    by_id = {line.id: line for line in offered.lines}
    assert all(line == by_id[line.id] for line in again.lines[:-1])


@given(drawn_lines(), st.sets(st.sampled_from(NUMBERS)))
def test_a_copy_has_what_is_still_to_be_had_at_the_prices_that_were_given(lines: list[dict[str, Any]], gone: set[str]) -> None:
    offered = content(*lines)
    copied = cloned(offered, terms((2000, 98, 1, 2, 3334, 101), gone=sorted(gone)))
    assert len(copied.lines) == len(offered.lines)
    for line, copy in zip(offered.lines, copied.lines, strict=True):
        if line.kind == "product" and line.product_number in gone:
            assert copy.kind == "text"
            continue
        assert (copy.kind, copy.text, copy.quantity, copy.optional) == (line.kind, line.text, line.quantity, line.optional)
        assert (copy.selected, copy.discount_percent) == (line.selected, line.discount_percent)
        if line.unit_price != line.list_price:
            assert copy.unit_price == line.unit_price
        else:
            assert copy.unit_price == copy.list_price


def test_no_choice_of_an_offer_comes_to_more_than_an_order_can() -> None:
    dear = {"quantity": MAX_QUANTITY, "unit_price": eur(MAX_AMOUNT).model_dump(), "optional": True}
    with pytest.raises(InvalidError) as refusal:
        content(*({**dear, "product_number": number} for number in NUMBERS))
    assert refusal.value.code == "total_too_large"
    assert MAX_QUANTITY * MAX_AMOUNT > MAX_TOTAL
