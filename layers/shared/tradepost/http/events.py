"""Events: how those who wait for a place move up, whoever makes room for them."""

from typing import Final

from tradepost.domain.events import Event, Participant, stepped
from tradepost.http.callers import CallerInfo
from tradepost.http.orders import deed
from tradepost.table.events import first_in_line, overtaken, tell
from tradepost.table.transaction import Transaction

CROWD: Final = 16
"""How often something is decided about an event that others register for at the same moment."""
_AT_ONCE: Final = 20
"""How many move up in one transaction, which writes four items for each."""


def next_up(tx: Transaction, event: Event, caller: CallerInfo, *, leaving: Participant | None = None) -> list[Participant]:
    """Return the first ones in line with places, as many as there is room for and as fit into one transaction, and tell them.

    `event` is as it is without whoever is `leaving`. Calls: none if nobody moves up, otherwise a Query and a BatchGetItem.
    """
    room = min(event.promotable_at(caller.at), _AT_ONCE)
    if not room:
        return []
    line = first_in_line(caller.reader, event.store_id, event.id, most=room + 1 if leaving else room)
    waiting = [participant for participant in line if leaving is None or participant.id != leaving.id]
    if not waiting:
        raise overtaken()
    promoted = [stepped(participant, "move_up", event, by=deed(tx)) for participant in waiting[:room]]
    for participant in promoted:
        tx.audit("event_participant:moved_up", participant.id, event=event.id)
        tell(tx, participant, "moved_up")
    return promoted
