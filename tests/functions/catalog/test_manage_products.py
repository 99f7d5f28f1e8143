"""The owner keeps the catalogue: one product at a time, or many from CSV."""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.functions import Reply
from tests.support.ordering import send_event
from tests.support.table import counted_calls, stored
from tests.support.world import Shop, euros, open_shop
from tradepost.table.transaction import Transaction

PATH = "/v1/products/TABLE-1"


def tallies() -> dict[str, int]:
    """Return how often each price tier is used, by name."""
    return {tier["name"]: tier["tally"] for tier in stored("price_tier")}


def test_a_put_creates_a_product_and_needs_no_version(shop: Shop) -> None:
    reply = send_event("catalog/manage_products.created", TOKEN=shop.owner.token, PRICE_TIER=shop.tier_id)
    assert (reply.status, reply.headers["etag"]) == (201, '"1"')
    assert reply.json == shop.owner.get(PATH).json
    (product,) = stored("product")
    assert (product["number"], product["prices"]) == ("TABLE-1", {shop.tier_id: euros(24900)})
    assert tallies() == {"Wholesale": 2}
    assert "TABLE-1" in {line["target"] for line in stored("audit") if line["action"] == "product:created"}


def test_a_put_replaces_with_the_present_version_whatever_the_letter_case(shop: Shop) -> None:
    created = shop.add_product("Table-1", description="Seats six.", weight_grams=31000)
    reply = shop.owner.put("/v1/products/tABLE-1", {"name": "Oak table"}, etag=created["etag"])
    assert reply.status == 200
    expected: dict[str, Any] = {
        "name": "Oak table",
        "description": "",
        "prices": {},
        "weight_grams": None,
        "active": True,
    }
    assert {name: reply.json[name] for name in expected} == expected
    assert (reply.json["number"], reply.json["etag"]) == ("Table-1", '"2"')
    assert reply.json["created_at"] == created["created_at"]
    assert tallies() == {"Wholesale": 1}
    assert len(stored("product")) == 1


def test_a_put_over_something_needs_its_version(shop: Shop) -> None:
    shop.add_product("TABLE-1")
    before = stored()
    assert shop.owner.put(PATH, {"name": "New"}).code == "precondition_required"
    assert shop.owner.put(PATH, {"name": "New"}, etag='"2"').code == "stale"
    assert shop.owner.put(PATH, {"name": "New"}, headers={"If-None-Match": "*"}).code == "stale"
    assert stored() == before


def test_a_put_where_nothing_is_honours_what_the_caller_expects(shop: Shop) -> None:
    assert shop.owner.put(PATH, {"name": "New"}, etag='"1"').code == "stale"
    assert shop.owner.put(PATH, {"name": "New"}, etag="*").code == "stale"
    assert stored("product") == []
    assert shop.owner.put(PATH, {"name": "New"}, headers={"If-None-Match": "*"}).status == 201


BAD_PRODUCTS: list[tuple[dict[str, Any], str]] = [
    ({}, "/name"),
    ({"name": ""}, "/name"),
    ({"name": "Table\u202eelbat"}, "/name"),
    ({"name": "Table", "number": "X"}, "/number"),
    ({"name": "Table", "description": "x" * 4001}, "/description"),
    ({"name": "Table", "weight_grams": -1}, "/weight_grams"),
    ({"name": "Table", "weight_grams": 1.5}, "/weight_grams"),
    ({"name": "Table", "active": "yes"}, "/active"),
    ({"name": "Table", "prices": {"unknown": euros(1)}}, "/prices/unknown"),
    ({"name": "Table", "prices": {"TIER": euros(-1)}}, "/prices/TIER/amount"),
    ({"name": "Table", "prices": {"TIER": euros(10**13)}}, "/prices/TIER/amount"),
    ({"name": "Table", "prices": {"TIER": {"amount": 1.5, "currency": "EUR"}}}, "/prices/TIER/amount"),
    ({"name": "Table", "prices": {"TIER": {"amount": 1, "currency": "USD"}}}, "/prices/TIER/currency"),
    ({"name": "Table", "prices": {f"tier-{index}": euros(1) for index in range(31)}}, "/prices"),
]


