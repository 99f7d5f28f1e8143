"""Deciding by hand: an approved reseller is a customer at once, each decision is taken once, and a bulk stops for nobody."""

from typing import Any

import pytest

from tests.support.faults import failing, meanwhile, refusal
from tests.support.mail import announced
from tests.support.ordering import send_event
from tests.support.resellers import EMAIL, Resale, enrolled
from tests.support.table import counted_calls, stored
from tests.support.world import open_shop
from tradepost.domain.ids import person_key

MOVES = ("approve", "deny", "suspend", "reinstate")
MAY = {
    "unconfirmed": {},
    "pending": {"approve": "approved", "deny": "denied"},
    "denied": {"approve": "approved"},
    "approved": {"suspend": "suspended"},
    "suspended": {"reinstate": "approved"},
}


def news() -> list[tuple[str, str]]:
    """Return what resellers, or the store, are told of by mail."""
    return [(each["event"], each["reseller_id"]) for each in announced() if each["type"] == "reseller"]


def decisions() -> list[tuple[str, str]]:
    """Return what was noted of decisions."""
    lines = [line for line in stored("audit") if line["action"] == "reseller:decided"]
    return [(line["details"]["before"], line["details"]["after"]) for line in lines]


def put_into(resale: Resale, status: str) -> str:
    """Return a reseller in a state, led there by the decisions that lead there."""
    begin: Any = status if status == "unconfirmed" else "pending"
    reseller_id = enrolled("acme", status=begin)
    steps = {"denied": ["deny"], "approved": ["approve"], "suspended": ["approve", "suspend"]}
    for move in steps.get(status, []):
        resale.decide(reseller_id, move)
    return reseller_id


def test_an_approved_reseller_is_a_customer_whose_contact_logs_in_and_browses(resale: Resale) -> None:
    reseller_id = enrolled("acme", company="Resell & Sons")
    approved = send_event("resellers/decide_reseller.approved", TOKEN=resale.owner.token, RESELLER_ID=reseller_id).json
    assert (approved["status"], approved["channel_id"], approved["reason"]) == ("approved", resale.channel_id, "Welcome!")
    assert approved["decided_by"]["name"] == "Ola Nordmann"
    assert [(step["from"], step["to"]) for step in approved["history"]] == [
        ("unconfirmed", "pending"),
        ("pending", "approved"),
    ]
    assert approved["allowed_transitions"] == ["suspend"]
    customer = resale.owner.get(f"/v1/customers/{approved['customer_id']}").json
    assert (customer["name"], customer["contact_name"], customer["email"]) == ("Resell & Sons", "Rea Sell", EMAIL)
    assert (customer["kind"], customer["active"], customer["group_id"]) == ("b2b", True, None)
    assert customer["reseller"] == {"id": reseller_id, "status": "approved", "channel_id": resale.channel_id}
    [address] = customer["addresses"]
    assert (address["city"], address["default_billing"], address["default_shipping"]) == ("Hamburg", True, True)
    found = resale.owner.get("/v1/customers", q="resell", reseller_status="approved").json["items"]
    assert [each["id"] for each in found] == [customer["id"]]
    assert resale.owner.get("/v1/customers", reseller_status="suspended").json["items"] == []
    assert len(resale.owner.get("/v1/customers", reseller_status="approved").json["items"]) == 1
    buyer = resale.login()
    me = buyer.get("/v1/me").json
    assert (me["role"], me["employee_role"]) == ("buyer", "admin")
    employees = buyer.get(f"/v1/customers/{customer['id']}/employees").json["items"]
    assert [each["id"] for each in employees] == [me["id"]]
    assert news() == [("approved", reseller_id)]
    assert decisions() == [("pending", "approved")]
    assert stored("reseller_channel")[0]["tally"] == 1


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("status", sorted(MAY))
def test_each_decision_leads_on_from_some_states_and_is_refused_in_all_others(resale: Resale, status: str, move: str) -> None:
    reseller_id = put_into(resale, status)
    before = stored()
    reply = resale.owner.post(f"/v1/resellers/{reseller_id}/{move}")
    if move in MAY[status]:
        assert (reply.status, reply.json["status"]) == (200, MAY[status][move]), reply.text
        assert reply.json["allowed_transitions"] == sorted(MAY[reply.json["status"]])
    else:
        assert (reply.status, reply.code) == (409, "invalid_transition")
        assert reply.json["allowed_transitions"] == list(MAY[status])
        assert stored() == before


