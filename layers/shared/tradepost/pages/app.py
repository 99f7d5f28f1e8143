"""The application object of a function that serves pages: it answers errors with pages too, never with JSON."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from tradepost.domain.errors import (
    BadRequestError,
    DomainError,
    NotFoundError,
    ThrottledError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from tradepost.http.app import App, logger, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.problems import invalid_request, status_of
from tradepost.pages.rendering import Look, render_page

type Explain = Callable[[DomainError, CallerInfo | None], Response[str]]

_UNREADABLE = (BadRequestError, TooLargeError, UnsupportedMediaTypeError)


def make_page_app(explain: Explain) -> App:
    """Return the application of one function; `explain` finds the words for the refusals of its own subject."""
    app = make_app()

    def explained(error: DomainError) -> Response[str]:
        if isinstance(error, _UNREADABLE):
            text = "Something was lost on the way here. Please open the link in your mail again, and try once more."
            return _message(status_of(error), "We could not read that", text)
        return explain(error, app.context.get("caller"))

    app.exception_handler(DomainError)(explained)
    app.exception_handler(RequestValidationError)(lambda error: explained(invalid_request(error)))
    app.exception_handler(NoRouteError)(lambda _: explained(NotFoundError("page")))
    app.exception_handler(Exception)(_unexpected)
    return app


def described(**statuses: str) -> dict[str, Any]:
    """Return how OpenAPI describes a route that answers with pages: `described(_200="The form", _410="Why it is dead")`."""
    page = {"text/html": {"schema": {"type": "string"}}}
    return {"responses": {int(status[1:]): {"description": words, "content": page} for status, words in statuses.items()}}


def retry_after(error: DomainError) -> dict[str, str]:
    """Return the header that says when it is worth trying again, if the error knows."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, ThrottledError) else {}


def _unexpected(error: Exception) -> Response[str]:
    # What went wrong is for the log alone: a page names nothing of the inside.
    logger.exception("unexpected error", exc_info=error)
    text = "It is not your fault, and nothing is lost. Please try again in a minute."
    return _message(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side", text)


def _message(status: HTTPStatus, title: str, text: str) -> Response[str]:
    return render_page("message.html", Look(), status=int(status), title=title, paragraphs=[text], tone="bad")
