"""The page behind an enrolment's link: opening it does nothing, the button confirms once, and it always says how far it is."""

from collections.abc import Callable
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.functions.invitations.test_accept_invitation_page import brand
from tests.support.client import Client
from tests.support.enrolling import COMPANY, EMAIL, confirm, enrol, enrolled, on_another_machine
from tests.support.faults import failing, meanwhile, refusal
from tests.support.html import page_of, send_form
from tests.support.mail import announced, waiting_on
from tests.support.table import counted_calls, everything, records, stored
from tests.support.world import PASSWORD, Shop
from tradepost.aws.links import enrolment_link
from tradepost.aws.secrets import signing_key
from tradepost.domain.clock import stamp
from tradepost.domain.ids import link_token, person_key

FUNCTION = "resellers/confirm_enrolment_page"
NEWS = [{"type": "reseller", "store_id": "acme", "reseller_id": person_key(EMAIL), "event": "enrolled"}]
RUN = [{"type": "enrolment", "store_id": "acme", "reseller_id": person_key(EMAIL)}]


@pytest.fixture
def token(shop: Shop) -> str:
    """The link of a company that has enrolled."""
    return enrol(shop)


def set_store(shop: Shop, **settings: Any) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", settings, etag=etag).status == 200


def decide(status: str, **fields: Any) -> None:
    """Let the store have decided about the one reseller, as far as enrolments can tell."""
    (record,) = records("reseller")
    for name, value in {"status": status, **fields}.items():
        record.update([Path(f"data.{name}").set(value)])
    record.update([Path("version").add(1)])


def news() -> list[dict[str, Any]]:
    """Return what was announced besides links."""
    return [message for message in announced() if message["type"] != "reseller_confirmation"]


def heading(shop: Shop, token: str) -> str:
    reply = shop.owner.as_(None).get(f"/e/{token}")
    assert reply.status == 200, reply.text
    return page_of(reply).heading


def test_a_hundred_openings_change_nothing_and_show_what_was_entered(shop: Shop, api: Client) -> None:
    brand(shop, display_name="Acme Wholesale", colour="#ffe600", reply_to="sales@acme.test")
    token = enrol(shop, tax_id="DE123", answers={"How did you hear of us?": "At the fair.\nBy a friend."})
    before = stored()
    with counted_calls() as calls:
        replies = [api.get(f"/e/{token}") for _ in range(100)]
    page = page_of(replies[0])
    assert {reply.status for reply in replies} == {200}
    assert stored() == before
    assert calls == ["BatchGetItem"] * 200
    assert page.heading == "Confirm your enrolment with Acme Wholesale"
    for words in (COMPANY, "Quay 7", "24103 Kiel", "Germany", "DE123", "Nils Berg", EMAIL, "At the fair.", "By a friend."):
        assert words in page.text
    assert "How did you hear of us?" in page.text
    assert "--fill:#ffe600" in replies[0].text
    assert ([button.text for button in page.all("button")], page.all("input")) == (["Confirm the enrolment"], [])
    headers = replies[0].headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


def test_what_strangers_enter_is_shown_as_they_spell_it(shop: Shop, api: Client) -> None:
    hostile = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    token = enrol(shop, hostile, name=hostile, tax_id=hostile, answers={hostile: hostile})
    reply = api.get(f"/e/{token}")
    assert page_of(reply).all("script") == []
    assert page_of(reply).text.count(hostile) == 5


