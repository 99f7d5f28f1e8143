"""Signing in: proving who one is by a password, and starting the session that the answer carries."""

from dataclasses import dataclass

from tradepost.aws.secrets import signing_key
from tradepost.domain.errors import UnauthenticatedError
from tradepost.domain.ids import derived_token, new_id, person_key
from tradepost.domain.passwords import hash_password, password_matches
from tradepost.domain.people import Account, Member, locked_out
from tradepost.domain.stores import Store
from tradepost.http.answers import SignedIn, member_brief, store_brief
from tradepost.http.callers import CallerInfo
from tradepost.table.people import Person, find_person, note_failure, save_account, start_session
from tradepost.table.transaction import TokenSeed, Transaction


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
        return proven_account(_proven(person, email, password, caller))
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


@dataclass(frozen=True)
class Entrance:
    """A session that a transaction is about to start, and the answer that will carry its token."""

    answer: SignedIn
    seed: TokenSeed

    def commit(self, tx: Transaction, *, within: str | None = None, **more: object) -> SignedIn:
        """Write the transaction. Its answer is kept for retries without the token.

        `within` names the member of a larger answer that holds this one; `more` are the other members.
        """
        session = self.answer.model_dump(mode="json", exclude={"token"})
        tx.answer({within: session, **more} if within else session, token_seed=self.seed)
        tx.commit()
        return self.answer


def open_session(tx: Transaction, account: Account, member: Member, store: Store, caller: CallerInfo) -> Entrance:
    """Start a session in a transaction, and prepare the answer."""
    seed = TokenSeed(owner=member.id, session=new_id())
    token = derived_token(
        signing_key(), "session", member.id, seed.session, caller.facts.headers.get("idempotency-key", new_id())
    )
    if not account.version:
        save_account(tx, account)
    headers = caller.facts.headers
    session = start_session(
        tx, member, token.secret, at=caller.at, device=headers.get("user-agent", "")[:200], address=caller.facts.address
    )
    answer = SignedIn(
        token=str(token),
        expires_at=session.expires_at,
        member=member_brief(member),
        store=store_brief(store),
        landing=member.landing or store.default_landing,
    )
    return Entrance(answer, seed)
