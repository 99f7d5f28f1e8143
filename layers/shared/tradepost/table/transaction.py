"""One write, whole or not at all: the change, its audit line, the messages it causes and the answer a retry gets again."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel
from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, DomainError, StaleError
from tradepost.domain.ids import TokenKind, new_id
from tradepost.domain.outbox import Message, OutboxItem, shard_of
from tradepost.domain.people import Party
from tradepost.domain.values import Entity, Value
from tradepost.table.records import Record
from tradepost.table.shapes import AUDIT, CLAIM, OUTBOX, REPLAY, Key

MAX_ACTIONS = 100
KEPT = "kept"
"""The context in which an answer is written down for retries: what is secret in it leaves itself out."""
REPLAY_LIFETIME = timedelta(days=1)
_ATTEMPTS = 12
"""Enough for fifty who write the same item at once, each of whom holds it for some 20 ms: all get their turn."""
_MOST_DOUBLINGS = 4


class ReplayError(Exception):
    """Another request with the same Idempotency-Key has been carried out meanwhile: its answer is the answer."""


class OvertakenError(ConflictError):
    """Another worker has carried a job on meanwhile: nothing was written, and there is nothing left to do here."""

    def __init__(self) -> None:
        """Take no arguments: it is never shown."""
        super().__init__("overtaken", "This has been carried on meanwhile.")


class Replay(NamedTuple):
    """Where the answer to this request is kept for its retries, and the fingerprint of what was asked."""

    key: Key
    fingerprint: str


class TokenSeed(Value):
    """From what the token in an answer is derived, together with the request's Idempotency-Key; `field` is its name there."""

    kind: TokenKind = "session"
    owner: str
    session: str
    field: str = "token"


class KeptAnswer(Entity):
    """What a retry gets again, and what must have been asked for it."""

    entity: ClassVar = "replay"

    fingerprint: str
    status: int
    body: Mapping[str, Any]
    token_seed: TokenSeed | None = None


class _Step(NamedTuple):
    record: Record
    condition: Condition | None
    otherwise: Exception | None
    actions: Sequence[Action]
    sums: Mapping[str, int] = MappingProxyType({})
    counter: Record | None = None

    @property
    def changes(self) -> list[Action]:
        """What the step does to its item; a sum that comes to nothing does nothing."""
        added = [Path(name).add(more) for name, more in sorted(self.sums.items()) if more]
        named = [] if self.counter is None or not added else _named(self.counter)
        return [*self.actions, *named, *added]


