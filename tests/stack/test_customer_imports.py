"""A customer list goes its whole way on a deployed stack: by form, into a report, and to the last row though killed twice."""

from collections import Counter
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.customer_imports import HEADER, sheet
from tests.support.deployed import Deployed, until
from tests.support.world import Shop

pytestmark = pytest.mark.stack

COUNT = 250
MISTAKES = [
    ("Red Roof", "Rut", "nobody", ""),
    ("", "Nobody", "nobody@doors.test", ""),
    ("Once More", "Ida", "P1@DOORS.test", ""),
    ("Taken", "Tom", "Tom@Taken.test", ""),
    ("x" * 201, "Long", "long@doors.test", ""),
    ("Cut", "Off"),
]


def test_a_list_is_carried_out_to_the_last_row_although_its_function_is_killed_twice(shop: Shop, deployed: Deployed) -> None:
    shop.add_customer("Taken", "tom@taken.test")
    rows = [
        (f"=Door+{number}", f"Person {number}", f"p{number}@doors.test", "yes" if number < 5 else "") for number in range(COUNT)
    ]
    import_id = uploaded(shop, sheet([*rows, *MISTAKES], (*HEADER, "send_invitation")))
    until(partial(_has, shop, import_id, "status", "awaiting_approval"), "the report")
    shown = one(shop, import_id)
    assert [shown[name] for name in ("rows", "create", "skip", "fail")] == [COUNT + len(MISTAKES), COUNT, 2, 4]
    found = shop.owner.get(f"/v1/customer-imports/{import_id}/rows", limit="100", status="fail").json["items"]
    assert [row["reason"] for row in found] == ["invalid", "required", "too_long", "malformed_row"]

    approved = shop.owner.post(f"/v1/customer-imports/{import_id}/approve")
    assert approved.status == 200, approved.text
    for _ in range(2):
        before = one(shop, import_id)["progress"]
        until(partial(_is_beyond, shop, import_id, before), "progress")
        assert deployed.stack.kill("ProcessCustomerImportFunction") > 0
        assert one(shop, import_id)["status"] == "running", "killed too late: the list was too short"
    until(partial(_has, shop, import_id, "status", "done"), "the end", seconds=60)

    shown = one(shop, import_id)
    assert (shown["created"], shown["invited"], shown["failed"], shown["progress"]) == (COUNT, 5, 0, 1)
    customers = deployed.stored("customer", shop.slug)
    assert Counter(customer["email"] for customer in customers) == Counter([row[2] for row in rows] + ["tom@taken.test"])
    assert len({customer["number"] for customer in customers}) == COUNT + 1
    [group] = deployed.stored("customer_group", shop.slug)
    assert group["tally"] == COUNT + 1
    for number in range(5):
        [mail] = deployed.mails(f"p{number}@doors.test", expecting=1)
        assert f"{deployed.stack.base_url}/i/" in mail["text"]
    deployed.settle(shop.slug)
    until(lambda: _waiting(deployed) == 0, "an empty queue")


def test_what_s3_refuses_never_becomes_an_import(shop: Shop) -> None:
    begun = shop.owner.post("/v1/customer-imports", {"group_id": shop.group_id}).json
    form = begun["upload"]
    other = {**form["fields"], "key": form["fields"]["key"].replace(begun["id"], "elsewhere")}
    too_large = b"x" * (20 * 2**20 + 1)
    for fields, content, status in ((other, b"a", 403), (form["fields"], too_large, 400)):
        assert httpx.post(form["url"], data=fields, files={"file": content}, trust_env=False).status_code == status
    assert one(shop, begun["id"])["status"] == "awaiting_upload"


def test_a_file_that_cannot_be_read_says_so(shop: Shop) -> None:
    import_id = uploaded(shop, sheet([("Blue Door", "Ida", "ida@bluedoor.test")])[:-8])
    until(partial(_has, shop, import_id, "status", "awaiting_approval"), "the report")
    import_id = uploaded(shop, ",".join(HEADER) + "\nBlue Door,Id")
    until(partial(_has, shop, import_id, "status", "invalid"), "the refusal")
    assert one(shop, import_id)["mistake"]["code"] == "truncated"


def uploaded(shop: Shop, content: str) -> str:
    """Begin an import and upload its file, as any HTTP client would."""
    begun = shop.owner.post("/v1/customer-imports", {"group_id": shop.group_id, "file_name": "customers.csv"})
    assert begun.status == 201, begun.text
    form = begun.json["upload"]
    file = ("customers.csv", content.encode(), "text/csv")
    answer = httpx.post(form["url"], data=form["fields"], files={"file": file}, trust_env=False)
    assert answer.status_code == 204, answer.text
    return str(begun.json["id"])


def one(shop: Shop, import_id: str) -> dict[str, Any]:
    """Return an import as its owner sees it."""
    return dict(shop.owner.get(f"/v1/customer-imports/{import_id}").json)


def _has(shop: Shop, import_id: str, name: str, value: Any) -> bool:
    return bool(one(shop, import_id)[name] == value)


def _is_beyond(shop: Shop, import_id: str, progress: float) -> bool:
    return bool(one(shop, import_id)["progress"] > progress)


def _waiting(deployed: Deployed) -> int:
    """Return how many messages the queue of imports holds, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    queue = deployed.stack.outputs["CustomerImportQueueUrl"]
    got = deployed.stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    return sum(int(got["Attributes"][name]) for name in names)
