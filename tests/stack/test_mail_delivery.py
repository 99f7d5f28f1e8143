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

FINE, THROTTLED, KILLED, DOOMED = (f"{name}@delivery.test" for name in ("fine", "throttled", "killed", "doomed"))
# As deployed, only sooner: a message is hidden for longer than its consumer's claim, and given up after its second failure.
HIDDEN_SECONDS = int(LEASE.total_seconds()) + 3
TRIES = 2


def test_every_mail_arrives_whatever_befalls_ses_and_the_consumer(shop: Shop, deployed: Deployed) -> None:
    customers = {address: shop.add_customer(address, address) for address in (FINE, THROTTLED, KILLED, DOOMED)}
    ids = [customer["id"] for customer in customers.values()]
    deployed.ses.begin(THROTTLED, "throttled")
    deployed.ses.begin(DOOMED, "throttled")
    deployed.ses.begin(KILLED, "silent")
    with _impatient_mail_queue(deployed):
        shop.owner.post("/v1/invitations", {"customer_ids": ids, "delivery": "email"})

        # SES has taken the mail, and the consumer dies before it can note that.
        deployed.mails(KILLED, expecting=1)
        until(lambda: deployed.ses.attempts(DOOMED) + deployed.ses.attempts(THROTTLED) > 0, "SES to be asked")
        assert deployed.stack.kill("SendMailFunction") > 0
        assert _delivery(shop, customers[KILLED]) == "queued"
        deployed.ses.end(KILLED)
        deployed.ses.end(THROTTLED)

        patience = TRIES * HIDDEN_SECONDS + 20
        for address in (FINE, THROTTLED, KILLED):
            until(partial(_is_sent, shop, customers[address]), f"the mail to {address}", seconds=patience)
        until(lambda: _waiting(deployed, "MailDeadLetterQueueUrl") == 1, "the dead-letter queue", seconds=patience)

    assert len(deployed.mails(FINE, expecting=1)) == 1
    assert len(deployed.mails(THROTTLED, expecting=1)) == 1
    mails = deployed.mails(KILLED, expecting=1)
    assert len(mails) <= 2
    assert len({_link(mail) for mail in mails}) == 1
    assert deployed.http.get(_link(mails[-1])).status_code == 200
    assert deployed.stack.mails(DOOMED) == []
    assert 0 < deployed.ses.attempts(DOOMED) <= TRIES, "SES is asked once each time: the queue is what tries again"
    assert _delivery(shop, customers[DOOMED]) == "queued"

    # An operator moves the messages back once the cause is mended.
    deployed.ses.end(DOOMED)
    _redrive(deployed)
    assert len(deployed.mails(DOOMED, expecting=1)) == 1
    until(partial(_is_sent, shop, customers[DOOMED]), "the note of it")
    deployed.settle(shop.slug)
    assert _waiting(deployed, "MailQueueUrl") == _waiting(deployed, "MailDeadLetterQueueUrl") == 0


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
    assert deployed.invoke("SweepOutboxFunction", {}) == {"overdue": 1, "refused": 0}

    assert len(deployed.mails("lost@delivery.test", expecting=1)) == 1
    deployed.settle(shop.slug)
    assert deployed.invoke("SweepOutboxFunction", {}) == {"overdue": 0, "refused": 0}
    assert _delivery(shop, customer) == "sent"
    assert len(deployed.stack.mails("lost@delivery.test")) == 1


def _delivery(shop: Shop, customer: dict[str, Any]) -> Any:
    return shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["delivery"]


def _is_sent(shop: Shop, customer: dict[str, Any]) -> bool:
    return bool(_delivery(shop, customer) == "sent")


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
