"""Acting: working as a customer's employee, for a while, for a reason, and never unseen."""

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.acting import Stage
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, everything, stored
from tests.support.world import PASSWORD, open_shop

NEW_PASSWORD = "nine grey gulls at dusk"


def refused(reply: Reply) -> tuple[int, str | None]:
    """Return how a request was refused."""
    return reply.status, reply.code


def change_rep(stage: Stage, **fields: Any) -> None:
    """Let the owner change Rhea."""
    path = f"/v1/sales-reps/{stage.rhea.id}"
    reply = stage.owner.patch(path, fields, etag=stage.owner.get(path).json["etag"])
    assert reply.status == 200, reply.text


def colleague(stage: Stage, *, joined: bool = True, role: str = "buyer") -> dict[str, Any]:
    """Let the customer have another employee, Uma."""
    path = f"/v1/customers/{stage.customer['id']}/employees"
    body = {"name": "Uma", "email": "uma@bluedoor.test", "role": role, "phone": "+49 40 77", "send_invitation": True}
    added = stage.owner.post(path, body)
    assert added.status == 201, added.text
    if joined:
        link = stage.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
        reply = stage.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
        assert reply.status == 201, reply.text
    return dict(added.json)


# Beginning


def test_a_rep_works_as_an_employee_of_a_customer_for_a_reason_and_a_while(stage: Stage, time: Clock) -> None:
    uma = colleague(stage)
    reply = send_event(
        "acting/act_as_employee.started", TOKEN=stage.rhea.client.token, CUSTOMER=stage.customer["id"], EMPLOYEE=uma["id"]
    )
    assert reply.status == 201
    assert reply.json["employee"] == {
        "id": uma["id"],
        "name": "Uma",
        "role": "buyer",
        "email": "uma@bluedoor.test",
        "phone": "+49 40 77",
    }
    assert reply.json["customer"] == {"id": stage.customer["id"], "name": "Blue Door"}
    assert (reply.json["actor"]["name"], reply.json["subject"]["name"]) == ("Rhea", "Uma")
    assert reply.json["reason"] == "Asked by telephone"
    (acting,) = stored("acting_session")
    assert acting["expires_at"] == reply.json["expires_at"]
    assert acting["expires_at"] > acting["started_at"]
    assert "acting-as" not in reply.headers
    line = stored("audit")[-1]
    assert (line["action"], line["actor"]["name"], line["subject"]["name"]) == ("acting_session:started", "Rhea", "Uma")
    assert line["details"] == {"reason": "Asked by telephone", "minutes": 15}


def test_who_one_is_while_acting_is_told_with_both_names_and_what_both_may(stage: Stage) -> None:
    acting = stage.act()
    me = acting.get("/v1/me")
    assert (me.json["id"], me.json["role"], me.json["customer_id"]) == (stage.ida["id"], "buyer", stage.customer["id"])
    (kept,) = stored("acting_session")
    assert me.json["acting"] == {name: kept[name] for name in ("id", "actor", "subject", "reason", "started_at", "expires_at")}
    assert me.json["acting"]["actor"]["id"] == stage.rhea.id
    assert me.json["acting"]["subject"]["id"] == stage.ida["id"]
    assert {"orders:place", "acting:end"} <= set(me.json["permissions"])
    # Ida is an administrator, and Rhea a rep: acting is neither.
    assert not {"employees:manage", "acting:read_log", "acting:start", "profile:own"} & set(me.json["permissions"])
    assert me.headers["acting-as"] == stage.ida["id"]
    # In its own session, Rhea still is itself.
    own = stage.rhea.client.get("/v1/me")
    assert (own.json["id"], own.json["acting"]) == (stage.rhea.id, None)
    assert "acting-as" not in own.headers


def test_a_retry_gets_the_same_token_although_only_its_digest_is_stored(stage: Stage) -> None:
    first, again = stage.start(key="once"), stage.start(key="once")
    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json["token"].split("_")[3] not in everything()
    assert len(stored("acting_session")) == 1
    assert stage.owner.as_(again.json["token"]).get("/v1/me").status == 200


