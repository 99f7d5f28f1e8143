"""A reseller that may have API keys, and its keys: what the tests of both begin with."""

from contextvars import Context
from dataclasses import dataclass
from typing import Any

from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Market
from tests.support.world import PASSWORD, Shop
from tradepost.domain.clock import now
from tradepost.domain.customers import PostalAddress, ResellerStatus
from tradepost.domain.ids import person_key
from tradepost.domain.people import SYSTEM
from tradepost.domain.resellers import Application, Contact, Reseller
from tradepost.domain.scoping import Scope
from tradepost.table.customers import customer_key, get_customer
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.resellers import reseller_key, save_reseller
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction

EVERY_SCOPE = ["catalog:read", "invoices:read", "orders:read", "orders:write", "payments:read"]


@dataclass(frozen=True)
class Keyed:
    """A market whose buyer's customer is a reseller."""

    market: Market
    reseller_id: str

    @property
    def path(self) -> str:
        """Where the reseller's keys are."""
        return f"/v1/resellers/{self.reseller_id}/api-keys"

    def make(self, *scopes: str, name: str = "Web shop", by: Client | None = None) -> dict[str, Any]:
        """Make a key, by default as the owner, and return it with its text."""
        reply = (by or self.market.owner).post(self.path, {"name": name, "scopes": list(scopes)})
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def client(self, *scopes: str) -> Client:
        """Return a client that sends a new key."""
        return self.market.owner.as_(self.make(*scopes)["key"])

    def of(self, key: dict[str, Any]) -> Client:
        """Return a client that sends a key."""
        return self.market.owner.as_(key["key"])

    def shown(self, key: dict[str, Any]) -> dict[str, Any]:
        """Return a key as it stands now."""
        return dict(self.market.owner.get(f"{self.path}/{key['id']}").json)

    def revoke(self, key: dict[str, Any], *, by: Client | None = None) -> Reply:
        """Revoke a key."""
        return (by or self.market.owner).delete(f"{self.path}/{key['id']}", etag=self.shown(key)["etag"])

    def rotate(self, key: dict[str, Any], overlap_days: Any = 0, *, by: Client | None = None, once: str = "") -> Reply:
        """Rotate a key, with the version that it has now."""
        headers = {"If-Match": self.shown(key)["etag"]}
        body = {"overlap_days": overlap_days}
        return (by or self.market.owner).post(f"{self.path}/{key['id']}/rotate", body, headers=headers, key=once)

    def become(self, status: ResellerStatus) -> None:
        """Make the reseller something else, whichever function runs at this moment."""
        Context().run(become, self.market.shop.slug, self.reseller_id, status)


def open_keyed(market: Market) -> Keyed:
    """Make the buyer's customer of a market an approved reseller."""
    return Keyed(market, reseller_of(market.shop, market.customer["id"], noted=True))


def reseller_of(shop: Shop, customer_id: str, *, noted: bool = False) -> str:
    """Make a customer the approved reseller that its address once enrolled; `noted` says whether the customer knows it."""
    customer = get_customer(Reader(), Scope(shop.slug, "store"), customer_id)
    application = Application(
        company=customer.name,
        contact=Contact(name=customer.name, email=customer.email or ""),
        address=PostalAddress(street="Harbour Street 5", postal_code="20457", city="Hamburg", country="DE"),
    )
    reseller = Reseller(
        id=person_key(application.contact.email),
        store_id=shop.slug,
        application=application,
        status="approved",
        customer_id=customer_id,
        enrolled_at=now(),
    )
    tx = Transaction(store_owner(shop.slug), SYSTEM, SYSTEM, now())
    save_reseller(tx, reseller)
    tx.commit()
    if noted:
        note(shop.slug, customer_id, {"id": reseller.id, "status": "approved", "channel_id": None})
    return reseller.id


def become(store_id: str, reseller_id: str, status: ResellerStatus) -> None:
    """Make a reseller, and what its customer knows of it, something else."""
    reseller = Reader().get(reseller_key(store_id, reseller_id), Reseller)
    tx = Transaction(store_owner(store_id), SYSTEM, SYSTEM, now())
    save_reseller(tx, reseller.model_copy(update={"status": status}))
    tx.commit()
    note(store_id, reseller.customer_id or "", {"id": reseller_id, "status": status, "channel_id": None})


def note(store_id: str, customer_id: str, told: dict[str, Any] | None) -> None:
    """Let a customer know what it is as a reseller."""
    Record(*customer_key(store_id, customer_id)).update([Path("aside.reseller").set(told)])


def colleague(shop: Shop, customer_id: str, *, role: str = "buyer") -> Client:
    """Let a customer have another employee, Uma, who joins."""
    body = {"name": "Uma", "email": "uma@bluedoor.test", "role": role, "send_invitation": True}
    added = shop.owner.post(f"/v1/customers/{customer_id}/employees", body)
    assert added.status == 201, added.text
    link = shop.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    joined = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert joined.status == 201, joined.text
    return shop.owner.as_(joined.json["token"])