def test_a_denied_reseller_is_told_why_and_can_be_approved_after_all(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    denied = resale.decide(reseller_id, "deny", reason="No tax number")
    assert (denied["status"], denied["reason"], denied["customer_id"], denied["channel_id"]) == (
        "denied",
        "No tax number",
        None,
        None,
    )
    assert stored("customer") == []
    refused = resale.owner.as_(None).post("/v1/sessions", {"email": EMAIL, "password": "x" * 20, "store": "acme"})
    assert refused.status == 401
    assert resale.decide(reseller_id, "approve")["status"] == "approved"
    assert news() == [("denied", reseller_id), ("approved", reseller_id)]


def test_suspending_is_told_to_the_customer_at_once_and_reinstating_brings_back_what_was(resale: Resale) -> None:
    approved = resale.approved()
    version = resale.owner.get(f"/v1/customers/{approved['customer_id']}").json["etag"]
    for move, status in (("suspend", "suspended"), ("reinstate", "approved")):
        assert resale.decide(approved["id"], move, reason="A look at the books")["status"] == status
        customer = resale.owner.get(f"/v1/customers/{approved['customer_id']}").json
        assert (customer["reseller"]["status"], customer["etag"]) == (status, version)
    assert news() == [("approved", approved["id"])], "neither is mailed"
    assert len(stored("customer")) == 1
    assert stored("reseller_channel")[0]["tally"] == 1


def test_with_several_channels_one_has_to_be_named(resale: Resale) -> None:
    other = resale.add_channel("Marketplaces")
    reseller_id, before = enrolled("acme"), stored("reseller")
    path = f"/v1/resellers/{reseller_id}/approve"
    resale.set_store(default_channel_id=resale.channel_id)
    reply = resale.owner.post(path)
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "channel_required", "/channel_id")
    reply = resale.owner.post(path, {"channel_id": "nothing"})
    assert (reply.status, reply.code) == (422, "unknown_reseller_channel")
    assert reply.json["errors"][0]["pointer"] == "/channel_id"
    assert len(stored("reseller")) == len(before)
    assert resale.show(reseller_id)["status"] == "pending"
    assert resale.owner.post(path, {"channel_id": other}).json["channel_id"] == other


def test_without_any_channel_the_owner_is_told_to_create_one(resale: Resale) -> None:
    etag = resale.owner.get(f"/v1/reseller-channels/{resale.channel_id}").json["etag"]
    assert resale.owner.delete(f"/v1/reseller-channels/{resale.channel_id}", etag=etag).status == 204
    reply = resale.owner.post(f"/v1/resellers/{enrolled('acme')}/approve")
    assert (reply.status, reply.code) == (422, "channel_required")
    assert "create" in reply.json["detail"]


def test_a_channel_that_is_deleted_while_somebody_comes_into_it_is_unknown_and_nobody_joined(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    etag = resale.owner.get(f"/v1/reseller-channels/{resale.channel_id}").json["etag"]

    def delete() -> None:
        assert resale.owner.delete(f"/v1/reseller-channels/{resale.channel_id}", etag=etag).status == 204

    with meanwhile("TransactWriteItems", delete):
        reply = resale.owner.post(f"/v1/resellers/{reseller_id}/approve")
    assert (reply.status, reply.code) == (422, "unknown_reseller_channel")
    assert stored("customer") == []


def test_a_channel_with_resellers_cannot_be_deleted(resale: Resale) -> None:
    resale.approved()
    path = f"/v1/reseller-channels/{resale.channel_id}"
    reply = resale.owner.delete(path, etag=resale.owner.get(path).json["etag"])
    assert (reply.status, reply.code) == (409, "in_use")


def test_the_owner_puts_whom_it_approves_into_a_group(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    path = f"/v1/resellers/{reseller_id}/approve"
    reply = resale.owner.post(path, {"group_id": "nothing"})
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "unknown_customer_group", "/group_id")
    approved = resale.owner.post(path, {"group_id": resale.shop.group_id}).json
    customer = resale.owner.get(f"/v1/customers/{approved['customer_id']}").json
    assert customer["group_id"] == resale.shop.group_id
    emptied = resale.owner.patch(f"/v1/customers/{customer['id']}", {"group_id": None}, etag=customer["etag"])
    assert (emptied.status, emptied.json["group_id"]) == (200, None)
    assert stored("customer_group")[0]["tally"] == 0


def test_only_a_reseller_may_be_in_no_group(resale: Resale) -> None:
    customer = resale.shop.add_customer()
    reply = resale.owner.patch(f"/v1/customers/{customer['id']}", {"group_id": None}, etag=customer["etag"])
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/group_id")


@pytest.mark.parametrize("move", ["deny", "suspend", "reinstate"])
def test_a_channel_is_only_for_those_that_are_approved(resale: Resale, move: str) -> None:
    reseller_id = put_into(resale, {"deny": "pending", "suspend": "approved", "reinstate": "suspended"}[move])
    reply = resale.owner.post(f"/v1/resellers/{reseller_id}/{move}", {"channel_id": resale.channel_id})
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/channel_id")


@pytest.mark.parametrize("body", [{"channel_id": 5}, {"channel_id": "a b"}, {"reason": "x" * 1001}, {"reasons": "x"}])
def test_a_body_that_is_no_decision_is_refused(resale: Resale, body: dict[str, Any]) -> None:
    reply = resale.owner.post(f"/v1/resellers/{enrolled('acme')}/approve", body)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, f"/{next(iter(body))}")


