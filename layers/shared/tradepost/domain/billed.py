"""What of an order is billed. Whoever changes orders asks, and is spared all the rest that bills are made of."""

import json
from typing import Final

from tradepost.domain.ids import digest
from tradepost.domain.orders import Order

BILLED: Final = (
    "lines",
    "shipping_cost",
    "total",
    "shipping_address",
    "billing_address",
    "shipping_method_id",
    "payment_method_id",
)
"""What of an order can make another invoice of it: what the invoice says itself, and what rules look at."""


def billed_of(order: Order) -> str:
    """Return what stands for everything in an order that its invoice is made of."""
    document = order.model_dump(mode="json", include=set(BILLED))
    return digest(json.dumps([document[name] for name in BILLED], sort_keys=True))


def is_billed_anew(order: Order, before: Order) -> bool:
    """Tell whether a change of an order can make another invoice of it."""
    return any(getattr(order, name) != getattr(before, name) for name in BILLED)
