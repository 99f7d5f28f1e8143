"""A person gets everything that a store holds about it, as one archive that it can read, and nobody else's data with it."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import Clock
from tests.support import export_files as exporting
from tests.support.client import Client
from tests.support.erasing import EMAIL, NAME, PHONE, Life, active, exported, in_background, live
from tests.support.export_files import files, track
from tests.support.faults import failing, refusal
from tests.support.mail import waiting_on
from tests.support.offering import Bargain
from tests.support.ordering import send_event
from tests.support.table import put_back, records, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.stores import Store
from tradepost.exports import person
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.stores import store_key

SECRETS = ("password_hash", "$argon2", "tp_session", "sessions_valid_from")


@pytest.fixture
def life(shop: Shop) -> Life:
    life, built = _lived(shop)
    put_back(built)
    exporting.prepare()
    track(shop)
    return life


@cache
def _lived(shop: Shop) -> tuple[Life, list[Record]]:
    # It takes a while to live, and is done once.
    return live(shop), records()


def asked(client: Client) -> dict[str, Any]:
    """Ask for one's archive."""
    reply = client.post("/v1/me/archives")
    assert reply.status == 202, reply.text
    return dict(reply.json)


def work() -> None:
    """Let the worker write whatever was asked for."""
    for key in waiting_on("exports"):
        exporting.told(key._asdict())
    exporting.work()


