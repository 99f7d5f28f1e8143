"""Stores in the table: the settings, the three lists, what buyers choose from when they order."""

from collections.abc import Iterable

from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path

from tradepost.domain.errors import ConflictError, DomainError, Fault, InvalidError, StaleError
from tradepost.domain.stores import (
    MAX_CHANNELS,
    MAX_GROUPS,
    CheckoutOptions,
    CustomerGroup,
    PriceTier,
    ResellerChannel,
    Store,
    StoreList,
)
from tradepost.domain.values import folded
from tradepost.table.listing import Position, Rows, list_partition
from tradepost.table.reading import Reader
from tradepost.table.records import Record
from tradepost.table.shapes import (
    CHECKOUT_OPTIONS,
    CLAIM,
    CUSTOMER_GROUP,
    PRICE_TIER,
    RESELLER_CHANNEL,
    STORE,
    Key,
    Shape,
)
from tradepost.table.transaction import Transaction

_SHAPES: dict[type[StoreList], Shape] = {
    PriceTier: PRICE_TIER,
    CustomerGroup: CUSTOMER_GROUP,
    ResellerChannel: RESELLER_CHANNEL,
}


def store_key(store_id: str) -> Key:
    """Return where a store is kept."""
    return STORE.key(store=store_id)


def save_settings(tx: Transaction, store: Store, *, before: Store) -> Store:
    """Write a store's changed settings with what they point at; returns them with their new version."""
    old_tier, new_tier = before.guest_access.price_tier_id, store.guest_access.price_tier_id
    point_at(tx, store.id, PriceTier, before=old_tier, after=new_tier, field="/guest_access/price_tier_id")
    old_channel, new_channel = before.default_channel_id, store.default_channel_id
    point_at(tx, store.id, ResellerChannel, before=old_channel, after=new_channel, field="/default_channel_id")
    return save_store(tx, store)


def save_store(tx: Transaction, store: Store, *, otherwise: DomainError | None = None) -> Store:
    """Write a store's settings; returns them with their new version."""
    tx.save(Record.of(store_key(store.id), store), otherwise=otherwise)
    return store.model_copy(update={"version": store.version + 1})


def list_key(entry: type[StoreList], store_id: str, entry_id: str) -> Key:
    """Return where an entry of one of a store's lists is kept."""
    return _SHAPES[entry].key(store=store_id, id=entry_id)


def list_entries(entry: type[StoreList], store_id: str, *, limit: int, after: Position | None) -> Rows:
    """Return a page of one of a store's lists, oldest first, with one Query."""
    return list_partition(_SHAPES[entry].partition(store=store_id), limit=limit, after=after)


def save_entry[E: StoreList](tx: Transaction, store_id: str, entry: E, *, before: E | None = None) -> E:
    """Write an entry of a list; its name is unique there. Returns it with its new version."""
    old_name, new_name = (folded(before.name) if before else None), folded(entry.name)
    if old_name != new_name:
        taken = ConflictError("name_taken", f"There is one called “{entry.name}” already.")
        tx.claim(store_id, entry.collection, new_name, entry.id, otherwise=taken)
        if old_name is not None:
            tx.release(store_id, entry.collection, old_name)
    tx.save(Record.of(list_key(type(entry), store_id, entry.id), entry))
    return entry.model_copy(update={"version": entry.version + 1})


def name_key(entry: type[StoreList], store_id: str, name: str) -> Key:
    """Return where it is kept which entry of a list has a name."""
    return CLAIM.key(store=store_id, what=entry.collection, value=folded(name))


def find_named(reader: Reader, entry: type[StoreList], store_id: str, names: Iterable[str]) -> dict[str, str]:
    """Return the ids of those entries of a list that have one of the names, by name."""
    records = {name: reader.record(name_key(entry, store_id, name)) for name in names}
    return {name: str(record.document()["holder"]) for name, record in records.items() if record}


def remove_entry(tx: Transaction, store_id: str, entry: StoreList) -> None:
    """Delete an entry that nothing points at; whatever comes to point at it meanwhile wins."""
    in_use = ConflictError("in_use", f"“{entry.name}” is still in use.")
    nothing_points_at_it = (Record.tally == 0) & (Record.version == entry.version)
    tx.delete(list_key(type(entry), store_id, entry.id), condition=nothing_points_at_it, otherwise=in_use)
    tx.release(store_id, entry.collection, folded(entry.name))


def point_at(
    tx: Transaction, store_id: str, entry: type[StoreList], *, before: str | None, after: str | None, field: str
) -> None:
    """Count that something now points at one entry of a list instead of another. `field` names it in the error."""
    if before == after:
        return
    if after is not None:
        count_uses(tx, store_id, entry, after, 1, field=field)
    if before is not None:
        count_uses(tx, store_id, entry, before, -1, field=field)


def count_uses(tx: Transaction, store_id: str, entry: type[StoreList], entry_id: str, more: int, *, field: str) -> None:
    """Count that so many more things point at an entry, or fewer. Unless there is none, which is the error."""
    unknown = _unknown(entry, field)
    tx.count(list_key(entry, store_id, entry_id), more, condition=Record.pk.exists(), otherwise=unknown)