def test_confirming_makes_it_wait_gives_an_account_and_tells_the_store(
    shop: Shop, token: str, api: Client, time: Clock
) -> None:
    time.advance(minutes=5)
    reply = confirm(shop, token)
    assert (reply.status, page_of(reply).heading) == (200, "Your enrolment is confirmed")
    assert "Acme looks at it, and you get a mail as soon as it is decided." in page_of(reply).text
    # The reseller waits, with a step of its history by whoever held the link
    (reseller,) = stored("reseller")
    (step,) = reseller["history"]
    at = time.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (reseller["status"], reseller["confirmed_at"], reseller["decided_by"]) == ("pending", at, None)
    assert (step["from"], step["to"], step["at"]) == ("unconfirmed", "pending", at)
    assert step["actor"] == {"type": "anonymous", "id": None, "name": "Nils Berg"}
    (record,) = records("reseller")
    assert "expires_at" not in record.attribute_values
    assert record.gsi2pk == "STATUS-RESELLERS#acme#pending"
    # The password has become that of the account, and is nowhere else
    (enrolment,) = stored("enrolment")
    assert (enrolment["confirmed_at"], enrolment["password_hash"]) == (at, None)
    (account,) = [account for account in stored("account") if account["person"] == reseller["id"]]
    assert (account["email"], account["name"], everything().count(account["password_hash"])) == (EMAIL, "Nils Berg", 1)
    # It has no place in the store before it is approved
    log_in = api.post("/v1/sessions", {"email": EMAIL, "password": PASSWORD})
    assert log_in.status >= 400
    assert (stored("customer"), [each for each in stored("member") if each["role"] == "buyer"]) == ([], [])
    # And the store is told, once
    assert news() == NEWS
    assert [line["action"] for line in stored("audit") if line["target"] == enrolment["id"]] == [
        "enrolment:received",
        "enrolment:confirmed",
    ]


def test_with_automatic_approval_the_rules_are_asked_and_the_store_is_not_told(shop: Shop, token: str) -> None:
    set_store(shop, auto_approve_resellers=True)
    confirm(shop, token)
    assert news() == RUN
    assert len(waiting_on("enrolment")) == 1


def test_a_repetition_changes_nothing_and_kindly_says_so(shop: Shop, token: str) -> None:
    confirm(shop, token)
    before = stored()
    again = confirm(shop, token)
    assert (again.status, page_of(again).heading) == (200, "Your enrolment is confirmed")
    assert heading(shop, token) == "Your enrolment is confirmed"
    assert stored() == before


def test_two_confirmations_at_once_are_one(shop: Shop, token: str) -> None:
    with meanwhile("TransactWriteItems", on_another_machine(FUNCTION, lambda: confirm(shop, token))):
        assert page_of(confirm(shop, token)).heading == "Your enrolment is confirmed"
    (reseller,) = stored("reseller")
    assert (len(reseller["history"]), news()) == (1, NEWS)


def test_two_enrolments_of_one_address_confirmed_at_once_are_one_reseller_that_applies_once(shop: Shop, token: str) -> None:
    other = enrol(shop, "The Other", EMAIL.upper())
    with meanwhile("TransactWriteItems", on_another_machine(FUNCTION, lambda: confirm(shop, other))):
        assert page_of(confirm(shop, token)).heading == "Your enrolment is confirmed"
    (reseller,) = stored("reseller")
    assert (reseller["application"]["company"], len(reseller["history"]), news()) == ("The Other", 1, NEWS)
    assert all(enrolment["confirmed_at"] and not enrolment["password_hash"] for enrolment in stored("enrolment"))
    assert len([account for account in stored("account") if account["person"] == reseller["id"]]) == 1


def test_an_account_that_comes_into_being_meanwhile_is_kept(shop: Shop, token: str, api: Client) -> None:
    customer = shop.add_customer(email=EMAIL)
    link = shop.invite(customer["id"])

    def join() -> None:
        body = {"name": "Nils", "password": "seven slow boats at dawn"}
        assert api.post(f"/v1/invitation-links/{link}/acceptance", body).status == 201

    with meanwhile("TransactWriteItems", join):
        assert confirm(shop, token).status == 200
    assert api.post("/v1/sessions", {"email": EMAIL, "password": PASSWORD}).status == 401
    assert api.post("/v1/sessions", {"email": EMAIL, "password": "seven slow boats at dawn"}).status == 201
    assert stored("reseller")[0]["status"] == "pending"


