"""How often something may be done within a while."""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import NamedTuple

from tradepost.domain.errors import ThrottledError


class RateLimit(NamedTuple):
    """At most so many in each window of time. `code` and `detail` tell whoever comes more often."""

    what: str
    most: int
    window: timedelta
    code: str
    detail: str

    def window_at(self, at: datetime) -> int:
        """Return the number of the window in which something is counted."""
        return int(at.timestamp() // self.window.total_seconds())

    def ends_at(self, at: datetime) -> int:
        """Return the second in which that window ends, since 1970."""
        return int((self.window_at(at) + 1) * self.window.total_seconds())

    def seconds_left(self, at: datetime) -> int:
        """Return for how many seconds that window goes on, at least one."""
        return max(1, ceil(self.ends_at(at) - at.timestamp()))

    def refusal(self, at: datetime) -> ThrottledError:
        """Return the error that says when it is worth trying again."""
        return ThrottledError(self.code, self.detail, retry_after=self.seconds_left(at))


def place_of(address: str) -> str:
    """Return the place of the network that an IP address stands for: of IPv6, where everybody has many, the subnet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
