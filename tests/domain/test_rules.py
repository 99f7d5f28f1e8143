"""What a rule may say: whatever is wrong with one is told with its place, and a huge one is refused before it costs much."""

import json
import sys
from typing import Any

import pytest

from tests.support.ruling import ALWAYS, money, rule_of, set_of
from tradepost.domain.errors import ConflictError, InvalidError
from tradepost.domain.rule_actions import CaptureAfter, DropshipFee, Shipping, Tax, amount_for, basis_points
from tradepost.domain.rule_fields import RuleKind
from tradepost.domain.rules import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_RULE_BYTES,
    MAX_RULES,
    STORE_SCOPE,
    RuleScope,
    rule_id_of,
    split_rule_id,
)

LINES = {"field": "order.lines", "op": "gte", "value": 2}


def _refusal(when: object = ALWAYS, **fields: Any) -> tuple[str, list[str]]:
    with pytest.raises(InvalidError) as refused:
        rule_of(when, **fields)
    return refused.value.code, [fault.pointer for fault in refused.value.faults]


def _nested(depth: int) -> dict[str, Any]:
    condition: dict[str, Any] = ALWAYS
    for _ in range(depth - 1):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"field": "order.lines", "op": "gte", "value": 2.0}, "value"),
        ({"field": "order.lines", "op": "gte", "value": float("nan")}, "value"),
        ({"field": "order.lines", "op": "gte", "value": float("inf")}, "value"),
        ({"field": "order.lines", "op": "gte", "value": True}, "value"),
        ({"field": "order.lines", "op": "gte", "value": "2"}, "value"),
        ({"field": "order.lines", "op": "gte", "value": None}, "value"),
        ({"field": "order.lines", "op": "gte", "value": 10**16}, "value"),
        ({"field": "order.lines", "op": "gte"}, "value"),
        ({"field": "order.lines", "op": "exists", "value": 1}, "value"),
        ({"field": "order.lines", "op": "in", "value": 1}, "value"),
        ({"field": "order.lines", "op": "in", "value": []}, "value"),
        ({"field": "order.lines", "op": "in", "value": [1] * 101}, "value"),
        ({"field": "order.lines", "op": "in", "value": [1, "2"]}, "value/1"),
        ({"field": "order.lines", "op": "between", "value": [1]}, "value"),
        ({"field": "order.lines", "op": "between", "value": [2, 1]}, "value"),
        ({"field": "order.total", "op": "lt", "value": 500}, "value"),
        ({"field": "order.total", "op": "lt", "value": {"amount": 5.5, "currency": "EUR"}}, "value/amount"),
        ({"field": "order.total", "op": "lt", "value": {**money(5), "more": 1}}, "value"),
        ({"field": "order.placed_at", "op": "lt", "value": "2026-11-20"}, "value"),
        ({"field": "order.placed_at", "op": "lt", "value": "0001-01-01T00:00:00+14:00"}, "value"),
        ({"field": "order.placed_at", "op": "lt", "value": 5}, "value"),
        ({"field": "order.source", "op": "eq", "value": "fax"}, "value"),
        ({"field": "order.destination_country", "op": "eq", "value": "XX"}, "value"),
        ({"field": "order.weight_known", "op": "eq", "value": 1}, "value"),
        ({"field": "reseller.company", "op": "eq", "value": "x" * 201}, "value"),
        ({"field": "reseller.company", "op": "eq", "value": " "}, "value"),
        ({"field": "reseller.company", "op": "eq", "value": "\u202e"}, "value"),
        ({"field": "reseller.company", "op": "eq", "value": {"deep": [{}]}}, "value"),
        ({"field": "order.product_numbers", "op": "any_of", "value": [["A"]]}, "value/0"),
        ({**LINES, "more": 1}, "more"),
        ({**LINES, "a/b~c": 1}, "a~1b~0c"),
        ({"always": False}, "always"),
        ({"always": 1}, "always"),
        ({"all": []}, "all"),
        ({"any": {}}, "any"),
        ({"all": [ALWAYS] * 101}, "all"),
        ({"all": [ALWAYS], "any": [ALWAYS]}, "any"),
        ({"not": []}, "not"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:60],
)
def test_a_mistake_is_told_with_its_place(value: object, place: str) -> None:
    code, pointers = _refusal({"all": [LINES, {"any": [ALWAYS, value]}]})
    assert (code, pointers) == ("invalid", [f"/when/all/1/any/1/{place}"])


@pytest.mark.parametrize("value", [None, 5, "always", [], {}, {"value": 5}])
def test_what_is_no_condition_at_all_is_told_where_it_stands(value: object) -> None:
    assert _refusal({"all": [LINES, value]}) == ("invalid", ["/when/all/1"])


