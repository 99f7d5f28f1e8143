"""POST /v1/invitations/{id}/resend: mail the invited person the link once more."""

from functools import partial

from tradepost.aws.links import link_to_share
from tradepost.domain.invitations import RESENT_BY_INVITER, RESENT_TO_ADDRESS, mail_of, resend
from tradepost.domain.permissions import Permission
from tradepost.http.answers import InvitationAnswer, invitation_answer
from tradepost.http.app import Ask, Caller, make_app
from tradepost.table.customers import require_active
from tradepost.table.invitations import get_invitation, invitation_key, save_invitation
from tradepost.table.limits import count_against
from tradepost.table.shapes import Key

app = make_app()


def _named(ask: Ask) -> list[Key]:
    return [invitation_key(ask.store, ask.path["invitation_id"])]


@app.post("/v1/invitations/<invitation_id>/resend", allow=Permission.INVITE, reads=_named)
def resend_invitation(invitation_id: str, caller: Caller) -> InvitationAnswer:
    """Send the same link for a full lifetime more; links sent before stay alive with it."""
    return caller.decided(partial(_resent, invitation_id, caller))


def _resent(invitation_id: str, caller: Caller) -> InvitationAnswer:
    before = caller.match(get_invitation(caller.reader, caller.scope, invitation_id))
    resent = resend(before, at=caller.at, lifetime=caller.store.invitation_lifetime)
    tx = caller.transaction()
    if before.kind == "employee" and before.customer_id:
        require_active(tx, caller.store.id, before.customer_id)
    resent = save_invitation(tx, resent, before=before)
    count_against(tx, caller.store.id, RESENT_TO_ADDRESS, before.recipient)
    count_against(tx, caller.store.id, RESENT_BY_INVITER, caller.member.id)
    tx.announce(mail_of(resent))
    tx.audit("invitation:resent", resent.id)
    return tx.commit_answering(invitation_answer(resent, at=caller.at, link=link_to_share(resent)))


handler = app.handler
