"""What a request costs in calls to AWS: two for reading, two for writing, and a reason for whatever takes more."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.support.activities import set_scene
from tests.support.api_keys import open_keyed
from tests.support.casting import CALLERS, Attempt, World, attempts
from tests.support.client import Client
from tests.support.functions import load_function, routes
from tests.support.ordering import Market, open_market
from tests.support.table import counted_calls
from tests.support.world import Shop

BUDGET: Final = 2
PROOF = "the person behind an address is one Query, as the password that it is proven with is kept there"
LOOKED_AFTER = "whether a sales rep looks after customers is one Query"
LATEST = "which invitation is somebody's latest is known only by its place"
PLACE = "the place that the person chose is known only then"
WHAT_HANGS_ON_IT = "the customer, account and place are known only by the invitation"
COMPANY = "the company's entry in the directory goes by what the person calls it"
THEIR_OWN = "which customers a sales rep looks after is one Query; they are read by what it finds"
WHOSE = "whose customers they are, which a sales rep has to have in its scope, is known only by the invitations"
OFFERED = "the products of an offer are known only by it"
WHOSE_OFFERS = "whose customers they are made to, which a sales rep has to have in its scope, is known only by the figures"
IN_LINE = "who waits for a place stands in a line of its own, where it is one Query"
WHOSE_KEYS = "which customer a reseller is, and so where its keys are, the owner's request is told only by the reseller"
CROWDS = "whoever comes from one place is counted by itself, so that a crowd does not wait for one another"
TRIED = (
    "whose the latest orders are is known only by them, and by that the rules, bills and products that they are held against"
)
FIGURES = "the figures of customers that have ordered, one Query each, come to count for others"

# Calls, most of all, and why. Everything else stays within the budget.
EXCEPTIONS: Final[Mapping[str, tuple[int, str]]] = {
    "POST /v1/stores": (3, PROOF),
    "POST /v1/sessions": (4, f"{PROOF}; {PLACE}"),
    "PUT /v1/me/password": (3, PROOF),
    "POST /v1/me/archives": (3, "an archive that is being written already is known only by what is asked for"),
    "POST /v1/me/erasure": (5, f"{PROOF}; {LOOKED_AFTER}; {LATEST}"),
    "POST /v1/members/{member_id}/erasure": (4, f"{LOOKED_AFTER}; {LATEST}"),
    "DELETE /v1/sessions": (
        4,
        "a member's sessions are one Query, and 24 of them end in one transaction; whose acting ends with them may be recorded",
    ),
    "POST /v1/pairing-codes/exchange": (3, "the person behind a code is known only by it"),
    "GET /v1/acting-sessions": (3, "where somebody acts just now, it looks whether all that this hangs on still stands"),
    "DELETE /v1/acting-sessions/{acting_id}": (3, "the session in which somebody acts is known only by it"),
    "GET /v1/orders": (3, "a sales rep sees those of the customers in its scope, and they are known only by the orders"),
    "GET /v1/activities": (
        34,
        "a month of a store is 16 Queries, and a page looks at two; whose they are is known only by them",
    ),
    "GET /v1/offers": (3, "a sales rep sees those to the customers in its scope, and they are known only by the offers"),
    "POST /v1/offers/{offer_id}/accept": (3, OFFERED),
    "POST /v1/offers/{offer_id}/approve": (3, OFFERED),
    "POST /v1/offers/{offer_id}/clone": (3, f"whom it is for too; {OFFERED}"),
    "POST /v1/offers/{offer_id}/send": (3, OFFERED),
    "GET /v1/customers": (3, THEIR_OWN),
    "GET /v1/customers/{customer_id}/account-manager/history": (3, "whoever looked after it is known only by the changes"),
    "PUT /v1/customers/{customer_id}/account-manager": (3, FIGURES),
    "POST /v1/allocations": (3, FIGURES),
    "POST /v1/allocation-imports": (4, f"its customers are known only by their numbers; {FIGURES}"),
    "GET /v1/invitations": (3, WHOSE),
    "GET /v1/invitations/counts": (3, THEIR_OWN),
    "POST /v1/invitations/{invitation_id}/resend": (3, WHOSE),
    "POST /v1/invitations/{invitation_id}/revoke": (3, WHOSE),
    "POST /v1/invitations/revoke": (3, "which invitation is a customer's latest is known only by the customer"),
    "POST /v1/password-resets": (3, f"{PROOF}; its answer is kept for retries"),
    "POST /v1/invitation-links/{token}/acceptance": (5, f"{WHAT_HANGS_ON_IT}; {PROOF}; {COMPANY}"),
    "POST /i/{token}": (5, f"{WHAT_HANGS_ON_IT}; {PROOF}; {COMPANY}"),
    "POST /v1/stores/{slug}/resellers": (3, CROWDS),
    "POST /enrol/{slug}": (4, f"{CROWDS}; the company is known only by the form"),
    "POST /e/{token}": (3, "the company and the account are known only by the enrolment"),
    "POST /v1/product-imports": (4, "it looks up what its rows name, writes them in full transactions, and keeps the answer"),
    "PATCH /v1/events/{event_id}": (5, f"{IN_LINE}; who moves up is known only by it; others come while it is written"),
    "GET /v1/events/{event_id}/participants": (4, f"{IN_LINE}; whose customers they are is known only by the participants"),
    "GET /v1/events/{event_id}/participants.csv": (4, f"{IN_LINE}; it is read page by page, with whose customers they are"),
    "PATCH /v1/events/{event_id}/participants/{participant_id}": (3, IN_LINE),
    "DELETE /v1/events/{event_id}/participants/{participant_id}": (4, f"{IN_LINE}; who moves up is known only by it"),
    "GET /v1/statistics/customers": (4, f"figures are one Query for each quarter of the days; {THEIR_OWN}"),
    "GET /v1/statistics/sales-reps": (3, "figures are one Query for each quarter of the days; the names are another"),
    "GET /v1/statistics/offers": (4, f"figures are one Query for each quarter of the days; {WHOSE_OFFERS}"),
    "POST /v1/resellers/{reseller_id}/api-keys": (3, WHOSE_KEYS),
    "PATCH /v1/resellers/{reseller_id}/api-keys/{key_id}": (3, WHOSE_KEYS),
    "POST /v1/resellers/{reseller_id}/api-keys/{key_id}/rotate": (3, WHOSE_KEYS),
    "DELETE /v1/resellers/{reseller_id}/api-keys/{key_id}": (3, WHOSE_KEYS),
    "POST /v1/rules/dry-run": (6, TRIED),
    "GET /v1/health": (4, "it asks SES for the sender, its domain and the account, at most once in half a minute"),
}


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    load_function("operations/check_health")._mail.cache_clear()


@pytest.mark.parametrize("attempt", attempts(), ids=lambda attempt: attempt.name)
def test_a_request_costs_no_more_calls_than_it_may(attempt: Attempt, world: World) -> None:
    dearest = 0
    for caller in (caller for caller in CALLERS if attempt.who[caller].startswith("2")):
        request = world.prepared(attempt, caller)
        with counted_calls() as calls:
            reply = request()
        world.put_back()
        assert 200 <= reply.status < 300, reply.text
        most, _ = EXCEPTIONS.get(attempt.name, (BUDGET, ""))
        assert len(calls) <= most, (caller, calls)
        dearest = max(dearest, len(calls))
    if attempt.name in EXCEPTIONS:
        assert dearest > BUDGET, "no exception is needed any more"


def test_every_exception_is_one_of_a_route() -> None:
    assert set(EXCEPTIONS) <= {f"{route.method} {route.path}" for route in routes()}


def test_a_retry_costs_one_call(shop: Shop) -> None:
    body = {"name": "Blue Door", "group_id": shop.group_id}
    shop.owner.post("/v1/customers", body, key="once")
    with counted_calls() as calls:
        shop.owner.post("/v1/customers", body, key="once")
    assert calls == ["BatchGetItem"]


@pytest.mark.parametrize("credential", ["", "Bearer nonsense", "Basic eA=="])
def test_a_credential_that_is_none_costs_nothing(shop: Shop, credential: str) -> None:
    with counted_calls() as calls:
        reply = shop.owner.as_(None).get("/v1/customers", headers={"Authorization": credential})
    assert (reply.status, calls) == (401, [])


def test_a_body_that_cannot_be_understood_costs_no_more_than_its_caller(shop: Shop) -> None:
    for path, body in (("/v1/invitations", {"customer_ids": 5}), ("/v1/invitations/revoke", {"customer_ids": [None]})):
        with counted_calls() as calls:
            reply = shop.owner.post(path, body)
        assert (reply.status, calls) == (422, ["BatchGetItem"])


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/products", "/v1/orders"])
def test_a_search_takes_one_more_call_for_what_it_found(shop: Shop, path: str) -> None:
    market: Market = open_market(shop)
    market.place()
    with counted_calls() as calls:
        found = shop.owner.get(path, q={"/v1/customers": "blue", "/v1/products": "product"}.get(path, "blue")).json["items"]
    assert found
    assert calls in (["BatchGetItem", "Query", "BatchGetItem"], ["BatchGetItem", "Query"])


def test_the_sessions_of_the_store_take_one_more_call_for_their_people(shop: Shop) -> None:
    shop.join(shop.add_customer())
    with counted_calls() as calls:
        assert len(shop.owner.get("/v1/sessions", of="store").json["items"]) == 2
    assert calls == ["BatchGetItem", "Query", "BatchGetItem"]
    with counted_calls() as calls:
        shop.owner.get("/v1/sessions")
    assert calls == ["BatchGetItem", "Query"]


def test_a_new_address_takes_one_more_call_only_where_somebody_is_invited_by_the_old_one(shop: Shop) -> None:
    customer = shop.add_customer()

    def calls_for(email: str, customer: Mapping[str, Any]) -> list[str]:
        etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"]
        with counted_calls() as calls:
            assert shop.owner.patch(f"/v1/customers/{customer['id']}", {"email": email}, etag=etag).status == 200
        return calls

    assert calls_for("office@bluedoor.test", customer) == ["BatchGetItem", "TransactWriteItems"]
    shop.invite(customer["id"])
    assert calls_for("new@bluedoor.test", customer) == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]


def test_an_employees_invitation_takes_one_more_call_only_where_there_is_one(shop: Shop) -> None:
    path = f"/v1/customers/{shop.add_customer()['id']}/employees"

    def calls_for(*, invited: bool, then: str) -> list[str]:
        body = {"name": "Uma", "email": f"{then}-{invited}@bluedoor.test", "role": "buyer", "send_invitation": invited}
        with counted_calls() as calls:
            employee = shop.owner.post(path, body).json
        assert calls == ["BatchGetItem", "TransactWriteItems"]
        with counted_calls() as calls:
            if then == "invite":
                assert shop.owner.post(f"{path}/{employee['id']}/invitation").status == 200
            else:
                assert shop.owner.delete(f"{path}/{employee['id']}", etag=employee["etag"]).status == 204
        return calls

    for then in ("invite", "unlink"):
        assert calls_for(invited=False, then=then) == ["BatchGetItem", "TransactWriteItems"]
        assert calls_for(invited=True, then=then) == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]


def test_many_invitations_take_a_call_for_each_full_transaction(shop: Shop) -> None:
    customers = [shop.add_customer(f"Customer {number}", f"c{number}@doors.test")["id"] for number in range(35)]
    with counted_calls() as calls:
        shop.owner.post("/v1/invitations", {"customer_ids": customers})
    assert calls == ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]
    with counted_calls() as calls:
        shop.owner.post("/v1/invitations", {"customer_ids": customers})
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        shop.owner.post("/v1/invitations/revoke", {"customer_ids": customers})
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems", "TransactWriteItems"]


def test_no_page_of_a_list_costs_more_because_the_store_is_larger(shop: Shop) -> None:
    for number in range(12):
        shop.add_customer(f"Customer {number}", None)
    for query in ({"limit": "3"}, {"limit": "100"}, {"limit": "3", "invitation": "accepted"}, {"status": "inactive"}):
        with counted_calls() as calls:
            shop.owner.get("/v1/customers", **query)
        assert calls == ["BatchGetItem", "Query"], query


def test_an_api_key_takes_one_call_more_that_counts_it_and_now_and_then_one_that_notes_its_use(shop: Shop) -> None:
    keyed = open_keyed(open_market(shop))
    key = keyed.client("orders:read", "orders:write")
    with counted_calls() as calls:
        assert key.get("/v1/orders").status == 200
    assert calls == ["BatchGetItem", "UpdateItem", "UpdateItem", "Query"]
    with counted_calls() as calls:
        assert key.get("/v1/orders").status == 200
    assert calls == ["BatchGetItem", "UpdateItem", "Query"]
    with counted_calls() as calls:
        assert key.post("/v1/orders", keyed.market.body()).status == 201
    assert calls == ["BatchGetItem", "UpdateItem", "TransactWriteItems"]


def test_a_look_takes_one_call_more_only_where_it_is_recorded(api: Client) -> None:
    scene = set_scene(api)
    looks: dict[str, dict[str, str]] = {
        "/v1/products/A-1": {},
        "/v1/products": {"q": "product"},
        f"/v1/offers/{scene.offer['id']}": {},
        f"/v1/offers/{scene.offer['id']}/document": {},
    }

    def calls_for(path: str) -> list[str]:
        with counted_calls() as calls:
            assert scene.ida.get(path, **looks[path]).status == 200
        return calls

    # That an offer was seen is noted with it, once.
    calls_for(f"/v1/offers/{scene.offer['id']}")
    unrecorded = {path: calls_for(path) for path in looks}
    scene.track()
    assert {path: calls_for(path) for path in looks} == unrecorded
    scene.begin()
    assert {path: calls_for(path) for path in looks} == {path: [*calls, "PutItem"] for path, calls in unrecorded.items()}


def test_what_changes_something_takes_no_call_more_where_it_is_recorded(api: Client) -> None:
    scene = set_scene(api)
    scene.begin()
    with counted_calls() as calls:
        scene.bargain.market.place()
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        assert scene.tell({"type": "page_opened"}).json == {"recorded": 1}
    assert calls == ["BatchGetItem", "TransactWriteItems"]


def test_the_end_of_acting_takes_one_call_more_for_whose_activity_it_is_where_the_store_tracks_any(api: Client) -> None:
    scene = set_scene(api)
    scene.track()
    scene.bargain.acting()
    with counted_calls() as calls:
        # For the same employee, who has been read.
        scene.bargain.acting()
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    with counted_calls() as calls:
        assert scene.rhea.client.delete("/v1/sessions/current").status == 204
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
