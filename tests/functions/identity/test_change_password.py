"""Changing one's password: whoever else is signed in is out."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, Shop

NEW = "nine grey gulls at dusk"


def log_in(shop: Shop, password: str, email: str = "ola@acme.test") -> Any:
    """Try to log in."""
    return shop.owner.as_(None).post("/v1/sessions", {"email": email, "password": password})


def test_a_new_password_ends_every_other_session_but_not_this_one(shop: Shop, time: Clock) -> None:
    other = Client(log_in(shop, PASSWORD).json["token"])
    time.advance(seconds=1)
    reply = send_event("identity/change_password.changed", TOKEN=shop.owner.token)
    assert (reply.status, reply.text) == (204, "")
    assert shop.owner.get("/v1/me").status == 200
    assert other.get("/v1/me").code == "invalid_token"
    assert log_in(shop, PASSWORD).status == 401
    assert log_in(shop, NEW).status == 201
    assert NEW not in everything()


def test_the_person_is_told_by_mail(shop: Shop) -> None:
    shop.owner.put("/v1/me/password", {"current_password": PASSWORD, "new_password": NEW})
    (message,) = announced()
    assert message["type"] == "password_changed"
    (mail,) = deliver()
    assert mail.to == "ola@acme.test"
    assert NEW not in mail.html
    assert [line["action"] for line in stored("audit")][-1] == "password:changed"


def test_a_wrong_present_password_changes_nothing_and_counts_as_a_failed_log_in(shop: Shop) -> None:
    account = stored("account")
    body = {"current_password": "not this one at all", "new_password": NEW}
    replies = [shop.owner.put("/v1/me/password", body) for _ in range(11)]
    assert [(reply.status, reply.code) for reply in replies] == [(401, "invalid_credentials")] * 10 + [
        (429, "too_many_attempts")
    ]
    assert stored("account") == account
    assert stored("outbox") == []


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", "password_length"),
        ("x" * 129, "password_length"),
        ("password1234567", "password_common"),
        ("ola@acme.test22", "password_common"),
        ("NordmannNordmann", "password_common"),
    ],
)
def test_a_new_password_that_is_weak_is_refused(shop: Shop, new: str, code: str) -> None:
    before = stored()
    reply = shop.owner.put("/v1/me/password", {"current_password": PASSWORD, "new_password": new})
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/new_password")
    assert reply.code == code
    assert stored() == before


def test_one_password_opens_every_store_of_a_person(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    assert buyer.put("/v1/me/password", {"current_password": PASSWORD, "new_password": NEW}).status == 204
    assert log_in(shop, NEW, "buyer@bluedoor.test").status == 201
    assert log_in(shop, PASSWORD).status == 201  # the owner's is the owner's
