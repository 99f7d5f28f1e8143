"""Invoices: every cent is what an evaluator that was written apart from them makes of the same rules, with fractions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.customers import PostalAddress
from tradepost.domain.errors import ConflictError
from tradepost.domain.invoicing import Computed, half_even, invoice_lines, share
from tradepost.domain.orders import MAX_TOTAL, Order, OrderLine
from tradepost.domain.people import Party
from tradepost.domain.rule_actions import written_actions
from tradepost.domain.rule_evaluation import Match
from tradepost.domain.rules import STORE_SCOPE, Rule
from tradepost.domain.values import MAX_AMOUNT, MAX_QUANTITY, Price

AT: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
HARBOUR: Final = PostalAddress(name="Ida", street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE")
IDA: Final = Party(type="member", id="acme.ida.c1", name="Ida")


def eur(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def an_order(subtotal: int = 10000, *, shipping: int = 590, tax: int = 0, quantities: Sequence[int] = (2, 3)) -> Order:
    lines = tuple(
        OrderLine.model_construct(
            product_number=f"P-{index}",
            name="Lamp",
            quantity=quantity,
            list_price=eur(1),
            unit_price=eur(1),
            total=eur(1),
        )
        for index, quantity in enumerate(quantities)
    )
    return Order(
        id="c1.o1",
        store_id="acme",
        number="O-1",
        status="received",
        source="portal",
        customer_id="c1",
        customer_number="C-1",
        customer_name="Blue Door",
        employee_id=IDA.id,
        actor=IDA,
        subject=IDA,
        price_tier_id=None,
        billing_address=HARBOUR,
        shipping_address=HARBOUR,
        lines=(),
        subtotal=eur(subtotal),
        list_shipping_cost=eur(shipping),
        shipping_cost=eur(shipping),
        tax=eur(tax),
        total=eur(subtotal + shipping + tax),
        shipping_method_id="parcel",
        shipping_method_name="Parcel",
        payment_method_id="net30",
        payment_method_name="Invoice",
        payment_kind="net_terms",
        placed_at=AT,
    ).model_copy(update={"lines": lines})


def a_match(*actions: Mapping[str, Any], rule_id: str = "r1", version: int = 3) -> Match:
    then, faults = written_actions("invoicing", actions, "/then")
    assert faults == []
    rule = Rule(
        id=rule_id,
        version=version,
        store_id="acme",
        kind="invoicing",
        scope=STORE_SCOPE,
        priority=1,
        when={"always": True},
        then=then,
        created_at=AT,
        updated_at=AT,
    )
    return Match(rule, ())


def invoiced(order: Order, *actions: Mapping[str, Any], credit_balance: int = 0, weight: int = 0) -> list[tuple[str, int]]:
    computed = invoice_lines(order, [a_match(*actions)] if actions else [], credit_balance=credit_balance, weight=weight)
    assert computed.total.amount == sum(line.amount.amount for line in computed.lines)
    return [(line.kind, line.amount.amount) for line in computed.lines]


# What follows shares nothing with the code it checks: it reads the rules as they are sent, and reckons with fractions.


class Naive:
    """An invoice worked out in the plainest way: as a list of kinds and amounts."""

    def __init__(self, order: Order, rules: Sequence[Sequence[Mapping[str, Any]]], balance: int, weight: int) -> None:
        self.order, self.balance, self.weight = order, balance, weight
        self.lines: list[tuple[str, int]] = [("subtotal", order.subtotal.amount)]
        actions = [action for rule in rules for action in rule]
        if all(action["action"] != "shipping" for action in actions):
            self.lines.append(("shipping", order.shipping_cost.amount))
        if order.tax.amount != 0:
            self.lines.append(("tax", order.tax.amount))
        for action in actions:
            getattr(self, action["action"])(action)

    @property
    def total(self) -> int:
        return sum(amount for _, amount in self.lines)

    def by_weight(self, action: Mapping[str, Any]) -> int:
        for tier in action["tiers"][:-1]:
            if self.weight <= tier["up_to_grams"]:
                return int(tier["amount"]["amount"])
        return int(action["tiers"][-1]["amount"]["amount"])

    def percent(self, of: int, percent: str) -> int:
        return round(Fraction(of) * Fraction(percent) / 100)

    def shipping(self, action: Mapping[str, Any]) -> None:
        if "free_above" in action and not self.order.subtotal.amount < action["free_above"]["amount"]:
            self.lines.append(("shipping", 0))
        elif action["mode"] == "passed_on":
            self.lines.append(("shipping", self.order.shipping_cost.amount))
        elif action["mode"] == "flat":
            self.lines.append(("shipping", action["amount"]["amount"]))
        else:
            self.lines.append(("shipping", self.by_weight(action)))

    def dropship_fee(self, action: Mapping[str, Any]) -> None:
        if "tiers" in action:
            self.lines.append(("fee", self.by_weight(action)))
        elif action.get("per") == "item":
            self.lines += [("fee", sum(line.quantity * action["amount"]["amount"] for line in self.order.lines))]
        else:
            self.lines.append(("fee", action["amount"]["amount"]))

    def percentage_fee(self, action: Mapping[str, Any]) -> None:
        self.lines.append(("fee", self.percent(self.order.subtotal.amount, action["percent"])))

    def discount(self, action: Mapping[str, Any]) -> None:
        off = action["amount"]["amount"] if "amount" in action else self.percent(self.order.subtotal.amount, action["percent"])
        self.take("discount", min(self.total, off))

    def credit(self, action: Mapping[str, Any]) -> None:
        spent = -sum(amount for kind, amount in self.lines if kind == "other")
        left = self.balance - spent
        wanted = left if action.get("all") else action["amount"]["amount"]
        self.take("other", min([wanted, left, self.total]))

    def tax(self, action: Mapping[str, Any]) -> None:
        base = sum(amount for kind, amount in self.lines if kind not in {"tax", "other"})
        self.lines.append(("tax", self.percent(max(0, base), action["percent"])))

    def take(self, kind: str, amount: int) -> None:
        if amount != 0:
            self.lines.append((kind, -amount))


amounts = st.integers(0, 20000) | st.sampled_from([0, 1, 99, MAX_AMOUNT])
subtotals = st.integers(0, 20000) | st.sampled_from([0, 1, 49, 50, 51, 150, 250, MAX_TOTAL // 2])
weights = st.integers(0, 5000)
percents = st.sampled_from(["0", "0.01", "0.5", "1", "2.5", "7", "7.77", "19", "33.33", "50", "99.99", "100"])


@st.composite
def tiers(draw: st.DrawFn) -> list[dict[str, Any]]:
    limits = sorted(draw(st.sets(weights, max_size=4)))
    return [*({"up_to_grams": limit, "amount": eur(draw(amounts))} for limit in limits), {"amount": eur(draw(amounts))}]


@st.composite
def actions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an action as it is sent."""
    name = draw(st.sampled_from(["dropship_fee", "percentage_fee", "discount", "credit", "shipping", "tax"]))
    action: dict[str, Any] = {"action": name}
    match name:
        case "dropship_fee":
            by_weight = {"tiers": draw(tiers())}
            fixed = {"amount": eur(draw(amounts)), "per": draw(st.sampled_from(["order", "item"]))}
            action |= draw(st.sampled_from([by_weight, fixed]))
        case "discount":
            action |= draw(st.sampled_from([{"percent": draw(percents)}, {"amount": eur(draw(amounts))}]))
        case "credit":
            action |= draw(st.sampled_from([{"all": True}, {"amount": eur(draw(amounts))}]))
        case "shipping":
            action["mode"] = draw(st.sampled_from(["passed_on", "flat", "tiered"]))
            if action["mode"] == "flat":
                action["amount"] = eur(draw(amounts))
            if action["mode"] == "tiered":
                action["tiers"] = draw(tiers())
            if draw(st.booleans()):
                action["free_above"] = eur(draw(subtotals.filter(lambda amount: amount <= MAX_AMOUNT)))
        case _:
            action["percent"] = draw(percents)
    return action


