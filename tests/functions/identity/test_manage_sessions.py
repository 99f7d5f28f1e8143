"""Sessions: where one is signed in, and signing out there."""

from datetime import timedelta
from typing import Any

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import send_event
from tests.support.reps import Rep, allocate, hire
from tests.support.table import counted_calls, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain import clock
from tradepost.domain.people import Session
from tradepost.table.people import session_key
from tradepost.table.records import Record


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


def crowd(member: dict[str, Any], count: int) -> None:
    """Let a member be signed in on many devices, each a second after the other."""
    at = clock.now()
    with Record.batch_write() as batch:
        for number in range(count):
            seen = at + timedelta(seconds=number)
            session = Session(
                id=f"device{number}",
                member_id=member["id"],
                member_name=member["name"],
                started_at=seen,
                last_seen_at=seen,
                device=f"device {number}",
                address="203.0.113.9",
            )
            batch.save(Record.of(session_key("acme", member["id"], session.id), session))


def act(rep: Rep, customer: dict[str, Any], employee: dict[str, Any], *, minutes: int = 30) -> Client:
    """Let a rep act for an employee."""
    body = {"customer_id": customer["id"], "employee_id": employee["id"], "reason": "Asked", "minutes": minutes}
    reply = rep.client.post("/v1/acting-sessions", body)
    assert reply.status == 201, reply.text
    return rep.client.as_(reply.json["token"])


def test_a_supervisor_sees_the_sessions_of_the_store_and_other_reps_do_not(shop: Shop) -> None:
    sven, rhea = hire(shop, "Sven", supervisor=True), hire(shop, "Rhea")
    shop.join(shop.add_customer())
    assert {each["member_name"] for each in sessions(sven.client, of="store")} == {"Ola Nordmann", "Sven", "Rhea", "Ida Holm"}
    assert [each["member_name"] for each in sessions(sven.client, member_id=rhea.id)] == ["Rhea"]
    for query in ({"of": "store"}, {"member_id": sven.id}):
        refused = rhea.client.get("/v1/sessions", **query)
        assert (refused.status, refused.code) == (403, "forbidden")
    assert [each["member_name"] for each in sessions(rhea.client, member_id=rhea.id)] == ["Rhea"]


def test_a_supervisor_ends_anybodys_session_but_the_owners(shop: Shop) -> None:
    sven, rhea = hire(shop, "Sven", supervisor=True), hire(shop, "Rhea")
    buyer = shop.join(shop.add_customer())
    by_name = {each["member_name"]: each["id"] for each in sessions(shop.owner, of="store")}
    missing = sven.client.delete("/v1/sessions/nothing")
    reply = sven.client.delete(f"/v1/sessions/{by_name['Ola Nordmann']}")
    assert (reply.status, reply.text) == (404, missing.text)
    assert rhea.client.delete(f"/v1/sessions/{by_name['Ida Holm']}").text == missing.text
    for name in ("Rhea", "Ida Holm"):
        assert sven.client.delete(f"/v1/sessions/{by_name[name]}").status == 204
    assert [client.get("/v1/me").status for client in (shop.owner, rhea.client, buyer)] == [200, 401, 401]


def test_a_session_in_which_somebody_acts_says_for_whom(shop: Shop, time: Clock) -> None:
    customer = shop.add_customer()
    ida, rhea = shop.join(customer).get("/v1/me").json, hire(shop, "Rhea")
    allocate(shop, customer, rhea)
    acting = act(rhea, customer, ida, minutes=60)
    for reader, query in ((rhea.client, {}), (shop.owner, {"of": "store"})):
        flagged = [(each["member_name"], each["acting_as"]["name"]) for each in sessions(reader, **query) if each["acting"]]
        assert flagged == [("Rhea", "Ida Holm")]
    # It stays so when the session is noted to be in use, and no longer than it goes on.
    time.advance(minutes=40)
    assert acting.get("/v1/me").status == 200
    (session,) = sessions(rhea.client)
    assert (session["acting"], session["last_seen_at"] > session["started_at"]) == (True, True)
    time.advance(minutes=20)
    (session,) = sessions(rhea.client)
    assert (session["acting"], session["acting_as"]) == (False, None)


