"""Rules over HTTP: made and changed in versions that stay readable, in the set that decisions read, and refused with places."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.ordering import send_event
from tests.support.ruling import ALWAYS, AT, money, reseller_of
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, open_shop
from tradepost.domain.people import SYSTEM
from tradepost.domain.rule_evaluation import first_match, in_order
from tradepost.domain.rule_fields import CATALOGUE, OPERATORS, Facts
from tradepost.domain.rules import MAX_RULES
from tradepost.domain.values import Money
from tradepost.table.reading import Reader
from tradepost.table.resellers import save_reseller
from tradepost.table.rules import find_rules, rule_set_keys
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction

TAX: Final = {"kind": "invoicing", "scope": "store", "when": ALWAYS, "then": [{"action": "tax", "percent": "19"}]}
CAPTURE: Final = {"kind": "payment_capture", "scope": "store", "when": ALWAYS, "then": [{"action": "defer"}]}


def make(shop: Shop, **fields: Any) -> dict[str, Any]:
    """Make a rule; a tax on everything unless told otherwise."""
    reply = shop.owner.post("/v1/rules", {**TAX, **fields})
    assert reply.status == 201, reply.text
    return dict(reply.json)


def channel_of(shop: Shop, name: str = "Shops") -> str:
    """Create a reseller channel."""
    return str(shop.owner.post("/v1/reseller-channels", {"name": name}).json["id"])


def enrol(shop: Shop, reseller_id: str = "r1") -> str:
    """Store a reseller."""
    tx = Transaction(store_owner(shop.slug), SYSTEM, SYSTEM, AT)
    save_reseller(tx, reseller_of(id=reseller_id, store_id=shop.slug))
    tx.commit()
    return reseller_id


def asked(shop: Shop, kind: Any = "invoicing", channel: str | None = None, reseller: str | None = None) -> list[str]:
    """Return the names of the rules that decide, in the order in which they are asked."""
    return [str(rule.name) for rule in in_order(find_rules(Reader(), shop.slug, kind, channel, reseller), at=AT)]


def listed(shop: Shop, **query: str) -> list[str]:
    """Return the names of the rules in a list, page by page."""
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        reply = shop.owner.get("/v1/rules", limit="2", **query, **cursor)
        assert reply.status == 200, reply.text
        names += [rule["name"] for rule in reply.json["items"]]
        if reply.json["next_cursor"] is None:
            return names
        cursor = {"cursor": reply.json["next_cursor"]}


def test_a_rule_is_made_and_asked_at_once(shop: Shop) -> None:
    created = send_event("rules/manage_rules.created", TOKEN=shop.owner.token)
    assert created.status == 201, created.text
    rule = created.json
    assert (rule["version"], rule["etag"], rule["enabled"], rule["stop"]) == (1, '"1"', True, False)
    assert (rule["scope"], rule["from"], rule["until"]) == ({"type": "store", "id": None}, None, None)
    assert rule["id"].startswith("invoicing.store.")
    assert shop.owner.get(f"/v1/rules/{rule['id']}").json == rule
    (kept,) = stored("rule_version")
    assert (kept["number"], kept["when"], kept["then"]) == (1, rule["when"], rule["then"])
    (audit,) = [entry for entry in stored("audit") if entry["action"].startswith("rule:")]
    assert (audit["action"], audit["target"]) == ("rule:created", rule["id"])
    rules = in_order(find_rules(Reader(), shop.slug, "invoicing", None, None), at=AT)
    match = first_match(rules, Facts({"order.weight": 5001, "order.destination_country": "SE"}))
    assert match is not None
    assert (match.rule.id, match.rule.version) == (rule["id"], 1)
    assert first_match(rules, Facts({"order.weight": 5001, "order.destination_country": "DE"})) is None


def test_a_change_is_a_new_version_and_the_old_one_stays_readable(shop: Shop) -> None:
    rule = make(shop, name="Tax")
    path = f"/v1/rules/{rule['id']}"
    change = {"when": {"field": "order.total", "op": "gt", "value": money(100)}, "priority": 5, "from": "2026-01-01T00:00:00Z"}
    changed = shop.owner.patch(path, change, etag='"1"')
    assert changed.status == 200, changed.text
    assert changed.headers["etag"] == '"2"'
    expected = {**rule, **change, "from": "2026-01-01T00:00:00.000Z", "version": 2, "etag": '"2"'}
    assert changed.json == {**expected, "updated_at": changed.json["updated_at"]}
    assert shop.owner.get(path).json == changed.json
    assert shop.owner.get(f"{path}/versions/1").json == rule
    assert shop.owner.get(f"{path}/versions/0002").json == changed.json
    assert shop.owner.get(f"{path}/versions").json["items"] == [changed.json, rule]
    (rules,) = find_rules(Reader(), shop.slug, "invoicing", None, None)
    assert [(each.id, each.version, each.when) for each in rules.rules] == [(rule["id"], 2, change["when"])]
    emptied = shop.owner.patch(path, {"name": None, "from": None, "enabled": False}, etag='"2"').json
    assert (emptied["name"], emptied["from"], emptied["enabled"]) == (None, None, False)
    assert asked(shop) == []


def test_a_deleted_rule_is_asked_no_more_and_what_it_said_stays_readable(shop: Shop) -> None:
    rule, other = make(shop, name="Tax"), make(shop, name="More tax")
    path = f"/v1/rules/{rule['id']}"
    assert shop.owner.delete(path, etag='"1"').status == 204
    assert asked(shop) == ["More tax"]
    assert shop.owner.get(path).status == 404
    assert [item["id"] for item in shop.owner.get("/v1/rules").json["items"]] == [other["id"]]
    assert shop.owner.get(f"{path}/versions/1").json == rule
    assert shop.owner.get(f"{path}/versions").json["items"] == [rule]
    assert shop.owner.delete(path, etag='"1"').status == 404
    for missing in ("2", "0", "x", "1000000"):
        assert shop.owner.get(f"{path}/versions/{missing}").status == 404
    assert shop.owner.get(f"/v1/rules/{rule['id']}x/versions").status == 404


def test_a_resellers_rules_come_before_its_channels_and_those_before_the_stores(shop: Shop) -> None:
    channel, other, reseller = channel_of(shop), channel_of(shop, "Others"), enrol(shop)
    make(shop, name="store 1", priority=1)
    make(shop, name="store 0", priority=0)
    make(shop, name="channel", scope={"channel_id": channel}, priority=9999)
    make(shop, name="other channel", scope={"type": "channel", "id": other})
    make(shop, name="reseller", scope={"reseller_id": reseller}, enabled=False)
    make(shop, **{**CAPTURE, "name": "capture"})
    assert asked(shop, channel=channel, reseller=reseller) == ["channel", "store 0", "store 1"]
    assert listed(shop, kind="invoicing") == ["reseller", *listed(shop, scope="channel"), "store 0", "store 1"]
    assert listed(shop) == [*listed(shop, kind="invoicing"), "capture"]
    assert sorted(listed(shop, scope="channel")) == ["channel", "other channel"]
    assert listed(shop, scope="store", kind="payment_capture") == ["capture"]
    assert listed(shop, channel_id=channel) == listed(shop, channel_id=channel, kind="invoicing") == ["channel"]
    assert listed(shop, reseller_id=reseller, scope="reseller") == ["reseller"]
    assert listed(shop, enabled="false") == ["reseller"]
    assert listed(shop, enabled="true", kind="invoicing", scope="store") == ["store 0", "store 1"]
    for query in ({"channel_id": channel, "reseller_id": "r1"}, {"reseller_id": "r1", "scope": "store"}, {"scope": "rep"}):
        assert shop.owner.get("/v1/rules", **query).status == 422


def test_a_decision_reads_its_three_sets_in_one_call(shop: Shop) -> None:
    make(shop)
    with counted_calls() as calls:
        assert len(find_rules(Reader(), shop.slug, "invoicing", "ch1", "r1")) == 1
    assert calls == ["BatchGetItem"]
    assert len(rule_set_keys(shop.slug, "invoicing", None, None)) == 1


def test_a_channel_with_rules_is_in_use_until_they_are_deleted(shop: Shop) -> None:
    channel = channel_of(shop)
    rule = make(shop, scope={"type": "channel", "id": channel})
    shop.owner.patch(f"/v1/rules/{rule['id']}", {"priority": 1}, etag='"1"')
    path = f"/v1/reseller-channels/{channel}"
    assert stored("reseller_channel")[0]["tally"] == 1
    assert shop.owner.delete(path, etag='"1"').code == "in_use"
    assert shop.owner.delete(f"/v1/rules/{rule['id']}", etag='"2"').status == 204
    assert stored("reseller_channel")[0]["tally"] == 0
    assert shop.owner.delete(path, etag='"1"').status == 204


def test_a_rule_is_for_something_that_there_is(shop: Shop, api: Client) -> None:
    other = open_shop(api, "other")
    enrol(other)
    theirs, before = channel_of(other), stored()
    for scope, code in (
        ({"channel_id": theirs}, "unknown_reseller_channel"),
        ({"reseller_id": "r1"}, "unknown_reseller"),
        ({"type": "channel"}, "invalid"),
        ({"type": "store", "id": "acme"}, "invalid"),
        ({"channel_id": "x", "reseller_id": "y"}, "invalid"),
        ({"channel_id": "#"}, "invalid"),
        ("channel", "invalid"),
    ):
        reply = shop.owner.post("/v1/rules", {**TAX, "scope": scope})
        assert (reply.status, reply.code) == (422, code), scope
        assert all(error["pointer"].startswith("/scope") for error in reply.json["errors"]), reply.text
    assert stored() == before


def test_everything_that_is_wrong_is_told_with_its_place_and_nothing_is_written(shop: Shop) -> None:
    before = stored()
    body = {
        **TAX,
        "when": {"all": [ALWAYS, {"field": "order.total", "op": "gt", "value": money(5, "USD")}, {"not": {"field": "x"}}]},
        "then": [{"action": "tax", "percent": 7.5}, {"action": "approve"}],
        "from": "2026-02-01T00:00:00Z",
        "until": "2026-02-01T00:00:00Z",
    }
    reply = shop.owner.post("/v1/rules", body)
    assert (reply.status, reply.code) == (422, "wrong_currency")
    places = ["/when/all/1/value/currency", "/when/all/2/not/field", "/then/0/percent", "/then/1/action", "/until"]
    assert [error["pointer"] for error in reply.json["errors"]] == places
    for wrong, place in (
        ({"priority": 10_000}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"enabled": "yes"}, "/enabled"),
        ({"kind": "tax"}, "/kind"),
        ({"then": {}}, "/then"),
        ({"then": None}, "/then"),
        ({"when": None}, "/when"),
        ({"when": []}, "/when"),
        ({"name": "\u202e"}, "/name"),
        ({"colour": 1}, "/colour"),
    ):
        refused = shop.owner.post("/v1/rules", {**TAX, **wrong})
        assert (refused.status, [error["pointer"] for error in refused.json["errors"]]) == (422, [place]), refused.text
    assert stored() == before


@pytest.mark.parametrize(
    "when",
    ['{"all":[' + ",".join(['{"always":true}'] * 10_000) + "]}", '{"not":' * 300 + '{"always":true}' + "}" * 300],
    ids=["wide", "deep"],
)
def test_a_huge_rule_is_refused_before_it_is_read(shop: Shop, when: str) -> None:
    before = stored()
    body = json.dumps({**TAX, "when": "WHEN"}).replace('"WHEN"', when)
    for reply in (shop.owner.post("/v1/rules", body), shop.owner.patch(f"/v1/rules/{'x'}", body, etag='"1"')):
        assert reply.status in {404, 422}, reply.text
    assert shop.owner.post("/v1/rules", body).code == "rule_too_large"
    assert stored() == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "1.0"])
def test_a_number_that_is_none_is_refused(shop: Shop, number: str) -> None:
    when = {"field": "order.lines", "op": "gt", "value": "NUMBER"}
    body = json.dumps({**TAX, "when": when}).replace('"NUMBER"', number)
    assert shop.owner.post("/v1/rules", body).status in {400, 422}
    deep = '{"not":' * 10_000 + '{"always":true}' + "}" * 10_000
    assert shop.owner.post("/v1/rules", json.dumps({**TAX, "when": "W"}).replace('"W"', deep)).status in {400, 422}
    assert stored("rule") == []


def test_a_change_minds_the_version_and_cannot_move_a_rule(shop: Shop, api: Client) -> None:
    rule, other = make(shop), open_shop(api, "other")
    path, before = f"/v1/rules/{rule['id']}", stored()
    assert shop.owner.patch(path, {"priority": 1}).status == 428
    assert shop.owner.patch(path, {"priority": 1}, etag='"2"').status == 412
    assert shop.owner.delete(path, etag='"2"').status == 412
    assert shop.owner.delete(path).status == 428
    for change, place in (
        ({"kind": "approval"}, "/kind"),
        ({"scope": "store"}, "/scope"),
        ({"priority": None}, "/priority"),
        ({"when": None}, "/when"),
        ({"then": None}, "/then"),
        ({"then": []}, "/then"),
        ({"when": {}}, "/when"),
        ({"until": "0001-01-01T00:00:00Z", "from": "2026-01-01T00:00:00Z"}, "/until"),
    ):
        refused = shop.owner.patch(path, change, etag='"1"')
        assert (refused.status, [error["pointer"] for error in refused.json["errors"]]) == (422, [place]), refused.text
    for each in (
        other.owner.get(path),
        other.owner.patch(path, {"priority": 1}, etag='"1"'),
        other.owner.delete(path, etag='"1"'),
    ):
        assert each.status == 404
    assert other.owner.get(f"{path}/versions").status == other.owner.get(f"{path}/versions/1").status == 404
    assert stored() == before


def test_two_changes_decided_on_one_read_are_one_change(shop: Shop) -> None:
    rule = make(shop)
    path = f"/v1/rules/{rule['id']}"

    def first() -> None:
        assert shop.owner.patch(path, {"priority": 1}, etag='"1"').status == 200

    with meanwhile("TransactWriteItems", first):
        late = shop.owner.patch(path, {"priority": 2}, etag='"1"')
    assert late.status in {409, 412}
    (rules,) = find_rules(Reader(), shop.slug, "invoicing", None, None)
    assert [(each.version, each.priority) for each in rules.rules] == [(2, 1)]
    assert [kept["number"] for kept in stored("rule_version")] == [1, 2]


def test_two_rules_of_one_scope_made_at_once_never_lose_one(shop: Shop) -> None:
    for earlier in ([], ["there already"]):
        for name in earlier:
            make(shop, name=name)
        kept = asked(shop)

        def first() -> None:
            make(shop, name="first")

        with meanwhile("TransactWriteItems", first):
            late = shop.owner.post("/v1/rules", {**TAX, "name": "late"})
        assert (late.status, late.code) == (409, "rules_changed")
        assert asked(shop) == [*kept, "first"]
        assert len(stored("rule")) == len(asked(shop))


def test_a_deletion_and_a_change_at_once_are_one_outcome(shop: Shop) -> None:
    rule = make(shop, name="Tax")
    path = f"/v1/rules/{rule['id']}"

    def first() -> None:
        assert shop.owner.patch(path, {"priority": 1}, etag='"1"').status == 200

    with meanwhile("TransactWriteItems", first):
        assert shop.owner.delete(path, etag='"1"').status in {409, 412}
    assert asked(shop) == ["Tax"]
    assert shop.owner.get(path).json["priority"] == 1


def test_a_retry_makes_nothing(shop: Shop) -> None:
    replies = [shop.owner.post("/v1/rules", TAX, key="once") for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json
    assert len(stored("rule")) == len(stored("rule_version")) == 1


def test_a_scope_takes_so_many_rules_of_a_kind(shop: Shop) -> None:
    for _ in range(MAX_RULES):
        make(shop)
    before = stored()
    assert shop.owner.post("/v1/rules", TAX).code == "too_many_rules"
    assert stored() == before
    make(shop, **CAPTURE)


def test_the_catalogue_names_every_field_operator_and_action(shop: Shop) -> None:
    catalogue = shop.owner.get("/v1/rules/fields").json
    kinds = {kind["kind"]: kind for kind in catalogue["kinds"]}
    for kind, fields in CATALOGUE.items():
        shown: Mapping[str, Any] = {field["name"]: field for field in kinds[kind]["fields"]}
        assert {name: field["operators"] for name, field in shown.items()} == {
            field.name: list(OPERATORS[field.type]) for field in fields
        }
        assert all(field["meaning"] for field in shown.values())
    actions = {kind: [action["action"] for action in kinds[kind]["actions"]] for kind in kinds}
    assert actions == {
        "approval": ["approve", "deny", "review"],
        "payment_capture": ["capture_now", "capture_on_shipment", "capture_after", "defer"],
        "invoicing": ["dropship_fee", "percentage_fee", "discount", "credit", "shipping", "tax"],
    }
    assert catalogue["limits"] == {"depth": 8, "nodes": 200, "list_length": 100, "text_length": 200}


def test_every_action_can_be_sent_as_it_is_shown(shop: Shop) -> None:
    then: list[dict[str, Any]] = [
        {"action": "dropship_fee", "amount": money(150), "per": "item"},
        {"action": "dropship_fee", "tiers": [{"up_to_grams": 1000, "amount": money(100)}, {"amount": money(300)}]},
        {"action": "percentage_fee", "percent": "2.5"},
        {"action": "discount", "percent": 5},
        {"action": "discount", "amount": money(500)},
        {"action": "credit", "all": True},
        {"action": "credit", "amount": money(500)},
        {"action": "shipping", "mode": "passed_on", "free_above": money(10_000)},
        {"action": "shipping", "mode": "flat", "amount": money(490)},
        {"action": "tax", "percent": "19.00"},
    ]
    rule = make(shop, then=then)
    again = shop.owner.patch(f"/v1/rules/{rule['id']}", {"then": rule["then"], "when": rule["when"]}, etag='"1"')
    assert again.status == 200, again.text
    assert again.json["then"] == rule["then"]
    assert [action["action"] for action in rule["then"]] == [action["action"] for action in then]
    assert rule["then"][-1]["percent"] == "19"


def test_facts_of_another_amount_are_told_apart_to_the_cent(shop: Shop) -> None:
    make(shop, when={"field": "order.total", "op": "between", "value": [money(100), money(200)]})
    rules = in_order(find_rules(Reader(), shop.slug, "invoicing", None, None), at=AT)
    hits = [amount for amount in (99, 100, 200, 201) if first_match(rules, Facts({"order.total": Money(**money(amount))}))]
    assert hits == [100, 200]
