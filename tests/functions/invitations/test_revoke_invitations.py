"""Revoking: links die, and so does the access that somebody gained by one."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.mail import deliver
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop, open_shop


def invitation_of(shop: Shop, customer: dict[str, Any]) -> str:
    """Return the id of a customer's latest invitation."""
    return str(shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["id"])


def revoke(shop: Shop, **named: list[str]) -> dict[str, Any]:
    """Revoke many, and return what became of them."""
    reply = shop.owner.post("/v1/invitations/revoke", named)
    assert reply.status == 200, reply.text
    return dict(reply.json)


def accept(shop: Shop, link: str, password: str = PASSWORD) -> Reply:
    """Try to take an offer up."""
    body = {"name": "Ida Holm", "password": password}
    return shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", body)


def test_a_revoked_link_leads_nowhere_and_its_mail_is_not_sent(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    reply = send_event("invitations/revoke_invitations.selected", TOKEN=shop.owner.token, CUSTOMER_ID=customer["id"])
    assert (reply.json["revoked"], reply.json["results"][0]["status"]) == (1, "revoked")
    assert shop.owner.as_(None).get(f"/v1/invitation-links/{link}").code == "invitation_revoked"
    assert (accept(shop, link).status, accept(shop, link).code) == (410, "invitation_revoked")
    assert stored("account") == [account for account in stored("account") if account["email"] == "ola@acme.test"]
    assert deliver() == []
    assert [item["failure"] for item in stored("outbox")] == ["obsolete"]


def test_revoking_after_acceptance_ends_the_session_at_once_and_the_way_back(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    assert buyer.get("/v1/me").status == 200
    invitation_id = invitation_of(shop, customer)
    reply = shop.owner.post(f"/v1/invitations/{invitation_id}/revoke")
    assert (reply.status, reply.json["state"]) == (200, "revoked")
    assert (buyer.get("/v1/me").status, buyer.get("/v1/me").code) == (401, "invalid_token")
    again = shop.owner.as_(None).post("/v1/sessions", {"email": "buyer@bluedoor.test", "password": PASSWORD})
    assert (again.status, again.code) == (401, "invalid_credentials")
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["revoked"]
    audited = [line["details"]["invitations"] for line in stored("audit") if line["action"] == "invitations:revoked"]
    assert audited == [[invitation_id]]


def test_whoever_is_invited_anew_comes_back_with_the_same_account(shop: Shop) -> None:
    customer = shop.add_customer()
    old = shop.join(customer)
    revoke(shop, customer_ids=[customer["id"]])
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["state"] == "revoked"
    link = shop.invite(customer["id"])
    reply = accept(shop, link)
    assert reply.status == 201, reply.text
    assert Client(reply.json["token"]).get("/v1/me").json["customer_id"] == customer["id"]
    assert len(stored("account")) == 2
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["active"]
    assert old.get("/v1/me").code == "invalid_token"  # the place is back, the old device is not


def test_revoking_while_somebody_accepts_leaves_one_of_the_two(shop: Shop) -> None:
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    invitation_id = invitation_of(shop, customer)
    with meanwhile("TransactWriteItems", lambda: shop.owner.post(f"/v1/invitations/{invitation_id}/revoke")):
        reply = accept(shop, link)
    assert (reply.status, reply.code) == (410, "invitation_revoked")
    assert [member["role"] for member in stored("member")] == ["owner"]
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["state"] == "revoked"


def test_twice_is_once(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.invite(customer["id"])
    path = f"/v1/invitations/{invitation_of(shop, customer)}/revoke"
    first, second = shop.owner.post(path), shop.owner.post(path)
    assert (first.status, second.status, second.json) == (200, 200, first.json)
    assert len([line for line in stored("audit") if line["action"] == "invitations:revoked"]) == 1
    retried = [shop.owner.post(path, key="once") for _ in range(2)]
    assert retried[1].headers["idempotent-replayed"] == "true"


def test_many_are_revoked_at_once_and_each_row_that_is_not_says_why(shop: Shop) -> None:
    pending, joined = shop.add_customer(), shop.add_customer("Green Gate", "buyer@greengate.test")
    link, buyer = shop.invite(pending["id"]), shop.join(joined)
    done, never = shop.add_customer("Done", "done@doors.test"), shop.add_customer("Never", None)
    shop.invite(done["id"])
    revoke(shop, customer_ids=[done["id"]])
    answer = revoke(shop, customer_ids=[pending["id"], joined["id"], done["id"], never["id"], "nothing", pending["id"]])
    assert [(row["status"], row["reason"]) for row in answer["results"]] == [
        ("revoked", None),
        ("revoked", None),
        ("skipped", "already_revoked"),
        ("skipped", "not_invited"),
        ("skipped", "out_of_scope"),
    ]
    assert (answer["revoked"], answer["skipped"]) == (2, 3)
    assert accept(shop, link).code == "invitation_revoked"
    assert buyer.get("/v1/me").status == 401
    by_id = revoke(shop, invitation_ids=[answer["results"][0]["invitation_id"], "acme.nothing"])
    assert [row["reason"] for row in by_id["results"]] == ["already_revoked", "out_of_scope"]


def test_a_full_batch_of_accepted_ones_fits_into_its_transactions(shop: Shop) -> None:
    # Given forty who joined, each of which takes five writes to revoke
    customers = [shop.add_customer(f"Customer {number}", f"c{number}@doors.test") for number in range(40)]
    buyers = [shop.join(customer) for customer in customers]
    answer = revoke(shop, customer_ids=[customer["id"] for customer in customers])
    assert answer["revoked"] == 40
    assert {buyer.get("/v1/me").status for buyer in buyers} == {401}
    assert {each["state"] for each in stored("invitation")} == {"revoked"}


def test_one_that_is_accepted_at_that_moment_is_revoked_all_the_same(shop: Shop) -> None:
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", "buyer@greengate.test")
    link = shop.invite(blue["id"])
    shop.invite(green["id"])
    with meanwhile("TransactWriteItems", lambda: accept(shop, link)):
        answer = revoke(shop, customer_ids=[blue["id"], green["id"]])
    assert [row["reason"] for row in answer["results"]] == [None, None]
    assert {each["state"] for each in stored("invitation")} == {"revoked"}
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["revoked"]


def test_nobody_else_revokes_it(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    invitation_id = invitation_of(shop, customer)
    rival = open_shop(shop.owner.as_(None), "rival").owner
    before = stored()
    missing = rival.post("/v1/invitations/nothing/revoke")
    reply = rival.post(f"/v1/invitations/{invitation_id}/revoke")
    assert (reply.status, reply.text) == (404, missing.text)
    assert buyer.post(f"/v1/invitations/{invitation_id}/revoke").code == "forbidden"
    assert stored() == before
    rows = rival.post("/v1/invitations/revoke", {"invitation_ids": [invitation_id]}).json["results"]
    assert [row["reason"] for row in rows] == ["out_of_scope"]
    assert buyer.get("/v1/me").status == 200


def test_a_decision_on_an_older_version_is_refused(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.invite(customer["id"])
    reply = shop.owner.post(f"/v1/invitations/{invitation_of(shop, customer)}/revoke", headers={"If-Match": '"7"'})
    assert (reply.status, reply.code) == (412, "stale")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_ids": [], "invitation_ids": []},
        {"customer_ids": ["x"], "invitation_ids": ["y"]},
        {"customer_ids": ["x"] * 1001},
        {"customer_ids": "x"},
        {"invitation_ids": ["half \ud83d"]},
        {"customer_ids": ["x"], "surprise": 1},
    ],
)
def test_a_selection_that_is_none_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    before = stored()
    assert shop.owner.post("/v1/invitations/revoke", body).status == 422
    assert stored() == before


def test_a_sales_rep_revokes_the_invitations_of_its_own_customers_alone(shop: Shop) -> None:
    own, other = shop.add_customer(), shop.add_customer("Green Gate", "gil@greengate.test")
    rhea = hire(shop)
    allocate(shop, own, rhea)
    shop.invite(own["id"])
    link = shop.invite(other["id"])
    theirs = invitation_of(shop, other)
    reps = shop.owner.get(f"/v1/sales-reps/{rhea.id}").json["invitation"]["id"]
    before = stored()
    unknown = rhea.client.post("/v1/invitations/acme.nothing/revoke")
    for hidden in (theirs, reps):
        reply = rhea.client.post(f"/v1/invitations/{hidden}/revoke")
        assert (reply.status, reply.text) == (404, unknown.text)
    assert stored() == before
    for named in (
        {"customer_ids": [other["id"], "nothing"]},
        {"invitation_ids": [theirs, reps, "acme.nothing"]},
    ):
        reply = rhea.client.post("/v1/invitations/revoke", named)
        assert {(row["status"], row["reason"]) for row in reply.json["results"]} == {("skipped", "out_of_scope")}
    assert shop.owner.as_(None).get(f"/v1/invitation-links/{link}").status == 200
    reply = rhea.client.post("/v1/invitations/revoke", {"invitation_ids": [invitation_of(shop, own), theirs]})
    assert [row["status"] for row in reply.json["results"]] == ["revoked", "skipped"]
    assert [
        row["reason"] for row in rhea.client.post("/v1/invitations/revoke", {"customer_ids": [own["id"]]}).json["results"]
    ] == ["already_revoked"]
    shop.invite(own["id"])
    assert rhea.client.post(f"/v1/invitations/{invitation_of(shop, own)}/revoke").json["state"] == "revoked"