def written(archive: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of an archive, in the order in which they are in it."""
    content = files()[f"exports/acme/{archive['id']}"]
    with zipfile.ZipFile(io.BytesIO(content)) as unpacked:
        assert unpacked.testzip() is None
        return {name: unpacked.read(name).decode() for name in unpacked.namelist()}


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table by its columns."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_person_asks_for_everything_and_gets_a_link_to_it(shop: Shop, life: Life) -> None:
    first = send_event("exports/archive_person.requested", TOKEN=life.client.token)
    assert (first.status, first.json["kind"], first.json["status"]) == (202, "person", "queued")
    assert first.json["filters"] == {"member_id": life.id}
    work()
    shown = life.client.get(f"/v1/me/archives/{first.json['id']}").json
    assert (shown["status"], shown["progress"], shown["gone"], shown["empty_because"]) == ("done", 100, None, None)
    link = parse_qs(urlsplit(shown["download_url"]).query)
    assert (link["X-Amz-Expires"], link["response-content-type"]) == (["900"], ["application/zip"])
    assert shown["file_name"].startswith("acme-person-")
    assert shown["rows"] > 10
    (listed,) = life.client.get("/v1/me/archives").json["items"]
    assert (listed["id"], listed["download_url"]) == (shown["id"], None)


def test_the_archive_tells_what_is_held_and_says_what_each_file_is(shop: Shop, life: Life) -> None:
    active(life)
    archive = asked(life.client)
    work()
    found = written(archive)
    assert list(found) == [
        *("README.txt", "profile.json", "membership.json", "consents.json", "sessions.json", "activities.csv", "orders.csv"),
        *("offers.csv", "event_registrations.csv", "events.csv", "acting_sessions.csv", "invitations.csv", "api_keys.csv"),
        *("exports.csv", "customers.csv"),
    ]
    readme = found["README.txt"]
    assert all(name in readme for name in found if name != "README.txt")
    assert all(
        words in readme
        for words in ("Acme", NAME, "Europe/Berlin", "You allow the store to keep it.", "Not in here: the audit")
    )
    account = json.loads(found["profile.json"])["account"]
    assert (account["name"], account["email"]) == (NAME, EMAIL)
    place = json.loads(found["membership.json"])
    assert (place["name"], place["phone"], place["employee_role"], place["status"]) == (NAME, PHONE, "admin", "active")
    assert [each["allowed"] for each in json.loads(found["consents.json"])] == [True]
    assert [set(each) for each in json.loads(found["sessions.json"])] == [
        {"device", "address", "started_at", "last_seen_at"},
    ] * 2
    assert [row["comment"] for row in rows(found["activities.csv"])] == ["'=lamp 0", "'=lamp 1", "'=lamp 2"]
    parts = {row["order_id"]: row["part"] for row in rows(found["orders.csv"])}
    own = ("ordered by you", "ordered for you", "ordered for you")
    assert tuple(parts[life.ids[name]] for name in ("order", "fast", "acted")) == own
    assert {row["total"] for row in rows(found["orders.csv"]) if row["order_id"] == life.ids["order"]} == {"33.87"}
    offers = {row["offer_id"]: row for row in rows(found["offers.csv"])}
    of_offers = [offers[life.ids[name]]["part"] for name in ("asked", "accepted", "open")]
    assert of_offers == ["asked for by you", "took part", "took part"]
    registered = [(row["event"], row["whose"], row["name"]) for row in rows(found["event_registrations.csv"])]
    assert sorted(registered) == sorted([("Meet the makers", "yours", NAME), ("Meet the makers", "somebody else's", "")] * 2)
    assert [row["part"] for row in rows(found["acting_sessions.csv"])] == ["Rhea acted for you"]
    assert [(row["part"], row["email"]) for row in rows(found["invitations.csv"])] == [
        ("sent to you", EMAIL),
        ("sent by you", ""),
    ]
    assert [(row["part"], row["name"]) for row in rows(found["api_keys.csv"])] == [("made by you", "Web shop")]
    assert [row["part"] for row in rows(found["exports.csv"])] == ["asked for by you"]
    everything = "\n".join(found.values())
    # Neither secrets nor what others are called.
    secrets = (*SECRETS, *(each["id"] for each in stored("session")))
    assert [word for word in (*secrets, "una@bluedoor.test", "Cora", "cora@bluedoor.test") if word in everything] == []


def test_the_archive_tells_where_orders_went_and_what_the_person_wrote(shop: Shop, life: Life) -> None:
    home = {"name": "Umberta", "street": "Private Lane 1", "postal_code": "20095", "city": "Hamburg", "country": "DE"}
    placed = life.team.market.place(buyer=life.client, shipping_address=home)
    cancelling = f"/v1/orders/{placed['id']}/cancel"
    cancelled = life.client.post(cancelling, {"note": "=found it elsewhere"}, headers={"If-Match": placed["etag"]})
    assert cancelled.status == 200, cancelled.text
    asked_for = Bargain(life.team).ask(by=life.client, message="Something for my study?")
    archive, reps = asked(life.client), asked(life.team.rep.client)
    work()
    [order] = [row for row in rows(written(archive)["orders.csv"]) if row["order_id"] == placed["id"]]
    assert (order["shipping_street"], order["your_notes"]) == ("Private Lane 1", "'=found it elsewhere")
    assert order["items"] == "; ".join(f"{line['quantity']} × {line['product_number']}" for line in placed["lines"])
    [offer] = [row for row in rows(written(archive)["offers.csv"]) if row["offer_id"] == asked_for["id"]]
    assert (offer["part"], offer["your_words"]) == ("asked for by you", "Something for my study?")
    assert "Private Lane" not in written(reps)["orders.csv"]


def test_a_sales_rep_finds_what_it_did_for_whomever(shop: Shop, life: Life) -> None:
    archive = asked(life.team.rep.client)
    work()
    found = written(archive)
    assert {row["order_id"] for row in rows(found["orders.csv"])} >= {life.ids["fast"], life.ids["acted"]}
    assert life.ids["order"] not in {row["order_id"] for row in rows(found["orders.csv"])}
    assert {row["part"] for row in rows(found["offers.csv"])} == {"yours"}
    assert [row["part"] for row in rows(found["acting_sessions.csv"])] == [f"you acted for {NAME}"]
    assert [row["customer_id"] for row in rows(found["customers.csv"])] == [life.market.customer["id"]]
    assert rows(found["activities.csv"]) == []


def test_the_owner_gets_the_same_about_any_member_and_its_own(shop: Shop, life: Life) -> None:
    own = asked(life.client)
    reply = shop.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}})
    assert reply.status == 202, reply.text
    asked(shop.owner)
    work()
    ours, theirs = written(own), written(reply.json)
    differing = {name for name in ours if ours[name] != theirs[name]}
    # When it was asked for, that it was asked for, and the account, which may come from another store.
    assert differing == {"README.txt", "profile.json", "exports.csv"}
    assert json.loads(theirs["profile.json"]) == {"account": None}
    assert "it is told to you alone, and this file was asked for by somebody else" in theirs["README.txt"]
    assert "it is told to you alone" not in ours["README.txt"]
    # What the owner asks for about others is none of its archives, nor anybody else's.
    assert len(shop.owner.get("/v1/me/archives").json["items"]) == 1
    for client in (shop.owner, life.client):
        assert client.get(f"/v1/me/archives/{reply.json['id']}").status == 404
    assert shop.owner.get(f"/v1/me/archives/{own['id']}").status == 404
    # Nor does the owner, who may have what others exported, get what they asked for about themselves.
    (listed,) = [each for each in shop.owner.get("/v1/exports").json["items"] if each["id"] == own["id"]]
    shown = shop.owner.get(f"/v1/exports/{own['id']}").json
    assert (shown["download_url"], shown["gone"]["code"], listed["gone"]) == (None, "persons_own", shown["gone"])
    assert life.client.get(f"/v1/me/archives/{own['id']}").json["download_url"]
    assert shop.owner.get(f"/v1/exports/{reply.json['id']}").json["download_url"]


def told(life: Life) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return which activity of hers she is told, and which the owner is, as each asks now, with whether it is shown."""
    own = asked(life.client)
    theirs = life.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}})
    assert theirs.status == 202, theirs.text
    work()
    assert life.client.get(f"/v1/me/archives/{own['id']}").json["download_url"]
    ours, others = (
        [(row["comment"], row["shown"]) for row in rows(written(archive)["activities.csv"])] for archive in (own, theirs.json)
    )
    return ours, others


