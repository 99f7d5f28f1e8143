"""The page behind a password reset's link."""

import json

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import ROOT, Context, load_function
from tests.support.html import page_of, send_form
from tests.support.table import counted_calls, stored
from tests.support.world import PASSWORD, Shop
from tradepost.aws.links import reset_token
from tradepost.domain.ids import person_key

EMAIL = "ola@acme.test"
NEW = "seven slow boats at dawn"
EVENTS = ROOT / "events" / "identity"


def ask(api: Client) -> str:
    """Ask for a reset, and return the token that the mail carries."""
    assert api.post("/v1/password-resets", {"email": EMAIL}).status == 202
    messages = [item["message"] for item in stored("outbox") if item["message"]["type"] == "password_reset"]
    (reset,) = stored("password_reset")
    (message,) = [message for message in messages if message["nonce"] == reset["nonce"]]
    return str(reset_token(message["person"], message["nonce"]))


@pytest.fixture
def token(shop: Shop, api: Client) -> str:
    """A link to replace the owner's password."""
    return ask(api)


def test_opening_the_link_a_hundred_times_changes_nothing(api: Client, token: str) -> None:
    before = stored()
    with counted_calls() as calls:
        replies = [api.get(f"/r/{token}") for _ in range(100)]
    page = page_of(replies[0])
    assert {reply.status for reply in replies} == {200}
    assert page.heading == "Choose a new password"
    assert page.values == {"email": EMAIL, "password": ""}
    assert "15 to 128 characters" in page.text
    assert stored() == before
    assert calls == ["Query"] * 100


def test_a_new_password_ends_every_session_is_told_by_mail_and_works_once(
    shop: Shop, api: Client, token: str, time: Clock
) -> None:
    # Given an owner who is logged in
    assert shop.owner.get("/v1/store").status == 200
    time.advance(seconds=1)
    # When the password is replaced by the form
    reply = send_form(api, f"/r/{token}", {"email": "eve@evil.test", "password": NEW})
    # Then only the new one logs in, the session is over, and the person is told
    assert (reply.status, page_of(reply).heading) == (200, "Your new password is saved")
    assert shop.owner.get("/v1/store").status == 401
    log_ins = [api.post("/v1/sessions", {"email": EMAIL, "password": password}).status for password in (PASSWORD, NEW)]
    assert log_ins == [401, 201]
    changed = [item["message"] for item in stored("outbox") if item["message"]["type"] == "password_changed"]
    assert [message["person"] for message in changed] == [person_key(EMAIL)]
    # And the link is used up, on both sides of the form
    before = stored()
    for dead in (api.get(f"/r/{token}"), send_form(api, f"/r/{token}", {"password": PASSWORD})):
        assert (dead.status, page_of(dead).heading) == (410, "This link cannot be used any more")
        assert page_of(dead).all("form") == []
    assert stored() == before


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", "New password must have 15 to 128 characters."),
        ("too short", "New password must have 15 to 128 characters."),
        ("passwordpassword", "New password is among the first that anybody would try."),
        ("x" * 5000, "New password must have 15 to 128 characters."),
    ],
    ids=["empty", "short", "common", "long"],
)
def test_a_bad_password_is_explained_beside_its_field_and_the_link_lives_on(
    api: Client, token: str, typed: str, error: str
) -> None:
    before = stored()
    reply = send_form(api, f"/r/{token}", {"password": typed})
    page = page_of(reply)
    assert (reply.status, page.error_of("password")) == (422, error)
    assert page.title.startswith("Error: ")
    assert page.values == {"email": EMAIL, "password": ""}
    assert stored() == before
    assert send_form(api, f"/r/{token}", {"password": NEW}).status == 200


def test_a_link_dies_after_an_hour_and_when_a_newer_one_is_asked_for(api: Client, token: str, time: Clock) -> None:
    time.advance(minutes=59)
    assert api.get(f"/r/{token}").status == 200
    newer = ask(api)
    assert [api.get(f"/r/{link}").status for link in (token, newer)] == [410, 200]
    time.advance(minutes=60)
    assert api.get(f"/r/{newer}").status == 410
    assert send_form(api, f"/r/{newer}", {"password": NEW}).status == 410
    assert api.post("/v1/sessions", {"email": EMAIL, "password": PASSWORD}).status == 201


@pytest.mark.parametrize("change", ["mistyped", "session"])
def test_a_link_that_is_not_ours_is_unknown_and_costs_no_read(api: Client, token: str, change: str) -> None:
    link = token[:-1] + "z" if change == "mistyped" else str(api.token or "tp_session_x_y_z")
    with counted_calls() as calls:
        reply = api.get(f"/r/{link}")
    assert (reply.status, page_of(reply).heading) == (404, "We do not know this link")
    assert calls == []


def test_nobody_can_forge_a_link_for_somebody_else(shop: Shop, api: Client, token: str) -> None:
    forged = reset_token(person_key(EMAIL), "guessed")
    nobodys = reset_token(person_key("nobody@acme.test"), "guessed")
    assert [api.get(f"/r/{link}").status for link in (forged, nobodys)] == [410, 404]


@pytest.mark.parametrize(("body", "status"), [("password=%ff", 400), ("password=" + "x" * 20_000, 413)])
def test_a_body_that_is_no_form_of_ours_is_refused_with_a_page(api: Client, token: str, body: str, status: int) -> None:
    before = stored()
    reply = send_form(api, f"/r/{token}", body)
    assert (reply.status, page_of(reply).heading) == (status, "We could not read that")
    assert stored() == before


def test_the_page_is_kept_by_nobody_and_loads_nothing(api: Client, token: str) -> None:
    headers = api.get(f"/r/{token}").headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "img-src" not in headers["content-security-policy"]


def test_the_recorded_events_are_understood(token: str) -> None:
    for event in ("open_link", "choose_password"):
        sent = json.loads((EVENTS / f"reset_password_page.{event}.json").read_text().replace("TOKEN", token))
        assert load_function("identity/reset_password_page").handler(sent, Context())["statusCode"] == 200
    assert len([item for item in stored("outbox") if item["message"]["type"] == "password_changed"]) == 1
