"""A person is erased: what names it goes, at once or in the background, and what the law keeps stays byte for byte."""

from contextvars import Context
from functools import cache
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.api_keys import note
from tests.support.casting import raw_items
from tests.support.erasing import (
    EMAIL,
    NAME,
    Life,
    active,
    erasures,
    exported,
    in_background,
    joined,
    keep_files,
    kept_files,
    live,
    naming,
    traces,
    with_deaths,
)
from tests.support.faults import failing, meanwhile, refusal
from tests.support.mail import deliver
from tests.support.ordering import open_market, send_event
from tests.support.reps import allocate, hire, invite_rep, reps_link
from tests.support.table import put_back, records, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.ids import person_key
from tradepost.domain.outbox import OutboxItem
from tradepost.domain.people import Account
from tradepost.table.erasures import Whose, forget_offers
from tradepost.table.people import account_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record

KEPT_BY_LAW = {"order", "offer", "audit"}
FOR_RETRIES = {"replay"}
"""Answers that a retry gets again: they are gone within a day, whoever they name."""


@pytest.fixture(autouse=True)
def _files(shop: Shop) -> None:
    keep_files()


@pytest.fixture
def life(shop: Shop) -> Life:
    life, built = _lived(shop)
    put_back(built)
    return life


@cache
def _lived(shop: Shop) -> tuple[Life, list[Record]]:
    # It takes a while to live, and is done once.
    return live(shop), records()


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, set[str]]:
    """Return the keys of the items that are others than before, by the entity that the key names."""
    found: dict[str, set[str]] = {}
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            found.setdefault(key.partition("#")[0], set()).add(key)
    return found


def of_entities(items: dict[str, Any], *prefixes: str) -> dict[str, Any]:
    """Return the items whose keys begin with one of some entities."""
    return {key: item for key, item in items.items() if key.startswith(prefixes)}


def log_in(shop: Shop, email: str = EMAIL, store: str | None = None) -> Any:
    """Try to log in."""
    return shop.owner.as_(None).post(
        "/v1/sessions", {"email": email, "password": PASSWORD, **({"store": store} if store else {})}
    )


def without(found: dict[str, set[str]], *entities: str) -> dict[str, set[str]]:
    """Leave out what was found of some kinds."""
    return {entity: keys for entity, keys in found.items() if entity not in entities}


def test_what_still_names_an_erased_person_is_exactly_what_the_law_keeps(shop: Shop, life: Life, time: Clock) -> None:
    ola = shop.owner.get("/v1/me").json["id"]
    exported(life, by=life.id, export_id="queued")
    exported(life, by=life.id, export_id="fetched", done=True)
    exported(life, by=ola, export_id="archive", about=life.id, done=True)
    active(life)
    named = {
        "activity",
        "acting_session",
        "api_key",
        "event_participant",
        "export",
        "invitation",
        "member",
        "session",
        "account",
    }
    assert set(traces()) == named | KEPT_BY_LAW | FOR_RETRIES
    assert life.erase().status == 202
    in_background(time)
    left = without(traces(), *FOR_RETRIES)
    # Whoever ordered for her is named in the third one, and she is not.
    orders = {f"ORDER#acme#{life.ids[name]}" for name in ("order", "acted")}
    of_offer = {f"ORDER#acme#{order['id']}" for order in stored("order") if order["offer_id"] == life.ids["accepted"]}
    assert left["order"] == orders | of_offer
    assert left["offer"] == {f"OFFER#acme#{life.ids['accepted']}"}
    assert set(left) == KEPT_BY_LAW