def test_a_bad_product_is_refused_with_the_field_named(shop: Shop) -> None:
    before = stored()
    for body, pointer in BAD_PRODUCTS:
        prices = {shop.tier_id if tier == "TIER" else tier: price for tier, price in body.get("prices", {}).items()}
        reply = shop.owner.put(PATH, {**body, "prices": prices})
        expected = pointer.replace("TIER", shop.tier_id)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, expected), body
    for number in ("-", "A%20B", "a_", "x" * 65, "x" * 3000):
        assert shop.owner.put(f"/v1/products/{number}", {"name": "Table"}).status == 422, number
    assert stored() == before


def test_a_new_price_in_a_tier_that_is_none_leaves_the_product_as_it_was(shop: Shop) -> None:
    created = shop.add_product("TABLE-1")
    before = stored()
    body = {"name": "Table", "prices": {**created["prices"], "unknown": euros(1)}}
    assert shop.owner.put(PATH, body, etag='"1"').code == "unknown_price_tier"
    assert stored() == before


def test_a_product_that_is_deleted_leaves_no_trace_in_lists_searches_and_tiers(shop: Shop) -> None:
    shop.add_product("TABLE-1", name="Oak table")
    assert shop.owner.delete("/v1/products/table-1", etag='"1"').status == 204
    assert stored("product") == []
    assert stored("word") == []
    assert tallies() == {"Wholesale": 1}
    assert shop.owner.get(PATH).status == 404
    assert shop.owner.delete(PATH, etag='"1"').status == 404


def test_deleting_needs_the_present_version(shop: Shop) -> None:
    shop.add_product("TABLE-1")
    before = stored()
    assert shop.owner.delete(PATH).status == 428
    assert shop.owner.delete(PATH, etag='"2"').status == 412
    assert stored() == before


def test_the_words_that_find_a_product_follow_its_name(shop: Shop) -> None:
    shop.add_product("TABLE-1", name="Oak table")
    shop.owner.put(PATH, {"name": "Pine desk"}, etag='"1"')
    assert shop.owner.get("/v1/products", q="oak").json["items"] == []
    assert len(shop.owner.get("/v1/products", q="pine").json["items"]) == 1
    assert len(shop.owner.get("/v1/products", q="table-1").json["items"]) == 1


def test_a_product_that_is_switched_off_and_on_leaves_and_enters_the_list_of_what_is_on_sale(shop: Shop) -> None:
    shop.add_product("TABLE-1")
    shop.owner.put(PATH, {"name": "Table", "active": False}, etag='"1"')
    assert shop.owner.get("/v1/products", active="true").json["items"] == []
    shop.owner.put(PATH, {"name": "Table"}, etag='"2"')
    assert len(shop.owner.get("/v1/products", active="true").json["items"]) == 1


def test_only_the_owner_of_this_store_writes(shop: Shop, api: Client) -> None:
    shop.add_product("TABLE-1")
    buyer = shop.join(shop.add_customer())
    other = open_shop(api, "other")
    before = stored()
    assert buyer.put(PATH, {"name": "Mine"}, etag='"1"').status == 403
    assert buyer.delete(PATH, etag='"1"').status == 403
    assert import_csv(buyer, "number,name\nX,Y\n").status == 403
    assert api.put(PATH, {"name": "Mine"}).status == 401
    assert other.owner.delete(PATH, etag='"1"').status == 404
    foreign = other.owner.put(PATH, {"name": "Mine", "prices": {shop.tier_id: euros(1)}})
    assert foreign.code == "unknown_price_tier"
    assert stored() == before


def test_a_product_costs_one_read_and_one_transaction(shop: Shop) -> None:
    with counted_calls() as calls:
        shop.add_product("TABLE-1")
        shop.owner.delete(PATH, etag='"1"')
    assert calls == ["BatchGetItem", "TransactWriteItems"] * 2


