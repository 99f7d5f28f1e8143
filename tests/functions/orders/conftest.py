"""A store that sells. Opening one takes a second, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.client import Client
from tests.support.ordering import Market, Team, open_market, open_team
from tests.support.table import put_back, records
from tests.support.world import open_shop
from tradepost.table.records import Record


@pytest.fixture
def market(api: Client) -> Market:
    """A store with products and two customers that have joined."""
    market, built = _opened(api)
    put_back(built)
    return market


@pytest.fixture
def team(api: Client) -> Team:
    """The same with sales reps."""
    team, built = _hired(api)
    put_back(built)
    return team


@cache
def _opened(api: Client) -> tuple[Market, list[Record]]:
    return open_market(open_shop(api)), records()


@cache
def _hired(api: Client) -> tuple[Team, list[Record]]:
    return open_team(open_market(open_shop(api))), records()
