"""/v1/rules: what a store decides beforehand about its resellers and their orders, version by version."""

import re
from functools import cache
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.permissions import Permission
from tradepost.domain.rule_actions import ACTIONS, MOST_ACTIONS, name_of
from tradepost.domain.rule_fields import CATALOGUE, WITH_SEVERAL, FieldType, Operator, RuleKind
from tradepost.domain.rules import MAX_DEPTH, MAX_LIST, MAX_NODES, MAX_STRING, Rule, RuleScope, RuleSet, ScopeType
from tradepost.domain.values import Reference
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.http.rules import RuleAnswer, RuleChange, RuleDraft, drafted, edited
from tradepost.table.rules import (
    KeptRule,
    find_set,
    find_version,
    list_rules,
    list_versions,
    remove_rule,
    rule_key,
    rule_keys,
    rule_set_key,
    rule_version_key,
    save_rule,
)
from tradepost.table.shapes import Key

app = make_app()

ALLOW: Final = Permission.MANAGE_RULES
_NUMBER: Final = re.compile(r"0*[1-9]\d{0,5}", re.ASCII)


class FieldAnswer(Answer):
    """A field that rules of a kind can ask about."""

    name: str
    type: FieldType
    meaning: str
    operators: list[Operator]
    choices: Annotated[list[str] | None, Field(description="All the values that it can have, where these are known.")]


class ActionAnswer(Answer):
    """Something that rules of a kind can do, with the JSON Schema of how it is sent."""

    action: str
    meaning: str
    shape: dict[str, Any]


class KindAnswer(Answer):
    """What rules of a kind can ask, and what they can do."""

    kind: RuleKind
    fields: list[FieldAnswer]
    actions: list[ActionAnswer]
    most_actions: int


class LimitsAnswer(Answer):
    """How large a condition may be."""

    depth: int
    nodes: int
    list_length: int
    text_length: int


class CatalogueAnswer(Answer):
    """Everything that rules can ask and do. With operators `with_list`, the value is a list; with `between`, of two."""

    kinds: list[KindAnswer]
    with_list: list[Operator]
    limits: LimitsAnswer


def _named(ask: Ask) -> list[Key]:
    return rule_keys(ask.store, ask.path["rule_id"])


def _shown(ask: Ask) -> list[Key]:
    return [rule_key(ask.store, ask.path["rule_id"])]


def _version(ask: Ask) -> list[Key]:
    number = _number(ask.path["number"])
    return [] if number is None else [rule_version_key(ask.store, ask.path["rule_id"], number)]


def _new(ask: Ask) -> list[Key]:
    try:
        draft = RuleDraft.model_validate_json(ask.body)
    except ValueError:
        return []
    return [rule_set_key(ask.store, draft.kind, draft.scope)]


@app.get("/v1/rules/fields", allow=ALLOW)
def show_rule_fields(caller: Caller) -> CatalogueAnswer:
    """Show what rules of each kind can ask about, with which operators, and what they can do.

    Where nothing is known of a field, only `missing`, `ne`, `not_in` and `none_of` hold. Texts are compared in any letter case.
    """
    return _catalogue()


