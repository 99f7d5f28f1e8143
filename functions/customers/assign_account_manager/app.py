"""/v1/customers/{id}/account-manager: pick the sales reps who look after a customer, and read who did before."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated

from pydantic import Field, ValidationError

from tradepost.domain.allocation import Allocation, AllocationChange, FurtherSalesReps, allocated
from tradepost.domain.customers import Customer
from tradepost.domain.errors import StaleError
from tradepost.domain.people import Member, Party, RepStatus
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Instant, Reference, Value
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.allocations import list_changes
from tradepost.table.customers import customer_key, get_customer, save_customer
from tradepost.table.people import member_key
from tradepost.table.shapes import Key

app = make_app()


class Picked(Value):
    """Who is to look after a customer: null for no account manager. Further sales reps that are not named do so no more."""

    sales_rep_id: Reference | None
    further_sales_rep_ids: FurtherSalesReps = ()

    @property
    def allocation(self) -> Allocation:
        """What is asked for."""
        return Allocation(account_manager_id=self.sales_rep_id, further_sales_rep_ids=self.further_sales_rep_ids)


class AllocatedSalesRep(Answer):
    """A sales rep who looks after a customer. One that was sent away does so until somebody else is picked."""

    id: str
    name: str
    status: RepStatus


class AllocationAnswer(Answer):
    """Who looks after a customer; `etag` is the customer's."""

    customer_id: str
    account_manager: AllocatedSalesRep | None
    further_sales_reps: list[AllocatedSalesRep]
    etag: str


class FormerSalesRep(Answer):
    """A sales rep by its present name."""

    id: str
    name: str


class FormerAllocation(Answer):
    """Who looked after a customer at some time."""

    account_manager: FormerSalesRep | None
    further_sales_reps: list[FormerSalesRep]


class AllocationChangeAnswer(Answer):
    """One time that a customer came to be looked after by others."""

    at: Instant
    actor: Annotated[Party, Field(description="Who decided on it.")]
    before: FormerAllocation
    after: FormerAllocation


def _named(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.path["customer_id"])]


def _picked(ask: Ask) -> list[Key]:
    try:
        picked = Picked.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [*_named(ask), *(member_key(rep_id, ask.store) for rep_id in picked.allocation.sales_rep_ids)]


@app.get("/v1/customers/<customer_id>/account-manager", allow=Permission.READ_ALLOCATION, reads=_named)
def show_allocation(customer_id: str, caller: Caller) -> AllocationAnswer:
    """Show who looks after a customer."""
    return _answer(get_customer(caller.reader, caller.scope, customer_id), caller)


@app.put("/v1/customers/<customer_id>/account-manager", allow=Permission.ALLOCATE_CUSTOMERS, reads=_picked)
def assign_account_manager(customer_id: str, picked: Picked, caller: Caller) -> AllocationAnswer:
    """Pick who looks after a customer, of the sales reps that have joined and are active. All of its orders count for them.

    Demands `If-Match` once somebody does. Whoever looks after it already may stay, active or not.
    """
    first = get_customer(caller.reader, caller.scope, customer_id)
    if first.sales_rep_ids:
        caller.replaces(first)
    return caller.decided(partial(_assigned, customer_id, picked.allocation, Allocation.of(first), caller))


@app.get("/v1/customers/<customer_id>/account-manager/history", allow=Permission.READ_ALLOCATION, reads=_named)
def list_allocation_changes(
    customer_id: str, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Page[AllocationChangeAnswer]:
    """List who came to look after a customer instead of whom, newest first."""
    store_id = caller.store.id
    get_customer(caller.reader, caller.scope, customer_id)
    bound = ("allocation_changes", store_id, customer_id)
    rows = list_changes(store_id, customer_id, limit=limit, after=read_cursor(cursor, *bound))
    changes = [row.load(AllocationChange) for row in rows.records]
    reps = _found((rep_id for each in changes for rep_id in (*each.before.sales_rep_ids, *each.after.sales_rep_ids)), caller)
    items = [
        AllocationChangeAnswer(at=each.at, actor=each.actor, before=_former(each.before, reps), after=_former(each.after, reps))
        for each in changes
    ]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


def _assigned(customer_id: str, wanted: Allocation, known: Allocation, caller: Caller) -> AllocationAnswer:
    """Decide on the customer as it is now. Raises `StaleError` if others look after it than when it was first read."""
    before = caller.match(get_customer(caller.reader, caller.scope, customer_id))
    if not Allocation.of(before).is_as(known):
        raise StaleError
    reps = _found(wanted.sales_rep_ids, caller)
    customer = allocated(before, wanted, reps.get)
    if customer is before:
        return _answer(before, caller)
    tx = caller.transaction()
    customer = save_customer(tx, customer, before=before)
    tx.audit("customer:allocated", customer.id, **wanted.model_dump(mode="json"))
    tx.commit()
    return _answer(customer, caller)


def _found(rep_ids: Iterable[str], caller: CallerInfo) -> dict[str, Member]:
    """Return those of some members that there are, in one batch with any that are not read yet."""
    keys = {rep_id: member_key(rep_id, caller.store.id) for rep_id in rep_ids}
    caller.reader.fetch(keys.values())
    found = {rep_id: caller.reader.find(key, Member) for rep_id, key in keys.items()}
    return {rep_id: rep for rep_id, rep in found.items() if rep}


def _answer(customer: Customer, caller: CallerInfo) -> AllocationAnswer:
    allocation = Allocation.of(customer)
    reps = _found(allocation.sales_rep_ids, caller)
    shown = {rep.id: AllocatedSalesRep(id=rep.id, name=rep.name, status=rep.rep_status) for rep in reps.values()}
    return AllocationAnswer(
        customer_id=customer.id,
        account_manager=shown.get(allocation.account_manager_id or ""),
        further_sales_reps=[shown[rep_id] for rep_id in allocation.further_sales_rep_ids],
        etag=customer.etag,
    )


def _former(allocation: Allocation, reps: dict[str, Member]) -> FormerAllocation:
    shown = {rep_id: FormerSalesRep(id=rep_id, name=reps[rep_id].name) for rep_id in allocation.sales_rep_ids}
    return FormerAllocation(
        account_manager=shown.get(allocation.account_manager_id or ""),
        further_sales_reps=[shown[rep_id] for rep_id in allocation.further_sales_rep_ids],
    )


handler = app.handler
