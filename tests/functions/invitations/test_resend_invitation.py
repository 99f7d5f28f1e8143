"""Resending: the same link once more, for a full lifetime."""

from datetime import datetime, timedelta
from typing import Any

from tests.conftest import Clock
from tests.support.functions import Reply
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, everything, stored
from tests.support.world import Shop, open_shop


def invited(shop: Shop) -> tuple[str, str]:
    """Invite a customer; returns the invitation's id and its link's token."""
    link = shop.invite(shop.add_customer()["id"])
    return link.rpartition(".")[0].rpartition(".")[0], link


def resend(shop: Shop, invitation_id: str, **options: Any) -> Reply:
    """Send an invitation once more."""
    return shop.owner.post(f"/v1/invitations/{invitation_id}/resend", **options)


def test_the_same_link_is_mailed_again_and_lives_for_a_full_lifetime(shop: Shop, time: Clock) -> None:
    invitation_id, link = invited(shop)
    time.advance(hours=11)
    reply = send_event("invitations/resend_invitation.once_more", TOKEN=shop.owner.token, INVITATION_ID=invitation_id)
    assert reply.status == 200
    assert (reply.json["link"].rpartition("/")[2], reply.json["delivery"]) == (link, "queued")
    assert datetime.fromisoformat(reply.json["expires_at"]) == time.at + timedelta(days=14)
    assert [message["generation"] for message in announced()] == [1, 1]
    mails = deliver()
    assert [link in mail.html for mail in mails] == [True, True]
    assert link.rpartition(".")[2] not in everything()


def test_a_retry_mails_once_and_brings_the_link_again(shop: Shop, time: Clock) -> None:
    invitation_id, _ = invited(shop)
    time.advance(minutes=1)
    first, again = resend(shop, invitation_id, key="once"), resend(shop, invitation_id, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (200, first.json, "true")
    assert len(announced()) == 2


def test_an_address_is_mailed_five_times_an_hour_more_and_no_more(shop: Shop, time: Clock) -> None:
    invitation_id, _ = invited(shop)
    time.advance(minutes=12)
    assert [resend(shop, invitation_id).status for _ in range(5)] == [200] * 5
    before = stored()
    reply = resend(shop, invitation_id)
    assert (reply.status, reply.code) == (429, "resent_too_often")
    assert stored() == before
    time.advance(seconds=int(reply.headers["retry-after"]))
    assert resend(shop, invitation_id).status == 200


def test_an_inviter_resends_a_hundred_an_hour_and_no_more(shop: Shop) -> None:
    ids = [shop.add_customer(f"Customer {number}", f"c{number}@doors.test")["id"] for number in range(26)]
    rows = shop.owner.post("/v1/invitations", {"customer_ids": ids}).json["results"]
    invitations = [row["invitation_id"] for row in rows]
    replies = [resend(shop, invitation) for _ in range(4) for invitation in invitations]
    assert [reply.status for reply in replies] == [200] * 100 + [429] * 4
    assert replies[-1].code == "too_many_resends"
    assert int(replies[-1].headers["retry-after"]) <= 3600
    assert len(announced()) == 126


def test_nobody_of_an_inactive_customer_is_mailed(shop: Shop) -> None:
    invitation_id, _ = invited(shop)
    [customer] = shop.owner.get("/v1/customers").json["items"]
    shop.owner.patch(f"/v1/customers/{customer['id']}", {"active": False}, etag=customer["etag"])
    before = stored()
    assert (resend(shop, invitation_id).status, resend(shop, invitation_id).code) == (409, "inactive")
    assert stored() == before


def test_an_expired_one_lives_again(shop: Shop, time: Clock) -> None:
    invitation_id, link = invited(shop)
    # A store may shorten the lifetime of what it sends from now on
    shop.owner.patch("/v1/store", {"invitation_days": 1}, etag='"1"')
    time.advance(minutes=1)
    assert resend(shop, invitation_id).status == 200
    for _ in range(3):
        time.advance(hours=9)
        shop.owner.get("/v1/me")
    anyone = shop.owner.as_(None)
    assert anyone.get(f"/v1/invitation-links/{link}").code == "invitation_expired"
    again = resend(shop, invitation_id)
    assert again.json["state"] == "pending", again.text
    assert anyone.get(f"/v1/invitation-links/{link}").status == 200


def test_what_is_over_cannot_be_resent(shop: Shop, time: Clock) -> None:
    invitation_id, _ = invited(shop)
    shop.owner.post("/v1/invitations/revoke", {"invitation_ids": [invitation_id]})
    customer = shop.add_customer("Green Gate", "buyer@greengate.test")
    shop.join(customer)
    accepted = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["id"]
    time.advance(minutes=1)
    before = stored()
    assert (resend(shop, invitation_id).status, resend(shop, invitation_id).code) == (409, "invitation_revoked")
    assert (resend(shop, accepted).status, resend(shop, accepted).code) == (409, "already_accepted")
    assert stored() == before


def test_a_decision_on_an_older_version_is_refused(shop: Shop, time: Clock) -> None:
    invitation_id, _ = invited(shop)
    time.advance(minutes=1)
    stale = resend(shop, invitation_id, headers={"If-Match": '"7"'})
    assert (stale.status, stale.code) == (412, "stale")
    assert resend(shop, invitation_id, headers={"If-Match": '"1"'}).status == 200


def test_nobody_else_resends_it(shop: Shop) -> None:
    invitation_id, _ = invited(shop)
    rival = open_shop(shop.owner.as_(None), "rival").owner
    before = stored()
    missing = rival.post("/v1/invitations/nothing/resend")
    reply = rival.post(f"/v1/invitations/{invitation_id}/resend")
    assert (reply.status, reply.text) == (404, missing.text)
    keyless = shop.owner.post(f"/v1/invitations/{invitation_id}/resend", key=None)
    assert (keyless.status, keyless.code) == (400, "idempotency_key_required")
    assert stored() == before


def test_a_sales_rep_resends_to_its_own_customers_alone(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    invitation_id, link = invited(shop)
    (customer,) = shop.owner.get("/v1/customers").json["items"]
    allocate(shop, customer, rhea)
    reps = shop.owner.get(f"/v1/sales-reps/{rhea.id}").json["invitation"]["id"]
    before = stored()
    unknown = otto.client.post("/v1/invitations/acme.nothing/resend")
    for client, hidden in ((otto.client, invitation_id), (rhea.client, reps), (otto.client, reps)):
        reply = client.post(f"/v1/invitations/{hidden}/resend")
        assert (reply.status, reply.text) == (404, unknown.text)
    assert stored() == before
    with counted_calls() as calls:
        reply = rhea.client.post(f"/v1/invitations/{invitation_id}/resend")
    assert (reply.status, reply.json["link"].rpartition("/")[2]) == (200, link)
    # Whose customer it is for is only known by then
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
