"""What became of a mail, told the way SES tells it: the engine sends no such events by itself."""

import json
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any

from botocore.exceptions import ClientError

from local_stack.engine import Engine
from local_stack.mailbox import Mail

DETAILS: dict[str, dict[str, Any]] = {
    "Delivery": {"smtpResponse": "250 2.0.0 OK", "processingTimeMillis": 420},
    "Bounce": {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "local"},
    "Complaint": {"complaintFeedbackType": "abuse", "feedbackId": "local"},
}
EVENT_BUS_NAMES = {"Delivery": "Delivered", "Bounce": "Bounced", "Complaint": "Complaint Received"}
PEOPLE = {"Delivery": "recipients", "Bounce": "bouncedRecipients", "Complaint": "complainedRecipients"}


class SesEvents:
    """Publishes to wherever the mail's configuration set says, an SNS topic or the event bus."""

    def __init__(self, engine: Engine) -> None:
        """Publish through this engine."""
        self._engine = engine

    def publish(self, mail: Mail, event: str) -> bool:
        """Report an event; False if no destination takes it."""
        if event not in DETAILS:
            return False
        notification = describe(mail, event)
        published = False
        for destination in self._destinations(mail.configuration_set):
            if not destination.get("Enabled") or event.upper() not in destination["MatchingEventTypes"]:
                continue
            if topic := destination.get("SnsDestination", {}).get("TopicArn"):
                self._engine.client("sns").publish(TopicArn=topic, Message=json.dumps(notification))
                published = True
            if bus := destination.get("EventBridgeDestination", {}).get("EventBusArn"):
                entry = {"Source": "aws.ses", "DetailType": f"Email {EVENT_BUS_NAMES[event]}", "EventBusName": bus}
                self._engine.client("events").put_events(Entries=[entry | {"Detail": json.dumps(notification)}])
                published = True
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


def describe(mail: Mail, event: str) -> dict[str, Any]:
    """The notification in the form that SES publishes."""
    recipients = [bare for _, bare in getaddresses([*mail.to, *mail.cc, *mail.bcc], strict=False)]
    listed: list[Any] = recipients if event == "Delivery" else [{"emailAddress": bare} for bare in recipients]
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
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
        event.lower(): DETAILS[event] | {"timestamp": at, PEOPLE[event]: listed},
    }
