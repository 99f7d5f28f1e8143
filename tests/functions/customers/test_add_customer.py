"""Adding a customer, with an invitation if wanted."""

from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.reps import hire, invite_rep
from tests.support.table import counted_calls, stored
from tests.support.world import ADDRESS, PASSWORD, Shop, open_shop
from tradepost.aws.links import invitation_link
from tradepost.domain.companies import INVITED_BY_NAME
from tradepost.domain.invitations import Invitation
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.shapes import LIMIT


def tally(shop: Shop, *, group: bool = True) -> int:
    """Return how many things point at the shop's group, or at its price tier."""
    (entry,) = stored("customer_group" if group else "price_tier")
    return int(entry["tally"])


def test_a_customer_is_added_and_invited_in_one_breath(shop: Shop) -> None:
    reply = send_event("customers/add_customer.with_invitation", TOKEN=shop.owner.token, GROUP_ID=shop.group_id)
    assert reply.status == 201
    customer = reply.json
    assert (customer["name"], customer["email"], customer["kind"], customer["active"]) == (
        "Blue Door",
        "Buyer@bluedoor.test",
        "b2b",
        True,
    )
    assert (customer["invitation"]["state"], customer["invitation"]["delivery"]) == ("pending", "queued")
    (address,) = customer["addresses"]
    assert (address["default_billing"], address["default_shipping"], bool(address["id"])) == (True, True, True)
    assert shop.owner.get(f"/v1/customers/{customer['id']}").json == customer
    assert (tally(shop), reply.headers["etag"]) == (1, '"1"')
    (message,) = announced()
    assert (message["type"], message["customer_id"]) == ("invitation", customer["id"])
    (mail,) = deliver()
    assert mail.to == "Buyer@bluedoor.test"
    assert [line["details"] for line in stored("audit") if line["action"] == "customer:added"] == [
        {"name": "Blue Door", "invited": True}
    ]


def test_without_a_wish_nobody_is_invited(shop: Shop) -> None:
    customer = shop.add_customer()
    assert customer["invitation"] is None
    assert (stored("invitation"), stored("outbox")) == ([], [])


def test_the_number_can_be_read_out_and_is_a_customers_own(shop: Shop) -> None:
    numbers = {shop.add_customer(f"Customer {index}", None)["number"] for index in range(5)}
    assert len(numbers) == 5
    assert all(set(number[2:]) <= set("23456789ABCDEFGHJKMNPQRSTVWXYZ") for number in numbers)


def test_an_address_belongs_to_one_customer_of_a_store_in_any_letter_case(shop: Shop) -> None:
    shop.add_customer()
    before = stored()
    body = {"name": "Other", "group_id": shop.group_id, "email": "BUYER@bluedoor.test"}
    reply = shop.owner.post("/v1/customers", body)
    assert (reply.status, reply.code, reply.json["pointer"]) == (409, "email_taken", "/email")
    assert stored() == before
    rival = open_shop(shop.owner.as_(None), "rival")
    assert rival.add_customer()["email"] == "buyer@bluedoor.test"


