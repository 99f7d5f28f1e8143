"""The queue of enrolments: let the approval rules decide about each reseller that is pending, once."""

from functools import partial
from typing import Any, Final, NamedTuple

from aws_lambda_powertools import Logger

from tradepost.aws.queues import dequeued, worked_off
from tradepost.domain import clock
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.outbox import EnrolmentRun, OutboxItem
from tradepost.domain.people import SYSTEM
from tradepost.domain.reseller_decisions import Approved, Decision, Ground, NeedsReview, channel_by_itself, decided, proposed
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_actions import Approve, Deny, Review
from tradepost.domain.rule_evaluation import first_match, in_order
from tradepost.domain.rule_fields import enrolment_facts
from tradepost.domain.stores import Store
from tradepost.table.outbox import ConcludedError, concluding
from tradepost.table.reading import Reader
from tradepost.table.resellers import conclude_decision, is_overtaken, reseller_key
from tradepost.table.rules import find_rules, rule_set_keys
from tradepost.table.shapes import OUTBOX, Key
from tradepost.table.stores import some_channels, store_key

logger = Logger(service="tradepost")

# How often it is decided anew, should others be deciding about the same reseller at the same moment.
ATTEMPTS: Final = 3
# With less time left, a message is given back to the queue instead of being cut off.
ENOUGH_MS: Final = 4_000
SWITCHED_OFF: Final = "auto_approval_off"
EMAIL_TAKEN: Final = "email_taken"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Decide about each reseller of a batch. A message that cannot be understood, or fails, comes again and stops no other."""
    return worked_off(event, partial(_carried_out, context=context))


def _carried_out(record: dict[str, Any], *, context: Any) -> bool:
    if context.get_remaining_time_in_millis() < ENOUGH_MS:
        return False
    try:
        _carry_on(_key_in(record))
    except ConcludedError:
        logger.info("another worker was faster", delivery=record["messageId"])
    except Exception:  # whatever it is, the message comes again, and ends in the dead-letter queue if it always fails
        logger.exception("enrolment not decided", delivery=record["messageId"])
        return False
    return True


def _key_in(record: dict[str, Any]) -> Key:
    """Return the outbox key in a message. Raises `ValueError` for whatever else somebody put there."""
    key = dequeued(record)
    outbox = OUTBOX.key(owner="", id="")
    if not (key.pk.startswith(outbox.pk.partition("#")[0] + "#") and key.sk == outbox.sk):
        raise ValueError("not the key of an outbox item")
    return key


def _carry_on(key: Key) -> None:
    """Decide about the reseller that an outbox item names, in the transaction that notes the item as done.

    Calls: two BatchGetItem, a Query where the store has no default channel, one transaction. Whoever decides by hand at the
    same moment wins.
    """
    item = Reader().find(key, OutboxItem)
    if item is None or item.status != "queued" or not isinstance(item.message, EnrolmentRun):
        return
    taken = False
    for _ in range(ATTEMPTS):
        before = _decide(key, item, item.message, address_taken=taken)
        if before is None:
            return
        taken = before.address_taken
    raise ConflictError("busy", "Others were deciding about the same reseller all the while.")


class _Refused(NamedTuple):
    """A decision that could not be written as it was, and whether that was because another customer has the address."""

    address_taken: bool


def _decide(key: Key, item: OutboxItem, run: EnrolmentRun, *, address_taken: bool) -> _Refused | None:
    """Decide on the reseller as it is now; returns why that could not be written, None once it is."""
    at, reader = clock.now(), Reader()
    named = reseller_key(run.store_id, run.reseller_id)
    reader.fetch([named, store_key(run.store_id), *rule_set_keys(run.store_id, "approval", None, run.reseller_id)])
    before = reader.find(named, Reseller)
    tx = concluding(key, item, at=at)
    if before is None or before.status != "pending":
        # Somebody has decided by hand, or an earlier delivery did.
        tx.commit()
        return None
    decision = _decision(before, reader.get(store_key(run.store_id), Store), reader)
    if address_taken and isinstance(decision, Approved):
        decision = NeedsReview(decision.ground._replace(reason=EMAIL_TAKEN))
    after = conclude_decision(tx, decided(before, decision, by=SYSTEM, at=at), before=before)
    try:
        tx.commit()
    except ConcludedError:
        raise
    except (ConflictError, StaleError) as refusal:
        if is_overtaken(refusal, before):
            return _Refused(address_taken=False)
        if refusal.code == EMAIL_TAKEN:
            return _Refused(address_taken=True)
        raise
    logger.info("enrolment decided", reseller=after.id, status=after.status, rule=decision.ground.rule_id)
    return None


def _decision(reseller: Reseller, store: Store, reader: Reader) -> Decision:
    """Return what the rules say of a reseller; where none matches, it is approved. Nothing, once that was switched off."""
    if not store.auto_approve_resellers:
        return NeedsReview(Ground(SWITCHED_OFF))
    at = clock.now()
    rules = in_order(find_rules(reader, store.id, "approval", None, reseller.id), at=at)
    match = first_match(rules, enrolment_facts(reseller, at=at, time_zone=store.time_zone))
    if match is None:
        return proposed(None, Ground(trace=()), _channel(store))
    [action] = [each for each in match.rule.then if isinstance(each, Approve | Deny | Review)]
    ground = Ground(action.reason, match.rule.id, match.rule.version, match.trace)
    return proposed(action.action, ground, _channel(store) if action.action == "approve" else None)


def _channel(store: Store) -> str | None:
    return channel_by_itself(store, [] if store.default_channel_id else some_channels(store.id))
