"""POST /v1/invitations/{id}/revoke and /v1/invitations/revoke: withdraw offers, and the access that was gained by them."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import batched
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, StaleError
from tradepost.domain.invitations import MAX_INVITED, Invitation, revoke
from tradepost.domain.people import Permission
from tradepost.domain.values import Value
from tradepost.http.answers import InvitationAnswer, invitation_answer
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.table.customers import customer_key
from tradepost.table.invitations import invitation_key, save_invitation
from tradepost.table.people import take_place_away
from tradepost.table.reading import Reader
from tradepost.table.shapes import Key
from tradepost.table.transaction import MAX_ACTIONS, Transaction

app = make_app()

# Four actions a row (the invitation, its customer, the member, its log-in entry); a dozen are for all: the audit line, the
# answer and the counters.
ROWS_A_TRANSACTION: Final = (MAX_ACTIONS - 12) // 4

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
    found = _found(ids, selection, caller, caller.reader)
    results = {id_: _result(id_, invitation) for id_, invitation in found.items()}
    revocable = {
        id_: invitation
        for id_, invitation in found.items()
        if isinstance(invitation, Invitation) and results[id_].status == "revoked"
    }
    *most, last = list(batched(revocable, ROWS_A_TRANSACTION, strict=False)) or [()]
    for rows in most:
        tx = caller.transaction()
        _revoked(tx, [revocable[id_] for id_ in rows], caller)
        try:
            tx.commit()
        except (ConflictError, StaleError):
            results |= _one_by_one(rows, selection, caller)
    tx = caller.transaction()
    _revoked(tx, [revocable[id_] for id_ in last], caller)
    try:
        return tx.commit_answering(_summary(ids, results))
    except (ConflictError, StaleError):
        results |= _one_by_one(last, selection, caller)
        return caller.transaction().commit_answering(_summary(ids, results))


def _revoke(invitation_id: str, caller: Caller) -> InvitationAnswer:
    before = caller.match(caller.reader.get(invitation_key(caller.store.id, invitation_id), Invitation))
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
            if before.accepted_by and before.accepted_by not in left:
                # The same person may have accepted as the customer's contact and as an employee.
                left.add(before.accepted_by)
                take_place_away(tx, before.accepted_by)
            revoked = save_invitation(tx, revoked, before=before)
        after.append(revoked)
    if changed:
        tx.audit("invitations:revoked", caller.store.id, invitations=changed)
    return after


def _found(ids: Iterable[str], selection: Revocation, caller: Caller, read: Reader) -> dict[str, Invitation | RevocationReason]:
    """Return the invitation that each id stands for, or why there is none. The customers' ones take a second batch."""
    store_id = caller.store.id
    if selection.invitation_ids:
        return {id_: read.find(invitation_key(store_id, id_), Invitation) or "out_of_scope" for id_ in ids}
    customers = {id_: read.find(customer_key(store_id, id_), Customer) for id_ in ids}
    told = {id_: customer.invitation for id_, customer in customers.items() if customer and customer.invitation}
    read.fetch(invitation_key(store_id, summary.id) for summary in told.values())
    found: dict[str, Invitation | RevocationReason] = {}
    for id_, customer in customers.items():
        missing: RevocationReason = "not_invited" if customer else "out_of_scope"
        summary = told.get(id_)
        found[id_] = (read.find(invitation_key(store_id, summary.id), Invitation) if summary else None) or missing
    return found


def _one_by_one(ids: Iterable[str], selection: Revocation, caller: Caller) -> dict[str, RevocationResult]:
    """Look at each row as it is now, and revoke it by itself."""
    results = {}
    for id_ in ids:
        found = _found([id_], selection, caller, Reader())[id_]
        results[id_] = _result(id_, found)
        if not isinstance(found, Invitation) or results[id_].status == "skipped":
            continue
        tx = caller.transaction()
        _revoked(tx, [found], caller)
        try:
            tx.commit()
        except (ConflictError, StaleError):
            results[id_] = RevocationResult(id=id_, status="skipped", reason="conflict")
    return results


def _result(id_: str, found: Invitation | RevocationReason) -> RevocationResult:
    if not isinstance(found, Invitation):
        return RevocationResult(id=id_, status="skipped", reason=found)
    if found.state == "revoked":
        return RevocationResult(id=id_, status="skipped", reason="already_revoked", invitation_id=found.id)
    return RevocationResult(id=id_, status="revoked", invitation_id=found.id)


def _summary(ids: Iterable[str], results: Mapping[str, RevocationResult]) -> RevocationResults:
    rows = [results[id_] for id_ in ids]
    revoked = sum(row.status == "revoked" for row in rows)
    return RevocationResults(results=rows, revoked=revoked, skipped=len(rows) - revoked)


handler = app.handler