def test_a_retry_adds_nothing(shop: Shop) -> None:
    body = {"name": "Blue Door", "group_id": shop.group_id, "email": "b@bluedoor.test", "send_invitation": True}
    first, again = (shop.owner.post("/v1/customers", body, key="once") for _ in range(2))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert (len(stored("customer")), len(stored("outbox")), tally(shop)) == (1, 1, 1)
    other = shop.owner.post("/v1/customers", {**body, "name": "Green"}, key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "tab\tbed"}, "/name"),
        ({"name": 5}, "/name"),
        ({"email": "buyer@bluedoor.test\r\nBcc: all@bluedoor.test"}, "/email"),
        ({"email": "buyer"}, "/email"),
        ({"email": ["buyer@bluedoor.test"]}, "/email"),
        ({"group_id": "nothing"}, "/group_id"),
        ({"group_id": ""}, "/group_id"),
        ({"group_id": "x\x00"}, "/group_id"),
        ({"group_id": None}, "/group_id"),
        ({"price_tier_id": "nothing"}, "/price_tier_id"),
        ({"kind": "b3b"}, "/kind"),
        ({"send_invitation": "yes"}, "/send_invitation"),
        ({"send_invitation": True}, "/email"),
        ({"name": None}, "/name"),
        ({"company_id": "nothing"}, "/company_id"),
        ({"company_id": "x" * 101}, "/company_id"),
        ({"company_id": "../#"}, "/company_id"),
        ({"company_id": "nothing", "email": "buyer@bluedoor.test"}, "/email"),
        ({"number": "C-1"}, "/number"),
        ({"addresses": [{**ADDRESS, "country": "XX"}]}, "/addresses/0/country"),
        ({"addresses": [{**ADDRESS, "country": "de"}]}, "/addresses/0/country"),
        ({"addresses": [ADDRESS, {**ADDRESS, "street": ""}]}, "/addresses/1/street"),
        ({"addresses": [{**ADDRESS, "id": "of another"}]}, "/addresses/0/id"),
        ({"addresses": [{**ADDRESS, "default_billing": True}] * 2}, "/addresses/1/default_billing"),
        ({"addresses": [ADDRESS] * 21}, "/addresses"),
        ({"addresses": [{**ADDRESS, "planet": "Mars"}]}, "/addresses/0/planet"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_nothing_is_added(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    before = stored()
    reply = shop.owner.post("/v1/customers", {"name": "Blue Door", "group_id": shop.group_id, **fields})
    assert reply.status == 422, reply.text
    assert [fault["pointer"] for fault in reply.json["errors"]] == [pointer]
    assert stored() == before


@pytest.mark.parametrize("name", ["شركة الباب الأزرق", "青いドア 🚪", "Łódź & Söhne", "ᾷ" * 200, "\U00010348" * 200])
def test_names_in_every_script_can_be_added_and_found(shop: Shop, name: str) -> None:
    customer = shop.add_customer(name, None)
    assert customer["name"] == name
    assert [each["id"] for each in shop.owner.get("/v1/customers").json["items"]] == [customer["id"]]
    found = shop.owner.get("/v1/customers", q=name.split(maxsplit=1)[0][:60]).json["items"]
    assert [each["name"] for each in found] == [name]


def test_groups_and_tiers_of_another_store_are_unknown(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    before = stored()
    group = rival.owner.post("/v1/customers", {"name": "Spy", "group_id": shop.group_id})
    tier = rival.owner.post("/v1/customers", {"name": "Spy", "group_id": rival.group_id, "price_tier_id": shop.tier_id})
    assert (group.status, group.code) == (422, "unknown_customer_group")
    assert (tier.status, tier.code) == (422, "unknown_price_tier")
    assert stored() == before


def test_a_buyer_adds_nobody(shop: Shop) -> None:
    buyer = shop.join(shop.add_customer())
    before = stored()
    reply = buyer.post("/v1/customers", {"name": "Friend", "group_id": shop.group_id})
    assert (reply.status, reply.code) == (403, "forbidden")
    assert stored() == before


@pytest.fixture
def rival(shop: Shop) -> Shop:
    """A store that a company has joined: Blue Door, with Ida Holm as its contact."""
    rival = open_shop(shop.owner.as_(None), "rival")
    rival.join(rival.add_customer())
    deliver()
    return rival


def add_by_name(shop: Shop, name: str = "blue door", **fields: Any) -> Reply:
    """Add the company that is suggested for a name."""
    (item,) = shop.owner.get("/v1/companies", q=name).json["items"]
    return shop.owner.post("/v1/customers", {"company_id": item["id"], "group_id": shop.group_id, **fields})


def mailed_link() -> str:
    """Return the token in the last mail, which is that of the only invitation that is pending."""
    (pending,) = [Invitation.model_validate(each) for each in stored("invitation") if each["state"] == "pending"]
    link = invitation_link(pending)
    assert link in deliver()[-1].html
    return link.rpartition("/i/")[2]


def accept(link: str, body: Any) -> Reply:
    """Take an offer up."""
    return Client().post(f"/v1/invitation-links/{link}/acceptance", body)


def counts(shop: Shop) -> tuple[int, int, int]:
    """Return how many customers are not invited, invited, and have accepted."""
    told = shop.owner.get("/v1/invitations/counts").json
    return told["not_invited"], told["invited"], told["accepted"]


def test_a_company_of_the_directory_is_added_by_name_mailed_and_its_address_stays_unknown(shop: Shop, rival: Shop) -> None:
    (company,) = stored("company")
    tokens = {"TOKEN": shop.owner.token, "GROUP_ID": shop.group_id, "COMPANY_ID": company["id"]}
    reply = send_event("customers/add_customer.by_name", **tokens)
    customer = reply.json
    assert (reply.status, customer["name"], customer["email"], customer["group_id"]) == (201, "Blue Door", None, shop.group_id)
    assert (customer["invitation"]["state"], customer["invitation"]["delivery"]) == ("pending", "queued")
    mail = deliver()[-1]
    assert (mail.to, "Acme" in mail.subject) == ("buyer@bluedoor.test", True)
    # Whatever the store looks at, the address is not there, and neither is a link to pass on
    path = f"/v1/invitations/{customer['invitation']['id']}"
    resent = shop.owner.post(f"{path}/resend")
    assert (resent.status, resent.json["email"], resent.json["link"], resent.json["delivery"]) == (200, None, None, "queued")
    rows = {"customer_ids": [customer["id"]], "delivery": "links"}
    handed_out = shop.owner.post("/v1/invitations", rows)
    assert [row["link"] for row in handed_out.json["results"]] == [None]
    shown = [
        reply,
        resent,
        handed_out,
        shop.owner.post("/v1/invitations", rows, headers={"Accept": "text/csv"}),
        *(shop.owner.get(each) for each in (path, "/v1/invitations", "/v1/customers", f"/v1/customers/{customer['id']}")),
        shop.owner.get("/v1/customers", q="buyer"),
        shop.owner.get("/v1/customers", q="bluedoor.test"),
    ]
    assert [each.text for each in shown if "bluedoor.test" in each.text or "/i/" in each.text] == []
    assert [mail.to for mail in deliver()].count("buyer@bluedoor.test") == 3


def test_the_company_accepts_with_the_account_it_has_and_is_known_from_then_on(shop: Shop, rival: Shop) -> None:
    customer = add_by_name(shop, contact_name="Ida").json
    assert counts(shop) == (0, 1, 0)
    reply = accept(mailed_link(), {"password": PASSWORD, "company": "Blue Door & Daughters"})
    assert (reply.status, reply.json["member"]["name"]) == (201, "Ida Holm")
    after = shop.owner.get(f"/v1/customers/{customer['id']}").json
    assert (after["email"], after["name"]) == ("buyer@bluedoor.test", "Blue Door & Daughters")
    assert shop.owner.get("/v1/invitations").json["items"][0]["email"] == "buyer@bluedoor.test"
    assert [each["id"] for each in shop.owner.get("/v1/customers", q="buyer@bluedoor.test").json["items"]] == [customer["id"]]
    # The entry follows what its own contact confirms
    assert [(company["id"], company["name"]) for company in stored("company")] == [
        (customer["company_id"], "Blue Door & Daughters")
    ]
    assert counts(shop) == (0, 0, 1)
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    assert counts(shop) == (1, 0, 0)


def test_a_company_goes_by_the_name_that_the_store_gives_it(shop: Shop, rival: Shop) -> None:
    (item,) = shop.owner.get("/v1/companies", q="blue").json["items"]
    body = {"company_id": item["id"], "group_id": shop.group_id, "name": "Door, Blue", "addresses": [ADDRESS]}
    assert shop.owner.post("/v1/customers", body).json["name"] == "Door, Blue"


def test_an_address_that_another_customer_has_stays_with_it_and_the_company_joins_all_the_same(shop: Shop, rival: Shop) -> None:
    shop.add_customer("Blue Door (old)")
    customer = add_by_name(shop).json
    assert accept(mailed_link(), {"password": PASSWORD}).status == 201
    after = shop.owner.get(f"/v1/customers/{customer['id']}").json
    assert (after["email"], after["invitation"]["state"]) == (None, "accepted")


def test_a_company_is_added_to_a_store_once(shop: Shop, rival: Shop) -> None:
    assert add_by_name(shop).status == 201
    before = stored()
    again = add_by_name(shop, contact_name="Another")
    assert (again.status, again.code, again.json["pointer"]) == (409, "company_exists", "/company_id")
    # Nor where it came by itself
    own = add_by_name(rival)
    assert (own.status, own.code) == (409, "company_exists")
    assert stored() == before


def test_of_two_who_add_a_company_at_once_one_does(shop: Shop, rival: Shop) -> None:
    first: list[Reply] = []
    with meanwhile("TransactWriteItems", lambda: first.append(add_by_name(shop))):
        second = add_by_name(shop)
    assert (first[0].status, second.status, second.code) == (201, 409, "company_exists")
    assert len([each for each in stored("customer") if each["store_id"] == "acme"]) == 1


def test_without_a_mail_a_company_is_added_and_not_invited(shop: Shop, rival: Shop) -> None:
    before = len(announced())
    customer = add_by_name(shop, send_invitation=False).json
    assert (customer["invitation"], len(announced())) == (None, before)
    (row,) = shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]]}).json["results"]
    assert (row["status"], row["reason"], len(announced())) == ("invited", None, before + 1)


