"""What became of a mail, told the way SES tells it: the engine sends no such events by itself."""

import json
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from local_stack.engine import Engine
from local_stack.mailbox import Mail


class Event(NamedTuple):
    """One thing that SES can report of a mail, and in which words."""

    label: str
    type: str
    detail: dict[str, Any]


EVENTS: dict[str, Event] = {
    "Delivery": Event("Delivered", "Delivery", {"smtpResponse": "250 2.0.0 OK", "processingTimeMillis": 420}),
    "Bounce": Event(
        "Bounced for good", "Bounce", {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "local"}
    ),
    "SoftBounce": Event(
        "Bounced for now", "Bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull", "feedbackId": "local"}
    ),
    "Complaint": Event("Marked as spam", "Complaint", {"complaintFeedbackType": "abuse", "feedbackId": "local"}),
    "Reject": Event("Rejected as a virus", "Reject", {"reason": "Bad content"}),
}
EVENT_BUS_NAMES = {"Delivery": "Delivered", "Bounce": "Bounced", "Complaint": "Complaint Received", "Reject": "Rejected"}
PEOPLE = {"Delivery": "recipients", "Bounce": "bouncedRecipients", "Complaint": "complainedRecipients"}


class SesEvents:
    """Publishes to wherever the mail's configuration set says, an SNS topic or the event bus."""

    def __init__(self, engine: Engine) -> None:
        """Publish through this engine."""
        self._engine = engine

    def publish(self, mail: Mail, name: str) -> bool:
        """Report an event; False if no destination takes it."""
        if name not in EVENTS:
            return False
        event = EVENTS[name].type
        notification = describe(mail, name)
        published = False
        for destination in self._destinations(mail.configuration_set):
            if not destination.get("Enabled") or event.upper() not in destination["MatchingEventTypes"]:
                continue
            if topic := destination.get("SnsDestination", {}).get("TopicArn"):
                self._engine.client("sns").publish(TopicArn=topic, Message=json.dumps(notification))
                published = True
            if bus := destination.get("EventBridgeDestination", {}).get("EventBusArn"):
                entry = {"Source": "aws.ses", "DetailType": f"Email {EVENT_BUS_NAMES[event]}", "EventBusName": bus}
                answer = self._engine.client("events").put_events(Entries=[entry | {"Detail": json.dumps(notification)}])
                published = published or not answer["FailedEntryCount"]
        return published

    def _destinations(self, configuration_set: str) -> list[dict[str, Any]]:
        if not configuration_set:
            return []
        try:
            found = self._engine.client("sesv2").get_configuration_set_event_destinations(
                ConfigurationSetName=configuration_set
            )
        except ClientError:
            return []
        destinations: list[dict[str, Any]] = found.get("EventDestinations", [])
        return destinations


def describe(mail: Mail, name: str) -> dict[str, Any]:
    """The notification in the form that SES publishes."""
    _, event, detail = EVENTS[name]
    recipients = [bare for _, bare in getaddresses([*mail.to, *mail.cc, *mail.bcc], strict=False)]
    listed: list[Any] = recipients if event == "Delivery" else [{"emailAddress": bare} for bare in recipients]
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    people = {"timestamp": at, PEOPLE[event]: listed} if event in PEOPLE else {}
    return {
        "eventType": event,
        "mail": {
            "timestamp": mail.sent_at,
            "messageId": mail.id,
            "source": mail.sender,
            "destination": recipients,
            "headersTruncated": False,
            "headers": [{"name": name, "value": value} for name, value in mail.headers],
            "tags": {name: [value] for name, value in mail.tags.items()} | {"ses:configuration-set": [mail.configuration_set]},
        },
        event.lower(): detail | people,
    }
