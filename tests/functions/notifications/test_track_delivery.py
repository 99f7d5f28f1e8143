"""What SES tells of a mail is noted once; an address that bounces or complains gets no more mail until it changes."""

import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.functions import ROOT, run
from tests.support.mail import consume, deliver, queued, sent, ses_event, verify_sender
from tests.support.reps import invite_rep
from tests.support.table import everything, stored
from tests.support.world import Shop, open_shop

EVENT = (ROOT / "events" / "notifications" / "track_delivery.bounced.json").read_text()
BUYER = "buyer@bluedoor.test"

type Told = tuple[str, dict[str, str]]
DELIVERED: Told = ("Delivery", {})
HARD: Told = ("Bounce", {"bounceType": "Permanent", "bounceSubType": "General"})
SOFT: Told = ("Bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull"})
ON_LIST: Told = ("Bounce", {"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"})
SPAM: Told = ("Complaint", {"complaintFeedbackType": "abuse"})
NOT_SPAM: Told = ("Complaint", {"complaintFeedbackType": "not-spam"})
VIRUS: Told = ("Reject", {"reason": "Bad content"})


def messages(kind: str = "invitation") -> list[dict[str, Any]]:
    """Return the outbox items of a kind, oldest first."""
    return [item for item in sorted(stored("outbox"), key=lambda item: item["id"]) if item["message"]["type"] == kind]


def tell(told: Told, item: dict[str, Any], address: str = BUYER) -> bool:
    """Let SES tell something of a message's mail; returns whether it was news."""
    kind, details = told
    return bool(run("notifications/track_delivery", ses_event(item, kind, address=address, **details))["noted"])


def mailed(shop: Shop) -> tuple[dict[str, Any], dict[str, Any]]:
    """Invite a new customer by mail; returns the customer, and the message."""
    customer = shop.add_customer()
    shop.invite(customer["id"])
    deliver()
    return customer, messages()[-1]


def invitation(shop: Shop, customer: dict[str, Any]) -> dict[str, Any]:
    """Return the customer's invitation, of which the customer's own item must say the same."""
    told = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    shown = dict(shop.owner.get(f"/v1/invitations/{told['id']}").json)
    assert shown["delivery"] == told["delivery"]
    return shown


def delivery(shop: Shop, customer: dict[str, Any]) -> str:
    return str(invitation(shop, customer)["delivery"])


def change_address(shop: Shop, customer: dict[str, Any], email: str | None) -> None:
    path = f"/v1/customers/{customer['id']}"
    reply = shop.owner.patch(path, {"email": email}, etag=shop.owner.get(path).json["etag"])
    assert reply.status == 200, reply.text


def invite_anew(shop: Shop, customer: dict[str, Any]) -> str | None:
    """Revoke the invitation and invite again; returns why that was refused, None if it was not."""
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    reply = shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]], "delivery": "email"})
    (result,) = reply.json["results"]
    return str(result["reason"]) if result["reason"] else None


MAILS = {"delivered", "bounced", "complained", "suppressed"}


def audited() -> list[str]:
    """Return what was noted for good, of mails."""
    actions = [line["action"] for line in sorted(stored("audit"), key=lambda line: line["sk"])]
    return [action for action in actions if action.startswith("address:") or action.rpartition(":")[2] in MAILS]


@pytest.mark.parametrize(
    ("told", "becomes", "suppresses"),
    [
        (DELIVERED, "delivered", False),
        (SOFT, "bounced", False),
        (HARD, "bounced", True),
        (ON_LIST, "suppressed", True),
        (SPAM, "complained", True),
        (VIRUS, "bounced", False),
    ],
)
def test_an_invitation_shows_what_became_of_its_mail(shop: Shop, told: Told, becomes: str, *, suppresses: bool) -> None:
    customer, message = mailed(shop)
    etag = invitation(shop, customer)["etag"]
    assert tell(told, message)
    shown = invitation(shop, customer)
    assert (shown["delivery"], shown["state"], shown["etag"]) == (becomes, "pending", etag)
    assert [each["id"] for each in shop.owner.get("/v1/invitations", delivery=becomes).json["items"]] == [shown["id"]]
    assert shop.owner.get("/v1/invitations", delivery="sent").json["items"] == []
    noted = [f"invitation:{becomes}"]
    assert sorted(audited()) == sorted([*noted, "address:suppressed"] if suppresses else noted)
    # And its link lives in any case
    link = shown["link"].rpartition("/i/")[2]
    assert shop.owner.as_(None).get(f"/v1/invitation-links/{link}").status == 200
    assert invite_anew(shop, customer) == ("address_suppressed" if suppresses else None)


def test_the_event_that_ses_publishes_is_understood(shop: Shop) -> None:
    customer, message = mailed(shop)
    event = json.loads(EVENT.replace("OUTBOX_ID", message["id"]))
    assert run("notifications/track_delivery", event) == {"noted": True}
    assert delivery(shop, customer) == "bounced"
    assert len(stored("suppression")) == 1


