"""Invitations: what can become of one, and which word each dead link has for it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradepost.domain.customers import Customer, InvitationSummary
from tradepost.domain.errors import ConflictError, DomainError, ThrottledError
from tradepost.domain.invitations import (
    RENEWAL_PAUSE,
    Edit,
    Invitation,
    accept,
    edits_of,
    invite,
    invite_member,
    mail_of,
    readdress,
    reason_to_skip,
    renew,
    resend,
    revoke,
    why_dead,
)
from tradepost.domain.people import Member, Party
from tradepost.domain.permissions import Role

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
LIFETIME = timedelta(days=14)
OLA = Party(type="member", id="acme.ola", name="Ola Nordmann")
CUSTOMER = Customer(
    id="c1", store_id="acme", number="C-1", name="Blue Door", email="buyer@bluedoor.test", group_id="g1", created_at=AT
)


def fresh() -> Invitation:
    """Return an invitation of this moment."""
    return invite(CUSTOMER, invitation_id="acme.i1", by=OLA, at=AT, lifetime=LIFETIME)


def told(invitation: Invitation, generation: int, at: datetime) -> str | None:
    """Return the code of a dead link; None for one that lives."""
    error = why_dead(invitation, generation, at=at)
    return error.code if error else None


def summary(state: str, expires_at: datetime = AT + LIFETIME) -> Customer:
    """Return the customer with an invitation in a state."""
    told = {"id": "acme.i1", "state": state, "delivery": "sent", "expires_at": expires_at}
    return CUSTOMER.model_copy(update={"invitation": InvitationSummary.model_validate(told)})


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        (None, "out_of_scope"),
        (CUSTOMER.model_copy(update={"email": None}), "no_email"),
        (CUSTOMER.model_copy(update={"active": False}), "inactive"),
        (summary("pending"), "already_invited"),
        (summary("accepted"), "already_accepted"),
        (summary("accepted", AT - LIFETIME), "already_accepted"),
        (summary("revoked"), None),
        (summary("pending", AT), None),
        (CUSTOMER, None),
    ],
)
def test_who_can_be_invited_and_why_not(customer: Customer | None, reason: str | None) -> None:
    assert reason_to_skip(customer, at=AT) == reason
    if customer and reason:
        with pytest.raises(ConflictError) as refused:
            invite(customer, invitation_id="acme.i2", by=OLA, at=AT, lifetime=LIFETIME)
        assert refused.value.code == reason


def test_an_invitation_lives_until_its_last_instant() -> None:
    last = AT + LIFETIME - timedelta(milliseconds=1)
    assert (told(fresh(), 1, last), fresh().state_at(last)) == (None, "pending")
    assert (told(fresh(), 1, AT + LIFETIME), fresh().state_at(AT + LIFETIME)) == ("invitation_expired", "expired")


def test_the_first_reason_that_helps_is_told() -> None:
    late = AT + LIFETIME
    moved = readdress(fresh(), "new@bluedoor.test")
    assert told(moved, 1, late) == "invitation_replaced"
    assert told(moved, 2, late) == "invitation_expired"
    assert told(revoke(moved, at=late), 2, late) == "invitation_revoked"
    joined = accept(moved, by="acme.ida", at=AT)
    assert (told(joined, 2, late), told(joined, 1, late)) == ("invitation_used", "invitation_replaced")
    assert told(fresh(), 2, AT) == "not_found"
    unknown = why_dead(None, 1, at=AT)
    assert unknown is not None
    assert unknown.code == "not_found"


@given(st.timedeltas(timedelta(), timedelta(minutes=10)))
def test_a_pause_is_told_in_whole_seconds_after_which_it_is_over(passed: timedelta) -> None:
    at = AT + passed
    try:
        again = renew(fresh(), at=at, lifetime=LIFETIME)
    except ThrottledError as refused:
        assert passed < RENEWAL_PAUSE
        again = renew(fresh(), at=at + timedelta(seconds=refused.retry_after), lifetime=LIFETIME)
    else:
        assert passed >= RENEWAL_PAUSE
    assert (again.generation, again.sendings, again.expires_at - again.announced_at) == (1, 2, LIFETIME)


def test_resending_brings_an_expired_link_back_and_kills_none() -> None:
    late = AT + LIFETIME
    again = resend(fresh(), at=late, lifetime=LIFETIME)
    assert told(again, 1, late) is None
    assert again.delivery == "queued"


@pytest.mark.parametrize(("change", "reason"), [({"active": False}, "inactive"), ({"suppressed": True}, "address_suppressed")])
def test_no_mail_goes_to_whom_none_should_reach(change: dict[str, bool], reason: str) -> None:
    invitation = fresh().model_copy(update=change)
    with pytest.raises(ConflictError) as refused:
        resend(invitation, at=AT, lifetime=LIFETIME)
    assert refused.value.code == reason
    moved = readdress(fresh().model_copy(update={"suppressed": True}), "new@bluedoor.test")
    assert resend(moved, at=AT, lifetime=LIFETIME).delivery == "queued"


def test_a_link_to_hand_out_is_no_mail_and_may_go_to_an_address_that_mail_does_not_reach() -> None:
    suppressed = CUSTOMER.model_copy(update={"suppressed": True})
    assert reason_to_skip(suppressed, at=AT) == "address_suppressed"
    assert reason_to_skip(suppressed, at=AT, by_mail=False) is None
    handed = invite(suppressed, invitation_id="acme.i1", by=OLA, at=AT, lifetime=LIFETIME, by_mail=False)
    assert (handed.delivery, handed.sendings) == ("none", 0)


def test_an_address_cannot_be_taken_from_a_pending_one() -> None:
    with pytest.raises(ConflictError) as refused:
        readdress(fresh(), None)
    assert refused.value.code == "invitation_pending"
    joined = accept(fresh(), by="acme.ida", at=AT)
    assert readdress(joined, None) is joined


@pytest.mark.parametrize(("role", "customer_id", "kind"), [(Role.REP, None, "sales_rep"), (Role.BUYER, "c1", "employee")])
def test_whoever_is_invited_by_name_counts_for_no_customer(role: Role, customer_id: str | None, kind: str) -> None:
    person = Member(
        id="acme.p", store_id="acme", person="p", role=role, name="Pia", email="Pia@doors.test", customer_id=customer_id,
        status="pending",
    )  # fmt: skip
    made = invite_member(person, invitation_id="acme.i1", by=OLA, at=AT, lifetime=LIFETIME)
    assert (made.kind, made.customer_id, made.member_id, made.standing) == (kind, customer_id, "acme.p", frozenset())
    assert (mail_of(made).customer_id, mail_of(made).member_id) == (customer_id, "acme.p")
    for change, code in (({"status": "active"}, "already_accepted"), ({"suppressed": True}, "address_suppressed")):
        with pytest.raises(ConflictError) as refusal:
            invite_member(person.model_copy(update=change), invitation_id="acme.i2", by=OLA, at=AT, lifetime=LIFETIME)
        assert refusal.value.code == code


def test_a_mail_names_the_generation_that_it_was_announced_for() -> None:
    moved = readdress(fresh(), "new@bluedoor.test")
    assert (mail_of(fresh()).generation, mail_of(moved).generation) == (1, 2)
    assert (mail_of(moved).renewed, mail_of(moved, renewed=True).renewed) == (False, True)


class AnInvitationsLife(RuleBasedStateMachine):
    """Whatever happens in whatever order: one link lives at most, and what is over stays over."""

    def __init__(self) -> None:
        super().__init__()
        self.invitation = fresh()
        self.at = AT

    @rule(by=st.timedeltas(timedelta(), timedelta(days=8)))
    def time_passes(self, by: timedelta) -> None:
        self.at += by

    @rule()
    def it_is_revoked(self) -> None:
        self.invitation = revoke(self.invitation, at=self.at)
        assert revoke(self.invitation, at=self.at) is self.invitation

    @rule(email=st.sampled_from(["a@doors.test", "b@doors.test"]))
    def its_customer_moves(self, email: str) -> None:
        before = self.invitation
        self.invitation = readdress(before, email)
        assert (self.invitation.generation > before.generation) == (before.state == "pending")

    @rule()
    def it_is_resent(self) -> None:
        try:
            self.invitation = resend(self.invitation, at=self.at, lifetime=LIFETIME)
        except DomainError as refused:
            assert isinstance(refused, ThrottledError) or self.invitation.state != "pending"

    @precondition(lambda self: why_dead(self.invitation, self.invitation.generation, at=self.at) is None)
    @rule()
    def it_is_accepted(self) -> None:
        self.invitation = accept(self.invitation, by="acme.ida", at=self.at)

    @invariant()
    def only_the_present_link_can_live(self) -> None:
        living = [
            generation
            for generation in range(self.invitation.generation + 2)
            if why_dead(self.invitation, generation, at=self.at) is None
        ]
        pending = self.invitation.state_at(self.at) == "pending"
        assert living == ([self.invitation.generation] if pending else [])

    @invariant()
    def the_customers_item_tells_the_same(self) -> None:
        assert self.invitation.summary.state_at(self.at) == self.invitation.state_at(self.at)


TestAnInvitationsLife = AnInvitationsLife.TestCase


def test_what_is_said_otherwise_than_it_was_entered_is_an_edit_and_nothing_else_is() -> None:
    entered = {"company": "Blue Door", "address.region": None, "address.city": "Kiel"}
    said = {"company": "Red Gate", "address.region": "SH", "address.city": "Kiel", "name": "Ida Holm"}
    assert edits_of(entered, said) == (
        Edit(field="company", before="Blue Door", after="Red Gate"),
        Edit(field="address.region", before=None, after="SH"),
    )
    assert edits_of(entered, {}) == edits_of(entered, entered) == ()
