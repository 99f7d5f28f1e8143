"""PUT /v1/me/activity-consent: allow the store to keep one's activity, or stop allowing it."""

from pydantic import StrictBool

from tradepost.domain.people import ConsentChange, Member
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Value
from tradepost.http.app import Answer, Caller, make_app
from tradepost.table.people import save_member

app = make_app()


class ConsentDecision(Value):
    """The decision."""

    allowed: StrictBool


class ActivityConsent(Answer):
    """What holds now, and every decision so far, oldest first."""

    allowed: bool
    history: list[ConsentChange]
    etag: str


@app.put("/v1/me/activity-consent", allow=Permission.GIVE_CONSENT)
def set_activity_consent(decision: ConsentDecision, caller: Caller) -> ActivityConsent:
    """Note a decision with its date and the version of the text. The same decision again changes nothing."""
    member = caller.match(caller.member).deciding_on_activity(allowed=decision.allowed, at=caller.at)
    if member == caller.member:
        return _answer(member)
    tx = caller.transaction()
    member = save_member(tx, member)
    tx.audit("activity_consent:set", member.id, allowed=decision.allowed)
    return tx.commit_answering(_answer(member))


def _answer(member: Member) -> ActivityConsent:
    return ActivityConsent(allowed=member.allows_activity, history=list(member.consents), etag=member.etag)


handler = app.handler