def import_csv(client: Client, text: str, **options: Any) -> Reply:
    """Send a product list."""
    return client.post("/v1/product-imports", text, headers={"Content-Type": "text/csv"}, **options)


def outcome(reply: Reply) -> list[tuple[Any, ...]]:
    """Return number, status, reason and field of each row."""
    assert reply.status == 200, reply.text
    return [tuple(row[name] for name in ("number", "status", "reason", "field")) for row in reply.json["results"]]


def counts(reply: Reply) -> tuple[int, ...]:
    """Return how many rows were created, updated, unchanged and failed."""
    return tuple(reply.json[name] for name in ("created", "updated", "unchanged", "failed"))


def test_an_import_creates_changes_and_names_the_rows_that_it_cannot(shop: Shop) -> None:
    shop.add_product("CHAIR-1", 7900, name="Chair")
    reply = send_event("catalog/manage_products.imported", TOKEN=shop.owner.token)
    assert outcome(reply) == [
        ("TABLE-1", "created", None, None),
        ("CHAIR-1", "updated", None, None),
        ("CHAIR-2", "failed", "invalid", "weight_grams"),
    ]
    assert counts(reply) == (1, 1, 0, 1)
    assert [row["row"] for row in reply.json["results"]] == [2, 3, 4]
    table, chair = (shop.owner.get(f"/v1/products/{number}").json for number in ("TABLE-1", "CHAIR-1"))
    assert (table["name"], table["weight_grams"], table["prices"]) == ("Oak table", 31000, {shop.tier_id: euros(24900)})
    assert (chair["name"], chair["prices"], chair["etag"]) == ("Oak chair", {shop.tier_id: euros(7950)}, '"2"')
    assert shop.owner.get("/v1/products/CHAIR-2").status == 404
    assert tallies() == {"Wholesale": 3}


def test_the_same_list_again_changes_nothing(shop: Shop) -> None:
    text = "number,name,price:Wholesale\nA-1,First,1.00\nA-2,Second,2.00\n"
    assert counts(import_csv(shop.owner, text)) == (2, 0, 0, 0)
    before = stored("product")
    assert counts(import_csv(shop.owner, text)) == (0, 0, 2, 0)
    assert stored("product") == before


def test_a_retry_gets_the_first_answer_and_writes_nothing(shop: Shop) -> None:
    text = "number,name\nA-1,First\n"
    first = import_csv(shop.owner, text, key="once")
    before = stored()
    again = import_csv(shop.owner, text, key="once")
    assert (again.json, again.headers["idempotent-replayed"]) == (first.json, "true")
    assert stored() == before
    assert import_csv(shop.owner, text + "A-2,Second\n", key="once").code == "idempotency_key_reused"


def test_a_dry_run_says_the_same_and_writes_nothing(shop: Shop) -> None:
    text = "number,name\nA-1,First\n-,Bad\n"
    before = stored()
    tried = import_csv(shop.owner, text, key="once", dry_run="true")
    assert stored() == before
    done = import_csv(shop.owner, text, key="once", dry_run="false")
    assert (tried.json["dry_run"], done.json["dry_run"]) == (True, False)
    assert tried.json["results"] == done.json["results"]
    assert len(stored("product")) == 1


def test_columns_that_are_missing_leave_things_and_empty_cells_empty_them(shop: Shop) -> None:
    export = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json["id"]
    prices = {shop.tier_id: euros(1000), export: euros(500)}
    shop.add_product("A-1", name="First", description="Text", weight_grams=10, active=False, prices=prices)
    assert counts(import_csv(shop.owner, "number,price:wholesale,active\na-1,,\n")) == (0, 1, 0, 0)
    product = shop.owner.get("/v1/products/A-1").json
    assert product["prices"] == {export: euros(500)}
    assert [product[name] for name in ("number", "name", "description", "weight_grams", "active")] == [
        "A-1",
        "First",
        "Text",
        10,
        False,
    ]
    assert tallies() == {"Wholesale": 1, "Export": 1}


