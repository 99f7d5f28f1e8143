"""Fixtures of the fast tests: every one has its own AWS in memory, its own table and its own clock."""

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

# botocore reads the environment when the first client is made, which may be on import.
os.environ.update(
    TABLE_NAME="tradepost-test",
    SECRET_ID="tradepost-test-signing-key",
    PUBLIC_URL="https://portal.example",
    SENDER_ADDRESS="portal@sender.example",
    CONFIGURATION_SET="tradepost-mail",
    MAIL_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/mail",
    CUSTOMER_IMPORT_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/customer-imports",
    EVENT_MAILING_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/event-mailings",
    ENROLMENT_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/enrolment",
    RULES_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/rules",
    EXPORTS_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/exports",
    ERASURES_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/erasures",
    IMPORTS_BUCKET="tradepost-test-imports",
    EXPORTS_BUCKET="tradepost-test-exports",
    STRIPE_SECRET_ID="tradepost-test-stripe",
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    POWERTOOLS_LOG_LEVEL="WARNING",
)

import botocore.session
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from tests.support.client import Client
from tests.support.functions import running
from tests.support.roles import check
from tests.support.table import create_table, put_back, records
from tests.support.world import Shop, open_shop
from tradepost.aws.secrets import forget_stripe, signing_key, stripe_secrets
from tradepost.domain import clock
from tradepost.settings import settings
from tradepost.table.records import Record


@pytest.fixture
def aws() -> Iterator[None]:
    """An empty AWS account with the table and the signing key in it."""
    settings.cache_clear()
    with mock_aws():
        client = botocore.session.get_session().create_client("secretsmanager")
        client.create_secret(Name=os.environ["SECRET_ID"], SecretString="k" * 64)
        stripe = {"secret_key": "sk_test_tradepost", "webhook_secret": "whsec_tradepost", "accounts": {"acme": "acct_1Acme"}}
        client.create_secret(Name=os.environ["STRIPE_SECRET_ID"], SecretString=json.dumps(stripe))
        signing_key.cache_clear()
        forget_stripe()
        create_table()
        stripe_secrets()
        signing_key()  # read once per process: not what a request costs
        yield


@pytest.fixture
def api(aws: None) -> Client:
    """A client without a credential."""
    return Client()


@pytest.fixture
def shop(api: Client) -> Shop:
    """A store called acme, with a price tier and a customer group. It is opened once and copied for every test."""
    shop, built = _opened(api)
    put_back(built)
    return shop


@cache
def _opened(api: Client) -> tuple[Shop, list[Record]]:
    return open_shop(api), records()


@pytest.fixture(autouse=True)
def roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every AWS call of a function against its role in `template.yaml`."""
    original = BaseClient._make_api_call

    def checked(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        function = running()
        if function is not None:
            check(function, operation, parameters)
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", checked)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: datetime) -> None:
        """Begin at an instant."""
        self.at = at

    def __call__(self) -> datetime:
        """Return the present instant."""
        return self.at

    def advance(self, **by: float) -> None:
        """Let time pass: `advance(hours=12)`."""
        self.at += timedelta(**by)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the functions see; it begins now and stands still."""
    stopped = Clock(clock.now())
    monkeypatch.setattr(clock, "now", stopped)
    return stopped
