"""The store's sales reps: listed, changed, sent away and let in again."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import send_event
from tests.support.reps import Rep, accept_as_rep, allocate, hire, invite_rep, reps_link
from tests.support.table import counted_calls, stored
from tests.support.world import PASSWORD, Shop, open_shop


def shown(shop: Shop, rep_id: str) -> dict[str, Any]:
    """Return a sales rep as the owner sees it."""
    reply = shop.owner.get(f"/v1/sales-reps/{rep_id}")
    assert reply.status == 200, reply.text
    return dict(reply.json)


def change(shop: Shop, rep_id: str, **fields: Any) -> Reply:
    """Let the owner change a sales rep as it is now."""
    return shop.owner.patch(f"/v1/sales-reps/{rep_id}", fields, etag=shown(shop, rep_id)["etag"])


def log_in(shop: Shop, email: str, password: str = PASSWORD, **more: str) -> Reply:
    """Log in."""
    return shop.owner.as_(None).post("/v1/sessions", {"email": email, "password": password, **more})


def names(shop: Shop, **query: str) -> list[str]:
    """Return the names of the sales reps that a list holds."""
    return [each["name"] for each in shop.owner.get("/v1/sales-reps", **query).json["items"]]


def customers_of(rep: Rep) -> list[str]:
    """Return the names of the customers that a sales rep sees."""
    return [each["name"] for each in rep.client.get("/v1/customers").json["items"]]


def memberships(rep_id: str) -> list[dict[str, Any]]:
    """Return the entries by which log-in finds a sales rep's place."""
    return [entry for entry in stored("membership") if entry["member_id"] == rep_id]


def test_the_list_is_by_name_filtered_and_paged_without_anybody_else(shop: Shop) -> None:
    shop.join(shop.add_customer())
    hire(open_shop(shop.owner.as_(None), "rival"), "Abroad")
    for name, access in (("zoe", "all"), ("Adam", "allocated"), ("Mia", "all")):
        hire(shop, name, access=access)
    invite_rep(shop, "Bob", access="all")
    assert change(shop, hire(shop, "Ina").id, active=False).status == 200
    gone = hire(shop, "Gus")
    assert shop.owner.post(f"/v1/invitations/{shown(shop, gone.id)['invitation']['id']}/revoke").status == 200
    assert names(shop) == ["Adam", "Bob", "Gus", "Ina", "Mia", "zoe"]
    assert names(shop, status="active") == ["Adam", "Mia", "zoe"]
    assert names(shop, status="invited") == ["Bob"]
    assert names(shop, status="inactive") == ["Gus", "Ina"]
    assert names(shop, access="all") == ["Bob", "Mia", "zoe"]
    assert names(shop, access="all", status="active") == ["Mia", "zoe"]
    first = shop.owner.get("/v1/sales-reps", limit="4").json
    rest = shop.owner.get("/v1/sales-reps", limit="4", cursor=first["next_cursor"]).json
    assert [each["name"] for each in (*first["items"], *rest["items"])] == names(shop)
    assert rest["next_cursor"] is None
    for query in ({"status": "active"}, {"access": "all"}):
        elsewhere = shop.owner.get("/v1/sales-reps", cursor=first["next_cursor"], **query)
        assert (elsewhere.status, elsewhere.code) == (400, "invalid_cursor")


@pytest.mark.parametrize("query", [{"status": "pending"}, {"access": "none"}, {"limit": "0"}, {"limit": "101"}])
def test_a_list_of_what_there_is_not_is_refused(shop: Shop, query: dict[str, str]) -> None:
    assert shop.owner.get("/v1/sales-reps", **query).status == 422


def test_every_page_costs_one_query(shop: Shop) -> None:
    invite_rep(shop)
    for query in ({}, {"status": "inactive"}, {"limit": "1"}):
        with counted_calls() as calls:
            shop.owner.get("/v1/sales-reps", **query)
        assert calls == ["BatchGetItem", "Query"]


def test_a_sales_rep_is_shown_with_its_invitation(shop: Shop) -> None:
    rep = hire(shop, supervisor=True, override_limits={"percent": 10}, phone="+49 40 77")
    reply = shop.owner.get(f"/v1/sales-reps/{rep.id}")
    told = reply.json["invitation"]
    assert reply.json == {
        "id": rep.id,
        "name": "Rhea",
        "email": "rhea@reps.test",
        "phone": "+49 40 77",
        "access": "allocated",
        "supervisor": True,
        "status": "active",
        "override_limits": {"percent": 10, "floor": None},
        "invitation": {"id": told["id"], "state": "accepted", "delivery": "queued"},
        "joined_at": reply.json["joined_at"],
        "etag": reply.headers["etag"],
    }
    assert reply.json["joined_at"] is not None
    assert shop.owner.get("/v1/sales-reps").json["items"] == [reply.json]


