"""What an order means for payment and invoice is decided on after it is written: announced in the order's own transaction."""

from typing import Literal

from tradepost.domain.billed import is_billed_anew
from tradepost.domain.customers import Customer
from tradepost.domain.orders import Move, Order
from tradepost.domain.outbox import OrderRun
from tradepost.table.transaction import Transaction

type OrderEvent = Literal["placed", "updated", "shipped", "cancelled"]


def announce_run(tx: Transaction, order: Order, customer: Customer, event: OrderEvent) -> None:
    """Let the rules decide about an order as it has just been written. They concern resellers alone."""
    if customer.reseller:
        tx.announce(OrderRun(store_id=order.store_id, order_id=order.id, event=event, version=order.version))


def announce_move(tx: Transaction, step: Move, order: Order, customer: Customer, *, before: Order) -> None:
    """Let the rules decide about an order that was moved, where that means something: the buyer had to know of it before."""
    match step:
        case "approve":
            announce_run(tx, order, customer, "placed")
        case "ship":
            announce_run(tx, order, customer, "shipped")
        case "cancel" | "reject" if before.is_known_to_buyer:
            announce_run(tx, order, customer, "cancelled")


def announce_change(tx: Transaction, order: Order, customer: Customer, *, before: Order) -> None:
    """Let the rules decide about an order that was changed, unless it now waits for approval: then that is its next word."""
    if order.status == "received" and is_billed_anew(order, before):
        announce_run(tx, order, customer, "updated")
