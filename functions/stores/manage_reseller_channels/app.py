"""/v1/reseller-channels: resellers that are served alike."""

from typing import ClassVar

from tradepost.domain.ids import new_id
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import ResellerChannel
from tradepost.domain.values import Change, Instant, OptionalText, Reference, Text, Value
from tradepost.http.app import Answer, Caller, Cursor, Limit, Page, make_app
from tradepost.http.store_lists import decided_on, found, named_by, page_of
from tradepost.table.stores import remove_channel, save_channel

app = make_app()
_named = named_by("reseller_channel_id", ResellerChannel)


class NewResellerChannel(Value):
    """A reseller channel as it is created."""

    name: Text
    price_tier_id: Reference | None = None
    description: OptionalText | None = None


class ResellerChannelChange(Change):
    """What to change of a reseller channel; a field that is not sent stays."""

    nullable: ClassVar = frozenset({"price_tier_id", "description"})

    name: Text | None = None
    price_tier_id: Reference | None = None
    description: OptionalText | None = None


class ResellerChannelAnswer(Answer):
    """A reseller channel."""

    id: str
    name: str
    price_tier_id: str | None
    description: str | None
    created_at: Instant
    etag: str


@app.get("/v1/reseller-channels", allow=Permission.READ_STORE_LISTS)
def list_reseller_channels(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[ResellerChannelAnswer]:
    """List the reseller channels, oldest first."""
    return page_of(ResellerChannel, ResellerChannelAnswer, caller, limit, cursor)


@app.post("/v1/reseller-channels", allow=Permission.MANAGE_STORE, status=201)
def create_reseller_channel(new: NewResellerChannel, caller: Caller) -> ResellerChannelAnswer:
    """Create a reseller channel."""
    tx = caller.transaction()
    channel = save_channel(tx, caller.store, ResellerChannel(id=new_id(), created_at=caller.at, **dict(new)))
    tx.audit("reseller_channel:created", channel.id, name=channel.name)
    return tx.commit_answering(ResellerChannelAnswer.of(channel))


@app.get("/v1/reseller-channels/<reseller_channel_id>", allow=Permission.READ_STORE_LISTS, reads=_named)
def show_reseller_channel(reseller_channel_id: str, caller: Caller) -> ResellerChannelAnswer:
    """Show one reseller channel."""
    return ResellerChannelAnswer.of(found(ResellerChannel, reseller_channel_id, caller))


@app.patch("/v1/reseller-channels/<reseller_channel_id>", allow=Permission.MANAGE_STORE, reads=_named)
def update_reseller_channel(reseller_channel_id: str, change: ResellerChannelChange, caller: Caller) -> ResellerChannelAnswer:
    """Rename or describe a reseller channel, or give it another price tier, or none."""
    before = decided_on(ResellerChannel, reseller_channel_id, caller)
    tx = caller.transaction()
    channel = save_channel(tx, caller.store, before.model_copy(update=change.given), before=before)
    tx.audit("reseller_channel:updated", channel.id, fields=sorted(change.given))
    return tx.commit_answering(ResellerChannelAnswer.of(channel))


@app.delete("/v1/reseller-channels/<reseller_channel_id>", allow=Permission.MANAGE_STORE, reads=_named)
def delete_reseller_channel(reseller_channel_id: str, caller: Caller) -> None:
    """Delete a reseller channel that no reseller is in and that is not the store's default."""
    channel = decided_on(ResellerChannel, reseller_channel_id, caller)
    tx = caller.transaction()
    remove_channel(tx, caller.store, channel)
    tx.audit("reseller_channel:deleted", channel.id, name=channel.name)
    tx.commit()


handler = app.handler
