"""Products in the table: listed by number, those on sale by themselves, and found by number or words of their name."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from pynamodb.expressions.operand import Path

from tradepost.domain.catalog import Product, number_key
from tradepost.domain.errors import DomainError, StaleError
from tradepost.domain.orders import Order
from tradepost.domain.stores import PriceTier
from tradepost.table.listing import Position, Rows, index_words, list_index, search, words_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import PRODUCT, Key
from tradepost.table.stores import count_uses
from tradepost.table.transaction import MAX_ACTIONS, Transaction

COLLECTION = "PRODUCTS"

type Rewrite = tuple[Product | None, Product | None]
"""A product before and after a change; None where there is none."""


def product_key(store_id: str, number: str) -> Key:
    """Return where a product is kept."""
    return PRODUCT.key(store=store_id, number=number_key(number))


class Numbered(Protocol):
    """A line that may be about a product."""

    @property
    def product_number(self) -> str | None:
        """The product's number."""


def numbers_of(lines: Iterable[Numbered]) -> list[str]:
    """Return the numbers of the products that some lines are about."""
    return [line.product_number for line in lines if line.product_number]


def product_keys(store_id: str, numbers: Iterable[str]) -> list[Key]:
    """Return where the products with some numbers are kept."""
    return [product_key(store_id, number) for number in numbers]


def find_products(reader: Reader, store_id: str, numbers: Iterable[str]) -> dict[str, Product]:
    """Return those products with some numbers that exist, by `number_key`."""
    keys = product_keys(store_id, numbers)
    reader.fetch(keys)
    found = (reader.find(key, Product) for key in keys)
    return {number_key(product.number): product for product in found if product is not None}


def weights_of(reader: Reader, store_id: str, *orders: Order) -> dict[str, int | None]:
    """Return what the products of some orders weigh, in grams, by `number_key`; those that are gone are not in it.

    Calls: one BatchGetItem for the products that are not read yet (100 each).
    """
    products = find_products(reader, store_id, (number for order in orders for number in numbers_of(order.lines)))
    return {number: product.weight_grams for number, product in products.items()}


def save_product(tx: Transaction, store_id: str, product: Product, *, before: Product | None) -> Product:
    """Write a product and the words that find it; returns it with its new version. See `count_priced` for its tiers."""
    number = number_key(product.number)
    record = Record.of(
        product_key(store_id, number),
        product,
        index1=PRODUCT.index1(store=store_id, number=number),
        index2=PRODUCT.index2(store=store_id, number=number) if product.active else None,
    )
    # A product that appeared meanwhile is one that the caller has not seen.
    tx.save(record, otherwise=StaleError())
    old_words = _words(before) if before else frozenset()
    index_words(tx, store_id, COLLECTION, number, before=old_words, after=_words(product))
    return product.model_copy(update={"version": product.version + 1})


def remove_product(tx: Transaction, store_id: str, product: Product) -> None:
    """Delete a product and the words that find it. See `count_priced` for its tiers."""
    unchanged = Record.version == product.version
    tx.delete(product_key(store_id, product.number), condition=unchanged, otherwise=StaleError())
    number = number_key(product.number)
    index_words(tx, store_id, COLLECTION, number, before=_words(product), after=())


def count_priced(tx: Transaction, store_id: str, rewrites: Iterable[Rewrite]) -> None:
    """Count in each price tier how many products have a price there, in one step per tier however many change."""
    more: Counter[str] = Counter()
    for before, after in rewrites:
        more.update(after.prices.keys() if after else ())
        more.subtract(before.prices.keys() if before else ())
    for tier_id, count in sorted(more.items()):
        if count:
            count_uses(tx, store_id, PriceTier, tier_id, count, field=f"/prices/{tier_id}")


def write_products(
    begin: Callable[[], Transaction], store_id: str, rewrites: Sequence[Rewrite], **details: str
) -> list[DomainError | None]:
    """Write products, several in one transaction; returns for each why it could not be written, None if it was.

    Where a transaction is refused, its products are written one by one, so that only those at fault fail.
    """
    outcome: list[DomainError | None] = []
    for chunk in _chunks(rewrites):
        refusal = _write(begin(), store_id, chunk, details)
        if refusal is None or len(chunk) == 1:
            outcome += [refusal] * len(chunk)
        else:
            outcome += [_write(begin(), store_id, [rewrite], details) for rewrite in chunk]
    return outcome


def _write(tx: Transaction, store_id: str, rewrites: Sequence[Rewrite], details: Mapping[str, Any]) -> DomainError | None:
    for before, after in rewrites:
        if after:
            save_product(tx, store_id, after, before=before)
            tx.audit("product:replaced" if before else "product:created", number_key(after.number), **details)
    count_priced(tx, store_id, rewrites)
    try:
        tx.commit()
    except DomainError as refusal:
        return refusal
    return None


def _chunks(rewrites: Iterable[Rewrite]) -> Iterator[list[Rewrite]]:
    """Cut a long list so that each part fits into one transaction."""
    chunk: list[Rewrite] = []
    actions, tiers = 0, frozenset[str]()
    for before, after in rewrites:
        if after is None:
            continue
        own_actions, own_tiers = _actions(before, after), _tiers_touched(before, after)
        if chunk and actions + own_actions + len(tiers | own_tiers) > MAX_ACTIONS:
            yield chunk
            chunk, actions, tiers = [], 0, frozenset()
        chunk.append((before, after))
        actions, tiers = actions + own_actions, tiers | own_tiers
    if chunk:
        yield chunk


def _actions(before: Product | None, after: Product) -> int:
    old, new = _words(before) if before else frozenset(), _words(after)
    return 2 + len(old - new) + (len(new) if old != new else 0)


def _tiers_touched(before: Product | None, after: Product) -> frozenset[str]:
    return frozenset((before.prices.keys() if before else set()) ^ after.prices.keys())


def list_products(store_id: str, *, active: bool | None, limit: int, after: Position | None) -> Rows:
    """Return a page of a store's products by number, with one Query. Those on sale have an index of their own."""
    if active:
        partition = PRODUCT.index2(store=store_id, number="").pk
        return list_index(Record.gsi2, partition, limit=limit, after=after)
    partition = PRODUCT.index1(store=store_id, number="").pk
    where = None if active is None else Path("data.active") == False  # noqa: E712  # a condition, not a comparison
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=where)


def search_products(
    reader: Reader, store_id: str, text: str, *, limit: int, after: Position | None
) -> tuple[list[Product], Position | None]:
    """Return a page of the products that a text finds: one Query for their numbers, and one batch for the products."""
    numbers, following = search(store_id, COLLECTION, text, limit=limit, after=after)
    keys = [product_key(store_id, number) for number in numbers]
    reader.fetch(keys)
    found = [reader.find(key, Product) for key in keys]
    return [product for product in found if product], following


def _words(product: Product) -> frozenset[str]:
    return words_of(product.number, product.name)
