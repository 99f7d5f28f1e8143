"""Activity on a deployed stack: kept with consent alone, hidden at once when that is withdrawn, and erased to the last row."""

import csv
import io
from functools import partial
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.deployed import Deployed, until
from tests.support.ordering import Market, open_market
from tests.support.world import Shop

pytestmark = pytest.mark.stack

WRITERS = 4


def test_what_a_person_allows_is_kept_and_exported_until_it_is_withdrawn(shop: Shop, deployed: Deployed) -> None:
    market = tracked(shop)
    buyer = market.buyer
    member = buyer.get("/v1/me").json["id"]
    allow(buyer, allowed=True)
    assert buyer.get("/v1/products/A-1").status == 200
    assert buyer.get("/v1/products", q="lamp").status == 200
    order = market.place()
    told = {"activities": [{"type": "catalog_downloaded", "comment": "=1+1"}]}
    assert buyer.post("/v1/activities", told).json == {"recorded": 1}

    shown = shop.owner.get("/v1/activities").json["items"]
    assert [each["type"] for each in shown] == ["catalog_downloaded", "order_placed", "searched", "product_viewed"]
    assert {each["employee"]["id"] for each in shown} == {member}
    export = exported(shop, kind="activities")
    rows = rows_of(export)
    assert [row["activity_type"] for row in rows] == ["product_viewed", "searched", "order_placed", "catalog_downloaded"]
    assert rows[2]["reference_id"] in {order["id"], order["number"]}
    assert rows[3]["comment"] == "'=1+1"

    allow(buyer, allowed=False)
    assert shop.owner.get("/v1/activities").json["items"] == []
    assert shop.owner.get(f"/v1/exports/{export['id']}").json["download_url"] is None
    until(lambda: not deployed.stored("activity", shop.slug), "the erasure")
    until(lambda: httpx.get(export["download_url"], trust_env=False).status_code == 404, "the end of the file")
    assert shop.owner.get(f"/v1/exports/{export['id']}").json["gone"]["code"] == "consent_withdrawn"


def test_whoever_writes_while_consent_is_withdrawn_leaves_nothing_behind(shop: Shop, deployed: Deployed) -> None:
    market = tracked(shop)
    allow(market.buyer, allowed=True)
    allow(market.other_buyer, allowed=True)
    body = {"activities": [{"type": "page_viewed", "comment": str(number)} for number in range(25)]}
    assert market.other_buyer.post("/v1/activities", body).json == {"recorded": 25}
    over = Event()

    def write() -> None:
        while not over.is_set():
            market.buyer.post("/v1/activities", body)
            market.buyer.get("/v1/products/A-1")

    writers = [Thread(target=write) for _ in range(WRITERS)]
    for each in writers:
        each.start()
    until(lambda: len(deployed.stored("activity", shop.slug)) > 25 * WRITERS, "activity")
    allow(market.buyer, allowed=False)
    over.set()
    for each in writers:
        each.join()
    kept = market.other_buyer.get("/v1/me").json["id"]
    until(lambda: {each["member_id"] for each in deployed.stored("activity", shop.slug)} == {kept}, "the erasure")
    deployed.settle(shop.slug)
    assert [each["member_id"] for each in deployed.stored("activity", shop.slug)] == [kept] * 25
    assert market.buyer.post("/v1/activities", body).json == {"recorded": 0}


def tracked(shop: Shop) -> Market:
    """Open a market whose store tracks activity."""
    market = open_market(shop)
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"track_activity": True}, etag=etag).status == 200
    return market


def allow(buyer: Client, *, allowed: bool) -> None:
    """Decide about one's own activity."""
    etag = buyer.get("/v1/me").json["etag"]
    reply = buyer.put("/v1/me/activity-consent", {"allowed": allowed}, etag=etag)
    assert (reply.status, reply.json["allowed"]) == (200, allowed), reply.text


def exported(shop: Shop, **wanted: Any) -> dict[str, Any]:
    """Ask for an export, and return it when it is done."""
    asked = shop.owner.post("/v1/exports", wanted)
    assert asked.status == 202, asked.text
    path = f"/v1/exports/{asked.json['id']}"
    until(partial(_is_over, shop, path), "the export")
    export = dict(shop.owner.get(path).json)
    assert export["status"] == "done", export
    return export


def rows_of(export: dict[str, Any]) -> list[dict[str, str]]:
    """Download an export, and return its rows by column."""
    answer = httpx.get(export["download_url"], trust_env=False)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def _is_over(shop: Shop, path: str) -> bool:
    return shop.owner.get(path).json["status"] not in {"queued", "running"}
