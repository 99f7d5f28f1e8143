"""/v1/payments: what was paid of which order, and by whom it is authorised, captured and given back."""

from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import Field, StrictInt

from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.outbox import PaymentRun
from tradepost.domain.payments import (
    TRANSITIONS,
    CaptureAction,
    OperationKind,
    Payment,
    PaymentEntry,
    PaymentStatus,
    PaymentStep,
    authorisation_requested,
    capture_requested,
    refund_requested,
    steps_from,
)
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import PaymentProviderName
from tradepost.domain.values import Day, Instant, Money, Price, Text, Value
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.payments.keeping import keep
from tradepost.table.payments import Wanted, get_payment, list_payments, payment_keys
from tradepost.table.shapes import Key

app = make_app()


class PaymentTransitionAnswer(Answer):
    """A step that a payment can make: from which states, to which, and who orders it."""

    step: PaymentStep
    sources: list[PaymentStatus]
    by_hand: Annotated[list[PaymentStatus], Field(description="Further ones, where the store takes money without a provider.")]
    asked: Annotated[PaymentStatus | None, Field(description="Its state until the provider answers; null is as before.")]
    targets: list[PaymentStatus]
    declined: Annotated[PaymentStatus | None, Field(description="Its state if the provider refuses; null is as before.")]
    needs: Annotated[str | None, Field(description="The permission it needs; null follows from the order or the provider.")]


class PaymentTransitions(Answer):
    """All steps that payments can make."""

    items: list[PaymentTransitionAnswer]


class CaptureAnswer(Answer):
    """When a payment is captured, and which rule says so; null is not, for the present. The trace is for the store alone."""

    action: CaptureAction
    due_at: Instant | None
    rule_id: str | None
    rule_version: int | None
    trace: list[dict[str, object]] | None


class PendingAnswer(Answer):
    """What the provider is being asked for, and how often it has been so far. It is asked until it answers."""

    kind: OperationKind
    amount: Money
    requested_at: Instant
    asked: int


class PaymentAnswer(Answer):
    """The payment of an order. Of its amount, so much was authorised, captured and refunded.

    What was captured or refunded in part is `paid`. While `pending` is not null, the provider has yet to answer.
    """

    id: str
    order_id: str
    order_number: str
    customer_id: str
    customer_name: str
    provider: PaymentProviderName
    status: PaymentStatus
    amount: Money
    authorised: Money
    captured: Money
    refunded: Money
    capture: CaptureAnswer
    pending: PendingAnswer | None
    last_error: Annotated[str | None, Field(description="Why the last operation was refused, or is still pending.")]
    allowed_transitions: Annotated[list[PaymentStep], Field(description="The steps that are open to you now.")]
    created_at: Instant
    history: tuple[PaymentEntry, ...]
    etag: str


class Authorisation(Value):
    """By what is paid: the id of a PaymentMethod that Stripe's own form on the client made. No card number ever comes here."""

    payment_method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,100}$")] | None = None


class PositivePrice(Price):
    """An amount that is more than nothing."""

    amount: Annotated[StrictInt, Field(ge=1, le=10**15)]


class Capture(Value):
    """How much to capture; everything that is authorised, if it is not said."""

    amount: PositivePrice | None = None


class RefundOrder(Value):
    """How much to give back, everything that was captured if it is not said; and why."""

    amount: PositivePrice | None = None
    reason: Text


def _named(ask: Ask) -> list[Key]:
    return payment_keys(ask.store, ask.path["payment_id"])


def _answer(payment: Payment, caller: Caller) -> PaymentAnswer:
    shown = {name: getattr(payment, name) for name in PaymentAnswer.model_fields if hasattr(payment, name)}
    is_staff = Permission.MANAGE_BILLING in caller.grants
    capture = {**dict(payment.capture), "trace": payment.capture.trace if is_staff else None}
    allowed = steps_from(payment, caller.grants)
    return PaymentAnswer.model_validate({**shown, "capture": capture, "allowed_transitions": allowed})


@app.get("/v1/payment-transitions", allow=Permission.BROWSE_PAYMENTS)
def list_payment_transitions(caller: Caller) -> PaymentTransitions:
    """List the steps that payments can make. What you may do with one at present is with it, as `allowed_transitions`."""
    items = [
        PaymentTransitionAnswer(
            step=step,
            sources=sorted(each.sources),
            by_hand=sorted(each.by_hand),
            asked=each.asked,
            targets=list(each.targets),
            declined=each.declined,
            needs=each.needs,
        )
        for step, each in TRANSITIONS.items()
    ]
    return PaymentTransitions(items=items)


