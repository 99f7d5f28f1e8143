"""Proving who one is by a password."""

from tradepost.domain.errors import ConflictError, UnauthenticatedError
from tradepost.domain.ids import person_key
from tradepost.domain.passwords import hash_password, password_matches
from tradepost.domain.people import Account, locked_out
from tradepost.http.callers import CallerInfo
from tradepost.table.people import Person, find_person, note_failure


def prove(email: str, password: str, caller: CallerInfo) -> Person:
    """Return the person whose password this is. Calls: one Query, and one write after a failure.

    Raises `UnauthenticatedError` after the same time and writes for a wrong password and for an unknown address, and
    `ThrottledError` after too many of either.
    """
    return _proven(find_person(person_key(email)), email, password, caller)


def account_for(email: str, name: str, password: str, caller: CallerInfo, *, pointer: str = "/password") -> Account:
    """Return the account behind an address, once the password is proven; a new address gets a new account (version 0)."""
    person = find_person(person_key(email))
    if person.account:
        account = proven_account(_proven(person, email, password, caller))
        if account.closing:
            raise ConflictError("conflict", "This account is being deleted just now. Send it again in a moment.")
        return account
    return Account(
        person=person_key(email),
        email=email,
        name=name,
        password_hash=hash_password(password, pointer=pointer, personal=(email, name)),
        sessions_valid_from=caller.at,
        created_at=caller.at,
    )


def _proven(person: Person, email: str, password: str, caller: CallerInfo) -> Person:
    refusal = locked_out(person.throttles, at=caller.at)
    if refusal:
        raise refusal
    if not password_matches(password, person.account.password_hash if person.account else None):
        note_failure(person_key(email), at=caller.at)
        raise UnauthenticatedError("invalid_credentials", "The e-mail address or the password is wrong.")
    return person


def proven_account(person: Person) -> Account:
    """Return the account of a person that has proven itself."""
    if person.account is None:
        raise LookupError("a proven person has an account")
    return person.account
