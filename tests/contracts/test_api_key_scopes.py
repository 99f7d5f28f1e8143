"""An API key opens what its scopes are documented to open, and nothing else: every route is tried with every scope."""

from collections.abc import Iterator
from functools import cache
from itertools import batched
from typing import Final

import pytest

from tests.support.api_keys import EVERY_SCOPE, note
from tests.support.casting import Attempt, World, attempts
from tests.support.functions import Reply, load_function, routes
from tradepost.domain.api_keys import KEY_REQUESTS, SCOPES, scope_for
from tradepost.http.app import ANYONE

EVERY_KEY: Final = "every key"
# What each scope opens: a method, and the beginning of a path with all that lies below it.
OPENED: Final = {
    ("GET", "/v1/me"): EVERY_KEY,
    ("GET", "/v1/products"): "catalog:read",
    ("GET", "/v1/checkout-options"): "catalog:read",
    ("GET", "/v1/orders"): "orders:read",
    ("POST", "/v1/orders"): "orders:write",
    ("POST", "/v1/order-previews"): "orders:write",
    ("POST", "/v1/orders/{order_id}/cancel"): "orders:write",
    ("GET", "/v1/invoices"): "invoices:read",
    ("GET", "/v1/resellers/{reseller_id}/credits"): "invoices:read",
    ("GET", "/v1/payments"): "payments:read",
    ("GET", "/v1/payment-transitions"): "payments:read",
}
# What is below an opened path and still the store's alone, or the person's.
CLOSED: Final = {
    *(f"POST /v1/orders/{{order_id}}/{step}" for step in ("approve", "confirm", "reject", "ship", "start")),
    *(f"GET /v1/me/{own}" for own in ("activity-consent", "archives", "archives/{archive_id}")),
}
MADE_FOR: Final = [[], *([scope] for scope in EVERY_SCOPE), EVERY_SCOPE]


@cache
def _tried() -> tuple[Attempt, ...]:
    """Return the rows of routes that ask who it is."""
    rules = {route: load_function(route.function).app.rules[(route.method, route.rule)] for route in routes()}
    tried = {f"{route.method} {route.path}" for route, rule in rules.items() if rule.allow != ANYONE or rule.recognises}
    return tuple(attempt for attempt in attempts() if attempt.name in tried)


def _opened_by(attempt: Attempt) -> str | None:
    """Return the scope that is documented to open a route."""
    if attempt.name in CLOSED:
        return None
    return next(
        (
            scope
            for (method, path), scope in OPENED.items()
            if method == attempt.method and (attempt.path == path or attempt.path.startswith(f"{path}/"))
        ),
        None,
    )


@pytest.fixture
def keyed(world: World) -> World:
    """The world, whose buyer's customer is a reseller that has a key."""
    world.put_back()
    told = {"id": world.ids["keyed_reseller_id"], "status": "approved", "channel_id": None}
    note("acme", world.ids["customer_id"], told)
    return world


@pytest.mark.parametrize("scopes", MADE_FOR, ids=lambda scopes: "+".join(scopes) or "none")
def test_a_key_opens_the_routes_of_its_scopes_alone(keyed: World, scopes: list[str]) -> None:
    findings: list[str] = []
    # The clock stands still: no key may ask more often than it may within a minute.
    for some in batched(_tried(), KEY_REQUESTS.most // 3, strict=False):
        world = _with_key(keyed, scopes)
        findings += [finding for attempt in some for finding in _findings(attempt, world, scopes)]
    assert not findings, "\n".join(findings)


def _with_key(world: World, scopes: list[str]) -> World:
    """Return the world with one more kind of caller: a new key."""
    owner = world.clients["owner"]
    made = owner.post(f"/v1/resellers/{world.ids['keyed_reseller_id']}/api-keys", {"name": "Tried", "scopes": scopes})
    assert made.status == 201, made.text
    return world._replace(clients={**world.clients, "key": owner.as_(made.json["key"])})


def _findings(attempt: Attempt, world: World, scopes: list[str]) -> Iterator[str]:
    """Say in words what is wrong with the answer to a key."""
    reply = world.send(attempt, "key")
    opened = _opened_by(attempt)
    if opened is None:
        expected = (reply.status, reply.code) == (403, "not_for_api_keys")
    elif opened == EVERY_KEY or opened in scopes:
        expected = 200 <= reply.status < 300 or reply.status in {404, 409, 412, 422}
    else:
        expected = _lacks(reply, opened)
    if not expected:
        yield f"{attempt.name} with {scopes} got {reply.status} {reply.code}: {reply.text[:200]}"


def _lacks(reply: Reply, scope: str) -> bool:
    return (reply.status, reply.code) == (403, "missing_scope") and reply.json["required_scope"] == scope


def test_every_scope_is_documented_and_opens_what_no_other_does() -> None:
    assert set(SCOPES) == set(OPENED.values()) - {EVERY_KEY} == set(EVERY_SCOPE)
    every = [permission for permissions in SCOPES.values() for permission in permissions]
    assert len(every) == len(set(every))
    assert all(scope_for(permission) == scope for scope, permissions in SCOPES.items() for permission in permissions)


def test_what_is_kept_for_the_store_is_a_route() -> None:
    assert {f"{route.method} {route.path}" for route in routes()} >= CLOSED
