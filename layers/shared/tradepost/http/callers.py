"""Who is asking: one consistent batch brings the credential, its person and whatever else the route is about to need."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.update import Action

from tradepost.aws.secrets import signing_key
from tradepost.domain import errors
from tradepost.domain.acting import ActingSession, refuse_without_consent
from tradepost.domain.api_keys import EVERY_KEY, KEY_REQUESTS, ApiKey, scope_for
from tradepost.domain.customers import Customer
from tradepost.domain.ids import (
    ActingKey,
    MemberKey,
    Token,
    digest,
    fingerprint,
    parse_token,
    split_acting_owner,
    split_member_id,
    split_person,
)
from tradepost.domain.people import ANONYMOUS, SESSION_TOUCH, Account, Member, Party, Session
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.domain.values import Entity
from tradepost.table.api_keys import api_key_key, note_use
from tradepost.table.limits import count_at_once
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import (
    ACCOUNT,
    ACTING_SESSION,
    CUSTOMER,
    MEMBER,
    REPLAY,
    SESSION,
    STORE,
    Key,
    store_owner,
)
from tradepost.table.transaction import KeptAnswer, Replay, Transaction, pause

ANYONE: Final = "anyone"
_DECISIONS: Final = 3
"""How often something is decided that others are changing all the while."""
_ORDERING: Final = frozenset({Permission.PLACE_ORDERS, Permission.MOVE_ORDERS})
"""What a reseller's keys may do no more while it is suspended. They still read."""
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ENTITY_TAG = re.compile(r'(?:W/)?"?(\d{1,12})"?')


class Ask(NamedTuple):
    """What is known of a request before anything is read: enough to name the items it needs."""

    store: str
    member: str
    customer: str | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Rule:
    """What a route demands of its callers.

    `allow` is a permission or `ANYONE`; `guests` lets people without an account in, where their store does;
    `precondition` demands `If-Match`; `reads` names the items to fetch along with the caller; `recognises` tells whoever is
    signed in, in whichever store, although anyone may use it.
    """

    allow: Permission | Literal["anyone"]
    status: int = 200
    guests: bool = False
    precondition: bool = False
    idempotent: bool = False
    reads: Callable[[Ask], Iterable[Key]] | None = None
    recognises: bool = False


