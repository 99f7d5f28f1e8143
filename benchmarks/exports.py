"""`python -m benchmarks.exports 100000 1000000`: what exporting so many activities costs, and that no death changes a file.

The activities are the repository's own, on the local engine's DynamoDB and S3. Each number of them is exported at once, and
once more by workers of which two are killed on the way: the files must be the same. How long an export takes is mostly the
engine's doing, which looks at every item of a partition for every page: `--days` tells how close together they are.
"""

import argparse
import csv
import hashlib
import importlib.util
import io
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bin"), str(ROOT / "layers" / "shared")]

import botocore.session

from local_stack.deploy import TEMPLATE, read_template
from local_stack.engine import Engine
from local_stack.places import REGION, Places
from tradepost.aws.queues import enqueue
from tradepost.domain import clock
from tradepost.domain.activities import Activity
from tradepost.domain.customers import Customer
from tradepost.domain.exports import ActivityFilters, Export
from tradepost.domain.ids import new_id
from tradepost.domain.outbox import ExportRun
from tradepost.domain.people import SYSTEM, ConsentChange, Member
from tradepost.domain.permissions import Role
from tradepost.domain.spreadsheets import lines_of
from tradepost.domain.stores import Store
from tradepost.table.activities import activity_record
from tradepost.table.customers import customer_key
from tradepost.table.exports import export_key, save_export
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import OUTBOX, store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

STORE: Final = "acme"
SIZES: Final = (100_000, 1_000_000)
BEGIN: Final = datetime(2021, 1, 1, tzinfo=UTC)
DAYS: Final = 5 * 365
PEOPLE: Final = 500
CUSTOMERS: Final = 200
# A worker is killed a moment after so much of its export is noted, or else when it should be half done.
DEATHS: Final = (0.2, 0.5)
MOMENT_SECONDS: Final = 0.7
PATIENCE: Final = 0.4
# As Lambda gives it.
TIMEOUT_SECONDS: Final = 300
CHUNK: Final = 10_000
WORK: Final = "--work"
_TYPES: Final = ("log_in", "product_viewed", "searched", "order_placed", "offer_viewed")
_COMMENTS: Final = (None, "looked for a lamp, found two", '=HYPERLINK("http://evil.test")', 'said "later"', "Grüße aus Köln")


class Run(NamedTuple):
    """An export that is done: how long it took, and the most memory that a worker of it had."""

    export_id: str
    sha256: str
    size: int
    seconds: float
    peak_mib: float


class Death(NamedTuple):
    """When a worker is killed: a moment after so many rows are noted, or after so long."""

    rows: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="ROWS")
    parser.add_argument("--days", type=int, default=DAYS, help=f"over how many days activities are spread ({DAYS})")
    asked = parser.parse_args()
    if len(asked.sizes) > 1:
        # Each in a process of its own, since what connections are made to is remembered for good.
        for count in asked.sizes:
            command = [sys.executable, "-m", "benchmarks.exports", str(count), "--days", str(asked.days)]
            subprocess.run(command, cwd=ROOT, check=True)
        return
    period = timedelta(days=asked.days)
    with tempfile.TemporaryDirectory() as home, Engine(Places(Path(home)), mail_endpoint="http://127.0.0.1:9") as engine:
        _settle(engine, Path(home))
        time_exports(engine, asked.sizes[0], period)


def time_exports(engine: Engine, count: int, period: timedelta) -> None:
    _fill(count, period)
    whole = _exported(engine, count, period)
    deaths = [Death(int(count * share), whole.seconds * PATIENCE) for share in DEATHS]
    killed = _exported(engine, count, period, deaths=deaths)
    print(f"  SHA-256 at once      {whole.sha256}")
    print(f"  SHA-256 killed twice {killed.sha256}", flush=True)
    if whole.sha256 != killed.sha256:
        raise AssertionError("a worker that was killed has changed the file")
    bare, typed = _paces(engine, whole.export_id, count)
    pace = count / whole.seconds
    names = ("MiB", "peak MiB", "rows/s", "bare csv/s", "ratio", "our csv/s", "ratio")
    print(f"\n  {'rows':>10} {' '.join(f'{name:>10}' for name in names)}")
    figures = f"{pace:>10,.0f} {bare:>10,.0f} {pace / bare:>10.3f} {typed:>10,.0f} {typed / bare:>10.3f}"
    print(f"  {count:>10,} {whole.size / 2**20:>10.1f} {whole.peak_mib:>10.1f} {figures}\n", flush=True)


