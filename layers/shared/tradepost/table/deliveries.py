"""What became of a mail, noted where it matters: on its message, on its invitation and with whoever has the address.

Each time it is one transaction. Should something have changed since it was read, it is read and decided anew.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from pynamodb.expressions.operand import Path

from tradepost.domain.delivery import DROPPED, SENT, Standing, noted
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.ids import person_key
from tradepost.domain.invitations import Invitation
from tradepost.domain.outbox import AddressReport, InvitationMail, Message, OutboxItem, mailing_store
from tradepost.domain.people import SYSTEM
from tradepost.table.invitations import invitation_key, note_delivery
from tradepost.table.outbox import ConcludedError, concluding
from tradepost.table.reading import Reader
from tradepost.table.shapes import OUTBOX, Key, store_owner
from tradepost.table.suppressions import flag_customers, suppress
from tradepost.table.transaction import Transaction

_TRIES: Final = 3


def conclude(
    key: Key, item: OutboxItem, news: Standing, *, at: datetime, failure: str | None = None, addresses: Iterable[str] = ()
) -> None:
    """Note a message as carried out, or as failed for good, and what that means for its invitation. Twice is once.

    `addresses` are whom a mail was for. Calls: one BatchGetItem for an invitation, and one transaction.
    """
    persons = sorted({person_key(address) for address in addresses})

    def noting() -> Transaction:
        tx = concluding(key, item, at=at, failure=failure)
        _note(tx, item.message, news, persons=persons, sent_at=None if failure else at)
        return tx

    with contextlib.suppress(ConcludedError):
        try:
            _commit(noting)
        except ConcludedError:
            raise
        except Exception as error:  # that it went out must be known whatever else cannot be noted: it must not go out again
            concluding(key, item, at=at, failure=failure).commit()
            if not isinstance(error, (StaleError, ConflictError)):
                raise


def note_event(store_id: str, item_id: str, news: Standing, *, address: str, at: datetime, sent_at: datetime | None) -> bool:
    """Note what SES told of a mail to an address; False if the store never sent such a mail, or if that is known already.

    Calls: up to four BatchGetItem and one transaction. Raises `StaleError` or `ConflictError` if others kept changing the
    same things.
    """
    key, person = OUTBOX.key(owner=store_owner(store_id), id=item_id), person_key(address)

    def noting() -> Transaction | None:
        item = Reader().find(key, OutboxItem)
        if item is None or mailing_store(item.message) != store_id:
            return None
        before = item.reported.get(person)
        known = Standing(before.delivery, before.suppresses) if before else Standing("none")
        told = known.after(news)
        if told == known:
            return None
        tx = Transaction(store_owner(store_id), SYSTEM, SYSTEM, at)
        reported = Path(f"aside.reported.{person}")
        unchanged = (reported == before.model_dump()) if before else reported.does_not_exist()
        telling = reported.set(AddressReport(delivery=told.delivery, suppresses=told.suppressed).model_dump())
        tx.update(key, [telling], condition=unchanged, otherwise=StaleError())
        if news.suppressed:
            suppress(tx, store_id, person, news.delivery)
        _note(tx, item.message, news, persons=[person], sent_at=sent_at)
        return tx

    return _commit(noting)


def _note(tx: Transaction, message: Message, news: Standing, *, persons: Iterable[str], sent_at: datetime | None) -> None:
    invitation = None
    if isinstance(message, InvitationMail):
        invitation = Reader().find(invitation_key(message.store_id, message.invitation_id), Invitation)
        if invitation:
            _note_invitation(tx, invitation, noted(invitation, message, news), sent_at=sent_at)
    store_id = mailing_store(message)
    if store_id and news.suppressed:
        # The customer of a private invitation has no address of its own to find it by.
        invited = invitation.customer_id if invitation and invitation.private else None
        for person in persons:
            flag_customers(tx, store_id, person, invited=invited)


def _note_invitation(tx: Transaction, invitation: Invitation, stands: Standing, *, sent_at: datetime | None) -> None:
    if stands == Standing(invitation.delivery, invitation.suppressed):
        return
    newly_sent = sent_at if invitation.delivery == "queued" else None
    note_delivery(tx, invitation, stands.delivery, sent_at=newly_sent, suppressed=stands.suppressed)
    if stands not in {DROPPED, SENT}:
        tx.audit(f"invitation:{stands.delivery}", invitation.id)


def _commit(noting: Callable[[], Transaction | None]) -> bool:
    """Write what is decided anew each time; False if there is nothing to write. Raises the refusal of the last try."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(StaleError, ConflictError):
            return _commit_once(noting())
    return _commit_once(noting())


def _commit_once(tx: Transaction | None) -> bool:
    if tx is None:
        return False
    tx.commit()
    return True
