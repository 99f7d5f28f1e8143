"""People who withdraw consent, the files of exports that may tell of them, and the way of an erasure to its end."""

import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import botocore.session

from tests.support.client import Client
from tests.support.mail import waiting_on
from tests.support.queues import ERASURES, Worker, create_erasures_queue, delayed
from tradepost.aws.exports import begin_upload, file_key, upload_part, write_file
from tradepost.domain.exports import ActivityFilters, Basis, Checkpoint, Export, Rest
from tradepost.domain.ids import new_id
from tradepost.domain.people import SYSTEM
from tradepost.table.exports import export_key, save_export
from tradepost.table.reading import Reader
from tradepost.table.transaction import Transaction

_worker = Worker(ERASURES, "activity/erase_activity")
told, received, handed = _worker.told, _worker.received, _worker.handed
consume, come_again, work = _worker.consume, _worker.come_again, _worker.work


def prepare() -> None:
    """Create the queue and the bucket, as they are deployed."""
    create_erasures_queue()
    place = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    _s3().create_bucket(Bucket=os.environ["EXPORTS_BUCKET"], CreateBucketConfiguration=place)


def withdraw(client: Client) -> None:
    """Let a person withdraw consent, whose message is on the queue then."""
    assert client.put("/v1/me/activity-consent", {"allowed": False}).status == 200
    relay()


def relay() -> None:
    """Put the messages of erasures that are not over on the queue."""
    for key in waiting_on("erasures"):
        told(key._asdict())


def waits() -> list[int]:
    """Return for how many seconds each message waits that was put off."""
    return [seconds for _, seconds in delayed(ERASURES)]


def put_export(store_id: str, at: datetime, **fields: Any) -> Export:
    """Put an export into the table that was asked for and begun at an instant, and its file into the bucket; returns it."""
    export = Export(
        **{
            "id": new_id(),
            "store_id": store_id,
            "kind": "activities",
            "filters": ActivityFilters(),
            "begin": at - timedelta(days=30),
            "end": at,
            "time_zone": "Europe/Berlin",
            "file_name": "acme-activities.csv",
            "fingerprint": new_id(),
            "requested_by": SYSTEM,
            "member_id": f"{store_id}.somebody",
            "requested_at": at,
            "started_at": at,
            "status": "done",
            "basis": basis(),
            **fields,
        }
    )
    if export.status == "done":
        write_file(file_key(store_id, export.id), b"rows")
    tx = Transaction(f"STORE#{store_id}", SYSTEM, SYSTEM, at)
    saved = save_export(tx, export)
    tx.commit()
    return saved


def put_running_export(store_id: str, at: datetime, **fields: Any) -> Export:
    """Put an export into the table of whose file there is a part, and something behind that."""
    export_id = new_id()
    key = file_key(store_id, export_id)
    upload_id, rest = begin_upload(key), f"{key}/{new_id()}"
    part = upload_part(key, upload_id, 1, b"rows")
    write_file(rest, b"more rows")
    point = Checkpoint(upload_id=upload_id, parts=(part,), rest=Rest(name=rest, packed=0), position="somewhere", rows=9)
    noted = {"checkpoint": point, "rows": 9, "progress": 40, "worker": "message", "worker_until": at + timedelta(minutes=1)}
    return put_export(store_id, at, id=export_id, status="running", **noted, **fields)


def basis(withdrawals: int = 0) -> Basis:
    """Return what held when a file of the owner's was begun."""
    return Basis(withdrawals=withdrawals, deactivations=0, departures=0, reach="store", whose=None)


def export_now(export: Export) -> Export:
    """Return an export as it is stored now."""
    return Reader().get(export_key(export.store_id, export.id), Export)


def change_export(export: Export, **fields: Any) -> Export:
    """Change an export as its worker does."""
    tx = Transaction(f"STORE#{export.store_id}", SYSTEM, SYSTEM, export.requested_at)
    saved = save_export(tx, export_now(export).model_copy(update=fields))
    tx.commit()
    return saved


def files() -> set[str]:
    """Return the names of everything in the bucket."""
    return {each["Key"] for each in _s3().list_objects_v2(Bucket=os.environ["EXPORTS_BUCKET"]).get("Contents", ())}


def uploads() -> set[str]:
    """Return the names of the files that are being uploaded."""
    return {each["Key"] for each in _s3().list_multipart_uploads(Bucket=os.environ["EXPORTS_BUCKET"]).get("Uploads", ())}


@cache
def _s3() -> Any:
    return botocore.session.get_session().create_client("s3")
