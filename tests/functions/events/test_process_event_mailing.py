"""A circular mail reaches each participant once, whatever dies in between, and nobody once it is stopped."""

import json
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support import event_mailings as mailings
from tests.support.event_mailings import CUSTOMER, announced_to, consume, handed, join, ordered, publish, received, told, work
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import ROOT, run
from tests.support.mail import deliver, waiting_on
from tests.support.table import counted_calls, stored
from tests.support.world import Shop
from tradepost.domain.events import participant_id
from tradepost.table.events import participant_key
from tradepost.table.records import Record

# Two transactions, of which the second is not full.
COUNT = 45
# Announcing the first, announcing the others, and concluding the message.
STEPS = 3


@pytest.fixture(autouse=True)
def _prepared(shop: Shop) -> None:
    mailings.prepare()


@pytest.fixture
def event_id(shop: Shop) -> str:
    event_id = publish(shop)
    join(shop, event_id, range(COUNT))
    return event_id


def one(shop: Shop, event_id: str, mailing_id: str) -> dict[str, Any]:
    """Return a mailing as its owner sees it."""
    return dict(shop.owner.get(f"/v1/events/{event_id}/mailings/{mailing_id}").json)


def ids(count: int = COUNT) -> list[str]:
    """Return the ids of the participants."""
    return sorted(participant_id(CUSTOMER, f"p{number}@guests.test") for number in range(count))


def cancel_event(shop: Shop, event_id: str) -> None:
    """Cancel an event."""
    path = f"/v1/events/{event_id}"
    etag = shop.owner.get(path).headers["etag"]
    reply = shop.owner.post(f"{path}/cancel", headers={"If-Match": etag})
    assert reply.status == 200, reply.text


def expect_whole(shop: Shop, event_id: str, mailing_id: str) -> None:
    """Expect that everybody is mailed once, and that the mailing says so."""
    shown = one(shop, event_id, mailing_id)
    assert (shown["status"], shown["progress"], shown["total"], shown["queued"]) == ("done", 1, COUNT, COUNT)
    assert shown["finished_at"]
    assert announced_to() == ids()
    assert waiting_on("event_mailings") == []
    assert [line["action"] for line in stored("audit") if line["action"].startswith("event_mailing:")] == [
        "event_mailing:ordered",
        "event_mailing:finished",
    ]


def test_a_circular_mail_is_announced_in_parts_to_everybody_once(shop: Shop, event_id: str) -> None:
    mailing_id = ordered(shop, event_id)
    assert one(shop, event_id, mailing_id)["status"] == "queued"
    assert work() == 2, "the tests' functions have little time, so that each part is one transaction"
    expect_whole(shop, event_id, mailing_id)
    [item] = [each for each in stored("outbox") if each["message"]["type"] == "event_mailing"]
    assert item["status"] == "done"


def test_progress_is_seen_on_the_way(shop: Shop, event_id: str) -> None:
    mailing_id = ordered(shop, event_id)
    event = received()
    assert event is not None
    assert consume(event)
    shown = one(shop, event_id, mailing_id)
    assert (shown["status"], shown["total"], shown["queued"]) == ("running", COUNT, 40)
    assert shown["progress"] == round(40 / COUNT, 3)
    assert shown["allowed_transitions"] == ["cancel"]


@pytest.mark.parametrize("count", [0, 1, 40, 41, 80, 81])
def test_whatever_their_number_nobody_is_left_out(shop: Shop, count: int) -> None:
    event_id = publish(shop)
    join(shop, event_id, range(count))
    mailing_id = ordered(shop, event_id)
    work()
    shown = one(shop, event_id, mailing_id)
    assert (shown["status"], shown["progress"], shown["total"], shown["queued"]) == ("done", 1, count, count)
    assert announced_to() == ids(count)


def test_only_those_are_mailed_whom_it_is_for(shop: Shop) -> None:
    event_id = publish(shop)
    customer = shop.add_customer("Green Gate", "gil@greengate.test")["id"]
    join(shop, event_id, range(3))
    join(shop, event_id, range(3, 6), state="waiting")
    join(shop, event_id, range(6, 9), state="cancelled", customer_id=customer)
    join(shop, event_id, range(9, 11), state="waiting", customer_id=customer)
    for fields, expected in (({}, 3), ({"states": ["waiting"]}, 5), ({"states": ["waiting"], "customer_ids": [customer]}, 2)):
        mailing_id = ordered(shop, event_id, **fields)
        work()
        shown = one(shop, event_id, mailing_id)
        assert (shown["status"], shown["total"], shown["queued"]) == ("done", expected, expected)


