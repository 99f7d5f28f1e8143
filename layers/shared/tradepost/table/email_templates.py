"""A store's own mail templates in the table."""

from datetime import datetime

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path

from tradepost.domain.email_templates import EmailTemplate, TemplateFailure
from tradepost.domain.errors import StaleError
from tradepost.table.records import Record
from tradepost.table.shapes import EMAIL_TEMPLATE, Key
from tradepost.table.transaction import Transaction


def template_key(store_id: str, name: str) -> Key:
    """Return where a store's own template is kept."""
    return EMAIL_TEMPLATE.key(store=store_id, name=name)


def save_template(tx: Transaction, store_id: str, template: EmailTemplate) -> EmailTemplate:
    """Write a store's own template, whose failures were those of the words before; returns it with its new version."""
    key = template_key(store_id, template.name)
    # Two who write the first one at once are two who decided on the same state: the later one reads again.
    tx.save(Record.of(key, template), otherwise=StaleError())
    if template.version:
        tx.update(key, [Path("aside.last_failure").set(None)])
    return template.model_copy(update={"version": template.version + 1, "last_failure": None})


def remove_template(tx: Transaction, store_id: str, template: EmailTemplate) -> None:
    """Delete a store's own template: its mails have the default's words again."""
    unchanged = Record.version == template.version
    tx.delete(template_key(store_id, template.name), condition=unchanged, otherwise=StaleError())


def note_failure(key: Key, version: int, message: str, *, at: datetime) -> bool:
    """Note beside a template that a mail could not be written with it; False if it was changed or removed meanwhile.

    The mail does not hang on this: whatever else keeps the note from being taken is told like that.
    """
    failure = TemplateFailure(at=at, message=message).model_dump(mode="json")
    try:
        Record(*key).update([Path("aside.last_failure").set(failure)], condition=Record.version == version)
    except UpdateError:
        return False
    return True
