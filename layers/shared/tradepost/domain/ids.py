"""Ids and tokens: how they are spelled, which store they belong to, and how a forged one is told from a real one.

An id that arrives without a credential (a member's, an invitation's) begins with its store, so that no look-up is needed
to find it: `acme.01k9…`. All other ids are ULIDs in lower case.
"""

import base64
import hashlib
import hmac
import re
import zlib
from typing import Literal, NamedTuple

from tradepost.domain.values import folded

type TokenKind = Literal["session", "acting", "reset", "key"]

_TOKEN = re.compile(r"tp_(session|acting|reset|key)_([a-z0-9.-]{1,160})_([a-z2-7]{52})_([0-9a-f]{8})")
_LINK = re.compile(r"([a-z0-9-]{3,40}\.[0-9a-z]{26})\.([0-9]{1,6})\.([a-z2-7]{26})")
_ENROLMENT = re.compile(r"([a-z0-9-]{3,40})\.([0-9a-z]{26})\.([a-z2-7]{26})")
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRING_LENGTH = 12
_PAIRING = re.compile(rf"([a-z0-9][a-z0-9-]{{2,40}}?)((?:-*[{_ALPHABET.lower()}]){{{_PAIRING_LENGTH}}})-*")


def new_id() -> str:
    """Return an id that sorts by the time it was made and cannot be guessed (80 random bits)."""
    from ulid import ULID  # its import looks up its own version on disk, which reading routes need not pay for

    return str(ULID()).lower()


def person_key(email: str) -> str:
    """Return the key of the person behind an address, the same in any letter case; the address itself is in no key."""
    return _base32(hashlib.sha256(folded(email).encode()).digest())[:26]


def member_id(store_id: str, person: str, customer_id: str | None = None) -> str:
    """Return the id of a person's place in a store: one as staff, and one for each customer it buys for."""
    return ".".join(filter(None, (store_id, person, customer_id)))


class MemberKey(NamedTuple):
    """What a member's id says by itself."""

    store_id: str
    person: str
    customer_id: str | None


def split_member_id(member: str) -> MemberKey | None:
    """Take a member's id apart; None if it is not one."""
    match member.split("."):
        case [str(store_id), str(person)] if store_id and person:
            return MemberKey(store_id, person, None)
        case [str(store_id), str(person), str(customer_id)] if store_id and person and customer_id:
            return MemberKey(store_id, person, customer_id)
    return None


class ActingKey(NamedTuple):
    """What an acting session's token says by itself: who acts, in which session, for which employee of which customer."""

    store_id: str
    employee: str
    customer_id: str
    actor: str
    session: str

    @property
    def owner(self) -> str:
        """The words as the token spells them."""
        return ".".join((self.employee, split_person(self.actor), self.session))


def split_person(member: str) -> str:
    """Return the person of a member's id. Raises `ValueError` if it is not one."""
    place = split_member_id(member)
    if place is None:
        raise ValueError("not a member's id")
    return place.person


def split_acting_owner(owner: str) -> ActingKey | None:
    """Take what an acting session's token says apart; None if it is no such thing."""
    match owner.split("."):
        case [str(store_id), str(person), str(customer_id), str(actor), str(session)] if all(owner.split(".")):
            employee = member_id(store_id, person, customer_id)
            return ActingKey(store_id, employee, customer_id, member_id(store_id, actor), session)
    return None


def new_id_for(customer_id: str) -> str:
    """Return an id for what belongs to a customer. It begins with the customer's, so that one batch reads both."""
    return f"{customer_id}.{new_id()}"


def customer_of(id_: str) -> str:
    """Return the customer that an id leads to which `new_id_for` made: an order's, or an offer's."""
    return id_.partition(".")[0]


def new_invitation_id(store_id: str) -> str:
    """Return an id for an invitation, which leads to its store."""
    return f"{store_id}.{new_id()}"


def readable_number(prefix: str, entropy: bytes, *, length: int = 6) -> str:
    """Spell a number that people can read out (no 0/O, 1/I/L): `C-7Q4K9D`. Uniqueness is the table's business."""
    number = int.from_bytes(entropy)
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return f"{prefix}-{''.join(digits)}"


