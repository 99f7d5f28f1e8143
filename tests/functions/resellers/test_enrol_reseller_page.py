"""The page of a store by which a company enrols as a reseller."""

import base64
import hashlib
import re

import pytest

from tests.functions.invitations.test_accept_invitation_page import brand, close
from tests.support.client import Client
from tests.support.enrolling import COMPANY, EMAIL, send_enrolment
from tests.support.html import page_of, send_form
from tests.support.mail import announced
from tests.support.ordering import send_event
from tests.support.table import counted_calls, records, stored
from tests.support.world import PASSWORD, Shop

FORM = {
    "company": COMPANY,
    "street": "Quay 7",
    "postal_code": "24103",
    "city": "Kiel",
    "region": "",
    "country": "DE",
    "tax_id": "",
    "name": "Nils Berg",
    "email": EMAIL,
    "password": PASSWORD,
    "website": "",
}


def test_the_page_shows_the_stores_brand_and_an_empty_form(shop: Shop, api: Client) -> None:
    brand(
        shop,
        display_name="Acme Wholesale",
        logo_url="https://cdn.acme.test/logo.svg",
        reply_to="sales@acme.test",
        colour="#ffe600",
    )
    before = stored()
    with counted_calls() as calls:
        reply = api.get("/enrol/acme")
    page = page_of(reply)
    assert (reply.status, calls, stored()) == (200, ["BatchGetItem"], before)
    assert page.heading == "Become a reseller of Acme Wholesale"
    assert page.values == dict.fromkeys(FORM, "")
    assert "--fill:#ffe600;--on-fill:#000000" in reply.text
    assert [image["src"] for image in page.all("img")] == ["https://cdn.acme.test/logo.svg"]
    assert "sales@acme.test" in page.text
    assert "15 to 128 characters" in page.by_id("password-hint").text
    assert len(page.all("option")) > 200
    # Nobody sees the trap, hears of it or gets into it by the keyboard
    trap = page.by_id("website")
    assert (trap["tabindex"], trap["autocomplete"]) == ("-1", "off")
    assert [element["aria-hidden"] for element in page.elements if element["class"] == "trap"] == ["true"]


def test_a_page_allows_its_own_style_alone_and_is_kept_by_nobody(shop: Shop, api: Client) -> None:
    for reply in (api.get("/enrol/acme"), send_form(api, "/enrol/acme", FORM), api.get("/enrol/nowhere")):
        style = re.search("<style>(.*?)</style>", reply.text, re.DOTALL)
        assert style
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        assert reply.headers["content-security-policy"] == policy
        assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert page_of(reply).all("script") == []


def test_the_form_enrols_as_the_route_does(shop: Shop, api: Client) -> None:
    reply = send_event("resellers/enrol_reseller_page.enrol")
    assert reply.status == 202
    assert "Look into your mailbox" in reply.text
    assert send_enrolment(shop, "Harbour Lights Ltd", "nils@harbourlights.test").status == 202
    ours, theirs = stored("enrolment")
    assert ours["application"] == theirs["application"]
    assert (len(stored("reseller")), [message["type"] for message in announced()]) == (1, ["reseller_confirmation"] * 2)
    region = send_form(api, "/enrol/acme", FORM | {"region": " SH ", "tax_id": "DE1", "email": f" {EMAIL} "})
    assert region.status == 202
    last = max(stored("enrolment"), key=lambda each: str(each["id"]))["application"]
    assert (last["address"]["region"], last["tax_id"], last["contact"]["email"]) == ("SH", "DE1", EMAIL)


