"""Opening a store: the first thing a seller does."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.ordering import send_event
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.settings import settings

OWNER = {"name": "Ola Nordmann", "email": "ola@nordlicht.test", "password": PASSWORD}
STORE = {"name": "Nordlicht", "slug": "nordlicht", "currency": "EUR", "time_zone": "Europe/Berlin", "owner": OWNER}


def test_a_store_is_opened_and_its_owner_is_signed_in(api: Client) -> None:
    reply = send_event("identity/open_store.first_day")
    assert reply.status == 201
    store, session = reply.json["store"], reply.json["session"]
    assert (store["slug"], store["currency"], store["active"], store["etag"]) == ("nordlicht", "EUR", True, '"1"')
    assert session["member"] == {"id": session["member"]["id"], "role": "owner", "name": "Ola Nordmann"}
    assert session["landing"] == "dashboard"
    # Then the owner gets on with the token, and the table holds what was opened and nothing else
    assert api.as_(session["token"]).get("/v1/store").json == store
    kinds = ["account", "audit", "member", "membership", "replay", "session", "store"]
    assert sorted(item["entity"] for item in stored()) == kinds
    (account,) = stored("account")
    assert account["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    (line,) = stored("audit")
    assert (line["action"], line["target"], line["actor"]["name"]) == ("store:opened", "nordlicht", "Ola Nordmann")


def test_nothing_that_opens_a_door_is_stored(api: Client) -> None:
    reply = api.post("/v1/stores", STORE)
    token = reply.json["session"]["token"]
    secret = token.split("_")[3]
    text = everything()
    assert [word for word in (token, secret, PASSWORD) if word in text] == []


def test_a_slug_is_taken_once(shop: Shop) -> None:
    before = stored()
    reply = shop.owner.as_(None).post("/v1/stores", {**STORE, "slug": shop.slug})
    assert (reply.status, reply.code) == (409, "slug_taken")
    assert stored() == before


def test_of_two_who_open_one_slug_at_once_one_gets_it(api: Client) -> None:
    first: list[Any] = []
    rival = {**STORE, "owner": {**OWNER, "email": "rival@nordlicht.test"}}
    with meanwhile("TransactWriteItems", lambda: first.append(api.post("/v1/stores", rival))):
        second = api.post("/v1/stores", STORE)
    assert ([reply.status for reply in first], second.status, second.code) == ([201], 409, "slug_taken")
    assert [account["email"] for account in stored("account")] == ["rival@nordlicht.test"]
    assert [member["email"] for member in stored("member")] == ["rival@nordlicht.test"]


def test_a_person_with_an_account_opens_another_store_by_its_password(shop: Shop) -> None:
    anyone, owner = shop.owner.as_(None), {**OWNER, "email": "OLA@acme.test"}
    again = {**STORE, "owner": owner}
    wrong = {**STORE, "owner": {**owner, "password": "quite another password"}}
    refused = anyone.post("/v1/stores", wrong)
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert [store["slug"] for store in stored("store")] == ["acme"]
    assert anyone.post("/v1/stores", again).status == 201
    assert len(stored("account")) == 1
    assert sorted(place["store_id"] for place in stored("membership")) == ["acme", "nordlicht"]


def test_a_retry_gets_the_same_answer_with_the_same_token(api: Client) -> None:
    first, again = (api.post("/v1/stores", STORE, key="once") for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert api.as_(again.json["session"]["token"]).get("/v1/me").status == 200
    assert len(stored("session")) == 1
    other = api.post("/v1/stores", {**STORE, "name": "Other"}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "\u200b\u200d"}, "/name"),
        ({"name": "bell\x07"}, "/name"),
        ({"name": "left\u202eright"}, "/name"),
        ({"name": "half \ud83d"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": None}, "/name"),
        ({"slug": "A"}, "/slug"),
        ({"slug": "-nordlicht"}, "/slug"),
        ({"slug": "nord licht"}, "/slug"),
        ({"slug": "nordlicht\n"}, "/slug"),
        ({"slug": "n" * 41}, "/slug"),
        ({"currency": "XBT"}, "/currency"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": "XAU"}, "/currency"),
        ({"currency": 978}, "/currency"),
        ({"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"owner": None}, "/owner"),
        ({"owner": {**OWNER, "email": "ola@nordlicht.test\r\nBcc: all@nordlicht.test"}}, "/owner/email"),
        ({"owner": {**OWNER, "email": "ola"}}, "/owner/email"),
        ({"owner": {**OWNER, "email": "Ola <ola@nordlicht.test>"}}, "/owner/email"),
        ({"owner": {**OWNER, "email": "half\ud83d@nordlicht.test"}}, "/owner/email"),
        ({"owner": {**OWNER, "email": f"{'o' * 250}@nordlicht.test"}}, "/owner/email"),
        ({"owner": {**OWNER, "password": "too short"}}, "/owner/password"),
        ({"owner": {**OWNER, "password": "long" * 33}}, "/owner/password"),
        ({"owner": {**OWNER, "password": "half of a pair \ud83d"}}, "/owner/password"),
        ({"owner": {**OWNER, "password": "aaaaaaaaaaaaaaaaaaaa"}}, "/owner/password"),
        ({"owner": {**OWNER, "password": "passwordpassword"}}, "/owner/password"),
        ({"owner": {**OWNER, "password": 12345678901234567}}, "/owner/password"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_nothing_is_opened(api: Client, fields: dict[str, Any], pointer: str) -> None:
    reply = api.post("/v1/stores", {**STORE, **fields})
    assert reply.status == 422, reply.text
    assert [fault["pointer"] for fault in reply.json["errors"]] == [pointer]
    assert stored() == []


@pytest.mark.parametrize("name", ["متجر النور", "店 🏮", "Zoë & Söhne <b>", "👩‍👩‍👧‍👦", "\U0001fae9 tired", 'O\'Hara "quoted"'])
def test_names_in_every_script_are_kept_as_they_are(api: Client, name: str) -> None:
    reply = api.post("/v1/stores", {**STORE, "name": name, "owner": {**OWNER, "name": name}})
    assert reply.status == 201, reply.text
    token = reply.json["session"]["token"]
    assert api.as_(token).get("/v1/store").json["name"] == name
    assert api.as_(token).get("/v1/me").json["name"] == name


def test_a_deployment_may_be_closed_to_new_stores(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_SIGNUP", "closed")
    settings.cache_clear()
    reply = api.post("/v1/stores", STORE)
    settings.cache_clear()
    assert (reply.status, reply.code) == (403, "signup_closed")
    assert stored() == []


def test_without_an_idempotency_key_nothing_is_opened(api: Client) -> None:
    reply = api.post("/v1/stores", STORE, key=None)
    assert (reply.status, reply.code) == (400, "idempotency_key_required")
    assert stored() == []


def test_two_stores_know_nothing_of_each_other(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    assert [tier["id"] for tier in rival.owner.get("/v1/price-tiers").json["items"]] == [rival.tier_id]
    assert rival.owner.get(f"/v1/price-tiers/{shop.tier_id}").status == 404
