"""What rules are asked about a reseller's order: who the reseller is, and whatever its rules want to know of the order.

One way for all who ask them, be it to decide or to try them out, so that what is tried is what will be decided.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.orders import Order
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_actions import DropshipFee, Shipping
from tradepost.domain.rule_fields import Facts, RuleKind, order_facts, order_weight
from tradepost.domain.rules import Condition, Rule, RuleSet, parts_of
from tradepost.domain.stores import Store
from tradepost.table.customers import customer_key
from tradepost.table.products import weights_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.resellers import reseller_key
from tradepost.table.rules import rule_set_keys
from tradepost.table.shapes import ORDER, Key

MOST_COUNTED: Final = 1000
"""How many earlier orders of a reseller are counted at most: `reseller.order_count` stays at that."""
_COUNT: Final = "reseller.order_count"
_WEIGHT: Final = frozenset({"order.weight", "order.weight_known"})


class Ordered(NamedTuple):
    """An order, and the reseller that placed it as both are now."""

    order: Order
    customer: Customer
    reseller: Reseller

    def rule_set_keys(self, kind: RuleKind) -> list[Key]:
        """Return where the rules of a kind are kept that decide about it."""
        return rule_set_keys(self.order.store_id, kind, self.reseller.channel_id, self.reseller.id)


class Known(NamedTuple):
    """What rules are asked about an order, and its weight in grams, by which they charge."""

    facts: Facts
    weight: int


def find_ordered(reader: Reader, store_id: str, orders: Iterable[Order]) -> dict[str, Ordered]:
    """Return those of some orders that resellers placed, by id, with the resellers.

    Calls: two BatchGetItem for what is not read yet (100 each): the customers, and the resellers that they are.
    """
    placed = list(orders)
    reader.fetch(customer_key(store_id, order.customer_id) for order in placed)
    customers = {order.id: reader.find(customer_key(store_id, order.customer_id), Customer) for order in placed}
    summaries = {id_: customer.reseller for id_, customer in customers.items() if customer and customer.reseller}
    reader.fetch(reseller_key(store_id, summary.id) for summary in summaries.values())
    found: dict[str, Ordered] = {}
    for order in placed:
        customer, summary = customers[order.id], summaries.get(order.id)
        reseller = reader.find(reseller_key(store_id, summary.id), Reseller) if summary else None
        if customer and reseller:
            found[order.id] = Ordered(order, customer, reseller)
    return found


def what_is_known(
    reader: Reader, store: Store, ordered: Sequence[Ordered], sets: Iterable[RuleSet], *more: Rule
) -> dict[str, Known]:
    """Return what the rules of some sets, and `more`, are asked about some orders, by id.

    The order is asked about as it is, as if on the instant of its placing; so is the reseller, as it is now. Calls: none,
    unless the rules ask for more than that. For weights one BatchGetItem for the products (100 each); for the number of
    earlier orders a Query for each reseller, and more for one with hundreds.
    """
    rules = [*(rule for each in sets for rule in each.rules), *more]
    asked = frozenset(name for rule in rules for name in _fields(rule.when))
    by_weight = bool(asked & _WEIGHT) or any(map(_charges_by_weight, rules))
    weights = weights_of(reader, store.id, *(each.order for each in ordered)) if by_weight else {}
    counts = _counts(store.id, [each.order for each in ordered]) if _COUNT in asked else {}
    return {
        each.order.id: Known(
            order_facts(
                *each,
                weights=weights,
                placed_before=counts.get(each.order.id, 0),
                at=each.order.placed_at,
                time_zone=store.time_zone,
            ),
            order_weight(each.order, weights),
        )
        for each in ordered
    }


def _fields(condition: Condition) -> Iterator[str]:
    """Return the fields that a condition asks about."""
    if "field" in condition:
        yield condition["field"]
    for part, _ in parts_of(condition, ""):
        yield from _fields(part)


def _charges_by_weight(rule: Rule) -> bool:
    return any(isinstance(action, DropshipFee | Shipping) and action.tiers is not None for action in rule.then)


def _counts(store_id: str, orders: Sequence[Order]) -> Mapping[str, int]:
    """Return how many orders its customer had placed before each of some orders, whatever became of them."""
    last: dict[str, str] = {}
    for order in orders:
        last[order.customer_id] = max(last.get(order.customer_id, ""), _place(order))
    places = {customer_id: _places(store_id, customer_id, until) for customer_id, until in last.items()}
    return {order.id: bisect_left(places[order.customer_id], _place(order)) for order in orders}


def _places(store_id: str, customer_id: str, until: str) -> list[str]:
    """Return where a customer's first orders are in the list of its orders, oldest first, up to a place."""
    names = {"store": store_id, "customer": customer_id, "placed_at": "", "order": ""}
    pages = Record.gsi2.query(
        ORDER.index2(**names).pk,
        range_key_condition=Record.gsi2sk.between(stamp(datetime.min.replace(tzinfo=UTC)), until),
        attributes_to_get=["gsi2sk"],
        page_size=MOST_COUNTED,
    ).page_iter
    places: list[str] = []
    for page in pages:
        places += [item["gsi2sk"]["S"] for item in page["Items"]]
        if len(places) >= MOST_COUNTED:
            break
    return places[:MOST_COUNTED]


def _place(order: Order) -> str:
    names = {"store": order.store_id, "customer": order.customer_id, "order": order.id}
    return ORDER.index2(**names, placed_at=stamp(order.placed_at)).sk
