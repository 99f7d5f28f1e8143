"""/o/{link}: the page behind an offer's link. After log-in it shows the offer, which its customer can order there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import ROOT, Reply, run
from tests.support.html import HtmlPage, page_of
from tests.support.offering import Bargain, product
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, euros, open_shop
from tradepost.aws.links import public_url

NOBODYS = "01m829gb9000000000000000ab.01m829gb9000000000000000cd"


@dataclass
class Visitor:
    """A browser as far as this page needs one: it keeps cookies, follows redirects and sends the page's own form."""

    client: Client
    path: str
    cookies: dict[str, str] = field(default_factory=dict)
    last: Reply | None = None

    def open(self) -> HtmlPage:
        return self._keep(self.client.as_(None).send("GET", self.path, None, headers=self._headers()))

    def press(self, button: str, *ticked: str, **typed: str) -> HtmlPage:
        """Press a button of the page as it stands, with other boxes ticked."""
        page = page_of(self.reply)
        fields = {name: value for name, value in page.values.items() if not name.startswith("option-")}
        return self.send({**fields, **{f"option-{each}": "on" for each in ticked}, **typed, "do": button})

    def send(self, fields: Mapping[str, str], **headers: str) -> HtmlPage:
        sent = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._keep(self.client.as_(None).send("POST", self.path, urlencode(fields), headers=sent))

    def log_in(self, email: str = "buyer@bluedoor.test", password: str = PASSWORD) -> HtmlPage:
        return self.send({"email": email, "password": password, "do": "log-in"})

    @property
    def reply(self) -> Reply:
        assert self.last is not None
        return self.last

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _keep(self, reply: Reply) -> HtmlPage:
        self.last = reply
        cookie = re.match(r"([^=]+)=([^;]*)", reply.headers.get("set-cookie", ""))
        if cookie:
            self.cookies[cookie[1]] = cookie[2]
        if reply.status == 303:
            assert reply.headers["location"] == f"./{self.path.rpartition('/')[2]}"
            return self.open()
        return page_of(reply)


def visitor(bargain: Bargain, offer_id: str, store: str = "acme") -> Visitor:
    return Visitor(bargain.buyer, f"/o/{store}.{offer_id}")


def buttons(page: HtmlPage) -> list[str]:
    return [button.text for button in page.all("button")]


def ticked(page: HtmlPage) -> list[str]:
    return [box["name"].removeprefix("option-") for box in page.all("input") if "checked" in box.attributes]


def total(page: HtmlPage) -> str:
    (row,) = [row for row in page.all("tr") if row["class"] == "total"]
    return row.text.replace("\u00a0", " ").removeprefix("Total").strip()


def problem(page: HtmlPage) -> str:
    return " ".join(" ".join(each.text.split()) for each in page.all("div") if each["class"] == "summary")


@pytest.fixture
def offer(bargain: Bargain) -> dict[str, Any]:
    """An offer of two of A-1, and of three of B-2 if one likes."""
    return bargain.open(product("A-1", 2), product("B-2", 3, optional=True))


def test_the_link_leads_through_a_log_in_to_the_offer_which_is_ordered_with_what_is_ticked(
    bargain: Bargain, offer: dict[str, Any]
) -> None:
    # Given somebody who follows the link
    page = visitor(bargain, offer["id"])
    first = page.open()
    assert first.heading == "Log in to see your offer"
    assert offer["number"] not in first.source
    # When the right person logs in, then it is led to the offer
    shown = page.log_in()
    assert shown.heading == f"Offer {offer['number']} for Blue Door"
    assert buttons(shown) == ["Log out", "Show what that comes to", "Order now", "Decline", "Ask for more time"]
    assert total(shown) == "EUR 30.90"
    # And what is ticked counts, first to look at and then to order
    option = offer["lines"][1]["id"]
    assert total(page.press("show", option)) == "EUR 33.87"
    done = page.press("order", option)
    assert "This offer was accepted on" in done.text
    assert buttons(done) == ["Log out"]
    (order,) = stored("order")
    assert (order["source"], order["offer_id"], order["total"]) == ("offer", offer["id"], euros(3387))
    assert [step["event"] for step in bargain.seen(offer)["history"]] == ["created", "sent", "viewed", "accepted"]


