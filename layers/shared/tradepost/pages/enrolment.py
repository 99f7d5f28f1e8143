"""The form by which a company enrols as a reseller."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.passwords import check_password
from tradepost.http.enrolments import NewEnrolment
from tradepost.pages.acceptance import PASSWORD_HINT
from tradepost.pages.forms import Field, faults_of

_COMPANY: Final = (
    Field("company", "Company", autocomplete="organization"),
    Field("street", "Street and number", autocomplete="address-line1"),
    Field("postal_code", "Postal code", autocomplete="postal-code", max_length=20),
    Field("city", "City", autocomplete="address-level2"),
    Field("region", "State or region", autocomplete="address-level1", required=False),
    Field("country", "Country", kind="country", autocomplete="country"),
    Field("tax_id", "Tax number", hint="Such as the VAT identification number.", required=False),
)
_PERSON: Final = (
    Field("name", "Your name", autocomplete="name"),
    Field(
        "email",
        "E-mail address",
        kind="email",
        autocomplete="username",
        hint="You log in with it. The link is sent there.",
        max_length=254,
    ),
    Field(
        "password",
        "Password",
        kind="password",
        autocomplete="new-password",
        hint=f"{PASSWORD_HINT} If you have an account already, it keeps the password that it has.",
        max_length=1000,
    ),
)
_ADDRESS: Final = ("street", "postal_code", "city", "region", "country")


def enrolling_company(typed: Mapping[str, str]) -> list[Field]:
    """Return the fields of the company, as they were typed."""
    return [field._replace(value=typed.get(field.name, "")) for field in _COMPANY]


def enrolling_person(typed: Mapping[str, str]) -> list[Field]:
    """Return the fields of the person, as they were typed. Whatever was typed as a password is never shown again."""
    return [field._replace(value="" if field.kind == "password" else typed.get(field.name, "")) for field in _PERSON]


def enrolment_of(typed: Mapping[str, str]) -> NewEnrolment:
    """Read the form. Raises `InvalidError` with every fault, that of the password included."""
    text = {field.name: typed.get(field.name, "") for field in (*_COMPANY, *_PERSON)}
    given: dict[str, Any] = {
        "company": text["company"],
        "contact": {"name": text["name"], "email": text["email"].strip(), "password": text["password"]},
        "address": {**{name: text[name] for name in _ADDRESS}, "region": text["region"].strip() or None},
        "tax_id": text["tax_id"],
        "website": typed.get("website", ""),
    }
    faults = _password_faults(text)
    try:
        new = NewEnrolment.model_validate(given)
    except ValidationError as error:
        faults = [*map(_in_short, faults_of(error)), *faults]
    else:
        if not faults or new.website:
            return new
    raise InvalidError(*faults)


def _password_faults(text: Mapping[str, str]) -> list[Fault]:
    try:
        check_password(text["password"], personal=(text["email"], text["name"], text["company"]))
    except InvalidError as error:
        return list(error.faults)
    return []


def _in_short(fault: Fault) -> Fault:
    """Say of an address that it is none, without what exactly is missing by the rules of mail."""
    typo = fault.pointer == "/email" and fault.message.startswith("is not an e-mail address")
    return Fault(fault.pointer, "is not complete, or has a typing error") if typo else fault
