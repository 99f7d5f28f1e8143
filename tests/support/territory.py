"""A store that sells through reps, and whatever people do in it: what the tests of figures begin with."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Market
from tests.support.reps import Rep, hire
from tests.support.statistics import check_statistics
from tests.support.world import euros


@dataclass(frozen=True)
class Territory:
    """Customers with an employee each, and reps of every kind: `rhea` and `otto` see what is allocated to them alone."""

    market: Market
    customers: Mapping[str, str]
    employees: Mapping[str, str]
    rhea: Rep
    otto: Rep
    alma: Rep
    sven: Rep

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.market.owner

    @property
    def reps(self) -> tuple[Rep, ...]:
        """All reps: two with access to what is allocated to them, one to all, and a supervisor."""
        return self.rhea, self.otto, self.alma, self.sven

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

    def check(self, *callers: Client) -> None:
        """Hold the figures against the orders: all that the owner sees, or what some others do."""
        for caller in callers or [self.owner]:
            check_statistics(caller, self.customers.values(), self.reps)


def open_territory(market: Market, *more: str) -> Territory:
    """Hire reps for a store, and let more customers join it."""
    shop = market.shop
    added = {name: shop.add_customer(f"{name.title()} Roof", f"buyer@{name}.test") for name in more}
    customers = {"blue": market.customer["id"], "green": market.other_customer["id"]}
    customers |= {name: customer["id"] for name, customer in added.items()}
    buyers = {"blue": market.buyer, "green": market.other_buyer}
    buyers |= {name: shop.join(customer, name=f"Uma {name.title()}") for name, customer in added.items()}
    employees = {name: buyer.get("/v1/me").json["id"] for name, buyer in buyers.items()}
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    alma, sven = hire(shop, "Alma", access="all"), hire(shop, "Sven", supervisor=True)
    return Territory(market, customers, employees, rhea, otto, alma, sven)


class Walk:
    """Whatever people do in a store, one thing after another, drawn at random."""

    def __init__(self, territory: Territory, seed: int) -> None:
        """Begin with a seed, by which it can be walked again."""
        self.territory, self.draw = territory, random.Random(seed)
        self.done = Counter[str]()

    def step(self) -> None:
        """Do one thing, which may be refused."""
        steps: list[Callable[[], Reply]] = [self.order, self.order, self.move, self.move, self.edit, self.assign, self.switch]
        chosen = self.draw.choice(steps)
        reply = chosen()
        assert reply.status in {200, 201, 404, 409, 412, 500}, reply.text
        self.done[f"{chosen.__name__} {reply.status}"] += 1

    def order(self) -> Reply:
        """Let a rep order, at a price that may have to be approved."""
        rep = self.draw.choice(self.territory.reps)
        amount = self.draw.choice([None, None, 0, 100, 1249])
        customer = self.draw.choice(list(self.territory.customers))
        body = self.territory.body(customer, amount=amount, quantity=self.draw.randrange(1, 9))
        send = partial(rep.client.post, "/v1/orders", body, key=f"order-{self.draw.random()}")
        reply = send()
        # Whoever is not told what became of it sends it again.
        return send() if reply.status == 500 else reply

    def move(self) -> Reply:
        """Move an order on, or cancel it."""
        order = self._order()
        if not order["allowed_transitions"]:
            return self.edit()
        return self.territory.market.step(order, self.draw.choice(order["allowed_transitions"]))

    def edit(self) -> Reply:
        """Change how much is ordered."""
        order = self._order()
        body = {"lines": [{"product_number": "A-1", "quantity": self.draw.randrange(1, 9)}]}
        return self.territory.owner.patch(f"/v1/orders/{order['id']}", body, etag=order["etag"])

    def assign(self) -> Reply:
        """Allocate a customer to other reps."""
        reps = self.draw.sample(self.territory.reps, self.draw.randrange(4))
        return self.territory.assign(self.draw.choice(list(self.territory.customers)), *reps)

    def switch(self) -> Reply:
        """Make a customer active, or not."""
        return self.territory.switch(self.draw.choice(list(self.territory.customers)), active=self.draw.random() < 0.6)

    def _order(self) -> dict[str, Any]:
        return dict(self.draw.choice(self.territory.owner.get("/v1/orders", limit="100").json["items"]))
