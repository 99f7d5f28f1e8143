"""POST /v1/rules/dry-run: try a rule on past orders or enrolments, before it is switched on. Nothing is written."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, StrictInt

from tradepost.domain.billing import BillingState, Invoice
from tradepost.domain.customers import ResellerSummary
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.orders import Order
from tradepost.domain.payments import Payment
from tradepost.domain.permissions import Permission
from tradepost.domain.reseller_decisions import channel_by_itself
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_evaluation import Trace
from tradepost.domain.rule_fields import RuleKind, enrolment_facts
from tradepost.domain.rule_trials import (
    Outcome,
    Trial,
    approval_by,
    as_it_enrolled,
    as_tried,
    book_with,
    capture_by,
    captured_as,
    decided_as,
    invoice_by,
    is_for,
    tried_on,
)
from tradepost.domain.rules import Rule, RuleSet, split_rule_id
from tradepost.domain.stores import ResellerChannel
from tradepost.domain.values import Instant, Reference, Value
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.rules import RuleDraft, drafted
from tradepost.table.credits import credit_balance_key, find_balance
from tradepost.table.invoices import billing_state_key, invoice_key
from tradepost.table.order_facts import Ordered, find_ordered, latest_of_resellers, what_is_known
from tradepost.table.orders import order_key
from tradepost.table.payments import payment_key
from tradepost.table.reading import Reader
from tradepost.table.resellers import Wanted, list_resellers, reseller_key
from tradepost.table.rules import rule_key, rule_set_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import list_key, some_channels

app = make_app()

MOST_LATEST: Final = 500
MOST_NAMED: Final = 100
DETAILED: Final = 100
"""How many items are told with every detail at most. The others can be asked for by their ids."""
DETAILED_BYTES: Final = 3 * 1024 * 1024
"""How large the details may be together: an answer of a function has 6 MB at most."""
SECONDS: Final = 18
"""How long it goes on. What it does not come to is skipped: a client waits for 29 seconds at most."""
_PAGES: Final = 10

type SubjectIds = Annotated[tuple[Reference, ...], Field(min_length=1, max_length=MOST_NAMED)]
type TrialSkipReason = Literal["not_found", "not_of_a_reseller", "unconfirmed", "out_of_time"]


class TriedDraft(RuleDraft):
    """A rule as it would be sent to be made, or changed: with the `id` of a stored one, it stands in its place."""

    id: Reference | None = None


class DryRun(Value):
    """What is tried, and on what: a draft or a stored rule, on the latest so many (100 by default) or on those named.

    Approval rules are tried on resellers, all others on orders.
    """

    rule: TriedDraft | None = None
    rule_id: Reference | None = None
    latest: Annotated[StrictInt, Field(ge=1, le=MOST_LATEST)] | None = None
    order_ids: SubjectIds | None = None
    reseller_ids: SubjectIds | None = None


class TrialAnswer(Answer):
    """What the rules come to for one order or reseller, without (`before`) and with the tried rule (`after`).

    `applies` is false where the rule is for other resellers. `matched` says whether its condition holds, condition by
    condition in `trace`, and `decides` whether it has a part in `after`: an earlier rule may have decided, or have said stop.
    `actual` is what really was decided or billed, as far as anything was, and `differs` whether `after` is something else.
    Items that are not `detailed` leave out traces, actions and lines.
    """

    type: Literal["order", "reseller"]
    id: str
    number: str | None
    name: str
    at: Annotated[Instant, Field(description="When the order was placed, or the reseller enrolled.")]
    applies: bool
    matched: bool
    decides: bool
    changed: bool
    trace: Annotated[Trace | None, Field(description="Every condition: its path, what was expected and found, the result.")]
    before: Outcome
    after: Outcome
    actual: Outcome | None
    invoice_id: Annotated[str | None, Field(description="The invoice that `actual` is.")]
    differs: bool | None
    detailed: bool


class Skipped(Answer):
    """Something that the rule was not tried on."""

    id: str
    reason: TrialSkipReason


class DryRunAnswer(Answer):
    """What trying a rule has shown. `rule_id` is what it is called in `actions` and `lines`; a draft has version 0.

    `looked_at` counts the orders or resellers that were looked through for the latest ones that the rule can be for.
    """

    rule_id: str
    kind: RuleKind
    items: list[TrialAnswer]
    tried: int
    matched: int
    changed: int
    differing: int
    skipped: list[Skipped]
    looked_at: int


class _Subject(NamedTuple):
    """Something that a rule is tried on: what it is, and what trying it there comes to."""

    shown: Mapping[str, Any]
    trial: Trial
    actual: Outcome | None
    invoice_id: str | None = None


def _named(ask: Ask) -> list[Key]:
    """Name what is read with the caller; a body that is none needs nothing."""
    try:
        sent = DryRun.model_validate_json(ask.body)
    except ValueError:
        return []
    return _keys(sent, ask.store)


def _keys(sent: DryRun, store_id: str) -> list[Key]:
    rule_id = sent.rule.id if sent.rule else sent.rule_id
    named = split_rule_id(rule_id or "")
    scopes = [*([sent.rule.scope] if sent.rule else []), *([named.scope] if named else [])]
    return [
        *([rule_key(store_id, rule_id)] if rule_id else []),
        *(list_key(ResellerChannel, store_id, scope.id) for scope in scopes if scope.type == "channel" and scope.id),
        *(reseller_key(store_id, scope.id) for scope in scopes if scope.type == "reseller" and scope.id),
        *(order_key(store_id, order_id) for order_id in sent.order_ids or ()),
        *(reseller_key(store_id, reseller_id) for reseller_id in sent.reseller_ids or ()),
    ]


@app.post("/v1/rules/dry-run", allow=Permission.MANAGE_RULES, idempotent=False, reads=_named)
def try_rule(sent: DryRun, caller: Caller) -> DryRunAnswer:
    """Try a rule on past orders or enrolments: what the store's rules come to without it, and with it. Writes nothing.

    The rule is tried as if it were enabled and in force, beside all the others that hold now; a stored one is also tried where
    it is in force already, or from another version of it (`rule` with its `id`). Orders are as they are, at the instant of
    their placing; resellers as they are now, or for approvals as they came up for decision. Each is tried by itself, with the
    credit balance of now and what its own invoice used of it.
    """
    deadline = time.monotonic() + SECONDS
    _check(sent)
    rule = _rule(sent, caller)
    _check_ids(sent, rule.kind)
    skipped: list[Skipped] = []
    try_on = _on_resellers if rule.kind == "approval" else _on_orders
    subjects, looked_at = try_on(rule, sent, caller, skipped, deadline)
    items = list(_items(subjects))
    return DryRunAnswer(
        rule_id=rule.id,
        kind=rule.kind,
        items=items,
        tried=len(items),
        matched=sum(item.matched for item in items),
        changed=sum(item.changed for item in items),
        differing=sum(item.differs is True for item in items),
        skipped=skipped,
        looked_at=looked_at,
    )


def _check(sent: DryRun) -> None:
    """Refuse what does not say which rule is tried, or on what. Raises `InvalidError`."""
    if (sent.rule is None) == (sent.rule_id is None):
        raise InvalidError(Fault("/rule", "is required, or the rule_id of a stored one; not both"))
    given = [name for name in ("latest", "order_ids", "reseller_ids") if getattr(sent, name) is not None]
    if len(given) > 1:
        raise InvalidError(*(Fault(f"/{name}", "goes by itself: latest, order_ids or reseller_ids") for name in given))


def _check_ids(sent: DryRun, kind: RuleKind) -> None:
    """Refuse ids of what rules of a kind are not about. Raises `InvalidError`."""
    if kind == "approval" and sent.order_ids is not None:
        raise InvalidError(Fault("/order_ids", "are for rules about orders: approval rules take reseller_ids"))
    if kind != "approval" and sent.reseller_ids is not None:
        raise InvalidError(Fault("/reseller_ids", "are for approval rules: this kind of rule takes order_ids"))


def _rule(sent: DryRun, caller: CallerInfo) -> Rule:
    """Return the rule that is tried. Raises `InvalidError` for a draft that could not be stored, `NotFoundError`."""
    reader, store = caller.reader, caller.store
    reader.fetch(_keys(sent, store.id))
    if sent.rule is None:
        return as_tried(reader.get(rule_key(store.id, sent.rule_id or ""), Rule))
    rule = drafted(sent.rule, store, at=caller.at, pointer="/rule")
    scope = rule.scope
    if scope.type == "channel" and reader.record(list_key(ResellerChannel, store.id, scope.id or "")) is None:
        raise InvalidError(Fault("/rule/scope/id", "is not a reseller channel of this store"), code="unknown_reseller_channel")
    if scope.type == "reseller" and reader.record(reseller_key(store.id, scope.id or "")) is None:
        raise InvalidError(Fault("/rule/scope/id", "is not a reseller of this store"), code="unknown_reseller")
    if sent.rule.id is None:
        return as_tried(rule)
    stored = reader.get(rule_key(store.id, sent.rule.id), Rule)
    for name in ("kind", "scope"):
        if getattr(rule, name) != getattr(stored, name):
            raise InvalidError(Fault(f"/rule/{name}", "stays what it is in the stored rule: leave out the id"))
    return as_tried(rule.model_copy(update={"id": stored.id, "created_at": stored.created_at}))


class _Sets:
    """The rules that are in force, each set taken apart once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.known: dict[Key, RuleSet | None] = {}

    def of(self, keys: Sequence[Key]) -> list[RuleSet]:
        """Return those sets that there are."""
        self.reader.fetch(keys)
        for key in keys:
            if key not in self.known:
                self.known[key] = self.reader.find(key, RuleSet)
        return [found for key in keys if (found := self.known[key]) is not None]

    def all(self) -> list[RuleSet]:
        """Return all that were asked for."""
        return [found for found in self.known.values() if found is not None]


