"""Requests about many rows: several rows share a transaction, and one that cannot be carried out stops no other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import BaseModel

from tradepost.domain.errors import ConflictError, DomainError, StaleError, ThrottledError
from tradepost.table.reading import Reader
from tradepost.table.transaction import MAX_ACTIONS, Transaction

FOR_ALL: Final = 12
"""How many actions of a transaction are left for what all of its rows share: the audit line, the answer, the counters."""


class Decided[D, R](NamedTuple):
    """What is about to be done, by row, and the results of rows for which there is nothing to do."""

    due: dict[str, D]
    results: dict[str, R]


@dataclass(frozen=True)
class Bulk[D, R]:
    """How the rows of one request are carried out.

    `decide` looks at rows as they are, `cost` says how many actions one takes at most, `add` puts some into a transaction
    and returns what becomes of them if it succeeds, `refused` what becomes of one that others were changing all the while.
    """

    begin: Callable[[], Transaction]
    decide: Callable[[Iterable[str], Reader], Decided[D, R]]
    cost: Callable[[D], int]
    add: Callable[[Transaction, Mapping[str, D]], dict[str, R]]
    refused: Callable[[str, DomainError], R]

    def carry_out[A: BaseModel](self, due: Mapping[str, D], answer: Callable[[Mapping[str, R]], A]) -> A:
        """Carry rows out, as many in a transaction as fit, and the answer with the last of them.

        Where a transaction is refused, each of its rows is decided on anew, by itself.
        """
        *most, last = list(self._parts(due)) or [{}]
        results: dict[str, R] = {}
        for rows in most:
            try:
                tx = self.begin()
                added = self.add(tx, rows)
                tx.commit()
            except (ConflictError, StaleError):
                added = self.one_by_one(rows)
            results |= added
        try:
            tx = self.begin()
            added = self.add(tx, last)
            return tx.commit_answering(answer(results | added))
        except (ConflictError, StaleError):
            results |= self.one_by_one(last)
        return self.begin().commit_answering(answer(results))

    def one_by_one(self, ids: Iterable[str]) -> dict[str, R]:
        """Decide anew on each row as it is now, and carry it out by itself."""
        results: dict[str, R] = {}
        for id_ in ids:
            decided = self.decide([id_], Reader())
            results |= decided.results
            if not decided.due:
                continue
            try:
                tx = self.begin()
                added = self.add(tx, decided.due)
                tx.commit()
                results |= added
            except (ConflictError, StaleError, ThrottledError) as refusal:
                results[id_] = self.refused(id_, refusal)
        return results

    def _parts(self, due: Mapping[str, D]) -> Iterator[dict[str, D]]:
        part: dict[str, D] = {}
        size = 0
        for id_, row in due.items():
            cost = self.cost(row)
            if part and size + cost > MAX_ACTIONS - FOR_ALL:
                yield part
                part, size = {}, 0
            part[id_] = row
            size += cost
        if part:
            yield part
