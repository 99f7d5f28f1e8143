"""The application object of a function: it identifies the caller before anything else and speaks problem details.

    app = make_app()

    @app.get("/v1/price-tiers", allow=Permission.READ_STORE)
    def list_price_tiers(caller: Caller) -> PriceTierList: ...

    handler = app.handler

A route that does not say who may use it cannot be built: `allow` has no default.
"""

import base64
import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Self

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Depends, Request, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict

from tradepost.aws.links import signed
from tradepost.aws.secrets import signing_key
from tradepost.domain import clock, errors
from tradepost.domain.errors import DomainError
from tradepost.domain.ids import derived_token
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Entity
from tradepost.http.callers import ANYONE, Ask, CallerInfo, RequestFacts, Rule, identify, kept_answer
from tradepost.http.problems import invalid_request, problem, problem_of
from tradepost.table.shapes import Key
from tradepost.table.transaction import KeptAnswer, ReplayError

__all__ = ["ANYONE", "Answer", "App", "Ask", "Caller", "Limit", "Page", "make_app"]

JSON: Final = "application/json"
CSV: Final = "text/csv"
MAX_BODY: Final = 256 * 1024
logger = Logger(service="tradepost")


class Answer(BaseModel):
    """A resource as clients see it; `etag` is its version, for `If-Match`."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True, hide_input_in_errors=True)

    @classmethod
    def of(cls, entity: Entity, **more: Any) -> Self:
        """Show an entity: its fields by name, its etag, and `more`."""
        return cls.model_validate({**entity.model_dump(), "etag": entity.etag, **more})


class Page[T](BaseModel):
    """One page of a list. `next_cursor` brings the next one; null says that this is the last."""

    items: list[T]
    next_cursor: str | None = None


type CsvOf = Callable[[Mapping[str, Any], CallerInfo], str | None]
type Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page holds at most.")]
type Cursor = Annotated[str | None, Query(max_length=2000, description="The `next_cursor` of the page before.")]


def _caller(request: Request) -> CallerInfo:
    caller: CallerInfo = request.context["caller"]
    return caller


Caller = Annotated[CallerInfo, Depends(_caller)]


class App(APIGatewayRestResolver):
    """A Powertools resolver whose routes say who may use them."""

    def __init__(self, secrets: Mapping[str, Callable[[Any], Any]]) -> None:
        """Build the resolver; requests are validated after their caller is known, so that strangers learn nothing."""
        super().__init__(serializer=_to_json, strip_prefixes=[])
        self.secrets = {"link": signed, **secrets}
        self.rules: dict[tuple[str, str], Rule] = {}
        self.media: dict[tuple[str, str], str] = {}
        self.csv: dict[tuple[str, str], CsvOf] = {}
        self.use([_identified, OpenAPIRequestValidationMiddleware(), OpenAPIResponseValidationMiddleware()])
        self.exception_handler(DomainError)(problem_of)
        self.exception_handler(RequestValidationError)(lambda error: problem_of(invalid_request(error)))
        self.exception_handler(ReplayError)(self._answer_again)
        self.exception_handler(NoRouteError)(lambda _: problem_of(errors.NotFoundError("route")))
        self.exception_handler(Exception)(_unexpected)

    def get(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]  # narrower on purpose
        """Register a reading route; see `_register`."""
        return self._register("GET", rule, **options)

    def post(self, rule: str, *, idempotent: bool = True, **options: Any) -> Callable[..., Any]:  # type: ignore[override]  # narrower on purpose
        """Register a route that changes something, and so demands an Idempotency-Key unless it says otherwise."""
        return self._register("POST", rule, idempotent=idempotent, **options)

    def put(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]  # narrower on purpose
        """Register a replacing route; see `_register`."""
        return self._register("PUT", rule, **options)

    def patch(self, rule: str, *, precondition: bool = True, **options: Any) -> Callable[..., Any]:  # type: ignore[override]  # narrower on purpose
        """Register a changing route, which demands `If-Match`."""
        return self._register("PATCH", rule, precondition=precondition, **options)

    def delete(self, rule: str, *, precondition: bool = True, **options: Any) -> Callable[..., Any]:  # type: ignore[override]  # narrower on purpose
        """Register a removing route, which demands `If-Match` and answers with 204."""
        return self._register("DELETE", rule, precondition=precondition, status=204, **options)

    def _register(  # noqa: PLR0913  # each is one thing that a route may say of itself
        self,
        method: str,
        rule: str,
        *,
        allow: Permission | Literal["anyone"],
        status: int = 200,
        guests: bool = False,
        precondition: bool = False,
        idempotent: bool = False,
        reads: Callable[[Ask], Iterable[Key]] | None = None,
        recognises: bool = False,
        accepts: str = JSON,
        csv: CsvOf | None = None,
        **documentation: Any,
    ) -> Callable[..., Any]:
        """Register a route.

        `allow` is who may use it, `guests` whether people without an account may too where the store lets them,
        `precondition` whether `If-Match` is demanded, `idempotent` whether an Idempotency-Key is, `reads` which items to
        fetch together with the caller, `recognises` whether whoever is signed in is told although anyone may use it,
        `accepts` the media type of its body, `csv` writes its answer for `Accept: text/csv`.
        """
        key = (method, rule)
        self.rules[key] = Rule(allow, status, guests, precondition, idempotent, reads, recognises)
        self.media[key] = accepts
        if csv:
            self.csv[key] = csv
        security: list[dict[str, list[str]]] = [] if allow == ANYONE else [{"bearer": []}]
        if recognises:
            security = [{}, {"bearer": []}]

        def registered(handler: Callable[..., Any]) -> Callable[..., Any]:
            """Register a handler; its docstring is what the contract says of it, the first sentence in short."""
            text = inspect.getdoc(handler) or ""
            words = {"summary": text.split(". ")[0].split("\n")[0].rstrip("."), "description": text}
            routed = self.route(rule, method, status_code=status, security=security, **{**words, **documentation})
            decorated: Callable[..., Any] = routed(handler)
            return decorated

        return registered

    def handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one API Gateway event; logs a line that names the route, never the path, which may hold a token."""
        started = time.perf_counter()
        # The context is emptied once the answer stands; what is logged outlives it.
        known: dict[str, Any] = {}
        self.context["known"] = known
        answer: dict[str, Any] = self.resolve(event, context)
        for name, value in known.pop("told", {}).items():
            answer.setdefault("multiValueHeaders", {})[name] = [value]
        logger.info(
            "request",
            method=event.get("httpMethod"),
            route=event.get("resource"),
            status=answer["statusCode"],
            **{"member": None, **known},
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            request_id=event.get("requestContext", {}).get("requestId"),
        )
        return answer

    def facts(self) -> RequestFacts:
        """Return the present request's parts. Raises `BadRequestError` for a body that cannot be decoded."""
        event = self.current_event
        raw = event.raw_event
        return RequestFacts(
            method=str(event.http_method).upper(),
            path=str(event.path),
            headers={name.lower(): value for name, value in (raw.get("headers") or {}).items() if value is not None},
            path_parameters=self.context.get("_route_args", {}),
            query=event.query_string_parameters or {},
            body=_body(raw),
            address=((raw.get("requestContext") or {}).get("identity") or {}).get("sourceIp") or "",
        )

    def _answer_again(self, _: ReplayError) -> Response[Any]:
        caller: CallerInfo = self.context["caller"]
        again = CallerInfo(caller.facts, caller.rule, caller.at, replay=caller.replay)
        kept = kept_answer(again)
        if kept is None:
            return problem_of(errors.ConflictError("busy", "The same request is being carried out just now. Try again."))
        return _replayed(caller.facts, kept, self.secrets)