def test_the_owner_acts_too_and_for_whichever_customer(stage: Stage) -> None:
    acting = stage.act(stage.owner)
    order = stage.market.place(buyer=acting)
    assert (order["actor"]["name"], order["subject"]["name"]) == ("Ola Nordmann", "Ida Holm")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"minutes": 0}, "/minutes"),
        ({"minutes": 61}, "/minutes"),
        ({"minutes": 1.5}, "/minutes"),
        ({"minutes": "30"}, "/minutes"),
        ({"minutes": True}, "/minutes"),
        ({"reason": ""}, "/reason"),
        ({"reason": " \t"}, "/reason"),
        ({"reason": "r" * 201}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"customer_id": 7}, "/customer_id"),
        ({"employee_id": ""}, "/employee_id"),
        ({"until": "2030-01-01"}, "/until"),
    ],
)
def test_what_cannot_be_understood_changes_and_reads_nothing(stage: Stage, wrong: dict[str, Any], pointer: str) -> None:
    before = stored()
    with counted_calls() as calls:
        reply = stage.start(**wrong)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert calls == ["BatchGetItem"]
    assert stored() == before


@pytest.mark.parametrize("minutes", [1, 60])
def test_a_minute_is_enough_and_an_hour_the_most(stage: Stage, time: Clock, minutes: int) -> None:
    acting = stage.act(minutes=minutes)
    time.advance(minutes=minutes, milliseconds=-1)
    assert acting.get("/v1/me").status == 200
    time.advance(milliseconds=1)
    assert refused(acting.get("/v1/me")) == (401, "invalid_token")


def test_what_is_out_of_scope_is_told_from_nothing_by_nobody(stage: Stage) -> None:
    market = stage.market
    gil = market.other_buyer.get("/v1/me").json
    rival = open_shop(stage.owner.as_(None), "rival")
    joined = rival.join(rival.add_customer("Far Off", "far@off.test")).get("/v1/me").json
    before = stored()
    nowhere = stage.start(customer_id="01nothing")
    for fields in (
        {"customer_id": market.other_customer["id"], "employee_id": gil["id"]},
        {"customer_id": joined["customer_id"], "employee_id": joined["id"]},
        {"customer_id": market.other_customer["id"]},
    ):
        reply = stage.start(**fields)
        assert (reply.status, reply.text) == (404, nowhere.text)
    nobody = stage.start(employee_id="acme.nobody")
    for employee in (gil["id"], joined["id"], stage.rhea.id, stage.owner.get("/v1/me").json["id"]):
        reply = stage.start(employee_id=employee)
        assert (reply.status, reply.text) == (404, nobody.text)
    assert refused(stage.start(rival.owner)) == (404, "not_found")
    assert stored() == before


def test_reps_act_for_the_customers_they_see(stage: Stage) -> None:
    market = stage.market
    gil = {"customer_id": market.other_customer["id"], "employee_id": market.other_buyer.get("/v1/me").json["id"]}
    everywhere, supervisor = hire(market.shop, "Alva", access="all"), hire(market.shop, "Sven", supervisor=True)
    for rep in (everywhere, supervisor):
        assert stage.start(rep.client, **gil).status == 201
    market.owner.patch(
        f"/v1/customers/{gil['customer_id']}",
        {"active": False},
        etag=market.owner.get(f"/v1/customers/{gil['customer_id']}").json["etag"],
    )
    for rep in (everywhere, supervisor):
        assert refused(stage.start(rep.client, **gil)) == (404, "not_found")


def test_buyers_and_strangers_act_for_nobody(stage: Stage) -> None:
    before = stored()
    assert refused(stage.start(stage.market.buyer)) == (403, "forbidden")
    assert refused(stage.start(stage.owner.as_(None))) == (401, "credentials_required")
    assert stored() == before


def test_nobody_acts_for_a_private_person(stage: Stage) -> None:
    stage.change_customer(kind="b2c")
    before = stored()
    assert refused(stage.start()) == (409, "customer_is_b2c")
    assert stored() == before


def test_nobody_acts_for_a_customer_that_is_not_active(stage: Stage) -> None:
    stage.change_customer(active=False)
    before = stored()
    # The account manager still sees it, as the owner does.
    assert refused(stage.start()) == (409, "customer_inactive")
    assert refused(stage.start(stage.owner)) == (409, "customer_inactive")
    assert stored() == before


