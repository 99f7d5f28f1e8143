"""Inviting customers: one or hundreds, each with its own result, and nothing twice."""

import csv
import io
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.clock import now
from tradepost.domain.customers import Customer
from tradepost.table.customers import customer_key
from tradepost.table.records import Record


def put_customers(shop: Shop, count: int, **fields: Any) -> list[str]:
    """Put many customers into the table at once; returns their ids."""
    ids = [f"c{number:04}" for number in range(count)]
    with Record.batch_write() as batch:
        for number, id_ in enumerate(ids):
            given = {"email": f"buyer{number}@many.test", **fields}
            customer = Customer(
                id=id_, store_id=shop.slug, number=f"C-{number}", name=f"Customer {number}",
                group_id=shop.group_id, created_at=now(), version=1, **given,
            )  # fmt: skip
            batch.save(Record.of(customer_key(shop.slug, id_), customer))
    return ids


def send(client: Client, customer_ids: list[str], **fields: Any) -> dict[str, Any]:
    """Invite, and return what became of it."""
    reply = client.post("/v1/invitations", {"customer_ids": customer_ids, **fields})
    assert reply.status == 200, reply.text
    return dict(reply.json)


def reasons(answer: dict[str, Any]) -> list[str | None]:
    """Return each row's reason; None for those that were invited."""
    return [row.get("reason") for row in answer["results"]]


def test_an_invited_customer_gets_a_mail_with_the_link_that_the_store_may_copy(shop: Shop) -> None:
    customer = shop.add_customer()
    reply = send_event("invitations/send_invitations.by_mail", TOKEN=shop.owner.token, CUSTOMER_ID=customer["id"])
    assert (reply.status, reply.json["invited"], reply.json["skipped"]) == (200, 1, 0)
    (row,) = reply.json["results"]
    assert (row["customer_id"], row["status"], row["link"]) == (customer["id"], "invited", None)
    assert [message["invitation_id"] for message in announced()] == [row["invitation_id"]]
    (mail,) = deliver()
    invitation = shop.owner.get(f"/v1/invitations/{row['invitation_id']}").json
    assert (mail.to, invitation["link"] in mail.html) == ("buyer@bluedoor.test", True)
    assert (invitation["delivery"], bool(invitation["sent_at"])) == ("sent", True)
    shown = shop.owner.get(f"/v1/customers/{customer['id']}").json["invitation"]
    assert shown == {"id": row["invitation_id"], "state": "pending", "delivery": "sent"}


def test_two_hundred_and_fifty_are_invited_and_each_row_that_is_not_says_why(shop: Shop) -> None:
    ids = put_customers(shop, 250)
    joined = shop.add_customer("Joined", "joined@bluedoor.test")
    shop.join(joined)
    silent = shop.add_customer("Silent", None)
    asleep = shop.add_customer("Asleep", "asleep@bluedoor.test")
    shop.owner.patch(f"/v1/customers/{asleep['id']}", {"active": False}, etag=asleep["etag"])
    foreign = open_shop(shop.owner.as_(None), "rival").add_customer()
    odd = [joined["id"], silent["id"], asleep["id"], foreign["id"], "nothing", ""]
    answer = send(shop.owner, [*ids, *odd, ids[0]])
    assert [row["customer_id"] for row in answer["results"]] == [*ids, *odd]
    assert reasons(answer) == [None] * 250 + [
        "already_accepted",
        "no_email",
        "inactive",
        "out_of_scope",
        "out_of_scope",
        "out_of_scope",
    ]
    assert (answer["invited"], answer["skipped"]) == (250, 6)
    invited = {row["invitation_id"] for row in answer["results"] if row["status"] == "invited"}
    assert {each["invitation_id"] for each in announced() if each["type"] == "invitation"} >= invited
    assert len([item for item in stored("invitation") if item["id"] in invited]) == 250
    # When it is sent again, then nothing is added
    before = len(stored("invitation")), len(stored("outbox"))
    again = send(shop.owner, ids)
    assert (reasons(again), again["invited"]) == (["already_invited"] * 250, 0)
    assert (len(stored("invitation")), len(stored("outbox"))) == before