def make_app(**secrets: Callable[[Any], Any]) -> App:
    """Return the application of one function.

    `secrets` says for members of its answers, by their names, how one is made whole again that was kept for retries without
    what is secret in it. It is known already for a `link`.
    """
    return App(secrets)


def _identified(app: App, next_middleware: NextMiddleware) -> Response[Any]:
    """Establish the caller, answer a retry with what was answered before, and put the etag where HTTP has it."""
    route = app.context["_route"]
    key = (route.method, route.path)
    facts = app.facts()
    rule = app.rules.get(key)
    if rule is None:
        # A path that the gateway matched and no route does: a parameter of characters that no id has.
        raise errors.NotFoundError("route")
    caller = CallerInfo(facts, rule, clock.now())
    try:
        identify(caller)
    finally:
        # Also where it is refused: whoever acts is told as whom, and an API key how often it may still ask, with every answer.
        app.context["known"] |= _known_of(caller)
    app.context["caller"] = caller
    as_csv = app.csv.get(key) if CSV in facts.headers.get("accept", "").lower() else None
    kept = kept_answer(caller)
    if kept is not None:
        return _written(_replayed(facts, kept, app.secrets), caller, as_csv)
    _fold_media_type(app.current_event.raw_event)
    _check_body(facts, app.media[key], declared=bool(route.dependant.body_params) or app.media[key] != JSON)
    response: Response[Any] = next_middleware(app)
    return _written(_dressed(response, facts), caller, as_csv)


