"""GET /v1/resellers, GET and PATCH /v1/resellers/{id}: who enrolled with the store, and in which channel each one is."""

from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.customers import ResellerStatus
from tradepost.domain.errors import NotFoundError
from tradepost.domain.permissions import Permission
from tradepost.domain.reseller_decisions import into_channel
from tradepost.domain.resellers import Reseller
from tradepost.domain.values import Change, Reference
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.http.resellers import ResellerAnswer, reseller_answer
from tradepost.table.resellers import Wanted, list_resellers, reseller_key, save_decided
from tradepost.table.shapes import Key

app = make_app()


class ResellerChange(Change):
    """What to change of a reseller; a field that is not sent stays."""

    channel_id: Reference | None = None


def _named(ask: Ask) -> list[Key]:
    return [reseller_key(ask.store, ask.path["reseller_id"])]


def _found(reseller_id: str, caller: Caller) -> Reseller:
    """Return a reseller of the store; to a buyer, its own company alone. Raises `NotFoundError`."""
    if caller.customer and (caller.customer.reseller is None or caller.customer.reseller.id != reseller_id):
        raise NotFoundError("reseller")
    return caller.reader.get(reseller_key(caller.store.id, reseller_id), Reseller)


@app.get("/v1/resellers", allow=Permission.MANAGE_RESELLERS)
def list_resellers_of_store(
    caller: Caller,
    q: Annotated[str | None, Query(max_length=200, description="Words of company, contact, address or tax number.")] = None,
    status: Annotated[ResellerStatus | None, Query(description="By default all whose address is confirmed.")] = None,
    channel_id: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ResellerAnswer]:
    """List the resellers, those that enrolled last first. A filtered page may hold fewer than `limit` and have a next one."""
    store_id, wanted = caller.store.id, Wanted(status, channel_id, (q or "").strip() or None)
    bound = ("resellers", store_id, *wanted)
    rows = list_resellers(store_id, wanted, limit=limit, after=read_cursor(cursor, *bound))
    items = [reseller_answer(row.load(Reseller), caller) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/resellers/<reseller_id>", allow=Permission.READ_RESELLER, reads=_named)
def show_reseller(reseller_id: str, caller: Caller) -> ResellerAnswer:
    """Show one reseller; to its own people, without what the store's rules found."""
    return reseller_answer(_found(reseller_id, caller), caller)


@app.patch("/v1/resellers/<reseller_id>", allow=Permission.MANAGE_RESELLERS, reads=_named)
def update_reseller(reseller_id: str, change: ResellerChange, caller: Caller) -> ResellerAnswer:
    """Move a reseller that was approved to another channel, at whose prices it orders from now on."""
    return caller.decided(partial(_updated, reseller_id, change, caller))


def _updated(reseller_id: str, change: ResellerChange, caller: Caller) -> ResellerAnswer:
    before = caller.match(_found(reseller_id, caller))
    reseller = into_channel(before, change.channel_id) if change.channel_id else before
    tx = caller.transaction()
    reseller = save_decided(tx, reseller, before=before)
    tx.audit("reseller:updated", reseller.id, fields=sorted(change.given), before=before.channel_id, after=reseller.channel_id)
    return tx.commit_answering(reseller_answer(reseller, caller))


handler = app.handler
