"""Following an invitation's link: what it offers, accepting, renewing. The JSON routes and the page do the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, NamedTuple

from pydantic import Field

from tradepost.aws.secrets import signing_key
from tradepost.domain.customers import Customer, PostalAddress, with_address
from tradepost.domain.errors import (
    ConflictError,
    DomainError,
    Fault,
    GoneError,
    InvalidError,
    NotFoundError,
    StaleError,
    ThrottledError,
    UnauthenticatedError,
)
from tradepost.domain.ids import Link, member_id, new_id, parse_link, person_key
from tradepost.domain.invitations import RENEWAL_PAUSE, Invitation, accept, mail_of, resend, why_dead
from tradepost.domain.outbox import WelcomeMail
from tradepost.domain.people import Account, Member, Role
from tradepost.domain.stores import Store
from tradepost.domain.values import Text, Value
from tradepost.http.answers import SignedIn
from tradepost.http.app import logger
from tradepost.http.callers import Ask, CallerInfo
from tradepost.http.sign_in import account_for, open_session
from tradepost.table.customers import customer_key, save_customer
from tradepost.table.invitations import invitation_key, save_invitation, store_of
from tradepost.table.people import forget_failures, member_key, save_account, save_member, save_membership
from tradepost.table.reading import Reader
from tradepost.table.shapes import ACCOUNT, Key, store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction


class Acceptance(Value):
    """What the invited person gives: a new one its name and a password, one with an account only that account's password.

    `company` and `address` correct what the store had entered.
    """

    name: Text | None = None
    password: Annotated[str, Field(max_length=1000)]
    company: Text | None = None
    address: PostalAddress | None = None


class Offer(NamedTuple):
    """A link that lives, and what hangs on it."""

    invitation: Invitation
    store: Store
    customer: Customer
    account: Account | None
    member: Member | None

    @property
    def address(self) -> PostalAddress | None:
        """The address that the store has entered, if it has."""
        entered = next((held for held in self.customer.addresses if held.default_billing), None)
        return entered and PostalAddress(**entered.model_dump(include=set(PostalAddress.model_fields)))


def offer_reads(ask: Ask) -> list[Key]:
    """Name what a link leads to; nothing, unless we made it."""
    return offer_reads_of(ask.path["token"])


def offer_reads_of(token: str) -> list[Key]:
    """Name the invitation and the store that a token leads to."""
    link = parse_link(signing_key(), token)
    if link is None:
        return []
    store_id = store_of(link.invitation_id)
    return [invitation_key(store_id, link.invitation_id), store_key(store_id)]


def offer_of(token: str, caller: CallerInfo) -> Offer:
    """Return what a link offers. Calls: one BatchGetItem besides the one of `offer_reads`.

    Raises `GoneError` for a dead link, `NotFoundError` for one we never made, `UnavailableError` while the store is off.
    """
    link, invitation, store = _followed(token, caller)
    store.must_be_open()
    reason = why_dead(invitation, link.generation, at=caller.at)
    if reason:
        raise reason
    person = person_key(invitation.email)
    place = member_id(store.id, person, invitation.customer_id)
    keys = customer_key(store.id, invitation.customer_id), ACCOUNT.key(person=person), member_key(place, store.id)
    caller.reader.fetch(keys)
    customer = caller.reader.find(keys[0], Customer)
    if customer is None or not customer.active:
        raise GoneError("invitation_revoked", "This invitation was withdrawn.")
    return Offer(invitation, store, customer, caller.reader.find(keys[1], Account), caller.reader.find(keys[2], Member))


def accept_offer(token: str, acceptance: Acceptance, caller: CallerInfo) -> SignedIn:
    """Take an offer up and sign the person in. Calls: those of `offer_of`, the proof of the password, one transaction.

    Exactly one acceptance succeeds; every other one, then or later, raises `ConflictError` with `already_accepted`.
    """
    with _explained(token, caller):
        joining = _joining(offer_to_accept(token, caller), acceptance, caller)
        return open_session(joining.tx, joining.account, joining.member, joining.offer.store, caller).commit(joining.tx)


def accept_offer_signed_out(token: str, acceptance: Acceptance, caller: CallerInfo) -> None:
    """Take an offer up like `accept_offer`, for whoever has nowhere to keep a session: the person logs in afterwards."""
    with _explained(token, caller):
        joining = _joining(offer_to_accept(token, caller), acceptance, caller)
        if not joining.account.version:
            save_account(joining.tx, joining.account)
        joining.tx.commit()


def offer_to_accept(token: str, caller: CallerInfo) -> Offer:
    """Return what a link offers, as `offer_of` does; one that was accepted raises `ConflictError` with `already_accepted`."""
    try:
        return offer_of(token, caller)
    except GoneError as error:
        raise (_already_accepted() if error.code == "invitation_used" else error) from error


def store_behind(token: str, caller: CallerInfo) -> Store | None:
    """Return the store that a link of ours leads to, dead or alive, as far as `offer_reads` has read it."""
    link = parse_link(signing_key(), token)
    return link and caller.reader.find(store_key(store_of(link.invitation_id)), Store)


@contextmanager
def _explained(token: str, caller: CallerInfo) -> Iterator[None]:
    try:
        yield
    except (StaleError, ConflictError, UnauthenticatedError, ThrottledError):
        # Somebody may have accepted while this was being decided: then that is the reason, whatever it tripped over.
        caller.reader = Reader()
        caller.reader.fetch(offer_reads_of(token))
        offer_to_accept(token, caller)
        raise


class _Joining(NamedTuple):
    """An acceptance that is about to be written."""

    offer: Offer
    account: Account
    member: Member
    tx: Transaction


def _joining(offer: Offer, acceptance: Acceptance, caller: CallerInfo) -> _Joining:
    if offer.account is None and acceptance.name is None:
        raise InvalidError(Fault("/name", "is required"))
    name = acceptance.name or (offer.account.name if offer.account else "")
    account = account_for(offer.invitation.email, name, acceptance.password, caller)
    member = _member(offer, account, name, caller)
    tx = caller.transaction(owner=store_owner(offer.store.id), party=member.party)
    accepted = save_invitation(tx, accept(offer.invitation, by=member.id, at=caller.at))
    customer = _as_the_person_says(offer.customer, acceptance)
    if customer != offer.customer:
        save_customer(tx, customer, before=offer.customer)
    member = save_member(tx, member)
    save_membership(tx, member, customer_name=customer.name)
    forget_failures(tx, member.person)
    tx.announce(WelcomeMail(store_id=offer.store.id, member_id=member.id))
    corrected = [part for part in ("company", "address") if getattr(acceptance, part) is not None]
    tx.audit("invitation:accepted", accepted.id, customer_id=customer.id, corrected=corrected)
    return _Joining(offer, account, member, tx)


def renew_offer(token: str, caller: CallerInfo) -> None:
    """Mail the invitation's present link to the invited address, unless it is revoked, used up or was mailed just now."""
    try:
        _, invitation, store = _followed(token, caller)
        store.must_be_open()
        lifetime = timedelta(days=store.invitation_days)
        renewed = resend(invitation, at=caller.at, lifetime=lifetime, pause=RENEWAL_PAUSE)
        tx = caller.transaction(owner=store_owner(store.id))
        save_invitation(tx, renewed)
        tx.announce(mail_of(renewed, renewed=True))
        tx.audit("invitation:renewed", renewed.id)
        tx.commit()
    except DomainError as refusal:
        # The answer is the same for every link, so that it tells nothing about it.
        logger.info("renewal refused", code=refusal.code)


