"""GET /v1/statistics, …/customers, …/sales-reps and …/offers: what was sold, to and by whom most, and which offers were won."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import batched
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import ConfigDict, Field

from tradepost.domain.clock import day_of
from tradepost.domain.customers import Customer
from tradepost.domain.errors import NotFoundError
from tradepost.domain.offer_statistics import OfferFigures, sum_of
from tradepost.domain.people import Member, RepStatus
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.statistics import Figures, Period, Ranked, period_of, ranked, total_of
from tradepost.domain.values import Day, Money, folded
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, make_app
from tradepost.http.pages import Position, make_cursor, read_cursor
from tradepost.table.customers import allocated_ids, customer_key, find_customers, get_customer
from tradepost.table.offer_statistics import offers_by_day
from tradepost.table.people import all_sales_reps, member_key
from tradepost.table.shapes import Key
from tradepost.table.statistics import figures_by_day, figures_of_each, of_customer, of_rep

app = make_app()

LONGEST: Final = timedelta(days=3660)
A_YEAR: Final = timedelta(days=366)
CHUNKS: Final = 5
"""How many times a page looks for customers that are in scope, as many as it shows each time."""

CustomerId = Annotated[str | None, Query(max_length=60)]
SalesRepId = Annotated[str | None, Query(max_length=120, description="Of customers allocated to this rep.")]
FirstDay = Annotated[
    Day | None, Query(alias="from", description="In the store's time zone; included. By default 30 days are shown.")
]
LastDay = Annotated[Day | None, Query(alias="to", description="In the store's time zone; included. By default today.")]


class Sum(Money):
    """An amount that many orders come to."""

    amount: int


class Sold(Answer):
    """Orders that stand: received, confirmed, in progress or shipped; neither awaiting approval nor come to nothing."""

    orders: int
    revenue: Annotated[Sum, Field(description="What the orders come to, with shipping and tax.")]
    average: Annotated[Sum, Field(description="Revenue by orders, rounded half to even to the minor unit.")]
    open_value: Annotated[Sum, Field(description="The part of the revenue that has not been shipped yet.")]


class SoldOnDay(Sold):
    """What was placed on one day."""

    date: Annotated[date, Field(description="The day of placing, in the store's time zone.")]


class _OverDays(Answer):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    time_zone: str
    currency: str


class Statistics(Sold, _OverDays):
    """What was sold over some days. It is what the caller's list of orders comes to over the same days."""

    scope: Annotated[str, Field(description="Whose orders are counted, in words.")]
    by_day: Annotated[list[SoldOnDay], Field(description="Days without orders are left out.")]


class Offered(Answer):
    """Offers that were sent for the first time, whatever became of them: declined, withdrawn and expired ones were not won."""

    made: int
    won: Annotated[int, Field(description="How many of them were accepted.")]
    win_rate: Annotated[float | None, Field(description="Won by made, from 0 to 1; null where none was made.")]
    value: Annotated[Sum, Field(description="As sent last, with the preselected lines; accepted ones as they were accepted.")]
    won_value: Annotated[Sum, Field(description="The part of the value that was accepted.")]


class OfferedOnDay(Offered):
    """Offers whose first sending was on one day."""

    date: Annotated[date, Field(description="The day of the first sending, in the store's time zone.")]


class OfferStatistics(Offered, _OverDays):
    """What became of the offers of some days. It is what the caller's list of offers comes to."""

    scope: Annotated[str, Field(description="Whose offers are counted, in words.")]
    by_day: Annotated[list[OfferedOnDay], Field(description="Days on which none was made are left out.")]


class CustomerName(Answer):
    """A customer, by name."""

    id: str
    number: str
    name: str


class RankedCustomer(Sold):
    """A customer, and what was sold to it."""

    rank: int
    customer: CustomerName


class CustomerRanking(_OverDays):
    """Customers by revenue."""

    items: list[RankedCustomer]
    next_cursor: str | None


class SalesRepName(Answer):
    """A sales rep, by name."""

    id: str
    name: str
    status: RepStatus


class RankedSalesRep(Sold):
    """A sales rep, and what the customers allocated to it ordered."""

    rank: int
    sales_rep: SalesRepName


class SalesRepRanking(_OverDays):
    """Sales reps by revenue."""

    items: list[RankedSalesRep]
    next_cursor: str | None