def test_whoever_has_an_account_reads_that_it_keeps_its_password(shop: Shop, token: str, api: Client) -> None:
    assert (
        "You get an account with this e-mail address and the password that was entered." in page_of(api.get(f"/e/{token}")).text
    )
    ours = enrol(shop, email="ola@acme.test", password="seven slow boats at dawn")
    assert "It keeps its password, whatever was entered." in page_of(api.get(f"/e/{ours}")).text
    confirm(shop, ours)
    assert api.post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD}).status == 201


@pytest.mark.parametrize(
    ("status", "title", "again"),
    [
        ("pending", "Your enrolment is confirmed", None),
        ("approved", "Your enrolment is approved", None),
        ("active", "Your enrolment is approved", None),
        ("denied", "Your enrolment was not approved", "../enrol/acme"),
        ("suspended", "You are a reseller already", None),
    ],
)
def test_a_link_says_how_far_it_is_after_it_was_confirmed(
    shop: Shop, token: str, status: str, title: str, again: str | None
) -> None:
    set_store(shop, domain="order.acme.test")
    confirm(shop, token)
    decide(status)
    before = stored()
    reply = confirm(shop, token)
    page = page_of(reply)
    assert (reply.status, page.heading, heading(shop, token)) == (200, title, title)
    buttons = [link["href"] for link in page.all("a") if link["class"] == "button"]
    assert buttons == ([again] if again else ["https://order.acme.test/"] if "approved" in title else [])
    assert stored() == before


@pytest.mark.parametrize("status", ["pending", "approved", "active", "suspended"])
def test_of_a_reseller_that_waits_or_was_approved_another_enrolment_changes_nothing(shop: Shop, status: str) -> None:
    enrolled(shop)
    decide(status)
    before, told = stored("reseller"), news()
    later = enrol(shop, "Another name")
    assert confirm(shop, later).status == 200
    assert (stored("reseller"), news()) == (before, told)
    assert all(enrolment["confirmed_at"] and not enrolment["password_hash"] for enrolment in stored("enrolment"))


def test_whoever_was_denied_applies_again_and_what_was_decided_is_history(shop: Shop, time: Clock) -> None:
    first = enrolled(shop)
    by = {"type": "member", "id": "m", "name": "Ola"}
    early = enrol(shop, "Harbour Lights Bremen")
    time.advance(minutes=5)
    denial = {"at": stamp(time.at), "actor": by, "from": "pending", "to": "denied", "reason": "Too far away"}
    decide("denied", decided_by=by, reason="Too far away", trace=[{"rule_id": "r"}], history=[*first["history"], denial])
    time.advance(hours=2)
    again = enrol(shop, "Harbour Lights Hamburg")
    # What was enrolled before is answered by the denial already.
    assert page_of(confirm(shop, early)).heading == "Your enrolment was not approved"
    assert stored("reseller")[0]["status"] == "denied"
    assert confirm(shop, again).status == 200
    (reseller,) = stored("reseller")
    assert (reseller["status"], reseller["application"]["company"]) == ("pending", "Harbour Lights Hamburg")
    assert (reseller["decided_by"], reseller["reason"], reseller["trace"]) == (None, None, None)
    assert [(step["from"], step["to"]) for step in reseller["history"]] == [
        ("unconfirmed", "pending"),
        ("pending", "denied"),
        ("denied", "pending"),
    ]
    assert reseller["history"][1]["reason"] == "Too far away"
    assert reseller["enrolled_at"] == first["enrolled_at"] < reseller["confirmed_at"]
    assert news() == [*NEWS, *NEWS]


def test_a_link_lives_for_a_week(shop: Shop, token: str, api: Client, time: Clock) -> None:
    time.advance(days=7, seconds=-1)
    assert api.get(f"/e/{token}").status == 200
    time.advance(seconds=1)
    before = stored()
    for reply in (api.get(f"/e/{token}"), confirm(shop, token)):
        page = page_of(reply)
        assert (reply.status, page.heading) == (410, "This link has expired")
        assert [link["href"] for link in page.all("a") if link["class"] == "button"] == ["../enrol/acme"]
    assert stored() == before