@dataclass
class Transaction:
    """The changes of one use case, written by `commit` in one TransactWriteItems.

    Each step says which error its condition stands for, so that a cancelled transaction explains itself.
    `owner` is the key prefix its audit, outbox and replay items are kept under, `chance` (0 to 1) which part of a spread
    counter it counts on.
    """

    owner: str
    actor: Party
    subject: Party
    at: datetime
    replay: Replay | None = None
    status: int = 200
    chance: float = field(default_factory=random.random)
    _checks: list[_Step] = field(default_factory=list)
    _deletes: list[_Step] = field(default_factory=list)
    _puts: list[_Step] = field(default_factory=list)
    _updates: dict[Key, _Step] = field(default_factory=dict)

    def save(self, record: Record, *, otherwise: DomainError | None = None) -> None:
        """Write an entity's item: a new one (version 0) must not exist, a changed one must not have changed since.

        A change leaves alone what is kept beside the document (counters), which others may be counting at this moment.
        """
        known = int(record.version)
        record.version = known + 1
        if known:
            self._amend(_Step(record, Record.version == known, otherwise or StaleError(), _amendments(record)))
        else:
            error = otherwise or ConflictError("exists", "This exists already.")
            self._puts.append(_Step(record, Record.pk.does_not_exist(), error, []))

    def put(self, record: Record) -> None:
        """Write an item whatever was there before: for those that derive from others, such as search words."""
        self._puts.append(_Step(record, None, None, []))

    def update(
        self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None, otherwise: DomainError | None = None
    ) -> None:
        """Change single attributes of an item."""
        self._amend(_Step(_at(key), condition, otherwise, actions))

    def count(
        self,
        key: Key,
        more: int,
        *,
        what: str = "tally",
        condition: Condition | None = None,
        otherwise: DomainError | None = None,
    ) -> None:
        """Count an item's tally, or another number of it, up or down. What one transaction counts on one is added up first."""
        self._amend(_Step(_at(key), condition, otherwise, [], {what: more}))

    def add_up(self, counter: Record, sums: Mapping[str, int]) -> None:
        """Add to the numbers of a counter, which comes into being by that, with the entity and index keys of the given item."""
        self._amend(_Step(_at(counter.key), None, None, [], sums, counter))

    def summed(self, key: Key) -> frozenset[str]:
        """Return the names of the numbers of a counter that this transaction adds to so far."""
        earlier = self._updates.get(key)
        return frozenset(earlier.sums if earlier else ())

    def delete(self, key: Key, *, condition: Condition | None = None, otherwise: DomainError | None = None) -> None:
        """Remove an item."""
        self._deletes.append(_Step(_at(key), condition, otherwise, []))

    def require(self, key: Key, condition: Condition, *, otherwise: DomainError) -> None:
        """Demand that an item which this transaction does not change is in a certain state; demanded twice, it is once."""
        # What is compared is how they read: PynamoDB compares none that is made of others.
        if not any(check.record.key == key and repr(check.condition) == repr(condition) for check in self._checks):
            self._checks.append(_Step(_at(key), condition, otherwise, []))

    def claim(self, store_id: str, what: str, value: str, holder: str, *, otherwise: DomainError) -> None:
        """Make a value unique in its store."""
        key = CLAIM.key(store=store_id, what=what, value=value)
        record = Record(key.pk, key.sk, entity=CLAIM.entity, data={"holder": holder})
        self._puts.append(_Step(record, Record.pk.does_not_exist(), otherwise, []))

    def release(self, store_id: str, what: str, value: str) -> None:
        """Give a unique value back."""
        self.delete(CLAIM.key(store=store_id, what=what, value=value))

    def announce(self, message: Message, *, after: timedelta = timedelta()) -> str:
        """Send a message when, and only when, this transaction succeeds. Returns the message's id.

        It is relayed at once all the same: what comes before it is due, its consumer leaves to the sweeper.
        """
        item = OutboxItem(id=new_id(), message=message, created_at=self.at, due_at=self.at + after if after else None)
        key = OUTBOX.key(owner=self.owner, id=item.id)
        due = OUTBOX.index1(shard=shard_of(item.id), due_at=stamp(self.at + after), id=item.id)
        self.save(Record.of(key, item, index1=due))
        return item.id

    def audit(self, action: str, target: str, *, subject: Party | None = None, **details: Any) -> None:
        """Note who did what to which item, for good, and for whom. `action` is spelled `<aggregate>:<past participle>`."""
        key = AUDIT.key(owner=self.owner, month=stamp(self.at)[:7], at=stamp(self.at), id=new_id())
        line = {
            "at": stamp(self.at),
            "actor": self.actor.model_dump(mode="json"),
            "subject": (subject or self.subject).model_dump(mode="json"),
            "action": action,
            "target": target,
            **({"details": details} if details else {}),
        }
        self._puts.append(_Step(Record(key.pk, key.sk, entity=AUDIT.entity, data=line), None, None, []))

    def answer(self, body: Mapping[str, Any], *, token_seed: TokenSeed | None = None) -> None:
        """Keep the answer for retries of this request. A token in it is left out and derived again from its seed."""
        if self.replay is None:
            return
        kept = KeptAnswer(fingerprint=self.replay.fingerprint, status=self.status, body=body, token_seed=token_seed)
        record = Record(*self.replay.key, entity=REPLAY.entity, data=kept.model_dump(mode="json"))
        record.expires_at = int((self.at + REPLAY_LIFETIME).timestamp())
        self._puts.append(_Step(record, Record.pk.does_not_exist(), ReplayError(), []))

    def commit_answering[A: BaseModel](self, answer: A) -> A:
        """Write everything together with the answer, and return the answer."""
        self.answer(answer.model_dump(mode="json", context=KEPT))
        self.commit()
        return answer

    def commit(self) -> None:
        """Write everything, or raise the error of the first condition that did not hold; a retried request's comes first."""
        for attempt in range(_ATTEMPTS):
            try:
                self._write()
            except TransactWriteError as error:
                refusal = self._refusal(error)
                if refusal is not None:
                    raise refusal from error
                # Others are writing the same items at this moment: the transaction did nothing, so it may be tried again.
                time.sleep(pause(attempt))
            else:
                return
        raise ConflictError("busy", "Others are changing the same thing just now. Try again.")

    @property
    def size(self) -> int:
        """The number of actions so far; a transaction takes at most `MAX_ACTIONS`."""
        return sum(len(steps) for steps in self._in_order())

    def _amend(self, step: _Step) -> None:
        """Add an update; two of the same item become one, since a transaction takes an item only once."""
        earlier = self._updates.get(step.record.key)
        if earlier is None:
            self._updates[step.record.key] = step
            return
        both = earlier.condition
        # Demanded twice, it is once; see `require`.
        if step.condition is not None and repr(step.condition) != repr(both):
            both = step.condition if both is None else both & step.condition
        actions = [*earlier.actions, *step.actions]
        sums = {name: earlier.sums.get(name, 0) + step.sums.get(name, 0) for name in earlier.sums.keys() | step.sums.keys()}
        otherwise, counter = earlier.otherwise or step.otherwise, earlier.counter or step.counter
        self._updates[step.record.key] = _Step(step.record, both, otherwise, actions, sums, counter)

    def _in_order(self) -> Iterable[list[_Step]]:
        # PynamoDB sends checks, deletes, puts and updates in this order, and the reasons come back in it.
        updates = [step for step in self._updates.values() if step.changes]
        unchanged = [step for step in self._updates.values() if not step.changes and step.condition is not None]
        return [*self._checks, *unchanged], self._deletes, self._puts, updates

    def _write(self) -> None:
        checks, deletes, puts, updates = self._in_order()
        with TransactWrite(connection=_connection()) as batch:
            for check in checks:
                batch.condition_check(Record, check.record.pk, check.record.sk, condition=_demanded(check))
            for delete in deletes:
                batch.delete(delete.record, condition=delete.condition)
            for put in puts:
                batch.save(put.record, condition=put.condition)
            for update in updates:
                batch.update(update.record, actions=update.changes, condition=update.condition)

    def _refusal(self, error: TransactWriteError) -> Exception | None:
        steps = [step for steps in self._in_order() for step in steps]
        codes = [reason.code if reason else None for reason in error.cancellation_reasons]
        failed = [step for step, code in zip(steps, codes, strict=False) if code == "ConditionalCheckFailed"]
        refusals = [step.otherwise for step in failed if step.otherwise is not None]
        if refusals:
            return next((refusal for refusal in refusals if isinstance(refusal, ReplayError)), refusals[0])
        if failed:
            return ConflictError("conflict", "This changed at the same moment. Read it again and decide anew.")
        return None if "TransactionConflict" in codes else error


