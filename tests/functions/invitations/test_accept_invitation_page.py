"""The page behind an invitation's link."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import ROOT, Context, Reply, load_function
from tests.support.html import HtmlPage, page_of, send_form
from tests.support.reps import invite_rep, reps_link
from tests.support.table import counted_calls, stored
from tests.support.world import PASSWORD, Shop, open_shop

EVENTS = ROOT / "events" / "invitations"
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}{% raw %}"
ESCAPING = (
    'Lamps</title><meta http-equiv="refresh" content="0;url=https://evil.test/">x',
    "<!-- Lamps",
    'O\'Neil & "Søn" &lt;b&gt;',
)
JOINING = {"name": "Ida Holm", "password": PASSWORD}


@pytest.fixture
def token(shop: Shop) -> str:
    """A link to a customer with an address."""
    return shop.invite(shop.add_customer()["id"])


def brand(shop: Shop, **branding: Any) -> None:
    store = shop.owner.get("/v1/store").json
    reply = shop.owner.patch("/v1/store", {"branding": branding}, etag=store["etag"])
    assert reply.status == 200, reply.text


def revoke(shop: Shop) -> None:
    (invitation,) = shop.owner.get("/v1/invitations").json["items"]
    reply = shop.owner.post(f"/v1/invitations/{invitation['id']}/revoke", headers={"If-Match": invitation["etag"]})
    assert reply.status == 200, reply.text


def readdress(shop: Shop) -> None:
    (customer,) = shop.owner.get("/v1/customers").json["items"]
    reply = shop.owner.patch(f"/v1/customers/{customer['id']}", {"email": "new@bluedoor.test"}, etag=customer["etag"])
    assert reply.status == 200, reply.text


def close(shop: Shop) -> None:
    store = shop.owner.get("/v1/store").json
    assert shop.owner.patch("/v1/store", {"active": False}, etag=store["etag"]).status == 200


def test_the_page_shows_the_brand_and_what_the_store_has_entered_and_says_so(shop: Shop, api: Client, token: str) -> None:
    # Given a store with a face
    brand(
        shop,
        display_name="Acme Wholesale",
        logo_url="https://cdn.acme.test/logo.svg",
        reply_to="sales@acme.test",
        colour="#ffe600",
    )
    # When the invited person opens the link
    reply = api.get(f"/i/{token}")
    page = page_of(reply)
    # Then it is the store that speaks
    assert reply.status == 200
    assert page.heading == "Acme Wholesale invites Blue Door to order online"
    (logo,) = page.all("img")
    assert (logo["src"], logo["alt"]) == ("https://cdn.acme.test/logo.svg", "Acme Wholesale")
    assert "--fill:#ffe600;--on-fill:#000000" in reply.text
    assert "sales@acme.test" in page.text
    # And the form holds what the store knows, marked as such
    address = {"street": "Harbour Street 5", "postal_code": "20457", "city": "Hamburg", "region": "", "country": "DE"}
    person = {"name": "", "phone": "", "email": "buyer@bluedoor.test", "password": ""}
    assert page.values == {"company": "Blue Door", **address, **person}
    assert page.by_id("entered").text == "Entered by Acme Wholesale. Change whatever is not right."
    assert all("entered" in page.by_id(name)["aria-describedby"].split() for name in ("company", *address))
    assert "readonly" in page.by_id("email").attributes
    assert "15 to 128 characters" in page.by_id("password-hint").text


def test_a_name_that_the_store_has_entered_is_filled_in_and_marked(shop: Shop, api: Client) -> None:
    token = shop.invite(shop.add_customer(contact_name="Ida Holm")["id"])
    page = page_of(api.get(f"/i/{token}"))
    assert page.values["name"] == "Ida Holm"
    assert page.by_id("name-hint").text == "Entered by Acme. Change it if it is not right."
    assert "name-hint" in page.by_id("name")["aria-describedby"].split()
    assert send_form(api, f"/i/{token}", page.values | {"password": PASSWORD, "phone": "+49 40 1"}).status == 201
    assert stored("invitation")[0]["edits"] == []
    assert [member["phone"] for member in stored("member") if member["role"] == "buyer"] == ["+49 40 1"]


def test_an_employee_confirms_who_it_is_and_nothing_of_the_company(shop: Shop, api: Client) -> None:
    customer = shop.add_customer()
    body = {"name": "Bea", "email": "bea@bluedoor.test", "role": "buyer", "phone": "+49 40 1", "send_invitation": True}
    invitation = shop.owner.post(f"/v1/customers/{customer['id']}/employees", body).json["invitation"]
    token = shop.owner.get(f"/v1/invitations/{invitation['id']}").json["link"].rpartition("/i/")[2]
    page = page_of(api.get(f"/i/{token}"))
    assert page.heading == "Acme invites you to order online for Blue Door"
    assert page.values == {"name": "Bea", "phone": "+49 40 1", "email": "bea@bluedoor.test", "password": ""}
    assert page.by_id("phone-hint").text == "Entered by Ola Nordmann. Change it if it is not right."
    forged = page.values | {"password": PASSWORD, "name": "Beate", "company": "Red Gate", "street": "Quay 7"}
    assert send_form(api, f"/i/{token}", forged).status == 201
    (member,) = [member for member in stored("member") if member["role"] == "buyer"]
    assert (member["name"], member["status"], member["employee_role"]) == ("Beate", "active", "buyer")
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["name"] == "Blue Door"


def test_a_sales_rep_confirms_who_it_is_and_reads_what_awaits_it(shop: Shop, api: Client) -> None:
    token = reps_link(shop, invite_rep(shop, phone="+49 40 1"))
    page = page_of(api.get(f"/i/{token}"))
    assert page.heading == "Acme invites you as a sales rep"
    assert page.values == {"name": "Rhea", "phone": "+49 40 1", "email": "rhea@reps.test", "password": ""}
    assert page.by_id("name-hint").text == "Entered by Ola Nordmann. Change it if it is not right."
    assert "your own prices" not in page.text
    wrong = page_of(send_form(api, f"/i/{token}", page.values | {"password": "short"}))
    assert wrong.heading == page.heading
    forged = page.values | {"password": PASSWORD, "name": "Rhea Lund", "company": "Red Gate", "access": "all"}
    welcome = send_form(api, f"/i/{token}", forged)
    assert (welcome.status, page_of(welcome).heading) == (201, "Welcome to Acme")
    assert "the customers that are entrusted to you" in page_of(welcome).text
    assert "your own prices" not in page_of(welcome).text
    (member,) = [member for member in stored("member") if member["role"] == "rep"]
    assert (member["name"], member["status"], member["access"]) == ("Rhea Lund", "active", "allocated")
    assert page_of(api.get(f"/i/{token}")).heading == "This invitation has been accepted"
    assert api.post("/v1/sessions", {"email": "rhea@reps.test", "password": PASSWORD}).json["member"]["role"] == "rep"


def test_a_hundred_openings_change_nothing_and_cost_two_reads_each(shop: Shop, api: Client, token: str) -> None:
    before = stored()
    with counted_calls() as calls:
        assert {api.get(f"/i/{token}").status for _ in range(100)} == {200}
    assert stored() == before
    assert [call for call in calls if call != "GetSecretValue"] == ["BatchGetItem"] * 200


def test_accepting_makes_a_member_without_a_session_and_the_password_logs_in(shop: Shop, api: Client, token: str) -> None:
    # When the person fills in what is missing and leaves the rest
    page = page_of(api.get(f"/i/{token}"))
    reply = send_form(api, f"/i/{token}", page.values | JOINING)
    # Then it is welcomed
    assert reply.status == 201
    assert page_of(reply).heading == "Welcome to Acme"
    assert "buyer@bluedoor.test" in page_of(reply).text
    # And has joined: nothing was corrected, nobody holds a session, and a welcome is on its way
    assert [invitation["state"] for invitation in stored("invitation")] == ["accepted"]
    (customer,) = stored("customer")
    assert (customer["name"], customer["invitation"]["state"]) == ("Blue Door", "accepted")
    assert customer["addresses"][0]["company"] == "Blue Door Ltd"
    (member,) = [member for member in stored("member") if member["role"] == "buyer"]
    assert (member["name"], member["email"], member["customer_id"]) == ("Ida Holm", "buyer@bluedoor.test", customer["id"])
    assert [session["member_id"] for session in stored("session") if session["member_id"] == member["id"]] == []
    assert [item["message"]["type"] for item in stored("outbox")].count("welcome") == 1
    log_in = api.post("/v1/sessions", {"email": "Buyer@BlueDoor.test", "password": PASSWORD})
    assert (log_in.status, log_in.json["member"]["id"]) == (201, member["id"])


def test_what_the_person_corrects_is_kept_and_the_rest_of_the_address_stays(shop: Shop, api: Client, token: str) -> None:
    corrected = {"company": "Red Gate", "street": "Quay 7", "region": "HH"}
    page = page_of(api.get(f"/i/{token}"))
    assert send_form(api, f"/i/{token}", page.values | JOINING | corrected).status == 201
    (customer,) = stored("customer")
    address = customer["addresses"][0]
    assert customer["name"] == "Red Gate"
    assert [found["name"] for found in shop.owner.get("/v1/customers", q="red gate").json["items"]] == ["Red Gate"]
    assert (address["street"], address["region"], address["city"]) == ("Quay 7", "HH", "Hamburg")
    assert (address["company"], address["name"], address["default_billing"]) == ("Blue Door Ltd", "Ida Holm", True)


def test_somebody_whose_access_was_taken_away_joins_again_by_a_new_invitation(shop: Shop, api: Client) -> None:
    # Given a buyer whose accepted invitation was revoked
    customer = shop.add_customer()
    assert send_form(api, f"/i/{shop.invite(customer['id'])}", JOINING).status == 201
    revoke(shop)
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["revoked"]
    # When a new invitation is accepted
    reply = send_form(api, f"/i/{shop.invite(customer['id'])}", {"password": PASSWORD})
    # Then the same place is taken again
    assert reply.status == 201
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["active"]
    assert api.post("/v1/sessions", {"email": "buyer@bluedoor.test", "password": PASSWORD}).status == 201


def test_a_form_without_the_prefilled_fields_changes_none_of_them(shop: Shop, api: Client, token: str) -> None:
    (before,) = stored("customer")
    assert send_form(api, f"/i/{token}", JOINING).status == 201
    (after,) = stored("customer")
    assert (after["name"], after["addresses"]) == (before["name"], before["addresses"])


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ({}, {}),
        ({"street": "Quay 7", "postal_code": "1", "city": "Kiel", "country": "DE"}, {}),
        (
            {"street": "Quay 7"},
            {"postal_code": "Postal code must not be empty.", "country": "Country must be chosen from the list."},
        ),
    ],
    ids=["left out", "given", "half given"],
)
def test_an_address_the_store_has_not_entered_may_be_left_out_but_not_half(
    shop: Shop, api: Client, typed: dict[str, str], errors: dict[str, str]
) -> None:
    token = shop.invite(shop.add_customer(addresses=[])["id"])
    page = page_of(api.get(f"/i/{token}"))
    assert "required" not in page.by_id("street").attributes
    reply = send_form(api, f"/i/{token}", page.values | JOINING | typed)
    assert reply.status == (422 if errors else 201)
    assert {name: page_of(reply).error_of(name) for name in errors} == errors
    assert [address["street"] for address in stored("customer")[0]["addresses"]] == (["Quay 7"] if typed and not errors else [])


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("name", "", "Your name must not be empty."),
        ("name", "x" * 201, "Your name is too long."),
        ("name", "Ida\r\nBcc: all@acme.test", "Your name contains the unprintable character U+000D."),
        ("company", "  ", "Company must not be empty."),
        ("street", "", "Street and number must not be empty."),
        ("postal_code", "9" * 21, "Postal code is too long."),
        ("country", "ZZ", "Country must be chosen from the list."),
        ("password", "too short", "Password must have 15 to 128 characters."),
        ("password", "x" * 129, "Password must have 15 to 128 characters."),
        ("password", "passwordpassword", "Password is among the first that anybody would try."),
    ],
)
def test_an_error_stands_beside_its_field_and_what_was_typed_is_kept_but_the_password(
    shop: Shop, api: Client, token: str, field: str, typed: str, error: str
) -> None:
    # Given a form with one mistake
    before = stored()
    form = page_of(api.get(f"/i/{token}")).values | JOINING | {"city": "Altona", field: typed}
    # When it is sent
    reply = send_form(api, f"/i/{token}", form)
    page = page_of(reply)
    # Then the mistake is named beside its field and in the summary, which leads to the field
    assert reply.status == 422
    assert page.title.startswith("Error: ")
    assert page.error_of(field) == error
    assert [(link["href"], link.text) for link in page.all("a") if link["href"].startswith("#")] == [(f"#{field}", error)]
    # And nothing is lost but the password, and nothing has happened
    kept = form | {"password": ""} | ({"country": ""} if field == "country" else {})
    assert {name: value.split() for name, value in page.values.items()} == {name: value.split() for name, value in kept.items()}
    assert PASSWORD not in reply.text
    assert stored() == before


def test_all_mistakes_are_named_at_once(shop: Shop, api: Client, token: str) -> None:
    form = page_of(api.get(f"/i/{token}")).values | {"street": "", "password": "short"}
    page = page_of(send_form(api, f"/i/{token}", form))
    assert [link["href"] for link in page.all("a") if link["href"].startswith("#")] == ["#street", "#name", "#password"]


def test_an_account_holder_gives_only_its_password(shop: Shop, api: Client) -> None:
    # Given somebody who owns another store with the invited address
    open_shop(api, "other", email="ida@bluedoor.test")
    token = shop.invite(shop.add_customer(email="Ida@BlueDoor.test")["id"])
    page = page_of(api.get(f"/i/{token}"))
    assert {"name", "phone"} & page.values.keys() == set()
    assert page.by_id("password")["autocomplete"] == "current-password"
    assert "You have an account with Ida@bluedoor.test already. Give its password" in page.text
    # When an empty or a wrong password is sent, nothing happens but a failure being counted for the wrong one
    empty = send_form(api, f"/i/{token}", page.values)
    assert (empty.status, page_of(empty).error_of("password")) == (422, "Password must not be empty.")
    assert stored("throttle") == []
    wrong = send_form(api, f"/i/{token}", page.values | {"password": "five small ships at noon"})
    assert (wrong.status, page_of(wrong).error_of("password")) == (422, "Password is not the one of your account.")
    assert [throttle["tally"] for throttle in stored("throttle")] == [1]
    assert [invitation["state"] for invitation in stored("invitation")] == ["pending"]
    # And with the right one the person joins under its own name
    assert send_form(api, f"/i/{token}", page.values | {"password": PASSWORD}).status == 201
    assert [member["name"] for member in stored("member") if member["role"] == "buyer"] == ["Ola Nordmann"]


def test_too_many_wrong_passwords_are_told_to_wait(shop: Shop, api: Client, time: Clock) -> None:
    open_shop(api, "other", email="ida@bluedoor.test")
    token = shop.invite(shop.add_customer(email="ida@bluedoor.test")["id"])
    for _ in range(10):
        assert send_form(api, f"/i/{token}", {"password": "five small ships at noon"}).status == 422
    reply = send_form(api, f"/i/{token}", {"password": PASSWORD})
    assert reply.status == 429
    assert 0 < int(reply.headers["retry-after"]) <= 15 * 60
    assert "Too many tries with a wrong password. Wait " in page_of(reply).text
    assert [invitation["state"] for invitation in stored("invitation")] == ["pending"]
    time.advance(minutes=15)
    assert send_form(api, f"/i/{token}", {"password": PASSWORD}).status == 201


def test_only_the_first_acceptance_wins_and_every_other_one_reads_that_it_is_done(shop: Shop, api: Client, token: str) -> None:
    assert send_form(api, f"/i/{token}", JOINING).status == 201
    before = stored()
    again = send_form(api, f"/i/{token}", JOINING | {"name": "Eve"})
    reload = api.get(f"/i/{token}")
    assert (again.status, reload.status) == (409, 410)
    assert page_of(again).heading == page_of(reload).heading == "This invitation has been accepted"
    assert "Log in to the portal of Acme" in page_of(again).text
    assert stored() == before


def test_who_loses_the_race_reads_that_it_is_done_and_leaves_nothing_behind(
    shop: Shop, api: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given another acceptance that is written between this one's reading and its writing
    module = load_function("invitations/accept_invitation_page")
    acceptance_of = module.acceptance_of

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "acceptance_of", acceptance_of)
        assert send_form(api, f"/i/{token}", JOINING).status == 201
        return acceptance_of(*arguments)

    monkeypatch.setattr(module, "acceptance_of", overtaken)
    # When this one is sent
    reply = send_form(api, f"/i/{token}", {"name": "Eve", "password": "seven slow boats at dawn"})
    # Then there is one member, and it is the other
    assert (reply.status, page_of(reply).heading) == (409, "This invitation has been accepted")
    assert [member["name"] for member in stored("member") if member["role"] == "buyer"] == ["Ida Holm"]


class Death(NamedTuple):
    cause: Callable[[Shop, Clock], None]
    status: int
    heading: str
    renewable: bool


DEATHS = {
    "expired": Death(lambda _, time: time.advance(days=14), 410, "This invitation has expired", renewable=True),
    "replaced": Death(lambda shop, _: readdress(shop), 410, "A newer link has replaced this one", renewable=True),
    "revoked": Death(lambda shop, _: revoke(shop), 410, "This invitation was withdrawn", renewable=False),
    "closed": Death(lambda shop, _: close(shop), 503, "Acme is closed at the moment", renewable=False),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_dead_link_says_why_on_both_sides_of_the_form(shop: Shop, api: Client, time: Clock, token: str, death: Death) -> None:
    # Given a link that has died
    death.cause(shop, time)
    before = stored()
    # When it is opened, or the form of before is sent
    for reply in (api.get(f"/i/{token}"), send_form(api, f"/i/{token}", JOINING)):
        page = page_of(reply)
        # Then it says why, in the store's name, with the mend where there is one
        assert (reply.status, page.heading) == (death.status, death.heading)
        assert page.title == f"{death.heading} · Acme"
        assert [form["action"] for form in page.all("form")] == ([f"./{token}/renewal"] if death.renewable else [])
        assert page.all("input") == []
    assert stored() == before


@pytest.mark.parametrize(
    "tampered", ["nothing", "acme.01k9.1.abc", "%3Cscript%3E", "a" * 500], ids=["word", "short", "script", "long"]
)
def test_an_unknown_link_says_so_without_reading_anything(api: Client, tampered: str) -> None:
    with counted_calls() as calls:
        reply = api.get(f"/i/{tampered}")
    assert (reply.status, page_of(reply).heading) == (404, "We do not know this link")
    assert "script>" not in reply.text.lower().replace("</script>", "")
    assert not {"BatchGetItem", "Query"} & set(calls)


def test_a_forged_signature_is_an_unknown_link(api: Client, token: str) -> None:
    forged = token[:-1] + ("a" if token[-1] != "a" else "b")
    other_generation = token.replace(".1.", ".2.")
    assert [api.get(f"/i/{link}").status for link in (forged, other_generation)] == [404, 404]


def test_a_new_link_is_mailed_to_the_invited_address_only_and_the_page_is_always_the_same(
    shop: Shop, api: Client, time: Clock, token: str
) -> None:
    # Given an invitation that has expired
    time.advance(days=15)
    # When a new link is asked for, twice
    first = send_form(api, f"/i/{token}/renewal", "")
    again = send_form(api, f"/i/{token}/renewal", "email=eve%40evil.test")
    # Then one mail goes out, for the invitation as it is, and the old link lives again
    assert (first.status, again.status) == (200, 200)
    assert first.text == again.text
    assert page_of(first).heading == "Look into your mailbox"
    renewed = [item["message"] for item in stored("outbox") if item["message"].get("renewed")]
    assert [message["type"] for message in renewed] == ["invitation"]
    assert "evil.test" not in json.dumps(stored("invitation"))
    assert api.get(f"/i/{token}").status == 200


def test_asking_for_a_new_link_to_a_withdrawn_invitation_shows_the_same_page_and_does_nothing(
    shop: Shop, api: Client, time: Clock, token: str
) -> None:
    time.advance(hours=1)
    honest = send_form(api, f"/i/{token}/renewal", "")
    revoke(shop)
    time.advance(hours=1)
    before = stored()
    assert send_form(api, f"/i/{token}/renewal", "").text == honest.text
    assert send_form(api, "/i/nothing/renewal", "").status == 200
    assert stored() == before


def test_hostile_names_are_shown_as_they_are_spelled(shop: Shop, api: Client) -> None:
    brand(shop, display_name=HOSTILE)
    token = shop.invite(shop.add_customer(HOSTILE, "x@bluedoor.test")["id"])
    reply = api.get(f"/i/{token}")
    page = page_of(reply)
    assert page.heading == f"{HOSTILE} invites {HOSTILE} to order online"
    assert page.values["company"] == HOSTILE
    echoed = page_of(send_form(api, f"/i/{token}", page.values | {"name": HOSTILE, "street": HOSTILE, "country": HOSTILE}))
    assert (echoed.values["name"], echoed.values["street"]) == (HOSTILE, HOSTILE)
    assert [element.tag for element in (*page.elements, *echoed.elements) if element.tag == "script"] == []
    time_is_over = page_of(api.get("/i/nothing"))
    assert time_is_over.all("script") == []


@pytest.mark.parametrize("name", ESCAPING, ids=["closes the title", "comment", "ampersands"])
def test_no_name_gets_out_of_the_title_of_a_page(shop: Shop, api: Client, token: str, name: str) -> None:
    brand(shop, display_name=name)
    welcome = send_form(api, f"/i/{token}", JOINING)
    other = shop.invite(shop.add_customer("Green Gate", "x@greengate.test")["id"])
    close(shop)
    for reply, status, title in (
        (welcome, 201, f"Welcome to {name}"),
        (api.get(f"/i/{token}"), 503, f"{name} is closed at the moment"),
        (send_form(api, f"/i/{other}", JOINING), 503, f"{name} is closed at the moment"),
        (api.get("/i/nothing"), 404, "We do not know this link"),
    ):
        page = page_of(reply)
        assert (reply.status, page.heading) == (status, title)
        assert page.title == f"{title} · {name if status != 404 else 'Tradepost'}"
        assert [meta["http-equiv"] for meta in page.all("meta") if meta["http-equiv"]] == []
        assert "&amp;amp;" not in reply.text


@pytest.mark.parametrize(
    "name", ["شركة الباب الأزرق", "👩‍👩‍👧‍👦 Blumen", "x" * 200, "O'Neil & Søn"], ids=["rtl", "emoji", "long", "quotes"]
)
def test_unusual_names_arrive_whole(shop: Shop, api: Client, name: str) -> None:
    token = shop.invite(shop.add_customer(name)["id"])
    page = page_of(api.get(f"/i/{token}"))
    assert page.values["company"] == name
    assert page.by_id("company")["dir"] == "auto"
    assert send_form(api, f"/i/{token}", page.values | JOINING | {"name": name}).status == 201
    assert [member["name"] for member in stored("member") if member["role"] == "buyer"] == [name]


@pytest.mark.parametrize("path", ["/i/{token}", "/i/nothing", "/i/{token}/renewal"])
def test_every_page_may_load_its_own_style_and_nothing_else(shop: Shop, api: Client, token: str, path: str) -> None:
    path = path.format(token=token)
    for reply in (send_form(api, path, "") if path.endswith("renewal") else api.get(path), send_form(api, path, "name=%ff")):
        policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
        (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy == {
            "default-src": "'none'",
            "style-src": f"'sha256-{digest}'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert " style=" not in reply.text
        wanted = {
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        }
        assert {name: reply.headers[name] for name in wanted} == wanted


def test_only_a_logo_opens_the_policy_to_images(shop: Shop, api: Client, token: str) -> None:
    brand(shop, logo_url="https://cdn.acme.test/logo.svg?a=1;script-src *")
    assert "; img-src https:; form-action" in api.get(f"/i/{token}").headers["content-security-policy"]


def test_a_hostile_host_header_reaches_no_link_and_no_form(shop: Shop, api: Client, token: str, time: Clock) -> None:
    evil = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "Origin": "https://evil.test"}
    assert "evil" not in api.get(f"/i/{token}", headers=evil).text
    time.advance(days=14)
    assert "evil" not in api.get(f"/i/{token}", headers=evil).text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("name=%ff&password=x", "application/x-www-form-urlencoded", 400),
        ("&".join("a=1" for _ in range(100)), "application/x-www-form-urlencoded", 400),
        ("name=" + "x" * 17_000, "application/x-www-form-urlencoded", 413),
        ("name=" + "x" * 2_000_000, "application/x-www-form-urlencoded", 413),
        ('{"name": "Ida"}', "application/json", 415),
    ],
    ids=["not UTF-8", "many fields", "large", "huge", "JSON"],
)
def test_a_body_that_is_no_form_of_ours_is_refused_with_a_page_and_changes_nothing(
    shop: Shop, api: Client, token: str, body: str, content_type: str, status: int
) -> None:
    before = stored()
    reply = api.send("POST", f"/i/{token}", body, headers={"Content-Type": content_type})
    assert (reply.status, page_of(reply).heading) == (status, "We could not read that")
    assert stored() == before


def test_a_fault_of_ours_is_a_page_that_names_nothing_of_the_inside(
    api: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret is k")

    monkeypatch.setattr(load_function("invitations/accept_invitation_page"), "company_fields", broken)
    reply = api.get(f"/i/{token}")
    assert (reply.status, page_of(reply).heading) == (500, "Something went wrong on our side")
    assert "secret" not in reply.text


def test_a_customer_that_changes_while_the_form_is_sent_is_shown_anew(
    shop: Shop, api: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a store that changes the customer between this request's reading and its writing
    module = load_function("invitations/accept_invitation_page")
    acceptance_of = module.acceptance_of

    def overtaken(*arguments: Any) -> Any:
        (customer,) = shop.owner.get("/v1/customers").json["items"]
        changed = shop.owner.patch(f"/v1/customers/{customer['id']}", {"name": "Red Door"}, etag=customer["etag"])
        assert changed.status == 200
        return acceptance_of(*arguments)

    monkeypatch.setattr(module, "acceptance_of", overtaken)
    reply = send_form(api, f"/i/{token}", JOINING | {"company": "Blue Door GmbH"})
    # Then nothing is overwritten, and the form shows what the store says now
    page = page_of(reply)
    assert reply.status in {409, 412}
    assert page.values["company"] == "Red Door"
    assert [invitation["state"] for invitation in stored("invitation")] == ["pending"]


def answer_to(event: str, token: str) -> Reply:
    sent = json.loads((EVENTS / f"accept_invitation_page.{event}.json").read_text().replace("TOKEN", token))
    answer = load_function("invitations/accept_invitation_page").handler(sent, Context())
    return Reply(
        answer["statusCode"], {name.lower(): value[0] for name, value in answer["multiValueHeaders"].items()}, answer["body"]
    )


def test_the_recorded_events_are_understood(shop: Shop, token: str) -> None:
    statuses = [answer_to(event, token).status for event in ("open_link", "ask_for_new_link", "accept")]
    assert statuses == [200, 200, 201]
    assert stored("customer")[0]["addresses"][0]["street"] == "Harbour Street 7"


def test_every_input_has_a_label_and_every_explanation_exists(api: Client, token: str) -> None:
    pages = [page_of(api.get(f"/i/{token}")), page_of(send_form(api, f"/i/{token}", "name="))]
    for page in pages:
        labelled = {label["for"] for label in page.all("label")}
        entries = [*page.all("input"), *page.all("select")]
        assert {entry["id"] for entry in entries} == labelled
        described = [note for entry in entries for note in entry["aria-describedby"].split()]
        assert all(page.by_id(note).text.strip() for note in described)
        assert len(HtmlPage(page.source).all("h1")) == 1
        assert page.all("html")[0]["lang"] == "en"
