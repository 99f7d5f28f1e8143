"""/v1/me/activity-consent: allow the store to keep one's activity, stop allowing it, and see what one decided so far."""

from functools import partial
from typing import Annotated

from pydantic import Field, StrictBool

from tradepost.domain.errors import ConflictError, NotFoundError
from tradepost.domain.people import CONSENT_TEXT_VERSION, ConsentChange, Member
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import Store
from tradepost.domain.values import OptionalText, Value
from tradepost.http.app import Answer, Caller, make_app
from tradepost.table.people import member_key, save_member
from tradepost.table.stores import store_key
from tradepost.table.withdrawals import CROWD, withdraw

app = make_app()


class ConsentDecision(Value):
    """The decision, and which version of the text it is about, so that nobody agrees to what it was not shown."""

    allowed: StrictBool
    text_version: Annotated[
        OptionalText | None, Field(description="Of the text that was shown; the present one if left out.")
    ] = None


class ActivityConsent(Answer):
    """What holds now, and every decision so far, oldest first."""

    allowed: bool
    text_version: Annotated[str, Field(description="Of the text that is to be shown now.")]
    history: list[ConsentChange]
    etag: str


@app.get("/v1/me/activity-consent", allow=Permission.GIVE_CONSENT)
def show_activity_consent(caller: Caller) -> ActivityConsent:
    """Show what one decided, when, and about which version of the text."""
    return _answer(caller.member)


@app.put("/v1/me/activity-consent", allow=Permission.GIVE_CONSENT)
def set_activity_consent(decision: ConsentDecision, caller: Caller) -> ActivityConsent:
    """Note a decision with its date and the version of the text. The same decision again changes nothing.

    Whoever stops allowing it is shown in no list any more at once. What was kept is erased, and files that it is in with it,
    when the store's policy says (`activity_erasure_days`); a consent that is given later brings none of it back. Agreeing to
    another version of the text than the present one is refused with 409 `consent_text_changed`.
    """
    if decision.allowed and decision.text_version not in {None, CONSENT_TEXT_VERSION}:
        detail = f"The text has changed. Show version {CONSENT_TEXT_VERSION}, and ask again."
        raise ConflictError("consent_text_changed", detail, pointer="/text_version")
    return caller.decided(partial(_decided, decision, caller), tries=CROWD)


def _decided(decision: ConsentDecision, caller: Caller) -> ActivityConsent:
    read, keys = caller.reader, (member_key(caller.member.id, caller.store.id), store_key(caller.store.id))
    read.fetch(keys)
    before = caller.match(read.get(keys[0], Member))
    if before.status != "active":
        # Lost its place while others were deciding.
        raise NotFoundError("member")
    member = before.deciding_on_activity(allowed=decision.allowed, at=caller.at)
    if member == before:
        return _answer(member)
    tx = caller.transaction()
    member = save_member(tx, member)
    if before.allows_activity:
        withdraw(tx, read.get(keys[1], Store), before)
    tx.audit("activity_consent:set", member.id, allowed=decision.allowed)
    return tx.commit_answering(_answer(member))


def _answer(member: Member) -> ActivityConsent:
    return ActivityConsent(
        allowed=member.allows_activity,
        text_version=CONSENT_TEXT_VERSION,
        history=list(member.consents),
        etag=member.etag,
    )


handler = app.handler
