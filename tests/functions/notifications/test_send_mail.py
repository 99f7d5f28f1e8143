"""A mail says what is true when it is written, is sent once, and is noted."""

import json
from email.header import decode_header, make_header

from tests.conftest import Clock
from tests.support.functions import ROOT, run
from tests.support.mail import consume, deliver, queued, sent, verify_sender
from tests.support.table import stored
from tests.support.world import Shop

EVENT = (ROOT / "events" / "notifications" / "send_mail.one_message.json").read_text()


def _invitation(shop: Shop) -> tuple[str, str]:
    customer = shop.add_customer()["id"]
    reply = shop.owner.post("/v1/invitations", {"customer_ids": [customer], "delivery": "email"})
    return customer, reply.json["results"][0]["invitation_id"]


def test_an_invitation_is_mailed_with_its_link_and_noted_as_sent(shop: Shop) -> None:
    # Given an invitation, and the event that its message becomes
    customer, invitation = _invitation(shop)
    verify_sender()
    [key] = queued()
    event = json.loads(EVENT.replace("OUTBOX_PK", key.pk))
    # When the consumer gets it
    assert run("notifications/send_mail", event) == {"batchItemFailures": []}
    # Then the mail went to the invited address with the link, and both items know
    [mail] = sent()
    link = shop.owner.get(f"/v1/invitations/{invitation}").json["link"]
    assert mail.to == "buyer@bluedoor.test"
    assert link in mail.html
    told = shop.owner.get(f"/v1/invitations/{invitation}").json
    assert (told["delivery"], told["state"], told["etag"]) == ("sent", "pending", '"1"')
    assert told["sent_at"] is not None
    assert shop.owner.get(f"/v1/customers/{customer}").json["invitation"]["delivery"] == "sent"
    assert [item["status"] for item in stored("outbox")] == ["done"]


def test_a_message_told_twice_is_sent_once(shop: Shop) -> None:
    _invitation(shop)
    verify_sender()
    keys = queued()
    assert consume(keys * 2) == []
    assert consume(keys) == []
    assert len(sent()) == 1


def test_a_message_that_another_consumer_has_is_left_to_it_until_its_lease_is_over(shop: Shop, time: Clock) -> None:
    # Given a consumer that took the message on and then died
    from tradepost.table.outbox import claim

    _invitation(shop)
    verify_sender()
    [key] = queued()
    assert claim(key, at=time.at) is not None
    # When the message comes again at once, nothing is sent; after the lease it is
    assert consume([key]) == []
    assert sent() == []
    time.advance(seconds=61)
    assert consume([key]) == []
    assert len(sent()) == 1


def test_an_invitation_that_was_revoked_before_it_was_mailed_is_not_mailed(shop: Shop) -> None:
    _, invitation = _invitation(shop)
    shop.owner.post(f"/v1/invitations/{invitation}/revoke")
    assert deliver() == []
    assert [(item["status"], item["failure"]) for item in stored("outbox")] == [("failed", "obsolete")]


def test_a_mail_bears_the_name_that_the_store_has_when_it_is_written(shop: Shop) -> None:
    _invitation(shop)
    store = shop.owner.get("/v1/store").json
    change = {"branding": {"display_name": "Nørd & Søn"}}
    assert shop.owner.patch("/v1/store", change, etag=store["etag"]).status == 200
    [mail] = deliver()
    assert "Nørd & Søn" in mail.subject
    assert str(make_header(decode_header(mail.sender))) == "Nørd & Søn <portal@sender.example>"
