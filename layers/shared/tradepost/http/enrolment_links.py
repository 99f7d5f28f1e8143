"""Following the link of an enrolment: what was entered, confirming it, and how far it is."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from tradepost.aws.secrets import signing_key
from tradepost.domain.errors import NotFoundError, StaleError
from tradepost.domain.ids import parse_enrolment_token
from tradepost.domain.outbox import EnrolmentRun, ResellerMail
from tradepost.domain.people import Account, Party
from tradepost.domain.resellers import Enrolment, Reseller, applied, enrolment_expired
from tradepost.domain.stores import Store
from tradepost.http.callers import Ask, CallerInfo
from tradepost.table.people import account_key, save_account
from tradepost.table.resellers import enrolment_key, reseller_key, save_enrolment, save_reseller
from tradepost.table.shapes import Key, store_owner
from tradepost.table.stores import store_key


class Confirmation(NamedTuple):
    """What the link of an enrolment leads to: the enrolment, and where its company stands with the store."""

    store: Store
    enrolment: Enrolment
    reseller: Reseller | None
    account: Account | None

    @property
    def party(self) -> Party:
        """Whoever holds the link, who has no place in the store."""
        return Party(type="anonymous", name=self.enrolment.application.contact.name)


def confirmation_reads(ask: Ask) -> list[Key]:
    """Name what the link of an enrolment leads to; nothing, unless we made it."""
    return list(_keys_behind(ask.path["token"]))


def confirmation_of(token: str, caller: CallerInfo) -> Confirmation:
    """Return what the link of an enrolment leads to. Calls: one BatchGetItem besides the one of `confirmation_reads`.

    Raises `NotFoundError` for a link that we never made, `GoneError` for one that was not followed in time, and
    `UnavailableError` while the store is switched off.
    """
    link, read = parse_enrolment_token(signing_key(), token), caller.reader
    if link is None:
        raise NotFoundError("enrolment link")
    read.fetch(_keys_behind(token))
    store = read.find(store_key(link.store_id), Store)
    if store is None:
        raise NotFoundError("enrolment link")
    store.must_be_open()
    enrolment = read.find(enrolment_key(*link), Enrolment)
    if enrolment is None or not (enrolment.confirmed_at or enrolment.is_open(caller.at)):
        # One that is not kept any more has expired as well: it was ours.
        raise enrolment_expired()
    held, account = reseller_key(store.id, enrolment.reseller_id), account_key(enrolment.reseller_id)
    read.fetch([held, account])
    return Confirmation(store, enrolment, read.find(held, Reseller), read.find(account, Account))


def confirm_enrolment(token: str, caller: CallerInfo) -> Confirmation:
    """Confirm an enrolment, once: the company waits for a decision, unless it does so or was approved already.

    Its contact gets an account, if it has none. With automatic approval the rules are asked, otherwise the store is told.
    Calls: those of `confirmation_of`, one transaction. A repetition changes nothing.
    """
    return caller.decided(partial(_confirmed, token, caller))


def _confirmed(token: str, caller: CallerInfo) -> Confirmation:
    found = confirmation_of(token, caller)
    if found.enrolment.confirmed_at:
        return found
    store, enrolment = found.store, found.enrolment
    tx = caller.transaction(owner=store_owner(store.id), party=found.party)
    reseller = applied(enrolment, found.reseller, by=found.party, at=caller.at)
    if reseller:
        reseller = save_reseller(tx, reseller, otherwise=StaleError())
        if store.auto_approve_resellers:
            tx.announce(EnrolmentRun(store_id=store.id, reseller_id=reseller.id))
        else:
            tx.announce(ResellerMail(store_id=store.id, reseller_id=reseller.id, event="enrolled"))
    account = None if found.account else enrolment.account(caller.at)
    if reseller and account:
        save_account(tx, account, otherwise=StaleError())
    saved = save_enrolment(tx, enrolment.confirmed(caller.at))
    tx.audit("enrolment:confirmed", enrolment.id, reseller_id=enrolment.reseller_id, applied=reseller is not None)
    tx.commit()
    return Confirmation(store, saved, reseller or found.reseller, found.account or account)


def store_behind_enrolment(token: str, caller: CallerInfo) -> Store | None:
    """Return the store that a link of ours leads to, as far as `confirmation_reads` has read it."""
    link = parse_enrolment_token(signing_key(), token)
    return link and caller.reader.find(store_key(link.store_id), Store)


def _keys_behind(token: str) -> Iterable[Key]:
    link = parse_enrolment_token(signing_key(), token)
    return (enrolment_key(*link), store_key(link.store_id)) if link else ()
