"""What rules can ask about: the catalogue of fields for each kind of rule, and the facts of a reseller or an order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from iso3166 import countries_by_alpha2

from tradepost.domain.catalog import number_key
from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.orders import Order
from tradepost.domain.resellers import Reseller
from tradepost.domain.values import Money, folded

type RuleKind = Literal["approval", "payment_capture", "invoicing"]
type FieldType = Literal["money", "integer", "string", "strings", "country", "enum", "boolean", "instant"]
type Operator = Literal[
    "eq",
    "ne",
    "in",
    "not_in",
    "lt",
    "lte",
    "gt",
    "gte",
    "between",
    "contains",
    "starts_with",
    "ends_with",
    "any_of",
    "all_of",
    "none_of",
    "exists",
    "missing",
]
type Fact = bool | int | str | Money | datetime | tuple[str, ...]
"""What is known of one field. A text that is empty is not known."""

ANSWERS: Final = "answers."
"""What a store asked besides, by the question: `answers.How many shops do you have?`."""

_THERE: Final[tuple[Operator, ...]] = ("exists", "missing")
_AMONG: Final[tuple[Operator, ...]] = ("eq", "ne", "in", "not_in")
_ORDERED: Final[tuple[Operator, ...]] = ("lt", "lte", "gt", "gte", "between")
OPERATORS: Final[Mapping[FieldType, tuple[Operator, ...]]] = {
    "money": (*_AMONG, *_ORDERED, *_THERE),
    "integer": (*_AMONG, *_ORDERED, *_THERE),
    "instant": ("eq", "ne", *_ORDERED, *_THERE),
    "string": (*_AMONG, "contains", "starts_with", "ends_with", *_THERE),
    "country": (*_AMONG, *_THERE),
    "enum": (*_AMONG, *_THERE),
    "boolean": ("eq", "ne", *_THERE),
    "strings": ("any_of", "all_of", "none_of", *_THERE),
}
"""What can be asked of a field of each type."""
WITHOUT_VALUE: Final[frozenset[Operator]] = frozenset(_THERE)
WITH_SEVERAL: Final[frozenset[Operator]] = frozenset({"in", "not_in", "any_of", "all_of", "none_of"})
"""The operators whose value is a list."""


class RuleField(NamedTuple):
    """A field that rules can ask about. `choices` are all the values that one of type `enum` can have."""

    name: str
    type: FieldType
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def operators(self) -> tuple[Operator, ...]:
        """What can be asked of it."""
        return OPERATORS[self.type]


_STATUSES: Final = ("unconfirmed", "pending", "approved", "denied", "active", "suspended")
_SOURCES: Final = ("portal", "fast_order", "offer", "api", "inventory_source")

ENROLMENT_FIELDS: Final = (
    RuleField("company", "string", "What the company calls itself."),
    RuleField("contact_name", "string", "Who enrols it."),
    RuleField("email", "string", "The address that was confirmed."),
    RuleField("email_domain", "string", "What stands behind the @ of the address."),
    RuleField("tax_id", "string", "The tax id that was given."),
    RuleField("has_tax_id", "boolean", "Whether a tax id was given."),
    RuleField("country", "country", "The country of the company's address."),
    RuleField("region", "string", "The region of the company's address."),
    RuleField("city", "string", "The city of the company's address."),
    RuleField("postal_code", "string", "The postal code of the company's address."),
    RuleField("street", "string", "The street of the company's address."),
    RuleField("enrolled_at", "instant", "When it enrolled."),
    RuleField("enrolled_hour", "integer", "The hour (0 to 23, store's time) in which it enrolled."),
    RuleField("enrolled_weekday", "integer", "The day of the week (1 is Monday, store's time) on which it enrolled."),
    RuleField("age_hours", "integer", "How many whole hours ago it enrolled."),
    RuleField("denials", "integer", "How often it was denied before."),
    RuleField(
        f"{ANSWERS}<question>", "string", "What it answered to a question of the store's, by the question as it is asked."
    ),
)
"""What approval rules can ask about."""
ORDER_FIELDS: Final = (
    RuleField("order.total", "money", "What the order comes to."),
    RuleField("order.subtotal", "money", "What its lines come to, without shipping."),
    RuleField("order.shipping_cost", "money", "What shipping is charged with."),
    RuleField("order.lines", "integer", "How many different products it has."),
    RuleField("order.items", "integer", "How many items it has: the sum of the quantities."),
    RuleField("order.weight", "integer", "What it weighs, in grams; products without a weight weigh nothing."),
    RuleField("order.weight_known", "boolean", "Whether all of its products have a weight."),
    RuleField("order.source", "enum", "In which way it came.", _SOURCES),
    RuleField("order.currency", "string", "The currency it is in."),
    RuleField("order.payment_method_id", "string", "How it is paid, by the method's id."),
    RuleField("order.payment_kind", "enum", "Whether it is paid at once or on net terms.", ("instant", "net_terms")),
    RuleField("order.shipping_method_id", "string", "How it is shipped, by the method's id."),
    RuleField("order.destination_country", "country", "The country it is shipped to."),
    RuleField("order.destination_region", "string", "The region it is shipped to."),
    RuleField("order.destination_postal_code", "string", "The postal code it is shipped to."),
    RuleField("order.billing_country", "country", "The country it is billed to."),
    RuleField("order.product_numbers", "strings", "The numbers of its products."),
    RuleField("order.placed_at", "instant", "When it was placed."),
    RuleField("order.placed_hour", "integer", "The hour (0 to 23, store's time) in which it was placed."),
    RuleField("order.placed_weekday", "integer", "The day of the week (1 is Monday, store's time) on which it was placed."),
    RuleField("reseller.id", "string", "The reseller's id."),
    RuleField("reseller.company", "string", "What the reseller calls itself."),
    RuleField("reseller.status", "enum", "Where the reseller stands.", _STATUSES),
    RuleField("reseller.channel_id", "string", "The reseller channel that it is in, by id."),
    RuleField("reseller.age_days", "integer", "How many whole days ago it enrolled."),
    RuleField("reseller.order_count", "integer", "How many orders it had placed before this one."),
    RuleField("reseller.tax_id", "string", "The reseller's tax id."),
    RuleField("reseller.has_tax_id", "boolean", "Whether it has a tax id."),
    RuleField("reseller.email_domain", "string", "What stands behind the @ of its address."),
    RuleField("reseller.country", "country", "The country of its address."),
    RuleField("customer.id", "string", "The customer that the reseller is, by id."),
    RuleField("customer.number", "string", "The number of the customer that the reseller is."),
    RuleField("customer.group_id", "string", "The customer group that it is in, by id."),
    RuleField("customer.tags", "strings", "What the owner calls it: the tags of the customer."),
    RuleField("customer.price_tier_id", "string", "The price tier that the order was priced in, by id."),
)
"""What payment and invoicing rules can ask about."""
CATALOGUE: Final[Mapping[RuleKind, tuple[RuleField, ...]]] = {
    "approval": ENROLMENT_FIELDS,
    "payment_capture": ORDER_FIELDS,
    "invoicing": ORDER_FIELDS,
}
_BY_NAME: Final = {kind: {field.name: field for field in fields} for kind, fields in CATALOGUE.items()}
COUNTRIES: Final[frozenset[str]] = frozenset(countries_by_alpha2)


def field_of(kind: RuleKind, name: str) -> RuleField | None:
    """Return the field that rules of a kind call by a name; None if they know none."""
    if kind == "approval" and name.startswith(ANSWERS):
        return RuleField(name, "string", name.removeprefix(ANSWERS)) if len(name) > len(ANSWERS) else None
    return _BY_NAME[kind].get(name)


class _Comparable(dict[str, Any]):
    """Values by field in the form in which they are compared, each made ready when it is first asked for."""

    def __init__(self, values: Mapping[str, Fact]) -> None:
        super().__init__()
        self._values = values

    def __missing__(self, name: str) -> Any:
        fact = self._values.get(name)
        prepared = self[name] = None if fact is None else _prepared(fact)
        return prepared


class Facts:
    """What is known when rules are asked: `values` by field, and `comparable`, the same as compared, with None for unknown."""

    def __init__(self, values: Mapping[str, Fact | None]) -> None:
        """Take what is known; None, the empty text and the empty list are not."""
        self.values: Mapping[str, Fact] = {name: fact for name, fact in values.items() if fact not in {None, "", ()}}
        self.comparable: Mapping[str, Any] = _Comparable(self.values)

    def shown(self, name: str) -> object:
        """Return a value as JSON has it; None if it is not known."""
        return shown(self.values.get(name))


def _prepared(fact: Fact) -> object:
    """Return a value in the form in which two that are the same are equal: a text in any letter case, an amount by itself.

    Rules are in the store's currency, as its orders are, so that amounts alone can be compared.
    """
    match fact:
        case Money():
            return fact.amount
        case str():
            return folded(fact)
        case tuple():
            return frozenset(folded(each) for each in fact)
    return fact


def shown(fact: Fact | None) -> object:
    """Return a value as JSON has it."""
    match fact:
        case Money():
            return fact.model_dump()
        case datetime():
            return stamp(fact)
        case tuple():
            return list(fact)
    return fact


def enrolment_facts(reseller: Reseller, *, at: datetime, time_zone: str = "UTC") -> Facts:
    """Return what approval rules can know of a reseller that is pending. `time_zone` is the store's."""
    application = reseller.application
    address, enrolled = application.address, reseller.enrolled_at.astimezone(ZoneInfo(time_zone))
    answers = {f"{ANSWERS}{question}": answer for question, answer in application.answers.items()}
    return Facts(
        {
            **answers,
            "company": application.company,
            "contact_name": application.contact.name,
            "email": application.contact.email,
            "email_domain": _domain(reseller),
            "tax_id": application.tax_id,
            "has_tax_id": bool(application.tax_id),
            "country": address.country,
            "region": address.region,
            "city": address.city,
            "postal_code": address.postal_code,
            "street": address.street,
            "enrolled_at": reseller.enrolled_at,
            "enrolled_hour": enrolled.hour,
            "enrolled_weekday": enrolled.isoweekday(),
            "age_hours": _whole(reseller.enrolled_at, at, seconds=3600),
            "denials": sum(step.to == "denied" for step in reseller.history),
        }
    )


