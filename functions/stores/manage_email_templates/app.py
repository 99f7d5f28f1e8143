"""/v1/email-templates: a store's own words for its mails, checked, previewed and tried out before they are used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from tradepost.domain.email_templates import TEST_MAILS, EmailTemplate, Source, TemplateFailure, TemplateText
from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.outbox import TemplateTestMail
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Text, Value
from tradepost.http.app import JSON, Answer, Ask, Caller, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.mails.checking import check
from tradepost.mails.rendering import BrokenTemplateError, MailText, default_text, render_mail
from tradepost.mails.sandbox import FILTERS, PARTS, TAG_NAMES
from tradepost.mails.values import TEMPLATES, look_of, sample_values, variables_of
from tradepost.table.email_templates import remove_template, save_template, template_key
from tradepost.table.limits import count_against
from tradepost.table.shapes import Key

app = make_app()

ALLOW: Final = Permission.MANAGE_EMAIL_TEMPLATES


class TemplateDraft(Value):
    """Words to try out; whatever is left out is as it is in force."""

    subject: Text | None = None
    html: Source | None = None
    text: Source | None = None


class TemplateVariable(Answer):
    """What a template may show. `[]` stands behind what comes in several, which `{% for %}` goes through."""

    name: str
    optional: bool
    meaning: str
    example: str


class EmailTemplateBrief(Answer):
    """One kind of mail, and whether the store has its own words for it."""

    name: str
    purpose: str
    customized: bool
    subject: str
    updated_at: datetime | None
    last_failure: TemplateFailure | None
    etag: str


class EmailTemplateAnswer(EmailTemplateBrief):
    """One kind of mail: the words in force, the default's, and what can be said."""

    html: str
    text: str
    defaults: TemplateText
    variables: list[TemplateVariable]
    tags: list[str]
    filters: list[str]
    parts: Mapping[str, list[str]]


class RenderedMail(Answer):
    """A mail as it would be, filled with sample values."""

    subject: str
    html: str
    text: str


class TemplateTestAnnounced(Answer):
    """That a test mail is on its way, and whom to."""

    name: str
    to: str


Draft = Annotated[TemplateDraft | None, Body()]


def _named(ask: Ask) -> list[Key]:
    return [template_key(ask.store, ask.path["name"])]


def _all(ask: Ask) -> list[Key]:
    return [template_key(ask.store, name) for name in TEMPLATES]


@app.get("/v1/email-templates", allow=ALLOW, reads=_all)
def list_email_templates(caller: Caller) -> Page[EmailTemplateBrief]:
    """List every kind of mail, on one page, and say which have words of the store's own."""
    return Page(items=[EmailTemplateBrief.model_validate(_shown(name, _own(name, caller))) for name in TEMPLATES])


@app.get("/v1/email-templates/<name>", allow=ALLOW, reads=_named)
def show_email_template(name: str, caller: Caller) -> EmailTemplateAnswer:
    """Show the words in force, the default's, and what a template may say. Without own words it is at version 0."""
    return _answer(name, _own(name, caller))


@app.put(
    "/v1/email-templates/<name>",
    allow=ALLOW,
    reads=_named,
    responses={200: {"description": "The words were replaced."}, 201: {"description": "The store has its own words now."}},
)
def replace_email_template(name: str, given: TemplateText, caller: Caller) -> Response[EmailTemplateAnswer]:
    """Give a kind of mail the store's own words (201), or other ones (200, with `If-Match`): Liquid, checked before it is kept.

    A mistake is a fault that names its line; `html` and `text` may be 64 KiB each. Own words that fail for a mail all the
    same are passed over: the mail has the default's words, and `last_failure` tells why.
    """
    before = caller.replaces(_own(name, caller))
    check(name, given)
    version = before.version if before else 0
    tx = caller.transaction()
    saved = save_template(
        tx, caller.store.id, EmailTemplate(name=name, **given.model_dump(), updated_at=caller.at, version=version)
    )
    tx.audit("email_template:replaced" if before else "email_template:customized", name)
    tx.commit()
    return Response(200 if before else 201, JSON, _answer(name, saved))


