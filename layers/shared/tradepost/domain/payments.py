"""Payments: what an order is paid by, how it moves from one state to the next, and what is due of it.

No state is reached but through `TRANSITIONS`. What a provider is asked for is written down before it is asked: a pending
operation ends by the provider's answer alone, whoever dies meanwhile, and is asked for again by the same key until then.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field

from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.orders import Order, Total
from tradepost.domain.people import SYSTEM, Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import PaymentProviderName, Store
from tradepost.domain.values import Entity, Instant, Value

MAX_OPERATIONS: Final = 100
"""How many operations people may order of one payment: far below what an item holds."""

type PaymentStatus = Literal[
    "not_authorised", "authorised", "paid", "deferred", "refunded", "declined", "refund_pending", "refund_failed"
]
type OperationKind = Literal["authorise", "capture", "refund", "void"]
type PaymentStep = OperationKind | Literal["defer", "close", "lapse", "revert_refund"]
type CaptureAction = Literal["capture_now", "capture_on_shipment", "capture_after", "defer"]
type PaymentEvent = Literal[
    "authorised",
    "captured",
    "refunded",
    "voided",
    "deferred",
    "closed",
    "lapsed",
    "refund_reverted",
    "refund_requested",
    "authorise_declined",
    "capture_declined",
    "refund_declined",
    "void_declined",
    "amended",
]


class PaymentTransition(NamedTuple):
    """A step of a payment: who may order it, from which states, and to which it leads.

    `by_hand` are further states from which a person notes money that came without any provider. While a provider has yet to
    answer, the payment is in the state `asked`, if that is one of its own; if it says no, in `declined`, or where it was.
    What `needs` no permission follows from the order, or is told by the provider.
    """

    needs: Permission | None
    sources: frozenset[PaymentStatus]
    targets: tuple[PaymentStatus, ...]
    by_hand: frozenset[PaymentStatus] = frozenset()
    asked: PaymentStatus | None = None
    declined: PaymentStatus | None = None


_OPEN: Final[frozenset[PaymentStatus]] = frozenset({"not_authorised", "deferred", "declined"})

TRANSITIONS: Final[Mapping[PaymentStep, PaymentTransition]] = {
    "defer": PaymentTransition(None, frozenset({"not_authorised"}), ("deferred",)),
    "authorise": PaymentTransition(Permission.AUTHORISE_PAYMENTS, _OPEN, ("authorised",), declined="declined"),
    "capture": PaymentTransition(
        Permission.MANAGE_BILLING, frozenset({"authorised"}), ("paid",), by_hand=_OPEN | {"paid"}, declined="declined"
    ),
    "refund": PaymentTransition(
        Permission.MANAGE_BILLING,
        frozenset({"paid", "refund_failed"}),
        ("refunded", "paid"),
        asked="refund_pending",
        declined="refund_failed",
    ),
    "void": PaymentTransition(None, frozenset({"authorised"}), ("not_authorised",)),
    "close": PaymentTransition(None, frozenset({"deferred", "declined"}), ("not_authorised",)),
    "lapse": PaymentTransition(None, frozenset({"authorised"}), ("not_authorised",)),
    "revert_refund": PaymentTransition(None, frozenset({"refunded", "paid", "refund_failed"}), ("refund_failed",)),
}
"""How payments move. What was captured or refunded in part stays `paid`: the amounts beside the state say how much."""

_EVENTS: Final[Mapping[PaymentStep, PaymentEvent]] = {
    "authorise": "authorised",
    "capture": "captured",
    "refund": "refunded",
    "void": "voided",
    "defer": "deferred",
    "close": "closed",
    "lapse": "lapsed",
    "revert_refund": "refund_reverted",
}
_REFUSED: Final[Mapping[OperationKind, PaymentEvent]] = {
    "authorise": "authorise_declined",
    "capture": "capture_declined",
    "refund": "refund_declined",
    "void": "void_declined",
}


class Succeeded(NamedTuple):
    """A provider has done what it was asked for; `reference` is what it calls it.

    `amount` is how much it says it captured, should somebody have asked it for another sum in its own pages; of an
    authorisation, how much was captured there already.
    """

    reference: str | None = None
    amount: int | None = None


class Declined(NamedTuple):
    """A provider has said no for good, and has done nothing; `reference` is what it calls that, if it calls it anything."""

    reason: str
    reference: str | None = None


class Unknown(NamedTuple):
    """Nobody knows whether a provider did it, or will: it has to be asked again. Never taken for a yes or a no.

    `crowded` says that it merely was too busy.
    """

    reason: str
    crowded: bool = False


type Outcome = Succeeded | Declined | Unknown


class CapturePlan(Value):
    """When a payment is captured: as a rule decided, or the payment method. `due_at` is when; null is not, for the present."""

    action: CaptureAction
    due_at: Instant | None = None
    rule_id: str | None = None
    rule_version: int | None = None
    trace: tuple[Mapping[str, object], ...] | None = None


class PendingOperation(Value):
    """What a provider is being asked for. `number` counts a payment's operations; `key` is by what it is asked, each time.

    `asked` is how often it has been asked so far, since `first_asked_at`: 0 means that it cannot have done anything yet.
    """

    kind: OperationKind
    number: int
    key: str
    amount: Total
    by: Party
    requested_at: Instant
    asked: int = 0
    first_asked_at: Instant | None = None
    note: str | None = None


class PaymentEntry(Value):
    """One step of a payment: who took it, and how much it was about. `reference` is what the provider calls it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    at: Instant
    actor: Party
    event: PaymentEvent
    from_status: Annotated[PaymentStatus, Field(alias="from")]
    to: PaymentStatus
    amount: Total | None = None
    note: str | None = None
    reference: str | None = None


