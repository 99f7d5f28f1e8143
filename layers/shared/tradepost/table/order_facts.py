"""What rules are asked about a reseller's order: who the reseller is, and whatever its rules want to know of the order.

One way for all who ask them, be it to decide or to try them out, so that what is tried is what will be decided.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer, ResellerSummary
from tradepost.domain.orders import Order
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_actions import DropshipFee, Shipping
from tradepost.domain.rule_fields import Facts, order_facts, order_weight
from tradepost.domain.rules import Condition, Rule, RuleSet, parts_of
from tradepost.domain.stores import Store
from tradepost.table.customers import customer_key
from tradepost.table.listing import list_index
from tradepost.table.products import weights_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.resellers import reseller_key
from tradepost.table.shapes import ORDER, Key

MOST_LOOKED_AT: Final = 5000
"""How many orders of a store are looked through for those of resellers."""
MOST_COUNTED: Final = 1000
"""How many earlier orders of a reseller are counted: `reseller.order_count` stays at that."""
_PAGE: Final = 250
_COUNT: Final = "reseller.order_count"
_WEIGHT: Final = frozenset({"order.weight", "order.weight_known"})


class Ordered(NamedTuple):
    """An order, and the reseller that placed it as both are now."""

    order: Order
    customer: Customer
    reseller: Reseller


class Known(NamedTuple):
    """What rules are asked about an order, and its weight in grams, by which they charge."""

    facts: Facts
    weight: int


type Along = Callable[[Order, ResellerSummary], Iterable[Key]]
"""What else is read about an order, along with its reseller."""


def find_ordered(reader: Reader, store_id: str, orders: Iterable[Order], *, along: Along = lambda *_: ()) -> dict[str, Ordered]:
    """Return those of some orders that resellers placed, by id, with the resellers.

    Calls: two BatchGetItem for what is not read yet (100 each): the customers, and the resellers that they are.
    """
    placed = list(orders)
    reader.fetch(customer_key(store_id, order.customer_id) for order in placed)
    customers = {id_: reader.find(customer_key(store_id, id_), Customer) for id_ in {order.customer_id for order in placed}}
    of_resellers = [
        (order, customer, customer.reseller)
        for order in placed
        if (customer := customers[order.customer_id]) and customer.reseller
    ]
    reader.fetch(
        key for order, _, summary in of_resellers for key in (reseller_key(store_id, summary.id), *along(order, summary))
    )
    ids = {summary.id for *_, summary in of_resellers}
    resellers = {id_: reader.find(reseller_key(store_id, id_), Reseller) for id_ in ids}
    return {
        order.id: Ordered(order, customer, reseller)
        for order, customer, summary in of_resellers
        if (reseller := resellers[summary.id])
    }


class Looked(NamedTuple):
    """The latest orders of resellers that were found, newest first, and how many orders of all were looked through."""

    orders: list[Order]
    looked_at: int


def latest_of_resellers(
    reader: Reader, store_id: str, limit: int, *, whose: Callable[[ResellerSummary], bool], customer_id: str | None = None
) -> Looked:
    """Return the latest orders of those resellers that are wanted, or of the one customer that one of them is.

    Calls: for every few hundred orders of the store a Query, and a BatchGetItem for the customers (100 each), until there
    are enough or `MOST_LOOKED_AT` were looked through.
    """
    names = {"store": store_id, "customer": customer_id or "", "placed_at": "", "order": ""}
    index, partition = (Record.gsi2, ORDER.index2(**names).pk) if customer_id else (Record.gsi1, ORDER.index1(**names).pk)
    found: list[Order] = []
    looked_at, after = 0, None
    while len(found) < limit and looked_at < MOST_LOOKED_AT:
        rows = list_index(index, partition, limit=min(_PAGE, MOST_LOOKED_AT - looked_at), after=after, newest_first=True)
        orders = [row.load(Order) for row in rows.records]
        looked_at += len(orders)
        reader.fetch(customer_key(store_id, order.customer_id) for order in orders)
        ids = {order.customer_id for order in orders}
        customers = {id_: reader.find(customer_key(store_id, id_), Customer) for id_ in ids}
        for order in orders:
            customer = customers[order.customer_id]
            if customer and customer.reseller and whose(customer.reseller):
                found.append(order)
        after = rows.next_position
        if after is None:
            break
    return Looked(found[:limit], looked_at)


def what_is_known(
    reader: Reader, store: Store, ordered: Sequence[Ordered], sets: Iterable[RuleSet], *more: Rule
) -> dict[str, Known]:
    """Return what the rules of some sets, and `more`, are asked about some orders, by id.

    The order is asked about as it is, as if on the instant of its placing; so is the reseller, as it is now. Calls: none,
    unless the rules ask for more than that. For weights one BatchGetItem for the products (100 each); for the number of
    earlier orders a Query for each reseller, and one more for every few hundred that it placed.
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
    partition = ORDER.index2(store=store_id, customer=customer_id, placed_at="", order="").pk
    pages = Record.gsi2.query(partition, range_key_condition=Record.gsi2sk < until, attributes_to_get=["gsi2sk"]).page_iter
    places: list[str] = []
    for page in pages:
        places += [item["gsi2sk"]["S"] for item in page["Items"]]
        if len(places) >= MOST_COUNTED:
            break
    return places[:MOST_COUNTED]


def _place(order: Order) -> str:
    names = {"store": order.store_id, "customer": order.customer_id, "order": order.id}
    return ORDER.index2(**names, placed_at=stamp(order.placed_at)).sk
