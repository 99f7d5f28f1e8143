"""A store that sells. Opening one takes a second, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.client import Client
from tests.support.ordering import Market, open_market
from tests.support.world import open_shop
from tradepost.aws.secrets import signing_key
from tradepost.table.records import Record


@pytest.fixture
def market(api: Client) -> Market:
    """A store with products and two customers that have joined."""
    market, records = _opened(api)
    signing_key()  # read once per process: not what a request costs
    with Record.batch_write() as batch:
        for record in records:
            batch.save(record)
    return market


@cache
def _opened(api: Client) -> tuple[Market, list[Record]]:
    return open_market(open_shop(api)), list(Record.scan())
