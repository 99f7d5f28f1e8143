"""Resellers: companies that enrol themselves with a store, and what is decided about them, by hand or by rules."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from tradepost.domain.customers import PostalAddress, ResellerStatus, ResellerSummary
from tradepost.domain.errors import GoneError
from tradepost.domain.limits import RateLimit
from tradepost.domain.outbox import ResellerNews
from tradepost.domain.people import Account, Party
from tradepost.domain.values import Blankable, Email, Entity, Instant, LongText, Text, Value

ENROLMENT_LIFETIME: Final = timedelta(days=7)
"""How long an enrolment can be confirmed by its link."""
ACTIVATING: Final[frozenset[str]] = frozenset({"portal", "api", "inventory_source"})
"""The ways in which the order comes that makes an approved reseller active. No other does."""
APPLYING: Final[frozenset[ResellerStatus]] = frozenset({"unconfirmed", "denied"})
"""Who waits for a decision once an enrolment of it is confirmed. Of anybody else, that changes nothing."""
ENROLLED_WITH_ADDRESS: Final = RateLimit(
    "enrolments-with-address",
    5,
    timedelta(hours=1),
    "too_many_enrolments",
    "This address has been mailed many times.",
)
"""How often an address is mailed a link: beyond, nobody is told, so that nothing is learned of anybody's enrolments."""
ENROLLED_FROM_PLACE: Final = RateLimit(
    "enrolments-from-place",
    1000,
    timedelta(hours=1),
    "too_many_enrolments",
    "Many have enrolled from there. Wait a while.",
)
"""How often one place of the network may enrol: it keeps machines off. What tells them sooner is the firewall's."""

type Answers = Annotated[Mapping[Annotated[Text, Field(max_length=100)], LongText], Field(max_length=20)]
"""What a store asks besides, by the questions."""


class Contact(Value):
    """The person who enrols a company, and who then buys for it."""

    name: Text
    email: Email


class Application(Value):
    """What a company says of itself when it enrols."""

    company: Text
    contact: Contact
    address: PostalAddress
    tax_id: Blankable = None
    answers: Answers = Field(default_factory=dict)


class Enrolment(Entity):
    """An application whose address has yet to be confirmed by the link that was mailed to it.

    Whoever enrols is a stranger: nothing of it counts before. `password_hash` is kept until then, for an account that does
    not exist yet, and is removed with `confirmed_at`.
    """

    entity: ClassVar = "enrolment"

    id: str
    store_id: str
    reseller_id: str
    application: Application
    password_hash: str | None
    enrolled_at: Instant
    confirmed_at: Instant | None = None

    @property
    def expires_at(self) -> datetime:
        """Until when it can be confirmed."""
        return self.enrolled_at + ENROLMENT_LIFETIME

    def is_open(self, at: datetime) -> bool:
        """Whether it waits to be confirmed, and still can be."""
        return self.confirmed_at is None and at < self.expires_at

    def confirmed(self, at: datetime) -> "Enrolment":
        """Return it as it is kept once it was confirmed: without the password, which has served."""
        return self.model_copy(update={"confirmed_at": at, "password_hash": None})

    def account(self, at: datetime) -> Account | None:
        """Return the account that its contact gets, if it has none yet, with the password that it enrolled with."""
        if self.password_hash is None:
            return None
        contact = self.application.contact
        return Account(
            person=self.reseller_id,
            email=contact.email,
            name=contact.name,
            password_hash=self.password_hash,
            sessions_valid_from=at,
            created_at=at,
        )


def enrolment_expired() -> GoneError:
    """Return the refusal of a link that was not followed in time."""
    return GoneError("enrolment_expired", "This enrolment was not confirmed in time. Enrol again.")


class ResellerStep(Value):
    """One step of a reseller: who took it, and why. `rule_id` and `rule_version` name the rule that decided."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    at: Instant
    actor: Party
    from_status: Annotated[ResellerStatus | None, Field(alias="from")]
    to: ResellerStatus
    reason: str | None = None
    rule_id: str | None = None
    rule_version: int | None = None


class Reseller(Entity):
    """A company that enrolled itself with a store. Its id is the key of its contact's address: one for each address.

    It becomes a customer, `customer_id`, when it is approved, and active with its first order, at `activated_at`.
    `application` is the latest one that was confirmed, or the first one while none is. `trace` is what the rules found when
    they decided last, condition by condition.
    """

    entity: ClassVar = "reseller"

    id: str
    store_id: str
    application: Application
    status: ResellerStatus
    customer_id: str | None = None
    channel_id: str | None = None
    decided_by: Party | None = None
    reason: str | None = None
    trace: tuple[Mapping[str, object], ...] | None = None
    enrolled_at: Instant
    confirmed_at: Instant | None = None
    activated_at: Instant | None = None
    history: tuple[ResellerStep, ...] = ()

    @property
    def summary(self) -> ResellerSummary:
        """What is kept of it with its customer, so that no order needs a second read."""
        return ResellerSummary(id=self.id, status=self.status, channel_id=self.channel_id)


def enrolled(enrolment: Enrolment) -> Reseller:
    """Return what is kept of a company that enrols for the first time: a stranger, until its address is confirmed."""
    return Reseller(
        id=enrolment.reseller_id,
        store_id=enrolment.store_id,
        application=enrolment.application,
        status="unconfirmed",
        enrolled_at=enrolment.enrolled_at,
    )


def applied(enrolment: Enrolment, before: Reseller | None, *, by: Party, at: datetime) -> Reseller | None:
    """Return the reseller as it waits for a decision about an enrolment that is being confirmed.

    None if that changes nothing: one waits already, or has been approved. Whoever was denied may apply again: what was
    decided is history then. What was enrolled before the denial is answered by it. A stranger that was forgotten meanwhile is
    remembered from its enrolment.
    """
    stranger = before or enrolled(enrolment)
    denied_at = max((step.at for step in stranger.history if step.to == "denied"), default=None)
    if stranger.status not in APPLYING or (denied_at and enrolment.enrolled_at <= denied_at):
        return None
    step = ResellerStep(at=at, actor=by, from_status=stranger.status, to="pending")
    decided = {"decided_by": None, "reason": None, "trace": None}
    applying = {"application": enrolment.application, "status": "pending", "confirmed_at": at}
    return stranger.model_copy(update={**decided, **applying, "history": (*stranger.history, step)})


def is_still_so(news: ResellerNews, reseller: Reseller) -> bool:
    """Whether there is still a point in telling it, now that the mail is written."""
    told: Mapping[ResellerNews, frozenset[ResellerStatus]] = {
        "enrolled": frozenset({"pending"}),
        "approved": frozenset({"approved", "active"}),
        "denied": frozenset({"denied"}),
    }
    return reseller.status in told[news]
