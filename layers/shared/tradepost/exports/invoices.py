"""Bills to be exported: invoices and credit notes, oldest first, one row for each.

| columns | |
|---|---|
| `invoice_number, kind, issued_at, due_on, order_number, customer_number, company` | which bill it is, and by when it is to be paid |
| `currency, subtotal, credit_used, total` | the amounts, negative ones on a credit note: the column of `total` adds up to what is owed |
| `event, credits_number` | what it was made for, and the invoice that a credit note takes back |
| `payment_method` | by name |
| `billing_…` | company, name, street, postal_code, city, region, country of the address that it is billed to |
| `invoice_id` | an id, for programs |

Everything is as it was when the bill was issued: a bill never changes.
"""  # noqa: E501  # a table

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tradepost.domain.billing import Invoice
from tradepost.domain.clock import local_time
from tradepost.domain.display import in_units
from tradepost.domain.exports import Export, InvoiceFilters
from tradepost.domain.ids import customer_of
from tradepost.domain.invoicing import InvoiceLineKind
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.exports.cells import address_cells, address_columns
from tradepost.exports.port import Cell, Stretch
from tradepost.exports.sieve import Sieve
from tradepost.exports.timeline import Timeline
from tradepost.exports.wording import WITHIN, customer_in_words, period_in_words
from tradepost.table.invoices import invoices_by_time

# Together with the subtotal they come to the total.
_SUMS: Final[Sequence[tuple[str, InvoiceLineKind]]] = (
    ("discounts", "discount"),
    ("shipping", "shipping"),
    ("fees", "fee"),
    ("other", "other"),
    ("tax", "tax"),
)
COLUMNS: Final = (
    *("invoice_number", "kind", "issued_at", "due_on", "order_number", "customer_number", "company"),
    *("currency", "subtotal", *(name for name, _ in _SUMS), "total", "credit_used"),
    *("event", "credits_number", "payment_method"),
    *address_columns("billing"),
    "invoice_id",
)


class InvoiceSource:
    """The bills of a store, or of one's own company, that were issued within a time, by the filters of their list."""

    columns: Sequence[str] = COLUMNS

    def __init__(self, export: Export, store: Store, scope: Scope) -> None:
        """Read what an export asks for, in the scope of whoever asked.

        Raises `TypeError` for an export of something else, `ValueError` for a scope that has no bills: those are for owners and
        for customers themselves.
        """
        if not isinstance(export.filters, InvoiceFilters):
            raise TypeError(export.kind)
        if scope.reach not in {"store", "own"}:
            raise ValueError("bills are for owners and for customers themselves")
        self._time_zone = export.time_zone
        wanted, own = export.filters, scope.own_customer_id
        orderer = customer_of(wanted.order_id) if wanted.order_id else None
        whose = {each for each in (own, wanted.customer_id, orderer) if each}
        chosen = next(iter(whose), None)
        self._timeline = Timeline(
            export,
            store,
            widest=invoices_by_time(store.id, own),
            # Of two customers at once there is no bill.
            chosen=invoices_by_time(store.id, chosen) if len(whose) <= 1 else None,
            chooser="customer_id" if wanted.customer_id else "order_id" if wanted.order_id else None,
        )
        self.filters: Mapping[str, str] = _in_words(wanted, export, scope)
        checks = {
            "order_id": lambda invoice: invoice.order_id == wanted.order_id,
            "kind": lambda invoice: invoice.kind == wanted.kind,
        }
        self._sieve = Sieve[Invoice]({name: checks.get(name) for name in self.filters})

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a position, from the beginning if there is none."""
        for records, behind in self._timeline.read(position):
            invoices = [record.load(Invoice) for record in records]
            left, reached = self._sieve.sift(invoices)
            yield Stretch(
                [self._row(invoice) for invoice in left], behind, self._timeline.share(invoices[-1].issued_at), reached
            )

    def left_nothing(self) -> str | None:
        """Tell which of the filters that choose what is read left nothing."""
        return self._timeline.left_nothing()

    def _row(self, invoice: Invoice) -> Sequence[Cell]:
        return (
            *(invoice.number, invoice.kind, local_time(invoice.issued_at, self._time_zone), invoice.due_on),
            *(invoice.order_number, invoice.customer_number, invoice.customer_name, invoice.currency),
            in_units(invoice.subtotal),
            *(in_units(invoice.sum_of(kind)) for _, kind in _SUMS),
            *(in_units(invoice.total), in_units(invoice.credit_used)),
            *(invoice.event, invoice.credits_number, invoice.payment_method_name),
            *address_cells(invoice.billed_to),
            invoice.id,
        )


def _in_words(wanted: InvoiceFilters, export: Export, scope: Scope) -> Mapping[str, str]:
    """Return the filters in the order in which they are applied, with what they stand for."""
    words = {
        "period": period_in_words("issued", export),
        "scope": WITHIN[scope.reach],
        "customer_id": customer_in_words(scope, wanted.customer_id),
        "order_id": "the order that was chosen",
        "kind": f"{'credit notes' if wanted.kind == 'credit_note' else 'invoices'} alone",
    }
    return {name: said for name, said in words.items() if getattr(wanted, name, ...) is not None}
