"""The mail consumer when things go wrong: nothing is lost, nothing holds up others, and twice only after a crash."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from tests.conftest import Clock
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Context, run
from tests.support.mail import announced, consume, deliver, queued, sent, verify_sender
from tests.support.queues import create_mail_queue, delayed
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop
from tradepost.table.outbox import LEASE
from tradepost.table.records import Record
from tradepost.table.shapes import Key


@pytest.fixture(autouse=True)
def _prepared(aws: None) -> None:
    verify_sender()
    create_mail_queue()


def invite(shop: Shop, name: str = "Blue Door") -> dict[str, Any]:
    """Invite a new customer."""
    customer = shop.add_customer(name, f"{name.split(maxsplit=1)[0].lower()}@doors.test")
    shop.invite(customer["id"])
    return customer


def delivery(shop: Shop, customer: dict[str, Any]) -> str:
    """Return how far a customer's mail got, which both its own item and the invitation's say."""
    told = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    assert shop.owner.get(f"/v1/invitations/{told['id']}").json["delivery"] == told["delivery"]
    return str(told["delivery"])


def invitation(shop: Shop, customer: dict[str, Any]) -> dict[str, Any]:
    """Return a customer's invitation."""
    told = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    return dict(shop.owner.get(f"/v1/invitations/{told['id']}").json)


def signed_in_again(shop: Shop) -> Shop:
    """Return the shop with a new session of its owner, whose last one has ended meanwhile."""
    reply = shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD})
    return replace(shop, owner=shop.owner.as_(reply.json["token"]))


def statuses() -> list[tuple[str, str | None]]:
    """Return how the messages stand, oldest first."""
    return [(item["status"], item["failure"]) for item in sorted(stored("outbox"), key=lambda item: item["id"])]


def message() -> dict[str, Any]:
    """Return the one message."""
    (item,) = stored("outbox")
    return item


def after_the_pause(time: Clock) -> list[Key]:
    """Let the last pause pass; returns the keys that come back then."""
    body, seconds = delayed()[-1]
    time.advance(seconds=seconds)
    return [Key(**body)]


FOR_NOW = [
    *("TooManyRequestsException", "LimitExceededException", "SendingPausedException", "AccountSuspendedException"),
    *("MailFromDomainNotVerifiedException", "MessageRejected", "NotFoundException", "InternalFailure"),
]


@pytest.mark.parametrize("code", FOR_NOW)
def test_what_ses_does_not_take_now_comes_back_by_itself_and_is_sent_once(shop: Shop, time: Clock, code: str) -> None:
    customer = invite(shop)
    (key,) = queued()
    with failing("SendEmail", refusal("SendEmail", code)):
        assert consume([key]) == []
    assert (sent(), statuses(), delivery(shop, customer)) == ([], [("queued", None)], "queued")
    item = message()
    assert (item["attempts"], item["last_error"], item["claimed_until"]) == (1, code, None)
    ((body, seconds),) = delayed()
    assert body == key._asdict()
    assert 3 <= seconds <= 30
    # Told before its time, it waits; then it goes out, once
    assert consume([key]) == []
    assert sent() == []
    assert consume(after_the_pause(time)) == []
    assert (len(sent()), statuses(), delivery(shop, customer)) == (1, [("done", None)], "sent")
    assert consume([key]) == []
    assert len(sent()) == 1


def test_a_crowd_is_waited_for_with_seconds(shop: Shop, time: Clock) -> None:
    invite(shop)
    crowded = refusal("SendEmail", "TooManyRequestsException")
    with failing("SendEmail", crowded, times=3):
        consume(queued())
        consume(after_the_pause(time))
        consume(after_the_pause(time))
    pauses = [seconds for _, seconds in delayed()]
    assert [pause <= most for pause, most in zip(pauses, (4, 8, 16), strict=True)] == [True] * 3


def test_a_network_that_fails_is_tried_again_too(shop: Shop, time: Clock) -> None:
    invite(shop)
    with failing("SendEmail", ConnectTimeoutError(endpoint_url="https://email")):
        assert consume(queued()) == []
    assert message()["last_error"] == "ConnectTimeoutError"
    assert consume(after_the_pause(time)) == []
    assert len(sent()) == 1


def test_an_hour_without_ses_ends_with_one_mail_and_nothing_for_an_operator_to_do(shop: Shop, time: Clock) -> None:
    # Given an SES that does not know the sender, for an hour
    customer = invite(shop)
    link = invitation(shop, customer)["link"]
    keys, until = queued(), time.at + timedelta(hours=1)
    with failing("SendEmail", refusal("SendEmail", "MessageRejected"), times=99):
        while time.at < until:
            # Then the queue never has to bring a message again, and the sweeper has nothing to do
            assert consume(keys) == []
            assert run("notifications/sweep_outbox", {})["overdue"] == 0
            keys = after_the_pause(time)
    assert 5 <= message()["attempts"] <= 15
    assert delivery(shop, customer) == "queued"
    # And when it does, the same link goes out once
    assert consume(keys) == []
    (mail,) = sent()
    assert link in mail.html
    assert (statuses(), delivery(shop, customer)) == ([("done", None)], "sent")


