"""Exports: what was asked for, how far its file has got, and whether it may still be handed out.

    queued → running → done
           ↘        ↘ failed
            cancelled

A file is written in parts. What there is of it, and where reading goes on, is noted together (`Checkpoint`), so that whoever
takes over after a death writes the same bytes. What a file may hold depends on more than its filters: on who had withdrawn
consent, and on whom its requester was allowed to see, when it was begun (`Basis`). If that has changed, it is begun anew, or
not handed out any more.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictBool

from tradepost.domain.billing import InvoiceKind
from tradepost.domain.clock import MOMENT
from tradepost.domain.customer_lists import CustomerStatus, Invited
from tradepost.domain.customers import CustomerKind, Delivery, ResellerStatus
from tradepost.domain.limits import RateLimit
from tradepost.domain.orders import OrderStatus
from tradepost.domain.people import Member, Party
from tradepost.domain.scoping import Reach, Scope
from tradepost.domain.stores import Store
from tradepost.domain.values import Entity, Instant, OptionalText, Reference, Value

EXPORT_LIFETIME: Final = timedelta(days=7)
"""How long a file is handed out. The bucket keeps it a day longer."""
RECORD_LIFETIME: Final = timedelta(days=90)
"""How long it is known that there was an export."""
LINK_LIFETIME: Final = timedelta(minutes=15)
LONG: Final = timedelta(minutes=1)
"""Whoever waited longer for a file is told by mail that it is there."""
# While a worker is at an export, others leave it alone for so long; it says so anew with every part.
LEASE: Final = timedelta(seconds=90)
MOST_ATTEMPTS: Final = 6
"""How often in a row a worker may come to nothing before the export has failed."""
MOST_RESTARTS: Final = 20
MOST_PARTS: Final = 5000
"""In how many parts a file is written at most. S3 takes 10,000, but an item of the table cannot hold so many."""
EXPORT_REQUESTS: Final = RateLimit(
    "exports", 60, timedelta(hours=1), "too_many_exports", "Too many exports within an hour. Wait, and ask again."
)

type ExportKind = Literal["activities", "orders", "customers", "invoices", "person"]
type ExportStatus = Literal["queued", "running", "done", "failed", "cancelled"]
type LinesPer = Literal["order", "line"]
type GoneBecause = Literal["expired", "consent_withdrawn", "scope_changed", "person_erased"]


class ActivityFilters(Value):
    """Which activities are exported: the filters of their list."""

    customer_id: Reference | None = None
    employee_id: Reference | None = None
    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None


class OrderFilters(Value):
    """Which orders are exported: the filters of their list."""

    q: Annotated[OptionalText, Field(max_length=200)] | None = None
    customer_id: Reference | None = None
    sales_rep_id: Reference | None = None
    status: OrderStatus | None = None


class CustomerFilters(Value):
    """Which customers are exported: the filters of their list."""

    q: Annotated[OptionalText, Field(max_length=200)] | None = None
    group_id: Reference | None = None
    status: CustomerStatus = "active"
    kind: CustomerKind | None = None
    sales_rep_id: Reference | None = None
    has_email: StrictBool | None = None
    invitation: Invited | None = None
    delivery: Delivery | None = None
    reseller_status: ResellerStatus | None = None


class InvoiceFilters(Value):
    """Which bills are exported: the filters of their list."""

    customer_id: Reference | None = None
    order_id: Reference | None = None
    kind: InvoiceKind | None = None


class PersonFilters(Value):
    """About whom everything is exported that is held about the person."""

    member_id: Reference


type Filters = ActivityFilters | OrderFilters | CustomerFilters | InvoiceFilters | PersonFilters

FILTERS: Final[Mapping[ExportKind, type[Value]]] = {
    "activities": ActivityFilters,
    "orders": OrderFilters,
    "customers": CustomerFilters,
    "invoices": InvoiceFilters,
    "person": PersonFilters,
}


class Layout(Value):
    """How a file is written: `excel` begins it with the mark by which Excel knows UTF-8, `gzip` packs it.

    `lines_per`, for orders, is one row for each order, or one for each of its lines.
    """

    excel: StrictBool = False
    gzip: StrictBool = False
    lines_per: LinesPer = "order"


class Part(Value):
    """A part of a file that S3 has: how S3 calls its content, and how many bytes it is."""

    etag: str
    size: int


class Rest(Value):
    """What was written behind the last part of a file and is too little for another one.

    `name` is where it is kept. The first `packed` bytes are as they will be in the file, the others wait to be packed.
    """

    name: str
    packed: int


class Checkpoint(Value):
    """How far a file has got. `position` is where reading goes on, in the words of its source; `whole` that there is no more.

    `rows` are those written so far, `reached` how many entries got past each filter, by the filter's name.
    """

    upload_id: str
    parts: tuple[Part, ...] = ()
    rest: Rest | None = None
    whole: bool = False
    position: str | None = None
    rows: int = 0
    reached: Mapping[str, int] = Field(default_factory=dict)


class Basis(Value):
    """What the content of a file depends on besides its filters, as it was before anything was read.

    `withdrawals` and `deactivations` are the store's counts, `departures` the requester's, whose scope is `reach` and `whose`;
    `tracked` tells whether the store kept activity.
    """

    withdrawals: int
    deactivations: int
    departures: int
    reach: Reach
    whose: str | None
    tracked: bool = False

    @classmethod
    def of(cls, store: Store, requester: Member) -> "Basis":
        """Return what holds now."""
        scope = Scope.of(requester)
        return cls(
            withdrawals=store.withdrawals,
            # Whoever runs the store sees customers that are switched off as well.
            deactivations=store.deactivations if scope.reach == "active" else 0,
            departures=requester.departures if scope.reach == "allocated" else 0,
            reach=scope.reach,
            whose=scope.whose,
            tracked=store.track_activity,
        )

    def same_scope_as(self, other: "Basis") -> bool:
        """Tell whether the requester saw the same customers, as far as none has left its scope."""
        return self.model_copy(update={"withdrawals": other.withdrawals, "tracked": other.tracked}) == other


class EmptyBecause(Value):
    """Why an export has no rows: the filter that removed the last one, and the same in words."""

    filter: str
    detail: str


class ExportFailure(Value):
    """Why there is no file, in words for whoever asked for it."""

    code: str
    detail: str


class Export(Entity):
    """One file that somebody asked for, and what became of it.

    What was recorded, placed, added or issued from `begin` until before `end` is in it, but nothing after `requested_at`.
    `worker` is the message whose consumer is at it until `worker_until`. `withdrawals_reviewed` is the number of the latest
    withdrawal of consent of which it is known that the file holds nothing: whoever writes it is not disturbed by that.
    """

    entity: ClassVar = "export"
    aside: ClassVar = frozenset({"withdrawals_reviewed"})

    id: str
    store_id: str
    kind: ExportKind
    filters: Filters
    first_day: date | None = None
    last_day: date | None = None
    begin: Instant
    end: Instant
    time_zone: str
    layout: Layout = Layout()
    file_name: str
    filters_in_words: tuple[str, ...] = ()
    fingerprint: str
    requested_by: Party
    member_id: str
    requested_at: Instant
    status: ExportStatus = "queued"
    started_at: Instant | None = None
    generated_at: Instant | None = None
    ended_at: Instant | None = None
    basis: Basis | None = None
    checkpoint: Checkpoint | None = None
    progress: int = 0
    rows: int = 0
    size: int = 0
    empty_because: EmptyBecause | None = None
    failure: ExportFailure | None = None
    withdrawals_reviewed: int = 0
    gone: GoneBecause | None = None
    attempts: int = 0
    restarts: int = 0
    worker: str | None = None
    worker_until: Instant | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing becomes of it any more."""
        return self.status in {"done", "failed", "cancelled"}

    @property
    def is_own_archive(self) -> bool:
        """Whether somebody asked for what is held about itself: in that is what nobody else may see."""
        return isinstance(self.filters, PersonFilters) and self.filters.member_id == self.member_id

    @property
    def until(self) -> datetime:
        """Until before when it holds what came: nothing later than its request, so that it ends although more comes."""
        return min(self.end, self.requested_at + MOMENT)

    @property
    def expires_at(self) -> datetime | None:
        """When the file is deleted; None while there is none."""
        return self.generated_at + EXPORT_LIFETIME if self.generated_at else None


