"""How many conditions a second are evaluated: ours, beside three engines from PyPI with the same rules and facts."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final, NamedTuple

import rule_engine  # type: ignore[import-untyped]  # it ships no types
import zen
from json_logic import jsonLogic  # type: ignore[import-untyped]  # it ships no types

from tradepost.domain.rule_evaluation import matches
from tradepost.domain.rule_fields import Facts
from tradepost.domain.rules import STORE_SCOPE, Condition, Rule, checked, rule_id_of
from tradepost.domain.values import Money

RULES: Final = 50
ORDERS: Final = 200
ROUNDS: Final = 5
_SEED: Final = 20261127
_COUNTRIES: Final = ("DE", "AT", "SE", "FR", "PL")
_NUMBERS: Final = tuple(f"A-{number}" for number in range(1, 13))
_SIGNS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

type Plain = Mapping[str, Any]
"""Facts as the others take them: amounts as whole numbers and texts folded already, which ours does by itself."""


class Engine(NamedTuple):
    """How an engine is asked: each rule was made ready before, facts come as they are."""

    name: str
    ask: Callable[[int, int], bool]


def time_rules() -> None:
    chance = random.Random(_SEED)  # noqa: S311  # the same rules each time, not a secret
    rules = [_rule(index, _condition(chance, depth=3)) for index in range(RULES)]
    orders = [_order(chance) for _ in range(ORDERS)]
    engines = [_tradepost(rules, orders), _rule_engine(rules, orders), _json_logic(rules, orders), _zen(rules, orders)]
    answers = [[engine.ask(rule, order) for order in range(ORDERS) for rule in range(RULES)] for engine in engines]
    if any(answer != answers[0] for answer in answers):
        raise AssertionError("the engines do not agree: their figures would mean nothing")
    print(f"\n  {'rules':28} {'evaluations/s':>14} {'ours, times as many':>20}")
    ours = 0.0
    for engine in engines:
        pace = _pace(engine)
        ours = ours or pace
        print(f"  {engine.name:28} {pace:>14,.0f} {ours / pace:>20.1f}")


def _pace(engine: Engine) -> float:
    best = 0.0
    for _ in range(ROUNDS):
        began = perf_counter()
        for order in range(ORDERS):
            for rule in range(RULES):
                engine.ask(rule, order)
        best = max(best, RULES * ORDERS / (perf_counter() - began))
    return best


def _tradepost(rules: Sequence[Rule], orders: Sequence[Plain]) -> Engine:
    known = [{**order, "order.total": Money(amount=order["order.total"], currency="EUR")} for order in orders]
    facts, asked = Facts({}), -1

    def ask(rule: int, order: int) -> bool:
        nonlocal facts, asked
        if order != asked:
            # As when an order is decided: its facts are made ready once, and then every rule is asked.
            facts, asked = Facts(known[order]), order
        return matches(rules[rule], facts)

    return Engine("Tradepost", ask)


def _rule_engine(rules: Sequence[Rule], orders: Sequence[Plain]) -> Engine:
    ready = [rule_engine.Rule(_expression(rule.when)) for rule in rules]
    known = [_flat(order) for order in orders]
    return Engine(f"rule-engine {rule_engine.__version__}", lambda rule, order: bool(ready[rule].matches(known[order])))


def _json_logic(rules: Sequence[Rule], orders: Sequence[Plain]) -> Engine:
    ready = [_logic(rule.when) for rule in rules]
    known = [_flat(order) for order in orders]
    return Engine("json-logic-qubit", lambda rule, order: bool(jsonLogic(ready[rule], known[order])))


def _zen(rules: Sequence[Rule], orders: Sequence[Plain]) -> Engine:
    ready = [zen.compile_expression(_expression(rule.when)) for rule in rules]
    known = [_flat(order) for order in orders]
    return Engine("zen-engine (Rust)", lambda rule, order: bool(ready[rule].evaluate(known[order])))


def _flat(order: Plain) -> dict[str, Any]:
    return {
        _name(name): [each.lower() for each in value] if isinstance(value, tuple) else _folded(value)
        for name, value in order.items()
    }


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _name(field: str) -> str:
    return field.replace(".", "_")


def _order(chance: random.Random) -> dict[str, Any]:
    numbers = chance.sample(_NUMBERS, chance.randint(1, 6))
    return {
        "order.total": chance.randint(100, 100_000),
        "order.lines": len(numbers),
        "order.weight": chance.randint(0, 30_000),
        "order.destination_country": chance.choice(_COUNTRIES),
        "order.product_numbers": tuple(numbers),
        "reseller.email_domain": chance.choice(("bluedoor.test", "GreenGate.test", "redroof.test")),
        "reseller.order_count": chance.randint(0, 50),
    }


def _condition(chance: random.Random, depth: int) -> dict[str, Any]:
    shape = chance.choice(("all", "any", "not", "compare", "compare")) if depth > 1 else "compare"
    if depth == 3:  # the outermost one: a rule of one comparison is the exception
        shape = chance.choice(("all", "any"))
    if shape == "not":
        return {"not": _condition(chance, depth - 1)}
    if shape in {"all", "any"}:
        return {shape: [_condition(chance, depth - 1) for _ in range(chance.randint(2, 4))]}
    field = chance.choice(
        ("order.total", "order.lines", "order.weight", "reseller.order_count", "country", "domain", "numbers")
    )
    match field:
        case "country":
            wanted = chance.sample(_COUNTRIES, chance.randint(1, 3))
            return {"field": "order.destination_country", "op": "in", "value": wanted}
        case "domain":
            return {"field": "reseller.email_domain", "op": chance.choice(("eq", "ne")), "value": "greengate.test"}
        case "numbers":
            return {"field": "order.product_numbers", "op": "any_of", "value": chance.sample(_NUMBERS, 3)}
    most = {"order.total": 100_000, "order.lines": 6, "order.weight": 30_000, "reseller.order_count": 50}[field]
    value: Any = chance.randint(0, most)
    value = {"amount": value, "currency": "EUR"} if field == "order.total" else value
    return {"field": field, "op": chance.choice(tuple(_SIGNS)), "value": value}


def _rule(index: int, when: Condition) -> Rule:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    draft = Rule.model_construct(
        id=rule_id_of("invoicing", STORE_SCOPE, f"{index:03}"),
        store_id="acme",
        version=1,
        kind="invoicing",
        scope=STORE_SCOPE,
        priority=index,
        when={},
        then=(),
        created_at=at,
        updated_at=at,
    )
    return checked(draft, {"when": when, "then": [{"action": "tax", "percent": 7}]}, currency="EUR")


def _value(condition: Condition) -> Any:
    value = condition["value"]
    if isinstance(value, dict):
        return value["amount"]
    return [_folded(each) for each in value] if isinstance(value, list) else _folded(value)


def _expression(condition: Condition) -> str:
    """Spell a condition as rule-engine and zen-engine both take it."""
    if "not" in condition:
        return f"not ({_expression(condition['not'])})"
    for group, word in (("all", " and "), ("any", " or ")):
        if group in condition:
            return word.join(f"({_expression(part)})" for part in condition[group])
    name, op, value = _name(condition["field"]), condition["op"], _value(condition)
    if op == "in":
        return f"{name} in [{', '.join(_quoted(each) for each in value)}]"
    if op == "any_of":
        return " or ".join(f"{_quoted(each)} in {name}" for each in value)
    return f"{name} {_SIGNS[op]} {_quoted(value)}"


def _quoted(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _logic(condition: Condition) -> Any:
    """Spell a condition as JsonLogic."""
    if "not" in condition:
        return {"!": [_logic(condition["not"])]}
    for group, word in (("all", "and"), ("any", "or")):
        if group in condition:
            return {word: [_logic(part) for part in condition[group]]}
    field, op, value = {"var": _name(condition["field"])}, condition["op"], _value(condition)
    if op == "in":
        return {"in": [field, value]}
    if op == "any_of":
        return {"or": [{"in": [each, field]} for each in value]}
    return {_SIGNS[op]: [field, value]}
