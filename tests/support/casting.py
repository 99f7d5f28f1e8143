"""Two stores with whatever a request can be about, and every kind of caller: here it is tried out who may do what."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import yaml
from pynamodb.expressions.operand import Path

from tests.support import customer_imports as imports
from tests.support.api_keys import reseller_of
from tests.support.bills import put_invoice
from tests.support.client import Client
from tests.support.enrolling import enrol
from tests.support.erasing import archived_for_casting
from tests.support.functions import ROOT, Reply
from tests.support.paying import payments_for_casting
from tests.support.reps import allocate, hire
from tests.support.resellers import enrolled
from tests.support.table import in_memory, records
from tests.support.tracking import tracked_for_casting
from tests.support.world import ADDRESS, Shop, open_shop
from tradepost.aws.links import reset_token
from tradepost.domain.clock import stamp
from tradepost.domain.ids import person_key
from tradepost.domain.orders import Order
from tradepost.domain.pairing import Pairing
from tradepost.domain.people import PasswordReset
from tradepost.domain.stores import Store
from tradepost.table.orders import order_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import PASSWORD_RESET
from tradepost.table.stores import store_key

CALLERS: Final = (
    "anonymous",
    "guest",
    "owner",
    "buyer",
    "other_buyer",
    "rep",
    "other_rep",
    "supervisor",
    "acting",
    "foreign_owner",
    "revoked",
)

BUILT: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
# Late enough for a second mail to go out, and too early for a session to be noted as still in use.
TRIED: Final = BUILT + timedelta(minutes=10)

_HERE = ("Nordlicht", "Brass lantern", "ola@acme.test", "Blue Door", "Green Gate", "Red Roof", "Grey Gable")
_ABROAD = ("Zephyr", "Secret lamp", "ola@rival.test", "Hidden Harbour")
SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "anonymous": (*_HERE[2:], *_ABROAD),
    "guest": (*_HERE[2:], *_ABROAD),
    "owner": _ABROAD,
    "buyer": ("Green Gate", "Red Roof", "Grey Gable", *_ABROAD),
    "other_buyer": ("Blue Door", "Red Roof", "Grey Gable", *_ABROAD),
    "rep": ("Green Gate", "Red Roof", *_ABROAD),
    "other_rep": ("Blue Door", "Red Roof", "Grey Gable", *_ABROAD),
    "supervisor": _ABROAD,
    "acting": ("Green Gate", "Red Roof", "Grey Gable", *_ABROAD),
    "foreign_owner": _HERE,
    "revoked": (*_HERE, *_ABROAD),
}
"""The words by which an answer would tell each kind of caller what is none of its business."""


class Attempt(NamedTuple):
    """A row of `authorization.yaml`: a valid request, and what it comes to for each kind of caller."""

    method: str
    path: str
    who: Mapping[str, str]
    body: Any = None
    form: Mapping[str, str] | None = None
    csv: str | None = None
    query: Mapping[str, str] | None = None
    if_match: str | None = None
    about: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """The route, as the row names it."""
        return f"{self.method} {self.path}"


@cache
def attempts() -> tuple[Attempt, ...]:
    """Return the rows of `tests/authorization.yaml`."""
    rows = yaml.safe_load((ROOT / "tests" / "authorization.yaml").read_text())["rows"]
    return tuple(Attempt(*row.pop("route").split(), **row) for row in rows)


class World(NamedTuple):
    """What was built: the callers' clients, the ids of what requests name, and all that was stored then, files included."""

    clients: Mapping[str, Client]
    ids: Mapping[str, str]
    memory: Any
    files: Mapping[str, bytes]

    def as_unknown(self, reply: Reply) -> Reply:
        """Return the answer as it must read when the things it names do not exist."""
        text = reply.text
        for known in self.ids.values():
            text = text.replace(known, _unknown(known))
        return replace(reply, text=text)

    def put_back(self) -> None:
        """Make the table what it was."""
        in_memory().items = copy.deepcopy(self.memory)

    def send(self, attempt: Attempt, caller: str, *, about_nothing: bool = False) -> Reply:
        """Send a row's request as one kind of caller; `about_nothing` puts ids in it that nothing has."""
        return self.prepared(attempt, caller, about_nothing=about_nothing)()

    def prepared(self, attempt: Attempt, caller: str, *, about_nothing: bool = False) -> Callable[..., Reply]:
        """Return a row's request, ready to be sent; its `body` can still be exchanged."""
        about = {**self.ids, **{name: self.ids[thing] for name, thing in (attempt.about or {}).items()}}
        names = {name: _unknown(value) for name, value in about.items()} if about_nothing else about
        client, headers, body = self.clients[caller], {}, None
        if attempt.method == "POST":
            headers["Idempotency-Key"] = f"tried-by-{caller}"
        if attempt.if_match:
            headers["If-Match"] = self._etag(_filled(attempt.if_match, about), client)
        if attempt.body is not None:
            body = _filled(json.dumps(attempt.body), names)
        if attempt.form is not None:
            headers["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(attempt.form)
        if attempt.csv is not None:
            headers["Content-Type"], body = "text/csv", _filled(attempt.csv, names)
        query = {name: _filled(value, names) for name, value in (attempt.query or {}).items()}
        if caller == "guest":
            query["store"] = "acme"
        return partial(client.send, attempt.method, _filled(attempt.path, names), body=body, headers=headers, query=query)

    def _etag(self, path: str, client: Client) -> str:
        # Whoever may not read it tries with the version that the owner knows.
        known = client.get(path).headers.get("etag") or self.clients["owner"].get(path).headers["etag"]
        return str(known)


def _filled(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)


def _unknown(known: str) -> str:
    """Return an id like a known one that nothing has: ids drawn in the same millisecond differ in their last places alone."""
    at = max(len(known) - 6, 0)
    return known[:at] + ("0" if known[at] != "0" else "1") + known[at + 1 :]


def raw_items() -> dict[str, Any]:
    """Return every item of the table as it is stored, index keys and all."""
    return {f"{item.attrs['pk'].value} {item.attrs['sk'].value}": item.to_json() for item in in_memory().all_items()}


def build_world(api: Client) -> World:
    """Build both stores through the API, as their people would."""
    acme = _opened(api, "acme", "Nordlicht Trading", product="Brass lantern")
    rival = _opened(api, "rival", "Zephyr Supplies", product="Secret lamp")
    rival.join(_customer(rival, "Hidden Harbour", "ines@hidden.test"), name="Ines")
    # What a company is called is no secret of the store that it has joined.
    company = _customer(rival, "Open Orchard", "ora@openorchard.test")
    rival.join(company, name="Ora")
    buying = _customer(acme, "Blue Door", "ida@bluedoor.test")
    other = _customer(acme, "Green Gate", "gil@greengate.test")
    gone = _customer(acme, "Red Roof", "rut@redroof.test")
    waiting = _customer(acme, "Grey Gable", "gry@greygable.test", send_invitation=True)
    fresh = _customer(acme, "Plain Porch", "pia@plainporch.test")
    clients = {
        "anonymous": api,
        "guest": api,
        "owner": acme.owner,
        "buyer": acme.join(buying, name="Ida"),
        "other_buyer": acme.join(other, name="Gil"),
        "foreign_owner": rival.owner,
        "revoked": acme.join(gone, name="Rut"),
    }
    revoked = acme.owner.post("/v1/invitations/revoke", {"customer_ids": [gone["id"]]})
    assert revoked.json["revoked"] == 1, revoked.text
    buyer = clients["buyer"]
    rep, other_rep, supervisor = hire(acme, "Rhea"), hire(acme, "Otto"), hire(acme, "Sven", access="all", supervisor=True)
    for customer in (buying, waiting, fresh):
        allocate(acme, customer, rep)
    allocate(acme, other, other_rep)
    buyer_id = buyer.get("/v1/me").json["id"]
    reps = {"rep": rep.client, "other_rep": other_rep.client, "supervisor": supervisor.client}
    clients |= {**reps, "acting": _acting(rep.client, buying["id"], buyer_id)}
    ids = {
        "number": "A-1",
        "customer_id": buying["id"],
        "buyer_id": buyer_id,
        "customer_number": buying["number"],
        "rep_id": rep.id,
        "other_rep_id": other_rep.id,
        "acting_id": clients["acting"].get("/v1/me").json["acting"]["id"],
        "pairing_code": _pairing_code(rep.client),
        "address_id": buying["addresses"][0]["id"],
        "uninvited_id": fresh["id"],
        "group_id": acme.group_id,
        "company_id": rival.owner.get(f"/v1/customers/{company['id']}").json["company_id"],
        "tier_id": acme.tier_id,
        "invitation_id": waiting["invitation"]["id"],
        "session_id": buyer.get("/v1/sessions").json["items"][0]["id"],
        **_employees(acme, buying["id"]),
        "import_id": _customer_import(acme),
        "link": _link(acme, waiting["invitation"]["id"]),
        "template": _template(acme, "welcome"),
        "reset": _reset_token(api, "ida@bluedoor.test"),
        **_spare_entries(acme),
        **_mailed_event(rep.client),
        **_orders(acme, buyer, rep.client),
        **_gatherings(rep.client, buyer),
        **_offers(buying["id"], clients),
        **_rules(acme),
        **_api_keys(acme, buying["id"]),
        **_enrolment(api),
        **_resellers(acme),
        **_bills(acme, buyer),
        "archive_id": archived_for_casting(buyer),
        "supervisor_id": supervisor.id,
        **_exports(rep.client),
    }
    tracked_for_casting(acme, ids["employee_id"], BUILT)
    ids |= payments_for_casting((ids["order_id"], ids["confirmed_id"], ids["started_id"]))
    return World(clients, ids, copy.deepcopy(in_memory().items), imports.files())


def _api_keys(shop: Shop, customer_id: str) -> dict[str, str]:
    """Return the buyer's customer as a reseller that has an API key."""
    reseller_id = reseller_of(shop, customer_id)
    made = shop.owner.post(f"/v1/resellers/{reseller_id}/api-keys", {"name": "Shop", "scopes": []})
    assert made.status == 201, made.text
    return {"keyed_reseller_id": reseller_id, "key_id": made.json["id"], "api_key": made.json["key"]}


def _resellers(shop: Shop) -> dict[str, str]:
    """Return a reseller that awaits a decision, one that is approved, one that is suspended, and the channel of these two."""
    channel = shop.owner.post("/v1/reseller-channels", {"name": "Used"}).json["id"]
    waiting, approved, suspended = (
        enrolled(shop.slug, f"rob@{name}.test", company=company)
        for name, company in (("amberarch", "Amber Arch"), ("brownbarn", "Brown Barn"), ("cleancove", "Clean Cove"))
    )
    for path, body in (
        (f"{approved}/approve", {"channel_id": channel}),
        (f"{suspended}/approve", {"channel_id": channel}),
        (f"{suspended}/suspend", None),
    ):
        reply = shop.owner.post(f"/v1/resellers/{path}", body)
        assert reply.status == 200, reply.text
    ids = {"reseller_id": waiting, "approved_reseller_id": approved, "suspended_reseller_id": suspended}
    return {**ids, "used_channel_id": channel}


def _bills(shop: Shop, buyer: Client) -> dict[str, str]:
    """Return an invoice of the buyer's customer, as if that were a reseller."""
    order_id = buyer.get("/v1/orders").json["items"][0]["id"]
    order, store = (Record.get(*key) for key in (order_key(shop.slug, order_id), store_key(shop.slug)))
    return {"invoice_id": put_invoice(order.load(Order), store.load(Store)).id}


def _exports(rep: Client) -> dict[str, str]:
    """Return an export that a sales rep asked for."""
    asked = rep.post("/v1/exports", {"kind": "orders"})
    assert asked.status == 202, asked.text
    return {"export_id": asked.json["id"]}


def _acting(rep: Client, customer_id: str, employee_id: str) -> Client:
    body = {"customer_id": customer_id, "employee_id": employee_id, "reason": "Asked by telephone", "minutes": 60}
    started = rep.post("/v1/acting-sessions", body)
    assert started.status == 201, started.text
    return rep.as_(started.json["token"])


def _pairing_code(rep: Client) -> str:
    """Return a code that has just been obtained when it is tried."""
    offered = rep.post("/v1/pairing-codes")
    assert offered.status == 201, offered.text
    (pairing,) = records(Pairing.entity)
    pairing.update([Path("data.offered_at").set(stamp(TRIED))])
    return str(offered.json["code"])


def _opened(api: Client, slug: str, name: str, *, product: str) -> Shop:
    shop = open_shop(api, slug, name=name)
    shop.add_product("A-1" if slug == "acme" else "Z-1", name=product)
    etag = shop.owner.get("/v1/store").json["etag"]
    opened = shop.owner.patch("/v1/store", {"guest_access": {"enabled": True, "price_tier_id": shop.tier_id}}, etag=etag)
    assert opened.status == 200, opened.text
    return shop


def _customer(shop: Shop, name: str, email: str, **fields: Any) -> dict[str, Any]:
    return shop.add_customer(name, email, addresses=[{**ADDRESS, "company": name, "name": email}], **fields)


def _spare_entries(shop: Shop) -> dict[str, str]:
    """Return entries of the store's lists that nothing uses, so that they can be deleted."""
    lists = {
        "price_tier_id": ("/v1/price-tiers", {"name": "Spare"}),
        "customer_group_id": ("/v1/customer-groups", {"name": "Spare", "price_tier_id": shop.tier_id}),
        "reseller_channel_id": ("/v1/reseller-channels", {"name": "Spare"}),
    }
    return {name: shop.owner.post(path, body).json["id"] for name, (path, body) in lists.items()}


def _employees(shop: Shop, customer_id: str) -> dict[str, str]:
    """Return an employee of a customer who has not been invited yet."""
    body = {"name": "Uma of Blue Door", "email": "uma@bluedoor.test", "role": "buyer"}
    added = shop.owner.post(f"/v1/customers/{customer_id}/employees", body)
    assert added.status == 201, added.text
    return {"employee_id": added.json["id"]}


def _customer_import(shop: Shop) -> str:
    """Return an import that awaits approval."""
    imports.prepare()
    return imports.uploaded(shop, imports.sheet([("Quiet Quay", "Quin", "quin@quietquay.test")]))


def _mailed_event(rep: Client) -> dict[str, str]:
    """Return an event that a sales rep published, and a circular mail about it."""
    body = {
        "title": "Nordlicht evening",
        "place": "Harbour Street 5",
        "starts_at": "2031-03-01T18:00:00Z",
        "ends_at": "2031-03-01T20:00:00Z",
    }
    event = rep.post("/v1/events", body)
    path = f"/v1/events/{event.json['id']}"
    published = rep.post(f"{path}/publish", headers={"If-Match": event.headers["etag"]})
    assert published.status == 200, published.text
    mailing = rep.post(f"{path}/mailings", {"subject": "About {{ event.title }}", "text": "Bring a coat."})
    assert mailing.status == 202, mailing.text
    return {"mailed_event_id": event.json["id"], "mailing_id": mailing.json["id"]}


def _orders(shop: Shop, buyer: Client, rep: Client) -> dict[str, str]:
    """Return an order of the buyer in every state that a move begins in. Only that of a rep ever waits for approval."""
    options = shop.set_checkout_options()
    body: dict[str, Any] = {
        "lines": [{"product_number": "A-1", "quantity": 2}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][0]["id"],
    }
    orders = {}
    for name, steps in {
        "order_id": [],
        "confirmed_id": ["confirm"],
        "started_id": ["confirm", "start"],
    }.items():
        order = buyer.post("/v1/orders", body)
        assert order.status == 201, order.text
        for step in steps:
            etag = {"If-Match": order.headers["etag"]}
            order = shop.owner.post(f"/v1/orders/{order.json['id']}/{step}", headers=etag)
        orders[name] = order.json["id"]
    placed = buyer.get(f"/v1/orders/{orders['order_id']}").json
    cheap = {**body["lines"][0], "unit_price": {"amount": 1, "currency": "EUR"}, "reason": "Scratched"}
    fast = {**body, "customer_id": placed["customer_id"], "employee_id": placed["employee_id"], "lines": [cheap]}
    waiting = rep.post("/v1/orders", fast)
    assert (waiting.status, waiting.json["status"]) == (201, "awaiting_approval"), waiting.text
    orders["waiting_id"] = waiting.json["id"]
    return {**orders, "shipping_method_id": body["shipping_method_id"], "payment_method_id": body["payment_method_id"]}


def _offers(customer_id: str, clients: Mapping[str, Client]) -> dict[str, str]:
    """Return an offer of the rep in every state that a move begins in. Its customer has looked at what it may see."""
    rep, buyer = clients["rep"], clients["buyer"]
    wanted = {"product_number": "A-1", "quantity": 2}
    cheap = {**wanted, "unit_price": {"amount": 1, "currency": "EUR"}}

    def made(by: Client, line: dict[str, Any], *, send: bool = False) -> str:
        reply = by.post("/v1/offers", {"customer_id": customer_id, "lines": [line]})
        assert reply.status == 201, reply.text
        if send:
            sent = rep.post(f"/v1/offers/{reply.json['id']}/send", headers={"If-Match": reply.headers["etag"]})
            assert sent.status == 200, sent.text
        return str(reply.json["id"])

    offers = {
        "offer_id": made(rep, wanted, send=True),
        "requested_offer_id": made(buyer, wanted),
        "draft_offer_id": made(rep, wanted),
        "waiting_offer_id": made(rep, cheap, send=True),
    }
    for reader in (buyer, clients["acting"]):
        assert reader.get(f"/v1/offers/{offers['offer_id']}").json["status"] == "open"
    assert rep.get(f"/v1/offers/{offers['waiting_offer_id']}").json["status"] == "awaiting_approval"
    # Written so that no other number is taken for it.
    return {**offers, "offer_version": "000001", "offer_link": f"acme.{offers['offer_id']}"}


def _rules(shop: Shop) -> dict[str, str]:
    """Return a rule of the store's."""
    body = {"kind": "invoicing", "scope": "store", "when": {"always": True}, "then": [{"action": "tax", "percent": 7}]}
    made = shop.owner.post("/v1/rules", {**body, "name": "Nordlicht tax"})
    assert made.status == 201, made.text
    # Written so that no other number is taken for it.
    return {"rule_id": made.json["id"], "rule_version": "000001"}


def _enrolment(api: Client) -> dict[str, str]:
    """Return a store that companies enrol with, and the link by which one that did confirms it."""
    shop = open_shop(api, "harbour-of-resellers", name="Skerry Supplies")
    return {"enrolling_store": shop.slug, "enrolment_link": enrol(shop, "Luv Lamps", "lea@luvlamps.test")}


def _gatherings(rep: Client, buyer: Client) -> dict[str, str]:
    """Return a rep's events: a draft, one that is full, with somebody who waits, and one that has begun when it is tried."""
    first = TRIED + timedelta(days=20)
    times = {"starts_at": stamp(first), "ends_at": stamp(first + timedelta(hours=2))}
    about = {"title": "Meet the makers", "place": "Harbour Street 5", **times}
    begun = {**about, "starts_at": stamp(BUILT + timedelta(minutes=5))}
    full = {**about, "participant_limit": 1, "waiting_list": 5}
    drafts = [rep.post("/v1/events", body) for body in (about, full, begun)]
    draft_id, event_id, begun_id = (draft.json["id"] for draft in drafts)
    for draft in drafts[1:]:
        published = rep.post(f"/v1/events/{draft.json['id']}/publish", headers={"If-Match": draft.headers["etag"]})
        assert published.status == 200, published.text
    people = [(event_id, "Una"), (event_id, "Udo"), (begun_id, "Ulf")]
    registered = []
    for event, name in people:
        person = {"name": f"{name} of Blue Door", "email": f"{name.lower()}@bluedoor.test"}
        registered.append(buyer.post(f"/v1/events/{event}/participants", person))
    participant_id, waiting_id, came_id = (reply.json["id"] for reply in registered)
    return {
        "draft_event_id": draft_id,
        "event_id": event_id,
        "begun_event_id": begun_id,
        "participant_id": participant_id,
        "waiting_participant_id": waiting_id,
        "came_id": came_id,
    }


def _link(shop: Shop, invitation_id: str) -> str:
    link: str = shop.owner.get(f"/v1/invitations/{invitation_id}").json["link"]
    return link.rpartition("/i/")[2]


def _template(shop: Shop, name: str) -> str:
    """Give a mail words of the store's own."""
    body = {"subject": "Nordlicht welcomes you", "html": "<p>Hello {{ name }}</p>", "text": "Hello {{ name }}"}
    assert shop.owner.put(f"/v1/email-templates/{name}", body).status == 201
    return name


def _reset_token(api: Client, email: str) -> str:
    person = person_key(email)
    requested = api.post("/v1/password-resets", {"email": email})
    assert requested.status == 202, requested.text
    reset = Reader().get(PASSWORD_RESET.key(person=person), PasswordReset)
    return str(reset_token(person, reset.nonce))