orders = st.builds(
    an_order,
    subtotals,
    shipping=amounts,
    tax=st.sampled_from([0, 0, 7, 1900]),
    quantities=st.lists(st.integers(1, 500) | st.just(MAX_QUANTITY), min_size=1, max_size=4),
)
rulebooks = st.lists(st.lists(actions(), min_size=1, max_size=5), max_size=4)


def matches_of(rules: Sequence[Sequence[Mapping[str, Any]]]) -> list[Match]:
    return [a_match(*rule, rule_id=f"r{index}", version=index + 1) for index, rule in enumerate(rules)]


@given(orders, rulebooks, amounts, weights)
def test_an_evaluator_of_its_own_agrees_on_every_line_and_cent(
    order: Order, rules: list[list[dict[str, Any]]], balance: int, weight: int
) -> None:
    computed = invoice_lines(order, matches_of(rules), credit_balance=balance, weight=weight)
    naive = Naive(order, rules, balance, weight)
    assert [(line.kind, line.amount.amount) for line in computed.lines] == naive.lines
    assert computed.total.amount == naive.total


@given(orders, rulebooks, amounts, weights)
def test_lines_sum_to_the_total_which_is_never_negative_and_credit_never_exceeds_the_balance(
    order: Order, rules: list[list[dict[str, Any]]], balance: int, weight: int
) -> None:
    computed = invoice_lines(order, matches_of(rules), credit_balance=balance, weight=weight)
    parts = (computed.subtotal, computed.shipping, computed.fees, computed.discounts, computed.tax, computed.other)
    assert computed.total.amount == sum(line.amount.amount for line in computed.lines) == sum(part.amount for part in parts)
    assert computed.total.amount >= 0
    assert 0 <= computed.credit_used.amount == -computed.other.amount <= balance
    assert {line.amount.currency for line in computed.lines} == {"EUR"}
    assert computed == invoice_lines(order, matches_of(rules), credit_balance=balance, weight=weight)
    assert Computed.model_validate_json(computed.model_dump_json()) == computed


