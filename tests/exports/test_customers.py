"""Customers as an export reads them: by name, within the scope, by the filters of their list."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.listed import (
    ASKED,
    FIRST,
    STORE,
    column,
    export_of,
    minutes,
    must_read_alike_in_pieces,
    put_customer,
    put_lists,
    put_member,
    rows_of,
    why_empty,
)
from tests.support.table import counted_calls, put_back, records
from tradepost.domain.customers import InvitationSummary, ResellerSummary
from tradepost.domain.scoping import Scope
from tradepost.domain.spreadsheets import lines_of
from tradepost.exports.customers import COLUMNS, CustomerSource
from tradepost.exports.port import Cell
from tradepost.table import forward
from tradepost.table.customers import customer_key
from tradepost.table.records import Record
from tradepost.table.shapes import ALLOCATION

OWNER = Scope(STORE.id, "store")
EVERYWHERE = Scope(STORE.id, "active")
RHEA = Scope(STORE.id, "allocated", "acme.rhea")

PENDING = InvitationSummary(id="i1", state="pending", delivery="bounced", expires_at=ASKED + timedelta(days=1))
ACCEPTED = InvitationSummary(id="i2", state="accepted", delivery="delivered", expires_at=ASKED)
REVOKED = InvitationSummary(id="i3", state="revoked", delivery="sent", expires_at=ASKED)


@pytest.fixture(autouse=True)
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few customers at a time."""
    monkeypatch.setattr(forward, "STRETCH", 2)


@pytest.fixture
def listed(aws: None) -> None:
    """Eight customers, from A to H."""
    put_back(_built())


@cache
def _built() -> list[Record]:
    put_member("acme.rhea", "Rhea")
    put_member("acme.otto", "Otto")
    put_lists()
    put_customer("h", "Hill House", email="hill@house.test", invitation=ACCEPTED, group_id="trade")
    put_customer("g", "Green Gate", account_manager_id="acme.otto", group_id="trade", email="gil@gate.test")
    put_customer("f", "Façade Ltd", kind="b2c", email="f@facade.test", invitation=REVOKED)
    put_customer("e", "East End", active=False, account_manager_id="acme.rhea")
    put_customer("d", "Dutch Deli", email="d@deli.test", invitation=PENDING, further_sales_rep_ids=("acme.rhea",))
    put_customer("c", "City Corner", reseller=ResellerSummary(id="r1", status="active", channel_id="north"))
    put_customer("b", "Blue Door", account_manager_id="acme.rhea", further_sales_rep_ids=("acme.otto",))
    put_customer("a", "Atlas", active=False, created_at=ASKED - timedelta(days=1))
    return records()