NO_PROGRESS: Final = ExportFailure(
    code="no_progress",
    detail="Writing the file broke off several times in a row. Ask for it again, for a shorter period if it happens anew.",
)
NO_ARCHIVE: Final = ExportFailure(
    code="no_progress",
    detail="Writing the archive broke off several times in a row. Ask for it again, have it looked into if it happens anew.",
)
UNSETTLED: Final = ExportFailure(
    code="unsettled",
    detail="What the file may hold kept changing while it was written. Ask for it again.",
)
TOO_LARGE: Final = ExportFailure(
    code="too_large", detail="The file would be too large to be kept. Ask for a shorter period, or for less by other filters."
)
REQUESTER_GONE: Final = ExportFailure(
    code="requester_gone", detail="Whoever asked for the file is not active in the store any more."
)
PERSON_ERASED: Final = ExportFailure(
    code="person_erased",
    detail="The person whom the archive is about is being erased. Ask for what is left once that is over, which takes minutes.",
)


def no_progress(export: Export) -> ExportFailure:
    """Return why there is no file where nobody got through with it: an archive has no period that could be shorter."""
    return NO_ARCHIVE if export.kind == "person" else NO_PROGRESS


def taken_on(export: Export, worker: str, *, at: datetime) -> Export | None:
    """Let a worker write the file, or go on with it. None if that is over, or another worker is at it.

    A worker is known by its message. If that comes again, whoever had it has died: there is no need to wait. An export whose
    workers came to nothing too often, or which had to be begun anew too often, has failed by that.
    """
    other = export.worker not in {None, worker} and export.worker_until is not None and at < export.worker_until
    if export.is_over or other:
        return None
    if export.attempts >= MOST_ATTEMPTS:
        return failed(export, no_progress(export), at=at)
    if export.restarts > MOST_RESTARTS:
        return failed(export, UNSETTLED, at=at)
    change = {
        "status": "running",
        "started_at": export.started_at or at,
        "attempts": export.attempts + 1,
        "worker": worker,
        "worker_until": at + LEASE,
    }
    return export.model_copy(update=change)


