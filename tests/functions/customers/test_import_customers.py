"""An import is begun with a form, shown as a report, decided on once, and is nobody else's business."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support import customer_imports as imports
from tests.support.customer_imports import HEADER, begun, doors, sheet
from tests.support.mail import announced
from tests.support.table import counted_calls, everything, stored
from tests.support.world import Shop, open_shop
from tradepost.domain.customer_import import APPROVAL_LIFETIME, REPORT_LIFETIME
from tradepost.domain.customer_sheet import MAX_BYTES

MIXED = sheet(
    [
        ("Blue Door", "Ida Holm", "ida@bluedoor.test"),
        ("Red Roof", "Rut", "nobody"),
        ("=1+1", "Gil", "gil@greengate.test"),
        ("Blue Door", "Ida Holm", "IDA@bluedoor.test"),
        ("Taken", "Tom", "Tom@Taken.test"),
    ]
)


@pytest.fixture(autouse=True)
def _prepared(shop: Shop) -> None:
    imports.prepare()


def one(shop: Shop, import_id: str) -> dict[str, Any]:
    """Return an import as its owner sees it."""
    reply = shop.owner.get(f"/v1/customer-imports/{import_id}")
    assert reply.status == 200, reply.text
    return dict(reply.json)


def decide(shop: Shop, import_id: str, decision: str, **options: Any) -> Any:
    """Approve or reject."""
    return shop.owner.post(f"/v1/customer-imports/{import_id}/{decision}", **options)


def test_an_import_begins_with_a_form_for_exactly_one_file(shop: Shop) -> None:
    answer = begun(shop, file_name="customers.csv")
    assert (answer["status"], answer["progress"], answer["file_name"]) == ("awaiting_upload", 0, "customers.csv")
    upload = answer["upload"]
    assert upload["fields"]["key"] == f"uploads/acme/{answer['id']}.csv"
    assert upload["url"].startswith("https://tradepost-test-imports.s3.eu-west-1.")
    assert upload["expires_at"] == answer["upload_until"]
    conditions = json.loads(base64.b64decode(upload["fields"]["policy"]))["conditions"]
    assert ["content-length-range", 0, MAX_BYTES] in conditions
    assert {"key": upload["fields"]["key"]} in conditions
    assert upload["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    [item] = stored("customer_import")
    assert (item["status"], item["group_id"], item["created_by"]["name"]) == ("awaiting_upload", shop.group_id, "Ola Nordmann")
    assert [line["action"] for line in stored("audit")][-1] == "customer_import:begun"


def test_a_retry_gets_a_form_for_the_same_file_although_none_is_kept(shop: Shop) -> None:
    first = shop.owner.post("/v1/customer-imports", {"group_id": shop.group_id}, key="once").json
    kept = everything()
    for secret in (first["upload"]["fields"]["policy"], first["upload"]["fields"]["x-amz-signature"], first["upload"]["url"]):
        assert secret not in kept
    again = shop.owner.post("/v1/customer-imports", {"group_id": shop.group_id}, key="once")
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json["upload"]["fields"].keys() == first["upload"]["fields"].keys()
    assert again.json["upload"]["fields"]["key"] == first["upload"]["fields"]["key"]
    assert {**again.json, "upload": None} == {**first, "upload": None}
    assert again.json["upload"]["expires_at"] == first["upload"]["expires_at"]
    assert len(stored("customer_import")) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/group_id"),
        ({"group_id": 5}, "/group_id"),
        ({"group_id": "no group"}, "/group_id"),
        ({"group_id": "g", "file_name": "x" * 201}, "/file_name"),
        ({"group_id": "g", "rows": []}, "/rows"),
        ({"group_id": "unknown"}, "/group_id"),
    ],
)
def test_an_import_that_cannot_be_begun_says_why(shop: Shop, body: Any, pointer: str) -> None:
    reply = shop.owner.post("/v1/customer-imports", body)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)
    assert stored("customer_import") == []


def test_the_group_of_another_store_is_none(shop: Shop, api: Any) -> None:
    rival = open_shop(api, "rival")
    reply = shop.owner.post("/v1/customer-imports", {"group_id": rival.group_id})
    assert (reply.status, reply.code) == (422, "unknown_customer_group")


def test_imports_are_listed_newest_first(shop: Shop, time: Clock) -> None:
    ids = []
    for _ in range(3):
        ids.append(begun(shop)["id"])
        time.advance(seconds=1)
    first = shop.owner.get("/v1/customer-imports", limit="2").json
    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert "upload" not in first["items"][0]
    second = shop.owner.get("/v1/customer-imports", limit="2", cursor=first["next_cursor"]).json
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == ([ids[0]], None)


def test_a_report_tells_of_every_row_and_changes_nothing(shop: Shop) -> None:
    shop.add_customer("Taken", "tom@taken.test")
    import_id = imports.uploaded(shop, MIXED)
    shown = one(shop, import_id)
    assert (shown["status"], shown["columns"]) == ("awaiting_approval", [*HEADER])
    assert [shown[name] for name in ("rows", "create", "skip", "fail", "created")] == [5, 2, 2, 1, 0]
    assert [row["row"] for row in shown["mistakes"]] == [3, 5, 6]
    rows = shop.owner.get(f"/v1/customer-imports/{import_id}/rows").json
    assert [(row["row"], row["name"], row["status"], row["reason"], row["field"]) for row in rows["items"]] == [
        (2, "Blue Door", "create", None, None),
        (3, "Red Roof", "fail", "invalid", "email"),
        (4, "=1+1", "create", None, None),
        (5, "Blue Door", "skip", "duplicate_in_file", "email"),
        (6, "Taken", "skip", "email_taken", "email"),
    ]
    assert rows["next_cursor"] is None
    assert len(stored("customer")) == 1


def test_rows_are_paged_and_filtered_with_one_read_of_the_report(shop: Shop) -> None:
    rows = [(f"Door {number}", "Ida", f"p{number}@doors.test" if number % 3 else "nobody") for number in range(30)]
    import_id = imports.uploaded(shop, sheet(rows))
    path, seen, cursor = f"/v1/customer-imports/{import_id}/rows", [], None
    while True:
        with counted_calls() as calls:
            page = shop.owner.get(path, limit="7", **({"cursor": cursor} if cursor else {})).json
        assert calls == ["BatchGetItem", "GetObject"]
        seen += [row["row"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 7
    assert seen == [*range(2, 32)]
    failed = shop.owner.get(path, status="fail", limit="100").json
    assert [row["row"] for row in failed["items"]] == [*range(2, 32, 3)]
    assert failed["next_cursor"] is None


def test_a_cursor_leads_into_its_own_report_only(shop: Shop) -> None:
    one_id, other_id = imports.uploaded(shop, doors(3)), imports.uploaded(shop, MIXED)
    cursor = shop.owner.get(f"/v1/customer-imports/{one_id}/rows", limit="1").json["next_cursor"]
    assert shop.owner.get(f"/v1/customer-imports/{one_id}/rows", cursor=cursor).status == 200
    for path, query in (
        (f"/v1/customer-imports/{other_id}/rows", {"cursor": cursor}),
        (f"/v1/customer-imports/{one_id}/rows", {"cursor": cursor, "status": "fail"}),
        (f"/v1/customer-imports/{one_id}/rows", {"cursor": f"x{cursor}"}),
    ):
        reply = shop.owner.get(path, **query)
        assert (reply.status, reply.code) == (400, "invalid_cursor")


def test_there_are_no_rows_before_the_check_nor_a_week_later(shop: Shop, time: Clock) -> None:
    waiting = begun(shop)["id"]
    reply = shop.owner.get(f"/v1/customer-imports/{waiting}/rows")
    assert (reply.status, reply.code) == (409, "no_report")
    import_id = imports.uploaded(shop, doors(1))
    time.advance(seconds=REPORT_LIFETIME.total_seconds())
    owner = shop.owner.as_(log_in(shop))
    reply = owner.get(f"/v1/customer-imports/{import_id}/rows")
    assert (reply.status, reply.code) == (410, "report_gone")


def log_in(shop: Shop) -> str:
    """Log the owner in once more, after a long time."""
    body = {"email": "ola@acme.test", "password": "five tall ships at noon"}
    return str(shop.owner.as_(None).post("/v1/sessions", body).json["token"])


def test_approving_announces_the_work_once(shop: Shop) -> None:
    import_id = imports.uploaded(shop, MIXED)
    reply = decide(shop, import_id, "approve")
    assert (reply.status, reply.json["status"], reply.json["decided_by"]["name"]) == (200, "running", "Ola Nordmann")
    assert announced() == [{"type": "customer_import", "store_id": "acme", "import_id": import_id}]
    assert [line["action"] for line in stored("audit")][-1] == "customer_import:approved"
    for decision in ("approve", "reject"):
        again = decide(shop, import_id, decision)
        assert (again.status, again.code, again.json["import_status"]) == (409, "not_awaiting_approval", "running")
    assert len(announced()) == 1
    assert stored("customer") == []


def test_a_retried_approval_is_answered_as_before(shop: Shop) -> None:
    import_id = imports.uploaded(shop, MIXED)
    first = decide(shop, import_id, "approve", key="once")
    second = decide(shop, import_id, "approve", key="once")
    assert (second.status, second.json, second.headers["idempotent-replayed"]) == (200, first.json, "true")
    assert len(announced()) == 1


def test_a_rejected_import_comes_to_nothing(shop: Shop) -> None:
    import_id = imports.uploaded(shop, MIXED)
    assert decide(shop, import_id, "reject").json["status"] == "rejected"
    assert announced() == []
    assert decide(shop, import_id, "approve").status == 409
    assert [line["action"] for line in stored("audit")][-1] == "customer_import:rejected"


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_only_what_was_checked_is_decided_on(shop: Shop, decision: str) -> None:
    before = stored()
    waiting = begun(shop)["id"]
    unreadable = imports.uploaded(shop, b"\xff\xfe")
    for import_id in (waiting, unreadable):
        reply = decide(shop, import_id, decision)
        assert (reply.status, reply.code) == (409, "not_awaiting_approval")
    assert len(stored("outbox")) == len([item for item in before if item["entity"] == "outbox"])


def test_who_decided_on_an_older_state_is_told(shop: Shop) -> None:
    import_id = begun(shop)["id"]
    old = one(shop, import_id)["etag"]
    imports.told(imports.put(import_id, doors(1)))
    imports.work()
    reply = decide(shop, import_id, "approve", headers={"If-Match": old})
    assert (reply.status, reply.code) == (412, "stale")
    fresh = one(shop, import_id)["etag"]
    assert decide(shop, import_id, "approve", headers={"If-Match": fresh}).status == 200


def test_a_decision_needs_a_key_and_an_import_of_this_store(shop: Shop, api: Any) -> None:
    import_id = imports.uploaded(shop, MIXED)
    assert decide(shop, import_id, "approve", key=None).code == "idempotency_key_required"
    rival = open_shop(api, "rival")
    for method, path in (("GET", ""), ("GET", "/rows"), ("POST", "/approve"), ("POST", "/reject")):
        reply = rival.owner.send(method, f"/v1/customer-imports/{import_id}{path}", headers={"Idempotency-Key": f"tried{path}"})
        assert (reply.status, reply.code) == (404, "not_found")
    assert rival.owner.get("/v1/customer-imports").json["items"] == []
    assert one(shop, import_id)["status"] == "awaiting_approval"


def test_what_nobody_uploads_or_decides_on_expires(shop: Shop, time: Clock) -> None:
    never = begun(shop)["id"]
    undecided = imports.uploaded(shop, MIXED)
    time.advance(hours=1)
    assert one(shop, never)["status"] == "expired"
    assert one(shop, undecided)["status"] == "awaiting_approval"
    time.advance(seconds=(APPROVAL_LIFETIME - timedelta(hours=1)).total_seconds())
    shop = Shop(shop.slug, shop.owner.as_(log_in(shop)), shop.tier_id, shop.group_id)
    assert one(shop, undecided)["status"] == "expired"
    assert decide(shop, undecided, "approve").code == "not_awaiting_approval"


def test_a_buyer_has_nothing_to_do_with_imports(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    import_id = begun(shop)["id"]
    assert buyer.post("/v1/customer-imports", {"group_id": shop.group_id}).status == 403
    assert buyer.get(f"/v1/customer-imports/{import_id}").status == 403