class Payment(Entity):
    """The payment of an order, one for each: its id is the order's.

    `amount` is what the order comes to. Of it, so much was authorised, captured and refunded: refunded ≤ captured ≤
    authorised. `account` is the store's own at the provider, `method` what the payer pays by there, and `reference` what the
    provider calls the present authorisation.
    """

    entity: ClassVar = "payment"

    id: str
    store_id: str
    order_number: str
    customer_id: str
    customer_name: str
    provider: PaymentProviderName
    account: str | None = None
    method: str | None = None
    reference: str | None = None
    status: PaymentStatus = "not_authorised"
    amount: Total
    authorised: Total
    captured: Total
    refunded: Total
    capture: CapturePlan
    pending: PendingOperation | None = None
    operations: int = 0
    last_error: str | None = None
    created_at: Instant
    history: tuple[PaymentEntry, ...] = ()

    @property
    def order_id(self) -> str:
        """The order that it pays, which it shares its id with."""
        return self.id

    @property
    def is_by_hand(self) -> bool:
        """Whether money comes without any provider, and a person notes it."""
        return self.provider == "manual"

    @property
    def refundable(self) -> int:
        """How much of what was captured has not been refunded."""
        return self.captured.amount - self.refunded.amount

    @property
    def capturable(self) -> int:
        """How much may still be captured: by hand what is owed, otherwise what is authorised, and never more than is owed."""
        owed = self.amount.amount - self.captured.amount
        return max(owed if self.is_by_hand else min(owed, self.authorised.amount - self.captured.amount), 0)

    def of(self, amount: int) -> Total:
        """Return so much in the payment's currency."""
        return Total(amount=amount, currency=self.amount.currency)


def opened(order: Order, *, store: Store, capture: CapturePlan, at: datetime) -> Payment:
    """Open the payment of an order that was placed, through the provider that its store uses at present."""
    nothing = Total(amount=0, currency=order.total.currency)
    payment = Payment(
        id=order.id,
        store_id=order.store_id,
        order_number=order.number,
        customer_id=order.customer_id,
        customer_name=order.customer_name,
        provider=store.payment_provider,
        account=store.stripe_account if store.payment_provider == "stripe" else None,
        amount=order.total,
        authorised=nothing,
        captured=nothing,
        refunded=nothing,
        capture=capture,
        created_at=at,
    )
    return _moved(payment, "defer", "deferred", by=SYSTEM, at=at) if capture.action == "defer" else payment


