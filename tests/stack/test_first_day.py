"""A store's first day, from opening it to its first confirmed order, as its people live it."""

import re

import pytest

from tests.support.deployed import Deployed
from tests.support.html import page_of, send_form
from tests.support.world import ADDRESS, PASSWORD, Shop, euros

pytestmark = pytest.mark.stack

BUYER = "Ida.Holm@BlueDoor.test"


def test_a_store_opens_and_its_invited_customer_orders(shop: Shop, deployed: Deployed) -> None:
    shop.add_product("LMP-001", 3900)
    options = shop.set_checkout_options()
    customer = shop.add_customer("Blue Door & Söhne", BUYER)

    results = shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]], "delivery": "email"}).json["results"]
    (invitation_mail,) = deployed.mails(BUYER, expecting=1)
    link = _link_in(invitation_mail, "/i/")
    assert link.startswith(f"{deployed.stack.base_url}/i/")
    path = link.removeprefix(deployed.stack.base_url)

    visitor = deployed.api
    page = page_of(visitor.get(path))
    assert page.values["company"] == "Blue Door & Söhne"
    assert page.values["street"] == ADDRESS["street"]
    accepted = send_form(visitor, path, {**page.values, "name": "Ida Holm", "password": PASSWORD})
    assert accepted.status == 201, accepted.text
    assert visitor.get(path).status == 410

    log_in = visitor.post("/v1/sessions", {"email": BUYER.swapcase(), "password": PASSWORD})
    assert log_in.status == 201, log_in.text
    buyer = visitor.as_(log_in.json["token"])
    address = buyer.get(f"/v1/customers/{customer['id']}").json["addresses"][0]
    order = buyer.post(
        "/v1/orders",
        {
            "billing_address_id": address["id"],
            "lines": [{"product_number": "LMP-001", "quantity": 3}],
            "shipping_method_id": options["shipping_methods"][0]["id"],
            "payment_method_id": options["payment_methods"][0]["id"],
        },
    )
    assert order.status == 201, order.text
    assert order.json["total"] == euros(3 * 3900 + 590)

    confirmed = shop.owner.post(f"/v1/orders/{order.json['id']}/confirm", headers={"If-Match": order.json["etag"]})
    assert (confirmed.status, confirmed.json["status"]) == (200, "confirmed")
    assert buyer.get(f"/v1/orders/{order.json['id']}").json["status"] == "confirmed"

    deployed.settle(shop.slug)
    mails = deployed.mails(BUYER, expecting=4)
    assert len(mails) == 4, [mail["subject"] for mail in mails]
    assert all(mail["from"].startswith(f"{shop.owner.get('/v1/store').json['name']} <") for mail in mails)
    for mail in mails[2:]:
        assert order.json["number"] in mail["subject"]
        assert order.json["number"] in mail["text"]
        assert order.json["number"] in mail["html"]
    invitation = shop.owner.get(f"/v1/invitations/{results[0]['invitation_id']}").json
    assert (invitation["state"], invitation["delivery"]) == ("accepted", "sent")
    assert [item["status"] for item in deployed.stored("outbox", shop.slug)] == ["done"] * 4


def test_links_lead_to_the_portal_whatever_host_was_claimed(shop: Shop, deployed: Deployed) -> None:
    hostile = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test"}
    customer = shop.add_customer("Green Gate", "host@greengate.test")

    invited = shop.owner.post("/v1/invitations", {"customer_ids": [customer["id"]], "delivery": "email"}, headers=hostile)

    assert invited.status == 200, invited.text
    (mail,) = deployed.mails("host@greengate.test", expecting=1)
    link = _link_in(mail, "/i/")
    assert link.startswith(deployed.stack.base_url)
    page = deployed.api.get(link.removeprefix(deployed.stack.base_url), headers=hostile)
    assert page.status == 200
    assert "evil.test" not in page.text + mail["text"] + mail["html"]


def _link_in(mail: dict[str, str], path: str) -> str:
    """Return the one link of a mail, which both of its bodies show."""
    found = re.compile(rf"https?://[^\s\"<>]*{re.escape(path)}[\w.-]*\w")
    links: set[str] = set(found.findall(mail["text"]))
    assert len(links) == 1
    assert set(found.findall(mail["html"])) == links
    return links.pop()
