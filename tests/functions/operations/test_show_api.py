"""The contract is served as it is committed."""

import json

from tests.support.client import Client
from tests.support.functions import ROOT, gateway_event, run

EVENT = ROOT / "events" / "operations" / "show_api.contract.json"


def test_the_contract_is_served_to_anybody(api: Client) -> None:
    reply = api.get("/v1/openapi.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json["openapi"].startswith("3.1")
    assert "/v1/orders" in reply.json["paths"]


def test_the_page_shows_every_route_and_runs_no_script(api: Client) -> None:
    reply = api.get("/v1/docs")
    assert reply.status == 200
    assert "script-src" not in reply.headers["content-security-policy"]
    assert "<script" not in reply.text
    assert all(path in reply.text for path in api.get("/v1/openapi.json").json["paths"])


def test_the_example_event_is_answered(aws: None) -> None:
    event = json.loads(EVENT.read_text())
    assert run("operations/show_api", event)["statusCode"] == 200
    unknown = gateway_event("GET", "/v1/openapi.xml", resource="/v1/openapi.json", headers={}, query={}, body=None)
    assert run("operations/show_api", unknown)["statusCode"] == 404
