"""Products and what they cost in each of the store's price tiers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import Field, StrictBool, StrictInt

from tradepost.domain.values import Entity, Instant, LongText, Price, Reference, Text, Value

MAX_PRICES: Final = 30

type ProductNumber = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")]
"""What a product is ordered by. It stands in paths, and is the same in any letter case."""
type Weight = Annotated[StrictInt, Field(ge=0, le=100_000_000)]
type Prices = Annotated[Mapping[Reference, Price], Field(max_length=MAX_PRICES)]


class ProductFields(Value):
    """What the owner decides about a product. `prices` are by the id of a price tier."""

    name: Text
    description: LongText = ""
    prices: Prices = Field(default_factory=dict)
    weight_grams: Weight | None = None
    active: StrictBool = True


class Product(Entity):
    """Something that the store sells. Without a price in a customer's tier, that customer cannot order it."""

    entity: ClassVar = "product"

    number: ProductNumber
    name: Text
    description: LongText = ""
    prices: Prices = Field(default_factory=dict)
    weight_grams: Weight | None = None
    active: bool = True
    created_at: Instant
    updated_at: Instant

    def price_in(self, tier_id: str | None) -> Price | None:
        """Return the unit price in a tier; None if it has none there."""
        return self.prices.get(tier_id) if tier_id else None

    @property
    def fields(self) -> ProductFields:
        """What the owner decided about it."""
        return ProductFields(**{name: getattr(self, name) for name in ProductFields.model_fields})


def described(number: str, fields: ProductFields, before: Product | None, *, at: datetime) -> Product:
    """Return a product as the owner describes it now. One that exists keeps the spelling of its number."""
    if before is None:
        return Product(number=number, created_at=at, updated_at=at, **dict(fields))
    return before.model_copy(update={**dict(fields), "updated_at": at})


def number_key(number: str) -> str:
    """Return the form of a product number in which two spellings are the same product."""
    # Outside ASCII, upper-casing makes two letters of one (ß), and so one product of two; no number has such letters.
    return number.upper() if number.isascii() else number
