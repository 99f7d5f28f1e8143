"""Many companies enrol at once under automatic approval: each ends decided once, and what is poison waits apart."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from tests.support.deployed import Deployed, at_once, until
from tests.support.functions import Reply
from tests.support.world import ADDRESS, PASSWORD, Shop

pytestmark = pytest.mark.stack

MANY = 40
"""So many companies, every fourth of which enrols a second time in another letter case."""
POISON = ("no JSON at all", '{"pk": 5}')
# What a message takes that is refused three times, hidden for a minute each time.
UNTIL_APART = 300


def test_of_many_who_enrol_at_once_each_is_decided_about_once_and_poison_waits_apart(shop: Shop, deployed: Deployed) -> None:
    _approving_by_rules(shop)
    emails = [f"r{number}@{'spam' if number % 10 == 1 else shop.slug}.test" for number in range(MANY)]
    again = [email.upper() for email in emails[::4]]
    for body in POISON:
        _told(deployed, body)

    replies = at_once([partial(_enrolled, shop, email) for email in emails + again])
    assert {reply.status for reply in replies} == {202}, Counter(reply.text for reply in replies)
    links = {email: _links(deployed, email) for email in emails}
    pages = at_once([partial(_confirmed, deployed, link) for each in links.values() for link in each])
    assert {page.status for page in pages} == {200}
    until(lambda: _undecided(shop) == 0, "decisions about everybody", seconds=180)

    states = Counter(each["status"] for each in _resellers(shop))
    denied = sum(email.endswith("@spam.test") for email in emails)
    assert states == {"approved": MANY - denied, "denied": denied}
    decided = [[step["to"] for step in each["history"]].count(each["status"]) for each in _resellers(shop)]
    assert decided == [1] * MANY
    assert len(deployed.stored("customer", shop.slug)) == MANY - denied
    until(lambda: _apart(deployed) == len(POISON), "the poison in its queue", seconds=UNTIL_APART)


def test_a_reseller_is_enrolled_approved_and_orders_with_its_key(shop: Shop, deployed: Deployed) -> None:
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Dropship", "price_tier_id": shop.tier_id}).json
    shop.add_product("A-1", 1250, weight_grams=400)
    options = shop.set_checkout_options()
    fee = {"action": "dropship_fee", "amount": {"amount": 150, "currency": "EUR"}, "per": "item"}
    rule = {"kind": "invoicing", "scope": "store", "when": {"always": True}, "then": [fee], "priority": 10}
    assert shop.owner.post("/v1/rules", rule).status == 201
    email = f"rita@{shop.slug}.test"
    assert _enrolled(shop, email).status == 202
    (link,) = _links(deployed, email, expecting=1)
    assert _confirmed(deployed, link).status == 200
    (reseller,) = _resellers(shop)
    approved = shop.owner.post(f"/v1/resellers/{reseller['id']}/approve", {"reason": "Welcome"})
    assert (approved.status, approved.json["channel_id"]) == (200, channel["id"]), approved.text
    path = f"/v1/resellers/{reseller['id']}/api-keys"
    key = shop.owner.post(path, {"name": "ERP", "scopes": ["orders:read", "orders:write", "invoices:read"]})
    assert key.status == 201, key.text
    client = shop.owner.as_(key.json["key"])
    body = {
        "lines": [{"product_number": "A-1", "quantity": 3}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][0]["id"],
    }

    placed = client.post("/v1/orders", body)

    assert (placed.status, placed.json["source"]) == (201, "api"), placed.text
    assert shop.owner.get(f"/v1/resellers/{reseller['id']}").json["status"] == "active"
    until(lambda: bool(client.get("/v1/invoices").json["items"]), "the invoice")
    (invoice,) = client.get("/v1/invoices").json["items"]
    shown = client.get(f"/v1/invoices/{invoice['id']}").json
    assert shown["total"]["amount"] == 3 * 1250 + 590 + 3 * 150 == sum(line["amount"]["amount"] for line in shown["lines"])
    (payment,) = shop.owner.get("/v1/payments").json["items"]
    assert (payment["order_id"], payment["status"]) == (placed.json["id"], "deferred")


def _approving_by_rules(shop: Shop) -> None:
    assert shop.owner.post("/v1/reseller-channels", {"name": "Dropship"}).status == 201
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"auto_approve_resellers": True}, etag=etag).status == 200
    spam = {"field": "email_domain", "op": "eq", "value": "spam.test"}
    deny = {"action": "deny", "reason": "We know this address."}
    rule = {"kind": "approval", "scope": "store", "when": spam, "then": [deny], "priority": 1}
    written = shop.owner.post("/v1/rules", rule)
    assert written.status == 201, written.text


def _enrolled(shop: Shop, email: str) -> Reply:
    body = {
        "company": f"Company of {email.casefold()}",
        "contact": {"name": "Rita Sand", "email": email, "password": PASSWORD},
        "address": ADDRESS,
    }
    return shop.owner.as_(None).post(f"/v1/stores/{shop.slug}/resellers", body)


def _links(deployed: Deployed, email: str, *, expecting: int | None = None) -> list[str]:
    number = expecting or (2 if int(re.findall(r"\d+", email)[0]) % 4 == 0 else 1)
    mails = [*deployed.mails(email, expecting=1)]
    if number > 1:
        mails += deployed.mails(email.upper(), expecting=1)
    return [re.findall(r"/e/([^\s\"<>]+)", mail["text"])[0] for mail in mails]


def _confirmed(deployed: Deployed, token: str) -> Reply:
    answer = deployed.http.post(f"/e/{token}", data={"confirm": "yes"})
    return Reply(answer.status_code, dict(answer.headers), answer.text)


def _resellers(shop: Shop) -> list[Mapping[str, Any]]:
    return list(shop.owner.get("/v1/resellers", limit="100").json["items"])


def _undecided(shop: Shop) -> int:
    return MANY - sum(each["status"] in {"approved", "denied"} for each in _resellers(shop))


def _told(deployed: Deployed, body: str) -> None:
    queue = deployed.stack.outputs["EnrolmentQueueUrl"]
    deployed.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def _apart(deployed: Deployed) -> int:
    queue = deployed.stack.outputs["EnrolmentDeadLetterQueueUrl"]
    asked = deployed.stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    return int(asked["Attributes"]["ApproximateNumberOfMessages"])
