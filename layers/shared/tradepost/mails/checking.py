"""Checks a store's own template before it is used: every mistake is named with its line, in branches not taken too."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.token import Token

from tradepost.domain.email_templates import TemplateText
from tradepost.domain.errors import Fault, InvalidError
from tradepost.mails.rendering import PART_SOURCES, BrokenTemplateError, must_be_plain, own_part
from tradepost.mails.sandbox import FILTERS, MAX_MISTAKES, Mistake, Sandbox, TemplateError, line_at, mistake_of, read
from tradepost.mails.values import CIRCULAR, TEMPLATES, Values, offered, sample_values

_SHOWN: Final = 60
_ANYTHING: Final = object()
_LOOP: Final = dict.fromkeys(("index", "index0", "rindex", "rindex0", "length", "first", "last", "parentloop"), _ANYTHING)


def check(name: str, template: TemplateText) -> None:
    """Refuse a template with mistakes: `InvalidError` has one fault for each, and the code `template_invalid`.

    What holds for the samples may still fail for a mail, which is then written in the default's words.
    """
    full = sample_values(name)
    _refuse(name, template.model_dump(), full, (full, sample_values(name, minimal=True)))


def check_circular(subject: str, text: str, values: Values) -> None:
    """Refuse the words of a circular mail with mistakes, as templates are: they may say whatever else the mail knows.

    They are tried with the values of their own event: of another one they need not say anything.
    """
    known = sample_values(CIRCULAR)
    del known["message"]
    _refuse(CIRCULAR, {"subject": subject, "text": text}, known, (values,))


def _refuse(name: str, parts: Mapping[str, str], known: Values, tried: Sequence[Values]) -> None:
    faults = [
        Fault(f"/{part}", str(mistake))
        for part, source in parts.items()
        for mistake in dict.fromkeys(_mistakes(name, part, source, known, tried))
    ]
    if faults:
        raise InvalidError(*faults[:MAX_MISTAKES], code="template_invalid")


def _mistakes(name: str, part: str, source: str, known: Values, tried: Sequence[Values]) -> list[Mistake]:
    found = _seen_by_reading(source, offered(name, known))
    try:
        if not found and part == "html" and TEMPLATES[name].withheld:
            must_be_plain(source, is_source=True)
        for values in () if found else tried:
            own_part(name, part, source, values)
    except BrokenTemplateError as error:
        found.append(error.mistake)
    return found


def _seen_by_reading(source: str, known: Mapping[str, Any]) -> list[Mistake]:
    """Return what is wrong with a template whatever it is rendered with; `known` is an example of every variable."""
    sandbox, reading = _Forgiving(), _Reading(source, known)
    try:
        reading.follow(read(source, sandbox))
    except TemplateError as error:
        return [error.mistake]
    except LiquidError as error:
        if not sandbox.errors:
            return [mistake_of(error, source)]
    except _EnoughError:
        pass
    found = [*(mistake_of(error, source) for error in sandbox.errors), *reading.mistakes]
    return sorted(found, key=lambda mistake: mistake.line or 0)


class _EnoughError(Exception):
    """So many mistakes that more of them help nobody."""


class _Forgiving(Sandbox):
    """Parses on after a mistake, so that all of them are told at once."""

    def __init__(self) -> None:
        super().__init__(escaped=True, parts=PART_SOURCES["html"])
        self.errors: list[LiquidError] = []

    def error(self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None) -> None:
        """Keep an error instead of raising it."""
        error = exc if isinstance(exc, LiquidError) else exc(msg, token=token)
        error.token = error.token or token
        if len(self.errors) >= MAX_MISTAKES:
            raise _EnoughError
        self.errors.append(error)


class _Reading:
    """Follows a template as it is written: what it names, and what stands behind the names it gives itself."""

    def __init__(self, source: str, known: Mapping[str, Any]) -> None:
        self.mistakes: list[Mistake] = []
        self._source = source
        self._scopes: list[dict[str, Any]] = [dict(known)]

    def follow(self, template: BoundTemplate) -> None:
        """Note the mistakes of a template."""
        context = RenderContext(template)
        for node in template.nodes:
            self._follow(node, context)

    def _follow(self, node: Node, context: RenderContext) -> None:
        for expression in node.expressions():
            self._read(expression)
        if isinstance(node, OutputNode):
            self._must_be_text(node.expression)
        for name in node.template_scope():
            self._scopes[0][name] = self._meaning(node.expression) if isinstance(node, AssignNode) else ""
        inner: dict[str, Any] = {}
        if isinstance(node, ForNode):
            inner = {"forloop": _LOOP, node.expression.identifier: self._one_of(node.expression)}
        self._scopes.append(inner)
        for child in node.children(context, include_partials=False):
            self._follow(child, context)
        self._scopes.pop()

    def _read(self, expression: Expression) -> None:
        if isinstance(expression, Path):
            self._look_up(expression, told=True)
        for used in (expression.filters or ()) if isinstance(expression, FilteredExpression) else ():
            if used.name not in FILTERS:
                self._tell(used.token, f"there is no filter `{_short(used.name)}`", used.name, FILTERS)
        for child in expression.children():
            self._read(child)

    def _look_up(self, path: Path, *, told: bool = False) -> Any:
        """Return an example of what a path leads to; whatever cannot be known is anything."""
        root, *further = path.path
        scope = next((scope for scope in reversed(self._scopes) if root in scope), None) if isinstance(root, str) else None
        found = scope[root] if scope and isinstance(root, str) else None
        for segment in further if scope else ():
            found = _within(found, segment)
        if told and found is None:
            self._tell(path.token, f"there is no variable `{_short(str(path))}`", str(path), self._names())
        return _ANYTHING if found is None else found

    def _meaning(self, expression: Expression) -> Any:
        if isinstance(expression, FilteredExpression) and not expression.filters:
            expression = expression.left
        return self._look_up(expression) if isinstance(expression, Path) else _ANYTHING

    def _one_of(self, loop: LoopExpression) -> Any:
        several = self._meaning(loop.iterable)
        return several[0] if isinstance(several, tuple) else _ANYTHING

    def _must_be_text(self, expression: Expression) -> None:
        shown = self._meaning(expression)
        if isinstance(shown, dict | tuple):
            such = f"{expression}.{next(iter(shown))}" if isinstance(shown, dict) else f"{expression} | join: ', '"
            self._tell(expression.token, f"`{_short(str(expression))}` is no text; write `{_short(such)}`, for example")

    def _names(self) -> Iterator[str]:
        for scope in self._scopes:
            yield from _paths(scope)

    def _tell(self, token: Token, message: str, wrong: str = "", right: Any = ()) -> None:
        if len(self.mistakes) >= MAX_MISTAKES:
            raise _EnoughError
        alike = get_close_matches(wrong[:_SHOWN], right, n=1) if wrong else []
        advice = f"; did you mean `{alike[0]}`?" if alike else ""
        self.mistakes.append(Mistake(f"{message}{advice}", line_at(self._source, token.start_index)))


def _within(value: Any, segment: object) -> Any:
    """Return what a segment of a path leads to from an example; None if it leads nowhere."""
    if value is _ANYTHING or isinstance(segment, Path):
        return _ANYTHING
    if isinstance(value, dict):
        return value.get(segment)
    if isinstance(value, tuple) and (segment in {"first", "last"} or isinstance(segment, int)):
        return value[0]
    return 0 if segment == "size" and isinstance(value, tuple | str) else None


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
