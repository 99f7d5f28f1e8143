"""What becomes of a company's entry in the directory when its contact joins a store."""

from datetime import UTC, datetime
from typing import Any

from tradepost.domain.companies import Company, confirmed
from tradepost.domain.customers import Address, Customer
from tradepost.domain.people import Account

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDA = Account(person="ida", email="ida@bluedoor.test", name="Ida", password_hash="-", sessions_valid_from=NOW, created_at=NOW)


def customer(name: str = "Blue Door", city: str | None = "Hamburg") -> Customer:
    address: dict[str, Any] = {"street": "Quay 7", "postal_code": "1", "city": city, "country": "DE", "default_billing": True}
    addresses = (Address(id="first", **address),) if city else ()
    return Customer(id="c", store_id="acme", number="C-1", name=name, group_id="g", addresses=addresses, created_at=NOW)


def told(before: Company | None, now: Customer, contact: Account = IDA) -> Company | None:
    return confirmed(now, company_id="x", contact=contact, before=before, at=NOW)


def test_a_company_is_registered_by_the_first_who_joins_for_it() -> None:
    entry = told(None, customer())
    assert entry == Company(
        id="x", name="Blue Door", city="Hamburg", person="ida", email="ida@bluedoor.test", registered_at=NOW
    )
    nowhere = told(None, customer(city=None))
    assert nowhere is not None
    assert nowhere.city is None


def test_what_is_confirmed_once_more_is_not_written_once_more() -> None:
    entry = told(None, customer())
    assert told(entry, customer()) is None
    assert told(entry, customer(city=None)) is None


def test_its_contact_changes_an_entry_and_nobody_else_does() -> None:
    entry = told(None, customer())
    moved = told(entry, customer("Blue Door & Sons", "Kiel"))
    assert moved is not None
    assert (moved.name, moved.city, moved.person, moved.registered_at) == ("Blue Door & Sons", "Kiel", "ida", NOW)
    eve = IDA.model_copy(update={"person": "eve", "email": "eve@evil.test"})
    assert told(entry, customer("Evil Door"), contact=eve) is None
