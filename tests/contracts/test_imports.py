"""Imports point inward, and no cold start pays for a library that its use case does not need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.functions import FUNCTIONS, ROOT, function_names
from tests.support.imports import LAYER, imported, loaded_by

PACKAGE = LAYER / "tradepost"

# What each part may import of our own package, and of libraries with the reason.
OURS: dict[str, set[str]] = {
    "domain": {"domain"},
    "settings": set(),
    "table": {"domain", "settings", "table"},
    "aws": {"domain", "settings", "aws", "table.shapes"},
    "http": {"domain", "settings", "table", "aws", "http"},
    "payments": {"domain", "settings", "table", "aws", "payments"},
    "exports": {"domain", "settings", "table", "aws", "exports"},
    "mails": {"domain", "settings", "table", "aws", "mails"},
    "pages": {"domain", "settings", "table", "aws", "http", "pages"},
}
LIBRARIES = {
    "domain": {
        "pydantic": "the models",
        "email_validator": "what an e-mail address is",
        "iso3166": "countries",
        "iso4217": "currencies and their decimals",
        "ulid": "ids that sort by time",
        "argon2": "the one way passwords are kept",
        "zxcvbn": "how soon a password is guessed",
    },
    "settings": {"pydantic": "the settings' types"},
    "table": {"pynamodb": "DynamoDB", "pydantic": "the models"},
    "aws": {"botocore": "AWS, without what boto3 puts on top"},
    "http": {
        "aws_lambda_powertools": "routing, validation, OpenAPI, logging",
        "pydantic": "the models",
        "pynamodb": "its errors, when a session ends while it is noted as used, and when a look is not written down",
    },
    "payments": {
        "aws_lambda_powertools": "logging",
        "pydantic": "Stripe's events",
        "stripe": "Stripe's own client, loaded when Stripe is asked",
    },
    "exports": {},
    "mails": {
        "aws_lambda_powertools": "logging",
        "liquid": "the templates",
        "markupsafe": "escaping",
        "pydantic": "the templates' values",
    },
    "pages": {
        "aws_lambda_powertools": "the responses",
        "jinja2": "the templates",
        "markupsafe": "escaping",
        "pydantic": "its errors, told beside the fields",
    },
    "functions": {
        "aws_lambda_powertools": "parameters, responses, logging",
        "pydantic": "request models",
        "pynamodb": "filters, and its errors in the health check",
        "botocore": "its errors, and SES's state in the health check",
        "segno": "a pairing code as a QR image",
        "icalendar": "an event as a calendar file",
    },
}

PASSWORDS = {
    "identity/change_password": "the present and the new password",
    "identity/erase_person": "proves the password",
    "identity/log_in": "proves the password",
    "identity/open_store": "the owner's password",
    "identity/reset_password": "the new password",
    "identity/reset_password_page": "the new password",
    "invitations/accept_invitation": "the new person's password",
    "invitations/accept_invitation_page": "the new person's password",
    "offers/show_offer_page": "proves the password",
    "resellers/enrol_reseller": "the new person's password",
    "resellers/enrol_reseller_page": "the new person's password",
}
PAGES = {
    "billing/print_invoice": "a page, for paper",
    "identity/reset_password_page": "a page",
    "invitations/accept_invitation_page": "a page",
    "offers/print_offer": "a page, for paper",
    "offers/show_offer_page": "a page",
    "resellers/confirm_enrolment_page": "a page",
    "resellers/enrol_reseller_page": "a page",
}
# Libraries that a cold start notices, and the functions that load them all the same, with the reason.
HEAVY: dict[str, dict[str, str]] = {
    "argon2": PASSWORDS,
    "jinja2": PAGES,
    "liquid": {
        "events/mail_participants": "checks and previews circular mails",
        "notifications/send_mail": "writes the mails",
        "offers/preview_offer_mail": "writes the mail that it shows",
        "stores/manage_email_templates": "checks and previews templates",
    },
    "zxcvbn": {},  # 70 ms of dictionaries: loaded when a password is chosen
    "iso4217": {},  # a parsed table: loaded when a currency is
    "icalendar": {},  # a third of a second: loaded when a calendar file is asked for
    "segno": {},  # a tenth of a second: loaded when a code is shown
    "stripe": {},  # half a second and 17 MB: loaded when Stripe is asked, or tells something
    "boto3": {},  # botocore serves
    "aws_xray_sdk": {},  # half a second
    "aws_lambda_powertools.utilities.idempotency": {},  # ours is part of the transaction
    "aws_lambda_powertools.utilities.batch": {},  # reporting failures takes one line
}


def _part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _libraries(modules: frozenset[str]) -> set[str]:
    return {name for name in modules if "." not in name} - sys.stdlib_module_names - {"tradepost"}


def _ours(file: Path) -> set[str]:
    """Return what a file imports of the package: the innermost modules only, not the packages around them."""
    modules = {name.removeprefix("tradepost.") for name in imported(file) if name.startswith("tradepost.")}
    return {name for name in modules if not any(other.startswith(f"{name}.") for other in modules)}


MODULES = sorted(file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_what_lies_further_in_and_known_libraries(file: Path) -> None:
    allowed = OURS[_part(file)]
    outward = {name for name in _ours(file) if not any(f"{name}.".startswith(f"{part}.") for part in allowed)}
    assert outward == set()
    assert _libraries(imported(file)) <= LIBRARIES[_part(file)].keys()


def test_every_library_that_is_allowed_is_used() -> None:
    used: dict[str, set[str]] = {part: set() for part in LIBRARIES}
    for file in MODULES:
        used[_part(file)] |= _libraries(imported(file))
    for name in function_names():
        used["functions"] |= _libraries(imported(FUNCTIONS / name / "app.py"))
    assert used == {part: set(libraries) for part, libraries in LIBRARIES.items()}


@pytest.mark.parametrize("function", function_names())
def test_a_function_imports_the_layer_and_never_another_function(function: str) -> None:
    modules = imported(FUNCTIONS / function / "app.py")
    assert _libraries(modules) <= LIBRARIES["functions"].keys()


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_is_loaded_by_those_that_need_it_alone(library: str) -> None:
    assert {name for name in function_names() if library in loaded_by(FUNCTIONS / name / "app.py")} == HEAVY[library].keys()


def test_the_libraries_themselves_load_nothing_heavy_behind_our_back() -> None:
    code = f"import sys, runpy; runpy.run_path(sys.argv[1]); sys.exit(' '.join(set({sorted(HEAVY)}) & set(sys.modules)))"
    function = FUNCTIONS / "stores" / "manage_price_tiers" / "app.py"
    environment = {**os.environ, "PYTHONPATH": str(LAYER)}
    run = subprocess.run(
        [sys.executable, "-c", code, function], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.stderr.strip() == ""
