"""Figures of offers in the table: added up in the transactions that send and accept them.

An item holds a quarter of days for one customer of whoever made or took the offers: `made_11-05`, `won_11-05`, `value_11-05`
and `won_value_11-05`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tradepost.domain.offer_statistics import OfferFigures, offer_figures
from tradepost.domain.offers import Offer
from tradepost.domain.scoping import Scope
from tradepost.domain.statistics import Period
from tradepost.table.customers import find_customers
from tradepost.table.quarters import counted_in, of_day, quarter_of, quarters_of, within_quarters_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import OFFER_STATISTICS
from tradepost.table.transaction import Transaction


def count_offer(tx: Transaction, offer: Offer, *, before: Offer) -> None:
    """Count what a changed offer comes to, on the day on which it was sent for the first time."""
    now, earlier = offer_figures(offer)._asdict(), offer_figures(before)._asdict()
    moved = {name: number - earlier[name] for name, number in now.items() if number != earlier[name]}
    if not moved or offer.first_sent_on is None or offer.owner is None:
        return
    quarter = quarter_of(offer.first_sent_on)
    names = {"store": offer.store_id, "owner": offer.owner.id or "", "quarter": quarter, "customer": offer.customer_id}
    counter = Record(*OFFER_STATISTICS.key(**names), entity=OFFER_STATISTICS.entity)
    counter.gsi1pk, counter.gsi1sk = OFFER_STATISTICS.index1(**names)
    tx.add_up(counter, of_day(offer.first_sent_on, moved))


def offers_by_day(
    reader: Reader, scope: Scope, period: Period, *, owner_id: str | None, customer_id: str | None
) -> Mapping[date, OfferFigures]:
    """Return the figures of the days of a period that have any, of everybody's offers or one's, to customers in scope.

    Calls: one consistent Query for one's offers, one for each quarter for everybody's; a BatchGetItem for every hundred
    customers, where not all are in scope.
    """
    numbers: defaultdict[str, Counter[tuple[date, str]]] = defaultdict(Counter)
    for item in _items(scope.store_id, period, owner_id):
        quarter, _, customer = item["sk"]["S"].partition("#")
        for day, name, number in counted_in(item, quarter, period):
            numbers[customer][day, name] += number
    wanted = [customer for customer in numbers if customer_id in {None, customer}]
    visible = wanted if scope.reach == "store" else find_customers(reader, scope, wanted)
    days: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for customer in visible:
        for (each, name), number in numbers[customer].items():
            days[each][name] += number
    return {day: OfferFigures(**each) for day, each in sorted(days.items())}


def _items(store_id: str, period: Period, owner_id: str | None) -> Iterator[Mapping[str, Any]]:
    if owner_id is not None:
        partition = OFFER_STATISTICS.partition(store=store_id, owner=owner_id)
        pages = Record.query(partition, range_key_condition=within_quarters_of(period), consistent_read=True).page_iter
        yield from (item for page in pages for item in page["Items"])
        return
    for quarter in quarters_of(period):
        index = OFFER_STATISTICS.index1(store=store_id, quarter=quarter, owner="", customer="").pk
        yield from (item for page in Record.gsi1.query(index).page_iter for item in page["Items"])
