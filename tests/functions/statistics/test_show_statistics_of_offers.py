"""What became of offers: to each caller those it may know of, by day; whatever was done, and whatever went wrong."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import pytest

from tests.conftest import Clock
from tests.functions.statistics.conftest import wait
from tests.support.client import Client
from tests.support.faults import failing, refusal
from tests.support.functions import Reply
from tests.support.offer_statistics import check_offer_statistics
from tests.support.offering import product
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.territory import Territory
from tests.support.world import euros, open_shop

DOWN = refusal("TransactWriteItems", "InternalServerError")
STEPS = 40
CHECKED_EVERY = 10


@dataclass
class Desk:
    """Where offers are made and answered in a territory."""

    territory: Territory
    buyers: dict[str, Client]

    def make(self, customer: str, *lines: dict[str, Any], by: Client | None = None, **fields: Any) -> dict[str, Any]:
        body = {"customer_id": self.territory.customers[customer], "lines": list(lines) or [product("A-1", 2)], **fields}
        reply = (by or self.territory.owner).post("/v1/offers", body)
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def open(self, customer: str, *lines: dict[str, Any], by: Client | None = None) -> dict[str, Any]:
        reply = self.step(self.make(customer, *lines, by=by), "send", by=by)
        assert (reply.status, reply.json["status"]) == (200, "open"), reply.text
        return dict(reply.json)

    def step(self, offer: dict[str, Any], move: str, *, by: Client | None = None, key: str = "") -> Reply:
        headers = {"If-Match": offer["etag"]}
        return (by or self.territory.owner).post(f"/v1/offers/{offer['id']}/{move}", headers=headers, key=key)

    def accept(self, customer: str, offer: dict[str, Any], *options: str, key: str = "") -> Reply:
        body = {"version": offer["version"], "optional_lines": list(options)}
        return self.buyers[customer].post(f"/v1/offers/{offer['id']}/accept", body, key=key)

    def wait(self, today: Clock, hours: int) -> None:
        for _ in range(hours):
            wait(self.territory, today, 1)
            if today.at.hour % 6 == 0:
                for buyer in self.buyers.values():
                    buyer.get("/v1/me")

    def check(self, *callers: Client, **days: str) -> None:
        for caller in callers or self.territory.callers:
            check_offer_statistics(caller, self.territory.customers.values(), self.territory.reps, **days)


@pytest.fixture
def desk(territory: Territory) -> Desk:
    market = territory.market
    red = market.owner.as_(None).post(
        "/v1/sessions", {"email": "buyer@red.test", "password": "five tall ships at noon", "store": market.shop.slug}
    )
    assert red.status == 201, red.text
    return Desk(territory, {"blue": market.buyer, "green": market.other_buyer, "red": market.owner.as_(red.json["token"])})


def figures(client: Client, **query: str) -> tuple[int, int, int, int]:
    reply = client.get("/v1/statistics/offers", **query)
    assert reply.status == 200, reply.text
    return reply.json["made"], reply.json["won"], reply.json["value"]["amount"], reply.json["won_value"]["amount"]


def test_offers_are_shown_by_the_day_of_their_first_sending(desk: Desk, today: Clock) -> None:
    option = product("B-2", 10, optional=True)
    won = desk.open("blue", product("A-1", 2), option)
    desk.make("blue")  # is not sent
    desk.wait(today, 15)  # it is one in the morning of the next day in Berlin
    lost = desk.open("green")
    assert desk.step(lost, "decline", by=desk.buyers["green"]).status == 200
    assert desk.accept("blue", won, won["lines"][1]["id"]).status == 200
    shown = desk.territory.owner.get("/v1/statistics/offers")
    assert shown.status == 200
    assert shown.json == {
        "from": "2026-10-23",
        "to": "2026-11-21",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "scope": "offers to all customers",
        "made": 2,
        "won": 1,
        "win_rate": 0.5,
        "value": euros(2500 + 990 + 590 + 2500 + 590),
        "won_value": euros(2500 + 990 + 590),
        "by_day": [
            {"date": "2026-11-20", "made": 1, "won": 1, "win_rate": 1.0, "value": euros(4080), "won_value": euros(4080)},
            {"date": "2026-11-21", "made": 1, "won": 0, "win_rate": 0.0, "value": euros(3090), "won_value": euros(0)},
        ],
    }
    desk.check()


def test_what_was_never_sent_is_not_counted_and_no_offer_has_no_rate(desk: Desk) -> None:
    draft = desk.make("blue")
    desk.step(draft, "withdraw")
    shown = desk.territory.owner.get("/v1/statistics/offers").json
    assert (shown["made"], shown["won"], shown["win_rate"], shown["value"], shown["by_day"]) == (0, 0, None, euros(0), [])
    assert stored("offer_statistics") == []


def test_an_offer_counts_once_as_it_was_sent_last(desk: Desk, today: Clock) -> None:
    offer = desk.open("blue")
    desk.wait(today, 24)
    edit = {"lines": [product("A-1", 5, id="L1")]}
    edited = desk.territory.owner.patch(f"/v1/offers/{offer['id']}", edit, etag=offer["etag"]).json
    assert figures(desk.territory.owner) == (1, 0, 3090, 0)
    assert desk.step(edited, "send").status == 200
    first_day = {"from": "2026-11-20", "to": "2026-11-20"}
    assert figures(desk.territory.owner) == figures(desk.territory.owner, **first_day) == (1, 0, 6250 + 590, 0)
    again = desk.territory.owner.get(f"/v1/offers/{offer['id']}").json
    assert desk.step(again, "withdraw").status == 200
    assert figures(desk.territory.owner, **first_day) == (1, 0, 6250 + 590, 0)
    desk.check(**first_day)
    desk.check()


def test_what_waits_for_approval_counts_once_it_is_approved(desk: Desk) -> None:
    rhea = desk.territory.rhea
    desk.territory.assign("blue", rhea)
    waiting = desk.step(desk.make("blue", product("A-1", 1, unit_price=euros(1)), by=rhea.client), "send", by=rhea.client).json
    assert waiting["status"] == "awaiting_approval"
    assert figures(desk.territory.owner) == (0, 0, 0, 0)
    assert desk.step(waiting, "approve", by=desk.territory.sven.client).status == 200
    assert figures(rhea.client) == figures(desk.territory.owner, sales_rep_id=rhea.id) == (1, 0, 591, 0)
    assert figures(desk.territory.sven.client, sales_rep_id=desk.territory.sven.id) == (0, 0, 0, 0)
    desk.check()


def test_everybody_is_shown_the_offers_it_may_know_of(desk: Desk) -> None:
    territory = desk.territory
    rhea, alma = territory.rhea, territory.alma
    territory.assign("blue", rhea)
    desk.open("blue", by=rhea.client)
    desk.open("green", by=alma.client)
    desk.open("red")
    assert figures(territory.owner)[0] == figures(territory.sven.client)[0] == 3
    assert [figures(rep.client)[0] for rep in territory.reps] == [1, 0, 1, 3]
    territory.assign("blue", territory.otto)
    assert [figures(rep.client)[0] for rep in territory.reps] == [0, 0, 1, 3]
    desk.check()
    territory.assign("blue", territory.otto, rhea)
    territory.switch("green", active=False)
    assert [figures(rep.client)[0] for rep in territory.reps] == [1, 0, 0, 2]
    assert figures(territory.owner)[0] == 3
    desk.check()


def test_others_offers_cannot_be_asked_for_by_whoever_sees_its_own_alone(desk: Desk) -> None:
    territory = desk.territory
    rival = open_shop(territory.owner.as_(None), "rival").owner
    unknown = territory.owner.get("/v1/statistics/offers", sales_rep_id="nobody")
    assert (unknown.status, unknown.code) == (404, "not_found")
    for caller, named in (
        (territory.rhea.client, territory.otto.id),
        (territory.alma.client, territory.rhea.id),
        (rival, territory.rhea.id),
        (territory.owner, territory.employees["blue"]),
        (territory.sven.client, ""),
    ):
        refused = caller.get("/v1/statistics/offers", sales_rep_id=named)
        assert (refused.status, refused.text) == (404, unknown.text)
    assert territory.rhea.client.get("/v1/statistics/offers", sales_rep_id=territory.rhea.id).status == 200
    blue = {"customer_id": territory.customers["blue"]}
    assert territory.rhea.client.get("/v1/statistics/offers", **blue).status == 404


def test_whose_offers_are_counted_is_said_in_words(desk: Desk) -> None:
    territory = desk.territory
    territory.assign("blue", territory.rhea)
    blue = {"customer_id": territory.customers["blue"]}
    for caller, query, words in (
        (territory.owner, {}, "all customers"),
        (territory.owner, {"sales_rep_id": territory.rhea.id}, "all customers made by Rhea"),
        (territory.sven.client, {}, "all active customers"),
        (territory.alma.client, {}, "all active customers made by you"),
        (territory.rhea.client, blue, "Blue Door made by you"),
    ):
        assert caller.get("/v1/statistics/offers", **query).json["scope"] == f"offers to {words}"


def test_no_more_than_a_year_is_shown(desk: Desk) -> None:
    for days in (
        {"from": "2025-11-19"},
        {"from": "2026-11-21", "to": "2026-11-20"},
        {"from": "0001-01-01", "to": "9999-12-31"},
    ):
        refused = desk.territory.owner.get("/v1/statistics/offers", **days)
        assert (refused.status, refused.code) == (422, "invalid_period"), refused.text
    desk.open("blue")
    with counted_calls() as calls:
        assert figures(desk.territory.owner, **{"from": "2025-11-20"})[0] == 1
    assert calls == ["BatchGetItem", *["Query"] * 5]
    with counted_calls() as calls:
        assert figures(desk.territory.rhea.client, **{"from": "2025-11-20"})[0] == 0
    assert calls == ["BatchGetItem", "Query"]


def test_an_offer_stays_on_its_day_whatever_time_zone_the_store_moves_to(desk: Desk, today: Clock) -> None:
    offer = desk.open("blue")
    desk.wait(today, 5)  # it is half past three in the morning of the next day in Auckland
    owner = desk.territory.owner
    moved = owner.patch("/v1/store", {"time_zone": "Pacific/Auckland"}, etag=owner.get("/v1/store").json["etag"])
    assert moved.status == 200, moved.text
    assert desk.accept("blue", offer).status == 200
    [day] = owner.get("/v1/statistics/offers").json["by_day"]
    assert (day["date"], day["made"], day["won"]) == ("2026-11-20", 1, 1)


def test_the_example_payload_is_answered(desk: Desk) -> None:
    desk.open("blue")
    reply = send_event("statistics/show_statistics.offers_of_november", TOKEN=desk.territory.owner.token)
    assert (reply.status, reply.json["made"], reply.json["from"]) == (200, 1, "2026-11-01")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_dies_leaves_offers_and_figures_equal(desk: Desk, when: Literal["before", "after"]) -> None:
    draft = desk.make("blue")
    send = partial(desk.step, draft, "send", key="send")
    accept = partial(desk.accept, "blue", draft, key="accept")
    for step, made, won in ((send, 1, 0), (accept, 1, 1)):
        with failing("TransactWriteItems", DOWN, when=when):
            assert step().status == 500
        desk.check(desk.territory.owner)
        assert step().status == 200
        assert step().headers["idempotent-replayed"] == "true"
        assert figures(desk.territory.owner)[:2] == (made, won)
        desk.check(desk.territory.owner)
    assert len(stored("order")) == 1
    assert len(stored("offer_version")) == 1


@dataclass
class _Days:
    """Whatever people do with offers, one thing after another, drawn at random."""

    desk: Desk
    draw: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def step(self) -> None:
        steps: list[Callable[[], Reply]] = [self.make, self.send, self.send, self.send, self.edit, self.accept, self.accept]
        steps += [self.move, self.ask, self.allocate, self.switch]
        chosen = self.draw.choice(steps)
        reply = chosen()
        assert reply.status in {200, 201, 401, 403, 404, 409, 412, 422, 500}, reply.text
        self.done[f"{chosen.__name__} {reply.status}"] += 1

    def ask(self) -> Reply:
        body = {"lines": [product("A-1", self.draw.randrange(1, 5))]}
        return self.desk.buyers[self._customer()].post("/v1/offers", body)

    def make(self) -> Reply:
        lines = [
            product("A-1", self.draw.randrange(1, 5), unit_price=euros(self.draw.choice([1250, 1250, 1]))),
            product("B-2", self.draw.randrange(1, 9), optional=True, selected=self.draw.random() < 0.5),
        ]
        customer = self.desk.territory.customers[self._customer()]
        body = {"customer_id": customer, "lines": lines, "valid_days": self.draw.choice([1, 30])}
        return self._caller().post("/v1/offers", body)

    def send(self) -> Reply:
        offer = self._offer({"draft", "requested", "awaiting_approval"})
        move = {"draft": "send", "requested": "take", "awaiting_approval": "approve"}.get(offer["status"], "extend")
        return self.desk.step(offer, move, by=self._caller(), key=f"send-{self.draw.random()}")

    def edit(self) -> Reply:
        offer = self._offer({"open"})
        edit = {"lines": [product("A-1", self.draw.randrange(1, 9), id=offer["lines"][0]["id"])]}
        return self.desk.territory.owner.patch(f"/v1/offers/{offer['id']}", edit, etag=offer["etag"])

    def accept(self) -> Reply:
        offer = self._offer({"open"})
        customer = next(name for name, each in self.desk.territory.customers.items() if each == offer["customer_id"])
        options = [line["id"] for line in offer["lines"] if line["optional"] and self.draw.random() < 0.5]
        return self.desk.accept(customer, offer, *options)

    def move(self) -> Reply:
        offer = self._offer({"open", "draft"})
        return self.desk.step(offer, self.draw.choice(["withdraw", "reject", "extend"]), by=self._caller())

    def allocate(self) -> Reply:
        reps = self.draw.sample(self.desk.territory.reps, self.draw.randrange(4))
        return self.desk.territory.assign(self._customer(), *reps)

    def switch(self) -> Reply:
        return self.desk.territory.switch(self._customer(), active=self.draw.random() < 0.8)

    def _customer(self) -> str:
        return self.draw.choice(list(self.desk.territory.customers))

    def _caller(self) -> Client:
        return self.draw.choice(self.desk.territory.callers)

    def _offer(self, liked: set[str]) -> dict[str, Any]:
        items = self.desk.territory.owner.get("/v1/offers", expand="lines", limit="100").json["items"]
        return dict(self.draw.choice([item for item in items if item["status"] in liked] or items))


@pytest.mark.parametrize("seed", [1])
def test_the_figures_of_everybody_are_what_their_offers_come_to(desk: Desk, today: Clock, seed: int) -> None:
    for customer in desk.buyers:
        desk.open(customer)
    days = _Days(desk, random.Random(seed))
    for number in range(1, STEPS + 1):
        desk.wait(today, days.draw.choice([0, 0, 0, 1, 7]))
        # Some are not carried out, and of some nobody is told that they are.
        fault = days.draw.choice([None, None, None, "before", "after"])
        with failing("TransactWriteItems", DOWN, when=fault or "before", times=1 if fault else 0):
            days.step()
        if number % CHECKED_EVERY == 0:
            desk.check(days._caller())
    desk.check()
    desk.check(**{"from": "2026-11-21", "to": "2026-11-22"})
    assert days.done.keys() >= {"make 201", "send 200", "edit 200", "accept 200", "ask 201"}, days.done