def test_orders_bills_and_the_audit_stay_byte_for_byte_and_nobody_else_is_touched(shop: Shop, life: Life, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    other = rival.add_customer("Hidden Harbour", "hidden@harbour.test")
    rival.join(other, name="Hilda")
    before = raw_items()
    assert life.erase().status == 202
    in_background(time)
    after = raw_items()
    touched = changed(before, after)
    kept = ("ORDER#", "INVOICE#", "PAYMENT#", "CREDITS#", "AUDIT#", "STATISTICS#", "OFFER-STATISTICS#", "ACTIVITY#")
    assert of_entities(before, *kept).items() <= of_entities(after, *kept).items()
    assert of_entities(before, f"OFFER#acme#{life.ids['accepted']}") == of_entities(after, f"OFFER#acme#{life.ids['accepted']}")
    assert not [key for keys in touched.values() for key in keys if "#rival" in key]
    # The session in which a sales rep acted for her tells for whom.
    assert [key for key in touched["MEMBER"] if life.id not in key and " SESSION#" not in key] == []
    assert {key.partition(" ")[0] for key in touched["PERSON"]} == {f"PERSON#{person_key(EMAIL)}"}
    assert set(touched) == {
        *("STORE", "MEMBER", "PERSON", "CUSTOMER", "INVITATION", "ACTING-SESSION", "OFFER", "API-KEYS"),
        *("EVENT", "EVENT-PARTICIPANTS", "EVENT-WAITING", "WITHDRAWALS", "OUTBOX", "AUDIT", "REPLAY"),
    }


def test_at_once_nothing_lets_the_person_in_any_more(shop: Shop, life: Life) -> None:
    note("acme", life.market.customer["id"], {"id": "x", "status": "approved", "channel_id": None})
    begun = {"customer_id": life.market.customer["id"], "employee_id": life.id, "reason": "Asked", "minutes": 60}
    started = life.team.rep.client.post("/v1/acting-sessions", begun)
    acting = shop.owner.as_(started.json["token"])
    assert acting.get("/v1/me").status == 200
    reply = life.erase()
    assert (reply.status, set(reply.json)) == (202, {"id", "erased_at"})
    assert [client.get("/v1/me").code for client in (life.client, acting)] == ["invalid_token", "invalid_token"]
    assert log_in(shop).code == "invalid_credentials"
    path = f"/v1/customers/{life.market.customer['id']}/employees"
    assert NAME not in shop.owner.get(path).text
    assert shop.owner.get(f"{path}/{life.id}").status == 404
    member = life.member
    assert (member.name, member.email, member.phone) == ("Erased person", "erased@nobody.invalid", None)
    assert (member.status, member.allows_activity) == ("revoked", False)
    assert [decision.allowed for decision in member.consents] == [True, False]
    (customer,) = [each for each in stored("customer") if each["id"] == life.market.customer["id"]]
    assert set(customer["administrators"]) == {person_key(life.market.customer["email"])}


def test_the_erasure_is_announced_with_the_withdrawal_of_the_consent(shop: Shop, life: Life) -> None:
    assert life.erase().status == 202
    (withdrawal,), (erasure,) = stored("withdrawal"), erasures()
    assert (withdrawal["member_id"], withdrawal["person"], withdrawal["consent"]) == (life.id, True, 1)
    assert (erasure.member_id, erasure.consent, erasure.withdrawal) == (life.id, 1, withdrawal["number"])
    (line,) = [line for line in stored("audit") if line["action"] == "member:erased"]
    assert (line["target"], line["actor"]["name"], line["details"]["reason"]) == (life.id, "Ola Nordmann", "Asked by letter")


def test_a_person_erases_itself_with_its_password(shop: Shop, life: Life, time: Clock) -> None:
    before = stored()
    wrong = life.client.post("/v1/me/erasure", {"password": "five small ships at noon"})
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert without({item["entity"]: {item["pk"]} for item in stored() if item not in before}, "throttle") == {}
    reply = send_event("identity/erase_person.oneself", TOKEN=life.client.token)
    assert (reply.status, set(reply.json)) == (202, {"id", "erased_at"})
    assert life.client.get("/v1/me").code == "invalid_token"
    in_background(time)
    assert set(without(traces(), *FOR_RETRIES)) == KEPT_BY_LAW


@pytest.mark.parametrize("body", [{}, {"password": None}, {"password": PASSWORD, "reason": "x"}])
def test_a_wish_that_is_none_is_refused_and_changes_nothing(shop: Shop, life: Life, body: dict[str, Any]) -> None:
    before = stored()
    assert life.client.post("/v1/me/erasure", body).status == 422
    assert stored() == before


@pytest.mark.parametrize(("body", "pointer"), [({}, "/reason"), ({"reason": " "}, "/reason"), ({"reason": "x\x00"}, "/reason")])
def test_an_owner_says_why_it_erases_somebody(shop: Shop, life: Life, body: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = shop.owner.post(f"/v1/members/{life.id}/erasure", body)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)
    assert stored() == before


def test_an_owner_can_erase_neither_itself_nor_be_erased(shop: Shop) -> None:
    ola, before = shop.owner.get("/v1/me").json["id"], stored()
    for path, body in (("/v1/me/erasure", {"password": PASSWORD}), (f"/v1/members/{ola}/erasure", {"reason": "Tired"})):
        reply = shop.owner.post(path, body)
        assert (reply.status, reply.code) == (409, "owner_cannot_be_erased")
    assert stored() == before


def test_the_last_administrator_asks_the_store_which_may_erase_it(shop: Shop) -> None:
    market = open_market(shop)
    ida, before = market.buyer.get("/v1/me").json["id"], stored()
    reply = market.buyer.post("/v1/me/erasure", {"password": PASSWORD})
    assert (reply.status, reply.code, stored()) == (409, "last_administrator", before)
    assert shop.owner.post(f"/v1/members/{ida}/erasure", {"reason": "Asked by letter"}).status == 202
    (customer,) = [each for each in stored("customer") if each["id"] == market.customer["id"]]
    # The company is none, and its contact is the store's to edit.
    assert (customer["administrators"], customer["email"]) == ({}, "buyer@bluedoor.test")


def test_a_sales_rep_hands_its_customers_over_first_and_is_in_no_list_any_more(shop: Shop, life: Life, time: Clock) -> None:
    rep = life.team.rep
    before = stored()
    for reply in (
        rep.client.post("/v1/me/erasure", {"password": PASSWORD}),
        shop.owner.post(f"/v1/members/{rep.id}/erasure", {"reason": "Left"}),
    ):
        assert (reply.status, reply.code) == (409, "customers_allocated")
    assert stored() == before
    event = rep.client.post("/v1/events", {**_times(), "title": "Meet the makers", "place": "Harbour Street 5"})
    rep.client.post(f"/v1/events/{event.json['id']}/publish", headers={"If-Match": event.headers["etag"]})
    rep.client.post(f"/v1/events/{event.json['id']}/mailings", {"subject": "Soon", "text": "Bring a coat."})
    allocate(shop, life.market.customer, life.team.outsider)
    assert rep.client.post("/v1/me/erasure", {"password": PASSWORD}).status == 202
    in_background(time)
    found = without(naming("Rhea", rep.email), *FOR_RETRIES)
    assert set(found) == KEPT_BY_LAW | {"offer_version"}
    accepted = f"OFFER#acme#{life.ids['accepted']}"
    assert (found["offer"], found["offer_version"]) == ({accepted}, {accepted})
    assert "Erased person" not in shop.owner.get("/v1/sales-reps").text
    assert shop.owner.get(f"/v1/sales-reps/{rep.id}").status == 404
    assert [(log["device"], log["address"]) for log in stored("acting_session")] == [("", "")]
    # Whom it acted for is not erased.
    assert [log["subject"]["name"] for log in stored("acting_session")] == [NAME]
    assert log_in(shop, rep.email).code == "invalid_credentials"


def test_no_activity_of_those_a_rep_acted_for_has_its_name_once_it_is_erased(shop: Shop, life: Life, time: Clock) -> None:
    life.team.set_store(track_activity=True)
    rep = life.team.rep
    begun = {"customer_id": life.market.customer["id"], "employee_id": life.id, "reason": "Asked by telephone", "minutes": 60}
    started = rep.client.post("/v1/acting-sessions", begun)
    acting = shop.owner.as_(started.json["token"])
    assert acting.post("/v1/activities", {"activities": [{"type": "page_opened"}]}).json == {"recorded": 1}
    assert acting.get("/v1/products", q="lamp").status == 200
    allocate(shop, life.market.customer, life.team.outsider)
    assert rep.client.post("/v1/me/erasure", {"password": PASSWORD}).status == 202
    in_background(time)
    rows = stored("activity")
    assert {row["type"] for row in rows} >= {"acting_started", "page_opened", "searched"}
    assert {row["actor"]["id"] for row in rows} == {rep.id}
    assert "activity" not in naming("Rhea", rep.email)
    listed = shop.owner.get("/v1/activities").json["items"]
    assert {(each["actor"]["name"], each["subject"]["name"]) for each in listed} == {("Erased person", NAME)}


@pytest.mark.parametrize("call", ["UpdateItem", "TransactWriteItems"], ids=["before it is changed", "before its version is"])
def test_an_offer_that_is_accepted_while_its_maker_is_forgotten_stays_as_it_was_accepted(
    shop: Shop, life: Life, time: Clock, call: str
) -> None:
    rep = life.team.rep
    allocate(shop, life.market.customer, life.team.outsider)
    assert rep.client.post("/v1/me/erasure", {"password": PASSWORD}).status == 202
    offer, accepted = f"OFFER#acme#{life.ids['open']}", dict[str, Any]()

    def accept() -> None:
        buyer, path = life.market.buyer, f"/v1/offers/{life.ids['open']}"
        version = buyer.get(path).json["version"]
        assert buyer.post(f"{path}/accept", {"version": version, "optional_lines": []}).status == 200
        accepted.update(of_entities(raw_items(), offer))

    assert {key.partition(" ")[2].partition("#")[0] for key in of_entities(raw_items(), offer)} == {"OFFER", "VERSION"}
    with meanwhile(call, accept):
        assert forget_offers(Whose.of(rep.id, at=time.at), None) is None
    assert of_entities(raw_items(), offer) == accepted
    assert "Rhea" in str(accepted)
    # It is an order's from now on.
    in_background(time)
    assert of_entities(raw_items(), offer) == accepted


def _times() -> dict[str, str]:
    return {"starts_at": "2031-03-01T18:00:00Z", "ends_at": "2031-03-01T20:00:00Z"}


def test_once_more_is_no_change_and_tells_since_when(shop: Shop, life: Life, time: Clock) -> None:
    first = life.erase()
    before = stored()
    time.advance(minutes=5)
    again = life.erase()
    assert (again.status, again.json) == (202, first.json)
    assert [item for item in stored() if item not in before and item["entity"] not in FOR_RETRIES] == []


def test_of_both_ways_at_once_one_erases(shop: Shop, life: Life) -> None:
    replies = []
    with meanwhile("TransactWriteItems", lambda: replies.append(life.erase())):
        replies.append(life.client.post("/v1/me/erasure", {"password": PASSWORD}))
    assert all(reply.status < 300 for reply in replies)
    assert replies[0].json == replies[1].json
    assert (len(erasures()), len(stored("withdrawal"))) == (1, 1)


def test_an_erasure_beside_somebody_elses_withdrawal_is_decided_anew(shop: Shop, life: Life) -> None:
    assert life.market.buyer.put("/v1/me/activity-consent", {"allowed": True}).status == 200
    withdraw = lambda: life.market.buyer.put("/v1/me/activity-consent", {"allowed": False})  # noqa: E731  # a moment in between
    with meanwhile("TransactWriteItems", withdraw):
        assert life.erase().status == 202
    assert sorted(each["number"] for each in stored("withdrawal")) == [1, 2]


def test_a_fault_leaves_everything_as_it_was_and_a_retry_erases(shop: Shop, life: Life) -> None:
    before = stored()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=50):
        assert life.erase().status >= 500
    assert stored() == before
    body = {"reason": "Asked by letter"}
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=50, when="after"):
        shop.owner.post(f"/v1/members/{life.id}/erasure", body, key="once")
    assert shop.owner.post(f"/v1/members/{life.id}/erasure", body, key="once").status == 202
    assert len(erasures()) == 1


