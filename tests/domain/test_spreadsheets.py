"""What people typed is shown by a spreadsheet and never run, and what is a number or a time stays one."""

import csv
import io
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


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_text_that_a_spreadsheet_would_run_is_guarded(unseen: str, sign: str) -> None:
    assert guarded(f"{unseen}{sign}1+1") == f"'{unseen}{sign}1+1"


@pytest.mark.parametrize("text", ["", "a=1", "1-2", "Ärger", " x", "#1", "(=1)", "5%", "'=1", '"=1', "日本=1", "a\n=1"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text


@given(st.lists(st.lists(texts | risky, min_size=2, max_size=4), min_size=1))
def test_without_the_guard_every_text_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    def original(cell: str, text: str) -> str:
        return cell if cell == text else cell.removeprefix("'")

    for content in (lines_of(rows), csv_of(rows).encode()):
        found = read(content)
        assert [list(map(original, cells, texts_)) for cells, texts_ in zip(found, rows, strict=True)] == rows


@given(risky)
def test_no_text_is_read_that_would_be_run(text: str) -> None:
    [[cell, _]] = read(lines_of([[text, ""]]))
    assert cell == f"'{text}"


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
