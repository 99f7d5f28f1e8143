"""What is printed: the pages of a PDF."""

from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2


@contextmanager
def _opened(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        yield document
    finally:
        document.close()


def pages_of(pdf: bytes) -> list[str]:
    """Return the text of each page."""
    with _opened(pdf) as document:
        return [page.get_textpage().get_text_range() for page in document]