def test_told_twice_or_dying_anywhere_the_background_ends_the_same(shop: Shop, life: Life, time: Clock) -> None:
    exported(life, by=life.id, export_id="queued")
    life.erase()
    with_deaths(9)
    assert in_background(time) > 1
    once = [item for item in stored() if item["entity"] not in {"audit", "outbox"}]
    with_deaths(9)
    again = [item for item in stored() if item["entity"] not in {"audit", "outbox"}]
    # The export that was under way is cancelled by the first time, and deleted by the next one.
    assert (once, stored("export")) == (again, [])
    assert set(without(traces(), *FOR_RETRIES)) == KEPT_BY_LAW


def test_a_place_at_an_event_to_come_goes_to_the_first_in_line_and_who_came_before_is_nobody(
    shop: Shop, life: Life, time: Clock
) -> None:
    life.erase()
    in_background(time, days=15)
    coming, past = (
        {each["id"].rpartition(".")[2]: each for each in stored("event_participant") if each["event_id"] == life.ids[name]}
        for name in ("coming", "past")
    )
    hers, una = person_key(EMAIL), person_key("una@bluedoor.test")
    assert (coming[hers]["state"], coming[una]["state"]) == ("cancelled", "registered")
    assert (past[hers]["state"], past[una]["state"]) == ("registered", "registered")
    assert {each["name"] for each in (coming[hers], past[hers])} == {"Erased person"}
    assert {each["email"] for each in (coming[hers], past[hers])} == {"erased@nobody.invalid"}
    assert (una in coming, coming[una]["name"], coming[una]["subject"]["name"]) == (True, "Una", "Erased person")
    (event,) = [each for each in stored("event") if each["id"] == life.ids["coming"]]
    assert (event["registered"], event["waiting"]) == (1, 0)
    told = [mail for mail in deliver() if "una@bluedoor.test" in mail.to]
    assert told


