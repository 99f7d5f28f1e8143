"""What the server records by itself: each in the transaction that does it, or after the look that it is."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest
from botocore.exceptions import EndpointConnectionError
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.activities import Scene, allow, in_short, recorded
from tests.support.api_keys import open_keyed
from tests.support.client import Client
from tests.support.faults import failing, refusal
from tests.support.functions import Reply
from tests.support.ordering import line, stock
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, records, stored
from tests.support.world import PASSWORD, euros
from tradepost.domain.clock import stamp

IDA: Final = "Ida Holm"
FORM: Final = "application/x-www-form-urlencoded"


def sent(reply: Reply, *statuses: int) -> Reply:
    """Return an answer that must be a good one."""
    assert reply.status in (statuses or (200, 201, 204)), reply.text
    return reply


def log_in(scene: Scene, email: str | None = None) -> Client:
    """Log in with a password, as Ida unless told otherwise."""
    body = {"email": email or scene.bargain.market.customer["email"], "password": PASSWORD, "store": "acme"}
    return scene.ida.as_(sent(scene.ida.as_(None).post("/v1/sessions", body)).json["token"])


class Page:
    """The page behind the offer's link, in a browser that keeps its cookie."""

    def __init__(self, scene: Scene) -> None:
        """Begin without a cookie."""
        self.client, self.path, self.cookie = scene.ida.as_(None), f"/o/acme.{scene.offer['id']}", ""
        self.version = scene.offer["version"]

    def open(self) -> str:
        """Load the page."""
        return sent(self.client.get(self.path, headers={"Cookie": self.cookie})).text

    def press(self, button: str, **typed: str) -> Reply:
        """Send the page's form."""
        found = re.search(r'name="form" value="([^"]+)"', self.open()) if self.cookie else None
        fields = {"do": button, "version": str(self.version), **({"form": found[1]} if found else {}), **typed}
        headers = {"Cookie": self.cookie, "Content-Type": FORM}
        reply = sent(self.client.send("POST", self.path, urlencode(fields), headers=headers), 200, 303)
        self.cookie = reply.headers.get("set-cookie", self.cookie).partition(";")[0]
        return reply

    def log_in(self, scene: Scene) -> None:
        """Log in as Ida."""
        self.press("log-in", email=scene.bargain.market.customer["email"], password=PASSWORD)


def pair(scene: Scene) -> None:
    """Let Rhea pair a device."""
    code = sent(scene.rhea.client.post("/v1/pairing-codes")).json["code"]
    sent(scene.ida.as_(None).post("/v1/pairing-codes/exchange", {"code": code, "device": "Telephone"}))


def log_in_on_the_page(scene: Scene) -> None:
    """Log in behind the offer's link, without having followed it back yet."""
    Page(scene).log_in(scene)


def look_at_the_page(scene: Scene) -> None:
    """Open the offer's page, and try what a choice comes to."""
    page = Page(scene)
    page.log_in(scene)
    page.open()


def accept_on_the_page(scene: Scene) -> None:
    """Order the offer on its page."""
    page = Page(scene)
    page.log_in(scene)
    page.press("order")


def register(scene: Scene, by: Client, **fields: Any) -> None:
    """Register Ulf for the event."""
    sent(by.post(f"/v1/events/{scene.event['id']}/participants", {"name": "Ulf", "email": "ulf@bluedoor.test", **fields}))


def return_from_acting(scene: Scene) -> None:
    """Act for Ida, and return."""
    sent(scene.bargain.acting().delete("/v1/acting-sessions/current"))


def end_acting_from_outside(scene: Scene) -> None:
    """Let the owner end what Rhea acts."""
    acting = scene.bargain.acting().get("/v1/me").json["acting"]
    sent(scene.owner.delete(f"/v1/acting-sessions/{acting['id']}"))


def log_out_while_acting(scene: Scene) -> None:
    """Let Rhea end the session in which it acts."""
    scene.bargain.acting()
    sent(scene.rhea.client.delete("/v1/sessions/current"))


