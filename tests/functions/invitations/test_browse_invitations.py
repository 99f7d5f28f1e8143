"""Invitations: what was offered to whom, how far it got, and the link to copy."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.mail import deliver
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, everything
from tests.support.world import PASSWORD, Shop, open_shop


def emails(client: Client, **query: str) -> list[str]:
    """Return the addresses that a list brings."""
    reply = client.get("/v1/invitations", **query)
    assert reply.status == 200, reply.text
    return [each["email"] for each in reply.json["items"]]


def invited(shop: Shop, name: str, time: Clock) -> str:
    """Invite a new customer; returns its id."""
    time.advance(seconds=1)
    customer = shop.add_customer(name, f"{name}@doors.test")
    shop.invite(customer["id"])
    return str(customer["id"])


def test_invitations_are_listed_newest_first_without_their_links(shop: Shop, time: Clock) -> None:
    for name in ("one", "two", "three"):
        invited(shop, name, time)
    reply = send_event("invitations/browse_invitations.pending", TOKEN=shop.owner.token)
    assert [each["email"] for each in reply.json["items"]] == ["three@doors.test", "two@doors.test", "one@doors.test"]
    assert {each["link"] for each in reply.json["items"]} == {None}
    assert {each["created_by"]["name"] for each in reply.json["items"]} == {"Ola Nordmann"}


def test_a_single_pending_one_shows_its_link_which_is_not_stored(shop: Shop, time: Clock) -> None:
    invited(shop, "one", time)
    (listed,) = shop.owner.get("/v1/invitations").json["items"]
    shown = shop.owner.get(f"/v1/invitations/{listed['id']}")
    assert (shown.json["state"], shown.headers["etag"]) == ("pending", '"1"')
    secret = shown.json["link"].rpartition(".")[2]
    assert (len(secret), secret in everything()) == (26, False)


def test_every_state_and_delivery_can_be_asked_for(shop: Shop, time: Clock) -> None:
    invited(shop, "expired", time)
    deliver()
    time.advance(days=14)
    login = shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD})
    shop = Shop(shop.slug, shop.owner.as_(login.json["token"]), shop.tier_id, shop.group_id)
    revoked = invited(shop, "revoked", time)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [revoked]})
    customer = shop.add_customer("accepted", "accepted@doors.test")
    time.advance(seconds=1)
    shop.join(customer)
    pending = invited(shop, "pending", time)
    for state in ("expired", "revoked", "accepted", "pending"):
        assert emails(shop.owner, state=state) == [f"{state}@doors.test"]
    assert emails(shop.owner, delivery="sent") == ["expired@doors.test"]
    assert emails(shop.owner, customer_id=pending) == ["pending@doors.test"]
    assert emails(shop.owner, customer_id=pending, state="revoked") == []
    assert len(emails(shop.owner)) == 4
    assert {each["email"] for each in shop.owner.get("/v1/invitations").json["items"] if each["state"] == "expired"} == {
        "expired@doors.test"
    }
    for state in ("expired", "revoked", "accepted"):
        (listed,) = shop.owner.get("/v1/invitations", state=state).json["items"]
        assert shop.owner.get(f"/v1/invitations/{listed['id']}").json["link"] is None


def test_pages_bring_every_invitation_once_and_a_cursor_serves_its_own_list_only(shop: Shop, time: Clock) -> None:
    for number in range(7):
        invited(shop, f"n{number}", time)
    found: list[str] = []
    page = shop.owner.get("/v1/invitations", limit="3").json
    cursor = page["next_cursor"]
    found += [each["email"] for each in page["items"]]
    while page["next_cursor"]:
        page = shop.owner.get("/v1/invitations", limit="3", cursor=page["next_cursor"]).json
        found += [each["email"] for each in page["items"]]
    assert found == [f"n{number}@doors.test" for number in range(6, -1, -1)]
    rival = open_shop(shop.owner.as_(None), "rival").owner
    attempts = [
        rival.get("/v1/invitations", limit="3", cursor=cursor),
        shop.owner.get("/v1/invitations", state="pending", cursor=cursor),
        shop.owner.get("/v1/customers", cursor=cursor),
        shop.owner.get("/v1/invitations", cursor=f"{cursor}x"),
    ]
    assert {(reply.status, reply.code) for reply in attempts} == {(400, "invalid_cursor")}


def test_what_another_store_offers_does_not_exist_here(shop: Shop, time: Clock) -> None:
    invited(shop, "one", time)
    (listed,) = shop.owner.get("/v1/invitations").json["items"]
    rival = open_shop(shop.owner.as_(None), "rival").owner
    reply, missing = rival.get(f"/v1/invitations/{listed['id']}"), rival.get("/v1/invitations/nothing")
    assert (reply.status, reply.text) == (404, missing.text)
    assert emails(rival) == []


def test_a_buyer_sees_no_invitations(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    for path in ("/v1/invitations", "/v1/invitations/acme.x"):
        assert (buyer.get(path).status, buyer.get(path).code) == (403, "forbidden")


@pytest.mark.parametrize("query", [{"state": "lost"}, {"delivery": "eaten"}, {"limit": "0"}, {"customer_id": "x" * 61}])
def test_a_query_that_is_wrong_is_pointed_at(shop: Shop, query: dict[str, str]) -> None:
    reply = shop.owner.get("/v1/invitations", **query)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, f"?{next(iter(query))}")


def shown_counts(owner: Client) -> dict[str, Any]:
    """Return the counts of the store's invitations."""
    reply = owner.get("/v1/invitations/counts")
    assert (reply.status, reply.json["next_cursor"]) == (200, None), reply.text
    return {name: count for name, count in reply.json.items() if name != "next_cursor"}


