"""What is kept of others forgets a person, and nothing but that person."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tradepost.domain.erasures import NOBODYS_ADDRESS, NOBODYS_NAME, Traces, erased, must_be_erasable, without_name
from tradepost.domain.errors import ConflictError
from tradepost.domain.exports import CustomerFilters, EmptyBecause, Export
from tradepost.domain.ids import member_id, person_key
from tradepost.domain.people import ConsentChange, Member
from tradepost.domain.permissions import Role

AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
EMAIL = "Ida@BlueDoor.test"
ID = member_id("acme", person_key(EMAIL), "blue")
TRACES = Traces.of(ID)


def member(**fields: Any) -> Member:
    """Return Ida, who buys for Blue Door."""
    known = {"id": ID, "store_id": "acme", "person": person_key(EMAIL), "role": Role.BUYER, "name": "Ida", "email": EMAIL}
    return Member(**{**known, "customer_id": "blue", "phone": "1", "landing": "orders", **fields})


def party(id_: str = ID, **fields: Any) -> dict[str, Any]:
    """Return somebody as an actor."""
    return {"type": "member", "id": id_, "name": "Ida", **fields}


@pytest.mark.parametrize(
    ("document", "left"),
    [
        (party(), party(name=NOBODYS_NAME)),
        (party("acme.other.blue"), party("acme.other.blue")),
        # What merely has the same id is something else.
        (party(type="api_key"), party(type="api_key")),
        ({"name": "Ida", "note": "Ida called"}, {"name": "Ida", "note": "Ida called"}),
        (
            {"email": "ida@bluedoor.TEST", "name": "Ida", "phone": "1", "edits": [{"after": "Ida"}], "state": "accepted"},
            {"email": NOBODYS_ADDRESS, "name": NOBODYS_NAME, "phone": None, "edits": [], "state": "accepted"},
        ),
        ({"email": "una@bluedoor.test", "name": "Una"}, {"email": "una@bluedoor.test", "name": "Una"}),
        ({"to": [EMAIL, "una@bluedoor.test"], "cc": ()}, {"to": [NOBODYS_ADDRESS, "una@bluedoor.test"], "cc": []}),
        ({"history": [{"actor": party(), "at": 1}]}, {"history": [{"actor": party(name=NOBODYS_NAME), "at": 1}]}),
        ({"email": None, "count": 3, "open": True}, {"email": None, "count": 3, "open": True}),
    ],
)
def test_a_document_forgets_the_persons_name_and_address_and_nothing_else(document: Any, left: Any) -> None:
    assert TRACES.removed_from(document) == left
    assert TRACES.removed_from(left) == left
    assert TRACES.are_in(document) is (document != left)


def test_an_erased_place_keeps_its_decisions_and_nothing_that_says_whose_it_was() -> None:
    allowed = ConsentChange(at=AT, allowed=True, text_version="2026-11")
    place = erased(member(consents=(allowed,)), at=AT)
    assert (place.name, place.email, place.phone, place.landing) == (NOBODYS_NAME, NOBODYS_ADDRESS, None, None)
    assert (place.status, place.erased_at, place.erasing, place.allows_activity) == ("revoked", AT, True, False)
    assert [each.allowed for each in place.consents] == [True, False]
    assert erased(member(), at=AT).consents == ()


def test_nobody_erases_the_owner() -> None:
    must_be_erasable(member())
    with pytest.raises(ConflictError) as refused:
        must_be_erasable(member(role=Role.OWNER))
    assert refused.value.code == "owner_cannot_be_erased"


def export(sales_rep_id: str) -> Export:
    """Return somebody's export of a sales rep's customers, of which there are none."""
    return Export(
        id="e",
        store_id="acme",
        kind="customers",
        filters=CustomerFilters(sales_rep_id=sales_rep_id),
        begin=AT,
        end=AT,
        time_zone="Europe/Berlin",
        file_name="acme-customers.csv",
        filters_in_words=("status active", "sales rep Ida"),
        fingerprint="f",
        requested_by=member().party,
        member_id="ola",
        requested_at=AT,
        empty_because=EmptyBecause(filter="sales_rep_id", detail="This removed the last 5: customers allocated to Ida."),
    )


def test_an_export_of_what_a_person_looked_after_does_not_call_it_by_name() -> None:
    forgotten = without_name(export(ID), ID)
    assert forgotten.filters_in_words == ("status active", f"sales rep {NOBODYS_NAME}")
    assert forgotten.empty_because == EmptyBecause(filter="sales_rep_id", detail="This filter left nothing.")
    assert without_name(forgotten, ID) == forgotten
    others = export("another")
    assert without_name(others, ID) is others
