"""The page behind an offer's link and its document on paper, in a real browser without JavaScript."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.looks import OVERFLOW, POOR_CONTRAST, SMALL_TARGETS, UNLABELLED, Visit
from tests.support.offering import Bargain, product
from tests.support.paper import pages_of
from tests.support.server import serving
from tests.support.table import stored
from tests.support.world import PASSWORD, euros
from tradepost.aws.links import public_url
from tradepost.settings import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# Another than everybody else's: `Rhea` may be called anything.
LONG = "Kindergartenbedarfsgroßhandelsgesellschaft & Söhne, gegründet 1871 شركة الباب الأزرق"

OUT_OF_ITS_TABLE = """() => [...document.querySelectorAll(".lines td, .lines th, .totals td, .totals th")]
  .filter((cell) => cell.getBoundingClientRect().right > document.querySelector("h1").getBoundingClientRect().right + 1)
  .map((cell) => cell.outerHTML)"""
LINES_OF_TEXT = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return range.getClientRects().length;
}"""


@pytest.fixture
def base(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The functions behind a server, below a stage, which is their public address."""
    with serving("/live") as address:
        monkeypatch.setenv("PUBLIC_URL", address)
        settings.cache_clear()
        public_url.cache_clear()
        yield address
    monkeypatch.undo()
    settings.cache_clear()
    public_url.cache_clear()


def log_in(page: "Page", email: str = "buyer@bluedoor.test", password: str = PASSWORD) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def looks_right(page: "Page") -> None:
    assert page.evaluate(OVERFLOW) <= 0
    # What is hidden has neither a label nor a size
    for found in (SMALL_TARGETS, UNLABELLED):
        assert page.evaluate(found.replace("input", "input:not([type=hidden])")) == []
    assert page.evaluate(POOR_CONTRAST) == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_a_buyer_logs_in_tries_an_option_and_orders(visit: Visit, bargain: Bargain, width: int, scheme: str) -> None:
    lines = [
        {"kind": "heading", "text": "Lamps"},
        product("A-1", 2, unit_price=euros(1000), discount_percent=10, text=LONG),
        product("B-2", 3, optional=True),
        {"kind": "subtotal"},
        {"kind": "text", "text": "In one parcel\nto your door"},
    ]
    said = {"header_text": "Thank you for asking.", "footer_text": "Two weeks.", "message": "As discussed"}
    offer = bargain.open(*lines, by=bargain.market.owner, **said)
    with visit(f"/o/acme.{offer['id']}", width=width, scheme=scheme) as page:
        # Given the page behind the link, which asks to log in
        looks_right(page)
        log_in(page, password="five small ships at noon")
        assert page.get_by_role("alert").is_visible()
        looks_right(page)
        log_in(page)
        page.get_by_role("heading", name=f"Offer {offer['number']}").wait_for()
        looks_right(page)
        assert page.locator(".totals .total .number").inner_text() == "EUR\u00a023.90"
        # When the buyer ticks what is optional, then the total follows
        page.get_by_label("Product B-2").check()
        page.get_by_role("button", name="Show what that comes to").click()
        page.locator(".mark", has_text="Optional, chosen").wait_for()
        assert page.locator(".totals .total .number").inner_text() == "EUR\u00a026.87"
        looks_right(page)
        # And what is ordered is what was shown
        page.get_by_role("button", name="Order now").click()
        page.get_by_text("This offer was accepted on").wait_for()
        looks_right(page)
        page.reload()
        assert page.get_by_role("button", name="Order now").count() == 0
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in to see your offer").wait_for()
        page.reload()
        assert page.get_by_role("heading", name="Log in to see your offer").is_visible()
    (order,) = stored("order")
    assert order["total"] == euros(2687)


@pytest.mark.parametrize("amount", [999_999_900, 40_000_000_000])
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (320, "light"), (560, "light"), (768, "light")])
def test_large_sums_stay_in_their_cards_and_their_labels_whole(
    visit: Visit, bargain: Bargain, width: int, scheme: str, amount: int
) -> None:
    lines = [product("A-1", 3, unit_price=euros(amount)), product("B-2", 3, optional=True), {"kind": "subtotal"}]
    offer = bargain.open(*lines, by=bargain.market.owner)
    with visit(f"/o/acme.{offer['id']}", width=width, scheme=scheme) as page:
        log_in(page)
        page.get_by_role("heading", name=f"Offer {offer['number']}").wait_for()
        looks_right(page)
        assert page.evaluate(OUT_OF_ITS_TABLE) == []
        assert page.locator(".totals .total th").evaluate(LINES_OF_TEXT) == 1


def test_a_long_offer_is_printed_on_several_pages_whose_heads_and_numbers_repeat(browser: "Browser", bargain: Bargain) -> None:
    for index in range(30):
        bargain.market.shop.add_product(f"C-{index:02}", 100 + index)
    lines = [{"kind": "heading", "text": "Lamps"}, *(product(f"C-{index:02}", index + 1, text=LONG) for index in range(30))]
    offer = bargain.open(*lines, {"kind": "subtotal"}, product("B-2", 1, optional=True), footer_text="word " * 500)
    html = bargain.buyer.get(f"/v1/offers/{offer['id']}/document").text
    reader = browser.new_context()
    page = reader.new_page()
    page.set_content(html)
    paper = pages_of(page.pdf(prefer_css_page_size=True))
    reader.close()
    assert len(paper) > 2
    for number, text in enumerate(paper, start=1):
        assert f"Page {number} of {len(paper)}" in text
    with_lines = [text for text in paper if "C-0" in text or "C-1" in text or "C-2" in text]
    assert all("Quantity" in text and "Price each" in text for text in with_lines)
