"""A store that sells to a reseller, the rules that bill it, and the queue on which its orders come to be billed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.support.client import Client
from tests.support.functions import run
from tests.support.mail import waiting_on
from tests.support.resellers import EMAIL, Resale, open_resale
from tests.support.table import stored
from tests.support.world import Shop, euros
from tradepost.domain import clock
from tradepost.domain.people import SYSTEM
from tradepost.domain.rule_fields import RuleKind
from tradepost.domain.rules import STORE_SCOPE, Rule, RuleScope, checked, rule_id_of
from tradepost.table.reading import Reader
from tradepost.table.rules import find_set, save_rule
from tradepost.table.shapes import Key, store_owner
from tradepost.table.transaction import Transaction

ALWAYS: Mapping[str, Any] = {"always": True}
_numbers = count(1)


@dataclass(frozen=True)
class Office:
    """A store with two products, a reseller that orders there, and another one."""

    resale: Resale
    reseller_id: str
    customer_id: str
    buyer: Client
    other_id: str
    other_buyer: Client
    options: dict[str, Any]

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.resale.owner

    @property
    def store_id(self) -> str:
        """The store's id."""
        return self.resale.shop.slug

    def place(self, *lines: tuple[str, int], by: Client | None = None, method: int = 0, **fields: Any) -> dict[str, Any]:
        """Let the reseller place an order, by default of two A-1, on net terms, or at once with the second method."""
        body = {
            "lines": [{"product_number": number, "quantity": quantity} for number, quantity in lines or (("A-1", 2),)],
            "shipping_method_id": self.options["shipping_methods"][0]["id"],
            "payment_method_id": self.options["payment_methods"][method]["id"],
            **fields,
        }
        reply = (by or self.buyer).post("/v1/orders", body)
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def step(self, order: dict[str, Any], *steps: str) -> dict[str, Any]:
        """Let the owner move an order on, and return it."""
        for step in steps:
            reply = self.owner.post(f"/v1/orders/{order['id']}/{step}", headers={"If-Match": order["etag"]})
            assert reply.status == 200, reply.text
            order = dict(reply.json)
        return order

    def change(self, order: dict[str, Any], **change: Any) -> dict[str, Any]:
        """Let the owner change an order, and return it."""
        reply = self.owner.patch(f"/v1/orders/{order['id']}", change, etag=order["etag"])
        assert reply.status == 200, reply.text
        return dict(reply.json)

    def credit(self, amount: int, reason: str = "Goodwill") -> None:
        """Let the owner credit the reseller."""
        body = {"amount": euros(amount), "reason": reason}
        reply = self.owner.post(f"/v1/resellers/{self.reseller_id}/credits", body)
        assert reply.status == 201, reply.text

    def balance(self) -> int:
        """Return the reseller's credit balance, which its entries must come to, and must have come to each time."""
        shown = self.owner.get(f"/v1/resellers/{self.reseller_id}/credits").json
        entries = list(reversed(shown["items"]))
        running = 0
        for entry in entries:
            running += entry["amount"]["amount"]
            assert entry["balance"]["amount"] == running >= 0
        assert shown["balance"]["amount"] == running
        return running

    def rule(
        self,
        kind: RuleKind,
        *then: Mapping[str, Any],
        when: Mapping[str, Any] = ALWAYS,
        scope: RuleScope = STORE_SCOPE,
        **fields: Any,
    ) -> Rule:
        """Put a rule into the table."""
        at = clock.now()
        rule = Rule(
            id=rule_id_of(kind, scope, f"{next(_numbers):06}"),
            store_id=self.store_id,
            kind=kind,
            scope=scope,
            priority=fields.pop("priority", 10),
            when=ALWAYS,
            then=(),
            created_at=at,
            updated_at=at,
            **fields,
        )
        rule = checked(rule, {"when": when, "then": list(then)}, currency="EUR")
        tx = Transaction(store_owner(self.store_id), SYSTEM, SYSTEM, at)
        saved = save_rule(tx, rule, among=find_set(Reader(), self.store_id, kind, scope))
        tx.commit()
        return saved

    def invoices(self, order: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the bills, of one order or of all, in the order of their numbers; each adds up to its total."""
        found = [each for each in stored("invoice") if order is None or each["order_id"] == order["id"]]
        for each in found:
            assert sum(line["amount"]["amount"] for line in each["lines"]) == each["total"]["amount"]
        return sorted(found, key=lambda each: (each["number"].partition("-")[2], each["kind"]))

    def payment(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """Return an order's payment; None if there is none."""
        return next((each for each in stored("payment") if each["id"] == order["id"]), None)


def open_office(shop: Shop) -> Office:
    """Fill a store: A-1 at 12.50, B-2 at 0.99, and two resellers that are approved."""
    resale = open_resale(shop)
    tier = {"price_tier_id": shop.tier_id}
    etag = shop.owner.get(f"/v1/reseller-channels/{resale.channel_id}").json["etag"]
    reply = shop.owner.patch(f"/v1/reseller-channels/{resale.channel_id}", tier, etag=etag)
    assert reply.status == 200, reply.text
    shop.add_product("A-1", 1250, weight_grams=400)
    shop.add_product("B-2", 99)
    etag = shop.owner.get("/v1/checkout-options").json["etag"]
    options = shop.owner.put(
        "/v1/checkout-options",
        {
            "shipping_methods": [{"name": "Parcel", "cost": euros(590)}],
            "payment_methods": [{"name": "30 days", "kind": "net_terms"}, {"name": "Card", "kind": "instant"}],
        },
        etag=etag,
    ).json
    one, other = resale.approved(), resale.approved("ros@other.test")
    return Office(
        resale,
        one["id"],
        one["customer_id"],
        resale.login(EMAIL),
        other["id"],
        resale.login("ros@other.test"),
        dict(options),
    )


def runs() -> list[Key]:
    """Return the keys of what waits for the rules, in the order in which it was announced."""
    return waiting_on("rules")


def consume(keys: Iterable[Key]) -> list[str]:
    """Hand messages to the consumer, in one batch; returns which of them it wants to see again."""
    records = [{"messageId": str(index), "body": json.dumps(key._asdict())} for index, key in enumerate(keys)]
    answer = run("billing/process_order_rules", {"Records": records})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def work() -> None:
    """Let the consumer have what waits, and what comes of it."""
    for _ in range(5):
        keys = runs()
        if not keys:
            return
        assert consume(keys) == []


def expect_gapless() -> None:
    """Expect that the numbers of each series are 1, 2, 3 and so on, each once, and counted as such."""
    counted = {each["sk"]: int(each["tally"]) for each in stored("invoice_numbers")}
    for kind, series in (("invoice", "INV"), ("credit_note", "CN")):
        numbers = sorted(each["number"] for each in stored("invoice") if each["kind"] == kind)
        assert numbers == [f"{series}-{number:06}" for number in range(1, len(numbers) + 1)]
        assert counted.get(series, 0) == len(numbers)
