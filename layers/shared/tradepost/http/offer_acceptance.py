"""Accepting an offer, which makes one order of it. The API and the page behind an offer's link do the same."""

from functools import partial

from tradepost.domain.errors import ConflictError
from tradepost.domain.ids import new_id_for
from tradepost.domain.offer_contents import Billing, payment_method, quoted
from tradepost.domain.offer_transitions import accepted, refuse_unavailable
from tradepost.domain.offers import OfferAcceptance
from tradepost.domain.orders import addresses, place
from tradepost.domain.outbox import OrderMail
from tradepost.http.activities import Doing, note_activity
from tradepost.http.callers import CallerInfo
from tradepost.http.numbers import under_free_number
from tradepost.http.offers import OfferAnswer, announce, offer_answer
from tradepost.http.orders import deed
from tradepost.table.customers import get_customer
from tradepost.table.offers import get_offer, offer_keys, save_offer
from tradepost.table.order_runs import announce_run
from tradepost.table.orders import add_order
from tradepost.table.people import require_employee
from tradepost.table.products import find_products, numbers_of
from tradepost.table.shapes import Key
from tradepost.table.stores import checkout_options_key, find_checkout_options


def acceptance_keys(store_id: str, offer_id: str) -> list[Key]:
    """Return what accepting an offer needs, but for its products, which are known only by it."""
    return [*offer_keys(store_id, offer_id), checkout_options_key(store_id)]


def accept(offer_id: str, wanted: OfferAcceptance, caller: CallerInfo) -> OfferAnswer:
    """Accept a version of an offer with a choice of its optional lines, and order that: once, whoever tries at once.

    Calls: two BatchGetItem and one transaction. Raises what `accepted` and `quoted` raise, and `ConflictError` if some of it is
    not sold any more.
    """
    return caller.decided(partial(_accepted, offer_id, wanted, caller))


def _accepted(offer_id: str, wanted: OfferAcceptance, caller: CallerInfo) -> OfferAnswer:
    return under_free_number("O", partial(_write, offer_id, wanted, caller))


def _write(offer_id: str, wanted: OfferAcceptance, caller: CallerInfo, number: str, taken: ConflictError) -> OfferAnswer:
    store, reader = caller.store, caller.reader
    reader.fetch(acceptance_keys(store.id, offer_id))
    before = get_offer(reader, caller.scope, caller.member, offer_id)
    customer = get_customer(reader, caller.scope, before.customer_id)
    customer.may_order()
    tx = caller.transaction()
    order_id, by = new_id_for(customer.id), deed(tx)
    offer = accepted(before, wanted, order_id=order_id, grants=caller.grants, by=by)
    caller.match(before)
    content, chosen = offer.content, frozenset(offer.chosen or ())
    refuse_unavailable(content, chosen, find_products(reader, store.id, numbers_of(content.sold_with(chosen))))
    options, method_id = find_checkout_options(reader, store.id), wanted.payment_method_id
    billing = Billing(*addresses(wanted, customer), payment_method(options, method_id) if method_id else None)
    quote = quoted(content, chosen, customer_id=customer.id, number=offer.number, billing=billing)
    order = place(
        quote,
        order_id=order_id,
        number=number,
        customer=customer,
        employee_id=caller.member.id,
        source="offer",
        by=by,
        offer_id=offer.id,
    )
    order = add_order(tx, order, customer, time_zone=store.time_zone, taken=taken)
    require_employee(tx, store.id, order.employee_id)
    offer = save_offer(tx, offer, before=before)
    tx.audit("offer:accepted", offer.id, order_id=order.id, version=wanted.version)
    tx.audit("order:placed", order.id, number=order.number, customer_id=customer.id, status=order.status, offer_id=offer.id)
    note_activity(tx, Doing("offer_accepted", customer.id, "offer", offer.id, offer.number), store, caller.member)
    note_activity(tx, Doing("order_placed", customer.id, "order", order.id, order.number), store, caller.member)
    tx.announce(OrderMail(store_id=store.id, order_id=order.id, event="placed"))
    announce_run(tx, order, customer, "placed")
    announce(tx, offer, "accepted")
    return tx.commit_answering(offer_answer(offer, caller))
