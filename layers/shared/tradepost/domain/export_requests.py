"""What is asked for with an export: of what, by which filters, over which days, laid out how; and what its file is called."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field, StrictBool, ValidationError

from tradepost.domain.checking import faults_in
from tradepost.domain.clock import MOMENT, day_of, end_of_day, start_of_day
from tradepost.domain.customers import Customer
from tradepost.domain.errors import Fault, ForbiddenError, InvalidError
from tradepost.domain.exports import FILTERS, Export, ExportKind, Filters, Layout, LinesPer
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Role
from tradepost.domain.standards import TimeZone
from tradepost.domain.stores import Store
from tradepost.domain.values import Day, Value

KINDS: Final[Mapping[Role, frozenset[ExportKind]]] = {
    Role.OWNER: frozenset(FILTERS),
    Role.REP: frozenset({"activities", "customers", "orders"}),
    Role.BUYER: frozenset({"invoices", "orders"}),
}
"""What everybody may export, of the customers in its scope. Of those who buy, only resellers may."""


class NewExport(Value):
    """What to export. `from` and `to` are days in `time_zone`, the store's unless another is named; both are included.

    `filters` are those of the list of that kind, `person` needs its `member_id`. `excel` begins the file with the mark by which
    Excel knows UTF-8, `gzip` packs it. Orders come in one row each, or in one for each of their lines.
    """

    kind: ExportKind
    filters: Mapping[str, Any] = Field(default_factory=dict)
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    time_zone: TimeZone | None = None
    excel: StrictBool = False
    gzip: StrictBool = False
    lines_per: LinesPer | None = None

    @property
    def layout(self) -> Layout:
        """How the file is written."""
        return Layout(excel=self.excel, gzip=self.gzip, lines_per=self.lines_per or "order")

    def checked_filters(self) -> Filters:
        """Return the filters. Raises `InvalidError` for what the kind does not have, and for days in the wrong order."""
        faults = [Fault(f"/{name}", f"is not for exports of {self.kind}") for name in self._pointless]
        try:
            filters: Any = FILTERS[self.kind].model_validate(self.filters)
        except ValidationError as error:
            raise InvalidError(*faults, *faults_in(error, "/filters", what=f"kind of export, {self.kind}")) from None
        if faults:
            raise InvalidError(*faults)
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise InvalidError(Fault("/from", "is after “to”"), code="invalid_period")
        found: Filters = filters
        return found

    @property
    def _pointless(self) -> Iterator[str]:
        if self.lines_per and self.kind != "orders":
            yield "lines_per"
        if self.kind == "person":
            # Everything that is held about a person comes as one archive.
            given = {"from": self.first_day, "to": self.last_day, "excel": self.excel, "gzip": self.gzip}
            yield from (name for name, value in given.items() if value)


def refuse_kind(kind: ExportKind, role: Role) -> None:
    """Refuse an export of a kind that is not for everybody. Raises `ForbiddenError`."""
    if kind not in KINDS[role]:
        raise ForbiddenError("forbidden", f"Your role does not include exports of {kind}.")


def refuse_unless_reseller(customer: Customer | None) -> None:
    """Refuse exports to those who buy and are no resellers. Raises `ForbiddenError`."""
    if customer and not (customer.reseller and customer.reseller.status in {"approved", "active", "suspended"}):
        raise ForbiddenError("forbidden", "Of those who buy, only resellers may export.")


def requested(
    new: NewExport,
    filters: Filters,
    words: tuple[str, ...],
    *,
    export_id: str,
    store: Store,
    member: Member,
    by: Party,
    fingerprint: str,
    at: datetime,
) -> Export:
    """Return an export that begins. `words` are its filters in words, as far as they are not days."""
    time_zone = new.time_zone or store.time_zone
    begin, end = _period(new, store, time_zone, at)
    return Export(
        id=export_id,
        store_id=store.id,
        kind=new.kind,
        filters=filters,
        first_day=new.first_day,
        last_day=new.last_day,
        begin=begin,
        end=end,
        time_zone=time_zone,
        layout=new.layout,
        file_name=_file_name(new, store, day_of(at, time_zone)),
        filters_in_words=(*words, *_days_in_words(new, time_zone)),
        fingerprint=fingerprint,
        requested_by=by,
        member_id=member.id,
        requested_at=at,
    )


def _period(new: NewExport, store: Store, time_zone: str, at: datetime) -> tuple[datetime, datetime]:
    """Return from when, and until before when, something is exported: no longer than there can be anything."""
    opened = start_of_day(day_of(store.opened_at, time_zone), time_zone)
    earliest = min(opened, at - timedelta(days=store.activity_days))
    begin = max(start_of_day(new.first_day, time_zone), earliest) if new.first_day else earliest
    # What came in the same moment as the request is in the file.
    latest = at + MOMENT
    end = min(end_of_day(new.last_day, time_zone), latest) if new.last_day else latest
    # Days before the first or after the last one hold nothing.
    return min(begin, end), end


def _file_name(new: NewExport, store: Store, today: date) -> str:
    if new.kind == "person":
        return f"{store.slug}-person-{today}.zip"
    latest = max(today, new.first_day or today)
    last = min(new.last_day or latest, latest)
    days = f"{new.first_day}-to-{last}" if new.first_day else f"until-{last}"
    return f"{store.slug}-{new.kind}-{days}.csv{'.gz' if new.gzip else ''}"


def _days_in_words(new: NewExport, time_zone: str) -> Iterator[str]:
    days = [f"from {new.first_day}"] if new.first_day else []
    days += [f"to {new.last_day}"] if new.last_day else []
    if days:
        # A portal may tell of things that were done the day before.
        recorded = "recorded " if new.kind == "activities" else ""
        yield f"{recorded}{' '.join(days)}, days in {time_zone}"
