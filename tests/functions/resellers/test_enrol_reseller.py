"""Enrolling as a reseller: a stranger's word, of which nothing comes but a mail until its address is confirmed."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from argon2 import PasswordHasher

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.enrolling import EMAIL, application, confirm, enrol, enrolled, on_another_machine, send_enrolment
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import SOURCE, Reply
from tests.support.mail import announced, deliver, queued
from tests.support.ordering import send_event
from tests.support.table import counted_calls, everything, records, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.ids import person_key

FUNCTION = "resellers/enrol_reseller"
SENT = {"status": "confirmation_sent"}


def refused(reply: Reply) -> tuple[int, str | None, list[str]]:
    """Return how a request was refused, and what for."""
    return reply.status, reply.code, [error["pointer"] for error in reply.json.get("errors", [])]


def set_store(shop: Shop, **settings: Any) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", settings, etag=etag).status == 200


def test_an_enrolment_is_kept_with_a_stranger_and_mailed_its_link(shop: Shop, time: Clock) -> None:
    reply = send_event("resellers/enrol_reseller.first_time")
    assert (reply.status, reply.json) == (202, SENT)
    # What was said is kept, the password as its hash alone
    (enrolment,) = stored("enrolment")
    person = person_key("nils@harbourlights.test")
    assert (enrolment["store_id"], enrolment["reseller_id"], enrolment["confirmed_at"]) == ("acme", person, None)
    assert enrolment["application"] == {
        "company": "Harbour Lights Ltd",
        "contact": {"name": "Nils Berg", "email": "nils@harbourlights.test"},
        "address": {
            "company": None,
            "name": None,
            "street": "Quay 7",
            "postal_code": "24103",
            "city": "Kiel",
            "region": None,
            "country": "DE",
        },
        "tax_id": "DE123456789",
        "answers": {"How did you hear of us?": "At the fair."},
    }
    assert PasswordHasher().verify(enrolment["password_hash"], PASSWORD)
    assert PASSWORD not in everything()
    # The company is a stranger, and nobody has an account, a place or is a customer
    (reseller,) = stored("reseller")
    assert (reseller["id"], reseller["status"], reseller["history"], reseller["customer_id"]) == (
        person,
        "unconfirmed",
        [],
        None,
    )
    assert reseller["application"] == enrolment["application"]
    assert (len(stored("account")), stored("customer")) == (1, [])
    # One mail is on its way, which leads to the enrolment and holds no secret
    assert announced() == [{"type": "reseller_confirmation", "store_id": "acme", "enrolment_id": enrolment["id"]}]
    (line,) = [line for line in stored("audit") if line["action"].startswith("enrolment")]
    assert (line["action"], line["target"], line["actor"]["type"]) == ("enrolment:received", enrolment["id"], "anonymous")
    (mail,) = deliver()
    token = mail.html.partition("https://portal.example/e/")[2].partition('"')[0]
    assert (mail.to, mail.subject) == ("nils@harbourlights.test", "Confirm your enrolment with Acme")
    assert (token.startswith(f"acme.{enrolment['id']}."), token.rpartition(".")[2] in everything()) == (True, False)


def test_the_answer_and_the_work_are_the_same_whoever_enrols(shop: Shop) -> None:
    # Given the address of an account, of a reseller that waits, and one that nobody knows
    enrolled(shop)
    replies, works = [], []
    for email in ("ola@acme.test", EMAIL, "nobody@luvlamps.test"):
        with counted_calls() as calls:
            replies.append(send_enrolment(shop, email=email))
        works.append(calls)
    assert {(reply.status, reply.text) for reply in replies} == {(202, '{"status":"confirmation_sent"}')}
    assert works == [["BatchGetItem", "UpdateItem", "TransactWriteItems"]] * 3


def test_an_address_is_one_reseller_in_whatever_letter_case(shop: Shop) -> None:
    enrol(shop, "Harbour Lights", "nils@harbourlights.test")
    enrol(shop, "HARBOUR LIGHTS", "Nils@HarbourLights.TEST")
    (reseller,) = stored("reseller")
    assert (len(stored("enrolment")), reseller["application"]["company"]) == (2, "Harbour Lights")
    assert {enrolment["reseller_id"] for enrolment in stored("enrolment")} == {reseller["id"]}


def test_an_address_may_enrol_with_two_stores(shop: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    enrol(shop)
    enrol(other)
    assert [reseller["store_id"] for reseller in stored("reseller")] == ["acme", "other"]


def test_two_first_enrolments_at_once_are_one_reseller_and_two_links(shop: Shop) -> None:
    with meanwhile("TransactWriteItems", on_another_machine(FUNCTION, lambda: enrol(shop, "The Other", EMAIL.upper()))):
        assert send_enrolment(shop).status == 202
    (reseller,) = stored("reseller")
    assert (reseller["application"]["company"], reseller["version"]) == ("The Other", 1)
    assert len(stored("enrolment")) == len(queued()) == 2


def test_a_filled_in_trap_is_answered_alike_and_nothing_is_written(shop: Shop) -> None:
    before = stored()
    reply = send_enrolment(shop, website="https://spam.test", password="short")
    assert (reply.status, reply.json) == (202, SENT)
    assert stored() == before
    assert send_enrolment(shop, website="").status == 202


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"company": " "}, ["/company"]),
        ({"company": "Lamps\nBcc: all@acme.test"}, ["/company"]),
        ({"contact": {"name": "", "email": "nobody", "password": PASSWORD}}, ["/contact/name", "/contact/email"]),
        ({"contact": {"name": "Nils", "email": EMAIL}}, ["/contact/password"]),
        ({"contact": {"name": "Nils", "email": EMAIL, "password": "too short"}}, ["/contact/password"]),
        ({"contact": {"name": "Nils", "email": EMAIL, "password": "x" * 129}}, ["/contact/password"]),
        ({"contact": {"name": "Nils", "email": EMAIL, "password": "passwordpassword"}}, ["/contact/password"]),
        ({"contact": {"name": "Nils", "email": EMAIL, "password": PASSWORD, "role": "owner"}}, ["/contact/role"]),
        ({"address": {"street": "Quay 7", "postal_code": "1", "city": "Kiel", "country": "ZZ"}}, ["/address/country"]),
        ({"address": None}, ["/address"]),
        ({"tax_id": "9" * 201}, ["/tax_id"]),
        ({"answers": {f"Question {number}": "Yes" for number in range(21)}}, ["/answers"]),
        ({"answers": {"Why?": "x" * 4001}}, ["/answers/Why?"]),
        ({"status": "approved"}, ["/status"]),
        ({"website": 5}, ["/website"]),
    ],
)
def test_what_is_wrong_is_named_and_nothing_happens(shop: Shop, change: dict[str, Any], pointers: list[str]) -> None:
    before = stored()
    reply = shop.owner.as_(None).post("/v1/stores/acme/resellers", {**application(), **change})
    assert (reply.status, refused(reply)[2]) == (422, pointers)
    assert [item for item in stored() if item["entity"] != "limit"] == before
    assert PASSWORD not in reply.text


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{", '{"company": NaN}', '"\ud800"'.encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_a_body_that_is_none_is_refused(shop: Shop, body: str) -> None:
    before = stored()
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    reply = shop.owner.as_(None).send("POST", "/v1/stores/acme/resellers", body, headers=headers)
    assert reply.status in {400, 422}
    assert stored() == before


def test_half_a_character_is_refused_wherever_it_stands(shop: Shop) -> None:
    for fields in ({"company": "Lamps \ud83d"}, {"answers": {"\ud83d": "Yes"}}, {"answers": {"Why?": "\ud83d"}}):
        reply = shop.owner.as_(None).post("/v1/stores/acme/resellers", {**application(), **fields})
        assert reply.status == 422, reply.text


def test_an_empty_tax_number_is_none(shop: Shop) -> None:
    enrol(shop, tax_id=" ")
    assert stored("enrolment")[0]["application"]["tax_id"] is None


@pytest.mark.parametrize("slug", ["nowhere", "Acme", "acme2", "x" * 900])
def test_an_unknown_store_is_not_found(shop: Shop, slug: str) -> None:
    reply = shop.owner.as_(None).post(f"/v1/stores/{slug}/resellers", application())
    assert refused(reply) == (404, "not_found", [])
    assert (stored("enrolment"), stored("limit")) == ([], [])


def test_nobody_enrols_with_a_store_that_is_switched_off(shop: Shop) -> None:
    set_store(shop, active=False)
    assert refused(send_enrolment(shop)) == (503, "store_inactive", [])
    assert stored("reseller") == []


def test_a_retry_enrols_once_and_another_request_with_its_key_not_at_all(shop: Shop) -> None:
    first, again = (send_enrolment(shop, key="once") for _ in range(2))
    assert (first.status, first.text) == (again.status, again.text)
    assert again.headers["idempotent-replayed"] == "true"
    other = send_enrolment(shop, "Another", key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert refused(send_enrolment(shop, key=""))[0] == 202
    assert len(stored("enrolment")) == 2
    missing = shop.owner.as_(None).post("/v1/stores/acme/resellers", application(), key=None)
    assert (missing.status, missing.code) == (400, "idempotency_key_required")


def test_two_requests_with_one_key_at_once_are_one_enrolment(shop: Shop) -> None:
    with meanwhile("TransactWriteItems", on_another_machine(FUNCTION, lambda: send_enrolment(shop, key="once"))):
        reply = send_enrolment(shop, key="once")
    assert (reply.status, reply.json) == (202, SENT)
    assert len(stored("enrolment")) == len(queued()) == 1


def test_after_a_failure_nothing_is_there_and_the_retry_enrols(shop: Shop) -> None:
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=20):
        assert send_enrolment(shop, key="once").status == 500
    assert (stored("enrolment"), stored("reseller"), queued()) == ([], [], [])
    assert send_enrolment(shop, key="once").status == 202
    assert len(stored("enrolment")) == 1


def test_an_address_is_mailed_five_times_an_hour_and_nobody_is_told(shop: Shop, time: Clock) -> None:
    time.at = datetime.fromisoformat("2026-11-27T10:00:00Z")
    emails = [EMAIL, EMAIL.upper()] * 3
    replies = [send_enrolment(shop, email=email, key=f"try-{number}") for number, email in enumerate(emails)]
    assert {(reply.status, reply.text) for reply in replies} == {(202, '{"status":"confirmation_sent"}')}
    assert (len(stored("enrolment")), len(queued())) == (5, 5)
    # A retry of what was not mailed is answered alike, and not mailed either, not even later
    time.advance(minutes=60)
    again = send_enrolment(shop, email=emails[5], key="try-5")
    assert (again.status, again.headers["idempotent-replayed"]) == (202, "true")
    assert len(queued()) == 5
    # Others are not held up, and after the hour it goes on
    enrol(shop, email="lea@luvlamps.test")
    enrol(shop)
    assert len(queued()) == 7


def test_a_place_enrols_a_thousand_times_an_hour_and_is_told_when_to_come_back(shop: Shop, time: Clock) -> None:
    time.at = datetime.fromisoformat("2026-11-27T10:10:00Z")
    enrol(shop)
    (counter,) = [limit for limit in stored("limit") if "#enrolments-from-place#" in limit["pk"]]
    assert "203.0.113.7" not in str(stored("limit"))

    def come_back(tally: int) -> Reply:
        for record in records("limit"):
            if record.pk == counter["pk"]:
                record.tally = tally
                record.save()
        return send_enrolment(shop, email=f"nils{tally}@harbourlights.test")

    assert come_back(999).status == 202
    reply = come_back(1000)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "too_many_enrolments", str(50 * 60))
    assert len(stored("enrolment")) == 2
    with counted_calls() as calls:
        send_enrolment(shop)
    assert calls == ["BatchGetItem", "UpdateItem"]
    time.advance(minutes=50)
    assert send_enrolment(shop).status == 202


def test_who_confirmed_before_is_mailed_a_link_again_and_keeps_its_standing(shop: Shop) -> None:
    before = enrolled(shop)
    enrol(shop, "Another name")
    assert stored("reseller") == [before]
    assert Counter(message["type"] for message in announced())["reseller_confirmation"] == 2


def test_an_account_keeps_its_password_whatever_is_enrolled(shop: Shop, api: Client) -> None:
    token = enrol(shop, email="OLA@acme.test", password="seven slow boats at dawn")
    assert confirm(shop, token).status == 200
    (account,) = stored("account")
    assert (account["version"], account["email"]) == (1, "ola@acme.test")
    for password, status in ((PASSWORD, 201), ("seven slow boats at dawn", 401)):
        assert api.post("/v1/sessions", {"email": "ola@acme.test", "password": password}).status == status


def test_many_enrol_at_once_from_one_place_and_share_nothing_that_a_transaction_writes(shop: Shop) -> None:
    def others() -> None:
        for number in range(30):
            enrol(shop, f"Company {number}", f"c{number}@lamps.test")

    with meanwhile("TransactWriteItems", on_another_machine(FUNCTION, others)):
        assert send_enrolment(shop).status == 202
    assert len(stored("enrolment")) == len(stored("reseller")) == len(queued()) == 31
    shared = [item for item in stored("limit") if "#enrolments-from-place#" in item["pk"]]
    assert [item["tally"] for item in shared] == [31]


def test_places_are_told_apart_and_a_subnet_of_the_newer_kind_is_one(shop: Shop) -> None:
    places = ("198.51.100.1", "198.51.100.2", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "")
    for number, place in enumerate(places):
        token = SOURCE.set(place)
        assert send_enrolment(shop, email=f"n{number}@lamps.test").status == 202
        SOURCE.reset(token)
    tallies = [item["tally"] for item in stored("limit") if "#enrolments-from-place#" in item["pk"]]
    assert sorted(tallies) == [1, 1, 1, 1, 2]
