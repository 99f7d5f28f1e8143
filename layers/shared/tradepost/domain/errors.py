"""Why the business refuses: every error carries a stable code and words for a person; HTTP maps it in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One field that is wrong. `pointer` is a JSON pointer into the request body, or `?name` for a parameter."""

    pointer: str
    message: str


class DomainError(Exception):
    """A refusal that the caller can understand. `code` is part of the contract and never changes."""

    def __init__(self, code: str, detail: str, **extra: object) -> None:
        """Keep what the problem answer says; `extra` becomes additional members of it."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.extra = extra


class BadRequestError(DomainError):
    """The request cannot be understood at all."""


class UnauthenticatedError(DomainError):
    """Nobody, or nobody we know."""


class ForbiddenError(DomainError):
    """Somebody we know, who may not do this."""


class MissingScopeError(ForbiddenError):
    """An API key that this could be for, but was not made for."""

    def __init__(self, scope: str) -> None:
        """Name the scope that the key would need."""
        super().__init__("missing_scope", f"This API key lacks the scope “{scope}”.", required_scope=scope)
        self.scope = scope


class NotFoundError(DomainError):
    """There is no such thing, or none within the caller's scope: the answer is the same, so that nothing leaks."""

    def __init__(self, kind: str = "resource") -> None:
        """Name only the kind: never the id that was asked for."""
        super().__init__("not_found", f"There is no such {kind}.")


class ConflictError(DomainError):
    """The request is fine, the state of things is not."""


class GoneError(DomainError):
    """It existed, and is over for good."""


class StaleError(DomainError):
    """The caller decided on an older version than the one stored."""

    def __init__(self) -> None:
        """Take no arguments: the mend is always to read again."""
        super().__init__("stale", "This has changed since you read it. Read it again and decide anew.")


class PreconditionRequiredError(DomainError):
    """An update without `If-Match` could overwrite somebody else's."""


class InvalidError(DomainError):
    """One or more fields are wrong. `faults` says which and why."""

    def __init__(self, *faults: Fault, code: str = "invalid") -> None:
        """Collect the faults; the first one's message is the detail."""
        super().__init__(code, faults[0].message if faults else "The request is not valid.")
        self.faults = faults


class TooLargeError(DomainError):
    """More than the contract takes."""


class UnsupportedMediaTypeError(DomainError):
    """A body of another type than the route takes."""


class ThrottledError(DomainError):
    """Too many tries. `retry_after` is in seconds."""

    def __init__(self, code: str, detail: str, *, retry_after: int) -> None:
        """Say when it is worth trying again."""
        super().__init__(code, detail)
        self.retry_after = retry_after


class UnavailableError(DomainError):
    """Switched off, or not to be had just now."""
