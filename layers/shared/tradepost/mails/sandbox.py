"""Liquid for strangers: what store owners write reads what it is given, runs no code and ends soon, or it is an error.

What is large is refused before anything is done with it, and whatever is left ends when it has done its share of work.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ClassVar, Final, NamedTuple

from liquid import BoundTemplate, CachingDictLoader, Environment, StrictUndefined
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import StringLiteral
from liquid.builtin.filters import array, misc, string
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    render_tag,
    unless_tag,
)
from liquid.exceptions import FilterArgumentError, LiquidError, LiquidSyntaxError, ResourceLimitError
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import Token

MAX_TAGS: Final = 2_000
MAX_TAG: Final = 500
MAX_TEXT: Final = 10_000
MAX_MISTAKES: Final = 20
MAX_STEPS: Final = 400_000
PARTS: Final[Mapping[str, frozenset[str]]] = {
    "button": frozenset({"to", "label"}),
    "event": frozenset({"event"}),
    "invoice": frozenset({"invoice"}),
    "offer": frozenset({"offer"}),
    "order": frozenset({"order"}),
}
"""What `render` puts in, and what each wants to be told."""

_OPENING: Final = re.compile(r"\{\{|\{%")
_NAME: Final = re.compile(r"\{%-?\s*(#|\w+)")
_RAW: Final = re.compile(r"\{%-?\s*raw\s*-?%\}")
_END_OF_RAW: Final = re.compile(r"\{%-?\s*endraw\s*-?%\}")
_BLANKS: Final = re.compile(r"\s{100}")
_SMALL_RANGE: Final = re.compile(r"\(\s*\d{1,3}\s*\.\.\s*\d{1,3}\s*\)")
_RANGE: Final = re.compile(r"\(.*\.\.", re.DOTALL)


class Mistake(NamedTuple):
    """Something in a template that cannot be, and in which line if that is known."""

    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Say both."""
        return f"line {self.line}: {self.message}" if self.line else self.message


class TemplateError(Exception):
    """A template that cannot be read, or cannot be rendered."""

    def __init__(self, mistake: Mistake) -> None:
        """Say what is wrong with it."""
        super().__init__(str(mistake))
        self.mistake = mistake


def render(source: str, values: Mapping[str, Any], *, escaped: bool, parts: Mapping[str, str]) -> str:
    """Return what a stranger's template makes of values; `parts` are the templates that `render` puts in.

    Raises `TemplateError`, whatever is wrong with it.
    """
    try:
        template = read(source, _environment(escaped, tuple(parts.items())))
        with _limit_of_work():
            return template.render(values)
    except LiquidError as error:
        raise TemplateError(mistake_of(error, source)) from error
    except TemplateError:
        raise
    except Exception as error:  # no template may bring more down than itself
        raise TemplateError(Mistake(f"cannot be rendered ({type(error).__name__})")) from error


def read(source: str, environment: Environment) -> BoundTemplate:
    """Parse a stranger's template. Raises `TemplateError` and `LiquidError`."""
    _look_through(source)
    return environment.from_string(source)


def mistake_of(error: LiquidError, source: str) -> Mistake:
    """Return what an error of Liquid's means to the template's author."""
    token = error.token
    line = line_at(source, token.start_index) if token and token.source == source and token.start_index >= 0 else None
    message = str(error.message).replace("a primitive expression", "a value").replace("end of expression", "the end")
    return Mistake(message, line)


def line_at(source: str, index: int) -> int:
    """Return the number of the line that a place in a template is in."""
    return source.count("\n", 0, index) + 1


def _look_through(source: str) -> None:
    """Refuse what would keep the parser or a loop busy: tags that are many, long or not closed, ranges out of all measure.

    It takes one way through the template, as the parser does once this has passed.
    """
    position = tags = 0
    while opening := _OPENING.search(source, position):
        tags += 1
        at, closing = opening.start(), "}}" if opening[0] == "{{" else "%}"
        end = source.find(closing, at + 2, at + MAX_TAG)
        if end < 0:
            raise _mistake(source, at, f"`{opening[0]}` is not closed by `{closing}` within {MAX_TAG} characters")
        position = end + 2
        if tags > MAX_TAGS:
            raise _mistake(source, at, f"here are more than {MAX_TAGS} tags")
        if _BLANKS.search(source, at, end):
            raise _mistake(source, at, "a tag has a gap of 100 blanks")
        if _RANGE.search(_SMALL_RANGE.sub("", source[at:end])):
            raise _mistake(source, at, "a range goes from one written number to another, such as `(1..10)`, and below 1000")
        if closing == "%}":
            position = _behind_tag(source, at, position)


def _behind_tag(source: str, at: int, end: int) -> int:
    name = _NAME.match(source, at)
    if name is None:
        raise _mistake(source, at, "a tag has no name")
    if name[1] == "doc":
        raise _mistake(source, at, "there is no tag `doc`")
    if name[1] != "raw":
        return end
    closed = _END_OF_RAW.search(source, end) if _RAW.match(source, at) else None
    if closed is None:
        raise _mistake(source, at, "`{% raw %}` is not closed by `{% endraw %}`")
    return closed.end()


def _mistake(source: str, at: int, message: str) -> TemplateError:
    return TemplateError(Mistake(message, line_at(source, at)))


