"""Cells that several exports have in common."""

from collections.abc import Sequence

from tradepost.domain.customers import PostalAddress
from tradepost.exports.port import Cell

_ADDRESS = ("company", "name", "street", "postal_code", "city", "region", "country")


def address_columns(purpose: str) -> tuple[str, ...]:
    """Return the columns of an address: `billing_company`, `billing_name` and so on."""
    return tuple(f"{purpose}_{name}" for name in _ADDRESS)


def address_cells(address: PostalAddress | None) -> Sequence[Cell]:
    """Return the cells of an address; they are empty if there is none."""
    return [getattr(address, name, None) for name in _ADDRESS]
