"""A store that takes payments through a Stripe on the loopback."""

from collections.abc import Iterator

import pytest

from tests.support.ordering import Market, open_market
from tests.support.queues import create_rules_queue
from tests.support.stripe_server import FakeStripe, serving
from tests.support.world import Shop
from tradepost.payments import stripe_provider
from tradepost.settings import settings


@pytest.fixture
def market(shop: Shop) -> Market:
    create_rules_queue()
    return open_market(shop)


@pytest.fixture
def stripe(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStripe]:
    with serving() as fake:
        monkeypatch.setenv("STRIPE_ADDRESS", fake.address)
        settings.cache_clear()
        stripe_provider._client.cache_clear()
        yield fake
    stripe_provider._client.cache_clear()
    settings.cache_clear()