@app.get("/v1/rules", allow=ALLOW)
def list_all_rules(
    caller: Caller,
    kind: Annotated[RuleKind | None, Query()] = None,
    scope: Annotated[ScopeType | None, Query(description="Those for the whole store, for channels, or for resellers.")] = None,
    channel_id: Annotated[Reference | None, Query()] = None,
    reseller_id: Annotated[Reference | None, Query()] = None,
    enabled: Annotated[bool | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RuleAnswer]:
    """List the rules by kind, in the order in which they are asked: resellers' before channels', those before the store's."""
    exact = _exact(scope, channel_id, reseller_id)
    whose = exact.type if exact else scope
    bound = ("rules", caller.store.id, kind, whose, exact.id if exact else None, None if enabled is None else str(enabled))
    rows = list_rules(
        caller.store.id,
        kind=kind,
        scope=exact,
        whose=whose,
        enabled=enabled,
        limit=limit,
        after=read_cursor(cursor, *bound),
    )
    items = [RuleAnswer.of(row.load(Rule)) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.post("/v1/rules", allow=ALLOW, status=201, reads=_new)
def create_rule(draft: RuleDraft, caller: Caller) -> RuleAnswer:
    """Make a rule, which is in force at once unless it is not enabled. `POST /v1/rules/dry-run` tries it out before.

    Everything that is wrong with it is told at once, each fault with its place (`/when/all/0/value`).
    """
    rule = drafted(draft, caller.store, at=caller.at)
    tx = caller.transaction()
    saved = save_rule(tx, rule, among=_set_of(rule, caller))
    tx.audit("rule:created", saved.id, kind=saved.kind, scope=saved.scope.name)
    return tx.commit_answering(RuleAnswer.of(saved))


@app.get("/v1/rules/<rule_id>", allow=ALLOW, reads=_shown)
def show_rule(rule_id: str, caller: Caller) -> RuleAnswer:
    """Show a rule in its present version."""
    return RuleAnswer.of(caller.reader.get(rule_key(caller.store.id, rule_id), Rule))


@app.patch("/v1/rules/<rule_id>", allow=ALLOW, reads=_named)
def update_rule(rule_id: str, change: RuleChange, caller: Caller) -> RuleAnswer:
    """Change a rule, which makes a new version of it: whatever was decided by an earlier one still names that one."""
    before = caller.match(caller.reader.get(rule_key(caller.store.id, rule_id), Rule))
    rule = edited(before, change, caller.store, at=caller.at)
    tx = caller.transaction()
    saved = save_rule(tx, rule, among=_set_of(rule, caller))
    tx.audit("rule:updated", saved.id, number=saved.version, fields=sorted(change.given))
    return tx.commit_answering(RuleAnswer.of(saved))


@app.delete("/v1/rules/<rule_id>", allow=ALLOW, reads=_named)
def delete_rule(rule_id: str, caller: Caller) -> None:
    """Delete a rule. It is asked no more, and what it said in its versions can still be read."""
    rule = caller.match(caller.reader.get(rule_key(caller.store.id, rule_id), Rule))
    tx = caller.transaction()
    remove_rule(tx, rule, among=_set_of(rule, caller))
    tx.audit("rule:deleted", rule.id, number=rule.version)
    tx.commit()


@app.get("/v1/rules/<rule_id>/versions", allow=ALLOW)
def list_rule_versions(rule_id: str, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[RuleAnswer]:
    """List what a rule says and said, newest first, also after it was deleted."""
    bound = ("rule-versions", caller.store.id, rule_id)
    after = read_cursor(cursor, *bound)
    rows = list_versions(caller.store.id, rule_id, limit=limit, after=after)
    if after is None and not rows.records:
        raise NotFoundError("rule")
    items = [RuleAnswer.of(row.load(KeptRule).rule) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/rules/<rule_id>/versions/<number>", allow=ALLOW, reads=_version)
def show_rule_version(rule_id: str, number: str, caller: Caller) -> RuleAnswer:
    """Show what a rule said in a version, which invoices and decisions name; also after it was deleted."""
    wanted = _number(number)
    if wanted is None:
        raise NotFoundError("rule version")
    return RuleAnswer.of(find_version(caller.reader, caller.store.id, rule_id, wanted))


def _set_of(rule: Rule, caller: CallerInfo) -> RuleSet:
    return find_set(caller.reader, caller.store.id, rule.kind, rule.scope)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _exact(scope: ScopeType | None, channel_id: str | None, reseller_id: str | None) -> RuleScope | None:
    """Return the one scope that a list is asked for; None if it is for several. Raises `InvalidError`."""
    if channel_id and (reseller_id or scope not in {None, "channel"}):
        raise InvalidError(Fault("?channel_id", "goes with the scope “channel” alone"))
    if reseller_id and scope not in {None, "reseller"}:
        raise InvalidError(Fault("?reseller_id", "goes with the scope “reseller” alone"))
    if channel_id:
        return RuleScope(type="channel", id=channel_id)
    if reseller_id:
        return RuleScope(type="reseller", id=reseller_id)
    return RuleScope(type="store") if scope == "store" else None


@cache
def _catalogue() -> CatalogueAnswer:
    return CatalogueAnswer(
        kinds=[
            KindAnswer(
                kind=kind,
                fields=[
                    FieldAnswer(
                        name=field.name,
                        type=field.type,
                        meaning=field.meaning,
                        operators=list(field.operators),
                        choices=list(field.choices) or None,
                    )
                    for field in fields
                ],
                actions=[
                    ActionAnswer(
                        action=name_of(action),
                        meaning=(action.__doc__ or "").partition("\n")[0],
                        shape=action.model_json_schema(),
                    )
                    for action in ACTIONS[kind]
                ],
                most_actions=MOST_ACTIONS[kind],
            )
            for kind, fields in CATALOGUE.items()
        ],
        with_list=sorted(WITH_SEVERAL),
        limits=LimitsAnswer(depth=MAX_DEPTH, nodes=MAX_NODES, list_length=MAX_LIST, text_length=MAX_STRING),
    )


handler = app.handler
