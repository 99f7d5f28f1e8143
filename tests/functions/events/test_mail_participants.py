"""Participants are mailed in their organiser's words, which are checked, by whoever may change the event, and not too often."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support import event_mailings as mailings
from tests.support.client import Client
from tests.support.event_mailings import WORDS, join, publish, work
from tests.support.faults import meanwhile
from tests.support.html import HtmlPage
from tests.support.mail import deliver, waiting_on
from tests.support.reps import allocate, hire
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, open_shop


@pytest.fixture(autouse=True)
def _prepared(shop: Shop) -> None:
    mailings.prepare()


@pytest.fixture
def event_id(shop: Shop) -> str:
    return publish(shop)


def order(client: Client, event_id: str, **fields: Any) -> Any:
    return client.post(f"/v1/events/{event_id}/mailings", {**WORDS, **fields})


def test_a_circular_mail_is_accepted_and_noted_with_its_words_and_who_ordered_it(shop: Shop, event_id: str) -> None:
    reply = order(shop.owner, event_id, states=["registered", "waiting", "registered"])
    assert reply.status == 202
    shown = reply.json
    assert {name: shown[name] for name in WORDS} == WORDS
    assert (shown["kind"], shown["status"], shown["progress"], shown["total"], shown["queued"]) == (
        "circular",
        "queued",
        0,
        None,
        0,
    )
    assert (shown["states"], shown["customer_ids"]) == (["registered", "waiting"], None)
    assert (shown["created_by"]["name"], shown["finished_at"]) == ("Ola Nordmann", None)
    assert shown["allowed_transitions"] == ["cancel"]
    [mailing] = stored("event_mailing")
    assert (mailing["id"], mailing["event_id"], mailing["status"]) == (shown["id"], event_id, "queued")
    assert len(waiting_on("event_mailings")) == 1
    assert [line["target"] for line in stored("audit") if line["action"] == "event_mailing:ordered"] == [shown["id"]]
    path = f"/v1/events/{event_id}/mailings/{shown['id']}"
    assert shop.owner.get(path).json == shown
    assert shop.owner.get(path).headers["etag"] == shown["etag"]


def test_a_retry_is_answered_the_same_and_orders_nothing_more(shop: Shop, event_id: str) -> None:
    path = f"/v1/events/{event_id}/mailings"
    first, second = (shop.owner.post(path, WORDS, key="once") for _ in range(2))
    assert (first.status, first.json) == (second.status, second.json)
    assert second.headers["idempotent-replayed"] == "true"
    assert len(stored("event_mailing")) == len(waiting_on("event_mailings")) == 1


def test_mailings_are_listed_newest_first_page_by_page(shop: Shop, event_id: str, time: Clock) -> None:
    ids = []
    for _ in range(3):
        ids.append(order(shop.owner, event_id).json["id"])
        time.advance(minutes=1)
    path = f"/v1/events/{event_id}/mailings"
    first = shop.owner.get(path, limit="2").json
    second = shop.owner.get(path, limit="2", cursor=first["next_cursor"]).json
    assert [each["id"] for each in (*first["items"], *second["items"])] == ids[::-1]
    assert second["next_cursor"] is None
    other = publish(shop, id="01kb0000000000000000000008")
    assert shop.owner.get(f"/v1/events/{other}/mailings").json["items"] == []
    assert shop.owner.get(f"/v1/events/{other}/mailings", cursor=first["next_cursor"]).status == 400
    assert shop.owner.get(f"/v1/events/{other}/mailings/{ids[0]}").status == 404


@pytest.mark.parametrize(
    ("words", "pointer", "message"),
    [
        ({"text": "Dear {{ nmae }}"}, "/text", "line 1: there is no variable `nmae`; did you mean `name`?"),
        ({"text": "Hello\n\n{{ event.titel }}"}, "/text", "line 3: there is no variable `event.titel`"),
        ({"text": "Hello\n{% if event.place %}x"}, "/text", "line 2: `if` is not ended by `endif`"),
        ({"text": "{{ message.subject }}"}, "/text", "there is no variable `message.subject`"),
        ({"text": "{% include 'x' %}"}, "/text", "there is no tag `include`"),
        ({"text": "{{ name | md5 }}"}, "/text", "there is no filter `md5`"),
        ({"text": "{% if false %}x{% endif %}"}, "/text", "says nothing"),
        ({"text": "{{ event.place }}"}, "/text", "says nothing"),
        ({"subject": "{{ event }}"}, "/subject", "`event` is no text"),
        ({"subject": "{{ email }}"}, "/subject", "there is no variable `email`"),
    ],
)
def test_a_mistake_in_the_words_is_told_with_its_line_and_nothing_is_ordered(
    shop: Shop, words: dict[str, str], pointer: str, message: str
) -> None:
    event_id = publish(shop, place=None, url="https://meet.acme.test/")
    for path in ("mailings", "mailing-previews"):
        reply = shop.owner.post(f"/v1/events/{event_id}/{path}", {**WORDS, **words})
        assert (reply.status, reply.code) == (422, "template_invalid"), reply.text
        assert reply.json["errors"][0]["pointer"] == pointer
        assert message in reply.json["errors"][0]["message"]
    assert stored("event_mailing") == stored("outbox") == []


def test_words_that_say_something_of_this_event_alone_are_good_words(shop: Shop) -> None:
    told = publish(shop, text="We meet at the pier.", place=None, url="https://meet.acme.test/")
    assert order(shop.owner, told, text="{{ event.text }}").status == 202
    silent = order(shop.owner, publish(shop, id="01kb0000000000000000000008"), text="{{ event.text }}")
    assert (silent.status, silent.json["errors"]) == (422, [{"pointer": "/text", "message": "says nothing"}])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"subject": ""}, "/subject"),
        ({"subject": "x\r\nBcc: all@acme.test"}, "/subject"),
        ({"subject": "x" * 201}, "/subject"),
        ({"text": " \n "}, "/text"),
        ({"text": "x" * 10_001}, "/text"),
        ({"text": "a\x00b"}, "/text"),
        ({"states": []}, "/states"),
        ({"states": ["everybody"]}, "/states/0"),
        ({"states": "registered"}, "/states"),
        ({"customer_ids": []}, "/customer_ids"),
        ({"customer_ids": ["x"] * 51}, "/customer_ids"),
        ({"customer_ids": ["a#b"]}, "/customer_ids/0"),
        ({"to": "all"}, "/to"),
    ],
)
def test_what_is_no_mailing_is_refused_by_its_field(shop: Shop, event_id: str, fields: dict[str, Any], pointer: str) -> None:
    reply = order(shop.owner, event_id, **fields)
    assert reply.status == 422, reply.text
    assert reply.json["errors"][0]["pointer"] == pointer
    assert stored("event_mailing") == []


def test_customers_that_do_not_exist_or_are_none_of_the_reps_business_read_the_same(shop: Shop) -> None:
    rhea = hire(shop, "Rhea")
    own, others = shop.add_customer("Blue Door", "b@bluedoor.test"), shop.add_customer("Green Gate", "g@greengate.test")
    allocate(shop, own, rhea)
    event_id, unknown = publish(shop, by=rhea.id), "01kb000000000000000000zzzz"
    refused = [order(rhea.client, event_id, customer_ids=[own["id"], each]) for each in (others["id"], unknown)]
    assert [reply.status for reply in refused] == [422, 422]
    assert refused[0].text == refused[1].text
    assert refused[0].json["errors"][0]["pointer"] == "/customer_ids/1"
    assert order(rhea.client, event_id, customer_ids=[own["id"]]).status == 202


@pytest.mark.parametrize(("status", "code"), [("draft", "event_not_mailable"), ("cancelled", "event_not_mailable")])
def test_the_participants_of_a_draft_or_of_a_cancelled_event_are_not_mailed(shop: Shop, status: Any, code: str) -> None:
    reply = order(shop.owner, publish(shop, status=status))
    assert (reply.status, reply.code, reply.json["event_status"]) == (409, code, status)
    assert stored("event_mailing") == []


def test_the_participants_of_a_closed_event_are_mailed(shop: Shop) -> None:
    assert order(shop.owner, publish(shop, status="closed")).status == 202


def test_an_event_that_is_cancelled_at_that_moment_gets_no_mailing(shop: Shop, event_id: str) -> None:
    def cancel() -> None:
        path = f"/v1/events/{event_id}"
        etag = shop.owner.get(path).headers["etag"]
        assert shop.owner.post(f"{path}/cancel", headers={"If-Match": etag}).status == 200

    with meanwhile("TransactWriteItems", cancel):
        reply = order(shop.owner, event_id)
    assert (reply.status, reply.code) == (409, "event_not_mailable")
    assert [each["kind"] for each in stored("event_mailing")] == ["cancellation"]


def test_only_whoever_may_change_an_event_mails_its_participants(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    sven = hire(shop, "Sven", access="all", supervisor=True)
    event_id = publish(shop, by=rhea.id)
    reply = order(otto.client, event_id)
    assert (reply.status, reply.code) == (403, "not_your_event")
    customer = shop.add_customer("Blue Door", "b@bluedoor.test")
    allocate(shop, customer, rhea)
    ordered = order(rhea.client, event_id, customer_ids=[customer["id"]]).json
    mailing_id = ordered["id"]
    assert ordered["customer_ids"] == [customer["id"]]
    assert order(sven.client, event_id).status == order(shop.owner, event_id).status == 202
    path = f"/v1/events/{event_id}/mailings/{mailing_id}"
    assert otto.client.get(path).json["allowed_transitions"] == []
    assert otto.client.get(path).json["customer_ids"] is None
    assert {mailing["customer_ids"] for mailing in otto.client.get(f"/v1/events/{event_id}/mailings").json["items"]} == {None}
    assert otto.client.post(f"{path}/cancel").code == "not_your_event"
    assert len(stored("event_mailing")) == 3
    assert sven.client.post(f"{path}/cancel").status == 200


def test_another_stores_event_reads_as_none(shop: Shop, api: Client, event_id: str) -> None:
    mailing_id = order(shop.owner, event_id).json["id"]
    other = open_shop(api, "other").owner
    for path, unknown in (
        (f"/v1/events/{event_id}/mailings", "/v1/events/01kb000000000000000000zzzz/mailings"),
        (f"/v1/events/{event_id}/mailings/{mailing_id}", f"/v1/events/{event_id}/mailings/01kb000000000000000000zzzz"),
    ):
        foreign, nothing = other.get(path), other.get(unknown)
        assert (foreign.status, foreign.text) == (404, nothing.text)
    assert order(other, event_id).status == 404
    assert other.post(f"/v1/events/{event_id}/mailings/{mailing_id}/cancel").status == 404
    assert shop.owner.post(f"/v1/events/{event_id}/mailings/01kb000000000000000000zzzz/cancel").status == 404


def test_an_event_has_ten_circular_mails_an_hour(shop: Shop, event_id: str, time: Clock) -> None:
    time.at = time.at.replace(minute=5)
    other = publish(shop, id="01kb0000000000000000000008")
    for _ in range(10):
        assert order(shop.owner, event_id).status == 202
    refused = order(shop.owner, event_id)
    assert (refused.status, refused.code) == (429, "too_many_mailings")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert len(stored("event_mailing")) == 10
    assert order(shop.owner, other).status == 202
    time.advance(hours=1)
    assert order(shop.owner, event_id).status == 202


# Stopping


def test_a_mailing_is_stopped_once(shop: Shop, event_id: str) -> None:
    mailing_id = order(shop.owner, event_id).json["id"]
    path = f"/v1/events/{event_id}/mailings/{mailing_id}"
    stopped = shop.owner.post(f"{path}/cancel")
    assert (stopped.status, stopped.json["status"]) == (200, "cancelled")
    assert shop.owner.get(path).json == stopped.json
    again = shop.owner.post(f"{path}/cancel")
    assert (again.status, again.code, again.json["mailing_status"]) == (409, "mailing_not_stoppable", "cancelled")
    assert [line["action"] for line in stored("audit")].count("event_mailing:stopped") == 1


def test_one_that_is_done_is_not_stopped(shop: Shop, event_id: str) -> None:
    join(shop, event_id, range(2))
    mailing_id = mailings.ordered(shop, event_id)
    work()
    path = f"/v1/events/{event_id}/mailings/{mailing_id}"
    reply = shop.owner.post(f"{path}/cancel")
    assert (reply.status, reply.code, reply.json["mailing_status"]) == (409, "mailing_not_stoppable", "done")
    assert shop.owner.get(path).json["status"] == "done"
    assert len(deliver()) == 2


def test_one_that_is_over_at_that_moment_is_not_stopped(shop: Shop, event_id: str) -> None:
    mailing_id = mailings.ordered(shop, event_id)
    path = f"/v1/events/{event_id}/mailings/{mailing_id}"
    event = mailings.received()
    assert event is not None
    with meanwhile("TransactWriteItems", lambda: mailings.handed(event)):
        reply = shop.owner.post(f"{path}/cancel")
    assert (reply.status, reply.code) == (409, "mailing_not_stoppable")
    assert shop.owner.get(path).json["status"] == "done"


def test_a_version_that_is_named_must_be_the_present_one(shop: Shop, event_id: str) -> None:
    mailing_id = order(shop.owner, event_id).json["id"]
    path = f"/v1/events/{event_id}/mailings/{mailing_id}"
    assert shop.owner.post(f"{path}/cancel", headers={"If-Match": '"7"'}).code == "stale"
    assert shop.owner.post(f"{path}/cancel", headers={"If-Match": '"1"'}).status == 200


def test_that_an_event_is_cancelled_is_told_to_all_and_cannot_be_stopped(shop: Shop, event_id: str) -> None:
    join(shop, event_id, range(2))
    path = f"/v1/events/{event_id}"
    shop.owner.post(f"{path}/cancel", headers={"If-Match": shop.owner.get(path).headers["etag"]})
    [mailing] = shop.owner.get(f"{path}/mailings").json["items"]
    assert (mailing["kind"], mailing["allowed_transitions"], mailing["status"]) == ("cancellation", [], "queued")
    reply = shop.owner.post(f"{path}/mailings/{mailing['id']}/cancel")
    assert (reply.status, reply.code) == (409, "mailing_not_stoppable")
    mailings.relay()
    work()
    assert len(deliver()) == 2


# Previews


def test_a_preview_shows_the_mail_and_changes_nothing(shop: Shop, event_id: str) -> None:
    before = stored()
    reply = shop.owner.post(f"/v1/events/{event_id}/mailing-previews", WORDS, key=None)
    assert reply.status == 200
    assert reply.json["subject"] == "About Spring tasting"
    text = HtmlPage(reply.json["html"]).text
    for words in ("Dear Ida Holm of Corner Café Ltd,", "bring a coat.", "Harbour Street 5", "Sent by Tradepost for Acme"):
        assert words in text
        assert words in reply.json["text"]
    assert stored() == before


def test_a_preview_is_framed_by_the_stores_own_template_or_by_ours_if_that_fails(shop: Shop, event_id: str) -> None:
    own = {"subject": "[Acme] {{ message.subject }}", "html": "<p>{{ message.paragraphs | first }}</p>", "text": "{{ name }}"}
    assert shop.owner.put("/v1/email-templates/event_mailing", own).status == 201
    path = f"/v1/events/{event_id}/mailing-previews"
    assert shop.owner.post(path, WORDS).json["subject"] == "[Acme] About Spring tasting"
    long = {"subject": "x" * 190, "text": "x"}
    assert shop.owner.post(path, long).json["subject"] == f"[Acme] {'x' * 190}"


def test_ordering_takes_two_calls(shop: Shop, event_id: str) -> None:
    customer = shop.add_customer("Blue Door", "b@bluedoor.test")["id"]
    with counted_calls() as calls:
        assert order(shop.owner, event_id, customer_ids=[customer]).status == 202
    assert calls == ["BatchGetItem", "TransactWriteItems"]
