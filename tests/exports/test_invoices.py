"""Bills as an export reads them: invoices and the credit notes that take them back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from tests.support.listed import (
    ASKED,
    FIRST,
    STORE,
    column,
    export_of,
    minutes,
    must_read_alike_in_pieces,
    order_of,
    put_bill,
    put_customer,
    rows_of,
    transaction,
    why_empty,
)
from tradepost.domain.billing import Issued, taken_back
from tradepost.domain.invoicing import Amount, InvoiceLine, InvoiceLineKind
from tradepost.domain.scoping import Scope
from tradepost.domain.spreadsheets import lines_of
from tradepost.exports.invoices import COLUMNS, InvoiceSource
from tradepost.exports.port import Cell
from tradepost.table import forward
from tradepost.table.invoices import Wanted, list_invoices, save_invoice

OWNER = Scope(STORE.id, "store")
BLUE = Scope(STORE.id, "own", "blue")
GREY = Scope(STORE.id, "own", "grey")


KINDS: tuple[InvoiceLineKind, ...] = get_args(InvoiceLineKind.__value__)


@pytest.fixture(autouse=True)
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few bills at a time."""
    monkeypatch.setattr(forward, "STRETCH", 2)


@pytest.fixture
def billed(aws: None) -> None:
    """Eight bills by turns of two customers; the first one was taken back."""
    blue, green = put_customer("blue", "Blue Door"), put_customer("green", "Green Gate")
    for index in range(8):
        order = order_of((blue, green)[index % 2], index, FIRST)
        bill = put_bill(order, index, FIRST + timedelta(days=index // 2), due_on=date(2026, 12, 1 + index))
        if index == 0:
            tx = transaction()
            save_invoice(tx, taken_back(bill, order, "cancelled", Issued("CN-000001", FIRST + minutes(1)), store=STORE))
            tx.commit()


def source(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> InvoiceSource:
    return InvoiceSource(export_of("invoices", filters, **fields), STORE, scope)


def numbers(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> list[Cell]:
    return column(source(filters, scope, **fields), "invoice_number")


def test_a_bill_is_one_row_and_a_credit_note_the_same_the_other_way_round(billed: None) -> None:
    bill, note = (dict(zip(COLUMNS, row, strict=True)) for row in rows_of(source({"order_id": "blue.0000"})))
    assert bill == {
        "invoice_number": "INV-000000",
        "kind": "invoice",
        "issued_at": datetime(2026, 11, 1, 10),  # noqa: DTZ001  # as clocks in Berlin show it
        "due_on": date(2026, 12, 1),
        "order_number": "O-0000",
        "customer_number": "C-blue",
        "company": "Blue Door",
        "currency": "EUR",
        "subtotal": Decimal("25.00"),
        "discounts": Decimal("0.00"),
        "shipping": Decimal("5.90"),
        "fees": Decimal("0.00"),
        "other": Decimal("0.00"),
        "tax": Decimal("0.00"),
        "total": Decimal("30.90"),
        "credit_used": Decimal("0.00"),
        "event": "placed",
        "credits_number": None,
        "payment_method": "Invoice, 30 days",
        "billing_company": "Blue Door Ltd",
        "billing_name": "Ida Holm",
        "billing_street": "Harbour Street 5",
        "billing_postal_code": "20457",
        "billing_city": "Hamburg",
        "billing_region": None,
        "billing_country": "DE",
        "invoice_id": "blue.0000.placed",
    }
    told = ("invoice_number", "kind", "due_on", "subtotal", "total", "event", "credits_number")
    amounts = Decimal("-25.00"), Decimal("-30.90")
    assert [note[name] for name in told] == ["CN-000001", "credit_note", None, *amounts, "cancelled", "INV-000000"]
    assert ",-25.00,0.00,-5.90,0.00,0.00,0.00,-30.90,0.00," in lines_of(rows_of(source({"kind": "credit_note"}))).decode()


def test_what_a_bill_is_made_of_comes_to_its_total(aws: None) -> None:
    made_of = {"subtotal": 2500, "discount": -300, "shipping": 590, "fee": 120, "other": 45, "tax": 553}
    lines = [InvoiceLine(kind=kind, text=kind, amount=Amount(amount=made_of[kind], currency="EUR")) for kind in KINDS]
    twice = [*lines, InvoiceLine(kind="fee", text="again", amount=Amount(amount=10, currency="EUR"))]
    total = Amount(amount=sum(line.amount.amount for line in twice), currency="EUR")
    put_bill(order_of(put_customer("blue", "Blue Door"), 1, FIRST), 1, FIRST, lines=tuple(twice), total=total)
    [row] = [dict(zip(COLUMNS, each, strict=True)) for each in rows_of(source())]
    names = ("subtotal", "discounts", "shipping", "fees", "other", "tax")
    parts = [row[name] for name in names]
    assert parts == [Decimal(text) for text in ("25.00", "-3.00", "5.90", "1.30", "0.45", "5.53")]
    assert sum(part for part in parts if isinstance(part, Decimal)) == row["total"]


@pytest.mark.parametrize(("currency", "total"), [("JPY", "3090"), ("EUR", "30.90"), ("KWD", "3.090")])
def test_amounts_have_the_decimals_of_their_currency(aws: None, currency: str, total: str) -> None:
    put_bill(order_of(put_customer("blue", "Blue Door"), 1, FIRST, currency=currency), 1, FIRST)
    line = lines_of(rows_of(source())).decode()
    assert f',"{currency}",' in line
    assert f",{total}," in line


def test_bills_come_oldest_first_and_the_same_whoever_goes_on_from_anywhere(billed: None) -> None:
    times = column(source(), "issued_at")
    assert len(times) == 9
    assert times == sorted(times)  # type: ignore[type-var]  # times alone
    must_read_alike_in_pieces(source())
    must_read_alike_in_pieces(source({"kind": "invoice"}))


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"customer_id": "blue"},
        {"kind": "credit_note"},
        {"order_id": "blue.0002"},
        {"order_id": "green.0001", "kind": "invoice", "customer_id": "green"},
        {"order_id": "green.0001", "customer_id": "blue"},
    ],
    ids=str,
)
def test_an_export_holds_what_the_list_shows(billed: None, filters: dict[str, Any]) -> None:
    wanted = Wanted(filters.get("customer_id"), filters.get("order_id"), filters.get("kind"))
    for scope in (OWNER, BLUE, GREY):
        listed, _ = list_invoices(scope, wanted, limit=100, after=None)
        assert numbers(filters, scope) == [bill.number for bill in reversed(listed)]


def test_what_is_issued_beyond_the_period_or_after_the_request_is_left_out(aws: None) -> None:
    blue, moment = put_customer("blue", "Blue Door"), timedelta(milliseconds=1)
    begin, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    for index, at in enumerate([begin - moment, begin, end - moment, end, ASKED, ASKED + moment]):
        put_bill(order_of(blue, index, FIRST), index, at)
    assert numbers(begin=begin, end=end) == ["INV-000001", "INV-000002"]
    assert numbers(begin=begin, end=ASKED + timedelta(days=9)) == [f"INV-00000{index}" for index in range(1, 5)]


@pytest.mark.parametrize(
    ("filters", "scope", "fields", "blamed"),
    [
        ({}, OWNER, {"begin": ASKED, "end": ASKED + timedelta(days=1)}, "period"),
        ({"customer_id": "nobody"}, OWNER, {}, "customer_id"),
        ({"order_id": "red.0001"}, OWNER, {}, "order_id"),
        ({"order_id": "blue.0009"}, OWNER, {}, "order_id"),
        ({"customer_id": "green", "kind": "credit_note"}, OWNER, {}, "kind"),
        ({"customer_id": "green", "order_id": "blue.0000"}, OWNER, {}, "customer_id"),
        ({"customer_id": "green"}, BLUE, {}, "customer_id"),
        ({"order_id": "green.0001"}, BLUE, {}, "order_id"),
        ({"kind": "invoice"}, GREY, {}, None),
    ],
    ids=str,
)
def test_an_empty_export_names_the_filter_that_left_nothing(
    billed: None, filters: dict[str, Any], scope: Scope, fields: dict[str, Any], blamed: str | None
) -> None:
    assert why_empty(source(filters, scope, **fields)) == blamed


def test_filters_are_told_in_words(billed: None) -> None:
    assert source({"customer_id": "blue", "order_id": "blue.0000", "kind": "credit_note"}, BLUE).filters == {
        "period": "issued before 27 November 2026, 13:00\u00a0CET",
        "scope": "your company",
        "customer_id": "the customer “Blue Door”",
        "order_id": "the order that was chosen",
        "kind": "credit notes alone",
    }
    assert source({"customer_id": "green", "kind": "invoice"}, BLUE).filters["customer_id"] == "the customer that was chosen"


def test_what_a_spreadsheet_would_run_comes_as_text(aws: None) -> None:
    evil = "=cmd|' /C calc'!A0"
    put_bill(order_of(put_customer("blue", evil), 1, FIRST), 1, FIRST, payment_method_name=evil)
    assert lines_of(rows_of(source())).decode().count(f'"\'{evil}"') == 2


def test_sales_reps_get_no_bills(aws: None) -> None:
    for scope in (Scope(STORE.id, "active"), Scope(STORE.id, "allocated", "acme.rhea")):
        with pytest.raises(ValueError, match="bills are for owners"):
            source(scope=scope)
    with pytest.raises(TypeError):
        InvoiceSource(export_of("orders"), STORE, OWNER)
