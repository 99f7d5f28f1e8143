"""Asking the rules: which of them match, in which order, and why, condition by condition.

A condition is compiled to closures once and then asked as often as there are facts. Where nothing is known of a field, no
comparison with it holds but `missing`, `ne`, `not_in` and `none_of`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tradepost.domain.rule_fields import Facts, RuleField, RuleKind, field_of
from tradepost.domain.rules import Condition, Rule, RuleSet, comparable_value, parts_of

MAX_COMPILED: Final = 2000
_SHOWN: Final = 200
"""How much of a text a trace shows."""

type Check = Callable[[Facts], bool]
type Trace = tuple[Mapping[str, object], ...]
"""What every part of a rule's condition came to, each as JSON has it.

A comparison is a line of `path`, `field`, `op`, `expected`, `actual` and `result`, and all others are `path`, `of` (such as
`all`) and `result`. Every part is asked for it, also where the others decide already.
"""


class Match(NamedTuple):
    """A rule that matched, and why."""

    rule: Rule
    trace: Trace


class _Compiled(NamedTuple):
    when: Condition
    check: Check


_compiled: Final[dict[tuple[str, str, int], _Compiled]] = {}


def in_order(sets: Iterable[RuleSet], *, at: datetime) -> list[Rule]:
    """Return the rules that hold at an instant, in the order in which they are asked.

    A reseller's own come before its channel's, and those before the store's; within a scope, the lower priority comes first.
    """
    rules = [rule for rules in sets for rule in rules.rules if rule.holds_at(at)]
    return sorted(rules, key=lambda rule: rule.order)


def first_match(rules: Iterable[Rule], facts: Facts) -> Match | None:
    """Return the first rule that matches, of some in order; None if none does."""
    found = next((rule for rule in rules if matches(rule, facts)), None)
    return None if found is None else Match(found, explain(found, facts))


def all_matches(rules: Iterable[Rule], facts: Facts) -> list[Match]:
    """Return all rules that match, of some in order, up to one that says stop, which is the last."""
    found: list[Match] = []
    for rule in rules:
        if matches(rule, facts):
            found.append(Match(rule, explain(rule, facts)))
            if rule.stop:
                break
    return found


def matches(rule: Rule, facts: Facts) -> bool:
    """Tell whether a rule's condition holds. It is compiled when it is first asked."""
    key = (rule.store_id, rule.id, rule.version)
    known = _compiled.get(key)
    # A draft may have the version of what it is a draft of: it is the same only if it says the same.
    if known is not None and (known.when is rule.when or known.when == rule.when):
        return known.check(facts)
    if len(_compiled) >= MAX_COMPILED:
        _compiled.clear()
    check = compiled(rule.kind, rule.when)
    _compiled[key] = _Compiled(rule.when, check)
    return check(facts)


def explain(rule: Rule, facts: Facts) -> Trace:
    """Return what every part of a rule's condition comes to, the whole one first."""
    lines: list[Mapping[str, object]] = []
    _explain(rule.kind, rule.when, "/when", facts, lines)
    return tuple(lines)


def compiled(kind: RuleKind, condition: Condition) -> Check:
    """Turn a condition, as `written_condition` returns it, into what is asked."""
    if "always" in condition:
        return lambda _: True
    if "not" in condition:
        return _none_of([compiled(kind, condition["not"])])
    if "all" in condition:
        return _all_of([compiled(kind, part) for part in condition["all"]])
    if "any" in condition:
        return _any_of([compiled(kind, part) for part in condition["any"]])
    return _comparison(_known_field(kind, condition["field"]), condition)


def _known_field(kind: RuleKind, name: str) -> RuleField:
    field = field_of(kind, name)
    if field is None:
        raise LookupError("a stored rule asks about a field that is not in the catalogue any more")
    return field


def _all_of(checks: Sequence[Check]) -> Check:
    def holds(facts: Facts) -> bool:
        for check in checks:  # noqa: SIM110  # half the time of all(): no generator is made
            if not check(facts):
                return False
        return True

    return holds


def _any_of(checks: Sequence[Check]) -> Check:
    def holds(facts: Facts) -> bool:
        for check in checks:  # noqa: SIM110  # half the time of any(): no generator is made
            if check(facts):
                return True
        return False

    return holds


def _none_of(checks: Sequence[Check]) -> Check:
    holds = _any_of(checks)
    return lambda facts: not holds(facts)


def _comparison(field: RuleField, condition: Condition) -> Check:
    name, op = field.name, condition["op"]
    if op == "exists":
        return lambda facts: facts.comparable[name] is not None
    if op == "missing":
        return lambda facts: facts.comparable[name] is None
    value = condition["value"]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _with_several(name, op, [comparable_value(field, each) for each in value])
    return _with_one(name, op, comparable_value(field, value))


def _with_one(name: str, op: str, one: Any) -> Check:
    """Compare what is known with one value. What is not known, None, is no value, and so another one than any."""
    checks: dict[str, Check] = {
        "eq": lambda facts: facts.comparable[name] == one,
        "ne": lambda facts: facts.comparable[name] != one,
        "lt": lambda facts: (actual := facts.comparable[name]) is not None and actual < one,
        "lte": lambda facts: (actual := facts.comparable[name]) is not None and actual <= one,
        "gt": lambda facts: (actual := facts.comparable[name]) is not None and actual > one,
        "gte": lambda facts: (actual := facts.comparable[name]) is not None and actual >= one,
        "contains": lambda facts: (actual := facts.comparable[name]) is not None and one in actual,
        "starts_with": lambda facts: (actual := facts.comparable[name]) is not None and actual.startswith(one),
        "ends_with": lambda facts: (actual := facts.comparable[name]) is not None and actual.endswith(one),
    }
    return checks[op]


def _with_several(name: str, op: str, several: list[Any]) -> Check:
    """Compare what is known with several values: those of a list, or with `between` the least and the most."""
    wanted, least, most = frozenset(several), several[0], several[-1]
    checks: dict[str, Check] = {
        "between": lambda facts: (actual := facts.comparable[name]) is not None and least <= actual <= most,
        "in": lambda facts: facts.comparable[name] in wanted,
        "not_in": lambda facts: facts.comparable[name] not in wanted,
        "any_of": lambda facts: (actual := facts.comparable[name]) is not None and not wanted.isdisjoint(actual),
        "all_of": lambda facts: (actual := facts.comparable[name]) is not None and wanted <= actual,
        "none_of": lambda facts: (actual := facts.comparable[name]) is None or wanted.isdisjoint(actual),
    }
    return checks[op]


def _explain(kind: RuleKind, condition: Condition, path: str, facts: Facts, lines: list[Mapping[str, object]]) -> bool:
    """Add the line of a condition, and those of its parts after it; returns what it comes to."""
    if "field" in condition:
        result = compiled(kind, condition)(facts)
        lines.append(
            {
                "path": path,
                "field": condition["field"],
                "op": condition["op"],
                "expected": condition.get("value"),
                "actual": _cut(facts.shown(condition["field"])),
                "result": result,
            }
        )
        return result
    group = next(iter(condition))
    place = len(lines)
    lines.append({})
    results = [_explain(kind, part, at, facts, lines) for part, at in parts_of(condition, path)]
    result = any(results) if group == "any" else not any(results) if group == "not" else all(results)
    lines[place] = {"path": path, "of": group, "result": result}
    return result


def _cut(shown: object) -> object:
    if isinstance(shown, list):
        return [_cut(each) for each in shown]
    return f"{shown[:_SHOWN]}…" if isinstance(shown, str) and len(shown) > _SHOWN else shown
