"""A store that sells to a reseller. Opening one takes a second, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.api_keys import Keyed, open_keyed
from tests.support.client import Client
from tests.support.ordering import open_market
from tests.support.table import put_back, records
from tests.support.world import open_shop
from tradepost.table.records import Record


@pytest.fixture
def keyed(api: Client) -> Keyed:
    """A store with products and two customers, one of which is an approved reseller."""
    keyed, built = _opened(api)
    put_back(built)
    return keyed


@cache
def _opened(api: Client) -> tuple[Keyed, list[Record]]:
    return open_keyed(open_market(open_shop(api))), records()
