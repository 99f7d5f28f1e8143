"""What the tests of events begin with."""

import pytest

from tests.support.gathering import Gathering
from tests.support.ordering import open_market, open_team
from tests.support.world import Shop


@pytest.fixture
def gathering(shop: Shop) -> Gathering:
    """A store with two customers and its sales reps."""
    return Gathering(open_team(open_market(shop)))
