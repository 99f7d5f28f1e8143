"""A store: the seller's settings, and the lists that customers and prices hang on."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, PlainSerializer, StrictBool, StrictInt, WithJsonSchema

from tradepost.domain.colours import DEFAULT_COLOUR
from tradepost.domain.customers import Customer
from tradepost.domain.errors import Fault, InvalidError, UnavailableError
from tradepost.domain.values import (
    CurrencyCode,
    Email,
    Entity,
    HexColour,
    Instant,
    OptionalText,
    Price,
    Reference,
    Slug,
    Text,
    Value,
    folded,
)

MAX_GROUPS: Final = 100
MAX_CHANNELS: Final = 100
MAX_METHODS: Final = 20
DEFAULT_LANDING: Final = "dashboard"


def _https(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.scheme != "https":
        raise ValueError("must begin with https://")
    return url


type PaymentProviderName = Literal["manual", "stripe"]
"""Who carries payments out: a person, who notes money as it comes and goes, or Stripe."""
type StripeAccount = Annotated[str, Field(pattern=r"^acct_[A-Za-z0-9]{1,60}$")]
type Days = Annotated[StrictInt, Field(ge=1, le=365)]
type ActivityDays = Annotated[StrictInt, Field(ge=1, le=3650)]
"""For how many days activities are kept."""
type ErasureDays = Annotated[StrictInt, Field(ge=0, le=30)]
"""How many days after a withdrawal of consent the hidden activities are erased; 0 for at once."""
type BillingCc = Annotated[tuple[Email, ...], Field(max_length=5)]
"""Who gets a copy of every bill that the store mails."""
type HttpsUrl = Annotated[
    AnyHttpUrl,
    AfterValidator(_https),
    PlainSerializer(str, return_type=str),
    Field(max_length=500),
    # Requests and answers are described alike, so that the models that hold one stay one model each.
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https://", "maxLength": 500}),
]
type Hostname = Annotated[
    str, Field(pattern=r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", min_length=4, max_length=253)
]


class GuestAccess(Value):
    """Whether people without an account may browse, and at which prices. They never order."""

    enabled: StrictBool = False
    price_tier_id: Reference | None = None


class Branding(Value):
    """How the store looks in mails and on its pages."""

    display_name: Text | None = None
    logo_url: HttpsUrl | None = None
    colour: HexColour = DEFAULT_COLOUR
    reply_to: Email | None = None


class OverrideLimits(Value):
    """How far a price may be lowered without approval: by so many percent, and never below the floor."""

    percent: Annotated[StrictInt, Field(ge=0, le=100)] = 0
    floor: Price | None = None


class Store(Entity):
    """A seller's portal. Its slug is its id: it begins every id that must lead to the store by itself.

    `withdrawals` counts the people who withdrew their consent to activity tracking, `deactivations` the customers that were
    switched off: what was exported before may hold what must not be shown any more.
    """

    entity: ClassVar = "store"
    aside: ClassVar = frozenset({"group_tiers", "channel_tiers", "withdrawals", "deactivations"})

    slug: Slug
    name: Text
    currency: CurrencyCode
    time_zone: str
    active: bool = True
    guest_access: GuestAccess = GuestAccess()
    auto_approve_resellers: bool = False
    default_channel_id: str | None = None
    track_activity: bool = False
    activity_days: ActivityDays = 365
    activity_erasure_days: ErasureDays = 0
    branding: Branding = Branding()
    default_landing: Text = DEFAULT_LANDING
    invitation_days: Days = 14
    offer_days: Days = 30
    billing_cc: BillingCc = ()
    override_limits: OverrideLimits = OverrideLimits()
    acting_needs_consent: bool = False
    domain: Hostname | None = None
    payment_provider: PaymentProviderName = "manual"
    stripe_account: StripeAccount | None = None
    owner_id: str | None = None
    opened_at: Instant
    group_tiers: Mapping[str, str] = Field(default_factory=dict)
    channel_tiers: Mapping[str, str] = Field(default_factory=dict)
    withdrawals: int = 0
    deactivations: int = 0

    @property
    def id(self) -> str:
        """The store's id, which is its slug."""
        return self.slug

    @property
    def invitation_lifetime(self) -> timedelta:
        """How long an invitation can be accepted."""
        return timedelta(days=self.invitation_days)

    @property
    def display_name(self) -> str:
        """The name that customers read."""
        return self.branding.display_name or self.name

    def must_be_open(self) -> None:
        """Refuse buyers, guests and links while the store is switched off."""
        if not self.active:
            raise UnavailableError("store_inactive", f"{self.display_name} is closed at the moment.")

    def tier_of(self, customer: Customer) -> str | None:
        """Return the price tier that applies: the customer's own, its channel's if it is a reseller, or its group's."""
        of_channel = self.channel_tiers.get(customer.channel_id or "")
        return customer.price_tier_id or of_channel or self.group_tiers.get(customer.group_id or "")

    def must_trade_in(self, currency: str, pointer: str) -> None:
        """Refuse money of another currency than the store's."""
        if currency != self.currency:
            raise InvalidError(Fault(pointer, f"must be in {self.currency}, the store's currency"), code="wrong_currency")

    def must_limit_in_its_currency(self, limits: OverrideLimits | None) -> None:
        """Refuse limits whose floor is in another currency than the store's."""
        if limits and limits.floor:
            self.must_trade_in(limits.floor.currency, "/override_limits/floor/currency")


