"""Trying rules: what they would change of past orders and enrolments, condition by condition, with nothing written."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.support.billing import ALWAYS, Office, open_office, work
from tests.support.client import Client
from tests.support.functions import Reply, load_function
from tests.support.ordering import send_event
from tests.support.resellers import enrolled, write_rule
from tests.support.table import counted_calls, everything, records
from tests.support.world import Shop, euros, open_shop
from tradepost.domain import clock
from tradepost.domain.clock import stamp
from tradepost.domain.rules import RuleScope

ITEM_FEE: Final = {"action": "dropship_fee", "amount": euros(150), "per": "item"}
TAX: Final = {"action": "tax", "percent": "19"}
LARGE: Final = {"field": "order.subtotal", "op": "gte", "value": euros(3000)}


@pytest.fixture
def office(shop: Shop) -> Office:
    """A store that sells to two resellers."""
    return open_office(shop)


def draft(*then: Mapping[str, Any], kind: str = "invoicing", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "scope": "store", "when": ALWAYS, "then": list(then) or [ITEM_FEE], **fields}


def send(owner: Client, **body: Any) -> Reply:
    """Try a rule, and make sure that nothing at all is written by it."""
    before = everything()
    reply = owner.post("/v1/rules/dry-run", body, key=None)
    assert everything() == before
    return reply


def tried(owner: Client, **body: Any) -> dict[str, Any]:
    reply = send(owner, **body)
    assert reply.status == 200, reply.text
    answer = dict(reply.json)
    items = answer["items"]
    assert answer["tried"] == len(items)
    assert answer["matched"] == sum(item["matched"] for item in items)
    assert answer["changed"] == sum(item["changed"] for item in items)
    assert answer["differing"] == sum(item["differs"] is True for item in items)
    return answer


def amounts(outcome: Mapping[str, Any]) -> list[tuple[str, int]]:
    assert sum(line["amount"]["amount"] for line in outcome["lines"]) == outcome["total"]["amount"]
    return [(line["kind"], line["amount"]["amount"]) for line in outcome["lines"]]


def test_a_rule_is_tried_on_the_latest_orders_with_the_trace_of_each_condition(office: Office) -> None:
    small, large = office.place(("A-1", 2)), office.place(("A-1", 3), ("B-2", 1))
    work()
    when = {"all": [LARGE, {"not": {"field": "order.destination_country", "op": "eq", "value": "FR"}}]}
    answer = tried(office.owner, rule=draft(when=when), latest=50)
    assert (answer["kind"], answer["matched"], answer["changed"], answer["skipped"]) == ("invoicing", 1, 1, [])
    [newest, oldest] = answer["items"]
    assert (newest["id"], newest["number"], newest["at"]) == (large["id"], large["number"], large["placed_at"])
    assert (newest["matched"], newest["decides"], newest["changed"], newest["applies"]) == (True, True, True, True)
    assert newest["trace"] == [
        {"path": "/when", "of": "all", "result": True},
        {
            "path": "/when/all/0",
            "field": "order.subtotal",
            "op": "gte",
            "expected": euros(3000),
            "actual": euros(3849),
            "result": True,
        },
        {"path": "/when/all/1", "of": "not", "result": True},
        {
            "path": "/when/all/1/not",
            "field": "order.destination_country",
            "op": "eq",
            "expected": "FR",
            "actual": "DE",
            "result": False,
        },
    ]
    assert amounts(newest["before"]) == [("subtotal", 3849), ("shipping", 590)]
    assert amounts(newest["after"]) == [("subtotal", 3849), ("shipping", 590), ("fee", 600)]
    fee = newest["after"]["lines"][-1]
    assert (fee["rule_id"], fee["rule_version"], fee["quantity"]) == (answer["rule_id"], 0, 4)
    [applied] = newest["after"]["actions"]
    assert applied == {"rule_id": answer["rule_id"], "rule_version": 0, "action": {**ITEM_FEE, "tiers": None}}
    assert (oldest["id"], oldest["matched"], oldest["decides"], oldest["changed"]) == (small["id"], False, False, False)
    assert [line["result"] for line in oldest["trace"]] == [False, False, True, False]


def test_what_really_was_billed_stands_beside_it(office: Office) -> None:
    stored = office.rule("invoicing", TAX)
    order = office.place(("A-1", 2))
    work()
    [invoice] = office.invoices(order)
    [item] = tried(office.owner, rule_id=stored.id, order_ids=[order["id"]])["items"]
    assert item["invoice_id"] == invoice["id"]
    assert amounts(item["actual"]) == amounts(item["before"]) == amounts(item["after"])
    assert (item["changed"], item["differs"]) == (False, False)
    other = draft({"action": "tax", "percent": "7"}, id=stored.id)
    [item] = tried(office.owner, rule=other, order_ids=[order["id"]])["items"]
    assert amounts(item["actual"]) == [("subtotal", 2500), ("shipping", 590), ("tax", 587)]
    assert amounts(item["after"]) == [("subtotal", 2500), ("shipping", 590), ("tax", 216)]
    assert (item["changed"], item["differs"]) == (True, True)


def test_an_order_that_is_not_billed_yet_is_compared_with_the_rules_alone(office: Office) -> None:
    order = office.place()
    [item] = tried(office.owner, rule=draft(), order_ids=[order["id"]])["items"]
    assert (item["actual"], item["invoice_id"], item["differs"], item["changed"]) == (None, None, None, True)


def test_a_draft_stands_where_it_would_in_the_order_of_asking(office: Office) -> None:
    first = office.rule("invoicing", {"action": "discount", "percent": "10"}, priority=10)
    office.rule("invoicing", TAX, priority=30)
    order = office.place(("A-1", 2))
    answer = tried(office.owner, rule=draft(ITEM_FEE, priority=20), order_ids=[order["id"]])
    [item] = answer["items"]
    assert [kind for kind, _ in amounts(item["after"])] == ["subtotal", "shipping", "discount", "fee", "tax"]
    assert [kind for kind, _ in amounts(item["before"])] == ["subtotal", "shipping", "discount", "tax"]
    [item] = tried(office.owner, rule=draft(ITEM_FEE, priority=20, stop=True), order_ids=[order["id"]])["items"]
    assert [kind for kind, _ in amounts(item["after"])] == ["subtotal", "shipping", "discount", "fee"]
    stopping = draft({"action": "discount", "percent": "10"}, id=first.id, stop=True, priority=10)
    [item] = tried(office.owner, rule=stopping, order_ids=[order["id"]])["items"]
    assert [kind for kind, _ in amounts(item["after"])] == ["subtotal", "shipping", "discount"]


def test_a_rule_that_an_earlier_one_leaves_no_part_matches_and_changes_nothing(office: Office) -> None:
    office.rule("invoicing", TAX, priority=10, stop=True)
    office.rule("payment_capture", {"action": "defer"}, priority=10)
    order = office.place()
    for body in (draft(priority=20), draft({"action": "capture_now"}, kind="payment_capture", priority=20)):
        [item] = tried(office.owner, rule=body, order_ids=[order["id"]])["items"]
        assert (item["matched"], item["decides"], item["changed"]) == (True, False, False)


def test_a_rule_is_tried_as_if_it_were_switched_on(office: Office) -> None:
    order = office.place()
    off = office.rule("invoicing", ITEM_FEE, enabled=False)
    later = stamp(clock.now() + timedelta(days=9))
    for body in ({"rule_id": off.id}, {"rule": draft(enabled=False)}, {"rule": draft(**{"from": later})}):
        [item] = tried(office.owner, order_ids=[order["id"]], **body)["items"]
        assert (item["matched"], item["changed"]) == (True, True)


def test_a_rule_for_others_is_not_asked_and_is_tried_on_the_latest_of_its_own(office: Office) -> None:
    mine, theirs = office.place(), office.place(by=office.other_buyer)
    scope = {"type": "reseller", "id": office.other_id}
    answer = tried(office.owner, rule=draft(scope=scope), order_ids=[mine["id"], theirs["id"]])
    applies = [
        (item["id"], item["applies"], item["matched"], item["changed"], item["trace"] is None) for item in answer["items"]
    ]
    assert applies == [(mine["id"], False, False, False, True), (theirs["id"], True, True, True, False)]
    latest = tried(office.owner, rule=draft(scope=scope), latest=9)
    assert [item["id"] for item in latest["items"]] == [theirs["id"]]
    channel = {"type": "channel", "id": office.resale.channel_id}
    in_channel = tried(office.owner, rule=draft(scope=channel), latest=9)
    assert [item["id"] for item in in_channel["items"]] == [theirs["id"], mine["id"]]
    empty = office.resale.add_channel("Empty")
    none = tried(office.owner, rule=draft(scope={"type": "channel", "id": empty}), latest=9)
    assert (none["items"], none["looked_at"]) == ([], 2)


def test_the_latest_orders_are_those_of_resellers(office: Office) -> None:
    shop = office.resale.shop
    plain = shop.join(shop.add_customer("Green Gate", "gil@greengate.test"))
    orders = [office.place(by=buyer) for buyer in (office.buyer, plain, plain, office.other_buyer)]
    answer = tried(office.owner, rule=draft(), latest=2)
    assert [item["id"] for item in answer["items"]] == [orders[3]["id"], orders[0]["id"]]
    assert answer["looked_at"] == 4
    assert [item["id"] for item in tried(office.owner, rule=draft(), latest=1)["items"]] == [orders[3]["id"]]
    named = tried(office.owner, rule=draft(), order_ids=[orders[1]["id"]])
    assert (named["items"], named["skipped"]) == ([], [{"id": orders[1]["id"], "reason": "not_of_a_reseller"}])


def test_many_pages_of_orders_are_looked_through_but_not_all(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [office.place() for _ in range(5)]
    monkeypatch.setattr("tradepost.table.order_facts._PAGE", 2)
    answer = tried(office.owner, rule=draft(), latest=9)
    assert [item["id"] for item in answer["items"]] == [order["id"] for order in reversed(orders)]
    monkeypatch.setattr("tradepost.table.order_facts.MOST_LOOKED_AT", 3)
    answer = tried(office.owner, rule=draft(), latest=9)
    assert (answer["tried"], answer["looked_at"]) == (3, 3)


def test_credit_is_what_is_left_and_what_the_orders_own_invoice_used(office: Office) -> None:
    credit = office.rule("invoicing", {"action": "credit", "all": True})
    office.credit(4000)
    first, second = office.place(("A-1", 2)), office.place(("A-1", 2))
    work()
    answer = tried(office.owner, rule_id=credit.id, order_ids=[first["id"], second["id"]])
    used = [[amount for kind, amount in amounts(item["after"]) if kind == "other"] for item in answer["items"]]
    assert used == [[-3090], [-910]]
    assert [item["differs"] for item in answer["items"]] == [False, False]


def test_a_weight_is_asked_for_where_rules_charge_by_it_or_compare_it(office: Office) -> None:
    order = office.place(("A-1", 3), ("B-2", 5))
    tiers = [{"up_to_grams": 1199, "amount": euros(100)}, {"amount": euros(900)}]
    [item] = tried(office.owner, rule=draft({"action": "dropship_fee", "tiers": tiers}), order_ids=[order["id"]])["items"]
    assert amounts(item["after"])[-1] == ("fee", 900)
    when = {"field": "order.weight", "op": "eq", "value": 1200}
    assert tried(office.owner, rule=draft(when=when), order_ids=[order["id"]])["matched"] == 1
    known = {"field": "order.weight_known", "op": "eq", "value": False}
    assert tried(office.owner, rule=draft(when=known), order_ids=[order["id"]])["matched"] == 1


def test_earlier_orders_are_counted_where_rules_ask_for_them(office: Office) -> None:
    orders = [office.place() for _ in range(3)]
    office.place(by=office.other_buyer)
    when = {"field": "reseller.order_count", "op": "gte", "value": 1}
    answer = tried(office.owner, rule=draft(when=when), latest=9)
    counts = {item["id"]: item["trace"][0]["actual"] for item in answer["items"]}
    assert [counts[order["id"]] for order in orders] == [0, 1, 2]
    assert sorted(counts.values()) == [0, 0, 1, 2]


def test_capture_is_compared_with_what_was_decided_about_the_payment(office: Office) -> None:
    net, instant = office.place(), office.place(method=1)
    work()
    after = draft({"action": "capture_after", "days": 3}, kind="payment_capture")
    answer = tried(office.owner, rule=after, order_ids=[net["id"], instant["id"]])
    decisions = [[item[name]["decision"] for name in ("actual", "before", "after")] for item in answer["items"]]
    assert decisions == [["defer", "defer", "capture_after"], ["capture_now", "capture_now", "capture_after"]]
    assert answer["differing"] == answer["changed"] == 2
    again = tried(office.owner, rule=draft({"action": "defer"}, kind="payment_capture"), order_ids=[net["id"], instant["id"]])
    assert [(item["changed"], item["differs"]) for item in again["items"]] == [(False, False), (True, True)]


def test_an_order_that_was_captured_days_later_or_when_shipped_was_decided_on_as_it_would_be_again(office: Office) -> None:
    rule = office.rule("payment_capture", {"action": "capture_after", "days": 3}, when=LARGE)
    other = office.rule("payment_capture", {"action": "capture_on_shipment"}, priority=50)
    later, shipped = office.place(("A-1", 3)), office.place()
    work()
    office.step(shipped, "confirm", "start", "ship")
    work()
    for body in ({"rule_id": rule.id}, {"rule_id": other.id}):
        answer = tried(office.owner, order_ids=[later["id"], shipped["id"]], **body)
        assert [item["after"]["decision"] for item in answer["items"]] == ["capture_after", "capture_on_shipment"]
        assert answer["differing"] == 0


def test_approval_rules_are_tried_on_enrolments_as_they_came_up_for_decision(office: Office) -> None:
    store = office.store_id
    pending = enrolled(store, "pia@pending.test", company="Pending Ltd")
    denied = enrolled(store, "dan@denied.test", company="Denied Ltd")
    office.resale.decide(denied, "deny", reason="No shop")
    enrolled(store, "una@unconfirmed.test", status="unconfirmed")
    here = {"field": "country", "op": "eq", "value": "DE"}
    rule = draft({"action": "deny", "reason": "Not here"}, kind="approval", when=here)
    answer = tried(office.owner, rule=rule, latest=9)
    shown = {item["id"]: item for item in answer["items"]}
    assert shown.keys() == {pending, denied, office.reseller_id, office.other_id}
    assert answer["matched"] == answer["changed"] == 4
    decisions = {id_: [item[name]["decision"] for name in ("actual", "before", "after")] for id_, item in shown.items()}
    assert decisions == {
        pending: ["review", "approve", "deny"],
        denied: ["deny", "approve", "deny"],
        office.reseller_id: ["approve", "approve", "deny"],
        office.other_id: ["approve", "approve", "deny"],
    }
    assert {id_ for id_, item in shown.items() if item["differs"]} == shown.keys() - {denied}
    assert shown[pending]["after"]["reason"] == "Not here"
    assert (shown[pending]["type"], shown[pending]["name"], shown[pending]["number"]) == ("reseller", "Pending Ltd", None)
    assert shown[pending]["trace"] == [
        {"path": "/when", "field": "country", "op": "eq", "expected": "DE", "actual": "DE", "result": True}
    ]


def test_enrolments_are_tried_by_id_and_the_rest_is_skipped_with_a_reason(office: Office) -> None:
    store = office.store_id
    unconfirmed = enrolled(store, "una@unconfirmed.test", status="unconfirmed")
    rule = draft({"action": "approve"}, kind="approval")
    answer = tried(office.owner, rule=rule, reseller_ids=[office.reseller_id, "nobody", unconfirmed, office.reseller_id])
    assert [item["id"] for item in answer["items"]] == [office.reseller_id]
    assert answer["skipped"] == [
        {"id": "nobody", "reason": "not_found"},
        {"id": unconfirmed, "reason": "unconfirmed"},
    ]


def test_an_approval_without_a_channel_to_come_into_is_one_to_look_at(office: Office) -> None:
    office.resale.add_channel("Another")
    write_rule(office.store_id, "deny", ALWAYS)
    approving = draft({"action": "approve"}, kind="approval", priority=5)
    [item] = tried(office.owner, rule=approving, reseller_ids=[office.reseller_id])["items"]
    assert (item["before"]["decision"], item["after"]["decision"]) == ("deny", "review")
    assert item["after"]["reason"] == "channel_required"
    office.resale.set_store(default_channel_id=office.resale.channel_id)
    [item] = tried(office.owner, rule=approving, reseller_ids=[office.reseller_id])["items"]
    assert item["after"]["decision"] == "approve"


def test_a_resellers_own_approval_rule_is_tried_on_itself(office: Office) -> None:
    scope = {"type": "reseller", "id": office.other_id}
    answer = tried(office.owner, rule=draft({"action": "deny"}, kind="approval", scope=scope))
    assert [(item["id"], item["after"]["decision"]) for item in answer["items"]] == [(office.other_id, "deny")]


def test_no_approval_rule_is_a_channels_which_nobody_is_in_before(office: Office) -> None:
    rule = draft({"action": "deny"}, kind="approval", scope={"type": "channel", "id": office.resale.channel_id})
    for path, body, pointer in (
        ("/v1/rules", rule, "/scope"),
        ("/v1/rules/dry-run", {"rule": rule, "latest": 9}, "/rule/scope"),
    ):
        reply = office.owner.post(path, body)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer), reply.text


def test_what_is_not_found_is_skipped_and_another_stores_is_not_found(office: Office) -> None:
    order = office.place()
    rival = open_shop(office.owner.as_(None), "rival").owner
    answer = tried(rival, rule=draft(), order_ids=[order["id"], "c1.none"])
    assert answer["items"] == []
    assert answer["skipped"] == [{"id": order["id"], "reason": "not_found"}, {"id": "c1.none", "reason": "not_found"}]
    assert tried(rival, rule=draft(), latest=500)["items"] == []
    stored = office.rule("invoicing", TAX)
    for body in ({"rule_id": stored.id}, {"rule": draft(id=stored.id)}):
        reply = send(rival, latest=1, **body)
        assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/rule"]),
        ({"rule": draft(), "rule_id": "x"}, ["/rule"]),
        ({"rule": draft(), "latest": 5, "order_ids": ["x"]}, ["/latest", "/order_ids"]),
        ({"rule": draft(), "reseller_ids": ["x"]}, ["/reseller_ids"]),
        ({"rule": draft({"action": "deny"}, kind="approval"), "order_ids": ["x"]}, ["/order_ids"]),
        ({"rule": draft(), "latest": 0}, ["/latest"]),
        ({"rule": draft(), "latest": 501}, ["/latest"]),
        ({"rule": draft(), "latest": True}, ["/latest"]),
        ({"rule": draft(), "order_ids": []}, ["/order_ids"]),
        ({"rule": draft(), "order_ids": ["x"] * 101}, ["/order_ids"]),
        ({"rule": draft(), "order_ids": ["not an id"]}, ["/order_ids/0"]),
        ({"rule": draft(kind="surprise")}, ["/rule/kind"]),
        ({"rule": draft(surprise=1)}, ["/rule/surprise"]),
        ({"rule": draft(when={"all": [{"field": "order.smell", "op": "eq", "value": 1}]})}, ["/rule/when/all/0/field"]),
        ({"rule": draft({"action": "approve"})}, ["/rule/then/0/action"]),
        (
            {"rule": draft({"action": "dropship_fee", "amount": {"amount": 1, "currency": "USD"}})},
            ["/rule/then/0/amount/currency"],
        ),
        ({"rule": draft(scope={"type": "channel", "id": "none"})}, ["/rule/scope/id"]),
        ({"rule": draft(scope={"type": "reseller", "id": "none"})}, ["/rule/scope/id"]),
    ],
)
def test_what_cannot_be_tried_is_refused_with_its_place(office: Office, body: dict[str, Any], pointers: list[str]) -> None:
    reply = send(office.owner, **body)
    assert reply.status == 422, reply.text
    assert [error["pointer"] for error in reply.json["errors"]] == pointers


def test_a_draft_of_a_stored_rule_is_of_its_kind_and_scope(office: Office) -> None:
    stored = office.rule("invoicing", TAX)
    for name, body in (
        ("kind", draft({"action": "defer"}, kind="payment_capture", id=stored.id)),
        ("scope", draft(scope={"type": "channel", "id": office.resale.channel_id}, id=stored.id)),
    ):
        reply = send(office.owner, rule=body)
        assert (reply.status, [error["pointer"] for error in reply.json["errors"]]) == (422, [f"/rule/{name}"])


def test_a_rule_of_ten_thousand_conditions_is_refused_at_once(office: Office) -> None:
    many = {"any": [ALWAYS] * 10_000}
    reply = send(office.owner, rule=draft(when=many))
    assert (reply.status, reply.code) == (422, "rule_too_large")


def test_only_so_many_items_are_told_with_every_detail(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [office.place() for _ in range(3)]
    work()
    module = load_function("rules/try_rules")
    monkeypatch.setattr(module, "DETAILED", 2)
    items = tried(office.owner, rule=draft(), latest=9)["items"]
    assert [item["detailed"] for item in items] == [True, True, False]
    short = items[2]
    assert (short["id"], short["matched"], short["changed"], short["trace"]) == (orders[0]["id"], True, True, None)
    for name in ("before", "after", "actual"):
        assert (short[name]["lines"], short[name]["actions"]) == (None, None)
        assert short[name]["total"]["amount"]
    assert short["differs"] is True
    monkeypatch.setattr(module, "DETAILED_BYTES", len(json.dumps(items[0])))
    assert sum(item["detailed"] for item in tried(office.owner, rule=draft(), latest=9)["items"]) == 1


def test_what_there_was_no_time_for_is_skipped(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    order = office.place()
    monkeypatch.setattr(load_function("rules/try_rules"), "SECONDS", -1)
    answer = tried(office.owner, rule=draft(), latest=9)
    assert (answer["items"], answer["skipped"]) == ([], [{"id": order["id"], "reason": "out_of_time"}])
    answer = tried(office.owner, rule=draft({"action": "deny"}, kind="approval"), reseller_ids=[office.reseller_id])
    assert answer["skipped"] == [{"id": office.reseller_id, "reason": "out_of_time"}]


def test_five_hundred_orders_are_tried_in_a_fixed_number_of_calls(office: Office) -> None:
    first = office.place()
    [record] = [each for each in records("order") if each.document()["id"] == first["id"]]
    for number in range(499):
        id_ = f"{office.customer_id}.{number:026}"
        at = stamp(clock.now() - timedelta(hours=number + 1))
        record.pk, record.gsi1sk, record.gsi2sk = f"ORDER#{office.store_id}#{id_}", f"{at}#{id_}", f"{at}#{id_}"
        record.data["id"], record.data["placed_at"] = id_, at
        record.save()
    when = {"field": "reseller.order_count", "op": "gte", "value": 250}
    tiers = [{"up_to_grams": 100, "amount": euros(1)}, {"amount": euros(2)}]
    with counted_calls() as calls:
        reply = office.owner.post(
            "/v1/rules/dry-run",
            {"rule": draft({"action": "dropship_fee", "tiers": tiers}, when=when), "latest": 500},
            key=None,
        )
    answer = reply.json
    assert (answer["tried"], answer["matched"], answer["skipped"]) == (500, 250, [])
    assert sum(item["detailed"] for item in answer["items"]) == 100
    assert len(reply.text) < 2 * 1024 * 1024
    # The orders are two pages; with them come their reseller's rules and bills, a hundred at a time, and the products.
    assert calls.count("Query") <= 4
    assert calls.count("BatchGetItem") <= 10


@pytest.mark.parametrize("scope", [None, RuleScope(type="reseller", id="x")])
def test_a_store_without_any_orders_has_nothing_to_try_on(shop: Shop, scope: RuleScope | None) -> None:
    if scope is None:
        answer = tried(shop.owner, rule=draft(), latest=500)
    else:
        reseller = enrolled(shop.slug)
        answer = tried(shop.owner, rule=draft(scope={"reseller_id": reseller}))
    assert (answer["items"], answer["looked_at"], answer["skipped"]) == ([], 0, [])


def test_the_event_is_answered(office: Office) -> None:
    office.place()
    reply = send_event("rules/try_rules.fee_on_latest_orders", TOKEN=office.owner.token)
    assert reply.status == 200, reply.text
    [item] = reply.json["items"]
    assert amounts(item["after"])[-1] == ("fee", 300)


def test_whoever_does_not_run_the_store_tries_nothing(office: Office) -> None:
    assert send(office.buyer, rule=draft()).status == 403
    assert send(office.owner.as_(None), rule=draft()).status == 401
