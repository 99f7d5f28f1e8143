"""GET /v1/products and /v1/products/{number}: the catalogue, at the caller's own prices."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.catalog import Product
from tradepost.domain.customers import Customer
from tradepost.domain.errors import Fault, InvalidError, NotFoundError
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Price, printable
from tradepost.http.activities import Doing, note_look
from tradepost.http.answers import ProductAnswer
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.customers import customer_key, get_customer
from tradepost.table.products import list_products, product_key, search_products
from tradepost.table.shapes import Key

app = make_app()

type Store = Annotated[str | None, Query(max_length=40, description="The slug of the store, for guests without an account.")]


type PricedFor = Annotated[
    str | None, Query(max_length=60, description="The customer whose prices to show, for the owner and sales reps.")
]


class PricedProduct(Answer):
    """A product as customers and guests see it: at the one price that is theirs; null if they cannot buy it."""

    number: str
    name: str
    description: str
    price: Price | None
    weight_grams: int | None
    active: bool
    etag: str


def _customer(ask: Ask) -> list[Key]:
    return [customer_key(ask.store, ask.query["customer_id"])] if "customer_id" in ask.query else []


def _named(ask: Ask) -> list[Key]:
    return [product_key(ask.store, ask.path["number"]), *_customer(ask)]


@app.get("/v1/products", allow=Permission.BROWSE_CATALOG, guests=True, reads=_customer)
def list_catalog(
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="The beginning of a number, or of words of the name.")] = None,
    active: Annotated[bool | None, Query(description="For the owner: only what is on sale, or only what is not.")] = None,
    customer_id: PricedFor = None,
    store: Store = None,  # read with the caller; here for the documentation
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProductAnswer | PricedProduct]:
    """List the products by number, or search them. A page of a search may hold fewer than `limit` before the last one.

    Calls: the caller's batch and one Query; a search needs one batch more for the products that its words lead to.
    """
    if not caller.is_owner:
        if active is False:
            raise InvalidError(Fault("?active", "can be false for the owner only"))
        active = True
    store_id = caller.store.id
    buyer = _buyer(customer_id, caller)
    bound = ("products", store_id, "owner" if caller.is_owner else "customer", q, str(active), customer_id)
    after = read_cursor(cursor, *bound)
    if q is None or not q.strip():
        rows = list_products(store_id, active=active, limit=limit, after=after)
        found, following = [row.load(Product) for row in rows.records], rows.next_position
    else:
        found, following = search_products(caller.reader, store_id, q, limit=limit, after=after)
        # Turning a page is no new search.
        if cursor is None:
            note_look(Doing("searched", buyer.id if buyer else None, comment=printable(q)), caller)
    items = [_shown(product, buyer, caller) for product in found if active in {None, product.active}]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/products/<number>", allow=Permission.BROWSE_CATALOG, guests=True, reads=_named)
def show_product(
    number: str,
    caller: Caller,
    customer_id: PricedFor = None,
    store: Store = None,  # read with the caller; here for the documentation
) -> ProductAnswer | PricedProduct:
    """Show one product. To anybody but the owner, one that is not on sale does not exist."""
    product = caller.reader.get(product_key(caller.store.id, number), Product)
    if not (product.active or caller.is_owner):
        raise NotFoundError("product")
    buyer = _buyer(customer_id, caller)
    note_look(Doing("product_viewed", buyer.id if buyer else None, "product", product.number), caller)
    return _shown(product, buyer, caller)


def _buyer(customer_id: str | None, caller: Caller) -> Customer | None:
    """Return the customer whose prices are shown: the caller's own, or the one that was asked for, which must be in scope."""
    if customer_id is None:
        return caller.customer
    if caller.is_guest:
        raise NotFoundError("customer")
    return get_customer(caller.reader, caller.scope, customer_id)


def _shown(product: Product, buyer: Customer | None, caller: Caller) -> ProductAnswer | PricedProduct:
    """Show a product at the price of one customer, to staff otherwise at all of its prices, to guests at theirs."""
    if buyer is None and (caller.is_owner or caller.is_rep):
        return ProductAnswer.of(product)
    price = product.price_in(_tier_of(buyer, caller))
    # What a customer sees changes with its tier, too: the version alone would let an old price live on in a cache.
    etag = f'"{product.version}-{price.amount if price else "none"}"'
    return PricedProduct.of(product, price=price, etag=etag)


def _tier_of(buyer: Customer | None, caller: Caller) -> str | None:
    if buyer is None:
        return caller.store.guest_access.price_tier_id
    return caller.store.tier_of(buyer)


handler = app.handler
