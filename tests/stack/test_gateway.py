"""What the gateway says by itself, in the words of `template.yaml`: problem documents like all others."""

import json
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.deployed import Deployed
from tests.support.template import resource

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/nothing-here"), ("DELETE", "/v1/stores"), ("POST", "/v1/health"), ("GET", "/")],
)
def test_an_unknown_route_is_a_problem_like_any_other(method: str, path: str, api: Client) -> None:
    reply = api.send(method, path)

    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    assert reply.json == _declared("MISSING_AUTHENTICATION_TOKEN")
    assert reply.code == "not_found"


def test_a_body_beyond_what_the_gateway_takes_is_a_problem_too(deployed: Deployed) -> None:
    reply = deployed.api.send("POST", "/v1/stores", "x" * (10 * 2**20 + 1), headers={"Idempotency-Key": "huge"})

    assert (reply.status, reply.headers["content-type"]) == (413, "application/problem+json")
    assert reply.json == _declared("REQUEST_TOO_LARGE")


def test_whatever_the_gateway_says_has_the_status_that_it_names() -> None:
    for name, response in resource("Api")["Properties"]["GatewayResponses"].items():
        problem = _declared(name)
        assert problem["status"] == int(response["StatusCode"])
        assert problem["type"] == f"urn:tradepost:problem:{problem['code']}"
        assert problem.keys() == {"type", "title", "status", "code", "detail"}


def _declared(name: str) -> Any:
    return json.loads(resource("Api")["Properties"]["GatewayResponses"][name]["ResponseTemplates"]["application/json"])
