"""A store that sells, and its buyers: what the tests of orders begin with."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.client import Client
from tests.support.functions import ROOT, Context, Reply, load_function
from tests.support.reps import Rep, allocate, hire
from tests.support.world import PASSWORD, Shop, euros, open_shop
from tradepost.domain.catalog import Product
from tradepost.domain.clock import now
from tradepost.domain.values import Price
from tradepost.table.products import product_key
from tradepost.table.records import Record


@dataclass(frozen=True)
class Market:
    """A store with two products, a buyer, and a buyer of another customer."""

    shop: Shop
    customer: dict[str, Any]
    buyer: Client
    other_customer: dict[str, Any]
    other_buyer: Client
    options: dict[str, Any]

    @property
    def owner(self) -> Client:
        """The store's owner."""
        return self.shop.owner

    def body(self, *lines: tuple[str, Any], **fields: Any) -> dict[str, Any]:
        """Return an order as it is sent: by default two of A-1, three of B-2."""
        wanted = lines or (("A-1", 2), ("B-2", 3))
        return {
            "lines": [{"product_number": number, "quantity": quantity} for number, quantity in wanted],
            "shipping_method_id": self.options["shipping_methods"][0]["id"],
            "payment_method_id": self.options["payment_methods"][0]["id"],
            **fields,
        }

    def place(self, *lines: tuple[str, Any], buyer: Client | None = None, **fields: Any) -> dict[str, Any]:
        """Place an order and return it."""
        reply = (buyer or self.buyer).post("/v1/orders", self.body(*lines, **fields))
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def move(self, order: dict[str, Any], *steps: str) -> dict[str, Any]:
        """Let the owner move an order on, and return it."""
        for step in steps:
            order = self.step(order, step).json
        return order

    def step(self, order: dict[str, Any], step: str, *, by: Client | None = None, body: Any = None) -> Reply:
        """Make one move with the order's etag."""
        headers = {"If-Match": order["etag"]}
        return (by or self.owner).post(f"/v1/orders/{order['id']}/{step}", body, headers=headers)

    def login(self, *, owner: bool = False) -> Client:
        """Log in anew, for tests in which sessions run out."""
        email = "ola@acme.test" if owner else self.customer["email"]
        reply = self.owner.as_(None).post("/v1/sessions", {"email": email, "password": PASSWORD, "store": self.shop.slug})
        assert reply.status == 201, reply.text
        return self.owner.as_(reply.json["token"])

    def reprice(self, number: str, amount: int) -> None:
        """Rename a product and change its price."""
        etag = self.owner.get(f"/v1/products/{number}").json["etag"]
        body = {"name": "Renamed", "prices": {self.shop.tier_id: {"amount": amount, "currency": "EUR"}}}
        reply = self.owner.put(f"/v1/products/{number}", body, etag=etag)
        assert reply.status == 200, reply.text

    def rival(self) -> Client:
        """Return the owner of another store."""
        return open_shop(self.owner.as_(None), "rival").owner


@dataclass(frozen=True)
class Team:
    """A market with its sales reps: whom each customer is allocated to, one for all of them, and a supervisor."""

    market: Market
    employee_id: str
    rep: Rep
    outsider: Rep
    everywhere: Rep
    supervisor: Rep

    def body(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Return an order for the buyer as a rep sends it: by default two of A-1 at the listed price."""
        about = {"customer_id": self.market.customer["id"], "employee_id": self.employee_id}
        return self.market.body(**{"lines": list(lines) or [line("A-1", 2)], **about, **fields})

    def place(self, *lines: dict[str, Any], by: Rep | None = None, **fields: Any) -> dict[str, Any]:
        """Let a rep place an order, and return it."""
        reply = (by or self.rep).client.post("/v1/orders", self.body(*lines, **fields))
        assert reply.status == 201, reply.text
        return dict(reply.json)

    def limit(self, percent: int, floor: int | None = None) -> None:
        """Limit how far below the list reps may go."""
        self.set_store(override_limits={"percent": percent, "floor": None if floor is None else euros(floor)})

    def set_store(self, **settings: Any) -> None:
        """Change settings of the store."""
        owner = self.market.owner
        reply = owner.patch("/v1/store", settings, etag=owner.get("/v1/store").json["etag"])
        assert reply.status == 200, reply.text

    def set_customer(self, customer_id: str | None = None, **fields: Any) -> None:
        """Change a customer, by default the buyer's."""
        path, owner = f"/v1/customers/{customer_id or self.market.customer['id']}", self.market.owner
        reply = owner.patch(path, fields, etag=owner.get(path).json["etag"])
        assert reply.status == 200, reply.text

    def assign(self, rep: Rep | None) -> None:
        """Make a rep the account manager of the buyer's customer, or nobody."""
        path, owner = f"/v1/customers/{self.market.customer['id']}", self.market.owner
        picked = {"sales_rep_id": rep.id if rep else None}
        reply = owner.put(f"{path}/account-manager", picked, etag=owner.get(path).json["etag"])
        assert reply.status == 200, reply.text


def line(number: str, quantity: int = 1, price: int | None = None, reason: str | None = "Scratched") -> dict[str, Any]:
    """Return a line as it is sent, at a price of one's own if there is one."""
    given = {} if price is None else {"unit_price": euros(price), **({"reason": reason} if reason else {})}
    return {"product_number": number, "quantity": quantity, **given}


def open_team(market: Market) -> Team:
    """Hire sales reps for a market."""
    rep, outsider = hire(market.shop, "Rhea"), hire(market.shop, "Otto")
    everywhere = hire(market.shop, "Alma", access="all")
    supervisor = hire(market.shop, "Sven", supervisor=True)
    allocate(market.shop, market.customer, rep)
    allocate(market.shop, market.other_customer, outsider)
    employee_id = market.buyer.get("/v1/me").json["id"]
    return Team(market, employee_id, rep, outsider, everywhere, supervisor)


def open_market(shop: Shop) -> Market:
    """Fill a store: A-1 at 12.50, B-2 at 0.99, two customers that have joined."""
    shop.add_product("A-1", 1250)
    shop.add_product("B-2", 99)
    options = shop.set_checkout_options()
    customer = shop.add_customer()
    other = shop.add_customer("Green Gate", "buyer@greengate.test")
    buyer, other_buyer = shop.join(customer), shop.join(other, name="Gil Gate")
    customer, other = (shop.owner.get(f"/v1/customers/{each['id']}").json for each in (customer, other))
    return Market(shop, customer, buyer, other, other_buyer, options)


def stock(store_id: str, tier_id: str, count: int) -> list[str]:
    """Put many products into the catalogue at once, P-0 first; returns their numbers."""
    products = [
        Product(
            number=f"P-{index}",
            name=f"Product {index}",
            prices={tier_id: Price(amount=100 + index, currency="EUR")},
            created_at=now(),
            updated_at=now(),
        )
        for index in range(count)
    ]
    with Record.batch_write() as batch:
        for product in products:
            batch.save(Record.of(product_key(store_id, product.number), product))
    return [product.number for product in products]


def send_event(name: str, **replacements: str | None) -> Reply:
    """Hand `events/<name>.json` to its function, with the words in capitals replaced: `TOKEN="tp_session_…"`."""
    text = (ROOT / "events" / f"{name}.json").read_text()
    for word, value in replacements.items():
        text = text.replace(word, value or "")
    answer = load_function(name.partition(".")[0]).handler(json.loads(text), Context())
    headers = {key.lower(): ", ".join(values) for key, values in answer["multiValueHeaders"].items()}
    return Reply(answer["statusCode"], headers, answer["body"] or "")