def test_a_dry_run_tells_everything_and_does_nothing(shop: Shop) -> None:
    customer, silent = shop.add_customer(), shop.add_customer("Silent", None)
    before = stored()
    answer = send(shop.owner, [customer["id"], silent["id"], "nothing"], dry_run=True)
    assert reasons(answer) == [None, "no_email", "out_of_scope"]
    assert (answer["invited"], answer["results"][0]["invitation_id"]) == (1, None)
    assert stored() == before


def test_links_are_answered_instead_of_mailed_and_never_stored(shop: Shop) -> None:
    customer = shop.add_customer()
    body = {"customer_ids": [customer["id"]], "delivery": "links"}
    first = shop.owner.post("/v1/invitations", body, key="once")
    link = first.json["results"][0]["link"]
    assert link.startswith(f"https://portal.example/i/{first.json['results'][0]['invitation_id']}.1.")
    assert shop.owner.as_(None).get(f"/v1/invitation-links/{link.rpartition('/')[2]}").status == 200
    assert stored("outbox") == []
    assert [each["delivery"] for each in stored("invitation")] == ["none"]
    assert link.rpartition(".")[2] not in everything()
    # And yet a retry brings the same links
    again = shop.owner.post("/v1/invitations", body, key="once")
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (200, first.json, "true")


def test_a_retry_invites_nobody_twice(shop: Shop) -> None:
    customer = shop.add_customer()
    body = {"customer_ids": [customer["id"]]}
    first, again = (shop.owner.post("/v1/invitations", body, key="once") for _ in range(2))
    assert again.json == first.json
    assert (len(stored("invitation")), len(stored("outbox"))) == (1, 1)
    other = shop.owner.post("/v1/invitations", {"customer_ids": ["nothing"]}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_one_who_is_being_changed_at_that_moment_is_decided_on_anew_and_stops_no_other(shop: Shop) -> None:
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", "buyer@greengate.test")
    path = f"/v1/customers/{blue['id']}"
    with meanwhile("TransactWriteItems", lambda: shop.owner.patch(path, {"active": False}, etag=blue["etag"])):
        answer = send(shop.owner, [blue["id"], green["id"]])
    assert reasons(answer) == ["inactive", None]
    assert [each["customer_id"] for each in stored("invitation")] == [green["id"]]


def test_of_two_who_invite_the_same_customer_at_once_one_does(shop: Shop) -> None:
    customer = shop.add_customer()
    first: list[dict[str, Any]] = []
    with meanwhile("TransactWriteItems", lambda: first.append(send(shop.owner, [customer["id"]]))):
        second = send(shop.owner, [customer["id"]])
    assert (reasons(first[0]), reasons(second)) == ([None], ["already_invited"])
    assert (len(stored("invitation")), len(stored("outbox"))) == (1, 1)


def expired_one(shop: Shop, time: Clock) -> tuple[dict[str, Any], str, Client]:
    """Return a customer whose invitation has run out, its link, and the owner signed in anew."""
    customer = shop.add_customer()
    link = shop.invite(customer["id"])
    time.advance(days=15)
    reply = shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD})
    return customer, link, shop.owner.as_(reply.json["token"])


def test_an_invitation_that_ran_out_is_sent_anew_and_its_old_link_lives_again(shop: Shop, time: Clock) -> None:
    customer, link, owner = expired_one(shop, time)
    assert owner.as_(None).get(f"/v1/invitation-links/{link}").code == "invitation_expired"
    assert reasons(send(owner, [customer["id"]])) == [None]
    assert owner.as_(None).get(f"/v1/invitation-links/{link}").status == 200
    assert (len(stored("invitation")), len(stored("outbox"))) == (1, 2)


def test_one_that_ran_out_and_is_revoked_at_that_moment_is_invited_by_a_new_one(shop: Shop, time: Clock) -> None:
    customer, _, owner = expired_one(shop, time)
    green = shop_customer = owner.post(
        "/v1/customers", {"name": "Green Gate", "email": "g@greengate.test", "group_id": shop.group_id}
    ).json
    revocation = {"customer_ids": [customer["id"]]}
    with meanwhile("TransactWriteItems", lambda: owner.post("/v1/invitations/revoke", revocation)):
        answer = send(owner, [customer["id"], green["id"]])
    assert reasons(answer) == [None, None]
    assert sorted((each["customer_id"], each["state"]) for each in stored("invitation")) == sorted(
        [(customer["id"], "revoked"), (customer["id"], "pending"), (shop_customer["id"], "pending")]
    )


