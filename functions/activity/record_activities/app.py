"""POST /v1/activities: let a portal tell what its user does there, as far as the store tracks it and the person allows it."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tradepost.domain.activities import ATTESTED, MAX_COMMENT, may_be_kept
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Moment, Value, clean_text
from tradepost.http.activities import Doing, note_activity
from tradepost.http.app import Answer, Caller, make_app

app = make_app()

MOST_AT_ONCE: Final = 25
PAST: Final = timedelta(hours=24)
"""How long a portal may keep what it tells to itself."""
SKEW: Final = timedelta(minutes=5)
"""How far its clock may be ahead of ours."""


def _claimable(value: str) -> str:
    if value in ATTESTED:
        raise ValueError("is recorded by the server itself, and by nobody else")
    return value


type ToldType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$"), AfterValidator(_claimable)]
type ReferenceText = Annotated[str, AfterValidator(clean_text), Field(max_length=100)]
type ActivityComment = Annotated[str, AfterValidator(clean_text), Field(max_length=MAX_COMMENT)]


class NewActivity(Value):
    """One thing that the user did: a kind of deed in snake_case, what it was done to, and when, if not just now."""

    type: ToldType
    reference_type: ReferenceText | None = None
    reference_id: ReferenceText | None = None
    comment: ActivityComment | None = None
    at: Annotated[Moment | None, Field(description="At most 24 hours ago, and 5 minutes ahead for the sake of clocks.")] = None


class NewActivities(Value):
    """What the user did, in any order."""

    activities: Annotated[tuple[NewActivity, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class RecordedActivities(Answer):
    """How many of them were recorded: all, or none where the store does not track activity or the person does not allow it."""

    recorded: int


@app.post("/v1/activities", allow=Permission.RECORD_ACTIVITIES, status=202)
def record_activities(told: NewActivities, caller: Caller) -> RecordedActivities:
    """Record what the user of a portal does there; of whoever acts for somebody, as that person's activity.

    Without the store's setting and the person's consent nothing at all is written. What the server records by itself, such as
    log-ins and orders, cannot be told (422): only looks at products and offers, and searches, may be known to either.
    """
    _refuse_other_days(told, caller.at)
    if not may_be_kept(caller.store, caller.member):
        return RecordedActivities(recorded=0)
    tx = caller.transaction()
    for new in told.activities:
        doing = Doing(
            new.type,
            caller.customer_id,
            new.reference_type or None,
            new.reference_id or None,
            new.comment or None,
            at=new.at,
            source="portal",
        )
        note_activity(tx, doing, caller.store, caller.member)
    return tx.commit_answering(RecordedActivities(recorded=len(told.activities)))


def _refuse_other_days(told: NewActivities, now: datetime) -> None:
    """Refuse what lies too far back or ahead. Raises `InvalidError`."""
    faults = [
        Fault(f"/activities/{index}/at", "is more than 24 hours ago" if new.at < now else "is in the future")
        for index, new in enumerate(told.activities)
        if new.at and not now - PAST <= new.at <= now + SKEW
    ]
    if faults:
        raise InvalidError(*faults)


handler = app.handler
