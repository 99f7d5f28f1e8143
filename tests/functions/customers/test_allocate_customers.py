"""Many customers are given to sales reps at once: by id or in a list, and a row that cannot be stops no other."""

from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.client import Client
from tests.support.faults import failing, meanwhile, refusal
from tests.support.functions import Reply
from tests.support.ordering import Market, open_market, send_event
from tests.support.reps import Rep, allocate, hire, invite_rep
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, open_shop
from tradepost.domain.clock import now
from tradepost.domain.customers import Customer
from tradepost.domain.people import SYSTEM
from tradepost.table.customers import customer_key, save_customer
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.transaction import Transaction


def fill(shop: Shop, count: int) -> list[str]:
    """Add many customers, as fast as the table takes them; returns their ids, which their numbers are like."""
    for index in range(count):
        tx = Transaction("STORE#acme", SYSTEM, SYSTEM, now())
        fields = {"id": f"c{index}", "number": f"C-{index}", "group_id": shop.group_id}
        save_customer(tx, Customer(**fields, store_id=shop.slug, name=f"Customer {index:04}", created_at=now()))
        tx.commit()
    return [f"c{index}" for index in range(count)]


def assign(client: Client, *rows: Any, dry_run: bool = False, key: str = "") -> Reply:
    """Send rows of a customer, its account manager and, unless they stay, further sales reps."""
    assignments = [
        {"customer_id": customer, "sales_rep_id": manager, **({"further_sales_rep_ids": further[0]} if further else {})}
        for customer, manager, *further in rows
    ]
    return client.post("/v1/allocations", {"assignments": assignments, "dry_run": dry_run}, key=key)


def send_list(client: Client, text: str, **query: str) -> Reply:
    """Send a list as CSV."""
    return client.post("/v1/allocation-imports", text, headers={"Content-Type": "text/csv"}, **query)


def told(reply: Reply) -> list[tuple[str, str | None]]:
    """Return what became of each row, and why not."""
    assert reply.status == 200, reply.text
    return [(row["status"], row["reason"]) for row in reply.json["results"]]


def lookers() -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """Return who looks after each customer."""
    return {each["id"]: (each["account_manager_id"], tuple(each["further_sales_rep_ids"])) for each in stored("customer")}


def listed() -> set[tuple[str, str]]:
    """Return the sales reps with the customers in their lists."""
    return {(item["pk"].rpartition("#")[2], item["sk"].rpartition("#")[2]) for item in stored("allocation")}


def departures() -> dict[str, int]:
    """Return how many customers each sales rep has lost, of those who lost any."""
    return {each["id"]: each["departures"] for each in stored("member") if each["departures"]}


def deactivate(rep: Rep) -> None:
    """Send a sales rep away."""
    Record(*member_key(rep.id, "acme")).update([Path("data.status").set("inactive")])


def test_customers_are_allocated_together_and_once_more_is_no_change(shop: Shop) -> None:
    ids, rhea, otto = fill(shop, 3), hire(shop, "Rhea"), hire(shop, "Otto")
    rows = [(ids[0], rhea.id), (ids[1], otto.id, [rhea.id]), (ids[2], None, [otto.id])]
    with counted_calls() as calls:
        reply = assign(shop.owner, *rows)
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    assert reply.json == {
        "results": [{"customer_id": id_, "status": "allocated", "reason": None} for id_ in ids],
        "allocated": 3,
        "unchanged": 0,
        "skipped": 0,
        "dry_run": False,
    }
    assert lookers() == {ids[0]: (rhea.id, ()), ids[1]: (otto.id, (rhea.id,)), ids[2]: (None, (otto.id,))}
    assert listed() == {(rhea.id, ids[0]), (otto.id, ids[1]), (rhea.id, ids[1]), (otto.id, ids[2])}
    assert [line["details"]["customers"] for line in stored("audit") if line["action"] == "customers:allocated"] == [ids]
    history = shop.owner.get(f"/v1/customers/{ids[1]}/account-manager/history").json["items"]
    assert [(each["after"]["account_manager"]["name"], each["actor"]["name"]) for each in history] == [("Otto", "Ola Nordmann")]
    customers = stored("customer"), stored("allocation"), stored("allocation_change")
    assert told(assign(shop.owner, *rows)) == [("unchanged", None)] * 3
    assert (stored("customer"), stored("allocation"), stored("allocation_change")) == customers


