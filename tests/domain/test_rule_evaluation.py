"""Asking rules: in the right order, the same as an evaluator that knows nothing of ours, and with a reason that is true."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ruling import ALWAYS, AT, customer_of, money, order_of, reseller_of, rule_of, set_of
from tradepost.domain.clock import stamp
from tradepost.domain.people import SYSTEM
from tradepost.domain.resellers import ResellerStep
from tradepost.domain.rule_evaluation import all_matches, compiled, explain, first_match, in_order, matches
from tradepost.domain.rule_fields import CATALOGUE, OPERATORS, ORDER_FIELDS, Facts, RuleField, enrolment_facts, order_facts
from tradepost.domain.rules import RuleScope
from tradepost.domain.values import Money

RESELLER: Final = RuleScope(type="reseller", id="r1")
CHANNEL: Final = RuleScope(type="channel", id="ch1")

_WORDS: Final = st.sampled_from(["Blue", "blue", "BLUE door", "STRASSE", "straße", "door", "ue"])
_SAMPLES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "money": st.integers(-3, 3).map(money),
    "integer": st.integers(-3, 3),
    "string": _WORDS,
    "strings": _WORDS,
    "country": st.sampled_from(["DE", "SE", "AT"]),
    "boolean": st.booleans(),
    "instant": st.integers(-2, 2).map(lambda days: stamp(AT + timedelta(days=days))),
}


def _sample(field: RuleField) -> st.SearchStrategy[Any]:
    return st.sampled_from(field.choices) if field.type == "enum" else _SAMPLES[field.type]


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    """A comparison with any field and any of its operators."""
    field = draw(st.sampled_from(ORDER_FIELDS))
    op = draw(st.sampled_from(field.operators))
    condition: dict[str, Any] = {"field": field.name, "op": op}
    if op in {"exists", "missing"}:
        return condition
    if op in {"in", "not_in", "any_of", "all_of", "none_of"}:
        return {**condition, "value": draw(st.lists(_sample(field), min_size=1, max_size=3))}
    if op == "between":
        bounds = draw(st.lists(_sample(field), min_size=2, max_size=2))
        return {**condition, "value": sorted(bounds, key=lambda bound: bound["amount"] if isinstance(bound, dict) else bound)}
    return {**condition, "value": draw(_sample(field))}


def _grown(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda some: {"all": some}), several.map(lambda some: {"any": some}), parts.map(lambda part: {"not": part})
    )


conditions = st.recursive(st.one_of(comparisons(), st.just(ALWAYS)), _grown, max_leaves=8)


@st.composite
def known(draw: st.DrawFn) -> dict[str, Any]:
    """What is known, as JSON: of each field something, or nothing."""
    found = {}
    for field in ORDER_FIELDS:
        sample = st.lists(_WORDS, max_size=3) if field.type == "strings" else _sample(field)
        value = draw(st.one_of(st.none(), sample))
        if value is not None:
            found[field.name] = value
    return found


def _facts(known: Mapping[str, Any]) -> Facts:
    types = {field.name: field.type for field in ORDER_FIELDS}
    built: dict[str, Any] = {}
    for name, value in known.items():
        match types[name]:
            case "money":
                built[name] = Money(**value)
            case "instant":
                built[name] = datetime.fromisoformat(value)
            case "strings":
                built[name] = tuple(value)
            case _:
                built[name] = value
    return Facts(built)


def _known(field: str, known: Mapping[str, Any]) -> Any:
    """Return what is known of a field, or None: an empty list says nothing."""
    return None if known.get(field) == [] else known.get(field)


def _naive(condition: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Evaluate a condition with nothing of ours: JSON against JSON, told by what the operators are documented to mean."""
    if "always" in condition:
        return True
    if "not" in condition:
        return not _naive(condition["not"], known)
    if "all" in condition:
        return all(_naive(part, known) for part in condition["all"])
    if "any" in condition:
        return any(_naive(part, known) for part in condition["any"])
    op, value = condition["op"], condition.get("value")
    if _known(condition["field"], known) is None:
        return op in {"missing", "ne", "not_in", "none_of"}

    def plain(each: Any) -> Any:
        return each["amount"] if isinstance(each, dict) else each.casefold() if isinstance(each, str) else each

    actual: Any = known[condition["field"]]
    actual = [plain(each) for each in actual] if isinstance(actual, list) else plain(actual)
    value = [plain(each) for each in value] if isinstance(value, list) else plain(value)
    meanings: dict[str, Any] = {
        "exists": lambda: True,
        "missing": lambda: False,
        "eq": lambda: actual == value,
        "ne": lambda: not actual == value,  # noqa: SIM201  # spelled as it is documented
        "in": lambda: any(actual == each for each in value),
        "not_in": lambda: not any(actual == each for each in value),
        "lt": lambda: actual < value,
        "lte": lambda: not actual > value,
        "gt": lambda: actual > value,
        "gte": lambda: not actual < value,
        "between": lambda: not actual < value[0] and not actual > value[1],
        "contains": lambda: actual.find(value) >= 0,
        "starts_with": lambda: actual[: len(value)] == value,
        "ends_with": lambda: actual[-len(value) :] == value,
        "any_of": lambda: any(each in actual for each in value),
        "all_of": lambda: all(each in actual for each in value),
        "none_of": lambda: not any(each in actual for each in value),
    }
    return bool(meanings[op]())


