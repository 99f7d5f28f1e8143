"""A store whose orders, customers and bills are put into the table at once, to be read as an export reads them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tradepost.domain.billing import Invoice, Issued, invoiced, numbered
from tradepost.domain.customers import Address, Customer
from tradepost.domain.exports import FILTERS, Export, ExportKind, Layout
from tradepost.domain.invoicing import invoice_lines
from tradepost.domain.orders import Order, OrderLine, Total
from tradepost.domain.people import SYSTEM, Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.stores import CustomerGroup, PriceTier, ResellerChannel, Store, StoreList
from tradepost.domain.values import Price
from tradepost.exports.port import Cell, Source
from tradepost.table import orders
from tradepost.table.customers import save_customer
from tradepost.table.invoices import save_invoice
from tradepost.table.people import save_member
from tradepost.table.records import Record
from tradepost.table.shapes import WORD, store_owner
from tradepost.table.stores import list_key
from tradepost.table.transaction import Transaction

OPENED: Final = datetime(2026, 1, 1, tzinfo=UTC)
ASKED: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
FIRST: Final = datetime(2026, 11, 1, 9, tzinfo=UTC)
STORE: Final = Store(
    slug="acme",
    name="Acme",
    currency="EUR",
    time_zone="Europe/Berlin",
    opened_at=OPENED,
    group_tiers={"trade": "gold"},
    channel_tiers={"north": "silver"},
)
HARBOUR: Final = Address(
    id="a1",
    company="Blue Door Ltd",
    name="Ida Holm",
    street="Harbour Street 5",
    postal_code="20457",
    city="Hamburg",
    country="DE",
    default_billing=True,
)
MARKET: Final = Address(id="a2", street="Market 1", postal_code="10115", city="Berlin", country="DE", default_shipping=True)
REP: Final = Party(type="member", id="acme.rhea", name="Rhea")


def transaction() -> Transaction:
    """Begin to write to the store."""
    return Transaction(store_owner(STORE.id), SYSTEM, SYSTEM, ASKED)


def put_member(member_id: str, name: str, role: Role = Role.REP, **fields: Any) -> Member:
    """Put somebody into the store."""
    who = {"id": member_id, "store_id": STORE.id, "person": member_id, "role": role, "name": name, "email": "someone@acme.test"}
    tx = transaction()
    member = save_member(tx, Member(**{**who, "joined_at": OPENED, **fields}))
    tx.commit()
    return member


def put_entries(*entries: StoreList) -> None:
    """Put groups, price tiers and channels into the store."""
    with Record.batch_write() as batch:
        for entry in entries:
            batch.save(Record.of(list_key(type(entry), STORE.id, entry.id), entry))


def put_lists() -> None:
    """Put one group, two price tiers and one channel into the store."""
    put_entries(
        CustomerGroup(id="trade", name="Trade", price_tier_id="gold", created_at=OPENED),
        PriceTier(id="gold", name="Gold", created_at=OPENED),
        PriceTier(id="silver", name="Silver", created_at=OPENED),
        ResellerChannel(id="north", name="North", price_tier_id="silver", created_at=OPENED),
    )


def put_customer(customer_id: str, name: str, **fields: Any) -> Customer:
    """Put a customer into the store, in all its lists."""
    own = {"id": customer_id, "store_id": STORE.id, "number": f"C-{customer_id}", "name": name, "group_id": None}
    customer = Customer(**{**own, "addresses": (HARBOUR, MARKET), "created_at": FIRST, **fields})
    tx = transaction()
    saved = save_customer(tx, customer)
    tx.commit()
    return saved


def money(amount: int, currency: str = "EUR") -> Price:
    """Return an amount in minor units."""
    return Price(amount=amount, currency=currency)


def order_of(
    customer: Customer,
    number: int,
    at: datetime,
    *lines: tuple[str, int, int],
    currency: str = "EUR",
    shipping: int = 590,
    **fields: Any,
) -> Order:
    """Return an order of some products, each with its quantity and its price in minor units: by default two of A-1."""
    sold = tuple(
        OrderLine(
            product_number=product,
            name=f"Product {product}",
            quantity=quantity,
            list_price=money(price, currency),
            unit_price=money(price, currency),
            total=Total(amount=price * quantity, currency=currency),
        )
        for product, quantity, price in lines or (("A-1", 2, 1250),)
    )
    subtotal = sum(line.total.amount for line in sold)
    buyer = Party(type="member", id=f"acme.buyer.{customer.id}", name="Ida")
    placed = {
        "id": f"{customer.id}.{number:04}",
        "store_id": STORE.id,
        "number": f"O-{number:04}",
        "status": "received",
        "source": "portal",
        "customer_id": customer.id,
        "customer_number": customer.number,
        "customer_name": customer.name,
        "employee_id": buyer.id,
        "actor": buyer,
        "subject": buyer,
        "price_tier_id": None,
        "billing_address": HARBOUR.model_dump(exclude={"id", "label", "default_billing", "default_shipping"}),
        "shipping_address": MARKET.model_dump(exclude={"id", "label", "default_billing", "default_shipping"}),
        "lines": sold,
        "subtotal": Total(amount=subtotal, currency=currency),
        "list_shipping_cost": money(shipping, currency),
        "shipping_cost": money(shipping, currency),
        "tax": money(0, currency),
        "total": Total(amount=subtotal + shipping, currency=currency),
        "shipping_method_id": "s1",
        "shipping_method_name": "Parcel",
        "payment_method_id": "p1",
        "payment_method_name": "Invoice, 30 days",
        "payment_kind": "net_terms",
        "placed_at": at,
    }
    return Order(**{**placed, **fields})


def put_orders(placed: Iterable[Order]) -> None:
    """Put orders into the lists of the store and of their customers, and under their words."""
    with Record.batch_write() as batch:
        for order in placed:
            record = orders._record(order)
            batch.save(record)
            for word in orders._words(order):
                key = WORD.key(store=STORE.id, collection=orders.COLLECTION, word=word, id=order.id)
                batch.save(Record(*key, entity=WORD.entity, words=record.words))


def put_bill(order: Order, count: int, at: datetime, **fields: Any) -> Invoice:
    """Put the invoice of an order into the store, or what the fields make of it."""
    computed = invoice_lines(order, [], credit_balance=0, weight=0)
    issued = Issued(numbered("INV", count), at)
    bill = invoiced(order, computed, "placed", issued, store=STORE, reseller_id="r1", due_on=None)
    tx = transaction()
    saved = save_invoice(tx, bill.model_copy(update=fields))
    tx.commit()
    return saved


def export_of(kind: ExportKind, filters: dict[str, Any] | None = None, *, per_line: bool = False, **fields: Any) -> Export:
    """Return an export as it was asked for, of November by default."""
    asked = {
        "id": "e1",
        "store_id": STORE.id,
        "kind": kind,
        "filters": FILTERS[kind](**(filters or {})),
        "begin": datetime(2026, 10, 31, 23, tzinfo=UTC),
        "end": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "time_zone": "Europe/Berlin",
        "layout": Layout(lines_per="line" if per_line else "order"),
        "file_name": "acme.csv",
        "fingerprint": "f",
        "requested_by": REP,
        "member_id": "acme.rhea",
        "requested_at": ASKED,
    }
    return Export(**{**asked, **fields})


def rows_of(source: Source, position: str | None = None) -> list[Sequence[Cell]]:
    """Read a source to its end."""
    return [row for stretch in source.read(position) for row in stretch.rows]


def column(source: Source, name: str) -> list[Cell]:
    """Read one column of a source."""
    index = list(source.columns).index(name)
    return [row[index] for row in rows_of(source)]


def why_empty(source: Source) -> str | None:
    """Return the filter that left nothing: the first one that nothing got past, or one by which nothing was read at all."""
    assert rows_of(source) == []
    reached = {name: sum(stretch.reached[name] for stretch in source.read(None)) for name in source.filters}
    if not any(reached.values()):
        return source.left_nothing()
    return next(name for name, count in reached.items() if not count)


def must_read_alike_in_pieces(source: Source) -> None:
    """Demand that whoever goes on from any position reads what is left, and that everything read so far is told right."""
    everything, shares = rows_of(source), [0.0]
    read: list[Sequence[Cell]] = []
    for stretch in source.read(None):
        read += stretch.rows
        shares.append(stretch.share)
        assert read + rows_of(source, stretch.position) == everything
        assert list(stretch.reached) == list(source.filters)
        counts = list(stretch.reached.values())
        assert counts == sorted(counts, reverse=True)
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def minutes(count: int) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=count)
