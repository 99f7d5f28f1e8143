"""Acting: a sales rep, or the owner, works as a customer's employee for a while, and everything says so."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, ForbiddenError
from tradepost.domain.people import Account, ActingNote, Member, Party
from tradepost.domain.stores import Store
from tradepost.domain.values import Entity, Instant

MAX_MINUTES: Final = 60


class ActingSession(Entity):
    """One time that somebody acted for an employee. Only a digest of its token is stored, and that is its id.

    `session_id` is the session it was started in, with which it ends. It stays, as a log that the customer may read.
    """

    entity: ClassVar = "acting_session"

    id: str
    store_id: str
    customer_id: str
    customer_name: str
    employee_id: str
    actor: Party
    subject: Party
    session_id: str
    reason: str
    device: str
    address: str
    started_at: Instant
    expires_at: Instant
    ended_at: Instant | None = None

    def is_live(self, at: datetime) -> bool:
        """Tell whether it goes on: never longer than was said in the beginning."""
        return self.ended_at is None and at < self.expires_at

    def holds(self, account: Account, employee: Member, customer: Customer, *, at: datetime) -> bool:
        """Tell whether it goes on under what it began under: the actor's password, the employee's place, a business customer.

        The session it was started in, and whether the customer still is in the actor's scope, are looked at besides.
        """
        employed = employee.status == "active" and employee.joined_at is not None and self.started_at >= employee.admitted_at
        served = customer.active and customer.kind == "b2b"
        return self.is_live(at) and employed and served and self.started_at >= account.sessions_valid_from

    @property
    def note(self) -> ActingNote:
        """What the session it was started in says of it."""
        return ActingNote(id=self.id, subject=self.subject, until=self.expires_at)


def agrees(customer: Customer, store: Store) -> bool:
    """Tell whether the customer's consent to being acted for is there, where the store demands it."""
    return customer.allows_acting or not store.acting_needs_consent


def why_not_act_for(customer: Customer, employee: Member, store: Store) -> ConflictError | None:
    """Return why nobody can act for this employee now; None if somebody may who has the customer in scope."""
    if customer.kind == "b2c":
        return ConflictError("customer_is_b2c", "This is a private person, for whom nobody can act.")
    if not customer.active:
        return ConflictError("customer_inactive", "The customer is not active.")
    if employee.status != "active":
        return ConflictError("employee_not_active", "This employee has not joined yet.")
    if not agrees(customer, store):
        return ConflictError("acting_not_allowed", "The customer has not agreed to being acted for.")
    return None


def refuse_without_consent(customer: Customer, store: Store) -> None:
    """Stop at once when the customer takes its consent back, where the store demands it. Raises `ForbiddenError`."""
    if not agrees(customer, store):
        raise ForbiddenError("acting_not_allowed", "The customer does not agree to being acted for any more.")


def acting_until(at: datetime, minutes: int) -> datetime:
    """Return when an acting session that begins now is over."""
    return at + timedelta(minutes=minutes)
