"""Rules: what a store decides about its resellers and their orders beforehand, as if it were asked each time.

A rule is a condition, `when`, and what is done where it holds, `then`. A condition is a tree: `{"all": […]}`, `{"any": […]}`,
`{"not": …}`, `{"always": true}`, or a comparison `{"field", "op", "value"}`. Whatever is wrong with one is told with the place
where it stands. It is measured before it is read, so that a huge one costs no more than the measuring.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, StrictInt, model_validator

from tradepost.domain.checking import escaped
from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.rule_actions import Action, moneys, written_actions
from tradepost.domain.rule_fields import (
    COUNTRIES,
    WITH_SEVERAL,
    WITHOUT_VALUE,
    FieldType,
    Operator,
    RuleField,
    RuleKind,
    field_of,
)
from tradepost.domain.values import Entity, Instant, Reference, Text, Value, clean_text, folded

__all__ = ["RuleKind"]

MAX_DEPTH: Final = 8
MAX_NODES: Final = 200
MAX_LIST: Final = 100
MAX_STRING: Final = 200
MAX_NUMBER: Final = 10**15
MAX_PRIORITY: Final = 9999
MAX_RULE_BYTES: Final = 64 * 1024
MAX_RULES: Final = 50
MAX_SET_BYTES: Final = 300 * 1024
_MOST_FAULTS: Final = 20
_BOUNDS: Final = 2

type ScopeType = Literal["store", "channel", "reseller"]
type Condition = Mapping[str, Any]
"""A condition as it is sent, stored and shown; one that is stored has been read by `written_condition`."""
type Priority = Annotated[StrictInt, Field(ge=0, le=MAX_PRIORITY)]


class RuleScope(Value):
    """For whom a rule is: the whole store, a reseller channel, or one reseller."""

    type: ScopeType
    id: Reference | None = None

    @model_validator(mode="after")
    def _names_what_it_is_for(self) -> Self:
        if (self.id is None) != (self.type == "store"):
            raise ValueError("needs an id for a channel or a reseller, and none for the store")
        return self

    @property
    def name(self) -> str:
        """The scope as keys and ids spell it: `store`, `channel.<id>`, `reseller.<id>`."""
        return ".".join(filter(None, (self.type, self.id)))


STORE_SCOPE: Final = RuleScope(type="store")
RANKS: Final[Mapping[ScopeType, int]] = {"reseller": 0, "channel": 1, "store": 2}
"""Whose rules are asked first."""


class Rule(Entity):
    """A rule in its present version. `stop` ends the asking where it matches; only invoicing goes on after a match otherwise.

    It holds from `valid_from` on and until before `valid_until`, where these are set.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )
    entity: ClassVar[str] = "rule"

    id: str
    store_id: str
    kind: RuleKind
    scope: RuleScope
    name: Text | None = None
    priority: Priority
    enabled: bool = True
    stop: bool = False
    valid_from: Annotated[Instant | None, Field(alias="from")] = None
    valid_until: Annotated[Instant | None, Field(alias="until")] = None
    when: Condition
    then: tuple[Action, ...]
    created_at: Instant
    updated_at: Instant

    @property
    def order(self) -> tuple[int, int, str]:
        """By what the rules of one kind are asked in turn: whose they are, their priority, and then which was made first."""
        return RANKS[self.scope.type], self.priority, self.id

    def holds_at(self, at: datetime) -> bool:
        """Whether it is asked at an instant at all."""
        begun = self.valid_from is None or self.valid_from <= at
        return self.enabled and begun and (self.valid_until is None or at < self.valid_until)


