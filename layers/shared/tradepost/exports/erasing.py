"""Erasing a person in the background, from its sessions to its account, as far as a worker's time goes.

What it exported, and what was exported about it, goes with the files; others' exports do not call it by its name any more. An
export that is being written is cancelled: its worker finds that out at the latest when it is about to finish it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from tradepost.aws.exports import delete_file, file_key
from tradepost.domain.erasures import NOBODYS_NAME, without_name
from tradepost.domain.errors import StaleError
from tradepost.domain.exports import Export, PersonFilters, let_go
from tradepost.domain.outbox import Erasure
from tradepost.exports.writing import discard
from tradepost.table.erasures import (
    Whose,
    forget_account,
    forget_acting,
    forget_api_keys,
    forget_events,
    forget_invitations,
    forget_offers,
    forget_sessions,
)
from tradepost.table.exports import export_key, list_exports, release_request, remove_export, save_export
from tradepost.table.listing import Position
from tradepost.table.reading import Reader
from tradepost.table.transaction import Transaction

_PAGE: Final = 50
_TRIES: Final = 8


def erase_person(erasure: Erasure, whose: Whose, *, has_time: Callable[[], bool]) -> str | None:
    """Erase what is left of a person, from where an earlier message got to; returns how far it got, None if there is no more.

    It does some of it in any case. Done again, from wherever, it changes nothing more.
    """
    begin = json.loads(erasure.reached) if erasure.reached else {}
    names = list(_STEPS)
    name: str | None = begin.get("step", names[0])
    after: Position | None = begin.get("after")
    while name is not None:
        after = _STEPS[name](whose, after)
        if after is None:
            name = next(iter(names[names.index(name) + 1 :]), None)
        if name is not None and not has_time():
            return json.dumps({"step": name, "after": after})
    return None


def _forget_own_exports(whose: Whose, after: Position | None) -> Position | None:
    found, following = list_exports(whose.store_id, whose.member_id, limit=_PAGE, after=after)
    for export in found:
        _forget_export(export.id, whose)
    return following


def _forget_exports_of_others(whose: Whose, after: Position | None) -> Position | None:
    found, following = list_exports(whose.store_id, None, limit=_PAGE, after=after)
    for export in found:
        if isinstance(export.filters, PersonFilters) and export.filters.member_id == whose.member_id:
            _forget_export(export.id, whose)
        elif without_name(export, whose.member_id) != export:
            _forget_words(export.id, whose)
    return following


def _forget_export(export_id: str, whose: Whose) -> None:
    """Delete an export with its file, or cancel the one that is under way: there is no file then that anybody could get."""

    def end(tx: Transaction, export: Export) -> None:
        if export.is_over:
            # The file first: without its export, nobody would know of it.
            delete_file(file_key(export.store_id, export.id))
            remove_export(tx, export)
        else:
            release_request(tx, export)
            save_export(tx, _cancelled(export, whose))

    ended = _changed(export_id, whose, end)
    if ended:
        discard(ended)


def _forget_words(export_id: str, whose: Whose) -> None:
    """Take the name out of what the filters of an export mean in words, and nothing of its file."""
    _changed(export_id, whose, lambda tx, export: save_export(tx, without_name(export, whose.member_id)))


def _changed(export_id: str, whose: Whose, change: Callable[[Transaction, Export], object]) -> Export | None:
    """Change an export as it is now, and anew if its worker is faster; returns it as it was, None if it is not there."""
    for attempt in range(1, _TRIES + 1):
        export = Reader().find(export_key(whose.store_id, export_id), Export)
        if export is None:
            return None
        tx = whose.begin()
        change(tx, export)
        try:
            tx.commit()
        except StaleError:
            if attempt == _TRIES:
                raise
        else:
            return export
    return None


def _cancelled(export: Export, whose: Whose) -> Export:
    requester = export.requested_by
    change = {
        "status": "cancelled",
        "ended_at": whose.at,
        "gone": "person_erased",
        "file_name": "erased",
        "filters_in_words": (),
        "requested_by": requester.model_copy(update={"name": NOBODYS_NAME}) if requester.id == whose.member_id else requester,
    }
    return let_go(export).model_copy(update=change)


_STEPS: Final[Mapping[str, Callable[[Whose, Position | None], Position | None]]] = {
    "sessions": forget_sessions,
    "own_exports": _forget_own_exports,
    "exports_of_others": _forget_exports_of_others,
    "invitations": forget_invitations,
    "events": forget_events,
    "acting": forget_acting,
    "offers": forget_offers,
    "api_keys": forget_api_keys,
    "account": forget_account,
}
"""What is gone through, in this order: what lets somebody see the most of a person first, its account last."""
