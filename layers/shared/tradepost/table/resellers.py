"""Resellers in the table: one for each address that enrolled with a store, listed by when, in all and by status."""

import secrets
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.customers import Customer, ResellerStatus
from tradepost.domain.errors import ConflictError, DomainError
from tradepost.domain.ids import new_id, readable_number
from tradepost.domain.outbox import ResellerMail
from tradepost.domain.reseller_decisions import activation, joined
from tradepost.domain.resellers import ENROLMENT_LIFETIME, Enrolment, Reseller
from tradepost.domain.stores import ResellerChannel
from tradepost.table.customers import customer_key, save_customer
from tradepost.table.listing import Position, Rows, all_of, carried, list_index, words_of
from tradepost.table.people import save_member, save_membership
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import ENROLMENT, RESELLER, Key
from tradepost.table.stores import point_at
from tradepost.table.transaction import Transaction

_OVERTAKEN: Final = frozenset({"stale", "conflict", "busy", "number_taken"})
_NEWS: Final[Mapping[ResellerStatus, Literal["enrolled", "approved", "denied"]]] = {
    "pending": "enrolled",
    "approved": "approved",
    "denied": "denied",
}
_PERHAPS_OVERTAKEN: Final = frozenset({"email_taken", "exists"})


def reseller_key(store_id: str, reseller_id: str) -> Key:
    """Return where a reseller is kept."""
    return RESELLER.key(store=store_id, reseller=reseller_id)


def enrolment_key(store_id: str, enrolment_id: str) -> Key:
    """Return where an enrolment is kept until it is forgotten."""
    return ENROLMENT.key(store=store_id, enrolment=enrolment_id)


def save_reseller(tx: Transaction, reseller: Reseller, *, otherwise: DomainError | None = None) -> Reseller:
    """Write a reseller; returns it with its new version. One that was never confirmed is forgotten after a while."""
    names = {
        "store": reseller.store_id,
        "reseller": reseller.id,
        "status": reseller.status,
        "enrolled_at": stamp(reseller.enrolled_at),
    }
    record = Record.of(RESELLER.key(**names), reseller, index1=RESELLER.index1(**names), index2=RESELLER.index2(**names))
    applied = reseller.application
    record.words = carried(words_of(applied.company, applied.contact.name, applied.contact.email, applied.tax_id))
    if reseller.status == "unconfirmed":
        record.expires_at = int((reseller.enrolled_at + ENROLMENT_LIFETIME).timestamp())
    tx.save(record, otherwise=otherwise)
    return reseller.model_copy(update={"version": reseller.version + 1})


def save_enrolment(tx: Transaction, enrolment: Enrolment) -> Enrolment:
    """Write an enrolment, which is forgotten some time after it could be confirmed; returns it with its new version."""
    record = Record.of(enrolment_key(enrolment.store_id, enrolment.id), enrolment)
    record.expires_at = int((enrolment.enrolled_at + 2 * ENROLMENT_LIFETIME).timestamp())
    tx.save(record)
    return enrolment.model_copy(update={"version": enrolment.version + 1})


class Wanted(NamedTuple):
    """Which resellers a list shows; without a status, all whose address is confirmed."""

    status: ResellerStatus | None = None
    channel_id: str | None = None
    text: str | None = None


def list_resellers(store_id: str, wanted: Wanted, *, limit: int, after: Position | None) -> Rows:
    """Return a page of a store's resellers, those that enrolled last first. One Query."""
    words = words_of(wanted.text)
    if wanted.text is not None and not words:
        return Rows([], None)
    confirmed = Path("data.status") != "unconfirmed" if wanted.status is None else None
    in_channel = Path("data.channel_id") == wanted.channel_id if wanted.channel_id else None
    where = all_of([confirmed, in_channel, *(Record.words.contains(f" {word}") for word in sorted(words))])
    names = {"store": store_id, "status": wanted.status or "", "enrolled_at": "", "reseller": ""}
    if wanted.status is None:
        return list_index(Record.gsi1, RESELLER.index1(**names).pk, limit=limit, after=after, where=where, newest_first=True)
    return list_index(Record.gsi2, RESELLER.index2(**names).pk, limit=limit, after=after, where=where, newest_first=True)