def _on_orders(
    rule: Rule, sent: DryRun, caller: CallerInfo, skipped: list[Skipped], deadline: float
) -> tuple[list[_Subject], int]:
    """Try a rule on orders: those named, or the latest of resellers that it can be for."""
    reader, store = caller.reader, caller.store
    orders, looked_at = _orders(rule, sent, caller, skipped)

    def along(order: Order, summary: ResellerSummary) -> list[Key]:
        """Name what is read of each order besides."""
        sets = rule_set_keys(store.id, rule.kind, summary.channel_id, summary.id)
        if rule.kind == "payment_capture":
            return [*sets, payment_key(store.id, order.id)]
        return [*sets, billing_state_key(store.id, order.id), credit_balance_key(store.id, summary.id)]

    ordered = find_ordered(reader, store.id, orders, along=along)
    skipped += [Skipped(id=order.id, reason="not_of_a_reseller") for order in orders if order.id not in ordered]
    sets = _Sets(reader)
    asked = {id_: sets.of(_sets_for(rule.kind, store.id, each.reseller)) for id_, each in ordered.items()}
    known = what_is_known(reader, store, list(ordered.values()), sets.all(), rule)
    happened = _captured(reader, ordered.values()) if rule.kind == "payment_capture" else _invoiced(reader, ordered.values())
    subjects: list[_Subject] = []
    for id_, each in ordered.items():
        if time.monotonic() > deadline:
            skipped.append(Skipped(id=id_, reason="out_of_time"))
            continue
        order, reseller = each.order, each.reseller
        actual, invoice = happened.get(id_, (None, None))
        balance = find_balance(reader, store.id, reseller.id) + (invoice.credit_used.amount if invoice else 0)

        def conclude(
            rules: Sequence[Rule], order: Order = order, balance: int = balance, weight: int = known[id_].weight
        ) -> Outcome:
            if rule.kind == "payment_capture":
                return capture_by(rules, order)
            return invoice_by(rules, order, credit_balance=balance, weight=weight)

        applies = is_for(rule.scope, channel_id=reseller.channel_id, reseller_id=reseller.id)
        trial = tried_on(known[id_].facts, book_with(rule, asked[id_], applies=applies, at=caller.at), conclude)
        shown = {"type": "order", "id": id_, "number": order.number, "name": order.customer_name, "at": order.placed_at}
        subjects.append(_Subject({**shown, "applies": applies}, trial, actual, invoice.id if invoice else None))
    return subjects, looked_at


