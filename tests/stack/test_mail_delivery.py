"""Mail arrives although SES, the consumer and the relay fail; what never arrives waits where an operator finds it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.deployed import Deployed, until
from tests.support.world import Shop
from tradepost.domain import clock
from tradepost.domain.clock import stamp
from tradepost.table.outbox import LEASE
from tradepost.table.shapes import OUTBOX

pytestmark = pytest.mark.stack

EVENTS = {
    "Delivery": ("delivered", False),
    "SoftBounce": ("bounced", False),
    "Bounce": ("bounced", True),
    "Complaint": ("complained", True),
}
NAMES = ("fine", "throttled", "rejected", "unavailable", "killed", "doomed")
FINE, THROTTLED, REJECTED, UNAVAILABLE, KILLED, DOOMED = (f"{name}@delivery.test" for name in NAMES)
FAULTS = {THROTTLED: "throttled", REJECTED: "rejected", UNAVAILABLE: "unavailable"}
# As deployed, only sooner: a message is hidden until the claim of a consumer that died is over, though it may have been made
# some time after the message was received; and it is given up after its second failure.
HIDDEN_SECONDS = int(LEASE.total_seconds()) + 15
TRIES = 2
PATIENCE_SECONDS = 2 * TRIES * HIDDEN_SECONDS


def test_every_mail_arrives_whatever_befalls_ses_and_the_consumer(shop: Shop, deployed: Deployed) -> None:
    customers = {address: shop.add_customer(address, address) for address in (FINE, *FAULTS, KILLED, DOOMED)}
    for address, fault in FAULTS.items():
        _let_fail(deployed, address, fault)
    deployed.ses.begin(KILLED, "silent")
    with _impatient_mail_queue(deployed):
        with _paused_consumer(deployed):
            shop.owner.post("/v1/invitations", {"customer_ids": [each["id"] for each in customers.values()]})
            message = _spoil(deployed, shop, customers[DOOMED])

        # SES has taken the mail, and the consumer dies before it can note that.
        deployed.mails(KILLED, expecting=1)
        until(lambda: all(deployed.ses.attempts(address) for address in FAULTS), "SES to be asked")
        assert deployed.stack.kill("SendMailFunction") > 0
        assert {_delivery(shop, customers[address]) for address in (KILLED, *FAULTS)} == {"queued"}
        links = {address: _link_told(shop, customers[address]) for address in FAULTS}
        deployed.ses.end(KILLED)
        for address in FAULTS:
            _let_fail(deployed, address, None)

        for address in (FINE, *FAULTS, KILLED):
            until(partial(_is, "sent", shop, customers[address]), f"the mail to {address}", seconds=PATIENCE_SECONDS)
        # What nobody foresaw ends in the dead-letter queue; what SES refused for a while never does.
        until(lambda: _waiting(deployed, "MailDeadLetterQueueUrl") == 1, "the dead-letter queue", seconds=PATIENCE_SECONDS)

    for address in (FINE, *FAULTS):
        assert len(deployed.mails(address, expecting=1)) == 1
    assert {address: _link(deployed.stack.mails(address)[0]) for address in FAULTS} == links
    mails = deployed.mails(KILLED, expecting=1)
    assert len(mails) <= 2
    assert len({_link(mail) for mail in mails}) == 1
    assert deployed.http.get(_link(mails[-1])).status_code == 200
    assert deployed.stack.mails(DOOMED) == []
    assert _delivery(shop, customers[DOOMED]) == "queued"

    # An operator moves the messages back once the cause is mended.
    _mend(deployed, message)
    _redrive(deployed)
    assert len(deployed.mails(DOOMED, expecting=1)) == 1
    until(partial(_is, "sent", shop, customers[DOOMED]), "the note of it")
    deployed.settle(shop.slug)
    assert _waiting(deployed, "MailQueueUrl") == _waiting(deployed, "MailDeadLetterQueueUrl") == 0


def test_an_outage_of_ses_delays_every_mail_and_loses_none(shop: Shop, deployed: Deployed) -> None:
    addresses = [f"buyer{number}@outage.test" for number in range(12)]
    customers = [shop.add_customer(address, address) for address in addresses]
    nonsense = deployed.http.post("/_mail/faults", json={"address": "*", "fault": "tired"})
    assert nonsense.status_code == 422
    _let_fail(deployed, "*", "throttled")
    try:
        shop.owner.post("/v1/invitations", {"customer_ids": [each["id"] for each in customers]})
        until(lambda: all(deployed.ses.attempts(address) for address in addresses), "SES to be asked for each")
        assert [deployed.stack.mails(address) for address in addresses] == [[]] * len(addresses)
    finally:
        _let_fail(deployed, "*", None)
    for customer in customers:
        until(partial(_is, "sent", shop, customer), "the mails to arrive", seconds=60)
    assert [len(deployed.stack.mails(address)) for address in addresses] == [1] * len(addresses)
    deployed.settle(shop.slug)
    until(lambda: _waiting(deployed, "MailQueueUrl") == 0, "the queue to be empty")
    assert _waiting(deployed, "MailDeadLetterQueueUrl") == 0


def test_what_ses_tells_of_a_mail_reaches_its_invitation(shop: Shop, deployed: Deployed) -> None:
    customers = {event: shop.add_customer(event, f"{event.lower()}@events.test") for event in EVENTS}
    shop.owner.post("/v1/invitations", {"customer_ids": [each["id"] for each in customers.values()]})
    for event, (becomes, suppresses) in EVENTS.items():
        customer = customers[event]
        (mail,) = deployed.mails(customer["email"], expecting=1)
        until(partial(_is, "sent", shop, customer), "the note of the mail")
        for _ in range(2):
            assert deployed.http.post(f"/_mail/{mail['id']}/events", data={"event": event}).status_code == 303
        until(partial(_is, becomes, shop, customer), f"{event} to be noted")
        # A bounce that came before is not taken back by a delivery that is told late
        deployed.http.post(f"/_mail/{mail['id']}/events", data={"event": "Delivery"})
        shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
        anew = shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]]}).json["results"][0]
        assert anew["reason"] == ("address_suppressed" if suppresses else None)

    # A new address lifts it
    bounced = shop.owner.get(f"/v1/customers/{customers['Bounce']['id']}").json
    assert bounced["invitation"]["delivery"] == "bounced"
    change = {"email": "mended@events.test"}
    assert shop.owner.patch(f"/v1/customers/{bounced['id']}", change, etag=bounced["etag"]).status == 200
    anew = shop.owner.post("/v1/invitations", {"customer_ids": [bounced["id"]]}).json["results"][0]
    assert anew["reason"] is None
    assert len(deployed.mails("mended@events.test", expecting=1)) == 1


def test_what_was_lost_between_outbox_and_queue_is_swept_up(shop: Shop, deployed: Deployed) -> None:
    customer = shop.add_customer(email="lost@delivery.test")
    queue = deployed.stack.outputs["MailQueueUrl"]
    with _paused_consumer(deployed):
        shop.invite(customer["id"])
        until(lambda: _waiting(deployed, "MailQueueUrl") > 0, "the relay")
        deployed.stack.client("sqs").purge_queue(QueueUrl=queue)

    deployed.invoke("SweepOutboxFunction", {})
    assert _waiting(deployed, "MailQueueUrl") == 0, "it is not overdue yet"
    _make_overdue(deployed, shop)
    assert deployed.invoke("SweepOutboxFunction", {}) == {"overdue": 1, "refused": 0, "given_up": 0}

    assert len(deployed.mails("lost@delivery.test", expecting=1)) == 1
    deployed.settle(shop.slug)
    assert deployed.invoke("SweepOutboxFunction", {}) == {"overdue": 0, "refused": 0, "given_up": 0}
    assert _delivery(shop, customer) == "sent"
    assert len(deployed.stack.mails("lost@delivery.test")) == 1


def _delivery(shop: Shop, customer: dict[str, Any]) -> Any:
    return shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["delivery"]


def _is(delivery: str, shop: Shop, customer: dict[str, Any]) -> bool:
    return bool(_delivery(shop, customer) == delivery)


def _link_told(shop: Shop, customer: dict[str, Any]) -> str:
    told = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    return str(shop.owner.get(f"/v1/invitations/{told['id']}").json["link"])


def _let_fail(deployed: Deployed, address: str, fault: str | None) -> None:
    answer = deployed.http.post("/_mail/faults", json={"address": address, "fault": fault})
    assert answer.status_code == 200
    assert answer.json()["faults"].get(address) == fault


def _spoil(deployed: Deployed, shop: Shop, customer: dict[str, Any]) -> dict[str, Any]:
    """Make the message of a customer's invitation one that no consumer understands; returns it."""
    items = deployed.stored("outbox", shop.slug)
    (item,) = [each for each in items if each["message"].get("customer_id") == customer["id"]]
    _retype(deployed, item, "something new")
    return item


