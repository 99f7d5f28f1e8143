"""Mails in words: Liquid templates, which stores may come to edit, in HTML and plain text with the same content.

HTML is escaped by default, an unknown variable or filter is an error, and a template can neither loop nor write without
end. Mail programs drop style sheets, so the styles of plain tags are written into them.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from liquid import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from tradepost.domain.colours import DARK_SURFACE, LIGHT_SURFACE, palette
from tradepost.mails.values import PRODUCT, TEMPLATES, StoreLook

_FOLDER: Final = Path(__file__).with_name("templates")
_SECTION: Final = re.compile(r"^=== (\w+) ===\n", re.MULTILINE)
_BARE_TAG: Final = re.compile(r'<((?:h1|p|ul|li|a|th|td)(?: class="(?:small|note|right)")?)(?=>| href=)')
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_FONT: Final = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_HEAD: Final = f"{_FONT};padding:0 0 8px;text-align:left;font-size:13px;line-height:18px;font-weight:600;color:#555b64"
_TEXT: Final = f"{_FONT};color:#1b1d21"
_CELL: Final = f"{_TEXT};padding:10px 0;border-top:1px solid #d9dce1;vertical-align:top;font-size:15px;line-height:22px"
_STYLES: Final = {
    "h1": f"{_TEXT};margin:0 0 16px;font-size:24px;line-height:32px;font-weight:700",
    "p": f"{_TEXT};margin:0 0 16px;font-size:16px;line-height:25px",
    'p class="small"': f"{_FONT};margin:0 0 12px;font-size:14px;line-height:21px;color:#555b64",
    'p class="note"': f"{_TEXT};margin:0 0 16px;padding:12px 16px;border-left:4px solid #ccc;font-size:15px;line-height:23px",
    "ul": f"{_FONT};margin:0 0 16px;padding:0 0 0 22px",
    "li": f"{_TEXT};margin:0 0 6px;font-size:16px;line-height:25px",
    "th": _HEAD,
    'th class="right"': f"{_HEAD};padding-left:12px;text-align:right;white-space:nowrap",
    "td": _CELL,
    'td class="right"': f"{_CELL};padding-left:12px;text-align:right;white-space:nowrap",
}
_CONTROLS: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


class MailText(NamedTuple):
    """A mail, ready to be sent: its subject is one line, and its two parts say the same."""

    subject: str
    html: str
    text: str


class _Source(NamedTuple):
    subject: str
    preheader: str
    html: str
    text: str


class _Limited(Environment):
    """Liquid with an end: these are far above what any mail needs, and far below what would hurt."""

    loop_iteration_limit: ClassVar[int | None] = 10_000
    output_stream_limit: ClassVar[int | None] = 500_000
    local_namespace_limit: ClassVar[int | None] = 200_000


def render_mail(name: str, values: Mapping[str, Any]) -> MailText:
    """Put a mail into words. `values` are those of `tradepost.mails.values`.

    Raises `KeyError` for an unknown mail, `ValidationError` for values that are missing or not the mail's, and `LiquidError`
    for a template that asks for what is not there.
    """
    known = TEMPLATES[name].model_validate(values).model_dump()
    source = _source(name)
    store = known.get("store") or StoreLook(name=PRODUCT).model_dump()
    light, dark = palette(store["colour"], LIGHT_SURFACE), palette(store["colour"], DARK_SURFACE)
    given = {**known, "look": light._asdict(), "dark": dark._asdict()}
    subject = _one_line(_text().from_string(source.subject).render(given))
    frame = {
        **given,
        "store": store,
        "product": PRODUCT,
        "personal": "store" not in known,
        "subject": subject,
        "preheader": _one_line(_text().from_string(source.preheader).render(given)),
    }
    styled = _with_styles(_html().from_string(source.html).render(given), light.accent)
    html = _html().get_template("layout").render(frame, content=Markup(styled))  # noqa: S704  # rendered with escaping
    text = _text().get_template("layout").render(frame, content=_text().from_string(source.text).render(given).strip())
    return MailText(subject, html, _BLANK_LINES.sub("\n\n", text).strip() + "\n")


def _one_line(text: str) -> str:
    """Return a text as one line, fit for a header: line ends and other controls would let it write headers of its own."""
    shown = (" " if unicodedata.category(character) in _CONTROLS else character for character in text)
    return " ".join("".join(shown).split())


def _with_styles(html: str, accent: str) -> str:
    styles = {**_STYLES, "a": f"color:{accent};text-decoration:underline;word-break:break-word"}
    return _BARE_TAG.sub(lambda tag: f'<{tag[1]} style="{styles[tag[1]]}"', html)


@cache
def _html() -> Environment:
    return _Limited(autoescape=True, undefined=StrictUndefined, loader=_loader("html"))


@cache
def _text() -> Environment:
    return _Limited(undefined=StrictUndefined, loader=_loader("text"))


def _loader(part: str) -> DictLoader:
    return DictLoader({name: _sections(name)[part] for name in ("layout", "button", "order")})


@cache
def _source(name: str) -> _Source:
    return _Source(**_sections(name))


def _sections(name: str) -> dict[str, str]:
    """Read a template's file: its parts stand under one another, so that they are changed together."""
    _, *parts = _SECTION.split((_FOLDER / f"{name}.liquid").read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))
