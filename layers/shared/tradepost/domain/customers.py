"""A customer: a buying company's account in one store, its addresses and where its invitation stands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from tradepost.domain.errors import ConflictError, Fault, InvalidError
from tradepost.domain.values import Country, Email, Entity, Instant, OptionalText, Text, Value, folded

MAX_ADDRESSES: Final = 20
MAX_FURTHER_SALES_REPS: Final = 5
MAX_TAGS: Final = 20


def _told_apart(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len({folded(tag) for tag in tags}) < len(tags):
        raise ValueError("names a tag twice")
    return tags


type CustomerKind = Literal["b2b", "b2c"]
type Tags = Annotated[
    tuple[Annotated[Text, Field(max_length=40)], ...], Field(max_length=MAX_TAGS), AfterValidator(_told_apart)
]
type InvitationState = Literal["pending", "accepted", "expired", "revoked"]
type Delivery = Literal["none", "queued", "sent", "delivered", "bounced", "complained", "suppressed"]


class PostalAddress(Value):
    """Where something is sent, or billed."""

    company: OptionalText | None = None
    name: OptionalText | None = None
    street: Text
    postal_code: Annotated[Text, Field(max_length=20)]
    city: Text
    region: OptionalText | None = None
    country: Country


class Address(PostalAddress):
    """An address in a customer's list."""

    id: str
    label: OptionalText | None = None
    default_billing: bool = False
    default_shipping: bool = False


class NewAddress(PostalAddress):
    """An address as it is sent: with the id of one that is in the list already, or none for a new one."""

    id: Annotated[str, Field(max_length=60)] | None = None
    label: OptionalText | None = None
    default_billing: bool = False
    default_shipping: bool = False


class InvitationSummary(Value):
    """Where the latest invitation of a customer or an employee stands, kept with it so that its list needs no second read."""

    id: str
    state: Literal["pending", "accepted", "revoked"]
    delivery: Delivery
    expires_at: Instant

    def state_at(self, at: datetime) -> InvitationState:
        """Return the state; a pending invitation expires by itself."""
        return "expired" if self.state == "pending" and at >= self.expires_at else self.state

    @property
    def standing(self) -> frozenset[str]:
        """The labels under which an invitation that is not revoked is counted: where it stands, and how far its mail got."""
        return frozenset({"accepted" if self.state == "accepted" else "invited", f"delivery_{self.delivery}"})


type ResellerStatus = Literal["unconfirmed", "pending", "approved", "denied", "active", "suspended"]

ORDERING: Final[frozenset[ResellerStatus]] = frozenset({"approved", "active"})
"""What a reseller is while it may order."""


class ResellerSummary(Value):
    """What a customer that enrolled itself is as a reseller. It is a customer once it was approved."""

    id: str
    status: ResellerStatus
    channel_id: str | None = None


