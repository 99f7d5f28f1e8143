"""A reseller's credit is added and taken back with a reason, never below zero, and seen by the store and the reseller alone."""

from typing import Any

import pytest

from tests.support.billing import Office
from tests.support.faults import meanwhile
from tests.support.ordering import send_event
from tests.support.resellers import enrolled
from tests.support.table import counted_calls, stored
from tests.support.world import euros
from tradepost.domain import clock
from tradepost.domain.people import SYSTEM
from tradepost.table.credits import Account, CreditChange, change_balance
from tradepost.table.reading import Reader
from tradepost.table.transaction import Transaction


def path(office: Office) -> str:
    return f"/v1/resellers/{office.reseller_id}/credits"


def credited_elsewhere(office: Office, amount: int) -> None:
    """Change the balance as the rules' consumer does."""
    tx, account = Transaction("STORE#acme", SYSTEM, SYSTEM, clock.now()), Account("acme", office.reseller_id, "EUR")
    change_balance(tx, Reader(), account, CreditChange(amount, "Elsewhere"))
    tx.commit()


def test_credit_is_added_and_taken_back_with_a_reason(office: Office) -> None:
    reply = office.owner.post(path(office), {"amount": euros(1250), "reason": "Returned goods"})
    assert reply.status == 201
    assert (reply.json["amount"], reply.json["balance"], reply.json["reason"]) == (euros(1250), euros(1250), "Returned goods")
    assert reply.json["actor"]["name"] == "Ola Nordmann"
    office.credit(-250, "Counted twice")
    shown = office.buyer.get(path(office)).json
    assert (shown["balance"], shown["next_cursor"]) == (euros(1000), None)
    assert [entry["reason"] for entry in shown["items"]] == ["Counted twice", "Returned goods"]
    assert office.balance() == 1000
    audit = [line["details"] for line in stored("audit") if line["action"] == "credit:changed"]
    assert [line["balance"] for line in audit] == [1250, 1000]


def test_a_balance_never_falls_below_zero(office: Office) -> None:
    office.credit(100)
    before = stored()
    reply = office.owner.post(path(office), {"amount": euros(-101), "reason": "Too much"})
    assert (reply.status, reply.code, reply.json["balance"]) == (409, "credit_too_low", 100)
    assert stored() == before
    office.credit(-100)
    assert office.balance() == 0


def test_two_who_take_the_last_of_it_at_once_do_not_both(office: Office) -> None:
    office.credit(100)
    with meanwhile("TransactWriteItems", lambda: credited_elsewhere(office, -100)):
        reply = office.owner.post(path(office), {"amount": euros(-100), "reason": "Second"})
    assert (reply.status, reply.code) == (409, "credit_too_low")
    assert office.balance() == 0


def test_two_first_credits_at_once_both_count(office: Office) -> None:
    with meanwhile("TransactWriteItems", lambda: credited_elsewhere(office, 100)):
        office.credit(50, "Second")
    assert office.balance() == 150


def test_a_retry_credits_once(office: Office) -> None:
    body = {"amount": euros(100), "reason": "Goodwill"}
    first, again = (office.owner.post(path(office), body, key="once") for _ in range(2))
    assert (again.status, again.json) == (201, first.json)
    assert office.balance() == 100


def test_who_has_not_been_approved_cannot_be_credited(office: Office) -> None:
    waiting = enrolled("acme", "wil@waiting.test")
    body = {"amount": euros(100), "reason": "Goodwill"}
    assert office.owner.post(f"/v1/resellers/{waiting}/credits", body).code == "not_a_customer"
    assert office.owner.get(f"/v1/resellers/{waiting}/credits").json["balance"] == euros(0)
    assert office.owner.post("/v1/resellers/nobody/credits", body).status == 404


def test_no_reseller_sees_the_credit_of_another(office: Office) -> None:
    missing = office.other_buyer.get("/v1/resellers/nobody/credits")
    reply = office.other_buyer.get(path(office))
    assert (reply.status, reply.text) == (404, missing.text)
    assert office.buyer.post(path(office), {"amount": euros(100), "reason": "For me"}).code == "forbidden"


@pytest.mark.parametrize(
    "body",
    [
        {"amount": euros(0), "reason": "Nothing"},
        {"amount": {"amount": 100, "currency": "USD"}, "reason": "Dollars"},
        {"amount": {"amount": 1.5, "currency": "EUR"}, "reason": "A fraction"},
        {"amount": euros(10**12 + 1), "reason": "Too much"},
        {"amount": euros(100), "reason": " "},
        {"amount": euros(100)},
        {"reason": "Nothing"},
        [],
    ],
)
def test_what_is_no_credit_is_refused(office: Office, body: Any) -> None:
    before = stored()
    assert office.owner.post(path(office), body).status == 422
    assert stored() == before


def test_pages_of_a_balance_follow_each_other(office: Office) -> None:
    for number in range(3):
        office.credit(100, f"Credit {number}")
    first = office.owner.get(path(office), limit="2").json
    with counted_calls() as calls:
        second = office.owner.get(path(office), limit="2", cursor=first["next_cursor"]).json
    assert calls == ["BatchGetItem", "Query"]
    assert [entry["reason"] for entry in (*first["items"], *second["items"])] == ["Credit 2", "Credit 1", "Credit 0"]
    assert (first["balance"], second["balance"], second["next_cursor"]) == (euros(300), euros(300), None)


def test_the_example_credits_a_reseller(office: Office) -> None:
    reply = send_event("billing/manage_credits.goodwill", TOKEN=office.owner.token)
    assert reply.status == 404, "there is no such reseller"
