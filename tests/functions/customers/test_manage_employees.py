"""The people who buy for a customer: added, invited, changed and unlinked by the store, or by an administrator among them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.client import Client
from tests.support.faults import meanwhile
from tests.support.functions import Reply, load_function
from tests.support.mail import announced, deliver
from tests.support.ordering import send_event
from tests.support.reps import allocate, hire
from tests.support.table import everything, stored
from tests.support.world import PASSWORD, Shop, open_shop
from tradepost.domain.invitations import INVITED_BY_CUSTOMER

UMA = {"name": "Uma Berg", "email": "uma@bluedoor.test", "role": "buyer"}


def employees(customer: dict[str, Any], employee: dict[str, Any] | None = None) -> str:
    """Return the path of a customer's employees, or of one of them."""
    path = f"/v1/customers/{customer['id']}/employees"
    return f"{path}/{employee['id']}" if employee else path


def add(client: Client, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Add Uma, or somebody else, and return the employee."""
    reply = client.post(employees(customer), {**UMA, **fields})
    assert reply.status == 201, reply.text
    return dict(reply.json)


def link_of(shop: Shop, employee: dict[str, Any]) -> str:
    """Return the token of the link in an employee's latest invitation."""
    now = shop.owner.get(employees({"id": employee["customer_id"]}, employee)).json
    return str(shop.owner.get(f"/v1/invitations/{now['invitation']['id']}").json["link"]).rpartition("/i/")[2]


def accept(shop: Shop, link: str, **fields: Any) -> Reply:
    """Follow a link and join."""
    body = {"name": "Uma Berg", "password": PASSWORD, **fields}
    return shop.owner.as_(None).post(f"/v1/invitation-links/{link}/acceptance", body)


def join(shop: Shop, customer: dict[str, Any], **fields: Any) -> Client:
    """Add an employee, accept for it, and return its client."""
    employee = add(shop.owner, customer, send_invitation=True, **fields)
    reply = accept(shop, link_of(shop, employee), name=employee["name"])
    assert reply.status == 201, reply.text
    return shop.owner.as_(reply.json["token"])


def self_of(client: Client, customer: dict[str, Any]) -> dict[str, Any]:
    """Return a person as an employee, as an administrator sees it."""
    own = client.get("/v1/me").json["id"]
    return next(each for each in client.get(employees(customer)).json["items"] if each["id"] == own)


def change(client: Client, employee: dict[str, Any], **fields: Any) -> Reply:
    """Change an employee as it was read."""
    return client.patch(employees({"id": employee["customer_id"]}, employee), fields, etag=employee["etag"])


def unlink(client: Client, employee: dict[str, Any]) -> Reply:
    """Unlink an employee as it was read."""
    return client.delete(employees({"id": employee["customer_id"]}, employee), etag=employee["etag"])


def invite(client: Client, employee: dict[str, Any], **options: Any) -> Reply:
    """Invite an employee, or once more."""
    return client.post(employees({"id": employee["customer_id"]}, employee) + "/invitation", **options)


def administrators(customer: dict[str, Any]) -> set[str]:
    """Return the persons who look after a customer's employees, as stored."""
    (item,) = [item for item in stored("customer") if item["id"] == customer["id"]]
    return set(item.get("administrators") or ())


def test_an_employee_is_added_and_invited_in_one_transaction_and_joins_in_its_role(shop: Shop) -> None:
    customer = shop.add_customer()
    reply = send_event("customers/manage_employees.invited", TOKEN=shop.owner.token, CUSTOMER_ID=customer["id"])
    assert reply.status == 201, reply.text
    invitation = {**reply.json["invitation"]}
    shown = {key: reply.json[key] for key in ("customer_id", "name", "email", "role", "phone", "status", "joined_at", "etag")}
    assert shown == {
        "customer_id": customer["id"],
        "name": "Uma Berg",
        "email": "Uma@bluedoor.test",
        "role": "buyer",
        "phone": "+49 40 1234",
        "status": "pending",
        "joined_at": None,
        "etag": '"1"',
    }
    assert (invitation["state"], invitation["delivery"]) == ("pending", "queued")
    (message,) = announced()
    assert (message["type"], message["member_id"], message["invitation_id"]) == (
        "invitation",
        reply.json["id"],
        invitation["id"],
    )
    (told,) = stored("invitation")
    assert (told["kind"], told["email"], told["name"], told["customer_id"], told["member_id"]) == (
        "employee",
        "Uma@bluedoor.test",
        "Uma Berg",
        customer["id"],
        reply.json["id"],
    )
    joined = accept(shop, link_of(shop, reply.json))
    assert joined.status == 201, joined.text
    uma = shop.owner.as_(joined.json["token"])
    me = uma.get("/v1/me").json
    assert (me["customer_id"], me["role"], me["employee_role"]) == (customer["id"], "buyer", "buyer")
    assert "employees:manage" not in me["permissions"]
    now = shop.owner.get(employees(customer, reply.json))
    assert (now.json["status"], now.json["invitation"]["state"], now.headers["etag"]) == (
        "active",
        "accepted",
        now.json["etag"],
    )
    assert now.json["joined_at"] is not None
    assert administrators(customer) == set()


def test_the_mail_of_an_employees_invitation_goes_to_its_address(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer(), send_invitation=True)
    link = link_of(shop, employee)
    assert [(mail.to, link in mail.html) for mail in deliver()] == [("uma@bluedoor.test", True)]
    assert link.rpartition(".")[2] not in everything()


def test_an_employee_that_is_not_invited_waits_without_a_link(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer(), send_invitation=False)
    assert (employee["status"], employee["invitation"]) == ("pending", None)
    assert (stored("invitation"), announced()) == ([], [])
    assert add(shop.owner, shop.add_customer("Green Gate", None))["invitation"] is None


def test_the_contact_who_accepted_is_an_administrator_among_the_employees(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    assert "employees:manage" in ida.get("/v1/me").json["permissions"]
    (own,) = ida.get(employees(customer)).json["items"]
    assert (own["name"], own["role"], own["status"], own["invitation"]) == ("Ida Holm", "admin", "active", None)
    reply = shop.owner.post(employees(customer), {**UMA, "email": "BUYER@bluedoor.test"})
    assert (reply.status, reply.code, reply.json["pointer"]) == (409, "employee_exists", "/email")


def test_an_administrator_looks_after_its_own_customers_employees(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    uma = add(ida, customer, send_invitation=True)
    assert change(ida, uma, phone="+49 40 99", role="admin").json["role"] == "admin"
    assert invite(ida, uma).status == 200
    assert unlink(ida, ida.get(employees(customer, uma)).json).status == 204
    lines = [line for line in stored("audit") if line["action"].startswith("employee:")]
    assert [line["action"].partition(":")[2] for line in sorted(lines, key=lambda line: line["at"])] == [
        "added",
        "updated",
        "invited",
        "unlinked",
    ]
    assert {(line["actor"]["name"], line["target"]) for line in lines} == {("Ida Holm", uma["id"])}


def test_the_list_is_by_name_paged_and_filtered(shop: Shop) -> None:
    customer, other = shop.add_customer(), shop.add_customer("Green Gate", "gil@greengate.test")
    shop.join(customer)
    for name in ("Zoe", "Adam", "mia", "Bob"):
        add(shop.owner, customer, name=name, email=f"{name}@bluedoor.test", role="admin" if name == "Bob" else "buyer")
    add(shop.owner, other)

    def names(**query: str) -> list[str]:
        return [each["name"] for each in shop.owner.get(employees(customer), **query).json["items"]]

    assert names() == ["Adam", "Bob", "Ida Holm", "mia", "Zoe"]
    assert names(status="active") == ["Ida Holm"]
    assert names(role="admin") == ["Bob", "Ida Holm"]
    assert names(role="admin", status="pending") == ["Bob"]
    first = shop.owner.get(employees(customer), limit="3").json
    rest = shop.owner.get(employees(customer), limit="3", cursor=first["next_cursor"]).json
    assert [each["name"] for each in (*first["items"], *rest["items"])] == names()
    assert rest["next_cursor"] is None
    elsewhere = shop.owner.get(employees(other), cursor=first["next_cursor"])
    assert (elsewhere.status, elsewhere.code) == (400, "invalid_cursor")
    assert shop.owner.get(employees(customer), status="revoked").status == 422


def test_a_retry_adds_nobody_twice_and_brings_the_same_answer(shop: Shop) -> None:
    customer = shop.add_customer()
    body = {**UMA, "send_invitation": True}
    first, again = (shop.owner.post(employees(customer), body, key="once") for _ in range(2))
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    assert (len(stored("invitation")), len(announced())) == (1, 1)
    employee = first.json
    sent = [invite(shop.owner, employee, key="mail") for _ in range(2)]
    assert sent[0].json == sent[1].json
    assert len(announced()) == 2


def test_nobody_is_an_employee_of_one_customer_twice(shop: Shop) -> None:
    customer = shop.add_customer()
    add(shop.owner, customer)
    before = stored()
    reply = shop.owner.post(employees(customer), {**UMA, "email": "Uma@BLUEDOOR.test", "role": "admin"})
    assert (reply.status, reply.code) == (409, "employee_exists")
    assert stored() == before


def test_of_two_who_add_the_same_person_at_once_one_is_told_so(shop: Shop) -> None:
    customer = shop.add_customer()
    with meanwhile("TransactWriteItems", lambda: add(shop.owner, customer, name="First")):
        reply = shop.owner.post(employees(customer), {**UMA, "send_invitation": True})
    assert (reply.status, reply.code) == (409, "employee_exists")
    assert [member["name"] for member in stored("member") if member["role"] == "buyer"] == ["First"]
    assert stored("invitation") == []


def test_nothing_tells_whether_an_address_has_an_account_and_one_that_has_joins_with_it(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    shop.join(shop.add_customer("Green Gate", "gil@greengate.test"), name="Gil")
    theirs = rival.add_customer("Red Roof", "rut@redroof.test")
    known = add(rival.owner, theirs, email="GIL@greengate.test", send_invitation=True)
    unknown = add(rival.owner, theirs, email="nobody@greengate.test", send_invitation=True)
    alike = ("name", "role", "status", "joined_at", "etag")
    assert [known[key] for key in alike] == [unknown[key] for key in alike]
    accounts = stored("account")
    assert accept(rival, link_of(rival, known), password="not the password of gil").status == 401
    joined = accept(rival, link_of(rival, known))
    assert joined.status == 201, joined.text
    assert stored("account") == accounts


def test_a_person_keeps_its_places_apart(shop: Shop) -> None:
    rival = open_shop(shop.owner.as_(None), "rival")
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", "gil@greengate.test")
    red = rival.add_customer("Red Roof", "rut@redroof.test")
    at_blue, at_green = join(shop, blue), join(shop, green, role="admin")
    at_red = join(rival, red, role="admin")
    assert [each.get("/v1/me").json["customer_id"] for each in (at_blue, at_green, at_red)] == [
        blue["id"],
        green["id"],
        red["id"],
    ]
    assert [at_blue.get(employees(blue)).status, at_green.get(employees(green)).status] == [403, 200]
    assert at_green.get(employees(blue)).status == 404
    (uma,) = shop.owner.get(employees(blue)).json["items"]
    assert unlink(shop.owner, uma).status == 204
    assert [each.get("/v1/me").status for each in (at_blue, at_green, at_red)] == [401, 200, 200]
    again = shop.owner.as_(None).post("/v1/sessions", {"email": "uma@bluedoor.test", "password": PASSWORD, "store": "acme"})
    assert shop.owner.as_(again.json["token"]).get("/v1/me").json["customer_id"] == green["id"]


def test_the_owners_own_address_may_buy_for_a_customer_without_being_the_owner_there(shop: Shop) -> None:
    customer = shop.add_customer()
    buying = join(shop, customer, email="OLA@acme.test", name="Ola", role="buyer")
    me = buying.get("/v1/me").json
    assert (me["role"], me["customer_id"]) == ("buyer", customer["id"])
    assert "store:manage" not in me["permissions"]
    assert (shop.owner.get("/v1/me").json["role"], buying.get("/v1/customers").status) == ("owner", 403)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"role": None}, "/role"),
        ({"role": "owner"}, "/role"),
        ({"role": "Admin"}, "/role"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "Uma\nBcc: all@doors.test"}, "/name"),
        ({"email": "uma"}, "/email"),
        ({"email": None}, "/email"),
        ({"email": "uma@bluedoor.test\r\nBcc: all@doors.test"}, "/email"),
        ({"phone": "1" * 201}, "/phone"),
        ({"send_invitation": "yes"}, "/send_invitation"),
        ({"status": "active"}, "/status"),
        ({"customer_id": "other"}, "/customer_id"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at_and_nobody_is_added(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    customer, before = shop.add_customer(), stored("member")
    body = {**UMA, **fields}
    reply = shop.owner.post(employees(customer), body)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    del body[pointer[1:]]
    if pointer in {"/role", "/name", "/email"}:
        missing = shop.owner.post(employees(customer), body)
        assert (missing.status, missing.json["errors"][0]) == (422, {"pointer": pointer, "message": "is required"})
    assert stored("member") == before


def test_nobody_is_added_to_a_customer_that_is_not_active_nor_invited_there(shop: Shop) -> None:
    customer = shop.add_customer()
    waiting = add(shop.owner, customer, send_invitation=True)
    uninvited = add(shop.owner, customer, email="bea@bluedoor.test")
    shop.owner.patch(f"/v1/customers/{customer['id']}", {"active": False}, etag='"1"')
    before = stored()
    refused = [
        shop.owner.post(employees(customer), {**UMA, "email": "new@bluedoor.test"}),
        invite(shop.owner, waiting),
        invite(shop.owner, uninvited),
        shop.owner.post(f"/v1/invitations/{waiting['invitation']['id']}/resend"),
    ]
    assert [(reply.status, reply.code) for reply in refused] == [(409, "inactive")] * 4
    assert stored() == before
    assert shop.owner.get(employees(customer)).status == 200


def test_a_waiting_employee_is_invited_later_and_then_once_more_with_the_same_link(shop: Shop, time: Clock) -> None:
    employee = add(shop.owner, shop.add_customer())
    first = invite(shop.owner, employee)
    assert (first.status, first.json["kind"], first.json["employee_id"]) == (200, "employee", employee["id"])
    assert change(shop.owner, employee, name="Uma Holm").status == 200
    time.advance(days=15)
    signed_in = shop.owner.as_(None).post("/v1/sessions", {"email": "ola@acme.test", "password": PASSWORD}).json
    shop = replace(shop, owner=shop.owner.as_(signed_in["token"]))
    expired = shop.owner.get(employees({"id": employee["customer_id"]}, employee)).json["invitation"]
    assert expired == {"id": first.json["id"], "state": "expired", "delivery": "queued"}
    again = invite(shop.owner, employee)
    assert (again.json["id"], again.json["link"], again.json["name"]) == (first.json["id"], first.json["link"], "Uma Holm")
    assert again.json["state"] == "pending"
    assert [message["sending"] for message in announced()] == [1, 2]
    assert accept(shop, link_of(shop, employee)).status == 201
    late = invite(shop.owner, employee)
    assert (late.status, late.code) == (409, "already_accepted")


def test_the_link_is_shown_to_the_store_and_to_no_customer(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    employee = add(ida, customer)
    mine, theirs = invite(ida, employee), invite(shop.owner, employee)
    assert (mine.json["link"], theirs.json["link"] is None) == (None, False)
    assert ida.get(f"/v1/invitations/{mine.json['id']}").status == 403


def test_an_address_is_mailed_five_times_more_within_the_hour(shop: Shop, time: Clock) -> None:
    employee = add(shop.owner, shop.add_customer(), email="Uma@bluedoor.test", send_invitation=True)
    assert [invite(shop.owner, employee).status for _ in range(5)] == [200] * 5
    before = stored()
    reply = invite(shop.owner, employee)
    assert (reply.status, reply.code, "retry-after" in reply.headers) == (429, "resent_too_often", True)
    assert stored() == before
    assert shop.owner.post(f"/v1/invitations/{employee['invitation']['id']}/resend").status == 429
    # Nor does adding the person anew get around it
    assert unlink(shop.owner, employee).status == 204
    assert shop.owner.post(employees({"id": employee["customer_id"]}), {**UMA, "send_invitation": True}).status == 429
    time.advance(hours=1)
    assert shop.owner.post(employees({"id": employee["customer_id"]}), {**UMA, "send_invitation": True}).status == 201


def test_a_customer_lets_the_store_mail_so_many_strangers_a_day_and_no_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("customers/manage_employees")
    monkeypatch.setattr(function, "INVITED_BY_CUSTOMER", INVITED_BY_CUSTOMER._replace(most=2))
    customer = shop.add_customer()
    ida = shop.join(customer)
    for number in range(2):
        add(ida, customer, email=f"new{number}@bluedoor.test", send_invitation=True)
    before = stored()
    reply = ida.post(employees(customer), {**UMA, "send_invitation": True})
    assert (reply.status, reply.code) == (429, "too_many_invitations")
    assert stored() == before
    assert add(shop.owner, customer, send_invitation=True)["invitation"]["state"] == "pending"


def test_a_revoked_invitation_leaves_the_employee_waiting_and_inviting_makes_a_new_one(shop: Shop) -> None:
    customer = shop.add_customer()
    employee = add(shop.owner, customer, send_invitation=True)
    old = link_of(shop, employee)
    assert shop.owner.post(f"/v1/invitations/{employee['invitation']['id']}/revoke").json["state"] == "revoked"
    (waiting,) = shop.owner.get(employees(customer)).json["items"]
    assert (waiting["status"], waiting["invitation"]["state"]) == ("pending", "revoked")
    assert accept(shop, old).code == "invitation_revoked"
    fresh = invite(shop.owner, employee)
    assert (fresh.status, fresh.json["id"] == employee["invitation"]["id"]) == (200, False)
    assert accept(shop, old).code == "invitation_revoked"
    assert accept(shop, link_of(shop, employee)).status == 201


def test_revoking_an_accepted_invitation_ends_the_access_at_once(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    uma = join(shop, customer, role="admin")
    employee = self_of(uma, customer)
    assert len(administrators(customer)) == 2
    assert shop.owner.post(f"/v1/invitations/{employee['invitation']['id']}/resend").code == "already_accepted"
    assert shop.owner.post(f"/v1/invitations/{employee['invitation']['id']}/revoke").status == 200
    assert uma.get("/v1/me").code == "invalid_token"
    assert [each["name"] for each in shop.owner.get(employees(customer)).json["items"]] == ["Ida Holm"]
    assert len(administrators(customer)) == 1
    again = add(shop.owner, customer, send_invitation=True)
    assert (again["id"], again["invitation"]["id"] == employee["invitation"]["id"]) == (employee["id"], False)


def test_both_invitations_that_a_person_has_accepted_are_revoked_in_one_request(shop: Shop) -> None:
    customer = shop.add_customer(email="uma@bluedoor.test")
    shop.join(customer, name="Uma Berg")
    shop_admin = join(shop, customer, email="ida@bluedoor.test", name="Ida", role="admin")
    uma = next(each for each in shop_admin.get(employees(customer)).json["items"] if each["name"] == "Uma Berg")
    assert unlink(shop.owner, uma).status == 204
    back = join(shop, customer)
    ids = [item["id"] for item in stored("invitation") if item["email"] == "uma@bluedoor.test"]
    reply = shop.owner.post("/v1/invitations/revoke", {"invitation_ids": ids})
    assert (reply.status, reply.json["revoked"]) == (200, 2), reply.text
    assert back.get("/v1/me").status == 401


def test_only_what_is_sent_changes_and_a_phone_can_be_taken_away(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer(), phone="+49 40 1234")
    reply = change(shop.owner, employee, name="Zoe Berg", role="admin")
    assert reply.json == {**employee, "name": "Zoe Berg", "role": "admin", "etag": '"2"'}
    assert change(shop.owner, reply.json, phone=None).json["phone"] is None
    assert [each["name"] for each in shop.owner.get(employees({"id": employee["customer_id"]})).json["items"]] == ["Zoe Berg"]


def test_who_a_person_is_cannot_be_changed(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer())
    before = stored()
    reply = change(shop.owner, employee, email="una@bluedoor.test")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/email")
    assert "unlink" in reply.json["errors"][0]["message"]
    assert stored() == before


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"role": None}, "/role"),
        ({"role": "owner"}, "/role"),
        ({"status": "active"}, "/status"),
        ({"name": ""}, "/name"),
    ],
)
def test_a_change_that_is_wrong_is_pointed_at_and_changes_nothing(shop: Shop, fields: dict[str, Any], pointer: str) -> None:
    employee = add(shop.owner, shop.add_customer())
    before = stored()
    reply = change(shop.owner, employee, **fields)
    assert (reply.status, [fault["pointer"] for fault in reply.json["errors"]]) == (422, [pointer])
    assert stored() == before


def test_a_change_and_an_unlinking_need_the_version_that_is_there(shop: Shop) -> None:
    customer = shop.add_customer()
    employee = add(shop.owner, customer)
    path = employees(customer, employee)
    before = stored()
    replies = [
        shop.owner.patch(path, {"name": "New"}),
        shop.owner.delete(path),
        shop.owner.patch(path, {"name": "New"}, etag='"7"'),
        shop.owner.delete(path, etag='"7"'),
    ]
    codes = [(reply.status, reply.code) for reply in replies]
    assert codes == [(428, "precondition_required")] * 2 + [(412, "stale")] * 2
    assert stored() == before


def test_an_unlinking_that_loses_to_a_change_is_told_so(shop: Shop) -> None:
    customer = shop.add_customer()
    employee = add(shop.owner, customer, send_invitation=True)
    with meanwhile("TransactWriteItems", lambda: change(shop.owner, employee, name="First")):
        reply = unlink(shop.owner, employee)
    assert (reply.status, reply.code) == (412, "stale")
    (still,) = shop.owner.get(employees(customer)).json["items"]
    assert (still["name"], still["status"], still["invitation"]["state"]) == ("First", "pending", "pending")


def test_an_administrator_that_becomes_a_buyer_loses_its_rights_at_once_and_gets_them_back(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    uma = join(shop, customer, role="admin")
    demoted = change(ida, self_of(uma, customer), role="buyer")
    assert demoted.status == 200
    refused = uma.get(employees(customer))
    assert (refused.status, refused.code, refused.json["required"]) == (403, "forbidden", "employees:manage")
    assert len(administrators(customer)) == 1
    assert change(ida, demoted.json, role="admin").status == 200
    assert (uma.get(employees(customer)).status, len(administrators(customer))) == (200, 2)


def test_the_last_administrator_stays_one_whoever_asks(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    join(shop, customer)
    add(shop.owner, customer, email="pending@bluedoor.test", role="admin", send_invitation=True)
    own = self_of(ida, customer)
    before = stored()
    replies = [unlink(ida, own), unlink(shop.owner, own), change(ida, own, role="buyer"), change(shop.owner, own, role="buyer")]
    assert [(reply.status, reply.code) for reply in replies] == [(409, "last_administrator")] * 4
    assert stored() == before
    assert change(ida, own, name="Ida Berg", role="admin").status == 200


def test_an_administrator_may_leave_if_another_one_is_left(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    uma = join(shop, customer, role="admin")
    assert unlink(ida, self_of(ida, customer)).status == 204
    assert ida.get("/v1/me").status == 401
    assert unlink(uma, self_of(uma, customer)).code == "last_administrator"


def test_of_two_administrators_who_unlink_or_demote_each_other_at_once_one_stays(shop: Shop) -> None:
    customer = shop.add_customer()
    ida = shop.join(customer)
    uma = join(shop, customer, role="admin")
    own = {"ida": self_of(ida, customer), "uma": self_of(uma, customer)}
    with meanwhile("TransactWriteItems", lambda: change(uma, own["ida"], role="buyer")):
        reply = unlink(ida, own["uma"])
    assert (reply.status, reply.code) == (409, "last_administrator")
    assert (uma.get(employees(customer)).status, len(administrators(customer))) == (200, 1)


def test_unlinking_ends_access_sessions_and_links_and_leaves_the_account(shop: Shop) -> None:
    customer = shop.add_customer()
    uma = join(shop, customer)
    employee = next(iter(shop.owner.get(employees(customer)).json["items"]))
    accounts = stored("account")
    assert unlink(shop.owner, employee).status == 204
    assert uma.get("/v1/me").code == "invalid_token"
    log_in = shop.owner.as_(None).post("/v1/sessions", {"email": "uma@bluedoor.test", "password": PASSWORD})
    assert (log_in.status, log_in.code) == (401, "invalid_credentials")
    assert stored("account") == accounts
    assert shop.owner.get(employees(customer)).json["items"] == []
    assert [invitation["state"] for invitation in stored("invitation")] == ["revoked"]
    missing = shop.owner.get(employees(customer, {"id": "nobody"}))
    gone = [
        shop.owner.get(employees(customer, employee)),
        change(shop.owner, employee, name="New"),
        unlink(shop.owner, employee),
        invite(shop.owner, employee),
    ]
    assert [(reply.status, reply.text) for reply in gone] == [(404, missing.text)] * 4


def test_unlinking_whoever_waits_kills_the_link_and_stops_its_mail(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer(), send_invitation=True)
    link = link_of(shop, employee)
    assert unlink(shop.owner, employee).status == 204
    assert accept(shop, link).code == "invitation_revoked"
    assert deliver() == []
    assert stored("account") == [account for account in stored("account") if account["email"] == "ola@acme.test"]


def test_unlinking_while_somebody_accepts_leaves_one_of_the_two(shop: Shop) -> None:
    employee = add(shop.owner, shop.add_customer(), send_invitation=True)
    link = link_of(shop, employee)
    with meanwhile("TransactWriteItems", lambda: accept(shop, link)):
        reply = unlink(shop.owner, employee)
    assert (reply.status, reply.code) == (412, "stale")
    assert [member["status"] for member in stored("member") if member["role"] == "buyer"] == ["active"]
    other = add(shop.owner, {"id": employee["customer_id"]}, email="bea@bluedoor.test", send_invitation=True)
    link = link_of(shop, other)
    with meanwhile("TransactWriteItems", lambda: unlink(shop.owner, other)):
        reply = accept(shop, link)
    assert (reply.status, reply.code) == (410, "invitation_revoked")


def test_whoever_was_unlinked_joins_again_with_the_same_account_and_no_old_session(shop: Shop) -> None:
    customer = shop.add_customer()
    old = join(shop, customer)
    uma = next(iter(shop.owner.get(employees(customer)).json["items"]))
    unlink(shop.owner, uma)
    waiting = add(shop.owner, customer, name="Uma Holm", email="UMA@bluedoor.test", role="admin")
    assert (waiting["id"], waiting["status"], waiting["invitation"], waiting["joined_at"]) == (uma["id"], "pending", None, None)
    assert (waiting["name"], waiting["role"]) == ("Uma Holm", "admin")
    assert shop.owner.get(employees(customer, waiting)).json == waiting
    assert old.get("/v1/me").status == 401
    log_in = shop.owner.as_(None).post("/v1/sessions", {"email": "uma@bluedoor.test", "password": PASSWORD})
    assert log_in.status == 401
    accounts = stored("account")
    assert invite(shop.owner, waiting).status == 200
    joined = accept(shop, link_of(shop, waiting))
    assert joined.status == 201, joined.text
    assert stored("account") == accounts
    assert (old.get("/v1/me").status, shop.owner.as_(joined.json["token"]).get(employees(customer)).status) == (401, 200)


def test_somebody_elses_employees_are_none(shop: Shop) -> None:
    blue, green = shop.add_customer(), shop.add_customer("Green Gate", "gil@greengate.test")
    ida, gil = shop.join(blue), shop.join(green, name="Gil")
    uma = add(shop.owner, blue, send_invitation=True)
    rival = open_shop(shop.owner.as_(None), "rival")
    theirs = rival.add_customer("Red Roof", "rut@redroof.test")
    before = stored()

    def tried(client: Client, customer: dict[str, Any], employee: dict[str, Any]) -> list[tuple[int, str]]:
        path = employees(customer, employee)
        replies = [
            client.get(path),
            client.patch(path, {"name": "Mine"}, etag='"1"'),
            client.delete(path, etag='"1"'),
            client.post(f"{path}/invitation"),
        ]
        return [(reply.status, reply.text) for reply in replies]

    nothing = [(404, shop.owner.get(employees({"id": "none"}, uma)).text)] * 4
    nobody = [(404, shop.owner.get(employees(blue, {"id": "none"})).text)] * 4
    for client in (gil, rival.owner):
        assert tried(client, blue, uma) == nothing
        missing = client.get("/v1/customers/none/employees")
        for reply in (client.get(employees(blue)), client.post(employees(blue), {**UMA, "email": "new@bluedoor.test"})):
            assert (reply.status, reply.text) == (404, missing.text)
    # An employee of one customer is none of another one, nor is the owner
    assert tried(shop.owner, green, uma) == tried(gil, green, uma) == tried(rival.owner, theirs, uma) == nobody
    assert tried(shop.owner, blue, {"id": shop.owner.get("/v1/me").json["id"]}) == nobody
    assert tried(ida, blue, {"id": gil.get("/v1/me").json["id"]}) == nobody
    assert stored() == before


def test_a_buyer_that_is_no_administrator_may_not_look_nor_change_anything(shop: Shop) -> None:
    customer = shop.add_customer()
    shop.join(customer)
    uma = join(shop, customer)
    own = next(each for each in shop.owner.get(employees(customer)).json["items"] if each["name"] == "Uma Berg")
    before = stored()
    path = employees(customer, own)
    replies = [
        uma.get(employees(customer)),
        uma.get(path),
        uma.post(employees(customer), UMA),
        uma.patch(path, {"role": "admin"}, etag=own["etag"]),
        uma.delete(path, etag=own["etag"]),
        uma.post(f"{path}/invitation"),
    ]
    assert [(reply.status, reply.code) for reply in replies] == [(403, "forbidden")] * 6
    assert stored() == before


def test_a_sales_rep_looks_after_the_employees_of_its_customers_as_the_owner_does(shop: Shop) -> None:
    own, other = shop.add_customer(), shop.add_customer("Green Gate", "gil@greengate.test")
    rhea, sven = hire(shop, "Rhea"), hire(shop, "Sven", access="all")
    allocate(shop, own, rhea)
    employee = add(rhea.client, own, send_invitation=True)
    assert (employee["status"], employee["invitation"]["state"], deliver()[-1].to) == ("pending", "pending", UMA["email"])
    shown = shop.owner.get(employees(own)).json["items"]
    assert rhea.client.get(employees(own)).json["items"] == sven.client.get(employees(own)).json["items"] == shown
    again = rhea.client.post(f"{employees(own, employee)}/invitation")
    assert (again.status, "/i/" in again.json["link"]) == (200, True)
    assert change(rhea.client, employee, phone="+49 40 1").json["phone"] == "+49 40 1"
    invited_by = {line["actor"]["id"] for line in stored("audit") if line["action"].startswith("employee:")}
    assert invited_by == {rhea.id}
    elsewhere = add(shop.owner, other, email="ugo@greengate.test")
    before = stored()
    for method, suffix, body in (
        ("GET", "", None),
        ("POST", "", {**UMA, "email": "eve@greengate.test"}),
        ("GET", f"/{elsewhere['id']}", None),
        ("PATCH", f"/{elsewhere['id']}", {"name": "Eve"}),
        ("DELETE", f"/{elsewhere['id']}", None),
        ("POST", f"/{elsewhere['id']}/invitation", None),
    ):
        headers = {"If-Match": '"1"', "Idempotency-Key": f"{method}{suffix}"}
        replies = [
            rhea.client.send(method, f"/v1/customers/{customer_id}/employees{suffix}", body, headers=headers)
            for customer_id in (other["id"], "nothing")
        ]
        assert (replies[0].status, replies[0].text) == (404, replies[1].text), method
    assert stored() == before
    etag = rhea.client.get(employees(own, employee)).json["etag"]
    assert rhea.client.delete(employees(own, employee), etag=etag).status == 204


def test_a_sales_rep_with_access_to_all_sees_no_employees_of_a_customer_that_is_not_active(shop: Shop) -> None:
    own, rhea, sven = shop.add_customer(), hire(shop, "Rhea"), hire(shop, "Sven", access="all", supervisor=True)
    allocate(shop, own, rhea)
    etag = shop.owner.get(f"/v1/customers/{own['id']}").json["etag"]
    assert shop.owner.patch(f"/v1/customers/{own['id']}", {"active": False}, etag=etag).status == 200
    assert (rhea.client.get(employees(own)).status, sven.client.get(employees(own)).status) == (200, 404)
    reply = rhea.client.post(employees(own), UMA)
    assert (reply.status, reply.code) == (409, "inactive")
