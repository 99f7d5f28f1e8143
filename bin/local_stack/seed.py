"""A demo store to look around in, made through the public API like any other."""

import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import httpx

SLUG = "nordlicht"
OWNER = "owner@nordlicht.example"
BUYER = "buyer@cafe-lumen.example"
REP = "rep@nordlicht.example"
SUPERVISOR = "supervisor@nordlicht.example"
RESELLER = "reseller@harbour-lights.example"
PASSWORD = "forty lamps by the sea"  # noqa: S105  # of a demo that runs on the reader's own machine
CHAIN_EVERY = 4
MAILED_WITHIN_SECONDS = 60
ALLOCATED = 4

RANGES = {
    "LMP": ("Lamp", ["Fjord", "Polar", "Skagen", "Aurora", "Lofoten", "Bryggen", "Tromsø", "Svalbard"], 3900),
    "CND": ("Candle", ["Birch", "Cedar", "Heather", "Amber", "Moss", "Salt", "Smoke", "Frost"], 650),
    "TEX": ("Blanket", ["Dune", "Shore", "Harbour", "Cliff", "Gull", "Tide", "Reed", "Pebble"], 5200),
    "CER": ("Bowl", ["Ash", "Clay", "Chalk", "Slate", "Ink", "Sand", "Fog", "Rust"], 1450),
    "GLS": ("Vase", ["Drop", "Stem", "Bell", "Wave", "Bud", "Column", "Ring", "Cone"], 2700),
}
CUSTOMERS = [
    ("Café Lumen", BUYER, "Lange Straße 4", "20457", "Hamburg", "DE"),
    ("Haus & Hof", "einkauf@haus-und-hof.example", "Marktplatz 1", "24103", "Kiel", "DE"),
    ("Nordic Corner", "orders@nordic-corner.example", "12 Quay Street", "EH6 6EA", "Edinburgh", "GB"),
    ("Maison Claire", "achats@maison-claire.example", "8 rue des Lilas", "75010", "Paris", "FR"),
    ("Bottega Luce", "ordini@bottega-luce.example", "Via Roma 22", "20121", "Milano", "IT"),
    ("De Lichtwinkel", "inkoop@lichtwinkel.example", "Prinsengracht 88", "1015 DX", "Amsterdam", "NL"),
    ("Lys og Hygge", "indkob@lysoghygge.example", "Nyhavn 3", "1051", "København", "DK"),
    ("Valoisa Koti", "ostot@valoisakoti.example", "Aleksanterinkatu 5", "00100", "Helsinki", "FI"),
    ("Ljusgården", "inkop@ljusgarden.example", "Storgatan 19", "211 34", "Malmö", "SE"),
    ("Świat Lamp", "zakupy@swiatlamp.example", "ul. Długa 7", "80-827", "Gdańsk", "PL"),
    ("Casa Faro", "compras@casafaro.example", "Calle Mayor 31", "28013", "Madrid", "ES"),
    ("Wohnen am Ring", "kontakt@wohnen-am-ring.example", "Ringstraße 15", "1010", "Wien", "AT"),
]


@dataclass(frozen=True)
class LogIn:
    """Who may log in to the demo store."""

    role: str
    email: str
    password: str


LOG_INS = [
    LogIn(role, email, PASSWORD)
    for role, email in (("owner", OWNER), ("rep", REP), ("rep", SUPERVISOR), ("buyer", BUYER), ("buyer", RESELLER))
]


def seed(base_url: str) -> list[LogIn]:
    """Fill an empty stack through its API at `base_url`, and tell who can log in. Done again, it changes nothing."""
    with httpx.Client(base_url=base_url, timeout=60) as http:
        owner = _Seeder(http)
        groups = _open_store(owner)
        _add_products(owner)
        customers = _add_customers(owner, groups)
        _invite_and_join(owner, customers)
        _hire_sales_reps(owner, customers)
        _take_a_reseller_on(owner)
        _look_around(http)
    return LOG_INS