class RequestFacts(NamedTuple):
    """The parts of an HTTP request that decide who is asking; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    path_parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: str
    address: str


@dataclass
class CallerInfo:
    """Whoever sent this request, with what was read along with the credential."""

    facts: RequestFacts
    rule: Rule
    at: datetime
    reader: Reader = field(default_factory=Reader)
    _store: Store | None = None
    _member: Member | None = None
    _account: Account | None = None
    _session: Session | None = None
    _customer: Customer | None = None
    _actor: Member | None = None
    acting: ActingSession | None = None
    key: ApiKey | None = None
    replay: Replay | None = None
    told: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The caller's store: from the credential, or for guests the one they name."""
        return _present(self._store)

    @property
    def member(self) -> Member:
        """The caller's place in the store."""
        return _present(self._member)

    @property
    def account(self) -> Account:
        """The person behind the caller."""
        return _present(self._account)

    @property
    def session(self) -> Session:
        """The session that the request belongs to."""
        return _present(self._session)

    @property
    def signed_in_as(self) -> Account | None:
        """The person who sent a credential along, if any."""
        return self._account

    @property
    def customer(self) -> Customer | None:
        """The customer that the caller buys for, if it is a buyer."""
        return self._customer

    @property
    def customer_id(self) -> str | None:
        """The one customer that a buyer may see; None for those who see the store's."""
        return self._customer.id if self._customer else None

    @property
    def scope(self) -> Scope:
        """The customers that the caller may see."""
        return Scope.of(self.member)

    @property
    def actors_scope(self) -> Scope:
        """The customers that whoever it is may see, whomever it acts for."""
        return Scope.of(self._actor or self.member)

    @property
    def is_guest(self) -> bool:
        """Whether the caller looks around without any credential."""
        return self._member is None

    @property
    def is_owner(self) -> bool:
        """Whether the caller runs the store."""
        return self._member is not None and self._member.role is Role.OWNER

    @property
    def is_rep(self) -> bool:
        """Whether the caller is a sales rep, at work as such."""
        return self._member is not None and self._member.role is Role.REP

    @property
    def grants(self) -> frozenset[Permission]:
        """What the caller may do: whoever acts for somebody, what both may; a key, what its person may and it was made for."""
        if self.key:
            return self.member.grants & self.key.permissions
        return self.member.grants_to_whoever_acts if self.acting else self.member.grants

    @property
    def party(self) -> Party:
        """For whom the caller does what it does: itself, or the employee it acts for."""
        return self._member.party if self._member else ANONYMOUS

    @property
    def actor(self) -> Party:
        """Who it is that does something: the caller itself, whomever it acts for, or a key."""
        if self.key:
            return self.key.party
        return self._actor.party if self._actor else self.party

    @property
    def if_match(self) -> int | None:
        """The version that the caller decided on; None if any will do. Raises `StaleError` for no version of ours."""
        given = self.facts.headers.get("if-match", "*").strip()
        if given == "*":
            return None
        match = _ENTITY_TAG.fullmatch(given)
        if match is None:
            raise errors.StaleError
        return int(match[1])

    def recognise(
        self,
        store: Store,
        *,
        session: Session | None = None,
        member: Member | None = None,
        account: Account | None = None,
        customer: Customer | None = None,
        actor: Member | None = None,
        acting: ActingSession | None = None,
        key: ApiKey | None = None,
    ) -> None:
        """Note who it is, once that is proven. `told` are the headers that every answer to it carries."""
        self._store, self._session, self._member = store, session, member
        self._account, self._customer = account, customer
        self._actor, self.acting, self.key = actor, acting, key
        if acting:
            self.told["Acting-As"] = self.party.id or ""

    def match[E: Entity](self, entity: E) -> E:
        """Return the entity if it still is what the caller decided on. Raises `StaleError`."""
        if self.if_match not in {None, entity.version}:
            raise errors.StaleError
        return entity

    def replaces[E: Entity](self, stored: E | None) -> E | None:
        """Return what a PUT replaces, None if it creates: what is not there, or version 0, needs no `If-Match`.

        Raises `PreconditionRequiredError` for replacing without it, and `StaleError` if something is there although
        `If-None-Match: *` demands that nothing is, or is not what `If-Match` demands.
        """
        headers, version = self.facts.headers, stored.version if stored else 0
        if version and headers.get("if-none-match", "").strip() == "*":
            raise errors.StaleError
        if version and "if-match" not in headers:
            raise _precondition_required()
        if "if-match" in headers and self.if_match not in {None if stored else 0, version}:
            raise errors.StaleError
        return stored

    def decided[A](self, decide: Callable[[], A], *, tries: int = _DECISIONS) -> A:
        """Carry out a decision, and again a few times if what it was made on changed at that moment.

        `decide` reads what it decides on through `reader`, and holds it against the version that the caller names (`match`).
        Where a crowd decides on one thing at once, it takes more `tries`, with pauses of chance lengths in between.
        """
        for attempt in range(tries - 1):
            try:
                return decide()
            except (errors.StaleError, errors.ConflictError) as overtaken:
                named = overtaken.code == "stale" and self.if_match is not None
                if named or overtaken.code not in {"stale", "conflict"}:
                    raise
                self.reader = Reader()
                if attempt >= _DECISIONS - 1:
                    time.sleep(pause(attempt - _DECISIONS + 1))
        return decide()

    def transaction(self, *, owner: str | None = None, party: Party | None = None) -> Transaction:
        """Begin the write of this request, as the caller, unless a person is only becoming one."""
        subject = party or self.party
        owner = owner or store_owner(self.store.id)
        return Transaction(owner, party or self.actor, subject, self.at, replay=self.replay, status=self.rule.status)