def act_anew(scene: Scene) -> None:
    """Let Rhea act for Ida, and begin anew in the same session."""
    scene.bargain.acting()
    scene.bargain.acting()


class Case(NamedTuple):
    """Something to do, and what is recorded of it: type, actor, subject, and names of references and comments."""

    do: Callable[[Scene], Any]
    recorded: tuple[tuple[str, str, str, str | None, str | None], ...]
    of_customer: bool = True


CASES: Final = {
    "log-in": Case(log_in, (("log_in", IDA, IDA, None, None),)),
    "log-in of a rep": Case(
        lambda scene: log_in(scene, scene.rhea.email), (("log_in", "Rhea", "Rhea", None, None),), of_customer=False
    ),
    "log-in of a paired device": Case(pair, (("log_in", "Rhea", "Rhea", None, None),), of_customer=False),
    "log-in on the offer's page": Case(log_in_on_the_page, (("log_in", IDA, IDA, None, None),)),
    "product": Case(
        lambda scene: sent(scene.ida.get("/v1/products/A-1")), (("product_viewed", IDA, IDA, "product A-1", None),)
    ),
    "product by a rep": Case(
        lambda scene: sent(scene.rhea.client.get("/v1/products/A-1")),
        (("product_viewed", "Rhea", "Rhea", "product A-1", None),),
        of_customer=False,
    ),
    "product by a rep for a customer": Case(
        lambda scene: sent(scene.rhea.client.get("/v1/products/A-1", customer_id=scene.customer_id)),
        (("product_viewed", "Rhea", "Rhea", "product A-1", None),),
    ),
    "search": Case(
        lambda scene: sent(scene.ida.get("/v1/products", q=" Product\a\x00 B ")),
        (("searched", IDA, IDA, None, "Product   B"),),
    ),
    "order": Case(lambda scene: scene.bargain.market.place(), (("order_placed", IDA, IDA, "order", "number"),)),
    "fast order": Case(lambda scene: scene.bargain.team.place(), (("order_placed", "Rhea", "Rhea", "order", "number"),)),
    "order that waits for approval": Case(
        lambda scene: scene.bargain.team.place(line("A-1", 1, 1)), (("order_placed", "Rhea", "Rhea", "order", "number"),)
    ),
    "cancelled by the buyer": Case(
        lambda scene: sent(scene.bargain.market.step(scene.order, "cancel", by=scene.ida)),
        (("order_changed", IDA, IDA, "order", "number cancelled"),),
    ),
    "confirmed by a rep": Case(
        lambda scene: sent(scene.bargain.market.step(scene.order, "confirm", by=scene.rhea.client)),
        (("order_changed", "Rhea", "Rhea", "order", "number confirmed"),),
    ),
    "changed by a rep": Case(
        lambda scene: sent(
            scene.rhea.client.patch(f"/v1/orders/{scene.order['id']}", {"lines": [line("A-1", 9)]}, etag=scene.order["etag"])
        ),
        (("order_changed", "Rhea", "Rhea", "order", "number updated"),),
    ),
    "offer": Case(
        lambda scene: scene.bargain.seen(scene.offer, by=scene.ida), (("offer_viewed", IDA, IDA, "offer", "number"),)
    ),
    "offer as a document": Case(
        lambda scene: sent(scene.ida.get(f"/v1/offers/{scene.offer['id']}/document")),
        (("offer_viewed", IDA, IDA, "offer", "number"),),
    ),
    "offer on its page": Case(
        look_at_the_page, (("log_in", IDA, IDA, None, None), ("offer_viewed", IDA, IDA, "offer", "number"))
    ),
    "offer accepted": Case(
        lambda scene: sent(scene.bargain.accept(scene.offer)),
        (("offer_accepted", IDA, IDA, "offer", "number"), ("order_placed", IDA, IDA, "order", "number")),
    ),
    "offer accepted on its page": Case(
        accept_on_the_page,
        (
            ("log_in", IDA, IDA, None, None),
            ("offer_viewed", IDA, IDA, "offer", "number"),
            ("offer_accepted", IDA, IDA, "offer", "number"),
            ("order_placed", IDA, IDA, "order", "number"),
        ),
    ),
    "event": Case(lambda scene: register(scene, scene.ida), (("event_registered", IDA, IDA, "event", "Spring tasting"),)),
    "event by a rep": Case(
        lambda scene: register(scene, scene.rhea.client, customer_id=scene.customer_id),
        (("event_registered", "Rhea", "Rhea", "event", "Spring tasting"),),
    ),
    "acting": Case(
        return_from_acting,
        (("acting_started", "Rhea", IDA, "acting_session", "Asked to"), ("acting_ended", "Rhea", IDA, "acting_session", None)),
    ),
    "acting ended by the owner": Case(
        end_acting_from_outside,
        (
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
            ("acting_ended", "Ola Nordmann", IDA, "acting_session", None),
        ),
    ),
    "acting ended with its session": Case(
        log_out_while_acting,
        (("acting_started", "Rhea", IDA, "acting_session", "Asked to"), ("acting_ended", "Rhea", IDA, "acting_session", None)),
    ),
    "acting begun anew": Case(
        act_anew,
        (
            ("acting_ended", "Rhea", IDA, "acting_session", None),
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
        ),
    ),
    "order while acting": Case(
        lambda scene: scene.bargain.market.place(buyer=scene.bargain.acting()),
        (
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
            ("order_placed", "Rhea", IDA, "order", "number"),
        ),
    ),
    "offer while acting": Case(
        lambda scene: scene.bargain.seen(scene.offer, by=scene.bargain.acting()),
        (
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
            ("offer_viewed", "Rhea", IDA, "offer", "number"),
        ),
    ),
    "acceptance while acting": Case(
        lambda scene: sent(scene.bargain.accept(scene.offer, by=scene.bargain.acting())),
        (
            ("acting_started", "Rhea", IDA, "acting_session", "Asked to"),
            ("offer_accepted", "Rhea", IDA, "offer", "number"),
            ("order_placed", "Rhea", IDA, "order", "number"),
        ),
    ),
    "looks while the owner acts": Case(
        lambda scene: sent(scene.bargain.acting(scene.owner).get("/v1/products/A-1")),
        (
            ("acting_started", "Ola Nordmann", IDA, "acting_session", "Asked to"),
            ("product_viewed", "Ola Nordmann", IDA, "product A-1", None),
        ),
    ),
}


