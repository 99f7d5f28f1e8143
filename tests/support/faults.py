"""What goes wrong between a function and AWS, put where it happens: at the edge, so that all of our own code is real."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import botocore.client
from botocore.exceptions import ClientError


def refusal(operation: str, code: str, **more: Any) -> ClientError:
    """Return the error that AWS answers with."""
    answer: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(answer, operation)


@contextmanager
def failing(
    operation: str, error: Exception, *, times: int = 1, skipping: int = 0, when: Literal["before", "after"] = "before"
) -> Iterator[None]:
    """Let calls of an operation fail a few times: before AWS has done anything, or after, so that only the answer is lost."""
    calls = 0

    def fault(proceed: Callable[[], Any]) -> Any:
        nonlocal calls
        calls += 1
        if not skipping < calls <= skipping + times:
            return proceed()
        if when == "after":
            proceed()
        raise error

    with _at(operation, fault):
        yield


@contextmanager
def meanwhile(
    operation: str, action: Callable[[], Any], *, times: int = 1, when: Literal["before", "after"] = "before"
) -> Iterator[None]:
    """Let something else happen just before or just after the first calls of an operation: once, unless told otherwise."""
    calls, happening = 0, False

    def happen() -> None:
        nonlocal happening
        happening = True
        action()
        happening = False

    def fault(proceed: Callable[[], Any]) -> Any:
        nonlocal calls
        if happening or calls >= times:
            return proceed()
        calls += 1
        if when == "before":
            happen()
        answer = proceed()
        if when == "after":
            happen()
        return answer

    with _at(operation, fault):
        yield


@contextmanager
def _at(operation: str, fault: Callable[[Callable[[], Any]], Any]) -> Iterator[None]:
    original = botocore.client.BaseClient._make_api_call

    def disturbed(self: Any, name: str, parameters: Any) -> Any:
        if name != operation:
            return original(self, name, parameters)
        return fault(lambda: original(self, name, parameters))

    botocore.client.BaseClient._make_api_call = disturbed
    try:
        yield
    finally:
        botocore.client.BaseClient._make_api_call = original
