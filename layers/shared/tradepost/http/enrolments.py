"""Enrolling as a reseller: a link is mailed that confirms it. The JSON route and the page do the same."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from tradepost.aws.secrets import signing_key
from tradepost.domain.customers import PostalAddress
from tradepost.domain.errors import StaleError, ThrottledError
from tradepost.domain.ids import fingerprint, new_id, person_key
from tradepost.domain.limits import place_of
from tradepost.domain.outbox import ResellerConfirmationMail
from tradepost.domain.passwords import hash_password
from tradepost.domain.resellers import (
    ENROLLED_FROM_PLACE,
    ENROLLED_WITH_ADDRESS,
    Answers,
    Application,
    Contact,
    Enrolment,
    enrolled,
)
from tradepost.domain.stores import Store
from tradepost.domain.values import Blankable, Text, Value
from tradepost.http.app import Answer, logger
from tradepost.http.callers import Ask, CallerInfo
from tradepost.table.limits import count_against, count_at_once
from tradepost.table.resellers import reseller_key, save_enrolment, save_reseller
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
    if count_at_once(store.id, ENROLLED_FROM_PLACE, place, at=caller.at) > ENROLLED_FROM_PLACE.most:
        raise ENROLLED_FROM_PLACE.refusal(caller.at)
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