class _Seeder:
    """Sends requests whose Idempotency-Keys say what they make, so that a seeding cut short can be repeated."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.token = ""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request; raises for an answer that is an error."""
        sent = dict(headers)
        if method == "POST":
            sent["Idempotency-Key"] = str(uuid5(NAMESPACE_URL, f"demo {path} {body}"))
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        answer = self.http.request(method, path, json=body, headers=sent)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def _open_store(owner: _Seeder) -> dict[str, str]:
    """Open the store with its tiers, groups, checkout options and brand; returns the groups' ids by name."""
    opened = owner.send(
        "POST",
        "/v1/stores",
        {
            "name": "Nordlicht Handel",
            "slug": SLUG,
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "owner": {"name": "Frida Lindqvist", "email": OWNER, "password": PASSWORD},
        },
    )
    owner.token = opened["session"]["token"]
    names = ("Wholesale", "Key accounts", "Guests")
    tiers = {name: owner.send("POST", "/v1/price-tiers", {"name": name})["id"] for name in names}
    groups = {
        name: owner.send("POST", "/v1/customer-groups", {"name": name, "price_tier_id": tiers[tier]})["id"]
        for name, tier in (("Retailers", "Wholesale"), ("Chains", "Key accounts"))
    }
    options = owner.send("GET", "/v1/checkout-options")
    if not options["shipping_methods"]:
        chosen = {
            "shipping_methods": [{"name": "Parcel", "cost": _euros(690)}, {"name": "Freight", "cost": _euros(4900)}],
            "payment_methods": [{"name": "Card", "kind": "instant"}, {"name": "Invoice, 30 days", "kind": "net_terms"}],
        }
        owner.send("PUT", "/v1/checkout-options", chosen, **{"If-Match": options["etag"]})
    store = owner.send("GET", "/v1/store")
    if store["branding"]["reply_to"] is None:
        change = {
            "branding": {"display_name": "Nordlicht", "colour": "#24506b", "reply_to": OWNER},
            "guest_access": {"enabled": True, "price_tier_id": tiers["Guests"]},
            "track_activity": True,
        }
        owner.send("PATCH", "/v1/store", change, **{"If-Match": store["etag"]})
    return groups


