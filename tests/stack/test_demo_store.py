"""The demo store that `make run` fills: filling it again changes nothing, and its people can log in."""

import pytest

from local_stack.seed import SLUG, seed
from tests.support.deployed import Deployed

pytestmark = pytest.mark.stack


def test_the_demo_store_is_filled_once_and_its_people_log_in(deployed: Deployed) -> None:
    first = seed(deployed.stack.base_url)
    filled = len(deployed.stored("customer", SLUG)), len(deployed.stored("product", SLUG))
    assert filled == (13, 40), "twelve customers and a reseller"
    assert seed(deployed.stack.base_url) == first
    assert (len(deployed.stored("customer", SLUG)), len(deployed.stored("product", SLUG))) == filled
    for person in first:
        reply = deployed.api.post("/v1/sessions", {"email": person.email, "password": person.password})
        assert (reply.status, reply.json["member"]["role"]) == (201, person.role)
