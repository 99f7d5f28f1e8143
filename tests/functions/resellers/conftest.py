"""What the tests of resellers begin with."""

import pytest

from tests.support.resellers import Resale, open_resale
from tests.support.world import Shop


@pytest.fixture
def resale(shop: Shop) -> Resale:
    """A store with one reseller channel."""
    return open_resale(shop)