def test_a_link_of_ours_whose_enrolment_is_forgotten_has_expired_too(shop: Shop, token: str, api: Client) -> None:
    for record in records("enrolment"):
        record.delete()
    assert api.get(f"/e/{token}").status == confirm(shop, token).status == 410


def test_a_stranger_that_was_forgotten_is_remembered_by_its_enrolment(shop: Shop, token: str) -> None:
    for record in records("reseller"):
        record.delete()
    confirm(shop, token)
    (reseller,) = stored("reseller")
    assert (reseller["status"], reseller["application"]["company"], news()) == ("pending", COMPANY, NEWS)


def _other_enrolment(token: str) -> str:
    store, enrolment, signature = token.split(".")
    return f"{store}.{'0' * len(enrolment)}.{signature}"


def _other_store(token: str) -> str:
    return token.replace("acme.", "other.")


def _as_invitation(token: str) -> str:
    store, enrolment, _ = token.split(".")
    return link_token(signing_key(), f"{store}.{enrolment}", 1)


@pytest.mark.parametrize(
    "forge", [_other_enrolment, _other_store, _as_invitation, lambda token: token[:-1], lambda _: "nothing"]
)
def test_a_link_that_we_never_made_is_unknown(shop: Shop, token: str, api: Client, forge: Callable[[str], str]) -> None:
    before = stored()
    for reply in (api.get(f"/e/{forge(token)}"), confirm(shop, forge(token))):
        assert (reply.status, page_of(reply).heading) == (404, "We do not know this link")
    assert stored() == before


def test_an_enrolments_link_is_no_invitations(shop: Shop, token: str, api: Client) -> None:
    assert api.get(f"/i/{token}").status == 404
    assert api.get(f"/v1/invitation-links/{token}").status == 404


def test_while_the_store_is_switched_off_the_link_is_kept(shop: Shop, token: str, api: Client) -> None:
    set_store(shop, active=False)
    before = stored()
    for reply in (api.get(f"/e/{token}"), confirm(shop, token)):
        assert (reply.status, page_of(reply).heading) == (503, "Acme is closed at the moment")
    assert stored() == before
    set_store(shop, active=True)
    assert confirm(shop, token).status == 200


def test_a_failure_leaves_before_or_after_and_pressing_again_mends_it(shop: Shop, token: str) -> None:
    before = stored()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=20):
        reply = confirm(shop, token)
    assert (reply.status, page_of(reply).heading) == (500, "Something went wrong on our side")
    assert stored() == before
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=20, when="after"):
        assert confirm(shop, token).status in {200, 500}
    assert page_of(confirm(shop, token)).heading == "Your enrolment is confirmed"
    assert (len(stored("reseller")[0]["history"]), news()) == (1, NEWS)


def test_while_others_change_the_same_thing_it_says_so_and_nothing_is_lost(shop: Shop, token: str) -> None:
    conflict = refusal(
        "TransactWriteItems", "TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}]
    )
    with failing("TransactWriteItems", conflict, times=50), pytest.MonkeyPatch.context() as patched:
        patched.setattr("tradepost.table.transaction.pause", lambda _: 0)
        reply = confirm(shop, token)
    assert reply.status == 409
    assert "Please confirm once more." in page_of(reply).text
    assert page_of(confirm(shop, token)).heading == "Your enrolment is confirmed"


def test_the_mailed_link_is_the_same_each_time_and_sent_forms_hold_nothing(shop: Shop, token: str, api: Client) -> None:
    (enrolment,) = stored("enrolment")
    assert enrolment_link("acme", enrolment["id"]) == f"https://portal.example/e/{token}"
    assert send_form(api, f"/e/{token}", {"company": "Another", "status": "approved"}).status == 200
    assert stored("reseller")[0]["application"]["company"] == COMPANY
