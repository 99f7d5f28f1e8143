"""The way of a customer import in the tests: the bucket, its notifications, and the queue whose consumer does the work."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus

import botocore.session

from tests.support.mail import waiting_on
from tests.support.queues import IMPORTS, Worker, create_import_queue
from tests.support.world import Shop

HEADER: Final = ("customer_company_name", "customer_full_name", "email")


def prepare(content: Mapping[str, bytes] = MappingProxyType({})) -> None:
    """Create the bucket and the queue, as they are deployed; with files in it, if it is not there already."""
    create_import_queue()
    s3, bucket = _client("s3"), os.environ["IMPORTS_BUCKET"]
    if s3.list_buckets()["Buckets"]:
        return
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key, body in content.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def files() -> dict[str, bytes]:
    """Return everything in the bucket."""
    s3, bucket = _client("s3"), os.environ["IMPORTS_BUCKET"]
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}


def sheet(rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """Write a customer list."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([header, *rows])
    return written.getvalue()


def doors(count: int, *, invited: bool = False) -> str:
    """Write a list of so many customers, all without a mistake."""
    rows = [(f"Door {number}", f"Person {number}", f"p{number}@doors.test") for number in range(count)]
    if not invited:
        return sheet(rows)
    return sheet([(*row, "yes") for row in rows], (*HEADER, "send_invitation"))


def begun(shop: Shop, **fields: Any) -> dict[str, Any]:
    """Begin an import."""
    reply = shop.owner.post("/v1/customer-imports", {"group_id": shop.group_id, **fields})
    assert reply.status == 201, reply.text
    return dict(reply.json)


def put(import_id: str, content: str | bytes, *, store: str = "acme") -> dict[str, Any]:
    """Upload a file as the form would; returns what S3 tells the queue of it."""
    key = f"uploads/{store}/{import_id}.csv"
    body = content.encode() if isinstance(content, str) else content
    stored = _client("s3").put_object(Bucket=os.environ["IMPORTS_BUCKET"], Key=key, Body=body)
    told = {"key": quote_plus(key, safe="/"), "versionId": stored["VersionId"]}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Post", "s3": {"object": told}}]}


def uploaded(shop: Shop, content: str | bytes) -> str:
    """Begin an import, upload a file and have it checked; returns the import's id."""
    import_id: str = begun(shop)["id"]
    told(put(import_id, content, store=shop.slug))
    assert work() == 1
    return import_id


def approved(shop: Shop, content: str | bytes) -> str:
    """Upload a file and approve what was found in it: its message is on the queue then."""
    import_id = uploaded(shop, content)
    reply = shop.owner.post(f"/v1/customer-imports/{import_id}/approve")
    assert reply.status == 200, reply.text
    relay()
    return import_id


def relay() -> None:
    """Put the approved imports' messages on the queue."""
    for key in waiting_on("customer_imports"):
        told(key._asdict())


_worker = Worker(IMPORTS, "customers/process_customer_import")
told, received, handed = _worker.told, _worker.received, _worker.handed
consume, come_again, work = _worker.consume, _worker.come_again, _worker.work


@cache
def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(service)
