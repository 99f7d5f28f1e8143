"""Lists: opaque cursors that cannot be forged or carried over to another list, and pages that cost one query."""

import base64
import hmac
import json

from tradepost.aws.secrets import signing_key
from tradepost.domain.errors import BadRequestError
from tradepost.domain.ids import fingerprint

type Position = dict[str, str]


def read_cursor(cursor: str | None, *bound_to: str | None) -> Position | None:
    """Return where the next page begins. Raises `BadRequestError` unless it was made for exactly this list."""
    if cursor is None:
        return None
    payload, _, signature = cursor.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(payload, bound_to).encode()):
        raise BadRequestError("invalid_cursor", "This cursor does not belong to this list. Begin again without one.")
    position: Position = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return position


def make_cursor(position: Position | None, *bound_to: str | None) -> str | None:
    """Return the cursor of the next page, or None after the last one."""
    if position is None:
        return None
    payload = base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")
    return f"{payload}.{_signature(payload, bound_to)}"


def _signature(payload: str, bound_to: tuple[str | None, ...]) -> str:
    return fingerprint(signing_key(), "cursor", payload, *(f"={part}" if part is not None else "-" for part in bound_to))
