"""What the three lists of a store have in common over HTTP: an entry by its id, and a page of them."""

from collections.abc import Callable

from tradepost.domain.stores import StoreList
from tradepost.http.app import Answer, Page
from tradepost.http.callers import Ask, CallerInfo
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.shapes import Key
from tradepost.table.stores import list_entries, list_key


def named_by(parameter: str, entry: type[StoreList]) -> Callable[[Ask], list[Key]]:
    """Return what a route reads: the entry whose id is the path's parameter."""
    return lambda ask: [list_key(entry, ask.store, ask.path[parameter])]


def found[E: StoreList](entry: type[E], entry_id: str, caller: CallerInfo) -> E:
    """Return an entry of the caller's store. Raises `NotFoundError`."""
    return caller.reader.get(list_key(entry, caller.store.id, entry_id), entry)


def decided_on[E: StoreList](entry: type[E], entry_id: str, caller: CallerInfo) -> E:
    """Return the entry that the caller changes, as the caller knows it. Raises `NotFoundError` and `StaleError`."""
    return caller.match(found(entry, entry_id, caller))


def page_of[E: StoreList, A: Answer](
    entry: type[E], shown_as: type[A], caller: CallerInfo, limit: int, cursor: str | None
) -> Page[A]:
    """Return a page of a list, oldest first, with one Query."""
    bound = (entry.collection, caller.store.id)
    rows = list_entries(entry, caller.store.id, limit=limit, after=read_cursor(cursor, *bound))
    items = [shown_as.of(row.load(entry)) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))
