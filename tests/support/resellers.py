"""A store that resellers enrol with: channels, applications that await a decision, and rules, put where use cases keep them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.client import Client
from tests.support.functions import run
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop
from tradepost.domain import clock
from tradepost.domain.customers import PostalAddress, ResellerStatus
from tradepost.domain.ids import person_key
from tradepost.domain.outbox import EnrolmentRun
from tradepost.domain.passwords import hash_password
from tradepost.domain.people import SYSTEM, Account, Party
from tradepost.domain.resellers import Application, Contact, Reseller, ResellerStep
from tradepost.domain.rules import STORE_SCOPE, Rule, RuleScope, checked, rule_id_of
from tradepost.table.people import save_account
from tradepost.table.reading import Reader
from tradepost.table.resellers import save_reseller
from tradepost.table.rules import find_set, save_rule
from tradepost.table.shapes import ACCOUNT, Key, store_owner
from tradepost.table.transaction import Transaction

EMAIL = "rea@resell.test"
ADDRESS = PostalAddress(street="Quay 9", postal_code="20457", city="Hamburg", country="DE")


def _begin(store_id: str, actor: Party = SYSTEM) -> Transaction:
    return Transaction(store_owner(store_id), actor, actor, clock.now())


def enrolled(
    store_id: str,
    email: str = EMAIL,
    *,
    company: str = "Resell & Sons",
    status: ResellerStatus = "pending",
    announced: bool = False,
    **fields: Any,
) -> str:
    """Put a reseller into the table that has confirmed its address, and its contact's account; returns its id."""
    at, reseller_id = clock.now(), person_key(email)
    application = Application(company=company, contact=Contact(name="Rea Sell", email=email), address=ADDRESS, **fields)
    step = ResellerStep(at=at, actor=SYSTEM, from_status="unconfirmed", to=status)
    reseller = Reseller(
        id=reseller_id,
        store_id=store_id,
        application=application,
        status=status,
        enrolled_at=at,
        confirmed_at=None if status == "unconfirmed" else at,
        history=() if status == "unconfirmed" else (step,),
    )
    tx = _begin(store_id)
    save_reseller(tx, reseller)
    if Reader().record(ACCOUNT.key(person=reseller_id)) is None:
        save_account(
            tx,
            Account(
                person=reseller_id,
                email=email,
                name="Rea Sell",
                password_hash=_hashed(),
                sessions_valid_from=at,
                created_at=at,
            ),
        )
    if announced:
        tx.announce(EnrolmentRun(store_id=store_id, reseller_id=reseller_id))
    tx.commit()
    return reseller_id


@cache
def _hashed() -> str:
    return hash_password(PASSWORD)


def write_rule(
    store_id: str, action: str, when: Mapping[str, Any], *, reason: str | None = None, priority: int = 10, **fields: Any
) -> Rule:
    """Put an approval rule of the store, or of one reseller, into the table."""
    scope: RuleScope = fields.pop("scope", STORE_SCOPE)
    at = clock.now()
    rule = Rule(
        id=rule_id_of("approval", scope, f"{priority:04}"),
        store_id=store_id,
        kind="approval",
        scope=scope,
        priority=priority,
        when={"always": True},
        then=(),
        created_at=at,
        updated_at=at,
        **fields,
    )
    then = [{"action": action, **({"reason": reason} if reason else {})}]
    rule = checked(rule, {"when": when, "then": then}, currency="EUR")
    tx = _begin(store_id)
    saved = save_rule(tx, rule, among=find_set(Reader(), store_id, "approval", scope))
    tx.commit()
    return saved


def announce(store_id: str, reseller_id: str) -> Key:
    """Let the rules decide about a reseller once more; returns the message's key."""
    tx = _begin(store_id)
    item_id = tx.announce(EnrolmentRun(store_id=store_id, reseller_id=reseller_id))
    tx.commit()
    [key] = [Key(item["pk"], item["sk"]) for item in stored("outbox") if item["id"] == item_id]
    return key


def consume(bodies: Iterable[str]) -> list[str]:
    """Hand messages to the consumer, in one batch; returns which of them it wants to see again."""
    records = [{"messageId": str(index), "body": body} for index, body in enumerate(bodies)]
    answer = run("resellers/decide_enrolment", {"Records": records})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def decide(*keys: Key) -> list[str]:
    """Hand outbox items to the consumer."""
    return consume(json.dumps(key._asdict()) for key in keys)


@dataclass(frozen=True)
class Resale:
    """A store with one reseller channel."""

    shop: Shop
    channel_id: str

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.shop.owner

    def add_channel(self, name: str, **fields: Any) -> str:
        """Create another channel; returns its id."""
        reply = self.owner.post("/v1/reseller-channels", {"name": name, **fields})
        assert reply.status == 201, reply.text
        return str(reply.json["id"])

    def set_store(self, **settings: Any) -> None:
        """Change settings of the store."""
        reply = self.owner.patch("/v1/store", settings, etag=self.owner.get("/v1/store").json["etag"])
        assert reply.status == 200, reply.text

    def approved(self, email: str = EMAIL, **body: Any) -> dict[str, Any]:
        """Enrol a reseller and approve it."""
        reply = self.owner.post(f"/v1/resellers/{enrolled(self.shop.slug, email)}/approve", body)
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def decide(self, reseller_id: str, move: str, **body: Any) -> dict[str, Any]:
        """Decide about a reseller by hand."""
        reply = self.owner.post(f"/v1/resellers/{reseller_id}/{move}", body or None)
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def login(self, email: str = EMAIL) -> Client:
        """Log a reseller's contact in."""
        reply = self.owner.as_(None).post("/v1/sessions", {"email": email, "password": PASSWORD, "store": self.shop.slug})
        assert reply.status == 201, reply.text
        return self.owner.as_(reply.json["token"])

    def show(self, reseller_id: str) -> dict[str, Any]:
        """Show a reseller as its store sees it."""
        return dict(self.owner.get(f"/v1/resellers/{reseller_id}").json)


def open_resale(shop: Shop) -> Resale:
    """Give a store its first channel."""
    reply = shop.owner.post("/v1/reseller-channels", {"name": "Shops"})
    assert reply.status == 201, reply.text
    return Resale(shop, reply.json["id"])