class RuleSet(Entity):
    """The rules of one kind and scope as they are now, in the order in which they are asked: what a decision reads."""

    entity: ClassVar = "rule_set"

    store_id: str
    kind: RuleKind
    scope: RuleScope
    rules: tuple[Rule, ...] = ()

    def with_rule(self, rule: Rule) -> Self:
        """Return the set with a rule in its latest version. Raises `ConflictError` if that is more than a set takes."""
        others = [other for other in self.rules if other.id != rule.id]
        rules = tuple(sorted([*others, rule], key=lambda each: each.order))
        if len(rules) > MAX_RULES or size_of(*rules) > MAX_SET_BYTES:
            raise ConflictError(
                "too_many_rules",
                f"A scope has {MAX_RULES} rules of a kind at most, of {MAX_SET_BYTES // 1024} KiB together.",
            )
        return self.model_copy(update={"rules": rules})

    def without(self, rule_id: str) -> Self:
        """Return the set without a rule."""
        return self.model_copy(update={"rules": tuple(rule for rule in self.rules if rule.id != rule_id)})


class RuleKey(NamedTuple):
    """What a rule's id says by itself: its kind and scope, so that one batch reads the rule and its set."""

    kind: RuleKind
    scope: RuleScope


def rule_id_of(kind: RuleKind, scope: RuleScope, new_id: str) -> str:
    """Spell a rule's id: `invoicing.channel.<id>.<new id>`."""
    return f"{kind}.{scope.name}.{new_id}"


def split_rule_id(rule_id: str) -> RuleKey | None:
    """Take a rule's id apart; None if it is not one."""
    match rule_id.split("."):
        case ["approval" | "payment_capture" | "invoicing" as kind, "store", str(last)] if last:
            return RuleKey(kind, STORE_SCOPE)
        case [
            "approval" | "payment_capture" | "invoicing" as kind,
            "channel" | "reseller" as whose,
            str(id_),
            str(last),
        ] if id_ and last:
            return RuleKey(kind, RuleScope.model_construct(type=whose, id=id_))
    return None


def size_of(*rules: Rule) -> int:
    """Return how many bytes rules are, written out."""
    return sum(len(json.dumps(rule.model_dump(mode="json"), ensure_ascii=False).encode()) for rule in rules)


def checked(rule: Rule, sent: Mapping[str, object], *, currency: str, pointer: str = "") -> Rule:
    """Return a rule with the `when` and the `then` that were sent, or with its own where they were not.

    Everything that is wrong with them is told at once, each with its place under `pointer`. Raises `InvalidError`.
    """
    wrong: list[tuple[str, Fault]] = []
    changes: dict[str, Any] = {}
    if "when" in sent:
        changes["when"], found = written_condition(sent["when"], kind=rule.kind, currency=currency, pointer=f"{pointer}/when")
        wrong += found
    if "then" in sent:
        changes["then"], faults = written_actions(rule.kind, sent["then"], f"{pointer}/then")
        wrong += [("invalid", fault) for fault in faults]
        wrong += [
            ("wrong_currency", Fault(f"{at}/currency", f"must be in {currency}, the store's currency"))
            for at, money in (() if faults else moneys(changes["then"], f"{pointer}/then"))
            if money.currency != currency
        ]
    if rule.valid_from and rule.valid_until and rule.valid_until <= rule.valid_from:
        wrong.append(("invalid", Fault(f"{pointer}/until", "must be after from")))
    if wrong:
        raise InvalidError(*(fault for _, fault in wrong[:_MOST_FAULTS]), code=wrong[0][0])
    written = rule.model_copy(update=changes)
    if size_of(written) > MAX_RULE_BYTES:
        raise InvalidError(
            Fault(f"{pointer}/when", f"makes the rule larger than {MAX_RULE_BYTES // 1024} KiB"), code="rule_too_large"
        )
    return written


def parts_of(condition: Condition, pointer: str) -> Iterator[tuple[Condition, str]]:
    """Return the conditions that a condition combines, with their places."""
    for name in ("all", "any"):
        if name in condition:
            for index, part in enumerate(condition[name]):
                yield part, f"{pointer}/{name}/{index}"
    if "not" in condition:
        yield condition["not"], f"{pointer}/not"


def written_condition(
    sent: object, *, kind: RuleKind, currency: str, pointer: str
) -> tuple[Condition, list[tuple[str, Fault]]]:
    """Read a condition as it was sent. Returns it as it is kept, and what is wrong with it, each with its code.

    Raises `InvalidError` for one that is too deep or too large, before anything else is looked at.
    """
    _measure(sent, pointer)
    reading = _Reading(kind, currency, [])
    return reading.condition(sent, pointer), reading.wrong


