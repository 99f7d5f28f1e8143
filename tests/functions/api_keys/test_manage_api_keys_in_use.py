"""Asking with an API key: as whom, within which scopes, how often, and what ends it."""

import logging
import zlib
from datetime import timedelta

import pytest

from tests.conftest import Clock
from tests.support.api_keys import EVERY_SCOPE, Keyed, colleague, note
from tests.support.functions import Reply
from tests.support.table import counted_calls, records, stored
from tradepost.domain.api_keys import KEY_REQUESTS, ApiKey
from tradepost.domain.clock import stamp
from tradepost.domain.ids import member_id, parse_token
from tradepost.table.api_keys import api_key_key, note_use
from tradepost.table.reading import Reader
from tradepost.table.records import Record

INVALID = (401, "invalid_token")


def refused(reply: Reply) -> tuple[int, str | None]:
    """Return how a request was refused."""
    return reply.status, reply.code


def test_a_key_can_ask_who_it_is(keyed: Keyed) -> None:
    made = keyed.make("orders:read", name="Stock")
    me = keyed.of(made).get("/v1/me")
    assert (me.status, me.json["id"], me.json["acting"]) == (200, made["member_id"], None)
    assert me.json["permissions"] == ["orders:browse", "profile:read"]
    brief = {name: made[name] for name in ("id", "name", "prefix", "scopes", "expires_at")}
    assert me.json["api_key"] == brief
    assert keyed.market.buyer.get("/v1/me").json["api_key"] is None


def test_a_key_without_a_scope_is_told_which_one_it_lacks(keyed: Keyed) -> None:
    reply = keyed.client("orders:write").get("/v1/orders")
    assert (*refused(reply), reply.json["required_scope"]) == (403, "missing_scope", "orders:read")
    assert "orders:read" in reply.json["detail"]
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="orders:read"'


def test_what_is_for_people_alone_is_not_for_keys(keyed: Keyed) -> None:
    client = keyed.client(*EVERY_SCOPE)
    assert refused(client.get("/v1/sessions")) == (403, "not_for_api_keys")
    assert refused(client.patch("/v1/me", {"name": "Robot"}, etag="*")) == (403, "not_for_api_keys")
    link = keyed.market.shop.invite(keyed.market.shop.add_customer("Red Roof", "rut@redroof.test")["id"])
    joined = client.post(f"/v1/invitation-links/{link}/acceptance", {"password": "five tall ships at noon"})
    assert refused(joined) == (403, "not_for_api_keys")


def test_a_key_sees_its_own_customer_alone(keyed: Keyed) -> None:
    market = keyed.market
    own, theirs = market.place(), market.place(buyer=market.other_buyer)
    client = keyed.client("orders:read", "catalog:read")
    assert [order["id"] for order in client.get("/v1/orders").json["items"]] == [own["id"]]
    assert refused(client.get(f"/v1/orders/{theirs['id']}")) == (404, "not_found")
    assert client.get("/v1/products/A-1").json["price"]["amount"] == 1250
    assert client.get("/v1/products/A-1", customer_id=market.customer["id"]).status == 200
    assert refused(client.get("/v1/products/A-1", customer_id=market.other_customer["id"])) == (404, "not_found")


def test_a_mistyped_key_costs_no_call(keyed: Keyed) -> None:
    text = keyed.make()["key"]
    for wrong in (text[:-1] + ("0" if text[-1] != "0" else "1"), text.replace("tp_key", "tp_session"), text[:-9]):
        with counted_calls() as calls:
            assert refused(keyed.market.owner.as_(wrong).get("/v1/me")) == INVALID
        assert calls == []


def test_a_key_that_was_never_made_is_refused_and_counts_for_nothing(keyed: Keyed) -> None:
    token = parse_token(keyed.make()["key"])
    assert token is not None
    staff = f"acme.{keyed.reseller_id}"
    for owner, secret in ((token.owner, "a" * 52), (staff, token.secret), (f"{staff}.01k9", token.secret)):
        body = f"tp_key_{owner}_{secret}"
        reply = keyed.market.owner.as_(f"{body}_{zlib.crc32(body.encode()):08x}").get("/v1/me")
        assert refused(reply) == INVALID
        assert "ratelimit" not in reply.headers
    assert stored("limit") == []


def test_a_key_of_one_person_is_none_of_another(keyed: Keyed) -> None:
    uma = colleague(keyed.market.shop, keyed.market.customer["id"]).get("/v1/me").json["id"]
    token = parse_token(keyed.make()["key"])
    assert token is not None
    assert refused(keyed.market.owner.as_(str(token._replace(owner=uma))).get("/v1/me")) == INVALID


# What ends it


def test_a_key_ends_with_its_customer_and_comes_back_with_it(keyed: Keyed) -> None:
    client, market = keyed.client("orders:read"), keyed.market
    path = f"/v1/customers/{market.customer['id']}"

    def become(*, active: bool) -> None:
        assert market.owner.patch(path, {"active": active}, etag=market.owner.get(path).json["etag"]).status == 200

    become(active=False)
    assert refused(client.get("/v1/orders")) == INVALID
    become(active=True)
    assert client.get("/v1/orders").status == 200


def test_a_key_ends_with_the_place_of_its_contact_for_good(keyed: Keyed, time: Clock) -> None:
    client, market = keyed.client("orders:read"), keyed.market
    colleague(market.shop, market.customer["id"], role="admin")
    employees = f"/v1/customers/{market.customer['id']}/employees"
    path = f"{employees}/{member_id('acme', keyed.reseller_id, market.customer['id'])}"
    assert market.owner.delete(path, etag=market.owner.get(path).json["etag"]).status == 204
    assert refused(client.get("/v1/orders")) == INVALID
    # Given the place again, the contact begins anew
    time.advance(minutes=1)
    body = {"name": "Ida", "email": market.customer["email"], "role": "admin", "send_invitation": True}
    added = market.owner.post(employees, body)
    assert added.status == 201, added.text
    link = market.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    joined = market.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": "five tall ships at noon"})
    assert joined.status == 201, joined.text
    assert refused(client.get("/v1/orders")) == INVALID
    assert keyed.client("orders:read").get("/v1/orders").status == 200