def _add_products(owner: _Seeder) -> None:
    """Add 40 products, each with a price in every tier, as one import."""
    lines = ["number,name,description,weight_grams,active,price:Wholesale,price:Key accounts,price:Guests"]
    for prefix, (kind, names, base) in RANGES.items():
        for index, name in enumerate(names, start=1):
            cents = base + index * 50
            prices = ",".join(f"{amount // 100}.{amount % 100:02}" for amount in (cents, cents * 9 // 10, cents * 2))
            lines.append(f"{prefix}-{index:03},{kind} {name},,{200 + index * 25},true,{prices}")
    answer = owner.http.post(
        "/v1/product-imports",
        content="\n".join(lines).encode(),
        headers={
            "Authorization": f"Bearer {owner.token}",
            "Content-Type": "text/csv",
            "Idempotency-Key": str(uuid5(NAMESPACE_URL, "demo products")),
        },
    )
    answer.raise_for_status()
    if answer.json()["failed"]:
        raise RuntimeError(f"demo products were refused: {answer.text}")


def _add_customers(owner: _Seeder, groups: dict[str, str]) -> list[dict[str, Any]]:
    """Add twelve customers with an address each."""
    return [
        owner.send(
            "POST",
            "/v1/customers",
            {
                "name": name,
                "email": email,
                "group_id": groups["Retailers" if index % CHAIN_EVERY else "Chains"],
                "addresses": [{"company": name, "street": street, "postal_code": code, "city": city, "country": country}],
            },
        )
        for index, (name, email, street, code, city, country) in enumerate(CUSTOMERS, start=1)
    ]


def _invite_and_join(owner: _Seeder, customers: list[dict[str, Any]]) -> None:
    """Invite the first three; the first one accepts, so that there is a buyer to log in as."""
    ids = [customer["id"] for customer in customers[:3]]
    sent = owner.send("POST", "/v1/invitations", {"customer_ids": ids, "delivery": "email"})
    first = next(row for row in sent["results"] if row["customer_id"] == ids[0])
    _join(owner, first["invitation_id"], "Jonas Weber")


def _hire_sales_reps(owner: _Seeder, customers: list[dict[str, Any]]) -> None:
    """Let one sales rep join who looks after the first few customers, and a supervisor who sees all of them."""
    rep = {"name": "Mats Holm", "email": REP, "access": "allocated", "override_limits": {"percent": 10}}
    supervisor = {"name": "Astrid Berg", "email": SUPERVISOR, "access": "all", "supervisor": True}
    hired = [owner.send("POST", "/v1/sales-reps", body) for body in (rep, supervisor)]
    for each in hired:
        _join(owner, each["invitation"]["id"], each["name"])
    for customer in customers[:ALLOCATED]:
        path = f"/v1/customers/{customer['id']}/account-manager"
        if owner.send("GET", path)["account_manager"] is None:
            owner.send("PUT", path, {"sales_rep_id": hired[0]["id"]})


def _take_a_reseller_on(owner: _Seeder) -> None:
    """Let a company enrol as a reseller and approve it, with a rule that charges it a fee for each item."""
    tier = owner.send("GET", "/v1/price-tiers")["items"][0]["id"]
    owner.send("POST", "/v1/reseller-channels", {"name": "Dropship", "price_tier_id": tier})
    fee = {"action": "dropship_fee", "amount": _euros(150), "per": "item"}
    rule = {"kind": "invoicing", "scope": "store", "name": "Dropshipping", "priority": 10}
    owner.send("POST", "/v1/rules", {**rule, "when": {"always": True}, "then": [fee]})
    stranger = _Seeder(owner.http)
    contact = {"name": "Nils Berg", "email": RESELLER, "password": PASSWORD}
    address = {"street": "Quay 7", "postal_code": "24103", "city": "Kiel", "country": "DE"}
    stranger.send("POST", f"/v1/stores/{SLUG}/resellers", {"company": "Harbour Lights", "contact": contact, "address": address})
    if owner.send("GET", "/v1/resellers?status=unconfirmed")["items"]:
        owner.http.post(_mailed_link(owner.http, RESELLER), data={}).raise_for_status()
    for reseller in owner.send("GET", "/v1/resellers?status=pending")["items"]:
        owner.send("POST", f"/v1/resellers/{reseller['id']}/approve", {"reason": "Welcome!"})


def _look_around(http: httpx.Client) -> None:
    """Let the buyer allow the store to keep its activity, look at lamps and order some, unless it has."""
    buyer = _Seeder(http)
    log_in = {"email": BUYER, "password": PASSWORD, "store": SLUG}
    signed_in = http.post("/v1/sessions", json=log_in, headers={"Idempotency-Key": str(uuid4())})
    signed_in.raise_for_status()
    buyer.token = signed_in.json()["token"]
    me = buyer.send("GET", "/v1/me")
    if me["activity_consent"]:
        return
    buyer.send("PUT", "/v1/me/activity-consent", {"allowed": True}, **{"If-Match": me["etag"]})
    for path in ("/v1/products?q=lamp", "/v1/products/LMP-001", "/v1/products/LMP-002"):
        buyer.send("GET", path)
    options = buyer.send("GET", "/v1/checkout-options")
    order = {
        "lines": [{"product_number": "LMP-001", "quantity": 6}, {"product_number": "LMP-002", "quantity": 2}],
        "shipping_method_id": options["shipping_methods"][0]["id"],
        "payment_method_id": options["payment_methods"][1]["id"],
    }
    buyer.send("POST", "/v1/orders", order)


def _mailed_link(http: httpx.Client, email: str) -> str:
    """Wait for the mail that confirms an enrolment; returns the path of its link."""
    give_up = time.monotonic() + MAILED_WITHIN_SECONDS
    while time.monotonic() < give_up:
        mails = http.get("/_mail/messages", params={"to": email}).json()["items"]
        links = [link for mail in mails for link in re.findall(r"/e/[^\s\"<>]+", mail["text"])]
        if links:
            return str(links[0])
        time.sleep(0.2)
    raise RuntimeError(f"no link was mailed to {email}")


def _join(owner: _Seeder, invitation_id: str, name: str) -> None:
    """Accept an invitation, unless that has been done."""
    invitation = owner.send("GET", f"/v1/invitations/{invitation_id}")
    if invitation["state"] == "pending":
        token = invitation["link"].rpartition("/i/")[2]
        # The invited person accepts, and not the owner who is signed in.
        invited = _Seeder(owner.http)
        invited.send("POST", f"/v1/invitation-links/{token}/acceptance", {"name": name, "password": PASSWORD})


def _euros(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "EUR"}
