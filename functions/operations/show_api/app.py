"""GET /v1/openapi.json and /v1/docs: the contract, for programs and for people."""

from functools import cache
from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler import Response

from tradepost.http.app import ANYONE, Caller, make_app

app = make_app()

HERE: Final = Path(__file__).parent
CACHED: Final = "public, max-age=300"
# The page is written without any script; what it shows is our own contract.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@app.get("/v1/openapi.json", allow=ANYONE)
def show_openapi(caller: Caller) -> Response[str]:
    """Return the OpenAPI 3.1 description of every route."""
    return Response(200, "application/json", _openapi(), {"Cache-Control": CACHED})


@app.get("/v1/docs", allow=ANYONE)
def show_docs(caller: Caller) -> Response[str]:
    """Return the same as a page to read."""
    return Response(200, "text/html; charset=utf-8", _docs(), {"Cache-Control": CACHED, "Content-Security-Policy": POLICY})


@cache
def _openapi() -> str:
    return (HERE / "openapi.json").read_text()


@cache
def _docs() -> str:
    return (HERE / "docs.html").read_text()


handler = app.handler
