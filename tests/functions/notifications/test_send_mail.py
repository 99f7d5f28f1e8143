"""A mail says what is true when it is written, is sent once, and is noted."""

import json
from collections import Counter
from email.header import decode_header, make_header
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.conftest import Clock
from tests.support.functions import ROOT, run
from tests.support.mail import consume, deliver, queued, sent, ses_event, verify_sender
from tests.support.table import counted_calls, stored
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


def test_a_mail_is_tagged_with_its_message_and_its_store_so_that_ses_can_tell_of_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[dict[str, Any]] = []
    original = BaseClient._make_api_call

    def noting(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        handed.extend([parameters] if operation == "SendEmail" else [])
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noting)
    _invitation(shop)
    shop.owner.as_(None).post("/v1/password-resets", {"email": "ola@acme.test"})
    deliver()
    invitation, password = handed
    items = {item["message"]["type"]: item["id"] for item in stored("outbox")}
    assert {each["ConfigurationSetName"] for each in handed} == {"tradepost-mail"}
    assert _tags(invitation) == {"outbox": items["invitation"], "store": "acme"}
    # A password is no business of a store
    assert _tags(password) == {"outbox": items["password_reset"]}


def _tags(handed: dict[str, Any]) -> dict[str, str]:
    return {tag["Name"]: tag["Value"] for tag in handed["EmailTags"]}


def test_a_suppressed_address_gets_no_mail_of_the_store_and_the_invitation_says_so(shop: Shop) -> None:
    # Given an address that another customer had, from which mail came back
    customer, _ = _invitation(shop)
    deliver()
    (item,) = stored("outbox")
    bounce = {"bounceType": "Permanent", "bounceSubType": "General"}
    run("notifications/track_delivery", ses_event(item, "Bounce", address="later@bluedoor.test", **bounce))
    etag = shop.owner.get(f"/v1/customers/{customer}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{customer}", {"email": "later@bluedoor.test"}, etag=etag).status == 200
    invitation = shop.owner.get(f"/v1/customers/{customer}").json["invitation"]["id"]
    assert shop.owner.post(f"/v1/invitations/{invitation}/resend").status == 200
    # When the mail is to go out: it does not, and both items know why
    assert len(deliver()) == 1
    shown = shop.owner.get(f"/v1/invitations/{invitation}").json
    assert (shown["delivery"], shown["state"], bool(shown["link"])) == ("suppressed", "pending", True)
    assert shop.owner.get(f"/v1/customers/{customer}").json["invitation"]["delivery"] == "suppressed"
    assert [(each["status"], each["failure"]) for each in stored("outbox")] == [("done", None), ("failed", "suppressed")]
    again = shop.owner.post(f"/v1/invitations/{invitation}/resend")
    assert (again.status, again.code) == (409, "address_suppressed")


def test_an_invitation_whose_mail_was_dropped_says_that_there_was_none(shop: Shop) -> None:
    customer, invitation = _invitation(shop)
    etag = shop.owner.get(f"/v1/customers/{customer}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{customer}", {"active": False}, etag=etag).status == 200
    assert deliver() == []
    told = shop.owner.get(f"/v1/invitations/{invitation}").json
    assert (told["delivery"], told["sent_at"]) == ("none", None)


def test_a_mail_costs_a_claim_and_a_note_besides_what_is_read_for_it(shop: Shop) -> None:
    _invitation(shop)
    verify_sender()
    keys = queued()
    with counted_calls() as calls:
        consume(keys)
    assert Counter(calls)["TransactWriteItems"] == Counter(calls)["SendEmail"] == Counter(calls)["UpdateItem"] == 1