def test_files_by_and_about_the_person_are_deleted_and_no_others(shop: Shop, life: Life, time: Clock) -> None:
    ola = shop.owner.get("/v1/me").json["id"]
    ida = life.market.buyer.get("/v1/me").json["id"]
    exported(life, by=life.id, export_id="own", done=True)
    exported(life, by=ola, export_id="archive", about=life.id, done=True)
    exported(life, by=ola, export_id="idas", about=ida, done=True)
    exported(life, by=ola, export_id="orders", done=True)
    exported(life, by=ola, export_id="running", about=life.id)
    life.erase()
    in_background(time)
    left = {each["id"]: each for each in stored("export")}
    assert set(left) == {"idas", "orders", "running"}
    assert (left["running"]["status"], left["running"]["gone"]) == ("cancelled", "person_erased")
    assert kept_files() == {"exports/acme/idas", "exports/acme/orders"}
    assert [claim for claim in stored("claim") if "asked-running" in claim["pk"]] == []


def test_exports_of_others_are_left_with_their_files_but_do_not_call_the_person_by_name(
    shop: Shop, life: Life, time: Clock
) -> None:
    hers = {"kind": "activities", "filters": {"employee_id": life.id}, "from": "2026-01-01"}
    asked = shop.owner.post("/v1/exports", hers)
    assert NAME in asked.json["filters_in_words"][0]
    life.erase()
    in_background(time)
    shown = shop.owner.get(f"/v1/exports/{asked.json['id']}").json
    assert shown["filters_in_words"] == ["employee Erased person", "recorded from 2026-01-01, days in Europe/Berlin"]
    assert (shown["status"], shown["filters"]) == ("queued", {"employee_id": life.id})


