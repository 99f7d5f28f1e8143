"""Customers in the table: unique by number and by e-mail address in their store, found by the words of what they are called."""

from collections.abc import Iterable
from typing import Any

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path

from tradepost.domain.customers import Customer, InvitationSummary, ResellerStatus
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.ids import person_key
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import CustomerGroup, PriceTier
from tradepost.table.allocations import note_change
from tradepost.table.counts import count_moves
from tradepost.table.forward import Listed
from tradepost.table.listing import Position, Rows, all_of, carried, index_words, list_index, list_partition, words_of
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import ALLOCATION, CLAIM, CUSTOMER, INVITATION, SUPPRESSION, Key
from tradepost.table.statistics import count_anew, is_counted_anew, overtaken
from tradepost.table.stores import point_at, store_key
from tradepost.table.transaction import Transaction

COLLECTION = "CUSTOMERS"
NUMBER_CLAIM = "customer-number"
EMAIL_CLAIM = "customer-email"
COMPANY_CLAIM = "customer-company"
COUNTED = "invitations"
"""What customers are counted by: where their invitation stands."""


def customer_key(store_id: str, customer_id: str) -> Key:
    """Return where a customer is kept."""
    return CUSTOMER.key(store=store_id, customer=customer_id)


def number_claim(store_id: str, number: str) -> Key:
    """Return where it is kept which customer of a store has a number."""
    return CLAIM.key(store=store_id, what=NUMBER_CLAIM, value=number)


def words_of_customer(customer: Customer) -> frozenset[str]:
    """Return the words that a customer is found by."""
    return words_of(customer.number, customer.name, customer.email, *(address.city for address in customer.addresses))


def find_numbered(reader: Reader, store_id: str, numbers: Iterable[str]) -> dict[str, str]:
    """Return the ids of those customers that have one of the numbers, by number."""
    records = {number: reader.record(number_claim(store_id, number)) for number in numbers}
    return {number: str(record.document()["holder"]) for number, record in records.items() if record}


def email_claim(store_id: str, person: str) -> Key:
    """Return where it is kept which customer of a store has a person's address."""
    return CLAIM.key(store=store_id, what=EMAIL_CLAIM, value=person)


def company_claim(store_id: str, company_id: str) -> Key:
    """Return where it is kept which customer of a store is a company of the directory."""
    return CLAIM.key(store=store_id, what=COMPANY_CLAIM, value=company_id)


def find_customer(reader: Reader, scope: Scope, customer_id: str) -> Customer | None:
    """Return a customer, or None if there is none within the scope."""
    customer = reader.find(customer_key(scope.store_id, customer_id), Customer)
    return customer if customer and scope.covers(customer) else None


def get_customer(reader: Reader, scope: Scope, customer_id: str) -> Customer:
    """Return a customer within the scope. Raises `NotFoundError`."""
    customer = find_customer(reader, scope, customer_id)
    if customer is None:
        raise NotFoundError("customer")
    return customer


