"""POST /v1/customers: add a customer, and invite it in the same breath if wanted."""

import secrets
from datetime import timedelta
from typing import Annotated

from pydantic import Field, StrictBool

from tradepost.domain.customers import MAX_ADDRESSES, Customer, CustomerKind, NewAddress, listed
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.ids import new_id, new_invitation_id, readable_number
from tradepost.domain.invitations import invite, mail_of
from tradepost.domain.people import Permission
from tradepost.domain.values import Email, Reference, Text, Value
from tradepost.http.answers import CustomerAnswer, customer_answer
from tradepost.http.app import Caller, make_app
from tradepost.table.customers import save_customer
from tradepost.table.invitations import put_invitation

app = make_app()


class NewCustomer(Value):
    """A customer as it is added. With `send_invitation` its e-mail address is required."""

    name: Text
    email: Email | None = None
    group_id: Reference
    price_tier_id: Reference | None = None
    addresses: Annotated[list[NewAddress], Field(max_length=MAX_ADDRESSES)] = Field(default_factory=list)
    kind: CustomerKind = "b2b"
    send_invitation: StrictBool = False


@app.post("/v1/customers", allow=Permission.ADD_CUSTOMERS, status=201)
def add_customer(new: NewCustomer, caller: Caller) -> CustomerAnswer:
    """Add a customer to a group. Its e-mail address is unique in the store, in any letter case."""
    if new.send_invitation and new.email is None:
        raise InvalidError(Fault("/email", "is needed to send an invitation"), code="email_required")
    customer = Customer(
        **new.model_dump(exclude={"addresses", "send_invitation"}),
        id=new_id(),
        store_id=caller.store.id,
        number=readable_number("C", secrets.token_bytes(8)),
        addresses=listed(new.addresses, (), iter(new_id, None)),
        created_at=caller.at,
    )
    tx = caller.transaction()
    if new.send_invitation:
        lifetime = timedelta(days=caller.store.invitation_days)
        invitation_id = new_invitation_id(caller.store.id)
        invitation = invite(customer, invitation_id=invitation_id, by=caller.party, at=caller.at, lifetime=lifetime)
        customer = customer.model_copy(update={"invitation": invitation.summary})
        put_invitation(tx, invitation)
        tx.announce(mail_of(invitation))
    customer = save_customer(tx, customer)
    tx.audit("customer:added", customer.id, name=customer.name, invited=new.send_invitation)
    return tx.commit_answering(customer_answer(customer, at=caller.at))


handler = app.handler
