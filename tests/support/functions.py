"""The functions, found in the tree and called in this process as API Gateway would call them."""

import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
SOURCE: ContextVar[str] = ContextVar("source", default="203.0.113.7")
"""The address that requests come from."""


@cache
def load_function(name: str) -> ModuleType:
    """Import `functions/<context>/<use_case>/app.py`, once."""
    path = FUNCTIONS / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"functions.{name.replace('/', '.')}", path)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def function_names() -> list[str]:
    """Return `<context>/<use_case>` of every function, sorted."""
    return sorted(str(path.parent.relative_to(FUNCTIONS)) for path in FUNCTIONS.glob("*/*/app.py"))


@dataclass(frozen=True)
class Route:
    """A route of a function."""

    method: str
    rule: str
    function: str
    pattern: re.Pattern[str] = field(compare=False)

    @property
    def path(self) -> str:
        """The path as OpenAPI and SAM spell it."""
        return re.sub(r"<(\w+)>", r"{\1}", self.rule)


@cache
def routes() -> tuple[Route, ...]:
    """Return every route of every function that has some."""
    found = []
    for name in function_names():
        app = getattr(load_function(name), "app", None)
        for method, rule in getattr(app, "rules", {}):
            pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", rule.replace(".", r"\.")))
            found.append(Route(method, rule, name, pattern))
    # A fixed segment goes before a parameter, as in API Gateway.
    return tuple(sorted(found, key=lambda route: (route.rule.count("<"), route.rule)))


class Context:
    """What Lambda hands to a handler."""

    function_name = "tested"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:tested"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return a comfortable remainder."""
        return 10_000


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers (lower-case names) and body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON; None if there is none."""
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str | None:
        """The problem's code, if it is one."""
        return self.json.get("code") if self.text and isinstance(self.json, dict) else None


def gateway_event(
    method: str, path: str, *, resource: str, headers: Mapping[str, str], query: Mapping[str, str], body: str | None
) -> dict[str, Any]:
    """Return the event that API Gateway makes of a request."""
    return {
        "resource": resource,
        "path": unquote(path),
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": "request",
            "stage": "live",
            "path": f"/live{path}",
            "resourcePath": resource,
            "httpMethod": method,
            "identity": {"sourceIp": SOURCE.get(), "userAgent": headers.get("User-Agent")},
        },
        "body": body,
        "isBase64Encoded": False,
    }


_running: ContextVar[str | None] = ContextVar("running", default=None)


def running() -> str | None:
    """Return which function runs now; None while the test itself does."""
    return _running.get()


def run(function: str, event: dict[str, Any]) -> dict[str, Any]:
    """Run a function with an event, as Lambda would: under its own role."""
    token = _running.set(function)
    try:
        answer: dict[str, Any] = load_function(function).handler(event, Context())
    finally:
        _running.reset(token)
    return answer


def invoke(method: str, url: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: str | None) -> Reply:
    """Send one request to the function that has its route."""
    path = urlsplit(url).path
    for route in routes():
        if route.method == method and route.pattern.fullmatch(path):
            event = gateway_event(method, path, resource=route.path, headers=headers, query=query, body=body)
            answer = run(route.function, event)
            names = {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}
            return Reply(answer["statusCode"], names, answer["body"] or "")
    return Reply(403, {}, '{"message":"Missing Authentication Token"}')
