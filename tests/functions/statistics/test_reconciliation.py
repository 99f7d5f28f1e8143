"""The figures are what the list of orders comes to, for everybody, at any time, whatever was done and whatever went wrong."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.functions.statistics.conftest import Field
from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Reply, run
from tests.support.queues import create_mail_queue
from tests.support.statistics import all_items, check_statistics
from tests.support.table import stored
from tradepost.table.records import Record

STEPS = 60
CHECKED_EVERY = 5
DOWN = refusal("TransactWriteItems", "InternalServerError")


def check(field: Field, *callers: Client) -> None:
    """Hold the figures against the orders: all that the owner sees, or what some others do."""
    for caller in callers or [field.owner]:
        check_statistics(caller, field.customers.values(), field.reps)


class Walk:
    """Whatever people do in a store, one thing after another, drawn at random."""

    def __init__(self, field: Field, seed: int) -> None:
        """Begin with a seed, by which it can be walked again."""
        self.field, self.draw = field, random.Random(seed)
        self.done: dict[tuple[str, int], int] = {}

    def step(self) -> None:
        """Do one thing, which may be refused."""
        steps: list[Callable[[], Reply]] = [self.order, self.order, self.move, self.move, self.edit, self.assign, self.switch]
        if self.draw.random() < 0.2:
            self.field.wait(self.draw.randrange(1, 9))
        chosen = self.draw.choice(steps)
        # A retry of what was not carried out, or of what was although nobody was told so.
        faults = self.draw.choice(["none", "none", "before", "after"])
        if faults == "none":
            reply = chosen()
        else:
            with failing("TransactWriteItems", DOWN, when=faults):
                reply = chosen()
        name = chosen.__name__, reply.status
        self.done[name] = self.done.get(name, 0) + 1
        assert reply.status in {200, 201, 404, 409, 412, 500}, reply.text

    def order(self) -> Reply:
        """Let a rep order, at a price that may have to be approved."""
        rep = self.draw.choice(self.field.reps)
        amount = self.draw.choice([None, None, 0, 100, 1249])
        customer = self.draw.choice(list(self.field.customers))
        body = self.field.body(customer, amount=amount, quantity=self.draw.randrange(1, 9))
        send = partial(rep.client.post, "/v1/orders", body, key=f"order-{self.draw.random()}")
        reply = send()
        return send() if reply.status >= 500 else reply

    def move(self) -> Reply:
        """Move an order on, or cancel it."""
        order = self._order()
        if not order["allowed_transitions"]:
            return self.edit()
        return self.field.market.step(order, self.draw.choice(order["allowed_transitions"]))

    def edit(self) -> Reply:
        """Change how much is ordered."""
        order = self._order()
        body = {"lines": [{"product_number": "A-1", "quantity": self.draw.randrange(1, 9)}]}
        return self.field.owner.patch(f"/v1/orders/{order['id']}", body, etag=order["etag"])

    def assign(self) -> Reply:
        """Allocate a customer to other reps."""
        reps = self.draw.sample(self.field.reps, self.draw.randrange(4))
        return self.field.assign(self.draw.choice(list(self.field.customers)), *reps)

    def switch(self) -> Reply:
        """Make a customer active, or not."""
        return self.field.switch(self.draw.choice(list(self.field.customers)), active=self.draw.random() < 0.6)

    def _order(self) -> dict[str, Any]:
        return dict(self.draw.choice(all_items(self.field.owner, "/v1/orders", limit="100")))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_of_everybody_are_what_their_orders_come_to(field: Field, seed: int) -> None:
    for customer in field.customers:
        field.order(customer)
    walk = Walk(field, seed)
    for number in range(1, STEPS + 1):
        walk.step()
        if number % CHECKED_EVERY == 0:
            check(field, walk.draw.choice(field.callers))
    check(field, *field.callers)
    assert {name for name, status in walk.done if status < 300} >= {"order", "move", "assign", "switch"}, walk.done


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_dies_leaves_orders_and_figures_equal(field: Field, when: Any) -> None:
    field.assign("blue", field.rhea)
    order = field.order("blue")
    etag = {"If-Match": order["etag"]}
    steps: list[Callable[[], Reply]] = [
        partial(field.sven.client.post, "/v1/orders", field.body("blue"), key="again"),
        partial(field.owner.post, f"/v1/orders/{order['id']}/cancel", key="again", headers=etag),
    ]
    for step in steps:
        with failing("TransactWriteItems", DOWN, when=when):
            assert step().status == 500
        check(field)
        assert step().status in {200, 201}
        check(field)
    with failing("TransactWriteItems", DOWN, when=when):
        assert field.assign("blue", field.otto).status == 500
    check(field)
    with failing("TransactWriteItems", DOWN, when=when):
        assert field.switch("blue", active=False).status == 500
    check(field)
    assert field.assign("blue", field.otto, field.sven).status == 200
    check(field, *field.callers)


def test_an_order_while_its_customer_is_reassigned_counts_for_the_new_rep(field: Field) -> None:
    field.assign("blue", field.rhea)
    body = field.body("blue")
    with meanwhile("TransactWriteItems", partial(field.assign, "blue", field.otto)):
        placed = field.sven.client.post("/v1/orders", body)
    assert placed.status in {201, 409}
    check(field)
    with meanwhile("TransactWriteItems", partial(field.order, "blue")):
        assigned = field.assign("blue", field.rhea)
    assert assigned.status in {200, 409, 412}
    check(field)
    order = field.order("blue")
    with meanwhile("TransactWriteItems", partial(field.assign, "blue", field.otto, field.rhea)):
        moved = field.market.step(order, "cancel")
    assert moved.status in {200, 409, 412}
    check(field)
    with meanwhile("TransactWriteItems", partial(field.market.step, field.order("blue"), "cancel")):
        switched = field.switch("blue", active=False)
    assert switched.status in {200, 409, 412}
    check(field, *field.callers)


def test_what_the_stream_tells_twice_is_counted_once(field: Field) -> None:
    create_mail_queue()
    field.assign("blue", field.rhea)
    field.order("blue")
    before = stored("statistics")
    images = [record.to_dynamodb_dict() for record in Record.scan(Record.entity == "outbox")]
    told = [{"NewImage": each, "Keys": {"pk": each["pk"], "sk": each["sk"]}, "SequenceNumber": "1"} for each in images]
    records = [{"eventName": "INSERT", "dynamodb": each} for each in told]
    assert records
    for _ in range(2):
        assert run("notifications/relay_outbox", {"Records": records}) == {"batchItemFailures": []}
    assert stored("statistics") == before
    check(field)
