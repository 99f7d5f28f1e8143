"""Allocation: which sales reps look after a customer, and who of them may be picked."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field

from tradepost.domain.customers import MAX_FURTHER_SALES_REPS, Customer
from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.people import Member, Party, RepStatus
from tradepost.domain.permissions import Role
from tradepost.domain.values import Entity, Instant, Reference, Value

MAX_ALLOCATED: Final = 1000
"""How many customers one request allocates at most."""

REFUSALS: Final[dict[RepStatus, tuple[str, str]]] = {
    "invited": ("rep_not_accepted", "This sales rep has not accepted the invitation yet."),
    "inactive": ("rep_inactive", "This sales rep is not active."),
}
"""Why a sales rep cannot be picked: a stable code, and words for a person."""

type FurtherSalesReps = Annotated[tuple[Reference, ...], Field(max_length=MAX_FURTHER_SALES_REPS)]
"""Further sales reps as a request names them."""


class Allocation(Value):
    """Who looks after a customer: its account manager, if it has one, and further sales reps."""

    account_manager_id: str | None = None
    further_sales_rep_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, customer: Customer | None) -> Self:
        """Return who looks after a customer; nobody after one that is not there yet."""
        if customer is None:
            return cls()
        return cls(account_manager_id=customer.account_manager_id, further_sales_rep_ids=customer.further_sales_rep_ids)

    @property
    def sales_rep_ids(self) -> tuple[str, ...]:
        """All of them, the account manager first."""
        return tuple(filter(None, (self.account_manager_id, *self.further_sales_rep_ids)))

    def is_as(self, other: "Allocation") -> bool:
        """Tell whether two are the same, in whatever order the further sales reps are named."""
        managers = self.account_manager_id == other.account_manager_id
        return managers and set(self.further_sales_rep_ids) == set(other.further_sales_rep_ids)

    def newly_picked(self, before: "Allocation") -> frozenset[str]:
        """Return who comes to look after the customer by this, or is made its account manager."""
        manager = {self.account_manager_id} - {before.account_manager_id}
        return frozenset(filter(None, manager | (set(self.sales_rep_ids) - set(before.sales_rep_ids))))


class AllocationChange(Entity):
    """One time that a customer came to be looked after by others."""

    entity: ClassVar = "allocation_change"

    at: Instant
    actor: Party
    before: Allocation
    after: Allocation


def allocated(
    customer: Customer, wanted: Allocation, find: Callable[[str], Member | None], *, manager_field: str = "/sales_rep_id"
) -> Customer:
    """Return a customer as others look after it; as it is if they do already.

    Whoever looks after it already may stay, active or not. `find` brings the others. Raises `InvalidError` for too many, one
    named twice, or somebody who is no sales rep of the store, `ConflictError` for one who has not accepted or is not active.
    """
    if len(wanted.further_sales_rep_ids) > MAX_FURTHER_SALES_REPS:
        message = f"names more than {MAX_FURTHER_SALES_REPS} sales reps"
        raise InvalidError(Fault("/further_sales_rep_ids", message), code="too_many_sales_reps")
    further = [(rep_id, f"/further_sales_rep_ids/{index}") for index, rep_id in enumerate(wanted.further_sales_rep_ids)]
    before = Allocation.of(customer)
    new, seen = wanted.newly_picked(before), {wanted.account_manager_id}
    for rep_id, pointer in further:
        if rep_id in seen:
            raise InvalidError(Fault(pointer, "names a sales rep a second time"), code="duplicate_sales_rep")
        seen.add(rep_id)
    for rep_id, pointer in ((wanted.account_manager_id or "", manager_field), *further):
        if rep_id in new:
            must_be_candidate(find(rep_id), pointer)
    return customer if wanted.is_as(before) else customer.model_copy(update=dict(wanted))


def must_be_candidate(rep: Member | None, pointer: str) -> None:
    """Refuse whoever customers cannot be allocated to. Raises `InvalidError` and `ConflictError`."""
    if rep is None or rep.role is not Role.REP:
        raise InvalidError(Fault(pointer, "is not a sales rep of this store"), code="unknown_sales_rep")
    if rep.rep_status in REFUSALS:
        raise ConflictError(*REFUSALS[rep.rep_status], pointer=pointer)


def change_of(before: Customer | None, after: Customer, *, by: Party, at: datetime) -> AllocationChange | None:
    """Return what becomes of a customer's allocation; None if it stays as it is."""
    old, new = Allocation.of(before), Allocation.of(after)
    return None if new.is_as(old) else AllocationChange(at=at, actor=by, before=old, after=new)