def test_after_four_days_it_is_given_up_and_the_store_sees_it(shop: Shop, time: Clock) -> None:
    customer = invite(shop)
    (key,) = queued()
    with failing("SendEmail", refusal("SendEmail", "MessageRejected"), times=9):
        assert consume([key]) == []
        time.advance(days=4)
        assert consume([key]) == []
    shop = signed_in_again(shop)
    assert (sent(), statuses(), delivery(shop, customer)) == ([], [("failed", "MessageRejected")], "bounced")
    assert not Record.get(*key).gsi1pk
    assert len(delayed()) == 1
    # The address is not to blame: it may be sent again
    assert shop.owner.post(f"/v1/invitations/{invitation(shop, customer)['id']}/resend").status == 200
    assert len(deliver()) == 1
    assert delivery(shop, customer) == "sent"


def test_what_cannot_be_put_off_either_is_brought_again_by_the_queue(shop: Shop) -> None:
    invite(shop)
    keys = queued()
    down = refusal("SendMessage", "ServiceUnavailable")
    with failing("SendEmail", refusal("SendEmail", "MessageRejected")), failing("SendMessage", down):
        assert consume(keys) == ["0"]
    # The next delivery need not wait until the lease is over
    assert consume(keys) == []
    assert len(sent()) == 1


def test_a_note_of_the_failure_that_is_lost_costs_nothing(shop: Shop, time: Clock) -> None:
    invite(shop)
    keys = queued()
    lost = refusal("UpdateItem", "InternalServerError")
    with failing("SendEmail", refusal("SendEmail", "MessageRejected")), failing("UpdateItem", lost, times=9, skipping=1):
        assert consume(keys) == ["0"]
    assert len(delayed()) == 1
    time.advance(minutes=2)
    assert consume(keys * 2) == []
    assert (len(sent()), statuses()) == (1, [("done", None)])


def test_what_there_is_no_time_left_for_is_put_off_untried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    invite(shop)
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", staticmethod(lambda: 3_000))
    assert consume(queued()) == []
    assert (sent(), message()["attempts"], [seconds for _, seconds in delayed()]) == ([], 0, [30])


def test_no_address_that_ses_names_is_kept_or_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    invite(shop)
    error = refusal("SendEmail", "MessageRejected")
    error.response["Error"]["Message"] = "The following identities failed the check: blue@doors.test"
    with failing("SendEmail", error):
        assert consume(queued()) == []
    assert "blue@" not in caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "blue@" not in str(message()) + str(delayed())


def test_one_that_fails_holds_up_none_of_its_batch(shop: Shop) -> None:
    customers = [invite(shop, name) for name in ("Blue Door", "Green Gate", "Red Roof")]
    with failing("SendEmail", refusal("SendEmail", "TooManyRequestsException"), skipping=1):
        assert consume(queued()) == []
    assert [delivery(shop, customer) for customer in customers] == ["sent", "queued", "sent"]


def test_one_that_nobody_foresaw_holds_up_none_of_its_batch(shop: Shop) -> None:
    customers = [invite(shop, name) for name in ("Blue Door", "Green Gate")]
    keys = queued()
    broken = {"messageId": "broken", "body": "{}"}
    good = [{"messageId": f"{index}", "body": json.dumps(key._asdict())} for index, key in enumerate(keys)]
    answer = run("notifications/send_mail", {"Records": [broken, *good]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "broken"}]}
    assert [delivery(shop, customer) for customer in customers] == ["sent", "sent"]


def test_what_ses_refuses_for_good_is_not_tried_again_and_the_store_sees_it(shop: Shop) -> None:
    customer = invite(shop)
    with failing("SendEmail", refusal("SendEmail", "BadRequestException"), times=9):
        assert consume(queued()) == []
    assert (sent(), statuses(), delivery(shop, customer)) == ([], [("failed", "BadRequestException")], "bounced")
    assert (queued(), delayed()) == ([], [])
    # And the link lives: the owner can still hand it out
    refused = invitation(shop, customer)
    assert (refused["state"], bool(refused["link"])) == ("pending", True)