def keep_what_is_withdrawn(shop: Shop, *, days: int = 30) -> None:
    """Let the store erase activity only so many days after consent to it was withdrawn."""
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"activity_erasure_days": days}, etag=etag).status == 200


LAMPS = [f"'=lamp {number}" for number in range(3)]


def test_activity_under_a_consent_that_was_withdrawn_is_told_to_the_person_and_to_nobody_else(shop: Shop, life: Life) -> None:
    keep_what_is_withdrawn(shop)
    active(life)
    shown, hidden = [(lamp, "yes") for lamp in LAMPS], [(lamp, "no") for lamp in LAMPS]
    assert told(life) == (shown, shown)
    assert life.client.put("/v1/me/activity-consent", {"allowed": False}).status == 200
    assert told(life) == (hidden, [])
    # Nor does anew given consent show it again.
    assert life.client.put("/v1/me/activity-consent", {"allowed": True}).status == 200
    assert told(life) == (hidden, [])


def test_activity_is_told_to_the_person_also_when_the_store_does_not_track_it_any_more(shop: Shop, life: Life) -> None:
    active(life)
    archive = asked(life.client)
    work()
    track(shop, on=False)
    # What was told to the person before still is.
    assert life.client.get(f"/v1/me/archives/{archive['id']}").json["gone"] is None
    assert told(life) == ([(lamp, "no") for lamp in LAMPS], [])


def test_activity_that_is_older_than_the_store_shows_is_told_to_the_person_while_it_is_there(
    shop: Shop, life: Life, time: Clock
) -> None:
    active(life)
    track(shop, days=1)
    time.advance(days=2)
    session = life.client.as_(None).post("/v1/sessions", {"email": EMAIL, "password": PASSWORD, "store": "acme"})
    archive = asked(life.client.as_(session.json["token"]))
    work()
    found = [(row["comment"], row["shown"]) for row in rows(written(archive)["activities.csv"])]
    assert found == [*((lamp, "no") for lamp in LAMPS), ("", "yes")], "the last one is the log-in"


@pytest.mark.parametrize("allowed", [True, False])
def test_the_archive_says_what_it_tells_of_activity_and_until_when(shop: Shop, life: Life, *, allowed: bool) -> None:
    keep_what_is_withdrawn(shop, days=12)
    assert life.client.put("/v1/me/activity-consent", {"allowed": allowed}).status == 200
    own, theirs = asked(life.client), shop.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}}).json
    work()
    ours, others = (" ".join(written(archive)["README.txt"].split()) for archive in (own, theirs))
    assert "withdrew is erased 12 days after that, and whatever you did is deleted 3650 days after" in ours
    assert ("Nothing is added" in ours, "You allow the store" in ours) == (not allowed, allowed)
    assert ("nothing that may be shown" in others, "You allow the store" in others) == (not allowed, allowed)
    assert "to you alone" in others
    consents = json.loads(written(own)["consents.json"])
    assert [each["allowed"] for each in consents] == [True] if allowed else [True, False]


def test_an_archive_with_activity_is_not_handed_out_once_consent_is_withdrawn(shop: Shop, life: Life) -> None:
    active(life)
    archive = asked(life.client)
    work()
    path = f"/v1/me/archives/{archive['id']}"
    assert life.client.get(path).json["download_url"]
    assert life.client.put("/v1/me/activity-consent", {"allowed": False}).status == 200
    shown = life.client.get(path).json
    assert (shown["download_url"], shown["gone"]["code"]) == (None, "pending_review")


def test_the_same_state_gives_the_same_bytes(shop: Shop, life: Life, time: Clock) -> None:
    active(life)
    archive = asked(life.client)
    work()
    (first,) = files().values()
    record = Record.get(f"EXPORT#acme#{archive['id']}", "EXPORT")
    asked_at = record.data["requested_at"]
    # A worker that died before anything was noted leaves no trace but that it was at it.
    again = asked(life.client)
    time.advance(minutes=5)
    Record.get(f"EXPORT#acme#{archive['id']}", "EXPORT").delete()
    other = Record.get(f"EXPORT#acme#{again['id']}", "EXPORT")
    other.update([Record.data["requested_at"].set(asked_at)])
    work()
    assert files()[f"exports/acme/{again['id']}"] == first


