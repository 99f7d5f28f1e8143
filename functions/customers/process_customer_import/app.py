"""The queue of customer imports: check each uploaded list into a report, and carry out in parts what its owner approved."""

import json
from collections import Counter
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.imports import Upload, read_lines, read_upload, uploads_in, write_lines
from tradepost.aws.queues import dequeued, enqueue, hide, worked_off
from tradepost.domain import clock
from tradepost.domain import customer_sheet as sheet
from tradepost.domain.customer_import import (
    MOST_MISTAKES,
    CustomerImport,
    Report,
    begin_check,
    checked,
    finished,
    let_go,
    taken_on,
    unreadable,
)
from tradepost.domain.customer_sheet import MAX_BYTES, PlannedCustomer, UnreadableFileError, decide
from tradepost.domain.ids import new_id
from tradepost.domain.outbox import CustomerImportRun, OutboxItem
from tradepost.domain.people import SYSTEM, Party
from tradepost.domain.stores import Store
from tradepost.table.customer_imports import (
    Step,
    create_customers,
    customer_import_key,
    look_up,
    save_customer_import,
)
from tradepost.table.outbox import concluding
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key, store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import OvertakenError, Transaction

logger = Logger(service="tradepost")

# Should the function die, its message comes again after so long: a check may take as long as the function, a part does not.
CHECK_HIDDEN: Final = 65
PART_HIDDEN: Final = 12
# A part ends while so much of the function's time is left: it has worked for eight seconds then.
RESERVE_MILLISECONDS: Final = 52_000
STRETCH: Final = 256 * 1024


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on a message: a file that came, or an import that was approved. One that fails comes again."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], context: Any) -> bool:
    try:
        told = json.loads(record["body"])
        if "pk" not in told:
            for upload in uploads_in(told):
                _check(record, upload)
            return True
        return _carry_on(record, context)
    except OvertakenError:
        logger.info("another worker was faster", delivery=record["messageId"])
    except Exception:  # whatever it is, the message comes again, and ends in the dead-letter queue if it always fails
        logger.exception("customer import not carried out", delivery=record["messageId"])
    return False


def _check(record: dict[str, Any], upload: Upload) -> None:
    """Check an uploaded file, and keep what becomes of each row. Told twice, it comes to the same."""
    before = Reader().find(customer_import_key(upload.store_id, upload.import_id), CustomerImport)
    begun = begin_check(before, upload.version) if before else None
    if begun is None:
        return
    hide(record, "customer_imports", seconds=CHECK_HIDDEN)
    imported = begun if begun is before else _save(begun)
    try:
        read = sheet.read_sheet(read_upload(upload, most_bytes=MAX_BYTES))
    except UnreadableFileError as error:
        _save(unreadable(imported, error.mistake, at=clock.now()))
        logger.info("customer list unreadable", customer_import=imported.id, code=error.mistake.code)
        return
    lines = sheet.read_lines(read)
    outcomes = list(decide(lines, look_up(imported.store_id, imported.group_id, lines), iter(new_id, None)))
    counts = Counter(outcome.checked.status for outcome in outcomes)
    mistakes = [outcome.checked for outcome in outcomes if outcome.planned is None]
    planned = [outcome.planned for outcome in outcomes if outcome.planned]
    files = f"checks/{imported.store_id}/{imported.id}/{new_id()}"
    report = Report(
        files=files,
        columns=read.columns,
        rows=len(outcomes),
        create=counts["create"],
        skip=counts["skip"],
        fail=counts["fail"],
        report_bytes=write_lines(f"{files}/report.jsonl", (outcome.checked.model_dump_json() for outcome in outcomes)),
        planned_bytes=write_lines(f"{files}/planned.jsonl", (each.model_dump_json(exclude_defaults=True) for each in planned)),
        mistakes=tuple(mistakes[:MOST_MISTAKES]),
    )
    _save(checked(imported, report, at=clock.now()))
    logger.info("customer list checked", customer_import=imported.id, rows=report.rows, create=report.create)


def _save(imported: CustomerImport) -> CustomerImport:
    tx = _begin(imported, SYSTEM)
    saved = save_customer_import(tx, imported, otherwise=OvertakenError())
    tx.commit()
    return saved


def _begin(imported: CustomerImport, actor: Party) -> Transaction:
    return Transaction(store_owner(imported.store_id), actor, actor, clock.now())


def _carry_on(record: dict[str, Any], context: Any) -> bool:
    """Create some of an import's customers, and leave the others to the next message. Nobody is created twice or left out."""
    key, reader = dequeued(record), Reader()
    item = reader.find(key, OutboxItem)
    if item is None or item.status != "queued" or not isinstance(item.message, CustomerImportRun):
        return True
    import_key = customer_import_key(item.message.store_id, item.message.import_id)
    reader.fetch([import_key, store_key(item.message.store_id)])
    imported = taken_on(reader.get(import_key, CustomerImport), record["messageId"], at=clock.now())
    if imported is None:
        # Whoever is at it has a message of its own.
        return True
    hide(record, "customer_imports", seconds=PART_HIDDEN)
    store = reader.get(store_key(item.message.store_id), Store)
    imported, all_done = _create(_save(imported), store, context)
    if not all_done:
        _save(let_go(imported))
        return not enqueue({key: "customer_imports"})
    _conclude(key, item, imported)
    return True


def _create(imported: CustomerImport, store: Store, context: Any) -> tuple[CustomerImport, bool]:
    """Create customers until all are, or the function's time is up; at least as many as one transaction takes."""
    report = imported.report_at(clock.now())
    begin = partial(_begin, imported, imported.decided_by or SYSTEM)
    steps: list[Step] = []
    while imported.next_offset < report.planned_bytes:
        if not steps:
            stretch = read_lines(f"{report.files}/planned.jsonl", imported.next_offset, most_bytes=STRETCH)
            steps = [Step(PlannedCustomer.model_validate_json(line), offset) for line, offset in stretch]
        imported = create_customers(begin, imported, steps, lifetime=store.invitation_lifetime)
        steps = [step for step in steps if step.offset > imported.next_offset]
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
            break
    return imported, imported.next_offset >= report.planned_bytes


def _conclude(key: Key, item: OutboxItem, imported: CustomerImport) -> None:
    at = clock.now()
    tx = concluding(key, item, at=at)
    save_customer_import(tx, finished(imported, at=at), otherwise=OvertakenError())
    tx.audit("customer_import:finished", imported.id, created=imported.created, failed=imported.failed)
    tx.commit()
    logger.info("customer import finished", customer_import=imported.id, customers=imported.created, failed=imported.failed)
