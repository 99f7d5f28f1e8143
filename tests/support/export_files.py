"""The way of an export in the tests: people who do things, a file that is asked for, the bucket, and its writer's queue."""

import csv
import io
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import botocore.session

from tests.support.mail import waiting_on
from tests.support.queues import EXPORTS, Worker, create_exports_queue
from tests.support.table import put_back
from tests.support.world import Shop
from tradepost.domain import clock
from tradepost.domain.activities import Activity
from tradepost.domain.customers import Customer
from tradepost.domain.exports import FILTERS, Export, ExportKind, Layout
from tradepost.domain.ids import new_id
from tradepost.domain.outbox import ExportRun
from tradepost.domain.people import SYSTEM, ConsentChange, Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store
from tradepost.exports.port import Cell, Stretch
from tradepost.table.activities import activity_record
from tradepost.table.customers import customer_key
from tradepost.table.exports import claim_request, export_key, save_export
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
END: Final = datetime(2026, 4, 15, tzinfo=UTC)

_worker = Worker(EXPORTS, "exports/process_export")
told, received, handed, hidden = _worker.told, _worker.received, _worker.handed, _worker.hidden
consume, come_again, work = _worker.consume, _worker.come_again, _worker.work


def prepare() -> None:
    """Create the bucket and the queue, as they are deployed."""
    create_exports_queue()
    where = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    _client().create_bucket(Bucket=os.environ["EXPORTS_BUCKET"], CreateBucketConfiguration=where)


def track(shop: Shop, *, on: bool = True, days: int = 3650) -> None:
    """Let the store track activity and keep it for so many days, or not track it any more."""
    etag = shop.owner.get("/v1/store").json["etag"]
    settings = {"track_activity": on, "activity_days": days}
    assert shop.owner.patch("/v1/store", settings, etag=etag).status == 200


def customer(shop: Shop, number: str = "C-1", **fields: Any) -> Customer:
    """Put a customer into the table."""
    of = {"id": f"customer-{number}", "store_id": shop.slug, "number": number, "name": f"Door {number}", "created_at": BEGIN}
    of |= {"group_id": shop.group_id}
    made = Customer(**{**of, "version": 1, **fields})
    put_back([Record.of(customer_key(shop.slug, made.id), made)])
    return made


def employee(
    shop: Shop, of: Customer | None, called: str = "Ida", /, *, allows: Sequence[bool] = (True,), **fields: Any
) -> Member:
    """Put somebody into the table who buys for a customer, or a sales rep, with so many decisions about being tracked."""
    consents = tuple(ConsentChange(at=BEGIN, allowed=allowed, text_version="1") for allowed in allows)
    given = (
        {"role": Role.BUYER, "customer_id": of.id, "employee_role": "buyer"}
        if of
        else {"role": Role.REP, "access": "allocated"}
    )
    known = {
        "id": f"member-{called.lower()}",
        "store_id": shop.slug,
        "person": called,
        "name": called,
        "email": f"{called}@door.test",
    }
    made = Member(**{**known, "version": 1, "consents": consents, **given, **fields})
    put_back([Record.of(member_key(made.id, shop.slug), made)])
    return made


def did(
    shop: Shop,
    member: Member,
    times: Iterable[datetime],
    **fields: Any,
) -> list[Activity]:
    """Put activities of somebody into the table, one for each instant."""
    store = Reader().get(store_key(shop.slug), Store)
    made = [
        Activity(
            **{
                "id": new_id(),
                "store_id": shop.slug,
                "member_id": member.id,
                "customer_id": member.customer_id,
                "type": "product_viewed",
                "reference_type": "product",
                "reference_id": "A-1",
                "at": at,
                "recorded_at": at,
                "source": "server",
                "actor": member.party,
                "subject": member.party,
                "consent": max(member.consent, 1),
                **fields,
            }
        )
        for at in times
    ]
    put_back(activity_record(each, store) for each in made)
    return made


def every(count: int, *, begin: datetime = BEGIN, **apart: float) -> list[datetime]:
    """Return so many instants, a minute apart unless told otherwise."""
    return [begin + timedelta(**apart or {"minutes": 1}) * number for number in range(count)]


