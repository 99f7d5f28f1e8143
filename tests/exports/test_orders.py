"""Orders as an export reads them: which, in which order, and what of each."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.listed import (
    ASKED,
    FIRST,
    STORE,
    column,
    export_of,
    minutes,
    money,
    must_read_alike_in_pieces,
    order_of,
    put_customer,
    put_member,
    put_orders,
    rows_of,
    why_empty,
)
from tests.support.table import counted_calls, put_back, records
from tradepost.domain.customers import Customer
from tradepost.domain.orders import Order
from tradepost.domain.people import Party
from tradepost.domain.scoping import Scope
from tradepost.domain.spreadsheets import lines_of
from tradepost.exports import orders
from tradepost.exports.orders import PER_LINE, PER_ORDER, OrderSource
from tradepost.exports.port import Cell
from tradepost.table import forward
from tradepost.table.orders import Wanted, list_orders
from tradepost.table.reading import Reader
from tradepost.table.records import Record

OWNER = Scope(STORE.id, "store")
EVERYWHERE = Scope(STORE.id, "active")
RHEA = Scope(STORE.id, "allocated", "acme.rhea")
BLUE = Scope(STORE.id, "own", "blue")
GREEN = Scope(STORE.id, "own", "green")
GREY = Scope(STORE.id, "own", "grey")


@pytest.fixture(autouse=True)
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few orders at a time."""
    monkeypatch.setattr(forward, "STRETCH", 3)


@pytest.fixture
def placed(aws: None) -> list[Order]:
    """Twelve orders, by turns of a customer that Rhea looks after, of another one, and of one that is switched off."""
    made, built = _built()
    put_back(built)
    return made


