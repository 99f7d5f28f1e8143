"""What rules do: the typed actions of the three kinds of rules, as they are sent, stored and carried out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from tradepost.domain.checking import faults_in
from tradepost.domain.errors import Fault
from tradepost.domain.rule_fields import RuleKind
from tradepost.domain.values import Money, Price, Text, Value

MAX_ACTIONS: Final = 20
MAX_TIERS: Final = 20
MAX_DAYS: Final = 365
_PERCENT: Final = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?", re.ASCII)
_HUNDRED: Final = 10_000


def _percent(value: object) -> object:
    # A float is none: 0.1 of one is not a tenth.
    text = str(value) if type(value) is int else value
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None or _basis_points(match) > _HUNDRED:
        raise ValueError("is not a percentage: a whole number or a text with two decimals at most, such as “7.5”, up to 100")
    whole, part = divmod(_basis_points(match), 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") if part else str(whole)


def _basis_points(match: re.Match[str]) -> int:
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


type Percent = Annotated[
    str,
    BeforeValidator(_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 100},
                {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,2})?$"},
            ],
            "description": "A percentage: a whole number, or a text with two decimals at most, such as “7.5”.",
        }
    ),
]
"""A percentage with two decimals at most, spelled without trailing zeros. Reckon with `basis_points`."""
type Grams = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
type DaysUntil = Annotated[StrictInt, Field(ge=1, le=MAX_DAYS)]


def basis_points(percent: str) -> int:
    """Return a percentage in hundredths of a percent, exactly. Raises `ValueError` for what is none."""
    match = _PERCENT.fullmatch(percent)
    if match is None:
        raise ValueError("not a percentage")
    return _basis_points(match)


class WeightTier(Value):
    """What is charged up to a weight, included; the last tier has none and is for whatever weighs more."""

    up_to_grams: Grams | None = None
    amount: Price


def _in_steps(tiers: Sequence[WeightTier]) -> Sequence[WeightTier]:
    limits = [tier.up_to_grams for tier in tiers]
    known = [limit for limit in limits if limit is not None]
    if limits[-1] is not None or len(known) != len(limits) - 1:
        raise ValueError("must end with the one tier that has no up_to_grams, for whatever weighs more")
    if any(later <= earlier for earlier, later in pairwise(known)):
        raise ValueError("must go from light to heavy")
    return tiers


def amount_for(tiers: Sequence[WeightTier], grams: int) -> Price:
    """Return what is charged for a weight."""
    return next(tier.amount for tier in tiers if tier.up_to_grams is None or grams <= tier.up_to_grams)


class _Tiered(Value):
    """What may be charged by weight."""

    tiers: Annotated[tuple[WeightTier, ...], Field(min_length=1, max_length=MAX_TIERS)] | None = None

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if self.tiers is not None:
            _in_steps(self.tiers)
        return self


class Approve(Value):
    """Approve the reseller."""

    action: Literal["approve"]
    reason: Text | None = None


class Deny(Value):
    """Deny the reseller."""

    action: Literal["deny"]
    reason: Text | None = None


class Review(Value):
    """Leave the reseller for a person to decide about."""

    action: Literal["review"]
    reason: Text | None = None


class CaptureNow(Value):
    """Take the money when the order is placed."""

    action: Literal["capture_now"]


class CaptureOnShipment(Value):
    """Take the money when the order is shipped."""

    action: Literal["capture_on_shipment"]


class CaptureAfter(Value):
    """Take the money so many days after the order was placed."""

    action: Literal["capture_after"]
    days: DaysUntil


class Defer(Value):
    """Take no money until a person says so."""

    action: Literal["defer"]


class DropshipFee(_Tiered):
    """A fee for shipping in the reseller's name: an `amount` for the order or for each item, or by the order's weight."""

    action: Literal["dropship_fee"]
    amount: Price | None = None
    per: Literal["order", "item"] = "order"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.amount is None) == (self.tiers is None):
            raise ValueError("needs either an amount or tiers")
        if self.tiers is not None and self.per != "order":
            raise ValueError("is by the weight of the order: tiers are not per item")
        return self


class PercentageFee(Value):
    """A fee of so many percent of the order's subtotal."""

    action: Literal["percentage_fee"]
    percent: Percent


class InvoiceDiscount(Value):
    """So many percent of the order's subtotal off, or an amount."""

    action: Literal["discount"]
    percent: Percent | None = None
    amount: Price | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("needs either a percent or an amount")
        return self


