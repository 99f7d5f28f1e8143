"""POST /v1/invitations: invite selected customers, one or a thousand, by mail or with links to hand out."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import batched
from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool, ValidationError

from tradepost.aws.links import invitation_link
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.ids import new_invitation_id
from tradepost.domain.invitations import MAX_INVITED, Invitation, SkipReason, invite, mail_of, reason_to_skip, resend
from tradepost.domain.people import Permission
from tradepost.domain.values import Value
from tradepost.http.answers import InvitationLink
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.table.customers import customer_key
from tradepost.table.invitations import invitation_key, save_invitation
from tradepost.table.shapes import Key
from tradepost.table.transaction import Transaction

app = make_app()

# Three actions a row (invitation, customer, message) and two for all: 100 actions hold 30 rows with room to spare.
ROWS_A_TRANSACTION: Final = 30

type Invitee = tuple[Customer, Invitation]


class InvitationOrder(Value):
    """Whom to invite, and how: `email` sends the mails, `links` only answers with the links. A dry run changes nothing."""

    customer_ids: Annotated[list[Annotated[str, Field(max_length=60)]], Field(min_length=1, max_length=MAX_INVITED)]
    delivery: Literal["email", "links"] = "email"
    dry_run: StrictBool = False


class InvitationResult(Answer):
    """What became of one customer."""

    customer_id: str
    status: Literal["invited", "skipped"]
    reason: SkipReason | None = None
    invitation_id: str | None = None
    link: InvitationLink | None = None


class InvitationResults(Answer):
    """What became of each customer, in the order they were named."""

    results: list[InvitationResult]
    invited: int
    skipped: int


def _customers(ask: Ask) -> list[Key]:
    try:
        order = InvitationOrder.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [customer_key(ask.store, customer_id) for customer_id in order.customer_ids]


@app.post("/v1/invitations", allow=Permission.INVITE, reads=_customers)
def send_invitations(order: InvitationOrder, caller: Caller) -> InvitationResults:
    """Invite customers. A row that cannot be invited says why and stops no other; sent again, nothing is added."""
    results = {customer_id: _skipped(customer_id, "not_found") for customer_id in order.customer_ids}
    invitees = list(_prepared(order, caller, results))
    if order.dry_run:
        results |= {customer.id: InvitationResult(customer_id=customer.id, status="invited") for customer, _ in invitees}
        return _summary(order, results)
    *most, last = list(batched(invitees, ROWS_A_TRANSACTION, strict=False)) or [()]
    for rows in most:
        results |= _invite(rows, order, caller)
    tx = caller.transaction()
    answer = _summary(order, results | _added(tx, last, order))
    try:
        return tx.commit_answering(answer)
    except (ConflictError, StaleError):
        for row in last:
            results |= _invite([row], order, caller)
        return caller.transaction().commit_answering(_summary(order, results))


def _prepared(order: InvitationOrder, caller: Caller, results: dict[str, InvitationResult]) -> Iterator[Invitee]:
    """Decide on every row; an invitation that has expired is sent again, so that its old link lives again too."""
    read, store = caller.reader, caller.store
    lifetime = timedelta(days=store.invitation_days)
    keys = [customer_key(store.id, customer_id) for customer_id in dict.fromkeys(order.customer_ids)]
    customers = [customer for key in keys if (customer := read.find(key, Customer))]
    told = [customer.invitation for customer in customers if customer.invitation]
    read.fetch(invitation_key(store.id, each.id) for each in told if each.state_at(caller.at) == "expired")
    for customer in customers:
        reason = reason_to_skip(customer, at=caller.at)
        if reason:
            results[customer.id] = _skipped(customer.id, reason)
        elif customer.invitation and customer.invitation.state == "pending":
            expired = read.get(invitation_key(store.id, customer.invitation.id), Invitation)
            yield customer, resend(expired, at=caller.at, lifetime=lifetime)
        else:
            new = new_invitation_id(store.id)
            yield customer, invite(customer, invitation_id=new, by=caller.party, at=caller.at, lifetime=lifetime)


def _invite(rows: Sequence[Invitee], order: InvitationOrder, caller: Caller) -> dict[str, InvitationResult]:
    """Invite some rows in one transaction; if one of them was being changed by others, each by itself."""
    tx = caller.transaction()
    results = _added(tx, rows, order)
    try:
        tx.commit()
    except (ConflictError, StaleError):
        if len(rows) == 1:
            return {customer.id: _skipped(customer.id, "conflict") for customer, _ in rows}
        return {customer_id: result for row in rows for customer_id, result in _invite([row], order, caller).items()}
    return results


def _added(tx: Transaction, rows: Sequence[Invitee], order: InvitationOrder) -> dict[str, InvitationResult]:
    """Add the invitations and mails of some rows to a transaction; returns what becomes of them if it succeeds."""
    results = {}
    for customer, prepared in rows:
        by_mail = order.delivery == "email"
        invitation = prepared if by_mail else prepared.model_copy(update={"delivery": "none"})
        save_invitation(tx, invitation, replacing=customer.invitation.id if customer.invitation else None)
        if by_mail:
            tx.announce(mail_of(invitation))
        link = None if by_mail else invitation_link(invitation)
        result = InvitationResult(customer_id=customer.id, status="invited", invitation_id=invitation.id, link=link)
        results[customer.id] = result
    if results:
        invited = [result.invitation_id for result in results.values()]
        tx.audit("invitations:sent", rows[0][0].store_id, invitations=invited, delivery=order.delivery)
    return results


def _skipped(customer_id: str, reason: SkipReason) -> InvitationResult:
    return InvitationResult(customer_id=customer_id, status="skipped", reason=reason)


def _summary(order: InvitationOrder, results: dict[str, InvitationResult]) -> InvitationResults:
    rows = [results[customer_id] for customer_id in dict.fromkeys(order.customer_ids)]
    invited = sum(row.status == "invited" for row in rows)
    return InvitationResults(results=rows, invited=invited, skipped=len(rows) - invited)


handler = app.handler
