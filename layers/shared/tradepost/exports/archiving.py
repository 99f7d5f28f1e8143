"""The file of an archive about a person: written whole to the local disk, since it is one ZIP file, and then kept in parts."""

from tempfile import TemporaryFile
from typing import IO

from tradepost.aws.exports import file_key, upload_part
from tradepost.domain import clock
from tradepost.domain.exports import LEASE, Checkpoint, Export, Part, PersonFilters, advanced
from tradepost.domain.people import Member
from tradepost.domain.stores import Store
from tradepost.exports.files import PIECE
from tradepost.exports.person import write_archive
from tradepost.exports.writing import LONGEST_UNNOTED, Save
from tradepost.table.people import member_key
from tradepost.table.reading import Reader


class BeingErasedError(Exception):
    """The person is being erased: what an archive took up of it now would outlast that."""


def write_whole(export: Export, store: Store, *, save: Save) -> Export:
    """Write the archive, in one run; whoever takes over from a worker that died begins it anew.

    Meanwhile the worker says now and then that it is still at it. Raises `LookupError` for an export of something else, or that
    was not begun, `NotFoundError` for one about nobody, `BeingErasedError` for one about somebody who is being erased, and
    `GoneError` if the upload was ended by somebody else.
    """
    point, filters = export.checkpoint, export.filters
    if point is None or not isinstance(filters, PersonFilters):
        raise LookupError("not begun, or about nobody")
    if point.whole:
        return export
    pulse = _Pulse(export, save)
    member = Reader().get(member_key(filters.member_id, store.id), Member)
    if member.erasing:
        raise BeingErasedError
    with TemporaryFile() as file:
        rows = write_archive(export, store, member, file, heartbeat=pulse.beat)
        parts = _kept(export, point, file, pulse)
    whole = point.model_copy(update={"parts": parts, "rows": rows, "whole": True})
    return save(advanced(pulse.export, whole, 1, at=clock.now()))


class _Pulse:
    """Says that a worker is still at an export that it has nothing else to note of."""

    def __init__(self, export: Export, save: Save) -> None:
        self.export = export
        self._save, self._noted_at = save, clock.now()

    def beat(self) -> None:
        at = clock.now()
        if at >= self._noted_at + LONGEST_UNNOTED:
            # Not as progress: what always dies in the end has failed by that.
            self.export = self._save(self.export.model_copy(update={"worker_until": at + LEASE}))
            self._noted_at = at


def _kept(export: Export, point: Checkpoint, file: IO[bytes], pulse: _Pulse) -> tuple[Part, ...]:
    key, parts = file_key(export.store_id, export.id), list[Part]()
    file.seek(0)
    while content := file.read(PIECE):
        parts.append(upload_part(key, point.upload_id, len(parts) + 1, content))
        pulse.beat()
    return tuple(parts)
