"""Suppressed addresses in the table: a store mails nothing to them until whoever has one changes it."""

from collections.abc import Iterable

from pynamodb.expressions.operand import Path

from tradepost.domain.customers import Customer, Delivery
from tradepost.domain.delivery import Suppression
from tradepost.domain.errors import StaleError
from tradepost.domain.ids import person_key
from tradepost.table.customers import customer_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import CLAIM, SUPPRESSION
from tradepost.table.transaction import Transaction


def suppressed_among(store_id: str, addresses: Iterable[str]) -> frozenset[str]:
    """Return the addresses to which a store mails nothing any more. Calls: one BatchGetItem."""
    keys = {address: SUPPRESSION.key(store=store_id, person=person_key(address)) for address in addresses}
    read = Reader()
    read.fetch(keys.values())
    return frozenset(address for address, key in keys.items() if read.record(key) is not None)


def suppress(tx: Transaction, store_id: str, person: str, reason: Delivery) -> None:
    """Mail nothing more to the address of a person."""
    tx.put(Record.of(SUPPRESSION.key(store=store_id, person=person), Suppression(reason=reason, since=tx.at)))
    tx.audit("address:suppressed", person, reason=reason)


def flag_customers(tx: Transaction, store_id: str, person: str, *, invited: str | None = None) -> None:
    """Let the customer that has an address know that it is suppressed, and the one `invited` that gave none of its own.

    Calls: up to two BatchGetItem. Raises `StaleError` if an address was being changed at the same moment.
    """
    read = Reader()
    claimed = read.record(CLAIM.key(store=store_id, what="customer-email", value=person))
    ids = {invited, str(claimed.data["holder"]) if claimed else None} - {None}
    keys = {customer_key(store_id, each or "") for each in ids}
    read.fetch(keys)
    for key in sorted(keys):
        customer = read.find(key, Customer)
        if customer is None or (customer.email and person_key(customer.email) != person):
            continue
        email = Path("data.email")
        unchanged = (email == customer.email) if customer.email else email.is_type("NULL")
        # Stored as it is told: there is no other way to say so.
        tx.update(key, [Path("aside.suppressed").set(True)], condition=unchanged, otherwise=StaleError())