def test_a_mail_says_the_organisers_words_inside_the_stores_layout(shop: Shop) -> None:
    event_id = publish(shop, url="https://meet.acme.test/spring")
    join(shop, event_id, [1])
    ordered(shop, event_id)
    work()
    [mail] = deliver()
    assert (mail.to, mail.subject) == ("p1@guests.test", "About Spring tasting")
    assert "<p" in mail.html
    assert ">Dear Person 1 of Blue Door,</p>" in mail.html
    assert "bring a coat.<br" in mail.html
    assert "https://meet.acme.test/spring" in mail.html
    assert "Sent by Tradepost for" in mail.html


def test_words_are_shown_and_never_run_as_html_or_liquid(shop: Shop) -> None:
    event_id = publish(shop, title="<b>{{ store.name }}</b>")
    join(shop, event_id, [1])
    ordered(shop, event_id, {"subject": "{{ event.title }}", "text": "<script>1</script> {{ event.title }}"})
    work()
    [mail] = deliver()
    assert mail.subject == "<b>{{ store.name }}</b>"
    assert "<script>" not in mail.html
    assert "&lt;script&gt;1&lt;/script&gt; &lt;b&gt;{{ store.name }}&lt;/b&gt;" in mail.html


def test_the_frame_is_the_stores_own_where_it_has_one(shop: Shop) -> None:
    own = {
        "subject": "[Acme] {{ message.subject }}",
        "html": "<p>News</p>{% for each in message.paragraphs %}<p>{{ each }}</p>{% endfor %}",
        "text": "News {{ message.paragraphs | join: ' ' }}",
    }
    assert shop.owner.put("/v1/email-templates/event_mailing", own).status == 201
    event_id = publish(shop)
    join(shop, event_id, [1])
    ordered(shop, event_id)
    work()
    [mail] = deliver()
    assert mail.subject == "[Acme] About Spring tasting"
    assert "News</p>" in mail.html


def test_who_left_before_the_mail_was_written_does_not_get_it(shop: Shop, event_id: str) -> None:
    ordered(shop, event_id)
    work()
    gone = participant_key("acme", event_id, participant_id(CUSTOMER, "p3@guests.test"))
    Record(*gone).update([Path("data.state").set("cancelled")])
    assert len(deliver()) == COUNT - 1
    assert [item["failure"] for item in stored("outbox") if item["failure"]] == ["obsolete"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_killed_before_or_after_any_transaction_it_goes_on_where_it_was(
    shop: Shop, event_id: str, step: int, when: Any
) -> None:
    mailing_id = ordered(shop, event_id)
    deaths = 0
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), skipping=step, when=when):
        while event := received():
            if not consume(event):
                deaths += 1
                mailings.come_again(event)
    assert deaths == 1
    expect_whole(shop, event_id, mailing_id)


def test_no_step_is_left_out_above(shop: Shop, event_id: str) -> None:
    ordered(shop, event_id)
    with counted_calls() as calls:
        work()
    assert calls.count("TransactWriteItems") == STEPS


