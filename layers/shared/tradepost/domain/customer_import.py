"""A customer import: a file is uploaded, checked into a report, approved or rejected by the owner, then carried out in parts.

    awaiting_upload → checking → awaiting_approval → running → done
                              ↘ invalid           ↘ rejected

What waits too long has expired by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from tradepost.domain.customer_sheet import CheckedRow, FileMistake, PlannedCustomer
from tradepost.domain.customers import Customer, listed
from tradepost.domain.errors import ConflictError, DomainError, GoneError
from tradepost.domain.people import Party
from tradepost.domain.values import Entity, Instant, OptionalText, Value

UPLOAD_LIFETIME: Final = timedelta(hours=1)
# The bucket keeps a file for a week: what is approved on the last day must still be there until it is carried out.
APPROVAL_LIFETIME: Final = timedelta(days=5)
REPORT_LIFETIME: Final = timedelta(days=7)
# While a worker is at an import, others leave it alone for so long; it says so anew with everything it writes.
LEASE: Final = timedelta(seconds=60)
MOST_MISTAKES: Final = 20
MOST_FAILURES: Final = 100

type StoredStatus = Literal["awaiting_upload", "checking", "awaiting_approval", "invalid", "running", "done", "rejected"]
type ImportStatus = StoredStatus | Literal["expired"]


class Report(Value):
    """What checking a file found, and where its rows are kept. `files` names this very check: another one has others."""

    files: str
    columns: tuple[str, ...]
    rows: int
    create: int
    skip: int
    fail: int
    report_bytes: int
    planned_bytes: int
    mistakes: tuple[CheckedRow, ...]


class CustomerImport(Entity):
    """One file of customers and what became of it.

    `upload_version` names the one upload that counts. `next_offset` is how far the planned customers have been carried out,
    `worker` the message whose consumer is at it until `worker_until`.
    """

    entity: ClassVar = "customer_import"

    id: str
    store_id: str
    group_id: str
    file_name: OptionalText | None = None
    status: StoredStatus = "awaiting_upload"
    created_at: Instant
    created_by: Party
    upload_until: Instant
    upload_version: str | None = None
    mistake: FileMistake | None = None
    report: Report | None = None
    checked_at: Instant | None = None
    decided_at: Instant | None = None
    decided_by: Party | None = None
    next_offset: int = 0
    created: int = 0
    invited: int = 0
    failed: int = 0
    failures: tuple[CheckedRow, ...] = ()
    worker: str | None = None
    worker_until: Instant | None = None
    finished_at: Instant | None = None

    def status_at(self, at: datetime) -> ImportStatus:
        """Return the status; what waits for a file or a decision expires by itself."""
        waited = self.status == "awaiting_upload" and at >= self.upload_until
        return "expired" if waited or (self.status == "awaiting_approval" and at >= self._decide_until) else self.status

    @property
    def progress(self) -> float:
        """How much of what was approved has been carried out, from 0 to 1."""
        if self.status == "done":
            return 1.0
        to_create = self.report.create if self.report else 0
        return round((self.created + self.failed) / to_create, 3) if to_create else 0.0

    @property
    def _decide_until(self) -> datetime:
        return (self.checked_at or self.created_at) + APPROVAL_LIFETIME

    def report_at(self, at: datetime) -> Report:
        """Return the report. Raises `ConflictError` while there is none, `GoneError` when its rows are not kept any more."""
        if self.report is None or self.checked_at is None:
            raise ConflictError("no_report", "There is no report: the file has not been checked, or could not be read.")
        if at >= self.checked_at + REPORT_LIFETIME:
            raise GoneError("report_gone", "The rows of a report are kept for a week.")
        return self.report


def begin_check(imported: CustomerImport, version: str) -> CustomerImport | None:
    """Note which upload is checked. None if there is nothing to check: only the first upload counts, and only once."""
    if imported.status == "awaiting_upload":
        return imported.model_copy(update={"status": "checking", "upload_version": version})
    begun = imported.status == "checking" and imported.upload_version == version
    return imported if begun else None


def unreadable(imported: CustomerImport, mistake: FileMistake, *, at: datetime) -> CustomerImport:
    """Note that the file cannot be read. Nothing comes of it."""
    return imported.model_copy(update={"status": "invalid", "mistake": mistake, "checked_at": at})


def checked(imported: CustomerImport, report: Report, *, at: datetime) -> CustomerImport:
    """Hand the report to the owner."""
    return imported.model_copy(update={"status": "awaiting_approval", "report": report, "checked_at": at})


def decided(imported: CustomerImport, decision: Literal["running", "rejected"], *, by: Party, at: datetime) -> CustomerImport:
    """Carry an import out, or drop it. Raises `ConflictError` unless it waits for that decision."""
    status = imported.status_at(at)
    if status != "awaiting_approval":
        why = f"The import is {status.replace('_', ' ')}: only one that awaits approval can be decided on."
        raise ConflictError("not_awaiting_approval", why, import_status=status)
    return imported.model_copy(update={"status": decision, "decided_at": at, "decided_by": by})


def taken_on(imported: CustomerImport, worker: str, *, at: datetime) -> CustomerImport | None:
    """Let a worker continue the import. None if it is not running, or another worker is at it.

    A worker is known by its message. If that comes again, whoever had it has died: there is no need to wait.
    """
    other = imported.worker not in {None, worker} and imported.worker_until is not None and at < imported.worker_until
    if imported.status != "running" or other:
        return None
    return imported.model_copy(update={"worker": worker, "worker_until": at + LEASE})


def let_go(imported: CustomerImport) -> CustomerImport:
    """Leave the import to the next worker."""
    return imported.model_copy(update={"worker": None, "worker_until": None})


def advanced(imported: CustomerImport, planned: Sequence[PlannedCustomer], offset: int, *, at: datetime) -> CustomerImport:
    """Count customers that were created, and go on at an offset."""
    change = {
        "created": imported.created + len(planned),
        "invited": imported.invited + sum(each.send_invitation for each in planned),
        "next_offset": offset,
        "worker_until": at + LEASE,
    }
    return imported.model_copy(update=change)


# What was found to be wrong while a customer was created is told by the words of the check.
_AS_CHECKED: Final = {
    "email_taken": ("email_taken", "email"),
    "unknown_customer_group": ("unknown_group", "customer_group"),
    "unknown_price_tier": ("unknown_price_list", "price_list"),
    "rep_inactive": ("account_manager_not_active", "account_manager"),
}


def failed_on(
    imported: CustomerImport, planned: PlannedCustomer, offset: int, error: DomainError, *, at: datetime
) -> CustomerImport:
    """Count a customer that cannot be created any more, and go on at an offset. The first ones are told apart."""
    reason, field = _AS_CHECKED.get(error.code, (error.code, None))
    told = CheckedRow(
        row=planned.row,
        status="fail",
        name=planned.name,
        email=planned.email,
        reason=reason,
        message=error.detail,
        field=field,
    )
    change = {
        "failed": imported.failed + 1,
        "failures": (*imported.failures, told)[:MOST_FAILURES],
        "next_offset": offset,
        "worker_until": at + LEASE,
    }
    return imported.model_copy(update=change)


def finished(imported: CustomerImport, *, at: datetime) -> CustomerImport:
    """Note that everything which was approved has been carried out."""
    return let_go(imported).model_copy(update={"status": "done", "finished_at": at})


def customer_of(
    imported: CustomerImport, planned: PlannedCustomer, *, number: str, ids: Iterator[str], at: datetime
) -> Customer:
    """Return the customer that a row asks for."""
    return Customer(
        id=planned.id,
        store_id=imported.store_id,
        number=number,
        name=planned.name,
        contact_name=planned.contact_name,
        email=planned.email,
        kind=planned.kind,
        group_id=planned.group_id,
        price_tier_id=planned.price_tier_id,
        account_manager_id=planned.account_manager_id,
        addresses=listed([planned.address] if planned.address else [], (), ids),
        created_at=at,
    )
