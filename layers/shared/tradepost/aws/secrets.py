"""The deployment's secrets: from Secrets Manager, once per process."""

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import botocore.session

from tradepost.settings import settings


class StripeSecrets(NamedTuple):
    """What Stripe knows this deployment by, and by what its webhooks are told from forged ones.

    `accounts` are the connected accounts that the operator has named for stores, by their slugs. The stores of
    `platform_account_stores` are paid into the account that the key itself is of.
    """

    secret_key: str
    webhook_secret: str
    accounts: Mapping[str, str] = MappingProxyType({})
    platform_account_stores: frozenset[str] = frozenset()

    def may_use(self, slug: str, account: str | None) -> bool:
        """Tell whether a store may be paid into an account; None is the one that the key is of."""
        return slug in self.platform_account_stores if account is None else self.accounts.get(slug) == account


@cache
def signing_key() -> bytes:
    """Return the key that links, cursors and derived tokens are made with."""
    return _secret(settings().secret_id).encode()


def stripe_secrets() -> StripeSecrets | None:
    """Return how to talk to Stripe; None if this deployment does not. The secret is a JSON object with the names above."""
    return _stripe_secrets() if settings().stripe_secret_id else None


def forget_stripe() -> None:
    """Read Stripe's secret anew when it is needed next: it may have been exchanged."""
    _stripe_secrets.cache_clear()


@cache
def _stripe_secrets() -> StripeSecrets:
    found = json.loads(_secret(settings().stripe_secret_id))
    accounts = {str(slug): str(account) for slug, account in found.get("accounts", {}).items()}
    own = frozenset(str(slug) for slug in found.get("platform_account_stores", ()))
    return StripeSecrets(str(found["secret_key"]), str(found["webhook_secret"]), accounts, own)


def _secret(secret_id: str) -> str:
    client: Any = botocore.session.get_session().create_client("secretsmanager")
    return str(client.get_secret_value(SecretId=secret_id)["SecretString"])