def test_nobody_acts_for_somebody_who_has_not_joined_or_is_gone(stage: Stage) -> None:
    uma = colleague(stage, joined=False)
    assert refused(stage.start(employee_id=uma["id"])) == (409, "employee_not_active")
    path = f"/v1/customers/{stage.customer['id']}/employees/{uma['id']}"
    assert stage.owner.delete(path, etag=stage.owner.get(path).json["etag"]).status == 204
    gone, nobody = stage.start(employee_id=uma["id"]), stage.start(employee_id="acme.nobody")
    assert (gone.status, gone.text) == (404, nobody.text)


def let_the_customer_agree(stage: Stage, *, agreed: bool = True) -> None:
    """Let the customer's administrator agree to its being acted for, or not any more."""
    path = f"/v1/customers/{stage.customer['id']}"
    reply = stage.market.buyer.patch(path, {"allows_acting": agreed}, etag=stage.owner.get(path).json["etag"])
    assert reply.status == 200, reply.text


def test_where_the_store_demands_consent_the_customer_has_to_give_it_first(stage: Stage) -> None:
    assert stage.owner.get("/v1/store").json["acting_needs_consent"] is False
    stage.change_store(acting_needs_consent=True)
    assert stage.owner.get("/v1/store").json["acting_needs_consent"] is True
    assert refused(stage.start()) == (409, "acting_not_allowed")
    assert stored("acting_session") == []
    let_the_customer_agree(stage)
    acting = stage.act()
    assert acting.get("/v1/me").status == 200
    let_the_customer_agree(stage, agreed=False)
    assert refused(acting.get("/v1/me")) == (403, "acting_not_allowed")


def test_nobody_acts_in_a_store_that_is_switched_off(stage: Stage) -> None:
    stage.change_store(active=False)
    assert refused(stage.start()) == (503, "store_inactive")


def test_what_changes_while_it_is_decided_stops_it(stage: Stage) -> None:
    uma = colleague(stage)
    member = f"/v1/customers/{stage.customer['id']}/employees/{uma['id']}"

    def unlink() -> None:
        stage.owner.delete(member, etag=stage.owner.get(member).json["etag"])

    def send_away() -> None:
        change_rep(stage, active=False)

    def make_private() -> None:
        stage.change_customer(kind="b2c")

    for change, employee in ((make_private, uma), (unlink, uma), (send_away, stage.ida)):
        with meanwhile("TransactWriteItems", change):
            reply = stage.start(employee_id=employee["id"])
        assert refused(reply) == (409, "conflict")
        stage.change_customer(kind="b2b")
    assert stored("acting_session") == []


# While it goes on


def test_an_order_is_the_employees_and_says_who_placed_it(stage: Stage) -> None:
    acting, market = stage.act(), stage.market
    preview = acting.post("/v1/order-previews", market.body())
    assert (preview.status, preview.headers["acting-as"]) == (200, stage.ida["id"])
    order = market.place(buyer=acting, price_hash=preview.json["price_hash"])
    assert (order["customer_id"], order["employee_id"], order["source"]) == (stage.customer["id"], stage.ida["id"], "portal")
    both = ("Rhea", "Ida Holm")
    assert (order["actor"]["name"], order["subject"]["name"]) == both
    cancelled = market.step(order, "cancel", by=acting)
    assert cancelled.status == 200
    assert [(step["actor"]["name"], step["subject"]["name"]) for step in cancelled.json["history"]] == [both]
    lines = [line for line in stored("audit") if line["action"].startswith("order:")]
    assert {(line["actor"]["id"], line["subject"]["id"]) for line in lines} == {(stage.rhea.id, stage.ida["id"])}
    # The buyer sees it as its own, and who it was.
    seen = market.buyer.get(f"/v1/orders/{order['id']}").json
    assert (seen["actor"]["name"], seen["subject"]["name"]) == both


def test_prices_are_the_customers_and_locked(stage: Stage) -> None:
    acting, market = stage.act(), stage.market
    line = {"product_number": "A-1", "quantity": 1, "unit_price": {"amount": 1, "currency": "EUR"}, "reason": "a friend"}
    for body in (market.body() | {"lines": [line]}, market.body(shipping_cost={"amount": 0, "currency": "EUR"})):
        for route in ("/v1/order-previews", "/v1/orders"):
            reply = acting.post(route, body)
            own = market.buyer.post(route, body)
            assert (reply.status, reply.text) == (own.status, own.text)
            assert reply.status >= 400
    assert stored("order") == []
    assert acting.get("/v1/products/A-1").json["price"]["amount"] == 1250


