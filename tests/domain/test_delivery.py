"""What SES tells of a mail: in any order and however often, the same is noted; and whose news it is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tradepost.domain.customers import Delivery
from tradepost.domain.delivery import DROPPED, GIVEN_UP, SENT, SUPPRESSED, MailEvent, Standing, noted
from tradepost.domain.invitations import Invitation, mail_of, readdress, resend, revoke
from tradepost.domain.outbox import LONGEST_PAUSE, InvitationMail, OutboxItem, pause_after
from tradepost.domain.people import Party

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = timedelta(days=1)
INVITATION = Invitation(
    id="acme.i1",
    store_id="acme",
    email="buyer@bluedoor.test",
    name="Blue Door",
    customer_id="c1",
    created_at=AT,
    created_by=Party(type="member", id="acme.ola", name="Ola Nordmann"),
    announced_at=AT,
    expires_at=AT + 14 * DAY,
)
MAIL = mail_of(INVITATION)
DELIVERED, BOUNCED, COMPLAINED = (
    Standing("delivered"),
    Standing("bounced", suppressed=True),
    Standing("complained", suppressed=True),
)
NEWS = (SENT, DELIVERED, GIVEN_UP, BOUNCED, COMPLAINED, SUPPRESSED)


def event(kind: str, **parts: Any) -> MailEvent:
    """Return an event as SES tells it."""
    mail = {"timestamp": "2026-11-22T10:00:00.000Z", "destination": ["Buyer@BlueDoor.test"], "tags": {"outbox": ["o1"]}}
    return MailEvent.model_validate({"eventType": kind, "mail": mail | parts.pop("mail", {}), "more": 1, **parts})


def bounce(kind: str, sub_kind: str = "General") -> MailEvent:
    return event("Bounce", bounce={"bounceType": kind, "bounceSubType": sub_kind, "bouncedRecipients": []})


def after(news: Sequence[Standing], invitation: Invitation = INVITATION, mail: InvitationMail = MAIL) -> Standing:
    """Return where an invitation stands after news came one by one."""
    for told in news:
        stands = noted(invitation, mail, told)
        invitation = invitation.model_copy(update={"delivery": stands.delivery, "suppressed": stands.suppressed})
    return Standing(invitation.delivery, invitation.suppressed)


@given(st.lists(st.sampled_from(NEWS), max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told * 2))))
def test_news_told_twice_and_in_any_order_end_where_the_right_order_ends(
    told: tuple[list[Standing], Sequence[Standing]],
) -> None:
    once, shuffled = told
    in_order = sorted(once, key=NEWS.index)
    assert after(shuffled) == after(in_order)


@given(st.lists(st.sampled_from(NEWS), min_size=1))
def test_news_only_ever_move_a_mail_further(told: list[Standing]) -> None:
    order: list[Delivery] = ["queued", "none", "sent", "delivered", "bounced", "suppressed", "complained"]
    steps = [after(told[:count]) for count in range(len(told) + 1)]
    for before, then in pairwise(steps):
        assert order.index(then.delivery) >= order.index(before.delivery)
        assert then.suppressed >= before.suppressed


@pytest.mark.parametrize(
    ("told", "means"),
    [
        (event("Delivery", delivery={"recipients": []}), DELIVERED),
        (bounce("Permanent"), BOUNCED),
        (bounce("Permanent", "NoEmail"), BOUNCED),
        (bounce("Permanent", "Suppressed"), SUPPRESSED),
        (bounce("Permanent", "OnAccountSuppressionList"), SUPPRESSED),
        (bounce("Transient", "MailboxFull"), GIVEN_UP),
        (bounce("Undetermined", "Undetermined"), GIVEN_UP),
        (event("Complaint", complaint={"complaintFeedbackType": "abuse"}), COMPLAINED),
        (event("Complaint", complaint={}), COMPLAINED),
        (event("Complaint", complaint={"complaintFeedbackType": "not-spam"}), None),
        (event("Complaint", complaint={"complaintSubType": "OnAccountSuppressionList"}), SUPPRESSED),
        (event("Reject", reject={"reason": "Bad content"}), GIVEN_UP),
        (event("Send", send={}), None),
        (event("Open", open={}), None),
        (event("Bounce"), None),
        (event("Something new"), None),
    ],
)
def test_what_ses_tells_means(told: MailEvent, means: Standing | None) -> None:
    assert told.news == means


@pytest.mark.parametrize("broken", [None, [], {}, {"eventType": "Bounce"}, {"eventType": "Bounce", "mail": {"tags": "outbox"}}])
def test_what_is_no_event_is_told_from_one(broken: object) -> None:
    with pytest.raises(ValidationError):
        MailEvent.model_validate(broken)


@pytest.mark.parametrize(
    ("destination", "address"),
    [
        ("buyer@bluedoor.test", "buyer@bluedoor.test"),
        ("Ida Holm <buyer@bluedoor.test>", "buyer@bluedoor.test"),
        ("buero@xn--blaue-tr-d6a.test", "buero@blaue-tür.test"),
        ("nobody", None),
        ("", None),
    ],
)
def test_the_address_of_an_event_is_spelled_as_we_do(destination: str, address: str | None) -> None:
    assert event("Delivery", mail={"destination": [destination]}).addresses == ((address,) if address else ())


def test_an_event_about_a_mail_to_several_is_about_those_that_it_names() -> None:
    mail = {"destination": ["buyer@bluedoor.test", "boss@bluedoor.test", "late@bluedoor.test"]}
    named = [{"emailAddress": "boss@bluedoor.test"}]
    bounced = event("Bounce", mail=mail, bounce={"bounceType": "Permanent", "bouncedRecipients": named})
    complained = event("Complaint", mail=mail, complaint={"complainedRecipients": named})
    delivered = event("Delivery", mail=mail, delivery={"recipients": ["buyer@bluedoor.test", "Late <late@bluedoor.test>"]})
    assert (bounced.addresses, complained.addresses) == (("boss@bluedoor.test",), ("boss@bluedoor.test",))
    assert delivered.addresses == ("buyer@bluedoor.test", "late@bluedoor.test")
    assert event("Reject", mail=mail).addresses == tuple(mail["destination"])


def test_a_mail_that_never_left_has_no_time_of_leaving() -> None:
    assert event("Delivery").sent_at == AT
    assert bounce("Permanent").sent_at == AT
    assert bounce("Permanent", "OnAccountSuppressionList").sent_at is None
    assert event("Reject").sent_at is None


@pytest.mark.parametrize("told", [SENT, DELIVERED, GIVEN_UP])
def test_news_of_a_mail_that_was_sent_before_say_nothing_of_the_latest(told: Standing) -> None:
    resent = resend(INVITATION, at=AT + DAY, lifetime=14 * DAY)
    assert after([told], resent, MAIL) == Standing("queued")
    assert after([told], resent, mail_of(resent)) == told


@pytest.mark.parametrize("told", [BOUNCED, COMPLAINED, SUPPRESSED])
def test_an_address_that_proved_wrong_is_wrong_for_the_latest_mail_too(told: Standing) -> None:
    resent = resend(INVITATION, at=AT + DAY, lifetime=14 * DAY)
    assert after([told], resent, MAIL) == told
    assert after([told, SENT, DELIVERED], resent, mail_of(resent)) == told


@pytest.mark.parametrize("told", NEWS)
def test_news_of_another_address_or_of_a_revoked_link_say_nothing(told: Standing) -> None:
    moved = readdress(INVITATION, "new@bluedoor.test")
    assert after([told], moved, MAIL) == Standing("none")
    assert after([told], revoke(INVITATION, at=AT), MAIL) == Standing("queued")


def test_a_mail_for_which_there_was_no_reason_any_more_counts_as_none_until_another_is_sent() -> None:
    assert after([DROPPED]) == Standing("none")
    assert after([DROPPED, SENT]) == after([SENT, DROPPED]) == SENT


@given(attempts=st.integers(1, 500), crowded=st.booleans(), chance=st.floats(0, 1))
def test_pauses_grow_to_a_quarter_of_an_hour_and_never_beyond_what_a_queue_can_wait(
    *, attempts: int, crowded: bool, chance: float
) -> None:
    pause = pause_after(attempts, crowded=crowded, chance=chance)
    assert timedelta(seconds=3) <= pause <= LONGEST_PAUSE
    assert pause <= pause_after(attempts + 1, crowded=crowded, chance=0)
    if attempts > 10:
        assert pause >= LONGEST_PAUSE * 3 / 4


def test_a_crowd_is_waited_for_with_seconds_and_a_fault_with_half_a_minute() -> None:
    assert pause_after(1, crowded=True, chance=0) == timedelta(seconds=4)
    assert pause_after(1, crowded=False, chance=0) == timedelta(seconds=30)
    assert pause_after(4, crowded=False, chance=1) == timedelta(minutes=3)


def test_a_message_is_tried_for_four_days_and_looked_at_ever_less_often() -> None:
    item = OutboxItem(id="o1", message=MAIL, created_at=AT)
    assert not item.is_over(AT + 4 * DAY - timedelta(milliseconds=1))
    assert item.is_over(AT + 4 * DAY)
    looks = [AT]
    while not item.is_over(looks[-1]):
        looks.append(item.next_look(looks[-1]))
    gaps = [then - before for before, then in pairwise(looks)]
    assert gaps[0] == timedelta(minutes=15)
    assert gaps == sorted(gaps)
    assert len(gaps) < 20


def test_the_joined_standing_does_not_depend_on_how_news_are_grouped() -> None:
    left = reduce(lambda known, news: known.after(news), NEWS)
    right = reduce(lambda known, news: news.after(known), reversed(NEWS))
    assert left == right == Standing("complained", suppressed=True)
