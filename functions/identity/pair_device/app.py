"""/v1/pairing-codes: let a mobile app in without typing a password there, by a code that serves once."""

from typing import Annotated

from pydantic import Field

from tradepost.aws.secrets import signing_key
from tradepost.domain.errors import NotFoundError
from tradepost.domain.ids import PairingCode, derived_pairing_code, fingerprint, new_id, parse_pairing_code, split_person
from tradepost.domain.pairing import WRONG_CODES, Pairing
from tradepost.domain.people import ANONYMOUS, Account, Member, Session
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import Store
from tradepost.domain.values import Instant, Text, Value
from tradepost.http.activities import Doing, note_activity
from tradepost.http.answers import SignedIn
from tradepost.http.app import ANYONE, Answer, Ask, Caller, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.entrance import open_session
from tradepost.table.limits import count_against, require_room
from tradepost.table.pairings import pairing_key, save_pairing, use_up
from tradepost.table.people import member_key, session_key
from tradepost.table.shapes import ACCOUNT, Key, store_owner
from tradepost.table.stores import store_key


class OfferedPairing(Answer):
    """A code for one device. It is shown this once; `image` shows it as a QR code."""

    code: Annotated[str, Field(examples=["acme-7Q4K-9DMW-X2PT"])]
    expires_at: Instant
    image: Annotated[str, Field(description="A PNG image as a `data:` URL.")]


class NewPairing(Value):
    """The code as it was scanned or typed, in any letter case and spacing, and what to call the device."""

    code: Annotated[str, Field(max_length=200)]
    device: Text | None = None


def _code_of(seed: str) -> PairingCode:
    """Return the code that belongs to what is kept of it: its store and a nonce."""
    store_id, _, nonce = seed.partition(".")
    return derived_pairing_code(signing_key(), store_id, nonce)


def _image_of(seed: str) -> str:
    import segno  # a tenth of a second that no exchange needs to wait for

    return segno.make(str(_code_of(seed)), error="m", micro=False).png_data_uri(scale=8, border=4)


app = make_app(code=lambda seed: str(_code_of(seed)), image=_image_of)


def _led_to(ask: Ask) -> list[Key]:
    try:
        new = NewPairing.model_validate_json(ask.body)
    except ValueError:
        return []
    code = parse_pairing_code(new.code)
    return [store_key(code.store_id), pairing_key(code.store_id, _digest(code))] if code else []


@app.post("/v1/pairing-codes", allow=Permission.PAIR_DEVICES, status=201)
def offer_pairing(caller: Caller) -> OfferedPairing:
    """Obtain a code for a device of one's own, to be exchanged within two minutes, once."""
    seed = f"{caller.store.id}.{new_id()}"
    code = _code_of(seed)
    pairing = Pairing(
        id=_digest(code),
        store_id=caller.store.id,
        member_id=caller.member.id,
        session_id=caller.session.id,
        offered_at=caller.at,
    )
    tx = caller.transaction()
    save_pairing(tx, pairing)
    tx.audit("pairing_code:issued", caller.member.id)
    offered = OfferedPairing(code=str(code), expires_at=pairing.valid_until, image=_image_of(seed))
    tx.answer({**offered.model_dump(mode="json"), "code": seed, "image": seed})
    tx.commit()
    return offered


@app.post("/v1/pairing-codes/exchange", allow=ANYONE, status=201, reads=_led_to)
def exchange_pairing_code(new: NewPairing, caller: Caller) -> SignedIn:
    """Exchange a code for a session of the device's own. A code that is wrong, used or too old gets the same 404."""
    code = parse_pairing_code(new.code)
    store = caller.reader.find(store_key(code.store_id), Store) if code else None
    if code is None or store is None:
        raise _no_code()
    pairing = caller.reader.find(pairing_key(store.id, _digest(code)), Pairing)
    person = _behind(pairing, caller) if pairing else None
    if pairing is None or person is None:
        tx = caller.transaction(owner=store_owner(store.id), party=ANONYMOUS)
        count_against(tx, store.id, WRONG_CODES, _guesser(caller))
        tx.commit()
        raise _no_code()
    account, member = person
    tx = caller.transaction(owner=store_owner(store.id), party=member.party)
    require_room(tx, store.id, WRONG_CODES, _guesser(caller))
    use_up(tx, pairing, otherwise=_no_code())
    tx.audit("session:started", member.id, paired=True)
    note_activity(tx, Doing("log_in", member.customer_id), store, member)
    return open_session(tx, account, member, store, caller, device=new.device).commit(tx)


def _behind(pairing: Pairing, caller: Caller) -> tuple[Account, Member] | None:
    """Return who offers a pairing, as long as the session lives in which it was offered. Calls: one BatchGetItem."""
    member_at = member_key(pairing.member_id, pairing.store_id)
    session_at = session_key(pairing.store_id, pairing.member_id, pairing.session_id)
    account_at = ACCOUNT.key(person=split_person(pairing.member_id))
    read = caller.reader
    read.fetch([member_at, session_at, account_at])
    member, session, account = read.find(member_at, Member), read.find(session_at, Session), read.find(account_at, Account)
    if member is None or session is None or account is None or not pairing.is_live(caller.at):
        return None
    return (account, member) if session.is_live(account, member, at=caller.at) else None


def _digest(code: PairingCode) -> str:
    return fingerprint(signing_key(), "pairing", str(code))


def _guesser(caller: CallerInfo) -> str:
    """Return whose wrong codes are counted together: those from one place, so that nobody is held up by a stranger's."""
    return fingerprint(signing_key(), "address", caller.facts.address)


def _no_code() -> NotFoundError:
    return NotFoundError("pairing code")


handler = app.handler
