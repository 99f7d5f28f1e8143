"""Inviting somebody to sell for the store."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.reps import Rep, accept_as_rep, allocate, hire, invite_rep, reps_link
from tests.support.table import counted_calls, everything, stored
from tests.support.world import Shop, open_shop
from tradepost.domain.ids import member_id, person_key

RHEA = {"name": "Rhea Lund", "email": "rhea@reps.test", "access": "allocated"}


def member(rep: dict[str, Any]) -> dict[str, Any]:
    """Return a sales rep as it is stored."""
    (item,) = [item for item in stored("member") if item["id"] == rep["id"]]
    return item


def withdraw(shop: Shop, rep: dict[str, Any]) -> None:
    """Let the owner revoke a sales rep's latest invitation."""
    told = shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["invitation"]
    reply = shop.owner.post(f"/v1/invitations/{told['id']}/revoke")
    assert (reply.status, reply.json["state"]) == (200, "revoked"), reply.text


def test_a_sales_rep_its_invitation_and_the_mail_are_written_in_one_transaction(shop: Shop) -> None:
    with counted_calls() as calls:
        reply = send_event("sales_reps/invite_sales_rep.allocated_customers", TOKEN=shop.owner.token)
    assert (reply.status, calls) == (201, ["BatchGetItem", "TransactWriteItems"]), reply.text
    told = reply.json["invitation"]
    assert reply.json == {
        "id": member_id("acme", person_key("rhea@reps.test")),
        "name": "Rhea Lund",
        "email": "Rhea@reps.test",
        "phone": "+49 40 77",
        "access": "allocated",
        "supervisor": False,
        "status": "invited",
        "override_limits": {"percent": 10, "floor": {"amount": 500, "currency": "EUR"}},
        "invitation": {"id": told["id"], "state": "pending", "delivery": "queued"},
        "joined_at": None,
        "etag": '"1"',
    }
    rep = member(reply.json)
    assert (rep["role"], rep["status"], rep["customer_id"], rep["access"]) == ("rep", "pending", None, "allocated")
    assert {entry["role"] for entry in stored("membership")} == {"owner"}
    (invitation,) = stored("invitation")
    assert (invitation["kind"], invitation["email"], invitation["customer_id"], invitation["member_id"]) == (
        "sales_rep",
        "Rhea@reps.test",
        None,
        rep["id"],
    )
    (message,) = announced()
    assert (message["type"], message["invitation_id"], message["member_id"]) == ("invitation", told["id"], rep["id"])
    (line,) = [line for line in stored("audit") if line["action"] == "sales_rep:invited"]
    assert (line["target"], line["actor"]["name"], line["details"]["access"]) == (rep["id"], "Ola Nordmann", "allocated")


def test_the_mail_brings_the_link_in_the_words_for_sales_reps(shop: Shop) -> None:
    rep = invite_rep(shop)
    link = reps_link(shop, rep)
    (mail,) = deliver()
    assert (mail.to, mail.subject, link in mail.html) == ("rhea@reps.test", "Acme invites you as a sales rep", True)
    assert link.rpartition(".")[2] not in everything()
    assert shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["invitation"]["delivery"] == "sent"


def test_the_stores_own_words_and_the_reps_present_name_are_used(shop: Shop) -> None:
    words = {"subject": "Come in, {{ name }}", "html": "<p>{{ link }}</p>", "text": "{{ link }}"}
    assert shop.owner.put("/v1/email-templates/sales_rep_invitation", words).status == 201
    rep = invite_rep(shop)
    assert shop.owner.patch(f"/v1/sales-reps/{rep['id']}", {"name": "Rhea Lund"}, etag=rep["etag"]).status == 200
    assert [mail.subject for mail in deliver()] == ["Come in, Rhea Lund"]


