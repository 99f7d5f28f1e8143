"""Resending: the same link once more, for a full lifetime."""

from datetime import datetime, timedelta
from typing import Any

from tests.conftest import Clock
from tests.support.functions import Reply
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.table import everything, stored
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


def test_there_is_a_pause_between_two_mails(shop: Shop, time: Clock) -> None:
    invitation_id, _ = invited(shop)
    before = stored()
    reply = resend(shop, invitation_id)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "resent_too_soon", "30")
    assert stored() == before
    time.advance(seconds=30)
    assert resend(shop, invitation_id).status == 200


def test_an_expired_one_lives_again(shop: Shop, time: Clock) -> None:
    invitation_id, link = invited(shop)
    # A store may shorten the lifetime of what it sends from now on
    shop.owner.patch("/v1/store", {"invitation_days": 1}, etag='"1"')
    time.advance(minutes=1)
    assert resend(shop, invitation_id).status == 200
    time.advance(hours=11, minutes=50)
    shop.owner.get("/v1/me")
    time.advance(hours=11, minutes=50)
    shop.owner.get("/v1/me")
    time.advance(hours=1)
    anyone = shop.owner.as_(None)
    assert anyone.get(f"/v1/invitation-links/{link}").code == "invitation_expired"
    assert resend(shop, invitation_id).json["state"] == "pending"
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
