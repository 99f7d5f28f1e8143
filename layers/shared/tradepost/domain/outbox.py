"""Messages that a change causes: written with it, relayed to a queue, carried out at least once and noted when done."""

import zlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tradepost.domain.values import Entity, Instant, Value

SHARDS = 4


class InvitationMail(Value):
    """Mail the link to the invited person. The link is derived when the mail is written: it travels in no queue."""

    type: Literal["invitation"] = "invitation"
    store_id: str
    invitation_id: str
    customer_id: str
    generation: int
    renewed: bool = False


class WelcomeMail(Value):
    """Tell a new member where to log in."""

    type: Literal["welcome"] = "welcome"
    store_id: str
    member_id: str


class PasswordResetMail(Value):
    """Mail the link with which a forgotten password is replaced."""

    type: Literal["password_reset"] = "password_reset"  # a kind of mail, not a password
    person: str
    nonce: str


class PasswordChangedMail(Value):
    """Tell a person that the password was changed, in case somebody else did it."""

    type: Literal["password_changed"] = "password_changed"  # a kind of mail, not a password
    person: str


class OrderMail(Value):
    """Confirm an order, or what became of it, to the buyer."""

    type: Literal["order"] = "order"
    store_id: str
    order_id: str
    event: Literal["placed", "confirmed", "shipped", "cancelled"]


type Message = Annotated[
    InvitationMail | WelcomeMail | PasswordResetMail | PasswordChangedMail | OrderMail, Field(discriminator="type")
]


class OutboxItem(Entity):
    """A message and what became of it. `claimed_until` is the lease of the consumer that is at it."""

    entity: ClassVar = "outbox"

    id: str
    message: Message
    created_at: Instant
    status: Literal["queued", "done", "failed"] = "queued"
    claimed_until: Instant | None = None
    done_at: Instant | None = None
    failure: str | None = None


def shard_of(item_id: str) -> str:
    """Spread the work list, so that no index partition takes all of it."""
    return str(zlib.crc32(item_id.encode()) % SHARDS)