def identify(caller: CallerInfo) -> None:
    """Find out who is asking and whether this route is for them, and note it with the caller.

    Calls: none for a malformed credential, otherwise one BatchGetItem; an API key's requests are counted besides. Raises
    `UnauthenticatedError`, `ForbiddenError`, `UnavailableError`, `ThrottledError`, for a suspended reseller `ConflictError`,
    and for a retried request whose key was used for another one `InvalidError`.
    """
    facts, rule = caller.facts, caller.rule
    credential = facts.headers.get("authorization", "").strip()
    if credential and (rule.allow != ANYONE or rule.recognises):
        _identify_member(caller, credential)
    else:
        _identify_stranger(caller)
    if rule.precondition and "if-match" not in facts.headers:
        raise _precondition_required()


def kept_answer(caller: CallerInfo) -> KeptAnswer | None:
    """Return the answer that this request got before, if it is a retry. Raises `InvalidError` for a reused key."""
    if caller.replay is None:
        return None
    kept = caller.reader.find(caller.replay.key, KeptAnswer)
    if kept is not None and kept.fingerprint != caller.replay.fingerprint:
        raise errors.InvalidError(
            errors.Fault("Idempotency-Key", "was used for a different request before"), code="idempotency_key_reused"
        )
    return kept


def _identify_stranger(caller: CallerInfo) -> None:
    facts, rule = caller.facts, caller.rule
    named = facts.query.get("store", "")
    if rule.allow == ANYONE:
        _expect_retries(caller, "ANYONE")
        _fetch(caller, [], Ask(named, "", None, facts.path_parameters, facts.query, facts.body))
        return
    if named and rule.allow is Permission.PLACE_ORDERS:
        raise errors.ForbiddenError("guest_cannot_order", "Guests can look around. Log in to order.")
    if not (rule.guests and named):
        raise errors.UnauthenticatedError("credentials_required", "Log in first: this needs an Authorization header.")
    _fetch(caller, [STORE.key(store=named)], Ask(named, "", None, facts.path_parameters, facts.query, facts.body))
    store = caller.reader.find(STORE.key(store=named), Store)
    if store is None or not store.guest_access.enabled:
        raise errors.UnauthenticatedError("credentials_required", "This store is for its customers only. Log in first.")
    store.must_be_open()
    caller.recognise(store)


def _identify_member(caller: CallerInfo, credential: str) -> None:
    match = _BEARER.fullmatch(credential)
    token = parse_token(match[1]) if match else None
    if token and token.kind == "session":
        place = split_member_id(token.owner)
        if place:
            _enter(caller, token, place)
            return
    if token and token.kind == "acting":
        key = split_acting_owner(token.owner)
        if key:
            _act(caller, token, key)
            return
    if token and token.kind == "key":
        if caller.rule.allow == ANYONE:
            # Links are for people, whose functions cannot look up any key.
            raise _not_for_keys()
        place = split_member_id(token.owner)
        if place and place.customer_id:
            _enter_by_key(caller, token, place.store_id, place.customer_id)
            return
    raise _invalid_token()


def _enter(caller: CallerInfo, token: Token, place: MemberKey) -> None:
    """Admit whoever is signed in as itself."""
    store_id, person, customer_id = place
    keys = {
        "session": SESSION.key(store=store_id, member=token.owner, session=digest(token.secret)),
        "member": MEMBER.key(store=store_id, member=token.owner),
        "account": ACCOUNT.key(person=person),
        "store": STORE.key(store=store_id),
    }
    if customer_id:
        keys["customer"] = CUSTOMER.key(store=store_id, customer=customer_id)
    _read(caller, token.owner, keys, store_id, token.owner, customer_id)
    session, member, account, store = _signed_in(caller, keys)
    customer = caller.reader.find(keys["customer"], Customer) if "customer" in keys else None
    if "customer" in keys and (customer is None or not customer.active):
        raise _invalid_token()
    if member.role is Role.BUYER and caller.rule.allow != ANYONE:
        store.must_be_open()
    caller.recognise(store, session=session, member=member, account=account, customer=customer)
    _admit(caller)
    _touch(caller, keys["session"])


