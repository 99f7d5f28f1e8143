"""The local engine's own process: AWS on one loopback port, ended together with whatever started it.

Run by the plain interpreter, not by the engine's environment: the engine runs every Lambda on the interpreter it runs
on itself, and a Lambda must find its libraries in the layer or nowhere, as on AWS.

Usage: python engine_main.py SITE_PACKAGES
"""

import functools
import hashlib
import heapq
import os
import re
import shutil
import signal
import site
import sys
import tempfile
import threading
import time
import types
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

PARENT_CHECK_SECONDS = 0.5
LOG_WAIT_SECONDS = 0.002
COPIES_OF_ONE_LAMBDA = 8
PATIENCE_SECONDS = 20.0
BETWEEN = re.compile(
    r"\((?P<partition_key>#\w+) = (?P<partition>:\w+) AND (?P<sort_key>#\w+) BETWEEN (?P<low>:\w+) AND (?P<high>:\w+)\)"
)


def main() -> None:
    """Serve until SIGTERM, or until the starting process is gone; both save the state first."""
    site.addsitedir(sys.argv.pop(1))
    threading.Thread(target=follow, args=(os.getppid(),), daemon=True).start()
    from ministack import app

    speed_up_cold_starts()
    queue_bursts()
    read_streams_from_their_beginning()
    let_ses_report()
    look_at_pages_alone()
    app.main()


