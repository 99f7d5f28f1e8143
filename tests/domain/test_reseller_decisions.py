"""What is decided about a reseller: from where to where, in which channel, and what the rules leave to people."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from tradepost.domain.customers import Customer, PostalAddress, ResellerStatus, ResellerSummary
from tradepost.domain.errors import ConflictError, InvalidError
from tradepost.domain.people import SYSTEM
from tradepost.domain.reseller_decisions import (
    CHANNEL_REQUIRED,
    OUTCOMES,
    TRANSITIONS,
    Approved,
    Denied,
    Ground,
    NeedsReview,
    ResellerMove,
    activation,
    allowed_transitions,
    channel_by_hand,
    channel_by_itself,
    decided,
    into_channel,
    joined,
    proposed,
    reinstated,
    suspended,
)
from tradepost.domain.resellers import Application, Contact, Reseller
from tradepost.domain.stores import Store

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
STATUSES: tuple[ResellerStatus, ...] = get_args(ResellerStatus.__value__)
MOVES: tuple[ResellerMove, ...] = get_args(ResellerMove.__value__)
GROUND = Ground("Because", "approval.store.1", 3, ({"path": "/when", "result": True},))


def reseller(status: ResellerStatus = "pending", **fields: Any) -> Reseller:
    """Return a reseller in a state."""
    address = PostalAddress(street="Quay 9", postal_code="20457", city="Hamburg", country="DE")
    application = Application(company="Resell", contact=Contact(name="Rea", email="rea@resell.test"), address=address)
    return Reseller(id="p", store_id="acme", application=application, status=status, enrolled_at=AT, **fields)


def store(**fields: Any) -> Store:
    """Return a store."""
    return Store(slug="acme", name="Acme", currency="EUR", time_zone="Europe/Berlin", opened_at=AT, **fields)


def customer(status: ResellerStatus | None) -> Customer:
    """Return a customer, which is a reseller unless there is no status."""
    summary = ResellerSummary(id="p", status=status, channel_id="c") if status else None
    return Customer(id="1", store_id="acme", number="C-1", name="Resell", group_id=None, reseller=summary, created_at=AT)


def carried_out(move: ResellerMove, before: Reseller) -> Reseller:
    """Decide by hand."""
    match move:
        case "approve":
            return decided(before, Approved("c", Ground("Because")), by=SYSTEM, at=AT)
        case "deny":
            return decided(before, Denied(Ground("Because")), by=SYSTEM, at=AT)
        case "suspend":
            return suspended(before, by=SYSTEM, at=AT, reason="Because")
        case "reinstate":
            return reinstated(before, by=SYSTEM, at=AT, reason="Because")


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_decision_leads_where_it_says_or_is_refused_with_those_that_there_are(
    status: ResellerStatus, move: ResellerMove
) -> None:
    before = reseller(status)
    if status not in TRANSITIONS[move]:
        with pytest.raises(ConflictError) as refusal:
            carried_out(move, before)
        assert (refusal.value.code, refusal.value.extra["allowed_transitions"]) == (
            "invalid_transition",
            allowed_transitions(status),
        )
        return
    after = carried_out(move, before)
    assert after.status in OUTCOMES[move]
    [step] = after.history
    assert (step.from_status, step.to, step.reason, after.reason) == (status, after.status, "Because", "Because")
    assert move not in allowed_transitions(after.status), "it is not decided twice"


@pytest.mark.parametrize(("activated_at", "back"), [(AT, "active"), (None, "approved")])
def test_who_is_reinstated_is_what_it_was(activated_at: datetime | None, back: ResellerStatus) -> None:
    assert carried_out("reinstate", reseller("suspended", activated_at=activated_at)).status == back


def test_a_review_changes_nothing_but_what_is_known() -> None:
    after = decided(reseller(), NeedsReview(GROUND), by=SYSTEM, at=AT)
    assert (after.status, after.decided_by, after.reason, after.trace) == ("pending", None, "Because", GROUND.trace)
    [step] = after.history
    assert (step.from_status, step.to, step.rule_id, step.rule_version) == ("pending", "pending", "approval.store.1", 3)
    with pytest.raises(ConflictError):
        decided(reseller("denied"), NeedsReview(GROUND), by=SYSTEM, at=AT)


@pytest.mark.parametrize(
    ("action", "wanted"), [("deny", Denied), ("review", NeedsReview), ("approve", Approved), (None, Approved)]
)
def test_what_the_rules_say_is_what_is_decided_and_approving_is_what_happens_where_they_say_nothing(
    action: Any, wanted: type[Any]
) -> None:
    decision = proposed(action, GROUND, "c")
    assert isinstance(decision, wanted)
    assert decision.ground == GROUND


def test_an_approval_by_itself_needs_a_channel_that_nobody_has_to_choose() -> None:
    assert proposed("approve", GROUND, None) == NeedsReview(GROUND._replace(reason=CHANNEL_REQUIRED))
    assert channel_by_itself(store(), []) is None
    assert channel_by_itself(store(), ["a"]) == "a"
    assert channel_by_itself(store(), ["a", "b"]) is None
    assert channel_by_itself(store(default_channel_id="b"), []) == "b"


def test_by_hand_the_only_channel_serves_and_of_several_one_has_to_be_named() -> None:
    assert channel_by_hand(["a"]) == "a"
    for ids in ([], ["a", "b"]):
        with pytest.raises(InvalidError) as refusal:
            channel_by_hand(ids)
        assert (refusal.value.code, refusal.value.faults[0].pointer) == (CHANNEL_REQUIRED, "/channel_id")


@pytest.mark.parametrize("source", ["portal", "fast_order", "offer", "api", "inventory_source"])
@pytest.mark.parametrize("status", [*STATUSES, None])
def test_only_an_approved_reseller_becomes_active_and_only_by_three_ways(status: ResellerStatus | None, source: str) -> None:
    step = activation(customer(status), source, by=SYSTEM, at=AT)
    assert (step is not None) == (status == "approved" and source in {"portal", "api", "inventory_source"})


@pytest.mark.parametrize("status", [*STATUSES, None])
def test_who_may_order(status: ResellerStatus | None) -> None:
    if status in {None, "approved", "active"}:
        customer(status).may_order()
        return
    with pytest.raises(ConflictError) as refusal:
        customer(status).may_order()
    assert refusal.value.code == ("reseller_suspended" if status == "suspended" else "reseller_not_approved")


def test_what_joins_is_one_company_with_one_administrator_in_its_channel() -> None:
    approved = decided(reseller(), Approved("c"), by=SYSTEM, at=AT)
    joining = joined(approved, customer_id="1", address_id="2", number="C-1", group_id=None, at=AT)
    assert joining.customer.reseller == ResellerSummary(id="p", status="approved", channel_id="c")
    assert (joining.reseller.customer_id, joining.customer.administrators) == ("1", {joining.member.person: True})
    assert (joining.member.is_administrator, joining.member.joined_at) == (True, AT)
    assert joining.customer.main_address is not None


def test_into_another_channel_comes_only_who_is_in_one() -> None:
    assert into_channel(reseller("suspended", customer_id="1"), "d").channel_id == "d"
    with pytest.raises(ConflictError):
        into_channel(reseller(), "d")


def test_the_tier_is_the_customers_own_its_channels_or_its_groups_in_this_order() -> None:
    sold = store(channel_tiers={"c": "channel's"}, group_tiers={"g": "group's"})
    plain, resells = customer(None), customer("active")
    assert (sold.tier_of(plain), sold.tier_of(resells)) == (None, "channel's")
    assert sold.tier_of(plain.model_copy(update={"group_id": "g"})) == "group's"
    assert sold.tier_of(resells.model_copy(update={"group_id": "g"})) == "channel's"
    assert sold.tier_of(resells.model_copy(update={"group_id": "g", "price_tier_id": "own"})) == "own"
    assert store(group_tiers={"g": "group's"}).tier_of(resells.model_copy(update={"group_id": "g"})) == "group's"
