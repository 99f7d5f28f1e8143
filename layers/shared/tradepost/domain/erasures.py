"""Erasing a person from a store: what becomes of its place, and how what others keep forgets who it was.

What the law makes a store keep (orders, accepted offers, bills, payments, the audit) is not touched by this: it is about
everything else that names the person.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from tradepost.domain.errors import ConflictError
from tradepost.domain.exports import Export
from tradepost.domain.ids import person_key, split_person
from tradepost.domain.people import Member
from tradepost.domain.permissions import Role

NOBODYS_NAME: Final = "Erased person"
NOBODYS_ADDRESS: Final = "erased@nobody.invalid"
"""An address that nobody has, nor ever will: RFC 2606 keeps its domain free. Nothing is mailed to it."""
_FILTERS_BY_PEOPLE: Final[Mapping[str, str]] = {"employee_id": "employee", "sales_rep_id": "sales rep"}
"""Which filters of exports name somebody, and with which words before the name."""
_TOLD_BESIDE_AN_ADDRESS: Final[Mapping[str, Any]] = {"name": NOBODYS_NAME, "phone": None, "edits": []}


def must_be_erasable(member: Member) -> None:
    """Refuse to erase whoever runs the store. Raises `ConflictError`."""
    if member.role is Role.OWNER:
        detail = "The owner answers for the store's books, and cannot be erased while there is a store."
        raise ConflictError("owner_cannot_be_erased", detail)


def customers_allocated() -> ConflictError:
    """Return the refusal to erase a sales rep while it looks after customers."""
    detail = "Customers are allocated to this sales rep. Allocate them to somebody else first."
    return ConflictError("customers_allocated", detail)


def erased(member: Member, *, at: datetime) -> Member:
    """Return a place that was somebody's: revoked, and without a name, an address, a telephone number or a consent."""
    gone = {
        "name": NOBODYS_NAME,
        "email": NOBODYS_ADDRESS,
        "phone": None,
        "landing": None,
        "status": "revoked",
        "erased_at": at,
        "erasing": True,
    }
    decided = member.deciding_on_activity(allowed=False, at=at) if member.allows_activity else member
    return decided.model_copy(update=gone)


def without_name(export: Export, member_id: str) -> Export:
    """Return an export of others whose filters do not call a member by its name in words; as it is, if they do not name it."""
    named = [role for name, role in _FILTERS_BY_PEOPLE.items() if getattr(export.filters, name, None) == member_id]
    if not named:
        return export
    words = tuple(
        next((f"{role} {NOBODYS_NAME}" for role in named if said.startswith(f"{role} ")), said)
        for said in export.filters_in_words
    )
    empty = export.empty_because and export.empty_because.model_copy(update={"detail": "This filter left nothing."})
    return export.model_copy(update={"filters_in_words": words, "empty_because": empty})


class Traces(NamedTuple):
    """By what somebody is recognised in what is kept of others: its id as a member, and the digest of its address."""

    member_id: str
    person: str

    @classmethod
    def of(cls, member_id: str) -> "Traces":
        """Return what a member is recognised by, which its id says."""
        return cls(member_id, split_person(member_id))

    def removed_from(self, document: Any) -> Any:
        """Return a stored document without the person's name and address; everything else in it stays as it is."""
        if isinstance(document, Mapping):
            return self._removed_from_fields(document)
        if isinstance(document, (list, tuple)):
            return [self.removed_from(each) for each in document]
        return NOBODYS_ADDRESS if self._is_address(document) else document

    def are_in(self, document: Any) -> bool:
        """Tell whether a stored document names the person, or has its address."""
        return bool(self.removed_from(document) != document)

    def _removed_from_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {name: self.removed_from(value) for name, value in fields.items()}
        if self._is_address(fields.get("email")):
            told |= {name: value for name, value in _TOLD_BESIDE_AN_ADDRESS.items() if name in fields}
        if fields.get("type") == "member" and fields.get("id") == self.member_id:
            told["name"] = NOBODYS_NAME
        return told

    def _is_address(self, value: object) -> bool:
        return isinstance(value, str) and "@" in value and person_key(value) == self.person
