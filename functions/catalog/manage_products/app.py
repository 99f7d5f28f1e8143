"""PUT and DELETE /v1/products/{number}, POST /v1/product-imports: the owner keeps the catalogue."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.catalog import Product, ProductFields, ProductNumber, described, number_key
from tradepost.domain.csv_reading import Refusal
from tradepost.domain.errors import InvalidError
from tradepost.domain.permissions import Permission
from tradepost.domain.product_import import Planned, Status, legend, plan, read_header, read_lines
from tradepost.domain.stores import PriceTier
from tradepost.http.answers import ProductAnswer
from tradepost.http.app import CSV, JSON, Answer, Ask, Caller, make_app
from tradepost.table.products import count_priced, product_key, remove_product, save_product, write_products
from tradepost.table.shapes import Key
from tradepost.table.stores import find_named, name_key

app = make_app()


class ImportedRow(Answer):
    """What became of a row; `field` is the column at fault. The header is row 1, as spreadsheets count."""

    row: int
    number: str
    status: Status
    reason: str | None = None
    message: str | None = None
    field: str | None = None


class ProductImport(Answer):
    """What became of each row, and how many rows of each kind there are."""

    results: list[ImportedRow]
    created: int
    updated: int
    unchanged: int
    failed: int
    dry_run: bool


def _named(ask: Ask) -> list[Key]:
    return [product_key(ask.store, ask.path["number"])]


def _named_tiers(ask: Ask) -> list[Key]:
    try:
        return [name_key(PriceTier, ask.store, name) for name in read_header(ask.body).tier_names]
    except InvalidError:
        return []


@app.put(
    "/v1/products/<number>",
    allow=Permission.MANAGE_PRODUCTS,
    reads=_named,
    responses={200: {"description": "The product was replaced."}, 201: {"description": "The product was created."}},
)
def put_product(number: ProductNumber, fields: ProductFields, caller: Caller) -> Response[ProductAnswer]:
    """Create a product (201), or replace one (200, with `If-Match`). Letter case makes no other number."""
    before = caller.replaces(caller.reader.find(product_key(caller.store.id, number), Product))
    for tier_id, price in fields.prices.items():
        caller.store.must_trade_in(price.currency, f"/prices/{tier_id}/currency")
    product = described(number, fields, before, at=caller.at)
    tx = caller.transaction()
    saved = save_product(tx, caller.store.id, product, before=before)
    count_priced(tx, caller.store.id, [(before, product)])
    tx.audit("product:replaced" if before else "product:created", number_key(product.number))
    tx.commit()
    return Response(200 if before else 201, JSON, ProductAnswer.of(saved))


@app.delete("/v1/products/<number>", allow=Permission.MANAGE_PRODUCTS, reads=_named)
def delete_product(number: str, caller: Caller) -> None:
    """Take a product out of the catalogue for good; orders keep what they were placed with."""
    product = caller.match(caller.reader.get(product_key(caller.store.id, number), Product))
    tx = caller.transaction()
    remove_product(tx, caller.store.id, product)
    count_priced(tx, caller.store.id, [(product, None)])
    tx.audit("product:deleted", number_key(product.number), name=product.name)
    tx.commit()


@app.post(
    "/v1/product-imports",
    allow=Permission.MANAGE_PRODUCTS,
    reads=_named_tiers,
    accepts=CSV,
    openapi_extensions={"requestBody": {"required": True, "content": {CSV: {"schema": {"type": "string"}}}}},
)
def import_products(
    caller: Caller,
    dry_run: Annotated[bool, Query(description="Only say what would become of each row.")] = False,  # noqa: FBT002  # a query parameter
) -> ProductImport:
    """Create and change up to 500 products from CSV. A row that cannot be carried out fails alone.

    Columns: `number, name, description, weight_grams, active` and `price:<name of a price tier>`; only `number` must be
    there. A column that is missing leaves things as they are, an empty cell empties them. Once more is no change.
    """
    store, body = caller.store, caller.facts.body
    header = read_header(body)
    means = legend(header, find_named(caller.reader, PriceTier, store.id, header.tier_names), store.currency)
    lines = read_lines(body, header)
    caller.reader.fetch(product_key(store.id, line.number) for line in lines if not line.refusal)
    rows = []
    for line in lines:
        before = None if line.refusal else caller.reader.find(product_key(store.id, line.number), Product)
        rows.append(plan(line, before, means, at=caller.at))
    if dry_run:
        return _imported(rows, dry_run=True)
    rows = _carry_out(rows, caller)
    answer = _imported(rows, dry_run=False)
    tx = caller.transaction()
    tx.audit("products:imported", store.id, created=answer.created, updated=answer.updated, failed=answer.failed)
    return tx.commit_answering(answer)


def _carry_out(rows: list[Planned], caller: Caller) -> list[Planned]:
    changing = [index for index, row in enumerate(rows) if row.status in {"created", "updated"}]
    rewrites = [(rows[index].before, rows[index].after) for index in changing]
    outcome = write_products(caller.transaction, caller.store.id, rewrites, source="import")
    failures = {
        index: Refusal(error.code, error.detail) for index, error in zip(changing, outcome, strict=True) if error is not None
    }
    return [row._replace(refusal=failures.get(index, row.refusal)) for index, row in enumerate(rows)]


def _imported(rows: list[Planned], *, dry_run: bool) -> ProductImport:
    results = [
        ImportedRow(
            row=row.line.row,
            number=row.line.number,
            status=row.status,
            **(row.refusal._asdict() if row.refusal else {}),
        )
        for row in rows
    ]
    statuses = [row.status for row in rows]
    return ProductImport(
        results=results,
        created=statuses.count("created"),
        updated=statuses.count("updated"),
        unchanged=statuses.count("unchanged"),
        failed=statuses.count("failed"),
        dry_run=dry_run,
    )


handler = app.handler
