"""Lists and searches: a page is one query, whatever it filters, and the pages together bring everything once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.table import counted_calls, stored
from tradepost.domain.people import SYSTEM
from tradepost.domain.stores import PriceTier
from tradepost.table import listing
from tradepost.table.listing import MAX_WORDS, Position, all_of, index_words, list_index, list_partition, search, words_of
from tradepost.table.records import Record
from tradepost.table.shapes import PRICE_TIER, Key
from tradepost.table.transaction import Transaction

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
PARTITION = PRICE_TIER.partition(store="acme")


def fill(count: int, store: str = "acme") -> list[str]:
    """Write entries, which the first index lists backwards; returns their ids."""
    ids = [f"t{number:03}" for number in range(count)]
    with Record.batch_write() as batch:
        for number, id_ in enumerate(ids):
            entry = PriceTier(id=id_, name="even" if number % 2 == 0 else "odd", created_at=AT, version=1)
            listed = Key(f"LIST#{store}", f"{999 - number:03}")
            batch.save(Record.of(PRICE_TIER.key(store=store, id=id_), entry, index1=listed))
    return ids


def add(entry_id: str, *texts: str, before: tuple[str, ...] = (), collection: str = "THINGS") -> None:
    """Make an entry findable by the words of texts."""
    tx = Transaction("STORE#acme", SYSTEM, SYSTEM, AT)
    index_words(tx, "acme", collection, entry_id, before=words_of(*before), after=words_of(*texts))
    tx.commit()


def found(text: str, *, limit: int = 50) -> list[str]:
    """Return everything that a search brings, page after page."""
    ids: list[str] = []
    after: Position | None = None
    while True:
        page, after = search("acme", "THINGS", text, limit=limit, after=after)
        assert len(page) <= limit
        ids += page
        if after is None:
            return ids


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26, 100])
def test_pages_of_a_partition_bring_everything_once_in_order(limit: int) -> None:
    ids, seen, after = fill(25), list[str](), None
    fill(3, "rival")
    while True:
        with counted_calls() as calls:
            rows = list_partition(PARTITION, limit=limit, after=after)
        assert calls == ["Query"]
        assert len(rows.records) <= limit
        seen += [row.load(PriceTier).id for row in rows.records]
        after = rows.next_position
        if after is None:
            break
    assert seen == ids


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("newest_first", "where"), [(False, None), (True, None), (False, "odd"), (True, "odd")])
def test_pages_of_an_index_bring_everything_once_whatever_they_filter(newest_first: bool, where: str | None) -> None:  # noqa: FBT001 - parametrised
    ids, seen, after = fill(25), list[str](), None
    condition = None if where is None else Record.data["name"] == where
    while True:
        with counted_calls() as calls:
            rows = list_index(Record.gsi1, "LIST#acme", limit=4, after=after, where=condition, newest_first=newest_first)
        assert calls == ["Query"]
        seen += [row.load(PriceTier).id for row in rows.records]
        after = rows.next_position
        if after is None:
            break
    expected = [id_ for number, id_ in enumerate(ids) if where is None or number % 2]
    assert seen == (expected if newest_first else expected[::-1])


@pytest.mark.usefixtures("aws")
def test_a_filter_that_hides_a_whole_window_leaves_an_empty_page_and_a_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WINDOW", 5)
    fill(12)
    nothing = Record.data["name"] == "neither"
    first = list_index(Record.gsi1, "LIST#acme", limit=4, where=nothing)
    second = list_index(Record.gsi1, "LIST#acme", limit=4, where=nothing, after=first.next_position)
    third = list_index(Record.gsi1, "LIST#acme", limit=4, where=nothing, after=second.next_position)
    assert [len(page.records) for page in (first, second, third)] == [0, 0, 0]
    assert (first.next_position is None, second.next_position is None, third.next_position) == (False, False, None)


@pytest.mark.usefixtures("aws")
def test_a_position_never_leads_into_another_partition() -> None:
    fill(5)
    fill(5, "rival")
    rows = list_index(Record.gsi1, "LIST#acme", limit=2)
    assert rows.next_position is not None
    assert "gsi1pk" not in rows.next_position
    others = list_index(Record.gsi1, "LIST#rival", limit=9, after=rows.next_position)
    assert {row.pk for row in others.records} == {"PRICE-TIERS#rival"}


@pytest.mark.usefixtures("aws")
def test_an_index_can_be_read_between_two_of_its_keys() -> None:
    fill(10)
    rows = list_index(Record.gsi1, "LIST#acme", limit=9, between=("992", "995"))
    assert [row.gsi1sk for row in rows.records] == ["992", "993", "994", "995"]


@pytest.mark.usefixtures("aws")
def test_an_entry_is_found_by_the_beginning_of_each_of_its_words_and_once() -> None:
    add("one", "Blue Doors of Kiel", "office@bluedoor.test")
    add("two", "Blue Basket")
    add("three", "Red Roof", collection="OTHERS")
    assert found("blue") == ["two", "one"] or sorted(found("blue")) == ["one", "two"]
    assert found("b k") == ["one"]
    assert (found("bas"), found("asket"), found("red"), found(""), found("-")) == (["two"], [], [], [], [])
    assert found("office@bluedoor.test") == found("bluedoor.test") == found("OFFICE") == ["one"]


@pytest.mark.usefixtures("aws")
def test_pages_of_a_search_bring_every_hit_once_however_many_words_begin_alike() -> None:
    for number in range(9):
        add(f"e{number}", f"door doors doorway door{number} doormat")
    for limit in (1, 2, 5, 50):
        assert sorted(found("door", limit=limit)) == [f"e{number}" for number in range(9)]
        assert sorted(found("doorm do", limit=limit)) == [f"e{number}" for number in range(9)]


@pytest.mark.usefixtures("aws")
def test_an_entry_that_is_called_otherwise_is_found_by_its_new_words_only() -> None:
    add("one", "Blue Door")
    add("one", "Blue Gate", before=("Blue Door",))
    assert (found("door"), found("gate"), found("blue")) == ([], ["one"], ["one"])
    add("one", before=("Blue Gate",))
    assert stored("word") == []


@pytest.mark.usefixtures("aws")
def test_a_search_is_one_query() -> None:
    add("one", "Blue Door")
    with counted_calls() as calls:
        search("acme", "THINGS", "blue door", limit=5)
    assert calls == ["Query"]


@given(st.text())
def test_words_are_found_again_by_the_text_they_came_from(text: str) -> None:
    words = words_of(text)
    assert len(words) <= MAX_WORDS
    assert all(word and " " not in word and "#" not in word and len(word) <= 60 for word in words)
    assert words_of(" ".join(words)) >= words or len(words) == MAX_WORDS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Müller & Söhne", {"muller", "sohne"}),
        ("Straße", {"strasse"}),
        ("C-7Q4K9D", {"c-7q4k9d", "7q4k9d"}),
        ("ida@doors.test", {"ida@doors.test", "doors.test", "test"}),
        ("شركة الباب", {"شركة", "الباب"}),
        ("🚪", set()),
        ("", set()),
    ],
)
def test_words_are_folded_and_lose_their_accents(text: str, words: set[str]) -> None:
    assert words_of(text) == words
    assert words_of(None, text) == words


def test_filters_that_are_not_set_filter_nothing() -> None:
    only = Record.version == 1
    assert all_of([None, None]) is None
    assert all_of([None, only]) is only