@app.get("/v1/payments", allow=Permission.BROWSE_PAYMENTS)
def list_payments_in_scope(  # one argument for each parameter of the query
    caller: Caller,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    order_id: Annotated[str | None, Query(max_length=120)] = None,
    status: Annotated[PaymentStatus | None, Query()] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PaymentAnswer]:
    """List payments, the newest first: all of the store's for its owner, a customer's own for its buyers.

    A filtered page may hold fewer than `limit` and still have a next one.
    """
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store = caller.store
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = Wanted(customer_id, order_id, status, begin, end)
    bound = ("payments", store.id, *(None if each is None else str(each) for each in (*astuple(caller.scope), *wanted)))
    found, following = list_payments(caller.reader, caller.scope, wanted, limit=limit, after=read_cursor(cursor, *bound))
    return Page(items=[_answer(each, caller) for each in found], next_cursor=make_cursor(following, *bound))


@app.get("/v1/payments/<payment_id>", allow=Permission.BROWSE_PAYMENTS, reads=_named)
def show_payment(payment_id: str, caller: Caller) -> PaymentAnswer:
    """Show a payment, whose id is its order's."""
    return _answer(get_payment(caller.reader, caller.scope, payment_id), caller)


@app.post("/v1/payments/<payment_id>/authorise", allow=Permission.AUTHORISE_PAYMENTS, reads=_named)
def authorise_payment(payment_id: str, caller: Caller, wanted: Annotated[Authorisation | None, Body()] = None) -> PaymentAnswer:
    """Have what is owed held on the payer's card, to be captured when the store's rules say so.

    The payer names a Stripe PaymentMethod, once; a store that notes money by hand needs none. Where the provider has to be
    asked, the answer shows the operation as `pending`. Ordered again while it is, the provider is asked again.
    """
    method = wanted.payment_method if wanted else None

    def request(payment: Payment) -> Payment:
        return authorisation_requested(payment, method, grants=caller.grants, by=caller.actor, at=caller.at)

    def repeats(payment: Payment) -> bool:
        return method in {None, payment.method}

    return _order(payment_id, "authorise", caller, request, repeats)


@app.post("/v1/payments/<payment_id>/capture", allow=Permission.MANAGE_BILLING, reads=_named)
def capture_payment(payment_id: str, caller: Caller, wanted: Annotated[Capture | None, Body()] = None) -> PaymentAnswer:
    """Take what is authorised, or a part of it, whose rest is released; or, without a provider, note money that came.

    Where the provider has to be asked, the answer shows the operation as `pending`. Ordered again while it is, the provider
    is asked again, and takes it once.
    """
    amount = wanted.amount if wanted else None

    def request(payment: Payment) -> Payment:
        return capture_requested(payment, _minor(amount, payment), by=caller.actor, at=caller.at)

    return _order(payment_id, "capture", caller, request, partial(_is_about, amount))


@app.post("/v1/payments/<payment_id>/refund", allow=Permission.MANAGE_BILLING, reads=_named)
def refund_payment(payment_id: str, wanted: RefundOrder, caller: Caller) -> PaymentAnswer:
    """Give back what was captured, or a part of it; or, without a provider, note money that went back.

    Where the provider has to be asked, it is `refund_pending` until that answers. Ordered again while it is, the provider is
    asked again, and gives it back once.
    """

    def request(payment: Payment) -> Payment:
        amount = _minor(wanted.amount, payment)
        return refund_requested(payment, amount, reason=wanted.reason, by=caller.actor, at=caller.at)

    return _order(payment_id, "refund", caller, request, partial(_is_about, wanted.amount))


def _minor(amount: Price | None, payment: Payment) -> int | None:
    """Return an amount in the payment's currency. Raises `InvalidError` for one in another."""
    if amount is None:
        return None
    if amount.currency != payment.amount.currency:
        said = f"must be in {payment.amount.currency}, the currency of the order"
        raise InvalidError(Fault("/amount/currency", said), code="wrong_currency")
    return amount.amount


def _is_about(amount: Price | None, payment: Payment) -> bool:
    return amount is None or (payment.pending is not None and payment.pending.amount == payment.of(amount.amount))


def _order(
    payment_id: str,
    kind: Literal["authorise", "capture", "refund"],
    caller: Caller,
    request: Callable[[Payment], Payment],
    repeats: Callable[[Payment], bool],
) -> PaymentAnswer:
    return caller.decided(partial(_ordered, payment_id, kind, caller, request, repeats))


def _ordered(
    payment_id: str,
    kind: Literal["authorise", "capture", "refund"],
    caller: Caller,
    request: Callable[[Payment], Payment],
    repeats: Callable[[Payment], bool],
) -> PaymentAnswer:
    caller.reader.fetch(payment_keys(caller.store.id, payment_id))
    before = caller.match(get_payment(caller.reader, caller.scope, payment_id))
    tx = caller.transaction()
    if before.pending is not None and before.pending.kind == kind and repeats(before):
        # It is being asked for: whoever orders it once more only wants that to go on.
        tx.announce(PaymentRun(store_id=before.store_id, payment_id=before.id))
        tx.audit(f"payment:{kind}_repeated", before.id)
        return tx.commit_answering(_answer(before, caller))
    payment = keep(tx, request(before))
    tx.audit(f"payment:{kind}_ordered", payment.id, before=before.status, after=payment.status)
    return tx.commit_answering(_answer(payment, caller))


handler = app.handler