@pytest.mark.parametrize("call", ["SendMessageBatch", "Query", "BatchGetItem", "ChangeMessageVisibility"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_else_fails_nobody_is_mailed_twice_or_left_out(shop: Shop, event_id: str, call: str, when: Any) -> None:
    mailing_id = ordered(shop, event_id)
    for skipping in range(2):
        with failing(call, refusal(call, "InternalServerError"), skipping=skipping, when=when):
            event = received()
            if event and not consume(event):
                mailings.come_again(event)
    work()
    expect_whole(shop, event_id, mailing_id)


@pytest.mark.parametrize("call", ["Query", "TransactWriteItems"])
def test_told_twice_at_once_two_workers_do_the_work_of_one(shop: Shop, event_id: str, call: str) -> None:
    mailing_id = ordered(shop, event_id)
    mailings.relay()
    first, second = received(), received()
    assert first
    assert second
    with meanwhile(call, lambda: handed(second)):
        assert consume(first) is False, "it was overtaken"
    mailings.come_again(first)
    work()
    expect_whole(shop, event_id, mailing_id)


def test_told_again_when_it_is_done_nothing_happens(shop: Shop, event_id: str) -> None:
    mailing_id = ordered(shop, event_id)
    [key] = waiting_on("event_mailings")
    work()
    told(key._asdict())
    assert work() == 1
    expect_whole(shop, event_id, mailing_id)


def test_a_mailing_whose_message_was_lost_is_swept_up(shop: Shop, event_id: str, time: Clock) -> None:
    reply = shop.owner.post(f"/v1/events/{event_id}/mailings", mailings.WORDS)
    time.advance(minutes=6)
    assert run("notifications/sweep_outbox", {})["overdue"] == 1
    work()
    expect_whole(shop, event_id, reply.json["id"])


# Stopping


def test_a_mailing_that_is_stopped_on_the_way_reaches_nobody_whose_mail_is_not_out(shop: Shop, event_id: str) -> None:
    mailing_id = ordered(shop, event_id)
    event = received()
    assert event is not None
    assert consume(event)
    stopped = shop.owner.post(f"/v1/events/{event_id}/mailings/{mailing_id}/cancel")
    assert (stopped.status, stopped.json["status"], stopped.json["allowed_transitions"]) == (200, "cancelled", [])
    work()
    assert len(announced_to()) == 40
    assert deliver() == []
    shown = one(shop, event_id, mailing_id)
    assert (shown["status"], shown["queued"], shown["total"]) == ("cancelled", 40, COUNT)
    assert waiting_on("event_mailings") == []


@pytest.mark.parametrize("call", ["Query", "TransactWriteItems"])
def test_stopping_while_a_worker_is_at_it_wins_at_once(shop: Shop, event_id: str, call: str) -> None:
    mailing_id = ordered(shop, event_id)
    event = received()
    assert event is not None
    path = f"/v1/events/{event_id}/mailings/{mailing_id}/cancel"
    with meanwhile(call, lambda: shop.owner.post(path)):
        assert consume(event) is False
    mailings.come_again(event)
    assert work() == 1
    assert announced_to() == []
    assert one(shop, event_id, mailing_id)["status"] == "cancelled"
    assert waiting_on("event_mailings") == []


@pytest.mark.parametrize("call", ["Query", "TransactWriteItems", "SendMessageBatch"])
def test_cancelling_the_event_while_a_mailing_runs_stops_it_and_tells_everybody(shop: Shop, event_id: str, call: str) -> None:
    join(shop, event_id, range(COUNT, COUNT + 3), state="waiting")
    join(shop, event_id, range(COUNT + 3, COUNT + 5), state="cancelled")
    mailing_id = ordered(shop, event_id)
    event = received()
    assert event is not None
    with meanwhile(call, lambda: cancel_event(shop, event_id)):
        consume(event)
    mailings.relay()
    work()
    assert one(shop, event_id, mailing_id)["status"] == "cancelled"
    mails = deliver()
    assert {mail.subject for mail in mails} == {"Cancelled: Spring tasting"}
    assert sorted(mail.to for mail in mails) == sorted(f"p{number}@guests.test" for number in range(COUNT + 3))
    statuses = {each["kind"]: each["status"] for each in stored("event_mailing")}
    assert statuses == {"circular": "cancelled", "cancellation": "done"}


def test_mails_of_a_finished_mailing_that_are_not_out_yet_are_dropped_with_the_event(shop: Shop) -> None:
    event_id = publish(shop)
    join(shop, event_id, range(3))
    ordered(shop, event_id)
    work()
    cancel_event(shop, event_id)
    mailings.relay()
    work()
    assert [mail.subject for mail in deliver()] == ["Cancelled: Spring tasting"] * 3


def test_no_message_and_no_key_holds_an_address_or_the_words(shop: Shop, event_id: str) -> None:
    ordered(shop, event_id)
    event = received()
    assert "guests.test" not in json.dumps(event)
    mailings.come_again(event or {})
    work()
    outbox = json.dumps([each["message"] for each in stored("outbox")])
    assert "guests.test" not in outbox
    assert "coat" not in outbox


def test_an_example_about_nothing_is_carried_out() -> None:
    text = (ROOT / "events" / "events" / "process_event_mailing.ordered.json").read_text()
    event = json.loads(text.replace("OUTBOX_PK", "OUTBOX#STORE#acme#nothing"))
    assert run("events/process_event_mailing", event) == {"batchItemFailures": []}
