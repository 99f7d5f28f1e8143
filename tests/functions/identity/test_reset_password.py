"""A forgotten password: replaced by a mailed link, once, within the hour."""

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.mail import announced, deliver, queued
from tests.support.ordering import send_event
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, Shop

NEW = "nine grey gulls at dusk"


def ask(shop: Shop, email: str = "ola@acme.test") -> None:
    """Ask for a link."""
    reply = shop.owner.as_(None).post("/v1/password-resets", {"email": email})
    assert reply.status == 202, reply.text


def mailed_token() -> str:
    """Return the token of the link in the latest mail."""
    return deliver()[-1].html.partition("https://portal.example/r/")[2].partition('"')[0]


def replace(shop: Shop, token: str, password: str = NEW) -> tuple[int, str | None]:
    """Follow a link."""
    reply = shop.owner.as_(None).put(f"/v1/password-resets/{token}", {"new_password": password})
    return reply.status, reply.code


def log_in(shop: Shop, password: str) -> int:
    """Try to log in."""
    return shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": password}).status


def test_a_link_replaces_the_password_ends_all_sessions_and_says_so_by_mail(shop: Shop, time: Clock) -> None:
    time.advance(seconds=1)
    assert send_event("identity/reset_password.requested").status == 202
    token = mailed_token()
    assert (token.startswith("tp_reset_"), token in everything(), token.split("_")[3] in everything()) == (True, False, False)
    assert replace(shop, token) == (204, None)
    assert shop.owner.get("/v1/me").code == "invalid_token"
    assert (log_in(shop, PASSWORD), log_in(shop, NEW)) == (401, 201)
    assert [message["type"] for message in announced()] == ["password_reset", "password_changed"]
    assert deliver()[-1].to == "ola@acme.test"
    assert stored("password_reset") == []
    actors = {line["action"]: line["actor"]["type"] for line in stored("audit") if line["action"].startswith("password")}
    assert actors == {"password_reset:requested": "anonymous", "password:reset": "anonymous"}


def test_an_unknown_address_gets_the_same_answer_and_no_mail(shop: Shop) -> None:
    api = shop.owner.as_(None)
    known = api.post("/v1/password-resets", {"email": "ola@acme.test"})
    unknown = api.post("/v1/password-resets", {"email": "nobody@acme.test"})
    assert (unknown.status, unknown.text) == (known.status, known.text)
    assert len(queued()) == 1


def test_a_link_works_once(shop: Shop) -> None:
    ask(shop)
    token = mailed_token()
    assert replace(shop, token) == (204, None)
    assert replace(shop, token, "ten brown bears at dawn") == (410, "reset_expired")
    assert log_in(shop, NEW) == 201


def test_a_link_dies_after_an_hour(shop: Shop, time: Clock) -> None:
    ask(shop)
    token = mailed_token()
    time.advance(minutes=60)
    assert replace(shop, token) == (410, "reset_expired")
    assert log_in(shop, PASSWORD) == 201


def test_a_newer_link_replaces_an_older_one(shop: Shop, time: Clock) -> None:
    ask(shop)
    older = mailed_token()
    time.advance(minutes=2)
    ask(shop)
    newer = mailed_token()
    assert replace(shop, older) == (410, "reset_expired")
    assert replace(shop, newer) == (204, None)


def test_asking_again_at_once_sends_no_second_mail(shop: Shop, time: Clock) -> None:
    for _ in range(5):
        ask(shop)
    assert len(queued()) == 1
    time.advance(seconds=61)
    ask(shop)
    assert len(queued()) == 2


@pytest.mark.parametrize("email", ["ola@acme.test", "nobody@acme.test"])
def test_a_retry_is_one_request_and_a_reused_key_is_refused_whoever_asks(shop: Shop, time: Clock, email: str) -> None:
    api = shop.owner.as_(None)
    first = api.post("/v1/password-resets", {"email": email}, key="once")
    time.advance(minutes=5)
    again = api.post("/v1/password-resets", {"email": email}, key="once")
    other = api.post("/v1/password-resets", {"email": "third@acme.test"}, key="once")
    assert (again.status, again.text, again.headers["idempotent-replayed"]) == (202, first.text, "true")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len(queued()) == (1 if email == "ola@acme.test" else 0)


def test_a_link_that_we_never_made_is_not_found(shop: Shop) -> None:
    ask(shop)
    token = mailed_token()
    session = str(shop.owner.token)
    for forged in ("nonsense", token[:-1] + ("0" if token[-1] != "0" else "1"), session):
        assert replace(shop, forged) == (404, "not_found")


def test_a_weak_password_leaves_the_link_alive(shop: Shop) -> None:
    ask(shop)
    token = mailed_token()
    before = stored()
    for weak, code in (("short", "password_length"), ("passwordpassword", "password_common")):
        assert replace(shop, token, weak) == (422, code)
    assert stored() == before
    assert replace(shop, token) == (204, None)


def test_a_hostile_host_header_does_not_change_the_link(shop: Shop) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    Client().post("/v1/password-resets", {"email": "ola@acme.test"}, headers=headers)
    (mail,) = deliver()
    assert "https://portal.example/r/tp_reset_" in mail.html
    assert "evil.example" not in mail.html
