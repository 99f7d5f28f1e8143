"""Mail through SES. Headers are set as fields, so that nothing in a name can add another one."""

from collections.abc import Container, Mapping
from email.utils import formataddr
from functools import cache
from typing import Any, Final, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tradepost.domain.values import mailable
from tradepost.settings import settings

# This very mail is malformed. Everything else is about the account, the sender or the moment, and passes.
_FINAL: Final = "BadRequestException"
_CROWDED: Final = frozenset({"TooManyRequestsException", "LimitExceededException", "ThrottlingException"})


class Mail(NamedTuple):
    """A mail as it is written: whom it goes to, on whose behalf, and both of its bodies."""

    to: tuple[str, ...]
    sender_name: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    cc: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Everybody it goes to."""
        return (*self.to, *self.cc)

    def without(self, addresses: Container[str]) -> "Mail | None":
        """Return the mail without some addresses: who gets a copy is written to if nobody else is; None if nobody is left."""
        to, cc = (tuple(each for each in several if each not in addresses) for several in (self.to, self.cc))
        return self._replace(to=to or cc, cc=cc if to else ()) if to or cc else None


class MailRefusedError(Exception):
    """SES will not take this mail, today or tomorrow. Its text is SES's code."""


class MailDeferredError(Exception):
    """SES does not take this mail now. Its text is SES's code, `crowded` whether there merely were too many at once."""

    def __init__(self, code: str, *, crowded: bool = False) -> None:
        """Keep the code alone: messages of SES name addresses."""
        super().__init__(code)
        self.crowded = crowded


# The consumer tries again later, not the client: each try of one whose answer was lost may be another copy of the mail, and the
# pauses between tries would keep the rest of the batch waiting.
_ONCE: Final = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("sesv2", config=_ONCE)


def send(mail: Mail, *, tags: Mapping[str, str]) -> None:
    """Hand a mail to SES, tagged so that what SES tells of it can be told of which mail.

    Raises `MailRefusedError` if it is refused for good, `MailDeferredError` if it may be taken later.
    """
    name = " ".join(mail.sender_name.split())
    reported = {"ConfigurationSetName": settings().configuration_set} if settings().configuration_set else {}
    try:
        _client().send_email(
            FromEmailAddress=formataddr((name, settings().sender_address), charset="utf-8"),
            Destination={
                "ToAddresses": [mailable(address) for address in mail.to],
                **({"CcAddresses": [mailable(address) for address in mail.cc]} if mail.cc else {}),
            },
            ReplyToAddresses=[mailable(mail.reply_to)] if mail.reply_to else [],
            EmailTags=[{"Name": tag, "Value": value} for tag, value in tags.items()],
            Content={
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
            **reported,
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == _FINAL:
            raise MailRefusedError(code) from None
        raise MailDeferredError(code, crowded=code in _CROWDED) from None
    except BotoCoreError as error:
        raise MailDeferredError(type(error).__name__) from None