def save_decided(tx: Transaction, reseller: Reseller, *, before: Reseller) -> Reseller:
    """Write what was decided about a reseller, in its channel and with its customer; returns it with its new version.

    Raises `StaleError` on commit if something else was decided meanwhile.
    """
    store = reseller.store_id
    point_at(tx, store, ResellerChannel, before=before.channel_id, after=reseller.channel_id, field="/channel_id")
    if before.customer_id and reseller.summary != before.summary:
        told = Path("aside.reseller").set(reseller.summary.model_dump(mode="json"))
        tx.update(customer_key(store, before.customer_id), [told], condition=Record.pk.exists())
    return save_reseller(tx, reseller)


def conclude_decision(tx: Transaction, reseller: Reseller, *, before: Reseller, group_id: str | None = None) -> Reseller:
    """Write what was decided about a reseller with all that follows; returns it with its new version.

    An approved one becomes a customer, in whose name its contact can log in at once, and is told by mail; so is a denied one,
    and the store of one that needs a review. Raises `ConflictError` on commit if another customer has its address, and what
    `save_decided` does.
    """
    news = _NEWS.get(reseller.status) if before.customer_id is None else None
    if news == "approved":
        reseller = _let_in(tx, reseller, group_id)
    if news:
        tx.announce(ResellerMail(store_id=reseller.store_id, reseller_id=reseller.id, event=news))
    step = reseller.history[-1]
    by_rule = {"rule": step.rule_id, "rule_version": step.rule_version} if step.rule_id else {}
    details = {"before": step.from_status, "after": step.to, "reason": step.reason, **by_rule}
    tx.audit("reseller:decided", reseller.id, subject=None, **details)
    return save_decided(tx, reseller, before=before)


def _let_in(tx: Transaction, reseller: Reseller, group_id: str | None) -> Reseller:
    """Write the customer that an approved reseller becomes, and its contact's place there."""
    number = readable_number("C", secrets.token_bytes(8))
    joining = joined(reseller, customer_id=new_id(), address_id=new_id(), number=number, group_id=group_id, at=tx.at)
    save_customer(tx, joining.customer)
    member = save_member(tx, joining.member)
    save_membership(tx, member, customer_name=joining.customer.name)
    return joining.reseller


def is_overtaken(refusal: DomainError, before: Reseller) -> bool:
    """Tell whether a decision was refused only because another was taken at the same moment, so that it can be made anew.

    Whoever approves second finds the address taken, by the customer that the reseller has become. Calls: one BatchGetItem then.
    """
    if refusal.code in _PERHAPS_OVERTAKEN:
        now = Reader().find(reseller_key(before.store_id, before.id), Reseller)
        return now is not None and now.version != before.version
    return refusal.code in _OVERTAKEN


def note_order(tx: Transaction, customer: Customer, *, source: str, order_id: str) -> None:
    """Demand that a customer that is a reseller still may order, and let its first order make it active.

    Two first orders at once: the second is refused with `conflict`, finds the reseller active when it is decided on anew, and
    changes nothing but itself.
    """
    reseller = customer.reseller
    if reseller is None:
        return
    changed = ConflictError("conflict", "The reseller was being decided on at the same moment. Send it again.")
    step = activation(customer, source, by=tx.actor, at=tx.at)
    as_read, status = Path("aside.reseller.status") == reseller.status, Path("aside.reseller.status")
    told = [status.set("active")] if step else []
    tx.update(customer_key(customer.store_id, customer.id), told, condition=as_read, otherwise=changed)
    if step is None:
        return
    history = Path("data.history")
    listed = RESELLER.index2(store=customer.store_id, status=step.to, enrolled_at="", reseller="")
    activated = [
        Path("data.status").set(step.to),
        Path("data.activated_at").set(stamp(step.at)),
        history.set(history.append([step.model_dump(mode="json")])),
        Record.version.add(1),
        Record.gsi2pk.set(listed.pk),
    ]
    key = reseller_key(customer.store_id, reseller.id)
    tx.update(key, activated, condition=Path("data.status") == "approved", otherwise=changed)
    tx.audit("reseller:activated", reseller.id, customer_id=customer.id, order_id=order_id)
