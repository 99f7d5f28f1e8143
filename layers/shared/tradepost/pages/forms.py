"""Forms: what was typed is read within bounds, kept when something is wrong, and each error stands beside its field."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError

from tradepost.domain.errors import BadRequestError, Fault, InvalidError, TooLargeError

FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM: Final = 16 * 1024
MAX_FIELDS: Final = 40

type FieldKind = Literal["text", "tel", "email", "password", "country"]


class Field(NamedTuple):
    """One field of a form. `given` marks what somebody else has entered for the person."""

    name: str
    label: str
    value: str = ""
    kind: FieldKind = "text"
    autocomplete: str = "off"
    hint: str = ""
    max_length: int = 200
    required: bool = True
    fixed: bool = False
    given: bool = False
    error: str = ""

    @property
    def described_by(self) -> str:
        """The ids of whatever explains the field, in the order in which it should be read out."""
        notes = {"entered": self.given, f"{self.name}-hint": self.hint, f"{self.name}-error": self.error}
        return " ".join(note for note, shown in notes.items() if shown)


def read_form(body: str, *, most: int = MAX_FIELDS) -> dict[str, str]:
    """Return the fields of a form; of one that is sent twice, the last. Raises `BadRequestError` or `TooLargeError`."""
    if len(body.encode()) > MAX_FORM:
        raise TooLargeError("body_too_large", f"A form may be {MAX_FORM // 1024} KiB at most.")
    try:
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=most)
    except ValueError:
        raise BadRequestError("malformed_form", "The form is not UTF-8 text, or has too many fields.") from None
    return dict(pairs)


def faults_of(error: ValidationError) -> list[Fault]:
    """Translate the validator's findings: each names a field by the last step of its path."""
    faults = [Fault(f"/{finding['loc'][-1]}", _words(finding["type"], str(finding["msg"]))) for finding in error.errors()]
    return [Fault(fault.pointer, "must be chosen from the list") if fault.pointer == "/country" else fault for fault in faults]


def words_by_field(error: InvalidError) -> dict[str, str]:
    """Return what is wrong, by the name of the field; of several things, the first."""
    words: dict[str, str] = {}
    for fault in error.faults:
        words.setdefault(fault.pointer.rpartition("/")[2], fault.message)
    return words


def with_errors(fields: Iterable[Field], words: Mapping[str, str]) -> list[Field]:
    """Put each error beside its field, as a sentence that begins with the field's label."""
    return [field._replace(error=f"{field.label} {words[field.name]}.") if field.name in words else field for field in fields]


def _words(kind: str, message: str) -> str:
    if kind in {"string_too_long", "too_long"}:
        return "is too long"
    return message.removeprefix("Value error, ") if kind == "value_error" else "is not valid"
