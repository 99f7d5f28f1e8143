"""A store that sells through reps. Opening one takes a while, so that it is done once and copied for every test."""

from datetime import UTC, datetime
from functools import cache

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.ordering import open_market
from tests.support.table import put_back, records
from tests.support.territory import Territory, open_territory
from tests.support.world import open_shop
from tradepost.domain import clock
from tradepost.table.records import Record

OPENED = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the functions see: the morning of a Friday on which the store was opened."""
    stopped = Clock(OPENED)
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def territory(api: Client, today: Clock) -> Territory:
    """A store with three customers and four reps, on the day on which it was opened."""
    territory, built = _opened(api)
    put_back(built)
    return territory


@cache
def _opened(api: Client) -> tuple[Territory, list[Record]]:
    return open_territory(open_market(open_shop(api)), "red"), records()


def wait(territory: Territory, today: Clock, hours: int) -> None:
    """Let time pass, in which nobody is idle for so long that it has to log in again."""
    for _ in range(hours):
        today.advance(hours=1)
        if today.at.hour % 6 == 0:
            for caller in territory.callers:
                assert caller.get("/v1/me").status == 200
