"""/v1/customers/{id}/employees: the people who buy for a customer, looked after by the store or by one of themselves."""

from typing import Annotated, ClassVar, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, ValidationError, field_validator

from tradepost.aws.links import invitation_link
from tradepost.domain.errors import NotFoundError
from tradepost.domain.ids import new_invitation_id
from tradepost.domain.invitations import (
    INVITED_BY_CUSTOMER,
    RESENT_BY_INVITER,
    RESENT_TO_ADDRESS,
    Invitation,
    invite_member,
    mail_of,
    resend,
    revoke,
)
from tradepost.domain.people import EmployeeRole, Member, NewEmployee, employee_exists, engaged
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Change, Instant, OptionalText, Text
from tradepost.http.answers import InvitationAnswer, LatestInvitation, invitation_answer, latest_invitation
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import customer_key, field_is, get_customer, require_active
from tradepost.table.invitations import add_invitation, invitation_key, put_invitation, save_invitation
from tradepost.table.limits import count_against
from tradepost.table.listing import all_of
from tradepost.table.people import (
    keep_an_administrator,
    list_employees,
    member_key,
    note_administrator,
    note_invitation,
    save_member,
    take_place_away,
)
from tradepost.table.shapes import Key
from tradepost.table.transaction import Transaction

app = make_app()

type EmployeeStatus = Literal["pending", "active"]


class EmployeeAnswer(Answer):
    """A person who buys for a customer. One who has not joined yet is pending, with or without an invitation."""

    id: str
    customer_id: str
    name: str
    email: str
    role: Annotated[EmployeeRole, Field(description="Administrators look after the customer's employees.")]
    phone: str | None
    status: EmployeeStatus
    invitation: LatestInvitation | None
    joined_at: Instant | None
    etag: str


class EmployeeChange(Change):
    """What to change of an employee; null clears the telephone number."""

    nullable: ClassVar = frozenset({"phone"})

    name: Text | None = None
    role: EmployeeRole | None = None
    phone: OptionalText | None = None
    email: Annotated[str | None, Field(description="Refused: it says who the person is.")] = None

    @field_validator("email")
    @classmethod
    def _stays(cls, _: str | None) -> str | None:
        raise ValueError("cannot be changed: it says who the person is. Add the other address, and unlink this one")


def _customer(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.path["customer_id"])]


def _named(ask: Ask) -> list[Key]:
    return [*_customer(ask), member_key(ask.path["employee_id"], ask.store)]


def _added(ask: Ask) -> list[Key]:
    try:
        new = NewEmployee.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [*_customer(ask), member_key(new.place(ask.store, ask.path["customer_id"]), ask.store)]


