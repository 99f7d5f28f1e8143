"""Reading items by key: everything a request needs in one consistent batch, and no item twice."""

from collections.abc import Iterable

from tradepost.domain.errors import NotFoundError
from tradepost.domain.values import Entity
from tradepost.table.records import Record
from tradepost.table.shapes import Key


class Reader:
    """What one request has read so far. A key that is not there yet is fetched; one that was fetched is not again."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._seen: dict[Key, Record | None] = {}

    def fetch(self, keys: Iterable[Key]) -> None:
        """Read the items of all keys that are not read yet, in one consistent BatchGetItem (100 keys each)."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._seen]
        # Keys are made of what people send: where no item can be, there is none.
        possible = [key for key in missing if key.is_possible]
        found = {record.key: record for record in Record.batch_get(possible, consistent_read=True)} if possible else {}
        self._seen.update({key: found.get(key) for key in missing})

    def record(self, key: Key) -> Record | None:
        """Return the item under a key, or None."""
        if key not in self._seen:
            self.fetch([key])
        return self._seen[key]

    def find[E: Entity](self, key: Key, entity: type[E]) -> E | None:
        """Return the entity under a key, or None."""
        record = self.record(key)
        return None if record is None else record.load(entity)

    def get[E: Entity](self, key: Key, entity: type[E]) -> E:
        """Return the entity under a key. Raises `NotFoundError`."""
        found = self.find(key, entity)
        if found is None:
            raise NotFoundError(entity.entity.replace("_", " "))
        return found
