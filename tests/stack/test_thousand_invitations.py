"""A thousand customers invited in one request: every mail comes, once, and every link leads to its own customer."""

import csv
import io
import re
from functools import partial

import pytest

from tests.support.deployed import Deployed, at_once, until
from tests.support.world import PASSWORD, Shop

pytestmark = pytest.mark.stack

MANY = 1000
ACCEPTED = 25


def test_a_thousand_are_invited_in_one_request_and_their_links_work(shop: Shop, deployed: Deployed) -> None:
    def add(number: int) -> dict[str, object]:
        return {"name": f"=Customer {number}", "email": f"Buyer{number}@thousand.test", "group_id": shop.group_id}

    added = at_once((partial(shop.owner.post, "/v1/customers", add(number)) for number in range(MANY)), width=8)
    ids = [reply.json["id"] for reply in added]
    addresses = {reply.json["id"]: reply.json["email"] for reply in added}

    reply = shop.owner.post("/v1/invitations", {"customer_ids": ids})
    assert (reply.status, reply.json["invited"], reply.json["skipped"]) == (200, MANY, 0)
    again = shop.owner.post("/v1/invitations", {"customer_ids": ids})
    assert (again.json["invited"], {row["reason"] for row in again.json["results"]}) == (0, {"already_invited"})

    def mailed() -> bool:
        return bool(shop.owner.get("/v1/invitations/counts").json["delivery"]["sent"] == MANY)

    until(mailed, f"{MANY} mails", seconds=240)
    links: dict[str, str] = {}
    for mail in deployed.stack.mails(""):
        [address] = mail["to"]
        if address.endswith("@thousand.test"):
            assert address not in links, "mailed twice"
            links[address] = re.search(r"/i/([\w.-]+)", mail["text"])[1]  # type: ignore[index]  # each has one
    assert set(links) == set(addresses.values())

    body = {"customer_ids": ids, "delivery": "links"}
    written = shop.owner.post("/v1/invitations", body, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(written.text, newline="")))
    assert {row["email"]: row["link"].rpartition("/")[2] for row in rows} == links
    assert [row["customer_id"] for row in rows] == ids

    chosen = rows[:: MANY // ACCEPTED]
    person = {"name": "Ida Holm", "password": PASSWORD}
    accept = partial(shop.owner.as_(None).post, body=person)
    accepted = at_once((partial(accept, f"/v1/invitation-links/{links[row['email']]}/acceptance") for row in chosen), width=4)
    assert {reply.status for reply in accepted} == {201}
    assert [reply.json["member"]["id"].rpartition(".")[2] for reply in accepted] == [row["customer_id"] for row in chosen]
    counts = shop.owner.get("/v1/invitations/counts").json
    assert (counts["not_invited"], counts["invited"], counts["accepted"]) == (0, MANY - len(chosen), len(chosen))