def test_unknown_fields_and_operators_are_told_by_kind_and_type() -> None:
    assert _refusal({"field": "order.colour", "op": "eq", "value": 1}) == ("unknown_field", ["/when/field"])
    assert _refusal({"field": ["x"], "op": "eq", "value": 1}) == ("unknown_field", ["/when/field"])
    assert _refusal({"op": "eq"}) == ("unknown_field", ["/when/field"])
    assert _refusal({"field": "order.total", "op": "exists"}, kind="approval") == ("unknown_field", ["/when/field"])
    assert _refusal({"field": "company", "op": "exists"}) == ("unknown_field", ["/when/field"])
    assert _refusal({"field": "answers.", "op": "exists"}, kind="approval") == ("unknown_field", ["/when/field"])
    assert _refusal({"field": "order.lines", "op": "contains", "value": "2"}) == ("unknown_operator", ["/when/op"])
    assert _refusal({"field": "order.lines", "op": ["eq"], "value": 2}) == ("unknown_operator", ["/when/op"])
    assert rule_of({"field": "answers.Shops?", "op": "exists"}, kind="approval").when["field"] == "answers.Shops?"


def test_money_of_another_currency_is_refused_in_conditions_and_in_actions() -> None:
    when = {"not": {"field": "order.total", "op": "between", "value": [money(1), money(5, "USD")]}}
    tiers = [{"up_to_grams": 100, "amount": money(1, "USD")}, {"amount": money(2)}]
    then = [
        {"action": "dropship_fee", "tiers": tiers},
        {"action": "shipping", "mode": "passed_on", "free_above": money(1, "SEK")},
    ]
    assert _refusal(when, then=then) == (
        "wrong_currency",
        ["/when/not/value/1/currency", "/then/0/tiers/0/amount/currency", "/then/1/free_above/currency"],
    )


def test_a_rule_is_as_deep_and_as_large_as_it_may_be() -> None:
    rule_of(_nested(MAX_DEPTH))
    assert _refusal(_nested(MAX_DEPTH + 1)) == ("rule_too_large", ["/when" + "/not" * MAX_DEPTH])
    groups = [{"any": [ALWAYS] * 98}, {"any": [ALWAYS] * 98}]
    rule_of({"all": [*groups, ALWAYS]})
    assert MAX_NODES == 1 + 2 * 99 + 1
    assert _refusal({"all": [*groups, ALWAYS, ALWAYS]}) == ("rule_too_large", ["/when/all/0/any"])
    text = {"field": "reseller.company", "op": "in", "value": ["x" * 200] * 100}
    assert MAX_RULE_BYTES < 4 * 20_000
    assert _refusal({"any": [text] * 4}) == ("rule_too_large", ["/when"])


@pytest.mark.parametrize(
    "huge",
    [
        _nested(10_000),
        {"all": [ALWAYS] * 10_000},
        {"any": [{"all": [ALWAYS] * 100} for _ in range(100)]},
    ],
    ids=["deep", "wide", "bushy"],
)
def test_a_huge_rule_is_refused_without_looking_all_through_it(huge: object) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        code, _ = _refusal(huge)
    finally:
        sys.setprofile(None)
    assert code == "rule_too_large"
    assert calls < 1_000


@pytest.mark.parametrize(
    ("kind", "action", "place"),
    [
        ("approval", {"action": "tax", "percent": 5}, "/action"),
        ("approval", {"action": "deny", "reason": "\u202e"}, "/reason"),
        ("approval", "approve", ""),
        ("approval", {}, "/action"),
        ("payment_capture", {"action": "capture_after"}, "/days"),
        ("payment_capture", {"action": "capture_after", "days": 0}, "/days"),
        ("payment_capture", {"action": "capture_after", "days": 1.0}, "/days"),
        ("payment_capture", {"action": "defer", "days": 1}, "/days"),
        ("invoicing", {"action": ["tax"]}, "/action"),
        ("invoicing", {"action": "tax", "percent": 7.5}, "/percent"),
        ("invoicing", {"action": "tax", "percent": "7.505"}, "/percent"),
        ("invoicing", {"action": "tax", "percent": "100.01"}, "/percent"),
        ("invoicing", {"action": "tax", "percent": -1}, "/percent"),
        ("invoicing", {"action": "tax", "percent": True}, "/percent"),
        ("invoicing", {"action": "percentage_fee", "percent": "NaN"}, "/percent"),
        ("invoicing", {"action": "discount"}, ""),
        ("invoicing", {"action": "discount", "percent": 5, "amount": money(5)}, ""),
        ("invoicing", {"action": "discount", "amount": money(-5)}, "/amount/amount"),
        ("invoicing", {"action": "credit"}, ""),
        ("invoicing", {"action": "credit", "amount": money(5), "all": True}, ""),
        ("invoicing", {"action": "dropship_fee", "per": "item"}, ""),
        ("invoicing", {"action": "dropship_fee", "amount": {"amount": 1.5, "currency": "EUR"}}, "/amount/amount"),
        ("invoicing", {"action": "dropship_fee", "tiers": []}, "/tiers"),
        ("invoicing", {"action": "dropship_fee", "tiers": [{"up_to_grams": 5, "amount": money(5)}]}, ""),
        ("invoicing", {"action": "dropship_fee", "tiers": [{"amount": money(5)}], "per": "item"}, ""),
        ("invoicing", {"action": "shipping", "mode": "flat"}, ""),
        ("invoicing", {"action": "shipping", "mode": "passed_on", "amount": money(5)}, ""),
        ("invoicing", {"action": "shipping", "mode": "tiered"}, ""),
        ("invoicing", {"action": "shipping", "mode": "free", "free_above": money(5)}, "/mode"),
    ],
    ids=lambda value: json.dumps(value)[:70],
)
def test_a_mistake_in_an_action_is_told_with_its_place(kind: RuleKind, action: object, place: str) -> None:
    assert _refusal(kind=kind, then=[action]) == ("invalid", [f"/then/0{place}"])


