"""Orders, customers and bills in a file: what the lists show to whoever asked, and why there is nothing where there is not."""

from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.bills import put_invoice
from tests.support.client import Client
from tests.support.export_files import asked, one, prepare, rows_of, work, written
from tests.support.ordering import Team, open_market, open_team
from tests.support.table import put_back, records
from tests.support.world import open_shop
from tradepost.domain.customers import ResellerSummary
from tradepost.domain.exports import ExportKind
from tradepost.domain.orders import Order
from tradepost.domain.stores import Store
from tradepost.table import forward
from tradepost.table.customers import customer_key
from tradepost.table.orders import order_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.stores import store_key


@pytest.fixture
def team(api: Client, monkeypatch: pytest.MonkeyPatch) -> Team:
    """A market with its sales reps, and three orders, of which two are the rep's customer's. It is opened once and copied."""
    prepare()
    monkeypatch.setattr(forward, "STRETCH", 2)
    team, built = _opened(api)
    put_back(built)
    return team


@cache
def _opened(api: Client) -> tuple[Team, list[Record]]:
    team = open_team(open_market(open_shop(api)))
    for buyer in (team.market.buyer, team.market.other_buyer, team.market.buyer):
        team.market.place(buyer=buyer)
    return team, records()


def ask(team: Team, kind: ExportKind, filters: dict[str, Any] | None = None, *, by: str | None = None, **layout: Any) -> str:
    """Ask for an export of whatever there is, and have its file written."""
    opened = Reader().get(store_key(team.market.shop.slug), Store).opened_at
    period = {"begin": opened, "end": opened + timedelta(days=30)}
    export_id = asked(team.market.shop, filters, kind=kind, member_id=by, **period, **layout)
    work()
    return export_id


def file_of(team: Team, kind: ExportKind, filters: dict[str, Any] | None = None, **asking: Any) -> str:
    """Ask for an export, and return its file."""
    return written(ask(team, kind, filters, **asking), team.market.shop).decode()


def placed(team: Team, *customers: dict[str, Any]) -> list[str]:
    """Return the numbers of the orders of some customers, the oldest first."""
    ids = {customer["id"] for customer in customers}
    listed = reversed(team.market.owner.get("/v1/orders").json["items"])
    return [order["number"] for order in listed if order["customer_id"] in ids]


def column(file: str, name: str) -> list[str]:
    return [row[name] for row in rows_of(file.encode())]


def test_everybody_gets_its_own_orders_a_row_each_or_a_row_for_each_line(team: Team) -> None:
    market = team.market
    mine, others = placed(team, market.customer), placed(team, market.other_customer)
    file = file_of(team, "orders")
    assert file.startswith("order_number,placed_at,status,source,")
    assert column(file, "order_number") == placed(team, market.customer, market.other_customer)
    assert column(file, "items") == ["2 \u00d7 A-1; 3 \u00d7 B-2"] * 3
    assert column(file, "total") == ["33.87"] * 3
    per_line = file_of(team, "orders", by=team.rep.id, lines_per="line")
    assert column(per_line, "order_number") == [mine[0], mine[0], mine[1], mine[1]]
    assert column(per_line, "total") == ["33.87", "", "33.87", ""]
    assert column(per_line, "line_total") == ["25.00", "2.97"] * 2
    buyers = file_of(team, "orders", by=market.other_buyer.get("/v1/me").json["id"])
    assert column(buyers, "order_number") == others
    fast = team.place()
    assert column(file_of(team, "orders", {"customer_id": fast["customer_id"]}), "employee_name")[-1] == "Ida Holm"


def test_everybody_gets_its_own_customers_with_the_names_of_what_they_are_in(team: Team) -> None:
    shop, customer = team.market.shop, team.market.customer
    channel = shop.owner.post("/v1/reseller-channels", {"name": "North"}).json["id"]
    summary = ResellerSummary(id="r1", status="active", channel_id=channel)
    key = customer_key(shop.slug, customer["id"])
    Record(*key).update([Path("aside.reseller").set(summary.model_dump(mode="json"))])
    owners = file_of(team, "customers")
    assert column(owners, "company") == ["Blue Door", "Green Gate"]
    (group,), (tier,) = (shop.owner.get(f"/v1/{each}").json["items"] for each in ("customer-groups", "price-tiers"))
    assert column(owners, "group") == [group["name"]] * 2
    assert column(owners, "price_tier") == [tier["name"]] * 2
    assert column(owners, "channel") == ["North", ""]
    assert column(owners, "account_manager") == ["Rhea", "Otto"]
    assert column(file_of(team, "customers", by=team.rep.id), "company") == ["Blue Door"]
    assert column(file_of(team, "customers", {"sales_rep_id": team.outsider.id}), "company") == ["Green Gate"]
    assert column(file_of(team, "customers", by=team.everywhere.id), "company") == ["Blue Door", "Green Gate"]


def test_bills_come_with_their_amounts_as_numbers(team: Team) -> None:
    store = Reader().get(store_key(team.market.shop.slug), Store)
    listed = team.market.owner.get("/v1/orders").json["items"]
    for count, order in enumerate(listed, start=1):
        at = store.opened_at + timedelta(milliseconds=count)
        put_invoice(Reader().get(order_key(store.id, order["id"]), Order), store, count=count, at=at)
    file = file_of(team, "invoices")
    assert column(file, "invoice_number") == ["INV-000001", "INV-000002", "INV-000003"]
    assert column(file, "total") == ["33.87"] * 3
    mine = file_of(team, "invoices", by=team.market.other_buyer.get("/v1/me").json["id"])
    assert column(mine, "order_number") == placed(team, team.market.other_customer)


@pytest.mark.parametrize(
    ("kind", "filters", "blamed", "said"),
    [
        ("orders", {"status": "shipped"}, "status", "This filter removed the last 3 that were left: the state “shipped”."),
        ("orders", {"customer_id": "nobody"}, "customer_id", "There is nothing to begin with: the customer that was chosen."),
        ("customers", {"q": "lantern"}, "q", "This filter removed the last 2 that were left: the words “lantern”."),
        ("customers", {"sales_rep_id": "nobody"}, "sales_rep_id", "There is nothing to begin with: customers allocated to "),
        ("invoices", {"kind": "invoice"}, "period", "There is nothing to begin with: issued before "),
    ],
)
def test_an_empty_file_has_its_header_and_says_which_filter_left_nothing(
    team: Team, kind: ExportKind, filters: dict[str, str], blamed: str, said: str
) -> None:
    export_id = asked(
        team.market.shop, filters, kind=kind, end=Reader().get(store_key("acme"), Store).opened_at + timedelta(days=30)
    )
    work()
    assert written(export_id, team.market.shop).count(b"\r\n") == 1
    because = one(export_id, team.market.shop).empty_because
    assert because is not None
    assert (because.filter, because.detail[: len(said)]) == (blamed, said)