def test_one_whose_mail_came_back_is_skipped_and_stops_no_other(shop: Shop, time: Clock) -> None:
    customer, _, owner = expired_one(shop, time)
    (invitation,) = stored("invitation")
    Record(invitation["pk"], invitation["sk"]).update([Path("aside.suppressed").set(True)])
    green = owner.post("/v1/customers", {"name": "Green Gate", "email": "g@greengate.test", "group_id": shop.group_id}).json
    assert reasons(send(owner, [customer["id"], green["id"]])) == ["address_suppressed", None]
    assert reasons(send(owner, [customer["id"]], delivery="links")) == [None]


def links_csv(owner: Client, ids: list[str], **options: Any) -> list[dict[str, str]]:
    """Ask for links as CSV; returns what a CSV reader makes of it."""
    body = {"customer_ids": ids, "delivery": "links"}
    reply = owner.post("/v1/invitations", body, headers={"Accept": "text/csv"}, **options)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8; header=present")
    return list(csv.DictReader(io.StringIO(reply.text, newline="")))


def test_links_come_as_csv_which_a_reader_reads_back_and_no_mail_goes_out(shop: Shop) -> None:
    names = ['Comma, "Quote"', "Zeileü 日本", "=1+1", "@SUM(A1)", "Semi;colon"]
    customers = [shop.add_customer(name, f"c{number}@doors.test") for number, name in enumerate(names)]
    rows = links_csv(shop.owner, [customer["id"] for customer in customers])
    assert [row["customer_id"] for row in rows] == [customer["id"] for customer in customers]
    assert [row["customer"] for row in rows] == [*names[:2], "'=1+1", "'@SUM(A1)", names[4]]
    assert [row["email"] for row in rows] == [customer["email"] for customer in customers]
    anyone = shop.owner.as_(None)
    for row in rows:
        offer = anyone.get(f"/v1/invitation-links/{row['link'].rpartition('/')[2]}")
        assert (offer.status, offer.json["email"], offer.json["expires_at"]) == (200, row["email"], row["expires_at"])
    assert stored("outbox") == []
    assert {each["delivery"] for each in stored("invitation")} == {"none"}


def test_a_retry_gets_the_same_csv_and_a_later_request_the_same_links(shop: Shop) -> None:
    mailed, silent = shop.add_customer(), shop.add_customer("Silent", None)
    shop.invite(mailed["id"])
    other = shop.add_customer("Green Gate", "buyer@greengate.test")
    ids = [mailed["id"], silent["id"], other["id"]]
    first, retried = links_csv(shop.owner, ids, key="once"), links_csv(shop.owner, ids, key="once")
    assert retried == first == links_csv(shop.owner, ids)
    assert [row["customer_id"] for row in first] == [mailed["id"], other["id"]]
    assert all(row["link"].rpartition(".")[2] not in everything() for row in first)
    as_json = send(shop.owner, ids, delivery="links")
    assert reasons(as_json) == ["already_invited", "no_email", "already_invited"]
    assert [row["link"] for row in as_json["results"] if row["link"]] == [row["link"] for row in first]
    assert len(stored("invitation")) == 2


def test_whoever_was_only_handed_a_link_is_mailed_the_same_one_when_mails_are_sent(shop: Shop) -> None:
    customer = shop.add_customer()
    (handed,) = links_csv(shop.owner, [customer["id"]])
    assert reasons(send(shop.owner, [customer["id"]])) == [None]
    (mail,) = deliver()
    assert handed["link"] in mail.html
    assert reasons(send(shop.owner, [customer["id"]])) == ["already_invited"]
    assert (len(stored("invitation")), shop.owner.get("/v1/invitations/counts").json["delivery"]["sent"]) == (1, 1)


