"""The store sees all its resellers, and each of them itself: another store's, and the rules' findings, are none of theirs."""

import pytest

from tests.conftest import Clock
from tests.support.faults import meanwhile
from tests.support.ordering import send_event
from tests.support.resellers import ADDRESS, EMAIL, Resale, announce, decide, enrolled, write_rule
from tests.support.table import counted_calls, stored
from tests.support.world import open_shop
from tradepost.domain.resellers import Reseller


def companies(resale: Resale, **query: str) -> list[str]:
    """Return which companies a list shows."""
    return [each["company"] for each in resale.owner.get("/v1/resellers", **query).json["items"]]


def test_an_application_is_shown_as_it_was_made(resale: Resale, time: Clock) -> None:
    reseller_id = enrolled("acme", tax_id="DE123", answers={"Where do you sell?": "Online"})
    shown = resale.show(reseller_id)
    assert (shown["company"], shown["contact"]) == ("Resell & Sons", {"name": "Rea Sell", "email": EMAIL})
    assert shown["address"] == ADDRESS.model_dump(mode="json")
    assert (shown["tax_id"], shown["answers"]) == ("DE123", {"Where do you sell?": "Online"})
    assert (shown["status"], shown["customer_id"], shown["channel_id"]) == ("pending", None, None)
    assert (shown["decided_by"], shown["reason"], shown["trace"], shown["activated_at"]) == (None, None, None, None)
    assert shown["enrolled_at"] == shown["confirmed_at"] == shown["history"][0]["at"]
    assert shown["allowed_transitions"] == ["approve", "deny"]
    assert (shown["etag"], resale.owner.get(f"/v1/resellers/{reseller_id}").headers["etag"]) == ('"1"', '"1"')


def test_the_list_shows_who_enrolled_last_first_and_nobody_whose_address_is_not_confirmed(resale: Resale, time: Clock) -> None:
    for number, status in enumerate(["pending", "unconfirmed", "denied", "pending"]):
        time.advance(minutes=1)
        enrolled("acme", f"r{number}@resell.test", company=f"Company {number}", status=status)
    assert companies(resale) == ["Company 3", "Company 2", "Company 0"]
    assert companies(resale, status="unconfirmed") == ["Company 1"]
    assert companies(resale, status="denied") == ["Company 2"]
    reply = send_event("resellers/browse_resellers.pending", TOKEN=resale.owner.token)
    assert [each["company"] for each in reply.json["items"]] == ["Company 3", "Company 0"]
    assert resale.owner.get("/v1/resellers", status="gone").status == 422


def test_the_list_is_filtered_by_channel_and_by_words(resale: Resale) -> None:
    other = resale.add_channel("Marketplaces")
    resale.approved("one@resell.test", channel_id=resale.channel_id)
    resale.approved("two@market.test", channel_id=other)
    enrolled("acme", "three@resell.test", company="Çelik Özdemir", tax_id="TR99")
    assert len(companies(resale)) == 3
    assert [each["channel_id"] for each in resale.owner.get("/v1/resellers", channel_id=other).json["items"]] == [other]
    assert companies(resale, q="celik") == companies(resale, q="TR99") == companies(resale, q="ozd cel") == ["Çelik Özdemir"]
    assert len(companies(resale, q="market.test", status="approved")) == 1
    assert companies(resale, q="market.test", status="pending") == companies(resale, q="?!") == []


def test_pages_follow_each_other_by_cursors_that_fit_no_other_list(resale: Resale, time: Clock) -> None:
    for number in range(5):
        time.advance(minutes=1)
        enrolled("acme", f"r{number}@resell.test", company=f"Company {number}")
    for query in ({}, {"status": "pending"}):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            paged = {**query, "limit": "2", **({"cursor": cursor} if cursor else {})}
            with counted_calls() as calls:
                page = resale.owner.get("/v1/resellers", **paged).json
            assert calls == ["BatchGetItem", "Query"]
            seen += [each["company"] for each in page["items"]]
            cursor = page["next_cursor"]
        assert seen == [f"Company {number}" for number in (4, 3, 2, 1, 0)]
    cursor = resale.owner.get("/v1/resellers", limit="2").json["next_cursor"]
    assert resale.owner.get("/v1/resellers", limit="2", status="pending", cursor=cursor).code == "invalid_cursor"


def test_another_store_sees_none_of_it(resale: Resale) -> None:
    rival = open_shop(resale.owner.as_(None), "rival").owner
    reseller_id = enrolled("acme")
    assert rival.get("/v1/resellers").json["items"] == []
    known, unknown = rival.get(f"/v1/resellers/{reseller_id}"), rival.get("/v1/resellers/nothing")
    assert (known.status, known.text) == (404, unknown.text)


def test_a_reseller_sees_itself_without_what_the_rules_found_and_no_other(resale: Resale) -> None:
    resale.set_store(auto_approve_resellers=True)
    write_rule("acme", "review", {"field": "company", "op": "eq", "value": "Resell & Sons"}, reason="Secretly doubtful")
    reseller_id = enrolled("acme")
    decide(announce("acme", reseller_id))
    resale.decide(reseller_id, "approve", reason="Fine")
    other = resale.approved("other@resell.test")["id"]
    buyer = resale.login()
    shown = buyer.get(f"/v1/resellers/{reseller_id}").json
    assert (shown["status"], shown["channel_id"], shown["reason"]) == ("approved", resale.channel_id, "Fine")
    assert (shown["trace"], shown["allowed_transitions"]) == (None, [])
    assert [(step["from"], step["to"], step["rule_id"]) for step in shown["history"]] == [
        ("unconfirmed", "pending", None),
        ("pending", "approved", None),
    ]
    assert "doubtful" not in buyer.get(f"/v1/resellers/{reseller_id}").text
    assert resale.show(reseller_id)["trace"]
    for path in (f"/v1/resellers/{other}", "/v1/resellers/nothing"):
        assert buyer.get(path).status == 404
    assert buyer.get("/v1/resellers").status == 403
    assert buyer.patch(f"/v1/resellers/{reseller_id}", {"channel_id": resale.channel_id}, etag="*").status == 403
    plain = resale.shop.join(resale.shop.add_customer())
    assert plain.get(f"/v1/resellers/{reseller_id}").status == 404


