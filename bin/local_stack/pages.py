"""The mailbox as a person sees it: a list of the mails sent, and each of them as it looks to its recipient."""

import re
from datetime import UTC, datetime
from email.utils import parseaddr
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

from local_stack.mailbox import Mail
from local_stack.ses_events import EVENTS

STYLE = Path(__file__).with_name("mail.css").read_text(encoding="utf-8")
LINK = re.compile(r"https?://[^\s<>\"']+")
# A mail may show pictures and its own styles, and run nothing; the pages themselves need no more than that either.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; font-src http: https: data:; "
    "form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Links in a mail open beside it, free of the sandbox; the mail itself can neither run scripts nor navigate this page.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


def inbox(mails: list[Mail], *, total: int, to: str) -> str:
    """The list, newest first."""
    if mails:
        rows = "\n".join(_row(mail, to) for mail in mails)
        content = f'<ol class="mails">{rows}</ol>'
    elif to:
        content = f'<p class="empty">No mail for <strong>{escape(to)}</strong> so far.</p>'
    else:
        content = '<p class="empty">No mail so far. Whatever the store sends shows up here.</p>'
    count = f"{len(mails)} of {total}" if to else str(total)
    body = f"""
<header class="bar">
  <h1>Mail <span class="count">{count}</span></h1>
  <form class="search" action="/_mail" method="get" role="search">
    <label for="to">Sent to</label>
    <input id="to" name="to" type="search" value="{escape(to)}" placeholder="name@example.com" autocomplete="off">
    <button>Show</button>
    {'<a class="quiet" href="/_mail">Show all</a>' if to else ""}
  </form>
</header>
<main>{content}</main>"""
    return _page("Mail", body)


def message(mail: Mail, *, to: str, notices: list[str], can_report: bool) -> str:
    """One mail: who, when, the HTML part as the recipient sees it, and the plain text."""
    people = [("From", mail.sender), ("Reply to", ", ".join(mail.reply_to)), ("To", ", ".join(mail.to))]
    people += [("Cc", ", ".join(mail.cc)), ("Bcc", ", ".join(mail.bcc)), ("Sent", _moment(mail.sent_at))]
    facts = "\n".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in people if value)
    back = "/_mail" + (f"?{urlencode({'to': to})}" if to else "")
    body = f"""
<header class="bar">
  <p><a class="back" href="{escape(back)}">All mail</a></p>
</header>
<main class="message">
  {"".join(f'<p class="notice" role="status">{escape(notice)}</p>' for notice in notices)}
  <h1>{escape(mail.subject) or "(no subject)"}</h1>
  <dl>{facts}</dl>
  {_reports(mail) if can_report else ""}
  {_html_part(mail)}
  {_text_part(mail)}
  {_headers(mail)}
</main>"""
    return _page(mail.subject or "Mail", body)


def missing() -> str:
    """What a wrong address in the mailbox shows."""
    return _page("No such mail", '<main class="message"><h1>No such mail</h1><p><a href="/_mail">All mail</a></p></main>')


def starting() -> str:
    """What the front shows until the stack answers."""
    return _page(
        "Starting",
        '<main class="message"><h1>Tradepost is starting</h1>'
        "<p>The stack is being built and deployed. This page looks again every two seconds.</p></main>",
        head='<meta http-equiv="refresh" content="2">',
    )


def _row(mail: Mail, to: str) -> str:
    query = f"?{urlencode({'to': to})}" if to else ""
    recipients = ", ".join(parseaddr(address)[1] or address for address in mail.to)
    name, address = parseaddr(mail.sender)
    preview = " ".join(mail.text.split())[:160]
    return f"""
<li><a href="/_mail/{quote(mail.id)}{escape(query)}">
  <span class="to">{escape(recipients)}</span>
  <time datetime="{escape(mail.sent_at)}">{_moment(mail.sent_at)}</time>
  <span class="subject">{escape(mail.subject) or "(no subject)"}</span>
  <span class="from">from {escape(name or address)}</span>
  <span class="preview">{escape(preview)}</span>
</a></li>"""


def _html_part(mail: Mail) -> str:
    if not mail.html:
        return '<p class="empty">This mail has no HTML part.</p>'
    document = f'<base target="_blank"><meta name="referrer" content="no-referrer">{mail.html}'
    return f"""
<section aria-labelledby="as-html">
  <h2 id="as-html">As HTML</h2>
  <iframe title="The mail as HTML" sandbox="{SANDBOX}" srcdoc="{escape(document)}"></iframe>
</section>"""


def _text_part(mail: Mail) -> str:
    if not mail.text:
        return '<p class="empty">This mail has no plain text.</p>'
    return f"""
<section aria-labelledby="as-text">
  <h2 id="as-text">As plain text</h2>
  <pre>{_linked(mail.text)}</pre>
</section>"""


def _headers(mail: Mail) -> str:
    if not mail.headers:
        return ""
    lines = "\n".join(escape(f"{name}: {value}") for name, value in mail.headers)
    return f"<details><summary>Headers</summary><pre>{lines}</pre></details>"


def _reports(mail: Mail) -> str:
    buttons = "".join(f'<button name="event" value="{name}">{event.label}</button>' for name, event in EVENTS.items())
    return f"""
<form class="reports" action="/_mail/{quote(mail.id)}/events" method="post">
  <span>Report as SES would:</span> {buttons}
</form>"""


def _linked(text: str) -> str:
    """Plain text with its web addresses made into links."""
    parts: list[str] = []
    end = 0
    for found in LINK.finditer(text):
        address = found[0].rstrip(".,;:!?)")
        parts.append(escape(text[end : found.start()]))
        parts.append(f'<a href="{escape(address)}" target="_blank" rel="noreferrer">{escape(address)}</a>')
        end = found.start() + len(address)
    return "".join([*parts, escape(text[end:])])


def _moment(sent_at: str) -> str:
    at = datetime.fromisoformat(sent_at)
    today = at.date() == datetime.now(UTC).date()
    return escape(at.strftime("%H:%M:%S UTC" if today else "%-d %B %Y, %H:%M UTC"))


def _page(title: str, body: str, *, head: str = "") -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Tradepost mailbox</title>
{head}
<style>{STYLE}</style>
</head>
<body>{body}</body>
</html>
"""
