"""Rules to ask, and resellers and orders to ask them about, made without the API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.orders import Order, OrderLine, Total
from tradepost.domain.people import SYSTEM
from tradepost.domain.resellers import Application, Contact, Reseller
from tradepost.domain.rule_fields import RuleKind
from tradepost.domain.rules import STORE_SCOPE, Rule, RuleScope, RuleSet, checked, rule_id_of
from tradepost.domain.values import Price

AT: Final = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ALWAYS: Final = {"always": True}
THEN: Final[dict[RuleKind, list[Any]]] = {
    "approval": [{"action": "approve"}],
    "payment_capture": [{"action": "capture_now"}],
    "invoicing": [{"action": "tax", "percent": 7}],
}


def money(amount: int, currency: str = "EUR") -> dict[str, Any]:
    """Return an amount as a rule spells it."""
    return {"amount": amount, "currency": currency}


def rule_of(
    when: object = ALWAYS,
    *,
    kind: RuleKind = "invoicing",
    scope: RuleScope = STORE_SCOPE,
    then: Sequence[object] | None = None,
    name: str = "01",
    **fields: Any,
) -> Rule:
    """Return a rule as if it were stored, in its first version."""
    draft = Rule.model_construct(
        id=rule_id_of(kind, scope, name),
        store_id="acme",
        kind=kind,
        scope=scope,
        **{"version": 1, "priority": 100, **fields},
        when={},
        then=(),
        created_at=AT,
        updated_at=AT,
    )
    checked_rule = checked(draft, {"when": when, "then": THEN[kind] if then is None else then}, currency="EUR")
    return Rule.model_validate(checked_rule.model_dump(mode="json"))


def set_of(*rules: Rule) -> RuleSet:
    """Return the set that rules of one kind and scope make."""
    made = RuleSet(store_id="acme", kind=rules[0].kind, scope=rules[0].scope)
    for rule in rules:
        made = made.with_rule(rule)
    return made


def reseller_of(**fields: Any) -> Reseller:
    """Return a reseller that enrolled two days before `AT`."""
    application = Application(
        company="Blue Door Ltd",
        contact=Contact(name="Ida Holm", email="Ida@BlueDoor.test"),
        address=PostalAddress(street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE"),
        answers={"Shops?": "Three"},
    )
    enrolled = AT - timedelta(days=2, minutes=1)
    return Reseller(
        **{"id": "r1", "store_id": "acme", "application": application, "status": "pending", "enrolled_at": enrolled, **fields}
    )


def customer_of(**fields: Any) -> Customer:
    """Return the customer that a reseller is."""
    return Customer(
        **{"id": "c1", "store_id": "acme", "number": "C-1", "name": "Blue Door", "group_id": "g1", "created_at": AT, **fields}
    )


def order_of(*lines: tuple[str, int, int], **fields: Any) -> Order:
    """Return an order of `(number, quantity, unit price)` each, placed at `AT`."""
    address = PostalAddress(street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE")
    ordered = tuple(
        OrderLine(
            product_number=number,
            name=number,
            quantity=quantity,
            list_price=Price(amount=price, currency="EUR"),
            unit_price=Price(amount=price, currency="EUR"),
            total=Total(amount=quantity * price, currency="EUR"),
        )
        for number, quantity, price in lines
    )
    subtotal, shipping = sum(line.total.amount for line in ordered), 590
    values: dict[str, Any] = {
        "id": "c1.o1",
        "store_id": "acme",
        "number": "O-1",
        "status": "received",
        "source": "api",
        "customer_id": "c1",
        "customer_number": "C-1",
        "customer_name": "Blue Door",
        "employee_id": "acme.p.c1",
        "actor": SYSTEM,
        "subject": SYSTEM,
        "price_tier_id": "t1",
        "billing_address": address,
        "shipping_address": address,
        "lines": ordered,
        "subtotal": Total(amount=subtotal, currency="EUR"),
        "list_shipping_cost": Price(amount=shipping, currency="EUR"),
        "shipping_cost": Price(amount=shipping, currency="EUR"),
        "tax": Price(amount=0, currency="EUR"),
        "total": Total(amount=subtotal + shipping, currency="EUR"),
        "shipping_method_id": "s1",
        "shipping_method_name": "Parcel",
        "payment_method_id": "p1",
        "payment_method_name": "Card",
        "payment_kind": "instant",
        "placed_at": AT,
    }
    return Order(**{**values, **fields})