def asked(
    shop: Shop,
    filters: Mapping[str, Any] | None = None,
    *,
    kind: ExportKind = "activities",
    member_id: str | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    time_zone: str = "Europe/Berlin",
    **layout: Any,
) -> str:
    """Ask for an export, as the owner unless told otherwise: its message is on the queue then. Returns its id."""
    at = clock.now()
    export = Export(
        id=new_id(),
        store_id=shop.slug,
        kind=kind,
        filters=FILTERS[kind].model_validate(filters or {}),
        begin=begin,
        end=end,
        time_zone=time_zone,
        layout=Layout(**layout),
        file_name="file.csv",
        fingerprint=new_id(),
        requested_by=SYSTEM,
        member_id=member_id or str(shop.owner.get("/v1/me").json["id"]),
        requested_at=at,
    )
    tx = Transaction(store_owner(shop.slug), SYSTEM, SYSTEM, at)
    save_export(tx, export)
    claim_request(tx, export, instead_of=None)
    tx.announce(ExportRun(store_id=shop.slug, export_id=export.id))
    tx.commit()
    relay()
    return export.id


def relay() -> None:
    """Put the messages of the exports that were asked for on the queue."""
    for key in waiting_on("exports"):
        told(key._asdict())


def one(export_id: str, shop: Shop) -> Export:
    """Return an export as it is kept."""
    return Reader().get(export_key(shop.slug, export_id), Export)


def change(export: Export, **fields: Any) -> Export:
    """Change an export, as a request would."""
    tx = Transaction(store_owner(export.store_id), SYSTEM, SYSTEM, clock.now())
    saved = save_export(tx, export.model_copy(update=fields))
    tx.commit()
    return saved


def files() -> dict[str, bytes]:
    """Return everything in the bucket."""
    listed = _client().list_objects_v2(Bucket=os.environ["EXPORTS_BUCKET"]).get("Contents", ())
    return {
        each["Key"]: _client().get_object(Bucket=os.environ["EXPORTS_BUCKET"], Key=each["Key"])["Body"].read()
        for each in listed
    }


def uploads() -> list[str]:
    """Return the uploads that have not ended."""
    listed = _client().list_multipart_uploads(Bucket=os.environ["EXPORTS_BUCKET"]).get("Uploads", ())
    return [each["UploadId"] for each in listed]


def end_uploads() -> None:
    """End the uploads that have not ended, as their time does."""
    for each in _client().list_multipart_uploads(Bucket=os.environ["EXPORTS_BUCKET"])["Uploads"]:
        _client().abort_multipart_upload(Bucket=os.environ["EXPORTS_BUCKET"], Key=each["Key"], UploadId=each["UploadId"])


def written(export_id: str, shop: Shop) -> bytes:
    """Return the file of an export that is done, beside which nothing is left."""
    export = one(export_id, shop)
    assert export.status == "done", export
    content = files()[f"exports/{shop.slug}/{export_id}"]
    assert len(content) == export.size
    return content


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Read a file as a program does."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@dataclass
class Noise:
    """A source of as many stretches as wanted, each of which is so many bytes and more, that cannot be packed well."""

    count: int
    size: int
    columns: Sequence[str] = ("number", "text")
    filters: Mapping[str, str] = field(default_factory=lambda: {"all": "everything"})

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a stretch."""
        for number in range(int(position) + 1 if position else 0, self.count):
            rows: list[list[Cell]] = [[number * 8 + row, _noise(number * 8 + row, self.size // 8)] for row in range(8)]
            yield Stretch(rows, str(number), (number + 1) / self.count, {"all": len(rows)})

    def left_nothing(self) -> str | None:
        """There is always something, unless nothing is wanted."""
        return None


@cache
def _noise(number: int, size: int) -> str:
    return random.Random(number).randbytes(size // 2).hex()  # the same each time, not a secret


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("s3")


def party(name: str) -> Party:
    """Return somebody who acts."""
    return Party(type="member", id=name, name=name)
