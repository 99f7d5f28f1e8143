"""POST /v1/password-resets and PUT /v1/password-resets/{token}: replace a forgotten password by a mailed link."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.values import Email, Slug, Value
from tradepost.http.app import ANYONE, Answer, Caller, make_app
from tradepost.http.password_resets import replace_password, request_reset

app = make_app()


class ResetRequest(Value):
    """Whose password was forgotten, and at which store that was noticed: the mail looks like one of that store."""

    email: Email
    store: Slug | None = None


class NewPassword(Value):
    """The password as it will be."""

    new_password: Annotated[str, Field(max_length=1000)]


class ResetRequested(Answer):
    """The answer to every request, whether or not an account stands behind the address."""

    detail: str


@app.post("/v1/password-resets", allow=ANYONE, status=202)
def request_password_reset(request: ResetRequest, caller: Caller) -> ResetRequested:
    """Ask for a link by mail. The answer tells nothing about the address."""
    told = "If there is an account for this address, a link is on its way. It lives for an hour."
    return request_reset(request.email, ResetRequested(detail=told), caller, at_store=request.store)


@app.put("/v1/password-resets/<token>", allow=ANYONE, status=204)
def reset_password(token: str, new: NewPassword, caller: Caller) -> None:
    """Replace the password. The link works once; all sessions end."""
    replace_password(token, new.new_password, caller)


handler = app.handler