def test_a_private_invitation_can_be_revoked_and_its_link_dies(shop: Shop, rival: Shop) -> None:
    customer = add_by_name(shop).json
    link = mailed_link()
    revoked = shop.owner.post(f"/v1/invitations/{customer['invitation']['id']}/revoke")
    assert (revoked.status, revoked.json["email"]) == (200, None)
    assert accept(link, {"password": PASSWORD}).code == "invitation_revoked"
    assert counts(shop) == (0, 0, 0)


def test_somebody_else_whom_the_store_invites_instead_changes_nothing_in_the_directory(shop: Shop, rival: Shop) -> None:
    before = stored("company")
    customer = add_by_name(shop).json
    old = mailed_link()
    moved = shop.owner.patch(f"/v1/customers/{customer['id']}", {"email": "eve@evil.test"}, etag=customer["etag"])
    assert (moved.status, accept(old, {"password": PASSWORD}).code) == (200, "invitation_replaced")
    invitation = shop.owner.get(f"/v1/invitations/{customer['invitation']['id']}").json
    link = invitation["link"].rpartition("/i/")[2]
    assert accept(link, {"name": "Eve", "password": PASSWORD, "company": "Evil Door"}).status == 201
    known = {company["id"] for company in before}
    assert [company for company in stored("company") if company["id"] in known] == before
    # The company itself may still become a customer of the store
    assert (moved.json["company_id"], add_by_name(shop).status) == (None, 201)


