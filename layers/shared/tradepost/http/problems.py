"""Errors as RFC 9457 problem details. This is the one place where a refusal gets its HTTP status."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from tradepost.domain import errors
from tradepost.domain.errors import DomainError, Fault, InvalidError

type Headers = dict[str, str | list[str]]

CONTENT_TYPE: Final = "application/problem+json"

STATUS: Final[dict[type[DomainError], HTTPStatus]] = {
    errors.BadRequestError: HTTPStatus.BAD_REQUEST,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.GoneError: HTTPStatus.GONE,
    errors.StaleError: HTTPStatus.PRECONDITION_FAILED,
    errors.PreconditionRequiredError: HTTPStatus.PRECONDITION_REQUIRED,
    errors.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: DomainError) -> HTTPStatus:
    """Return the status that stands for a kind of refusal."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(status: HTTPStatus, code: str, detail: str, *, headers: Headers | None = None, **extra: Any) -> Response[str]:
    """Return an answer that is a problem: its `type` and `code` are stable, its `detail` is for people."""
    members = {"type": f"urn:tradepost:problem:{code}", "title": status.phrase, "status": int(status), "code": code}
    body = json.dumps({**members, "detail": detail, **extra}, ensure_ascii=False)
    return Response(int(status), CONTENT_TYPE, body, {"Cache-Control": "no-store", **(headers or {})})


def problem_of(error: DomainError) -> Response[str]:
    """Return the answer to a refused request."""
    status = status_of(error)
    extra = dict(error.extra)
    headers: Headers = {}
    if isinstance(error, InvalidError):
        extra["errors"] = [{"pointer": fault.pointer, "message": fault.message} for fault in error.faults]
    if isinstance(error, errors.ThrottledError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.MissingScopeError):
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    return problem(status, error.code, error.detail, headers=headers, **extra)


def invalid_request(error: RequestValidationError) -> InvalidError:
    """Translate the validator's findings into pointers and words; what was sent is not repeated."""
    findings = error.errors()
    told = [finding for finding in findings if not _follows_from_others(finding, findings)]
    return InvalidError(*(Fault(_pointer(finding["loc"]), _words(finding)) for finding in told))


def _follows_from_others(finding: dict[str, Any], findings: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a list was only found to be too short because of what is wrong within it."""
    within = len(finding["loc"])
    return finding["type"] == "too_short" and any(
        len(other["loc"]) > within and other["loc"][:within] == finding["loc"] for other in findings
    )


def _pointer(location: tuple[str | int, ...]) -> str:
    place, *path = location
    if place == "query":
        return "?" + ".".join(str(step) for step in path)
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _words(finding: dict[str, Any]) -> str:
    message = str(finding["msg"]).removeprefix("Value error, ")
    if finding["type"] == "too_long" and isinstance(finding.get("input"), str):
        return f"has more than {finding['ctx']['max_length']} characters"
    # A sentence becomes a part of one, but for an acronym that it begins with.
    part = message if message[1:2].isupper() else message[:1].lower() + message[1:]
    return {"Field required": "is required", "Extra inputs are not permitted": "is not a field of this request"}.get(
        message, part
    )
