"""The outbox: a message has one consumer at a time, and leaves the work list when it is done."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.faults import failing, refusal
from tests.support.table import stored
from tradepost.domain.clock import stamp
from tradepost.domain.outbox import SHARDS, OutboxItem, PasswordChangedMail, shard_of
from tradepost.domain.people import SYSTEM
from tradepost.table.outbox import KEPT, LEASE, ConcludedError, claim, concluding, list_due, postpone, put_off, release
from tradepost.table.records import Record
from tradepost.table.shapes import OUTBOX, Key
from tradepost.table.transaction import Transaction

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("aws")


def announce(*, after: timedelta = timedelta()) -> Key:
    """Announce a message; returns where it is kept."""
    tx = Transaction("PERSON#ola", SYSTEM, SYSTEM, AT)
    id_ = tx.announce(PasswordChangedMail(person="ola"), after=after)
    tx.commit()
    return OUTBOX.key(owner="PERSON#ola", id=id_)


def due(before: datetime) -> list[Key]:
    """Return what is due in all parts of the work list."""
    return [key for shard in range(SHARDS) for key, _ in list_due(str(shard), before=before, limit=50)]


def claimed(key: Key, at: datetime = AT) -> OutboxItem:
    """Take a message on."""
    item = claim(key, at=at)
    assert item is not None
    return item


def test_a_message_is_taken_on_by_one_consumer_until_its_lease_is_over() -> None:
    key = announce()
    item = claimed(key)
    assert item.message == PasswordChangedMail(person="ola")
    assert claim(key, at=AT + LEASE - timedelta(milliseconds=1)) is None
    assert claimed(key, AT + LEASE + timedelta(milliseconds=1)).id == item.id


def test_a_message_that_was_given_back_can_be_taken_on_at_once() -> None:
    key = announce()
    release(key, claimed(key))
    assert claimed(key).status == "queued"


def test_a_message_that_was_put_off_is_left_alone_until_its_time_and_swept_only_later() -> None:
    key, until = announce(), AT + timedelta(minutes=10)
    put_off(key, claimed(key), until=until, error="MessageRejected")
    assert claim(key, at=until - timedelta(seconds=3)) is None
    assert due(until) == []
    assert due(until + timedelta(milliseconds=1)) == [key]
    # Clocks differ a little: what comes back on time is not taken for early
    item = claimed(key, until - timedelta(seconds=1))
    assert (item.attempts, item.last_error, item.next_try) == (1, "MessageRejected", until)


def test_a_consumer_whose_lease_is_over_takes_nothing_from_the_one_that_is_at_it() -> None:
    key = announce()
    late = claimed(key)
    other = claimed(key, AT + timedelta(minutes=1))
    put_off(key, late, until=AT + timedelta(hours=1), error="MessageRejected")
    release(key, late)
    (item,) = stored("outbox")
    assert (item["attempts"], item["next_try"], item["claimed_until"]) == (0, None, stamp(other.claimed_until or AT))


def test_a_message_that_does_not_exist_cannot_be_taken_on() -> None:
    assert claim(OUTBOX.key(owner="PERSON#ola", id="nothing"), at=AT) is None
    assert stored() == []


@pytest.mark.parametrize("failure", [None, "MessageRejected"])
def test_what_is_concluded_is_never_taken_on_again_and_leaves_the_work_list(failure: str | None) -> None:
    key = announce()
    concluding(key, claimed(key), at=AT, failure=failure).commit()
    (item,) = stored("outbox")
    assert (item["status"], item["failure"], item["claimed_until"]) == ("failed" if failure else "done", failure, None)
    assert int(Record.get(*key).expires_at) == int((AT + KEPT).timestamp())
    assert claim(key, at=AT + timedelta(days=1)) is None
    assert due(AT + timedelta(days=1)) == []


def test_of_two_who_conclude_one_message_the_second_learns_of_it() -> None:
    key = announce()
    first, second = claimed(key), claimed(key, AT + timedelta(minutes=1))
    concluding(key, second, at=AT).commit()
    with pytest.raises(ConcludedError):
        concluding(key, first, at=AT).commit()


def test_a_trouble_with_the_table_is_not_taken_for_another_consumer() -> None:
    key = announce()
    with (
        failing("UpdateItem", refusal("UpdateItem", "InternalServerError"), times=9),
        pytest.raises(Exception, match="Internal"),
    ):
        claim(key, at=AT)
    assert claimed(key).status == "queued"


def test_messages_become_due_in_their_order() -> None:
    later, now = announce(after=timedelta(minutes=10)), announce()
    assert due(AT) == []
    assert due(AT + timedelta(minutes=1)) == [now]
    assert sorted(due(AT + timedelta(minutes=11))) == sorted([now, later])


def test_a_message_that_is_due_later_is_tried_for_as_long_as_any_other_from_then_on() -> None:
    later, now = (Record.get(*announce(after=after)).load(OutboxItem) for after in (timedelta(days=30), timedelta()))
    assert [now.is_over(AT + timedelta(days=4)), later.is_over(AT + timedelta(days=4))] == [True, False]
    assert later.is_over(AT + timedelta(days=34))
    assert later.next_look(AT + timedelta(days=30)) == AT + timedelta(days=30, minutes=15)


def test_what_is_postponed_is_due_again_after_a_while_unless_it_is_done() -> None:
    key = announce()
    (_, item), *_ = [row for shard in range(SHARDS) for row in list_due(str(shard), before=AT + timedelta(minutes=6), limit=5)]
    later = AT + timedelta(minutes=15)
    postpone(key, item, until=later)
    assert due(later) == []
    assert due(later + timedelta(minutes=1)) == [key]
    concluding(key, claimed(key), at=AT).commit()
    postpone(key, item, until=later)
    assert due(AT + timedelta(days=1)) == []


def test_the_work_list_is_spread_over_all_of_its_parts() -> None:
    shards = [shard_of(f"message {number}") for number in range(400)]
    assert {shards.count(str(shard)) > 50 for shard in range(SHARDS)} == {True}