def test_a_company_whose_invitation_was_revoked_is_invited_anew_and_stays_unseen(shop: Shop, rival: Shop, time: Clock) -> None:
    customer = add_by_name(shop).json
    shop.owner.post("/v1/invitations/revoke", {"customer_ids": [customer["id"]]})
    body = {"customer_ids": [customer["id"]]}
    links = shop.owner.post("/v1/invitations", {**body, "delivery": "links"}).json["results"]
    assert [row["reason"] for row in links] == ["no_email"]
    reply = shop.owner.post("/v1/invitations", body)
    assert [row["reason"] for row in reply.json["results"]] == [None]
    shown = shop.owner.get(f"/v1/invitations/{reply.json['results'][0]['invitation_id']}").json
    assert (shown["state"], shown["email"], shown["link"]) == ("pending", None, None)
    assert accept(mailed_link(), {"password": PASSWORD}).status == 201


def test_companies_are_not_invited_without_end(shop: Shop, rival: Shop, time: Clock) -> None:
    rival.join(rival.add_customer("Green Gate", "gil@greengate.test"))
    # Given a store that has invited all but one of those it may
    window = str(INVITED_BY_NAME.window_at(time()))
    counter = LIMIT.key(store="acme", what=INVITED_BY_NAME.what, whose="acme", window=window)
    Record(*counter).update([Record.tally.set(INVITED_BY_NAME.most - 1), Record.entity.set(LIMIT.entity)])
    # Then it may invite one
    assert add_by_name(shop).status == 201
    before = stored()
    refused = add_by_name(shop, "green gate")
    assert (refused.status, refused.code) == (429, "too_many_companies")
    assert 0 < int(refused.headers["retry-after"]) <= 86400
    assert stored() == before
    # And add more without mailing them
    assert add_by_name(shop, "green gate", send_invitation=False).status == 201