def test_a_reseller_is_moved_to_another_channel_and_buys_at_its_prices(resale: Resale) -> None:
    tier = resale.owner.post("/v1/price-tiers", {"name": "Market"}).json["id"]
    other = resale.add_channel("Marketplaces", price_tier_id=tier)
    prices = {resale.shop.tier_id: {"amount": 900, "currency": "EUR"}, tier: {"amount": 700, "currency": "EUR"}}
    assert resale.owner.put("/v1/products/A-1", {"name": "Lamp", "prices": prices}).status == 201
    approved = resale.approved(channel_id=resale.channel_id, group_id=resale.shop.group_id)
    buyer = resale.login()
    assert buyer.get("/v1/products/A-1").json["price"]["amount"] == 900, "its channel has no tier, so that its group's serves"
    event = "resellers/browse_resellers.other_channel"
    moved = send_event(event, TOKEN=resale.owner.token, RESELLER_ID=approved["id"], CHANNEL_ID=other)
    assert (moved.status, moved.json["channel_id"]) == (200, other)
    assert buyer.get("/v1/products/A-1").json["price"]["amount"] == 700
    assert resale.owner.get(f"/v1/customers/{approved['customer_id']}").json["reseller"]["channel_id"] == other
    assert {item["id"]: item["tally"] for item in stored("reseller_channel")} == {resale.channel_id: 0, other: 1}
    [line] = [line for line in stored("audit") if line["action"] == "reseller:updated"]
    assert (line["details"]["before"], line["details"]["after"]) == (resale.channel_id, other)


def test_the_own_tier_comes_before_the_channels_and_that_before_the_groups(resale: Resale) -> None:
    tiers = {name: resale.owner.post("/v1/price-tiers", {"name": name}).json["id"] for name in ("own", "channel")}
    prices = {
        resale.shop.tier_id: {"amount": 900, "currency": "EUR"},
        tiers["channel"]: {"amount": 700, "currency": "EUR"},
        tiers["own"]: {"amount": 500, "currency": "EUR"},
    }
    assert resale.owner.put("/v1/products/A-1", {"name": "Lamp", "prices": prices}).status == 201
    approved = resale.approved()
    buyer = resale.login()

    def price() -> int | None:
        told = buyer.get("/v1/products/A-1").json["price"]
        return told and int(told["amount"])

    def set_customer(**fields: str | None) -> None:
        path = f"/v1/customers/{approved['customer_id']}"
        assert resale.owner.patch(path, fields, etag=resale.owner.get(path).json["etag"]).status == 200

    def set_channel(tier: str | None) -> None:
        path = f"/v1/reseller-channels/{resale.channel_id}"
        reply = resale.owner.patch(path, {"price_tier_id": tier}, etag=resale.owner.get(path).json["etag"])
        assert reply.status == 200, reply.text

    assert price() is None
    set_customer(group_id=resale.shop.group_id)
    assert price() == 900
    set_channel(tiers["channel"])
    assert price() == 700
    set_customer(price_tier_id=tiers["own"])
    assert price() == 500
    set_customer(price_tier_id=None)
    set_channel(None)
    assert price() == 900


def test_only_who_was_approved_is_moved_and_only_into_a_channel_that_there_is(resale: Resale) -> None:
    reseller_id = enrolled("acme")
    path = f"/v1/resellers/{reseller_id}"
    reply = resale.owner.patch(path, {"channel_id": resale.channel_id}, etag='"1"')
    assert (reply.status, reply.code) == (409, "reseller_not_approved")
    etag = resale.decide(reseller_id, "approve")["etag"]
    reply = resale.owner.patch(path, {"channel_id": "nothing"}, etag=etag)
    assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, "unknown_reseller_channel", "/channel_id")
    reply = resale.owner.patch(path, {"channel_id": None}, etag=etag)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/channel_id")
    assert resale.owner.patch(path, {"channel_id": resale.channel_id}).status == 428
    assert resale.owner.patch(path, {"channel_id": resale.channel_id}, etag='"1"').status == 412
    assert resale.owner.patch(path, {"status": "active"}, etag=etag).status == 422


@pytest.mark.parametrize("named", [True, False])
def test_a_move_that_a_decision_overtakes_is_refused_or_made_on_what_it_is_now(resale: Resale, *, named: bool) -> None:
    other = resale.add_channel("Marketplaces")
    approved = resale.approved(channel_id=resale.channel_id)
    path = f"/v1/resellers/{approved['id']}"
    with meanwhile("TransactWriteItems", lambda: resale.decide(approved["id"], "suspend")):
        reply = resale.owner.patch(path, {"channel_id": other}, etag=approved["etag"] if named else "*")
    assert reply.status == (412 if named else 200)
    customer = resale.owner.get(f"/v1/customers/{approved['customer_id']}").json
    expected = resale.channel_id if named else other
    assert customer["reseller"] == {"id": approved["id"], "status": "suspended", "channel_id": expected}
    [kept] = [item for item in stored(Reseller.entity) if item["id"] == approved["id"]]
    assert (kept["status"], kept["channel_id"]) == ("suspended", expected)
    assert sum(item["tally"] for item in stored("reseller_channel")) == 1
