"""Sales reps for the tests: hired, and customers allocated to them."""

from typing import Any, NamedTuple

from tests.support.client import Client
from tests.support.world import PASSWORD, Shop
from tradepost.domain import clock
from tradepost.domain.customers import Customer
from tradepost.domain.ids import member_id, person_key
from tradepost.domain.passwords import hash_password
from tradepost.domain.people import ANONYMOUS, Access, Account, Member, Role
from tradepost.domain.scoping import Scope
from tradepost.table.customers import get_customer, save_customer
from tradepost.table.people import save_account, save_member, save_membership
from tradepost.table.reading import Reader
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction


class Rep(NamedTuple):
    """A sales rep: its id as a member of the store, its address and its client."""

    id: str
    email: str
    client: Client


def hire(shop: Shop, name: str = "Rhea", *, access: Access = "allocated", supervisor: bool = False, **fields: Any) -> Rep:
    """Let somebody join a store as a sales rep, who logs in as well."""
    email, at = f"{name.lower()}@reps.test", clock.now()
    person = person_key(email)
    rep = Member(
        id=member_id(shop.slug, person),
        store_id=shop.slug,
        person=person,
        role=Role.REP,
        name=name,
        email=email,
        access=access,
        supervisor=supervisor,
        joined_at=at,
        **fields,
    )
    account = Account(
        person=person,
        email=email,
        name=name,
        password_hash=hash_password(PASSWORD, pointer="/password", personal=()),
        sessions_valid_from=at,
        created_at=at,
    )
    tx = Transaction(store_owner(shop.slug), ANONYMOUS, ANONYMOUS, at)
    save_account(tx, account)
    save_member(tx, rep)
    save_membership(tx, rep)
    tx.commit()
    reply = shop.owner.as_(None).post("/v1/sessions", {"email": email, "password": PASSWORD, "store": shop.slug})
    assert reply.status == 201, reply.text
    return Rep(rep.id, email, shop.owner.as_(reply.json["token"]))


def allocate(shop: Shop, customer: dict[str, Any], *reps: Rep | None) -> Customer:
    """Allocate a customer to reps, the first one being its account manager."""
    before = get_customer(Reader(), Scope(shop.slug, "store"), customer["id"])
    manager, *further = [rep.id if rep else None for rep in reps] or [None]
    change = {"account_manager_id": manager, "further_sales_rep_ids": tuple(filter(None, further))}
    tx = Transaction(store_owner(shop.slug), ANONYMOUS, ANONYMOUS, clock.now())
    after = save_customer(tx, before.model_copy(update=change), before=before)
    tx.commit()
    return after
