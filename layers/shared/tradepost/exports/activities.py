"""Activities to be exported: oldest first, of those customers that may be seen, and of people who allow it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Final, NamedTuple

from tradepost.domain.activities import may_be_kept
from tradepost.domain.clock import local_time, stamp
from tradepost.domain.customers import Customer
from tradepost.domain.exports import ActivityFilters, Export
from tradepost.domain.people import Member
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.exports.known import Known
from tradepost.exports.port import Cell, Stretch
from tradepost.exports.sieve import Sieve
from tradepost.exports.wording import period_in_words
from tradepost.table.activities import months_between, partition_of_customer, partition_of_member, partitions_of_month
from tradepost.table.activity_reading import Index, Noted, behind, has_any, read_between
from tradepost.table.customers import customer_key
from tradepost.table.people import member_key
from tradepost.table.records import Record

STRETCH: Final = 500


class _Person(NamedTuple):
    """Whose activity it is. `consent` is the number of the one under which it may be shown; None if it may not."""

    name: str
    email: str
    consent: int | None


class _Company(NamedTuple):
    number: str
    name: str
    visible: bool


class ActivitySource:
    """The activities of a store that were recorded within a time, by the filters of their list.

    Those of one customer, or of one employee, are read where they are listed; all others shard by shard for each month, the
    shards merged by time. Whoever appears in them is read consistently when it first does, and remembered for as long as this
    lives: whether a consent was withdrawn meanwhile is asked at the end by whoever reads.
    """

    columns: Sequence[str] = (
        "timestamp",
        "customer_number",
        "company",
        "employee_name",
        "employee_email",
        "activity_type",
        "reference_type",
        "reference_id",
        "comment",
        "performed_by",
    )

    def __init__(self, export: Export, store: Store, scope: Scope) -> None:
        """Read what an export asks for, in the scope of whoever asked. Raises `TypeError` for an export of something else."""
        if not isinstance(export.filters, ActivityFilters):
            raise TypeError(export.kind)
        self._wanted = export.filters
        self._store, self._scope = store, scope
        self._time_zone = export.time_zone
        self._end = export.until
        # What the store keeps no longer is not shown any more, whether it is deleted already or not.
        kept_since = export.requested_at - timedelta(days=store.activity_days)
        self._begin = min(max(export.begin, kept_since), self._end)
        self._known_people, self._known_companies = Known(self._person), Known(self._company)
        # Those of the stretch at hand.
        self._people: Mapping[str, _Person | None] = {}
        self._companies: Mapping[str, _Company | None] = {}
        self._sieve = Sieve(dict(self._checks()))
        self.filters = _in_words(export, store, scope)

    def read(self, position: str | None) -> Iterator[Stretch]:
        """Read on behind a position, from the beginning if there is none."""
        first, last = behind(position) if position else stamp(self._begin), stamp(self._end)
        for partitions, index, ahead in self._lists(position):
            for entries in batched(read_between(partitions, index, first, last), STRETCH, strict=False):
                yield self._sifted(entries)
            # An empty month takes a while too: whoever dies behind it need not look into it again.
            if ahead:
                yield Stretch((), ahead, self._share(ahead), {})

    def judged(self, entries: Sequence[Noted]) -> Iterator[tuple[Sequence[Cell], bool]]:
        """Return the rows of some entries with whether they would be among those that are read: for whose activity it is."""
        self._look_up(entries)
        shown, kept_since = set(self._sieve.sift(entries)[0]), stamp(self._begin)
        return ((self._row(entry), entry in shown and entry.position >= kept_since) for entry in entries)

    def left_nothing(self) -> str | None:
        """Tell which of the filters that choose what is read left nothing."""
        if not self._store.track_activity:
            return "consent"
        first, last = stamp(self._begin), stamp(self._end)
        if not any(has_any(partitions_of_month(self._store.id, month), "gsi1", first, last) for month in self._months(None)):
            return "period"
        return "customer_id" if self._wanted.customer_id else "employee_id" if self._wanted.employee_id else None

    def _lists(self, position: str | None) -> Iterator[tuple[Sequence[str], Index | None, str | None]]:
        """Tell where to read on: in which partitions, of which index, and from where behind them."""
        months = self._months(position)
        if months and self._wanted.customer_id:
            yield [partition_of_customer(self._store.id, self._wanted.customer_id)], "gsi2", None
        elif months and self._wanted.employee_id:
            yield [partition_of_member(self._store.id, self._wanted.employee_id)], None, None
        else:
            for month, following in zip(months, [*months[1:], None], strict=False):
                yield partitions_of_month(self._store.id, month), "gsi1", following

    def _months(self, position: str | None) -> list[str]:
        """Return the months that are left behind a position; none for a time that has yet to come."""
        months = months_between(self._begin, self._end) if self._begin < self._end else []
        return [month for month in months if position is None or month >= position[:7]]

    def _share(self, position: str) -> float:
        until = datetime.fromisoformat(position.partition("#")[0] if "#" in position else f"{position}-01T00:00Z")
        return max(0.0, min(1.0, (until - self._begin) / (self._end - self._begin)))

    def _sifted(self, entries: Sequence[Noted]) -> Stretch:
        self._look_up(entries)
        left, reached = self._sieve.sift(entries)
        position = entries[-1].position
        return Stretch([self._row(entry) for entry in left], position, self._share(position), reached)

    def _checks(self) -> Iterator[tuple[str, Callable[[Noted], bool] | None]]:
        """The filters in their order."""
        wanted = self._wanted
        yield "period", None
        if wanted.customer_id:
            yield "customer_id", lambda entry: entry.customer_id == wanted.customer_id
        if wanted.employee_id:
            yield "employee_id", lambda entry: entry.member_id == wanted.employee_id
        # Before what looks into an entry: nobody is told by it what there is of others, or of people who do not allow it.
        yield "scope", self._is_visible
        yield "consent", self._is_shown
        if wanted.type:
            yield "type", lambda entry: entry.type == wanted.type

    def _is_visible(self, entry: Noted) -> bool:
        # As `is_visible` has it, of which each company is asked once.
        if entry.customer_id is None:
            return self._scope.reach == "store" or entry.member_id == self._scope.member_id
        company = self._companies[entry.customer_id]
        return company is not None and company.visible

    def _is_shown(self, entry: Noted) -> bool:
        # As `is_shown` has it, of which each person is asked once.
        person = self._people[entry.member_id]
        return person is not None and person.consent == entry.consent

    def _row(self, entry: Noted) -> Sequence[Cell]:
        person = self._people[entry.member_id]
        # As it is called now: whoever was erased is named in nobody's activity any more.
        actor = self._people[entry.actor_id] if entry.actor_id else None
        company = self._companies[entry.customer_id] if entry.customer_id else None
        return (
            local_time(datetime.fromisoformat(entry.at), self._time_zone),
            company and company.number,
            company and company.name,
            person and person.name,
            person and person.email,
            entry.type,
            entry.reference_type,
            entry.reference_id,
            entry.comment,
            actor.name if actor else entry.performed_by,
        )

    def _look_up(self, entries: Sequence[Noted]) -> None:
        """Read whoever appears in some entries and is not known yet."""
        named_in = {each for entry in entries for each in (entry.member_id, entry.actor_id) if each}
        people = {each: member_key(each, self._store.id) for each in sorted(named_in)}
        companies = {each: customer_key(self._store.id, each) for entry in entries if (each := entry.customer_id)}
        known, named = self._known_people.of(people.values()), self._known_companies.of(companies.values())
        self._people = {each: known[key] for each, key in people.items()}
        self._companies = {each: named[key] for each, key in companies.items()}

    def _company(self, record: Record) -> _Company:
        customer = record.load(Customer)
        return _Company(customer.number, customer.name, self._scope.covers(customer))

    def _person(self, record: Record) -> _Person:
        member = record.load(Member)
        return _Person(member.name, member.email, member.consent if may_be_kept(self._store, member) else None)


def _in_words(export: Export, store: Store, scope: Scope) -> Mapping[str, str]:
    """Return the filters of an export, in the order in which they are applied, with what they stand for."""
    wanted = {name: value for name, value in export.filters if value}
    words = {
        "period": period_in_words("recorded", export),
        "customer_id": "the customer that was chosen",
        "employee_id": "the employee that was chosen",
        "scope": "all customers" if scope.reach == "store" else "customers that you may see",
        "consent": "people who allow it" if store.track_activity else "the store's setting, which is not to track activity",
        "type": f"the type {wanted.get('type')}",
    }
    return {name: said for name, said in words.items() if name in wanted or name in {"period", "scope", "consent"}}
