"""The resources that more than one function answers with. Their names are unique throughout the API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, PlainSerializer, SerializationInfo

from tradepost.aws.links import unsigned
from tradepost.domain.customers import (
    Address,
    Customer,
    CustomerKind,
    Delivery,
    InvitationState,
    InvitationSummary,
    ResellerSummary,
)
from tradepost.domain.invitations import Edit, Invitation, InvitationKind
from tradepost.domain.people import Access, Member, Party, RepStatus
from tradepost.domain.permissions import Role
from tradepost.domain.stores import BillingCc, Branding, GuestAccess, OverrideLimits, PaymentProviderName, Store
from tradepost.domain.values import Instant, Price
from tradepost.http.app import Answer
from tradepost.table.transaction import KEPT


def _link(link: str, info: SerializationInfo) -> str:
    return unsigned(link) if info.context == KEPT else link


type InvitationLink = Annotated[str, PlainSerializer(_link, return_type=str)]
"""A link that an answer shows as `link`: of the answer that is kept for retries, its secret part is left out."""


class MemberBrief(Answer):
    """A member, as far as it takes to greet it."""

    id: str
    role: Role
    name: str


class StoreSettings(Answer):
    """A store, with everything its owner decides."""

    id: str
    slug: str
    name: str
    currency: str
    time_zone: str
    active: bool
    guest_access: GuestAccess
    auto_approve_resellers: bool
    default_channel_id: str | None
    track_activity: bool
    activity_days: Annotated[int, Field(description="For how many days activities are kept.")]
    activity_erasure_days: Annotated[int, Field(description="How many days after consent was withdrawn they are erased.")]
    branding: Branding
    default_landing: str
    invitation_days: int
    offer_days: int
    billing_cc: BillingCc
    override_limits: OverrideLimits
    acting_needs_consent: bool
    domain: str | None
    payment_provider: PaymentProviderName
    stripe_account: str | None
    opened_at: Instant
    etag: str


class StoreBrief(Answer):
    """A store, as everybody in it may see it."""

    id: str
    slug: str
    name: str
    currency: str
    time_zone: str
    branding: Branding


class SignedIn(Answer):
    """A new session. `token` is shown this once."""

    token: Annotated[str, Field(description="Send it as `Authorization: Bearer …`.")]
    expires_at: Instant
    member: MemberBrief
    store: StoreBrief
    landing: Annotated[str, Field(description="The page the person set, or else the store's default one.")]


def store_settings(store: Store) -> StoreSettings:
    """Show a store to its owner."""
    return StoreSettings.model_validate({**store.model_dump(), "id": store.id, "etag": store.etag})


def store_brief(store: Store) -> StoreBrief:
    """Show a store to anybody in it."""
    return StoreBrief.model_validate({**store.model_dump(), "id": store.id})


def member_brief(member: Member) -> MemberBrief:
    """Show a member by name."""
    return MemberBrief(id=member.id, role=member.role, name=member.name)


class LatestInvitation(Answer):
    """Where the latest invitation of a customer, an employee or a sales rep stands."""

    id: str
    state: InvitationState
    delivery: Delivery


def latest_invitation(told: InvitationSummary | None, *, at: datetime) -> LatestInvitation | None:
    """Show where an invitation stands at an instant."""
    return LatestInvitation(id=told.id, state=told.state_at(at), delivery=told.delivery) if told else None


class SalesRepAnswer(Answer):
    """A sales rep, invited, active, or inactive: sent away for the time being or for good."""

    id: str
    name: str
    email: str
    phone: str | None
    access: Annotated[Access, Field(description="Which customers it sees: those allocated to it, or every active one.")]
    supervisor: bool
    status: RepStatus
    override_limits: Annotated[OverrideLimits | None, Field(description="Null where the store's limits hold.")]
    invitation: LatestInvitation | None
    joined_at: Instant | None
    etag: str


def sales_rep_answer(rep: Member, *, at: datetime) -> SalesRepAnswer:
    """Show a sales rep as it stands at an instant."""
    return SalesRepAnswer.of(rep, status=rep.rep_status, invitation=latest_invitation(rep.invitation, at=at))


class CustomerAnswer(Answer):
    """A customer, with its addresses and where its invitation stands."""

    id: str
    number: str
    name: str
    contact_name: str | None
    email: str | None
    company_id: str | None
    kind: CustomerKind
    active: bool
    group_id: Annotated[str | None, Field(description="Null for a reseller that the owner has put into no group.")]
    price_tier_id: str | None
    account_manager_id: str | None
    further_sales_rep_ids: tuple[str, ...]
    allows_acting: Annotated[bool, Field(description="Whether sales reps may act for its employees, where the store asks.")]
    tags: Annotated[tuple[str, ...] | None, Field(description="Shown to the store's own people.")]
    addresses: tuple[Address, ...]
    invitation: LatestInvitation | None
    reseller: ResellerSummary | None
    created_at: Instant
    etag: str


def customer_answer(customer: Customer, *, at: datetime, to_itself: bool = False) -> CustomerAnswer:
    """Show a customer as it stands at an instant, to the store's people or `to_itself`."""
    invitation = latest_invitation(customer.invitation, at=at)
    shown = customer.model_dump(exclude={"invitation", "tags"})
    shown["tags"] = None if to_itself else customer.tags
    return CustomerAnswer.model_validate({**shown, "invitation": invitation, "etag": customer.etag})


class InvitationAnswer(Answer):
    """An invitation; `link` only where a single pending one is shown."""

    id: str
    kind: InvitationKind
    email: Annotated[str | None, Field(description="Null while it goes to a company of the directory that has not accepted.")]
    name: str
    customer_id: Annotated[str | None, Field(description="Null for a sales rep.")]
    employee_id: str | None
    sales_rep_id: str | None
    state: InvitationState
    delivery: Delivery
    created_at: Instant
    created_by: Party
    sent_at: Instant | None
    expires_at: Instant
    accepted_at: Instant | None
    edits: Annotated[tuple[Edit, ...], Field(description="What the invited person corrected of what the store had entered.")]
    revoked_at: Instant | None
    link: InvitationLink | None
    etag: str


def invitation_answer(invitation: Invitation, *, at: datetime, link: str | None = None) -> InvitationAnswer:
    """Show an invitation as it stands at an instant."""
    hidden = invitation.private and invitation.state != "accepted"
    shown = {
        **invitation.model_dump(),
        "email": None if hidden else invitation.email,
        "employee_id": invitation.member_id if invitation.kind == "employee" else None,
        "sales_rep_id": invitation.member_id if invitation.kind == "sales_rep" else None,
        "state": invitation.state_at(at),
        "link": link,
        "etag": invitation.etag,
    }
    return InvitationAnswer.model_validate(shown)


class ProductAnswer(Answer):
    """A product as the owner sees it: with its price in every tier."""

    number: str
    name: str
    description: str
    prices: Mapping[str, Price]
    weight_grams: int | None
    active: bool
    created_at: Instant
    updated_at: Instant
    etag: str