def _known_of(caller: CallerInfo) -> dict[str, Any]:
    """Return what is logged of whoever sent a request, and which headers every answer to it carries."""
    acting = {"acting_as": caller.party.id} if caller.acting else {}
    if caller.key:
        return {"member": caller.party.id, "api_key": caller.key.id, "told": caller.told}
    return {"member": caller.actor.id, **acting, "told": caller.told}


def _written(response: Response[Any], caller: CallerInfo, as_csv: CsvOf | None) -> Response[Any]:
    """Write an answer as CSV, where the route can and the client asked for it."""
    body: dict[str, Any] | None = response.body
    text = as_csv(body, caller) if as_csv and body and response.status_code == HTTPStatus.OK else None
    if text is not None:
        response.body = text
        response.headers["Content-Type"] = f"{CSV}; charset=utf-8; header=present"
    return response


def _fold_media_type(event: dict[str, Any]) -> None:
    """Write the media type in lower case, in which the validator looks for it; it means the same in any."""
    headers = event.get("headers") or {}
    for name in headers:
        if name.lower() == "content-type" and headers[name]:
            kind, semicolon, parameters = headers[name].partition(";")
            headers[name] = kind.strip().lower() + semicolon + parameters


def _check_body(facts: RequestFacts, accepts: str, *, declared: bool) -> None:
    most = MAX_BODY if accepts == JSON else 4 * MAX_BODY
    if len(facts.body.encode()) > most:
        raise errors.TooLargeError("body_too_large", f"The body may be {most // 1024} KiB at most.")
    if not declared:
        return
    content_type = facts.headers.get("content-type", accepts).split(";")[0].strip().lower()
    if content_type != accepts:
        raise errors.UnsupportedMediaTypeError("unsupported_media_type", f"Send the body as {accepts}.")
    if accepts == JSON:
        try:
            json.loads(facts.body or "null", parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise errors.BadRequestError("malformed_json", "The body is not JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _body(event: Mapping[str, Any]) -> str:
    body = event.get("body") or ""
    try:
        return base64.b64decode(body).decode() if event.get("isBase64Encoded") else str(body)
    except ValueError:
        raise errors.BadRequestError("malformed_body", "The body is not UTF-8 text.") from None


def _dressed(response: Response[Any], facts: RequestFacts) -> Response[Any]:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    body = response.body if isinstance(response.body, dict) else {}
    etag = body.get("etag")
    if etag and "items" not in body:
        response.headers["ETag"] = etag
        if facts.method == "GET" and etag in facts.headers.get("if-none-match", ""):
            return Response(304, headers={"ETag": etag, "Cache-Control": "no-store"})
    if response.status_code == HTTPStatus.NO_CONTENT:
        # None would be written out, as "null".
        response.body = ""
    return response


def _replayed(facts: RequestFacts, kept: KeptAnswer, secrets: Mapping[str, Callable[[Any], Any]]) -> Response[Any]:
    body: dict[str, Any] = _whole(kept.body, secrets)
    if kept.token_seed:
        seed = kept.token_seed
        token = derived_token(signing_key(), seed.kind, seed.owner, seed.session, facts.headers["idempotency-key"])
        body.get("session", body)[seed.field] = str(token)
    return _dressed(Response(kept.status, JSON, body, {"Idempotent-Replayed": "true"}), facts)


def _whole(kept: Any, secrets: Mapping[str, Callable[[Any], Any]]) -> Any:
    """Return a kept answer as it was: such as with its links whole again, which are kept without their secret part."""
    if isinstance(kept, Mapping):
        return {name: secrets[name](part) if name in secrets and part else _whole(part, secrets) for name, part in kept.items()}
    return [_whole(part, secrets) for part in kept] if isinstance(kept, list) else kept


def _unexpected(error: Exception) -> Response[str]:
    # What went wrong is for the log alone: an answer names nothing of the inside.
    logger.error("unexpected error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side. Try again.")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
