"""/v1/sales-reps: who sells for the store, which customers each of them sees, and sending one away for the time being."""

from typing import Annotated, ClassVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, StrictBool, field_validator
from pynamodb.expressions.operand import Path

from tradepost.domain.errors import NotFoundError
from tradepost.domain.people import REP_STATUSES, Access, Member, RepStatus
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.stores import OverrideLimits, merged
from tradepost.domain.values import Change, OptionalText, Text
from tradepost.http.answers import SalesRepAnswer, sales_rep_answer
from tradepost.http.app import Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.listing import all_of
from tradepost.table.people import list_sales_reps, member_key, remove_membership, save_member, save_membership
from tradepost.table.shapes import Key

app = make_app()


class SalesRepChange(Change):
    """What to change of a sales rep. Null clears the telephone number, and lets the store's limits hold."""

    nullable: ClassVar = frozenset({"phone", "override_limits"})

    name: Text | None = None
    phone: OptionalText | None = None
    access: Access | None = None
    supervisor: StrictBool | None = None
    active: StrictBool | None = None
    override_limits: OverrideLimits | None = None
    email: Annotated[str | None, Field(description="Refused: it says who the person is.")] = None

    @field_validator("email")
    @classmethod
    def _stays(cls, _: str | None) -> str | None:
        raise ValueError("cannot be changed: it says who the person is. Invite the other address, and deactivate this one")


def _named(ask: Ask) -> list[Key]:
    return [member_key(ask.path["sales_rep_id"], ask.store)]


@app.get("/v1/sales-reps", allow=Permission.MANAGE_SALES_REPS)
def list_sales_reps_of_store(
    caller: Caller,
    status: Annotated[RepStatus | None, Query()] = None,
    access: Annotated[Access | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SalesRepAnswer]:
    """List the store's sales reps by name. A filtered page may hold fewer than `limit` and still have a next one."""
    bound = ("sales_reps", caller.store.id, status, access)
    stored = REP_STATUSES[status] if status else ()
    where = all_of(
        [
            Path("data.status").is_in(*sorted(stored)) if stored else None,
            Path("data.access") == access if access else None,
        ]
    )
    rows = list_sales_reps(caller.store.id, limit=limit, after=read_cursor(cursor, *bound), where=where)
    items = [sales_rep_answer(row.load(Member), at=caller.at) for row in rows.records]
    return Page(items=items, next_cursor=make_cursor(rows.next_position, *bound))


@app.get("/v1/sales-reps/<sales_rep_id>", allow=Permission.MANAGE_SALES_REPS, reads=_named)
def show_sales_rep(sales_rep_id: str, caller: Caller) -> SalesRepAnswer:
    """Show one sales rep."""
    return sales_rep_answer(_found(sales_rep_id, caller), at=caller.at)


@app.patch("/v1/sales-reps/<sales_rep_id>", allow=Permission.MANAGE_SALES_REPS, reads=_named)
def update_sales_rep(sales_rep_id: str, change: SalesRepChange, caller: Caller) -> SalesRepAnswer:
    """Change a sales rep. Of its limits, only the fields that are sent change. What it may do counts from its next request.

    With `active: false` all of its sessions end at once, and its customers stay allocated; with `active: true` it may log in
    again. One who has not accepted is neither.
    """
    before = caller.match(_found(sales_rep_id, caller))
    kept = {name: value for name, value in change.given.items() if name != "active"}
    rep = before.model_copy(update={name: merged(getattr(before, name), value) for name, value in kept.items()})
    caller.store.must_limit_in_its_currency(rep.override_limits)
    if change.active is not None:
        rep = rep.switched(active=change.active, at=caller.at)
    tx = caller.transaction()
    rep = save_member(tx, rep)
    if rep.status != before.status:
        (save_membership if rep.status == "active" else remove_membership)(tx, rep)
    tx.audit("sales_rep:updated", rep.id, fields=sorted(change.given))
    return tx.commit_answering(sales_rep_answer(rep, at=caller.at))


def _found(sales_rep_id: str, caller: Caller) -> Member:
    """Return a sales rep of the caller's store, unless it was erased. Raises `NotFoundError`."""
    member = caller.reader.find(member_key(sales_rep_id, caller.store.id), Member)
    if member is None or member.role is not Role.REP or member.erased_at:
        raise NotFoundError("sales rep")
    return member


handler = app.handler