def test_a_spreadsheet_of_a_semicolon_country_is_understood(shop: Shop) -> None:
    text = '\ufeffNumber;Name;Price: WHOLESALE;Active\r\nA-1;"Tisch; groß";12,5;Yes\r\n\r\nA-2;"Stuhl ""Eiche""";1;0\r\n'
    reply = import_csv(shop.owner, text)
    assert counts(reply) == (2, 0, 0, 0)
    assert [row["row"] for row in reply.json["results"]] == [2, 4]
    table, chair = (shop.owner.get(f"/v1/products/{number}").json for number in ("A-1", "A-2"))
    assert (table["name"], table["prices"]) == ("Tisch; groß", {shop.tier_id: euros(1250)})
    assert (chair["name"], chair["active"]) == ('Stuhl "Eiche"', False)


def test_each_bad_row_fails_alone_and_says_why(shop: Shop) -> None:
    rows = [
        ("A-1,Good,true,1,1.00", ("A-1", "created", None, None)),
        ("a-1,Twice,true,1,1.00", ("a-1", "failed", "duplicate_number", "number")),
        (",Nameless,true,1,1.00", ("", "failed", "invalid", "number")),
        ("A B,Spaced,true,1,1.00", ("A B", "failed", "invalid", "number")),
        ("A-2,,true,1,1.00", ("A-2", "failed", "invalid", "name")),
        ("A-3,Bad,perhaps,1,1.00", ("A-3", "failed", "invalid", "active")),
        ("A-4,Bad,true,1.5,1.00", ("A-4", "failed", "invalid", "weight_grams")),
        ("A-5,Bad,true,1,-1.00", ("A-5", "failed", "invalid", "price:Wholesale")),
        ("A-6,Bad,true,1,1.005", ("A-6", "failed", "invalid", "price:Wholesale")),
        ('A-7,Bad,true,1,"1,00"', ("A-7", "failed", "invalid", "price:Wholesale")),
        ("A-8,Bad,true,1,999999999999", ("A-8", "failed", "invalid", "price:Wholesale")),
        ("A-9,Bad,true,1,NaN", ("A-9", "failed", "invalid", "price:Wholesale")),
        ("A-10,Short,true", ("A-10", "failed", "malformed_row", None)),
        ("A-11,Long,true,1,1.00,more", ("A-11", "failed", "malformed_row", None)),
        ("A-12,\u202eBad,true,1,1.00", ("A-12", "failed", "invalid", "name")),
        ("=1+1,Formula,true,1,1.00", ("=1+1", "failed", "invalid", "number")),
        ("ß,Sharp,true,1,1.00", ("ß", "failed", "invalid", "number")),
        ('A-13,"Bad"quote,true,1,1.00', ("", "failed", "malformed_row", None)),
        ("A-14,Good too,,,", ("A-14", "created", None, None)),
    ]
    text = "number,name,active,weight_grams,price:Wholesale\n" + "".join(f"{row}\n" for row, _ in rows)
    reply = import_csv(shop.owner, text)
    assert outcome(reply) == [expected for _, expected in rows]
    assert [product["number"] for product in stored("product")] == ["A-1", "A-14"]
    assert all(row["message"] for row in reply.json["results"] if row["status"] == "failed")


def test_a_header_that_is_none_refuses_the_whole_list(shop: Shop) -> None:
    before = stored()
    for header, code in [
        ("", "invalid_header"),
        ("name,active", "invalid_header"),
        ("number,colour", "invalid_header"),
        ("number,name,Name", "invalid_header"),
        ("number,price:A,price:a", "invalid_header"),
        ("number,price:Unknown", "unknown_price_tier"),
        ("number,price:", "unknown_price_tier"),
        ("number," + ",".join(f"price:{index}" for index in range(40)), "invalid_header"),
    ]:
        reply = import_csv(shop.owner, f"{header}\nA-1,x\n")
        assert (reply.status, reply.code, reply.json["errors"][0]["pointer"]) == (422, code, "/header"), header
    assert stored() == before


