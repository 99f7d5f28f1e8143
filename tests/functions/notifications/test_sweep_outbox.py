"""What the relay lost is found again, and what is being worked on is left alone."""

import json
from datetime import timedelta

import pytest

from tests.conftest import Clock
from tests.support import export_files as exporting
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import ROOT, run
from tests.support.mail import deliver, queued
from tests.support.queues import create_mail_queue, received
from tests.support.table import stored
from tests.support.withdrawing import handed, prepare, work
from tests.support.withdrawing import received as next_erasure
from tests.support.world import Shop
from tradepost.domain.exports import NO_ARCHIVE, NO_PROGRESS, ExportFailure, ExportKind

EVENT = json.loads((ROOT / "events" / "notifications" / "sweep_outbox.scheduled.json").read_text())


@pytest.fixture
def waiting(shop: Shop, time: Clock) -> list[dict[str, str]]:
    """Three invitations' mails that no relay has brought to the queue."""
    create_mail_queue()
    ids = [shop.add_customer(f"Customer {number}", f"buyer{number}@shop.test")["id"] for number in range(3)]
    assert shop.owner.post("/v1/invitations", {"customer_ids": ids, "delivery": "email"}).json["invited"] == 3
    return [key._asdict() for key in queued()]


def test_a_message_that_waits_for_minutes_is_put_on_the_queue_again(waiting: list[dict[str, str]], time: Clock) -> None:
    time.advance(minutes=6)
    assert run("notifications/sweep_outbox", EVENT) == {"overdue": 3, "refused": 0, "given_up": 0}
    assert sorted(received(), key=str) == sorted(waiting, key=str)


def test_a_message_that_is_merely_new_is_left_to_its_relay(waiting: list[dict[str, str]], time: Clock) -> None:
    time.advance(minutes=4)
    assert run("notifications/sweep_outbox", EVENT) == {"overdue": 0, "refused": 0, "given_up": 0}
    assert received() == []


def test_what_was_sent_again_just_now_is_not_sent_again_at_the_next_sweep(waiting: list[dict[str, str]], time: Clock) -> None:
    time.advance(minutes=6)
    run("notifications/sweep_outbox", EVENT)
    time.advance(minutes=5)
    assert run("notifications/sweep_outbox", EVENT)["overdue"] == 0
    time.advance(minutes=20)
    assert run("notifications/sweep_outbox", EVENT)["overdue"] == 3


def test_what_nobody_gets_through_with_is_sent_again_ever_less_often_and_given_up_after_four_days(
    waiting: list[dict[str, str]], time: Clock, shop: Shop
) -> None:
    sweeps: list[int] = []
    began = time.at
    while time.at - began <= timedelta(days=4, hours=13):
        time.advance(minutes=60)
        told = run("notifications/sweep_outbox", EVENT)
        if told["overdue"]:
            sweeps.append(told["overdue"] - told["given_up"])
    assert sweeps == [3] * (len(sweeps) - 1) + [0]
    assert len(sweeps) < 20
    assert len(received()) == sum(sweeps)
    assert [(item["status"], item["failure"]) for item in stored("outbox")] == [("failed", "expired")] * 3
    assert {item["delivery"] for item in stored("invitation")} == {"bounced"}
    assert run("notifications/sweep_outbox", EVENT)["overdue"] == 0


def test_one_that_cannot_be_given_up_holds_up_no_other(waiting: list[dict[str, str]], time: Clock) -> None:
    time.advance(days=4)
    broken = refusal("TransactWriteItems", "InternalServerError")
    with failing("TransactWriteItems", broken, times=2):
        assert run("notifications/sweep_outbox", EVENT) == {"overdue": 3, "refused": 0, "given_up": 2}
    time.advance(hours=13)
    assert run("notifications/sweep_outbox", EVENT) == {"overdue": 1, "refused": 0, "given_up": 1}


def test_a_message_that_was_carried_out_is_never_swept(waiting: list[dict[str, str]], time: Clock) -> None:
    assert len(deliver()) == 3
    time.advance(days=2)
    assert run("notifications/sweep_outbox", EVENT) == {"overdue": 0, "refused": 0, "given_up": 0}
    assert {item["status"] for item in stored("outbox")} == {"done"}


@pytest.fixture
def export_id(shop: Shop) -> str:
    """An export whose message no worker has ever got through with."""
    exporting.prepare()
    return exporting.asked(shop)


def export_stands(shop: Shop, export_id: str) -> tuple[str, str | None, list[str], list[str], int]:
    """Return how an export stands, why it failed, how its message stands, what is mailed about it, and its claims."""
    export = exporting.one(export_id, shop)
    messages = stored("outbox")
    return (
        export.status,
        export.failure.code if export.failure else None,
        [item["status"] for item in messages if item["message"]["type"] == "export"],
        [item["message"]["event"] for item in messages if item["message"]["type"] == "export_news"],
        len([item for item in stored("claim") if "#export#" in item["pk"]]),
    )