def test_the_invitation_is_listed_for_the_owner_and_counts_for_no_customer(shop: Shop) -> None:
    counts = shop.owner.get("/v1/invitations/counts").json
    rep = invite_rep(shop)
    shop.invite(shop.add_customer()["id"])
    (listed,) = shop.owner.get("/v1/invitations", kind="sales_rep").json["items"]
    assert (listed["id"], listed["kind"], listed["name"]) == (rep["invitation"]["id"], "sales_rep", "Rhea")
    assert (listed["sales_rep_id"], listed["employee_id"], listed["customer_id"]) == (rep["id"], None, None)
    assert shop.owner.get("/v1/invitations/counts").json == {
        **counts,
        "invited": 1,
        "delivery": {**counts["delivery"], "queued": 1},
    }


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"email": "rhea"}, "/email"),
        ({"email": "rhea@reps.test\r\nBcc: all@reps.test"}, "/email"),
        ({"access": "some"}, "/access"),
        ({"access": None}, "/access"),
        ({"supervisor": "yes"}, "/supervisor"),
        ({"supervisor": 1}, "/supervisor"),
        ({"role": "owner"}, "/role"),
        ({"status": "active"}, "/status"),
        ({"customer_id": "c1"}, "/customer_id"),
        ({"phone": "x" * 201}, "/phone"),
        ({"override_limits": {"percent": 101}}, "/override_limits/percent"),
        ({"override_limits": {"percent": 0.5}}, "/override_limits/percent"),
        ({"override_limits": {"floor": {"amount": -1, "currency": "EUR"}}}, "/override_limits/floor/amount"),
    ],
)
def test_bad_input_is_refused_with_its_place_and_changes_nothing(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = shop.owner.post("/v1/sales-reps", {**RHEA, **fields})
    assert (reply.status, reply.code) == (422, "invalid")
    assert [error["pointer"] for error in reply.json["errors"]] == [pointer]
    assert stored() == before


def test_limits_are_in_the_stores_currency(shop: Shop) -> None:
    limits = {"percent": 5, "floor": {"amount": 100, "currency": "USD"}}
    reply = shop.owner.post("/v1/sales-reps", {**RHEA, "override_limits": limits})
    assert (reply.status, reply.code) == (422, "wrong_currency")
    assert reply.json["errors"][0]["pointer"] == "/override_limits/floor/currency"
    assert stored("invitation") == []


def test_whoever_is_on_the_staff_already_is_not_invited_again_in_any_letter_case(shop: Shop) -> None:
    invite_rep(shop, "Penny")
    hire(shop, "Ada")
    away = hire(shop, "Ina")
    etag = shop.owner.get(f"/v1/sales-reps/{away.id}").json["etag"]
    assert shop.owner.patch(f"/v1/sales-reps/{away.id}", {"active": False}, etag=etag).status == 200
    before = stored()
    for email in ("OLA@acme.test", "Penny@REPS.test", "ada@reps.test", "INA@reps.test"):
        reply = shop.owner.post("/v1/sales-reps", {**RHEA, "email": email})
        assert (reply.status, reply.code, reply.json["pointer"]) == (409, "sales_rep_exists", "/email")
    assert stored() == before


def test_of_two_who_invite_the_same_person_at_once_one_is_told_so(shop: Shop) -> None:
    with meanwhile("TransactWriteItems", lambda: invite_rep(shop, name="First", email="rhea@reps.test")):
        reply = shop.owner.post("/v1/sales-reps", RHEA)
    assert (reply.status, reply.code) == (409, "sales_rep_exists")
    assert [each["name"] for each in stored("member") if each["role"] == "rep"] == ["First"]
    assert (len(stored("invitation")), len(announced())) == (1, 1)


def test_a_retry_invites_nobody_twice_and_brings_the_same_answer(shop: Shop) -> None:
    first, again = (shop.owner.post("/v1/sales-reps", RHEA, key="once") for _ in range(2))
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert (len(stored("invitation")), len(announced())) == (1, 1)
    other = shop.owner.post("/v1/sales-reps", {**RHEA, "access": "all"}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert shop.owner.post("/v1/sales-reps", RHEA, key=None).code == "idempotency_key_required"


def test_neither_buyers_nor_sales_reps_invite_sales_reps(shop: Shop) -> None:
    buyer, supervisor = shop.join(shop.add_customer()), hire(shop, "Sven", access="all", supervisor=True)
    for client in (buyer, supervisor.client):
        reply = client.post("/v1/sales-reps", RHEA)
        assert (reply.status, reply.code) == (403, "forbidden")
    assert [each["name"] for each in stored("member") if each["role"] == "rep"] == ["Sven"]


def test_no_sales_rep_finds_the_invitation_of_another(shop: Shop) -> None:
    told = invite_rep(shop)["invitation"]["id"]
    supervisor = hire(shop, "Sven", access="all", supervisor=True).client
    before = stored()
    assert supervisor.get("/v1/invitations").json["items"] == []
    for method, path in (("GET", ""), ("POST", "/resend"), ("POST", "/revoke")):
        replies = [
            supervisor.send(
                method, f"/v1/invitations/{each}{path}", headers={"Idempotency-Key": f"{method} {path}".replace(" ", "")}
            )
            for each in (told, f"{told[:-1]}x")
        ]
        assert [reply.status for reply in replies] == [404, 404]
        assert replies[0].text == replies[1].text
    assert stored() == before
    bulk = supervisor.post("/v1/invitations/revoke", {"invitation_ids": [told]}).json
    assert (bulk["revoked"], bulk["results"][0]["reason"]) == (0, "out_of_scope")
    assert shop.owner.get(f"/v1/invitations/{told}").json["state"] == "pending"


def test_a_person_sells_for_several_stores_and_each_keeps_to_itself(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ours, theirs = hire(shop), hire(rival, access="all", supervisor=True)
    assert [each.client.get("/v1/me").json["supervisor"] for each in (ours, theirs)] == [False, True]
    assert len(stored("account")) == 3
    assert shop.owner.get(f"/v1/sales-reps/{theirs.id}").status == 404


def test_one_whose_place_was_revoked_gets_it_back_with_its_customers_and_none_of_its_sessions(shop: Shop, time: Clock) -> None:
    # Given a sales rep with a customer, and what it decided for itself
    invited, customer = invite_rep(shop), shop.add_customer()
    old_link = reps_link(shop, invited)
    rep = Rep(invited["id"], invited["email"], shop.owner.as_(accept_as_rep(shop, old_link).json["token"]))
    allocate(shop, customer, rep)
    me = rep.client.get("/v1/me").json
    assert rep.client.patch("/v1/me", {"landing": "orders"}, etag=me["etag"]).status == 200
    # When it is revoked
    time.advance(minutes=1)
    withdraw(shop, {"id": rep.id})
    # Then it is out at once, and still listed with its customers
    assert rep.client.get("/v1/me").code == "invalid_token"
    shown = shop.owner.get(f"/v1/sales-reps/{rep.id}").json
    assert (shown["status"], shown["invitation"]["state"]) == ("inactive", "revoked")
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["account_manager_id"] == rep.id
    # When it is invited again, otherwise than before
    time.advance(minutes=1)
    again = invite_rep(shop, name="Rhea Lund", email="RHEA@reps.test", access="allocated", supervisor=True)
    assert (again["id"], again["status"], again["name"], again["supervisor"]) == (rep.id, "invited", "Rhea Lund", True)
    assert again["invitation"]["id"] != shown["invitation"]["id"]
    assert shop.owner.get(f"/v1/sales-reps/{rep.id}").json == again
    assert shop.owner.as_(None).get(f"/v1/invitation-links/{old_link}").code == "invitation_revoked"
    assert rep.client.get("/v1/me").code == "invalid_token"
    # Then it joins with its account, and has its customers and its own choices again
    time.advance(minutes=1)
    joined = accept_as_rep(shop, reps_link(shop, again))
    assert joined.status == 201, joined.text
    client = shop.owner.as_(joined.json["token"])
    assert [each["id"] for each in client.get("/v1/customers").json["items"]] == [customer["id"]]
    assert (joined.json["landing"], client.get("/v1/me").json["supervisor"]) == ("orders", True)
    assert rep.client.get("/v1/me").code == "invalid_token"


def test_one_whose_invitation_was_revoked_before_it_accepted_is_invited_anew(shop: Shop) -> None:
    rep = invite_rep(shop)
    old_link = reps_link(shop, rep)
    withdraw(shop, rep)
    shown = shop.owner.get(f"/v1/sales-reps/{rep['id']}").json
    assert (shown["status"], shown["joined_at"]) == ("inactive", None)
    assert accept_as_rep(shop, old_link).code == "invitation_revoked"
    assert accept_as_rep(shop, reps_link(shop, invite_rep(shop))).status == 201
    assert shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["status"] == "active"


def test_of_two_who_give_a_place_back_at_once_one_is_told_so(shop: Shop) -> None:
    rep = invite_rep(shop)
    withdraw(shop, rep)
    with meanwhile("TransactWriteItems", lambda: invite_rep(shop)):
        reply = shop.owner.post("/v1/sales-reps", RHEA)
    assert (reply.status, reply.code) == (409, "sales_rep_exists")
    assert sorted(each["state"] for each in stored("invitation")) == ["pending", "revoked"]


def test_inviting_the_same_address_again_and_again_has_an_end(shop: Shop, time: Clock) -> None:
    for _ in range(6):
        withdraw(shop, invite_rep(shop))
    before = len(announced())
    reply = shop.owner.post("/v1/sales-reps", RHEA)
    assert (reply.status, reply.code) == (429, "resent_too_often")
    assert len(announced()) == before
    time.advance(hours=1)
    assert shop.owner.post("/v1/sales-reps", RHEA).status == 201
