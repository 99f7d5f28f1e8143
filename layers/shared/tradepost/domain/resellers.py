"""Resellers: companies that enrol themselves with a store, and what is decided about them, by hand or by rules."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from tradepost.domain.customers import PostalAddress, ResellerStatus, ResellerSummary
from tradepost.domain.people import Party
from tradepost.domain.values import Email, Entity, Instant, LongText, OptionalText, Text, Value

ENROLMENT_LIFETIME: Final = timedelta(days=7)
"""How long an enrolment can be confirmed by its link."""
ACTIVATING: Final[frozenset[str]] = frozenset({"portal", "api", "inventory_source"})
"""The ways in which the order comes that makes an approved reseller active. No other does."""

type Answers = Annotated[Mapping[Annotated[str, Field(max_length=100)], LongText], Field(max_length=20)]
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
    tax_id: OptionalText | None = None
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
