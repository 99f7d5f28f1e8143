"""A circular mail on a deployed stack: it reaches everybody once though its function is killed, and stops with its event."""

from collections import Counter
from functools import partial
from itertools import batched
from typing import Any

import pytest

from tests.support.deployed import Deployed, at_once, until
from tests.support.event_mailings import item_of, participant_of
from tests.support.world import Shop

pytestmark = pytest.mark.stack

COUNT = 60
MANY = 800
WORDS = {"subject": "About {{ event.title }}", "text": "Dear {{ name }},\n\nbring a coat."}


def test_everybody_is_mailed_once_although_the_function_is_killed(shop: Shop, deployed: Deployed) -> None:
    path = published(shop)
    event_id = path.rpartition("/")[2]
    people = [participant_of(shop, event_id, number) for number in range(MANY)]
    for some in batched(people, 25, strict=False):
        puts = [{"PutRequest": {"Item": item_of(each).to_dynamodb_dict()}} for each in some]
        deployed.stack.client("dynamodb").batch_write_item(RequestItems={deployed.stack.outputs["TableName"]: puts})
    ordered = shop.owner.post(f"{path}/mailings", WORDS)
    assert ordered.status == 202, ordered.text
    mailing = f"{path}/mailings/{ordered.json['id']}"
    until(partial(_is, shop, mailing, "running"), "progress")
    assert deployed.stack.kill("ProcessEventMailingFunction") > 0
    assert _is(shop, mailing, "running"), "killed too late: there were too few"
    until(partial(_is, shop, mailing, "done"), "the end", seconds=180)
    shown = shop.owner.get(mailing).json
    assert (shown["total"], shown["queued"], shown["progress"]) == (MANY, MANY, 1)
    announced = Counter(item["message"].get("participant_id") for item in deployed.stored("outbox", shop.slug))
    assert {announced[each.id] for each in people} == {1}


def test_cancelling_while_a_mailing_runs_stops_it_and_tells_everybody(shop: Shop, deployed: Deployed) -> None:
    path = published(shop)
    people = registered(shop, path)
    deployed.settle(shop.slug)
    etag = shop.owner.get(path).headers["etag"]
    mailing = shop.owner.post(f"{path}/mailings", WORDS).json
    cancelled = shop.owner.post(f"{path}/cancel", headers={"If-Match": etag})
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled"), cancelled.text
    stopped = shop.owner.get(f"{path}/mailings/{mailing['id']}").json
    assert stopped["status"] in {"cancelled", "done"}
    until(partial(_told_of_end, shop, path), "the end", seconds=180)
    until(
        lambda: all(item["status"] != "queued" for item in deployed.stored("outbox", shop.slug)), "an empty outbox", seconds=180
    )
    for email in people:
        subjects = Counter(mail["subject"] for mail in deployed.stack.mails(email))
        assert subjects["Cancelled: Spring tasting"] == 1
        assert subjects["About Spring tasting"] <= 1
    late = Counter(each["subject"] for email in people for each in deployed.stack.mails(email))["About Spring tasting"]
    assert late <= stopped["queued"] or stopped["status"] == "cancelled"


def published(shop: Shop) -> str:
    """Publish an event; returns its path."""
    body = {
        "title": "Spring tasting",
        "text": "",
        "place": "Harbour Street 5",
        "starts_at": "2031-03-01T18:00:00Z",
        "ends_at": "2031-03-01T20:00:00Z",
        "waiting_list": False,
    }
    drafted = shop.owner.post("/v1/events", body)
    assert drafted.status == 201, drafted.text
    path = f"/v1/events/{drafted.json['id']}"
    reply = shop.owner.post(f"{path}/publish", headers={"If-Match": drafted.headers["etag"]})
    assert reply.status == 200, reply.text
    return path


def registered(shop: Shop, path: str) -> list[str]:
    """Register people of a customer, ten at a time; returns their addresses."""
    customer = shop.add_customer("Blue Door", f"office@{shop.slug}.test")["id"]
    people = [f"p{number}@{shop.slug}.test" for number in range(COUNT)]
    calls = [partial(_register, shop, path, customer, email) for email in people]
    replies = at_once(calls, width=10)
    assert {reply.status for reply in replies} == {201}, replies[0].text
    return people


def _register(shop: Shop, path: str, customer: str, email: str) -> Any:
    return shop.owner.post(f"{path}/participants", {"name": "Guest", "email": email, "customer_id": customer})


def _is(shop: Shop, path: str, status: str) -> bool:
    return bool(shop.owner.get(path).json["status"] == status)


def _told_of_end(shop: Shop, path: str) -> bool:
    items = shop.owner.get(f"{path}/mailings").json["items"]
    return {item["kind"]: item["status"] for item in items}.get("cancellation") == "done"