def source(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> CustomerSource:
    return CustomerSource(export_of("customers", filters, **fields), STORE, scope)


def ids(filters: dict[str, Any] | None = None, scope: Scope = OWNER, **fields: Any) -> str:
    return "".join(map(str, column(source(filters, scope, **fields), "customer_id")))


def row_of(customer_id: str, filters: dict[str, Any] | None = None) -> dict[str, Cell]:
    rows = (dict(zip(COLUMNS, row, strict=True)) for row in rows_of(source({"status": "all", **(filters or {})})))
    return next(row for row in rows if row["customer_id"] == customer_id)


def test_a_customer_is_one_row_with_names_where_the_store_has_ids(listed: None) -> None:
    tags = {"tags": ("net 30", "north"), "contact_name": "Ida Holm", "email": "ida@bluedoor.test", "invitation": PENDING}
    put_customer("z", "Zinc", group_id="trade", account_manager_id="acme.rhea", further_sales_rep_ids=("acme.otto",), **tags)
    assert row_of("z") == {
        "customer_number": "C-z",
        "company": "Zinc",
        "contact_name": "Ida Holm",
        "email": "ida@bluedoor.test",
        "kind": "b2b",
        "status": "active",
        "group": "Trade",
        "price_tier": "Gold",
        "account_manager": "Rhea",
        "further_sales_reps": "Otto",
        "tags": "net 30; north",
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
        "invitation": "pending",
        "delivery": "bounced",
        "reseller_status": None,
        "channel": None,
        "created_at": datetime(2026, 11, 1, 10),  # noqa: DTZ001  # as clocks in Berlin show it
        "customer_id": "z",
    }
    reseller = row_of("c")
    assert [reseller[name] for name in ("group", "price_tier", "reseller_status", "channel")] == [
        None,
        "Silver",
        "active",
        "North",
    ]
    assert (row_of("e")["status"], row_of("e")["invitation"], row_of("f")["kind"]) == ("inactive", None, "b2c")


def test_an_invitation_stands_where_it_stood_when_the_export_was_asked_for(listed: None) -> None:
    for asked, state in ((ASKED, "pending"), (ASKED + timedelta(days=1), "expired")):
        row = rows_of(source({"invitation": "invited"}, requested_at=asked))[0]
        assert row[COLUMNS.index("invitation")] == state


def test_customers_come_by_name_and_the_same_whoever_goes_on_from_anywhere(listed: None) -> None:
    assert ids({"status": "all"}) == "abcdefgh"
    must_read_alike_in_pieces(source({"status": "all"}))
    must_read_alike_in_pieces(source(scope=EVERYWHERE))
    for index in range(4):
        put_customer(f"m{index}", f"Mill {index}", account_manager_id="acme.rhea")
    must_read_alike_in_pieces(source({"status": "all"}, RHEA))
    must_read_alike_in_pieces(source({"sales_rep_id": "acme.rhea"}))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, "bcdfgh"),
        ({"status": "inactive"}, "ae"),
        ({"status": "all", "q": "blue"}, "b"),
        ({"q": "FACADE"}, "f"),
        ({"q": "gate.test gree"}, "g"),
        ({"q": "ate"}, ""),
        ({"q": "!!!"}, ""),
        ({"q": "  "}, "bcdfgh"),
        ({"q": "hamburg", "kind": "b2c"}, "f"),
        ({"group_id": "trade"}, "gh"),
        ({"kind": "b2b"}, "bcdgh"),
        ({"sales_rep_id": "acme.rhea"}, "bd"),
        ({"sales_rep_id": "acme.rhea", "status": "all", "q": "east"}, "e"),
        ({"sales_rep_id": "none"}, "cfh"),
        ({"has_email": True}, "dfgh"),
        ({"has_email": False}, "bc"),
        ({"invitation": "not_invited"}, "fg"),
        ({"invitation": "invited"}, "d"),
        ({"invitation": "accepted"}, "h"),
        ({"delivery": "bounced"}, "d"),
        ({"delivery": "sent"}, ""),
        ({"reseller_status": "active"}, "c"),
        ({"reseller_status": "suspended"}, ""),
    ],
    ids=str,
)
def test_an_export_holds_what_the_filters_of_the_list_leave(listed: None, filters: dict[str, Any], found: str) -> None:
    assert ids(filters) == found


def test_everybody_gets_the_customers_that_it_sees_alone(listed: None) -> None:
    assert ids({"status": "all"}, EVERYWHERE) == "bcdfgh"
    assert ids({"status": "inactive"}, EVERYWHERE) == ""
    assert ids({"status": "all"}, RHEA) == "bde"
    assert ids(scope=RHEA) == "bd"
    assert ids({"sales_rep_id": "acme.otto"}, RHEA) == "b"
    assert ids({"sales_rep_id": "acme.rhea"}, EVERYWHERE) == "bd"
    assert ids({"sales_rep_id": "acme.rhea", "status": "all"}, EVERYWHERE) == "bd"
    with pytest.raises(ValueError, match="a buyer has no list"):
        source(scope=Scope(STORE.id, "own", "b"))
    with pytest.raises(TypeError):
        CustomerSource(export_of("orders"), STORE, OWNER)


def test_whose_a_customer_is_counts_as_it_is_now_whatever_the_lists_say(listed: None) -> None:
    # The item says that it was switched off, and that it is another's; the lists are behind.
    Record(*customer_key(STORE.id, "b")).update([Path("data.account_manager_id").set("acme.otto")])
    assert ids(scope=RHEA) == "d"
    with Record.batch_write() as batch:
        batch.save(Record(*ALLOCATION.key(store=STORE.id, rep="acme.rhea", name="ghost", customer="x"), entity="allocation"))
    assert ids(scope=RHEA) == "d"


