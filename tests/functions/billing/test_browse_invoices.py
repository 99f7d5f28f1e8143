"""Invoices are listed newest first, to the store all of them, to a reseller its own, and to nobody else any."""

import pytest

from tests.conftest import Clock
from tests.support.billing import Office, work
from tests.support.ordering import send_event
from tests.support.table import counted_calls
from tests.support.world import euros, open_shop

TOTAL = 2 * 1250 + 590


@pytest.fixture
def billed(office: Office, time: Clock) -> Office:
    """Three bills: of an order, of one of the other reseller the day after, and what took the first one back another day on."""
    order = office.place()
    work()
    time.advance(days=1)
    office.place(("B-2", 3), by=office.resale.login("ros@other.test"))
    work()
    time.advance(days=1)
    owner = office.owner.as_(_login(office))
    reply = owner.post(f"/v1/orders/{order['id']}/cancel", headers={"If-Match": order["etag"]})
    assert reply.status == 200, reply.text
    work()
    return office


def _login(office: Office) -> str:
    body = {"email": "ola@acme.test", "password": "five tall ships at noon", "store": "acme"}
    return str(office.owner.as_(None).post("/v1/sessions", body).json["token"])


def numbers(office: Office, **query: str) -> list[str]:
    reply = office.owner.as_(_login(office)).get("/v1/invoices", **query)
    assert reply.status == 200, reply.text
    return [each["number"] for each in reply.json["items"]]


def test_bills_are_listed_newest_first_and_filtered(billed: Office, time: Clock) -> None:
    assert numbers(billed) == ["CN-000001", "INV-000002", "INV-000001"]
    assert numbers(billed, kind="invoice") == ["INV-000002", "INV-000001"]
    assert numbers(billed, customer_id=billed.customer_id) == ["CN-000001", "INV-000001"]
    day = time.at.date().isoformat()
    assert numbers(billed, **{"from": day}) == ["CN-000001"]
    [order_id] = {each["order_id"] for each in billed.invoices() if each["kind"] == "credit_note"}
    assert numbers(billed, order_id=order_id) == ["CN-000001", "INV-000001"]
    assert numbers(billed, order_id=order_id, customer_id="another") == []


def test_pages_follow_each_other(billed: Office) -> None:
    owner = billed.owner.as_(_login(billed))
    first = owner.get("/v1/invoices", limit="2").json
    second = owner.get("/v1/invoices", limit="2", cursor=first["next_cursor"]).json
    assert [each["number"] for each in (*first["items"], *second["items"])] == ["CN-000001", "INV-000002", "INV-000001"]
    assert second["next_cursor"] is None
    assert owner.get("/v1/invoices", limit="2", kind="invoice", cursor=first["next_cursor"]).code == "invalid_cursor"


def test_a_reseller_sees_its_own_and_no_others(billed: Office) -> None:
    own = billed.resale.login()
    shown = own.get("/v1/invoices").json["items"]
    assert [each["number"] for each in shown] == ["CN-000001", "INV-000001"]
    assert own.get("/v1/invoices", customer_id=shown[0]["customer_id"]).json["items"] == shown
    [foreign] = [each for each in billed.invoices() if each["number"] == "INV-000002"]
    assert own.get("/v1/invoices", customer_id=foreign["customer_id"]).json["items"] == []
    assert own.get("/v1/invoices", order_id=foreign["order_id"]).json["items"] == []
    missing = own.get("/v1/invoices/nothing.here.placed")
    for path in (f"/v1/invoices/{foreign['id']}", f"/v1/invoices/{foreign['id']}/document"):
        assert (own.get(path).status, own.get(path).code) == (404, missing.code) == (404, "not_found")
    rival = open_shop(billed.owner.as_(None), "rival").owner
    assert rival.get("/v1/invoices").json["items"] == []
    assert rival.get(f"/v1/invoices/{foreign['id']}").status == 404


def test_an_invoice_is_shown_line_by_line_and_says_what_took_it_back(billed: Office) -> None:
    own = billed.resale.login()
    note, invoice = own.get("/v1/invoices").json["items"]
    shown = own.get(f"/v1/invoices/{invoice['id']}")
    assert (shown.json, shown.headers["etag"]) == (invoice, invoice["etag"])
    assert (invoice["kind"], invoice["event"], invoice["total"]) == ("invoice", "placed", euros(TOTAL))
    assert [line["kind"] for line in invoice["lines"]] == ["subtotal", "shipping"]
    assert (invoice["credited_by"], note["credits"], note["credits_number"]) == (note["id"], invoice["id"], "INV-000001")
    assert (note["kind"], note["event"], note["total"]) == ("credit_note", "cancelled", euros(-TOTAL))
    assert [item["product_number"] for item in invoice["products"]] == ["A-1"]


def test_a_list_and_an_invoice_take_two_calls_and_one(billed: Office) -> None:
    own = billed.resale.login()
    with counted_calls() as calls:
        shown = own.get("/v1/invoices", kind="invoice", **{"from": "2020-01-01"}).json["items"]
    assert calls == ["BatchGetItem", "Query"]
    with counted_calls() as calls:
        own.get(f"/v1/invoices/{shown[0]['id']}")
    assert calls == ["BatchGetItem"]


@pytest.mark.parametrize(
    "query", [{"kind": "receipt"}, {"from": "yesterday"}, {"from": "2026-11-02", "to": "2026-11-01"}, {"limit": "101"}]
)
def test_a_filter_that_is_none_is_refused(office: Office, query: dict[str, str]) -> None:
    assert office.owner.get("/v1/invoices", **query).status == 422


def test_the_example_lists_credit_notes(billed: Office) -> None:
    reply = send_event("billing/browse_invoices.credit_notes_of_november", TOKEN=_login(billed))
    assert reply.status == 200
    assert {each["kind"] for each in reply.json["items"]} <= {"credit_note"}
