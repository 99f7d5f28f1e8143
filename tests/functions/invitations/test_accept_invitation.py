"""The link itself: what it offers, taking it up exactly once, and every way in which it can be dead."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.mail import announced, deliver, queued
from tests.support.ordering import send_event
from tests.support.table import everything, stored
from tests.support.world import ADDRESS, PASSWORD, Shop, open_shop

NEW_PERSON = {"name": "Ida Holm", "password": PASSWORD}


def accept(link: str, body: Any = None, **options: Any) -> Reply:
    """Take an offer up, or try to."""
    return Client().post(f"/v1/invitation-links/{link}/acceptance", NEW_PERSON if body is None else body, **options)


def renew(link: str) -> None:
    """Ask for a new link; the answer is always the same."""
    reply = Client().post(f"/v1/invitation-links/{link}/renewal", key=None)
    assert (reply.status, reply.json) == (
        202,
        {"detail": "If this invitation can be renewed, a new link is on its way to the invited address."},
    )


def outcome(reply: Reply) -> tuple[int, str | None]:
    """Return the status and the code."""
    return reply.status, reply.code


def test_a_link_shows_the_store_and_what_it_has_entered(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    offer = Client().get(f"/v1/invitation-links/{link}")
    assert offer.status == 200
    assert (offer.json["store"]["slug"], offer.json["email"], offer.json["company"]) == (
        "acme",
        "buyer@bluedoor.test",
        "Blue Door",
    )
    assert (offer.json["account_exists"], offer.json["address"]) == (False, {**ADDRESS, "region": None})
    assert offer.headers["cache-control"] == "no-store"


def test_a_hundred_looks_at_a_link_consume_nothing(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    before = stored()
    assert {Client().get(f"/v1/invitation-links/{link}").status for _ in range(100)} == {200}
    assert stored() == before
    assert accept(link).status == 201


def test_a_new_person_joins_and_is_signed_in(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    reply = send_event("invitations/accept_invitation.new_person", LINK=link)
    assert reply.status == 201, reply.text
    assert (reply.json["member"]["role"], reply.json["member"]["name"]) == ("buyer", "Ida Holm")
    buyer = Client(reply.json["token"])
    assert buyer.get("/v1/me").json["customer_id"] == customer["id"]
    # What the person corrected has been taken over, and is found
    assert buyer.get(f"/v1/customers/{customer['id']}").json["name"] == "Blue Door & Daughters"
    assert [each["id"] for each in shop.owner.get("/v1/customers", q="daughters").json["items"]] == [customer["id"]]
    shown = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    assert shown["state"] == "accepted"
    (line,) = [line for line in stored("audit") if line["action"] == "invitation:accepted"]
    assert (line["actor"]["name"], line["details"]["corrected"]) == ("Ida Holm", ["company"])
    assert [message["type"] for message in announced()] == ["invitation", "welcome"]
    # The mail with the used link is not sent any more; the welcome is
    assert [(mail.to, "Welcome" in mail.subject or "welcome" in mail.html.lower()) for mail in deliver()] == [
        ("buyer@bluedoor.test", True)
    ]


def test_an_address_that_the_person_gives_replaces_what_the_store_had_entered(shop: Shop) -> None:
    customer = shop.add_customer()
    address = {**ADDRESS, "street": "Mill Lane 1", "city": "Kiel"}
    assert accept(shop.invite(customer["id"]), {**NEW_PERSON, "address": address}).status == 201
    (kept,) = shop.owner.get(f"/v1/customers/{customer['id']}").json["addresses"]
    assert (kept["street"], kept["id"], kept["default_billing"]) == ("Mill Lane 1", customer["addresses"][0]["id"], True)
    bare = shop.add_customer("Bare", "bare@doors.test", addresses=[])
    assert accept(shop.invite(bare["id"]), {**NEW_PERSON, "address": address}).status == 201
    (added,) = shop.owner.get(f"/v1/customers/{bare['id']}").json["addresses"]
    assert (added["city"], added["default_shipping"]) == ("Kiel", True)


def test_neither_the_link_nor_the_token_nor_the_password_is_stored(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    token = accept(link).json["token"]
    text = everything()
    assert [word for word in (link, link.rpartition(".")[2], token, token.split("_")[3], PASSWORD) if word in text] == []


def test_an_address_that_differs_in_letter_case_only_joins_the_account_there_is(shop: Shop) -> None:
    shop.join(shop.add_customer())
    rival = open_shop(shop.owner.as_(None), "rival")
    link = rival.invite(rival.add_customer("Blue Door", "BUYER@BlueDoor.test")["id"])
    assert Client().get(f"/v1/invitation-links/{link}").json["account_exists"] is True
    wrong = accept(link, {"name": "Ida Holm", "password": "not the one she has"})
    assert outcome(wrong) == (401, "invalid_credentials")
    reply = accept(link, {"password": PASSWORD})
    assert (reply.status, reply.json["member"]["name"], reply.json["store"]["slug"]) == (201, "Ida Holm", "rival")
    assert sorted(account["email"] for account in stored("account")) == [
        "buyer@bluedoor.test",
        "ola@acme.test",
        "ola@rival.test",
    ]
    log_in = Client().post("/v1/sessions", {"email": "Buyer@BLUEDOOR.test", "password": PASSWORD})
    assert (log_in.code, log_in.json["stores"]) == ("store_required", ["acme", "rival"])


def test_a_link_is_accepted_once(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    assert accept(link).status == 201
    before = stored()
    assert outcome(accept(link)) == (409, "already_accepted")
    assert outcome(accept(link, {"name": "Eve", "password": "another person's own"})) == (409, "already_accepted")
    assert outcome(Client().get(f"/v1/invitation-links/{link}")) == (410, "invitation_used")
    assert stored() == before


def test_of_two_who_accept_at_once_one_joins(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    first: list[Reply] = []
    with meanwhile("TransactWriteItems", lambda: first.append(accept(link))):
        second = accept(link, {"name": "Eve", "password": "another person's own"})
    assert (first[0].status, outcome(second)) == (201, (409, "already_accepted"))
    assert [member["name"] for member in stored("member") if member["role"] == "buyer"] == ["Ida Holm"]
    assert [message["type"] for message in announced()].count("welcome") == 1


def test_a_retried_acceptance_gets_the_same_answer_and_its_token_works(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    first, again = accept(link, key="once"), accept(link, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert Client(again.json["token"]).get("/v1/me").status == 200
    assert len([session for session in stored("session") if session["member_name"] == "Ida Holm"]) == 1
    other = accept(link, {**NEW_PERSON, "name": "Eve"}, key="once")
    assert outcome(other) == (422, "idempotency_key_reused")


def test_every_dead_link_says_why(shop: Shop, time: Clock) -> None:
    def told(link: str) -> tuple[Any, ...]:
        return (*outcome(Client().get(f"/v1/invitation-links/{link}")), accept(link).code)

    moved = shop.add_customer("Moved", "old@doors.test")
    replaced = shop.invite(moved["id"])
    etag = shop.owner.get(f"/v1/customers/{moved['id']}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{moved['id']}", {"email": "new@doors.test"}, etag=etag).status == 200
    assert told(replaced) == (410, "invitation_replaced", "invitation_replaced")
    withdrawn = shop.add_customer("Withdrawn", "withdrawn@doors.test")
    revoked = shop.invite(withdrawn["id"])
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [withdrawn["id"]]})
    assert told(revoked) == (410, "invitation_revoked", "invitation_revoked")
    asleep = shop.add_customer("Asleep", "asleep@doors.test")
    inactive = shop.invite(asleep["id"])
    etag = shop.owner.get(f"/v1/customers/{asleep['id']}").json["etag"]
    shop.owner.patch(f"/v1/customers/{asleep['id']}", {"active": False}, etag=etag)
    assert told(inactive) == (410, "invitation_revoked", "invitation_revoked")
    used = shop.invite(shop.add_customer()["id"])
    assert accept(used).status == 201
    assert told(used) == (410, "invitation_used", "already_accepted")
    expired = shop.invite(shop.add_customer("Late", "late@doors.test")["id"])
    time.advance(days=14)
    assert told(expired) == (410, "invitation_expired", "invitation_expired")
    assert told(expired[:-1] + ("a" if expired[-1] != "a" else "b")) == (404, "not_found", "not_found")
    head, generation, signature = expired.rsplit(".", 2)
    assert told(f"{head}.{int(generation) + 1}.{signature}") == (404, "not_found", "not_found")
    assert told("nonsense") == (404, "not_found", "not_found")
    assert [member["email"] for member in stored("member") if member["role"] == "buyer"] == ["buyer@bluedoor.test"]


def test_a_store_that_is_switched_off_keeps_its_links_for_later(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    shop.owner.patch("/v1/store", {"active": False}, etag='"1"')
    assert outcome(Client().get(f"/v1/invitation-links/{link}")) == (503, "store_inactive")
    assert outcome(accept(link)) == (503, "store_inactive")
    before = stored()
    renew(link)
    assert stored() == before
    shop.owner.patch("/v1/store", {"active": True}, etag='"2"')
    assert accept(link).status == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"password": PASSWORD}, "/name"),
        ({"name": "", "password": PASSWORD}, "/name"),
        ({"name": "Ida"}, "/password"),
        ({"name": "Ida", "password": "short"}, "/password"),
        ({"name": "Ida", "password": "buyer@bluedoor.test"}, "/password"),
        ({"name": "Ida", "password": "half of a pair \ud83d"}, "/password"),
        ({**NEW_PERSON, "company": " "}, "/company"),
        ({**NEW_PERSON, "address": {**ADDRESS, "country": "Germany"}}, "/address/country"),
        ({**NEW_PERSON, "address": {**ADDRESS, "default_billing": True}}, "/address/default_billing"),
        ({**NEW_PERSON, "email": "eve@evil.test"}, "/email"),
        ({**NEW_PERSON, "role": "owner"}, "/role"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_the_link_lives_on(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    link = shop.invite(shop.add_customer()["id"])
    before = stored()
    reply = accept(link, body)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored() == before
    assert accept(link).status == 201


def test_wrong_passwords_for_an_account_are_throttled_and_leave_the_link_alive(shop: Shop) -> None:
    shop.join(shop.add_customer())
    rival = open_shop(shop.owner.as_(None), "rival")
    link = rival.invite(rival.add_customer()["id"])
    replies = [accept(link, {"password": "not the one she has"}) for _ in range(12)]
    assert [reply.status for reply in replies] == [401] * 10 + [429] * 2
    assert int(replies[-1].headers["retry-after"]) > 0
    assert Client().get(f"/v1/invitation-links/{link}").status == 200


def test_a_new_link_is_mailed_to_the_invited_address_only_and_not_at_once(shop: Shop, time: Clock) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    deliver()
    renew(link)  # a moment after the first mail
    assert queued() == []
    time.at += timedelta(days=14)
    assert Client().get(f"/v1/invitation-links/{link}").code == "invitation_expired"
    renew(link)
    renew(link)
    assert len(queued()) == 1
    mail = deliver()[-1]
    assert (mail.to, link in mail.html) == ("buyer@bluedoor.test", True)
    assert announced()[-1]["renewed"] is True
    assert accept(link).status == 201


def test_a_replaced_link_brings_the_present_one_to_the_present_address(shop: Shop, time: Clock) -> None:
    customer = shop.add_customer()
    old = shop.invite(customer["id"])
    etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"]
    shop.owner.patch(f"/v1/customers/{customer['id']}", {"email": "new@bluedoor.test"}, etag=etag)
    time.advance(minutes=6)
    renew(old)
    (mail,) = deliver()
    assert (mail.to, old in mail.html) == ("new@bluedoor.test", False)


def test_what_cannot_be_renewed_gets_the_same_answer_and_no_mail(shop: Shop, time: Clock) -> None:
    used, withdrawn = shop.add_customer(), shop.add_customer("Withdrawn", "withdrawn@doors.test")
    first = shop.invite(used["id"])
    accept(first)
    second = shop.invite(withdrawn["id"])
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [withdrawn["id"]]})
    time.advance(minutes=10)
    before = stored()
    for link in (first, second, "nonsense"):
        renew(link)
    assert stored() == before


def test_an_owner_may_buy_from_its_own_store(shop: Shop) -> None:
    link = shop.invite(shop.add_customer("Own Use", "OLA@acme.test")["id"])
    reply = accept(link, {"password": PASSWORD})
    assert (reply.status, reply.json["member"]["role"]) == (201, "buyer")
    log_in = Client().post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD})
    assert log_in.json["member"]["role"] == "owner"
