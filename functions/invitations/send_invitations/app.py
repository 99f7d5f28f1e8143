"""POST /v1/invitations: invite selected customers, one or a thousand, by mail or with links to hand out."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, StrictBool, ValidationError

from tradepost.aws.links import link_to_share
from tradepost.domain.companies import INVITED_BY_NAME, Company
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, DomainError, ThrottledError
from tradepost.domain.ids import new_invitation_id
from tradepost.domain.invitations import (
    MAX_INVITED,
    Invitation,
    SkipReason,
    invite,
    mail_of,
    reason_to_skip,
    resend,
)
from tradepost.domain.permissions import Permission
from tradepost.domain.spreadsheets import Cell, csv_of
from tradepost.domain.values import Instant, Value
from tradepost.http.answers import InvitationLink
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.table.bulk import Bulk, Decided
from tradepost.table.companies import company_key
from tradepost.table.customers import customer_key, find_customers
from tradepost.table.invitations import add_invitation, invitation_key, save_invitation
from tradepost.table.limits import count_against
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.transaction import Transaction

app = make_app()

# The invitation, the customer and the message.
ACTIONS_A_ROW: Final = 3
COLUMNS: Final = ("customer_id", "customer", "email", "link", "expires_at")


class InvitationOrder(Value):
    """Whom to invite, and how: `email` sends the mails, `links` only answers with the links. A dry run changes nothing."""

    customer_ids: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=MAX_INVITED)]
    delivery: Literal["email", "links"] = "email"
    dry_run: StrictBool = False


class InvitationResult(Answer):
    """What became of one customer. One that was invited before keeps its link, which is handed out again."""

    customer_id: str
    status: Literal["invited", "skipped"]
    reason: SkipReason | None = None
    invitation_id: str | None = None
    link: InvitationLink | None = None
    expires_at: Instant | None = None


class InvitationResults(Answer):
    """What became of each customer, in the order they were named."""

    delivery: Literal["email", "links"]
    dry_run: bool
    results: list[InvitationResult]
    invited: int
    skipped: int


class Invitee(NamedTuple):
    """A customer that is about to be invited; `before` is the invitation it has, which has expired or was never mailed."""

    customer: Customer
    before: Invitation | None
    invitation: Invitation

    @property
    def is_by_name(self) -> bool:
        """Whether a company of the directory is about to be mailed for the first time: so many a day, and each by itself."""
        return self.invitation.private and self.before is None


def _customers(ask: Ask) -> list[Key]:
    try:
        order = InvitationOrder.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [customer_key(ask.store, customer_id) for customer_id in order.customer_ids]


def _links(answer: Mapping[str, Any], caller: CallerInfo) -> str | None:
    """Write the links as CSV; None if none were asked for. The customers have been read with the caller."""
    if answer["delivery"] != "links":
        return None
    rows: list[Sequence[Cell]] = []
    for result in answer["results"]:
        if result.get("link"):
            customer = caller.reader.get(customer_key(caller.store.id, result["customer_id"]), Customer)
            rows.append((customer.id, customer.name, customer.email, result["link"], result["expires_at"]))
    return csv_of(COLUMNS, rows)


@app.post("/v1/invitations", allow=Permission.INVITE, reads=_customers, csv=_links)
def send_invitations(order: InvitationOrder, caller: Caller) -> InvitationResults:
    """Invite customers. A row that cannot be invited says why and stops no other; sent again, nothing is added.

    With `Accept: text/csv`, links come as `customer_id,customer,email,link,expires_at`, a row for each customer that has one.
    """
    ids = list(dict.fromkeys(order.customer_ids))
    bulk = Bulk(
        begin=caller.transaction,
        decide=partial(_decided, order=order, caller=caller),
        cost=lambda _: ACTIONS_A_ROW,
        add=partial(_added, order=order, store_id=caller.store.id),
        refused=partial(_refused, order=order),
    )
    due, results = bulk.decide(ids, caller.reader)
    if order.dry_run:
        would = {id_: InvitationResult(customer_id=id_, status="invited") for id_ in due}
        return _summary(ids, order, results | would)
    results |= bulk.one_by_one(id_ for id_, invitee in due.items() if invitee.is_by_name)
    together = {id_: invitee for id_, invitee in due.items() if not invitee.is_by_name}
    return bulk.carry_out(together, lambda added: _summary(ids, order, {**results, **added}))


def _decided(ids: Iterable[str], read: Reader, *, order: InvitationOrder, caller: Caller) -> Decided[Invitee, InvitationResult]:
    """Decide on every row. Invitations there are already are read where they are sent again, or their links handed out."""
    store, by_mail = caller.store, order.delivery == "email"
    ids = list(ids)
    customers = find_customers(read, caller.scope, ids)
    told = [customer.invitation for customer in customers.values() if customer.invitation]
    pending = [summary for summary in told if summary.state == "pending"]
    wanted = {
        summary.id
        for summary in pending
        if not by_mail or summary.delivery == "none" or summary.state_at(caller.at) == "expired"
    }
    by_name = {customer.company_id for customer in customers.values() if customer.email is None and by_mail}
    companies = [company_key(company_id) for company_id in by_name if company_id]
    read.fetch([*(invitation_key(store.id, invitation_id) for invitation_id in wanted), *companies])
    due: dict[str, Invitee] = {}
    results: dict[str, InvitationResult] = {}
    for id_ in ids:
        customer = customers.get(id_)
        reason = reason_to_skip(customer, at=caller.at, by_mail=by_mail)
        told_id = customer.invitation.id if customer and customer.invitation else ""
        before = read.get(invitation_key(store.id, told_id), Invitation) if told_id in wanted else None
        if customer is None or reason:
            shown = before if reason == "already_invited" else None
            found: Invitee | InvitationResult = _result(id_, shown, order, reason=reason)
        elif before:
            found = _sent_again(customer, before, order, caller)
        else:
            found = _newly_invited(customer, order, caller, read)
        if isinstance(found, Invitee):
            due[id_] = found
        else:
            results[id_] = found
    return Decided(due, results)


def _newly_invited(customer: Customer, order: InvitationOrder, caller: Caller, read: Reader) -> Invitee | InvitationResult:
    """Invite a customer for the first time, or anew: at its own address, or at the one that only the directory knows."""
    company = None if customer.email else read.find(company_key(customer.company_id or ""), Company)
    if customer.email is None and company is None:
        return _result(customer.id, None, order, reason="no_email")
    offer = invite(
        customer,
        invitation_id=new_invitation_id(caller.store.id),
        by=caller.party,
        at=caller.at,
        lifetime=caller.store.invitation_lifetime,
        by_mail=order.delivery == "email",
        hidden_email=company.email if company else None,
    )
    return Invitee(customer, None, offer)


def _sent_again(customer: Customer, before: Invitation, order: InvitationOrder, caller: Caller) -> Invitee | InvitationResult:
    """Send an invitation there is already, unless it has become something else since its customer was read."""
    lifetime, by_mail = caller.store.invitation_lifetime, order.delivery == "email"
    try:
        return Invitee(customer, before, resend(before, at=caller.at, lifetime=lifetime, by_mail=by_mail))
    except ConflictError as refusal:
        reason: SkipReason = "address_suppressed" if refusal.code == "address_suppressed" else "conflict"
        return _result(customer.id, None, order, reason=reason)


def _added(
    tx: Transaction, rows: Mapping[str, Invitee], *, order: InvitationOrder, store_id: str
) -> dict[str, InvitationResult]:
    """Add the invitations and mails of some rows to a transaction; returns what becomes of them if it succeeds."""
    results = {}
    for customer_id, row in rows.items():
        customer, before, invitation = row
        if row.is_by_name:
            count_against(tx, store_id, INVITED_BY_NAME, store_id)
        if before:
            save_invitation(tx, invitation, before=before)
        else:
            add_invitation(tx, invitation, replacing=customer.invitation.id if customer.invitation else None)
        if order.delivery == "email":
            tx.announce(mail_of(invitation))
        results[customer_id] = _result(customer_id, invitation, order)
    if results:
        invited = [result.invitation_id for result in results.values()]
        tx.audit("invitations:sent", store_id, invitations=invited, delivery=order.delivery)
    return results


def _refused(customer_id: str, refusal: DomainError, *, order: InvitationOrder) -> InvitationResult:
    reason: SkipReason = "too_many_companies" if isinstance(refusal, ThrottledError) else "conflict"
    return _result(customer_id, None, order, reason=reason)


def _result(
    customer_id: str, invitation: Invitation | None, order: InvitationOrder, *, reason: SkipReason | None = None
) -> InvitationResult:
    status: Literal["invited", "skipped"] = "skipped" if reason else "invited"
    if invitation is None:
        return InvitationResult(customer_id=customer_id, status=status, reason=reason)
    link = link_to_share(invitation) if order.delivery == "links" else None
    return InvitationResult(
        customer_id=customer_id,
        status=status,
        reason=reason,
        invitation_id=invitation.id,
        link=link,
        expires_at=invitation.expires_at,
    )


def _summary(ids: Iterable[str], order: InvitationOrder, results: Mapping[str, InvitationResult]) -> InvitationResults:
    rows = [results[id_] for id_ in ids]
    invited = sum(row.status == "invited" for row in rows)
    return InvitationResults(
        delivery=order.delivery, dry_run=order.dry_run, results=rows, invited=invited, skipped=len(rows) - invited
    )


handler = app.handler