def test_further_sales_reps_stay_unless_they_are_named_and_nobody_looks_after_a_customer_twice(shop: Shop) -> None:
    (id_,), rhea, otto, vera = fill(shop, 1), hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Vera")
    assign(shop.owner, (id_, rhea.id, [otto.id, vera.id]))
    for row, expected in (
        ((id_, None), (None, (otto.id, vera.id))),
        ((id_, vera.id), (vera.id, (otto.id,))),
        ((id_, vera.id, []), (vera.id, ())),
        ((id_, None, []), (None, ())),
    ):
        assert told(assign(shop.owner, row)) == [("allocated", None)]
        assert lookers() == {id_: expected}


def test_every_row_that_cannot_be_carried_out_says_why_and_the_others_are(shop: Shop) -> None:
    ids, rhea, gone = fill(shop, 9), hire(shop, "Rhea"), hire(shop, "Gus")
    invited, foreign = invite_rep(shop, "Iris"), hire(open_shop(shop.owner.as_(None), "rival"), "Fay")
    buyer = shop.join(shop.add_customer()).get("/v1/me").json["id"]
    assign(shop.owner, (ids[8], gone.id))
    deactivate(gone)
    reply = assign(
        shop.owner,
        ("nothing", rhea.id),
        (ids[0], invited["id"]),
        (ids[1], gone.id),
        (ids[2], foreign.id),
        (ids[3], rhea.id, [buyer]),
        (ids[4], rhea.id, [rhea.id]),
        (ids[5], None, [f"r{index}" for index in range(6)]),
        (ids[6], rhea.id),
        (ids[6], None),
        (ids[7], rhea.id, [gone.id]),
        (ids[8], gone.id, [rhea.id]),
        ("", rhea.id),
        ("../#" * 40, rhea.id),
        (ids[7], "x" * 200),
    )
    assert told(reply) == [
        ("skipped", "out_of_scope"),
        ("skipped", "rep_not_accepted"),
        ("skipped", "rep_inactive"),
        ("skipped", "unknown_sales_rep"),
        ("skipped", "unknown_sales_rep"),
        ("skipped", "duplicate_sales_rep"),
        ("skipped", "too_many_sales_reps"),
        ("allocated", None),
        ("skipped", "duplicate"),
        ("skipped", "rep_inactive"),
        ("allocated", None),
        ("skipped", "out_of_scope"),
        ("skipped", "out_of_scope"),
        ("skipped", "duplicate"),
    ]
    assert (reply.json["allocated"], reply.json["skipped"]) == (2, 12)
    assert listed() == {(rhea.id, ids[6]), (gone.id, ids[8]), (rhea.id, ids[8])}


def test_a_dry_run_tells_the_same_and_writes_nothing(shop: Shop) -> None:
    ids, rhea = fill(shop, 2), hire(shop)
    before = stored()
    rows = [(ids[0], rhea.id), (ids[1], "nothing")]
    tried = assign(shop.owner, *rows, dry_run=True)
    assert (told(tried), tried.json["dry_run"]) == ([("allocated", None), ("skipped", "unknown_sales_rep")], True)
    assert told(send_list(shop.owner, "customer_number,account_manager\nC-0,rhea@reps.test\n", dry_run="true")) == [
        ("allocated", None)
    ]
    assert stored() == before
    assert assign(shop.owner, *rows).json["results"] == tried.json["results"]


def test_a_retry_gets_the_same_answer_and_does_nothing_twice(shop: Shop) -> None:
    ids, rhea = fill(shop, 2), hire(shop)
    first = assign(shop.owner, (ids[0], rhea.id), (ids[1], None), key="once")
    before = stored()
    again = assign(shop.owner, (ids[0], rhea.id), (ids[1], None), key="once")
    assert (again.json, again.headers["idempotent-replayed"]) == (first.json, "true")
    assert stored() == before
    assert assign(shop.owner, (ids[0], None), key="once").code == "idempotency_key_reused"
    assert assign(shop.owner, (ids[0], None), key=None).code == "idempotency_key_required"


def test_what_breaks_off_in_the_middle_is_finished_by_the_retry(shop: Shop) -> None:
    ids, rhea = fill(shop, 50), hire(shop)
    rows = [(id_, rhea.id) for id_ in ids]
    with failing("TransactWriteItems", refusal("TransactWriteItems", "InternalServerError"), skipping=1, times=20):
        assert assign(shop.owner, *rows, key="once").status == 500
    begun = len(listed())
    assert 0 < begun < 50
    assert told(assign(shop.owner, *rows, key="once")) == [("unchanged", None)] * begun + [("allocated", None)] * (50 - begun)
    assert (len(listed()), len(stored("allocation_change"))) == (50, 50)


