"""POST /v1/sales-reps: invite somebody to sell for the store."""

from pydantic import ValidationError

from tradepost.domain.ids import new_invitation_id
from tradepost.domain.invitations import RESENT_BY_INVITER, RESENT_TO_ADDRESS, invite_member, mail_of
from tradepost.domain.people import Member, NewSalesRep, hired, sales_rep_exists
from tradepost.domain.permissions import Permission
from tradepost.http.answers import SalesRepAnswer, sales_rep_answer
from tradepost.http.app import Ask, Caller, make_app
from tradepost.table.invitations import put_invitation
from tradepost.table.limits import count_against
from tradepost.table.people import member_key, note_invitation, save_member
from tradepost.table.shapes import Key

app = make_app()


def _held(ask: Ask) -> list[Key]:
    try:
        new = NewSalesRep.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [member_key(new.place(ask.store), ask.store)]


@app.post("/v1/sales-reps", allow=Permission.MANAGE_SALES_REPS, status=201, reads=_held)
def invite_sales_rep(new: NewSalesRep, caller: Caller) -> SalesRepAnswer:
    """Invite a sales rep by mail. Whoever has an account joins with it; one whose place was taken away gets it again."""
    store = caller.store
    store.must_limit_in_its_currency(new.override_limits)
    before = caller.reader.find(member_key(new.place(store.id), store.id), Member)
    rep = hired(new, before, store_id=store.id)
    invitation = invite_member(
        rep, invitation_id=new_invitation_id(store.id), by=caller.party, at=caller.at, lifetime=store.invitation_lifetime
    )
    tx = caller.transaction()
    put_invitation(tx, invitation)
    rep = save_member(tx, rep.model_copy(update={"invitation": invitation.summary}), otherwise=sales_rep_exists())
    if before:
        note_invitation(tx, rep)
        count_against(tx, store.id, RESENT_TO_ADDRESS, invitation.recipient)
        count_against(tx, store.id, RESENT_BY_INVITER, caller.member.id)
    tx.announce(mail_of(invitation))
    tx.audit("sales_rep:invited", rep.id, access=rep.access, supervisor=rep.supervisor, invitation_id=invitation.id)
    return tx.commit_answering(sales_rep_answer(rep, at=caller.at))


handler = app.handler
