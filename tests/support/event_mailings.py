"""An event with as many participants as wanted, and the way of a circular mail to them: the queue, and who announces it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tests.support.mail import waiting_on
from tests.support.queues import EVENT_MAILINGS, Worker, create_event_mailing_queue
from tests.support.table import put_back, stored
from tests.support.world import Shop
from tradepost.domain import clock
from tradepost.domain.clock import stamp
from tradepost.domain.events import Event, Participant, ParticipantState, participant_id
from tradepost.domain.people import SYSTEM, Party
from tradepost.table.events import event_key, participant_key
from tradepost.table.records import Record
from tradepost.table.shapes import EVENT

WORDS: Final = {"subject": "About {{ event.title }}", "text": "Dear {{ name }} of {{ company }},\n\nbring a coat.\nAnd gloves."}

CUSTOMER: Final = "01kb0000000000000000000002"

_worker = Worker(EVENT_MAILINGS, "events/process_event_mailing")
told, received, handed = _worker.told, _worker.received, _worker.handed
consume, come_again, work = _worker.consume, _worker.come_again, _worker.work


def prepare() -> None:
    """Create the queue, as it is deployed."""
    create_event_mailing_queue()


def publish(shop: Shop, *, by: str | None = None, at: datetime | None = None, **fields: Any) -> str:
    """Put a published event into the table; returns its id."""
    at = at or clock.now()
    event = Event(
        **{
            "version": 1,
            "id": "01kb0000000000000000000001",
            "store_id": shop.slug,
            "title": "Spring tasting",
            "text": "",
            "place": "Harbour Street 5",
            "url": None,
            "starts_at": at + timedelta(days=30),
            "ends_at": at + timedelta(days=30, hours=2),
            "participant_limit": None,
            "waiting_list": False,
            "deadline": None,
            "product_numbers": (),
            "group_ids": (),
            "customer_ids": (),
            "status": "published",
            "created_by": Party(type="member", id=by or "somebody", name="Ola Nordmann"),
            "created_at": at,
            **fields,
        }
    )
    listed = EVENT.index1(store=event.store_id, starts_at=stamp(event.starts_at), event=event.id)
    put_back([Record.of(event_key(event.store_id, event.id), event, index1=listed)])
    return event.id


def join(
    shop: Shop,
    event_id: str,
    numbers: Iterable[int],
    *,
    state: ParticipantState = "registered",
    customer_id: str = CUSTOMER,
) -> list[str]:
    """Put participants of an event into the table; returns their addresses."""
    people = [participant_of(shop, event_id, number, state=state, customer_id=customer_id) for number in numbers]
    put_back(item_of(each) for each in people)
    return [each.email for each in people]


def item_of(participant: Participant) -> Record:
    """Return the item that a participant is kept in, but for the lists that it is in."""
    return Record.of(participant_key(participant.store_id, participant.event_id, participant.id), participant)


def participant_of(
    shop: Shop, event_id: str, number: int, *, state: ParticipantState = "registered", customer_id: str = CUSTOMER
) -> Participant:
    """Return a participant of an event."""
    return Participant(
        version=1,
        id=participant_id(customer_id, f"p{number}@guests.test"),
        store_id=shop.slug,
        event_id=event_id,
        customer_id=customer_id,
        customer_number="C-1",
        customer_name="Blue Door",
        name=f"Person {number}",
        email=f"p{number}@guests.test",
        state=state,
        registered_at=clock.now(),
        actor=SYSTEM,
        subject=SYSTEM,
    )


def ordered(shop: Shop, event_id: str, words: Mapping[str, Any] = WORDS, **fields: Any) -> str:
    """Order a circular mail, whose message is on the queue then; returns its id."""
    reply = shop.owner.post(f"/v1/events/{event_id}/mailings", {**words, **fields})
    assert reply.status == 202, reply.text
    relay()
    return str(reply.json["id"])


def relay() -> None:
    """Put the messages of the circular mails that were ordered on the queue."""
    for key in waiting_on("event_mailings"):
        told(key._asdict())


def announced_to() -> list[str]:
    """Return the ids of the participants to whom circular mails were announced, as often as they were."""
    messages = [item["message"] for item in stored("outbox")]
    return sorted(message["participant_id"] for message in messages if message.get("mailing_id") and message["type"] == "event")
