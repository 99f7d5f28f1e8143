"""GET /v1/invitations, /v1/invitations/{id} and /v1/invitations/counts: what was offered to whom, and how far it got."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple
from typing import Annotated, Final, get_args

from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from tradepost.aws.links import link_to_share
from tradepost.domain.clock import stamp
from tradepost.domain.customers import Delivery, InvitationState
from tradepost.domain.invitations import InvitationKind
from tradepost.domain.permissions import Permission
from tradepost.http.answers import InvitationAnswer, invitation_answer
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.counts import counted
from tradepost.table.customers import COUNTED, find_customers, list_allocated
from tradepost.table.invitations import get_invitation, invitation_key, list_invitations
from tradepost.table.listing import all_of
from tradepost.table.shapes import Key

app = make_app()

COUNTED_AT_ONCE: Final = 100


class InvitationCounts(Answer):
    """Active customers that can be or are invited, by where their invitation stands; an expired one counts as invited.

    `next_cursor` brings the counts of further customers, if there are any.
    """

    not_invited: int
    invited: int
    accepted: int
    delivery: dict[Delivery, int]
    next_cursor: str | None


def _named(ask: Ask) -> list[Key]:
    return [invitation_key(ask.store, ask.path["invitation_id"])]


@app.get("/v1/invitations", allow=Permission.INVITE)
def list_invitations_of_store(
    caller: Caller,
    state: Annotated[InvitationState | None, Query()] = None,
    delivery: Annotated[Delivery | None, Query()] = None,
    kind: Annotated[InvitationKind | None, Query()] = None,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InvitationAnswer]:
    """List invitations, newest first; to a sales rep, those of the customers it sees.

    A filtered page, and any page of a sales rep, may hold fewer than `limit` and still have a next one.
    """
    scope = caller.scope
    bound = ("invitations", *astuple(scope), state, delivery, kind, customer_id)
    where = _filter(state, delivery, kind, customer_id, now=stamp(caller.at))
    after = read_cursor(cursor, *bound)
    found, following = list_invitations(caller.reader, scope, limit=limit, after=after, where=where)
    items = [invitation_answer(invitation, at=caller.at) for invitation in found]
    return Page(items=items, next_cursor=make_cursor(following, *bound))


@app.get("/v1/invitations/counts", allow=Permission.INVITE)
def count_invitations(caller: Caller, cursor: Cursor = None) -> InvitationCounts:
    """Count the active customers that can be or are invited by where they stand, and their invitations by delivery.

    A sales rep with customers of its own gets the counts of a hundred of them at a time: add them up, page by page.
    """
    scope = caller.scope
    bound = ("invitation_counts", *astuple(scope))
    after = read_cursor(cursor, *bound)
    found: Mapping[str, int]
    if scope.sales_rep_id is None:
        found, following = counted(scope.store_id, COUNTED), None
    else:
        ids, following = list_allocated(scope.store_id, scope.sales_rep_id, limit=COUNTED_AT_ONCE, after=after)
        customers = find_customers(caller.reader, scope, ids)
        found = Counter(label for customer in customers.values() for label in customer.standing)
    return InvitationCounts(
        not_invited=found.get("not_invited", 0),
        invited=found.get("invited", 0),
        accepted=found.get("accepted", 0),
        delivery={state: found.get(f"delivery_{state}", 0) for state in get_args(Delivery.__value__)},
        next_cursor=make_cursor(following, *bound),
    )


@app.get("/v1/invitations/<invitation_id>", allow=Permission.INVITE, reads=_named)
def show_invitation(invitation_id: str, caller: Caller) -> InvitationAnswer:
    """Show one invitation; while it is pending, with the link to copy."""
    invitation = get_invitation(caller.reader, caller.scope, invitation_id)
    link = link_to_share(invitation) if invitation.state_at(caller.at) == "pending" else None
    return invitation_answer(invitation, at=caller.at, link=link)


def _filter(
    state: InvitationState | None, delivery: Delivery | None, kind: InvitationKind | None, customer_id: str | None, *, now: str
) -> Condition | None:
    stored = Path("data.state") == ("pending" if state == "expired" else state)
    conditions: list[Condition | None] = [
        stored if state else None,
        Path("data.expires_at") <= now if state == "expired" else None,
        Path("data.expires_at") > now if state == "pending" else None,
        Path("aside.delivery") == delivery if delivery else None,
        Path("data.kind") == kind if kind else None,
        Path("data.customer_id") == customer_id if customer_id else None,
    ]
    return all_of(conditions)


handler = app.handler
