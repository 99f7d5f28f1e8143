"""Visitors of pages, and a market in which offers are made."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.offers.conftest import bargain
from tests.support.looks import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["bargain"]


@pytest.fixture
def visit(browser: "Browser", base: str) -> Visit:
    """A visitor without JavaScript; whatever the page's policy refuses fails the test."""

    @contextmanager
    def visiting(path: str, *, width: int = 360, scheme: str = "light") -> "Iterator[Page]":
        options: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
        visitor = browser.new_context(java_script_enabled=False, **options)
        page = visitor.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text) if "Refused" in message.text else None)
        page.goto(base + path)
        yield page
        visitor.close()
        assert refused == []

    return visiting
