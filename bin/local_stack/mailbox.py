"""Every mail the stack sends, as its recipient would get it, kept across restarts."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mail:
    """One mail, whether it was handed over in parts or as a finished message."""

    id: str
    sent_at: str
    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    reply_to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    configuration_set: str = ""
    raw: str = ""

    def is_for(self, address: str) -> bool:
        """Whether it went to this address, in any letter case."""
        wanted = address.strip().casefold()
        recipients = getaddresses([*self.to, *self.cc, *self.bcc], strict=False)
        return any(bare.casefold() == wanted for _, bare in recipients)

    def as_message(self) -> dict[str, Any]:
        """The form in which `/_mail/messages` answers."""
        return {
            "id": self.id,
            "to": self.to,
            "cc": self.cc,
            "from": self.sender,
            "reply_to": self.reply_to[0] if self.reply_to else None,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "sent_at": self.sent_at,
            "headers": dict(self.headers),
        }


class Mailbox:
    """A growing file of mails, all of them in memory too."""

    def __init__(self, file: Path) -> None:
        """Read what earlier runs wrote."""
        self._file = file
        self._lock = threading.Lock()
        self._mails: list[Mail] = list(_read(file))

    def add(self, mail: Mail) -> None:
        """Keep a mail."""
        with self._lock:
            self._mails.append(mail)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(mail)) + "\n")

    def newest_first(self, to: str = "") -> list[Mail]:
        """All mails, or those for one address."""
        with self._lock:
            mails = self._mails[::-1]
        return [mail for mail in mails if mail.is_for(to)] if to.strip() else mails

    def get(self, mail_id: str) -> Mail | None:
        """The mail with this id."""
        return next((mail for mail in self.newest_first() if mail.id == mail_id), None)

    def clear(self) -> None:
        """Forget every mail: the data that they speak of is gone."""
        with self._lock:
            self._mails.clear()
            self._file.unlink(missing_ok=True)


def mail_from_ses(request: dict[str, Any], mail_id: str) -> Mail:
    """The mail that a SendEmail request of SES v2 describes."""
    destination = request.get("Destination") or {}
    content = request.get("Content") or {}
    envelope: dict[str, Any] = {
        "id": mail_id,
        "sent_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "tags": {tag["Name"]: tag["Value"] for tag in request.get("EmailTags") or []},
        "configuration_set": request.get("ConfigurationSetName") or "",
        "cc": destination.get("CcAddresses") or [],
        "bcc": destination.get("BccAddresses") or [],
    }
    if "Raw" in content:
        raw = base64.b64decode(content["Raw"]["Data"])
        return _from_source(raw, request, destination, envelope)
    simple = content.get("Simple") or {}
    body = simple.get("Body") or {}
    return Mail(
        **envelope,
        sender=request.get("FromEmailAddress") or "",
        to=destination.get("ToAddresses") or [],
        reply_to=request.get("ReplyToAddresses") or [],
        subject=_data(simple.get("Subject")),
        text=_data(body.get("Text")),
        html=_data(body.get("Html")),
        headers=[(header["Name"], header["Value"]) for header in simple.get("Headers") or []],
    )


def _from_source(raw: bytes, request: dict[str, Any], destination: dict[str, Any], envelope: dict[str, Any]) -> Mail:
    message: EmailMessage = message_from_bytes(raw, policy=policy.default)
    to = destination.get("ToAddresses")
    return Mail(
        **envelope,
        sender=request.get("FromEmailAddress") or str(message["From"] or ""),
        to=to if to is not None else [str(address) for address in _addresses(message, "To")],
        reply_to=request.get("ReplyToAddresses") or _addresses(message, "Reply-To"),
        subject=str(message["Subject"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers=[(name, str(value)) for name, value in message.items()],
        raw=raw.decode("utf-8", errors="replace"),
    )


def _addresses(message: EmailMessage, header: str) -> list[str]:
    return [str(address) for value in message.get_all(header, []) for address in value.addresses]


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _data(content: dict[str, str] | None) -> str:
    return (content or {}).get("Data") or ""


def _read(file: Path) -> Iterator[Mail]:
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            stored = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the machine went down
        yield Mail(**stored | {"headers": [tuple(header) for header in stored["headers"]]})