@given(orders, rulebooks, weights)
def test_every_line_names_the_rule_and_version_that_made_it_or_is_the_orders(
    order: Order, rules: list[list[dict[str, Any]]], weight: int
) -> None:
    made = invoice_lines(order, matches_of(rules), credit_balance=500, weight=weight).lines
    by_rules = [line for line in made if line.rule_id]
    orders_own = [line.kind for line in made if line.rule_id is None]
    assert orders_own in (["subtotal", "shipping", "tax"], ["subtotal", "shipping"], ["subtotal", "tax"], ["subtotal"])
    assert [line.rule_id for line in by_rules] == sorted(str(line.rule_id) for line in by_rules)
    assert all(line.rule_version == int(str(line.rule_id)[1:]) + 1 for line in by_rules)


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_halves_go_to_the_even_one_and_everything_else_to_the_nearest(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("amount", "percent", "rounded"),
    [(50, "1", 0), (150, "1", 2), (250, "1", 2), (251, "1", 3), (10**15, "0.01", 10**11), (1, "100", 1), (3, "33.33", 1)],
)
def test_a_percentage_is_rounded_once(amount: int, percent: str, rounded: int) -> None:
    assert share(amount, percent) == rounded


def test_without_rules_an_invoice_is_the_order() -> None:
    assert invoiced(an_order()) == [("subtotal", 10000), ("shipping", 590)]
    assert invoiced(an_order(tax=1900)) == [("subtotal", 10000), ("shipping", 590), ("tax", 1900)]


def test_a_top_tier_resellers_reduced_fee_takes_the_place_of_nobody_elses() -> None:
    matches = [
        a_match({"action": "dropship_fee", "amount": eur(150)}, rule_id="own"),
        a_match({"action": "dropship_fee", "amount": eur(100), "per": "item"}, rule_id="store", version=1),
    ]
    lines = invoice_lines(an_order(), matches, credit_balance=0, weight=0).lines
    assert [(line.text, line.amount.amount, line.rule_id, line.rule_version) for line in lines[2:]] == [
        ("Dropship fee", 150, "own", 3),
        ("Dropship fee per item", 500, "store", 1),
    ]
    assert (lines[3].quantity, lines[3].unit) == (5, Price(**eur(100)))


def test_shipping_is_what_rules_say_in_place_of_what_the_order_says_and_each_of_them_adds_a_line() -> None:
    flat = {"action": "shipping", "mode": "flat", "amount": eur(300)}
    passed_on = {"action": "shipping", "mode": "passed_on"}
    assert invoiced(an_order(), flat) == [("subtotal", 10000), ("shipping", 300)]
    assert invoiced(an_order(), passed_on, flat) == [("subtotal", 10000), ("shipping", 590), ("shipping", 300)]
    tax_first = invoiced(an_order(tax=7), {"action": "percentage_fee", "percent": 1}, flat)
    assert tax_first == [("subtotal", 10000), ("tax", 7), ("fee", 100), ("shipping", 300)]


