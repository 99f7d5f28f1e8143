"""Mails in words: Liquid templates, ours or a store's own, in HTML and plain text with the same content.

HTML is escaped by default, an unknown variable or filter is an error, and a template can neither loop nor write without
end. Mail programs drop style sheets, so the styles of plain tags are written into them.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from liquid import CachingDictLoader, Environment, StrictUndefined
from markupsafe import Markup

from tradepost.domain.colours import DARK_SURFACE, LIGHT_SURFACE, Palette, palette
from tradepost.domain.email_templates import TemplateText
from tradepost.mails.sandbox import PARTS, Mistake, TemplateError, line_at, render
from tradepost.mails.values import CIRCULAR, PRODUCT, TEMPLATES, StoreLook, offered

MAX_SUBJECT: Final = 900

_FOLDER: Final = Path(__file__).with_name("templates")
_SECTION: Final = re.compile(r"^=== (\w+) ===\n", re.MULTILINE)
_BARE_TAG: Final = re.compile(r'<((?:h1|p|ul|li|a|th|td)(?: class="(?:small|note|right)")?)(?=>| href=| colspan=)')
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_PARAGRAPHS: Final = re.compile(r"\n\s*\n")
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
_PLAIN_TAGS: Final = ("h1", "h2", "p", "ul", "ol", "li", "br", "hr", "strong", "em", "b", "i", "u", "bdi")
_PLAIN_TAG: Final = re.compile(rf'</?(?:{"|".join(_PLAIN_TAGS)})(?: class="(?:small|note)")? ?/?>')
_LIQUID: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CONTROLS: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


_WAY_THERE: Final = "{% render 'button', to: link, label: 'Continue' %}"


class MailText(NamedTuple):
    """A mail, ready to be sent: its subject is one line, and its two parts say the same."""

    subject: str
    html: str
    text: str


class _Source(NamedTuple):
    """A template's parts. The endings are ours whatever a store says above them."""

    subject: str
    preheader: str
    html: str
    text: str
    html_ending: str = ""
    text_ending: str = ""


class BrokenTemplateError(Exception):
    """A store's own template that no mail can be written with; it says nothing of what was to be written."""

    def __init__(self, part: str, mistake: Mistake) -> None:
        """Say which of its parts is wrong, and how."""
        super().__init__(f"{part}, {mistake}")
        self.part = part
        self.mistake = mistake


class _Limited(Environment):
    """Liquid with an end: these are far above what any mail needs, and far below what would hurt."""

    loop_iteration_limit: ClassVar[int | None] = 10_000
    output_stream_limit: ClassVar[int | None] = 2_000_000
    local_namespace_limit: ClassVar[int | None] = 200_000


def render_mail(name: str, values: Mapping[str, Any], own: TemplateText | None = None) -> MailText:
    """Put a mail into words: a store's `own` ones, or the default's. `values` are those of `tradepost.mails.values`.

    Raises `KeyError` for an unknown mail, `ValidationError` for values that are missing or not the mail's,
    `BrokenTemplateError` for own words that cannot be used, and `LiquidError` for what cannot be used otherwise.
    """
    known = TEMPLATES[name].values.model_validate(values).model_dump()
    source = _source(name)
    store = known.get("store") or StoreLook(name=PRODUCT).model_dump()
    light, dark = _palettes(store)
    given = {**known, "look": light._asdict()}
    if own:
        subject, html, text = (own_part(name, part, written, known) for part, written in own.model_dump().items())
        preheader = ""
        if "link" in offered(name, known):
            # A mail that asks for something must show the way there, whatever its words leave out.
            html += "" if known["link"] in html else _in_html(_WAY_THERE, given)
            text += "" if known["link"] in text else f"\n\n{_in_text(_WAY_THERE, given)}"
    else:
        subject, preheader = _one_line(_in_text(source.subject, given)), _one_line(_in_text(source.preheader, given))
        html, text = _in_html(source.html, given), _in_text(source.text, given)
    frame = {**given, "store": store, "dark": dark._asdict(), "product": PRODUCT, "personal": not known.get("store")}
    frame |= {"subject": subject, "preheader": preheader}
    styled = _with_styles(f"{html}\n{_in_html(source.html_ending, given)}", light.accent)
    whole = _html().get_template("layout").render(frame, content=Markup(styled))  # noqa: S704  # rendered with escaping
    worded = f"{text.strip()}\n\n{_in_text(source.text_ending, given)}".strip()
    text = _text().get_template("layout").render(frame, content=worded)
    return MailText(subject, whole, _BLANK_LINES.sub("\n\n", text).strip() + "\n")