def words_of(scene: Scene) -> dict[str, dict[str, str]]:
    """Return by kind the ids that exist, with the numbers that people know them by."""
    return {
        "order": {order["id"]: order["number"] for order in stored("order")},
        "offer": {scene.offer["id"]: scene.offer["number"]},
        "event": {scene.event["id"]: ""},
        "acting_session": {acting["id"]: "" for acting in stored("acting_session")},
        "product": {"A-1": ""},
    }


@pytest.mark.parametrize("name", CASES)
def test_what_is_done_is_recorded_with_who_did_it_as_whom_and_for_which_customer(scene: Scene, time: Clock, name: str) -> None:
    case = CASES[name]
    scene.begin()
    # A consent that was given anew has another number.
    for client in (scene.ida, scene.rhea.client):
        allow(client, allowed=False)
        allow(client)
    case.do(scene)
    customer_id = scene.customer_id if case.of_customer else None
    known = words_of(scene)
    found = []
    for record in recorded():
        activity = record.document()
        kind, actor, subject, customer, reference_type, reference_id, comment = in_short(record)
        reference = reference_type
        if reference_type is not None:
            number = known[reference_type][str(reference_id)]
            reference = f"{reference_type} {reference_id}" if reference_type == "product" else reference_type
            comment = comment.replace(number, "number") if comment and number else comment
        found.append((kind, actor, subject, reference, comment))
        member_id = scene.ida_id if subject == IDA else scene.rhea.id
        assert (customer, activity["member_id"], activity["consent"]) == (customer_id, member_id, 3)
        assert (activity["source"], activity["at"], activity["recorded_at"]) == ("server", stamp(time.at), stamp(time.at))
        assert activity["subject"]["id"] == member_id
        position = f"{stamp(time.at)}#{activity['id']}"
        assert (record.pk, record.sk) == (f"ACTIVITY#acme#{member_id}", position)
        assert re.fullmatch(rf"ACTIVITIES#acme#{stamp(time.at)[:7]}#\d\d", record.gsi1pk)
        of_customer = (f"CUSTOMER-ACTIVITIES#acme#{customer_id}", position) if customer_id else (None, None)
        assert (record.gsi1sk, (record.gsi2pk, record.gsi2sk)) == (position, of_customer)
        assert record.expires_at == int((time.at + timedelta(days=365)).timestamp())
    assert sorted(found, key=str) == sorted(case.recorded, key=str)


