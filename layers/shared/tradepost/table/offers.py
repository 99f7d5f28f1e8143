"""Offers in the table: unique by number in their store, listed for the store and each customer, newest first.

What was sent is kept version by version, for good, and counted.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, NamedTuple

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from tradepost.domain.clock import stamp
from tradepost.domain.errors import ConflictError, NotFoundError, StaleError
from tradepost.domain.ids import customer_of, digest
from tradepost.domain.offer_contents import OfferContent
from tradepost.domain.offers import Offer, OfferStatus, SentVersion, View, must_be_seen_by, told_to_customers
from tradepost.domain.people import Member
from tradepost.domain.permissions import Role
from tradepost.domain.scoping import Scope
from tradepost.domain.values import Entity
from tradepost.table.customers import customer_key, find_customer, find_customers
from tradepost.table.listing import SIFTED, Position, all_of, carried, list_index, sifted, words_of
from tradepost.table.offer_statistics import count_offer
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import OFFER, OFFER_VERSION, Key
from tradepost.table.transaction import Transaction

MAX_WORDS = 60


class KeptVersion(Entity, SentVersion):
    """A version of an offer, as it was sent."""

    entity: ClassVar = "offer_version"


def offer_key(store_id: str, offer_id: str) -> Key:
    """Return where an offer is kept."""
    return OFFER.key(store=store_id, offer=offer_id)


def offer_keys(store_id: str, offer_id: str) -> list[Key]:
    """Return where an offer is kept, and its customer, which says whose scope it is in."""
    return [offer_key(store_id, offer_id), customer_key(store_id, customer_of(offer_id))]


def version_key(store_id: str, offer_id: str, number: int) -> Key:
    """Return where a version of an offer is kept as it was sent."""
    return OFFER_VERSION.key(store=store_id, offer=offer_id, number=f"{number:06}")


def get_offer(reader: Reader, scope: Scope, member: Member, offer_id: str) -> Offer:
    """Return an offer that a member may know of, to a customer within the scope. Raises `NotFoundError`."""
    return must_be_seen_by(get_offer_in_scope(reader, scope, offer_id), member)


def get_offer_in_scope(reader: Reader, scope: Scope, offer_id: str) -> Offer:
    """Return an offer to a customer within the scope, whosever it is. Raises `NotFoundError`."""
    if find_customer(reader, scope, customer_of(offer_id)) is None:
        raise NotFoundError("offer")
    return reader.get(offer_key(scope.store_id, offer_id), Offer)


def add_offer(tx: Transaction, offer: Offer, *, taken: ConflictError) -> Offer:
    """Write a new offer; returns it with its version. `taken` says that another offer has its number."""
    tx.save(_record(offer))
    tx.claim(offer.store_id, "offer-number", offer.number, offer.id, otherwise=taken)
    return offer.model_copy(update={"version": 1})


def save_offer(tx: Transaction, offer: Offer, *, before: Offer) -> Offer:
    """Write a changed offer, count it, and keep what was sent of it by that; returns it with its new version."""
    tx.save(_record(offer))
    count_offer(tx, offer, before=before)
    newly_sent = offer.sent is not None and (before.sent is None or before.sent.number != offer.sent.number)
    if offer.sent is not None and newly_sent:
        kept = KeptVersion.model_validate(dict(offer.sent))
        # Whoever sends the same version at once has decided on the same offer.
        tx.save(Record.of(version_key(offer.store_id, offer.id, offer.sent.number), kept), otherwise=StaleError())
    return offer.model_copy(update={"version": offer.version + 1})


def note_view(offer: Offer, view: View) -> Offer:
    """Note that somebody saw a version for the first time, which is no new version of the offer; returns it with the note.

    Calls: one UpdateItem, if it was not noted yet.
    """
    name = f"v{view.number}_{digest(f'{view.actor.id} {view.subject.id}')[:12]}"
    if name in offer.views:
        return offer
    path = Path(f"aside.views.{name}")
    try:
        Record(*offer_key(offer.store_id, offer.id)).update(
            [path.set(view.model_dump(mode="json"))], condition=Record.pk.exists() & path.does_not_exist()
        )
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
    return offer.model_copy(update={"views": {**offer.views, name: view}})


class Wanted(NamedTuple):
    """Which offers a list shows: those begun from `begin` until before `end`, as they stand `at` an instant."""

    at: datetime
    customer_id: str | None = None
    owner_id: str | None = None
    text: str | None = None
    status: OfferStatus | None = None
    begin: datetime | None = None
    end: datetime | None = None


def list_offers(
    reader: Reader, scope: Scope, member: Member, wanted: Wanted, *, limit: int, after: Position | None
) -> tuple[list[Offer], Position | None]:
    """Return a page of the offers that a member may know of, newest first.

    Calls: one Query; a BatchGetItem where it has to see whose the customers are.
    """
    own = scope.own_customer_id
    if (wanted.text is not None and not words_of(wanted.text)) or (own and wanted.customer_id not in {None, own}):
        return [], None
    chosen = own or wanted.customer_id
    # Customers search in what they were told: the words that an offer carries are those of what is in the making.
    read = member.role is Role.BUYER and wanted.text is not None
    unsifted = scope.reach in {"store", "own"} and not read
    names = {"store": scope.store_id, "customer": chosen or "", "created_at": "", "offer": ""}
    rows = list_index(
        Record.gsi2 if chosen else Record.gsi1,
        (OFFER.index2(**names) if chosen else OFFER.index1(**names)).pk,
        limit=limit if unsifted else SIFTED,
        after=after,
        where=_where(member, wanted),
        newest_first=True,
        between=_between(wanted),
    )
    found = [row.load(Offer) for row in rows.records]
    if unsifted:
        return found, rows.next_position
    if read:
        told = [offer for offer in found if _tells(offer, wanted.text)]
        return sifted(rows, found, told, limit=limit, gsi=2)
    customers = find_customers(reader, scope, (offer.customer_id for offer in found))
    seen = [offer for offer in found if offer.customer_id in customers]
    return sifted(rows, found, seen, limit=limit, gsi=2 if chosen else 1)


def _where(member: Member, wanted: Wanted) -> Condition | None:
    text = None if member.role is Role.BUYER else wanted.text
    words = (Record.words.contains(f" {word}") for word in sorted(words_of(text)))
    owner = Path("data.owner.id") == wanted.owner_id if wanted.owner_id else None
    return all_of([_known_to(member), _in_status(wanted, member), owner, *words])


def _known_to(member: Member) -> Condition | None:
    """What holds of the offers that a member may know of; see `must_be_seen_by`."""
    if member.role is Role.BUYER:
        known: Condition = Path("data.sent.number").exists() | Path("data.request.at").exists()
        return known
    if member.role is Role.OWNER or member.supervisor:
        return None
    own_or_free: Condition = (Path("data.owner.id") == member.id) | (Path("data.status") == "requested")
    return own_or_free


def _in_status(wanted: Wanted, member: Member) -> Condition | None:
    if wanted.status is None:
        return None
    if member.role is Role.BUYER and told_to_customers(wanted.status) == "draft":
        # The one is the other to customers, so that asking for either tells them nothing.
        told: Condition = Path("data.status").is_in("draft", "awaiting_approval")
        return told
    over: Condition = Path("data.sent.expires_at") <= stamp(wanted.at)
    stored: Condition = Path("data.status") == ("open" if wanted.status == "expired" else wanted.status)
    in_time: Mapping[OfferStatus, Condition] = {"open": ~over, "expired": over}
    return all_of([stored, in_time.get(wanted.status)])


def _between(wanted: Wanted) -> tuple[str, str] | None:
    if wanted.begin is None and wanted.end is None:
        return None
    first, last = "0", "~"
    return stamp(wanted.begin) if wanted.begin else first, stamp(wanted.end) if wanted.end else last


def _record(offer: Offer) -> Record:
    names = {
        "store": offer.store_id,
        "customer": offer.customer_id,
        "offer": offer.id,
        "created_at": stamp(offer.created_at),
    }
    record = Record.of(OFFER.key(**names), offer, index1=OFFER.index1(**names), index2=OFFER.index2(**names))
    record.words = _words(offer, offer.content)
    return record


def _tells(offer: Offer, text: str | None) -> bool:
    """Tell whether a customer finds an offer by what it was told."""
    told = _words(offer, offer.shown_content)
    return all(f" {word}" in told for word in words_of(text))


def _words(offer: Offer, content: OfferContent | None) -> str:
    """Return the words that an offer with a content is found by, as a row carries them."""
    products = [text for line in (content.products if content else ()) for text in (line.product_number, line.name)]
    return carried(words_of(offer.number, offer.customer_number, offer.customer_name, *products, most=MAX_WORDS))
