"""A store that sells, with a sales rep to whom one of its two customers is allocated: opened once, copied for every test."""

from functools import cache

import pytest

from tests.support.acting import Stage, set_stage
from tests.support.client import Client
from tradepost.aws.secrets import signing_key
from tradepost.table.records import Record


@pytest.fixture
def stage(api: Client) -> Stage:
    """Ida buys for Blue Door, which is allocated to Rhea."""
    stage, records = _set(api)
    signing_key()  # read once per process: not what a request costs
    with Record.batch_write() as batch:
        for record in records:
            batch.save(record)
    return stage


@cache
def _set(api: Client) -> tuple[Stage, list[Record]]:
    return set_stage(api), list(Record.scan())
