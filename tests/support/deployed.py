"""A deployed stack as the tests use it: clients that speak HTTP, what is in its table, and what was mailed."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from local_stack.ses_faults import SesFaults
from local_stack.stack import LocalStack
from tests.support.client import Client
from tests.support.functions import Reply
from tradepost.table.records import Record

PATIENCE_SECONDS = 90
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class OverHttp:
    """Carries a client's requests to a stack."""

    http: httpx.Client

    def __call__(
        self, method: str, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: str | None
    ) -> Reply:
        """Send one request."""
        answer = self.http.request(method, path, headers=headers, params=query or None, content=body)
        return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.text)


@dataclass(frozen=True)
class Deployed:
    """A stack under test."""

    stack: LocalStack
    http: httpx.Client

    @property
    def api(self) -> Client:
        """A client without a credential."""
        return Client(transport=OverHttp(self.http))

    @property
    def ses(self) -> SesFaults:
        """How SES feels today."""
        return self.stack.front.ses_faults

    def stored(self, entity: str, store: str) -> list[dict[str, Any]]:
        """Return the items of one entity that belong to a store, as plain values sorted by key."""
        scan = self.stack.client("dynamodb").get_paginator("scan")
        pages = scan.paginate(TableName=self.stack.outputs["TableName"], ConsistentRead=True)
        records = [Record.from_raw_data(item) for page in pages for item in page["Items"]]
        chosen = [record for record in records if record.entity == entity and store in record.pk.split("#")]
        items = [{**record.document(), "pk": record.pk, "sk": record.sk} for record in chosen]
        return sorted(items, key=lambda item: (item["pk"], item["sk"]))

    def mails(self, to: str, *, expecting: int) -> list[dict[str, Any]]:
        """Wait until so many mails have come to an address; returns all of them, oldest first."""
        until(lambda: len(self.stack.mails(to)) >= expecting, f"{expecting} mails to {to}")
        return self.stack.mails(to)[::-1]

    def settle(self, store: str) -> None:
        """Wait until everything that a store has announced is carried out."""
        until(lambda: all(item["status"] == "done" for item in self.stored("outbox", store)), "an empty outbox")

    def invoke(self, logical_id: str, event: dict[str, Any]) -> Any:
        """Run a function with an event, and return its result."""
        answer = self.stack.client("lambda").invoke(FunctionName=self.stack.function(logical_id), Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())


def until(happened: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something to happen."""
    give_up = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < give_up, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(POLL_SECONDS)


def at_once(calls: Iterable[Callable[[], Reply]], *, width: int = 50) -> list[Reply]:
    """Make calls at the same time, so many at once; returns their answers in the order of the calls."""
    with ThreadPoolExecutor(width) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]
