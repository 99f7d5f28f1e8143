"""Credit balances in the table: what a reseller has been credited, used and given back, line by line, and never below zero."""

from typing import NamedTuple

from tradepost.domain.billing import CreditBalance, CreditEntry, credited
from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_id
from tradepost.domain.invoicing import Amount
from tradepost.table.listing import Position, list_partition
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import CREDIT_BALANCE, CREDIT_ENTRY, Key
from tradepost.table.transaction import Transaction


class Account(NamedTuple):
    """Whose credit balance it is, and its currency."""

    store_id: str
    reseller_id: str
    currency: str


class CreditChange(NamedTuple):
    """What changes a balance, why, and which bill makes it."""

    amount: int
    reason: str
    invoice_id: str | None = None


def credit_balance_key(store_id: str, reseller_id: str) -> Key:
    """Return where a reseller's credit balance is kept."""
    return CREDIT_BALANCE.key(store=store_id, reseller=reseller_id)


def find_balance(reader: Reader, store_id: str, reseller_id: str) -> int:
    """Return a reseller's credit balance; nothing if it has never been credited."""
    found = reader.find(credit_balance_key(store_id, reseller_id), CreditBalance)
    return found.amount if found else 0


def change_balance(tx: Transaction, reader: Reader, account: Account, *changes: CreditChange) -> list[CreditEntry]:
    """Change a credit balance from what it was when it was read, and note each change; those of nothing are none.

    Raises `ConflictError` if it would be below zero. If somebody else has changed it since, the transaction is refused whole.
    """
    key = credit_balance_key(account.store_id, account.reseller_id)
    balance, entries = reader.find(key, CreditBalance) or CreditBalance(), list[CreditEntry]()
    for change in changes:
        if not change.amount:
            continue
        amount, number = credited(balance.amount, change.amount), balance.entries + 1
        balance = balance.model_copy(update={"amount": amount, "entries": number})
        entry = CreditEntry(
            id=new_id(),
            store_id=account.store_id,
            reseller_id=account.reseller_id,
            at=tx.at,
            amount=Amount(amount=change.amount, currency=account.currency),
            balance=Amount(amount=amount, currency=account.currency),
            reason=change.reason,
            actor=tx.actor,
            invoice_id=change.invoice_id,
        )
        names = {"store": account.store_id, "reseller": account.reseller_id, "number": f"{number:010}"}
        tx.save(Record.of(CREDIT_ENTRY.key(**names), entry), otherwise=_overtaken())
        entries.append(entry)
    if entries:
        tx.save(Record.of(key, balance), otherwise=_overtaken())
    return entries


def _overtaken() -> ConflictError:
    return ConflictError("conflict", "The credit balance was being changed at the same moment. Send it again.")


def list_entries(
    store_id: str, reseller_id: str, *, limit: int, after: Position | None
) -> tuple[list[CreditEntry], Position | None]:
    """Return a page of what changed a reseller's credit balance, newest first. One Query."""
    begins = CREDIT_ENTRY.sk.partition("#")[0] + "#"
    partition = CREDIT_ENTRY.partition(store=store_id, reseller=reseller_id)
    rows = list_partition(partition, limit=limit, after=after, newest_first=True, begins_with=begins)
    return [row.load(CreditEntry) for row in rows.records], rows.next_position