class PairingCode(NamedTuple):
    """A code that pairs a device, taken apart: its store, by which it is found, and 58 bits in letters that people can type."""

    store_id: str
    secret: str

    def __str__(self) -> str:
        """Spell the code: `acme-7Q4K-9DMW-X2PT`."""
        return "-".join((self.store_id, *(self.secret[start : start + 4] for start in range(0, _PAIRING_LENGTH, 4))))


def derived_pairing_code(key: bytes, store_id: str, nonce: str) -> PairingCode:
    """Return the code that belongs to a nonce, the same each time."""
    number = readable_number("", _mac(key, "pairing", store_id, nonce), length=_PAIRING_LENGTH)
    return PairingCode(store_id, number.removeprefix("-"))


def parse_pairing_code(text: str) -> PairingCode | None:
    """Take a code apart as somebody typed it, in any letter case, however it is spaced or hyphenated; None if it is none."""
    letters = "".join(text.split()).lower()
    match = _PAIRING.fullmatch(letters)
    return PairingCode(match[1].rstrip("-"), match[2].replace("-", "").upper()) if match else None


def digest(secret: str) -> str:
    """Return what is stored of a token: enough to recognise it, nothing to make it from."""
    return _base32(hashlib.sha256(secret.encode()).digest())[:26]


class Token(NamedTuple):
    """A bearer token taken apart: `tp_<kind>_<owner>_<secret>_<crc32>`."""

    kind: TokenKind
    owner: str
    secret: str

    def __str__(self) -> str:
        """Spell the token, with its checksum."""
        body = f"tp_{self.kind}_{self.owner}_{self.secret}"
        return f"{body}_{zlib.crc32(body.encode()):08x}"


def parse_token(text: str) -> Token | None:
    """Take a token apart; None if it is malformed or mistyped, which is told without any I/O."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    token = Token(match[1], match[2], match[3])  # type: ignore[arg-type]  # the pattern allows these kinds only
    return token if hmac.compare_digest(str(token), text) else None


def derived_token(key: bytes, kind: TokenKind, owner: str, *seed: str) -> Token:
    """Mint the token that belongs to a seed.

    The same seed gives the same token, so that a replayed request or a mail sent again can carry it although only its
    digest is stored. Whoever lacks the key, or the seed, cannot make it.
    """
    return Token(kind, owner, _base32(_mac(key, kind, owner, *seed)))


class Link(NamedTuple):
    """An invitation's link taken apart."""

    invitation_id: str
    generation: int
    signature: str


def link_token(key: bytes, invitation_id: str, generation: int) -> str:
    """Spell the secret part of an invitation's link; re-derivable, so that it is never stored."""
    signature = _base32(_mac(key, "invitation", invitation_id, str(generation)))[:26]
    return f"{invitation_id}.{generation}.{signature}"


def parse_link(key: bytes, text: str) -> Link | None:
    """Take a link's token apart; None unless we made it ourselves."""
    match = _LINK.fullmatch(text)
    if match is None:
        return None
    link = Link(match[1], int(match[2]), match[3])
    genuine = hmac.compare_digest(link_token(key, link.invitation_id, link.generation), text)
    return link if genuine else None


class EnrolmentLink(NamedTuple):
    """What the link that confirms an enrolment leads to."""

    store_id: str
    enrolment_id: str


def enrolment_token(key: bytes, store_id: str, enrolment_id: str) -> str:
    """Spell the secret part of the link that confirms an enrolment; re-derivable, so that it is never stored.

    It is signed for this purpose alone: no invitation's link can be made of it, and the other way round.
    """
    signature = _base32(_mac(key, "enrolment", store_id, enrolment_id))[:26]
    return f"{store_id}.{enrolment_id}.{signature}"


def parse_enrolment_token(key: bytes, text: str) -> EnrolmentLink | None:
    """Take the token of an enrolment's link apart; None unless we made it ourselves."""
    match = _ENROLMENT.fullmatch(text)
    if match is None:
        return None
    link = EnrolmentLink(match[1], match[2])
    return link if hmac.compare_digest(enrolment_token(key, *link), text) else None


def fingerprint(key: bytes, *parts: str) -> str:
    """Return a keyed digest of a request or a cursor: comparable, and worth nothing to a reader of the table."""
    return _base32(_mac(key, *parts))[:26]


def _mac(key: bytes, *parts: str) -> bytes:
    # Each part is preceded by its length, so that no two lists of parts spell the same message.
    message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.digest(key, message, "sha256")


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
