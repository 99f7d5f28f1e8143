"""Activities whose consent was withdrawn: whether there are some, and their end."""

from collections.abc import Callable
from datetime import datetime
from itertools import batched
from typing import Final

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.export_reviews import Trace
from tradepost.table.activities import partition_of_member
from tradepost.table.listing import all_of, list_partition
from tradepost.table.records import Record
from tradepost.table.withdrawals import withdrawal_key

_MOST_A_CALL: Final = 25
_CONSENT: Final = "data.consent"


def may_have_left(trace: Trace) -> bool:
    """Tell whether there is such activity, with one consistent Query; also if that does not look at all there is."""
    chosen = [("customer_id", trace.customer_id), ("type", trace.type)]
    fields = [Path(f"data.{name}") == value for name, value in chosen if value]
    where = all_of([Path(_CONSENT) == trace.consent, *fields])
    between = (stamp(trace.begin), stamp(trace.end))
    found = list_partition(partition_of_member(trace.store_id, trace.member_id), limit=1, where=where, between=between)
    return bool(found.records) or found.next_position is not None


def note_erasing(store_id: str, number: int, *, at: datetime) -> None:
    """Note with a withdrawal when erasing began, if that is not noted yet."""
    since = Path("data.erasing_since")
    try:
        Record(*withdrawal_key(store_id, number)).update([since.set(stamp(at))], condition=since.is_type("NULL"))
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise


def erase_activities(store_id: str, member_id: str, *, consent: int, before: datetime, has_time: Callable[[], bool]) -> bool:
    """Delete the activities of a person that were written under the consents up to a number, and recorded before an instant.

    Some are deleted in any case; returns whether all are. Done again, it deletes what has been written since.
    """
    partition = partition_of_member(store_id, member_id)
    wanted, withdrawn = Record.sk < stamp(before), Path(_CONSENT) <= consent
    pages = Record.query(
        partition, wanted, withdrawn, consistent_read=True, attributes_to_get=["pk", "sk"], page_size=1000
    ).page_iter
    for page in pages:
        for items in batched(page["Items"], _MOST_A_CALL, strict=False):
            with Record.batch_write() as batch:
                for item in items:
                    batch.delete(Record(item["pk"]["S"], item["sk"]["S"]))
            if not has_time():
                return False
    return True
