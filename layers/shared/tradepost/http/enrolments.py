"""Enrolling as a reseller, and confirming it by the mailed link. The JSON route and the pages do the same."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, ValidationError

from tradepost.aws.secrets import signing_key
from tradepost.domain.customers import PostalAddress
from tradepost.domain.errors import NotFoundError, StaleError, ThrottledError
from tradepost.domain.ids import fingerprint, new_id, parse_enrolment_token, person_key
from tradepost.domain.limits import place_of
from tradepost.domain.outbox import EnrolmentRun, ResellerConfirmationMail, ResellerMail
from tradepost.domain.passwords import hash_password
from tradepost.domain.people import Account, Party
from tradepost.domain.resellers import (
    ENROLLED_FROM_PLACE,
    ENROLLED_WITH_ADDRESS,
    Answers,
    Application,
    Contact,
    Enrolment,
    Reseller,
    applied,
    enrolled,
    enrolment_expired,
)
from tradepost.domain.stores import Store
from tradepost.domain.values import Blankable, Text, Value
from tradepost.http.app import Answer, logger
from tradepost.http.callers import Ask, CallerInfo
from tradepost.table.limits import count_against, count_at_once
from tradepost.table.people import account_key, save_account
from tradepost.table.resellers import enrolment_key, reseller_key, save_enrolment, save_reseller
from tradepost.table.shapes import Key, store_owner
from tradepost.table.stores import store_key


class Applicant(Contact):
    """The person who enrols a company. The password becomes its account's, if it has none when it confirms."""

    password: Annotated[str, Field(max_length=1000)]


class NewEnrolment(Value):
    """What a company says of itself when it enrols."""

    company: Text
    contact: Applicant
    address: PostalAddress
    tax_id: Blankable = None
    answers: Answers = Field(default_factory=dict)
    website: Annotated[str, Field(description="Leave it empty. Machines that fill in whatever they find are told by it.")] = ""

    @property
    def application(self) -> Application:
        """What is kept of it: all but the password."""
        return Application(
            company=self.company,
            contact=Contact(name=self.contact.name, email=self.contact.email),
            address=self.address,
            tax_id=self.tax_id,
            answers=self.answers,
        )


class EnrolmentReceived(Answer):
    """The answer to every enrolment, whoever enrols: if it is for the first time, a link is on its way all the same."""

    status: Literal["confirmation_sent"] = "confirmation_sent"


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


def store_reads(ask: Ask) -> list[Key]:
    """Name the store that somebody enrols with."""
    return [store_key(ask.path["slug"])]


def enrolment_reads(ask: Ask) -> list[Key]:
    """Name the store that somebody enrols with, and the company as far as it is known there."""
    try:
        new = NewEnrolment.model_validate_json(ask.body)
    except ValidationError:
        return store_reads(ask)
    return [*store_reads(ask), reseller_key(ask.path["slug"], person_key(new.contact.email))]


def store_to_enrol_with(slug: str, caller: CallerInfo) -> Store:
    """Return the store that somebody enrols with. Raises `NotFoundError`, or `UnavailableError` while it is switched off."""
    store = caller.reader.get(store_key(slug), Store)
    store.must_be_open()
    return store


def enrol(slug: str, new: NewEnrolment, caller: CallerInfo) -> EnrolmentReceived:
    """Keep an enrolment and mail the link that confirms it. Nothing else comes of it before.

    The answer is the same for whatever address, and so is the work: neither tells whether there is an account behind it, or
    who has enrolled before. Calls besides those of `enrolment_reads`: one count, one transaction.
    Raises `InvalidError` for a password that is none, `ThrottledError` where too many come from one place.
    """
    store, answer = store_to_enrol_with(slug, caller), EnrolmentReceived()
    if new.website:
        logger.info("enrolment by a machine")
        return answer
    # Counted first: hashing a password is what a crowd of machines could make expensive.
    place = fingerprint(signing_key(), "place", place_of(caller.facts.address))
    count_at_once(store.id, ENROLLED_FROM_PLACE, place, at=caller.at)
    contact = new.contact
    enrolment = Enrolment(
        id=new_id(),
        store_id=store.id,
        reseller_id=person_key(contact.email),
        application=new.application,
        password_hash=hash_password(
            contact.password, pointer="/contact/password", personal=(contact.email, contact.name, new.company)
        ),
        enrolled_at=caller.at,
    )
    try:
        return caller.decided(partial(_received, enrolment, answer, caller))
    except ThrottledError:
        logger.info("enrolment not mailed", code=ENROLLED_WITH_ADDRESS.code)
        return _unmailed(store, answer, caller)


def _received(enrolment: Enrolment, answer: EnrolmentReceived, caller: CallerInfo) -> EnrolmentReceived:
    store_id = enrolment.store_id
    tx = caller.transaction(owner=store_owner(store_id))
    save_enrolment(tx, enrolment)
    if caller.reader.record(reseller_key(store_id, enrolment.reseller_id)) is None:
        # Should the address enrol twice at once, whoever is later finds it there.
        save_reseller(tx, enrolled(enrolment), otherwise=StaleError())
    count_against(tx, store_id, ENROLLED_WITH_ADDRESS, enrolment.reseller_id)
    tx.announce(ResellerConfirmationMail(store_id=store_id, enrolment_id=enrolment.id))
    tx.audit("enrolment:received", enrolment.id, reseller_id=enrolment.reseller_id)
    return tx.commit_answering(answer)


def _unmailed(store: Store, answer: EnrolmentReceived, caller: CallerInfo) -> EnrolmentReceived:
    """Answer as ever, also to retries; an address that is mailed over and over is spared."""
    tx = caller.transaction(owner=store_owner(store.id))
    return tx.commit_answering(answer) if tx.replay else answer


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