def switch_off(scene: Scene) -> None:
    """Let the store track nothing any more."""
    scene.begin()
    scene.track(on=False)


def withdraw(scene: Scene) -> None:
    """Let both withdraw their consent."""
    scene.begin()
    allow(scene.ida, allowed=False)
    allow(scene.rhea.client, allowed=False)


def never_ask(scene: Scene) -> None:
    """Let the store track activity, and nobody have decided on it."""
    scene.track()


WITHOUT: Final = [
    *((name, withdraw) for name in CASES),
    # Whatever decides on it decides for all: a write, a look, and what is another's activity.
    *((name, without) for name in ("order", "product", "log-in", "acting") for without in (switch_off, never_ask)),
]


@pytest.mark.parametrize(("name", "without"), WITHOUT)
def test_the_same_is_done_without_a_trace_where_the_setting_or_the_consent_is_missing(
    scene: Scene, name: str, without: Callable[[Scene], None]
) -> None:
    without(scene)
    CASES[name].do(scene)
    assert recorded() == []


def test_while_acting_the_employees_consent_counts_and_not_the_reps(scene: Scene) -> None:
    scene.track()
    allow(scene.rhea.client)
    act_anew(scene)
    scene.bargain.market.place(buyer=scene.bargain.acting())
    return_from_acting(scene)
    assert recorded() == []


def test_owners_guests_and_systems_are_never_recorded(scene: Scene, time: Clock) -> None:
    scene.begin()
    # Nobody asks an owner; had one allowed it, as somebody else in the past, it would still be nobody's business.
    (owner,) = [record for record in records("member") if record.document()["role"] == "owner"]
    allowed = [{"at": stamp(time.at), "allowed": True, "text_version": "2026-11"}]
    owner.update([Path("data.consents").set(allowed)])
    shop = scene.bargain.market.shop
    scene.bargain.team.set_store(guest_access={"enabled": True, "price_tier_id": shop.tier_id})
    keyed = open_keyed(scene.bargain.market)
    key = keyed.client("catalog:read", "orders:read", "orders:write")
    guest = scene.ida.as_(None)
    for client, query in ((scene.owner, {}), (guest, {"store": "acme"}), (key, {})):
        sent(client.get("/v1/products/A-1", **query))
        sent(client.get("/v1/products", q="product", **query))
    # Its person has allowed it, and is not who orders by a key.
    order = sent(key.post("/v1/orders", scene.bargain.market.body())).json
    sent(key.post(f"/v1/orders/{order['id']}/cancel", headers={"If-Match": order["etag"]}))
    sent(scene.bargain.market.step(scene.order, "confirm"))
    log_in(scene, "ola@acme.test")
    register(scene, scene.owner, customer_id=scene.customer_id)
    assert recorded() == []


def test_what_the_stores_people_look_at_of_their_own_offers_is_their_work(scene: Scene) -> None:
    scene.begin()
    for path in ("", "/document"):
        sent(scene.rhea.client.get(f"/v1/offers/{scene.offer['id']}{path}"))
    assert recorded() == []


