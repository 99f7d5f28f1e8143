"""What the stream tells is put on the queue, by key and nothing else."""

import json
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.support.faults import failing, refusal
from tests.support.functions import ROOT, run
from tests.support.queues import (
    EVENT_MAILINGS,
    IMPORTS,
    create_event_mailing_queue,
    create_import_queue,
    create_mail_queue,
    received,
)

EVENT = ROOT / "events" / "notifications" / "relay_outbox.two_messages.json"


@pytest.fixture
def two_messages(aws: None) -> dict[str, Any]:
    create_mail_queue()
    event: dict[str, Any] = json.loads(EVENT.read_text())
    return event


def test_every_new_message_is_put_on_the_queue_by_its_key_alone(two_messages: dict[str, Any]) -> None:
    answer = run("notifications/relay_outbox", two_messages)
    assert answer == {"batchItemFailures": []}
    keys = [{name: value["S"] for name, value in each["dynamodb"]["Keys"].items()} for each in two_messages["Records"]]
    assert sorted(received(), key=str) == sorted(keys, key=str)


@pytest.mark.parametrize(("kind", "queue"), [("customer_import", IMPORTS), ("event_mailing", EVENT_MAILINGS)])
def test_background_work_goes_on_queues_of_its_own(two_messages: dict[str, Any], kind: str, queue: str) -> None:
    create_import_queue()
    create_event_mailing_queue()
    second = two_messages["Records"][1]["dynamodb"]
    second["NewImage"]["data"]["M"]["message"]["M"]["type"] = {"S": kind}
    assert run("notifications/relay_outbox", two_messages) == {"batchItemFailures": []}
    assert received(queue) == [{name: value["S"] for name, value in second["Keys"].items()}]
    assert len(received()) == 1


def test_while_the_queue_cannot_be_reached_nothing_is_lost(two_messages: dict[str, Any]) -> None:
    # Given a queue that does not answer: then the batch is the stream's to bring again
    down = refusal("SendMessageBatch", "ServiceUnavailable")
    with failing("SendMessageBatch", down), pytest.raises(ClientError, match="ServiceUnavailable"):
        run("notifications/relay_outbox", two_messages)
    assert received() == []
    # When it answers again, both are relayed
    assert run("notifications/relay_outbox", two_messages) == {"batchItemFailures": []}
    assert len(received()) == len(two_messages["Records"])


def test_the_stream_goes_on_from_the_first_message_that_the_queue_refused(
    two_messages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a queue that refuses the second message of a batch
    def refusing(self: BaseClient, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert operation == "SendMessageBatch"
        return {"Failed": [{"Id": parameters["Entries"][1]["Id"], "SenderFault": False, "Code": "InternalError"}]}

    monkeypatch.setattr(BaseClient, "_make_api_call", refusing)
    answer = run("notifications/relay_outbox", two_messages)
    second = two_messages["Records"][1]["dynamodb"]["SequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": second}]}
