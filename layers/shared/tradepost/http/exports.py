"""Exports: what asking for one of whatever kind has in common, and how they are shown."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from tradepost.aws.exports import download_link, file_key
from tradepost.aws.secrets import signing_key
from tradepost.domain.customer_lists import NOBODY
from tradepost.domain.errors import InvalidError, NotFoundError
from tradepost.domain.export_handouts import Withheld, withheld
from tradepost.domain.export_requests import NewExport, requested
from tradepost.domain.exports import (
    EXPORT_REQUESTS,
    LINK_LIFETIME,
    CustomerFilters,
    Export,
    ExportFailure,
    ExportKind,
    ExportStatus,
    Filters,
    LinesPer,
)
from tradepost.domain.ids import fingerprint, new_id, split_member_id
from tradepost.domain.outbox import ExportRun
from tradepost.domain.people import Member, Party, erasure_under_way
from tradepost.domain.permissions import Role
from tradepost.domain.stores import CustomerGroup
from tradepost.domain.values import Instant
from tradepost.http.app import Answer
from tradepost.http.callers import CallerInfo
from tradepost.table.customers import customer_key, find_customer, get_customer
from tradepost.table.exports import claim_request, export_key, holder_of, request_key, save_export
from tradepost.table.limits import count_against
from tradepost.table.orders import get_order, order_keys
from tradepost.table.people import member_key
from tradepost.table.shapes import Key
from tradepost.table.stores import list_key

_MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "gz": "application/gzip", "zip": "application/zip"}


class ExportAnswer(Answer):
    """An export. `download_url` is there when one that is done is shown by itself, and leads to the file for 15 minutes.

    `rows` are those written so far. Where there are none in the end, `empty_because` says which filter left nothing, and
    `empty_filter` its name. `failure` says why there is no file, `gone` why it is not handed out, for good or for now.
    `etag` is null once it is done: whether there is a link depends on more than the export.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    id: str
    kind: ExportKind
    status: ExportStatus
    progress: Annotated[int, Field(description="Percent, from 0 to 100.")]
    rows: int
    filters: dict[str, Any]
    filters_in_words: tuple[str, ...]
    first_day: Annotated[date | None, Field(alias="from")]
    last_day: Annotated[date | None, Field(alias="to")]
    time_zone: str
    excel: bool
    gzip: bool
    lines_per: LinesPer
    file_name: str
    size: Annotated[int, Field(description="In bytes.")]
    requested_by: Party
    requested_at: Instant
    started_at: Instant | None
    generated_at: Instant | None
    ended_at: Instant | None
    expires_at: Annotated[Instant | None, Field(description="When the file is deleted.")]
    empty_because: str | None
    empty_filter: str | None
    failure: ExportFailure | None
    gone: Withheld | None
    download_url: str | None
    download_expires_at: Instant | None
    etag: str | None


def export_answer(export: Export, caller: CallerInfo, *, with_link: bool = False) -> ExportAnswer:
    """Show an export to somebody who may know of it: with a link to its file, if one is asked for and it is handed out."""
    why = withheld(export, store=caller.store, reader=caller.member, at=caller.at)
    empty, linked = export.empty_because, with_link and export.status == "done" and why is None
    shown = {
        **{name: getattr(export, name) for name in ExportAnswer.model_fields if hasattr(export, name)},
        **dict(export.layout),
        "filters": export.filters.model_dump(mode="json", exclude_none=True),
        "empty_because": empty.detail if empty else None,
        "empty_filter": empty.filter if empty else None,
        "gone": why,
        "download_url": _link(export) if linked else None,
        "download_expires_at": caller.at + LINK_LIFETIME if linked else None,
        "etag": None if export.status == "done" else export.etag,
    }
    return ExportAnswer.model_validate(shown)


def _link(export: Export) -> str:
    media_type = _MEDIA_TYPES[export.file_name.rpartition(".")[2]]
    key = file_key(export.store_id, export.id)
    return download_link(key, export.file_name, media_type, seconds=int(LINK_LIFETIME.total_seconds()))


def new_export_keys(new: NewExport, store_id: str, member_id: str) -> list[Key]:
    """Name what an export is asked for with: what its filters name, and who is at work on the same."""
    try:
        filters = new.checked_filters()
    except InvalidError:
        return []
    return [request_key(store_id, _fingerprint(new, filters, member_id)), *_named_by(filters, store_id)]


def ask_for(new: NewExport, caller: CallerInfo) -> ExportAnswer:
    """Ask for an export of the customers in the caller's scope, to be written in the background.

    Whoever asks for the same while that is being written gets it. Raises `NotFoundError` for filters that name what is not
    there or out of scope, since what is left out of a list there is missing in a file without a word, and `ConflictError`
    for a person who is being erased.
    Calls besides those of `new_export_keys`: one transaction, and one BatchGetItem if the same was asked for before.
    """
    filters = new.checked_filters()
    return caller.decided(partial(_asked_for, new, filters, caller))