def test_trying_a_choice_and_turning_a_page_are_nothing_new(scene: Scene) -> None:
    scene.begin()
    first = sent(scene.ida.get("/v1/products", q="product", limit="1")).json
    assert first["next_cursor"]
    sent(scene.ida.get("/v1/products", q="product", limit="1", cursor=first["next_cursor"]))
    sent(scene.ida.get("/v1/products"))
    sent(scene.ida.get("/v1/products", q=" "))
    sent(scene.ida.get(f"/v1/offers/{scene.offer['id']}", optional_lines=""))
    assert [record.document()["type"] for record in recorded()] == ["searched"]


def test_a_choice_that_is_tried_on_the_page_is_no_new_look(scene: Scene) -> None:
    scene.begin()
    page = Page(scene)
    page.log_in(scene)
    page.open()
    seen = [record for record in recorded() if record.document()["type"] == "offer_viewed"]
    # Sending the form loads the page once before, as a browser has.
    page.press("show")
    assert len([record for record in recorded() if record.document()["type"] == "offer_viewed"]) == len(seen) + 1


@pytest.mark.parametrize(
    "path",
    ["/v1/products/none", "/v1/products/A-1?customer_id=none", "/v1/offers/none", "/v1/products?q=a&active=false"],
)
def test_what_was_refused_was_not_done(scene: Scene, path: str) -> None:
    scene.begin()
    address, _, query = path.partition("?")
    pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
    assert scene.ida.get(address, **pairs).status in {404, 422}
    assert recorded() == []


def looks(scene: Scene) -> list[tuple[str, str, dict[str, str]]]:
    """Return the reads that are recorded: type, path, query."""
    return [
        ("product_viewed", "/v1/products/A-1", {}),
        ("searched", "/v1/products", {"q": "product"}),
        ("offer_viewed", f"/v1/offers/{scene.offer['id']}", {}),
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal("PutItem", "ProvisionedThroughputExceededException"), "ProvisionedThroughputExceededException"),
        (refusal("PutItem", "AccessDeniedException"), "AccessDeniedException"),
        (EndpointConnectionError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com"), None),
    ],
    ids=["throttled", "not allowed", "not reached"],
)
def test_a_look_that_cannot_be_recorded_is_answered_all_the_same_and_logged_without_what_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture, error: Exception, code: str | None
) -> None:
    scene.begin()
    expected = {kind: sent(scene.ida.get(path, **query)).json for kind, path, query in looks(scene)}
    before = len(recorded())
    for kind, path, query in looks(scene):
        caplog.clear()
        with failing("PutItem", error):
            reply = sent(scene.ida.get(path, **query))
        assert reply.json == expected[kind]
        (warning,) = [line for line in caplog.records if line.levelname == "WARNING"]
        told = vars(warning)
        assert (warning.getMessage(), told["activity"], told["reason"]) == ("activity lost", kind, code)
        assert not any(word in str(told) for word in (scene.ida_id, scene.offer["number"], scene.offer["id"], IDA))
    assert len(recorded()) == before


WRITES: Final = [
    "log-in",
    "log-in of a paired device",
    "order",
    "cancelled by the buyer",
    "changed by a rep",
    "offer accepted",
    "event",
]


@pytest.mark.parametrize("name", WRITES)
def test_what_is_not_written_leaves_no_activity(scene: Scene, name: str) -> None:
    scene.begin()
    skipping = 1 if "paired" in name else 0
    fault = failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), skipping=skipping)
    with fault, pytest.raises(AssertionError, match="Something went wrong"):
        CASES[name].do(scene)
    assert recorded() == []


def test_acting_that_is_not_begun_or_ended_leaves_no_activity(scene: Scene) -> None:
    scene.begin()
    fault = failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"))
    with fault, pytest.raises(AssertionError, match="Something went wrong"):
        scene.bargain.acting()
    assert recorded() == []
    acting = scene.bargain.acting()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError")):
        assert acting.delete("/v1/acting-sessions/current").status == 500
    assert [record.document()["type"] for record in recorded()] == ["acting_started"]


