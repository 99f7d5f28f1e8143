"""For the tests: a stack of their own, built and deployed once, and a browser to look at its pages.

Everything is on free ports and in temporary folders, so that several test runs do not disturb each other.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from local_stack.places import Places
from local_stack.progress import Progress
from local_stack.stack import LocalStack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The browser is the machine's own: it must neither look for updates nor greet anybody.
QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
)
NOT_RUN = "The browser tests were NOT run: there is no Chromium here. Debian has it as the package `chromium`."


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """A running stack: `base_url`, `outputs`, `client(service)`, `mails(to=...)`."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    running = LocalStack(Places(tmp_path_factory.mktemp("stack")), progress=Progress())
    with capture.global_and_fixture_disabled():
        sys.stdout.write("\nBringing up a stack for the tests:\n")
        running.__enter__()
    try:
        yield running
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    sandbox = os.geteuid() != 0  # Chromium refuses its sandbox to root, which CI often is
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=sandbox, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: "Browser", stack: LocalStack) -> "Iterator[Page]":
    """A fresh page of a fresh visitor; addresses without a host are those of the stack."""
    visitor = browser.new_context(base_url=stack.base_url)
    yield visitor.new_page()
    visitor.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the browser tests where there is no browser, unless it is required."""
    looking = [item for item in items if item.get_closest_marker("browser")]
    if CHROMIUM or not looking:
        return
    if os.environ.get("REQUIRE_BROWSER"):
        raise pytest.UsageError("REQUIRE_BROWSER is set, but there is no Chromium on the PATH.")
    config.stash[left_out] = len(looking)
    for item in looking:
        item.add_marker(pytest.mark.skip(reason="there is no Chromium"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it at the end, where it is read."""
    if count := config.stash.get(left_out, 0):
        terminalreporter.write_line(f"{NOT_RUN} ({count} tests)", yellow=True, bold=True)


left_out = pytest.StashKey[int]()
