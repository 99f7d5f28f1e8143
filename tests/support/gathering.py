"""Events and whoever takes part: what the tests of them begin with."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import Team
from tradepost.domain import clock
from tradepost.domain.clock import stamp


@dataclass(frozen=True)
class Gathering:
    """A team, and what it does with events."""

    team: Team

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.team.market.owner

    @property
    def buyer(self) -> Client:
        """Somebody who buys for the first customer."""
        return self.team.market.buyer

    def body(self, **fields: Any) -> dict[str, Any]:
        """Return an event as it is sent: in a month, for two hours, in a place."""
        starts_at = clock.now() + timedelta(days=30)
        times = {"starts_at": stamp(starts_at), "ends_at": stamp(starts_at + timedelta(hours=2))}
        return {"title": "Spring tasting", "place": "Harbour Street 5", **times, **fields}

    def draft(self, by: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Draft an event, as the owner unless told otherwise."""
        reply = (by or self.owner).post("/v1/events", self.body(**fields))
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def publish(self, by: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Publish an event, as the owner unless told otherwise."""
        published = self.step(self.draft(by, **fields), "publish", by=by)
        assert published.status == 200, published.text
        return dict(published.json)

    def step(self, event: dict[str, Any], step: str, *, by: Client | None = None) -> Reply:
        """Make one move with the event's etag."""
        headers = {"If-Match": event["etag"]}
        return (by or self.owner).post(f"/v1/events/{event['id']}/{step}", headers=headers)

    def change(self, event: dict[str, Any], *, by: Client | None = None, etag: str = "*", **fields: Any) -> Reply:
        """Change an event, whatever it is by now unless told otherwise."""
        return (by or self.owner).patch(f"/v1/events/{event['id']}", fields, etag=etag)

    def show(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event as it is now."""
        return dict(self.owner.get(f"/v1/events/{event['id']}").json)

    def try_registering(self, event: dict[str, Any], name: str, *, by: Client | None = None, **fields: Any) -> Reply:
        """Try to register somebody of the first customer, as its buyer unless told otherwise."""
        body = {"name": name, "email": f"{name.lower()}@bluedoor.test", **fields}
        return (by or self.buyer).post(f"/v1/events/{event['id']}/participants", body)

    def register(self, event: dict[str, Any], *names: str, by: Client | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Register people one after the other, and return them."""
        replies = [self.try_registering(event, name, by=by, **fields) for name in names]
        assert {reply.status for reply in replies} == {201}, [reply.text for reply in replies]
        return [dict(reply.json) for reply in replies]

    def cancel(self, participant: dict[str, Any], *, by: Client | None = None, etag: str = "*") -> Reply:
        """Cancel for somebody, whatever became of the registration unless told otherwise."""
        path = f"/v1/events/{participant['event_id']}/participants/{participant['id']}"
        return (by or self.buyer).delete(path, etag=etag)

    def states(self, event: dict[str, Any]) -> dict[str, str]:
        """Return the states of an event's participants, by name."""
        listed = self.owner.get(f"/v1/events/{event['id']}/participants", limit="100").json["items"]
        return {participant["name"]: participant["state"] for participant in listed}

    def line(self, event: dict[str, Any]) -> list[str]:
        """Return who waits for a place, the first in line first."""
        listed = self.owner.get(f"/v1/events/{event['id']}/participants", state="waiting", limit="100").json["items"]
        assert sorted(waiting["place_in_line"] for waiting in listed) == list(range(1, len(listed) + 1))
        return [waiting["name"] for waiting in sorted(listed, key=lambda waiting: waiting["place_in_line"])]
