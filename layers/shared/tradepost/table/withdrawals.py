"""Withdrawals of consent in the table, numbered in each store without a gap: what was exported before may hold too much."""

from datetime import timedelta
from typing import Final

from pynamodb.expressions.operand import Path

from tradepost.domain.activities import Withdrawal
from tradepost.domain.errors import ConflictError
from tradepost.domain.outbox import Erasure
from tradepost.domain.people import Member
from tradepost.domain.stores import Store
from tradepost.table.records import Record
from tradepost.table.shapes import WITHDRAWAL, Key
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

CROWD: Final = 16
"""How often it is worth deciding anew, where many people of one store withdraw their consent at once."""


def withdrawal_key(store_id: str, number: int) -> Key:
    """Return where a withdrawal is kept."""
    return WITHDRAWAL.key(store=store_id, number=f"{number:010}")


def withdraw(tx: Transaction, store: Store, member: Member, *, person: bool = False) -> None:
    """Note that a member withdraws what it allowed, and announce that its activity is erased when the store's policy says.

    `member` is as it was before. With `person`, whatever else need not be kept of the person is erased with it, at once.
    Raises `ConflictError` on commit if somebody else of the store withdrew at the same moment: then read the store again.
    """
    number, consent = store.withdrawals + 1, len(member.consents)
    withdrawal = Withdrawal(
        number=number,
        store_id=store.id,
        member_id=member.id,
        customer_id=member.customer_id,
        consent=consent,
        since=member.consents[-1].at if member.allows_activity else None,
        at=tx.at,
        person=person,
    )
    counted = Path("aside.withdrawals")
    # Stores that were opened before there was anything to withdraw do not count yet.
    as_read = counted == store.withdrawals if store.withdrawals else (counted == 0) | counted.does_not_exist()
    overtaken = ConflictError("conflict", "Somebody else withdrew consent at the same moment. Send it again.")
    tx.update(store_key(store.id), [counted.set(number)], condition=as_read, otherwise=overtaken)
    tx.save(Record.of(withdrawal_key(store.id, number), withdrawal), otherwise=overtaken)
    message = Erasure(store_id=store.id, member_id=member.id, consent=consent, withdrawal=number, person=person)
    tx.announce(message, after=timedelta() if person else timedelta(days=store.activity_erasure_days))


def withdrawals_after(store_id: str, number: int) -> list[Withdrawal]:
    """Return the withdrawals of a store behind a number, oldest first. One Query for every few thousand."""
    behind = Record.sk > withdrawal_key(store_id, number).sk
    rows = Record.query(WITHDRAWAL.partition(store=store_id), behind, consistent_read=True)
    return [row.load(Withdrawal) for row in rows]
