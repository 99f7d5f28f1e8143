"""API keys: until when they work, and how many of them may at once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.api_keys import MAX_LIVE_KEYS, ApiKey, KeyRing, recognisable
from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import derived_token, parse_token
from tradepost.domain.people import SYSTEM, Member
from tradepost.domain.permissions import GRANTS, Permission, Role

AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIGNED = b"k" * 64


def key(**fields: object) -> ApiKey:
    """Return a key that was made at nine."""
    whose = {"id": "k", "store_id": "acme", "customer_id": "c", "member_id": "acme.p.c"}
    made = {"name": "Shop", "prefix": "tp_key_acme…", "scopes": (), "created_at": AT, "created_by": SYSTEM}
    return ApiKey.model_validate({**whose, **made, **fields})


def member(**fields: object) -> Member:
    """Return the contact, who joined an hour before."""
    who = {"id": "acme.p.c", "store_id": "acme", "person": "p", "role": "buyer", "name": "Ida", "email": "ida@doors.test"}
    return Member.model_validate({**who, "joined_at": AT - HOUR, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "active"),
        ({"replaced_by": "n", "expires_at": AT + 2 * HOUR}, "replaced"),
        ({"replaced_by": "n", "expires_at": AT + HOUR}, "expired"),
        ({"revoked_at": AT}, "revoked"),
        ({"revoked_at": AT, "replaced_by": "n", "expires_at": AT}, "revoked"),
    ],
)
def test_a_key_works_until_it_is_revoked_or_its_overlap_ends(fields: dict[str, object], expected: str) -> None:
    later = AT + HOUR
    assert key(**fields).status_at(later) == expected
    assert key(**fields).is_live(member(), at=later) == (expected in {"active", "replaced"})


@pytest.mark.parametrize(
    "fields", [{"status": "revoked"}, {"status": "pending"}, {"joined_at": None}, {"joined_at": AT + HOUR / 2}]
)
def test_a_key_works_while_its_person_keeps_the_place_that_it_was_made_in(fields: dict[str, object]) -> None:
    assert not key().is_live(member(**fields), at=AT + HOUR)


def test_a_key_is_granted_nothing_that_its_person_is_not() -> None:
    every = key(scopes=("catalog:read", "invoices:read", "orders:read", "orders:write", "payments:read"))
    assert every.permissions <= GRANTS[Role.BUYER]
    assert key().permissions == {Permission.READ_PROFILE}


@given(st.from_regex(r"[a-z0-9]{4,20}", fullmatch=True), st.text())
def test_a_key_is_recognised_by_what_tells_nothing_of_its_secret(store: str, seed: str) -> None:
    token = derived_token(SIGNED, "key", f"{store}.p.c", seed)
    assert parse_token(str(token)) == token
    beginning, end = recognisable(token).split("…")
    assert str(token).startswith(f"{beginning}.")
    assert str(token).endswith(end)
    assert len(end) == 4
    assert token.secret not in recognisable(token)


def test_a_ring_holds_so_many_keys_and_forgets_those_that_ended() -> None:
    ring = KeyRing(store_id="acme", customer_id="c")
    for number in range(MAX_LIVE_KEYS):
        ring = ring.with_key(str(number), at=AT)
    with pytest.raises(ConflictError) as full:
        ring.with_key("more", at=AT)
    assert full.value.code == "too_many_api_keys"
    assert "0" not in ring.ending("0", AT, at=AT).ends
    waiting = ring.ending("0", AT + HOUR, at=AT)
    with pytest.raises(ConflictError):
        waiting.with_key("more", at=AT)
    assert waiting.with_key("more", at=AT + HOUR).ends.keys() == {*ring.ends, "more"} - {"0"}