def _act(caller: CallerInfo, token: Token, place: ActingKey) -> None:
    """Admit whoever acts for an employee: as the employee, and while all of that holds under which it began.

    Raises `NotFoundError` as soon as the customer is out of the actor's scope.
    """
    store_id = place.store_id
    keys = {
        "session": SESSION.key(store=store_id, member=place.actor, session=place.session),
        "member": MEMBER.key(store=store_id, member=place.actor),
        "account": ACCOUNT.key(person=split_person(place.actor)),
        "store": STORE.key(store=store_id),
        "acting": ACTING_SESSION.key(store=store_id, id=digest(token.secret)),
        "employee": MEMBER.key(store=store_id, member=place.employee),
        "customer": CUSTOMER.key(store=store_id, customer=place.customer_id),
    }
    _read(caller, token.owner, keys, store_id, place.employee, place.customer_id)
    session, actor, account, store = _signed_in(caller, keys)
    read = caller.reader
    acting, employee = read.find(keys["acting"], ActingSession), read.find(keys["employee"], Member)
    customer = read.find(keys["customer"], Customer)
    if acting is None or employee is None or customer is None:
        raise _invalid_token()
    if (acting.session_id, acting.employee_id) != (session.id, employee.id):
        raise _invalid_token()
    if not acting.holds(account, employee, customer, at=caller.at):
        raise _invalid_token()
    caller.recognise(store, session=session, member=employee, account=account, customer=customer, actor=actor, acting=acting)
    if not Scope.of(actor).covers(customer):
        raise errors.NotFoundError("customer")
    if caller.rule.allow is not Permission.END_ACTING:
        store.must_be_open()
        refuse_without_consent(customer, store)
    if caller.rule.allow == ANYONE or caller.rule.allow in (employee.grants | actor.grants) - caller.grants:
        raise errors.ForbiddenError("not_while_acting", "This is for the person alone. Return to your own account first.")
    _admit(caller)
    _touch(caller, keys["session"])


def _enter_by_key(caller: CallerInfo, token: Token, store_id: str, customer_id: str) -> None:
    """Admit a reseller's own system by its API key, as the person it acts for and within its scopes.

    Calls: one UpdateItem more, which counts the request, and every five minutes one that notes that the key is in use.
    """
    key_id = digest(token.secret)
    keys = {
        "key": api_key_key(store_id, customer_id, key_id),
        "member": MEMBER.key(store=store_id, member=token.owner),
        "store": STORE.key(store=store_id),
        "customer": CUSTOMER.key(store=store_id, customer=customer_id),
    }
    # One person may have several keys: what one of them was answered is none of the others' business.
    _read(caller, f"{token.owner}.{key_id}", keys, store_id, token.owner, customer_id)
    read = caller.reader
    key, member = read.find(keys["key"], ApiKey), read.find(keys["member"], Member)
    store, customer = read.find(keys["store"], Store), read.find(keys["customer"], Customer)
    if key is None or member is None or store is None or customer is None or key.member_id != member.id:
        raise _invalid_token()
    reseller = customer.reseller
    known = reseller is not None and reseller.status in {"approved", "active", "suspended"}
    if not (known and customer.active and key.is_live(member, at=caller.at)):
        raise _invalid_token()
    caller.recognise(store, member=member, customer=customer, key=key)
    _count_request(caller, key)
    store.must_be_open()
    _admit_key(caller, key, suspended=reseller is not None and reseller.status == "suspended")
    note_use(key, at=caller.at)


def _count_request(caller: CallerInfo, key: ApiKey) -> None:
    """Count a request of a key, and tell it with every answer how many are left. Raises `ThrottledError` beyond the last."""
    limit = KEY_REQUESTS
    count = count_at_once(key.store_id, limit, key.id, at=caller.at)
    window, left = int(limit.window.total_seconds()), max(0, limit.most - count)
    caller.told["RateLimit-Policy"] = f'"default";q={limit.most};w={window}'
    caller.told["RateLimit"] = f'"default";r={left};t={limit.seconds_left(caller.at)}'
    if count > limit.most:
        raise limit.refusal(caller.at)


