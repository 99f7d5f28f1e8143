"""The link itself: what it offers, taking it up exactly once, and every way in which it can be dead."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.html import send_form
from tests.support.mail import announced, consume, deliver, queued, verify_sender
from tests.support.ordering import send_event
from tests.support.reps import hire, invite_rep, reps_link
from tests.support.table import everything, stored
from tests.support.world import ADDRESS, PASSWORD, Shop, open_shop
from tradepost.domain.ids import person_key
from tradepost.table.records import Record
from tradepost.table.shapes import ACCOUNT

NEW_PERSON = {"name": "Ida Holm", "password": PASSWORD}


def accept(link: str, body: Any = None, **options: Any) -> Reply:
    """Take an offer up, or try to."""
    return Client().post(f"/v1/invitation-links/{link}/acceptance", NEW_PERSON if body is None else body, **options)


def employ(shop: Shop, customer: dict[str, Any], email: str = "bea@bluedoor.test", **fields: Any) -> tuple[dict[str, Any], str]:
    """Let the owner add an employee and invite it; returns it and the token of its link."""
    body = {"name": "Bea", "email": email, "role": "buyer", "send_invitation": True, **fields}
    reply = shop.owner.post(f"/v1/customers/{customer['id']}/employees", body)
    assert reply.status == 201, reply.text
    invitation = shop.owner.get(f"/v1/invitations/{reply.json['invitation']['id']}").json
    return dict(reply.json), invitation["link"].rpartition("/i/")[2]


def change(shop: Shop, path: str, **fields: Any) -> None:
    """Let the owner change something."""
    reply = shop.owner.patch(path, fields, etag=shop.owner.get(path).json["etag"])
    assert reply.status == 200, reply.text


def member_of(email: str) -> dict[str, Any]:
    """Return the only buyer with an address."""
    (member,) = [each for each in stored("member") if (each["email"], each["role"]) == (email, "buyer")]
    return member


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
    edit = {"field": "company", "before": "Blue Door", "after": "Blue Door & Daughters"}
    assert (line["actor"]["name"], line["details"]["edits"]) == ("Ida Holm", [edit])
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


def test_what_the_store_has_entered_is_marked_and_needs_no_repeating(shop: Shop) -> None:
    customer = shop.add_customer(contact_name="Ida H.")
    link = shop.invite(customer["id"])
    offer = Client().get(f"/v1/invitation-links/{link}").json
    assert (offer["kind"], offer["prefilled"]) == (
        "customer",
        {
            "entered_by": "Acme",
            "company": "Blue Door",
            "name": "Ida H.",
            "phone": None,
            "address": {**ADDRESS, "region": None},
        },
    )
    reply = accept(link, {"password": PASSWORD, "phone": "+49 40 1234"})
    assert (reply.status, reply.json["member"]["name"]) == (201, "Ida H.")
    assert Client(reply.json["token"]).get("/v1/me").json["phone"] == "+49 40 1234"
    assert shop.owner.get(f"/v1/invitations/{stored('invitation')[0]['id']}").json["edits"] == []


def test_what_the_person_corrects_is_noted_with_the_invitation_and_what_it_leaves_is_not(shop: Shop) -> None:
    customer = shop.add_customer(contact_name="Ida H.")
    body = {
        **NEW_PERSON,
        "company": "Blue Door",
        "address": {**ADDRESS, "street": "Mill Lane 1", "region": "HH"},
    }
    assert accept(shop.invite(customer["id"]), body).status == 201
    edits = [
        {"field": "name", "before": "Ida H.", "after": "Ida Holm"},
        {"field": "address.street", "before": "Harbour Street 5", "after": "Mill Lane 1"},
        {"field": "address.region", "before": None, "after": "HH"},
    ]
    (invitation,) = shop.owner.get("/v1/invitations").json["items"]
    assert invitation["edits"] == edits
    assert shop.owner.get(f"/v1/invitations/{invitation['id']}").json["edits"] == edits
    (line,) = [line for line in stored("audit") if line["action"] == "invitation:accepted"]
    assert line["details"]["edits"] == edits
    after = shop.owner.get(f"/v1/customers/{customer['id']}").json
    assert (after["name"], after["contact_name"], after["addresses"][0]["street"]) == ("Blue Door", "Ida Holm", "Mill Lane 1")


def test_whoever_is_signed_in_with_the_invited_account_accepts_without_a_password(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Blue Door", "Buyer@bluedoor.test"))
    link = shop.invite(shop.add_customer()["id"])
    before = everything().count("Ida Holm")
    reply = ida.post(f"/v1/invitation-links/{link}/acceptance", {})
    assert (reply.status, reply.json["store"]["slug"], reply.json["member"]["name"]) == (201, "acme", "Ida Holm")
    assert everything().count("Ida Holm") > before
    # The session it came with lives on, beside the new one
    assert ida.get("/v1/me").json["store"]["slug"] == "rival"
    assert ida.as_(reply.json["token"]).get("/v1/me").status == 200


def test_a_session_proves_who_one_is_although_its_own_store_is_closed(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Blue Door", "buyer@bluedoor.test"))
    change(rival, "/v1/store", active=False)
    assert ida.post(f"/v1/invitation-links/{shop.invite(shop.add_customer()['id'])}/acceptance", {}).status == 201


def test_whoever_is_signed_in_as_somebody_else_is_told_safely_for_whom_it_is(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    before = stored()
    for body in ({}, NEW_PERSON):
        reply = shop.owner.post(f"/v1/invitation-links/{link}/acceptance", body)
        assert outcome(reply) == (409, "wrong_account")
        assert (reply.json["invited"], reply.json["signed_in_as"]) == ("b•••@bluedoor.test", "o•••@acme.test")
        assert "b•••@bluedoor.test" in reply.json["detail"]
        assert "Ola Nordmann (o•••@acme.test)" in reply.json["detail"]
        assert "buyer@" not in reply.text
    assert stored() == before
    assert accept(link).status == 201


def test_a_credential_that_is_not_valid_is_refused_and_the_link_lives_on(shop: Shop, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Blue Door", "buyer@bluedoor.test"))
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    time.advance(hours=12)
    before = stored()
    for client in (ida, ida.as_("nonsense"), ida.as_(f"{(ida.token or '')[:-1]}x")):
        assert outcome(client.post(f"/v1/invitation-links/{link}/acceptance", {})) == (401, "invalid_token")
    assert stored() == before
    assert accept(link, {"password": PASSWORD}).status == 201


def test_an_account_that_nobody_proves_to_have_joins_nothing(shop: Shop) -> None:
    shop.join(shop.add_customer())
    rival = open_shop(shop.owner.as_(None), "rival")
    link = rival.invite(rival.add_customer()["id"])
    before = stored()
    empty = accept(link, {})
    assert (empty.status, [fault["pointer"] for fault in empty.json["errors"]]) == (422, ["/password"])
    assert stored() == before
    wrong = accept(link, {"password": "not the one she has"})
    assert outcome(wrong) == (401, "invalid_credentials")
    assert "b•••@bluedoor.test" in wrong.json["detail"]
    assert "buyer@" not in wrong.text


def test_a_retry_of_somebody_signed_in_is_answered_to_that_session_alone(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Blue Door", "buyer@bluedoor.test"))
    path = f"/v1/invitation-links/{shop.invite(shop.add_customer()['id'])}/acceptance"
    first, again = (ida.post(path, {}, key="once") for _ in range(2))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert outcome(ida.as_(None).post(path, {}, key="once")) == (409, "already_accepted")
    assert outcome(rival.owner.post(path, {}, key="once")) == (409, "already_accepted")


def test_an_employee_joins_with_the_role_it_was_given(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    told = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    employee, link = employ(shop, customer, phone="+49 40 1")
    offer = Client().get(f"/v1/invitation-links/{link}").json
    assert (offer["kind"], offer["company"], offer["address"], offer["account_exists"]) == (
        "employee",
        "Blue Door",
        None,
        False,
    )
    assert offer["prefilled"] == {
        "entered_by": "Ola Nordmann",
        "company": None,
        "name": "Bea",
        "phone": "+49 40 1",
        "address": None,
    }
    reply = accept(link, {"name": "Beate Brandt", "phone": "+49 40 2", "password": PASSWORD})
    assert (reply.status, reply.json["member"]["id"], reply.json["member"]["name"]) == (201, employee["id"], "Beate Brandt")
    bea = Client(reply.json["token"])
    assert (bea.get("/v1/me").json["customer_id"], bea.get("/v1/me").json["phone"]) == (customer["id"], "+49 40 2")
    shown = shop.owner.get(f"/v1/customers/{customer['id']}/employees/{employee['id']}").json
    assert (shown["status"], shown["role"], shown["name"], shown["phone"]) == ("active", "buyer", "Beate Brandt", "+49 40 2")
    assert (shown["invitation"]["state"], bool(shown["joined_at"])) == ("accepted", True)
    edits = shop.owner.get(f"/v1/invitations/{shown['invitation']['id']}").json["edits"]
    assert [(edit["field"], edit["before"]) for edit in edits] == [("name", "Bea"), ("phone", "+49 40 1")]
    # The customer's own invitation is another matter, and so is who looks after its employees
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"] == told
    assert bea.get(f"/v1/customers/{customer['id']}/employees").status == 403
    assert [message["type"] for message in announced()][-1] == "welcome"
    assert outcome(accept(link)) == (409, "already_accepted")
    log_in = Client().post("/v1/sessions", {"email": "BEA@bluedoor.test", "password": PASSWORD})
    assert log_in.json["member"]["id"] == employee["id"]


def test_an_employee_who_is_an_administrator_looks_after_the_others_at_once(shop: Shop) -> None:
    customer = shop.add_customer()
    _, link = employ(shop, customer, role="admin")
    bea = Client(accept(link, {"password": PASSWORD}).json["token"])
    assert bea.get(f"/v1/customers/{customer['id']}/employees").status == 200
    assert stored("customer")[0]["administrators"] == {person_key("bea@bluedoor.test"): True}


def test_an_employee_with_an_account_just_signs_in(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Green Gate", "buyer@bluedoor.test"))
    employee, link = employ(shop, shop.add_customer("Blue Door", None), "BUYER@bluedoor.test")
    assert Client().get(f"/v1/invitation-links/{link}").json["account_exists"] is True
    reply = ida.post(f"/v1/invitation-links/{link}/acceptance", {})
    assert (reply.status, reply.json["member"]["id"], reply.json["member"]["name"]) == (201, employee["id"], "Ida Holm")


@pytest.mark.parametrize("field", ["company", "address"])
def test_an_employee_does_not_correct_the_company(shop: Shop, field: str) -> None:
    _, link = employ(shop, shop.add_customer())
    before = stored()
    reply = accept(link, {**NEW_PERSON, field: {"company": "Red Gate", "address": ADDRESS}[field]})
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [f"/{field}"])
    assert stored() == before


def test_an_employees_link_dies_with_the_place_and_with_the_customer(shop: Shop) -> None:
    customer = shop.add_customer()
    employee, unlinked = employ(shop, customer)
    path = f"/v1/customers/{customer['id']}/employees/{employee['id']}"
    assert shop.owner.delete(path, etag=shop.owner.get(path).json["etag"]).status == 204
    assert outcome(Client().get(f"/v1/invitation-links/{unlinked}")) == (410, "invitation_revoked")
    assert outcome(accept(unlinked)) == (410, "invitation_revoked")
    _, asleep = employ(shop, customer, "cem@bluedoor.test")
    change(shop, f"/v1/customers/{customer['id']}", active=False)
    before = stored()
    assert outcome(Client().get(f"/v1/invitation-links/{asleep}")) == (410, "invitation_revoked")
    assert outcome(accept(asleep)) == (410, "invitation_revoked")
    assert stored() == before


def test_a_customer_that_falls_asleep_at_that_moment_gets_no_employee(shop: Shop) -> None:
    customer = shop.add_customer()
    _, link = employ(shop, customer)
    with meanwhile("TransactWriteItems", lambda: change(shop, f"/v1/customers/{customer['id']}", active=False)):
        assert outcome(accept(link)) == (410, "invitation_revoked")
    assert member_of("bea@bluedoor.test")["status"] == "pending"


def test_the_customers_own_invitation_makes_a_buyer_of_it_an_administrator_whose_sessions_go_on(shop: Shop) -> None:
    customer = shop.add_customer(email="bea@bluedoor.test")
    _, link = employ(shop, customer)
    bea = Client(accept(link).json["token"])
    assert bea.get(f"/v1/customers/{customer['id']}/employees").status == 403
    reply = bea.post(f"/v1/invitation-links/{shop.invite(customer['id'])}/acceptance", {})
    assert reply.status == 201, reply.text
    assert bea.get(f"/v1/customers/{customer['id']}/employees").status == 200
    assert member_of("bea@bluedoor.test")["name"] == "Ida Holm"


def test_the_customers_own_invitation_settles_the_one_that_its_person_was_sent_as_an_employee(shop: Shop) -> None:
    customer = shop.add_customer(email="bea@bluedoor.test")
    employee, link = employ(shop, customer)
    assert accept(shop.invite(customer["id"])).status == 201
    assert outcome(Client().get(f"/v1/invitation-links/{link}")) == (410, "invitation_used")
    assert outcome(accept(link)) == (409, "already_accepted")
    shown = shop.owner.get(f"/v1/customers/{customer['id']}/employees/{employee['id']}").json
    assert (shown["status"], shown["role"], shown["invitation"]["state"]) == ("active", "admin", "accepted")
    assert {invitation["state"] for invitation in stored("invitation")} == {"accepted"}


def test_a_mail_that_is_noted_as_sent_at_that_moment_does_not_disturb_an_acceptance(shop: Shop) -> None:
    link = shop.invite(shop.add_customer()["id"])
    verify_sender()
    with meanwhile("TransactWriteItems", lambda: consume(queued())):
        assert accept(link).status == 201
    (invitation,) = stored("invitation")
    assert (invitation["state"], invitation["delivery"]) == ("accepted", "sent")
    told = shop.owner.get("/v1/customers").json["items"][0]["invitation"]
    assert (told["state"], told["delivery"]) == ("accepted", "sent")


def test_what_the_person_cannot_see_may_change_while_it_accepts(shop: Shop) -> None:
    customer = shop.add_customer()
    tier = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"]
    link = shop.invite(customer["id"])
    with meanwhile("TransactWriteItems", lambda: change(shop, f"/v1/customers/{customer['id']}", price_tier_id=tier)):
        assert accept(link).status == 201
    after = shop.owner.get(f"/v1/customers/{customer['id']}").json
    assert (after["price_tier_id"], after["invitation"]["state"]) == (tier, "accepted")


def test_what_the_person_sees_is_confirmed_anew_if_it_changes_while_it_accepts(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    with meanwhile("TransactWriteItems", lambda: change(shop, f"/v1/customers/{customer['id']}", name="Red Door")):
        assert outcome(accept(link, {**NEW_PERSON, "company": "Blue Door GmbH"})) == (412, "stale")
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["name"] == "Red Door"
    assert stored("membership") == [each for each in stored("membership") if each["role"] == "owner"]
    assert accept(link).status == 201


def test_somebody_new_who_accepts_in_two_stores_at_once_gets_one_account(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    here, there = (each.invite(each.add_customer()["id"]) for each in (shop, rival))
    first: list[Reply] = []
    with meanwhile("TransactWriteItems", lambda: first.append(send_form(Client(), f"/i/{there}", NEW_PERSON))):
        second = accept(here)
    assert (first[0].status, second.status) == (201, 201)
    assert Record.get(*ACCOUNT.key(person=person_key("buyer@bluedoor.test"))).version == 1
    assert [each["name"] for each in stored("company")] == ["Blue Door"]


def rep_of(shop: Shop, rep: dict[str, Any]) -> dict[str, Any]:
    """Return a sales rep as the owner sees it."""
    return dict(shop.owner.get(f"/v1/sales-reps/{rep['id']}").json)


def test_a_sales_rep_joins_the_store_and_no_customer(shop: Shop) -> None:
    rep = invite_rep(shop, phone="+49 40 1", access="all", supervisor=True)
    link = reps_link(shop, rep)
    offer = Client().get(f"/v1/invitation-links/{link}").json
    assert (offer["kind"], offer["company"], offer["address"]) == ("sales_rep", None, None)
    assert (offer["email"], offer["account_exists"], offer["store"]["slug"]) == ("rhea@reps.test", False, "acme")
    assert offer["prefilled"] == {
        "entered_by": "Ola Nordmann",
        "company": None,
        "name": "Rhea",
        "phone": "+49 40 1",
        "address": None,
    }
    reply = accept(link, {"name": "Rhea Lund", "phone": "+49 40 2", "password": PASSWORD})
    assert (reply.status, reply.json["member"]) == (201, {"id": rep["id"], "role": "rep", "name": "Rhea Lund"})
    rhea = Client(reply.json["token"])
    me = rhea.get("/v1/me").json
    assert (me["phone"], me["customer_id"], me["employee_role"], me["access"]) == ("+49 40 2", None, None, "all")
    shown = rep_of(shop, rep)
    assert (shown["status"], shown["name"], shown["phone"]) == ("active", "Rhea Lund", "+49 40 2")
    assert (shown["access"], shown["supervisor"], shown["invitation"]["state"]) == ("all", True, "accepted")
    assert shown["joined_at"] == me["joined_at"] is not None
    edits = shop.owner.get(f"/v1/invitations/{shown['invitation']['id']}").json["edits"]
    assert [(edit["field"], edit["before"], edit["after"]) for edit in edits] == [
        ("name", "Rhea", "Rhea Lund"),
        ("phone", "+49 40 1", "+49 40 2"),
    ]
    assert stored("customer") == stored("company") == []
    assert outcome(accept(link)) == (409, "already_accepted")
    log_in = Client().post("/v1/sessions", {"email": "RHEA@reps.test", "password": PASSWORD})
    assert log_in.json["member"]["id"] == rep["id"]


def test_a_sales_rep_is_welcomed_by_mail(shop: Shop) -> None:
    link = reps_link(shop, invite_rep(shop))
    assert accept(link, {"password": PASSWORD}).status == 201
    (mail,) = deliver()
    assert (mail.to, mail.subject) == ("rhea@reps.test", "Welcome to Acme")
    assert "Your access as a sales rep of" in mail.html


def test_a_sales_rep_with_an_account_just_signs_in(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ida = rival.join(rival.add_customer("Green Gate", "rhea@reps.test"))
    rep = invite_rep(shop, email="RHEA@reps.test")
    link = reps_link(shop, rep)
    assert Client().get(f"/v1/invitation-links/{link}").json["account_exists"] is True
    assert outcome(accept(link, {"password": "not the one she has"})) == (401, "invalid_credentials")
    assert outcome(shop.owner.post(f"/v1/invitation-links/{link}/acceptance", {})) == (409, "wrong_account")
    accounts = stored("account")
    reply = ida.post(f"/v1/invitation-links/{link}/acceptance", {})
    assert (reply.status, reply.json["member"]["id"], reply.json["member"]["role"]) == (201, rep["id"], "rep")
    assert stored("account") == accounts


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/password"),
        ({"password": "short"}, "/password"),
        ({"password": PASSWORD, "name": " "}, "/name"),
        ({"password": PASSWORD, "company": "Red Gate"}, "/company"),
        ({"password": PASSWORD, "address": ADDRESS}, "/address"),
        ({"password": PASSWORD, "access": "all"}, "/access"),
        ({"password": PASSWORD, "supervisor": True}, "/supervisor"),
    ],
)
def test_what_is_not_a_sales_reps_to_say_is_pointed_at_and_the_link_lives_on(
    shop: Shop, body: dict[str, Any], pointer: str
) -> None:
    link = reps_link(shop, invite_rep(shop))
    before = stored()
    reply = accept(link, body)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored() == before
    assert accept(link, {"password": PASSWORD}).status == 201


def test_every_dead_link_of_a_sales_rep_says_why(shop: Shop, time: Clock) -> None:
    revoked, used, expired = (invite_rep(shop, name) for name in ("Rut", "Uma", "Eva"))
    links = {rep["name"]: reps_link(shop, rep) for rep in (revoked, used, expired)}
    assert shop.owner.post("/v1/invitations/revoke", {"invitation_ids": [revoked["invitation"]["id"]]}).json["revoked"] == 1
    assert accept(links["Uma"], {"password": PASSWORD}).status == 201
    time.advance(days=14)
    told = {name: (Client().get(f"/v1/invitation-links/{link}").code, accept(link).code) for name, link in links.items()}
    assert told == {
        "Rut": ("invitation_revoked", "invitation_revoked"),
        "Uma": ("invitation_used", "already_accepted"),
        "Eva": ("invitation_expired", "invitation_expired"),
    }
    owner = Client().post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD}).json["token"]
    shown = Client(owner).get(f"/v1/sales-reps/{expired['id']}").json
    assert (shown["status"], shown["invitation"]["state"]) == ("invited", "expired")


def test_a_sales_reps_expired_link_is_renewed_by_mail(shop: Shop, time: Clock) -> None:
    rep = invite_rep(shop)
    link = reps_link(shop, rep)
    deliver()
    time.advance(days=14)
    renew(link)
    renew(link)
    assert len(queued()) == 1
    mail = deliver()[-1]
    assert (mail.to, mail.subject, link in mail.html) == ("rhea@reps.test", "Your new link from Acme", True)
    assert accept(link, {"password": PASSWORD}).status == 201


def test_a_sales_reps_invitation_is_sent_once_more_and_withdrawn_before_it_was_mailed(shop: Shop, time: Clock) -> None:
    rep = invite_rep(shop)
    link, path = reps_link(shop, rep), f"/v1/invitations/{rep['invitation']['id']}"
    time.advance(minutes=1)
    resent = shop.owner.post(f"{path}/resend")
    assert (resent.status, resent.json["link"].rpartition("/i/")[2]) == (200, link)
    assert [mail.subject for mail in deliver()] == ["Acme invites you as a sales rep"] * 2
    shop.owner.post(f"{path}/resend")
    assert shop.owner.post(f"{path}/revoke").status == 200
    assert len(deliver()) == 2
    assert outcome(shop.owner.post(f"{path}/resend")) == (409, "invitation_revoked")


def test_of_two_who_accept_a_sales_reps_link_at_once_one_joins(shop: Shop) -> None:
    link = reps_link(shop, invite_rep(shop))
    with meanwhile("TransactWriteItems", lambda: accept(link, {"password": PASSWORD})):
        assert outcome(accept(link, {"password": "six tall ships at noon"})) == (409, "already_accepted")
    assert (len(stored("account")), len([each for each in stored("member") if each["role"] == "rep"])) == (2, 1)


def test_a_sales_rep_that_is_revoked_while_it_accepts_stays_out(shop: Shop) -> None:
    rep = invite_rep(shop)
    link, path = reps_link(shop, rep), f"/v1/invitations/{rep['invitation']['id']}"
    with meanwhile("TransactWriteItems", lambda: shop.owner.post(f"{path}/revoke")):
        assert outcome(accept(link, {"password": PASSWORD})) == (410, "invitation_revoked")
    assert rep_of(shop, rep)["status"] == "inactive"
    again = invite_rep(shop)
    link, path = reps_link(shop, again), f"/v1/invitations/{again['invitation']['id']}"
    # And one that accepts while it is being revoked is out again.
    with meanwhile("TransactWriteItems", lambda: accept(link, {"password": PASSWORD})):
        assert shop.owner.post(f"{path}/revoke").status == 200
    assert (rep_of(shop, rep)["status"], stored("membership")[0]["role"]) == ("inactive", "owner")
    log_in = Client().post("/v1/sessions", {"email": "rhea@reps.test", "password": PASSWORD})
    assert outcome(log_in) == (401, "invalid_credentials")


def test_an_owners_change_while_a_sales_rep_accepts_is_confirmed_by_it_or_kept(shop: Shop) -> None:
    rep = invite_rep(shop)

    def change(**fields: Any) -> None:
        etag = rep_of(shop, rep)["etag"]
        assert shop.owner.patch(f"/v1/sales-reps/{rep['id']}", fields, etag=etag).status == 200

    link = reps_link(shop, rep)
    with meanwhile("TransactWriteItems", lambda: change(name="Rhea Lund")):
        assert outcome(accept(link, {"password": PASSWORD})) == (409, "conflict")
    with meanwhile("TransactWriteItems", lambda: change(access="all")):
        assert accept(link, {"password": PASSWORD}).status == 201
    shown = rep_of(shop, rep)
    assert (shown["name"], shown["access"], shown["status"]) == ("Rhea Lund", "all", "active")


def test_the_staff_comes_in_while_the_store_is_switched_off(shop: Shop, time: Clock) -> None:
    link = reps_link(shop, invite_rep(shop))
    shop.owner.patch("/v1/store", {"active": False}, etag='"1"')
    time.advance(minutes=10)
    renew(link)
    assert len(queued()) == 2
    assert Client().get(f"/v1/invitation-links/{link}").status == 200
    joined = accept(link, {"password": PASSWORD})
    assert joined.status == 201
    assert Client(joined.json["token"]).get("/v1/me").status == 200


def test_an_employee_may_become_a_sales_rep_of_its_store_and_keeps_both_places(shop: Shop) -> None:
    customer = shop.add_customer("Blue Door", "rhea@reps.test")
    buyer = shop.join(customer, name="Rhea")
    rep = hire(shop)
    assert [each.get("/v1/me").json["role"] for each in (buyer, rep.client)] == ["buyer", "rep"]
    path = f"/v1/customers/{customer['id']}"
    assert shop.owner.get(path).json["invitation"]["state"] == "accepted"