def test_a_filled_in_trap_is_answered_alike_and_nothing_is_written(shop: Shop, api: Client) -> None:
    before = stored()
    trapped = send_form(api, "/enrol/acme", FORM | {"website": "https://spam.test", "password": "short"})
    assert stored() == before
    honest = send_form(api, "/enrol/acme", FORM)
    assert (trapped.status, trapped.text) == (honest.status, honest.text)


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("company", "  ", "Company must not be empty."),
        ("company", "x" * 201, "Company is too long."),
        ("company", "Lamps\r\nBcc: all@acme.test", "Company contains the unprintable character U+000D."),
        ("street", "", "Street and number must not be empty."),
        ("postal_code", "9" * 21, "Postal code is too long."),
        ("city", "", "City must not be empty."),
        ("country", "", "Country must be chosen from the list."),
        ("country", "ZZ", "Country must be chosen from the list."),
        ("tax_id", "9" * 201, "Tax number is too long."),
        ("name", "", "Your name must not be empty."),
        ("email", "", "E-mail address is not complete, or has a typing error."),
        ("email", "nils@", "E-mail address is not complete, or has a typing error."),
        ("email", f"{'n' * 250}@lamps.test", "E-mail address is longer than an e-mail address can be."),
        ("password", "", "Password must have 15 to 128 characters."),
        ("password", "too short", "Password must have 15 to 128 characters."),
        ("password", "passwordpassword", "Password is among the first that anybody would try."),
    ],
)
def test_an_error_stands_beside_its_field_and_what_was_typed_is_kept_but_the_password(
    shop: Shop, api: Client, field: str, typed: str, error: str
) -> None:
    before = stored()
    form = FORM | {"tax_id": "DE1", field: typed}
    reply = send_form(api, "/enrol/acme", form)
    page = page_of(reply)
    assert (reply.status, page.title.startswith("Error: ")) == (422, True)
    assert page.error_of(field) == error
    assert [(link["href"], link.text) for link in page.all("a") if link["href"].startswith("#")] == [(f"#{field}", error)]
    kept = form | {"password": ""} | ({"country": ""} if field == "country" else {})
    assert {name: value.split() for name, value in page.values.items()} == {name: value.split() for name, value in kept.items()}
    assert PASSWORD not in reply.text
    assert stored() == before


def test_all_mistakes_are_named_at_once_and_an_empty_form_has_them_all(shop: Shop, api: Client) -> None:
    page = page_of(send_form(api, "/enrol/acme", ""))
    wrong = [link["href"] for link in page.all("a") if link["href"].startswith("#")]
    assert wrong == ["#company", "#street", "#postal_code", "#city", "#country", "#name", "#email", "#password"]


def test_what_is_typed_is_shown_as_it_is_spelled(shop: Shop, api: Client) -> None:
    hostile = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    page = page_of(send_form(api, "/enrol/acme", FORM | {"company": hostile, "name": hostile, "password": "short"}))
    assert (page.values["company"], page.values["name"], page.all("script")) == (hostile, hostile, [])


@pytest.mark.parametrize("slug", ["nowhere", "ACME", "acme%20", "x" * 300])
def test_an_unknown_store_has_no_page(shop: Shop, api: Client, slug: str) -> None:
    for reply in (api.get(f"/enrol/{slug}"), send_form(api, f"/enrol/{slug}", FORM)):
        assert (reply.status, page_of(reply).heading) == (404, "We do not know this page")
    assert stored("enrolment") == []


def test_nobody_enrols_with_a_store_that_is_switched_off(shop: Shop, api: Client) -> None:
    close(shop)
    for reply in (api.get("/enrol/acme"), send_form(api, "/enrol/acme", FORM)):
        assert (reply.status, page_of(reply).heading) == (503, "Acme is closed at the moment")
    assert stored("enrolment") == []


def test_a_crowd_from_one_place_is_told_to_wait_and_loses_nothing(shop: Shop, api: Client) -> None:
    assert send_form(api, "/enrol/acme", FORM).status == 202
    for record in records("limit"):
        if "#enrolments-from-place#" in record.pk:
            record.tally = 1000
            record.save()
    reply = send_form(api, "/enrol/acme", FORM)
    page = page_of(reply)
    assert (reply.status, page.values["company"], page.values["password"]) == (429, COMPANY, "")
    assert 0 < int(reply.headers["retry-after"]) <= 60 * 60
    assert "Please try again in " in page.text
    assert len(stored("enrolment")) == 1


def test_an_address_is_mailed_five_times_and_the_sixth_reads_the_same(shop: Shop, api: Client) -> None:
    replies = [send_form(api, "/enrol/acme", FORM) for _ in range(6)]
    assert {(reply.status, reply.text) for reply in replies} == {(202, replies[0].text)}
    assert len(announced()) == 5


@pytest.mark.parametrize(("body", "status"), [("company=%ff", 400), ("x=1&" * 50, 400), ("company=" + "x" * 17_000, 413)])
def test_a_form_that_cannot_be_read_is_refused_with_a_page(shop: Shop, api: Client, body: str, status: int) -> None:
    reply = send_form(api, "/enrol/acme", body)
    assert (reply.status, page_of(reply).heading) == (status, "We could not read that")
    assert stored("enrolment") == []
