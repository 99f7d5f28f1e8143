"""The deployment's signing key: from Secrets Manager, once per process."""

from functools import cache
from typing import Any

import botocore.session

from tradepost.settings import settings


@cache
def signing_key() -> bytes:
    """Return the key that links, cursors and derived tokens are made with."""
    client: Any = botocore.session.get_session().create_client("secretsmanager")
    return str(client.get_secret_value(SecretId=settings().secret_id)["SecretString"]).encode()