def order_weight(order: Order, weights: Mapping[str, int | None]) -> int:
    """Return what an order weighs, in grams. `weights` are those of its products, by `number_key`; some may have none."""
    return sum((weights.get(number_key(line.product_number)) or 0) * line.quantity for line in order.lines)


def order_facts(
    order: Order,
    customer: Customer,
    reseller: Reseller,
    *,
    weights: Mapping[str, int | None],
    placed_before: int,
    at: datetime,
    time_zone: str = "UTC",
) -> Facts:
    """Return what payment and invoicing rules can know of an order, `at` the instant for which it is decided.

    `weights` are those of its products, by `number_key`, `placed_before` counts the orders that the reseller placed earlier,
    `time_zone` is the store's.
    """
    placed = order.placed_at.astimezone(ZoneInfo(time_zone))
    application = reseller.application
    return Facts(
        {
            "order.total": order.total,
            "order.subtotal": order.subtotal,
            "order.shipping_cost": order.shipping_cost,
            "order.lines": len(order.lines),
            "order.items": sum(line.quantity for line in order.lines),
            "order.weight": order_weight(order, weights),
            "order.weight_known": all(weights.get(number_key(line.product_number)) is not None for line in order.lines),
            "order.source": order.source,
            "order.currency": order.total.currency,
            "order.payment_method_id": order.payment_method_id,
            "order.payment_kind": order.payment_kind,
            "order.shipping_method_id": order.shipping_method_id,
            "order.destination_country": order.shipping_address.country,
            "order.destination_region": order.shipping_address.region,
            "order.destination_postal_code": order.shipping_address.postal_code,
            "order.billing_country": order.billing_address.country,
            "order.product_numbers": tuple(line.product_number for line in order.lines),
            "order.placed_at": order.placed_at,
            "order.placed_hour": placed.hour,
            "order.placed_weekday": placed.isoweekday(),
            "reseller.id": reseller.id,
            "reseller.company": application.company,
            "reseller.status": reseller.status,
            "reseller.channel_id": reseller.channel_id,
            "reseller.age_days": _whole(reseller.enrolled_at, at, seconds=86400),
            "reseller.order_count": placed_before,
            "reseller.tax_id": application.tax_id,
            "reseller.has_tax_id": bool(application.tax_id),
            "reseller.email_domain": _domain(reseller),
            "reseller.country": application.address.country,
            "customer.id": customer.id,
            "customer.number": customer.number,
            "customer.group_id": customer.group_id,
            "customer.tags": customer.tags,
            "customer.price_tier_id": order.price_tier_id,
        }
    )


def _domain(reseller: Reseller) -> str:
    return reseller.application.contact.email.rpartition("@")[2]


def _whole(since: datetime, at: datetime, *, seconds: int) -> int:
    return max(0, int((at - since).total_seconds()) // seconds)
