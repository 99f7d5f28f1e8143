"""/v1/acting-sessions: work as a customer's employee for a while, return, and read who did."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, StrictInt

from tradepost.aws.secrets import signing_key
from tradepost.domain.acting import MAX_MINUTES, ActingSession, acting_until, agrees, why_not_act_for
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.ids import ActingKey, Token, derived_token, digest, new_id
from tradepost.domain.people import Account, EmployeeRole, Member, Party, Session
from tradepost.domain.permissions import Permission
from tradepost.domain.scoping import Scope
from tradepost.domain.values import Instant, Reference, Text, Value
from tradepost.http.activities import Doing, note_activity, note_ends_of_acting
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.acting import (
    Log,
    acting_key,
    end_acting,
    forget_acting,
    list_acting_sessions,
    start_acting,
    ties_of,
)
from tradepost.table.customers import customer_key, get_customer
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.shapes import Key
from tradepost.table.transaction import TokenSeed, Transaction

app = make_app()


class NewActingSession(Value):
    """As whom to work, why, and for how long."""

    customer_id: Reference
    employee_id: Reference
    reason: Text
    minutes: Annotated[StrictInt, Field(ge=1, le=MAX_MINUTES)] = 30


class ActedCustomer(Answer):
    """The customer whose employee somebody acts for."""

    id: str
    name: str


class ActedEmployee(Answer):
    """The employee somebody acts for."""

    id: str
    name: str
    role: EmployeeRole
    email: str
    phone: str | None


class ActingStarted(Answer):
    """A new acting session. `token` is shown this once, and works as the employee's until `expires_at`."""

    token: Annotated[str, Field(description="Send it as `Authorization: Bearer …` to act; keep your own for the way back.")]
    id: str
    expires_at: Instant
    reason: str
    actor: Party
    subject: Party
    customer: ActedCustomer
    employee: ActedEmployee


class LoggedActing(Answer):
    """A line of the log: who acted for whom, why and when. `live` tells whether the token still works."""

    id: str
    customer: ActedCustomer
    actor: Party
    subject: Party
    reason: str
    started_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    live: bool
    etag: str


def _wanted(ask: Ask) -> list[Key]:
    try:
        new = NewActingSession.model_validate_json(ask.body)
    except ValueError:
        return []
    return [customer_key(ask.store, new.customer_id), member_key(new.employee_id, ask.store)]


def _named(ask: Ask) -> list[Key]:
    return [acting_key(ask.store, ask.path["acting_id"])]


@app.post("/v1/acting-sessions", allow=Permission.ACT_AS_EMPLOYEE, status=201, reads=_wanted)
def start_acting_session(new: NewActingSession, caller: Caller) -> ActingStarted:
    """Begin to work as an employee of a customer. Whoever reads the orders, the audit or the log sees both.

    Refused with 409: `customer_is_b2c`, `customer_inactive`, `employee_not_active`, and `acting_not_allowed` where the store
    demands the customer's consent. Beginning anew in the same session ends what was begun before.
    """
    caller.store.must_be_open()
    customer = get_customer(caller.reader, caller.scope, new.customer_id)
    employee = caller.reader.get(member_key(new.employee_id, caller.store.id), Member)
    if employee.customer_id != customer.id or employee.status == "revoked":
        raise NotFoundError("member")
    refusal = why_not_act_for(customer, employee, caller.store)
    if refusal:
        raise refusal
    token, seed = _minted(caller, employee, customer)
    acting = ActingSession(
        id=digest(token.secret),
        store_id=caller.store.id,
        customer_id=customer.id,
        customer_name=customer.name,
        employee_id=employee.id,
        actor=caller.party,
        subject=employee.party,
        session_id=caller.session.id,
        reason=new.reason,
        device=caller.session.device,
        address=caller.facts.address,
        started_at=caller.at,
        expires_at=acting_until(caller.at, new.minutes),
    )
    tx = caller.transaction()
    _demand_as_read(tx, customer, employee, caller)
    running = caller.session.acting_at(caller.at)
    if running:
        end_acting(tx, acting.store_id, running)
        note_ends_of_acting(tx, [running], caller)
    start_acting(tx, acting, caller.session)
    tx.audit("acting_session:started", acting.id, subject=acting.subject, reason=acting.reason, minutes=new.minutes)
    doing = Doing("acting_started", customer.id, "acting_session", acting.id, acting.reason)
    note_activity(tx, doing, caller.store, employee)
    answer = ActingStarted(
        token=str(token),
        id=acting.id,
        expires_at=acting.expires_at,
        reason=acting.reason,
        actor=acting.actor,
        subject=acting.subject,
        customer=ActedCustomer.model_validate(customer),
        employee=ActedEmployee.model_validate({**employee.model_dump(), "role": employee.employee_role}),
    )
    tx.answer(answer.model_dump(mode="json", exclude={"token"}), token_seed=seed)
    tx.commit()
    return answer