class Credit(Value):
    """Pay from the reseller's credit balance: an `amount` at most, or with `all` as much as there is."""

    action: Literal["credit"]
    amount: Price | None = None
    all: StrictBool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.amount is None) != self.all:
            raise ValueError("needs either an amount or “all”: true")
        return self


class Shipping(_Tiered):
    """What shipping is charged with: what the order says, a flat amount, or by weight.

    Nothing is, where the order's subtotal is `free_above` or more.
    """

    action: Literal["shipping"]
    mode: Literal["passed_on", "flat", "tiered"]
    amount: Price | None = None
    free_above: Price | None = None

    @model_validator(mode="after")
    def _as_its_mode_says(self) -> Self:
        if (self.amount is not None) != (self.mode == "flat"):
            raise ValueError("needs an amount if, and only if, its mode is “flat”")
        if (self.tiers is not None) != (self.mode == "tiered"):
            raise ValueError("needs tiers if, and only if, its mode is “tiered”")
        return self


class Tax(Value):
    """A tax of so many percent on what the invoice comes to before it."""

    action: Literal["tax"]
    percent: Percent


type ApprovalAction = Approve | Deny | Review
type CaptureAction = CaptureNow | CaptureOnShipment | CaptureAfter | Defer
type InvoicingAction = DropshipFee | PercentageFee | InvoiceDiscount | Credit | Shipping | Tax
type Action = Annotated[
    # Spelled out: pydantic tells them apart by name only where they are not unions of unions.
    Approve
    | Deny
    | Review
    | CaptureNow
    | CaptureOnShipment
    | CaptureAfter
    | Defer
    | DropshipFee
    | PercentageFee
    | InvoiceDiscount
    | Credit
    | Shipping
    | Tax,
    Field(discriminator="action"),
]

ACTIONS: Final[Mapping[RuleKind, tuple[type[Value], ...]]] = {
    "approval": (Approve, Deny, Review),
    "payment_capture": (CaptureNow, CaptureOnShipment, CaptureAfter, Defer),
    "invoicing": (DropshipFee, PercentageFee, InvoiceDiscount, Credit, Shipping, Tax),
}
"""What rules of each kind can do."""
MOST_ACTIONS: Final[Mapping[RuleKind, int]] = {"approval": 1, "payment_capture": 1, "invoicing": MAX_ACTIONS}


def name_of(action: type[Value]) -> str:
    """Return what an action is called in a rule."""
    return str(action.model_fields["action"].annotation.__args__[0])  # type: ignore[union-attr]  # a Literal of one


_BY_NAME: Final = {kind: {name_of(action): action for action in actions} for kind, actions in ACTIONS.items()}


def written_actions(kind: RuleKind, sent: object, pointer: str) -> tuple[tuple[Action, ...], list[Fault]]:
    """Read the actions of a rule as they were sent. Returns them, and what is wrong with them."""
    if not isinstance(sent, (list, tuple)) or not 1 <= len(sent) <= MOST_ACTIONS[kind]:
        most = MOST_ACTIONS[kind]
        return (), [
            Fault(pointer, "must be a list of exactly one action" if most == 1 else f"must be a list of 1 to {most} actions")
        ]
    actions: list[Action] = []
    faults: list[Fault] = []
    for index, each in enumerate(sent):
        at = f"{pointer}/{index}"
        name = each.get("action") if isinstance(each, Mapping) else None
        model = _BY_NAME[kind].get(name) if isinstance(name, str) else None
        if model is None:
            where = f"{at}/action" if isinstance(each, Mapping) else at
            faults.append(Fault(where, f"is none of the actions of this kind of rule: {', '.join(_BY_NAME[kind])}"))
            continue
        try:
            actions.append(model.model_validate(each))  # type: ignore[arg-type]  # one of those that make up `Action`
        except ValidationError as error:
            faults += faults_in(error, at, what="action")
    return tuple(actions), faults


def moneys(value: Any, pointer: str) -> Iterator[tuple[str, Money]]:
    """Return every amount of money in a part of a rule, with where it stands."""
    if isinstance(value, Money):
        yield pointer, value
    elif isinstance(value, Value):
        for name in type(value).model_fields:
            yield from moneys(getattr(value, name), f"{pointer}/{name}")
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from moneys(each, f"{pointer}/{index}")
