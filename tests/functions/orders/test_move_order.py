"""Moving an order: the store all the way, a buyer only out of it again, each step once and told."""

from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.ordering import Market, send_event
from tests.support.table import counted_calls, stored
from tradepost.table.orders import order_key
from tradepost.table.records import Record

MOVES = ("confirm", "start", "ship", "cancel", "approve", "reject")
STORE_MAY = {
    "awaiting_approval": {"approve": "received", "reject": "rejected"},
    "received": {"confirm": "confirmed", "cancel": "cancelled"},
    "confirmed": {"start": "in_progress", "cancel": "cancelled"},
    "in_progress": {"ship": "shipped", "cancel": "cancelled"},
    "shipped": {},
    "cancelled": {},
    "rejected": {},
}
BUYER_MAY = {"awaiting_approval": {"cancel": "cancelled"}, "received": {"cancel": "cancelled"}}


def order_mails() -> list[str]:
    """Return what the outbox tells about orders."""
    messages = [item["message"] for item in stored("outbox")]
    return [message["event"] for message in messages if message["type"] == "order"]


def put_into(order: dict[str, Any], status: str) -> Record:
    """Put a stored order into a state, also one that no use case leads to yet; returns it, to be put back."""
    record = Record.get(*order_key("acme", order["id"]))
    record.update([Path("data.status").set(status)])
    return Record.get(record.pk, record.sk)


def test_an_order_goes_from_received_to_shipped_with_its_history_and_mails(market: Market) -> None:
    order = market.place()
    reply = market.step(order, "confirm", body={"note": "Thank you!\nLeaves on Friday."})
    assert (reply.status, reply.json["status"], reply.headers["etag"]) == (200, "confirmed", reply.json["etag"])
    shipped = market.move(reply.json, "start", "ship")
    assert shipped["status"] == "shipped"
    assert [(entry["from"], entry["to"], entry["note"]) for entry in shipped["history"]] == [
        ("received", "confirmed", "Thank you!\nLeaves on Friday."),
        ("confirmed", "in_progress", None),
        ("in_progress", "shipped", None),
    ]
    assert {entry["actor"]["name"] for entry in shipped["history"]} == {"Ola Nordmann"}
    assert all(entry["actor"] == entry["subject"] for entry in shipped["history"])
    assert shipped["allowed_transitions"] == []
    assert {**market.buyer.get(f"/v1/orders/{order['id']}").json} == shipped
    assert sorted(order_mails()) == ["confirmed", "placed", "shipped"]
    audit = [line["action"] for line in stored("audit") if line["target"] == order["id"]]
    assert audit == ["order:placed", "order:confirmed", "order:started", "order:shipped"]


def test_a_buyer_cancels_while_the_order_is_only_received(market: Market) -> None:
    order = market.place()
    reply = send_event("orders/move_order.cancelled_by_buyer", TOKEN=market.buyer.token, ORDER_ID=order["id"])
    assert (reply.status, reply.json["status"]) == (200, "cancelled")
    (entry,) = reply.json["history"]
    assert (entry["actor"], entry["subject"], entry["note"]) == (order["actor"], order["actor"], "Ordered twice.")
    assert sorted(order_mails()) == ["cancelled", "placed"]
    (kept,) = stored("order")
    assert kept["status"] == "cancelled"


@pytest.mark.parametrize("status", STORE_MAY)
def test_every_move_from_every_state_leads_where_it_may_or_changes_nothing(market: Market, status: str) -> None:
    order = market.place()
    record = put_into(order, status)
    before = stored()
    for step in MOVES:
        for client, may in ((market.owner, STORE_MAY[status]), (market.buyer, BUYER_MAY.get(status, {}))):
            reply = market.step(order, step, by=client)
            if client is market.buyer and step != "cancel":
                assert (reply.status, reply.code) == (403, "forbidden")
            elif step not in may:
                assert (reply.status, reply.code) == (409, "invalid_transition")
                assert set(reply.json["allowed_transitions"]) == set(may)
            else:
                assert (reply.status, reply.json["status"]) == (200, may[step])
                entry = reply.json["history"][-1]
                assert (entry["from"], entry["to"]) == (status, may[step])
                (kept,) = stored("order")
                assert kept["status"] == may[step]
                record.save()
                before = stored()
            assert stored() == before


def test_a_move_takes_one_read_and_one_write(market: Market) -> None:
    order = market.place()
    with counted_calls() as calls:
        market.step(order, "confirm")
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_a_retried_move_is_made_once(market: Market) -> None:
    order = market.place()
    headers = {"If-Match": order["etag"]}
    path = f"/v1/orders/{order['id']}/confirm"
    first = market.owner.post(path, key="once", headers=headers)
    again = market.owner.post(path, key="once", headers=headers)
    assert (first.status, again.status, again.json) == (200, 200, first.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(again.json["history"]) == 1
    assert sorted(order_mails()) == ["confirmed", "placed"]
    # The same key for another move is another request.
    start = market.owner.post(f"/v1/orders/{order['id']}/start", key="once", headers={"If-Match": first.json["etag"]})
    assert start.json["status"] == "in_progress"


def test_a_move_of_an_older_version_is_refused(market: Market) -> None:
    order = market.place()
    market.step(order, "confirm")
    before = stored()
    stale = market.step(order, "cancel")
    assert (stale.status, stale.code) == (412, "stale")
    path = f"/v1/orders/{order['id']}/cancel"
    assert market.owner.post(path).code == "precondition_required"
    keyless = market.owner.post(path, key=None, headers={"If-Match": order["etag"]})
    assert keyless.code == "idempotency_key_required"
    assert stored() == before


def test_orders_out_of_scope_are_not_found(market: Market) -> None:
    order = market.place()
    rival = market.rival()
    before = stored()
    missing = market.step({**order, "id": "nothing"}, "cancel")
    for stranger in (market.other_buyer, rival):
        reply = market.step(order, "cancel", by=stranger)
        assert (reply.status, reply.text) == (404, missing.text)
    assert stored() == before


@pytest.mark.parametrize("body", [{"note": 5}, {"note": "x" * 1001}, {"note": "bell\x07"}, {"surprise": 1}, [], "{"])
def test_a_note_that_is_none_is_refused(market: Market, body: Any) -> None:
    order = market.place()
    before = stored()
    assert market.step(order, "confirm", body=body).status in {400, 422}
    assert stored() == before


def test_there_is_no_such_move(market: Market) -> None:
    order = market.place()
    assert market.step(order, "teleport").status == 403  # API Gateway: no such route
