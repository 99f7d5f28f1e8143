"""Customers to be exported: by name, as their list has them, one row for each.

| columns | |
|---|---|
| `customer_number, company, contact_name, email, kind, status` | who it is, b2b or b2c, active or inactive |
| `group, price_tier, account_manager, further_sales_reps, tags` | by name. `price_tier` is the one whose prices it pays, whether it is its own, its channel's or its group's |
| `billing_…, shipping_…` | company, name, street, postal_code, city, region, country of its default addresses |
| `invitation, delivery` | where its latest invitation stands, and how far the mail got |
| `reseller_status, channel` | of those that are resellers |
| `created_at, customer_id` | when it was added, and its id, for programs |

A customer is shown as it is when it is read. The list goes by name: one that is renamed while it is read may be in the file
under both names, or under none.
"""  # noqa: E501  # a table

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tradepost.domain.clock import local_time
from tradepost.domain.customer_lists import NOBODY, Wanted
from tradepost.domain.customers import Customer
from tradepost.domain.exports import CustomerFilters, Export
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import CustomerGroup, PriceTier, ResellerChannel, Store
from tradepost.exports.cells import address_cells, address_columns
from tradepost.exports.known import names
from tradepost.exports.port import Cell, Stretch
from tradepost.exports.sieve import Sieve
from tradepost.exports.wording import WITHIN, period_in_words, sales_rep_in_words
from tradepost.table.customers import (
    allocations_by_name,
    customer_key,
    customers_by_name,
    words_of_customer,
)
from tradepost.table.forward import holds_any, read_on
from tradepost.table.listing import carried, words_of
from tradepost.table.people import member_key
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import Key
from tradepost.table.stores import list_key

