"""POST /v1/allocations and /v1/allocation-imports: give many customers to sales reps at once, named by id or in a list."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field, StrictBool, ValidationError

from tradepost.domain.allocation import MAX_ALLOCATED, Allocation, allocated
from tradepost.domain.allocation_sheet import AllocationRow, read_sheet
from tradepost.domain.customers import MAX_FURTHER_SALES_REPS, Customer
from tradepost.domain.errors import ConflictError, DomainError, InvalidError
from tradepost.domain.ids import member_id
from tradepost.domain.people import Member
from tradepost.domain.permissions import Permission
from tradepost.domain.scoping import Scope
from tradepost.domain.values import Value
from tradepost.http.app import CSV, Answer, Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.table.bulk import Bulk, Decided
from tradepost.table.customers import customer_key, find_customers, find_numbered, number_claim, save_customer
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.statistics import moves_at_most
from tradepost.table.transaction import Transaction

app = make_app()

type Id = Annotated[str, Field(max_length=200)]
type AllocationStatus = Literal["allocated", "unchanged", "skipped"]
type AllocationReason = Literal[
    "out_of_scope",
    "duplicate",
    "unknown_sales_rep",
    "rep_not_accepted",
    "rep_inactive",
    "duplicate_sales_rep",
    "too_many_sales_reps",
    "history_too_long",
    "malformed_row",
    "conflict",
]
REASONS: Final[Mapping[str, AllocationReason]] = {reason: reason for reason in get_args(AllocationReason.__value__)}


class Assignment(Value):
    """Who is to look after one customer. Without `further_sales_rep_ids`, its further sales reps stay."""

    customer_id: Id
    sales_rep_id: Id | None
    further_sales_rep_ids: tuple[Id, ...] | None = None


class Assignments(Value):
    """Who is to look after which customer. A dry run changes nothing."""

    assignments: Annotated[list[Assignment], Field(min_length=1, max_length=MAX_ALLOCATED)]
    dry_run: StrictBool = False


class AllocationResult(Answer):
    """What became of one customer."""

    customer_id: str
    status: AllocationStatus
    reason: AllocationReason | None


class AllocatedRow(Answer):
    """What became of a row: `row` as spreadsheets count, the header being row 1, and the line of the file where it begins."""

    row: int
    line: int
    customer_number: str
    customer_id: str | None
    status: AllocationStatus
    reason: AllocationReason | None


class AllocationCounts(Answer):
    """How many there are of which became what."""

    allocated: int
    unchanged: int
    skipped: int
    dry_run: bool


class AllocationResults(AllocationCounts):
    """What became of each customer, in the order they were named."""

    results: list[AllocationResult]


class AllocationImport(AllocationCounts):
    """What became of each row of a list."""

    results: list[AllocatedRow]


class Outcome(NamedTuple):
    """What becomes of a customer, and why nothing does."""

    status: AllocationStatus
    reason: AllocationReason | None = None


class Wish(NamedTuple):
    """Who is to look after a customer. Where the further sales reps are not named, they stay."""

    account_manager_id: str | None
    further_ids: tuple[str, ...] | None

    @classmethod
    def of_row(cls, row: AllocationRow, store_id: str) -> Self:
        """Return what a row of a list asks for."""
        manager = member_id(store_id, row.account_manager) if row.account_manager else None
        further = None if row.further is None else tuple(member_id(store_id, person) for person in row.further)
        return cls(manager, further)

    def of(self, customer: Customer) -> Allocation:
        """Return what that comes to for one customer."""
        kept = tuple(rep_id for rep_id in customer.further_sales_rep_ids if rep_id != self.account_manager_id)
        further = kept if self.further_ids is None else self.further_ids
        return Allocation(account_manager_id=self.account_manager_id, further_sales_rep_ids=further)

    @property
    def sales_rep_ids(self) -> list[str]:
        """The sales reps that are named; no more of them than can be picked."""
        return list(filter(None, (self.account_manager_id, *(self.further_ids or ())[:MAX_FURTHER_SALES_REPS])))


class Row(NamedTuple):
    """One row of a request: whom it is about and what it asks for, or why it cannot be carried out."""

    customer_id: str | None
    wish: Wish
    reason: AllocationReason | None = None


class Due(NamedTuple):
    """A customer that is about to be looked after by others."""

    before: Customer
    after: Customer


def _rows(wanted: Assignments) -> list[Row]:
    return [Row(row.customer_id, Wish(row.sales_rep_id, row.further_sales_rep_ids)) for row in wanted.assignments]


def _assigned(ask: Ask) -> list[Key]:
    try:
        rows = _rows(Assignments.model_validate_json(ask.body))
    except ValidationError:
        return []
    return _keys(ask.store, {row.customer_id: row.wish for row in rows if row.customer_id is not None})


def _listed(ask: Ask) -> list[Key]:
    try:
        rows = read_sheet(ask.body)
    except InvalidError:
        return []
    reps = {rep_id for row in rows for rep_id in Wish.of_row(row, ask.store).sales_rep_ids}
    return [*(number_claim(ask.store, row.number) for row in rows), *(member_key(rep_id, ask.store) for rep_id in reps)]


@app.post("/v1/allocations", allow=Permission.ALLOCATE_CUSTOMERS, reads=_assigned)
def allocate_customers(wanted: Assignments, caller: Caller) -> AllocationResults:
    """Allocate up to 1,000 customers. A row that cannot be carried out says why and stops no other; once more is no change.

    The account manager is who the row says; further sales reps stay unless the row names them. Of two rows about one customer
    the first counts.
    """
    rows = _rows(wanted)

    def answer(outcomes: Sequence[Outcome]) -> AllocationResults:
        results = [
            AllocationResult(customer_id=row.customer_id, **outcome._asdict())
            for row, outcome in zip(wanted.assignments, outcomes, strict=True)
        ]
        return AllocationResults(results=results, **_counts(outcomes), dry_run=wanted.dry_run)

    return _carried_out(rows, caller, answer, dry_run=wanted.dry_run)


@app.post(
    "/v1/allocation-imports",
    allow=Permission.ALLOCATE_CUSTOMERS,
    reads=_listed,
    accepts=CSV,
    openapi_extensions={"requestBody": {"required": True, "content": {CSV: {"schema": {"type": "string"}}}}},
)
def import_allocations(
    caller: Caller,
    dry_run: Annotated[bool, Query(description="Only say what would become of each row.")] = False,  # noqa: FBT002  # a query parameter
) -> AllocationImport:
    """Allocate up to 1,000 customers by a list. A row that cannot be carried out says why and stops no other.

    Columns: `customer_number` and `account_manager`, a sales rep's e-mail address or empty for nobody; in `further_sales_reps`
    more of them, parted by spaces or vertical bars. Without that column the further ones stay. Once more is no change.
    """
    store_id, listed = caller.store.id, read_sheet(caller.facts.body)
    ids = find_numbered(caller.reader, store_id, {row.number for row in listed})
    rows = [_row(row, ids.get(row.number), store_id) for row in listed]

    def answer(outcomes: Sequence[Outcome]) -> AllocationImport:
        results = [
            AllocatedRow(
                row=each.read.row,
                line=each.read.line,
                customer_number=each.number,
                customer_id=row.customer_id,
                **outcome._asdict(),
            )
            for each, row, outcome in zip(listed, rows, outcomes, strict=True)
        ]
        return AllocationImport(results=results, **_counts(outcomes), dry_run=dry_run)

    return _carried_out(rows, caller, answer, dry_run=dry_run)


def _row(row: AllocationRow, customer_id: str | None, store_id: str) -> Row:
    reason: AllocationReason | None = "out_of_scope" if customer_id is None else None
    return Row(customer_id, Wish.of_row(row, store_id), "malformed_row" if row.refusal else reason)


def _carried_out[A: BaseModel](
    rows: Sequence[Row], caller: CallerInfo, answer: Callable[[Sequence[Outcome]], A], *, dry_run: bool
) -> A:
    """Carry out what can be of some rows, and answer with what became of each."""
    wishes: dict[str, Wish] = {}
    fixed: list[Outcome | None] = []
    for row in rows:
        reason = "duplicate" if row.reason is None and row.customer_id in wishes else row.reason
        fixed.append(Outcome("skipped", reason) if reason else None)
        if row.customer_id is not None and reason is None:
            wishes[row.customer_id] = row.wish

    def told(outcomes: Mapping[str, Outcome]) -> list[Outcome]:
        return [each or outcomes[row.customer_id or ""] for row, each in zip(rows, fixed, strict=True)]

    bulk = Bulk(
        begin=caller.transaction,
        decide=partial(_decided, wishes=wishes, scope=caller.scope),
        cost=partial(_cost, at=caller.at),
        add=partial(_added, store_id=caller.store.id),
        refused=_refused,
    )
    due, results = bulk.decide(wishes, caller.reader)
    if dry_run:
        return answer(told(results | _tried(bulk, due)))
    return bulk.carry_out(due, lambda added: answer(told({**results, **added})))


def _decided(ids: Iterable[str], read: Reader, *, wishes: Mapping[str, Wish], scope: Scope) -> Decided[Due, Outcome]:
    """Decide on customers as they are."""
    ids = list(ids)
    read.fetch(_keys(scope.store_id, {id_: wishes[id_] for id_ in ids}))
    customers = find_customers(read, scope, ids)
    due: dict[str, Due] = {}
    results: dict[str, Outcome] = {}
    for id_ in ids:
        customer = customers.get(id_)
        if customer is None:
            results[id_] = Outcome("skipped", "out_of_scope")
            continue
        try:
            after = allocated(
                customer, wishes[id_].of(customer), lambda rep_id: read.find(member_key(rep_id, scope.store_id), Member)
            )
        except (InvalidError, ConflictError) as refusal:
            results[id_] = _refused(id_, refusal)
            continue
        if after is customer:
            results[id_] = Outcome("unchanged")
        else:
            due[id_] = Due(customer, after)
    return Decided(due, results)


def _keys(store_id: str, wishes: Mapping[str, Wish]) -> list[Key]:
    reps = {rep_id for wish in wishes.values() for rep_id in wish.sales_rep_ids}
    return [*(customer_key(store_id, id_) for id_ in wishes), *(member_key(rep_id, store_id) for rep_id in sorted(reps))]


def _cost(row: Due, *, at: datetime) -> int:
    """Return how many actions a row takes at most: customer and change, a listing and itself for each rep, the figures."""
    before, after = Allocation.of(row.before), Allocation.of(row.after)
    changed = set(before.sales_rep_ids) ^ set(after.sales_rep_ids)
    # One that becomes the account manager was among the others.
    reps = changed | after.newly_picked(before)
    return 2 + len(changed) + len(reps) + moves_at_most(row.before, row.after, at=at)


def _added(tx: Transaction, rows: Mapping[str, Due], *, store_id: str) -> dict[str, Outcome]:
    for row in rows.values():
        save_customer(tx, row.after, before=row.before)
    if rows:
        tx.audit("customers:allocated", store_id, customers=list(rows))
    return dict.fromkeys(rows, Outcome("allocated"))


def _tried(bulk: Bulk[Due, Outcome], due: Mapping[str, Due]) -> dict[str, Outcome]:
    """Tell what would become of each row: only putting it into a transaction shows whether its figures can be moved."""
    outcomes: dict[str, Outcome] = {}
    for id_, row in due.items():
        try:
            outcomes |= bulk.add(bulk.begin(), {id_: row})
        except ConflictError as refusal:
            outcomes[id_] = bulk.refused(id_, refusal)
    return outcomes


def _refused(_: str, refusal: DomainError) -> Outcome:
    return Outcome("skipped", REASONS.get(refusal.code, "conflict"))


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    counts = Counter(outcome.status for outcome in outcomes)
    return {status: counts[status] for status in get_args(AllocationStatus.__value__)}


handler = app.handler
