"""What the list of offers comes to, counted anew by whoever sees it: what the figures of offers must be."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.client import Client
from tests.support.reps import Rep
from tests.support.statistics import all_items
from tests.support.world import euros

type Offer = Mapping[str, Any]


def check_offer_statistics(caller: Client, customers: Iterable[str], reps: Iterable[Rep], **days: str) -> None:
    """Hold every figure of offers that a caller may see against what it finds among the offers."""
    offers = all_items(caller, "/v1/offers", expand="lines", limit="100")
    _check(caller, offers, **days)
    for customer in customers:
        found = [offer for offer in offers if offer["customer_id"] == customer]
        if caller.get(f"/v1/customers/{customer}").status == 200:
            _check(caller, found, customer_id=customer, **days)
        else:
            assert found == []
            assert caller.get("/v1/statistics/offers", customer_id=customer).status == 404
    me = caller.get("/v1/me").json
    sees_all = me["role"] == "owner" or me["supervisor"]
    for rep in reps:
        if sees_all or rep.id == me["id"]:
            _check(caller, [offer for offer in offers if offer["owner_id"] == rep.id], sales_rep_id=rep.id, **days)
        else:
            assert caller.get("/v1/statistics/offers", sales_rep_id=rep.id).status == 404


def recounted(caller: Client, offers: Iterable[Offer]) -> dict[str, Any]:
    """Return what some offers that were sent come to, as the API says it."""
    values = [(_value(caller, offer), offer["status"] == "accepted") for offer in offers]
    won = [value for value, is_won in values if is_won]
    rate = round(len(won) / len(values), 4) if values else None
    amounts = {"value": euros(sum(value for value, _ in values)), "won_value": euros(sum(won))}
    return {"made": len(values), "won": len(won), "win_rate": rate, **amounts}


def _check(caller: Client, offers: Iterable[Offer], **query: str) -> None:
    reply = caller.get("/v1/statistics/offers", **query)
    assert reply.status == 200, reply.text
    days = defaultdict(list)
    for offer in offers:
        first = next(
            (step for step in offer["history"] if step["event"] in {"sent", "approved"} and step["to"] == "open"), None
        )
        if first is not None:
            day = datetime.fromisoformat(first["at"]).astimezone(ZoneInfo(reply.json["time_zone"])).date().isoformat()
            if reply.json["from"] <= day <= reply.json["to"]:
                days[day].append(offer)
    assert reply.json["by_day"] == [{"date": day, **recounted(caller, few)} for day, few in sorted(days.items())]
    total = recounted(caller, [offer for few in days.values() for offer in few])
    assert {name: reply.json[name] for name in total} == total


def _value(caller: Client, offer: Offer) -> int:
    """Return what an offer comes to as it was sent last, also while the next version is being written."""
    last = next(step for step in reversed(offer["history"]) if step["event"] in {"sent", "approved"} and step["to"] == "open")
    if last["version"] == offer["version"]:
        return int(offer["totals"]["total"]["amount"])
    kept = caller.get(f"/v1/offers/{offer['id']}/versions/{last['version']}")
    assert kept.status == 200, kept.text
    return int(kept.json["totals"]["total"]["amount"])