def test_whoever_has_a_place_elsewhere_keeps_its_account_and_gets_in_there(shop: Shop, life: Life, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    customer = rival.add_customer("Hidden Harbour", "hidden@harbour.test")
    joined(rival, customer["id"], NAME, EMAIL)
    before = Reader().get(account_key(person_key(EMAIL)), Account)
    life.erase()
    in_background(time)
    assert Reader().get(account_key(person_key(EMAIL)), Account) == before
    assert log_in(shop).json["store"]["slug"] == "rival"
    assert log_in(shop, store="acme").code == "invalid_credentials"


def test_an_account_without_a_place_goes_with_its_reset_its_failures_and_its_companys_entry(shop: Shop, time: Clock) -> None:
    market = open_market(shop)
    ida = market.buyer.get("/v1/me").json["id"]
    person = person_key("buyer@bluedoor.test")
    api = shop.owner.as_(None)
    api.post("/v1/password-resets", {"email": "buyer@bluedoor.test"})
    api.post("/v1/sessions", {"email": "buyer@bluedoor.test", "password": "six tall ships at noon"})
    assert [item["sk"].partition("#")[0] for item in stored() if item["pk"] == f"PERSON#{person}"] == [
        *("ACCOUNT", "MEMBERSHIP", "PASSWORD-RESET", "THROTTLE"),
    ]
    assert [each["person"] for each in stored("company") if each["name"] == "Blue Door"] == [person]
    shop.owner.post(f"/v1/members/{ida}/erasure", {"reason": "Asked by letter"})
    in_background(time)
    assert [item for item in stored() if item["pk"] == f"PERSON#{person}"] == []
    assert [each["name"] for each in stored("company")] == ["Green Gate"]
    assert shop.owner.get("/v1/companies", q="blue").json["items"] == []


def test_of_joining_elsewhere_and_losing_the_account_at_once_neither_leaves_a_place_without_an_account(
    shop: Shop, life: Life, time: Clock
) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    customer = rival.add_customer("Hidden Harbour", "hidden@harbour.test")
    life.erase()
    # After it was found that there is no place, and before the account is closed.
    with meanwhile("UpdateItem", lambda: joined(rival, customer["id"], NAME, EMAIL)):
        in_background(time)
    account = Reader().find(account_key(person_key(EMAIL)), Account)
    places = [each for each in stored("membership") if each["pk"] == f"PERSON#{person_key(EMAIL)}"]
    assert (len(places), account is not None and account.closing) == (1, False)
    assert log_in(shop).status == 201


def test_while_an_account_is_being_deleted_nobody_joins_by_it(shop: Shop, life: Life, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    customer = rival.add_customer("Hidden Harbour", "hidden@harbour.test")
    body = {"name": NAME, "email": EMAIL, "role": "buyer", "send_invitation": True}
    added = rival.owner.post(f"/v1/customers/{customer['id']}/employees", body)
    link = rival.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    life.erase()
    replies: list[Any] = []

    def join() -> None:
        closing = Reader().find(account_key(person_key(EMAIL)), Account)
        if closing and closing.closing and not replies:
            path = f"/v1/invitation-links/{link}/acceptance"
            replies.append(shop.owner.as_(None).post(path, {"password": PASSWORD}))

    with meanwhile("Query", join, times=1000):
        in_background(time)
    assert [(reply.status, reply.code) for reply in replies] == [(409, "busy")]
    assert Reader().find(account_key(person_key(EMAIL)), Account) is None
    joined_anew = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"name": NAME, "password": PASSWORD})
    assert joined_anew.status == 201