def _mend(deployed: Deployed, item: dict[str, Any]) -> None:
    _retype(deployed, item, item["message"]["type"])


def _retype(deployed: Deployed, item: dict[str, Any], kind: str) -> None:
    deployed.stack.client("dynamodb").update_item(
        TableName=deployed.stack.outputs["TableName"],
        Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
        UpdateExpression="SET #d.#m.#t = :kind",
        ExpressionAttributeNames={"#d": "data", "#m": "message", "#t": "type"},
        ExpressionAttributeValues={":kind": {"S": kind}},
    )


def _link(mail: dict[str, Any]) -> str:
    (link,) = set(re.findall(r"http\S+/i/[\w.-]+\w", mail["text"]))
    return str(link)


def _waiting(deployed: Deployed, output: str) -> int:
    """Return how many messages a queue holds, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    got = deployed.stack.client("sqs").get_queue_attributes(QueueUrl=deployed.stack.outputs[output], AttributeNames=names)
    return sum(int(got["Attributes"][name]) for name in names)


@contextmanager
def _impatient_mail_queue(deployed: Deployed) -> Iterator[None]:
    sqs, queue = deployed.stack.client("sqs"), deployed.stack.outputs["MailQueueUrl"]
    names = ["VisibilityTimeout", "RedrivePolicy"]
    before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    policy = json.loads(before["RedrivePolicy"]) | {"maxReceiveCount": TRIES}
    sooner = {"VisibilityTimeout": str(HIDDEN_SECONDS), "RedrivePolicy": json.dumps(policy)}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=sooner)
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=before)


@contextmanager
def _paused_consumer(deployed: Deployed) -> Iterator[None]:
    functions = deployed.stack.client("lambda")
    name = deployed.stack.function("SendMailFunction")
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def _redrive(deployed: Deployed) -> None:
    """Move what is in the dead-letter queue back, as StartMessageMoveTask does, which the engine does not know."""
    sqs, outputs = deployed.stack.client("sqs"), deployed.stack.outputs
    while messages := sqs.receive_message(QueueUrl=outputs["MailDeadLetterQueueUrl"], MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.send_message(QueueUrl=outputs["MailQueueUrl"], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=outputs["MailDeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])


def _make_overdue(deployed: Deployed, shop: Shop) -> None:
    """Let the store's waiting messages have been due an hour ago."""
    for item in deployed.stored("outbox", shop.slug):
        if item["status"] == "queued":
            due = OUTBOX.index1(shard="", due_at=stamp(clock.now() - timedelta(hours=1)), id=item["id"]).sk
            deployed.stack.client("dynamodb").update_item(
                TableName=deployed.stack.outputs["TableName"],
                Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
                UpdateExpression="SET gsi1sk = :due",
                ExpressionAttributeValues={":due": {"S": due}},
            )
