"""The directory of companies: what their own people confirmed of them, found by name from every store and owned by none."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from tradepost.domain.customers import Customer
from tradepost.domain.limits import RateLimit
from tradepost.domain.people import Account
from tradepost.domain.values import Email, Entity, Instant, Text

MIN_LETTERS: Final = 2
MAX_SUGGESTED: Final = 20
INVITED_BY_NAME: Final = RateLimit(
    "invited-by-name", 50, timedelta(days=1), "too_many_companies", "You have invited many companies of the directory today."
)


class Company(Entity):
    """A company whose contact has joined some store. Only its name and city ever leave the directory."""

    entity: ClassVar = "company"

    id: str
    name: Text
    city: Text | None = None
    person: str
    email: Email
    registered_at: Instant


def confirmed(customer: Customer, *, company_id: str, contact: Account, before: Company | None, at: datetime) -> Company | None:
    """Return a company's entry as its contact confirms it by joining a store; None where nothing is to be written.

    Nobody changes the entry of somebody else. A city that is not told this time stays.
    """
    city = customer.main_address.city if customer.main_address else None
    if before is None:
        person, email = contact.person, contact.email
        return Company(id=company_id, name=customer.name, city=city, person=person, email=email, registered_at=at)
    told = before.model_copy(update={"name": customer.name, "city": city or before.city})
    return None if before.person != contact.person or told == before else told
