"""Where in a store a person may be named: an employee in what its customer's people do, a sales rep anywhere in the store.

There is no index by person. What a customer has is one list each; what a sales rep did for whomever is looked for in the
store's lists, which whoever goes through them reads in stretches.
"""

from tradepost.domain.ids import MemberKey
from tradepost.table.forward import Listed
from tradepost.table.shapes import ACTING_SESSION, API_KEY, EVENT, INVITATION, OFFER


def acting_near(place: MemberKey) -> Listed:
    """Return where it is listed who acted for whom."""
    names = {"store": place.store_id, "customer": place.customer_id or "", "started_at": "", "id": ""}
    if place.customer_id:
        return Listed(ACTING_SESSION.index2(**names).pk, gsi=2)
    return Listed(ACTING_SESSION.index1(**names).pk, gsi=1)


def offers_near(place: MemberKey) -> Listed:
    """Return where offers are listed that a person may have made, asked for, seen or answered."""
    names = {"store": place.store_id, "customer": place.customer_id or "", "created_at": "", "offer": ""}
    return Listed(OFFER.index2(**names).pk, gsi=2) if place.customer_id else Listed(OFFER.index1(**names).pk, gsi=1)


def invitations_near(place: MemberKey) -> Listed:
    """Return where invitations are listed."""
    return Listed(INVITATION.index1(store=place.store_id, created_at="", invitation="").pk, gsi=1)


def events_near(place: MemberKey) -> Listed:
    """Return where events are listed."""
    return Listed(EVENT.index1(store=place.store_id, starts_at="", event="").pk, gsi=1)


def api_keys_near(place: MemberKey) -> Listed | None:
    """Return where the API keys of a person's company are listed; a sales rep has none."""
    if place.customer_id is None:
        return None
    return Listed(API_KEY.index1(store=place.store_id, customer=place.customer_id, created_at="", key="").pk, gsi=1)