@contextmanager
def _limit_of_work() -> Iterator[None]:
    """Stop what does more than its share of work, by counting the calls and returns of functions.

    They are counted, not timed, so that a template is refused everywhere or nowhere. No single call takes long, since
    whatever it works on is short. A mail with as many lines as an order can have is far from the limit.
    """
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps > MAX_STEPS:
            raise ResourceLimitError("it has too much to do", token=None)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def _bounded(name: str, applied: Callable[..., Any]) -> Callable[..., Any]:
    """Keep a filter from working on long texts, and from making them; and from telling of its inside what it was not given."""

    @wraps(applied)
    def bounded(*given: Any, **named: Any) -> Any:
        _must_be_short(*given, *named.values())
        try:
            result = applied(*given, **named)
        except (TypeError, FilterArgumentError):
            raise FilterArgumentError(f"`{name}` does not take this", token=None) from None
        _must_be_short(result)
        return result

    return bounded


def _must_be_short(*texts: object) -> None:
    if any(isinstance(text, str) and len(text) > MAX_TEXT for text in texts):
        raise _TooLongError


class _TooLongError(ResourceLimitError):
    def __init__(self) -> None:
        super().__init__(f"a text becomes longer than {MAX_TEXT} characters", token=None)


def _replace(value: object, old: object, new: object = "") -> Any:
    """Replace a text in another, unless that makes it too long: that is told before it is done."""
    text = "" if value is None else str(value)
    if len(text) + text.count(str(old)) * len(str(new)) > MAX_TEXT:
        raise _TooLongError
    return string.replace(value, old, new)


class _Placed(Tag):
    """A tag that says where it stands when its end, or something in it, is missing."""

    def parse(self, stream: TokenStream) -> Any:
        opening = stream.current
        try:
            return super().parse(stream)  # type: ignore[safe-super]  # it stands before the tag itself
        except LiquidError as error:
            if error.token is None or error.token.start_index < 0:
                error.token = opening
                if str(error.message).startswith("expected tag"):
                    error.args = (f"`{opening.value}` is not ended by `{self.end}`",)
            raise


class _Unknown(illegal.Illegal):
    def parse(self, stream: TokenStream) -> Any:
        token = stream.current
        try:
            return super().parse(stream)
        except LiquidSyntaxError as error:
            closing = token.value in {*_INNER, *(tag.end for tag in TAGS if tag.end)}
            error.args = (f"`{token.value}` stands alone" if closing else f"there is no tag `{token.value}`",)
            raise


class _Render(render_tag.RenderTag):
    """Puts in one of our own parts, and nothing else."""

    def parse(self, stream: TokenStream) -> Any:
        node: Any = super().parse(stream)
        name = node.name.value if isinstance(node.name, StringLiteral) else str(node.name)
        if name not in PARTS:
            raise _refusal(node.token, f"there is no part `{name}`: `render` takes {_listed(PARTS)}")
        if node.var is not None:
            raise _refusal(node.token, "`render` takes neither `with` nor `for` here")
        missing = PARTS[name] - {argument.name for argument in node.args}
        if missing:
            raise _refusal(node.token, f"`render '{name}'` wants {_listed(sorted(missing))}")
        return node


def _refusal(token: Token, message: str) -> LiquidSyntaxError:
    return LiquidSyntaxError(message, token=token)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


_INNER: Final = frozenset({"else", "elsif", "when"})
_TEXTS: Final[tuple[type[Tag], ...]] = (content.Literal, output.Output)
TAGS: Final[tuple[type[Tag], ...]] = (
    if_tag.IfTag,
    unless_tag.UnlessTag,
    case_tag.CaseTag,
    for_tag.ForTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    comment_tag.CommentTag,
    inline_comment_tag.InlineCommentTag,
    _Render,
)
TAG_NAMES: Final = (*(tag.name for tag in TAGS), "raw")
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "append": string.append,
    "capitalize": string.capitalize,
    "default": misc.default,
    "downcase": string.downcase,
    "escape": string.escape,
    "first": array.first,
    "join": array.join,
    "last": array.last,
    "lstrip": string.lstrip,
    "newline_to_br": string.newline_to_br,
    "prepend": string.prepend,
    "remove": string.remove,
    "replace": _replace,
    "rstrip": string.rstrip,
    "size": misc.size,
    "squish": string.squish,
    "strip": string.strip,
    "strip_newlines": string.strip_newlines,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "upcase": string.upcase,
    "url_encode": string.url_encode,
}


class Sandbox(Environment):
    """Liquid with few tags and filters, all limits, and nothing to load but our own parts."""

    block_nesting_limit: ClassVar[int] = 20
    context_depth_limit: ClassVar[int] = 30
    loop_iteration_limit: ClassVar[int | None] = 10_000
    output_stream_limit: ClassVar[int | None] = 300_000
    local_namespace_limit: ClassVar[int | None] = 100_000

    def __init__(self, *, escaped: bool, parts: Mapping[str, str]) -> None:
        """Prepare for HTML, which is escaped, or for plain text."""
        super().__init__(autoescape=escaped, undefined=StrictUndefined, loader=CachingDictLoader(dict(parts)))

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Know the tags and filters that are harmless."""
        del extra
        for tag in (*_TEXTS, *TAGS):
            self.tags[tag.name] = type(tag.__name__, (_Placed, tag), {})(self)
        self.tags[_Unknown.name] = _Unknown(self)
        for name, applied in FILTERS.items():
            self.add_filter(name, _bounded(name, applied))


@cache
def _environment(escaped: bool, parts: tuple[tuple[str, str], ...]) -> Sandbox:  # noqa: FBT001  # a key of the cache
    return Sandbox(escaped=escaped, parts=dict(parts))
