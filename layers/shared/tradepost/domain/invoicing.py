"""Invoices: what an order of a reseller comes to by the rules, line by line and to the cent.

What follows is the whole of it, so that whoever works it out anew agrees on every cent.

An invoice begins with the order: its subtotal, then its shipping cost unless an action of a matching rule says what shipping
is charged with, then its tax unless that is 0. After that each action of each matching rule adds one line: rules in the order
in which they match, actions in the order in which their rule has them. Amounts are whole minor units of the order's currency.
`running` is the sum of all lines so far, `taxable` that of the lines so far of the kinds subtotal, shipping, fee and discount.

| action | kind of line | amount |
|---|---|---|
| `shipping`, any mode | shipping | 0 if there is a `free_above` and the order's subtotal is not less than it; otherwise |
| … `passed_on` | | the order's shipping cost |
| … `flat` | | the action's amount |
| … `tiered` | | the amount of the tier that the order's weight is in |
| `dropship_fee` per order | fee | the action's amount |
| `dropship_fee` per item | fee | the action's amount, times the sum of the order's quantities |
| `dropship_fee` with tiers | fee | the amount of the tier that the order's weight is in |
| `percentage_fee` | fee | percent of the order's subtotal |
| `discount` | discount | minus: percent of the order's subtotal, or the action's amount; `running` at most |
| `credit` | other | minus: the action's amount, or all; at most what is left of the balance, and `running` at most |
| `tax` | tax | percent of `taxable`, of 0 where that is less |

A weight is in the first tier whose `up_to_grams` is not less than it, or else in the last one, which has none; a product
without a weight weighs nothing. A percentage is reckoned exactly and rounded once, half to even, to a whole minor unit. A
discount or credit that comes to 0 adds no line, every other action does. So the total is the sum of the lines, exactly, and
never negative, and no more credit is used than there is.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, StrictInt

from tradepost.domain.errors import ConflictError
from tradepost.domain.orders import Order
from tradepost.domain.rule_actions import (
    Action,
    Credit,
    DropshipFee,
    InvoiceDiscount,
    PercentageFee,
    Shipping,
    Tax,
    amount_for,
    basis_points,
    moneys,
)
from tradepost.domain.rule_evaluation import Match
from tradepost.domain.rules import Rule
from tradepost.domain.values import MAX_SUM, Money, Price, Value

HUNDRED_PERCENT: Final = 10_000
"""In basis points."""

type InvoiceLineKind = Literal["subtotal", "tax", "shipping", "fee", "other", "discount"]

TAXABLE: Final[frozenset[InvoiceLineKind]] = frozenset({"subtotal", "shipping", "fee", "discount"})
"""The kinds of lines that a tax is on: neither another tax, nor what is paid from a credit balance."""


class Amount(Money):
    """An amount of an invoice, negative where it takes something off."""

    amount: Annotated[StrictInt, Field(ge=-MAX_SUM, le=MAX_SUM)]


class InvoiceLine(Value):
    """One line of an invoice. `rule_id` and `rule_version` name the rule that made it; those without are the order's.

    `quantity` and `unit` are what a fee per item was multiplied from, `base` and `percent` what a share was taken of. A
    discount is at most what was left to pay.
    """

    kind: InvoiceLineKind
    text: str
    amount: Amount
    quantity: int | None = None
    unit: Price | None = None
    base: Amount | None = None
    percent: str | None = None
    rule_id: str | None = None
    rule_version: int | None = None


class Computed(Value):
    """What an invoice says: its lines, what they come to, and how much of the credit balance is used for it."""

    lines: tuple[InvoiceLine, ...]
    subtotal: Amount
    shipping: Amount
    fees: Amount
    discounts: Amount
    tax: Amount
    other: Amount
    total: Amount
    credit_used: Amount


def half_even(numerator: int, denominator: int) -> int:
    """Return a fraction as a whole number, exactly rounded, half to even. The denominator is positive."""
    whole, rest = divmod(numerator, denominator)
    half = 2 * rest
    return whole + (half > denominator or (half == denominator and whole % 2 == 1))


def share(amount: int, percent: str) -> int:
    """Return so many percent of an amount, rounded half to even."""
    return half_even(amount * basis_points(percent), HUNDRED_PERCENT)


def invoice_lines(order: Order, matches: Iterable[Match], *, credit_balance: int, weight: int) -> Computed:
    """Return what an order is invoiced with by the rules that match it, in their order; see the top of the module.

    `credit_balance` is in minor units of the order's currency, `weight` in grams. Raises `ConflictError` for a rule in
    another currency.
    """
    rules = [match.rule for match in matches]
    sheet = _Sheet(order, credit_balance, weight)
    sheet.begin(ships=any(isinstance(action, Shipping) for rule in rules for action in rule.then))
    for rule in rules:
        for action in rule.then:
            sheet.add(action, rule)
    return sheet.computed()


class _Entry(NamedTuple):
    """What an action comes to, before it is written under its rule's name."""

    kind: InvoiceLineKind
    text: str
    amount: int
    quantity: int | None = None
    unit: Price | None = None
    base: int | None = None
    percent: str | None = None


