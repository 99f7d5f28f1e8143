"""Offers for the tests: made by a sales rep, or asked for by a buyer, and moved as people would."""

from dataclasses import dataclass
from typing import Any

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Market, Team
from tests.support.reps import Rep
from tests.support.table import stored
from tests.support.world import PASSWORD


@dataclass(frozen=True)
class Bargain:
    """A market with its sales reps, and offers to its buyer."""

    team: Team

    @property
    def market(self) -> Market:
        """The store and its buyers."""
        return self.team.market

    @property
    def buyer(self) -> Client:
        """The buyer whom offers are for."""
        return self.market.buyer

    @property
    def rep(self) -> Rep:
        """The rep who makes them."""
        return self.team.rep

    def body(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Return an offer as a rep sends it: by default two of A-1 at the listed price, and three of B-2 if one likes."""
        wanted = list(lines) or [product("A-1", 2), product("B-2", 3, optional=True)]
        return {"customer_id": self.market.customer["id"], "lines": wanted, **fields}

    def make(self, *lines: dict[str, Any], by: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Let a rep make an offer, and return the draft."""
        reply = (by or self.rep.client).post("/v1/offers", self.body(*lines, **fields))
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def ask(self, *lines: dict[str, Any], by: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Let a buyer ask for an offer, and return the request."""
        body = {"lines": list(lines) or [product("A-1", 2)], "message": "Soon, please", **fields}
        reply = (by or self.buyer).post("/v1/offers", body)
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def open(self, *lines: dict[str, Any], by: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Let a rep make an offer and send it; returns it as the rep sees it."""
        by = by or self.rep.client
        return self.moved(self.make(*lines, by=by, **fields), "send", by=by)

    def step(self, offer: dict[str, Any], move: str, *, by: Client | None = None, body: Any = None) -> Reply:
        """Make one move with the offer's etag."""
        headers = {"If-Match": offer["etag"]}
        return (by or self.rep.client).post(f"/v1/offers/{offer['id']}/{move}", body, headers=headers)

    def moved(self, offer: dict[str, Any], move: str, *, by: Client | None = None, body: Any = None) -> dict[str, Any]:
        """Make one move, and return the offer as whoever made it sees it."""
        reply = self.step(offer, move, by=by, body=body)
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def edit(self, offer: dict[str, Any], *, by: Client | None = None, **change: Any) -> Reply:
        """Change an offer with its etag."""
        return (by or self.rep.client).patch(f"/v1/offers/{offer['id']}", change, etag=offer["etag"])

    def edited(self, offer: dict[str, Any], *, by: Client | None = None, **change: Any) -> dict[str, Any]:
        """Change an offer, and return it."""
        reply = self.edit(offer, by=by, **change)
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def cloned(self, offer: dict[str, Any], *, by: Client | None = None) -> dict[str, Any]:
        """Clone an offer for the same customer, and return the new draft."""
        reply = (by or self.rep.client).post(f"/v1/offers/{offer['id']}/clone")
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def accept(self, offer: dict[str, Any], *options: str, by: Client | None = None, **fields: Any) -> Reply:
        """Accept the version of an offer, with the optional lines that are named."""
        body = {"version": offer["version"], "optional_lines": list(options), **fields}
        return (by or self.buyer).post(f"/v1/offers/{offer['id']}/accept", body)

    def seen(self, offer: dict[str, Any], *, by: Client | None = None) -> dict[str, Any]:
        """Return an offer as it is now, to the rep unless somebody else is named."""
        reply = (by or self.rep.client).get(f"/v1/offers/{offer['id']}")
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def acting(self, by: Client | None = None) -> Client:
        """Return the client of a rep who acts for the buyer."""
        about = {"customer_id": self.market.customer["id"], "employee_id": self.team.employee_id, "reason": "Asked to"}
        started = (by or self.rep.client).post("/v1/acting-sessions", {**about, "minutes": 60})
        assert started.status == 201, started.text
        return self.buyer.as_(started.json["token"])

    def login(self, rep: Rep | None = None) -> Client:
        """Log a rep in anew, by default the buyer, for tests in which sessions run out."""
        if rep is None:
            return self.market.login()
        body = {"email": rep.email, "password": PASSWORD, "store": self.market.shop.slug}
        reply = self.buyer.as_(None).post("/v1/sessions", body)
        assert reply.status == 201, reply.text
        return self.buyer.as_(reply.json["token"])


def announced() -> list[tuple[str, str | None]]:
    """Return what the outbox tells about offers, and whom of the store; nobody is the customer, or the store itself."""
    messages = [item["message"] for item in stored("outbox")]
    return [(message["event"], message["member_id"]) for message in messages if message["type"] == "offer"]


def product(number: str, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a line about a product as it is sent."""
    return {"kind": "product", "product_number": number, "quantity": quantity, **fields}