def test_what_is_anybody_elses_is_not_there(stage: Stage) -> None:
    market = stage.market
    others = market.place(buyer=market.other_buyer)
    acting = stage.act()
    assert refused(acting.get(f"/v1/orders/{others['id']}")) == (404, "not_found")
    assert acting.get("/v1/orders").json["items"] == []
    assert refused(acting.get(f"/v1/customers/{market.other_customer['id']}")) == (404, "not_found")
    assert refused(acting.post("/v1/orders", market.body(customer_id=market.other_customer["id"]))) == (404, "not_found")
    assert acting.get(f"/v1/customers/{stage.customer['id']}").json["name"] == "Blue Door"


def test_the_customers_name_is_changed_as_the_employee_may_but_never_its_consent(stage: Stage) -> None:
    acting = stage.act()
    path = f"/v1/customers/{stage.customer['id']}"
    renamed = acting.patch(path, {"name": "Blue Door and Sons"}, etag=acting.get(path).json["etag"])
    assert (renamed.status, renamed.json["name"]) == (200, "Blue Door and Sons")
    (line,) = [line for line in stored("audit") if line["action"] == "customer:updated"]
    assert (line["actor"]["name"], line["subject"]["name"]) == ("Rhea", "Ida Holm")
    consent = acting.patch(path, {"allows_acting": True}, etag=renamed.json["etag"])
    assert consent.status >= 400
    assert stage.owner.get(path).json["allows_acting"] is False


