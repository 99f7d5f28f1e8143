"""What is read for which kind of export."""

from collections.abc import Callable, Mapping
from typing import Final

from tradepost.domain.exports import Export, ExportKind
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.exports.activities import ActivitySource
from tradepost.exports.customers import CustomerSource
from tradepost.exports.invoices import InvoiceSource
from tradepost.exports.orders import OrderSource
from tradepost.exports.port import Source

_SOURCES: Final[Mapping[ExportKind, Callable[[Export, Store, Scope], Source]]] = {
    "activities": ActivitySource,
    "orders": OrderSource,
    "customers": CustomerSource,
    "invoices": InvoiceSource,
}


def source_of(export: Export, store: Store, scope: Scope) -> Source:
    """Return what an export reads from, in the scope of whoever asked for it."""
    return _SOURCES[export.kind](export, store, scope)
