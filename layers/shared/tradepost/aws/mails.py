"""Mail through SES. Headers are set as fields, so that nothing in a name can add another one."""

from email.utils import formataddr
from functools import cache
from typing import Any, Final, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tradepost.domain.values import mailable
from tradepost.settings import settings

_FINAL: Final = frozenset({"MessageRejected", "BadRequestException", "NotFoundException"})


class Mail(NamedTuple):
    """A mail as it is written: whom it goes to, on whose behalf, and both of its bodies."""

    to: str
    sender_name: str
    reply_to: str | None
    subject: str
    html: str
    text: str


class MailRefusedError(Exception):
    """SES will not take this mail, today or tomorrow."""


# The queue tries again, not the client: each try of one whose answer was lost may be another copy of the mail, and the
# pauses between tries would keep the rest of the batch waiting.
_ONCE: Final = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sesv2", config=_ONCE)


def send(mail: Mail, *, tag: str) -> None:
    """Hand a mail to SES. Raises `MailRefusedError` if it is refused for good, botocore's errors if it may be tried again."""
    name = " ".join(mail.sender_name.split())
    try:
        _client().send_email(
            FromEmailAddress=formataddr((name, settings().sender_address), charset="utf-8"),
            Destination={"ToAddresses": [mailable(mail.to)]},
            ReplyToAddresses=[mailable(mail.reply_to)] if mail.reply_to else [],
            EmailTags=[{"Name": "outbox", "Value": tag}],
            Content={
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _FINAL:
            raise MailRefusedError(error.response["Error"]["Code"]) from error
        raise