def _admit_key(caller: CallerInfo, key: ApiKey, *, suspended: bool) -> None:
    needed = caller.rule.allow
    scope = scope_for(needed)
    if scope is None and needed not in EVERY_KEY:
        raise _not_for_keys()
    if scope and scope not in key.scopes:
        raise errors.MissingScopeError(scope)
    if suspended and needed in _ORDERING:
        raise errors.ConflictError("reseller_suspended", "This reseller is suspended: it can look, and order nothing.")
    _admit(caller)


def _read(caller: CallerInfo, whose: str, keys: Mapping[str, Key], store_id: str, member: str, customer_id: str | None) -> None:
    facts = caller.facts
    _expect_retries(caller, store_owner(store_id), whose)
    _fetch(caller, keys.values(), Ask(store_id, member, customer_id, facts.path_parameters, facts.query, facts.body))


def _signed_in(caller: CallerInfo, keys: Mapping[str, Key]) -> tuple[Session, Member, Account, Store]:
    read = caller.reader
    session, member = read.find(keys["session"], Session), read.find(keys["member"], Member)
    account, store = read.find(keys["account"], Account), read.find(keys["store"], Store)
    if session is None or member is None or account is None or store is None:
        raise _invalid_token()
    if not session.is_live(account, member, at=caller.at):
        raise _invalid_token()
    return session, member, account, store


def _admit(caller: CallerInfo) -> None:
    if caller.rule.allow not in {ANYONE, *caller.grants}:
        raise errors.ForbiddenError("forbidden", "Your role does not include this.", required=str(caller.rule.allow))
    _require_idempotency_key(caller)


def _fetch(caller: CallerInfo, keys: Iterable[Key], ask: Ask) -> None:
    wanted = [*keys, *(caller.rule.reads(ask) if caller.rule.reads else ())]
    if caller.replay:
        wanted.append(caller.replay.key)
    caller.reader.fetch(wanted)


def _expect_retries(caller: CallerInfo, owner: str, whose: str | None = None) -> None:
    """Note where the answer is kept: by key, route and caller, so that nobody is answered what another asked."""
    facts = caller.facts
    given = facts.headers.get("idempotency-key")
    if not caller.rule.idempotent:
        return
    if given is None:
        if whose is None:
            _require_idempotency_key(caller)
        return
    if _IDEMPOTENCY_KEY.fullmatch(given) is None:
        raise errors.BadRequestError("idempotency_key_invalid", "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    route = (facts.method, facts.path, whose or "")
    asked = fingerprint(signing_key(), *route, *(f"{name}={facts.query[name]}" for name in sorted(facts.query)), facts.body)
    key = REPLAY.key(owner=owner, digest=fingerprint(signing_key(), *route, given))
    caller.replay = Replay(key, asked)


def _require_idempotency_key(caller: CallerInfo) -> None:
    if caller.rule.idempotent and "idempotency-key" not in caller.facts.headers:
        raise errors.BadRequestError(
            "idempotency_key_required", "Send an Idempotency-Key, so that a retry of this request is never done twice."
        )


def _touch(caller: CallerInfo, key: Key) -> None:
    """Note that the session is in use, at most every half hour: 12 idle hours need no finer measure."""
    if caller.at - caller.session.last_seen_at < SESSION_TOUCH:
        return
    seen = caller.session.model_copy(update={"last_seen_at": caller.at})
    record = Record.of(key, seen)
    try:
        noted: list[Action] = [Record.data.set(record.data), Record.expires_at.set(int(seen.expires_at.timestamp()))]
        record.update(noted, condition=Record.pk.exists())
    except UpdateError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            raise _invalid_token() from error
        raise


def _precondition_required() -> errors.PreconditionRequiredError:
    return errors.PreconditionRequiredError(
        "precondition_required", "Send If-Match with the etag of what you read, so that nobody's change is overwritten."
    )


def _invalid_token() -> errors.UnauthenticatedError:
    return errors.UnauthenticatedError("invalid_token", "This credential is not valid, or not any more. Log in again.")


def _not_for_keys() -> errors.ForbiddenError:
    return errors.ForbiddenError("not_for_api_keys", "This is for people alone. Log in to do it.")


def _present[T](value: T | None) -> T:
    if value is None:
        raise LookupError("this route admits callers that lack this")
    return value
