"""The example payloads are what their functions take: `sam local invoke` answers each of them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.faults import failing, refusal
from tests.support.functions import ROOT, load_function, routes, run
from tests.support.queues import create_mail_queue
from tests.support.world import Shop

EVENTS: Final = sorted((ROOT / "events").rglob("*.json"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT / "events"))


def _function(path: Path) -> str:
    return _name(path).partition(".")[0]


def _event(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text())
    return event


@pytest.mark.parametrize("path", EVENTS, ids=_name)
def test_a_payload_is_answered_and_never_by_our_own_failure(path: Path, shop: Shop) -> None:
    create_mail_queue()
    load_function("operations/check_health")._mail.cache_clear()
    text = (
        path.read_text().replace("Bearer TOKEN", f"Bearer {shop.owner.token}").replace("OUTBOX_PK", "OUTBOX#STORE#acme#nothing")
    )
    event = json.loads(text)
    # moto does not know how GET /v1/health asks SES about its sandbox.
    with failing("GetAccount", refusal("GetAccount", "NotImplemented")):
        answer = run(_function(path), event)
    if "httpMethod" in event:
        assert answer["statusCode"] < 500, answer
        assert answer["statusCode"] != 401, answer
    else:
        assert answer.get("batchItemFailures", []) == []


@pytest.mark.parametrize("path", [path for path in EVENTS if "httpMethod" in _event(path)], ids=_name)
def test_a_payload_is_one_of_its_functions_own_routes(path: Path) -> None:
    event = _event(path)
    (route,) = [each for each in routes() if (each.method, each.path) == (event["httpMethod"], event["resource"])]
    assert route.function == _function(path)
    assert route.pattern.fullmatch(event["path"])
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
    rule = load_function(route.function).app.rules[(route.method, route.rule)]
    assert ("Authorization" in event["headers"]) == (rule.allow != "anyone")
    assert ("Idempotency-Key" in event["headers"]) >= rule.idempotent
    assert ("If-Match" in event["headers"]) >= rule.precondition
