"""Somebody of whom a store holds whatever it can hold of a person: what the tests of archives and of erasure begin with."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import botocore.session

from tests.conftest import Clock
from tests.support.api_keys import reseller_of
from tests.support.client import Client
from tests.support.offering import Bargain
from tests.support.ordering import Market, Team, open_market, open_team
from tests.support.queues import ERASURES, Worker, create_erasures_queue
from tests.support.table import records, stored
from tests.support.world import PASSWORD, Shop
from tradepost.aws import exports as files
from tradepost.domain import clock
from tradepost.domain.activities import Activity
from tradepost.domain.clock import stamp
from tradepost.domain.exports import Export, OrderFilters, PersonFilters
from tradepost.domain.outbox import Erasure, OutboxItem
from tradepost.domain.people import Member
from tradepost.domain.stores import Store
from tradepost.exports.erasing import erase_person
from tradepost.table.activities import activity_record
from tradepost.table.erasures import Whose
from tradepost.table.exports import claim_request, save_export
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import store_owner
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

NAME: Final = "Umberta Quill"
EMAIL: Final = "Umberta.Quill@bluedoor.test"
PHONE: Final = "+49 40 5550199"

_worker = Worker(ERASURES, "activity/erase_activity")


@dataclass(frozen=True)
class Life:
    """Umberta, who buys for Blue Door as its second administrator, and has left her traces everywhere."""

    team: Team
    id: str
    client: Client
    ids: dict[str, str]

    @property
    def market(self) -> Market:
        """The store and its buyers."""
        return self.team.market

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.team.market.owner

    @property
    def member(self) -> Member:
        """The place as it is stored."""
        return Reader().get(member_key(self.id, "acme"), Member)

    def erase(self, by: Client | None = None) -> Any:
        """Let the owner erase her, or whoever it is."""
        return (by or self.owner).post(f"/v1/members/{self.id}/erasure", {"reason": "Asked by letter"})


def joined(shop: Shop, customer_id: str, name: str, email: str, *, role: str = "buyer", phone: str | None = None) -> Client:
    """Let an employee be added, invited and join."""
    body = {"name": name, "email": email, "role": role, "send_invitation": True, **({"phone": phone} if phone else {})}
    added = shop.owner.post(f"/v1/customers/{customer_id}/employees", body)
    assert added.status == 201, added.text
    link = shop.owner.get(f"/v1/invitations/{added.json['invitation']['id']}").json["link"].rpartition("/i/")[2]
    accepted = shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", {"password": PASSWORD})
    assert accepted.status == 201, accepted.text
    return shop.owner.as_(accepted.json["token"])


def live(shop: Shop) -> Life:
    """Let somebody do in a store whatever people do."""
    market = open_market(shop)
    team = open_team(market)
    bargain = Bargain(team)
    customer_id = market.customer["id"]
    umberta = joined(shop, customer_id, NAME, EMAIL, role="admin", phone=PHONE)
    member_id = umberta.get("/v1/me").json["id"]
    assert umberta.put("/v1/me/activity-consent", {"allowed": True}).status == 200
    assert shop.owner.as_(None).post("/v1/sessions", {"email": EMAIL, "password": PASSWORD, "store": "acme"}).status == 201
    colleague = {"name": "Cora", "email": "cora@bluedoor.test", "role": "buyer", "send_invitation": True}
    assert umberta.post(f"/v1/customers/{customer_id}/employees", colleague).status == 201
    order = market.place(buyer=umberta)
    fast = team.place(employee_id=member_id)
    begun = {"customer_id": customer_id, "employee_id": member_id, "reason": "Asked by telephone", "minutes": 60}
    started = team.rep.client.post("/v1/acting-sessions", begun)
    acted = market.place(buyer=shop.owner.as_(started.json["token"]))
    asked = bargain.ask(by=umberta)
    offer = bargain.open()
    accepted = umberta.post(
        f"/v1/offers/{offer['id']}/accept", {"version": 1, "optional_lines": []}, headers={"If-Match": offer["etag"]}
    )
    assert accepted.status == 200, accepted.text
    open_offer = bargain.open(mail_to=[EMAIL])
    assert umberta.get(f"/v1/offers/{open_offer['id']}").status == 200
    key = f"/v1/resellers/{reseller_of(shop, customer_id)}/api-keys"
    assert umberta.post(key, {"name": "Web shop", "scopes": []}).status == 201
    events = _events(team, umberta)
    ids = {
        "order": order["id"],
        "fast": fast["id"],
        "acted": acted["id"],
        "asked": asked["id"],
        "accepted": offer["id"],
        "open": open_offer["id"],
        **events,
    }
    return Life(team, member_id, umberta, ids)


def _events(team: Team, umberta: Client) -> dict[str, str]:
    """Register her for a full event in 20 days, where Una of her company waits, and for one in 10 days."""
    owner = team.market.owner
    ids = {}
    for name, days, limit in (("coming", 20, {"participant_limit": 1, "waiting_list": 5}), ("past", 10, {})):
        soon = clock.now() + timedelta(days=days)
        times = {"starts_at": stamp(soon), "ends_at": stamp(soon + timedelta(hours=2))}
        event = owner.post("/v1/events", {"title": "Meet the makers", "place": "Harbour Street 5", **times, **limit})
        published = owner.post(f"/v1/events/{event.json['id']}/publish", headers={"If-Match": event.headers["etag"]})
        assert published.status == 200, published.text
        for who in ({"name": NAME, "email": EMAIL.lower(), "phone": PHONE}, {"name": "Una", "email": "una@bluedoor.test"}):
            assert umberta.post(f"/v1/events/{event.json['id']}/participants", who).status == 201
        ids[name] = event.json["id"]
    return ids


def exported(life: Life, *, by: str, export_id: str, about: str | None = None, done: bool = False) -> Export:
    """Put an export into the table, of orders or, about somebody, an archive; one that is `done` has a file."""
    at = clock.now()
    requester = Reader().get(member_key(by, "acme"), Member)
    filters = PersonFilters(member_id=about) if about else OrderFilters()
    export = Export(
        id=export_id,
        store_id="acme",
        kind="person" if about else "orders",
        filters=filters,
        begin=datetime(2026, 1, 1, tzinfo=UTC),
        end=at,
        time_zone="Europe/Berlin",
        file_name=f"acme-{NAME}.zip",
        filters_in_words=(f"About {NAME}",),
        fingerprint=f"asked-{export_id}",
        requested_by=requester.party,
        member_id=by,
        requested_at=at,
        **({"status": "done", "generated_at": at, "ended_at": at} if done else {}),
    )
    tx = Transaction(store_owner("acme"), requester.party, requester.party, at)
    if not done:
        claim_request(tx, export, instead_of=None)
    export = save_export(tx, export)
    tx.commit()
    if done:
        files.write_file(files.file_key("acme", export_id), NAME.encode())
    return export


def keep_files() -> None:
    """Create the bucket of exports."""
    files._client.cache_clear()
    region = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    _s3().create_bucket(Bucket=os.environ["EXPORTS_BUCKET"], CreateBucketConfiguration=region)


def kept_files() -> set[str]:
    """Return the names of the files in the bucket of exports."""
    listed = _s3().list_objects_v2(Bucket=os.environ["EXPORTS_BUCKET"])
    return {found["Key"] for found in listed.get("Contents", ())}


@cache
def _s3() -> Any:
    return botocore.session.get_session().create_client("s3")


def active(life: Life, *, count: int = 3) -> list[Activity]:
    """Keep some activities of hers, a minute apart, under the consent that she has given."""
    store, member = Reader().get(store_key("acme"), Store), life.member
    found = []
    for number in range(count):
        at = clock.now() - timedelta(minutes=count - number)
        found.append(
            Activity(
                id=f"01kb00000000000000000000a{number}",
                store_id="acme",
                member_id=member.id,
                customer_id=member.customer_id,
                type="searched",
                comment=f"=lamp {number}",
                at=at,
                recorded_at=at,
                source="server",
                actor=member.party,
                subject=member.party,
                consent=member.consent,
            )
        )
    with Record.batch_write() as batch:
        for activity in found:
            batch.save(activity_record(activity, store))
    return found


def erasures() -> list[Erasure]:
    """Return the erasures of people that were announced."""
    items = [record.load(OutboxItem).message for record in records("outbox")]
    return [message for message in items if isinstance(message, Erasure) and message.person]


def naming(*words: str) -> dict[str, set[str]]:
    """Return which kinds of items of the whole table hold any of some words, in any letter case, and their keys."""
    found: dict[str, set[str]] = {}
    for item in stored():
        text = str(item).casefold()
        if any(word.casefold() in text for word in words):
            found.setdefault(str(item["entity"]), set()).add(str(item["pk"]))
    return found


def traces() -> dict[str, set[str]]:
    """Return which items hold her name, her address or her telephone number."""
    return naming(NAME, EMAIL, PHONE)


def in_background(time: Clock, *, days: int = 0, of: str | None = None) -> int:
    """Let the consumer carry out the erasure that was announced, some days from now; returns in how many runs.

    `of` is whose, where those of several people were announced.
    """
    create_erasures_queue()
    wanted = [erasure for erasure in erasures() if of in {None, erasure.member_id}]
    (key,) = [record.key for record in records("outbox") if record.load(OutboxItem).message in wanted]
    time.advance(days=days, minutes=1)
    _worker.told(key._asdict())
    return _worker.work()


def with_deaths(deaths: int) -> None:
    """Carry out the erasure a page at a time by workers that die, without a word of how far they got, ever later."""
    (erasure,) = erasures()
    whose = Whose.of(erasure.member_id, at=clock.now())
    for death in range(deaths):
        reached = None
        for _ in range(2 * death + 1):
            reached = erase_person(erasure.model_copy(update={"reached": reached}), whose, has_time=lambda: False)
            if reached is None:
                return


def archived_for_casting(buyer: Client) -> str:
    """Return an archive that a buyer has asked for about itself."""
    asked = buyer.post("/v1/me/archives")
    assert asked.status == 202, asked.text
    return str(asked.json["id"])