@given(conditions, known())
def test_every_condition_comes_to_what_its_operators_are_documented_to_mean(condition: Any, known: dict[str, Any]) -> None:
    rule = rule_of(condition)
    facts = _facts(known)
    assert compiled("invoicing", rule.when)(facts) == _naive(condition, known)


@given(conditions, known())
def test_a_trace_tells_every_part_and_ends_in_what_was_decided(condition: Any, known: dict[str, Any]) -> None:
    rule, facts = rule_of(condition), _facts(known)
    trace = explain(rule, facts)
    assert trace[0]["result"] is matches(rule, facts)
    assert len({line["path"] for line in trace}) == len(trace)
    assert json.loads(json.dumps(trace)) == list(trace)
    for line in trace:
        part: Any = {"when": rule.when}
        for step in str(line["path"]).split("/")[1:]:
            part = part[int(step)] if isinstance(part, list) else part[step]
        assert line["result"] == _naive(part, known)
        if "field" in line:
            assert (line["expected"], line["actual"]) == (part.get("value"), _known(part["field"], known))


def test_the_properties_try_every_operator() -> None:
    assert {field.type for fields in CATALOGUE.values() for field in fields} == set(OPERATORS)
    assert set(OPERATORS) == {*_SAMPLES, "enum"}


def test_a_sellers_own_rules_come_before_the_channels_and_those_before_the_stores() -> None:
    own = set_of(rule_of(scope=RESELLER, priority=900, name="a"), rule_of(scope=RESELLER, priority=50, name="b"))
    channel = set_of(rule_of(scope=CHANNEL, priority=1, name="a"))
    store = set_of(rule_of(priority=0, name="b"), rule_of(priority=0, name="a"))
    asked = [rule.id for rule in in_order([store, channel, own], at=AT)]
    assert asked == [
        "invoicing.reseller.r1.b",
        "invoicing.reseller.r1.a",
        "invoicing.channel.ch1.a",
        "invoicing.store.a",
        "invoicing.store.b",
    ]


def test_only_rules_that_are_in_force_are_asked() -> None:
    hour = timedelta(hours=1)
    rules = set_of(
        rule_of(name="off", enabled=False),
        rule_of(name="over", valid_until=AT),
        rule_of(name="later", valid_from=AT + hour),
        rule_of(name="now", valid_from=AT, valid_until=AT + hour),
    )
    assert [rule.id for rule in in_order([rules], at=AT)] == ["invoicing.store.now"]


def test_the_first_match_decides_and_of_all_the_one_that_says_stop_is_the_last() -> None:
    never = {"not": ALWAYS}
    rules = [
        rule_of(never, name="1", stop=True),
        rule_of(name="2"),
        rule_of(name="3", stop=True),
        rule_of(name="4"),
    ]
    facts = Facts({})
    first = first_match(rules, facts)
    assert first is not None
    assert first.rule.id == "invoicing.store.2"
    assert first.trace == ({"path": "/when", "of": "always", "result": True},)
    assert [match.rule.id for match in all_matches(rules, facts)] == ["invoicing.store.2", "invoicing.store.3"]
    assert first_match(rules[:1], facts) is None
    assert all_matches(rules[:1], facts) == []