def pause(attempt: int) -> float:
    """Return for how many seconds to wait after an attempt: twice as long each time, and by chance."""
    return random.uniform(0.01, 0.05) * (1 << min(attempt, _MOST_DOUBLINGS))  # noqa: S311  # jitter, not a secret


def _demanded(step: _Step) -> Condition:
    if step.condition is None:
        raise ValueError("a check needs a condition")
    return step.condition


def _amendments(record: Record) -> list[Action]:
    indexed = (Record.gsi1pk, Record.gsi1sk, Record.gsi2pk, Record.gsi2sk)
    kept = (Record.data, Record.version, *indexed, Record.words, Record.expires_at)
    values = [(attribute, getattr(record, attribute.attr_name)) for attribute in kept]
    return [attribute.remove() if value is None else attribute.set(value) for attribute, value in values]


def _named(counter: Record) -> list[Action]:
    kept = (Record.entity, Record.gsi1pk, Record.gsi1sk)
    values = [(attribute, getattr(counter, attribute.attr_name)) for attribute in kept]
    return [attribute.set(value) for attribute, value in values if value is not None]


def _at(key: Key) -> Record:
    return Record(key.pk, key.sk)


def _connection() -> Connection:
    # The table's own connection keeps one client, and so one pool of sockets, per process.
    connection: Connection = Record._get_connection().connection  # noqa: SLF001  # PynamoDB offers no public way to share it
    return connection
