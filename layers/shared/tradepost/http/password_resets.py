"""Following the link of a password reset. The JSON routes and the page do the same."""

import hmac
from secrets import token_hex

from pydantic import BaseModel

from tradepost.aws.links import reset_token
from tradepost.domain.errors import ConflictError, GoneError, NotFoundError, StaleError
from tradepost.domain.ids import Token, digest, parse_token, person_key
from tradepost.domain.outbox import PasswordChangedMail, PasswordResetMail
from tradepost.domain.passwords import hash_password
from tradepost.domain.people import RESET_PAUSE, Account, Party, PasswordReset
from tradepost.http.callers import CallerInfo
from tradepost.table.people import find_person, forget_failures, remove_reset, save_account, save_reset
from tradepost.table.shapes import person_owner


def request_reset[A: BaseModel](email: str, answer: A, caller: CallerInfo, *, at_store: str | None = None) -> A:
    """Mail a link to an address, if there is an account behind it and the last link is a minute old.

    The mail looks like the store's where it was asked for, if the person has a place there. The answer is kept for retries
    either way, so that neither they nor the time it takes tell whether there is an account, or a place.
    """
    key = person_key(email)
    person = find_person(key)
    just_now = person.reset is not None and caller.at < person.reset.requested_at + RESET_PAUSE
    tx = caller.transaction(owner=person_owner(key))
    if person.account and not just_now:
        nonce = token_hex(16)
        store_id = next((place.store_id for place in person.memberships if place.store_id == at_store), None)
        secret = reset_token(key, nonce).secret
        save_reset(tx, key, PasswordReset(nonce=nonce, digest=digest(secret), requested_at=caller.at, store_id=store_id))
        tx.announce(PasswordResetMail(person=key, nonce=nonce, store_id=store_id))
        tx.audit("password_reset:requested", key)
    return tx.commit_answering(answer)


def reset_of(token: str, caller: CallerInfo) -> Account:
    """Return whose password a link replaces. Calls: one Query.

    Raises `NotFoundError` for a link we never made, and `GoneError` with `reset_expired` for one that was used, was
    replaced by a newer one, or is older than an hour.
    """
    return _found(token, caller)[0]


def _found(token: str, caller: CallerInfo) -> tuple[Account, PasswordReset]:
    parsed = _parsed(token)
    person = find_person(parsed.owner)
    fits = person.reset is not None and hmac.compare_digest(person.reset.digest, digest(parsed.secret))
    if person.account is None:
        raise NotFoundError("password reset")
    if person.reset is None or not fits or not person.reset.is_live(at=caller.at):
        raise GoneError("reset_expired", "This link has been used, or has expired. Ask for a new one.")
    return person.account, person.reset


def replace_password(token: str, new_password: str, caller: CallerInfo, *, pointer: str = "/new_password") -> None:
    """Replace the password, once: every session ends, failed log-ins are forgotten, and the person is told by mail."""
    account, reset = _found(token, caller)
    password_hash = hash_password(new_password, pointer=pointer, personal=(account.email, account.name))
    tx = caller.transaction(
        owner=person_owner(account.person), party=Party(type="anonymous", name="the holder of a reset link")
    )
    save_account(tx, account.with_password(password_hash, at=caller.at))
    remove_reset(tx, account.person)
    forget_failures(tx, account.person)
    tx.announce(PasswordChangedMail(person=account.person, store_id=reset.store_id))
    tx.audit("password:reset", account.person)
    try:
        tx.commit()
    except (ConflictError, StaleError):
        raise GoneError("reset_expired", "This link has been used just now.") from None


def _parsed(token: str) -> Token:
    parsed = parse_token(token)
    if parsed is None or parsed.kind != "reset":
        raise NotFoundError("password reset")
    return parsed
