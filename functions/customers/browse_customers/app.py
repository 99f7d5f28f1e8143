"""GET /v1/customers and /v1/customers/{id}: the store's customers, or a buyer's own."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.expressions.condition import Condition

from tradepost.domain.customers import Customer, CustomerKind
from tradepost.domain.people import Permission
from tradepost.http.answers import CustomerAnswer, customer_answer
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import COLLECTION, customer_key, field_is, get_customer, invitation_state_is, list_customers
from tradepost.table.listing import all_of, search
from tradepost.table.shapes import Key

app = make_app()

type CustomerStatus = Literal["active", "inactive", "all"]
type Invited = Literal["not_invited", "invited", "accepted"]


def _named(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.path["customer_id"])]


@app.get("/v1/customers", allow=Permission.LIST_CUSTOMERS)
def list_customers_of_store(
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="Words of name, number, city or e-mail address.")] = None,
    group_id: Annotated[str | None, Query(max_length=60)] = None,
    status: Annotated[CustomerStatus, Query(description="Active customers by default.")] = "active",
    invitation: Annotated[Invited | None, Query()] = None,
    kind: Annotated[CustomerKind | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CustomerAnswer]:
    """List customers by name, or search them. A filtered page may hold fewer than `limit` and still have a next one."""
    store_id = caller.store.id
    bound = ("customers", store_id, q, group_id, status, invitation, kind)
    after = read_cursor(cursor, *bound)
    if q is None or not q.strip():
        where = _filter(group_id, status, invitation, kind)
        rows = list_customers(store_id, limit=limit, after=after, where=where)
        found, following = [row.load(Customer) for row in rows.records], rows.next_position
    else:
        ids, following = search(store_id, COLLECTION, q, limit=limit, after=after)
        caller.reader.fetch(customer_key(store_id, customer_id) for customer_id in ids)
        hits = [caller.reader.find(customer_key(store_id, customer_id), Customer) for customer_id in ids]
        found = [hit for hit in hits if hit and _passes(hit, group_id, status, invitation, kind)]
    items = [customer_answer(customer, at=caller.at) for customer in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/customers/<customer_id>", allow=Permission.READ_CUSTOMER, reads=_named)
def show_customer(customer_id: str, caller: Caller) -> CustomerAnswer:
    """Show one customer; to a buyer, its own."""
    own = caller.customer_id
    return customer_answer(get_customer(caller.reader, caller.store.id, customer_id, only=own), at=caller.at)


def _filter(
    group_id: str | None, status: CustomerStatus, invitation: Invited | None, kind: CustomerKind | None
) -> Condition | None:
    return all_of(
        [
            field_is("active", status == "active") if status != "all" else None,
            field_is("group_id", group_id) if group_id else None,
            field_is("kind", kind) if kind else None,
            invitation_state_is(invitation) if invitation else None,
        ]
    )


def _passes(
    customer: Customer, group_id: str | None, status: CustomerStatus, invitation: Invited | None, kind: CustomerKind | None
) -> bool:
    state = customer.invitation.state if customer.invitation else "revoked"
    return (
        (status == "all" or customer.active == (status == "active"))
        and group_id in {None, customer.group_id}
        and kind in {None, customer.kind}
        and invitation in {None, {"revoked": "not_invited", "pending": "invited", "accepted": "accepted"}[state]}
    )


handler = app.handler
