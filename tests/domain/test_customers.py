"""Customers: their addresses have one default for each purpose, and sorting never fails whatever the name."""

import unicodedata
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tradepost.domain.customers import MAX_ADDRESSES, Address, Customer, NewAddress, PostalAddress, listed, with_address
from tradepost.domain.errors import InvalidError
from tradepost.table.shapes import CUSTOMER, MAX_SK_BYTES

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
POSTAL = {"street": "Harbour Street 5", "postal_code": "20457", "city": "Hamburg", "country": "DE"}


def customer(**fields: Any) -> Customer:
    """Return a customer."""
    given = {"id": "c1", "store_id": "acme", "number": "C-1", "name": "Blue Door", "group_id": "g1", "created_at": AT}
    return Customer.model_validate({**given, **fields})


def ids() -> Any:
    """Return new ids, one after the other."""
    return (f"a{number}" for number in count())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=MAX_ADDRESSES))
def test_there_is_one_default_for_each_purpose_or_the_list_is_refused(marks: list[tuple[bool, bool]]) -> None:
    sent = [NewAddress(**POSTAL, default_billing=billing, default_shipping=shipping) for billing, shipping in marks]
    try:
        addresses = listed(sent, (), ids())
    except InvalidError as refused:
        assert max(sum(billing for billing, _ in marks), sum(shipping for _, shipping in marks)) > 1
        assert refused.faults[0].pointer.startswith("/addresses/")
        return
    assert len({address.id for address in addresses}) == len(marks)
    if marks:
        assert sum(address.default_billing for address in addresses) == 1
        assert sum(address.default_shipping for address in addresses) == 1


def test_an_address_keeps_the_id_that_it_is_sent_with() -> None:
    known = [Address(**POSTAL, id="home"), Address(**POSTAL, id="work")]
    addresses = listed([NewAddress(**POSTAL, id="work"), NewAddress(**POSTAL)], known, ids())
    assert [address.id for address in addresses] == ["work", "a0"]


@pytest.mark.parametrize(("sent", "pointer"), [(["nothing"], "/addresses/0/id"), (["home", "home"], "/addresses/1/id")])
def test_the_id_of_no_address_and_one_that_is_named_twice_are_refused(sent: list[str], pointer: str) -> None:
    with pytest.raises(InvalidError) as refused:
        listed([NewAddress(**POSTAL, id=id_) for id_ in sent], [Address(**POSTAL, id="home")], ids())
    assert refused.value.faults[0].pointer == pointer


def test_more_addresses_than_a_customer_may_have_are_refused() -> None:
    with pytest.raises(InvalidError):
        listed([NewAddress(**POSTAL)] * (MAX_ADDRESSES + 1), (), ids())


def test_a_persons_own_address_takes_the_place_of_the_default_one() -> None:
    held = customer(
        addresses=[
            Address(**POSTAL, id="work", label="Warehouse", default_shipping=True),
            Address(**POSTAL, id="home", label="Office", default_billing=True),
        ]
    )
    own = PostalAddress(**{**POSTAL, "city": "Kiel"})
    work, home = with_address(held, own, "new").addresses
    assert (work, home.city, home.id, home.label) == (held.addresses[0], "Kiel", "home", "Office")
    (only,) = with_address(customer(), own, "new").addresses
    assert (only.id, only.default_billing, only.default_shipping) == ("new", True, True)


def test_an_address_that_is_not_the_customers_is_pointed_at() -> None:
    held = customer(addresses=[Address(**POSTAL, id="home")])
    assert held.address("home", "/billing_address_id").city == "Hamburg"
    with pytest.raises(InvalidError) as refused:
        held.address("work", "/billing_address_id")
    assert (refused.value.code, refused.value.faults[0].pointer) == ("unknown_address", "/billing_address_id")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cf", "Zs", "Zl", "Zp", "Cn")), min_size=200, max_size=200))
def test_the_longest_name_fits_into_a_key(name: str) -> None:
    assume(len(unicodedata.normalize("NFC", name)) <= 200)  # some letters are composed of more than they look like
    key = CUSTOMER.index1(store="s" * 40, name=customer(name=name).sort_name, customer="c" * 26)
    assert len(key.sk.encode()) <= MAX_SK_BYTES


def test_names_sort_without_regard_to_letter_case() -> None:
    names = ["blue Door", "Blue Basket", "BLUE CUP"]
    assert sorted(names, key=lambda name: customer(name=name).sort_name) == ["Blue Basket", "BLUE CUP", "blue Door"]
