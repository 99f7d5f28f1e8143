"""Logging in to a store with an e-mail address and a password. The API and the page behind an offer's link do the same."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, UnauthenticatedError
from tradepost.domain.people import Member, Membership
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store
from tradepost.domain.values import Email, Slug, Value
from tradepost.http.activities import Doing, note_activity
from tradepost.http.answers import SignedIn
from tradepost.http.callers import CallerInfo
from tradepost.http.entrance import open_session
from tradepost.http.sign_in import prove, proven_account
from tradepost.table.customers import customer_key
from tradepost.table.people import Person, forget_failures, member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key


class Credentials(Value):
    """Who logs in where. Without `store`, the person's only store; `customer_id` picks one of several customers."""

    email: Email
    password: Annotated[str, Field(max_length=1000)]
    store: Slug | None = None
    customer_id: Annotated[str, Field(max_length=60)] | None = None


def log_in(credentials: Credentials, caller: CallerInfo, *, likely: str | None = None) -> SignedIn:
    """Start a session. A person with places in several stores says in which one.

    Of several customers in one store it is the `likely` one, or any if it is none of them; without one, the person has to say.
    Calls: one Query, one BatchGetItem, one transaction. Raises `UnauthenticatedError`, `ThrottledError`, `ConflictError`, and
    `UnavailableError` while the store is off.
    """
    person = prove(credentials.email, credentials.password, caller)
    store, member = _admitted(_chosen(person, credentials, likely))
    tx = caller.transaction(owner=store_owner(store.id), party=member.party)
    forget_failures(tx, member.person)
    tx.audit("session:started", member.id)
    note_activity(tx, Doing("log_in", member.customer_id), store, member)
    return open_session(tx, proven_account(person), member, store, caller).commit(tx)


def _admitted(place: Membership) -> tuple[Store, Member]:
    """Return the store and the person's place in it, if it leads anywhere today."""
    keys = store_key(place.store_id), member_key(place.member_id, place.store_id)
    customer = customer_key(place.store_id, place.customer_id) if place.customer_id else None
    read = Reader()
    read.fetch([*keys, customer] if customer else keys)
    store, member = read.get(keys[0], Store), read.get(keys[1], Member)
    if member.status != "active":
        raise _refused()
    if member.role is Role.BUYER:
        store.must_be_open()
    if customer and not read.get(customer, Customer).active:
        raise _refused()
    return store, member


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("invalid_credentials", "The e-mail address or the password is wrong.")


def _chosen(person: Person, credentials: Credentials, likely: str | None) -> Membership:
    """Return the one place that is meant: the staff's before a customer's. Raises `ConflictError` if that leaves several."""
    places = [place for place in person.memberships if credentials.store in {None, place.store_id}]
    if credentials.customer_id:
        places = [place for place in places if place.customer_id == credentials.customer_id]
    if not places:
        raise _refused()
    stores = sorted({place.store_id for place in places})
    if len(stores) > 1:
        raise ConflictError("store_required", "You have accounts in several stores. Say which.", stores=stores)
    staff = [place for place in places if place.role is not Role.BUYER]
    if staff or len(places) == 1:
        return (staff or places)[0]
    if likely:
        return next((place for place in places if place.customer_id == likely), places[0])
    customers = [{"customer_id": place.customer_id, "name": place.customer_name} for place in places]
    raise ConflictError("customer_required", "You buy for several customers here. Say for which.", customers=customers)
