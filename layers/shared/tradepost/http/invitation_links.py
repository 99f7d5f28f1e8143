"""Following an invitation's link: what it offers, accepting, renewing. The JSON routes and the page do the same."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from tradepost.aws.secrets import signing_key
from tradepost.domain.companies import Company, confirmed
from tradepost.domain.customers import Customer, PostalAddress, with_address
from tradepost.domain.display import masked
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
from tradepost.domain.ids import Link, fingerprint, member_id, new_id, parse_link, person_key
from tradepost.domain.invitations import RESENT_TO_ADDRESS, Invitation, accept, edits_of, mail_of, renew, why_dead
from tradepost.domain.outbox import WelcomeMail
from tradepost.domain.people import Account, Member, erasure_under_way
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store
from tradepost.domain.values import OptionalText, Text, Value, folded
from tradepost.http.answers import SignedIn
from tradepost.http.app import logger
from tradepost.http.callers import Ask, CallerInfo
from tradepost.http.entrance import open_session
from tradepost.http.sign_in import account_for
from tradepost.table.companies import company_key, save_company
from tradepost.table.customers import company_claim, customer_key, email_claim, require_active, save_customer
from tradepost.table.invitations import invitation_key, save_invitation, store_of
from tradepost.table.limits import count_against
from tradepost.table.people import (
    forget_failures,
    keep_account,
    member_key,
    note_administrator,
    save_account,
    save_member,
    save_membership,
)
from tradepost.table.reading import Reader
from tradepost.table.shapes import ACCOUNT, Key, store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

_ATTEMPTS: Final = 3
_OVERTAKEN: Final = frozenset({"stale", "conflict", "exists", "email_taken", "company_exists"})


class Acceptance(Value):
    """What the invited person gives. Whoever is new gives a password, and a name unless one was entered.

    One with an account gives only its password, and nothing where it is signed in. The rest corrects what had been entered;
    `company` and `address` are for the customer's own invitation.
    """

    name: Text | None = None
    phone: OptionalText | None = None
    password: Annotated[str, Field(max_length=1000)] | None = None
    company: Text | None = None
    address: PostalAddress | None = None


class Offer(NamedTuple):
    """A link that lives, and what hangs on it."""

    invitation: Invitation
    store: Store
    customer: Customer | None
    account: Account | None
    member: Member | None

    @property
    def named(self) -> Member | None:
        """The employee or sales rep who is invited by name; None if it is the customer itself."""
        return None if self.invitation.kind == "customer" else self.member

    @property
    def buys_for(self) -> str | None:
        """The company that the person is to buy for; None if it is to sell for the store."""
        return self.customer.name if self.customer else None

    @property
    def own_customer(self) -> Customer | None:
        """The customer, if it is invited itself and so may correct what was entered of it."""
        return None if self.named else self.customer

    @property
    def name(self) -> str | None:
        """The person's name, as far as it was entered."""
        invited = self.customer.contact_name if self.customer else None
        return self.named.name if self.named else invited

    @property
    def phone(self) -> str | None:
        """The person's telephone number, as far as it was entered."""
        return self.named.phone if self.named else None

    @property
    def company(self) -> str | None:
        """The company's name, where it is the invited person's to correct."""
        return self.own_customer.name if self.own_customer else None

    @property
    def address(self) -> PostalAddress | None:
        """The company's address, where it is the invited person's to correct, as far as it was entered."""
        held = self.own_customer.main_address if self.own_customer else None
        return PostalAddress(**held.model_dump(include=set(PostalAddress.model_fields))) if held else None

    @property
    def entered_by(self) -> str:
        """Who has entered all that."""
        return (self.invitation.created_by.name if self.named else None) or self.store.display_name

    @property
    def entered(self) -> Mapping[str, str | None]:
        """What the person may correct, by what a correction of it is called."""
        person = {name: value for name, value in (("name", self.name), ("phone", self.phone)) if value}
        if self.named:
            return person
        held = self.address.model_dump() if self.address else dict.fromkeys(PostalAddress.model_fields)
        return {"company": self.company, **person, **{f"address.{name}": value for name, value in held.items()}}


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
    reason = why_dead(invitation, link.generation, at=caller.at)
    if reason:
        raise reason
    person = person_key(invitation.email)
    place = invitation.member_id or member_id(store.id, person, invitation.customer_id)
    account, held = ACCOUNT.key(person=person), member_key(place, store.id)
    company = customer_key(store.id, invitation.customer_id) if invitation.customer_id else None
    read = caller.reader
    read.fetch(filter(None, (account, held, company)))
    customer, member = company and read.find(company, Customer), read.find(held, Member)
    if company and (customer is None or not customer.active):
        raise _withdrawn()
    if invitation.kind != "customer" and (member is None or member.status == "revoked"):
        raise _withdrawn()
    if invitation.kind != "customer" and member and member.status == "active":
        # The person has joined by the customer's own invitation meanwhile.
        raise GoneError("invitation_used", "This invitation was accepted already. You can log in.")
    return Offer(invitation, store, customer, read.find(account, Account), member)