@app.delete("/v1/acting-sessions/current", allow=Permission.END_ACTING, precondition=False)
def return_to_own_account(caller: Caller) -> None:
    """Stop acting, with the acting session's own token, which is worth nothing from then on."""
    if caller.acting is None:
        raise LookupError("nobody else may return")
    _end(caller.acting, caller.session, caller)


@app.delete("/v1/acting-sessions/<acting_id>", allow=Permission.ACT_AS_EMPLOYEE, precondition=False, reads=_named)
def end_acting_session(acting_id: str, caller: Caller) -> None:
    """End an acting session from outside: one's own, or for the owner anybody's. Ending what is over changes nothing."""
    acting = caller.reader.get(acting_key(caller.store.id, acting_id), ActingSession)
    if not caller.is_owner and acting.actor.id != caller.member.id:
        raise NotFoundError("acting session")
    if caller.match(acting).is_live(caller.at):
        ties = ties_of(acting)
        caller.reader.fetch([ties.session, ties.employee])
        _end(acting, caller.reader.find(ties.session, Session), caller)


@app.get("/v1/acting-sessions", allow=Permission.READ_ACTING_LOG)
def list_log(
    caller: Caller,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    actor: Annotated[str | None, Query(max_length=120, description="The id of whoever acted.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LoggedActing]:
    """List who acted for whom, newest first: in the store, or for a customer's administrator of its own customer.

    A filtered page may hold fewer than `limit` and still have a next one.
    """
    scope, log = caller.scope, Log(customer_id, actor, caller.at)
    bound = ("acting_sessions", scope.store_id, scope.reach, scope.whose, customer_id, actor)
    found, following = list_acting_sessions(caller.reader, scope, log, limit=limit, after=read_cursor(cursor, *bound))
    items = [
        LoggedActing.of(
            acting,
            customer=ActedCustomer(id=acting.customer_id, name=acting.customer_name),
            live=acting.is_live(caller.at) and _still_works(acting, caller),
        )
        for acting in found
    ]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


def _minted(caller: Caller, employee: Member, customer: Customer) -> tuple[Token, TokenSeed]:
    """Return a token that leads to everything it depends on, and the seed from which a retry gets the same."""
    key = ActingKey(caller.store.id, employee.id, customer.id, caller.member.id, caller.session.id)
    seed = TokenSeed(kind="acting", owner=key.owner, session=new_id())
    return derived_token(signing_key(), "acting", key.owner, seed.session, caller.facts.headers["idempotency-key"]), seed


def _demand_as_read(tx: Transaction, customer: Customer, employee: Member, caller: Caller) -> None:
    """Demand that customer, employee and actor are what they were when this was decided."""
    changed = ConflictError("conflict", "This changed at the same moment. Read it again and decide anew.")
    store_id = caller.store.id
    for key, version in (
        (customer_key(store_id, customer.id), customer.version),
        (member_key(employee.id, store_id), employee.version),
        (member_key(caller.member.id, store_id), caller.member.version),
    ):
        tx.require(key, Record.version == version, otherwise=changed)


def _end(acting: ActingSession, started_in: Session | None, caller: Caller) -> None:
    tx = caller.transaction()
    end_acting(tx, acting.store_id, acting.note)
    note_ends_of_acting(tx, [acting.note], caller)
    if started_in and started_in.acting == acting.note:
        forget_acting(tx, acting)
    tx.commit()


def _still_works(acting: ActingSession, caller: Caller) -> bool:
    ties, read = ties_of(acting), caller.reader
    session, account = read.find(ties.session, Session), read.find(ties.account, Account)
    actor, employee = read.find(ties.actor, Member), read.find(ties.employee, Member)
    customer = read.find(ties.customer, Customer)
    if session is None or account is None or actor is None or employee is None or customer is None:
        return False
    begun_in = session.is_live(account, actor, at=caller.at) and acting.holds(account, employee, customer, at=caller.at)
    return begun_in and Scope.of(actor).covers(customer) and agrees(customer, caller.store)


handler = app.handler
