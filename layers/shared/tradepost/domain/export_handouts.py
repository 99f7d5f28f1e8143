"""Whether the file of an export may be handed out: held against what holds now, each time that somebody asks for it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from tradepost.domain.export_reviews import is_to_be_reviewed
from tradepost.domain.exports import Basis, Export
from tradepost.domain.people import Member
from tradepost.domain.stores import Store
from tradepost.domain.values import Value

type WithheldBecause = Literal[
    "expired", "persons_own", "consent_withdrawn", "scope_changed", "person_erased", "pending_review", "tracking_off"
]

_WITH_ACTIVITIES: Final = frozenset({"activities", "person"})
"""What withdrawals of consent matter to."""
_WORDS: Final[Mapping[WithheldBecause, str]] = {
    "expired": "The file was kept for seven days, and is deleted. Ask for it again.",
    "persons_own": "The person whom it is about asked for it, and nobody else gets it. Ask for one of your own.",
    "consent_withdrawn": "Somebody whose activity is in it has withdrawn consent since. Ask for it again.",
    "scope_changed": "You may see other customers now than when it was written. Ask for it again.",
    "person_erased": "The person whom it is about was erased.",
    "pending_review": "Somebody has withdrawn consent to activity tracking, and it is being looked into whether that is in it.",
    "tracking_off": "The store does not track activity any more.",
}


class Withheld(Value):
    """Why a file is not handed out, or not now."""

    code: WithheldBecause
    detail: str


def withheld(export: Export, *, store: Store, reader: Member, at: datetime) -> Withheld | None:
    """Tell why a finished file is not handed out to somebody who may know of the export; None if it is.

    Whoever asked for it must still see the same customers. Whoever runs the store sees all of them, and so may have what
    others asked for, but for what they asked for about themselves.
    """
    code = _why(export, store, reader, at) if export.status == "done" else None
    return Withheld(code=code, detail=_WORDS[code]) if code else None


def _why(export: Export, store: Store, reader: Member, at: datetime) -> WithheldBecause | None:
    if export.gone:
        return export.gone
    basis = export.basis
    if basis is None or (export.expires_at and at >= export.expires_at):
        return "expired"
    if export.is_own_archive and reader.id != export.member_id:
        return "persons_own"
    # What is held about a person goes by no scope.
    if export.kind != "person" and reader.id == export.member_id and not basis.same_scope_as(Basis.of(store, reader)):
        return "scope_changed"
    # What the store may not see any more is not hidden from whoever did it.
    of_others = export.kind in _WITH_ACTIVITIES and not export.is_own_archive
    if of_others and export.rows and basis.tracked and not store.track_activity:
        return "tracking_off"
    return "pending_review" if is_to_be_reviewed(export, store.withdrawals) else None
