"""POST /v1/me/erasure and /v1/members/{id}/erasure: forget a person, but for what the law makes the store keep."""

from functools import partial
from typing import Annotated

from pydantic import Field

from tradepost.domain.erasures import customers_allocated, erased, must_be_erasable
from tradepost.domain.errors import NotFoundError
from tradepost.domain.invitations import Invitation, revoke
from tradepost.domain.people import Member
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.stores import Store
from tradepost.domain.values import Instant, Text, Value
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.sign_in import prove
from tradepost.table.customers import looks_after_some
from tradepost.table.invitations import invitation_key, save_invitation
from tradepost.table.people import keep_an_administrator, member_key, note_administrator, remove_membership, save_member
from tradepost.table.shapes import Key
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction
from tradepost.table.withdrawals import CROWD, withdraw

app = make_app()


class OwnErasure(Value):
    """The wish to be erased, with the password as a proof of who has it."""

    password: Annotated[str, Field(max_length=1000)]


class OrderedErasure(Value):
    """Why the store erases somebody, for its own records."""

    reason: Text


class Erased(Answer):
    """Whose place is nobody's any more, and since when. What is held besides is erased within minutes."""

    id: str
    erased_at: Instant


def _named(ask: Ask) -> list[Key]:
    return [member_key(ask.path["member_id"], ask.store)]


@app.post("/v1/me/erasure", allow=Permission.OWN_PROFILE, status=202)
def erase_oneself(wish: OwnErasure, caller: Caller) -> Erased:
    """Leave the store for good and be forgotten there: access, sessions and consent end at once.

    Orders, accepted offers, bills, payments and the audit are kept, as the law demands. What is held in other stores is not
    touched; the account goes with the last of one's places.
    """
    must_be_erasable(caller.member)
    prove(caller.account.email, wish.password, caller)
    return caller.decided(partial(_erased, caller.member.id, caller, reason=None), tries=CROWD)


@app.post("/v1/members/<member_id>/erasure", allow=Permission.ERASE_PEOPLE, status=202, reads=_named)
def erase_member(member_id: str, order: OrderedErasure, caller: Caller) -> Erased:
    """Forget an employee or a sales rep who asked the store for it. Once more is no change."""
    return caller.decided(partial(_erased, member_id, caller, reason=order.reason), tries=CROWD)


def _erased(member_id: str, caller: CallerInfo, *, reason: str | None) -> Erased:
    store_id, read = caller.store.id, caller.reader
    read.fetch([member_key(member_id, store_id), store_key(store_id)])
    before = read.find(member_key(member_id, store_id), Member)
    if before is None:
        raise NotFoundError("member")
    must_be_erasable(before)
    if before.erased_at:
        return Erased(id=before.id, erased_at=before.erased_at)
    if before.role is Role.REP and looks_after_some(store_id, before.id):
        raise customers_allocated()
    tx = caller.transaction()
    withdraw(tx, read.get(store_key(store_id), Store), before, person=True)
    after = save_member(tx, erased(before, at=caller.at))
    _shut_out(tx, before, after, caller)
    tx.audit("member:erased", before.id, role=str(before.role), reason=reason)
    return tx.commit_answering(Erased(id=before.id, erased_at=caller.at))


def _shut_out(tx: Transaction, before: Member, after: Member, caller: CallerInfo) -> None:
    """Let nothing lead to a place any more: neither log-in, nor a link, nor the customer's list of its administrators."""
    remove_membership(tx, before)
    if before.is_administrator and before.id == caller.member.id:
        # Whoever asks the store is erased all the same: it would have no way to ask for it otherwise.
        keep_an_administrator(tx, before)
    if before.customer_id:
        note_administrator(tx, after)
    told = before.invitation
    if told and told.state != "revoked":
        invitation = caller.reader.get(invitation_key(before.store_id, told.id), Invitation)
        save_invitation(tx, revoke(invitation, at=caller.at), before=invitation)


handler = app.handler
