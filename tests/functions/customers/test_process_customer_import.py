"""A list is checked as often as it takes, and carried out exactly once, whatever dies in between."""

import json
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Clock
from tests.support import customer_imports as imports
from tests.support.customer_imports import HEADER, begun, consume, doors, handed, put, received, sheet, told, work
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import ROOT, run
from tests.support.mail import deliver, waiting_on
from tests.support.reps import hire, invite_rep
from tests.support.table import counted_calls, everything, stored
from tests.support.world import Shop
from tradepost.domain.customer_import import LEASE
from tradepost.table.transaction import _ATTEMPTS

EVENTS = ROOT / "events" / "customers"
# Two transactions, of which the second is not full.
COUNT = 10
# Taking the import on, creating some, letting it go; and once more, but for the end.
STEPS = 6


@pytest.fixture(autouse=True)
def _prepared(shop: Shop) -> None:
    imports.prepare()


def one(shop: Shop, import_id: str) -> dict[str, Any]:
    """Return an import as its owner sees it."""
    return dict(shop.owner.get(f"/v1/customer-imports/{import_id}").json)


def expect_whole(shop: Shop, import_id: str, count: int = COUNT, *, invited: int = COUNT) -> None:
    """Expect that everybody of a list was created once, and that everything counts them so."""
    shown = one(shop, import_id)
    assert (shown["status"], shown["progress"], shown["failures"]) == ("done", 1, [])
    assert (shown["created"], shown["invited"], shown["failed"]) == (count, invited, 0)
    customers = stored("customer")
    assert sorted(customer["email"] for customer in customers) == sorted(f"p{number}@doors.test" for number in range(count))
    assert len({customer["number"] for customer in customers}) == count
    assert len(stored("invitation")) == invited
    assert len(waiting_on("mail")) == invited
    assert waiting_on("customer_imports") == []
    [group] = stored("customer_group")
    assert group["tally"] == count
    added = [line for line in stored("audit") if line["action"] == "customer:added"]
    assert len(added) == count
    assert {line["actor"]["name"] for line in added} == {"Ola Nordmann"}


# Checking


def test_a_customer_has_everything_that_its_row_says(shop: Shop) -> None:
    tier = shop.owner.post("/v1/price-tiers", {"name": "Best friends"}).json["id"]
    group = shop.owner.post("/v1/customer-groups", {"name": "Cafés", "price_tier_id": shop.tier_id}).json["id"]
    header = (*HEADER, "Price List", "customer_group", "kind", "street", "postal_code", "city", "country", "send_invitation")
    row = ("=1+1", "Ida Holm", "Ida@BlueDoor.test", "BEST friends", "cafés", "B2C", "Harbour 5", "20457", "Ulm", "de", "yes")
    import_id = imports.approved(shop, sheet([row], header))
    work()
    assert one(shop, import_id)["created"] == 1
    [customer] = shop.owner.get("/v1/customers", q="ulm").json["items"]
    assert (customer["name"], customer["contact_name"], customer["email"]) == ("=1+1", "Ida Holm", "Ida@bluedoor.test")
    assert (customer["group_id"], customer["price_tier_id"], customer["kind"]) == (group, tier, "b2c")
    [address] = customer["addresses"]
    assert (address["street"], address["country"], address["default_billing"]) == ("Harbour 5", "DE", True)
    assert customer["invitation"]["state"] == "pending"
    rows = shop.owner.get(f"/v1/customer-imports/{import_id}/rows").json["items"]
    assert [row["customer_id"] for row in rows] == [customer["id"]]
    [mail] = deliver()
    assert mail.to == "Ida@bluedoor.test"


