"""Lists and searches: one query for a page, whatever the filter, so that no page ever costs more than a fixed amount.

A filter may hide rows that were read. A page therefore reads a window of rows: as many as it shows if nothing is
filtered, otherwise a fixed number; a page may hold fewer items than asked for and still name a next one.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex

from tradepost.domain.values import folded
from tradepost.table.records import Record, SecondIndex
from tradepost.table.shapes import WORD, Key
from tradepost.table.transaction import Transaction

WINDOW = 1000
SEARCH_WINDOW = 100
SIFTED = 100
"""How many rows are looked at for a page of those whose customers have to be in scope."""
MAX_WORDS = 16
_WORD = re.compile(r"[^\W_]+(?:[.@+-][^\W_]+)*")

type Position = dict[str, str]


class Rows(NamedTuple):
    """One page of items, and where the next page begins."""

    records: list[Record]
    next_position: Position | None


def list_index(
    index: GlobalSecondaryIndex[Record],
    partition: str,
    *,
    limit: int,
    after: Position | None = None,
    where: Condition | None = None,
    newest_first: bool = False,
    begins_with: str | None = None,
    between: tuple[str, str] | None = None,
    window: int | None = None,
) -> Rows:
    """Return a page of an index's partition, with one Query. `between` bounds its sort keys, `window` what a filter sees."""
    hash_name, sort_name = _index_keys(index)
    sort_key = Record.gsi2sk if isinstance(index, SecondIndex) else Record.gsi1sk
    looked_at = limit + 1 if where is None else window or WINDOW
    wanted = sort_key.startswith(begins_with) if begins_with else sort_key.between(*between) if between else None
    pages = index.query(
        partition,
        range_key_condition=wanted,
        filter_condition=where,
        page_size=looked_at,
        scan_index_forward=not newest_first,
        last_evaluated_key=_start(after, hash_name, partition),
    ).page_iter
    return _page(pages, limit, sort_name)


def list_partition(
    partition: str,
    *,
    limit: int,
    after: Position | None = None,
    where: Condition | None = None,
    newest_first: bool = False,
    begins_with: str | None = None,
    between: tuple[str, str] | None = None,
) -> Rows:
    """Return a page of a partition of the table itself, with one consistent Query.

    `begins_with` or `between` say which sort keys there are.
    """
    wanted = Record.sk.startswith(begins_with) if begins_with else Record.sk.between(*between) if between else None
    pages = Record.query(
        partition,
        range_key_condition=wanted,
        filter_condition=where,
        page_size=limit + 1 if where is None else WINDOW,
        consistent_read=True,
        scan_index_forward=not newest_first,
        last_evaluated_key=_start(after, None, partition),
    ).page_iter
    return _page(pages, limit, None)


def sifted[E](
    rows: Rows, entries: Sequence[E], kept: Sequence[E], *, limit: int, gsi: Literal[1, 2]
) -> tuple[list[E], Position | None]:
    """Return a page of those entries of some rows that were kept, and where the next page begins."""
    if len(kept) <= limit:
        return list(kept), rows.next_position
    last = next(row for row, entry in zip(rows.records, entries, strict=True) if entry is kept[limit - 1])
    return list(kept[:limit]), position_of(last, gsi)


def all_of(conditions: Iterable[Condition | None]) -> Condition | None:
    """Combine the filters that are set; None if none is."""
    combined: Condition | None = None
    for condition in conditions:
        if condition is not None:
            combined = condition if combined is None else combined & condition
    return combined


def search(
    store_id: str, collection: str, text: str, *, limit: int, after: Position | None = None
) -> tuple[list[str], Position | None]:
    """Return the ids of entries that have, for every word of the text, a word that begins with it. One Query.

    The longest word is looked up; the others are checked against the words that each row carries.
    """
    words = sorted(words_of(text), key=lambda word: (-len(word), word))
    if not words:
        return [], None
    rows = rows_with_words(WORD.partition(store=store_id, collection=collection), words, limit=limit, after=after)
    ids = [record.sk.rpartition("#")[2] for record in rows.records if _is_first_hit(record, words[0])]
    return ids, rows.next_position