def accept_offer(token: str, acceptance: Acceptance, caller: CallerInfo) -> SignedIn:
    """Take an offer up and sign the person in.

    Calls: those of `offer_of`, the proof of the password, what else is known of company and person, one transaction.
    Exactly one acceptance succeeds; every other one, then or later, raises `ConflictError` with `already_accepted`.
    """

    def signing_in(joining: _Joining) -> SignedIn:
        return open_session(joining.tx, joining.account, joining.member, joining.store, caller).commit(joining.tx)

    return _taken_up(token, acceptance, caller, signing_in)


def accept_offer_signed_out(token: str, acceptance: Acceptance, caller: CallerInfo) -> None:
    """Take an offer up like `accept_offer`, for whoever has nowhere to keep a session: the person logs in afterwards."""

    def joining_only(joining: _Joining) -> None:
        if not joining.account.version:
            save_account(joining.tx, joining.account)
        joining.tx.commit()

    _taken_up(token, acceptance, caller, joining_only)


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


class _Joining(NamedTuple):
    """An acceptance that is about to be written."""

    store: Store
    account: Account
    member: Member
    tx: Transaction


def _taken_up[A](token: str, acceptance: Acceptance, caller: CallerInfo, write: Callable[[_Joining], A]) -> A:
    """Write an acceptance. Whatever changes at that moment is overlooked, unless the person has seen it otherwise."""
    offer = offer_to_accept(token, caller)
    for _ in range(_ATTEMPTS):
        try:
            return write(_joining(offer, acceptance, caller))
        except (StaleError, ConflictError, UnauthenticatedError, ThrottledError) as error:
            # Somebody may have accepted while this was being decided: then that is the reason, whatever it tripped over.
            caller.reader = Reader()
            caller.reader.fetch(offer_reads_of(token))
            seen, offer = offer.entered, offer_to_accept(token, caller)
            if error.code not in _OVERTAKEN or offer.entered != seen:
                raise
    raise ConflictError("busy", "Others are changing the same thing just now. Try again.")


def _joining(offer: Offer, acceptance: Acceptance, caller: CallerInfo) -> _Joining:
    _check(offer, acceptance, caller)
    account = _account(offer, acceptance, caller)
    member = _member(offer, account, acceptance, caller)
    tx = caller.transaction(owner=store_owner(offer.store.id), party=member.party)
    keep_account(tx, account)
    said = {name: getattr(acceptance, name) for name in ("company", "name", "phone") if getattr(acceptance, name)}
    address = acceptance.address.model_dump() if acceptance.address else {}
    edits = edits_of(offer.entered, {**said, **{f"address.{name}": value for name, value in address.items()}})
    accepted = accept(offer.invitation, by=member.id, at=caller.at, edits=edits)
    customer = offer.customer
    if offer.own_customer:
        customer = _as_the_person_says(offer.own_customer, acceptance)
        accepted, customer = _made_known(tx, accepted, customer, account, offer, caller)
        if customer != offer.customer:
            save_customer(tx, customer, before=offer.customer)
    elif customer:
        require_active(tx, customer.store_id, customer.id)
    save_invitation(tx, accepted, before=offer.invitation)
    member = save_member(tx, member)
    if customer:
        note_administrator(tx, member)
    save_membership(tx, member, customer_name=customer.name if customer else None)
    if acceptance.password is not None:
        forget_failures(tx, member.person)
    tx.announce(WelcomeMail(store_id=offer.store.id, member_id=member.id))
    told = [edit.model_dump() for edit in edits]
    tx.audit("invitation:accepted", accepted.id, customer_id=member.customer_id, edits=told)
    return _Joining(offer.store, account, member, tx)


def renew_offer(token: str, caller: CallerInfo) -> None:
    """Mail the invitation's present link to the invited address, unless it is revoked, used up or was mailed just now."""
    try:
        _, invitation, store = _followed(token, caller)
        renewed = renew(invitation, at=caller.at, lifetime=store.invitation_lifetime)
        tx = caller.transaction(owner=store_owner(store.id))
        save_invitation(tx, renewed, before=invitation)
        count_against(tx, store.id, RESENT_TO_ADDRESS, invitation.recipient)
        tx.announce(mail_of(renewed, renewed=True))
        tx.audit("invitation:renewed", renewed.id)
        tx.commit()
    except DomainError as refusal:
        # The answer is the same for every link, so that it tells nothing about it.
        logger.info("renewal refused", code=refusal.code)


def _followed(token: str, caller: CallerInfo) -> tuple[Link, Invitation, Store]:
    """Return what a link of ours leads to. While the store is switched off, only its staff gets any further."""
    link = parse_link(signing_key(), token)
    if link is None:
        raise NotFoundError("invitation link")
    store_id = store_of(link.invitation_id)
    invitation = caller.reader.find(invitation_key(store_id, link.invitation_id), Invitation)
    store = caller.reader.find(store_key(store_id), Store)
    if invitation is None or store is None:
        raise NotFoundError("invitation link")
    if invitation.kind != "sales_rep":
        store.must_be_open()
    return link, invitation, store


