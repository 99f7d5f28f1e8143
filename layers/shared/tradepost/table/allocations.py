"""Who came to look after a customer, and when: noted in the transaction that saves the customer."""

from pynamodb.expressions.operand import Path

from tradepost.domain.allocation import REFUSALS, change_of
from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_id
from tradepost.table.listing import Position, Rows, list_partition
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.shapes import ALLOCATION_CHANGE
from tradepost.table.transaction import Transaction


def note_change(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    """Note who looks after a customer from now on, if it is somebody else, and demand that whoever is new is active."""
    change = change_of(before, customer, by=tx.actor, at=tx.at)
    if change is None:
        return
    key = ALLOCATION_CHANGE.key(store=customer.store_id, customer=customer.id, at=stamp(tx.at), id=new_id())
    tx.put(Record.of(key, change))
    active = Path("data.status") == "active"
    for rep_id in sorted(change.after.newly_picked(change.before)):
        # It may lose another customer in the same transaction, which is counted on the same item.
        tx.update(member_key(rep_id, customer.store_id), [], condition=active, otherwise=ConflictError(*REFUSALS["inactive"]))


def list_changes(store_id: str, customer_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of the changes of who looks after a customer, newest first, with one Query."""
    partition = ALLOCATION_CHANGE.partition(store=store_id, customer=customer_id)
    return list_partition(partition, limit=limit, after=after, newest_first=True)
