"""The form behind an invitation's link: what the store has entered, and what the person makes of it."""

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup
from pydantic import ValidationError

from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.passwords import MAX_LENGTH, MIN_LENGTH, check_password
from tradepost.http.invitation_links import Acceptance, Offer
from tradepost.pages.forms import Field, faults_of
from tradepost.pages.rendering import bdi

PASSWORD_HINT: Final = (
    f"{MIN_LENGTH} to {MAX_LENGTH} characters. A few words that have nothing to do with each other are a good one."
)
_ADDRESS: Final = {
    "street": ("Street and number", "address-line1"),
    "postal_code": ("Postal code", "postal-code"),
    "city": ("City", "address-level2"),
    "region": ("State or region", "address-level1"),
    "country": ("Country", "country"),
}


def company_fields(offer: Offer, typed: Mapping[str, str]) -> list[Field]:
    """Return the fields that the store has filled in: as they were typed, or else as they were entered.

    An employee or a sales rep has none of them: no company is theirs to correct.
    """
    if offer.company is None:
        return []
    held = offer.address
    company = Field("company", "Company", autocomplete="organization", value=offer.company, given=True)
    entered = held.model_dump() if held else {}
    address = [
        Field(
            name,
            label,
            value=entered.get(name) or "",
            kind="country" if name == "country" else "text",
            autocomplete=autocomplete,
            max_length=20 if name == "postal_code" else 200,
            required=held is not None and name != "region",
            given=held is not None,
        )
        for name, (label, autocomplete) in _ADDRESS.items()
    ]
    return [field._replace(value=typed.get(field.name, field.value)) for field in (company, *address)]


def person_fields(offer: Offer, typed: Mapping[str, str]) -> list[Field]:
    """Return the fields of the account: an existing one only proves itself by its password.

    Whatever was typed as a password is never shown again.
    """
    email = Field(
        "email",
        "E-mail address",
        value=offer.invitation.email,
        kind="email",
        autocomplete="username",
        hint="You log in with it. The invitation was sent there.",
        fixed=True,
        max_length=254,
    )
    if offer.account:
        own = Field(
            "password",
            "Password",
            kind="password",
            autocomplete="current-password",
            hint="The one of your account.",
            max_length=1000,
        )
        return [email, own]
    entered = Markup("Entered by {}. Change it if it is not right.").format(bdi(offer.entered_by))
    name = Field("name", "Your name", value=offer.name or "", autocomplete="name", hint=entered if offer.name else "")
    phone = Field(
        "phone",
        "Telephone",
        value=offer.phone or "",
        kind="tel",
        autocomplete="tel",
        hint=entered if offer.phone else "",
        required=False,
    )
    about = [field._replace(value=typed.get(field.name, field.value)) for field in (name, phone)]
    new = Field("password", "Password", kind="password", autocomplete="new-password", hint=PASSWORD_HINT, max_length=1000)
    return [*about, email, new]


def acceptance_of(offer: Offer, typed: Mapping[str, str]) -> Acceptance:
    """Read the form: whatever was left as the store had entered it corrects nothing. Raises `InvalidError` with every fault."""
    password = typed.get("password", "")
    given: dict[str, Any] = {"password": password}
    if offer.account is None:
        given |= {"name": typed.get("name", offer.name or ""), "phone": typed.get("phone")}
    if offer.company is not None:
        given |= _company(offer, offer.company, typed)
    faults = _password_faults(offer, password, given.get("name", ""))
    try:
        acceptance = Acceptance.model_validate(given)
    except ValidationError as error:
        faults = [*faults_of(error), *faults]
    else:
        if not faults:
            return acceptance
    raise InvalidError(*faults)


def _company(offer: Offer, entered: str, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was changed of the company; its address, where the store had entered none, if anything of one was given."""
    company = typed.get("company", entered)
    given: dict[str, Any] = {} if company == entered else {"company": company}
    held = offer.address
    before = held.model_dump() if held else {}
    after = {name: typed.get(name, before.get(name) or "").strip() for name in _ADDRESS}
    if all(after[name] == (before.get(name) or "") for name in _ADDRESS):
        return given
    corrected = {**before, **after, "region": after["region"] or None}
    if held and held.company == entered:
        corrected["company"] = company
    return {**given, "address": corrected}


def _password_faults(offer: Offer, password: str, name: str) -> list[Fault]:
    if offer.account:
        # An empty field is an oversight and no failed attempt.
        return [] if password else [Fault("/password", "must not be empty")]
    try:
        check_password(password, personal=(offer.invitation.email, name))
    except InvalidError as error:
        return list(error.faults)
    return []