def _orders(rule: Rule, sent: DryRun, caller: CallerInfo, skipped: list[Skipped]) -> tuple[list[Order], int]:
    reader, store_id = caller.reader, caller.store.id
    if sent.order_ids is not None:
        named = dict.fromkeys(sent.order_ids)
        found = {id_: reader.find(order_key(store_id, id_), Order) for id_ in named}
        skipped += [Skipped(id=id_, reason="not_found") for id_, order in found.items() if order is None]
        return [order for order in found.values() if order], len(named)
    customer_id = None
    if rule.scope.type == "reseller":
        reseller = reader.get(reseller_key(store_id, rule.scope.id or ""), Reseller)
        if reseller.customer_id is None:
            return [], 0
        customer_id = reseller.customer_id
    looked = latest_of_resellers(
        reader,
        store_id,
        sent.latest or DETAILED,
        whose=lambda summary: is_for(rule.scope, channel_id=summary.channel_id, reseller_id=summary.id),
        customer_id=customer_id,
    )
    return looked.orders, looked.looked_at


def _sets_for(kind: RuleKind, store_id: str, reseller: Reseller) -> list[Key]:
    # An approval is decided before there is a channel.
    return rule_set_keys(store_id, kind, None if kind == "approval" else reseller.channel_id, reseller.id)


type _Happened = Mapping[str, tuple[Outcome, Invoice | None]]
"""What became of orders, by their ids, and by which invoice."""


def _captured(reader: Reader, ordered: Iterable[Ordered]) -> _Happened:
    """Return how it was decided about the payments of some orders."""
    payments = {each.order: reader.find(payment_key(each.order.store_id, each.order.id), Payment) for each in ordered}
    return {order.id: (captured_as(payment.capture, order), None) for order, payment in payments.items() if payment}


