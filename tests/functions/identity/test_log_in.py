"""Logging in: one password for all of a person's stores, and the same answer for whoever has none."""

from datetime import timedelta

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.mail import deliver
from tests.support.ordering import send_event
from tests.support.reps import hire
from tests.support.table import counted_calls, everything, stored
from tests.support.world import PASSWORD, Shop, open_shop

WRONG = "nobody's own password"


def log_in(shop: Shop, email: str, password: str = PASSWORD, **more: str | None) -> Reply:
    """Try to log in, to the shop unless told otherwise."""
    body = {"email": email, "password": password, "store": shop.slug, **more}
    return shop.owner.as_(None).post("/v1/sessions", {name: value for name, value in body.items() if value})


def test_the_owner_logs_in_and_learns_where_it_is(shop: Shop) -> None:
    reply = send_event("identity/log_in.owner")
    assert reply.status == 201
    assert (reply.json["member"]["role"], reply.json["store"]["slug"], reply.json["landing"]) == ("owner", "acme", "dashboard")
    assert shop.owner.as_(reply.json["token"]).get("/v1/me").json["email"] == "ola@acme.test"
    assert reply.json["token"].split("_")[3] not in everything()
    assert [line["action"] for line in stored("audit")][-1] == "session:started"


def test_an_address_is_the_same_person_in_any_letter_case(shop: Shop) -> None:
    assert log_in(shop, "OLA@ACME.TEST").json["member"] == log_in(shop, "ola@acme.test").json["member"]


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer_at_the_same_cost(shop: Shop) -> None:
    log_in(shop, "first@acme.test", WRONG)  # what is only computed once is computed
    with counted_calls() as known:
        wrong = log_in(shop, "ola@acme.test", WRONG)
    with counted_calls() as unknown:
        nobody = log_in(shop, "nobody@acme.test", WRONG)
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert (nobody.status, nobody.text, unknown) == (wrong.status, wrong.text, known)
    assert len(stored("throttle")) == 3
    assert len(stored("session")) == 1


@pytest.mark.parametrize("email", ["ola@acme.test", "nobody@acme.test"])
def test_a_hundred_wrong_passwords_are_throttled_whoever_the_address_belongs_to(shop: Shop, time: Clock, email: str) -> None:
    time.at = time.at.replace(minute=1)
    replies = [log_in(shop, email.upper() if number % 2 else email, WRONG) for number in range(100)]
    assert [reply.status for reply in replies] == [401] * 10 + [429] * 90
    assert {reply.code for reply in replies[10:]} == {"too_many_attempts"}
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 900
    (throttle,) = stored("throttle")
    assert throttle["tally"] == 10
    # Then even the right password has to wait, and no longer than it was told
    assert log_in(shop, email).status == 429
    time.advance(seconds=int(replies[-1].headers["retry-after"]))
    assert log_in(shop, email, WRONG).status == 401


def test_an_owner_who_is_throttled_gets_in_by_a_reset(shop: Shop, time: Clock) -> None:
    statuses = [log_in(shop, "ola@acme.test", WRONG).status for _ in range(11)]
    assert statuses[-1] == 429
    api = shop.owner.as_(None)
    assert api.post("/v1/password-resets", {"email": "ola@acme.test"}).status == 202
    token = deliver()[-1].html.partition("/r/")[2].partition('"')[0]
    assert api.put(f"/v1/password-resets/{token}", {"new_password": "nine grey gulls at dusk"}).status == 204
    assert log_in(shop, "ola@acme.test", "nine grey gulls at dusk").status == 201


def test_a_success_forgets_the_failures_before_it(shop: Shop, time: Clock) -> None:
    for _ in range(9):
        log_in(shop, "ola@acme.test", WRONG)
    assert log_in(shop, "ola@acme.test").status == 201
    assert stored("throttle") == []
    assert log_in(shop, "ola@acme.test", WRONG).status == 401


def test_whoever_has_places_in_several_stores_says_which(shop: Shop) -> None:
    open_shop(shop.owner.as_(None), "rival", email="ola@acme.test")
    reply = log_in(shop, "ola@acme.test", store=None)
    assert (reply.status, reply.code, reply.json["stores"]) == (409, "store_required", ["acme", "rival"])
    assert log_in(shop, "ola@acme.test", store="rival").json["store"]["slug"] == "rival"
    elsewhere = log_in(shop, "ola@acme.test", store="nowhere")
    assert (elsewhere.status, elsewhere.code) == (401, "invalid_credentials")


def test_whoever_buys_for_several_customers_of_a_store_says_for_which(shop: Shop) -> None:
    blue = shop.add_customer("Blue Door", "ida@doors.test")
    shop.join(blue)
    green = shop.add_customer("Green Gate", "office@greengate.test")
    for customer, email in ((blue, "office@doors.test"), (green, "IDA@doors.test")):
        path = f"/v1/customers/{customer['id']}"
        moved = shop.owner.patch(path, {"email": email}, etag=shop.owner.get(path).json["etag"])
        assert moved.status == 200, moved.text
    shop.join(green)
    reply = log_in(shop, "ida@doors.test")
    assert (reply.status, reply.code) == (409, "customer_required")
    assert {choice["name"] for choice in reply.json["customers"]} == {"Blue Door", "Green Gate"}
    buyer = log_in(shop, "ida@doors.test", customer_id=green["id"])
    assert shop.owner.as_(buyer.json["token"]).get("/v1/me").json["customer_id"] == green["id"]


