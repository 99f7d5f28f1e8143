"""Fixtures of the stack tests: the same names as those of the fast tests, but every request goes over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from local_stack.stack import LocalStack
from tests.support.client import Client
from tests.support.deployed import Deployed
from tests.support.world import Shop, open_shop


@pytest.fixture
def deployed(stack: LocalStack) -> Iterator[Deployed]:
    """The stack of this test run."""
    with httpx.Client(base_url=stack.base_url, timeout=60, trust_env=False) as http:
        yield Deployed(stack, http)


@pytest.fixture
def api(deployed: Deployed) -> Client:
    """A client without a credential."""
    return deployed.api


@pytest.fixture
def shop(api: Client, request: pytest.FixtureRequest) -> Shop:
    """A store of this test's own, with a price tier and a customer group."""
    return open_shop(api, request.node.originalname.removeprefix("test_").replace("_", "-")[:40].rstrip("-"))
