"""Trying a rule: what a store's rules come to for something that has happened, with the rule and without it.

A rule that is tried stands in the place it would have in the order of asking: instead of the stored rule of its id, or as one
more. It counts as enabled and in force. All others are the ones that hold now.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Self

from tradepost.domain.invoicing import Amount, InvoiceLine, invoice_lines
from tradepost.domain.orders import Order
from tradepost.domain.payments import CapturePlan, planned
from tradepost.domain.reseller_decisions import Approved, Denied, Ground, proposed
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_actions import Action, Approve, CaptureAfter, CaptureNow, CaptureOnShipment, Defer, Deny, Review
from tradepost.domain.rule_evaluation import Match, Trace, explain, in_order, matches
from tradepost.domain.rule_fields import Facts
from tradepost.domain.rules import Rule, RuleScope, RuleSet
from tradepost.domain.values import Instant, Value

type Decided = Literal["approve", "deny", "review", "capture_now", "capture_on_shipment", "capture_after", "defer"]


class AppliedAction(Value):
    """Something that a rule does."""

    rule_id: str
    rule_version: int
    action: Action


class Outcome(Value):
    """What the rules come to: for an approval or a payment what is decided, for an invoice its lines and their total.

    `reason` is that of the rule, or why somebody has to look at it although none says so. A payment that is captured at some
    time is so at `due_at`.
    """

    decision: Decided | None = None
    reason: str | None = None
    due_at: Instant | None = None
    actions: tuple[AppliedAction, ...] | None = None
    lines: tuple[InvoiceLine, ...] | None = None
    total: Amount | None = None

    @property
    def effect(self) -> object:
        """What comes of it, whichever rule it is by, and whatever words that has for it."""
        lines = None if self.lines is None else [(line.kind, line.amount) for line in self.lines]
        return self.decision, self.due_at, lines, self.total

    @property
    def in_short(self) -> Self:
        """It without what takes room."""
        return self.model_copy(update={"actions": None, "lines": None})


class Book(NamedTuple):
    """The rules that are asked about something, in order: as they are, and with the one that is tried.

    `applies` says whether the tried one is among them: a reseller's or channel's is not asked about others.
    """

    before: Sequence[Rule]
    after: Sequence[Rule]
    tried: Rule
    applies: bool


class Trial(NamedTuple):
    """What trying a rule on one thing has shown.

    `matched` is whether its condition holds, `decides` whether it has a part in what comes of it: an earlier rule may have
    decided already, or have said stop.
    """

    matched: bool
    decides: bool
    trace: Trace | None
    before: Outcome
    after: Outcome

    @property
    def changed(self) -> bool:
        """Whether the rule makes a difference."""
        return (self.before.effect, self.before.reason) != (self.after.effect, self.after.reason)


type Conclude = Callable[[Sequence[Rule]], Outcome]
"""What comes of the rules that matched."""


def as_tried(rule: Rule) -> Rule:
    """Return a rule as it is tried: in force."""
    return rule.model_copy(update={"enabled": True, "valid_from": None, "valid_until": None})


def is_for(scope: RuleScope, *, channel_id: str | None, reseller_id: str) -> bool:
    """Tell whether rules of a scope are asked about a reseller that is in a channel."""
    match scope.type:
        case "store":
            return True
        case "channel":
            return channel_id is not None and scope.id == channel_id
        case "reseller":
            return scope.id == reseller_id


def book_with(tried: Rule, sets: Iterable[RuleSet], *, applies: bool, at: datetime) -> Book:
    """Return the rules that are asked at an instant, without and with the one that is tried."""
    before = in_order(sets, at=at)
    if not applies:
        return Book(before, before, tried, applies)
    after = sorted([*(rule for rule in before if rule.id != tried.id), tried], key=lambda rule: rule.order)
    return Book(before, after, tried, applies)


def tried_on(facts: Facts, book: Book, conclude: Conclude) -> Trial:
    """Try a rule on something. Each rule is asked once, and only the one that is tried is asked for every reason."""
    held: dict[int, bool] = {}

    def holds(rule: Rule) -> bool:
        if id(rule) not in held:
            held[id(rule)] = matches(rule, facts)
        return held[id(rule)]

    before, after = _matching(book.before, holds), _matching(book.after, holds)
    return Trial(
        matched=book.applies and holds(book.tried),
        decides=any(rule is book.tried for rule in after),
        trace=explain(book.tried, facts) if book.applies else None,
        before=conclude(before),
        after=conclude(after),
    )


def _matching(rules: Sequence[Rule], holds: Callable[[Rule], bool]) -> list[Rule]:
    """Return the rules that decide: the first one that matches, or for invoices all, up to one that says stop."""
    found: list[Rule] = []
    for rule in rules:
        if holds(rule):
            found.append(rule)
            if rule.stop or rule.kind != "invoicing":
                break
    return found


def invoice_by(rules: Sequence[Rule], order: Order, *, credit_balance: int, weight: int) -> Outcome:
    """Return the invoice of an order by the rules that match it."""
    computed = invoice_lines(order, [Match(rule, ()) for rule in rules], credit_balance=credit_balance, weight=weight)
    return Outcome(actions=_applied(rules), lines=computed.lines, total=computed.total)


def capture_by(rules: Sequence[Rule], order: Order) -> Outcome:
    """Return when an order's payment is captured by the rule that matches it, or by its method where none does."""
    action = rules[0].then[0] if rules else None
    if isinstance(action, CaptureNow | CaptureOnShipment | CaptureAfter | Defer):
        days = action.days if isinstance(action, CaptureAfter) else 0
        plan = planned(action.action, at=order.placed_at, days=days)
    else:
        plan = planned("capture_now" if order.payment_kind == "instant" else "defer", at=order.placed_at)
    return Outcome(decision=plan.action, due_at=plan.due_at, actions=_applied(rules))


