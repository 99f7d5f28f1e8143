"""Sessions: where one is signed in, and signing out there."""

from typing import Any

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop, open_shop


def log_in(shop: Shop, email: str = "ola@acme.test", device: str = "tests", password: str = PASSWORD) -> Client:
    """Sign in on another device."""
    body = {"email": email, "password": password, "store": shop.slug}
    reply = shop.owner.as_(None).post("/v1/sessions", body, headers={"User-Agent": device})
    assert reply.status == 201, reply.text
    return shop.owner.as_(reply.json["token"])


def sessions(client: Client, **query: str) -> list[dict[str, Any]]:
    """Return the sessions that a caller sees."""
    reply = client.get("/v1/sessions", **query)
    assert reply.status == 200, reply.text
    return list(reply.json["items"])


def test_ones_own_sessions_are_listed_newest_first_and_the_present_one_is_marked(shop: Shop, time: Clock) -> None:
    time.advance(minutes=1)
    phone = log_in(shop, device="phone")
    time.advance(minutes=1)
    log_in(shop, device="tablet")
    listed = sessions(phone)
    assert [(each["device"], each["current"], each["acting"]) for each in listed] == [
        ("tablet", False, False),
        ("phone", True, False),
        ("tests", False, False),
    ]
    assert {each["address"] for each in listed} == {"203.0.113.*"}


def test_a_session_that_is_ended_is_over_at_once(shop: Shop) -> None:
    phone = log_in(shop, device="phone")
    (ended,) = [each for each in sessions(shop.owner) if each["device"] == "phone"]
    assert shop.owner.delete(f"/v1/sessions/{ended['id']}").status == 204
    assert (phone.get("/v1/me").status, phone.get("/v1/me").code) == (401, "invalid_token")
    assert len(stored("session")) == 1
    assert shop.owner.delete(f"/v1/sessions/{ended['id']}").status == 404
    assert [line["action"] for line in stored("audit")].count("session:ended") == 1


def test_signing_out_ends_the_present_session_and_no_other(shop: Shop) -> None:
    phone = log_in(shop, device="phone")
    reply = phone.delete("/v1/sessions/current")
    assert (reply.status, reply.text) == (204, "")
    assert phone.get("/v1/me").status == 401
    assert shop.owner.get("/v1/me").status == 200


def test_the_owner_sees_the_sessions_of_the_store_and_may_end_any(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    reply = send_event("identity/manage_sessions.of_store", TOKEN=shop.owner.token)
    assert {each["member_name"] for each in reply.json["items"]} == {"Ola Nordmann", "Ida Holm"}
    (hers,) = [each for each in reply.json["items"] if each["member_name"] == "Ida Holm"]
    assert shop.owner.delete(f"/v1/sessions/{hers['id']}").status == 204
    assert buyer.get("/v1/me").status == 401


def test_a_buyer_sees_its_own_sessions_and_touches_no_others(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    assert [each["member_name"] for each in sessions(buyer)] == ["Ida Holm"]
    refused = buyer.get("/v1/sessions", of="store")
    assert (refused.status, refused.code) == (403, "forbidden")
    (owners,) = sessions(shop.owner)
    before = stored()
    missing = buyer.delete("/v1/sessions/nothing")
    reply = buyer.delete(f"/v1/sessions/{owners['id']}")
    assert (reply.status, reply.text) == (404, missing.text)
    assert stored() == before


def test_another_stores_owner_finds_nothing_here(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival").owner
    (owners,) = sessions(shop.owner)
    assert owners["id"] not in {each["id"] for each in sessions(rival, of="store")}
    before = stored()
    assert rival.delete(f"/v1/sessions/{owners['id']}").status == 404
    assert stored() == before


def test_what_no_longer_lives_is_not_listed(shop: Shop, time: Clock) -> None:
    log_in(shop, device="old")
    time.advance(hours=13)
    fresh = log_in(shop, device="fresh")
    assert [each["device"] for each in sessions(fresh)] == ["fresh"]
    time.advance(minutes=1)
    log_in(shop, device="another")
    time.advance(seconds=1)
    change = {"current_password": PASSWORD, "new_password": "nine grey gulls at dusk"}
    assert fresh.put("/v1/me/password", change).status == 204
    assert [each["device"] for each in sessions(fresh)] == ["fresh"]
    assert [each["device"] for each in sessions(fresh, of="store")] == ["fresh"]


def test_the_sessions_of_somebody_who_lost_its_place_are_not_listed(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    assert [each["member_name"] for each in sessions(shop.owner, of="store")] == ["Ola Nordmann"]


def test_pages_bring_every_session_of_the_store_once_and_a_cursor_serves_nobody_else(shop: Shop, time: Clock) -> None:
    for number in range(6):
        time.advance(seconds=1)
        log_in(shop, device=f"device {number}")
    first = shop.owner.get("/v1/sessions", of="store", limit="4").json
    rest = shop.owner.get("/v1/sessions", of="store", limit="4", cursor=first["next_cursor"]).json
    assert [each["device"] for each in first["items"] + rest["items"]] == [f"device {n}" for n in range(5, -1, -1)] + ["tests"]
    assert rest["next_cursor"] is None
    rival = open_shop(shop.owner.as_(None), "rival").owner
    for client, query in ((rival, {"of": "store"}), (shop.owner, {"of": "me"})):
        reply = client.get("/v1/sessions", cursor=first["next_cursor"], **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor")


def test_a_session_is_ended_as_it_was_seen_if_the_caller_says_so(shop: Shop) -> None:
    (own,) = sessions(shop.owner)
    assert shop.owner.delete(f"/v1/sessions/{own['id']}", etag='"9"').code == "stale"
    assert shop.owner.delete(f"/v1/sessions/{own['id']}", etag=own["etag"]).status == 204
