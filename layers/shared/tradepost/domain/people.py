"""People, their places in stores, their sessions and their passwords."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from pydantic import StrictBool

from tradepost.domain.customers import InvitationSummary
from tradepost.domain.errors import ConflictError, ThrottledError
from tradepost.domain.ids import member_id, person_key
from tradepost.domain.limits import RateLimit
from tradepost.domain.permissions import ACTING_GRANTS, ADMINISTRATORS_GRANTS, GRANTS, SUPERVISORS_GRANTS, Permission, Role
from tradepost.domain.stores import OverrideLimits
from tradepost.domain.values import Email, Entity, Instant, OptionalText, Text, Value

SESSION_IDLE: Final = timedelta(hours=12)
SESSION_LIFETIME: Final = timedelta(days=30)
SESSION_TOUCH: Final = timedelta(minutes=30)
FAILED_LOG_INS: Final = RateLimit(
    "failed-log-ins", 10, timedelta(minutes=15), "too_many_attempts", "Too many failed log-ins. Wait, or reset the password."
)
RESET_LIFETIME: Final = timedelta(hours=1)
RESET_PAUSE: Final = timedelta(minutes=1)
CONSENT_TEXT_VERSION: Final = "2026-11"


type EmployeeRole = Literal["admin", "buyer"]
type Access = Literal["all", "allocated"]
type MemberStatus = Literal["pending", "active", "inactive", "revoked"]
type RepStatus = Literal["invited", "active", "inactive"]

REP_STATUSES: Final[Mapping[RepStatus, frozenset[MemberStatus]]] = {
    "invited": frozenset({"pending"}),
    "active": frozenset({"active"}),
    "inactive": frozenset({"inactive", "revoked"}),
}
"""What a sales rep is to the store, whose customers may still be allocated to one that is away or gone."""


class Party(Value):
    """Who acts, or for whom: the `actor` and the `subject` of whatever is written."""

    type: Literal["member", "api_key", "system", "anonymous"]
    id: str | None = None
    name: str | None = None


ANONYMOUS: Final = Party(type="anonymous")
SYSTEM: Final = Party(type="system", name="Tradepost")


class Account(Entity):
    """A person: one e-mail address, one password, in however many stores.

    Sessions that started before `sessions_valid_from` are over, but for `kept_session`, in which the change was made.
    While it is `closing`, which is when its person was erased from the last of its stores, nobody gets a place by it.
    """

    entity: ClassVar = "account"

    person: str
    email: Email
    name: Text
    password_hash: str
    sessions_valid_from: Instant
    kept_session: str | None = None
    closing: bool = False
    created_at: Instant

    def with_password(self, password_hash: str, *, at: datetime, keeping: str | None = None) -> "Account":
        """Change the password, which ends every session but the one named."""
        change = {"password_hash": password_hash, "sessions_valid_from": at, "kept_session": keeping}
        return self.model_copy(update=change)


class ConsentChange(Value):
    """One decision about activity tracking, and the version of the text that was agreed to or not."""

    at: Instant
    allowed: bool
    text_version: str


class Member(Entity):
    """A person's place in one store: the owner's, a sales rep's, or an employee's of one customer.

    Pending is one that has not joined yet, inactive a sales rep that was sent away for the time being. Sessions that
    started before `readmitted_at` are over. `departures` counts the customers that ceased to be allocated to a sales rep.
    Of one that was erased, at `erased_at`, nothing is kept here but that there was somebody; it is `erasing` until whatever
    else was held about it has been gone through.
    """

    entity: ClassVar = "member"
    aside: ClassVar = frozenset({"invitation", "suppressed", "departures"})

    id: str
    store_id: str
    person: str
    role: Role
    name: Text
    email: Email
    phone: OptionalText | None = None
    customer_id: str | None = None
    employee_role: EmployeeRole | None = None
    access: Access | None = None
    supervisor: bool = False
    override_limits: OverrideLimits | None = None
    status: MemberStatus = "active"
    landing: Text | None = None
    consents: tuple[ConsentChange, ...] = ()
    joined_at: Instant | None = None
    readmitted_at: Instant | None = None
    erased_at: Instant | None = None
    erasing: bool = False
    invitation: InvitationSummary | None = None
    suppressed: bool = False
    departures: int = 0

    @property
    def grants(self) -> frozenset[Permission]:
        """What the member may do; administrators also look after a customer's employees, supervisors after other reps."""
        more = frozenset[Permission]()
        if self.employee_role == "admin":
            more = ADMINISTRATORS_GRANTS
        if self.role is Role.REP and self.supervisor:
            more = SUPERVISORS_GRANTS
        return GRANTS[self.role] | more

    @property
    def grants_to_whoever_acts(self) -> frozenset[Permission]:
        """What somebody who acts as this employee may do: what the employee may, and acting does not rule out."""
        return (self.grants & ACTING_GRANTS) | {Permission.END_ACTING}

    @property
    def is_administrator(self) -> bool:
        """Whether the member looks after its customer's employees at present."""
        return self.status == "active" and self.employee_role == "admin"

    @property
    def rep_status(self) -> RepStatus:
        """What the member is to the store as a sales rep."""
        return next(status for status, stored in REP_STATUSES.items() if self.status in stored)

    @property
    def admitted_at(self) -> datetime:
        """Since when the member has been in the store without a break. Raises `LookupError` for one who has not joined."""
        if self.joined_at is None:
            raise LookupError("has not joined")
        return max(self.joined_at, self.readmitted_at or self.joined_at)

    @property
    def party(self) -> Party:
        """The member as an actor."""
        return Party(type="member", id=self.id, name=self.name)

    @property
    def allows_activity(self) -> bool:
        """Whether the last decision was to allow activity tracking; nobody asked is a no."""
        return bool(self.consents) and self.consents[-1].allowed

    @property
    def consent(self) -> int:
        """The number of the decision that allows activity tracking at present, the first one being 1; 0 if none does."""
        return len(self.consents) if self.allows_activity else 0

    def switched(self, *, active: bool, at: datetime) -> "Member":
        """Send a sales rep away for the time being, or let it come back, to which no session of before belongs.

        Raises `ConflictError` for one who has not accepted an invitation, or whose invitation was revoked.
        """
        if self.status not in {"active", "inactive"}:
            raise ConflictError("rep_not_accepted", "This sales rep has no invitation that it accepted.")
        if active is (self.status == "active"):
            return self
        change = {"status": "active", "readmitted_at": at} if active else {"status": "inactive"}
        return self.model_copy(update=change)

    def deciding_on_activity(self, *, allowed: bool, at: datetime) -> "Member":
        """Note a decision about activity tracking; the same decision again changes nothing."""
        if self.consents and self.consents[-1].allowed is allowed:
            return self
        change = ConsentChange(at=at, allowed=allowed, text_version=CONSENT_TEXT_VERSION)
        return self.model_copy(update={"consents": (*self.consents, change)})


