"""Offers moved at random by everybody, held against a model of their own: who may do what, and what becomes of it.

The model is written from what the product promises, and knows nothing of the table that the functions follow.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.offering import Bargain, product
from tests.support.ordering import open_market, open_team
from tests.support.reps import allocate, hire
from tests.support.table import in_memory, records, stored
from tests.support.world import euros, open_shop
from tradepost.domain import clock

EXAMPLES: Final = 6
STEPS: Final = 30
MAX_OFFERS: Final = 3

BEGIN: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)
ZONE: Final = ZoneInfo("Europe/Berlin")
LISTED, LOWEST, SHIPPING, OPTION = 1250, 1125, 590, 99  # reps may go 10 % below the list
OFFER_DAYS: Final = 30

SEES_ALL: Final = ("owner", "supervisor")
REPS: Final = (
    "rhea",
    "nora",
    "alma",
    "otto",
    "supervisor",
)  # Rhea and Nora may be allocated, Alma sees all, Otto has another customer
STORE: Final = ("owner", *REPS)
CUSTOMER: Final = ("buyer", "acting")  # Rhea acts for the buyer
STRANGERS: Final = ("other_buyer", "rival")
EVERYBODY: Final = (*STORE, *CUSTOMER, *STRANGERS)

BY_STORE: Final = ("take", "edit", "send", "extend", "clone")
BY_APPROVERS: Final = ("approve", "reject")
BY_CUSTOMER: Final = ("accept", "decline", "request-extension")
ALL_STEPS: Final = (*BY_STORE, *BY_APPROVERS, *BY_CUSTOMER, "withdraw")
EVENTS: Final = {
    "take": "taken",
    "edit": "edited",
    "send": "sent",
    "approve": "approved",
    "reject": "rejected",
    "accept": "accepted",
    "decline": "declined",
    "withdraw": "withdrawn",
    "extend": "extended",
    "request-extension": "extension_requested",
    "expire": "expired",
}
TOLD_TO_CUSTOMERS: Final = frozenset(EVENTS.values()) - {"taken", "edited", "approved", "rejected"} | {"requested", "viewed"}

OPEN_TO_STORE: Final = {
    "requested": {"take"},
    "draft": {"send", "withdraw"},
    "awaiting_approval": {"withdraw"},
    "open": {"withdraw", "extend"},
    "expired": {"extend"},
}
OPEN_TO_CUSTOMER: Final = {
    "requested": {"withdraw"},
    "open": {"accept", "decline", "request-extension"},
    "expired": {"request-extension"},
}


@dataclass(frozen=True)
class Text:
    """What a version says: so many of A-1 at a price, and B-2 if one likes."""

    quantity: int
    price: int
    option: int = 0
    selected: bool = False

    def total(self, *, with_option: bool) -> int:
        """Return what it comes to."""
        return self.quantity * self.price + (self.option * OPTION if with_option else 0) + SHIPPING

    def lines(self) -> list[dict[str, Any]]:
        """Return it as it is sent."""
        option = [product("B-2", self.option, optional=True, selected=self.selected)] if self.option else []
        return [product("A-1", self.quantity, unit_price=euros(self.price)), *option]


@dataclass
class Deal:
    """The model of one offer."""

    id: str
    text: Text
    state: str
    owner: str | None = None
    requested: bool = False
    version: int = 1
    last_day: date | None = None
    sent: int = 0
    sent_text: Text | None = None
    sent_until: date | None = None
    extension: bool = False
    priced_by: set[str] = field(default_factory=set)
    choice: bool | None = None
    order_id: str | None = None
    etag: str = '"1"'
    versions: dict[int, Any] = field(default_factory=dict)
    history: list[Any] = field(default_factory=list)

    @property
    def ends(self) -> datetime:
        """When what was sent is over: the midnight after its last day, where the store is."""
        assert self.sent_until
        after = self.sent_until + timedelta(days=1)
        return datetime(after.year, after.month, after.day, tzinfo=ZONE).astimezone(UTC)

    def status(self, at: datetime) -> str:
        """Return its state: what is open expires by itself."""
        return "expired" if self.state == "open" and at >= self.ends else self.state


@dataclass(frozen=True)
class Draws:
    """What a step may need, drawn at random."""

    quantity: int
    price: int
    option: int
    selected: bool
    ahead: int
    version: int
    choice: str
    stale: bool


DRAWS: Final = st.builds(
    Draws,
    quantity=st.integers(1, 3),
    price=st.sampled_from([LISTED, LISTED, LOWEST, LOWEST - 1, 1]),
    option=st.sampled_from([0, 4]),
    selected=st.booleans(),
    ahead=st.sampled_from([-1, 0, 0, 1, 1, 2, 3]),
    version=st.sampled_from([0, 0, 0, 0, -1, 1]),
    choice=st.sampled_from(["default", "none", "all", "all", "all", "unknown", "fixed", "twice"]),
    stale=st.sampled_from([False] * 7 + [True]),
)
TAKEN: Final = st.just(Draws(2, LISTED, 4, selected=True, ahead=3, version=0, choice="all", stale=False))


@dataclass(frozen=True)
class World:
    """Everybody, and the table as it was when all of them had joined."""

    bargain: Bargain
    clients: dict[str, Client]
    ids: dict[str, str]
    employee: str
    rules: list[dict[str, Any]]
    memory: Any


def open_world(api: Client) -> World:
    """Let everybody join."""
    team = open_team(open_market(open_shop(api)))
    market, team_reps = team.market, {"rhea": team.rep, "otto": team.outsider, "alma": team.everywhere}
    reps = {**team_reps, "supervisor": team.supervisor, "nora": hire(market.shop, "Nora")}
    allocate(market.shop, market.customer, reps["rhea"], reps["nora"])
    team.limit(10)
    clients = {name: rep.client for name, rep in reps.items()}
    clients |= {"owner": market.owner, "buyer": market.buyer, "other_buyer": market.other_buyer, "rival": market.rival()}
    ids = {name: client.get("/v1/me").json["id"] for name, client in clients.items()}
    rules = market.owner.get("/v1/offer-transitions").json["items"]
    return World(Bargain(team), clients, ids, team.employee_id, rules, _memory())


def _memory() -> Any:
    """Return what is in the table, but for what nothing here asks for: moto copies all of it for every transaction."""
    left_out = {"audit", "outbox", "replay", "word", "limit", "throttle", "claim"}
    kept = {(record.pk, record.sk) for record in records() if record.entity not in left_out}
    items = copy.deepcopy(in_memory().items)
    for pk in list(items):
        items[pk] = {sk: item for sk, item in items[pk].items() if (item.hash_key.value, item.range_key.value) in kept}
    return items


class OfferMachine(RuleBasedStateMachine):
    """Whatever anybody does with offers, and what the model says of it."""

    def __init__(self, world: World, time: Clock, done: Counter[str]) -> None:
        """Begin where everybody has just joined. What is `done` is counted, over all that are begun."""
        super().__init__()
        self.world, self.time, self.done = world, time, done
        in_memory().items = copy.deepcopy(world.memory)
        time.at = BEGIN
        self.deals: list[Deal] = []
        self.allocated = {"rhea", "nora"}
        self.on_sale = True
        self.acting: Client | None = None
        self.acting_until = self.seen_at = BEGIN

    # What the model says

    @property
    def today(self) -> date:
        """Today, where the store is."""
        return self.time.at.astimezone(ZONE).date()

    def in_scope(self, who: str) -> bool:
        """Tell whether somebody has the customer in its scope."""
        if who in {"rhea", "nora"}:
            return who in self.allocated
        return who not in {"otto", *STRANGERS} and (who != "acting" or "rhea" in self.allocated)

    def sees(self, who: str, deal: Deal) -> bool:
        """Tell whether somebody knows of an offer."""
        if not self.in_scope(who):
            return False
        if who in CUSTOMER:
            return deal.requested or deal.sent > 0
        return who in SEES_ALL or deal.owner == who or deal.state == "requested"

    def open_to(self, who: str, deal: Deal) -> set[str]:
        """Return the moves of an offer that are somebody's to make now."""
        status = deal.status(self.time.at)
        if who in CUSTOMER:
            moves = OPEN_TO_CUSTOMER.get(status, set())
            return moves - {"request-extension"} if deal.extension else set(moves)
        moves = set(OPEN_TO_STORE.get(status, set()))
        if status == "awaiting_approval" and who in SEES_ALL:
            moves |= {"approve", "reject"} if who == "owner" or who not in deal.priced_by else {"reject"}
        return moves

    def refusals(self, who: str, step: str, deal: Deal, draws: Draws) -> set[tuple[int, str]]:
        """Return with what a step may be refused; nothing is a step that is taken."""
        if who == "acting" and not self.in_scope(who):
            return {(404, "not_found")}
        staff_only = step in BY_STORE and who in {*CUSTOMER, "other_buyer"}
        approvers_only = step in BY_APPROVERS and who not in {*SEES_ALL, "rival"}
        if staff_only or approvers_only or (step in BY_CUSTOMER and who not in {*CUSTOMER, "other_buyer"}):
            return {(403, "forbidden"), (403, "not_while_acting")}
        told_of_it = step == "take" and deal.requested and self.in_scope(who)
        if not told_of_it and not self.sees(who, deal):
            return {(404, "not_found")}
        found = set(self._misfits(who, step, deal, draws))
        if draws.stale and step != "clone" and (not found or step in {"edit", "accept"}):
            found.add((412, "stale"))
        return found

    def _misfits(self, who: str, step: str, deal: Deal, draws: Draws) -> Iterator[tuple[int, str]]:
        status = deal.status(self.time.at)
        open_to_edit = status in {"draft", "awaiting_approval", "open"}
        own = step == "approve" and status == "awaiting_approval" and who != "owner" and who in deal.priced_by
        asked_before = step == "request-extension" and status in {"open", "expired"} and deal.extension
        if own:
            yield 403, "own_offer"
        if step == "take" and deal.owner is not None:
            yield 409, "already_taken"
        elif asked_before:
            yield 409, "extension_requested_already"
        elif not own and step != "clone" and not (open_to_edit if step == "edit" else step in self.open_to(who, deal)):
            by_state = {"accepted": "already_accepted", "expired": "offer_expired"} if step == "accept" else {}
            yield 409, by_state.get(status, "invalid_transition")
        else:
            yield from self._unfit(step, deal, draws)

    def _unfit(self, step: str, deal: Deal, draws: Draws) -> Iterator[tuple[int, str]]:
        if step in {"send", "approve"} and deal.last_day and deal.last_day < self.today:
            yield 409, "validity_over"
        elif step == "extend" and draws.ahead < 0:
            yield 422, "validity_over"
        elif step == "extend" and deal.sent_until and self.today + timedelta(days=draws.ahead) <= deal.sent_until:
            yield 422, "not_an_extension"
        elif step == "accept":
            yield from self._unacceptable(deal, draws)

    def _unacceptable(self, deal: Deal, draws: Draws) -> Iterator[tuple[int, str]]:
        assert deal.sent_text
        if draws.version > 0:
            yield 422, "unknown_version"
        elif draws.version < 0 and deal.sent > 1:
            yield 409, "version_superseded"
        elif draws.choice in {"unknown", "fixed"}:
            yield 422, {"unknown": "unknown_line", "fixed": "line_not_optional"}[draws.choice]
        elif draws.choice == "twice" and deal.sent_text.option:
            yield 422, "duplicate_line"
        elif self.chooses_option(deal, draws) and not self.on_sale:
            yield 409, "product_unavailable"

    def chooses_option(self, deal: Deal, draws: Draws) -> bool:
        """Tell whether an acceptance takes the optional line."""
        assert deal.sent_text
        preselected = draws.choice == "default" and deal.sent_text.selected
        return bool(deal.sent_text.option) and (preselected or draws.choice == "all")

    # What people do

    @initialize(draws=DRAWS, who=st.sampled_from(["owner", "rhea", "alma", "supervisor", "buyer"]))
    def begin(self, draws: Draws, who: str) -> None:
        """Make the first offer, or ask for it."""
        self.make(who, draws)

    @precondition(lambda self: len(self.deals) < MAX_OFFERS)
    @rule(who=st.sampled_from(EVERYBODY), draws=DRAWS)
    def make(self, who: str, draws: Draws) -> None:
        """Make an offer, or ask for one."""
        client = self.client(who)
        if client is None:
            return
        text = Text(draws.quantity, draws.price, draws.option if self.on_sale else 0, draws.selected)
        last_day = self.today + timedelta(days=max(0, draws.ahead))
        if who in {*CUSTOMER, "other_buyer"}:
            text = Text(draws.quantity, LISTED)
            body: dict[str, Any] = {"lines": [product("A-1", text.quantity)], "message": "Soon, please"}
        else:
            body = {"lines": text.lines(), "valid_until": last_day.isoformat()}
        if who not in CUSTOMER:
            body["customer_id"] = self.world.bargain.market.customer["id"]
        reply = client.post("/v1/offers", body)
        if not self.in_scope(who):
            assert (reply.status, reply.code) == (404, "not_found"), reply.text
            return
        assert reply.status == 201, reply.text
        if who in CUSTOMER:
            deal = Deal(reply.json["id"], text, "requested", requested=True)
        else:
            deal = Deal(reply.json["id"], text, "draft", owner=who, last_day=last_day, priced_by={who})
        self.deals.append(deal)
        self.look(deal, who)

    @precondition(lambda self: self.deals)
    @rule(step=st.sampled_from(ALL_STEPS), who=st.sampled_from(EVERYBODY), number=st.integers(0, MAX_OFFERS - 1), draws=DRAWS)
    def try_anything(self, step: str, who: str, number: int, draws: Draws) -> None:
        """Try whatever anybody could think of."""
        self.perform(who, step, self.deals[number % len(self.deals)], draws)

    @precondition(lambda self: self.deals)
    @rule(data=st.data(), draws=DRAWS)
    def go_on(self, data: st.DataObject, draws: Draws) -> None:
        """Make a move that is somebody's to make, or edit what was sent; those that end an offer more seldom."""
        found = []
        for deal in self.deals:
            for who in (*STORE, *CUSTOMER):
                moves = self.open_to(who, deal) if self.sees(who, deal) else set()
                found += [(deal, who, step) for step in sorted(moves) * 2 if step not in {"withdraw", "decline"}]
                found += [(deal, who, step) for step in sorted(moves & {"withdraw", "decline"}) if len(deal.history) > 2]
            if deal.owner and self.sees(deal.owner, deal) and deal.status(self.time.at) in {"awaiting_approval", "open"}:
                found += [(deal, deal.owner, "edit")] * 3
        if found:
            # The number of steps goes into it, since numbers are drawn small more often than not.
            deal, who, step = found[(data.draw(st.integers(0, len(found) - 1)) + 7 * self.done.total()) % len(found)]
            self.perform(who, step, deal, draws)

    @precondition(lambda self: self.deals)
    @rule(data=st.data(), draws=TAKEN)
    def go_further(self, data: st.DataObject, draws: Draws) -> None:
        """Do so with what makes it succeed."""
        self.go_on(data, draws)

    @rule(
        what=st.sampled_from(["hours", "until_it_ends", "until_it_has_ended", "sale", "rhea+nora", "rhea", "nora", "nobody"]),
        hours=st.integers(1, 5),
    )
    def turn_of_events(self, what: str, hours: int) -> None:
        """Let time pass, allocate the customer to others, or stop selling B-2 or begin again."""
        if what == "sale":
            self.sell(on_sale=not self.on_sale)
        elif what == "hours" or what.startswith("until"):
            self.let_time_pass(hours, what)
        else:
            self.allocate([name for name in ("rhea", "nora") if name in what])

    def let_time_pass(self, hours: int, what: str) -> None:
        """Let hours pass; or wait for the last instant at which an offer holds, or the first at which it does not."""
        until = self.time.at + timedelta(hours=hours)
        soon = [deal.ends for deal in self.deals if deal.state == "open" and self.time.at < deal.ends]
        if soon and what != "hours" and min(soon) - self.time.at < timedelta(hours=60):
            until = min(soon) - timedelta(milliseconds=0 if what == "until_it_has_ended" else 1)
        while self.time.at < until:
            self.time.at = min(until, self.seen_at + timedelta(hours=10))
            if self.time.at < until:
                # Nobody is idle for so long that it has to log in again.
                self.seen_at = self.time.at
                assert {client.get("/v1/me").status for client in self.world.clients.values()} == {200}

    def allocate(self, reps: list[str]) -> None:
        """Allocate the customer to some reps."""
        bargain = self.world.bargain
        path = f"/v1/customers/{bargain.market.customer['id']}/account-manager"
        manager, further = (self.world.ids[reps[0]], [self.world.ids[rep] for rep in reps[1:]]) if reps else (None, [])
        reply = bargain.market.owner.put(path, {"sales_rep_id": manager, "further_sales_rep_ids": further}, etag="*")
        assert reply.status == 200, reply.text
        self.allocated = set(reps)

    def sell(self, *, on_sale: bool) -> None:
        """Stop selling B-2, or begin again."""
        owner, shop = self.world.bargain.market.owner, self.world.bargain.market.shop
        body = {"name": "Product B-2", "prices": {shop.tier_id: euros(OPTION)}, "active": on_sale}
        reply = owner.put("/v1/products/B-2", body, etag=owner.get("/v1/products/B-2").json["etag"])
        assert reply.status == 200, reply.text
        self.on_sale = on_sale

    def client(self, who: str) -> Client | None:
        """Return somebody's client; None where nobody can act for the buyer just now."""
        if who != "acting":
            return self.world.clients[who]
        if self.acting is None or self.time.at >= self.acting_until:
            whom = {"customer_id": self.world.bargain.market.customer["id"], "employee_id": self.world.employee}
            reply = self.world.clients["rhea"].post("/v1/acting-sessions", {**whom, "reason": "Asked by telephone"})
            assert reply.status == (201 if "rhea" in self.allocated else 404), reply.text
            self.acting = self.world.clients["rhea"].as_(reply.json["token"]) if reply.status == 201 else None
            self.acting_until = self.time.at + timedelta(minutes=25)
        return self.acting

    def perform(self, who: str, step: str, deal: Deal, draws: Draws) -> None:
        """Try a step as somebody, and hold what comes of it against the model."""
        client = self.client(who)
        if client is None or (step == "clone" and len(self.deals) >= MAX_OFFERS):
            return
        refusals = self.refusals(who, step, deal, draws)
        status = deal.status(self.time.at)
        reply = self.send(client, step, deal, draws)
        told = (who, step, status, draws, reply.text[:300])
        self.done[f"{step} {reply.code or 'done'}"] += 1
        if refusals:
            assert (reply.status, reply.code) in refusals, (refusals, *told)
            if reply.code == "already_taken":
                assert reply.json["owner"]["id"] == self.world.ids[deal.owner or ""], told
        else:
            assert reply.status == (201 if step == "clone" else 200), told
            self.carry_out(who, step, deal, draws, reply)
        self.look(deal, "owner")
        self.look(deal, who)
        self.look(deal, EVERYBODY[(len(deal.history) + draws.quantity + EVERYBODY.index(who)) % len(EVERYBODY)])

    def send(self, client: Client, step: str, deal: Deal, draws: Draws) -> Reply:
        """Send a step."""
        path, etag = f"/v1/offers/{deal.id}", '"99999"' if draws.stale else deal.etag
        if step == "edit":
            return client.patch(path, self.edit(deal, draws), etag=etag)
        bodies: dict[str, Callable[[], Any]] = {
            "accept": lambda: self.acceptance(deal, draws),
            "extend": lambda: {"valid_until": (self.today + timedelta(days=draws.ahead)).isoformat()},
        }
        headers = {} if step in {"clone", "take", "accept"} and not draws.stale else {"If-Match": etag}
        return client.post(f"{path}/{step}", bodies.get(step, lambda: None)(), headers=headers)

    def edit(self, deal: Deal, draws: Draws) -> dict[str, Any]:
        """Return a change of quantity, price and last day; the optional line stays as it is."""
        first, *rest = replace(deal.text, quantity=draws.quantity, price=draws.price).lines()
        lines = [{**first, "id": "L1"}, *({**line, "id": "L2"} for line in rest)]
        return {"lines": lines, "valid_until": (self.today + timedelta(days=max(0, draws.ahead))).isoformat()}

    def acceptance(self, deal: Deal, draws: Draws) -> dict[str, Any]:
        """Return the acceptance of a version with some lines."""
        option = ["L2"] if deal.sent_text and deal.sent_text.option else []
        choices = {"none": [], "all": option, "unknown": ["L99"], "fixed": ["L1"], "twice": [*option, *option]}
        chosen = {} if draws.choice == "default" else {"optional_lines": choices[draws.choice]}
        return {"version": max(1, (deal.sent or 1) + draws.version), **chosen}

    def carry_out(self, who: str, step: str, deal: Deal, draws: Draws, reply: Reply) -> None:
        """Do in the model what was done."""
        if step in {"take", "send"}:
            deal.priced_by |= {who}
        match step:
            case "take":
                deal.owner, deal.state, deal.last_day = who, "draft", self.today + timedelta(days=OFFER_DAYS)
            case "edit":
                self.do_edit(who, deal, draws)
            case "send" | "approve":
                self.do_send(deal, limited=step == "send" and who != "owner")
            case "accept":
                deal.state, deal.choice, deal.order_id = "accepted", self.chooses_option(deal, draws), reply.json["order_id"]
                self.look_at_order(deal)
            case "reject" | "decline" | "withdraw":
                deal.state = {"reject": "draft", "decline": "declined", "withdraw": "withdrawn"}[step]
            case "extend":
                deal.sent_until = deal.last_day = self.today + timedelta(days=draws.ahead)
                deal.extension = False
            case "request-extension":
                deal.extension = True
            case "clone":
                self.add_clone(who, deal, reply)

    def do_edit(self, who: str, deal: Deal, draws: Draws) -> None:
        """Change the model: what was sent stays as it is, and the next version begins."""
        text = replace(deal.text, quantity=draws.quantity, price=draws.price)
        last_day = self.today + timedelta(days=max(0, draws.ahead))
        if (text, last_day) != (deal.text, deal.last_day):
            deal.version += deal.sent == deal.version
            deal.text, deal.last_day, deal.state, deal.extension = text, last_day, "draft", False
            deal.priced_by |= {who}

    def do_send(self, deal: Deal, *, limited: bool) -> None:
        """Send the model, or let it wait for whoever may approve a price that was not agreed on before."""
        agreed = deal.sent_text is not None and deal.sent_text.price == deal.text.price
        if limited and deal.text.price < LOWEST and not agreed:
            deal.state = "awaiting_approval"
        else:
            deal.state, deal.sent, deal.sent_text, deal.sent_until = "open", deal.version, deal.text, deal.last_day
            deal.versions[deal.sent] = self.version(deal, deal.sent)

    def add_clone(self, who: str, deal: Deal, reply: Reply) -> None:
        """Take a copy into the model: what is not sold any more is text in it."""
        text = deal.text if self.on_sale else replace(deal.text, option=0, selected=False)
        last_day = self.today + timedelta(days=OFFER_DAYS)
        copied = Deal(reply.json["id"], text, "draft", owner=who, last_day=last_day, priced_by={who})
        self.deals.append(copied)
        self.look(copied, who)

    # What is looked at

    def look(self, deal: Deal, who: str) -> None:
        """Hold an offer as somebody sees it against the model."""
        client = self.client(who)
        if client is None:
            return
        reply = client.get(f"/v1/offers/{deal.id}")
        if not self.sees(who, deal):
            assert (reply.status, reply.code) == (404, "not_found"), (who, deal, reply.text)
            return
        assert reply.status == 200, reply.text
        self.compare(deal, who, reply.json)

    def compare(self, deal: Deal, who: str, shown: dict[str, Any]) -> None:
        """Hold what somebody is shown of an offer against the model."""
        status = deal.status(self.time.at)
        if who in CUSTOMER:
            status = "draft" if status == "awaiting_approval" else status
            version, text = deal.sent or deal.version, deal.sent_text or Text(deal.text.quantity, LISTED)
            assert {step["event"] for step in shown["history"]} <= TOLD_TO_CUSTOMERS
            assert (shown["approval"], shown["mail_to"]) == (None, None)
        else:
            version, text = deal.version, deal.text
            self.look_at_history(deal, shown["history"])
        assert (shown["status"], shown["version"]) == (status, version), (who, deal)
        assert set(shown["allowed_transitions"]) == self.open_to(who, deal), (who, deal)
        assert shown["editable"] == (who in STORE and status in {"draft", "awaiting_approval", "open"}), (who, deal)
        assert shown["order_id"] == deal.order_id
        if who not in CUSTOMER or deal.sent:
            with_option = text.selected if deal.choice is None else deal.choice
            assert shown["totals"]["total"] == euros(text.total(with_option=with_option and text.option > 0)), (who, deal)
        if who == "owner":
            deal.etag = shown["etag"]

    def look_at_history(self, deal: Deal, history: list[dict[str, Any]]) -> None:
        """See that it only grows, and that every step of it is one of the table's."""
        done = [step for step in history if step["event"] not in {"viewed", "expired"}]
        assert done[: len(deal.history)] == deal.history, deal
        deal.history = done
        before = None
        for step in done:
            assert step["from"] in {before, "expired" if before == "open" else before}, done
            before = step["to"]
            if step["from"] is None:
                assert (step["event"], step["to"]) in {("created", "draft"), ("requested", "requested")}
                continue
            [row] = [row for row in self.world.rules if EVENTS[row["step"]] == step["event"]]
            assert step["from"] in {*row["sources"], *row["by_buyer"]}, step
            assert step["to"] in (row["targets"] or [step["from"]]), step

    def version(self, deal: Deal, number: int) -> Any:
        """Return a version as it was sent."""
        reply = self.world.clients["owner"].get(f"/v1/offers/{deal.id}/versions/{number}")
        assert reply.status == 200, reply.text
        return reply.json

    def look_at_order(self, deal: Deal) -> None:
        """See that what was accepted was ordered, at the prices of the version."""
        assert deal.sent_text
        order = self.world.clients["buyer"].get(f"/v1/orders/{deal.order_id}").json
        sold = [("A-1", deal.sent_text.quantity, deal.sent_text.price)]
        sold += [("B-2", deal.sent_text.option, OPTION)] if deal.choice else []
        assert [(line["product_number"], line["quantity"], line["unit_price"]["amount"]) for line in order["lines"]] == sold
        assert sum(line["total"]["amount"] for line in order["lines"]) + SHIPPING == order["total"]["amount"]
        assert order["total"] == euros(deal.sent_text.total(with_option=bool(deal.choice)))
        assert (order["source"], order["offer_id"]) == ("offer", deal.id)

    def teardown(self) -> None:
        """See that everything is as the model says, for everybody."""
        for who in EVERYBODY:
            client = self.client(who)
            if client is None:
                continue
            listed = client.get("/v1/offers", limit="100")
            if who == "acting" and not self.in_scope(who):
                assert listed.status == 404
                continue
            items = {item["id"]: item for item in listed.json["items"]}
            assert items.keys() == {deal.id for deal in self.deals if self.sees(who, deal)}
            for deal in self.deals:
                if deal.id in items:
                    self.compare(deal, who, items[deal.id])
        for deal in self.deals:
            assert {number: self.version(deal, number) for number in deal.versions} == deal.versions
        kept = {offer["id"]: offer["status"] for offer in stored("offer")}
        assert kept == {deal.id: deal.state for deal in self.deals}
        assert sorted(order["offer_id"] for order in stored("order")) == sorted(deal.id for deal in self.deals if deal.order_id)
        assert len(records("offer_version")) == sum(len(deal.versions) for deal in self.deals)
        figures = self.world.clients["owner"].get("/v1/statistics/offers").json
        assert figures["made"] == sum(deal.sent > 0 for deal in self.deals)
        assert figures["won"] == sum(deal.state == "accepted" for deal in self.deals)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the functions see."""
    stopped = Clock(BEGIN)
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@cache
def _opened(api: Client) -> World:
    return open_world(api)


def test_whatever_anybody_does_an_offer_is_what_the_model_says(api: Client, today: Clock) -> None:
    world = _opened(api)
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # what fails is reported as it was found: making it shorter takes minutes
        suppress_health_check=list(HealthCheck),
    )
    done = Counter[str]()
    run_state_machine_as_test(lambda: OfferMachine(world, today, done), settings=bounds)
    assert {name for name in done if name.endswith(" done")} >= {"send done", "edit done", "accept done"}, done
