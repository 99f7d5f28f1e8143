"""Reading a great many activities in the order in which they were recorded: as they are kept, without a model of each."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from pynamodb.connection import TableConnection

from tradepost.table.records import FirstIndex, Record, SecondIndex

PAGE: Final = 500
"""How many activities of a partition are read at once: of a month, as many of each shard are held."""

type Index = Literal["gsi1", "gsi2"]
type Attribute = Mapping[str, Any]


class Noted(NamedTuple):
    """What a file tells of an activity, and what decides on whether it may; `position` sorts them.

    `actor_id` is whose place it is who performed it, which says the name; `performed_by` is its id, or what else performed it.
    """

    position: str
    at: str
    member_id: str
    customer_id: str | None
    type: str
    reference_type: str | None
    reference_id: str | None
    comment: str | None
    performed_by: str | None
    actor_id: str | None
    consent: int


def read_between(partitions: Sequence[str], index: Index | None, first: str, last: str, *, page: int = PAGE) -> Iterator[Noted]:
    """Read on in some partitions of an index, or of the table, whose activities lie between two positions, merged by them."""
    return heapq.merge(*(_read(partition, index, first, last, page) for partition in partitions))


def has_any(partitions: Sequence[str], index: Index | None, first: str, last: str) -> bool:
    """Tell whether there is an activity between two positions. One Query for each partition, until there is one."""
    return any(next(_read(partition, index, first, last, 1), None) for partition in partitions)


def behind(position: str) -> str:
    """Return the first position behind another: a space sorts before whatever a position is made of."""
    return f"{position} "


def _read(partition: str, index: Index | None, first: str, last: str, page: int) -> Iterator[Noted]:
    following: str | None = first
    while following:
        found, following = _page(partition, index, following, last, page)
        yield from found


def _page(partition: str, index: Index | None, first: str, last: str, page: int) -> tuple[Sequence[Noted], str | None]:
    """Read some activities, and tell where to read on. The rest of the answer is let go: it is many times as large."""
    sort_key = {None: Record.sk, "gsi1": FirstIndex.gsi1sk, "gsi2": SecondIndex.gsi2sk}[index]
    answer: dict[str, Any] = _connection().query(
        partition,
        range_key_condition=sort_key.between(first, last),
        attributes_to_get=["sk", "data"],
        consistent_read=index is None,
        index_name=index,
        limit=page,
    )
    end: Mapping[str, Attribute] | None = answer.get("LastEvaluatedKey")
    return [_noted(item) for item in answer["Items"]], behind(end["sk"]["S"]) if end else None


def _noted(item: Mapping[str, Attribute]) -> Noted:
    data: Mapping[str, Attribute] = item["data"]["M"]
    actor: Mapping[str, Attribute] = data["actor"]["M"]
    return Noted(
        item["sk"]["S"],
        data["at"]["S"],
        data["member_id"]["S"],
        _text(data, "customer_id"),
        data["type"]["S"],
        _text(data, "reference_type"),
        _text(data, "reference_id"),
        _text(data, "comment"),
        _text(actor, "name") or _text(actor, "id"),
        _text(actor, "id") if _text(actor, "type") == "member" else None,
        int(data["consent"]["N"]),
    )


def _text(data: Mapping[str, Attribute], name: str) -> str | None:
    # What was not given is not kept, or kept as nothing.
    return data[name].get("S") if name in data else None


def _connection() -> TableConnection:
    connection: TableConnection = Record._get_connection()  # noqa: SLF001  # PynamoDB offers no public way to read without models
    return connection
