"""A store with something to record. Opening one takes seconds, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.activities import Scene, set_scene
from tests.support.client import Client
from tests.support.table import put_back, records
from tradepost.table.records import Record


@pytest.fixture
def scene(api: Client) -> Scene:
    """Return a store in which nothing is tracked yet."""
    scene, built = _set(api)
    put_back(built)
    return scene


@cache
def _set(api: Client) -> tuple[Scene, list[Record]]:
    return set_scene(api), records()