def test_nobody_but_a_sales_rep_of_the_store_is_found(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    customer = shop.add_customer()
    others = [
        shop.owner.get("/v1/me").json["id"],
        shop.join(customer).get("/v1/me").json["id"],
        hire(rival).id,
        "acme.nobody",
        "x",
    ]
    for other in others:
        for reply in (
            shop.owner.get(f"/v1/sales-reps/{other}"),
            shop.owner.patch(f"/v1/sales-reps/{other}", {"active": False}, etag="*"),
        ):
            assert (reply.status, reply.json["detail"]) == (404, "There is no such sales rep.")


def test_only_the_owner_sees_and_changes_the_sales_reps(shop: Shop) -> None:
    buyer, supervisor = shop.join(shop.add_customer()), hire(shop, "Sven", access="all", supervisor=True)
    for client in (buyer, supervisor.client):
        replies = [
            client.get("/v1/sales-reps"),
            client.get(f"/v1/sales-reps/{supervisor.id}"),
            client.patch(f"/v1/sales-reps/{supervisor.id}", {"name": "Me"}, etag="*"),
        ]
        assert [(reply.status, reply.code) for reply in replies] == [(403, "forbidden")] * 3
    assert shown(shop, supervisor.id)["name"] == "Sven"


def test_a_sales_rep_is_changed(shop: Shop) -> None:
    rep = invite_rep(shop, phone="+49 40 77")
    reply = change(shop, rep["id"], name="Zelda", phone=None, access="all", supervisor=True)
    assert (reply.status, reply.headers["etag"]) == (200, '"2"')
    assert reply.json == {**rep, "name": "Zelda", "phone": None, "access": "all", "supervisor": True, "etag": '"2"'}
    assert shown(shop, rep["id"]) == reply.json
    invite_rep(shop, "Yola")
    assert names(shop) == ["Yola", "Zelda"]
    (line,) = [line for line in stored("audit") if line["action"] == "sales_rep:updated"]
    assert (line["target"], line["details"]["fields"]) == (rep["id"], ["access", "name", "phone", "supervisor"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "other@reps.test"}, "/email"),
        ({"email": None}, "/email"),
        ({"name": None}, "/name"),
        ({"name": "\u202e"}, "/name"),
        ({"access": None}, "/access"),
        ({"access": "active"}, "/access"),
        ({"active": None}, "/active"),
        ({"active": "false"}, "/active"),
        ({"supervisor": None}, "/supervisor"),
        ({"status": "active"}, "/status"),
        ({"role": "owner"}, "/role"),
        ({"override_limits": {"percent": -1}}, "/override_limits/percent"),
        ({"override_limits": {"per_cent": 5}}, "/override_limits/per_cent"),
        ({"override_limits": {"floor": {"amount": 5, "currency": "SEK"}}}, "/override_limits/floor/currency"),
    ],
)
def test_bad_changes_are_refused_with_their_place_and_change_nothing(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    rep, before = hire(shop), stored()
    reply = change(shop, rep.id, **{"phone": "+49", **fields})
    assert reply.status == 422
    assert [error["pointer"] for error in reply.json["errors"]] == [pointer]
    assert stored() == before


def test_a_change_is_decided_on_what_is_stored(shop: Shop) -> None:
    rep = invite_rep(shop)
    path = f"/v1/sales-reps/{rep['id']}"
    assert shop.owner.patch(path, {"name": "First"}, etag=rep["etag"]).status == 200
    assert shop.owner.patch(path, {"name": "Second"}, etag=rep["etag"]).code == "stale"
    assert shop.owner.patch(path, {"name": "Second"}).code == "precondition_required"
    with meanwhile("TransactWriteItems", lambda: change(shop, rep["id"], name="Third")):
        overtaken = change(shop, rep["id"], supervisor=True)
    assert (overtaken.status, overtaken.code) == (412, "stale")
    assert (shown(shop, rep["id"])["name"], shown(shop, rep["id"])["supervisor"]) == ("Third", False)


def test_of_its_limits_only_what_is_sent_changes_and_null_lets_the_stores_hold(shop: Shop) -> None:
    rep = hire(shop)
    store = shop.owner.get("/v1/store")
    limits = {"percent": 3, "floor": None}
    assert shop.owner.patch("/v1/store", {"override_limits": limits}, etag=store.json["etag"]).status == 200

    def own() -> Any:
        return rep.client.get("/v1/me").json["override_limits"]

    assert (shown(shop, rep.id)["override_limits"], own()) == (None, limits)
    floor = {"amount": 500, "currency": "EUR"}
    assert change(shop, rep.id, override_limits={"percent": 10}).status == 200
    assert change(shop, rep.id, override_limits={"floor": floor}).status == 200
    assert shown(shop, rep.id)["override_limits"] == own() == {"percent": 10, "floor": floor}
    assert change(shop, rep.id, override_limits=None).json["override_limits"] is None
    assert own() == limits


def test_access_and_supervision_count_from_the_next_request(shop: Shop) -> None:
    rep = hire(shop)
    allocate(shop, shop.add_customer(), rep)
    shop.add_customer("Green Gate", "gil@greengate.test")
    assert customers_of(rep) == ["Blue Door"]
    assert change(shop, rep.id, access="all").status == 200
    assert customers_of(rep) == ["Blue Door", "Green Gate"]
    assert rep.client.get("/v1/sessions", of="store").status == 403
    assert change(shop, rep.id, access="allocated", supervisor=True).status == 200
    assert customers_of(rep) == ["Blue Door", "Green Gate"]
    me = rep.client.get("/v1/me").json
    assert (me["access"], me["supervisor"], me["role"]) == ("allocated", True, "rep")
    assert rep.client.get("/v1/sessions", of="store").status == 200
    assert change(shop, rep.id, supervisor=False).status == 200
    assert customers_of(rep) == ["Blue Door"]
    assert rep.client.get("/v1/sessions", of="store").status == 403


def test_a_deactivated_sales_rep_is_out_at_once_and_cannot_log_in_while_its_customers_stay(shop: Shop) -> None:
    # Given a sales rep that is signed in twice, and acts for somebody
    rep, customer = hire(shop), shop.add_customer()
    buyer = shop.join(customer)
    allocate(shop, shop.owner.get(f"/v1/customers/{customer['id']}").json, rep)
    second = shop.owner.as_(log_in(shop, rep.email).json["token"])
    body = {"customer_id": customer["id"], "employee_id": buyer.get("/v1/me").json["id"], "reason": "Asked", "minutes": 30}
    acting = rep.client.as_(rep.client.post("/v1/acting-sessions", body).json["token"])
    assert acting.get("/v1/me").json["acting"]["actor"]["name"] == "Rhea"
    # When it is sent away
    reply = send_event(
        "sales_reps/manage_sales_reps.deactivated",
        TOKEN=shop.owner.token,
        SALES_REP_ID=rep.id,
        ETAG=shown(shop, rep.id)["etag"].replace('"', r"\""),
    )
    assert (reply.status, reply.json["status"]) == (200, "inactive"), reply.text
    # Then nothing of it is left to enter by
    for client in (rep.client, second, acting):
        assert (client.get("/v1/me").status, client.get("/v1/me").code) == (401, "invalid_token")
    sessions, wrong = len(stored("session")), log_in(shop, rep.email, "not the password of rhea")
    for more in ({}, {"store": "acme"}):
        refused = log_in(shop, rep.email, **more)
        assert (refused.status, refused.text) == (wrong.status, wrong.text)
    assert (len(stored("session")), memberships(rep.id)) == (sessions, [])
    assert shop.owner.get("/v1/sessions", of="store").json["items"][0]["member_name"] != "Rhea"
    # And its customers are still its own
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["account_manager_id"] == rep.id
    assert (names(shop, status="inactive"), names(shop, status="active")) == (["Rhea"], [])


def test_a_reactivated_sales_rep_logs_in_anew_and_none_of_its_old_sessions_comes_back(shop: Shop, time: Clock) -> None:
    rep, customer = hire(shop), shop.add_customer()
    allocate(shop, customer, rep)
    time.advance(minutes=1)
    assert change(shop, rep.id, active=False).status == 200
    time.advance(minutes=1)
    reply = change(shop, rep.id, active=True)
    assert (reply.status, reply.json["status"]) == (200, "active")
    assert rep.client.get("/v1/me").code == "invalid_token"
    back = log_in(shop, rep.email)
    assert back.status == 201, back.text
    client = shop.owner.as_(back.json["token"])
    assert [each["id"] for each in client.get("/v1/customers").json["items"]] == [customer["id"]]
    assert len(memberships(rep.id)) == 1
    assert shown(shop, rep.id)["joined_at"] == client.get("/v1/me").json["joined_at"]


def test_being_made_what_one_is_already_ends_no_session(shop: Shop, time: Clock) -> None:
    rep = hire(shop)
    time.advance(minutes=1)
    assert change(shop, rep.id, active=True).json["status"] == "active"
    assert rep.client.get("/v1/me").status == 200
    for _ in range(2):
        assert change(shop, rep.id, active=False).json["status"] == "inactive"
    assert rep.client.get("/v1/me").status == 401


@pytest.mark.parametrize("active", [True, False])
def test_one_that_has_not_accepted_is_neither_active_nor_inactive(shop: Shop, *, active: bool) -> None:
    pending, gone = invite_rep(shop, "Penny"), hire(shop, "Gus")
    assert shop.owner.post(f"/v1/invitations/{shown(shop, gone.id)['invitation']['id']}/revoke").status == 200
    for rep_id in (pending["id"], gone.id):
        before = stored()
        reply = change(shop, rep_id, active=active, name="Other")
        assert (reply.status, reply.code) == (409, "rep_not_accepted")
        assert stored() == before
    assert accept_as_rep(shop, reps_link(shop, pending)).status == 201


def test_an_inactive_place_does_not_stand_in_the_way_of_another_store(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    ours, theirs = hire(shop), hire(rival)
    assert log_in(shop, ours.email).json["stores"] == ["acme", "rival"]
    assert change(shop, ours.id, active=False).status == 200
    assert log_in(shop, ours.email).json["store"]["slug"] == "rival"
    assert theirs.client.get("/v1/me").status == 200


def test_a_log_in_that_a_deactivation_overtakes_leads_nowhere(shop: Shop, time: Clock) -> None:
    rep = hire(shop)
    time.advance(minutes=1)
    with meanwhile("TransactWriteItems", lambda: change(shop, rep.id, active=False)):
        overtaken = log_in(shop, rep.email)
    late = shop.owner.as_(overtaken.json.get("token") or "none")
    assert late.get("/v1/me").status == 401
    time.advance(minutes=1)
    assert change(shop, rep.id, active=True).status == 200
    assert late.get("/v1/me").status == 401


def test_a_place_that_is_lost_while_somebody_logs_in_is_not_entered(shop: Shop) -> None:
    rep, sessions = hire(shop), len(stored("session"))
    with meanwhile("Query", lambda: change(shop, rep.id, active=False), when="after"):
        refused = log_in(shop, rep.email)
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert len(stored("session")) == sessions


def test_a_deactivated_reps_invitation_can_still_be_revoked_and_is_so_for_good(shop: Shop, time: Clock) -> None:
    rep = hire(shop)
    assert change(shop, rep.id, active=False).status == 200
    assert shop.owner.post(f"/v1/invitations/{shown(shop, rep.id)['invitation']['id']}/revoke").status == 200
    assert (shown(shop, rep.id)["status"], shown(shop, rep.id)["invitation"]["state"]) == ("inactive", "revoked")
    assert change(shop, rep.id, active=True).code == "rep_not_accepted"


def test_an_acceptance_that_overtakes_a_change_is_not_undone_by_it(shop: Shop) -> None:
    rep = invite_rep(shop)
    link = reps_link(shop, rep)
    with meanwhile("TransactWriteItems", lambda: accept_as_rep(shop, link)):
        overtaken = change(shop, rep["id"], name="Other")
    assert (overtaken.status, overtaken.code) == (412, "stale")
    assert (shown(shop, rep["id"])["status"], shown(shop, rep["id"])["name"]) == ("active", "Rhea")


def test_a_renamed_rep_goes_by_its_new_name_in_its_own_profile(shop: Shop) -> None:
    rep = hire(shop)
    assert change(shop, rep.id, name="Rhea Lund").status == 200
    me = rep.client.get("/v1/me")
    assert me.json["name"] == "Rhea Lund"
    own = rep.client.patch("/v1/me", {"name": "R. Lund", "phone": "+49 1"}, etag=me.json["etag"])
    assert own.status == 200
    assert (names(shop), shown(shop, rep.id)["phone"]) == (["R. Lund"], "+49 1")


def test_whatever_the_owner_changes_the_client_of_another_store_learns_nothing(shop: Shop) -> None:
    rival: Client = open_shop(shop.owner.as_(None), "rival").owner
    rep = hire(shop)
    assert rival.patch(f"/v1/sales-reps/{rep.id}", {"active": False}, etag=shown(shop, rep.id)["etag"]).status == 404
    assert rival.get("/v1/sales-reps").json == {"items": [], "next_cursor": None}
    assert rep.client.get("/v1/me").status == 200