@cache
def _built() -> tuple[list[Order], list[Record]]:
    put_member("acme.rhea", "Rhea")
    put_member("acme.otto", "Otto")
    blue = put_customer("blue", "Blue Door", account_manager_id="acme.rhea")
    green = put_customer("green", "Green Gate", further_sales_rep_ids=("acme.otto",))
    red = put_customer("red", "Red Roof", active=False, account_manager_id="acme.rhea")
    # Each two in the same moment.
    made = [
        order_of(
            (blue, green, red)[index % 3],
            index,
            FIRST + timedelta(days=index // 2),
            (f"SKU-{index % 2}", index + 1, 100),
            status="shipped" if index % 4 == 0 else "received",
        )
        for index in range(12)
    ]
    put_orders(made)
    return sorted(made, key=_listed), records()


def _listed(order: Order) -> tuple[datetime, str]:
    return order.placed_at, order.id


def source(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> OrderSource:
    return OrderSource(export_of("orders", filters, **fields), STORE, scope)


def numbers(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> list[Cell]:
    return column(source(filters, scope, **fields), "order_number")


def of(placed: list[Order], *customers: str) -> list[str]:
    return [order.number for order in placed if order.customer_id in customers]


def test_an_order_is_one_row_with_everything_that_one_looks_for(aws: None) -> None:
    blue = put_customer("blue", "Blue Door")
    order = order_of(blue, 7, datetime(2026, 11, 1, 8, 30, 15, 250_000, tzinfo=UTC), ("A-1", 2, 1250), ("B-2", 3, 99))
    put_orders([order])
    (row,) = rows_of(source())
    assert dict(zip(PER_ORDER, row, strict=True)) == {
        "order_number": "O-0007",
        "placed_at": datetime(2026, 11, 1, 9, 30, 15, 250_000),  # noqa: DTZ001  # as clocks in Berlin show it
        "status": "received",
        "source": "portal",
        "customer_number": "C-blue",
        "company": "Blue Door",
        "employee_name": "Ida",
        "placed_by": "Ida",
        "lines": 2,
        "items": "2 \u00d7 A-1; 3 × B-2",
        "quantity": 5,
        "currency": "EUR",
        "subtotal": Decimal("27.97"),
        "shipping_cost": Decimal("5.90"),
        "tax": Decimal("0.00"),
        "total": Decimal("33.87"),
        "payment_method": "Invoice, 30 days",
        "shipping_method": "Parcel",
        "billing_company": "Blue Door Ltd",
        "billing_name": "Ida Holm",
        "billing_street": "Harbour Street 5",
        "billing_postal_code": "20457",
        "billing_city": "Hamburg",
        "billing_region": None,
        "billing_country": "DE",
        "shipping_company": None,
        "shipping_name": None,
        "shipping_street": "Market 1",
        "shipping_postal_code": "10115",
        "shipping_city": "Berlin",
        "shipping_region": None,
        "shipping_country": "DE",
        "offer_id": None,
        "order_id": "blue.0007",
    }


def test_with_a_row_for_each_line_the_orders_sums_are_on_its_first_one_alone(aws: None) -> None:
    order = order_of(put_customer("blue", "Blue Door"), 7, FIRST, ("A-1", 2, 1250), ("B-2", 3, 99))
    lowered = order.lines[1].model_copy(update={"list_price": money(120), "override_reason": "Scratched"})
    put_orders([order.model_copy(update={"lines": (order.lines[0], lowered)})])
    rows = [dict(zip(PER_LINE, row, strict=True)) for row in rows_of(source(per_line=True))]
    told = ("line_number", "product_number", "product_name", "quantity", "list_price", "unit_price", "line_total")
    assert [[row[name] for name in told] for row in rows] == [
        [1, "A-1", "Product A-1", 2, Decimal("12.50"), Decimal("12.50"), Decimal("25.00")],
        [2, "B-2", "Product B-2", 3, Decimal("1.20"), Decimal("0.99"), Decimal("2.97")],
    ]
    assert [row["override_reason"] for row in rows] == [None, "Scratched"]
    sums = ("subtotal", "shipping_cost", "tax", "total")
    assert [[row[name] for name in sums] for row in rows] == [
        [Decimal("27.97"), Decimal("5.90"), Decimal("0.00"), Decimal("33.87")],
        [None, None, None, None],
    ]
    for name in ("order_number", "placed_at", "currency", "billing_city", "order_id"):
        assert rows[0][name] == rows[1][name] is not None


@given(
    st.sampled_from([("JPY", 1), ("EUR", 100), ("KWD", 1000)]),
    st.lists(
        st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**12)), min_size=1, max_size=5), min_size=1, max_size=4
    ),
)
def test_every_column_of_amounts_adds_up_in_every_currency(
    traded: tuple[str, int], bought: list[list[tuple[int, int]]]
) -> None:
    currency, minor = traded
    blue = Customer(id="blue", store_id="acme", number="C-1", name="Blue Door", group_id=None, created_at=FIRST)
    made = [
        order_of(blue, index, FIRST, *((f"P-{at}", *line) for at, line in enumerate(lines)), currency=currency, shipping=index)
        for index, lines in enumerate(bought)
    ]

    def rows(layout: Any, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        told = (row for order in made for row in orders.rows_of(order, None, time_zone="UTC", lines_per=layout))
        return [dict(zip(columns, row, strict=True)) for row in told]

    per_order, per_line = rows("order", PER_ORDER), rows("line", PER_LINE)
    for name in ("subtotal", "shipping_cost", "tax", "total", "quantity"):
        assert sum(row[name] for row in per_order) == sum(row[name] or 0 for row in per_line)
    assert sum(row["line_total"] for row in per_line) == sum(row["subtotal"] for row in per_order)
    assert all(row["subtotal"] + row["shipping_cost"] + row["tax"] == row["total"] for row in per_order)
    assert all(row["unit_price"] * row["quantity"] == row["line_total"] for row in per_line)
    assert sum(row["total"] for row in per_order) * minor == sum(order.total.amount for order in made)
    assert {row["currency"] for row in per_line} == {currency}


def test_orders_come_oldest_first_and_the_same_whoever_goes_on_from_anywhere(placed: list[Order]) -> None:
    assert numbers() == [order.number for order in placed]
    must_read_alike_in_pieces(source())
    must_read_alike_in_pieces(source(per_line=True))
    must_read_alike_in_pieces(source({"status": "received", "q": "sku"}, RHEA))


def test_an_orders_lines_are_never_torn_apart(aws: None) -> None:
    blue = put_customer("blue", "Blue Door")
    lines = [(f"P-{index}", 1, 100) for index in range(7)]
    put_orders(order_of(blue, index, FIRST + minutes(index), *lines) for index in range(8))
    for stretch in source(per_line=True).read(None):
        told = [row[0] for row in stretch.rows]
        assert {told.count(number) for number in told} == {7}
        assert len(stretch.rows) <= 3 * 7


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"status": "shipped"},
        {"customer_id": "blue"},
        {"customer_id": "red", "status": "received"},
        {"sales_rep_id": "acme.rhea"},
        {"sales_rep_id": "acme.otto", "status": "received"},
        {"q": "SKU-1"},
        {"q": "gre"},
        {"q": "gate o-00"},
        {"q": "ate"},
        {"q": "!!!"},
        {"q": ""},
        {"q": "blue", "customer_id": "blue", "sales_rep_id": "acme.rhea", "status": "received"},
    ],
    ids=str,
)
def test_an_export_holds_what_the_list_shows(placed: list[Order], filters: dict[str, Any]) -> None:
    wanted = Wanted(filters.get("customer_id"), filters.get("sales_rep_id"), filters.get("q"), filters.get("status"))
    for scope in (OWNER, EVERYWHERE, RHEA, BLUE, GREEN):
        listed, following = list_orders(Reader(), scope, wanted, limit=100, after=None)
        assert following is None
        assert numbers(filters, scope) == [order.number for order in sorted(listed, key=_listed)]