def test_a_crash_between_ses_and_the_note_sends_it_once_more_and_then_never_again(shop: Shop, time: Clock) -> None:
    customer = invite(shop)
    keys = queued()
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), times=9):
        assert consume(keys) == ["0"]
    assert (len(sent()), statuses()) == (1, [("queued", None)])
    # While the lease of the one that died lasts, nobody sends; afterwards, the same link goes out once more
    assert consume(keys) == []
    assert len(sent()) == 1
    time.advance(seconds=LEASE.total_seconds() + 1)
    assert consume(keys) == []
    assert consume(keys) == []
    first, second = sent()
    assert first == second
    assert (statuses(), delivery(shop, customer)) == ([("done", None)], "sent")


def test_a_note_whose_answer_got_lost_is_recognised(shop: Shop, time: Clock) -> None:
    invite(shop)
    keys = queued()
    lost = refusal("TransactWriteItems", "InternalServerError")
    with failing("TransactWriteItems", lost, when="after"):
        assert consume(keys) == []
    time.advance(minutes=5)
    assert consume(keys) == []
    assert (len(sent()), statuses()) == (1, [("done", None)])


def test_told_twice_at_once_it_is_sent_once(shop: Shop) -> None:
    invite(shop)
    keys = queued()
    with meanwhile("SendEmail", lambda: consume(keys)):
        assert consume(keys) == []
    assert (len(sent()), statuses()) == (1, [("done", None)])


def test_a_consumer_that_was_too_slow_sees_that_another_has_finished(shop: Shop, time: Clock) -> None:
    invite(shop)
    keys = queued()

    def another_after_the_lease() -> None:
        time.advance(minutes=1)
        assert consume(keys) == []

    with meanwhile("SendEmail", another_after_the_lease, when="after"):
        assert consume(keys) == []
    assert len(sent()) == 2
    assert statuses() == [("done", None)]


def test_told_out_of_order_every_mail_carries_the_present_link(shop: Shop, time: Clock) -> None:
    customer = invite(shop)
    time.advance(minutes=1)
    invitation = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["id"]
    shop.owner.post(f"/v1/invitations/{invitation}/resend")
    assert consume(reversed(queued())) == []
    link = shop.owner.get(f"/v1/invitations/{invitation}").json["link"]
    assert [link in mail.html for mail in sent()] == [True, True]
    assert delivery(shop, customer) == "sent"


def test_what_was_revoked_before_it_was_sent_is_dropped(shop: Shop) -> None:
    customer = invite(shop)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    assert consume(queued()) == []
    assert (sent(), statuses()) == ([], [("failed", "obsolete")])


def test_what_goes_to_a_customer_that_was_switched_off_meanwhile_is_dropped(shop: Shop) -> None:
    customer = invite(shop)
    etag = shop.owner.get(f"/v1/customers/{customer['id']}").json["etag"]
    shop.owner.patch(f"/v1/customers/{customer['id']}", {"active": False}, etag=etag)
    assert consume(queued()) == []
    assert (sent(), statuses()) == ([], [("failed", "obsolete")])


def test_a_mail_of_the_invitation_before_says_nothing_of_the_new_one(shop: Shop) -> None:
    customer = invite(shop)
    (key,) = queued()

    def invited_anew() -> None:
        shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
        shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]]})

    with meanwhile("SendEmail", invited_anew, when="after"):
        assert consume([key]) == []
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]["delivery"] == "queued"
    assert sorted(status for status, _ in statuses()) == ["done", "queued"]


def test_a_message_of_something_that_is_gone_is_dropped(shop: Shop, time: Clock) -> None:
    shop.owner.as_(None).post("/v1/password-resets", {"email": "ola@acme.test"})
    older = queued()
    time.advance(minutes=2)
    shop.owner.as_(None).post("/v1/password-resets", {"email": "ola@acme.test"})
    assert [message["type"] for message in announced()] == ["password_reset", "password_reset"]
    assert consume(older) == []
    assert (sent(), statuses()[0]) == ([], ("failed", "obsolete"))


def test_a_message_that_does_not_exist_is_taken_off_the_queue(shop: Shop) -> None:
    invite(shop)
    (key,) = queued()
    assert consume([key._replace(pk="OUTBOX#STORE#acme#nothing")]) == []
    assert sent() == []


def test_what_is_done_leaves_the_work_list_and_goes_after_a_month(shop: Shop, time: Clock) -> None:
    invite(shop)
    (key,) = queued()
    assert Record.get(*key).gsi1pk is not None
    deliver()
    record = Record.get(*key)
    assert not record.gsi1pk
    assert not record.gsi1sk
    assert int(record.expires_at) == int((time.at + timedelta(days=30)).timestamp())


def test_a_domain_that_ses_cannot_read_is_spelled_so_that_it_can(shop: Shop) -> None:
    customer = shop.add_customer("Blaue Tür", "buero@blaue-tür.test")
    shop.invite(customer["id"])
    (mail,) = deliver()
    assert mail.to.partition("@")[2].startswith("xn--")
    assert mail.to.isascii()