@pytest.mark.parametrize("order", list(itertools.permutations([DELIVERED, SOFT, HARD, SPAM])))
def test_events_in_any_order_and_told_twice_end_the_same(shop: Shop, order: tuple[Told, ...]) -> None:
    customer, message = mailed(shop)
    for told in order:
        tell(told, message)
        again = everything()
        assert not tell(told, message)
        assert everything() == again
    assert delivery(shop, customer) == "complained"
    counts = shop.owner.get("/v1/invitations/counts").json
    assert counts["delivery"]["complained"] == 1
    assert sum(counts["delivery"].values()) == 1
    assert invite_anew(shop, customer) == "address_suppressed"


def test_news_that_come_before_our_own_note_are_not_overwritten_by_it(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.invite(customer["id"])
    (message,) = messages()
    verify_sender()
    with meanwhile("SendEmail", lambda: tell(DELIVERED, message), when="after"):
        assert consume(queued()) == []
    shown = invitation(shop, customer)
    assert (shown["delivery"], shown["sent_at"]) == ("delivered", "2026-11-22T10:04:57.000Z")
    assert [item["status"] for item in messages()] == ["done"]


def test_news_of_the_mail_before_say_nothing_of_the_latest_unless_the_address_is_wrong(shop: Shop, time: Clock) -> None:
    customer, first = mailed(shop)
    path = f"/v1/invitations/{invitation(shop, customer)['id']}"
    assert shop.owner.post(f"{path}/resend").status == 200
    for told in (DELIVERED, SOFT):
        tell(told, first)
        assert delivery(shop, customer) == "queued"
    deliver()
    second = messages()[-1]
    assert delivery(shop, customer) == "sent"
    tell(HARD, first)
    assert delivery(shop, customer) == "bounced"
    tell(DELIVERED, second)
    assert delivery(shop, customer) == "bounced"
    reply = shop.owner.post(f"{path}/resend")
    assert (reply.status, reply.code) == (409, "address_suppressed")


def test_a_soft_bounce_lets_the_mail_be_sent_again(shop: Shop) -> None:
    customer, message = mailed(shop)
    tell(SOFT, message)
    assert shop.owner.post(f"/v1/invitations/{invitation(shop, customer)['id']}/resend").status == 200
    assert len(deliver()) == 2
    assert delivery(shop, customer) == "sent"
    tell(DELIVERED, messages()[-1])
    assert delivery(shop, customer) == "delivered"


def test_a_new_address_lifts_the_suppression_and_late_news_of_the_old_one_change_nothing(shop: Shop) -> None:
    customer, message = mailed(shop)
    tell(HARD, message)
    change_address(shop, customer, "office@bluedoor.test")
    assert stored("suppression") == []
    assert delivery(shop, customer) == "none"
    tell(SPAM, message)
    assert delivery(shop, customer) == "none"
    assert shop.owner.post(f"/v1/invitations/{invitation(shop, customer)['id']}/resend").status == 200
    assert [mail.to for mail in deliver()] == [BUYER, "office@bluedoor.test"]
    assert delivery(shop, customer) == "sent"
    assert not tell(HARD, message)


def test_the_address_that_proved_right_elsewhere_is_suppressed_in_one_store_only(shop: Shop) -> None:
    other = open_shop(shop.owner.as_(None), "nord")
    customer, message = mailed(shop)
    elsewhere = other.add_customer()
    other.invite(elsewhere["id"])
    deliver()
    tell(HARD, message)
    assert invite_anew(shop, customer) == "address_suppressed"
    assert delivery(other, elsewhere) == "sent"
    assert invite_anew(other, elsewhere) is None


def test_the_complaint_about_another_mail_of_the_store_suppresses_the_address_too(shop: Shop) -> None:
    # Given a buyer that complains of the welcome mail
    customer = shop.add_customer()
    buyer = shop.join(customer)
    deliver()
    (welcome,) = messages("welcome")
    tell(SPAM, welcome, "Buyer@BlueDoor.test")
    assert [line["reason"] for line in stored("suppression")] == ["complained"]
    assert audited() == ["address:suppressed"]
    # Then the store's orders are mailed no more, but passwords are the person's own business
    assert invite_anew(shop, customer) == "address_suppressed"
    count = len(sent())
    buyer.as_(None).post("/v1/password-resets", {"email": BUYER})
    assert [mail.to for mail in deliver()[count:]] == [BUYER]


def test_a_customer_that_changed_its_address_is_not_blamed_for_the_old_one(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    deliver()
    change_address(shop, customer, "office@bluedoor.test")
    tell(SPAM, messages()[0])
    assert invite_anew(shop, customer) is None


def test_what_suppresses_while_the_address_changes_does_not_stick_to_the_new_one(shop: Shop) -> None:
    customer, message = mailed(shop)
    with meanwhile("TransactWriteItems", lambda: change_address(shop, customer, "office@bluedoor.test")):
        tell(HARD, message)
    assert delivery(shop, customer) == "none"
    assert invite_anew(shop, customer) is None


def test_an_address_that_changes_while_it_is_being_suppressed_is_free_of_it(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    deliver()
    with meanwhile("TransactWriteItems", lambda: tell(SPAM, messages()[0])):
        change_address(shop, customer, "office@bluedoor.test")
    assert stored("suppression") == []
    assert invite_anew(shop, customer) is None


def test_events_at_the_same_moment_are_both_noted(shop: Shop) -> None:
    customer, message = mailed(shop)
    with meanwhile("TransactWriteItems", lambda: tell(HARD, message)):
        tell(DELIVERED, message)
    assert delivery(shop, customer) == "bounced"
    assert sorted(audited()) == ["address:suppressed", "invitation:bounced"]


def test_a_revoked_invitation_keeps_its_word_and_its_address_is_suppressed(shop: Shop) -> None:
    customer, message = mailed(shop)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    tell(HARD, message)
    assert invitation(shop, customer)["delivery"] == "sent"
    assert invite_anew(shop, customer) == "address_suppressed"


def test_the_bounce_of_an_employees_invitation_is_the_employees(shop: Shop) -> None:
    customer = shop.add_customer()
    body = {"name": "Uma Berg", "email": "uma@bluedoor.test", "role": "buyer", "send_invitation": True}
    path = f"/v1/customers/{customer['id']}/employees"
    employee = shop.owner.post(path, body).json
    deliver()
    tell(HARD, messages()[-1], "uma@bluedoor.test")
    assert shop.owner.get(f"{path}/{employee['id']}").json["invitation"]["delivery"] == "bounced"
    reply = shop.owner.post(f"/v1/invitations/{employee['invitation']['id']}/resend")
    assert (reply.status, reply.code) == (409, "address_suppressed")
    # and not the customer's
    assert invite_anew(shop, customer) is None


def test_the_bounce_of_a_sales_reps_invitation_is_the_sales_reps(shop: Shop) -> None:
    rep = invite_rep(shop)
    deliver()
    message = messages()[-1]
    assert tell(DELIVERED, message, rep["email"])
    assert shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["invitation"]["delivery"] == "delivered"
    assert tell(HARD, message, rep["email"])
    shown = shop.owner.get(f"/v1/sales-reps/{rep['id']}").json
    assert (shown["invitation"]["delivery"], shown["etag"]) == ("bounced", rep["etag"])
    assert shop.owner.get("/v1/invitations", kind="sales_rep", delivery="bounced").json["items"][0]["sales_rep_id"] == rep["id"]
    path = f"/v1/invitations/{rep['invitation']['id']}"
    reply = shop.owner.post(f"{path}/resend")
    assert (reply.status, reply.code) == (409, "address_suppressed")
    assert set(shop.owner.get("/v1/invitations/counts").json["delivery"].values()) == {0}
    # Nor does it help to withdraw it and to invite again: it still can be handed out by hand
    shop.owner.post(f"{path}/revoke")
    again = shop.owner.post("/v1/sales-reps", {"name": "Rhea", "email": rep["email"], "access": "all"})
    assert (again.status, again.code) == (409, "address_suppressed")


def test_a_sales_rep_that_is_invited_at_a_suppressed_address_is_told_of_as_such(shop: Shop) -> None:
    customer, message = mailed(shop)
    assert tell(HARD, message)
    rep = invite_rep(shop, email=customer["email"])
    deliver()
    assert shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["invitation"]["delivery"] == "suppressed"


@pytest.mark.parametrize(
    "broken",
    [
        lambda event: event.clear(),
        lambda event: event.update(detail=None),
        lambda event: event["detail"].update(mail="mail"),
        lambda event: event["detail"]["mail"].update(tags={}),
        lambda event: event["detail"]["mail"].update(destination=[]),
        lambda event: event["detail"]["mail"].update(destination=["nobody"]),
        lambda event: event["detail"]["mail"]["tags"].update(store=["nord"]),
        lambda event: event["detail"]["mail"]["tags"].update(store=["ac#me"], outbox=["#" * 3000]),
        lambda event: event["detail"]["mail"]["tags"].update(outbox=["01kb0000000000000000000001"]),
        lambda event: event["detail"].update(eventType="Open"),
        lambda event: event["detail"].update(bounce=None),
    ],
)
def test_what_is_malformed_or_of_nobody_is_dropped(
    shop: Shop, broken: Callable[[dict[str, Any]], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, message = mailed(shop)
    event = ses_event(message, HARD[0], address=BUYER, **HARD[1])
    before = everything()
    broken(event)
    assert run("notifications/track_delivery", event) == {"noted": False}
    assert everything() == before
    assert "bluedoor" not in caplog.text + "".join(str(vars(record)) for record in caplog.records)


def test_news_of_a_persons_own_mail_concern_no_store(shop: Shop) -> None:
    shop.owner.as_(None).post("/v1/password-resets", {"email": "ola@acme.test"})
    deliver()
    (message,) = messages("password_reset")
    assert not tell(HARD, message, "ola@acme.test")
    assert stored("suppression") == []


def test_not_spam_is_good_news(shop: Shop) -> None:
    customer, message = mailed(shop)
    assert not tell(NOT_SPAM, message)
    assert delivery(shop, customer) == "sent"