def follow(parent: int) -> None:
    """End in an orderly way when the parent dies, however it dies."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def speed_up_cold_starts() -> None:
    """Unpack each layer once instead of once for every warm Lambda, and do not wait for logs that nobody wrote.

    Fifty parallel calls would otherwise unpack fifty copies of the layer. A log line that comes later than the short
    wait is picked up with the next invocation.
    """
    from ministack.core import lambda_runtime

    lambda_runtime.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedLayer})
    first_line_wait, idle_confirm, hard_cap = 0.050, 0.005, 0.250
    expected = (first_line_wait, idle_confirm, hard_cap)
    drain = lambda_runtime.Worker._drain_stderr_bounded  # noqa: SLF001 - the engine offers no setting
    if drain.__defaults__ == expected:
        drain.__defaults__ = (LOG_WAIT_SECONDS, LOG_WAIT_SECONDS, hard_cap)


def queue_bursts() -> None:
    """Let calls wait for a warm copy of their Lambda once there are enough copies.

    AWS gives every copy a processor of its own. Here they share a few: fifty cold starts at once would all time out.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    acquire = lambda_runtime.acquire_worker

    def acquire_patiently(name, config, code, qualifier="$LATEST", max_concurrency=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as replaced
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            worker, reason = acquire(name, config, code, qualifier, max_concurrency or COPIES_OF_ONE_LAMBDA)
            if worker is not None:
                return worker, reason
            time.sleep(LOG_WAIT_SECONDS)
        return acquire(name, config, code, qualifier, max_concurrency)

    lambda_runtime.acquire_worker = lambda_svc.acquire_worker = acquire_patiently


def read_streams_from_their_beginning() -> None:
    """Forget how far a table's stream was read when the engine stopped.

    The engine keeps the position but not the stream: it would skip as many new records as it had read old ones.
    """
    from ministack.services import lambda_svc

    restore = lambda_svc.load_persisted_state

    def restore_without_positions(data):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as replaced
        restore(data)
        lambda_svc._dynamodb_stream_positions.clear()  # noqa: SLF001 - the engine offers no setting

    lambda_svc.load_persisted_state = restore_without_positions


def let_ses_report() -> None:
    """Let events of AWS itself onto the bus: here SES reports from outside the engine, and no account may speak for AWS."""
    from ministack.services import eventbridge

    eventbridge._put_events = functools.partial(eventbridge._put_events, allow_aws_source=True)  # noqa: SLF001 - the engine offers no setting


def look_at_pages_alone() -> None:
    """Have a query between two keys look closer at the items of its page alone.

    The engine reads the condition anew for every item of the partition, and sorts all of them by the index for each page: of
    long lists, every page would take seconds.
    """
    from ministack.services import dynamodb

    query, evaluate, members_of = dynamodb._query, dynamodb._evaluate_condition, dynamodb._index_members  # noqa: SLF001 - the engine offers no setting
    at_hand = threading.local()

    def query_page(data):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as replaced
        at_hand.between = Between.of(data)
        at_hand.page = None if data.get("ExclusiveStartKey") else data.get("Limit")
        try:
            return query(data)
        finally:
            at_hand.between = None

    def evaluate_for_page(expr, item, attr_values, attr_names, slot="ConditionExpression"):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as replaced
        between = getattr(at_hand, "between", None)
        if between and slot == "KeyConditionExpression":
            return between.holds(item)
        return evaluate(expr, item, attr_values, attr_names, slot=slot)

    def members_of_page(table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as replaced
        members, between = members_of(table), getattr(at_hand, "between", None)
        if not between or not between.index_name or not at_hand.page:
            return members
        of_partition = members.get(between.index_name, {}).get(between.partition, ())
        return {between.index_name: {between.partition: between.next_of(of_partition, table["items"], at_hand.page + 1)}}

    dynamodb._query, dynamodb._evaluate_condition = query_page, evaluate_for_page  # noqa: SLF001 - the engine offers no setting
    dynamodb._index_members = members_of_page  # noqa: SLF001 - the engine offers no setting


class Between(NamedTuple):
    """A query for what has one text as a key, and another between two others, forward or back; of an index if it has a name."""

    index_name: str | None
    partition_key: str
    partition: str
    sort_key: str
    low: str
    high: str
    forward: bool

    @classmethod
    def of(cls, query: dict[str, Any]) -> "Between | None":
        """Read it as PynamoDB asks; None if it is another kind of query."""
        written = BETWEEN.fullmatch(query.get("KeyConditionExpression") or "")
        if written is None:
            return None
        names, values = query.get("ExpressionAttributeNames", {}), query.get("ExpressionAttributeValues", {})
        compared = [values.get(written[group], {}).get("S") for group in ("partition", "low", "high")]
        keys = [names.get(written[group]) for group in ("partition_key", "sort_key")]
        if None in compared or None in keys:
            return None
        partition, low, high = compared
        return cls(query.get("IndexName"), keys[0], partition, keys[1], low, high, query.get("ScanIndexForward") is not False)

    def holds(self, item: dict[str, dict[str, str]]) -> bool:
        """Tell whether an item is asked for. Texts are in the order of their code points, as in that of UTF-8's bytes."""
        return item[self.partition_key]["S"] == self.partition and self.low <= item[self.sort_key]["S"] <= self.high

    def next_of(self, members: Iterable[tuple[str, str]], items: dict[str, Any], count: int) -> list[tuple[str, str]]:
        """Return so many of the keys of a partition's items as come first in the order of the query."""
        found = ((items[pk][sk][self.sort_key]["S"], pk, sk) for pk, sk in members)
        chosen = (each for each in found if self.low <= each[0] <= self.high)
        first = heapq.nsmallest if self.forward else heapq.nlargest
        return [(pk, sk) for _, pk, sk in first(count, chosen)]


class SharedLayer(zipfile.ZipFile):
    """An archive that, if it holds a layer, is unpacked once; whoever extracts it again gets links to that copy."""

    _unpacking = threading.Lock()

    def namelist(self) -> list[str]:
        """What `extractall` will create."""
        return ["python"] if self._is_layer() else super().namelist()

    def extractall(self, path=None, members=None, pwd=None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - as inherited
        """Unpack as usual, or link a layer's folders."""
        if not self._is_layer():
            super().extractall(path, members, pwd)
            return
        for folder in self._unpacked_once().iterdir():
            (Path(path) / folder.name).symlink_to(folder)

    def _is_layer(self) -> bool:
        return Path(str(self.filename)).name.startswith("layer_")

    def _unpacked_once(self) -> Path:
        archive = Path(str(self.filename))
        unpacked = Path(tempfile.gettempdir()) / "layers" / hashlib.sha256(archive.read_bytes()).hexdigest()
        with self._unpacking:
            if not unpacked.exists():
                draft = unpacked.with_suffix(".part")
                shutil.rmtree(draft, ignore_errors=True)
                super().extractall(draft, super().namelist())
                draft.rename(unpacked)
        archive.write_bytes(b"")  # the engine keeps the file as long as the worker, and never reads it again
        return unpacked


if __name__ == "__main__":
    main()
