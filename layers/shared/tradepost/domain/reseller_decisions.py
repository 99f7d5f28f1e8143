"""What can be decided about a reseller, which channel it comes into, and the customer that an approved one becomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from tradepost.domain.customers import Address, Customer, ResellerStatus
from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.ids import member_id
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.resellers import ACTIVATING, Reseller, ResellerStep
from tradepost.domain.stores import Store

type ResellerMove = Literal["approve", "deny", "suspend", "reinstate"]
type Trace = tuple[Mapping[str, object], ...]

TRANSITIONS: Final[Mapping[ResellerMove, frozenset[ResellerStatus]]] = {
    "approve": frozenset({"pending", "denied"}),
    "deny": frozenset({"pending"}),
    "suspend": frozenset({"approved", "active"}),
    "reinstate": frozenset({"suspended"}),
}
"""From which states each decision leads on. Whoever was denied may be approved after all, or apply once more."""
OUTCOMES: Final[Mapping[ResellerMove, frozenset[ResellerStatus]]] = {
    "approve": frozenset({"approved", "active"}),
    "deny": frozenset({"denied"}),
    "suspend": frozenset({"suspended"}),
    "reinstate": frozenset({"approved", "active"}),
}
"""What a reseller is once it was decided: deciding the same again changes nothing."""
CHANNEL_REQUIRED: Final = "channel_required"


class Ground(NamedTuple):
    """Why something was decided: in words or by a code, and the rule that did, with what it found."""

    reason: str | None = None
    rule_id: str | None = None
    rule_version: int | None = None
    trace: Trace | None = None


class Approved(NamedTuple):
    """It becomes a customer, in this channel."""

    channel_id: str
    ground: Ground = Ground()


class Denied(NamedTuple):
    """It is told that it does not."""

    ground: Ground = Ground()


class NeedsReview(NamedTuple):
    """It stays pending until somebody decides by hand."""

    ground: Ground


type Decision = Approved | Denied | NeedsReview


def allowed_transitions(status: ResellerStatus) -> list[ResellerMove]:
    """Return what can be decided about a reseller as it stands."""
    return [move for move, begin in TRANSITIONS.items() if status in begin]


def refuse_transition(reseller: Reseller, move: ResellerMove) -> None:
    """Refuse a decision that there is not to take. Raises `ConflictError`."""
    possible = allowed_transitions(reseller.status)
    if move not in possible:
        said = f"A reseller that is {reseller.status} cannot be moved by “{move}”."
        raise ConflictError("invalid_transition", said, reseller_status=reseller.status, allowed_transitions=possible)


def channel_by_hand(channel_ids: Sequence[str]) -> str:
    """Return the channel that an approval by hand assigns where it names none: the only one. Raises `InvalidError`.

    `channel_ids` are the store's, two at most.
    """
    if len(channel_ids) == 1:
        return channel_ids[0]
    said = "is required: the store has several channels" if channel_ids else "is required: create a reseller channel first"
    raise InvalidError(Fault("/channel_id", said), code=CHANNEL_REQUIRED)


def channel_by_itself(store: Store, channel_ids: Sequence[str]) -> str | None:
    """Return the channel that an automatic approval assigns: the store's default one, else the only one, else None."""
    return store.default_channel_id or (channel_ids[0] if len(channel_ids) == 1 else None)


def proposed(action: Literal["approve", "deny", "review"] | None, ground: Ground, channel_id: str | None) -> Decision:
    """Return what comes of what the rules say; where none says anything, whoever enrolled is approved.

    `channel_id` is the channel of an automatic approval: without one, somebody has to choose.
    """
    if action == "deny":
        return Denied(ground)
    if action == "review":
        return NeedsReview(ground)
    if channel_id is None:
        return NeedsReview(ground._replace(reason=CHANNEL_REQUIRED))
    return Approved(channel_id, ground)