@pytest.mark.parametrize("call", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "TransactWriteItems"])
def test_a_fault_on_the_way_ends_in_a_whole_archive(shop: Shop, life: Life, call: str) -> None:
    archive = asked(life.client)
    with failing(call, refusal(call, "InternalError"), times=1):
        (key,) = waiting_on("exports")
        exporting.told(key._asdict())
        event = exporting.received()
        assert event is not None
        assert not exporting.consume(event)
        exporting.come_again(event)
    exporting.work()
    shown = life.client.get(f"/v1/me/archives/{archive['id']}").json
    assert (shown["status"], len(files())) == ("done", 1)
    assert NAME in written(archive)["membership.json"]


def test_asked_for_twice_it_is_one_archive(shop: Shop, life: Life) -> None:
    first, second = asked(life.client), asked(life.client)
    assert first["id"] == second["id"]
    assert len(stored("export")) == 1
    work()
    assert asked(life.client)["id"] != first["id"]


def test_nobody_sees_an_archive_of_somebody_else_nor_while_acting(shop: Shop, life: Life) -> None:
    archive = asked(life.client)
    rival = open_shop(shop.owner.as_(None), "rival")
    for client in (life.market.buyer, life.team.rep.client, rival.owner):
        assert client.get(f"/v1/me/archives/{archive['id']}").status == 404
        assert client.get("/v1/me/archives").json["items"] == []
    begun = {"customer_id": life.market.customer["id"], "employee_id": life.id, "reason": "Asked", "minutes": 60}
    acting = shop.owner.as_(life.team.rep.client.post("/v1/acting-sessions", begun).json["token"])
    for reply in (acting.post("/v1/me/archives"), acting.get("/v1/me/archives")):
        assert (reply.status, reply.code) == (403, "not_while_acting")


def test_an_erased_persons_archive_is_gone_whoever_asked_for_it(shop: Shop, life: Life, time: Clock) -> None:
    own = asked(life.client)
    theirs = shop.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}}).json
    work()
    assert set(files()) == {f"exports/acme/{own['id']}", f"exports/acme/{theirs['id']}"}
    assert life.client.post("/v1/me/erasure", {"password": PASSWORD}).status == 202
    in_background(time)
    assert (files(), stored("export")) == ({}, [])
    assert shop.owner.get(f"/v1/exports/{theirs['id']}").status == 404


def test_an_archive_that_is_being_written_while_its_person_is_erased_never_comes(shop: Shop, life: Life, time: Clock) -> None:
    archive = shop.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}}).json
    assert life.client.post("/v1/me/erasure", {"password": PASSWORD}).status == 202
    in_background(time)
    work()
    shown = shop.owner.get(f"/v1/exports/{archive['id']}")
    assert (shown.json["status"], shown.json["download_url"], files()) == ("cancelled", None, {})
    assert NAME not in shown.text


def test_no_archive_is_asked_for_while_its_person_is_erased_and_afterwards_it_tells_what_is_left(
    shop: Shop, life: Life, time: Clock
) -> None:
    about = {"kind": "person", "filters": {"member_id": life.id}}
    assert life.erase().status == 202
    before = stored()
    refused = shop.owner.post("/v1/exports", about)
    assert (refused.status, refused.code, stored()) == (409, "erasure_under_way", before)
    in_background(time)
    reply = shop.owner.post("/v1/exports", about)
    assert reply.status == 202, reply.text
    work()
    found = written(reply.json)
    assert {row["order_id"] for row in rows(found["orders.csv"])} >= {life.ids["order"], life.ids["acted"]}
    everything = "\n".join(found.values()).casefold()
    assert [word for word in (NAME, EMAIL, PHONE) if word.casefold() in everything] == []


def test_an_archive_that_is_taken_up_while_its_person_is_erased_has_failed_and_goes_with_the_rest(
    shop: Shop, life: Life, time: Clock
) -> None:
    archive = shop.owner.post("/v1/exports", {"kind": "person", "filters": {"member_id": life.id}}).json
    assert life.erase().status == 202
    work()
    shown = shop.owner.get(f"/v1/exports/{archive['id']}").json
    assert (shown["status"], shown["failure"]["code"], shown["download_url"]) == ("failed", "person_erased", None)
    assert (files(), exporting.uploads()) == ({}, [])
    in_background(time)
    assert stored("export") == []


def test_whoever_writes_an_archive_says_that_it_is_at_it_within_an_event_too(
    shop: Shop, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = exported(life, by=life.id, export_id="1", about=life.id)
    store, beats = Reader().get(store_key("acme"), Store), []
    for at_once in (500, 1):
        monkeypatch.setattr(person, "_AT_ONCE", at_once)
        counted = list[int]()
        person.write_archive(export, store, life.member, io.BytesIO(), heartbeat=partial(counted.append, 1))
        beats.append(len(counted))
    # There are two events with two of her company each, and each of those is now read by itself.
    assert beats[1] == beats[0] + 2