def planned(
    action: CaptureAction,
    *,
    at: datetime,
    days: int = 0,
    rule_id: str | None = None,
    rule_version: int | None = None,
    trace: tuple[Mapping[str, object], ...] | None = None,
) -> CapturePlan:
    """Return when an order that is placed now is captured, by what was decided: at once, or after so many days."""
    due_at = {"capture_now": at, "capture_after": at + timedelta(days=days)}.get(action)
    return CapturePlan(action=action, due_at=due_at, rule_id=rule_id, rule_version=rule_version, trace=trace)


def amended(payment: Payment, amount: Total, *, at: datetime) -> Payment:
    """Let a payment follow its order, which comes to another sum now. What was captured beyond that is due to be refunded."""
    if amount == payment.amount:
        return payment
    authorised = payment.authorised
    if payment.is_by_hand and payment.status == "authorised":
        # What stands for money that is to come without a provider stands for all of it.
        authorised = payment.of(max(amount.amount, payment.captured.amount))
    moved = _noted(payment, "amended", payment.status, by=SYSTEM, at=at, amount=amount)
    return moved.model_copy(update={"amount": amount, "authorised": authorised})


def shipped(payment: Payment, *, at: datetime) -> Payment:
    """Let the order have been shipped, from when on it is captured what waited for that."""
    waits = payment.capture.action == "capture_on_shipment" and payment.capture.due_at is None
    capture = payment.capture.model_copy(update={"due_at": at})
    return payment.model_copy(update={"capture": capture}) if waits else payment


def cancelled(payment: Payment, *, at: datetime) -> Payment:
    """Let the order have been cancelled: nothing is owed any more. What was captured is due to be refunded, the rest to go."""
    payment = amended(payment, payment.of(0), at=at)
    payment = payment.model_copy(update={"capture": payment.capture.model_copy(update={"due_at": None})})
    return _closed(payment, at=at)


class Due(NamedTuple):
    """An operation that follows from the order without anybody's ordering it."""

    kind: OperationKind
    amount: int


def due(payment: Payment, *, at: datetime) -> Due | None:
    """Return what is to be done of a payment now, if nothing is pending; None if there is nothing.

    What failed is not tried again by itself, except after a new way to pay has been named.
    """
    surplus = payment.refundable - payment.amount.amount
    if payment.pending is not None:
        return None
    if payment.status == "paid" and surplus > 0:
        return Due("refund", surplus)
    if payment.amount.amount == 0:
        held = payment.status == "authorised" and payment.last_error is None
        return Due("void", payment.authorised.amount) if held else None
    may_ask = payment.is_by_hand or payment.method is not None
    if payment.status == "not_authorised" and may_ask and payment.capture.action != "defer":
        return Due("authorise", payment.amount.amount)
    is_time = payment.capture.due_at is not None and payment.capture.due_at <= at
    takes = payment.status == "authorised" or (payment.status == "paid" and payment.is_by_hand)
    return Due("capture", payment.capturable) if is_time and takes and payment.capturable else None


def next_due_at(payment: Payment, *, at: datetime) -> datetime | None:
    """Return when something is to be done of a payment next, by the clock alone; None if nothing is."""
    if payment.pending is not None or due(payment, at=at) is not None:
        return at
    later = payment.capture.due_at
    return later if later is not None and later > at and due(payment, at=later) is not None else None


def begun(payment: Payment, *, at: datetime) -> Payment:
    """Return a payment with what is due of it as its pending operation; the same one if nothing is."""
    found = due(payment, at=at)
    return payment if found is None else _requested(payment, found.kind, found.amount, by=SYSTEM, at=at)


