"""The world in which every route is tried."""

from collections.abc import Iterator
from functools import cache

import pytest

from tests.support import customer_imports as imports
from tests.support.casting import BUILT, CALLERS, TRIED, World, build_world
from tests.support.client import Client
from tests.support.faults import failing, refusal
from tradepost.aws.secrets import signing_key
from tradepost.domain import clock


@pytest.fixture
def world(api: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two stores with everything in them, ten minutes later."""
    world = _built(api)
    world.put_back()
    imports.prepare(world.files)
    monkeypatch.setattr(clock, "now", lambda: TRIED)
    signing_key()  # read once per process: not what a request costs
    # moto does not know how GET /v1/health asks SES about its sandbox.
    with failing("GetAccount", refusal("GetAccount", "NotImplemented"), times=len(CALLERS)):
        yield world


@cache
def _built(api: Client) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: BUILT)
        return build_world(api)
