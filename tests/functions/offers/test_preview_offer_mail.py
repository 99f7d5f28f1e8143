"""GET /v1/offers/{id}/mail-preview: the mail that an offer would be sent with now."""

from typing import Any

from tests.support.functions import run
from tests.support.mail import deliver, ses_event
from tests.support.offering import Bargain
from tests.support.table import everything, stored

BOUNCE = {"bounceType": "Permanent", "bounceSubType": "General"}


def preview(bargain: Bargain, offer: dict[str, Any]) -> dict[str, Any]:
    reply = bargain.rep.client.get(f"/v1/offers/{offer['id']}/mail-preview")
    assert reply.status == 200, reply.text
    return dict(reply.json)


def test_what_is_shown_is_what_is_sent_in_the_stores_own_words(bargain: Bargain) -> None:
    words = {
        "subject": "Look: {{ offer.number }}",
        "html": "<p>{{ seller }}: {{ offer.total }}</p>",
        "text": "{{ offer.total }}",
    }
    bargain.market.owner.put("/v1/email-templates/offer_sent", words)
    draft = bargain.make(mail_to=["ida@bluedoor.test", "boss@bluedoor.test"], mail_cc=["book@bluedoor.test"])
    shown = preview(bargain, draft)
    assert shown["subject"] == f"Look: {draft['number']}"
    bargain.moved(draft, "send")
    mail = deliver()[-1]
    assert (mail.all_to, mail.cc, mail.subject) == (tuple(shown["to"]), tuple(shown["cc"]), shown["subject"])
    assert mail.html == shown["html"]
    assert preview(bargain, draft) == shown


def test_an_edited_offer_is_previewed_as_its_next_version(bargain: Bargain) -> None:
    offer = bargain.open()
    bargain.rep.client.patch(f"/v1/offers/{offer['id']}", {"header_text": "Better"}, etag=offer["etag"])
    shown = preview(bargain, offer)
    assert "Better" in shown["text"]
    assert "version 2" in shown["text"]


def test_a_preview_leaves_out_whom_no_mail_reaches_and_changes_nothing(bargain: Bargain) -> None:
    words = {"subject": "{{ offer.message }}", "html": "<p>{{ offer.total }}</p>", "text": "{{ offer.total }}"}
    bargain.market.owner.put("/v1/email-templates/offer_sent", words)
    offer = bargain.open(mail_to=["ida@bluedoor.test"], mail_cc=["book@bluedoor.test"])
    deliver()
    (item,) = [item for item in stored("outbox") if item["message"]["type"] == "offer"]
    run("notifications/track_delivery", ses_event(item, "Bounce", address="ida@bluedoor.test", **BOUNCE))
    before = everything()
    shown = preview(bargain, offer)
    assert (shown["to"], shown["cc"]) == (["book@bluedoor.test"], [])
    # The store's own subject says nothing here: the default's words serve, and a look notes no failure
    assert shown["subject"] == f"Your offer {offer['number']} from Acme"
    assert everything() == before


def test_only_those_who_process_an_offer_preview_its_mail(bargain: Bargain) -> None:
    offer = bargain.open()
    path = f"/v1/offers/{offer['id']}/mail-preview"
    assert bargain.buyer.get(path).code == "forbidden"
    assert bargain.team.outsider.client.get(path).status == 404
    assert bargain.market.rival().get(path).status == 404
