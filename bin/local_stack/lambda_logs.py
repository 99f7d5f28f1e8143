"""What the Lambdas logged, newest last: where to look when a request answers 502."""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

MOST_AT_ONCE = 10_000
BY_THE_RUNTIME = ("START RequestId", "END RequestId", "REPORT RequestId")


def _events(logs: Any, group: str) -> list[dict[str, Any]]:
    """The latest events of a group: the engine answers with the oldest that it has since a time, and with no token to go on."""
    events: list[dict[str, Any]] = logs.filter_log_events(logGroupName=group).get("events", [])
    while len(events) == MOST_AT_ONCE and events[0]["timestamp"] < events[-1]["timestamp"]:
        since = events[-1]["timestamp"]
        events = logs.filter_log_events(logGroupName=group, startTime=since).get("events", [])
    return events


def recent_lines(logs: Any, *, limit: int = 200) -> Iterator[str]:
    """The last lines of all Lambdas, each with its time and function."""
    lines: list[tuple[int, str, str]] = []
    for group in logs.describe_log_groups().get("logGroups", []):
        name = group["logGroupName"].rpartition("/")[2]
        lines.extend((event["timestamp"], name, event["message"].rstrip()) for event in _events(logs, group["logGroupName"]))
    told = [line for line in lines if not line[2].startswith(BY_THE_RUNTIME)]
    for timestamp, name, message in sorted(told, key=itemgetter(0))[-limit:]:
        at = datetime.fromtimestamp(timestamp / 1000, UTC)
        yield f"{at:%H:%M:%S} {name}: {message}"
