"""PATCH /v1/customers/{id}: change a customer; sales reps and buyers may change some of what the owner may."""

from functools import partial
from typing import Annotated, Final

from pydantic import Field, StrictBool

from tradepost.domain.customers import MAX_ADDRESSES, Customer, CustomerKind, NewAddress, Tags, listed
from tradepost.domain.errors import ConflictError, Fault, ForbiddenError, InvalidError
from tradepost.domain.ids import new_id, person_key
from tradepost.domain.invitations import Invitation, readdress
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Blankable, Email, Reference, Text, Value
from tradepost.http.answers import CustomerAnswer, customer_answer
from tradepost.http.app import Ask, Caller, make_app
from tradepost.table.customers import customer_key, get_customer, save_customer
from tradepost.table.invitations import invitation_key, save_invitation
from tradepost.table.shapes import Key
from tradepost.table.transaction import Transaction

app = make_app()

BUYERS_FIELDS: Final = frozenset({"name", "contact_name", "addresses"})
ADMINISTRATORS_FIELDS: Final = BUYERS_FIELDS | {"allows_acting"}
SALES_REPS_FIELDS: Final = BUYERS_FIELDS | {"email", "group_id"}
OWNERS_FIELDS: Final = SALES_REPS_FIELDS | {"price_tier_id", "kind", "active", "tags"}
NEVER_NULL: Final = frozenset({"name", "group_id", "addresses", "kind", "active", "allows_acting", "tags"})


class CustomerChange(Value):
    """What to change; a field that is not sent stays. `addresses` replaces the list; those sent with an id keep it.

    `allows_acting` is the customer's consent to being acted for, which its own administrators give.
    `tags` are the owner's own words for it, which rules can ask about; the customer itself never sees them.
    """

    name: Text | None = None
    contact_name: Blankable = None
    email: Email | None = None
    group_id: Reference | None = None
    price_tier_id: Reference | None = None
    addresses: Annotated[list[NewAddress], Field(max_length=MAX_ADDRESSES)] | None = None
    kind: CustomerKind | None = None
    active: StrictBool | None = None
    allows_acting: StrictBool | None = None
    tags: Tags | None = None


def _named(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.path["customer_id"])]


@app.patch("/v1/customers/<customer_id>", allow=Permission.UPDATE_CUSTOMER, reads=_named)
def update_customer(customer_id: str, change: CustomerChange, caller: Caller) -> CustomerAnswer:
    """Change a customer. A changed e-mail address kills the links sent to the old one; resend the invitation."""
    return caller.decided(partial(_updated, customer_id, change, caller))


def _updated(customer_id: str, change: CustomerChange, caller: Caller) -> CustomerAnswer:
    before = caller.match(get_customer(caller.reader, caller.scope, customer_id))
    sent = change.model_fields_set
    others = sent - _fields_of(caller)
    if others:
        raise ForbiddenError("field_not_yours", f"This is not yours to change: {', '.join(sorted(others))}.")
    # A reseller need not be in any group.
    never_null = NEVER_NULL - {"group_id"} if before.reseller else NEVER_NULL
    nulls = [Fault(f"/{name}", "must not be null") for name in sorted(sent & never_null) if getattr(change, name) is None]
    if nulls:
        raise InvalidError(*nulls)
    fields = {name: getattr(change, name) for name in sent - {"addresses"}}
    if change.addresses is not None:
        fields["addresses"] = listed(change.addresses, before.addresses, iter(new_id, None))
    if before.email is None and change.email and not (before.invitation and before.invitation.state == "accepted"):
        # Whoever the store names now is not the contact that the directory knows the company by.
        fields["company_id"] = None
    tx = caller.transaction()
    customer = _follow_address(tx, before, before.model_copy(update=fields), caller)
    customer = save_customer(tx, customer, before=before)
    tx.audit("customer:updated", customer.id, fields=sorted(sent))
    return tx.commit_answering(customer_answer(customer, at=caller.at, to_itself=caller.customer_id is not None))


def _fields_of(caller: Caller) -> frozenset[str]:
    """Return what the caller may change."""
    if caller.customer_id is None:
        return OWNERS_FIELDS if caller.is_owner else SALES_REPS_FIELDS
    return ADMINISTRATORS_FIELDS if caller.member.is_administrator and not caller.acting else BUYERS_FIELDS


def _follow_address(tx: Transaction, before: Customer, customer: Customer, caller: Caller) -> Customer:
    """Kill the links that went to the old address. Reads the invitation only if there is one to be killed."""
    told = before.invitation
    if told and told.state == "accepted" and before.email and customer.email is None:
        raise ConflictError("invitation_accepted", "Revoke the invitation before you remove the address.")
    same = before.email and customer.email and person_key(before.email) == person_key(customer.email)
    if told is None or told.state != "pending" or same or before.email == customer.email:
        return customer
    pending = caller.reader.get(invitation_key(before.store_id, told.id), Invitation)
    moved = save_invitation(tx, readdress(pending, customer.email), before=pending)
    return customer.model_copy(update={"invitation": moved.summary})


handler = app.handler