def test_mails_are_no_csv(shop: Shop) -> None:
    body = {"customer_ids": [shop.add_customer()["id"]], "delivery": "email"}
    reply = shop.owner.post("/v1/invitations", body, headers={"Accept": "text/csv"})
    assert (reply.json["invited"], reply.headers["content-type"]) == (1, "application/json")


def test_a_revoked_customer_is_invited_by_a_new_invitation(shop: Shop) -> None:
    customer = shop.add_customer()
    old = shop.invite(customer["id"])
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    new = shop.invite(customer["id"])
    anyone = shop.owner.as_(None)
    assert new.rpartition(".")[0] != old.rpartition(".")[0]
    assert anyone.get(f"/v1/invitation-links/{old}").code == "invitation_revoked"
    assert anyone.get(f"/v1/invitation-links/{new}").status == 200


def test_a_hostile_host_header_does_not_change_the_link(shop: Shop) -> None:
    customer = shop.add_customer()
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    body = {"customer_ids": [customer["id"]], "delivery": "links"}
    reply = shop.owner.post("/v1/invitations", body, headers=headers)
    assert reply.json["results"][0]["link"].startswith("https://portal.example/i/")


@pytest.mark.parametrize(
    "body",
    [
        {"customer_ids": []},
        {"customer_ids": ["x"] * 1001},
        {"customer_ids": "x"},
        {"customer_ids": [5]},
        {"customer_ids": ["x" * 201]},
        {"customer_ids": ["half \ud83d"]},
        {"customer_ids": ["x"], "delivery": "pigeon"},
        {"customer_ids": ["x"], "dry_run": "yes"},
        {"customer_ids": ["x"], "surprise": 1},
        {},
    ],
)
def test_an_order_that_is_none_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    before = stored()
    assert shop.owner.post("/v1/invitations", body).status == 422
    assert stored() == before


def test_a_buyer_invites_nobody(shop: Shop) -> None:
    customer = shop.add_customer()
    buyer = shop.join(customer)
    before = stored()
    reply = buyer.post("/v1/invitations", {"customer_ids": [customer["id"]]})
    assert (reply.status, reply.code) == (403, "forbidden")
    assert stored() == before


def test_a_sales_rep_invites_its_own_customers_and_learns_nothing_of_others(shop: Shop) -> None:
    own, other, gone = (shop.add_customer(name, f"{name}@doors.test")["id"] for name in ("own", "other", "gone"))
    rhea, sven = hire(shop, "Rhea"), hire(shop, "Sven", access="all")
    allocate(shop, {"id": own}, rhea)
    allocate(shop, {"id": gone}, rhea)
    etag = shop.owner.get(f"/v1/customers/{gone}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{gone}", {"active": False}, etag=etag).status == 200
    reply = send(rhea.client, [own, other, "nothing", gone])
    assert [(row["status"], row["reason"]) for row in reply["results"]] == [
        ("invited", None),
        ("skipped", "out_of_scope"),
        ("skipped", "out_of_scope"),
        ("skipped", "inactive"),
    ]
    (sent,) = [item for item in stored("invitation") if item["kind"] == "customer"]
    assert (sent["customer_id"], sent["created_by"]["id"]) == (own, rhea.id)
    rows = {"customer_ids": [own, other], "delivery": "links"}
    listed = rhea.client.post("/v1/invitations", rows, headers={"Accept": "text/csv"})
    assert ("own@doors.test" in listed.text, "other" in listed.text) == (True, False)
    # Access to all is to all that are active
    assert [row["reason"] for row in send(sven.client, [own, gone, other])["results"]] == [
        "already_invited",
        "out_of_scope",
        None,
    ]


def test_a_row_that_leaves_a_sales_reps_scope_at_that_moment_is_out_of_it(shop: Shop) -> None:
    ids, rhea = [shop.add_customer(f"c{number}", f"c{number}@doors.test")["id"] for number in range(2)], hire(shop)
    for id_ in ids:
        allocate(shop, {"id": id_}, rhea)

    def taken() -> None:
        allocate(shop, {"id": ids[0]})
        shop.invite(ids[0])

    with meanwhile("TransactWriteItems", taken):
        reply = send(rhea.client, ids)
    assert [row["reason"] for row in reply["results"]] == ["out_of_scope", None]