def _already_accepted() -> ConflictError:
    return ConflictError("already_accepted", "This invitation was accepted already. You can log in.")


def _withdrawn() -> GoneError:
    return GoneError("invitation_revoked", "This invitation was withdrawn.")


def _check(offer: Offer, acceptance: Acceptance, caller: CallerInfo) -> None:
    """Raise `InvalidError` for what is missing or not the person's to say, `ConflictError` for whom it is not meant."""
    account = caller.signed_in_as
    if account and account.person != person_key(offer.invitation.email):
        invited, own = masked(offer.invitation.email), masked(account.email)
        detail = f"This invitation is for {invited}, and you are signed in as {account.name} ({own}). Nothing has changed."
        raise ConflictError("wrong_account", detail, invited=invited, signed_in_as=own)
    faults = []
    if offer.named:
        theirs = "is not yours to correct: only the customer's own invitation may"
        faults += [Fault(f"/{part}", theirs) for part in ("company", "address") if getattr(acceptance, part) is not None]
    if not (acceptance.name or offer.name or offer.account):
        faults.append(Fault("/name", "is required"))
    if acceptance.password is None and account is None:
        faults.append(Fault("/password", "is required"))
    if faults:
        raise InvalidError(*faults)


def _account(offer: Offer, acceptance: Acceptance, caller: CallerInfo) -> Account:
    """Return the person's account: the one it is signed in to, the one it knows the password of, or a new one."""
    if acceptance.password is None and caller.signed_in_as:
        return caller.signed_in_as
    email = offer.invitation.email
    try:
        return account_for(email, acceptance.name or offer.name or "", acceptance.password or "", caller)
    except UnauthenticatedError as error:
        raise UnauthenticatedError(error.code, f"This is not the password of the account {masked(email)}.") from error


def _member(offer: Offer, account: Account, acceptance: Acceptance, caller: CallerInfo) -> Member:
    """Return the person's place: a new one, the one that awaits it, or that was taken away before.

    The customer's own invitation makes its person an administrator. Sessions of a place that is held already go on.
    Raises `ConflictError` while whoever had the place is being erased.
    """
    held = offer.member
    if held is None:
        held = Member(
            id=member_id(offer.store.id, account.person, offer.invitation.customer_id),
            store_id=offer.store.id,
            person=account.person,
            role=Role.BUYER,
            name=account.name,
            email=account.email,
            customer_id=offer.invitation.customer_id,
            status="pending",
        )
    if held.erasing:
        raise erasure_under_way()
    joined = held.status == "active"
    change = {
        "status": "active",
        "name": acceptance.name or (held.name if joined else account.name),
        "email": account.email if held.erased_at else held.email,
        "erased_at": None,
        "phone": acceptance.phone or held.phone,
        "joined_at": held.joined_at if joined else caller.at,
        "employee_role": held.employee_role if offer.named else "admin",
    }
    return held.model_copy(update=change)


def _as_the_person_says(customer: Customer, acceptance: Acceptance) -> Customer:
    if acceptance.company:
        customer = customer.model_copy(update={"name": acceptance.company})
    if acceptance.name and customer.contact_name:
        customer = customer.model_copy(update={"contact_name": acceptance.name})
    return with_address(customer, acceptance.address, new_id()) if acceptance.address else customer


def _made_known(
    tx: Transaction, accepted: Invitation, customer: Customer, account: Account, offer: Offer, caller: CallerInfo
) -> tuple[Invitation, Customer]:
    """Note the company in the directory, and what the store learns of it: which company it is, and the contact's address.

    Neither is noted with the customer where another one of the store has it. An invitation that the person was sent as an
    employee is settled by this one.
    """
    store, person = offer.store.id, account.person
    company_id = customer.company_id or fingerprint(signing_key(), "company", person, folded(customer.name))
    company, known, taken = company_key(company_id), company_claim(store, company_id), email_claim(store, person)
    told = offer.member.invitation if offer.member and offer.member.status == "pending" else None
    other = [invitation_key(store, told.id)] if told else []
    read = caller.reader
    read.fetch([company, known, taken, *other])
    for pending in filter(None, (read.find(key, Invitation) for key in other)):
        save_invitation(tx, accept(pending, by=accepted.accepted_by or "", at=caller.at), before=pending)
    if customer.kind == "b2b":
        before = read.find(company, Company)
        entry = confirmed(customer, company_id=company_id, contact=account, before=before, at=caller.at)
        if entry:
            save_company(tx, entry, before=before)
        if read.record(known) is None:
            customer = customer.model_copy(update={"company_id": company_id})
    if accepted.private and read.record(taken) is None:
        customer = customer.model_copy(update={"email": accepted.email})
        accepted = accepted.model_copy(update={"private": False})
    return accepted, customer