@pytest.mark.parametrize("status", ["queued", "running"])
def test_an_export_whose_message_is_given_up_has_failed_and_whoever_waits_is_told(
    shop: Shop, export_id: str, time: Clock, status: str
) -> None:
    exporting.change(exporting.one(export_id, shop), status=status)
    time.advance(days=4, hours=-1)
    run("notifications/sweep_outbox", EVENT)
    assert export_stands(shop, export_id) == (status, None, ["queued"], [], 1)
    time.advance(hours=13)
    assert run("notifications/sweep_outbox", EVENT) == {"overdue": 1, "refused": 0, "given_up": 1}
    assert export_stands(shop, export_id) == ("failed", "no_progress", ["failed"], ["failed"], 0)
    assert [line["target"] for line in stored("audit") if line["action"] == "export:failed"] == [export_id]
    # Whatever is still on the queue finds nothing to do.
    exporting.work()
    assert export_stands(shop, export_id) == ("failed", "no_progress", ["failed"], ["failed"], 0)


@pytest.mark.parametrize(("kind", "failure"), [("orders", NO_PROGRESS), ("person", NO_ARCHIVE)])
def test_an_archive_that_is_given_up_is_not_said_to_want_a_shorter_period(
    shop: Shop, time: Clock, kind: ExportKind, failure: ExportFailure
) -> None:
    exporting.prepare()
    export_id = exporting.asked(shop, {"member_id": "ida"} if kind == "person" else {}, kind=kind)
    time.advance(days=4)
    assert run("notifications/sweep_outbox", EVENT)["given_up"] == 1
    assert exporting.one(export_id, shop).failure == failure
    assert ("shorter period" in failure.detail) is (kind == "orders")


@pytest.mark.parametrize("status", ["done", "failed", "cancelled"])
def test_nothing_is_said_of_an_export_that_is_over_when_its_message_is_given_up(
    shop: Shop, export_id: str, time: Clock, status: str
) -> None:
    exporting.change(exporting.one(export_id, shop), status=status)
    time.advance(days=4)
    assert run("notifications/sweep_outbox", EVENT)["given_up"] == 1
    assert export_stands(shop, export_id) == (status, None, ["failed"], [], 1)


def test_an_export_that_a_worker_goes_on_with_is_not_given_up_at_that_moment(shop: Shop, export_id: str, time: Clock) -> None:
    time.advance(days=4)
    with meanwhile("TransactWriteItems", lambda: exporting.change(exporting.one(export_id, shop), status="running")):
        assert run("notifications/sweep_outbox", EVENT)["given_up"] == 0
    assert export_stands(shop, export_id) == ("running", None, ["queued"], [], 1)
    time.advance(hours=13)
    assert run("notifications/sweep_outbox", EVENT)["given_up"] == 1
    assert export_stands(shop, export_id) == ("failed", "no_progress", ["failed"], ["failed"], 0)


def test_two_sweeps_at_once_give_an_export_up_once(shop: Shop, export_id: str, time: Clock) -> None:
    time.advance(days=4)
    with meanwhile("TransactWriteItems", lambda: run("notifications/sweep_outbox", EVENT)):
        run("notifications/sweep_outbox", EVENT)
    assert export_stands(shop, export_id) == ("failed", "no_progress", ["failed"], ["failed"], 0)


def test_an_erasure_is_owed_however_long_it_fails_and_is_carried_out_once_it_can_be(
    shop: Shop, time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    create_mail_queue()
    prepare()
    customer = shop.add_customer("Blue Door", "buyer@bluedoor.test")
    shop.join(customer)
    (place,) = [each for each in stored("member") if each["customer_id"] == customer["id"]]
    assert shop.owner.post(f"/v1/members/{place['id']}/erasure", {"reason": "Asked by letter"}).status == 202

    def stands() -> tuple[str, bool]:
        (item,) = [each for each in stored("outbox") if each["message"]["type"] == "erasure"]
        (member,) = [each for each in stored("member") if each["id"] == place["id"]]
        return item["status"], member["erasing"]

    def complaints() -> int:
        return len([line for line in caplog.records if (line.levelname, line.getMessage()) == ("ERROR", "message still owed")])

    began, sent, complained = time.at, 0, list[timedelta]()
    while time.at - began < timedelta(days=5):
        time.advance(hours=1)
        caplog.clear()
        run("notifications/sweep_outbox", EVENT)
        complained += [time.at - began] * complaints()
        while event := next_erasure():
            sent += 1
            with failing("BatchGetItem", refusal("BatchGetItem", "InternalServerError"), times=50):
                assert not handed(event)
    assert stands() == ("queued", True)
    assert sent > 10
    assert len(complained) >= 2
    assert min(complained) >= timedelta(days=4)
    time.advance(hours=13)
    run("notifications/sweep_outbox", EVENT)
    work()
    assert stands() == ("done", False)
