"""What an export knows of other items: little, and of the latest ones alone."""

from collections.abc import Sequence

from tests.support.listed import STORE, put_entries
from tests.support.table import counted_calls
from tradepost.domain.clock import now
from tradepost.domain.stores import CustomerGroup
from tradepost.exports.known import Known
from tradepost.table.stores import list_key


def test_what_is_known_is_not_read_again_until_it_makes_room_for_others(aws: None) -> None:
    put_entries(*(CustomerGroup(id=each, name=each.upper(), price_tier_id="t", created_at=now()) for each in "abcd"))
    known = Known(lambda record: str(record.document()["name"]), most=3)

    def look_up(groups: Sequence[str]) -> tuple[list[str | None], list[str]]:
        with counted_calls() as calls:
            found = known.of(list_key(CustomerGroup, STORE.id, each) for each in groups)
        return list(found.values()), calls

    assert look_up("abab") == (["A", "B"], ["BatchGetItem"])
    assert look_up("xa") == ([None, "A"], ["BatchGetItem"])
    assert look_up("xba") == ([None, "B", "A"], [])
    # Room for three: what was asked for longest ago goes, and all that is asked for at once is told.
    assert look_up("abcd") == (["A", "B", "C", "D"], ["BatchGetItem"])
    assert look_up("bcd") == (["B", "C", "D"], [])
    assert look_up("x") == ([None], ["BatchGetItem"])