def decided(reseller: Reseller, decision: Decision, *, by: Party, at: datetime) -> Reseller:
    """Return a reseller as a decision leaves it. Raises `ConflictError` where there is nothing to decide."""
    ground = decision.ground
    # What the rules found stays in view, whatever somebody decides by hand afterwards.
    fields: dict[str, object] = {"reason": ground.reason, "trace": reseller.trace if ground.trace is None else ground.trace}
    match decision:
        case Approved(channel_id=channel_id):
            refuse_transition(reseller, "approve")
            return _moved(reseller, "approved", by, at, ground, **fields, channel_id=channel_id, decided_by=by)
        case Denied():
            refuse_transition(reseller, "deny")
            return _moved(reseller, "denied", by, at, ground, **fields, decided_by=by)
        case NeedsReview():
            refuse_transition(reseller, "deny")
            return _moved(reseller, reseller.status, by, at, ground, **fields)


def suspended(reseller: Reseller, *, by: Party, at: datetime, reason: str | None) -> Reseller:
    """Return a reseller that cannot order until it is reinstated. Raises `ConflictError`."""
    refuse_transition(reseller, "suspend")
    return _moved(reseller, "suspended", by, at, Ground(reason), decided_by=by, reason=reason)


def reinstated(reseller: Reseller, *, by: Party, at: datetime, reason: str | None) -> Reseller:
    """Return a reseller as it was before it was suspended: active if it ever was. Raises `ConflictError`."""
    refuse_transition(reseller, "reinstate")
    back: ResellerStatus = "active" if reseller.activated_at else "approved"
    return _moved(reseller, back, by, at, Ground(reason), decided_by=by, reason=reason)


def activation(customer: Customer, source: str, *, by: Party, at: datetime) -> ResellerStep | None:
    """Return the step by which an order makes its customer an active reseller; None if it does not.

    The first order does, and only one that comes through the reseller's portal, the API or Inventory Source.
    """
    if customer.reseller is None or customer.reseller.status != "approved" or source not in ACTIVATING:
        return None
    return ResellerStep(at=at, actor=by, from_status="approved", to="active")


def into_channel(reseller: Reseller, channel_id: str) -> Reseller:
    """Return a reseller in another channel. Raises `ConflictError` for one that is in none yet."""
    if reseller.customer_id is None:
        raise ConflictError("reseller_not_approved", "A reseller comes into a channel when it is approved.")
    return reseller.model_copy(update={"channel_id": channel_id})


class Joined(NamedTuple):
    """An approved reseller, the customer that it is from now on, and the person who buys for it."""

    reseller: Reseller
    customer: Customer
    member: Member


def joined(  # each is drawn or chosen by somebody else
    reseller: Reseller, *, customer_id: str, address_id: str, number: str, group_id: str | None, at: datetime
) -> Joined:
    """Return what an approved reseller becomes: a customer under its own address, with its contact as administrator."""
    applied = reseller.application
    contact = applied.contact
    reseller = reseller.model_copy(update={"customer_id": customer_id})
    address = Address(**applied.address.model_dump(), id=address_id, default_billing=True, default_shipping=True)
    customer = Customer(
        id=customer_id,
        store_id=reseller.store_id,
        number=number,
        name=applied.company,
        contact_name=contact.name,
        email=contact.email,
        group_id=group_id,
        addresses=(address,),
        administrators={reseller.id: True},
        reseller=reseller.summary,
        created_at=at,
    )
    member = Member(
        id=member_id(reseller.store_id, reseller.id, customer_id),
        store_id=reseller.store_id,
        person=reseller.id,
        role=Role.BUYER,
        name=contact.name,
        email=contact.email,
        customer_id=customer_id,
        employee_role="admin",
        joined_at=at,
    )
    return Joined(reseller, customer, member)


def _moved(reseller: Reseller, to: ResellerStatus, by: Party, at: datetime, ground: Ground, /, **fields: object) -> Reseller:
    step = ResellerStep(
        at=at,
        actor=by,
        from_status=reseller.status,
        to=to,
        reason=ground.reason,
        rule_id=ground.rule_id,
        rule_version=ground.rule_version,
    )
    return reseller.model_copy(update={**fields, "status": to, "history": (*reseller.history, step)})
