"""A use case is one folder, one Lambda, one payload and one test, all under one name."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import FUNCTIONS, ROOT, function_names, routes
from tests.support.template import template

EVENTS = ROOT / "events"
TESTS = ROOT / "tests" / "functions"
CONTEXTS = frozenset(
    {"stores", "identity", "catalog", "customers", "invitations", "sales_reps", "acting", "orders", "offers", "events"}
    | {"statistics", "resellers", "rules", "billing", "api_keys", "activity", "exports", "notifications", "operations"}
)


def _events(function: str) -> list[Path]:
    return sorted(EVENTS.glob(f"{function}.*.json"))


def _logical_id(function: str) -> str:
    return "".join(word.title() for word in function.partition("/")[2].split("_")) + "Function"


def _declared() -> list[tuple[str, str]]:
    resources: dict[str, Any] = template()["Resources"]
    functions = [(name, each) for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"]
    return sorted((each["Properties"]["CodeUri"], name) for name, each in functions)


def test_the_contexts_are_those_of_the_product() -> None:
    assert {name.partition("/")[0] for name in function_names()} <= CONTEXTS


@pytest.mark.parametrize("function", function_names())
def test_a_use_case_says_what_the_business_gets_and_has_a_handler(function: str) -> None:
    module = ast.parse((FUNCTIONS / function / "app.py").read_text())
    assert ast.get_docstring(module)
    assigned = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert "handler" in assigned | {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("function", function_names())
def test_a_use_case_has_a_payload_and_a_test(function: str) -> None:
    assert _events(function), f"events/{function}.<scenario>.json is missing"
    context, _, use_case = function.partition("/")
    assert (TESTS / context / f"test_{use_case}.py").is_file()


def test_every_use_case_is_one_lambda_under_its_own_name() -> None:
    assert _declared() == [(f"functions/{name}", _logical_id(name)) for name in function_names()]


def test_nothing_is_left_of_use_cases_that_are_gone() -> None:
    known = set(function_names())
    payloads = {str(path.relative_to(EVENTS)) for path in EVENTS.rglob("*") if path.is_file()}
    assert {name for name in payloads if not re.fullmatch(r"\w+/\w+\.\w+\.json", name)} == set()
    assert {name.partition(".")[0] for name in payloads} <= known
    # A use case may have more than one file of tests: `test_place_order_by_reps.py`.
    tests = {str(path.relative_to(TESTS).parent / path.stem.removeprefix("test_")) for path in TESTS.rglob("test_*.py")}
    assert {test for test in tests if not any(f"{test}_".startswith(f"{name}_") for name in known)} == set()
    code = {str(path.relative_to(FUNCTIONS)) for path in FUNCTIONS.rglob("*.py")}
    assert code == {f"{name}/app.py" for name in known}


@pytest.mark.parametrize("function", sorted({route.function for route in routes()}))
def test_a_payload_is_a_request_that_its_function_serves(function: str) -> None:
    served = {(route.method, route.path) for route in routes() if route.function == function}
    for event in (json.loads(path.read_text()) for path in _events(function)):
        assert (event["httpMethod"], event["resource"]) in served
        assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", event["resource"]), event["path"])
