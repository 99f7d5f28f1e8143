"""Health says whether the API serves, and which set-up is still missing."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.support.client import Client
from tests.support.faults import failing, refusal
from tests.support.functions import ROOT, load_function, run
from tradepost.aws.secrets import signing_key

EVENT = ROOT / "events" / "operations" / "check_health.asked.json"


@dataclass
class Ses:
    """What SES says of the account; moto verifies nobody and knows no accounts."""

    production: bool = True
    verified: bool = True

    def answer(self, operation: str) -> dict[str, bool] | None:
        return {
            "GetAccount": {"ProductionAccessEnabled": self.production},
            "GetEmailIdentity": {"VerifiedForSendingStatus": self.verified},
        }.get(operation)


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Ses:
    module = load_function("operations/check_health")
    module._mail.cache_clear()
    module._client.cache_clear()
    told = Ses()
    original = BaseClient._make_api_call

    def answering(self: BaseClient, operation: str, parameters: Any) -> Any:
        return told.answer(operation) or original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", answering)
    return told


def _checks(reply: Any) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in reply["checks"]}


def test_everything_in_place_is_ok(api: Client, ses: Ses) -> None:
    reply = api.get("/v1/health")
    assert (reply.status, reply.json["status"]) == (200, "ok")
    assert all(_checks(reply.json).values())


def test_a_sandbox_is_named_as_missing_set_up(api: Client, ses: Ses) -> None:
    ses.production = False
    reply = api.get("/v1/health")
    assert reply.json["status"] == "incomplete"
    assert [name for name, ok in _checks(reply.json).items() if not ok] == ["mail_production_access"]


def test_a_sender_that_is_not_verified_is_named(api: Client, ses: Ses) -> None:
    ses.verified = False
    reply = api.get("/v1/health")
    assert reply.json["status"] == "incomplete"
    assert _checks(reply.json)["mail_sender"] is False


def test_a_missing_signing_key_is_a_failure_that_names_no_secret(api: Client, ses: Ses) -> None:
    signing_key.cache_clear()
    with failing("GetSecretValue", refusal("GetSecretValue", "ResourceNotFoundException"), times=9):
        reply = api.get("/v1/health")
    assert reply.json["status"] == "failing"
    assert _checks(reply.json)["signing_key"] is False
    assert "tradepost-test" not in reply.text


def test_a_table_that_cannot_be_read_is_a_failure(api: Client, ses: Ses) -> None:
    with failing("BatchGetItem", refusal("BatchGetItem", "ResourceNotFoundException"), times=9):
        reply = api.get("/v1/health")
    assert reply.json["status"] == "failing"
    assert _checks(reply.json)["table"] is False


def test_the_example_event_is_answered(aws: None, ses: Ses) -> None:
    assert run("operations/check_health", json.loads(EVENT.read_text()))["statusCode"] == 200
