"""Whatever becomes of a reseller's order is billed once, and to the cent, in whichever order and however often it is told."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.billing import Office, consume, expect_gapless, runs, work
from tests.support.functions import run
from tests.support.mail import deliver
from tests.support.queues import RULES, create_mail_queue, received
from tests.support.table import stored
from tests.support.world import euros
from tradepost.domain.clock import day_of
from tradepost.domain.rules import RuleScope
from tradepost.table.records import Record

FEE = {"action": "dropship_fee", "amount": euros(250)}
CREDIT = {"action": "credit", "all": True}
TOTAL = 2 * 1250 + 590


def events(office: Office, order: dict[str, Any] | None = None) -> list[tuple[str, str, int]]:
    return [(each["kind"], each["event"], each["total"]["amount"]) for each in office.invoices(order)]


def announced(kind: str) -> list[dict[str, Any]]:
    return [item["message"] for item in stored("outbox") if item["message"]["type"] == kind]


def test_a_placed_order_gets_its_payment_and_its_invoice(office: Office) -> None:
    order = office.place()
    work()
    [invoice] = office.invoices()
    assert (invoice["id"], invoice["number"], invoice["kind"]) == (f"{order['id']}.placed", "INV-000001", "invoice")
    assert (invoice["total"], invoice["credit_used"]) == (euros(TOTAL), euros(0))
    assert [(line["kind"], line["amount"]["amount"]) for line in invoice["lines"]] == [("subtotal", 2500), ("shipping", 590)]
    payment = office.payment(order)
    assert payment is not None
    assert (payment["status"], payment["amount"], payment["capture"]["action"]) == ("deferred", euros(TOTAL), "defer")
    assert announced("invoice") == [{"type": "invoice", "store_id": "acme", "invoice_id": invoice["id"]}]
    assert "invoice:issued" in {line["action"] for line in stored("audit")}
    expect_gapless()


def test_what_is_paid_at_once_is_captured_at_once_unless_a_rule_says_otherwise(office: Office) -> None:
    at_once = office.place(method=1)
    rule = office.rule(
        "payment_capture", {"action": "capture_on_shipment"}, when={"field": "order.items", "op": "gte", "value": 5}
    )
    later = office.place(("A-1", 5), method=1)
    work()
    paid, waits = office.payment(at_once), office.payment(later)
    assert paid is not None
    assert waits is not None
    assert (paid["capture"]["action"], paid["capture"]["rule_id"], paid["status"]) == ("capture_now", None, "paid")
    assert (waits["capture"]["action"], waits["capture"]["rule_id"], waits["capture"]["rule_version"]) == (
        "capture_on_shipment",
        rule.id,
        rule.version,
    )
    assert waits["capture"]["trace"][0]["result"] is True
    assert waits["status"] == "authorised"
    office.step(later, "confirm", "start", "ship")
    work()
    shipped = office.payment(later)
    assert shipped is not None
    assert (shipped["status"], shipped["captured"]) == ("paid", shipped["amount"])
    assert len(office.invoices()) == 2


def test_rules_make_lines_that_name_them_and_the_payment_is_about_what_they_come_to(office: Office) -> None:
    fee = office.rule("invoicing", FEE)
    tax = office.rule("invoicing", {"action": "tax", "percent": "19"}, priority=20)
    order = office.place()
    work()
    [invoice] = office.invoices()
    due = TOTAL + 250
    assert invoice["total"]["amount"] == due + 635  # 19 % of 33.40 is 6.346
    named = [(line["kind"], line["rule_id"], line["rule_version"]) for line in invoice["lines"] if line["rule_id"]]
    assert named == [("fee", fee.id, fee.version), ("tax", tax.id, tax.version)]
    payment = office.payment(order)
    assert payment is not None
    assert payment["amount"] == invoice["total"]


def test_a_bill_that_comes_to_more_than_any_order_is_paid_and_given_back_like_any_other(office: Office) -> None:
    office.rule("invoicing", {"action": "dropship_fee", "amount": euros(10**12), "per": "item"})
    order = office.place(("A-1", 1500), method=1)
    work()
    [invoice] = office.invoices()
    owed = 1500 * (10**12 + 1250) + 590
    assert invoice["total"] == euros(owed)
    payment = office.payment(order)
    assert payment is not None
    assert (payment["status"], payment["amount"], payment["captured"]) == ("paid", euros(owed), euros(owed))
    shown = office.owner.get(f"/v1/payments/{order['id']}")
    assert (shown.status, shown.json["captured"]) == (200, euros(owed))
    office.step(order, "cancel")
    work()
    back = office.payment(order)
    assert back is not None
    assert (back["status"], back["refunded"]) == ("refunded", euros(owed))


def test_credit_is_used_as_far_as_there_is_and_given_back_with_a_cancelled_order(office: Office) -> None:
    office.rule("invoicing", CREDIT)
    office.credit(4000)
    first = office.place()
    work()
    assert (office.balance(), office.invoices(first)[0]["credit_used"]) == (4000 - TOTAL, euros(TOTAL))
    second = office.place()
    work()
    assert (office.balance(), office.invoices(second)[0]["total"]) == (0, euros(2 * TOTAL - 4000))
    office.step(first, "cancel")
    work()
    assert office.balance() == TOTAL
    assert events(office, first) == [("credit_note", "cancelled", 0), ("invoice", "placed", 0)]
    expect_gapless()


def test_a_changed_order_takes_its_invoice_back_and_makes_a_new_one(office: Office) -> None:
    office.rule("invoicing", FEE)
    order = office.place()
    work()
    changed = office.change(order, lines=[{"product_number": "A-1", "quantity": 3}])
    work()
    placed, note, updated = (
        next(each for each in office.invoices() if each["number"] == number)
        for number in ("INV-000001", "CN-000001", "INV-000002")
    )
    assert note["credits"] == placed["id"]
    assert placed["credited_by"] == note["id"]
    assert note["total"]["amount"] == -placed["total"]["amount"]
    assert updated["id"] == f"{order['id']}.updated-{changed['etag'].strip(chr(34))}"
    assert updated["total"]["amount"] == 3 * 1250 + 590 + 250
    payment = office.payment(order)
    assert payment is not None
    assert payment["amount"] == updated["total"]
    expect_gapless()


def test_a_change_that_bills_nothing_anew_is_not_even_told(office: Office) -> None:
    order = office.place()
    work()
    office.step(order, "confirm")
    assert runs() == []
    assert len(office.invoices()) == 1


def test_a_cancelled_order_owes_nothing_any_more(office: Office) -> None:
    held, taken = office.place(), office.place(method=1)
    work()
    for order in (held, taken):
        office.step(order, "cancel")
    work()
    for order in (held, taken):
        assert sum(total for _, _, total in events(office, order)) == 0
    payments = [office.payment(each) for each in (held, taken)]
    assert [each and (each["status"], each["amount"]["amount"]) for each in payments] == [
        ("not_authorised", 0),
        ("refunded", 0),
    ]
    expect_gapless()


def test_told_three_times_it_is_done_once(office: Office) -> None:
    office.rule("invoicing", CREDIT)
    office.credit(100)
    office.place()
    [key] = runs()
    assert consume([key, key, key]) == []
    assert consume([key]) == []
    assert (len(office.invoices()), office.balance()) == (1, 0)
    assert len(announced("invoice")) == 1
    expect_gapless()


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1)])
def test_messages_that_overtake_each_other_end_in_the_same(office: Office, places: tuple[int, ...]) -> None:
    office.rule("invoicing", FEE)
    order = office.place()
    changed = office.change(order, lines=[{"product_number": "B-2", "quantity": 7}])
    office.step(changed, "confirm", "start", "ship")
    keys = runs()
    assert len(keys) == 3
    for place in places:
        assert consume([keys[place]]) == []
    assert events(office) == [("invoice", "placed", 7 * 99 + 590 + 250)]
    payment = office.payment(order)
    assert payment is not None
    assert payment["amount"]["amount"] == 7 * 99 + 590 + 250
    assert {item["status"] for item in stored("outbox") if item["message"]["type"] == "order_rules"} == {"done"}


@pytest.mark.parametrize("backwards", [False, True])
def test_an_order_that_was_cancelled_before_it_was_billed_is_never_billed(office: Office, backwards: bool) -> None:  # noqa: FBT001  # a parameter
    office.step(office.place(), "cancel")
    keys = runs()
    assert consume(reversed(keys) if backwards else keys) == []
    assert (office.invoices(), stored("payment"), runs()) == ([], [], [])


def test_cancelling_before_a_change_is_billed_takes_back_what_was_billed_alone(office: Office) -> None:
    order = office.place()
    work()
    changed = office.change(order, lines=[{"product_number": "B-2", "quantity": 7}])
    office.step(changed, "cancel")
    assert consume(reversed(runs())) == []
    assert sorted(event for _, event, _ in events(office)) == ["cancelled", "placed"]
    assert sum(total for _, _, total in events(office)) == 0


def test_rules_that_change_while_a_message_is_on_its_way_are_asked_as_they_are_then(office: Office) -> None:
    office.rule("invoicing", FEE)
    order = office.place()
    rule = office.rule("invoicing", {"action": "percentage_fee", "percent": "10"}, priority=20)
    work()
    [invoice] = office.invoices(order)
    assert [line["amount"]["amount"] for line in invoice["lines"]] == [2500, 590, 250, 250]
    assert invoice["lines"][-1]["rule_id"] == rule.id


def test_orders_of_customers_that_are_no_resellers_are_none_of_its_business(office: Office) -> None:
    shop = office.resale.shop
    buyer = shop.join(shop.add_customer())
    order = office.place(by=buyer)
    office.step(order, "cancel")
    assert runs() == []


def test_a_message_that_cannot_be_carried_out_holds_up_no_other_and_comes_again(office: Office) -> None:
    office.place(by=office.other_buyer)
    office.place()
    poisoned, sound = runs()
    Record(*poisoned).update([Path("data.message.event").set("explode")])
    assert consume([poisoned, sound]) == ["0"]
    assert len(office.invoices()) == 1
    expect_gapless()


def test_a_message_about_nothing_is_concluded(office: Office) -> None:
    office.place()
    [key] = runs()
    Record(*key).update([Path("data.message.order_id").set("nothing.here")])
    assert consume([key]) == []
    [item] = [each for each in stored("outbox") if each["message"]["type"] == "order_rules"]
    assert (item["status"], item["failure"]) == ("failed", "obsolete")


def test_what_is_captured_days_later_waits_and_is_captured_when_it_is_due(office: Office, time: Clock) -> None:
    office.rule("payment_capture", {"action": "capture_after", "days": 14})
    order = office.place()
    work()
    payment, [invoice] = office.payment(order), office.invoices()
    assert payment is not None
    assert (payment["status"], payment["captured"]["amount"]) == ("authorised", 0)
    assert invoice["due_on"] == day_of(time.at + timedelta(days=14), "Europe/Berlin").isoformat()
    # Relayed at once, it is left alone: the sweeper brings it when it is due.
    work()
    [key] = runs()
    time.advance(days=14, minutes=6)
    create_mail_queue()
    assert run("notifications/sweep_outbox", {})["overdue"] >= 1
    assert json.dumps(key._asdict()) in [json.dumps(body) for body in received(RULES)]
    assert consume([key]) == []
    paid = office.payment(order)
    assert paid is not None
    assert (paid["status"], paid["captured"]) == ("paid", paid["amount"])
    assert runs() == []


def test_an_order_that_a_rep_prices_too_low_is_billed_once_it_is_approved(office: Office) -> None:
    order = office.place()
    work()
    [key] = [each for each in stored("order") if each["id"] == order["id"]]
    record = Record(key["pk"], key["sk"])
    # As after a change by a rep beyond its limits, which had it wait for approval.
    record.update([Path("data.status").set("awaiting_approval"), Path("data.total.amount").set(1)])
    office.step(office.owner.get(f"/v1/orders/{order['id']}").json, "approve")
    assert [message["event"] for message in announced("order_rules")] == ["placed", "placed"]
    work()
    assert sorted(event for _, event, _ in events(office)) == ["placed", "updated", "updated"]


def test_an_order_that_was_never_known_is_not_cancelled_to_the_rules(office: Office) -> None:
    order = office.place()
    work()
    [key] = [each for each in stored("order") if each["id"] == order["id"]]
    Record(key["pk"], key["sk"]).update([Path("data.status").set("awaiting_approval")])
    rejected = office.step(office.owner.get(f"/v1/orders/{order['id']}").json, "reject")
    assert rejected["status"] == "rejected"
    assert runs() == [], "nothing in its history says that the buyer was told of it"


def test_a_rule_may_ask_how_many_orders_came_before(office: Office) -> None:
    when = {"field": "reseller.order_count", "op": "gte", "value": 1}
    office.rule("invoicing", {"action": "discount", "percent": "10"}, when=when)
    first, second = office.place(), office.place()
    work()
    assert [office.invoices(order)[0]["total"]["amount"] for order in (first, second)] == [TOTAL, TOTAL - 250]


def test_a_channels_rules_come_before_the_stores_and_may_stop_them(office: Office) -> None:
    channel = RuleScope(type="channel", id=office.resale.channel_id)
    rule = office.rule("invoicing", FEE, scope=channel, stop=True)
    office.rule("invoicing", {"action": "percentage_fee", "percent": "10"}, priority=1)
    office.place()
    work()
    [invoice] = office.invoices()
    assert [line["rule_id"] for line in invoice["lines"]] == [None, None, rule.id]


def test_a_bill_is_mailed_to_the_reseller_with_a_copy_for_whom_the_store_names(office: Office) -> None:
    office.resale.set_store(billing_cc=["books@acme.test", "REA@resell.test"])
    order = office.place()
    work()
    office.step(order, "cancel")
    work()
    mails = [mail for mail in deliver() if "voice" in mail.subject or "Credit" in mail.subject]
    assert [(mail.to, mail.cc) for mail in mails] == [("rea@resell.test", ("books@acme.test",))] * 2
    assert [mail.subject for mail in mails] == [
        f"Invoice INV-000001 for your order {order['number']}",
        f"Credit note CN-000001 for your order {order['number']}",
    ]
    assert "EUR\u00a030.90" in mails[0].html
    assert "INV-000001" in mails[1].html


def test_an_accepted_offer_is_an_order_that_is_billed(office: Office) -> None:
    line = {"kind": "product", "product_number": "A-1", "quantity": 2}
    methods = {
        "shipping_method_id": office.options["shipping_methods"][0]["id"],
        "payment_method_id": office.options["payment_methods"][0]["id"],
    }
    offer = office.owner.post("/v1/offers", {"customer_id": office.customer_id, "lines": [line], **methods})
    assert offer.status == 201, offer.text
    path = f"/v1/offers/{offer.json['id']}"
    sent = office.owner.post(f"{path}/send", headers={"If-Match": offer.json["etag"]})
    assert sent.status == 200, sent.text
    accepted = office.buyer.post(f"{path}/accept", {"version": sent.json["version"]})
    assert accepted.status == 200, accepted.text
    work()
    [invoice] = office.invoices()
    assert (invoice["order_id"], invoice["total"]["amount"]) == (accepted.json["order_id"], TOTAL)
