"""A store with resellers. Opening one takes a while, so that it is done once and copied for every test."""

from functools import cache

import pytest

from tests.support.billing import Office, open_office
from tests.support.client import Client
from tests.support.queues import create_rules_queue
from tests.support.table import put_back, records
from tests.support.world import open_shop
from tradepost.table.records import Record


@pytest.fixture
def office(api: Client) -> Office:
    """A store with two resellers, and the queue of what the rules decide about."""
    office, built = _opened(api)
    put_back(built)
    create_rules_queue()
    return office


@cache
def _opened(api: Client) -> tuple[Office, list[Record]]:
    return open_office(open_shop(api)), records()
