"""The mails in words: HTML and plain text say the same, and nothing that a store or a person is called can change that."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from liquid.exceptions import LiquidError
from pydantic import ValidationError

from tests.support.html import HtmlPage
from tradepost.domain.billing import Invoice, Issued, invoiced, taken_back
from tradepost.domain.colours import contrast
from tradepost.domain.customers import Customer, PostalAddress
from tradepost.domain.events import Event
from tradepost.domain.exports import EmptyBecause, Export, ExportFailure, OrderFilters
from tradepost.domain.invitations import Invitation
from tradepost.domain.invoicing import invoice_lines
from tradepost.domain.offer_contents import OfferContent, OfferLine
from tradepost.domain.offers import Offer, OfferStep, SentVersion
from tradepost.domain.orders import HistoryEntry, Order, OrderLine, Total
from tradepost.domain.people import SYSTEM, Account, Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.resellers import Application, Contact, Enrolment, Reseller
from tradepost.domain.stores import Branding, Store
from tradepost.domain.values import Price
from tradepost.mails import rendering
from tradepost.mails.rendering import MailText, circular_message, render_mail
from tradepost.mails.values import (
    TEMPLATES,
    OfferSaid,
    event_values,
    export_failed_values,
    export_ready_values,
    invitation_values,
    invoice_values,
    offer_news_values,
    offer_values,
    order_values,
    password_changed_values,
    password_reset_values,
    reseller_confirmation_values,
    reseller_decision_values,
    reseller_enrolled_values,
    sample_values,
    variables_of,
    welcome_values,
)

AT = datetime(2026, 12, 6, 13, 30, tzinfo=UTC)
LINK = "https://portal.example/i/acme.01k9.1.abc?a=1&b=2"
HOSTILE = "<script>alert(1)</script>\"'&{{ company }}{% raw %}"


def store(**branding: Any) -> Store:
    return Store(
        slug="acme",
        name="Acme",
        currency="EUR",
        time_zone="Europe/Berlin",
        opened_at=AT,
        domain="order.acme.test",
        branding=Branding.model_validate(branding),
    )


def price(amount: int) -> Price:
    return Price(amount=amount, currency="EUR")


def total(amount: int) -> Total:
    return Total(amount=amount, currency="EUR")


def values(name: str, *, called: str = "Blue Door", **branding: Any) -> Mapping[str, Any]:
    """Return what a mail knows, with everybody and everything in it called the same."""
    shop = store(**({"display_name": called} | branding))
    if name.startswith(("invitation", "employee", "sales_rep")):
        company = None if name.startswith("sales_rep") else customer(called)
        person = None if name.startswith("invitation") else member(called)
        return invitation_values(name, shop, offer(called), customer=company, member=person, link=LINK)
    for prefix, values_of in {"reseller": _of_reseller, "offer": _of_offer, "export": _of_export}.items():
        if name.startswith(prefix):
            return values_of(name, shop, called)
    if name.startswith("event"):
        told = event_values(shop, event(called), name=called, company=called)
        if name == "event_mailing":
            told["message"] = circular_message("About {{ event.title }}", "Dear {{ name }},\n\nbring a coat.", told)
        return told
    if name.startswith("order"):
        return order_values(shop, order(called), event=name.removeprefix("order_"), name=called, company=called)
    return _of_somebody(name, shop, called)


def _of_reseller(name: str, shop: Store, called: str) -> Mapping[str, Any]:
    application = Application(
        company=called,
        contact=Contact(name=called, email="ida@bluedoor.test"),
        address=PostalAddress(street=called, postal_code="20457", city=called, country="DE"),
        tax_id=called,
        answers={"How did you hear of us?": called},
    )
    reseller = Reseller(
        id="r", store_id="acme", application=application, status="pending", reason=called, enrolled_at=AT, confirmed_at=AT
    )
    if name == "reseller_confirmation":
        enrolment = Enrolment(
            id="e", store_id="acme", reseller_id="r", application=application, password_hash="", enrolled_at=AT
        )
        return reseller_confirmation_values(shop, enrolment, link=LINK)
    return reseller_enrolled_values(shop, reseller) if name == "reseller_enrolled" else reseller_decision_values(shop, reseller)


def _of_export(name: str, shop: Store, called: str) -> Mapping[str, Any]:
    export = Export(
        id="x",
        store_id="acme",
        kind="orders",
        filters=OrderFilters(),
        begin=AT,
        end=AT,
        time_zone="Asia/Tokyo",
        file_name="acme-orders-until-2026-12-06.csv",
        filters_in_words=(f"customer {called} (C-7Q4K9D)", "to 2026-12-06, days in Asia/Tokyo"),
        fingerprint="f",
        requested_by=SYSTEM,
        member_id="m",
        requested_at=AT,
        rows=12345,
        empty_because=EmptyBecause(filter="customer_id", detail=f"Nothing of {called}."),
        failure=ExportFailure(code="too_often", detail=f"Not for {called}."),
    )
    if name == "export_failed":
        return export_failed_values(shop, export, name=called)
    return export_ready_values(shop, export, name=called, expires_at=AT)


def _of_offer(name: str, shop: Store, called: str) -> Mapping[str, Any]:
    made, step = (
        an_offer(called),
        OfferStep(
            at=AT,
            actor=Party(type="member", id="m", name=called),
            subject=Party(type="member", id="n", name=called),
            event="declined",
            from_status="open",
            to="declined",
            number=1,
        ),
    )
    if name in {"offer_sent", "offer_extended", "offer_withdrawn"}:
        return offer_values(shop, made, OfferSaid.of(made), name=called, seller=called, note=called, link=LINK)
    more = {"offer_accepted": {"order_number": "O-7Q4K9D"}, "offer_extension_requested": {"until": "20 December 2026"}}
    return {**offer_news_values(shop, made, step, name=called, note=called, link=LINK), **more.get(name, {})}


def an_offer(called: str) -> Offer:
    lines = (
        OfferLine(id="L1", kind="heading", text=called),
        OfferLine(
            id="L2",
            kind="product",
            product_number="TEA-1",
            name=called,
            quantity=12,
            list_price=price(2000),
            unit_price=price(2000),
            discount_percent=10,
            net_price=price(1800),
            total=total(21600),
            text=called,
        ),
        OfferLine(
            id="L3",
            kind="product",
            optional=True,
            selected=False,
            product_number="TEA-2",
            name=called,
            quantity=1,
            list_price=price(500),
            unit_price=price(500),
            net_price=price(500),
            total=total(500),
        ),
        OfferLine(id="L4", kind="subtotal"),
        OfferLine(id="L5", kind="text", text=called),
    )
    content = OfferContent(
        lines=lines,
        header_text=called,
        footer_text=called,
        message=called,
        shipping_method_name=called,
        payment_method_name=called,
        list_shipping_cost=price(590),
        shipping_cost=price(590),
    )
    day = date(2026, 12, 20)
    sent = SentVersion(number=1, content=content, valid_until=day, expires_at=AT, sent_at=AT, sent_by=SYSTEM)
    return Offer(
        id="c.o",
        store_id="acme",
        number="Q-7Q4K9D",
        status="open",
        customer_id="c",
        customer_number="C-1",
        customer_name=called,
        sent=sent,
        created_at=AT,
    )


def _of_somebody(name: str, shop: Store, called: str) -> Mapping[str, Any]:
    if name in {"invoice_issued", "credit_note"}:
        return invoice_values(shop, bill(name, called), name=called)
    if name == "welcome":
        return welcome_values(shop, member(called), company=called)
    account = Account(
        person="p", email="ida@bluedoor.test", name=called, password_hash="", sessions_valid_from=AT, created_at=AT
    )
    if name == "password_reset":
        return password_reset_values(account, None, link=LINK, requested_at=AT)
    return password_changed_values(account, None, changed_at=AT)


def member(called: str) -> Member:
    return Member(id="m", store_id="acme", person="p", role=Role.BUYER, name=called, email="ida@bluedoor.test", joined_at=AT)


def offer(called: str) -> Invitation:
    return Invitation(
        id="acme.01",
        store_id="acme",
        email="ida@bluedoor.test",
        name=called,
        customer_id="c",
        created_at=AT,
        created_by=Party(type="member", id="m", name=called),
        announced_at=AT,
        expires_at=AT,
    )


def customer(called: str, contact: str | None = None) -> Customer:
    return Customer(
        id="c", store_id="acme", number="C-1", name=called, contact_name=contact or called, group_id="g", created_at=AT
    )


def event(called: str) -> Event:
    return Event(
        id="e",
        store_id="acme",
        title=called,
        text=called,
        place=called,
        url="https://meet.acme.test/",
        starts_at=AT,
        ends_at=AT,
        participant_limit=None,
        waiting_list=False,
        deadline=None,
        product_numbers=(),
        group_ids=(),
        customer_ids=(),
        created_by=SYSTEM,
        created_at=AT,
    )


def bill(name: str, called: str) -> Invoice:
    about, issued = order(called), Issued("INV-000042", AT)
    computed = invoice_lines(about, [], credit_balance=0, weight=0)
    invoice = invoiced(about, computed, "placed", issued, store=store(), reseller_id="r", due_on=date(2026, 12, 20))
    return invoice if name == "invoice_issued" else taken_back(invoice, about, "cancelled", issued, store=store())


def order(called: str) -> Order:
    address = PostalAddress(company=called, street=called, postal_code="20457", city=called, country="DE")
    line = OrderLine(
        product_number="TEA-1", name=called, quantity=12, list_price=price(1850), unit_price=price(1850), total=total(22200)
    )
    step = HistoryEntry(at=AT, actor=SYSTEM, subject=SYSTEM, from_status="in_progress", to="shipped", note=called)
    return Order(
        id="o",
        store_id="acme",
        number="O-7Q4K9D",
        status="shipped",
        source="portal",
        customer_id="c",
        customer_number="C-1",
        customer_name=called,
        employee_id="m",
        actor=SYSTEM,
        subject=SYSTEM,
        price_tier_id=None,
        billing_address=address,
        shipping_address=address,
        lines=(line,),
        subtotal=total(22200),
        list_shipping_cost=price(590),
        shipping_cost=price(590),
        tax=price(0),
        total=total(22790),
        shipping_method_id="s",
        shipping_method_name=called,
        payment_method_id="p",
        payment_method_name=called,
        payment_kind="net_terms",
        placed_at=AT,
        history=(step,),
    )


def mail(name: str, **how: Any) -> MailText:
    return render_mail(name, values(name, **how))


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_mail_says_who_writes_in_both_parts_and_has_a_subject_of_one_line(name: str) -> None:
    written = mail(name)
    page = HtmlPage(written.html)
    sender = "Tradepost" if name.startswith("password") else "Blue Door"
    assert written.subject
    assert written.subject == written.subject.strip()
    assert "\n" not in written.subject
    assert page.title == written.subject
    assert sender in page.text
    assert sender in written.text
    assert page.heading in words(written.text)
    assert "{{" not in written.html + written.text
    assert "None" not in written.html + written.text
    assert written.text.endswith("\n")
    assert "\n\n\n" not in written.text


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_button_leads_where_both_parts_spell_it_out(name: str) -> None:
    written = mail(name)
    page = HtmlPage(written.html)
    links = [link["href"] for link in page.all("a") if link["class"] == "button"]
    assert links == {
        "invitation": [LINK],
        "invitation_renewed": [LINK],
        "employee_invitation": [LINK],
        "sales_rep_invitation": [LINK],
        "reseller_confirmation": [LINK],
        "reseller_denied": [],
        "password_reset": [LINK],
        "password_changed": [],
        **{name: [LINK] for name in TEMPLATES if name.startswith("offer")},
        "event_participant_cancelled": [],
        "event_cancelled": [],
        "event_mailing": [],
    }.get(name, ["https://order.acme.test/"])
    for link in links:
        assert link in [anchor.text for anchor in page.all("a") if anchor["class"] != "button"]
        assert link in written.text.split()


@pytest.mark.parametrize("name", TEMPLATES)
def test_hostile_names_are_shown_as_they_are_spelled(name: str) -> None:
    written = mail(name, called=HOSTILE)
    page = HtmlPage(written.html)
    assert page.all("script") == []
    assert "<script" not in written.html
    assert HOSTILE in page.text
    assert HOSTILE in written.text


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("called", ["شركة الباب الأزرق", "👩‍👩‍👧‍👦 Blumen", "x" * 200])
def test_unusual_names_arrive_whole(name: str, called: str) -> None:
    written = mail(name, called=called)
    assert called in HtmlPage(written.html).text
    assert called in written.text
    if called in written.subject:
        assert HtmlPage(written.html).title == written.subject


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_subject_cannot_write_a_header(name: str) -> None:
    hostile = "Acme\r\nBcc: all@acme.test\x00\u2028\x85"
    known = dict(values(name))
    if known.get("store"):
        known["store"] = {**known["store"], "name": hostile}
    if "company" in known:
        known["company"] = hostile
    subject = render_mail(name, known).subject
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", subject)


def test_an_invitation_says_what_for_until_when_and_what_if_not() -> None:
    written = mail("invitation", called="Acme & Söhne")
    assert written.subject == "Acme & Söhne invites Acme & Söhne to order online"
    for part in (HtmlPage(written.html).text, words(written.text)):
        assert "The invitation is for ida@bluedoor.test and can be accepted until 6 December 2026, 14:30 CET." in part
        assert "Without you, nothing happens." in part


def test_a_renewed_invitation_says_that_its_link_is_the_one_that_works() -> None:
    assert mail("invitation_renewed").subject == "Your new link from Blue Door"
    assert "This is the one that works now" in mail("invitation_renewed").text


def test_a_reset_says_how_long_its_link_lives() -> None:
    assert "The link works once, until 6 December 2026, 14:30 UTC." in words(mail("password_reset").text)


def test_an_enrolment_is_confirmed_within_a_week_and_told_to_the_store_with_all_that_was_said() -> None:
    assert "can be confirmed until 13 December 2026, 14:30 CET." in words(mail("reseller_confirmation").text)
    written = mail("reseller_enrolled", called="Blue & Door")
    assert written.subject == "Blue & Door wants to become a reseller"
    for part in (HtmlPage(written.html).text, words(written.text)):
        assert "Contact: Blue & Door, ida@bluedoor.test" in part
        assert "Address: Blue & Door, 20457 Blue & Door, Germany" in part
        assert "Tax number: Blue & Door" in part
        assert "How did you hear of us? Blue & Door" in part


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        ("placed", "We have received your order O-7Q4K9D"),
        ("confirmed", "Your order O-7Q4K9D is confirmed"),
        ("shipped", "Your order O-7Q4K9D has been shipped"),
        ("cancelled", "Your order O-7Q4K9D was cancelled"),
    ],
)
def test_an_order_is_told_with_its_lines_and_totals_in_both_parts(event: str, subject: str) -> None:
    written = mail(f"order_{event}")
    assert written.subject == subject
    for part in (HtmlPage(written.html).text, words(written.text)):
        for told in ("TEA-1", "12", "EUR 18.50 each", "EUR 222.00", "EUR 5.90", "EUR 227.90", "20457 Blue Door", "Germany"):
            assert told in part
        assert "Tax" not in part


def test_an_offer_is_told_with_its_lines_options_and_totals_in_both_parts() -> None:
    written = mail("offer_sent", called="Oak")
    for part in (HtmlPage(written.html).text, words(written.text)):
        for told in ("TEA-1", "EUR 18.00 each, 10 % off", "EUR 216.00", "(EUR 5.00)", "(optional, not chosen)", "Subtotal"):
            assert told in part
        for told in ("EUR 5.90", "EUR 221.90", "until the end of 20 December 2026 (Europe/Berlin)", "Tax", "EUR 0.00"):
            assert told in part


def test_the_longest_offer_there_can_be_is_written_whole() -> None:
    # An offer comes in a body of 256 KiB at most, and a quotation mark takes five characters in HTML
    made = an_offer('"' * 4000)
    long = made.model_copy(update={"sent": made.sent and made.sent.model_copy(update={"content": _long(made)})})
    told = offer_values(store(), long, OfferSaid.of(long), name=None, seller=None, note=None, link=LINK)
    assert HtmlPage(render_mail("offer_sent", told).html).text.count('"' * 4000) >= 60


def _long(offer: Offer) -> OfferContent:
    lines = tuple(OfferLine(id=f"L{index}", kind="text", text='"' * 4000) for index in range(60))
    return offer.content.model_copy(update={"lines": lines})


def test_a_note_is_told_with_the_step_it_was_noted_with() -> None:
    told = {event: values(f"order_{event}")["order"]["note"] for event in ("placed", "confirmed", "shipped", "cancelled")}
    assert told == {"placed": None, "confirmed": None, "shipped": "Blue Door", "cancelled": None}


def test_only_the_logo_is_loaded_from_elsewhere() -> None:
    written = mail("invitation", logo_url="https://cdn.acme.test/logo.png", reply_to="sales@acme.test")
    page = HtmlPage(written.html)
    (logo,) = page.all("img")
    assert (logo["src"], logo["alt"]) == ("https://cdn.acme.test/logo.png", "Blue Door")
    assert "url(" not in written.html
    assert page.all("link") == page.all("script") == []
    assert "Questions? Write to sales@acme.test" in page.text
    assert "Questions? Write to sales@acme.test" in written.text
    assert HtmlPage(mail("invitation").html).all("img") == []


@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#ffe600", "#777777", "#1f4f46"])
def test_the_button_is_readable_in_every_colour(colour: str) -> None:
    page = HtmlPage(mail("invitation", colour=colour).html)
    (button,) = [link for link in page.all("a") if link["class"] == "button"]
    text = re.search(r"[^-]color:(#[0-9a-f]{6})", button["style"])
    (cell,) = [cell for cell in page.all("td") if cell["class"] == "cta"]
    assert text
    assert cell["bgcolor"] == colour
    assert contrast(text[1], colour) >= 4.5


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_part_of_the_text_is_styled_for_programs_without_style_sheets(name: str) -> None:
    page = HtmlPage(mail(name).html)
    assert [tag for tag in ("h1", "p", "li", "a", "td", "th") for element in page.all(tag) if not element["style"]] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_mail_with_a_value_missing_or_too_many_is_not_written(name: str) -> None:
    known = dict(values(name))
    with pytest.raises(ValidationError):
        render_mail(name, {key: value for key, value in known.items() if key not in {"company", "email", "export"}})
    with pytest.raises(ValidationError):
        render_mail(name, known | {"password": "secret"})


def test_an_unknown_mail_is_an_error() -> None:
    with pytest.raises(KeyError):
        render_mail("newsletter", {})


@pytest.mark.parametrize(
    "template",
    ["{{ nobody }}", "{{ company | nothing }}", "{{ store.secret }}", "{% for i in (1..100000) %}x{% endfor %}", "{% if %}"],
)
def test_a_template_that_asks_for_what_is_not_there_or_does_not_end_is_an_error(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_source", lambda _: rendering._Source("s", "p", template, "t"))
    with pytest.raises(LiquidError):
        render_mail("invitation", values("invitation"))


def test_every_variable_is_described_with_an_example() -> None:
    described = {name: {variable.path: variable for variable in variables_of(name)} for name in TEMPLATES}
    assert described["password_changed"].keys() == {f"store.{part}" for part in store_parts()} | {"name", "email", "changed_at"}
    assert {"store.name", "store.logo_url", "link", "expires_on"} <= described["invitation"].keys()
    assert {"order.number", "order.lines[].unit_price", "order.tax", "order.billing_address[]"} <= described[
        "order_placed"
    ].keys()
    assert [variable for each in described.values() for variable in each.values() if not variable.meaning] == []
    assert [variable for each in described.values() for variable in each.values() if not variable.example] == []
    optional = {path for path, variable in described["order_placed"].items() if variable.optional}
    assert {"order.tax", "order.note", "login_url"} <= optional
    assert not optional & {"order.total", "name", "store.name", "store.colour"}


def store_parts() -> list[str]:
    return ["name", "colour", "logo_url", "reply_to"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_mail_can_be_written_with_its_samples_and_without_what_may_be_missing(name: str) -> None:
    full, minimal = render_mail(name, sample_values(name)), render_mail(name, sample_values(name, minimal=True))
    assert full.subject == minimal.subject
    assert "Lumen Trading" in HtmlPage(full.html).text
    assert "None" not in minimal.html + minimal.text


def test_a_customer_is_greeted_by_its_contacts_name_if_that_is_known() -> None:
    shop = store(display_name="Nord")
    told = {
        contact: invitation_values(
            "invitation",
            shop,
            offer("Office"),
            customer=Customer(**{**dict(customer("Blue Door")), "contact_name": contact}),
            member=None,
            link=LINK,
        )
        for contact in ("Ida Holm", "", None)
    }
    written = {contact: render_mail("invitation", each) for contact, each in told.items()}
    assert "Hello Ida Holm," in written["Ida Holm"].text
    assert "Hello Ida Holm," in HtmlPage(written["Ida Holm"].html).text
    for contact in ("", None):
        assert "Hello," in written[contact].text
        assert "Hello," in HtmlPage(written[contact].html).text


def test_an_employee_is_told_who_invites_and_for_which_company() -> None:
    shop = store(display_name="Nord")
    told = invitation_values(
        "employee_invitation", shop, offer("Bo Berg"), customer=customer("Blue Door"), member=member("Uma"), link=LINK
    )
    assert "Bo Berg has prepared your access" in words(render_mail("employee_invitation", told).text)
    assert "we have prepared your access" in words(render_mail("employee_invitation", {**told, "invited_by": None}).text)
    assert render_mail("employee_invitation", told).subject == "Nord invites you to order for Blue Door"
    assert "Hello Uma," in render_mail("employee_invitation", told).text


def test_a_sales_rep_is_welcomed_to_the_store_and_to_no_company() -> None:
    told = welcome_values(store(display_name="Nord"), member("Rhea"), company=None)
    written = render_mail("welcome", told)
    for part in (words(written.text), HtmlPage(written.html).text):
        assert "Your access as a sales rep of Nord is ready." in part
        assert "invite new customers" in part
        assert "your own prices" not in part
        assert "None" not in part
    to_buyers = render_mail("welcome", {**told, "company": "Blue Door"})
    for part in (to_buyers.html, to_buyers.text):
        assert "Blue Door" in part
        assert "sales rep" not in part


def test_a_new_link_is_for_a_company_unless_it_is_a_sales_reps() -> None:
    shop, rep = store(display_name="Nord"), member("Rhea")
    told = invitation_values("invitation_renewed", shop, offer("Office"), customer=None, member=rep, link=LINK)
    for company, text in ((None, "invitation of Nord. This"), ("Blue Door", "invitation of Nord for Blue Door. This")):
        written = render_mail("invitation_renewed", {**told, "company": company})
        assert "Hello Rhea," in written.text
        assert all(text in words(part) for part in (written.text, HtmlPage(written.html).text))


def test_a_mail_about_the_password_is_neutral_unless_it_was_asked_for_at_a_store() -> None:
    account = Account(
        person="p", email="ida@bluedoor.test", name="Ida", password_hash="", sessions_valid_from=AT, created_at=AT
    )
    neutral = render_mail("password_reset", password_reset_values(account, None, link=LINK, requested_at=AT))
    branded = render_mail(
        "password_reset", password_reset_values(account, store(display_name="Nord"), link=LINK, requested_at=AT)
    )
    assert "Sent by Tradepost" in neutral.text
    assert "for Nord" not in neutral.text
    assert "Sent by Tradepost for Nord" in branded.text
    assert "until 6 December 2026, 14:30 UTC" in words(neutral.text)
    assert "until 6 December 2026, 15:30 CET" in words(branded.text)


def test_the_mail_about_an_export_names_file_days_and_rows_and_leads_to_a_log_in_alone() -> None:
    ready = render_mail("export_ready", values("export_ready"))
    assert ready.subject == "Your export of orders is ready"
    for said in (
        "acme-orders-until-2026-12-06.csv",
        "Rows: 12,345",
        "customer Blue Door (C-7Q4K9D)",
        "to 2026-12-06, days in Asia/Tokyo",
        "kept for seven days, until 6 December 2026, 14:30 CET",
    ):
        assert said in ready.text.replace("\u00a0", " ")
        assert said in HtmlPage(ready.html).text
    assert {link["href"] for link in HtmlPage(ready.html).all("a")} == {"https://order.acme.test/"}
    failed = render_mail("export_failed", values("export_failed"))
    assert "has come to nothing: there is no file" in failed.text
    assert "Not for Blue Door." in failed.text