class NewEmployee(Value):
    """An employee as it is added to a customer; by mail with `send_invitation`, which may also be done later."""

    name: Text
    email: Email
    role: EmployeeRole
    phone: OptionalText | None = None
    send_invitation: StrictBool = False

    def place(self, store_id: str, customer_id: str) -> str:
        """Return the id of this person's place with a customer: the same in any letter case of the address."""
        return member_id(store_id, person_key(self.email), customer_id)


def engaged(new: NewEmployee, before: Member | None, *, store_id: str, customer_id: str) -> Member:
    """Return an employee who has yet to join. One whose place was taken away `before` gets it again.

    Raises `ConflictError` for somebody who is an employee of this customer at present, or is being erased.
    """
    if before and before.status != "revoked":
        raise employee_exists()
    employee = Member(
        id=new.place(store_id, customer_id),
        store_id=store_id,
        person=person_key(new.email),
        role=Role.BUYER,
        name=new.name,
        email=new.email,
        phone=new.phone,
        customer_id=customer_id,
        employee_role=new.role,
        status="pending",
    )
    return _as_before(employee, before)


def _as_before(member: Member, before: Member | None) -> Member:
    """Keep what the person decided, and what became of mail to the address: both outlast a place that was taken away.

    Raises `ConflictError` while whoever had the place is being erased: what the new one does would be erased with it.
    """
    if before and before.erasing:
        raise erasure_under_way(pointer="/email")
    kept = ("version", "landing", "consents", "suppressed") if before else ()
    return member.model_copy(update={name: getattr(before, name) for name in kept})


def erasure_under_way(*, pointer: str | None = None) -> ConflictError:
    """Return the refusal to give somebody a place again, or to tell what is held about it, before all of that is gone."""
    detail = "What is held about this person is being erased. Try again once that is over, which takes minutes."
    return ConflictError("erasure_under_way", detail, pointer=pointer)