def authorisation_requested(
    payment: Payment, method: str | None, *, grants: frozenset[Permission], by: Party, at: datetime
) -> Payment:
    """Have what is owed authorised, to be paid by `method`. Raises `ConflictError`, and `InvalidError` without a method."""
    if not _may_order(payment, "authorise", grants):
        raise ConflictError("paid_by_hand", "This store takes payments without a provider: it notes them itself.")
    _must_be_open_to(payment, "authorise")
    if payment.amount.amount == 0:
        raise ConflictError("nothing_owed", "Nothing is owed.")
    if not payment.is_by_hand and method is None:
        raise InvalidError(Fault("/payment_method", "is required: say what is paid by"), code="payment_method_required")
    payment = payment.model_copy(update={"method": None if payment.is_by_hand else method})
    return _requested(payment, "authorise", payment.amount.amount, by=by, at=at)


def capture_requested(payment: Payment, amount: int | None, *, by: Party, at: datetime) -> Payment:
    """Have so much captured, or all that may be. Raises `ConflictError`, and `InvalidError` for more than that."""
    _must_be_open_to(payment, "capture")
    if payment.capturable == 0:
        raise ConflictError("nothing_to_capture", "All that is owed and authorised has been captured.")
    wanted = payment.capturable if amount is None else amount
    if wanted > payment.capturable:
        said = f"is more than can be captured, which is {payment.capturable}"
        raise InvalidError(Fault("/amount/amount", said), code="beyond_authorised")
    return _requested(payment, "capture", wanted, by=by, at=at)


def refund_requested(payment: Payment, amount: int | None, *, reason: str, by: Party, at: datetime) -> Payment:
    """Have so much refunded, or all that was captured. Raises `ConflictError`, and `InvalidError` for more than that."""
    _must_be_open_to(payment, "refund")
    wanted = payment.refundable if amount is None else amount
    if wanted > payment.refundable:
        said = f"is more than can be refunded, which is {payment.refundable}"
        raise InvalidError(Fault("/amount/amount", said), code="beyond_captured")
    return _requested(payment, "refund", wanted, by=by, at=at, note=reason)


def steps_from(payment: Payment, grants: frozenset[Permission]) -> list[PaymentStep]:
    """Return the steps of a payment that somebody may order now."""
    return [step for step in TRANSITIONS if _may_order(payment, step, grants) and _is_open_to(payment, step)]


def asked(payment: Payment, *, at: datetime) -> Payment:
    """Note that the provider is about to be asked for what is pending: from here on it may have done it."""
    operation = payment.pending
    if operation is None:
        raise LookupError("nothing is pending")
    once_more = {"asked": operation.asked + 1, "first_asked_at": operation.first_asked_at or at}
    return payment.model_copy(update={"pending": operation.model_copy(update=once_more)})


def concluded(payment: Payment, outcome: Outcome, *, at: datetime) -> Payment:
    """End the pending operation by what the provider says; what it does not say leaves it pending."""
    operation = payment.pending
    if operation is None:
        raise LookupError("nothing is pending")
    if isinstance(outcome, Unknown):
        return payment.model_copy(update={"last_error": outcome.reason})
    payment = payment.model_copy(update={"pending": None})
    if isinstance(outcome, Declined):
        refused = _refused(payment, operation, outcome, at=at)
        # Its order was cancelled while the provider was asked: nothing is owed that could be paid by another card.
        return refused if refused.amount.amount else _closed(refused, at=at)
    if operation.kind == "authorise":
        held = _succeeded(payment, operation, outcome.reference, at=at)
        return captured_elsewhere(held, outcome.amount or 0, reference=outcome.reference or "", at=at)
    if outcome.amount is not None:
        operation = operation.model_copy(update={"amount": payment.of(outcome.amount)})
    return _succeeded(payment, operation, outcome.reference, at=at)


def lapsed(payment: Payment, *, reference: str, at: datetime) -> Payment:
    """Let an authorisation be over, which the provider released by itself: cards hold money for a few days only.

    It shows as the payment's last error, since what is owed needs another authorisation now.
    """
    gone = payment.pending is None and payment.status == "authorised" and payment.reference == reference
    if not gone:
        return payment
    moved = _moved(payment, "lapse", "not_authorised", by=SYSTEM, at=at, amount=payment.authorised, reference=reference)
    gone_with_it = {"authorised": payment.captured, "reference": None, "method": None, "last_error": "authorisation_lapsed"}
    return moved.model_copy(update=gone_with_it)


