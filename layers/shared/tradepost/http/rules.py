"""Rules over HTTP: how they are sent, drafted from what was sent, and shown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, SkipValidation, StrictBool, WithJsonSchema

from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.ids import new_id
from tradepost.domain.rule_actions import Action
from tradepost.domain.rule_fields import RuleKind
from tradepost.domain.rules import Condition, Priority, Rule, RuleScope, checked, rule_id_of
from tradepost.domain.stores import Store
from tradepost.domain.values import Change, Instant, Text, Value
from tradepost.http.app import Answer

DEFAULT_PRIORITY = 100
_CONDITION = {
    "type": "object",
    "description": (
        "A tree of at most 8 levels and 200 conditions: one of `all` and `any` (lists of conditions), `not` (a condition) and"
        " `always` (true), or a comparison of `field`, `op` and `value`. `GET /v1/rules/fields` tells what can be compared."
    ),
    "properties": {
        "all": {"type": "array", "items": {"type": "object"}},
        "any": {"type": "array", "items": {"type": "object"}},
        "not": {"type": "object"},
        "always": {"const": True},
        "field": {"type": "string", "maxLength": 200},
        "op": {"type": "string"},
        "value": {},
    },
}


def _spelled(scope: object) -> object:
    """Take a scope as the contract also spells it: `"store"`, `{"channel_id": …}` and `{"reseller_id": …}`."""
    match scope:
        case "store":
            return {"type": "store"}
        case {"channel_id": id_, **rest} if not rest:
            return {"type": "channel", "id": id_}
        case {"reseller_id": id_, **rest} if not rest:
            return {"type": "reseller", "id": id_}
    return scope


def _zoned(instant: datetime) -> datetime:
    # Without an offset it is UTC, as everything here is.
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


type SentScope = Annotated[
    RuleScope,
    BeforeValidator(_spelled),
    Field(description="For whom it is. `store` may be sent as that word alone, and a channel as `{channel_id}`."),
]
# Both are read by the domain, which measures them first and tells every fault with its place.
type SentCondition = Annotated[Any, WithJsonSchema(_CONDITION)]
type SentActions = Annotated[SkipValidation[tuple[Action, ...]], Field(description="What it does: `{action, …}` each.")]


class RuleDraft(Value):
    """A rule as it is sent. It is in force at once, unless it is not `enabled`, or only `from` and `until` certain instants."""

    kind: RuleKind
    scope: SentScope
    name: Text | None = None
    priority: Priority = DEFAULT_PRIORITY
    enabled: StrictBool = True
    stop: StrictBool = False
    valid_from: Annotated[Instant | None, Field(alias="from")] = None
    valid_until: Annotated[Instant | None, Field(alias="until")] = None
    when: SentCondition
    then: SentActions


class RuleChange(Change):
    """What to change of a rule; a field that is not sent stays. Its kind and scope stay what they are: make a new one."""

    nullable: ClassVar = frozenset({"name", "valid_from", "valid_until"})

    name: Text | None = None
    priority: Priority | None = None
    enabled: StrictBool | None = None
    stop: StrictBool | None = None
    valid_from: Annotated[Instant | None, Field(alias="from")] = None
    valid_until: Annotated[Instant | None, Field(alias="until")] = None
    when: SentCondition = None
    then: SentActions | None = None


class RuleAnswer(Answer):
    """A rule, in its present version or an earlier one."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    id: str
    version: int
    kind: RuleKind
    scope: RuleScope
    name: str | None
    priority: int
    enabled: bool
    stop: bool
    valid_from: Annotated[Instant | None, Field(alias="from")]
    valid_until: Annotated[Instant | None, Field(alias="until")]
    when: Annotated[Condition, WithJsonSchema(_CONDITION)]
    then: tuple[Action, ...]
    created_at: Instant
    updated_at: Instant
    etag: str


def drafted(draft: RuleDraft, store: Store, *, at: datetime, pointer: str = "") -> Rule:
    """Return the rule that a draft makes, which is not stored yet. `pointer` is where the draft stands in its request.

    Raises `InvalidError` for everything that is wrong with its condition and its actions, each with its place.
    """
    if draft.kind == "approval" and draft.scope.type == "channel":
        # Whoever enrols comes into a channel by being approved: such a rule would never be asked.
        raise InvalidError(Fault(f"{pointer}/scope", "cannot be a channel for approvals: a reseller has none before"))
    rule = Rule.model_construct(
        id=rule_id_of(draft.kind, draft.scope, new_id()),
        store_id=store.id,
        kind=draft.kind,
        scope=draft.scope,
        created_at=at,
        updated_at=at,
        **_plain(draft, {"name", "priority", "enabled", "stop", "valid_from", "valid_until"}),
        when={},
        then=(),
    )
    return checked(rule, {"when": draft.when, "then": draft.then}, currency=store.currency, pointer=pointer)


def edited(rule: Rule, change: RuleChange, store: Store, *, at: datetime) -> Rule:
    """Return a rule as a change makes it. Raises `InvalidError`."""
    parts = {name: sent for name, sent in change.given.items() if name in {"when", "then"}}
    given = _plain(change, change.given.keys() - parts.keys())
    return checked(rule.model_copy(update={**given, "updated_at": at}), parts, currency=store.currency)


def _plain(sent: RuleDraft | RuleChange, names: set[str]) -> Mapping[str, Any]:
    values = {name: getattr(sent, name) for name in names}
    return {name: _zoned(value) if isinstance(value, datetime) else value for name, value in values.items()}