def test_a_list_of_another_type_or_length_is_refused(shop: Shop) -> None:
    too_many = "number,name\n" + "".join(f"A-{index},x\n" for index in range(501))
    assert import_csv(shop.owner, too_many).code == "too_many_rows"
    assert shop.owner.post("/v1/product-imports", {"number": "A-1"}).status == 415
    assert import_csv(shop.owner, "number,name\nA-1," + "x" * (1 << 20)).status == 413
    assert import_csv(shop.owner, "number,name\n", key=None).code == "idempotency_key_required"
    assert counts(import_csv(shop.owner, "number,name\n")) == (0, 0, 0, 0)
    assert stored("product") == []


def test_a_yen_has_no_decimals(api: Client) -> None:
    shop = open_shop(api, "tokyo", currency="JPY")
    reply = import_csv(shop.owner, "number,name,price:Wholesale\nA-1,First,1250\nA-2,Second,12.50\n")
    assert [row[1] for row in outcome(reply)] == ["created", "failed"]
    assert stored("product")[0]["prices"] == {shop.tier_id: {"amount": 1250, "currency": "JPY"}}


def test_many_rows_take_few_transactions(shop: Shop) -> None:
    text = "number,name,price:Wholesale\n" + "".join(f"A-{index:03},Item,1.00\n" for index in range(60))
    with counted_calls() as calls:
        assert counts(import_csv(shop.owner, text)) == (60, 0, 0, 0)
    # A row takes its product, its audit line and four words: sixteen of them and their tier fit into one transaction.
    assert calls == ["BatchGetItem", "BatchGetItem", *["TransactWriteItems"] * 4, "TransactWriteItems"]
    assert tallies() == {"Wholesale": 61}
    assert len(stored("product")) == 60


def test_where_a_transaction_is_refused_only_the_rows_at_fault_fail(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given somebody who changes one of the products at the same moment
    shop.add_product("A-2")
    write = Transaction.commit

    def overtaken(tx: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", write)
        product = shop.owner.get("/v1/products/A-2").json
        assert shop.owner.put("/v1/products/A-2", {"name": "Mine"}, etag=product["etag"]).status == 200
        write(tx)

    monkeypatch.setattr(Transaction, "commit", overtaken)
    # When a list with three products is imported
    reply = import_csv(shop.owner, "number,name\nA-1,First\nA-2,Second\nA-3,Third\n")
    # Then the others are written, and the change of the other person stays
    assert [row[:3] for row in outcome(reply)] == [
        ("A-1", "created", None),
        ("A-2", "failed", "stale"),
        ("A-3", "created", None),
    ]
    assert [product["name"] for product in stored("product")] == ["First", "Mine", "Third"]


def test_an_import_that_broke_off_can_be_sent_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "number,name\n" + "".join(f"A-{index:03},Item\n" for index in range(40))
    write, written = Transaction.commit, list[Transaction]()

    def breaking_off(tx: Transaction) -> None:
        if written:
            raise MemoryError
        written.append(tx)
        write(tx)

    monkeypatch.setattr(Transaction, "commit", breaking_off)
    assert import_csv(shop.owner, text, key="once").status == 500
    monkeypatch.setattr(Transaction, "commit", write)
    reply = import_csv(shop.owner, text, key="once")
    assert reply.status == 200
    assert counts(reply)[0] + counts(reply)[2] == 40
    assert counts(reply)[2] > 0
    assert len(stored("product")) == 40


def test_a_tier_that_vanishes_meanwhile_fails_its_rows(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    tier = shop.owner.post("/v1/price-tiers", {"name": "Export"}).json
    write = Transaction.commit

    def vanishing(tx: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", write)
        assert shop.owner.delete(f"/v1/price-tiers/{tier['id']}", etag='"1"').status == 204
        write(tx)

    monkeypatch.setattr(Transaction, "commit", vanishing)
    reply = import_csv(shop.owner, "number,name,price:Export\nA-1,First,1.00\nA-2,Second,\n")
    assert [row[:3] for row in outcome(reply)] == [("A-1", "failed", "unknown_price_tier"), ("A-2", "created", None)]