def _measure(sent: object, pointer: str) -> None:
    """Refuse a condition of too many parts without going through it by recursion, and without finishing it."""
    waiting, nodes = [(sent, pointer, 1)], 0
    while waiting:
        node, at, depth = waiting.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            raise InvalidError(Fault(at, f"is deeper than {MAX_DEPTH} levels"), code="rule_too_large")
        if not isinstance(node, Mapping):
            continue
        parts: list[tuple[object, str]] = [(node["not"], f"{at}/not")] if "not" in node else []
        for name in ("all", "any"):
            listed = node.get(name)
            if isinstance(listed, (list, tuple)):
                if nodes + len(waiting) + len(listed) > MAX_NODES:
                    raise InvalidError(
                        Fault(f"{at}/{name}", f"makes the rule larger than {MAX_NODES} conditions"), code="rule_too_large"
                    )
                parts += [(part, f"{at}/{name}/{index}") for index, part in enumerate(listed)]
        waiting += [(part, place, depth + 1) for part, place in parts]


class _Reading(NamedTuple):
    """The reading of one condition, and what was found to be wrong so far."""

    kind: RuleKind
    currency: str
    wrong: list[tuple[str, Fault]]

    def refuse(self, pointer: str, message: str, code: str = "invalid") -> None:
        self.wrong.append((code, Fault(pointer, message)))

    def condition(self, sent: object, pointer: str) -> Condition:
        """Read a condition, and its parts: it was measured, so that it is not deep."""
        if isinstance(sent, Mapping):
            match sent:
                case {"all": parts, **rest} | {"any": parts, **rest}:
                    self._nothing_else(rest, pointer)
                    name = "all" if "all" in sent else "any"
                    return {name: self._parts(parts, f"{pointer}/{name}")}
                case {"not": part, **rest}:
                    self._nothing_else(rest, pointer)
                    return {"not": self.condition(part, f"{pointer}/not")}
                case {"always": always, **rest}:
                    self._nothing_else(rest, pointer)
                    if always is not True:
                        self.refuse(f"{pointer}/always", "must be true")
                    return {"always": True}
                case {"field": _} | {"op": _}:
                    return self._comparison(sent, pointer)
        self.refuse(pointer, "must be one of all, any, not and always, or a comparison with field, op and value")
        return {}

    def _nothing_else(self, rest: Iterable[object], pointer: str) -> None:
        for name in rest:
            self.refuse(f"{pointer}/{escaped(str(name))}", "is not a part of this condition")

    def _parts(self, sent: object, pointer: str) -> list[Condition]:
        if not isinstance(sent, (list, tuple)) or not 1 <= len(sent) <= MAX_LIST:
            self.refuse(pointer, f"must be a list of 1 to {MAX_LIST} conditions")
            return []
        return [self.condition(part, f"{pointer}/{index}") for index, part in enumerate(sent)]

    def _comparison(self, sent: Mapping[str, object], pointer: str) -> Condition:
        self._nothing_else((name for name in sent if name not in {"field", "op", "value"}), pointer)
        name, op = sent.get("field"), sent.get("op")
        field = field_of(self.kind, name) if isinstance(name, str) and len(name) <= MAX_STRING else None
        if field is None:
            self.refuse(f"{pointer}/field", "is not a field of this kind of rule: see GET /v1/rules/fields", "unknown_field")
            return {}
        operator = next((each for each in field.operators if each == op), None)
        if operator is None:
            self.refuse(f"{pointer}/op", f"is none of those for this field: {', '.join(field.operators)}", "unknown_operator")
            return {}
        if operator in WITHOUT_VALUE:
            if "value" in sent:
                self.refuse(f"{pointer}/value", f"has no meaning with {operator}")
            return {"field": field.name, "op": operator}
        if "value" not in sent:
            self.refuse(f"{pointer}/value", "is required")
            return {}
        return {"field": field.name, "op": operator, "value": self._value(field, operator, sent["value"], f"{pointer}/value")}

    def _value(self, field: RuleField, op: Operator, sent: object, pointer: str) -> object:
        if op in WITH_SEVERAL:
            if not isinstance(sent, (list, tuple)) or not 1 <= len(sent) <= MAX_LIST:
                self.refuse(pointer, f"must be a list of 1 to {MAX_LIST} values")
                return []
            return [self._single(field, each, f"{pointer}/{index}") for index, each in enumerate(sent)]
        if op != "between":
            return self._single(field, sent, pointer)
        if not isinstance(sent, (list, tuple)) or len(sent) != _BOUNDS:
            self.refuse(pointer, "must be a list of two values: the least and the most, both included")
            return []
        before = len(self.wrong)
        bounds = [self._single(field, each, f"{pointer}/{index}") for index, each in enumerate(sent)]
        if len(self.wrong) == before and comparable_value(field, bounds[0]) > comparable_value(field, bounds[1]):
            self.refuse(pointer, "must not begin with the greater one")
        return bounds

    def _single(self, field: RuleField, sent: object, pointer: str) -> object:
        readers: Mapping[FieldType, Callable[[object, str], object]] = {
            "money": self._money,
            "integer": self._integer,
            "boolean": self._boolean,
            "instant": self._instant,
        }
        if field.type in readers:
            return readers[field.type](sent, pointer)
        if field.type == "country":
            return self._one_of(COUNTRIES, sent, pointer, "is not an ISO 3166-1 alpha-2 country code, such as DE")
        if field.type == "enum":
            return self._one_of(frozenset(field.choices), sent, pointer, f"is none of {', '.join(field.choices)}")
        return self._text(sent, pointer)

    def _boolean(self, sent: object, pointer: str) -> object:
        if not isinstance(sent, bool):
            self.refuse(pointer, "must be true or false")
        return sent

    def _integer(self, sent: object, pointer: str) -> object:
        # True is an int of Python's, and 5.0 equals one; neither is a whole number of JSON's.
        if type(sent) is not int or abs(sent) > MAX_NUMBER:
            self.refuse(pointer, f"must be a whole number, {MAX_NUMBER} at most")
        return sent

    def _money(self, sent: object, pointer: str) -> object:
        if not isinstance(sent, Mapping) or sent.keys() != {"amount", "currency"}:
            self.refuse(pointer, "must be money: an amount in minor units, and its currency")
            return sent
        self._integer(sent["amount"], f"{pointer}/amount")
        if sent["currency"] != self.currency:
            said = f"must be in {self.currency}, the store's currency"
            self.refuse(f"{pointer}/currency", said, "wrong_currency")
        return {"amount": sent["amount"], "currency": sent["currency"]}

    def _instant(self, sent: object, pointer: str) -> object:
        try:
            instant = datetime.fromisoformat(sent) if isinstance(sent, str) else None
            written = stamp(instant.astimezone(UTC)) if instant and instant.tzinfo else None
        except (ValueError, OverflowError):
            written = None
        if written is None:
            self.refuse(pointer, "must be an instant, such as 2026-11-22T09:30:00Z")
        return written

    def _one_of(self, choices: frozenset[str], sent: object, pointer: str, message: str) -> object:
        if not isinstance(sent, str) or sent not in choices:
            self.refuse(pointer, message)
        return sent

    def _text(self, sent: object, pointer: str) -> object:
        if not isinstance(sent, str) or len(sent) > MAX_STRING:
            self.refuse(pointer, f"must be a text of {MAX_STRING} characters at most")
            return sent
        try:
            text = clean_text(sent)
        except ValueError as error:
            self.refuse(pointer, str(error))
            return sent
        if not text:
            self.refuse(pointer, "must not be empty: ask with exists or missing")
        return text


def comparable_value(field: RuleField, value: Any) -> Any:
    """Return a value of a condition in the form in which facts are compared with it."""
    match field.type:
        case "money":
            return int(value["amount"])
        case "instant":
            return datetime.fromisoformat(value)
        case "integer" | "boolean":
            return value
    return folded(value)
