"""The deployment's secrets: from Secrets Manager, once per process."""

import json
from functools import cache
from typing import Any, NamedTuple

import botocore.session

from tradepost.settings import settings


class StripeSecrets(NamedTuple):
    """What Stripe knows this deployment by, and by what its webhooks are told from forged ones."""

    secret_key: str
    webhook_secret: str


@cache
def signing_key() -> bytes:
    """Return the key that links, cursors and derived tokens are made with."""
    return _secret(settings().secret_id).encode()


def stripe_secrets() -> StripeSecrets | None:
    """Return how to talk to Stripe; None if this deployment does not. The secret is a JSON object with these two names."""
    return _stripe_secrets() if settings().stripe_secret_id else None


def forget_stripe() -> None:
    """Read Stripe's secret anew when it is needed next: it may have been exchanged."""
    _stripe_secrets.cache_clear()


@cache
def _stripe_secrets() -> StripeSecrets:
    found = json.loads(_secret(settings().stripe_secret_id))
    return StripeSecrets(str(found["secret_key"]), str(found["webhook_secret"]))


def _secret(secret_id: str) -> str:
    client: Any = botocore.session.get_session().create_client("secretsmanager")
    return str(client.get_secret_value(SecretId=secret_id)["SecretString"])