def test_customers_come_to_the_account_managers_that_their_rows_name(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    invite_rep(shop, "Iris")
    cells = ("RHEA", "otto@reps.test", "", "Iris", "nobody@reps.test")
    rows = [(f"Door {number}", f"P{number}", f"p{number}@doors.test", cell) for number, cell in enumerate(cells)]
    import_id = imports.uploaded(shop, sheet(rows, (*HEADER, "Account Manager")))
    assert [(each["row"], each["reason"], each["field"]) for each in one(shop, import_id)["mistakes"]] == [
        (5, "account_manager_not_active", "account_manager"),
        (6, "unknown_account_manager", "account_manager"),
    ]
    assert shop.owner.post(f"/v1/customer-imports/{import_id}/approve").status == 200
    imports.relay()
    work()
    managers = {customer["name"]: customer["account_manager_id"] for customer in stored("customer")}
    assert managers == {"Door 0": rhea.id, "Door 1": otto.id, "Door 2": None}
    assert [each["name"] for each in rhea.client.get("/v1/customers").json["items"]] == ["Door 0"]
    assert len(stored("allocation_change")) == 2


def test_a_sales_rep_who_is_gone_by_the_time_of_approval_fails_its_rows_alone(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    rows = [(f"Door {number}", f"P{number}", f"p{number}@doors.test", ("rhea", "otto")[number % 2]) for number in range(6)]
    import_id = imports.approved(shop, sheet(rows, (*HEADER, "account_manager")))
    etag = shop.owner.get(f"/v1/sales-reps/{rhea.id}").json["etag"]
    assert shop.owner.patch(f"/v1/sales-reps/{rhea.id}", {"active": False}, etag=etag).status == 200
    work()
    shown = one(shop, import_id)
    assert (shown["status"], shown["created"], shown["failed"]) == ("done", 3, 3)
    assert {(each["reason"], each["field"]) for each in shown["failures"]} == {
        ("account_manager_not_active", "account_manager")
    }
    assert {customer["account_manager_id"] for customer in stored("customer")} == {otto.id}


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "empty_file", None),
        (f"{','.join(HEADER)}\nA,B,a@b.test\nCaf\xe9,B,c@d.test\n".encode("latin-1"), "encoding", 3),
        (f'{",".join(HEADER)}\nA,B,a@b.test\n"Half'.encode(), "unterminated_quote", 3),
        (b"name,email\nA,a@b.test\n", "unknown_column", 1),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_ends_there(shop: Shop, content: bytes, code: str, line: int | None) -> None:
    shown = one(shop, imports.uploaded(shop, content))
    assert (shown["status"], shown["mistake"]["code"], shown["mistake"]["line"]) == ("invalid", code, line)
    assert (shown["rows"], stored("customer")) == (0, [])


def test_twenty_thousand_and_one_rows_are_refused(shop: Shop) -> None:
    shown = one(shop, imports.uploaded(shop, doors(20_001)))
    assert (shown["status"], shown["mistake"]["code"], shown["mistake"]["line"]) == ("invalid", "too_many_rows", 20_002)


def test_what_s3_sends_to_try_the_queue_out_is_swallowed() -> None:
    bodies: list[dict[str, Any]] = [{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, {"Records": []}]
    for body in bodies:
        told(body)
    assert work() == 2


def test_an_upload_told_twice_is_checked_once(shop: Shop) -> None:
    import_id = begun(shop)["id"]
    event = put(import_id, doors(3))
    told(event)
    told(event)
    assert work() == 2
    shown = one(shop, import_id)
    assert (shown["status"], shown["rows"], shown["etag"]) == ("awaiting_approval", 3, '"3"')


def test_only_the_first_upload_counts(shop: Shop) -> None:
    import_id = begun(shop)["id"]
    first, second = put(import_id, doors(3)), put(import_id, doors(9))
    told(first)
    told(second)
    work()
    assert one(shop, import_id)["rows"] == 3
    told(put(import_id, doors(5)))
    work()
    assert one(shop, import_id)["rows"] == 3


def test_an_upload_that_no_import_waits_for_is_left_alone(shop: Shop) -> None:
    told(put("01kb0000000000000000000009", doors(3)))
    assert work() == 1
    assert stored("customer_import") == []


@pytest.mark.parametrize(
    ("call", "skipping"),
    [("TransactWriteItems", 0), ("TransactWriteItems", 1), ("GetObject", 0), ("BatchGetItem", 1), ("PutObject", 1)],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_check_that_breaks_off_anywhere_is_made_again(shop: Shop, call: str, skipping: int, when: Any) -> None:
    import_id = begun(shop)["id"]
    told(put(import_id, doors(3)))
    event = received()
    assert event is not None
    with failing(call, refusal(call, "InternalServerError"), skipping=skipping, when=when):
        done = consume(event)
    if not done:
        imports.come_again(event)
        assert work() == 1
    shown = one(shop, import_id)
    assert (shown["status"], shown["rows"], shown["create"]) == ("awaiting_approval", 3, 3)
    assert len(shop.owner.get(f"/v1/customer-imports/{import_id}/rows").json["items"]) == 3


def test_two_checks_of_one_upload_leave_one_report(shop: Shop) -> None:
    import_id = begun(shop)["id"]
    body = put(import_id, doors(3))
    told(body)
    told(body)
    first, second = received(), received()
    assert first
    assert second
    with meanwhile("PutObject", lambda: handed(second)):
        assert consume(first) is False
    report = one(shop, import_id)
    imports.come_again(first)
    assert work() == 1
    assert one(shop, import_id) == report
    rows = shop.owner.get(f"/v1/customer-imports/{import_id}/rows").json["items"]
    assert [row["row"] for row in rows] == [2, 3, 4]


# Creating


def test_an_approved_import_is_carried_out_in_parts(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    parts = work()
    assert parts == 2, "the tests' functions have little time, so that each part is one transaction"
    expect_whole(shop, import_id)
    shown = one(shop, import_id)
    assert None not in {shown["checked_at"], shown["decided_at"], shown["finished_at"]}
    assert [line["actor"]["type"] for line in stored("audit") if line["action"] == "customer_import:finished"] == ["system"]
    [item] = [each for each in stored("outbox") if each["message"]["type"] == "customer_import"]
    assert (item["status"], item["done_at"] is None) == ("done", False)


def test_progress_is_seen_on_the_way(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT))
    event = received()
    assert event is not None
    assert consume(event)
    shown = one(shop, import_id)
    assert (shown["status"], 0 < shown["progress"] < 1) == ("running", True)
    assert shown["created"] == len(stored("customer")) == round(shown["progress"] * COUNT)
    work()
    expect_whole(shop, import_id, invited=0)


def test_a_transaction_is_full(shop: Shop) -> None:
    imports.approved(shop, doors(30))
    with counted_calls() as calls:
        event = received()
        assert event is not None
        consume(event)
    assert one(shop, stored("customer_import")[0]["id"])["created"] >= 8
    assert calls.count("TransactWriteItems") == 3, "taking the import on, creating, and letting it go"


def test_who_is_there_already_is_counted_and_told_and_stops_nobody(shop: Shop) -> None:
    import_id = imports.uploaded(shop, doors(COUNT, invited=True))
    shop.add_customer("Meanwhile", "P3@Doors.test")
    shop.owner.post(f"/v1/customer-imports/{import_id}/approve")
    imports.relay()
    work()
    shown = one(shop, import_id)
    assert (shown["status"], shown["created"], shown["invited"], shown["failed"]) == ("done", COUNT - 1, COUNT - 1, 1)
    assert [(row["row"], row["status"], row["reason"]) for row in shown["failures"]] == [(5, "fail", "email_taken")]
    assert len(stored("customer")) == COUNT


def test_where_the_group_was_deleted_meanwhile_every_row_says_so(shop: Shop) -> None:
    group = shop.owner.post("/v1/customer-groups", {"name": "Soon gone", "price_tier_id": shop.tier_id}).json
    import_id = begun(shop, group_id=group["id"])["id"]
    told(put(import_id, doors(5)))
    work()
    assert shop.owner.delete(f"/v1/customer-groups/{group['id']}", etag=group["etag"]).status == 204
    shop.owner.post(f"/v1/customer-imports/{import_id}/approve")
    imports.relay()
    work()
    shown = one(shop, import_id)
    assert (shown["status"], shown["created"], shown["failed"]) == ("done", 0, 5)
    assert {row["reason"] for row in shown["failures"]} == {"unknown_group"}
    assert stored("customer") == []


def test_a_number_that_is_taken_is_drawn_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given chance that draws the number of an earlier customer, alone and with others
    drawn = iter([0, 0, 1, 2, 0, 0, 3, 4, 5])
    monkeypatch.setattr(secrets, "token_bytes", lambda size: next(drawn).to_bytes(size))
    shop.add_customer("First", None)
    import_id = imports.approved(shop, doors(3))
    work()
    shown = one(shop, import_id)
    assert (shown["created"], shown["failed"]) == (3, 0)
    assert len({customer["number"] for customer in stored("customer")}) == 4


def test_the_same_list_once_more_adds_nobody(shop: Shop) -> None:
    imports.approved(shop, doors(5))
    work()
    import_id = imports.approved(shop, doors(5))
    work()
    shown = one(shop, import_id)
    assert (shown["status"], shown["skip"], shown["create"], shown["created"]) == ("done", 5, 0, 0)
    assert len(stored("customer")) == 5


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_killed_before_or_after_any_transaction_it_goes_on_where_it_was(shop: Shop, step: int, when: Any) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    crash = refusal("TransactWriteItems", "InternalServerError")
    deaths = 0
    with failing("TransactWriteItems", crash, skipping=step, when=when):
        while event := received():
            if not consume(event):
                deaths += 1
                imports.come_again(event)
    assert deaths == 1
    expect_whole(shop, import_id)


def test_no_step_is_left_out_above(shop: Shop) -> None:
    imports.approved(shop, doors(COUNT, invited=True))
    with counted_calls() as calls:
        work()
    assert calls.count("TransactWriteItems") == STEPS


@pytest.mark.parametrize("call", ["SendMessageBatch", "GetObject", "BatchGetItem", "ChangeMessageVisibility"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_else_fails_nobody_is_created_twice_or_left_out(shop: Shop, call: str, when: Any) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    for skipping in range(2):
        with failing(call, refusal(call, "InternalServerError"), skipping=skipping, when=when):
            event = received()
            if event and not consume(event):
                imports.come_again(event)
    work()
    expect_whole(shop, import_id)


def test_told_twice_the_second_message_is_left_to_the_first(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    imports.relay()
    first, second = received(), received()
    assert first
    assert second
    with meanwhile("GetObject", lambda: handed(second)):
        assert consume(first)
    work()
    expect_whole(shop, import_id)


def test_told_again_when_it_is_done_nothing_happens(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    imports.relay()
    [key] = waiting_on("customer_imports")
    work()
    told(key._asdict())
    assert work() == 1
    expect_whole(shop, import_id)


def test_an_import_whose_message_was_lost_is_swept_up(shop: Shop, time: Clock) -> None:
    import_id = imports.uploaded(shop, doors(COUNT, invited=True))
    shop.owner.post(f"/v1/customer-imports/{import_id}/approve")
    time.advance(minutes=6)
    assert run("notifications/sweep_outbox", {})["overdue"] == 1
    work()
    expect_whole(shop, import_id)


def _overtaking(event: dict[str, Any], time: Clock) -> Callable[[], None]:
    def overtake() -> None:
        time.advance(seconds=LEASE.total_seconds())
        assert handed(event)

    return overtake


def test_a_worker_that_was_too_slow_finds_that_another_has_gone_on(shop: Shop, time: Clock) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    imports.relay()
    first, second = received(), received()
    assert first
    assert second
    with meanwhile("GetObject", _overtaking(second, time)):
        assert consume(first) is False
    imports.come_again(first)
    work()
    expect_whole(shop, import_id)


def test_the_message_of_a_dead_worker_goes_on_without_waiting(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    event = received()
    assert event is not None
    with failing("GetObject", refusal("GetObject", "InternalServerError")):
        assert consume(event) is False
    assert consume(event)
    assert one(shop, import_id)["created"] > 0


def test_others_are_changing_the_same_group_just_now(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    busy = ClientError(
        {
            "Error": {"Code": "TransactionCanceledException", "Message": "[TransactionConflict]"},
            "CancellationReasons": [{"Code": "TransactionConflict"}],
        },
        "TransactWriteItems",
    )
    event = received()
    assert event is not None
    with failing("TransactWriteItems", busy, skipping=1, times=_ATTEMPTS):
        assert consume(event) is False
    assert one(shop, import_id)["failed"] == 0
    imports.come_again(event)
    work()
    expect_whole(shop, import_id)


def test_a_store_that_is_switched_off_meanwhile_gets_its_customers_all_the_same(shop: Shop) -> None:
    import_id = imports.approved(shop, doors(COUNT, invited=True))
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", {"active": False}, etag=etag).status == 200
    work()
    expect_whole(shop, import_id)


def test_invitations_live_as_long_as_the_store_says(shop: Shop, time: Clock) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    shop.owner.patch("/v1/store", {"invitation_days": 3}, etag=etag)
    imports.approved(shop, doors(1, invited=True))
    work()
    [invitation] = stored("invitation")
    assert invitation["expires_at"] == (time.at + timedelta(days=3)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert invitation["created_by"]["name"] == "Ola Nordmann"


def test_no_message_holds_an_address(shop: Shop) -> None:
    imports.approved(shop, doors(2, invited=True))
    event = received()
    assert "doors.test" not in json.dumps(event)
    assert everything()


@pytest.mark.parametrize("name", ["uploaded", "approved"])
def test_an_example_about_nothing_is_carried_out(name: str) -> None:
    text = (EVENTS / f"process_customer_import.{name}.json").read_text()
    event = json.loads(text.replace("OUTBOX_PK", "OUTBOX#STORE#acme#nothing"))
    assert run("customers/process_customer_import", event) == {"batchItemFailures": []}
