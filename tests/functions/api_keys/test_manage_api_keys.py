"""Making, renaming, rotating and revoking a reseller's API keys: by whom, how many, and their text shown once."""

import logging
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.api_keys import EVERY_SCOPE, Keyed, colleague, reseller_of
from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Reply
from tests.support.ordering import send_event
from tests.support.table import counted_calls, everything, stored
from tradepost.domain.api_keys import MAX_LIVE_KEYS
from tradepost.domain.ids import digest, member_id, parse_token


def refused(reply: Reply) -> tuple[int, str | None]:
    """Return how a request was refused."""
    return reply.status, reply.code


def audited(action: str) -> list[dict[str, Any]]:
    """Return what was noted of one kind of deed."""
    return [line for line in stored("audit") if line["action"] == action]


# Making


def test_a_key_is_shown_whole_once_and_acts_for_the_contact(keyed: Keyed) -> None:
    # When the owner makes a key
    reply = send_event("api_keys/manage_api_keys.made", TOKEN=keyed.market.owner.token, RESELLER=keyed.reseller_id)
    # Then it is answered with its text
    assert reply.status == 201, reply.text
    made = reply.json
    token = parse_token(made["key"])
    assert token is not None
    contact = member_id("acme", keyed.reseller_id, keyed.market.customer["id"])
    assert (token.kind, token.owner, made["id"]) == ("key", contact, digest(token.secret))
    assert (made["name"], made["scopes"], made["status"]) == ("Web shop", ["orders:read", "orders:write"], "active")
    assert made["member_id"] == keyed.market.buyer.get("/v1/me").json["id"]
    assert (made["prefix"], made["reseller_id"]) == (f"tp_key_acme…{made['key'][-4:]}", keyed.reseller_id)
    assert (made["last_used_at"], made["expires_at"], made["revoked_at"]) == (None, None, None)
    assert reply.headers["etag"] == made["etag"]
    # And never again
    shown = keyed.shown(made)
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert keyed.market.owner.get(keyed.path).json == {"items": [shown], "next_cursor": None}
    # And it is noted who made it
    (line,) = audited("api_key:created")
    assert (line["target"], line["actor"], line["details"]["name"]) == (made["id"], made["created_by"], "Web shop")


def test_a_retry_gets_the_same_key_whole_and_makes_no_second_one(keyed: Keyed) -> None:
    body = {"name": "Web shop", "scopes": []}
    first = keyed.market.owner.post(keyed.path, body, key="once")
    again = keyed.market.owner.post(keyed.path, body, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert len(stored("api_key")) == 1
    assert keyed.of(again.json).get("/v1/me").status == 200
    other = keyed.market.owner.post(keyed.path, {**body, "name": "Other"}, key="once")
    assert refused(other) == (422, "idempotency_key_reused")
    assert refused(keyed.market.owner.post(keyed.path, body, key=None)) == (400, "idempotency_key_required")
    assert len(stored("api_key")) == 1


def test_a_fault_while_a_key_is_written_leaves_none_or_the_one_that_a_retry_gets(keyed: Keyed) -> None:
    body = {"name": "Web shop", "scopes": []}
    lost = refusal("TransactWriteItems", "InternalFailure")
    with failing("TransactWriteItems", lost):
        assert keyed.market.owner.post(keyed.path, body, key="once").status == 500
    assert (stored("api_key"), stored("key_ring")) == ([], [])
    with failing("TransactWriteItems", lost, when="after"):
        assert keyed.market.owner.post(keyed.path, body, key="once").status == 500
    again = keyed.market.owner.post(keyed.path, body, key="once")
    assert (again.status, len(stored("api_key"))) == (201, 1)
    assert keyed.of(again.json).get("/v1/me").status == 200


def test_the_secret_is_in_no_item_no_log_and_no_other_answer(keyed: Keyed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tradepost")
    owner = keyed.market.owner
    with_retry = owner.post(keyed.path, {"name": "Web shop", "scopes": EVERY_SCOPE}, key="once").json
    rotated = keyed.rotate(with_retry, 3).json
    for key in (with_retry, rotated):
        keyed.of(key).get("/v1/me")
        keyed.of(key).post("/v1/orders", keyed.market.body())
    keyed.revoke(rotated)
    keyed.of(rotated).get("/v1/orders")
    answers = "".join(owner.get(f"{keyed.path}{path}").text for path in ("", f"/{with_retry['id']}", f"/{rotated['id']}"))
    logged = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert with_retry["id"] in logged
    for key in (with_retry, rotated):
        token = parse_token(key["key"])
        assert token is not None
        for told in (everything(), logged, answers):
            assert token.secret not in told
    assert '"key"' not in answers


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": []}, "/name"),
        ({"name": " ", "scopes": []}, "/name"),
        ({"name": "Web shop"}, "/scopes"),
        ({"name": "Web shop", "scopes": ["orders:everything"]}, "/scopes/0"),
        ({"name": "Web shop", "scopes": "orders:read"}, "/scopes"),
        ({"name": "Web shop", "scopes": [], "key": "mine"}, "/key"),
    ],
)
def test_what_is_no_key_is_refused_with_a_pointer(keyed: Keyed, body: dict[str, Any], pointer: str) -> None:
    reply = keyed.market.owner.post(keyed.path, body)
    assert (*refused(reply), reply.json["errors"][0]["pointer"]) == (422, "invalid", pointer)
    assert stored("api_key") == []