def test_all_of_ones_sessions_end_but_the_present_one_however_many(shop: Shop) -> None:
    crowd(shop.owner.get("/v1/me").json, 130)
    other = log_in(shop, device="phone")
    buyer = shop.join(shop.add_customer())
    reply = other.delete("/v1/sessions")
    assert (reply.status, reply.text) == (204, "")
    assert [each["device"] for each in sessions(other)] == ["phone"]
    assert [client.get("/v1/me").status for client in (shop.owner, other, buyer)] == [401, 200, 200]
    told = [line["details"]["sessions"] for line in stored("audit") if line["action"] == "session:ended"]
    assert sum(told) == 131
    before = stored()
    assert other.delete("/v1/sessions").status == 204
    assert stored() == before


def test_whoever_may_end_a_session_of_somebody_may_end_all_of_them(shop: Shop) -> None:
    sven, rhea = hire(shop, "Sven", supervisor=True), hire(shop, "Rhea")
    owner_id = shop.owner.get("/v1/me").json["id"]
    buyer = shop.join(shop.add_customer())
    ida = buyer.get("/v1/me").json
    rival = open_shop(shop.owner.as_(None), "rival").owner
    before = stored()
    refusals = [
        sven.client.send("DELETE", "/v1/sessions", query={"member_id": owner_id}),
        sven.client.send("DELETE", "/v1/sessions", query={"member_id": "acme.nobody"}),
        rhea.client.send("DELETE", "/v1/sessions", query={"member_id": ida["id"]}),
        buyer.send("DELETE", "/v1/sessions", query={"member_id": rhea.id}),
        rival.send("DELETE", "/v1/sessions", query={"member_id": rhea.id}),
    ]
    assert {(reply.status, reply.text) for reply in refusals} == {(404, refusals[0].text)}
    assert stored() == before
    assert sven.client.send("DELETE", "/v1/sessions", query={"member_id": ida["id"]}).status == 204
    assert shop.owner.send("DELETE", "/v1/sessions", query={"member_id": sven.id}).status == 204
    alive = [client.get("/v1/me").status for client in (shop.owner, rhea.client, buyer, sven.client, rival)]
    assert alive == [200, 200, 401, 401, 200]


def test_what_is_acted_in_a_session_ends_with_it(shop: Shop) -> None:
    customer = shop.add_customer()
    ida, rhea = shop.join(customer).get("/v1/me").json, hire(shop, "Rhea")
    allocate(shop, customer, rhea)
    acting = act(rhea, customer, ida)
    assert shop.owner.send("DELETE", "/v1/sessions", query={"member_id": rhea.id}).status == 204
    assert acting.get("/v1/me").code == "invalid_token"
    assert [each["ended_at"] is not None for each in stored("acting_session")] == [True]


def test_pages_bring_every_session_of_a_member_once(shop: Shop) -> None:
    crowd(shop.owner.get("/v1/me").json, 9)
    found, query = [], {"limit": "4"}
    for size in (4, 4, 2):
        page = shop.owner.get("/v1/sessions", **query).json
        assert len(page["items"]) == size
        found += [each["device"] for each in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert found == [*(f"device {number}" for number in range(8, -1, -1)), "tests"]
    assert query["cursor"] is None


def test_the_sessions_of_a_customer_that_is_not_active_are_over(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    path = f"/v1/customers/{customer['id']}"
    assert shop.owner.patch(path, {"active": False}, etag=shop.owner.get(path).json["etag"]).status == 200
    assert [each["member_name"] for each in sessions(shop.owner, of="store")] == ["Ola Nordmann"]


def test_ending_all_sessions_costs_a_query_and_a_transaction_for_24_of_them(shop: Shop) -> None:
    crowd(shop.owner.get("/v1/me").json, 72)
    with counted_calls() as calls:
        shop.owner.delete("/v1/sessions")
    assert calls == ["BatchGetItem", "Query", *["TransactWriteItems"] * 3]