def test_everybody_gets_the_orders_of_those_it_sees_alone(placed: list[Order]) -> None:
    assert numbers(scope=OWNER) == of(placed, "blue", "green", "red")
    assert numbers(scope=EVERYWHERE) == of(placed, "blue", "green")
    assert numbers(scope=RHEA) == of(placed, "blue", "red")
    assert numbers(scope=BLUE) == of(placed, "blue")
    assert numbers({"customer_id": "green"}, BLUE) == []
    assert numbers({"customer_id": "green"}, RHEA) == []
    assert numbers(scope=GREY) == []


def test_a_customer_is_read_once_however_many_orders_it_has(placed: list[Order]) -> None:
    for scope, calls in ((OWNER, ["Query"] * 4), (RHEA, ["Query", "BatchGetItem", "Query", "BatchGetItem", "Query", "Query"])):
        reading = source(scope=scope)
        with counted_calls() as made:
            rows_of(reading)
        assert made == calls


def test_what_is_placed_before_the_period_after_it_or_after_the_request_is_left_out(aws: None) -> None:
    blue = put_customer("blue", "Blue Door")
    begin, end, moment = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC), timedelta(milliseconds=1)
    times = [begin - moment, begin, end - moment, end, ASKED, ASKED + moment]
    put_orders(order_of(blue, index, at) for index, at in enumerate(times))
    for filters in ({}, {"customer_id": "blue"}):
        assert numbers(filters, begin=begin, end=end) == ["O-0001", "O-0002"]
        assert numbers(filters, begin=begin, end=datetime.max.replace(tzinfo=UTC)) == ["O-0001", "O-0002", "O-0003", "O-0004"]
        always = {"begin": datetime.min.replace(tzinfo=UTC), "end": datetime.max.replace(tzinfo=UTC)}
        assert numbers(filters, **always) == [f"O-000{index}" for index in range(5)]
        # A period that has yet to come.
        assert numbers(filters, begin=ASKED + timedelta(days=1), end=ASKED + timedelta(days=2)) == []


def test_what_is_placed_while_it_is_read_does_not_come_into_it(placed: list[Order]) -> None:
    (blue,) = {order.customer_id for order in placed if order.customer_name == "Blue Door"}
    reading: Iterator[Any] = source().read(None)
    read = list(next(reading).rows)
    late = placed[0].model_copy(update={"id": f"{blue}.late", "number": "O-LATE", "placed_at": ASKED + minutes(1)})
    put_orders([late])
    read += [row for stretch in reading for row in stretch.rows]
    assert [row[0] for row in read] == [order.number for order in placed]
    assert "O-LATE" in numbers(requested_at=ASKED + minutes(2))


def test_who_it_was_placed_for_is_told_by_the_order_or_else_by_the_employee(placed: list[Order]) -> None:
    put_member("acme.buyer.blue", "Ida Holm", customer_id="blue")
    rep = Party(type="member", id="acme.rhea", name="Rhea")
    by_rep = placed[0].model_copy(update={"actor": rep, "subject": rep, "id": "blue.rep", "number": "O-9998"})
    of_nobody = by_rep.model_copy(update={"employee_id": "acme.gone.blue", "id": "blue.gone", "number": "O-9999"})
    put_orders([by_rep, of_nobody])
    people = {row[0]: tuple(row[6:8]) for row in rows_of(source({"customer_id": "blue"}))}
    assert (people["O-0000"], people["O-9998"], people["O-9999"]) == (("Ida", "Ida"), ("Ida Holm", "Rhea"), (None, "Rhea"))