def test_whoever_joins_elsewhere_while_its_account_is_deleted_gets_a_new_one(shop: Shop, life: Life, time: Clock) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    customer = rival.add_customer("Hidden Harbour", "hidden@harbour.test")
    body = {"name": NAME, "email": EMAIL, "role": "buyer", "send_invitation": True}
    added = rival.owner.post(f"/v1/customers/{customer['id']}/employees", body)
    link = rival.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    life.erase()
    # The account was proven, and is deleted before the place is written.
    with meanwhile("TransactWriteItems", lambda: Context().run(in_background, time)):
        joined_anew = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert joined_anew.status == 201, joined_anew.text
    assert Reader().find(account_key(person_key(EMAIL)), Account) is not None
    assert log_in(shop).status == 201


def test_whoever_waits_for_its_invitation_is_erased_with_the_link(shop: Shop, time: Clock) -> None:
    rep = invite_rep(shop)
    link = reps_link(shop, rep)
    assert shop.owner.post(f"/v1/members/{rep['id']}/erasure", {"reason": "Mistaken"}).status == 202
    accepted = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert (accepted.status, accepted.code) == (410, "invitation_revoked")
    in_background(time)
    assert set(naming("Rhea", rep["email"])) <= FOR_RETRIES
    assert deliver() == []