def test_a_scope_named_twice_is_one(keyed: Keyed) -> None:
    assert keyed.make("orders:write", "catalog:read", "orders:write")["scopes"] == ["catalog:read", "orders:write"]


# Who may


def test_the_resellers_administrators_manage_its_keys_and_others_of_it_only_look(keyed: Keyed) -> None:
    administrator = keyed.market.buyer
    made = keyed.make("orders:read", by=administrator)
    assert made["created_by"]["name"] == "Ida Holm"
    uma = colleague(keyed.market.shop, keyed.market.customer["id"])
    assert [each["id"] for each in uma.get(keyed.path).json["items"]] == [made["id"]]
    assert uma.get(f"{keyed.path}/{made['id']}").status == 200
    before = stored()
    path, etag = f"{keyed.path}/{made['id']}", made["etag"]
    assert refused(uma.post(keyed.path, {"name": "Mine", "scopes": []})) == (403, "forbidden")
    assert refused(uma.patch(path, {"name": "Mine"}, etag=etag)) == (403, "forbidden")
    assert refused(uma.delete(path, etag=etag)) == (403, "forbidden")
    assert refused(uma.post(f"{path}/rotate", {"overlap_days": 0}, headers={"If-Match": etag})) == (403, "forbidden")
    assert stored() == before
    assert keyed.rotate(made, by=administrator).status == 201
    assert keyed.revoke(made, by=administrator).status == 204


def test_another_resellers_keys_do_not_exist(keyed: Keyed) -> None:
    made = keyed.make()
    foreign = keyed.market.rival()
    theirs = reseller_of(keyed.market.shop, keyed.market.other_customer["id"], noted=True)
    for client in (keyed.market.other_buyer, foreign):
        for path in (keyed.path, f"{keyed.path}/{made['id']}"):
            assert refused(client.get(path)) == (404, "not_found")
        assert refused(client.post(keyed.path, {"name": "Mine", "scopes": []})) == (404, "not_found")
    # A key is found under its own reseller alone
    assert refused(keyed.market.owner.get(f"/v1/resellers/{theirs}/api-keys/{made['id']}")) == (404, "not_found")
    assert refused(keyed.market.buyer.get(f"/v1/resellers/{theirs}/api-keys")) == (404, "not_found")
    assert len(stored("api_key")) == 1


def test_a_key_makes_no_keys(keyed: Keyed) -> None:
    made = keyed.make(*EVERY_SCOPE)
    client, path = keyed.of(made), f"{keyed.path}/{made['id']}"
    attempts = [
        client.get(keyed.path),
        client.get(path),
        client.post(keyed.path, {"name": "Another", "scopes": []}),
        client.patch(path, {"name": "Another"}, etag="*"),
        client.delete(path, etag="*"),
        client.post(f"{path}/rotate", {"overlap_days": 0}, headers={"If-Match": "*"}),
    ]
    assert {refused(attempt) for attempt in attempts} == {(403, "not_for_api_keys")}
    assert len(stored("api_key")) == 1


