"""What the handlers serve, what is deployed, what is documented and what is held against callers are the same routes."""

import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
import schemathesis
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer
from pydantic import BaseModel

from contract import contract, page
from tests.support.casting import CALLERS, attempts
from tests.support.functions import ROOT, load_function, routes
from tests.support.template import template
from tradepost.http.app import ANYONE

SHOWN = ROOT / "functions" / "operations" / "show_api"
SERVED = sorted((route.method, route.path) for route in routes())


@cache
def _written() -> str:
    return contract()


@cache
def _operations() -> dict[tuple[str, str], dict[str, Any]]:
    paths = json.loads((SHOWN / "openapi.json").read_text())["paths"]
    return {(method.upper(), path): operation for path, each in paths.items() for method, operation in each.items()}


def test_no_route_is_served_twice() -> None:
    assert len(SERVED) == len(set(SERVED))


def test_the_gateway_leads_every_route_to_the_function_that_serves_it() -> None:
    deployed = []
    for each in template()["Resources"].values():
        for event in each["Properties"].get("Events", {}).values() if each["Type"] == "AWS::Serverless::Function" else ():
            if event["Type"] == "Api":
                assert event["Properties"]["RestApiId"] == {"Ref": "Api"}
                route = event["Properties"]["Method"].upper(), event["Properties"]["Path"]
                deployed.append((*route, each["Properties"]["CodeUri"].removeprefix("functions/")))
    assert sorted(deployed) == sorted((route.method, route.path, route.function) for route in routes())


def test_every_route_is_documented_and_nothing_else() -> None:
    assert sorted(_operations()) == SERVED


def test_every_route_is_held_against_every_kind_of_caller() -> None:
    assert sorted({(attempt.method, attempt.path) for attempt in attempts()}) == SERVED
    assert {caller for attempt in attempts() for caller in attempt.who} == set(CALLERS)


def test_a_route_that_is_not_for_anyone_refuses_whoever_has_no_valid_credential() -> None:
    for attempt in attempts():
        route = next(each for each in routes() if (each.method, each.path) == (attempt.method, attempt.path))
        if load_function(route.function).app.rules[(route.method, route.rule)].allow != ANYONE:
            refused = {attempt.who["anonymous"].split()[0], attempt.who["revoked"].split()[0]}
            assert refused == {"401"}, attempt.name


def test_the_published_contract_is_what_the_handlers_say() -> None:
    assert (SHOWN / "openapi.json").read_text() == _written(), "run `make openapi`"
    assert (SHOWN / "docs.html").read_text() == page(_written()), "run `make openapi`"


def test_the_contract_is_a_valid_openapi_document() -> None:
    document = json.loads(_written())
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()
    names = document["components"]["schemas"]
    assert {name for name in _references(document) if name.rpartition("/")[2] not in names} == set()


@pytest.mark.parametrize("route", SERVED, ids=" ".join)
def test_every_operation_says_what_it_does_and_how_it_fails(route: tuple[str, str]) -> None:
    operation = _operations()[route]
    assert operation["summary"] != " ".join(route), "the handler's docstring is missing"
    assert operation["summary"]
    assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in _operations().values()]
    assert len(names) == len(set(names))


def test_two_models_never_share_a_name() -> None:
    for route in routes():
        load_function(route.function)
    homes = defaultdict(set)
    for model in _models(BaseModel):
        if model.__module__.startswith(("tradepost.", "functions.")) and not model.__pydantic_generic_metadata__["origin"]:
            homes[model.__name__].add(model.__module__)
    assert {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1} == {}


def test_functions_that_describe_the_same_name_describe_the_same_thing() -> None:
    described: dict[str, dict[str, str]] = defaultdict(dict)
    for function in sorted({route.function for route in routes()}):
        schema = load_function(function).app.get_openapi_schema(security_schemes={"bearer": HTTPBearer()})
        for name, component in json.loads(schema.model_dump_json(by_alias=True))["components"].get("schemas", {}).items():
            described[name].setdefault(json.dumps(component, sort_keys=True), function)
    assert {name: list(each.values()) for name, each in described.items() if len(each) > 1} == {}


def _references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*map(_references, part.values()))
    return set().union(*map(_references, part)) if isinstance(part, list) else set()


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    below = model.__subclasses__()
    return {*below, *(each for direct in below for each in _models(direct))}
