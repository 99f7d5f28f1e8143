"""GET /v1/health: whether the API can serve, and what set-up is still missing. It names no resource and no secret."""

import time
from functools import cache, lru_cache
from typing import Any, Literal

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from tradepost.aws.secrets import signing_key
from tradepost.http.app import ANYONE, Answer, Caller, make_app
from tradepost.settings import settings
from tradepost.table.reading import Reader
from tradepost.table.stores import store_key

app = make_app()

# Anybody may ask, so SES is asked at most once in half a minute by each process.
MAIL_CHECK_SECONDS = 30


class Check(Answer):
    """One thing that must be in place."""

    name: Literal["table", "signing_key", "mail_sender", "mail_production_access"]
    ok: bool
    detail: str


class Health(Answer):
    """`ok`: everything is in place. `incomplete`: it serves, but some set-up is missing. `failing`: it cannot serve."""

    status: Literal["ok", "incomplete", "failing"]
    checks: list[Check]


@app.get("/v1/health", allow=ANYONE)
def check_health(caller: Caller) -> Health:
    """Check the table, the signing key, the sender's identity with SES, and whether SES still is a sandbox."""
    serving = [_table(), _signing_key()]
    mailing = _mail(int(time.monotonic() // MAIL_CHECK_SECONDS))
    if not all(check.ok for check in serving):
        return Health(status="failing", checks=[*serving, *mailing])
    complete = all(check.ok for check in mailing)
    return Health(status="ok" if complete else "incomplete", checks=[*serving, *mailing])


def _table() -> Check:
    try:
        Reader().record(store_key("health"))
    except (PynamoDBException, BotoCoreError):
        return Check(name="table", ok=False, detail="The table cannot be read.")
    return Check(name="table", ok=True, detail="The table can be read.")


def _signing_key() -> Check:
    try:
        signing_key()
    except (ClientError, BotoCoreError):
        return Check(name="signing_key", ok=False, detail="The signing key cannot be read.")
    return Check(name="signing_key", ok=True, detail="The signing key can be read.")


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sesv2")


@lru_cache(maxsize=1)
def _mail(_period: int) -> list[Check]:
    return [_sender(), _production_access()]


def _sender() -> Check:
    sender = settings().sender_address
    for identity in (sender, sender.rpartition("@")[2]):
        try:
            found = _client().get_email_identity(EmailIdentity=identity)
        except (ClientError, BotoCoreError):
            continue
        if found.get("VerifiedForSendingStatus"):
            return Check(name="mail_sender", ok=True, detail="The sender is verified with SES.")
    return Check(name="mail_sender", ok=False, detail="Verify the sender's address or domain with SES: no mail leaves before.")


def _production_access() -> Check:
    try:
        allowed = bool(_client().get_account().get("ProductionAccessEnabled"))
    except (ClientError, BotoCoreError):
        return Check(name="mail_production_access", ok=False, detail="SES does not say whether it is a sandbox.")
    if allowed:
        return Check(name="mail_production_access", ok=True, detail="SES delivers to everybody.")
    return Check(
        name="mail_production_access",
        ok=False,
        detail="SES is a sandbox: it delivers to verified addresses only. Ask AWS for production access.",
    )


handler = app.handler
