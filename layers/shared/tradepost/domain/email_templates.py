"""The words of a store's mails, where the store has chosen its own."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from tradepost.domain.limits import RateLimit
from tradepost.domain.values import Entity, Instant, Text, Value, clean_text

MAX_SOURCE_BYTES: Final = 64 * 1024
TEST_MAILS: Final = RateLimit(
    "template-tests", 20, timedelta(hours=1), "too_many_test_mails", "You have sent yourself many test mails within the hour."
)


def _source(value: str) -> str:
    # Kept as it was written, tabs and indentation and all: whoever edits it finds it again.
    if not clean_text(value.replace("\t", " "), multiline=True):
        raise ValueError("must not be empty")
    if len(value.encode()) > MAX_SOURCE_BYTES:
        raise ValueError(f"must be {MAX_SOURCE_BYTES // 1024} KiB at most")
    return value


type Source = Annotated[str, AfterValidator(_source), Field(max_length=MAX_SOURCE_BYTES)]


class TemplateText(Value):
    """What a store may say in its own words: Liquid templates of the subject, of the HTML and of the plain text."""

    subject: Text
    html: Source
    text: Source


class TemplateFailure(Value):
    """That a mail had to be sent in the default's words, and why."""

    at: Instant
    message: str


class EmailTemplate(Entity):
    """A store's own words for one kind of mail. What goes wrong when mails are written is noted beside them."""

    entity: ClassVar = "email_template"
    aside: ClassVar = frozenset({"last_failure"})

    name: str
    subject: str = ""
    html: str = ""
    text: str = ""
    updated_at: Instant
    last_failure: TemplateFailure | None = None

    @property
    def content(self) -> TemplateText:
        """The words themselves, as they are: what was fit to be kept once may not be fit to be sent any more."""
        return TemplateText.model_construct(subject=self.subject, html=self.html, text=self.text)