def _followed(token: str, caller: CallerInfo) -> tuple[Link, Invitation, Store]:
    link = parse_link(signing_key(), token)
    if link is None:
        raise NotFoundError("invitation link")
    store_id = store_of(link.invitation_id)
    invitation = caller.reader.find(invitation_key(store_id, link.invitation_id), Invitation)
    store = caller.reader.find(store_key(store_id), Store)
    if invitation is None or store is None:
        raise NotFoundError("invitation link")
    return link, invitation, store


def _already_accepted() -> ConflictError:
    return ConflictError("already_accepted", "This invitation was accepted already. You can log in.")


def _member(offer: Offer, account: Account, name: str, caller: CallerInfo) -> Member:
    """Return the person's place with the customer: a new one, or the one that was taken away before."""
    if offer.member:
        return offer.member.model_copy(update={"status": "active", "name": name, "joined_at": caller.at})
    return Member(
        id=member_id(offer.store.id, account.person, offer.customer.id),
        store_id=offer.store.id,
        person=account.person,
        role=Role.BUYER,
        name=name,
        email=account.email,
        customer_id=offer.customer.id,
        employee_role="admin",
        joined_at=caller.at,
    )


def _as_the_person_says(customer: Customer, acceptance: Acceptance) -> Customer:
    if acceptance.company:
        customer = customer.model_copy(update={"name": acceptance.company})
    return with_address(customer, acceptance.address, new_id()) if acceptance.address else customer
