"""A circular mail to the participants of an event: announced in parts, each participant once, until it is done or stopped.

    queued → running → done
                    ↘ cancelled (by somebody, or with its event)

Cancelling an event sends one of the kind `cancellation`, which nobody can stop.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field

from tradepost.domain.errors import ConflictError
from tradepost.domain.events import TAKING_PLACE, Event, Participant, ParticipantState
from tradepost.domain.limits import RateLimit
from tradepost.domain.people import Party
from tradepost.domain.values import Entity, Instant, Reference, Text, Value, clean_text

MAILINGS_AN_HOUR: Final = RateLimit(
    "event-mailings", 10, timedelta(hours=1), "too_many_mailings", "This event has had many circular mails within the hour."
)
MAX_WORDS: Final = 10_000
MOST_CUSTOMERS: Final = 50
ANNOUNCED_AT_ONCE: Final = 40
EXPECTED: Final[tuple[ParticipantState, ...]] = ("registered", "waiting")
"""Who has to be told when an event is cancelled."""

type MailingKind = Literal["circular", "cancellation"]
type MailingStatus = Literal["queued", "running", "done", "cancelled"]


def _words(value: str) -> str:
    # Liquid, kept as it was written.
    if not clean_text(value.replace("\t", " "), multiline=True):
        raise ValueError("must not be empty")
    return value.replace("\r\n", "\n")


# In which states a participant is still told of a step.
_TOLD_IN: Final[Mapping[str, frozenset[ParticipantState]]] = {
    "registered": frozenset({"registered", "waiting"}),
    "moved_up": frozenset({"registered"}),
    "participant_cancelled": frozenset({"cancelled"}),
}


def is_still_true(news: str, participant: Participant, event: Event) -> bool:
    """Tell whether what became of a participant's place still is so; of a place at a cancelled event nobody is told."""
    return participant.state in _TOLD_IN[news] and (event.status != "cancelled" or participant.state == "cancelled")


type Words = Annotated[str, AfterValidator(_words), Field(max_length=MAX_WORDS)]


class CircularDraft(Value):
    """The words of a circular mail: Liquid in plain text, of which a blank line begins a new paragraph."""

    subject: Text
    text: Words


class NewEventMailing(CircularDraft):
    """A circular mail as it is ordered: to all who are registered, unless it says to whom."""

    states: Annotated[tuple[ParticipantState, ...], Field(min_length=1, max_length=10)] = ("registered",)
    customer_ids: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=MOST_CUSTOMERS)] | None = None


class EventMailing(Entity):
    """One circular mail, and how far it got.

    `looked_at` is the last participant that it was decided on, `queued` how many were found to be mailed; `total` is how many
    there are to be, once they have been counted.
    """

    entity: ClassVar = "event_mailing"

    id: str
    store_id: str
    event_id: str
    kind: MailingKind = "circular"
    subject: str = ""
    text: str = ""
    states: tuple[ParticipantState, ...]
    customer_ids: tuple[str, ...] | None = None
    status: MailingStatus = "queued"
    total: int | None = None
    queued: int = 0
    looked_at: str | None = None
    created_at: Instant
    created_by: Party
    finished_at: Instant | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether there are participants left to be decided on."""
        return self.status in {"queued", "running"}

    @property
    def progress(self) -> float:
        """How much of it has been announced, from 0 to 1."""
        if self.status == "done":
            return 1.0
        return round(min(1.0, self.queued / self.total), 3) if self.total else 0.0

    def is_for(self, participant: Participant) -> bool:
        """Tell whether somebody is to be mailed."""
        of_these = self.customer_ids is None or participant.customer_id in self.customer_ids
        return of_these and participant.state in self.states

    def still_reaches(self, participant: Participant, event: Event) -> bool:
        """Tell whether somebody is still to get it once it is written: not who has left since, and not if it was stopped."""
        pointless = self.status == "cancelled" or (self.kind == "circular" and event.status == "cancelled")
        left = participant.state == "cancelled" and "cancelled" not in self.states
        return not pointless and not left

    def status_with(self, event: Event) -> MailingStatus:
        """Return the status. What goes on when its event is cancelled is over, even before a worker has noticed."""
        overtaken = self.is_going_on and self.kind == "circular" and event.status == "cancelled"
        return "cancelled" if overtaken else self.status

    def is_stoppable_with(self, event: Event) -> bool:
        """Whether somebody may stop it."""
        return self.kind == "circular" and self.status_with(event) in {"queued", "running"}

    @classmethod
    def about_cancellation(cls, event: Event, mailing_id: str, *, by: Party, at: datetime) -> Self:
        """Tell everybody who was to come that an event is cancelled."""
        return cls(
            id=mailing_id,
            store_id=event.store_id,
            event_id=event.id,
            kind="cancellation",
            states=EXPECTED,
            created_at=at,
            created_by=by,
        )

    @classmethod
    def ordered(cls, new: NewEventMailing, event: Event, mailing_id: str, *, by: Party, at: datetime) -> Self:
        """Begin a circular mail. Raises `ConflictError` unless the event can have participants who take an interest."""
        must_be_mailable(event)
        return cls(
            id=mailing_id,
            store_id=event.store_id,
            event_id=event.id,
            subject=new.subject,
            text=new.text,
            states=tuple(dict.fromkeys(new.states)),
            customer_ids=tuple(dict.fromkeys(new.customer_ids)) if new.customer_ids else None,
            created_at=at,
            created_by=by,
        )


def not_mailable(status: str) -> ConflictError:
    """Return the refusal of a circular mail."""
    why = f"The event is {status}: only the participants of one that was published, and not cancelled, are mailed."
    return ConflictError("event_not_mailable", why, event_status=status)


def must_be_mailable(event: Event) -> None:
    """Raise `ConflictError` unless participants of an event can be mailed."""
    if event.status not in TAKING_PLACE:
        raise not_mailable(event.status)


def counted(mailing: EventMailing, total: int) -> EventMailing:
    """Note how many there are to be mailed: it runs from here on."""
    return mailing.model_copy(update={"status": "running", "total": total})


def advanced(mailing: EventMailing, looked_at: Sequence[Participant], mailed: Collection[Participant]) -> EventMailing:
    """Note who was looked at and who is mailed. More may be found than were counted, if they registered since."""
    queued = mailing.queued + len(mailed)
    change = {"looked_at": looked_at[-1].id, "queued": queued, "total": max(mailing.total or 0, queued)}
    return mailing.model_copy(update=change)


def finished(mailing: EventMailing, *, at: datetime) -> EventMailing:
    """Note that everybody has been looked at."""
    return mailing.model_copy(update={"status": "done", "total": mailing.queued, "finished_at": at})


def stopped(mailing: EventMailing, *, at: datetime) -> EventMailing:
    """Stop a mailing: who is not mailed yet is not mailed. Raises `ConflictError` for one that cannot be stopped any more."""
    if mailing.kind == "cancellation" or not mailing.is_going_on:
        why = "That an event is cancelled is told to all." if mailing.is_going_on else f"The mailing is {mailing.status}."
        raise ConflictError("mailing_not_stoppable", why, mailing_status=mailing.status)
    return mailing.model_copy(update={"status": "cancelled", "finished_at": at})
