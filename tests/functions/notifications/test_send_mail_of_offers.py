"""Mails about offers: to everybody whom they are for, as things stand when they are written, and nobody else."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.functions import run
from tests.support.html import HtmlPage
from tests.support.mail import Sent, announced, consume, deliver, queued, sent, ses_event, verify_sender
from tests.support.offering import Bargain, product
from tests.support.table import stored
from tests.support.world import euros

BOUNCE = {"bounceType": "Permanent", "bounceSubType": "General"}


def about_offers(mails: list[Sent]) -> list[Sent]:
    """Return the mails about offers: of everything else that has been sent, the links lead elsewhere."""
    return [mail for mail in mails if "/o/acme." in mail.html]


def outcome(event: str) -> list[tuple[str, str | None]]:
    items = [item for item in stored("outbox") if item["message"].get("event") == event and item["message"]["type"] == "offer"]
    return [(item["status"], item["failure"]) for item in items]


def link_of(offer: dict[str, Any]) -> str:
    return f"https://portal.example/o/acme.{offer['id']}"


def test_an_offer_is_mailed_once_to_everybody_it_is_for_with_all_that_it_says(bargain: Bargain) -> None:
    lines = [
        {"kind": "heading", "text": "Lamps"},
        product("A-1", 2, unit_price=euros(1000), discount_percent=10, text="In oak"),
        product("B-2", 3, optional=True),
        {"kind": "subtotal"},
        {"kind": "text", "text": "In one parcel"},
    ]
    said = {"header_text": "Above\nthe lines", "footer_text": "Below", "message": "As discussed", "valid_until": "2027-01-31"}
    whom = {"mail_to": ["ida@bluedoor.test", "boss@bluedoor.test"], "mail_cc": ["book@bluedoor.test"]}
    offer = bargain.open(*lines, by=bargain.market.owner, **said, **whom)
    (mail,) = about_offers(deliver())
    assert (mail.all_to, mail.cc) == (("ida@bluedoor.test", "boss@bluedoor.test"), ("book@bluedoor.test",))
    assert mail.subject == f"Your offer {offer['number']} from Acme"
    page = HtmlPage(mail.html)
    for words in ("Lamps", "In oak", "A-1", "EUR 9.00 each, 10 % off", "(optional, not chosen)", "EUR 18.00", "In one parcel"):
        assert words in page.text.replace("\u00a0", " ")
    for words in ("EUR 5.90", "EUR 23.90", "Abovethe lines", "Below", "As discussed", "31 January 2027", "Parcel", "Invoice"):
        assert words in page.text.replace("\u00a0", " ").replace("Above the", "Abovethe")
    assert [link["href"] for link in page.all("a") if link["class"] == "button"] == [link_of(offer)]


def test_a_suppressed_address_is_left_out_and_copies_move_up_until_nobody_is_left(bargain: Bargain) -> None:
    # Given an offer to two and a copy to a third, of whom the first bounces for good
    whom = {"mail_to": ["ida@bluedoor.test"], "mail_cc": ["boss@bluedoor.test"]}
    offer = bargain.open(**whom)
    deliver()
    (item,) = [item for item in stored("outbox") if item["message"]["type"] == "offer"]

    def bounced(address: str) -> bool:
        event = ses_event(item, "Bounce", address=address, **BOUNCE)
        event["detail"]["mail"]["destination"] = ["ida@bluedoor.test", "boss@bluedoor.test"]
        event["detail"]["bounce"]["bouncedRecipients"] = [{"emailAddress": address}]
        return bool(run("notifications/track_delivery", event)["noted"])

    assert (bounced("ida@bluedoor.test"), bounced("ida@bluedoor.test")) == (True, False)
    # When it is extended, then who got a copy is written to
    longer = bargain.moved(bargain.seen(offer), "extend", body={"valid_until": "2027-03-01"})
    assert [(mail.all_to, mail.cc) for mail in about_offers(deliver())][1:] == [(("boss@bluedoor.test",), ())]
    # When that one bounces too, of the same mail, nobody is left
    assert bounced("boss@bluedoor.test") is True
    bargain.moved(longer, "withdraw")
    assert len(about_offers(deliver())) == 2
    assert outcome("withdrawn") == [("failed", "suppressed")]


def test_what_the_store_says_of_an_offer_goes_to_the_customer(bargain: Bargain) -> None:
    offer = bargain.open()
    longer = bargain.moved(offer, "extend", body={"valid_until": "2027-03-01", "note": "Take your time"})
    bargain.moved(longer, "withdraw", body={"note": "Out of stock"})
    # Each is written as things stand: only the withdrawal still concerns anybody
    verify_sender()
    consume(queued())
    (mail,) = about_offers(sent())
    assert mail.subject == f"The offer {offer['number']} was withdrawn"
    assert "Out of stock" in HtmlPage(mail.html).text
    assert outcome("sent") == outcome("extended") == [("failed", "obsolete")]


def test_an_extended_offer_says_until_when_and_why(bargain: Bargain) -> None:
    offer = bargain.open()
    deliver()
    bargain.moved(offer, "extend", body={"valid_until": "2027-03-01", "note": "Take your time"})
    mail = about_offers(deliver())[-1]
    assert mail.subject == f"Your offer {offer['number']} is valid for longer"
    assert "until the end of 1 March 2027 (Europe/Berlin)" in HtmlPage(mail.html).text
    assert "Take your time" in HtmlPage(mail.html).text


def test_a_version_that_was_edited_before_it_was_mailed_is_not_mailed(bargain: Bargain) -> None:
    offer = bargain.open()
    edit = bargain.rep.client.patch(f"/v1/offers/{offer['id']}", {"header_text": "Better"}, etag=offer["etag"])
    bargain.moved(edit.json, "send")
    (mail,) = about_offers(deliver())
    assert "version 2, which replaces what you got before" in HtmlPage(mail.html).text
    assert sorted(outcome("sent"), key=str) == [("done", None), ("failed", "obsolete")]


def test_an_offer_that_expires_before_it_is_mailed_is_not_mailed(bargain: Bargain, time: Clock) -> None:
    bargain.open(valid_days=1)
    time.advance(days=3)
    assert about_offers(deliver()) == []


def test_a_customer_that_is_inactive_meanwhile_is_mailed_no_offer(bargain: Bargain) -> None:
    bargain.open()
    bargain.team.set_customer(active=False)
    assert about_offers(deliver()) == []


def test_a_request_is_told_to_all_who_look_after_the_customer_until_somebody_takes_it(bargain: Bargain) -> None:
    request = bargain.ask(product("A-1", 7), message="Soon, please")
    mails = about_offers(deliver())
    assert {mail.to for mail in mails} == {bargain.rep.email}
    page = HtmlPage(mails[0].html)
    assert mails[0].subject == "Blue Door asks for an offer"
    for words in ("Ida Holm of Blue Door", "Soon, please", "A-1", "7"):
        assert words in page.text
    assert [link["href"] for link in page.all("a") if link["class"] == "button"] == [link_of(request)]
    # A second request that is taken before its mail is written is nobody's news any more
    bargain.moved(bargain.ask(), "take")
    assert len(about_offers(deliver())) == len(mails)


def test_without_anybody_who_looks_after_it_the_store_itself_is_told_at_its_address_or_its_owner(bargain: Bargain) -> None:
    bargain.team.assign(None)
    bargain.ask()
    assert announced()[-1]["member_id"] is None
    assert [mail.to for mail in about_offers(deliver())] == ["ola@acme.test"]
    mailed = len(sent())
    bargain.team.set_store(branding={"reply_to": "sales@acme.test"})
    bargain.ask()
    assert [mail.to for mail in deliver()[mailed:]] == ["sales@acme.test"]


def test_whoever_does_not_see_the_customer_any_more_is_told_nothing_and_its_successor_is(bargain: Bargain) -> None:
    offer = bargain.open()
    mailed = len(deliver())
    bargain.team.assign(bargain.team.outsider)
    wished = bargain.moved(bargain.seen(offer, by=bargain.buyer), "request-extension", by=bargain.buyer)
    accepted = bargain.accept(wished)
    assert accepted.status == 200, accepted.text
    told = [mail.to for mail in deliver()[mailed:] if mail.to.endswith("@reps.test")]
    assert set(told) == {bargain.team.outsider.email}


def test_that_a_revised_offer_is_withdrawn_is_told_to_who_had_it(bargain: Bargain) -> None:
    offer = bargain.open()
    revised = bargain.edited(offer, header_text="Another one")
    mailed = len(deliver())
    bargain.moved(revised, "withdraw")
    assert [(mail.to, "withdrawn" in mail.subject) for mail in deliver()[mailed:]] == [(bargain.market.customer["email"], True)]
    steps = bargain.seen(offer, by=bargain.buyer)["history"]
    assert {step["version"] for step in steps} == {1}


@pytest.mark.parametrize("active", [True, False])
def test_what_the_customer_does_goes_to_whose_offer_it_is_or_to_the_store(bargain: Bargain, *, active: bool) -> None:
    bargain.team.set_store(branding={"reply_to": "sales@acme.test"})
    kept, refused, late = bargain.open(), bargain.open(), bargain.open()
    deliver()
    before = len(about_offers(sent()))
    if not active:
        path = f"/v1/sales-reps/{bargain.rep.id}"
        owner = bargain.market.owner
        reply = owner.patch(path, {"active": False}, etag=owner.get(path).json["etag"])
        assert reply.status == 200, reply.text
    accepted = bargain.accept(kept).json
    bargain.moved(bargain.seen(refused, by=bargain.buyer), "decline", by=bargain.buyer, body={"note": "Too dear"})
    wish = {"until": "2027-02-28", "message": "We are moving"}
    bargain.moved(bargain.seen(late, by=bargain.buyer), "request-extension", by=bargain.buyer, body=wish)
    mails = about_offers(deliver())[before:]
    assert {mail.to for mail in mails} == {bargain.rep.email if active else "sales@acme.test"}
    texts = {mail.subject: HtmlPage(mail.html).text for mail in mails}
    order = bargain.buyer.get(f"/v1/orders/{accepted['order_id']}").json["number"]
    assert order in texts[f"Blue Door accepted the offer {kept['number']}"]
    assert "Too dear" in texts[f"Blue Door declined the offer {refused['number']}"]
    longer = texts[f"Blue Door wants more time for the offer {late['number']}"]
    assert "until 28 February 2027" in longer
    assert "We are moving" in longer


def test_a_store_says_it_in_its_own_words_and_the_link_is_never_missing(bargain: Bargain) -> None:
    words = {"subject": "Look: {{ offer.number }}", "html": "<p>{{ offer.lines[0].name }}</p>", "text": "{{ offer.total }}"}
    path = "/v1/email-templates/offer_sent"
    reply = bargain.market.owner.put(path, words)
    assert reply.status in {200, 201}, reply.text
    offer = bargain.open()
    (mail,) = about_offers(deliver())
    assert mail.subject == f"Look: {offer['number']}"
    assert link_of(offer) in mail.html
