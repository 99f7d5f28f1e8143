"""Counters that are kept in the transactions that change what they count, so that no count ever reads what it counts.

A counter is spread over a few items, of which a transaction takes one by chance: many at once do not queue up for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from tradepost.table.records import Record
from tradepost.table.shapes import COUNT
from tradepost.table.transaction import Transaction

PARTS: Final = 4


def count_moves(tx: Transaction, store_id: str, what: str, *, before: Iterable[str], after: Iterable[str]) -> None:
    """Count that something left some labels and came under others."""
    moves = Counter(after)
    moves.subtract(before)
    for label, more in sorted(moves.items()):
        if more:
            key = COUNT.key(store=store_id, what=what, label=label, part=part_of(tx))
            tx.add_up(Record(*key, entity=COUNT.entity), {"tally": more})


def part_of(tx: Transaction) -> str:
    """Return the part of a spread counter that a transaction counts on."""
    return str(int(tx.chance * PARTS))


def counted(store_id: str, what: str) -> Mapping[str, int]:
    """Return how many are under each label, with one consistent Query of a fixed number of items."""
    totals: Counter[str] = Counter()
    for record in Record.query(COUNT.partition(store=store_id, what=what), consistent_read=True):
        totals[record.sk.rpartition("#")[0]] += int(record.tally or 0)
    return totals
