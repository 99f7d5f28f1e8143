"""Somebody who acts for somebody else: what the tests of it begin with."""

from dataclasses import dataclass
from typing import Any

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Market, open_market
from tests.support.reps import Rep, allocate, hire
from tests.support.world import PASSWORD, open_shop


@dataclass(frozen=True)
class Stage:
    """A market whose first customer, for which Ida buys, is allocated to Rhea; the other one to nobody."""

    market: Market
    rhea: Rep
    ida: dict[str, Any]

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.market.owner

    @property
    def customer(self) -> dict[str, Any]:
        """Blue Door, for which Ida buys."""
        return self.market.customer

    def start(self, by: Client | None = None, *, key: str = "", **fields: Any) -> Reply:
        """Try to act, as Ida for half an hour unless told otherwise."""
        body = {"customer_id": self.customer["id"], "employee_id": self.ida["id"], "reason": "Asked by telephone", **fields}
        return (by or self.rhea.client).post("/v1/acting-sessions", body, key=key)

    def act(self, by: Client | None = None, **fields: Any) -> Client:
        """Act, and return the client of whoever does."""
        reply = self.start(by, **fields)
        assert reply.status == 201, reply.text
        return self.owner.as_(reply.json["token"])

    def log_in(self, email: str | None = None, *, password: str = PASSWORD) -> Client:
        """Sign in once more, as Rhea unless told otherwise."""
        body = {"email": email or self.rhea.email, "password": password, "store": self.market.shop.slug}
        reply = self.owner.as_(None).post("/v1/sessions", body)
        assert reply.status == 201, reply.text
        return self.owner.as_(reply.json["token"])

    def change_customer(self, **fields: Any) -> None:
        """Let the owner change the customer."""
        path = f"/v1/customers/{self.customer['id']}"
        reply = self.owner.patch(path, fields, etag=self.owner.get(path).json["etag"])
        assert reply.status == 200, reply.text

    def change_store(self, **fields: Any) -> None:
        """Let the owner change the store."""
        reply = self.owner.patch("/v1/store", fields, etag=self.owner.get("/v1/store").json["etag"])
        assert reply.status == 200, reply.text

    def log(self, reader: Client | None = None, **query: str) -> list[dict[str, Any]]:
        """Return the log as somebody sees it."""
        reply = (reader or self.owner).get("/v1/acting-sessions", **query)
        assert reply.status == 200, reply.text
        return list(reply.json["items"])


def set_stage(api: Client) -> Stage:
    """Open the store, and let its people join."""
    market = open_market(open_shop(api))
    rhea = hire(market.shop)
    allocate(market.shop, market.customer, rhea)
    return Stage(market, rhea, market.buyer.get("/v1/me").json)