@app.delete("/v1/email-templates/<name>", allow=ALLOW, reads=_named)
def remove_email_template(name: str, caller: Caller) -> None:
    """Go back to the default's words."""
    own = _own(name, caller)
    if own is None:
        raise NotFoundError(EmailTemplate.entity.replace("_", " "))
    tx = caller.transaction()
    remove_template(tx, caller.store.id, caller.match(own))
    tx.audit("email_template:removed", name)
    tx.commit()


@app.post("/v1/email-templates/<name>/preview", allow=ALLOW, idempotent=False, reads=_named)
def preview_email_template(name: str, caller: Caller, draft: Draft = None) -> RenderedMail:
    """Show a draft, or the words in force, as a mail of this store with sample values. Nothing is changed or sent."""
    return RenderedMail.model_validate(_tried(name, _drafted(name, draft, caller), caller)._asdict())


@app.post("/v1/email-templates/<name>/test", allow=ALLOW, status=202, reads=_named)
def send_test_mail(name: str, caller: Caller, draft: Draft = None) -> TemplateTestAnnounced:
    """Mail a draft, or the words in force, with sample values to the caller's own address; 20 times an hour at most."""
    text = _drafted(name, draft, caller)
    _tried(name, text, caller)
    tx = caller.transaction()
    count_against(tx, caller.store.id, TEST_MAILS, caller.member.id)
    tx.announce(TemplateTestMail(store_id=caller.store.id, member_id=caller.member.id, name=name, **text.model_dump()))
    tx.audit("email_template:tested", name)
    return tx.commit_answering(TemplateTestAnnounced(name=name, to=caller.member.email))


def _own(name: str, caller: CallerInfo) -> EmailTemplate | None:
    """Return the store's own words for a mail; None if there are none. Raises `NotFoundError` for no mail of ours."""
    if name not in TEMPLATES:
        raise NotFoundError(EmailTemplate.entity.replace("_", " "))
    return caller.reader.find(template_key(caller.store.id, name), EmailTemplate)


def _in_force(name: str, own: EmailTemplate | None) -> TemplateText:
    return own.content if own else default_text(name)


def _shown(name: str, own: EmailTemplate | None) -> dict[str, object]:
    return {
        "name": name,
        "purpose": TEMPLATES[name].purpose,
        "customized": own is not None,
        "updated_at": own.updated_at if own else None,
        "last_failure": own.last_failure if own else None,
        "etag": own.etag if own else '"0"',
        **_in_force(name, own).model_dump(),
    }


def _answer(name: str, own: EmailTemplate | None) -> EmailTemplateAnswer:
    variables = [
        TemplateVariable(name=each.path, optional=each.optional, meaning=each.meaning, example=str(each.example))
        for each in variables_of(name)
    ]
    return EmailTemplateAnswer.model_validate(
        {
            **_shown(name, own),
            "defaults": default_text(name),
            "variables": variables,
            "tags": TAG_NAMES,
            "filters": sorted(FILTERS),
            "parts": {part: sorted(wanted) for part, wanted in PARTS.items()},
        }
    )


def _drafted(name: str, draft: TemplateDraft | None, caller: CallerInfo) -> TemplateText:
    given = draft.model_dump(exclude_none=True) if draft else {}
    return _in_force(name, _own(name, caller)).model_copy(update=given)


def _tried(name: str, text: TemplateText, caller: CallerInfo) -> MailText:
    """Return a template as a mail of the caller's store. Raises `InvalidError` for its mistakes."""
    check(name, text)
    try:
        return render_mail(name, sample_values(name, store=look_of(caller.store)), text)
    except BrokenTemplateError as error:
        raise InvalidError(Fault(f"/{error.part}", str(error.mistake)), code="template_invalid") from None


handler = app.handler