def test_whoever_was_erased_can_be_invited_anew_and_is_somebody_again(shop: Shop, life: Life, time: Clock) -> None:
    life.erase()
    in_background(time)
    again = joined(shop, life.market.customer["id"], "Umberta Newly", EMAIL)
    me = again.get("/v1/me").json
    assert (me["id"], me["name"], me["email"], me["activity_consent"]) == (life.id, "Umberta Newly", EMAIL, False)
    assert life.member.erased_at is None
    assert life.client.get("/v1/me").code == "invalid_token"


def test_nobody_gets_its_place_again_before_what_was_held_about_it_is_gone(shop: Shop, life: Life, time: Clock) -> None:
    rep = hire(shop, "Rolf")
    employees = f"/v1/customers/{life.market.customer['id']}/employees"
    employee = {"name": "Umberta Newly", "email": EMAIL, "role": "buyer", "send_invitation": True}
    for member_id, path, body in (
        (life.id, employees, employee),
        (rep.id, "/v1/sales-reps", {"name": "Newly", "email": rep.email, "access": "all"}),
    ):
        assert shop.owner.post(f"/v1/members/{member_id}/erasure", {"reason": "Asked by letter"}).status == 202
        before = stored()
        refused = shop.owner.post(path, body)
        assert (refused.status, refused.code, stored()) == (409, "erasure_under_way", before)
        in_background(time, of=member_id)
        assert shop.owner.post(path, body).status == 201


def test_the_customers_own_invitation_gives_an_erased_place_to_somebody_new_and_not_before_it_is_gone(
    shop: Shop, time: Clock
) -> None:
    customer = shop.add_customer("Hidden Harbour", "hidden@harbour.test")
    hilda = joined(shop, customer["id"], "Hilda", "hidden@harbour.test").get("/v1/me").json["id"]
    assert shop.owner.post(f"/v1/members/{hilda}/erasure", {"reason": "Asked by letter"}).status == 202
    path = f"/v1/invitation-links/{shop.invite(customer['id'])}/acceptance"
    anew = {"name": "Hilda Newly", "password": PASSWORD}
    refused = shop.owner.as_(None).post(path, anew)
    assert (refused.status, refused.code) == (409, "erasure_under_way")
    in_background(time)
    assert shop.owner.as_(None).post(path, anew).status == 201
    (member,) = [each for each in stored("member") if each["id"] == hilda]
    assert (member["name"], member["email"], member["erased_at"]) == ("Hilda Newly", "hidden@harbour.test", None)
    listed = shop.owner.get(f"/v1/customers/{customer['id']}/employees").json["items"]
    assert [each["name"] for each in listed] == ["Hilda Newly"]


def test_a_place_that_is_somebodys_again_is_not_erased_by_a_message_that_comes_late(
    shop: Shop, life: Life, time: Clock
) -> None:
    life.erase()
    (item,) = [record for record in records("outbox") if record.load(OutboxItem).message in erasures()]
    in_background(time)
    joined(shop, life.market.customer["id"], "Umberta Newly", EMAIL)
    before = {name: stored(name) for name in ("member", "session", "invitation", "account")}
    item.save()
    in_background(time)
    assert {name: stored(name) for name in before} == before
    (told,) = [each for each in stored("outbox") if each["pk"] == item.pk]
    assert told["status"] == "done"


def test_nothing_is_mailed_to_nobody(shop: Shop, life: Life, time: Clock) -> None:
    deliver()
    life.erase()
    in_background(time)
    order = shop.owner.get(f"/v1/orders/{life.ids['order']}").json
    assert life.market.step(order, "confirm").status == 200
    assert [mail.to for mail in deliver() if "invalid" in mail.to] == []


def test_a_fast_rep_is_not_erased_by_anybody_but_its_own_stores_owner(shop: Shop) -> None:
    rhea = hire(shop)
    rival = open_shop(shop.owner.as_(None), "rival")
    before = stored()
    assert rival.owner.post(f"/v1/members/{rhea.id}/erasure", {"reason": "x"}).status == 404
    assert shop.owner.post("/v1/members/acme.nobody/erasure", {"reason": "x"}).status == 404
    assert rhea.client.post(f"/v1/members/{rhea.id}/erasure", {"reason": "x"}).code == "forbidden"
    assert stored() == before
