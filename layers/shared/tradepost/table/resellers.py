"""Resellers in the table: one for each address that enrolled with a store, listed by when, in all and by status."""

from tradepost.domain.clock import stamp
from tradepost.domain.errors import DomainError
from tradepost.domain.resellers import ENROLMENT_LIFETIME, Enrolment, Reseller
from tradepost.table.records import Record
from tradepost.table.shapes import ENROLMENT, RESELLER, Key
from tradepost.table.transaction import Transaction


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
