"""Which customers a list shows: one decision for what is listed, found by words, and exported."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from tradepost.domain.customers import Customer, CustomerKind, Delivery, ResellerStatus

NOBODY: Final = "none"
"""Named as the sales rep of customers whom none looks after."""

type CustomerStatus = Literal["active", "inactive", "all"]
type Invited = Literal["not_invited", "invited", "accepted"]
type Check = Callable[[Customer], bool]


class Wanted(NamedTuple):
    """Which customers a list shows."""

    status: CustomerStatus
    group_id: str | None
    kind: CustomerKind | None
    sales_rep_id: str | None
    has_email: bool | None
    invitation: Invited | None
    delivery: Delivery | None
    reseller_status: ResellerStatus | None

    @property
    def labels(self) -> list[str]:
        """The labels that a customer must stand under."""
        return [label for label in (self.invitation, self.delivery and f"delivery_{self.delivery}") if label]

    @property
    def checks(self) -> Mapping[str, Check]:
        """The filters that are set, in order, each with what it asks of a customer."""
        checks: dict[str, Check] = {
            "status": lambda customer: self.status == "all" or customer.active == (self.status == "active"),
            "group_id": lambda customer: customer.group_id == self.group_id,
            "kind": lambda customer: customer.kind == self.kind,
            "sales_rep_id": self._takes_reps_of,
            "has_email": lambda customer: (customer.email is not None) is self.has_email,
            "invitation": lambda customer: self.invitation in _standing(customer),
            "delivery": lambda customer: f"delivery_{self.delivery}" in _standing(customer),
            "reseller_status": lambda customer: (
                customer.reseller is not None and customer.reseller.status == self.reseller_status
            ),
        }
        return {name: check for name, check in checks.items() if getattr(self, name) not in {None, "all"}}

    def takes(self, customer: Customer) -> bool:
        """Tell whether a customer is shown."""
        return all(check(customer) for check in self.checks.values())

    def _takes_reps_of(self, customer: Customer) -> bool:
        return not customer.sales_rep_ids if self.sales_rep_id == NOBODY else self.sales_rep_id in customer.sales_rep_ids


def _standing(customer: Customer) -> frozenset[str]:
    # Whether inactive ones are shown is for the status to say.
    return customer.model_copy(update={"active": True}).standing