def change_settings(store: Store, given: Mapping[str, Any]) -> Store:
    """Return a store with changed settings. Of nested settings, only the fields that were sent change.

    Raises `InvalidError` for guest access without a price tier, and for a floor in another currency.
    """
    changed = store.model_copy(update={name: merged(getattr(store, name), value) for name, value in given.items()})
    if changed.guest_access.enabled and changed.guest_access.price_tier_id is None:
        raise InvalidError(Fault("/guest_access/price_tier_id", "is required to let guests in"), code="price_tier_required")
    changed.must_limit_in_its_currency(changed.override_limits)
    return changed


def merged(before: object, sent: object) -> object:
    """Return a setting as it is after a change: of a nested one, only the fields that were sent are others than before."""
    if isinstance(before, Value) and isinstance(sent, Value):
        return before.model_copy(update={name: getattr(sent, name) for name in sent.model_fields_set})
    return sent


class StoreList(Entity):
    """What the three lists of a store have in common: named entries that other things point at.

    `tally` counts what points at an entry, in the transactions that do so: an entry in use cannot be deleted.
    """

    collection: ClassVar[str]

    id: str
    name: Text
    tally: int = 0
    created_at: Instant


class PriceTier(StoreList):
    """A named price list."""

    entity: ClassVar = "price_tier"
    collection: ClassVar = "price_tiers"


class CustomerGroup(StoreList):
    """Customers that see the same prices."""

    entity: ClassVar = "customer_group"
    collection: ClassVar = "customer_groups"

    price_tier_id: str


class ResellerChannel(StoreList):
    """Resellers that are served alike."""

    entity: ClassVar = "reseller_channel"
    collection: ClassVar = "reseller_channels"

    price_tier_id: str | None = None
    description: OptionalText | None = None


class NewShippingMethod(Value):
    """A way to ship, as it is sent: one that the store offers already is named by its id."""

    id: Reference | None = None
    name: Text
    cost: Price


class ShippingMethod(NewShippingMethod):
    """A way to ship, and what it costs per order."""

    id: str


class NewPaymentMethod(Value):
    """A way to pay, as it is sent: one that the store offers already is named by its id."""

    id: Reference | None = None
    name: Text
    kind: Literal["instant", "net_terms"]


class PaymentMethod(NewPaymentMethod):
    """A way to pay: at once, or on net terms."""

    id: str


class CheckoutOptions(Entity):
    """What a buyer chooses from when ordering."""

    entity: ClassVar = "checkout_options"

    shipping_methods: tuple[ShippingMethod, ...] = ()
    payment_methods: tuple[PaymentMethod, ...] = ()

    def replaced(
        self, shipping: Sequence[NewShippingMethod], payment: Sequence[NewPaymentMethod], ids: Iterator[str]
    ) -> "CheckoutOptions":
        """Return other options. Methods sent with an id keep it, `ids` names the new ones.

        Raises `InvalidError` for the id of a method that is not offered, and for one that is listed twice.
        """
        _must_be_told_apart(shipping, self.shipping_methods, "/shipping_methods")
        _must_be_told_apart(payment, self.payment_methods, "/payment_methods")
        shipping_methods = [ShippingMethod(**{**dict(method), "id": method.id or next(ids)}) for method in shipping]
        payment_methods = [PaymentMethod(**{**dict(method), "id": method.id or next(ids)}) for method in payment]
        return self.model_copy(update={"shipping_methods": tuple(shipping_methods), "payment_methods": tuple(payment_methods)})


type _Method = NewShippingMethod | NewPaymentMethod


def _must_be_told_apart(given: Sequence[_Method], known: Sequence[_Method], pointer: str) -> None:
    known_ids, seen = {method.id for method in known}, set[str]()
    for index, method in enumerate(given):
        if method.id is not None and method.id not in known_ids:
            raise InvalidError(Fault(f"{pointer}/{index}/id", "is not among those offered so far"), code="unknown_method")
        for field, value in (("id", method.id), ("name", folded(method.name))):
            if value is not None and f"{field} {value}" in seen:
                raise InvalidError(Fault(f"{pointer}/{index}/{field}", "is listed twice"), code="duplicate_method")
            seen.add(f"{field} {value}")
