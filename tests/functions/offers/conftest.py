"""A store whose sales reps make offers. Opening one takes seconds, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.client import Client
from tests.support.offering import Bargain
from tests.support.ordering import open_market, open_team
from tests.support.table import put_back, records
from tests.support.world import open_shop
from tradepost.table.records import Record


@pytest.fixture
def bargain(api: Client) -> Bargain:
    """Return a market with sales reps who make offers to its buyer."""
    bargain, built = _opened(api)
    put_back(built)
    return bargain


@cache
def _opened(api: Client) -> tuple[Bargain, list[Record]]:
    return Bargain(open_team(open_market(open_shop(api)))), records()
