"""One write, whole or not at all, and every refusal explains itself."""

import heapq
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.operand import Path

from tests.support.faults import failing, meanwhile, refusal
from tests.support.table import counted_calls, stored
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.outbox import PasswordChangedMail
from tradepost.domain.people import SYSTEM, Party
from tradepost.domain.stores import CustomerGroup, PriceTier
from tradepost.table import transaction
from tradepost.table.records import Record
from tradepost.table.shapes import PRICE_TIER, REPLAY, Key
from tradepost.table.stores import list_key
from tradepost.table.transaction import MAX_ACTIONS, Replay, ReplayError, Transaction

AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
OLA = Party(type="member", id="acme.ola", name="Ola Nordmann")
REPLAY_KEY = REPLAY.key(owner="STORE#acme", digest="d")

pytestmark = pytest.mark.usefixtures("aws")


class Told(BaseModel):
    """An answer."""

    number: int


def begin(*, replay: Replay | None = None) -> Transaction:
    """Begin a write in the store acme."""
    return Transaction("STORE#acme", OLA, OLA, AT, replay=replay, status=201)


def key(id_: str = "t1") -> Key:
    """Return where a price tier is kept."""
    return list_key(PriceTier, "acme", id_)


def tier(id_: str = "t1", *, name: str = "Wholesale", version: int = 0) -> Record:
    """Return a price tier's item."""
    return Record.of(key(id_), PriceTier(id=id_, name=name, created_at=AT, version=version))


def put(id_: str = "t1") -> None:
    """Write a price tier."""
    tx = begin()
    tx.save(tier(id_))
    tx.commit()


def names() -> dict[str, str]:
    """Return the tiers' names by id."""
    return {each["id"]: each["name"] for each in stored("price_tier")}


def test_everything_is_written_in_one_call_or_nothing_is() -> None:
    put()
    tx = begin()
    tx.save(tier("t2"))
    tx.save(tier(name="Changed", version=7))
    tx.announce(PasswordChangedMail(person="ola"))
    tx.audit("price_tier:renamed", "t1")
    with counted_calls() as calls, pytest.raises(StaleError):
        tx.commit()
    assert calls == ["TransactWriteItems"]
    assert [item["entity"] for item in stored()] == ["price_tier"]
    assert names() == {"t1": "Wholesale"}


def test_a_new_item_must_not_be_there_yet() -> None:
    put()
    tx = begin()
    tx.save(tier(), otherwise=ConflictError("taken", "It is there."))
    with pytest.raises(ConflictError) as refused:
        tx.commit()
    assert refused.value.code == "taken"
    tx = begin()
    tx.save(tier())
    with pytest.raises(ConflictError) as refused:
        tx.commit()
    assert refused.value.code == "exists"


def test_a_change_counts_the_version_and_leaves_alone_what_is_kept_beside_the_document() -> None:
    put()
    tx = begin()
    tx.update(key(), [Record.tally.add(3)])
    tx.commit()
    tx = begin()
    tx.save(tier(name="Changed", version=1))
    tx.commit()
    (item,) = stored("price_tier")
    assert (item["name"], item["version"], item["tally"]) == ("Changed", 2, 3)


def test_two_changes_of_one_item_become_one_that_keeps_both_conditions() -> None:
    put()
    tx = begin()
    tx.save(tier(name="Changed", version=1))
    tx.update(key(), [Record.tally.add(1)], condition=Record.tally == 5, otherwise=ConflictError("odd", "Odd."))
    assert tx.size == 1
    with pytest.raises(StaleError):
        tx.commit()
    tx = begin()
    tx.save(tier(name="Changed", version=1))
    tx.update(key(), [Record.tally.add(1)])
    tx.commit()
    (item,) = stored("price_tier")
    assert (item["name"], item["tally"]) == ("Changed", 1)


def test_what_is_only_demanded_is_not_changed() -> None:
    put()
    for present, wanted in (("Wholesale", True), ("Retail", False)):
        tx = begin()
        missing = ConflictError("moved", "It moved.")
        tx.require(key(), Path("data.name") == present, otherwise=missing)
        tx.save(tier(f"for {present}"))
        if wanted:
            tx.commit()
        else:
            with pytest.raises(ConflictError, match="It moved"):
                tx.commit()
    assert names() == {"t1": "Wholesale", "for Wholesale": "Wholesale"}
    assert {item["version"] for item in stored("price_tier")} == {1}


def test_a_value_is_unique_until_it_is_given_back() -> None:
    taken = ConflictError("name_taken", "Taken.")

    def claim(holder: str) -> None:
        tx = begin()
        tx.claim("acme", "name", "wholesale", holder, otherwise=taken)
        tx.commit()

    claim("t1")
    with pytest.raises(ConflictError, match="Taken"):
        claim("t2")
    tx = begin()
    tx.release("acme", "name", "wholesale")
    tx.commit()
    claim("t2")
    assert [item["holder"] for item in stored("claim")] == ["t2"]


def test_an_answer_is_kept_for_a_day_with_the_change_it_answers() -> None:
    tx = begin(replay=Replay(REPLAY_KEY, "asked"))
    tx.save(tier())
    assert tx.commit_answering(Told(number=5)) == Told(number=5)
    (kept,) = stored("replay")
    assert (kept["fingerprint"], kept["status"], kept["body"], kept["token_seed"]) == ("asked", 201, {"number": 5}, None)
    assert int(Record.get(*REPLAY_KEY).expires_at) == int((AT + timedelta(days=1)).timestamp())


