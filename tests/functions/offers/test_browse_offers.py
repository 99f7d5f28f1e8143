"""GET /v1/offers: each sees what it may know of, as it stands now, and customers never how its prices came about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.offering import Bargain, product
from tests.support.ordering import send_event
from tests.support.reps import allocate
from tests.support.table import counted_calls, stored
from tests.support.world import euros
from tradepost.domain.offer_transitions import TRANSITIONS

BEGUN = datetime(2036, 11, 23, 10, 0, tzinfo=UTC)


def listed(client: Client, **query: str) -> list[str]:
    """Return the ids of a list, page by page where it has several."""
    ids: list[str] = []
    while True:
        reply = client.get("/v1/offers", **query)
        assert reply.status == 200, reply.text
        ids += [offer["id"] for offer in reply.json["items"]]
        if reply.json["next_cursor"] is None:
            return ids
        query["cursor"] = reply.json["next_cursor"]


def ids(*offers: dict[str, Any]) -> list[str]:
    """Return the ids of offers that were begun in this order as a list has them: the newest first."""
    return [offer["id"] for offer in reversed(offers)]


def test_each_sees_the_offers_it_may_know_of_in_lists_and_one_by_one(bargain: Bargain, time: Clock) -> None:
    team, owner = bargain.team, bargain.market.owner
    offers: dict[str, dict[str, Any]] = {}
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "draft": bargain.make,
        "open": bargain.open,
        "requested": bargain.ask,
        "by_supervisor": lambda: bargain.open(by=team.supervisor.client),
        "by_everywhere": lambda: bargain.make(by=team.everywhere.client),
        "elsewhere": lambda: bargain.open(by=team.outsider.client, customer_id=bargain.market.other_customer["id"]),
        "waiting": lambda: bargain.open(product("A-1", 1, unit_price=euros(1))),
    }
    for name, make in made.items():
        time.advance(seconds=1)
        offers[name] = make()
    everything = list(offers)
    may = {
        owner: everything,
        team.supervisor.client: everything,
        bargain.rep.client: ["draft", "open", "requested", "waiting"],
        team.everywhere.client: ["requested", "by_everywhere"],
        team.outsider.client: ["elsewhere"],
        bargain.buyer: ["open", "requested", "by_supervisor"],
        bargain.acting(): ["open", "requested", "by_supervisor"],
        bargain.market.other_buyer: ["elsewhere"],
        bargain.market.rival(): [],
    }
    for client, names in may.items():
        assert listed(client) == ids(*(offers[name] for name in names))
        missing = client.get("/v1/offers/nothing")
        for name, offer in offers.items():
            reply = client.get(f"/v1/offers/{offer['id']}")
            assert (name, reply.status) == (name, 200 if name in names else 404)
            if name not in names:
                assert reply.text == client.get(f"/v1/offers/{offer['id']}/versions/1").text == missing.text


def test_what_is_offered_to_a_customer_leaves_the_scope_with_it_and_comes_back_with_it(bargain: Bargain) -> None:
    offer = bargain.make()
    bargain.team.assign(None)
    assert listed(bargain.rep.client) == []
    missing = bargain.rep.client.get("/v1/offers/nothing")
    gone = bargain.rep.client.get(f"/v1/offers/{offer['id']}")
    assert (gone.status, gone.text) == (404, missing.text)
    for reply in (bargain.step(offer, "send"), bargain.edit(offer, header_text="x"), bargain.step(offer, "withdraw")):
        assert (reply.status, reply.code) == (404, "not_found")
    assert bargain.rep.client.post(f"/v1/offers/{offer['id']}/clone").status == 404
    allocate(bargain.market.shop, bargain.market.customer, bargain.team.outsider)
    # Whoever looks after it now does not see what another one drafted.
    assert listed(bargain.team.outsider.client) == []
    bargain.team.assign(bargain.rep)
    assert listed(bargain.rep.client) == ids(offer)
    assert bargain.moved(offer, "send")["status"] == "open"


def test_customers_are_never_told_how_the_prices_came_about(bargain: Bargain) -> None:
    offer = bargain.open()
    cheap = bargain.edited(offer, lines=[product("A-1", 2, unit_price=euros(1))], mail_cc="secret@store.test")
    waiting = bargain.moved(cheap, "send", body={"note": "Is that fine?"})
    assert waiting["approval"]["required_by"][0]["pointer"] == "/lines/0/unit_price"
    for client in (bargain.buyer, bargain.acting()):
        seen = bargain.seen(offer, by=client)
        assert (seen["status"], seen["approval"], seen["mail_to"], seen["mail_cc"]) == ("draft", None, None, None)
        assert (seen["version"], seen["editable"], seen["allowed_transitions"]) == (1, False, [])
        for move in ("accept", "decline", "request-extension", "withdraw"):
            body = {"version": 1} if move == "accept" else None
            refused = client.post(f"/v1/offers/{offer['id']}/{move}", body, headers={"If-Match": "*"})
            assert (refused.status, refused.code, refused.json["offer_status"]) == (409, "invalid_transition", "draft")
            assert "approv" not in refused.text
        for status in ("draft", "awaiting_approval"):
            assert listed(client, status=status) == ids(offer)
            assert "awaiting" not in client.get("/v1/offers", status=status, expand="lines").text
    assert listed(bargain.rep.client, status="awaiting_approval") == ids(offer)
    assert listed(bargain.rep.client, status="draft") == []
    approved = bargain.moved(waiting, "approve", by=bargain.market.owner, body={"note": "Never again"})
    seen = bargain.seen(offer, by=bargain.buyer)
    assert [step["event"] for step in seen["history"]].count("sent") == 2
    assert "Never again" not in str(seen)
    assert "awaiting" not in str(seen)
    assert "Is that fine?" not in str(seen)
    assert approved["history"][-1]["note"] == "Never again"


def test_that_customers_looked_is_noted_once_for_each_person_and_version(bargain: Bargain, time: Clock) -> None:
    offer = bargain.open()
    with counted_calls() as calls:
        time.advance(minutes=1)
        first = bargain.seen(offer, by=bargain.buyer)
    assert calls == ["BatchGetItem", "UpdateItem"]
    with counted_calls() as calls:
        time.advance(minutes=1)
        again = bargain.seen(offer, by=bargain.buyer)
    assert (again, calls) == (first, ["BatchGetItem"])
    assert first["etag"] == offer["etag"]
    time.advance(minutes=1)
    bargain.seen(offer, by=bargain.acting())
    bargain.seen(offer, by=bargain.market.owner)
    views = [step for step in bargain.seen(offer)["history"] if step["event"] == "viewed"]
    assert [(view["actor"]["id"], view["subject"]["id"], view["version"]) for view in views] == [
        (bargain.team.employee_id, bargain.team.employee_id, 1),
        (bargain.rep.id, bargain.team.employee_id, 1),
    ]
    resent = bargain.moved(bargain.edited(offer, header_text="Anew"), "send")
    time.advance(minutes=1)
    bargain.seen(offer, by=bargain.buyer)
    views = [step for step in bargain.seen(resent)["history"] if step["event"] == "viewed"]
    assert [view["version"] for view in views] == [1, 1, 2]
    # What nobody has sent yet, nobody has seen.
    request = bargain.ask()
    bargain.seen(request, by=bargain.buyer)
    assert [step["event"] for step in bargain.seen(request)["history"]] == ["requested"]


def test_a_choice_of_options_is_worked_out_and_changes_nothing(bargain: Bargain) -> None:
    bargain.market.shop.add_product("C-3", 500)
    offer = bargain.open(
        product("A-1", 1),
        product("B-2", 1, optional=True, selected=True),
        product("C-3", 2, optional=True),
        {"kind": "subtotal"},
    )
    path = f"/v1/offers/{offer['id']}"
    bargain.buyer.get(path)
    before = stored()
    for chosen, total in (("", 1250), ("L2", 1349), ("L3", 2250), ("L2,L3", 2349), ("L3,L2", 2349)):
        seen = bargain.buyer.get(path, optional_lines=chosen).json
        assert (seen["totals"]["subtotal"], seen["lines"][3]["total"]) == (euros(total), euros(total))
        assert [line["id"] for line in seen["lines"] if line["optional"] and line["selected"]] == sorted(
            filter(None, chosen.split(","))
        )
    assert bargain.buyer.get(path).json["totals"]["subtotal"] == euros(1349)
    for chosen, code in (
        ("L9", "unknown_line"),
        ("L1", "line_not_optional"),
        ("L4", "line_not_optional"),
        ("L2,L2", "duplicate_line"),
    ):
        reply = bargain.buyer.get(path, optional_lines=chosen)
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, code, "?optional_lines")
    assert bargain.buyer.get(path, optional_lines="x" * 2001).status == 422
    assert stored() == before


def test_a_list_is_filtered_by_what_an_offer_is_and_whose(bargain: Bargain, time: Clock) -> None:
    time.at = BEGUN
    first = bargain.open(by=bargain.login(bargain.rep), valid_until="2036-11-24")
    time.at = BEGUN + timedelta(days=1)
    owner, supervisor = bargain.market.login(owner=True), bargain.login(bargain.team.supervisor)
    second = bargain.make(product("B-2", 5), by=supervisor)
    elsewhere = bargain.make(by=owner, customer_id=bargain.market.other_customer["id"])
    everything = ids(first, second, elsewhere)
    for query, found in (
        ({}, everything),
        ({"customer_id": bargain.market.customer["id"]}, ids(first, second)),
        ({"customer_id": "nothing"}, []),
        ({"owner_id": bargain.rep.id}, ids(first)),
        ({"owner_id": "nobody"}, []),
        ({"owner_id": bargain.team.supervisor.id, "status": "draft"}, ids(second)),
        ({"status": "draft"}, ids(second, elsewhere)),
        ({"status": "open"}, ids(first)),
        ({"status": "expired"}, []),
        ({"from": "2036-11-24"}, ids(second, elsewhere)),
        ({"to": "2036-11-23"}, ids(first)),
        ({"from": "2036-11-23", "to": "2036-11-24"}, everything),
        ({"from": "2036-11-25"}, []),
        ({"q": "blue"}, ids(first, second)),
        ({"q": "GREEN gat"}, ids(elsewhere)),
        ({"q": "b-2 blue"}, ids(first, second)),
        ({"q": "product A-1"}, ids(first, elsewhere)),
        ({"q": second["number"]}, ids(second)),
        ({"q": "zeppelin"}, []),
        ({"q": "blue", "status": "draft", "from": "2036-11-24"}, ids(second)),
    ):
        assert (query, listed(owner, **query)) == (query, found)
    for query in ({}, {"q": "blue"}, {"status": "draft"}):
        assert listed(owner, **query, limit="1") == listed(owner, **query)
    assert listed(bargain.login(bargain.team.supervisor), q="a-1", limit="1") == ids(first, elsewhere)
    # What is open expires by itself.
    time.at = datetime(2036, 11, 24, 23, 0, tzinfo=UTC)
    owner = bargain.market.login(owner=True)
    assert (listed(owner, status="open"), listed(owner, status="expired")) == ([], ids(first))
    (seen,) = owner.get("/v1/offers", status="expired").json["items"]
    assert (seen["status"], seen["history"][-1]["event"], seen["history"][-1]["at"]) == (
        "expired",
        "expired",
        seen["expires_at"],
    )
    assert seen["history"][-1]["actor"]["type"] == "system"
    (kept,) = [offer for offer in stored("offer") if offer["id"] == first["id"]]
    assert (kept["status"], len(kept["history"])) == ("open", 2)


def test_a_filter_shows_nobody_what_it_may_not_see(bargain: Bargain) -> None:
    bargain.make()
    offer = bargain.open()
    others = bargain.market.other_customer["id"]
    theirs = bargain.open(by=bargain.team.outsider.client, customer_id=others)
    for client in (bargain.buyer, bargain.rep.client, bargain.acting()):
        assert listed(client, customer_id=others) == []
        assert listed(client, q="green") == []
        assert listed(client, owner_id=bargain.team.outsider.id) == []
    assert listed(bargain.buyer, q="blue", owner_id=bargain.rep.id) == ids(offer)
    assert listed(bargain.market.other_buyer, q="a-1") == ids(theirs)


def test_a_query_that_is_none_is_refused(bargain: Bargain) -> None:
    for query, status in (
        ({"status": "lost"}, 422),
        ({"limit": "0"}, 422),
        ({"limit": "101"}, 422),
        ({"from": "soon"}, 422),
        ({"to": "2026-02-30"}, 422),
        ({"from": "2036-12-01", "to": "2036-11-01"}, 422),
        ({"expand": "history"}, 422),
        ({"q": "x" * 201}, 422),
        ({"cursor": "nonsense"}, 400),
    ):
        assert (query, bargain.rep.client.get("/v1/offers", **query).status) == (query, status)


def test_a_cursor_is_good_for_its_list_alone(bargain: Bargain) -> None:
    bargain.open()
    bargain.open()
    cursor = bargain.market.owner.get("/v1/offers", limit="1").json["next_cursor"]
    assert cursor
    for client, query in (
        (bargain.market.owner, {"status": "open"}),
        (bargain.team.supervisor.client, {}),
        (bargain.rep.client, {}),
        (bargain.buyer, {}),
        (bargain.market.rival(), {}),
    ):
        assert client.get("/v1/offers", cursor=cursor, **query).status == 400
    assert len(bargain.market.owner.get("/v1/offers", cursor=cursor).json["items"]) == 1


def test_lines_are_in_a_list_if_they_are_asked_for(bargain: Bargain) -> None:
    offer = bargain.open(valid_until="2030-01-01")
    (brief,) = bargain.rep.client.get("/v1/offers").json["items"]
    assert (brief["lines"], brief["line_count"], brief["totals"]) == (None, 2, offer["totals"])
    (full,) = bargain.rep.client.get("/v1/offers", expand="lines").json["items"]
    assert full == bargain.seen(offer)
    found = send_event("offers/browse_offers.open_in_november", TOKEN=bargain.market.owner.token)
    assert (found.status, found.json["next_cursor"]) == (200, None)


def test_a_page_costs_the_same_however_many_offers_there_are(bargain: Bargain) -> None:
    for _ in range(4):
        bargain.make()
    with counted_calls() as calls:
        assert len(bargain.market.owner.get("/v1/offers", limit="2", q="blue").json["items"]) == 2
    assert calls == ["BatchGetItem", "Query"]
    with counted_calls() as calls:
        assert len(bargain.rep.client.get("/v1/offers", limit="2").json["items"]) == 2
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]


def test_the_steps_are_served_as_they_are_decided_by(bargain: Bargain) -> None:
    items = bargain.buyer.get("/v1/offer-transitions").json["items"]
    assert [item["step"] for item in items] == list(TRANSITIONS)
    by_step = {item["step"]: item for item in items}
    assert by_step["send"] == {
        "step": "send",
        "sources": ["draft"],
        "by_buyer": [],
        "targets": ["open", "awaiting_approval"],
        "needs": "offers:process",
    }
    assert (by_step["accept"]["sources"], by_step["accept"]["by_buyer"]) == ([], ["open"])
    assert by_step["expire"]["needs"] is None


def test_customers_find_offers_by_what_they_were_told_and_not_by_what_is_in_the_making(bargain: Bargain) -> None:
    offer = bargain.open(product("A-1"))
    bargain.edited(offer, lines=[product("B-2")])

    def found(by: Client, words: str) -> list[str]:
        return [each["id"] for each in by.get("/v1/offers", q=words).json["items"]]

    assert (found(bargain.buyer, "A-1"), found(bargain.buyer, "B-2")) == ([offer["id"]], [])
    assert (found(bargain.rep.client, "A-1"), found(bargain.rep.client, "B-2")) == ([], [offer["id"]])
