"""Whoever may not do something is refused, learns nothing by it and changes nothing: every route, every kind of caller."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.support.casting import BUILT, CALLERS, SECRETS, TRIED, Attempt, World, attempts, build_world, raw_items
from tests.support.client import Client
from tests.support.functions import Reply, load_function, routes
from tradepost.domain import clock
from tradepost.http.app import ANYONE

# Retries are answered from what was kept, so that a request which is done leaves at least that behind.
SAFE = frozenset({"GET"})


@cache
def _built(api: Client) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: BUILT)
        return build_world(api)


@pytest.fixture
def world(api: Client, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two stores with everything in them, ten minutes later."""
    world = _built(api)
    world.put_back()
    monkeypatch.setattr(clock, "now", lambda: TRIED)
    return world


@pytest.mark.parametrize("attempt", attempts(), ids=lambda attempt: attempt.name)
def test_every_kind_of_caller_gets_what_is_its_own_and_nothing_else(attempt: Attempt, world: World) -> None:
    assert tuple(sorted(attempt.who)) == tuple(sorted(CALLERS))
    assert [finding for caller in CALLERS for finding in _findings(attempt, caller, world)] == []


def _findings(attempt: Attempt, caller: str, world: World) -> Iterator[str]:
    """Say in words what is wrong with the answer to one kind of caller."""
    status, code, alike = (attempt.who[caller].split() + ["-", ""])[:3]
    before = raw_items()
    reply = world.send(attempt, caller)
    after = raw_items()
    if (reply.status, reply_code(reply)) != (int(status), code):
        yield f"{caller} got {reply.status} {reply_code(reply)} instead of {status} {code}: {reply.text[:300]}"
    if after != before and (attempt.method in SAFE or reply.status >= 400):
        yield f"{caller} got {reply.status} but changed {_differences(before, after)}"
    if after != before:
        world.put_back()
    if not _is_for_anyone(attempt):
        yield from (f"{caller} was told “{word}”" for word in SECRETS[caller] if word in reply.text)
    if status == "404" or alike == "unknown":
        nothing = world.send(attempt, caller, about_nothing=True)
        if _without_ids(nothing, world) != _without_ids(reply, world):
            yield f"{caller} can tell somebody else's from nobody's: {reply.text} / {nothing.text}"
        world.put_back()