def test_an_address_that_another_customer_has_is_refused_and_nothing_is_written(resale: Resale) -> None:
    resale.shop.add_customer("Other", EMAIL.upper())
    reseller_id, before = enrolled("acme"), len(stored())
    reply = resale.owner.post(f"/v1/resellers/{reseller_id}/approve")
    assert (reply.status, reply.code) == (409, "email_taken")
    assert len(stored()) == before
    assert resale.show(reseller_id)["status"] == "pending"


def test_an_employee_of_another_customer_becomes_a_reseller_besides(resale: Resale) -> None:
    customer = resale.shop.add_customer()
    body = {"name": "Rea Sell", "email": EMAIL, "role": "buyer"}
    assert resale.owner.post(f"/v1/customers/{customer['id']}/employees", body).status == 201
    assert resale.approved()["status"] == "approved"


def test_a_decision_is_taken_once_however_often_it_is_sent(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    path = f"/v1/resellers/{reseller_id}/approve"
    replies = [resale.owner.post(path, {"reason": "Fine"}, key="once") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].json == replies[1].json
    assert replies[1].headers["idempotent-replayed"] == "true"
    assert len(stored("customer")) == 1
    assert resale.owner.post(path, {"reason": "Other"}, key="once").status == 422


def test_of_two_who_approve_at_once_one_is_told_and_there_is_one_customer(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    with meanwhile("TransactWriteItems", lambda: resale.decide(reseller_id, "approve")):
        reply = resale.owner.post(f"/v1/resellers/{reseller_id}/approve")
    assert (reply.status, reply.code) == (409, "invalid_transition")
    assert len(stored("customer")) == 1
    assert news() == [("approved", reseller_id)]
    assert stored("reseller_channel")[0]["tally"] == 1


def test_who_approves_what_is_denied_at_that_moment_approves_it_after_all(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    with meanwhile("TransactWriteItems", lambda: resale.decide(reseller_id, "deny")):
        reply = resale.owner.post(f"/v1/resellers/{reseller_id}/approve")
    assert (reply.status, [step["to"] for step in reply.json["history"]]) == (200, ["pending", "denied", "approved"])


def test_if_match_is_honoured_where_it_is_sent(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    path, etag = f"/v1/resellers/{reseller_id}", resale.show(reseller_id)["etag"]
    assert resale.owner.post(f"{path}/deny", headers={"If-Match": '"99"'}).status == 412
    with meanwhile("TransactWriteItems", lambda: resale.decide(reseller_id, "deny")):
        assert resale.owner.post(f"{path}/approve", headers={"If-Match": etag}).status == 412
    assert resale.show(reseller_id)["status"] == "denied"
    assert stored("customer") == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_leaves_a_reseller_undecided_or_decided_whole(resale: Resale, when: Any) -> None:
    reseller_id, before = enrolled("acme"), stored()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), when=when, times=9):
        resale.owner.post(f"/v1/resellers/{reseller_id}/approve", key="once")
    if when == "before":
        assert stored() == before
    assert resale.owner.post(f"/v1/resellers/{reseller_id}/approve", key="once").json["status"] == "approved"
    assert len(stored("customer")) == len(stored("membership")) - 1 == 1
    assert news() == [("approved", reseller_id)]


def test_a_reseller_of_another_store_is_not_found(resale: Resale) -> None:
    rival = open_shop(resale.owner.as_(None), "rival").owner
    reseller_id = enrolled("acme")
    for move in MOVES:
        reply = rival.post(f"/v1/resellers/{reseller_id}/{move}")
        assert (reply.status, reply.code) == (404, "not_found")
    rows = rival.post("/v1/resellers/decisions", {"decision": "deny", "reseller_ids": [reseller_id]}).json["results"]
    assert rows[0]["reason"] == "not_found"


def test_many_are_decided_at_once_and_each_that_cannot_be_says_why(resale: Resale) -> None:
    resale.shop.add_customer("Other", "taken@resell.test")
    fresh = [enrolled("acme", f"r{number}@resell.test") for number in range(3)]
    done = resale.approved("done@resell.test")["id"]
    unconfirmed = enrolled("acme", "new@resell.test", status="unconfirmed")
    taken = enrolled("acme", "taken@resell.test")
    body = {"decision": "approve", "reseller_ids": [*fresh, done, unconfirmed, taken, "nobody", fresh[0]], "reason": "Fair"}
    before = stored()
    dry = resale.owner.post("/v1/resellers/decisions", {**body, "dry_run": True})
    assert stored() == before
    reply = resale.owner.post("/v1/resellers/decisions", body, key="all")
    reasons = [None, None, None, "already_decided", "invalid_transition", "email_taken", "not_found"]
    for answer in (dry, reply):
        assert (answer.status, [row["reason"] for row in answer.json["results"]]) == (200, reasons), answer.text
        assert (answer.json["decided"], answer.json["skipped"]) == (3, 4)
        assert [row["reseller_status"] for row in answer.json["results"][:3]] == ["approved"] * 3
    assert resale.owner.post("/v1/resellers/decisions", body, key="all").json == reply.json
    assert len(stored("customer")) == 5
    again = resale.owner.post("/v1/resellers/decisions", body).json
    assert again["decided"] == 0
    assert {row["reason"] for row in again["results"][:3]} == {"already_decided"}
    assert len(stored("customer")) == 5


def test_one_that_was_decided_meanwhile_stops_no_other_of_a_bulk(resale: Resale) -> None:
    ids = [enrolled("acme", f"r{number}@resell.test") for number in range(3)]
    with meanwhile("TransactWriteItems", lambda: resale.decide(ids[0], "approve")):
        reply = resale.owner.post("/v1/resellers/decisions", {"decision": "approve", "reseller_ids": ids})
    assert [row["reason"] for row in reply.json["results"]] == ["already_decided", None, None]
    assert len(stored("customer")) == 3


def test_a_bulk_that_dies_on_the_way_is_sent_again_and_nothing_is_done_twice(resale: Resale) -> None:
    ids = [enrolled("acme", f"r{number}@resell.test") for number in range(3)]
    body = {"decision": "approve", "reseller_ids": ids}
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), skipping=1, times=9):
        assert resale.owner.post("/v1/resellers/decisions", body, key="all").status == 500
    rows = resale.owner.post("/v1/resellers/decisions", body, key="all").json["results"]
    assert [row["reason"] for row in rows] == ["already_decided", None, None]
    assert len(stored("customer")) == 3
    assert len(news()) == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"decision": "approve", "reseller_ids": []}, "/reseller_ids"),
        ({"decision": "approve", "reseller_ids": ["x"] * 101}, "/reseller_ids"),
        ({"decision": "review", "reseller_ids": ["x"]}, "/decision"),
        ({"reseller_ids": ["x"]}, "/decision"),
        ({"decision": "deny", "reseller_ids": ["x"], "channel_id": "y"}, "/channel_id"),
        ({"decision": "approve", "reseller_ids": ["x"], "channel_id": "y"}, "/channel_id"),
    ],
)
def test_a_bulk_that_is_none_is_refused_as_a_whole(resale: Resale, body: dict[str, Any], pointer: str) -> None:
    reply = resale.owner.post("/v1/resellers/decisions", body)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer), reply.text


def test_a_decision_takes_one_more_call_only_where_no_channel_is_named(resale: Resale) -> None:
    for number, body in enumerate([{"channel_id": resale.channel_id}, {}]):
        reseller_id = enrolled("acme", f"r{number}@resell.test")
        with counted_calls() as calls:
            resale.owner.post(f"/v1/resellers/{reseller_id}/approve", body)
        assert calls == ["BatchGetItem", *([] if body else ["Query"]), "TransactWriteItems"]


def test_no_key_of_what_is_written_holds_the_address(resale: Resale) -> None:
    approved = resale.approved()
    assert approved["id"] == person_key(EMAIL.upper())
    assert not [item for item in stored() if "rea@" in item["pk"]]
