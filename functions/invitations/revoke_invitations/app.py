"""POST /v1/invitations/{id}/revoke and /v1/invitations/revoke: withdraw offers, and the access that was gained by them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tradepost.domain.customers import Customer
from tradepost.domain.invitations import MAX_INVITED, Invitation, revoke
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Value
from tradepost.http.answers import InvitationAnswer, invitation_answer
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.table.bulk import Bulk, Decided
from tradepost.table.customers import customer_key, find_customers
from tradepost.table.invitations import find_invitations, get_invitation, invitation_key, save_invitation
from tradepost.table.people import take_place_away
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.transaction import Transaction

app = make_app()

# The invitation, its customer, the member and its log-in entry.
ACTIONS_A_ROW: Final = 4

type Ids = Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=MAX_INVITED)]
type RevocationReason = Literal["out_of_scope", "not_invited", "already_revoked", "conflict"]


class Revocation(Value):
    """Whose invitations to revoke: named themselves, or by their customers."""

    invitation_ids: Ids | None = None
    customer_ids: Ids | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.invitation_ids is None) == (self.customer_ids is None):
            raise ValueError("name either invitation_ids or customer_ids")
        return self


class RevocationResult(Answer):
    """What became of one of them; `id` is what the request named."""

    id: str
    status: Literal["revoked", "skipped"]
    reason: RevocationReason | None = None
    invitation_id: str | None = None


class RevocationResults(Answer):
    """What became of each, in the order they were named."""

    results: list[RevocationResult]
    revoked: int
    skipped: int


def _named(ask: Ask) -> list[Key]:
    return [invitation_key(ask.store, ask.path["invitation_id"])]


def _selected(ask: Ask) -> list[Key]:
    try:
        selection = Revocation.model_validate_json(ask.body)
    except ValidationError:
        return []
    by_customer = [customer_key(ask.store, customer_id) for customer_id in selection.customer_ids or ()]
    return by_customer + [invitation_key(ask.store, invitation_id) for invitation_id in selection.invitation_ids or ()]


@app.post("/v1/invitations/<invitation_id>/revoke", allow=Permission.INVITE, reads=_named)
def revoke_invitation(invitation_id: str, caller: Caller) -> InvitationAnswer:
    """Revoke one invitation. Its links die; if it was accepted, the person is signed out and has no access any more."""
    return caller.decided(partial(_revoke, invitation_id, caller))


@app.post("/v1/invitations/revoke", allow=Permission.INVITE, reads=_selected)
def revoke_selected_invitations(selection: Revocation, caller: Caller) -> RevocationResults:
    """Revoke many. A row that cannot be revoked says why and stops no other."""
    ids = list(dict.fromkeys(selection.invitation_ids or selection.customer_ids or ()))
    bulk = Bulk(
        begin=caller.transaction,
        decide=partial(_decided, selection=selection, caller=caller),
        cost=lambda _: ACTIONS_A_ROW,
        add=partial(_added, caller=caller),
        refused=lambda id_, _: RevocationResult(id=id_, status="skipped", reason="conflict"),
    )
    due, results = bulk.decide(ids, caller.reader)
    return bulk.carry_out(due, lambda added: _summary(ids, {**results, **added}))


def _revoke(invitation_id: str, caller: Caller) -> InvitationAnswer:
    before = caller.match(get_invitation(caller.reader, caller.scope, invitation_id))
    tx = caller.transaction()
    [revoked] = _revoked(tx, [before], caller)
    return tx.commit_answering(invitation_answer(revoked, at=caller.at))


def _revoked(tx: Transaction, invitations: Iterable[Invitation], caller: Caller) -> list[Invitation]:
    """Add revocations to a transaction; what is revoked already stays as it is."""
    after, changed, left = [], [], set[str]()
    for before in invitations:
        revoked = revoke(before, at=caller.at)
        if revoked is not before:
            changed.append(before.id)
            # A sales rep that has not accepted yet could not be invited anew while its place awaits it.
            place = before.member_id if before.kind == "sales_rep" else before.accepted_by
            if place and place not in left:
                # The same person may have accepted as the customer's contact and as an employee.
                left.add(place)
                take_place_away(tx, place)
            revoked = save_invitation(tx, revoked, before=before)
        after.append(revoked)
    if changed:
        tx.audit("invitations:revoked", caller.store.id, invitations=changed)
    return after


def _added(tx: Transaction, rows: Mapping[str, Invitation], *, caller: Caller) -> dict[str, RevocationResult]:
    _revoked(tx, rows.values(), caller)
    return {id_: RevocationResult(id=id_, status="revoked", invitation_id=row.id) for id_, row in rows.items()}


def _decided(
    ids: Iterable[str], read: Reader, *, selection: Revocation, caller: Caller
) -> Decided[Invitation, RevocationResult]:
    """Find the invitation that each id stands for, or why there is none to revoke. The customers' ones take a batch more."""
    ids, customers = list(ids), dict[str, Customer]()
    if selection.invitation_ids:
        found = find_invitations(read, caller.scope, ids)
    else:
        customers = find_customers(read, caller.scope, ids)
        told = {id_: customer.invitation.id for id_, customer in customers.items() if customer.invitation}
        by_id = find_invitations(read, caller.scope, told.values())
        found = {id_: by_id[invitation_id] for id_, invitation_id in told.items() if invitation_id in by_id}
    due: dict[str, Invitation] = {}
    results: dict[str, RevocationResult] = {}
    for id_ in ids:
        invitation = found.get(id_)
        if invitation is None:
            reason: RevocationReason = "not_invited" if id_ in customers else "out_of_scope"
            results[id_] = RevocationResult(id=id_, status="skipped", reason=reason)
        elif invitation.state == "revoked":
            known = invitation.id
            results[id_] = RevocationResult(id=id_, status="skipped", reason="already_revoked", invitation_id=known)
        else:
            due[id_] = invitation
    return Decided(due, results)


def _summary(ids: Iterable[str], results: Mapping[str, RevocationResult]) -> RevocationResults:
    rows = [results[id_] for id_ in ids]
    revoked = sum(row.status == "revoked" for row in rows)
    return RevocationResults(results=rows, revoked=revoked, skipped=len(rows) - revoked)


handler = app.handler