class _Sheet:
    """An invoice while it is written."""

    def __init__(self, order: Order, credit_balance: int, weight: int) -> None:
        self.order = order
        self.currency = order.total.currency
        self.weight = weight
        self.credit_left = max(0, credit_balance)
        self.credit_used = 0
        self.lines: list[InvoiceLine] = []
        self.running = 0

    def begin(self, *, ships: bool) -> None:
        """Write what the order says; its shipping cost only if no rule `ships`."""
        self._write(_Entry("subtotal", "Subtotal", self.order.subtotal.amount))
        if not ships:
            self._write(_Entry("shipping", f"Shipping: {self.order.shipping_method_name}", self.order.shipping_cost.amount))
        if self.order.tax.amount:
            self._write(_Entry("tax", "Tax", self.order.tax.amount))

    def add(self, action: Action, rule: Rule) -> None:
        """Write the line of one action, if it has one."""
        if any(money.currency != self.currency for _, money in moneys(action, "")):
            raise ConflictError("currency_differs", "A rule is in another currency than the order.", rule_id=rule.id)
        match action:
            case Shipping():
                self._write(self._shipping(action), rule)
            case DropshipFee():
                self._write(self._dropship_fee(action), rule)
            case PercentageFee(percent=percent):
                base = self.order.subtotal.amount
                entry = _Entry("fee", f"Fee, {percent}\u00a0%", share(base, percent), base=base, percent=percent)
                self._write(entry, rule)
            case InvoiceDiscount():
                self._discount(action, rule)
            case Credit():
                self._credit(action, rule)
            case Tax(percent=percent):
                base = max(0, sum(line.amount.amount for line in self.lines if line.kind in TAXABLE))
                entry = _Entry("tax", f"Tax, {percent}\u00a0%", share(base, percent), base=base, percent=percent)
                self._write(entry, rule)

    def computed(self) -> Computed:
        """Add it up."""

        def sum_of(kind: InvoiceLineKind) -> Amount:
            return self._money(sum(line.amount.amount for line in self.lines if line.kind == kind))

        return Computed(
            lines=tuple(self.lines),
            subtotal=sum_of("subtotal"),
            shipping=sum_of("shipping"),
            fees=sum_of("fee"),
            discounts=sum_of("discount"),
            tax=sum_of("tax"),
            other=sum_of("other"),
            total=self._money(self.running),
            credit_used=self._money(self.credit_used),
        )

    def _shipping(self, action: Shipping) -> _Entry:
        if action.free_above is not None and self.order.subtotal.amount >= action.free_above.amount:
            return _Entry("shipping", "Shipping, free", 0)
        if action.amount is not None:
            return _Entry("shipping", "Shipping", action.amount.amount)
        if action.tiers is not None:
            return _Entry("shipping", f"Shipping, {self._weighed}", amount_for(action.tiers, self.weight).amount)
        return _Entry("shipping", f"Shipping: {self.order.shipping_method_name}", self.order.shipping_cost.amount)

    def _dropship_fee(self, action: DropshipFee) -> _Entry:
        if action.tiers is not None:
            return _Entry("fee", f"Dropship fee, {self._weighed}", amount_for(action.tiers, self.weight).amount)
        unit = action.amount or Price(amount=0, currency=self.currency)
        if action.per == "order":
            return _Entry("fee", "Dropship fee", unit.amount)
        items = sum(line.quantity for line in self.order.lines)
        return _Entry("fee", "Dropship fee per item", unit.amount * items, quantity=items, unit=unit)

    def _discount(self, action: InvoiceDiscount, rule: Rule) -> None:
        base, wanted, text = None, 0, "Discount"
        if action.percent is not None:
            base = self.order.subtotal.amount
            wanted, text = share(base, action.percent), f"Discount, {action.percent}\u00a0%"
        elif action.amount is not None:
            wanted = action.amount.amount
        taken = min(wanted, self.running)
        if taken:
            self._write(_Entry("discount", text, -taken, base=base, percent=action.percent), rule)

    def _credit(self, action: Credit, rule: Rule) -> None:
        wanted = self.credit_left if action.amount is None else action.amount.amount
        used = min(wanted, self.credit_left, self.running)
        if used:
            self.credit_left -= used
            self.credit_used += used
            self._write(_Entry("other", "Credit", -used), rule)

    @property
    def _weighed(self) -> str:
        return f"{self.weight:,}\u00a0g"

    def _write(self, entry: _Entry, rule: Rule | None = None) -> None:
        written: dict[str, Any] = {
            **entry._asdict(),
            "amount": self._money(entry.amount),
            "base": None if entry.base is None else self._money(entry.base),
        }
        by: dict[str, Any] = {} if rule is None else {"rule_id": rule.id, "rule_version": rule.version}
        self.lines.append(InvoiceLine(**written, **by))
        self.running += entry.amount

    def _money(self, amount: int) -> Amount:
        return Amount(amount=amount, currency=self.currency)
