"""Many people sell, change and reassign at the same moment, on a deployed stack: what is counted is what was ordered."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.deployed import Deployed
from tests.support.ordering import open_market
from tests.support.territory import Walk, open_territory
from tests.support.world import Shop

pytestmark = pytest.mark.stack

WALKERS = 8
STEPS = 30


def test_whatever_many_do_at_once_the_figures_are_those_of_the_orders(shop: Shop, deployed: Deployed) -> None:
    territory = open_territory(open_market(shop), "red", "grey")
    for customer in territory.customers:
        territory.order(customer)
    walks = [Walk(territory, seed) for seed in range(WALKERS)]

    def walk(number: int) -> None:
        for _ in range(STEPS):
            walks[number].step()

    with ThreadPoolExecutor(WALKERS) as pool:
        list(pool.map(walk, range(WALKERS)))

    done = sum((each.done for each in walks), Counter())
    assert not [name for name in done if name.endswith("500")], done
    assert done.keys() >= {"order 201", "move 200", "edit 200", "assign 200", "switch 200"}, done
    territory.check(*territory.callers)
    statistics = deployed.stored("statistics", shop.slug)
    assert len({item["pk"] for item in statistics}) <= 1 + len(territory.reps) + len(territory.customers)
