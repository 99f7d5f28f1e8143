"""Activity for the tests: a store where everything is at hand that can be recorded, and what was recorded of it."""

from dataclasses import dataclass
from typing import Any

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.gathering import Gathering
from tests.support.offering import Bargain
from tests.support.ordering import open_market, open_team
from tests.support.reps import Rep
from tests.support.table import records
from tests.support.world import open_shop
from tradepost.domain.people import Member
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record


@dataclass(frozen=True)
class Scene:
    """Ida buys for Blue Door, which is allocated to Rhea: an open offer, an order, and an event wait for her."""

    bargain: Bargain
    offer: dict[str, Any]
    order: dict[str, Any]
    event: dict[str, Any]

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.bargain.market.owner

    @property
    def ida(self) -> Client:
        """The buyer."""
        return self.bargain.buyer

    @property
    def ida_id(self) -> str:
        """Her place in the store."""
        return self.bargain.team.employee_id

    @property
    def customer_id(self) -> str:
        """The customer she buys for."""
        return str(self.bargain.market.customer["id"])

    @property
    def rhea(self) -> Rep:
        """The sales rep who looks after it."""
        return self.bargain.rep

    def track(self, *, on: bool = True) -> None:
        """Switch the store's setting."""
        self.bargain.team.set_store(track_activity=on)

    def begin(self) -> None:
        """Let the store track activity, and Ida and Rhea allow it."""
        self.track()
        allow(self.ida)
        allow(self.rhea.client)

    def tell(self, *activities: dict[str, Any], by: Client | None = None, key: str = "") -> Reply:
        """Let a portal tell what its user did, Ida unless told otherwise."""
        return (by or self.ida).post("/v1/activities", {"activities": list(activities)}, key=key)


def set_scene(api: Client) -> Scene:
    """Open the store, and let its people join. Nothing is tracked yet."""
    bargain = Bargain(open_team(open_market(open_shop(api))))
    event = Gathering(bargain.team).publish()
    return Scene(bargain, bargain.open(), bargain.market.place(), event)


def allow(client: Client, *, allowed: bool = True) -> None:
    """Let somebody decide on the tracking of its activity."""
    reply = client.put("/v1/me/activity-consent", {"allowed": allowed})
    assert reply.status == 200, reply.text


def recorded() -> list[Record]:
    """Return the items of what was recorded, in the order of its recording."""
    return sorted(records("activity"), key=lambda record: record.sk)


def in_short(record: Record) -> tuple[str | None, ...]:
    """Return who did what, as whom, for which customer, to what, and what was said of it; the item does not name who did."""
    activity = record.document()
    actor_id, subject = activity["actor"]["id"], activity["subject"]["name"]
    assert activity["actor"] == {"type": "member", "id": actor_id, "name": None}
    actor = Reader().get(member_key(actor_id, activity["store_id"]), Member).name
    return (
        activity["type"],
        actor,
        subject,
        activity["customer_id"],
        activity["reference_type"],
        activity["reference_id"],
        activity["comment"],
    )