def posts(scene: Scene) -> list[tuple[Client, str, dict[str, Any], dict[str, str]]]:
    """Return the requests that may be sent again with the same Idempotency-Key, and are recorded."""
    log_in = {"email": scene.bargain.market.customer["email"], "password": PASSWORD, "store": "acme"}
    acting = {"customer_id": scene.customer_id, "employee_id": scene.ida_id, "reason": "Asked to", "minutes": 60}
    ulf = {"name": "Ulf", "email": "ulf@bluedoor.test"}
    accepted = {"version": scene.offer["version"], "optional_lines": []}
    match = {"If-Match": scene.order["etag"]}
    return [
        (scene.ida.as_(None), "/v1/sessions", log_in, {}),
        (scene.ida, "/v1/orders", scene.bargain.market.body(), {}),
        (scene.ida, f"/v1/orders/{scene.order['id']}/cancel", {"note": "Twice"}, match),
        (scene.ida, f"/v1/offers/{scene.offer['id']}/accept", accepted, {}),
        (scene.ida, f"/v1/events/{scene.event['id']}/participants", ulf, {}),
        (scene.rhea.client, "/v1/acting-sessions", acting, {}),
    ]


def test_what_is_sent_again_with_its_key_is_recorded_once(scene: Scene) -> None:
    scene.begin()
    for client, path, body, headers in posts(scene):
        first, again = (client.post(path, body, key="once", headers=headers) for _ in range(2))
        assert (first.status, again.status) in {(200, 200), (201, 201)}, again.text
        assert again.headers["idempotent-replayed"] == "true"
    kinds = sorted(record.document()["type"] for record in recorded())
    assert kinds == [
        "acting_started",
        "event_registered",
        "log_in",
        "offer_accepted",
        "order_changed",
        "order_placed",
        "order_placed",
    ]


def test_what_changes_nothing_of_an_order_is_no_change(scene: Scene) -> None:
    scene.begin()
    sent(scene.rhea.client.patch(f"/v1/orders/{scene.order['id']}", {}, etag=scene.order["etag"]))
    assert recorded() == []


def test_the_largest_order_and_its_largest_change_are_recorded_in_one_transaction_each(scene: Scene) -> None:
    team = scene.bargain.team
    shop, customer = team.market.shop, team.market.customer
    allocate(shop, customer, team.rep, team.outsider, team.everywhere, team.supervisor, hire(shop, "Una"), hire(shop, "Vic"))
    scene.begin()
    numbers = stock("acme", shop.tier_id, 160)
    order = team.place(*(line(number) for number in numbers[:80]))
    with counted_calls() as calls:
        change = {"lines": [line(number, 2) for number in numbers[80:]], "shipping_cost": euros(600)}
        sent(scene.rhea.client.patch(f"/v1/orders/{order['id']}", change, etag=order["etag"]))
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    assert sorted(record.document()["type"] for record in recorded()) == ["order_changed", "order_placed"]


def test_all_that_is_acted_in_many_sessions_ends_with_them_and_is_recorded(scene: Scene, time: Clock) -> None:
    scene.begin()
    for _ in range(25):
        scene.bargain.acting(log_in(scene, scene.rhea.email))
    with counted_calls() as calls:
        sent(scene.rhea.client.delete("/v1/sessions"))
    # The employees' consents are read once, and no transaction is too large.
    assert calls == ["BatchGetItem", "Query", "BatchGetItem", "TransactWriteItems", "TransactWriteItems"]
    kinds = [record.document()["type"] for record in recorded()]
    assert (kinds.count("acting_started"), kinds.count("acting_ended")) == (25, 25)
    assert len({record.sk for record in records("activity")}) == len(kinds)


def test_acting_that_runs_out_ends_unrecorded_since_nobody_ends_it(scene: Scene, time: Clock) -> None:
    scene.begin()
    scene.bargain.acting()
    time.advance(hours=1)
    scene.bargain.acting(log_in(scene, scene.rhea.email))
    assert "acting_ended" not in [record.document()["type"] for record in recorded()]
