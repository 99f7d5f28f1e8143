"""A file as it grows: rows go in, and parts come out whose ends depend on nothing but what is in them.

Rows are collected until they are a piece. A piece stays as it is, or is packed by itself: files that are packed may be put one
behind the other. As soon as the pieces are large enough for S3, they are a part. Where a file is written in several runs, each
goes on with what the one before had collected, so that its parts end where they would have ended in one run.
"""

import gzip
from typing import Final

PIECE: Final = 8 * 1024 * 1024
"""How many bytes of rows are a piece, at least."""
LEAST_PART: Final = 5 * 1024 * 1024
"""How large S3 wants every part but the last to be."""


class GrowingFile:
    """What is written of a file behind its last part."""

    def __init__(self, *, packed: bool, pieces: bytes = b"", rows: bytes = b"") -> None:
        """Go on with the pieces and the rows that there were."""
        self._is_packed = packed
        self._pieces, self._rows = bytearray(pieces), bytearray(rows)

    def add(self, rows: bytes) -> None:
        """Write some whole rows."""
        self._rows += rows
        if len(self._rows) >= PIECE:
            self._finish_piece()

    @property
    def is_part(self) -> bool:
        """Whether there is enough of it for a part."""
        return len(self._pieces) >= LEAST_PART

    @property
    def rest(self) -> tuple[bytes, bytes]:
        """The pieces, and the rows behind them, that are not taken yet."""
        return bytes(self._pieces), bytes(self._rows)

    def take(self) -> bytes:
        """Take a part away."""
        part, self._pieces = self._pieces, bytearray()
        return bytes(part)

    def take_last(self) -> bytes:
        """Take away whatever is left; nothing if the last part ended where the file does."""
        if self._rows:
            self._finish_piece()
        return self.take()

    def _finish_piece(self) -> None:
        # Packed at no time and by nobody, the same rows are the same bytes.
        self._pieces += gzip.compress(self._rows, compresslevel=6, mtime=0) if self._is_packed else self._rows
        self._rows = bytearray()
