"""An API client for the tests: the same calls go to the functions in this process, or over HTTP to a deployed stack."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from uuid import uuid4

from tests.support.functions import Reply, invoke

_numbers = count(1)


@dataclass(frozen=True)
class Client:
    """Sends requests as one caller. POSTs carry a fresh Idempotency-Key unless the test gives one, or None."""

    token: str | None = None
    transport: Callable[..., Reply] = invoke

    def as_(self, token: str | None) -> "Client":
        """Return the same client with another credential."""
        return replace(self, token=token)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, **query: str) -> Reply:
        """Read."""
        return self.send("GET", path, headers=headers, query=query)

    def post(
        self, path: str, body: Any = None, *, key: str | None = "", headers: Mapping[str, str] | None = None, **query: str
    ) -> Reply:
        """Send something new. `key` is the Idempotency-Key: a fresh one by default, none for None."""
        sent = {} if key is None else {"Idempotency-Key": key or f"{next(_numbers)}-{uuid4()}"}
        return self.send("POST", path, body, headers={**sent, **(headers or {})}, query=query)

    def put(self, path: str, body: Any = None, *, etag: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Replace."""
        return self.send("PUT", path, body, headers={**_matching(etag), **(headers or {})})

    def patch(self, path: str, body: Any, *, etag: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Change."""
        return self.send("PATCH", path, body, headers={**_matching(etag), **(headers or {})})

    def delete(self, path: str, *, etag: str | None = None) -> Reply:
        """Remove."""
        return self.send("DELETE", path, headers=_matching(etag))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send any request; a body that is no text goes as JSON."""
        sent = {"User-Agent": "tests", **(headers or {})}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        return self.transport(method, path, headers=sent, query=query or {}, body=body)


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}