def test_the_cookie_is_for_the_pages_of_offers_alone_and_no_script_gets_it(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    body = urlencode({"email": "buyer@bluedoor.test", "password": PASSWORD, "do": "log-in"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = bargain.buyer.as_(None).send("POST", page.path, body, headers=headers)
    assert (reply.status, reply.text) == (303, "")
    name, *attributes = reply.headers["set-cookie"].split("; ")
    token = name.removeprefix("tradepost_acme=")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/o/", "SameSite=Lax", "Secure"]
    assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert token not in reply.headers["location"]
    # The API knows no cookies, and the page no other credential
    assert bargain.buyer.as_(None).get("/v1/me", headers={"Cookie": name}).status == 401
    assert page_of(bargain.buyer.get(page.path)).heading == "Log in to see your offer"


@pytest.mark.parametrize("known", [True, False])
def test_whoever_is_not_logged_in_sees_the_same_whichever_offer_it_is(
    bargain: Bargain, offer: dict[str, Any], *, known: bool
) -> None:
    before = everything()
    page = visitor(bargain, offer["id"] if known else NOBODYS)
    for _ in range(2):  # as mail scanners do
        assert page.open().text == visitor(bargain, "x").open().text
    assert page.reply.status == 200
    assert everything() == before


@pytest.mark.parametrize("path", ["/o/nobody.x", "/o/acme", "/o/acme.", "/o/ACME.x", "/o/acme.%3Cb%3E", f"/o/{'a' * 300}"])
def test_a_link_of_no_store_is_unknown(bargain: Bargain, path: str) -> None:
    reply = bargain.buyer.as_(None).get(path)
    assert (reply.status, page_of(reply).heading) == (404, "We do not know this link")


@pytest.mark.parametrize("email", ["buyer@bluedoor.test", "nobody@bluedoor.test", "no address", ""])
def test_a_wrong_password_and_an_unknown_address_are_told_alike(bargain: Bargain, offer: dict[str, Any], email: str) -> None:
    page = visitor(bargain, offer["id"])
    shown = page.log_in(email, "five small ships at noon")
    assert page.reply.status == 401
    assert problem(shown) == "Please have another look The e-mail address or the password is wrong."
    assert shown.by_id("email")["value"] == email
    assert shown.by_id("password")["value"] == ""
    assert page.cookies == {}


def test_too_many_wrong_passwords_lock_out_as_they_do_everywhere(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    for _ in range(30):
        page.log_in(password="five small ships at noon")
        if page.reply.status == 429:
            break
    shown = page.log_in()
    assert page.reply.status == 429
    assert "retry-after" in page.reply.headers
    assert "Too many tries" in problem(shown)
    credentials = {"email": "buyer@bluedoor.test", "password": PASSWORD, "store": "acme"}
    assert bargain.buyer.as_(None).post("/v1/sessions", credentials).status == 429


def test_whoever_may_not_see_it_is_told_the_same_as_of_one_that_does_not_exist(bargain: Bargain, offer: dict[str, Any]) -> None:
    told = set()
    draft = bargain.make()
    for offer_id, email in (
        (offer["id"], "buyer@greengate.test"),
        (offer["id"], bargain.team.outsider.email),
        (draft["id"], "buyer@bluedoor.test"),
        (NOBODYS, "buyer@bluedoor.test"),
        ("x", "buyer@bluedoor.test"),
    ):
        page = visitor(bargain, offer_id)
        shown = page.log_in(email)
        assert page.reply.status == 404
        told.add((shown.heading, shown.text))
        assert buttons(shown) == ["Log out"]
        assert page.press("log-out").heading == "Log in to see your offer"
    assert len(told) == 1


def test_a_session_of_another_store_is_none_here(bargain: Bargain, offer: dict[str, Any]) -> None:
    open_shop(bargain.buyer.as_(None), "rival", email="rita@rival.test")
    page = visitor(bargain, offer["id"], "rival")
    page.log_in("rita@rival.test")
    (token,) = page.cookies.values()
    intruder = visitor(bargain, offer["id"])
    intruder.cookies = {"tradepost_acme": token}
    assert intruder.open().heading == "Log in to see your offer"
    assert intruder.log_in("rita@rival.test").heading == "Log in to see your offer"
    assert intruder.reply.status == 401


def test_the_stores_people_see_the_offer_without_buttons_and_cannot_answer_it(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    shown = page.log_in(bargain.rep.email)
    assert shown.heading == f"Offer {offer['number']} for Blue Door"
    assert buttons(shown) == ["Log out"]
    for button in ("order", "decline"):
        refused = page.press(button, version="1")
        assert (page.reply.status, bool(problem(refused))) == (403, True)
    assert bargain.seen(offer)["status"] == "open"
    assert stored("order") == []


@pytest.mark.parametrize("form", ["", "x", "of another session"])
@pytest.mark.parametrize("button", ["order", "decline", "log-out", "show"])
def test_a_form_that_is_not_of_this_session_does_nothing(
    bargain: Bargain, offer: dict[str, Any], button: str, form: str
) -> None:
    other, page = visitor(bargain, offer["id"]), visitor(bargain, offer["id"])
    theirs = other.log_in().values["form"]
    page.log_in()
    before = everything()
    shown = page.press(button, form=theirs if form == "of another session" else form)
    assert page.reply.status == 403
    assert "This page had been open for too long" in problem(shown)
    assert everything() == before


def test_what_another_site_sends_is_refused(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    fields = {"email": "buyer@bluedoor.test", "password": PASSWORD, "do": "log-in"}
    before = everything()
    page.send(fields, **{"Sec-Fetch-Site": "cross-site"})
    assert page.reply.status == 400
    assert everything() == before
    assert page.send(fields, **{"Sec-Fetch-Site": "same-origin"}).heading.startswith("Offer")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.test"}, 400),
        ({"Origin": "https://evil.test/api.tradepost.test"}, 400),
        ({"Origin": "https://shop.test.evil.test", "Host": "shop.test"}, 400),
        ({"Origin": "nonsense"}, 400),
        ({"Origin": "https://shop.test", "Host": "shop.test", "Sec-Fetch-Site": "cross-site"}, 400),
        ({"Origin": "https://shop.test", "Host": "shop.test"}, 303),
        ({"Origin": "PUBLIC"}, 303),
        ({"Origin": "null"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 400),
        ({}, 303),
    ],
)
def test_a_browser_that_does_not_say_which_site_sends_is_asked_for_its_origin(
    bargain: Bargain, offer: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    own = "{0.scheme}://{0.netloc}".format(urlsplit(public_url()))
    sent = {name: own if value == "PUBLIC" else value for name, value in headers.items()}
    before = everything()
    body = urlencode({"email": "buyer@bluedoor.test", "password": PASSWORD, "do": "log-in"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = bargain.buyer.as_(None).send("POST", f"/o/acme.{offer['id']}", body, headers={**form, **sent})
    assert (reply.status, "set-cookie" in reply.headers) == (status, status == 303)
    assert (everything() == before) == (status == 400)


def test_an_offer_is_declined_on_the_page(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    assert "This offer was declined on" in page.press("decline").text
    assert bargain.seen(offer)["status"] == "declined"


def test_more_time_is_asked_for_on_the_page_once_also_when_the_offer_is_over(bargain: Bargain, time: Clock) -> None:
    offer = bargain.open(valid_days=1)
    time.advance(days=3)
    bargain.market.login()
    page = visitor(bargain, offer["id"])
    form = page.log_in().values
    assert "More time has been asked for" in page.press("more-time").text
    assert stored("offer")[0]["extension"]["subject"]["name"] == "Ida Holm"
    again = page.send({**form, "do": "more-time"})
    assert problem(again).startswith("More time has been asked for already")
    assert "Ask for more time" not in again.text


def test_ordering_twice_orders_once_and_says_so(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    form = page.log_in().values
    page.press("order")
    again = page.send({**form, "do": "order"})
    assert page.reply.status == 409
    assert problem(again) == "This offer has been accepted already It was ordered once, and not again."
    assert len(stored("order")) == 1


@pytest.mark.parametrize("button", ["order", "decline"])
def test_a_version_that_was_replaced_meanwhile_is_neither_ordered_nor_declined(
    bargain: Bargain, offer: dict[str, Any], button: str
) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    edit = bargain.rep.client.patch(f"/v1/offers/{offer['id']}", {"header_text": "Better"}, etag=bargain.seen(offer)["etag"])
    bargain.moved(edit.json, "send")
    shown = page.press(button)
    assert page.reply.status == 409
    assert problem(shown).startswith("A newer version has replaced what you saw")
    assert "Better" in shown.text
    assert shown.values["version"] == "2"
    assert bargain.seen(offer)["status"] == "open"


def test_an_expired_offer_says_so_and_is_not_ordered(bargain: Bargain, time: Clock) -> None:
    offer = bargain.open(valid_days=1)
    left = datetime.fromisoformat(offer["expires_at"]) - time.at
    time.advance(seconds=left.total_seconds() - 60)
    page = visitor(bargain, offer["id"])
    form = page.log_in().values
    time.advance(minutes=1)
    shown = page.send({**form, "do": "order"})
    assert page.reply.status == 409
    assert problem(shown).startswith("This offer has expired")
    assert stored("order") == []


def test_a_product_that_is_gone_is_named(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    owner = bargain.market.owner
    owner.delete("/v1/products/A-1", etag=owner.get("/v1/products/A-1").json["etag"])
    shown = page.press("order")
    assert page.reply.status == 409
    assert problem(shown).startswith("Some of this is not to be had any more: A-1")
    assert bargain.seen(offer)["status"] == "open"


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("refusal", ["a form of another session", "a product that is gone", "an unknown line"])
def test_what_was_ticked_stays_ticked_when_the_order_is_refused(bargain: Bargain, refusal: str, *, wanted: bool) -> None:
    offer = bargain.open(product("A-1", 2), product("B-2", 3, optional=True, selected=not wanted))
    page = visitor(bargain, offer["id"])
    assert bool(ticked(page.log_in())) is not wanted
    choice = [offer["lines"][1]["id"]] if wanted else []
    if refusal == "a product that is gone":
        owner = bargain.market.owner
        owner.delete("/v1/products/A-1", etag=owner.get("/v1/products/A-1").json["etag"])
    unknown = ["L99"] if refusal == "an unknown line" else []
    forged = {"form": "x"} if refusal == "a form of another session" else {}
    shown = page.press("order", *choice, *unknown, **forged)
    assert page.reply.status >= 400
    assert problem(shown)
    assert ticked(shown) == choice
    assert total(shown) == ("EUR 33.87" if wanted else "EUR 30.90")


def test_what_was_ticked_of_another_version_is_not_chosen_of_the_newer_one(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1", 2), product("B-2", 3, optional=True, selected=True))
    page = visitor(bargain, offer["id"])
    page.log_in()
    bargain.moved(bargain.edited(bargain.seen(offer), header_text="Better"), "send")
    for button in ("order", "show"):
        old = page.press(button, version="1")
        assert (old.values["version"], ticked(old)) == ("2", [offer["lines"][1]["id"]])


def test_what_was_accepted_is_shown_whatever_is_ticked_afterwards(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    form = page.log_in().values
    page.press("order")
    for button in ("order", "show"):
        assert total(page.send({**form, f"option-{offer['lines'][1]['id']}": "on", "do": button})) == "EUR 30.90"


def test_a_line_that_is_not_part_of_the_offer_is_not_ordered(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    shown = page.press("order", "L99")
    assert page.reply.status == 422
    assert problem(shown).startswith("That is not part of this offer")
    assert total(page.press("show", "L99")) == "EUR 30.90"
    for version in ("", "0", "two", "9" * 30, "²"):
        page.press("order", version=version)
        assert page.reply.status in {409, 422}, version
    assert stored("order") == []


def test_logging_out_ends_the_session(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    token = dict(page.cookies)
    assert page.press("log-out").heading == "Log in to see your offer"
    assert page.cookies == {"tradepost_acme": ""}
    page.cookies = token
    assert page.open().heading == "Log in to see your offer"


def test_no_name_of_a_store_gets_out_of_the_title_of_a_page(bargain: Bargain, offer: dict[str, Any]) -> None:
    name = 'Lamps & "Co"</title><meta http-equiv="refresh" content="0;url=https://evil.test/">x'
    bargain.team.set_store(branding={"display_name": name})
    page = visitor(bargain, offer["id"])
    titles = [page.open().title, page.log_in().title]
    bargain.team.set_store(active=False)
    closed = page.open()
    assert (page.reply.status, closed.heading) == (503, f"{name} is closed at the moment")
    assert [*titles, closed.title] == [
        f"{said} · {name}" for said in ("Log in", f"Offer {offer['number']}", f"{name} is closed at the moment")
    ]
    assert [meta["http-equiv"] for meta in closed.all("meta") if meta["http-equiv"]] == []


def test_a_store_that_is_switched_off_is_closed_to_everybody(bargain: Bargain, offer: dict[str, Any]) -> None:
    page = visitor(bargain, offer["id"])
    page.log_in()
    bargain.team.set_store(active=False)
    assert page.open().heading == "Acme is closed at the moment"
    assert page.reply.status == 503
    assert page.log_in().heading == "Acme is closed at the moment"


def test_a_person_who_buys_for_several_customers_gets_to_the_one_whose_offer_it_is(bargain: Bargain) -> None:
    shop = bargain.market.shop
    second = shop.add_customer("Third Gate", "third@bluedoor.test")
    employee = {"name": "Ida Holm", "email": "buyer@bluedoor.test", "role": "buyer", "send_invitation": True}
    made = shop.owner.post(f"/v1/customers/{second['id']}/employees", employee).json["invitation"]
    link = str(shop.owner.get(f"/v1/invitations/{made['id']}").json["link"]).rpartition("/i/")[2]
    joined = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert joined.status == 201, joined.text
    for customer in (second, bargain.market.customer):
        offer = bargain.open(by=bargain.market.owner, customer_id=customer["id"])
        assert visitor(bargain, offer["id"]).log_in().heading == f"Offer {offer['number']} for {customer['name']}"


@pytest.mark.usefixtures("shop")
def test_the_payloads_are_what_a_browser_sends() -> None:
    for scenario, status in (("open_link", 200), ("log_in", 303)):
        event = json.loads((ROOT / "events" / "offers" / f"show_offer_page.{scenario}.json").read_text())
        assert run("offers/show_offer_page", event)["statusCode"] == status
