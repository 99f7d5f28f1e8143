"""GET /v1/orders and /v1/orders/{id}: the store's orders, or those of a buyer's own company."""

from dataclasses import astuple
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.orders import OrderStatus
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Day
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.orders import OrderAnswer, order_answer
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.orders import Wanted, get_order, list_orders, order_keys
from tradepost.table.shapes import Key

app = make_app()


def _named(ask: Ask) -> list[Key]:
    return order_keys(ask.store, ask.path["order_id"])


@app.get("/v1/orders", allow=Permission.BROWSE_ORDERS)
def list_orders_in_scope(  # one argument for each parameter of the query
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="Words of number, customer or products.")] = None,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    sales_rep_id: Annotated[str | None, Query(max_length=120, description="Of customers allocated to this rep.")] = None,
    status: Annotated[OrderStatus | None, Query()] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    expand: Annotated[Literal["lines"] | None, Query(description="Show the lines of every order too.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrderAnswer]:
    """List orders, newest first. A filtered page may hold fewer than `limit` and still have a next one."""
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store, own = caller.store, caller.scope.sales_rep_id
    if own and sales_rep_id not in {None, own}:
        # Whoever sees what is allocated to it alone knows of no other rep.
        raise NotFoundError("sales rep")
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = Wanted(customer_id, sales_rep_id, q, status, begin, end)
    bound = ("orders", store.id, *(None if each is None else str(each) for each in (*astuple(caller.scope), *wanted)))
    found, following = list_orders(caller.reader, caller.scope, wanted, limit=limit, after=read_cursor(cursor, *bound))
    items = [order_answer(order, caller, with_lines=expand == "lines") for order in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/orders/<order_id>", allow=Permission.BROWSE_ORDERS, reads=_named)
def show_order(order_id: str, caller: Caller) -> OrderAnswer:
    """Show one order with its lines and its history."""
    return order_answer(get_order(caller.reader, caller.scope, order_id), caller)


handler = app.handler
