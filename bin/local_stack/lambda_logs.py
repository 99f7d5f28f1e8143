"""What the Lambdas logged, newest last: where to look when a request answers 502."""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

BY_THE_RUNTIME = ("START RequestId", "END RequestId", "REPORT RequestId")


def recent_lines(logs: Any, *, limit: int = 200) -> Iterator[str]:
    """The last lines of all Lambdas, each with its time and function."""
    lines: list[tuple[int, str, str]] = []
    for group in logs.describe_log_groups().get("logGroups", []):
        name = group["logGroupName"].rpartition("/")[2]
        events = logs.filter_log_events(logGroupName=group["logGroupName"]).get("events", [])
        lines.extend((event["timestamp"], name, event["message"].rstrip()) for event in events)
    told = [line for line in lines if not line[2].startswith(BY_THE_RUNTIME)]
    for timestamp, name, message in sorted(told, key=itemgetter(0))[-limit:]:
        at = datetime.fromtimestamp(timestamp / 1000, UTC)
        yield f"{at:%H:%M:%S} {name}: {message}"