@pytest.mark.parametrize("status", ["pending", "denied", None])
def test_a_key_of_no_approved_reseller_is_refused(keyed: Keyed, status: str | None) -> None:
    client = keyed.client("orders:read")
    told = status and {"id": keyed.reseller_id, "status": status, "channel_id": None}
    note("acme", keyed.market.customer["id"], told or None)
    assert refused(client.get("/v1/orders")) == INVALID


def test_a_suspended_reseller_reads_and_orders_nothing(keyed: Keyed) -> None:
    client = keyed.client(*EVERY_SCOPE)
    order = client.post("/v1/orders", keyed.market.body()).json
    keyed.become("suspended")
    before = len(stored("order"))
    assert client.get(f"/v1/orders/{order['id']}").status == 200
    for reply in (
        client.post("/v1/orders", keyed.market.body()),
        client.post("/v1/order-previews", keyed.market.body(), key=None),
        client.post(f"/v1/orders/{order['id']}/cancel", headers={"If-Match": order["etag"]}),
    ):
        assert refused(reply) == (409, "reseller_suspended")
    assert (len(stored("order")), stored("order")[0]["status"]) == (before, "received")


def test_a_closed_store_is_closed_to_keys(keyed: Keyed) -> None:
    client, owner = keyed.client("orders:read"), keyed.market.owner
    assert owner.patch("/v1/store", {"active": False}, etag=owner.get("/v1/store").json["etag"]).status == 200
    assert client.get("/v1/orders").status == 503


# How often


def test_every_answer_says_how_often_the_key_may_still_ask(keyed: Keyed, time: Clock) -> None:
    time.at = time.at.replace(second=20, microsecond=0) + timedelta(minutes=1)
    client = keyed.client("orders:read")
    for left, reply in enumerate(
        [client.get("/v1/orders"), client.get("/v1/products"), client.get("/v1/orders/nothing"), client.get("/v1/me")]
    ):
        assert reply.headers["ratelimit-policy"] == '"default";q=600;w=60'
        assert reply.headers["ratelimit"] == f'"default";r={599 - left};t=40'
    assert "ratelimit" not in keyed.market.buyer.get("/v1/orders").headers


def test_beyond_the_last_request_of_a_minute_a_key_waits(keyed: Keyed, time: Clock) -> None:
    time.at = time.at.replace(second=50, microsecond=0) + timedelta(minutes=1)
    busy, other = keyed.client("orders:read", "orders:write"), keyed.client("orders:read")
    busy.get("/v1/me")
    _count_to(KEY_REQUESTS.most - 1)
    last = busy.get("/v1/me")
    assert (last.status, last.headers["ratelimit"]) == (200, '"default";r=0;t=10')
    for reply in (busy.get("/v1/me"), busy.post("/v1/orders", keyed.market.body())):
        assert (*refused(reply), reply.headers["retry-after"]) == (429, "too_many_requests", "10")
        assert reply.headers["ratelimit"] == '"default";r=0;t=10'
    assert stored("order") == []
    assert other.get("/v1/me").status == 200
    time.advance(seconds=10)
    assert busy.get("/v1/me").headers["ratelimit"] == '"default";r=599;t=60'


def _count_to(number: int) -> None:
    (record,) = [record for record in records("limit") if record.tally]
    record.update([Record.tally.set(number)])


def test_what_is_counted_is_forgotten_with_its_minute(keyed: Keyed, time: Clock) -> None:
    time.at = time.at.replace(second=30, microsecond=0) + timedelta(minutes=1)
    keyed.client().get("/v1/me")
    (record,) = records("limit")
    assert record.expires_at == int(time.at.timestamp()) + 30


def test_it_is_known_when_a_key_was_used_last_to_five_minutes(keyed: Keyed, time: Clock) -> None:
    key = keyed.make("orders:read")
    client, etag = keyed.of(key), key["etag"]

    def calls() -> list[str]:
        with counted_calls() as made:
            assert client.get("/v1/me").status == 200
        return made

    noted = time.at
    assert calls() == ["BatchGetItem", "UpdateItem", "UpdateItem"]
    time.advance(minutes=4, seconds=59)
    assert calls() == ["BatchGetItem", "UpdateItem"]
    assert keyed.shown(key)["last_used_at"] == stamp(noted)
    time.advance(seconds=1)
    assert calls() == ["BatchGetItem", "UpdateItem", "UpdateItem"]
    # To be used is no change of it
    assert (keyed.shown(key)["last_used_at"], keyed.shown(key)["etag"]) == (stamp(time.at), etag)


def test_of_many_requests_at_once_one_notes_that_a_key_is_in_use(keyed: Keyed, time: Clock) -> None:
    digest = keyed.make("orders:read")["id"]
    read = Reader().get(api_key_key("acme", keyed.market.customer["id"], digest), ApiKey)
    note_use(read, at=time.at)
    time.advance(minutes=1)
    note_use(read, at=time.at)
    assert keyed.shown({"id": digest})["last_used_at"] == stamp(time.at - timedelta(minutes=1))


def test_a_log_line_names_the_key_and_its_person(keyed: Keyed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tradepost")
    key = keyed.make()
    keyed.of(key).get("/v1/me")
    line = vars(caplog.records[-1])
    assert (line["member"], line["api_key"]) == (key["member_id"], key["id"])