def test_a_reseller_that_is_not_approved_gets_no_keys(keyed: Keyed) -> None:
    made = keyed.make()
    keyed.become("pending")
    assert refused(keyed.market.owner.post(keyed.path, {"name": "More", "scopes": []})) == (409, "reseller_not_approved")
    keyed.become("suspended")
    assert refused(keyed.market.owner.post(keyed.path, {"name": "More", "scopes": []})) == (409, "reseller_suspended")
    assert refused(keyed.rotate(made, 7)) == (409, "reseller_suspended")
    keyed.become("active")
    assert keyed.market.owner.post(keyed.path, {"name": "More", "scopes": []}).status == 201


def test_a_reseller_that_is_suspended_while_a_key_is_made_gets_none(keyed: Keyed) -> None:
    with meanwhile("TransactWriteItems", lambda: keyed.become("suspended")):
        reply = keyed.market.owner.post(keyed.path, {"name": "More", "scopes": []})
    assert refused(reply) == (409, "reseller_suspended")
    assert stored("api_key") == []


def test_a_contact_that_has_left_gets_no_keys(keyed: Keyed) -> None:
    colleague(keyed.market.shop, keyed.market.customer["id"], role="admin")
    leave(keyed)
    assert refused(keyed.market.owner.post(keyed.path, {"name": "More", "scopes": []})) == (409, "employee_not_active")
    assert stored("api_key") == []


def leave(keyed: Keyed) -> None:
    """Let the contact leave the reseller."""
    customer_id = keyed.market.customer["id"]
    path = f"/v1/customers/{customer_id}/employees/{member_id('acme', keyed.reseller_id, customer_id)}"
    reply = keyed.market.owner.delete(path, etag=keyed.market.owner.get(path).json["etag"])
    assert reply.status == 204, reply.text


# How many


def test_a_reseller_has_twenty_keys_that_work_at_most(keyed: Keyed, time: Clock) -> None:
    keys = [keyed.make(name=f"Key {number}") for number in range(MAX_LIVE_KEYS)]
    body = {"name": "One more", "scopes": []}
    assert refused(keyed.market.owner.post(keyed.path, body)) == (409, "too_many_api_keys")
    # A rotation with an overlap is one more, without one it is not
    assert refused(keyed.rotate(keys[0], 1)) == (409, "too_many_api_keys")
    assert keyed.rotate(keys[0], 0).status == 201
    assert refused(keyed.market.owner.post(keyed.path, body)) == (409, "too_many_api_keys")
    # One that is revoked, or whose overlap is over, makes room
    assert keyed.revoke(keys[1]).status == 204
    assert keyed.rotate(keys[2], 2).status == 201
    assert refused(keyed.market.owner.post(keyed.path, body)) == (409, "too_many_api_keys")
    time.advance(days=2)
    owner = keyed.market.login(owner=True)
    assert owner.post(keyed.path, body).status == 201
    assert refused(owner.post(keyed.path, body)) == (409, "too_many_api_keys")


def test_of_two_who_make_the_last_key_at_once_one_does(keyed: Keyed) -> None:
    for number in range(MAX_LIVE_KEYS - 1):
        keyed.make(name=f"Key {number}")
    with meanwhile("TransactWriteItems", lambda: keyed.make(name="Last")):
        reply = keyed.market.owner.post(keyed.path, {"name": "One more", "scopes": []})
    assert refused(reply) == (409, "too_many_api_keys")
    assert len(stored("api_key")) == MAX_LIVE_KEYS


def test_two_first_keys_at_once_are_both_made(keyed: Keyed) -> None:
    with meanwhile("TransactWriteItems", lambda: keyed.make(name="First")):
        keyed.market.owner.post(keyed.path, {"name": "Second", "scopes": []})
    (ring,) = stored("key_ring")
    assert {key["name"]: key["id"] in ring["ends"] for key in stored("api_key")} == {"First": True, "Second": True}


