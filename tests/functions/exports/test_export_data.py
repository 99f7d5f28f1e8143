"""Exports are asked for once, are the business of whoever asked and of the owner, and are handed out as long as they may be."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import Clock
from tests.support.api_keys import Keyed, reseller_of
from tests.support.client import Client
from tests.support.exporting import change, finish, review
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import Team, open_market, open_team, send_event
from tests.support.reps import Rep
from tests.support.table import counted_calls, everything, put_back, records, stored
from tests.support.world import open_shop
from tradepost.domain import clock
from tradepost.domain.exports import EXPORT_REQUESTS, Basis, Checkpoint, EmptyBecause, ExportFailure, Part
from tradepost.domain.ids import person_key
from tradepost.table.exports import export_key, request_key
from tradepost.table.limits import count_at_once
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.stores import store_key


@pytest.fixture
def team(api: Client) -> Team:
    """A store with two customers, the first of which is a reseller, and sales reps. It is opened once and copied."""
    team, built = _opened(api)
    put_back(built)
    return team


@cache
def _opened(api: Client) -> tuple[Team, list[Record]]:
    team = open_team(open_market(open_shop(api)))
    reseller_of(team.market.shop, team.market.customer["id"], noted=True)
    return team, records()


def ask(client: Client, kind: str = "orders", *, key: str = "", **fields: Any) -> Reply:
    """Ask for an export."""
    return client.post("/v1/exports", {"kind": kind, **fields}, key=key)


def asked(client: Client, kind: str = "orders", **fields: Any) -> dict[str, Any]:
    """Ask for an export and return it."""
    reply = ask(client, kind, **fields)
    assert reply.status == 202, reply.text
    return dict(reply.json)


def show(client: Client, export: dict[str, Any]) -> dict[str, Any]:
    """Show an export."""
    reply = client.get(f"/v1/exports/{export['id']}")
    assert reply.status == 200, reply.text
    return dict(reply.json)


def cancel(client: Client, export: dict[str, Any], **options: Any) -> Reply:
    """Cancel an export."""
    return client.post(f"/v1/exports/{export['id']}/cancel", **options)


def runs() -> list[str]:
    """Return the exports that workers are told of."""
    return [each["message"]["export_id"] for each in stored("outbox") if each["message"]["type"] == "export"]


def ids(client: Client, **query: str) -> list[str]:
    """Return the exports that somebody is shown."""
    return [each["id"] for each in client.get("/v1/exports", **query).json["items"]]


def count_withdrawal(team: Team, *, more: int = 1) -> None:
    """Let so many people withdraw their consent."""
    record = Record.get(*store_key(team.market.shop.slug))
    record.aside["withdrawals"] = int(record.aside["withdrawals"]) + more
    record.save()


def test_an_export_is_kept_announced_and_noted_together(team: Team) -> None:
    market = team.market
    customer = market.customer
    before = {(each["pk"], each["sk"]) for each in stored()}
    fields = {"filters": {"customer_id": customer["id"], "status": "shipped"}, "from": "2026-01-01", "to": "2026-03-31"}
    export = asked(market.owner, **fields, time_zone="Asia/Tokyo", excel=True, gzip=True, lines_per="line")
    assert {**fields, "kind": "orders", "status": "queued", "progress": 0, "rows": 0}.items() <= export.items()
    assert (export["time_zone"], export["excel"], export["gzip"], export["lines_per"]) == ("Asia/Tokyo", True, True, "line")
    assert export["filters_in_words"] == [
        f"customer {customer['name']} ({customer['number']})",
        "status shipped",
        "from 2026-01-01 to 2026-03-31, days in Asia/Tokyo",
    ]
    assert export["file_name"] == "acme-orders-2026-01-01-to-2026-03-31.csv.gz"
    assert export["requested_by"]["name"] == "Ola Nordmann"
    assert [export[name] for name in ("download_url", "gone", "failure", "empty_because", "expires_at")] == [None] * 5
    (kept,) = stored("export")
    assert (kept["id"], kept["member_id"], kept["status"]) == (export["id"], export["requested_by"]["id"], "queued")
    assert runs() == [export["id"]]
    (line,) = [line for line in stored("audit") if line["action"] == "export:requested"]
    assert (line["target"], line["details"]["kind"]) == (export["id"], "orders")
    kinds = {each["entity"] for each in stored() if (each["pk"], each["sk"]) not in before}
    assert kinds == {"export", "outbox", "audit", "claim", "limit", "replay"}
    assert show(market.owner, export) == export


def test_what_is_left_out_is_the_stores_time_zone_and_all_days(team: Team) -> None:
    export = asked(team.market.owner, "customers")
    assert (export["time_zone"], export["from"], export["to"], export["lines_per"]) == ("Europe/Berlin", None, None, "order")
    assert (export["filters"], export["filters_in_words"]) == ({"status": "active"}, ["status active"])
    assert re.fullmatch(r"acme-customers-until-\d{4}-\d\d-\d\d\.csv", export["file_name"])
    assert asked(team.market.owner, "customers", filters={"status": "all"})["filters_in_words"] == []


def test_the_payloads_are_answered(team: Team) -> None:
    owner = team.market.owner
    assert send_event("exports/export_data.orders_of_a_quarter", TOKEN=owner.token).status == 202
    (export,) = stored("export")
    names = {"TOKEN": owner.token, "01kc2m4q6z3b5n7v2c4d6f3g5h": export["id"]}
    assert send_event("exports/export_data.how_far", **names).json["status"] == "queued"


@pytest.mark.parametrize(
    ("who", "kinds"),
    [
        (lambda team: team.market.owner, {"activities", "orders", "customers", "invoices", "person"}),
        (lambda team: team.rep.client, {"activities", "orders", "customers"}),
        (lambda team: team.supervisor.client, {"activities", "orders", "customers"}),
        (lambda team: team.market.buyer, {"orders", "invoices"}),
        (lambda team: team.market.other_buyer, set()),
    ],
    ids=["owner", "rep", "supervisor", "reseller", "buyer"],
)
def test_everybody_exports_what_it_may(team: Team, who: Callable[[Team], Client], kinds: set[str]) -> None:
    for kind in ("activities", "orders", "customers", "invoices", "person"):
        filters = {"member_id": team.employee_id} if kind == "person" else {}
        reply = ask(who(team), kind, filters=filters)
        expected = (202, None) if kind in kinds else (403, "forbidden")
        assert (reply.status, reply.code) == expected, (kind, reply.text)
    assert {each["kind"] for each in stored("export")} == kinds


def test_buyers_who_are_no_resellers_have_no_exports_at_all(team: Team) -> None:
    export = asked(team.market.owner)
    for path in ("/v1/exports", f"/v1/exports/{export['id']}"):
        assert team.market.other_buyer.get(path).code == "forbidden"
    assert cancel(team.market.other_buyer, export).code == "forbidden"


def test_an_api_key_exports_nothing(team: Team) -> None:
    key = Keyed(team.market, person_key(team.market.customer["email"])).client("orders:read", "invoices:read")
    assert (ask(key).status, ask(key).code) == (403, "not_for_api_keys")
    assert key.get("/v1/exports").code == "not_for_api_keys"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/kind"]),
        ({"kind": "products"}, ["/kind"]),
        ({"kind": "orders", "filters": {"colour": "red"}}, ["/filters/colour"]),
        ({"kind": "orders", "filters": {"status": "lost", "customer_id": 5}}, ["/filters/customer_id", "/filters/status"]),
        ({"kind": "orders", "filters": {"q": "x" * 201}}, ["/filters/q"]),
        ({"kind": "orders", "filters": {"a/b": 1}}, ["/filters/a~1b"]),
        ({"kind": "orders", "filters": []}, ["/filters"]),
        ({"kind": "orders", "filters": None}, ["/filters"]),
        ({"kind": "customers", "filters": {"has_email": "yes"}}, ["/filters/has_email"]),
        ({"kind": "activities", "filters": {"type": "=cmd"}}, ["/filters/type"]),
        ({"kind": "activities", "filters": {"status": "shipped"}}, ["/filters/status"]),
        ({"kind": "invoices", "filters": {"kind": "bill"}}, ["/filters/kind"]),
        ({"kind": "person"}, ["/filters/member_id"]),
        ({"kind": "person", "filters": {"member_id": "a"}, "gzip": True, "from": "2026-01-01"}, ["/from", "/gzip"]),
        ({"kind": "orders", "from": "2026-02-30"}, ["/from"]),
        ({"kind": "orders", "from": 20260101}, ["/from"]),
        ({"kind": "orders", "to": "2026-01-01T00:00:00Z"}, ["/to"]),
        ({"kind": "orders", "from": "2026-01-02", "to": "2026-01-01"}, ["/from"]),
        ({"kind": "orders", "time_zone": "Mars/Olympus"}, ["/time_zone"]),
        ({"kind": "orders", "time_zone": "../../etc/passwd"}, ["/time_zone"]),
        ({"kind": "orders", "excel": "yes"}, ["/excel"]),
        ({"kind": "orders", "lines_per": "page"}, ["/lines_per"]),
        ({"kind": "customers", "lines_per": "line"}, ["/lines_per"]),
        ({"kind": "orders", "pages": 5}, ["/pages"]),
    ],
)
def test_what_is_wrong_is_pointed_at_and_nothing_is_kept(team: Team, body: dict[str, Any], pointers: list[str]) -> None:
    before = stored()
    reply = team.market.owner.post("/v1/exports", body)
    assert reply.status == 422, reply.text
    assert sorted(error["pointer"] for error in reply.json["errors"]) == pointers
    assert reply.code == ("invalid_period" if "to" in body and "from" in body else "invalid")
    assert stored() == before


@pytest.mark.parametrize("days", [("2016-11-27", "2026-11-26"), ("0001-01-01", "9999-12-31"), ("2031-01-01", "2031-01-01")])
def test_any_days_in_their_order_are_fine(team: Team, days: tuple[str, str]) -> None:
    export = asked(team.market.owner, **{"from": days[0], "to": days[1]}, time_zone="Pacific/Kiritimati")
    (kept,) = stored("export")
    assert (export["from"], export["to"]) == days
    assert kept["begin"] <= kept["end"] <= kept["requested_at"][:-4] + "999Z"


def test_an_export_names_what_it_is_filtered_by(team: Team) -> None:
    market = team.market
    order, shop = market.place(), market.shop
    rep, owner = team.rep.id, market.owner
    for kind, filters, words in (
        ("orders", {"q": "blue", "sales_rep_id": rep}, ["words “blue”", "sales rep Rhea"]),
        ("activities", {"employee_id": team.employee_id, "type": "log_in"}, ["employee Ida Holm", "type log_in"]),
        ("activities", {"employee_id": rep}, ["employee Rhea"]),
        ("invoices", {"order_id": order["id"], "kind": "credit_note"}, [f"order {order['number']}", "kind credit_note"]),
        ("person", {"member_id": team.employee_id}, ["person Ida Holm"]),
        (
            "customers",
            {"group_id": shop.group_id, "sales_rep_id": "none", "has_email": False, "delivery": "bounced", "status": "all"},
            ["customer group Retailers", "without a sales rep", "without an e-mail address", "delivery bounced"],
        ),
    ):
        assert sorted(asked(owner, kind, filters=filters)["filters_in_words"]) == sorted(words)
    assert asked(market.buyer, "invoices", filters={"order_id": order["id"]})["filters_in_words"] == [
        f"order {order['number']}"
    ]


def test_what_is_not_there_or_out_of_scope_is_not_exported_in_silence(team: Team) -> None:
    market = team.market
    foreign = market.other_customer["id"]
    foreign_order = market.place(buyer=market.other_buyer)["id"]
    foreign_employee = market.other_buyer.get("/v1/me").json["id"]
    mine, own, owner = team.rep.client, market.buyer, market.owner
    before = stored()
    for client, kind, filters in (
        (owner, "orders", {"customer_id": "nobody"}),
        (owner, "orders", {"sales_rep_id": "nobody"}),
        (owner, "orders", {"sales_rep_id": "none"}),
        (owner, "orders", {"sales_rep_id": team.employee_id}),
        (owner, "activities", {"employee_id": "nobody"}),
        (owner, "customers", {"group_id": "nothing"}),
        (owner, "invoices", {"order_id": "nothing"}),
        (owner, "person", {"member_id": "nobody"}),
        (owner, "person", {"member_id": "rival.person"}),
        (mine, "orders", {"customer_id": foreign}),
        (mine, "orders", {"sales_rep_id": team.outsider.id}),
        (mine, "activities", {"customer_id": foreign}),
        (mine, "activities", {"employee_id": foreign_employee}),
        (mine, "activities", {"employee_id": team.outsider.id}),
        (own, "orders", {"customer_id": foreign}),
        (own, "orders", {"sales_rep_id": team.rep.id}),
        (own, "invoices", {"order_id": foreign_order}),
    ):
        reply = ask(client, kind, filters=filters)
        assert (reply.status, reply.code) == (404, "not_found"), (kind, filters, reply.text)
    assert stored() == before
    assert ask(mine, "activities", filters={"employee_id": team.rep.id}).status == 202
    assert ask(mine, filters={"sales_rep_id": team.rep.id}).status == 202


def test_the_same_asked_for_again_while_it_is_written_is_the_same_export(team: Team) -> None:
    owner = team.market.owner
    fields = {"filters": {"status": "shipped"}, "from": "2026-01-01"}
    first = asked(owner, **fields)
    change(first["id"], status="running", progress=40, rows=7)
    again = asked(owner, **fields)
    assert (again["id"], again["status"], again["progress"], again["rows"]) == (first["id"], "running", 40, 7)
    assert (len(stored("export")), runs()) == (1, [first["id"]])
    changes: list[dict[str, Any]] = [{"from": "2026-01-02"}, {"excel": True}, {"filters": {}}]
    others = [asked(owner, **{**fields, **change_of}) for change_of in changes]
    others.append(asked(team.rep.client, **fields))
    assert len({first["id"], *(each["id"] for each in others)}) == 5
    finish(first["id"])
    assert asked(owner, **fields)["id"] not in ids(owner)[1:]
    assert len(stored("export")) == 6


def test_two_who_ask_for_the_same_at_the_same_moment_get_one_export(team: Team) -> None:
    owner = team.market.owner
    other: list[str] = []
    with meanwhile("TransactWriteItems", lambda: other.append(asked(owner)["id"])):
        # Entered twice at once, as it never is where it is deployed, the function forgets that its status is 202.
        export = ask(owner).json
    assert [export["id"]] == other == runs()
    assert len(stored("export")) == len([each for each in stored("claim") if each["pk"].startswith("CLAIM#acme#export")]) == 1


def test_a_request_that_comes_while_the_same_export_ends_is_another_one(team: Team) -> None:
    owner = team.market.owner
    first = asked(owner)
    with meanwhile("TransactWriteItems", partial(finish, first["id"])):
        # It was answered with what it had read: the export that was being written.
        assert asked(owner)["id"] == first["id"]
    second = asked(owner)
    with meanwhile("BatchGetItem", partial(finish, second["id"]), when="after"):
        third = asked(owner)
    assert third["id"] not in {first["id"], second["id"]}
    assert runs().count(third["id"]) == 1


def test_what_is_over_or_forgotten_holds_nothing_up(team: Team) -> None:
    owner = team.market.owner
    first = asked(owner)
    change(first["id"], status="failed")
    second = asked(owner)
    Record(*export_key("acme", second["id"])).delete()
    third = asked(owner)
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert asked(owner)["id"] == third["id"]
    (claim,) = [each for each in stored("claim") if each["pk"].startswith("CLAIM#acme#export")]
    assert claim["holder"] == third["id"]


def test_a_retry_is_answered_as_before(team: Team) -> None:
    owner = team.market.owner
    first = ask(owner, key="once")
    finish(first.json["id"])
    before = stored()
    again = ask(owner, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (202, first.json, "true")
    assert ask(owner, excel=True, key="once").code == "idempotency_key_reused"
    assert owner.post("/v1/exports", {"kind": "orders"}, key=None).code == "idempotency_key_required"
    assert stored() == before


def test_so_many_may_be_asked_for_within_an_hour(team: Team, time: Clock) -> None:
    owner = team.market.owner
    whose = owner.get("/v1/me").json["id"]
    for _ in range(EXPORT_REQUESTS.most - 1):
        count_at_once("acme", EXPORT_REQUESTS, whose, at=time.at)
    last = asked(owner)
    before = len(stored("export"))
    refused = ask(owner, excel=True)
    assert (refused.status, refused.code) == (429, "too_many_exports")
    assert int(refused.headers["retry-after"]) == EXPORT_REQUESTS.seconds_left(time.at)
    # What is at work already is no new one, and others are not concerned.
    assert asked(owner)["id"] == last["id"]
    assert len(stored("export")) == before
    assert ask(team.rep.client).status == 202


def test_the_owner_lists_everybodys_and_others_their_own(team: Team, time: Clock) -> None:
    owner, mine, own = team.market.owner, team.rep.client, team.market.buyer
    made = []
    for client, kind in ((owner, "orders"), (mine, "customers"), (mine, "orders"), (own, "invoices")):
        made.append(asked(client, kind)["id"])
        time.advance(seconds=1)
    change(made[2], status="running")
    assert ids(owner) == made[::-1]
    assert (ids(mine), ids(own), ids(team.outsider.client)) == ([made[2], made[1]], [made[3]], [])
    assert (ids(owner, kind="orders"), ids(mine, status="running")) == ([made[2], made[0]], [made[2]])
    assert ids(owner, kind="orders", status="queued") == [made[0]]
    assert owner.get("/v1/exports", status="lost").status == 422
    first = owner.get("/v1/exports", limit="3").json
    second = owner.get("/v1/exports", limit="3", cursor=first["next_cursor"]).json
    assert [each["id"] for each in (*first["items"], *second["items"])] == made[::-1]
    assert owner.get("/v1/exports", limit="3", kind="orders", cursor=first["next_cursor"]).code == "invalid_cursor"
    assert mine.get("/v1/exports", cursor=first["next_cursor"]).code == "invalid_cursor"


def test_an_export_is_whose_it_is_and_the_owners(team: Team) -> None:
    export = asked(team.rep.client)
    assert show(team.rep.client, export) == show(team.market.owner, export)
    for client in (team.outsider.client, team.supervisor.client, team.market.buyer, team.market.rival()):
        for reply in (client.get(f"/v1/exports/{export['id']}"), cancel(client, export)):
            assert (reply.status, reply.code) == (404, "not_found")
    assert team.market.owner.get("/v1/exports/nothing").code == "not_found"


def test_a_file_is_got_by_a_link_of_a_quarter_of_an_hour(team: Team, time: Clock) -> None:
    export = asked(team.rep.client, **{"from": "2026-01-01", "to": "2026-02-01"}, gzip=True)
    assert show(team.rep.client, export)["download_url"] is None
    finish(export["id"], rows=12, size=345)
    shown = show(team.rep.client, export)
    assert (shown["status"], shown["progress"], shown["rows"], shown["size"]) == ("done", 100, 12, 345)
    link = urlsplit(shown["download_url"])
    asked_for = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert (link.scheme, link.netloc) == ("https", "tradepost-test-exports.s3.eu-west-1.amazonaws.com")
    assert link.path == f"/exports/acme/{export['id']}"
    assert (asked_for["X-Amz-Expires"], asked_for["X-Amz-Algorithm"]) == ("900", "AWS4-HMAC-SHA256")
    name = "acme-orders-2026-01-01-to-2026-02-01.csv.gz"
    assert asked_for["response-content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    assert asked_for["response-content-type"] == "application/gzip"
    assert shown["download_expires_at"] == clock.stamp(time.at + timedelta(minutes=15))
    assert shown["expires_at"] == clock.stamp(time.at + timedelta(days=7))
    # Whoever has seen it before gets a new link, not the answer that nothing has changed.
    headers = {"If-None-Match": f'"{stored("export")[0]["version"]}"'}
    assert team.rep.client.get(f"/v1/exports/{export['id']}", headers=headers).status == 200
    assert [each["download_url"] for each in team.rep.client.get("/v1/exports").json["items"]] == [None]
    assert "X-Amz-Signature" not in everything()


def test_there_is_no_link_to_what_is_not_done(team: Team) -> None:
    owner, empty = team.market.owner, asked(team.market.owner)
    for status in ("running", "failed", "cancelled"):
        change(empty["id"], status=status)
        assert [show(owner, empty)[name] for name in ("download_url", "download_expires_at", "gone")] == [None] * 3
    change(empty["id"], status="failed", failure=ExportFailure(code="too_often", detail="It came to nothing."))
    assert show(owner, empty)["failure"] == {"code": "too_often", "detail": "It came to nothing."}
    because = EmptyBecause(filter="status", detail="No order is lost.")
    finish(empty["id"], rows=0, failure=None, empty_because=because)
    shown = show(owner, empty)
    assert (shown["empty_because"], shown["empty_filter"]) == ("No order is lost.", "status")
    assert shown["download_url"]


def given(client: Client, export: dict[str, Any]) -> str | None:
    """Return why a file is not handed out, None if it is: by itself and in the list alike."""
    shown = show(client, export)
    (listed,) = [each for each in client.get("/v1/exports").json["items"] if each["id"] == export["id"]]
    assert listed["gone"] == shown["gone"]
    assert (shown["download_url"] is None) == (shown["gone"] is not None)
    return str(shown["gone"]["code"]) if shown["gone"] else None


@pytest.mark.parametrize("kind", ["orders", "customers", "activities"])
def test_a_rep_that_lost_a_customer_does_not_get_what_it_exported_before_and_the_owner_does(team: Team, kind: str) -> None:
    team.set_store(track_activity=True)
    mine, everybodys = asked(team.rep.client, kind), asked(team.everywhere.client, kind)
    finish(mine["id"])
    finish(everybodys["id"])
    assert (given(team.rep.client, mine), given(team.everywhere.client, everybodys)) == (None, None)
    team.assign(None)
    assert (given(team.rep.client, mine), given(team.everywhere.client, everybodys)) == ("scope_changed", None)
    assert given(team.market.owner, mine) is None
    # Given back, it has been out of scope all the same: what became of it meanwhile is not the rep's to know.
    team.assign(team.rep)
    assert given(team.rep.client, mine) == "scope_changed"
    again = asked(team.rep.client, kind)
    finish(again["id"])
    assert given(team.rep.client, again) is None


def test_who_sees_active_customers_does_not_get_what_it_exported_before_one_was_switched_off(team: Team) -> None:
    exports: list[tuple[Rep, dict[str, Any]]] = [
        (rep, asked(rep.client)) for rep in (team.everywhere, team.supervisor, team.rep)
    ]
    mine = asked(team.market.owner)
    for export in (mine, *(each for _, each in exports)):
        finish(export["id"])
    team.set_customer(active=False)
    assert [given(rep.client, export) for rep, export in exports] == ["scope_changed", "scope_changed", None]
    assert given(team.market.owner, mine) is None


def test_who_is_given_another_access_does_not_get_what_it_exported_before(team: Team) -> None:
    export = asked(team.everywhere.client)
    finish(export["id"])
    path = f"/v1/sales-reps/{team.everywhere.id}"
    owner = team.market.owner
    reply = owner.patch(path, {"access": "allocated"}, etag=owner.get(path).json["etag"])
    assert reply.status == 200, reply.text
    assert given(team.everywhere.client, export) == "scope_changed"


@pytest.mark.parametrize(
    ("kind", "concerned"), [("activities", True), ("person", True), ("orders", False), ("customers", False)]
)
def test_what_holds_activities_waits_until_a_withdrawal_has_been_looked_into(team: Team, kind: str, *, concerned: bool) -> None:
    owner = team.market.owner
    team.set_store(track_activity=True)
    count_withdrawal(team)
    export = asked(owner, kind, filters={"member_id": team.employee_id} if kind == "person" else {})
    finish(export["id"])
    assert given(owner, export) is None
    count_withdrawal(team, more=2)
    assert given(owner, export) == ("pending_review" if concerned else None)
    review(export["id"], 2)
    assert given(owner, export) == ("pending_review" if concerned else None)
    review(export["id"], 3)
    assert given(owner, export) is None
    change(export["id"], gone="consent_withdrawn")
    assert given(owner, export) == "consent_withdrawn"


def test_activities_are_handed_out_only_while_the_store_tracks_them(team: Team) -> None:
    owner = team.market.owner
    team.set_store(track_activity=True)
    full, empty = asked(owner, "activities"), asked(owner, "activities", excel=True)
    finish(full["id"])
    finish(empty["id"], rows=0)
    team.set_store(track_activity=False)
    assert (given(owner, full), given(owner, empty)) == ("tracking_off", None)
    team.set_store(track_activity=True)
    assert given(owner, full) is None


def test_a_file_is_there_for_seven_days(team: Team) -> None:
    owner = team.market.owner
    export = asked(owner)
    finish(export["id"], generated_at=clock.now() - timedelta(days=7, seconds=-60))
    assert given(owner, export) is None
    change(export["id"], generated_at=clock.now() - timedelta(days=7))
    assert given(owner, export) == "expired"


def test_what_somebody_asked_about_a_person_goes_by_no_scope(team: Team) -> None:
    export = asked(team.rep.client)
    # As `/v1/me/archives` makes it.
    finish(export["id"], kind="person", file_name="acme-person-2026-11-27.zip")
    team.assign(None)
    shown = show(team.rep.client, export)
    assert (shown["gone"], "application%2Fzip" in shown["download_url"]) == (None, True)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_an_export_that_is_not_done_is_cancelled_and_once_more_is_no_change(team: Team, status: str) -> None:
    mine = team.rep.client
    export = asked(mine)
    change(export["id"], status=status, checkpoint=Checkpoint(upload_id="u", parts=(Part(etag='"e"', size=9),)), rows=5)
    reply = cancel(mine, export)
    assert (reply.status, reply.json["status"], reply.json["rows"], reply.json["gone"]) == (200, "cancelled", 5, None)
    (kept,) = stored("export")
    assert (kept["status"], kept["version"], kept["ended_at"]) == ("cancelled", 3, reply.json["ended_at"])
    assert Reader().record(request_key("acme", kept["fingerprint"])) is None
    again = cancel(team.market.owner, export)
    assert (again.status, again.json) == (200, reply.json)
    assert stored("export") == [kept]
    assert [line["target"] for line in stored("audit") if line["action"] == "export:cancelled"] == [export["id"]]
    # The same can be asked for anew.
    assert asked(mine)["id"] != export["id"]


@pytest.mark.parametrize("status", ["done", "failed"])
def test_what_is_over_is_not_cancelled(team: Team, status: str) -> None:
    export = asked(team.market.owner)
    finish(export["id"], status=status)
    before = stored()
    reply = cancel(team.market.owner, export)
    assert (reply.status, reply.code, reply.json["export_status"]) == (409, "export_over", status)
    assert stored() == before


def test_of_a_worker_and_somebody_who_cancels_the_first_one_counts(team: Team) -> None:
    mine = team.rep.client
    first, second = asked(mine), asked(mine, excel=True)
    with meanwhile("TransactWriteItems", partial(change, first["id"], status="running", rows=7)):
        assert cancel(mine, first).json["status"] == "cancelled"
    assert {each["id"]: each["rows"] for each in stored("export")}[first["id"]] == 7
    with meanwhile("TransactWriteItems", partial(finish, second["id"])):
        assert cancel(mine, second).code == "export_over"
    assert show(mine, second)["download_url"]


def test_a_cancellation_is_retried_safely_and_may_name_a_version(team: Team) -> None:
    mine = team.rep.client
    export = asked(mine)
    change(export["id"], status="running")
    assert cancel(mine, export, headers={"If-Match": export["etag"]}).status == 412
    etag = show(mine, export)["etag"]
    first = cancel(mine, export, key="once", headers={"If-Match": etag})
    again = cancel(mine, export, key="once", headers={"If-Match": etag})
    assert (first.status, again.json, again.headers["idempotent-replayed"]) == (200, first.json, "true")
    assert cancel(mine, export, key=None).code == "idempotency_key_required"


def test_the_same_asked_for_again_takes_one_more_call(team: Team) -> None:
    owner = team.market.owner
    fields = {"filters": {"customer_id": team.market.customer["id"], "sales_rep_id": team.rep.id}}
    with counted_calls() as calls:
        asked(owner, **fields)
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        asked(owner, **fields)
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]


def test_what_is_at_stake_is_compared_as_it_was_read(team: Team) -> None:
    basis = Basis(withdrawals=1, deactivations=0, departures=0, reach="store", whose=None)
    assert basis.same_scope_as(basis.model_copy(update={"withdrawals": 9}))
    for other in ({"deactivations": 1}, {"departures": 1}, {"reach": "active"}, {"whose": "somebody"}):
        assert not basis.same_scope_as(basis.model_copy(update=other))