def test_tiers_go_from_light_to_heavy_and_the_last_is_for_all_beyond() -> None:
    def tiered(*limits: int | None) -> list[dict[str, Any]]:
        tiers = [{"up_to_grams": limit, "amount": money(index)} for index, limit in enumerate(limits, start=1)]
        return [{"action": "shipping", "mode": "tiered", "tiers": tiers}]

    for wrong in ((500, 500, None), (500, 100, None), (None, 100, None), (None, None), (100,)):
        assert _refusal(then=tiered(*wrong)) == ("invalid", ["/then/0"]), wrong
    (shipping,) = rule_of(then=tiered(0, 500, None)).then
    assert isinstance(shipping, Shipping)
    assert shipping.tiers is not None
    assert [amount_for(shipping.tiers, grams).amount for grams in (0, 1, 500, 501, 10**9)] == [1, 2, 2, 3, 3]


def test_a_rule_that_decides_does_one_thing_and_one_that_bills_up_to_twenty() -> None:
    kinds: list[RuleKind] = ["approval", "payment_capture"]
    for kind in kinds:
        assert _refusal(kind=kind, then=[]) == ("invalid", ["/then"])
        assert _refusal(kind=kind, then=[{"action": "approve"}] * 2) == ("invalid", ["/then"])
    tax = {"action": "tax", "percent": 1}
    assert len(rule_of(then=[tax] * 20).then) == 20
    for wrong in ([], [tax] * 21):
        assert _refusal(then=wrong) == ("invalid", ["/then"])


def test_percentages_are_exact() -> None:
    spelled = {"0": 0, "7": 700, "7.5": 750, "7.50": 750, "07.05": 705, "0.01": 1, "99.99": 9999, "100.00": 10_000}
    for text, hundredths in spelled.items():
        (tax,) = rule_of(then=[{"action": "tax", "percent": text}]).then
        assert isinstance(tax, Tax)
        assert basis_points(tax.percent) == hundredths
    (same, other) = (rule_of(then=[{"action": "tax", "percent": percent}]).then for percent in ("7.50", "7.5"))
    assert same == other
    with pytest.raises(ValueError, match="percentage"):
        basis_points("-5")


def test_what_was_read_is_kept_as_it_was_meant() -> None:
    rule = rule_of(
        {"all": [{"field": "order.placed_at", "op": "lt", "value": "2026-11-20T10:30:00+01:00"}, LINES]},
        then=[{"action": "dropship_fee", "amount": money(5)}],
    )
    assert rule.when["all"][0]["value"] == "2026-11-20T09:30:00.000Z"
    (fee,) = rule.then
    assert isinstance(fee, DropshipFee)
    assert fee.per == "order"
    (capture,) = rule_of(kind="payment_capture", then=[{"action": "capture_after", "days": 14}]).then
    assert capture == CaptureAfter(action="capture_after", days=14)


def test_a_rules_id_leads_to_its_set() -> None:
    channel = RuleScope(type="channel", id="01k9")
    for scope in (STORE_SCOPE, channel, RuleScope(type="reseller", id="r1")):
        named = split_rule_id(rule_id_of("payment_capture", scope, "01ka"))
        assert named is not None
        assert (named.kind, named.scope) == ("payment_capture", scope)
    for text in (
        "",
        "invoicing",
        "invoicing.store",
        "invoicing.store.",
        "tax.store.1",
        "approval.channel..1",
        "approval.rep.a.1",
    ):
        assert split_rule_id(text) is None, text
    with pytest.raises(ValueError, match="needs an id"):
        RuleScope(type="channel")


def test_a_set_takes_so_many_rules_and_bytes_and_a_rule_once() -> None:
    rules = [rule_of(name=f"{index:02}") for index in range(MAX_RULES)]
    full = set_of(*rules)
    assert full.with_rule(rules[0].model_copy(update={"priority": 1})).rules[0].priority == 1
    with pytest.raises(ConflictError) as refused:
        full.with_rule(rule_of(name="more"))
    assert refused.value.code == "too_many_rules"
    assert len(full.without(rules[3].id).with_rule(rule_of(name="more")).rules) == MAX_RULES
    text = {"field": "reseller.company", "op": "in", "value": ["x" * 200] * 100}
    heavy = [rule_of({"any": [text] * 3}, name=f"{index:02}") for index in range(5)]
    with pytest.raises(ConflictError, match="KiB"):
        set_of(*heavy)
