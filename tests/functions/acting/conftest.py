"""A store that sells, with a sales rep to whom one of its two customers is allocated: opened once, copied for every test."""

from functools import cache

import pytest

from tests.support.acting import Stage, set_stage
from tests.support.client import Client
from tests.support.table import put_back, records
from tradepost.table.records import Record


@pytest.fixture
def stage(api: Client) -> Stage:
    """Ida buys for Blue Door, which is allocated to Rhea."""
    stage, built = _set(api)
    put_back(built)
    return stage


@cache
def _set(api: Client) -> tuple[Stage, list[Record]]:
    return set_stage(api), records()
