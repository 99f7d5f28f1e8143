"""The filters of an export: what passes all of them, and how many entries got past each."""

from collections.abc import Callable, Iterable, Mapping


class Sieve[E]:
    """Filters by name, in the order in which they are applied; those without a check are kept by whatever is read."""

    def __init__(self, checks: Mapping[str, Callable[[E], bool] | None]) -> None:
        """Begin with the filters that are set."""
        self._checks = checks

    def sift(self, entries: Iterable[E]) -> tuple[list[E], Mapping[str, int]]:
        """Return the entries that pass all filters, and the counts of those that got past each."""
        left = list(entries)
        reached: dict[str, int] = {}
        for name, check in self._checks.items():
            left = left if check is None else [entry for entry in left if check(entry)]
            reached[name] = len(left)
        return left, reached