def test_a_draft_of_a_rule_is_not_taken_for_the_rule() -> None:
    rule = rule_of({"field": "order.lines", "op": "gt", "value": 2})
    facts = Facts({"order.lines": 2})
    assert not matches(rule, facts)
    draft = rule.model_copy(update={"when": {"field": "order.lines", "op": "gt", "value": 1}})
    assert matches(draft, facts)
    assert not matches(rule, facts)


def test_a_rule_about_a_field_that_is_no_more_is_no_rule_that_never_matches() -> None:
    rule = rule_of().model_copy(update={"when": {"field": "order.gone", "op": "missing"}, "version": 77})
    with pytest.raises(LookupError):
        matches(rule, Facts({}))


def test_a_long_text_is_cut_in_a_trace() -> None:
    rule = rule_of({"field": "answers.Why?", "op": "contains", "value": "because"}, kind="approval")
    (line,) = explain(rule, Facts({"answers.Why?": "because " * 500}))
    assert line["result"] is True
    assert len(str(line["actual"])) == 201


def test_an_orders_facts_are_those_of_the_catalogue() -> None:
    order = order_of(("A-1", 2, 1000), ("b-2", 3, 500))
    reseller, customer = reseller_of(status="active", channel_id="ch1"), customer_of(group_id="g1", tags=("VIP",))
    facts = order_facts(
        order, customer, reseller, weights={"A-1": 250, "B-2": None}, placed_before=4, at=AT, time_zone="Europe/Berlin"
    )
    names = {field.name for field in ORDER_FIELDS}
    assert set(facts.values) | {"order.destination_region", "reseller.tax_id"} | {"customer.price_tier_id"} == names
    expected = {
        "order.total": {"amount": 4090, "currency": "EUR"},
        "order.subtotal": {"amount": 3500, "currency": "EUR"},
        "order.lines": 2,
        "order.items": 5,
        "order.weight": 500,
        "order.weight_known": False,
        "order.product_numbers": ["A-1", "b-2"],
        "order.placed_hour": 10,
        "order.placed_weekday": 5,
        "reseller.age_days": 2,
        "reseller.order_count": 4,
        "reseller.has_tax_id": False,
        "reseller.tax_id": None,
        "reseller.email_domain": "bluedoor.test",
        "customer.price_tier_id": "t1",
        "customer.tags": ["VIP"],
    }
    assert {name: facts.shown(name) for name in expected} == expected


def test_nothing_is_known_of_what_is_empty() -> None:
    facts = Facts({"customer.tags": (), "reseller.tax_id": "", "order.destination_region": None})
    for name in ("customer.tags", "reseller.tax_id", "order.destination_region"):
        for op, holds in (("missing", True), ("exists", False)):
            rule = rule_of().model_copy(update={"when": {"field": name, "op": op}, "version": len(name) * 10 + holds})
            assert matches(rule, facts) is holds


def test_an_enrolments_facts_are_those_of_the_catalogue() -> None:
    denied = ResellerStep(at=AT, actor=SYSTEM, from_status="pending", to="denied")
    reseller = reseller_of(history=(denied,))
    facts = enrolment_facts(reseller, at=AT, time_zone="Europe/Berlin")
    names = {field.name for field in CATALOGUE["approval"] if "<" not in field.name}
    assert set(facts.values) - {"answers.Shops?"} == names - {"tax_id", "region"}
    expected = {
        "company": "Blue Door Ltd",
        "email_domain": "bluedoor.test",
        "country": "DE",
        "has_tax_id": False,
        "enrolled_at": "2026-11-18T09:29:00.000Z",
        "enrolled_hour": 10,
        "enrolled_weekday": 3,
        "age_hours": 48,
        "denials": 1,
        "answers.Shops?": "Three",
    }
    assert {name: facts.shown(name) for name in expected} == expected
    asked = {"field": "answers.Shops?", "op": "in", "value": ["two", "THREE"]}
    assert matches(rule_of(asked, kind="approval"), facts)
    young = {"field": "enrolled_at", "op": "gt", "value": stamp(datetime(2026, 11, 18, 9, tzinfo=UTC))}
    assert matches(rule_of(young, kind="approval", name="02"), facts)