def test_whoever_is_on_the_staff_and_buys_there_too_enters_as_the_staff_unless_it_names_the_customer(shop: Shop) -> None:
    customer = shop.add_customer("Blue Door", "rhea@reps.test")
    shop.join(customer, name="Rhea")
    rep = hire(shop)
    assert log_in(shop, rep.email).json["member"]["id"] == rep.id
    assert log_in(shop, rep.email, customer_id=customer["id"]).json["member"]["role"] == "buyer"
    # Sent away as a sales rep, it still buys
    etag = shop.owner.get(f"/v1/sales-reps/{rep.id}").json["etag"]
    assert shop.owner.patch(f"/v1/sales-reps/{rep.id}", {"active": False}, etag=etag).status == 200
    assert log_in(shop, rep.email).json["member"]["role"] == "buyer"


def test_a_store_that_is_switched_off_lets_its_staff_in_and_nobody_else(shop: Shop) -> None:
    buyer, rep = shop.join(shop.add_customer()), hire(shop)
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"active": False}, etag=etag).status == 200
    for reply in (buyer.get("/v1/me"), log_in(shop, "buyer@bluedoor.test")):
        assert (reply.status, reply.code) == (503, "store_inactive")
    for client, email in ((shop.owner, "ola@acme.test"), (rep.client, rep.email)):
        assert log_in(shop, email).status == 201
        assert client.get("/v1/me").status == 200


def test_the_buyer_of_an_inactive_customer_is_out_at_once_and_cannot_come_back(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{customer['id']}", {"active": False}, etag=etag).status == 200
    assert (buyer.get("/v1/me").status, buyer.get("/v1/me").code) == (401, "invalid_token")
    sessions = len(stored("session"))
    reply = log_in(shop, "buyer@bluedoor.test")
    assert (reply.status, reply.code) == (401, "invalid_credentials")
    assert len(stored("session")) == sessions


def test_a_retried_log_in_starts_one_session_and_brings_its_token_again(shop: Shop) -> None:
    api, body = shop.owner.as_(None), {"email": "ola@acme.test", "password": PASSWORD}
    before = len(stored("session"))
    first, again = (api.post("/v1/sessions", body, key="once") for _ in range(2))
    assert (again.status, again.json) == (first.status, first.json)
    assert len(stored("session")) == before + 1
    other = api.post("/v1/sessions", {**body, "password": WRONG}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_the_landing_page_is_ones_own_before_the_stores(shop: Shop) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    shop.owner.patch("/v1/store", {"default_landing": "catalog"}, etag=etag)
    assert log_in(shop, "ola@acme.test").json["landing"] == "catalog"
    shop.owner.patch("/v1/me", {"landing": "orders"}, etag='"1"')
    assert log_in(shop, "ola@acme.test").json["landing"] == "orders"


def test_a_session_lives_while_it_is_used_and_thirty_days_at_most(shop: Shop, time: Clock) -> None:
    token = log_in(shop, "ola@acme.test").json["token"]
    owner, started = shop.owner.as_(token), time.at
    while time.at < started + timedelta(days=30) - timedelta(hours=11):
        time.advance(hours=11)
        assert owner.get("/v1/me").status == 200, time.at - started
    time.at = started + timedelta(days=30)
    assert (owner.get("/v1/me").status, owner.get("/v1/me").code) == (401, "invalid_token")


def test_a_session_that_is_left_alone_for_twelve_hours_is_over(shop: Shop, time: Clock) -> None:
    owner = shop.owner.as_(log_in(shop, "ola@acme.test").json["token"])
    time.advance(hours=11, minutes=59)
    assert owner.get("/v1/me").status == 200
    time.advance(hours=12)
    assert owner.get("/v1/me").status == 401


def test_that_a_session_is_in_use_is_written_every_half_hour_at_most(shop: Shop, time: Clock) -> None:
    owner = shop.owner.as_(log_in(shop, "ola@acme.test").json["token"])
    time.advance(minutes=29)
    with counted_calls() as calls:
        owner.get("/v1/me")
    assert calls == ["BatchGetItem"]
    time.advance(minutes=2)
    with counted_calls() as calls:
        owner.get("/v1/me")
        owner.get("/v1/me")
    assert calls == ["BatchGetItem", "UpdateItem", "BatchGetItem"]


@pytest.mark.parametrize(
    "credential",
    [
        "Bearer",
        "Basic b2xhOm5vbg==",
        "Bearer tp_session_x",
        "Bearer {token}x",
        "Bearer {swapped}",
        "bearer  {other_kind}",
        "{token}",
    ],
)
def test_a_credential_that_is_none_is_refused_without_reading_anything(shop: Shop, credential: str) -> None:
    token = str(shop.owner.token)
    swapped = token[:-1] + ("0" if token[-1] != "0" else "1")
    sent = credential.format(token=token, swapped=swapped, other_kind=token.replace("session", "reset"))
    with counted_calls() as calls:
        reply = Client().get("/v1/me", headers={"Authorization": sent})
    assert (reply.status, reply.code) == (401, "invalid_token")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert calls == []


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ola@acme.test\r\nX: y", "password": PASSWORD},
        {"email": "ola@acme.test", "password": "half \ud83d of a pair"},
        {"email": "ola@acme.test", "password": "x" * 1001},
        {"email": "ola@acme.test"},
        {"email": "ola@acme.test", "password": None},
        {"email": "ola@acme.test", "password": PASSWORD, "store": "ACME"},
        {"email": "ola@acme.test", "password": PASSWORD, "remember": True},
        [],
        '"text"',
        "null",
        None,
    ],
)
def test_what_is_no_log_in_is_refused_and_counts_as_no_failure(shop: Shop, body: object) -> None:
    before = stored()
    assert shop.owner.as_(None).post("/v1/sessions", body).status == 422
    assert stored() == before
