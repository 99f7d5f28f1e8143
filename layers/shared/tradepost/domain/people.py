"""People, their places in stores, and what each may do there."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal

from pydantic import StrictBool

from tradepost.domain.customers import InvitationSummary
from tradepost.domain.errors import ConflictError, ThrottledError
from tradepost.domain.ids import member_id, person_key
from tradepost.domain.limits import RateLimit
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


class Role(StrEnum):
    """What a member is to the store."""

    OWNER = "owner"
    BUYER = "buyer"


class Permission(StrEnum):
    """What a route may demand. Whoever is not granted it is refused."""

    OWN_PROFILE = "profile:own"
    GIVE_CONSENT = "consent:give"
    READ_STORE = "store:read"
    MANAGE_STORE = "store:manage"
    READ_CHECKOUT_OPTIONS = "checkout_options:read"
    BROWSE_CATALOG = "catalog:browse"
    MANAGE_PRODUCTS = "products:manage"
    LIST_CUSTOMERS = "customers:list"
    READ_CUSTOMER = "customers:read"
    ADD_CUSTOMERS = "customers:add"
    UPDATE_CUSTOMER = "customers:update"
    IMPORT_CUSTOMERS = "customers:import"
    SUGGEST_COMPANIES = "companies:suggest"
    MANAGE_EMPLOYEES = "employees:manage"
    INVITE = "invitations:manage"
    MANAGE_EMAIL_TEMPLATES = "email_templates:manage"
    PLACE_ORDERS = "orders:place"
    BROWSE_ORDERS = "orders:browse"
    UPDATE_ORDERS = "orders:update"
    MOVE_ORDERS = "orders:move"


GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission) - {Permission.PLACE_ORDERS, Permission.GIVE_CONSENT},
    Role.BUYER: frozenset(
        {
            Permission.OWN_PROFILE,
            Permission.GIVE_CONSENT,
            Permission.READ_CHECKOUT_OPTIONS,
            Permission.BROWSE_CATALOG,
            Permission.READ_CUSTOMER,
            Permission.UPDATE_CUSTOMER,
            Permission.PLACE_ORDERS,
            Permission.BROWSE_ORDERS,
            Permission.MOVE_ORDERS,
        }
    ),
}
ADMINISTRATORS_GRANTS: Final = frozenset({Permission.MANAGE_EMPLOYEES})


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
    """

    entity: ClassVar = "account"

    person: str
    email: Email
    name: Text
    password_hash: str
    sessions_valid_from: Instant
    kept_session: str | None = None
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
    """A person's place in one store: the owner's, or an employee's of one customer. Pending is one that has not joined yet."""

    entity: ClassVar = "member"
    aside: ClassVar = frozenset({"invitation", "suppressed"})

    id: str
    store_id: str
    person: str
    role: Role
    name: Text
    email: Email
    phone: OptionalText | None = None
    customer_id: str | None = None
    employee_role: EmployeeRole | None = None
    status: Literal["pending", "active", "revoked"] = "active"
    landing: Text | None = None
    consents: tuple[ConsentChange, ...] = ()
    joined_at: Instant | None = None
    invitation: InvitationSummary | None = None
    suppressed: bool = False

    @property
    def grants(self) -> frozenset[Permission]:
        """What the member may do; a customer's administrator also looks after its employees."""
        more = ADMINISTRATORS_GRANTS if self.employee_role == "admin" else frozenset()
        return GRANTS[self.role] | more

    @property
    def is_administrator(self) -> bool:
        """Whether the member looks after its customer's employees at present."""
        return self.status == "active" and self.employee_role == "admin"

    @property
    def party(self) -> Party:
        """The member as an actor."""
        return Party(type="member", id=self.id, name=self.name)

    @property
    def allows_activity(self) -> bool:
        """Whether the last decision was to allow activity tracking; nobody asked is a no."""
        return bool(self.consents) and self.consents[-1].allowed

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

    Raises `ConflictError` for somebody who is an employee of this customer at present.
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
    if before is None:
        return employee
    # What the person decided, and what became of mail to the address, outlast the place.
    kept = {name: getattr(before, name) for name in ("version", "landing", "consents", "suppressed")}
    return employee.model_copy(update=kept)


def employee_exists() -> ConflictError:
    """Return the refusal to add somebody twice."""
    detail = "Somebody with this e-mail address is an employee of this customer already."
    return ConflictError("employee_exists", detail, pointer="/email")


class Membership(Entity):
    """The same place seen from the person: what log-in needs to know of it."""

    entity: ClassVar = "membership"

    member_id: str
    store_id: str
    role: Role
    customer_id: str | None = None
    customer_name: str | None = None


class Session(Entity):
    """A signed-in device. Only a digest of its token is stored, and that is its id."""

    entity: ClassVar = "session"

    id: str
    member_id: str
    member_name: str
    started_at: Instant
    last_seen_at: Instant
    device: str
    address: str

    @property
    def expires_at(self) -> datetime:
        """When it ends if it is not used, and 30 days after its start at the latest."""
        return min(self.last_seen_at + SESSION_IDLE, self.started_at + SESSION_LIFETIME)

    def is_live(self, account: Account, member: Member, *, at: datetime) -> bool:
        """Tell whether it still stands for its person: a place that was lost and given again is entered anew."""
        ended_by_password = self.started_at < account.sessions_valid_from and self.id != account.kept_session
        ended_by_revocation = member.status != "active" or member.joined_at is None or self.started_at < member.joined_at
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
