"""Which customers a caller may see, and so what belongs to them: orders, employees, invitations, figures.

Every read of such a thing demands a `Scope`. What is out of scope does not exist.
"""

from dataclasses import dataclass
from typing import Literal

from tradepost.domain.customers import Customer
from tradepost.domain.people import Member
from tradepost.domain.permissions import Role

type Reach = Literal["store", "active", "allocated", "own"]


@dataclass(frozen=True)
class Scope:
    """The customers of one store that somebody may see.

    `store`: all of them, for the owner. `active`: those that are active, for reps with access All and for supervisors.
    `allocated`: those allocated to the rep whose id is `whose`. `own`: the one customer whose id is `whose`. `member_id` is who
    sees them, and so what it did itself for no customer; None for nobody in particular.
    """

    store_id: str
    reach: Reach
    whose: str | None = None
    member_id: str | None = None

    @classmethod
    def of(cls, member: Member) -> "Scope":
        """Return what a member of a store may see."""
        if member.role is Role.OWNER:
            return cls(member.store_id, "store", member_id=member.id)
        if member.role is Role.BUYER:
            return cls(member.store_id, "own", member.customer_id, member.id)
        if member.supervisor or member.access == "all":
            return cls(member.store_id, "active", member_id=member.id)
        return cls(member.store_id, "allocated", member.id, member.id)

    def covers(self, customer: Customer) -> bool:
        """Tell whether a customer is within the scope."""
        if customer.store_id != self.store_id:
            return False
        match self.reach:
            case "store":
                return True
            case "active":
                return customer.active
            case "allocated":
                return self.whose in customer.sales_rep_ids
            case "own":
                return customer.id == self.whose

    @property
    def own_customer_id(self) -> str | None:
        """The one customer of a buyer's scope; None where there may be several."""
        return self.whose if self.reach == "own" else None

    @property
    def sales_rep_id(self) -> str | None:
        """The rep whose allocated customers these are; None where it is not about a rep's."""
        return self.whose if self.reach == "allocated" else None
