"""Events: from draft to published and over, who is invited, and who takes a place or waits for one.

No state is reached but through `TRANSITIONS` and `PARTICIPANT_TRANSITIONS`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from tradepost.domain.catalog import ProductNumber, number_key
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ConflictError, Fault, ForbiddenError, InvalidError
from tradepost.domain.ids import person_key
from tradepost.domain.orders import Deed
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import HttpsUrl
from tradepost.domain.values import (
    Blankable,
    Change,
    Email,
    Entity,
    Instant,
    LongText,
    Moment,
    OptionalText,
    Reference,
    Text,
    Value,
)

MAX_PARTICIPANTS: Final = 5000
MAX_PRODUCTS: Final = 20
MAX_INVITED: Final = 50
MAX_STEPS: Final = 100
"""How many steps an event's history shows: the latest ones. The audit keeps all."""
MAX_RETURNS: Final = 20
"""How many steps a participant may take: whoever comes and goes all the time is mailed each time."""

type EventStatus = Literal["draft", "published", "closed", "cancelled"]
type EventMove = Literal["publish", "close", "cancel"]
type EventStep = Literal["edit", "delete"] | EventMove
type ParticipantState = Literal["registered", "waiting", "cancelled", "attended", "no_show"]
type ParticipantMove = Literal["cancel", "attend", "miss"]
type ParticipantStep = Literal["register", "move_up"] | ParticipantMove


class Transition(NamedTuple):
    """From where a step of an event is possible, and where it leads; None where it leads nowhere else."""

    sources: frozenset[EventStatus]
    target: EventStatus | None = None


TRANSITIONS: Final[Mapping[EventStep, Transition]] = {
    "edit": Transition(frozenset({"draft", "published", "closed"})),
    "delete": Transition(frozenset({"draft"})),
    "publish": Transition(frozenset({"draft"}), "published"),
    "close": Transition(frozenset({"published"}), "closed"),
    "cancel": Transition(frozenset({"published", "closed"}), "cancelled"),
}
EVENT_MOVES: Final[tuple[EventMove, ...]] = ("publish", "close", "cancel")
ANNOUNCED: Final[frozenset[EventStatus]] = frozenset({"published", "closed", "cancelled"})
"""The states in which those who are invited see an event."""
TAKING_PLACE: Final[frozenset[EventStatus]] = frozenset({"published", "closed"})


class ParticipantTransition(NamedTuple):
    """From where a participant takes a step, where it leads, and whether before the event begins or after.

    Registering leads to a place or to the waiting list.
    """

    sources: frozenset[ParticipantState]
    targets: tuple[ParticipantState, ...]
    during: frozenset[EventStatus]
    begun: bool
    needs: Permission | None = Permission.REGISTER_PARTICIPANTS


PARTICIPANT_TRANSITIONS: Final[Mapping[ParticipantStep, ParticipantTransition]] = {
    "register": ParticipantTransition(
        frozenset({"cancelled"}), ("registered", "waiting"), frozenset({"published"}), begun=False
    ),
    "move_up": ParticipantTransition(frozenset({"waiting"}), ("registered",), TAKING_PLACE, begun=False, needs=None),
    "cancel": ParticipantTransition(frozenset({"registered", "waiting"}), ("cancelled",), TAKING_PLACE, begun=False),
    "attend": ParticipantTransition(
        frozenset({"registered", "no_show"}), ("attended",), TAKING_PLACE, begun=True, needs=Permission.MANAGE_EVENTS
    ),
    "miss": ParticipantTransition(
        frozenset({"registered", "attended"}), ("no_show",), TAKING_PLACE, begun=True, needs=Permission.MANAGE_EVENTS
    ),
}
PARTICIPANT_MOVES: Final[tuple[ParticipantMove, ...]] = ("cancel", "attend", "miss")