class Customer(Entity):
    """A buying company's account in one store.

    `administrators` holds the persons who look after its employees at present, `suppressed` says that mail to its address
    came back for good or was complained of, `order_changes` counts what moved the figures of its orders,
    `tags` is what the store calls it for itself and never tells it,
    and `allows_acting` is its consent to sales reps who act for its employees. Only resellers may be in no group.
    """

    entity: ClassVar = "customer"
    aside: ClassVar = frozenset({"invitation", "administrators", "suppressed", "order_changes", "reseller"})

    id: str
    store_id: str
    number: str
    name: Text
    contact_name: OptionalText | None = None
    email: Email | None = None
    company_id: str | None = None
    kind: CustomerKind = "b2b"
    active: bool = True
    group_id: str | None
    price_tier_id: str | None = None
    account_manager_id: str | None = None
    further_sales_rep_ids: tuple[str, ...] = ()
    allows_acting: bool = False
    tags: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    invitation: InvitationSummary | None = None
    administrators: Mapping[str, bool] = Field(default_factory=dict)
    suppressed: bool = False
    order_changes: int = 0
    reseller: ResellerSummary | None = None
    created_at: Instant

    @property
    def sort_name(self) -> str:
        """The name that the list is sorted by, as far as fits into a key whatever its letters."""
        return folded(self.name)[:100]

    @property
    def sales_rep_ids(self) -> frozenset[str]:
        """The sales reps it is allocated to: its account manager and the further ones."""
        return frozenset(filter(None, (self.account_manager_id, *self.further_sales_rep_ids)))

    @property
    def main_address(self) -> Address | None:
        """The address that bills go to unless somebody says otherwise."""
        return next((address for address in self.addresses if address.default_billing), None)

    @property
    def standing(self) -> frozenset[str]:
        """The labels under which the customer is counted among the invitations: active ones that can be, or are, invited."""
        if not self.active:
            return frozenset()
        if self.invitation is None or self.invitation.state == "revoked":
            return frozenset({"not_invited"} if self.email else ())
        return self.invitation.standing

    @property
    def channel_id(self) -> str | None:
        """The channel that it is in as a reseller."""
        return self.reseller.channel_id if self.reseller else None

    def may_order(self) -> None:
        """Refuse orders of a reseller that is not approved at present, whoever places them. Raises `ConflictError`."""
        status = self.reseller.status if self.reseller else None
        if status == "suspended":
            raise ConflictError("reseller_suspended", "The store has suspended this reseller: it cannot order at present.")
        if status not in {None, *ORDERING}:
            raise ConflictError("reseller_not_approved", "The store has not approved this reseller: it cannot order yet.")

    def must_be_active(self) -> None:
        """Refuse what is only for customers that are active. Raises `ConflictError`."""
        if not self.active:
            raise ConflictError("customer_inactive", "The customer is not active.")

    def address(self, address_id: str, pointer: str) -> Address:
        """Return one of the addresses. Raises `InvalidError` if the customer has none with this id."""
        for address in self.addresses:
            if address.id == address_id:
                return address
        raise InvalidError(Fault(pointer, "is not an address of this customer"), code="unknown_address")


def listed(
    given: Sequence[NewAddress], known: Iterable[Address], ids: Iterator[str], pointer: str = "/addresses"
) -> tuple[Address, ...]:
    """Return a customer's addresses with exactly one default for billing and one for shipping.

    The first one serves where none is marked; `ids` names the new ones. Raises `InvalidError` for too many addresses, two
    defaults, or the id of an address that is not `known`.
    """
    if len(given) > MAX_ADDRESSES:
        raise InvalidError(Fault(pointer, f"holds more than {MAX_ADDRESSES} addresses"))
    known_ids, seen = {address.id for address in known}, set[str]()
    for index, address in enumerate(given):
        if address.id is not None and (address.id not in known_ids or address.id in seen):
            raise InvalidError(Fault(f"{pointer}/{index}/id", "is not an address of this customer, or named twice"))
        seen.update(filter(None, [address.id]))
    addresses = [Address(**{**address.model_dump(), "id": address.id or next(ids)}) for address in given]
    for purpose in ("default_billing", "default_shipping"):
        marked = [index for index, address in enumerate(addresses) if getattr(address, purpose)]
        if len(marked) > 1:
            raise InvalidError(Fault(f"{pointer}/{marked[1]}/{purpose}", "is set on two addresses"))
        if addresses and not marked:
            addresses[0] = addresses[0].model_copy(update={purpose: True})
    return tuple(addresses)


def with_address(customer: Customer, address: PostalAddress, new_id: str) -> Customer:
    """Return the customer with its own idea of its address in place of what the store had entered as the default one."""
    fields = address.model_dump()
    current = customer.main_address
    if current is None:
        added = Address(**fields, id=new_id, default_billing=True, default_shipping=True)
        return customer.model_copy(update={"addresses": (added,)})
    changed = tuple(held.model_copy(update=fields) if held.id == current.id else held for held in customer.addresses)
    return customer.model_copy(update={"addresses": changed})
