"""Exports on a deployed stack: from the request to the file, whoever dies on the way, and for nobody who may not have it."""

import csv
import hashlib
import io
from datetime import timedelta
from functools import partial
from itertools import batched
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.stack.test_activities import allow, exported, rows_of, tracked
from tests.support.deployed import Deployed, at_once, until
from tests.support.ordering import open_market
from tests.support.reps import hire
from tests.support.world import Shop
from tradepost.domain.activities import Activity
from tradepost.domain.clock import now
from tradepost.domain.exports import Export
from tradepost.domain.ids import new_id
from tradepost.domain.people import Member
from tradepost.domain.stores import Store
from tradepost.table.activities import activity_record
from tradepost.table.exports import export_key
from tradepost.table.records import Record

pytestmark = pytest.mark.stack

MANY = 30_000
"""Rows of some 600 bytes: enough for a file of several parts."""
ENOUGH = "x" * 500


def test_a_rep_gets_the_orders_of_its_customers_as_long_as_they_are_its_own(shop: Shop) -> None:
    market = open_market(shop)
    rep, outsider = hire(shop, "Rhea").client, hire(shop, "Otto").client
    path = f"/v1/customers/{market.customer['id']}/account-manager"
    allocated = shop.owner.put(path, {"sales_rep_id": rep.get("/v1/me").json["id"]}, etag="*")
    assert allocated.status == 200, allocated.text
    mine = [market.place() for _ in range(3)]
    market.place(buyer=market.other_buyer)
    asked = rep.post("/v1/exports", {"kind": "orders", "lines_per": "line"})
    assert asked.status == 202, asked.text
    export_path = f"/v1/exports/{asked.json['id']}"
    until(lambda: rep.get(export_path).json["status"] == "done", "the export")
    export = rep.get(export_path).json
    rows = rows_of(export)
    assert [row["order_number"] for row in rows] == [order["number"] for order in mine for _ in order["lines"]]
    assert outsider.get(export_path).status == 404
    assert (export["rows"], export["progress"], export["empty_because"]) == (len(rows), 100, None)

    assert shop.owner.put(path, {"sales_rep_id": None}, etag="*").status == 200
    gone = rep.get(export_path).json
    assert (gone["download_url"], gone["gone"]["code"]) == (None, "scope_changed")
    assert shop.owner.get(export_path).json["download_url"] is not None


def test_a_file_for_excel_comes_under_a_name_of_its_own_by_a_link_that_ends(shop: Shop) -> None:
    open_market(shop)
    link = exported(shop, kind="customers", excel=True)["download_url"]
    answer = httpx.get(link, trust_env=False)
    assert answer.content.startswith(b"\xef\xbb\xbfcustomer_number,")
    assert shop.slug in answer.headers["content-disposition"]
    assert 0 < int(parse_qs(urlsplit(link).query)["X-Amz-Expires"][0]) <= 900


def test_identical_requests_at_once_are_all_answered_with_an_export_that_says_why_it_is_empty(
    shop: Shop, deployed: Deployed
) -> None:
    open_market(shop)
    wanted = {"kind": "orders", "from": "2020-01-01", "to": "2030-01-01"}
    replies = at_once([partial(shop.owner.post, "/v1/exports", wanted) for _ in range(6)])
    assert {reply.status for reply in replies} == {202}
    deployed.settle(shop.slug)
    exports = deployed.stored("export", shop.slug)
    assert {export["id"] for export in exports} == {reply.json["id"] for reply in replies}
    shown = shop.owner.get(f"/v1/exports/{exports[0]['id']}").json
    assert (shown["status"], shown["rows"], shown["empty_filter"]) == ("done", 0, "period")


def test_an_export_that_was_killed_twice_is_the_same_to_the_byte(shop: Shop, deployed: Deployed) -> None:
    market = tracked(shop)
    allow(market.buyer, allowed=True)
    keys = fill(deployed, shop, market.buyer.get("/v1/me").json["id"])
    whole = exported(shop, kind="activities")
    assert whole["rows"] == MANY
    wanted = {"kind": "activities", "from": "2020-01-01"}
    asked = shop.owner.post("/v1/exports", wanted)
    path = f"/v1/exports/{asked.json['id']}"
    again = at_once([partial(shop.owner.post, "/v1/exports", wanted) for _ in range(6)])
    assert {reply.json["id"] for reply in again} == {asked.json["id"]}, "the same while it is at work is the same export"
    for parts in (1, 2):
        until(partial(_has_parts, deployed, shop, asked.json["id"], parts), "a part", seconds=180)
        assert deployed.stack.kill("ProcessExportFunction") > 0
        assert shop.owner.get(path).json["status"] == "running", "killed too late: there were too few"
    until(lambda: shop.owner.get(path).json["status"] == "done", "the end", seconds=420)
    export = shop.owner.get(path).json
    contents = [httpx.get(each["download_url"], trust_env=False).content for each in (whole, export)]
    first, second = (hashlib.sha256(content).hexdigest() for content in contents)
    assert first == second
    ids = [row["reference_id"] for row in csv.DictReader(io.StringIO(contents[1].decode()))]
    assert ids == [str(number) for number in range(MANY)]
    # Other tests look through the whole table.
    write(deployed, [{"DeleteRequest": {"Key": key}} for key in keys])


def fill(deployed: Deployed, shop: Shop, member_id: str) -> list[dict[str, Any]]:
    """Give a person so many activities, a millisecond apart, as if they had been recorded just now; returns their keys."""
    member = Member.model_validate(next(each for each in deployed.stored("member", shop.slug) if each["id"] == member_id))
    store = Store.model_validate(deployed.stored("store", shop.slug)[0])
    begin = now() - timedelta(minutes=1)
    activities = (_activity(member, begin + timedelta(milliseconds=number), number) for number in range(MANY))
    items = [activity_record(each, store).to_dynamodb_dict() for each in activities]
    write(deployed, [{"PutRequest": {"Item": item}} for item in items])
    return [{name: item[name] for name in ("pk", "sk")} for item in items]


def write(deployed: Deployed, requests: list[dict[str, Any]]) -> None:
    """Put items into the table, or delete them, as many a call as DynamoDB takes."""
    for some in batched(requests, 25, strict=False):
        deployed.stack.client("dynamodb").batch_write_item(RequestItems={deployed.stack.outputs["TableName"]: list(some)})


def _activity(member: Member, at: Any, number: int) -> Activity:
    return Activity(
        id=new_id(),
        store_id=member.store_id,
        member_id=member.id,
        customer_id=member.customer_id,
        type="page_viewed",
        reference_type="page",
        reference_id=str(number),
        comment=ENOUGH,
        at=at,
        recorded_at=at,
        source="portal",
        actor=member.party,
        subject=member.party,
        consent=member.consent,
    )


def _has_parts(deployed: Deployed, shop: Shop, export_id: str, count: int) -> bool:
    named = {name: {"S": part} for name, part in export_key(shop.slug, export_id)._asdict().items()}
    got = deployed.stack.client("dynamodb").get_item(TableName=deployed.stack.outputs["TableName"], Key=named)
    checkpoint = Record.from_raw_data(got["Item"]).load(Export).checkpoint
    return checkpoint is not None and len(checkpoint.parts) >= count
