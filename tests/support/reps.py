"""Sales reps for the tests: invited, joined, and customers allocated to them."""

from typing import Any, NamedTuple

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.world import PASSWORD, Shop
from tradepost.domain.customers import Customer
from tradepost.domain.people import Access
from tradepost.domain.scoping import Scope
from tradepost.table.customers import get_customer
from tradepost.table.reading import Reader


class Rep(NamedTuple):
    """A sales rep: its id as a member of the store, its address and its client."""

    id: str
    email: str
    client: Client


def invite_rep(shop: Shop, name: str = "Rhea", **fields: Any) -> dict[str, Any]:
    """Let the owner invite a sales rep, with access to what is allocated to it by default."""
    body = {"name": name, "email": f"{name.lower()}@reps.test", "access": "allocated", **fields}
    reply = shop.owner.post("/v1/sales-reps", body)
    assert reply.status == 201, reply.text
    return dict(reply.json)


def reps_link(shop: Shop, rep: dict[str, Any]) -> str:
    """Return the token of the link in a sales rep's latest invitation."""
    told = shop.owner.get(f"/v1/sales-reps/{rep['id']}").json["invitation"]
    return str(shop.owner.get(f"/v1/invitations/{told['id']}").json["link"]).rpartition("/i/")[2]


def accept_as_rep(shop: Shop, link: str, **fields: Any) -> Reply:
    """Follow a sales rep's link and join."""
    return shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD, **fields})


def hire(shop: Shop, name: str = "Rhea", *, access: Access = "allocated", supervisor: bool = False, **fields: Any) -> Rep:
    """Let somebody join a store as a sales rep."""
    rep = invite_rep(shop, name, access=access, supervisor=supervisor, **fields)
    joined = accept_as_rep(shop, reps_link(shop, rep))
    assert joined.status == 201, joined.text
    return Rep(rep["id"], rep["email"], shop.owner.as_(joined.json["token"]))


def allocate(shop: Shop, customer: dict[str, Any], *reps: Rep | None) -> Customer:
    """Let the owner allocate a customer to sales reps, the first one being its account manager, whoever looked after it."""
    manager, *further = [rep.id if rep else None for rep in reps] or [None]
    body = {"sales_rep_id": manager, "further_sales_rep_ids": further}
    reply = shop.owner.put(f"/v1/customers/{customer['id']}/account-manager", body, etag="*")
    assert reply.status == 200, reply.text
    return get_customer(Reader(), Scope(shop.slug, "store"), customer["id"])