def rows_with_words(partition: str, words: Sequence[str], *, limit: int, after: Position | None = None) -> Rows:
    """Return a page of search rows under words that begin with the first of some, and that carry the others too. One Query."""
    where = all_of(Record.words.contains(f" {word}") for word in words[1:])
    pages = Record.query(
        partition,
        range_key_condition=Record.sk.startswith(words[0]),
        filter_condition=where,
        page_size=limit + 1 if where is None else WINDOW,
        last_evaluated_key=_start(after, None, partition),
    ).page_iter
    return _page(pages, limit, None)


def _is_first_hit(record: Record, prefix: str) -> bool:
    # An entry has a row for each of its words; where several begin alike, only the first one counts, on whatever page.
    hits = [word for word in (record.words or "").split() if word.startswith(prefix)]
    return not hits or record.sk.startswith(f"{min(hits)}#")


def words_of(*texts: str | None, most: int = MAX_WORDS) -> frozenset[str]:
    """Return the words that an entry is found by: folded, without accents, and so many at most.

    Entries are found by the beginnings of words, so that a word with which another one begins is left out.
    """
    words: dict[str, None] = {}
    for text in texts:
        # Folded once more: a letter in a mathematical style becomes a plain capital by being taken apart.
        apart = unicodedata.normalize("NFKD", folded(text or "")).casefold()
        plain = "".join(character for character in apart if not unicodedata.combining(character))
        for match in _WORD.finditer(plain):
            # An e-mail address is found by its domain as well.
            words.update(dict.fromkeys(whole[:60] for whole in (match[0], match[0].rpartition("@")[2])))
            words.update(dict.fromkeys(part[:60] for part in re.split(r"[.@+-]", match[0]) if part))
    longest = [word for word in words if not any(other != word and other.startswith(word) for other in words)]
    return frozenset(longest[:most])


def carried(words: Iterable[str]) -> str:
    """Spell words as a row carries them: each after a space, so that ` word` is where one begins."""
    return f" {' '.join(sorted(words))} "


def carries(record: Record, words: Iterable[str]) -> bool:
    """Tell whether a row carries words that begin with all of some, as a filter for them would."""
    return all(f" {word}" in (record.words or "") for word in words)


def index_words(
    tx: Transaction, store_id: str, collection: str, entry_id: str, *, before: Iterable[str], after: Iterable[str]
) -> None:
    """Keep an entry's search rows in step with its words, in the transaction that changes it."""
    old, new = frozenset(before), frozenset(after)
    for word in sorted(old - new):
        tx.delete(_word_key(store_id, collection, word, entry_id))
    if old == new:
        return
    text = carried(new)
    for word in sorted(new):
        tx.put(Record(*_word_key(store_id, collection, word, entry_id), entity=WORD.entity, words=text))


def _word_key(store_id: str, collection: str, word: str, entry_id: str) -> Key:
    return WORD.key(store=store_id, collection=collection, word=word, id=entry_id)


def position_of(record: Record, gsi: Literal[1, 2] | None) -> Position:
    """Return the position behind an item, in an index or in its partition of the table."""
    names = ["pk", "sk", f"gsi{gsi}sk"] if gsi else ["sk"]
    return {name: getattr(record, name) for name in names}


def _index_keys(index: GlobalSecondaryIndex[Record]) -> tuple[str, str]:
    return ("gsi2pk", "gsi2sk") if isinstance(index, SecondIndex) else ("gsi1pk", "gsi1sk")


def _start(after: Position | None, hash_name: str | None, partition: str) -> dict[str, dict[str, str]] | None:
    if after is None:
        return None
    names = {hash_name: partition, **after} if hash_name else {"pk": partition, **after}
    return {name: {"S": value} for name, value in names.items()}


def _page(pages: Iterable[dict[str, list[dict[str, dict[str, str]]]]], limit: int, sort_name: str | None) -> Rows:
    page = next(iter(pages))
    items = page["Items"]
    shown = [Record.from_raw_data(item) for item in items[:limit]]
    if len(items) > limit:
        return Rows(shown, _position(items[limit - 1], sort_name))
    last = page.get("LastEvaluatedKey")
    return Rows(shown, _position(last, sort_name) if last else None)  # type: ignore[arg-type]  # a key, not a list


def _position(item: dict[str, dict[str, str]], sort_name: str | None) -> Position:
    # The partition is left out: the route supplies it, so that a cursor can never lead into another one.
    names = ["sk"] if sort_name is None else ["pk", "sk", sort_name]
    return {name: item[name]["S"] for name in names}