def captured_elsewhere(payment: Payment, amount: int, *, reference: str, at: datetime) -> Payment:
    """Let so much have been captured in the provider's own pages, not through us."""
    new = payment.pending is None and payment.status == "authorised" and payment.reference == reference
    if not new or not 0 < amount <= payment.authorised.amount:
        return payment
    all_of_it = payment.of(amount)
    moved = _moved(payment, "capture", "paid", by=SYSTEM, at=at, amount=all_of_it, reference=reference)
    return moved.model_copy(update={"captured": all_of_it, "authorised": all_of_it})


def refunded_after_all(payment: Payment, amount: int, *, refund: str, at: datetime) -> Payment:
    """Let a refund have come about that nobody waited for any more. Each counts once."""
    known = any(entry.reference == refund for entry in payment.history)
    open_to = payment.pending is None and payment.status in {"paid", "refund_failed"}
    if known or not open_to or not 0 < amount <= payment.refundable:
        return payment
    refunded = payment.of(payment.refunded.amount + amount)
    status = _after_refund(payment, refunded)
    moved = _moved(payment, "refund", status, by=SYSTEM, at=at, amount=payment.of(amount), reference=refund)
    return moved.model_copy(update={"refunded": refunded})


def refund_reverted(payment: Payment, *, refund: str, reason: str, at: datetime) -> Payment:
    """Let a refund have failed that was taken for done: the payer's bank sent it back. Each fails once."""
    told = [entry for entry in payment.history if entry.reference == refund]
    if payment.pending is not None or [entry.event for entry in told] != ["refunded"] or told[0].amount is None:
        return payment
    if payment.status not in TRANSITIONS["revert_refund"].sources:
        return payment
    back = told[0].amount
    moved = _moved(payment, "revert_refund", "refund_failed", by=SYSTEM, at=at, amount=back, note=reason, reference=refund)
    left = payment.of(payment.refunded.amount - back.amount)
    return moved.model_copy(update={"refunded": left, "last_error": reason})


def operation_key(store_id: str, payment_id: str, number: int) -> str:
    """Return by what a provider is asked for an operation: the same each time, and another for each operation."""
    return f"tradepost.{store_id}.{payment_id}.{number}"


def _may_order(payment: Payment, step: PaymentStep, grants: frozenset[Permission]) -> bool:
    """Tell whether somebody may ever order a step: where money comes without a provider, the store's people alone note it."""
    needs = Permission.MANAGE_BILLING if payment.is_by_hand and step == "authorise" else TRANSITIONS[step].needs
    return needs is not None and needs in grants


def _is_open_to(payment: Payment, step: PaymentStep) -> bool:
    transition = TRANSITIONS[step]
    sources = transition.sources | (transition.by_hand if payment.is_by_hand else frozenset())
    if payment.pending is not None or payment.status not in sources:
        return False
    match step:
        case "authorise":
            return payment.amount.amount > 0
        case "capture":
            return payment.capturable > 0
        case "refund":
            return payment.refundable > 0
    return True


def _must_be_open_to(payment: Payment, step: OperationKind) -> None:
    if payment.pending is not None:
        said = f"The provider has yet to answer to “{payment.pending.kind}”. It is asked until it does."
        raise ConflictError("operation_pending", said, pending=payment.pending.kind)
    if payment.operations >= MAX_OPERATIONS:
        raise ConflictError("too_many_operations", "So much has been done with this payment that it can only be looked at.")
    transition = TRANSITIONS[step]
    sources = transition.sources | (transition.by_hand if payment.is_by_hand else frozenset())
    if payment.status not in sources:
        said = f"A payment that is {payment.status.replace('_', ' ')} takes no “{step}”."
        raise ConflictError("invalid_transition", said, payment_status=payment.status)


