"""Where the parts of a file end depends on what is in it alone."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.exports import files
from tradepost.exports.files import GrowingFile


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIECE", 64)
    monkeypatch.setattr(files, "LEAST_PART", 100)


def parts(rows: list[bytes], *, packed: bool, dying_before: frozenset[int] = frozenset()) -> list[bytes]:
    """Write rows into a file by several workers, each of which takes up what the one before it had."""
    taken, file = [], GrowingFile(packed=packed)
    for number, row in enumerate(rows):
        if number in dying_before:
            pieces, left = file.rest
            file = GrowingFile(packed=packed, pieces=pieces, rows=left)
        file.add(row)
        if file.is_part:
            taken.append(file.take())
    return [*taken, *filter(None, [file.take_last()])]


@given(st.lists(st.binary(max_size=80), max_size=60), st.frozensets(st.integers(0, 60)), st.booleans())
def test_any_number_of_workers_write_the_same_parts(rows: list[bytes], deaths: frozenset[int], packed: bool) -> None:  # noqa: FBT001  # as hypothesis gives it
    whole = parts(rows, packed=packed)
    assert parts(rows, packed=packed, dying_before=deaths) == whole
    content = b"".join(whole)
    assert (gzip.decompress(content) if packed and content else content) == b"".join(rows)
    assert all(len(part) >= 100 for part in whole[:-1])
