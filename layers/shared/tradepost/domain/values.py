"""The small values every request is made of: text, e-mail addresses, money, countries."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Self

import email_validator
from iso3166 import countries_by_alpha2
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from tradepost.domain.clock import stamp

# Mail to reserved names such as .test never leaves, and stores try things out with them.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

MAX_AMOUNT = 10**12
MAX_SUM = 10**30
"""Beyond whatever the largest order can come to by the most and dearest rules."""
MAX_QUANTITY = 1_000_000
MAX_EMAIL = 254
_BREAKS_AND_OVERRIDES = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_LAST_OF_A_PLANE = 0xFFFE
_YEARS = range(2000, 3000)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def clean_text(value: str, *, multiline: bool = False) -> str:
    """Normalise to NFC and strip; refuse what cannot be printed: control characters, surrogates, direction overrides."""
    allowed = "\n" if multiline else ""
    text = value.replace("\r\n", "\n") if multiline else value
    for character in text:
        if character not in allowed and _unprintable(character):
            raise ValueError(f"contains the unprintable character U+{ord(character):04X}")
    return unicodedata.normalize("NFC", text).strip()


def _unprintable(character: str) -> bool:
    # Unassigned characters pass: they are the emoji and scripts of a Unicode that is newer than this Python.
    last_of_a_plane = ord(character) & _LAST_OF_A_PLANE == _LAST_OF_A_PLANE
    no_character = last_of_a_plane or "\ufdd0" <= character <= "\ufdef"
    return no_character or unicodedata.category(character) in {"Cc", "Cs", "Co"} or character in _BREAKS_AND_OVERRIDES


def printable(value: str) -> str:
    """Return a text that nobody is told about as `clean_text` would have it, without what it would refuse."""
    return clean_text("".join(" " if _unprintable(character) else character for character in value))


def _clean_lines(value: str) -> str:
    return clean_text(value, multiline=True)


def _not_empty(value: str) -> str:
    # Characters without a look, such as joiners, do not make a name.
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in value):
        raise ValueError("must not be empty")
    return value


def _none_if_blank(value: str | None) -> str | None:
    return value or None


type OptionalText = Annotated[str, AfterValidator(clean_text), Field(max_length=200)]
type Text = Annotated[str, AfterValidator(clean_text), AfterValidator(_not_empty), Field(max_length=200)]
type Blankable = Annotated[OptionalText | None, AfterValidator(_none_if_blank)]
"""A text that may be left out; an empty one is none."""
type LongText = Annotated[str, AfterValidator(_clean_lines), Field(max_length=4000)]


def _email(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > MAX_EMAIL:
        raise ValueError("is longer than an e-mail address can be")
    try:
        return email_validator.validate_email(value, check_deliverability=False, strict=True).normalized
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None


type Email = Annotated[str, BeforeValidator(_email)]
"""An address as it was written, with a normalised domain. Compare addresses by `folded`."""


def mailable(address: str) -> str:
    """Return an address as every mail server takes it: with its domain in ASCII."""
    parts = email_validator.validate_email(address, check_deliverability=False)
    return f"{parts.local_part}@{parts.ascii_domain}"


def folded(text: str) -> str:
    """Return the form in which two spellings are the same: an e-mail in any letter case is one person's."""
    return unicodedata.normalize("NFC", text.strip().casefold())


def _country(value: str) -> str:
    if value not in countries_by_alpha2:
        raise ValueError("is not an ISO 3166-1 alpha-2 country code, such as DE")
    return value


type Country = Annotated[str, AfterValidator(_country)]
type Instant = Annotated[datetime, PlainSerializer(stamp, return_type=str)]


def _written_out(value: object) -> object:
    # An instant as RFC 3339 writes it: pydantic would take seconds since 1970 as well.
    if isinstance(value, (int, float)) or (isinstance(value, str) and "T" not in value.upper()):
        raise ValueError("is not an instant, such as 2026-11-22T18:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise ValueError(f"is not within the years {_YEARS.start} to {_YEARS.stop - 1}")
    instant = value.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


type Moment = Annotated[
    AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc), PlainSerializer(stamp, return_type=str)
]
"""An instant as a request names it: RFC 3339, with its offset from UTC."""


def _iso_day(value: object) -> object:
    # A date alone: pydantic would take seconds since 1970 as well.
    if isinstance(value, str) and _DAY.fullmatch(value) is None:
        raise ValueError("is not a date, such as 2026-11-22")
    return value


type Day = Annotated[date, BeforeValidator(_iso_day)]
type CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
type Quantity = Annotated[StrictInt, Field(ge=1, le=MAX_QUANTITY)]
type Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{1,38}[a-z0-9])$")]
type Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
"""The id of something else, as a request names it. Whether there is such a thing is found out in the transaction."""
type HexColour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Value(BaseModel):
    """A part of a request, an answer or a stored item: immutable, and strangers' fields are refused.

    An error about one may end in a log, and so never tells what was in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Change(Value):
    """What to change of something: a field that is not sent stays as it is. Only the `nullable` ones can be emptied."""

    nullable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*")
    @classmethod
    def _not_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls.nullable:
            raise ValueError("must not be null")
        return value

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Money(Value):
    """An amount in minor units (cents, for EUR) of an ISO 4217 currency. Never a float."""

    amount: Annotated[StrictInt, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    currency: CurrencyCode

    def __add__(self, other: Self) -> Self:
        """Add two amounts of one currency."""
        self._same_currency(other)
        return self.model_copy(update={"amount": self.amount + other.amount})

    def __mul__(self, quantity: int) -> Self:
        """Multiply by a whole number: nothing is ever rounded here."""
        return self.model_copy(update={"amount": self.amount * quantity})

    def _same_currency(self, other: Self) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")


class Price(Money):
    """What something costs: money that is not negative."""

    amount: Annotated[StrictInt, Field(ge=0, le=MAX_AMOUNT)]


class Entity(BaseModel):
    """Something stored under one key. `version` counts its changes; 0 means that it is not stored yet.

    The fields named in `aside` change by themselves, without a new version: a mail was delivered, something was counted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    entity: ClassVar[str]
    aside: ClassVar[frozenset[str]] = frozenset()

    version: int = 0

    @property
    def etag(self) -> str:
        """The version as HTTP quotes it."""
        return f'"{self.version}"'
