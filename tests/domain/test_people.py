"""People: what each role may do, how long a session lives, and how many tries an address has."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.errors import ConflictError
from tradepost.domain.people import (
    FAILED_LOG_INS,
    RESET_LIFETIME,
    SESSION_IDLE,
    SESSION_LIFETIME,
    Account,
    Member,
    NewEmployee,
    NewSalesRep,
    PasswordReset,
    Session,
    Throttle,
    engaged,
    hired,
    locked_out,
    shortened_address,
)
from tradepost.domain.permissions import ADMINISTRATORS_GRANTS, GRANTS, Permission, Role

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
ACCOUNT = Account(
    person="ida", email="ida@doors.test", name="Ida", password_hash="$argon2id$", sessions_valid_from=AT, created_at=AT
)
MEMBER = Member(
    id="acme.ida.c1", store_id="acme", person="ida", role=Role.BUYER, name="Ida", email="ida@doors.test", joined_at=AT
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def session(started_at: datetime = AT, *, seen: timedelta = timedelta(), id_: str = "s1") -> Session:
    """Return a session that was last seen a while after its start."""
    return Session(
        id=id_, member_id=MEMBER.id, member_name="Ida", started_at=started_at, last_seen_at=started_at + seen, device="",
        address="",
    )  # fmt: skip


def test_a_buyer_may_nothing_that_is_the_stores_business() -> None:
    stores = {Permission.MANAGE_STORE, Permission.MANAGE_PRODUCTS, Permission.LIST_CUSTOMERS, Permission.INVITE}
    assert GRANTS[Role.BUYER].isdisjoint(stores)
    assert stores <= GRANTS[Role.OWNER]


def test_every_role_is_granted_something_and_every_permission_to_somebody() -> None:
    assert set(GRANTS) == set(Role)
    acting = MEMBER.grants_to_whoever_acts
    assert frozenset[Permission]().union(*GRANTS.values(), acting) == set(Permission)


def test_only_an_administrator_looks_after_employees_and_only_once_it_has_joined() -> None:
    admin = MEMBER.model_copy(update={"customer_id": "c1", "employee_role": "admin"})
    buyer = admin.model_copy(update={"employee_role": "buyer"})
    assert admin.grants - buyer.grants == ADMINISTRATORS_GRANTS
    assert (admin.is_administrator, buyer.is_administrator) == (True, False)
    assert not admin.model_copy(update={"status": "pending"}).is_administrator


def test_a_place_is_given_once_and_after_it_was_taken_away_with_what_the_person_decided() -> None:
    new = NewEmployee(name="Ida Holm", email="IDA@doors.test", role="admin")
    first = engaged(new, None, store_id="acme", customer_id="c1")
    assert (first.status, first.joined_at, first.employee_role, first.version) == ("pending", None, "admin", 0)
    assert first.id == new.model_copy(update={"email": "ida@doors.test"}).place("acme", "c1")
    for status in ("pending", "active"):
        with pytest.raises(ConflictError):
            engaged(new, first.model_copy(update={"status": status}), store_id="acme", customer_id="c1")
    joined = first.model_copy(update={"version": 3, "status": "revoked", "joined_at": AT, "phone": "1", "landing": "orders"})
    decided = joined.deciding_on_activity(allowed=False, at=AT)
    again = engaged(new, decided, store_id="acme", customer_id="c1")
    assert (again.status, again.joined_at, again.phone, again.version) == ("pending", None, None, 3)
    assert (again.landing, again.consents) == ("orders", decided.consents)


def test_a_sales_rep_is_hired_once_and_after_it_was_revoked_with_what_it_decided() -> None:
    new = NewSalesRep(name="Rhea", email="RHEA@reps.test", access="allocated")
    first = hired(new, None, store_id="acme")
    assert (first.role, first.status, first.customer_id, first.rep_status) == (Role.REP, "pending", None, "invited")
    assert first.id == new.model_copy(update={"email": "rhea@reps.test"}).place("acme")
    for status in ("pending", "active", "inactive"):
        with pytest.raises(ConflictError):
            hired(new, first.model_copy(update={"status": status}), store_id="acme")
    with pytest.raises(ConflictError):
        hired(new, MEMBER, store_id="acme")
    gone = first.model_copy(
        update={"version": 3, "status": "revoked", "supervisor": True, "joined_at": AT, "landing": "orders"}
    )
    again = hired(new, gone, store_id="acme")
    assert (again.status, again.joined_at, again.supervisor, again.landing, again.version) == (
        "pending",
        None,
        False,
        "orders",
        3,
    )


def test_a_sales_rep_is_switched_off_and_on_and_no_session_of_before_lives() -> None:
    rep, later = MEMBER.model_copy(update={"role": Role.REP}), AT + timedelta(hours=1)
    away = rep.switched(active=False, at=AT)
    assert (away.rep_status, session().is_live(ACCOUNT, away, at=AT)) == ("inactive", False)
    back = away.switched(active=True, at=later)
    assert (back.rep_status, back.joined_at, back.admitted_at) == ("active", rep.joined_at, later)
    assert [session(start).is_live(ACCOUNT, back, at=later) for start in (AT, later)] == [False, True]
    assert (rep.switched(active=True, at=later), away.switched(active=False, at=later)) == (rep, away)
    for status in ("pending", "revoked"):
        with pytest.raises(ConflictError) as refusal:
            rep.model_copy(update={"status": status}).switched(active=True, at=AT)
        assert refusal.value.code == "rep_not_accepted"


@given(st.timedeltas(timedelta(), timedelta(days=40)))
def test_a_session_ends_when_it_is_left_alone_and_after_thirty_days(seen: timedelta) -> None:
    used = session(seen=seen)
    assert used.expires_at == AT + min(seen + SESSION_IDLE, SESSION_LIFETIME)
    assert not used.is_live(ACCOUNT, MEMBER, at=used.expires_at)
    if used.expires_at > AT:
        assert used.is_live(ACCOUNT, MEMBER, at=used.expires_at - timedelta(milliseconds=1))


def test_a_new_password_ends_what_began_before_it_but_for_the_session_it_was_changed_in() -> None:
    later = AT + timedelta(minutes=1)
    changed = ACCOUNT.with_password("$argon2id$new", at=later, keeping="kept")
    assert not session(id_="other").is_live(changed, MEMBER, at=later)
    assert session(id_="kept").is_live(changed, MEMBER, at=later)
    assert session(later).is_live(changed, MEMBER, at=later)
    assert not session(id_="kept").is_live(changed.with_password("$argon2id$newer", at=later), MEMBER, at=later)


def test_a_place_that_was_lost_and_given_again_is_entered_anew() -> None:
    later = AT + timedelta(minutes=1)
    assert not session().is_live(ACCOUNT, MEMBER.model_copy(update={"status": "revoked"}), at=AT)
    again = MEMBER.model_copy(update={"joined_at": later})
    assert not session().is_live(ACCOUNT, again, at=later)
    assert session(later).is_live(ACCOUNT, again, at=later)


@given(INSTANTS, st.integers(0, 30))
def test_whoever_failed_too_often_waits_until_the_quarter_is_over_and_no_longer(at: datetime, failures: int) -> None:
    throttles = [
        Throttle(window=FAILED_LOG_INS.window_at(at), tally=failures),
        Throttle(window=FAILED_LOG_INS.window_at(at) - 1, tally=99),
    ]
    refusal = locked_out(throttles, at=at)
    wait = refusal.retry_after if refusal else 0
    assert (wait > 0) == (failures >= FAILED_LOG_INS.most)
    assert wait <= FAILED_LOG_INS.window.total_seconds()
    assert locked_out(throttles, at=at + timedelta(seconds=wait)) is None


def test_simultaneous_failures_in_several_items_count_together() -> None:
    window = FAILED_LOG_INS.window_at(AT)
    assert locked_out([Throttle(window=window, tally=5), Throttle(window=window, tally=5)], at=AT) is not None


@given(st.lists(st.booleans(), max_size=20))
def test_only_a_change_of_mind_is_noted(decisions: list[bool]) -> None:
    member = MEMBER
    for step, allowed in enumerate(decisions):
        member = member.deciding_on_activity(allowed=allowed, at=AT + timedelta(days=step))
        assert member.allows_activity is allowed
    noted = [change.allowed for change in member.consents]
    assert all(one is not other for one, other in pairwise(noted))
    assert member.allows_activity is (decisions[-1] if decisions else False)


def test_a_reset_lives_for_an_hour() -> None:
    reset = PasswordReset(nonce="n", digest="d", requested_at=AT)
    assert reset.is_live(at=AT + RESET_LIFETIME - timedelta(milliseconds=1))
    assert not reset.is_live(at=AT + RESET_LIFETIME)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("203.0.113.7", "203.0.113.*"), ("2001:db8::17", "2001:db8::*"), ("", "unknown"), ("somewhere", "unknown")],
)
def test_an_address_is_shown_without_its_last_part(address: str, shown: str) -> None:
    assert shortened_address(address) == shown
