"""Moving an offer on: who may, from where, once, and told to those whom it concerns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.offering import Bargain, announced, product
from tests.support.ordering import send_event
from tests.support.table import counted_calls, records, stored
from tests.support.world import euros
from tradepost.domain.offers import SENDINGS
from tradepost.table.records import Record

DEMAND_A_VERSION = ("send", "approve", "reject", "decline", "withdraw", "extend", "request-extension")
MOVES = ("take", *DEMAND_A_VERSION)
CHEAP = product("A-1", 2, unit_price=euros(1000))


def audited(offer: dict[str, Any]) -> list[str]:
    """Return what was noted of an offer."""
    return [entry["action"].partition(":")[2] for entry in stored("audit") if entry["target"] == offer["id"]]


def test_a_draft_is_sent_and_told_to_the_customer_once(bargain: Bargain) -> None:
    offer = bargain.make()
    sent = send_event("offers/move_offer.sent", TOKEN=bargain.rep.client.token, OFFER_ID=offer["id"])
    assert (sent.status, sent.json["status"], sent.json["version"]) == (200, "open", 1)
    again = send_event("offers/move_offer.sent", TOKEN=bargain.rep.client.token, OFFER_ID=offer["id"])
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (200, sent.json, "true")
    step = sent.json["history"][-1]
    assert (step["event"], step["from"], step["to"], step["version"], step["note"]) == (
        "sent",
        "draft",
        "open",
        1,
        "Agreed by telephone.",
    )
    assert (step["actor"]["id"], step["subject"]["id"]) == (bargain.rep.id, bargain.rep.id)
    assert sent.json["allowed_transitions"] == ["withdraw", "extend"]
    assert bargain.seen(offer, by=bargain.buyer)["allowed_transitions"] == ["accept", "decline", "request-extension"]
    (message,) = [item["message"] for item in stored("outbox") if item["message"]["type"] == "offer"]
    assert (message["event"], message["offer_id"], message["number"], message["member_id"]) == ("sent", offer["id"], 1, None)
    assert audited(offer) == ["created", "sent"]
    (kept,) = stored("offer_version")
    assert (kept["number"], kept["valid_until"], kept["sent_by"]["id"]) == (1, offer["valid_until"], bargain.rep.id)


def test_an_offer_that_is_mailed_to_nobody_is_sent_all_the_same(bargain: Bargain) -> None:
    assert bargain.open(mail_to=[])["status"] == "open"
    assert announced() == []
    assert bargain.open(mail_to=[], mail_cc="boss@bluedoor.test")["status"] == "open"
    assert announced() == [("sent", None)]


def test_a_move_takes_one_read_and_one_write_and_sending_looks_whether_everything_is_still_there(bargain: Bargain) -> None:
    offer = bargain.make()
    for move, by, reads in (("send", bargain.rep.client, 2), ("decline", bargain.buyer, 1)):
        with counted_calls() as calls:
            offer = bargain.moved(offer, move, by=by)
        assert calls == ["BatchGetItem"] * reads + ["TransactWriteItems"]


def test_what_is_gone_meanwhile_is_neither_sent_nor_approved(bargain: Bargain) -> None:
    owner = bargain.market.owner
    offer, waiting = (
        bargain.make(product("B-2", optional=True), product("A-1")),
        bargain.make(product("B-2", discount_percent=99)),
    )
    waiting = bargain.moved(waiting, "send")
    assert waiting["status"] == "awaiting_approval"
    removed = owner.delete("/v1/products/B-2", etag=owner.get("/v1/products/B-2").json["etag"])
    assert removed.status == 204
    before = stored()
    for reply in (bargain.step(offer, "send"), bargain.step(waiting, "approve", by=owner)):
        assert (reply.status, reply.code, reply.json["product_numbers"]) == (409, "product_unavailable", ["B-2"])
    assert stored() == before


def test_limits_hold_against_the_list_prices_of_the_day_of_sending(bargain: Bargain) -> None:
    bargain.team.limit(10)
    request = bargain.ask(product("A-1", 2))
    bargain.market.reprice("A-1", 50000)
    sent = bargain.moved(bargain.moved(request, "take"), "send")
    assert sent["status"] == "awaiting_approval"
    (excess,) = sent["approval"]["required_by"]
    assert (excess["listed"], excess["given"], excess["lowest"]) == (euros(50000), euros(1250), euros(45000))


def test_what_nobody_could_order_is_not_sent(bargain: Bargain) -> None:
    offer = bargain.make({"kind": "heading", "text": "Lamps"})
    before = stored()
    reply = bargain.step(offer, "send")
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "offer_incomplete", "/lines")
    assert stored() == before


def test_nothing_is_sent_to_a_customer_that_is_not_active(bargain: Bargain) -> None:
    offer = bargain.make()
    bargain.team.set_customer(active=False)
    reply = bargain.step(offer, "send")
    assert (reply.status, reply.code) == (409, "customer_inactive")
    assert bargain.seen(offer)["status"] == "draft"
    bargain.team.set_customer(active=True)
    assert bargain.moved(offer, "send")["status"] == "open"


def test_a_move_demands_the_version_that_was_read(bargain: Bargain) -> None:
    offer = bargain.open()
    path = f"/v1/offers/{offer['id']}"
    before = stored()
    for move in DEMAND_A_VERSION:
        by = bargain.buyer if move in {"decline", "request-extension"} else bargain.market.owner
        without = by.post(f"{path}/{move}")
        assert (move, without.status, without.code) == (move, 428, "precondition_required")
        assert by.post(f"{path}/{move}", key=None, headers={"If-Match": offer["etag"]}).code == "idempotency_key_required"
    stale = {**offer, "etag": '"1"'}
    for move, by in (
        ("withdraw", bargain.rep.client),
        ("extend", bargain.rep.client),
        ("decline", bargain.buyer),
        ("request-extension", bargain.buyer),
    ):
        reply = bargain.step(stale, move, by=by, body={"valid_until": "2028-01-01"} if move == "extend" else None)
        assert (move, reply.status, reply.code) == (move, 412, "stale")
    assert stored() == before
    # Whoever may not make a move at all is told so first.
    assert bargain.step(stale, "send").code == "invalid_transition"
    waiting = bargain.moved(bargain.make(CHEAP), "send")
    for move in ("approve", "reject"):
        assert bargain.step({**waiting, "etag": '"1"'}, move, by=bargain.market.owner).code == "stale"
    draft = bargain.make()
    assert bargain.step({**draft, "etag": '"9"'}, "send").code == "stale"
    request = bargain.ask()
    assert bargain.step({**request, "etag": '"9"'}, "take").code == "stale"


def test_whoever_may_not_know_of_an_offer_moves_nothing(bargain: Bargain) -> None:
    offer, draft = bargain.open(), bargain.make()
    nothing = {**offer, "id": "nothing"}
    rival = bargain.market.rival()
    before = stored("offer")
    for move in MOVES:
        strangers = [bargain.team.outsider.client, bargain.team.everywhere.client, rival]
        if move in {"decline", "request-extension"}:
            strangers = [bargain.market.other_buyer]
        if move == "withdraw":
            strangers.append(bargain.market.other_buyer)
        for stranger in strangers:
            reply, missing = bargain.step(offer, move, by=stranger), bargain.step(nothing, move, by=stranger)
            # Reps are told first that approving is not theirs at all.
            assert reply.status == (403 if move in {"approve", "reject"} and stranger is not rival else 404)
            assert (reply.status, reply.text) == (missing.status, missing.text)
    for move in ("decline", "request-extension", "withdraw"):
        assert bargain.step(draft, move, by=bargain.buyer).status == 404
    assert stored("offer") == before


@pytest.mark.parametrize("move", MOVES)
def test_a_body_that_is_none_moves_nothing(bargain: Bargain, move: str) -> None:
    offer = bargain.open()
    by = bargain.buyer if move in {"decline", "request-extension"} else bargain.market.owner
    before = stored()
    bodies: list[Any] = [{"surprise": 1}, [], "{"]
    if move in {"send", "approve", "reject", "decline", "withdraw"}:
        bodies += [{"note": 5}, {"note": "x" * 1001}, {"note": "bell\x07"}]
    if move == "extend":
        bodies += [{"valid_until": "soon"}, {"valid_until": "2020-01-01"}, {"valid_until": "9999-01-01"}, {"note": "x" * 4001}]
    if move == "request-extension":
        bodies += [{"until": "soon"}, {"until": "2020-01-01"}, {"until": "9999-01-01"}, {"message": "x" * 4001}]
    for body in bodies if move != "take" else []:
        assert (body, bargain.step(offer, move, by=by, body=body).status in {400, 422}) == (body, True)
    assert stored() == before


# Taking a request on


def test_of_two_who_take_a_request_at_once_one_does_and_the_other_is_told_who(bargain: Bargain) -> None:
    request = bargain.ask()
    winner = bargain.team.everywhere
    with meanwhile("TransactWriteItems", lambda: bargain.step(request, "take", by=winner.client)):
        late = bargain.rep.client.post(f"/v1/offers/{request['id']}/take")
    assert (late.status, late.code) == (409, "already_taken")
    assert late.json["owner"] == {"type": "member", "id": winner.id, "name": "Alma"}
    assert "Alma" in late.json["detail"]
    (kept,) = stored("offer")
    assert (kept["owner"]["id"], kept["status"], len(kept["history"])) == (winner.id, "draft", 2)
    # It is Alma's from then on: the other one only ever hears who has it.
    assert bargain.rep.client.get(f"/v1/offers/{request['id']}").status == 404
    assert bargain.step(request, "take").json["owner_id"] == winner.id
    assert bargain.step(request, "send").status == 404
    assert audited(request) == ["requested", "taken"]


def test_a_request_that_is_out_of_scope_is_nobodys_to_take(bargain: Bargain) -> None:
    request = bargain.ask()
    before = stored("offer")
    for stranger in (bargain.team.outsider.client, bargain.market.rival()):
        reply, missing = (bargain.step({**request, "id": each}, "take", by=stranger) for each in (request["id"], "nothing"))
        assert (reply.status, reply.text) == (404, missing.text)
    for customer in (bargain.buyer, bargain.acting(), bargain.market.other_buyer):
        assert bargain.step(request, "take", by=customer).status == 403
    # What somebody made is taken by nobody, and not shown to others by trying.
    draft = bargain.make()
    assert bargain.step(draft, "take", by=bargain.team.everywhere.client).status == 404
    assert bargain.step(draft, "take", by=bargain.team.supervisor.client).status == 409
    assert [offer for offer in stored("offer") if offer["id"] == request["id"]] == before


def test_what_was_asked_for_is_worked_out_and_goes_to_whoever_asked(bargain: Bargain) -> None:
    request = bargain.ask(product("A-1", 40), message="What would forty cost?")
    taken = bargain.moved(request, "take")
    assert (taken["status"], taken["owner_id"], taken["version"]) == ("draft", bargain.rep.id, 1)
    assert taken["valid_until"] is not None
    assert (taken["mail_to"], taken["message"]) == ([bargain.market.customer["email"]], None)
    assert taken["lines"][0]["quantity"] == 40
    changed = bargain.edited(taken, lines=[product("A-1", 50)])
    # The customer still sees what it asked for, until it is offered something.
    seen = bargain.seen(request, by=bargain.buyer)
    assert (seen["status"], seen["lines"][0]["quantity"], seen["allowed_transitions"]) == ("draft", 40, [])
    bargain.moved(changed, "send")
    seen = bargain.seen(request, by=bargain.buyer)
    assert (seen["status"], seen["lines"][0]["quantity"]) == ("open", 50)
    assert (seen["request"]["message"], seen["request"]["lines"][0]["quantity"]) == ("What would forty cost?", 40)
    assert [step["event"] for step in seen["history"]] == ["requested", "sent", "viewed"]


def test_a_customer_withdraws_its_request_until_somebody_takes_it(bargain: Bargain) -> None:
    request, late = bargain.ask(), bargain.ask()
    for by in (bargain.rep.client, bargain.market.owner, bargain.team.supervisor.client):
        assert bargain.step(request, "withdraw", by=by).code == "invalid_transition"
    told = announced()
    gone = bargain.moved(request, "withdraw", by=bargain.buyer, body={"note": "Bought elsewhere"})
    assert (gone["status"], gone["history"][-1]["note"], gone["allowed_transitions"]) == ("withdrawn", "Bought elsewhere", [])
    assert announced() == told
    assert bargain.step(gone, "take").code == "invalid_transition"
    taken = bargain.moved(late, "take")
    reply = bargain.step(taken, "withdraw", by=bargain.buyer)
    assert (reply.status, reply.code, reply.json["offer_status"]) == (409, "invalid_transition", "draft")


def test_a_request_that_is_withdrawn_while_it_is_taken_is_the_one_or_the_other(bargain: Bargain) -> None:
    request = bargain.ask()
    with meanwhile("TransactWriteItems", lambda: bargain.moved(request, "withdraw", by=bargain.buyer)):
        late = bargain.rep.client.post(f"/v1/offers/{request['id']}/take")
    assert (late.status, late.code, late.json["offer_status"]) == (409, "invalid_transition", "withdrawn")
    (kept,) = stored("offer")
    assert (kept["status"], kept["owner"]) == ("withdrawn", None)


# Limits and approval

LIMITS: list[tuple[int, int | None, list[dict[str, Any]], dict[str, Any], dict[str, tuple[int, int, int]]]] = [
    (10, None, [product("A-1", 1, unit_price=euros(1125))], {}, {}),
    (10, None, [product("A-1", 1, discount_percent=10)], {}, {}),
    (10, None, [product("A-1", 1, unit_price=euros(1124))], {}, {"/lines/0/unit_price": (1250, 1124, 1125)}),
    (10, None, [product("A-1", 1, discount_percent=11)], {}, {"/lines/0/unit_price": (1250, 1113, 1125)}),
    (
        10,
        None,
        [product("A-1", 1, unit_price=euros(1200), discount_percent=9)],
        {},
        {"/lines/0/unit_price": (1250, 1092, 1125)},
    ),
    (
        10,
        None,
        [{"kind": "subtotal"}, product("A-1", 1, unit_price=euros(1), optional=True)],
        {},
        {"/lines/1/unit_price": (1250, 1, 1125)},
    ),
    (10, 1200, [product("A-1", 1, unit_price=euros(1199)), product("B-2")], {}, {"/lines/0/unit_price": (1250, 1199, 1200)}),
    (50, 200, [product("B-2", 1, unit_price=euros(98))], {}, {"/lines/0/unit_price": (99, 98, 99)}),
    (0, None, [product("A-1", 1, unit_price=euros(9999))], {"shipping_cost": euros(9999)}, {}),
    (10, 5000, [product("A-1")], {"shipping_cost": euros(531)}, {}),
    (10, None, [product("A-1")], {"shipping_cost": euros(530)}, {"/shipping_cost": (590, 530, 531)}),
    (100, None, [product("A-1", discount_percent=100)], {"shipping_cost": euros(0)}, {}),
]


def test_within_the_limits_an_offer_is_sent_and_beyond_them_it_waits(bargain: Bargain) -> None:
    for percent, floor, lines, fields, beyond in LIMITS:
        bargain.team.limit(percent, floor)
        told = len(announced())
        offer = bargain.moved(bargain.make(*lines, **fields), "send")
        names = ("listed", "given", "lowest")
        excess = [
            {"pointer": pointer, **dict(zip(names, map(euros, amounts), strict=True))} for pointer, amounts in beyond.items()
        ]
        assert offer["approval"] == ({"required_by": excess} if beyond else None)
        assert offer["status"] == ("awaiting_approval" if beyond else "open")
        assert len(announced()) - told == (0 if beyond else 1)


def test_what_waits_is_approved_by_a_supervisor_or_the_owner_and_only_then_sent(bargain: Bargain) -> None:
    for approver in (bargain.team.supervisor.client, bargain.market.owner):
        waiting = bargain.moved(bargain.make(CHEAP), "send", body={"note": "May I?"})
        assert (waiting["allowed_transitions"], waiting["sent_at"], waiting["editable"]) == (["withdraw"], None, True)
        assert bargain.buyer.get(f"/v1/offers/{waiting['id']}").status == 404
        for move in ("approve", "reject"):
            assert bargain.step(waiting, move).status == 403
        seen = bargain.seen(waiting, by=approver)
        assert seen["allowed_transitions"] == ["approve", "reject", "withdraw"]
        told = len(announced())
        approved = bargain.moved(seen, "approve", by=approver, body={"note": "Just this once"})
        assert (approved["status"], approved["approval"], approved["version"]) == ("open", None, 1)
        assert len(announced()) - told == 1
        assert [step["event"] for step in bargain.seen(waiting)["history"]] == ["created", "sent", "approved"]
        assert bargain.step(approved, "approve", by=approver).code == "invalid_transition"
        reply = bargain.accept(bargain.seen(waiting, by=bargain.buyer))
        assert reply.status == 200, reply.text


def test_what_is_rejected_goes_back_to_whoever_made_it(bargain: Bargain) -> None:
    waiting = bargain.moved(bargain.make(CHEAP), "send")
    rejected = bargain.moved(waiting, "reject", by=bargain.team.supervisor.client, body={"note": "Too cheap"})
    assert (rejected["status"], rejected["approval"], rejected["history"][-1]["note"]) == ("draft", None, "Too cheap")
    assert announced() == []
    seen = bargain.seen(waiting)
    assert (seen["owner_id"], seen["allowed_transitions"]) == (bargain.rep.id, ["send", "withdraw"])
    assert bargain.moved(bargain.edited(seen, lines=[product("A-1", 2)]), "send")["status"] == "open"


def test_a_price_that_was_agreed_on_once_is_not_asked_about_again(bargain: Bargain) -> None:
    waiting = bargain.moved(bargain.make(CHEAP, shipping_cost=euros(1)), "send")
    assert [each["pointer"] for each in waiting["approval"]["required_by"]] == ["/lines/0/unit_price", "/shipping_cost"]
    offer = bargain.moved(bargain.seen(waiting, by=bargain.market.owner), "approve", by=bargain.market.owner)
    more = [product("B-2", 1), product("A-1", 9, unit_price=euros(1000))]
    offer = bargain.moved(bargain.edited(bargain.seen(offer), lines=more), "send")
    assert (offer["status"], offer["version"]) == ("open", 2)
    offer = bargain.moved(bargain.edited(offer, lines=[product("A-1", 9, unit_price=euros(999))]), "send")
    assert [each["pointer"] for each in offer["approval"]["required_by"]] == ["/lines/0/unit_price"]
    # What was rejected has not been agreed on.
    owner = bargain.market.owner
    bargain.moved(bargain.seen(offer, by=owner), "reject", by=owner)
    assert bargain.moved(bargain.seen(offer), "send")["status"] == "awaiting_approval"


def test_a_supervisor_lets_no_prices_of_its_own_through_and_the_owner_needs_nobody(bargain: Bargain) -> None:
    supervisor, owner = bargain.team.supervisor.client, bargain.market.owner
    own = bargain.moved(bargain.make(CHEAP, by=supervisor), "send", by=supervisor)
    assert (own["status"], own["allowed_transitions"]) == ("awaiting_approval", ["reject", "withdraw"])
    reply = bargain.step(own, "approve", by=supervisor)
    assert (reply.status, reply.code) == (403, "own_offer")
    assert bargain.moved(own, "approve", by=owner)["status"] == "open"
    # Editing somebody else's makes its prices one's own.
    edited = bargain.edited(bargain.make(), by=supervisor, lines=[CHEAP])
    waiting = bargain.moved(edited, "send")
    assert bargain.step(waiting, "approve", by=supervisor).code == "own_offer"
    assert bargain.moved(bargain.make(CHEAP, by=owner), "send", by=owner)["status"] == "open"
    assert bargain.moved(bargain.make(CHEAP), "send", by=owner)["status"] == "open"


def test_a_draft_is_not_sent_and_nothing_approved_after_its_last_day(bargain: Bargain, time: Clock) -> None:
    time.at = datetime(2036, 11, 23, 12, 0, tzinfo=UTC)
    rep, owner = bargain.login(bargain.rep), bargain.market.login(owner=True)
    draft = bargain.make(by=rep, valid_until="2036-11-23")
    waiting = bargain.moved(bargain.make(CHEAP, by=rep, valid_until="2036-11-23"), "send", by=rep)
    # The day ends at 23:00 UTC in Berlin.
    time.at = datetime(2036, 11, 23, 23, 0, tzinfo=UTC)
    before = stored("offer")
    for reply in (bargain.step(draft, "send", by=rep), bargain.step(waiting, "approve", by=owner)):
        assert (reply.status, reply.code) == (409, "validity_over")
    assert stored("offer") == before
    time.advance(seconds=-1)
    assert bargain.moved(draft, "send", by=rep)["status"] == "open"
    time.advance(hours=2)
    assert bargain.moved(bargain.edited(waiting, by=rep, valid_days=3), "send", by=rep)["status"] == "awaiting_approval"


def test_somebody_sends_so_many_offers_an_hour(bargain: Bargain) -> None:
    offer = bargain.open()
    (counted,) = [record for record in records("limit") if SENDINGS.what in record.pk]
    counted.update([Record.tally.set(SENDINGS.most - 1)])
    bargain.open()
    late = bargain.step(bargain.make(), "send")
    assert (late.status, late.code) == (429, "too_many_offers_sent")
    assert int(late.headers["retry-after"]) > 0
    assert bargain.open(by=bargain.team.supervisor.client)["status"] == "open"
    assert bargain.moved(offer, "withdraw")["status"] == "withdrawn"


# Saying no, taking back


def test_a_customer_declines_and_whoever_made_the_offer_is_told(bargain: Bargain) -> None:
    for by in (bargain.buyer, bargain.acting()):
        offer = bargain.open()
        told = announced()
        declined = bargain.moved(offer, "decline", by=by, body={"note": "Too dear"})
        assert (declined["status"], declined["history"][-1]["note"]) == ("declined", "Too dear")
        assert [news for news in announced() if news not in told] or len(announced()) == len(told) + 1
        assert ("declined", bargain.rep.id) in announced()
        assert bargain.accept(offer).code == "invalid_transition"
        assert bargain.seen(offer)["allowed_transitions"] == []
    assert stored("order") == []


def test_the_store_takes_back_what_nobody_has_accepted_and_tells_who_had_it(bargain: Bargain) -> None:
    draft, waiting, offer = bargain.make(), bargain.moved(bargain.make(CHEAP), "send"), bargain.open()
    told = announced()
    for each in (draft, waiting):
        assert bargain.moved(each, "withdraw")["status"] == "withdrawn"
    assert announced() == told
    assert bargain.moved(offer, "withdraw", body={"note": "Out of stock"})["status"] == "withdrawn"
    assert sorted(announced()) == sorted([*told, ("withdrawn", None)])
    refused = bargain.accept(offer)
    assert (refused.status, refused.code, refused.json["offer_status"]) == (409, "invalid_transition", "withdrawn")
    seen = bargain.seen(offer, by=bargain.buyer)
    assert [(step["event"], step["from"], step["to"], step["note"]) for step in seen["history"]] == [
        ("sent", "draft", "open", None),
        ("withdrawn", "open", "withdrawn", "Out of stock"),
        ("viewed", "withdrawn", "withdrawn", None),
    ]


def test_an_offer_that_is_withdrawn_while_it_is_declined_is_the_one_or_the_other(bargain: Bargain) -> None:
    offer = bargain.open()
    with meanwhile("TransactWriteItems", lambda: bargain.moved(offer, "withdraw")):
        late = bargain.step(offer, "decline", by=bargain.buyer)
    assert (late.status, late.code) in {(409, "invalid_transition"), (412, "stale")}
    (kept,) = stored("offer")
    assert kept["status"] == "withdrawn"


# Extensions


def test_an_extension_is_asked_for_once_and_given(bargain: Bargain) -> None:
    offer = bargain.open(valid_until="2027-01-10")
    asked = send_event("offers/move_offer.extension_requested", TOKEN=bargain.buyer.token, OFFER_ID=offer["id"])
    assert (asked.status, asked.json["status"], asked.json["extension"]["message"]) == (200, "open", "We decide on Friday.")
    assert asked.json["extension"]["actor"]["id"] == bargain.team.employee_id
    assert asked.json["allowed_transitions"] == ["accept", "decline"]
    assert ("extension_requested", bargain.rep.id) in announced()
    twice = bargain.step(asked.json, "request-extension", by=bargain.buyer)
    assert (twice.status, twice.code) == (409, "extension_requested_already")
    extended = bargain.moved(asked.json, "extend", body={"valid_until": "2027-01-20", "note": "Of course"})
    assert (extended["valid_until"], extended["extension"], extended["version"]) == ("2027-01-20", None, 1)
    assert extended["expires_at"] == "2027-01-20T23:00:00.000Z"
    assert ("extended", None) in announced()
    seen = bargain.seen(offer, by=bargain.buyer)
    assert [step["event"] for step in seen["history"] if step["event"] != "viewed"] == [
        "sent",
        "extension_requested",
        "extended",
    ]
    assert seen["allowed_transitions"] == ["accept", "decline", "request-extension"]
    # And again, as long as it is extended in between.
    assert bargain.step(seen, "request-extension", by=bargain.buyer).status == 200


@pytest.mark.parametrize("day", ["2027-01-10", "2027-01-09"])
def test_a_day_that_is_not_later_extends_nothing(bargain: Bargain, day: str) -> None:
    offer = bargain.open(valid_until="2027-01-10")
    before = stored()
    for move, by, name in (("extend", bargain.rep.client, "valid_until"), ("request-extension", bargain.buyer, "until")):
        reply = bargain.step(offer, move, by=by, body={name: day})
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "not_an_extension", f"/{name}")
    assert stored() == before
    assert bargain.moved(offer, "extend", body={"valid_until": "2027-01-11"})["valid_until"] == "2027-01-11"


def test_an_extension_is_as_long_as_was_asked_for_or_as_the_stores_offers_are(bargain: Bargain, time: Clock) -> None:
    bargain.team.set_store(offer_days=14)
    time.at = datetime(2036, 11, 23, 12, 0, tzinfo=UTC)
    rep, buyer = bargain.login(bargain.rep), bargain.login()
    offer = bargain.open(by=rep, valid_until="2036-11-25")
    asked = bargain.moved(offer, "request-extension", by=buyer, body={"until": "2036-12-01"})
    offer = bargain.moved(asked, "extend", by=rep)
    assert offer["valid_until"] == "2036-12-01"
    offer = bargain.moved(offer, "extend", by=rep)
    assert offer["valid_until"] == "2036-12-07"
    # The day that was asked for is over meanwhile.
    asked = bargain.moved(offer, "request-extension", by=buyer, body={"until": "2036-12-08"})
    time.at = datetime(2036, 12, 20, 12, 0, tzinfo=UTC)
    assert bargain.moved(asked, "extend", by=bargain.login(bargain.rep))["valid_until"] == "2037-01-03"


def test_what_has_expired_is_extended_and_then_accepted(bargain: Bargain, time: Clock) -> None:
    time.at = datetime(2036, 11, 23, 12, 0, tzinfo=UTC)
    offer = bargain.open(by=bargain.login(bargain.rep), valid_until="2036-11-24")
    time.at += timedelta(days=3)
    rep, buyer = bargain.login(bargain.rep), bargain.login()
    seen = bargain.seen(offer, by=buyer)
    assert (seen["status"], seen["allowed_transitions"]) == ("expired", ["request-extension"])
    assert bargain.seen(offer, by=rep)["allowed_transitions"] == ["extend"]
    for move, by in (("withdraw", rep), ("send", rep), ("decline", buyer)):
        reply = bargain.step(offer, move, by=by)
        assert (reply.status, reply.code, reply.json["offer_status"]) == (409, "invalid_transition", "expired")
    assert bargain.edit(offer, by=rep, header_text="x").json["offer_status"] == "expired"
    assert bargain.accept(offer, by=buyer).code == "offer_expired"
    asked = bargain.moved(offer, "request-extension", by=buyer)
    assert asked["status"] == "expired"
    assert [(step["event"], step["from"], step["to"]) for step in asked["history"]][1:] == [
        ("expired", "open", "expired"),
        ("extension_requested", "expired", "expired"),
        ("viewed", "expired", "expired"),
    ]
    extended = bargain.moved(asked, "extend", by=rep, body={"valid_until": "2036-11-26"})
    assert (extended["status"], extended["valid_until"]) == ("open", "2036-11-26")
    reply = bargain.accept(offer, by=buyer)
    assert (reply.status, reply.json["status"]) == (200, "accepted")


def test_only_what_was_sent_and_is_not_over_is_extended(bargain: Bargain) -> None:
    request, draft = bargain.ask(), bargain.make()
    declined = bargain.moved(bargain.open(), "decline", by=bargain.buyer)
    edited = bargain.edited(bargain.open(), header_text="Anew")
    for offer in (request, draft, declined, edited):
        reply = bargain.step(offer, "extend", body={"valid_until": "2028-01-01"})
        assert (reply.status, reply.code) == (409, "invalid_transition")
    for offer in (request, declined, edited):
        reply = bargain.step(offer, "request-extension", by=bargain.buyer)
        assert (reply.status, reply.code) == (409, "invalid_transition")


# All of it


def test_everybody_is_shown_the_moves_that_are_open_to_it(bargain: Bargain) -> None:
    """What is shown can be done, and nothing else can: `test_move_offer_state_machine.py` tries all of it."""
    states: dict[str, tuple[dict[str, Any], list[str], list[str], list[str], list[str] | None]] = {
        # the offer: the owner, the supervisor, the rep, the buyer
        "requested": (bargain.ask(), ["take"], ["take"], ["take"], ["withdraw"]),
        "draft": (bargain.make(), ["send", "withdraw"], ["send", "withdraw"], ["send", "withdraw"], None),
        "awaiting_approval": (
            bargain.moved(bargain.make(CHEAP), "send"),
            ["approve", "reject", "withdraw"],
            ["approve", "reject", "withdraw"],
            ["withdraw"],
            None,
        ),
        "open": (
            bargain.open(),
            ["withdraw", "extend"],
            ["withdraw", "extend"],
            ["withdraw", "extend"],
            ["accept", "decline", "request-extension"],
        ),
        "declined": (bargain.moved(bargain.open(), "decline", by=bargain.buyer), [], [], [], []),
        "withdrawn": (bargain.moved(bargain.open(), "withdraw"), [], [], [], []),
    }
    callers = (bargain.market.owner, bargain.team.supervisor.client, bargain.rep.client, bargain.buyer)
    for status, (offer, *shown) in states.items():
        for client, moves in zip(callers, shown, strict=True):
            reply = client.get(f"/v1/offers/{offer['id']}")
            if moves is None:
                assert (status, reply.status) == (status, 404)
            else:
                assert (reply.json["status"], reply.json["allowed_transitions"]) == (status, moves)