def forbidden_while_acting(stage: Stage) -> list[tuple[str, str, Any]]:
    """Return what the rep, or the employee, may do, and nobody may as the other."""
    customer, employees = stage.customer["id"], f"/v1/customers/{stage.customer['id']}/employees"
    start = {"customer_id": customer, "employee_id": stage.ida["id"], "reason": "More", "minutes": 60}
    return [
        ("POST", "/v1/acting-sessions", start),
        ("GET", "/v1/acting-sessions", None),
        ("DELETE", "/v1/acting-sessions/any", None),
        ("POST", "/v1/pairing-codes", None),
        ("PATCH", "/v1/me", {"name": "Somebody"}),
        ("PUT", "/v1/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        ("PUT", "/v1/me/activity-consent", {"allowed": True}),
        ("GET", "/v1/sessions", None),
        ("DELETE", "/v1/sessions/current", None),
        ("DELETE", "/v1/sessions", None),
        ("GET", employees, None),
        ("POST", employees, {"name": "Mole", "email": "mole@else.test", "role": "admin"}),
        ("PATCH", f"{employees}/{stage.ida['id']}", {"name": "Somebody"}),
        ("DELETE", f"{employees}/{stage.ida['id']}", None),
        ("POST", f"{employees}/{stage.ida['id']}/invitation", None),
        ("GET", "/v1/customers", None),
        ("POST", "/v1/customers", {"name": "New", "group_id": "any"}),
        ("POST", "/v1/invitations", {"customer_ids": [customer], "delivery": "links"}),
        ("GET", "/v1/store", None),
    ]


def test_what_is_the_persons_alone_is_nobody_elses(stage: Stage) -> None:
    acting = stage.act()
    before = stored()
    for method, path, body in forbidden_while_acting(stage):
        reply = acting.send(method, path, body, headers={"Idempotency-Key": "x", "If-Match": '"1"'})
        assert (method, path, *refused(reply)) == (method, path, 403, "not_while_acting")
        assert reply.headers["acting-as"] == stage.ida["id"]
    assert stored() == before


def test_what_neither_may_is_refused_as_for_both(stage: Stage) -> None:
    acting = stage.act()
    for method, path in (("PATCH", "/v1/store"), ("GET", "/v1/sales-reps"), ("POST", "/v1/price-tiers")):
        reply = acting.send(method, path, {}, headers={"Idempotency-Key": "x", "If-Match": '"1"'})
        assert refused(reply) == (403, "forbidden")


def test_nobody_accepts_an_invitation_as_somebody_else(stage: Stage) -> None:
    link = stage.market.shop.invite(stage.market.shop.add_customer("Red Roof", "rut@redroof.test")["id"])
    acting = stage.act()
    before = stored()
    reply = acting.post(f"/v1/invitation-links/{link}/acceptance", {"name": "Rut", "password": PASSWORD})
    assert (*refused(reply), reply.headers["acting-as"]) == (403, "not_while_acting", stage.ida["id"])
    assert stored() == before


def test_every_answer_says_as_whom(stage: Stage) -> None:
    acting, market = stage.act(), stage.market
    own = f"/v1/customers/{stage.customer['id']}"
    key = {"Idempotency-Key": "same"}
    answers = {
        200: acting.get("/v1/orders"),
        201: acting.post("/v1/orders", market.body(), headers=key),
        304: acting.get("/v1/me", headers={"If-None-Match": stage.ida["etag"]}),
        400: acting.post("/v1/orders", market.body(), key=None),
        403: acting.get("/v1/sessions"),
        404: acting.get("/v1/orders/none"),
        409: acting.post("/v1/orders", market.body(price_hash="another")),
        412: acting.patch(own, {"name": "New"}, etag='"77"'),
        415: acting.post("/v1/orders", "text", headers={"Content-Type": "text/plain"}),
        422: acting.post("/v1/orders", {}),
        428: acting.patch(own, {"name": "New"}),
    }
    assert {status: reply.status for status, reply in answers.items()} == {status: status for status in answers}
    answers[2010] = acting.post("/v1/orders", market.body(), headers=key)
    assert answers[2010].headers["idempotent-replayed"] == "true"
    answers[204] = acting.delete("/v1/acting-sessions/current")
    assert {reply.headers.get("acting-as") for reply in answers.values()} == {stage.ida["id"]}
    for client in (stage.rhea.client, market.buyer, stage.owner, acting, stage.owner.as_(None)):
        for path in ("/v1/me", "/v1/orders", "/v1/nothing", "/v1/health"):
            assert "acting-as" not in client.get(path).headers


# Its end


def test_returning_ends_it_once_and_for_all(stage: Stage) -> None:
    acting = stage.act()
    reply = send_event("acting/act_as_employee.returned", TOKEN=acting.token)
    assert (reply.status, reply.text, reply.headers["acting-as"]) == (204, "", stage.ida["id"])
    again = acting.delete("/v1/acting-sessions/current")
    assert refused(again) == (401, "invalid_token")
    assert refused(acting.get("/v1/me")) == (401, "invalid_token")
    assert stage.rhea.client.get("/v1/me").json["id"] == stage.rhea.id
    (entry,) = stage.log()
    assert (entry["live"], entry["ended_at"] is not None) == (False, True)
    lines = [line for line in stored("audit") if line["action"] == "acting_session:ended"]
    assert [(line["actor"]["name"], line["subject"]["name"]) for line in lines] == [("Rhea", "Ida Holm")]
    (session,) = stage.rhea.client.get("/v1/sessions").json["items"]
    assert session["acting"] is False
    # Nothing is in the way of acting once more.
    assert stage.act().get("/v1/me").status == 200


def test_somebody_who_does_not_act_returns_from_nowhere(stage: Stage) -> None:
    for client in (stage.rhea.client, stage.owner, stage.market.buyer):
        assert refused(client.delete("/v1/acting-sessions/current")) == (403, "forbidden")


def test_beginning_anew_in_the_same_session_ends_what_was_begun_before_but_not_elsewhere(stage: Stage, time: Clock) -> None:
    elsewhere = stage.act(stage.log_in())
    first = stage.act()
    time.advance(minutes=1)
    second = stage.act(reason="Something else")
    assert refused(first.get("/v1/me")) == (401, "invalid_token")
    assert [client.get("/v1/me").status for client in (second, elsewhere)] == [200, 200]
    assert (stage.log()[0]["reason"], stage.log()[0]["live"]) == ("Something else", True)
    assert sorted(entry["live"] for entry in stage.log()) == [False, True, True]
    assert [line["action"] for line in stored("audit")][-2:] == ["acting_session:ended", "acting_session:started"]


def test_two_that_begin_at_once_do_not_both(stage: Stage) -> None:
    replies: list[Reply] = []
    with meanwhile("TransactWriteItems", lambda: replies.append(stage.start())):
        replies.append(stage.start())
    assert [reply.status for reply in replies] == [201, 409]
    assert len(stored("acting_session")) == 1
    # Nor does one begin in a session that has just ended.
    with meanwhile("TransactWriteItems", lambda: stage.rhea.client.delete("/v1/sessions/current")):
        assert stage.start().status == 409
    assert len(stored("acting_session")) == 1
    assert stored("session") == [each for each in stored("session") if each["member_id"] != stage.rhea.id]


def test_it_ends_with_the_session_it_was_begun_in(stage: Stage) -> None:
    acting = stage.act()
    assert stage.rhea.client.delete("/v1/sessions/current").status == 204
    assert refused(acting.get("/v1/me")) == (401, "invalid_token")
    (entry,) = stage.log()
    assert (entry["live"], entry["ended_at"] is not None) == (False, True)


def _with_deactivation(stage: Stage) -> None:
    change_rep(stage, active=False)


def _with_a_new_password(stage: Stage) -> None:
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert stage.log_in().put("/v1/me/password", change).status == 204


def _with_a_new_password_in_the_same_session(stage: Stage) -> None:
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert stage.rhea.client.put("/v1/me/password", change).status == 204
    assert stage.rhea.client.get("/v1/me").status == 200


def _with_the_customer(stage: Stage) -> None:
    stage.change_customer(active=False)


def _with_a_private_customer(stage: Stage) -> None:
    stage.change_customer(kind="b2c")


def _with_the_employee(stage: Stage) -> None:
    reply = stage.owner.post("/v1/invitations/revoke", {"customer_ids": [stage.customer["id"]]})
    assert reply.json["revoked"] == 1


def _with_the_allocation(stage: Stage) -> None:
    allocate(stage.market.shop, stage.customer)


def _with_the_store(stage: Stage) -> None:
    stage.change_store(active=False)


def _with_the_consent(stage: Stage) -> None:
    stage.change_store(acting_needs_consent=True)


@pytest.mark.parametrize(
    ("happens", "status", "code"),
    [
        (_with_deactivation, 401, "invalid_token"),
        (_with_a_new_password, 401, "invalid_token"),
        (_with_a_new_password_in_the_same_session, 401, "invalid_token"),
        (_with_the_customer, 401, "invalid_token"),
        (_with_a_private_customer, 401, "invalid_token"),
        (_with_the_employee, 401, "invalid_token"),
        (_with_the_allocation, 404, "not_found"),
        (_with_the_store, 503, "store_inactive"),
        (_with_the_consent, 403, "acting_not_allowed"),
    ],
)
def test_it_ends_at_once(stage: Stage, time: Clock, happens: Callable[[Stage], None], status: int, code: str) -> None:
    order = stage.market.place()
    acting = stage.act()
    assert acting.get(f"/v1/orders/{order['id']}").status == 200
    time.advance(seconds=1)
    happens(stage)
    before = stored()
    for reply in (
        acting.get("/v1/me"),
        acting.get("/v1/products"),
        acting.get(f"/v1/orders/{order['id']}"),
        acting.post("/v1/orders", stage.market.body()),
        stage.market.step(order, "cancel", by=acting),
    ):
        assert refused(reply) == (status, code)
    assert stored() == before
    if code != "store_inactive":
        (entry,) = stage.log()
        assert entry["live"] is False


def test_who_is_let_go_while_acting_finds_nothing_any_more(stage: Stage) -> None:
    acting = stage.act()
    allocate(stage.market.shop, stage.customer, None, hire(stage.market.shop, "Otto"))
    there = acting.get(f"/v1/customers/{stage.customer['id']}")
    nowhere = stage.rhea.client.get("/v1/customers/01nothing")
    assert (there.status, there.text) == (404, nowhere.text)


def test_a_return_is_open_where_the_store_is_closed_or_consent_is_gone(stage: Stage) -> None:
    for change in ({"active": False}, {"acting_needs_consent": True}):
        acting = stage.act()
        stage.change_store(**change)
        assert acting.delete("/v1/acting-sessions/current").status == 204
        stage.change_store(active=True, acting_needs_consent=False)


def test_what_ended_with_the_employee_does_not_come_back_with_it(stage: Stage, time: Clock) -> None:
    uma = colleague(stage)
    acting = stage.act(employee_id=uma["id"])
    time.advance(seconds=1)
    path = f"/v1/customers/{stage.customer['id']}/employees/{uma['id']}"
    assert stage.owner.delete(path, etag=stage.owner.get(path).json["etag"]).status == 204
    assert refused(acting.get("/v1/me")) == (401, "invalid_token")
    time.advance(seconds=1)
    body = {"name": "Uma", "email": "uma@bluedoor.test", "role": "buyer", "send_invitation": True}
    again = stage.owner.post(f"/v1/customers/{stage.customer['id']}/employees", body)
    link = stage.owner.get(f"/v1/invitations/{again.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    joined = stage.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert joined.status == 201, joined.text
    assert refused(acting.get("/v1/me")) == (401, "invalid_token")
    assert [entry["live"] for entry in stage.log()] == [False]


@pytest.mark.parametrize("part", [2, 3, 4])
def test_a_token_leads_nowhere_but_where_it_was_made_for(stage: Stage, part: int) -> None:
    acting = stage.act(stage.log_in())
    other = stage.act(stage.owner)
    token, another = str(acting.token).split("_"), str(other.token).split("_")
    if part == 4:
        token[4] = "00000000"
    else:
        token[part] = another[part]
        body = "_".join(token[:4])
        token[4] = f"{zlib.crc32(body.encode()):08x}"
    forged = stage.owner.as_("_".join(token))
    assert refused(forged.get("/v1/me")) == (401, "invalid_token")


def test_it_is_ended_from_outside_by_whoever_acts_or_by_the_owner(stage: Stage) -> None:
    otto = hire(stage.market.shop, "Otto", access="all")
    for by in (stage.rhea.client, stage.owner):
        acting = stage.act()
        (entry, *_) = stage.log()
        path = f"/v1/acting-sessions/{entry['id']}"
        missing = otto.client.delete("/v1/acting-sessions/nothing")
        reply = otto.client.delete(path)
        assert (reply.status, reply.text) == (404, missing.text)
        assert refused(stage.market.buyer.delete(path)) == (403, "forbidden")
        assert refused(open_shop_once(stage).delete(path)) == (404, "not_found")
        assert refused(by.delete(path, etag='"9"')) == (412, "stale")
        assert by.delete(path, etag=entry["etag"]).status == 204
        assert refused(acting.get("/v1/me")) == (401, "invalid_token")
        assert [session["acting"] for session in stage.rhea.client.get("/v1/sessions").json["items"]] == [False]
        before = stored()
        assert by.delete(path).status == 204
        assert stored() == before


def open_shop_once(stage: Stage) -> Client:
    """Return the owner of another store, which is opened the first time."""
    body = {"email": "ola@rival.test", "password": PASSWORD}
    known = stage.owner.as_(None).post("/v1/sessions", body)
    return stage.owner.as_(known.json["token"]) if known.status == 201 else open_shop(stage.owner.as_(None), "rival").owner


def test_it_is_ended_from_outside_where_its_session_is_gone(stage: Stage) -> None:
    phone = stage.log_in()
    stage.act(phone)
    (entry,) = stage.log()
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert stage.rhea.client.put("/v1/me/password", change).status == 204
    assert stage.owner.delete(f"/v1/acting-sessions/{entry['id']}").status == 204
    assert stage.log()[0]["ended_at"] is not None


# The log


def test_the_log_is_the_owners_the_supervisors_and_each_customers_administrators(stage: Stage, time: Clock) -> None:
    market = stage.market
    gil = {"customer_id": market.other_customer["id"], "employee_id": market.other_buyer.get("/v1/me").json["id"]}
    sven = hire(market.shop, "Sven", supervisor=True)
    uma = colleague(stage)
    stage.act(reason="First")
    time.advance(minutes=1)
    stage.act(sven.client, reason="Second", **gil)

    def reasons(reader: Client, **query: str) -> list[str]:
        return [entry["reason"] for entry in stage.log(reader, **query)]

    assert reasons(stage.owner) == reasons(sven.client) == ["Second", "First"]
    assert reasons(market.buyer) == ["First"]
    assert reasons(market.other_buyer) == ["Second"]
    # Filters
    assert reasons(stage.owner, customer_id=stage.customer["id"]) == ["First"]
    assert reasons(sven.client, customer_id=stage.customer["id"]) == ["First"]
    assert reasons(stage.owner, actor=stage.rhea.id) == ["First"]
    assert reasons(stage.owner, actor=stage.rhea.id, customer_id=gil["customer_id"]) == []
    assert reasons(market.buyer, customer_id=gil["customer_id"]) == []
    assert reasons(market.buyer, actor=sven.id) == []
    # Others
    buys = stage.log_in("uma@bluedoor.test")
    assert buys.get("/v1/me").json["id"] == uma["id"]
    for nosy in (buys, stage.rhea.client):
        assert refused(nosy.get("/v1/acting-sessions")) == (403, "forbidden")
    rival = open_shop(stage.owner.as_(None), "rival").owner
    assert reasons(rival) == reasons(rival, customer_id=stage.customer["id"]) == []
    # What a supervisor does not see any more is not told either.
    path = f"/v1/customers/{gil['customer_id']}"
    stage.owner.patch(path, {"active": False}, etag=stage.owner.get(path).json["etag"])
    assert reasons(sven.client) == ["First"]
    assert reasons(sven.client, customer_id=gil["customer_id"]) == []
    assert reasons(stage.owner) == ["Second", "First"]


def test_the_log_tells_who_did_when_and_why_and_nothing_of_their_devices(stage: Stage) -> None:
    stage.act(minutes=5)
    (entry,) = stage.log(stage.market.buyer)
    assert (entry["customer"]["name"], entry["actor"]["name"], entry["subject"]["name"]) == ("Blue Door", "Rhea", "Ida Holm")
    assert (entry["reason"], entry["live"], entry["ended_at"]) == ("Asked by telephone", True, None)
    assert not {"device", "address", "session_id", "token"} & entry.keys()


def paged(reader: Client, **query: str) -> str:
    """Return the reasons of all entries, read two at a time."""
    found, cursor = "", ""
    while True:
        page = reader.get("/v1/acting-sessions", limit="2", **query, **({"cursor": cursor} if cursor else {})).json
        found += "".join(entry["reason"] for entry in page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = page["next_cursor"]


def test_pages_bring_every_entry_once_and_a_cursor_serves_nobody_else(stage: Stage, time: Clock) -> None:
    market = stage.market
    gil = {"customer_id": market.other_customer["id"], "employee_id": market.other_buyer.get("/v1/me").json["id"]}
    sven = hire(market.shop, "Sven", supervisor=True)
    for number in range(7):
        time.advance(seconds=1)
        stage.act(stage.owner, reason=str(number), **({} if number % 2 else gil))
    assert paged(stage.owner) == paged(sven.client) == "6543210"
    assert paged(market.buyer) == "531"
    assert paged(stage.owner, customer_id=gil["customer_id"]) == paged(sven.client, customer_id=gil["customer_id"]) == "6420"
    first = stage.owner.get("/v1/acting-sessions", limit="2").json["next_cursor"]
    for reply in (
        sven.client.get("/v1/acting-sessions", cursor=first),
        market.buyer.get("/v1/acting-sessions", cursor=first),
        stage.owner.get("/v1/acting-sessions", cursor=first, actor=stage.rhea.id),
    ):
        assert refused(reply) == (400, "invalid_cursor")


def test_a_page_of_the_log_takes_one_more_call_where_somebody_acts(stage: Stage) -> None:
    with counted_calls() as calls:
        stage.log()
    assert calls == ["BatchGetItem", "Query"]
    stage.act()
    with counted_calls() as calls:
        stage.log()
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_acting_costs_no_more_calls_than_anything_else(stage: Stage) -> None:
    with counted_calls() as calls:
        acting = stage.act()
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        stage.market.place(buyer=acting)
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        assert acting.delete("/v1/acting-sessions/current").status == 204
    assert calls == ["BatchGetItem", "TransactWriteItems"]