def test_without_a_key_no_answer_is_kept() -> None:
    tx = begin()
    tx.save(tier())
    tx.commit_answering(Told(number=5))
    assert stored("replay") == []


def test_that_it_was_done_already_is_told_before_anything_it_tripped_over() -> None:
    for expected in (None, ReplayError):
        tx = begin(replay=Replay(REPLAY_KEY, "asked"))
        tx.save(tier(), otherwise=ConflictError("taken", "Taken."))
        if expected is None:
            tx.commit_answering(Told(number=5))
        else:
            with pytest.raises(expected):
                tx.commit_answering(Told(number=5))


def test_of_two_writers_of_one_version_the_second_is_told_to_read_again() -> None:
    put()

    def another() -> None:
        other = begin()
        other.save(tier(name="First", version=1))
        other.commit()

    tx = begin()
    tx.save(tier(name="Second", version=1))
    with meanwhile("TransactWriteItems", another), pytest.raises(StaleError):
        tx.commit()
    assert names() == {"t1": "First"}


def cancelled(*codes: str) -> Any:
    """Return the error of a transaction that was cancelled for reasons, one for each action."""
    reasons = [{"Code": code} for code in codes]
    return refusal("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)


def test_a_collision_with_other_writers_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(transaction.time, "sleep", pauses.append)
    tx = begin()
    tx.save(tier())
    with failing("TransactWriteItems", cancelled("TransactionConflict"), times=3):
        tx.commit()
    assert names() == {"t1": "Wholesale"}
    assert len(pauses) == 3
    assert all(0 < pause < 1 for pause in pauses)


def test_of_fifty_who_write_the_same_item_at_once_all_get_their_turn() -> None:
    random.seed(4)
    held_for, refused_after = 0.02, 0.01
    for _ in range(50):
        queue = [(random.uniform(0, 0.03), number, 0) for number in range(50)]
        heapq.heapify(queue)
        free_from = written = 0.0
        while queue:
            at, number, attempt = heapq.heappop(queue)
            if at >= free_from:
                free_from, written = at + held_for, written + 1
            elif attempt + 1 < transaction._ATTEMPTS:
                heapq.heappush(queue, (at + refused_after + transaction.pause(attempt), number, attempt + 1))
        assert (written, free_from < 6) == (50, True)


def test_a_collision_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.time, "sleep", lambda _: None)
    tx = begin()
    tx.save(tier())
    with failing("TransactWriteItems", cancelled("TransactionConflict"), times=99), pytest.raises(ConflictError) as refused:
        tx.commit()
    assert refused.value.code == "busy"
    assert stored() == []


def test_a_condition_that_failed_is_told_even_where_others_collided() -> None:
    tx = begin()
    tx.save(tier(), otherwise=ConflictError("taken", "Taken."))
    tx.save(tier("t2"))
    both = cancelled("ConditionalCheckFailed", "TransactionConflict")
    with failing("TransactWriteItems", both, times=9), pytest.raises(ConflictError) as refused:
        tx.commit()
    assert refused.value.code == "taken"


def test_a_failure_that_is_nobodys_decision_is_not_disguised_as_one() -> None:
    tx = begin()
    tx.save(tier(), otherwise=ConflictError("taken", "Taken."))
    broken = refusal("TransactWriteItems", "InternalServerError")
    with failing("TransactWriteItems", broken, times=9), pytest.raises(TransactWriteError):
        tx.commit()


def test_the_reasons_are_those_of_their_steps_whatever_the_order_they_were_added_in() -> None:
    put()
    for guilty in ("check", "delete", "put", "update"):
        tx = begin()
        nothing, anything = Path("data.name") == "Nothing", Path("data.name") == "Wholesale"

        def because(step: str) -> ConflictError:
            return ConflictError(step, step)

        conditions = {step: nothing if step == guilty else anything for step in ("check", "delete", "update")}
        for id_ in ("checked", "deleted", "updated"):
            if id_ not in names():
                put(id_)
        tx.update(key("updated"), [Record.tally.add(1)], condition=conditions["update"], otherwise=because("update"))
        tx.save(tier("t1" if guilty == "put" else f"new {guilty}"), otherwise=because("put"))
        tx.delete(key("deleted"), condition=conditions["delete"], otherwise=because("delete"))
        tx.require(key("checked"), conditions["check"], otherwise=because("check"))
        with pytest.raises(ConflictError) as refused:
            tx.commit()
        assert refused.value.code == guilty


def test_who_did_what_when_is_on_record() -> None:
    tx = begin()
    tx.audit("price_tier:renamed", "t1", name="Trade")
    tx.commit()
    (line,) = stored("audit")
    assert line["pk"] == "AUDIT#STORE#acme#2026-11"
    assert line["sk"].startswith("2026-11-22T10:30:00.000Z#")
    assert (line["action"], line["target"], line["details"]) == ("price_tier:renamed", "t1", {"name": "Trade"})
    assert line["actor"] == line["subject"] == {"type": "member", "id": "acme.ola", "name": "Ola Nordmann"}


def test_a_transaction_holds_a_hundred_actions() -> None:
    tx = Transaction("STORE#acme", SYSTEM, SYSTEM, AT)
    for number in range(MAX_ACTIONS):
        tx.save(Record.of(PRICE_TIER.key(store="acme", id=f"t{number}"), CustomerGroup(
            id=f"t{number}", name="n", price_tier_id="t", created_at=AT
        )))  # fmt: skip
    assert tx.size == MAX_ACTIONS
    tx.commit()
    assert len(stored("customer_group")) == MAX_ACTIONS
