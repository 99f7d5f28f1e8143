"""Stores to play with, built through the API as their owners would."""

from dataclasses import dataclass
from typing import Any

from tests.support.client import Client

PASSWORD = "five tall ships at noon"
ADDRESS = {
    "company": "Blue Door Ltd",
    "name": "Ida Holm",
    "street": "Harbour Street 5",
    "postal_code": "20457",
    "city": "Hamburg",
    "country": "DE",
}


def euros(amount: int) -> dict[str, Any]:
    """Return so many cents."""
    return {"amount": amount, "currency": "EUR"}


@dataclass(frozen=True)
class Shop:
    """An opened store: `owner` is the owner's client; tier and group are its first ones."""

    slug: str
    owner: Client
    tier_id: str
    group_id: str

    def add_product(self, number: str, amount: int = 1000, **fields: Any) -> dict[str, Any]:
        """Put a product into the catalogue, with a price in the first tier."""
        body = {"name": f"Product {number}", "prices": {self.tier_id: euros(amount)}, **fields}
        reply = self.owner.put(f"/v1/products/{number}", body)
        assert reply.status in {200, 201}, reply.text
        return dict(reply.json)

    def add_customer(self, name: str = "Blue Door", email: str | None = "buyer@bluedoor.test", **fields: Any) -> dict[str, Any]:
        """Add a customer to the first group."""
        body = {"name": name, "group_id": self.group_id, "addresses": [ADDRESS], **fields}
        if email:
            body["email"] = email
        reply = self.owner.post("/v1/customers", body)
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def set_checkout_options(self) -> dict[str, Any]:
        """Offer one way to ship and one to pay."""
        etag = self.owner.get("/v1/checkout-options").json["etag"]
        body = {
            "shipping_methods": [{"name": "Parcel", "cost": euros(590)}],
            "payment_methods": [{"name": "Invoice, 30 days", "kind": "net_terms"}],
        }
        reply = self.owner.put("/v1/checkout-options", body, etag=etag)
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def invite(self, customer_id: str) -> str:
        """Invite a customer and return the token of its link."""
        reply = self.owner.post("/v1/invitations", {"customer_ids": [customer_id], "delivery": "email"})
        assert reply.status == 200, reply.text
        invitation = self.owner.get(f"/v1/invitations/{reply.json['results'][0]['invitation_id']}")
        return str(invitation.json["link"]).rpartition("/i/")[2]

    def join(self, customer: dict[str, Any], *, name: str = "Ida Holm", password: str = PASSWORD) -> Client:
        """Invite a customer and accept; returns the new buyer's client."""
        link = self.invite(customer["id"])
        reply = self.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"name": name, "password": password})
        assert reply.status == 201, reply.text
        return self.owner.as_(reply.json["token"])


def open_shop(client: Client, slug: str = "acme", *, email: str | None = None, **fields: Any) -> Shop:
    """Open a store with a price tier and a customer group."""
    body = {
        "name": slug.title(),
        "slug": slug,
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "owner": {"name": "Ola Nordmann", "email": email or f"ola@{slug}.test", "password": PASSWORD},
        **fields,
    }
    reply = client.post("/v1/stores", body)
    assert reply.status == 201, reply.text
    owner = client.as_(reply.json["session"]["token"])
    tier = owner.post("/v1/price-tiers", {"name": "Wholesale"}).json["id"]
    group = owner.post("/v1/customer-groups", {"name": "Retailers", "price_tier_id": tier})
    assert group.status == 201, group.text
    return Shop(slug, owner, tier, group.json["id"])
