"""Times are UTC instants to the millisecond; days belong to a store's time zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MOMENT: Final = timedelta(milliseconds=1)
"""The smallest time that is told apart."""


def now() -> datetime:
    """Return the present instant in UTC, cut to milliseconds as the contract shows it."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def stamp(instant: datetime) -> str:
    """Write an instant as RFC 3339 with a fixed width, so that texts sort as times do."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_of(instant: datetime, time_zone: str) -> date:
    """Return the day that an instant belongs to in a time zone."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def local_time(instant: datetime, time_zone: str) -> datetime:
    """Return an instant as clocks in a time zone show it."""
    return instant.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)


def start_of_day(day: date, time_zone: str) -> datetime:
    """Return the instant at which a day begins in a time zone; days beyond the calendar begin at its edge."""
    try:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if day.year == 1 else datetime.max.replace(tzinfo=UTC)


def end_of_day(day: date, time_zone: str) -> datetime:
    """Return the instant at which a day is over in a time zone, and the next one begins."""
    return start_of_day(day + timedelta(days=1), time_zone) if day < date.max else datetime.max.replace(tzinfo=UTC)
