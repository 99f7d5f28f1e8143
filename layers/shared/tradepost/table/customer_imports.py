"""Customer imports in the table, and the transactions that carry one out: each creates customers and says how far it got."""

import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from tradepost.domain.clock import stamp
from tradepost.domain.customer_import import CustomerImport, advanced, customer_of, failed_on
from tradepost.domain.customer_sheet import Known, Line, PlannedCustomer, called
from tradepost.domain.errors import DomainError
from tradepost.domain.ids import new_id, new_invitation_id, readable_number
from tradepost.domain.invitations import invite, mail_of
from tradepost.domain.stores import CustomerGroup, PriceTier
from tradepost.table.customers import email_claim, save_customer
from tradepost.table.invitations import put_invitation
from tradepost.table.listing import Position, Rows, list_index
from tradepost.table.people import all_sales_reps
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import CUSTOMER_IMPORT, Key
from tradepost.table.stores import find_named, list_key, name_key
from tradepost.table.transaction import MAX_ACTIONS, OvertakenError, Transaction

_NUMBERS_DRAWN: Final = 5


class Step(NamedTuple):
    """A customer to create, and the offset behind it."""

    planned: PlannedCustomer
    offset: int


def customer_import_key(store_id: str, import_id: str) -> Key:
    """Return where an import is kept."""
    return CUSTOMER_IMPORT.key(store=store_id, id=import_id)


def save_customer_import(tx: Transaction, imported: CustomerImport, *, otherwise: DomainError | None = None) -> CustomerImport:
    """Write an import; returns it with its new version."""
    at = stamp(imported.created_at)
    listed = CUSTOMER_IMPORT.index1(store=imported.store_id, created_at=at, id=imported.id)
    tx.save(Record.of(customer_import_key(imported.store_id, imported.id), imported, index1=listed), otherwise=otherwise)
    return imported.model_copy(update={"version": imported.version + 1})


def list_customer_imports(store_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of a store's imports, newest first, with one Query."""
    partition = CUSTOMER_IMPORT.index1(store=store_id, created_at="", id="").pk
    return list_index(Record.gsi1, partition, limit=limit, after=after, newest_first=True)


def look_up(store_id: str, default_group: str, lines: Sequence[Line]) -> Known:
    """Return what the store has of what the rows name, in batches of 100 keys; its sales reps by a Query, if any are named."""
    reader = Reader()
    groups = {name for line in lines if (name := line.names["customer_group"])}
    tiers = {name for line in lines if (name := line.names["price_list"])}
    claims = {person: email_claim(store_id, person) for line in lines if (person := line.person)}
    group_key = list_key(CustomerGroup, store_id, default_group)
    group_names = [name_key(CustomerGroup, store_id, name) for name in groups]
    tier_names = [name_key(PriceTier, store_id, name) for name in tiers]
    reader.fetch([group_key, *group_names, *tier_names, *claims.values()])
    managed = any(line.names["account_manager"] for line in lines)
    return Known(
        groups=find_named(reader, CustomerGroup, store_id, groups),
        tiers=find_named(reader, PriceTier, store_id, tiers),
        sales_reps=called(all_sales_reps(store_id)) if managed else {},
        taken=frozenset(person for person, key in claims.items() if reader.record(key)),
        default_group=default_group if reader.record(group_key) else None,
    )


def create_customers(
    begin: Callable[[], Transaction], imported: CustomerImport, steps: Sequence[Step], *, lifetime: timedelta
) -> CustomerImport:
    """Create the first of these customers, as many as fit into one transaction; returns the import as it stands then.

    Whatever a transaction creates it also counts, and moves the import on, provided that it stands where we think it does.
    So nobody is created twice or left out, whenever this breaks off and however often it is begun. Where a transaction is
    refused its customers are tried one by one, and who is at fault is noted. Raises `OvertakenError` if another worker has
    moved the import on, and `ConflictError` "busy" if it has to be tried again later.
    """
    tx, fitting = _filled(begin, imported, steps, lifetime)
    try:
        return _committed(tx, imported, fitting)
    except DomainError as refusal:
        _must_be_a_fault(refusal)
    for step in fitting:
        imported = _create_alone(begin, imported, step, lifetime)
    return imported


def _create_alone(
    begin: Callable[[], Transaction], imported: CustomerImport, step: Step, lifetime: timedelta
) -> CustomerImport:
    for draw in range(_NUMBERS_DRAWN):
        tx, _ = _filled(begin, imported, [step], lifetime)
        try:
            return _committed(tx, imported, [step])
        except DomainError as refusal:
            _must_be_a_fault(refusal)
            if refusal.code == "number_taken" and draw + 1 < _NUMBERS_DRAWN:
                continue
            tx = begin()
            noted = failed_on(imported, step.planned, step.offset, refusal, at=tx.at)
            noted = save_customer_import(tx, noted, otherwise=OvertakenError())
            tx.commit()
            return noted
    raise AssertionError("the last draw is noted")


def _filled(
    begin: Callable[[], Transaction], imported: CustomerImport, steps: Sequence[Step], lifetime: timedelta
) -> tuple[Transaction, Sequence[Step]]:
    """Return a transaction that creates as many customers as fit beside the import itself, and which those are."""
    tx = begin()
    most = 0
    for count, step in enumerate(steps):
        before = tx.size
        _add(tx, imported, step.planned, lifetime)
        if count and tx.size >= MAX_ACTIONS:
            # Larger than those before it: it has to wait.
            return _filled(begin, imported, steps[:count], lifetime)
        most = max(most, tx.size - before)
        if tx.size + most >= MAX_ACTIONS:
            return tx, steps[: count + 1]
    return tx, steps


def _add(tx: Transaction, imported: CustomerImport, planned: PlannedCustomer, lifetime: timedelta) -> None:
    number = readable_number("C", secrets.token_bytes(8))
    customer = customer_of(imported, planned, number=number, ids=iter(new_id, None), at=tx.at)
    if planned.send_invitation:
        invitation_id = new_invitation_id(customer.store_id)
        invitation = invite(customer, invitation_id=invitation_id, by=tx.actor, at=tx.at, lifetime=lifetime)
        customer = customer.model_copy(update={"invitation": invitation.summary})
        put_invitation(tx, invitation)
        tx.announce(mail_of(invitation))
    save_customer(tx, customer)
    tx.audit("customer:added", customer.id, name=customer.name, invited=planned.send_invitation, customer_import=imported.id)


def _committed(tx: Transaction, imported: CustomerImport, steps: Sequence[Step]) -> CustomerImport:
    after = advanced(imported, [step.planned for step in steps], steps[-1].offset, at=tx.at)
    after = save_customer_import(tx, after, otherwise=OvertakenError())
    tx.commit()
    return after


def _must_be_a_fault(refusal: DomainError) -> None:
    """Go on only if a customer is at fault, and not the moment."""
    if isinstance(refusal, OvertakenError) or refusal.code == "busy":
        raise refusal
