"""/v1/price-tiers: the store's price lists, by name."""

from tradepost.domain.ids import new_id
from tradepost.domain.permissions import Permission
from tradepost.domain.stores import PriceTier
from tradepost.domain.values import Instant, Text, Value
from tradepost.http.app import Answer, Caller, Cursor, Limit, Page, make_app
from tradepost.http.store_lists import decided_on, found, named_by, page_of
from tradepost.table.stores import remove_entry, save_entry

app = make_app()
_named = named_by("price_tier_id", PriceTier)


class PriceTierFields(Value):
    """What the owner decides about a price tier."""

    name: Text


class PriceTierAnswer(Answer):
    """A price tier."""

    id: str
    name: str
    created_at: Instant
    etag: str


@app.get("/v1/price-tiers", allow=Permission.READ_STORE_LISTS)
def list_price_tiers(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[PriceTierAnswer]:
    """List the price tiers, oldest first."""
    return page_of(PriceTier, PriceTierAnswer, caller, limit, cursor)


@app.post("/v1/price-tiers", allow=Permission.MANAGE_STORE, status=201)
def create_price_tier(fields: PriceTierFields, caller: Caller) -> PriceTierAnswer:
    """Create a price tier. Products get prices in it afterwards."""
    tx = caller.transaction()
    tier = save_entry(tx, caller.store.id, PriceTier(id=new_id(), name=fields.name, created_at=caller.at))
    tx.audit("price_tier:created", tier.id, name=tier.name)
    return tx.commit_answering(PriceTierAnswer.of(tier))


@app.get("/v1/price-tiers/<price_tier_id>", allow=Permission.READ_STORE_LISTS, reads=_named)
def show_price_tier(price_tier_id: str, caller: Caller) -> PriceTierAnswer:
    """Show one price tier."""
    return PriceTierAnswer.of(found(PriceTier, price_tier_id, caller))


@app.patch("/v1/price-tiers/<price_tier_id>", allow=Permission.MANAGE_STORE, reads=_named)
def rename_price_tier(price_tier_id: str, fields: PriceTierFields, caller: Caller) -> PriceTierAnswer:
    """Rename a price tier."""
    before = decided_on(PriceTier, price_tier_id, caller)
    tx = caller.transaction()
    tier = save_entry(tx, caller.store.id, before.model_copy(update={"name": fields.name}), before=before)
    tx.audit("price_tier:renamed", tier.id, name=tier.name)
    return tx.commit_answering(PriceTierAnswer.of(tier))


@app.delete("/v1/price-tiers/<price_tier_id>", allow=Permission.MANAGE_STORE, reads=_named)
def delete_price_tier(price_tier_id: str, caller: Caller) -> None:
    """Delete a price tier that no group, channel, customer, product or guest uses."""
    tier = decided_on(PriceTier, price_tier_id, caller)
    tx = caller.transaction()
    remove_entry(tx, caller.store.id, tier)
    tx.audit("price_tier:deleted", tier.id, name=tier.name)
    tx.commit()


handler = app.handler