def counted_from_the_list(owner: Client) -> dict[str, Any]:
    """Count what the list of active customers shows, by its filters."""
    states = ("not_invited", "invited", "accepted")
    listed = {state: owner.get("/v1/customers", invitation=state, limit="100").json["items"] for state in states}
    live = [customer for state in states[1:] for customer in listed[state]]
    delivery = Counter(customer["invitation"]["delivery"] for customer in live)
    names = ("none", "queued", "sent", "delivered", "bounced", "complained", "suppressed")
    return {
        **{state: len(customers) for state, customers in listed.items()},
        "delivery": {name: delivery[name] for name in names},
    }


def test_counts_begin_at_nothing_and_ignore_those_without_an_address(shop: Shop) -> None:
    assert (shown_counts(shop.owner)["not_invited"], shown_counts(shop.owner)["delivery"]["queued"]) == (0, 0)
    shop.add_customer("Silent", None)
    assert shown_counts(shop.owner)["not_invited"] == 0
    shop.add_customer()
    assert shown_counts(shop.owner)["not_invited"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_counts_agree_with_the_list_after_any_order_of_events(shop: Shop, time: Clock, seed: int) -> None:
    chance = random.Random(seed)  # a walk, not a secret
    owner = shop.owner
    ids = [shop.add_customer(f"Customer {number}", f"c{number}@doors.test" if number else None)["id"] for number in range(4)]

    def some() -> list[str]:
        return chance.sample(ids, chance.randint(1, 3))

    def patch(customer_id: str, **change: Any) -> None:
        customer = owner.get(f"/v1/customers/{customer_id}").json
        owner.patch(f"/v1/customers/{customer_id}", change, etag=customer["etag"])

    def follow(act: Callable[[str], Any]) -> None:
        items = owner.get("/v1/invitations", limit="100").json["items"]
        if items:
            act(chance.choice(items)["id"])

    def accept(invitation_id: str) -> None:
        link = owner.get(f"/v1/invitations/{invitation_id}").json["link"]
        body = {"name": "Ida", "password": PASSWORD}
        if link:
            owner.as_(None).post(f"/v1/invitation-links/{link.rpartition('/')[2]}/acceptance", body)

    deeds: list[Callable[[], Any]] = [
        lambda: owner.post("/v1/invitations", {"customer_ids": some()}),
        lambda: owner.post("/v1/invitations", {"customer_ids": some(), "delivery": "links"}),
        lambda: owner.post("/v1/invitations/revoke", {"customer_ids": some()}),
        lambda: follow(lambda each: owner.post(f"/v1/invitations/{each}/revoke")),
        lambda: follow(lambda each: owner.post(f"/v1/invitations/{each}/resend")),
        lambda: follow(accept),
        lambda: patch(chance.choice(ids), active=chance.random() < 0.6),
        lambda: patch(chance.choice(ids), email=f"n{chance.randint(0, 99)}@doors.test"),
        lambda: patch(chance.choice(ids), email=None),
        lambda: patch(chance.choice(ids), email=None, active=False),
        deliver,
    ]
    for _ in range(30):
        chance.choice(deeds)()
        time.advance(minutes=1)
        assert shown_counts(owner) == counted_from_the_list(owner)


def test_a_sales_rep_sees_the_invitations_of_its_own_customers_and_of_their_employees(shop: Shop, time: Clock) -> None:
    rhea, otto, sven = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Sven", access="all", supervisor=True)
    own, other = invited(shop, "own", time), invited(shop, "other", time)
    allocate(shop, {"id": own}, rhea)
    time.advance(seconds=1)
    uma = {"name": "Uma", "email": "uma@doors.test", "role": "buyer", "send_invitation": True}
    shop.owner.post(f"/v1/customers/{own}/employees", uma)
    assert emails(rhea.client) == ["uma@doors.test", "own@doors.test"]
    assert emails(otto.client) == []
    assert emails(sven.client) == ["uma@doors.test", "other@doors.test", "own@doors.test"]
    assert len(emails(shop.owner)) == 6
    assert emails(rhea.client, kind="employee") == ["uma@doors.test"]
    assert emails(rhea.client, kind="sales_rep") == emails(sven.client, kind="sales_rep") == []
    assert emails(rhea.client, customer_id=other) == []
    ids = {each["email"]: each["id"] for each in shop.owner.get("/v1/invitations").json["items"]}
    shown = rhea.client.get(f"/v1/invitations/{ids['own@doors.test']}")
    assert (shown.status, "/i/" in shown.json["link"]) == (200, True)
    missing = rhea.client.get("/v1/invitations/acme.nothing")
    for client, email in ((rhea.client, "other@doors.test"), (rhea.client, rhea.email), (sven.client, rhea.email)):
        hidden = client.get(f"/v1/invitations/{ids[email]}")
        assert (hidden.status, hidden.text) == (404, missing.text)
    etag = shop.owner.get(f"/v1/customers/{own}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{own}", {"active": False}, etag=etag).status == 200
    assert (emails(sven.client), len(emails(rhea.client))) == (["other@doors.test"], 2)


def test_a_sales_reps_pages_bring_each_of_its_invitations_once(shop: Shop, time: Clock) -> None:
    rhea = hire(shop)
    for number in range(9):
        customer = invited(shop, f"n{number}", time)
        if number % 3:
            allocate(shop, {"id": customer}, rhea)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        with counted_calls() as calls:
            page = rhea.client.get("/v1/invitations", limit="2", **cursor).json
        assert calls == ["BatchGetItem", "Query", "BatchGetItem"]
        found += [each["email"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [f"n{number}@doors.test" for number in (8, 7, 5, 4, 2, 1)]
    assert shop.owner.get("/v1/invitations", limit="2", **cursor).code == "invalid_cursor"


def test_a_sales_rep_counts_its_own_customers_page_by_page(shop: Shop, time: Clock) -> None:
    rhea, otto, sven = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Sven", access="all")
    own = [invited(shop, "one", time), shop.add_customer("two", "two@doors.test")["id"], shop.add_customer("three", None)["id"]]
    for id_ in own:
        allocate(shop, {"id": id_}, rhea)
    invited(shop, "other", time)
    told = rhea.client.get("/v1/invitations/counts").json
    assert (told["not_invited"], told["invited"], told["accepted"], told["delivery"]["queued"]) == (1, 1, 0, 1)
    assert told["next_cursor"] is None
    assert sum(otto.client.get("/v1/invitations/counts").json["delivery"].values()) == 0
    counted = shop.owner.get("/v1/invitations/counts").json
    assert counted == sven.client.get("/v1/invitations/counts").json
    assert (counted["not_invited"], counted["invited"]) == (1, 2)
    many = [shop.add_customer(f"m{number}", f"m{number}@doors.test")["id"] for number in range(100)]
    rows = [{"customer_id": id_, "sales_rep_id": rhea.id} for id_ in many]
    assert shop.owner.post("/v1/allocations", {"assignments": rows}).json["allocated"] == 100
    total, cursor = 0, dict[str, str]()
    for _ in range(2):
        with counted_calls() as calls:
            told = rhea.client.get("/v1/invitations/counts", **cursor).json
        assert calls == ["BatchGetItem", "Query", "BatchGetItem"]
        total += told["not_invited"] + told["invited"]
        cursor = {"cursor": told["next_cursor"]}
    assert (total, told["next_cursor"]) == (102, None)
