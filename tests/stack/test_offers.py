"""Many people move an offer at the same moment, on a deployed stack: one of them does, and there is one order or none."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from tests.support.deployed import Deployed, at_once
from tests.support.functions import Reply
from tests.support.offering import Bargain, product
from tests.support.ordering import Team, open_market
from tests.support.territory import open_territory
from tests.support.world import Shop, euros

pytestmark = pytest.mark.stack

ROUNDS = 3


@pytest.fixture
def bargain(shop: Shop) -> Bargain:
    """A market with sales reps who make offers to its buyer."""
    territory = open_territory(open_market(shop))
    assert territory.assign("blue", territory.rhea, territory.otto).status == 200
    return Bargain(Team(territory.market, territory.employees["blue"], *territory.reps))


def test_of_those_who_take_a_request_at_once_one_does_and_the_others_are_told_who(bargain: Bargain, deployed: Deployed) -> None:
    team = bargain.team
    reps = [team.rep, team.outsider, team.everywhere, team.supervisor]
    for _ in range(ROUNDS):
        request = bargain.ask()

        replies = at_once(partial(rep.client.post, f"/v1/offers/{request['id']}/take") for rep in reps)

        assert outcomes(replies) == {(200, ""): 1, (409, "already_taken"): 3}, replies
        [winner] = [rep for rep, reply in zip(reps, replies, strict=True) if reply.status == 200]
        assert {reply.json["owner"]["id"] for reply in replies if reply.status == 409} == {winner.id}
        kept = one(deployed, bargain, request)
        assert (kept["owner"]["id"], [step["event"] for step in kept["history"]]) == (winner.id, ["requested", "taken"])


def test_an_offer_that_is_accepted_by_many_at_once_is_ordered_once(bargain: Bargain, deployed: Deployed) -> None:
    for number in range(ROUNDS):
        offer = bargain.open()
        bodies = [{"version": 1, "optional_lines": [offer["lines"][1]["id"]] if index % 2 else []} for index in range(8)]

        replies = at_once(partial(bargain.buyer.post, f"/v1/offers/{offer['id']}/accept", body) for body in bodies)

        assert outcomes(replies) == {(200, ""): 1, (409, "already_accepted"): 7}, replies
        assert len({reply.json["order_id"] for reply in replies}) == 1
        [order] = orders_of(deployed, bargain, offer)
        [won] = [body for body, reply in zip(bodies, replies, strict=True) if reply.status == 200]
        assert len(order["lines"]) == 1 + len(won["optional_lines"])
        assert figures(bargain) == (number + 1, number + 1)


def test_one_acceptance_sent_many_times_is_carried_out_once(bargain: Bargain, deployed: Deployed) -> None:
    offer = bargain.open()
    accept = partial(bargain.buyer.post, f"/v1/offers/{offer['id']}/accept", {"version": 1}, key="the-same")

    replies = at_once([accept] * 8)

    assert outcomes(replies) == {(200, ""): 8}, replies
    assert len({reply.text for reply in replies}) == 1
    assert len(orders_of(deployed, bargain, offer)) == 1


def test_a_version_that_is_being_replaced_is_accepted_or_replaced_but_never_both(bargain: Bargain, deployed: Deployed) -> None:
    for number in range(1, 2 * ROUNDS + 1):
        offer = bargain.open()

        edited, accepted = at_once(
            [partial(replace, bargain, offer), partial(bargain.buyer.post, f"/v1/offers/{offer['id']}/accept", {"version": 1})]
        )

        kept, orders = one(deployed, bargain, offer), orders_of(deployed, bargain, offer)
        if accepted.status == 200:
            assert edited.code in {"stale", "invalid_transition"}, edited
            assert (kept["status"], kept["sent"]["number"], len(orders)) == ("accepted", 1, 1), number
            assert orders[0]["lines"][0]["unit_price"] == euros(1250)
        else:
            assert accepted.code in {"version_superseded", "invalid_transition"}, accepted
            assert (edited.status, kept["status"], kept["sent"]["number"], orders) == (200, "open", 2, [])
            assert bargain.accept(edited.json).status == 200
            [order] = orders_of(deployed, bargain, offer)
            assert order["lines"][0]["unit_price"] == euros(1200)
        assert figures(bargain) == (number, number)


def test_of_those_who_approve_or_reject_an_offer_at_once_one_does(bargain: Bargain, deployed: Deployed) -> None:
    approvers = [bargain.market.owner, bargain.team.supervisor.client]
    for _ in range(ROUNDS):
        offer = bargain.open(product("A-1", 1, unit_price=euros(1)))
        assert offer["status"] == "awaiting_approval"
        steps = [(by, step) for by in approvers for step in ("approve", "reject")] * 2

        replies = at_once(partial(bargain.step, offer, step, by=by) for by, step in steps)

        assert outcomes(replies).pop((200, "")) == 1, replies
        assert {reply.code for reply in replies if reply.status != 200} <= {"stale", "invalid_transition"}, replies
        [won] = [reply.json for reply in replies if reply.status == 200]
        kept = one(deployed, bargain, offer)
        assert (kept["status"], len(kept["history"])) == (won["status"], 3)
        assert (kept["sent"] is not None) == (won["status"] == "open")


def test_what_is_taken_off_the_market_at_that_moment_is_ordered_or_refused(bargain: Bargain, deployed: Deployed) -> None:
    owner = bargain.market.owner
    for number in range(ROUNDS):
        bargain.market.shop.add_product(f"GONE-{number}", 1000)
        offer = bargain.open(product(f"GONE-{number}", 2))
        path = f"/v1/products/{offer['lines'][0]['product_number']}"
        etag = owner.get(path).json["etag"]

        deleted, accepted = at_once(
            [
                partial(owner.delete, path, etag=etag),
                partial(bargain.buyer.post, f"/v1/offers/{offer['id']}/accept", {"version": 1}),
            ]
        )

        assert deleted.status == 204
        kept, orders = one(deployed, bargain, offer), orders_of(deployed, bargain, offer)
        if accepted.status == 200:
            assert (kept["status"], [order["id"] for order in orders]) == ("accepted", [accepted.json["order_id"]])
        else:
            assert (accepted.status, accepted.code) == (409, "product_unavailable"), accepted
            assert accepted.json["product_numbers"] == [f"GONE-{number}"]
            assert (kept["status"], orders) == ("open", [])


def replace(bargain: Bargain, offer: dict[str, Any]) -> Reply:
    """Edit an offer and send its next version."""
    lines = [product("A-1", 2, unit_price=euros(1200), id=offer["lines"][0]["id"])]
    edited = bargain.market.owner.patch(f"/v1/offers/{offer['id']}", {"lines": lines}, etag=offer["etag"])
    return edited if edited.status != 200 else bargain.step(edited.json, "send", by=bargain.market.owner)


def outcomes(replies: Iterable[Reply]) -> Counter[tuple[int, str]]:
    """Count how requests were answered."""
    return Counter((reply.status, reply.code or "") for reply in replies)


def one(deployed: Deployed, bargain: Bargain, offer: dict[str, Any]) -> dict[str, Any]:
    """Return an offer as it is kept."""
    [kept] = [item for item in deployed.stored("offer", bargain.market.shop.slug) if item["id"] == offer["id"]]
    return kept


def orders_of(deployed: Deployed, bargain: Bargain, offer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was ordered of an offer."""
    return [item for item in deployed.stored("order", bargain.market.shop.slug) if item["offer_id"] == offer["id"]]


def figures(bargain: Bargain) -> tuple[int, int]:
    """Return how many offers count as made, and as won."""
    shown = bargain.market.owner.get("/v1/statistics/offers").json
    return shown["made"], shown["won"]
