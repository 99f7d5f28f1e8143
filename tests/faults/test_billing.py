"""Bills under races and death: one for each order and event, numbers without gaps, a balance that is exact to the cent."""

from collections.abc import Callable

import pytest

from tests.functions.billing.conftest import office
from tests.support.billing import Office, consume, expect_gapless, runs, work
from tests.support.faults import failing, meanwhile, refusal
from tests.support.table import stored
from tradepost.table.shapes import Key

__all__ = ["office"]

CREDIT = {"action": "credit", "all": True}
TOTAL = 2 * 1250 + 590
DIED = refusal("TransactWriteItems", "InternalServerError")


def expect_one_each(office: Office, count: int) -> None:
    """Expect so many orders billed once, each with one payment, one mail and what is left of the credit."""
    assert len(office.invoices()) == len({each["order_id"] for each in office.invoices()}) == count
    assert len(stored("payment")) == count
    assert len([item for item in stored("outbox") if item["message"]["type"] == "invoice"]) == count
    assert {item["status"] for item in stored("outbox") if item["message"]["type"] == "order_rules"} == {"done"}
    expect_gapless()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_consumer_that_dies_at_its_transaction_leaves_all_of_it_or_nothing(office: Office, when: str) -> None:
    office.rule("invoicing", CREDIT)
    office.credit(5000)
    office.place()
    keys = runs()
    with failing("TransactWriteItems", DIED, times=9, when="after" if when == "after" else "before"):
        assert consume(keys) == ["0"]
    assert len(office.invoices()) == len(stored("payment")) == (1 if when == "after" else 0)
    assert office.balance() == (5000 - TOTAL if when == "after" else 5000)
    assert consume(keys) == []
    assert office.balance() == 5000 - TOTAL
    expect_one_each(office, 1)


@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_consumer_that_dies_while_it_reads_leaves_nothing(office: Office, call: int) -> None:
    office.place()
    keys = runs()
    before = stored()
    with failing("BatchGetItem", refusal("BatchGetItem", "InternalServerError"), times=9, skipping=call):
        assert consume(keys) == ["0"]
    assert stored() == before
    assert consume(keys) == []
    expect_one_each(office, 1)


def test_bills_that_are_about_to_take_the_same_number_take_one_each(office: Office) -> None:
    orders = [office.place() for _ in range(4)]
    *others, last = runs()
    # All four have read the counter before any of them writes: each write but the first finds its number taken.
    nested: Callable[[], object] = lambda: None  # noqa: E731  # built from the inside out
    for key in others:
        nested = _writing_after(nested, [key])
    with meanwhile("TransactWriteItems", nested):
        assert consume([last]) == []
    expect_one_each(office, len(orders))


def _writing_after(before: Callable[[], object], keys: list[Key]) -> Callable[[], object]:
    def write() -> None:
        with meanwhile("TransactWriteItems", before):
            assert consume(keys) == []

    return write


def test_credit_that_is_spent_meanwhile_is_not_spent_twice(office: Office) -> None:
    office.rule("invoicing", CREDIT)
    office.credit(4000)
    office.place()
    office.place()
    one, other = runs()
    with meanwhile("TransactWriteItems", lambda: consume([other])):
        assert consume([one]) == []
    assert office.balance() == 0
    assert sum(each["credit_used"]["amount"] for each in office.invoices()) == 4000
    expect_one_each(office, 2)


def test_credit_that_the_owner_takes_back_meanwhile_is_not_spent(office: Office) -> None:
    office.rule("invoicing", CREDIT)
    office.credit(1000)
    office.place()
    with meanwhile("TransactWriteItems", lambda: office.credit(-1000, "A mistake")):
        work()
    assert office.balance() == 0
    assert [each["credit_used"]["amount"] for each in office.invoices()] == [0]
    expect_one_each(office, 1)


def test_two_consumers_of_one_message_bill_once(office: Office) -> None:
    office.place()
    keys = runs()
    with meanwhile("TransactWriteItems", lambda: consume(keys)):
        assert consume(keys) == []
    expect_one_each(office, 1)


def test_two_messages_about_one_order_bill_it_once_at_the_same_moment(office: Office) -> None:
    order = office.place()
    office.change(order, lines=[{"product_number": "B-2", "quantity": 7}])
    placed, updated = runs()
    with meanwhile("TransactWriteItems", lambda: consume([updated])):
        assert consume([placed]) == []
    expect_one_each(office, 1)


def test_an_order_that_is_cancelled_while_it_is_billed_ends_cancelled(office: Office) -> None:
    order = office.place()
    with meanwhile("TransactWriteItems", lambda: office.step(order, "cancel")):
        consume(runs())
    work()
    assert sum(each["total"]["amount"] for each in office.invoices()) == 0
    assert [each["amount"]["amount"] for each in stored("payment")] == [0]
    expect_gapless()


def test_a_consumer_without_time_left_gives_its_messages_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.place()
    keys = runs()
    monkeypatch.setattr("tests.support.functions.Context.get_remaining_time_in_millis", staticmethod(lambda: 5_000))
    assert consume(keys) == ["0"]
    assert office.invoices() == []
