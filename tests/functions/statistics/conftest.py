"""A store that sells through reps. Opening one takes a while, so that it is done once and copied for every test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Market, open_market
from tests.support.reps import Rep, hire
from tests.support.world import euros, open_shop
from tradepost.aws.secrets import signing_key
from tradepost.domain import clock
from tradepost.table.records import Record

OPENED = datetime(2026, 11, 20, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Field:
    """Three customers with an employee each, and reps of every kind: `rhea` and `otto` see what is allocated to them alone."""

    market: Market
    customers: Mapping[str, str]
    employees: Mapping[str, str]
    rhea: Rep
    otto: Rep
    alma: Rep
    sven: Rep
    clock: Clock

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.market.owner

    @property
    def reps(self) -> tuple[Rep, ...]:
        """All reps: two with access to what is allocated to them, one to all, and a supervisor."""
        return self.rhea, self.otto, self.alma, self.sven

    def wait(self, hours: int) -> None:
        """Let time pass, in which nobody is idle for so long that it has to log in again."""
        for _ in range(hours):
            self.clock.advance(hours=1)
            if self.clock.at.hour % 6 == 0:
                for caller in self.callers:
                    assert caller.get("/v1/me").status == 200

    @property
    def callers(self) -> tuple[Client, ...]:
        """Whoever may see figures."""
        return self.owner, *(rep.client for rep in self.reps)

    def body(self, customer: str, *, amount: int | None = None, quantity: int = 1) -> dict[str, Any]:
        """Return a rep's order for a customer; with an amount other than the listed price, it has to be approved."""
        body = self.market.body(("A-1", quantity))
        if amount is not None:
            body["lines"][0] |= {"unit_price": euros(amount), "reason": "A good customer"}
        return {**body, "customer_id": self.customers[customer], "employee_id": self.employees[customer]}

    def order(self, customer: str, *, by: Rep | None = None, amount: int | None = None, quantity: int = 1) -> dict[str, Any]:
        """Let a rep, by default the supervisor, place an order: so many of A-1 at 12.50, and 5.90 for the parcel."""
        reply = (by or self.sven).client.post("/v1/orders", self.body(customer, amount=amount, quantity=quantity))
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def assign(self, customer: str, *reps: Rep) -> Reply:
        """Let the owner allocate a customer, the first rep being its account manager."""
        path = f"/v1/customers/{self.customers[customer]}/account-manager"
        manager, further = (reps[0].id, [rep.id for rep in reps[1:]]) if reps else (None, [])
        body = {"sales_rep_id": manager, "further_sales_rep_ids": further}
        return self.owner.put(path, body, etag=self.owner.get(path).json["etag"])

    def switch(self, customer: str, *, active: bool) -> Reply:
        """Let the owner make a customer active, or not."""
        path = f"/v1/customers/{self.customers[customer]}"
        return self.owner.patch(path, {"active": active}, etag=self.owner.get(path).json["etag"])


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the functions see: the morning of a Friday on which the store was opened."""
    stopped = Clock(OPENED)
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def field(api: Client, today: Clock) -> Field:
    """A store with customers and reps, on the day on which it was opened."""
    field, records = _opened(api)
    signing_key()  # read once per process: not what a request costs
    with Record.batch_write() as batch:
        for record in records:
            batch.save(record)
    return replace(field, clock=today)


@cache
def _opened(api: Client) -> tuple[Field, list[Record]]:
    market = open_market(open_shop(api))
    third = market.shop.add_customer("Red Roof", "buyer@redroof.test")
    buyers = {"blue": market.buyer, "green": market.other_buyer, "red": market.shop.join(third, name="Rut Roof")}
    customers = {"blue": market.customer["id"], "green": market.other_customer["id"], "red": third["id"]}
    employees = {name: buyer.get("/v1/me").json["id"] for name, buyer in buyers.items()}
    rhea, otto = hire(market.shop, "Rhea"), hire(market.shop, "Otto")
    alma = hire(market.shop, "Alma", access="all")
    sven = hire(market.shop, "Sven", supervisor=True)
    return Field(market, customers, employees, rhea, otto, alma, sven, Clock(OPENED)), list(Record.scan())
