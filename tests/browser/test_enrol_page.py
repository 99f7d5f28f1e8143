"""The pages by which companies enrol and confirm it, in a real browser: by keyboard, on a phone and in the dark."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.enrolling import COMPANY, EMAIL, enrol
from tests.support.looks import OVERFLOW, POOR_CONTRAST, SMALL_TARGETS, UNLABELLED, Visit
from tests.support.server import serving
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop

pytestmark = pytest.mark.browser

LONG = "Kindergartenbedarfsgroßhandelsgesellschaft & Söhne, gegründet 1871 👩‍👩‍👧‍👦 شركة الباب الأزرق"
COLOURS = ["#1f4f46", "#ffffff", "#000000", "#ffe600", "#7a7a7a"]
TYPED = {"company": COMPANY, "street": "Quay 7", "postal_code": "24103", "city": "Kiel", "name": "Nils Berg", "email": EMAIL}

FOCUSED = "() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
OUTLINE = "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
IN_SIGHT = """() => {
  const box = document.querySelector(".trap").getBoundingClientRect();
  return box.width > 1 || box.height > 1;
}"""


@pytest.fixture
def base(aws: None) -> Iterator[str]:
    """The functions behind a server, below a stage as API Gateway has one."""
    with serving("/live") as address:
        yield address


def brand(shop: Shop, **branding: Any) -> None:
    store = shop.owner.get("/v1/store").json
    assert shop.owner.patch("/v1/store", {"branding": branding}, etag=store["etag"]).status == 200


def test_a_company_enrols_and_confirms_by_keyboard_on_a_phone_without_javascript(visit: Visit, shop: Shop, api: Client) -> None:
    with visit("/enrol/acme") as page:
        # The order is that of the page, the place is always to be seen, and nobody gets into the trap
        assert page.evaluate(IN_SIGHT) is False
        stops = []
        for _ in range(10):
            page.keyboard.press("Tab")
            stops.append(page.evaluate(FOCUSED))
            assert page.evaluate(OUTLINE) >= 3
            if stops[-1] == "country":
                page.keyboard.type("Germany")
            page.keyboard.type({**TYPED, "password": PASSWORD}.get(stops[-1], ""))
        company = ["company", "street", "postal_code", "city", "region", "country", "tax_id"]
        assert stops == [*company, "name", "email", "password"]
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Look into your mailbox").wait_for()
    (enrolment,) = stored("enrolment")
    assert enrolment["application"]["address"]["country"] == "DE"
    with visit(f"/e/{enrol(shop)}") as page:
        assert page.get_by_text("24103 Kiel").is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your enrolment is confirmed").wait_for()
        page.reload()
        assert page.get_by_role("heading", level=1).inner_text().endswith("Your enrolment is confirmed")
    assert stored("reseller")[0]["status"] == "pending"


def test_mistakes_take_the_focus_lead_to_their_fields_and_lose_nothing(visit: Visit, shop: Shop) -> None:
    with visit("/enrol/acme") as page:
        page.get_by_label("Company").fill(COMPANY)
        page.get_by_label("E-mail address").fill("nils@")
        page.get_by_label("Password").fill("too short")
        page.get_by_role("button", name="Enrol").click()
        page.locator(".summary:focus").wait_for()
        assert page.get_by_role("alert").is_visible()
        page.get_by_role("link", name="E-mail address is not complete, or has a typing error.").click()
        assert page.evaluate("() => document.querySelector(':target').id") == "email"
        assert page.get_by_role("textbox", name="E-mail address").get_attribute("aria-invalid") == "true"
        assert page.get_by_label("Company").input_value() == COMPANY
        assert page.get_by_label("Password").input_value() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", COLOURS)
def test_everything_is_readable_in_every_brand_colour(visit: Visit, shop: Shop, colour: str, scheme: str) -> None:
    brand(shop, colour=colour, reply_to="sales@acme.test")
    for width in (360, 1280):
        for path in ("/enrol/acme", f"/e/{enrol(shop)}"):
            # What is confirmed has no button any more: each width has an enrolment of its own.
            with visit(path, width=width, scheme=scheme) as page:
                assert page.evaluate(POOR_CONTRAST) == []
                page.get_by_role("button").click()
                assert page.evaluate(POOR_CONTRAST) == []


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_long_names_never_scroll_sideways_and_everything_is_large_enough_to_touch(visit: Visit, shop: Shop, width: int) -> None:
    brand(shop, display_name=LONG, reply_to=f"{'a' * 60}@{'b' * 60}.test")
    link = enrol(shop, "W" * 200, f"{'c' * 60}@{'d' * 60}.test", name=LONG, answers={"W" * 100: "W" * 4000})
    for path in ("/enrol/acme", f"/e/{link}"):
        with visit(path, width=width) as page:
            for _ in range(2):
                assert page.evaluate(OVERFLOW) <= 0
                assert page.evaluate(SMALL_TARGETS) == []
                assert page.evaluate(UNLABELLED) == []
                if page.get_by_role("button").count():
                    page.get_by_role("button").click()
