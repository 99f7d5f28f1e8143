"""Connecting an app: a code on one's own screen lets a device in, once and within two minutes."""

import base64
import re
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.functions import SOURCE, Reply
from tests.support.ordering import send_event
from tests.support.reps import Rep, allocate, hire
from tests.support.table import counted_calls, everything, records, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.pairing import WRONG_CODES

WRONG = "acme-2222-2222-2222"


@pytest.fixture
def rhea(shop: Shop) -> Rep:
    """A sales rep."""
    return hire(shop)


def offer(rep: Rep, *, key: str = "") -> dict[str, Any]:
    """Let a rep obtain a code."""
    reply = rep.client.post("/v1/pairing-codes", key=key)
    assert reply.status == 201, reply.text
    return dict(reply.json)


def exchange(shop: Shop, code: Any, *, key: str = "", **fields: Any) -> Reply:
    """Try a code out, on a device that nobody is signed in on."""
    return shop.owner.as_(None).post("/v1/pairing-codes/exchange", {"code": code, **fields}, key=key)


def test_a_code_lets_a_device_in_with_a_session_of_its_own(shop: Shop, rhea: Rep) -> None:
    offered = send_event("identity/pair_device.offered", TOKEN=rhea.client.token)
    assert offered.status == 201
    reply = send_event("identity/pair_device.exchanged", CODE=offered.json["code"])
    assert reply.status == 201
    assert (reply.json["member"]["id"], reply.json["store"]["slug"], reply.json["landing"]) == (rhea.id, "acme", "dashboard")
    phone = shop.owner.as_(reply.json["token"])
    assert phone.get("/v1/me").json["id"] == rhea.id
    listed = rhea.client.get("/v1/sessions").json["items"]
    assert {(each["device"], each["current"]) for each in listed} == {("tests", True), ("Rhea's phone", False)}
    assert stored("pairing") == []
    lines = [line for line in stored("audit") if line["actor"]["id"] == rhea.id]
    assert [line["action"] for line in lines][-2:] == ["pairing_code:issued", "session:started"]


def test_a_code_is_readable_and_its_image_shows_it(rhea: Rep, time: Clock) -> None:
    offered = offer(rhea)
    assert re.fullmatch(r"acme(?:-[2-9A-HJKMNP-TV-Z]{4}){3}", offered["code"])
    kind, _, image = offered["image"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(image).startswith(b"\x89PNG\r\n\x1a\n")
    other = offer(rhea)
    assert other["code"] != offered["code"]
    assert other["image"] != offered["image"]


def test_a_code_is_in_no_key_and_only_its_digest_is_stored(shop: Shop, rhea: Rep) -> None:
    offered = offer(rhea)
    exchange(shop, "acme-" + "3" * 12)
    for spelled in (offered["code"], offered["code"].removeprefix("acme-"), offered["code"][5:].replace("-", "")):
        assert spelled not in everything()
        assert spelled.lower() not in everything()
    assert offered["image"] not in everything()


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: code.lower(),
        lambda code: f"  {code.upper()}\n",
        lambda code: code.replace("-", " "),
        lambda code: code.replace("-", ""),
        " ".join,
        lambda code: code.replace("-", " - "),
    ],
)
def test_it_does_not_matter_how_a_code_is_typed(shop: Shop, rhea: Rep, typed: Any) -> None:
    assert exchange(shop, typed(offer(rhea)["code"])).status == 201


def test_a_store_with_hyphens_in_its_name_has_codes_too(shop: Shop) -> None:
    shop = open_shop(shop.owner.as_(None), "two--words-22")
    code = offer(hire(shop, "Rolf"))["code"]
    assert code.startswith("two--words-22-")
    assert exchange(shop, code.lower()).json["store"]["slug"] == "two--words-22"


def test_a_code_serves_once(shop: Shop, rhea: Rep) -> None:
    code = offer(rhea)["code"]
    assert exchange(shop, code).status == 201
    used, unknown = exchange(shop, code), exchange(shop, WRONG)
    assert (used.status, used.text) == (404, unknown.text)
    assert len(stored("session")) == 3


def test_of_two_devices_that_come_at_once_one_gets_in(shop: Shop, rhea: Rep) -> None:
    code, replies = offer(rhea)["code"], []
    with meanwhile("TransactWriteItems", lambda: replies.append(exchange(shop, code))):
        replies.append(exchange(shop, code))
    assert sorted(reply.status for reply in replies) == [201, 404]
    assert len(stored("session")) == 3


def test_a_retry_of_either_gets_the_first_answer_again(shop: Shop, rhea: Rep) -> None:
    first, again = offer(rhea, key="offer"), rhea.client.post("/v1/pairing-codes", key="offer")
    assert (again.json, again.headers["idempotent-replayed"]) == (first, "true")
    assert len(stored("pairing")) == 1
    let_in, repeated = (exchange(shop, first["code"], key="let-in", device="phone") for _ in range(2))
    assert (repeated.status, repeated.json) == (201, let_in.json)
    assert let_in.json["token"] not in everything()
    other = exchange(shop, first["code"], key="let-in", device="tablet")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_a_code_that_is_too_old_is_as_good_as_none(shop: Shop, rhea: Rep, time: Clock) -> None:
    in_time, late = offer(rhea)["code"], offer(rhea)["code"]
    time.advance(seconds=119)
    assert exchange(shop, in_time).status == 201
    time.advance(seconds=1)
    assert exchange(shop, late).text == exchange(shop, WRONG).text


def test_the_table_forgets_codes_by_itself(rhea: Rep, time: Clock) -> None:
    offer(rhea)
    (record,) = records("pairing")
    assert record.expires_at == int(time.at.timestamp()) + 120


