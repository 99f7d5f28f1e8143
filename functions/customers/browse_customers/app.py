"""GET /v1/customers and /v1/customers/{id}: the store's customers, or a buyer's own."""

from dataclasses import astuple
from typing import Annotated, Final, Literal, NamedTuple

from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.expressions.condition import Condition

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

NOBODY: Final = "none"

type CustomerStatus = Literal["active", "inactive", "all"]
type Invited = Literal["not_invited", "invited", "accepted"]


class Wanted(NamedTuple):
    """Which customers a list shows."""

    status: CustomerStatus
    group_id: str | None
    kind: CustomerKind | None
    sales_rep_id: str | None
    with_email: bool | None
    invitation: Invited | None
    delivery: Delivery | None
    reseller_status: ResellerStatus | None

    @property
    def where(self) -> Condition | None:
        """The filter of a query."""
        return all_of(
            [
                field_is("active", self.status == "active") if self.status != "all" else None,
                field_is("group_id", self.group_id) if self.group_id else None,
                field_is("kind", self.kind) if self.kind else None,
                without_sales_reps() if self.sales_rep_id == NOBODY else None,
                has_email(wanted=self.with_email) if self.with_email is not None else None,
                is_reseller(self.reseller_status) if self.reseller_status else None,
                *(stands_as(label) for label in self.labels),
            ]
        )

    @property
    def labels(self) -> list[str]:
        """The labels that a customer must stand under."""
        return [label for label in (self.invitation, self.delivery and f"delivery_{self.delivery}") if label]

    def takes(self, customer: Customer) -> bool:
        """Tell whether a customer that was found by its words is shown."""
        standing = customer.model_copy(update={"active": True}).standing
        return (
            (self.status == "all" or customer.active == (self.status == "active"))
            and self.group_id in {None, customer.group_id}
            and self.kind in {None, customer.kind}
            and self._takes_reps_of(customer)
            and self.with_email in {None, customer.email is not None}
            and self.reseller_status in {None, customer.reseller and customer.reseller.status}
            and standing.issuperset(self.labels)
        )

    def _takes_reps_of(self, customer: Customer) -> bool:
        if self.sales_rep_id == NOBODY:
            return not customer.sales_rep_ids
        return self.sales_rep_id is None or self.sales_rep_id in customer.sales_rep_ids


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
        rows = list_customers(scope, limit=limit, after=after, where=wanted.where)
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