COLUMNS: Final = (
    *("customer_number", "company", "contact_name", "email", "kind", "status"),
    *("group", "price_tier", "account_manager", "further_sales_reps", "tags"),
    *address_columns("billing"),
    *address_columns("shipping"),
    *("invitation", "delivery", "reseller_status", "channel", "created_at", "customer_id"),
)
# What names mostly begin with, in the order in which they are listed.
_SYMBOLS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class CustomerSource:
    """The customers of a store that were added within a time, by the filters of their list.

    Those allocated to one sales rep are read from its list. The scope is looked at before all other filters, so that what an
    export says of its emptiness is about those customers alone that its requester may see.
    """

    columns: Sequence[str] = COLUMNS

    def __init__(self, export: Export, store: Store, scope: Scope) -> None:
        """Read what an export asks for, in the scope of whoever asked.

        Raises `TypeError` for an export of something else, `ValueError` for the scope of a buyer, who has no list of customers.
        """
        if not isinstance(export.filters, CustomerFilters):
            raise TypeError(export.kind)
        if scope.reach == "own":
            raise ValueError("a buyer has no list of customers")
        filters = export.filters
        self._export, self._store, self._scope = export, store, scope
        self._words = words_of(filters.q)
        chosen_rep = filters.sales_rep_id if filters.sales_rep_id != NOBODY else None
        rep = scope.sales_rep_id or chosen_rep
        self._everybody = customers_by_name(store.id)
        self._listed = allocations_by_name(store.id, rep) if rep else self._everybody
        self._chooser = "scope" if scope.sales_rep_id else "sales_rep_id" if chosen_rep else None
        self._names = names()
        self.filters: Mapping[str, str] = self._in_words(filters)
        checks: dict[str, Callable[[Customer], bool]] = {
            "scope": scope.covers,
            "period": self._was_added,
            "q": self._is_found,
            **Wanted(**filters.model_dump(exclude={"q"})).checks,
        }
        self._sieve = Sieve({name: checks[name] for name in self.filters})

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a position, from the beginning if there is none."""
        for records, behind in read_on(self._listed, position):
            left, reached = self._sieve.sift(self._loaded(records))
            name = (records[-1].gsi1sk if self._listed.gsi else records[-1].sk) or ""
            yield Stretch(self._rows(left), behind, _share(name), reached)

    def left_nothing(self) -> str | None:
        """Tell which of the filters that choose what is read left nothing."""
        return self._chooser if holds_any(self._everybody) else None

    def _loaded(self, records: Sequence[Record]) -> Sequence[Customer]:
        """Return the customers of some rows: where it counts whose they are, as they are now and not as an index has them."""
        if self._listed.gsi and self._scope.reach == "store":
            return [record.load(Customer) for record in records]
        ids = [record.sk.rpartition("#")[2] for record in records]
        keys = [record.key for record in records] if self._listed.gsi else [customer_key(self._store.id, each) for each in ids]
        reader = Reader()
        reader.fetch(keys)
        found = [reader.find(key, Customer) for key in keys]
        return [customer for customer in found if customer]

    def _was_added(self, customer: Customer) -> bool:
        export = self._export
        return export.begin <= customer.created_at < export.end and customer.created_at <= export.requested_at

    def _is_found(self, customer: Customer) -> bool:
        row = carried(words_of_customer(customer))
        return bool(self._words) and all(f" {word}" in row for word in self._words)

    def _in_words(self, filters: CustomerFilters) -> Mapping[str, str]:
        """Return the filters in the order in which they are applied, with what they stand for."""
        group, rep = filters.group_id, filters.sales_rep_id
        found = Reader().find(list_key(CustomerGroup, self._store.id, group), CustomerGroup) if group else None
        of_rep = "no sales rep" if rep == NOBODY else sales_rep_in_words(self._scope, rep)
        words = {
            "scope": WITHIN[self._scope.reach],
            "period": period_in_words("added", self._export),
            "q": f"the words “{filters.q}”",
            "status": f"customers that are {filters.status}",
            "group_id": f"the group “{found.name}”" if found else "the group that was chosen",
            "kind": f"{(filters.kind or '').upper()} customers",
            "sales_rep_id": f"customers allocated to {of_rep}",
            "has_email": f"customers {'with' if filters.has_email else 'without'} an e-mail address",
            "invitation": f"the invitation state “{(filters.invitation or '').replace('_', ' ')}”",
            "delivery": f"invitations whose mail is “{filters.delivery}”",
            "reseller_status": f"resellers that are {filters.reseller_status}",
        }
        # A text of blanks is none, and every state is no filter, as in the list.
        unset = {name for name in words if getattr(filters, name, ...) in {None, "", "all"}}
        return {name: said for name, said in words.items() if name not in unset}

    def _rows(self, customers: Sequence[Customer]) -> Sequence[Sequence[Cell]]:
        known = self._names.of(key for customer in customers for key in self._named_by(customer))
        return [self._row(customer, known) for customer in customers]

    def _named_by(self, customer: Customer) -> Iterator[Key]:
        """Name what a row shows the names of."""
        store_id = self._store.id
        if customer.group_id:
            yield list_key(CustomerGroup, store_id, customer.group_id)
        if tier := self._store.tier_of(customer):
            yield list_key(PriceTier, store_id, tier)
        if customer.channel_id:
            yield list_key(ResellerChannel, store_id, customer.channel_id)
        for rep in customer.sales_rep_ids:
            yield member_key(rep, store_id)

    def _row(self, customer: Customer, known: Mapping[Key, str | None]) -> Sequence[Cell]:
        store_id, told, reseller = self._store.id, customer.invitation, customer.reseller

        def listed(entry: type[CustomerGroup | PriceTier | ResellerChannel], entry_id: str | None) -> str | None:
            return known[list_key(entry, store_id, entry_id)] if entry_id else None

        def rep(member_id: str | None) -> str | None:
            return known[member_key(member_id, store_id)] if member_id else None

        shipping = next((address for address in customer.addresses if address.default_shipping), None)
        return (
            *(customer.number, customer.name, customer.contact_name, customer.email),
            *(customer.kind, "active" if customer.active else "inactive"),
            *(listed(CustomerGroup, customer.group_id), listed(PriceTier, self._store.tier_of(customer))),
            *(rep(customer.account_manager_id), "; ".join(filter(None, map(rep, customer.further_sales_rep_ids))) or None),
            "; ".join(customer.tags) or None,
            *address_cells(customer.main_address),
            *address_cells(shipping),
            *((told.state_at(self._export.requested_at), told.delivery) if told else (None, None)),
            *(reseller.status if reseller else None, listed(ResellerChannel, customer.channel_id)),
            *(local_time(customer.created_at, self._export.time_zone), customer.id),
        )


def _share(name: str) -> float:
    """Tell how much of a list by name lies before one, if as many names begin with each letter."""
    first, second = (bisect_left(_SYMBOLS, symbol) for symbol in (name[:1], name[1:2]))
    further = second / len(_SYMBOLS) if name[:1] in _SYMBOLS else 0
    return min(1.0, (first + further) / len(_SYMBOLS))
