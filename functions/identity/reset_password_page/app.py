"""/r/{token}: the page behind a reset link, where a forgotten password is replaced."""

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.errors import DomainError, InvalidError
from tradepost.domain.people import Account
from tradepost.http.app import ANYONE, Caller
from tradepost.http.callers import CallerInfo
from tradepost.http.password_resets import replace_password, reset_of
from tradepost.http.problems import status_of
from tradepost.pages.acceptance import PASSWORD_HINT
from tradepost.pages.app import described, make_page_app
from tradepost.pages.forms import FORM, Field, read_form, with_errors, words_by_field
from tradepost.pages.rendering import Look, render_page


def _dead_link(error: DomainError, _: CallerInfo | None) -> Response[str]:
    """Say why a link leads nowhere, and what to do about it."""
    title, text = "We do not know this link", "Perhaps a part of it was lost on the way. Open it from your mail again."
    if error.code == "reset_expired":
        title = "This link cannot be used any more"
        text = "A link works once, for an hour, and only the latest one does. Ask for a new one where you log in."
    return render_page("message.html", Look(), status=status_of(error), title=title, paragraphs=[text], tone="bad")


app = make_page_app(_dead_link)


@app.get("/r/<token>", allow=ANYONE, **described(_200="The form", _404="An unknown link", _410="The link is dead"))
def show_reset_page(token: str, caller: Caller) -> Response[str]:
    """Show the form for a new password. Opening it changes nothing, however often."""
    return _form_page(reset_of(token, caller))


@app.post(
    "/r/<token>",
    allow=ANYONE,
    idempotent=False,
    accepts=FORM,
    **described(_200="The password is replaced", _410="The link is dead", _422="The form, with what is wrong"),
)
def reset_password_by_form(token: str, caller: Caller) -> Response[str]:
    """Replace the password, once: every session ends."""
    typed = read_form(caller.facts.body)
    try:
        replace_password(token, typed.get("password", ""), caller, pointer="/password")
    except InvalidError as error:
        return _form_page(reset_of(token, caller), error)
    return render_page(
        "message.html",
        Look(),
        title="Your new password is saved",
        tone="good",
        paragraphs=["You were logged out on all devices. Log in with the new password from now on."],
    )


def _form_page(account: Account, error: InvalidError | None = None) -> Response[str]:
    fields = [
        Field("email", "E-mail address", account.email, "email", autocomplete="username", fixed=True, max_length=254),
        Field("password", "New password", "", "password", autocomplete="new-password", hint=PASSWORD_HINT, max_length=1000),
    ]
    words = words_by_field(error) if error else {}
    return render_page(
        "reset.html",
        Look(),
        status=status_of(error) if error else 200,
        fields=with_errors(fields, words),
        failed=error is not None,
    )


handler = app.handler
