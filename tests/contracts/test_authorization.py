"""Whoever may not do something is refused, learns nothing by it and changes nothing: every route, every kind of caller."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from tests.support.casting import CALLERS, SECRETS, Attempt, World, attempts, raw_items
from tests.support.functions import Reply, load_function, routes
from tradepost.http.app import ANYONE


@pytest.mark.parametrize("attempt", attempts(), ids=lambda attempt: attempt.name)
def test_every_kind_of_caller_gets_what_it_may_have_and_nothing_else(attempt: Attempt, world: World) -> None:
    assert sorted(attempt.who) == sorted(CALLERS)
    findings = [finding for caller in CALLERS for finding in _findings(attempt, caller, world)]
    assert not findings, "\n".join(findings)


def _findings(attempt: Attempt, caller: str, world: World) -> Iterator[str]:
    """Say in words what is wrong with the answer to one kind of caller."""
    status, code, alike = [*attempt.who[caller].split(), "-", ""][:3]
    before = raw_items()
    reply = world.send(attempt, caller)
    changed = _changed(before, raw_items())
    if changed:
        world.put_back()
    answered = f"{reply.status} {_code(reply) or '-'}"
    if answered != f"{status} {code}":
        yield f"{caller} got {answered} instead of {status} {code}: {reply.text[:300]}"
    if changed and (reply.status >= 400 or attempt.method == "GET"):
        yield f"{caller} got {reply.status} and still changed {changed}"
    if not _is_for_anyone(attempt):
        yield from (f"{caller} was told of “{word}”: {reply.text}" for word in SECRETS[caller] if word in reply.text)
    if reply.status == 404 or alike == "unknown":
        nothing = world.send(attempt, caller, about_nothing=True)
        # Rows of a bulk answer name what was asked for; a 404 never does.
        if nothing != (reply if reply.status == 404 else world.as_unknown(reply)):
            yield f"{caller} can tell what is somebody else's from what does not exist: {reply} / {nothing}"


def _code(reply: Reply) -> str | None:
    return reply.code if "problem" in reply.headers.get("content-type", "") else None


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


@cache
def _routes_for_anyone() -> frozenset[str]:
    """Return the routes whose answers depend on no credential: those of links, whose holder may read what they lead to."""
    return frozenset(
        f"{route.method} {route.path}"
        for route in routes()
        if load_function(route.function).app.rules[(route.method, route.rule)].allow == ANYONE
    )


def _is_for_anyone(attempt: Attempt) -> bool:
    return attempt.name in _routes_for_anyone()