def test_keys_are_listed_newest_first_page_by_page(keyed: Keyed, time: Clock) -> None:
    for name in ("One", "Two", "Three"):
        keyed.make(name=name)
        time.advance(seconds=1)
    first = keyed.market.buyer.get(keyed.path, limit="2").json
    assert [each["name"] for each in first["items"]] == ["Three", "Two"]
    with counted_calls() as calls:
        rest = keyed.market.owner.get(keyed.path, limit="2", cursor=first["next_cursor"]).json
    assert ([each["name"] for each in rest["items"]], rest["next_cursor"]) == (["One"], None)
    assert calls == ["BatchGetItem", "Query"]


# Changing and revoking


def test_what_a_key_may_do_changes_with_its_scopes_at_once(keyed: Keyed) -> None:
    key = keyed.make("orders:read")
    path, client = f"{keyed.path}/{key['id']}", keyed.of(key)
    assert client.get("/v1/orders").status == 200
    changed = keyed.market.owner.patch(path, {"name": "Stock", "scopes": ["catalog:read"]}, etag=key["etag"])
    assert (changed.status, changed.json["name"], changed.json["scopes"]) == (200, "Stock", ["catalog:read"])
    assert refused(client.get("/v1/orders")) == (403, "missing_scope")
    assert client.get("/v1/products").status == 200
    assert refused(keyed.market.owner.patch(path, {"name": "Late"}, etag=key["etag"])) == (412, "stale")
    assert refused(keyed.market.owner.patch(path, {"name": "Late"})) == (428, "precondition_required")
    nothing = keyed.market.owner.patch(path, {"name": None}, etag=changed.json["etag"])
    assert (nothing.status, nothing.json["errors"][0]["pointer"]) == (422, "/name")
    (line,) = audited("api_key:updated")
    assert line["details"] == {"fields": ["name", "scopes"], "scopes": ["catalog:read"]}


def test_a_revoked_key_is_dead_at_once_and_for_good(keyed: Keyed) -> None:
    key, other = keyed.make("orders:read"), keyed.make("orders:read")
    assert keyed.revoke(key).status == 204
    assert refused(keyed.of(key).get("/v1/orders")) == (401, "invalid_token")
    assert keyed.of(other).get("/v1/orders").status == 200
    shown = keyed.shown(key)
    assert (shown["status"], shown["revoked_at"] is not None) == ("revoked", True)
    # Revoked once more it stays as it is, and nothing else can be done with it
    assert keyed.revoke(key).status == 204
    assert keyed.shown(key) == shown
    assert len(audited("api_key:revoked")) == 1
    path = f"{keyed.path}/{key['id']}"
    assert refused(keyed.market.owner.patch(path, {"name": "Back"}, etag=shown["etag"])) == (409, "api_key_ended")
    assert refused(keyed.rotate(key)) == (409, "api_key_ended")
    assert keyed.shown(key) == shown


def test_a_key_that_is_rotated_while_it_is_revoked_is_revoked(keyed: Keyed) -> None:
    key = keyed.make()
    with meanwhile("TransactWriteItems", lambda: keyed.revoke(key)):
        reply = keyed.rotate(key, 7)
    assert reply.status == 412
    assert (keyed.shown(key)["status"], len(stored("api_key"))) == ("revoked", 1)


# Rotating


@pytest.mark.parametrize("days", [1, 7])
def test_the_old_key_works_beside_the_new_one_until_the_overlap_ends(keyed: Keyed, time: Clock, days: int) -> None:
    old = keyed.make("orders:read", name="Stock")
    reply = (
        send_event(
            "api_keys/manage_api_keys.rotated",
            TOKEN=keyed.market.owner.token,
            RESELLER=keyed.reseller_id,
            KEY=old["id"],
            ETAG="*",
        )
        if days == 7
        else keyed.rotate(old, days)
    )
    assert reply.status == 201, reply.text
    new = reply.json
    assert (new["name"], new["scopes"], new["replaces"], new["status"]) == ("Stock", ["orders:read"], old["id"], "active")
    shown = keyed.shown(old)
    assert (shown["replaced_by"], shown["status"]) == (new["id"], "replaced")
    time.advance(days=days, seconds=-1)
    assert (keyed.of(old).get("/v1/orders").status, keyed.of(new).get("/v1/orders").status) == (200, 200)
    time.advance(seconds=1)
    assert refused(keyed.of(old).get("/v1/orders")) == (401, "invalid_token")
    assert keyed.of(new).get("/v1/orders").status == 200
    owner = keyed.market.login(owner=True)
    assert owner.get(f"{keyed.path}/{old['id']}").json["status"] == "expired"
    (line,) = audited("api_key:rotated")
    assert (line["target"], line["details"]["replaced_by"], line["details"]["overlap_days"]) == (old["id"], new["id"], days)