def _waiting_list(value: object) -> object:
    # One fault for what is neither: pydantic would tell of each kind why it is not that.
    if isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= MAX_PARTICIPANTS):
        return value
    raise ValueError(f"is neither true, false nor a whole number from 0 to {MAX_PARTICIPANTS}")


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _distinct_numbers(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({number_key(value): value for value in reversed(values)}.values())[::-1]


type ParticipantLimit = Annotated[StrictInt, Field(ge=1, le=MAX_PARTICIPANTS)]
type WaitingList = Annotated[
    StrictBool | Annotated[StrictInt, Field(ge=0, le=MAX_PARTICIPANTS)], BeforeValidator(_waiting_list)
]
"""How many may wait for a place: true for any number, false for nobody."""
type ProductNumbers = Annotated[tuple[ProductNumber, ...], AfterValidator(_distinct_numbers), Field(max_length=MAX_PRODUCTS)]
type InvitedIds = Annotated[tuple[Reference, ...], AfterValidator(_distinct), Field(max_length=MAX_INVITED)]


class NewEvent(Value):
    """An event as it is drafted. Where neither groups nor customers are named, every customer of the store is invited."""

    title: Text
    text: LongText = ""
    place: Blankable = None
    url: HttpsUrl | None = None
    starts_at: Moment
    ends_at: Moment
    participant_limit: ParticipantLimit | None = None
    waiting_list: WaitingList = False
    deadline: Moment | None = None
    product_numbers: ProductNumbers = ()
    group_ids: InvitedIds = ()
    customer_ids: InvitedIds = ()


class EventChange(Change):
    """What to change of an event; a field that is not sent stays. Nobody loses a place when the limit is lowered."""

    nullable: ClassVar = frozenset({"place", "url", "participant_limit", "deadline"})

    title: Text | None = None
    text: LongText | None = None
    place: Blankable = None
    url: HttpsUrl | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    participant_limit: ParticipantLimit | None = None
    waiting_list: WaitingList | None = None
    deadline: Moment | None = None
    product_numbers: ProductNumbers | None = None
    group_ids: InvitedIds | None = None
    customer_ids: InvitedIds | None = None


class EventHistoryEntry(Value):
    """One step of an event or of a participant, or a change of the fields named in `changed`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    at: Instant
    actor: Party
    subject: Party
    from_status: Annotated[EventStatus | ParticipantState, Field(alias="from")]
    to: EventStatus | ParticipantState
    changed: tuple[str, ...] = ()


class Event(Entity):
    """An event of a store.

    `registered` counts the places taken, `waiting` those who wait for one, and `sequence` all who ever waited: the place
    of the next one in line.
    """

    entity: ClassVar = "event"
    aside: ClassVar = frozenset({"registered", "waiting", "sequence"})

    id: str
    store_id: str
    title: str
    text: str
    place: str | None
    url: HttpsUrl | None
    starts_at: Instant
    ends_at: Instant
    participant_limit: int | None
    waiting_list: StrictBool | StrictInt
    deadline: Instant | None
    product_numbers: tuple[str, ...]
    group_ids: tuple[str, ...]
    customer_ids: tuple[str, ...]
    status: EventStatus = "draft"
    created_by: Party
    created_at: Instant
    history: tuple[EventHistoryEntry, ...] = ()
    registered: int = 0
    waiting: int = 0
    sequence: int = 0

    @property
    def registration_ends_at(self) -> datetime:
        """Until when a place can be taken: the deadline, or else the beginning."""
        return self.deadline or self.starts_at

    @property
    def free(self) -> int | None:
        """The number of places that nobody has taken; None where there is no limit."""
        return None if self.participant_limit is None else max(0, self.participant_limit - self.registered)

    @property
    def waiting_limit(self) -> int | None:
        """How many may wait at most; None where there is no limit."""
        return None if self.waiting_list is True else int(self.waiting_list)

    def is_open_at(self, at: datetime) -> bool:
        """Whether places can be taken at an instant; registration closes by itself at the deadline."""
        return self.status == "published" and at < self.registration_ends_at

    def promotable_at(self, at: datetime) -> int:
        """The number of those who wait that there is a place for: none any more once the event has begun."""
        if self.status not in TAKING_PLACE or at >= self.starts_at:
            return 0
        return self.waiting if self.free is None else min(self.waiting, self.free)

    def with_more(self, *, registered: int = 0, waiting: int = 0) -> "Event":
        """Return it with more, or less, places taken and people who wait."""
        return self.model_copy(update={"registered": self.registered + registered, "waiting": self.waiting + waiting})

    def invites(self, customer: Customer) -> bool:
        """Whether a customer is invited, by itself or with its group; nobody named is everybody."""
        if not self.group_ids and not self.customer_ids:
            return True
        return customer.group_id in self.group_ids or customer.id in self.customer_ids

    def is_shown_to(self, customer: Customer | None) -> bool:
        """Whether it exists for a customer, or for the store's own people where there is none."""
        return customer is None or (self.status in ANNOUNCED and self.invites(customer))

    def is_changed_by(self, member: Member) -> bool:
        """Whether a member may change it: owners and supervisors every one, other sales reps those they created."""
        if Permission.MANAGE_EVENTS not in member.grants:
            return False
        return Permission.MANAGE_ANY_EVENT in member.grants or self.created_by.id == member.id

    def must_be_changed_by(self, member: Member) -> None:
        """Refuse whoever may not change it. Raises `ForbiddenError`."""
        if not self.is_changed_by(member):
            raise ForbiddenError("not_your_event", "Somebody else created this event: only a supervisor changes it for them.")


class NewParticipant(Value):
    """Who is to be registered. Sales reps and owners name the customer; buyers register people of their own company."""

    name: Text
    email: Email
    phone: OptionalText | None = None
    customer_id: Reference | None = None


class ParticipantChange(Change):
    """What to change of a participant. Somebody with another address is another participant."""

    nullable: ClassVar = frozenset({"phone"})

    name: Text | None = None
    phone: OptionalText | None = None


class Participant(Entity):
    """Somebody whom a customer registered for an event. `sequence` is the place in the order of those who ever had to wait.

    Its id begins with its customer's, so that one batch reads both.
    """

    entity: ClassVar = "event_participant"

    id: str
    store_id: str
    event_id: str
    customer_id: str
    customer_number: str
    customer_name: str
    name: str
    email: str
    phone: str | None = None
    state: ParticipantState
    sequence: int | None = None
    registered_at: Instant
    actor: Party
    subject: Party
    history: tuple[EventHistoryEntry, ...] = ()


class WaitingPlace(Entity):
    """A place in the waiting line of an event, and who has it."""

    entity: ClassVar = "event_waiting"

    participant_id: str


def participant_id(customer_id: str, email: str) -> str:
    """Return the id of a person of a customer as a participant: the same in any letter case of the address."""
    return participant_of(customer_id, person_key(email))


def participant_of(customer_id: str, person: str) -> str:
    """Return the id of a person of a customer as a participant."""
    return f"{customer_id}.{person}"


def drafted(new: NewEvent, *, event_id: str, store_id: str, by: Deed) -> Event:
    """Return a new event. Raises `InvalidError` for times that do not go together."""
    return _in_order(Event(**dict(new), id=event_id, store_id=store_id, created_by=by.subject, created_at=by.at))


def edited(event: Event, change: EventChange, *, by: Deed) -> Event:
    """Change an event. Nothing changed is the same event.

    Raises `ConflictError` once it is cancelled, `InvalidError` for what it cannot become, such as one that had begun, or that
    begins anew.
    """
    _must_allow(event, "edit", at=by.at)
    after = _in_order(event.model_copy(update=change.given))
    fields = tuple(name for name in EventChange.model_fields if _differ(getattr(after, name), getattr(event, name)))
    if event.status != "draft":
        if "starts_at" in fields and min(event.starts_at, after.starts_at) <= by.at:
            raise InvalidError(Fault("/starts_at", "has passed"), code="event_begun")
        if "ends_at" in fields and event.ends_at <= by.at:
            raise InvalidError(Fault("/ends_at", "has passed"), code="event_over")
        _must_say_where(after)
    return _noted(event, after, by, changed=fields) if fields else event


def moved(event: Event, step: EventMove, *, by: Deed) -> Event:
    """Move an event to its next state. Raises `ConflictError` if there is no such move from where it is."""
    _must_allow(event, step, at=by.at)
    if step == "publish":
        if by.at >= event.starts_at:
            raise ConflictError("event_begun", "An event is published before it begins.")
        if by.at >= event.registration_ends_at:
            raise ConflictError("deadline_passed", "The deadline of this event has passed: nobody could register.")
        _must_say_where(event)
    if step == "cancel" and by.at >= event.ends_at:
        raise ConflictError("event_over", "The event is over: there is nothing left to call off.")
    return _noted(event, event.model_copy(update={"status": TRANSITIONS[step].target}), by)


def must_be_deletable(event: Event, *, at: datetime) -> None:
    """Refuse to delete what was published. Raises `ConflictError`."""
    _must_allow(event, "delete", at=at)


def moves_from(event: Event, *, at: datetime) -> list[EventMove]:
    """Return the moves that are open to whoever may change an event."""
    return [step for step in EVENT_MOVES if _is_open(event, step, at)]


def state_of_next(event: Event, *, at: datetime) -> Literal["registered", "waiting"]:
    """Tell whether the next one to register gets a place or waits behind those who wait already.

    Raises `ConflictError` when registration is closed or the event is full.
    """
    if not event.is_open_at(at):
        detail = "Registration for this event is closed."
        raise ConflictError("registration_closed", detail, event_status=event.status)
    if event.free is None or (event.free and not event.waiting):
        return "registered"
    if event.waiting_limit is not None and event.waiting >= event.waiting_limit:
        raise ConflictError("event_full", "All places of this event are taken.")
    return "waiting"


def registered(event: Event, new: NewParticipant, customer: Customer, *, before: Participant | None, by: Deed) -> Participant:
    """Register somebody of a customer, for a place or for the waiting list, once or again after cancelling.

    Raises `ConflictError` for somebody who is registered, when registration is closed, and when the event is full.
    """
    if before and before.state not in PARTICIPANT_TRANSITIONS["register"].sources:
        raise ConflictError("already_registered", "This person is registered for the event already.", state=before.state)
    if before and len(before.history) >= MAX_RETURNS:
        raise ConflictError("too_many_changes", "This person has cancelled too often to be registered again.")
    if not event.invites(customer):
        raise ConflictError("not_invited", "The customer is not invited to this event.", pointer="/customer_id")
    state = state_of_next(event, at=by.at)
    fields: dict[str, Any] = {
        "customer_number": customer.number,
        "customer_name": customer.name,
        "name": new.name,
        "email": new.email,
        "phone": new.phone,
        "state": state,
        "sequence": event.sequence + 1 if state == "waiting" else None,
        "registered_at": by.at,
        "actor": by.actor,
        "subject": by.subject,
    }
    if before:
        return before.model_copy(update={**fields, "history": (*before.history, _entry(before.state, state, by))})
    key = participant_id(customer.id, new.email)
    return Participant(id=key, store_id=event.store_id, event_id=event.id, customer_id=customer.id, **fields)


def stepped(participant: Participant, step: ParticipantStep, event: Event, *, by: Deed) -> Participant:
    """Let a participant take a step other than registering. Raises `ConflictError` if it is none from where it is."""
    if not _may_step(participant, step, event, by.at):
        said = f"A participant who is {participant.state.replace('_', ' ')} cannot take the step “{step}” now."
        raise ConflictError("invalid_transition", said, participant_state=participant.state, event_status=event.status)
    target = PARTICIPANT_TRANSITIONS[step].targets[0]
    history = (*participant.history, _entry(participant.state, target, by))
    return participant.model_copy(update={"state": target, "history": history})


def renamed(participant: Participant, change: ParticipantChange, *, by: Deed) -> Participant:
    """Change what a participant is called. Raises `ConflictError` for one who cancelled."""
    if participant.state == "cancelled":
        said = "This participant has cancelled."
        raise ConflictError("invalid_transition", said, participant_state=participant.state)
    changed = tuple(name for name, value in change.given.items() if getattr(participant, name) != value)
    if not changed:
        return participant
    if len(participant.history) >= MAX_STEPS:
        raise ConflictError("too_many_changes", f"A participant can be changed {MAX_STEPS} times.")
    entry = _entry(participant.state, participant.state, by, changed=changed)
    return participant.model_copy(update={**change.given, "history": (*participant.history, entry)})


def steps_from(participant: Participant, event: Event, grants: Iterable[Permission], *, at: datetime) -> list[ParticipantMove]:
    """Return the moves of a participant that are open to somebody who is granted certain permissions."""
    granted = frozenset(grants)
    return [
        step
        for step in PARTICIPANT_MOVES
        if PARTICIPANT_TRANSITIONS[step].needs in granted and _may_step(participant, step, event, at)
    ]


def _may_step(participant: Participant, step: ParticipantStep, event: Event, at: datetime) -> bool:
    transition = PARTICIPANT_TRANSITIONS[step]
    begun = at >= event.starts_at
    return participant.state in transition.sources and event.status in transition.during and begun is transition.begun


def _is_open(event: Event, step: EventStep, at: datetime) -> bool:
    if event.status not in TRANSITIONS[step].sources:
        return False
    if step == "publish":
        return at < event.registration_ends_at and bool(event.place or event.url)
    return step != "cancel" or at < event.ends_at


def _must_allow(event: Event, step: EventStep, *, at: datetime) -> None:
    if event.status not in TRANSITIONS[step].sources:
        said = f"An event that is {event.status} does not allow “{step}”."
        possible = moves_from(event, at=at)
        raise ConflictError("invalid_transition", said, event_status=event.status, allowed_transitions=possible)


def _must_say_where(event: Event) -> None:
    if not (event.place or event.url):
        raise InvalidError(Fault("/place", "or url is needed: say where the event takes place"), code="place_required")


def _in_order(event: Event) -> Event:
    if event.ends_at <= event.starts_at:
        raise InvalidError(Fault("/ends_at", "is not after starts_at"), code="invalid_period")
    if event.deadline and event.deadline > event.starts_at:
        raise InvalidError(Fault("/deadline", "is after starts_at"), code="invalid_period")
    return event


def _differ(one: object, other: object) -> bool:
    # A waiting list of one is not a waiting list without end, although 1 equals true.
    return type(one) is not type(other) or one != other


def _noted(event: Event, after: Event, by: Deed, *, changed: tuple[str, ...] = ()) -> Event:
    entry = _entry(event.status, after.status, by, changed=changed)
    return after.model_copy(update={"history": (*event.history, entry)[-MAX_STEPS:]})


def _entry(
    before: EventStatus | ParticipantState,
    after: EventStatus | ParticipantState,
    by: Deed,
    *,
    changed: tuple[str, ...] = (),
) -> EventHistoryEntry:
    return EventHistoryEntry(**by._asdict(), from_status=before, to=after, changed=changed)
