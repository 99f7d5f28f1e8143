"""/v1/customer-groups: customers that see the same prices."""

from tradepost.domain.ids import new_id
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import CustomerGroup
from tradepost.domain.values import Change, Instant, Reference, Text, Value
from tradepost.http.app import Answer, Caller, Cursor, Limit, Page, make_app
from tradepost.http.store_lists import decided_on, found, named_by, page_of
from tradepost.table.stores import remove_group, save_group

app = make_app()
_named = named_by("customer_group_id", CustomerGroup)


class NewCustomerGroup(Value):
    """A customer group as it is created."""

    name: Text
    price_tier_id: Reference


class CustomerGroupChange(Change):
    """What to change of a customer group; a field that is not sent stays."""

    name: Text | None = None
    price_tier_id: Reference | None = None


class CustomerGroupAnswer(Answer):
    """A customer group."""

    id: str
    name: str
    price_tier_id: str
    created_at: Instant
    etag: str


@app.get("/v1/customer-groups", allow=Permission.READ_STORE_LISTS)
def list_customer_groups(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[CustomerGroupAnswer]:
    """List the customer groups, oldest first."""
    return page_of(CustomerGroup, CustomerGroupAnswer, caller, limit, cursor)


@app.post("/v1/customer-groups", allow=Permission.MANAGE_STORE, status=201)
def create_customer_group(new: NewCustomerGroup, caller: Caller) -> CustomerGroupAnswer:
    """Create a customer group; a store has a hundred at most."""
    tx = caller.transaction()
    group = save_group(tx, caller.store.id, CustomerGroup(id=new_id(), created_at=caller.at, **dict(new)))
    tx.audit("customer_group:created", group.id, name=group.name)
    return tx.commit_answering(CustomerGroupAnswer.of(group))


@app.get("/v1/customer-groups/<customer_group_id>", allow=Permission.READ_STORE_LISTS, reads=_named)
def show_customer_group(customer_group_id: str, caller: Caller) -> CustomerGroupAnswer:
    """Show one customer group."""
    return CustomerGroupAnswer.of(found(CustomerGroup, customer_group_id, caller))


@app.patch("/v1/customer-groups/<customer_group_id>", allow=Permission.MANAGE_STORE, reads=_named)
def update_customer_group(customer_group_id: str, change: CustomerGroupChange, caller: Caller) -> CustomerGroupAnswer:
    """Rename a customer group, or give its customers the prices of another tier from now on."""
    before = decided_on(CustomerGroup, customer_group_id, caller)
    tx = caller.transaction()
    group = save_group(tx, caller.store.id, before.model_copy(update=change.given), before=before)
    tx.audit("customer_group:updated", group.id, fields=sorted(change.given))
    return tx.commit_answering(CustomerGroupAnswer.of(group))


@app.delete("/v1/customer-groups/<customer_group_id>", allow=Permission.MANAGE_STORE, reads=_named)
def delete_customer_group(customer_group_id: str, caller: Caller) -> None:
    """Delete a customer group that no customer is in."""
    group = decided_on(CustomerGroup, customer_group_id, caller)
    tx = caller.transaction()
    remove_group(tx, caller.store.id, group)
    tx.audit("customer_group:deleted", group.id, name=group.name)
    tx.commit()


handler = app.handler
