"""Rules in the table: each with all its versions, and the set of its kind and scope that decisions read.

What invoices and decisions name stays readable: a version is written once, and outlives its rule.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from tradepost.domain.errors import ConflictError, Fault, InvalidError, StaleError
from tradepost.domain.rules import RANKS, STORE_SCOPE, Rule, RuleKind, RuleScope, RuleSet, split_rule_id
from tradepost.domain.stores import ResellerChannel
from tradepost.table.listing import Position, Rows, all_of, list_index, list_partition
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.resellers import reseller_key
from tradepost.table.shapes import RULE, RULE_SET, RULE_VERSION, Key
from tradepost.table.stores import count_uses
from tradepost.table.transaction import Transaction


class KeptRule(Rule):
    """A version of a rule, `number`, as it was in force."""

    entity: ClassVar[str] = "rule_version"

    number: int

    @property
    def rule(self) -> Rule:
        """The rule as it was."""
        return Rule.model_validate({**self.model_dump(), "version": self.number})


def rule_key(store_id: str, rule_id: str) -> Key:
    """Return where a rule is kept in its present version."""
    return RULE.key(store=store_id, rule=rule_id)


def rule_version_key(store_id: str, rule_id: str, number: int) -> Key:
    """Return where a version of a rule is kept."""
    return RULE_VERSION.key(store=store_id, rule=rule_id, number=f"{number:06}")


def rule_set_key(store_id: str, kind: RuleKind, scope: RuleScope) -> Key:
    """Return where the present rules of a kind and scope are kept."""
    return RULE_SET.key(store=store_id, kind=kind, scope=scope.name)


def rule_keys(store_id: str, rule_id: str) -> list[Key]:
    """Return where a rule is kept, and the set that it is in, which its id names."""
    named = split_rule_id(rule_id)
    return [rule_key(store_id, rule_id), *([rule_set_key(store_id, named.kind, named.scope)] if named else [])]


def rule_set_keys(store_id: str, kind: RuleKind, channel_id: str | None, reseller_id: str | None) -> list[Key]:
    """Return where the rules are kept that decide about a reseller: its own, its channel's and the store's."""
    return [rule_set_key(store_id, kind, scope) for scope in _scopes(channel_id, reseller_id)]


def find_rules(reader: Reader, store_id: str, kind: RuleKind, channel_id: str | None, reseller_id: str | None) -> list[RuleSet]:
    """Return the rules that decide about a reseller: its own, its channel's and the store's, as far as there are any.

    Calls: one BatchGetItem for what is not read yet.
    """
    keys = rule_set_keys(store_id, kind, channel_id, reseller_id)
    reader.fetch(keys)
    return [found for key in keys if (found := reader.find(key, RuleSet)) is not None]


def find_set(reader: Reader, store_id: str, kind: RuleKind, scope: RuleScope) -> RuleSet:
    """Return the present rules of a kind and scope; there are none yet in a new one."""
    found = reader.find(rule_set_key(store_id, kind, scope), RuleSet)
    return found or RuleSet(store_id=store_id, kind=kind, scope=scope)


def find_version(reader: Reader, store_id: str, rule_id: str, number: int) -> Rule:
    """Return what a rule said in a version, also if it is deleted by now. Raises `NotFoundError`."""
    return reader.get(rule_version_key(store_id, rule_id, number), KeptRule).rule


def save_rule(tx: Transaction, rule: Rule, *, among: RuleSet) -> Rule:
    """Write a rule, which is a new version of it, and its set as it was read; returns it with its version.

    A new one is for something that there is: its channel cannot be deleted as long as it has rules. Whoever changes another
    rule of the set at the same moment wins, and this one is refused. Raises `ConflictError` for more than a set takes.
    """
    saved = rule.model_copy(update={"version": rule.version + 1})
    if rule.version == 0:
        _count_on_its_scope(tx, rule, 1)
    names = {
        "store": rule.store_id,
        "rule": rule.id,
        "kind": rule.kind,
        "rank": str(RANKS[rule.scope.type]),
        "scope": rule.scope.name,
        "priority": f"{rule.priority:04}",
    }
    tx.save(Record.of(RULE.key(**names), rule, index1=RULE.index1(**names)))
    kept = KeptRule.model_validate({**saved.model_dump(), "number": saved.version, "version": 0})
    tx.save(Record.of(rule_version_key(rule.store_id, rule.id, saved.version), kept), otherwise=StaleError())
    _save_set(tx, among.with_rule(saved))
    return saved


def remove_rule(tx: Transaction, rule: Rule, *, among: RuleSet) -> None:
    """Delete a rule, of which nothing is asked any more. What it said in its versions stays."""
    condition = Record.version == rule.version
    tx.delete(rule_key(rule.store_id, rule.id), condition=condition, otherwise=StaleError())
    _count_on_its_scope(tx, rule, -1)
    _save_set(tx, among.without(rule.id))


def list_rules(
    store_id: str,
    *,
    kind: RuleKind | None,
    scope: RuleScope | None,
    whose: Literal["store", "channel", "reseller"] | None,
    enabled: bool | None,
    limit: int,
    after: Position | None,
) -> Rows:
    """Return a page of a store's rules by kind, in the order in which they are asked, with one Query."""
    partition = RULE.index1(store=store_id, kind="", rank="", scope="", priority="", rule="").pk
    begin = f"{kind}#" if kind else None
    if kind and scope:
        begin = f"{kind}#{RANKS[scope.type]}#{scope.name}#"
    return list_index(
        Record.gsi1,
        partition,
        limit=limit,
        after=after,
        begins_with=begin,
        where=all_of(
            [
                Record.data["scope"]["type"] == whose if whose and not (kind and scope) else None,
                Record.data["scope"]["id"] == scope.id if scope and scope.id and not kind else None,
                None if enabled is None else Record.data["enabled"] == enabled,
            ]
        ),
    )


def list_versions(store_id: str, rule_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of what a rule said in its versions, newest first, with one Query."""
    return list_partition(
        RULE_VERSION.partition(store=store_id, rule=rule_id),
        limit=limit,
        after=after,
        where=Record.entity == RULE_VERSION.entity,
        newest_first=True,
    )


def _save_set(tx: Transaction, rules: RuleSet) -> None:
    key = rule_set_key(rules.store_id, rules.kind, rules.scope)
    tx.save(Record.of(key, rules), otherwise=_changed_meanwhile())


def _count_on_its_scope(tx: Transaction, rule: Rule, more: int) -> None:
    if rule.scope.type == "channel" and rule.scope.id:
        count_uses(tx, rule.store_id, ResellerChannel, rule.scope.id, more, field="/scope/id")
    if rule.scope.type == "reseller" and rule.scope.id and more > 0:
        unknown = InvalidError(Fault("/scope/id", "is not a reseller of this store"), code="unknown_reseller")
        tx.require(reseller_key(rule.store_id, rule.scope.id), Record.pk.exists(), otherwise=unknown)


def _scopes(channel_id: str | None, reseller_id: str | None) -> Sequence[RuleScope]:
    own = [RuleScope.model_construct(type="reseller", id=reseller_id)] if reseller_id else []
    channels = [RuleScope.model_construct(type="channel", id=channel_id)] if channel_id else []
    return [*own, *channels, STORE_SCOPE]


def _changed_meanwhile() -> ConflictError:
    return ConflictError("rules_changed", "Another rule of this scope changed at the same moment. Try again.")
