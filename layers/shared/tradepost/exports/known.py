"""What is looked up for the rows of an export: each item once, as long as it is among the latest."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import Key

MOST: Final = 5000
"""How much is known at a time, however many rows there are."""


class Known[T]:
    """What an export has to know of other items, `told` by each: little, as much of it is held."""

    def __init__(self, told: Callable[[Record], T], *, most: int = MOST) -> None:
        """Begin with nothing known."""
        self._told = told
        self._most = most
        self._known: OrderedDict[Key, T | None] = OrderedDict()

    def of(self, keys: Iterable[Key]) -> Mapping[Key, T | None]:
        """Return what is told by each of some items, None by one that there is not. Consistent batches of 100 for new ones."""
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in self._known]
        reader = Reader()
        reader.fetch(missing)
        for key in missing:
            record = reader.record(key)
            self._known[key] = None if record is None else self._told(record)
        for key in wanted:
            self._known.move_to_end(key)
        found = {key: self._known[key] for key in wanted}
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return found


def names() -> Known[str]:
    """Return what is to know the names of customers, people, groups, price tiers and channels."""
    return Known(lambda record: str(record.document()["name"]))