def test_without_an_overlap_the_old_key_ends_at_once(keyed: Keyed) -> None:
    old = keyed.make("orders:read")
    new = keyed.rotate(old, 0).json
    assert refused(keyed.of(old).get("/v1/orders")) == (401, "invalid_token")
    assert keyed.of(new).get("/v1/orders").status == 200


def test_a_key_is_rotated_once(keyed: Keyed) -> None:
    old = keyed.make()
    keyed.rotate(old, 7)
    assert refused(keyed.rotate(old, 7)) == (409, "api_key_replaced")
    assert len(stored("api_key")) == 2


def test_of_two_who_rotate_a_key_at_once_one_does(keyed: Keyed) -> None:
    old = keyed.make()
    with meanwhile("TransactWriteItems", lambda: keyed.rotate(old, 7)):
        reply = keyed.rotate(old, 7)
    assert reply.status in {409, 412}
    assert len(stored("api_key")) == 2


def test_a_retried_rotation_gets_the_same_new_key(keyed: Keyed) -> None:
    old = keyed.make("orders:read")
    body, headers = {"overlap_days": 2}, {"If-Match": old["etag"]}
    first, again = (
        keyed.market.buyer.post(f"{keyed.path}/{old['id']}/rotate", body, headers=headers, key="once") for _ in range(2)
    )
    assert (again.status, again.json, len(stored("api_key"))) == (201, first.json, 2)
    assert keyed.of(again.json).get("/v1/orders").status == 200


def test_a_replaced_key_can_be_revoked_before_its_overlap_ends(keyed: Keyed) -> None:
    old = keyed.make("orders:read")
    new = keyed.rotate(old, 7).json
    assert keyed.revoke(old).status == 204
    assert refused(keyed.of(old).get("/v1/orders")) == (401, "invalid_token")
    assert keyed.of(new).get("/v1/orders").status == 200


@pytest.mark.parametrize("days", [-1, 8, 1.5, "1", None, True])
def test_an_overlap_lasts_a_week_at_most(keyed: Keyed, days: Any) -> None:
    key = keyed.make()
    reply = keyed.rotate(key, days)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/overlap_days")
    assert len(stored("api_key")) == 1


def test_a_rotation_holds_against_what_was_read(keyed: Keyed) -> None:
    key = keyed.make()
    keyed.market.owner.patch(f"{keyed.path}/{key['id']}", {"name": "Stock"}, etag=key["etag"])
    path, body = f"{keyed.path}/{key['id']}/rotate", {"overlap_days": 0}
    assert refused(keyed.market.owner.post(path, body, headers={"If-Match": key["etag"]})) == (412, "stale")
    assert refused(keyed.market.owner.post(path, body)) == (428, "precondition_required")


def test_whoever_administers_pays_one_read_and_one_write(keyed: Keyed) -> None:
    key, administrator = keyed.make(), keyed.market.buyer
    for request in (_creation, _rotation, _revocation):
        with counted_calls() as calls:
            assert request(administrator, keyed, key).status in {201, 204}
        assert calls == ["BatchGetItem", "TransactWriteItems"]


def _creation(by: Client, keyed: Keyed, _: dict[str, Any]) -> Reply:
    return by.post(keyed.path, {"name": "More", "scopes": []})


def _rotation(by: Client, keyed: Keyed, key: dict[str, Any]) -> Reply:
    return by.post(f"{keyed.path}/{key['id']}/rotate", {"overlap_days": 1}, headers={"If-Match": "*"})


def _revocation(by: Client, keyed: Keyed, key: dict[str, Any]) -> Reply:
    return by.delete(f"{keyed.path}/{key['id']}", etag="*")
