"""The one PynamoDB model: an item of any entity, with its document, its version and its index keys.

One model for all entities, because a query through a subclass adds a filter that is paid for: the entity is in the key.
The document is a native DynamoDB map written from a pydantic model. What changes by itself, while others may be deciding on
the document, is kept aside: it has no part in the version, and saving the document leaves it alone.
"""

from collections.abc import Mapping
from typing import Any, Self

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from tradepost.domain.values import Entity
from tradepost.settings import settings
from tradepost.table.shapes import Key


class _FromSettings(type):
    """Names the table when it is first used, so that importing never needs an environment."""

    @property
    def table_name(cls) -> str:
        return settings().table_name


class FirstIndex(GlobalSecondaryIndex["Record"]):
    """A store's lists: its customers, products, invitations, orders, sessions; and the relay's work."""

    class Meta:
        index_name = "gsi1"
        projection = AllProjection()

    gsi1pk = UnicodeAttribute(hash_key=True)
    gsi1sk = UnicodeAttribute(range_key=True)


class SecondIndex(GlobalSecondaryIndex["Record"]):
    """One customer's lists: its orders; and of the catalogue what is on sale."""

    class Meta:
        index_name = "gsi2"
        projection = AllProjection()

    gsi2pk = UnicodeAttribute(hash_key=True)
    gsi2sk = UnicodeAttribute(range_key=True)


class Record(Model):
    """One item. `data` is the entity's document; the other attributes are for keys, conditions and counters."""

    class Meta(metaclass=_FromSettings):
        connect_timeout_seconds = 2
        read_timeout_seconds = 5
        max_retry_attempts = 3

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    gsi2pk = UnicodeAttribute(null=True)
    gsi2sk = UnicodeAttribute(null=True)
    entity = UnicodeAttribute()
    version = NumberAttribute(default=1)
    data: MapAttribute[str, Any] = MapAttribute(null=True)
    aside: MapAttribute[str, Any] = MapAttribute(null=True)
    tally = NumberAttribute(null=True)
    words = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    gsi1 = FirstIndex()
    gsi2 = SecondIndex()

    @property
    def key(self) -> Key:
        """Where the item lives."""
        return Key(self.pk, self.sk)

    @classmethod
    def of(cls, key: Key, entity: Entity, *, index1: Key | None = None, index2: Key | None = None) -> Self:
        """Make the item that stores an entity; its version is counted up when a transaction writes it."""
        record = cls(key.pk, key.sk, entity=entity.entity, version=entity.version)
        document = entity.model_dump(mode="json", exclude={"version"})
        record.tally = document.pop("tally", None)
        record.aside = {name: document.pop(name) for name in sorted(entity.aside)} or None
        record.data = document
        if index1:
            record.gsi1pk, record.gsi1sk = index1
        if index2:
            record.gsi2pk, record.gsi2sk = index2
        return record

    def document(self) -> Mapping[str, Any]:
        """Return the document together with its version and what is kept beside it."""
        document: dict[str, Any] = dict(self.data.as_dict()) if self.attribute_values.get("data") else {}
        if self.aside is not None:
            document.update(self.aside.as_dict())
        if self.tally is not None:
            document["tally"] = int(self.tally)
        document["version"] = int(self.version)
        return document

    def load[E: Entity](self, entity: type[E]) -> E:
        """Return the entity that the item stores. Raises `ValidationError` if it does not hold one."""
        return entity.model_validate(self.document())
