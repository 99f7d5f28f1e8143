"""Writing the file of an export, from wherever its last worker had got to."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from tradepost.aws.exports import (
    abort_upload,
    begin_upload,
    complete_upload,
    delete_beside,
    delete_file,
    file_key,
    read_file,
    upload_part,
    write_file,
)
from tradepost.domain import clock
from tradepost.domain.exports import MOST_PARTS, Basis, Checkpoint, EmptyBecause, Export, Rest, advanced, begun
from tradepost.domain.ids import new_id
from tradepost.domain.people import Member
from tradepost.domain.spreadsheets import header_of, lines_of
from tradepost.domain.stores import Store
from tradepost.exports.files import GrowingFile
from tradepost.exports.port import Source, Stretch
from tradepost.table.transaction import OvertakenError

# Whoever waits sees by that how far it has got, and a worker that takes over has no more than this to do again.
LONGEST_UNNOTED: Final = timedelta(seconds=30)

type Save = Callable[[Export], Export]


class TooLargeError(Exception):
    """The file would have more parts than can be noted."""


def begin(export: Export, store: Store, requester: Member) -> Export:
    """Begin the file of an export, by what holds now."""
    return begun(export, Basis.of(store, requester), begin_upload(file_key(export.store_id, export.id)))


def write_on(export: Export, source: Source, *, save: Save, is_time_up: Callable[[], bool]) -> Export:
    """Write until the file is whole or time is up, but a stretch in any case; what there is of it is noted then.

    Raises `GoneError` if the upload was ended by somebody else, `TooLargeError` if there is no room for another part.
    """
    point, noted_at = _checkpoint(export), clock.now()
    if point.whole:
        return export
    file = _taken_up(export, point)
    if point.position is None:
        file.add(header_of(source.columns, excel=export.layout.excel))
    for stretch in source.read(point.position):
        file.add(lines_of(stretch.rows))
        point, is_last = _behind(point, stretch), is_time_up()
        if file.is_part:
            point = _with_part(export, point, file.take())
        elif is_last or clock.now() >= noted_at + LONGEST_UNNOTED:
            point = _with_rest(export, point, file)
        else:
            continue
        export, noted_at = _noted(export, point, stretch.share, save), clock.now()
        if is_last:
            return export
    last = file.take_last()
    point = _with_part(export, point, last) if last else point
    return _noted(export, point.model_copy(update={"whole": True}), 1, save)


def put_together(export: Export) -> None:
    """Make one file of its parts; that this was done before is as good. Raises `GoneError` if there are none any more."""
    key, point = file_key(export.store_id, export.id), _checkpoint(export)
    complete_upload(key, point.upload_id, point.parts)
    delete_beside(key)


def discard(export: Export) -> None:
    """Delete whatever there is of a file."""
    key, point = file_key(export.store_id, export.id), export.checkpoint
    if point:
        abort_upload(key, point.upload_id)
    delete_beside(key)
    delete_file(key)


def why_empty(export: Export, source: Source) -> EmptyBecause | None:
    """Tell which filter removed the last entry; None if there are rows."""
    point = _checkpoint(export)
    if point.rows:
        return None
    left: int | None = None
    for name, words in source.filters.items():
        past = point.reached.get(name, 0)
        if not past and left is None:
            blamed = source.left_nothing() or name
            return EmptyBecause(filter=blamed, detail=f"There is nothing to begin with: {source.filters[blamed]}.")
        if not past and name in {"scope", "consent"}:
            # How much there is of others is none of the business of whoever may not see it.
            return EmptyBecause(filter=name, detail=f"This filter left nothing: {words}.")
        if not past:
            return EmptyBecause(filter=name, detail=f"This filter removed the last {left:,} that were left: {words}.")
        left = past
    return None


def _checkpoint(export: Export) -> Checkpoint:
    if export.checkpoint is None:
        raise LookupError("not begun")
    return export.checkpoint


def _taken_up(export: Export, point: Checkpoint) -> GrowingFile:
    kept = read_file(point.rest.name) if point.rest else b""
    packed = point.rest.packed if point.rest else 0
    return GrowingFile(packed=export.layout.gzip, pieces=kept[:packed], rows=kept[packed:])


def _behind(point: Checkpoint, stretch: Stretch) -> Checkpoint:
    reached = Counter(point.reached) + Counter(stretch.reached)
    return point.model_copy(
        update={"position": stretch.position, "rows": point.rows + len(stretch.rows), "reached": dict(reached)}
    )


def _with_part(export: Export, point: Checkpoint, content: bytes) -> Checkpoint:
    if len(point.parts) >= MOST_PARTS:
        raise TooLargeError
    key = file_key(export.store_id, export.id)
    part = upload_part(key, point.upload_id, len(point.parts) + 1, content)
    return point.model_copy(update={"parts": (*point.parts, part), "rest": None})


def _with_rest(export: Export, point: Checkpoint, file: GrowingFile) -> Checkpoint:
    # Under a name of its own: what was noted before stays as it is until this is.
    name = f"{file_key(export.store_id, export.id)}/{new_id()}"
    pieces, rows = file.rest
    write_file(name, pieces + rows)
    return point.model_copy(update={"rest": Rest(name=name, packed=len(pieces))})


def _noted(export: Export, point: Checkpoint, share: float, save: Save) -> Export:
    before = _checkpoint(export).rest
    try:
        saved = save(advanced(export, point, share, at=clock.now()))
    except OvertakenError:
        # Nobody knows of it: whoever was faster can only delete what was noted.
        if point.rest and point.rest != before:
            delete_file(point.rest.name)
        raise
    if before and before != point.rest:
        delete_file(before.name)
    return saved