def _requested(
    payment: Payment, kind: OperationKind, amount: int, *, by: Party, at: datetime, note: str | None = None
) -> Payment:
    number = payment.operations + 1
    operation = PendingOperation(
        kind=kind,
        number=number,
        key=operation_key(payment.store_id, payment.id, number),
        amount=payment.of(amount),
        by=by,
        requested_at=at,
        note=note,
    )
    waiting = TRANSITIONS[kind].asked
    if waiting is not None:
        payment = _noted(payment, "refund_requested", waiting, by=by, at=at, amount=operation.amount, note=note)
    return payment.model_copy(update={"pending": operation, "operations": number, "last_error": None})


def _succeeded(payment: Payment, operation: PendingOperation, reference: str | None, *, at: datetime) -> Payment:
    amount, change = operation.amount.amount, dict[str, object]()
    status: PaymentStatus
    match operation.kind:
        case "authorise":
            status = "authorised"
            change = {"authorised": operation.amount, "reference": reference}
        case "capture":
            status = "paid"
            captured = payment.of(payment.captured.amount + amount)
            # What a provider is not asked for with the first capture, it releases.
            owed = max(payment.amount.amount, captured.amount)
            change = {"captured": captured, "authorised": payment.of(owed) if payment.is_by_hand else captured}
        case "refund":
            refunded = payment.of(payment.refunded.amount + amount)
            status = _after_refund(payment, refunded)
            change = {"refunded": refunded}
        case "void":
            status = "not_authorised"
            change = {"authorised": payment.captured, "reference": None, "method": None}
    named = reference or payment.reference
    moved = _noted(
        payment,
        _EVENTS[operation.kind],
        status,
        by=operation.by,
        at=at,
        amount=operation.amount,
        reference=named,
        note=operation.note,
    )
    return _sound(moved.model_copy(update={**change, "last_error": None}))


def _refused(payment: Payment, operation: PendingOperation, outcome: Declined, *, at: datetime) -> Payment:
    status = TRANSITIONS[operation.kind].declined or payment.status
    moved = _noted(
        payment,
        _REFUSED[operation.kind],
        status,
        by=operation.by,
        at=at,
        amount=operation.amount,
        note=outcome.reason,
        reference=outcome.reference,
    )
    change: dict[str, object] = {"last_error": outcome.reason}
    if status == "declined":
        # It takes another authorisation, and another way to pay.
        change |= {"authorised": payment.captured, "reference": None, "method": None}
    return moved.model_copy(update=change)


def _closed(payment: Payment, *, at: datetime) -> Payment:
    closes = payment.pending is None and payment.status in TRANSITIONS["close"].sources
    return _moved(payment, "close", "not_authorised", by=SYSTEM, at=at) if closes else payment


def _after_refund(payment: Payment, refunded: Total) -> PaymentStatus:
    return "refunded" if refunded.amount >= payment.captured.amount else "paid"


def _moved(
    payment: Payment,
    step: PaymentStep,
    to: PaymentStatus,
    *,
    by: Party,
    at: datetime,
    amount: Total | None = None,
    note: str | None = None,
    reference: str | None = None,
) -> Payment:
    return _noted(payment, _EVENTS[step], to, by=by, at=at, amount=amount, note=note, reference=reference)


def _noted(
    payment: Payment,
    event: PaymentEvent,
    to: PaymentStatus,
    *,
    by: Party,
    at: datetime,
    amount: Total | None = None,
    note: str | None = None,
    reference: str | None = None,
) -> Payment:
    entry = PaymentEntry(
        at=at, actor=by, event=event, from_status=payment.status, to=to, amount=amount, note=note, reference=reference
    )
    return payment.model_copy(update={"status": to, "history": (*payment.history, entry)})


def _sound(payment: Payment) -> Payment:
    if not 0 <= payment.refunded.amount <= payment.captured.amount <= payment.authorised.amount:
        raise ValueError(f"payment {payment.id} does not add up")
    return payment
