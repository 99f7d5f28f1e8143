"""The HTTP contract, merged from the handlers, as OpenAPI 3.1 and as a page without any script."""

import html
import json
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer
from tests.support.functions import load_function, routes

from tradepost.domain.api_keys import scope_for

ROOT = Path(__file__).resolve().parent.parent
PROBLEM = {
    "title": "Problem",
    "description": "An RFC 9457 problem. `code` is stable; `errors` says which fields are wrong and why.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
BEARER = (
    "The token of a session (`tp_session_…`) or of acting for somebody (`tp_acting_…`), or a reseller's API key (`tp_key_…`). "
    "A key may use the routes of its scopes and is refused elsewhere: 403 `missing_scope` names the one it lacks, "
    "`not_for_api_keys` says that none would do. Every answer to it says in `RateLimit` how often it may still ask."
)
HEADERS = {
    "Idempotency-Key": "1 to 255 visible characters. A retry with the same key is answered as the first request was.",
    "If-Match": "The `etag` of what you read. 412 if it has changed since.",
}


def contract() -> str:
    """Return the OpenAPI description as JSON text, in a stable order."""
    bearer = HTTPBearer(description=BEARER)
    merge = OpenAPIMerge(
        title="Tradepost",
        version="1",
        summary="The back end of a seller's B2B wholesale portal.",
        on_conflict="error",
        security_schemes={"bearer": bearer},
    )
    for name in sorted({route.function for route in routes()}):
        app = load_function(name).app
        merge.add_schema(app.get_openapi_schema(title="Tradepost", version="1", security_schemes={"bearer": bearer}))
    description = json.loads(merge.get_openapi_json_schema())
    description["components"]["schemas"]["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        description["components"]["schemas"].pop(unused, None)
    for route in routes():
        _complete(description["paths"][route.path][route.method.lower()], route)
    return json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _complete(operation: dict[str, Any], route: Any) -> None:
    """Add what every route has in common: who may use it, its headers, and its errors."""
    app, key = load_function(route.function).app, (route.method, route.rule)
    rule = app.rules[key]
    context, use_case = route.function.split("/")
    operation["tags"] = [context]
    operation["operationId"] = f"{use_case}.{route.method.lower()}.{route.rule}"
    operation["x-permission"] = str(rule.allow)
    scope = scope_for(rule.allow)
    if scope:
        operation["x-api-key-scope"] = scope
    parameters = operation.setdefault("parameters", [])
    demanded = (["Idempotency-Key"] if rule.idempotent else []) + (["If-Match"] if rule.precondition else [])
    for name in demanded:
        parameters.append(
            {"name": name, "in": "header", "required": True, "description": HEADERS[name], "schema": {"type": "string"}}
        )
    if rule.guests:
        parameters.append(
            {
                "name": "store",
                "in": "query",
                "required": False,
                "description": "For guests: the store's slug.",
                "schema": {"type": "string"},
            }
        )
    responses = operation["responses"]
    responses.pop("422", None)
    if key in app.csv:
        responses["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses["default"] = {"description": "A problem", "content": content}


def page(text: str) -> str:
    """Return the description as a page."""
    description = json.loads(text)
    by_tag: dict[str, list[str]] = {}
    for path, operations in sorted(description["paths"].items()):
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    contents = "".join(f'<li><a href="#{tag}">{tag}</a></li>' for tag in sorted(by_tag))
    sections = "".join(f'<section id="{tag}"><h2>{tag}</h2>{"".join(rows)}</section>' for tag, rows in sorted(by_tag.items()))
    schemas = "".join(_schema(name, schema) for name, schema in sorted(description["components"]["schemas"].items()))
    return (Path(__file__).parent / "docs_page.html").read_text().format(contents=contents, sections=sections, schemas=schemas)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(p['name'])}</code></td><td>{p['in']}{', required' if p.get('required') else ''}</td>"
        f"<td>{html.escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
    )
    table = f"<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>{rows}</table>" if rows else ""
    sent = _linked(operation.get("requestBody"))
    answers = "".join(
        f"<li><b>{html.escape(status)}</b> {_linked(answer) or html.escape(answer.get('description', ''))}</li>"
        for status, answer in sorted(operation["responses"].items())
    )
    body = f"<p>Body: {sent}</p>" if sent else ""
    return (
        f'<details><summary><span class="{method}">{method.upper()}</span> <code>{html.escape(path)}</code> '
        f"<small>{html.escape(operation.get('summary', ''))}</small></summary>"
        f"<p>{html.escape(operation.get('description', ''))}</p><p>Who: <code>{operation['x-permission']}</code></p>"
        f"{table}{body}<ul>{answers}</ul></details>"
    )


def _linked(part: dict[str, Any] | None) -> str:
    found = [name.rpartition("/")[2] for name in _references(part or {})]
    return ", ".join(f'<a href="#schema-{name}">{name}</a>' for name in dict.fromkeys(found))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for part in value.values() for found in _references(part)]
    return [found for part in value for found in _references(part)] if isinstance(value, list) else []


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = html.escape(json.dumps(schema, indent=1, ensure_ascii=False))
    return f'<details id="schema-{name}"><summary><code>{name}</code></summary><pre>{text}</pre></details>'