def captured_as(plan: CapturePlan, order: Order) -> Outcome:
    """Return how it was decided about an order's payment."""
    # What waits for the shipment is due from then on, by the same decision.
    due_at = order.placed_at if plan.action == "capture_now" else plan.due_at if plan.action == "capture_after" else None
    return Outcome(decision=plan.action, due_at=due_at)


def approval_by(rules: Sequence[Rule], *, channel_id: str | None) -> Outcome:
    """Return what automatic approval makes of an enrolment by the rule that matches it: it is approved where none does.

    `channel_id` is the channel that it would come into.
    """
    action = rules[0].then[0] if rules else None
    said = action if isinstance(action, Approve | Deny | Review) else None
    decision = proposed(said.action if said else None, Ground(said.reason if said else None), channel_id)
    names: dict[type, Decided] = {Approved: "approve", Denied: "deny"}
    return Outcome(decision=names.get(type(decision), "review"), reason=decision.ground.reason, actions=_applied(rules))


def as_it_enrolled(reseller: Reseller) -> Reseller:
    """Return a reseller as it was when it last came up for decision: pending, in the channel it was in before, if any."""
    steps = [index for index, step in enumerate(reseller.history) if step.to == "pending" and step.from_status != step.to]
    earlier = reseller.history[: steps[-1] + 1] if steps else ()
    had_channel = any(step.to == "approved" for step in earlier)
    return reseller.model_copy(
        update={
            "status": "pending",
            "history": earlier,
            "channel_id": reseller.channel_id if had_channel else None,
        }
    )


def decided_as(reseller: Reseller) -> Outcome:
    """Return what was decided about a reseller since it last came up for decision."""
    since = len(as_it_enrolled(reseller).history)
    names: dict[str, Decided] = {"approved": "approve", "denied": "deny"}
    for step in reseller.history[since:]:
        if step.to in names:
            return Outcome(decision=names[step.to], reason=step.reason)
    return Outcome(decision="review", reason=reseller.reason)


def _applied(rules: Iterable[Rule]) -> tuple[AppliedAction, ...]:
    return tuple(
        AppliedAction(rule_id=rule.id, rule_version=rule.version, action=action) for rule in rules for action in rule.then
    )
