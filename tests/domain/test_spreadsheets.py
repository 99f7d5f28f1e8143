"""What people typed is shown by a spreadsheet and never run, and what is a number or a time stays one."""

import csv
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.spreadsheets import Cell, csv_of, guarded, header_of, lines_of

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−\t\r\n"
UNSEEN = ["", " ", "  ", "\u00a0", "\u3000", "\u200b", "\ufeff", " \u00a0\u200b"]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
risky = st.builds(lambda *parts: "".join(parts), st.sampled_from(UNSEEN), st.sampled_from(SIGNS), texts)


def read(content: bytes) -> list[list[str]]:
    """Read a file as a program does."""
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def unguarded(cell: str, text: str) -> str:
    """Return a cell without the apostrophes that a text does not have at its beginning, or where a cell could begin."""
    kept, at = "", 0
    for before, character in zip(f";{cell}", cell, strict=False):
        if character != text[at : at + 1] and character == "'" and before in ";\t\r\n":
            continue
        kept, at = kept + character, at + 1
    return kept


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_text_that_a_spreadsheet_would_run_is_guarded(unseen: str, sign: str) -> None:
    assert guarded(f"{unseen}{sign}1+1") == f"'{unseen}{sign}1+1"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("lamp;=1+1;x", "lamp;'=1+1;x"),
        ("lamp\t@SUM(A1)", "lamp\t'@SUM(A1)"),
        ("two lamps\n- one red", "two lamps\n'- one red"),
        ("a\r\n \u200b+1", "a\r\n' \u200b+1"),
        ('lamp;"=1+1;', "lamp;'\"=1+1;"),
        ("=1;=2", "'=1;'=2"),
        ("a;;-1", "a;;'-1"),
    ],
)
def test_what_is_a_cell_of_its_own_where_semicolons_end_cells_is_guarded_too(text: str, written: str) -> None:
    assert guarded(text) == written
    assert read(csv_of(["a", "b"], [[text, "x"]]).encode()) == [["a", "b"], [written, "x"]]


@pytest.mark.parametrize(
    "text", ["", "a=1", "1-2", "Ärger", " x", "#1", "(=1)", "5%", "'=1", '"=1', "日本=1", "a\nb=1", "a; b", "a;'=1", "a, =1"]
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


@given(st.lists(st.lists(texts | risky, min_size=2, max_size=4), min_size=1))
def test_without_the_guards_every_text_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    found = read(lines_of(rows))
    assert [[*map(unguarded, cells, texts_)] for cells, texts_ in zip(found, rows, strict=True)] == rows


@given(risky)
def test_no_text_is_read_that_would_be_run(text: str) -> None:
    [[cell, _]] = read(lines_of([[text, ""]]))
    assert unguarded(cell, text) == text
    assert cell[0] == "'"


@given(st.lists(texts | risky | st.text(";\t\r\n=+-@ \"'x", max_size=9), min_size=1, max_size=3))
def test_nothing_is_run_either_where_quotes_mean_nothing_and_other_characters_end_cells(row: list[str]) -> None:
    # Behind a number, as in every file that people typed something of: its quotes begin no cell.
    written = lines_of([[1, *row]]).decode()
    cells = re.split(r"[;\t\r\n]", written)
    assert [cell for cell in cells[1:] if cell.lstrip("".join(UNSEEN) + '" ')[:1] in set(SIGNS) - set("\t\r\n")] == []


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_numbers_are_neither_quoted_nor_guarded(number: int | Decimal) -> None:
    [spelled, _] = lines_of([[number, None]]).decode().removesuffix("\r\n").split(",")
    assert Decimal(spelled) == number
    assert "E" not in spelled


def test_each_kind_of_cell_is_written_as_what_it_is() -> None:
    at = datetime(2026, 10, 25, 2, 30, 5, 999_000, tzinfo=UTC)
    row: list[Cell] = ['Ä,"b"', "", None, -5, Decimal("1E+3"), Decimal("-0.50"), at, date(2026, 2, 28), "-5"]
    assert lines_of([row]).decode() == ('"Ä,""b""","",,-5,1000,-0.50,2026-10-25 02:30:05,2026-02-28,"\'-5"\r\n')


def test_a_header_is_not_quoted_and_follows_the_mark_for_excel() -> None:
    assert header_of(["a", "b"]) == b"a,b\r\n"
    assert header_of(["a", "b"], excel=True) == b"\xef\xbb\xbfa,b\r\n"
