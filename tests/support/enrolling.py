"""Companies that enrol as resellers, and what is to be seen of it in the table."""

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from tests.support import functions
from tests.support.functions import Reply, load_function
from tests.support.table import stored
from tests.support.world import PASSWORD, Shop
from tradepost.aws.links import enrolment_link

COMPANY = "Harbour Lights"
EMAIL = "nils@harbourlights.test"


def application(company: str = COMPANY, email: str = EMAIL, **fields: Any) -> dict[str, Any]:
    """Return what a company says of itself; `name` and `password` are its contact's."""
    contact = {"name": fields.pop("name", "Nils Berg"), "email": email, "password": fields.pop("password", PASSWORD)}
    address = {"street": "Quay 7", "postal_code": "24103", "city": "Kiel", "country": "DE"}
    return {"company": company, "contact": contact, "address": address, **fields}


def send_enrolment(shop: Shop, company: str = COMPANY, email: str = EMAIL, *, key: str = "", **fields: Any) -> Reply:
    """Enrol a company as a stranger does."""
    return shop.owner.as_(None).post(f"/v1/stores/{shop.slug}/resellers", application(company, email, **fields), key=key)


def enrol(shop: Shop, company: str = COMPANY, email: str = EMAIL, **fields: Any) -> str:
    """Enrol a company and return the token of the link that it is mailed."""
    reply = send_enrolment(shop, company, email, **fields)
    assert (reply.status, reply.json) == (202, {"status": "confirmation_sent"}), reply.text
    latest = max(stored("enrolment"), key=lambda enrolment: str(enrolment["id"]))
    return enrolment_link(shop.slug, latest["id"]).rpartition("/e/")[2]


def confirm(shop: Shop, token: str) -> Reply:
    """Press the button on the page behind a link."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return shop.owner.as_(None).send("POST", f"/e/{token}", "", headers=headers)


def enrolled(shop: Shop, company: str = COMPANY, email: str = EMAIL, **fields: Any) -> dict[str, Any]:
    """Enrol a company, confirm it, and return the reseller as it is stored."""
    reply = confirm(shop, enrol(shop, company, email, **fields))
    assert reply.status == 200, reply.text
    (reseller,) = [each for each in stored("reseller") if each["application"]["contact"]["email"].lower() == email.lower()]
    return reseller


def on_another_machine(function: str, action: Callable[[], Any]) -> Callable[[], Any]:
    """Return an action whose requests to a function go to another copy of it, as at the same moment on AWS."""
    ours = load_function(function)
    copy = load_function.__wrapped__(function)
    sys.modules[ours.__name__] = ours

    def acting() -> Any:
        with patch.object(functions, "load_function", lambda name: copy if name == function else load_function(name)):
            return action()

    return acting