def find_customers(reader: Reader, scope: Scope, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """Return those of some customers that are within the scope, by id. One BatchGetItem for those not read yet (100 each)."""
    ids = list(dict.fromkeys(customer_ids))
    reader.fetch(customer_key(scope.store_id, customer_id) for customer_id in ids)
    found = {customer_id: find_customer(reader, scope, customer_id) for customer_id in ids}
    return {customer_id: customer for customer_id, customer in found.items() if customer}


def save_customer(tx: Transaction, customer: Customer, *, before: Customer | None = None) -> Customer:
    """Write a customer with everything that hangs on it; returns it with its new version.

    Whoever newly looks after it must be an active sales rep: otherwise nothing is written and `ConflictError` raised.
    Calls: one Query if its orders have to be counted for others, see `count_anew`.
    """
    store = customer.store_id
    key = customer_key(store, customer.id)
    listed = CUSTOMER.index1(store=store, name=customer.sort_name, customer=customer.id)
    # Whether it is the customer that changed, or its orders did, is not told apart.
    stale = overtaken() if before and is_counted_anew(before, customer) else None
    tx.save(Record.of(key, customer, index1=listed), otherwise=stale)
    _keep_unique(tx, customer, before)
    old_group, old_tier = (before.group_id, before.price_tier_id) if before else (None, None)
    point_at(tx, store, CustomerGroup, before=old_group, after=customer.group_id, field="/group_id")
    point_at(tx, store, PriceTier, before=old_tier, after=customer.price_tier_id, field="/price_tier_id")
    old_words = words_of_customer(before) if before else frozenset()
    index_words(tx, store, COLLECTION, customer.id, before=old_words, after=words_of_customer(customer))
    _keep_counted(tx, customer, before)
    _keep_allocated(tx, customer, before)
    _count_out_of_scope(tx, customer, before)
    note_change(tx, customer, before)
    if before:
        count_anew(tx, before, customer)
    readdressed = before is not None and _person_of(before) != _person_of(customer)
    suppressed = customer.suppressed and not readdressed
    return customer.model_copy(update={"version": customer.version + 1, "suppressed": suppressed})


def require_active(tx: Transaction, store_id: str, customer_id: str) -> None:
    """Demand that a customer is active, of which the transaction changes nothing, or what is kept beside it."""
    active = Path("data.active") == True  # noqa: E712  # an expression
    inactive = ConflictError("inactive", "The customer is not active.")
    tx.update(customer_key(store_id, customer_id), [], condition=active, otherwise=inactive)


def customers_by_name(store_id: str) -> Listed:
    """Return where the customers of a store are listed, by name."""
    return Listed(CUSTOMER.index1(store=store_id, name="", customer="").pk, gsi=1)


def allocations_by_name(store_id: str, sales_rep_id: str) -> Listed:
    """Return where the customers allocated to a rep are listed, by name."""
    return Listed(ALLOCATION.partition(store=store_id, rep=sales_rep_id))


def list_customers(scope: Scope, *, limit: int, after: Position | None, where: Condition | None) -> Rows:
    """Return a page of the customers of a scope that is not a rep's own list, by name. One Query."""
    if scope.reach not in {"store", "active"}:
        raise ValueError("what is allocated has a list of its own")
    partition = customers_by_name(scope.store_id).partition
    within = field_is("active", value=True) if scope.reach == "active" else None
    return list_index(Record.gsi1, partition, limit=limit, after=after, where=all_of([within, where]))


def list_allocated(
    store_id: str, sales_rep_id: str, *, text: str | None = None, limit: int, after: Position | None
) -> tuple[list[str], Position | None]:
    """Return the ids of a page of the customers allocated to a rep, by name, all or those with some words. One Query."""
    words = words_of(text)
    if text and not words:
        return [], None
    partition = allocations_by_name(store_id, sales_rep_id).partition
    where = all_of(Record.words.contains(f" {word}") for word in sorted(words))
    rows = list_partition(partition, limit=limit, after=after, where=where)
    return [record.sk.rpartition("#")[2] for record in rows.records], rows.next_position


def allocated_ids(store_id: str, sales_rep_id: str) -> frozenset[str]:
    """Return the ids of all customers allocated to a rep. One Query for every few thousand."""
    partition = allocations_by_name(store_id, sales_rep_id).partition
    pages = Record.query(partition, consistent_read=True, attributes_to_get=["sk"]).page_iter
    return frozenset(item["sk"]["S"].rpartition("#")[2] for page in pages for item in page["Items"])


def looks_after_some(store_id: str, sales_rep_id: str) -> bool:
    """Tell whether any customer is allocated to a rep. One consistent Query for a single item."""
    partition = ALLOCATION.partition(store=store_id, rep=sales_rep_id)
    return any(True for _ in Record.query(partition, consistent_read=True, limit=1, page_size=1))


def stands_as(label: str) -> Condition:
    """Return the filter that picks customers by a label they stand under, see `Customer.standing`."""
    state = Path("aside.invitation.state")
    chosen: Condition
    if label == "not_invited":
        chosen = (state.does_not_exist() | (state == "revoked")) & Path("data.email").is_type("S")
    elif label.startswith("delivery_"):
        live = (state == "pending") | (state == "accepted")
        chosen = live & (Path("aside.invitation.delivery") == label.removeprefix("delivery_"))
    else:
        chosen = state == {"invited": "pending", "accepted": "accepted"}[label]
    return chosen


def has_email(*, wanted: bool) -> Condition:
    """Return the filter that picks customers with an e-mail address, or without."""
    with_one: Condition = Path("data.email").is_type("S")
    return with_one if wanted else ~with_one


def without_sales_reps() -> Condition:
    """Return the filter that picks customers whom no sales rep looks after."""
    managed: Condition = Path("data.account_manager_id").is_type("S") | (size(Path("data.further_sales_rep_ids")) > 0)
    unmanaged: Condition = ~managed
    return unmanaged


def is_reseller(status: ResellerStatus) -> Condition:
    """Return the filter that picks resellers of a status."""
    condition: Condition = Path("aside.reseller.status") == status
    return condition


def field_is(name: str, value: Any) -> Condition:
    """Return the filter that picks customers by one field of their document."""
    condition: Condition = Path(f"data.{name}") == value
    return condition


def _person_of(customer: Customer) -> str | None:
    return person_key(customer.email) if customer.email else None


def _keep_unique(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    store = customer.store_id
    if before is None:
        tx.claim(store, NUMBER_CLAIM, customer.number, customer.id, otherwise=ConflictError("number_taken", "Try again."))
    if customer.company_id and (before is None or before.company_id is None):
        known = ConflictError("company_exists", "This company is a customer of the store already.", pointer="/company_id")
        tx.claim(store, COMPANY_CLAIM, customer.company_id, customer.id, otherwise=known)
    if before and before.company_id and customer.company_id is None:
        tx.release(store, COMPANY_CLAIM, before.company_id)
    old_email = _person_of(before) if before else None
    new_email = _person_of(customer)
    if old_email == new_email:
        return
    if old_email:
        tx.release(store, EMAIL_CLAIM, old_email)
        # Mail is stopped until the address changes, and news that it be stopped may be coming in at this moment.
        tx.delete(SUPPRESSION.key(store=store, person=old_email))
    if before:
        tx.update(customer_key(store, customer.id), [Path("aside.suppressed").set(False)])  # what is stored
    if new_email:
        taken = ConflictError("email_taken", "Another customer of this store has this e-mail address.", pointer="/email")
        tx.claim(store, EMAIL_CLAIM, new_email, customer.id, otherwise=taken)


def _keep_counted(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    """Count where the customer stands among the invitations, if becoming active or reachable moves it there.

    What its invitation moves is counted with the invitation.
    """
    was = frozenset[str]()
    if before:
        was = customer.model_copy(update={"active": before.active, "email": before.email}).standing
    if was == customer.standing:
        return
    count_moves(tx, customer.store_id, COUNTED, before=was, after=customer.standing)
    if before:
        tx.update(customer_key(customer.store_id, customer.id), [], condition=_still_told(before.invitation))
    told = customer.invitation
    if before and told and told.state != "revoked":
        key = INVITATION.key(store=customer.store_id, invitation=told.id)
        tx.update(key, [Path("aside.active").set(customer.active)])


def _keep_allocated(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    """Keep the lists of the reps in step with the customer: by its name, found by its words."""
    old = {_allocation(before, rep): carried(words_of_customer(before)) for rep in before.sales_rep_ids} if before else {}
    new = {_allocation(customer, rep): carried(words_of_customer(customer)) for rep in customer.sales_rep_ids}
    for key in sorted(old.keys() - new.keys()):
        tx.delete(key)
    for key, words in sorted(new.items()):
        if old.get(key) != words:
            tx.put(Record(*key, entity=ALLOCATION.entity, words=words))


def _count_out_of_scope(tx: Transaction, customer: Customer, before: Customer | None) -> None:
    """Count that a customer leaves the scope of somebody, who may have exported what belongs to it: see `Basis`."""
    if before is None:
        return
    for rep in sorted(before.sales_rep_ids - customer.sales_rep_ids):
        tx.count(member_key(rep, customer.store_id), 1, what="aside.departures")
    if before.active and not customer.active:
        tx.count(store_key(customer.store_id), 1, what="aside.deactivations")


def _allocation(customer: Customer, rep: str) -> Key:
    return ALLOCATION.key(store=customer.store_id, rep=rep, name=customer.sort_name, customer=customer.id)


def _still_told(told: InvitationSummary | None) -> Condition:
    path = Path("aside.invitation.id")
    if told is None:
        missing: Condition = path.does_not_exist()
        return missing
    same: Condition = (path == told.id) & (Path("aside.invitation.state") == told.state)
    same &= Path("aside.invitation.delivery") == told.delivery
    return same