def begun(export: Export, basis: Basis, upload_id: str) -> Export:
    """Note the beginning of a file, and what held then."""
    return export.model_copy(update={"basis": basis, "checkpoint": Checkpoint(upload_id=upload_id)})


def advanced(export: Export, checkpoint: Checkpoint, share: float, *, at: datetime) -> Export:
    """Note how far the file has got: the worker did not come to nothing, and stays at it. `share` is from 0 to 1."""
    change = {
        "checkpoint": checkpoint,
        "rows": checkpoint.rows,
        # All of it only when it can be fetched.
        "progress": min(99, max(export.progress, int(share * 100))),
        "attempts": 0,
        "worker_until": at + LEASE,
    }
    return export.model_copy(update=change)


def let_go(export: Export) -> Export:
    """Leave the export to the next worker."""
    return export.model_copy(update={"worker": None, "worker_until": None})


def restarted(export: Export) -> Export:
    """Have the file begun anew, since what it may hold has changed."""
    change = {"basis": None, "checkpoint": None, "progress": 0, "rows": 0, "attempts": 0, "restarts": export.restarts + 1}
    return let_go(export).model_copy(update=change)


def finished(export: Export, *, empty_because: EmptyBecause | None, at: datetime) -> Export:
    """Note that the file is there. Raises `LookupError` for one that was not begun."""
    checkpoint = export.checkpoint
    if checkpoint is None:
        raise LookupError("not begun")
    change = {
        "status": "done",
        "checkpoint": None,
        "progress": 100,
        "rows": checkpoint.rows,
        "size": sum(part.size for part in checkpoint.parts),
        "empty_because": empty_because,
        "generated_at": at,
        "ended_at": at,
    }
    return let_go(export).model_copy(update=change)


def failed(export: Export, failure: ExportFailure, *, at: datetime) -> Export:
    """Note that there will be no file, and why."""
    return let_go(export).model_copy(update={"status": "failed", "failure": failure, "ended_at": at})


def is_outdated(export: Export, store: Store, requester: Member) -> bool:
    """Tell whether what has been written of a file must not be in it any more, by what holds now.

    Whether it holds something of whoever withdrew consent is told by `export_reviews`.
    """
    basis, now = export.basis, Basis.of(store, requester)
    # What is held about a person goes by no scope.
    if basis is None or (export.kind != "person" and not basis.same_scope_as(now)):
        return True
    about_people = export.kind in {"activities", "person"}
    holds_some = export.rows > 0 or export.kind == "person"
    return about_people and holds_some and basis.tracked and not now.tracked
