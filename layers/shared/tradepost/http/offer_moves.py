"""Moving an offer on. The API and the page behind an offer's link do the same."""

from collections.abc import Callable
from functools import partial
from typing import Final

from tradepost.domain.offer_transitions import news_of
from tradepost.domain.offers import SENDINGS, Offer, must_be_seen_by
from tradepost.domain.orders import Deed
from tradepost.http.callers import CallerInfo
from tradepost.http.offers import OfferAnswer, announce, offer_answer
from tradepost.http.orders import deed
from tradepost.table.customers import get_customer
from tradepost.table.limits import count_against
from tradepost.table.offers import get_offer_in_scope, offer_keys, save_offer

type Decide = Callable[[Offer, Deed], Offer]

_FOR_ACTIVE_CUSTOMERS: Final = frozenset({"taken", "sent", "approved", "extended"})
"""What the store does to win a customer, who has to be one."""


def move(offer_id: str, caller: CallerInfo, decide: Decide, *, known_to_all: bool = False) -> OfferAnswer:
    """Move an offer as is decided, and tell whom it concerns. A request that is `known_to_all` need not be seen by all.

    Calls: one BatchGetItem, which may have been made already, and one transaction.
    """
    return caller.decided(partial(_moved, offer_id, caller, decide, known_to_all))


def _moved(offer_id: str, caller: CallerInfo, decide: Decide, known_to_all: bool) -> OfferAnswer:  # noqa: FBT001  # from `move` alone
    caller.reader.fetch(offer_keys(caller.store.id, offer_id))
    before = get_offer_in_scope(caller.reader, caller.scope, offer_id)
    if before.request is None or not known_to_all:
        must_be_seen_by(before, caller.member)
    tx = caller.transaction()
    offer = decide(before, deed(tx))
    # Who comes too late is told why before it is told that it comes too late.
    caller.match(before)
    offer = save_offer(tx, offer, before=before)
    tx.audit(f"offer:{offer.history[-1].event}", offer.id, before=before.status_at(tx.at), after=offer.status)
    news = news_of(before, offer)
    if offer.history[-1].event in _FOR_ACTIVE_CUSTOMERS:
        get_customer(caller.reader, caller.scope, offer.customer_id).must_be_active()
    if news == "sent":
        count_against(tx, offer.store_id, SENDINGS, caller.actor.id or "")
    if news:
        announce(tx, offer, news)
    return tx.commit_answering(offer_answer(offer, caller))
