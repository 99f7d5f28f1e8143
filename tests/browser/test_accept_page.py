"""The pages that invited people see, in a real browser: by keyboard, on a phone, in the dark and without JavaScript."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.looks import OVERFLOW, POOR_CONTRAST, SMALL_TARGETS, UNLABELLED, Visit
from tests.support.reps import invite_rep, reps_link
from tests.support.server import serving
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop
from tradepost.mails.rendering import render_mail

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LONG = "Kindergartenbedarfsgroßhandelsgesellschaft & Söhne, gegründet 1871 👩‍👩‍👧‍👦 شركة الباب الأزرق"
COLOURS = ["#1f4f46", "#ffffff", "#000000", "#ffe600", "#7a7a7a"]

FOCUSED = "() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
OUTLINE = "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"


@pytest.fixture
def base(aws: None) -> Iterator[str]:
    """The functions behind a server, below a stage as API Gateway has one."""
    with serving("/live") as address:
        yield address


@pytest.fixture
def token(shop: Shop) -> str:
    """A link to a customer with an address."""
    return shop.invite(shop.add_customer()["id"])


def brand(shop: Shop, **branding: Any) -> None:
    store = shop.owner.get("/v1/store").json
    assert shop.owner.patch("/v1/store", {"branding": branding}, etag=store["etag"]).status == 200


def test_a_person_joins_by_keyboard_on_a_phone_without_javascript(visit: Visit, shop: Shop, token: str, api: Client) -> None:
    with visit(f"/i/{token}") as page:
        # Given somebody who only uses the keyboard: the order is that of the page, and the place is always to be seen
        stops = []
        for _ in range(10):
            page.keyboard.press("Tab")
            stops.append(page.evaluate(FOCUSED))
            assert page.evaluate(OUTLINE) >= 3
            if stops[-1] == "street":
                page.keyboard.press("ControlOrMeta+a")
                page.keyboard.type("Quay 7")
            if stops[-1] == "name":
                page.keyboard.type("Ida Holm")
            if stops[-1] == "password":
                page.keyboard.type(PASSWORD)
        company = ["company", "street", "postal_code", "city", "region", "country"]
        assert stops == [*company, "name", "phone", "email", "password"]
        # When it presses Enter
        page.keyboard.press("Enter")
        # Then it has joined, and going back does no harm
        page.get_by_role("heading", name="Welcome to Acme").wait_for()
        page.reload()
        assert page.get_by_role("heading", level=1).inner_text().endswith("This invitation has been accepted")
    (customer,) = stored("customer")
    assert (customer["addresses"][0]["street"], customer["invitation"]["state"]) == ("Quay 7", "accepted")
    assert api.post("/v1/sessions", {"email": "buyer@bluedoor.test", "password": PASSWORD}).status == 201


@pytest.mark.parametrize("width", [320, 1280])
def test_an_employee_sees_what_was_entered_for_it_and_by_whom_and_corrects_it(visit: Visit, shop: Shop, width: int) -> None:
    customer = shop.add_customer("W" * 200)
    body = {
        "name": "Bea",
        "email": f"{'c' * 60}@{'d' * 60}.test",
        "role": "buyer",
        "phone": "+49 40 1",
        "send_invitation": True,
    }
    invitation = shop.owner.post(f"/v1/customers/{customer['id']}/employees", body).json["invitation"]
    link = shop.owner.get(f"/v1/invitations/{invitation['id']}").json["link"]
    with visit(f"/i/{link.rpartition('/i/')[2]}", width=width) as page:
        assert (page.evaluate(OVERFLOW) <= 0, page.evaluate(SMALL_TARGETS), page.evaluate(UNLABELLED)) == (True, [], [])
        assert page.evaluate(POOR_CONTRAST) == []
        for name, entered, corrected in (("Your name", "Bea", "Beate"), ("Telephone", "+49 40 1", "+49 40 2")):
            field = page.get_by_label(name)
            assert field.input_value() == entered
            mark = page.locator(f"#{(field.get_attribute('aria-describedby') or '').split()[0]}")
            assert mark.inner_text() == "Entered by Ola Nordmann. Change it if it is not right."
            assert mark.is_visible()
            field.fill(corrected)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Welcome to Acme").wait_for()
    (member,) = [each for each in stored("member") if each["role"] == "buyer"]
    assert (member["name"], member["phone"], member["status"]) == ("Beate", "+49 40 2", "active")


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_a_sales_rep_joins_by_its_page(visit: Visit, shop: Shop, width: int, scheme: str) -> None:
    brand(shop, display_name="W" * 100, colour="#ffe600")
    link = reps_link(shop, invite_rep(shop, phone="+49 40 1"))
    with visit(f"/i/{link}", width=width, scheme=scheme) as page:
        assert page.get_by_role("heading", level=1).inner_text().endswith("invites you as a sales rep")
        assert (page.evaluate(OVERFLOW) <= 0, page.evaluate(SMALL_TARGETS), page.evaluate(UNLABELLED)) == (True, [], [])
        assert page.evaluate(POOR_CONTRAST) == []
        assert page.get_by_label("Company").count() == 0
        page.get_by_label("Your name").fill("Rhea Lund")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Welcome to").wait_for()
        assert page.get_by_text("the customers that are entrusted to you").is_visible()
        assert page.evaluate(OVERFLOW) <= 0
    (member,) = [each for each in stored("member") if each["role"] == "rep"]
    assert (member["name"], member["phone"], member["status"]) == ("Rhea Lund", "+49 40 1", "active")


def test_mistakes_take_the_focus_lead_to_their_fields_and_lose_nothing(visit: Visit, token: str) -> None:
    with visit(f"/i/{token}") as page:
        page.get_by_label("City").fill("Altona")
        page.get_by_label("Street and number").fill("")
        page.get_by_label("Password").fill("too short")
        page.get_by_role("button", name="Accept the invitation").click()
        # The summary gets the focus, which a browser gives once it has drawn the page, and is announced
        page.locator(".summary:focus").wait_for()
        assert page.get_by_role("alert").is_visible()
        # Its links lead to the fields, which say what is wrong
        page.get_by_role("link", name="Street and number must not be empty.").click()
        assert page.evaluate("() => document.querySelector(':target').id") == "street"
        street = page.get_by_role("textbox", name="Street and number")
        assert street.get_attribute("aria-invalid") == "true"
        assert (
            page.locator(f"#{(street.get_attribute('aria-describedby') or '').split()[-1]}").inner_text()
            == "Street and number must not be empty."
        )
        assert page.get_by_label("City").input_value() == "Altona"
        assert page.get_by_label("Password").input_value() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", COLOURS)
def test_everything_is_readable_in_every_brand_colour(visit: Visit, shop: Shop, token: str, colour: str, scheme: str) -> None:
    brand(shop, colour=colour, reply_to="sales@acme.test")
    for width in (360, 1280):
        with visit(f"/i/{token}", width=width, scheme=scheme) as page:
            assert page.evaluate(POOR_CONTRAST) == []
            page.get_by_role("button").click()
            assert page.evaluate(POOR_CONTRAST) == []
    with visit("/i/nothing", scheme=scheme) as page:
        assert page.evaluate(POOR_CONTRAST) == []


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_long_names_never_scroll_sideways_and_everything_is_large_enough_to_touch(visit: Visit, shop: Shop, width: int) -> None:
    brand(shop, display_name=LONG, reply_to=f"{'a' * 60}@{'b' * 60}.test")
    token = shop.invite(shop.add_customer("W" * 200, f"{'c' * 60}@{'d' * 60}.test")["id"])
    with visit(f"/i/{token}", width=width) as page:
        for _ in range(2):
            assert page.evaluate(OVERFLOW) <= 0
            assert page.evaluate(SMALL_TARGETS) == []
            assert page.evaluate(UNLABELLED) == []
            page.get_by_role("button").click()


def test_a_dead_link_offers_a_new_one_that_a_press_of_the_button_sends(visit: Visit, token: str, time: Clock) -> None:
    time.advance(days=14)
    with visit(f"/i/{token}") as page:
        assert page.evaluate(OVERFLOW) <= 0
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Look into your mailbox").wait_for()
    assert [item["message"]["renewed"] for item in stored("outbox") if item["message"]["type"] == "invitation"].count(True) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_invitation_mail_is_readable_on_a_phone(browser: "Browser", scheme: Any) -> None:
    look = {"name": LONG, "colour": "#ffe600", "logo_url": None, "reply_to": "sales@acme.test"}
    written = render_mail(
        "invitation",
        {
            "store": look,
            "company": "W" * 200,
            "email": f"{'c' * 60}@{'d' * 60}.test",
            "link": "https://portal.example/i/" + "x" * 90,
            "expires_on": "6 December 2026",
            "expires_at": "6 December 2026, 14:30 CET",
        },
    )
    reader = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme)
    page = reader.new_page()
    page.set_content(written.html)
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(POOR_CONTRAST) == []
    reader.close()
