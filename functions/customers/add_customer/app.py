"""POST /v1/customers: add a customer, by its address or by name from the directory, and invite it in the same breath."""

import secrets
from typing import Annotated

from pydantic import Field, StrictBool, ValidationError

from tradepost.domain.allocation import Allocation, FurtherSalesReps, allocated
from tradepost.domain.companies import INVITED_BY_NAME, Company
from tradepost.domain.customers import MAX_ADDRESSES, Customer, CustomerKind, NewAddress, listed
from tradepost.domain.errors import Fault, ForbiddenError, InvalidError
from tradepost.domain.ids import new_id, new_invitation_id, readable_number
from tradepost.domain.invitations import invite, mail_of
from tradepost.domain.people import Member
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Blankable, Email, Reference, Text, Value
from tradepost.http.answers import CustomerAnswer, customer_answer
from tradepost.http.app import Ask, Caller, make_app
from tradepost.table.companies import company_key
from tradepost.table.customers import save_customer
from tradepost.table.invitations import put_invitation
from tradepost.table.limits import count_against
from tradepost.table.people import member_key
from tradepost.table.shapes import Key

app = make_app()


class NewCustomer(Value):
    """A customer as it is added: with a name of its own, or by the id of a suggested company, whose name serves then.

    A company of the directory is invited unless `send_invitation` is false, since it has no other way in; its contact's
    address stays unknown until it accepts. Everybody else is invited if `send_invitation` is true, which takes an address.
    Whom a sales rep adds, it looks after itself.
    """

    company_id: Reference | None = None
    name: Text | None = None
    contact_name: Blankable = None
    email: Email | None = None
    group_id: Reference
    price_tier_id: Reference | None = None
    addresses: Annotated[list[NewAddress], Field(max_length=MAX_ADDRESSES)] = Field(default_factory=list)
    kind: CustomerKind = "b2b"
    account_manager_id: Reference | None = None
    further_sales_rep_ids: FurtherSalesReps = ()
    send_invitation: StrictBool | None = None

    @property
    def allocation(self) -> Allocation:
        """Who is to look after the customer."""
        return Allocation(account_manager_id=self.account_manager_id, further_sales_rep_ids=self.further_sales_rep_ids)

    @property
    def is_invited(self) -> bool:
        """Whether the customer is to be invited."""
        return bool(self.company_id) if self.send_invitation is None else self.send_invitation


def _named(ask: Ask) -> list[Key]:
    try:
        new = NewCustomer.model_validate_json(ask.body)
    except ValidationError:
        return []
    companies = [company_key(new.company_id)] if new.company_id else []
    return [*companies, *(member_key(rep_id, ask.store) for rep_id in new.allocation.sales_rep_ids)]


@app.post("/v1/customers", allow=Permission.ADD_CUSTOMERS, status=201, reads=_named)
def add_customer(new: NewCustomer, caller: Caller) -> CustomerAnswer:
    """Add a customer to a group. Its e-mail address is unique in the store, in any letter case, and so is its company.

    With `company_id` it is a company of the directory: that gives its name unless there is one, and its contact is mailed.
    """
    company = _found(new, caller)
    customer = Customer(
        **new.model_dump(exclude={"name", "addresses", "send_invitation", "account_manager_id", "further_sales_rep_ids"}),
        id=new_id(),
        store_id=caller.store.id,
        number=readable_number("C", secrets.token_bytes(8)),
        name=new.name or (company.name if company else ""),
        addresses=listed(new.addresses, (), iter(new_id, None)),
        created_at=caller.at,
    )
    customer = _entrusted(customer, new.allocation, caller)
    tx = caller.transaction()
    if new.is_invited:
        invitation = invite(
            customer,
            invitation_id=new_invitation_id(caller.store.id),
            by=caller.party,
            at=caller.at,
            lifetime=caller.store.invitation_lifetime,
            hidden_email=company.email if company else None,
        )
        customer = customer.model_copy(update={"invitation": invitation.summary})
        put_invitation(tx, invitation)
        tx.announce(mail_of(invitation))
    if new.is_invited and company:
        count_against(tx, caller.store.id, INVITED_BY_NAME, caller.store.id)
    customer = save_customer(tx, customer)
    tx.audit("customer:added", customer.id, name=customer.name, invited=new.is_invited)
    return tx.commit_answering(customer_answer(customer, at=caller.at))


def _entrusted(customer: Customer, wanted: Allocation, caller: Caller) -> Customer:
    """Let those look after a new customer whom the owner picks, or the sales rep who adds it. Raises `ForbiddenError`."""
    if caller.is_rep:
        own = Allocation(account_manager_id=caller.member.id)
        if not (wanted.is_as(own) or wanted.is_as(Allocation())):
            raise ForbiddenError("field_not_yours", "The owner picks who looks after a customer; whom you add is yours.")
        wanted = own
    store_id = caller.store.id

    def find(rep_id: str) -> Member | None:
        return caller.reader.find(member_key(rep_id, store_id), Member)

    return allocated(customer, wanted, find, manager_field="/account_manager_id")


def _found(new: NewCustomer, caller: Caller) -> Company | None:
    """Return the company of the directory that is added, None for one that has a name of its own. Raises `InvalidError`."""
    if new.company_id is None:
        if new.name is None:
            raise InvalidError(Fault("/name", "is required"))
        if new.is_invited and new.email is None:
            raise InvalidError(Fault("/email", "is needed to send an invitation"), code="email_required")
        return None
    if new.email is not None:
        raise InvalidError(Fault("/email", "is not given for a company of the directory, whose contact is invited"))
    company = caller.reader.find(company_key(new.company_id), Company)
    if company is None:
        raise InvalidError(Fault("/company_id", "is not a company of the directory"), code="unknown_company")
    return company


handler = app.handler