def test_many_rows_share_transactions(shop: Shop) -> None:
    ids, rhea, otto = fill(shop, 60), hire(shop, "Rhea"), hire(shop, "Otto")
    with counted_calls() as calls:
        assert assign(shop.owner, *((id_, rhea.id) for id_ in ids)).json["allocated"] == 60
    assert calls == ["BatchGetItem", *["TransactWriteItems"] * 3]
    with counted_calls() as calls:
        assert assign(shop.owner, *((id_, otto.id) for id_ in ids)).json["allocated"] == 60
    assert calls == ["BatchGetItem", *["TransactWriteItems"] * 5]
    assert listed() == {(otto.id, id_) for id_ in ids}
    assert departures() == {rhea.id: 60}


def test_two_sales_reps_exchange_their_customers_in_one_transaction_and_each_has_lost_what_it_had(shop: Shop) -> None:
    ids, rhea, otto = fill(shop, 4), hire(shop, "Rhea"), hire(shop, "Otto")
    assert told(assign(shop.owner, *((id_, rep.id) for id_, rep in zip(ids, (rhea, rhea, rhea, otto), strict=True))))
    assert departures() == {}
    with counted_calls() as calls:
        replies = told(assign(shop.owner, (ids[0], otto.id), (ids[1], otto.id, [rhea.id]), (ids[2], None), (ids[3], rhea.id)))
    assert calls == ["BatchGetItem", "TransactWriteItems"]
    assert replies == [("allocated", None)] * 4
    # The second one is still one of hers.
    assert departures() == {rhea.id: 2, otto.id: 1}
    versions = {each["id"]: each["version"] for each in stored("member")}
    assert told(assign(shop.owner, (ids[2], None))) == [("unchanged", None)]
    assert (departures(), versions) == ({rhea.id: 2, otto.id: 1}, {each["id"]: each["version"] for each in stored("member")})


def test_a_customer_that_is_not_taken_away_is_not_counted_as_such(shop: Shop) -> None:
    ids, rhea, otto = fill(shop, 1), hire(shop, "Rhea"), hire(shop, "Otto")
    assert told(assign(shop.owner, (ids[0], rhea.id))) == [("allocated", None)]
    deactivate(otto)
    assert told(assign(shop.owner, (ids[0], otto.id))) == [("skipped", "rep_inactive")]
    assert departures() == {}


def test_a_row_that_changes_at_that_moment_is_decided_anew_by_itself(shop: Shop) -> None:
    ids, rhea, otto = fill(shop, 3), hire(shop, "Rhea"), hire(shop, "Otto")

    def somebody_else() -> None:
        assert shop.owner.put(f"/v1/customers/{ids[1]}/account-manager", {"sales_rep_id": otto.id}).status == 200

    with meanwhile("TransactWriteItems", somebody_else):
        reply = assign(shop.owner, *((id_, rhea.id) for id_ in ids))
    assert told(reply) == [("allocated", None)] * 3
    assert listed() == {(rhea.id, id_) for id_ in ids}
    with meanwhile("TransactWriteItems", lambda: deactivate(otto)):
        reply = assign(shop.owner, (ids[0], otto.id), (ids[1], None))
    assert told(reply) == [("skipped", "rep_inactive"), ("allocated", None)]
    assert listed() == {(rhea.id, ids[0]), (rhea.id, ids[2])}


@pytest.fixture
def market(shop: Shop) -> Market:
    """A store with orders of two customers."""
    market = open_market(shop)
    market.place()
    market.place(buyer=market.other_buyer)
    return market


def revenue(shop: Shop, rep: Rep) -> int:
    """Return what counts for a sales rep."""
    return int(shop.owner.get("/v1/statistics", sales_rep_id=rep.id).json["revenue"]["amount"])


def test_the_orders_of_all_rows_move_with_them(shop: Shop, market: Market) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    both = [market.customer["id"], market.other_customer["id"]]
    total = shop.owner.get("/v1/statistics").json["revenue"]["amount"]
    with counted_calls() as calls:
        assert told(assign(shop.owner, *((id_, rhea.id) for id_ in both))) == [("allocated", None)] * 2
    assert calls == ["BatchGetItem", "Query", "Query", "TransactWriteItems"]
    assert (revenue(shop, rhea), revenue(shop, otto)) == (total, 0)
    with meanwhile("TransactWriteItems", market.place):
        assert told(assign(shop.owner, *((id_, otto.id) for id_ in both))) == [("allocated", None)] * 2
    assert (revenue(shop, rhea), revenue(shop, otto)) == (0, shop.owner.get("/v1/statistics").json["revenue"]["amount"])