def own_part(name: str, part: str, source: str, values: Mapping[str, Any]) -> str:
    """Return what one part of a store's own template says. Raises `BrokenTemplateError`, whatever is wrong with it."""
    given = offered(name, {**values, "look": _palettes(values["store"])[0]._asdict()})
    try:
        said = render(source, given, escaped=part == "html", parts=PART_SOURCES["html" if part == "html" else "text"])
    except TemplateError as error:
        raise BrokenTemplateError(part, error.mistake) from error
    if part == "subject":
        said = _one_line(said)
        if len(said) > MAX_SUBJECT:
            raise BrokenTemplateError(part, Mistake(f"becomes longer than {MAX_SUBJECT} characters"))
    if not said.strip():
        raise BrokenTemplateError(part, Mistake("says nothing"))
    if part == "html" and TEMPLATES[name].withheld:
        must_be_plain(said)
    return said


def circular_message(subject: str, text: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `message` of a circular mail: its organiser's words, filled in with what else the mail knows.

    Raises `BrokenTemplateError`, whatever is wrong with them.
    """
    said, written = (own_part(CIRCULAR, part, source, values) for part, source in (("subject", subject), ("text", text)))
    paragraphs = (paragraph.strip() for paragraph in _PARAGRAPHS.split(written))
    return {"subject": said, "paragraphs": tuple(paragraph for paragraph in paragraphs if paragraph)}


def must_be_plain(html: str, *, is_source: bool = False) -> None:
    """Refuse HTML that could carry away what stands below it: in an address, in a style, or in a tag that is left open.

    Raises `BrokenTemplateError` for every tag but the plainest, and for any attribute.
    """
    shown = _LIQUID.sub(lambda tag: "\n" * tag[0].count("\n"), html) if is_source else html
    for opening in re.finditer("<", shown):
        if _PLAIN_TAG.match(shown, opening.start()) is None:
            line = line_at(shown, opening.start()) if is_source else None
            told = "this mail is for one person alone, so that only plain tags without attributes can be used: "
            raise BrokenTemplateError("html", Mistake(f"{told}{', '.join(_PLAIN_TAGS)}", line))


def default_text(name: str) -> TemplateText:
    """Return a mail's default template, as far as a store can have its own. Raises `KeyError` for an unknown one."""
    source = _source(name)
    return TemplateText(subject=source.subject.strip(), html=source.html, text=source.text)


def _palettes(store: Mapping[str, Any]) -> tuple[Palette, Palette]:
    return palette(store["colour"], LIGHT_SURFACE), palette(store["colour"], DARK_SURFACE)


def _in_html(source: str, given: Mapping[str, Any]) -> str:
    return _html().from_string(source).render(given)


def _in_text(source: str, given: Mapping[str, Any]) -> str:
    return _text().from_string(source).render(given)


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


def _loader(part: str) -> CachingDictLoader:
    return CachingDictLoader({"layout": _sections("layout")[part], **PART_SOURCES[part]})


@cache
def _source(name: str) -> _Source:
    if name not in TEMPLATES:
        raise KeyError(name)
    return _Source(**_sections(name))


def _sections(name: str) -> dict[str, str]:
    """Read a template's file: its parts stand under one another, so that they are changed together."""
    _, *parts = _SECTION.split((_FOLDER / f"{name}.liquid").read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


PART_SOURCES: Final = {kind: {name: _sections(name)[kind] for name in PARTS} for kind in ("html", "text")}
"""What `render` puts into HTML and into plain text."""
