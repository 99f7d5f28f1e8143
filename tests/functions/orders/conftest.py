"""A store that sells. Opening one takes a second, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.client import Client
from tests.support.ordering import Market, Team, open_market, open_team
from tests.support.world import open_shop
from tradepost.aws.secrets import signing_key
from tradepost.table.records import Record


@pytest.fixture
def market(api: Client) -> Market:
    """A store with products and two customers that have joined."""
    market, records = _opened(api)
    _put_back(records)
    return market


@pytest.fixture
def team(api: Client) -> Team:
    """The same with sales reps."""
    team, records = _hired(api)
    _put_back(records)
    return team


def _put_back(records: list[Record]) -> None:
    signing_key()  # read once per process: not what a request costs
    with Record.batch_write() as batch:
        for record in records:
            batch.save(record)


@cache
def _opened(api: Client) -> tuple[Market, list[Record]]:
    return open_market(open_shop(api)), list(Record.scan())


@cache
def _hired(api: Client) -> tuple[Team, list[Record]]:
    return open_team(open_market(open_shop(api))), list(Record.scan())
