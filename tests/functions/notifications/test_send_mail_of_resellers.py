"""Mails about resellers: the link that confirms, the news for the store, and what was decided; as things stand when written."""

from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.enrolling import EMAIL, confirm, enrol, enrolled
from tests.support.html import HtmlPage
from tests.support.mail import consume, deliver, queued, sent, verify_sender
from tests.support.table import everything, records, stored
from tests.support.world import PASSWORD, Shop
from tradepost.domain.clock import now
from tradepost.domain.ids import person_key
from tradepost.domain.outbox import ResellerMail, ResellerNews
from tradepost.domain.people import SYSTEM
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction


def set_store(shop: Shop, **settings: Any) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", settings, etag=etag).status == 200


def decide(status: str, *, reason: str | None = None) -> None:
    """Let the store have decided about the one reseller, as far as mails can tell."""
    (record,) = records("reseller")
    record.update([Path("data.status").set(status), Path("data.reason").set(reason), Path("version").add(1)])


def announce(event: ResellerNews) -> None:
    """Announce a mail about the reseller, as a decision does."""
    tx = Transaction(store_owner("acme"), SYSTEM, SYSTEM, now())
    tx.announce(ResellerMail(store_id="acme", reseller_id=person_key(EMAIL), event=event))
    tx.commit()


def outcomes(kind: str) -> list[tuple[str, str | None]]:
    return [(item["status"], item["failure"]) for item in stored("outbox") if item["message"]["type"] == kind]


def test_the_link_goes_to_the_address_that_enrolled_in_the_stores_name_and_confirms(shop: Shop) -> None:
    set_store(shop, branding={"display_name": "Acme Wholesale", "reply_to": "sales@acme.test"})
    enrol(shop, "Harbour & Lights")
    (mail,) = deliver()
    page = HtmlPage(mail.html)
    (button,) = [link["href"] for link in page.all("a") if link["class"] == "button"]
    assert (mail.to, mail.subject, "Acme Wholesale" in mail.sender) == (
        EMAIL,
        "Confirm your enrolment with Acme Wholesale",
        True,
    )
    assert "Hello Nils Berg, thank you for enrolling Harbour & Lights as a reseller" in page.text
    assert PASSWORD not in mail.html
    # The link is nowhere but in the mail
    token = button.removeprefix("https://portal.example/e/")
    assert token.rpartition(".")[2] not in everything()
    assert confirm(shop, token).status == 200
    assert stored("reseller")[0]["status"] == "pending"


def test_each_enrolment_gets_its_own_link_once(shop: Shop) -> None:
    enrol(shop)
    enrol(shop, email=EMAIL.upper())
    keys = queued()
    verify_sender()
    assert consume([*keys, *keys]) == []
    first, second = (HtmlPage(mail.html).all("a")[0]["href"] for mail in sent())
    assert first != second
    assert len(sent()) == 2


def test_what_was_confirmed_has_expired_or_was_forgotten_meanwhile_is_not_mailed(shop: Shop, time: Clock) -> None:
    confirm(shop, enrol(shop))
    enrol(shop, email="lea@luvlamps.test")
    enrol(shop, email="mia@luvlamps.test")
    for record in records("enrolment"):
        if record.data["application"]["contact"]["email"] == "mia@luvlamps.test":
            record.delete()
    time.advance(days=7)
    deliver()
    assert outcomes("reseller_confirmation") == [("failed", "obsolete")] * 3


@pytest.mark.parametrize(("branding", "to"), [({}, "ola@acme.test"), ({"reply_to": "sales@acme.test"}, "sales@acme.test")])
def test_the_store_is_told_of_who_waits_at_its_address_or_its_owner(shop: Shop, branding: dict[str, str], to: str) -> None:
    set_store(shop, branding=branding, domain="order.acme.test")
    enrolled(shop, tax_id="DE123", answers={"How did you hear of us?": "At the fair."})
    mail = deliver()[-1]
    page = HtmlPage(mail.html)
    assert (mail.to, mail.subject) == (to, "Harbour Lights wants to become a reseller")
    for words in (f"Nils Berg, {EMAIL}", "Quay 7, 24103 Kiel, Germany", "DE123", "How did you hear of us? At the fair."):
        assert words in page.text
    assert [link["href"] for link in page.all("a") if link["class"] == "button"] == ["https://order.acme.test/"]


def test_the_store_is_not_told_of_what_has_been_decided_meanwhile(shop: Shop) -> None:
    enrolled(shop)
    decide("approved")
    deliver()
    assert outcomes("reseller") == [("failed", "obsolete")]


@pytest.mark.parametrize(
    ("event", "status", "subject"),
    [
        ("approved", "approved", "Acme has approved Harbour Lights as a reseller"),
        ("approved", "active", "Acme has approved Harbour Lights as a reseller"),
        ("denied", "denied", "Your enrolment with Acme"),
    ],
)
def test_a_reseller_is_told_what_was_decided_and_why(shop: Shop, event: ResellerNews, status: str, subject: str) -> None:
    enrolled(shop)
    deliver()
    decide(status, reason="You sell what we like")
    announce(event)
    mail = deliver()[-1]
    assert (mail.to, mail.subject) == (EMAIL, subject)
    assert "You sell what we like" in HtmlPage(mail.html).text
    decide(status)
    announce(event)
    assert "You sell what we like" not in deliver()[-1].html


@pytest.mark.parametrize(
    ("event", "status"), [("approved", "denied"), ("approved", "suspended"), ("denied", "approved"), ("denied", "pending")]
)
def test_what_does_not_hold_any_more_is_not_told(shop: Shop, event: ResellerNews, status: str) -> None:
    enrolled(shop)
    mails = len(deliver())
    decide(status)
    announce(event)
    assert len(deliver()) == mails
    assert outcomes("reseller")[-1] == ("failed", "obsolete")


def test_a_store_says_it_in_its_own_words_and_the_link_is_never_missing(shop: Shop) -> None:
    words = {"subject": "Welcome {{ company }}", "html": "<p>Dear {{ name }}</p>", "text": "Dear {{ name }}"}
    assert shop.owner.put("/v1/email-templates/reseller_confirmation", words).status == 201
    token = enrol(shop)
    (mail,) = deliver()
    assert mail.subject == "Welcome Harbour Lights"
    assert f"https://portal.example/e/{token}" in [link["href"] for link in HtmlPage(mail.html).all("a")]