def require_entry(tx: Transaction, store_id: str, entry: type[StoreList], entry_id: str, *, field: str) -> None:
    """Demand that an entry exists, which nothing points at yet."""
    tx.require(list_key(entry, store_id, entry_id), Record.pk.exists(), otherwise=_unknown(entry, field))


def _unknown(entry: type[StoreList], field: str) -> InvalidError:
    kind = entry.entity.replace("_", " ")
    return InvalidError(Fault(field, f"is not a {kind} of this store"), code=f"unknown_{entry.entity}")


def save_group(tx: Transaction, store_id: str, group: CustomerGroup, *, before: CustomerGroup | None = None) -> CustomerGroup:
    """Write a customer group with what it points at; returns it with its new version."""
    old_tier = before.price_tier_id if before else None
    point_at(tx, store_id, PriceTier, before=old_tier, after=group.price_tier_id, field="/price_tier_id")
    if group.price_tier_id != old_tier:
        set_group_tier(tx, store_id, group.id, group.price_tier_id)
    return save_entry(tx, store_id, group, before=before)


def remove_group(tx: Transaction, store_id: str, group: CustomerGroup) -> None:
    """Delete a customer group that nobody is in, and let go of its price tier."""
    remove_entry(tx, store_id, group)
    point_at(tx, store_id, PriceTier, before=group.price_tier_id, after=None, field="/price_tier_id")
    set_group_tier(tx, store_id, group.id, None)


def save_channel(
    tx: Transaction, store: Store, channel: ResellerChannel, *, before: ResellerChannel | None = None
) -> ResellerChannel:
    """Write a reseller channel with what it points at; returns it with its new version."""
    old_tier = before.price_tier_id if before else None
    point_at(tx, store.id, PriceTier, before=old_tier, after=channel.price_tier_id, field="/price_tier_id")
    if channel.price_tier_id != old_tier:
        _set_channel_tier(tx, store, channel.id, channel.price_tier_id)
    return save_entry(tx, store.id, channel, before=before)


def remove_channel(tx: Transaction, store: Store, channel: ResellerChannel) -> None:
    """Delete a reseller channel that nothing points at, and let go of its price tier."""
    remove_entry(tx, store.id, channel)
    point_at(tx, store.id, PriceTier, before=channel.price_tier_id, after=None, field="/price_tier_id")
    if channel.price_tier_id is not None:
        _set_channel_tier(tx, store, channel.id, None)


def find_channel(reader: Reader, store_id: str, channel_id: str) -> ResellerChannel | None:
    """Return a reseller channel of a store, or None."""
    return reader.find(list_key(ResellerChannel, store_id, channel_id), ResellerChannel)


def some_channels(store_id: str) -> list[str]:
    """Return the ids of the store's channels, two at most: whether there is one, or more than one. One Query."""
    return [row.load(ResellerChannel).id for row in list_entries(ResellerChannel, store_id, limit=2, after=None).records]


def _set_channel_tier(tx: Transaction, store: Store, channel_id: str, tier_id: str | None) -> None:
    """Keep the store's map from channels to price tiers in step, as that of groups is.

    A store that was opened before there were resellers gets the map with the first tier.
    """
    channels = Path(["aside", "channel_tiers"])
    path = Path(["aside", "channel_tiers", channel_id])
    if "channel_tiers" not in store.model_fields_set:
        if tier_id is not None:
            at_once = ConflictError("conflict", "Another channel was given a tier at the same moment. Send it again.")
            tx.update(
                store_key(store.id),
                [channels.set({channel_id: tier_id})],
                condition=channels.does_not_exist(),
                otherwise=at_once,
            )
        return
    if tier_id is None:
        tx.update(store_key(store.id), [path.remove()])
        return
    too_many = ConflictError("too_many_channels", f"A store has {MAX_CHANNELS} reseller channels with a price tier at most.")
    room = path.exists() | (size(channels) < MAX_CHANNELS)
    tx.update(store_key(store.id), [path.set(tier_id)], condition=room, otherwise=too_many)


def set_group_tier(tx: Transaction, store_id: str, group_id: str, tier_id: str | None) -> None:
    """Keep the store's map from groups to price tiers in step, from which a buyer's prices are told without a read."""
    path = Path(["aside", "group_tiers", group_id])
    if tier_id is None:
        tx.update(store_key(store_id), [path.remove()])
        return
    too_many = ConflictError("too_many_groups", f"A store has {MAX_GROUPS} customer groups at most.")
    room = path.exists() | (size(Path(["aside", "group_tiers"])) < MAX_GROUPS)
    tx.update(store_key(store_id), [path.set(tier_id)], condition=room, otherwise=too_many)


def checkout_options_key(store_id: str) -> Key:
    """Return where a store's checkout options are kept."""
    return CHECKOUT_OPTIONS.key(store=store_id)


def find_checkout_options(reader: Reader, store_id: str) -> CheckoutOptions:
    """Return a store's checkout options; none were set yet in a new store."""
    return reader.find(checkout_options_key(store_id), CheckoutOptions) or CheckoutOptions()


def save_checkout_options(tx: Transaction, store_id: str, options: CheckoutOptions) -> CheckoutOptions:
    """Write a store's checkout options; returns them with their new version."""
    # Two who set the first options at once are two who decided on the same state: the later one reads again.
    tx.save(Record.of(checkout_options_key(store_id), options), otherwise=StaleError())
    return options.model_copy(update={"version": options.version + 1})
