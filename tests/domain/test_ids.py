"""Ids and tokens: whatever was not made by us is told apart without looking anything up."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.ids import (
    Token,
    derived_token,
    digest,
    enrolment_token,
    fingerprint,
    link_token,
    member_id,
    new_id,
    new_invitation_id,
    parse_enrolment_token,
    parse_link,
    parse_token,
    person_key,
    readable_number,
    split_member_id,
)

KEY = b"k" * 64
OWNERS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]\.[a-z2-7]{26}(\.[0-9a-z]{26})?", fullmatch=True)
INVITATIONS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]\.[0-9a-z]{26}", fullmatch=True)


@given(OWNERS, st.text())
def test_a_token_that_we_made_is_recognised_with_all_it_says(owner: str, seed: str) -> None:
    token = derived_token(KEY, "session", owner, seed)
    assert parse_token(str(token)) == token
    assert token == derived_token(KEY, "session", owner, seed)


@given(OWNERS, st.data())
def test_a_token_with_one_wrong_character_is_none(owner: str, data: st.DataObject) -> None:
    text = str(derived_token(KEY, "session", owner, "seed"))
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.characters().filter(lambda character: character != text[place]))
    assert parse_token(text[:place] + wrong + text[place + 1 :]) is None


@given(st.text())
def test_any_text_can_be_offered_as_a_token_or_a_link(text: str) -> None:
    assert parse_token(text) is None
    assert parse_link(KEY, text) is None
    assert parse_enrolment_token(KEY, text) is None


@given(INVITATIONS, st.data())
def test_an_enrolments_link_is_recognised_and_one_with_a_wrong_character_is_none(what: str, data: st.DataObject) -> None:
    store, _, enrolment = what.partition(".")
    text = enrolment_token(KEY, store, enrolment)
    assert parse_enrolment_token(KEY, text) == (store, enrolment)
    assert parse_enrolment_token(b"other", text) is None
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.characters().filter(lambda character: character != text[place]))
    assert parse_enrolment_token(KEY, text[:place] + wrong + text[place + 1 :]) is None


@given(INVITATIONS, st.integers(0, 999_999))
def test_the_links_of_invitations_and_enrolments_can_never_be_exchanged(what: str, generation: int) -> None:
    store, _, id_ = what.partition(".")
    invitation, enrolment = link_token(KEY, what, generation), enrolment_token(KEY, store, id_)
    signed = invitation.rpartition(".")[2], enrolment.rpartition(".")[2]
    assert signed[0] != signed[1]
    swapped = f"{what}.{signed[0]}", f"{what}.{generation}.{signed[1]}"
    assert [parse_enrolment_token(KEY, text) for text in (invitation, swapped[0])] == [None, None]
    assert [parse_link(KEY, text) for text in (enrolment, swapped[1])] == [None, None]


def test_two_kinds_of_token_from_one_seed_have_nothing_in_common() -> None:
    session, reset = (derived_token(KEY, kind, "acme.x", "seed") for kind in ("session", "reset"))
    assert session.secret != reset.secret
    assert derived_token(b"other", "session", "acme.x", "seed").secret != session.secret


def test_a_token_of_a_kind_that_there_is_not_is_none() -> None:
    body = f"tp_master_acme.x_{'a' * 52}"
    assert parse_token(f"{body}_{zlib.crc32(body.encode()):08x}") is None


@given(INVITATIONS, st.integers(0, 999_999))
def test_a_link_that_we_made_leads_to_its_invitation(invitation: str, generation: int) -> None:
    link = parse_link(KEY, link_token(KEY, invitation, generation))
    assert link is not None
    assert (link.invitation_id, link.generation) == (invitation, generation)


@given(INVITATIONS, st.integers(1, 99), st.data())
def test_a_link_with_one_wrong_character_is_none(invitation: str, generation: int, data: st.DataObject) -> None:
    text = link_token(KEY, invitation, generation)
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.characters().filter(lambda character: character != text[place]))
    assert parse_link(KEY, text[:place] + wrong + text[place + 1 :]) is None


def test_every_generation_has_its_own_link() -> None:
    invitation = new_invitation_id("acme")
    links = {link_token(KEY, invitation, generation) for generation in range(50)}
    assert len(links) == 50
    assert parse_link(b"other" * 12, next(iter(links))) is None


@given(st.emails())
def test_an_address_is_one_person_in_any_letter_case_and_is_not_in_its_key(email: str) -> None:
    assert person_key(email) == person_key(f" {email.upper()}".lower()) == person_key(email.lower())
    assert email.lower() not in person_key(email)


def test_dots_and_plus_tags_are_other_people() -> None:
    addresses = ["ida.holm@doors.test", "idaholm@doors.test", "idaholm+shop@doors.test"]
    assert len({person_key(address) for address in addresses}) == 3


@given(st.from_regex(r"[a-z0-9-]{3,40}", fullmatch=True), st.none() | st.just("01k9aaaaaaaaaaaaaaaaaaaaaa"))
def test_a_members_id_says_whose_it_is(store: str, customer: str | None) -> None:
    person = person_key("ida@doors.test")
    place = split_member_id(member_id(store, person, customer))
    assert place == (store, person, customer)


@pytest.mark.parametrize("text", ["", "acme", "acme.", ".x", "acme.x.", "acme.x.y.z", "..", "acme..y"])
def test_what_is_no_members_id_is_none(text: str) -> None:
    assert split_member_id(text) is None


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(len(each) == 26 and each == each.lower() for each in ids)


@given(st.binary(min_size=8, max_size=8))
def test_a_number_has_no_letters_that_are_mistaken_for_others(entropy: bytes) -> None:
    number = readable_number("C", entropy)
    assert number.startswith("C-")
    assert len(number) == 8
    assert set(number[2:]).isdisjoint("01ILOU")


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_only_the_same_parts_have_the_same_fingerprint(one: list[str], other: list[str]) -> None:
    assert (fingerprint(KEY, *one) == fingerprint(KEY, *other)) == (one == other)


def test_what_is_kept_of_a_secret_does_not_tell_it() -> None:
    token = Token("session", "acme.x", "a" * 52)
    assert digest(token.secret) != token.secret[:26]
    assert len(digest(token.secret)) == 26