def _by_log_out(shop: Shop, rhea: Rep) -> None:
    assert rhea.client.delete("/v1/sessions/current").status == 204


def _by_deactivation(shop: Shop, rhea: Rep) -> None:
    path = f"/v1/sales-reps/{rhea.id}"
    assert shop.owner.patch(path, {"active": False}, etag=shop.owner.get(path).json["etag"]).status == 200


def _by_a_new_password(shop: Shop, rhea: Rep) -> None:
    body = {"email": rhea.email, "password": PASSWORD, "store": "acme"}
    other = shop.owner.as_(shop.owner.as_(None).post("/v1/sessions", body).json["token"])
    change = {"current_password": PASSWORD, "new_password": "nine grey gulls at dusk"}
    assert other.put("/v1/me/password", change).status == 204


@pytest.mark.parametrize("undone", [_by_log_out, _by_deactivation, _by_a_new_password])
def test_a_code_and_the_session_it_began_die_with_what_they_came_from(shop: Shop, rhea: Rep, time: Clock, undone: Any) -> None:
    before, code = exchange(shop, offer(rhea)["code"]).json["token"], offer(rhea)["code"]
    time.advance(seconds=1)
    undone(shop, rhea)
    assert exchange(shop, code).text == exchange(shop, WRONG).text
    # A device that was let in before has a session of its own, which outlives only the other's log-out.
    assert shop.owner.as_(before).get("/v1/me").status == (200 if undone is _by_log_out else 401)


def test_a_paired_device_is_ended_in_the_list(shop: Shop, rhea: Rep) -> None:
    phone = shop.owner.as_(exchange(shop, offer(rhea)["code"], device="phone").json["token"])
    (listed,) = [each for each in rhea.client.get("/v1/sessions").json["items"] if each["device"] == "phone"]
    assert rhea.client.delete(f"/v1/sessions/{listed['id']}").status == 204
    assert phone.get("/v1/me").code == "invalid_token"


@pytest.mark.parametrize(
    "code", [WRONG, "nowhere-2222-2222-2222", "acme", "", "-" * 200, "acme-0000-0000-0000", "acme-2222-2222-222\x00", "🔑" * 12]
)
def test_a_wrong_code_gets_one_same_answer_and_lets_nobody_in(shop: Shop, rhea: Rep, code: str) -> None:
    offer(rhea)
    before = {entity: stored(entity) for entity in ("session", "pairing", "audit", "replay")}
    reply = exchange(shop, code)
    assert (reply.status, reply.json["detail"]) == (404, "There is no such pairing code.")
    assert before == {entity: stored(entity) for entity in before}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/code"),
        ({"code": 7}, "/code"),
        ({"code": "a" * 201}, "/code"),
        ({"code": WRONG, "device": "d" * 201}, "/device"),
        ({"code": WRONG, "device": " "}, "/device"),
        ({"code": WRONG, "store": "acme"}, "/store"),
    ],
)
def test_what_cannot_be_understood_counts_for_nothing(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    reply = shop.owner.as_(None).post("/v1/pairing-codes/exchange", body)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored("limit") == []


def test_codes_cannot_be_guessed_for_long_and_nobody_else_is_disturbed(shop: Shop, rhea: Rep, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    abroad = hire(rival, "Rolf")
    tries = [exchange(shop, f"acme-ZZZZ-ZZZZ-ZZZ{last}") for last in "23456789ABCDEFGHJKMNPQRST"]
    assert [reply.status for reply in tries] == [404] * WRONG_CODES.most + [429] * 5
    assert tries[-1].code == "too_many_attempts"
    assert 1 <= int(tries[-1].headers["retry-after"]) <= 300
    # The right one has to wait as well, and is not used up by it.
    code = offer(rhea)["code"]
    assert exchange(shop, code).status == 429
    assert len(stored("pairing")) == 1
    assert exchange(rival, offer(abroad)["code"]).status == 201
    # Whoever comes from elsewhere has guessed nothing.
    elsewhere = SOURCE.set("198.51.100.4")
    assert exchange(shop, code).status == 201
    SOURCE.reset(elsewhere)
    time.advance(minutes=5)
    assert exchange(shop, offer(rhea)["code"]).status == 201


def test_only_reps_obtain_codes_and_only_as_themselves(shop: Shop, rhea: Rep) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    allocate(shop, customer, rhea)
    body = {"customer_id": customer["id"], "employee_id": buyer.get("/v1/me").json["id"], "reason": "Asked"}
    acting = shop.owner.as_(rhea.client.post("/v1/acting-sessions", body).json["token"])
    before = stored()
    for client, status, code in (
        (shop.owner, 403, "forbidden"),
        (buyer, 403, "forbidden"),
        (acting, 403, "not_while_acting"),
        (shop.owner.as_(None), 401, "credentials_required"),
    ):
        reply = client.post("/v1/pairing-codes")
        assert (reply.status, reply.code) == (status, code)
    assert rhea.client.post("/v1/pairing-codes", key=None).code == "idempotency_key_required"
    assert stored() == before


def test_a_device_that_does_not_name_itself_is_called_what_it_sends(shop: Shop, rhea: Rep) -> None:
    body = {"code": offer(rhea)["code"]}
    shop.owner.as_(None).post("/v1/pairing-codes/exchange", body, headers={"User-Agent": "Tradepost/1.0"})
    assert "Tradepost/1.0" in {each["device"] for each in rhea.client.get("/v1/sessions").json["items"]}


def test_an_exchange_takes_one_call_more_for_the_person_behind_the_code(shop: Shop, rhea: Rep) -> None:
    with counted_calls() as calls:
        code = offer(rhea)["code"]
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        assert exchange(shop, code).status == 201
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