@pytest.mark.parametrize(
    ("filters", "scope", "fields", "blamed"),
    [
        ({}, OWNER, {"begin": ASKED - timedelta(days=1), "end": ASKED}, "period"),
        ({"customer_id": "blue"}, OWNER, {"begin": ASKED - timedelta(days=1), "end": ASKED}, "period"),
        ({"customer_id": "blue", "status": "cancelled"}, OWNER, {}, "status"),
        ({"customer_id": "nobody"}, OWNER, {}, "customer_id"),
        ({"customer_id": "green"}, OWNER, {"end": FIRST + timedelta(hours=1), "begin": FIRST}, None),
        ({"customer_id": "red"}, OWNER, {"end": FIRST + timedelta(hours=1), "begin": FIRST}, "customer_id"),
        ({"status": "cancelled"}, OWNER, {}, "status"),
        ({"q": "lantern"}, OWNER, {}, "q"),
        ({"q": "!!!"}, OWNER, {}, "q"),
        ({"status": "shipped", "q": "sku-1"}, OWNER, {}, "q"),
        ({"sales_rep_id": "acme.nobody", "status": "shipped"}, OWNER, {}, "sales_rep_id"),
        ({"customer_id": "green"}, RHEA, {}, "scope"),
        ({"customer_id": "green", "q": "sku"}, RHEA, {}, "scope"),
        # Whether anybody else ordered that is not for the rep to learn.
        ({"q": "green"}, RHEA, {}, "q"),
        ({"customer_id": "red"}, EVERYWHERE, {}, "scope"),
        ({"status": "cancelled"}, BLUE, {}, "status"),
        ({"customer_id": "green"}, BLUE, {}, "customer_id"),
        ({}, BLUE, {"begin": ASKED - timedelta(days=1), "end": ASKED}, "period"),
        ({"status": "shipped"}, GREY, {}, None),
    ],
    ids=str,
)
def test_an_empty_export_names_the_filter_that_left_nothing(
    placed: list[Order], filters: dict[str, Any], scope: Scope, fields: dict[str, Any], blamed: str | None
) -> None:
    if blamed is None and scope is OWNER:
        assert numbers(filters, scope, **fields) == ["O-0001"]
    else:
        assert why_empty(source(filters, scope, **fields)) == blamed


def test_a_store_without_orders_blames_no_filter(aws: None) -> None:
    assert why_empty(source({"status": "shipped"})) is None
    assert why_empty(source({"customer_id": "blue"})) is None


def test_filters_are_told_in_words_and_name_nobody_out_of_scope(placed: list[Order]) -> None:
    filters = {"customer_id": "green", "sales_rep_id": "acme.otto", "status": "in_progress", "q": "lamp"}
    days = {"first_day": date(2026, 11, 1), "last_day": date(2026, 11, 30)}
    assert source(filters, OWNER, **days).filters == {
        "period": "placed from 1 November 2026 to 30 November 2026, Europe/Berlin",
        "customer_id": "the customer “Green Gate”",
        "scope": "all customers",
        "sales_rep_id": "customers allocated to the sales rep “Otto”",
        "status": "the state “in progress”",
        "q": "the words “lamp”",
    }
    words = source(filters, RHEA, first_day=date(2026, 11, 1)).filters
    assert words["period"] == "placed from 1 November 2026, Europe/Berlin"
    assert words["customer_id"] == "the customer that was chosen"
    assert words["scope"] == "customers allocated to you"
    assert words["sales_rep_id"] == "customers allocated to the sales rep that was chosen"
    assert source().filters == {
        "period": "placed before 27 November 2026, 13:00\u00a0CET",
        "scope": "all customers",
    }


def test_what_a_spreadsheet_would_run_comes_as_text(aws: None) -> None:
    evil = "=cmd|' /C calc'!A0"
    blue = put_customer("blue", evil)
    order = order_of(blue, 1, FIRST, (evil, 1, 1250))
    address = order.billing_address.model_copy(update=dict.fromkeys(("company", "name", "street", "city"), evil))
    line = order.lines[0].model_copy(update={"name": evil, "override_reason": evil})
    put_orders([order.model_copy(update={"billing_address": address, "payment_method_name": evil, "lines": (line,)})])
    for per_line in (False, True):
        text = lines_of(rows_of(source(per_line=per_line))).decode()
        (cells,) = csv.reader(io.StringIO(text, newline=""))
        assert cells.count(f"'{evil}") >= 6
        assert not any(cell.startswith("=") for cell in cells)
        assert ",12.50," in text or ",25.00," in text


def test_an_export_of_something_else_is_no_export_of_orders(aws: None) -> None:
    with pytest.raises(TypeError):
        OrderSource(export_of("customers"), STORE, OWNER)