def _asked_for(new: NewExport, filters: Filters, caller: CallerInfo) -> ExportAnswer:
    read, store, member = caller.reader, caller.store, caller.member
    read.fetch(new_export_keys(new, store.id, member.id))
    words, asked = tuple(_in_words(filters, caller)), _fingerprint(new, filters, member.id)
    tx, holder = caller.transaction(), holder_of(read, store.id, asked)
    earlier = read.find(export_key(store.id, holder), Export) if holder else None
    if earlier and not earlier.is_over:
        return tx.commit_answering(export_answer(earlier, caller))
    export = requested(
        new, filters, words, export_id=new_id(), store=store, member=member, by=caller.party, fingerprint=asked, at=caller.at
    )
    claim_request(tx, export, instead_of=holder)
    count_against(tx, store.id, EXPORT_REQUESTS, member.id)
    export = save_export(tx, export)
    tx.announce(ExportRun(store_id=store.id, export_id=export.id))
    # What is searched for may be somebody's name, and the audit is kept for good.
    told = filters.model_dump(mode="json", exclude_none=True, exclude={"q"})
    tx.audit("export:requested", export.id, kind=export.kind, filters=told)
    return tx.commit_answering(export_answer(export, caller))


def _fingerprint(new: NewExport, filters: Filters, member_id: str) -> str:
    asked = new.model_dump_json(exclude={"filters"})
    return fingerprint(signing_key(), "export", member_id, asked, filters.model_dump_json())


def _named_by(filters: Filters, store_id: str) -> Iterator[Key]:
    """Name the items of what filters name."""
    for name, value in filters.model_dump(exclude_none=True).items():
        match name:
            case "customer_id":
                yield customer_key(store_id, value)
            case "order_id":
                yield from order_keys(store_id, value)
            case "group_id":
                yield list_key(CustomerGroup, store_id, value)
            case "employee_id" | "sales_rep_id" | "member_id":
                yield member_key(value, store_id)
                place = split_member_id(value)
                if place and place.customer_id:
                    yield customer_key(store_id, place.customer_id)


def _in_words(filters: Filters, caller: CallerInfo) -> Iterator[str]:
    """Say what filters let through. Raises `NotFoundError` for what they name and is not there, or not in scope."""
    for name, value in filters.model_dump(exclude_none=True).items():
        of_customers = isinstance(filters, CustomerFilters)
        if of_customers and (name, value) == ("sales_rep_id", NOBODY):
            yield "without a sales rep"
        elif name in _SAID:
            yield _SAID[name](value, caller)
        elif not (of_customers and (name, value) == ("status", "all")):
            yield f"{name.replace('_', ' ')} {value}"


def _customer_in_words(customer_id: str, caller: CallerInfo) -> str:
    customer = get_customer(caller.reader, caller.scope, customer_id)
    return f"customer {customer.name} ({customer.number})"


def _employee_in_words(member_id: str, caller: CallerInfo) -> str:
    """Name whose activity it is: an employee of a customer in scope, oneself, or for the owner anybody."""
    member, scope = caller.reader.find(member_key(member_id, caller.store.id), Member), caller.scope
    if member is None:
        raise NotFoundError("employee")
    its_customer = member.customer_id and find_customer(caller.reader, scope, member.customer_id)
    if not (its_customer or scope.reach == "store" or member.id == caller.member.id):
        raise NotFoundError("employee")
    return f"employee {member.name}"


def _sales_rep_in_words(member_id: str, caller: CallerInfo) -> str:
    """Name a sales rep. Whoever sees what is allocated to it alone knows of no other, and who buys of none."""
    rep, scope = caller.reader.find(member_key(member_id, caller.store.id), Member), caller.scope
    known = scope.reach in {"store", "active"} or member_id == scope.sales_rep_id
    if rep is None or rep.role is not Role.REP or not known:
        raise NotFoundError("sales rep")
    return f"sales rep {rep.name}"


def _group_in_words(group_id: str, caller: CallerInfo) -> str:
    return f"customer group {caller.reader.get(list_key(CustomerGroup, caller.store.id, group_id), CustomerGroup).name}"


def _order_in_words(order_id: str, caller: CallerInfo) -> str:
    return f"order {get_order(caller.reader, caller.scope, order_id).number}"


def _person_in_words(member_id: str, caller: CallerInfo) -> str:
    """Name a person. Raises `ConflictError` while it is erased: a file written meanwhile would outlast what it tells of."""
    member = caller.reader.get(member_key(member_id, caller.store.id), Member)
    if member.erasing:
        raise erasure_under_way()
    return f"person {member.name}"


_SAID: Final[Mapping[str, Callable[[Any, CallerInfo], str]]] = {
    "customer_id": _customer_in_words,
    "employee_id": _employee_in_words,
    "sales_rep_id": _sales_rep_in_words,
    "group_id": _group_in_words,
    "order_id": _order_in_words,
    "member_id": _person_in_words,
    "q": lambda text, _: f"words “{text}”",
    "has_email": lambda wanted, _: "with an e-mail address" if wanted else "without an e-mail address",
}