def test_a_customer_with_too_long_a_history_is_skipped_and_can_change_hands_in_steps(shop: Shop, market: Market) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    allocate(shop, market.customer, rhea)
    age(market.customer["id"], 50)
    before = stored()
    rows = [(market.customer["id"], otto.id), (market.other_customer["id"], otto.id)]
    assert told(assign(shop.owner, *rows, dry_run=True)) == [("skipped", "history_too_long"), ("allocated", None)]
    assert stored() == before
    assert told(assign(shop.owner, *rows)) == [("skipped", "history_too_long"), ("allocated", None)]
    etag = shop.owner.get(f"/v1/customers/{market.customer['id']}").json["etag"]
    path = f"/v1/customers/{market.customer['id']}/account-manager"
    tried = shop.owner.put(path, {"sales_rep_id": otto.id}, etag=etag)
    assert (tried.status, tried.code) == (409, "history_too_long")
    assert told(assign(shop.owner, (market.customer["id"], None))) == [("allocated", None)]
    assert told(assign(shop.owner, (market.customer["id"], otto.id))) == [("allocated", None)]
    assert (market.customer["id"], otto.id) in {(customer, rep) for rep, customer in listed()}


def age(customer_id: str, quarters: int) -> None:
    """Let a customer have ordered once in each of many quarters."""
    customer = Record.get(*customer_key("acme", customer_id))
    customer.update([Path("aside.order_changes").set(quarters), Path("data.created_at").set("2001-01-01T00:00:00.000Z")])
    for index in range(quarters):
        key = (f"STATISTICS#acme#CUSTOMER#{customer_id}", f"{2001 + index // 4}-Q{index % 4 + 1}#0")
        month = index % 4 * 3 + 1
        Record(*key, entity="statistics").update([Path(f"orders_{month:02}-01").add(1), Record.entity.set("statistics")])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/assignments"),
        ({"assignments": []}, "/assignments"),
        ({"assignments": [{"customer_id": "c", "sales_rep_id": None}] * 1001}, "/assignments"),
        ({"assignments": [{"customer_id": "c"}]}, "/assignments/0/sales_rep_id"),
        ({"assignments": [{"sales_rep_id": None}]}, "/assignments/0/customer_id"),
        ({"assignments": [{"customer_id": 5, "sales_rep_id": None}]}, "/assignments/0/customer_id"),
        ({"assignments": [{"customer_id": "c", "sales_rep_id": None, "note": "x"}]}, "/assignments/0/note"),
        ({"assignments": [{"customer_id": "c", "sales_rep_id": None}], "dry_run": "no"}, "/dry_run"),
    ],
)
def test_a_request_that_is_wrong_is_pointed_at(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    with counted_calls() as calls:
        reply = shop.owner.post("/v1/allocations", body)
    assert (reply.status, reply.json["errors"][0]["pointer"], calls) == (422, pointer, ["BatchGetItem"])


def test_a_list_names_customers_by_number_and_sales_reps_by_address(shop: Shop) -> None:
    fill(shop, 1)
    customer, rhea = shop.add_customer(), hire(shop, "Rhea")
    reply = send_event(
        "customers/allocate_customers.listed",
        TOKEN=shop.owner.token,
        CUSTOMER_NUMBER=customer["number"].lower(),
        SALES_REP_EMAIL="Rhea@REPS.test",
    )
    assert reply.json == {
        "results": [
            {
                "row": 2,
                "line": 2,
                "customer_number": customer["number"],
                "customer_id": customer["id"],
                "status": "allocated",
                "reason": None,
            }
        ],
        "allocated": 1,
        "unchanged": 0,
        "skipped": 0,
        "dry_run": False,
    }
    assert listed() == {(rhea.id, customer["id"])}


def test_every_row_of_a_list_says_what_became_of_it(shop: Shop) -> None:
    fill(shop, 6)
    rhea, otto, gone = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Gus")
    invite_rep(shop, "Iris")
    assign(shop.owner, ("c3", rhea.id))
    deactivate(gone)
    reply = send_list(
        shop.owner,
        "\ufeffAccount Manager;Customer Number;Further Sales Reps\r\n"
        "rhea@reps.test; c-0 ;otto@reps.test\r\n"
        "\r\n"
        "otto@reps.test;C-1;rhea@reps.test|\r\n"
        "iris@reps.test;C-2;\r\n"
        ";C-3;\r\n"
        '"gus@reps.test";C-4;"\r\n"\r\n'
        "ola@acme.test;C-4;\r\n"
        "nobody;C-5;\r\n"
        "rhea@reps.test;C-99;\r\n"
        "rhea@reps.test;;\r\n"
        "rhea@reps.test\r\n"
        "rhea@reps.test;C-0;\r\n"
        "rhea@reps.test;C-5;rhea@reps.test;;;\r\n",
    )
    assert [(row["row"], row["line"], row["status"], row["reason"]) for row in reply.json["results"]] == [
        (2, 2, "allocated", None),
        (4, 4, "allocated", None),
        (5, 5, "skipped", "rep_not_accepted"),
        (6, 6, "allocated", None),
        (7, 7, "skipped", "rep_inactive"),
        (8, 9, "skipped", "duplicate"),
        (9, 10, "skipped", "unknown_sales_rep"),
        (10, 11, "skipped", "out_of_scope"),
        (11, 12, "skipped", "out_of_scope"),
        (12, 13, "skipped", "malformed_row"),
        (13, 14, "skipped", "duplicate"),
        (14, 15, "skipped", "duplicate"),
    ]
    assert {id_: who for id_, who in lookers().items() if any(who)} == {
        "c0": (rhea.id, (otto.id,)),
        "c1": (otto.id, (rhea.id,)),
    }
    (kept,) = [each for each in stored("replay") if "C-99" in str(each)]
    assert "reps.test" not in f"{kept} {stored('allocation_change')}"


def test_a_list_without_the_column_leaves_further_sales_reps_as_they_are(shop: Shop) -> None:
    (id_,), rhea, otto = fill(shop, 1), hire(shop, "Rhea"), hire(shop, "Otto")
    assign(shop.owner, (id_, rhea.id, [otto.id]))
    assert told(send_list(shop.owner, "customer_number\taccount_manager\nC-0\t\n")) == [("allocated", None)]
    assert lookers() == {id_: (None, (otto.id,))}
    header = "customer_number,account_manager,further_sales_reps"
    assert told(send_list(shop.owner, f"{header}\nC-0,,\n")) == [("allocated", None)]
    assert lookers() == {id_: (None, ())}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_header"),
        ("customer_number\nC-0\n", "invalid_header"),
        ("account_manager\nrhea@reps.test\n", "invalid_header"),
        ("customer_number,account_manager,colour\n", "invalid_header"),
        ("customer_number,account_manager,customer_number\n", "invalid_header"),
        ('"customer_number,account_manager\nC-0,x\n', "invalid_header"),
        ("customer_number,account_manager\n" + "C-0,\n" * 1001, "too_many_rows"),
    ],
)
def test_a_list_that_is_none_is_refused_as_a_whole(shop: Shop, text: str, code: str) -> None:
    fill(shop, 1)
    before = stored()
    reply = send_list(shop.owner, text)
    assert (reply.status, reply.code) == (422, code), reply.text
    assert stored() == before


def test_a_list_without_rows_allocates_nobody(shop: Shop) -> None:
    assert told(send_list(shop.owner, "customer_number,account_manager\n\n")) == []


def test_only_the_owner_allocates_and_only_its_own_customers(shop: Shop) -> None:
    (id_,), rhea = fill(shop, 1), hire(shop, "Rhea", access="all", supervisor=True)
    rival = open_shop(shop.owner.as_(None), "rival")
    fay = hire(rival, "Fay")
    buyer = shop.join(shop.add_customer())
    before = stored("customer"), stored("allocation")
    text = "customer_number,account_manager\nC-0,\n"
    for client in (rhea.client, buyer):
        assert [each.code for each in (assign(client, (id_, rhea.id)), send_list(client, text))] == ["forbidden"] * 2
    assert told(assign(rival.owner, (id_, fay.id))) == [("skipped", "out_of_scope")]
    assert told(send_list(rival.owner, "customer_number,account_manager\nC-0,fay@reps.test\n")) == [("skipped", "out_of_scope")]
    assert (stored("customer"), stored("allocation")) == before
