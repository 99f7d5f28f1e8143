"""What becomes of a company that enrols: a stranger, one that waits, or the one that it has been."""

from datetime import UTC, datetime, timedelta

import pytest

from tradepost.domain.customers import PostalAddress, ResellerStatus
from tradepost.domain.limits import place_of
from tradepost.domain.people import SYSTEM, Party
from tradepost.domain.resellers import ENROLMENT_LIFETIME, Application, Contact, Enrolment, Reseller, applied, enrolled

AT = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
NILS = Party(type="anonymous", name="Nils")


def enrolment(company: str = "Harbour Lights") -> Enrolment:
    application = Application(
        company=company,
        contact=Contact(name="Nils", email="nils@harbourlights.test"),
        address=PostalAddress(street="Quay 7", postal_code="24103", city="Kiel", country="DE"),
    )
    return Enrolment(id="e", store_id="acme", reseller_id="r", application=application, password_hash="argon", enrolled_at=AT)


def reseller(status: ResellerStatus) -> Reseller:
    decided: dict[str, object] = {"status": status, "decided_by": SYSTEM, "reason": "So it is", "trace": ({},)}
    kept = {"customer_id": "c", "channel_id": "l", "confirmed_at": AT, "version": 3}
    return enrolled(enrolment("As it was")).model_copy(update={**decided, **kept})


def test_a_stranger_waits_once_its_enrolment_is_confirmed() -> None:
    for before in (None, enrolled(enrolment("As it was"))):
        waiting = applied(enrolment(), before, by=NILS, at=AT + timedelta(hours=1))
        assert waiting
        assert (waiting.status, waiting.application.company, waiting.enrolled_at) == ("pending", "Harbour Lights", AT)
        assert [(step.from_status, step.to, step.actor) for step in waiting.history] == [("unconfirmed", "pending", NILS)]


def test_whoever_was_denied_waits_again_and_stays_what_it_was_besides() -> None:
    waiting = applied(enrolment(), reseller("denied"), by=NILS, at=AT)
    assert waiting
    assert (waiting.status, waiting.decided_by, waiting.reason, waiting.trace) == ("pending", None, None, None)
    assert (waiting.version, waiting.customer_id, waiting.channel_id) == (3, "c", "l")


@pytest.mark.parametrize("status", ["pending", "approved", "active", "suspended"])
def test_for_everybody_else_nothing_changes(status: ResellerStatus) -> None:
    assert applied(enrolment(), reseller(status), by=NILS, at=AT) is None


def test_an_enrolment_is_open_for_a_week_unless_it_is_confirmed_which_takes_its_password_away() -> None:
    assert enrolment().is_open(AT + ENROLMENT_LIFETIME - timedelta(microseconds=1))
    assert not enrolment().is_open(AT + ENROLMENT_LIFETIME)
    done = enrolment().confirmed(AT)
    assert (done.is_open(AT), done.password_hash, done.account(AT)) == (False, None, None)
    account = enrolment().account(AT)
    assert account
    assert (account.person, account.email, account.password_hash, account.version) == (
        "r",
        "nils@harbourlights.test",
        "argon",
        0,
    )


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_place_of_the_network_is_an_address_or_a_subnet(address: str, place: str) -> None:
    assert place_of(address) == place