def test_what_is_added_beyond_the_period_or_after_the_request_is_left_out(listed: None) -> None:
    begin = ASKED - timedelta(days=2)
    assert ids({"status": "all"}, begin=begin) == "a"
    assert ids({"status": "all"}, end=begin) == "bcdefgh"
    reading = source({"status": "all"}).read(None)
    read = list(next(reading).rows)
    put_customer("late", "Late", created_at=ASKED + minutes(1))
    put_customer("asked", "Lathe", created_at=ASKED)
    read += [row for stretch in reading for row in stretch.rows]
    assert [row[-1] for row in read] == [*"abcdefgh", "asked"]


def test_names_are_looked_up_once_however_many_customers_have_them(listed: None) -> None:
    for index in range(6):
        put_customer(f"k{index}", f"Kiosk {index}", group_id="trade", account_manager_id="acme.rhea")
    reading = source({"q": "kiosk"})
    with counted_calls() as calls:
        assert len(rows_of(reading)) == 6
    assert calls.count("BatchGetItem") == 1


@pytest.mark.parametrize(
    ("filters", "scope", "fields", "blamed"),
    [
        ({"status": "all"}, OWNER, {"begin": ASKED, "end": ASKED + timedelta(days=1)}, "period"),
        ({"q": "lantern"}, OWNER, {}, "q"),
        ({"q": "atlas"}, OWNER, {}, "status"),
        ({"group_id": "nothing"}, OWNER, {}, "group_id"),
        ({"kind": "b2c", "group_id": "trade"}, OWNER, {}, "kind"),
        ({"sales_rep_id": "acme.nobody"}, OWNER, {}, "sales_rep_id"),
        ({"sales_rep_id": "acme.nobody", "status": "inactive"}, OWNER, {}, "sales_rep_id"),
        ({"has_email": False, "invitation": "not_invited"}, OWNER, {}, "invitation"),
        ({"delivery": "sent"}, OWNER, {}, "delivery"),
        ({"reseller_status": "denied"}, OWNER, {}, "reseller_status"),
        ({"status": "inactive"}, EVERYWHERE, {}, "status"),
        ({"q": "green"}, RHEA, {}, "q"),
        ({}, Scope(STORE.id, "allocated", "acme.new"), {}, "scope"),
    ],
    ids=str,
)
def test_an_empty_export_names_the_filter_that_left_nothing(
    listed: None, filters: dict[str, Any], scope: Scope, fields: dict[str, Any], blamed: str
) -> None:
    assert why_empty(source(filters, scope, **fields)) == blamed


def test_a_store_without_customers_blames_no_filter(aws: None) -> None:
    for scope in (OWNER, RHEA):
        assert why_empty(source({"q": "blue"}, scope)) is None
    assert why_empty(source({"sales_rep_id": "acme.rhea"})) is None


def test_filters_are_told_in_words(listed: None) -> None:
    filters = {
        "q": "blue",
        "status": "inactive",
        "group_id": "trade",
        "kind": "b2b",
        "sales_rep_id": "acme.otto",
        "has_email": False,
        "invitation": "not_invited",
        "delivery": "bounced",
        "reseller_status": "pending",
    }
    assert source(filters, last_day=date(2026, 11, 30)).filters == {
        "scope": "all customers",
        "period": "added to 30 November 2026, Europe/Berlin",
        "q": "the words “blue”",
        "status": "customers that are inactive",
        "group_id": "the group “Trade”",
        "kind": "B2B customers",
        "sales_rep_id": "customers allocated to the sales rep “Otto”",
        "has_email": "customers without an e-mail address",
        "invitation": "the invitation state “not invited”",
        "delivery": "invitations whose mail is “bounced”",
        "reseller_status": "resellers that are pending",
    }
    words = source({"sales_rep_id": "none", "group_id": "gone", "has_email": True, "status": "all"}, EVERYWHERE).filters
    assert list(words) == ["scope", "period", "group_id", "sales_rep_id", "has_email"]
    assert words["scope"] == "customers that are active"
    assert words["group_id"] == "the group that was chosen"
    assert words["sales_rep_id"] == "customers allocated to no sales rep"
    assert words["has_email"] == "customers with an e-mail address"


def test_what_a_spreadsheet_would_run_comes_as_text(aws: None) -> None:
    evil = "=cmd|' /C calc'!A0"
    put_customer("z", evil, contact_name=evil, tags=(evil,), created_at=FIRST)
    assert lines_of(rows_of(source())).decode().count(f'"\'{evil}"') == 3
