"""Customers in the table: unique by number and by e-mail address in their store, found by the words of what they are called."""

from typing import Any

from pynamodb.expressions.condition import Condition, Or
from pynamodb.expressions.operand import Path

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.ids import person_key
from tradepost.domain.stores import CustomerGroup, PriceTier
from tradepost.table.listing import Position, Rows, index_words, list_index, words_of
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import CUSTOMER, Key
from tradepost.table.stores import point_at
from tradepost.table.transaction import Transaction

COLLECTION = "CUSTOMERS"


def customer_key(store_id: str, customer_id: str) -> Key:
    """Return where a customer is kept."""
    return CUSTOMER.key(store=store_id, customer=customer_id)


def get_customer(reader: Reader, store_id: str, customer_id: str, *, only: str | None = None) -> Customer:
    """Return a customer of a store; with `only`, none but that one exists. Raises `NotFoundError`."""
    if only not in {None, customer_id}:
        raise NotFoundError("customer")
    return reader.get(customer_key(store_id, customer_id), Customer)


def save_customer(tx: Transaction, customer: Customer, *, before: Customer | None = None) -> Customer:
    """Write a customer with everything that hangs on it; returns it with its new version."""
    store = customer.store_id
    key = customer_key(store, customer.id)
    listed = CUSTOMER.index1(store=store, name=customer.sort_name, customer=customer.id)
    tx.save(Record.of(key, customer, index1=listed))
    _keep_unique(tx, customer, before)
    old_group, old_tier = (before.group_id, before.price_tier_id) if before else (None, None)
    point_at(tx, store, CustomerGroup, before=old_group, after=customer.group_id, field="/group_id")
    point_at(tx, store, PriceTier, before=old_tier, after=customer.price_tier_id, field="/price_tier_id")
    old_words = _words(before) if before else frozenset()
    index_words(tx, store, COLLECTION, customer.id, before=old_words, after=_words(customer))
    return customer.model_copy(update={"version": customer.version + 1})


def list_customers(store_id: str, *, limit: int, after: Position | None, where: Condition | None) -> Rows:
    """Return a page of a store's customers by name, with one Query."""
    partition = CUSTOMER.index1(store=store_id, name="", customer="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=where)


def invitation_state_is(wanted: str) -> Condition:
    """Return the filter that picks customers by where their invitation stands."""
    state = Path("aside.invitation.state")
    if wanted == "not_invited":
        conditions: list[Condition] = [state.does_not_exist(), state == "revoked"]
        return Or(*conditions)
    is_wanted: Condition = state == {"invited": "pending", "accepted": "accepted"}[wanted]
    return is_wanted


def field_is(name: str, value: Any) -> Condition:
    """Return the filter that picks customers by one field of their document."""
    condition: Condition = Path(f"data.{name}") == value
    return condition


def _keep_unique(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    store = customer.store_id
    if before is None:
        tx.claim(store, "customer-number", customer.number, customer.id, otherwise=ConflictError("number_taken", "Try again."))
    old_email = person_key(before.email) if before and before.email else None
    new_email = person_key(customer.email) if customer.email else None
    if old_email == new_email:
        return
    if old_email:
        tx.release(store, "customer-email", old_email)
    if new_email:
        taken = ConflictError("email_taken", "Another customer of this store has this e-mail address.", pointer="/email")
        tx.claim(store, "customer-email", new_email, customer.id, otherwise=taken)


def _words(customer: Customer) -> frozenset[str]:
    return words_of(customer.number, customer.name, customer.email, *(address.city for address in customer.addresses))