def _settle(engine: Engine, home: Path) -> None:
    """Make what an export needs of a deployment, and let the settings name it."""
    table = read_template(TEMPLATE)["Resources"]["Table"]["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
    engine.client("dynamodb").create_table(TableName="tradepost", **{name: table[name] for name in wanted})
    engine.client("s3").create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": REGION})
    queue = engine.client("sqs").create_queue(QueueName="exports", Attributes={"VisibilityTimeout": "1800"})["QueueUrl"]
    os.environ.update(
        TABLE_NAME="tradepost",
        EXPORTS_BUCKET="exports",
        EXPORTS_QUEUE_URL=queue,
        AWS_ENDPOINT_URL=engine.url,
        AWS_DEFAULT_REGION=REGION,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",  # noqa: S106 - the engine takes any
        RECEIPT=str(home / "receipt"),
        POWERTOOLS_LOG_LEVEL="WARNING",
    )


def _fill(count: int, period: timedelta) -> None:
    began = time.perf_counter()
    store = Store(
        version=1,
        slug=STORE,
        name="Acme",
        currency="EUR",
        time_zone="Europe/Berlin",
        track_activity=True,
        activity_days=3650,
        opened_at=BEGIN,
    )
    people = [_member(number) for number in range(PEOPLE)]
    with Record.batch_write() as batch:
        batch.save(Record.of(store_key(STORE), store))
        batch.save(Record.of(member_key("owner", STORE), _owner()))
        for customer in map(_customer, range(CUSTOMERS)):
            batch.save(Record.of(customer_key(STORE, customer.id), customer))
        for member in people:
            batch.save(Record.of(member_key(member.id, STORE), member))
        for number in range(count):
            batch.save(activity_record(_activity(number, people[number * 7 % PEOPLE], period * (number / count)), store))
            if number and number % 50_000 == 0:
                print(f"  {number:,} of {count:,} activities written", flush=True)
    print(f"  {count:,} activities written in {time.perf_counter() - began:.0f} s", flush=True)


def _member(number: int) -> Member:
    return Member(
        version=1,
        id=f"member-{number}",
        store_id=STORE,
        person=f"p{number}",
        role=Role.BUYER,
        name=f"Person {number}",
        email=f"p{number}@doors.test",
        customer_id=f"customer-{number % CUSTOMERS}",
        employee_role="buyer",
        consents=(ConsentChange(at=BEGIN, allowed=True, text_version="1"),),
    )


def _owner() -> Member:
    return Member(version=1, id="owner", store_id=STORE, person="ola", role=Role.OWNER, name="Ola", email="ola@acme.test")


def _customer(number: int) -> Customer:
    return Customer(
        version=1,
        id=f"customer-{number}",
        store_id=STORE,
        number=f"C-{number}",
        name=f"Door {number}",
        group_id="group",
        created_at=BEGIN,
    )


def _activity(number: int, member: Member, since: timedelta) -> Activity:
    at = BEGIN + since
    return Activity(
        id=new_id(),
        store_id=STORE,
        member_id=member.id,
        customer_id=member.customer_id,
        type=_TYPES[number % len(_TYPES)],
        reference_type="product",
        reference_id=f"A-{number % 1000:05}",
        comment=_COMMENTS[number % len(_COMMENTS)],
        at=at,
        recorded_at=at,
        source="server",
        actor=member.party,
        subject=member.party,
        consent=1,
    )


def _exported(engine: Engine, count: int, period: timedelta, *, deaths: Sequence[Death] = ()) -> Run:
    """Export everything by one worker after the other, of which each but the last is killed on the way."""
    export_id = _asked(period)
    began = time.perf_counter()
    for death in deaths:
        with _worker() as worker:
            dead_at = time.perf_counter() + death.seconds
            while (noted := _export(export_id).rows) < death.rows and time.perf_counter() < dead_at:
                time.sleep(0.1)
            time.sleep(MOMENT_SECONDS)
            worker.kill()
        print(f"  killed with {noted:,} rows noted", flush=True)
        _show_message_again(engine)
    with _worker() as worker:
        told, _ = worker.communicate()
    peak = json.loads(told)["peak_mib"]
    took = time.perf_counter() - began
    done = _export(export_id)
    if (done.status, done.rows) != ("done", count):
        raise AssertionError(f"the export is {done.status} with {done.rows} rows: {done.failure}")
    digest = hashlib.sha256()
    for chunk in _content(engine, export_id):
        digest.update(chunk)
    print(f"  exported in {took:.0f} s", flush=True)
    return Run(export_id, digest.hexdigest(), done.size, took, peak)


def _worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.exports", WORK], cwd=ROOT, stdout=subprocess.PIPE)


def _export(export_id: str) -> Export:
    return Reader().get(export_key(STORE, export_id), Export)


def _asked(period: timedelta) -> str:
    export = Export(
        id=new_id(),
        store_id=STORE,
        kind="activities",
        filters=ActivityFilters(),
        begin=BEGIN,
        end=BEGIN + period,
        time_zone="Europe/Berlin",
        file_name="activities.csv",
        fingerprint=new_id(),
        requested_by=SYSTEM,
        member_id="owner",
        requested_at=clock.now(),
    )
    tx = Transaction(store_owner(STORE), SYSTEM, SYSTEM, clock.now())
    save_export(tx, export)
    message = tx.announce(ExportRun(store_id=STORE, export_id=export.id))
    tx.commit()
    enqueue({OUTBOX.key(owner=store_owner(STORE), id=message): "exports"})
    return export.id


def _show_message_again(engine: Engine) -> None:
    """Let the message of a dead worker come again at once, and not after its time."""
    handle = Path(os.environ["RECEIPT"]).read_text()
    queue = os.environ["EXPORTS_QUEUE_URL"]
    engine.client("sqs").change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)