@pytest.mark.parametrize(("subtotal", "shipping"), [(4999, 300), (5000, 0), (5001, 0)])
def test_shipping_is_free_from_a_subtotal_on(subtotal: int, shipping: int) -> None:
    free = {"action": "shipping", "mode": "flat", "amount": eur(300), "free_above": eur(5000)}
    assert invoiced(an_order(subtotal), free)[1:] == [("shipping", shipping)]


@pytest.mark.parametrize(("weight", "fee"), [(0, 100), (500, 100), (501, 200), (2000, 200), (2001, 900), (10**9, 900)])
def test_a_tier_is_for_weights_up_to_its_own_and_the_last_one_for_all_others(weight: int, fee: int) -> None:
    steps = [{"up_to_grams": 500, "amount": eur(100)}, {"up_to_grams": 2000, "amount": eur(200)}, {"amount": eur(900)}]
    charged = invoiced(
        an_order(),
        {"action": "dropship_fee", "tiers": steps},
        {"action": "shipping", "mode": "tiered", "tiers": steps},
        weight=weight,
    )
    assert charged[1:] == [("fee", fee), ("shipping", fee)]


def test_a_discount_takes_off_no_more_than_there_is_to_pay() -> None:
    half = {"action": "discount", "percent": "50"}
    assert invoiced(an_order(shipping=0), half, half, half) == [
        ("subtotal", 10000),
        ("shipping", 0),
        ("discount", -5000),
        ("discount", -5000),
    ]
    everything = {"action": "discount", "amount": eur(10**9)}
    assert invoiced(an_order(), everything, everything)[2:] == [("discount", -10590)]


def test_a_tax_is_on_what_is_sold_shipped_charged_and_taken_off_before_it_and_not_on_taxes_or_credits() -> None:
    lines = invoiced(
        an_order(shipping=0),
        {"action": "dropship_fee", "amount": eur(1000)},
        {"action": "discount", "amount": eur(500)},
        {"action": "credit", "amount": eur(5000)},
        {"action": "tax", "percent": "10"},
        {"action": "tax", "percent": "10"},
        {"action": "percentage_fee", "percent": "1"},
        credit_balance=9000,
    )
    assert lines[2:] == [("fee", 1000), ("discount", -500), ("other", -5000), ("tax", 1050), ("tax", 1050), ("fee", 100)]


def test_nothing_is_taxed_where_discounts_took_off_a_tax_as_well() -> None:
    lines = invoiced(
        an_order(10000, shipping=0),
        {"action": "tax", "percent": "20"},
        {"action": "discount", "amount": eur(12000)},
        {"action": "tax", "percent": "20"},
    )
    assert lines[2:] == [("tax", 2000), ("discount", -12000), ("tax", 0)]


def test_credit_is_used_as_far_as_the_balance_and_the_invoice_go_however_many_actions_use_it() -> None:
    some, rest = {"action": "credit", "amount": eur(4000)}, {"action": "credit", "all": True}
    assert invoiced(an_order(), some, some, credit_balance=7000)[2:] == [("other", -4000), ("other", -3000)]
    assert invoiced(an_order(), rest, credit_balance=10**9)[2:] == [("other", -10590)]
    assert invoiced(an_order(), rest, some)[2:] == []
    assert invoiced(an_order(), rest, credit_balance=-5)[2:] == []


def test_a_rule_in_another_currency_bills_nothing() -> None:
    dollars = a_match({"action": "dropship_fee", "amount": {"amount": 100, "currency": "USD"}})
    with pytest.raises(ConflictError) as refused:
        invoice_lines(an_order(), [dollars], credit_balance=0, weight=0)
    assert refused.value.code == "currency_differs"


def test_the_largest_order_by_the_dearest_rules_still_adds_up() -> None:
    fee = {"action": "dropship_fee", "amount": eur(MAX_AMOUNT), "per": "item"}
    order = an_order(MAX_TOTAL, shipping=0, quantities=[MAX_QUANTITY] * 80)
    computed = invoice_lines(order, [a_match(*[fee] * 20)] * 150, credit_balance=0, weight=0)
    assert computed.total.amount == MAX_TOTAL + 150 * 20 * 80 * MAX_QUANTITY * MAX_AMOUNT