def employee_exists() -> ConflictError:
    """Return the refusal to add somebody twice."""
    detail = "Somebody with this e-mail address is an employee of this customer already."
    return ConflictError("employee_exists", detail, pointer="/email")


class NewSalesRep(Value):
    """A sales rep as the owner invites it. Without `override_limits`, the store's hold for it."""

    name: Text
    email: Email
    access: Access
    supervisor: StrictBool = False
    override_limits: OverrideLimits | None = None
    phone: OptionalText | None = None

    def place(self, store_id: str) -> str:
        """Return the id of this person's place on the store's staff: the same in any letter case of the address."""
        return member_id(store_id, person_key(self.email))


def hired(new: NewSalesRep, before: Member | None, *, store_id: str) -> Member:
    """Return a sales rep who has yet to join. One whose place was taken away `before` gets it again.

    Raises `ConflictError` for somebody who is on the store's staff at present, or is being erased.
    """
    if before and before.status != "revoked":
        raise sales_rep_exists()
    rep = Member(
        id=new.place(store_id),
        store_id=store_id,
        person=person_key(new.email),
        role=Role.REP,
        name=new.name,
        email=new.email,
        phone=new.phone,
        access=new.access,
        supervisor=new.supervisor,
        override_limits=new.override_limits,
        status="pending",
    )
    return _as_before(rep, before)


def sales_rep_exists() -> ConflictError:
    """Return the refusal to invite somebody twice."""
    detail = "Somebody with this e-mail address is the owner or a sales rep of this store already."
    return ConflictError("sales_rep_exists", detail, pointer="/email")


class Membership(Entity):
    """The same place seen from the person: what log-in needs to know of it."""

    entity: ClassVar = "membership"

    member_id: str
    store_id: str
    role: Role
    customer_id: str | None = None
    customer_name: str | None = None


class ActingNote(Value):
    """For whom somebody acts in a session, and until when at the latest. `id` is that of the acting session."""

    id: str
    subject: Party
    until: Instant


class Session(Entity):
    """A signed-in device. Only a digest of its token is stored, and that is its id. `acting` is what was begun in it last."""

    entity: ClassVar = "session"
    aside: ClassVar = frozenset({"acting"})

    id: str
    member_id: str
    member_name: str
    started_at: Instant
    last_seen_at: Instant
    device: str
    address: str
    acting: ActingNote | None = None

    def acting_at(self, at: datetime) -> ActingNote | None:
        """Return for whom somebody acts in it at an instant."""
        return self.acting if self.acting and at < self.acting.until else None

    @property
    def expires_at(self) -> datetime:
        """When it ends if it is not used, and 30 days after its start at the latest."""
        return min(self.last_seen_at + SESSION_IDLE, self.started_at + SESSION_LIFETIME)

    def is_live(self, account: Account, member: Member, *, at: datetime) -> bool:
        """Tell whether it still stands for its person: a place that was lost and given again is entered anew."""
        ended_by_password = self.started_at < account.sessions_valid_from and self.id != account.kept_session
        ended_by_revocation = member.status != "active" or member.joined_at is None or self.started_at < member.admitted_at
        return at < self.expires_at and not ended_by_password and not ended_by_revocation


class Throttle(Entity):
    """Failed log-ins of one address in one quarter of an hour, whether or not an account stands behind it."""

    entity: ClassVar = "throttle"

    window: int
    tally: int = 0


def locked_out(throttles: Iterable[Throttle], *, at: datetime) -> ThrottledError | None:
    """Return why an address must wait before the next try; None if it need not."""
    window = FAILED_LOG_INS.window_at(at)
    failures = sum(throttle.tally for throttle in throttles if throttle.window == window)
    return FAILED_LOG_INS.refusal(at) if failures >= FAILED_LOG_INS.most else None


class PasswordReset(Entity):
    """The latest request to replace a forgotten password, made at a store or at none. The link's token derives from `nonce`."""

    entity: ClassVar = "password_reset"

    nonce: str
    digest: str
    requested_at: Instant
    store_id: str | None = None

    def is_live(self, *, at: datetime) -> bool:
        """Tell whether the link may still be used."""
        return at < self.requested_at + RESET_LIFETIME


def shortened_address(address: str) -> str:
    """Return an IP address without its last part: enough to recognise a place by, not a person."""
    separator = ":" if ":" in address else "."
    return separator.join([*address.split(separator)[:-1], "*"]) if separator in address else "unknown"