def _content(engine: Engine, export_id: str) -> Iterator[bytes]:
    answer = engine.client("s3").get_object(Bucket="exports", Key=f"exports/{STORE}/{export_id}")
    yield from answer["Body"].iter_chunks(2**20)


def _paces(engine: Engine, export_id: str, count: int) -> tuple[float, float]:
    """Return how many rows of a file a bare `csv.writer` writes each second, and how many what exports are written with."""
    lines = io.TextIOWrapper(io.BufferedReader(_Stream(_content(engine, export_id))), encoding="utf-8", newline="")
    rows = csv.reader(lines)
    next(rows)
    bare = typed = 0.0
    for chunk in itertools.batched(rows, CHUNK, strict=False):
        began = time.perf_counter()
        csv.writer(io.StringIO(newline="")).writerows(chunk)
        between = time.perf_counter()
        lines_of(chunk)
        bare, typed = bare + between - began, typed + time.perf_counter() - between
    return count / bare, count / typed


class _Stream(io.RawIOBase):
    """What comes in chunks, as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def work() -> None:
    """Do what Lambda does: hand messages to the function until there are none. Says how much memory it took at most."""
    handler = _load(ROOT / "functions" / "exports" / "process_export" / "app.py").handler
    queue = os.environ["EXPORTS_QUEUE_URL"]
    sqs: Any = botocore.session.get_session().create_client("sqs")
    names = {"messageId": "MessageId", "receiptHandle": "ReceiptHandle", "body": "Body", "attributes": "Attributes"}
    while messages := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2, AttributeNames=["All"]).get("Messages"):
        [message] = messages
        Path(os.environ["RECEIPT"]).write_text(message["ReceiptHandle"])
        record = {name: message[given] for name, given in names.items()}
        if not handler({"Records": [record]}, _Context())["batchItemFailures"]:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


class _Context:
    """As much time as Lambda gives."""

    def __init__(self) -> None:
        self._until = time.monotonic() + TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int((self._until - time.monotonic()) * 1000)


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("process_export", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    work() if WORK in sys.argv else main()