@app.get("/v1/customers/<customer_id>/employees", allow=Permission.MANAGE_EMPLOYEES, reads=_customer)
def list_employees_of_customer(
    customer_id: str,
    caller: Caller,
    status: Annotated[EmployeeStatus | None, Query()] = None,
    role: Annotated[EmployeeRole | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EmployeeAnswer]:
    """List a customer's employees by name. A filtered page may hold fewer than `limit` and still have a next one."""
    store_id = caller.store.id
    get_customer(caller.reader, caller.scope, customer_id)
    bound = ("employees", store_id, customer_id, status, role)
    where = all_of([field_is("status", status) if status else None, field_is("employee_role", role) if role else None])
    rows = list_employees(store_id, customer_id, limit=limit, after=read_cursor(cursor, *bound), where=where)
    items = [_answer(row.load(Member), caller) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/customers/<customer_id>/employees/<employee_id>", allow=Permission.MANAGE_EMPLOYEES, reads=_named)
def show_employee(customer_id: str, employee_id: str, caller: Caller) -> EmployeeAnswer:
    """Show one employee."""
    return _answer(_found(customer_id, employee_id, caller), caller)


@app.post("/v1/customers/<customer_id>/employees", allow=Permission.MANAGE_EMPLOYEES, status=201, reads=_added)
def add_employee(customer_id: str, new: NewEmployee, caller: Caller) -> EmployeeAnswer:
    """Add an employee, invited by mail if wanted. Whoever has an account already joins with it."""
    store_id = caller.store.id
    customer = get_customer(caller.reader, caller.scope, customer_id)
    before = caller.reader.find(member_key(new.place(store_id, customer.id), store_id), Member)
    employee = engaged(new, before, store_id=store_id, customer_id=customer.id)
    tx = caller.transaction()
    require_active(tx, store_id, customer.id)
    _settle(tx, before, caller)
    if new.send_invitation:
        invitation = _invitation(employee, caller)
        put_invitation(tx, invitation)
        employee = employee.model_copy(update={"invitation": invitation.summary})
        _mail(tx, invitation, caller, once_more=before is not None)
    employee = save_member(tx, employee, otherwise=employee_exists())
    if before:
        note_invitation(tx, employee)
    tx.audit("employee:added", employee.id, customer_id=customer.id, role=new.role, invited=new.send_invitation)
    return tx.commit_answering(_answer(employee, caller))


@app.post("/v1/customers/<customer_id>/employees/<employee_id>/invitation", allow=Permission.MANAGE_EMPLOYEES, reads=_named)
def invite_employee_of_customer(customer_id: str, employee_id: str, caller: Caller) -> InvitationAnswer:
    """Mail an employee who has not joined yet an invitation; one that is pending is sent once more."""
    employee = _found(customer_id, employee_id, caller)
    told = employee.invitation
    tx = caller.transaction()
    require_active(tx, caller.store.id, customer_id)
    if told and told.state == "pending" and employee.status == "pending":
        before = caller.reader.get(invitation_key(caller.store.id, told.id), Invitation)
        resent = resend(before, at=caller.at, lifetime=caller.store.invitation_lifetime).model_copy(
            update={"name": employee.name}
        )
        invitation = save_invitation(tx, resent, before=before)
    else:
        invitation = add_invitation(tx, _invitation(employee, caller), replacing=told.id if told else None)
    _mail(tx, invitation, caller, once_more=told is not None)
    tx.audit("employee:invited", employee.id, customer_id=customer_id, invitation_id=invitation.id)
    # Whoever holds the link may set up the account of the address: it is for the store and for the mailbox alone.
    link = None if caller.customer_id else invitation_link(invitation)
    return tx.commit_answering(invitation_answer(invitation, at=caller.at, link=link))


@app.patch("/v1/customers/<customer_id>/employees/<employee_id>", allow=Permission.MANAGE_EMPLOYEES, reads=_named)
def update_employee(customer_id: str, employee_id: str, change: EmployeeChange, caller: Caller) -> EmployeeAnswer:
    """Change an employee. The customer keeps at least one administrator who has joined."""
    before = caller.match(_found(customer_id, employee_id, caller))
    fields = {"employee_role" if name == "role" else name: value for name, value in change.given.items()}
    tx = caller.transaction()
    employee = save_member(tx, before.model_copy(update=fields))
    if before.is_administrator and not employee.is_administrator:
        keep_an_administrator(tx, before)
    if before.is_administrator != employee.is_administrator:
        note_administrator(tx, employee)
    tx.audit("employee:updated", employee.id, customer_id=customer_id, fields=sorted(change.given))
    return tx.commit_answering(_answer(employee, caller))


@app.delete("/v1/customers/<customer_id>/employees/<employee_id>", allow=Permission.MANAGE_EMPLOYEES, reads=_named)
def unlink_employee(customer_id: str, employee_id: str, caller: Caller) -> None:
    """End an employee's access, sessions and links at once. The account, and its places elsewhere, stay as they are."""
    employee = caller.match(_found(customer_id, employee_id, caller))
    tx = caller.transaction()
    if employee.is_administrator:
        keep_an_administrator(tx, employee)
    take_place_away(tx, employee.id, version=employee.version)
    if employee.invitation and employee.invitation.state != "revoked":
        before = caller.reader.get(invitation_key(caller.store.id, employee.invitation.id), Invitation)
        save_invitation(tx, revoke(before, at=caller.at), before=before)
    tx.audit("employee:unlinked", employee.id, customer_id=customer_id)
    tx.commit()


def _found(customer_id: str, employee_id: str, caller: Caller) -> Member:
    """Return a present employee of a customer within the caller's scope. Raises `NotFoundError`."""
    get_customer(caller.reader, caller.scope, customer_id)
    employee = caller.reader.find(member_key(employee_id, caller.store.id), Member)
    if employee is None or employee.customer_id != customer_id or employee.status == "revoked":
        raise NotFoundError("employee")
    return employee


def _invitation(employee: Member, caller: Caller) -> Invitation:
    invitation_id = new_invitation_id(caller.store.id)
    return invite_member(
        employee, invitation_id=invitation_id, by=caller.party, at=caller.at, lifetime=caller.store.invitation_lifetime
    )


def _mail(tx: Transaction, invitation: Invitation, caller: Caller, *, once_more: bool) -> None:
    """Announce an invitation's mail, within what one address, one inviter and one customer may cause."""
    if once_more:
        count_against(tx, caller.store.id, RESENT_TO_ADDRESS, invitation.recipient)
        count_against(tx, caller.store.id, RESENT_BY_INVITER, caller.member.id)
    elif caller.customer_id:
        count_against(tx, caller.store.id, INVITED_BY_CUSTOMER, caller.customer_id)
    tx.announce(mail_of(invitation))


def _answer(employee: Member, caller: Caller) -> EmployeeAnswer:
    invitation = latest_invitation(employee.invitation, at=caller.at)
    return EmployeeAnswer.of(employee, role=employee.employee_role, invitation=invitation)


def _settle(tx: Transaction, before: Member | None, caller: Caller) -> None:
    """Revoke the invitation of an earlier time, so that no news of it is taken for news of a later one."""
    told = before.invitation if before else None
    if told and told.state != "revoked":
        put_invitation(tx, revoke(caller.reader.get(invitation_key(caller.store.id, told.id), Invitation), at=caller.at))


handler = app.handler
