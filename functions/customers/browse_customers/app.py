"""GET /v1/customers and /v1/customers/{id}: the store's customers, or a buyer's own."""

from dataclasses import astuple
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.expressions.condition import Condition

from tradepost.domain.customer_lists import NOBODY, CustomerStatus, Invited, Wanted
from tradepost.domain.customers import Customer, CustomerKind, Delivery, ResellerStatus
from tradepost.domain.permissions import Permission
from tradepost.http.answers import CustomerAnswer, customer_answer
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import (
    COLLECTION,
    customer_key,
    field_is,
    find_customers,
    get_customer,
    has_email,
    is_reseller,
    list_allocated,
    list_customers,
    stands_as,
    without_sales_reps,
)
from tradepost.table.listing import all_of, search
from tradepost.table.shapes import Key

app = make_app()


def _where(wanted: Wanted) -> Condition | None:
    """Return the filter of a query."""
    return all_of(
        [
            field_is("active", wanted.status == "active") if wanted.status != "all" else None,
            field_is("group_id", wanted.group_id) if wanted.group_id else None,
            field_is("kind", wanted.kind) if wanted.kind else None,
            without_sales_reps() if wanted.sales_rep_id == NOBODY else None,
            has_email(wanted=wanted.has_email) if wanted.has_email is not None else None,
            is_reseller(wanted.reseller_status) if wanted.reseller_status else None,
            *(stands_as(label) for label in wanted.labels),
        ]
    )


def _named(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.path["customer_id"])]


@app.get("/v1/customers", allow=Permission.LIST_CUSTOMERS)
def list_customers_of_store(  # noqa: PLR0913, PLR0917  # one argument for each parameter of the query
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="Words of name, number, city or e-mail address.")] = None,
    group_id: Annotated[str | None, Query(max_length=60)] = None,
    status: Annotated[CustomerStatus, Query(description="Active customers by default.")] = "active",
    kind: Annotated[CustomerKind | None, Query()] = None,
    sales_rep_id: Annotated[str | None, Query(max_length=120, description="Allocated to this sales rep, or to `none`.")] = None,
    with_email: Annotated[bool | None, Query(alias="has_email", description="With an e-mail address, or without.")] = None,
    invitation: Annotated[Invited | None, Query(description="Of those that can be or are invited.")] = None,
    delivery: Annotated[Delivery | None, Query(description="How far the mail of the latest invitation got.")] = None,
    reseller_status: Annotated[ResellerStatus | None, Query(description="Resellers of this status.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CustomerAnswer]:
    """List customers by name, or search them. A filtered page may hold fewer than `limit` and still have a next one."""
    scope, wanted = (
        caller.scope,
        Wanted(status, group_id, kind, sales_rep_id, with_email, invitation, delivery, reseller_status),
    )
    bound = ("customers", *(None if each is None else str(each) for each in (*astuple(scope), q, *wanted)))
    after = read_cursor(cursor, *bound)
    text, rep = (q or "").strip() or None, scope.sales_rep_id or (sales_rep_id if sales_rep_id != NOBODY else None)
    if rep is None and text is None:
        rows = list_customers(scope, limit=limit, after=after, where=_where(wanted))
        found, following = [row.load(Customer) for row in rows.records], rows.next_position
    else:
        if rep:
            ids, following = list_allocated(scope.store_id, rep, text=text, limit=limit, after=after)
        else:
            ids, following = search(scope.store_id, COLLECTION, text or "", limit=limit, after=after)
        hits = find_customers(caller.reader, scope, ids).values()
        found = [hit for hit in hits if wanted.takes(hit)]
    items = [customer_answer(customer, at=caller.at) for customer in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/customers/<customer_id>", allow=Permission.READ_CUSTOMER, reads=_named)
def show_customer(customer_id: str, caller: Caller) -> CustomerAnswer:
    """Show one customer; to a buyer, its own."""
    customer = get_customer(caller.reader, caller.scope, customer_id)
    return customer_answer(customer, at=caller.at, to_itself=caller.customer_id is not None)


handler = app.handler
