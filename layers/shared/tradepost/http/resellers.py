"""How resellers are shown: to the store with what its rules found, to themselves without."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tradepost.domain.customers import PostalAddress, ResellerStatus
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.reseller_decisions import ResellerMove, allowed_transitions
from tradepost.domain.resellers import Answers, Contact, Reseller, ResellerStep
from tradepost.domain.values import Instant
from tradepost.http.app import Answer
from tradepost.http.callers import CallerInfo


class ResellerAnswer(Answer):
    """A reseller. `customer_id` and `channel_id` are null until it is approved for the first time.

    `trace` is what the approval rules found when they decided last, condition by condition. Resellers are not told of it, nor
    of the rules in `history`.
    """

    id: str
    customer_id: str | None
    company: str
    contact: Contact
    address: PostalAddress
    tax_id: str | None
    answers: Answers
    status: ResellerStatus
    channel_id: str | None
    decided_by: Annotated[Party | None, Field(description="Who decided last, by hand or by rules: null while nobody has.")]
    reason: Annotated[str | None, Field(description="In words where somebody gave some; a code such as `channel_required`.")]
    trace: tuple[Mapping[str, object], ...] | None
    history: tuple[ResellerStep, ...]
    enrolled_at: Instant
    confirmed_at: Instant | None
    activated_at: Annotated[Instant | None, Field(description="When its first order came in.")]
    allowed_transitions: Annotated[list[ResellerMove], Field(description="What you can decide about it now.")]
    etag: str


def reseller_answer(reseller: Reseller, caller: CallerInfo) -> ResellerAnswer:
    """Show a reseller to its caller."""
    staff = Permission.MANAGE_RESELLERS in caller.grants
    applied = reseller.application
    return ResellerAnswer.model_validate(
        {
            **reseller.model_dump(),
            **applied.model_dump(),
            "trace": reseller.trace if staff else None,
            "history": reseller.history
            if staff
            else [_as_told(step) for step in reseller.history if step.from_status != step.to],
            "allowed_transitions": allowed_transitions(reseller.status) if staff else [],
            "etag": reseller.etag,
        }
    )


def _as_told(step: ResellerStep) -> ResellerStep:
    """Return a step as the reseller itself is told of it: which rule decided is the store's business."""
    return step.model_copy(update={"rule_id": None, "rule_version": None})
