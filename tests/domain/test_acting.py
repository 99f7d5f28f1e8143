"""Acting: for whom nobody can, and what ends it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tradepost.domain.acting import ActingSession, acting_until, agrees, refuse_without_consent, why_not_act_for
from tradepost.domain.customers import Customer
from tradepost.domain.errors import ForbiddenError
from tradepost.domain.people import Account, ActingNote, Member, Party, Session
from tradepost.domain.permissions import Role
from tradepost.domain.stores import Store

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE, AFTER = AT - timedelta(days=1), AT + timedelta(minutes=1)
REP = Party(type="member", id="acme.rep", name="Rhea")
STORE = Store(slug="acme", name="Acme", currency="EUR", time_zone="Europe/Berlin", opened_at=BEFORE)
CUSTOMER = Customer(id="c", store_id="acme", number="C-1", name="Blue Door", group_id="g", created_at=BEFORE)
ACCOUNT = Account(
    person="rep", email="rhea@reps.test", name="Rhea", password_hash="", sessions_valid_from=BEFORE, created_at=BEFORE
)
EMPLOYEE = Member(
    id="acme.ida.c",
    store_id="acme",
    person="ida",
    role=Role.BUYER,
    name="Ida",
    email="ida@bluedoor.test",
    customer_id="c",
    employee_role="admin",
    joined_at=BEFORE,
)
ACTING = ActingSession(
    id="a",
    store_id="acme",
    customer_id="c",
    customer_name="Blue Door",
    employee_id=EMPLOYEE.id,
    actor=REP,
    subject=EMPLOYEE.party,
    session_id="s",
    reason="Asked by telephone",
    device="tests",
    address="",
    started_at=AT,
    expires_at=acting_until(AT, 30),
)


def refusal(*, customer: dict[str, Any] | None = None, status: str = "active", needs_consent: bool = False) -> str | None:
    """Return why nobody may act, with something changed."""
    error = why_not_act_for(
        CUSTOMER.model_copy(update=customer or {}),
        EMPLOYEE.model_copy(update={"status": status}),
        STORE.model_copy(update={"acting_needs_consent": needs_consent}),
    )
    return error.code if error else None


def test_somebody_acts_for_whoever_has_joined_a_customer_that_is_active() -> None:
    assert refusal() is None
    assert refusal(customer={"allows_acting": True}, needs_consent=True) is None
    assert refusal(customer={"kind": "b2c", "active": False}) == "customer_is_b2c"
    assert refusal(customer={"active": False}) == "customer_inactive"
    assert refusal(status="pending") == "employee_not_active"
    assert refusal(needs_consent=True) == "acting_not_allowed"


def test_consent_matters_only_where_the_store_demands_it() -> None:
    demanding, agreeing = (
        STORE.model_copy(update={"acting_needs_consent": True}),
        CUSTOMER.model_copy(update={"allows_acting": True}),
    )
    assert [agrees(CUSTOMER, STORE), agrees(agreeing, demanding), agrees(CUSTOMER, demanding)] == [True, True, False]
    refuse_without_consent(CUSTOMER, STORE)
    with pytest.raises(ForbiddenError) as refused:
        refuse_without_consent(CUSTOMER, demanding)
    assert refused.value.code == "acting_not_allowed"


def holds(*, at: datetime = AFTER, **changed: dict[str, Any]) -> bool:
    """Tell whether it goes on with something changed."""
    acting, account = ACTING.model_copy(update=changed.get("acting")), ACCOUNT.model_copy(update=changed.get("account"))
    employee, customer = (
        EMPLOYEE.model_copy(update=changed.get("employee")),
        CUSTOMER.model_copy(update=changed.get("customer")),
    )
    return acting.holds(account, employee, customer, at=at)


def test_it_goes_on_until_its_minutes_are_over_or_it_is_ended() -> None:
    assert holds(at=AT)
    assert holds(at=ACTING.expires_at - timedelta(milliseconds=1))
    assert not holds(at=ACTING.expires_at)
    assert not holds(acting={"ended_at": AFTER})


@pytest.mark.parametrize(
    "changed",
    [
        {"account": {"sessions_valid_from": AFTER}},
        {"account": {"sessions_valid_from": AFTER, "kept_session": "s"}},
        {"employee": {"status": "revoked"}},
        {"employee": {"status": "pending", "joined_at": None}},
        {"employee": {"joined_at": AFTER}},
        {"employee": {"joined_at": None}},
        {"customer": {"active": False}},
        {"customer": {"kind": "b2c"}},
    ],
)
def test_it_ends_with_what_it_began_under(changed: dict[str, Any]) -> None:
    assert not holds(**changed)


def test_a_session_says_for_whom_somebody_acts_in_it_while_that_goes_on() -> None:
    session = Session(
        id="s",
        member_id="acme.rep",
        member_name="Rhea",
        started_at=AT,
        last_seen_at=AT,
        device="tests",
        address="",
        acting=ACTING.note,
    )
    assert session.acting_at(AFTER) == ActingNote(id="a", subject=EMPLOYEE.party, until=ACTING.expires_at)
    assert session.acting_at(ACTING.expires_at) is None
    assert session.model_copy(update={"acting": None}).acting_at(AFTER) is None