def added(client: Client, shop: Shop, **fields: Any) -> Reply:
    """Add a customer as somebody."""
    return client.post("/v1/customers", {"name": "Blue Door", "group_id": shop.group_id, **fields})


def test_a_sales_rep_looks_after_whom_it_adds_and_sees_it_at_once(shop: Shop) -> None:
    rhea, otto, sven = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Sven", access="all")
    reply = added(rhea.client, shop, email="buyer@bluedoor.test", send_invitation=True)
    assert (reply.status, reply.json["account_manager_id"], reply.json["further_sales_rep_ids"]) == (201, rhea.id, [])
    assert reply.json["invitation"]["state"] == "pending"
    assert reply.json["id"] in [message.get("customer_id") for message in announced()]
    assert added(sven.client, shop, name="Green Gate", account_manager_id=sven.id).json["account_manager_id"] == sven.id
    seen = {rep.id: [each["name"] for each in rep.client.get("/v1/customers").json["items"]] for rep in (rhea, otto, sven)}
    assert seen == {rhea.id: ["Blue Door"], otto.id: [], sven.id: ["Blue Door", "Green Gate"]}
    (change, _) = sorted(stored("allocation_change"), key=lambda each: each["after"]["account_manager_id"] != rhea.id)
    assert (change["actor"]["id"], change["before"]["account_manager_id"]) == (rhea.id, None)


def test_a_sales_rep_gives_its_customers_to_nobody_else(shop: Shop) -> None:
    rhea, otto = hire(shop, "Rhea"), hire(shop, "Otto")
    before = stored()
    for fields in (
        {"account_manager_id": otto.id},
        {"account_manager_id": rhea.id, "further_sales_rep_ids": [otto.id]},
        {"further_sales_rep_ids": [rhea.id]},
        {"account_manager_id": "nothing"},
    ):
        reply = added(rhea.client, shop, **fields)
        assert (reply.status, reply.code) == (403, "field_not_yours"), fields
    assert stored() == before


def test_the_owner_picks_who_looks_after_a_new_customer(shop: Shop) -> None:
    rhea, otto, gone = hire(shop, "Rhea"), hire(shop, "Otto"), hire(shop, "Gus")
    with counted_calls() as calls:
        reply = added(shop.owner, shop, account_manager_id=rhea.id, further_sales_rep_ids=[otto.id])
    assert (reply.status, calls) == (201, ["BatchGetItem", "TransactWriteItems"])
    assert (reply.json["account_manager_id"], reply.json["further_sales_rep_ids"]) == (rhea.id, [otto.id])
    assert len(otto.client.get("/v1/customers").json["items"]) == 1
    invited = invite_rep(shop, "Iris")
    Record(*member_key(gone.id, "acme")).update([Path("data.status").set("inactive")])
    before = stored()
    for manager, status, code in (
        (invited["id"], 409, "rep_not_accepted"),
        (gone.id, 409, "rep_inactive"),
        ("nothing", 422, "unknown_sales_rep"),
    ):
        refused = added(shop.owner, shop, account_manager_id=manager)
        pointer = refused.json["pointer"] if status == 409 else refused.json["errors"][0]["pointer"]
        assert (refused.status, refused.code, pointer) == (status, code, "/account_manager_id")
    away = [Path("data.status").set("inactive")]
    with meanwhile("TransactWriteItems", lambda: Record(*member_key(rhea.id, "acme")).update(away)):
        late = added(shop.owner, shop, account_manager_id=rhea.id)
    assert (late.status, late.code) == (409, "rep_inactive")
    assert [each for each in stored() if each["entity"] != "member"] == [each for each in before if each["entity"] != "member"]
