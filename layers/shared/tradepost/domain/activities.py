"""Activity: what people did in a store, kept only while the store tracks it and the person allows it.

Both are checked when an activity is written and again when it is read. Each consent has a number, that of the decision which
gave it, and every activity carries the number under which it was written: one of an earlier consent stays hidden for good,
although the person allows it anew, until it is erased.
"""

from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from tradepost.domain.customers import Customer
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.domain.values import Entity, Instant

SERVER_TYPES: Final = frozenset(
    {
        "log_in",
        "product_viewed",
        "searched",
        "order_placed",
        "order_changed",
        "offer_viewed",
        "offer_accepted",
        "acting_started",
        "acting_ended",
        "event_registered",
    }
)
"""What the server records by itself. Portals may tell of other things as well."""
ATTESTED: Final = SERVER_TYPES - {"product_viewed", "searched", "offer_viewed"}
"""What nobody but the server can know for sure: no portal may claim it."""
LATE_WRITERS: Final = timedelta(seconds=15)
"""How long after a withdrawal somebody may still be writing who had read the consent before: longer than a request lives."""
MAX_COMMENT: Final = 500


class Activity(Entity):
    """One thing that somebody did. `member_id` is whose activity it is: the subject's, whoever acted for it.

    `customer_id` is the customer that it was done for, none for what a sales rep did for no customer. `at` is when it happened
    as the portal says, `recorded_at` when the server learned of it; lists go by the latter. `consent` is the number of the
    consent under which it was written. The `actor` is kept without a name, which is that of its place whenever this is read.
    """

    entity: ClassVar = "activity"

    id: str
    store_id: str
    member_id: str
    customer_id: str | None = None
    type: str
    reference_type: str | None = None
    reference_id: str | None = None
    comment: str | None = None
    at: Instant
    recorded_at: Instant
    source: Literal["server", "portal"]
    actor: Party
    subject: Party
    consent: int


class Withdrawal(Entity):
    """One person's withdrawal of the consent with a number, the store's withdrawal number so-and-so.

    `since` is when that consent was given; None if what is withdrawn is no consent, which is when a `person` is erased who
    had given none. `erasing_since` is when erasing the activity began: from then on, what is left of it tells nothing any more.
    """

    entity: ClassVar = "withdrawal"

    number: int
    store_id: str
    member_id: str
    customer_id: str | None = None
    consent: int
    since: Instant | None = None
    at: Instant
    person: bool = False
    erasing_since: Instant | None = None


def may_be_kept(store: Store, member: Member) -> bool:
    """Tell whether what a member does may be written down: the store's setting is on, and the person allows it.

    Owners are asked for no consent, and what they do is never kept.
    """
    return store.track_activity and member.role is not Role.OWNER and member.allows_activity


def is_shown(activity: Activity, store: Store, member: Member | None) -> bool:
    """Tell whether an activity may be read: by the store's setting and the person's consent as both are now."""
    return member is not None and may_be_kept(store, member) and activity.consent == member.consent


def is_visible(activity: Activity, scope: Scope, customer: Customer | None) -> bool:
    """Tell whether whoever has a scope may see an activity; what was done for no customer is the owner's and one's own."""
    if activity.customer_id is None:
        return scope.reach == "store" or activity.member_id == scope.member_id
    return customer is not None and scope.covers(customer)


def kept_until(activity: Activity, store: Store) -> datetime:
    """Return when an activity is deleted by itself, as the store keeps them only for so long."""
    return activity.recorded_at + timedelta(days=store.activity_days)
