"""Who looks after a customer: picked by the owner of the sales reps that have joined, seen by them, and never forgotten."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.ordering import open_market, send_event
from tests.support.reps import Rep, accept_as_rep, hire, invite_rep, reps_link
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, open_shop
from tradepost.table.shapes import ALLOCATION


def path(customer: dict[str, Any]) -> str:
    """Return where it is told who looks after a customer."""
    return f"/v1/customers/{customer['id']}/account-manager"


def pick(client: Client, customer: dict[str, Any], manager: Rep | None, *further: Rep, etag: str | None = None) -> Reply:
    """Let sales reps look after a customer."""
    body = {"sales_rep_id": manager and manager.id, "further_sales_rep_ids": [rep.id for rep in further]}
    return client.put(path(customer), body, etag=etag)


def deactivate(shop: Shop, rep: Rep) -> None:
    """Send a sales rep away for the time being."""
    etag = shop.owner.get(f"/v1/sales-reps/{rep.id}").json["etag"]
    reply = shop.owner.patch(f"/v1/sales-reps/{rep.id}", {"active": False}, etag=etag)
    assert (reply.status, reply.json["status"]) == (200, "inactive"), reply.text


def lists() -> dict[str, list[str]]:
    """Return the names that stand in the list of each sales rep, as they are sorted."""
    found: dict[str, list[str]] = {}
    for item in stored("allocation"):
        found.setdefault(item["pk"].rpartition("#")[2], []).append(item["sk"].rpartition("#")[0])
    return found


def names_of(client: Client, **query: str) -> list[str]:
    """Return the names of the customers that somebody sees."""
    reply = client.get("/v1/customers", **query)
    assert reply.status == 200, reply.text
    return [each["name"] for each in reply.json["items"]]


def test_the_first_account_manager_is_picked_without_a_version_and_sees_the_customer_at_once(shop: Shop) -> None:
    customer, rhea, otto = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto")
    with counted_calls() as calls:
        reply = send_event(
            "customers/assign_account_manager.picked",
            TOKEN=shop.owner.token,
            CUSTOMER_ID=customer["id"],
            SALES_REP_ID=rhea.id,
        )
    assert (reply.status, calls) == (200, ["BatchGetItem", "TransactWriteItems"]), reply.text
    assert reply.json == {
        "customer_id": customer["id"],
        "account_manager": {"id": rhea.id, "name": "Rhea", "status": "active"},
        "further_sales_reps": [],
        "etag": '"2"',
    }
    assert reply.headers["etag"] == '"2"'
    shown = shop.owner.get(f"/v1/customers/{customer['id']}").json
    assert (shown["account_manager_id"], shown["further_sales_rep_ids"], shown["etag"]) == (rhea.id, [], '"2"')
    assert lists() == {rhea.id: ["blue door"]}
    assert (names_of(rhea.client), names_of(otto.client)) == (["Blue Door"], [])
    assert [line["details"] for line in stored("audit") if line["action"] == "customer:allocated"] == [
        {"account_manager_id": rhea.id, "further_sales_rep_ids": []}
    ]


def test_whoever_replaces_a_pick_says_which_one(shop: Shop) -> None:
    customer, rhea, otto = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto")
    first = pick(shop.owner, customer, rhea)
    before = stored()
    absent, stale = pick(shop.owner, customer, otto), pick(shop.owner, customer, otto, etag='"1"')
    unless = shop.owner.put(path(customer), {"sales_rep_id": otto.id}, headers={"If-None-Match": "*"})
    assert [(each.status, each.code) for each in (absent, stale, unless)] == [
        (428, "precondition_required"),
        (412, "stale"),
        (412, "stale"),
    ]
    assert stored() == before
    reply = pick(shop.owner, customer, otto, etag=first.json["etag"])
    assert (reply.status, reply.json["account_manager"]["name"]) == (200, "Otto")
    assert (names_of(rhea.client), names_of(otto.client)) == ([], ["Blue Door"])
    assert lists() == {otto.id: ["blue door"]}
    # Nobody any more: then the next pick is a first one again
    gone = pick(shop.owner, customer, None, etag=reply.json["etag"])
    assert (gone.status, gone.json["account_manager"], lists()) == (200, None, {})
    assert pick(shop.owner, customer, rhea).status == 200


def test_the_version_of_a_customer_nobody_looks_after_is_honoured_if_sent(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    assert shop.owner.get(path(customer)).json["etag"] == '"1"'
    assert (pick(shop.owner, customer, rhea, etag='"7"').status, lists()) == (412, {})
    assert pick(shop.owner, customer, rhea, etag='"1"').status == 200


def test_of_two_who_pick_at_once_one_is_told_to_look_again(shop: Shop) -> None:
    customer, rhea, otto = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto")
    with meanwhile("TransactWriteItems", lambda: pick(shop.owner, customer, otto)):
        late = pick(shop.owner, customer, rhea)
    assert (late.status, late.code) == (412, "stale")
    assert lists() == {otto.id: ["blue door"]}
    etag = shop.owner.get(path(customer)).json["etag"]
    with meanwhile("TransactWriteItems", lambda: pick(shop.owner, customer, None, etag=etag)):
        late = pick(shop.owner, customer, rhea, etag=etag)
    assert (late.status, late.code) == (412, "stale")
    assert lists() == {}


def test_a_first_pick_outlasts_another_change_of_the_customer(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)

    def rename() -> None:
        assert shop.owner.patch(f"/v1/customers/{customer['id']}", {"name": "Red Roof"}, etag='"1"').status == 200

    with meanwhile("TransactWriteItems", rename):
        reply = pick(shop.owner, customer, rhea)
    assert (reply.status, reply.json["etag"], lists()) == (200, '"3"', {rhea.id: ["red roof"]})


def test_the_same_pick_again_changes_nothing(shop: Shop) -> None:
    customer, rhea, otto, vera = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Vera")
    first = pick(shop.owner, customer, rhea, otto, vera)
    before = stored()
    again = pick(shop.owner, customer, rhea, vera, otto, etag=first.json["etag"])
    assert (again.status, again.json["etag"]) == (200, first.json["etag"])
    assert [each["name"] for each in again.json["further_sales_reps"]] == ["Otto", "Vera"]
    assert stored() == before


def test_further_sales_reps_see_the_customer_and_a_pick_without_them_ends_that(shop: Shop) -> None:
    customer, rhea, otto, vera = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Vera")
    etag = pick(shop.owner, customer, None, rhea, otto).json["etag"]
    assert lists() == {rhea.id: ["blue door"], otto.id: ["blue door"]}
    # One of them becomes the account manager, another one comes
    reply = pick(shop.owner, customer, otto, vera, etag=etag)
    assert (reply.json["account_manager"]["id"], [each["id"] for each in reply.json["further_sales_reps"]]) == (
        otto.id,
        [vera.id],
    )
    assert {each.id: names_of(each.client) for each in (rhea, otto, vera)} == {
        rhea.id: [],
        otto.id: ["Blue Door"],
        vera.id: ["Blue Door"],
    }
    assert shop.owner.put(path(customer), {"sales_rep_id": otto.id}, etag=reply.json["etag"]).json["further_sales_reps"] == []
    assert lists() == {otto.id: ["blue door"]}


def test_only_sales_reps_that_have_accepted_can_be_picked(shop: Shop) -> None:
    customer, invited = shop.add_customer(), invite_rep(shop, "Iris")
    before = stored()
    for body, pointer in (
        ({"sales_rep_id": invited["id"]}, "/sales_rep_id"),
        ({"sales_rep_id": None, "further_sales_rep_ids": [invited["id"]]}, "/further_sales_rep_ids/0"),
    ):
        reply = shop.owner.put(path(customer), body)
        assert (reply.status, reply.code, reply.json["pointer"]) == (409, "rep_not_accepted", pointer)
    assert stored() == before
    assert accept_as_rep(shop, reps_link(shop, invited)).status == 201
    assert shop.owner.put(path(customer), {"sales_rep_id": invited["id"]}).status == 200


def test_whoever_was_sent_away_stays_visible_until_others_are_picked_and_cannot_be_picked_anew(shop: Shop) -> None:
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", None)
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    pick(shop.owner, blue, rhea)
    deactivate(shop, rhea)
    shown = shop.owner.get(path(blue)).json
    assert shown["account_manager"] == {"id": rhea.id, "name": "Rhea", "status": "inactive"}
    before = stored()
    reply = pick(shop.owner, green, rhea)
    assert (reply.status, reply.code, reply.json["pointer"]) == (409, "rep_inactive", "/sales_rep_id")
    assert stored() == before
    # Others may come beside it, and it may become one of the further ones, but not be made account manager once more
    kept = pick(shop.owner, blue, rhea, otto, etag=shown["etag"])
    assert (kept.status, kept.json["account_manager"]["status"]) == (200, "inactive")
    moved = pick(shop.owner, blue, otto, rhea, etag=kept.json["etag"])
    assert (moved.status, moved.json["further_sales_reps"]) == (
        200,
        [{"id": rhea.id, "name": "Rhea", "status": "inactive"}],
    )
    again = pick(shop.owner, blue, rhea, otto, etag=moved.json["etag"])
    assert (again.status, again.code) == (409, "rep_inactive")
    assert pick(shop.owner, blue, otto, etag=moved.json["etag"]).json["further_sales_reps"] == []


def test_a_sales_rep_whose_invitation_was_revoked_cannot_be_picked(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    told = shop.owner.get(f"/v1/sales-reps/{rhea.id}").json["invitation"]
    assert shop.owner.post(f"/v1/invitations/{told['id']}/revoke").status == 200
    reply = pick(shop.owner, customer, rhea)
    assert (reply.status, reply.code, lists()) == (409, "rep_inactive", {})


def test_a_sales_rep_who_is_sent_away_at_that_moment_is_not_picked(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    with meanwhile("TransactWriteItems", lambda: deactivate(shop, rhea)):
        reply = pick(shop.owner, customer, rhea)
    assert (reply.status, reply.code) == (409, "rep_inactive")
    assert (lists(), stored("allocation_change")) == ({}, [])


def test_nobody_but_a_sales_rep_of_the_store_can_be_picked(shop: Shop) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    rival = open_shop(shop.owner.as_(None), "rival")
    foreign = hire(rival, "Fay")
    buyer = shop.join(customer).get("/v1/me").json["id"]
    owner = shop.owner.get("/v1/me").json["id"]
    before = stored()
    for who in ("nothing", foreign.id, buyer, owner, customer["id"], "x" * 100):
        reply = shop.owner.put(path(customer), {"sales_rep_id": who})
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "unknown_sales_rep", "/sales_rep_id"), (
            who
        )
        reply = shop.owner.put(path(customer), {"sales_rep_id": rhea.id, "further_sales_rep_ids": [who]})
        assert (reply.code, reply.json["errors"][0]["pointer"]) == ("unknown_sales_rep", "/further_sales_rep_ids/0")
    assert stored() == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/sales_rep_id"),
        ({"sales_rep_id": ""}, "/sales_rep_id"),
        ({"sales_rep_id": 5}, "/sales_rep_id"),
        ({"sales_rep_id": "../x"}, "/sales_rep_id"),
        ({"sales_rep_id": "REP", "further_sales_rep_ids": ["REP"]}, "/further_sales_rep_ids/0"),
        ({"sales_rep_id": None, "further_sales_rep_ids": ["REP", "REP"]}, "/further_sales_rep_ids/1"),
        ({"sales_rep_id": None, "further_sales_rep_ids": [f"r{index}" for index in range(6)]}, "/further_sales_rep_ids"),
        ({"sales_rep_id": None, "further_sales_rep_ids": [None]}, "/further_sales_rep_ids/0"),
        ({"sales_rep_id": None, "further_sales_rep_ids": None}, "/further_sales_rep_ids"),
        ({"sales_rep_id": None, "account_manager_id": None}, "/account_manager_id"),
    ],
)
def test_a_pick_that_is_wrong_is_pointed_at_and_changes_nothing(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    customer, rhea = shop.add_customer(), hire(shop)
    before = stored()
    text = str(body).replace("REP", rhea.id).replace("'", '"').replace("None", "null")
    reply = shop.owner.put(path(customer), text)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer), reply.text
    assert stored() == before


def test_sales_reps_and_buyers_pick_nobody(shop: Shop) -> None:
    customer, rhea, sven = shop.add_customer(), hire(shop), hire(shop, "Sven", access="all", supervisor=True)
    pick(shop.owner, customer, rhea)
    buyer = shop.join(customer)
    before = stored()
    for client in (rhea.client, sven.client, buyer):
        reply = pick(client, customer, sven, etag="*")
        assert (reply.status, reply.code) == (403, "forbidden")
    assert stored() == before


def test_who_looks_after_a_customer_is_told_to_the_owner_and_to_whoever_sees_the_customer(shop: Shop) -> None:
    customer = shop.add_customer()
    rhea, otto, sven = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Sven", access="all")
    pick(shop.owner, customer, rhea)
    rival = open_shop(shop.owner.as_(None), "rival").owner
    for suffix in ("", "/history"):
        assert {client.get(path(customer) + suffix).status for client in (shop.owner, rhea.client, sven.client)} == {200}
        for client in (otto.client, rival):
            hidden, missing = client.get(path(customer) + suffix), client.get(path({"id": "nothing"}) + suffix)
            assert (hidden.status, hidden.text) == (404, missing.text)
    assert pick(rival, customer, None).text == pick(rival, {"id": "nothing"}, None).text
    with counted_calls() as calls:
        shop.owner.get(path(customer))
    assert calls == ["BatchGetItem", "BatchGetItem"]


def test_every_change_is_kept_with_who_decided_on_it_newest_first(shop: Shop, time: Clock) -> None:
    customer, rhea, otto = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Otto")
    etag: str | None = None
    for manager, *further in ((rhea,), (otto, rhea), (None,)):
        time.advance(minutes=1)
        reply = pick(shop.owner, customer, manager, *further, etag=etag)
        etag = reply.json["etag"]
    named = {each.id: {"id": each.id, "name": each.email.partition("@")[0].title()} for each in (rhea, otto)}
    first = shop.owner.get(path(customer) + "/history", limit="2")
    rest = shop.owner.get(path(customer) + "/history", limit="2", cursor=first.json["next_cursor"])
    items = first.json["items"] + rest.json["items"]
    assert [(each["before"], each["after"]) for each in items] == [
        (
            {"account_manager": named[otto.id], "further_sales_reps": [named[rhea.id]]},
            {"account_manager": None, "further_sales_reps": []},
        ),
        (
            {"account_manager": named[rhea.id], "further_sales_reps": []},
            {"account_manager": named[otto.id], "further_sales_reps": [named[rhea.id]]},
        ),
        (
            {"account_manager": None, "further_sales_reps": []},
            {"account_manager": named[rhea.id], "further_sales_reps": []},
        ),
    ]
    assert {each["actor"]["name"] for each in items} == {"Ola Nordmann"}
    assert (items[0]["at"] > items[1]["at"] > items[2]["at"], rest.json["next_cursor"]) == (True, None)
    other = shop.add_customer("Green Gate", None)
    tried = shop.owner.get(path(other) + "/history", limit="2", cursor=first.json["next_cursor"])
    assert (tried.status, tried.code) == (400, "invalid_cursor")


def test_orders_of_all_times_count_for_whoever_looks_after_the_customer_now(shop: Shop) -> None:
    market, rhea, otto = open_market(shop), hire(shop, "Rhea"), hire(shop, "Otto")
    total = market.place()["total"]["amount"]

    def revenue(rep: Rep) -> int:
        return int(shop.owner.get("/v1/statistics", sales_rep_id=rep.id).json["revenue"]["amount"])

    etag = pick(shop.owner, market.customer, rhea).json["etag"]
    assert (revenue(rhea), revenue(otto)) == (total, 0)
    # An order that comes in at that very moment moves with the others
    with meanwhile("TransactWriteItems", market.place), counted_calls() as calls:
        reply = pick(shop.owner, market.customer, otto, etag=etag)
    assert (reply.status, revenue(rhea), revenue(otto)) == (200, 0, 2 * total)
    assert calls.count("Query") == 2
    assert {item["pk"] for item in stored("allocation")} == {ALLOCATION.partition(store="acme", rep=otto.id)}
