"""The store's own words for its mails: checked before they are kept, tried out before they are used."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.html import HtmlPage
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, open_shop
from tradepost.mails.values import TEMPLATES

PATH = "/v1/email-templates"
WELCOME = {"subject": "Hej {{ name }}", "html": "<p>Hej {{ name }} of {{ company }}</p>", "text": "Hej {{ name }}"}


def put(shop: Shop, name: str = "welcome", etag: str | None = None, **parts: Any) -> Reply:
    return shop.owner.put(f"{PATH}/{name}", {**WELCOME, **parts}, etag=etag)


def faults(reply: Reply) -> list[tuple[str, str]]:
    assert (reply.status, reply.code) == (422, "template_invalid"), reply.text
    return [(fault["pointer"], fault["message"]) for fault in reply.json["errors"]]


def audited() -> list[str]:
    return [line["action"] for line in stored("audit") if line["action"].startswith("email_template")]


def test_every_mail_is_listed_with_what_it_is_for_and_whether_it_is_the_stores_own(shop: Shop) -> None:
    put(shop)
    page = shop.owner.get(PATH).json
    assert page["next_cursor"] is None
    assert [item["name"] for item in page["items"]] == list(TEMPLATES)
    items = {item["name"]: item for item in page["items"]}
    assert (items["welcome"]["customized"], items["welcome"]["subject"], items["welcome"]["etag"]) == (
        True,
        "Hej {{ name }}",
        '"1"',
    )
    assert (items["invitation"]["customized"], items["invitation"]["etag"]) == (False, '"0"')
    assert items["invitation"]["subject"] == "{{ store.name }} invites {{ company }} to order online"
    assert all(item["purpose"] for item in page["items"])
    assert {item["last_failure"] for item in page["items"]} == {None}


def test_the_words_in_force_are_shown_with_the_defaults_and_everything_that_can_be_said(shop: Shop) -> None:
    shown = shop.owner.get(f"{PATH}/order_shipped")
    assert (shown.headers["etag"], shown.json["customized"], shown.json["updated_at"]) == ('"0"', False, None)
    assert shown.json["defaults"] == {part: shown.json[part] for part in ("subject", "html", "text")}
    variables = {variable["name"]: variable for variable in shown.json["variables"]}
    assert variables["order.note"]["optional"] is True
    assert variables["order.lines[].name"] == {
        "name": "order.lines[].name",
        "optional": False,
        "meaning": "The product's name.",
        "example": "Lamp Fjord",
    }
    assert "for" in shown.json["tags"]
    assert "default" in shown.json["filters"]
    assert shown.json["parts"]["button"] == ["label", "to"]


def test_own_words_are_kept_as_they_were_written_and_noted(shop: Shop, time: Clock) -> None:
    reply = send_event("stores/manage_email_templates.customized", TOKEN=shop.owner.token)
    assert (reply.status, reply.headers["etag"]) == (201, '"1"')
    html = "<ul>\n\t<li>{{ name }}</li>\n</ul>\r\n\n"
    assert put(shop, html=html).status == 201
    shown = shop.owner.get(f"{PATH}/welcome").json
    assert (shown["html"], shown["customized"], shown["etag"]) == (html, True, '"1"')
    assert shown["defaults"]["subject"] == "Welcome to {{ store.name }}"
    [invitation, welcome] = stored("email_template")
    assert (invitation["name"], welcome["html"]) == ("invitation", html)
    assert audited() == ["email_template:customized", "email_template:customized"]


def test_words_are_replaced_on_the_version_that_was_read_and_taken_back(shop: Shop) -> None:
    put(shop)
    before = stored()
    assert put(shop).code == "precondition_required"
    assert put(shop, etag='"7"').code == "stale"
    assert shop.owner.put(f"{PATH}/welcome", WELCOME, headers={"If-None-Match": "*", "If-Match": '"1"'}).code == "stale"
    assert stored() == before
    replaced = put(shop, etag='"1"', subject="Hi")
    assert (replaced.status, replaced.json["etag"], replaced.json["subject"]) == (200, '"2"', "Hi")
    assert shop.owner.delete(f"{PATH}/welcome").code == "precondition_required"
    assert shop.owner.delete(f"{PATH}/welcome", etag='"1"').code == "stale"
    assert shop.owner.delete(f"{PATH}/welcome", etag='"2"').status == 204
    assert shop.owner.delete(f"{PATH}/welcome", etag='"2"').code == "not_found"
    assert stored("email_template") == []
    assert shop.owner.get(f"{PATH}/welcome").json["subject"] == "Welcome to {{ store.name }}"
    assert audited() == ["email_template:customized", "email_template:replaced", "email_template:removed"]


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}, {"If-Match": '"0"'}])
def test_the_first_words_need_no_version(shop: Shop, headers: dict[str, str]) -> None:
    assert shop.owner.put(f"{PATH}/welcome", WELCOME, headers=headers).status == 201
    assert put(shop, "invitation", etag='"3"', html="x", text="x", subject="x").code == "stale"


@pytest.mark.parametrize("name", ["newsletter", "layout", "button", "Welcome", "%20", "x" * 2000])
def test_there_are_no_other_mails(shop: Shop, name: str) -> None:
    for reply in (
        shop.owner.get(f"{PATH}/{name}"),
        shop.owner.put(f"{PATH}/{name}", WELCOME),
        shop.owner.send("DELETE", f"{PATH}/{name}", headers={"If-Match": "*"}),
        shop.owner.post(f"{PATH}/{name}/preview"),
        shop.owner.post(f"{PATH}/{name}/test"),
    ):
        assert (reply.status, reply.code) == (404, "not_found")
    assert stored("email_template") == []


def test_every_mistake_is_named_by_its_part_line_and_variable_and_nothing_is_kept(shop: Shop) -> None:
    before = stored()
    parts = {"subject": "{{ nmae }}", "html": "<p>\n\n{{ store.nmae }}\n{{ name | shout }}", "text": "{% if name %}"}
    wanted = [
        ("/subject", "line 1: there is no variable `nmae`; did you mean `name`?"),
        ("/html", "line 3: there is no variable `store.nmae`; did you mean `store.name`?"),
        ("/html", "line 4: there is no filter `shout`"),
        ("/text", "line 1: `if` is not ended by `endif`"),
    ]
    assert faults(put(shop, **parts)) == wanted
    assert faults(shop.owner.post(f"{PATH}/welcome/preview", parts)) == wanted
    assert faults(shop.owner.post(f"{PATH}/welcome/test", parts)) == wanted
    assert stored() == before


BAD: list[tuple[dict[str, Any], str]] = [
    ({"subject": ""}, "/subject"),
    ({"subject": "x" * 201}, "/subject"),
    ({"subject": "two\nlines"}, "/subject"),
    ({"html": ""}, "/html"),
    ({"html": " \n\t "}, "/html"),
    ({"html": "x" * 65_537}, "/html"),
    ({"html": "é" * 33_000}, "/html"),
    ({"html": "a\x00b"}, "/html"),
    ({"html": "\ud800"}, "/html"),
    ({"text": None}, "/text"),
    ({"text": 5}, "/text"),
    ({"preheader": "x"}, "/preheader"),
]


@pytest.mark.parametrize(("parts", "pointer"), BAD, ids=str)
def test_what_is_no_template_is_refused(shop: Shop, parts: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = put(shop, **parts)
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "invalid", pointer)
    assert stored() == before


def test_sixty_four_kilobytes_are_taken(shop: Shop) -> None:
    assert put(shop, html="x" * 65_536, text="y" * 65_536).status == 201


def test_a_preview_shows_a_mail_of_this_store_and_changes_nothing(shop: Shop) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    brand = {"display_name": "Nørd & Søn", "logo_url": "https://cdn.acme.test/logo.png", "colour": "#aa0000"}
    shop.owner.patch("/v1/store", {"branding": brand}, etag=etag)
    before = stored()
    shown = shop.owner.post(f"{PATH}/welcome/preview", WELCOME, key=None)
    page = HtmlPage(shown.json["html"])
    assert (shown.status, shown.json["subject"]) == (200, "Hej Ida Holm")
    assert "Hej Ida Holm of Corner Café Ltd" in page.text
    assert "Sent by Tradepost for Nørd & Søn" in page.text
    assert [image["src"] for image in page.all("img")] == ["https://cdn.acme.test/logo.png"]
    assert "#aa0000" in shown.json["html"]
    assert "Hej Ida Holm" in shown.json["text"]
    assert stored() == before


def test_without_a_draft_a_preview_shows_the_words_in_force_and_a_part_replaces_a_part(shop: Shop) -> None:
    assert shop.owner.post(f"{PATH}/welcome/preview").json["subject"] == "Welcome to Acme"
    assert shop.owner.post(f"{PATH}/welcome/preview", {}).json["subject"] == "Welcome to Acme"
    put(shop)
    preview = shop.owner.post(f"{PATH}/welcome/preview", {"text": "Only this"}).json
    assert preview["subject"] == "Hej Ida Holm"
    assert preview["text"].startswith("Only this")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_default_can_be_previewed_and_taken_over(shop: Shop, name: str) -> None:
    assert shop.owner.post(f"{PATH}/{name}/preview").status == 200
    defaults = shop.owner.get(f"{PATH}/{name}").json["defaults"]
    assert shop.owner.put(f"{PATH}/{name}", defaults).status == 201


def test_a_test_mail_goes_to_the_caller_alone(shop: Shop) -> None:
    shop.join(shop.add_customer())
    deliver()
    reply = shop.owner.post(f"{PATH}/welcome/test", WELCOME)
    assert (reply.status, reply.json) == (202, {"name": "welcome", "to": "ola@acme.test"})
    mail = deliver()[-1]
    assert (mail.to, mail.subject) == ("ola@acme.test", "Hej Ida Holm")
    assert "Hej Ida Holm of Corner Café Ltd" in HtmlPage(mail.html).text
    assert "Sent by Tradepost for Acme" in HtmlPage(mail.html).text
    assert audited() == ["email_template:tested"]


def test_a_test_mail_that_is_asked_for_again_by_a_retry_goes_out_once(shop: Shop) -> None:
    first = shop.owner.post(f"{PATH}/welcome/test", key="once")
    again = shop.owner.post(f"{PATH}/welcome/test", key="once")
    assert (again.status, again.text, again.headers["idempotent-replayed"]) == (202, first.text, "true")
    assert len(announced()) == 1
    assert shop.owner.post(f"{PATH}/welcome/test", key=None).code == "idempotency_key_required"


def test_there_is_an_end_to_test_mails_until_the_hour_is_over(shop: Shop, time: Clock) -> None:
    for _ in range(20):
        assert shop.owner.post(f"{PATH}/welcome/test").status == 202
    before = stored()
    refused = shop.owner.post(f"{PATH}/invitation/test")
    assert (refused.status, refused.code) == (429, "too_many_test_mails")
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert stored() == before
    time.advance(seconds=int(refused.headers["retry-after"]))
    assert shop.owner.post(f"{PATH}/invitation/test").status == 202


def test_a_test_mail_to_somebody_who_runs_the_store_no_longer_is_dropped(shop: Shop) -> None:
    from pynamodb.expressions.operand import Path

    from tradepost.table.records import Record

    shop.owner.post(f"{PATH}/welcome/test")
    [member] = stored("member")
    Record(member["pk"], member["sk"]).update([Path("data.status").set("revoked")])
    assert deliver() == []


def test_a_reset_link_is_offered_to_no_store(shop: Shop) -> None:
    shown = shop.owner.get(f"{PATH}/password_reset").json
    assert "link" not in {variable["name"] for variable in shown["variables"]}
    assert "link" not in shown["defaults"]["html"] + shown["defaults"]["text"]
    assert faults(put(shop, "password_reset", html="{{ link }}", text="x", subject="x")) == [
        ("/html", "line 1: there is no variable `link`")
    ]
    [(pointer, message)] = faults(put(shop, "password_reset", html="x\n<img src='https://e.test/?", text="x", subject="x"))
    assert (pointer, message.partition(":")[0]) == ("/html", "line 2")


def test_what_is_in_force_but_broken_says_so_in_the_preview(shop: Shop) -> None:
    from pynamodb.expressions.operand import Path

    from tradepost.table.email_templates import template_key
    from tradepost.table.records import Record

    put(shop)
    Record(*template_key("acme", "welcome")).update([Path("data.html").set("{{ gone }}")])
    assert faults(shop.owner.post(f"{PATH}/welcome/preview")) == [("/html", "line 1: there is no variable `gone`")]
    assert shop.owner.get(f"{PATH}/welcome").json["html"] == "{{ gone }}"


def test_only_the_owner_comes_near_templates_and_each_store_has_its_own(shop: Shop, api: Client) -> None:
    put(shop)
    buyer = shop.join(shop.add_customer())
    other = open_shop(api, "other")
    for path in (PATH, f"{PATH}/welcome"):
        assert (buyer.get(path).code, api.get(path).code) == ("forbidden", "credentials_required")
    assert buyer.put(f"{PATH}/welcome", WELCOME, etag='"1"').code == "forbidden"
    assert other.owner.get(f"{PATH}/welcome").json["customized"] is False
    assert other.owner.send("DELETE", f"{PATH}/welcome", headers={"If-Match": '"1"'}).code == "not_found"
    assert len(stored("email_template")) == 1


def test_two_who_write_the_first_words_at_once_do_not_overwrite_each_other(shop: Shop) -> None:
    from tradepost.domain.clock import now
    from tradepost.domain.email_templates import EmailTemplate
    from tradepost.domain.errors import StaleError
    from tradepost.domain.people import SYSTEM
    from tradepost.table.email_templates import save_template
    from tradepost.table.transaction import Transaction

    put(shop)
    tx = Transaction("STORE#acme", SYSTEM, SYSTEM, now())
    save_template(tx, "acme", EmailTemplate(name="welcome", subject="x", html="x", text="x", updated_at=now()))
    with pytest.raises(StaleError):
        tx.commit()
    assert stored("email_template")[0]["subject"] == "Hej {{ name }}"


def test_reading_is_one_call_and_writing_two(shop: Shop) -> None:
    requests: list[tuple[Callable[[], Reply], list[str]]] = [
        (lambda: shop.owner.get(PATH), ["BatchGetItem"]),
        (lambda: shop.owner.get(f"{PATH}/welcome"), ["BatchGetItem"]),
        (lambda: shop.owner.post(f"{PATH}/welcome/preview", WELCOME), ["BatchGetItem"]),
        (lambda: put(shop), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: shop.owner.post(f"{PATH}/welcome/test"), ["BatchGetItem", "TransactWriteItems"]),
        (lambda: shop.owner.delete(f"{PATH}/welcome", etag='"1"'), ["BatchGetItem", "TransactWriteItems"]),
    ]
    for request, most in requests:
        with counted_calls() as calls:
            assert request().status < 300
        assert calls == most