def _named(ask: Ask) -> Iterator[Key]:
    if "customer_id" in ask.query:
        yield customer_key(ask.store, ask.query["customer_id"])
    if "sales_rep_id" in ask.query:
        yield member_key(ask.query["sales_rep_id"], ask.store)


@app.get("/v1/statistics", allow=Permission.SHOW_STATISTICS, reads=_named)
def show_statistics(
    caller: Caller,
    customer_id: CustomerId = None,
    sales_rep_id: SalesRepId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> Statistics:
    """Show what was sold, in all and by day. Ten years at most.

    An order counts on the day of its placing, and for those its customer is allocated to now: it is what the same caller
    finds among the orders with the same filters.
    """
    period = _period(caller, first_day, last_day, LONGEST)
    rep = _sales_rep(caller, sales_rep_id, own=caller.scope.sales_rep_id)
    customer = get_customer(caller.reader, caller.scope, customer_id) if customer_id is not None else None
    whose = of_customer(customer.id) if customer else of_rep(rep.id) if rep else None
    counted = customer is None or rep is None or rep.id in customer.sales_rep_ids
    days = figures_by_day(caller.scope, period, whose=whose) if counted else {}
    by_day = [{"date": day, **_sold(caller, figures)} for day, figures in days.items()]
    total = _sold(caller, total_of(days.values()))
    shown = {**_over(caller, period), **total, "scope": _in_words(caller, rep, customer), "by_day": by_day}
    return Statistics.model_validate(shown)


@app.get("/v1/statistics/customers", allow=Permission.SHOW_STATISTICS, reads=_named)
def rank_customers(
    caller: Caller,
    customer_id: CustomerId = None,
    sales_rep_id: SalesRepId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> CustomerRanking:
    """List the customers who ordered, those with the highest revenue first. A year at most.

    A page may hold fewer than `limit` and still have a next one.
    """
    period = _period(caller, first_day, last_day, A_YEAR)
    rep, store = _sales_rep(caller, sales_rep_id, own=caller.scope.sales_rep_id), caller.store.id
    chosen = get_customer(caller.reader, caller.scope, customer_id).id if customer_id is not None else None
    bound = ("ranked-customers", store, caller.scope.reach, rep.id if rep else None, chosen, *map(str, period))
    after = read_cursor(cursor, *bound)
    figures = figures_of_each(caller.scope, "customer", period)
    if chosen is not None:
        figures = {name: each for name, each in figures.items() if name == chosen}
    # The rep's list is read whole, as the figures are: of everybody's customers a page could look at many in vain.
    own = allocated_ids(store, rep.id) if rep else figures.keys()
    ranking = [each for each in ranked(figures) if each.name in own and (after is None or each.place > _place_of(after))]
    visible, looked_at = _visible(caller, ranking, limit)
    first = 1 + (int(after["shown"]) if after else 0)
    items = [
        {"rank": rank, "customer": customer, **_sold(caller, each)} for rank, (customer, each) in enumerate(visible, first)
    ]
    following = None
    if looked_at < len(ranking):
        last = ranking[looked_at - 1]
        following = {"name": last.name, "revenue": str(last.figures.revenue), "shown": str(first - 1 + len(visible))}
    listed = {**_over(caller, period), "items": items, "next_cursor": make_cursor(following, *bound)}
    return CustomerRanking.model_validate(listed)


@app.get("/v1/statistics/sales-reps", allow=Permission.COMPARE_SALES_REPS)
def rank_sales_reps(
    caller: Caller, first_day: FirstDay = None, last_day: LastDay = None, limit: Limit = 50, cursor: Cursor = None
) -> SalesRepRanking:
    """List all sales reps, those with the highest revenue first. A year at most.

    A customer that is allocated to several counts for each of them, and only once for the store: the reps' figures may add
    up to more than the store's, and where customers are allocated to nobody to less.
    """
    period = _period(caller, first_day, last_day, A_YEAR)
    bound = ("ranked-sales-reps", caller.store.id, caller.scope.reach, *map(str, period))
    after = read_cursor(cursor, *bound)
    shown = int(after["rank"]) if after else 0
    figures = figures_of_each(caller.scope, "rep", period)
    reps = [(rep, figures.get(rep.id, Figures())) for rep in all_sales_reps(caller.store.id)]
    reps.sort(key=lambda each: (-each[1].revenue, folded(each[0].name), each[0].id))
    items = [
        {"rank": rank, "sales_rep": {"id": rep.id, "name": rep.name, "status": rep.rep_status}, **_sold(caller, each)}
        for rank, (rep, each) in enumerate(reps[shown : shown + limit], shown + 1)
    ]
    position = {"rank": str(shown + limit)} if shown + limit < len(reps) else None
    listed = {**_over(caller, period), "items": items, "next_cursor": make_cursor(position, *bound)}
    return SalesRepRanking.model_validate(listed)


@app.get("/v1/statistics/offers", allow=Permission.SHOW_STATISTICS, reads=_named)
def show_offer_statistics(
    caller: Caller,
    customer_id: CustomerId = None,
    sales_rep_id: Annotated[str | None, Query(max_length=120, description="Who made or took them.")] = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> OfferStatistics:
    """Show how many offers were made and won, in all and by day. A year at most.

    The owner and supervisors see everybody's, other sales reps their own. An offer counts on the day of its first sending.
    """
    period = _period(caller, first_day, last_day, A_YEAR)
    sees_all = caller.is_owner or caller.member.supervisor
    rep = _sales_rep(caller, sales_rep_id, own=None if sees_all else caller.member.id)
    customer = get_customer(caller.reader, caller.scope, customer_id) if customer_id is not None else None
    whose = {"owner_id": rep.id if rep else None, "customer_id": customer.id if customer else None}
    days = offers_by_day(caller.reader, caller.scope, period, **whose)
    by_day = [{"date": day, **_offered(caller, figures)} for day, figures in days.items()]
    total = _offered(caller, sum_of(days.values()))
    scope = f"offers to {_in_words(caller, rep, customer, 'made by')}"
    return OfferStatistics.model_validate({**_over(caller, period), **total, "scope": scope, "by_day": by_day})


def _period(caller: Caller, first: date | None, last: date | None, longest: timedelta) -> Period:
    return period_of(first, last, today=day_of(caller.at, caller.store.time_zone), longest=longest)


def _sales_rep(caller: Caller, sales_rep_id: str | None, *, own: str | None) -> Member | None:
    """Return which rep is asked about: one who sees its `own` alone can name nobody else. Raises `NotFoundError`."""
    if sales_rep_id is None or sales_rep_id == own:
        return caller.member if own else None
    named = None if own else caller.reader.find(member_key(sales_rep_id, caller.store.id), Member)
    if named is None or named.role is not Role.REP:
        raise NotFoundError("sales rep")
    return named


def _visible(caller: Caller, ranking: Sequence[Ranked], limit: int) -> tuple[list[tuple[Customer, Figures]], int]:
    """Return the first customers of a ranking that are in scope, and how many were looked at to find so many."""
    visible: list[tuple[Customer, Figures]] = []
    looked_at = 0
    for few in batched(ranking[: CHUNKS * limit], limit, strict=False):
        found = find_customers(caller.reader, caller.scope, (each.name for each in few))
        for each in few:
            looked_at += 1
            if each.name in found:
                visible.append((found[each.name], each.figures))
            if len(visible) == limit:
                return visible, looked_at
    return visible, looked_at


def _place_of(after: Position) -> tuple[int, str]:
    return -int(after["revenue"]), after["name"]


def _in_words(caller: Caller, rep: Member | None, customer: Customer | None, how: str = "allocated to") -> str:
    whose = customer.name if customer else "all active customers" if caller.scope.reach == "active" else "all customers"
    by_whom = "" if rep is None else f" {how} you" if rep.id == caller.member.id else f" {how} {rep.name}"
    return f"{whose}{by_whom}"


def _over(caller: Caller, period: Period) -> dict[str, Any]:
    store = caller.store
    return {"from": period.begin, "to": period.end, "time_zone": store.time_zone, "currency": store.currency}


def _sold(caller: Caller, figures: Figures) -> dict[str, Any]:
    amounts = {"revenue": figures.revenue, "average": figures.average, "open_value": figures.open_value}
    return {"orders": figures.orders, **_in_money(caller, amounts)}


def _offered(caller: Caller, figures: OfferFigures) -> dict[str, Any]:
    amounts = {"value": figures.value, "won_value": figures.won_value}
    numbers = {"made": figures.made, "won": figures.won, "win_rate": figures.win_rate}
    return {**numbers, **_in_money(caller, amounts)}


def _in_money(caller: Caller, amounts: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    return {name: {"amount": amount, "currency": caller.store.currency} for name, amount in amounts.items()}


handler = app.handler