def _invoiced(reader: Reader, ordered: Iterable[Ordered]) -> _Happened:
    """Return the invoices of some orders that have not been taken back."""
    keys: dict[str, Key] = {}
    for order, *_ in ordered:
        state = reader.find(billing_state_key(order.store_id, order.id), BillingState)
        if state and state.invoice_id:
            keys[order.id] = invoice_key(order.store_id, state.invoice_id)
    reader.fetch(keys.values())
    found = {order_id: reader.find(key, Invoice) for order_id, key in keys.items()}
    return {
        order_id: (Outcome(lines=invoice.lines, total=invoice.total), invoice) for order_id, invoice in found.items() if invoice
    }


def _on_resellers(
    rule: Rule, sent: DryRun, caller: CallerInfo, skipped: list[Skipped], deadline: float
) -> tuple[list[_Subject], int]:
    """Try a rule on enrolments: those of the resellers named, or the latest that it can be for."""
    reader, store = caller.reader, caller.store
    resellers, looked_at = _resellers(rule, sent, caller, skipped)
    reader.fetch(key for reseller in resellers for key in _sets_for("approval", store.id, reseller))
    channel_id = channel_by_itself(store, [] if store.default_channel_id else some_channels(store.id))
    sets = _Sets(reader)
    subjects: list[_Subject] = []
    for reseller in resellers:
        if time.monotonic() > deadline:
            skipped.append(Skipped(id=reseller.id, reason="out_of_time"))
            continue
        at = reseller.confirmed_at or reseller.enrolled_at
        facts = enrolment_facts(as_it_enrolled(reseller), at=at, time_zone=store.time_zone)
        applies = is_for(rule.scope, channel_id=None, reseller_id=reseller.id)
        book = book_with(rule, sets.of(_sets_for("approval", store.id, reseller)), applies=applies, at=caller.at)
        trial = tried_on(facts, book, lambda rules: approval_by(rules, channel_id=channel_id))
        name, at = reseller.application.company, reseller.enrolled_at
        shown = {"type": "reseller", "id": reseller.id, "number": None, "name": name, "at": at, "applies": applies}
        subjects.append(_Subject(shown, trial, decided_as(reseller)))
    return subjects, looked_at


def _resellers(rule: Rule, sent: DryRun, caller: CallerInfo, skipped: list[Skipped]) -> tuple[list[Reseller], int]:
    reader, store_id = caller.reader, caller.store.id
    named = sent.reseller_ids
    if named is None and rule.scope.type == "reseller":
        named = (rule.scope.id or "",)
    if named is not None:
        found = {id_: reader.find(reseller_key(store_id, id_), Reseller) for id_ in dict.fromkeys(named)}
        skipped += [Skipped(id=id_, reason="not_found") for id_, each in found.items() if each is None]
        confirmed = [each for each in found.values() if each and each.status != "unconfirmed"]
        skipped += [Skipped(id=each.id, reason="unconfirmed") for each in found.values() if each and each not in confirmed]
        return confirmed, len(found)
    wanted, after = sent.latest or DETAILED, None
    resellers: list[Reseller] = []
    for _ in range(_PAGES):
        rows = list_resellers(store_id, Wanted(), limit=wanted - len(resellers), after=after)
        resellers += [row.load(Reseller) for row in rows.records]
        after = rows.next_position
        if after is None or len(resellers) >= wanted:
            break
    return resellers, len(resellers)


def _items(subjects: Iterable[_Subject]) -> Iterator[TrialAnswer]:
    """Show what was tried, in every detail as far as there is room."""
    room = DETAILED_BYTES
    for index, subject in enumerate(subjects):
        item = _item(subject)
        size = len(item.model_dump_json().encode()) if index < DETAILED else 0
        if index < DETAILED and size <= room:
            room -= size
            yield item
        else:
            yield _in_short(item)


def _item(subject: _Subject) -> TrialAnswer:
    trial, actual = subject.trial, subject.actual
    return TrialAnswer.model_validate(
        {
            **subject.shown,
            "matched": trial.matched,
            "decides": trial.decides,
            "changed": trial.changed,
            "trace": trial.trace,
            "before": trial.before,
            "after": trial.after,
            "actual": actual,
            "invoice_id": subject.invoice_id,
            "differs": None if actual is None else trial.after.effect != actual.effect,
            "detailed": True,
        }
    )


def _in_short(item: TrialAnswer) -> TrialAnswer:
    return item.model_copy(
        update={
            "trace": None,
            "before": item.before.in_short,
            "after": item.after.in_short,
            "actual": item.actual and item.actual.in_short,
            "detailed": False,
        }
    )


handler = app.handler
