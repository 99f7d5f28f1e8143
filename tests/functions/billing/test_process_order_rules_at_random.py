"""Whatever is done to orders, and however its messages are told, the bills come to what the orders come to in the end."""

import random
from typing import Any

import pytest

from tests.support.billing import Office, consume, expect_gapless, runs
from tests.support.table import stored
from tests.support.world import euros

STEPS = 25
FEE = 250


@pytest.mark.parametrize("seed", range(3))
def test_bills_payments_and_credit_come_to_what_the_orders_come_to(office: Office, seed: int) -> None:
    chance = random.Random(seed)
    office.rule("invoicing", {"action": "dropship_fee", "amount": euros(FEE)})
    office.rule("invoicing", {"action": "credit", "all": True}, priority=90)
    orders: dict[str, dict[str, Any]] = {}
    credited = 0
    for _ in range(STEPS):
        match chance.randrange(6):
            case 0 | 1:
                order = office.place(("A-1", chance.randint(1, 9)), method=chance.randrange(2))
                orders[order["id"]] = order
            case 2 if orders:
                order = chance.choice(list(orders.values()))
                if order["status"] == "received":
                    lines = [{"product_number": "B-2", "quantity": chance.randint(1, 99)}]
                    orders[order["id"]] = office.change(order, lines=lines)
            case 3 if orders:
                order = chance.choice(list(orders.values()))
                if order["status"] == "received":
                    steps = chance.choice([("cancel",), ("confirm", "cancel"), ("confirm", "start", "ship")])
                    orders[order["id"]] = office.step(order, *steps)
            case 4:
                amount = chance.randint(1, 9000)
                office.credit(amount)
                credited += amount
            case _:
                _tell(chance, most=3)
    while runs():
        _tell(chance, most=10)
    _expect(office, orders, credited)


def _tell(chance: random.Random, *, most: int) -> None:
    """Bring some of the messages that wait, in any order and some of them twice."""
    keys = runs()
    chance.shuffle(keys)
    told = [key for key in keys[:most] for _ in range(chance.choice([1, 1, 2]))]
    chance.shuffle(told)
    assert consume(told) == []


def _expect(office: Office, orders: dict[str, dict[str, Any]], credited: int) -> None:
    invoices = office.invoices()
    for order_id, order in orders.items():
        bills = [each for each in invoices if each["order_id"] == order_id]
        standing = [each for each in bills if each["kind"] == "invoice" and each["credited_by"] is None]
        payment = next((each for each in stored("payment") if each["id"] == order_id), None)
        owed = sum(each["total"]["amount"] for each in bills)
        assert payment is None or payment["amount"]["amount"] == owed
        if order["status"] == "cancelled":
            assert (standing, owed) == ([], 0)
        else:
            [invoice] = standing
            assert owed + invoice["credit_used"]["amount"] == order["total"]["amount"] + FEE
            assert payment is not None
    assert office.balance() == credited - sum(each["credit_used"]["amount"] for each in invoices)
    expect_gapless()
